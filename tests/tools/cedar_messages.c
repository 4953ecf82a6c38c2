/*
 * What Cedar says of mistakes. Reads cases from standard input and writes them again with the messages they give:
 *
 *	== policy            one case: policies as text. Also json, schema, valid, evaluate, entities, plain, request
 *	permit(principal)    its text, up to
 *	--                   ... what is said, up to the next case
 *
 * `valid`, `entities` and `request` are read by the schema below; `plain` is entities without one; `evaluate` is decided.
 * tests/policies/cedar-messages.sh compares the output with the input: the file is its own expectation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/cedar/cedar.h"

static const char schema_text[] =
    "entity User in [Group] {name: String, age?: Long, boss?: User, r: {x?: Long}} tags Long;"
    "entity Group; entity Doc; entity Kind enum [\"a\", \"b\"];"
    "action all; action view, edit in [all] appliesTo {principal: User, resource: [User, Doc],"
    " context: {now: datetime, ip?: ipaddr, k?: Kind, s?: Set<String>, d?: decimal}};";
static const char entities_text[] =
    "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"name\":\"n\",\"r\":{}},\"parents\":[]}]";
static const char request_text[] =
    "{\"principal\":{\"type\":\"User\",\"id\":\"a\"},\"action\":{\"type\":\"Action\",\"id\":\"view\"},"
    "\"resource\":{\"type\":\"Doc\",\"id\":\"d\"},\"context\":{\"now\":\"2026-01-22\"}}";

static void
must(int result)
{
	if (result == -1)
		abort();
}

static void
tell(const struct fault *why)
{
	fault_print(stdout, "haechi", why);
}

static void
evaluate(const struct cedar_policies *policies, const struct cedar_schema *schema, struct arena *arena)
{
	struct cedar_entities *entities;
	struct cedar_request request;
	struct cedar_result result;

	must(cedar_entities_read(&entities, arena, SLICE_LITERAL(entities_text), schema, NULL));
	must(cedar_request_read(&request, arena, SLICE_LITERAL(request_text), schema, true, NULL));
	must(cedar_authorize(policies, &request, entities, arena, &result, NULL));
	for (size_t i = 0; i < result.error_count; i++)
		printf("%u:%u: %s\n\t%s\n", result.errors[i].line, result.errors[i].column,
		       result.errors[i].ko, result.errors[i].en);
}

static void
say(const char *kind, struct slice text, const struct cedar_schema *schema)
{
	struct arena *arena = arena_new((size_t)64 << 20);
	struct cedar_notes notes = {.arena = arena};
	struct cedar_source source = {kind, text};
	struct cedar_policies *policies = NULL;
	struct cedar_schema *made = NULL;
	struct cedar_entities *entities;
	struct cedar_request request;
	struct fault why;
	int result = 0;

	if (strcmp(kind, "schema") == 0)
		result = cedar_schema_parse(&made, source, &notes, &why);
	else if (strcmp(kind, "json") == 0)
		result = cedar_policies_parse_json(&policies, source, &notes, &why);
	else if (strcmp(kind, "entities") == 0 || strcmp(kind, "plain") == 0)
		result = cedar_entities_read(&entities, arena, text, kind[0] == 'e' ? schema : NULL, &why);
	else if (strcmp(kind, "request") == 0)
		result = cedar_request_read(&request, arena, text, schema, true, &why);
	else
		result = cedar_policies_parse(&policies, &source, 1, 0, &notes, &why);
	if (policies != NULL && strcmp(kind, "valid") == 0)
		must(cedar_validate(policies, schema, &notes, NULL));
	if (policies != NULL && strcmp(kind, "evaluate") == 0)
		evaluate(policies, schema, arena);
	cedar_notes_print(stdout, &notes);
	if (result == -1 && notes.count == 0)
		tell(&why);
	cedar_policies_free(policies);
	cedar_schema_free(made);
	arena_free(arena);
}

int
main(void)
{
	struct cedar_schema *schema;
	struct buffer text;
	char *line = NULL, kind[32] = "";
	size_t capacity = 0;
	bool inside = false;

	must(cedar_schema_parse(&schema, (struct cedar_source){"schema", SLICE_LITERAL(schema_text)}, NULL,
	                        NULL));
	buffer_init(&text, (size_t)1 << 20);
	while (getline(&line, &capacity, stdin) != -1) {
		if (strncmp(line, "== ", 3) == 0) {
			if (kind[0] != 0)
				putchar('\n');
			fputs(line, stdout);
			sscanf(line + 3, "%31s", kind);
			buffer_reset(&text);
			inside = true;
		} else if (inside && strcmp(line, "--\n") == 0) {
			fputs(line, stdout);
			inside = false;
			if (text.size > 0)
				text.size--; /* the last line end is the file's, not the case's */
			say(kind, buffer_view(&text), schema);
		} else if (inside) {
			fputs(line, stdout);
			buffer_string(&text, line);
		} else if (kind[0] == 0) {
			fputs(line, stdout); /* what the file says of itself */
		}
	}
	buffer_free(&text);
	free(line);
	cedar_schema_free(schema);
	return 0;
}
