/*
 * pager -- the stored heads and tiles of one log, in order, a few at a time: what verify walks beside the entries.
 */
#ifndef HAECHI_AUDIT_PAGER_H
#define HAECHI_AUDIT_PAGER_H

#include "audit/database.h"
#include "audit/tree.h"

struct pager;

/* Heads of more than `from` leaves, and tiles from the one that leaf `from` is under. 0: all. */
MUST_CHECK int pager_open(struct pager **out, struct database *database, int64_t log_id, uint64_t from,
                          struct fault *why);
void pager_close(struct pager *pager); /* NULL is fine */

struct pager_head {
	int64_t size;
	struct slice root, note; /* valid until pager_head_next() */
};

/* The next head by size: 1, or 0 when there is none left. The same until pager_head_next(). */
MUST_CHECK int pager_head(struct pager *pager, struct pager_head *out, struct fault *why);
void pager_head_next(struct pager *pager);

/*
 * Hash `index` of `level` from its stored tile; false: no such tile is stored. Indices of a level must ascend. A lost connection
 * gives false too, and is told by pager_fault().
 */
bool pager_hash(struct pager *pager, unsigned level, uint64_t index, struct tree_hash *out);
/* 0, or -1 with what went wrong in pager_hash(). */
MUST_CHECK int pager_fault(const struct pager *pager, struct fault *why);
uint64_t pager_tiles(const struct pager *pager); /* compared so far */
/* Once all hashes were asked for: 1 when a tile is missing between others, or is beyond the tree of `size`. */
MUST_CHECK int pager_tiles_end(struct pager *pager, uint64_t size, unsigned *level, int64_t *number,
                               struct fault *why);

#endif
