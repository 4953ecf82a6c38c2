/* Plain values become nodes: literals, texts, numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inference/constraint_inside.h"

#define TEXT_LIMIT   ((size_t)1 << 20)
#define AMOUNT_LIMIT 1000000 /* of elements and characters */

struct node *
compiling_node(struct compiling *compiling, uint32_t at)
{
	return compiling->constraint->nodes[at];
}

int
compiling_node_new(struct compiling *compiling, const json_t *source, enum node_kind kind, uint32_t *out)
{
	struct constraint *constraint = compiling->constraint;
	struct node *node;

	if (constraint->count == NODES_LIMIT)
		return fault_set(compiling->why, FAULT_TOO_LARGE, "JSON 스키마가 너무 큽니다",
		                 "the JSON schema is too large");
	if ((node = calloc(1, sizeof *node)) == NULL)
		return fault_memory(compiling->why);
	node->kind = kind;
	node->other = NODE_NONE;
	node->most = SIZE_MAX;
	node->least_value = -HUGE_VAL;
	node->most_value = HUGE_VAL;
	node->decimals = DIGITS_LIMIT;
	*out = (uint32_t)constraint->count;
	compiling->sources[constraint->count] = source;
	constraint->nodes[constraint->count++] = node;
	node->path = strdup(compiling->path);
	return node->path != NULL ? 0 : fault_memory(compiling->why);
}

/* A value as JSON text; the caller's, to free(). */
int
compiling_text(struct compiling *compiling, const json_t *value, struct slice *out)
{
	struct buffer buffer;

	buffer_init(&buffer, TEXT_LIMIT);
	if (json_is_string(value))
		json_quote(&buffer, slice_of(json_string_value(value), json_string_length(value)));
	else
		json_write(&buffer, value);
	if (!buffer_ok(&buffer) || buffer.size == 0) {
		buffer_free(&buffer);
		return fault_set(compiling->why, FAULT_TOO_LARGE, "JSON 스키마의 값이 너무 깁니다",
		                 "a value in the JSON schema is too long");
	}
	*out = buffer_view(&buffer);
	return 0;
}

/* A count from a schema, within our limits. */
int
compiling_amount(struct compiling *compiling, const json_t *schema, const char *name, size_t *out)
{
	const json_t *value = json_object_get(schema, name);
	const double number = json_number_value(value);

	if (value == NULL)
		return 0;
	if (!json_is_number(value) || number < 0 || number != floor(number))
		return constraint_refuse(compiling, name);
	if (number <= AMOUNT_LIMIT)
		*out = (size_t)number;
	else if (strncmp(name, "min", 3) == 0)
		return constraint_refuse(compiling, name);
	return 0;
}

/* ---- literals --------------------------------------------------------------------------------------------------- */

static int
by_bytes(const void *a, const void *b)
{
	const struct slice *one = a, *other = b;
	const int order = memcmp(one->data, other->data, one->size < other->size ? one->size : other->size);

	return order != 0 ? order : one->size < other->size ? -1 : one->size > other->size;
}

static bool
has_type(const json_t *value, const char *type)
{
	return type == NULL || (strcmp(type, "string") == 0 && json_is_string(value)) ||
	       (strcmp(type, "integer") == 0 && json_is_number(value) &&
	        json_number_value(value) == floor(json_number_value(value))) ||
	       (strcmp(type, "number") == 0 && json_is_number(value)) ||
	       (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
	       (strcmp(type, "null") == 0 && json_is_null(value)) ||
	       (strcmp(type, "object") == 0 && json_is_object(value)) ||
	       (strcmp(type, "array") == 0 && json_is_array(value));
}

/* Whether a value of an enum is within what else the schema says of plain values. */
static bool
literal_holds(const json_t *schema, const struct pattern *pattern, const json_t *value)
{
	const json_t *type = json_object_get(schema, "type"), *one;
	bool typed = !json_is_array(type) && has_type(value, json_string_value(type));
	const double number = json_number_value(value);
	size_t i;

	json_array_foreach(type, i, one) typed = typed || has_type(value, json_string_value(one));
	if (!typed && !(json_is_null(value) && json_is_true(json_object_get(schema, "nullable"))))
		return false;
	if (json_is_string(value) && pattern != NULL)
		return pattern_matches(pattern,
		                       slice_of(json_string_value(value), json_string_length(value)));
	if (json_is_number(value)) {
		const json_t *least = json_object_get(schema, "minimum"),
		             *most = json_object_get(schema, "maximum");

		return (least == NULL || number >= json_number_value(least)) &&
		       (most == NULL || number <= json_number_value(most));
	}
	return true;
}

static int
compile_pattern(struct compiling *compiling, const json_t *schema, struct pattern **out)
{
	const json_t *pattern = json_object_get(schema, "pattern"),
	             *format = json_object_get(schema, "format");
	struct slice expressions[2];
	size_t count = 0, least = 0, most = SIZE_MAX;

	if (compiling_amount(compiling, schema, "minLength", &least) == -1 ||
	    compiling_amount(compiling, schema, "maxLength", &most) == -1)
		return -1;
	if (pattern != NULL) {
		if (!json_is_string(pattern))
			return constraint_refuse(compiling, "pattern");
		expressions[count++] = slice_of(json_string_value(pattern), json_string_length(pattern));
	}
	if (format != NULL) {
		const char *known =
		    json_is_string(format) ? constraint_format(json_string_value(format)) : NULL;
		char name[64];

		snprintf(
		    name, sizeof name, "format: %.*s",
		    (int)utf8_cut(slice_string(json_is_string(format) ? json_string_value(format) : "?"), 48),
		    json_is_string(format) ? json_string_value(format) : "?");
		if (known == NULL)
			return constraint_refuse(compiling, name);
		if (known[0] != '\0')
			expressions[count++] = slice_string(known);
	}
	if (count == 0 || pattern_compile(out, expressions, count, least, most, &compiling->pattern_work,
	                                  compiling->why) == 0)
		return 0;
	if (compiling->why != NULL) {
		char said[PATH_LIMIT + 16];

		snprintf(said, sizeof said, "%s", compiling->path);
		fault_prefix(compiling->why, "JSON 스키마 %s의 'pattern'",
		             "'pattern' of the JSON schema at %s", said);
	}
	return -1;
}

int
compiling_literals(struct compiling *compiling, const json_t *schema, uint32_t *out)
{
	const json_t *values = json_object_get(schema, "enum"), *constant = json_object_get(schema, "const");
	const size_t count = constant != NULL ? 1 : json_array_size(values);
	struct pattern *pattern = NULL;
	struct node *node;
	size_t kept = 0;
	int result = -1;

	if (values != NULL && !json_is_array(values))
		return constraint_refuse(compiling, "enum");
	if (compiling_node_new(compiling, schema, NODE_LITERAL, out) == -1)
		return -1;
	node = compiling_node(compiling, *out);
	if ((node->texts = calloc(count + 1, sizeof *node->texts)) == NULL)
		return fault_memory(compiling->why);
	if (json_object_get(schema, "pattern") != NULL && compile_pattern(compiling, schema, &pattern) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const json_t *value = constant != NULL ? constant : json_array_get(values, i);
		bool held = literal_holds(schema, pattern, value);

		for (size_t j = 0, listed = json_array_size(values);
		     constant != NULL && values != NULL && held; j++)
			if (j == listed)
				held = false;
			else if (json_equal(json_array_get(values, j), constant))
				break;
		if (held && compiling_text(compiling, value, &node->texts[node->count]) == -1)
			goto out;
		node->count += held;
	}
	if (node->count == 0) {
		constraint_contradiction(compiling);
		goto out;
	}
	qsort(node->texts, node->count, sizeof *node->texts, by_bytes);
	for (size_t i = 0; i < node->count; i++)
		if (kept == 0 || by_bytes(&node->texts[i], &node->texts[kept - 1]) != 0)
			node->texts[kept++] = node->texts[i];
		else
			free((void *)(uintptr_t)node->texts[i].data);
	node->count = kept;
	result = 0;
out:
	pattern_free(pattern);
	return result;
}

/* true and false, or null, or all of them. */
int
compiling_words(struct compiling *compiling, const json_t *source, bool truth, bool nothing, uint32_t *out)
{
	json_t *values = json_array(), *schema;
	int result;

	if (truth) {
		json_array_append_new(values, json_true());
		json_array_append_new(values, json_false());
	}
	if (nothing)
		json_array_append_new(values, json_null());
	schema = json_pack("{s:o}", "enum", values);
	result = schema == NULL ? fault_memory(compiling->why) : compiling_literals(compiling, schema, out);
	if (result == 0)
		compiling->sources[*out] = source;
	json_decref(schema);
	return result;
}

/* ---- texts and numbers ------------------------------------------------------------------------------------------ */

int
compiling_string(struct compiling *compiling, const json_t *schema, struct node *node)
{
	if (compile_pattern(compiling, schema, &node->pattern) == -1)
		return -1;
	if (node->pattern != NULL) /* it has the lengths */
		return 0;
	if (compiling_amount(compiling, schema, "minLength", &node->least) == -1 ||
	    compiling_amount(compiling, schema, "maxLength", &node->most) == -1)
		return -1;
	return node->least <= node->most ? 0 : constraint_contradiction(compiling);
}

/* A bound, or one that excludes itself; in old drafts "exclusiveMinimum" says that of "minimum". */
static int
read_bound(struct compiling *compiling, const json_t *schema, const char *name, const char *exclusive,
           double *value, bool *excluded)
{
	const json_t *bound = json_object_get(schema, name), *strict = json_object_get(schema, exclusive);
	const bool lower = name[1] == 'i';

	if (bound != NULL && !json_is_number(bound))
		return constraint_refuse(compiling, name);
	if (strict != NULL && !json_is_number(strict) && !json_is_boolean(strict))
		return constraint_refuse(compiling, exclusive);
	if (bound != NULL)
		*value = json_number_value(bound);
	if (json_is_boolean(strict))
		*excluded = json_is_true(strict);
	else if (strict != NULL && (bound == NULL || (lower ? json_number_value(strict) >= *value
	                                                    : json_number_value(strict) <= *value))) {
		*value = json_number_value(strict);
		*excluded = true;
	}
	return 0;
}

int
compiling_number(struct compiling *compiling, const json_t *schema, struct node *node, bool whole)
{
	const json_t *multiple = json_object_get(schema, "multipleOf");
	const char *format = json_get_string(schema, "format");
	const double step = json_number_value(multiple);
	unsigned places = 0;

	node->whole = whole;
	if (read_bound(compiling, schema, "minimum", "exclusiveMinimum", &node->least_value, &node->above) ==
	        -1 ||
	    read_bound(compiling, schema, "maximum", "exclusiveMaximum", &node->most_value, &node->below) ==
	        -1)
		return -1;
	if (format != NULL && strcmp(format, "int32") == 0) {
		node->least_value = fmax(node->least_value, INT32_MIN);
		node->most_value = fmin(node->most_value, INT32_MAX);
	} else if (format != NULL && strcmp(format, "int64") != 0 && strcmp(format, "float") != 0 &&
	           strcmp(format, "double") != 0 && strcmp(format, "decimal") != 0) {
		return constraint_refuse(compiling, "format");
	}
	if (multiple != NULL) {
		while (places < 10 && fabs(step * pow(10, places) - 1) > 1e-9)
			places++;
		if (json_is_number(multiple) && places < 10) {
			node->decimals = places;
			node->step = whole ? 0 : step;
		} else if (json_is_number(multiple) && step >= 1 && step <= 1e14 && step == floor(step)) {
			node->whole = true;
			node->multiple = (int64_t)step;
		} else {
			return constraint_refuse(compiling, "multipleOf");
		}
	}
	node->bounded = multiple != NULL || node->least_value > -HUGE_VAL || node->most_value < HUGE_VAL;
	return number_exists(node) ? 0 : constraint_contradiction(compiling);
}
