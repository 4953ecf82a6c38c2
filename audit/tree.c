/*
 * The low-level calls: an EVP fetch costs as much as hashing an inner node. They use the CPU's SHA
 * instructions.
 */
#define OPENSSL_API_COMPAT 10101

#include "audit/tree.h"

#include <openssl/sha.h>
#include <string.h>

void
tree_leaf(struct tree_hash *out, struct slice leaf)
{
	static const uint8_t prefix = 0x00;
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, &prefix, 1);
	if (leaf.size != 0)
		SHA256_Update(&sha, leaf.data, leaf.size);
	SHA256_Final(out->bytes, &sha);
}

void
tree_inner(struct tree_hash *out, const struct tree_hash *left, const struct tree_hash *right)
{
	static const uint8_t prefix = 0x01;
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, &prefix, 1);
	SHA256_Update(&sha, left->bytes, TREE_HASH_SIZE);
	SHA256_Update(&sha, right->bytes, TREE_HASH_SIZE);
	SHA256_Final(out->bytes, &sha);
}

void
tree_empty(struct tree_hash *out)
{
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Final(out->bytes, &sha);
}

bool
tree_hash_equal(const struct tree_hash *a, const struct tree_hash *b)
{
	return memcmp(a->bytes, b->bytes, TREE_HASH_SIZE) == 0;
}

bool
tree_number(uint64_t *out, struct slice text)
{
	uint64_t number = 0;

	if (text.size == 0 || text.size > 19 || (text.size > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (number >= TREE_SIZE_LIMIT)
		return false;
	*out = number;
	return true;
}

void
tree_frontier_add(struct tree_frontier *frontier, const struct tree_hash *leaf, tree_node_seen *seen,
                  void *context)
{
	struct tree_hash hash = *leaf;
	uint64_t carry = frontier->size;
	unsigned height = 0;

	if (seen != NULL)
		seen(context, 0, frontier->size, &hash);
	for (; (carry & 1) != 0; carry >>= 1) {
		frontier->depth--;
		tree_inner(&hash, &frontier->stack[frontier->depth], &hash);
		height++;
		if (seen != NULL)
			seen(context, height, frontier->size >> height, &hash);
	}
	frontier->stack[frontier->depth++] = hash;
	frontier->size++;
}

void
tree_frontier_root(struct tree_hash *out, const struct tree_frontier *frontier)
{
	if (frontier->depth == 0) {
		tree_empty(out);
		return;
	}
	*out = frontier->stack[frontier->depth - 1];
	for (uint64_t i = frontier->depth - 1; i > 0; i--)
		tree_inner(out, &frontier->stack[i - 1], out);
}

void
tree_frontier_write(struct buffer *out, const struct tree_frontier *frontier)
{
	buffer_u64be(out, frontier->size);
	buffer_append(out, frontier->stack, frontier->depth * sizeof frontier->stack[0]);
}

bool
tree_frontier_read(struct tree_frontier *out, struct slice bytes)
{
	struct reader reader = reader_of(bytes);

	memset(out, 0, sizeof *out);
	out->size = reader_u64be(&reader);
	if (!reader_ok(&reader) || out->size >= TREE_SIZE_LIMIT)
		return false;
	out->depth = (uint64_t)__builtin_popcountll(out->size);
	for (uint64_t i = 0; i < out->depth; i++) {
		struct slice hash = reader_take(&reader, TREE_HASH_SIZE);

		if (!reader_ok(&reader))
			return false;
		memcpy(out->stack[i].bytes, hash.data, TREE_HASH_SIZE);
	}
	return reader_done(&reader);
}

int
tree_range(struct tree_hash *out, const struct tree_reader *reader, uint64_t begin, uint64_t end,
           struct fault *why)
{
	struct tree_hash parts[64];
	unsigned count = 0;
	uint64_t width = end - begin, align = 1;

	if (begin > end || end >= TREE_SIZE_LIMIT)
		return fault_set(why, FAULT_INTERNAL, "트리 범위가 잘못되었습니다",
		                 "tree range is not valid");
	if (begin == end) {
		tree_empty(out);
		return 0;
	}
	while (align < width)
		align <<= 1;
	if ((begin & (align - 1)) != 0)
		return fault_set(why, FAULT_INTERNAL, "트리 범위가 정렬되지 않았습니다",
		                 "tree range is not aligned");
	while (begin < end) {
		unsigned height = 63 - (unsigned)__builtin_clzll(end - begin);

		if (reader->read(reader->context, height, begin >> height, &parts[count], why) == -1)
			return -1;
		count++;
		begin += UINT64_C(1) << height;
	}
	*out = parts[--count];
	while (count > 0)
		tree_inner(out, &parts[--count], out);
	return 0;
}

int
tree_frontier_load(struct tree_frontier *out, const struct tree_reader *reader, uint64_t size,
                   struct fault *why)
{
	uint64_t begin = 0;

	memset(out, 0, sizeof *out);
	if (size >= TREE_SIZE_LIMIT)
		return fault_set(why, FAULT_INTERNAL, "트리 크기가 너무 큽니다", "tree size is too large");
	while (begin < size) {
		unsigned height = 63 - (unsigned)__builtin_clzll(size - begin);

		if (reader->read(reader->context, height, begin >> height, &out->stack[out->depth], why) ==
		    -1)
			return -1;
		out->depth++;
		begin += UINT64_C(1) << height;
	}
	out->size = size;
	return 0;
}
