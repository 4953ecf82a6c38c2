/* template_parse -- from tokens to a tree: text, tags and their bodies; expressions are template_expression.c's. */
#include <string.h>

#include "inference/template_parser.h"

static int parse_body(struct parser *parser, const char *const *ends, struct node **out);

struct node *
syntax_node(struct parser *parser, enum node_kind kind)
{
	struct node *node = arena_alloc(parser->arena, sizeof *node);

	if (node == NULL) {
		fault_memory(parser->why);
		return NULL;
	}
	node->kind = kind;
	node->line = parser->at->line;
	return node;
}

bool
syntax_sign(const struct parser *parser, const char *text)
{
	return parser->at->kind == LEXEME_SIGN && slice_is(parser->at->text, text);
}

bool
syntax_name(const struct parser *parser, const char *text)
{
	return parser->at->kind == LEXEME_NAME && slice_is(parser->at->text, text);
}

bool
syntax_skip_sign(struct parser *parser, const char *text)
{
	bool there = syntax_sign(parser, text);

	parser->at += there;
	return there;
}

bool
syntax_skip_name(struct parser *parser, const char *text)
{
	bool there = syntax_name(parser, text);

	parser->at += there;
	return there;
}

/* What stands here, for people: a token's text, or what kind of thing it is. */
int
syntax_unexpected(struct parser *parser)
{
	struct slice text = parser->at->text;

	if (parser->at->kind == LEXEME_END || parser->at->kind == LEXEME_TEXT)
		text = SLICE_LITERAL("…");
	if (parser->at->kind == LEXEME_STRING)
		text = SLICE_LITERAL("'…'");
	text.size = utf8_cut(text, text.size < 32 ? text.size : 32);
	return fault_set(parser->why, FAULT_INVALID, "대화 틀 %u행: 여기에 '%.*s'은(는) 올 수 없습니다",
	                 "chat template, line %u: '%.*s' cannot stand here", parser->at->line,
	                 SLICE_PRINT(text));
}

int
syntax_unsupported(struct parser *parser, const char *what, struct slice text)
{
	text.size = utf8_valid(text) ? utf8_cut(text, text.size < 48 ? text.size : 48) : 0;
	return fault_set(parser->why, FAULT_UNSUPPORTED, "대화 틀 %u행: %s '%.*s'은(는) 지원하지 않습니다",
	                 "chat template, line %u: %s '%.*s' is not supported", parser->at->line, what,
	                 SLICE_PRINT(text));
}

int
syntax_need_sign(struct parser *parser, const char *text)
{
	return syntax_skip_sign(parser, text) ? 0 : syntax_unexpected(parser);
}

int
syntax_deeper(struct parser *parser)
{
	if (++parser->depth > JINJA_DEPTH_LIMIT)
		return SYNTAX_WRONG(parser, "너무 깊습니다", "nested too deeply");
	return 0;
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

static int
block_end(struct parser *parser)
{
	if (parser->at->kind != LEXEME_BLOCK_END)
		return syntax_unexpected(parser);
	parser->at++;
	return 0;
}

/* Names, in brackets or not; with `attributes` also namespace.name. */
static int
parse_targets(struct parser *parser, bool attributes, struct node **out)
{
	bool bracket = syntax_skip_sign(parser, "(");
	struct node **end = out;

	do {
		if (parser->at->kind != LEXEME_NAME || syntax_reserved(parser->at->text))
			return syntax_unexpected(parser);
		if ((*end = syntax_node(parser, NODE_NAME)) == NULL)
			return -1;
		(*end)->name = parser->at->text;
		parser->at++;
		if (attributes && syntax_skip_sign(parser, ".")) {
			struct node *of = *end;

			if (parser->at->kind != LEXEME_NAME)
				return syntax_unexpected(parser);
			if ((*end = syntax_node(parser, NODE_ATTRIBUTE)) == NULL)
				return -1;
			(*end)->a = of;
			(*end)->name = parser->at->text;
			parser->at++;
		}
		end = &(*end)->next;
	} while (syntax_skip_sign(parser, ",") && parser->at->kind == LEXEME_NAME &&
	         !syntax_reserved(parser->at->text));
	return bracket ? syntax_need_sign(parser, ")") : 0;
}

/* The body, then one of `ends` into *which, behind whose name the parser stands. */
static int
parse_until(struct parser *parser, const char *const *ends, struct node **body, struct slice *which)
{
	if (parse_body(parser, ends, body) == -1)
		return -1;
	if (parser->at->kind != LEXEME_BLOCK)
		return fault_set(parser->why, FAULT_INVALID, "대화 틀 %u행: '%s'이(가) 없습니다",
		                 "chat template, line %u: '%s' is missing", parser->at->line, ends[0]);
	*which = parser->at[1].text;
	parser->at += 2;
	return 0;
}

static int
parse_if(struct parser *parser, struct node *node)
{
	static const char *const ends[] = {"endif", "elif", "else", NULL}, *const last[] = {"endif", NULL};
	struct slice which;

	if (syntax_tuple(parser, &node->a) == -1 || block_end(parser) == -1 ||
	    parse_until(parser, ends, &node->body, &which) == -1)
		return -1;
	if (slice_is(which, "elif")) {
		if (syntax_deeper(parser) == -1 || (node->otherwise = syntax_node(parser, NODE_IF)) == NULL ||
		    parse_if(parser, node->otherwise) == -1)
			return -1;
		parser->depth--;
		return 0;
	}
	if (slice_is(which, "else") &&
	    (block_end(parser) == -1 || parse_until(parser, last, &node->otherwise, &which) == -1))
		return -1;
	return block_end(parser);
}

static int
parse_for(struct parser *parser, struct node *node)
{
	static const char *const ends[] = {"endfor", "else", NULL}, *const last[] = {"endfor", NULL};
	struct slice which;

	if (parse_targets(parser, false, &node->targets) == -1)
		return -1;
	if (!syntax_skip_name(parser, "in"))
		return syntax_unexpected(parser);
	/* A condition here belongs to the loop, so the expression ends before it. */
	if (syntax_logic(parser, true, &node->a) == -1)
		return -1;
	if (syntax_sign(parser, ",") && syntax_tuple_rest(parser, node->a, NULL, &node->a) == -1)
		return -1;
	if (syntax_skip_name(parser, "if") && syntax_expression(parser, &node->b) == -1)
		return -1;
	if (syntax_name(parser, "recursive"))
		return syntax_unsupported(parser, "for", parser->at->text);
	parser->loops++;
	if (block_end(parser) == -1 || parse_until(parser, ends, &node->body, &which) == -1)
		return -1;
	parser->loops--;
	if (slice_is(which, "else") &&
	    (block_end(parser) == -1 || parse_until(parser, last, &node->otherwise, &which) == -1))
		return -1;
	return block_end(parser);
}

/* Filters over what was captured: | trim | upper. */
static int
parse_hole(struct parser *parser, struct node **out)
{
	if ((*out = syntax_node(parser, NODE_HOLE)) == NULL)
		return -1;
	while (syntax_skip_sign(parser, "|"))
		if (syntax_filter(parser, *out, out) == -1)
			return -1;
	return 0;
}

static int
parse_set(struct parser *parser, struct node *node)
{
	static const char *const ends[] = {"endset", NULL};
	struct slice which;

	if (parse_targets(parser, true, &node->targets) == -1)
		return -1;
	if (syntax_skip_sign(parser, "="))
		return syntax_tuple(parser, &node->a) == -1 ? -1 : block_end(parser);
	node->kind = NODE_CAPTURE;
	if (parse_hole(parser, &node->a) == -1 || block_end(parser) == -1 ||
	    parse_until(parser, ends, &node->body, &which) == -1)
		return -1;
	return block_end(parser);
}

static int
parse_macro(struct parser *parser, struct node *node)
{
	static const char *const ends[] = {"endmacro", NULL};
	struct node **end = &node->list;
	unsigned loops = parser->loops, count = 0;
	struct slice which;

	if (parser->at->kind != LEXEME_NAME)
		return syntax_unexpected(parser);
	node->name = parser->at->text;
	parser->at++;
	if (syntax_need_sign(parser, "(") == -1)
		return -1;
	while (!syntax_skip_sign(parser, ")")) {
		if (parser->at->kind != LEXEME_NAME || syntax_reserved(parser->at->text) ||
		    ++count > ARGUMENTS_LIMIT)
			return syntax_unexpected(parser);
		if ((*end = syntax_node(parser, NODE_NAMED)) == NULL)
			return -1;
		(*end)->name = parser->at->text;
		parser->at++;
		if (syntax_skip_sign(parser, "=") && syntax_expression(parser, &(*end)->a) == -1)
			return -1;
		end = &(*end)->next;
		if (!syntax_skip_sign(parser, ",") && !syntax_sign(parser, ")"))
			return syntax_unexpected(parser);
	}
	parser->loops = 0;
	if (block_end(parser) == -1 || parse_until(parser, ends, &node->body, &which) == -1)
		return -1;
	parser->loops = loops;
	parser->at += parser->at->kind == LEXEME_NAME; /* {% endmacro name %} */
	return block_end(parser);
}

static int
parse_with(struct parser *parser, struct node *node)
{
	static const char *const ends[] = {"endwith", NULL};
	struct node **end = &node->list;
	struct slice which;

	while (parser->at->kind == LEXEME_NAME) {
		if ((*end = syntax_node(parser, NODE_NAMED)) == NULL)
			return -1;
		(*end)->name = parser->at->text;
		parser->at++;
		if (syntax_need_sign(parser, "=") == -1 || syntax_expression(parser, &(*end)->a) == -1)
			return -1;
		end = &(*end)->next;
		if (!syntax_skip_sign(parser, ","))
			break;
	}
	if (block_end(parser) == -1 || parse_until(parser, ends, &node->body, &which) == -1)
		return -1;
	return block_end(parser);
}

static int
parse_filtered(struct parser *parser, struct node *node)
{
	static const char *const ends[] = {"endfilter", NULL};
	struct slice which;

	if ((node->a = syntax_node(parser, NODE_HOLE)) == NULL ||
	    syntax_filter(parser, node->a, &node->a) == -1)
		return -1;
	while (syntax_skip_sign(parser, "|"))
		if (syntax_filter(parser, node->a, &node->a) == -1)
			return -1;
	if (block_end(parser) == -1 || parse_until(parser, ends, &node->body, &which) == -1)
		return -1;
	return block_end(parser);
}

static int
parse_statement(struct parser *parser, struct node **out)
{
	static const char *const scope_ends[] = {"endgeneration", NULL};
	struct slice word = parser->at->text, which;
	struct node *node;

	if (parser->at->kind != LEXEME_NAME)
		return syntax_unexpected(parser);
	if ((node = *out = syntax_node(parser, NODE_SCOPE)) == NULL || syntax_deeper(parser) == -1)
		return -1;
	parser->at++;
	parser->depth--;
	if (slice_is(word, "if")) {
		node->kind = NODE_IF;
		parser->depth++;
		if (parse_if(parser, node) == -1)
			return -1;
		parser->depth--;
		return 0;
	}
	if (slice_is(word, "generation")) /* marks what a model is trained on; nothing to us */
		return block_end(parser) == -1 ||
		               parse_until(parser, scope_ends, &node->body, &which) == -1 ||
		               block_end(parser) == -1
		           ? -1
		           : 0;
	if (slice_is(word, "break") || slice_is(word, "continue")) {
		node->kind = slice_is(word, "break") ? NODE_BREAK : NODE_CONTINUE;
		return parser->loops == 0 ? syntax_unexpected(parser) : block_end(parser);
	}
	{
		static const struct {
			const char *word;
			enum node_kind kind;
			int (*parse)(struct parser *parser, struct node *node);
		} words[] = {
		    {"for",    NODE_FOR,      parse_for     },
		    {"set",    NODE_SET,      parse_set     },
		    {"macro",  NODE_MACRO,    parse_macro   },
		    {"with",   NODE_WITH,     parse_with    },
		    {"filter", NODE_FILTERED, parse_filtered},
		};

		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (slice_is(word, words[i].word)) {
				node->kind = words[i].kind;
				parser->depth++;
				if (words[i].parse(parser, node) == -1)
					return -1;
				parser->depth--;
				return 0;
			}
	}
	parser->at--;
	return syntax_unsupported(parser, "tag", word);
}

/* Text, prints and statements up to a block that begins with one of `ends`, or (NULL) to the end of all. */
static int
parse_body(struct parser *parser, const char *const *ends, struct node **out)
{
	struct node **end = out;

	if (syntax_deeper(parser) == -1)
		return -1;
	while (parser->at->kind != LEXEME_END) {
		const struct lexeme *lexeme = parser->at;

		if (lexeme->kind == LEXEME_BLOCK) {
			for (size_t i = 0; ends != NULL && ends[i] != NULL; i++)
				if (lexeme[1].kind == LEXEME_NAME && slice_is(lexeme[1].text, ends[i]))
					goto out;
			parser->at++;
			if (parse_statement(parser, end) == -1)
				return -1;
		} else {
			if ((*end = syntax_node(parser, lexeme->kind == LEXEME_TEXT ? NODE_TEXT
			                                                            : NODE_PRINT)) == NULL)
				return -1;
			parser->at++;
			if (lexeme->kind == LEXEME_TEXT) {
				(*end)->literal = value_text(text_ours(lexeme->text));
			} else {
				if (syntax_tuple(parser, &(*end)->a) == -1)
					return -1;
				if (parser->at->kind != LEXEME_PRINT_END)
					return syntax_unexpected(parser);
				parser->at++;
			}
		}
		end = &(*end)->next;
	}
out:
	parser->depth--;
	return 0;
}

int
template_parse(struct arena *arena, const struct lexeme *lexemes, struct node **out, struct fault *why)
{
	struct parser parser = {.arena = arena, .at = lexemes, .why = why};

	*out = NULL;
	return parse_body(&parser, NULL, out);
}
