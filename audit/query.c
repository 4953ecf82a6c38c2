#include "audit/query.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/stored.h"
#include "audit/windows.h"
#include "schema/base/clock.h"

#define PAGE 1000
/* The origin by a subquery, so that a page never waits for a join. */
#define ORIGIN "(SELECT l.origin FROM haechi.log l WHERE l.log_id = e.log_id)"
#define COLUMNS                                                                                              \
	"e.log_id, " ORIGIN ", e.index, e.wall, e.id, e.kind, e.agency, e.service, e.subject, e.key_id, "    \
	"e.request_id, e.of, e.usecase, e.verdict, e.access, e.domain, e.action, e.model, e.zone, e.bytes, " \
	"array_to_string(e.also, ',') AS also "
#define FROM "FROM haechi.entry e WHERE true"

/* In the order of filter_names. */
static const char *const columns[FILTER_VALUES] = {
    "e.agency", "e.usecase", "e.verdict", "e.access", "e.domain", "e.kind", "e.request_id", "e.id", ORIGIN,
};

/* A domain may be an entry's first or a further one: two indexes, and so two halves of a page. */
enum half { EITHER, FIRST, FURTHER };

static void
domain_condition(struct buffer *sql, struct database *database, const char *domain, enum half half)
{
	const char *const before[] = {
	    [EITHER] = " AND (e.domain = ", [FIRST] = " AND e.domain = ", [FURTHER] = " AND e.domain <> "};

	buffer_string(sql, before[half]);
	database_quote(sql, database, domain);
	if (half == FIRST)
		return;
	buffer_string(sql, half == EITHER ? " OR e.also @> ARRAY[" : " AND e.also @> ARRAY[");
	database_quote(sql, database, domain);
	buffer_string(sql, half == EITHER ? "::text])" : "::text]");
}

static void
conditions(struct buffer *sql, struct database *database, const struct filter *filter, enum half half)
{
	char text[CLOCK_TEXT_SIZE];

	if (filter->has_from) {
		clock_text(text, filter->from_ms);
		buffer_printf(sql, " AND e.wall >= '%s'", text);
	}
	if (filter->has_to) {
		clock_text(text, filter->to_ms);
		buffer_printf(sql, " AND e.wall < '%s'", text);
	}
	for (size_t i = 0; i < FILTER_VALUES; i++) {
		if (filter_value(filter, i) == NULL)
			continue;
		if (filter_value(filter, i) == filter->domain) {
			domain_condition(sql, database, filter->domain, half);
			continue;
		}
		buffer_printf(sql, " AND %s = ", columns[i]);
		database_quote(sql, database, filter_value(filter, i));
	}
}

void
query_conditions(struct buffer *sql, struct database *database, const struct filter *filter)
{
	conditions(sql, database, filter, EITHER);
}

/* false: a time that no entry has. */
static bool
row_read(struct query_row *row, const struct database_rows *rows, size_t at)
{
	*row = (struct query_row){
	    .log_id = database_integer(rows, at, 0),
	    .origin = database_text(rows, at, 1),
	    .index = (uint64_t)database_integer(rows, at, 2),
	    .id = database_text(rows, at, 4),
	    .kind = database_text(rows, at, 5),
	    .agency = database_text(rows, at, 6),
	    .service = database_text(rows, at, 7),
	    .subject = database_text(rows, at, 8),
	    .key_id = database_text(rows, at, 9),
	    .request_id = database_text(rows, at, 10),
	    .of = database_text(rows, at, 11),
	    .usecase = database_text(rows, at, 12),
	    .verdict = database_text(rows, at, 13),
	    .access = database_text(rows, at, 14),
	    .domain = database_text(rows, at, 15),
	    .action = database_text(rows, at, 16),
	    .model = database_text(rows, at, 17),
	    .zone = database_text(rows, at, 18),
	    .bytes = database_field(rows, at, 19),
	    .also = database_text(rows, at, 20),
	};
	return field_wall(database_field(rows, at, 3), &row->wall_ms);
}

struct position {
	bool set;
	int64_t log_id, wall_ms;
	uint64_t index;
};

/* A page: of which entries, within which window, behind which row, how many. */
struct page {
	const struct filter *filter;
	const struct windows *windows;
	struct position after;
	uint64_t limit;
};

static void
time_bound(struct buffer *sql, const char *comparison, int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, wall_ms);
	buffer_printf(sql, " AND e.wall %s '%s'", comparison, text);
}

static void
page_half(struct buffer *sql, struct database *database, const struct page *page, enum half half)
{
	const struct position *after = &page->after;
	const bool ascending = page->windows->ascending;
	const char *order = ascending ? "" : " DESC";

	buffer_string(sql, "SELECT " COLUMNS FROM);
	conditions(sql, database, page->filter, half);
	if (page->windows->has_from)
		time_bound(sql, ">=", page->windows->from_ms);
	if (page->windows->has_to)
		time_bound(sql, "<", page->windows->to_ms);
	if (after->set) {
		char text[CLOCK_TEXT_SIZE];

		/* Said twice: by the time alone, months that are behind are not even looked up. */
		time_bound(sql, ascending ? ">=" : "<=", after->wall_ms);
		clock_text(text, after->wall_ms);
		buffer_printf(
		    sql, " AND (e.wall, e.log_id, e.index) %s ('%s'::timestamptz, %" PRId64 ", %" PRIu64 ")",
		    ascending ? ">" : "<", text, after->log_id, after->index);
	}
	buffer_printf(sql, " ORDER BY e.wall%s, e.log_id%s, e.index%s LIMIT %" PRIu64, order, order, order,
	              page->limit);
}

static int
page_ask(struct database_rows **rows, struct database *database, const struct page *page, struct fault *why)
{
	const char *order = page->windows->ascending ? "" : " DESC";
	struct buffer sql;
	int result = -1;

	buffer_init(&sql, 64 * 1024);
	if (page->filter->domain == NULL) {
		page_half(&sql, database, page, EITHER);
	} else {
		buffer_string(&sql, "SELECT * FROM ((");
		page_half(&sql, database, page, FIRST);
		buffer_string(&sql, ") UNION ALL (");
		page_half(&sql, database, page, FURTHER);
		buffer_printf(&sql, ")) e ORDER BY e.wall%s, e.log_id%s, e.index%s LIMIT %" PRIu64, order,
		              order, order, page->limit);
	}
	if (buffer_text(&sql) == NULL)
		fault_set(why, FAULT_INVALID, "조건이 너무 길거나 UTF-8이 아닙니다",
		          "a filter is too long or not UTF-8");
	else
		result = database_ask(rows, database, buffer_text(&sql), 0, NULL, why);
	buffer_free(&sql);
	return result;
}

/*
 * A login of one agency asks for that agency's rows, said or not: said, they come in order out of the agency's own index, while
 * the policy alone is a filter over everybody's.
 */
static int
scope_say(struct filter *filter, struct database_rows **rows, struct database *database, struct fault *why)
{
	if (filter->agency != NULL)
		return 0;
	if (database_ask(
	        rows, database,
	        "SELECT CASE WHEN row_security_active('haechi.entry') AND NOT haechi.sees_everything() "
	        "AND cardinality(haechi.my_agencies()) = 1 THEN (haechi.my_agencies())[1] END",
	        0, NULL, why) == -1)
		return -1;
	if (database_field(*rows, 0, 0).size > 0)
		filter->agency = database_text(*rows, 0, 0);
	return 0;
}

static int
pages_run(struct database *database, const struct filter *filter, uint64_t limit, bool ascending,
          query_seen *seen, void *context, uint64_t *count, struct fault *why)
{
	struct windows *windows = malloc(sizeof *windows);
	struct page page = {.filter = filter, .windows = windows};
	uint64_t given = 0;
	bool more;
	int result = -1;

	if (windows == NULL) {
		fault_memory(why);
		goto out;
	}
	if (windows_open(windows, database, filter, ascending, why) == -1)
		goto out;
	more = windows_next(windows);
	while (more && (limit == 0 || given < limit)) {
		struct database_rows *rows = NULL;

		page.limit = limit != 0 && limit - given < PAGE ? limit - given : PAGE;
		if (page_ask(&rows, database, &page, why) == -1)
			goto out;
		if (database_count(rows) < page.limit)
			more = windows_next(windows);
		for (size_t i = 0; i < database_count(rows); i++) {
			struct query_row row;

			if (!row_read(&row, rows, i)) {
				fault_set(why, FAULT_TAMPERED,
				          "%s %" PRIu64 "번: 시각 열이 밀리초가 아닙니다",
				          "%s entry %" PRIu64 ": the time column is not in milliseconds",
				          row.origin, row.index);
				database_rows_free(rows);
				goto out;
			}
			given++;
			page.after = (struct position){true, row.log_id, row.wall_ms, row.index};
			if (!seen(context, &row)) {
				more = false;
				break;
			}
		}
		database_rows_free(rows);
	}
	result = 0;
out:
	free(windows);
	*count = given;
	return result;
}

int
query_run(struct database *database, const struct filter *filter, uint64_t limit, bool ascending,
          query_seen *seen, void *context, uint64_t *count, struct fault *why)
{
	struct database_rows *scope = NULL;
	struct filter said = *filter;
	uint64_t given = 0;
	int result = -1;

	if (filter_check(filter, why) == 0 && scope_say(&said, &scope, database, why) == 0)
		result = pages_run(database, &said, limit, ascending, seen, context, &given, why);
	if (count != NULL)
		*count = given;
	database_rows_free(scope);
	return result;
}

int
query_access_note(struct database *database, const char *action, const char *about, const char *reason,
                  struct fault *why)
{
	const char *parameters[] = {action, about, reason};
	struct database_rows *rows = NULL;

	if (database_ask(&rows, database, "SELECT haechi.access_note($1, $2, $3)", 3, parameters, why) == -1)
		return -1;
	database_rows_free(rows);
	return 0;
}

/* ---- following --------------------------------------------------------------------------------------------------- */

static int
newest_index(struct database *database, int64_t log_id, int64_t *index, struct fault *why)
{
	char number[24];
	const char *parameters[] = {number};
	struct database_rows *rows = NULL;

	snprintf(number, sizeof number, "%" PRId64, log_id);
	if (database_ask(&rows, database,
	                 "SELECT coalesce((SELECT index FROM haechi.entry WHERE log_id = $1::integer "
	                 "ORDER BY index DESC LIMIT 1), -1)",
	                 1, parameters, why) == -1)
		return -1;
	*index = database_integer(rows, 0, 0);
	database_rows_free(rows);
	return 0;
}

/* Everything of one log behind *index, which moves on. 1 when `seen` had enough. */
static int
follow_log(struct database *database, const struct filter *filter, int64_t log_id, int64_t *index,
           query_seen *seen, void *context, struct fault *why)
{
	struct database_rows *rows = NULL;
	struct buffer sql;
	int result = -1;
	int64_t newest;

	/* Rows that the filter passes over move the place on too. */
	if (newest_index(database, log_id, &newest, why) == -1)
		return -1;
	if (newest <= *index)
		return 0;
	buffer_init(&sql, 64 * 1024);
	buffer_printf(&sql,
	              "SELECT " COLUMNS FROM " AND e.log_id = %" PRId64 " AND e.index > %" PRId64
	              " AND e.index <= %" PRId64,
	              log_id, *index, newest);
	query_conditions(&sql, database, filter);
	buffer_string(&sql, " ORDER BY e.index");
	if (buffer_text(&sql) == NULL) {
		fault_set(why, FAULT_INVALID, "조건이 너무 길거나 UTF-8이 아닙니다",
		          "a filter is too long or not UTF-8");
		goto out;
	}
	if (database_ask(&rows, database, buffer_text(&sql), 0, NULL, why) == -1)
		goto out;
	*index = newest;
	result = 0;
	for (size_t i = 0; i < database_count(rows) && result == 0; i++) {
		struct query_row row;

		if (row_read(&row, rows, i) && !seen(context, &row))
			result = 1;
	}
out:
	database_rows_free(rows);
	buffer_free(&sql);
	return result;
}

int
query_follow(struct database *database, const struct filter *filter, int interval_ms, query_seen *seen,
             void *context, bool (*stop)(void *context), struct fault *why)
{
	const struct timespec pause = {interval_ms / 1000, (long)(interval_ms % 1000) * 1000000};
	struct stored_log logs[STORED_LOGS];
	int64_t place[STORED_LOGS];
	size_t count, known = 0;

	if (filter_check(filter, why) == -1 || stored_logs(logs, &count, database, why) == -1)
		return -1;
	for (; known < count; known++)
		if (newest_index(database, logs[known].log_id, &place[known], why) == -1)
			return -1;
	while (!stop(context)) {
		/* Logs are numbered in the order they come: a new one is behind those already followed. */
		if (stored_logs(logs, &count, database, why) == -1)
			return -1;
		for (; known < count; known++)
			place[known] = -1;
		for (size_t i = 0; i < count; i++) {
			const int result =
			    follow_log(database, filter, logs[i].log_id, &place[i], seen, context, why);

			if (result != 0)
				return result == 1 ? 0 : -1;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}
