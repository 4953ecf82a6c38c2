/* cedar_schema: both syntaxes; what is accepted validates a policy without harm. Run with -max_len=512. */
#include <stdlib.h>

#include "policy/cedar/cedar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] =
    "permit(principal is User, action in Action::\"all\", resource) when {"
    " principal.a.b has c && context.x == resource.y && [1].contains(principal.n) };"
    "forbid(principal, action, resource) unless { principal.hasTag(\"t\") };";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cedar_policies *policies;
	static struct arena *arena;
	struct cedar_schema *schema;
	struct cedar_source source = {"policy", SLICE_LITERAL(policy_text)};
	struct cedar_notes notes = {NULL, NULL, 0, 0, 0, 0};

	if (policies == NULL && ((arena = arena_new((size_t)16 << 20)) == NULL ||
	                         cedar_policies_parse(&policies, &source, 1, 0, NULL, NULL) == -1))
		abort();
	if (size > 16384)
		return 0;
	arena_reset(arena);
	notes.arena = arena;
	if (cedar_schema_parse(&schema, (struct cedar_source){"fuzz", slice_of(data, size)}, &notes, NULL) ==
	    0) {
		if (cedar_validate(policies, schema, &notes, NULL) == -1)
			abort();
		cedar_schema_free(schema);
	}
	return 0;
}
