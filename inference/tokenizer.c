/* tokenizer -- the vocabulary: read, hashed, asked. */
#include "inference/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/tokenizer_inside.h"

#define VOCABULARY_LIMIT (1u << 22)

/* ---- hashes ----------------------------------------------------------------------------------------------------- */

static uint64_t
hash_bytes(struct slice text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < text.size; i++)
		hash = (hash ^ text.data[i]) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

uint32_t
tokenizer_symbol(const struct tokenizer *tokenizer, struct slice text)
{
	for (uint32_t at = (uint32_t)hash_bytes(text);; at++) {
		uint32_t symbol = tokenizer->table[at & tokenizer->table_mask];

		if (symbol == TOKEN_NONE || slice_equal(tokenizer->bytes[symbol], text))
			return symbol;
	}
}

/* The first of equal strings keeps its place. */
static void
add_symbol(struct tokenizer *tokenizer, uint32_t symbol)
{
	for (uint32_t at = (uint32_t)hash_bytes(tokenizer->bytes[symbol]);; at++) {
		uint32_t *place = &tokenizer->table[at & tokenizer->table_mask];

		if (*place == TOKEN_NONE) {
			*place = symbol;
			return;
		}
		if (slice_equal(tokenizer->bytes[*place], tokenizer->bytes[symbol]))
			return;
	}
}

static uint32_t
hash_pair(uint32_t left, uint32_t right)
{
	uint64_t both = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;

	return (uint32_t)(both >> 32);
}

const struct merge *
tokenizer_merge(const struct tokenizer *tokenizer, uint32_t left, uint32_t right)
{
	if (left == TOKEN_NONE || right == TOKEN_NONE)
		return NULL;
	for (uint32_t at = hash_pair(left, right);; at++) {
		const struct merge *merge = &tokenizer->merges[at & tokenizer->merges_mask];

		if (merge->left == TOKEN_NONE)
			return NULL;
		if (merge->left == left && merge->right == right)
			return merge;
	}
}

static uint32_t
power_above(uint64_t count)
{
	uint32_t size = 64;

	while (size < count * 2)
		size *= 2;
	return size;
}

/* Tokens of these names end a turn or a text, whatever kind the file gives them. */
static const char *const end_names[] = {"<|im_end|>",
                                        "<|eot_id|>",
                                        "<|eom_id|>",
                                        "<|end_of_text|>",
                                        "<|endoftext|>",
                                        "</s>",
                                        "<|end|>",
                                        "<|return|>",
                                        "<|call|>",
                                        "<|flush|>",
                                        "<|calls|>",
                                        "<end_of_turn>",
                                        "<end_of_utterance>",
                                        "[|endofturn|]",
                                        "<|endofturn|>",
                                        "<|eot|>",
                                        "<EOT>",
                                        "_<EOT>",
                                        "[EOT]",
                                        "[EOS]",
                                        "<turn|>"};

/* ---- reading the vocabulary ------------------------------------------------------------------------------------- */

/* The printable alphabet of byte-level BPE, back to the byte; -1: not of the alphabet. */
static int
byte_of(uint32_t code)
{
	if ((code >= 33 && code <= 126) || (code >= 161 && code <= 172) || (code >= 174 && code <= 255))
		return (int)code;
	if (code >= 256 && code < 256 + 33)
		return (int)(code - 256);
	if (code >= 256 + 33 && code < 256 + 67)
		return (int)(code - 256 - 33 + 127);
	return code == 256 + 67 ? 173 : -1;
}

/* Raw bytes of a string in that alphabet into memory; what is not of the alphabet stays as it is. */
static struct slice
decode_alphabet(struct tokenizer *tokenizer, struct slice text)
{
	uint8_t *start = tokenizer->memory + tokenizer->memory_used;
	size_t size = 0, at = 0;

	while (at < text.size) {
		uint32_t code;
		size_t step = utf8_next(slice_of(text.data + at, text.size - at), &code);
		int byte = step > 0 ? byte_of(code) : -1;

		if (byte >= 0) {
			start[size++] = (uint8_t)byte;
		} else {
			step = step > 0 ? step : 1;
			memcpy(start + size, text.data + at, step);
			size += step;
		}
		at += step;
	}
	tokenizer->memory_used += size;
	return slice_of(start, size);
}

/* "<0x0A>" to its byte, U+2581 to a space. */
static struct slice
decode_sentencepiece(struct tokenizer *tokenizer, struct slice text, enum token_kind kind)
{
	uint8_t *start = tokenizer->memory + tokenizer->memory_used;
	size_t size = 0;

	if (kind == TOKEN_BYTE && text.size == 6 && hex_decode(start, 1, slice_of(text.data + 3, 2))) {
		size = 1;
	} else {
		for (size_t at = 0; at < text.size;) {
			if (text.size - at >= 3 && memcmp(text.data + at, "\xe2\x96\x81", 3) == 0) {
				start[size++] = ' ';
				at += 3;
			} else {
				start[size++] = text.data[at++];
			}
		}
	}
	tokenizer->memory_used += size;
	return slice_of(start, size);
}

static int
read_vocabulary(struct tokenizer *tokenizer, const struct gguf *gguf, size_t extra, size_t extra_bytes,
                struct fault *why)
{
	const struct gguf_key *tokens = gguf_key(gguf, "tokenizer.ggml.tokens");
	const struct gguf_key *types = gguf_key(gguf, "tokenizer.ggml.token_type");
	const struct gguf_key *scores = gguf_key(gguf, "tokenizer.ggml.scores");
	size_t most;
	uint32_t size;

	if (tokens == NULL || tokens->type != GGUF_ARRAY || tokens->element != GGUF_STRING ||
	    tokens->count == 0 || tokens->count > VOCABULARY_LIMIT)
		return fault_set(why, FAULT_INVALID, "tokenizer.ggml.tokens가 없거나 올바르지 않습니다",
		                 "tokenizer.ggml.tokens is absent or malformed");
	if ((types != NULL && types->count != tokens->count) ||
	    (tokenizer->sentencepiece && (scores == NULL || scores->count != tokens->count)))
		return fault_set(why, FAULT_INVALID,
		                 "tokenizer.ggml.token_type 또는 scores의 길이가 tokens와 다릅니다",
		                 "tokenizer.ggml.token_type or scores is not as long as tokens");
	tokenizer->count = (uint32_t)tokens->count;
	most = tokenizer->count + extra;
	size = power_above(most);
	tokenizer->texts = calloc(tokenizer->count, sizeof *tokenizer->texts);
	tokenizer->bytes = calloc(most, sizeof *tokenizer->bytes);
	tokenizer->kinds = calloc(tokenizer->count, 1);
	tokenizer->ends = calloc(tokenizer->count, sizeof *tokenizer->ends);
	tokenizer->memory = malloc(tokens->bytes.size + extra_bytes + 1);
	tokenizer->table = malloc((size_t)size * sizeof *tokenizer->table);
	if (tokenizer->sentencepiece)
		tokenizer->scores = calloc(tokenizer->count, sizeof *tokenizer->scores);
	if (tokenizer->texts == NULL || tokenizer->bytes == NULL || tokenizer->kinds == NULL ||
	    tokenizer->ends == NULL || tokenizer->memory == NULL || tokenizer->table == NULL ||
	    (tokenizer->sentencepiece && tokenizer->scores == NULL))
		return fault_memory(why);
	memset(tokenizer->table, 0xff, (size_t)size * sizeof *tokenizer->table);
	tokenizer->table_mask = size - 1;
	gguf_strings(tokens, tokenizer->texts);
	for (uint32_t i = 0; i < tokenizer->count; i++) {
		double number;
		enum token_kind kind = TOKEN_NORMAL;

		if (types != NULL && gguf_element(types, i, &number) && number >= 0 && number <= 6)
			kind = (enum token_kind)number;
		for (size_t j = 0; j < sizeof end_names / sizeof *end_names; j++)
			if (slice_is(tokenizer->texts[i], end_names[j])) {
				kind = TOKEN_CONTROL;
				tokenizer->ends[i] = true;
			}
		tokenizer->kinds[i] = (uint8_t)kind;
		if (tokenizer->sentencepiece) {
			if (gguf_element(scores, i, &number))
				tokenizer->scores[i] = (float)number;
			tokenizer->bytes[i] = decode_sentencepiece(tokenizer, tokenizer->texts[i], kind);
			if (kind != TOKEN_BYTE)
				continue;
			if (tokenizer->bytes[i].size == 1 && tokenizer->texts[i].size == 6)
				tokenizer->single[tokenizer->bytes[i].data[0]] = i;
		} else if (kind == TOKEN_CONTROL || kind == TOKEN_USER || kind == TOKEN_UNKNOWN) {
			tokenizer->bytes[i] = tokenizer->texts[i];
		} else {
			tokenizer->bytes[i] = decode_alphabet(tokenizer, tokenizer->texts[i]);
		}
	}
	tokenizer->symbols = tokenizer->count;
	/* Text never becomes a control token by merging, whatever the scores say. */
	for (uint32_t i = 0; i < tokenizer->count; i++)
		if (tokenizer->bytes[i].size > 0 && tokenizer->kinds[i] != TOKEN_CONTROL &&
		    tokenizer->kinds[i] != TOKEN_UNKNOWN &&
		    !(tokenizer->sentencepiece && tokenizer->kinds[i] == TOKEN_BYTE))
			add_symbol(tokenizer, i);
	return 0;
}

static uint32_t
intern(struct tokenizer *tokenizer, struct slice text)
{
	uint32_t found;

	if (text.size == 0)
		return TOKEN_NONE;
	if ((found = tokenizer_symbol(tokenizer, text)) != TOKEN_NONE)
		return found;
	tokenizer->bytes[tokenizer->symbols] = text;
	add_symbol(tokenizer, tokenizer->symbols);
	return tokenizer->symbols++;
}

static int
read_merges(struct tokenizer *tokenizer, const struct gguf_key *key, struct fault *why)
{
	struct slice *merges = calloc(key->count + 1, sizeof *merges);
	uint32_t size = power_above(key->count + 1);
	int result = -1;

	tokenizer->merges = malloc((size_t)size * sizeof *tokenizer->merges);
	if (merges == NULL || tokenizer->merges == NULL) {
		fault_memory(why);
		goto out;
	}
	memset(tokenizer->merges, 0xff, (size_t)size * sizeof *tokenizer->merges);
	tokenizer->merges_mask = size - 1;
	gguf_strings(key, merges);
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint8_t *at = tokenizer->memory + tokenizer->memory_used++;

		*at = (uint8_t)byte;
		tokenizer->single[byte] = intern(tokenizer, slice_of(at, 1));
	}
	for (uint32_t rank = 0; rank < key->count; rank++) {
		/* The space between the two; the first byte may itself be one in odd vocabularies. */
		const uint8_t *space =
		    merges[rank].size > 2 ? memchr(merges[rank].data + 1, ' ', merges[rank].size - 1) : NULL;
		struct slice left, right;
		struct merge merge = {.rank = rank};

		if (space == NULL) {
			fault_set(why, FAULT_INVALID, "tokenizer.ggml.merges %u번 항목이 올바르지 않습니다",
			          "tokenizer.ggml.merges: entry %u is malformed", rank);
			goto out;
		}
		left = slice_of(merges[rank].data, (size_t)(space - merges[rank].data));
		right = slice_of(space + 1, merges[rank].size - left.size - 1);
		left = decode_alphabet(tokenizer, left);
		right = decode_alphabet(tokenizer, right);
		merge.left = intern(tokenizer, left);
		merge.right = intern(tokenizer, right);
		/* Both were written one behind the other: together they are the result. */
		merge.result = intern(tokenizer, slice_of(left.data, left.size + right.size));
		if (merge.left == TOKEN_NONE || merge.right == TOKEN_NONE ||
		    tokenizer_merge(tokenizer, merge.left, merge.right) != NULL)
			continue;
		for (uint32_t at = hash_pair(merge.left, merge.right);; at++) {
			struct merge *place = &tokenizer->merges[at & tokenizer->merges_mask];

			if (place->left == TOKEN_NONE) {
				*place = merge;
				break;
			}
		}
	}
	result = 0;
out:
	free(merges);
	return result;
}

static int
read_id(const struct tokenizer *tokenizer, const struct gguf *gguf, const char *name, uint32_t *out,
        struct fault *why)
{
	const struct gguf_key *key = gguf_key(gguf, name);
	int64_t id;

	*out = TOKEN_NONE;
	if (key == NULL || (gguf_integer(key, &id) && (id == -1 || id == UINT32_MAX)))
		return 0;
	if (!gguf_integer(key, &id) || id < 0 || id >= tokenizer->count)
		return fault_set(why, FAULT_INVALID, "%s이(가) 어휘 %u개를 벗어납니다",
		                 "%s is outside of the vocabulary of %u", name, tokenizer->count);
	*out = (uint32_t)id;
	return 0;
}

static int
by_length(const void *a, const void *b, const struct slice *texts)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (texts[x].size != texts[y].size)
		return texts[x].size > texts[y].size ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Merge sort by hand: qsort() cannot be told of the texts. */
static void
sort_special(uint32_t *ids, uint32_t *scratch, size_t count, const struct slice *texts)
{
	size_t half = count / 2, i = 0, j = half;

	if (count < 2)
		return;
	sort_special(ids, scratch, half, texts);
	sort_special(ids + half, scratch, count - half, texts);
	for (size_t at = 0; at < count; at++)
		scratch[at] =
		    j >= count || (i < half && by_length(&ids[i], &ids[j], texts) <= 0) ? ids[i++] : ids[j++];
	memcpy(ids, scratch, count * sizeof *ids);
}

static int
read_special(struct tokenizer *tokenizer, const struct gguf *gguf, struct fault *why)
{
	uint32_t eot, eom, padding, *scratch;
	uint32_t *ids = malloc(((size_t)tokenizer->count + 1) * 2 * sizeof *ids);

	if (ids == NULL)
		return fault_memory(why);
	tokenizer->special = ids;
	scratch = ids + tokenizer->count;
	for (uint32_t i = 0; i < tokenizer->count; i++)
		if ((tokenizer->kinds[i] == TOKEN_CONTROL || tokenizer->kinds[i] == TOKEN_USER ||
		     tokenizer->kinds[i] == TOKEN_UNKNOWN) &&
		    tokenizer->texts[i].size > 0)
			ids[tokenizer->special_count++] = i;
	sort_special(ids, scratch, tokenizer->special_count, tokenizer->texts);
	if (read_id(tokenizer, gguf, "tokenizer.ggml.bos_token_id", &tokenizer->bos, why) == -1 ||
	    read_id(tokenizer, gguf, "tokenizer.ggml.eos_token_id", &tokenizer->eos, why) == -1 ||
	    read_id(tokenizer, gguf, "tokenizer.ggml.eot_token_id", &eot, why) == -1 ||
	    read_id(tokenizer, gguf, "tokenizer.ggml.eom_token_id", &eom, why) == -1 ||
	    read_id(tokenizer, gguf, "tokenizer.ggml.unknown_token_id", &tokenizer->unknown, why) == -1 ||
	    read_id(tokenizer, gguf, "tokenizer.ggml.padding_token_id", &padding, why) == -1)
		return -1;
	if (tokenizer->eos != TOKEN_NONE)
		tokenizer->ends[tokenizer->eos] = true;
	if (eot != TOKEN_NONE)
		tokenizer->ends[eot] = true;
	if (eom != TOKEN_NONE)
		tokenizer->ends[eom] = true;
	return 0;
}

int
tokenizer_open(struct tokenizer **out, const struct gguf *gguf, struct fault *why)
{
	struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
	const struct gguf_key *merges = gguf_key(gguf, "tokenizer.ggml.merges");
	struct slice model = {0}, pre = SLICE_LITERAL("default");
	int result = -1;

	if (tokenizer == NULL)
		return fault_memory(why);
	memset(tokenizer->single, 0xff, sizeof tokenizer->single);
	if (!gguf_string(gguf_key(gguf, "tokenizer.ggml.model"), &model) ||
	    !(slice_is(model, "gpt2") || slice_is(model, "llama"))) {
		if (model.size == 0 || model.size > 64 || !utf8_valid(model))
			model = SLICE_LITERAL("?");
		fault_set(why, FAULT_UNSUPPORTED,
		          "토크나이저 '%.*s'은(는) 지원하지 않습니다 (gpt2, llama만 가능)",
		          "tokenizer '%.*s' is not supported (gpt2 and llama are)", SLICE_PRINT(model));
		goto out;
	}
	tokenizer->sentencepiece = slice_is(model, "llama");
	gguf_string(gguf_key(gguf, "tokenizer.ggml.pre"), &pre);
	if (tokenizer->sentencepiece) {
		if (read_vocabulary(tokenizer, gguf, 0, 0, why) == -1)
			goto out;
		tokenizer->add_bos = tokenizer->add_space = true;
	} else {
		if ((tokenizer->pre = pretokenizer_find(pre)) == NULL) {
			if (pre.size > 64 || !utf8_valid(pre))
				pre = SLICE_LITERAL("?");
			fault_set(why, FAULT_UNSUPPORTED, "사전 토크나이저 '%.*s'은(는) 지원하지 않습니다",
			          "pre-tokenizer '%.*s' is not supported", SLICE_PRINT(pre));
			goto out;
		}
		if (merges == NULL || merges->type != GGUF_ARRAY || merges->element != GGUF_STRING ||
		    merges->count > VOCABULARY_LIMIT) {
			fault_set(why, FAULT_INVALID, "tokenizer.ggml.merges가 없거나 올바르지 않습니다",
			          "tokenizer.ggml.merges is absent or malformed");
			goto out;
		}
		if (read_vocabulary(tokenizer, gguf, 256 + 3 * (size_t)merges->count,
		                    256 + merges->bytes.size, why) == -1 ||
		    read_merges(tokenizer, merges, why) == -1)
			goto out;
		tokenizer->add_bos = tokenizer->pre->add_bos;
	}
	snprintf(tokenizer->pre_name, sizeof tokenizer->pre_name, "%.*s", SLICE_PRINT(pre));
	if (read_special(tokenizer, gguf, why) == -1)
		goto out;
	gguf_flag(gguf_key(gguf, "tokenizer.ggml.add_bos_token"), &tokenizer->add_bos);
	gguf_flag(gguf_key(gguf, "tokenizer.ggml.add_eos_token"), &tokenizer->add_eos);
	gguf_flag(gguf_key(gguf, "tokenizer.ggml.add_space_prefix"), &tokenizer->add_space);
	*out = tokenizer;
	tokenizer = NULL;
	result = 0;
out:
	tokenizer_close(tokenizer);
	return result;
}

void
tokenizer_close(struct tokenizer *tokenizer)
{
	if (tokenizer == NULL)
		return;
	free(tokenizer->texts);
	free(tokenizer->bytes);
	free(tokenizer->kinds);
	free(tokenizer->ends);
	free(tokenizer->scores);
	free(tokenizer->memory);
	free(tokenizer->table);
	free(tokenizer->merges);
	free(tokenizer->special);
	free(tokenizer);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

uint32_t
tokenizer_count(const struct tokenizer *tokenizer)
{
	return tokenizer->count;
}

enum token_kind
tokenizer_kind(const struct tokenizer *tokenizer, uint32_t id)
{
	return id < tokenizer->count ? (enum token_kind)tokenizer->kinds[id] : TOKEN_UNDEFINED;
}

struct slice
tokenizer_bytes(const struct tokenizer *tokenizer, uint32_t id)
{
	return id < tokenizer->count ? tokenizer->bytes[id] : slice_of(NULL, 0);
}

uint32_t
tokenizer_find(const struct tokenizer *tokenizer, struct slice text)
{
	for (uint32_t i = 0; i < tokenizer->special_count; i++)
		if (slice_equal(tokenizer->texts[tokenizer->special[i]], text))
			return tokenizer->special[i];
	return TOKEN_NONE;
}

uint32_t
tokenizer_bos(const struct tokenizer *tokenizer)
{
	return tokenizer->bos;
}

uint32_t
tokenizer_eos(const struct tokenizer *tokenizer)
{
	return tokenizer->eos;
}

struct slice
tokenizer_text(const struct tokenizer *tokenizer, uint32_t id)
{
	return id < tokenizer->count ? tokenizer->texts[id] : slice_of(NULL, 0);
}

bool
tokenizer_adds_bos(const struct tokenizer *tokenizer)
{
	return tokenizer->add_bos && tokenizer->bos != TOKEN_NONE;
}

bool
tokenizer_ends(const struct tokenizer *tokenizer, uint32_t id)
{
	return id < tokenizer->count && tokenizer->ends[id];
}

bool
tokenizer_leading_space(const struct tokenizer *tokenizer)
{
	return tokenizer->sentencepiece && tokenizer->add_space;
}

const char *
tokenizer_model(const struct tokenizer *tokenizer)
{
	return tokenizer->sentencepiece ? "llama" : "gpt2";
}

const char *
tokenizer_pre(const struct tokenizer *tokenizer)
{
	return tokenizer->pre_name;
}
