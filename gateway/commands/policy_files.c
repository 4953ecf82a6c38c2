#include "gateway/commands/policy_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/commands/commands.h"
#include "policy/cedar/cedar_json.h"
#include "schema/base/json.h"

#define FILE_LIMIT   CEDAR_TEXT_LIMIT
#define FOLDER_DEPTH 8

/* ---- policy texts ---------------------------------------------------------------------------------------------- */

static int
add_file(struct policy_texts *texts, const char *path, struct fault *why)
{
	if (texts->count == texts->capacity) {
		size_t capacity = texts->capacity == 0 ? 8 : 2 * texts->capacity;
		struct cedar_source *items = reallocarray(texts->items, capacity, sizeof *items);
		struct buffer *contents;
		char **names;

		if (items == NULL)
			return fault_memory(why);
		texts->items = items;
		if ((contents = reallocarray(texts->contents, capacity, sizeof *contents)) == NULL)
			return fault_memory(why);
		texts->contents = contents;
		if ((names = reallocarray(texts->names, capacity, sizeof *names)) == NULL)
			return fault_memory(why);
		texts->names = names;
		texts->capacity = capacity;
	}
	if ((texts->names[texts->count] = strdup(path)) == NULL)
		return fault_memory(why);
	buffer_init(&texts->contents[texts->count], FILE_LIMIT);
	if (file_read(&texts->contents[texts->count], path, FILE_LIMIT, why) == -1) {
		free(texts->names[texts->count]);
		buffer_free(&texts->contents[texts->count]);
		return -1;
	}
	texts->items[texts->count].name = texts->names[texts->count];
	texts->items[texts->count].text = slice_unmarked(buffer_view(&texts->contents[texts->count]));
	texts->count++;
	return 0;
}

static int
is_seen(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool
ends_in(const char *path, const char *end)
{
	size_t size = strlen(path), tail = strlen(end);

	return size >= tail && strcmp(path + size - tail, end) == 0;
}

/* Every *.cedar in it and below, in the order of their names. */
static int
add_below(struct policy_texts *texts, const char *path, unsigned depth, struct fault *why)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_seen, alphasort), result = 0;

	if (count == -1)
		return fault_errno(why, "%s", "%s", path);
	for (int i = 0; i < count; i++) {
		struct stat about;
		char whole[4096];

		if (result == 0 &&
		    (depth == FOLDER_DEPTH || (size_t)snprintf(whole, sizeof whole, "%s/%s", path,
		                                               entries[i]->d_name) >= sizeof whole))
			result = fault_set(why, FAULT_INVALID, "경로가 너무 깁니다: %s",
			                   "the path is too long: %s", path);
		if (result == 0 && stat(whole, &about) == -1)
			result = fault_errno(why, "%s", "%s", whole);
		if (result == 0 && S_ISDIR(about.st_mode))
			result = add_below(texts, whole, depth + 1, why);
		else if (result == 0 && ends_in(whole, ".cedar"))
			result = add_file(texts, whole, why);
		free(entries[i]);
	}
	free(entries);
	return result;
}

static int
add_folder(struct policy_texts *texts, const char *path, struct fault *why)
{
	const size_t before = texts->count;

	if (add_below(texts, path, 0, why) == -1)
		return -1;
	return texts->count > before ? 0
	                             : fault_set(why, FAULT_INVALID, "%s: .cedar 파일이 없습니다",
	                                         "%s: no .cedar file in it", path);
}

int
policy_texts_read(struct policy_texts *texts, const char *const *paths, size_t count, struct fault *why)
{
	struct stat about;

	memset(texts, 0, sizeof *texts);
	for (size_t i = 0; i < count; i++) {
		bool folder =
		    strcmp(paths[i], "-") != 0 && stat(paths[i], &about) == 0 && S_ISDIR(about.st_mode);

		if ((folder ? add_folder(texts, paths[i], why) : add_file(texts, paths[i], why)) == -1) {
			policy_texts_free(texts);
			return -1;
		}
	}
	return 0;
}

void
policy_texts_free(struct policy_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		buffer_free(&texts->contents[i]);
		free(texts->names[i]);
	}
	free(texts->items);
	free(texts->contents);
	free(texts->names);
	memset(texts, 0, sizeof *texts);
}

/* ---- loading --------------------------------------------------------------------------------------------------- */

int
policy_files_load(struct cedar_policies **out, const char *const *paths, size_t count,
                  bool ids_from_annotation, struct cedar_notes *notes, struct fault *why)
{
	struct policy_texts texts;
	int result;

	*out = NULL;
	if (policy_texts_read(&texts, paths, count, why) == -1)
		return -1;
	if (texts.count == 1 && ends_in(texts.names[0], ".json"))
		result = cedar_policies_parse_json(out, texts.items[0], notes, why);
	else
		result =
		    cedar_policies_parse(out, texts.items, texts.count,
		                         ids_from_annotation ? CEDAR_IDS_FROM_ANNOTATION : 0, notes, why);
	policy_texts_free(&texts);
	return result;
}

int
policy_files_load_schema(struct cedar_schema **out, const char *path, struct cedar_notes *notes,
                         struct fault *why)
{
	struct buffer text;
	int result = -1;

	*out = NULL;
	buffer_init(&text, FILE_LIMIT);
	if (file_read(&text, path, FILE_LIMIT, why) == 0)
		result = cedar_schema_parse(
		    out, (struct cedar_source){path, slice_unmarked(buffer_view(&text))}, notes, why);
	buffer_free(&text);
	return result;
}

int
policy_files_request(struct cedar_request *request, const char *path, const struct cedar_schema *schema,
                     bool check, struct arena *arena, struct fault *why)
{
	const struct cedar_json *json, *flag;
	struct buffer text;
	int result = -1;

	buffer_init(&text, CEDAR_JSON_LIMIT);
	if (file_read(&text, path, CEDAR_JSON_LIMIT, why) == 0 &&
	    cedar_json_read(&json, arena, slice_unmarked(buffer_view(&text)), CEDAR_JSON_DEPTH, why) == 0) {
		flag = cedar_json_get(json, "validateRequest");
		if (flag != NULL && flag->kind == CEDAR_JSON_BOOL && !flag->as.boolean)
			check = false;
		result = cedar_request_read(request, arena, slice_unmarked(buffer_view(&text)), schema, check,
		                            why);
	}
	buffer_free(&text);
	return result == 0 ? 0 : fault_prefix(why, "%s", "%s", path);
}

int
policy_files_entities(struct cedar_entities **entities, const char *path, const struct cedar_schema *schema,
                      struct arena *arena, struct fault *why)
{
	struct buffer text;
	int result = -1;

	buffer_init(&text, CEDAR_JSON_LIMIT);
	if (file_read(&text, path, CEDAR_JSON_LIMIT, why) == 0)
		result =
		    cedar_entities_read(entities, arena, slice_unmarked(buffer_view(&text)), schema, why);
	buffer_free(&text);
	return result == 0 ? 0 : fault_prefix(why, "%s", "%s", path);
}

int
policy_files_fail(const struct cedar_notes *notes, const struct fault *why)
{
	if (notes == NULL || notes->count == 0)
		fault_print(stderr, "haechi", why);
	else
		cedar_notes_print(stderr, notes);
	return EXIT_USAGE;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

/* People read Korean first: one text with both, and each alone for programs that choose. */
static void
write_message(struct buffer *out, const char *ko, const char *en)
{
	struct buffer both;

	buffer_init(&both, 4096);
	buffer_printf(&both, "%s / %s", ko, en);
	buffer_string(out, "\"message\":");
	json_quote(out, buffer_view(&both));
	buffer_string(out, ",\"message_ko\":");
	json_quote(out, slice_string(ko));
	buffer_string(out, ",\"message_en\":");
	json_quote(out, slice_string(en));
	buffer_free(&both);
}

void
policy_write_notes(struct buffer *out, const struct cedar_notes *notes, enum cedar_severity severity)
{
	bool any = false;

	buffer_byte(out, '[');
	for (size_t i = 0; i < notes->count; i++) {
		const struct cedar_note *note = &notes->items[i];

		if (note->severity != severity)
			continue;
		buffer_string(out, any ? ",{" : "{");
		any = true;
		if (note->policy_id != NULL) {
			buffer_string(out, "\"policy\":");
			json_quote(out, slice_string(note->policy_id));
			buffer_byte(out, ',');
		}
		write_message(out, note->ko, note->en);
		if (note->hint_ko != NULL) {
			buffer_string(out, ",\"hint_ko\":");
			json_quote(out, slice_string(note->hint_ko));
			buffer_string(out, ",\"hint_en\":");
			json_quote(out, slice_string(note->hint_en));
		}
		if (note->line > 0) {
			buffer_string(out, ",\"file\":");
			json_quote(out, slice_string(note->file));
			buffer_printf(out, ",\"line\":%u,\"column\":%u", note->line, note->column);
		}
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
}

static void
write_ids(struct buffer *out, const char *name, const struct cedar_policies *policies, const uint32_t *list,
          size_t count)
{
	buffer_printf(out, "\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(cedar_policy_id(policies, list[i])));
	}
	buffer_byte(out, ']');
}

void
policy_write_result(struct buffer *out, const struct cedar_policies *policies,
                    const struct cedar_result *result)
{
	buffer_printf(out, "{\"decision\":\"%s\",", result->decision == CEDAR_ALLOW ? "allow" : "deny");
	write_ids(out, "determining_policies", policies, result->determining, result->determining_count);
	buffer_string(out, ",\"errors\":[");
	for (size_t i = 0; i < result->error_count; i++) {
		const struct cedar_error *error = &result->errors[i];

		buffer_string(out, i > 0 ? ",{\"policy\":" : "{\"policy\":");
		json_quote(out, slice_string(cedar_policy_id(policies, error->policy)));
		buffer_byte(out, ',');
		write_message(out, error->ko, error->en);
		if (error->line > 0)
			buffer_printf(out, ",\"line\":%u,\"column\":%u", error->line, error->column);
		buffer_byte(out, '}');
	}
	buffer_string(out, "],");
	write_ids(out, "satisfied_permits", policies, result->permits, result->permit_count);
	buffer_byte(out, ',');
	write_ids(out, "satisfied_forbids", policies, result->forbids, result->forbid_count);
	buffer_byte(out, '}');
}
