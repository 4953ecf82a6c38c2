/*
 * Canonical text. The tokens stay what they are and comments stay where they stand between them; only white space is
 * made anew: a line for each annotation, short scopes and conditions on one line, long ones broken at commas and at the
 * loosest operators. The result is read again and compared, so formatting can never change a meaning.
 */
#include "policy/cedar/ast.h"
#include "policy/cedar/lexer.h"

#include <string.h>

#define WIDTH  100
#define INDENT 2

struct piece {
	struct token token;
	struct slice gap; /* what stood before it: white space and comments */
};

struct formatting {
	struct buffer *out;
	const struct piece *pieces;
	size_t count;
	size_t line;   /* where the current line begins in out */
	size_t indent; /* of the line that is due */
	unsigned due;  /* line ends not written yet */
	unsigned depth;
};

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

static bool
is_word(const struct piece *piece, const char *word)
{
	return piece->token.kind == TOKEN_WORD && slice_is(piece->token.text, word);
}

static bool
is_keyword(const struct piece *piece)
{
	static const char *const words[] = {"if",  "then",   "else",   "in",   "is",    "like",
	                                    "has", "permit", "forbid", "when", "unless"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (is_word(piece, words[i]))
			return true;
	return false;
}

static bool
has_comment(const struct piece *piece)
{
	return piece->gap.size > 0 && memchr(piece->gap.data, '/', piece->gap.size) != NULL;
}

static bool
opens(enum token_kind kind)
{
	return kind == TOKEN_OPEN_ROUND || kind == TOKEN_OPEN_SQUARE || kind == TOKEN_OPEN_CURLY;
}

static bool
closes(enum token_kind kind)
{
	return kind == TOKEN_CLOSE_ROUND || kind == TOKEN_CLOSE_SQUARE || kind == TOKEN_CLOSE_CURLY;
}

/* A value may end here: what follows is an operator, an index or a call. */
static bool
ends_value(const struct piece *piece)
{
	switch (piece->token.kind) {
	case TOKEN_WORD:
		return !is_keyword(piece);
	case TOKEN_NUMBER:
	case TOKEN_STRING:
	case TOKEN_SLOT:
	case TOKEN_CLOSE_ROUND:
	case TOKEN_CLOSE_SQUARE:
	case TOKEN_CLOSE_CURLY:
		return true;
	default:
		return false;
	}
}

/* Whether a space stands between two pieces of one line. `first` is the beginning of the policy. */
static bool
spaced(const struct piece *first, const struct piece *before, const struct piece *piece)
{
	enum token_kind left = before->token.kind, right = piece->token.kind;

	if (left == TOKEN_AT || left == TOKEN_DOT || left == TOKEN_PATH || left == TOKEN_OPEN_ROUND ||
	    left == TOKEN_OPEN_SQUARE || left == TOKEN_OPEN_CURLY || left == TOKEN_NOT)
		return false;
	if (right == TOKEN_DOT || right == TOKEN_PATH || right == TOKEN_COMMA || right == TOKEN_SEMICOLON ||
	    right == TOKEN_COLON || closes(right))
		return false;
	if (left == TOKEN_MINUS) /* a sign holds to its number, unless that would hide another sign */
		return before > first && ends_value(before - 1);
	if (right == TOKEN_OPEN_ROUND || right == TOKEN_OPEN_SQUARE)
		return !ends_value(before);
	return true;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void
flush_lines(struct formatting *format)
{
	if (format->due == 0)
		return;
	for (; format->due > 0; format->due--)
		buffer_byte(format->out, '\n');
	format->line = format->out->size;
	for (size_t i = 0; i < format->indent; i++)
		buffer_byte(format->out, ' ');
}

static void
end_line(struct formatting *format, size_t indent)
{
	format->indent = indent;
	if (format->due == 0)
		format->due = 1;
}

/* The comments of a gap, each on a line; one that followed something on its line stays behind it. */
static void
write_comments(struct formatting *format, struct slice gap, bool keep_blank)
{
	bool fresh = false; /* a line end was seen before it */
	unsigned ends = 0;

	for (size_t i = 0; i < gap.size; i++) {
		size_t end = i;

		if (gap.data[i] == '\n') {
			ends++;
			fresh = true;
		}
		if (gap.data[i] != '/')
			continue;
		while (end < gap.size && gap.data[end] != '\n' && gap.data[end] != '\r')
			end++;
		if (fresh || format->out->size == 0) {
			if (format->out->size > 0) {
				end_line(format, format->indent);
				if (keep_blank && ends > 1 && format->due < 2)
					format->due = 2;
			}
			flush_lines(format);
		} else {
			format->due = 0;
			buffer_byte(format->out, ' ');
		}
		for (size_t tail = end; i < tail;) { /* without white space at its end */
			uint8_t last = gap.data[tail - 1];

			if (last != ' ' && last != '\t') {
				buffer_append(format->out, gap.data + i, tail - i);
				break;
			}
			tail--;
		}
		end_line(format, format->indent);
		ends = 0;
		fresh = false;
		i = end - 1;
	}
	if (keep_blank && ends > 1 && format->due == 1)
		format->due = 2;
}

static void
write_piece(struct formatting *format, const struct piece *first, const struct piece *piece)
{
	bool begin = format->due > 0 || format->out->size == format->line || piece == first;

	if (has_comment(piece)) {
		write_comments(format, piece->gap, piece == first);
		begin = true;
	}
	flush_lines(format);
	if (!begin && format->out->size > format->line + format->indent && spaced(first, piece - 1, piece))
		buffer_byte(format->out, ' ');
	buffer_slice(format->out, piece->token.text);
}

/* The width of pieces on one line, or WIDTH and more when a comment or a line end is among them. */
static size_t
flat_width(const struct piece *first, const struct piece *from, const struct piece *to)
{
	size_t width = 0;

	for (const struct piece *at = from; at < to && width < WIDTH; at++) {
		if (at > from && has_comment(at))
			return WIDTH;
		if (memchr(at->token.text.data, '\n', at->token.text.size) != NULL)
			return WIDTH;
		width += at->token.text.size + (at > from && spaced(first, at - 1, at));
	}
	return width;
}

static void
write_flat(struct formatting *format, const struct piece *first, const struct piece *from,
           const struct piece *to)
{
	for (; from < to; from++)
		write_piece(format, first, from);
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

static const struct piece *
matching(const struct piece *open, const struct piece *to)
{
	size_t depth = 0;

	for (; open < to; open++) {
		depth += opens(open->token.kind);
		if (closes(open->token.kind) && --depth == 0)
			return open;
	}
	return to;
}

static const struct piece *
find_top(const struct piece *from, const struct piece *to, enum token_kind kind)
{
	for (; from < to; from++) {
		if (opens(from->token.kind))
			from = matching(from, to);
		else if (from->token.kind == kind)
			return from;
		if (from == to)
			break;
	}
	return to;
}

static void write_expr(struct formatting *format, const struct piece *first, const struct piece *from,
                       const struct piece *to, size_t indent);

/* Parts separated by `kind`, each on its line, the separator behind. */
static void
write_parts(struct formatting *format, const struct piece *first, const struct piece *from,
            const struct piece *to, enum token_kind kind, size_t indent)
{
	while (from < to) {
		const struct piece *end = find_top(from, to, kind);

		write_expr(format, first, from, end, indent);
		if (end < to) {
			write_piece(format, first, end);
			end_line(format, indent);
			end++;
		}
		from = end;
	}
}

/* No operator to break at: brackets are opened instead, those that do not fit. */
static void
write_brackets(struct formatting *format, const struct piece *first, const struct piece *from,
               const struct piece *to, size_t indent)
{
	while (from < to) {
		const struct piece *end;

		write_piece(format, first, from);
		if (!opens(from->token.kind)) {
			from++;
			continue;
		}
		end = matching(from, to);
		if (end == from + 1 ||
		    flat_width(first, from, end) + (format->out->size - format->line) < WIDTH) {
			write_flat(format, first, from + 1, end);
		} else {
			end_line(format, indent + INDENT);
			write_parts(format, first, from + 1, end, TOKEN_COMMA, indent + INDENT);
			end_line(format, indent);
		}
		from = end;
		if (from < to)
			write_piece(format, first, from++);
	}
}

/* The end of the part of an if that begins at `from`: its own then or else. */
static const struct piece *
find_branch(const struct piece *from, const struct piece *to, const char *word)
{
	size_t nested = 0;

	for (; from < to; from++) {
		if (opens(from->token.kind)) {
			from = matching(from, to);
			if (from == to)
				break;
		} else if (is_word(from, "if") && (from == to || (from - 1)->token.kind != TOKEN_DOT)) {
			nested++;
		} else if (is_word(from, word)) {
			if (nested == 0)
				return from;
			nested--;
		}
	}
	return to;
}

static void
write_if(struct formatting *format, const struct piece *first, const struct piece *from,
         const struct piece *to, size_t indent)
{
	const struct piece *then = find_branch(from + 1, to, "then"), *other = then;

	if (then < to)
		other = find_branch(then + 1, to, "else");
	write_piece(format, first, from);
	write_expr(format, first, from + 1, then, indent + INDENT);
	if (then < to) {
		end_line(format, indent);
		write_piece(format, first, then);
		write_expr(format, first, then + 1, other, indent + INDENT);
	}
	if (other < to) {
		end_line(format, indent);
		write_piece(format, first, other);
		write_expr(format, first, other + 1, to, indent + INDENT);
	}
}

static void
write_expr(struct formatting *format, const struct piece *first, const struct piece *from,
           const struct piece *to, size_t indent)
{
	size_t column = format->due > 0 ? format->indent : format->out->size - format->line;

	if (from >= to)
		return;
	if (++format->depth > CEDAR_DEPTH_LIMIT || column + flat_width(first, from, to) < WIDTH)
		write_flat(format, first, from, to);
	else if (is_word(from, "if"))
		write_if(format, first, from, to, indent);
	else if (find_top(from, to, TOKEN_OR) < to)
		write_parts(format, first, from, to, TOKEN_OR, indent);
	else if (find_top(from, to, TOKEN_AND) < to)
		write_parts(format, first, from, to, TOKEN_AND, indent);
	else
		write_brackets(format, first, from, to, indent);
	format->depth--;
}

/* ---- policies -------------------------------------------------------------------------------------------------- */

static const struct piece *
write_annotations(struct formatting *format, const struct piece *first, const struct piece *at,
                  const struct piece *to)
{
	while (at < to && at->token.kind == TOKEN_AT) {
		const struct piece *end =
		    at + 2 < to && at[2].token.kind == TOKEN_OPEN_ROUND ? at + 5 : at + 2;

		write_flat(format, first, at, end < to ? end : to);
		end_line(format, 0);
		at = end;
	}
	return at;
}

/* permit ( principal, action, resource ) */
static const struct piece *
write_head(struct formatting *format, const struct piece *first, const struct piece *at,
           const struct piece *to)
{
	const struct piece *end;

	write_piece(format, first, at++); /* the effect */
	end = matching(at, to);
	flush_lines(format);
	buffer_byte(format->out, ' ');
	format->due = 0;
	if (has_comment(at))
		write_comments(format, at->gap, false);
	flush_lines(format);
	buffer_byte(format->out, '(');
	at++;
	if (at < to && !has_comment(at) && !has_comment(end) && flat_width(first, at, end) + 8 < WIDTH) {
		buffer_slice(format->out, at->token.text);
		write_flat(format, first, at + 1, end);
		buffer_byte(format->out, ')');
	} else {
		end_line(format, INDENT);
		write_parts(format, first, at, end, TOKEN_COMMA, INDENT);
		end_line(format, 0);
		write_piece(format, first, end);
	}
	return end + 1;
}

/* when { … } */
static const struct piece *
write_condition(struct formatting *format, const struct piece *first, const struct piece *at,
                const struct piece *to)
{
	const struct piece *open = at + 1, *end = matching(open, to);

	end_line(format, 0);
	write_piece(format, first, at);
	if (has_comment(open))
		write_comments(format, open->gap, false);
	flush_lines(format);
	buffer_string(format->out, format->out->size > format->line ? " {" : "{");
	if (!has_comment(open + 1) && !has_comment(end) && flat_width(first, open + 1, end) + 12 < WIDTH) {
		buffer_byte(format->out, ' ');
		buffer_slice(format->out, open[1].token.text);
		write_flat(format, first, open + 2, end);
		buffer_string(format->out, " }");
		return end + 1;
	}
	end_line(format, INDENT);
	write_expr(format, first, open + 1, end, INDENT);
	end_line(format, 0);
	write_piece(format, first, end);
	return end + 1;
}

static void
write_policies(struct formatting *format)
{
	const struct piece *at = format->pieces, *to = at + format->count;

	while (at < to) {
		const struct piece *first = at;

		if (format->out->size > 0)
			format->due = 2;
		format->indent = 0;
		at = write_annotations(format, first, at, to);
		at = write_head(format, first, at, to);
		while (at < to && at->token.kind != TOKEN_SEMICOLON)
			at = write_condition(format, first, at, to);
		if (at < to)
			write_piece(format, first, at++);
	}
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static struct piece *
split(struct arena *arena, struct slice text, size_t *count, struct slice *tail)
{
	struct lexer lexer = lexer_of(text);
	struct piece *pieces = NULL;
	size_t capacity = 0, end = 0;

	for (*count = 0;; ++*count) {
		struct token token = lexer_next(&lexer);
		struct slice gap = slice_of(text.data + end, token.offset - end);

		if (*count == capacity) {
			struct piece *more;

			capacity = capacity == 0 ? 256 : 2 * capacity;
			if ((more = arena_array(arena, capacity, sizeof *more)) == NULL)
				return NULL;
			if (*count > 0)
				memcpy(more, pieces, *count * sizeof *more);
			pieces = more;
		}
		if (token.kind == TOKEN_END) {
			*tail = slice_of(text.data + end, text.size - end);
			return pieces;
		}
		pieces[*count] = (struct piece){token, gap};
		end = token.offset + token.text.size;
	}
}

/* The same tree, written as JSON, before and after. */
static int
compare(const struct cedar_policies *before, struct slice text, struct fault *why)
{
	struct cedar_policies *after = NULL;
	struct cedar_source source = {"formatted", text};
	struct buffer a, b;
	int result = -1;

	buffer_init(&a, (size_t)1 << 30);
	buffer_init(&b, (size_t)1 << 30);
	if (cedar_policies_parse(&after, &source, 1, 0, NULL, why) == 0 &&
	    cedar_policies_write_json(&a, before, why) == 0 && cedar_policies_write_json(&b, after, why) == 0)
		result = slice_equal(buffer_view(&a), buffer_view(&b))
		             ? 0
		             : fault_set(why, FAULT_INTERNAL, "다듬은 글의 뜻이 달라졌습니다",
		                         "the formatted text means something else");
	buffer_free(&a);
	buffer_free(&b);
	cedar_policies_free(after);
	return result;
}

int
cedar_format(struct buffer *out, struct cedar_source source, struct cedar_notes *notes, struct fault *why)
{
	struct formatting format = {.out = out};
	struct cedar_policies *policies;
	struct arena *arena = NULL;
	struct slice tail;
	struct piece *pieces;
	int result = -1;

	if (source.text.data == NULL)
		source.text = SLICE_LITERAL("");
	if (cedar_policies_parse(&policies, &source, 1, 0, notes, why) == -1)
		return -1;
	if ((arena = arena_new((size_t)2 << 30)) == NULL ||
	    (pieces = split(arena, source.text, &format.count, &tail)) == NULL) {
		fault_memory(why);
		goto out;
	}
	format.pieces = pieces;
	write_policies(&format);
	format.indent = 0;
	write_comments(&format, tail, true);
	if (out->size > 0)
		buffer_byte(out, '\n');
	result = buffer_ok(out) ? compare(policies, buffer_view(out), why) : fault_memory(why);
out:
	arena_free(arena);
	cedar_policies_free(policies);
	return result;
}
