/*
 * Schemas as documents: which keywords we know, where references lead, and how several schemas that must hold at once
 * become one.
 */
#include <stdlib.h>
#include <string.h>

#include "inference/constraint_inside.h"

#define WORK_LIMIT 20000 /* members looked at while schemas are merged */

size_t
constraint_enter(struct compiling *compiling, const char *name)
{
	const size_t before = strlen(compiling->path);
	struct slice text = slice_string(name);

	if (before + 2 < PATH_LIMIT) {
		text.size = utf8_cut(text, PATH_LIMIT - before - 2);
		snprintf(compiling->path + before, sizeof compiling->path - before, "%s%.*s",
		         name[0] == '[' ? "" : ".", SLICE_PRINT(text));
	}
	return before;
}

void
constraint_leave(struct compiling *compiling, size_t before)
{
	compiling->path[before] = '\0';
}

int
constraint_refuse(struct compiling *compiling, const char *keyword)
{
	const int size = (int)utf8_cut(slice_string(keyword), 100);

	return fault_set(compiling->why, FAULT_UNSUPPORTED,
	                 "JSON 스키마의 '%.*s'은(는) 지원하지 않습니다: 위치 %s",
	                 "'%.*s' in a JSON schema is not supported: at %s", size, keyword, compiling->path);
}

int
constraint_contradiction(struct compiling *compiling)
{
	return fault_set(compiling->why, FAULT_INVALID, "이 JSON 스키마에 맞는 값이 없습니다: 위치 %s",
	                 "no value fits this JSON schema: at %s", compiling->path);
}

/* ---- keywords --------------------------------------------------------------------------------------------------- */

static bool
listed(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

/* What restricts nothing. "x-…" too. */
static bool
is_note(const char *name)
{
	static const char *const notes[] = {"title",
	                                    "description",
	                                    "default",
	                                    "examples",
	                                    "example",
	                                    "$schema",
	                                    "$id",
	                                    "id",
	                                    "$comment",
	                                    "deprecated",
	                                    "readOnly",
	                                    "writeOnly",
	                                    "$defs",
	                                    "definitions",
	                                    "externalDocs",
	                                    "contentEncoding",
	                                    "contentMediaType",
	                                    "discriminator",
	                                    "xml",
	                                    "propertyOrdering",
	                                    "strict"};

	return strncmp(name, "x-", 2) == 0 || listed(notes, sizeof notes / sizeof *notes, name);
}

static bool
is_kept(const char *name)
{
	static const char *const kept[] = {"type",
	                                   "enum",
	                                   "const",
	                                   "properties",
	                                   "required",
	                                   "additionalProperties",
	                                   "items",
	                                   "prefixItems",
	                                   "additionalItems",
	                                   "minItems",
	                                   "maxItems",
	                                   "uniqueItems",
	                                   "minLength",
	                                   "maxLength",
	                                   "pattern",
	                                   "format",
	                                   "minimum",
	                                   "maximum",
	                                   "exclusiveMinimum",
	                                   "exclusiveMaximum",
	                                   "multipleOf",
	                                   "anyOf",
	                                   "oneOf",
	                                   "allOf",
	                                   "$ref",
	                                   "nullable"};

	return listed(kept, sizeof kept / sizeof *kept, name);
}

int
constraint_check_keywords(struct compiling *compiling, json_t *schema)
{
	const char *name;
	json_t *value;

	json_object_foreach(schema, name, value)
	{
		(void)value;
		if (!is_note(name) && !is_kept(name))
			return constraint_refuse(compiling, name);
	}
	return 0;
}

bool
constraint_asserts(json_t *schema, const char *but)
{
	const char *name;
	json_t *value;

	json_object_foreach(schema, name, value)
	{
		(void)value;
		if (!is_note(name) && strcmp(name, but) != 0)
			return true;
	}
	return false;
}

/* ---- references ------------------------------------------------------------------------------------------------- */

/* One step of a JSON pointer, "~1" and "~0" undone. */
static void
unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from != '\0'; to++) {
		if (from[0] == '~' && (from[1] == '0' || from[1] == '1')) {
			*to = from[1] == '0' ? '~' : '/';
			from += 2;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

const json_t *
constraint_resolve(const struct compiling *compiling, const char *reference)
{
	const json_t *at = compiling->schema;

	if (strcmp(reference, "#") == 0)
		return at;
	if (strncmp(reference, "#/", 2) != 0)
		return NULL;
	for (const char *part = reference + 2; at != NULL && part != NULL;) {
		const char *slash = strchr(part, '/');
		char name[256];
		const size_t size = slash != NULL ? (size_t)(slash - part) : strlen(part);

		if (size >= sizeof name)
			return NULL;
		snprintf(name, sizeof name, "%.*s", (int)size, part);
		unescape(name);
		if (json_is_array(at)) {
			if (name[0] == '\0' || strspn(name, "0123456789") != strlen(name) || strlen(name) > 4)
				return NULL;
			at = json_array_get(at, (size_t)strtoul(name, NULL, 10));
		} else {
			at = json_object_get(at, name);
		}
		part = slash != NULL ? slash + 1 : NULL;
	}
	return at;
}

/* ---- several schemas at once ------------------------------------------------------------------------------------ */

static json_t *
shared(const json_t *value)
{
	return json_incref((json_t *)(uintptr_t)value);
}

static json_t *
both(const json_t *one, const json_t *other)
{
	return json_pack("{s:[o,o]}", "allOf", shared(one), shared(other));
}

/* Of two lists what is in both; types: an integer is a number. */
static json_t *
common(const json_t *one, const json_t *other, bool types)
{
	json_t *out = json_array(), *a, *b;
	size_t i, j;

	json_array_foreach(one, i, a)
	{
		json_array_foreach(other, j, b)
		{
			const char *left = types ? json_string_value(a) : NULL,
			           *right = types ? json_string_value(b) : NULL;

			if (json_equal(a, b))
				json_array_append(out, a);
			else if (left != NULL && right != NULL && strcmp(left, "integer") == 0 &&
			         strcmp(right, "number") == 0)
				json_array_append(out, a);
			else if (left != NULL && right != NULL && strcmp(right, "integer") == 0 &&
			         strcmp(left, "number") == 0)
				json_array_append(out, b);
		}
	}
	return out;
}

static json_t *
merge_types(const json_t *one, const json_t *other)
{
	json_t *a = json_is_array(one) ? shared(one) : json_pack("[o]", shared(one)),
	       *b = json_is_array(other) ? shared(other) : json_pack("[o]", shared(other)),
	       *out = common(a, b, true);

	json_decref(a);
	json_decref(b);
	return out;
}

/* Properties that one side alone names would be further properties to the other, which may forbid them. */
static bool
properties_meet(const json_t *one, const json_t *other)
{
	const json_t *sides[2] = {one, other};

	for (unsigned i = 0; i < 2; i++) {
		const json_t *others = json_object_get(sides[i], "additionalProperties");
		json_t *theirs = json_object_get(sides[1 - i], "properties"), *value;
		const json_t *ours = json_object_get(sides[i], "properties");
		const char *name;

		if (others == NULL || json_is_true(others))
			continue;
		json_object_foreach(theirs, name, value)
		{
			(void)value;
			if (json_object_get(ours, name) == NULL)
				return false;
		}
	}
	return true;
}

static json_t *
merge_properties(json_t *one, json_t *other)
{
	json_t *out = json_copy(one), *value;
	const char *name;

	json_object_foreach(other, name, value)
	{
		const json_t *mine = json_object_get(one, name);

		if (mine == NULL)
			json_object_set(out, name, value);
		else if (!json_equal(mine, value))
			json_object_set_new(out, name, both(mine, value));
	}
	return out;
}

static json_t *
merge_required(const json_t *one, const json_t *other)
{
	json_t *out = json_array(), *name;
	size_t i;

	json_array_foreach(one, i, name) json_array_append(out, name);
	json_array_foreach(other, i, name) json_array_append(out, name);
	return out;
}

/* Two values of one keyword as one; NULL: we cannot. */
static json_t *
merge_values(const char *name, json_t *one, json_t *other)
{
	static const char *const least[] = {"minimum", "exclusiveMinimum", "minLength", "minItems"},
	                         *const most[] = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"};

	if (json_equal(one, other))
		return shared(one);
	if (strcmp(name, "type") == 0)
		return merge_types(one, other);
	if (strcmp(name, "enum") == 0)
		return common(one, other, false);
	if (strcmp(name, "properties") == 0)
		return merge_properties(one, other);
	if (strcmp(name, "required") == 0)
		return merge_required(one, other);
	if (strcmp(name, "items") == 0 && json_is_object(one) && json_is_object(other))
		return both(one, other);
	if (strcmp(name, "additionalProperties") == 0)
		return json_is_false(one) || json_is_false(other) ? json_false()
		       : json_is_true(one)                        ? shared(other)
		       : json_is_true(other)                      ? shared(one)
		                                                  : both(one, other);
	if (strcmp(name, "uniqueItems") == 0)
		return json_true();
	if (json_is_number(one) && json_is_number(other)) {
		const bool greater = json_number_value(one) > json_number_value(other);

		if (listed(least, 4, name))
			return shared(greater ? one : other);
		if (listed(most, 4, name))
			return shared(greater ? other : one);
	}
	return NULL;
}

/* Both at once, into a new schema. NULL: refused. */
static json_t *
merge(struct compiling *compiling, json_t *one, json_t *other)
{
	json_t *out, *value;
	const char *name;

	if (json_is_true(one) || json_is_true(other))
		return shared(json_is_true(one) ? other : one);
	if (!json_is_object(one) || !json_is_object(other)) {
		constraint_refuse(compiling, "allOf");
		return NULL;
	}
	if (!properties_meet(one, other)) {
		constraint_refuse(compiling, "allOf");
		return NULL;
	}
	out = json_copy(one);
	json_object_foreach(other, name, value)
	{
		json_t *mine = json_object_get(out, name), *merged;

		if (++compiling->work > WORK_LIMIT) {
			fault_set(compiling->why, FAULT_TOO_LARGE, "JSON 스키마가 너무 큽니다",
			          "the JSON schema is too large");
			json_decref(out);
			return NULL;
		}
		if (mine == NULL) {
			json_object_set(out, name, value);
		} else if (!is_note(name)) {
			if ((merged = merge_values(name, mine, value)) == NULL) {
				constraint_refuse(compiling, "allOf");
				json_decref(out);
				return NULL;
			}
			json_object_set_new(out, name, merged);
		}
	}
	return out;
}

/* The new one is kept as long as the compiling takes. */
static const json_t *
keep(struct compiling *compiling, json_t *made)
{
	if (made != NULL && json_array_append_new(compiling->made, made) == -1) {
		fault_memory(compiling->why);
		return NULL;
	}
	return made;
}

const json_t *
constraint_flatten(struct compiling *compiling, const json_t *schema, unsigned depth)
{
	const char *reference = json_get_string(schema, "$ref");
	const json_t *all = json_object_get(schema, "allOf"), *part;
	json_t *out;
	size_t i;

	if (depth > 16) {
		constraint_refuse(compiling, reference != NULL ? "$ref" : "allOf");
		return NULL;
	}
	if (!json_is_object(schema) || (reference == NULL && all == NULL))
		return schema;
	if (constraint_check_keywords(compiling, (json_t *)(uintptr_t)schema) == -1)
		return NULL;
	if (all != NULL && (!json_is_array(all) || json_array_size(all) == 0)) {
		constraint_refuse(compiling, "allOf");
		return NULL;
	}
	if ((out = json_copy((json_t *)(uintptr_t)schema)) == NULL) {
		fault_memory(compiling->why);
		return NULL;
	}
	json_object_del(out, "$ref");
	json_object_del(out, "allOf");
	if (keep(compiling, out) == NULL)
		return NULL;
	if (reference != NULL) {
		const json_t *target = constraint_resolve(compiling, reference);

		if (target == NULL || target == schema) {
			constraint_refuse(compiling, "$ref");
			return NULL;
		}
		if ((target = constraint_flatten(compiling, target, depth + 1)) == NULL ||
		    (out = (json_t *)(uintptr_t)keep(
		         compiling, merge(compiling, (json_t *)(uintptr_t)target, out))) == NULL)
			return NULL;
	}
	json_array_foreach(all, i, part)
	{
		if ((part = constraint_flatten(compiling, part, depth + 1)) == NULL ||
		    (out = (json_t *)(uintptr_t)keep(
		         compiling, merge(compiling, out, (json_t *)(uintptr_t)part))) == NULL)
			return NULL;
	}
	return out;
}

const json_t *
constraint_join(struct compiling *compiling, const json_t *schema, const char *but, const json_t *other)
{
	json_t *rest = json_copy((json_t *)(uintptr_t)schema);

	if (rest == NULL || json_object_del(rest, but) == -1 || keep(compiling, rest) == NULL) {
		fault_memory(compiling->why);
		return NULL;
	}
	if ((other = constraint_flatten(compiling, other, 0)) == NULL)
		return NULL;
	return keep(compiling, merge(compiling, rest, (json_t *)(uintptr_t)other));
}
