/*
 * Answers the questions of tests/policies/cedar_generate.py: a JSON line in, a JSON line out.
 *
 *	{"parse":bool,"schema":bool,"valid":bool|null,"invalid":[ids],"plain":[A…],"typed":[A…]}
 *
 * and "why" when something was refused: the reasons, for people. `invalid` are the policies that do not validate. An A is {"d":"allow|deny","r":[ids],"e":[ids]}, or null when entities or request were refused. plain is without the
 * schema, typed with it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/cedar/cedar_json.h"
#include "policy/cedar/schema.h"
#include "schema/base/json.h"

#define ARENA_LIMIT ((size_t)1 << 30)

static struct slice
text_of(const struct cedar_json *json)
{
	return json != NULL && json->kind == CEDAR_JSON_STRING ? json->as.string : (struct slice){NULL, 0};
}

/* Reasons are gathered behind the answer, in English. */
static void
tell(struct buffer *reasons, const struct fault *why)
{
	buffer_string(reasons, reasons->size > 0 ? "," : "");
	json_quote(reasons, slice_string(why->en));
}

static struct cedar_policies *
parse_policies(const struct cedar_json *json, struct buffer *reasons)
{
	struct cedar_policies *policies = NULL;
	struct cedar_source source = {"policies", text_of(cedar_json_get(json, "text"))};
	struct fault why;
	int result;

	if (cedar_json_get(json, "text") != NULL) {
		result = cedar_policies_parse(&policies, &source, 1, 0, NULL, &why);
	} else {
		source.text = text_of(cedar_json_get(json, "json"));
		result = cedar_policies_parse_json(&policies, source, NULL, &why);
	}
	if (result == -1)
		tell(reasons, &why);
	return result == 0 ? policies : NULL;
}

static void
write_ids(struct buffer *out, const struct cedar_policies *policies, const char *name, const uint32_t *list,
          size_t count)
{
	buffer_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(cedar_policy_id(policies, list[i])));
	}
	buffer_byte(out, ']');
}

static void
write_answer(struct buffer *out, const struct cedar_policies *policies, const struct cedar_entities *entities,
             const struct cedar_schema *schema, const struct cedar_json *question, struct buffer *reasons)
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct fault why = {0};
	const struct cedar_json *json, *check;
	struct cedar_request request;
	struct cedar_result result;
	uint32_t failed[64];

	if (policies == NULL || entities == NULL ||
	    cedar_json_read(&json, arena, text_of(question), CEDAR_JSON_DEPTH, NULL) == -1) {
		buffer_string(out, "null");
	} else {
		check = cedar_json_get(json, "validateRequest");
		if (cedar_request_from(&request, arena, json, schema, check == NULL || check->as.boolean,
		                       &why) == -1 ||
		    cedar_authorize(policies, &request, entities, arena, &result, &why) == -1 ||
		    result.error_count > 64) {
			tell(reasons, &why);
			buffer_string(out, "null");
		} else {
			for (size_t i = 0; i < result.error_count; i++)
				failed[i] = result.errors[i].policy;
			buffer_printf(out, "{\"d\":\"%s\"",
			              result.decision == CEDAR_ALLOW ? "allow" : "deny");
			write_ids(out, policies, "r", result.determining, result.determining_count);
			write_ids(out, policies, "e", failed, result.error_count);
			buffer_byte(out, '}');
		}
	}
	arena_free(arena);
}

static void
write_answers(struct buffer *out, const char *name, const struct cedar_policies *policies,
              const struct cedar_schema *schema, bool possible, const struct cedar_json *question,
              struct buffer *reasons)
{
	struct fault why;
	const struct cedar_json *requests = cedar_json_get(question, "requests");
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct cedar_entities *entities = NULL;

	if (possible && cedar_entities_read(&entities, arena, text_of(cedar_json_get(question, "entities")),
	                                    schema, &why) == -1) {
		tell(reasons, &why);
		entities = NULL;
	}
	buffer_printf(out, ",\"%s\":[", name);
	for (uint32_t i = 0; requests != NULL && i < requests->count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		write_answer(out, policies, entities, schema, &requests->as.items[i], reasons);
	}
	buffer_byte(out, ']');
	arena_free(arena);
}

static int
answer(struct buffer *out, struct slice line)
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct cedar_notes notes = {.arena = arena};
	struct cedar_policies *policies;
	struct cedar_schema *schema = NULL;
	const struct cedar_json *question;
	const char *valid = "null";
	struct buffer reasons;
	struct fault why;
	int result = -1;

	buffer_init(&reasons, CEDAR_JSON_LIMIT);
	if (cedar_json_read(&question, arena, line, CEDAR_JSON_DEPTH, NULL) == -1)
		goto out;
	policies = parse_policies(cedar_json_get(question, "policies"), &reasons);
	if (cedar_schema_parse(&schema,
	                       (struct cedar_source){"schema", text_of(cedar_json_get(question, "schema"))},
	                       NULL, &why) == -1) {
		tell(&reasons, &why);
		schema = NULL;
	}
	if (policies != NULL && schema != NULL && cedar_validate(policies, schema, &notes, NULL) == 0)
		valid = notes.errors == 0 ? "true" : "false";
	buffer_printf(out, "{\"parse\":%s,\"schema\":%s,\"valid\":%s", policies != NULL ? "true" : "false",
	              schema != NULL ? "true" : "false", valid);
	buffer_string(out, ",\"invalid\":[");
	for (size_t i = 0, written = 0; i < notes.count; i++) {
		if (notes.items[i].severity != CEDAR_ERROR || notes.items[i].policy_id == NULL)
			continue;
		buffer_string(out, written++ > 0 ? "," : "");
		json_quote(out, slice_string(notes.items[i].policy_id));
	}
	buffer_byte(out, ']');
	write_answers(out, "plain", policies, NULL, true, question, &reasons);
	write_answers(out, "typed", policies, schema, schema != NULL, question, &reasons);
	if (reasons.size > 0) {
		buffer_string(out, ",\"why\":[");
		buffer_slice(out, buffer_view(&reasons));
		buffer_byte(out, ']');
	}
	buffer_string(out, "}\n");
	cedar_policies_free(policies);
	cedar_schema_free(schema);
	result = buffer_ok(out) ? 0 : -1;
out:
	buffer_free(&reasons);
	arena_free(arena);
	return result;
}

int
main(void)
{
	struct buffer out;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;
	int status = 0;

	buffer_init(&out, CEDAR_JSON_LIMIT);
	while (status == 0 && (size = getline(&line, &capacity, stdin)) != -1) {
		buffer_reset(&out);
		status = answer(&out, slice_of(line, (size_t)size)) == 0 &&
		                 fwrite(out.data, 1, out.size, stdout) == out.size
		             ? 0
		             : 1;
	}
	buffer_free(&out);
	free(line);
	return status;
}
