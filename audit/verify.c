#include "audit/verify_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/anchors.h"
#include "audit/proof.h"
#include "schema/entry.h"

#define PROGRESS_EVERY 4096

/* haechi.entry as it is streamed; the text columns are compared one by one. */
enum { INDEX, WALL, BYTES, ALSO, TEXTS };

static const struct {
	const char *name;
	size_t offset; /* in struct entry_columns */
} texts[] = {
    {"id",         offsetof(struct entry_columns, id)        },
    {"agency",     offsetof(struct entry_columns, agency)    },
    {"service",    offsetof(struct entry_columns, service)   },
    {"subject",    offsetof(struct entry_columns, subject)   },
    {"key_id",     offsetof(struct entry_columns, key)       },
    {"request_id", offsetof(struct entry_columns, request_id)},
    {"of",         offsetof(struct entry_columns, of)        },
    {"usecase",    offsetof(struct entry_columns, usecase)   },
    {"verdict",    offsetof(struct entry_columns, verdict)   },
    {"access",     offsetof(struct entry_columns, access)    },
    {"domain",     offsetof(struct entry_columns, domain)    },
    {"action",     offsetof(struct entry_columns, action)    },
    {"model",      offsetof(struct entry_columns, model)     },
    {"zone",       offsetof(struct entry_columns, zone)      },
};
#define TEXT_COUNT (sizeof texts / sizeof *texts)
#define ENTRY_SQL                                                                                            \
	"SELECT index, wall, bytes, also, kind, id, agency, service, subject, key_id, request_id, of, "      \
	"usecase, "                                                                                          \
	"verdict, "                                                                                          \
	"access, domain, action, model, zone FROM haechi.entry WHERE log_id = %" PRId64                      \
	" AND index >= %" PRId64 " ORDER BY index"

int
verify_broken(struct walk *walk, bool has_index, uint64_t index, const char *id)
{
	struct verify_report *report = walk->report;

	report->broken = true;
	report->first.has_index = has_index;
	report->first.index = index;
	snprintf(report->first.id, sizeof report->first.id, "%s", id == NULL ? "" : id);
	snprintf(report->first.origin, sizeof report->first.origin, "%s",
	         walk->log == NULL ? "" : walk->log->origin);
	report->first.what.kind = FAULT_TAMPERED;
	return 1;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* Every node the tree completes is held against the stored tile; which of the two is wrong, the next head tells. */
static void
node_compare(void *context, unsigned height, uint64_t index, const struct tree_hash *hash)
{
	struct walk *walk = context;
	struct tree_hash stored;

	if (height % 8 != 0 || walk->doubt || (height == 0 && walk->by_hash) ||
	    !pager_hash(walk->pager, height / 8, index, &stored))
		return;
	if (!tree_hash_equal(hash, &stored)) {
		walk->doubt = true;
		walk->doubt_level = height / 8;
		walk->doubt_index = index;
	}
}

/* ---- heads ------------------------------------------------------------------------------------------------------- */

/* The recomputed root is not the signed one: an entry since the last good head is not what was signed. */
static int
entries_differ(struct walk *walk, uint64_t size)
{
	const uint64_t first = walk->doubt && walk->doubt_level == 0 ? walk->doubt_index : walk->covered;

	if (walk->doubt && walk->doubt_level == 0) {
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "%" PRIu64 "번 항목의 바이트가 서명된 것과 다릅니다 (크기 %" PRIu64
		          "의 체크포인트)",
		          "the bytes of entry %" PRIu64
		          " are not those that were signed (checkpoint of size %" PRIu64 ")",
		          first, size);
		return verify_broken(walk, true, first, NULL);
	}
	fault_set(WHAT(walk), FAULT_TAMPERED,
	          "%" PRIu64 "번부터 %" PRIu64
	          "번까지의 항목 가운데 하나가 서명된 것과 다릅니다 (크기 %" PRIu64 "의 체크포인트의 루트)",
	          "an entry from %" PRIu64 " to %" PRIu64
	          " is not the one that was signed (root of the checkpoint of size "
	          "%" PRIu64 ")",
	          first, size - 1, size);
	return verify_broken(walk, true, first, first + 1 == size ? walk->id : NULL);
}

static int
head_compare(struct walk *walk, const struct tree_hash *root, const struct pager_head *stored)
{
	struct signed_head head;
	struct fault why;

	if (signed_head_open(&head, stored->note, walk->log->origin, walk->keyring, &why) == -1) {
		*WHAT(walk) = why;
		fault_prefix(WHAT(walk), "크기 %" PRId64 "의 체크포인트", "checkpoint of size %" PRId64,
		             stored->size);
		return verify_broken(walk, false, 0, NULL);
	}
	if (head.checkpoint.size != (uint64_t)stored->size || stored->root.size != TREE_HASH_SIZE ||
	    memcmp(stored->root.data, head.checkpoint.root.bytes, TREE_HASH_SIZE) != 0) {
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "크기 %" PRId64 "의 체크포인트: size·root 열이 서명된 글과 다릅니다",
		          "checkpoint of size %" PRId64
		          ": its columns size and root differ from the signed text",
		          stored->size);
		return verify_broken(walk, false, 0, NULL);
	}
	if (!tree_hash_equal(root, &head.checkpoint.root))
		return entries_differ(walk, head.checkpoint.size);
	if (walk->doubt) {
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "저장된 타일(단 %u, %" PRIu64 "번)이 항목에서 계산한 것과 다릅니다",
		          "the stored tile (level %u, number %" PRIu64 ") differs from what the entries give",
		          walk->doubt_level, walk->doubt_index / 256);
		return verify_broken(walk, false, 0, NULL);
	}
	walk->covered = head.checkpoint.size;
	walk->report->heads++;
	buffer_reset(&walk->head);
	buffer_slice(&walk->head, stored->note);
	return 0;
}

/* The history is not that of a head kept outside. */
static int
kept_differs(struct walk *walk, const struct kept *kept)
{
	if (kept->archive != NULL) {
		fault_set(
		    WHAT(walk), FAULT_TAMPERED, "보관함 %s 은(는) 다른 역사의 것입니다 (크기 %" PRIu64 ")",
		    "the archive %s is of another history (size %" PRIu64 ")", kept->archive, kept->size);
		return verify_broken(walk, false, 0, NULL);
	}
	fault_set(WHAT(walk), FAULT_TAMPERED,
	          "밖에 보관된 체크포인트(크기 %" PRIu64
	          ")와 역사가 다릅니다: 데이터베이스가 다시 쓰였습니다",
	          "the history differs from the checkpoint kept outside (size %" PRIu64
	          "): the database was rewritten",
	          kept->size);
	return verify_broken(walk, false, 0, NULL);
}

/* A head kept outside the database. */
static int
witness_compare(struct walk *walk, const struct tree_hash *root, struct kept *kept)
{
	kept->seen = true;
	return tree_hash_equal(root, &kept->root) ? 0 : kept_differs(walk, kept);
}

/* All heads, stored and kept outside, of the size reached. */
static int
heads_compare(struct walk *walk, struct fault *why)
{
	struct pager_head stored;
	struct tree_hash root;
	bool rooted = false;
	int result;

	for (;;) {
		if ((result = pager_head(walk->pager, &stored, why)) == -1)
			return -1;
		if (result == 0 || stored.size > (int64_t)walk->frontier.size)
			break;
		if (stored.size <
		    (int64_t)walk->frontier.size) { /* they ascend: only a negative size comes here */
			fault_set(WHAT(walk), FAULT_TAMPERED, "체크포인트의 크기가 음수입니다 (%" PRId64 ")",
			          "a checkpoint has a negative size (%" PRId64 ")", stored.size);
			return verify_broken(walk, false, 0, NULL);
		}
		tree_frontier_root(&root, &walk->frontier);
		rooted = true;
		if ((result = head_compare(walk, &root, &stored)) != 0)
			return result;
		pager_head_next(walk->pager);
	}
	for (size_t i = 0; i < walk->kept_count; i++) {
		struct kept *kept = &walk->kept[i];

		if (kept->seen || kept->log != walk->log || kept->size != walk->frontier.size)
			continue;
		if (!rooted)
			tree_frontier_root(&root, &walk->frontier);
		rooted = true;
		if ((result = witness_compare(walk, &root, kept)) != 0)
			return result;
	}
	if (anchors_next(walk->anchors) > (int64_t)walk->frontier.size)
		return 0;
	if (!rooted)
		tree_frontier_root(&root, &walk->frontier);
	result = anchors_compare(walk->anchors, (int64_t)walk->frontier.size, &root, walk->log->origin,
	                         walk->keyring, &walk->report->confirmed, WHAT(walk), why);
	return result == 1 ? verify_broken(walk, false, 0, NULL) : result;
}

/* Heads from outside that are of this log: their signatures must hold before anything is held against them. */
static int
witnesses_open(struct walk *walk, struct fault *why)
{
	for (size_t i = 0; i < walk->options->witness_count; i++) {
		struct kept *kept = &walk->kept[i];
		struct checkpoint checkpoint;
		struct note note;
		struct signed_head head;

		if (note_parse(&note, walk->options->witnesses[i], why) == -1 ||
		    checkpoint_parse(&checkpoint, note.text, why) == -1)
			return fault_prefix(why, "밖에 보관된 체크포인트", "the checkpoint kept outside");
		if (!slice_is(checkpoint.origin, walk->log->origin))
			continue;
		if (signed_head_open(&head, walk->options->witnesses[i], walk->log->origin, walk->keyring,
		                     why) == -1)
			return fault_prefix(why, "밖에 보관된 체크포인트", "the checkpoint kept outside");
		kept->log = walk->log;
		kept->size = head.checkpoint.size;
		kept->root = head.checkpoint.root;
	}
	for (size_t i = walk->options->witness_count; i < walk->kept_count; i++)
		if (strcmp(walk->kept[i].origin, walk->log->origin) == 0)
			walk->kept[i].log = walk->log;
	return 0;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static bool
same_text(struct slice field, struct slice member)
{
	return member.size == 0 ? field.data == NULL : slice_equal(field, member);
}

static bool
same_list(struct walk *walk, struct slice field, struct slice list)
{
	if (list.size == 0)
		return field.data == NULL;
	buffer_reset(&walk->list);
	field_list_write(&walk->list, list);
	return buffer_ok(&walk->list) && field.data != NULL &&
	       slice_equal(field, slice_of(walk->list.data + 4, walk->list.size - 4));
}

/* Cut to what a report holds; a real one is never cut. */
static void
id_take(struct walk *walk, struct slice id)
{
	const size_t size = id.size < sizeof walk->id ? id.size : sizeof walk->id - 1;

	if (size > 0)
		memcpy(walk->id, id.data, size);
	walk->id[size] = '\0';
}

static int
columns_compare(struct walk *walk, uint64_t index, const struct slice *fields)
{
	struct entry_columns columns;
	const char *wrong = NULL;
	int64_t wall_ms;
	struct fault why;

	arena_reset(walk->arena);
	if (entry_read(&columns, fields[BYTES], walk->arena, &why) == -1) {
		*WHAT(walk) = why;
		fault_prefix(WHAT(walk), "%" PRIu64 "번 항목의 바이트", "the bytes of entry %" PRIu64, index);
		return verify_broken(walk, true, index, walk->id);
	}
	if (!slice_is(columns.log, walk->log->origin)) {
		fault_set(WHAT(walk), FAULT_TAMPERED, "%" PRIu64 "번 항목은 다른 기록(%.*s)의 것입니다",
		          "entry %" PRIu64 " is of another log (%.*s)", index, SLICE_PRINT(columns.log));
		return verify_broken(walk, true, index, walk->id);
	}
	if (!field_wall(fields[WALL], &wall_ms) || wall_ms != columns.wall_ms)
		wrong = "wall";
	else if (!slice_is(fields[TEXTS], entry_kind_name(columns.kind)))
		wrong = "kind";
	for (size_t i = 0; i < TEXT_COUNT && wrong == NULL; i++) {
		struct slice member;

		memcpy(&member, (const char *)&columns + texts[i].offset, sizeof member);
		if (!same_text(fields[TEXTS + 1 + i], member))
			wrong = texts[i].name;
	}
	if (wrong == NULL && !same_list(walk, fields[ALSO], columns.also))
		wrong = "also";
	if (wrong == NULL) {
		walk->earliest_ms = wall_ms < walk->earliest_ms ? wall_ms : walk->earliest_ms;
		return 0;
	}
	id_take(walk, columns.id);
	fault_set(WHAT(walk), FAULT_TAMPERED, "%" PRIu64 "번 항목: 열 %s이(가) 항목의 바이트와 다릅니다",
	          "entry %" PRIu64 ": its column %s differs from the entry's bytes", index, wrong);
	return verify_broken(walk, true, index, walk->id);
}

static void
progress_tell(const struct walk *walk)
{
	const struct verify_report *report = walk->report;
	const uint64_t done = report->entries + report->detached;

	if (walk->options->progress != NULL && done % PROGRESS_EVERY == 0)
		walk->options->progress(walk->options->context, done, walk->total);
}

/* Over what was detached, from where the walk is up to `before`, by the leaf hashes that stayed. */
static int
detached_walk(struct walk *walk, uint64_t before, struct fault *why)
{
	uint64_t count;
	int result;

	while (walk->frontier.size < before && detached_covers(walk->detached, walk->frontier.size, &count)) {
		for (; count > 0 && walk->frontier.size < before; count--) {
			const uint64_t index = walk->frontier.size;
			struct tree_hash leaf;

			if (!pager_hash(walk->pager, 0, index, &leaf)) {
				if (pager_fault(walk->pager, why) == -1)
					return -1;
				fault_set(WHAT(walk), FAULT_TAMPERED,
				          "%" PRIu64
				          "번 항목은 떼어 보관했는데 그 리프 해시(타일)가 없습니다",
				          "entry %" PRIu64
				          " was detached to an archive, but its leaf hash (tile) is missing",
				          index);
				return verify_broken(walk, true, index, NULL);
			}
			walk->by_hash = true;
			tree_frontier_add(&walk->frontier, &leaf, node_compare, walk);
			walk->by_hash = false;
			walk->report->detached++;
			progress_tell(walk);
			if ((result = heads_compare(walk, why)) != 0)
				return result;
		}
	}
	return 0;
}

static int
entry_check(struct walk *walk, const struct slice *fields)
{
	const int64_t index = field_integer(fields[INDEX]);
	const uint64_t expected = walk->frontier.size;
	struct tree_hash leaf;
	int result;

	id_take(walk, fields[TEXTS + 1]);
	if (index < 0 || (uint64_t)index != expected) {
		const bool twice = index < 0 || (uint64_t)index < expected;

		if (twice)
			fault_set(WHAT(walk), FAULT_TAMPERED,
			          "%" PRId64 "번 항목이 두 번 있거나 끼워 넣어졌습니다",
			          "entry %" PRId64 " is there twice, or was forged in", index);
		else
			fault_set(WHAT(walk), FAULT_TAMPERED,
			          "%" PRIu64 "번 항목이 없습니다 (다음은 %" PRId64 "번)",
			          "entry %" PRIu64 " is missing (the next one is %" PRId64 ")", expected,
			          index);
		return verify_broken(walk, true, twice ? (uint64_t)index : expected, twice ? walk->id : NULL);
	}
	if ((result = columns_compare(walk, expected, fields)) != 0)
		return result;
	tree_leaf(&leaf, fields[BYTES]);
	tree_frontier_add(&walk->frontier, &leaf, node_compare, walk);
	walk->report->entries++;
	walk->report->bytes += fields[BYTES].size;
	progress_tell(walk);
	return 0;
}

static int
entries_walk(struct walk *walk, struct fault *why)
{
	struct slice fields[TEXTS + 1 + TEXT_COUNT];
	char sql[512];
	int result, row;

	/* From the first: negative ones, which somebody forged in, too. */
	snprintf(sql, sizeof sql, ENTRY_SQL, walk->log->log_id,
	         walk->frontier.size == 0 ? INT64_MIN + 1 : (int64_t)walk->frontier.size);
	if ((result = heads_compare(walk, why)) != 0 || (result = database_copy(walk->stream, sql, why)) != 0)
		return result;
	while ((row = database_copy_next(walk->stream, sizeof fields / sizeof *fields, fields, why)) == 1) {
		const int64_t index = field_integer(fields[INDEX]);

		if (index > 0 && (uint64_t)index > walk->frontier.size &&
		    (result = detached_walk(walk, (uint64_t)index, why)) != 0)
			return result;
		if ((result = entry_check(walk, fields)) != 0 || (result = heads_compare(walk, why)) != 0)
			return result;
	}
	return row == 0 ? detached_walk(walk, UINT64_MAX, why) : row;
}

/* ---- going on from an earlier run --------------------------------------------------------------------------------- */

static int
rewritten(struct walk *walk, uint64_t size)
{
	fault_set(WHAT(walk), FAULT_TAMPERED,
	          "지난번에 확인한 머리(크기 %" PRIu64
	          ")가 지금 기록의 앞부분이 아닙니다: 데이터베이스가 다시 쓰였습니다",
	          "the head that held last time (size %" PRIu64
	          ") is no prefix of the log as it is now: the database was rewritten",
	          size);
	return verify_broken(walk, false, 0, NULL);
}

/*
 * Stand where the earlier run stood: its head signed by the log, and the frontier there out of stored hashes, which give that head's
 * root or are not those. From here on everything is computed, so that each later head also proves the earlier one a prefix.
 */
static int
resume(struct walk *walk, struct fault *why)
{
	const struct verified_log *since = walk->since;
	struct stored_tree *tree = NULL;
	struct tree_reader reader;
	struct signed_head *head = malloc(sizeof *head);
	struct tree_hash root;
	int result = -1;

	if (head == NULL) {
		fault_memory(why);
		goto out;
	}
	if (signed_head_open(head, since->note, since->origin, walk->keyring, why) == -1) {
		fault_prefix(why, "상태 파일의 머리", "the head in the state file");
		why->kind = FAULT_INVALID;
		goto out;
	}
	if (stored_tree_open(&tree, walk->side, walk->log->log_id, since->size, why) == -1)
		goto out;
	reader = stored_tree_reader(tree);
	if (tree_frontier_load(&walk->frontier, &reader, since->size, why) == -1) {
		if (why->kind != FAULT_TAMPERED)
			goto out;
		*WHAT(walk) = *why;
		fault_prefix(WHAT(walk), "지난번에는 크기 %" PRIu64 "까지 맞았습니다",
		             "last time everything held up to size %" PRIu64, since->size);
		result = verify_broken(walk, false, 0, NULL);
		goto out;
	}
	tree_frontier_root(&root, &walk->frontier);
	if (!tree_hash_equal(&root, &since->root)) {
		result = rewritten(walk, since->size);
		goto out;
	}
	walk->covered = since->size;
	walk->report->earlier += since->size;
	buffer_slice(&walk->head, since->note);
	result = 0;
out:
	stored_tree_close(tree);
	free(head);
	return result;
}

/* Is `older` a prefix of what the walk has reached? By a proof out of stored hashes, held against both roots. 1: it is not. */
static int
prefix_check(struct walk *walk, struct tree_reader *reader, uint64_t older, const struct tree_hash *root,
             const struct tree_hash *reached, struct fault *why)
{
	const uint64_t size = walk->frontier.size;
	struct tree_hash empty;
	struct proof proof;

	tree_empty(&empty);
	if (older == 0)
		return tree_hash_equal(root, &empty) ? 0 : 1;
	if (older == size)
		return tree_hash_equal(root, reached) ? 0 : 1;
	if (proof_consistency(&proof, reader, older, size, why) == -1)
		return why->kind == FAULT_TAMPERED ? 1 : -1;
	return proof_check_consistency(&proof, older, root, size, reached, why) == 0 ? 0 : 1;
}

/* What lies before the place gone on from, proven and not walked: the earlier head itself, and older heads from outside. */
static int
behind_check(struct walk *walk, struct fault *why)
{
	struct stored_tree *tree = NULL;
	struct tree_reader reader;
	struct tree_hash reached;
	int result = -1;

	if (walk->since == NULL)
		return 0;
	tree_frontier_root(&reached, &walk->frontier);
	if (stored_tree_open(&tree, walk->side, walk->log->log_id, walk->frontier.size, why) == -1)
		return -1;
	reader = stored_tree_reader(tree);
	result = prefix_check(walk, &reader, walk->since->size, &walk->since->root, &reached, why);
	if (result == 1)
		result = rewritten(walk, walk->since->size);
	for (size_t i = 0; i < walk->kept_count && result == 0; i++) {
		struct kept *kept = &walk->kept[i];

		if (kept->log != walk->log || kept->seen || kept->size >= walk->since->size)
			continue;
		result = prefix_check(walk, &reader, kept->size, &kept->root, &reached, why);
		if (result == 1)
			result = kept_differs(walk, kept);
		kept->seen = true;
	}
	stored_tree_close(tree);
	return result;
}

/* ---- the ends of a log ------------------------------------------------------------------------------------------- */

static int
log_end(struct walk *walk, struct fault *why)
{
	const uint64_t size = walk->frontier.size;
	struct pager_head stored;
	unsigned level;
	int64_t number;
	int result;

	if ((result = pager_head(walk->pager, &stored, why)) == -1)
		return -1;
	if (result == 1) {
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "끝이 잘렸습니다: 크기 %" PRId64 "의 서명된 체크포인트가 있는데 항목은 %" PRIu64
		          "개입니다",
		          "the log is cut: there is a signed checkpoint of size %" PRId64 ", but %" PRIu64
		          " entries",
		          stored.size, size);
		return verify_broken(walk, true, size, NULL);
	}
	if (anchors_next(walk->anchors) != INT64_MAX) {
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "되돌려졌습니다: 크기 %" PRId64 "의 머리를 밖에서 확인했는데 항목은 %" PRIu64
		          "개입니다",
		          "rolled back: a head of size %" PRId64
		          " was confirmed outside, but there are %" PRIu64 " entries",
		          anchors_next(walk->anchors), size);
		return verify_broken(walk, true, size, NULL);
	}
	for (size_t i = 0; i < walk->kept_count; i++) {
		const struct kept *kept = &walk->kept[i];

		if (kept->log != walk->log || kept->seen)
			continue;
		if (kept->archive != NULL) {
			fault_set(WHAT(walk), FAULT_TAMPERED,
			          "보관함 %s 은(는) 크기 %" PRIu64 "에서 만들어졌는데 기록의 크기는 %" PRIu64
			          "입니다: 데이터베이스가 되돌려졌습니다",
			          "the archive %s was made at size %" PRIu64 ", but the log has size %" PRIu64
			          ": the database was rolled back",
			          kept->archive, kept->size, size);
			return verify_broken(walk, true, size, NULL);
		}
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "되돌려졌습니다: 밖에 보관된 체크포인트의 크기는 %" PRIu64 "인데 항목은 %" PRIu64
		          "개입니다",
		          "rolled back: the checkpoint kept outside has size %" PRIu64
		          ", but there are %" PRIu64 " entries",
		          kept->size, size);
		return verify_broken(walk, true, size, NULL);
	}
	if (walk->covered < size) {
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "%" PRIu64 "번 항목부터는 서명된 체크포인트가 덮지 않습니다",
		          "from entry %" PRIu64 " on no signed checkpoint covers the entries", walk->covered);
		return verify_broken(walk, true, walk->covered, walk->covered + 1 == size ? walk->id : NULL);
	}
	if ((result = pager_tiles_end(walk->pager, size, &level, &number, why)) == -1)
		return -1;
	if (result == 1) {
		fault_set(
		    WHAT(walk), FAULT_TAMPERED, "타일(단 %u, %" PRId64 "번)이 빠졌거나 트리 밖에 있습니다",
		    "tile (level %u, number %" PRId64 ") is missing, or outside the tree", level, number);
		return verify_broken(walk, false, 0, NULL);
	}
	walk->report->tiles += pager_tiles(walk->pager);
	return 0;
}

/* Keys of this log: from outside, and then the database may announce no other; or, failing that, the database's own. */
static int
keys_choose(struct walk *walk, struct keyring *own, struct fault *why)
{
	struct buffer announced;
	int result = -1;
	struct fault bad;

	buffer_init(&announced, KEYRING_LIMIT);
	memset(own, 0, sizeof *own);
	if (stored_keys(&announced, walk->side, walk->log->log_id, why) == -1)
		goto out;
	if (keyring_add(own, buffer_view(&announced), &bad) == -1) {
		*WHAT(walk) = bad;
		fault_prefix(WHAT(walk), "log_key", "log_key");
		result = verify_broken(walk, false, 0, NULL);
		goto out;
	}
	if (walk->options->keyring != NULL) {
		struct keyring *both = malloc(sizeof *both);
		bool strange;

		if (both == NULL) {
			fault_memory(why);
			goto out;
		}
		*both = *walk->options->keyring;
		strange = keyring_add(both, buffer_view(&announced), &bad) == -1 ||
		          both->count != walk->options->keyring->count;
		free(both);
		memcpy(own, walk->options->keyring, sizeof *own);
		if (strange && keyring_knows(own, slice_string(walk->log->origin))) {
			fault_set(WHAT(walk), FAULT_TAMPERED,
			          "log_key 에 밖에서 준 키가 아닌 검증 키가 있습니다",
			          "log_key holds a verifier key that is not among those given from outside");
			result = verify_broken(walk, false, 0, NULL);
			goto out;
		}
	}
	if (!keyring_knows(own, slice_string(walk->log->origin))) {
		fault_set(WHAT(walk), FAULT_TAMPERED, "기록 %s의 검증 키(vkey)가 없습니다",
		          "there is no verifier key (vkey) of the log %s", walk->log->origin);
		result = verify_broken(walk, false, 0, NULL);
		goto out;
	}
	walk->keyring = own;
	result = 0;
out:
	buffer_free(&announced);
	return result;
}

/* Everything held: what a later run goes on from. */
static int
reached_add(struct walk *walk, struct fault *why)
{
	struct tree_hash root;

	tree_frontier_root(&root, &walk->frontier);
	if (!buffer_ok(&walk->head))
		return fault_memory(why);
	return verified_add(walk->options->reached, walk->log->origin, walk->since, buffer_view(&walk->head),
	                    walk->frontier.size, &root, walk->began_ms, why);
}

int
verify_log(struct walk *walk, const struct stored_log *log, struct fault *why)
{
	struct keyring *keys = malloc(sizeof *keys);
	int result = -1;

	walk->log = log;
	walk->frontier = (struct tree_frontier){0};
	walk->covered = 0;
	walk->doubt = false;
	walk->id[0] = '\0';
	walk->since = verified_find(walk->options->since, log->origin);
	buffer_reset(&walk->head);
	if (keys == NULL) {
		fault_memory(why);
		goto out;
	}
	if ((result = keys_choose(walk, keys, why)) != 0)
		goto out;
	if ((result = witnesses_open(walk, why)) != 0)
		goto out;
	if ((result = detached_log(walk->detached, log->log_id, why)) != 0)
		goto out;
	if (walk->since != NULL && (result = resume(walk, why)) != 0)
		goto out;
	if ((result = pager_open(&walk->pager, walk->side, log->log_id, walk->frontier.size, why)) != 0 ||
	    (result = anchors_open(&walk->anchors, walk->side, log->log_id, walk->frontier.size, why)) != 0)
		goto out;
	if ((result = entries_walk(walk, why)) != 0 || (result = pager_fault(walk->pager, why)) != 0)
		goto out;
	if ((result = behind_check(walk, why)) == 0)
		result = log_end(walk, why);
	walk->report->logs++;
	if (result == 0 && walk->options->reached != NULL && walk->frontier.size > 0)
		result = reached_add(walk, why);
out:
	pager_close(walk->pager);
	walk->pager = NULL;
	anchors_close(walk->anchors);
	walk->anchors = NULL;
	walk->keyring = NULL;
	free(keys);
	return result;
}
