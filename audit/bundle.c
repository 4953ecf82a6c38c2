#include "audit/bundle.h"

#include <dirent.h>
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

#include "audit/receipt.h"
#include "audit/timestamp.h"
#include "audit/report.h"
#include "schema/base/json.h"

#define ENTRY_ARENA   (1024 * 1024)
#define DERIVED_LIMIT (16 * 1024 * 1024) /* report.json, report.html */
#define CONTENT_LIMIT (23 * 1024 * 1024) /* base64 of one sealed content */
#define CONTENT_PART  16

struct checking {
	struct bundle_report *out;
	const char *directory;
	struct manifest *manifest;
	struct keyring *keyring;
	struct report *report;
	crypto_hash_sha256_state csv; /* of entries.csv as it should be */
	uint64_t csv_size;
	struct arena *entry_arena;
	struct buffer line;
	/* of the log being read */
	struct bundle_log *log;
	FILE *entries, *proof;
	FILE *contents;                  /* NULL: none */
	char content_for[ENTRY_ID_SIZE]; /* entry of the line that was begun; "" at the end */
	bool opened;                     /* the first entry has come: no other may show the left edge */
	bool closed;                     /* the right edge was shown: nothing may follow */
};

static int
path_make(char out[PATH_MAX], const struct checking *checking, const char *name, struct fault *why)
{
	if (snprintf(out, PATH_MAX, "%s/%s", checking->directory, name) < PATH_MAX)
		return 0;
	return fault_set(why, FAULT_INVALID, "%s: 이름이 너무 깁니다", "%s: the name is too long", name);
}

/* A plain file of the bundle: links lead out of it. */
static FILE *
file_open(const struct checking *checking, const char *name, struct fault *why)
{
	char path[PATH_MAX];
	struct stat status;
	FILE *file = NULL;
	int descriptor;

	if (path_make(path, checking, name, why) == -1)
		return NULL;
	descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (descriptor == -1 && errno == ENOENT) {
		fault_set(why, FAULT_TAMPERED, "%s: 파일이 없습니다", "%s: the file is missing", name);
		return NULL;
	}
	if (descriptor == -1 || fstat(descriptor, &status) == -1) {
		fault_errno(why, "%s", "%s", name);
	} else if (!S_ISREG(status.st_mode)) {
		fault_set(why, FAULT_INVALID, "%s: 보통 파일이 아닙니다", "%s: not a plain file", name);
	} else if ((file = fdopen(descriptor, "r")) != NULL) {
		return file;
	} else {
		fault_errno(why, "%s", "%s", name);
	}
	if (descriptor != -1)
		close(descriptor);
	return NULL;
}

static int
file_take(struct buffer *out, const struct checking *checking, const char *name, size_t limit,
          struct fault *why)
{
	FILE *file = file_open(checking, name, why);
	uint8_t block[8192];
	size_t size;
	int result = -1;

	if (file == NULL)
		return -1;
	buffer_init(out, limit);
	while ((size = fread(block, 1, sizeof block, file)) > 0)
		buffer_append(out, block, size);
	if (ferror(file))
		fault_errno(why, "%s", "%s", name);
	else if (!buffer_ok(out))
		fault_set(why, FAULT_TOO_LARGE, "%s: 너무 큽니다", "%s: too large", name);
	else
		result = 0;
	fclose(file);
	return result;
}

/* ---- the manifest and every file's digest --------------------------------------------------------------------------- */

/* Sealed content goes before the evidence does: its place is on the manifest still. */
static bool
is_gone(const struct checking *checking, const struct manifest_file *listed)
{
	char path[PATH_MAX];
	struct stat status;
	struct fault why;

	return listed->sealed && path_make(path, checking, listed->name, &why) == 0 &&
	       lstat(path, &status) == -1 && errno == ENOENT;
}

static int
digest_check(const struct checking *checking, const struct manifest_file *listed, struct fault *why)
{
	FILE *file;
	crypto_hash_sha256_state state;
	uint8_t block[65536], digest[crypto_hash_sha256_BYTES];
	uint64_t total = 0;
	char hex[65];
	size_t size;
	bool failed;

	if (is_gone(checking, listed))
		return 0;
	if ((file = file_open(checking, listed->name, why)) == NULL)
		return -1;
	crypto_hash_sha256_init(&state);
	while ((size = fread(block, 1, sizeof block, file)) > 0) {
		crypto_hash_sha256_update(&state, block, size);
		total += size;
	}
	failed = ferror(file) != 0;
	fclose(file);
	if (failed)
		return fault_errno(why, "%s", "%s", listed->name);
	crypto_hash_sha256_final(&state, digest);
	hex_encode(hex, digest, sizeof digest);
	if (total != listed->size || strcmp(hex, listed->digest) != 0)
		return fault_set(why, FAULT_TAMPERED, "%s: 파일이 manifest에 적힌 것과 다릅니다",
		                 "%s: the file is not the one the manifest lists", listed->name);
	return 0;
}

/* Files that the manifest does not know: they would look as if they were proven. */
static int
strangers_check(const struct checking *checking, const char *below, unsigned depth, struct fault *why)
{
	char path[PATH_MAX], name[PATH_MAX];
	struct dirent *entry;
	DIR *folder;
	int result = 0;

	if (path_make(path, checking, below, why) == -1)
		return -1;
	if ((folder = opendir(path)) == NULL)
		return fault_errno(why, "%s", "%s", path);
	while (result == 0 && (entry = readdir(folder)) != NULL) {
		struct stat status;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof name, "%s%s%s", below, below[0] == '\0' ? "" : "/", entry->d_name);
		if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == -1)
			result = fault_errno(why, "%s", "%s", name);
		else if (S_ISDIR(status.st_mode) && depth < 3)
			result = strangers_check(checking, name, depth + 1, why);
		else if (strcmp(name, "manifest") != 0 && strcmp(name, "manifest.receipt") != 0 &&
		         manifest_find(checking->manifest, name) == NULL)
			result = fault_set(why, FAULT_TAMPERED, "%s: manifest에 없는 파일입니다",
			                   "%s: a file that the manifest does not list", name);
	}
	closedir(folder);
	return result;
}

/* The signature of the manifest, by a key from outside or else by the one that came with it. */
static int
manifest_open(struct checking *checking, struct buffer *bytes, const struct keyring *outside,
              struct arena *arena, struct fault *why)
{
	struct keyring *own = calloc(1, sizeof *own);
	bool verified[KEYRING_KEYS] = {false};
	struct buffer keys;
	struct note note;
	int result = -1;

	buffer_init(&keys, KEYRING_LIMIT);
	if (own == NULL) {
		fault_memory(why);
		goto out;
	}
	if (file_take(bytes, checking, "manifest", MANIFEST_LIMIT, why) == -1 ||
	    file_take(&keys, checking, "keys", KEYRING_LIMIT, why) == -1)
		goto out;
	if (note_parse(&note, buffer_view(bytes), why) == -1) {
		fault_prefix(why, "manifest", "manifest");
		goto out;
	}
	if (keyring_add(own, buffer_view(&keys), why) == -1) {
		fault_prefix(why, "keys", "keys");
		goto out;
	}
	if (outside != NULL && note_verify(&note, outside->keys, outside->count, verified, NULL, why) == 0) {
		checking->out->signer_known = true;
		for (size_t i = 0; i < outside->count; i++)
			if (verified[i])
				memcpy(checking->out->signer, outside->keys[i].name, NOTE_NAME_SIZE);
	} else if (outside != NULL && why->kind != FAULT_UNIDENTIFIED) {
		fault_prefix(why, "manifest", "manifest");
		goto out;
	} else if (note_verify(&note, own->keys, own->count, verified, NULL, why) == -1) {
		fault_prefix(why, "manifest", "manifest");
		goto out;
	} else {
		for (size_t i = 0; i < own->count; i++)
			if (verified[i])
				memcpy(checking->out->signer, own->keys[i].name, NOTE_NAME_SIZE);
	}
	if (manifest_read(checking->manifest, note.text, arena, why) == -1)
		goto out;
	if (outside != NULL)
		*checking->keyring = *outside;
	else
		*checking->keyring = *own;
	result = 0;
out:
	buffer_free(&keys);
	free(own);
	return result;
}

/* ---- one log --------------------------------------------------------------------------------------------------------- */

/* 1: a line in checking->line, without its newline; 0: the end. */
static int
line_take(struct checking *checking, FILE *file, size_t limit, const char *name, struct fault *why)
{
	int c;

	buffer_reset(&checking->line);
	while ((c = getc(file)) != EOF && c != '\n') {
		if (checking->line.size == limit)
			return fault_set(why, FAULT_TOO_LARGE, "%s: 줄이 너무 깁니다",
			                 "%s: a line is too long", name);
		buffer_byte(&checking->line, (uint8_t)c);
	}
	if (ferror(file))
		return fault_errno(why, "%s", "%s", name);
	if (c == EOF && checking->line.size > 0)
		return fault_set(why, FAULT_INVALID, "%s: 마지막 줄이 끝나지 않았습니다",
		                 "%s: the last line does not end", name);
	if (!buffer_ok(&checking->line))
		return fault_memory(why);
	return c != EOF;
}

/* ---- sealed content of an archive ------------------------------------------------------------------------------------ */

static int
content_malformed(struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "contents: 줄의 형식이 아닙니다", "contents: not such a line");
}

static bool
is_base64(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
	       c == '/' || c == '=';
}

/* The next line: whose it is into content_for; the rest is passed over without being kept. */
static int
content_next(struct checking *checking, struct fault *why)
{
	size_t size = 0;
	int c = EOF;

	checking->content_for[0] = '\0';
	if (checking->contents == NULL || (c = getc(checking->contents)) == EOF)
		return checking->contents != NULL && ferror(checking->contents)
		           ? fault_errno(why, "contents", "contents")
		           : 0;
	for (; size < ENTRY_ID_SIZE - 1 && c != EOF && c > ' '; c = getc(checking->contents))
		checking->content_for[size++] = (char)c;
	checking->content_for[size] = '\0';
	if (size != ENTRY_ID_SIZE - 1 || c != ' ')
		return content_malformed(why);
	for (size = 0; (c = getc(checking->contents)) >= 'a' && c <= 'z' && size < CONTENT_PART;)
		size++;
	if (size == 0 || c != ' ')
		return content_malformed(why);
	for (size = 0; (c = getc(checking->contents)) != EOF && is_base64(c) && size < CONTENT_LIMIT;)
		size++;
	return size == 0 || size % 4 != 0 || c != '\n' ? content_malformed(why) : 0;
}

static int
contents_open(struct checking *checking, size_t which, struct fault *why)
{
	const struct manifest_file *listed;
	char name[MANIFEST_PATH];

	snprintf(name, sizeof name, "logs/%zu/contents", which + 1);
	if ((listed = manifest_find(checking->manifest, name)) == NULL)
		return 0;
	checking->log->contents_gone = is_gone(checking, listed);
	if (checking->log->contents_gone)
		return 0;
	return (checking->contents = file_open(checking, name, why)) == NULL ? -1
	                                                                     : content_next(checking, why);
}

/* What is sealed for this entry comes now, or not at all. */
static int
contents_take(struct checking *checking, struct slice id, struct fault *why)
{
	while (checking->content_for[0] != '\0' && slice_is(id, checking->content_for)) {
		checking->log->contents++;
		checking->out->contents++;
		if (content_next(checking, why) == -1)
			return -1;
	}
	return 0;
}

/* ---- entries and their proof ------------------------------------------------------------------------------------------ */

static int
proof_line(void *context, struct slice *out, struct fault *why)
{
	struct checking *checking = context;
	const int result = line_take(checking, checking->proof, SELECTION_LINE_LIMIT, "proof", why);

	if (result == -1)
		return -1;
	if (result == 0)
		return fault_set(why, FAULT_INVALID, "proof: 끝이 잘렸습니다", "proof: it is cut short");
	*out = buffer_view(&checking->line);
	return 0;
}

/* The entry meant by the filter, or one that shows an edge of the time. */
static int
entry_place(struct checking *checking, uint64_t index, const struct entry_columns *columns,
            struct slice bytes, struct fault *why)
{
	const struct filter *filter = &checking->manifest->filter;
	const bool edged = filter_is_time_only(filter) && checking->manifest->kind != MANIFEST_ARCHIVE;
	struct buffer csv;
	int result;

	if (checking->closed)
		return fault_set(why, FAULT_TAMPERED, "%" PRIu64 "번 항목: 기간의 끝을 보인 뒤에 더 있습니다",
		                 "entry %" PRIu64 ": it comes after the edge of the time", index);
	if (index == 0)
		checking->log->left_edge = true;
	if (index + 1 == checking->log->size)
		checking->log->right_edge = true;
	if (edged && filter->has_to && columns->wall_ms >= filter->to_ms) {
		checking->closed = checking->log->right_edge = true;
		return 0;
	}
	if (edged && filter->has_from && columns->wall_ms < filter->from_ms && !checking->opened) {
		checking->opened = checking->log->left_edge = true;
		return 0;
	}
	if (!filter_in_time(filter, columns->wall_ms) || !filter_matches(filter, columns))
		return fault_set(why, FAULT_TAMPERED, "%" PRIu64 "번 항목은 manifest의 조건에 맞지 않습니다",
		                 "entry %" PRIu64 " is not among what the manifest says", index);
	checking->opened = true;
	checking->log->entries++;
	checking->out->entries++;
	if (checking->manifest->kind == MANIFEST_ARCHIVE) {
		retention_add(&checking->out->retention, columns, bytes);
		return contents_take(checking, columns->id, why);
	}
	if (report_add(checking->report, index, columns, bytes, why) == -1)
		return -1;
	buffer_init(&csv, 8 * ENTRY_SIZE_LIMIT);
	report_csv_line(&csv, index, slice_string(entry_kind_name(columns->kind)), columns);
	crypto_hash_sha256_update(&checking->csv, csv.data, csv.size);
	checking->csv_size += csv.size;
	result = buffer_ok(&csv) ? 0 : fault_memory(why);
	buffer_free(&csv);
	return result;
}

static int
entry_leaf(void *context, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct checking *checking = context;
	struct entry_columns columns;
	const int result = line_take(checking, checking->entries, ENTRY_SIZE_LIMIT, "entries.jsonl", why);
	struct slice bytes;

	if (result == -1)
		return -1;
	if (result == 0)
		return fault_set(why, FAULT_TAMPERED, "%" PRIu64 "번 항목이 없습니다",
		                 "entry %" PRIu64 " is missing", index);
	bytes = buffer_view(&checking->line);
	arena_reset(checking->entry_arena);
	if (entry_read(&columns, bytes, checking->entry_arena, why) == -1)
		return fault_prefix(why, "%" PRIu64 "번 항목", "entry %" PRIu64, index);
	if (!slice_is(columns.log, checking->log->origin))
		return fault_set(why, FAULT_TAMPERED, "%" PRIu64 "번 항목은 다른 기록의 것입니다",
		                 "entry %" PRIu64 " is of another log", index);
	tree_leaf(out, bytes);
	return entry_place(checking, index, &columns, bytes, why);
}

/* The time stamp of an earlier head, if one came. */
static int
stamp_take(struct checking *checking, size_t which, const struct signed_head *head, struct fault *why)
{
	char name[MANIFEST_PATH];
	struct buffer text = {0}, answer = {0};
	int result = -1;

	snprintf(name, sizeof name, "logs/%zu/stamped", which + 1);
	if (manifest_find(checking->manifest, name) == NULL)
		return 0;
	if (file_take(&text, checking, name, NOTE_LIMIT, why) == -1)
		goto out;
	snprintf(name, sizeof name, "logs/%zu/stamped.tsr", which + 1);
	if (file_take(&answer, checking, name, TIMESTAMP_LIMIT, why) == -1)
		goto out;
	result = stampfile_check(&checking->log->stamp, buffer_view(&text), buffer_view(&answer),
	                         &head->checkpoint, checking->keyring, why);
	if (result == -1)
		fault_prefix(why, "%s", "%s", name);
	checking->log->stamped = result == 0;
out:
	buffer_free(&text);
	buffer_free(&answer);
	return result;
}

static int
log_files(struct checking *checking, size_t which, struct signed_head *head, struct buffer *note,
          struct fault *why)
{
	char name[MANIFEST_PATH];

	snprintf(name, sizeof name, "logs/%zu/checkpoint", which + 1);
	if (file_take(note, checking, name, NOTE_LIMIT, why) == -1)
		return -1;
	if (signed_head_open(head, buffer_view(note), checking->log->origin, checking->keyring, why) == -1)
		return fault_prefix(why, "%s", "%s", name);
	checking->log->size = head->checkpoint.size;
	checking->log->root = head->checkpoint.root;
	checking->log->cosigners = head->cosigners;
	if (stamp_take(checking, which, head, why) == -1)
		return -1;
	snprintf(name, sizeof name, "logs/%zu/proof", which + 1);
	if ((checking->proof = file_open(checking, name, why)) == NULL)
		return -1;
	snprintf(name, sizeof name, "logs/%zu/entries.jsonl", which + 1);
	if ((checking->entries = file_open(checking, name, why)) == NULL)
		return -1;
	return contents_open(checking, which, why);
}

static int
log_check(struct checking *checking, size_t which, struct fault *why)
{
	const struct selection_source source = {proof_line, entry_leaf, checking};
	struct signed_head *head = malloc(sizeof *head);
	struct tree_hash root;
	struct buffer note;
	int result = -1, rest;

	buffer_init(&note, NOTE_LIMIT);
	checking->log = &checking->out->logs[which];
	checking->opened = checking->closed = false;
	snprintf(checking->log->origin, sizeof checking->log->origin, "%s", checking->manifest->logs[which]);
	if (head == NULL) {
		fault_memory(why);
		goto out;
	}
	if (log_files(checking, which, head, &note, why) == -1)
		goto out;
	report_log(checking->report, checking->manifest->logs[which], head->checkpoint.size,
	           &head->checkpoint.root);
	if (selection_root(&root, &checking->log->selection, head->checkpoint.size, &source, why) == -1) {
		fault_prefix(why, "logs/%zu", "logs/%zu", which + 1);
		goto out;
	}
	if (!tree_hash_equal(&root, &head->checkpoint.root)) {
		fault_set(why, FAULT_TAMPERED,
		          "logs/%zu: 항목과 증명에서 계산한 루트가 서명된 체크포인트와 다릅니다 (항목이 "
		          "바뀌었거나 빠졌거나 더해졌습니다)",
		          "logs/%zu: the root computed from entries and proof is not the signed one (an "
		          "entry was changed, "
		          "removed or added)",
		          which + 1);
		goto out;
	}
	if ((rest = line_take(checking, checking->entries, ENTRY_SIZE_LIMIT, "entries.jsonl", why)) == -1)
		goto out;
	if (rest == 0 &&
	    (rest = line_take(checking, checking->proof, SELECTION_LINE_LIMIT, "proof", why)) == -1)
		goto out;
	if (checking->content_for[0] != '\0') {
		fault_set(why, FAULT_TAMPERED, "logs/%zu/contents: 항목 없이 봉인된 내용 %s",
		          "logs/%zu/contents: sealed content without its entry, %s", which + 1,
		          checking->content_for);
		goto out;
	}
	if (rest != 0) {
		fault_set(why, FAULT_TAMPERED, "logs/%zu: 증명되지 않은 줄이 더 있습니다",
		          "logs/%zu: there are more lines, which nothing proves", which + 1);
		goto out;
	}
	report_log_end(checking->report, &checking->log->selection);
	result = 0;
out:
	if (checking->entries != NULL)
		fclose(checking->entries);
	if (checking->proof != NULL)
		fclose(checking->proof);
	if (checking->contents != NULL)
		fclose(checking->contents);
	checking->entries = checking->proof = checking->contents = NULL;
	checking->content_for[0] = '\0';
	buffer_free(&note);
	free(head);
	return result;
}

/* ---- what was derived, and whether the log knows of it ------------------------------------------------------------- */

static int
same_as_listed(const struct checking *checking, const char *name,
               const uint8_t digest[crypto_hash_sha256_BYTES], uint64_t size, struct fault *why)
{
	const struct manifest_file *listed = manifest_find(checking->manifest, name);
	char hex[65];

	hex_encode(hex, digest, crypto_hash_sha256_BYTES);
	if (listed != NULL && listed->size == size && strcmp(listed->digest, hex) == 0)
		return 0;
	return fault_set(why, FAULT_TAMPERED, "%s: 항목에서 다시 만든 것과 다릅니다",
	                 "%s: it differs from what the entries give", name);
}

static int
derived_check(struct checking *checking, struct fault *why)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	struct buffer text;
	int result = -1;

	buffer_init(&text, DERIVED_LIMIT);
	crypto_hash_sha256_final(&checking->csv, digest);
	if (same_as_listed(checking, "entries.csv", digest, checking->csv_size, why) == -1)
		goto out;
	for (unsigned i = 0; i < 2 && checking->manifest->kind == MANIFEST_REPORT; i++) {
		buffer_reset(&text);
		(i == 0 ? report_json : report_html)(&text, checking->report);
		if (!buffer_ok(&text)) {
			fault_memory(why);
			goto out;
		}
		crypto_hash_sha256(digest, text.data, text.size);
		if (same_as_listed(checking, i == 0 ? "report.json" : "report.html", digest, text.size,
		                   why) == -1)
			goto out;
	}
	result = 0;
out:
	buffer_free(&text);
	return result;
}

/* manifest.receipt: an entry of kind export whose facts name the manifest's digest. */
static int
recorded_check(struct checking *checking, struct arena *arena, struct fault *why)
{
	struct receipt *receipt = malloc(sizeof *receipt);
	struct keyring *keys = malloc(sizeof *keys);
	struct buffer bytes;
	char path[PATH_MAX];
	json_t *entry = NULL;
	const char *named;
	int result = -1;

	buffer_init(&bytes, RECEIPT_LIMIT);
	if (receipt == NULL || keys == NULL) {
		fault_memory(why);
		goto out;
	}
	/* Made in the moment of the export: no witness can have seen its head. */
	*keys = *checking->keyring;
	keys->policy = NULL;
	if (path_make(path, checking, "manifest.receipt", why) == -1)
		goto out;
	if (access(path, F_OK) == -1) {
		result = 0;
		goto out;
	}
	if (file_take(&bytes, checking, "manifest.receipt", RECEIPT_LIMIT, why) == -1)
		goto out;
	if (receipt_check(receipt, buffer_view(&bytes), keys, arena, why) == -1 ||
	    (entry = json_read(receipt->entry, ENTRY_SIZE_LIMIT, JSON_DEPTH_LIMIT, why)) == NULL) {
		fault_prefix(why, "manifest.receipt", "manifest.receipt");
		goto out;
	}
	named = json_get_string(json_object_get(json_object_get(entry, "body"), "facts"), "manifest");
	if (receipt->columns.kind != ENTRY_EXPORT || named == NULL ||
	    strcmp(named, checking->out->manifest) != 0) {
		fault_set(why, FAULT_TAMPERED, "manifest.receipt: 다른 것을 내보낸 기록입니다",
		          "manifest.receipt: it records the export of something else");
		goto out;
	}
	checking->out->recorded = true;
	result = 0;
out:
	json_decref(entry);
	buffer_free(&bytes);
	free(keys);
	free(receipt);
	return result;
}

/* Every log's three files and the files of the kind must be listed: else something unproven would be believed. */
static int
listed_check(const struct checking *checking, struct fault *why)
{
	static const char *const always[] = {"keys", "entries.csv"}, *const report[] = {"report.json",
	                                                                                "report.html"};
	static const char *const each[] = {"entries.jsonl", "proof", "checkpoint"};
	const struct manifest *manifest = checking->manifest;
	const char *missing = NULL;
	char name[MANIFEST_PATH];

	for (size_t i = 0; i < 2; i++) {
		if (manifest_find(manifest, always[i]) == NULL &&
		    !(i == 1 && manifest->kind == MANIFEST_ARCHIVE))
			missing = always[i];
		else if (manifest->kind == MANIFEST_REPORT && manifest_find(manifest, report[i]) == NULL)
			missing = report[i];
	}
	for (size_t i = 0; i < manifest->log_count * 3 && missing == NULL; i++) {
		snprintf(name, sizeof name, "logs/%zu/%s", i / 3 + 1, each[i % 3]);
		if (manifest_find(manifest, name) == NULL)
			missing = name;
	}
	for (size_t i = 0; i < manifest->file_count && missing == NULL; i++) {
		const struct manifest_file *file = &manifest->files[i];
		const size_t size = strlen(file->name), suffix = sizeof "/contents" - 1;

		if (file->sealed && (size < suffix || strcmp(file->name + size - suffix, "/contents") != 0))
			return fault_set(why, FAULT_INVALID, "%s: 봉인된 내용의 파일이 아닙니다",
			                 "%s: no file of sealed content", file->name);
	}
	return missing == NULL ? 0
	                       : fault_set(why, FAULT_TAMPERED, "%s: manifest에 없습니다",
	                                   "%s: the manifest does not list it", missing);
}

int
bundle_check(struct bundle_report *out, const char *directory, const struct keyring *keyring,
             struct arena *arena, struct fault *why)
{
	struct checking checking = {.out = out, .directory = directory};
	uint8_t digest[crypto_hash_sha256_BYTES];
	struct buffer manifest, head;
	int result = -1;

	memset(out, 0, sizeof *out);
	buffer_init(&manifest, MANIFEST_LIMIT);
	buffer_init(&head, 4096);
	buffer_init(&checking.line, ENTRY_SIZE_LIMIT + 1);
	checking.manifest = malloc(sizeof *checking.manifest);
	checking.keyring = malloc(sizeof *checking.keyring);
	checking.entry_arena = arena_new(ENTRY_ARENA);
	if (checking.manifest == NULL || checking.keyring == NULL || checking.entry_arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (manifest_open(&checking, &manifest, keyring, arena, why) == -1 ||
	    strangers_check(&checking, "", 0, why) == -1 || listed_check(&checking, why) == -1)
		goto out;
	for (size_t i = 0; i < checking.manifest->file_count; i++)
		if (digest_check(&checking, &checking.manifest->files[i], why) == -1)
			goto out;
	crypto_hash_sha256(digest, manifest.data, manifest.size);
	hex_encode(out->manifest, digest, sizeof digest);
	out->kind = checking.manifest->kind;
	out->filter = checking.manifest->filter;
	out->made_ms = checking.manifest->made_ms;
	out->by = checking.manifest->by;
	out->outside_keys = keyring != NULL;
	out->files = checking.manifest->file_count;
	out->rendered = checking.manifest->renderer == MANIFEST_RENDERER;
	if (report_new(&checking.report, checking.manifest, why) == -1)
		goto out;
	crypto_hash_sha256_init(&checking.csv);
	report_csv_head(&head);
	crypto_hash_sha256_update(&checking.csv, head.data, head.size);
	checking.csv_size = head.size;
	for (size_t i = 0; i < checking.manifest->log_count; i++, out->log_count++)
		if (log_check(&checking, i, why) == -1)
			goto out;
	if (out->rendered && out->kind != MANIFEST_ARCHIVE && derived_check(&checking, why) == -1)
		goto out;
	result = recorded_check(&checking, arena, why);
out:
	report_free(checking.report);
	arena_free(checking.entry_arena);
	buffer_free(&checking.line);
	buffer_free(&manifest);
	buffer_free(&head);
	free(checking.manifest);
	free(checking.keyring);
	return result;
}
