#include "policy/cedar/lexer.h"

struct lexer
lexer_of(struct slice text)
{
	return (struct lexer){text, 0};
}

static bool
word_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static uint8_t
peek(const struct lexer *lexer, size_t ahead)
{
	return ahead < lexer->text.size - lexer->at ? lexer->text.data[lexer->at + ahead] : 0;
}

/* Unicode white space, as the Rust lexer of Cedar takes it: \s of its regular expressions. */
static size_t
space_size(struct slice text)
{
	uint32_t code = 0;
	size_t size;

	if (text.data[0] < 0x80)
		return text.data[0] == ' ' || (text.data[0] >= '\t' && text.data[0] <= '\r');
	size = utf8_next(text, &code);
	if (code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
	    code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000)
		return size;
	return 0;
}

static void
skip_space(struct lexer *lexer)
{
	while (lexer->at < lexer->text.size) {
		size_t size =
		    space_size(slice_of(lexer->text.data + lexer->at, lexer->text.size - lexer->at));

		if (size > 0) {
			lexer->at += size;
		} else if (peek(lexer, 0) == '/' && peek(lexer, 1) == '/') {
			while (lexer->at < lexer->text.size && lexer->text.data[lexer->at] != '\n' &&
			       lexer->text.data[lexer->at] != '\r')
				lexer->at++;
		} else {
			break;
		}
	}
}

static struct token
take(struct lexer *lexer, enum token_kind kind, size_t size)
{
	struct token token = {.kind = kind, .text = slice_of(lexer->text.data + lexer->at, size)};

	token.offset = (uint32_t)lexer->at;
	lexer->at += size;
	return token;
}

static struct token
take_bad(struct lexer *lexer, enum lexer_bad bad, size_t size)
{
	struct token token = take(lexer, TOKEN_BAD, size);

	token.bad = bad;
	return token;
}

static struct token
take_string(struct lexer *lexer)
{
	const uint8_t *data = lexer->text.data + lexer->at;
	size_t left = lexer->text.size - lexer->at, line = left;
	bool carriage = false;

	for (size_t i = 1; i < left; i++) {
		if (data[i] == '"') {
			return carriage ? take_bad(lexer, LEXER_BAD_CARRIAGE, i + 1)
			                : take(lexer, TOKEN_STRING, i + 1);
		}
		if (data[i] == '\n' && i < line)
			line = i;
		carriage = carriage || data[i] == '\r';
		if (data[i] == '\\' && i + 1 < left && data[i + 1] != '\n')
			i++;
		else if (data[i] == '\\')
			break;
	}
	return take_bad(lexer, LEXER_BAD_STRING,
	                line); /* reading goes on behind the line where it was opened */
}

/* An operator or a bracket; TOKEN_BAD when the byte begins none. `size` becomes its length. */
static enum token_kind
mark_of(uint8_t first, uint8_t second, size_t *size)
{
	*size = 1;
	switch (first) {
	case '@':
		return TOKEN_AT;
	case '.':
		return TOKEN_DOT;
	case ',':
		return TOKEN_COMMA;
	case ';':
		return TOKEN_SEMICOLON;
	case '(':
		return TOKEN_OPEN_ROUND;
	case ')':
		return TOKEN_CLOSE_ROUND;
	case '{':
		return TOKEN_OPEN_CURLY;
	case '}':
		return TOKEN_CLOSE_CURLY;
	case '[':
		return TOKEN_OPEN_SQUARE;
	case ']':
		return TOKEN_CLOSE_SQUARE;
	case '+':
		return TOKEN_PLUS;
	case '-':
		return TOKEN_MINUS;
	case '*':
		return TOKEN_STAR;
	case '/':
		return TOKEN_SLASH;
	case '%':
		return TOKEN_PERCENT;
	case ':':
		*size = second == ':' ? 2 : 1;
		return second == ':' ? TOKEN_PATH : TOKEN_COLON;
	case '=':
		*size = second == '=' ? 2 : 1;
		return second == '=' ? TOKEN_EQUAL : TOKEN_ASSIGN;
	case '!':
		*size = second == '=' ? 2 : 1;
		return second == '=' ? TOKEN_NOT_EQUAL : TOKEN_NOT;
	case '<':
		*size = second == '=' ? 2 : 1;
		return second == '=' ? TOKEN_LESS_EQUAL : TOKEN_LESS;
	case '>':
		*size = second == '=' ? 2 : 1;
		return second == '=' ? TOKEN_GREATER_EQUAL : TOKEN_GREATER;
	case '|':
		*size = 2;
		return second == '|' ? TOKEN_OR : TOKEN_BAD;
	case '&':
		*size = 2;
		return second == '&' ? TOKEN_AND : TOKEN_BAD;
	default:
		return TOKEN_BAD;
	}
}

struct token
lexer_next(struct lexer *lexer)
{
	enum token_kind mark;
	uint8_t first, second;
	size_t size;
	uint32_t code;

	skip_space(lexer);
	if (lexer->at >= lexer->text.size)
		return (struct token){.kind = TOKEN_END, .offset = (uint32_t)lexer->at};
	first = peek(lexer, 0);
	second = peek(lexer, 1);
	if (first == '"')
		return take_string(lexer);
	if (word_byte(first)) {
		bool number = first >= '0' && first <= '9';

		for (size = 1; number ? peek(lexer, size) >= '0' && peek(lexer, size) <= '9'
		                      : word_byte(peek(lexer, size));
		     size++)
			;
		return take(lexer, number ? TOKEN_NUMBER : TOKEN_WORD, size);
	}
	if (first == '?' && word_byte(second) && !(second >= '0' && second <= '9')) {
		for (size = 2; word_byte(peek(lexer, size)); size++)
			;
		return take(lexer, TOKEN_SLOT, size);
	}
	if (first == '?')
		return take(lexer, TOKEN_QUESTION, 1);
	if (first == '/' && second == '*')
		return take_bad(lexer, LEXER_BAD_COMMENT, 2);
	if ((mark = mark_of(first, second, &size)) != TOKEN_BAD)
		return take(lexer, mark, size);
	size = utf8_next(slice_of(lexer->text.data + lexer->at, lexer->text.size - lexer->at), &code);
	return take_bad(lexer, size == 0 ? LEXER_BAD_UTF8 : LEXER_BAD_BYTE, size == 0 ? 1 : size);
}

void
lexer_place(struct slice text, size_t offset, unsigned *line, unsigned *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < offset && i < text.size; i++) {
		if (text.data[i] == '\n') {
			++*line;
			*column = 1;
		} else if ((text.data[i] & 0xc0) != 0x80) { /* bytes inside a character do not count */
			++*column;
		}
	}
}
