/*
 * Schemas in JSON, into the same draft as the human syntax. Members that are not known are refused, as upstream does.
 */
#include "policy/cedar/cedar_json.h"
#include "policy/cedar/schema.h"

struct json_reading {
	struct schema_draft *draft;
	struct cedar_string namespace;
	uint32_t offset; /* of what is being read */
	bool memory;
};

#define complain(reading, ...)                                                                               \
	cedar_complain((reading)->draft->notes, CEDAR_ERROR, (reading)->draft->source, (reading)->offset,    \
	               NULL, NULL, __VA_ARGS__)

static void *
take(struct json_reading *reading, size_t count, size_t size)
{
	void *room = arena_array(reading->draft->arena, count > 0 ? count : 1, size);

	if (room == NULL)
		reading->memory = true;
	return room;
}

/* Of this kind, or complained. NULL (absent) is fine. */
static bool
is_kind(struct json_reading *reading, const struct cedar_json *value, enum cedar_json_kind kind,
        const char *what)
{
	struct cedar_json wanted = {.kind = kind};

	if (value == NULL)
		return true;
	reading->offset = value->offset;
	if (value->kind == kind)
		return true;
	complain(reading, "%s은(는) %s이어야 하는데 %s입니다", "%s must be %s, not %s", what,
	         cedar_json_kind_name(&wanted), cedar_json_kind_name(value));
	return false;
}

static void
check_members(struct json_reading *reading, const struct cedar_json *object, const char *const *known,
              const char *what)
{
	for (uint32_t i = 0; i < object->count; i++) {
		bool found = false;

		for (size_t j = 0; known[j] != NULL && !found; j++)
			found = slice_is(object->as.items[i].name, known[j]);
		reading->offset = found ? object->offset : object->as.items[i].offset;
		if (!found)
			complain(reading, "%s에 모르는 항목 '%.*s'이(가) 있습니다",
			         "%s has an unknown member '%.*s'", what,
			         SLICE_PRINT(object->as.items[i].name));
	}
}

static struct cedar_string
name_of(struct json_reading *reading, struct slice text, bool path)
{
	if (!cedar_name_valid(text, path))
		complain(reading, "'%.*s'은(는) 이름이 될 수 없습니다", "'%.*s' is no name",
		         SLICE_PRINT(text));
	return cedar_string_of(text);
}

/* As above; __cedar::Long and its like are names of types too. */
static struct cedar_string
type_name_of(struct json_reading *reading, struct slice text)
{
	if (text.size > 9 && slice_is(slice_of(text.data, 9), "__cedar::")) {
		name_of(reading, slice_of(text.data + 9, text.size - 9), false);
		return cedar_string_of(text);
	}
	return name_of(reading, text, true);
}

static struct draft_name *
names_of(struct json_reading *reading, const struct cedar_json *list, uint32_t *count, const char *what)
{
	struct draft_name *names;

	*count = 0;
	if (list == NULL || !is_kind(reading, list, CEDAR_JSON_ARRAY, what))
		return NULL;
	if ((names = take(reading, list->count, sizeof *names)) == NULL)
		return NULL;
	for (uint32_t i = 0; i < list->count; i++)
		if (is_kind(reading, &list->as.items[i], CEDAR_JSON_STRING, what))
			names[(*count)++].name = name_of(reading, list->as.items[i].as.string, true);
	return names;
}

static void
check_annotations(struct json_reading *reading, const struct cedar_json *object)
{
	const struct cedar_json *annotations = cedar_json_get(object, "annotations");

	if (annotations == NULL || !is_kind(reading, annotations, CEDAR_JSON_OBJECT, "annotations"))
		return;
	for (uint32_t i = 0; i < annotations->count; i++) {
		struct slice key = annotations->as.items[i].name;

		if (!cedar_name_valid(key, false) && !cedar_word_reserved(key))
			complain(reading, "'%.*s'은(는) 주석 이름이 될 수 없습니다",
			         "'%.*s' is no name of an annotation", SLICE_PRINT(key));
		if (annotations->as.items[i].kind != CEDAR_JSON_NULL)
			is_kind(reading, &annotations->as.items[i], CEDAR_JSON_STRING, "annotation");
	}
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

static const struct draft_type *read_type(struct json_reading *reading, const struct cedar_json *json,
                                          bool attribute);

static void
read_record(struct json_reading *reading, const struct cedar_json *json, struct draft_type *type)
{
	const struct cedar_json *list = cedar_json_get(json, "attributes"), *more;
	struct draft_attribute *attributes;

	type->kind = DRAFT_RECORD;
	more = cedar_json_get(json, "additionalAttributes");
	if (more != NULL && is_kind(reading, more, CEDAR_JSON_BOOL, "additionalAttributes") &&
	    more->as.boolean)
		complain(reading, "additionalAttributes는 지원하지 않습니다",
		         "additionalAttributes is not supported");
	if (list == NULL) {
		complain(reading, "Record에 attributes가 없습니다", "a Record needs attributes");
		return;
	}
	if (!is_kind(reading, list, CEDAR_JSON_OBJECT, "attributes") ||
	    (attributes = take(reading, list->count, sizeof *attributes)) == NULL)
		return;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct cedar_json *item = &list->as.items[i],
		                        *required = cedar_json_get(item, "required");

		attributes[i].name = cedar_string_of(item->name);
		attributes[i].required = true;
		if (required != NULL && is_kind(reading, required, CEDAR_JSON_BOOL, "required"))
			attributes[i].required = required->as.boolean;
		attributes[i].type = read_type(reading, item, true);
	}
	type->count = list->count;
	type->attributes = attributes;
}

static void
read_named(struct json_reading *reading, const struct cedar_json *json, struct draft_type *type,
           enum draft_type_kind kind)
{
	const struct cedar_json *name = cedar_json_get(json, "name");

	type->kind = kind;
	if (name == NULL)
		complain(reading, "형에 name이 없습니다", "the type needs a name");
	else if (is_kind(reading, name, CEDAR_JSON_STRING, "name"))
		type->name = type_name_of(reading, name->as.string);
}

static const struct draft_type *
read_type(struct json_reading *reading, const struct cedar_json *json, bool attribute)
{
	static const char *const known[] = {"type", "element",     "attributes", "additionalAttributes",
	                                    "name", "annotations", "required",   NULL};
	static const struct {
		const char *name;
		enum cedar_type_kind kind;
	} builtin[] = {
	    {"Long",    CEDAR_TYPE_LONG  },
            {"String",  CEDAR_TYPE_STRING},
            {"Boolean", CEDAR_TYPE_BOOL  }
        };
	const struct cedar_json *word = cedar_json_get(json, "type");
	struct draft_type *type = take(reading, 1, sizeof *type);
	const char *allowed[4];
	size_t count = 0;

	if (type == NULL)
		return NULL;
	type->kind = DRAFT_BUILTIN;
	type->builtin = cedar_type_simple(CEDAR_TYPE_RECORD);
	type->offset = json->offset;
	if (!is_kind(reading, json, CEDAR_JSON_OBJECT, "type"))
		return type;
	check_members(reading, json, known, "type");
	check_annotations(reading, json);
	if (!attribute && cedar_json_get(json, "required") != NULL)
		complain(reading, "required는 속성에만 씁니다", "required belongs to attributes only");
	if (word == NULL || word->kind != CEDAR_JSON_STRING) {
		complain(reading, "형에 type이 없습니다", "a type needs \"type\"");
		return type;
	}
	if (slice_is(word->as.string, "Set")) {
		const struct cedar_json *element = cedar_json_get(json, "element");

		allowed[count++] = "element";
		type->kind = DRAFT_SET;
		if (element == NULL)
			complain(reading, "Set에 element가 없습니다", "a Set needs an element");
		else
			type->element = read_type(reading, element, false);
	} else if (slice_is(word->as.string, "Record")) {
		allowed[count++] = "attributes";
		allowed[count++] = "additionalAttributes";
		read_record(reading, json, type);
	} else if (slice_is(word->as.string, "Entity")) {
		allowed[count++] = "name";
		read_named(reading, json, type, DRAFT_ENTITY_NAME);
	} else if (slice_is(word->as.string, "EntityOrCommon")) {
		allowed[count++] = "name";
		read_named(reading, json, type, DRAFT_NAME);
	} else if (slice_is(word->as.string, "Extension")) {
		static const struct {
			const char *name;
			enum cedar_type_kind kind;
		} extensions[] = {
		    {"ipaddr",   CEDAR_TYPE_IP      },
		    {"decimal",  CEDAR_TYPE_DECIMAL },
		    {"datetime", CEDAR_TYPE_DATETIME},
		    {"duration", CEDAR_TYPE_DURATION}
                };
		bool found = false;

		allowed[count++] = "name";
		read_named(reading, json, type, DRAFT_BUILTIN);
		for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
			if (!slice_is(cedar_string_slice(&type->name), extensions[i].name))
				continue;
			type->builtin = cedar_type_simple(extensions[i].kind);
			found = true;
		}
		if (!found)
			complain(reading, "확장형 '%.*s'은(는) 없습니다", "there is no extension type '%.*s'",
			         (int)type->name.size, type->name.data);
	} else {
		type->kind = DRAFT_COMMON_NAME;
		for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
			if (!slice_is(word->as.string, builtin[i].name))
				continue;
			type->kind = DRAFT_BUILTIN;
			type->builtin = cedar_type_simple(builtin[i].kind);
		}
		if (type->kind == DRAFT_COMMON_NAME)
			type->name = type_name_of(reading, word->as.string);
	}
	for (size_t i = 1; i < 5;
	     i++) { /* element, attributes, additionalAttributes, name: each has its type */
		bool fine = cedar_json_get(json, known[i]) == NULL;

		for (size_t j = 0; j < count && !fine; j++)
			fine = slice_is(slice_string(known[i]), allowed[j]);
		if (!fine)
			complain(reading, "%.*s형에는 %s이(가) 없습니다", "a type %.*s has no %s",
			         SLICE_PRINT(word->as.string), known[i]);
	}
	return type;
}

/* ---- declarations ---------------------------------------------------------------------------------------------- */

static void
read_enumeration(struct json_reading *reading, const struct cedar_json *list, struct draft_entity *entity)
{
	struct cedar_string *ids;

	entity->enumerated = true;
	if (!is_kind(reading, list, CEDAR_JSON_ARRAY, "enum") ||
	    (ids = take(reading, list->count, sizeof *ids)) == NULL)
		return;
	if (list->count == 0)
		complain(reading, "enum이 비어 있습니다", "enum is empty");
	for (uint32_t i = 0; i < list->count; i++)
		if (is_kind(reading, &list->as.items[i], CEDAR_JSON_STRING, "enum"))
			ids[entity->id_count++] = cedar_string_of(list->as.items[i].as.string);
	entity->ids = ids;
}

static void
read_entity(struct json_reading *reading, const struct cedar_json *json)
{
	static const char *const plain[] = {"memberOfTypes", "shape", "tags", "annotations", NULL};
	static const char *const enumerated[] = {"enum", "annotations", NULL};
	struct schema_draft *draft = reading->draft;
	struct draft_entity entity = {.namespace = reading->namespace};
	const struct cedar_json *ids = cedar_json_get(json, "enum"), *shape = cedar_json_get(json, "shape"),
	                        *tags = cedar_json_get(json, "tags");

	reading->offset = entity.name.offset = json->offset;
	entity.name.name = name_of(reading, json->name, false);
	if (!is_kind(reading, json, CEDAR_JSON_OBJECT, "entityTypes"))
		return;
	check_annotations(reading, json);
	check_members(reading, json, ids != NULL ? enumerated : plain, "entityTypes");
	if (ids != NULL)
		read_enumeration(reading, ids, &entity);
	entity.parents =
	    names_of(reading, cedar_json_get(json, "memberOfTypes"), &entity.parent_count, "memberOfTypes");
	if (shape != NULL)
		entity.shape = read_type(reading, shape, false);
	if (tags != NULL)
		entity.tags = read_type(reading, tags, false);
	if (!schema_grow(draft->arena, &draft->entities, draft->entity_count, &draft->entity_capacity,
	                 sizeof *draft->entities))
		reading->memory = true;
	else
		draft->entities[draft->entity_count++] = entity;
}

static void
read_groups(struct json_reading *reading, const struct cedar_json *list, struct draft_action *action)
{
	static const char *const known[] = {"id", "type", NULL};
	struct draft_reference *references;

	if (list == NULL || list->kind == CEDAR_JSON_NULL ||
	    !is_kind(reading, list, CEDAR_JSON_ARRAY, "memberOf") ||
	    (references = take(reading, list->count, sizeof *references)) == NULL)
		return;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct cedar_json *item = &list->as.items[i];
		const struct cedar_json *id = cedar_json_get(item, "id"),
		                        *type = cedar_json_get(item, "type");
		struct draft_reference *reference = &references[action->parent_count];

		if (!is_kind(reading, item, CEDAR_JSON_OBJECT, "memberOf"))
			continue;
		check_members(reading, item, known, "memberOf");
		if (id == NULL || id->kind != CEDAR_JSON_STRING) {
			complain(reading, "memberOf에 id가 없습니다", "memberOf needs an id");
			continue;
		}
		reference->id = cedar_string_of(id->as.string);
		if (type != NULL && type->kind != CEDAR_JSON_NULL &&
		    is_kind(reading, type, CEDAR_JSON_STRING, "type")) {
			reference->typed = true;
			reference->type = name_of(reading, type->as.string, true);
		}
		action->parent_count++;
	}
	action->parents = references;
}

static void
read_applies_to(struct json_reading *reading, const struct cedar_json *json, struct draft_action *action)
{
	static const char *const known[] = {"principalTypes", "resourceTypes", "context", NULL};
	const struct cedar_json *context = cedar_json_get(json, "context");

	if (!is_kind(reading, json, CEDAR_JSON_OBJECT, "appliesTo"))
		return;
	check_members(reading, json, known, "appliesTo");
	if (cedar_json_get(json, "principalTypes") == NULL || cedar_json_get(json, "resourceTypes") == NULL)
		complain(reading, "appliesTo에는 principalTypes와 resourceTypes가 있어야 합니다",
		         "appliesTo needs principalTypes and resourceTypes");
	action->applies = true;
	action->principals = names_of(reading, cedar_json_get(json, "principalTypes"),
	                              &action->principal_count, "principalTypes");
	action->resources = names_of(reading, cedar_json_get(json, "resourceTypes"), &action->resource_count,
	                             "resourceTypes");
	if (context != NULL)
		action->context = read_type(reading, context, false);
}

static void
read_action(struct json_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"memberOf", "appliesTo", "attributes", "annotations", NULL};
	struct schema_draft *draft = reading->draft;
	struct draft_action action = {.namespace = reading->namespace};
	const struct cedar_json *applies = cedar_json_get(json, "appliesTo"),
	                        *attributes = cedar_json_get(json, "attributes");

	action.id.offset = json->offset;
	action.id.name = cedar_string_of(json->name);
	if (!is_kind(reading, json, CEDAR_JSON_OBJECT, "actions"))
		return;
	check_members(reading, json, known, "actions");
	check_annotations(reading, json);
	if (attributes != NULL && attributes->kind != CEDAR_JSON_NULL)
		complain(reading, "행위에는 속성이 없습니다", "actions have no attributes");
	read_groups(reading, cedar_json_get(json, "memberOf"), &action);
	if (applies != NULL && applies->kind != CEDAR_JSON_NULL)
		read_applies_to(reading, applies, &action);
	if (!schema_grow(draft->arena, &draft->actions, draft->action_count, &draft->action_capacity,
	                 sizeof *draft->actions))
		reading->memory = true;
	else
		draft->actions[draft->action_count++] = action;
}

static void
read_common(struct json_reading *reading, const struct cedar_json *json)
{
	struct schema_draft *draft = reading->draft;
	struct draft_common common = {.namespace = reading->namespace};

	reading->offset = common.name.offset = json->offset;
	common.name.name = name_of(reading, json->name, false);
	common.type = read_type(reading, json, false);
	if (!schema_grow(draft->arena, &draft->commons, draft->common_count, &draft->common_capacity,
	                 sizeof *draft->commons))
		reading->memory = true;
	else
		draft->commons[draft->common_count++] = common;
}

static void
read_namespace(struct json_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"entityTypes", "actions", "commonTypes", "annotations", NULL};
	static const struct {
		const char *name;
		void (*read)(struct json_reading *reading, const struct cedar_json *json);
		bool required;
	} parts[] = {
	    {"commonTypes", read_common, false},
	    {"entityTypes", read_entity, true },
	    {"actions",     read_action, true }
        };

	const struct cedar_json *annotations = cedar_json_get(json, "annotations");

	reading->namespace = cedar_string_of(json->name);
	reading->offset = json->offset;
	if (json->name.size > 0)
		name_of(reading, json->name, true);
	if (!is_kind(reading, json, CEDAR_JSON_OBJECT, "namespace"))
		return;
	check_members(reading, json, known, "namespace");
	check_annotations(reading, json);
	if (json->name.size == 0 && annotations != NULL && annotations->count > 0)
		complain(reading, "빈 이름공간에는 주석을 달 수 없습니다",
		         "the empty namespace takes no annotations");
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		const struct cedar_json *part = cedar_json_get(json, parts[i].name);

		if (part == NULL && parts[i].required)
			complain(reading, "이름공간에 %s이(가) 없습니다", "a namespace needs %s",
			         parts[i].name);
		if (part == NULL || !is_kind(reading, part, CEDAR_JSON_OBJECT, parts[i].name))
			continue;
		for (uint32_t j = 0; j < part->count && !reading->memory; j++)
			parts[i].read(reading, &part->as.items[j]);
	}
}

bool
schema_read_json(struct schema_draft *draft)
{
	struct json_reading reading = {.draft = draft};
	const struct cedar_json *json;
	struct fault why;

	if (cedar_json_read(&json, draft->arena, draft->source->text, CEDAR_JSON_DEPTH, &why) == -1) {
		if (why.kind == FAULT_MEMORY)
			return false;
		complain(&reading, "%s%.0s", "%.0s%s", why.ko, why.en);
		return true;
	}
	if (!is_kind(&reading, json, CEDAR_JSON_OBJECT, "schema"))
		return true;
	for (uint32_t i = 0; i < json->count && !reading.memory; i++)
		read_namespace(&reading, &json->as.items[i]);
	return !reading.memory;
}
