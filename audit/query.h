/*
 * query -- entries by what auditors ask for, a page at a time, newest first.
 *
 * Pages are keyed by (wall, log, index), so that a page deep in the result costs what the first does and entries that
 * arrive meanwhile neither shift nor repeat anything. Row-level security decides what the login may see.
 */
#ifndef HAECHI_AUDIT_QUERY_H
#define HAECHI_AUDIT_QUERY_H

#include "audit/database.h"
#include "audit/filter.h"

struct query_row {
	int64_t log_id;
	const char *origin;
	uint64_t index;
	int64_t wall_ms;
	/* as stored in the columns; "" when NULL */
	const char *id, *kind, *agency, *service, *subject, *key_id, *request_id, *of, *usecase, *verdict,
	    *access;
	const char *domain, *action, *model, *zone;
	const char *also;   /* domains behind the first: "water,education" */
	struct slice bytes; /* the entry */
};

/* Return false to stop. The row is borrowed. */
typedef bool query_seen(void *context, const struct query_row *row);

/* At most `limit` rows (0: all), newest first, or oldest first when `ascending`. *count, when not NULL, is how many. */
MUST_CHECK int query_run(struct database *database, const struct filter *filter, uint64_t limit,
                         bool ascending, query_seen *seen, void *context, uint64_t *count, struct fault *why);

/* WHERE conditions of a filter, each begun with " AND "; over haechi.entry as `e`. */
void query_conditions(struct buffer *sql, struct database *database, const struct filter *filter);

/* Tell the database's access log what is about to be read, and why (PIPA 29). `reason` may be NULL. */
MUST_CHECK int query_access_note(struct database *database, const char *action, const char *about,
                                 const char *reason, struct fault *why);

/*
 * New entries as they arrive, oldest first, from now on, looking every `interval_ms`; ends when `seen` says so or the
 * connection fails. `stop` is looked at between two looks.
 */
MUST_CHECK int query_follow(struct database *database, const struct filter *filter, int interval_ms,
                            query_seen *seen, void *context, bool (*stop)(void *context), struct fault *why);

#endif
