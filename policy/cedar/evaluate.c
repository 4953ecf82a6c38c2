#include "policy/cedar/evaluate.h"

/* Kept out of the common way, whose frame stays small. */
#define SELDOM __attribute__((noinline))

static const struct cedar_value none;
static const struct cedar_record empty = {.hash = 1};

int
evaluation_begin(struct evaluation *run, const struct cedar_request *request,
                 const struct cedar_entities *entities, struct arena *arena, struct fault *why)
{
	*run = (struct evaluation){.request = request, .entities = entities, .arena = arena};
	if (request->principal == NULL || request->action == NULL || request->resource == NULL)
		return fault_set(why, FAULT_INVALID,
		                 "요청에 principal, action, resource가 모두 있어야 합니다",
		                 "a request needs principal, action and resource");
	if (request->context.kind != CEDAR_NONE && request->context.kind != CEDAR_RECORD)
		return fault_set(why, FAULT_INVALID, "context는 레코드여야 합니다",
		                 "the context must be a record");
	if (!arena_ok(arena))
		return fault_memory(why);
	run->context = request->context;
	if (run->context.kind == CEDAR_NONE)
		run->context = (struct cedar_value){CEDAR_RECORD, {.record = &empty}};
	run->rows[CEDAR_PRINCIPAL] = cedar_entities_find(entities, request->principal);
	run->rows[CEDAR_ACTION] = cedar_entities_find(entities, request->action);
	run->rows[CEDAR_RESOURCE] = cedar_entities_find(entities, request->resource);
	return 0;
}

static inline struct cedar_value
truth(bool value)
{
	return (struct cedar_value){CEDAR_BOOL, {.boolean = value}};
}

/* ---- failing -------------------------------------------------------------------------------------------------- */

static SELDOM struct cedar_value
fail(struct evaluation *run, enum cedar_failure failure, const struct cedar_expr *at)
{
	run->failure = failure;
	run->at = at;
	run->name = NULL;
	return none;
}

static SELDOM struct cedar_value
fail_type(struct evaluation *run, const struct cedar_expr *at, enum cedar_kind wanted, enum cedar_kind got)
{
	run->wanted = wanted;
	run->got = got;
	return fail(run, CEDAR_FAILURE_TYPE, at);
}

static SELDOM struct cedar_value
fail_name(struct evaluation *run, enum cedar_failure failure, const struct cedar_expr *at,
          const struct cedar_string *name)
{
	fail(run, failure, at);
	run->name = name;
	return none;
}

bool
evaluation_tell(const struct evaluation *run, const char **ko, const char **en)
{
	struct arena *arena = run->arena;
	int size = run->name != NULL ? (int)run->name->size : 0;
	const char *name = run->name != NULL ? run->name->data : "";
	const char *wanted =
	    run->wanted == CEDAR_NONE ? "long, datetime, duration" : cedar_kind_name(run->wanted);
	const char *got = cedar_kind_name(run->got);

	*ko = *en = NULL;
	switch (run->failure) {
	case CEDAR_FAILURE_MEMORY:
		break;
	case CEDAR_FAILURE_TYPE:
		*ko = arena_printf(arena, "값의 종류가 맞지 않습니다: %s이(가) 와야 하는데 %s입니다", wanted,
		                   got);
		*en = arena_printf(arena, "type error: wanted %s, got %s", wanted, got);
		break;
	case CEDAR_FAILURE_NO_ENTITY:
		*ko = arena_printf(arena, "%.*s 종류의 개체가 저장소에 없습니다", size, name);
		*en = arena_printf(arena, "an entity of type %.*s does not exist", size, name);
		break;
	case CEDAR_FAILURE_NO_ATTRIBUTE:
		*ko = arena_printf(arena, "속성 '%.*s'이(가) 없습니다 (먼저 has로 물으십시오)", size, name);
		*en = arena_printf(arena, "there is no attribute '%.*s' (ask with has first)", size, name);
		break;
	case CEDAR_FAILURE_NO_TAG:
		*ko = "그런 태그가 없습니다 (먼저 hasTag로 물으십시오)";
		*en = "there is no such tag (ask with hasTag first)";
		break;
	case CEDAR_FAILURE_OVERFLOW:
		*ko = "64비트 정수를 넘칩니다";
		*en = "the number overflows 64 bits";
		break;
	case CEDAR_FAILURE_EXTENSION:
		*ko = arena_printf(arena, "%.*s: 글을 값으로 읽을 수 없거나 결과가 범위를 넘습니다", size,
		                   name);
		*en = arena_printf(arena, "%.*s: the text is no such value, or the result is out of range",
		                   size, name);
		break;
	case CEDAR_FAILURE_ARITY:
		*ko = arena_printf(arena, "%.*s: 인수의 수가 맞지 않습니다", size, name);
		*en = arena_printf(arena, "%.*s: wrong number of arguments", size, name);
		break;
	}
	return *ko != NULL && *en != NULL;
}

static struct cedar_value fresh(struct evaluation *run, const struct cedar_expr *expr);

/* evaluation_of(), its quick ways in place. */
static inline struct cedar_value
value_of(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value *remembered;

	if (expr->constant)
		return expr->value;
	if (expr->shared == 0 || run->shared == NULL)
		return fresh(run, expr);
	remembered = &run->shared[expr->shared];
	if (remembered->kind == CEDAR_NONE) /* not asked yet, or it fails: then each tells where */
		*remembered = fresh(run, expr);
	return *remembered;
}

/* ---- parts of evaluation_of() --------------------------------------------------------------------------------- */

static const struct cedar_row *
row_of(const struct evaluation *run, const struct cedar_uid *uid)
{
	if (uid == run->request->principal)
		return run->rows[CEDAR_PRINCIPAL];
	if (uid == run->request->resource)
		return run->rows[CEDAR_RESOURCE];
	if (uid == run->request->action)
		return run->rows[CEDAR_ACTION];
	return cedar_entities_find(run->entities, uid);
}

static inline struct cedar_value
variable_value(const struct evaluation *run, enum cedar_variable variable)
{
	switch (variable) {
	case CEDAR_PRINCIPAL:
		return cedar_entity(run->request->principal);
	case CEDAR_ACTION:
		return cedar_entity(run->request->action);
	case CEDAR_RESOURCE:
		return cedar_entity(run->request->resource);
	case CEDAR_CONTEXT:
		break;
	}
	return run->context;
}

static struct cedar_value
attribute(struct evaluation *run, const struct cedar_expr *expr, struct cedar_value of,
          const struct cedar_string *name)
{
	const struct cedar_field *field = NULL;

	if (of.kind == CEDAR_RECORD) {
		field = cedar_record_field(of.as.record, name);
	} else if (of.kind == CEDAR_ENTITY) {
		const struct cedar_row *row = row_of(run, of.as.entity);

		if (row == NULL)
			return fail_name(run, CEDAR_FAILURE_NO_ENTITY, expr, &of.as.entity->type);
		field = cedar_record_field(row->attrs.as.record, name);
	} else {
		return fail_type(run, expr->as.member.left, CEDAR_RECORD, of.kind);
	}
	return field != NULL ? field->value : fail_name(run, CEDAR_FAILURE_NO_ATTRIBUTE, expr, name);
}

/* t has a.b.c is t has a && t.a has b && t.a.b has c. */
static SELDOM struct cedar_value
has(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value of = value_of(run, expr->as.member.left);

	if (of.kind == CEDAR_NONE)
		return none;
	for (uint32_t i = 0; i < expr->as.member.count; i++) {
		const struct cedar_string *name = &expr->as.member.names[i];
		const struct cedar_field *field = NULL;

		if (of.kind == CEDAR_RECORD) {
			field = cedar_record_field(of.as.record, name);
		} else if (of.kind == CEDAR_ENTITY) {
			const struct cedar_row *row = row_of(run, of.as.entity);

			field = row == NULL ? NULL : cedar_record_field(row->attrs.as.record, name);
		} else {
			return fail_type(run, expr->as.member.left, CEDAR_RECORD, of.kind);
		}
		if (field == NULL)
			return truth(false);
		of = field->value;
	}
	return truth(true);
}

static SELDOM struct cedar_value
tag(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value of = value_of(run, expr->as.pair.left), key;
	const struct cedar_row *row;
	const struct cedar_field *field;

	if (of.kind == CEDAR_NONE || (key = value_of(run, expr->as.pair.right)).kind == CEDAR_NONE)
		return none;
	if (of.kind != CEDAR_ENTITY)
		return fail_type(run, expr->as.pair.left, CEDAR_ENTITY, of.kind);
	if (key.kind != CEDAR_STRING)
		return fail_type(run, expr->as.pair.right, CEDAR_STRING, key.kind);
	row = row_of(run, of.as.entity);
	field = row == NULL ? NULL : cedar_record_field(row->tags.as.record, key.as.string);
	if (expr->op == CEDAR_HAS_TAG)
		return truth(field != NULL);
	if (row == NULL)
		return fail_name(run, CEDAR_FAILURE_NO_ENTITY, expr, &of.as.entity->type);
	return field != NULL ? field->value : fail(run, CEDAR_FAILURE_NO_TAG, expr);
}

static bool
under(const struct cedar_uid *left, const struct cedar_row *row, const struct cedar_uid *right)
{
	return cedar_uid_equal(left, right) || cedar_row_under(row, right);
}

static struct cedar_value
in(struct evaluation *run, const struct cedar_expr *at, struct cedar_value left,
   const struct cedar_expr *right_expr)
{
	struct cedar_value right;
	const struct cedar_row *row;
	bool found = false;

	if (left.kind == CEDAR_NONE || (right = value_of(run, right_expr)).kind == CEDAR_NONE)
		return none;
	if (left.kind != CEDAR_ENTITY)
		return fail_type(run, at, CEDAR_ENTITY, left.kind);
	row = row_of(run, left.as.entity);
	if (right.kind == CEDAR_ENTITY)
		return truth(under(left.as.entity, row, right.as.entity));
	if (right.kind != CEDAR_SET)
		return fail_type(run, right_expr, CEDAR_ENTITY, right.kind);
	for (uint32_t i = 0; i < right.as.set->count; i++) {
		struct cedar_value item = right.as.set->items[i];

		if (item.kind != CEDAR_ENTITY) /* even where another member matches */
			return fail_type(run, right_expr, CEDAR_ENTITY, item.kind);
		found = found || under(left.as.entity, row, item.as.entity);
	}
	return truth(found);
}

static SELDOM struct cedar_value
is(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value left = value_of(run, expr->as.is.left);

	if (left.kind == CEDAR_NONE)
		return none;
	if (left.kind != CEDAR_ENTITY)
		return fail_type(run, expr->as.is.left, CEDAR_ENTITY, left.kind);
	if (!cedar_string_equal(&left.as.entity->type, &expr->as.is.type))
		return truth(false);
	return expr->as.is.in == NULL ? truth(true) : in(run, expr->as.is.left, left, expr->as.is.in);
}

static struct cedar_value
compare(struct evaluation *run, const struct cedar_expr *expr, struct cedar_value left,
        struct cedar_value right)
{
	bool less, equal;

	if (left.kind != CEDAR_LONG && left.kind != CEDAR_DATETIME && left.kind != CEDAR_DURATION)
		return fail_type(run, expr->as.pair.left, CEDAR_NONE, left.kind);
	if (right.kind != left.kind)
		return fail_type(run, expr->as.pair.right, left.kind, right.kind);
	less = left.as.number < right.as.number;
	equal = left.as.number == right.as.number;
	switch (expr->op) {
	case CEDAR_LESS:
		return truth(less);
	case CEDAR_LESS_EQUAL:
		return truth(less || equal);
	case CEDAR_GREATER:
		return truth(!less && !equal);
	default:
		return truth(!less);
	}
}

static struct cedar_value
arithmetic(struct evaluation *run, const struct cedar_expr *expr, struct cedar_value left,
           struct cedar_value right)
{
	int64_t result;
	bool overflow;

	if (left.kind != CEDAR_LONG)
		return fail_type(run, expr->as.pair.left, CEDAR_LONG, left.kind);
	if (right.kind != CEDAR_LONG)
		return fail_type(run, expr->as.pair.right, CEDAR_LONG, right.kind);
	if (expr->op == CEDAR_ADD)
		overflow = __builtin_add_overflow(left.as.number, right.as.number, &result);
	else if (expr->op == CEDAR_SUBTRACT)
		overflow = __builtin_sub_overflow(left.as.number, right.as.number, &result);
	else
		overflow = __builtin_mul_overflow(left.as.number, right.as.number, &result);
	return overflow ? fail(run, CEDAR_FAILURE_OVERFLOW, expr) : cedar_long(result);
}

static struct cedar_value
contains(struct evaluation *run, const struct cedar_expr *expr, struct cedar_value left,
         struct cedar_value right)
{
	const struct cedar_set *a, *b;
	bool all = true, any = false;

	if (left.kind != CEDAR_SET)
		return fail_type(run, expr->as.pair.left, CEDAR_SET, left.kind);
	if (expr->op == CEDAR_CONTAINS)
		return truth(cedar_set_has(left.as.set, right));
	if (right.kind != CEDAR_SET)
		return fail_type(run, expr->as.pair.right, CEDAR_SET, right.kind);
	a = left.as.set;
	b = right.as.set;
	for (uint32_t i = 0; i < b->count; i++) {
		bool has_it = cedar_set_has(a, b->items[i]);

		all = all && has_it;
		any = any || has_it;
	}
	return truth(expr->op == CEDAR_CONTAINS_ALL ? all : any);
}

static struct cedar_value
binary(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value left = value_of(run, expr->as.pair.left), right;

	if (left.kind == CEDAR_NONE || (right = value_of(run, expr->as.pair.right)).kind == CEDAR_NONE)
		return none;
	switch ((enum cedar_op)expr->op) {
	case CEDAR_EQUAL:
		return truth(cedar_value_order(left, right) == 0);
	case CEDAR_NOT_EQUAL:
		return truth(cedar_value_order(left, right) != 0);
	case CEDAR_ADD:
	case CEDAR_SUBTRACT:
	case CEDAR_MULTIPLY:
		return arithmetic(run, expr, left, right);
	case CEDAR_CONTAINS:
	case CEDAR_CONTAINS_ALL:
	case CEDAR_CONTAINS_ANY:
		return contains(run, expr, left, right);
	default:
		return compare(run, expr, left, right);
	}
}

/* && and ||: what decides at once, and bools only. */
static struct cedar_value
chain(struct evaluation *run, const struct cedar_expr *expr)
{
	bool decisive = expr->op == CEDAR_OR;

	for (uint32_t i = 0; i < expr->as.list.count; i++) {
		struct cedar_value item = value_of(run, expr->as.list.items[i]);

		if (item.kind != CEDAR_BOOL)
			return item.kind == CEDAR_NONE
			           ? none
			           : fail_type(run, expr->as.list.items[i], CEDAR_BOOL, item.kind);
		if (item.as.boolean == decisive)
			return item;
	}
	return truth(!decisive);
}

static SELDOM struct cedar_value
make_record(struct evaluation *run, const struct cedar_expr *expr)
{
	uint32_t count = expr->as.list.count;
	struct cedar_field *fields = arena_array(run->arena, (size_t)count + 1, sizeof *fields);
	struct cedar_value made;

	if (fields == NULL)
		return fail(run, CEDAR_FAILURE_MEMORY, expr);
	for (uint32_t i = 0; i < count; i++) {
		fields[i].name = expr->as.list.names[i];
		fields[i].value = value_of(run, expr->as.list.items[i]);
		if (fields[i].value.kind == CEDAR_NONE)
			return none;
	}
	made = cedar_record_take(run->arena, fields, count);
	return made.kind == CEDAR_NONE ? fail(run, CEDAR_FAILURE_MEMORY, expr) : made;
}

/* Sets and calls: all members first, in order. */
static SELDOM struct cedar_value
make_list(struct evaluation *run, const struct cedar_expr *expr)
{
	uint32_t count = expr->as.list.count;
	struct cedar_value few[2], *items = few, made;
	enum cedar_failure failure = CEDAR_FAILURE_MEMORY;
	struct cedar_string name;

	if (expr->op == CEDAR_SET_OF || count > 2)
		items = arena_array(run->arena, (size_t)count + 1, sizeof *items);
	if (items == NULL)
		return fail(run, CEDAR_FAILURE_MEMORY, expr);
	for (uint32_t i = 0; i < count; i++)
		if ((items[i] = value_of(run, expr->as.list.items[i])).kind == CEDAR_NONE)
			return none;
	if (expr->op == CEDAR_SET_OF)
		made = cedar_set_take(run->arena, items, count);
	else
		made = cedar_function_call(expr->as.list.function, items, count, run->arena, &failure);
	if (made.kind != CEDAR_NONE)
		return made;
	if (failure == CEDAR_FAILURE_TYPE) {
		const struct cedar_signature *signature = cedar_signature(expr->as.list.function);
		uint32_t i = items[0].kind != signature->arguments[0] ? 0 : 1;

		return fail_type(run, expr->as.list.items[i], signature->arguments[i], items[i].kind);
	}
	if (failure != CEDAR_FAILURE_MEMORY) {
		struct cedar_string *kept = arena_alloc(run->arena, sizeof *kept);

		name = cedar_string_of(slice_string(cedar_signature(expr->as.list.function)->name));
		if (kept == NULL)
			return fail(run, CEDAR_FAILURE_MEMORY, expr);
		*kept = name;
		return fail_name(run, failure, expr, kept);
	}
	return fail(run, CEDAR_FAILURE_MEMORY, expr);
}

static struct cedar_value
unary(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value of = value_of(run, expr->as.pair.left);
	int64_t result;

	if (of.kind == CEDAR_NONE)
		return none;
	if (expr->op == CEDAR_NOT)
		return of.kind == CEDAR_BOOL ? truth(!of.as.boolean)
		                             : fail_type(run, expr->as.pair.left, CEDAR_BOOL, of.kind);
	if (expr->op == CEDAR_IS_EMPTY)
		return of.kind == CEDAR_SET ? truth(of.as.set->count == 0)
		                            : fail_type(run, expr->as.pair.left, CEDAR_SET, of.kind);
	if (of.kind != CEDAR_LONG)
		return fail_type(run, expr->as.pair.left, CEDAR_LONG, of.kind);
	if (__builtin_sub_overflow((int64_t)0, of.as.number, &result))
		return fail(run, CEDAR_FAILURE_OVERFLOW, expr);
	return cedar_long(result);
}

static SELDOM struct cedar_value
like(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value of = value_of(run, expr->as.like.left);

	if (of.kind == CEDAR_NONE)
		return none;
	if (of.kind != CEDAR_STRING)
		return fail_type(run, expr->as.like.left, CEDAR_STRING, of.kind);
	return truth(cedar_pattern_match(expr->as.like.pattern, cedar_string_slice(of.as.string)));
}

/* What is neither constant nor remembered. */
static struct cedar_value
fresh(struct evaluation *run, const struct cedar_expr *expr)
{
	struct cedar_value value;

	switch ((enum cedar_op)expr->op) {
	case CEDAR_LITERAL:
		return expr->value;
	case CEDAR_VARIABLE:
		return variable_value(run, expr->as.variable);
	case CEDAR_AND:
	case CEDAR_OR:
		return chain(run, expr);
	case CEDAR_IF:
		value = value_of(run, expr->as.choice.guard);
		if (value.kind != CEDAR_BOOL)
			return value.kind == CEDAR_NONE
			           ? none
			           : fail_type(run, expr->as.choice.guard, CEDAR_BOOL, value.kind);
		return value_of(run, value.as.boolean ? expr->as.choice.yes : expr->as.choice.no);
	case CEDAR_NOT:
	case CEDAR_NEGATE:
	case CEDAR_IS_EMPTY:
		return unary(run, expr);
	case CEDAR_IN:
		return in(run, expr->as.pair.left, value_of(run, expr->as.pair.left), expr->as.pair.right);
	case CEDAR_GET_TAG:
	case CEDAR_HAS_TAG:
		return tag(run, expr);
	case CEDAR_ATTRIBUTE:
		value = value_of(run, expr->as.member.left);
		return value.kind == CEDAR_NONE ? none : attribute(run, expr, value, expr->as.member.names);
	case CEDAR_HAS:
		return has(run, expr);
	case CEDAR_LIKE:
		return like(run, expr);
	case CEDAR_IS:
		return is(run, expr);
	case CEDAR_RECORD_OF:
		return make_record(run, expr);
	case CEDAR_SET_OF:
	case CEDAR_CALL:
		return make_list(run, expr);
	default:
		return binary(run, expr);
	}
}

struct cedar_value
evaluation_of(struct evaluation *run, const struct cedar_expr *expr)
{
	return value_of(run, expr);
}

/* ---- policies ------------------------------------------------------------------------------------------------- */

bool
evaluation_scope(struct evaluation *run, const struct cedar_scope *scope, enum cedar_variable variable)
{
	struct cedar_value value = variable_value(run, variable);
	const struct cedar_uid *uid = value.as.entity;
	const struct cedar_row *row = run->rows[variable];

	switch (scope->kind) {
	case CEDAR_SCOPE_ANY:
		return true;
	case CEDAR_SCOPE_EQUAL:
		return cedar_uid_equal(uid, scope->entity);
	case CEDAR_SCOPE_IN:
		return under(uid, row, scope->entity);
	case CEDAR_SCOPE_IN_LIST:
		for (uint32_t i = 0; i < scope->count; i++)
			if (under(uid, row, scope->list[i]))
				return true;
		return false;
	case CEDAR_SCOPE_IS:
		return cedar_string_equal(&uid->type, &scope->type);
	case CEDAR_SCOPE_IS_IN:
		return cedar_string_equal(&uid->type, &scope->type) && under(uid, row, scope->entity);
	}
	return false;
}

void
evaluation_need_bool(struct evaluation *run, const struct cedar_expr *expr, struct cedar_value value)
{
	if (value.kind != CEDAR_NONE)
		fail_type(run, expr, CEDAR_BOOL, value.kind);
}

enum outcome
evaluation_conditions(struct evaluation *run, const struct cedar_policy *policy)
{
	for (uint32_t i = 0; i < policy->condition_count; i++) {
		const struct cedar_condition *condition = &policy->conditions[i];
		struct cedar_value value = value_of(run, condition->body);

		if (value.kind != CEDAR_BOOL) {
			evaluation_need_bool(run, condition->body, value);
			return OUTCOME_FAILED;
		}
		if (value.as.boolean == condition->unless)
			return OUTCOME_FALSE;
	}
	return OUTCOME_TRUE;
}

bool
evaluation_scopes(struct evaluation *run, const struct cedar_policy *policy)
{
	return evaluation_scope(run, &policy->principal, CEDAR_PRINCIPAL) &&
	       evaluation_scope(run, &policy->action, CEDAR_ACTION) &&
	       evaluation_scope(run, &policy->resource, CEDAR_RESOURCE);
}

enum outcome
evaluation_policy(struct evaluation *run, const struct cedar_policy *policy)
{
	return evaluation_scopes(run, policy) ? evaluation_conditions(run, policy) : OUTCOME_FALSE;
}
