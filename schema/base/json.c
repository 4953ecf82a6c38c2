#include "schema/base/json.h"

#include <stdlib.h>
#include <string.h>

#define EXACT_LIMIT ((int64_t)1 << 53) /* beyond it a double, and so a JavaScript reader, loses digits */

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* jansson recurses; the depth is settled before it is let loose. Brackets inside strings do not count. */
static bool
depth_within(struct slice text, unsigned limit)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.size; i++) {
		const uint8_t byte = text.data[i];

		if (in_string) {
			if (byte == '\\')
				i++;
			else if (byte == '"')
				in_string = false;
			continue;
		}
		if (byte == '"')
			in_string = true;
		else if ((byte == '{' || byte == '[') && ++depth > limit)
			return false;
		else if ((byte == '}' || byte == ']') && depth > 0)
			depth--;
	}
	return true;
}

/* jansson's own texts may quote what they read; these do not. */
static const char *
reason_ko(enum json_error_code code)
{
	switch (code) {
	case json_error_invalid_utf8:
		return "UTF-8이 아닌 바이트";
	case json_error_premature_end_of_input:
		return "끝까지 오지 않은 문서";
	case json_error_end_of_input_expected:
		return "값 뒤에 남은 글자";
	case json_error_duplicate_key:
		return "같은 이름이 두 번 나옴";
	case json_error_numeric_overflow:
		return "너무 큰 수";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "문자열 안의 U+0000";
	default:
		return "문법 오류";
	}
}

static const char *
reason_en(enum json_error_code code)
{
	switch (code) {
	case json_error_invalid_utf8:
		return "bytes that are not UTF-8";
	case json_error_premature_end_of_input:
		return "the document ends too early";
	case json_error_end_of_input_expected:
		return "something behind the value";
	case json_error_duplicate_key:
		return "the same name twice";
	case json_error_numeric_overflow:
		return "a number too large";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "U+0000 in a string";
	default:
		return "syntax error";
	}
}

json_t *
json_read(struct slice text, size_t size_limit, unsigned depth_limit, struct fault *why)
{
	json_error_t error;
	json_t *value;

	if (text.size > size_limit) {
		fault_set(why, FAULT_TOO_LARGE, "JSON이 너무 큽니다: %zu바이트 (최대 %zu)",
		          "JSON too large: %zu bytes (at most %zu)", text.size, size_limit);
		return NULL;
	}
	if (!depth_within(text, depth_limit)) {
		fault_set(why, FAULT_INVALID, "JSON이 너무 깊습니다 (최대 %u단계)",
		          "JSON nested too deeply (at most %u levels)", depth_limit);
		return NULL;
	}
	value =
	    json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (value == NULL)
		fault_set(why, FAULT_INVALID, "JSON %d행 %d열: %s", "JSON line %d column %d: %s", error.line,
		          error.column, reason_ko(json_error_code(&error)));
	if (value == NULL && why != NULL)
		snprintf(why->en, sizeof why->en, "JSON line %d column %d: %s", error.line, error.column,
		         reason_en(json_error_code(&error)));
	return value;
}

json_t *
json_read_file(const char *path, size_t size_limit, struct fault *why)
{
	struct buffer content;
	json_t *value;

	if (file_read(&content, path, size_limit, why) == -1)
		return NULL;
	value = json_read(slice_unmarked(buffer_view(&content)), size_limit, JSON_DEPTH_LIMIT, why);
	buffer_free(&content);
	if (value == NULL)
		fault_prefix(why, "%s", "%s", path);
	return value;
}

const char *
json_get_string(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

int64_t
json_get_integer(const json_t *object, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool
json_get_bool(const json_t *object, const char *name, bool fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

const char *
json_unknown_member(json_t *object, const char *const *known)
{
	for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
		const char *const name = json_object_iter_key(at);
		const char *const *one = known;

		while (*one != NULL && strcmp(*one, name) != 0)
			one++;
		if (*one == NULL)
			return name;
	}
	return NULL;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Escapes of RFC 8785: the short forms where there are, else four lower-case digits, and only below U+0020. */
static void
put_quoted(struct buffer *out, struct slice text, bool lenient)
{
	static const char short_form[32] = {
	    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	size_t plain = 0; /* bytes at the front of text that need nothing */

	buffer_byte(out, '"');
	while (plain < text.size) {
		const uint8_t byte = text.data[plain];
		uint32_t code;
		size_t length = 1;

		if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
			plain++;
			continue;
		}
		if (byte >= 0x80 &&
		    (length = utf8_next(slice_of(text.data + plain, text.size - plain), &code)) > 0) {
			plain += length;
			continue;
		}
		buffer_append(out, text.data, plain);
		if (byte >= 0x80) {
			if (!lenient) {
				out->failed = true;
				return;
			}
			buffer_string(out, "\xEF\xBF\xBD");
			length = 1;
		} else if (byte == '"' || byte == '\\') {
			buffer_byte(out, '\\');
			buffer_byte(out, byte);
		} else if (short_form[byte] != '\0') {
			buffer_byte(out, '\\');
			buffer_byte(out, (uint8_t)short_form[byte]);
		} else {
			buffer_printf(out, "\\u%04x", (unsigned)byte);
		}
		text.data += plain + length;
		text.size -= plain + length;
		plain = 0;
	}
	buffer_append(out, text.data, plain);
	buffer_byte(out, '"');
}

void
json_quote(struct buffer *out, struct slice text)
{
	put_quoted(out, text, true);
}

/* The sort of RFC 8785 is by UTF-16 code units: above the surrogates' range UTF-8's order differs. */
static int
compare_names(struct slice a, struct slice b)
{
	while (a.size > 0 && b.size > 0) {
		uint32_t left = 0, right = 0;
		const size_t m = utf8_next(a, &left), n = utf8_next(b, &right);

		if (m == 0 || n == 0)
			break;
		if (left != right) {
			/* A supplementary character begins with a surrogate: below U+E000, above the rest. */
			const uint32_t l = left >= 0x10000 ? 0xD800 + ((left - 0x10000) >> 10) : left;
			const uint32_t r = right >= 0x10000 ? 0xD800 + ((right - 0x10000) >> 10) : right;

			if (l != r)
				return l < r ? -1 : 1;
			return left < right ? -1 : 1;
		}
		a.data += m, a.size -= m;
		b.data += n, b.size -= n;
	}
	return slice_compare(a, b);
}

static int
compare_name_pointers(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return compare_names(slice_string(*left), slice_string(*right));
}

static void put_canonical(struct buffer *out, const json_t *value, unsigned depth);

static void
put_canonical_object(struct buffer *out, const json_t *value, unsigned depth)
{
	const size_t count = json_object_size(value);
	json_t *owner;
	const char **names = malloc((count + 1) * sizeof *names);
	size_t filled = 0;

	if (names == NULL) {
		out->failed = true;
		return;
	}
	memcpy(&owner, &value,
	       sizeof owner); /* jansson's iterators take a pointer they never write through */
	for (void *at = json_object_iter(owner); at != NULL; at = json_object_iter_next(owner, at))
		names[filled++] = json_object_iter_key(at);
	qsort(names, filled, sizeof *names, compare_name_pointers);
	buffer_byte(out, '{');
	for (size_t i = 0; i < filled; i++) {
		if (i > 0)
			buffer_byte(out, ',');
		put_quoted(out, slice_string(names[i]), false);
		buffer_byte(out, ':');
		put_canonical(out, json_object_get(value, names[i]), depth + 1);
	}
	buffer_byte(out, '}');
	free(names);
}

static void
put_canonical(struct buffer *out, const json_t *value, unsigned depth)
{
	if (depth > JSON_DEPTH_LIMIT) {
		out->failed = true;
		return;
	}
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_canonical_object(out, value, depth);
		return;
	case JSON_ARRAY:
		buffer_byte(out, '[');
		for (size_t i = 0; i < json_array_size(value); i++) {
			if (i > 0)
				buffer_byte(out, ',');
			put_canonical(out, json_array_get(value, i), depth + 1);
		}
		buffer_byte(out, ']');
		return;
	case JSON_STRING:
		put_quoted(out, slice_of(json_string_value(value), json_string_length(value)), false);
		return;
	case JSON_INTEGER:
		if (json_integer_value(value) >= EXACT_LIMIT || json_integer_value(value) <= -EXACT_LIMIT)
			out->failed = true;
		buffer_printf(out, "%lld", (long long)json_integer_value(value));
		return;
	case JSON_REAL:
		out->failed = true;
		return;
	case JSON_TRUE:
		buffer_string(out, "true");
		return;
	case JSON_FALSE:
		buffer_string(out, "false");
		return;
	case JSON_NULL:
		buffer_string(out, "null");
		return;
	}
	out->failed = true;
}

void
json_write_canonical(struct buffer *out, const json_t *value)
{
	put_canonical(out, value, 0);
}

static int
append_dump(const char *data, size_t size, void *to)
{
	struct buffer *out = to;

	buffer_append(out, data, size);
	return buffer_ok(out) ? 0 : -1;
}

void
json_write(struct buffer *out, const json_t *value)
{
	if (json_dump_callback(value, append_dump, out, JSON_COMPACT | JSON_ENCODE_ANY) == -1)
		out->failed = true;
}

/* ---- the canonical writer --------------------------------------------------------------------------------------- */

void
json_writer_init(struct json_writer *writer, struct buffer *out)
{
	writer->out = out;
	writer->depth = 0;
	writer->level[0].object = false;
	writer->level[0].any = false;
}

/* A comma before every element of an array but the first; members of objects got theirs with the name. */
static void
separate(struct json_writer *writer)
{
	if (writer->depth > 0 && !writer->level[writer->depth].object && writer->level[writer->depth].any)
		buffer_byte(writer->out, ',');
	if (!writer->level[writer->depth].object)
		writer->level[writer->depth].any = true;
}

static void
open_level(struct json_writer *writer, bool object)
{
	separate(writer);
	if (writer->depth + 1 >= JSON_DEPTH_LIMIT) {
		writer->out->failed = true;
		return;
	}
	writer->depth++;
	writer->level[writer->depth].object = object;
	writer->level[writer->depth].any = false;
	buffer_byte(writer->out, object ? '{' : '[');
}

static void
close_level(struct json_writer *writer, bool object)
{
	if (writer->depth == 0 || writer->level[writer->depth].object != object) {
		writer->out->failed = true;
		return;
	}
	writer->depth--;
	buffer_byte(writer->out, object ? '}' : ']');
}

void
json_object_begin(struct json_writer *writer)
{
	open_level(writer, true);
}

void
json_object_end(struct json_writer *writer)
{
	close_level(writer, true);
}

void
json_array_begin(struct json_writer *writer)
{
	open_level(writer, false);
}

void
json_array_end(struct json_writer *writer)
{
	close_level(writer, false);
}

void
json_name(struct json_writer *writer, const char *name)
{
	struct buffer *out = writer->out;
	const size_t size = strlen(name), depth = writer->depth;

	if (depth == 0 || !writer->level[depth].object) {
		out->failed = true;
		return;
	}
	if (writer->level[depth].any) {
		const struct slice last =
		    slice_of(out->data + writer->level[depth].name_at, writer->level[depth].name_size);

		if (out->failed || slice_compare(last, slice_of(name, size)) >= 0) {
			out->failed = true;
			return;
		}
		buffer_byte(out, ',');
	}
	writer->level[depth].any = true;
	buffer_byte(out, '"');
	writer->level[depth].name_at = out->size;
	writer->level[depth].name_size = size;
	buffer_append(out, name, size);
	buffer_string(out, "\":");
}

void
json_text(struct json_writer *writer, struct slice text)
{
	separate(writer);
	put_quoted(writer->out, text, false);
}

void
json_cstring(struct json_writer *writer, const char *text)
{
	json_text(writer, slice_string(text));
}

void
json_number(struct json_writer *writer, int64_t value)
{
	char digits[24], *at = digits + sizeof digits;
	bool negative = value < 0;

	separate(writer);
	if (value >= EXACT_LIMIT || value <= -EXACT_LIMIT) {
		writer->out->failed = true;
		return;
	}
	for (value = negative ? -value : value; at == digits + sizeof digits || value > 0; value /= 10)
		*--at = (char)('0' + value % 10);
	if (negative)
		*--at = '-';
	buffer_append(writer->out, at, (size_t)(digits + sizeof digits - at));
}

void
json_bool(struct json_writer *writer, bool value)
{
	separate(writer);
	buffer_string(writer->out, value ? "true" : "false");
}
