#include "audit/database.h"

#include <errno.h>
#include <poll.h>
#include <postgresql/libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "schema/base/clock.h"

#define TEXT_TYPE     25u                   /* pg_type.oid of text */
#define EPOCH_2000_MS INT64_C(946684800000) /* PostgreSQL counts from 2000-01-01 */

struct database {
	PGconn *connection;
	char *copied; /* the COPY row last given out; libpq's memory */
	bool copy_headed;
	int patience_ms; /* 0: none */
	bool given_up;
};

/* libpq's messages end with newlines, and may have several lines. */
static int
refused(struct fault *why, PGconn *connection, const char *text)
{
	char line[FAULT_TEXT_SIZE / 2];
	size_t size = 0;

	for (; *text != '\0' && size + 1 < sizeof line; text++) {
		if (*text != '\n' && *text != '\t')
			line[size++] = *text;
		else if (text[1] != '\0' && *text == '\n')
			line[size++] = ' ';
	}
	line[size] = '\0';
	return fault_set(why, PQstatus(connection) == CONNECTION_OK ? FAULT_INVALID : FAULT_UNAVAILABLE,
	                 "데이터베이스: %s", "database: %s", line);
}

int
database_open(struct database **out, const char *conninfo, struct fault *why)
{
	/*
	 * What comes before dbname is overruled by it: a peer that is gone without a word is noticed after half a minute,
	 * unless the connection string says otherwise.
	 */
	static const char *const names[] = {
	    "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
	    "keepalives_count", "dbname",          "fallback_application_name",
	    "client_encoding",  "connect_timeout", NULL};
	const char *values[] = {"30000", "15", "5", "3", conninfo, "haechi", "UTF8", "10", NULL};
	struct database *database = calloc(1, sizeof *database);
	int result = -1;

	if (database == NULL)
		return fault_memory(why);
	database->connection = PQconnectdbParams(names, values, 1);
	if (database->connection == NULL) {
		fault_memory(why);
		goto out;
	}
	if (PQstatus(database->connection) != CONNECTION_OK) {
		refused(why, database->connection, PQerrorMessage(database->connection));
		goto out;
	}
	/*
	 * Names are always qualified; an empty path keeps look-alikes in other schemas away from operators and casts. Pages are
	 * short: to compile a query over dozens of partitions takes longer than to run it.
	 */
	if (database_run(database,
	                 "SET search_path = pg_catalog; SET TIME ZONE 'UTC'; SET client_min_messages = "
	                 "error; SET jit = off",
	                 why) == -1)
		goto out;
	*out = database;
	database = NULL;
	result = 0;
out:
	database_close(database);
	return result;
}

void
database_close(struct database *database)
{
	if (database == NULL)
		return;
	PQfreemem(database->copied);
	PQfinish(database->connection);
	free(database);
}

void
database_patience(struct database *database, int milliseconds)
{
	database->patience_ms = milliseconds;
}

/* Until something can be read or written; false when the time is up. */
static bool
wait_for(const struct database *database, short events, int64_t deadline)
{
	struct pollfd poll_for = {.fd = PQsocket(database->connection), .events = events};

	for (;;) {
		int64_t left = (deadline - clock_monotonic_ns()) / 1000000;
		int ready = left <= 0 ? 0 : poll(&poll_for, 1, (int)left);

		if (ready == -1 && errno == EINTR)
			continue;
		return ready > 0;
	}
}

/* The next result of what was sent, or NULL when there is none. With patience, a silent server is hung up on. */
static PGresult *
next_result(struct database *database, int64_t deadline)
{
	while (database->patience_ms != 0 && !database->given_up &&
	       (PQflush(database->connection) == 1 || PQisBusy(database->connection))) {
		const short events = PQflush(database->connection) == 1 ? POLLIN | POLLOUT : POLLIN;

		if (!wait_for(database, events, deadline)) {
			database->given_up = true;
			(void)shutdown(PQsocket(database->connection), SHUT_RDWR); /* now libpq sees an end */
		} else if (PQconsumeInput(database->connection) == 0) {
			break;
		}
	}
	return PQgetResult(database->connection);
}

/* As PQexec() has it: the last result counts, or the first that says no. NULL: nothing could be sent. */
static PGresult *
answer(struct database *database, int sent)
{
	const int64_t deadline = clock_monotonic_ns() + (int64_t)database->patience_ms * 1000000;
	PGresult *last = NULL, *next;

	if (sent == 0)
		return NULL;
	while ((next = next_result(database, deadline)) != NULL) {
		if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
			PQclear(next);
			continue;
		}
		PQclear(last);
		last = next;
	}
	return last;
}

/* The sentence to why an answer is none. */
static int
no_answer(struct database *database, struct fault *why)
{
	if (database->given_up)
		return fault_set(why, FAULT_UNAVAILABLE, "데이터베이스가 %d초 동안 답하지 않았습니다",
		                 "the database did not answer for %d seconds", database->patience_ms / 1000);
	return refused(why, database->connection, PQerrorMessage(database->connection));
}

int
database_run(struct database *database, const char *sql, struct fault *why)
{
	PGresult *result = answer(database, PQsendQuery(database->connection, sql));
	const ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		return no_answer(database, why);
	return 0;
}

static void
append_quoted(struct buffer *sql, char *quoted)
{
	if (quoted == NULL)
		sql->failed = true; /* not UTF-8, or no memory: the statement must not be sent */
	else
		buffer_string(sql, quoted);
	PQfreemem(quoted);
}

void
database_quote(struct buffer *sql, struct database *database, const char *text)
{
	append_quoted(sql, PQescapeLiteral(database->connection, text, strlen(text)));
}

void
database_quote_name(struct buffer *sql, struct database *database, const char *name)
{
	append_quoted(sql, PQescapeIdentifier(database->connection, name, strlen(name)));
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

/* PGresult under another name: libpq stays behind this door. */
static PGresult *
inside(const struct database_rows *rows)
{
	union {
		const struct database_rows *rows;
		PGresult *result;
	} both = {.rows = rows};

	return both.result;
}

int
database_ask(struct database_rows **out, struct database *database, const char *sql, size_t count,
             const char *const *parameters, struct fault *why)
{
	PGresult *result = answer(database, PQsendQueryParams(database->connection, sql, (int)count, NULL,
	                                                      parameters, NULL, NULL, 1));
	const ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		no_answer(database, why);
		PQclear(result);
		return -1;
	}
	*out = (struct database_rows *)result;
	return 0;
}

void
database_rows_free(struct database_rows *rows)
{
	PQclear(inside(rows));
}

size_t
database_count(const struct database_rows *rows)
{
	return (size_t)PQntuples(inside(rows));
}

struct slice
database_field(const struct database_rows *rows, size_t row, size_t column)
{
	if (PQgetisnull(inside(rows), (int)row, (int)column))
		return (struct slice){NULL, 0};
	return slice_of(PQgetvalue(inside(rows), (int)row, (int)column),
	                (size_t)PQgetlength(inside(rows), (int)row, (int)column));
}

const char *
database_text(const struct database_rows *rows, size_t row, size_t column)
{
	return PQgetvalue(inside(rows), (int)row,
	                  (int)column); /* libpq terminates every field, and NULL is "" */
}

int64_t
database_integer(const struct database_rows *rows, size_t row, size_t column)
{
	return field_integer(database_field(rows, row, column));
}

bool
database_bool(const struct database_rows *rows, size_t row, size_t column)
{
	const struct slice field = database_field(rows, row, column);

	return field.size == 1 && field.data[0] == 1;
}

int64_t
field_integer(struct slice field)
{
	struct reader reader = reader_of(field);

	switch (field.size) {
	case 2:
		return (int16_t)reader_u16be(&reader);
	case 4:
		return (int32_t)reader_u32be(&reader);
	case 8:
		return (int64_t)reader_u64be(&reader);
	default:
		return 0;
	}
}

void
field_list_write(struct buffer *out, struct slice list)
{
	uint32_t count = 1;

	if (list.size == 0) {
		buffer_u32be(out, UINT32_MAX);
		return;
	}
	for (size_t i = 0; i < list.size; i++)
		count += list.data[i] == ',';
	/* dimensions, nulls, type (text), length, lower bound; then the members */
	buffer_u32be(out, (uint32_t)(20 + 4 * count + list.size - (count - 1)));
	buffer_u32be(out, 1);
	buffer_u32be(out, 0);
	buffer_u32be(out, TEXT_TYPE);
	buffer_u32be(out, count);
	buffer_u32be(out, 1);
	for (; count > 0; count--) {
		const uint8_t *end = memchr(list.data, ',', list.size);
		const size_t size = end == NULL ? list.size : (size_t)(end - list.data);

		buffer_u32be(out, (uint32_t)size);
		buffer_append(out, list.data, size);
		list = end == NULL ? slice_of(NULL, 0) : slice_of(end + 1, list.size - size - 1);
	}
}

bool
field_wall(struct slice field, int64_t *wall_ms)
{
	const int64_t microseconds = field_integer(field);

	/* infinity and -infinity are the extremes, and no entry's time */
	if (field.size != 8 || microseconds % 1000 != 0 || microseconds == INT64_MAX ||
	    microseconds == INT64_MIN)
		return false;
	*wall_ms = microseconds / 1000 + EPOCH_2000_MS;
	return true;
}

/* ---- streaming ------------------------------------------------------------------------------------------------- */

static const uint8_t copy_signature[11] = "PGCOPY\n\377\r\n";

int
database_copy(struct database *database, const char *query, struct fault *why)
{
	struct buffer sql;
	PGresult *result = NULL;
	int outcome = -1;

	buffer_init(&sql, 64 * 1024);
	buffer_printf(&sql, "COPY (%s) TO STDOUT (FORMAT binary)", query);
	if (buffer_text(&sql) == NULL) {
		fault_memory(why);
		goto out;
	}
	result = PQexec(database->connection, buffer_text(&sql));
	if (PQresultStatus(result) != PGRES_COPY_OUT) {
		refused(why, database->connection, PQerrorMessage(database->connection));
		goto out;
	}
	database->copy_headed = false;
	outcome = 0;
out:
	PQclear(result);
	buffer_free(&sql);
	return outcome;
}

static int
copy_end(struct database *database, struct fault *why)
{
	PGresult *result;
	int outcome = 0;

	while ((result = PQgetResult(database->connection)) != NULL) {
		if (PQresultStatus(result) != PGRES_COMMAND_OK && outcome == 0)
			outcome = refused(why, database->connection, PQresultErrorMessage(result));
		PQclear(result);
	}
	return outcome;
}

int
database_copy_next(struct database *database, size_t count, struct slice *fields, struct fault *why)
{
	for (;;) {
		struct reader reader;
		uint16_t columns;
		int size;

		PQfreemem(database->copied);
		database->copied = NULL;
		size = PQgetCopyData(database->connection, &database->copied, 0);
		if (size == -1)
			return copy_end(database, why);
		if (size < 0)
			return refused(why, database->connection, PQerrorMessage(database->connection));
		reader = reader_of(slice_of(database->copied, (size_t)size));
		if (!database->copy_headed) {
			const struct slice signature = reader_take(&reader, sizeof copy_signature);

			reader_u32be(&reader); /* flags */
			reader_take(&reader, reader_u32be(&reader));
			if (!reader_ok(&reader) ||
			    !slice_equal(signature, slice_of(copy_signature, sizeof copy_signature)))
				return fault_set(why, FAULT_INTERNAL, "COPY의 머리를 읽을 수 없습니다",
				                 "the head of COPY cannot be read");
			database->copy_headed = true;
			if (reader_done(&reader))
				continue; /* the head may come in a message of its own */
		}
		columns = reader_u16be(&reader);
		if (columns == UINT16_MAX)
			continue; /* the trailer; the end follows */
		for (size_t i = 0; i < count; i++) {
			const uint32_t length = reader_u32be(&reader);

			fields[i] =
			    length == UINT32_MAX ? (struct slice){NULL, 0} : reader_take(&reader, length);
		}
		if (columns != count || !reader_done(&reader))
			return fault_set(why, FAULT_INTERNAL, "COPY의 행을 읽을 수 없습니다",
			                 "a row of COPY cannot be read");
		return 1;
	}
}
