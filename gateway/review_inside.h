/*
 * review_inside -- the row of a ticket, which the loops' side (review.c) and the reviewers' side (review_desk.c) both read.
 */
#ifndef HAECHI_GATEWAY_REVIEW_INSIDE_H
#define HAECHI_GATEWAY_REVIEW_INSIDE_H

#include "audit/audit.h"
#include "audit/database.h"
#include "gateway/review.h"

#define TICKET_MOST ((size_t)64 << 20) /* bytes of a request */

struct review {
	struct gateway *gateway;
};

#define TICKET_COLUMNS                                                                                       \
	"ticket, agency, service, usecase, entry_id, state, coalesce(approver_role, ''), request_digest, "   \
	"content,"                                                                                           \
	" (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM expires_at) * 1000)::bigint," \
	" coalesce((extract(epoch FROM opened_at) * 1000)::bigint, 0),"                                      \
	" coalesce((extract(epoch FROM decided_at) * 1000)::bigint, 0), coalesce(reviewer, ''), "            \
	"coalesce(reason, ''),"                                                                              \
	" changed, coalesce(review_entry, ''), key_id, coalesce(request_id, ''), coalesce(subject, '')"

enum ticket_column {
	COLUMN_TICKET,
	COLUMN_AGENCY,
	COLUMN_SERVICE,
	COLUMN_USECASE,
	COLUMN_ENTRY,
	COLUMN_STATE,
	COLUMN_ROLE,
	COLUMN_DIGEST,
	COLUMN_CONTENT,
	COLUMN_CREATED,
	COLUMN_EXPIRES,
	COLUMN_OPENED,
	COLUMN_DECIDED,
	COLUMN_REVIEWER,
	COLUMN_REASON,
	COLUMN_CHANGED,
	COLUMN_REVIEW_ENTRY,
	COLUMN_KEY,
	COLUMN_REQUEST_ID,
	COLUMN_SUBJECT,
};

/* One row of TICKET_COLUMNS; $1 is the ticket. */
extern const char ticket_find_sql[];

int ticket_missing(struct fault *why);
/* The sealed request: bound to the decision entry, or to the review entry when the reviewer changed it. */
MUST_CHECK int ticket_open(struct sealer *sealer, const struct database_rows *rows, struct buffer *content,
                           struct fault *why);
/* "\x…": how PostgreSQL reads bytes in a text parameter. Caller frees; NULL: no memory. */
char *ticket_bytea(struct slice bytes);
/* *rows, when not NULL: how many came back. */
MUST_CHECK int ticket_run(struct database *database, const char *sql, size_t count, const char *const *parameters,
                          size_t *rows, struct fault *why);

#endif
