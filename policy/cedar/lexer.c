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

struct token
lexer_next(struct lexer *lexer)
{
	static const struct {
		char text[3];
		enum token_kind kind;
	} marks[] = {
	    {"::", TOKEN_PATH         },
	    {"==", TOKEN_EQUAL        },
	    {"!=", TOKEN_NOT_EQUAL    },
	    {"<=", TOKEN_LESS_EQUAL   },
	    {">=", TOKEN_GREATER_EQUAL},
	    {"||", TOKEN_OR           },
	    {"&&", TOKEN_AND          },
	    {"@",  TOKEN_AT           },
	    {".",  TOKEN_DOT          },
	    {",",  TOKEN_COMMA        },
	    {";",  TOKEN_SEMICOLON    },
	    {":",  TOKEN_COLON        },
	    {"(",  TOKEN_OPEN_ROUND   },
	    {")",  TOKEN_CLOSE_ROUND  },
	    {"{",  TOKEN_OPEN_CURLY   },
	    {"}",  TOKEN_CLOSE_CURLY  },
	    {"[",  TOKEN_OPEN_SQUARE  },
	    {"]",  TOKEN_CLOSE_SQUARE },
	    {"<",  TOKEN_LESS         },
	    {">",  TOKEN_GREATER      },
	    {"+",  TOKEN_PLUS         },
	    {"-",  TOKEN_MINUS        },
	    {"*",  TOKEN_STAR         },
	    {"/",  TOKEN_SLASH        },
	    {"%",  TOKEN_PERCENT      },
	    {"!",  TOKEN_NOT          },
	    {"=",  TOKEN_ASSIGN       },
	};
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
	if (first == '?' && word_byte(second) && !(second >= '0' && second <= '9')) {
		for (size = 2; word_byte(peek(lexer, size)); size++)
			;
		return take(lexer, TOKEN_SLOT, size);
	}
	if (first == '?')
		return take(lexer, TOKEN_QUESTION, 1);
	if (word_byte(first)) {
		bool number = first >= '0' && first <= '9';

		for (size = 1; number ? peek(lexer, size) >= '0' && peek(lexer, size) <= '9'
		                      : word_byte(peek(lexer, size));
		     size++)
			;
		return take(lexer, number ? TOKEN_NUMBER : TOKEN_WORD, size);
	}
	if (first == '/' && second == '*')
		return take_bad(lexer, LEXER_BAD_COMMENT, 2);
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (first == (uint8_t)marks[i].text[0] &&
		    (marks[i].text[1] == 0 || second == (uint8_t)marks[i].text[1]))
			return take(lexer, marks[i].kind, marks[i].text[1] == 0 ? 1 : 2);
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
