#include "audit/verified.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/base/arena.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

#define FORMAT 1
#define DEPTH  8

struct verified {
	struct arena *arena; /* the notes */
	size_t count;
	struct verified_log logs[STORED_LOGS];
};

int
verified_new(struct verified **out, struct fault *why)
{
	struct verified *verified = calloc(1, sizeof *verified);

	if (verified == NULL || (verified->arena = arena_new((size_t)STORED_LOGS * VERIFIED_NOTE)) == NULL) {
		free(verified);
		return fault_memory(why);
	}
	*out = verified;
	return 0;
}

void
verified_free(struct verified *verified)
{
	if (verified == NULL)
		return;
	arena_free(verified->arena);
	free(verified);
}

size_t
verified_count(const struct verified *verified)
{
	return verified->count;
}

const struct verified_log *
verified_at(const struct verified *verified, size_t index)
{
	return &verified->logs[index];
}

const struct verified_log *
verified_find(const struct verified *verified, const char *origin)
{
	for (size_t i = 0; verified != NULL && i < verified->count; i++)
		if (strcmp(verified->logs[i].origin, origin) == 0)
			return &verified->logs[i];
	return NULL;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static void
part_add(struct verified_log *log, uint64_t from, uint64_t to, int64_t at_ms)
{
	struct verified_part *parts = log->parts;

	if (from == to)
		return;
	if (log->part_count == VERIFIED_PARTS) {
		/* The older of the two times: never younger than what was done. */
		if (parts[1].at_ms < parts[0].at_ms)
			parts[0].at_ms = parts[1].at_ms;
		parts[0].to = parts[1].to;
		memmove(parts + 1, parts + 2, (VERIFIED_PARTS - 2) * sizeof *parts);
		log->part_count--;
	}
	parts[log->part_count++] = (struct verified_part){from, to, at_ms};
}

int
verified_add(struct verified *verified, const char *origin, const struct verified_log *before,
             struct slice note, uint64_t size, const struct tree_hash *root, int64_t at_ms, struct fault *why)
{
	struct verified_log *log = &verified->logs[verified->count];

	if (verified->count == STORED_LOGS || note.size > VERIFIED_NOTE)
		return fault_set(why, FAULT_TOO_LARGE, "확인 상태가 너무 큽니다",
		                 "the state of verify is too large");
	memset(log, 0, sizeof *log);
	snprintf(log->origin, sizeof log->origin, "%s", origin);
	log->size = size;
	log->root = *root;
	if (before != NULL) {
		log->part_count = before->part_count;
		memcpy(log->parts, before->parts, sizeof log->parts);
	}
	part_add(log, before == NULL ? 0 : before->size, size, at_ms);
	log->note = arena_slice(verified->arena, note);
	if (!arena_ok(verified->arena))
		return fault_memory(why);
	verified->count++;
	return 0;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

void
verified_write(struct buffer *out, const struct verified *verified)
{
	struct json_writer writer;

	json_writer_init(&writer, out);
	json_object_begin(&writer);
	json_name(&writer, "format");
	json_number(&writer, FORMAT);
	json_name(&writer, "logs");
	json_array_begin(&writer);
	for (size_t i = 0; i < verified->count; i++) {
		const struct verified_log *log = &verified->logs[i];

		json_object_begin(&writer);
		json_name(&writer, "checkpoint");
		json_text(&writer, log->note);
		json_name(&writer, "parts");
		json_array_begin(&writer);
		for (size_t j = 0; j < log->part_count; j++) {
			char at[CLOCK_TEXT_SIZE];

			clock_text(at, log->parts[j].at_ms);
			json_object_begin(&writer);
			json_name(&writer, "at");
			json_cstring(&writer, at);
			json_name(&writer, "from");
			json_number(&writer, (int64_t)log->parts[j].from);
			json_name(&writer, "to");
			json_number(&writer, (int64_t)log->parts[j].to);
			json_object_end(&writer);
		}
		json_array_end(&writer);
		json_object_end(&writer);
	}
	json_array_end(&writer);
	json_name(&writer, "what");
	json_cstring(&writer, "haechi audit verify");
	json_object_end(&writer);
	buffer_byte(out, '\n');
}

static int
bad(struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "haechi audit verify 가 쓴 상태 파일이 아닙니다",
	                 "not a state file of haechi audit verify");
}

static int
parts_read(struct verified_log *log, const json_t *parts, struct fault *why)
{
	uint64_t reached = 0;

	if (!json_is_array(parts) || json_array_size(parts) > VERIFIED_PARTS)
		return bad(why);
	for (size_t i = 0; i < json_array_size(parts); i++) {
		const json_t *part = json_array_get(parts, i);
		const char *at = json_get_string(part, "at");
		const int64_t from = json_get_integer(part, "from", -1),
		              to = json_get_integer(part, "to", -1);
		int64_t at_ms;

		if (at == NULL || !clock_parse(&at_ms, slice_string(at), false) || from < 0 ||
		    (uint64_t)from != reached || to <= from)
			return bad(why);
		log->parts[log->part_count++] = (struct verified_part){(uint64_t)from, (uint64_t)to, at_ms};
		reached = (uint64_t)to;
	}
	return reached == log->size ? 0 : bad(why);
}

static int
log_read(struct verified *verified, const json_t *value, struct fault *why)
{
	struct verified_log *log = &verified->logs[verified->count];
	const char *text = json_get_string(value, "checkpoint");
	struct checkpoint checkpoint;
	struct note note;
	struct fault reason;

	if (text == NULL || strlen(text) > VERIFIED_NOTE)
		return bad(why);
	log->note = arena_slice(verified->arena, slice_string(text));
	if (!arena_ok(verified->arena))
		return fault_memory(why);
	if (note_parse(&note, log->note, &reason) == -1 ||
	    checkpoint_parse(&checkpoint, note.text, &reason) == -1 ||
	    checkpoint.origin.size >= sizeof log->origin)
		return bad(why);
	memcpy(log->origin, checkpoint.origin.data, checkpoint.origin.size);
	log->origin[checkpoint.origin.size] = '\0';
	if (verified_find(verified, log->origin) != NULL)
		return bad(why);
	log->size = checkpoint.size;
	log->root = checkpoint.root;
	if (parts_read(log, json_object_get(value, "parts"), why) == -1)
		return -1;
	verified->count++;
	return 0;
}

int
verified_parse(struct verified **out, struct slice text, struct fault *why)
{
	struct verified *verified = NULL;
	json_t *tree = json_read(text, VERIFIED_LIMIT, DEPTH, why);
	const json_t *logs = json_object_get(tree, "logs");
	int result = -1;

	if (tree == NULL)
		return bad(why);
	if (verified_new(&verified, why) == -1)
		goto out;
	if (json_get_integer(tree, "format", 0) != FORMAT || !json_is_array(logs) ||
	    json_array_size(logs) > STORED_LOGS) {
		bad(why);
		goto out;
	}
	for (size_t i = 0; i < json_array_size(logs); i++)
		if (log_read(verified, json_array_get(logs, i), why) == -1)
			goto out;
	*out = verified;
	verified = NULL;
	result = 0;
out:
	verified_free(verified);
	json_decref(tree);
	return result;
}

int
verified_read(struct verified **out, const char *path, struct fault *why)
{
	struct buffer text;
	int result = -1;

	if (access(path, F_OK) == -1 && errno == ENOENT)
		return fault_set(why, FAULT_NOT_FOUND, "%s: 없습니다", "%s: is not there", path);
	buffer_init(&text, VERIFIED_LIMIT);
	if (file_read(&text, path, VERIFIED_LIMIT, why) == 0 &&
	    (result = verified_parse(out, buffer_view(&text), why)) == -1)
		fault_prefix(why, "%s", "%s", path);
	buffer_free(&text);
	return result;
}
