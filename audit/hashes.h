/*
 * hashes -- the stored nodes of the log's tree in files beside the journal, for the tiles under /log/: one
 * file a level of tiles, node (8 L, i) at offset 32 i. They outlive the journal's segments and need no
 * database.
 *
 * Everything in them follows from the entries, so they are not synced with each batch: what the journal still
 * holds is written again at start, and hashes_sync() comes before a segment is let go. One thread writes; any
 * thread reads.
 *
 * What is read is checked: every tile against the one above it, up to the frontier in memory, whose root the signer signed. Inner
 * hashes that somebody changed on the disk are computed again from those below and written anew, and the log says so; a changed
 * leaf hash cannot be made good here: nothing that depends on it is given out.
 */
#ifndef HAECHI_AUDIT_HASHES_H
#define HAECHI_AUDIT_HASHES_H

#include "audit/tree.h"

struct hashes;

/*
 * `base`: the tree before the oldest batch of the journal. Files that do not hold it are known as incomplete,
 * and stay.
 */
MUST_CHECK int hashes_open(struct hashes **out, const char *directory, const struct tree_frontier *base,
                           struct fault *why);
void hashes_close(struct hashes *hashes); /* NULL is fine */
/* Further leaves. A failed write makes the files incomplete, nothing else: the log goes on. */
void hashes_add(struct hashes *hashes, const struct tree_hash *leaves, uint32_t count);
MUST_CHECK int hashes_sync(struct hashes *hashes, struct fault *why);
/* `count` neighbouring nodes of height 8 * level, all of one tile. */
MUST_CHECK int hashes_nodes(struct hashes *hashes, unsigned level, uint64_t first, unsigned count,
                            struct tree_hash *out, struct fault *why);
/* Nodes of any height. FAULT_UNAVAILABLE: the files are incomplete, or were changed. */
struct tree_reader hashes_reader(struct hashes *hashes);
/*
 * Look at the next `tiles` tiles of leaf hashes, and with each at all above it; round after round. FAULT_UNAVAILABLE: what is there was
 * changed, and stays so until it is put back. Files that are known as incomplete are no fault. One thread.
 */
MUST_CHECK int hashes_look(struct hashes *hashes, unsigned tiles, struct fault *why);

#endif
