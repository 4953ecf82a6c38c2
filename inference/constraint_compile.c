/* Schemas become nodes, recursively; a schema that comes again, by reference, is the same node again. */
#include <stdlib.h>
#include <string.h>

#include "inference/constraint_inside.h"

#define DEPTH_LIMIT 64

static int compile(struct compiling *compiling, const json_t *schema, uint32_t *out, unsigned depth);

/* ---- objects and arrays ----------------------------------------------------------------------------------------- */

static bool
is_required(const json_t *required, const char *name)
{
	for (size_t i = 0; i < json_array_size(required); i++) {
		const char *needed = json_string_value(json_array_get(required, i));

		if (needed != NULL && strcmp(needed, name) == 0)
			return true;
	}
	return false;
}

static int
add_property(struct compiling *compiling, struct node *node, const char *name, uint32_t inner, bool required)
{
	json_t *text = json_string(name);
	struct property *property = &node->properties[node->count];
	const int result =
	    text == NULL ? fault_memory(compiling->why) : compiling_text(compiling, text, &property->name);

	json_decref(text);
	if (result == -1)
		return -1;
	property->node = inner;
	property->required = required;
	node->count++;
	return 0;
}

static int
compile_object(struct compiling *compiling, const json_t *schema, struct node *node, unsigned depth)
{
	json_t *properties = json_object_get(schema, "properties"), *value;
	const json_t *required = json_object_get(schema, "required");
	const json_t *others = json_object_get(schema, "additionalProperties");
	const char *name;

	if (properties != NULL && !json_is_object(properties))
		return constraint_refuse(compiling, "properties");
	if (required != NULL && !json_is_array(required))
		return constraint_refuse(compiling, "required");
	node->properties =
	    calloc(json_object_size(properties) + json_array_size(required) + 1, sizeof *node->properties);
	if (node->properties == NULL)
		return fault_memory(compiling->why);
	node->closed = json_is_false(others);
	if (json_is_object(others)) {
		const size_t before = constraint_enter(compiling, "additionalProperties");

		if (compile(compiling, others, &node->other, depth + 1) == -1)
			return -1;
		constraint_leave(compiling, before);
	} else if (json_is_true(others) || (others == NULL && properties == NULL)) {
		node->other = compiling->constraint->any;
	} else if (others != NULL && !node->closed) {
		return constraint_refuse(compiling, "additionalProperties");
	}
	json_object_foreach(properties, name, value)
	{
		const bool needed = is_required(required, name);
		const size_t outer = constraint_enter(compiling, "properties"),
		             before = constraint_enter(compiling, name);
		uint32_t inner;

		if (json_is_false(value) && needed)
			return constraint_contradiction(compiling);
		if (!json_is_false(value) && (compile(compiling, value, &inner, depth + 1) == -1 ||
		                              add_property(compiling, node, name, inner, needed) == -1))
			return -1;
		constraint_leave(compiling, before);
		constraint_leave(compiling, outer);
	}
	for (size_t i = 0; i < json_array_size(required); i++) {
		const char *needed = json_string_value(json_array_get(required, i));
		bool known = needed != NULL && json_object_get(properties, needed) != NULL;

		if (needed == NULL)
			return constraint_refuse(compiling, "required");
		for (size_t j = 0; j < i; j++)
			known = known || json_equal(json_array_get(required, i), json_array_get(required, j));
		if (known)
			continue;
		if (node->closed)
			return constraint_contradiction(compiling);
		if (add_property(compiling, node, needed,
		                 node->other != NODE_NONE ? node->other : compiling->constraint->any,
		                 true) == -1)
			return -1;
	}
	return 0;
}

static int
compile_array(struct compiling *compiling, const json_t *schema, struct node *node, unsigned depth)
{
	const json_t *first = json_object_get(schema, "prefixItems"),
	             *items = json_object_get(schema, "items");
	const json_t *unique = json_object_get(schema, "uniqueItems");
	size_t before;

	if (json_is_array(items)) { /* as older drafts have it */
		first = items;
		items = json_object_get(schema, "additionalItems");
	} else if (json_object_get(schema, "additionalItems") != NULL) {
		return constraint_refuse(compiling, "additionalItems");
	}
	if (first != NULL && !json_is_array(first))
		return constraint_refuse(compiling, "prefixItems");
	if (compiling_amount(compiling, schema, "minItems", &node->least) == -1 ||
	    compiling_amount(compiling, schema, "maxItems", &node->most) == -1)
		return -1;
	if ((node->nodes = calloc(json_array_size(first) + 1, sizeof *node->nodes)) == NULL)
		return fault_memory(compiling->why);
	for (size_t i = 0; i < json_array_size(first); i++) {
		char name[32];

		snprintf(name, sizeof name, "[%zu]", i);
		before = constraint_enter(compiling, name);
		if (compile(compiling, json_array_get(first, i), &node->nodes[i], depth + 1) == -1)
			return -1;
		constraint_leave(compiling, before);
		node->count++;
	}
	before = constraint_enter(compiling, "items");
	if (items == NULL || json_is_true(items))
		node->other = compiling->constraint->any;
	else if (!json_is_false(items) && compile(compiling, items, &node->other, depth + 1) == -1)
		return -1;
	constraint_leave(compiling, before);
	if (node->other == NODE_NONE && node->most > node->count)
		node->most = node->count;
	if (json_is_true(unique) && node->most > 1) {
		const struct node *inner =
		    node->other != NODE_NONE ? compiling_node(compiling, node->other) : NULL;

		if (inner == NULL || inner->kind != NODE_LITERAL || inner->count > 64 || node->count > 0)
			return constraint_refuse(compiling, "uniqueItems");
		node->unique = true;
		if (node->most > inner->count)
			node->most = inner->count;
	}
	return node->least <= node->most ? 0 : constraint_contradiction(compiling);
}

/* ---- types and alternatives ------------------------------------------------------------------------------------- */

static int
compile_type(struct compiling *compiling, const json_t *schema, const json_t *source, const char *type,
             uint32_t *out, unsigned depth)
{
	static const struct {
		const char *name;
		enum node_kind kind;
	} types[] = {
	    {"object",  NODE_OBJECT},
            {"array",   NODE_ARRAY },
            {"string",  NODE_TEXT  },
	    {"number",  NODE_NUMBER},
            {"integer", NODE_NUMBER},
	};

	if (type != NULL && (strcmp(type, "boolean") == 0 || strcmp(type, "null") == 0))
		return compiling_words(compiling, source, type[0] == 'b', type[0] == 'n', out);
	for (size_t i = 0; type != NULL && i < sizeof types / sizeof *types; i++) {
		struct node *node;

		if (strcmp(type, types[i].name) != 0)
			continue;
		if (compiling_node_new(compiling, source, types[i].kind, out) == -1)
			return -1;
		node = compiling_node(compiling, *out);
		return types[i].kind == NODE_OBJECT  ? compile_object(compiling, schema, node, depth)
		       : types[i].kind == NODE_ARRAY ? compile_array(compiling, schema, node, depth)
		       : types[i].kind == NODE_TEXT
		           ? compiling_string(compiling, schema, node)
		           : compiling_number(compiling, schema, node, type[0] == 'i');
	}
	return constraint_refuse(compiling, "type");
}

static int
add_alternative(struct compiling *compiling, uint32_t at, uint32_t alternative)
{
	struct node *node = compiling_node(compiling, at);

	if (node->nodes == NULL && (node->nodes = calloc(ALTERNATIVES_LIMIT, sizeof *node->nodes)) == NULL)
		return fault_memory(compiling->why);
	if (node->count == ALTERNATIVES_LIMIT)
		return constraint_refuse(compiling, "anyOf > 128");
	node->nodes[node->count++] = alternative;
	return 0;
}

static int
compile_alternatives(struct compiling *compiling, const json_t *schema, const char *keyword, uint32_t *out,
                     unsigned depth)
{
	const json_t *list = json_object_get(schema, keyword);
	const bool alone = !constraint_asserts((json_t *)(uintptr_t)schema, keyword);

	if (!json_is_array(list) || json_array_size(list) == 0)
		return constraint_refuse(compiling, keyword);
	if (compiling_node_new(compiling, schema, NODE_UNION, out) == -1)
		return -1;
	compiling_node(compiling, *out)->apart = keyword[0] == 'o';
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		uint32_t alternative;
		char name[32];
		size_t before;

		snprintf(name, sizeof name, "%s[%zu]", keyword, i);
		before = constraint_enter(compiling, name);
		if ((!alone && (one = constraint_join(compiling, schema, keyword, one)) == NULL) ||
		    compile(compiling, one, &alternative, depth + 1) == -1 ||
		    add_alternative(compiling, *out, alternative) == -1)
			return -1;
		constraint_leave(compiling, before);
	}
	return 0;
}

/* The types a value may have: said, or shown by the keywords that are there. */
static json_t *
types_of(const json_t *schema)
{
	static const struct {
		const char *keyword, *type;
	} shown[] = {
	    {"properties",           "object"},
	    {"required",             "object"},
	    {"additionalProperties", "object"},
	    {"items",                "array" },
	    {"prefixItems",          "array" },
	    {"minItems",             "array" },
	    {"maxItems",             "array" },
	    {"uniqueItems",          "array" },
	    {"pattern",              "string"},
	    {"minLength",            "string"},
	    {"maxLength",            "string"},
	    {"format",               "string"},
	    {"minimum",              "number"},
	    {"maximum",              "number"},
	    {"exclusiveMinimum",     "number"},
	    {"exclusiveMaximum",     "number"},
	    {"multipleOf",           "number"},
	};
	json_t *type = json_object_get(schema, "type"), *out;

	if (json_is_array(type))
		out = json_copy(type);
	else if (type != NULL)
		out = json_pack("[O]", type);
	else
		out = json_array();
	for (size_t i = 0; json_array_size(out) == 0 && i < sizeof shown / sizeof *shown; i++)
		if (json_object_get(schema, shown[i].keyword) != NULL)
			json_array_append_new(out, json_string(shown[i].type));
	if (json_is_true(json_object_get(schema, "nullable")) && json_array_size(out) > 0)
		json_array_append_new(out, json_string("null"));
	return out;
}

static int
compile_types(struct compiling *compiling, const json_t *schema, uint32_t *out, unsigned depth)
{
	json_t *types = types_of(schema), *type;
	int result = -1;
	size_t i;

	if (types == NULL)
		return fault_memory(compiling->why);
	if (json_array_size(types) == 0) {
		if (json_is_array(json_object_get(schema, "type")))
			result = constraint_contradiction(compiling);
		else
			result = 0;
		*out = compiling->constraint->any;
	} else if (json_array_size(types) == 1) {
		result = compile_type(compiling, schema, schema, json_string_value(json_array_get(types, 0)),
		                      out, depth);
	} else if ((result = compiling_node_new(compiling, schema, NODE_UNION, out)) == 0) {
		json_array_foreach(types, i, type)
		{
			uint32_t alternative;

			if (compile_type(compiling, schema, NULL, json_string_value(type), &alternative,
			                 depth) == -1 ||
			    add_alternative(compiling, *out, alternative) == -1) {
				result = -1;
				break;
			}
		}
	}
	json_decref(types);
	return result;
}

static int
compile(struct compiling *compiling, const json_t *schema, uint32_t *out, unsigned depth)
{
	const char *reference = json_get_string(schema, "$ref");
	uint32_t inner;

	if (depth > DEPTH_LIMIT)
		return fault_set(compiling->why, FAULT_TOO_LARGE, "JSON 스키마가 너무 깊습니다",
		                 "the JSON schema is too deep");
	*out = compiling->constraint->any;
	if (json_is_true(schema))
		return 0;
	if (!json_is_object(schema))
		return constraint_refuse(compiling, json_is_false(schema) ? "false" : "schema");
	for (size_t i = 0; i < compiling->constraint->count; i++)
		if (compiling->sources[i] == schema) {
			*out = (uint32_t)i;
			return 0;
		}
	if (constraint_check_keywords(compiling, (json_t *)(uintptr_t)schema) == -1)
		return -1;
	if (reference != NULL && !constraint_asserts((json_t *)(uintptr_t)schema, "$ref")) {
		schema = constraint_resolve(compiling, reference);
		return schema != NULL ? compile(compiling, schema, out, depth + 1)
		                      : constraint_refuse(compiling, "$ref");
	}
	if (json_object_get(schema, "$ref") != NULL || json_object_get(schema, "allOf") != NULL) {
		const json_t *flat;

		/* The node stands for the schema, whatever it becomes: references meet here. */
		if (compiling_node_new(compiling, schema, NODE_UNION, out) == -1 ||
		    (flat = constraint_flatten(compiling, schema, 0)) == NULL)
			return -1;
		if (flat == schema)
			return constraint_refuse(compiling, "$ref");
		return compile(compiling, flat, &inner, depth + 1) == -1
		           ? -1
		           : add_alternative(compiling, *out, inner);
	}
	if (json_object_get(schema, "const") != NULL || json_object_get(schema, "enum") != NULL)
		return compiling_literals(compiling, schema, out);
	if (json_object_get(schema, "anyOf") != NULL)
		return compile_alternatives(compiling, schema, "anyOf", out, depth);
	if (json_object_get(schema, "oneOf") != NULL)
		return compile_alternatives(compiling, schema, "oneOf", out, depth);
	return compile_types(compiling, schema, out, depth);
}

/* Anything: alternatives of every type, of which objects and arrays hold anything. */
static int
make_any(struct compiling *compiling)
{
	struct constraint *constraint = compiling->constraint;
	static const enum node_kind kinds[] = {NODE_OBJECT, NODE_ARRAY, NODE_TEXT, NODE_NUMBER};
	uint32_t one;

	if (compiling_node_new(compiling, NULL, NODE_UNION, &constraint->any) == -1)
		return -1;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (compiling_node_new(compiling, NULL, kinds[i], &one) == -1 ||
		    add_alternative(compiling, constraint->any, one) == -1)
			return -1;
		compiling_node(compiling, one)->other = constraint->any;
	}
	if (compiling_words(compiling, NULL, true, true, &one) == -1)
		return -1;
	return add_alternative(compiling, constraint->any, one);
}

int
constraint_compile(struct constraint **out, const json_t *schema, struct fault *why)
{
	struct compiling *compiling = calloc(1, sizeof *compiling);
	struct constraint *constraint = calloc(1, sizeof *constraint);
	int result = -1;

	if (compiling == NULL || constraint == NULL || (compiling->made = json_array()) == NULL ||
	    (constraint->nodes = calloc(NODES_LIMIT, sizeof *constraint->nodes)) == NULL) {
		fault_memory(why);
		goto out;
	}
	atomic_init(&constraint->holders, 1);
	compiling->constraint = constraint;
	compiling->schema = schema;
	compiling->why = why;
	compiling->pattern_work = PATTERN_WORK;
	strcpy(compiling->path, "$");
	if (make_any(compiling) == -1)
		goto out;
	constraint->root = constraint->nodes[constraint->any]->nodes[0]; /* any object */
	if (schema != NULL && compile(compiling, schema, &constraint->root, 0) == -1)
		goto out;
	strcpy(compiling->path, "$");
	if (constraint_check(compiling) == -1)
		goto out;
	*out = constraint;
	constraint = NULL;
	result = 0;
out:
	constraint_free(constraint);
	if (compiling != NULL)
		json_decref(compiling->made);
	free(compiling);
	return result;
}
