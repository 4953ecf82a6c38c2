/*
 * Expressions, one function a line of the grammar, loosest first. See README.md for the grammar.
 */
#include "policy/cedar/parser.h"

#include <string.h>

static const struct cedar_expr *parse_or(struct parser *parser);

static struct cedar_expr *
node(struct parser *parser, enum cedar_op op, uint32_t offset)
{
	struct cedar_expr *expr = cedar_expr_new(parser->arena, op, offset);

	if (expr == NULL)
		parser_no_memory(parser);
	return expr;
}

static const struct cedar_expr *
finish(struct parser *parser, struct cedar_expr *expr)
{
	if (parser->lost)
		return NULL;
	if (cedar_expr_finish(expr, parser->arena))
		return expr;
	parser_complain(parser, expr->offset, "식을 나누십시오", "split the expression",
	                "식이 너무 깊습니다 (한도 %d)", "the expression is too deep (limit %d)",
	                CEDAR_DEPTH_LIMIT);
	parser->lost = true;
	return NULL;
}

static const struct cedar_expr *
pair(struct parser *parser, enum cedar_op op, uint32_t offset, const struct cedar_expr *left,
     const struct cedar_expr *right)
{
	struct cedar_expr *expr = parser->lost ? NULL : node(parser, op, offset);

	if (expr == NULL)
		return NULL;
	expr->as.pair.left = left;
	expr->as.pair.right = right;
	return finish(parser, expr);
}

static const struct cedar_expr *
literal(struct parser *parser, uint32_t offset, struct cedar_value value)
{
	struct cedar_expr *expr = node(parser, CEDAR_LITERAL, offset);

	if (expr == NULL)
		return NULL;
	expr->value = value;
	return finish(parser, expr);
}

/* ---- lists: arguments, sets, chains --------------------------------------------------------------------------- */

struct gathering {
	const struct cedar_expr **items;
	uint32_t count;
	uint32_t capacity;
};

static bool
gather(struct parser *parser, struct gathering *list, const struct cedar_expr *item)
{
	if (item == NULL ||
	    !parser_grow(parser, &list->items, list->count, &list->capacity, sizeof *list->items))
		return false;
	list->items[list->count++] = item;
	return true;
}

/* Expr,* and an optional last comma, up to and with `close`. */
static bool
parse_list(struct parser *parser, struct gathering *list, enum token_kind close, const char *what_ko,
           const char *what_en)
{
	while (!parser_accept(parser, close)) {
		if (!gather(parser, list, parser_expression(parser)))
			return false;
		if (parser->token.kind != close && !parser_expect(parser, TOKEN_COMMA, what_ko, what_en))
			return false;
	}
	return true;
}

static const struct cedar_expr *
listed(struct parser *parser, enum cedar_op op, uint32_t offset, const struct gathering *list)
{
	struct cedar_expr *expr = parser->lost ? NULL : node(parser, op, offset);

	if (expr == NULL)
		return NULL;
	expr->as.list.items = list->items;
	expr->as.list.count = list->count;
	return finish(parser, expr);
}

/* ---- primaries ------------------------------------------------------------------------------------------------ */

static const struct cedar_expr *
parse_record(struct parser *parser)
{
	uint32_t offset = parser->token.offset, capacity = 0;
	struct gathering list = {NULL, 0, 0};
	struct cedar_string *names = NULL, name;
	struct cedar_expr *expr;

	parser_advance(parser);
	while (!parser_accept(parser, TOKEN_CLOSE_CURLY)) {
		uint32_t at = parser->token.offset;

		if (parser->token.kind == TOKEN_STRING ? !parser_string(parser, &name)
		                                       : !parser_identifier(parser, &name))
			return NULL;
		if (list.count == CEDAR_NAMES_LIMIT) {
			parser_complain(parser, at, NULL, NULL, "레코드가 너무 큽니다 (한도 %d)",
			                "the record is too large (limit %d)", CEDAR_NAMES_LIMIT);
			parser->lost = true;
			return NULL;
		}
		for (uint32_t i = 0; i < list.count; i++) {
			if (!cedar_string_equal(&names[i], &name))
				continue;
			parser_complain(parser, at, "하나만 남기십시오", "keep one of them",
			                "레코드에 '%.*s'이(가) 두 번 있습니다",
			                "'%.*s' is twice in this record", (int)name.size, name.data);
			break;
		}
		if (!parser_grow(parser, &names, list.count, &capacity, sizeof *names))
			return NULL;
		names[list.count] = name;
		if (!parser_expect(parser, TOKEN_COLON, "':'", "':'") ||
		    !gather(parser, &list, parser_expression(parser)))
			return NULL;
		if (parser->token.kind != TOKEN_CLOSE_CURLY &&
		    !parser_expect(parser, TOKEN_COMMA, "',' 또는 '}'", "',' or '}'"))
			return NULL;
	}
	if ((expr = node(parser, CEDAR_RECORD_OF, offset)) == NULL)
		return NULL;
	expr->as.list.items = list.items;
	expr->as.list.count = list.count;
	expr->as.list.names = names;
	return finish(parser, expr);
}

static bool
known_method(struct slice name)
{
	static const char *const methods[] = {"contains", "containsAll", "containsAny",
	                                      "isEmpty",  "getTag",      "hasTag"};

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (slice_is(name, methods[i]))
			return true;
	return false;
}

/* name(…): only the constructors of extension values are called so. */
static const struct cedar_expr *
parse_call(struct parser *parser, struct cedar_string name, uint32_t offset)
{
	struct slice text = cedar_string_slice(&name);
	enum cedar_function function = cedar_function_find(text);
	struct gathering list = {NULL, 0, 0};
	struct cedar_expr *expr;

	parser_advance(parser);
	if (!parse_list(parser, &list, TOKEN_CLOSE_ROUND, "',' 또는 ')'", "',' or ')'"))
		return NULL;
	if (known_method(text) || (function != CEDAR_FUNCTIONS && cedar_signature(function)->method)) {
		parser_complain(parser, offset, "값.이름(…) 꼴로 부르십시오", "call it as value.name(…)",
		                "'%.*s'은(는) 함수가 아니라 메서드입니다",
		                "'%.*s' is a method, not a function", SLICE_PRINT(text));
		function = CEDAR_FUNCTION_DECIMAL; /* stands in; the set is refused anyway */
	} else if (function == CEDAR_FUNCTIONS) {
		parser_complain(parser, offset, "함수는 ip, decimal, datetime, duration입니다",
		                "there are ip, decimal, datetime, duration", "'%.*s'이라는 함수는 없습니다",
		                "there is no function '%.*s'", SLICE_PRINT(text));
		function = CEDAR_FUNCTION_DECIMAL;
	}
	if ((expr = node(parser, CEDAR_CALL, offset)) == NULL)
		return NULL;
	expr->as.list.items = list.items;
	expr->as.list.count = list.count;
	expr->as.list.function = function;
	return finish(parser, expr);
}

static const struct cedar_expr *
parse_name(struct parser *parser)
{
	static const char *const variables[] = {"principal", "action", "resource", "context"};
	uint32_t offset = parser->token.offset;
	struct cedar_string name, id;
	struct cedar_uid *uid;
	struct cedar_expr *expr;
	bool has_id;

	if (!parser_path(parser, &name, &id, &has_id))
		return NULL;
	if (has_id) {
		if ((uid = arena_alloc(parser->arena, sizeof *uid)) == NULL) {
			parser_no_memory(parser);
			return NULL;
		}
		*uid = cedar_uid_of(name, id);
		return literal(parser, offset, cedar_entity(uid));
	}
	if (parser->token.kind == TOKEN_OPEN_ROUND)
		return parse_call(parser, name, offset);
	for (size_t i = 0; i < 4; i++) {
		if (!slice_is(cedar_string_slice(&name), variables[i]))
			continue;
		if ((expr = node(parser, CEDAR_VARIABLE, offset)) == NULL)
			return NULL;
		expr->as.variable = (enum cedar_variable)i;
		return finish(parser, expr);
	}
	parser_complain(
	    parser, offset,
	    "글이면 \"…\", 속성이면 principal.… 또는 context.…, 개체면 종류::\"이름\"으로 적으십시오",
	    "write \"…\" for text, principal.… or context.… for an attribute, Type::\"id\" for an entity",
	    "'%.*s'이라는 변수는 없습니다 (principal, action, resource, context)",
	    "there is no variable '%.*s' (principal, action, resource, context)", (int)name.size, name.data);
	return literal(parser, offset, cedar_bool(false)); /* reading goes on; the set is refused */
}

/* `most` is what may be reached: 2^63 directly behind a minus, else 2^63 - 1. false: complained. */
static bool
number_value(struct parser *parser, struct token token, bool negative, int64_t *value)
{
	uint64_t number = 0;

	for (size_t i = 0; i < token.text.size; i++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(token.text.data[i] - '0'), &number))
			number = UINT64_MAX;
		if (number > (uint64_t)INT64_MAX + negative) {
			parser_complain(parser, token.offset,
			                "-9223372036854775808부터 9223372036854775807까지입니다",
			                "numbers go from -9223372036854775808 to 9223372036854775807",
			                "수가 너무 큽니다: %.*s", "the number is too large: %.*s",
			                (int)(token.text.size < 60 ? token.text.size : 60),
			                (const char *)token.text.data);
			*value = 0;
			return false;
		}
	}
	*value = negative ? (int64_t)(0 - number) : (int64_t)number;
	return true;
}

static const struct cedar_expr *
parse_bracketed(struct parser *parser)
{
	const struct cedar_expr *inner;

	parser_advance(parser);
	inner = parser_expression(parser);
	return inner != NULL && parser_expect(parser, TOKEN_CLOSE_ROUND, "')'", "')'") ? inner : NULL;
}

static const struct cedar_expr *
parse_primary(struct parser *parser)
{
	struct token token = parser->token;
	struct gathering list = {NULL, 0, 0};
	struct cedar_string text, *kept;
	int64_t number;

	switch (token.kind) {
	case TOKEN_NUMBER:
		parser_advance(parser);
		number_value(parser, token, false, &number);
		return literal(parser, token.offset, cedar_long(number));
	case TOKEN_STRING:
		if (!parser_string(parser, &text))
			return NULL;
		if ((kept = arena_copy(parser->arena, &text, sizeof text)) == NULL) {
			parser_no_memory(parser);
			return NULL;
		}
		return literal(parser, token.offset, cedar_text(kept));
	case TOKEN_OPEN_ROUND:
		return parse_bracketed(parser);
	case TOKEN_OPEN_SQUARE:
		parser_advance(parser);
		if (!parse_list(parser, &list, TOKEN_CLOSE_SQUARE, "',' 또는 ']'", "',' or ']'"))
			return NULL;
		return listed(parser, CEDAR_SET_OF, token.offset, &list);
	case TOKEN_OPEN_CURLY:
		return parse_record(parser);
	case TOKEN_SLOT:
		if (!parser->slots)
			parser_complain(parser, token.offset, "틀의 자리는 정책 머리에서만 쓸 수 있습니다",
			                "slots stand only in the scope, each at its own variable",
			                "조건 안에 자리 %.*s이(가) 있습니다", "slot %.*s inside a condition",
			                SLICE_PRINT(token.text));
		parser->slots = true;
		parser_advance(parser);
		return literal(parser, token.offset, cedar_bool(false));
	case TOKEN_WORD:
		if (parser_at_word(parser, "true") || parser_at_word(parser, "false")) {
			parser_advance(parser);
			return literal(parser, token.offset, cedar_bool(token.text.data[0] == 't'));
		}
		if (parser_at_word(parser, "if")) {
			parser_complain(parser, token.offset, "if를 괄호로 묶으십시오: ( if … )",
			                "put the if into brackets: ( if … )",
			                "연산자 뒤에 if가 바로 올 수 없습니다",
			                "an if may not stand bare behind an operator");
			parser->lost = true;
			return NULL;
		}
		return parse_name(parser);
	default:
		if (token.kind == TOKEN_NOT || token.kind == TOKEN_MINUS)
			parser_unexpected_with(parser, "값이나 식", "a value or an expression",
			                       "!와 -를 섞으려면 괄호로 묶으십시오",
			                       "put brackets between ! and -");
		else
			parser_unexpected(parser, "값이나 식", "a value or an expression");
		return NULL;
	}
}

/* ---- members -------------------------------------------------------------------------------------------------- */

static const struct cedar_expr *
member(struct parser *parser, enum cedar_op op, uint32_t offset, const struct cedar_expr *left,
       const struct cedar_string *names, uint32_t count)
{
	struct cedar_expr *expr = node(parser, op, offset);

	if (expr == NULL)
		return NULL;
	expr->as.member.left = left;
	expr->as.member.names = names;
	expr->as.member.count = count;
	return finish(parser, expr);
}

static const struct cedar_expr *
parse_method(struct parser *parser, const struct cedar_expr *left, struct cedar_string name, uint32_t offset)
{
	static const struct {
		const char *name;
		enum cedar_op op;
	} builtin[] = {
	    {"contains",    CEDAR_CONTAINS    },
            {"containsAll", CEDAR_CONTAINS_ALL},
	    {"containsAny", CEDAR_CONTAINS_ANY},
            {"getTag",      CEDAR_GET_TAG     },
	    {"hasTag",      CEDAR_HAS_TAG     },
            {"isEmpty",     CEDAR_IS_EMPTY    }
        };
	struct slice text = cedar_string_slice(&name);
	enum cedar_function function = cedar_function_find(text);
	struct gathering list = {NULL, 0, 0};
	struct cedar_expr *expr;

	parser_advance(parser);
	if (!gather(parser, &list, left) ||
	    !parse_list(parser, &list, TOKEN_CLOSE_ROUND, "',' 또는 ')'", "',' or ')'"))
		return NULL;
	for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
		uint32_t wanted = builtin[i].op == CEDAR_IS_EMPTY ? 1 : 2;

		if (!slice_is(text, builtin[i].name))
			continue;
		if (list.count != wanted)
			parser_complain(
			    parser, offset, NULL, NULL, "%s()에는 인수가 %u개 있어야 하는데 %u개입니다",
			    "%s() takes %u argument(s), not %u", builtin[i].name, wanted - 1, list.count - 1);
		return pair(parser, builtin[i].op, offset, left,
		            list.count > 1 ? list.items[1]
		            : wanted > 1   ? left
		                           : NULL);
	}
	if (function == CEDAR_FUNCTIONS) {
		parser_complain(parser, offset, "속성이면 괄호를 지우십시오",
		                "leave the brackets out if it is an attribute",
		                "'%.*s'이라는 메서드는 없습니다", "there is no method '%.*s'",
		                SLICE_PRINT(text));
		return left;
	}
	if (!cedar_signature(function)->method) {
		parser_complain(parser, offset, "이름(…) 꼴로 부르십시오", "call it as name(…)",
		                "'%.*s'은(는) 메서드가 아니라 함수입니다",
		                "'%.*s' is a function, not a method", SLICE_PRINT(text));
		return left;
	}
	if ((expr = node(parser, CEDAR_CALL, offset)) == NULL)
		return NULL;
	expr->as.list.items = list.items;
	expr->as.list.count = list.count;
	expr->as.list.function = function;
	return finish(parser, expr);
}

static const struct cedar_expr *
parse_member(struct parser *parser)
{
	const struct cedar_expr *expr = parse_primary(parser);
	struct cedar_string name, *kept;
	uint32_t offset;

	while (expr != NULL && !parser->lost) {
		if (parser->token.kind == TOKEN_DOT) {
			parser_advance(parser);
			offset = parser->token.offset;
			if (!parser_identifier(parser, &name))
				return NULL;
			if (parser->token.kind == TOKEN_OPEN_ROUND) {
				expr = parse_method(parser, expr, name, offset);
				continue;
			}
		} else if (parser->token.kind == TOKEN_OPEN_SQUARE) {
			parser_advance(parser);
			offset = parser->token.offset;
			if (!parser_string(parser, &name) ||
			    !parser_expect(parser, TOKEN_CLOSE_SQUARE, "']'", "']'"))
				return NULL;
		} else {
			break;
		}
		if ((kept = arena_copy(parser->arena, &name, sizeof name)) == NULL) {
			parser_no_memory(parser);
			return NULL;
		}
		expr = member(parser, CEDAR_ATTRIBUTE, offset, expr, kept, 1);
	}
	return parser->lost ? NULL : expr;
}

/* ---- operators ------------------------------------------------------------------------------------------------ */

static bool
stands_alone(enum token_kind kind)
{
	return kind != TOKEN_DOT && kind != TOKEN_OPEN_SQUARE && kind != TOKEN_OPEN_ROUND;
}

static const struct cedar_expr *
parse_unary(struct parser *parser)
{
	uint32_t offsets[4];
	size_t count = 0;
	enum token_kind sign = parser->token.kind;
	const struct cedar_expr *expr;
	int64_t number;

	if (sign != TOKEN_NOT && sign != TOKEN_MINUS)
		return parse_member(parser);
	for (; parser->token.kind == sign; parser_advance(parser)) {
		if (count == 4) {
			parser_complain(parser, parser->token.offset, "넷까지입니다", "at most four",
			                "'%.*s'이(가) 너무 많습니다", "too many '%.*s'",
			                SLICE_PRINT(parser->token.text));
			parser->lost = true;
			return NULL;
		}
		offsets[count++] = parser->token.offset;
	}
	/* A minus directly before a bare number belongs to the number: only so can the least one be written. */
	if (sign == TOKEN_MINUS && parser->token.kind == TOKEN_NUMBER &&
	    stands_alone(parser_behind(parser).kind)) {
		struct token token = parser->token;

		parser_advance(parser);
		number_value(parser, token, true, &number);
		expr = literal(parser, offsets[--count], cedar_long(number));
	} else {
		expr = parse_member(parser);
	}
	while (expr != NULL && count > 0)
		expr =
		    pair(parser, sign == TOKEN_NOT ? CEDAR_NOT : CEDAR_NEGATE, offsets[--count], expr, NULL);
	return expr;
}

static const struct cedar_expr *
parse_product(struct parser *parser)
{
	const struct cedar_expr *left = parse_unary(parser);

	while (left != NULL) {
		uint32_t offset = parser->token.offset;

		if (parser->token.kind == TOKEN_SLASH || parser->token.kind == TOKEN_PERCENT) {
			parser_complain(parser, offset, NULL, NULL,
			                "Cedar에는 나눗셈과 나머지가 없습니다: '%.*s'",
			                "Cedar has no division and no remainder: '%.*s'",
			                SLICE_PRINT(parser->token.text));
			parser->lost = true;
			return NULL;
		}
		if (!parser_accept(parser, TOKEN_STAR))
			break;
		left = pair(parser, CEDAR_MULTIPLY, offset, left, parse_unary(parser));
	}
	return left;
}

static const struct cedar_expr *
parse_sum(struct parser *parser)
{
	const struct cedar_expr *left = parse_product(parser);

	while (left != NULL) {
		uint32_t offset = parser->token.offset;
		bool plus = parser->token.kind == TOKEN_PLUS;

		if (!plus && parser->token.kind != TOKEN_MINUS)
			break;
		parser_advance(parser);
		left = pair(parser, plus ? CEDAR_ADD : CEDAR_SUBTRACT, offset, left, parse_product(parser));
	}
	return left;
}

/* Add 'has' ( STR | IDENT ('.' IDENT)* ) */
static const struct cedar_expr *
parse_has(struct parser *parser, const struct cedar_expr *left, uint32_t offset)
{
	struct cedar_string *names = NULL;
	uint32_t count = 0, capacity = 0;

	if (parser->token.kind == TOKEN_STRING) {
		if (!parser_grow(parser, &names, 0, &capacity, sizeof *names) ||
		    !parser_string(parser, &names[0]))
			return NULL;
		return member(parser, CEDAR_HAS, offset, left, names, 1);
	}
	do {
		if (!parser_grow(parser, &names, count, &capacity, sizeof *names) ||
		    !parser_identifier(parser, &names[count++]))
			return NULL;
	} while (parser_accept(parser, TOKEN_DOT));
	return member(parser, CEDAR_HAS, offset, left, names, count);
}

static const struct cedar_expr *
parse_like(struct parser *parser, const struct cedar_expr *left, uint32_t offset)
{
	struct token token = parser->token;
	const struct cedar_pattern *pattern;
	struct cedar_expr *expr;
	struct slice bad;

	if (!parser_expect(parser, TOKEN_STRING, "문자열로 된 무늬", "a pattern in quotes"))
		return NULL;
	if (!cedar_unescape_pattern(parser->arena, slice_of(token.text.data + 1, token.text.size - 2),
	                            &pattern, &bad)) {
		if (bad.size == 0) {
			parser_no_memory(parser);
			return NULL;
		}
		parser_complain(parser, token.offset,
		                "쓸 수 있는 것: \\* \\n \\r \\t \\0 \\\\ \\' \\\" \\x41 \\u{ac00}",
		                "there are \\* \\n \\r \\t \\0 \\\\ \\' \\\" \\x41 \\u{ac00}",
		                "모르는 이스케이프입니다: %.*s", "no such escape: %.*s", SLICE_PRINT(bad));
		return left;
	}
	if ((expr = node(parser, CEDAR_LIKE, offset)) == NULL)
		return NULL;
	expr->as.like.left = left;
	expr->as.like.pattern = pattern;
	return finish(parser, expr);
}

/* Add 'is' Path ['in' Add] */
static const struct cedar_expr *
parse_is(struct parser *parser, const struct cedar_expr *left, uint32_t offset)
{
	struct cedar_expr *expr = node(parser, CEDAR_IS, offset);

	if (expr == NULL || !parser_path(parser, &expr->as.is.type, NULL, NULL))
		return NULL;
	expr->as.is.left = left;
	if (parser_at_word(parser, "in")) {
		parser_advance(parser);
		if ((expr->as.is.in = parse_sum(parser)) == NULL)
			return NULL;
	}
	return finish(parser, expr);
}

static bool
relation_of(const struct parser *parser, enum cedar_op *op)
{
	static const struct {
		enum token_kind kind;
		enum cedar_op op;
	} relations[] = {
	    {TOKEN_EQUAL,         CEDAR_EQUAL        },
            {TOKEN_NOT_EQUAL,     CEDAR_NOT_EQUAL    },
	    {TOKEN_LESS,          CEDAR_LESS         },
            {TOKEN_LESS_EQUAL,    CEDAR_LESS_EQUAL   },
	    {TOKEN_GREATER,       CEDAR_GREATER      },
            {TOKEN_GREATER_EQUAL, CEDAR_GREATER_EQUAL}
        };
	static const struct {
		const char *word;
		enum cedar_op op;
	} words[] = {
	    {"in",   CEDAR_IN  },
            {"has",  CEDAR_HAS },
            {"like", CEDAR_LIKE},
            {"is",   CEDAR_IS  }
        };

	for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
		*op = relations[i].op;
		if (parser->token.kind == relations[i].kind)
			return true;
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		*op = words[i].op;
		if (parser_at_word(parser, words[i].word))
			return true;
	}
	return false;
}

static const struct cedar_expr *
parse_relation(struct parser *parser)
{
	const struct cedar_expr *left = parse_sum(parser);
	uint32_t offset = parser->token.offset;
	enum cedar_op op, again;

	if (left == NULL)
		return NULL;
	if (parser->token.kind == TOKEN_ASSIGN) {
		parser_complain(parser, offset, "같은지 물으려면 ==를 쓰십시오", "use == to compare",
		                "'='은(는) Cedar의 연산자가 아닙니다", "'=' is not an operator of Cedar");
		parser->lost = true;
		return NULL;
	}
	if (!relation_of(parser, &op))
		return left;
	parser_advance(parser);
	switch (op) {
	case CEDAR_HAS:
		left = parse_has(parser, left, offset);
		break;
	case CEDAR_LIKE:
		left = parse_like(parser, left, offset);
		break;
	case CEDAR_IS:
		left = parse_is(parser, left, offset);
		break;
	default:
		left = pair(parser, op, offset, left, parse_sum(parser));
		break;
	}
	if (left != NULL && relation_of(parser, &again)) {
		parser_complain(parser, parser->token.offset, "괄호로 묶거나 &&로 이으십시오",
		                "use brackets, or join them with &&", "비교를 이어 쓸 수 없습니다: '%.*s'",
		                "comparisons cannot be chained: '%.*s'", SLICE_PRINT(parser->token.text));
		parser->lost = true;
	}
	return parser->lost ? NULL : left;
}

static const struct cedar_expr *
parse_and(struct parser *parser)
{
	const struct cedar_expr *first = parse_relation(parser);
	struct gathering list = {NULL, 0, 0};
	uint32_t offset = parser->token.offset;

	if (first == NULL || parser->token.kind != TOKEN_AND)
		return first;
	if (!gather(parser, &list, first))
		return NULL;
	while (parser_accept(parser, TOKEN_AND))
		if (!gather(parser, &list, parse_relation(parser)))
			return NULL;
	return listed(parser, CEDAR_AND, offset, &list);
}

static const struct cedar_expr *
parse_or(struct parser *parser)
{
	const struct cedar_expr *first = parse_and(parser);
	struct gathering list = {NULL, 0, 0};
	uint32_t offset = parser->token.offset;

	if (first == NULL || parser->token.kind != TOKEN_OR)
		return first;
	if (!gather(parser, &list, first))
		return NULL;
	while (parser_accept(parser, TOKEN_OR))
		if (!gather(parser, &list, parse_and(parser)))
			return NULL;
	return listed(parser, CEDAR_OR, offset, &list);
}

static const struct cedar_expr *
parse_if(struct parser *parser)
{
	struct cedar_expr *expr = node(parser, CEDAR_IF, parser->token.offset);

	if (expr == NULL)
		return NULL;
	parser_advance(parser);
	if ((expr->as.choice.guard = parser_expression(parser)) == NULL)
		return NULL;
	if (!parser_at_word(parser, "then")) {
		parser_unexpected(parser, "then", "then");
		return NULL;
	}
	parser_advance(parser);
	if ((expr->as.choice.yes = parser_expression(parser)) == NULL)
		return NULL;
	if (!parser_at_word(parser, "else")) {
		parser_unexpected(parser, "else", "else");
		return NULL;
	}
	parser_advance(parser);
	if ((expr->as.choice.no = parser_expression(parser)) == NULL)
		return NULL;
	return finish(parser, expr);
}

const struct cedar_expr *
parser_expression(struct parser *parser)
{
	const struct cedar_expr *expr;

	if (!parser_enter(parser))
		return NULL;
	expr = parser_at_word(parser, "if") ? parse_if(parser) : parse_or(parser);
	parser_leave(parser);
	return expr;
}
