/*
 * lexer -- UTF-8 text to tokens, for policies and for the human syntax of schemas.
 *
 * One token at a time, nothing is allocated: a token is a slice of the source. Escapes in strings are undone later
 * by whoever knows whether it is a text or a pattern.
 */
#ifndef HAECHI_POLICY_CEDAR_LEXER_H
#define HAECHI_POLICY_CEDAR_LEXER_H

#include "schema/base/bytes.h"

enum token_kind {
	TOKEN_END = 0,
	TOKEN_BAD, /* what is no token: the slice is the offending piece */
	TOKEN_WORD,
	TOKEN_NUMBER,
	TOKEN_STRING, /* with its quotes */
	TOKEN_SLOT,   /* with its question mark */
	TOKEN_AT,
	TOKEN_DOT,
	TOKEN_COMMA,
	TOKEN_SEMICOLON,
	TOKEN_COLON,
	TOKEN_PATH, /* :: */
	TOKEN_OPEN_ROUND,
	TOKEN_CLOSE_ROUND,
	TOKEN_OPEN_CURLY,
	TOKEN_CLOSE_CURLY,
	TOKEN_OPEN_SQUARE,
	TOKEN_CLOSE_SQUARE,
	TOKEN_EQUAL, /* == */
	TOKEN_NOT_EQUAL,
	TOKEN_LESS,
	TOKEN_LESS_EQUAL,
	TOKEN_GREATER,
	TOKEN_GREATER_EQUAL,
	TOKEN_OR,
	TOKEN_AND,
	TOKEN_PLUS,
	TOKEN_MINUS,
	TOKEN_STAR,
	TOKEN_SLASH,
	TOKEN_PERCENT,
	TOKEN_NOT,
	TOKEN_ASSIGN,   /* = */
	TOKEN_QUESTION, /* ? alone: optional attributes of schemas */
};

enum lexer_bad {
	LEXER_BAD_BYTE = 0, /* a character that begins nothing */
	LEXER_BAD_STRING,   /* no closing quote */
	LEXER_BAD_CARRIAGE, /* a raw carriage return inside a string */
	LEXER_BAD_UTF8,
	LEXER_BAD_COMMENT, /* a block comment */
};

struct token {
	enum token_kind kind;
	enum lexer_bad bad;
	struct slice text;
	uint32_t offset;
};

struct lexer {
	struct slice text;
	size_t at;
};

struct lexer lexer_of(struct slice text);
struct token lexer_next(struct lexer *lexer);
/* Line and column (in characters, both from 1) of a byte offset. */
void lexer_place(struct slice text, size_t offset, unsigned *line, unsigned *column);

#endif
