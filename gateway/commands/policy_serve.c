/*
 * `haechi policy serve`: questions as JSON lines on standard input, one answer a line on standard output, in order.
 *
 *	{"op":"authorize","policies":PATH,"entities":PATH,"schema":PATH?,"request":{…}}
 *	{"op":"validate","policies":PATH,"schema":PATH}
 *
 * A request may hold "validateRequest":false. What cannot be done is answered {"error":…}. The files used last are kept
 * until one of them changes.
 */
#include "gateway/commands/commands.h"
#include "gateway/commands/policy_files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/cedar/cedar_json.h"
#include "policy/cedar/schema.h"
#include "schema/base/json.h"

#define LINE_LIMIT  ((size_t)64 << 20)
#define ARENA_LIMIT ((size_t)1 << 30)

/* Which file, as it was. */
struct stamp {
	char path[4096]; /* "" : none */
	struct timespec changed;
	off_t size;
	ino_t inode;
	bool folder; /* says nothing of the files in it: read every time */
};

struct served {
	struct stamp policies_stamp, schema_stamp, entities_stamp;
	struct cedar_policies *policies;
	struct cedar_schema *schema;
	struct arena *entities_arena;
	struct cedar_entities *entities; /* read with `schema` */
	struct arena *notes_arena;
};

static int
take_stamp(struct stamp *stamp, const char *path, struct fault *why)
{
	struct stat about;

	memset(stamp, 0, sizeof *stamp);
	if (strlen(path) >= sizeof stamp->path)
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다", "the path is too long");
	if (stat(path, &about) == -1)
		return fault_errno(why, "%s", "%s", path);
	memcpy(stamp->path, path, strlen(path));
	stamp->changed = about.st_mtim;
	stamp->size = about.st_size;
	stamp->inode = about.st_ino;
	stamp->folder = S_ISDIR(about.st_mode);
	return 0;
}

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return !a->folder && strcmp(a->path, b->path) == 0 && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec && a->size == b->size && a->inode == b->inode;
}

static int
want_policies(struct served *served, const char *path, struct cedar_notes *notes, struct fault *why)
{
	struct stamp stamp;

	if (take_stamp(&stamp, path, why) == -1)
		return -1;
	if (served->policies != NULL && same_stamp(&stamp, &served->policies_stamp))
		return 0;
	cedar_policies_free(served->policies);
	served->policies = NULL;
	if (policy_files_load(&served->policies, &path, 1, false, notes, why) == -1)
		return -1;
	served->policies_stamp = stamp;
	return 0;
}

static void
forget_entities(struct served *served)
{
	arena_free(served->entities_arena);
	served->entities_arena = NULL;
	served->entities = NULL;
}

static int
want_schema(struct served *served, const char *path, struct cedar_notes *notes, struct fault *why)
{
	struct stamp stamp = {.path = ""};

	if (path != NULL && take_stamp(&stamp, path, why) == -1)
		return -1;
	if (same_stamp(&stamp, &served->schema_stamp) && (path == NULL) == (served->schema == NULL))
		return 0;
	forget_entities(served);
	cedar_schema_free(served->schema);
	served->schema = NULL;
	memset(&served->schema_stamp, 0, sizeof served->schema_stamp);
	if (path != NULL && policy_files_load_schema(&served->schema, path, notes, why) == -1)
		return -1;
	served->schema_stamp = stamp;
	return 0;
}

static int
want_entities(struct served *served, const char *path, struct fault *why)
{
	struct buffer text;
	struct stamp stamp;
	int result = -1;

	if (take_stamp(&stamp, path, why) == -1)
		return -1;
	if (served->entities != NULL && same_stamp(&stamp, &served->entities_stamp))
		return 0;
	forget_entities(served);
	buffer_init(&text, CEDAR_JSON_LIMIT);
	if ((served->entities_arena = arena_new(ARENA_LIMIT)) == NULL)
		fault_memory(why);
	else if (file_read(&text, path, CEDAR_JSON_LIMIT, why) == 0)
		result = cedar_entities_read(&served->entities, served->entities_arena,
		                             slice_unmarked(buffer_view(&text)), served->schema, why);
	buffer_free(&text);
	if (result == -1) {
		forget_entities(served);
		return fault_prefix(why, "%s", "%s", path);
	}
	served->entities_stamp = stamp;
	return 0;
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

static const char *
text_of(struct arena *arena, const struct cedar_json *question, const char *name)
{
	const struct cedar_json *member = cedar_json_get(question, name);

	return member != NULL && member->kind == CEDAR_JSON_STRING ? arena_text(arena, member->as.string)
	                                                           : NULL;
}

static int
answer_authorize(struct served *served, const struct cedar_json *question, struct arena *arena,
                 struct buffer *out, struct fault *why)
{
	const char *policies = text_of(arena, question, "policies"),
	           *entities = text_of(arena, question, "entities");
	const struct cedar_json *request_json = cedar_json_get(question, "request"),
	                        *check_json = cedar_json_get(request_json, "validateRequest");
	bool check = check_json == NULL || check_json->kind != CEDAR_JSON_BOOL || check_json->as.boolean;
	struct cedar_notes notes = {.arena = served->notes_arena};
	struct cedar_request request;
	struct cedar_result result;

	if (policies == NULL || entities == NULL || request_json == NULL)
		return fault_set(why, FAULT_INVALID, "policies, entities, request가 모두 있어야 합니다",
		                 "policies, entities and request are needed");
	if (want_schema(served, text_of(arena, question, "schema"), &notes, why) == -1 ||
	    want_policies(served, policies, &notes, why) == -1 ||
	    want_entities(served, entities, why) == -1 ||
	    cedar_request_from(&request, arena, request_json, served->schema, check, why) == -1 ||
	    cedar_authorize(served->policies, &request, served->entities, arena, &result, why) == -1)
		return -1;
	policy_write_result(out, served->policies, &result);
	return 0;
}

static int
answer_validate(struct served *served, const struct cedar_json *question, struct arena *arena,
                struct buffer *out, struct fault *why)
{
	const char *policies = text_of(arena, question, "policies"),
	           *schema = text_of(arena, question, "schema");
	struct cedar_notes notes = {.arena = served->notes_arena};

	if (policies == NULL || schema == NULL)
		return fault_set(why, FAULT_INVALID, "policies와 schema가 있어야 합니다",
		                 "policies and schema are needed");
	/* A text that is no policy, or no schema, is an answer, too: the set is not valid. */
	if ((want_schema(served, schema, &notes, why) == -1 ||
	     want_policies(served, policies, &notes, why) == -1 ||
	     cedar_validate(served->policies, served->schema, &notes, why) == -1) &&
	    notes.errors == 0)
		return -1;
	buffer_printf(out, "{\"valid\":%s,\"errors\":", notes.errors == 0 ? "true" : "false");
	policy_write_notes(out, &notes, CEDAR_ERROR);
	buffer_string(out, ",\"warnings\":");
	policy_write_notes(out, &notes, CEDAR_WARNING);
	buffer_byte(out, '}');
	return 0;
}

static int
answer(struct served *served, struct slice line, struct arena *arena, struct buffer *out, struct fault *why)
{
	const struct cedar_json *question, *op;

	if (cedar_json_read(&question, arena, line, CEDAR_JSON_DEPTH, why) == -1)
		return -1;
	op = cedar_json_get(question, "op");
	if (op != NULL && op->kind == CEDAR_JSON_STRING && slice_is(op->as.string, "authorize"))
		return answer_authorize(served, question, arena, out, why);
	if (op != NULL && op->kind == CEDAR_JSON_STRING && slice_is(op->as.string, "validate"))
		return answer_validate(served, question, arena, out, why);
	return fault_set(why, FAULT_INVALID, "op은 authorize 또는 validate입니다",
	                 "op is authorize or validate");
}

static void
write_error(struct buffer *out, const struct fault *why)
{
	struct buffer both;

	buffer_init(&both, 4096);
	buffer_printf(&both, "%s / %s", why->ko, why->en);
	buffer_string(out, "{\"error\":");
	json_quote(out, buffer_view(&both));
	buffer_byte(out, '}');
	buffer_free(&both);
}

int
policy_serve(const struct policy_options *options)
{
	struct served served = {.notes_arena = arena_new(ARENA_LIMIT)};
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct buffer out;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;
	struct fault why;
	int status = EXIT_USAGE;

	(void)options;
	buffer_init(&out, LINE_LIMIT);
	if (arena == NULL || served.notes_arena == NULL)
		goto out;
	while ((size = getline(&line, &capacity, stdin)) != -1) {
		if (strspn(line, " \t\r\n") == (size_t)size)
			continue;
		arena_reset(arena);
		arena_reset(served.notes_arena);
		buffer_reset(&out);
		if (answer(&served, slice_of(line, (size_t)size), arena, &out, &why) == -1) {
			buffer_reset(&out);
			write_error(&out, &why);
		}
		buffer_byte(&out, '\n');
		if (!buffer_ok(&out) || fwrite(out.data, 1, out.size, stdout) != out.size ||
		    fflush(stdout) != 0)
			goto out;
	}
	status = EXIT_GOOD;
out:
	forget_entities(&served);
	cedar_policies_free(served.policies);
	cedar_schema_free(served.schema);
	arena_free(served.notes_arena);
	arena_free(arena);
	buffer_free(&out);
	free(line);
	return status;
}
