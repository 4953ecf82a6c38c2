/* template_expression -- expressions, by recursive descent with Jinja's precedence. */
#include <string.h>

#include "inference/template_parser.h"

bool
syntax_reserved(struct slice text)
{
	static const char *const words[] = {"and", "or", "not", "if", "else", "elif", "in", "is", "for"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_is(text, words[i]))
			return true;
	return false;
}

/* Expressions up to `close`, behind its opening; `keywords`: name=value may come, `pairs`: key: value must. */
static int
parse_list(struct parser *parser, const char *close, bool keywords, bool pairs, struct node **out)
{
	struct node **end = out;
	bool named = false;
	unsigned count = 0;

	while (!syntax_skip_sign(parser, close)) {
		struct node *item, *holder;

		if (parser->at->kind == LEXEME_SIGN && parser->at->text.data[0] == '*')
			return syntax_unsupported(parser, "", parser->at->text);
		if (keywords && ++count > ARGUMENTS_LIMIT)
			return SYNTAX_WRONG(parser, "인수가 너무 많습니다", "too many arguments");
		if (keywords && parser->at->kind == LEXEME_NAME && parser->at[1].kind == LEXEME_SIGN &&
		    slice_is(parser->at[1].text, "=")) {
			if ((holder = syntax_node(parser, NODE_NAMED)) == NULL)
				return -1;
			holder->name = parser->at->text;
			parser->at += 2;
			named = true;
			if (syntax_expression(parser, &holder->a) == -1)
				return -1;
			item = holder;
		} else if (named) {
			return syntax_unexpected(parser);
		} else if (syntax_expression(parser, &item) == -1) {
			return -1;
		}
		if (keywords || pairs) {
			if (item->kind != NODE_NAMED ||
			    pairs) { /* an argument keeps its place in a holder too */
				if ((holder = syntax_node(parser, NODE_NAMED)) == NULL)
					return -1;
				holder->a = item;
				item = holder;
			}
		}
		if (pairs &&
		    (syntax_need_sign(parser, ":") == -1 || syntax_expression(parser, &item->b) == -1))
			return -1;
		*end = item;
		end = &item->next;
		if (!syntax_skip_sign(parser, ",") && !syntax_sign(parser, close))
			return syntax_unexpected(parser);
	}
	return 0;
}

/* List elements and tuples hold their values in holders too: an expression may only be in one list by `next`. */
static int
hold(struct parser *parser, struct node *item, struct node **out)
{
	struct node *holder = syntax_node(parser, NODE_NAMED);

	if (holder == NULL)
		return -1;
	holder->a = item;
	*out = holder;
	return 0;
}

int
syntax_tuple_rest(struct parser *parser, struct node *first, const char *close, struct node **out)
{
	struct node *tuple = syntax_node(parser, NODE_LIST), **end;

	if (tuple == NULL || hold(parser, first, &tuple->list) == -1)
		return -1;
	tuple->number = 1;
	end = &tuple->list->next;
	while (syntax_skip_sign(parser, ",")) {
		struct node *item;

		if (close != NULL ? syntax_sign(parser, close) : parser->at->kind == LEXEME_BLOCK_END)
			break;
		if (syntax_expression(parser, &item) == -1 || hold(parser, item, end) == -1)
			return -1;
		end = &(*end)->next;
	}
	*out = tuple;
	return close != NULL ? syntax_need_sign(parser, close) : 0;
}

static int
parse_literal_name(struct parser *parser, struct node *node)
{
	static const struct {
		const char *word;
		enum value_kind kind;
		bool flag;
	} words[] = {
	    {"true",  VALUE_BOOL, true },
            {"True",  VALUE_BOOL, true },
            {"false", VALUE_BOOL, false},
	    {"False", VALUE_BOOL, false},
            {"none",  VALUE_NONE, false},
            {"None",  VALUE_NONE, false},
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_is(parser->at->text, words[i].word)) {
			node->kind = NODE_LITERAL;
			node->literal =
			    words[i].kind == VALUE_BOOL ? value_flag(words[i].flag) : value_none();
		}
	if (node->kind == NODE_NAME && syntax_reserved(parser->at->text))
		return syntax_unexpected(parser);
	node->name = parser->at->text;
	parser->at++;
	return 0;
}

static int
parse_string(struct parser *parser, struct node *node)
{
	struct slice text = parser->at->text;

	parser->at++;
	while (parser->at->kind == LEXEME_STRING) { /* "a" "b" is one */
		uint8_t *both = arena_alloc(parser->arena, text.size + parser->at->text.size + 1);

		if (both == NULL)
			return fault_memory(parser->why);
		if (text.size > 0)
			memcpy(both, text.data, text.size);
		if (parser->at->text.size > 0)
			memcpy(both + text.size, parser->at->text.data, parser->at->text.size);
		text = slice_of(both, text.size + parser->at->text.size);
		parser->at++;
	}
	node->literal = value_text(text_ours(text));
	return 0;
}

static int
parse_primary(struct parser *parser, struct node **out)
{
	struct node *node = syntax_node(parser, NODE_LITERAL), *inner;

	if (node == NULL)
		return -1;
	*out = node;
	switch (parser->at->kind) {
	case LEXEME_NAME:
		node->kind = NODE_NAME;
		return parse_literal_name(parser, node);
	case LEXEME_STRING:
		return parse_string(parser, node);
	case LEXEME_INTEGER:
		node->literal = value_integer(parser->at++->integer);
		return 0;
	case LEXEME_REAL:
		node->literal = value_real(parser->at++->real);
		return 0;
	default:
		break;
	}
	if (syntax_skip_sign(parser, "(")) {
		if (syntax_skip_sign(parser, ")")) {
			node->kind = NODE_LIST;
			node->number = 1;
			return 0;
		}
		if (syntax_expression(parser, &inner) == -1)
			return -1;
		if (syntax_sign(parser, ","))
			return syntax_tuple_rest(parser, inner, ")", out);
		*out = inner;
		return syntax_need_sign(parser, ")");
	}
	if (syntax_skip_sign(parser, "[")) {
		struct node **end = &node->list;

		node->kind = NODE_LIST;
		while (!syntax_skip_sign(parser, "]")) {
			if (syntax_expression(parser, &inner) == -1 || hold(parser, inner, end) == -1)
				return -1;
			end = &(*end)->next;
			if (!syntax_skip_sign(parser, ",") && !syntax_sign(parser, "]"))
				return syntax_unexpected(parser);
		}
		return 0;
	}
	if (syntax_skip_sign(parser, "{")) {
		node->kind = NODE_MAP;
		return parse_list(parser, "}", false, true, &node->list);
	}
	return syntax_unexpected(parser);
}

static int
parse_subscript(struct parser *parser, struct node *of, struct node **out)
{
	struct node *node = syntax_node(parser, NODE_INDEX);

	if (node == NULL)
		return -1;
	node->a = of;
	*out = node;
	if (!syntax_sign(parser, ":")) {
		if (syntax_expression(parser, &node->b) == -1)
			return -1;
		if (syntax_skip_sign(parser, "]"))
			return 0;
	}
	node->kind = NODE_SLICE;
	if (syntax_need_sign(parser, ":") == -1)
		return -1;
	if (!syntax_sign(parser, ":") && !syntax_sign(parser, "]") &&
	    syntax_expression(parser, &node->c) == -1)
		return -1;
	if (syntax_skip_sign(parser, ":") && !syntax_sign(parser, "]") &&
	    syntax_expression(parser, &node->d) == -1)
		return -1;
	return syntax_need_sign(parser, "]");
}

static int
parse_postfix(struct parser *parser, struct node **out)
{
	for (unsigned count = 0;; count++) {
		struct node *node = NULL;

		if (count > JINJA_DEPTH_LIMIT)
			return SYNTAX_WRONG(parser, "너무 깊습니다", "nested too deeply");
		if (syntax_skip_sign(parser, ".")) {
			if ((node = syntax_node(parser, NODE_ATTRIBUTE)) == NULL)
				return -1;
			if (parser->at->kind == LEXEME_INTEGER) { /* list.0 */
				node->kind = NODE_INDEX;
				if ((node->b = syntax_node(parser, NODE_LITERAL)) == NULL)
					return -1;
				node->b->literal = value_integer(parser->at->integer);
			} else if (parser->at->kind != LEXEME_NAME) {
				return syntax_unexpected(parser);
			}
			node->name = parser->at->text;
			node->a = *out;
			parser->at++;
		} else if (syntax_skip_sign(parser, "[")) {
			if (parse_subscript(parser, *out, &node) == -1)
				return -1;
		} else if (syntax_skip_sign(parser, "(")) {
			if ((node = syntax_node(parser, NODE_CALL)) == NULL)
				return -1;
			node->a = *out;
			if (parse_list(parser, ")", true, false, &node->list) == -1)
				return -1;
		} else {
			return 0;
		}
		*out = node;
	}
}

int
syntax_filter(struct parser *parser, struct node *of, struct node **out)
{
	struct node *node = syntax_node(parser, NODE_FILTER);

	if (node == NULL)
		return -1;
	if (parser->at->kind != LEXEME_NAME)
		return syntax_unexpected(parser);
	node->a = of;
	node->name = parser->at->text;
	node->number = filter_find(node->name); /* -1: refused when it is reached, as Jinja does */
	parser->at++;
	*out = node;
	return syntax_skip_sign(parser, "(") ? parse_list(parser, ")", true, false, &node->list) : 0;
}

/* `is` and `is not`: a test may take one argument without brackets. */
static int
parse_test(struct parser *parser, struct node *of, struct node **out)
{
	bool negated = syntax_skip_name(parser, "not");
	struct node *node = syntax_node(parser, NODE_TEST), *argument_;
	enum lexeme_kind kind;

	if (node == NULL)
		return -1;
	if (parser->at->kind != LEXEME_NAME)
		return syntax_unexpected(parser);
	node->a = of;
	node->name = parser->at->text;
	node->number = test_find(node->name);
	parser->at++;
	kind = parser->at->kind;
	if (syntax_skip_sign(parser, "(")) {
		if (parse_list(parser, ")", true, false, &node->list) == -1)
			return -1;
	} else if ((kind == LEXEME_NAME && !syntax_reserved(parser->at->text)) || kind == LEXEME_STRING ||
	           kind == LEXEME_INTEGER || kind == LEXEME_REAL || syntax_sign(parser, "[") ||
	           syntax_sign(parser, "{")) {
		if (parse_primary(parser, &argument_) == -1 || parse_postfix(parser, &argument_) == -1 ||
		    hold(parser, argument_, &node->list) == -1)
			return -1;
	}
	*out = node;
	if (negated) {
		if ((*out = syntax_node(parser, NODE_NOT)) == NULL)
			return -1;
		(*out)->a = node;
	}
	return 0;
}

static int
parse_filters(struct parser *parser, struct node **out)
{
	for (unsigned count = 0;; count++) {
		if (count > JINJA_DEPTH_LIMIT)
			return SYNTAX_WRONG(parser, "너무 깊습니다", "nested too deeply");
		if (syntax_skip_sign(parser, "|")) {
			if (syntax_filter(parser, *out, out) == -1)
				return -1;
		} else if (syntax_skip_name(parser, "is")) {
			if (parse_test(parser, *out, out) == -1)
				return -1;
		} else if (syntax_sign(parser, "(") || syntax_sign(parser, ".") || syntax_sign(parser, "[")) {
			if (parse_postfix(parser, out) == -1)
				return -1;
		} else {
			return 0;
		}
	}
}

static int
parse_unary(struct parser *parser, bool filters, struct node **out)
{
	struct node *node = NULL;

	if (syntax_deeper(parser) == -1)
		return -1;
	if (syntax_sign(parser, "-") || syntax_sign(parser, "+")) {
		if ((node = syntax_node(parser, syntax_sign(parser, "-") ? NODE_NEGATE : NODE_PLUS)) == NULL)
			return -1;
		parser->at++;
		if (parse_unary(parser, false, &node->a) == -1)
			return -1;
		*out = node;
	} else if (parse_primary(parser, out) == -1 || parse_postfix(parser, out) == -1) {
		return -1;
	}
	parser->depth--;
	return filters ? parse_filters(parser, out) : 0;
}

static const struct level {
	struct {
		const char *text;
		enum operation operation;
	} signs[5];
} levels[] = {
    {{{"+", OPERATION_ADD}, {"-", OPERATION_SUBTRACT}}},
    {{{"~", OPERATION_JOIN}}},
    {{{"*", OPERATION_MULTIPLY}, {"/", OPERATION_DIVIDE}, {"//", OPERATION_FLOOR}, {"%", OPERATION_MODULO}}},
    {{{"**", OPERATION_POWER}}},
};

/* + - below ~ below * / // % below **, each from left to right. */
static int
parse_binary(struct parser *parser, size_t level, struct node **out)
{
	if (level == sizeof levels / sizeof *levels)
		return parse_unary(parser, true, out);
	if (parse_binary(parser, level + 1, out) == -1)
		return -1;
	for (unsigned count = 0;; count++) {
		enum operation operation = OPERATION_NONE;
		struct node *node;

		for (size_t i = 0; i < 5 && levels[level].signs[i].text != NULL; i++)
			if (syntax_sign(parser, levels[level].signs[i].text))
				operation = levels[level].signs[i].operation;
		if (operation == OPERATION_NONE)
			return 0;
		if (count > JINJA_DEPTH_LIMIT)
			return SYNTAX_WRONG(parser, "너무 깊습니다", "nested too deeply");
		if ((node = syntax_node(parser, NODE_BINARY)) == NULL)
			return -1;
		parser->at++;
		node->number = (int)operation;
		node->a = *out;
		if (parse_binary(parser, level + 1, &node->b) == -1)
			return -1;
		*out = node;
	}
}

static int
parse_compare(struct parser *parser, struct node **out)
{
	static const struct {
		const char *text;
		enum operation operation;
	} signs[] = {
	    {"==", OPERATION_EQUAL        },
            {"!=", OPERATION_DIFFERENT    },
            {"<=", OPERATION_LESS_EQUAL   },
	    {"<",  OPERATION_LESS         },
            {">=", OPERATION_GREATER_EQUAL},
            {">",  OPERATION_GREATER      },
	};
	struct node *compare = NULL, **end = NULL;

	if (parse_binary(parser, 0, out) == -1)
		return -1;
	for (;;) {
		enum operation operation = OPERATION_NONE;

		for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
			if (syntax_sign(parser, signs[i].text))
				operation = signs[i].operation;
		if (syntax_name(parser, "in"))
			operation = OPERATION_IN;
		if (syntax_name(parser, "not") && parser->at[1].kind == LEXEME_NAME &&
		    slice_is(parser->at[1].text, "in")) {
			operation = OPERATION_NOT_IN;
			parser->at++;
		}
		if (operation == OPERATION_NONE)
			return 0;
		parser->at++;
		if (compare == NULL) {
			if ((compare = syntax_node(parser, NODE_COMPARE)) == NULL)
				return -1;
			compare->a = *out;
			end = &compare->list;
			*out = compare;
		}
		if ((*end = syntax_node(parser, NODE_NAMED)) == NULL)
			return -1;
		(*end)->number = (int)operation;
		if (parse_binary(parser, 0, &(*end)->a) == -1)
			return -1;
		end = &(*end)->next;
	}
}

static int
parse_not(struct parser *parser, struct node **out)
{
	struct node *node;

	if (!syntax_name(parser, "not"))
		return parse_compare(parser, out);
	if ((node = syntax_node(parser, NODE_NOT)) == NULL || syntax_deeper(parser) == -1)
		return -1;
	parser->at++;
	if (parse_not(parser, &node->a) == -1)
		return -1;
	parser->depth--;
	*out = node;
	return 0;
}

int
syntax_logic(struct parser *parser, bool disjunction, struct node **out)
{
	unsigned count = 0;

	if ((disjunction ? syntax_logic(parser, false, out) : parse_not(parser, out)) == -1)
		return -1;
	while (syntax_skip_name(parser, disjunction ? "or" : "and")) {
		struct node *node = syntax_node(parser, disjunction ? NODE_OR : NODE_AND);

		if (++count > JINJA_DEPTH_LIMIT)
			return SYNTAX_WRONG(parser, "너무 깊습니다", "nested too deeply");
		if (node == NULL)
			return -1;
		node->a = *out;
		if ((disjunction ? syntax_logic(parser, false, &node->b) : parse_not(parser, &node->b)) == -1)
			return -1;
		*out = node;
	}
	return 0;
}

int
syntax_expression(struct parser *parser, struct node **out)
{
	unsigned count = 0;

	if (syntax_deeper(parser) == -1 || syntax_logic(parser, true, out) == -1)
		return -1;
	while (syntax_skip_name(parser, "if")) {
		struct node *node = syntax_node(parser, NODE_CONDITION);

		if (++count > JINJA_DEPTH_LIMIT)
			return SYNTAX_WRONG(parser, "너무 깊습니다", "nested too deeply");
		if (node == NULL)
			return -1;
		node->a = *out;
		*out = node;
		if (syntax_logic(parser, true, &node->b) == -1 ||
		    (syntax_skip_name(parser, "else") && syntax_expression(parser, &node->c) == -1))
			return -1;
	}
	parser->depth--;
	return 0;
}

/* An expression, or several with commas between, which are a tuple. */
int
syntax_tuple(struct parser *parser, struct node **out)
{
	if (syntax_expression(parser, out) == -1)
		return -1;
	return syntax_sign(parser, ",") ? syntax_tuple_rest(parser, *out, NULL, out) : 0;
}
