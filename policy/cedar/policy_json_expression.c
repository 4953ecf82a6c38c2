/*
 * Expressions from the JSON form, into the same tree as text.
 */
#include "policy/cedar/policy_json.h"

#include <string.h>

void *
policy_json_take(struct policy_reading *reading, size_t count, size_t size)
{
	void *room = arena_array(reading->arena, count > 0 ? count : 1, size);

	if (room == NULL)
		reading->memory = true;
	return room;
}

/* A member that must be there; NULL: complained. */
const struct cedar_json *
policy_json_need(struct policy_reading *reading, const struct cedar_json *object, const char *name)
{
	const struct cedar_json *member = cedar_json_get(object, name);

	if (object != NULL)
		reading->offset = object->offset;
	if (member == NULL)
		policy_json_complain(reading, "%s이(가) 없습니다", "%s is missing", name);
	return member;
}

const struct cedar_json *
policy_json_string(struct policy_reading *reading, const struct cedar_json *object, const char *name)
{
	const struct cedar_json *member = policy_json_need(reading, object, name);

	if (member != NULL)
		reading->offset = member->offset;
	if (member != NULL && member->kind != CEDAR_JSON_STRING)
		return policy_json_refuse(reading, "%s은(는) 문자열이어야 합니다", "%s must be a string",
		                          name);
	return member;
}

bool
policy_json_only(struct policy_reading *reading, const struct cedar_json *object, const char *const *known)
{
	bool fine = true;

	for (uint32_t i = 0; i < object->count; i++) {
		bool found = false;

		for (size_t j = 0; known[j] != NULL && !found; j++)
			found = slice_is(object->as.items[i].name, known[j]);
		reading->offset = object->as.items[i].offset;
		if (!found)
			policy_json_complain(reading, "모르는 항목 '%.*s'", "unknown member '%.*s'",
			                     SLICE_PRINT(object->as.items[i].name));
		fine = fine && found;
	}
	return fine;
}

bool
policy_json_type(struct policy_reading *reading, const struct cedar_json *json, struct cedar_string *name)
{
	if (json == NULL)
		return false;
	if (!cedar_name_valid(json->as.string, true)) {
		policy_json_complain(reading, "'%.*s'은(는) 개체 종류의 이름이 아닙니다",
		                     "'%.*s' is no name of an entity type", SLICE_PRINT(json->as.string));
		return false;
	}
	*name = cedar_string_of(json->as.string);
	return true;
}

/* {"type","id"}, also inside {"__entity":…} */
const struct cedar_uid *
policy_json_uid(struct policy_reading *reading, const struct cedar_json *json)
{
	const struct cedar_json *wrapped = cedar_json_get(json, "__entity"), *id;
	struct cedar_string type;
	struct cedar_uid *uid;

	if (cedar_json_is_uid(wrapped))
		json = wrapped;
	if (!policy_json_type(reading, policy_json_string(reading, json, "type"), &type) ||
	    (id = policy_json_string(reading, json, "id")) == NULL ||
	    (uid = policy_json_take(reading, 1, sizeof *uid)) == NULL)
		return NULL;
	*uid = cedar_uid_of(type, cedar_string_of(id->as.string));
	return uid;
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

static const struct cedar_expr *read_expr(struct policy_reading *reading, const struct cedar_json *json);

static struct cedar_expr *
node(struct policy_reading *reading, enum cedar_op op)
{
	struct cedar_expr *expr = cedar_expr_new(reading->arena, op, 0);

	if (expr == NULL)
		reading->memory = true;
	return expr;
}

static const struct cedar_expr *
finish(struct policy_reading *reading, struct cedar_expr *expr)
{
	if (expr == NULL || cedar_expr_finish(expr, reading->arena))
		return expr;
	return policy_json_refuse(reading, "식이 너무 깊습니다 (한도 %d)",
	                          "the expression is too deep (limit %d)", CEDAR_DEPTH_LIMIT);
}

static const struct cedar_expr *
literal(struct policy_reading *reading, struct cedar_value value)
{
	struct cedar_expr *expr = node(reading, CEDAR_LITERAL);

	if (value.kind == CEDAR_NONE)
		reading->memory = true;
	if (expr != NULL)
		expr->value = value;
	return finish(reading, expr);
}

static const struct cedar_expr *
pair(struct policy_reading *reading, enum cedar_op op, const struct cedar_expr *left,
     const struct cedar_expr *right)
{
	struct cedar_expr *expr = left == NULL ? NULL : node(reading, op);

	if (expr == NULL)
		return NULL;
	expr->as.pair.left = left;
	expr->as.pair.right = right;
	return finish(reading, expr);
}

/* Items of an array or members of an object, each read by `read`. */
static const struct cedar_expr *
list_of(struct policy_reading *reading, enum cedar_op op, const struct cedar_json *json,
        enum cedar_function function,
        const struct cedar_expr *(*read)(struct policy_reading *reading, const struct cedar_json *json))
{
	struct cedar_expr *expr = node(reading, op);
	const struct cedar_expr **items = policy_json_take(reading, json->count, sizeof *items);
	struct cedar_string *names = policy_json_take(reading, json->count, sizeof *names);

	if (reading->memory)
		return NULL;
	for (uint32_t i = 0; i < json->count; i++) {
		names[i] = cedar_string_of(json->as.items[i].name);
		if ((items[i] = read(reading, &json->as.items[i])) == NULL)
			return NULL;
	}
	expr->as.list.items = items;
	expr->as.list.count = json->count;
	expr->as.list.names = op == CEDAR_RECORD_OF ? names : NULL;
	expr->as.list.function = function;
	return finish(reading, expr);
}

static const struct cedar_expr *read_value(struct policy_reading *reading, const struct cedar_json *json);

/* {"fn","arg"} or {"fn","args":[…]}, as in data. */
static const struct cedar_expr *
read_extension(struct policy_reading *reading, const struct cedar_json *json)
{
	const struct cedar_json *name = cedar_json_get(json, "fn"), *one = cedar_json_get(json, "arg");
	const struct cedar_json *list = cedar_json_get(json, "args");
	struct cedar_json single = {.kind = CEDAR_JSON_ARRAY, .count = 1}, *item;
	enum cedar_function function;

	if ((function = cedar_function_find(name->as.string)) == CEDAR_FUNCTIONS)
		return policy_json_refuse(reading, "'%.*s'이라는 함수는 없습니다",
		                          "there is no function '%.*s'", SLICE_PRINT(name->as.string));
	if (one != NULL) {
		if ((item = policy_json_take(reading, 1, sizeof *item)) == NULL)
			return NULL;
		*item = *one;
		single.as.items = item;
		list = &single;
	}
	return list_of(reading, CEDAR_CALL, list, function, read_value);
}

static const struct cedar_expr *
read_value(struct policy_reading *reading, const struct cedar_json *json)
{
	const struct cedar_uid *uid;

	reading->offset = json->offset;
	switch (json->kind) {
	case CEDAR_JSON_BOOL:
		return literal(reading, cedar_bool(json->as.boolean));
	case CEDAR_JSON_INTEGER:
		return literal(reading, cedar_long(json->as.integer));
	case CEDAR_JSON_STRING:
		return literal(reading, cedar_string(reading->arena, json->as.string));
	case CEDAR_JSON_ARRAY:
		return list_of(reading, CEDAR_SET_OF, json, CEDAR_FUNCTIONS, read_value);
	case CEDAR_JSON_OBJECT:
		switch (cedar_json_escape_of(json)) {
		case CEDAR_JSON_ENTITY:
			uid = policy_json_uid(reading, json);
			return uid == NULL ? NULL : literal(reading, cedar_entity(uid));
		case CEDAR_JSON_EXTENSION:
			return read_extension(reading, cedar_json_get(json, "__extn"));
		case CEDAR_JSON_EXPRESSION:
			return policy_json_refuse(reading, "%s은(는) 쓸 수 없습니다", "%s is not supported",
			                          "__expr");
		case CEDAR_JSON_PLAIN:
			break;
		}
		return list_of(reading, CEDAR_RECORD_OF, json, CEDAR_FUNCTIONS, read_value);
	case CEDAR_JSON_NULL:
	case CEDAR_JSON_NUMBER:
		break;
	}
	return policy_json_refuse(reading, "%s은(는) Cedar의 값이 아닙니다", "%s is no value of Cedar's",
	                          cedar_json_kind_name(json));
}

const struct cedar_expr *
policy_json_part(struct policy_reading *reading, const struct cedar_json *json, const char *name)
{
	const struct cedar_json *part = policy_json_need(reading, json, name);

	return part == NULL ? NULL : read_expr(reading, part);
}

/* && and ||: a chain on the left side becomes one node, as in text. */
static const struct cedar_expr *
chain(struct policy_reading *reading, enum cedar_op op, const struct cedar_expr *left,
      const struct cedar_expr *right)
{
	struct cedar_expr *expr = left == NULL || right == NULL ? NULL : node(reading, op);
	uint32_t count = left != NULL && left->op == op ? left->as.list.count : 1;
	const struct cedar_expr **items = policy_json_take(reading, (size_t)count + 1, sizeof *items);

	if (expr == NULL || items == NULL)
		return NULL;
	if (left->op == op)
		memcpy(items, left->as.list.items, count * sizeof *items);
	else
		items[0] = left;
	items[count] = right;
	expr->as.list.items = items;
	expr->as.list.count = count + 1;
	return finish(reading, expr);
}

static const struct cedar_expr *
read_if(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"if", "then", "else", NULL};
	struct cedar_expr *expr = policy_json_only(reading, json, known) ? node(reading, CEDAR_IF) : NULL;

	if (expr == NULL || (expr->as.choice.guard = policy_json_part(reading, json, "if")) == NULL ||
	    (expr->as.choice.yes = policy_json_part(reading, json, "then")) == NULL ||
	    (expr->as.choice.no = policy_json_part(reading, json, "else")) == NULL)
		return NULL;
	return finish(reading, expr);
}

static const struct cedar_expr *
read_member(struct policy_reading *reading, const struct cedar_json *json, enum cedar_op op)
{
	static const char *const known[] = {"left", "attr", NULL};
	/* Beside has other members do no harm, as in the reference. */
	struct cedar_expr *expr =
	    op == CEDAR_HAS || policy_json_only(reading, json, known) ? node(reading, op) : NULL;
	const struct cedar_json *attribute;
	struct cedar_string *names;

	if (expr == NULL || (expr->as.member.left = policy_json_part(reading, json, "left")) == NULL ||
	    (attribute = policy_json_need(reading, json, "attr")) == NULL)
		return NULL;
	if (attribute->kind == CEDAR_JSON_STRING) {
		if ((names = policy_json_take(reading, 1, sizeof *names)) == NULL)
			return NULL;
		names[0] = cedar_string_of(attribute->as.string);
		expr->as.member.count = 1;
	} else if (op == CEDAR_HAS && attribute->kind == CEDAR_JSON_ARRAY && attribute->count > 0) {
		if ((names = policy_json_take(reading, attribute->count, sizeof *names)) == NULL)
			return NULL;
		for (uint32_t i = 0; i < attribute->count; i++) {
			const struct cedar_json *item = &attribute->as.items[i];

			if (item->kind != CEDAR_JSON_STRING)
				return policy_json_refuse(reading, "%s의 목록에는 이름만 옵니다",
				                          "the list of %s holds names only", "has");
			names[i] = cedar_string_of(item->as.string);
		}
		expr->as.member.count = attribute->count;
	} else {
		return policy_json_refuse(reading, "%s은(는) 문자열이어야 합니다", "%s must be a string",
		                          "attr");
	}
	expr->as.member.names = names;
	return finish(reading, expr);
}

static bool
is_wildcard(const struct cedar_json *item)
{
	const struct cedar_json *inner = cedar_json_get(item, "Wildcard");

	return (item->kind == CEDAR_JSON_STRING && slice_is(item->as.string, "Wildcard")) ||
	       (inner != NULL && inner->kind == CEDAR_JSON_NULL && item->count == 1);
}

/* ["Wildcard" | {"Wildcard": null} | {"Literal": text}, …] */
static const struct cedar_pattern *
read_pattern(struct policy_reading *reading, const struct cedar_json *json)
{
	struct cedar_pattern *pattern = policy_json_take(reading, 1, sizeof *pattern);
	struct slice *pieces;
	uint32_t count = 0;
	struct buffer piece;
	bool fine = true;

	if (json->kind != CEDAR_JSON_ARRAY)
		return policy_json_refuse(reading, "%s은(는) 배열이어야 합니다", "%s must be an array",
		                          "pattern");
	if ((pieces = policy_json_take(reading, (size_t)json->count + 1, sizeof *pieces)) == NULL ||
	    pattern == NULL)
		return NULL;
	buffer_init(&piece, CEDAR_TEXT_LIMIT);
	for (uint32_t i = 0; i <= json->count && fine; i++) {
		const struct cedar_json *item = i < json->count ? &json->as.items[i] : NULL, *text;

		if (item == NULL || is_wildcard(item)) {
			pieces[count++] = arena_slice(reading->arena, buffer_view(&piece));
			buffer_reset(&piece);
		} else if ((text = cedar_json_get(item, "Literal")) != NULL &&
		           text->kind == CEDAR_JSON_STRING && item->count == 1) {
			buffer_slice(&piece, text->as.string);
		} else {
			fine = false;
		}
	}
	fine = fine && buffer_ok(&piece);
	buffer_free(&piece);
	if (!arena_ok(reading->arena))
		reading->memory = true;
	if (!fine)
		return policy_json_refuse(reading, "%s을(를) 읽을 수 없습니다", "%s cannot be read",
		                          "pattern");
	*pattern = (struct cedar_pattern){count, pieces};
	return pattern;
}

static const struct cedar_expr *
read_like(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"left", "pattern", NULL};
	struct cedar_expr *expr = policy_json_only(reading, json, known) ? node(reading, CEDAR_LIKE) : NULL;
	const struct cedar_json *pattern;

	if (expr == NULL || (expr->as.like.left = policy_json_part(reading, json, "left")) == NULL ||
	    (pattern = policy_json_need(reading, json, "pattern")) == NULL ||
	    (expr->as.like.pattern = read_pattern(reading, pattern)) == NULL)
		return NULL;
	return finish(reading, expr);
}

static const struct cedar_expr *
read_is(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"left", "entity_type", "in", NULL};
	struct cedar_expr *expr = policy_json_only(reading, json, known) ? node(reading, CEDAR_IS) : NULL;
	const struct cedar_json *in;

	if (expr == NULL || (expr->as.is.left = policy_json_part(reading, json, "left")) == NULL ||
	    !policy_json_type(reading, policy_json_string(reading, json, "entity_type"), &expr->as.is.type))
		return NULL;
	if ((in = cedar_json_get(json, "in")) != NULL && in->kind != CEDAR_JSON_NULL &&
	    (expr->as.is.in = policy_json_part(reading, json, "in")) == NULL)
		return NULL;
	return finish(reading, expr);
}

static const struct cedar_expr *
read_variable(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const variables[] = {"principal", "action", "resource", "context"};
	struct cedar_expr *expr = node(reading, CEDAR_VARIABLE);

	for (size_t i = 0; expr != NULL && json->kind == CEDAR_JSON_STRING && i < 4; i++) {
		if (!slice_is(json->as.string, variables[i]))
			continue;
		expr->as.variable = (enum cedar_variable)i;
		return finish(reading, expr);
	}
	return policy_json_refuse(reading, "%s은(는) principal, action, resource, context입니다",
	                          "%s is principal, action, resource or context", "Var");
}

static const struct cedar_expr *
read_operator(struct policy_reading *reading, const struct cedar_json *json, bool *found)
{
	static const struct {
		const char *name;
		enum cedar_op op;
		bool unary;
	} operators[] = {
	    {"!",           CEDAR_NOT,           true },
	    {"neg",         CEDAR_NEGATE,        true },
	    {"isEmpty",     CEDAR_IS_EMPTY,      true },
	    {"==",          CEDAR_EQUAL,         false},
	    {"!=",          CEDAR_NOT_EQUAL,     false},
	    {"in",          CEDAR_IN,            false},
	    {"<",           CEDAR_LESS,          false},
	    {"<=",          CEDAR_LESS_EQUAL,    false},
	    {">",           CEDAR_GREATER,       false},
	    {">=",          CEDAR_GREATER_EQUAL, false},
	    {"&&",          CEDAR_AND,           false},
	    {"||",          CEDAR_OR,            false},
	    {"+",           CEDAR_ADD,           false},
	    {"-",           CEDAR_SUBTRACT,      false},
	    {"*",           CEDAR_MULTIPLY,      false},
	    {"contains",    CEDAR_CONTAINS,      false},
	    {"containsAll", CEDAR_CONTAINS_ALL,  false},
	    {"containsAny", CEDAR_CONTAINS_ANY,  false},
	    {"getTag",      CEDAR_GET_TAG,       false},
	    {"hasTag",      CEDAR_HAS_TAG,       false},
	};
	static const char *const one[] = {"arg", NULL}, *const two[] = {"left", "right", NULL};

	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
		const struct cedar_expr *left, *right;

		if (!slice_is(json->name, operators[i].name))
			continue;
		*found = true;
		if (!policy_json_only(reading, json, operators[i].unary ? one : two))
			return NULL;
		if (operators[i].unary)
			return pair(reading, operators[i].op, policy_json_part(reading, json, "arg"), NULL);
		left = policy_json_part(reading, json, "left");
		right = left == NULL ? NULL : policy_json_part(reading, json, "right");
		if (operators[i].op == CEDAR_AND || operators[i].op == CEDAR_OR)
			return chain(reading, operators[i].op, left, right);
		return right == NULL ? NULL : pair(reading, operators[i].op, left, right);
	}
	return NULL;
}

static const struct cedar_expr *
read_expr(struct policy_reading *reading, const struct cedar_json *json)
{
	const struct cedar_expr *expr;
	const struct cedar_json *body;
	enum cedar_function function;
	bool found = false;

	if (reading->memory)
		return NULL;
	reading->offset = json->offset;
	if (json->kind != CEDAR_JSON_OBJECT || json->count != 1)
		return policy_json_refuse(reading, "식은 항목이 하나인 객체여야 하는데 %s입니다",
		                          "an expression is an object with one member, not %s",
		                          cedar_json_kind_name(json));
	body = json->as.items;
	if (slice_is(body->name, "Value"))
		return read_value(reading, body);
	if (slice_is(body->name, "Var"))
		return read_variable(reading, body);
	if (slice_is(body->name, "Set") && body->kind == CEDAR_JSON_ARRAY)
		return list_of(reading, CEDAR_SET_OF, body, CEDAR_FUNCTIONS, read_expr);
	if (slice_is(body->name, "Record") && body->kind == CEDAR_JSON_OBJECT)
		return list_of(reading, CEDAR_RECORD_OF, body, CEDAR_FUNCTIONS, read_expr);
	if (body->kind == CEDAR_JSON_ARRAY && (function = cedar_function_find(body->name)) != CEDAR_FUNCTIONS)
		return list_of(reading, CEDAR_CALL, body, function, read_expr);
	if (body->kind == CEDAR_JSON_OBJECT) {
		if (slice_is(body->name, "."))
			return read_member(reading, body, CEDAR_ATTRIBUTE);
		if (slice_is(body->name, "has"))
			return read_member(reading, body, CEDAR_HAS);
		if (slice_is(body->name, "like"))
			return read_like(reading, body);
		if (slice_is(body->name, "is"))
			return read_is(reading, body);
		if (slice_is(body->name, "if-then-else"))
			return read_if(reading, body);
		expr = read_operator(reading, body, &found);
		if (found)
			return expr;
	}
	return policy_json_refuse(reading, "'%.*s'이라는 식은 없습니다", "there is no expression '%.*s'",
	                          SLICE_PRINT(body->name));
}
