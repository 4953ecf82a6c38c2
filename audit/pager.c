#include "audit/pager.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADS  256 /* rows of a page */
#define TILES  16
#define WIDTH  256u
#define LEVELS 7u

struct pager {
	struct database *database;
	char log_id[24];
	struct {
		struct database_rows *rows;
		size_t at;
		bool asked, ended;
		int64_t last; /* size of the last row given */
	} heads;
	struct {
		struct database_rows *rows;
		size_t at;
		bool ended;
		int64_t last;
	} levels[LEVELS];
	uint64_t tiles;
	bool failed;
	struct fault why;
};

int
pager_open(struct pager **out, struct database *database, int64_t log_id, uint64_t from, struct fault *why)
{
	struct pager *pager = calloc(1, sizeof *pager);

	if (pager == NULL)
		return fault_memory(why);
	pager->database = database;
	snprintf(pager->log_id, sizeof pager->log_id, "%" PRId64, log_id);
	pager->heads.last = from == 0 ? INT64_MIN : (int64_t)from;
	for (size_t i = 0; i < LEVELS; i++)
		pager->levels[i].last = from == 0 ? INT64_MIN : (int64_t)(from >> 8 * (i + 1)) - 1;
	*out = pager;
	return 0;
}

void
pager_close(struct pager *pager)
{
	if (pager == NULL)
		return;
	database_rows_free(pager->heads.rows);
	for (size_t i = 0; i < LEVELS; i++)
		database_rows_free(pager->levels[i].rows);
	free(pager);
}

/* ---- heads ------------------------------------------------------------------------------------------------------- */

int
pager_head(struct pager *pager, struct pager_head *out, struct fault *why)
{
	char last[24];
	const char *parameters[] = {pager->log_id, last};

	if (pager->heads.rows == NULL ||
	    (pager->heads.at == database_count(pager->heads.rows) && !pager->heads.ended)) {
		database_rows_free(pager->heads.rows);
		pager->heads.rows = NULL;
		snprintf(last, sizeof last, "%" PRId64, pager->heads.last);
		if (database_ask(&pager->heads.rows, pager->database,
		                 "SELECT size, root, note FROM haechi.checkpoint WHERE log_id = $1::integer "
		                 "AND size > $2::bigint "
		                 "ORDER BY size LIMIT 256",
		                 2, parameters, why) == -1)
			return -1;
		pager->heads.at = 0;
		pager->heads.ended = database_count(pager->heads.rows) < HEADS;
	}
	if (pager->heads.at == database_count(pager->heads.rows))
		return 0;
	out->size = database_integer(pager->heads.rows, pager->heads.at, 0);
	out->root = database_field(pager->heads.rows, pager->heads.at, 1);
	out->note = database_field(pager->heads.rows, pager->heads.at, 2);
	pager->heads.last = out->size;
	return 1;
}

void
pager_head_next(struct pager *pager)
{
	pager->heads.at++;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

static bool
tile_page(struct pager *pager, unsigned level)
{
	char text[8], last[24];
	const char *parameters[] = {pager->log_id, text, last};

	database_rows_free(pager->levels[level].rows);
	pager->levels[level].rows = NULL;
	snprintf(text, sizeof text, "%u", level);
	snprintf(last, sizeof last, "%" PRId64, pager->levels[level].last);
	if (database_ask(&pager->levels[level].rows, pager->database,
	                 "SELECT number, hashes FROM haechi.tile WHERE log_id = $1::integer AND level = "
	                 "$2::smallint AND number > "
	                 "$3::bigint ORDER BY number LIMIT 16",
	                 3, parameters, &pager->why) == -1) {
		pager->failed = true;
		return false;
	}
	pager->levels[level].at = 0;
	pager->levels[level].ended = database_count(pager->levels[level].rows) < TILES;
	return true;
}

bool
pager_hash(struct pager *pager, unsigned level, uint64_t index, struct tree_hash *out)
{
	const int64_t number = (int64_t)(index / WIDTH);
	struct slice hashes;

	if (pager->failed || level >= LEVELS)
		return false;
	for (;;) {
		const struct database_rows *rows = pager->levels[level].rows;

		if (rows == NULL ||
		    (pager->levels[level].at == database_count(rows) && !pager->levels[level].ended)) {
			if (!tile_page(pager, level))
				return false;
			continue;
		}
		if (pager->levels[level].at == database_count(rows))
			return false;
		pager->levels[level].last = database_integer(rows, pager->levels[level].at, 0);
		if (pager->levels[level].last > number)
			return false;
		if (pager->levels[level].last == number)
			break;
		pager->levels[level].at++;
	}
	hashes = database_field(pager->levels[level].rows, pager->levels[level].at, 1);
	if (hashes.size != WIDTH * TREE_HASH_SIZE) {
		memset(out, 0, sizeof *out); /* a tile of another size holds no hash: it differs */
		return true;
	}
	memcpy(out->bytes, hashes.data + index % WIDTH * TREE_HASH_SIZE, TREE_HASH_SIZE);
	if (index % WIDTH == WIDTH - 1)
		pager->tiles++;
	return true;
}

int
pager_fault(const struct pager *pager, struct fault *why)
{
	if (!pager->failed)
		return 0;
	*why = pager->why;
	return -1;
}

uint64_t
pager_tiles(const struct pager *pager)
{
	return pager->tiles;
}

int
pager_tiles_end(struct pager *pager, uint64_t size, unsigned *level, int64_t *number, struct fault *why)
{
	struct database_rows *rows = NULL;
	char text[24];
	const char *parameters[] = {pager->log_id, text};
	int result = 0;

	snprintf(text, sizeof text, "%" PRIu64, size);
	/* Numbers of a level must be 0, 1, 2, ... and each tile full within the tree. */
	if (database_ask(&rows, pager->database,
	                 "SELECT level, least(number, position) FROM (SELECT level, number, "
	                 "row_number() OVER (PARTITION BY level ORDER BY number) - 1 AS position "
	                 "FROM haechi.tile WHERE log_id = $1::integer) t "
	                 "WHERE number <> position OR number >= ($2::bigint >> (8 * (level + 1))) OR level < "
	                 "0 OR level > 6 "
	                 "ORDER BY level, number LIMIT 1",
	                 2, parameters, why) == -1)
		return -1;
	if (database_count(rows) > 0) {
		*level = (unsigned)database_integer(rows, 0, 0);
		*number = database_integer(rows, 0, 1);
		result = 1;
	}
	database_rows_free(rows);
	return result;
}
