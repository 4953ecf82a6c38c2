/* template_write -- values as text: as Python prints them, as Python represents them, as JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/template_inside.h"

#define WRITE_DEPTH 64

void
writer_init(struct writer *writer)
{
	buffer_init(&writer->bytes, JINJA_MEMORY_LIMIT / 4);
	buffer_init(&writer->marks, JINJA_MEMORY_LIMIT / 4);
}

void
writer_free(struct writer *writer)
{
	buffer_free(&writer->bytes);
	buffer_free(&writer->marks);
}

void
writer_text(struct writer *writer, struct text text)
{
	uint8_t marks[256];

	if (text.size == 0)
		return;
	buffer_append(&writer->bytes, text.data, text.size);
	if (text.origin == ORIGIN_MIXED) {
		buffer_append(&writer->marks, text.marks, text.size);
		return;
	}
	memset(marks, text.origin == ORIGIN_THEIRS, text.size < sizeof marks ? text.size : sizeof marks);
	for (size_t done = 0; done < text.size; done += sizeof marks)
		buffer_append(&writer->marks, marks,
		              text.size - done < sizeof marks ? text.size - done : sizeof marks);
}

void
writer_ours(struct writer *writer, const char *text)
{
	writer_text(writer, text_ours(slice_string(text)));
}

/* Empties the writer, whatever happens. */
int
writer_value(struct run *run, struct writer *writer, struct value *out)
{
	struct text text = {.size = writer->bytes.size};
	bool ours = true, theirs = true;
	int result = -1;

	if (!buffer_ok(&writer->bytes) || !buffer_ok(&writer->marks)) {
		run_memory(run);
		goto out;
	}
	for (size_t i = 0; i < text.size; i++) {
		ours = ours && writer->marks.data[i] == 0;
		theirs = theirs && writer->marks.data[i] != 0;
	}
	text.origin = ours ? ORIGIN_OURS : theirs ? ORIGIN_THEIRS : ORIGIN_MIXED;
	if (text.size > 0) {
		text.data = arena_copy(run->arena, writer->bytes.data, text.size);
		if (text.origin == ORIGIN_MIXED)
			text.marks = arena_copy(run->arena, writer->marks.data, text.size);
		if (text.data == NULL || (text.origin == ORIGIN_MIXED && text.marks == NULL)) {
			run_memory(run);
			goto out;
		}
	}
	*out = value_text(text);
	result = run_work(run, text.size);
out:
	writer_free(writer);
	return result;
}

/* The shortest digits that read back as the same number, the way Python writes them. */
static void
write_real(struct writer *writer, double real, bool json)
{
	char digits[40], out[64];
	int exponent, precision = 0;
	size_t size = 0;
	char *mantissa;

	if (!isfinite(real)) {
		writer_ours(writer, isnan(real) ? (json ? "NaN" : "nan")
		                    : real > 0  ? (json ? "Infinity" : "inf")
		                                : (json ? "-Infinity" : "-inf"));
		return;
	}
	do
		snprintf(digits, sizeof digits, "%.*e", precision, real);
	while (strtod(digits, NULL) != real && ++precision < 17);
	exponent = atoi(strchr(digits, 'e') + 1);
	if (exponent >= -4 && exponent < 16) {
		int decimals = precision - exponent;

		snprintf(out, sizeof out, "%.*f", decimals > 1 ? decimals : 1, real);
		writer_ours(writer, out);
		return;
	}
	mantissa = strchr(digits, 'e');
	*mantissa = '\0';
	size = (size_t)snprintf(out, sizeof out, "%s", digits);
	snprintf(out + size, sizeof out - size, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
	writer_ours(writer, out);
}

int
write_value(struct run *run, struct writer *writer, const struct value *value)
{
	switch (value->kind) {
	case VALUE_UNDEFINED:
		return 0;
	case VALUE_TEXT:
		writer_text(writer, value->text);
		return run_work(run, value->text.size);
	default:
		return write_representation(run, writer, value, 0);
	}
}

int
value_as_text(struct run *run, const struct value *value, struct text *out)
{
	struct writer writer;
	struct value made;

	if (value->kind == VALUE_TEXT) {
		*out = value->text;
		return 0;
	}
	writer_init(&writer);
	if (write_value(run, &writer, value) == -1) {
		writer_free(&writer);
		return -1;
	}
	if (writer_value(run, &writer, &made) == -1)
		return -1;
	*out = made.text;
	return 0;
}

/* A stretch of a text that needs no escape, then the escape, and so on. */
static void
write_escaped(struct writer *writer, struct text text, bool json, uint8_t quote, bool ascii)
{
	size_t plain = 0, at = 0;

	while (at < text.size) {
		uint8_t c = text.data[at];
		char escape[16] = "";
		size_t step = 1;
		uint32_t code = c;

		if (c == '\\' || c == quote)
			snprintf(escape, sizeof escape, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (json && (c == '\b' || c == '\f'))
			snprintf(escape, sizeof escape, "\\%c", c == '\b' ? 'b' : 'f');
		else if (c < 32 || (c == 127 && !json))
			snprintf(escape, sizeof escape, json ? "\\u%04x" : "\\x%02x", c);
		else if (c >= 0x80 && ascii &&
		         (step = utf8_next(slice_of(text.data + at, text.size - at), &code)) > 0) {
			if (code >= 0x10000)
				snprintf(escape, sizeof escape, "\\u%04x\\u%04x",
				         (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
				         (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
			else
				snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
		}
		step = step > 0 ? step : 1;
		if (escape[0] != '\0') {
			struct text made = text_ours(slice_string(escape));

			made.origin = text.origin != ORIGIN_MIXED ? text.origin
			              : text.marks[at] != 0       ? ORIGIN_THEIRS
			                                          : ORIGIN_OURS;
			writer_text(writer, text_part(text, plain, at));
			writer_text(writer, made);
			plain = at + step;
		}
		at += step;
	}
	writer_text(writer, text_part(text, plain, text.size));
}

int
write_representation(struct run *run, struct writer *writer, const struct value *value, unsigned depth)
{
	char number[32];

	if (depth > WRITE_DEPTH)
		return run_wrong(run, "값이 너무 깊습니다", "a value is nested too deeply");
	if (run_work(run, value->kind == VALUE_TEXT ? value->text.size : 1) == -1)
		return -1;
	switch (value->kind) {
	case VALUE_UNDEFINED:
		writer_ours(writer, "Undefined");
		return 0;
	case VALUE_NONE:
		writer_ours(writer, "None");
		return 0;
	case VALUE_BOOL:
		writer_ours(writer, value->flag ? "True" : "False");
		return 0;
	case VALUE_INTEGER:
		snprintf(number, sizeof number, "%lld", (long long)value->integer);
		writer_ours(writer, number);
		return 0;
	case VALUE_REAL:
		write_real(writer, value->real, false);
		return 0;
	case VALUE_TEXT: {
		bool single = value->text.size > 0 &&
		              memchr(value->text.data, '\'', value->text.size) != NULL &&
		              memchr(value->text.data, '"', value->text.size) == NULL;

		writer_ours(writer, single ? "\"" : "'");
		write_escaped(writer, value->text, false, single ? '"' : '\'', false);
		writer_ours(writer, single ? "\"" : "'");
		return 0;
	}
	case VALUE_LIST:
		writer_ours(writer, value->list->tuple ? "(" : "[");
		for (size_t i = 0; i < value->list->count; i++) {
			writer_ours(writer, i == 0 ? "" : ", ");
			if (write_representation(run, writer, &value->list->items[i], depth + 1) == -1)
				return -1;
		}
		writer_ours(writer, value->list->tuple && value->list->count == 1 ? ",)"
		                    : value->list->tuple                          ? ")"
		                                                                  : "]");
		return 0;
	case VALUE_MAP:
		writer_ours(writer, "{");
		for (size_t i = 0; i < value->map->count; i++) {
			writer_ours(writer, i == 0 ? "" : ", ");
			if (write_representation(run, writer, &value->map->pairs[i].key, depth + 1) == -1)
				return -1;
			writer_ours(writer, ": ");
			if (write_representation(run, writer, &value->map->pairs[i].value, depth + 1) == -1)
				return -1;
		}
		writer_ours(writer, "}");
		return 0;
	default:
		return run_wrong(run, "%s은(는) 글로 쓸 수 없습니다", "%s cannot be written",
		                 value_kind_name(value));
	}
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

struct json_style {
	int indent; /* -1: on one line */
	bool ascii, sorted;
	struct text between, colon;
};

static void
new_line(struct writer *writer, const struct json_style *style, unsigned depth)
{
	if (style->indent < 0)
		return;
	writer_ours(writer, "\n");
	for (int i = 0; i < style->indent * (int)depth; i++)
		writer_ours(writer, " ");
}

static void
write_json_text(struct writer *writer, struct text text, const struct json_style *style)
{
	writer_ours(writer, "\"");
	write_escaped(writer, text, true, '"', style->ascii);
	writer_ours(writer, "\"");
}

static int write_json_value(struct run *run, struct writer *writer, const struct value *value,
                            const struct json_style *style, unsigned depth);

static int
write_json_map(struct run *run, struct writer *writer, const struct map *map, const struct json_style *style,
               unsigned depth)
{
	struct list *keys, listed = {0};

	if ((keys = list_new(run, map->count)) == NULL)
		return -1;
	for (size_t i = 0; i < map->count; i++)
		keys->items[i] = map->pairs[i].key;
	listed = *keys;
	if (style->sorted && value_sort(run, &listed, false, false, NULL, &keys) == -1)
		return -1;
	writer_ours(writer, "{");
	for (size_t i = 0; i < map->count; i++) {
		const struct value *key = &keys->items[i];
		struct text name;

		if (i > 0)
			writer_text(writer, style->between);
		new_line(writer, style, depth + 1);
		if (key->kind == VALUE_BOOL || key->kind == VALUE_NONE) {
			writer_ours(writer, key->kind == VALUE_NONE ? "\"null\""
			                    : key->flag             ? "\"true\""
			                                            : "\"false\"");
		} else {
			if (value_as_text(run, key, &name) == -1)
				return -1;
			write_json_text(writer, name, style);
		}
		writer_text(writer, style->colon);
		if (run_work(run, style->sorted ? map->count * 16 : 0) == -1 ||
		    write_json_value(run, writer, style->sorted ? map_find(map, key) : &map->pairs[i].value,
		                     style, depth + 1) == -1)
			return -1;
	}
	if (map->count > 0)
		new_line(writer, style, depth);
	writer_ours(writer, "}");
	return 0;
}

static int
write_json_value(struct run *run, struct writer *writer, const struct value *value,
                 const struct json_style *style, unsigned depth)
{
	if (depth > WRITE_DEPTH)
		return run_wrong(run, "값이 너무 깊습니다", "a value is nested too deeply");
	if (run_work(run, value->kind == VALUE_TEXT ? value->text.size : 1) == -1)
		return -1;
	switch (value->kind) {
	case VALUE_NONE:
		writer_ours(writer, "null");
		return 0;
	case VALUE_BOOL:
		writer_ours(writer, value->flag ? "true" : "false");
		return 0;
	case VALUE_REAL:
		write_real(writer, value->real, true);
		return 0;
	case VALUE_INTEGER:
		return write_representation(run, writer, value, depth);
	case VALUE_TEXT:
		write_json_text(writer, value->text, style);
		return 0;
	case VALUE_LIST:
		writer_ours(writer, "[");
		for (size_t i = 0; i < value->list->count; i++) {
			if (i > 0)
				writer_text(writer, style->between);
			new_line(writer, style, depth + 1);
			if (write_json_value(run, writer, &value->list->items[i], style, depth + 1) == -1)
				return -1;
		}
		if (value->list->count > 0)
			new_line(writer, style, depth);
		writer_ours(writer, "]");
		return 0;
	case VALUE_MAP:
		return write_json_map(run, writer, value->map, style, depth);
	default:
		return run_wrong(run, "%s은(는) JSON으로 쓸 수 없습니다", "%s cannot be written as JSON",
		                 value_kind_name(value));
	}
}

int
write_json(struct run *run, struct writer *writer, const struct value *value, int indent, bool ascii,
           bool sorted, const struct text *separators, unsigned depth)
{
	struct json_style style = {
	    .indent = indent, .ascii = ascii, .sorted = sorted, .colon = text_ours(SLICE_LITERAL(": "))};

	style.between = text_ours(indent < 0 ? SLICE_LITERAL(", ") : SLICE_LITERAL(","));
	if (separators != NULL) {
		style.between = separators[0];
		style.colon = separators[1];
	}
	return write_json_value(run, writer, value, &style, depth);
}
