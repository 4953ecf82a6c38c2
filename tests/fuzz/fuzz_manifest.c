/* Manifests: what is read and written again is the same text; names never leave the folder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct manifest manifest;
	static struct arena *arena;
	struct fault why;

	if (arena == NULL && (arena = arena_new(1 << 22)) == NULL)
		abort();
	arena_reset(arena);
	if (manifest_read(&manifest, slice_of(data, size), arena, &why) == -1)
		return 0;
	for (size_t i = 0; i < manifest.file_count; i++) {
		const char *name = manifest.files[i].name;

		if (name[0] == '/' || name[0] == '.' || strstr(name, "..") != NULL ||
		    strstr(name, "//") != NULL || strlen(name) > MANIFEST_PATH)
			abort();
	}
	return 0;
}
