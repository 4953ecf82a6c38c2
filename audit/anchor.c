#include "audit/anchor.h"

#include <inttypes.h>
#include <stdlib.h>

#include "schema/base/clock.h"

/* A parameter of type bytea, as text: "\x" and hex digits. The caller's to free(). */
static char *
bytea(struct slice bytes)
{
	char *text = malloc(2 * bytes.size + 3);

	if (text != NULL) {
		text[0] = '\\';
		text[1] = 'x';
		hex_encode(text + 2, bytes.data, bytes.size);
	}
	return text;
}

static char *
terminated(struct slice text)
{
	struct buffer copy;

	buffer_init(&copy, text.size + 1);
	buffer_slice(&copy, text);
	return buffer_text(&copy); /* NULL when there is no memory; otherwise the buffer's, to free() */
}

static int
store(struct database *database, const char *sql, size_t count, const char *const *parameters,
      struct fault *why)
{
	struct database_rows *rows = NULL;
	int result = 0;

	if (database_ask(&rows, database, sql, count, parameters, why) == -1)
		return -1;
	if (database_count(rows) != 1 || !database_bool(rows, 0, 0))
		result = fault_set(why, FAULT_NOT_FOUND, "데이터베이스가 아직 모르는 기록입니다",
		                   "the database does not know the log yet");
	database_rows_free(rows);
	return result;
}

int
anchor_store_cosigned(struct database *database, const char *origin, uint64_t size, struct slice note,
                      struct fault *why)
{
	char number[24], *text = terminated(note);
	const char *const parameters[] = {origin, number, text};
	int result;

	if (text == NULL)
		return fault_memory(why);
	snprintf(number, sizeof number, "%" PRIu64, size);
	result = store(
	    database,
	    "WITH l AS (SELECT log_id FROM haechi.log WHERE origin = $1), "
	    "i AS (INSERT INTO haechi.cosigned (log_id, size, note) SELECT log_id, $2::bigint, $3 FROM l "
	    "WHERE NOT EXISTS (SELECT FROM haechi.cosigned c WHERE c.log_id = l.log_id AND c.size = "
	    "$2::bigint "
	    "AND c.note = $3)) SELECT EXISTS (SELECT FROM l)",
	    3, parameters, why);
	free(text);
	return result;
}

int
anchor_store_stamp(struct database *database, const char *origin, uint64_t size, int64_t wall_ms,
                   struct slice note, struct slice answer, struct fault *why)
{
	char number[24], time[CLOCK_TEXT_SIZE], *text = terminated(note), *bytes = bytea(answer);
	const char *const parameters[] = {origin, number, time, text, bytes};
	int result = -1;

	snprintf(number, sizeof number, "%" PRIu64, size);
	clock_text(time, wall_ms);
	if (text == NULL || bytes == NULL)
		fault_memory(why);
	else
		result = store(database,
		               "WITH l AS (SELECT log_id FROM haechi.log WHERE origin = $1), "
		               "i AS (INSERT INTO haechi.stamped (log_id, size, wall, note, answer) "
		               "SELECT log_id, $2::bigint, $3::timestamptz, $4, $5::bytea FROM l ON CONFLICT "
		               "DO NOTHING) "
		               "SELECT EXISTS (SELECT FROM l)",
		               5, parameters, why);
	free(text);
	free(bytes);
	return result;
}

static int
newest(struct database_rows **rows, struct database *database, const char *table, const char *sql,
       size_t count, const char *const *parameters, struct fault *why)
{
	struct database_rows *there = NULL;
	bool exists;

	*rows = NULL;
	/* A database that has not been migrated yet has none, and that is no fault. */
	if (database_ask(&there, database, "SELECT to_regclass($1) IS NOT NULL", 1, &table, why) == -1)
		return -1;
	exists = database_bool(there, 0, 0);
	database_rows_free(there);
	if (exists && database_ask(rows, database, sql, count, parameters, why) == -1)
		return -1;
	if (!exists || database_count(*rows) == 0) {
		database_rows_free(*rows);
		*rows = NULL;
		return fault_set(why, FAULT_NOT_FOUND, "밖에서 확인해 준 체크포인트가 아직 없습니다",
		                 "no checkpoint was confirmed from outside yet");
	}
	return 0;
}

int
anchor_cosigned(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
                uint64_t least, struct fault *why)
{
	char log[24], number[24];
	const char *const parameters[] = {log, number};
	struct database_rows *rows;

	snprintf(log, sizeof log, "%" PRId64, log_id);
	snprintf(number, sizeof number, "%" PRIu64, least);
	if (newest(&rows, database, "haechi.cosigned",
	           "SELECT note, size FROM haechi.cosigned WHERE log_id = $1::integer AND size >= $2::bigint "
	           "ORDER BY size DESC, wall DESC LIMIT 1",
	           2, parameters, why) == -1)
		return -1;
	buffer_slice(note, database_field(rows, 0, 0));
	*size = (uint64_t)database_integer(rows, 0, 1);
	database_rows_free(rows);
	return buffer_ok(note) ? 0 : fault_memory(why);
}

int
anchor_stamped(struct buffer *note, struct buffer *answer, uint64_t *size, struct database *database,
               int64_t log_id, struct fault *why)
{
	char log[24];
	const char *const parameters[] = {log};
	struct database_rows *rows;

	snprintf(log, sizeof log, "%" PRId64, log_id);
	if (newest(&rows, database, "haechi.stamped",
	           "SELECT note, answer, size FROM haechi.stamped WHERE log_id = $1::integer "
	           "ORDER BY size DESC, wall DESC LIMIT 1",
	           1, parameters, why) == -1)
		return -1;
	buffer_slice(note, database_field(rows, 0, 0));
	buffer_slice(answer, database_field(rows, 0, 1));
	*size = (uint64_t)database_integer(rows, 0, 2);
	database_rows_free(rows);
	return buffer_ok(note) && buffer_ok(answer) ? 0 : fault_memory(why);
}
