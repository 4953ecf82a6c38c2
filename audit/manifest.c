#include "audit/manifest.h"

#include <inttypes.h>
#include <string.h>

#include "schema/base/clock.h"

#define HEADING "haechi-manifest/1"

static const char *const kinds[MANIFEST_KINDS] = {
    [MANIFEST_EXPORT] = "export", [MANIFEST_REPORT] = "report", [MANIFEST_ARCHIVE] = "archive"};

const char *
manifest_kind_name(enum manifest_kind kind)
{
	return (size_t)kind < MANIFEST_KINDS ? kinds[kind] : "";
}

void
manifest_write(struct buffer *out, const struct manifest *manifest)
{
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, manifest->made_ms);
	buffer_printf(out, HEADING "\nkind %s\nmade %s\nby %s\nrenderer %u\n", kinds[manifest->kind], time,
	              manifest->by, manifest->renderer);
	if (manifest->filter.has_from) {
		clock_text(time, manifest->filter.from_ms);
		buffer_printf(out, "from %s\n", time);
	}
	if (manifest->filter.has_to) {
		clock_text(time, manifest->filter.to_ms);
		buffer_printf(out, "to %s\n", time);
	}
	for (size_t i = 0; i < FILTER_VALUES; i++)
		if (filter_value(&manifest->filter, i) != NULL)
			buffer_printf(out, "%s %s\n", filter_names[i], filter_value(&manifest->filter, i));
	for (size_t i = 0; i < manifest->log_count; i++)
		buffer_printf(out, "origin %zu %s\n", i + 1, manifest->logs[i]);
	for (size_t i = 0; i < manifest->file_count; i++)
		buffer_printf(out, "%s %s %" PRIu64 " %s\n", manifest->files[i].sealed ? "sealed" : "file",
		              manifest->files[i].digest, manifest->files[i].size, manifest->files[i].name);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static int
malformed(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "manifest를 읽을 수 없습니다: %s%.0s",
	                 "the manifest cannot be read: %.0s%s", ko, en);
}

/* Does the next line begin with `name` and a blank? Then it is taken, and *value is the rest. */
static bool
take(struct reader *reader, const char *name, struct slice *value)
{
	struct reader ahead = *reader;
	const size_t size = strlen(name);
	struct slice line = reader_line(&ahead);

	if (!reader_ok(&ahead) || line.size <= size + 1 || memcmp(line.data, name, size) != 0 ||
	    line.data[size] != ' ')
		return false;
	*value = slice_of(line.data + size + 1, line.size - size - 1);
	*reader = ahead;
	return true;
}

static bool
take_time(struct reader *reader, const char *name, int64_t *wall_ms)
{
	struct slice value;

	return take(reader, name, &value) && value.size == CLOCK_TEXT_SIZE - 1 &&
	       clock_parse(wall_ms, value, false);
}

static bool
number(struct slice text, uint64_t *out)
{
	*out = 0;
	if (text.size == 0 || text.size > 18 || (text.size > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(text.data[i] - '0');
	}
	return true;
}

static struct slice
word(struct slice *rest)
{
	const uint8_t *blank = rest->size == 0 ? NULL : memchr(rest->data, ' ', rest->size);
	const struct slice first =
	    slice_of(rest->data, blank == NULL ? rest->size : (size_t)(blank - rest->data));

	*rest = blank == NULL ? slice_of(NULL, 0) : slice_of(blank + 1, rest->size - first.size - 1);
	return first;
}

/* A name that stays inside the folder wherever it is joined to one. */
static bool
name_allowed(struct slice name)
{
	bool begins = true; /* a part of the path */

	if (name.size == 0 || name.size > MANIFEST_PATH)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		const char c = (char)name.data[i];

		if (c == '/' ? begins
		             : !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
		                 (c == '.' && !begins)))
			return false;
		begins = c == '/';
	}
	return !begins;
}

static int
read_file(struct manifest_file *file, struct slice value, struct fault *why)
{
	const struct slice digest = word(&value), size = word(&value);
	uint8_t bytes[32];

	if (digest.size != 64 || !hex_decode(bytes, sizeof bytes, digest) || !number(size, &file->size) ||
	    !name_allowed(value))
		return malformed(why, "file 줄", "file line");
	hex_encode(file->digest, bytes, sizeof bytes);
	memcpy(file->name, value.data, value.size);
	file->name[value.size] = '\0';
	return 0;
}

int
manifest_read(struct manifest *out, struct slice text, struct arena *arena, struct fault *why)
{
	struct reader reader = reader_of(text);
	struct slice value;
	uint64_t renderer;
	struct buffer again;
	bool same;

	memset(out, 0, sizeof *out);
	if (text.size > MANIFEST_LIMIT || !slice_is(reader_line(&reader), HEADING))
		return malformed(why, "첫 줄", "first line");
	if (!take(&reader, "kind", &value))
		return malformed(why, "kind 줄", "kind line");
	for (int kind = 0; kind < MANIFEST_KINDS; kind++)
		if (slice_is(value, kinds[kind])) /* any other is an export that is not written so again */
			out->kind = (enum manifest_kind)kind;
	if (!take_time(&reader, "made", &out->made_ms) || !take(&reader, "by", &value))
		return malformed(why, "made·by 줄", "lines made and by");
	out->by = arena_text(arena, value);
	if (!take(&reader, "renderer", &value) || !number(value, &renderer) || renderer > 1000000)
		return malformed(why, "renderer 줄", "renderer line");
	out->renderer = (unsigned)renderer;
	out->filter.has_from = take_time(&reader, "from", &out->filter.from_ms);
	out->filter.has_to = take_time(&reader, "to", &out->filter.to_ms);
	for (size_t i = 0; i < FILTER_VALUES; i++)
		if (take(&reader, filter_names[i], &value))
			filter_set(&out->filter, i, arena_text(arena, value));
	while (take(&reader, "origin", &value)) {
		uint64_t position;

		if (out->log_count == MANIFEST_LOGS || !number(word(&value), &position) ||
		    position != out->log_count + 1 || value.size == 0)
			return malformed(why, "origin 줄", "origin line");
		out->logs[out->log_count++] = arena_text(arena, value);
	}
	for (bool sealed; (sealed = out->kind == MANIFEST_ARCHIVE && take(&reader, "sealed", &value)) ||
	                  take(&reader, "file", &value);) {
		if (out->file_count == MANIFEST_FILES)
			return malformed(why, "파일이 너무 많음", "too many files");
		if (read_file(&out->files[out->file_count], value, why) == -1)
			return -1;
		out->files[out->file_count++].sealed = sealed;
	}
	if (!arena_ok(arena))
		return fault_memory(why);
	/* What was understood, written again, is what was read: nothing else can hide in it. */
	buffer_init(&again, MANIFEST_LIMIT + 1);
	manifest_write(&again, out);
	same = buffer_ok(&again) && slice_equal(buffer_view(&again), text);
	buffer_free(&again);
	return same ? 0 : malformed(why, "모르는 줄이나 순서", "an unknown line, or the order");
}

const struct manifest_file *
manifest_find(const struct manifest *manifest, const char *name)
{
	for (size_t i = 0; i < manifest->file_count; i++)
		if (strcmp(manifest->files[i].name, name) == 0)
			return &manifest->files[i];
	return NULL;
}
