#include "policy/detect/passages.h"

#define BASE64_LEAST  20 /* characters: fourteen bytes, a resident number with its dash */
#define PERCENT_LEAST 6  /* bytes written as %XX */

static int
sextet(uint8_t byte)
{
	if (byte >= 'a')
		return byte <= 'z' ? byte - 'a' + 26 : -1;
	if (byte >= 'A')
		return byte <= 'Z' ? byte - 'A' : byte == '_' ? 63 : -1;
	if (byte >= '0')
		return byte <= '9' ? byte - '0' + 52 : -1;
	return byte == '+' || byte == '-' ? 62 : byte == '/' ? 63 : -1;
}

/* Words look like base64 too: what comes out must be UTF-8 that people read. */
static bool
readable(struct slice text)
{
	size_t at = 0, strange = 0, count = 0;

	if (text.size < 4 || !utf8_valid(text))
		return false;
	while (at < text.size) {
		uint32_t code = 0;

		at += utf8_next(slice_of(text.data + at, text.size - at), &code);
		count++;
		strange += (code < 0x20 && code != '\n' && code != '\r' && code != '\t') || code == 0x7F ||
		           (code >= 0x80 && code < 0x1100) || code > 0xFFFF;
	}
	return strange * 10 <= count;
}

/* A run of base64 from `start`, either alphabet, padded or not. */
static bool
base64_at(struct slice text, size_t start, size_t *end, struct buffer *out)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t at = start;
	int value;

	buffer_reset(out);
	while (at < text.size && at - start < PASSAGE_SIZE_LIMIT && (value = sextet(text.data[at])) >= 0) {
		bits = bits << 6 | (uint32_t)value;
		if ((have += 6) >= 8) {
			have -= 8;
			buffer_byte(out, (uint8_t)(bits >> have));
		}
		at++;
	}
	*end = at;
	while (*end < text.size && text.data[*end] == '=' && *end - at < 2)
		++*end;
	return at - start >= BASE64_LEAST;
}

static int
nibble(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* "%EC%A7%80%20now": encoded bytes with plain ones between. */
static bool
percent_at(struct slice text, size_t start, size_t *end, struct buffer *out)
{
	size_t at = start, encoded = 0, last = start;

	buffer_reset(out);
	while (at < text.size && at - start < PASSAGE_SIZE_LIMIT) {
		if (text.data[at] == '%' && at + 2 < text.size && nibble(text.data[at + 1]) >= 0 &&
		    nibble(text.data[at + 2]) >= 0) {
			buffer_byte(out, (uint8_t)((unsigned)nibble(text.data[at + 1]) << 4 |
			                           (unsigned)nibble(text.data[at + 2])));
			encoded++;
			last = at += 3;
		} else if (text.data[at] > ' ' && text.data[at] < 0x7F && text.data[at] != '%') {
			buffer_byte(out, text.data[at] == '+' ? ' ' : text.data[at]);
			at++;
		} else {
			break;
		}
	}
	*end = at;
	return encoded >= PERCENT_LEAST && last > start;
}

bool
passage_next(struct slice text, size_t *at, size_t *start, size_t *end, struct buffer *out)
{
	while (*at < text.size) {
		uint8_t byte = text.data[*at];
		size_t behind = *at + 1;
		bool found = false;

		if (byte == '%')
			found = percent_at(text, *at, &behind, out);
		else if (sextet(byte) >= 0)
			found = base64_at(text, *at, &behind, out);
		if (found && buffer_ok(out) && readable(buffer_view(out))) {
			*start = *at;
			*end = *at = behind;
			return true;
		}
		/* A run that was none is passed over whole; a lone percent sign is one byte. */
		*at = byte == '%' ? *at + 1 : behind;
	}
	return false;
}
