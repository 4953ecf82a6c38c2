#include "policy/detect/passages.h"

#include <string.h>

#define BASE64_LEAST  20 /* characters: fourteen bytes, a resident number with its dash */
#define PERCENT_LEAST 6  /* bytes written as %XX */

/* What a character stands for in either alphabet, plus one; 0: none. */
static const uint8_t sextets[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

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

	while (at < text.size && at - start < PASSAGE_SIZE_LIMIT && sextets[text.data[at]] != 0)
		at++;
	*end = at;
	while (*end < text.size && text.data[*end] == '=' && *end - at < 2)
		++*end;
	if (at - start < BASE64_LEAST)
		return false;
	buffer_reset(out);
	for (size_t i = start; i < at; i++) {
		bits = bits << 6 | (sextets[text.data[i]] - 1u);
		if ((have += 6) >= 8) {
			have -= 8;
			buffer_byte(out, (uint8_t)(bits >> have));
		}
	}
	return true;
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

/* Where the next run of base64 that is long enough begins: of every BASE64_LEAST bytes in a row one is looked at. */
static size_t
base64_next(struct slice text, size_t at)
{
	while (text.size - at >= BASE64_LEAST) {
		size_t last = at + BASE64_LEAST - 1, start = last;

		if (sextets[text.data[last]] == 0) {
			at = last + 1;
			continue;
		}
		while (start > at && sextets[text.data[start - 1]] != 0)
			start--;
		if (start == at)
			return at;
		at = start; /* the run may be long enough from here */
	}
	return text.size;
}

bool
passage_next(struct slice text, size_t *at, size_t *start, size_t *end, struct buffer *out)
{
	size_t base64 = base64_next(text, *at);
	const uint8_t *percent = *at < text.size ? memchr(text.data + *at, '%', text.size - *at) : NULL;

	while (base64 < text.size || percent != NULL) {
		size_t behind, place = percent != NULL ? (size_t)(percent - text.data) : text.size;
		bool found;

		if (place < base64) {
			found = percent_at(text, place, &behind, out);
			behind = found ? behind : place + 1;
		} else {
			place = base64;
			found = base64_at(text, place, &behind, out);
		}
		if (found && buffer_ok(out) && readable(buffer_view(out))) {
			*start = place;
			*end = *at = behind;
			return true;
		}
		/* A run that was none is passed over whole; a lone percent sign is one byte. */
		if (percent != NULL && (size_t)(percent - text.data) < behind)
			percent =
			    behind < text.size ? memchr(text.data + behind, '%', text.size - behind) : NULL;
		if (base64 < behind)
			base64 = base64_next(text, behind);
	}
	*at = text.size;
	return false;
}
