/* Passages lie in the text, ascending; what comes out is UTF-8 within its limit. */
#include <stdlib.h>

#include "policy/detect/passages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer out;
	size_t        at = 0, start, end, before = 0;

	buffer_init(&out, PASSAGE_SIZE_LIMIT);
	while (passage_next(slice_of(data, size), &at, &start, &end, &out)) {
		if (start < before || start >= end || end > size || at != end || !utf8_valid(buffer_view(&out)))
			abort();
		before = end;
	}
	buffer_free(&out);
	return 0;
}
