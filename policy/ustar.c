#include "policy/ustar.h"

#include <string.h>

#define BLOCK 512

/* Places in a header; numbers are octal digits, ended by a zero. */
enum {
	NAME = 0,
	MODE = 100,
	OWNER = 108,
	GROUP = 116,
	SIZE = 124,
	TIME = 136,
	SUM = 148,
	TYPE = 156,
	MAGIC = 257,
};

#define SECONDS_LIMIT (INT64_C(1) << 33) /* eleven octal digits */

static bool
name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '_' || c == '-';
}

bool
ustar_name_valid(const char *name)
{
	size_t from = 0;

	if (name[0] == '\0' || strlen(name) > USTAR_NAME_LIMIT)
		return false;
	for (size_t i = 0;; i++) {
		const size_t size = i - from;

		if (name_byte(name[i]))
			continue;
		if (name[i] != '/' && name[i] != '\0')
			return false;
		/* Empty, "." and ".." are no parts; a dot first would be hidden from whoever looks. */
		if (size == 0 || name[from] == '.')
			return false;
		if (name[i] == '\0')
			return true;
		from = i + 1;
	}
}

static void
put_octal(uint8_t *at, unsigned digits, uint64_t value)
{
	for (unsigned i = digits; i-- > 0; value >>= 3)
		at[i] = (uint8_t)('0' + (value & 7));
}

/* The one header that a file of this name, size and time has. */
static void
make_header(uint8_t header[BLOCK], const char *name, size_t size, int64_t seconds)
{
	unsigned sum = 0;

	memset(header, 0, BLOCK);
	memcpy(header + NAME, name, strlen(name));
	put_octal(header + MODE, 7, 0644);
	put_octal(header + OWNER, 7, 0);
	put_octal(header + GROUP, 7, 0);
	put_octal(header + SIZE, 11, size);
	put_octal(header + TIME, 11, (uint64_t)seconds);
	memset(header + SUM, ' ', 8);
	header[TYPE] = '0';
	memcpy(header + MAGIC,
	       "ustar\0"
	       "00",
	       8);
	for (unsigned i = 0; i < BLOCK; i++)
		sum += header[i];
	put_octal(header + SUM, 6, sum);
	header[SUM + 6] = '\0';
}

static size_t
padding(size_t size)
{
	return (BLOCK - size % BLOCK) % BLOCK;
}

void
ustar_put(struct buffer *out, const char *name, struct slice bytes, int64_t seconds)
{
	static const uint8_t zeros[BLOCK];
	uint8_t header[BLOCK];

	if (!ustar_name_valid(name) || seconds < 0 || seconds >= SECONDS_LIMIT) {
		out->failed = true;
		return;
	}
	make_header(header, name, bytes.size, seconds);
	buffer_append(out, header, sizeof header);
	buffer_slice(out, bytes);
	buffer_append(out, zeros, padding(bytes.size));
}

void
ustar_end(struct buffer *out)
{
	static const uint8_t zeros[2 * BLOCK];

	buffer_append(out, zeros, sizeof zeros);
}

struct ustar_reader
ustar_of(struct slice archive)
{
	return (struct ustar_reader){.rest = archive};
}

static bool
all_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static bool
get_octal(const uint8_t *at, unsigned digits, uint64_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < digits; i++) {
		if (at[i] < '0' || at[i] > '7')
			return false;
		*value = *value << 3 | (uint64_t)(at[i] - '0');
	}
	return true;
}

static int
refuse(const struct ustar_reader *reader, const char *ko, const char *en, struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "묶음 파일의 %zu바이트째: %s%.0s",
	                 "at byte %zu of the bundle file: %.0s%s", reader->at, ko, en);
}

int
ustar_next(struct ustar_reader *reader, struct ustar_file *out, struct fault *why)
{
	uint8_t expected[BLOCK];
	const uint8_t *header = reader->rest.data;
	uint64_t size, seconds;

	if (reader->rest.size < 2 * BLOCK)
		return refuse(reader, "끝나기 전에 끊겼습니다", "it is cut off before its end", why);
	if (all_zero(header, BLOCK)) {
		if (reader->rest.size != 2 * BLOCK || !all_zero(header, 2 * BLOCK))
			return refuse(reader, "끝 뒤에 무엇이 더 있습니다", "something is behind its end",
			              why);
		return 0;
	}
	memcpy(out->name, header + NAME, USTAR_NAME_LIMIT);
	out->name[USTAR_NAME_LIMIT] = '\0';
	if (!ustar_name_valid(out->name))
		return refuse(reader, "허용되지 않는 파일 이름입니다",
		              "a file has a name that is not allowed", why);
	if (!get_octal(header + SIZE, 11, &size) || !get_octal(header + TIME, 11, &seconds))
		return refuse(reader, "크기나 시각이 8진수가 아닙니다", "a size or time is no octal number",
		              why);
	make_header(expected, out->name, (size_t)size, (int64_t)seconds);
	if (memcmp(expected, header, BLOCK) != 0)
		return refuse(reader, "보통 파일의 정해진 머리가 아닙니다 (링크, 폴더, 확장은 받지 않습니다)",
		              "not the header of a plain file (links, folders and extensions are not taken)",
		              why);
	if (reader->count > 0 && (int64_t)seconds != reader->seconds)
		return refuse(reader, "시각이 서로 다릅니다", "the times of its files differ", why);
	if (reader->count == USTAR_FILES_LIMIT)
		return refuse(reader, "파일이 너무 많습니다", "there are too many files", why);
	if (size > reader->rest.size - 2 * BLOCK ||
	    padding((size_t)size) > reader->rest.size - 2 * BLOCK - size)
		return refuse(reader, "파일이 끝나기 전에 끊겼습니다", "a file is cut off before its end",
		              why);
	out->bytes = slice_of(header + BLOCK, (size_t)size);
	if (!all_zero(header + BLOCK + size, padding((size_t)size)))
		return refuse(reader, "파일 뒤의 빈자리가 비어 있지 않습니다",
		              "the space behind a file is not empty", why);
	reader->seconds = (int64_t)seconds;
	reader->count++;
	size += BLOCK + padding((size_t)size);
	reader->at += (size_t)size;
	reader->rest = slice_of(header + size, reader->rest.size - (size_t)size);
	return 1;
}
