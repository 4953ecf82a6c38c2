#define OPENSSL_API_COMPAT 10101

#include "audit/keytree.h"

#include <openssl/sha.h>
#include <sodium.h>
#include <string.h>

#define NODE_SIZE (4u + 1u + 8u + KEYTREE_KEY)

/* One step down: the child's key from its parent's. Never the other way. */
static void
step(uint8_t key[KEYTREE_KEY], uint8_t side)
{
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, &side, 1);
	SHA256_Update(&sha, key, KEYTREE_KEY);
	SHA256_Final(key, &sha);
	sodium_memzero(&sha, sizeof sha);
}

static uint8_t
side_at(uint64_t path, uint32_t depth)
{
	return (uint8_t)(path >> (KEYTREE_DEPTH - 1 - depth) & 1);
}

static uint64_t
prefix(uint64_t path, uint32_t depth)
{
	return depth == 0 ? 0 : path >> (KEYTREE_DEPTH - depth) << (KEYTREE_DEPTH - depth);
}

/* Index of the first node not before (month, path). */
static size_t
place(const struct keytree *tree, uint32_t month, uint64_t path)
{
	size_t low = 0, high = tree->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct keytree_node *node = &tree->nodes[middle];

		if (node->month < month || (node->month == month && node->path < path))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The node above this leaf; NULL when none is left. */
static const struct keytree_node *
node_above(const struct keytree *tree, uint32_t month, uint64_t path)
{
	size_t at = place(tree, month, path);

	if (at < tree->count && tree->nodes[at].month == month && tree->nodes[at].path == path)
		return &tree->nodes[at];
	if (at == 0)
		return NULL;
	at--;
	return tree->nodes[at].month == month && tree->nodes[at].path == prefix(path, tree->nodes[at].depth)
	           ? &tree->nodes[at]
	           : NULL;
}

void
keytree_free(struct keytree *tree)
{
	sodium_free(tree->nodes);
	memset(tree, 0, sizeof *tree);
}

bool
keytree_has_month(const struct keytree *tree, uint32_t month)
{
	size_t at = place(tree, month, 0);

	return at < tree->count && tree->nodes[at].month == month;
}

static bool
reserve(struct keytree *tree, size_t more)
{
	struct keytree_node *nodes;
	size_t room = tree->room == 0 ? 128 : tree->room;

	if (tree->count + more <= tree->room)
		return true;
	while (room < tree->count + more)
		room *= 2;
	nodes = sodium_allocarray(room, sizeof *nodes);
	if (nodes == NULL)
		return false;
	if (tree->count != 0)
		memcpy(nodes, tree->nodes, tree->count * sizeof *nodes);
	sodium_free(tree->nodes);
	tree->nodes = nodes;
	tree->room = room;
	return true;
}

static void
insert(struct keytree *tree, const struct keytree_node *node)
{
	size_t at = place(tree, node->month, node->path);

	memmove(&tree->nodes[at + 1], &tree->nodes[at], (tree->count - at) * sizeof *node);
	tree->nodes[at] = *node;
	tree->count++;
}

bool
keytree_add_month(struct keytree *tree, uint32_t month)
{
	struct keytree_node root = {.month = month};

	if (keytree_has_month(tree, month) || !reserve(tree, 1))
		return false;
	randombytes_buf(root.key, sizeof root.key);
	insert(tree, &root);
	sodium_memzero(&root, sizeof root);
	return true;
}

bool
keytree_copy_month(struct keytree *out, const struct keytree *tree, uint32_t month)
{
	const size_t begin = place(tree, month, 0), end = place(tree, month + 1, 0);

	if (out->count != 0 || !reserve(out, end - begin + 1))
		return false;
	memcpy(out->nodes, &tree->nodes[begin], (end - begin) * sizeof *out->nodes);
	out->count = end - begin;
	return true;
}

bool
keytree_key(const struct keytree *tree, uint32_t month, uint64_t path, uint8_t key[KEYTREE_KEY])
{
	const struct keytree_node *node = node_above(tree, month, path);

	if (node == NULL)
		return false;
	memcpy(key, node->key, KEYTREE_KEY);
	for (uint32_t depth = node->depth; depth < KEYTREE_DEPTH; depth++)
		step(key, side_at(path, depth));
	return true;
}

bool
keytree_forget(struct keytree *tree, uint32_t month, uint64_t path)
{
	const struct keytree_node *found = node_above(tree, month, path);
	struct keytree_node way, *sibling;
	size_t at, left, right, more;

	if (found == NULL)
		return true;
	at = (size_t)(found - tree->nodes);
	if (!reserve(tree, KEYTREE_DEPTH))
		return false;
	way = tree->nodes[at];
	more = KEYTREE_DEPTH - way.depth; /* siblings, in the place of one node: nothing else lies below it */
	memmove(&tree->nodes[at + more], &tree->nodes[at + 1], (tree->count - at - 1) * sizeof way);
	left = at;
	right = at + more;
	tree->count += more;
	tree->count--;
	while (way.depth < KEYTREE_DEPTH) {
		uint8_t side = side_at(path, way.depth);
		uint64_t bit = UINT64_C(1) << (KEYTREE_DEPTH - 1 - way.depth);

		/* Left ones ascend as they get deeper, right ones descend. */
		sibling = &tree->nodes[side == 0 ? --right : left++];
		*sibling = way;
		sibling->depth++;
		step(sibling->key, side ^ 1);
		if (side == 0)
			sibling->path |= bit;
		else
			way.path |= bit;
		step(way.key, side);
		way.depth++;
	}
	if (more == 0) /* the last node moved down by one */
		sodium_memzero(&tree->nodes[tree->count], sizeof way);
	sodium_memzero(&way, sizeof way);
	return true;
}

size_t
keytree_encoded(const struct keytree *tree)
{
	return tree->count * NODE_SIZE;
}

static uint8_t *
put(uint8_t *out, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		*out++ = (uint8_t)(value >> (8 * (size - 1 - i)));
	return out;
}

void
keytree_write(uint8_t *out, const struct keytree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		const struct keytree_node *node = &tree->nodes[i];

		out = put(out, node->month, 4);
		out = put(out, node->depth, 1);
		out = put(out, node->path, 8);
		memcpy(out, node->key, KEYTREE_KEY);
		out += KEYTREE_KEY;
	}
}

bool
keytree_read(struct keytree *out, struct slice bytes)
{
	struct reader reader = reader_of(bytes);
	const struct keytree_node *last = NULL;

	memset(out, 0, sizeof *out);
	if (bytes.size % NODE_SIZE != 0 || bytes.size > KEYTREE_LIMIT ||
	    !reserve(out, bytes.size / NODE_SIZE + 1))
		return false;
	while (reader.rest.size != 0) {
		struct keytree_node *node = &out->nodes[out->count];

		node->month = reader_u32be(&reader);
		node->depth = reader_u8(&reader);
		node->path = reader_u64be(&reader);
		memcpy(node->key, reader_take(&reader, KEYTREE_KEY).data, KEYTREE_KEY);
		/* ascending, and no node above another */
		if (node->depth > KEYTREE_DEPTH || node->path != prefix(node->path, node->depth) ||
		    (last != NULL &&
		     (node->month < last->month ||
		      (node->month == last->month &&
		       (node->path <= last->path || prefix(node->path, last->depth) == last->path))))) {
			keytree_free(out);
			return false;
		}
		last = node;
		out->count++;
	}
	return true;
}
