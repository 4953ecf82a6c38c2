/* Any text in any pieces: both writers stay within their bounds, and pieces make no difference. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/jsontext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_both(const uint8_t *data, size_t size, size_t piece, struct buffer *one, struct buffer *two)
{
	struct jsontext_plain plain = {0};
	struct jsontext_quoting quoting = {0};

	buffer_init(one, 3 * size + 64);
	buffer_init(two, 3 * size + 64);
	for (size_t at = 0; at < size; at += piece) {
		const size_t many = size - at < piece ? size - at : piece;

		jsontext_plain(&plain, slice_of(data + at, many), at + many == size, one);
		jsontext_quoting(&quoting, slice_of(data + at, many), at + many == size, two);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole[2], parts[2];

	if (size < 2)
		return 0;
	write_both(data + 1, size - 1, size, &whole[0], &whole[1]);
	write_both(data + 1, size - 1, 1 + data[0] % 7, &parts[0], &parts[1]);
	for (unsigned i = 0; i < 2; i++) {
		if (!buffer_ok(&whole[i]) || !slice_equal(buffer_view(&whole[i]), buffer_view(&parts[i])))
			abort();
		buffer_free(&whole[i]);
		buffer_free(&parts[i]);
	}
	return 0;
}
