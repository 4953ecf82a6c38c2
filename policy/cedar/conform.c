/*
 * Requests and entities against a schema.
 */
#include "policy/cedar/schema.h"

#define UID_PRINT(uid) (int)(uid)->type.size, (uid)->type.data, (int)(uid)->id.size, (uid)->id.data

static int
check_actor(const struct cedar_schema *schema, const struct cedar_action_type *action,
            const struct cedar_entity_type *const *allowed, uint32_t count, const struct cedar_uid *uid,
            const char *what, struct fault *why)
{
	const struct cedar_entity_type *type = cedar_schema_entity(schema, &uid->type);

	for (uint32_t i = 0; i < count; i++) {
		if (allowed[i] != type)
			continue;
		if (type->action || cedar_entity_type_allows(type, &uid->id))
			return 0;
		return fault_set(why, FAULT_INVALID, "%.*s에는 \"%.*s\"이(가) 없습니다 (열거된 종류)",
		                 "%.*s has no \"%.*s\" (an enumerated type)", UID_PRINT(uid));
	}
	return fault_set(why, FAULT_INVALID, "행위 \"%.*s\"은(는) %s 종류 %.*s에 쓸 수 없습니다",
	                 "action \"%.*s\" does not apply to %s type %.*s", (int)action->uid->id.size,
	                 action->uid->id.data, what, (int)uid->type.size, uid->type.data);
}

int
cedar_request_check(const struct cedar_schema *schema, const struct cedar_request *request, struct fault *why)
{
	const struct cedar_action_type *action = cedar_schema_action(schema, request->action);
	static const struct cedar_string nothing;
	struct cedar_string path = nothing;

	if (action == NULL)
		return fault_set(why, FAULT_INVALID, "행위 %.*s::\"%.*s\"이(가) 스키마에 없습니다",
		                 "action %.*s::\"%.*s\" is not in the schema", UID_PRINT(request->action));
	if (check_actor(schema, action, action->principals, action->principal_count, request->principal,
	                "principal", why) == -1 ||
	    check_actor(schema, action, action->resources, action->resource_count, request->resource,
	                "resource", why) == -1)
		return -1;
	if (request->context.kind == CEDAR_NONE) {
		for (uint32_t i = 0; i < action->context->count; i++)
			if (action->context->attributes[i].required)
				return fault_set(why, FAULT_INVALID, "context에 '%.*s'이(가) 없습니다",
				                 "the context lacks '%.*s'",
				                 (int)action->context->attributes[i].name.size,
				                 action->context->attributes[i].name.data);
		return 0;
	}
	if (cedar_type_fits(schema, action->context, request->context, &path))
		return 0;
	return fault_set(why, FAULT_INVALID, "context의 '%.*s'이(가) 행위 \"%.*s\"의 스키마와 맞지 않습니다",
	                 "'%.*s' of the context does not fit the schema of action \"%.*s\"", (int)path.size,
	                 path.data, (int)action->uid->id.size, action->uid->id.data);
}

/* ---- entities -------------------------------------------------------------------------------------------------- */

static int
check_action_row(const struct cedar_schema *schema, const struct cedar_row *row, struct fault *why)
{
	const struct cedar_row *declared = cedar_entities_find(schema->action_store, row->uid);
	bool same = declared != NULL && cedar_equal(row->attrs, declared->attrs) &&
	            cedar_equal(row->tags, declared->tags) && row->ancestor_count == declared->ancestor_count;

	for (uint32_t i = 0; same && i < row->ancestor_count; i++)
		same = cedar_uid_equal(row->ancestors[i], declared->ancestors[i]);
	if (same)
		return 0;
	return fault_set(why, FAULT_INVALID, "행위 %.*s::\"%.*s\"이(가) 스키마에 적힌 것과 다릅니다",
	                 "action %.*s::\"%.*s\" is not as the schema has it", UID_PRINT(row->uid));
}

static int
check_row(const struct cedar_schema *schema, const struct cedar_row *row, struct fault *why)
{
	const struct cedar_entity_type *type = cedar_schema_entity(schema, &row->uid->type);
	struct cedar_string path = {NULL, 0, 0};

	if (cedar_type_is_action(&row->uid->type))
		return check_action_row(schema, row, why);
	if (type == NULL)
		return fault_set(why, FAULT_INVALID, "%.*s::\"%.*s\": 이 종류는 스키마에 없습니다",
		                 "%.*s::\"%.*s\": this type is not in the schema", UID_PRINT(row->uid));
	if (!cedar_entity_type_allows(type, &row->uid->id))
		return fault_set(why, FAULT_INVALID, "%.*s에는 \"%.*s\"이(가) 없습니다 (열거된 종류)",
		                 "%.*s has no \"%.*s\" (an enumerated type)", UID_PRINT(row->uid));
	if (!cedar_type_fits(schema, type->shape, row->attrs, &path))
		return fault_set(why, FAULT_INVALID,
		                 "%.*s::\"%.*s\": 속성 '%.*s'이(가) 스키마와 맞지 않습니다",
		                 "%.*s::\"%.*s\": attribute '%.*s' does not fit the schema",
		                 UID_PRINT(row->uid), (int)path.size, path.data);
	for (uint32_t i = 0; i < row->tags.as.record->count; i++)
		if (type->tags == NULL ||
		    !cedar_type_fits(schema, type->tags, row->tags.as.record->fields[i].value, NULL))
			return fault_set(why, FAULT_INVALID, "%.*s::\"%.*s\": 태그가 스키마와 맞지 않습니다",
			                 "%.*s::\"%.*s\": a tag does not fit the schema",
			                 UID_PRINT(row->uid));
	for (uint32_t i = 0; i < row->ancestor_count; i++) {
		const struct cedar_uid *uid = row->ancestors[i];
		const struct cedar_entity_type *above = cedar_schema_entity(schema, &uid->type);

		if (above == NULL || above->action ||
		    (type->above[above->number / 64] >> (above->number % 64) & 1) == 0)
			return fault_set(why, FAULT_INVALID,
			                 "%.*s::\"%.*s\"은(는) %.*s 종류의 아래에 있을 수 없습니다",
			                 "%.*s::\"%.*s\" may not be in an entity of type %.*s",
			                 UID_PRINT(row->uid), (int)uid->type.size, uid->type.data);
		if (!cedar_entity_type_allows(above, &uid->id))
			return fault_set(why, FAULT_INVALID, "%.*s에는 \"%.*s\"이(가) 없습니다 (열거된 종류)",
			                 "%.*s has no \"%.*s\" (an enumerated type)", UID_PRINT(uid));
	}
	return 0;
}

int
cedar_entities_check(const struct cedar_schema *schema, const struct cedar_entities *entities,
                     struct fault *why)
{
	for (uint32_t i = 0; i < entities->count; i++)
		if (check_row(schema, &entities->rows[i], why) == -1)
			return -1;
	return 0;
}

int
cedar_entities_add_actions(struct cedar_entities *entities, const struct cedar_schema *schema,
                           struct fault *why)
{
	const struct cedar_entities *from = schema->action_store;

	for (uint32_t i = 0; i < from->count; i++)
		if (cedar_entities_add(entities, from->rows[i].uid, from->rows[i].attrs, from->rows[i].tags,
		                       from->rows[i].parents, from->rows[i].parent_count, why) == -1)
			return -1;
	return 0;
}
