#include "audit/store.h"

#include <errno.h>
#include <inttypes.h>
#include <postgresql/libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/note.h"
#include "audit/checkpoint.h"
#include "audit/database.h"
#include "audit/tile.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/entry.h"

#define CONNECT_MS   5000
#define ANSWER_MS    60000         /* a transaction's slowest single step */
#define ROWS_SEND    (128u * 1024) /* rows are sent when so many bytes are there */
#define ROWS_LIMIT   (96u * 1024 * 1024)
#define LEVELS       8u
#define EPOCH_MS     INT64_C(946684800000) /* PostgreSQL counts from 2000-01-01 */
#define MONTHS       4u
#define DAY_MS       INT64_C(86400000)
#define ARENA_LIMIT  (2u * 1024 * 1024)
#define ENTRY_FIELDS 20

static const char entry_copy[] =
    "COPY haechi.entry (log_id, index, wall, id, kind, agency, service, subject, key_id, "
    "request_id, of, usecase, verdict, access, domain, also, action, model, zone, bytes) "
    "FROM STDIN (FORMAT binary)";
static const char content_copy[] =
    "COPY haechi.content (log_id, entry_id, part, wall, agency, blob) FROM STDIN (FORMAT binary)";
static const char tile_copy[] = "COPY haechi.tile (log_id, level, number, hashes) FROM STDIN (FORMAT binary)";
static const char checkpoint_copy[] =
    "COPY haechi.checkpoint (log_id, size, root, wall, note) FROM STDIN (FORMAT binary)";
static const char copy_head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"; /* signature, flags, no extension */

struct edge {
	uint32_t width; /* hashes in the level's unfinished tile */
	struct tree_hash hashes[TILE_WIDTH];
};

struct store {
	char *conninfo, *origin, *vkeys;
	PGconn *connection;
	uint32_t log_id;
	uint64_t size, checkpoint; /* what the database holds, with what was given since */
	struct edge edge[LEVELS];
	int64_t months[MONTHS]; /* known to have partitions: years * 12 + month */
	int64_t day;            /* of the entry before, whose month is known; counted from 1970, one more: 0 is none */
	struct buffer entries, contents, tiles;
	struct arena *arena;
	bool copying;
};

/* ---- talking: nothing blocks longer than its deadline -------------------------------------------------- */

static void
drop(struct store *store)
{
	PQfinish(store->connection);
	store->connection = NULL;
	store->copying = false;
}

/* First line of libpq's message, without a password: libpq never puts one there. */
static int
away(struct store *store, struct fault *why)
{
	char message[200] = "";
	const char *said = store->connection == NULL ? "" : PQerrorMessage(store->connection);

	snprintf(message, sizeof message, "%.*s", (int)strcspn(said, "\n"), said);
	drop(store);
	return fault_set(why, FAULT_UNAVAILABLE, "데이터베이스를 쓸 수 없습니다: %s",
	                 "the database is not available: %s",
	                 message[0] == '\0' ? "no answer in time" : message);
}

/*
 * An SQL error: classes 08 (connection), 53 (resources), 57 (operator: shutdown), 58 (system) and 40
 * (rollback) pass, and so does 25006 (a standby after a failover); anything else will not go away by itself.
 */
static int
said_no(const PGresult *result, struct fault *why)
{
	static const char *const passing[] = {"08", "40", "53", "55", "57", "58", "25006"};
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	enum fault_kind kind = state == NULL ? FAULT_UNAVAILABLE : FAULT_CONFLICT;

	for (size_t i = 0; state != NULL && i < sizeof passing / sizeof passing[0]; i++)
		if (strncmp(state, passing[i], strlen(passing[i])) == 0)
			kind = FAULT_UNAVAILABLE;
	/* No such schema, no such table; no such column, in tables of an older Haechi. */
	if (state != NULL &&
	    (strcmp(state, "3F000") == 0 || strcmp(state, "42P01") == 0 || strcmp(state, "42703") == 0))
		return fault_set(why, kind,
		                 "데이터베이스에 해치의 테이블이나 열이 없습니다 (%.200s): haechi db migrate 를 "
		                 "먼저 하십시오",
		                 "the database lacks Haechi's tables or columns (%.200s): run haechi db migrate "
		                 "first",
		                 said == NULL ? state : said);
	fault_set(why, kind, "데이터베이스가 거부했습니다 (%s): %.200s", "the database refused (%s): %.200s",
	          state == NULL ? "-" : state, said == NULL ? "connection lost" : said);
	return -1;
}

static bool
wait_for(struct store *store, short events, int64_t deadline)
{
	struct pollfd poll_for = {.fd = PQsocket(store->connection), .events = events};

	for (;;) {
		int64_t left = (deadline - clock_monotonic_ns()) / 1000000;
		int ready = left <= 0 ? 0 : poll(&poll_for, 1, (int)left);

		if (ready == -1 && errno == EINTR)
			continue;
		return ready > 0;
	}
}

static int64_t
deadline_in(int milliseconds)
{
	return clock_monotonic_ns() + (int64_t)milliseconds * 1000000;
}

static bool
flush(struct store *store, int64_t deadline)
{
	for (;;) {
		int left = PQflush(store->connection);

		if (left == 0)
			return true;
		if (left == -1 || !wait_for(store, POLLIN | POLLOUT, deadline) ||
		    PQconsumeInput(store->connection) == 0)
			return false;
	}
}

/* The next result, or NULL: none, or the connection is lost (then *lost). */
static PGresult *
next_result(struct store *store, bool *lost)
{
	int64_t deadline = deadline_in(ANSWER_MS);

	*lost = true;
	if (!flush(store, deadline))
		return NULL;
	while (PQisBusy(store->connection))
		if (!wait_for(store, POLLIN, deadline) || PQconsumeInput(store->connection) == 0)
			return NULL;
	*lost = false;
	return PQgetResult(store->connection);
}

/* The one result of what was sent; `wanted` is its status. *result may be NULL. */
static int
take_result(struct store *store, ExecStatusType wanted, PGresult **result, struct fault *why)
{
	bool lost;
	PGresult *got = next_result(store, &lost);

	if (got == NULL)
		return away(store, why);
	if (PQresultStatus(got) != wanted) {
		said_no(got, why);
		PQclear(got);
		drop(store);
		return -1;
	}
	/* COPY IN has begun: its end comes later. Everything else ends with NULL. */
	if (wanted != PGRES_COPY_IN) {
		PGresult *more;

		while ((more = next_result(store, &lost)) != NULL)
			PQclear(more);
		if (lost) {
			PQclear(got);
			return away(store, why);
		}
	}
	if (result != NULL)
		*result = got;
	else
		PQclear(got);
	return 0;
}

static int
command(struct store *store, const char *text, ExecStatusType wanted, struct fault *why)
{
	if (PQsendQuery(store->connection, text) == 0)
		return away(store, why);
	return take_result(store, wanted, NULL, why);
}

/* With parameters in text, the answer in binary. */
static int
query(struct store *store, PGresult **result, const char *text, int count, const char *const *values,
      struct fault *why)
{
	if (PQsendQueryParams(store->connection, text, count, NULL, values, NULL, NULL, 1) == 0)
		return away(store, why);
	return take_result(store, PGRES_TUPLES_OK, result, why);
}

static uint64_t
value_u64(const PGresult *result, int row, int column)
{
	struct reader reader =
	    reader_of(slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)));

	return PQgetlength(result, row, column) == 4 ? reader_u32be(&reader) : reader_u64be(&reader);
}

static struct slice
value_bytes(const PGresult *result, int row, int column)
{
	return slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

/* ---- connecting ---------------------------------------------------------------------------------------- */

int
store_open(struct store **out, const char *conninfo, const char *origin, struct slice vkeys,
           struct fault *why)
{
	struct store *store = calloc(1, sizeof *store);
	char *error = NULL;
	PQconninfoOption *options;
	int result = -1;

	*out = NULL;
	if (store == NULL)
		return fault_memory(why);
	options = PQconninfoParse(conninfo, &error);
	if (options == NULL) {
		fault_set(why, FAULT_INVALID, "데이터베이스 접속 문자열이 잘못되었습니다: %s",
		          "the database's connection string is not valid: %s", error == NULL ? "" : error);
		PQfreemem(error);
		goto out;
	}
	PQconninfoFree(options);
	store->conninfo = strdup(conninfo);
	store->origin = strdup(origin);
	store->vkeys = strndup((const char *)vkeys.data, vkeys.size);
	store->arena = arena_new(ARENA_LIMIT);
	buffer_init(&store->entries, ROWS_LIMIT);
	buffer_init(&store->contents, ROWS_LIMIT);
	buffer_init(&store->tiles, ROWS_LIMIT);
	if (store->conninfo == NULL || store->origin == NULL || store->vkeys == NULL ||
	    store->arena == NULL) {
		fault_memory(why);
		goto out;
	}
	*out = store;
	store = NULL;
	result = 0;
out:
	store_close(store);
	return result;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	drop(store);
	free(store->conninfo);
	free(store->origin);
	free(store->vkeys);
	arena_free(store->arena);
	buffer_free(&store->entries);
	buffer_free(&store->contents);
	buffer_free(&store->tiles);
	free(store);
}

bool
store_connected(const struct store *store)
{
	return store->connection != NULL;
}

static void
quiet(void *argument, const PGresult *notice)
{
	(void)argument;
	(void)notice;
}

static int
dial(struct store *store, struct fault *why)
{
	int64_t deadline = deadline_in(CONNECT_MS);

	drop(store);
	store->connection = PQconnectStart(store->conninfo);
	if (store->connection == NULL)
		return fault_memory(why);
	for (;;) {
		PostgresPollingStatusType state = PQconnectPoll(store->connection);

		if (state == PGRES_POLLING_OK)
			break;
		if (state == PGRES_POLLING_FAILED || PQsocket(store->connection) == -1 ||
		    !wait_for(store, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
			return away(store, why);
	}
	PQsetNoticeReceiver(store->connection, quiet, NULL);
	if (PQsetnonblocking(store->connection, 1) == -1)
		return away(store, why);
	return command(store,
	               "SET application_name = 'haechi-shipper'; SET synchronous_commit = on; SET "
	               "client_encoding = 'UTF8'; "
	               "SET statement_timeout = '60s'; SET lock_timeout = '30s'; SET TimeZone = 'UTC'",
	               PGRES_COMMAND_OK, why);
}

/*
 * "{vkey,vkey}": names of keys have no character that an array literal would quote, but quote them all the
 * same.
 */
static void
vkeys_array(struct buffer *out, const char *vkeys)
{
	struct reader reader = reader_of(slice_string(vkeys));
	const char *comma = "";

	buffer_byte(out, '{');
	while (reader.rest.size != 0) {
		struct slice line = reader_line(&reader);

		buffer_string(out, comma);
		buffer_byte(out, '"');
		for (size_t i = 0; i < line.size; i++) {
			if (line.data[i] == '"' || line.data[i] == '\\')
				buffer_byte(out, '\\');
			buffer_byte(out, line.data[i]);
		}
		buffer_byte(out, '"');
		comma = ",";
	}
	buffer_byte(out, '}');
}

static int
month_ensure(struct store *store, int64_t wall_ms, struct fault *why)
{
	char text[CLOCK_TEXT_SIZE];
	const char *const values[] = {text};
	PGresult *result;

	clock_text(text, wall_ms);
	if (query(store, &result, "SELECT haechi.month_ensure($1::timestamptz)", 1, values, why) == -1)
		return -1;
	PQclear(result);
	return 0;
}

int
store_connect(struct store *store, struct store_head *out, struct fault *why)
{
	struct buffer array;
	const char *values[2];
	char id[16];
	PGresult *result = NULL;

	memset(out, 0, sizeof *out);
	memset(store->months, 0, sizeof store->months);
	store->day = 0;
	if (dial(store, why) == -1)
		return -1;
	buffer_init(&array, 8192);
	vkeys_array(&array, store->vkeys);
	values[0] = store->origin;
	values[1] = buffer_text(&array);
	if (values[1] == NULL) {
		buffer_free(&array);
		return fault_memory(why);
	}
	if (query(store, &result, "SELECT haechi.log_register($1, $2::text[])", 2, values, why) == -1) {
		buffer_free(&array);
		return -1;
	}
	buffer_free(&array);
	store->log_id = (uint32_t)value_u64(result, 0, 0);
	PQclear(result);
	snprintf(id, sizeof id, "%" PRIu32, store->log_id);
	values[0] = id;
	if (query(store, &result,
	          "SELECT (SELECT coalesce(max(index) + 1, 0) FROM haechi.entry WHERE log_id = $1::int), "
	          "(SELECT coalesce(max(size), 0) FROM haechi.checkpoint WHERE log_id = $1::int)",
	          1, values, why) == -1)
		return -1;
	store->size = out->size = value_u64(result, 0, 0);
	store->checkpoint = out->checkpoint = value_u64(result, 0, 1);
	PQclear(result);
	return 0;
}

/* ---- the right edge of the tree ------------------------------------------------------------------------ */

/* The unfinished tile of level 0: leaf hashes of the newest entries. */
static int
edge_leaves(struct store *store, uint64_t size, struct fault *why)
{
	char id[16], from[24], to[24];
	const char *const values[] = {id, from, to};
	struct edge *edge = &store->edge[0];
	PGresult *result;
	int rows;

	snprintf(id, sizeof id, "%" PRIu32, store->log_id);
	snprintf(from, sizeof from, "%" PRIu64, size / TILE_WIDTH * TILE_WIDTH);
	snprintf(to, sizeof to, "%" PRIu64, size);
	if (query(store, &result,
	          "SELECT bytes FROM haechi.entry WHERE log_id = $1::int AND index >= $2::bigint AND index < "
	          "$3::bigint "
	          "ORDER BY index",
	          3, values, why) == -1)
		return -1;
	rows = PQntuples(result);
	edge->width = 0;
	for (int i = 0; i < rows && i < (int)TILE_WIDTH; i++)
		tree_leaf(&edge->hashes[edge->width++], value_bytes(result, i, 0));
	PQclear(result);
	return 0;
}

static void
tile_root(struct tree_hash *out, const struct tree_hash *hashes)
{
	struct tree_frontier frontier = {0};

	for (unsigned i = 0; i < TILE_WIDTH; i++)
		tree_frontier_add(&frontier, &hashes[i], NULL, NULL);
	*out = frontier.stack[0];
}

/* The unfinished tile of a level above 0: roots of the full tiles below it. */
static int
edge_level(struct store *store, unsigned level, uint64_t size, struct fault *why)
{
	uint64_t hashes = tile_hashes(level, size);
	char id[16], below[8], from[24];
	const char *const values[] = {id, below, from};
	struct edge *edge = &store->edge[level];
	PGresult *result;

	edge->width = 0;
	if (hashes % TILE_WIDTH == 0)
		return 0;
	snprintf(id, sizeof id, "%" PRIu32, store->log_id);
	snprintf(below, sizeof below, "%u", level - 1);
	snprintf(from, sizeof from, "%" PRIu64, hashes / TILE_WIDTH * TILE_WIDTH);
	if (query(store, &result,
	          "SELECT hashes FROM haechi.tile WHERE log_id = $1::int AND level = $2::smallint AND number "
	          ">= $3::bigint "
	          "ORDER BY number",
	          3, values, why) == -1)
		return -1;
	for (int i = 0; i < PQntuples(result) && i < (int)TILE_WIDTH; i++) {
		struct tree_hash tile[TILE_WIDTH];

		if (value_bytes(result, i, 0).size != sizeof tile)
			break;
		memcpy(tile, PQgetvalue(result, i, 0), sizeof tile);
		tile_root(&edge->hashes[edge->width++], tile);
	}
	PQclear(result);
	return 0;
}

/* Nodes of the edge: only such as the frontier is made of are ever asked for. */
static int
edge_read(void *context, unsigned height, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct store *store = context;
	unsigned level = height / 8;
	uint64_t first = index << (height % 8), count = UINT64_C(1) << (height % 8);
	uint64_t tile = tile_hashes(level, store->size) / TILE_WIDTH * TILE_WIDTH;
	struct tree_frontier frontier = {0};

	if (level >= LEVELS || first < tile || first - tile + count > store->edge[level].width)
		return fault_set(why, FAULT_TAMPERED, "데이터베이스에 타일이나 항목이 빠져 있습니다",
		                 "the database lacks tiles or entries");
	for (uint64_t i = 0; i < count; i++)
		tree_frontier_add(&frontier, &store->edge[level].hashes[first - tile + i], NULL, NULL);
	*out = frontier.stack[0];
	return 0;
}

int
store_edge(struct store *store, const struct tree_frontier *frontier, struct fault *why)
{
	const struct tree_reader reader = {edge_read, store};
	struct tree_frontier here;
	struct tree_hash ours, theirs;

	if (frontier->size != store->size)
		return fault_set(why, FAULT_INTERNAL, "비교할 크기가 다릅니다", "sizes to compare differ");
	if (edge_leaves(store, store->size, why) == -1)
		return -1;
	for (unsigned level = 1; level < LEVELS; level++)
		if (edge_level(store, level, store->size, why) == -1)
			return -1;
	for (unsigned level = 0; level < LEVELS; level++)
		if (store->edge[level].width != tile_hashes(level, store->size) % TILE_WIDTH)
			goto differs;
	if (tree_frontier_load(&here, &reader, store->size, why) == -1)
		goto differs;
	tree_frontier_root(&ours, frontier);
	tree_frontier_root(&theirs, &here);
	if (tree_hash_equal(&ours, &theirs))
		return 0;
differs:
	drop(store);
	return fault_set(why, FAULT_TAMPERED,
	                 "데이터베이스의 증거가 저널과 다릅니다 (크기 %" PRIu64
	                 "). 바뀌었거나 다른 기록의 것입니다. haechi audit verify로 확인하십시오",
	                 "the database's evidence differs from the journal's (size %" PRIu64
	                 "): it was changed or is another log's; see haechi audit verify",
	                 frontier->size);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

static void
field_bytes(struct buffer *out, struct slice bytes)
{
	buffer_u32be(out, (uint32_t)bytes.size);
	buffer_slice(out, bytes);
}

/* An absent member is NULL. */
static void
field_text(struct buffer *out, struct slice text)
{
	if (text.size == 0)
		buffer_u32be(out, UINT32_MAX);
	else
		field_bytes(out, text);
}

static void
field_u32(struct buffer *out, uint32_t value)
{
	buffer_u32be(out, 4);
	buffer_u32be(out, value);
}

static void
field_u64(struct buffer *out, uint64_t value)
{
	buffer_u32be(out, 8);
	buffer_u64be(out, value);
}

static void
field_time(struct buffer *out, int64_t wall_ms)
{
	field_u64(out, (uint64_t)((wall_ms - EPOCH_MS) * 1000));
}

static int
rows_send(struct store *store, struct buffer *rows, struct fault *why)
{
	if (!buffer_ok(rows))
		return fault_memory(why);
	if (rows->size == 0)
		return 0;
	for (;;) {
		int put = PQputCopyData(store->connection, (const char *)rows->data, (int)rows->size);

		if (put == 1)
			break;
		if (put == -1 || !flush(store, deadline_in(ANSWER_MS)))
			return away(store, why);
	}
	/*
	 * An error ends the COPY early: then there is something to read, and going on would only fill memory.
	 */
	if (PQflush(store->connection) == -1 || PQconsumeInput(store->connection) == 0)
		return away(store, why);
	if (PQflush(store->connection) == 1 && !flush(store, deadline_in(ANSWER_MS)))
		return away(store, why);
	buffer_reset(rows);
	return 0;
}

static int
copy_end(struct store *store, struct buffer *rows, struct fault *why)
{
	buffer_u16be(rows, UINT16_MAX);
	if (rows_send(store, rows, why) == -1)
		return -1;
	for (;;) {
		int put = PQputCopyEnd(store->connection, NULL);

		if (put == 1)
			break;
		if (put == -1 || !flush(store, deadline_in(ANSWER_MS)))
			return away(store, why);
	}
	return take_result(store, PGRES_COMMAND_OK, NULL, why);
}

/* A COPY of rows that are all there. */
static int
copy_rows(struct store *store, const char *text, struct buffer *rows, struct fault *why)
{
	if (rows->size == sizeof copy_head - 1)
		return 0;
	if (command(store, text, PGRES_COPY_IN, why) == -1)
		return -1;
	return copy_end(store, rows, why);
}

static void
rows_begin(struct buffer *rows)
{
	buffer_reset(rows);
	buffer_append(rows, copy_head, sizeof copy_head - 1);
}

int
store_begin(struct store *store, struct fault *why)
{
	rows_begin(&store->entries);
	rows_begin(&store->contents);
	rows_begin(&store->tiles);
	if (command(store, "BEGIN", PGRES_COMMAND_OK, why) == -1)
		return -1;
	store->copying = false;
	return 0;
}

/*
 * A partition for the month, before the first row that needs it. Making one inside a COPY is not possible, so
 * a month that was not seen yet ends the COPY, and the transaction goes on with the next.
 */
static int
month_known(struct store *store, int64_t wall_ms, struct fault *why)
{
	const int64_t day = wall_ms < 0 ? 0 : wall_ms / DAY_MS + 1;
	char text[CLOCK_TEXT_SIZE];
	int64_t month;

	if (day != 0 && day == store->day)
		return 0;
	clock_text(text, wall_ms);
	month = strtol(text, NULL, 10) * 12 + strtol(text + 5, NULL, 10);
	for (size_t i = 0; i < MONTHS; i++)
		if (store->months[i] == month) {
			store->day = day;
			return 0;
		}
	if (store->copying) {
		if (copy_end(store, &store->entries, why) == -1)
			return -1;
		store->copying = false;
		rows_begin(&store->entries);
	}
	if (month_ensure(store, wall_ms, why) == -1)
		return -1;
	memmove(store->months + 1, store->months, sizeof store->months - sizeof store->months[0]);
	store->months[0] = month;
	store->day = day;
	return 0;
}

/* A finished tile goes into the table, its root into the tile above. */
static void
edge_add(struct store *store, const struct tree_hash *leaf, uint64_t index)
{
	struct tree_hash hash = *leaf;

	for (unsigned level = 0; level < LEVELS; level++) {
		struct edge *edge = &store->edge[level];

		edge->hashes[edge->width++] = hash;
		if (edge->width < TILE_WIDTH)
			return;
		buffer_u16be(&store->tiles, 4);
		field_u32(&store->tiles, store->log_id);
		buffer_u32be(&store->tiles, 2);
		buffer_u16be(&store->tiles, (uint16_t)level);
		field_u64(&store->tiles, index >> (8 * (level + 1)));
		field_bytes(&store->tiles, slice_of(edge->hashes, sizeof edge->hashes));
		tile_root(&hash, edge->hashes);
		edge->width = 0;
	}
}

/* What is not an entry is evidence all the same: it is kept whole, and named. */
static void
columns_invalid(struct entry_columns *columns, struct arena *arena, uint64_t index)
{
	memset(columns, 0, sizeof *columns);
	columns->wall_ms = clock_wall_ms();
	columns->id = slice_string(arena_printf(arena, "invalid-%" PRIu64, index));
}

int
store_entry(struct store *store, const struct segment_item *item, struct fault *why)
{
	static const char *const parts[] = {"prompt", "answer"};
	struct buffer *rows = &store->entries;
	struct entry_columns columns;
	struct tree_hash leaf;
	struct fault bad;
	bool valid;

	arena_reset(store->arena);
	valid = entry_read(&columns, item->entry, store->arena, &bad) == 0;
	if (!valid) {
		columns_invalid(&columns, store->arena, store->size);
		log_fault(LOG_LEVEL_ERROR, "ledger", "invalid-entry", &bad);
	}
	if (month_known(store, columns.wall_ms, why) == -1)
		return -1;
	if (!store->copying) {
		if (command(store, entry_copy, PGRES_COPY_IN, why) == -1)
			return -1;
		store->copying = true;
	}
	buffer_u16be(rows, ENTRY_FIELDS);
	field_u32(rows, store->log_id);
	field_u64(rows, store->size);
	field_time(rows, columns.wall_ms);
	field_bytes(rows, columns.id);
	field_bytes(rows, slice_string(valid ? entry_kind_name(columns.kind) : "invalid"));
	field_text(rows, columns.agency);
	field_text(rows, columns.service);
	field_text(rows, columns.subject);
	field_text(rows, columns.key);
	field_text(rows, columns.request_id);
	field_text(rows, columns.of);
	field_text(rows, columns.usecase);
	field_text(rows, columns.verdict);
	field_text(rows, columns.access);
	field_text(rows, columns.domain);
	field_list_write(rows, columns.also);
	field_text(rows, columns.action);
	field_text(rows, columns.model);
	field_text(rows, columns.zone);
	field_bytes(rows, item->entry);
	for (size_t i = 0; i < 2; i++) {
		if (item->content[i].size == 0)
			continue;
		buffer_u16be(&store->contents, 6);
		field_u32(&store->contents, store->log_id);
		field_bytes(&store->contents, columns.id);
		field_bytes(&store->contents, slice_string(parts[i]));
		field_time(&store->contents, columns.wall_ms);
		field_text(&store->contents, columns.agency);
		field_bytes(&store->contents, item->content[i]);
	}
	tree_leaf(&leaf, item->entry);
	edge_add(store, &leaf, store->size);
	store->size++;
	return rows->size >= ROWS_SEND ? rows_send(store, rows, why) : 0;
}

static int
checkpoint_row(struct store *store, struct slice note_bytes, struct fault *why)
{
	struct checkpoint checkpoint;
	struct buffer row;
	struct note note;
	int result = -1;

	if (note_bytes.size == 0)
		return 0;
	if (note_parse(&note, note_bytes, why) == -1 || checkpoint_parse(&checkpoint, note.text, why) == -1)
		return -1;
	if (checkpoint.size <= store->checkpoint || checkpoint.size > store->size)
		return 0;
	buffer_init(&row, NOTE_LIMIT);
	rows_begin(&row);
	buffer_u16be(&row, 5);
	field_u32(&row, store->log_id);
	field_u64(&row, checkpoint.size);
	field_bytes(&row, slice_of(checkpoint.root.bytes, sizeof checkpoint.root.bytes));
	field_time(&row, clock_wall_ms());
	field_bytes(&row, note_bytes);
	result = copy_rows(store, checkpoint_copy, &row, why);
	buffer_free(&row);
	if (result == 0)
		store->checkpoint = checkpoint.size;
	return result;
}

int
store_commit(struct store *store, struct slice note, struct fault *why)
{
	if (store->copying && copy_end(store, &store->entries, why) == -1)
		return -1;
	store->copying = false;
	if (copy_rows(store, content_copy, &store->contents, why) == -1 ||
	    copy_rows(store, tile_copy, &store->tiles, why) == -1 || checkpoint_row(store, note, why) == -1)
		return -1;
	return command(store, "COMMIT", PGRES_COMMAND_OK, why);
}
