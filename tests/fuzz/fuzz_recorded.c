/* A decision entry read back: whatever lies in the database, nothing is believed that ENTRY.md does not have. */
#include <stdlib.h>

#include "gateway/recorded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(1 << 20);
	struct recorded recorded;
	struct fault why;

	if (arena == NULL)
		return 0;
	if (recorded_read(&recorded, slice_of(data, size), arena, &why) == 0 &&
	    (recorded.facts.subject != &recorded.subject || recorded.facts.usecase != NULL ||
	     recorded.facts.found_kinds >> IDENTIFIER_KINDS != 0 ||
	     recorded.facts.redacted_kinds >> IDENTIFIER_KINDS != 0 ||
	     recorded.facts.signal_domains >> DOMAIN_KINDS != 0 ||
	     recorded.assessment.domain_count > DOMAIN_KINDS))
		abort();
	arena_free(arena);
	return 0;
}
