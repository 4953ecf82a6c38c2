#include "audit/anchor.h"

#include <inttypes.h>
#include <stdlib.h>

#include "audit/cosignature.h"
#include "audit/query.h"
#include "audit/stored.h"
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
               int64_t log_id, uint64_t most, struct fault *why)
{
	char log[24], number[24];
	const char *const parameters[] = {log, number};
	struct database_rows *rows;

	snprintf(log, sizeof log, "%" PRId64, log_id);
	snprintf(number, sizeof number, "%" PRIu64, most);
	if (newest(&rows, database, "haechi.stamped",
	           "SELECT note, answer, size FROM haechi.stamped WHERE log_id = $1::integer AND size <= "
	           "$2::bigint "
	           "ORDER BY size DESC, wall DESC LIMIT 1",
	           2, parameters, why) == -1)
		return -1;
	buffer_slice(note, database_field(rows, 0, 0));
	buffer_slice(answer, database_field(rows, 0, 1));
	*size = (uint64_t)database_integer(rows, 0, 2);
	database_rows_free(rows);
	return buffer_ok(note) && buffer_ok(answer) ? 0 : fault_memory(why);
}

int
anchor_head(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id, uint64_t least,
            struct fault *why)
{
	if (anchor_cosigned(note, size, database, log_id, least, why) == 0)
		return 0;
	return why->kind == FAULT_NOT_FOUND ? stored_head(note, size, database, log_id, why) : -1;
}

/* ---- for exports ------------------------------------------------------------------------------------------------------- */

/* Is anything of the filter's time in the log at or behind `size`? */
static int
beyond(bool *any, struct database *database, int64_t log_id, uint64_t size, const struct filter *filter,
       struct fault *why)
{
	const struct filter time = {.has_from = filter->has_from,
	                            .has_to = filter->has_to,
	                            .from_ms = filter->from_ms,
	                            .to_ms = filter->to_ms};
	struct database_rows *rows = NULL;
	struct buffer sql;
	int result = -1;

	buffer_init(&sql, 4096);
	buffer_printf(&sql,
	              "SELECT EXISTS (SELECT FROM haechi.entry e WHERE e.log_id = %" PRId64
	              " AND e.index >= %" PRIu64,
	              log_id, size);
	query_conditions(&sql, database, &time);
	buffer_byte(&sql, ')');
	if (buffer_text(&sql) == NULL)
		fault_memory(why);
	else
		result = database_ask(&rows, database, buffer_text(&sql), 0, NULL, why);
	*any = result == 0 && database_bool(rows, 0, 0);
	database_rows_free(rows);
	buffer_free(&sql);
	return result;
}

/* By the keys that the database has of the log, and the policy's own. */
static int
policy_check(struct slice note, struct database *database, int64_t log_id, const struct quorum *policy,
             struct fault *why)
{
	struct keyring *keyring = calloc(1, sizeof *keyring);
	struct signed_head *head = malloc(sizeof *head);
	struct buffer keys;
	int result = -1;

	buffer_init(&keys, KEYRING_LIMIT);
	if (keyring == NULL || head == NULL) {
		fault_memory(why);
	} else if (stored_keys(&keys, database, log_id, why) == 0 &&
	           keyring_add(keyring, buffer_view(&keys), why) == 0 &&
	           quorum_keys(keyring, policy, why) == 0) {
		keyring->policy = policy;
		result = signed_head_open(head, note, NULL, keyring, why);
	}
	buffer_free(&keys);
	free(head);
	free(keyring);
	return result;
}

int
anchor_choose(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
              const struct filter *filter, const struct quorum *policy, struct fault *why)
{
	bool more;

	if (anchor_cosigned(note, size, database, log_id, 1, why) == -1) {
		if (why->kind != FAULT_NOT_FOUND || policy != NULL)
			return -1;
		return stored_head(note, size, database, log_id, why);
	}
	if (policy != NULL)
		return policy_check(buffer_view(note), database, log_id, policy, why);
	if (beyond(&more, database, log_id, *size, filter, why) == -1)
		return -1;
	if (!more)
		return 0;
	buffer_reset(note);
	return stored_head(note, size, database, log_id, why);
}

int
anchor_stampfile(struct buffer *text, struct buffer *answer, struct database *database, int64_t log_id,
                 uint64_t size, struct fault *why)
{
	struct cosignature_request request = {.older = 0};
	struct stored_tree *tree = NULL;
	struct tree_reader reader;
	struct buffer note;
	int result = -1;

	buffer_init(&note, NOTE_LIMIT);
	if (anchor_stamped(&note, answer, &request.older, database, log_id, size, why) == -1 ||
	    stored_tree_open(&tree, database, log_id, size, why) == -1)
		goto out;
	reader = stored_tree_reader(tree);
	if (request.older < size &&
	    proof_consistency(&request.proof, &reader, request.older, size, why) == -1)
		goto out;
	request.checkpoint = buffer_view(&note);
	cosignature_request_write(text, &request);
	result = buffer_ok(text) ? 0 : fault_memory(why);
out:
	stored_tree_close(tree);
	buffer_free(&note);
	return result;
}
