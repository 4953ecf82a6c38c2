/*
 * lasthead -- the signer's memory on disk: the tree it has signed last, in a file of three blocks.
 *
 * Before a signature leaves, the new head is written into the current block; that alone outlives every crash
 * of programs. Once a second the current block is forced to the disk and the next block becomes current: so
 * at least one whole block is on disk at any time, whatever a power cut tears. The block with the largest
 * tree counts.
 */
#ifndef HAECHI_AUDIT_LASTHEAD_H
#define HAECHI_AUDIT_LASTHEAD_H

#include "audit/tree.h"

#define LASTHEAD_BLOCK     4096u
#define LASTHEAD_BLOCKS    3u
#define LASTHEAD_FILE_SIZE (LASTHEAD_BLOCK * LASTHEAD_BLOCKS)

/* One block. */
void lasthead_write(struct buffer *out, const struct tree_frontier *frontier);
/* A whole file: the first block holds `frontier` (NULL: the empty tree), the others nothing. */
void lasthead_file_write(struct buffer *out, const struct tree_frontier *frontier);
/*
 * The newest head of a file and the block it is in. FAULT_TAMPERED: no block is whole, or two contradict each
 * other.
 */
MUST_CHECK int lasthead_file_read(struct tree_frontier *out, unsigned *block, struct slice bytes,
                                  struct fault *why);

#endif
