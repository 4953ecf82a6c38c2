/*
 * template_parser -- what the two halves of the template parser share: template_parse.c (tags) and
 * template_expression.c (what stands in them).
 */
#ifndef HAECHI_INFERENCE_TEMPLATE_PARSER_H
#define HAECHI_INFERENCE_TEMPLATE_PARSER_H

#include "inference/template_inside.h"

struct parser {
	struct arena *arena;
	const struct lexeme *at;
	unsigned depth, loops, macros;
	struct fault *why;
};

/* At the line where the parser stands. */
#define SYNTAX_WRONG(parser, ko, en)                                                                         \
	fault_set((parser)->why, FAULT_INVALID, "대화 틀 %u행: " ko, "chat template, line %u: " en,          \
	          (parser)->at->line)

/* All -1 with the fault set, or NULL, when they fail. */
struct node *syntax_node(struct parser *parser, enum node_kind kind);
bool syntax_sign(const struct parser *parser, const char *text); /* the parser stands at it */
bool syntax_name(const struct parser *parser, const char *text);
bool syntax_skip_sign(struct parser *parser, const char *text); /* and goes on behind it */
bool syntax_skip_name(struct parser *parser, const char *text);
int syntax_need_sign(struct parser *parser, const char *text);
int syntax_unexpected(struct parser *parser);
int syntax_unsupported(struct parser *parser, const char *what, struct slice text);
int syntax_deeper(struct parser *parser);
bool syntax_reserved(struct slice text);

int syntax_expression(struct parser *parser, struct node **out);
/* Without a condition behind it: of a loop. */
int syntax_logic(struct parser *parser, bool disjunction, struct node **out);
/* An expression, or several with commas between, which are a tuple. */
int syntax_tuple(struct parser *parser, struct node **out);
/* Behind its first element, up to `close` (NULL: the end of the tag). */
int syntax_tuple_rest(struct parser *parser, struct node *first, const char *close, struct node **out);
/* A filter's name and arguments behind '|'. */
int syntax_filter(struct parser *parser, struct node *of, struct node **out);

#endif
