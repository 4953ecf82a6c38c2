/*
 * Strict validation of a set: every name is declared, some action can apply, and every condition has the type Bool
 * wherever its scope can hold.
 */
#include "policy/cedar/spelling.h"
#include "policy/cedar/typecheck.h"

#define ARENA_LIMIT ((size_t)256 << 20)

/* ---- names, on the whole policy, reachable or not -------------------------------------------------------------- */

static const struct spelling_hint declare = {"선언하거나 철자를 확인하십시오",
                                             "declare it, or mind the spelling"};

static void
check_type_name(struct checking *check, const struct cedar_string *name, uint32_t offset)
{
	struct spelling spelling = spelling_of(cedar_string_slice(name));
	struct spelling_hint hint;

	if (cedar_schema_entity(check->schema, name) != NULL)
		return;
	for (uint32_t i = 0; i < check->schema->entity_count; i++)
		spelling_try(&spelling, cedar_string_slice(&check->schema->entities[i]->name));
	hint = spelling_hint_of(&spelling, check->notes, declare);
	typecheck_complain(check, CEDAR_ERROR, offset, hint.ko, hint.en,
	                   "개체 종류 '%.*s'이(가) 스키마에 없습니다",
	                   "entity type '%.*s' is not in the schema", (int)name->size, name->data);
}

static void
check_action_name(struct checking *check, const struct cedar_uid *uid, uint32_t offset)
{
	struct spelling spelling = spelling_of(cedar_string_slice(&uid->id));
	struct spelling_hint hint;

	if (cedar_schema_action(check->schema, uid) != NULL)
		return;
	for (uint32_t i = 0; i < check->schema->action_count; i++)
		spelling_try(&spelling, cedar_string_slice(&check->schema->actions[i]->uid->id));
	hint = spelling_hint_of(&spelling, check->notes, declare);
	typecheck_complain(check, CEDAR_ERROR, offset, hint.ko, hint.en,
	                   "행위 %.*s::\"%.*s\"이(가) 스키마에 없습니다",
	                   "action %.*s::\"%.*s\" is not in the schema", (int)uid->type.size, uid->type.data,
	                   (int)uid->id.size, uid->id.data);
}

static void
check_uid(struct checking *check, const struct cedar_uid *uid, uint32_t offset)
{
	const struct cedar_entity_type *type = cedar_schema_entity(check->schema, &uid->type);

	if (cedar_type_is_action(&uid->type)) {
		check_action_name(check, uid, offset);
		return;
	}
	check_type_name(check, &uid->type, offset);
	if (type != NULL && !cedar_entity_type_allows(type, &uid->id))
		typecheck_complain(check, CEDAR_ERROR, offset, "열거된 이름 가운데 하나를 쓰십시오",
		                   "use one of those listed", "%.*s에는 \"%.*s\"이(가) 없습니다",
		                   "%.*s has no \"%.*s\"", (int)uid->type.size, uid->type.data,
		                   (int)uid->id.size, uid->id.data);
}

static void
check_names(struct checking *check, const struct cedar_expr *expr)
{
	if (expr == NULL)
		return;
	switch ((enum cedar_op)expr->op) {
	case CEDAR_LITERAL:
		if (expr->value.kind == CEDAR_ENTITY)
			check_uid(check, expr->value.as.entity, expr->offset);
		break;
	case CEDAR_VARIABLE:
		break;
	case CEDAR_IF:
		check_names(check, expr->as.choice.guard);
		check_names(check, expr->as.choice.yes);
		check_names(check, expr->as.choice.no);
		break;
	case CEDAR_ATTRIBUTE:
	case CEDAR_HAS:
		check_names(check, expr->as.member.left);
		break;
	case CEDAR_LIKE:
		check_names(check, expr->as.like.left);
		break;
	case CEDAR_IS:
		check_type_name(check, &expr->as.is.type, expr->offset);
		check_names(check, expr->as.is.left);
		check_names(check, expr->as.is.in);
		break;
	case CEDAR_AND:
	case CEDAR_OR:
	case CEDAR_SET_OF:
	case CEDAR_RECORD_OF:
	case CEDAR_CALL:
		for (uint32_t i = 0; i < expr->as.list.count; i++)
			check_names(check, expr->as.list.items[i]);
		break;
	default:
		check_names(check, expr->as.pair.left);
		check_names(check, expr->as.pair.right);
		break;
	}
}

static void
check_scope_names(struct checking *check, const struct cedar_scope *scope)
{
	if (scope->kind == CEDAR_SCOPE_IS || scope->kind == CEDAR_SCOPE_IS_IN)
		check_type_name(check, &scope->type, scope->offset);
	if (scope->entity != NULL)
		check_uid(check, scope->entity, scope->offset);
	for (uint32_t i = 0; i < scope->count; i++)
		check_uid(check, scope->list[i], scope->offset);
}

/* What fills a slot must be of a declared type; its id is not looked at, as in the reference. */
static void
check_slot(struct checking *check, const struct cedar_scope *scope)
{
	if (!scope->slot || scope->entity == NULL)
		return;
	if (cedar_type_is_action(&scope->entity->type))
		check_uid(check, scope->entity, scope->offset);
	else
		check_type_name(check, &scope->entity->type, scope->offset);
}

/* ---- what a scope lets through --------------------------------------------------------------------------------- */

static bool
scope_admits(const struct checking *check, const struct cedar_scope *scope,
             const struct cedar_entity_type *type)
{
	const struct cedar_entity_type *named = NULL;

	if (scope->entity != NULL)
		named = cedar_schema_entity(check->schema, &scope->entity->type);
	switch (scope->kind) {
	case CEDAR_SCOPE_EQUAL:
		return scope->entity == NULL || type == named;
	case CEDAR_SCOPE_IN:
		return scope->entity == NULL || (named != NULL && cedar_entity_type_under(type, named));
	case CEDAR_SCOPE_IS:
		return cedar_string_equal(&type->name, &scope->type);
	case CEDAR_SCOPE_IS_IN:
		return cedar_string_equal(&type->name, &scope->type) &&
		       (scope->entity == NULL || (named != NULL && cedar_entity_type_under(type, named)));
	default:
		return true;
	}
}

static bool
scope_admits_action(const struct checking *check, const struct cedar_scope *scope,
                    const struct cedar_action_type *action)
{
	const struct cedar_row *row = cedar_entities_find(check->schema->action_store, action->uid);

	switch (scope->kind) {
	case CEDAR_SCOPE_EQUAL:
		return cedar_uid_equal(action->uid, scope->entity);
	case CEDAR_SCOPE_IN:
		return cedar_uid_equal(action->uid, scope->entity) || cedar_row_under(row, scope->entity);
	case CEDAR_SCOPE_IN_LIST:
		for (uint32_t i = 0; i < scope->count; i++)
			if (cedar_uid_equal(action->uid, scope->list[i]) ||
			    cedar_row_under(row, scope->list[i]))
				return true;
		return false;
	default:
		return true;
	}
}

static bool
any_admitted(const struct checking *check, const struct cedar_scope *scope,
             const struct cedar_entity_type *const *types, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (scope_admits(check, scope, types[i]))
			return true;
	return false;
}

/*
 * action in [A::Action::"x", B::Action::"y"] is a set of two types, which strict validation refuses, wherever it is looked
 * at: where the scope of the principal does not end it before.
 */
static void
check_action_list(struct checking *check)
{
	const struct cedar_policy *policy = check->policy;
	bool mixed = false;

	for (uint32_t i = 1; i < policy->action.count; i++)
		mixed = mixed ||
		        !cedar_string_equal(&policy->action.list[0]->type, &policy->action.list[i]->type);
	for (uint32_t i = 0; mixed && i < check->schema->action_count; i++) {
		const struct cedar_action_type *action = check->schema->actions[i];

		if (action->resource_count == 0 ||
		    !any_admitted(check, &policy->principal, action->principals, action->principal_count))
			continue;
		typecheck_complain(check, CEDAR_ERROR, policy->action.offset,
		                   "이름 공간마다 정책을 나누십시오", "write one policy for each namespace",
		                   "한 목록의 행위는 모두 한 종류여야 합니다",
		                   "the actions of one list must be of one type");
		break;
	}
}

static void
check_applicable(struct checking *check)
{
	const struct cedar_policy *policy = check->policy;

	for (uint32_t i = 0; i < check->schema->action_count; i++) {
		const struct cedar_action_type *action = check->schema->actions[i];

		if (scope_admits_action(check, &policy->action, action) &&
		    any_admitted(check, &policy->principal, action->principals, action->principal_count) &&
		    any_admitted(check, &policy->resource, action->resources, action->resource_count))
			return;
	}
	typecheck_complain(
	    check, CEDAR_ERROR, policy->effect_offset, "스키마의 appliesTo와 정책의 머리를 맞추어 보십시오",
	    "compare appliesTo in the schema with the scope", "이 머리에 맞는 행위가 스키마에 없습니다",
	    "no action of the schema applies to this scope");
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

/* The condition in every environment that the scope lets through. */
static void
check_types(struct checking *check)
{
	const struct cedar_policy *policy = check->policy;
	size_t errors = check->notes->errors;
	bool possible = false;

	for (uint32_t i = 0; i < check->schema->action_count && !check->memory; i++) {
		check->action = check->schema->actions[i];
		if (!scope_admits_action(check, &policy->action, check->action))
			continue;
		for (uint32_t j = 0; j < check->action->principal_count; j++) {
			check->principal = check->action->principals[j];
			if (!scope_admits(check, &policy->principal, check->principal))
				continue;
			for (uint32_t k = 0; k < check->action->resource_count && !check->memory; k++) {
				const struct cedar_type *type;

				check->resource = check->action->resources[k];
				if (!scope_admits(check, &policy->resource, check->resource))
					continue;
				arena_reset(check->arena);
				type = typecheck_conditions(check);
				possible = possible || type == NULL || type->kind != CEDAR_TYPE_FALSE;
			}
		}
	}
	if (!possible && check->notes->errors == errors && !check->memory)
		typecheck_complain(check, CEDAR_WARNING, policy->effect_offset, NULL, NULL,
		                   "어떤 요청에서도 참일 수 없는 정책입니다",
		                   "this policy can never be true");
}

static void
check_policy(struct checking *check)
{
	const struct cedar_policy *policy = check->policy;

	check->first_note = check->notes->count;
	if (policy->template_id != NULL) { /* the rest is its template's, and validated there */
		check_slot(check, &policy->principal);
		check_slot(check, &policy->resource);
		check_applicable(check);
		return;
	}
	check_scope_names(check, &policy->principal);
	check_scope_names(check, &policy->action);
	check_scope_names(check, &policy->resource);
	for (uint32_t i = 0; i < policy->condition_count; i++)
		check_names(check, policy->conditions[i].body);
	check_applicable(check);
	check_action_list(check);
	check_types(check);
}

int
cedar_validate(const struct cedar_policies *policies, const struct cedar_schema *schema,
               struct cedar_notes *notes, struct fault *why)
{
	struct checking check = {.schema = schema, .notes = notes, .arena = arena_new(ARENA_LIMIT)};

	if (check.arena == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < policies->count + policies->template_count && !check.memory; i++) {
		bool plain = i < policies->count;

		check.policy = plain ? policies->policies[i] : policies->templates[i - policies->count];
		check.number = plain ? i : CEDAR_NO_POLICY;
		check.policy_id = check.policy->id;
		check_policy(&check);
	}
	arena_free(check.arena);
	return check.memory ? fault_memory(why) : 0;
}
