#define _GNU_SOURCE /* memmem */

#include "audit/archive.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/receipt.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

#define RUNS_ARENA ((size_t)64 * 1024 * 1024)
#define DAY_MS     INT64_C(86400000)

/* ---- months -------------------------------------------------------------------------------------------------------- */

int
archive_month(struct filter *out, const char *month, int64_t now_ms, struct fault *why)
{
	char text[64];
	int year, number, end = 0;

	memset(out, 0, sizeof *out);
	if (strlen(month) != ARCHIVE_MONTH - 1 || sscanf(month, "%4d-%2d%n", &year, &number, &end) != 2 ||
	    end != ARCHIVE_MONTH - 1 || year < 2000 || year > 9998 || number < 1 || number > 12)
		return fault_set(why, FAULT_USAGE, "달은 2026-03 처럼 적습니다: '%s'",
		                 "a month is written as 2026-03: '%s'", month);
	snprintf(text, sizeof text, "%04d-%02d-01T00:00:00.000Z", year, number);
	out->has_from = clock_parse(&out->from_ms, slice_string(text), false);
	snprintf(text, sizeof text, "%04d-%02d-01T00:00:00.000Z", number == 12 ? year + 1 : year,
	         number == 12 ? 1 : number + 1);
	out->has_to = clock_parse(&out->to_ms, slice_string(text), false);
	if (out->to_ms > now_ms)
		return fault_set(why, FAULT_USAGE, "%s 은(는) 아직 끝나지 않았습니다 (UTC 기준)",
		                 "%s is not over yet (in UTC)", month);
	return 0;
}

/* ---- reading a folder ------------------------------------------------------------------------------------------------ */

struct folder {
	const char *path;
	struct manifest *manifest;
	struct arena *arena;
	char digest[65]; /* of the manifest */
};

static void
folder_close(struct folder *folder)
{
	free(folder->manifest);
	arena_free(folder->arena);
}

/* The manifest as it lies there; who signed it is bundle_check()'s to say. */
static int
folder_open(struct folder *folder, const char *path, struct fault *why)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	char name[PATH_MAX];
	struct buffer bytes;
	struct note note;
	int result = -1;

	*folder = (struct folder){.path = path,
	                          .manifest = calloc(1, sizeof *folder->manifest),
	                          .arena = arena_new((size_t)4 * 1024 * 1024)};
	buffer_init(&bytes, MANIFEST_LIMIT);
	if (folder->manifest == NULL || folder->arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (snprintf(name, sizeof name, "%s/manifest", path) >= (int)sizeof name) {
		fault_set(why, FAULT_INVALID, "%s: 이름이 너무 깁니다", "%s: the name is too long", path);
		goto out;
	}
	if (file_read(&bytes, name, MANIFEST_LIMIT, why) == -1)
		goto out;
	if (note_parse(&note, buffer_view(&bytes), why) == -1 ||
	    manifest_read(folder->manifest, note.text, folder->arena, why) == -1) {
		fault_prefix(why, "%s", "%s", path);
		goto out;
	}
	crypto_hash_sha256(digest, bytes.data, bytes.size);
	hex_encode(folder->digest, digest, sizeof digest);
	result = 0;
out:
	buffer_free(&bytes);
	if (result == -1)
		folder_close(folder);
	return result;
}

struct lines {
	FILE *file;
	char *line;
	size_t room;
	uint64_t offset; /* of the line last given */
	struct slice text;
};

static int
lines_open(struct lines *lines, const struct folder *folder, size_t which, const char *name,
           struct fault *why)
{
	char path[PATH_MAX];

	memset(lines, 0, sizeof *lines);
	if (snprintf(path, sizeof path, "%s/logs/%zu/%s", folder->path, which + 1, name) >= (int)sizeof path)
		return fault_set(why, FAULT_INVALID, "%s: 이름이 너무 깁니다", "%s: the name is too long",
		                 folder->path);
	return (lines->file = fopen(path, "re")) == NULL ? fault_errno(why, "%s", "%s", path) : 0;
}

static void
lines_close(struct lines *lines)
{
	if (lines->file != NULL)
		fclose(lines->file);
	free(lines->line);
}

/* false: the end, or a line that no entry can be. */
static bool
lines_next(struct lines *lines)
{
	ssize_t size;

	lines->offset += lines->text.data == NULL ? 0 : lines->text.size + 1;
	size = getline(&lines->line, &lines->room, lines->file);
	if (size <= 0 || (size_t)size > ENTRY_SIZE_LIMIT + 1 || lines->line[size - 1] != '\n')
		return false;
	lines->text = slice_of(lines->line, (size_t)size - 1);
	return true;
}

/* One log of a folder: entry after entry, numbered by the runs of its proof. */
static int
log_read(const struct folder *folder, size_t which,
         int (*seen)(void *context, const struct archive_line *line, struct fault *why), void *context,
         struct fault *why)
{
	struct lines entries = {0}, proof = {0};
	struct archive_line line = {.origin = folder->manifest->logs[which], .folder = (unsigned)which + 1};
	uint64_t left = 0;
	int result = -1;

	if (lines_open(&entries, folder, which, "entries.jsonl", why) == -1 ||
	    lines_open(&proof, folder, which, "proof", why) == -1)
		goto out;
	while (lines_next(&entries)) {
		while (left == 0) {
			char text[SELECTION_LINE_LIMIT];

			if (!lines_next(&proof)) {
				fault_set(why, FAULT_INVALID, "%s/logs/%zu: 증명보다 항목이 많습니다",
				          "%s/logs/%zu: more entries than its proof knows", folder->path,
				          which + 1);
				goto out;
			}
			snprintf(text, sizeof text, "%.*s", SLICE_PRINT(proof.text));
			if (sscanf(text, "run %" SCNu64 " %" SCNu64, &line.index, &left) != 2)
				left = 0;
		}
		line.offset = entries.offset;
		line.bytes = entries.text;
		if ((result = seen(context, &line, why)) != 1)
			goto out;
		result = -1;
		line.index++;
		left--;
	}
	result = ferror(entries.file) ? fault_errno(why, "%s", "%s", folder->path) : 1;
out:
	lines_close(&entries);
	lines_close(&proof);
	return result;
}

int
archive_read(const char *directory,
             int (*seen)(void *context, const struct archive_line *line, struct fault *why), void *context,
             struct fault *why)
{
	struct folder folder;
	int result = 1;

	if (folder_open(&folder, directory, why) == -1)
		return -1;
	if (folder.manifest->kind != MANIFEST_ARCHIVE)
		result =
		    fault_set(why, FAULT_INVALID, "%s: 보관함이 아닙니다", "%s: not an archive", directory);
	for (size_t i = 0; i < folder.manifest->log_count && result == 1; i++)
		result = log_read(&folder, i, seen, context, why);
	folder_close(&folder);
	return result == -1 ? -1 : 0;
}

/* ---- what went where -------------------------------------------------------------------------------------------------- */

/* "0 5 9 1" as array_to_string() gives it. */
static int
runs_read(struct archive *archive, const char *text, struct arena *arena, struct fault *why)
{
	struct selection_run *runs;
	size_t count = 0;
	char *end;

	for (const char *at = text; *at != '\0'; at++)
		count += *at == ' ';
	count = (count + 1) / 2;
	if (count > ARCHIVE_RUNS_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "보관함의 토막이 너무 많습니다",
		                 "too many runs in an archive");
	if ((runs = arena_array(arena, count, sizeof *runs)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < count; i++) {
		runs[i].first = strtoull(text, &end, 10);
		text = end;
		runs[i].count = strtoull(text, &end, 10);
		text = end;
		if (runs[i].count == 0 || runs[i].count >= TREE_SIZE_LIMIT ||
		    runs[i].first >= TREE_SIZE_LIMIT ||
		    (i > 0 && runs[i].first <= runs[i - 1].first + runs[i - 1].count))
			return fault_set(why, FAULT_TAMPERED, "보관함 %.16s…의 토막이 잘못되었습니다",
			                 "the runs of archive %.16s... are not valid", archive->manifest);
	}
	archive->runs = runs;
	archive->run_count = count;
	return 0;
}

int
archive_list(struct archive **out, size_t *count, struct database *database, bool runs, struct arena *arena,
             struct fault *why)
{
	struct database_rows *rows = NULL;
	struct archive *list;
	int result = -1;

	*count = 0;
	if (database_ask(
	        &rows, database,
	        runs ? "SELECT a.log_id, l.origin, to_char(a.month, 'YYYY-MM'), a.manifest, a.place, "
	               "a.detached_by, (extract(epoch FROM a.detached_at) * 1000)::bigint, a.first, "
	               "a.last, a.entries, array_to_string(a.runs, ' '), a.receipt "
	               "FROM haechi.archive a JOIN haechi.log l USING (log_id) ORDER BY a.log_id, a.first"
	             : "SELECT a.log_id, l.origin, to_char(a.month, 'YYYY-MM'), a.manifest, a.place, "
	               "a.detached_by, (extract(epoch FROM a.detached_at) * 1000)::bigint, a.first, "
	               "a.last, a.entries, '', ''::bytea "
	               "FROM haechi.archive a JOIN haechi.log l USING (log_id) ORDER BY a.log_id, a.first",
	        0, NULL, why) == -1)
		return -1;
	if (database_count(rows) > ARCHIVE_ROWS_LIMIT) {
		fault_set(why, FAULT_TOO_LARGE, "보관함이 너무 많습니다", "too many archives");
		goto out;
	}
	if ((list = arena_array(arena, database_count(rows) + 1, sizeof *list)) == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < database_count(rows); i++) {
		list[i] = (struct archive){
		    .log_id = database_integer(rows, i, 0),
		    .origin = arena_string(arena, database_text(rows, i, 1)),
		    .month = arena_string(arena, database_text(rows, i, 2)),
		    .manifest = arena_string(arena, database_text(rows, i, 3)),
		    .place = arena_string(arena, database_text(rows, i, 4)),
		    .detached_by = arena_string(arena, database_text(rows, i, 5)),
		    .detached_ms = database_integer(rows, i, 6),
		    .first = (uint64_t)database_integer(rows, i, 7),
		    .last = (uint64_t)database_integer(rows, i, 8),
		    .entries = (uint64_t)database_integer(rows, i, 9),
		    .receipt = arena_slice(arena, database_field(rows, i, 11)),
		};
		if (!arena_ok(arena)) {
			fault_memory(why);
			goto out;
		}
		if (runs && runs_read(&list[i], database_text(rows, i, 10), arena, why) == -1)
			goto out;
	}
	*out = list;
	*count = database_count(rows);
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

static bool
facts_agree(const struct archive *archive, const json_t *facts)
{
	const char *const manifest = json_get_string(facts, "manifest"),
	                  *const log = json_get_string(facts, "log"),
	                  *const runs = json_get_string(facts, "runs"),
	                  *const month = json_get_string(facts, "month");
	uint64_t entries = 0;
	char digest[65];

	for (size_t i = 0; i < archive->run_count; i++)
		entries += archive->runs[i].count;
	selection_runs_digest(digest, archive->runs, archive->run_count);
	return manifest != NULL && strcmp(manifest, archive->manifest) == 0 && log != NULL &&
	       strcmp(log, archive->origin) == 0 && month != NULL && strcmp(month, archive->month) == 0 &&
	       runs != NULL && strcmp(runs, digest) == 0 && entries == archive->entries &&
	       archive->run_count > 0 && archive->runs[0].first == archive->first &&
	       archive->runs[archive->run_count - 1].first + archive->runs[archive->run_count - 1].count ==
	           archive->last + 1;
}

int
archive_believe(const struct archive *archive, const struct keyring *keyring, struct arena *arena,
                struct fault *why)
{
	struct receipt *receipt = malloc(sizeof *receipt);
	json_t *entry = NULL;
	const json_t *body;
	const char *action;
	int result = -1;

	if (receipt == NULL)
		return fault_memory(why);
	if (receipt_check(receipt, archive->receipt, keyring, arena, why) == -1 ||
	    (entry = json_read(receipt->entry, ENTRY_SIZE_LIMIT, JSON_DEPTH_LIMIT, why)) == NULL) {
		fault_prefix(why, "%s 보관함을 뗐다는 기록의 영수증", "the receipt of the detaching of %s",
		             archive->month);
		goto out;
	}
	body = json_object_get(entry, "body");
	action = json_get_string(body, "action");
	if (receipt->columns.kind != ENTRY_EXPORT || action == NULL || strcmp(action, "detach") != 0 ||
	    !facts_agree(archive, json_object_get(body, "facts"))) {
		fault_set(why, FAULT_TAMPERED, "%s 보관함의 행이 기록에 남은 것과 다릅니다",
		          "the row of the archive of %s is not what the log recorded", archive->month);
		goto out;
	}
	result = 0;
out:
	json_decref(entry);
	free(receipt);
	return result;
}

/* ---- one entry -------------------------------------------------------------------------------------------------------------- */

struct wanted {
	char needle[ENTRY_ID_SIZE + 8];
	struct buffer *bytes;
	char origin[STORED_ORIGIN_SIZE];
	uint64_t index;
	bool found;
};

static int
is_wanted(void *context, const struct archive_line *line, struct fault *why)
{
	struct wanted *wanted = context;

	if (memmem(line->bytes.data, line->bytes.size, wanted->needle, strlen(wanted->needle)) == NULL)
		return 1;
	buffer_reset(wanted->bytes);
	buffer_slice(wanted->bytes, line->bytes);
	snprintf(wanted->origin, sizeof wanted->origin, "%s", line->origin);
	wanted->index = line->index;
	wanted->found = true;
	return buffer_ok(wanted->bytes) ? 0 : fault_memory(why);
}

/* Milliseconds of a UUIDv7. */
static bool
time_of(const char *id, int64_t *wall_ms)
{
	uint8_t bytes[6];
	char hex[13];

	if (strlen(id) != ENTRY_ID_SIZE - 1)
		return false;
	snprintf(hex, sizeof hex, "%.8s%.4s", id, id + 9);
	if (!hex_decode(bytes, sizeof bytes, slice_of(hex, 12)))
		return false;
	*wall_ms = 0;
	for (size_t i = 0; i < sizeof bytes; i++)
		*wall_ms = *wall_ms << 8 | bytes[i];
	return true;
}

/* A file knows no row-level security: what the login may not see in the database, it is not given out of an archive. */
static int
may_see(struct database *database, const char *id, struct slice bytes, struct fault *why)
{
	struct arena *arena = arena_new((size_t)1024 * 1024);
	struct database_rows *rows = NULL;
	struct entry_columns columns;
	const char *parameters[1];
	int result = -1;

	if (arena == NULL)
		return fault_memory(why);
	if (entry_read(&columns, bytes, arena, why) == -1)
		goto out;
	if (!slice_is(columns.id, id)) {
		fault_set(why, FAULT_TAMPERED, "보관함의 항목이 찾는 것이 아닙니다",
		          "the archive's entry is not the one that is looked for");
		goto out;
	}
	parameters[0] = arena_text(arena, columns.agency);
	if (database_ask(&rows, database,
	                 "SELECT haechi.sees_everything() OR $1 = ANY (haechi.my_agencies())", 1, parameters,
	                 why) == -1)
		goto out;
	result = database_bool(rows, 0, 0)
	             ? 0
	             : fault_set(why, FAULT_NOT_FOUND, "이 항목은 이 로그인이 볼 수 있는 것이 아닙니다",
	                         "this entry is not this login's to see");
out:
	database_rows_free(rows);
	arena_free(arena);
	return result;
}

static int
log_of(struct stored_log *log, struct database *database, const char *origin, struct fault *why)
{
	const char *parameters[] = {origin};
	struct database_rows *rows = NULL;

	if (database_ask(&rows, database, "SELECT log_id FROM haechi.log WHERE origin = $1", 1, parameters,
	                 why) == -1)
		return -1;
	if (database_count(rows) == 0) {
		database_rows_free(rows);
		return fault_set(why, FAULT_NOT_FOUND, "기록 %s이(가) 데이터베이스에 없습니다",
		                 "the log %s is not in the database", origin);
	}
	log->log_id = database_integer(rows, 0, 0);
	snprintf(log->origin, sizeof log->origin, "%s", origin);
	database_rows_free(rows);
	return 0;
}

/* Every place that may hold it; the last one tried is in *why when none does. */
static int
places_look(struct wanted *wanted, struct database *database, const char *id, struct fault *why)
{
	struct database_rows *rows = NULL;
	char from[32], to[32];
	const char *parameters[] = {from, to};
	struct fault unreadable = {0};
	int64_t wall_ms;

	if (!time_of(id, &wall_ms))
		return 0;
	snprintf(from, sizeof from, "%" PRId64, (wall_ms - DAY_MS) / 1000);
	snprintf(to, sizeof to, "%" PRId64, (wall_ms + DAY_MS) / 1000);
	if (database_ask(&rows, database,
	                 "SELECT DISTINCT place, manifest FROM haechi.archive WHERE month BETWEEN "
	                 "date_trunc('month', to_timestamp($1::bigint) AT TIME ZONE 'UTC')::date AND "
	                 "to_timestamp($2::bigint)::date",
	                 2, parameters, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows) && !wanted->found; i++)
		if (archive_read(database_text(rows, i, 0), is_wanted, wanted, &unreadable) == -1)
			fault_set(why, FAULT_NOT_FOUND,
			          "항목 %s은(는) 보관함 %s 에 있을 수 있는데 여기서 읽을 수 없습니다: "
			          "--archive 로 그 폴더를 주십시오",
			          "entry %s may be in the archive %s, which cannot be read here: give the "
			          "folder by "
			          "--archive",
			          id, database_text(rows, i, 0));
	database_rows_free(rows);
	return 0;
}

int
archive_entry(struct buffer *bytes, struct stored_log *log, uint64_t *index, struct database *database,
              const char *id, const char *const *folders, size_t folder_count, struct fault *why)
{
	struct wanted wanted = {.bytes = bytes};

	if (strlen(id) >= ENTRY_ID_SIZE)
		return fault_set(why, FAULT_NOT_FOUND, "항목 id가 아닙니다", "not the id of an entry");
	snprintf(wanted.needle, sizeof wanted.needle, "\"id\":\"%s\"", id);
	fault_set(why, FAULT_NOT_FOUND, "항목 %s이(가) 데이터베이스에도 보관함에도 없습니다",
	          "entry %s is neither in the database nor in an archive", id);
	for (size_t i = 0; i < folder_count && !wanted.found; i++)
		if (archive_read(folders[i], is_wanted, &wanted, why) == -1)
			return -1;
	if (folder_count == 0 && places_look(&wanted, database, id, why) == -1)
		return -1;
	if (!wanted.found)
		return -1;
	*index = wanted.index;
	return may_see(database, id, buffer_view(bytes), why) == -1
	           ? -1
	           : log_of(log, database, wanted.origin, why);
}
