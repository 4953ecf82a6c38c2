/* Key files with their times: what was taken is written again and taken again, the same. */
#include <stdlib.h>
#include <string.h>

#include "audit/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyring one, two;
	struct buffer text;
	struct fault why;

	memset(&one, 0, sizeof one);
	memset(&two, 0, sizeof two);
	if (keyring_add(&one, slice_of(data, size), &why) == -1)
		return 0;
	buffer_init(&text, 1 << 18);
	keyring_write(&text, &one);
	if (!buffer_ok(&text) || keyring_add(&two, buffer_view(&text), &why) == -1 || two.count != one.count)
		abort();
	for (size_t i = 0; i < one.count; i++)
		if (one.keys[i].id != two.keys[i].id || one.from[i] != two.from[i] || one.until[i] != two.until[i])
			abort();
	buffer_free(&text);
	return 0;
}
