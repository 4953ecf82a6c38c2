#include "policy/cedar/ast.h"
#include "policy/cedar/lexer.h"

#include <stdarg.h>
#include <string.h>

/* ---- nodes ---------------------------------------------------------------------------------------------------- */

struct cedar_expr *
cedar_expr_new(struct arena *arena, enum cedar_op op, uint32_t offset)
{
	struct cedar_expr *expr = arena_alloc(arena, sizeof *expr);

	if (expr != NULL) {
		expr->op = (uint8_t)op;
		expr->offset = offset;
	}
	return expr;
}

static unsigned
higher(unsigned height, const struct cedar_expr *child)
{
	return child != NULL && child->height >= height ? child->height + 1u : height;
}

/* Sets, records and extension calls of constants are made once, when the policy is read. */
static void
fold(struct cedar_expr *expr, struct arena *arena)
{
	uint32_t count = expr->as.list.count;
	struct cedar_value *items;
	struct cedar_field *fields;
	enum cedar_failure failure;

	for (uint32_t i = 0; i < count; i++)
		if (!expr->as.list.items[i]->constant)
			return;
	if (expr->op == CEDAR_RECORD_OF) {
		if ((fields = arena_array(arena, count + 1, sizeof *fields)) == NULL)
			return;
		for (uint32_t i = 0; i < count; i++)
			fields[i] =
			    (struct cedar_field){expr->as.list.names[i], expr->as.list.items[i]->value};
		expr->value = cedar_record_take(arena, fields, count);
	} else {
		if ((items = arena_array(arena, count + 1, sizeof *items)) == NULL)
			return;
		for (uint32_t i = 0; i < count; i++)
			items[i] = expr->as.list.items[i]->value;
		if (expr->op == CEDAR_SET_OF)
			expr->value = cedar_set_take(arena, items, count);
		else /* a call that fails, fails when it is evaluated */
			expr->value =
			    cedar_function_call(expr->as.list.function, items, count, arena, &failure);
	}
	expr->constant = expr->value.kind != CEDAR_NONE;
}

bool
cedar_expr_finish(struct cedar_expr *expr, struct arena *arena)
{
	unsigned height = 1;

	switch ((enum cedar_op)expr->op) {
	case CEDAR_LITERAL:
		expr->constant = true;
		break;
	case CEDAR_VARIABLE:
		break;
	case CEDAR_IF:
		height = higher(height, expr->as.choice.guard);
		height = higher(height, expr->as.choice.yes);
		height = higher(height, expr->as.choice.no);
		break;
	case CEDAR_ATTRIBUTE:
	case CEDAR_HAS:
		height = higher(height, expr->as.member.left);
		break;
	case CEDAR_LIKE:
		height = higher(height, expr->as.like.left);
		break;
	case CEDAR_IS:
		height = higher(height, expr->as.is.left);
		height = higher(height, expr->as.is.in);
		break;
	case CEDAR_AND:
	case CEDAR_OR:
	case CEDAR_SET_OF:
	case CEDAR_RECORD_OF:
	case CEDAR_CALL:
		for (uint32_t i = 0; i < expr->as.list.count; i++)
			height = higher(height, expr->as.list.items[i]);
		if (expr->op != CEDAR_AND && expr->op != CEDAR_OR)
			fold(expr, arena);
		break;
	default:
		height = higher(height, expr->as.pair.left);
		height = higher(height, expr->as.pair.right);
		break;
	}
	expr->height = (uint16_t)height;
	return height <= CEDAR_DEPTH_LIMIT;
}

/* ---- escapes and patterns ------------------------------------------------------------------------------------- */

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * One escape at the front (raw.data[0] is the backslash): its size, and *code; 0 when it is none. `\*` is left to the
 * caller.
 */
static size_t
escape_size(struct slice raw, uint32_t *code)
{
	uint32_t value = 0;
	size_t at = 3, digits = 0;

	if (raw.size < 2)
		return 0;
	switch (raw.data[1]) {
	case 'n':
		*code = '\n';
		return 2;
	case 'r':
		*code = '\r';
		return 2;
	case 't':
		*code = '\t';
		return 2;
	case '0':
		*code = 0;
		return 2;
	case '\\':
	case '\'':
	case '"':
		*code = raw.data[1];
		return 2;
	case 'x':
		if (raw.size < 4 || hex_digit(raw.data[2]) < 0 || hex_digit(raw.data[2]) > 7 ||
		    hex_digit(raw.data[3]) < 0)
			return 0;
		*code = (uint32_t)(hex_digit(raw.data[2]) << 4 | hex_digit(raw.data[3]));
		return 4;
	case 'u':
		if (raw.size < 4 || raw.data[2] != '{')
			return 0;
		for (; at < raw.size && raw.data[at] != '}'; at++) {
			if (raw.data[at] == '_' && digits > 0)
				continue;
			if (hex_digit(raw.data[at]) < 0 || ++digits > 6)
				return 0;
			value = value << 4 | (uint32_t)hex_digit(raw.data[at]);
		}
		if (at == raw.size || digits == 0 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
			return 0;
		*code = value;
		return at + 1;
	default:
		return 0;
	}
}

static struct slice
bad_escape(struct slice raw)
{
	size_t size = 2 < raw.size ? 2 : raw.size;

	if (size == 2 && raw.data[1] >= 0x80)
		size = 1 + utf8_next(slice_of(raw.data + 1, raw.size - 1), &(uint32_t){0});
	if (size == 2 && raw.data[1] == 'x')
		size = utf8_cut(raw, 4 < raw.size ? 4 : raw.size);
	if (size == 2 && raw.data[1] == 'u')
		for (; size < raw.size && size < 12 && raw.data[size - 1] != '}' && raw.data[size] < 0x80;
		     size++)
			;
	return slice_of(raw.data, size);
}

bool
cedar_unescape(struct arena *arena, struct slice raw, struct slice *text, struct slice *bad)
{
	uint8_t *out;
	size_t size = 0;

	*text = raw;
	if (raw.size == 0 || memchr(raw.data, '\\', raw.size) == NULL)
		return true;
	*bad = (struct slice){NULL, 0};
	if ((out = arena_alloc(arena, raw.size)) == NULL)
		return false;
	while (raw.size > 0) {
		uint32_t code;
		size_t used = 1;

		if (raw.data[0] != '\\') {
			out[size++] = raw.data[0];
		} else if ((used = escape_size(raw, &code)) == 0) {
			*bad = bad_escape(raw);
			return false;
		} else {
			uint8_t put[4];
			size_t length = utf8_put(put, code);

			memcpy(out + size, put, length); /* never longer than the escape */
			size += length;
		}
		raw = slice_of(raw.data + used, raw.size - used);
	}
	*text = slice_of(out, size);
	return true;
}

bool
cedar_unescape_pattern(struct arena *arena, struct slice raw, const struct cedar_pattern **pattern,
                       struct slice *bad)
{
	struct cedar_pattern *made = arena_alloc(arena, sizeof *made);
	uint8_t *out = arena_alloc(arena, raw.size + 1);
	struct slice *pieces;
	size_t size = 0, from = 0, count = 0, most = 1;

	*bad = (struct slice){NULL, 0};
	for (size_t i = 0; i < raw.size; i++)
		most += raw.data[i] == '*' || raw.data[i] == '\\'; /* an escape may spell a star too */
	pieces = arena_array(arena, most, sizeof *pieces);
	if (made == NULL || out == NULL || pieces == NULL)
		return false;
	while (raw.size > 0) {
		uint32_t code = raw.data[0];
		size_t used = 1;

		if (raw.data[0] == '\\' && raw.size > 1 && raw.data[1] == '*') {
			used = 2;
			out[size++] = '*';
		} else if (raw.data[0] == '\\' && (used = escape_size(raw, &code)) == 0) {
			*bad = bad_escape(raw);
			return false;
		} else if (code == '*') {
			pieces[count++] = slice_of(out + from, size - from);
			from = size;
		} else if (raw.data[0] == '\\') {
			uint8_t put[4];
			size_t length = utf8_put(put, code);

			memcpy(out + size, put, length);
			size += length;
		} else {
			out[size++] = raw.data[0];
		}
		raw = slice_of(raw.data + used, raw.size - used);
	}
	pieces[count++] = slice_of(out + from, size - from);
	*made = (struct cedar_pattern){(uint32_t)count, pieces};
	*pattern = made;
	return true;
}

static bool
starts(struct slice text, struct slice piece)
{
	return text.size >= piece.size && (piece.size == 0 || memcmp(text.data, piece.data, piece.size) == 0);
}

/*
 * UTF-8 can be matched byte by byte: no character's bytes are found inside another's. The first place where a middle
 * piece fits is always good enough.
 */
bool
cedar_pattern_match(const struct cedar_pattern *pattern, struct slice text)
{
	struct slice first = pattern->pieces[0], last = pattern->pieces[pattern->count - 1];

	if (pattern->count == 1)
		return slice_equal(text, first);
	if (!starts(text, first))
		return false;
	text = slice_of(text.data + first.size, text.size - first.size);
	for (uint32_t i = 1; i + 1 < pattern->count; i++) {
		struct slice piece = pattern->pieces[i];

		while (!starts(text, piece)) {
			if (text.size <= piece.size)
				return false;
			text = slice_of(text.data + 1, text.size - 1);
		}
		text = slice_of(text.data + piece.size, text.size - piece.size);
	}
	return text.size >= last.size &&
	       starts(slice_of(text.data + (text.size - last.size), last.size), last);
}

/* ---- complaints ----------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static const char *
print_into(struct arena *arena, const char *format, va_list arguments)
{
	char text[FAULT_TEXT_SIZE];
	size_t size;

	if (vsnprintf(text, sizeof text, format, arguments) >= (int)sizeof text) {
		for (size = sizeof text - 1; size > 0 && ((uint8_t)text[size - 1] & 0xc0) == 0x80; size--)
			;
		text[size > 0 ? size - 1 : 0] = 0; /* the last character may have been cut: leave it out */
	}
	return arena_string(arena, text);
}

void
cedar_complain(struct cedar_notes *notes, enum cedar_severity severity,
               const struct cedar_text_source *source, uint32_t offset, const char *hint_ko,
               const char *hint_en, const char *ko, const char *en, ...)
{
	struct cedar_note note = {.severity = severity, .file = "", .policy = CEDAR_NO_POLICY};
	va_list arguments;

	if (severity == CEDAR_ERROR)
		notes->errors++;
	else
		notes->warnings++;
	if (notes->count == CEDAR_NOTES_LIMIT)
		return;
	if (notes->count == notes->capacity) {
		size_t capacity = notes->capacity == 0 ? 8 : 2 * notes->capacity;
		struct cedar_note *items = arena_array(notes->arena, capacity, sizeof *items);

		if (items == NULL)
			return;
		if (notes->count > 0)
			memcpy(items, notes->items, notes->count * sizeof *items);
		notes->items = items;
		notes->capacity = capacity;
	}
	if (source != NULL) {
		note.file = arena_string(notes->arena, source->name);
		if (source->text.size > 0)
			lexer_place(source->text, offset, &note.line, &note.column);
	}
	note.hint_ko = hint_ko;
	note.hint_en = hint_en;
	va_start(arguments, en);
	note.ko = print_into(notes->arena, ko, arguments);
	va_end(arguments);
	va_start(arguments, en);
	note.en = print_into(notes->arena, en, arguments);
	va_end(arguments);
	if (note.ko != NULL && note.en != NULL && note.file != NULL)
		notes->items[notes->count++] = note;
}

int
cedar_notes_tell(const struct cedar_notes *notes, struct fault *why)
{
	for (size_t i = 0; i < notes->count; i++) {
		const struct cedar_note *note = &notes->items[i];

		if (note->severity != CEDAR_ERROR)
			continue;
		fault_set(why, FAULT_INVALID, "%s%.0s", "%.0s%s", note->ko, note->en);
		if (note->line > 0)
			return fault_prefix(why, "%s:%u:%u", "%s:%u:%u", note->file, note->line,
			                    note->column);
		return -1;
	}
	return fault_memory(why);
}

void
cedar_notes_print(FILE *to, const struct cedar_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++) {
		const struct cedar_note *note = &notes->items[i];
		bool error = note->severity == CEDAR_ERROR;

		if (note->line > 0)
			fprintf(to, "%s:%u:%u: ", note->file[0] != 0 ? note->file : "-", note->line,
			        note->column);
		else if (note->file[0] != 0)
			fprintf(to, "%s: ", note->file);
		if (note->policy_id != NULL)
			fprintf(to, "%s: ", note->policy_id);
		fprintf(to, "%s: %s", error ? "오류" : "주의", note->ko);
		if (note->hint_ko != NULL)
			fprintf(to, " - %s", note->hint_ko);
		fprintf(to, "\n\t%s: %s", error ? "error" : "warning", note->en);
		if (note->hint_en != NULL)
			fprintf(to, " - %s", note->hint_en);
		fputc('\n', to);
	}
	if (notes->errors + notes->warnings > notes->count)
		fprintf(to, "… %zu건 더 있음 / %zu more\n", notes->errors + notes->warnings - notes->count,
		        notes->errors + notes->warnings - notes->count);
}
