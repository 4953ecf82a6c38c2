/* template_lexer -- a template's source cut into text and tokens, with Jinja's rules for white space. */
#include <stdlib.h>
#include <string.h>

#include "inference/template_inside.h"

#define NESTING 64

struct lexer {
	struct arena *arena;
	const uint8_t *at, *end;
	uint32_t line;
	struct lexeme *list;
	size_t count, capacity;
	struct fault *why;
};

#define WRONG(lexer, ko, en)                                                                                 \
	fault_set((lexer)->why, FAULT_INVALID, "대화 틀 %u행: " ko, "chat template, line %u: " en,           \
	          (lexer)->line)

static bool
space(uint8_t c)
{
	return c == ' ' || (c >= 9 && c <= 13);
}

static struct lexeme *
add(struct lexer *lexer, enum lexeme_kind kind, struct slice text)
{
	struct lexeme *lexeme;

	if (lexer->count == lexer->capacity) {
		size_t capacity = lexer->capacity * 2 + 64;
		struct lexeme *list = arena_array(lexer->arena, capacity, sizeof *list);

		if (list == NULL) {
			fault_memory(lexer->why);
			return NULL;
		}
		if (lexer->count > 0)
			memcpy(list, lexer->list, lexer->count * sizeof *list);
		lexer->list = list;
		lexer->capacity = capacity;
	}
	lexeme = &lexer->list[lexer->count++];
	*lexeme = (struct lexeme){.kind = kind, .line = lexer->line, .text = text};
	return lexeme;
}

static bool
looking_at(const struct lexer *lexer, const char *text)
{
	size_t size = strlen(text);

	return (size_t)(lexer->end - lexer->at) >= size && memcmp(lexer->at, text, size) == 0;
}

static void
advance(struct lexer *lexer, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (*lexer->at++ == '\n')
			lexer->line++;
}

/* ---- inside of tags --------------------------------------------------------------------------------------------- */

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* Behind a backslash; bytes into out[4], how many into *size. false: malformed. */
static bool
escape(struct lexer *lexer, uint8_t out[4], size_t *size)
{
	static const char from[] = "ntrbfva0", to[] = {'\n', '\t', '\r', '\b', '\f', '\v', '\a', '\0'};
	uint8_t c = *lexer->at;
	const char *found = c != 0 ? strchr(from, c) : NULL;
	size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	uint32_t code = 0;

	if (digits == 0) {
		*size = 0;
		if (c != '\n') { /* an escaped line end vanishes */
			if (found == NULL && c != '\\' && c != '\'' && c != '"')
				out[(*size)++] = '\\';
			out[(*size)++] = found != NULL ? (uint8_t)to[found - from] : c;
		}
		advance(lexer, 1);
		return true;
	}
	if ((size_t)(lexer->end - lexer->at) < digits + 1)
		return false;
	for (size_t i = 1; i <= digits; i++) {
		int value = hex_value(lexer->at[i]);

		if (value < 0)
			return false;
		code = code << 4 | (uint32_t)value;
	}
	advance(lexer, digits + 1);
	return (*size = utf8_put(out, code)) > 0;
}

static int
lex_string(struct lexer *lexer)
{
	uint8_t quote = *lexer->at, *out;
	size_t size = 0, step;
	const uint8_t *scan = lexer->at + 1;

	while (scan < lexer->end && *scan != quote)
		scan += *scan == '\\' && scan + 1 < lexer->end ? 2 : 1;
	if (scan >= lexer->end)
		return WRONG(lexer, "문자열이 끝나지 않습니다", "a string does not end");
	if ((out = arena_alloc(lexer->arena, (size_t)(scan - lexer->at) * 2 + 4)) == NULL)
		return fault_memory(lexer->why);
	advance(lexer, 1);
	while (*lexer->at != quote) {
		if (*lexer->at == '\\') {
			advance(lexer, 1);
			if (!escape(lexer, out + size, &step))
				return WRONG(lexer, "문자열의 '\\' 표현이 올바르지 않습니다",
				             "a string has a malformed escape");
			size += step;
			if (lexer->at >= lexer->end)
				return WRONG(lexer, "문자열이 끝나지 않습니다", "a string does not end");
		} else {
			out[size++] = *lexer->at;
			advance(lexer, 1);
		}
	}
	advance(lexer, 1);
	return add(lexer, LEXEME_STRING, slice_of(out, size)) == NULL ? -1 : 0;
}

static int
lex_number(struct lexer *lexer)
{
	char digits[64];
	size_t size = 0;
	bool real = false;
	const uint8_t *at = lexer->at;
	struct lexeme *lexeme;
	char *end;

	while (at < lexer->end && size + 1 < sizeof digits) {
		bool digit = *at >= '0' && *at <= '9';
		bool point = *at == '.' && !real && at + 1 < lexer->end && at[1] >= '0' && at[1] <= '9';
		bool power =
		    (*at | 32) == 'e' && at + 1 < lexer->end && size > 0 &&
		    ((at[1] >= '0' && at[1] <= '9') ||
		     ((at[1] == '-' || at[1] == '+') && at + 2 < lexer->end && at[2] >= '0' && at[2] <= '9'));

		if (!digit && !point && !power && *at != '_')
			break;
		real = real || point || power;
		if (*at != '_')
			digits[size++] = (char)*at;
		if (power)
			digits[size++] = (char)*++at;
		at++;
	}
	digits[size] = '\0';
	if ((lexeme = add(lexer, real ? LEXEME_REAL : LEXEME_INTEGER,
	                  slice_of(lexer->at, (size_t)(at - lexer->at)))) == NULL)
		return -1;
	if (real) {
		lexeme->real = strtod(digits, &end);
	} else {
		if (size > 18)
			return WRONG(lexer, "수가 너무 큽니다", "a number is too large");
		lexeme->integer = strtoll(digits, &end, 10);
	}
	lexer->at = at;
	return 0;
}

static bool
name_byte(uint8_t c, bool first)
{
	return c == '_' || c >= 0x80 || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (!first && c >= '0' && c <= '9');
}

/* Tokens up to the tag's end, which is `close` with a sign before it or not. *sign: that sign, or 0. */
static int
lex_tag(struct lexer *lexer, const char *close, enum lexeme_kind kind, char *sign)
{
	static const char *const pairs[] = {"==", "!=", "<=", ">=", "//", "**"};
	uint8_t open[NESTING];
	size_t depth = 0;

	for (;;) {
		struct slice text;
		uint8_t c;

		while (lexer->at < lexer->end && space(*lexer->at))
			advance(lexer, 1);
		if (lexer->at >= lexer->end)
			return WRONG(lexer, "태그가 끝나지 않습니다", "a tag does not end");
		c = *lexer->at;
		if (depth == 0) {
			*sign = c == '-' || (c == '+' && kind == LEXEME_BLOCK_END) ? (char)c : 0;
			lexer->at += *sign != 0;
			if (looking_at(lexer, close)) {
				if (add(lexer, kind, slice_of(lexer->at, 2)) == NULL)
					return -1;
				advance(lexer, 2);
				return 0;
			}
			lexer->at -= *sign != 0;
		}
		if (c == '\'' || c == '"') {
			if (lex_string(lexer) == -1)
				return -1;
			continue;
		}
		if (c >= '0' && c <= '9') {
			if (lex_number(lexer) == -1)
				return -1;
			continue;
		}
		if (name_byte(c, true)) {
			text = slice_of(lexer->at, 1);
			while (lexer->at + text.size < lexer->end && name_byte(text.data[text.size], false))
				text.size++;
			if (add(lexer, LEXEME_NAME, text) == NULL)
				return -1;
			lexer->at += text.size;
			continue;
		}
		text = slice_of(lexer->at, 1);
		for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
			if (looking_at(lexer, pairs[i]))
				text.size = 2;
		if (text.size == 1 && (c == 0 || strchr("+-*/%~<>=.,:|()[]{}", c) == NULL))
			return WRONG(lexer, "알 수 없는 글자가 있습니다",
			             "there is a character that means nothing");
		if (c == '(' || c == '[' || c == '{') {
			if (depth == NESTING)
				return WRONG(lexer, "괄호가 너무 깊습니다", "brackets are nested too deeply");
			open[depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
		} else if (c == ')' || c == ']' || c == '}') {
			if (depth == 0 || open[--depth] != c)
				return WRONG(lexer, "괄호가 맞지 않습니다", "brackets do not match");
		}
		if (add(lexer, LEXEME_SIGN, text) == NULL)
			return -1;
		lexer->at += text.size;
	}
}

/* ---- between tags ----------------------------------------------------------------------------------------------- */

/* White space that a sign takes away behind a tag, or the one line end that a block takes. *fresh: a line begins. */
static void
behind(struct lexer *lexer, char sign, bool block, bool *fresh)
{
	*fresh = false;
	if (sign == '-') {
		while (lexer->at < lexer->end && space(*lexer->at)) {
			*fresh = *lexer->at == '\n';
			advance(lexer, 1);
		}
	} else if (block && sign != '+' && lexer->at < lexer->end && *lexer->at == '\n') {
		advance(lexer, 1);
		*fresh = true;
	}
}

/* Text before a tag; what the tag's sign, or a block alone on its line, takes away is left out. */
static int
add_text(struct lexer *lexer, const uint8_t *start, const uint8_t *end, char sign, bool block, bool fresh)
{
	const uint8_t *line = end;

	if (sign == '-') {
		while (end > start && space(end[-1]))
			end--;
	} else if (block && sign != '+') {
		while (line > start && line[-1] != '\n' && space(line[-1]))
			line--;
		if (line > start ? line[-1] == '\n' : fresh)
			end = line;
	}
	return end == start || add(lexer, LEXEME_TEXT, slice_of(start, (size_t)(end - start))) != NULL ? 0
	                                                                                               : -1;
}

static int
lex_comment(struct lexer *lexer, bool *fresh)
{
	while (lexer->at < lexer->end && !looking_at(lexer, "#}"))
		advance(lexer, 1);
	if (lexer->at >= lexer->end)
		return WRONG(lexer, "주석이 끝나지 않습니다", "a comment does not end");
	advance(lexer, 2);
	behind(lexer, lexer->at[-3] == '-' || lexer->at[-3] == '+' ? (char)lexer->at[-3] : 0, true, fresh);
	return 0;
}

/* Behind "{%": whether this is {% raw %}, whose text is then added up to {% endraw %}. */
static int
lex_raw(struct lexer *lexer, bool *fresh, bool *raw)
{
	const uint8_t *start = lexer->at, *text;
	uint32_t line = lexer->line;
	char sign = 0;

	*raw = false;
	while (lexer->at < lexer->end && space(*lexer->at))
		advance(lexer, 1);
	if (!looking_at(lexer, "raw"))
		goto other;
	advance(lexer, 3);
	while (lexer->at < lexer->end && space(*lexer->at))
		advance(lexer, 1);
	if (lexer->at < lexer->end && *lexer->at == '-') {
		sign = '-';
		advance(lexer, 1);
	}
	if (!looking_at(lexer, "%}"))
		goto other;
	advance(lexer, 2);
	behind(lexer, sign, false, fresh);
	*raw = true;
	for (text = lexer->at; lexer->at < lexer->end; advance(lexer, 1)) {
		const uint8_t *end = lexer->at, *tag;

		if (!looking_at(lexer, "{%"))
			continue;
		tag = end + 2;
		sign = tag < lexer->end && (*tag == '-' || *tag == '+') ? (char)*tag++ : 0;
		while (tag < lexer->end && space(*tag))
			tag++;
		if (lexer->end - tag < 6 || memcmp(tag, "endraw", 6) != 0)
			continue;
		if (add_text(lexer, text, end, sign, true, *fresh) == -1)
			return -1;
		for (tag += 6; tag < lexer->end && space(*tag);)
			tag++;
		sign = tag < lexer->end && (*tag == '-' || *tag == '+') ? (char)*tag++ : 0;
		advance(lexer, (size_t)(tag - lexer->at));
		if (!looking_at(lexer, "%}"))
			break;
		advance(lexer, 2);
		behind(lexer, sign, true, fresh);
		return 0;
	}
	return WRONG(lexer, "raw가 끝나지 않습니다", "raw does not end");
other:
	lexer->at = start;
	lexer->line = line;
	return 0;
}

static int
lex_all(struct lexer *lexer)
{
	bool fresh = true;

	while (lexer->at < lexer->end) {
		const uint8_t *start = lexer->at;
		char opening, sign = 0;
		bool raw;

		while (lexer->at < lexer->end && !looking_at(lexer, "{{") && !looking_at(lexer, "{%") &&
		       !looking_at(lexer, "{#"))
			advance(lexer, 1);
		if (lexer->at >= lexer->end)
			return add_text(lexer, start, lexer->at, '+', false, false);
		opening = (char)lexer->at[1];
		if (lexer->at + 2 < lexer->end &&
		    (lexer->at[2] == '-' || (lexer->at[2] == '+' && opening != '{')))
			sign = (char)lexer->at[2];
		if (add_text(lexer, start, lexer->at, sign, opening != '{', fresh) == -1)
			return -1;
		advance(lexer, sign != 0 ? 3 : 2);
		if (opening == '#') {
			if (lex_comment(lexer, &fresh) == -1)
				return -1;
			continue;
		}
		if (opening == '%') {
			if (lex_raw(lexer, &fresh, &raw) == -1)
				return -1;
			if (raw)
				continue;
		}
		if (add(lexer, opening == '{' ? LEXEME_PRINT : LEXEME_BLOCK, slice_of(NULL, 0)) == NULL ||
		    lex_tag(lexer, opening == '{' ? "}}" : "%}",
		            opening == '{' ? LEXEME_PRINT_END : LEXEME_BLOCK_END, &sign) == -1)
			return -1;
		behind(lexer, sign, opening == '%', &fresh);
	}
	return 0;
}

int
template_lex(struct arena *arena, struct slice source, struct lexeme **out, struct fault *why)
{
	struct lexer lexer = {.arena = arena, .line = 1, .why = why};
	uint8_t *copy = arena_alloc(arena, source.size + 1);
	size_t size = 0;

	if (copy == NULL)
		return fault_memory(why);
	/* Every line end is one '\n', and the last one of all does not count. */
	for (size_t i = 0; i < source.size; i++) {
		if (source.data[i] == '\r' && i + 1 < source.size && source.data[i + 1] == '\n')
			continue;
		copy[size++] = source.data[i] == '\r' ? '\n' : source.data[i];
	}
	size -= size > 0 && copy[size - 1] == '\n';
	lexer.at = copy;
	lexer.end = copy + size;
	if (lex_all(&lexer) == -1 || add(&lexer, LEXEME_END, slice_of(NULL, 0)) == NULL)
		return -1;
	*out = lexer.list;
	return 0;
}
