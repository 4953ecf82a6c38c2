/*
 * cedar_request: a request with its context, with and without a schema; what fits a schema fits it twice, and what was
 * read can be decided. Run with -max_len=512.
 */
#include <stdlib.h>

#include "policy/cedar/cedar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema_text[] =
    "entity User in [Group] {name: String} tags Long; entity Group; entity Kind enum [\"a\", \"b\"];"
    "action view, edit in [all] appliesTo {principal: User, resource: [User, Group],"
    " context: {now?: datetime, d?: decimal, k?: Kind, s?: Set<{a: Long}>}}; action all;";

static const char policy_text[] = "permit(principal is User, action in Action::\"all\", resource) when {"
                                  " context.now < datetime(\"2026-01-01\") || context.s.contains({a: 1}) };"
                                  "forbid(principal, action, resource in Group::\"g\") unless { context has "
                                  "d && context.k == Kind::\"a\" };";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cedar_schema *schema;
	static struct cedar_policies *policies;
	static struct arena *arena;
	struct cedar_source source = {"policy", SLICE_LITERAL(policy_text)};
	struct cedar_request request;
	struct cedar_result result;

	if (schema == NULL &&
	    ((arena = arena_new((size_t)64 << 20)) == NULL ||
	     cedar_policies_parse(&policies, &source, 1, 0, NULL, NULL) == -1 ||
	     cedar_schema_parse(&schema, (struct cedar_source){"schema", SLICE_LITERAL(schema_text)}, NULL,
	                        NULL) == -1))
		abort();
	if (size > 16384)
		return 0;
	for (int typed = 0; typed < 2; typed++) {
		const struct cedar_schema *by = typed == 1 ? schema : NULL;

		arena_reset(arena);
		if (cedar_request_read(&request, arena, slice_of(data, size), by, true, NULL) == -1)
			continue;
		if (request.context.kind != CEDAR_RECORD ||
		    (by != NULL && cedar_request_check(by, &request, NULL) == -1) ||
		    cedar_authorize(policies, &request, NULL, arena, &result, NULL) == -1)
			abort();
	}
	return 0;
}
