#include "audit/periodfile.h"

#include <string.h>

#define MAGIC        "HAECHIP1"
#define WRAPPED_MOST 256u

static bool
text_put(struct buffer *out, const char *text, size_t room)
{
	const size_t size = strlen(text);

	buffer_byte(out, (uint8_t)size);
	buffer_append(out, text, size);
	return size < room && size <= UINT8_MAX;
}

bool
periodfile_head(struct buffer *out, const struct periodfile *file)
{
	buffer_string(out, MAGIC);
	buffer_byte(out, (uint8_t)file->cipher);
	buffer_byte(out, (uint8_t)file->state);
	buffer_u32be(out, file->month);
	buffer_u64be(out, file->generation);
	buffer_append(out, file->root, sizeof file->root);
	return text_put(out, file->agency, sizeof file->agency) &&
	       text_put(out, file->label, sizeof file->label) && text_put(out, file->old, sizeof file->old) &&
	       buffer_ok(out);
}

bool
periodfile_body(struct buffer *out, const struct periodfile *file, struct slice wrapped, size_t text,
                struct slice *bound, uint8_t **body)
{
	const size_t extra = aead_extra(file->cipher);
	size_t begin;

	buffer_u16be(out, (uint16_t)wrapped.size);
	buffer_slice(out, wrapped);
	begin = out->size;
	for (size_t i = 0; i < text + extra; i++)
		buffer_byte(out, 0);
	if (!buffer_ok(out) || wrapped.size > WRAPPED_MOST)
		return false;
	*bound = slice_of(out->data, begin);
	*body = out->data + begin;
	return true;
}

static bool
text_take(struct reader *reader, char *out, size_t room)
{
	const struct slice text = reader_take(reader, reader_u8(reader));

	if (!reader_ok(reader) || text.size >= room || memchr(text.data, '\0', text.size) != NULL)
		return false;
	memcpy(out, text.data, text.size);
	out[text.size] = '\0';
	return true;
}

bool
periodfile_read(struct periodfile *out, struct periodfile_parts *parts, struct slice bytes)
{
	struct reader reader = reader_of(bytes);
	const struct slice magic = reader_take(&reader, sizeof MAGIC - 1);
	struct slice root;

	memset(out, 0, sizeof *out);
	memset(parts, 0, sizeof *parts);
	if (!reader_ok(&reader) || !slice_is(magic, MAGIC))
		return false;
	out->cipher = (enum aead)reader_u8(&reader);
	out->state = (enum period_state)reader_u8(&reader);
	out->month = reader_u32be(&reader);
	out->generation = reader_u64be(&reader);
	root = reader_take(&reader, PERIOD_ROOT);
	if (!reader_ok(&reader) || aead_nonce(out->cipher) == 0 || out->state < PERIOD_IN_FILE ||
	    out->state > PERIOD_DESTROYED)
		return false;
	memcpy(out->root, root.data, PERIOD_ROOT);
	if (!text_take(&reader, out->agency, sizeof out->agency) ||
	    !text_take(&reader, out->label, sizeof out->label) ||
	    !text_take(&reader, out->old, sizeof out->old))
		return false;
	parts->head = slice_of(bytes.data, bytes.size - reader.rest.size);
	parts->wrapped = reader_take(&reader, reader_u16be(&reader));
	if (!reader_ok(&reader) || parts->wrapped.size > WRAPPED_MOST ||
	    (parts->wrapped.size == 0) != (out->state == PERIOD_DESTROYED) ||
	    (out->label[0] != '\0') != (out->state == PERIOD_IN_TOKEN))
		return false;
	parts->bound = slice_of(bytes.data, bytes.size - reader.rest.size);
	parts->body = reader.rest;
	return parts->body.size >= aead_extra(out->cipher);
}
