/* Every normal byte leads back into the original, in order, whatever the bytes are. */
#include <stdlib.h>

#include "policy/detect/normalise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct normal normal = {0};
	struct fault why;
	size_t before = 0;

	if (normal_make(&normal, slice_of(data, size), &why) == 0) {
		if (!utf8_valid(slice_of(normal.text, normal.size)))
			abort();
		for (size_t i = 0; i < normal.size; i++) {
			size_t start, end;

			normal_locate(&normal, i, i + 1, &start, &end);
			if (start >= end || end > size || start < before)
				abort();
			before = start;
		}
	}
	normal_free(&normal);
	return 0;
}
