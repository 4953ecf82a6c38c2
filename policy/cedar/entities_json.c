/*
 * Values, entities and requests from JSON. With a schema a value is read by its type, so that what the type says need
 * not be written again: a text is an address, {"type","id"} an entity.
 */
#include "policy/cedar/cedar_json.h"
#include "policy/cedar/schema.h"

struct value_reading {
	struct arena *arena;
	const struct cedar_schema *schema; /* or NULL */
	struct fault *why;
};

static int read_value(struct value_reading *reading, const struct cedar_json *json,
                      const struct cedar_type *type, struct cedar_value *value);

static int
refuse(struct value_reading *reading, const char *wanted_ko, const char *wanted_en,
       const struct cedar_json *json)
{
	return fault_set(reading->why, FAULT_INVALID, "%s%.0s이(가) 와야 하는데 %s입니다",
	                 "wanted %.0s%s, not %s", wanted_ko, wanted_en, cedar_json_kind_name(json));
}

/* ---- entities' names ------------------------------------------------------------------------------------------- */

static int
refuse_expression(struct value_reading *reading)
{
	return fault_set(reading->why, FAULT_UNSUPPORTED, "__expr은(는) 쓸 수 없습니다",
	                 "__expr is not supported");
}

/* {"type","id"} or {"__entity":{"type","id"}} */
static int
read_uid(struct value_reading *reading, const struct cedar_json *json, const struct cedar_uid **uid)
{
	const struct cedar_json *wrapped = cedar_json_get(json, "__entity");
	struct slice type;

	if (cedar_json_is_expression(json))
		return refuse_expression(reading);
	if (cedar_json_is_uid(wrapped))
		json = wrapped;
	if (!cedar_json_is_uid(json))
		return refuse(reading, "{\"type\",\"id\"} 꼴의 개체 이름", "an entity as {\"type\",\"id\"}",
		              json);
	type = cedar_json_get(json, "type")->as.string;
	if (!cedar_name_valid(type, true))
		return fault_set(reading->why, FAULT_INVALID, "'%.*s'은(는) 개체 종류의 이름이 아닙니다",
		                 "'%.*s' is no name of an entity type", SLICE_PRINT(type));
	*uid = cedar_uid(reading->arena, type, cedar_json_get(json, "id")->as.string);
	return *uid == NULL ? fault_memory(reading->why) : 0;
}

/* ---- extension values ------------------------------------------------------------------------------------------ */

static int
call(struct value_reading *reading, struct slice name, const struct cedar_value *arguments, size_t count,
     struct cedar_value *value)
{
	enum cedar_function function = cedar_function_find(name);
	enum cedar_failure failure;

	if (function == CEDAR_FUNCTIONS)
		return fault_set(reading->why, FAULT_INVALID, "'%.*s'이라는 함수는 없습니다",
		                 "there is no function '%.*s'", SLICE_PRINT(name));
	*value = cedar_function_call(function, arguments, count, reading->arena, &failure);
	if (value->kind != CEDAR_NONE)
		return 0;
	if (failure == CEDAR_FAILURE_MEMORY)
		return fault_memory(reading->why);
	if (cedar_signature(function)->form_ko != NULL)
		return fault_set(reading->why, FAULT_INVALID, "%s(…)이(가) 읽을 수 없는 글입니다 (%s%.0s)",
		                 "%s(…) cannot read this text (%.0s%s)", cedar_signature(function)->name,
		                 cedar_signature(function)->form_ko, cedar_signature(function)->form_en);
	return fault_set(reading->why, FAULT_INVALID, "%.*s(…)의 인수가 맞지 않습니다",
	                 "the arguments of %.*s(…) are wrong", SLICE_PRINT(name));
}

/* The type that an argument of a function has; NULL for a text, which is read as it is. */
static const struct cedar_type *
argument_type(enum cedar_function function, uint32_t i)
{
	static const enum cedar_type_kind kinds[] = {[CEDAR_DECIMAL] = CEDAR_TYPE_DECIMAL,
	                                             [CEDAR_IP] = CEDAR_TYPE_IP,
	                                             [CEDAR_DATETIME] = CEDAR_TYPE_DATETIME,
	                                             [CEDAR_DURATION] = CEDAR_TYPE_DURATION};
	enum cedar_kind kind;

	if (function == CEDAR_FUNCTIONS || i >= cedar_signature(function)->arity)
		return NULL;
	kind = cedar_signature(function)->arguments[i];
	return kind == CEDAR_DECIMAL || kind == CEDAR_IP || kind == CEDAR_DATETIME || kind == CEDAR_DURATION
	           ? cedar_type_simple(kinds[kind])
	           : NULL;
}

/*
 * {"fn","arg"} or {"fn","args":[…]}, as cedar_json_is_call() found it. `typed`: an extension value must come of it, so
 * that arguments may be written by their types too.
 */
static int
read_call(struct value_reading *reading, const struct cedar_json *json, bool typed, struct cedar_value *value)
{
	const struct cedar_json *list = cedar_json_get(json, "args"), *one = cedar_json_get(json, "arg");
	struct slice name = cedar_json_get(json, "fn")->as.string;
	enum cedar_function function = typed ? cedar_function_find(name) : CEDAR_FUNCTIONS;
	struct cedar_value *arguments;
	uint32_t count = one != NULL ? 1 : list->count;

	if ((arguments = arena_array(reading->arena, (size_t)count + 1, sizeof *arguments)) == NULL)
		return fault_memory(reading->why);
	for (uint32_t i = 0; i < count; i++)
		if (read_value(reading, one != NULL ? one : &list->as.items[i], argument_type(function, i),
		               &arguments[i]) == -1)
			return -1;
	return call(reading, name, arguments, count, value);
}

/* Where the type says which: "1.2.3.4", {"fn","arg"} or {"__extn":{"fn","arg"}} */
static int
read_extension(struct value_reading *reading, const struct cedar_json *json, const struct cedar_type *type,
               struct cedar_value *value)
{
	const struct cedar_json *wrapped = cedar_json_get(json, "__extn");
	struct cedar_value text;
	const char *name = type->kind == CEDAR_TYPE_DECIMAL    ? "decimal"
	                   : type->kind == CEDAR_TYPE_IP       ? "ip"
	                   : type->kind == CEDAR_TYPE_DATETIME ? "datetime"
	                                                       : "duration";

	if (cedar_json_is_expression(json))
		return refuse_expression(reading);
	if (cedar_json_is_call(wrapped))
		return read_call(reading, wrapped, true, value);
	if (cedar_json_is_call(json))
		return read_call(reading, json, true, value);
	if (json->kind != CEDAR_JSON_STRING)
		return refuse(reading, "글로 적은 값", "a value written as text", json);
	text = cedar_string(reading->arena, json->as.string);
	return call(reading, slice_string(name), &text, 1, value);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static int
read_set(struct value_reading *reading, const struct cedar_json *json, const struct cedar_type *element,
         struct cedar_value *value)
{
	struct cedar_value *items = arena_array(reading->arena, (size_t)json->count + 1, sizeof *items);

	if (items == NULL)
		return fault_memory(reading->why);
	for (uint32_t i = 0; i < json->count; i++)
		if (read_value(reading, &json->as.items[i], element, &items[i]) == -1)
			return -1;
	*value = cedar_set_take(reading->arena, items, json->count);
	return value->kind == CEDAR_NONE ? fault_memory(reading->why) : 0;
}

static int
read_record(struct value_reading *reading, const struct cedar_json *json, const struct cedar_type *type,
            struct cedar_value *value)
{
	struct cedar_field *fields = arena_array(reading->arena, (size_t)json->count + 1, sizeof *fields);

	if (fields == NULL)
		return fault_memory(reading->why);
	for (uint32_t i = 0; i < json->count; i++) {
		const struct cedar_json *item = &json->as.items[i];
		const struct cedar_attribute *attribute = NULL;

		fields[i].name = cedar_string_of(item->name);
		if (type != NULL && (attribute = cedar_type_attribute(type, &fields[i].name)) == NULL)
			return fault_set(reading->why, FAULT_INVALID, "스키마에 없는 속성입니다: '%.*s'",
			                 "attribute '%.*s' is not in the schema", SLICE_PRINT(item->name));
		if (read_value(reading, item, attribute != NULL ? attribute->type : NULL, &fields[i].value) ==
		    -1)
			return fault_prefix(reading->why, "'%.*s'", "'%.*s'", SLICE_PRINT(item->name));
	}
	*value = cedar_record_take(reading->arena, fields, json->count);
	if (value->kind == CEDAR_NONE)
		return fault_memory(reading->why);
	for (uint32_t i = 0; type != NULL && i < type->count;
	     i++) /* also where the whole is not checked later */
		if (type->attributes[i].required &&
		    cedar_record_field(value->as.record, &type->attributes[i].name) == NULL)
			return fault_set(reading->why, FAULT_INVALID, "있어야 할 속성이 없습니다: '%.*s'",
			                 "attribute '%.*s' is missing", (int)type->attributes[i].name.size,
			                 type->attributes[i].name.data);
	return 0;
}

static int
read_untyped(struct value_reading *reading, const struct cedar_json *json, struct cedar_value *value)
{
	const struct cedar_uid *uid;

	switch (json->kind) {
	case CEDAR_JSON_BOOL:
		*value = cedar_bool(json->as.boolean);
		return 0;
	case CEDAR_JSON_INTEGER:
		*value = cedar_long(json->as.integer);
		return 0;
	case CEDAR_JSON_STRING:
		*value = cedar_string(reading->arena, json->as.string);
		return value->kind == CEDAR_NONE ? fault_memory(reading->why) : 0;
	case CEDAR_JSON_ARRAY:
		return read_set(reading, json, NULL, value);
	case CEDAR_JSON_OBJECT:
		switch (cedar_json_escape_of(json)) {
		case CEDAR_JSON_EXPRESSION:
			return refuse_expression(reading);
		case CEDAR_JSON_ENTITY:
			if (read_uid(reading, json, &uid) == -1)
				return -1;
			*value = cedar_entity(uid);
			return 0;
		case CEDAR_JSON_EXTENSION:
			return read_call(reading, cedar_json_get(json, "__extn"), false, value);
		case CEDAR_JSON_PLAIN:
			break;
		}
		return read_record(reading, json, NULL, value);
	case CEDAR_JSON_NULL:
	case CEDAR_JSON_NUMBER:
		break;
	}
	return refuse(reading, "Cedar의 값", "a value of Cedar's", json);
}

static int
read_value(struct value_reading *reading, const struct cedar_json *json, const struct cedar_type *type,
           struct cedar_value *value)
{
	const struct cedar_uid *uid;

	if (type == NULL)
		return read_untyped(reading, json, value);
	switch (type->kind) {
	case CEDAR_TYPE_ENTITY:
		if (read_uid(reading, json, &uid) == -1)
			return -1;
		*value = cedar_entity(uid);
		return 0;
	case CEDAR_TYPE_DECIMAL:
	case CEDAR_TYPE_IP:
	case CEDAR_TYPE_DATETIME:
	case CEDAR_TYPE_DURATION:
		return read_extension(reading, json, type, value);
	case CEDAR_TYPE_SET:
		if (json->kind != CEDAR_JSON_ARRAY)
			return refuse(reading, "배열", "an array", json);
		return read_set(reading, json, type->element, value);
	case CEDAR_TYPE_RECORD:
		if (json->kind != CEDAR_JSON_OBJECT)
			return refuse(reading, "객체", "an object", json);
		return read_record(reading, json, type, value);
	default:
		return read_untyped(reading, json, value);
	}
}

/* ---- entities -------------------------------------------------------------------------------------------------- */

static int
read_tags(struct value_reading *reading, const struct cedar_json *json, const struct cedar_type *type,
          struct cedar_value *value)
{
	struct cedar_field *fields;

	if (json->kind != CEDAR_JSON_OBJECT)
		return refuse(reading, "tags 객체", "an object of tags", json);
	if ((fields = arena_array(reading->arena, (size_t)json->count + 1, sizeof *fields)) == NULL)
		return fault_memory(reading->why);
	for (uint32_t i = 0; i < json->count; i++) {
		fields[i].name = cedar_string_of(json->as.items[i].name);
		if (read_value(reading, &json->as.items[i], type, &fields[i].value) == -1)
			return -1;
	}
	*value = cedar_record_take(reading->arena, fields, json->count);
	return value->kind == CEDAR_NONE ? fault_memory(reading->why) : 0;
}

static int
read_parents(struct value_reading *reading, const struct cedar_json *json, const struct cedar_uid *of,
             const struct cedar_uid ***parents)
{
	if (json->kind != CEDAR_JSON_ARRAY)
		return refuse(reading, "parents 배열", "an array of parents", json);
	if ((*parents = arena_array(reading->arena, (size_t)json->count + 1, sizeof **parents)) == NULL)
		return fault_memory(reading->why);
	for (uint32_t i = 0; i < json->count; i++) {
		if (read_uid(reading, &json->as.items[i], &(*parents)[i]) == -1)
			return -1;
		if (cedar_type_is_action(&of->type) && !cedar_type_is_action(&(*parents)[i]->type))
			return fault_set(reading->why, FAULT_INVALID, "행위의 상위는 행위여야 합니다",
			                 "the parents of an action must be actions");
	}
	return 0;
}

static int
read_entity(struct value_reading *reading, const struct cedar_json *json, struct cedar_entities *entities)
{
	const struct cedar_json *uid_json = cedar_json_get(json, "uid"),
	                        *attrs_json = cedar_json_get(json, "attrs");
	const struct cedar_json *parents_json = cedar_json_get(json, "parents"),
	                        *tags_json = cedar_json_get(json, "tags");
	const struct cedar_entity_type *type = NULL;
	const struct cedar_uid *uid, **parents = NULL;
	struct cedar_value attrs, tags = {CEDAR_NONE, {false}};

	if (uid_json == NULL || attrs_json == NULL || parents_json == NULL)
		return fault_set(reading->why, FAULT_INVALID, "개체마다 uid, attrs, parents가 있어야 합니다",
		                 "every entity needs uid, attrs and parents");
	if (read_uid(reading, uid_json, &uid) == -1)
		return -1;
	if (reading->schema != NULL && (type = cedar_schema_entity(reading->schema, &uid->type)) == NULL)
		return fault_set(reading->why, FAULT_INVALID, "개체 종류 '%.*s'이(가) 스키마에 없습니다",
		                 "entity type '%.*s' is not in the schema", (int)uid->type.size,
		                 uid->type.data);
	if (attrs_json->kind != CEDAR_JSON_OBJECT)
		return refuse(reading, "attrs 객체", "an object of attrs", attrs_json);
	if (read_record(reading, attrs_json, type != NULL ? type->shape : NULL, &attrs) == -1 ||
	    (tags_json != NULL &&
	     read_tags(reading, tags_json, type != NULL ? type->tags : NULL, &tags) == -1) ||
	    read_parents(reading, parents_json, uid, &parents) == -1)
		return fault_prefix(reading->why, "%.*s::\"%.*s\"", "%.*s::\"%.*s\"", (int)uid->type.size,
		                    uid->type.data, (int)uid->id.size, uid->id.data);
	return cedar_entities_add(entities, uid, attrs, tags, parents, parents_json->count, reading->why);
}

int
cedar_entities_from(struct cedar_entities **out, struct arena *arena, const struct cedar_json *json,
                    const struct cedar_schema *schema, struct fault *why)
{
	struct value_reading reading = {arena, schema, why};
	struct cedar_entities *entities = cedar_entities_new(arena, NULL);

	*out = NULL;
	if (entities == NULL)
		return fault_memory(why);
	if (json->kind != CEDAR_JSON_ARRAY)
		return refuse(&reading, "개체의 배열", "an array of entities", json);
	for (uint32_t i = 0; i < json->count; i++)
		if (read_entity(&reading, &json->as.items[i], entities) == -1)
			return -1;
	if (cedar_entities_seal(entities, why) == -1)
		return -1;
	if (schema != NULL) {
		/* The file's actions were closed and compared alone; the schema's stand below. */
		if (cedar_entities_check(schema, entities, why) == -1)
			return -1;
		entities->base = schema->action_store;
	}
	*out = entities;
	return 0;
}

int
cedar_entities_read(struct cedar_entities **out, struct arena *arena, struct slice text,
                    const struct cedar_schema *schema, struct fault *why)
{
	const struct cedar_json *json;

	*out = NULL;
	if (cedar_json_read(&json, arena, text, CEDAR_JSON_DEPTH, why) == -1)
		return -1;
	return cedar_entities_from(out, arena, json, schema, why);
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static int
read_actor(struct value_reading *reading, const struct cedar_json *request, const char *name,
           const struct cedar_uid **uid)
{
	const struct cedar_json *json = cedar_json_get(request, name);

	if (json == NULL)
		return fault_set(reading->why, FAULT_INVALID, "요청에 %s이(가) 없습니다",
		                 "the request lacks %s", name);
	if (json->kind != CEDAR_JSON_STRING) {
		if (read_uid(reading, json, uid) == -1)
			return fault_prefix(reading->why, "%s", "%s", name);
		return 0;
	}
	if (cedar_uid_read(reading->arena, json->as.string, uid))
		return 0;
	return fault_set(reading->why, FAULT_INVALID, "%s: 종류::\"이름\" 꼴이 아닙니다",
	                 "%s: not of the form Type::\"id\"", name);
}

int
cedar_request_from(struct cedar_request *out, struct arena *arena, const struct cedar_json *json,
                   const struct cedar_schema *schema, bool check, struct fault *why)
{
	struct value_reading reading = {arena, schema, why};
	const struct cedar_json *context;
	const struct cedar_action_type *action = NULL;

	*out = (struct cedar_request){
	    NULL, NULL, NULL, {CEDAR_NONE, {false}}
        };
	if (read_actor(&reading, json, "principal", &out->principal) == -1 ||
	    read_actor(&reading, json, "action", &out->action) == -1 ||
	    read_actor(&reading, json, "resource", &out->resource) == -1)
		return -1;
	if (schema != NULL && (action = cedar_schema_action(schema, out->action)) == NULL)
		return fault_set(why, FAULT_INVALID, "행위 %.*s::\"%.*s\"이(가) 스키마에 없습니다",
		                 "action %.*s::\"%.*s\" is not in the schema", (int)out->action->type.size,
		                 out->action->type.data, (int)out->action->id.size, out->action->id.data);
	context = cedar_json_get(json, "context");
	if (context == NULL || context->kind == CEDAR_JSON_NULL) {
		out->context = cedar_record(arena, NULL, 0);
	} else if (context->kind != CEDAR_JSON_OBJECT) {
		return refuse(&reading, "context 객체", "an object as context", context);
	} else if (read_value(&reading, context, action != NULL ? action->context : NULL, &out->context) ==
	           -1) {
		return fault_prefix(why, "context", "context");
	}
	if (out->context.kind != CEDAR_RECORD)
		return fault_set(why, FAULT_INVALID, "context는 레코드여야 합니다",
		                 "the context must be a record");
	return schema != NULL && check ? cedar_request_check(schema, out, why) : 0;
}

int
cedar_request_read(struct cedar_request *out, struct arena *arena, struct slice text,
                   const struct cedar_schema *schema, bool check, struct fault *why)
{
	const struct cedar_json *json;

	if (cedar_json_read(&json, arena, text, CEDAR_JSON_DEPTH, why) == -1)
		return -1;
	return cedar_request_from(out, arena, json, schema, check, why);
}
