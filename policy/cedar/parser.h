/*
 * parser -- what the parsers of policies, of expressions and of schemas share: the token at hand, and complaining.
 *
 * After a complaint about syntax the parser is lost: every function returns NULL or false until the caller at the top
 * has skipped to the next policy or declaration and goes on, so that one run reports several mistakes.
 */
#ifndef HAECHI_POLICY_CEDAR_PARSER_H
#define HAECHI_POLICY_CEDAR_PARSER_H

#include "policy/cedar/ast.h"
#include "policy/cedar/lexer.h"

struct parser {
	struct arena *arena;
	const struct cedar_text_source *source;
	struct cedar_notes *notes;
	struct lexer lexer;
	struct token token; /* at hand */
	uint32_t previous;  /* where the last taken token ended */
	unsigned depth;
	bool lost;
	bool memory; /* the arena is used up */
	bool slots;  /* a slot stood in a condition: said once per policy */
};

void parser_init(struct parser *parser, struct arena *arena, const struct cedar_text_source *source,
                 struct cedar_notes *notes);
void parser_advance(struct parser *parser);
bool parser_at_word(const struct parser *parser, const char *word);
/* The token behind the one at hand. */
struct token parser_behind(const struct parser *parser);
/* Take it when it is there. */
bool parser_accept(struct parser *parser, enum token_kind kind);
/* Take it or be lost; `what_ko` and `what_en` name what was wanted. */
bool parser_expect(struct parser *parser, enum token_kind kind, const char *what_ko, const char *what_en);
/* "unexpected X, wanted Y"; the parser is lost. */
void parser_unexpected(struct parser *parser, const char *what_ko, const char *what_en);
/* The same with a hint for those whom no general one helps; hints may be NULL. */
void parser_unexpected_with(struct parser *parser, const char *what_ko, const char *what_en,
                            const char *hint_ko, const char *hint_en);
bool parser_enter(struct parser *parser); /* one level deeper; false: too deep, complained and lost */
void parser_leave(struct parser *parser);
void parser_no_memory(struct parser *parser);

/* A complaint at an offset that does not make the parser lost. */
#define parser_complain(parser, offset, hint_ko, hint_en, ...)                                               \
	cedar_complain((parser)->notes, CEDAR_ERROR, (parser)->source, offset, hint_ko, hint_en, __VA_ARGS__)

/* IDENT, not reserved. false: complained. */
bool parser_identifier(struct parser *parser, struct cedar_string *name);
/* A STRING token, taken and unescaped. */
bool parser_string(struct parser *parser, struct cedar_string *text);
/*
 * IDENT ('::' IDENT)*, normalized without spaces. With `id` not NULL, a '::' STR behind it is taken too and *id is set;
 * *has_id tells.
 */
bool parser_path(struct parser *parser, struct cedar_string *path, struct cedar_string *id, bool *has_id);
/* Path '::' STR */
const struct cedar_uid *parser_entity(struct parser *parser);

const struct cedar_expr *parser_expression(struct parser *parser);

/* A growing list of pointers or structs in the arena. */
bool parser_grow(struct parser *parser, void *items, uint32_t count, uint32_t *capacity, size_t size);

#endif
