/* The strict reader of HTTP/1.1 request heads (RFC 9112): what is not exactly right is refused. */
#include <string.h>
#include <strings.h>

#include "inference/engine_http.h"

static bool
is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
equal_name(struct slice a, const char *name)
{
	return a.size == strlen(name) && strncasecmp((const char *)a.data, name, a.size) == 0;
}

/* A comma separated list has the word. */
static bool
lists(struct slice value, const char *word)
{
	while (value.size > 0) {
		const uint8_t *comma = memchr(value.data, ',', value.size);
		struct slice one =
		    slice_of(value.data, comma != NULL ? (size_t)(comma - value.data) : value.size);

		value = slice_of(value.data + one.size + (comma != NULL),
		                 value.size - one.size - (comma != NULL));
		while (one.size > 0 && (one.data[0] == ' ' || one.data[0] == '\t'))
			one = slice_of(one.data + 1, one.size - 1);
		while (one.size > 0 && (one.data[one.size - 1] == ' ' || one.data[one.size - 1] == '\t'))
			one.size--;
		if (equal_name(one, word))
			return true;
	}
	return false;
}

/* Up to CRLF, which is dropped. false: no line, or a bare CR, LF or NUL within. */
static bool
take_line(struct slice *rest, struct slice *line)
{
	for (size_t i = 0; i + 1 < rest->size; i++) {
		uint8_t c = rest->data[i];

		if (c == '\r' && rest->data[i + 1] == '\n') {
			*line = slice_of(rest->data, i);
			*rest = slice_of(rest->data + i + 2, rest->size - i - 2);
			return true;
		}
		if (c == '\r' || c == '\n' || c == 0)
			return false;
	}
	return false;
}

static bool
request_line(struct slice line, struct http_head *out, int *status)
{
	size_t at = 0, start;

	while (at < line.size && is_token(line.data[at]))
		at++;
	if (at == 0 || at > 16 || at >= line.size || line.data[at] != ' ')
		return false;
	out->method = slice_of(line.data, at);
	start = ++at;
	while (at < line.size && line.data[at] > 32 && line.data[at] < 127)
		at++;
	if (at == start || line.data[start] != '/' || at >= line.size || line.data[at] != ' ')
		return false;
	out->target = slice_of(line.data + start, at - start);
	line = slice_of(line.data + at + 1, line.size - at - 1);
	if (slice_is(line, "HTTP/1.1")) {
		out->keep_alive = true;
	} else if (!slice_is(line, "HTTP/1.0")) {
		*status = line.size == 8 && memcmp(line.data, "HTTP/", 5) == 0 ? 505 : 400;
		return false;
	}
	return true;
}

static bool
content_length(struct slice value, uint64_t *out)
{
	*out = 0;
	if (value.size == 0 || value.size > 15)
		return false;
	for (size_t i = 0; i < value.size; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return false;
		*out = *out * 10 + (value.data[i] - '0');
	}
	return true;
}

static bool
agency_name(struct slice value)
{
	for (size_t i = 0; i < value.size; i++) {
		uint8_t c = value.data[i];

		if (!(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z') && c != '.' &&
		    c != '_' && c != '-')
			return false;
	}
	return value.size >= 1 && value.size <= 64;
}

int
engine_http_head(struct slice head, struct http_head *out)
{
	struct slice line;
	bool length = false, host = false, newer;
	int status = 400;

	memset(out, 0, sizeof *out);
	if (!take_line(&head, &line) || !request_line(line, out, &status))
		return status;
	newer = out->keep_alive; /* HTTP/1.1, where Host must be said */
	for (;;) {
		struct slice name, value;
		size_t at = 0;

		if (!take_line(&head, &line))
			return 400;
		if (line.size == 0)
			break;
		while (at < line.size && is_token(line.data[at]))
			at++;
		if (at == 0 || at >= line.size || line.data[at] != ':')
			return 400;
		name = slice_of(line.data, at++);
		value = slice_of(line.data + at, line.size - at);
		while (value.size > 0 && (value.data[0] == ' ' || value.data[0] == '\t'))
			value = slice_of(value.data + 1, value.size - 1);
		while (value.size > 0 &&
		       (value.data[value.size - 1] == ' ' || value.data[value.size - 1] == '\t'))
			value.size--;
		for (size_t i = 0; i < value.size; i++)
			if ((value.data[i] < 32 && value.data[i] != '\t') || value.data[i] == 127)
				return 400;
		if (equal_name(name, "content-length")) {
			if (length || !content_length(value, &out->length))
				return 400;
			length = true;
		} else if (equal_name(name, "transfer-encoding")) {
			return 501;
		} else if (equal_name(name, "connection")) {
			if (lists(value, "close"))
				out->keep_alive = false;
		} else if (equal_name(name, "expect")) {
			if (!equal_name(value, "100-continue"))
				return 417;
			out->expects = true;
		} else if (equal_name(name, "host")) {
			if (host)
				return 400;
			host = true;
		} else if (equal_name(name, "x-haechi-agency")) {
			if (out->agency.size != 0 || !agency_name(value))
				return 400;
			out->agency = value;
		}
	}
	if (head.size != 0 || (newer && !host))
		return 400;
	if (out->length > ENGINE_HTTP_BODY_LIMIT)
		return 413;
	if (slice_is(out->method, "POST") && !length)
		return 411;
	return 0;
}
