#include "gateway/bundle_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/json.h"
#include "schema/base/log.h"

#define STATE       "state.json"
#define STATE_LIMIT ((size_t)256 << 10)
#define NAME_DIGITS 16 /* of the revision, and of the digest */
#define FILES_MOST  4096

/* ---- names ----------------------------------------------------------------------------------------------------------- */

bool
bundle_state_path(char *path, size_t size, const char *directory, const struct bundle_mark *mark,
                  bool imported)
{
	return (size_t)snprintf(path, size, "%s/%016lld-%.16s.%s", directory, (long long)mark->revision,
	                        mark->digest, imported ? "import" : "bundle") < size;
}

/* "0000000000000007-0123456789abcdef.bundle" */
static bool
parse_name(const char *name, struct bundle_mark *mark, bool *imported)
{
	char *end;

	if (strlen(name) < 2 * NAME_DIGITS + 2 || strspn(name, "0123456789") != NAME_DIGITS ||
	    name[NAME_DIGITS] != '-' || strspn(name + NAME_DIGITS + 1, "0123456789abcdef") != NAME_DIGITS)
		return false;
	*mark = (struct bundle_mark){.revision = strtoll(name, &end, 10)};
	memcpy(mark->digest, name + NAME_DIGITS + 1, NAME_DIGITS);
	*imported = strcmp(name + 2 * NAME_DIGITS + 1, ".import") == 0;
	return mark->revision > 0 && (*imported || strcmp(name + 2 * NAME_DIGITS + 1, ".bundle") == 0);
}

static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int
bundle_listing_read(struct bundle_listing *out, const char *directory, struct fault *why)
{
	struct dirent **names = NULL;
	const int count = scandir(directory, &names, NULL, compare_names);

	memset(out, 0, sizeof *out);
	if (count == -1)
		return fault_errno(why, "%s", "%s", directory);
	if ((out->items = calloc((size_t)count + 1, sizeof *out->items)) == NULL)
		fault_memory(why);
	for (int i = 0; i < count; i++) {
		if (out->items != NULL && out->count < FILES_MOST &&
		    parse_name(names[i]->d_name, &out->items[out->count].mark,
		               &out->items[out->count].imported))
			out->count++;
		free(names[i]);
	}
	free(names);
	return out->items == NULL ? -1 : 0;
}

void
bundle_listing_free(struct bundle_listing *listing)
{
	free(listing->items);
	memset(listing, 0, sizeof *listing);
}

/* ---- state.json ---------------------------------------------------------------------------------------------------- */

static bool
read_mark(struct bundle_mark *mark, const json_t *json)
{
	const char *const digest = json_get_string(json, "digest"),
	                  *const time = json_get_string(json, "activated"),
	                  *const source = json_get_string(json, "source"),
	                  *const signers = json_get_string(json, "signers");
	uint8_t bytes[32];

	*mark = (struct bundle_mark){.revision = json_get_integer(json, "revision", 0)};
	if (mark->revision < 1 || digest == NULL || !hex_decode(bytes, 32, slice_string(digest)) ||
	    time == NULL || !clock_parse(&mark->activated_ms, slice_string(time), false) || source == NULL ||
	    signers == NULL)
		return false;
	hex_encode(mark->digest, bytes, 32);
	snprintf(mark->source, sizeof mark->source, "%s", source);
	snprintf(mark->signers, sizeof mark->signers, "%s", signers);
	return true;
}

static bool
read_state(struct bundle_state *out, const json_t *json)
{
	const json_t *marks = json_object_get(json, "marks");

	memset(out, 0, sizeof *out);
	out->highest = json_get_integer(json, "highest", -1);
	if (json_get_integer(json, "format", 0) != 1 || out->highest < 0 || !json_is_array(marks) ||
	    json_array_size(marks) > BUNDLE_MARKS_MOST)
		return false;
	for (size_t i = 0; i < json_array_size(marks); i++) {
		if (!read_mark(&out->marks[i], json_array_get(marks, i)) ||
		    out->marks[i].revision > out->highest)
			return false;
		out->count++;
	}
	return true;
}

/* What can be told from the files alone: those that were in force once, ascending; the highest one is active. */
static int
read_files(struct bundle_state *out, const char *directory, struct fault *why)
{
	struct bundle_listing listing;

	memset(out, 0, sizeof *out);
	if (bundle_listing_read(&listing, directory, why) == -1)
		return -1;
	for (size_t i = 0; i < listing.count; i++) {
		struct bundle *bundle = NULL;
		struct buffer bytes;
		struct fault broken;

		if (listing.items[i].imported)
			continue;
		out->highest = listing.items[i].mark.revision;
		buffer_init(&bytes, BUNDLE_SIZE_LIMIT);
		if (bundle_state_load(directory, &listing.items[i].mark, false, &bytes, &broken) == 0 &&
		    bundle_open(&bundle, buffer_view(&bytes), &broken) == 0)
			snprintf(listing.items[i].mark.digest, sizeof listing.items[i].mark.digest, "%s",
			         bundle->digest);
		bundle_close(bundle);
		buffer_free(&bytes);
		if (out->count == BUNDLE_MARKS_MOST)
			memmove(out->marks, out->marks + 1, --out->count * sizeof *out->marks);
		out->marks[out->count++] = listing.items[i].mark;
	}
	bundle_listing_free(&listing);
	return 0;
}

int
bundle_state_read(struct bundle_state *out, const char *directory, struct fault *why)
{
	char path[BUNDLE_PATH_SIZE];
	json_t *json;
	bool good;

	memset(out, 0, sizeof *out);
	snprintf(path, sizeof path, "%s/" STATE, directory);
	if (access(path, F_OK) == -1 && errno == ENOENT)
		return read_files(out, directory, why);
	if ((json = json_read_file(path, STATE_LIMIT, why)) == NULL) {
		log_fault(LOG_LEVEL_ERROR, "bundles", "state-damaged", why);
		return read_files(out, directory, why);
	}
	good = read_state(out, json);
	json_decref(json);
	if (good)
		return 0;
	log_error("bundles", "event=state-damaged path=%s", path);
	return read_files(out, directory, why);
}

int
bundle_state_write(const struct bundle_state *state, const char *directory, struct fault *why)
{
	char path[BUNDLE_PATH_SIZE], time[CLOCK_TEXT_SIZE];
	json_t *marks = json_array(), *json;
	struct buffer text;
	int result = -1;

	for (size_t i = 0; i < state->count; i++) {
		clock_text(time, state->marks[i].activated_ms);
		json_array_append_new(marks,
		                      json_pack("{s:I, s:s, s:s, s:s, s:s}", "revision",
		                                (json_int_t)state->marks[i].revision, "digest",
		                                state->marks[i].digest, "activated", time, "source",
		                                state->marks[i].source, "signers", state->marks[i].signers));
	}
	json =
	    json_pack("{s:i, s:I, s:o}", "format", 1, "highest", (json_int_t)state->highest, "marks", marks);
	buffer_init(&text, STATE_LIMIT);
	json_write_canonical(&text, json);
	snprintf(path, sizeof path, "%s/" STATE, directory);
	if (json == NULL || json_array_size(marks) != state->count || !buffer_ok(&text))
		fault_memory(why);
	else
		result = file_replace(path, buffer_view(&text), 0600, why);
	buffer_free(&text);
	json_decref(json);
	return result;
}

void
bundle_state_push(struct bundle_state *state, const struct bundle_mark *mark, uint32_t keep)
{
	size_t most = keep < 2 ? 2 : keep > BUNDLE_MARKS_MOST ? BUNDLE_MARKS_MOST : keep;

	/* One that comes back is remembered once, at its new place. */
	for (size_t i = 0; i < state->count; i++)
		if (strcmp(state->marks[i].digest, mark->digest) == 0) {
			memmove(&state->marks[i], &state->marks[i + 1],
			        (--state->count - i) * sizeof *state->marks);
			break;
		}
	while (state->count >= most)
		memmove(state->marks, state->marks + 1, --state->count * sizeof *state->marks);
	state->marks[state->count++] = *mark;
	if (mark->revision > state->highest)
		state->highest = mark->revision;
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static bool
remembered(const struct bundle_state *state, const struct bundle_mark *mark)
{
	for (size_t i = 0; i < state->count; i++)
		if (state->marks[i].revision == mark->revision &&
		    strncmp(state->marks[i].digest, mark->digest, NAME_DIGITS) == 0)
			return true;
	return false;
}

void
bundle_state_tidy(const struct bundle_state *state, const char *directory)
{
	struct bundle_listing listing;
	char path[BUNDLE_PATH_SIZE];
	struct fault why;

	if (bundle_listing_read(&listing, directory, &why) == -1)
		return;
	for (size_t i = 0; i < listing.count; i++) {
		const struct bundle_mark *mark = &listing.items[i].mark;
		const bool gone = listing.items[i].imported
		                      ? remembered(state, mark) || mark->revision <= state->highest
		                      : !remembered(state, mark);

		if (gone &&
		    bundle_state_path(path, sizeof path, directory, mark, listing.items[i].imported) &&
		    unlink(path) == -1)
			log_warn("bundles", "event=not-removed path=%s", path);
	}
	bundle_listing_free(&listing);
}

static int
put(const char *directory, const struct bundle_mark *mark, bool imported, struct slice archive,
    struct fault *why)
{
	char path[BUNDLE_PATH_SIZE];

	if (!bundle_state_path(path, sizeof path, directory, mark, imported))
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다: %s", "the path is too long: %s",
		                 directory);
	return file_replace(path, archive, 0600, why);
}

int
bundle_state_keep(const char *directory, const struct bundle_mark *mark, struct slice archive,
                  struct fault *why)
{
	return put(directory, mark, false, archive, why);
}

int
bundle_state_import(const char *directory, const struct bundle_mark *mark, struct slice archive,
                    struct fault *why)
{
	return put(directory, mark, true, archive, why);
}

int
bundle_state_load(const char *directory, const struct bundle_mark *mark, bool imported, struct buffer *out,
                  struct fault *why)
{
	char path[BUNDLE_PATH_SIZE];

	if (!bundle_state_path(path, sizeof path, directory, mark, imported))
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다: %s", "the path is too long: %s",
		                 directory);
	return file_read(out, path, BUNDLE_SIZE_LIMIT, why);
}

int
bundle_state_load_any(const char *directory, int64_t revision, struct buffer *out, struct fault *why)
{
	struct bundle_listing listing;
	int result = 1;

	if (bundle_listing_read(&listing, directory, why) == -1)
		return -1;
	for (size_t i = listing.count; result == 1 && i-- > 0;)
		if (listing.items[i].mark.revision == revision)
			result = bundle_state_load(directory, &listing.items[i].mark,
			                           listing.items[i].imported, out, why);
	bundle_listing_free(&listing);
	return result != 1 ? result
	                   : fault_set(why, FAULT_NOT_FOUND, "%lld판은 보관되어 있지 않습니다",
	                               "revision %lld is not kept", (long long)revision);
}
