/* cedar_entities: entities, with and without a schema; what fits a schema fits it twice. Run with -max_len=512. */
#include <stdlib.h>

#include "policy/cedar/cedar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema_text[] =
    "entity User in [Group] {name: String, age?: Long, ip?: ipaddr} tags Long;"
    "entity Group; entity Kind enum [\"a\", \"b\"];"
    "action view, edit in [all] appliesTo {principal: User, resource: [User, Group]}; action all;";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cedar_schema *schema;
	static struct arena *arena;
	struct cedar_entities *entities;

	if (schema == NULL &&
	    ((arena = arena_new((size_t)64 << 20)) == NULL ||
	     cedar_schema_parse(&schema, (struct cedar_source){"schema", SLICE_LITERAL(schema_text)}, NULL,
	                        NULL) == -1))
		abort();
	if (size > 16384)
		return 0;
	for (int typed = 0; typed < 2; typed++) {
		const struct cedar_schema *by = typed == 1 ? schema : NULL;

		arena_reset(arena);
		if (cedar_entities_read(&entities, arena, slice_of(data, size), by, NULL) == 0 &&
		    by != NULL && cedar_entities_check(by, entities, NULL) == -1)
			abort();
	}
	return 0;
}
