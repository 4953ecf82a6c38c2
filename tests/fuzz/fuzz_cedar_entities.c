/* cedar_entities: entities, and the same bytes as a request, with and without a schema. */
#include <stdlib.h>

#include "policy/cedar/cedar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema_text[] =
    "entity User in [Group] {name: String, age?: Long, ip?: ipaddr} tags Long;"
    "entity Group; entity Kind enum [\"a\", \"b\"];"
    "action view, edit in [all] appliesTo {principal: User, resource: [User, Group],"
    " context: {now?: datetime, d?: decimal, k?: Kind, s?: Set<{a: Long}>}}; action all;";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cedar_schema *schema;
	struct cedar_entities *entities;
	struct cedar_request request;
	struct arena *arena;

	if (schema == NULL &&
	    cedar_schema_parse(&schema, (struct cedar_source){"schema", SLICE_LITERAL(schema_text)}, NULL,
	                       NULL) == -1)
		abort();
	if (size > 65536 || (arena = arena_new((size_t)64 << 20)) == NULL)
		return 0;
	for (int typed = 0; typed < 2; typed++) {
		const struct cedar_schema *by = typed == 1 ? schema : NULL;

		if (cedar_entities_read(&entities, arena, slice_of(data, size), by, NULL) == 0 &&
		    by != NULL && cedar_entities_check(by, entities, NULL) == -1)
			abort();
		if (cedar_request_read(&request, arena, slice_of(data, size), by, true, NULL) == 0 &&
		    request.context.kind != CEDAR_RECORD)
			abort();
	}
	arena_free(arena);
	return 0;
}
