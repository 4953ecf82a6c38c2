#include "audit/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/anchor.h"
#include "audit/bundle.h"
#include "audit/cosignature.h"
#include "audit/query.h"
#include "audit/report.h"
#include "audit/stored.h"
#include "audit/timestamp.h"
#include "schema/base/clock.h"

#define RUNS_LIMIT    (16 * 1024 * 1024) /* of selected entries in one log: 256 MiB */
#define DERIVED_LIMIT (16 * 1024 * 1024)
#define ENTRY_ARENA   (1024 * 1024)

/* A file of the bundle while it is written: its digest grows with it. */
struct output {
	FILE *file;
	const char *name;
	crypto_hash_sha256_state state;
	uint64_t size;
	bool sealed;
};

struct exporting {
	const struct export_options *options;
	struct database *database;
	char directory[PATH_MAX]; /* beside the final one, until everything holds */
	struct manifest *manifest;
	struct report *report;
	struct buffer keys, line;
	struct output csv;
	struct arena *arena;
	struct export_result *out;
	/* of the log being written */
	struct selection_run *runs;
	size_t run_count, run_room;
	struct selection selection;
	struct output proof;
};

/* ---- files --------------------------------------------------------------------------------------------------------- */

static int
output_open(struct output *output, const struct exporting *exporting, const char *name, struct fault *why)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", exporting->directory, name) >= (int)sizeof path)
		return fault_set(why, FAULT_INVALID, "%s: 이름이 너무 깁니다", "%s: the name is too long",
		                 name);
	*output = (struct output){.name = name};
	crypto_hash_sha256_init(&output->state);
	if ((output->file = fopen(path, "wxe")) == NULL)
		return fault_errno(why, "%s", "%s", path);
	return 0;
}

static int
output_write(struct output *output, struct slice bytes, struct fault *why)
{
	crypto_hash_sha256_update(&output->state, bytes.data, bytes.size);
	output->size += bytes.size;
	if (fwrite(bytes.data, 1, bytes.size, output->file) != bytes.size)
		return fault_errno(why, "%s", "%s", output->name);
	return 0;
}

/* On the disk, and in the manifest. */
static int
output_close(struct output *output, struct exporting *exporting, struct fault *why)
{
	struct manifest *manifest = exporting->manifest;
	struct manifest_file *listed = &manifest->files[manifest->file_count];
	uint8_t digest[crypto_hash_sha256_BYTES];
	FILE *file = output->file;

	output->file = NULL;
	if (fflush(file) == EOF || fsync(fileno(file)) == -1) {
		fault_errno(why, "%s", "%s", output->name);
		fclose(file);
		return -1;
	}
	fclose(file);
	if (manifest->file_count == MANIFEST_FILES)
		return fault_set(why, FAULT_TOO_LARGE, "파일이 너무 많습니다", "too many files");
	crypto_hash_sha256_final(&output->state, digest);
	hex_encode(listed->digest, digest, sizeof digest);
	listed->size = output->size;
	listed->sealed = output->sealed;
	snprintf(listed->name, sizeof listed->name, "%s", output->name);
	manifest->file_count++;
	return 0;
}

static int
output_whole(struct exporting *exporting, const char *name, struct slice bytes, struct fault *why)
{
	struct output output;

	if (output_open(&output, exporting, name, why) == -1)
		return -1;
	if (output_write(&output, bytes, why) == -1) {
		fclose(output.file);
		return -1;
	}
	return output_close(&output, exporting, why);
}

static int
folder_make(const struct exporting *exporting, const char *name, struct fault *why)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", exporting->directory, name) >= (int)sizeof path)
		return fault_set(why, FAULT_INVALID, "%s: 이름이 너무 깁니다", "%s: the name is too long",
		                 name);
	return mkdir(path, 0755) == -1 ? fault_errno(why, "%s", "%s", path) : 0;
}

/* The names in a folder are on the disk as well: what was given out may be all there is. */
static int
folder_sync(const char *path, struct fault *why)
{
	const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (folder == -1 || fsync(folder) == -1)
		result = fault_errno(why, "%s", "%s", path);
	if (folder != -1)
		close(folder);
	return result;
}

static int
folders_sync(const struct exporting *exporting, struct fault *why)
{
	char path[PATH_MAX];

	for (size_t i = 0; i <= exporting->manifest->log_count; i++) {
		const int size = i == 0 ? snprintf(path, sizeof path, "%s/logs", exporting->directory)
		                        : snprintf(path, sizeof path, "%s/logs/%zu", exporting->directory, i);

		if (size >= (int)sizeof path)
			return fault_set(why, FAULT_INVALID, "%s: 이름이 너무 깁니다",
			                 "%s: the name is too long", exporting->directory);
		if (folder_sync(path, why) == -1)
			return -1;
	}
	return folder_sync(exporting->directory, why);
}

/* The folder's own name. */
static int
parent_sync(const char *path, struct fault *why)
{
	char parent[PATH_MAX];
	size_t size = (size_t)snprintf(parent, sizeof parent, "%s", path);

	while (size > 0 && size < sizeof parent && parent[size - 1] == '/')
		size--;
	while (size > 0 && parent[size - 1] != '/')
		size--;
	if (size == 0)
		strcpy(parent, ".");
	else
		parent[size] = '\0';
	return folder_sync(parent, why);
}

/* What a failed export leaves: three levels of plain files, all ours. */
static void
folder_remove(const struct exporting *exporting)
{
	static const char *const files[] = {"manifest",      "manifest.receipt", "keys",       "entries.csv",
	                                    "report.json",   "report.html",      "checkpoint", "proof",
	                                    "entries.jsonl", "contents"};
	char path[PATH_MAX];

	for (size_t folder = 0; folder <= STORED_LOGS + 1; folder++) {
		char below[32] = "";

		if (folder > 0 && folder <= STORED_LOGS)
			snprintf(below, sizeof below, "/logs/%zu", folder);
		for (size_t i = 0; i < sizeof files / sizeof *files && folder <= STORED_LOGS; i++)
			if (snprintf(path, sizeof path, "%s%s/%s", exporting->directory, below, files[i]) <
			    (int)sizeof path)
				unlink(path);
		if (folder > STORED_LOGS)
			snprintf(below, sizeof below, "/logs");
		if (folder > 0 &&
		    snprintf(path, sizeof path, "%s%s", exporting->directory, below) < (int)sizeof path)
			rmdir(path);
	}
	rmdir(exporting->directory);
}

/* ---- which entries --------------------------------------------------------------------------------------------------- */

static int
scalar_ask(struct database *database, const char *sql, bool *there, int64_t *value, struct fault *why)
{
	struct database_rows *rows = NULL;

	if (database_ask(&rows, database, sql, 0, NULL, why) == -1)
		return -1;
	*there = database_count(rows) > 0 && database_field(rows, 0, 0).data != NULL;
	*value = *there ? database_integer(rows, 0, 0) : 0;
	database_rows_free(rows);
	return 0;
}

/* The index before and the index behind a time, -1 when there is none or the clock makes it no edge. */
static int
edges_find(const struct exporting *exporting, int64_t log_id, uint64_t size, int64_t *left, int64_t *right,
           struct fault *why)
{
	const struct filter *filter = &exporting->options->filter;
	char sql[512], time[CLOCK_TEXT_SIZE];
	bool there;

	*left = *right = -1;
	if (!filter_is_time_only(filter) || exporting->options->kind == MANIFEST_ARCHIVE)
		return 0; /* an archive holds what a partition held, and nothing beside it */
	if (filter->has_from) {
		clock_text(time, filter->from_ms);
		snprintf(sql, sizeof sql,
		         "SELECT index FROM haechi.entry WHERE log_id = %" PRId64 " AND index < %" PRIu64
		         " AND wall < '%s' ORDER BY wall DESC, log_id DESC, index DESC LIMIT 1",
		         log_id, size, time);
		if (scalar_ask(exporting->database, sql, &there, left, why) == -1)
			return -1;
		*left = there ? *left : -1;
	}
	if (filter->has_to) {
		clock_text(time, filter->to_ms);
		snprintf(sql, sizeof sql,
		         "SELECT index FROM haechi.entry WHERE log_id = %" PRId64 " AND index < %" PRIu64
		         " AND wall >= '%s' ORDER BY wall, log_id, index LIMIT 1",
		         log_id, size, time);
		if (scalar_ask(exporting->database, sql, &there, right, why) == -1)
			return -1;
		*right = there ? *right : -1;
	}
	return 0;
}

static int
selection_query(struct buffer *sql, const struct exporting *exporting, int64_t log_id, uint64_t size,
                struct fault *why)
{
	int64_t left, right;

	if (edges_find(exporting, log_id, size, &left, &right, why) == -1)
		return -1;
	buffer_printf(sql,
	              "SELECT e.index, e.bytes FROM haechi.entry e WHERE e.log_id = %" PRId64
	              " AND e.index < %" PRIu64 " AND ((true",
	              log_id, size);
	query_conditions(sql, exporting->database, &exporting->options->filter);
	/* Edges only where the clock went forward: nothing inside the time may lie beyond them. */
	buffer_printf(sql,
	              ") OR (e.index = %" PRId64
	              " AND NOT EXISTS (SELECT FROM haechi.entry e WHERE e.log_id = %" PRId64
	              " AND e.index < %" PRId64,
	              left, log_id, left);
	query_conditions(sql, exporting->database, &exporting->options->filter);
	buffer_printf(sql,
	              ")) OR (e.index = %" PRId64
	              " AND NOT EXISTS (SELECT FROM haechi.entry e WHERE e.log_id = %" PRId64
	              " AND e.index > %" PRId64,
	              right, log_id, right);
	query_conditions(sql, exporting->database, &exporting->options->filter);
	buffer_string(sql, "))) ORDER BY e.index");
	return buffer_text(sql) == NULL ? fault_set(why, FAULT_INVALID, "조건이 너무 길거나 UTF-8이 아닙니다",
	                                            "a filter is too long or not UTF-8")
	                                : 0;
}

static int
run_add(struct exporting *exporting, uint64_t index, struct fault *why)
{
	struct selection *selection = &exporting->selection;
	struct selection_run *last =
	    exporting->run_count == 0 ? NULL : &exporting->runs[exporting->run_count - 1];

	if (selection->entries == 0)
		selection->first = index;
	else
		selection->left_out += index - selection->last - 1;
	selection->entries++;
	selection->last = index;
	if (last != NULL && last->first + last->count == index) {
		last->count++;
		return 0;
	}
	if (exporting->run_count == exporting->run_room) {
		const size_t room = exporting->run_room == 0 ? 1024 : exporting->run_room * 2;
		struct selection_run *grown;

		if (room > RUNS_LIMIT)
			return fault_set(why, FAULT_TOO_LARGE,
			                 "고른 항목이 너무 흩어져 있습니다: 기간을 나누십시오",
			                 "the selection is too scattered: split the time");
		if ((grown = reallocarray(exporting->runs, room, sizeof *grown)) == NULL)
			return fault_memory(why);
		exporting->runs = grown;
		exporting->run_room = room;
	}
	exporting->runs[exporting->run_count++] = (struct selection_run){index, 1};
	return 0;
}

/* ---- one log ----------------------------------------------------------------------------------------------------------- */

static int
entry_export(struct exporting *exporting, struct output *entries, const struct slice fields[2],
             struct fault *why)
{
	const uint64_t index = (uint64_t)field_integer(fields[0]);
	struct entry_columns columns;

	arena_reset(exporting->arena);
	if (entry_read(&columns, fields[1], exporting->arena, why) == -1)
		return fault_prefix(why, "%" PRIu64 "번 항목", "entry %" PRIu64, index);
	if (run_add(exporting, index, why) == -1 || output_write(entries, fields[1], why) == -1 ||
	    output_write(entries, SLICE_LITERAL("\n"), why) == -1)
		return -1;
	if (!filter_in_time(&exporting->options->filter, columns.wall_ms))
		return 0; /* shows an edge */
	exporting->out->entries++;
	if (exporting->options->kind == MANIFEST_ARCHIVE)
		return 0;
	buffer_reset(&exporting->line);
	report_csv_line(&exporting->line, index, slice_string(entry_kind_name(columns.kind)), &columns);
	if (!buffer_ok(&exporting->line))
		return fault_memory(why);
	return output_write(&exporting->csv, buffer_view(&exporting->line), why) == -1
	           ? -1
	           : report_add(exporting->report, index, &columns, fields[1], why);
}

static int
entries_export(struct exporting *exporting, const char *name, int64_t log_id, uint64_t size,
               struct fault *why)
{
	struct output entries = {0};
	struct slice fields[2];
	struct buffer sql;
	int result = -1, row;

	buffer_init(&sql, 64 * 1024);
	if (output_open(&entries, exporting, name, why) == -1 ||
	    selection_query(&sql, exporting, log_id, size, why) == -1 ||
	    database_copy(exporting->database, buffer_text(&sql), why) == -1)
		goto out;
	while ((row = database_copy_next(exporting->database, 2, fields, why)) == 1)
		if (entry_export(exporting, &entries, fields, why) == -1)
			goto out;
	if (row == 0)
		result = output_close(&entries, exporting, why);
out:
	if (entries.file != NULL)
		fclose(entries.file);
	buffer_free(&sql);
	return result;
}

/* Sealed content, in the order of its entries: a line "ENTRY PART BASE64" each. Without any there is no file. */
static int
contents_export(struct exporting *exporting, const char *name, int64_t log_id, struct fault *why)
{
	struct output contents = {0};
	struct slice fields[3];
	struct buffer sql;
	char *encoded = NULL;
	int result = -1, row;

	buffer_init(&sql, 64 * 1024);
	buffer_printf(&sql,
	              "SELECT c.entry_id, c.part, c.blob FROM haechi.content c JOIN haechi.entry e ON e.id = "
	              "c.entry_id AND e.log_id = c.log_id AND e.wall = c.wall WHERE e.log_id = %" PRId64,
	              log_id);
	query_conditions(&sql, exporting->database, &exporting->options->filter);
	buffer_string(&sql, " ORDER BY e.index, c.part");
	if (buffer_text(&sql) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (database_copy(exporting->database, buffer_text(&sql), why) == -1)
		goto out;
	while ((row = database_copy_next(exporting->database, 3, fields, why)) == 1) {
		const struct slice parts[] = {fields[0], SLICE_LITERAL(" "), fields[1], SLICE_LITERAL(" ")};

		if (contents.file == NULL && output_open(&contents, exporting, name, why) == -1)
			goto out;
		if ((encoded = malloc(BASE64_SIZE(fields[2].size))) == NULL) {
			fault_memory(why);
			goto out;
		}
		for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
			if (output_write(&contents, parts[i], why) == -1)
				goto out;
		if (output_write(&contents,
		                 slice_of(encoded, base64_encode(encoded, fields[2].data, fields[2].size)),
		                 why) == -1 ||
		    output_write(&contents, SLICE_LITERAL("\n"), why) == -1)
			goto out;
		free(encoded);
		encoded = NULL;
		exporting->out->contents++;
	}
	contents.sealed = true;
	if (row == 0)
		result = contents.file == NULL ? 0 : output_close(&contents, exporting, why);
out:
	if (contents.file != NULL)
		fclose(contents.file);
	buffer_free(&sql);
	free(encoded);
	return result;
}

static int
proof_line(void *context, struct slice line, struct fault *why)
{
	struct exporting *exporting = context;

	return output_write(&exporting->proof, line, why);
}

static int
proof_export(struct exporting *exporting, const char *name, int64_t log_id, uint64_t size, struct fault *why)
{
	struct stored_tree *tree = NULL;
	struct tree_reader reader;
	int result = -1;

	if (output_open(&exporting->proof, exporting, name, why) == -1 ||
	    stored_tree_open(&tree, exporting->database, log_id, size, why) == -1)
		goto out;
	reader = stored_tree_reader(tree);
	if (selection_write(exporting->runs, exporting->run_count, size, &reader, proof_line, exporting,
	                    why) == -1)
		goto out;
	result = output_close(&exporting->proof, exporting, why);
out:
	stored_tree_close(tree);
	if (exporting->proof.file != NULL)
		fclose(exporting->proof.file);
	exporting->proof.file = NULL;
	return result;
}

/* The newest stamp of this head or an earlier one, with the proof that this one grew from it. */
static int
stamp_export(struct exporting *exporting, const char *folder, int64_t log_id, uint64_t size,
             struct fault *why)
{
	struct buffer text, answer;
	char name[MANIFEST_PATH];
	int result = -1;

	buffer_init(&text, COSIGNATURE_REQUEST_LIMIT);
	buffer_init(&answer, TIMESTAMP_LIMIT);
	if (anchor_stampfile(&text, &answer, exporting->database, log_id, size, why) == -1) {
		result = why->kind == FAULT_NOT_FOUND ? 0 : -1;
		goto out;
	}
	snprintf(name, sizeof name, "%s/stamped", folder);
	if (output_whole(exporting, name, buffer_view(&text), why) == -1)
		goto out;
	snprintf(name, sizeof name, "%s/stamped.tsr", folder);
	result = output_whole(exporting, name, buffer_view(&answer), why);
out:
	buffer_free(&answer);
	buffer_free(&text);
	return result;
}

static int
log_export(struct exporting *exporting, const struct stored_log *log, struct fault *why)
{
	struct manifest *manifest = exporting->manifest;
	char folder[32], names[4][MANIFEST_PATH];
	struct checkpoint checkpoint;
	struct buffer bytes;
	struct note note;
	uint64_t size;
	int result = -1;

	buffer_init(&bytes, NOTE_LIMIT);
	if (anchor_choose(&bytes, &size, exporting->database, log->log_id, &exporting->options->filter,
	                  exporting->options->policy, why) == -1) {
		/* A log without a head has nothing proven to give; one without the head that was asked for does. */
		result = why->kind == FAULT_NOT_FOUND && exporting->options->policy == NULL ? 0 : -1;
		goto out;
	}
	if (note_parse(&note, buffer_view(&bytes), why) == -1 ||
	    checkpoint_parse(&checkpoint, note.text, why) == -1)
		goto out;
	if (stored_keys(&exporting->keys, exporting->database, log->log_id, why) == -1)
		goto out;
	manifest->logs[manifest->log_count++] = log->origin;
	snprintf(folder, sizeof folder, "logs/%zu", manifest->log_count);
	snprintf(names[0], sizeof names[0], "%s/entries.jsonl", folder);
	snprintf(names[1], sizeof names[1], "%s/proof", folder);
	snprintf(names[2], sizeof names[2], "%s/checkpoint", folder);
	snprintf(names[3], sizeof names[3], "%s/contents", folder);
	exporting->run_count = 0;
	exporting->selection = (struct selection){0};
	report_log(exporting->report, log->origin, size, &checkpoint.root);
	if (folder_make(exporting, folder, why) == -1 ||
	    entries_export(exporting, names[0], log->log_id, size, why) == -1 ||
	    proof_export(exporting, names[1], log->log_id, size, why) == -1 ||
	    output_whole(exporting, names[2], buffer_view(&bytes), why) == -1 ||
	    stamp_export(exporting, folder, log->log_id, size, why) == -1)
		goto out;
	if (exporting->options->kind == MANIFEST_ARCHIVE &&
	    contents_export(exporting, names[3], log->log_id, why) == -1)
		goto out;
	report_log_end(exporting->report, &exporting->selection);
	result = 0;
out:
	buffer_free(&bytes);
	return result;
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

static int
manifest_begin(struct exporting *exporting, struct arena *arena, struct fault *why)
{
	struct manifest *manifest = exporting->manifest;
	struct database_rows *rows = NULL;

	manifest->kind = exporting->options->kind;
	manifest->made_ms = clock_wall_ms();
	manifest->renderer = MANIFEST_RENDERER;
	manifest->filter = exporting->options->filter;
	if (database_ask(&rows, exporting->database, "SELECT session_user::text", 0, NULL, why) == -1)
		return -1;
	manifest->by = arena_string(arena, database_text(rows, 0, 0));
	database_rows_free(rows);
	return manifest->by == NULL ? fault_memory(why) : report_new(&exporting->report, manifest, why);
}

static int
derived_export(struct exporting *exporting, struct fault *why)
{
	struct buffer text;
	int result = -1;

	buffer_init(&text, DERIVED_LIMIT);
	if (exporting->options->kind == MANIFEST_ARCHIVE) {
		result = 0;
		goto out;
	}
	if (output_close(&exporting->csv, exporting, why) == -1)
		goto out;
	if (exporting->options->kind == MANIFEST_REPORT) {
		report_json(&text, exporting->report);
		if (!buffer_ok(&text) ||
		    output_whole(exporting, "report.json", buffer_view(&text), why) == -1)
			goto out;
		buffer_reset(&text);
		report_html(&text, exporting->report);
		if (!buffer_ok(&text) ||
		    output_whole(exporting, "report.html", buffer_view(&text), why) == -1)
			goto out;
	}
	result = 0;
out:
	if (!buffer_ok(&text))
		fault_memory(why);
	buffer_free(&text);
	return result;
}

/* The key goes into `keys` before the manifest that lists `keys` is signed with it: so the key is asked for twice. */
static int
manifest_export(struct exporting *exporting, struct fault *why)
{
	const struct export_options *options = exporting->options;
	struct buffer text, note, receipt, vkey;
	uint8_t digest[crypto_hash_sha256_BYTES];
	char path[PATH_MAX + 32];
	struct note_key key;
	int result = -1;

	buffer_init(&text, MANIFEST_LIMIT);
	buffer_init(&note, MANIFEST_LIMIT);
	buffer_init(&receipt, MANIFEST_LIMIT);
	buffer_init(&vkey, NOTE_VKEY_SIZE);
	if (report_key_sign(&note, &key, options->key_file, SLICE_LITERAL("key\n"), why) == -1)
		goto out;
	note_key_write(&vkey, &key);
	snprintf(exporting->out->vkey, sizeof exporting->out->vkey, "%s", buffer_text(&vkey));
	buffer_slice(&exporting->keys, buffer_view(&vkey));
	buffer_byte(&exporting->keys, '\n');
	if (!buffer_ok(&exporting->keys)) {
		fault_memory(why);
		goto out;
	}
	if (output_whole(exporting, "keys", buffer_view(&exporting->keys), why) == -1)
		goto out;
	manifest_write(&text, exporting->manifest);
	buffer_reset(&note);
	if (!buffer_ok(&text)) {
		fault_memory(why);
		goto out;
	}
	if (report_key_sign(&note, &key, options->key_file, buffer_view(&text), why) == -1)
		goto out;
	snprintf(path, sizeof path, "%s/manifest", exporting->directory);
	if (file_replace(path, buffer_view(&note), 0644, why) == -1)
		goto out;
	crypto_hash_sha256(digest, note.data, note.size);
	hex_encode(exporting->out->manifest, digest, sizeof digest);
	if (options->record != NULL) {
		if (options->record(options->context, exporting->out->manifest, &receipt, why) == -1)
			goto out;
		snprintf(path, sizeof path, "%s/manifest.receipt", exporting->directory);
		if (receipt.size > 0 && file_replace(path, buffer_view(&receipt), 0644, why) == -1)
			goto out;
		exporting->out->recorded = receipt.size > 0;
	}
	result = 0;
out:
	buffer_free(&text);
	buffer_free(&note);
	buffer_free(&receipt);
	buffer_free(&vkey);
	return result;
}

static int
bundle_make(struct exporting *exporting, const struct stored_log *logs, size_t count, struct arena *arena,
            struct fault *why)
{
	const char *wanted = exporting->options->filter.log;
	struct buffer head;
	int result = 0;

	if (manifest_begin(exporting, arena, why) == -1 || folder_make(exporting, "logs", why) == -1)
		return -1;
	if (exporting->options->kind != MANIFEST_ARCHIVE) {
		if (output_open(&exporting->csv, exporting, "entries.csv", why) == -1)
			return -1;
		buffer_init(&head, 4096);
		report_csv_head(&head);
		result = output_write(&exporting->csv, buffer_view(&head), why);
		buffer_free(&head);
	}
	for (size_t i = 0; i < count && result == 0; i++)
		if (wanted == NULL || strcmp(wanted, logs[i].origin) == 0)
			result = log_export(exporting, &logs[i], why);
	exporting->out->logs = exporting->manifest->log_count;
	if (result == 0)
		result = derived_export(exporting, why);
	return result == 0 ? manifest_export(exporting, why) : -1;
}

/* The folder as its reader will see it, by the keys that lie in it: what does not hold here is not given out. */
static int
self_check(const struct exporting *exporting, struct arena *arena, struct fault *why)
{
	struct bundle_report *report = malloc(sizeof *report);
	int result;

	if (report == NULL)
		return fault_memory(why);
	result = bundle_check(report, exporting->directory, NULL, arena, why);
	if (result == 0 && report->entries != exporting->out->entries)
		result = fault_set(why, FAULT_INTERNAL, "내보낸 항목의 수가 맞지 않습니다",
		                   "the number of exported entries does not agree");
	if (result == -1)
		fault_prefix(why, "내보낸 것이 맞지 않아 버렸습니다",
		             "what was exported does not hold and was discarded");
	free(report);
	return result;
}

int
export_run(struct export_result *out, struct database *database, const struct export_options *options,
           struct fault *why)
{
	struct exporting exporting = {.options = options, .database = database, .out = out};
	struct stored_log *logs = calloc(STORED_LOGS, sizeof *logs);
	struct arena *arena = arena_new(4 * 1024 * 1024);
	struct buffer about;
	int result = -1;
	size_t count;

	memset(out, 0, sizeof *out);
	buffer_init(&about, 64 * 1024);
	buffer_init(&exporting.keys, KEYRING_LIMIT);
	buffer_init(&exporting.line, 8 * ENTRY_SIZE_LIMIT);
	exporting.manifest = calloc(1, sizeof *exporting.manifest);
	exporting.arena = arena_new(ENTRY_ARENA);
	if (logs == NULL || arena == NULL || exporting.manifest == NULL || exporting.arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (filter_check(&options->filter, why) == -1)
		goto out;
	filter_describe(&about, &options->filter);
	if (buffer_text(&about) == NULL || snprintf(exporting.directory, sizeof exporting.directory,
	                                            "%s.partial", options->directory) >= PATH_MAX - 128) {
		fault_set(why, FAULT_USAGE, "조건이나 폴더 이름이 너무 깁니다",
		          "the filters or the folder's name are too long");
		goto out;
	}
	if (query_access_note(database, manifest_kind_name(options->kind), buffer_text(&about),
	                      options->reason, why) == -1 ||
	    database_run(database,
	                 "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE haechi.entry IN ACCESS "
	                 "SHARE MODE",
	                 why) == -1 ||
	    stored_logs(logs, &count, database, why) == -1)
		goto out;
	if (mkdir(exporting.directory, options->kind == MANIFEST_ARCHIVE ? 0700 : 0755) == -1) {
		fault_errno(why, "%s", "%s", exporting.directory);
		goto out;
	}
	result = bundle_make(&exporting, logs, count, arena, why);
	if (exporting.csv.file != NULL)
		fclose(exporting.csv.file);
	if (result == 0)
		result = self_check(&exporting, arena, why);
	if (result == 0)
		result = folders_sync(&exporting, why);
	if (result == 0 && rename(exporting.directory, options->directory) == -1)
		result = fault_errno(why, "%s", "%s", options->directory);
	else if (result == 0 && (result = parent_sync(options->directory, why)) == -1)
		goto out; /* it has its name: it stays */
	if (result == -1)
		folder_remove(&exporting);
	else
		result = database_run(database, "COMMIT", why);
out:
	report_free(exporting.report);
	arena_free(exporting.arena);
	arena_free(arena);
	buffer_free(&about);
	buffer_free(&exporting.keys);
	buffer_free(&exporting.line);
	free(exporting.runs);
	free(exporting.manifest);
	free(logs);
	return result;
}
