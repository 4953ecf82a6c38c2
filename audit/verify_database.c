#include "audit/verify_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/bundle.h"
#include "schema/base/clock.h"
#include "schema/entry.h"

#define ARENA_LIMIT   (1024 * 1024)
#define REPORT_SUFFIX ".report" /* names of report keys end so: they are of no log */

/* Sealed contents that are looked at: all, or those from the first entry on that this run has read. */
static const char *
contents_from(const struct walk *walk, char text[CLOCK_TEXT_SIZE])
{
	if (walk->options->since == NULL)
		return "-infinity";
	if (walk->earliest_ms == INT64_MAX)
		return "infinity";
	clock_text(text, walk->earliest_ms);
	return text;
}

/* A first row that should not be there: its text, 1; or 0. */
static int
stray(struct walk *walk, const char *sql, const char *ko, const char *en, struct fault *why)
{
	char text[CLOCK_TEXT_SIZE];
	const char *parameters[] = {contents_from(walk, text)};
	struct database_rows *rows = NULL;

	if (database_ask(&rows, walk->side, sql, strstr(sql, "$1") == NULL ? 0 : 1, parameters, why) == -1)
		return -1;
	if (database_count(rows) == 0) {
		database_rows_free(rows);
		return 0;
	}
	fault_set(WHAT(walk), FAULT_TAMPERED, "%s%.0s: %s", "%.0s%s: %s", ko, en, database_text(rows, 0, 0));
	walk->log = NULL;
	database_rows_free(rows);
	return verify_broken(walk, false, 0, NULL);
}

static int
strays_check(struct walk *walk, struct fault *why)
{
	static const struct {
		const char *sql, *ko, *en;
	} looks[] = {
	    {"WITH RECURSIVE t AS (SELECT min(log_id) AS n FROM haechi.entry UNION ALL "
	     "SELECT (SELECT min(log_id) FROM haechi.entry WHERE log_id > t.n) FROM t WHERE t.n IS NOT NULL) "
	     "SELECT n::text FROM t WHERE n IS NOT NULL AND n NOT IN (SELECT log_id FROM haechi.log) LIMIT 1", "등록되지 않은 기록의 항목이 있습니다, log_id",
	     "entries of a log that is not registered, log_id"                             },
	    {"SELECT log_id::text FROM haechi.checkpoint c WHERE NOT EXISTS (SELECT FROM haechi.log l WHERE "
	     "l.log_id = "
	     "c.log_id) LIMIT 1",	                                                                      "등록되지 않은 기록의 체크포인트가 있습니다, log_id",
	     "a checkpoint of a log that is not registered, log_id"                        },
	    {"SELECT log_id::text FROM haechi.tile t WHERE NOT EXISTS (SELECT FROM haechi.log l WHERE "
	     "l.log_id = t.log_id) "
	     "LIMIT 1",	                                                                                "등록되지 않은 기록의 타일이 있습니다, log_id",
	     "a tile of a log that is not registered, log_id"                              },
	    {"SELECT c.entry_id FROM haechi.content c WHERE c.wall >= $1::timestamptz AND NOT EXISTS (SELECT "
	     "FROM haechi.entry e WHERE e.id = c.entry_id "
	     "AND e.log_id = c.log_id AND e.wall = c.wall AND e.agency IS NOT DISTINCT FROM c.agency) LIMIT "
	     "1",	                                                                                      "항목 없이 봉인된 내용이 있거나 열이 항목과 다릅니다, 항목",
	     "sealed content without its entry, or with columns that differ from it, entry"},
	};

	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		const int result = stray(walk, looks[i].sql, looks[i].ko, looks[i].en, why);

		if (result != 0)
			return result;
	}
	return 0;
}

/* A log somebody has keys of, or a head of, must be there. */
static int
absent_check(struct walk *walk, const struct stored_log *logs, size_t count, struct fault *why)
{
	const struct keyring *keyring = walk->options->keyring;

	walk->log = NULL;
	for (size_t k = 0; keyring != NULL && k < keyring->count; k++) {
		const char *name = keyring->keys[k].name;
		const size_t size = strlen(name), suffix = strlen(REPORT_SUFFIX);
		bool there = keyring->keys[k].type == NOTE_COSIGNATURE ||
		             (size > suffix && strcmp(name + size - suffix, REPORT_SUFFIX) == 0);

		for (size_t i = 0; i < count && !there; i++)
			there = strcmp(logs[i].origin, name) == 0;
		if (there)
			continue;
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "기록 %s의 키가 주어졌는데 데이터베이스에 그 기록이 없습니다",
		          "keys of the log %s were given, but the database has no such log", name);
		return verify_broken(walk, false, 0, NULL);
	}
	for (size_t k = 0; walk->options->since != NULL && k < verified_count(walk->options->since); k++) {
		const char *name = verified_at(walk->options->since, k)->origin;
		bool there = false;

		for (size_t i = 0; i < count && !there; i++)
			there = strcmp(logs[i].origin, name) == 0;
		if (there)
			continue;
		fault_set(WHAT(walk), FAULT_TAMPERED, "지난번에 확인한 기록 %s이(가) 데이터베이스에 없습니다",
		          "the log %s, which held last time, is not in the database", name);
		return verify_broken(walk, false, 0, NULL);
	}
	for (size_t i = 0; i < walk->kept_count; i++) {
		struct checkpoint checkpoint;
		struct note note;

		if (walk->kept[i].log != NULL)
			continue;
		if (walk->kept[i].archive != NULL) {
			fault_set(WHAT(walk), FAULT_TAMPERED,
			          "보관함 %s 의 기록 %s이(가) 데이터베이스에 없습니다",
			          "archive %s: its log %s is not in the database", walk->kept[i].archive,
			          walk->kept[i].origin);
			return verify_broken(walk, false, 0, NULL);
		}
		if (note_parse(&note, walk->options->witnesses[i], why) == -1 ||
		    checkpoint_parse(&checkpoint, note.text, why) == -1)
			return fault_prefix(why, "밖에 보관된 체크포인트", "the checkpoint kept outside");
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "밖에 보관된 체크포인트의 기록 %.*s이(가) 데이터베이스에 없습니다",
		          "the log %.*s of the checkpoint kept outside is not in the database",
		          SLICE_PRINT(checkpoint.origin));
		return verify_broken(walk, false, 0, NULL);
	}
	return 0;
}

static int
count_ask(struct database *database, const char *sql, const char *parameter, uint64_t *out, struct fault *why)
{
	struct database_rows *rows = NULL;

	if (database_ask(&rows, database, sql, parameter == NULL ? 0 : 1, &parameter, why) == -1)
		return -1;
	*out = (uint64_t)database_integer(rows, 0, 0);
	database_rows_free(rows);
	return 0;
}

/* Partitions come and go beside every snapshot: held from before it, what it shows is there. */
#define HOLD "LOCK TABLE haechi.entry, haechi.content IN ACCESS SHARE MODE; "

/* Both connections in one snapshot, reading in the order of the index and not by a sort on the server's disk. */
static int
snapshot_share(struct walk *walk, struct fault *why)
{
	struct database_rows *rows = NULL;
	char sql[256];
	bool whole;

	if (database_run(walk->stream,
	                 "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " HOLD
	                 "SET LOCAL enable_sort = off",
	                 why) == -1 ||
	    database_run(walk->side, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " HOLD, why) == -1 ||
	    database_ask(&rows, walk->stream, "SELECT haechi.sees_everything()", 0, NULL, why) == -1)
		return -1;
	whole = database_bool(rows, 0, 0);
	database_rows_free(rows);
	if (!whole)
		return fault_set(why, FAULT_FORBIDDEN,
		                 "이 로그인은 일부 기관의 행만 보므로 빠진 것을 판단할 수 없습니다: 전체를 "
		                 "보는 감사인으로 접속하십시오",
		                 "this login sees the rows of some agencies only, so a gap would mean "
		                 "nothing: connect as an "
		                 "auditor of all agencies");
	if (database_ask(&rows, walk->stream, "SELECT pg_export_snapshot()", 0, NULL, why) == -1)
		return -1;
	snprintf(sql, sizeof sql, "SET TRANSACTION SNAPSHOT '%s'", database_text(rows, 0, 0));
	database_rows_free(rows);
	return database_run(walk->side, sql, why);
}

/* ---- archives ------------------------------------------------------------------------------------------------------ */

/* The keys that archives are held against: those from outside, else all the database has. */
static int
keys_gather(struct keyring *out, struct walk *walk, const struct stored_log *logs, size_t count,
            struct fault *why)
{
	struct buffer announced;
	int result = 0;

	memset(out, 0, sizeof *out);
	if (walk->options->keyring != NULL) {
		*out = *walk->options->keyring;
		return 0;
	}
	buffer_init(&announced, KEYRING_LIMIT);
	for (size_t i = 0; i < count && result == 0; i++) {
		struct fault bad; /* verify_log() names it */

		buffer_reset(&announced);
		result = stored_keys(&announced, walk->side, logs[i].log_id, why);
		if (result == 0 && keyring_add(out, buffer_view(&announced), &bad) == -1)
			break;
	}
	buffer_free(&announced);
	return result;
}

/* Its entries may be the right ones, but it is not what the log recorded as the place they went to: signed again, by somebody. */
static int
stands_in(struct walk *walk, const struct bundle_report *bundle, const char *path)
{
	char month[CLOCK_TEXT_SIZE];

	clock_text(month, bundle->filter.from_ms);
	month[7] = '\0';
	for (size_t i = 0; bundle->filter.has_from && i < bundle->log_count; i++) {
		const struct archive *other =
		    detached_otherwise(walk->detached, bundle->logs[i].origin, month, bundle->manifest);

		if (other == NULL)
			continue;
		fault_set(WHAT(walk), FAULT_TAMPERED,
		          "보관함 %s 은(는) 기록이 %s 항목을 떼어 보냈다고 적은 보관함(%.16s…)이 아닙니다: "
		          "목록이 다시 "
		          "서명되었습니다",
		          "the archive %s is not the one that the log recorded for %s (%.16s...): its "
		          "manifest was signed "
		          "again",
		          path, month, other->manifest);
		return verify_broken(walk, false, 0, NULL);
	}
	return 0;
}

/* One archive by itself; its heads are then heads kept outside. */
static int
archive_look(struct walk *walk, const char *path, const struct keyring *keyring, struct fault *why)
{
	struct bundle_report *bundle = malloc(sizeof *bundle);
	struct arena *arena = arena_new((size_t)4 * 1024 * 1024);
	int result = -1;

	if (bundle == NULL || arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (bundle_check(bundle, path, keyring, arena, why) == -1) {
		if (why->kind != FAULT_TAMPERED && why->kind != FAULT_INVALID &&
		    why->kind != FAULT_TOO_LARGE && why->kind != FAULT_UNIDENTIFIED)
			goto out;
		*WHAT(walk) = *why;
		fault_prefix(WHAT(walk), "보관함 %s", "archive %s", path);
		result = verify_broken(walk, false, 0, NULL);
		goto out;
	}
	if (bundle->kind != MANIFEST_ARCHIVE) {
		fault_set(why, FAULT_USAGE, "%s: 보관함이 아닙니다", "%s: not an archive", path);
		goto out;
	}
	for (size_t i = 0; i < bundle->log_count; i++) {
		struct kept *kept = &walk->kept[walk->kept_count++];

		*kept = (struct kept){
		    .archive = path, .size = bundle->logs[i].size, .root = bundle->logs[i].root};
		memcpy(kept->origin, bundle->logs[i].origin, sizeof kept->origin);
	}
	if ((result = stands_in(walk, bundle, path)) != 0)
		goto out;
	/* One that the database still holds whole is of this history or not; nothing was detached to it. */
	(void)detached_seen(walk->detached, bundle->manifest);
	walk->report->archives++;
	result = 0;
out:
	arena_free(arena);
	free(bundle);
	return result;
}

static int
archives_look(struct walk *walk, const struct stored_log *logs, size_t count, struct fault *why)
{
	struct keyring *keyring = malloc(sizeof *keyring);
	const struct archive *wrong;
	int result = -1;

	if (keyring == NULL)
		return fault_memory(why);
	if (keys_gather(keyring, walk, logs, count, why) == -1)
		goto out;
	if ((result = detached_open(&walk->detached, &wrong, walk->side, keyring, why)) == 1) {
		*WHAT(walk) = *why;
		result = verify_broken(walk, wrong != NULL, wrong == NULL ? 0 : wrong->first, NULL);
		if (wrong != NULL)
			snprintf(walk->report->first.origin, sizeof walk->report->first.origin, "%s",
			         wrong->origin);
	}
	for (size_t i = 0; i < walk->options->archive_count && result == 0; i++)
		result = archive_look(walk, walk->options->archives[i], keyring, why);
out:
	free(keyring);
	return result;
}

int
verify_database(struct verify_report *report, const char *conninfo, const struct verify_options *options,
                struct fault *why)
{
	struct walk walk = {
	    .options = options, .report = report, .began_ms = clock_wall_ms(), .earliest_ms = INT64_MAX};
	struct stored_log *logs = calloc(STORED_LOGS, sizeof *logs);
	char from[CLOCK_TEXT_SIZE];
	int result = -1;
	size_t count;

	memset(report, 0, sizeof *report);
	buffer_init(&walk.head, NOTE_LIMIT);
	report->outside_keys = options->keyring != NULL;
	report->outside_heads = options->witness_count > 0;
	if (options->witness_count > VERIFY_WITNESSES) {
		fault_set(why, FAULT_USAGE, "밖에 보관된 체크포인트는 %d개까지입니다",
		          "at most %d checkpoints kept outside", VERIFY_WITNESSES);
		goto out;
	}
	if (options->archive_count > VERIFY_ARCHIVES) {
		fault_set(why, FAULT_USAGE, "보관함은 한 번에 %d개까지입니다", "at most %d archives at once",
		          VERIFY_ARCHIVES);
		goto out;
	}
	buffer_init(&walk.list, 2 * ENTRY_SIZE_LIMIT);
	walk.kept_count = options->witness_count;
	walk.kept =
	    calloc(options->witness_count + options->archive_count * MANIFEST_LOGS + 1, sizeof *walk.kept);
	if ((walk.arena = arena_new(ARENA_LIMIT)) == NULL || logs == NULL || walk.kept == NULL) {
		fault_memory(why);
		goto out;
	}
	if (database_open(&walk.stream, conninfo, why) == -1 ||
	    database_open(&walk.side, conninfo, why) == -1 || snapshot_share(&walk, why) == -1 ||
	    stored_logs(logs, &count, walk.side, why) == -1 ||
	    count_ask(walk.side,
	              "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_class c JOIN "
	              "pg_inherits i "
	              "ON i.inhrelid = c.oid WHERE i.inhparent = 'haechi.entry'::regclass",
	              NULL, &walk.total, why) == -1)
		goto out;
	result = archives_look(&walk, logs, count, why);
	for (size_t i = 0; i < count && result == 0; i++)
		result = verify_log(&walk, &logs[i], why);
	if (result == 0) {
		uint64_t seen;

		detached_count(walk.detached, &seen, &report->unseen);
	}
	if (result == 0)
		result = absent_check(&walk, logs, count, why);
	if (result == 0)
		result = strays_check(&walk, why);
	if (result == 0)
		result =
		    count_ask(walk.side, "SELECT count(*) FROM haechi.content WHERE wall >= $1::timestamptz",
		              contents_from(&walk, from), &report->contents, why);
out:
	database_close(walk.stream);
	database_close(walk.side);
	detached_close(walk.detached);
	arena_free(walk.arena);
	buffer_free(&walk.list);
	buffer_free(&walk.head);
	free(walk.kept);
	free(logs);
	return result == -1 ? -1 : 0;
}
