#include "audit/archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/receipt.h"
#include "audit/tile.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

/* One log's part of the month, as the archive has it and as the database has it. */
struct part {
	const struct bundle_log *log; /* NULL: in the database alone */
	struct stored_log stored;
	struct selection_run *runs; /* of the database */
	size_t run_count, run_room;
	uint64_t entries;
	struct stored_tree *tree; /* to compare leaves with */
	struct buffer receipt;
};

struct detaching {
	const struct archive_options *options;
	struct bundle_report *report;
	char month[ARCHIVE_MONTH], from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	struct part *parts; /* one a log of the database */
	size_t part_count;
};

static int
conflict(struct fault *why, const char *origin, const char *ko, const char *en)
{
	return fault_set(why, FAULT_CONFLICT, "기록 %s: %s%.0s", "log %s: %.0s%s", origin, ko, en);
}

/* ---- the archive by itself -------------------------------------------------------------------------------------------------- */

static int
archive_holds(struct detaching *detaching, struct arena *arena, struct fault *why)
{
	const struct archive_options *options = detaching->options;
	const struct bundle_report *report = detaching->report;
	struct filter month;

	if (bundle_check(detaching->report, options->directory, options->keyring, arena, why) == -1)
		return -1;
	if (report->kind != MANIFEST_ARCHIVE || !filter_is_time_only(&report->filter) ||
	    report->filter.log != NULL || !report->filter.has_from || !report->filter.has_to)
		return fault_set(why, FAULT_INVALID, "%s: 한 달을 다 담은 보관함이 아닙니다",
		                 "%s: not an archive of a whole month", options->directory);
	clock_text(detaching->from, report->filter.from_ms);
	clock_text(detaching->to, report->filter.to_ms);
	snprintf(detaching->month, sizeof detaching->month, "%.7s", detaching->from);
	if (archive_month(&month, detaching->month, clock_wall_ms(), why) == -1)
		return -1;
	if (month.from_ms != report->filter.from_ms || month.to_ms != report->filter.to_ms)
		return fault_set(why, FAULT_INVALID, "%s: 한 달을 다 담은 보관함이 아닙니다",
		                 "%s: not an archive of a whole month", options->directory);
	if (!report->recorded)
		return fault_set(
		    why, FAULT_CONFLICT,
		    "%s: 기록에 남지 않은 보관함입니다 (manifest.receipt 없음). haechid 가 도는 "
		    "동안 다시 만드십시오",
		    "%s: the log did not record this archive (no manifest.receipt): make it again "
		    "while haechid runs",
		    options->directory);
	for (size_t i = 0; i < report->log_count; i++)
		if (report->logs[i].contents_gone)
			return fault_set(why, FAULT_CONFLICT, "%s: 봉인된 내용이 이미 없습니다",
			                 "%s: its sealed content is gone already", options->directory);
	return 0;
}

/* ---- what the database holds of the month -------------------------------------------------------------------------------------- */

static int
run_add(struct part *part, uint64_t index, struct fault *why)
{
	struct selection_run *last = part->run_count == 0 ? NULL : &part->runs[part->run_count - 1];

	part->entries++;
	if (last != NULL && last->first + last->count == index) {
		last->count++;
		return 0;
	}
	if (part->run_count == ARCHIVE_RUNS_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "기록 %s: 토막이 너무 많습니다",
		                 "log %s: too many runs", part->stored.origin);
	if (part->run_count == part->run_room) {
		const size_t room = part->run_room == 0 ? 256 : part->run_room * 2;
		struct selection_run *grown = reallocarray(part->runs, room, sizeof *grown);

		if (grown == NULL)
			return fault_memory(why);
		part->runs = grown;
		part->run_room = room;
	}
	part->runs[part->run_count++] = (struct selection_run){index, 1};
	return 0;
}

static struct part *
part_of(const struct detaching *detaching, int64_t log_id)
{
	for (size_t i = 0; i < detaching->part_count; i++)
		if (detaching->parts[i].stored.log_id == log_id)
			return &detaching->parts[i];
	return NULL;
}

static int
parts_load(struct detaching *detaching, struct fault *why)
{
	struct database *database = detaching->options->database;
	struct stored_log *logs = calloc(STORED_LOGS, sizeof *logs);
	struct slice fields[2];
	char sql[256];
	int result = -1, row;

	if (logs == NULL)
		return fault_memory(why);
	if (stored_logs(logs, &detaching->part_count, database, why) == -1)
		goto out;
	if ((detaching->parts = calloc(detaching->part_count + 1, sizeof *detaching->parts)) == NULL) {
		detaching->part_count = 0;
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < detaching->part_count; i++) {
		struct part *part = &detaching->parts[i];

		part->stored = logs[i];
		buffer_init(&part->receipt, RECEIPT_LIMIT);
		for (size_t k = 0; k < detaching->report->log_count; k++)
			if (strcmp(detaching->report->logs[k].origin, logs[i].origin) == 0)
				part->log = &detaching->report->logs[k];
	}
	snprintf(sql, sizeof sql,
	         "SELECT log_id, index FROM haechi.entry WHERE wall >= '%s' AND wall < '%s' ORDER BY log_id, "
	         "index",
	         detaching->from, detaching->to);
	if (database_copy(database, sql, why) == -1)
		goto out;
	while ((row = database_copy_next(database, 2, fields, why)) == 1) {
		struct part *part = part_of(detaching, field_integer(fields[0]));

		if (part == NULL) {
			fault_set(why, FAULT_TAMPERED, "등록되지 않은 기록의 항목이 있습니다",
			          "there are entries of a log that is not registered");
			goto out;
		}
		if (run_add(part, (uint64_t)field_integer(fields[1]), why) == -1)
			goto out;
	}
	result = row;
out:
	free(logs);
	return result;
}

static int
number_ask(struct database *database, const char *sql, uint64_t *out, struct fault *why)
{
	struct database_rows *rows = NULL;

	if (database_ask(&rows, database, sql, 0, NULL, why) == -1)
		return -1;
	*out = database_count(rows) == 0 ? 0 : (uint64_t)database_integer(rows, 0, 0);
	database_rows_free(rows);
	return 0;
}

/* The same entries here and there; behind them a whole tile stays, and every tile over them is stored. */
static int
part_agrees(const struct detaching *detaching, struct part *part, struct fault *why)
{
	struct database *database = detaching->options->database;
	uint64_t size, tiles, sealed, first, last;
	char sql[320], digest[65];

	if (part->entries != (part->log == NULL ? 0 : part->log->selection.entries))
		return conflict(why, part->stored.origin,
		                "데이터베이스와 보관함의 항목 수가 다릅니다: 다시 만드십시오",
		                "the database has another number of entries than the archive: make it again");
	if (part->entries == 0)
		return 0;
	selection_runs_digest(digest, part->runs, part->run_count);
	if (strcmp(digest, part->log->selection.runs) != 0)
		return conflict(why, part->stored.origin, "데이터베이스와 보관함의 항목이 다릅니다",
		                "the database has other entries than the archive");
	first = part->log->selection.first;
	last = part->log->selection.last;
	snprintf(sql, sizeof sql,
	         "SELECT coalesce(max(index) + 1, 0) FROM haechi.entry WHERE log_id = %" PRId64,
	         part->stored.log_id);
	if (number_ask(database, sql, &size, why) == -1)
		return -1;
	if (last >= size / TILE_WIDTH * TILE_WIDTH)
		return conflict(
		    why, part->stored.origin,
		    "가장 새로운 항목들이 이 달에 있어 아직 뗄 수 없습니다 (기록이 더 자라야 합니다)",
		    "its newest entries are of this month: it cannot go before the log has grown");
	snprintf(sql, sizeof sql,
	         "SELECT count(*) FROM haechi.tile WHERE log_id = %" PRId64
	         " AND level = 0 AND number BETWEEN %" PRIu64 " AND %" PRIu64,
	         part->stored.log_id, first / TILE_WIDTH, last / TILE_WIDTH);
	if (number_ask(database, sql, &tiles, why) == -1)
		return -1;
	if (tiles != last / TILE_WIDTH - first / TILE_WIDTH + 1)
		return conflict(why, part->stored.origin, "이 달의 타일이 모두 있지 않아 뗄 수 없습니다",
		                "tiles of this month are missing: it cannot go");
	snprintf(sql, sizeof sql,
	         "SELECT count(*) FROM haechi.content WHERE log_id = %" PRId64
	         " AND wall >= '%s' AND wall < '%s'",
	         part->stored.log_id, detaching->from, detaching->to);
	if (number_ask(database, sql, &sealed, why) == -1)
		return -1;
	if (sealed > part->log->contents)
		return conflict(why, part->stored.origin,
		                "보관함에 없는 봉인된 내용이 있습니다: 다시 만드십시오",
		                "there is sealed content that is not in the archive: make it again");
	return stored_tree_open(&part->tree, database, part->stored.log_id, size, why);
}

/* The hashes that stay are those of the entries that go. */
static int
leaf_compare(void *context, const struct archive_line *line, struct fault *why)
{
	struct detaching *detaching = context;
	struct tree_hash leaf, stored;

	for (size_t i = 0; i < detaching->part_count; i++) {
		struct part *part = &detaching->parts[i];
		struct tree_reader reader;

		if (strcmp(part->stored.origin, line->origin) != 0)
			continue;
		reader = stored_tree_reader(part->tree);
		tree_leaf(&leaf, line->bytes);
		if (reader.read(reader.context, 0, line->index, &stored, why) == -1)
			return -1;
		if (!tree_hash_equal(&leaf, &stored))
			return fault_set(why, FAULT_TAMPERED,
			                 "%" PRIu64
			                 "번 항목의 저장된 리프 해시가 서명된 것과 다릅니다: haechi "
			                 "audit verify 로 확인하십시오",
			                 "the stored leaf hash of entry %" PRIu64
			                 " is not the signed one: see haechi audit verify",
			                 line->index);
		return 1;
	}
	return fault_set(why, FAULT_CONFLICT, "기록 %s이(가) 데이터베이스에 없습니다",
	                 "the log %s is not in the database", line->origin);
}

/* ---- letting go --------------------------------------------------------------------------------------------------------------- */

static int
part_record(const struct detaching *detaching, struct part *part, struct fault *why)
{
	const struct archive_facts facts = {.manifest = detaching->report->manifest,
	                                    .log = part->stored.origin,
	                                    .month = detaching->month,
	                                    .runs = part->log->selection.runs,
	                                    .first = part->log->selection.first,
	                                    .last = part->log->selection.last,
	                                    .entries = part->entries};

	if (detaching->options->record(detaching->options->context, &facts, &part->receipt, why) == -1)
		return -1;
	return part->receipt.size > 0 ? 0
	                              : fault_set(why, FAULT_UNAVAILABLE, "기록에 남지 않아 떼지 않았습니다",
	                                          "the log did not record it: nothing was detached");
}

static void
part_insert(struct buffer *sql, const struct detaching *detaching, const struct part *part)
{
	buffer_printf(
	    sql,
	    "INSERT INTO haechi.archive (log_id, manifest, month, first, last, entries, runs, place, "
	    "receipt) VALUES (%" PRId64 ", '%s', '%s-01', %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", '{",
	    part->stored.log_id, detaching->report->manifest, detaching->month, part->log->selection.first,
	    part->log->selection.last, part->entries);
	for (size_t i = 0; i < part->run_count; i++)
		buffer_printf(sql, "%s%" PRIu64 ",%" PRIu64, i > 0 ? "," : "", part->runs[i].first,
		              part->runs[i].count);
	buffer_string(sql, "}', ");
	database_quote(sql, detaching->options->database, detaching->options->place);
	buffer_string(sql, ", '\\x");
	for (size_t i = 0; i < part->receipt.size; i++)
		buffer_printf(sql, "%02x", part->receipt.data[i]);
	buffer_string(sql, "'); ");
}

static int
let_go(const struct detaching *detaching, struct fault *why)
{
	struct buffer sql;
	int result = -1;

	buffer_init(&sql, (size_t)64 * 1024 * 1024);
	buffer_string(&sql, "BEGIN; SET LOCAL ROLE haechi_owner; SET LOCAL lock_timeout = '5s'; ");
	for (size_t i = 0; i < detaching->part_count; i++)
		if (detaching->parts[i].entries > 0)
			part_insert(&sql, detaching, &detaching->parts[i]);
	buffer_printf(&sql, "SELECT haechi.month_detach('%s-01'); COMMIT", detaching->month);
	if (buffer_text(&sql) == NULL)
		fault_memory(why);
	else
		result = database_run(detaching->options->database, buffer_text(&sql), why);
	if (result == -1) {
		struct fault ignored; /* the connection ends, and with it the transaction */

		if (database_run(detaching->options->database, "ROLLBACK", &ignored) == -1)
			result = -1;
	}
	buffer_free(&sql);
	return result;
}

/* One at a time; also behind one whose command was killed while the server still works on it. */
static int
turn_take(struct database *database, struct fault *why)
{
	struct database_rows *rows = NULL;
	bool mine;

	if (database_ask(&rows, database, "SELECT pg_try_advisory_lock(hashtextextended('haechi.detach', 0))",
	                 0, NULL, why) == -1)
		return -1;
	mine = database_bool(rows, 0, 0);
	database_rows_free(rows);
	return mine ? 0
	            : fault_set(why, FAULT_BUSY, "다른 떼기가 아직 끝나지 않았습니다. 잠시 뒤 다시 하십시오",
	                        "another detaching is not over yet: try again soon");
}

int
archive_detach(struct archive_result *out, const struct archive_options *options, struct arena *arena,
               struct fault *why)
{
	struct detaching detaching = {.options = options, .report = malloc(sizeof *detaching.report)};
	struct fault ignored; /* a connection that is gone has let go of the lock */
	int result = -1;

	memset(out, 0, sizeof *out);
	if (detaching.report == NULL)
		return fault_memory(why);
	if (turn_take(options->database, why) == -1 || archive_holds(&detaching, arena, why) == -1 ||
	    parts_load(&detaching, why) == -1)
		goto out;
	for (size_t i = 0; i < detaching.part_count; i++)
		if (part_agrees(&detaching, &detaching.parts[i], why) == -1)
			goto out;
	if (detaching.report->entries == 0) {
		fault_set(why, FAULT_CONFLICT, "%s 에는 뗄 항목이 없습니다",
		          "there is nothing to detach of %s", detaching.month);
		goto out;
	}
	if (archive_read(options->directory, leaf_compare, &detaching, why) == -1)
		goto out;
	for (size_t i = 0; i < detaching.part_count; i++) {
		if (detaching.parts[i].entries == 0)
			continue;
		if (part_record(&detaching, &detaching.parts[i], why) == -1)
			goto out;
		out->logs++;
	}
	if (let_go(&detaching, why) == -1)
		goto out;
	snprintf(out->month, sizeof out->month, "%s", detaching.month);
	out->entries = detaching.report->entries;
	out->contents = detaching.report->contents;
	result = 0;
out:
	if (database_run(options->database, "SELECT pg_advisory_unlock_all()", &ignored) == -1 && result == 0)
		log_fault(LOG_LEVEL_WARN, "archive", "unlock", &ignored);
	for (size_t i = 0; i < detaching.part_count; i++) {
		stored_tree_close(detaching.parts[i].tree);
		buffer_free(&detaching.parts[i].receipt);
		free(detaching.parts[i].runs);
	}
	free(detaching.parts);
	free(detaching.report);
	return result;
}
