/*
 * Actions of a schema: their names, their groups closed, what they apply to and their contexts.
 */
#include "policy/cedar/schema_resolve.h"

#include <string.h>

/* The type of actions of a namespace, made when first needed. */
static const struct cedar_entity_type *
action_type(struct resolution *resolution, const struct cedar_string *name)
{
	struct cedar_entity_type *made;
	struct cedar_type *self;

	for (uint32_t i = resolution->draft->entity_count; i < resolution->entity_count; i++)
		if (cedar_string_equal(&resolution->entities[i].name, name))
			return &resolution->entities[i];
	if ((self = resolution_take(resolution, 1, sizeof *self)) == NULL)
		return NULL;
	made = &resolution->entities[resolution->entity_count];
	*made = (struct cedar_entity_type){.name = *name,
	                                   .number = resolution->entity_count,
	                                   .action = true,
	                                   .shape = cedar_type_simple(CEDAR_TYPE_RECORD),
	                                   .self = self};
	*self = (struct cedar_type){.kind = CEDAR_TYPE_ENTITY, .entity = made};
	resolution->entity_count++;
	return made;
}

static const struct cedar_uid *
action_uid(struct resolution *resolution, const struct cedar_string *namespace, const struct cedar_string *id)
{
	static const struct slice plain = {(const uint8_t *)"Action", 6};
	struct cedar_string type = cedar_string_of(plain);
	struct cedar_uid *uid = resolution_take(resolution, 1, sizeof *uid);

	if (uid != NULL)
		*uid = cedar_uid_of(resolution_whole_name(resolution, namespace, &type), *id);
	return uid;
}

static const struct cedar_action_type *
find_action(const struct resolution *resolution, const struct cedar_action_type *const *sorted,
            const struct cedar_uid *uid)
{
	size_t low = 0, high = resolution->draft->action_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = cedar_uid_order(sorted[middle]->uid, uid);

		if (order == 0)
			return sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct cedar_uid *
resolve_group(struct resolution *resolution, const struct cedar_action_type *const *sorted,
              const struct draft_action *draft, const struct draft_reference *reference)
{
	static const struct cedar_string nowhere;
	const struct cedar_action_type *found = NULL;
	const struct cedar_uid *uid;
	struct cedar_uid *typed;

	if (reference->typed) {
		bool plain = !resolution_qualified(&reference->type);

		if ((typed = resolution_take(resolution, 1, sizeof *typed)) == NULL)
			return NULL;
		if (plain && draft->namespace.size > 0) {
			*typed = cedar_uid_of(
			    resolution_whole_name(resolution, &draft->namespace, &reference->type),
			    reference->id);
			found = find_action(resolution, sorted, typed);
		}
		if (found == NULL) {
			*typed = cedar_uid_of(reference->type, reference->id);
			found = find_action(resolution, sorted, typed);
		}
	} else {
		if ((uid = action_uid(resolution, &draft->namespace, &reference->id)) != NULL)
			found = find_action(resolution, sorted, uid);
		if (found == NULL && (uid = action_uid(resolution, &nowhere, &reference->id)) != NULL)
			found = find_action(resolution, sorted, uid);
	}
	if (found != NULL)
		return found->uid;
	complain(resolution, reference->offset, "선언하거나 철자를 확인하십시오",
	         "declare it, or mind the spelling", "행위 '%.*s'이(가) 선언되지 않았습니다",
	         "action '%.*s' is not declared", (int)reference->id.size, reference->id.data);
	return NULL;
}

static const struct cedar_entity_type **
resolve_entity_names(struct resolution *resolution, const struct draft_name *names, uint32_t count,
                     uint32_t *kept, const struct cedar_string *namespace)
{
	const struct cedar_entity_type **list = resolution_take(resolution, count, sizeof *list);

	*kept = 0;
	for (uint32_t i = 0; list != NULL && i < count; i++) {
		const struct cedar_entity_type *type = resolution_entity(resolution, &names[i], namespace);
		bool twice = type == NULL;

		for (uint32_t j = 0; j < *kept && !twice; j++)
			twice = list[j] == type;
		if (!twice)
			list[(*kept)++] = type;
	}
	return list;
}

static void
sift_actions(const struct cedar_action_type **list, size_t root, size_t count)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && cedar_uid_order(list[child]->uid, list[child + 1]->uid) < 0)
			child++;
		if (cedar_uid_order(list[root]->uid, list[child]->uid) >= 0)
			return;
		const struct cedar_action_type *swap = list[root];
		list[root] = list[child];
		list[child] = swap;
	}
}

static void
sort_actions(const struct cedar_action_type **list, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_actions(list, i, count);
	for (size_t end = count; end > 1;) {
		const struct cedar_action_type *swap = list[0];
		list[0] = list[--end];
		list[end] = swap;
		sift_actions(list, 0, end);
	}
}

static void
resolve_action(struct resolution *resolution, const struct cedar_action_type *const *sorted, uint32_t number)
{
	const struct draft_action *draft = &resolution->draft->actions[number];
	struct cedar_action_type *action = &resolution->actions[number];
	const struct cedar_uid **parents = resolution_take(resolution, draft->parent_count, sizeof *parents);

	if (parents == NULL)
		return;
	for (uint32_t i = 0; i < draft->parent_count; i++) {
		const struct cedar_uid *parent = resolve_group(resolution, sorted, draft, &draft->parents[i]);

		if (parent != NULL)
			parents[action->parent_count++] = parent;
	}
	action->parents = parents;
	action->principals = resolve_entity_names(resolution, draft->principals, draft->principal_count,
	                                          &action->principal_count, &draft->namespace);
	action->resources = resolve_entity_names(resolution, draft->resources, draft->resource_count,
	                                         &action->resource_count, &draft->namespace);
	action->context = cedar_type_simple(CEDAR_TYPE_RECORD);
	if (draft->context != NULL)
		action->context = resolution_type(resolution, draft->context, &draft->namespace);
	if (action->context->kind != CEDAR_TYPE_RECORD)
		complain(resolution, draft->id.offset, NULL, NULL,
		         "행위 '%.*s'의 context는 레코드여야 합니다",
		         "the context of action '%.*s' must be a record", (int)draft->id.name.size,
		         draft->id.name.data);
}

/* Their names, before any type is resolved: attributes may be of the type of actions. */
const struct cedar_action_type **
resolution_name_actions(struct resolution *resolution)
{
	static const struct cedar_string nowhere;
	const struct schema_draft *draft = resolution->draft;
	const struct cedar_action_type **sorted =
	    resolution_take(resolution, draft->action_count, sizeof *sorted);

	for (uint32_t i = 0; i < draft->action_count && !resolution->memory; i++) {
		const struct draft_action *action = &draft->actions[i];

		resolution->actions[i].uid = action_uid(resolution, &action->namespace, &action->id.name);
		if (resolution->memory)
			break;
		resolution->actions[i].type = action_type(resolution, &resolution->actions[i].uid->type);
		sorted[i] = &resolution->actions[i];
	}
	if (resolution->memory)
		return NULL;
	sort_actions(sorted, draft->action_count);
	for (uint32_t i = 1; i < draft->action_count; i++)
		if (cedar_uid_equal(sorted[i - 1]->uid, sorted[i]->uid))
			resolution_complain_twice(resolution,
			                          draft->actions[sorted[i] - resolution->actions].id.offset,
			                          &sorted[i]->uid->id);
	for (uint32_t i = 0; i < draft->action_count; i++) {
		const struct draft_action *action = &draft->actions[i];
		const struct cedar_uid *plain = action_uid(resolution, &nowhere, &action->id.name);

		if (plain != NULL && action->namespace.size > 0 &&
		    find_action(resolution, sorted, plain) != NULL)
			resolution_complain_shadow(resolution, &action->id);
	}
	return sorted;
}

bool
resolution_actions(struct resolution *resolution, const struct cedar_action_type **sorted,
                   struct cedar_schema *schema)
{
	static const struct cedar_value none;
	const struct schema_draft *draft = resolution->draft;
	struct cedar_entities *store = cedar_entities_new(resolution->arena, NULL);
	struct fault why;

	for (uint32_t i = 0; i < draft->action_count; i++)
		resolve_action(resolution, sorted, i);
	if (resolution->memory || store == NULL)
		return false;
	for (uint32_t i = 0; i < draft->action_count; i++)
		if (cedar_entities_add(store, sorted[i]->uid, none, none, sorted[i]->parents,
		                       sorted[i]->parent_count, &why) == -1)
			return false;
	if (cedar_entities_seal(store, &why) == -1) {
		if (why.kind == FAULT_MEMORY)
			return false;
		if (draft->notes->errors == 0) /* two alike were complained about already */
			complain(resolution, draft->action_count > 0 ? draft->actions[0].id.offset : 0,
			         "in으로 적은 묶음 가운데 하나를 지우십시오",
			         "leave one of the groups after in out", "행위 묶음: %s%.0s",
			         "action groups: %.0s%s", why.ko, why.en);
	}
	schema->action_store = store;
	schema->actions = sorted;
	schema->action_count = draft->action_count;
	return true;
}
