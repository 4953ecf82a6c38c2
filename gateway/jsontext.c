#include "gateway/jsontext.h"

#include <string.h>

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t
code_of(const uint8_t *digits)
{
	uint32_t code = 0;

	for (unsigned i = 0; i < 4; i++)
		code = code << 4 | (uint32_t)hex_value(digits[i]);
	return code;
}

static void
put_code(struct buffer *out, uint32_t code)
{
	uint8_t bytes[4];

	buffer_append(out, bytes, utf8_put(bytes, code));
}

static void step(struct jsontext_plain *state, uint8_t c, struct buffer *out);

/* The first bytes held are no escape that can be undone: they go out as they are, and the others are looked at anew. */
static void
give_up(struct jsontext_plain *state, size_t size, struct buffer *out)
{
	uint8_t rest[sizeof state->held];
	size_t left = state->held_size - size;

	buffer_append(out, state->held, size);
	memcpy(rest, state->held + size, left);
	state->held_size = 0;
	for (size_t i = 0; i < left; i++)
		step(state, rest[i], out);
}

/* Six bytes are there, or twelve. */
static void
undo(struct jsontext_plain *state, struct buffer *out)
{
	const uint32_t first = code_of(state->held + 2);
	const uint32_t second = state->held_size == 12 ? code_of(state->held + 8) : 0;

	if (state->held_size == 12) {
		if (second >= 0xdc00 && second <= 0xdfff) {
			put_code(out, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
			state->held_size = 0;
		} else {
			give_up(state, 6, out);
		}
	} else if (first >= 0xd800 && first <= 0xdbff) {
		return; /* the other half may follow */
	} else if (first < 0x20 || first == '"' || first == '\\' || (first >= 0xdc00 && first <= 0xdfff)) {
		give_up(state, 6, out); /* must stay escaped */
	} else {
		put_code(out, first);
		state->held_size = 0;
	}
}

static void
step(struct jsontext_plain *state, uint8_t c, struct buffer *out)
{
	const size_t at = state->held_size % 6;

	if (state->held_size == 0) {
		if (state->string && c == '\\') {
			state->held[state->held_size++] = c;
			return;
		}
		if (c == '"')
			state->string = !state->string;
		buffer_byte(out, c);
		return;
	}
	if (at == 1 && state->held_size == 1 && c != 'u') {
		if (c != '/')
			buffer_byte(out, '\\');
		buffer_byte(out, c);
		state->held_size = 0;
		return;
	}
	if ((at == 0 && c != '\\') || (at == 1 && c != 'u') || (at > 1 && hex_value(c) == -1)) {
		/* An escape that is none, or half a pair alone: and c begins something else. */
		give_up(state, state->held_size > 6 ? 6 : state->held_size, out);
		step(state, c, out);
		return;
	}
	state->held[state->held_size++] = c;
	if (at == 5)
		undo(state, out);
}

void
jsontext_plain(struct jsontext_plain *state, struct slice text, bool last, struct buffer *out)
{
	for (size_t i = 0; i < text.size; i++)
		step(state, text.data[i], out);
	if (last && state->held_size > 0) {
		buffer_append(out, state->held, state->held_size);
		state->held_size = 0;
	}
}

void
jsontext_quoting(struct jsontext_quoting *state, struct slice text, bool last, struct buffer *out)
{
	for (size_t i = 0; i < text.size; i++) {
		const uint8_t c = text.data[i];

		if (state->string) {
			buffer_byte(out, c);
			if (state->escaped)
				state->escaped = false;
			else if (c == '\\')
				state->escaped = true;
			else if (c == '"')
				state->string = false;
			continue;
		}
		if (state->bare && strchr(",:]}\" \t\r\n", c) != NULL && c != '\0') {
			buffer_byte(out, '"');
			state->bare = false;
		}
		if (!state->bare && (c >= 0x80 || c == '*')) { /* no JSON has this outside of a string */
			buffer_byte(out, '"');
			state->bare = true;
		} else if (!state->bare && c == '"') {
			state->string = true;
		}
		buffer_byte(out, c);
	}
	if (last && state->bare) {
		buffer_byte(out, '"');
		state->bare = false;
	}
}
