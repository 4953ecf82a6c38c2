/*
 * anchors -- the cosigned and stamped heads of one log in the database, by size: what verify holds against the tree beside the
 * log's own heads (audit/anchor.h, audit/pager.h).
 */
#ifndef HAECHI_AUDIT_ANCHORS_H
#define HAECHI_AUDIT_ANCHORS_H

#include "audit/database.h"
#include "audit/keyring.h"

struct anchors;

/* Those of more than `from` leaves. */
MUST_CHECK int anchors_open(struct anchors **out, struct database *database, int64_t log_id, uint64_t from,
                            struct fault *why);
void anchors_close(struct anchors *anchors); /* NULL is fine */
/* Size of the next one; INT64_MAX when there is none left. */
int64_t anchors_next(const struct anchors *anchors);
/*
 * Every one of this size: its signatures by `keyring`, its root, the stamp over it. 0: they hold, *count grows; 1: *what says what
 * does not; -1: a fault.
 */
MUST_CHECK int anchors_compare(struct anchors *anchors, int64_t size, const struct tree_hash *root,
                               const char *origin, const struct keyring *keyring, uint64_t *count,
                               struct fault *what, struct fault *why);

#endif
