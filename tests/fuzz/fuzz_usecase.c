/* A use case from foreign bytes: read whole or refused, never half. */
#include <stdlib.h>

#include "schema/usecase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(1 << 20);
	struct usecase usecase;
	struct fault why;

	if (arena == NULL)
		return 0;
	if (usecase_parse(&usecase, slice_of(data, size), arena, &why) == 0) {
		if (usecase.id[0] == '\0' || usecase.version < 1 || usecase.domain_count >= DOMAIN_KINDS)
			abort();
		usecase_release(&usecase);
	}
	arena_free(arena);
	return 0;
}
