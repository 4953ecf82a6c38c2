#include "audit/stored.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/anchor.h"
#include "audit/receipt.h"

#define WIDTH      256u /* hashes of a full tile */
#define TILE_BYTES (WIDTH * TREE_HASH_SIZE)
#define LEVELS     8   /* of 8 heights each: sizes below 2^63 */
#define CACHED     128 /* tiles kept: 1 MiB */

/* ---- logs, keys, heads, entries -------------------------------------------------------------------------------- */

int
stored_logs(struct stored_log logs[STORED_LOGS], size_t *count, struct database *database, struct fault *why)
{
	struct database_rows *rows = NULL;
	int result = -1;

	*count = 0;
	if (database_ask(&rows, database, "SELECT log_id, origin FROM haechi.log ORDER BY log_id", 0, NULL,
	                 why) == -1)
		return -1;
	if (database_count(rows) > STORED_LOGS) {
		fault_set(why, FAULT_TOO_LARGE, "기록이 %d개를 넘습니다", "more than %d logs", STORED_LOGS);
		goto out;
	}
	for (size_t i = 0; i < database_count(rows); i++) {
		const struct slice origin = database_field(rows, i, 1);

		logs[i].log_id = database_integer(rows, i, 0);
		if (origin.size >= sizeof logs[i].origin) {
			fault_set(why, FAULT_TAMPERED, "%" PRId64 "번 기록의 이름이 너무 깁니다",
			          "the name of log %" PRId64 " is too long", logs[i].log_id);
			goto out;
		}
		memcpy(logs[i].origin, database_text(rows, i, 1), origin.size + 1);
	}
	*count = database_count(rows);
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

int
stored_keys(struct buffer *out, struct database *database, int64_t log_id, struct fault *why)
{
	struct database_rows *rows = NULL;
	char number[24];
	const char *parameters[] = {number};

	snprintf(number, sizeof number, "%" PRId64, log_id);
	if (database_ask(&rows, database,
	                 "SELECT vkey FROM haechi.log_key WHERE log_id = $1::integer ORDER BY added_at, vkey",
	                 1, parameters, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows); i++)
		buffer_printf(out, "%s\n", database_text(rows, i, 0));
	database_rows_free(rows);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

int
stored_head(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id, struct fault *why)
{
	struct database_rows *rows = NULL;
	char number[24];
	const char *parameters[] = {number};
	int result = -1;

	snprintf(number, sizeof number, "%" PRId64, log_id);
	if (database_ask(&rows, database,
	                 "SELECT note, size FROM haechi.checkpoint WHERE log_id = $1::integer ORDER BY size "
	                 "DESC LIMIT 1",
	                 1, parameters, why) == -1)
		return -1;
	if (database_count(rows) == 0) {
		fault_set(why, FAULT_NOT_FOUND, "기록에 체크포인트가 아직 없습니다",
		          "the log has no checkpoint yet");
		goto out;
	}
	buffer_slice(note, database_field(rows, 0, 0));
	*size = (uint64_t)database_integer(rows, 0, 1);
	result = buffer_ok(note) ? 0 : fault_memory(why);
out:
	database_rows_free(rows);
	return result;
}

int
stored_entry(struct buffer *bytes, struct stored_log *log, uint64_t *index, struct database *database,
             const char *id, struct fault *why)
{
	const char *parameters[] = {id};
	struct database_rows *rows = NULL;
	int result = -1;

	if (database_ask(&rows, database,
	                 "SELECT e.log_id, l.origin, e.index, e.bytes FROM haechi.entry e JOIN haechi.log l "
	                 "USING (log_id) "
	                 "WHERE e.id = $1 LIMIT 1",
	                 1, parameters, why) == -1)
		return -1;
	if (database_count(rows) == 0) {
		fault_set(why, FAULT_NOT_FOUND,
		          "항목 %s이(가) 없습니다 (아직 옮겨지지 않았거나, 볼 권한이 없을 수 있습니다)",
		          "there is no entry %s (not shipped yet, or not yours to see)", id);
		goto out;
	}
	log->log_id = database_integer(rows, 0, 0);
	snprintf(log->origin, sizeof log->origin, "%s", database_text(rows, 0, 1));
	*index = (uint64_t)database_integer(rows, 0, 2);
	buffer_slice(bytes, database_field(rows, 0, 3));
	result = buffer_ok(bytes) ? 0 : fault_memory(why);
out:
	database_rows_free(rows);
	return result;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

struct cached {
	bool filled;
	unsigned level, width; /* width: hashes that are there */
	uint64_t number;
	struct tree_hash hashes[WIDTH];
};

struct stored_tree {
	struct database *database;
	int64_t log_id;
	uint64_t size;
	struct cached cache[CACHED];
};

static int node_read(void *context, unsigned height, uint64_t index, struct tree_hash *out,
                     struct fault *why);

int
stored_tree_open(struct stored_tree **out, struct database *database, int64_t log_id, uint64_t size,
                 struct fault *why)
{
	struct stored_tree *tree = calloc(1, sizeof *tree);

	if (tree == NULL)
		return fault_memory(why);
	tree->database = database;
	tree->log_id = log_id;
	tree->size = size;
	*out = tree;
	return 0;
}

void
stored_tree_close(struct stored_tree *tree)
{
	free(tree);
}

struct tree_reader
stored_tree_reader(struct stored_tree *tree)
{
	return (struct tree_reader){node_read, tree};
}

/* The leaf hashes of up to 256 entries, from their bytes. */
static int
leaves_compute(struct stored_tree *tree, struct cached *tile, struct fault *why)
{
	const uint64_t first = tile->number * WIDTH;
	char log_id[24], from[24], to[24];
	const char *parameters[] = {log_id, from, to};
	struct database_rows *rows = NULL;
	int result = -1;

	snprintf(log_id, sizeof log_id, "%" PRId64, tree->log_id);
	snprintf(from, sizeof from, "%" PRIu64, first);
	snprintf(to, sizeof to, "%" PRIu64, first + tile->width);
	if (database_ask(
	        &rows, tree->database,
	        "SELECT index, bytes FROM haechi.entry WHERE log_id = $1::integer AND index >= $2::bigint "
	        "AND index < $3::bigint ORDER BY index",
	        3, parameters, why) == -1)
		return -1;
	for (size_t i = 0; i < tile->width; i++) {
		if (i >= database_count(rows) || (uint64_t)database_integer(rows, i, 0) != first + i) {
			fault_set(why, FAULT_TAMPERED,
			          "%" PRIu64 "번 항목이 없습니다 (또는 볼 권한이 없습니다)",
			          "entry %" PRIu64 " is missing (or not yours to see)", first + i);
			goto out;
		}
		tree_leaf(&tile->hashes[i], database_field(rows, i, 1));
	}
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

/* The tile as stored; *there is false when it is not. */
static int
tile_fetch(struct stored_tree *tree, struct cached *tile, bool *there, struct fault *why)
{
	char log_id[24], level[24], number[24];
	const char *parameters[] = {log_id, level, number};
	struct database_rows *rows = NULL;
	struct slice hashes;

	snprintf(log_id, sizeof log_id, "%" PRId64, tree->log_id);
	snprintf(level, sizeof level, "%u", tile->level);
	snprintf(number, sizeof number, "%" PRIu64, tile->number);
	if (database_ask(&rows, tree->database,
	                 "SELECT hashes FROM haechi.tile WHERE log_id = $1::integer AND level = $2::smallint "
	                 "AND number = $3::bigint",
	                 3, parameters, why) == -1)
		return -1;
	hashes = database_count(rows) == 1 ? database_field(rows, 0, 0) : slice_of(NULL, 0);
	*there = hashes.size == TILE_BYTES;
	if (*there)
		memcpy(tile->hashes, hashes.data, TILE_BYTES);
	database_rows_free(rows);
	return 0;
}

/* Hash `position` of tile (level, number), which must be within the tree; partial tiles at the right edge included. */
static int
tile_hash(struct stored_tree *tree, unsigned level, uint64_t number, unsigned position, struct tree_hash *out,
          struct fault *why)
{
	const uint64_t hashes = tree->size >> (8 * level); /* at this level, in all */
	const uint64_t width = hashes - number * WIDTH < WIDTH ? hashes - number * WIDTH : WIDTH;
	struct cached *tile = &tree->cache[(number * 31 + level * 7) % CACHED];
	bool there = false;

	if (!tile->filled || tile->level != level || tile->number != number) {
		tile->filled = false;
		tile->level = level;
		tile->number = number;
		tile->width = (unsigned)width;
		if (width == WIDTH && tile_fetch(tree, tile, &there, why) == -1)
			return -1;
		if (!there && level > 0) {
			/* Only what is asked for: the node is the root of one whole tile of the level below. */
			const uint64_t below = number * WIDTH + position;
			struct tree_frontier frontier = {0};
			struct tree_hash hash;

			for (unsigned i = 0; i < WIDTH; i++) {
				if (tile_hash(tree, level - 1, below, i, &hash, why) == -1)
					return -1;
				tree_frontier_add(&frontier, &hash, NULL, NULL);
			}
			tree_frontier_root(out, &frontier);
			return 0;
		}
		if (!there && leaves_compute(tree, tile, why) == -1)
			return -1;
		tile->filled = true;
	}
	*out = tile->hashes[position];
	return 0;
}

static int
node_read(void *context, unsigned height, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct stored_tree *tree = context;
	struct tree_hash left, right;

	if (height >= 63 || index >= tree->size >> height)
		return fault_set(why, FAULT_INTERNAL, "트리 밖의 노드: 높이 %u",
		                 "a node outside the tree: height %u", height);
	if (height % 8 == 0)
		return tile_hash(tree, height / 8, index / WIDTH, (unsigned)(index % WIDTH), out, why);
	if (node_read(tree, height - 1, 2 * index, &left, why) == -1 ||
	    node_read(tree, height - 1, 2 * index + 1, &right, why) == -1)
		return -1;
	tree_inner(out, &left, &right);
	return 0;
}

/* ---- receipts ---------------------------------------------------------------------------------------------------- */

int
stored_receipt_of(struct buffer *receipt, struct database *database, const struct stored_log *log,
                  uint64_t index, struct slice entry, struct fault *why)
{
	struct stored_tree *tree = NULL;
	struct tree_reader reader;
	struct checkpoint checkpoint;
	struct tree_hash leaf;
	struct proof proof;
	struct buffer bytes;
	struct note note;
	uint64_t size;
	int result = -1;

	buffer_init(&bytes, NOTE_LIMIT);
	if (anchor_head(&bytes, &size, database, log->log_id, index + 1, why) == -1)
		goto out;
	if (index >= size) {
		fault_set(why, FAULT_BUSY, "%" PRIu64 "번 항목을 덮는 체크포인트가 아직 없습니다",
		          "no checkpoint covers entry %" PRIu64 " yet", index);
		goto out;
	}
	if (note_parse(&note, buffer_view(&bytes), why) == -1 ||
	    checkpoint_parse(&checkpoint, note.text, why) == -1)
		goto out;
	if (checkpoint.size != size) {
		fault_set(why, FAULT_TAMPERED, "체크포인트의 크기 열이 서명된 크기와 다릅니다",
		          "the checkpoint's size column differs from the signed size");
		goto out;
	}
	if (stored_tree_open(&tree, database, log->log_id, size, why) == -1)
		goto out;
	reader = stored_tree_reader(tree);
	tree_leaf(&leaf, entry);
	if (proof_inclusion(&proof, &reader, index, size, why) == -1)
		goto out;
	if (proof_check_inclusion(&proof, &leaf, index, size, &checkpoint.root, why) == -1) {
		fault_prefix(why,
		             "저장된 트리가 체크포인트와 맞지 않습니다 (haechi audit verify 로 찾으십시오)",
		             "the stored tree contradicts the checkpoint (find where: haechi audit verify)");
		goto out;
	}
	receipt_write(receipt, entry, index, &proof, buffer_view(&bytes));
	result = buffer_ok(receipt) ? 0 : fault_memory(why);
out:
	stored_tree_close(tree);
	buffer_free(&bytes);
	return result;
}

int
stored_receipt(struct buffer *receipt, struct database *database, const char *id, struct fault *why)
{
	struct stored_log log;
	struct buffer entry;
	uint64_t index;
	int result = -1;

	buffer_init(&entry, ENTRY_SIZE_LIMIT);
	if (stored_entry(&entry, &log, &index, database, id, why) == 0)
		result = stored_receipt_of(receipt, database, &log, index, buffer_view(&entry), why);
	buffer_free(&entry);
	return result;
}
