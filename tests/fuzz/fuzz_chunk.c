/*
 * Chunked bodies: the same bytes give the same data and the same end, however they are cut.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
over(const struct chunk *chunk)
{
	return chunk->state == CHUNK_DONE || chunk->state == CHUNK_BROKEN || chunk->state == CHUNK_TRAILER;
}

/* All of the body, read `step` bytes at a time; how many bytes of the input it took. */
static size_t
read_all(struct chunk *chunk, struct buffer *out, const uint8_t *data, size_t size, size_t step)
{
	size_t at = 0;

	while (at < size && !over(chunk)) {
		size_t part = size - at < step ? size - at : step;
		struct slice input = slice_of(data + at, part), piece;

		while (input.size > 0 && !over(chunk)) {
			chunk_next(chunk, &input, &piece);
			if (piece.size > 0)
				buffer_slice(out, piece);
		}
		at += part - input.size;
	}
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chunk one = {0}, other = {0};
	struct buffer first, second;

	if (size < 1)
		return 0;
	buffer_init(&first, size);
	buffer_init(&second, size);
	if (read_all(&one, &first, data + 1, size - 1, size) !=
	        read_all(&other, &second, data + 1, size - 1, (size_t)data[0] % 17 + 1) ||
	    one.state != other.state || !slice_equal(buffer_view(&first), buffer_view(&second)) ||
	    !buffer_ok(&first))
		abort();
	buffer_free(&first);
	buffer_free(&second);
	return 0;
}
