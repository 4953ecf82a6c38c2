#include "inference/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "inference/quant.h"

#define STRING_LIMIT ((uint64_t)1 << 30)
#define NAME_LIMIT   64 /* tensor names are shorter; keys may be longer */
#define KEY_LIMIT    512

static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static int
cut_short(struct fault *why, const char *what)
{
	return fault_set(why, FAULT_INVALID, "GGUF 파일이 잘렸습니다: %s에서 끝남",
	                 "the GGUF file is cut short: it ends in %s", what);
}

static int
read_string(struct reader *reader, struct slice *out, const char *what, struct fault *why)
{
	uint64_t size = reader_u64le(reader);

	if (!reader_ok(reader))
		return cut_short(why, what);
	if (size > STRING_LIMIT || size > reader->rest.size)
		return fault_set(why, FAULT_INVALID, "GGUF: %s의 길이 %llu가 남은 %zu바이트를 넘습니다",
		                 "GGUF: the length of a %s, %llu, is more than the %zu bytes that are left",
		                 what, (unsigned long long)size, reader->rest.size);
	*out = reader_take(reader, (size_t)size);
	return 0;
}

static int
read_array(struct reader *reader, struct gguf_key *key, struct fault *why)
{
	uint32_t element = reader_u32le(reader);
	uint64_t count = reader_u64le(reader);
	const uint8_t *start;

	if (!reader_ok(reader))
		return cut_short(why, "array");
	if (element > GGUF_F64 || element == GGUF_ARRAY)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "GGUF: '%.*s' 배열의 원소 형식 %u은(는) 지원하지 않습니다",
		                 "GGUF: array '%.*s' has elements of type %u, which is not supported",
		                 SLICE_PRINT(key->name), element);
	key->element = (enum gguf_type)element;
	key->count = count;
	if (count > STRING_LIMIT || count > reader->rest.size / (element == GGUF_STRING ? 8 : sizes[element]))
		return fault_set(
		    why, FAULT_INVALID,
		    "GGUF: '%.*s' 배열의 원소 %llu개가 남은 %zu바이트에 들어가지 않습니다",
		    "GGUF: array '%.*s' claims %llu elements, more than fit in the %zu bytes left",
		    SLICE_PRINT(key->name), (unsigned long long)count, reader->rest.size);
	start = reader->rest.data;
	if (element == GGUF_STRING) {
		struct slice text;

		for (uint64_t i = 0; i < count; i++)
			if (read_string(reader, &text, "array of strings", why) == -1)
				return -1;
	} else {
		reader_take(reader, (size_t)count * sizes[element]);
	}
	key->bytes = slice_of(start, (size_t)(reader->rest.data - start));
	return 0;
}

static int
read_key(struct reader *reader, struct gguf_key *key, struct fault *why)
{
	uint32_t type;

	if (read_string(reader, &key->name, "key", why) == -1)
		return -1;
	if (key->name.size == 0 || key->name.size > KEY_LIMIT || !utf8_valid(key->name) ||
	    memchr(key->name.data, 0, key->name.size) != NULL)
		return fault_set(why, FAULT_INVALID, "GGUF: 키 이름이 올바르지 않습니다 (%zu바이트)",
		                 "GGUF: malformed key name (%zu bytes)", key->name.size);
	type = reader_u32le(reader);
	if (!reader_ok(reader))
		return cut_short(why, "metadata");
	if (type > GGUF_F64)
		return fault_set(why, FAULT_UNSUPPORTED, "GGUF: '%.*s'의 값 형식 %u을(를) 모릅니다",
		                 "GGUF: key '%.*s' has unknown value type %u", SLICE_PRINT(key->name), type);
	key->type = key->element = (enum gguf_type)type;
	key->count = 1;
	if (type == GGUF_ARRAY)
		return read_array(reader, key, why);
	if (type == GGUF_STRING)
		return read_string(reader, &key->bytes, "string", why);
	key->bytes = reader_take(reader, sizes[type]);
	if (!reader_ok(reader))
		return cut_short(why, "metadata");
	return 0;
}

static int
read_tensor(struct reader *reader, struct gguf_tensor *tensor, uint64_t alignment, struct fault *why)
{
	uint64_t total = 1;

	if (read_string(reader, &tensor->name, "tensor name", why) == -1)
		return -1;
	if (tensor->name.size == 0 || tensor->name.size >= NAME_LIMIT || !utf8_valid(tensor->name) ||
	    memchr(tensor->name.data, 0, tensor->name.size) != NULL)
		return fault_set(why, FAULT_INVALID, "GGUF: 텐서 이름이 올바르지 않습니다 (%zu바이트)",
		                 "GGUF: malformed tensor name (%zu bytes)", tensor->name.size);
	tensor->dimensions = reader_u32le(reader);
	if (!reader_ok(reader))
		return cut_short(why, "tensor list");
	if (tensor->dimensions < 1 || tensor->dimensions > 4)
		return fault_set(why, FAULT_INVALID, "GGUF: 텐서 '%.*s'의 차원 수 %u은(는) 1-4가 아닙니다",
		                 "GGUF: tensor '%.*s' has %u dimensions, not 1 to 4",
		                 SLICE_PRINT(tensor->name), tensor->dimensions);
	for (unsigned i = 0; i < 4; i++) {
		tensor->shape[i] = i < tensor->dimensions ? reader_u64le(reader) : 1;
		if (!reader_ok(reader))
			return cut_short(why, "tensor list");
		if (tensor->shape[i] == 0 || tensor->shape[i] > INT64_MAX / total / 8)
			return fault_set(why, FAULT_INVALID, "GGUF: 텐서 '%.*s'의 크기가 0이거나 너무 큽니다",
			                 "GGUF: the shape of tensor '%.*s' is zero or overflows",
			                 SLICE_PRINT(tensor->name));
		total *= tensor->shape[i];
	}
	tensor->type = reader_u32le(reader);
	tensor->offset = reader_u64le(reader);
	if (!reader_ok(reader))
		return cut_short(why, "tensor list");
	if (tensor->offset % alignment != 0)
		return fault_set(why, FAULT_INVALID, "GGUF: 텐서 '%.*s'의 위치 %llu가 %llu의 배수가 아닙니다",
		                 "GGUF: tensor '%.*s' lies at %llu, which is no multiple of %llu",
		                 SLICE_PRINT(tensor->name), (unsigned long long)tensor->offset,
		                 (unsigned long long)alignment);
	return 0;
}

static int
place_tensor(struct gguf_tensor *tensor, struct slice data, struct fault *why)
{
	const struct quant_kind *kind = quant_kind(tensor->type);
	uint64_t row, size;

	if (kind == NULL)
		return fault_set(why, FAULT_UNSUPPORTED, "GGUF: 텐서 '%.*s'의 형식 번호 %u을(를) 모릅니다",
		                 "GGUF: tensor '%.*s' has unknown type number %u", SLICE_PRINT(tensor->name),
		                 tensor->type);
	if ((row = quant_row_size(tensor->type, tensor->shape[0])) == 0)
		return fault_set(why, FAULT_INVALID, "GGUF: 텐서 '%.*s'의 행이 %s 블록 %u의 배수가 아닙니다",
		                 "GGUF: the rows of tensor '%.*s' (%s) are no multiple of its block of %u",
		                 SLICE_PRINT(tensor->name), kind->name, kind->block);
	/* No overflow: the product of the shape was kept below 2^60, and no type takes more than 8 bytes a value. */
	size = row * tensor->shape[1] * tensor->shape[2] * tensor->shape[3];
	if (tensor->offset > data.size || size > data.size - tensor->offset)
		return fault_set(why, FAULT_INVALID,
		                 "GGUF 파일이 잘렸습니다: 텐서 '%.*s' (%llu바이트, 위치 %llu)가 데이터 "
		                 "%zu바이트를 넘습니다",
		                 "the GGUF file is cut short: tensor '%.*s' (%llu bytes at %llu) reaches "
		                 "past the %zu bytes of data",
		                 SLICE_PRINT(tensor->name), (unsigned long long)size,
		                 (unsigned long long)tensor->offset, data.size);
	tensor->data = slice_of(data.data + tensor->offset, (size_t)size);
	return 0;
}

static int
by_key_name(const void *a, const void *b)
{
	return slice_compare((*(const struct gguf_key *const *)a)->name,
	                     (*(const struct gguf_key *const *)b)->name);
}

static int
by_tensor_name(const void *a, const void *b)
{
	return slice_compare((*(const struct gguf_tensor *const *)a)->name,
	                     (*(const struct gguf_tensor *const *)b)->name);
}

static int
by_offset(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a,
	                         *y = *(const struct gguf_tensor *const *)b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int
check_unique(const struct gguf *gguf, struct fault *why)
{
	size_t most = gguf->key_count > gguf->tensor_count ? gguf->key_count : gguf->tensor_count;
	const void **order = calloc(most + 1, sizeof *order);
	int result = -1;

	if (order == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < gguf->key_count; i++)
		order[i] = &gguf->keys[i];
	qsort(order, gguf->key_count, sizeof *order, by_key_name);
	for (size_t i = 1; i < gguf->key_count; i++) {
		const struct gguf_key *key = order[i];

		if (by_key_name(&order[i - 1], &order[i]) == 0) {
			fault_set(why, FAULT_INVALID, "GGUF: 키 '%.*s'가 두 번 나옵니다",
			          "GGUF: key '%.*s' appears twice", SLICE_PRINT(key->name));
			goto out;
		}
	}
	for (size_t i = 0; i < gguf->tensor_count; i++)
		order[i] = &gguf->tensors[i];
	qsort(order, gguf->tensor_count, sizeof *order, by_tensor_name);
	for (size_t i = 1; i < gguf->tensor_count; i++) {
		const struct gguf_tensor *tensor = order[i];

		if (by_tensor_name(&order[i - 1], &order[i]) == 0) {
			fault_set(why, FAULT_INVALID, "GGUF: 텐서 '%.*s'가 두 번 나옵니다",
			          "GGUF: tensor '%.*s' appears twice", SLICE_PRINT(tensor->name));
			goto out;
		}
	}
	qsort(order, gguf->tensor_count, sizeof *order, by_offset);
	for (size_t i = 1; i < gguf->tensor_count; i++) {
		const struct gguf_tensor *before = order[i - 1], *tensor = order[i];

		if (tensor->offset < before->offset + before->data.size) {
			fault_set(why, FAULT_INVALID, "GGUF: 텐서 '%.*s'와 '%.*s'가 겹칩니다",
			          "GGUF: tensors '%.*s' and '%.*s' overlap", SLICE_PRINT(before->name),
			          SLICE_PRINT(tensor->name));
			goto out;
		}
	}
	result = 0;
out:
	free(order);
	return result;
}

/* What people take for a model by mistake is told apart. */
static int
not_gguf(struct slice file, struct fault *why)
{
	static const struct {
		const char *begins, *ko, *en;
		size_t at;
	} others[] = {
	    {"<",	               "웹 페이지",             "a web page",               0},
	    {"version https://git-lfs", "Git LFS의 자리표시",   "a placeholder of Git LFS", 0},
	    {"PK\x03\x04",              "ZIP 또는 PyTorch 파일", "a ZIP or PyTorch file",    0},
	    {"{",	               "safetensors 파일",        "a file of safetensors",    8},
	    {"lmgg",                    "옛 GGML 파일",           "a file of the old GGML",   0},
	    {"tjgg",                    "옛 GGJT 파일",           "a file of the old GGJT",   0},
	};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		const size_t size = strlen(others[i].begins);

		if (file.size >= others[i].at + size &&
		    memcmp(file.data + others[i].at, others[i].begins, size) == 0)
			return fault_set(why, FAULT_INVALID, "GGUF 파일이 아니라 %s입니다%.0s",
			                 "this is not a GGUF file, but%.0s %s", others[i].ko, others[i].en);
	}
	return fault_set(why, FAULT_INVALID, "GGUF 파일이 아닙니다 (첫 4바이트가 'GGUF'가 아님)",
	                 "not a GGUF file (it does not begin with 'GGUF')");
}

int
gguf_parse(struct gguf *out, struct slice file, struct fault *why)
{
	struct reader reader = reader_of(file);
	struct slice magic, data;
	uint64_t tensors, keys, position;
	int64_t alignment = 32;

	memset(out, 0, sizeof *out);
	magic = reader_take(&reader, 4);
	if (!reader_ok(&reader))
		return cut_short(why, "header");
	if (!slice_is(magic, "GGUF"))
		return not_gguf(file, why);
	out->version = reader_u32le(&reader);
	if (reader_ok(&reader) && out->version != 0 && (out->version & 0xffff) == 0)
		return fault_set(why, FAULT_UNSUPPORTED, "빅 엔디언 GGUF 파일은 지원하지 않습니다 (버전 %u)",
		                 "GGUF files in big endian are not supported (version %u)",
		                 __builtin_bswap32(out->version));
	if (reader_ok(&reader) && out->version != 2 && out->version != 3)
		return fault_set(why, FAULT_UNSUPPORTED, "GGUF 버전 %u은(는) 지원하지 않습니다 (2, 3만 가능)",
		                 "GGUF version %u is not supported (only 2 and 3 are)", out->version);
	tensors = reader_u64le(&reader);
	keys = reader_u64le(&reader);
	if (!reader_ok(&reader))
		return cut_short(why, "header");
	/* A key takes at least 13 bytes and a tensor 32: no table is made that the file could not fill. */
	if (keys > GGUF_KEYS_LIMIT || keys > reader.rest.size / 13)
		return fault_set(why, FAULT_INVALID, "GGUF: 키 %llu개는 이 파일에 너무 많습니다 (잘린 파일?)",
		                 "GGUF: %llu keys are too many for this file (cut short?)",
		                 (unsigned long long)keys);
	if (tensors > GGUF_TENSORS_LIMIT || tensors > reader.rest.size / 32)
		return fault_set(why, FAULT_INVALID,
		                 "GGUF: 텐서 %llu개는 이 파일에 너무 많습니다 (잘린 파일?)",
		                 "GGUF: %llu tensors are too many for this file (cut short?)",
		                 (unsigned long long)tensors);
	if ((out->keys = calloc((size_t)keys + 1, sizeof *out->keys)) == NULL ||
	    (out->tensors = calloc((size_t)tensors + 1, sizeof *out->tensors)) == NULL)
		return fault_memory(why);
	for (; out->key_count < keys; out->key_count++)
		if (read_key(&reader, &out->keys[out->key_count], why) == -1)
			return -1;
	if (gguf_key(out, "general.alignment") != NULL &&
	    (!gguf_integer(gguf_key(out, "general.alignment"), &alignment) || alignment < 8 ||
	     alignment > 65536 || (alignment & (alignment - 1)) != 0))
		return fault_set(why, FAULT_INVALID,
		                 "GGUF: general.alignment는 8-65536의 2의 거듭제곱이어야 합니다",
		                 "GGUF: general.alignment must be a power of two from 8 to 65536");
	out->alignment = (uint64_t)alignment;
	for (; out->tensor_count < tensors; out->tensor_count++)
		if (read_tensor(&reader, &out->tensors[out->tensor_count], out->alignment, why) == -1)
			return -1;
	position = file.size - reader.rest.size;
	out->data_start = (position + out->alignment - 1) & ~(out->alignment - 1);
	if (out->data_start > file.size && tensors > 0)
		return cut_short(why, "padding");
	data = slice_of(file.data + position, 0);
	if (out->data_start <= file.size)
		data = slice_of(file.data + out->data_start, file.size - (size_t)out->data_start);
	for (size_t i = 0; i < out->tensor_count; i++)
		if (place_tensor(&out->tensors[i], data, why) == -1)
			return -1;
	return check_unique(out, why);
}

void
gguf_free(struct gguf *gguf)
{
	if (gguf == NULL)
		return;
	free(gguf->keys);
	free(gguf->tensors);
	memset(gguf, 0, sizeof *gguf);
}

const struct gguf_key *
gguf_key(const struct gguf *gguf, const char *name)
{
	for (size_t i = 0; i < gguf->key_count; i++)
		if (slice_is(gguf->keys[i].name, name))
			return &gguf->keys[i];
	return NULL;
}

const struct gguf_tensor *
gguf_tensor(const struct gguf *gguf, const char *name)
{
	for (size_t i = 0; i < gguf->tensor_count; i++)
		if (slice_is(gguf->tensors[i].name, name))
			return &gguf->tensors[i];
	return NULL;
}

/* One number or boolean at `data`, as integer or as real. */
static bool
number_at(enum gguf_type type, const uint8_t *data, int64_t *integer, double *real)
{
	struct reader reader = reader_of(slice_of(data, sizes[type]));
	uint64_t bits = 0;
	float single;

	switch (sizes[type]) {
	case 1:
		bits = reader_u8(&reader);
		break;
	case 2:
		bits = reader_u16le(&reader);
		break;
	case 4:
		bits = reader_u32le(&reader);
		break;
	case 8:
		bits = reader_u64le(&reader);
		break;
	default:
		return false;
	}
	switch (type) {
	case GGUF_I8:
		*integer = (int8_t)bits;
		break;
	case GGUF_I16:
		*integer = (int16_t)bits;
		break;
	case GGUF_I32:
		*integer = (int32_t)bits;
		break;
	case GGUF_F32: {
		uint32_t word = (uint32_t)bits;

		memcpy(&single, &word, 4);
		*real = (double)single;
		*integer = 0;
		return true;
	}
	case GGUF_F64:
		memcpy(real, &bits, 8);
		*integer = 0;
		return true;
	default:
		if (bits > INT64_MAX && type == GGUF_U64)
			return false;
		*integer = (int64_t)bits;
	}
	*real = (double)*integer;
	return true;
}

static bool
is_integer(enum gguf_type type)
{
	return type <= GGUF_I32 || type == GGUF_U64 || type == GGUF_I64;
}

bool
gguf_integer(const struct gguf_key *key, int64_t *out)
{
	double real;

	return key != NULL && is_integer(key->type) && number_at(key->type, key->bytes.data, out, &real);
}

bool
gguf_real(const struct gguf_key *key, double *out)
{
	int64_t integer;

	return key != NULL && (is_integer(key->type) || key->type == GGUF_F32 || key->type == GGUF_F64) &&
	       number_at(key->type, key->bytes.data, &integer, out);
}

bool
gguf_flag(const struct gguf_key *key, bool *out)
{
	if (key == NULL || key->type != GGUF_BOOL)
		return false;
	*out = key->bytes.data[0] != 0;
	return true;
}

bool
gguf_string(const struct gguf_key *key, struct slice *out)
{
	if (key == NULL || key->type != GGUF_STRING)
		return false;
	*out = key->bytes;
	return true;
}

bool
gguf_element(const struct gguf_key *key, uint64_t index, double *out)
{
	int64_t integer;

	if (key == NULL || index >= key->count || key->element == GGUF_STRING || key->element == GGUF_ARRAY)
		return false;
	return number_at(key->element, key->bytes.data + index * sizes[key->element], &integer, out);
}

bool
gguf_strings(const struct gguf_key *key, struct slice *out)
{
	struct reader reader;

	if (key == NULL || key->type != GGUF_ARRAY || key->element != GGUF_STRING)
		return false;
	reader = reader_of(key->bytes);
	for (uint64_t i = 0; i < key->count; i++)
		out[i] = reader_take(&reader, (size_t)reader_u64le(&reader));
	return reader_ok(&reader);
}
