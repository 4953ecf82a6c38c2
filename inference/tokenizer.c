#define _GNU_SOURCE /* memmem */
/*
 * tokenizer -- vocabulary, the search for special tokens, and both ways of merging.
 *
 * BPE symbols are strings of raw bytes with a number each: tokens have their id, strings that only occur within
 * merges get numbers behind the vocabulary. One hash finds a string's number, another what two numbers merge to.
 */
#include "inference/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "inference/pretokenizer.h"

#define VOCABULARY_LIMIT (1u << 22)
#define TEXT_LIMIT       ((size_t)1 << 30)

struct merge {
	uint32_t left, right; /* left TOKEN_NONE: empty place */
	uint32_t rank, result;
};

struct tokenizer {
	bool sentencepiece;
	const struct pretokenizer_name *pre;
	uint32_t count;      /* of the vocabulary */
	uint32_t symbols;    /* and strings of merges behind it */
	struct slice *texts; /* as in the file, for tokens */
	struct slice *bytes; /* as raw bytes, for all symbols */
	uint8_t *kinds;
	bool *ends;
	float *scores;   /* sentencepiece */
	uint8_t *memory; /* of bytes */
	size_t memory_used;
	uint32_t *table; /* string -> number, open addressing */
	uint32_t table_mask;
	struct merge *merges;
	uint32_t merges_mask;
	uint32_t single[256]; /* number of the symbol of one byte, or TOKEN_NONE */
	uint32_t *special;    /* control and user-defined tokens, longest first */
	uint32_t special_count;
	uint32_t bos, eos, unknown;
	bool add_bos, add_eos, add_space;
	char pre_name[64];
};

/* ---- hashes ----------------------------------------------------------------------------------------------------- */

static uint64_t
hash_bytes(struct slice text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < text.size; i++)
		hash = (hash ^ text.data[i]) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

static uint32_t
find_symbol(const struct tokenizer *tokenizer, struct slice text)
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

static const struct merge *
find_merge(const struct tokenizer *tokenizer, uint32_t left, uint32_t right)
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
	if ((found = find_symbol(tokenizer, text)) != TOKEN_NONE)
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
		    find_merge(tokenizer, merge.left, merge.right) != NULL)
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

/* ---- merging ---------------------------------------------------------------------------------------------------- */

/* A symbol of the text being merged; a doubly linked list in an array. */
struct node {
	uint32_t symbol; /* TOKEN_NONE: no string of the vocabulary (sentencepiece) */
	uint32_t start, size;
	int32_t before, after; /* -1: none */
};

struct candidate {
	uint64_t order; /* least first: rank or score, then position */
	uint32_t left, result;
	uint32_t size; /* of both together: a candidate is stale when this no longer holds */
	uint32_t right;
};

struct merger {
	const struct tokenizer *tokenizer;
	const uint8_t *text;
	struct node *nodes;
	struct candidate *heap;
	size_t heap_count, heap_capacity;
	bool failed;
};

static void
heap_push(struct merger *merger, struct candidate candidate)
{
	size_t at = merger->heap_count;

	if (at == merger->heap_capacity) {
		size_t capacity = merger->heap_capacity * 2 + 64;
		struct candidate *heap = realloc(merger->heap, capacity * sizeof *heap);

		if (heap == NULL) {
			merger->failed = true;
			return;
		}
		merger->heap = heap;
		merger->heap_capacity = capacity;
	}
	merger->heap_count++;
	while (at > 0 && merger->heap[(at - 1) / 2].order > candidate.order) {
		merger->heap[at] = merger->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	merger->heap[at] = candidate;
}

static struct candidate
heap_pop(struct merger *merger)
{
	struct candidate first = merger->heap[0], last = merger->heap[--merger->heap_count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < merger->heap_count) {
		if (child + 1 < merger->heap_count &&
		    merger->heap[child + 1].order < merger->heap[child].order)
			child++;
		if (merger->heap[child].order >= last.order)
			break;
		merger->heap[at] = merger->heap[child];
		at = child;
	}
	merger->heap[at] = last;
	return first;
}

/* Higher scores first: floats ordered as unsigned numbers, turned round. */
static uint32_t
score_order(float score)
{
	uint32_t bits;

	memcpy(&bits, &score, 4);
	return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

static void
consider(struct merger *merger, int32_t left)
{
	const struct tokenizer *tokenizer = merger->tokenizer;
	struct node *a, *b;
	struct candidate candidate;

	if (left < 0 || merger->nodes[left].after < 0)
		return;
	a = &merger->nodes[left];
	b = &merger->nodes[a->after];
	candidate.left = (uint32_t)left;
	candidate.right = (uint32_t)a->after;
	candidate.size = a->size + b->size;
	if (tokenizer->sentencepiece) {
		uint32_t symbol =
		    find_symbol(tokenizer, slice_of(merger->text + a->start, a->size + b->size));

		if (symbol == TOKEN_NONE)
			return;
		candidate.result = symbol;
		candidate.order = (uint64_t)score_order(tokenizer->scores[symbol]) << 32 | (uint32_t)left;
	} else {
		const struct merge *merge = find_merge(tokenizer, a->symbol, b->symbol);

		if (merge == NULL)
			return;
		candidate.result = merge->result;
		candidate.order = (uint64_t)merge->rank << 32 | (uint32_t)left;
	}
	heap_push(merger, candidate);
}

static void
merge_all(struct merger *merger, size_t count)
{
	for (size_t i = 0; i + 1 < count; i++)
		consider(merger, (int32_t)i);
	while (merger->heap_count > 0 && !merger->failed) {
		struct candidate candidate = heap_pop(merger);
		struct node *left = &merger->nodes[candidate.left], *right = &merger->nodes[candidate.right];

		/* A node that was merged away has size 0, and one that grew has another size. */
		if (left->size == 0 || right->size == 0 || left->after != (int32_t)candidate.right ||
		    left->size + right->size != candidate.size)
			continue;
		left->size += right->size;
		left->symbol = candidate.result;
		left->after = right->after;
		right->size = 0;
		if (left->after >= 0)
			merger->nodes[left->after].before = (int32_t)candidate.left;
		consider(merger, left->before);
		consider(merger, (int32_t)candidate.left);
	}
	merger->heap_count = 0;
}

static int
emit_bytes(const struct tokenizer *tokenizer, struct slice bytes, struct token_list *out, struct fault *why)
{
	for (size_t i = 0; i < bytes.size; i++) {
		uint32_t id = tokenizer->single[bytes.data[i]];

		if (id == TOKEN_NONE || id >= tokenizer->count)
			id = tokenizer->unknown;
		if (id != TOKEN_NONE && token_list_add(out, id, why) == -1)
			return -1;
	}
	return 0;
}

/* Nodes in their final state to tokens. */
static int
emit(const struct merger *merger, struct token_list *out, struct fault *why)
{
	const struct tokenizer *tokenizer = merger->tokenizer;

	for (int32_t at = 0; at >= 0; at = merger->nodes[at].after) {
		const struct node *node = &merger->nodes[at];

		if (node->symbol != TOKEN_NONE && node->symbol < tokenizer->count) {
			if (token_list_add(out, node->symbol, why) == -1)
				return -1;
		} else if (emit_bytes(tokenizer, slice_of(merger->text + node->start, node->size), out,
		                      why) == -1) {
			return -1;
		}
	}
	return 0;
}

static int
merge_piece(struct merger *merger, struct slice text, size_t start, size_t end, struct token_list *out,
            struct fault *why)
{
	const struct tokenizer *tokenizer = merger->tokenizer;
	size_t count = 0;
	uint32_t whole;

	if (tokenizer->pre->ignore_merges || end - start == 1) {
		whole = find_symbol(tokenizer, slice_of(text.data + start, end - start));
		if (whole != TOKEN_NONE && whole < tokenizer->count)
			return token_list_add(out, whole, why);
	}
	for (size_t i = start; i < end; i++, count++) {
		merger->nodes[count] = (struct node){.symbol = tokenizer->single[text.data[i]],
		                                     .start = (uint32_t)i,
		                                     .size = 1,
		                                     .before = (int32_t)count - 1,
		                                     .after = i + 1 < end ? (int32_t)count + 1 : -1};
	}
	merger->text = text.data;
	merge_all(merger, count);
	if (merger->failed)
		return fault_memory(why);
	return emit(merger, out, why);
}

static int
encode_bpe(const struct tokenizer *tokenizer, struct slice text, struct token_list *out, struct fault *why)
{
	struct merger merger = {.tokenizer = tokenizer};
	struct letter *letters = malloc((text.size + 1) * sizeof *letters);
	size_t *ends = malloc((text.size + 1) * 2 * sizeof *ends);
	size_t count, pieces, start = 0;
	int result = -1;

	merger.nodes = malloc((text.size + 1) * sizeof *merger.nodes);
	if (letters == NULL || ends == NULL || merger.nodes == NULL) {
		fault_memory(why);
		goto out;
	}
	count = pretokenizer_letters(text, letters);
	pieces = pretokenizer_cut(tokenizer->pre->rule, letters, count, ends, ends + text.size + 1);
	for (size_t i = 0; i < pieces; i++) {
		size_t end = letters[ends[i]].offset;

		if (merge_piece(&merger, text, start, end, out, why) == -1)
			goto out;
		start = end;
	}
	result = 0;
out:
	free(letters);
	free(ends);
	free(merger.nodes);
	free(merger.heap);
	return result;
}

static int
encode_sentencepiece(const struct tokenizer *tokenizer, struct slice text, bool prefix,
                     struct token_list *out, struct fault *why)
{
	struct merger merger = {.tokenizer = tokenizer};
	uint8_t *copy = malloc(text.size + 2);
	size_t size = 0, count = 0;
	int result = -1;

	merger.nodes = malloc((text.size + 2) * sizeof *merger.nodes);
	if (copy == NULL || merger.nodes == NULL) {
		fault_memory(why);
		goto out;
	}
	/* Tokens were decoded with U+2581 as a space, so the text may keep its spaces. */
	if (prefix)
		copy[size++] = ' ';
	memcpy(copy + size, text.data, text.size);
	size += text.size;
	for (size_t at = 0; at < size; count++) {
		uint32_t code;
		size_t step = utf8_next(slice_of(copy + at, size - at), &code);

		step = step > 0 ? step : 1;
		merger.nodes[count] =
		    (struct node){.symbol = find_symbol(tokenizer, slice_of(copy + at, step)),
		                  .start = (uint32_t)at,
		                  .size = (uint32_t)step,
		                  .before = (int32_t)count - 1,
		                  .after = at + step < size ? (int32_t)count + 1 : -1};
		at += step;
	}
	merger.text = copy;
	merge_all(&merger, count);
	if (merger.failed)
		fault_memory(why);
	else
		result = count == 0 ? 0 : emit(&merger, out, why);
out:
	free(copy);
	free(merger.nodes);
	free(merger.heap);
	return result;
}

/* ---- special tokens --------------------------------------------------------------------------------------------- */

/* A stretch of the text: a special token, or text still to be searched and merged. */
struct stretch {
	size_t start, end;
	uint32_t token; /* TOKEN_NONE: text */
};

static bool
within(const struct span *trusted, size_t count, size_t start, size_t end)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (trusted[middle].end < end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && trusted[low].start <= start && end <= trusted[low].end;
}

struct stretches {
	struct stretch *list;
	size_t count, capacity;
};

static int
add_stretch(struct stretches *stretches, size_t start, size_t end, uint32_t token, struct fault *why)
{
	if (stretches->count == stretches->capacity) {
		size_t capacity = stretches->capacity * 2 + 16;
		struct stretch *list = realloc(stretches->list, capacity * sizeof *list);

		if (list == NULL)
			return fault_memory(why);
		stretches->list = list;
		stretches->capacity = capacity;
	}
	stretches->list[stretches->count++] = (struct stretch){start, end, token};
	return 0;
}

/* Cut every text stretch at each occurrence of one token. */
static int
split_at(const struct tokenizer *tokenizer, struct slice text, const struct span *trusted,
         size_t trusted_count, uint32_t token, const struct stretches *in, struct stretches *out,
         struct fault *why)
{
	struct slice name = tokenizer->texts[token];
	bool anywhere = tokenizer->kinds[token] == TOKEN_USER;

	out->count = 0;
	for (size_t i = 0; i < in->count; i++) {
		size_t start = in->list[i].start, end = in->list[i].end, from = start;

		if (in->list[i].token != TOKEN_NONE) {
			if (add_stretch(out, start, end, in->list[i].token, why) == -1)
				return -1;
			continue;
		}
		while (from < end) {
			const uint8_t *found = memmem(text.data + from, end - from, name.data, name.size);
			size_t at;

			if (found == NULL)
				break;
			at = (size_t)(found - text.data);
			if (!anywhere && !within(trusted, trusted_count, at, at + name.size)) {
				from = at + 1;
				continue;
			}
			if ((at > start && add_stretch(out, start, at, TOKEN_NONE, why) == -1) ||
			    add_stretch(out, at, at + name.size, token, why) == -1)
				return -1;
			start = from = at + name.size;
		}
		if (end > start && add_stretch(out, start, end, TOKEN_NONE, why) == -1)
			return -1;
	}
	return 0;
}

int
tokenizer_encode(const struct tokenizer *tokenizer, struct slice text, const struct span *trusted,
                 size_t trusted_count, struct token_list *out, struct fault *why)
{
	struct stretches now = {0}, next = {0};
	bool fresh = true; /* at the start, or just behind a special token */
	int result = -1;

	if (text.size > TEXT_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "텍스트가 너무 깁니다", "the text is too long");
	if (text.size > 0 && add_stretch(&now, 0, text.size, TOKEN_NONE, why) == -1)
		goto out;
	for (uint32_t i = 0; i < tokenizer->special_count; i++) {
		uint32_t token = tokenizer->special[i];
		struct slice name = tokenizer->texts[token];
		struct stretches other;

		if ((tokenizer->kinds[token] != TOKEN_USER && trusted_count == 0) || name.size > text.size ||
		    memmem(text.data, text.size, name.data, name.size) == NULL)
			continue;
		if (split_at(tokenizer, text, trusted, trusted_count, token, &now, &next, why) == -1)
			goto out;
		other = now;
		now = next;
		next = other;
	}
	for (size_t i = 0; i < now.count; i++) {
		struct stretch stretch = now.list[i];
		struct slice part = slice_of(text.data + stretch.start, stretch.end - stretch.start);

		if (stretch.token != TOKEN_NONE) {
			if (token_list_add(out, stretch.token, why) == -1)
				goto out;
			fresh = true;
			continue;
		}
		if ((tokenizer->sentencepiece
		         ? encode_sentencepiece(tokenizer, part, fresh && tokenizer->add_space, out, why)
		         : encode_bpe(tokenizer, part, out, why)) == -1)
			goto out;
		fresh = false;
	}
	result = 0;
out:
	free(now.list);
	free(next.list);
	return result;
}

/* A template that begins with bos has written it itself. */
static bool
begins_with_bos(const struct tokenizer *tokenizer, const struct prompt *prompt)
{
	struct slice bos = tokenizer_text(tokenizer, tokenizer->bos);

	return prompt->templated && bos.size > 0 && prompt->trusted_count > 0 && prompt->trusted[0].start == 0 &&
	       prompt->trusted[0].end >= bos.size && prompt->text.size >= bos.size &&
	       memcmp(prompt->text.data, bos.data, bos.size) == 0;
}

int
tokenizer_encode_prompt(const struct tokenizer *tokenizer, const struct prompt *prompt,
                        struct token_list *out, struct fault *why)
{
	struct slice text = buffer_view(&prompt->text);

	if (!buffer_ok(&prompt->text))
		return fault_set(why, FAULT_TOO_LARGE, "프롬프트가 너무 깁니다", "the prompt is too long");
	if (tokenizer_adds_bos(tokenizer) && !begins_with_bos(tokenizer, prompt) &&
	    token_list_add(out, tokenizer->bos, why) == -1)
		return -1;
	if (tokenizer_encode(tokenizer, text, prompt->trusted, prompt->trusted_count, out, why) == -1)
		return -1;
	if (tokenizer->add_eos && tokenizer->eos != TOKEN_NONE)
		return token_list_add(out, tokenizer->eos, why);
	return 0;
}

/* ---- lists and prompts ------------------------------------------------------------------------------------------ */

void
token_list_init(struct token_list *list, size_t limit)
{
	*list = (struct token_list){.limit = limit};
}

void
token_list_free(struct token_list *list)
{
	free(list->ids);
	*list = (struct token_list){0};
}

int
token_list_add(struct token_list *list, uint32_t id, struct fault *why)
{
	if (list->count >= list->limit)
		return fault_set(why, FAULT_TOO_LARGE, "토큰이 %zu개를 넘습니다", "more than %zu tokens",
		                 list->limit);
	if (list->count == list->capacity) {
		size_t capacity = list->capacity * 2 + 64;
		uint32_t *ids = realloc(list->ids, capacity * sizeof *ids);

		if (ids == NULL)
			return fault_memory(why);
		list->ids = ids;
		list->capacity = capacity;
	}
	list->ids[list->count++] = id;
	return 0;
}

void
prompt_init(struct prompt *prompt, size_t limit)
{
	*prompt = (struct prompt){0};
	buffer_init(&prompt->text, limit);
}

void
prompt_free(struct prompt *prompt)
{
	buffer_free(&prompt->text);
	free(prompt->trusted);
	*prompt = (struct prompt){0};
}

void
prompt_trusted(struct prompt *prompt, struct slice text)
{
	size_t start = prompt->text.size;

	if (text.size == 0)
		return;
	buffer_slice(&prompt->text, text);
	if (prompt->trusted_count > 0 && prompt->trusted[prompt->trusted_count - 1].end == start) {
		prompt->trusted[prompt->trusted_count - 1].end += text.size;
		return;
	}
	if (prompt->trusted_count == prompt->trusted_capacity) {
		size_t capacity = prompt->trusted_capacity * 2 + 16;
		struct span *spans = realloc(prompt->trusted, capacity * sizeof *spans);

		if (spans == NULL) {
			prompt->text.failed = true;
			return;
		}
		prompt->trusted = spans;
		prompt->trusted_capacity = capacity;
	}
	prompt->trusted[prompt->trusted_count++] = (struct span){start, start + text.size};
}

void
prompt_untrusted(struct prompt *prompt, struct slice text)
{
	buffer_slice(&prompt->text, text);
}
