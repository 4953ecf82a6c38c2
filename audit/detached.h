/*
 * detached -- the stretches of a log that the database holds as hashes alone, for verify: which, and whether the log says so.
 */
#ifndef HAECHI_AUDIT_DETACHED_H
#define HAECHI_AUDIT_DETACHED_H

#include "audit/archive.h"

struct detached;

/*
 * All rows of haechi.archive, each held against its receipt: 0; 1 with *why saying what is not as the log recorded it and
 * *wrong (the row, or NULL); -1 when it cannot be told.
 */
MUST_CHECK int detached_open(struct detached **out, const struct archive **wrong, struct database *database,
                             const struct keyring *keyring, struct fault *why);
void detached_close(struct detached *detached); /* NULL is fine */

/* Begin a log; then ask in ascending order. Is `index` detached? *count: so many from there on without a gap. */
MUST_CHECK int detached_log(struct detached *detached, int64_t log_id, struct fault *why);
bool detached_covers(struct detached *detached, uint64_t index, uint64_t *count);

/* An archive that lies here: its bytes were looked at (bundle_check()). false: the database detached no such archive. */
bool detached_seen(struct detached *detached, const char *manifest);
/*
 * A month of this log that was detached into another archive than that one: the folder stands in its place. `month` "2026-03".
 * NULL: none.
 */
const struct archive *detached_otherwise(const struct detached *detached, const char *origin,
                                         const char *month, const char *manifest);
/* Entries of archives that were looked at, and of those that were not. */
void detached_count(const struct detached *detached, uint64_t *seen, uint64_t *unseen);

#endif
