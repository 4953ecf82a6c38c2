/*
 * tree -- the Merkle tree of RFC 6962 section 2.1 / RFC 9162 with SHA-256: pure functions of bytes, no clock,
 * no files.
 *
 *	leaf = SHA-256(0x00 || bytes)    inner = SHA-256(0x01 || left || right)    empty tree = SHA-256("")
 *
 * A stored node (height, index) is the root of the leaves [index << height, (index + 1) << height); it exists
 * once that range is full, and never changes. Whoever keeps nodes hands them over by a tree_reader. Sizes are
 * below 2^63. Every function may be called from any thread on its own data.
 */
#ifndef HAECHI_AUDIT_TREE_H
#define HAECHI_AUDIT_TREE_H

#include "schema/base/bytes.h"

#define TREE_HASH_SIZE  32
#define TREE_SIZE_LIMIT (UINT64_C(1) << 63) /* sizes stay below it */

struct tree_hash {
	uint8_t bytes[TREE_HASH_SIZE];
};

void tree_leaf(struct tree_hash *out, struct slice leaf);
void tree_inner(struct tree_hash *out, const struct tree_hash *left, const struct tree_hash *right);
void tree_empty(struct tree_hash *out); /* the root of no leaves */
bool tree_hash_equal(const struct tree_hash *a, const struct tree_hash *b);
/* A size or index in text: decimal, no sign, no leading zero, below TREE_SIZE_LIMIT; false: anything else. */
bool tree_number(uint64_t *out, struct slice text);

/* ---- growing: all a writer must remember of a log, at most 2 KiB --------------------------------------- */

/*
 * Roots of the perfect subtrees, largest first; depth is the number of one bits in size. Zeroed: the empty
 * tree.
 */
struct tree_frontier {
	uint64_t size;
	uint64_t
	    depth; /* not narrower: gcc 12's -ftrivial-auto-var-init clears the wrong bytes of such padding */
	struct tree_hash stack[64];
};

/* Called for every node that an added leaf completes, heights ascending from 0 (the leaf itself). */
typedef void tree_node_seen(void *context, unsigned height, uint64_t index, const struct tree_hash *hash);

/* Append one leaf. `seen` may be NULL. The caller keeps size below TREE_SIZE_LIMIT. */
void tree_frontier_add(struct tree_frontier *frontier, const struct tree_hash *leaf, tree_node_seen *seen,
                       void *context);
void tree_frontier_root(struct tree_hash *out, const struct tree_frontier *frontier);

/* u64be size, then `depth` hashes. */
void tree_frontier_write(struct buffer *out, const struct tree_frontier *frontier);
MUST_CHECK bool tree_frontier_read(struct tree_frontier *out, struct slice bytes); /* false: not such bytes */

/* ---- reading ------------------------------------------------------------------------------------------- */

/*
 * Where stored nodes come from. read() fills *out or returns -1 with *why; it is asked for nodes of any
 * height. A source that keeps only some heights (tiles keep 0, 8, 16, ...) answers the others by tree_range()
 * over those it has.
 */
struct tree_reader {
	int (*read)(void *context, unsigned height, uint64_t index, struct tree_hash *out, struct fault *why);
	void *context;
};

/*
 * MTH(D[begin:end)): begin aligned to the smallest power of two >= end - begin; begin == end gives the empty
 * root.
 */
MUST_CHECK int tree_range(struct tree_hash *out, const struct tree_reader *reader, uint64_t begin,
                          uint64_t end, struct fault *why);
/*
 * The frontier at `size`, out of stored nodes: how a log is continued, and how old checkpoints are
 * recomputed.
 */
MUST_CHECK int tree_frontier_load(struct tree_frontier *out, const struct tree_reader *reader, uint64_t size,
                                  struct fault *why);

#endif
