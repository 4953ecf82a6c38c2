#include "gateway/stream.h"

#include <stdlib.h>
#include <string.h>

struct stream {
	size_t capacity, begin, size; /* a ring: `size` bytes from `begin` */
	enum stream_state state;
	bool refused; /* a write did not fit: tell the writer when there is room */
	void (*drained)(void *owner);
	void *drained_owner;
	void (*filled)(void *owner);
	void *filled_owner;
	uint8_t bytes[];
};

struct stream *
stream_new(size_t capacity)
{
	struct stream *stream = malloc(sizeof *stream + capacity);

	if (stream == NULL)
		return NULL;
	memset(stream, 0, sizeof *stream);
	stream->capacity = capacity;
	return stream;
}

void
stream_free(struct stream *stream)
{
	free(stream);
}

size_t
stream_room(const struct stream *stream)
{
	return stream->capacity - stream->size;
}

static void
stream_tell(struct stream *stream)
{
	if (stream->filled != NULL)
		stream->filled(stream->filled_owner);
}

bool
stream_write(struct stream *stream, struct slice bytes)
{
	size_t at, first;

	if (stream->state != STREAM_OPEN || bytes.size > stream_room(stream)) {
		stream->refused = true;
		return false;
	}
	if (bytes.size == 0)
		return true;
	at = (stream->begin + stream->size) % stream->capacity;
	first = stream->capacity - at < bytes.size ? stream->capacity - at : bytes.size;
	memcpy(stream->bytes + at, bytes.data, first);
	memcpy(stream->bytes, bytes.data + first, bytes.size - first);
	stream->size += bytes.size;
	stream_tell(stream);
	return true;
}

void
stream_end(struct stream *stream)
{
	if (stream->state != STREAM_OPEN)
		return;
	stream->state = STREAM_ENDED;
	stream_tell(stream);
}

void
stream_abort(struct stream *stream)
{
	stream->state = STREAM_ABORTED;
	stream_tell(stream);
}

void
stream_on_drain(struct stream *stream, void (*drained)(void *owner), void *owner)
{
	stream->drained = drained;
	stream->drained_owner = owner;
}

void
stream_on_fill(struct stream *stream, void (*filled)(void *owner), void *owner)
{
	stream->filled = filled;
	stream->filled_owner = owner;
}

size_t
stream_read(struct stream *stream, void *out, size_t size)
{
	size_t first;

	if (size > stream->size)
		size = stream->size;
	first = stream->capacity - stream->begin < size ? stream->capacity - stream->begin : size;
	if (size > 0) {
		memcpy(out, stream->bytes + stream->begin, first);
		memcpy((uint8_t *)out + first, stream->bytes, size - first);
	}
	stream->begin = (stream->begin + size) % stream->capacity;
	stream->size -= size;
	if (stream->refused && stream->size <= stream->capacity / 2) {
		stream->refused = false;
		if (stream->drained != NULL)
			stream->drained(stream->drained_owner);
	}
	return size;
}

enum stream_state
stream_state(const struct stream *stream)
{
	if (stream->state == STREAM_ENDED && stream->size > 0)
		return STREAM_OPEN;
	return stream->state;
}
