/* Event streams: the same events come out however the bytes were cut. The first byte says into which pieces. */
#include <stdlib.h>
#include <string.h>

#include "gateway/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
hold(bool what)
{
	if (!what)
		abort();
}

static int
take(void *owner, struct slice data, struct fault *why)
{
	struct buffer *seen = owner;

	(void)why;
	buffer_u32be(seen, (uint32_t)data.size);
	buffer_slice(seen, data);
	return 0;
}

static int
feed(struct slice bytes, size_t piece, struct buffer *seen, bool *clean)
{
	struct fault why;
	struct sse sse;
	int result = 0;

	buffer_init(seen, (size_t)4 << 20);
	sse_init(&sse, 1000);
	while (bytes.size > 0 && result == 0) {
		const size_t size = bytes.size < piece ? bytes.size : piece;

		result = sse_feed(&sse, slice_of(bytes.data, size), take, seen, &why);
		bytes = slice_of(bytes.data + size, bytes.size - size);
	}
	*clean = sse_clean(&sse);
	sse_free(&sse);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole, pieces;
	bool whole_clean, pieces_clean;
	int whole_result, pieces_result;

	if (size < 1)
		return 0;
	whole_result = feed(slice_of(data + 1, size - 1), size, &whole, &whole_clean);
	pieces_result = feed(slice_of(data + 1, size - 1), 1 + (size_t)data[0] % 16, &pieces, &pieces_clean);
	hold(whole_result == pieces_result);
	/* A refused piece may hold good events before the bad byte, which are then lost: only good streams must agree. */
	hold(whole_result == -1 ||
	     (slice_equal(buffer_view(&whole), buffer_view(&pieces)) && whole_clean == pieces_clean));
	buffer_free(&whole);
	buffer_free(&pieces);
	return 0;
}
