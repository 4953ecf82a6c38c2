#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/keyfolder.h"
#include "audit/retention.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "gateway/shred_inside.h"
#include "schema/base/clock.h"

#define CANDIDATES_MOST 100000
/* Of an ended month that is destroyed whole no answer may still be on its way, which would find no key. */
#define SETTLED_MS (INT64_C(7) * 86400000)

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

/*
 * $1 the log's origin, $2... what chooses. Entries are evidence and cannot be moved away; whether something was
 * sealed for one, its canonical bytes say: a quoted name cannot occur inside a JSON string.
 */
#define OWN_LOG "own AS (SELECT log_id FROM haechi.log WHERE origin = $1)"
#define FOLLOWERS                                                                                            \
	" UNION SELECT e.log_id, e.index, e.wall, e.id FROM chosen c JOIN haechi.entry e ON e.of = c.id "    \
	"AND "                                                                                               \
	"e.log_id = c.log_id)"
#define WAS_SEALED                                                                                           \
	"((e.kind = 'decision' AND position('\"prompt\":{'::bytea in e.bytes) > 0"                           \
	"  AND (e.access = 'hold' OR position('\"log_full\":true'::bytea in e.bytes) > 0))"                  \
	" OR (e.kind = 'outcome' AND position('\"answer\":{'::bytea in e.bytes) > 0)"                        \
	" OR (e.kind = 'review' AND e.action = 'edit'))"
#define FOUND                                                                                                \
	" SELECT e.id, e.kind, coalesce(e.agency, ''), coalesce(e.usecase, ''),"                             \
	" (extract(epoch FROM e.wall) * 1000)::bigint, s.rows, s.bytes"
#define SEALED_ROWS                                                                                          \
	" FROM chosen c JOIN haechi.entry e ON e.log_id = c.log_id AND e.index = c.index AND e.wall = "      \
	"c.wall"                                                                                             \
	" CROSS JOIN LATERAL (SELECT count(*) AS rows, coalesce(sum(octet_length(blob)), 0)::bigint AS "     \
	"bytes"                                                                                              \
	"  FROM haechi.content x WHERE x.log_id = e.log_id AND x.entry_id = e.id AND x.wall = e.wall) s"
#define SEALED FOUND SEALED_ROWS " WHERE (s.rows > 0 OR " WAS_SEALED ")"
/* Of months that left the database; what lies sealed in their archives is a copy like any other. */
#define ARCHIVED                                                                                             \
	" UNION ALL SELECT a.id, a.kind, coalesce(a.agency, ''), coalesce(a.usecase, ''),"                   \
	" (extract(epoch FROM a.wall) * 1000)::bigint, 0::bigint, 0::bigint"                                 \
	" FROM haechi.archive_sealed a WHERE a.log_id = (SELECT log_id FROM own) AND "
#define IN_ORDER " ORDER BY 1 LIMIT 100001"

static const char by_entry_sql[] =
    "WITH RECURSIVE " OWN_LOG ", chosen AS (SELECT e.log_id, e.index, e.wall, e.id FROM haechi.entry e"
    " WHERE (e.id = $2 OR e.of = $2 OR e.of IN (SELECT a.id FROM haechi.archive_sealed a WHERE a.root = $2))"
    " AND e.log_id = (SELECT log_id FROM own)" FOLLOWERS SEALED ARCHIVED
    "(a.id = $2 OR a.of = $2 OR a.root = $2)" IN_ORDER;
static const char by_subject_sql[] =
    "WITH RECURSIVE " OWN_LOG ", chosen AS (SELECT e.log_id, e.index, e.wall, e.id FROM haechi.entry e"
    " WHERE ((e.subject = $2 AND e.kind IN ('decision', 'outcome')) OR e.of IN"
    " (SELECT a.id FROM haechi.archive_sealed a WHERE a.subject = $2)) AND e.log_id = (SELECT log_id FROM "
    "own)" FOLLOWERS SEALED ARCHIVED "(a.subject = $2 OR a.root IN (SELECT r.root FROM haechi.archive_sealed "
    "r WHERE r.subject = $2))" IN_ORDER;

/* $2 from, $3 to, in milliseconds; $4 the agency, or NULL. */
static const char by_period_sql[] =
    "WITH " OWN_LOG ", chosen AS (SELECT e.log_id, e.index, e.wall, e.id FROM haechi.entry e"
    " WHERE e.wall >= to_timestamp($2::float8 / 1000) AND e.wall < to_timestamp($3::float8 / 1000)"
    " AND e.kind IN ('decision', 'outcome', 'review') AND ($4::text IS NULL OR e.agency = $4)"
    " AND e.log_id = (SELECT log_id FROM own))" SEALED ARCHIVED
    "a.wall >= to_timestamp($2::float8 / 1000) AND a.wall < to_timestamp($3::float8 / 1000)"
    " AND ($4::text IS NULL OR a.agency = $4)" IN_ORDER;

/*
 * One agency and month as its keys have them, by the time in the id: $2, $3 ids from and to, $4, $5 the month and a day around it,
 * $6 the agency, or "*": what was sealed under keys of every agency, which its rows show.
 */
#define PERIOD                                                                                               \
	"WITH RECURSIVE " OWN_LOG ", chosen AS (SELECT e.log_id, e.index, e.wall, e.id FROM haechi.entry e"  \
	" WHERE e.wall >= to_timestamp($4::float8 / 1000) AND e.wall < to_timestamp($5::float8 / 1000)"      \
	" AND e.id >= $2 AND e.id < $3 AND e.kind IN ('decision', 'outcome', 'review')"                      \
	" AND ($6 = '*' OR coalesce(e.agency, '') = $6) AND e.log_id = (SELECT log_id FROM own)),"           \
	" found AS (SELECT e.log_id, e.index, e.wall, e.id, s.rows, s.bytes FROM chosen c JOIN haechi.entry" \
	" e ON e.log_id = c.log_id AND e.index = c.index AND e.wall = c.wall CROSS JOIN LATERAL"             \
	" (SELECT count(*) FILTER (WHERE m.mine) AS rows, count(*) AS every,"                                \
	" coalesce(sum(octet_length(x.blob)) FILTER (WHERE m.mine), 0)::bigint AS bytes FROM haechi.content" \
	" x CROSS JOIN LATERAL (SELECT ($6 = '*') = (substr(x.blob, 1, 4) = 'HSB1'::bytea) AS mine) m"       \
	" WHERE x.log_id = e.log_id AND x.entry_id = e.id AND x.wall = e.wall) s"                            \
	" WHERE s.rows > 0 OR (s.every = 0 AND $6 <> '*' AND " WAS_SEALED "))"

static const char count_sql[] =
    PERIOD " SELECT count(*), coalesce(sum(rows), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM ("
           "SELECT rows, bytes FROM found UNION ALL SELECT 0, 0 FROM haechi.archive_sealed a WHERE"
           " a.id >= $2 AND a.id < $3 AND $6 <> '*' AND coalesce(a.agency, '') = $6"
           " AND a.log_id = (SELECT log_id FROM own)) f";

/*
 * Until when content is kept: what its decision's duties say, five years where the verdict is high-impact or open (audit/retention.h);
 * the longest along the chain of entries counts. $7 now, $8 days of what has no period set, or NULL: never by itself.
 */
#define DAYS_STRING(days) #days
#define DAYS_TEXT(days)   DAYS_STRING(days)
#define UNTIL                                                                                                \
	"e.wall + nullif(greatest(CASE WHEN e.verdict IN ('HIGH_IMPACT', 'UNDETERMINED') THEN " DAYS_TEXT(   \
	    RETENTION_EVIDENCE_DAYS) " ELSE 0 END, CASE WHEN e.kind = 'decision' THEN"                       \
	                             " coalesce(substring(convert_from(e.bytes, 'UTF8') from"                \
	                             " '\"retention_days\":([0-9]{1,6})')::integer, 0) ELSE 0 END), 0)"      \
	                             " * interval '1 day'"
#define ENDED                                                                                                \
	PERIOD                                                                                               \
	", up AS (SELECT f.id AS leaf, e.log_id, e.of, " UNTIL " AS until FROM found f JOIN haechi.entry e"  \
	" ON e.log_id = f.log_id AND e.index = f.index AND e.wall = f.wall"                                  \
	" UNION SELECT up.leaf, e.log_id, e.of, " UNTIL " FROM up JOIN haechi.entry e ON e.id = up.of"       \
	" AND e.log_id = up.log_id),"                                                                        \
	" longest AS (SELECT leaf, max(until) AS until FROM up GROUP BY leaf),"                              \
	" kept AS (SELECT f.id, f.log_id, f.index, f.wall, f.rows, f.bytes, l.until IS NULL AS unset,"       \
	" coalesce(coalesce(l.until, f.wall + $8::integer * interval '1 day')"                               \
	" < to_timestamp($7::float8 / 1000), false) AS ended FROM found f JOIN longest l ON l.leaf = f.id)"
static const char ended_count_sql[] =
    ENDED " SELECT (SELECT count(*) FROM haechi.archive_sealed a WHERE a.id >= $2 AND a.id < $3 AND"
          " ($6 = '*' OR coalesce(a.agency, '') = $6) AND a.log_id = (SELECT log_id FROM own)),"
          " count(*), count(*) FILTER (WHERE ended), coalesce(sum(rows), 0)::bigint,"
          " coalesce(sum(bytes), 0)::bigint, count(*) FILTER (WHERE unset AND NOT ended) FROM kept";
static const char ended_sql[] =
    ENDED " SELECT e.id, e.kind, coalesce(e.agency, ''), coalesce(e.usecase, ''),"
          " (extract(epoch FROM e.wall) * 1000)::bigint, k.rows, k.bytes FROM kept k JOIN haechi.entry e"
          " ON e.log_id = k.log_id AND e.index = k.index AND e.wall = k.wall WHERE k.ended" IN_ORDER;

/* ---- months -------------------------------------------------------------------------------------------------------- */

int64_t
shred_month_ms(const char *agency, uint32_t month)
{
	struct tm begin = {.tm_year = (int)(70 + month / 12), .tm_mon = (int)(month % 12), .tm_mday = 1};

	return (int64_t)timegm(&begin) * 1000 - (strcmp(agency, PERIOD_EVERY) == 0 ? 0 : KEYFOLDER_OFFSET_MS);
}

bool
shred_month_read(uint32_t *month, const char *text)
{
	unsigned year, number;
	char end;

	if (text == NULL || strlen(text) != 7 || sscanf(text, "%4u-%2u%c", &year, &number, &end) != 2 ||
	    year < 1970 || number < 1 || number > 12)
		return false;
	*month = (year - 1970) * 12 + number - 1;
	return true;
}

void
shred_month_write(char out[16], uint32_t month)
{
	snprintf(out, 16, "%04u-%02u", 1970 + month / 12 % 8000, month % 12 + 1);
}

void
shred_month_bound(char out[SHRED_BOUND], const char *agency, uint32_t month)
{
	const int64_t begin_ms = shred_month_ms(agency, month);
	const uint64_t begin = begin_ms < 0 ? 0 : (uint64_t)begin_ms;

	snprintf(out, SHRED_BOUND, "%08x-%04x", (unsigned)(begin >> 16 & 0xffffffff),
	         (unsigned)(begin & 0xffff));
}

/* The month in Korea of a time; the next one of a time inside it when `up`. */
static uint32_t
month_at(int64_t wall_ms, bool up)
{
	const time_t seconds = (time_t)((wall_ms + KEYFOLDER_OFFSET_MS) / 1000);
	struct tm parts;
	uint32_t month;

	if (gmtime_r(&seconds, &parts) == NULL || parts.tm_year < 70)
		return 0;
	month = (uint32_t)(parts.tm_year - 70) * 12 + (uint32_t)parts.tm_mon;
	return up && shred_month_ms("", month) < wall_ms ? month + 1 : month;
}

/* ---- entry by entry ------------------------------------------------------------------------------------------------ */

static int
too_many(struct fault *why)
{
	return fault_set(
	    why, FAULT_TOO_LARGE,
	    "한 번에 %d건까지 파기합니다: 기간을 나누거나 지난 달을 통째로 파기하십시오",
	    "at most %d entries an order: divide the period, or erase whole months that are over",
	    SHRED_MOST);
}

/* Into items: of the candidates, what still has a key, or a row. */
static int
take_items(struct shredding *shredding, const struct database_rows *rows, struct fault *why)
{
	for (size_t i = 0; i < database_count(rows); i++) {
		const char *const id = database_text(rows, i, 0), *const agency = database_text(rows, i, 2);
		char when[CLOCK_TEXT_SIZE];
		bool there = true;

		if (database_integer(rows, i, 5) == 0 &&
		    sealer_remembers(shredding->gateway->sealer, agency, id, &there, why) == -1)
			return -1;
		if (!there)
			continue;
		if (json_array_size(shredding->items) == SHRED_MOST) {
			shredding->more = true;
			return shredding->order->expire ? 0 : too_many(why);
		}
		clock_text(when, database_integer(rows, i, 4));
		shredding->entries++;
		shredding->rows += database_integer(rows, i, 5);
		shredding->bytes += database_integer(rows, i, 6);
		if (json_array_append_new(shredding->items,
		                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "entry", id,
		                                    "kind", database_text(rows, i, 1), "agency", agency,
		                                    "usecase", database_text(rows, i, 3), "time", when,
		                                    "rows", (json_int_t)database_integer(rows, i, 5), "bytes",
		                                    (json_int_t)database_integer(rows, i, 6))) == -1)
			return fault_memory(why);
	}
	return 0;
}

static int
find_items(struct shredding *shredding, struct database *database, const char *statement, size_t count,
           const char *const *parameters, struct fault *why)
{
	struct database_rows *rows = NULL;
	int result;

	if (database_ask(&rows, database, statement, count, parameters, why) == -1)
		return -1;
	result = database_count(rows) > CANDIDATES_MOST && !shredding->order->expire
	             ? too_many(why)
	             : take_items(shredding, rows, why);
	database_rows_free(rows);
	return result;
}

static int
find_between(struct shredding *shredding, struct database *database, int64_t from_ms, int64_t to_ms,
             struct fault *why)
{
	char from[32], to[32];
	const char *const parameters[] = {shredding->gateway->origin, from, to, shredding->order->agency};

	if (from_ms >= to_ms)
		return 0;
	snprintf(from, sizeof from, "%lld", (long long)from_ms);
	snprintf(to, sizeof to, "%lld", (long long)to_ms);
	return find_items(shredding, database, by_period_sql, 4, parameters, why);
}

/* ---- whole months -------------------------------------------------------------------------------------------------- */

struct bounds {
	char from[SHRED_BOUND], to[SHRED_BOUND], begin[32], end[32], now[32], days[16];
	const char *parameters[8];
};

static void
bounds_of(struct bounds *bounds, const struct shredding *shredding, const struct keyfolder_period *period)
{
	const int64_t day = 86400000;

	shred_month_bound(bounds->from, period->agency, period->month);
	shred_month_bound(bounds->to, period->agency, period->month + 1);
	snprintf(bounds->begin, sizeof bounds->begin, "%lld",
	         (long long)(shred_month_ms(period->agency, period->month) - day));
	snprintf(bounds->end, sizeof bounds->end, "%lld",
	         (long long)(shred_month_ms(period->agency, period->month + 1) + day));
	snprintf(bounds->now, sizeof bounds->now, "%lld", (long long)clock_wall_ms());
	snprintf(bounds->days, sizeof bounds->days, "%u", shredding->order->default_days);
	bounds->parameters[0] = shredding->gateway->origin;
	bounds->parameters[1] = bounds->from;
	bounds->parameters[2] = bounds->to;
	bounds->parameters[3] = bounds->begin;
	bounds->parameters[4] = bounds->end;
	bounds->parameters[5] = period->agency;
	bounds->parameters[6] = bounds->now;
	bounds->parameters[7] = shredding->order->default_days == 0 ? NULL : bounds->days;
}

static int
take_period(struct shredding *shredding, const struct keyfolder_period *period, int64_t entries, int64_t rows,
            int64_t bytes, struct fault *why)
{
	char month[16];

	if (json_array_size(shredding->periods) == SHRED_PERIODS_MOST) {
		shredding->more = true;
		return shredding->order->expire
		           ? 0
		           : fault_set(why, FAULT_TOO_LARGE,
		                       "한 번에 기관의 달 %d개까지 파기합니다: 기간을 나누십시오",
		                       "at most %d months of agencies an order: divide the period",
		                       SHRED_PERIODS_MOST);
	}
	shred_month_write(month, period->month);
	shredding->entries += entries;
	shredding->rows += rows;
	shredding->bytes += bytes;
	return json_array_append_new(shredding->periods,
	                             json_pack("{s:s, s:s, s:I, s:I, s:I}", "agency", period->agency, "month",
	                                       month, "entries", (json_int_t)entries, "rows",
	                                       (json_int_t)rows, "bytes", (json_int_t)bytes)) == -1
	           ? fault_memory(why)
	           : 0;
}

/* A month that is over and lies in the period whole: its root goes, however many entries it has. */
static int
find_month(struct shredding *shredding, struct database *database, const struct keyfolder_period *period,
           struct fault *why)
{
	struct database_rows *rows = NULL;
	struct bounds bounds;
	int result = -1;

	bounds_of(&bounds, shredding, period);
	if (database_ask(&rows, database, count_sql, 6, bounds.parameters, why) == -1)
		return -1;
	/* a destroyed one only when rows of it came back, with a backup of the database */
	if (database_count(rows) == 1)
		result = period->destroyed && database_integer(rows, 0, 1) == 0
		             ? 0
		             : take_period(shredding, period, database_integer(rows, 0, 0),
		                           database_integer(rows, 0, 1), database_integer(rows, 0, 2), why);
	database_rows_free(rows);
	return result;
}

static int
find_period(struct shredding *shredding, struct database *database, const struct keyfolder_period *periods,
            size_t count, struct fault *why)
{
	const struct shred_order *const order = shredding->order;
	const int64_t now = clock_wall_ms(), to_ms = order->to_ms < now ? order->to_ms : now;
	const uint32_t first = month_at(order->from_ms, true), beyond = month_at(to_ms, false);

	for (size_t i = 0; i < count; i++) {
		const struct keyfolder_period *const period = &periods[i];
		const int64_t begin = shred_month_ms(period->agency, period->month);
		const int64_t end = shred_month_ms(period->agency, period->month + 1);
		const bool whole = order->from_ms <= begin && end <= to_ms;
		const bool every = strcmp(period->agency, PERIOD_EVERY) == 0;
		int result = 0;

		if (whole && (order->agency == NULL || strcmp(order->agency, period->agency) == 0))
			result = find_month(shredding, database, period, why);
		else if (every && !period->destroyed)
			/* keys of every agency cannot go for one of them, nor for a part: then entry by entry */
			result =
			    find_between(shredding, database, begin < order->from_ms ? order->from_ms : begin,
			                 end < order->to_ms ? end : order->to_ms, why);
		if (result == -1)
			return -1;
	}
	if (first >= beyond)
		return find_between(shredding, database, order->from_ms, order->to_ms, why);
	return find_between(shredding, database, order->from_ms, shred_month_ms("", first), why) == -1
	           ? -1
	           : find_between(shredding, database, shred_month_ms("", beyond), order->to_ms, why);
}

/* ---- what need not be kept any longer ------------------------------------------------------------------------------ */

static int
find_ended(struct shredding *shredding, struct database *database, const struct keyfolder_period *period,
           struct fault *why)
{
	const bool over = shred_month_ms(period->agency, period->month + 1) + SETTLED_MS < clock_wall_ms();
	struct database_rows *rows = NULL;
	int64_t sealed, ended;
	struct bounds bounds;
	int result = -1;

	bounds_of(&bounds, shredding, period);
	if (database_ask(&rows, database, ended_count_sql, 8, bounds.parameters, why) == -1)
		return -1;
	if (database_count(rows) != 1)
		goto out;
	sealed = database_integer(rows, 0, 1);
	ended = database_integer(rows, 0, 2);
	shredding->unset += database_integer(rows, 0, 5);
	/* of entries in archives the database does not know how long they are kept: their keys stay */
	if (over && sealed > 0 && ended == sealed && database_integer(rows, 0, 0) == 0)
		result = take_period(shredding, period, sealed, database_integer(rows, 0, 3),
		                     database_integer(rows, 0, 4), why);
	else
		result =
		    ended == 0 ? 0 : find_items(shredding, database, ended_sql, 8, bounds.parameters, why);
out:
	database_rows_free(rows);
	return result;
}

static int
find_expired(struct shredding *shredding, struct database *database, const struct keyfolder_period *periods,
             size_t count, struct fault *why)
{
	const char *const agency = shredding->order->agency;

	for (size_t i = 0; i < count; i++)
		if (!periods[i].destroyed && (agency == NULL || strcmp(agency, periods[i].agency) == 0) &&
		    find_ended(shredding, database, &periods[i], why) == -1)
			return -1;
	return 0;
}

int
shred_find(struct shredding *shredding, struct database *database, struct fault *why)
{
	const struct shred_order *const order = shredding->order;
	const char *parameters[2] = {shredding->gateway->origin};
	struct keyfolder_period *periods = NULL;
	size_t count = 0;
	int result;

	if (shredding->subject != NULL || order->entry != NULL) {
		parameters[1] = shredding->subject != NULL ? shredding->subject : order->entry;
		return find_items(shredding, database,
		                  shredding->subject != NULL ? by_subject_sql : by_entry_sql, 2, parameters,
		                  why);
	}
	if (sealer_periods(shredding->gateway->sealer, &periods, &count, why) == -1)
		return -1;
	result = order->expire ? find_expired(shredding, database, periods, count, why)
	                       : find_period(shredding, database, periods, count, why);
	free(periods);
	return result;
}
