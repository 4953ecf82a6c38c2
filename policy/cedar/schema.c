#include "policy/cedar/schema.h"

#include <string.h>

#define ARENA_LIMIT ((size_t)1 << 30)

/* ---- parsing --------------------------------------------------------------------------------------------------- */

/* No declaration begins with '{': a schema that does is JSON. */
static bool
looks_like_json(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] != ' ' && text.data[i] != '\t' && text.data[i] != '\n' &&
		    text.data[i] != '\r')
			return text.data[i] == '{';
	return false;
}

static bool
read_source(struct schema_draft *draft)
{
	struct slice text = draft->source->text;

	if (text.size > CEDAR_TEXT_LIMIT)
		cedar_complain(draft->notes, CEDAR_ERROR, draft->source, 0, NULL, NULL,
		               "스키마가 너무 큽니다 (한도 %zu바이트)",
		               "the schema is too large (limit %zu bytes)", CEDAR_TEXT_LIMIT);
	else if (!utf8_valid(text))
		cedar_complain(draft->notes, CEDAR_ERROR, draft->source, 0, "파일을 UTF-8로 저장하십시오",
		               "save the file as UTF-8", "UTF-8이 아닙니다", "this is not UTF-8");
	else
		return looks_like_json(text) ? schema_read_json(draft) : schema_read_text(draft);
	return true;
}

static int
parse_into(struct cedar_schema **out, struct arena *arena, struct cedar_source source,
           struct cedar_notes *notes, struct fault *why)
{
	struct cedar_schema *schema = arena_alloc(arena, sizeof *schema);
	struct cedar_text_source text;
	struct schema_draft draft = {.arena = arena, .source = &text, .notes = notes};

	text.name = arena_string(arena, source.name == NULL ? "" : source.name);
	text.text = arena_slice(arena, source.text);
	if (schema == NULL || !arena_ok(arena) || !read_source(&draft))
		return fault_memory(why);
	if (notes->errors == 0 && !schema_resolve(&draft, schema))
		return fault_memory(why);
	if (notes->errors > 0)
		return cedar_notes_tell(notes, why);
	schema->arena = arena;
	*out = schema;
	return 0;
}

int
cedar_schema_parse(struct cedar_schema **out, struct cedar_source source, struct cedar_notes *notes,
                   struct fault *why)
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct arena *own = notes == NULL || notes->arena == NULL ? arena_new((size_t)1 << 20) : NULL;
	struct cedar_notes kept = {.arena = own};
	size_t before;
	int result = -1;

	*out = NULL;
	if (own != NULL)
		notes = &kept;
	if (arena == NULL || notes == NULL || notes->arena == NULL) {
		fault_memory(why);
		goto out;
	}
	before = notes->errors;
	notes->errors = 0;
	result = parse_into(out, arena, source, notes, why);
	notes->errors += before;
	if (result == 0)
		arena = NULL; /* the schema's now */
out:
	arena_free(arena);
	arena_free(own);
	return result;
}

void
cedar_schema_free(struct cedar_schema *schema)
{
	if (schema != NULL)
		arena_free(schema->arena);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

const struct cedar_entity_type *
cedar_schema_entity(const struct cedar_schema *schema, const struct cedar_string *name)
{
	size_t low = 0, high = schema->entity_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = cedar_string_order(&schema->entities[middle]->name, name);

		if (order == 0)
			return schema->entities[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct cedar_action_type *
cedar_schema_action(const struct cedar_schema *schema, const struct cedar_uid *uid)
{
	size_t low = 0, high = schema->action_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = cedar_uid_order(schema->actions[middle]->uid, uid);

		if (order == 0)
			return schema->actions[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
cedar_entity_type_under(const struct cedar_entity_type *type, const struct cedar_entity_type *above)
{
	return type == above || (type->above[above->number / 64] >> (above->number % 64) & 1) != 0;
}

bool
cedar_entity_type_allows(const struct cedar_entity_type *type, const struct cedar_string *id)
{
	size_t low = 0, high = type->id_count;

	if (type->ids == NULL)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = cedar_string_order(&type->ids[middle], id);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

const struct cedar_attribute *
cedar_type_attribute(const struct cedar_type *record, const struct cedar_string *name)
{
	size_t low = 0, high = record->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = cedar_string_order(&record->attributes[middle].name, name);

		if (order == 0)
			return &record->attributes[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

const struct cedar_type *
cedar_type_builtin(const struct cedar_string *name)
{
	static const struct {
		const char *name;
		enum cedar_type_kind kind;
	} builtin[] = {
	    {"Long",     CEDAR_TYPE_LONG    },
            {"String",   CEDAR_TYPE_STRING  },
	    {"Bool",     CEDAR_TYPE_BOOL    },
            {"ipaddr",   CEDAR_TYPE_IP      },
	    {"decimal",  CEDAR_TYPE_DECIMAL },
            {"datetime", CEDAR_TYPE_DATETIME},
	    {"duration", CEDAR_TYPE_DURATION}
        };
	struct slice text = cedar_string_slice(name);

	if (text.size > 9 && memcmp(text.data, "__cedar::", 9) == 0)
		text = slice_of(text.data + 9, text.size - 9);
	for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
		if (slice_is(text, builtin[i].name))
			return cedar_type_simple(builtin[i].kind);
	return NULL;
}

void
cedar_type_write(struct buffer *out, const struct cedar_type *type)
{
	static const char *const names[] = {
	    [CEDAR_TYPE_NEVER] = "?",          [CEDAR_TYPE_BOOL] = "Bool", [CEDAR_TYPE_TRUE] = "Bool",
	    [CEDAR_TYPE_FALSE] = "Bool",       [CEDAR_TYPE_LONG] = "Long", [CEDAR_TYPE_STRING] = "String",
	    [CEDAR_TYPE_DECIMAL] = "decimal",  [CEDAR_TYPE_IP] = "ipaddr", [CEDAR_TYPE_DATETIME] = "datetime",
	    [CEDAR_TYPE_DURATION] = "duration"};

	switch (type->kind) {
	case CEDAR_TYPE_ENTITY:
		buffer_slice(out, cedar_string_slice(&type->entity->name));
		break;
	case CEDAR_TYPE_SET:
		buffer_string(out, "Set<");
		cedar_type_write(out, type->element);
		buffer_byte(out, '>');
		break;
	case CEDAR_TYPE_RECORD:
		buffer_byte(out, '{');
		for (uint32_t i = 0; i < type->count && out->size < 200; i++) {
			buffer_string(out, i > 0 ? ", " : "");
			buffer_slice(out, cedar_string_slice(&type->attributes[i].name));
			buffer_string(out, type->attributes[i].required ? ": " : "?: ");
			cedar_type_write(out, type->attributes[i].type);
		}
		buffer_byte(out, '}');
		break;
	default:
		buffer_string(out, names[type->kind]);
		break;
	}
}

static bool
entity_fits(const struct cedar_schema *schema, const struct cedar_type *type, const struct cedar_uid *uid)
{
	if (!cedar_string_equal(&uid->type, &type->entity->name))
		return false;
	if (type->entity->action)
		return cedar_schema_action(schema, uid) != NULL;
	return cedar_entity_type_allows(type->entity, &uid->id);
}

static bool
record_fits(const struct cedar_schema *schema, const struct cedar_type *type,
            const struct cedar_record *record, struct cedar_string *path)
{
	for (uint32_t i = 0; i < record->count; i++) {
		const struct cedar_attribute *attribute = cedar_type_attribute(type, &record->fields[i].name);

		if (attribute == NULL ||
		    !cedar_type_fits(schema, attribute->type, record->fields[i].value, NULL)) {
			if (path != NULL)
				*path = record->fields[i].name;
			return false;
		}
	}
	for (uint32_t i = 0; i < type->count; i++) {
		if (type->attributes[i].required &&
		    cedar_record_field(record, &type->attributes[i].name) == NULL) {
			if (path != NULL)
				*path = type->attributes[i].name;
			return false;
		}
	}
	return true;
}

bool
cedar_type_fits(const struct cedar_schema *schema, const struct cedar_type *type, struct cedar_value value,
                struct cedar_string *path)
{
	switch (type->kind) {
	case CEDAR_TYPE_NEVER:
		return false;
	case CEDAR_TYPE_BOOL:
	case CEDAR_TYPE_TRUE:
	case CEDAR_TYPE_FALSE:
		return value.kind == CEDAR_BOOL;
	case CEDAR_TYPE_LONG:
		return value.kind == CEDAR_LONG;
	case CEDAR_TYPE_STRING:
		return value.kind == CEDAR_STRING;
	case CEDAR_TYPE_ENTITY:
		return value.kind == CEDAR_ENTITY && entity_fits(schema, type, value.as.entity);
	case CEDAR_TYPE_SET:
		if (value.kind != CEDAR_SET)
			return false;
		for (uint32_t i = 0; i < value.as.set->count; i++)
			if (!cedar_type_fits(schema, type->element, value.as.set->items[i], NULL))
				return false;
		return true;
	case CEDAR_TYPE_RECORD:
		return value.kind == CEDAR_RECORD && record_fits(schema, type, value.as.record, path);
	case CEDAR_TYPE_DECIMAL:
		return value.kind == CEDAR_DECIMAL;
	case CEDAR_TYPE_IP:
		return value.kind == CEDAR_IP;
	case CEDAR_TYPE_DATETIME:
		return value.kind == CEDAR_DATETIME;
	case CEDAR_TYPE_DURATION:
		return value.kind == CEDAR_DURATION;
	}
	return false;
}
