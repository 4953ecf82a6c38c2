/*
 * Policies from their JSON form, into the same tree as text. A set is
 * {"staticPolicies":{id:P},"templates":{id:P},"templateLinks":[{"templateId","newId","values":{"?principal":U}}]}.
 */
#include "policy/cedar/ast.h"
#include "policy/cedar/cedar_json.h"

#include <string.h>

#define ARENA_LIMIT ((size_t)1 << 30)

struct policy_reading {
	struct arena *arena;
	struct cedar_notes *notes;
	struct cedar_text_source *source; /* only its name is used */
	struct cedar_policy *policy;
	struct slice id;
	bool memory;
};

/* A complaint names the policy instead of a line. */
#define complain(reading, ko, en, ...)                                                                       \
	cedar_complain((reading)->notes, CEDAR_ERROR, (reading)->source, 0, NULL, NULL, "'%.*s': " ko,       \
	               "'%.*s': " en, SLICE_PRINT((reading)->id), __VA_ARGS__)
#define refuse(...) (complain(__VA_ARGS__), NULL)

static void *
take(struct policy_reading *reading, size_t count, size_t size)
{
	void *room = arena_array(reading->arena, count > 0 ? count : 1, size);

	if (room == NULL)
		reading->memory = true;
	return room;
}

/* A member that must be there; NULL: complained. */
static const struct cedar_json *
need(struct policy_reading *reading, const struct cedar_json *object, const char *name)
{
	const struct cedar_json *member = cedar_json_get(object, name);

	if (member == NULL)
		complain(reading, "%s이(가) 없습니다", "%s is missing", name);
	return member;
}

static const struct cedar_json *
need_string(struct policy_reading *reading, const struct cedar_json *object, const char *name)
{
	const struct cedar_json *member = need(reading, object, name);

	if (member != NULL && member->kind != CEDAR_JSON_STRING)
		return refuse(reading, "%s은(는) 문자열이어야 합니다", "%s must be a string", name);
	return member;
}

static bool
only_members(struct policy_reading *reading, const struct cedar_json *object, const char *const *known)
{
	bool fine = true;

	for (uint32_t i = 0; i < object->count; i++) {
		bool found = false;

		for (size_t j = 0; known[j] != NULL && !found; j++)
			found = slice_is(object->as.items[i].name, known[j]);
		if (!found)
			complain(reading, "모르는 항목 '%.*s'", "unknown member '%.*s'",
			         SLICE_PRINT(object->as.items[i].name));
		fine = fine && found;
	}
	return fine;
}

static bool
read_type_name(struct policy_reading *reading, const struct cedar_json *json, struct cedar_string *name)
{
	if (json == NULL)
		return false;
	if (!cedar_name_valid(json->as.string, true)) {
		complain(reading, "'%.*s'은(는) 개체 종류의 이름이 아닙니다",
		         "'%.*s' is no name of an entity type", SLICE_PRINT(json->as.string));
		return false;
	}
	*name = cedar_string_of(json->as.string);
	return true;
}

/* {"type","id"}, also inside {"__entity":…} */
static const struct cedar_uid *
read_uid(struct policy_reading *reading, const struct cedar_json *json)
{
	const struct cedar_json *wrapped = cedar_json_get(json, "__entity"), *id;
	struct cedar_string type;
	struct cedar_uid *uid;

	if (wrapped != NULL)
		json = wrapped;
	if (!read_type_name(reading, need_string(reading, json, "type"), &type) ||
	    (id = need_string(reading, json, "id")) == NULL || (uid = take(reading, 1, sizeof *uid)) == NULL)
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
	return refuse(reading, "식이 너무 깊습니다 (한도 %d)", "the expression is too deep (limit %d)",
	              CEDAR_DEPTH_LIMIT);
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
	const struct cedar_expr **items = take(reading, json->count, sizeof *items);
	struct cedar_string *names = take(reading, json->count, sizeof *names);

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
	const struct cedar_json *name = need_string(reading, json, "fn"), *one = cedar_json_get(json, "arg");
	const struct cedar_json *list = one != NULL ? NULL : need(reading, json, "args");
	struct cedar_json single = {.kind = CEDAR_JSON_ARRAY, .count = 1}, *item;
	enum cedar_function function;

	if (name == NULL || (one == NULL && list == NULL))
		return NULL;
	if ((function = cedar_function_find(name->as.string)) == CEDAR_FUNCTIONS)
		return refuse(reading, "'%.*s'이라는 함수는 없습니다", "there is no function '%.*s'",
		              SLICE_PRINT(name->as.string));
	if (list != NULL && list->kind != CEDAR_JSON_ARRAY)
		return refuse(reading, "%s은(는) 배열이어야 합니다", "%s must be an array", "args");
	if (one != NULL) {
		if ((item = take(reading, 1, sizeof *item)) == NULL)
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
	const struct cedar_json *part;

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
		if ((part = cedar_json_get(json, "__entity")) != NULL) {
			const struct cedar_uid *uid = read_uid(reading, part);

			return uid == NULL ? NULL : literal(reading, cedar_entity(uid));
		}
		if ((part = cedar_json_get(json, "__extn")) != NULL)
			return read_extension(reading, part);
		if (cedar_json_get(json, "__expr") != NULL)
			return refuse(reading, "%s은(는) 쓸 수 없습니다", "%s is not supported", "__expr");
		return list_of(reading, CEDAR_RECORD_OF, json, CEDAR_FUNCTIONS, read_value);
	case CEDAR_JSON_NULL:
	case CEDAR_JSON_NUMBER:
		break;
	}
	return refuse(reading, "%s은(는) Cedar의 값이 아닙니다", "%s is no value of Cedar's",
	              cedar_json_kind_name(json));
}

static const struct cedar_expr *
part_of(struct policy_reading *reading, const struct cedar_json *json, const char *name)
{
	const struct cedar_json *part = need(reading, json, name);

	return part == NULL ? NULL : read_expr(reading, part);
}

/* && and ||: a chain on the left side becomes one node, as in text. */
static const struct cedar_expr *
chain(struct policy_reading *reading, enum cedar_op op, const struct cedar_expr *left,
      const struct cedar_expr *right)
{
	struct cedar_expr *expr = left == NULL || right == NULL ? NULL : node(reading, op);
	uint32_t count = left != NULL && left->op == op ? left->as.list.count : 1;
	const struct cedar_expr **items = take(reading, (size_t)count + 1, sizeof *items);

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
	struct cedar_expr *expr = only_members(reading, json, known) ? node(reading, CEDAR_IF) : NULL;

	if (expr == NULL || (expr->as.choice.guard = part_of(reading, json, "if")) == NULL ||
	    (expr->as.choice.yes = part_of(reading, json, "then")) == NULL ||
	    (expr->as.choice.no = part_of(reading, json, "else")) == NULL)
		return NULL;
	return finish(reading, expr);
}

static const struct cedar_expr *
read_member(struct policy_reading *reading, const struct cedar_json *json, enum cedar_op op)
{
	static const char *const known[] = {"left", "attr", NULL};
	struct cedar_expr *expr = only_members(reading, json, known) ? node(reading, op) : NULL;
	const struct cedar_json *attribute;
	struct cedar_string *names;

	if (expr == NULL || (expr->as.member.left = part_of(reading, json, "left")) == NULL ||
	    (attribute = need(reading, json, "attr")) == NULL)
		return NULL;
	if (attribute->kind == CEDAR_JSON_STRING) {
		if ((names = take(reading, 1, sizeof *names)) == NULL)
			return NULL;
		names[0] = cedar_string_of(attribute->as.string);
		expr->as.member.count = 1;
	} else if (op == CEDAR_HAS && attribute->kind == CEDAR_JSON_ARRAY && attribute->count > 0) {
		if ((names = take(reading, attribute->count, sizeof *names)) == NULL)
			return NULL;
		for (uint32_t i = 0; i < attribute->count; i++) {
			const struct cedar_json *item = &attribute->as.items[i];

			if (item->kind != CEDAR_JSON_STRING || !cedar_name_valid(item->as.string, false))
				return refuse(reading, "%s의 목록에는 이름만 옵니다",
				              "the list of %s holds names only", "has");
			names[i] = cedar_string_of(item->as.string);
		}
		expr->as.member.count = attribute->count;
	} else {
		return refuse(reading, "%s은(는) 문자열이어야 합니다", "%s must be a string", "attr");
	}
	expr->as.member.names = names;
	return finish(reading, expr);
}

/* ["Wildcard" | {"Literal": text}, …] */
static const struct cedar_pattern *
read_pattern(struct policy_reading *reading, const struct cedar_json *json)
{
	struct cedar_pattern *pattern = take(reading, 1, sizeof *pattern);
	struct slice *pieces;
	uint32_t count = 0;
	struct buffer piece;
	bool fine = true;

	if (json->kind != CEDAR_JSON_ARRAY)
		return refuse(reading, "%s은(는) 배열이어야 합니다", "%s must be an array", "pattern");
	if ((pieces = take(reading, (size_t)json->count + 1, sizeof *pieces)) == NULL || pattern == NULL)
		return NULL;
	buffer_init(&piece, CEDAR_TEXT_LIMIT);
	for (uint32_t i = 0; i <= json->count && fine; i++) {
		const struct cedar_json *item = i < json->count ? &json->as.items[i] : NULL, *text;

		if (item == NULL ||
		    (item->kind == CEDAR_JSON_STRING && slice_is(item->as.string, "Wildcard"))) {
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
		return refuse(reading, "%s을(를) 읽을 수 없습니다", "%s cannot be read", "pattern");
	*pattern = (struct cedar_pattern){count, pieces};
	return pattern;
}

static const struct cedar_expr *
read_like(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"left", "pattern", NULL};
	struct cedar_expr *expr = only_members(reading, json, known) ? node(reading, CEDAR_LIKE) : NULL;
	const struct cedar_json *pattern;

	if (expr == NULL || (expr->as.like.left = part_of(reading, json, "left")) == NULL ||
	    (pattern = need(reading, json, "pattern")) == NULL ||
	    (expr->as.like.pattern = read_pattern(reading, pattern)) == NULL)
		return NULL;
	return finish(reading, expr);
}

static const struct cedar_expr *
read_is(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"left", "entity_type", "in", NULL};
	struct cedar_expr *expr = only_members(reading, json, known) ? node(reading, CEDAR_IS) : NULL;

	if (expr == NULL || (expr->as.is.left = part_of(reading, json, "left")) == NULL ||
	    !read_type_name(reading, need_string(reading, json, "entity_type"), &expr->as.is.type))
		return NULL;
	if (cedar_json_get(json, "in") != NULL && (expr->as.is.in = part_of(reading, json, "in")) == NULL)
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
	return refuse(reading, "%s은(는) principal, action, resource, context입니다",
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
		if (!only_members(reading, json, operators[i].unary ? one : two))
			return NULL;
		if (operators[i].unary)
			return pair(reading, operators[i].op, part_of(reading, json, "arg"), NULL);
		left = part_of(reading, json, "left");
		right = left == NULL ? NULL : part_of(reading, json, "right");
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
	if (json->kind != CEDAR_JSON_OBJECT || json->count != 1)
		return refuse(reading, "식은 항목이 하나인 객체여야 하는데 %s입니다",
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
	return refuse(reading, "'%.*s'이라는 식은 없습니다", "there is no expression '%.*s'",
	              SLICE_PRINT(body->name));
}

/* ---- policies -------------------------------------------------------------------------------------------------- */

/* {"entity":U} or {"slot":"?principal"} */
static bool
read_scope_entity(struct policy_reading *reading, const struct cedar_json *json, const char *slot,
                  struct cedar_scope *scope)
{
	const struct cedar_json *named = cedar_json_get(json, "slot"), *entity;

	if (named != NULL) {
		if (named->kind == CEDAR_JSON_STRING && slot != NULL && slice_is(named->as.string, slot)) {
			scope->slot = true;
			return true;
		}
		complain(reading, "%s은(는) 여기에 쓸 수 없습니다", "this %s may not stand here", "slot");
		return false;
	}
	if ((entity = need(reading, json, "entity")) == NULL)
		return false;
	return (scope->entity = read_uid(reading, entity)) != NULL;
}

static bool
read_action_list(struct policy_reading *reading, const struct cedar_json *list, struct cedar_scope *scope)
{
	const struct cedar_uid **uids;

	scope->kind = CEDAR_SCOPE_IN_LIST;
	if (list->kind != CEDAR_JSON_ARRAY) {
		complain(reading, "%s은(는) 배열이어야 합니다", "%s must be an array", "entities");
		return false;
	}
	if ((uids = take(reading, list->count, sizeof *uids)) == NULL)
		return false;
	for (uint32_t i = 0; i < list->count; i++)
		if ((uids[scope->count++] = read_uid(reading, &list->as.items[i])) == NULL)
			return false;
	scope->list = uids;
	return true;
}

static bool
check_actions(struct policy_reading *reading, const struct cedar_scope *scope)
{
	bool fine = scope->entity == NULL || cedar_type_is_action(&scope->entity->type);

	for (uint32_t i = 0; i < scope->count; i++)
		fine = fine && cedar_type_is_action(&scope->list[i]->type);
	if (!fine)
		complain(reading, "%s의 종류는 Action이어야 합니다", "the type of %s must be Action",
		         "action");
	return fine;
}

static bool
read_scope(struct policy_reading *reading, const struct cedar_json *json, const char *slot,
           struct cedar_scope *scope)
{
	static const char *const known[] = {"op", "entity", "slot", "entities", "entity_type", "in", NULL};
	const struct cedar_json *op, *in, *list = cedar_json_get(json, "entities");

	if (json->kind != CEDAR_JSON_OBJECT || !only_members(reading, json, known) ||
	    (op = need_string(reading, json, "op")) == NULL)
		return false;
	if (slice_is(op->as.string, "All"))
		return true;
	if (slice_is(op->as.string, "==")) {
		scope->kind = CEDAR_SCOPE_EQUAL;
		return read_scope_entity(reading, json, slot, scope);
	}
	if (slice_is(op->as.string, "in")) {
		scope->kind = CEDAR_SCOPE_IN;
		if (slot == NULL && list != NULL)
			return read_action_list(reading, list, scope);
		return read_scope_entity(reading, json, slot, scope);
	}
	if (slice_is(op->as.string, "is") && slot != NULL) {
		scope->kind = CEDAR_SCOPE_IS;
		if (!read_type_name(reading, need_string(reading, json, "entity_type"), &scope->type))
			return false;
		if ((in = cedar_json_get(json, "in")) == NULL)
			return true;
		scope->kind = CEDAR_SCOPE_IS_IN;
		return read_scope_entity(reading, in, slot, scope);
	}
	complain(reading, "모르는 op '%.*s'", "unknown op '%.*s'", SLICE_PRINT(op->as.string));
	return false;
}

static bool
read_annotations(struct policy_reading *reading, const struct cedar_json *json)
{
	struct cedar_annotation *list;

	if (json == NULL)
		return true;
	if (json->kind != CEDAR_JSON_OBJECT || json->count > CEDAR_NAMES_LIMIT) {
		complain(reading, "%s을(를) 읽을 수 없습니다", "%s cannot be read", "annotations");
		return false;
	}
	if ((list = take(reading, json->count, sizeof *list)) == NULL)
		return false;
	for (uint32_t i = 0; i < json->count; i++) {
		const struct cedar_json *item = &json->as.items[i];
		struct slice value =
		    item->kind == CEDAR_JSON_STRING ? item->as.string : (struct slice){NULL, 0};
		const char *text = arena_text(reading->arena, value);

		if ((item->kind != CEDAR_JSON_STRING && item->kind != CEDAR_JSON_NULL) ||
		    (!cedar_name_valid(item->name, false) && !cedar_word_reserved(item->name))) {
			complain(reading, "주석 '%.*s'을(를) 읽을 수 없습니다",
			         "annotation '%.*s' cannot be read", SLICE_PRINT(item->name));
			return false;
		}
		if (text == NULL) {
			reading->memory = true;
			return false;
		}
		list[i] = (struct cedar_annotation){.key = cedar_string_of(item->name),
		                                    .value = cedar_string_of(slice_of(text, value.size)),
		                                    .bare = item->kind == CEDAR_JSON_NULL};
	}
	reading->policy->annotations = list;
	reading->policy->annotation_count = json->count;
	return true;
}

static bool
read_conditions(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"kind", "body", NULL};
	struct cedar_condition *list;

	if (json->kind != CEDAR_JSON_ARRAY) {
		complain(reading, "%s은(는) 배열이어야 합니다", "%s must be an array", "conditions");
		return false;
	}
	if ((list = take(reading, json->count, sizeof *list)) == NULL)
		return false;
	for (uint32_t i = 0; i < json->count; i++) {
		const struct cedar_json *item = &json->as.items[i],
		                        *kind = need_string(reading, item, "kind");

		if (kind == NULL || !only_members(reading, item, known))
			return false;
		list[i].unless = slice_is(kind->as.string, "unless");
		if (!list[i].unless && !slice_is(kind->as.string, "when")) {
			complain(reading, "%s은(는) when 또는 unless입니다", "%s is when or unless", "kind");
			return false;
		}
		if ((list[i].body = part_of(reading, item, "body")) == NULL)
			return false;
	}
	reading->policy->conditions = list;
	reading->policy->condition_count = json->count;
	return true;
}

static bool
read_policy(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"effect",     "principal",   "action", "resource",
	                                    "conditions", "annotations", NULL};
	const struct cedar_json *effect, *principal, *action, *resource, *conditions;
	struct cedar_policy *policy = reading->policy;

	if (json->kind != CEDAR_JSON_OBJECT) {
		complain(reading, "%s은(는) 객체여야 합니다", "%s must be an object", "policy");
		return false;
	}
	if (!only_members(reading, json, known) || (effect = need_string(reading, json, "effect")) == NULL ||
	    (principal = need(reading, json, "principal")) == NULL ||
	    (action = need(reading, json, "action")) == NULL ||
	    (resource = need(reading, json, "resource")) == NULL ||
	    (conditions = need(reading, json, "conditions")) == NULL)
		return false;
	policy->effect = slice_is(effect->as.string, "permit") ? CEDAR_PERMIT : CEDAR_FORBID;
	if (policy->effect == CEDAR_FORBID && !slice_is(effect->as.string, "forbid")) {
		complain(reading, "%s은(는) permit 또는 forbid입니다", "%s is permit or forbid", "effect");
		return false;
	}
	return read_scope(reading, principal, "?principal", &policy->principal) &&
	       read_scope(reading, action, NULL, &policy->action) &&
	       check_actions(reading, &policy->action) &&
	       read_scope(reading, resource, "?resource", &policy->resource) &&
	       read_conditions(reading, conditions) &&
	       read_annotations(reading, cedar_json_get(json, "annotations"));
}

/* ---- sets ------------------------------------------------------------------------------------------------------ */

/* {id: policy}; a policy may also be a string of Cedar text, as in calls of the reference. */
static bool
read_group(struct policy_reading *reading, const struct cedar_json *json, bool templates,
           struct cedar_draft *draft)
{
	const char *name = templates ? "templates" : "staticPolicies";

	if (json == NULL)
		return true;
	if (json->kind != CEDAR_JSON_OBJECT) {
		complain(reading, "%s은(는) 객체여야 합니다", "%s must be an object", name);
		return false;
	}
	for (uint32_t i = 0; i < json->count && !reading->memory; i++) {
		const struct cedar_json *item = &json->as.items[i];
		size_t before = draft->count;

		reading->id = item->name;
		if (item->kind == CEDAR_JSON_STRING) {
			struct cedar_text_source *source = take(reading, 1, sizeof *source);

			if (source == NULL)
				return false;
			*source = (struct cedar_text_source){reading->source->name, item->as.string};
			if (!cedar_parse_text(draft, source, reading->notes)) {
				reading->memory = true;
				return false;
			}
			if (draft->count != before + 1 && reading->notes->errors == 0)
				complain(reading, "%s마다 정책 하나만 적습니다",
				         "each of %s holds one policy", name);
		} else {
			if ((reading->policy = take(reading, 1, sizeof *reading->policy)) == NULL)
				return false;
			if (read_policy(reading, item) && !cedar_draft_add(draft, reading->policy))
				reading->memory = true;
		}
		if (draft->count == before)
			continue;
		draft->items[draft->count - 1]->id = arena_text(reading->arena, item->name);
		if (draft->items[draft->count - 1]->id == NULL)
			reading->memory = true;
		else if (cedar_policy_is_template(draft->items[draft->count - 1]) != templates)
			complain(reading, "%s에 있을 것이 아닙니다", "this does not belong into %s", name);
	}
	return !reading->memory;
}

static bool
read_links(struct policy_reading *reading, const struct cedar_json *json, struct cedar_link **links,
           size_t *count)
{
	*links = NULL;
	*count = 0;
	if (json == NULL)
		return true;
	if (json->kind != CEDAR_JSON_ARRAY) {
		complain(reading, "%s은(는) 배열이어야 합니다", "%s must be an array", "templateLinks");
		return false;
	}
	if ((*links = take(reading, json->count, sizeof **links)) == NULL)
		return false;
	for (uint32_t i = 0; i < json->count; i++) {
		const struct cedar_json *item = &json->as.items[i], *values, *template, *id;
		struct cedar_link *link = &(*links)[*count];

		if ((template = need_string(reading, item, "templateId")) == NULL ||
		    (id = need_string(reading, item, "newId")) == NULL ||
		    (values = need(reading, item, "values")) == NULL)
			return false;
		reading->id = id->as.string;
		link->template_id = arena_text(reading->arena, template->as.string);
		link->id = arena_text(reading->arena, id->as.string);
		for (uint32_t j = 0; values->kind == CEDAR_JSON_OBJECT && j < values->count; j++) {
			const struct cedar_json *value = &values->as.items[j];
			const struct cedar_uid *uid = read_uid(reading, value);

			if (uid == NULL)
				return false;
			if (slice_is(value->name, "?principal"))
				link->principal = uid;
			else if (slice_is(value->name, "?resource"))
				link->resource = uid;
			else
				complain(reading, "자리 '%.*s'은(는) 없습니다", "there is no slot '%.*s'",
				         SLICE_PRINT(value->name));
		}
		if (link->template_id == NULL || link->id == NULL)
			reading->memory = true;
		++*count;
	}
	return !reading->memory;
}

static int
read_set(struct policy_reading *reading, struct slice text, struct cedar_draft *draft,
         struct cedar_link **links, size_t *link_count, struct fault *why)
{
	static const char *const known[] = {"staticPolicies", "templates", "templateLinks", NULL};
	const struct cedar_json *json;

	if (cedar_json_read(&json, reading->arena, text, CEDAR_JSON_DEPTH_POLICY, why) == -1)
		return -1;
	if (cedar_json_get(json, "effect") != NULL) { /* one policy alone */
		reading->id = slice_string("policy0");
		if ((reading->policy = take(reading, 1, sizeof *reading->policy)) != NULL &&
		    read_policy(reading, json)) {
			reading->policy->id = "policy0";
			if (!cedar_draft_add(draft, reading->policy))
				reading->memory = true;
		}
	} else if (json->kind != CEDAR_JSON_OBJECT) {
		complain(reading, "%s은(는) 객체여야 합니다", "%s must be an object", "policies");
	} else if (only_members(reading, json, known)) {
		if (read_group(reading, cedar_json_get(json, "staticPolicies"), false, draft) &&
		    read_group(reading, cedar_json_get(json, "templates"), true, draft))
			read_links(reading, cedar_json_get(json, "templateLinks"), links, link_count);
	}
	return reading->memory ? fault_memory(why) : 0;
}

int
cedar_policies_parse_json(struct cedar_policies **out, struct cedar_source source, struct cedar_notes *notes,
                          struct fault *why)
{
	struct arena *own = notes == NULL || notes->arena == NULL ? arena_new((size_t)1 << 20) : NULL;
	struct cedar_notes kept = {.arena = own};
	struct cedar_draft draft = {.arena = arena_new(ARENA_LIMIT)};
	struct cedar_text_source named = {
	    "", {NULL, 0}
        };
	struct policy_reading reading = {.arena = draft.arena, .source = &named};
	struct cedar_link *links = NULL;
	size_t link_count = 0, before = 0;
	int result = -1;

	*out = NULL;
	if (own != NULL)
		notes = &kept;
	if (draft.arena == NULL || notes == NULL || notes->arena == NULL) {
		fault_memory(why);
		goto out;
	}
	before = notes->errors;
	notes->errors = 0;
	reading.notes = notes;
	named.name = arena_string(draft.arena, source.name == NULL ? "" : source.name);
	if (named.name == NULL) {
		fault_memory(why);
		goto restore;
	}
	if (read_set(&reading, source.text, &draft, &links, &link_count, why) == -1)
		goto restore;
	result = cedar_policies_assemble(out, &draft, links, link_count, notes, why);
	draft.arena = NULL; /* the set's, or gone */
	if (result == 0 && *out == NULL)
		result = cedar_notes_tell(notes, why);
restore:
	notes->errors += before;
out:
	arena_free(draft.arena);
	arena_free(own);
	return result;
}
