#include "gateway/head.h"

#include <string.h>
#include <strings.h>

/* What a byte may be part of. */
enum {
	TOKEN = 1,  /* RFC 9110 5.6.2: methods, field names */
	TARGET = 2, /* RFC 3986: path and query, '%' looked at apart */
	VALUE = 4,  /* field values: visible, space, tab, 0x80 and above */
	HOST = 8,   /* host[:port], numbers in brackets */
	LINE = 16,  /* anything in a line of the head */
};

#define ALNUM                (TOKEN | TARGET | VALUE | HOST | LINE)
#define SYMBOL(k)            ((k) | VALUE | LINE)
#define LETTER(upper, lower) [upper] = ALNUM, [lower] = ALNUM

/* clang-format off */
static const uint8_t kinds[128] = {
	['\t'] = VALUE | LINE, [' '] = VALUE | LINE,
	['0'] = ALNUM, ['1'] = ALNUM, ['2'] = ALNUM, ['3'] = ALNUM, ['4'] = ALNUM, ['5'] = ALNUM, ['6'] = ALNUM,
	['7'] = ALNUM, ['8'] = ALNUM, ['9'] = ALNUM, LETTER('A', 'a'), LETTER('B', 'b'), LETTER('C', 'c'),
	LETTER('D', 'd'), LETTER('E', 'e'), LETTER('F', 'f'), LETTER('G', 'g'), LETTER('H', 'h'), LETTER('I', 'i'),
	LETTER('J', 'j'), LETTER('K', 'k'), LETTER('L', 'l'), LETTER('M', 'm'), LETTER('N', 'n'), LETTER('O', 'o'),
	LETTER('P', 'p'), LETTER('Q', 'q'), LETTER('R', 'r'), LETTER('S', 's'), LETTER('T', 't'), LETTER('U', 'u'),
	LETTER('V', 'v'), LETTER('W', 'w'), LETTER('X', 'x'), LETTER('Y', 'y'), LETTER('Z', 'z'),
	['!'] = SYMBOL(TOKEN | TARGET), ['"'] = SYMBOL(0), ['#'] = SYMBOL(TOKEN), ['$'] = SYMBOL(TOKEN | TARGET),
	['%'] = SYMBOL(TOKEN | TARGET), ['&'] = SYMBOL(TOKEN | TARGET), ['\''] = SYMBOL(TOKEN | TARGET),
	['('] = SYMBOL(TARGET), [')'] = SYMBOL(TARGET), ['*'] = SYMBOL(TOKEN | TARGET), ['+'] = SYMBOL(TOKEN | TARGET),
	[','] = SYMBOL(TARGET), ['-'] = SYMBOL(TOKEN | TARGET | HOST), ['.'] = SYMBOL(TOKEN | TARGET | HOST),
	['/'] = SYMBOL(TARGET), [':'] = SYMBOL(TARGET | HOST), [';'] = SYMBOL(TARGET), ['<'] = SYMBOL(0),
	['='] = SYMBOL(TARGET), ['>'] = SYMBOL(0), ['?'] = SYMBOL(TARGET), ['@'] = SYMBOL(TARGET),
	['['] = SYMBOL(HOST), ['\\'] = SYMBOL(0), [']'] = SYMBOL(HOST), ['^'] = SYMBOL(TOKEN),
	['_'] = SYMBOL(TOKEN | TARGET | HOST), ['`'] = SYMBOL(TOKEN), ['{'] = SYMBOL(0), ['|'] = SYMBOL(TOKEN),
	['}'] = SYMBOL(0), ['~'] = SYMBOL(TOKEN | TARGET),
};

static const struct {
	const char *name;
	enum method method;
} methods[] = {
	{ "GET", METHOD_GET },
	{ "POST", METHOD_POST },
	{ "HEAD", METHOD_HEAD },
	{ "PUT", METHOD_PUT },
	{ "PATCH", METHOD_PATCH },
	{ "DELETE", METHOD_DELETE },
	{ "OPTIONS", METHOD_OPTIONS },
};
/* clang-format on */

static bool
is(uint8_t byte, unsigned kind)
{
	return ((byte < 0x80 ? kinds[byte] : (VALUE | LINE)) & kind) != 0;
}

static const uint8_t *
last_of(struct slice text, uint8_t byte)
{
	for (size_t i = text.size; i > 0; i--)
		if (text.data[i - 1] == byte)
			return text.data + i - 1;
	return NULL;
}

const char *
method_name(enum method method)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (methods[i].method == method)
			return methods[i].name;
	return "NONE";
}

bool
head_name_is(struct slice name, const char *other)
{
	return name.size == strlen(other) && strncasecmp((const char *)name.data, other, name.size) == 0;
}

bool
head_request_id(char out[HEAD_REQUEST_ID_SIZE], struct slice given)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (given.size == 0 || given.size >= HEAD_REQUEST_ID_SIZE)
		return false;
	for (size_t i = 0; i < given.size; i++)
		if (given.data[i] == '\0' || strchr(allowed, given.data[i]) == NULL)
			return false;
	memcpy(out, given.data, given.size);
	out[given.size] = '\0';
	return true;
}

static bool
all_of(struct slice text, unsigned kind)
{
	for (size_t i = 0; i < text.size; i++)
		if (!is(text.data[i], kind))
			return false;
	return true;
}

size_t
head_scan(struct slice bytes, struct head_scan *scan, const struct limits *limits, enum refusal *refusal)
{
	*refusal = REFUSAL_NONE;
	for (; scan->at < bytes.size; scan->at++) {
		uint8_t byte = bytes.data[scan->at];

		if (is(byte, LINE)) {
			if (scan->at - scan->line < limits->line_size)
				continue;
			*refusal = scan->line == 0 ? REFUSAL_TARGET_LONG : REFUSAL_HEAD_LARGE;
			return 0;
		}
		if (byte != '\r') {
			*refusal = byte == '\n' ? REFUSAL_LINE_ENDING : REFUSAL_CONTROL;
			return 0;
		}
		if (scan->at + 1 == bytes.size)
			break; /* its '\n' may be on the way */
		if (bytes.data[scan->at + 1] != '\n') {
			*refusal = REFUSAL_LINE_ENDING;
			return 0;
		}
		if (scan->at == scan->line) { /* an empty line */
			if (scan->line == 0)
				*refusal = REFUSAL_REQUEST_LINE;
			else if (scan->at + 2 > limits->head_size)
				*refusal = REFUSAL_HEAD_LARGE;
			return *refusal == REFUSAL_NONE ? scan->at + 2 : 0;
		}
		scan->at++;
		scan->line = scan->at + 1;
	}
	if (bytes.size >= limits->head_size)
		*refusal = scan->line == 0 ? REFUSAL_TARGET_LONG : REFUSAL_HEAD_LARGE;
	return 0;
}

static int
hex_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
		return (byte | 0x20) - 'a' + 10;
	return -1;
}

/*
 * Escapes must be whole and must not hide control characters. In the path they must not hide '/' or '\' either, and no
 * segment may mean "here" or "above": who serves files or compares paths behind this sees one spelling only.
 */
static enum refusal
read_target(struct head *head)
{
	struct slice target = head->target;
	size_t dots = 0, others = 0; /* of the path's segment so far */
	bool in_path = true;

	if (target.size == 0 || target.data[0] != '/' || !all_of(target, TARGET))
		return REFUSAL_TARGET;
	head->path_size = target.size;
	for (size_t i = 0; i < target.size; i++) {
		int byte = target.data[i];

		if (byte == '%') {
			int high, low;

			if (target.size - i < 3 || (high = hex_value(target.data[i + 1])) == -1 ||
			    (low = hex_value(target.data[i + 2])) == -1)
				return REFUSAL_TARGET;
			byte = high * 16 + low;
			i += 2;
			if (byte < 0x20 || byte == 0x7f || (in_path && (byte == '/' || byte == '\\')))
				return REFUSAL_TARGET;
			if (byte == '?')
				byte = 'x'; /* an escaped '?' is part of the path */
		}
		if (!in_path)
			continue;
		if (byte == '/' || byte == '?') {
			if (others == 0 && (dots == 1 || dots == 2))
				return REFUSAL_TARGET;
			dots = others = 0;
			if (byte == '?') {
				in_path = false;
				head->path_size = i;
			}
		} else if (byte == '.')
			dots++;
		else
			others++;
	}
	if (in_path && others == 0 && (dots == 1 || dots == 2))
		return REFUSAL_TARGET;
	return REFUSAL_NONE;
}

static enum refusal
read_request_line(struct head *head, struct slice line)
{
	const uint8_t *first = memchr(line.data, ' ', line.size), *last = last_of(line, ' ');
	struct slice method, version;

	if (first == NULL || first == last)
		return REFUSAL_REQUEST_LINE;
	method = slice_of(line.data, (size_t)(first - line.data));
	head->target = slice_of(first + 1, (size_t)(last - first - 1));
	version = slice_of(last + 1, line.size - (size_t)(last + 1 - line.data));
	if (method.size == 0 || !all_of(method, TOKEN) ||
	    memchr(head->target.data, ' ', head->target.size) != NULL ||
	    memchr(line.data, '\t', line.size) != NULL)
		return REFUSAL_REQUEST_LINE;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (slice_is(method, methods[i].name))
			head->method = methods[i].method;
	head->old = head->close = slice_is(version, "HTTP/1.0");
	if (!head->old && !slice_is(version, "HTTP/1.1"))
		return REFUSAL_VERSION;
	if (head->method == METHOD_NONE)
		return REFUSAL_METHOD;
	return read_target(head);
}

static bool
host_valid(struct slice value)
{
	const uint8_t *colon;
	struct slice name = value;
	size_t digits = 0;

	if (value.size == 0 || value.size > 255 || !all_of(value, HOST))
		return false;
	colon = last_of(value, ':');
	if (value.data[0] == '[') {
		const uint8_t *end = memchr(value.data, ']', value.size);

		if (end == NULL || end - value.data < 3)
			return false;
		name = slice_of(value.data + 1, (size_t)(end - value.data - 1));
		for (size_t i = 0; i < name.size; i++)
			if (hex_value(name.data[i]) == -1 && name.data[i] != ':' && name.data[i] != '.')
				return false;
		if (end + 1 == value.data + value.size)
			return true;
		if (end[1] != ':')
			return false;
		colon = end + 1;
	} else {
		if (colon != NULL)
			name = slice_of(value.data, (size_t)(colon - value.data));
		if (name.size == 0)
			return false;
		for (size_t i = 0; i < name.size; i++)
			if (name.data[i] == '[' || name.data[i] == ']' || name.data[i] == ':')
				return false;
		if (colon == NULL)
			return true;
	}
	for (const uint8_t *p = colon + 1; p < value.data + value.size; p++, digits++)
		if (*p < '0' || *p > '9')
			return false;
	return digits >= 1 && digits <= 5;
}

static enum refusal
read_length(struct head *head, struct slice value, const struct limits *limits)
{
	size_t length = 0;

	if (value.size == 0)
		return REFUSAL_LENGTH;
	for (size_t i = 0; i < value.size; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return REFUSAL_LENGTH;
	}
	if (value.data[0] == '0' && value.size > 1)
		return REFUSAL_LENGTH; /* no client writes that; some reader may take it for octal */
	if (value.size > 18)
		return REFUSAL_BODY_LARGE;
	for (size_t i = 0; i < value.size; i++)
		length = length * 10 + (size_t)(value.data[i] - '0');
	if (length > limits->body_size)
		return REFUSAL_BODY_LARGE;
	head->body = HEAD_BODY_LENGTH;
	head->length = length;
	return REFUSAL_NONE;
}

/* Only "close" matters here: everything is kept alive otherwise, and nothing is passed on to anybody. */
static bool
connection_closes(struct slice value)
{
	while (value.size > 0) {
		const uint8_t *comma = memchr(value.data, ',', value.size);
		struct slice token =
		    slice_of(value.data, comma == NULL ? value.size : (size_t)(comma - value.data));

		value.data += token.size + (comma != NULL);
		value.size -= token.size + (comma != NULL);
		while (token.size > 0 && (token.data[0] == ' ' || token.data[0] == '\t'))
			token = slice_of(token.data + 1, token.size - 1);
		while (token.size > 0 &&
		       (token.data[token.size - 1] == ' ' || token.data[token.size - 1] == '\t'))
			token.size--;
		if (head_name_is(token, "close"))
			return true;
	}
	return false;
}

/* clang-format off */
static const char *const once[] = {
	"authorization", "content-type", "content-encoding", "content-length", "expect", "host", "transfer-encoding",
	"x-haechi-use-case", "x-request-id",
};
/* clang-format on */
enum {
	ONCE_AUTHORIZATION,
	ONCE_CONTENT_TYPE,
	ONCE_CONTENT_ENCODING,
	ONCE_CONTENT_LENGTH,
	ONCE_EXPECT,
	ONCE_HOST,
	ONCE_TRANSFER_ENCODING,
	ONCE_USE_CASE,
	ONCE_REQUEST_ID,
	ONCE_COUNT
};

static enum refusal
read_field(struct head *head, struct slice line, struct slice values[ONCE_COUNT])
{
	const uint8_t *colon = memchr(line.data, ':', line.size);
	struct slice name, value;

	if (line.data[0] == ' ' || line.data[0] == '\t')
		return REFUSAL_FOLD;
	if (colon == NULL)
		return REFUSAL_FIELD;
	name = slice_of(line.data, (size_t)(colon - line.data));
	if (name.size == 0 || !all_of(name, TOKEN))
		return REFUSAL_FIELD_NAME;
	value = slice_of(colon + 1, line.size - name.size - 1);
	while (value.size > 0 && (value.data[0] == ' ' || value.data[0] == '\t'))
		value = slice_of(value.data + 1, value.size - 1);
	while (value.size > 0 && (value.data[value.size - 1] == ' ' || value.data[value.size - 1] == '\t'))
		value.size--;
	head->fields[head->field_count++] = (struct field){name, value};
	for (size_t i = 0; i < ONCE_COUNT; i++) {
		if (!head_name_is(name, once[i]))
			continue;
		if (values[i].data != NULL)
			return i == ONCE_HOST                ? REFUSAL_HOST
			       : i == ONCE_CONTENT_LENGTH    ? REFUSAL_LENGTH
			       : i == ONCE_TRANSFER_ENCODING ? REFUSAL_TRANSFER_ENCODING
			                                     : REFUSAL_REPEATED;
		values[i] = value;
		return REFUSAL_NONE;
	}
	if (head_name_is(name, "connection") && connection_closes(value))
		head->close = true;
	return REFUSAL_NONE;
}

static enum refusal
read_framing(struct head *head, const struct slice values[ONCE_COUNT], const struct limits *limits)
{
	const struct slice length = values[ONCE_CONTENT_LENGTH], transfer = values[ONCE_TRANSFER_ENCODING];
	enum refusal refusal;

	if (values[ONCE_HOST].data == NULL ? !head->old : !host_valid(values[ONCE_HOST]))
		return REFUSAL_HOST;
	if (length.data != NULL && transfer.data != NULL)
		return REFUSAL_LENGTH_AND_CHUNKS;
	if (transfer.data != NULL) {
		if (head->old || !head_name_is(transfer, "chunked"))
			return REFUSAL_TRANSFER_ENCODING;
		head->body = HEAD_BODY_CHUNKED;
	}
	if (length.data != NULL && (refusal = read_length(head, length, limits)) != REFUSAL_NONE)
		return refusal;
	if ((head->method == METHOD_GET || head->method == METHOD_HEAD) &&
	    (head->body == HEAD_BODY_CHUNKED || head->length > 0))
		return REFUSAL_BODY_UNEXPECTED;
	if (values[ONCE_CONTENT_ENCODING].data != NULL &&
	    !head_name_is(values[ONCE_CONTENT_ENCODING], "identity"))
		return REFUSAL_CONTENT_ENCODING;
	if (values[ONCE_EXPECT].data != NULL) {
		if (!head_name_is(values[ONCE_EXPECT], "100-continue"))
			return REFUSAL_EXPECT;
		head->expect = !head->old; /* which knows no 100 */
	}
	return REFUSAL_NONE;
}

enum refusal
head_read(struct head *head, struct slice bytes, const struct limits *limits)
{
	struct slice values[ONCE_COUNT] = {
	    {NULL, 0}
        };
	enum refusal refusal;
	size_t at = 0;

	head->method = METHOD_NONE;
	head->field_count = 0;
	head->path_size = 0;
	head->body = HEAD_BODY_NONE;
	head->length = 0;
	head->old = head->close = head->expect = false;
	while (at < bytes.size) {
		const uint8_t *end = memchr(bytes.data + at, '\r', bytes.size - at);
		struct slice line;

		if (end == NULL)
			return REFUSAL_LINE_ENDING;
		line = slice_of(bytes.data + at, (size_t)(end - bytes.data) - at);
		if (line.size == 0)
			break;
		if (at == 0)
			refusal = read_request_line(head, line);
		else if (head->field_count == limits->field_count)
			refusal = REFUSAL_HEAD_LARGE;
		else
			refusal = read_field(head, line, values);
		if (refusal != REFUSAL_NONE)
			return refusal;
		at += line.size + 2;
	}
	return at == 0 ? REFUSAL_REQUEST_LINE : read_framing(head, values, limits);
}
