#include "audit/windows.h"

#include <stdio.h>
#include <string.h>

#include "schema/base/clock.h"

#define FIRST_MONTHS 3 /* next month's table is there already, and empty */

int
windows_open(struct windows *out, struct database *database, const struct filter *filter, bool ascending,
             struct fault *why)
{
	struct database_rows *rows = NULL;

	memset(out, 0, sizeof *out);
	out->ascending = ascending;
	out->step = FIRST_MONTHS;
	/* A few rows wherever they are, by an index of their own: one look at all of time. */
	if (filter->request_id != NULL || filter->entry != NULL)
		return 0;
	if (database_ask(
	        &rows, database,
	        "SELECT substr(c.relname, 7, 4) || '-' || substr(c.relname, 11, 2) || '-01' "
	        "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
	        "WHERE i.inhparent = 'haechi.entry'::regclass AND c.relname ~ '^entry_[0-9]{6}$' ORDER BY 1",
	        0, NULL, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows) && out->count < WINDOWS_CUTS; i++) {
		const size_t at = ascending ? i : database_count(rows) - 1 - i;
		int64_t begins;

		if (clock_parse(&begins, database_field(rows, at, 0), false) &&
		    (!filter->has_from || begins > filter->from_ms) &&
		    (!filter->has_to || begins < filter->to_ms))
			out->cuts[out->count++] = begins;
	}
	database_rows_free(rows);
	return 0;
}

bool
windows_next(struct windows *windows)
{
	const bool has_near = windows->at > 0;
	const int64_t near = windows->ascending ? windows->to_ms : windows->from_ms;
	size_t edge;
	bool has_far;

	if (windows->ended)
		return false;
	windows->at += windows->step;
	windows->step *= 2;
	/* Upwards a window ends where a month begins; downwards it goes down to where one begins. */
	edge = windows->ascending ? windows->at : windows->at - 1;
	has_far = edge < windows->count && windows->at < windows->count;
	windows->ended = !has_far;
	if (windows->ascending) {
		windows->has_from = has_near;
		windows->from_ms = near;
		windows->has_to = has_far;
		windows->to_ms = has_far ? windows->cuts[edge] : 0;
	} else {
		windows->has_to = has_near;
		windows->to_ms = near;
		windows->has_from = has_far;
		windows->from_ms = has_far ? windows->cuts[edge] : 0;
	}
	return true;
}
