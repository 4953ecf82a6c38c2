#include "policy/cedar/typecheck.h"

#include <stdarg.h>
#include <string.h>

#define complain(check, expr, hint_ko, hint_en, ...)                                                         \
	typecheck_complain(check, CEDAR_ERROR, (expr)->offset, hint_ko, hint_en, __VA_ARGS__)

void
typecheck_complain(struct checking *check, enum cedar_severity severity, uint32_t offset, const char *hint_ko,
                   const char *hint_en, const char *ko, const char *en, ...)
{
	struct cedar_notes *notes = check->notes;
	size_t before = notes->count;
	char korean[FAULT_TEXT_SIZE], english[FAULT_TEXT_SIZE];
	struct cedar_note *note;
	va_list arguments;

	va_start(arguments, en);
	vsnprintf(korean, sizeof korean, ko, arguments);
	va_end(arguments);
	va_start(arguments, en);
	vsnprintf(english, sizeof english, en, arguments);
	va_end(arguments);
	cedar_complain(notes, severity, check->policy->source, offset, hint_ko, hint_en, "%s%.0s", "%.0s%s",
	               korean, english);
	if (notes->count == before)
		return;
	note = &notes->items[before];
	note->policy = check->number;
	note->policy_id = check->policy_id;
	for (size_t i = check->first_note; i < before; i++) {
		const struct cedar_note *other = &notes->items[i];

		if (other->severity != severity || other->line != note->line ||
		    other->column != note->column || strcmp(other->en, note->en) != 0)
			continue;
		notes->count = before; /* another environment said so already */
		if (severity == CEDAR_ERROR)
			notes->errors--;
		else
			notes->warnings--;
		break;
	}
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

static const struct cedar_type *
simple(enum cedar_type_kind kind)
{
	return cedar_type_simple(kind);
}

static bool
is_bool(const struct cedar_type *type)
{
	return type->kind == CEDAR_TYPE_BOOL || type->kind == CEDAR_TYPE_TRUE ||
	       type->kind == CEDAR_TYPE_FALSE;
}

const struct cedar_type *
typecheck_truth(bool value)
{
	return simple(value ? CEDAR_TYPE_TRUE : CEDAR_TYPE_FALSE);
}

static const struct cedar_type *
set_of(struct checking *check, const struct cedar_type *element)
{
	struct cedar_type *made = arena_alloc(check->arena, sizeof *made);

	if (made == NULL) {
		check->memory = true;
		return NULL;
	}
	*made = (struct cedar_type){.kind = CEDAR_TYPE_SET, .element = element};
	return made;
}

/* The least type that holds both; NULL: there is none. */
static const struct cedar_type *
join(struct checking *check, const struct cedar_type *a, const struct cedar_type *b)
{
	const struct cedar_type *part;
	struct cedar_attribute *list;
	struct cedar_type *made;
	bool same = true;

	if (a == b)
		return a;
	if (is_bool(a) && is_bool(b))
		return a->kind == b->kind ? a : simple(CEDAR_TYPE_BOOL);
	if (a->kind != b->kind)
		return NULL;
	switch (a->kind) {
	case CEDAR_TYPE_ENTITY:
		return a->entity == b->entity ? a : NULL;
	case CEDAR_TYPE_SET:
		if ((part = join(check, a->element, b->element)) == NULL)
			return NULL;
		return part == a->element ? a : part == b->element ? b : set_of(check, part);
	case CEDAR_TYPE_RECORD:
		if (a->count != b->count)
			return NULL;
		if (a->count == 0)
			return a;
		if ((list = arena_array(check->arena, a->count, sizeof *list)) == NULL ||
		    (made = arena_alloc(check->arena, sizeof *made)) == NULL) {
			check->memory = true;
			return NULL;
		}
		for (uint32_t i = 0; i < a->count; i++) {
			const struct cedar_attribute *left = &a->attributes[i], *right = &b->attributes[i];

			list[i] = *left;
			if (!cedar_string_equal(&left->name, &right->name) ||
			    left->required != right->required ||
			    (list[i].type = join(check, left->type, right->type)) == NULL)
				return NULL;
			same = same && list[i].type == left->type;
		}
		if (same)
			return a;
		*made = (struct cedar_type){.kind = CEDAR_TYPE_RECORD, .count = a->count, .attributes = list};
		return made;
	default:
		return a;
	}
}

const char *
typecheck_show(struct checking *check, const struct cedar_type *type)
{
	struct buffer text;
	const char *kept;

	buffer_init(&text, 4096);
	cedar_type_write(&text, type);
	kept = buffer_ok(&text)
	           ? arena_text(check->arena, slice_of(text.data, text.size < 120 ? text.size : 120))
	           : NULL;
	buffer_free(&text);
	return kept == NULL ? "?" : kept;
}

const struct cedar_type *
typecheck_wrong(struct checking *check, const struct cedar_expr *expr, const char *wanted,
                const struct cedar_type *got)
{
	complain(check, expr, NULL, NULL, "%s이(가) 와야 하는데 %s입니다", "wanted %s, got %s", wanted,
	         typecheck_show(check, got));
	return NULL;
}

static const struct cedar_type *
not_joined(struct checking *check, const struct cedar_expr *expr, const struct cedar_type *a,
           const struct cedar_type *b)
{
	if (!check->memory)
		complain(check, expr, "두 쪽의 형을 맞추십시오", "make both sides the same type",
		         "형이 서로 맞지 않습니다: %s, %s", "the types do not go together: %s and %s",
		         typecheck_show(check, a), typecheck_show(check, b));
	return NULL;
}

/* ---- parts of typecheck_of() ----------------------------------------------------------------------------------- */

/* A type whose additions do not matter. */
const struct cedar_type *
typecheck_type_of(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	struct capabilities dropped = {NULL, NULL};

	return typecheck_of(check, expr, known, &dropped);
}

static const struct cedar_type *
bool_of(struct checking *check, const struct cedar_expr *expr, const struct capability *known,
        struct capabilities *adds)
{
	const struct cedar_type *type;

	*adds = (struct capabilities){NULL, NULL};
	type = typecheck_of(check, expr, known, adds);
	return type == NULL || is_bool(type) ? type : typecheck_wrong(check, expr, "Bool", type);
}

/* The action stands for itself: it is a literal in each environment. */
static const struct cedar_uid *
literal_uid(const struct checking *check, const struct cedar_expr *expr)
{
	if (expr->op == CEDAR_VARIABLE && expr->as.variable == CEDAR_ACTION)
		return check->action->uid;
	return expr->op == CEDAR_LITERAL && expr->value.kind == CEDAR_ENTITY ? expr->value.as.entity : NULL;
}

static const struct cedar_type *
of_literal(struct checking *check, const struct cedar_expr *expr)
{
	const struct cedar_uid *uid;
	const struct cedar_entity_type *type;

	switch (expr->value.kind) {
	case CEDAR_BOOL:
		return typecheck_truth(expr->value.as.boolean);
	case CEDAR_LONG:
		return simple(CEDAR_TYPE_LONG);
	case CEDAR_STRING:
		return simple(CEDAR_TYPE_STRING);
	default:
		break;
	}
	uid = expr->value.as.entity;
	type = cedar_schema_entity(check->schema, &uid->type);
	if (type == NULL)
		return NULL; /* complained about already, once for the whole policy */
	if (type->action ? cedar_schema_action(check->schema, uid) == NULL
	                 : !cedar_entity_type_allows(type, &uid->id))
		return NULL;
	return type->self;
}

static const struct cedar_type *
of_variable(struct checking *check, enum cedar_variable variable)
{
	switch (variable) {
	case CEDAR_PRINCIPAL:
		return check->principal->self;
	case CEDAR_ACTION:
		return check->action->type->self;
	case CEDAR_RESOURCE:
		return check->resource->self;
	case CEDAR_CONTEXT:
		break;
	}
	return check->action->context;
}

/* One more operand of &&: false ends it, capabilities pile up. */
const struct cedar_type *
typecheck_and(const struct cedar_type *left, const struct cedar_type *right)
{
	if (left->kind == CEDAR_TYPE_FALSE || right->kind == CEDAR_TYPE_FALSE)
		return simple(CEDAR_TYPE_FALSE);
	if (right->kind == CEDAR_TYPE_TRUE)
		return left;
	return simple(CEDAR_TYPE_BOOL);
}

static const struct cedar_type *
of_and(struct checking *check, const struct cedar_expr *const *items, uint32_t count,
       const struct capability *known, struct capabilities *adds)
{
	const struct cedar_type *type = simple(CEDAR_TYPE_TRUE);
	const struct capability *now = known;

	for (uint32_t i = 0; i < count; i++) {
		struct capabilities more;
		const struct cedar_type *item = bool_of(check, items[i], now, &more);

		if (item == NULL)
			return NULL;
		type = typecheck_and(type, item);
		if (type->kind == CEDAR_TYPE_FALSE)
			return type;
		now = capability_unite(check, now, more);
	}
	*adds = (struct capabilities){now, known};
	return type;
}

static const struct cedar_type *
of_or(struct checking *check, const struct cedar_expr *expr, const struct capability *known,
      struct capabilities *adds)
{
	const struct cedar_type *type = simple(CEDAR_TYPE_FALSE);

	for (uint32_t i = 0; i < expr->as.list.count; i++) {
		struct capabilities more;
		const struct cedar_type *item = bool_of(check, expr->as.list.items[i], known, &more);

		if (item == NULL)
			return NULL;
		if (type->kind == CEDAR_TYPE_FALSE) {
			type = item;
			*adds = more;
		} else if (item->kind == CEDAR_TYPE_TRUE) {
			type = item;
		} else if (item->kind != CEDAR_TYPE_FALSE) {
			type = simple(CEDAR_TYPE_BOOL);
			*adds = capability_intersect(check, *adds, more);
		}
		if (type->kind == CEDAR_TYPE_TRUE) {
			*adds = (struct capabilities){NULL, NULL};
			return type; /* the rest is never reached */
		}
	}
	return type;
}

static const struct cedar_type *
of_if(struct checking *check, const struct cedar_expr *expr, const struct capability *known,
      struct capabilities *adds)
{
	struct capabilities guard_adds, yes_adds = {NULL, NULL}, no_adds = {NULL, NULL};
	const struct cedar_type *guard = bool_of(check, expr->as.choice.guard, known, &guard_adds), *yes, *no,
	                        *both;
	const struct capability *then;

	if (guard == NULL)
		return NULL;
	if (guard->kind == CEDAR_TYPE_FALSE)
		return typecheck_of(check, expr->as.choice.no, known, adds);
	then = capability_unite(check, known, guard_adds);
	yes = typecheck_of(check, expr->as.choice.yes, then, &yes_adds);
	yes_adds = (struct capabilities){
	    capability_unite(check, capability_unite(check, NULL, guard_adds), yes_adds), NULL};
	if (guard->kind == CEDAR_TYPE_TRUE) {
		*adds = yes_adds;
		return yes;
	}
	no = typecheck_of(check, expr->as.choice.no, known, &no_adds);
	if (yes == NULL || no == NULL)
		return NULL;
	if ((both = join(check, yes, no)) == NULL)
		return not_joined(check, expr, yes, no);
	*adds = capability_intersect(check, yes_adds, no_adds);
	return both;
}

static const struct cedar_type *
of_equal(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_expr *left = expr->as.pair.left, *right = expr->as.pair.right;
	const struct cedar_type *a = typecheck_type_of(check, left, known),
	                        *b = typecheck_type_of(check, right, known);
	const struct cedar_uid *a_uid = literal_uid(check, left), *b_uid = literal_uid(check, right);

	if (a == NULL || b == NULL)
		return NULL;
	if ((a_uid != NULL || left->op == CEDAR_LITERAL) && (b_uid != NULL || right->op == CEDAR_LITERAL)) {
		if (a_uid != NULL && b_uid != NULL)
			return typecheck_truth(cedar_uid_equal(a_uid, b_uid));
		return typecheck_truth(a_uid == NULL && b_uid == NULL &&
		                       cedar_equal(left->value, right->value));
	}
	if (a->kind == CEDAR_TYPE_ENTITY && b->kind == CEDAR_TYPE_ENTITY)
		return a->entity == b->entity ? simple(CEDAR_TYPE_BOOL) : simple(CEDAR_TYPE_FALSE);
	return join(check, a, b) != NULL ? simple(CEDAR_TYPE_BOOL) : not_joined(check, expr, a, b);
}

static bool
action_under(const struct checking *check, const struct cedar_uid *action, const struct cedar_uid *above)
{
	return cedar_uid_equal(action, above) ||
	       cedar_row_under(cedar_entities_find(check->schema->action_store, action), above);
}

/* All members are literal entities. */
static bool
literal_uids(const struct checking *check, const struct cedar_expr *expr)
{
	if (expr->op != CEDAR_SET_OF)
		return false;
	for (uint32_t i = 0; i < expr->as.list.count; i++)
		if (literal_uid(check, expr->as.list.items[i]) == NULL)
			return false;
	return true;
}

static const struct cedar_type *
of_in(struct checking *check, const struct cedar_expr *left, const struct cedar_expr *right,
      const struct capability *known)
{
	const struct cedar_type *a = typecheck_type_of(check, left, known),
	                        *b = typecheck_type_of(check, right, known);
	const struct cedar_uid *uid = literal_uid(check, left);

	if (a == NULL || b == NULL)
		return NULL;
	if (a->kind != CEDAR_TYPE_ENTITY)
		return typecheck_wrong(check, left, "entity", a);
	if (b->kind != CEDAR_TYPE_ENTITY &&
	    (b->kind != CEDAR_TYPE_SET || b->element->kind != CEDAR_TYPE_ENTITY))
		return typecheck_wrong(check, right, "entity, Set<entity>", b);
	if (uid != NULL && a->entity->action) {
		if (literal_uid(check, right) != NULL)
			return typecheck_truth(action_under(check, uid, literal_uid(check, right)));
		if (literal_uids(check, right)) {
			for (uint32_t i = 0; i < right->as.list.count; i++)
				if (action_under(check, uid, literal_uid(check, right->as.list.items[i])))
					return typecheck_truth(true);
			return typecheck_truth(false);
		}
	}
	if (b->kind == CEDAR_TYPE_SET)
		b = b->element;
	return cedar_entity_type_under(a->entity, b->entity) ? simple(CEDAR_TYPE_BOOL)
	                                                     : typecheck_truth(false);
}

static const struct cedar_type *
of_is(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_type *left = typecheck_type_of(check, expr->as.is.left, known), *in;

	if (left == NULL)
		return NULL;
	if (left->kind != CEDAR_TYPE_ENTITY)
		return typecheck_wrong(check, expr->as.is.left, "entity", left);
	if (!cedar_string_equal(&left->entity->name, &expr->as.is.type))
		return typecheck_truth(false);
	if (expr->as.is.in == NULL)
		return typecheck_truth(true);
	in = of_in(check, expr->as.is.left, expr->as.is.in, known);
	return in == NULL ? NULL : typecheck_and(typecheck_truth(true), in);
}

static const struct cedar_type *
of_compare(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_type *a = typecheck_type_of(check, expr->as.pair.left, known),
	                        *b = typecheck_type_of(check, expr->as.pair.right, known);

	if (a == NULL || b == NULL)
		return NULL;
	if (a->kind != CEDAR_TYPE_LONG && a->kind != CEDAR_TYPE_DATETIME && a->kind != CEDAR_TYPE_DURATION)
		return typecheck_wrong(check, expr->as.pair.left, "Long, datetime, duration", a);
	return a->kind == b->kind ? simple(CEDAR_TYPE_BOOL)
	                          : typecheck_wrong(check, expr->as.pair.right, typecheck_show(check, a), b);
}

static const struct cedar_type *
of_arithmetic(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_type *a = typecheck_type_of(check, expr->as.pair.left, known),
	                        *b = simple(CEDAR_TYPE_LONG);

	if (expr->as.pair.right != NULL)
		b = typecheck_type_of(check, expr->as.pair.right, known);
	if (a == NULL || b == NULL)
		return NULL;
	if (a->kind != CEDAR_TYPE_LONG)
		return typecheck_wrong(check, expr->as.pair.left, "Long", a);
	return b->kind == CEDAR_TYPE_LONG ? b : typecheck_wrong(check, expr->as.pair.right, "Long", b);
}

static const struct cedar_type *
of_contains(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_type *a = typecheck_type_of(check, expr->as.pair.left, known),
	                        *b = typecheck_type_of(check, expr->as.pair.right, known);

	if (a == NULL || b == NULL)
		return NULL;
	if (a->kind != CEDAR_TYPE_SET)
		return typecheck_wrong(check, expr->as.pair.left, "Set", a);
	if (expr->op != CEDAR_CONTAINS) {
		if (b->kind != CEDAR_TYPE_SET)
			return typecheck_wrong(check, expr->as.pair.right, "Set", b);
		b = b->element;
	}
	return join(check, a->element, b) != NULL ? simple(CEDAR_TYPE_BOOL)
	                                          : not_joined(check, expr, a->element, b);
}

static const struct cedar_type *
of_set(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_type *element = NULL;
	bool failed = false;

	if (expr->as.list.count == 0) {
		complain(check, expr, "원소를 적거나 isEmpty()로 물으십시오",
		         "write its elements, or ask with isEmpty()", "빈 집합은 형을 알 수 없습니다",
		         "the type of an empty set is not known");
		return NULL;
	}
	for (uint32_t i = 0; i < expr->as.list.count; i++) {
		const struct cedar_type *item = typecheck_type_of(check, expr->as.list.items[i], known),
		                        *both;

		if (item == NULL || failed) {
			failed = true;
			continue;
		}
		both = element == NULL ? item : join(check, element, item);
		if (both == NULL) {
			not_joined(check, expr->as.list.items[i], element, item);
			failed = true;
		}
		element = both;
	}
	return failed ? NULL : set_of(check, element);
}

static const struct cedar_type *
of_record(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	uint32_t count = expr->as.list.count;
	struct cedar_attribute *list = arena_array(check->arena, (size_t)count + 1, sizeof *list);
	struct cedar_type *made = arena_alloc(check->arena, sizeof *made);

	if (list == NULL || made == NULL) {
		check->memory = true;
		return NULL;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct cedar_attribute attribute = {expr->as.list.names[i], NULL, true};
		uint32_t at = i;

		if ((attribute.type = typecheck_type_of(check, expr->as.list.items[i], known)) == NULL)
			return NULL;
		for (; at > 0 && cedar_string_order(&list[at - 1].name, &attribute.name) > 0; at--)
			list[at] = list[at - 1];
		list[at] = attribute;
	}
	*made = (struct cedar_type){.kind = CEDAR_TYPE_RECORD, .count = count, .attributes = list};
	return made;
}

static const struct cedar_type *
extension_type(enum cedar_kind kind)
{
	static const enum cedar_type_kind types[] = {[CEDAR_NONE] = CEDAR_TYPE_NEVER,
	                                             [CEDAR_BOOL] = CEDAR_TYPE_BOOL,
	                                             [CEDAR_LONG] = CEDAR_TYPE_LONG,
	                                             [CEDAR_STRING] = CEDAR_TYPE_STRING,
	                                             [CEDAR_ENTITY] = CEDAR_TYPE_NEVER,
	                                             [CEDAR_SET] = CEDAR_TYPE_NEVER,
	                                             [CEDAR_RECORD] = CEDAR_TYPE_NEVER,
	                                             [CEDAR_DECIMAL] = CEDAR_TYPE_DECIMAL,
	                                             [CEDAR_IP] = CEDAR_TYPE_IP,
	                                             [CEDAR_DATETIME] = CEDAR_TYPE_DATETIME,
	                                             [CEDAR_DURATION] = CEDAR_TYPE_DURATION};

	return simple(types[kind]);
}

static const struct cedar_type *
of_call(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_signature *signature = cedar_signature(expr->as.list.function);
	uint32_t count = expr->as.list.count;

	if (count != signature->arity) {
		unsigned self =
		    signature->method ? 1 : 0; /* what a method is called on is none of its brackets */

		complain(check, expr, NULL, NULL, "%s(…)에는 인수가 %u개 있어야 하는데 %u개입니다",
		         "%s(…) takes %u argument(s), not %u", signature->name,
		         (unsigned)signature->arity - self, count - self);
		return NULL;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct cedar_type *wanted = extension_type(signature->arguments[i]);
		const struct cedar_type *got = typecheck_type_of(check, expr->as.list.items[i], known);

		if (got == NULL)
			return NULL;
		if (got->kind != wanted->kind)
			return typecheck_wrong(check, expr->as.list.items[i], typecheck_show(check, wanted),
			                       got);
	}
	if (!signature->method && expr->as.list.items[0]->op != CEDAR_LITERAL) {
		complain(check, expr, "값이 든 문자열을 그대로 적으십시오", "write the text itself there",
		         "%s(…)에는 문자열을 그대로 적어야 합니다", "%s(…) takes a text written out",
		         signature->name);
		return NULL;
	}
	if (!signature->method && !expr->constant) {
		complain(check, expr, signature->form_ko, signature->form_en,
		         "%s(…)이(가) 읽을 수 없는 글입니다", "%s(…) cannot read this text", signature->name);
		return NULL;
	}
	return extension_type(signature->result);
}

const struct cedar_type *
typecheck_of(struct checking *check, const struct cedar_expr *expr, const struct capability *known,
             struct capabilities *adds)
{
	struct capabilities dropped;
	const struct cedar_type *type;

	*adds = (struct capabilities){NULL, NULL};
	if (check->memory)
		return NULL;
	switch ((enum cedar_op)expr->op) {
	case CEDAR_LITERAL:
		return of_literal(check, expr);
	case CEDAR_VARIABLE:
		return of_variable(check, expr->as.variable);
	case CEDAR_AND:
		return of_and(check, expr->as.list.items, expr->as.list.count, known, adds);
	case CEDAR_OR:
		return of_or(check, expr, known, adds);
	case CEDAR_IF:
		return of_if(check, expr, known, adds);
	case CEDAR_NOT:
		type = bool_of(check, expr->as.pair.left, known, &dropped);
		return type == NULL || type->kind == CEDAR_TYPE_BOOL
		           ? type
		           : typecheck_truth(type->kind == CEDAR_TYPE_FALSE);
	case CEDAR_EQUAL:
		return of_equal(check, expr, known);
	case CEDAR_NOT_EQUAL:
		type = of_equal(check, expr, known);
		return type == NULL || type->kind == CEDAR_TYPE_BOOL
		           ? type
		           : typecheck_truth(type->kind == CEDAR_TYPE_FALSE);
	case CEDAR_LESS:
	case CEDAR_LESS_EQUAL:
	case CEDAR_GREATER:
	case CEDAR_GREATER_EQUAL:
		return of_compare(check, expr, known);
	case CEDAR_IN:
		return of_in(check, expr->as.pair.left, expr->as.pair.right, known);
	case CEDAR_NEGATE:
	case CEDAR_ADD:
	case CEDAR_SUBTRACT:
	case CEDAR_MULTIPLY:
		return of_arithmetic(check, expr, known);
	case CEDAR_CONTAINS:
	case CEDAR_CONTAINS_ALL:
	case CEDAR_CONTAINS_ANY:
		return of_contains(check, expr, known);
	case CEDAR_IS_EMPTY:
		type = typecheck_type_of(check, expr->as.pair.left, known);
		if (type == NULL)
			return NULL;
		return type->kind == CEDAR_TYPE_SET ? simple(CEDAR_TYPE_BOOL)
		                                    : typecheck_wrong(check, expr->as.pair.left, "Set", type);
	case CEDAR_GET_TAG:
	case CEDAR_HAS_TAG:
		return typecheck_tag(check, expr, known, adds);
	case CEDAR_ATTRIBUTE:
		return typecheck_attribute(check, expr, known);
	case CEDAR_HAS:
		return typecheck_has(check, expr, known, adds);
	case CEDAR_LIKE:
		type = typecheck_type_of(check, expr->as.like.left, known);
		if (type == NULL)
			return NULL;
		return type->kind == CEDAR_TYPE_STRING
		           ? simple(CEDAR_TYPE_BOOL)
		           : typecheck_wrong(check, expr->as.like.left, "String", type);
	case CEDAR_IS:
		return of_is(check, expr, known);
	case CEDAR_SET_OF:
		return of_set(check, expr, known);
	case CEDAR_RECORD_OF:
		return of_record(check, expr, known);
	case CEDAR_CALL:
		return of_call(check, expr, known);
	}
	return NULL;
}

const struct cedar_type *
typecheck_conditions(struct checking *check)
{
	const struct cedar_type *type = simple(CEDAR_TYPE_TRUE);
	const struct capability *known = NULL;

	for (uint32_t i = 0; i < check->policy->condition_count && type->kind != CEDAR_TYPE_FALSE; i++) {
		const struct cedar_condition *condition = &check->policy->conditions[i];
		struct capabilities adds;
		const struct cedar_type *item = bool_of(check, condition->body, known, &adds);

		if (item == NULL)
			return NULL;
		if (!condition->unless)
			known = capability_unite(check, known, adds);
		else if (item->kind != CEDAR_TYPE_BOOL)
			item = typecheck_truth(item->kind == CEDAR_TYPE_FALSE);
		type = typecheck_and(type, item);
	}
	return type;
}
