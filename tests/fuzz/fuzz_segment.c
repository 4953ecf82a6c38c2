/*
 * The journal's blocks, the signer's memory, frontiers. The digest is made right, so that what is behind it
 * is reached.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/lasthead.h"
#include "audit/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
batch(struct slice input)
{
	struct segment_batch read;
	struct segment_walk walk;
	struct segment_item item;
	size_t whole, items = 0;

	if (segment_peek(input, &whole) != SEGMENT_BATCH || whole > 1 << 20)
		return;
	for (int right = 0; right < 2; right++) {
		uint8_t *bytes = calloc(1, whole);
		size_t body = 0;
		crypto_hash_sha256_state sha;

		if (bytes == NULL)
			return;
		memcpy(bytes, input.data, input.size < whole ? input.size : whole);
		if (right) {
			for (unsigned i = 24; i < 32; i++)
				body = body << 8 | bytes[i];
			memset(bytes + SEGMENT_BATCH_HEAD + body, 0, whole - SEGMENT_BATCH_HEAD - body);
			crypto_hash_sha256_init(&sha);
			crypto_hash_sha256_update(&sha, bytes, 96);
			crypto_hash_sha256_update(&sha, bytes + SEGMENT_BATCH_HEAD, body);
			crypto_hash_sha256_final(&sha, bytes + 96);
		}
		if (segment_batch_read(&read, slice_of(bytes, whole))) {
			for (walk = segment_items(&read); segment_next(&walk, &item);)
				items++;
			if (items != read.count)
				abort();
			items = 0;
		}
		free(bytes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	struct segment_head head;
	struct tree_frontier frontier;
	struct fault why;
	unsigned block;

	batch(input);
	if (tree_frontier_read(&frontier, input) && size != 8 + frontier.depth * TREE_HASH_SIZE)
		abort();
	if (size >= 64 && size <= SEGMENT_BLOCK) {
		uint8_t bytes[LASTHEAD_FILE_SIZE] = {0};

		memcpy(bytes, data, size);
		crypto_hash_sha256(bytes + SEGMENT_BLOCK - 32, bytes, SEGMENT_BLOCK - 32);
		if (segment_head_read(&head, slice_of(bytes, SEGMENT_BLOCK), &why) == 0 &&
		    head.origin.size > SEGMENT_ORIGIN_LIMIT)
			abort();
		if (lasthead_file_read(&frontier, &block, slice_of(bytes, sizeof bytes), &why) == 0 &&
		    block >= LASTHEAD_BLOCKS)
			abort();
	}
	return 0;
}
