#define _GNU_SOURCE /* memmem */
#include "gateway/answer.h"

#include <string.h>
#include <strings.h>

void
answer_reader_begin(struct answer_reader *reader, bool to_head)
{
	memset(reader, 0, offsetof(struct answer_reader, content_type) + 1);
	reader->to_head = to_head;
}

static bool
name_is(struct slice name, const char *other)
{
	return name.size == strlen(other) && strncasecmp((const char *)name.data, other, name.size) == 0;
}

static struct slice
trimmed(struct slice text)
{
	while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = slice_of(text.data + 1, text.size - 1);
	while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

static bool
read_status(struct answer_reader *reader, struct slice line)
{
	if (line.size < 12 || memcmp(line.data, "HTTP/1.1 ", 9) != 0 ||
	    (line.size > 12 && line.data[12] != ' '))
		return false;
	for (size_t i = 9; i < 12; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return false;
		reader->status = reader->status * 10 + line.data[i] - '0';
	}
	return reader->status >= 200 && reader->status <= 599;
}

static bool
read_length(size_t *out, struct slice value)
{
	size_t length = 0;

	if (value.size == 0 || value.size > 15)
		return false;
	for (size_t i = 0; i < value.size; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return false;
		length = length * 10 + (size_t)(value.data[i] - '0');
	}
	*out = length;
	return true;
}

static void
read_type(struct answer_reader *reader, struct slice value)
{
	const uint8_t *end = value.size == 0 ? NULL : memchr(value.data, ';', value.size);

	if (end != NULL)
		value = trimmed(slice_of(value.data, (size_t)(end - value.data)));
	if (value.size >= sizeof reader->content_type)
		value.size = 0;
	for (size_t i = 0; i < value.size; i++)
		reader->content_type[i] =
		    (char)(value.data[i] >= 'A' && value.data[i] <= 'Z' ? value.data[i] | 0x20
		                                                        : value.data[i]);
	reader->content_type[value.size] = '\0';
}

/* A whole head, with its empty line. */
static bool
read_head(struct answer_reader *reader, struct slice head)
{
	bool length = false, chunked = false;
	size_t at = 0;

	while (at < head.size) {
		const uint8_t *end = memchr(head.data + at, '\n', head.size - at), *colon;
		struct slice line, name, value;

		if (end == NULL || end == head.data + at || end[-1] != '\r')
			return false;
		line = slice_of(head.data + at, (size_t)(end - 1 - head.data) - at);
		for (size_t i = 0; i < line.size; i++)
			if ((line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
				return false;
		if (at == 0) {
			if (!read_status(reader, line))
				return false;
			at += line.size + 2;
			continue;
		}
		at += line.size + 2;
		if (line.size == 0)
			break;
		colon = memchr(line.data, ':', line.size);
		if (colon == NULL || colon == line.data)
			return false;
		name = slice_of(line.data, (size_t)(colon - line.data));
		value = trimmed(slice_of(colon + 1, line.size - name.size - 1));
		for (size_t i = 0; i < name.size; i++)
			if (name.data[i] <= ' ')
				return false;
		if (name_is(name, "content-length")) {
			if (length || !read_length(&reader->left, value))
				return false;
			length = true;
		} else if (name_is(name, "transfer-encoding")) {
			if (chunked || !name_is(value, "chunked"))
				return false;
			chunked = true;
		} else if (name_is(name, "connection"))
			reader->close = reader->close || name_is(value, "close");
		else if (name_is(name, "content-type"))
			read_type(reader, value);
		else if (name_is(name, "content-encoding") && !name_is(value, "identity"))
			return false;
	}
	if (length && chunked)
		return false;
	reader->state = chunked ? ANSWER_STATE_CHUNKS : ANSWER_STATE_LENGTH;
	if (reader->to_head || reader->status == 204 || reader->status == 304) {
		reader->state = ANSWER_STATE_LENGTH;
		reader->left = 0;
		return true;
	}
	return length || chunked; /* a body that ends by closing could be cut short unseen */
}

enum answer_event
answer_reader_next(struct answer_reader *reader, struct slice *input, struct slice *data)
{
	const uint8_t *end;
	size_t size;

	*data = (struct slice){NULL, 0};
	switch (reader->state) {
	case ANSWER_STATE_HEAD:
		end = input->size < 4 ? NULL : memmem(input->data, input->size, "\r\n\r\n", 4);
		if (end == NULL)
			return input->size >= ANSWER_HEAD_SIZE ? ANSWER_BROKEN : ANSWER_MORE;
		size = (size_t)(end - input->data) + 4;
		if (size > ANSWER_HEAD_SIZE || !read_head(reader, slice_of(input->data, size)))
			return ANSWER_BROKEN;
		*input = slice_of(input->data + size, input->size - size);
		return ANSWER_HEAD;
	case ANSWER_STATE_LENGTH:
		if (reader->left == 0) {
			reader->state = ANSWER_STATE_OVER;
			return ANSWER_WHOLE;
		}
		if (input->size == 0)
			return ANSWER_MORE;
		size = input->size < reader->left ? input->size : reader->left;
		*data = slice_of(input->data, size);
		*input = slice_of(input->data + size, input->size - size);
		reader->left -= size;
		return ANSWER_DATA;
	case ANSWER_STATE_CHUNKS:
		chunk_next(&reader->chunk, input, data);
		if (data->size > 0)
			return ANSWER_DATA;
		if (reader->chunk.state == CHUNK_DONE) {
			reader->state = ANSWER_STATE_OVER;
			return ANSWER_WHOLE;
		}
		return reader->chunk.state == CHUNK_BROKEN || reader->chunk.state == CHUNK_TRAILER
		           ? ANSWER_BROKEN
		           : ANSWER_MORE;
	case ANSWER_STATE_OVER:
		return ANSWER_WHOLE;
	}
	return ANSWER_BROKEN;
}
