/* text -- hex, base64 and UTF-8 of bytes.h: the encodings that turn bytes into what people and JSON can carry. */
#include <string.h>

#include "schema/base/bytes.h"

void
hex_encode(char *out, const void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

static int
hex_value(uint8_t digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool
hex_decode(void *out, size_t size, struct slice text)
{
	uint8_t *bytes = out;

	if (text.size % 2 != 0 || text.size / 2 != size)
		return false;
	for (size_t i = 0; i < size; i++) {
		const int high = hex_value(text.data[2 * i]), low = hex_value(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

size_t
base64_encode(char *out, const void *data, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *bytes = data;
	const char *const begin = out;

	for (size_t i = 0; i < size; i += 3) {
		const size_t have = size - i < 3 ? size - i : 3;
		const uint32_t group = (uint32_t)bytes[i] << 16 |
		                       (have > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
		                       (have > 2 ? bytes[i + 2] : 0u);

		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = have > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = have > 2 ? digits[group & 63] : '=';
	}
	*out = '\0';
	return (size_t)(out - begin);
}

static int
base64_value(uint8_t digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

bool
base64_decode(uint8_t *out, size_t *size, struct slice text)
{
	size_t padding = 0, written = 0;

	if (text.size % 4 != 0)
		return false;
	while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.size; i += 4) {
		const size_t have = i + 4 == text.size ? 4 - padding : 4;
		uint32_t group = 0;

		for (size_t j = 0; j < 4; j++) {
			const int value = j < have ? base64_value(text.data[i + j]) : 0;

			if (value < 0)
				return false;
			group = group << 6 | (uint32_t)value;
		}
		for (size_t j = 0; j + 1 < have; j++)
			out[written++] = (uint8_t)(group >> (16 - 8 * j));
	}
	*size = written;
	return true;
}

size_t
utf8_next(struct slice text, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t value;
	size_t length;

	if (text.size == 0)
		return 0;
	value = text.data[0];
	if (value < 0x80) {
		*code = value;
		return 1;
	}
	if (value >= 0xC2 && value <= 0xDF) {
		length = 2;
		value &= 0x1F;
	} else if (value >= 0xE0 && value <= 0xEF) {
		length = 3;
		value &= 0x0F;
	} else if (value >= 0xF0 && value <= 0xF4) {
		length = 4;
		value &= 0x07;
	} else {
		return 0;
	}
	if (text.size < length)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text.data[i] & 0xC0) != 0x80)
			return 0;
		value = value << 6 | (text.data[i] & 0x3F);
	}
	if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
		return 0;
	*code = value;
	return length;
}

size_t
utf8_put(uint8_t out[4], uint32_t code)
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xC0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
		return 0;
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xE0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
		out[2] = (uint8_t)(0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (uint8_t)(0xF0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
	out[3] = (uint8_t)(0x80 | (code & 0x3F));
	return 4;
}

bool
utf8_valid(struct slice text)
{
	while (text.size > 0) {
		uint32_t code;
		size_t length = 0;

		/* Most of what passes here is ASCII: eight bytes at a time. */
		while (text.size >= 8) {
			uint64_t word;

			memcpy(&word, text.data, 8);
			if ((word & 0x8080808080808080u) != 0)
				break;
			text.data += 8;
			text.size -= 8;
		}
		if (text.size == 0)
			break;
		if ((length = utf8_next(text, &code)) == 0)
			return false;
		text.data += length;
		text.size -= length;
	}
	return true;
}

size_t
utf8_cut(struct slice text, size_t size)
{
	size_t cut = size < text.size ? size : text.size;

	/* At the end of the text too: it may have been cut there by somebody who counts bytes. */
	for (size_t back = 1; back <= 3 && back <= cut; back++) {
		const uint8_t byte = text.data[cut - back];

		if ((byte & 0xC0) == 0x80)
			continue;
		if (byte >= 0xC0) {
			const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;

			if (length > back)
				cut -= back;
		}
		break;
	}
	return cut;
}
