#include "audit/anchors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/timestamp.h"

#define ROWS 64 /* of a page */

enum { SIZE, KIND, WALL, NOTE, ANSWER };

struct anchors {
	struct database *database;
	char log_id[24];
	struct database_rows *rows;
	size_t at;
	bool exist; /* the database has such tables */
	/* the last row given */
	int64_t size, kind, wall;
};

/* The next page, if there may be one. */
static int
page(struct anchors *anchors, struct fault *why)
{
	char size[24], kind[24], wall[24];
	const char *parameters[] = {anchors->log_id, size, kind, wall};

	if (anchors->rows != NULL && anchors->at < database_count(anchors->rows))
		return 0;
	if (!anchors->exist || (anchors->rows != NULL && database_count(anchors->rows) < ROWS))
		return 0;
	database_rows_free(anchors->rows);
	anchors->rows = NULL;
	anchors->at = 0;
	snprintf(size, sizeof size, "%" PRId64, anchors->size);
	snprintf(kind, sizeof kind, "%" PRId64, anchors->kind);
	snprintf(wall, sizeof wall, "%" PRId64, anchors->wall);
	return database_ask(
	    &anchors->rows, anchors->database,
	    "SELECT size, kind, wall, note, answer FROM ("
	    "SELECT size, 0 AS kind, wall, note, NULL::bytea AS answer FROM haechi.cosigned "
	    "WHERE log_id = $1::integer AND size >= $2::bigint UNION ALL "
	    "SELECT size, 1, wall, note, answer FROM haechi.stamped "
	    "WHERE log_id = $1::integer AND size >= $2::bigint) a "
	    "WHERE (size, kind, wall) > ($2::bigint, $3::integer, timestamptz '2000-01-01 00:00:00Z' + "
	    "$4::bigint * interval '1 microsecond') ORDER BY size, kind, wall LIMIT 64",
	    4, parameters, why);
}

int
anchors_open(struct anchors **out, struct database *database, int64_t log_id, uint64_t from,
             struct fault *why)
{
	struct anchors *anchors = calloc(1, sizeof *anchors);
	struct database_rows *there = NULL;

	*out = NULL;
	if (anchors == NULL)
		return fault_memory(why);
	anchors->database = database;
	snprintf(anchors->log_id, sizeof anchors->log_id, "%" PRId64, log_id);
	anchors->size = from == 0 ? -1 : (int64_t)from + 1;
	anchors->kind = -1;
	if (database_ask(&there, database, "SELECT to_regclass('haechi.stamped') IS NOT NULL", 0, NULL,
	                 why) == -1)
		goto fail;
	anchors->exist = database_bool(there, 0, 0);
	database_rows_free(there);
	if (page(anchors, why) == -1)
		goto fail;
	*out = anchors;
	return 0;
fail:
	anchors_close(anchors);
	return -1;
}

void
anchors_close(struct anchors *anchors)
{
	if (anchors == NULL)
		return;
	database_rows_free(anchors->rows);
	free(anchors);
}

int64_t
anchors_next(const struct anchors *anchors)
{
	return anchors->rows != NULL && anchors->at < database_count(anchors->rows)
	           ? database_integer(anchors->rows, anchors->at, SIZE)
	           : INT64_MAX;
}

static int
one(const struct anchors *anchors, const struct tree_hash *root, const char *origin,
    const struct keyring *keyring, struct fault *what)
{
	const struct slice note = database_field(anchors->rows, anchors->at, NOTE);
	const struct slice answer = database_field(anchors->rows, anchors->at, ANSWER);
	const bool stamped = database_integer(anchors->rows, anchors->at, KIND) == 1;
	const int64_t size = database_integer(anchors->rows, anchors->at, SIZE);
	struct signed_head *head = malloc(sizeof *head);
	struct timestamp stamp;
	int64_t wall_ms;
	int result = -1;

	if (head == NULL)
		fault_memory(what);
	else if (signed_head_open(head, note, origin, keyring, what) == 0) {
		if ((int64_t)head->checkpoint.size != size)
			fault_set(what, FAULT_TAMPERED, "size 열이 서명된 글과 다릅니다",
			          "its column size differs from the signed text");
		else if (!tree_hash_equal(root, &head->checkpoint.root))
			fault_set(what, FAULT_TAMPERED,
			          "항목에서 계산한 루트와 다릅니다: 밖에서 확인한 역사가 아닙니다",
			          "its root is not the one the entries give: not the history that was "
			          "confirmed outside");
		else
			result = !stamped ? 0 : timestamp_check(&stamp, answer, note, keyring->roots, what);
	}
	if (result == 0 && stamped &&
	    (!field_wall(database_field(anchors->rows, anchors->at, WALL), &wall_ms) ||
	     wall_ms != stamp.wall_ms))
		result = fault_set(what, FAULT_TAMPERED, "wall 열이 토큰의 시각과 다릅니다",
		                   "its column wall differs from the token's time");
	free(head);
	if (result == -1)
		fault_prefix(
		    what, stamped ? "시각이 찍힌 머리, 크기 %" PRId64 : "함께 서명된 머리, 크기 %" PRId64,
		    stamped ? "stamped head of size %" PRId64 : "cosigned head of size %" PRId64, size);
	return result;
}

int
anchors_compare(struct anchors *anchors, int64_t size, const struct tree_hash *root, const char *origin,
                const struct keyring *keyring, uint64_t *count, struct fault *what, struct fault *why)
{
	while (anchors_next(anchors) <= size) {
		if (one(anchors, root, origin, keyring, what) == -1)
			return 1;
		(*count)++;
		anchors->size = database_integer(anchors->rows, anchors->at, SIZE);
		anchors->kind = database_integer(anchors->rows, anchors->at, KIND);
		anchors->wall = field_integer(database_field(anchors->rows, anchors->at, WALL));
		anchors->at++;
		if (page(anchors, why) == -1)
			return -1;
	}
	return 0;
}
