/* entry: any bytes at all are read as an entry or refused; what is accepted was canonical. */
#include "schema/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry_columns columns;
	struct arena *arena = arena_new(1 << 20);
	struct fault why;

	if (arena != NULL && entry_read(&columns, slice_of(data, size), arena, &why) == 0 &&
	    columns.id.size == 0)
		__builtin_trap();
	arena_free(arena);
	return 0;
}
