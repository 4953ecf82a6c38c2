/* Texts: escapes, UTF-8 byte by byte, lengths, and patterns. */
#include <string.h>

#include "inference/constraint_inside.h"

/* detail of texts: 0 plain; 1 behind '\'; 2-5 digits of \u due; 128 | bytes of the character | bytes still due */
#define DETAIL_ESCAPE 1

/* Some character of first..last may come next. */
static bool
text_open(const struct node *node, const struct constraint_frame *frame, uint32_t first, uint32_t last)
{
	return frame->count < node->most &&
	       (node->pattern == NULL || pattern_open(node->pattern, frame->state, first, last));
}

static bool
text_character(const struct node *node, struct constraint_frame *frame, uint32_t character)
{
	if (!text_open(node, frame, character, character))
		return false;
	if (node->pattern != NULL)
		frame->state = pattern_step(node->pattern, frame->state, character);
	if (frame->count < UINT32_MAX - 1)
		frame->count++;
	frame->detail = 0;
	return true;
}

/* What bytes of UTF-8 so far can still become: neither overlong nor a surrogate, nor beyond Unicode. */
static bool
character_open(const struct node *node, const struct constraint_frame *frame, unsigned size, unsigned due,
               uint32_t code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000},
	                      most[] = {0, 0, 0x7ff, 0xffff, 0x10ffff};
	uint32_t first = code << 6 * due, last = first + (1u << 6 * due) - 1;

	first = first < least[size] ? least[size] : first;
	last = last > most[size] ? most[size] : last;
	if (first >= 0xd800 && first <= 0xdfff)
		first = 0xe000;
	if (last >= 0xd800 && last <= 0xdfff)
		last = 0xd7ff;
	return first <= last && text_open(node, frame, first, last);
}

static bool
character_byte(const struct node *node, struct constraint_frame *frame, uint8_t byte)
{
	const unsigned size = frame->detail != 0 ? frame->detail >> 3 & 7u
	                      : byte >> 5 == 6   ? 2
	                      : byte >> 4 == 14  ? 3
	                      : byte >> 3 == 30  ? 4
	                                         : 0;
	const unsigned due = frame->detail != 0 ? (frame->detail & 7u) - 1 : size - 1;
	uint32_t code;

	if (size == 0 || (frame->detail != 0 && byte >> 6 != 2))
		return false;
	code = frame->detail != 0 ? (uint32_t)frame->number << 6 | (byte & 63u) : byte & (127u >> size);
	if (!character_open(node, frame, size, due, code))
		return false;
	if (due == 0)
		return text_character(node, frame, code);
	frame->detail = (uint8_t)(DETAIL_CHARACTER | size << 3 | due);
	frame->number = code;
	return true;
}

static bool
escape_byte(const struct node *node, struct constraint_frame *frame, uint8_t byte)
{
	static const char letters[] = "\"\\/bfnrt", stand_for[] = "\"\\/\b\f\n\r\t";
	const char *letter = byte != 0 ? strchr(letters, byte) : NULL;

	if (frame->detail == DETAIL_ESCAPE) {
		if (letter != NULL)
			return text_character(node, frame, (uint8_t)stand_for[letter - letters]);
		if (byte != 'u' || node->pattern != NULL)
			return false;
		frame->detail = 5;
		frame->number = 0;
		return true;
	}
	if (!((byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'f')))
		return false;
	/* No surrogates, whose halves need not meet; and no U+0000, which many readers refuse. */
	if (frame->detail == 5 && (byte | 32) == 'd')
		return false;
	if (frame->detail == 2 && byte == '0' && frame->number == 0)
		return false;
	frame->number |= byte != '0';
	if (--frame->detail == 1)
		return text_character(node, frame, 'x');
	return true;
}

int
constraint_text_byte(const struct node *node, struct constraint_frame *frame, uint8_t byte)
{
	static const char escaped[] = "\"\\/\b\f\n\r\t";

	if (frame->detail & DETAIL_CHARACTER)
		return character_byte(node, frame, byte);
	if (frame->detail != 0)
		return escape_byte(node, frame, byte);
	if (byte == '"')
		return frame->count >= node->least &&
		               (node->pattern == NULL || pattern_accepts(node->pattern, frame->state))
		           ? 2
		           : 0;
	if (byte == '\\') {
		for (size_t i = 0; i + 1 < sizeof escaped; i++)
			if (text_open(node, frame, (uint8_t)escaped[i], (uint8_t)escaped[i])) {
				frame->detail = DETAIL_ESCAPE;
				return 1;
			}
		return 0;
	}
	if (byte < 32)
		return 0;
	return byte < 128 ? text_character(node, frame, byte) : character_byte(node, frame, byte);
}
