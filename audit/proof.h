/*
 * proof -- inclusion and consistency proofs (RFC 9162 sections 2.1.3, 2.1.4) and the tlog-proof file (C2SP).
 *
 * Making needs stored nodes (tree_reader) and reads O(log n) of them; checking needs nothing but the bytes. A
 * proof that does not hold is FAULT_TAMPERED, one that is not even a proof (wrong sizes, wrong length)
 * FAULT_INVALID.
 */
#ifndef HAECHI_AUDIT_PROOF_H
#define HAECHI_AUDIT_PROOF_H

#include "audit/tree.h"

#define PROOF_HASHES     64            /* more never occur for sizes below 2^63 */
#define PROOF_FILE_LIMIT (1024 * 1024) /* bytes of a tlog-proof file */

struct proof {
	size_t count;
	struct tree_hash hashes[PROOF_HASHES]; /* inclusion: the leaf's sibling first */
};

/* That leaf `index` is in the tree of `size`. */
MUST_CHECK int proof_inclusion(struct proof *out, const struct tree_reader *reader, uint64_t index,
                               uint64_t size, struct fault *why);
MUST_CHECK int proof_check_inclusion(const struct proof *proof, const struct tree_hash *leaf, uint64_t index,
                                     uint64_t size, const struct tree_hash *root, struct fault *why);

/*
 * That the tree of `older` (>= 1) leaves is a prefix of the tree of `newer`. Size 0 proves nothing and is
 * refused.
 */
MUST_CHECK int proof_consistency(struct proof *out, const struct tree_reader *reader, uint64_t older,
                                 uint64_t newer, struct fault *why);
MUST_CHECK int proof_check_consistency(const struct proof *proof, uint64_t older,
                                       const struct tree_hash *older_root, uint64_t newer,
                                       const struct tree_hash *newer_root, struct fault *why);
/*
 * That [begin, end), aligned as for tree_range(), with the root `part` lies in the tree of `size`. Nothing
 * lies everywhere.
 */
MUST_CHECK int proof_check_subtree(const struct proof *proof, uint64_t begin, uint64_t end,
                                   const struct tree_hash *part, uint64_t size, const struct tree_hash *root,
                                   struct fault *why);

/*
 * A tlog-proof file: "c2sp.org/tlog-proof@v1", [extra], index, hashes, blank line, checkpoint note. The leaf
 * is not inside: the reader rebuilds it. `extra` is authenticated by nothing.
 */
struct proof_file {
	bool has_extra;
	struct slice extra; /* decoded bytes; in reading borrowed from the arena */
	uint64_t index;
	struct proof proof;
	struct slice checkpoint; /* the whole signed note; in reading borrowed from the text */
};

struct arena;
void proof_file_write(struct buffer *out, const struct proof_file *file);
MUST_CHECK int proof_file_read(struct proof_file *out, struct slice text, struct arena *arena,
                               struct fault *why);

#endif
