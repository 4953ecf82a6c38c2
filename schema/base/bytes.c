#include "schema/base/bytes.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct slice
slice_of(const void *data, size_t size)
{
	return (struct slice){data, size};
}

struct slice
slice_string(const char *text)
{
	return text == NULL ? (struct slice){NULL, 0} : slice_of(text, strlen(text));
}

struct slice
slice_unmarked(struct slice text)
{
	static const uint8_t mark[] = {0xef, 0xbb, 0xbf};

	if (text.size < sizeof mark || memcmp(text.data, mark, sizeof mark) != 0)
		return text;
	return slice_of(text.data + sizeof mark, text.size - sizeof mark);
}

bool
slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool
slice_is(struct slice a, const char *text)
{
	return slice_equal(a, slice_string(text));
}

int
slice_compare(struct slice a, struct slice b)
{
	const size_t common = a.size < b.size ? a.size : b.size;
	const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

/* ---- buffer ---------------------------------------------------------------------------------------------------- */

void
buffer_init(struct buffer *buffer, size_t limit)
{
	*buffer = (struct buffer){.limit = limit};
}

void
buffer_free(struct buffer *buffer)
{
	if (buffer == NULL)
		return;
	free(buffer->data);
	*buffer = (struct buffer){.limit = buffer->limit};
}

void
buffer_wipe(struct buffer *buffer)
{
	if (buffer == NULL)
		return;
	if (buffer->data != NULL)
		explicit_bzero(buffer->data, buffer->capacity);
	buffer_free(buffer);
}

void
buffer_reset(struct buffer *buffer)
{
	buffer->size = 0;
	buffer->failed = false;
}

/* Room for `more` bytes and a terminating zero, which the limit does not count. */
static bool
reserve(struct buffer *buffer, size_t more)
{
	size_t capacity;
	uint8_t *data;

	if (buffer->failed)
		return false;
	if (more > buffer->limit || buffer->size > buffer->limit - more) {
		buffer->failed = true;
		return false;
	}
	if (buffer->size + more < buffer->capacity)
		return true;
	capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
	while (capacity <= buffer->size + more) {
		if (capacity > SIZE_MAX / 2) {
			buffer->failed = true;
			return false;
		}
		capacity *= 2;
	}
	if ((data = realloc(buffer->data, capacity)) == NULL) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void
buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	if (size == 0 || !reserve(buffer, size))
		return;
	memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

void
buffer_byte(struct buffer *buffer, uint8_t byte)
{
	buffer_append(buffer, &byte, 1);
}

void
buffer_string(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void
buffer_slice(struct buffer *buffer, struct slice slice)
{
	buffer_append(buffer, slice.data, slice.size);
}

void
buffer_printf(struct buffer *buffer, const char *format, ...)
{
	char small[256];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(small, sizeof small, format, arguments);
	va_end(arguments);
	if (size < 0) {
		buffer->failed = true;
		return;
	}
	if ((size_t)size < sizeof small) {
		buffer_append(buffer, small, (size_t)size);
		return;
	}
	if (!reserve(buffer, (size_t)size))
		return;
	va_start(arguments, format);
	vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, arguments);
	va_end(arguments);
	buffer->size += (size_t)size;
}

static void
append_be(struct buffer *buffer, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	buffer_append(buffer, bytes, size);
}

void
buffer_u16be(struct buffer *buffer, uint16_t value)
{
	append_be(buffer, value, 2);
}

void
buffer_u32be(struct buffer *buffer, uint32_t value)
{
	append_be(buffer, value, 4);
}

void
buffer_u64be(struct buffer *buffer, uint64_t value)
{
	append_be(buffer, value, 8);
}

void
buffer_consume(struct buffer *buffer, size_t size)
{
	if (size >= buffer->size) {
		buffer->size = 0;
		return;
	}
	memmove(buffer->data, buffer->data + size, buffer->size - size);
	buffer->size -= size;
}

struct slice
buffer_view(const struct buffer *buffer)
{
	return slice_of(buffer->data, buffer->size);
}

bool
buffer_ok(const struct buffer *buffer)
{
	return !buffer->failed;
}

char *
buffer_text(struct buffer *buffer)
{
	if (!reserve(buffer, 0))
		return NULL;
	buffer->data[buffer->size] = '\0';
	return (char *)buffer->data;
}

/* ---- reader ---------------------------------------------------------------------------------------------------- */

struct reader
reader_of(struct slice slice)
{
	return (struct reader){.rest = slice};
}

struct slice
reader_take(struct reader *reader, size_t size)
{
	struct slice taken;

	if (reader->failed || size > reader->rest.size) {
		reader->failed = true;
		return slice_of(NULL, 0);
	}
	taken = slice_of(reader->rest.data, size);
	if (size > 0) {
		reader->rest.data += size;
		reader->rest.size -= size;
	}
	return taken;
}

static uint64_t
take_be(struct reader *reader, size_t size)
{
	const struct slice bytes = reader_take(reader, size);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.size; i++)
		value = value << 8 | bytes.data[i];
	return value;
}

static uint64_t
take_le(struct reader *reader, size_t size)
{
	const struct slice bytes = reader_take(reader, size);
	uint64_t value = 0;

	for (size_t i = bytes.size; i > 0; i--)
		value = value << 8 | bytes.data[i - 1];
	return value;
}

uint8_t
reader_u8(struct reader *reader)
{
	return (uint8_t)take_be(reader, 1);
}

uint16_t
reader_u16be(struct reader *reader)
{
	return (uint16_t)take_be(reader, 2);
}

uint32_t
reader_u32be(struct reader *reader)
{
	return (uint32_t)take_be(reader, 4);
}

uint64_t
reader_u64be(struct reader *reader)
{
	return take_be(reader, 8);
}

uint16_t
reader_u16le(struct reader *reader)
{
	return (uint16_t)take_le(reader, 2);
}

uint32_t
reader_u32le(struct reader *reader)
{
	return (uint32_t)take_le(reader, 4);
}

uint64_t
reader_u64le(struct reader *reader)
{
	return take_le(reader, 8);
}

struct slice
reader_line(struct reader *reader)
{
	const uint8_t *end;
	struct slice line;

	if (reader->failed || reader->rest.size == 0 ||
	    (end = memchr(reader->rest.data, '\n', reader->rest.size)) == NULL) {
		reader->failed = true;
		return slice_of(NULL, 0);
	}
	line = reader_take(reader, (size_t)(end - reader->rest.data));
	reader_take(reader, 1);
	return line;
}

bool
reader_ok(const struct reader *reader)
{
	return !reader->failed;
}

bool
reader_done(const struct reader *reader)
{
	return !reader->failed && reader->rest.size == 0;
}
