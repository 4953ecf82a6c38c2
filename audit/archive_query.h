/*
 * archive_query -- the questions of audit/query.h, asked of archives instead of the database: the same filters, the same rows.
 *
 * A folder is believed once all of it was checked (audit/bundle.h). What the login may not see in the database it is not given out of
 * a file either. Memory: 32 bytes an entry that matches.
 */
#ifndef HAECHI_AUDIT_ARCHIVE_QUERY_H
#define HAECHI_AUDIT_ARCHIVE_QUERY_H

#include "audit/archive.h"
#include "audit/query.h"

#define ARCHIVE_QUERY_ROWS ((size_t)16 * 1024 * 1024) /* that match, at most: FAULT_TOO_LARGE */

/*
 * As query_run(). `keyring` NULL: the folders are held against the keys that the database has. FAULT_TAMPERED, FAULT_INVALID: a
 * folder does not hold, FAULT_USAGE: it is no archive; nothing is given out then.
 */
MUST_CHECK int archive_query(struct database *database, const char *const *folders, size_t folder_count,
                             const struct keyring *keyring, const struct filter *filter, uint64_t limit,
                             bool ascending, query_seen *seen, void *context, uint64_t *count,
                             struct fault *why);

#endif
