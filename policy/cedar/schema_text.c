/*
 * Schemas in the human syntax: namespaces, entities, actions, types. What names mean is schema_resolve.c's.
 */
#include "policy/cedar/parser.h"
#include "policy/cedar/schema.h"

#include <string.h>

#define NAMESPACE_LIMIT 1000

struct reading {
	struct parser parser;
	struct schema_draft *draft;
	struct cedar_string namespace;
	struct cedar_string *namespaces; /* seen: one namespace may be opened once */
	uint32_t namespace_count, namespace_capacity;
};

bool
schema_grow(struct arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
	uint32_t wanted = *capacity == 0 ? 8 : 2 * *capacity;
	void *more, *old;

	if (count < *capacity)
		return true;
	if ((more = arena_array(arena, wanted, size)) == NULL)
		return false;
	memcpy(&old, items, sizeof old);
	if (count > 0)
		memcpy(more, old, count * size);
	memcpy(items, &more, sizeof more);
	*capacity = wanted;
	return true;
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

static bool
skip_annotations(struct parser *parser)
{
	struct cedar_string *keys = NULL, value;
	uint32_t count = 0, capacity = 0;

	while (parser->token.kind == TOKEN_AT) {
		struct token key;

		parser_advance(parser);
		key = parser->token;
		if (!parser_expect(parser, TOKEN_WORD, "주석 이름", "the name of an annotation") ||
		    !parser_grow(parser, &keys, count, &capacity, sizeof *keys))
			return false;
		keys[count] = cedar_string_of(key.text);
		if (count == CEDAR_NAMES_LIMIT) {
			parser_complain(parser, key.offset, NULL, NULL, "주석이 너무 많습니다 (한도 %d)",
			                "too many annotations (limit %d)", CEDAR_NAMES_LIMIT);
			parser->lost = true;
			return false;
		}
		for (uint32_t i = 0; i < count; i++)
			if (cedar_string_equal(&keys[i], &keys[count]))
				parser_complain(parser, key.offset, "하나만 남기십시오", "keep one of them",
				                "주석 @%.*s이(가) 두 번 있습니다",
				                "annotation @%.*s is there twice", SLICE_PRINT(key.text));
		count++;
		if (parser_accept(parser, TOKEN_OPEN_ROUND) &&
		    (!parser_string(parser, &value) ||
		     !parser_expect(parser, TOKEN_CLOSE_ROUND, "')'", "')'")))
			return false;
	}
	return !parser->lost;
}

static bool
parse_path(struct parser *parser, struct draft_name *name)
{
	name->offset = parser->token.offset;
	return parser_path(parser, &name->name, NULL, NULL);
}

/* Path | '[' Path,* ']' without a last comma */
static bool
parse_paths(struct parser *parser, const struct draft_name **names, uint32_t *count, bool *listed)
{
	struct draft_name *list = NULL;
	uint32_t capacity = 0;

	*count = 0;
	*listed = parser_accept(parser, TOKEN_OPEN_SQUARE);
	if (!*listed) {
		if (!parser_grow(parser, &list, 0, &capacity, sizeof *list) || !parse_path(parser, &list[0]))
			return false;
		*names = list;
		*count = 1;
		return true;
	}
	if (parser_accept(parser, TOKEN_CLOSE_SQUARE))
		return true;
	do {
		if (!parser_grow(parser, &list, *count, &capacity, sizeof *list) ||
		    !parse_path(parser, &list[*count]))
			return false;
		++*count;
	} while (parser_accept(parser, TOKEN_COMMA));
	*names = list;
	return parser_expect(parser, TOKEN_CLOSE_SQUARE, "',' 또는 ']'", "',' or ']'");
}

/* Id | STR; of attributes and actions, where __cedar is a name like others. */
static bool
parse_id_or_string(struct parser *parser, struct draft_name *name)
{
	name->offset = parser->token.offset;
	if (parser_at_word(parser, "__cedar")) {
		name->name = cedar_string_of(parser->token.text);
		parser_advance(parser);
		return true;
	}
	if (parser->token.kind == TOKEN_STRING)
		return parser_string(parser, &name->name);
	return parser_identifier(parser, &name->name);
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

static const struct draft_type *parse_type(struct parser *parser);

/* Behind the '{', up to and with the '}'. */
static const struct draft_type *
parse_record(struct parser *parser, uint32_t offset)
{
	struct draft_attribute *list = NULL;
	uint32_t count = 0, capacity = 0;
	struct draft_type *type = arena_alloc(parser->arena, sizeof *type);

	if (type == NULL) {
		parser_no_memory(parser);
		return NULL;
	}
	while (!parser_accept(parser, TOKEN_CLOSE_CURLY)) {
		struct draft_name name;

		if (!skip_annotations(parser) || !parse_id_or_string(parser, &name) ||
		    !parser_grow(parser, &list, count, &capacity, sizeof *list))
			return NULL;
		list[count].name = name.name;
		list[count].required = !parser_accept(parser, TOKEN_QUESTION);
		if (!parser_expect(parser, TOKEN_COLON, "':' 또는 '?:'", "':' or '?:'") ||
		    (list[count].type = parse_type(parser)) == NULL)
			return NULL;
		count++;
		if (parser->token.kind != TOKEN_CLOSE_CURLY &&
		    !parser_expect(parser, TOKEN_COMMA, "',' 또는 '}'", "',' or '}'"))
			return NULL;
	}
	*type =
	    (struct draft_type){.kind = DRAFT_RECORD, .offset = offset, .count = count, .attributes = list};
	return type;
}

/* __cedar::Long and its like always mean the built-in type. The name is kept whole. */
static bool
parse_builtin(struct parser *parser, struct cedar_string *name)
{
	struct cedar_string last;
	char *whole;

	parser_advance(parser);
	parser_advance(parser);
	if (!parser_identifier(parser, &last))
		return false;
	if ((whole = arena_printf(parser->arena, "__cedar::%.*s", (int)last.size, last.data)) == NULL) {
		parser_no_memory(parser);
		return false;
	}
	*name = cedar_string_of(slice_string(whole));
	return true;
}

/* Path | 'Set' '<' Type '>' | '{' Attrs? '}' */
static const struct draft_type *
parse_type(struct parser *parser)
{
	uint32_t offset = parser->token.offset;
	struct draft_type *type;

	if (!parser_enter(parser))
		return NULL;
	if (parser_accept(parser, TOKEN_OPEN_CURLY)) {
		const struct draft_type *record = parse_record(parser, offset);

		parser_leave(parser);
		return record;
	}
	if ((type = arena_alloc(parser->arena, sizeof *type)) == NULL) {
		parser_no_memory(parser);
		return NULL;
	}
	type->offset = offset;
	if (parser_at_word(parser, "Set") && parser_behind(parser).kind == TOKEN_LESS) {
		parser_advance(parser);
		parser_advance(parser);
		type->kind = DRAFT_SET;
		if ((type->element = parse_type(parser)) == NULL ||
		    !parser_expect(parser, TOKEN_GREATER, "'>'", "'>'"))
			return NULL;
	} else if (parser_at_word(parser, "__cedar") && parser_behind(parser).kind == TOKEN_PATH) {
		if (!parse_builtin(parser, &type->name))
			return NULL;
		type->kind = DRAFT_NAME;
	} else {
		type->kind = DRAFT_NAME;
		if (!parser_path(parser, &type->name, NULL, NULL))
			return NULL;
	}
	parser_leave(parser);
	return type;
}

/* ---- declarations ---------------------------------------------------------------------------------------------- */

static bool
add_entity(struct reading *reading, const struct draft_entity *entity)
{
	struct schema_draft *draft = reading->draft;

	if (!schema_grow(draft->arena, &draft->entities, draft->entity_count, &draft->entity_capacity,
	                 sizeof *draft->entities)) {
		parser_no_memory(&reading->parser);
		return false;
	}
	draft->entities[draft->entity_count++] = *entity;
	return true;
}

/* '[' STR,+ ']' without a last comma */
static bool
parse_enumeration(struct parser *parser, struct draft_entity *entity)
{
	struct cedar_string *ids = NULL;
	uint32_t capacity = 0;

	entity->enumerated = true;
	parser_advance(parser);
	if (!parser_expect(parser, TOKEN_OPEN_SQUARE, "'['", "'['"))
		return false;
	do {
		if (!parser_grow(parser, &ids, entity->id_count, &capacity, sizeof *ids) ||
		    !parser_string(parser, &ids[entity->id_count]))
			return false;
		entity->id_count++;
	} while (parser_accept(parser, TOKEN_COMMA));
	entity->ids = ids;
	return parser_expect(parser, TOKEN_CLOSE_SQUARE, "',' 또는 ']'", "',' or ']'");
}

static bool
parse_entity_body(struct parser *parser, struct draft_entity *entity)
{
	bool listed;

	if (parser_at_word(parser, "enum"))
		return parse_enumeration(parser, entity);
	if (parser_at_word(parser, "in")) {
		parser_advance(parser);
		if (!parse_paths(parser, &entity->parents, &entity->parent_count, &listed))
			return false;
	}
	if (parser_accept(parser, TOKEN_ASSIGN) && parser->token.kind != TOKEN_OPEN_CURLY) {
		parser_unexpected(parser, "'{'", "'{'");
		return false;
	}
	if (parser->token.kind == TOKEN_OPEN_CURLY && (entity->shape = parse_type(parser)) == NULL)
		return false;
	if (parser_at_word(parser, "tags")) {
		parser_advance(parser);
		if ((entity->tags = parse_type(parser)) == NULL)
			return false;
	}
	return !parser->lost;
}

static bool
parse_entity(struct reading *reading)
{
	struct parser *parser = &reading->parser;
	struct draft_entity entity = {.namespace = reading->namespace};
	struct draft_name *names = NULL;
	uint32_t count = 0, capacity = 0;

	parser_advance(parser);
	do {
		if (!parser_grow(parser, &names, count, &capacity, sizeof *names))
			return false;
		names[count].offset = parser->token.offset;
		if (!parser_identifier(parser, &names[count++].name))
			return false;
	} while (parser_accept(parser, TOKEN_COMMA));
	if (!parse_entity_body(parser, &entity) || !parser_expect(parser, TOKEN_SEMICOLON, "';'", "';'"))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		entity.name = names[i];
		if (!add_entity(reading, &entity))
			return false;
	}
	return true;
}

/* Id | STR | Path '::' STR */
static bool
parse_reference(struct parser *parser, struct draft_reference *reference)
{
	struct cedar_string path;

	reference->offset = parser->token.offset;
	reference->typed = false;
	if (parser->token.kind == TOKEN_STRING)
		return parser_string(parser, &reference->id);
	if (!parser_path(parser, &path, &reference->id, &reference->typed))
		return false;
	if (reference->typed) {
		reference->type = path;
		return true;
	}
	if (memchr(path.data, ':', path.size) != NULL) {
		parser_unexpected(parser, "'::\"이름\"'", "'::\"id\"'");
		return false;
	}
	reference->id = path;
	return true;
}

static bool
parse_groups(struct parser *parser, struct draft_action *action)
{
	struct draft_reference *list = NULL;
	uint32_t capacity = 0;
	bool listed = parser_accept(parser, TOKEN_OPEN_SQUARE);

	do {
		if (!parser_grow(parser, &list, action->parent_count, &capacity, sizeof *list) ||
		    !parse_reference(parser, &list[action->parent_count]))
			return false;
		action->parent_count++;
		if (!listed)
			break;
	} while (parser_accept(parser, TOKEN_COMMA));
	action->parents = list;
	return !listed || parser_expect(parser, TOKEN_CLOSE_SQUARE, "',' 또는 ']'", "',' or ']'");
}

static bool
parse_types_of(struct parser *parser, const char *what, const struct draft_name **names, uint32_t *count)
{
	uint32_t offset = parser->token.offset;
	bool listed;

	parser_advance(parser);
	if (*count > 0)
		parser_complain(parser, offset, "하나만 남기십시오", "keep one of them",
		                "appliesTo에 %s이(가) 두 번 있습니다", "appliesTo has %s twice", what);
	if (!parser_expect(parser, TOKEN_COLON, "':'", "':'") || !parse_paths(parser, names, count, &listed))
		return false;
	if (*count == 0)
		parser_complain(parser, offset, "종류를 적거나 appliesTo를 통째로 지우십시오",
		                "name a type, or leave appliesTo out whole", "%s의 목록이 비어 있습니다",
		                "the list of %s is empty", what);
	return true;
}

static bool
parse_context(struct parser *parser, struct draft_action *action)
{
	uint32_t offset = parser->token.offset;

	parser_advance(parser);
	if (action->context != NULL)
		parser_complain(parser, offset, "하나만 남기십시오", "keep one of them",
		                "appliesTo에 context가 두 번 있습니다", "appliesTo has context twice");
	if (!parser_expect(parser, TOKEN_COLON, "':'", "':'"))
		return false;
	return (action->context = parse_type(parser)) != NULL;
}

static bool
parse_applies_to(struct parser *parser, struct draft_action *action)
{
	uint32_t offset = parser->token.offset;

	action->applies = true;
	if (!parser_expect(parser, TOKEN_OPEN_CURLY, "'{'", "'{'"))
		return false;
	do {
		if (action->principal_count + action->resource_count > 0 &&
		    parser->token.kind == TOKEN_CLOSE_CURLY)
			break;
		if (parser_at_word(parser, "principal")) {
			if (!parse_types_of(parser, "principal", &action->principals,
			                    &action->principal_count))
				return false;
		} else if (parser_at_word(parser, "resource")) {
			if (!parse_types_of(parser, "resource", &action->resources, &action->resource_count))
				return false;
		} else if (parser_at_word(parser, "context")) {
			if (!parse_context(parser, action))
				return false;
		} else {
			parser_unexpected(parser, "principal, resource 또는 context",
			                  "principal, resource or context");
			return false;
		}
	} while (parser_accept(parser, TOKEN_COMMA));
	if (!parser_expect(parser, TOKEN_CLOSE_CURLY, "',' 또는 '}'", "',' or '}'"))
		return false;
	if (action->principal_count == 0 || action->resource_count == 0)
		parser_complain(parser, offset, NULL, NULL,
		                "appliesTo에는 principal과 resource가 모두 있어야 합니다",
		                "appliesTo needs both principal and resource");
	return true;
}

static bool
parse_action(struct reading *reading)
{
	struct parser *parser = &reading->parser;
	struct schema_draft *draft = reading->draft;
	struct draft_action action = {.namespace = reading->namespace};
	struct draft_name *names = NULL;
	uint32_t count = 0, capacity = 0;

	parser_advance(parser);
	do {
		if (!parser_grow(parser, &names, count, &capacity, sizeof *names) ||
		    !parse_id_or_string(parser, &names[count]))
			return false;
		count++;
	} while (parser_accept(parser, TOKEN_COMMA));
	if (parser_at_word(parser, "in")) {
		parser_advance(parser);
		if (!parse_groups(parser, &action))
			return false;
	}
	if (parser_at_word(parser, "appliesTo")) {
		parser_advance(parser);
		if (!parse_applies_to(parser, &action))
			return false;
	}
	if (parser_at_word(parser, "attributes")) {
		parser_advance(parser);
		if (!parser_expect(parser, TOKEN_OPEN_CURLY, "'{'", "'{'") ||
		    !parser_expect(parser, TOKEN_CLOSE_CURLY, "'}' (행위에는 속성이 없습니다)",
		                   "'}' (actions have no attributes)"))
			return false;
	}
	if (!parser_expect(parser, TOKEN_SEMICOLON, "';'", "';'"))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		action.id = names[i];
		if (!schema_grow(draft->arena, &draft->actions, draft->action_count, &draft->action_capacity,
		                 sizeof *draft->actions)) {
			parser_no_memory(parser);
			return false;
		}
		draft->actions[draft->action_count++] = action;
	}
	return true;
}

static bool
parse_common(struct reading *reading)
{
	struct parser *parser = &reading->parser;
	struct schema_draft *draft = reading->draft;
	struct draft_common common = {.namespace = reading->namespace};

	parser_advance(parser);
	common.name.offset = parser->token.offset;
	if (!parser_identifier(parser, &common.name.name) ||
	    !parser_expect(parser, TOKEN_ASSIGN, "'='", "'='") ||
	    (common.type = parse_type(parser)) == NULL ||
	    !parser_expect(parser, TOKEN_SEMICOLON, "';'", "';'"))
		return false;
	if (!schema_grow(draft->arena, &draft->commons, draft->common_count, &draft->common_capacity,
	                 sizeof *draft->commons)) {
		parser_no_memory(parser);
		return false;
	}
	draft->commons[draft->common_count++] = common;
	return true;
}

static bool
parse_declaration(struct reading *reading)
{
	if (parser_at_word(&reading->parser, "entity"))
		return parse_entity(reading);
	if (parser_at_word(&reading->parser, "action"))
		return parse_action(reading);
	if (parser_at_word(&reading->parser, "type"))
		return parse_common(reading);
	parser_unexpected(&reading->parser, "entity, action, type 또는 namespace",
	                  "entity, action, type or namespace");
	return false;
}

/* Behind the ';' of the declaration that went wrong; a '}' is left to whoever is inside a namespace. */
static void
recover(struct parser *parser)
{
	parser->lost = false;
	parser->depth = 0;
	while (parser->token.kind != TOKEN_END && parser->token.kind != TOKEN_SEMICOLON)
		parser_advance(parser);
	parser_accept(parser, TOKEN_SEMICOLON);
}

static bool
parse_namespace(struct reading *reading)
{
	struct parser *parser = &reading->parser;
	struct draft_name name;

	parser_advance(parser);
	if (!parse_path(parser, &name) || !parser_expect(parser, TOKEN_OPEN_CURLY, "'{'", "'{'"))
		return false;
	for (uint32_t i = 0; i < reading->namespace_count; i++)
		if (cedar_string_equal(&reading->namespaces[i], &name.name))
			parser_complain(parser, name.offset, "한 곳에 모으십시오", "put it into one place",
			                "이름공간 %.*s이(가) 두 번 있습니다", "namespace %.*s is there twice",
			                (int)name.name.size, name.name.data);
	if (reading->namespace_count == NAMESPACE_LIMIT) {
		parser_complain(parser, name.offset, NULL, NULL, "이름공간이 너무 많습니다 (한도 %d)",
		                "too many namespaces (limit %d)", NAMESPACE_LIMIT);
		parser->lost = true;
		return false;
	}
	if (!parser_grow(parser, &reading->namespaces, reading->namespace_count, &reading->namespace_capacity,
	                 sizeof *reading->namespaces))
		return false;
	reading->namespaces[reading->namespace_count++] = name.name;
	reading->namespace = name.name;
	while (parser->token.kind != TOKEN_CLOSE_CURLY && parser->token.kind != TOKEN_END && !parser->memory)
		if (!skip_annotations(parser) || !parse_declaration(reading))
			recover(parser);
	reading->namespace = cedar_string_of((struct slice){NULL, 0});
	return parser_expect(parser, TOKEN_CLOSE_CURLY, "'}'", "'}'");
}

bool
schema_read_text(struct schema_draft *draft)
{
	struct reading reading = {.draft = draft};
	struct parser *parser = &reading.parser;

	reading.namespace = cedar_string_of((struct slice){NULL, 0});
	parser_init(parser, draft->arena, draft->source, draft->notes);
	while (parser->token.kind != TOKEN_END && !parser->memory) {
		bool done = skip_annotations(parser) &&
		            (parser_at_word(parser, "namespace") ? parse_namespace(&reading)
		                                                 : parse_declaration(&reading));

		if (!done)
			recover(parser);
	}
	return !parser->memory;
}
