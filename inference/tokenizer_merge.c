#define _GNU_SOURCE /* memmem */
/* tokenizer_merge -- text to tokens by merging: byte-level BPE and SentencePiece, n log n whatever the text. */
#include <stdlib.h>
#include <string.h>

#include "inference/tokenizer_inside.h"

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
		    tokenizer_symbol(tokenizer, slice_of(merger->text + a->start, a->size + b->size));

		if (symbol == TOKEN_NONE)
			return;
		candidate.result = symbol;
		candidate.order = (uint64_t)score_order(tokenizer->scores[symbol]) << 32 | (uint32_t)left;
	} else {
		const struct merge *merge = tokenizer_merge(tokenizer, a->symbol, b->symbol);

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
		whole = tokenizer_symbol(tokenizer, slice_of(text.data + start, end - start));
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

int
tokenizer_bpe(const struct tokenizer *tokenizer, struct slice text, struct token_list *out, struct fault *why)
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

int
tokenizer_sentencepiece(const struct tokenizer *tokenizer, struct slice text, bool prefix,
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
	/* Who writes U+2581 writes a space, as everywhere with these vocabularies. */
	for (size_t at = 0; at < text.size;) {
		const uint8_t *next = memmem(text.data + at, text.size - at, "\xe2\x96\x81", 3);
		const size_t end = next == NULL ? text.size : (size_t)(next - text.data);

		memcpy(copy + size, text.data + at, end - at);
		size += end - at;
		if (next != NULL)
			copy[size++] = ' ';
		at = next == NULL ? end : end + 3;
	}
	for (size_t at = 0; at < size; count++) {
		uint32_t code;
		size_t step = utf8_next(slice_of(copy + at, size - at), &code);

		step = step > 0 ? step : 1;
		merger.nodes[count] =
		    (struct node){.symbol = tokenizer_symbol(tokenizer, slice_of(copy + at, step)),
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
