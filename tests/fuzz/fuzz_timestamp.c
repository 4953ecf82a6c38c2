/* What a time-stamp authority answers (DER), and PEM roots: no input reaches beyond its bytes, and none is believed. */
#include <stdlib.h>

#include "audit/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The roots come first, up to a zero; a seed without one is an answer alone. */
	struct slice answer = slice_of(data, size), roots = {NULL, 0};
	struct timestamp stamp;
	struct fault why;

	for (size_t i = 0; i < size && i < 4096; i++)
		if (data[i] == 0 && i > 0 && data[0] == '-') {
			roots = slice_of(data, i);
			answer = slice_of(data + i + 1, size - i - 1);
			break;
		}
	if (timestamp_check(&stamp, answer, SLICE_LITERAL("document"), roots, &why) == 0 && roots.size > 0)
		abort();
	return 0;
}
