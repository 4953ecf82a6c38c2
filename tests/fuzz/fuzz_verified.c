/* The state file of verify: whatever is accepted is written again as it was read. */
#include <stdlib.h>

#include "audit/verified.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verified *verified, *again;
	struct buffer text, second;
	struct fault why;

	if (verified_parse(&verified, slice_of(data, size), &why) == -1)
		return 0;
	buffer_init(&text, VERIFIED_LIMIT);
	buffer_init(&second, VERIFIED_LIMIT);
	verified_write(&text, verified);
	if (!buffer_ok(&text) || verified_parse(&again, buffer_view(&text), &why) == -1)
		abort();
	verified_write(&second, again);
	if (!slice_equal(buffer_view(&text), buffer_view(&second)))
		abort();
	verified_free(again);
	verified_free(verified);
	buffer_free(&text);
	buffer_free(&second);
	return 0;
}
