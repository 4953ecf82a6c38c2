#define _GNU_SOURCE /* memmem */

#include "audit/retention.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)
#define NAME   "\"retention_days\":"

/* A quoted name cannot occur inside a JSON string: what is found is the member. 0: none. */
static int64_t
retention_days(struct slice bytes)
{
	const uint8_t *at = memmem(bytes.data, bytes.size, NAME, sizeof NAME - 1);
	int64_t days = 0;

	if (at == NULL)
		return 0;
	for (at += sizeof NAME - 1; at < bytes.data + bytes.size && *at >= '0' && *at <= '9' && days < 100000;
	     at++)
		days = days * 10 + (*at - '0');
	return days;
}

void
retention_add(struct retention *retention, const struct entry_columns *columns, struct slice bytes)
{
	const bool weighty =
	    slice_is(columns->verdict, "HIGH_IMPACT") || slice_is(columns->verdict, "UNDETERMINED");
	int64_t days = columns->kind == ENTRY_DECISION ? retention_days(bytes) : 0;
	int64_t until;

	if (weighty && days < RETENTION_EVIDENCE_DAYS)
		days = RETENTION_EVIDENCE_DAYS;
	until = columns->wall_ms + days * DAY_MS;
	if (days > 0 && until > retention->content_ms)
		retention->content_ms = until;
	if (columns->kind == ENTRY_ACCESS)
		days = RETENTION_ACCESS_DAYS;
	else if (days < RETENTION_EVIDENCE_DAYS)
		days = RETENTION_EVIDENCE_DAYS;
	until = columns->wall_ms + days * DAY_MS;
	if (until > retention->entries_ms)
		retention->entries_ms = until;
}
