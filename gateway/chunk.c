#include "gateway/chunk.h"

#define CHUNK_DIGITS 8

static void
chunk_size_byte(struct chunk *chunk, uint8_t byte)
{
	unsigned value;

	if (byte >= '0' && byte <= '9')
		value = byte - '0';
	else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
		value = (unsigned)(byte | 0x20) - 'a' + 10;
	else if (byte == '\r' && chunk->digits > 0) {
		chunk->state = chunk->left == 0 ? CHUNK_LAST_LF : CHUNK_SIZE_LF;
		return;
	} else {
		chunk->state = CHUNK_BROKEN;
		return;
	}
	if (chunk->digits == CHUNK_DIGITS) {
		chunk->state = CHUNK_BROKEN;
		return;
	}
	chunk->digits++;
	chunk->left = chunk->left * 16 + value;
}

static void
chunk_byte(struct chunk *chunk, uint8_t byte)
{
	switch (chunk->state) {
	case CHUNK_SIZE:
		chunk_size_byte(chunk, byte);
		return;
	case CHUNK_SIZE_LF:
		chunk->state = byte == '\n' ? CHUNK_DATA : CHUNK_BROKEN;
		return;
	case CHUNK_DATA_CR:
		chunk->state = byte == '\r' ? CHUNK_DATA_LF : CHUNK_BROKEN;
		return;
	case CHUNK_DATA_LF:
		chunk->state = byte == '\n' ? CHUNK_SIZE : CHUNK_BROKEN;
		chunk->digits = 0;
		return;
	case CHUNK_LAST_LF:
		chunk->state = byte == '\n' ? CHUNK_END_CR : CHUNK_BROKEN;
		return;
	case CHUNK_END_CR:
		chunk->state = byte == '\r' ? CHUNK_END_LF : byte == '\n' ? CHUNK_BROKEN : CHUNK_TRAILER;
		return;
	case CHUNK_END_LF:
		chunk->state = byte == '\n' ? CHUNK_DONE : CHUNK_BROKEN;
		return;
	case CHUNK_DATA:
	case CHUNK_DONE:
	case CHUNK_BROKEN:
	case CHUNK_TRAILER:
		return;
	}
}

void
chunk_next(struct chunk *chunk, struct slice *input, struct slice *data)
{
	*data = (struct slice){NULL, 0};
	while (input->size > 0) {
		if (chunk->state == CHUNK_DATA) {
			size_t size = input->size < chunk->left ? input->size : chunk->left;

			*data = slice_of(input->data, size);
			*input = slice_of(input->data + size, input->size - size);
			chunk->left -= size;
			if (chunk->left == 0)
				chunk->state = CHUNK_DATA_CR;
			return;
		}
		if (chunk->state == CHUNK_DONE || chunk->state == CHUNK_BROKEN ||
		    chunk->state == CHUNK_TRAILER)
			return;
		chunk_byte(chunk, input->data[0]);
		*input = slice_of(input->data + 1, input->size - 1);
	}
}
