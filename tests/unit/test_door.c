/*
 * Hostile bytes at the real door, over real sockets: each is answered once, with 4xx and an OpenAI error object, and
 * the connection is closed; never 5xx, never two answers, never a repaired request. Well-formed neighbours of each
 * are let in, so that the door is not merely shut.
 */
#define _GNU_SOURCE /* memmem */
#include "tests/doorkit.h"

static struct server *server;
static unsigned cases;

static void
limits_of_tests(struct limits *limits)
{
	limits_default(limits);
	limits->head_ms = 700;
	limits->body_ms = 700;
	limits->idle_ms = 1500;
	limits->send_ms = 700;
	limits->linger_ms = 300;
	limits->half_ms = 200;
	limits->body_size = 65536;
	limits->connections_per_address = 400;
}

/* Send, read everything. `status` 200: let in. Otherwise one refusal with this status (0: any 4xx). */
static void
check(const char *name, const void *bytes, size_t size, int status, size_t step)
{
	struct kit_result result;
	int fd = kit_connect(server);
	bool good;

	cases++;
	for (size_t at = 0; at < size; at += step)
		kit_send(fd, (const char *)bytes + at, size - at < step ? size - at : step);
	kit_read(fd, &result, status == 200 ? 1 : 0, 3000);
	if (status == 200)
		good = result.count == 1 && result.status[0] == 200;
	else if (strncmp(bytes, "HEAD ", 5) == 0) /* the answer to HEAD is a head */
		good = result.closed && result.bytes.size > 12 &&
		       memcmp(result.bytes.data, "HTTP/1.1 400", 12) == 0 &&
		       memcmp(result.bytes.data + result.bytes.size - 4, "\r\n\r\n", 4) == 0;
	else
		good = result.count == 1 && result.closed && !result.rest && result.status[0] >= 400 &&
		       result.status[0] < 500 && (status == 0 || result.status[0] == status) &&
		       kit_has(result.head[0], "\r\nConnection: close\r\n") &&
		       kit_has(result.head[0], " GMT\r\n") && kit_has(result.head[0], "\r\nX-Request-ID: ") &&
		       kit_is_error(result.body[0]);
	if (!good)
		fail_msg(
		    "%s (%zu bytes a time): wanted %d, got %u answers, first %d, closed %d, rest %d:\n%.*s",
		    name, step, status, result.count, result.count > 0 ? result.status[0] : 0, result.closed,
		    result.rest, (int)result.bytes.size, (char *)result.bytes.data);
	kit_free(&result);
	close(fd);
}

struct row {
	const char *name;
	const char *bytes;
	size_t size;
	int status;
};

#define ROW(name, text, status)                                                                              \
	{                                                                                                    \
		name, text, sizeof(text) - 1, status                                                         \
	}
#define GET     "GET /a HTTP/1.1\r\nHost: a\r\n"
#define POST    "POST /a HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define BEHIND  "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

/* clang-format off */
static const struct row rows[] = {
	ROW("plain", GET "\r\n", 200),
	ROW("plain post", POST "Content-Length: 3\r\n\r\nabc", 200),
	ROW("post without a body", POST "\r\n", 200),
	ROW("length 0", POST "Content-Length: 0\r\n\r\n", 200),

	/* two framings, and framings that others read otherwise */
	ROW("CL and TE", POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" BEHIND, 400),
	ROW("TE and CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" BEHIND, 400),
	ROW("CL twice, different", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
	ROW("CL twice, same", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
	ROW("CL in other cases", POST "content-length: 3\r\nCONTENT-LENGTH: 3\r\n\r\nabc", 400),
	ROW("CL list", POST "Content-Length: 3, 3\r\n\r\nabc", 400),
	ROW("CL list of two", POST "Content-Length: 3,4\r\n\r\nabc", 400),
	ROW("CL +3", POST "Content-Length: +3\r\n\r\nabc", 400),
	ROW("CL -3", POST "Content-Length: -3\r\n\r\nabc", 400),
	ROW("CL -0", POST "Content-Length: -0\r\n\r\n", 400),
	ROW("CL empty", POST "Content-Length:\r\n\r\nabc", 400),
	ROW("CL blank", POST "Content-Length:   \r\n\r\nabc", 400),
	ROW("CL 0x3", POST "Content-Length: 0x3\r\n\r\nabc", 400),
	ROW("CL hex", POST "Content-Length: a\r\n\r\n0123456789", 400),
	ROW("CL 3 3", POST "Content-Length: 3 3\r\n\r\nabc", 400),
	ROW("CL 3.0", POST "Content-Length: 3.0\r\n\r\nabc", 400),
	ROW("CL 3e0", POST "Content-Length: 3e0\r\n\r\nabc", 400),
	ROW("CL 03", POST "Content-Length: 03\r\n\r\nabc", 400),
	ROW("CL 00", POST "Content-Length: 00\r\n\r\n", 400),
	ROW("CL quoted", POST "Content-Length: \"3\"\r\n\r\nabc", 400),
	ROW("CL with semicolon", POST "Content-Length: 3;a=b\r\n\r\nabc", 400),
	ROW("CL wide digits", POST "Content-Length: \xef\xbc\x93\r\n\r\nabc", 400),
	ROW("CL 2^32+3", POST "Content-Length: 4294967299\r\n\r\nabc", 413),
	ROW("CL 2^63", POST "Content-Length: 9223372036854775808\r\n\r\nabc", 413),
	ROW("CL 2^64+3", POST "Content-Length: 18446744073709551619\r\n\r\nabc", 413),
	ROW("CL of 40 digits", POST "Content-Length: 1000000000000000000000000000000000000003\r\n\r\nabc", 413),
	ROW("CL over the limit", POST "Content-Length: 65537\r\n\r\n", 413),
	ROW("CL behind a blank name", POST "Content-Length : 3\r\n\r\nabc", 400),
	ROW("CL behind a tab", POST "Content-Length\t: 3\r\n\r\nabc", 400),
	ROW("CL folded", POST "Content-Length:\r\n 3\r\n\r\nabc", 400),
	ROW("CL on GET", GET "Content-Length: 3\r\n\r\nabc", 400),
	ROW("CL 0 on GET", GET "Content-Length: 0\r\n\r\n", 200),
	ROW("CL on HEAD", "HEAD /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 400),
	ROW("TE on GET", GET "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE gzip", POST "Transfer-Encoding: gzip\r\n\r\nabc", 400),
	ROW("TE identity", POST "Transfer-Encoding: identity\r\n\r\nabc", 400),
	ROW("TE gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE chunked, gzip", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
	ROW("TE chunked, chunked", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
	ROW("TE twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE twice, other", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
	ROW("TE empty", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
	ROW("TE comma", POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE chunkedx", POST "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", 400),
	ROW("TE quoted", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
	ROW("TE parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
	ROW("TE vertical tab", POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE form feed", POST "Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n", 400),
	ROW("TE blank name", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE folded", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE folded behind a field", POST "X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("TE in capitals", POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200),
	ROW("TE between tabs", POST "Transfer-Encoding:\tchunked\t\r\n\r\n0\r\n\r\n", 200),
	ROW("gzip body", POST "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 415),
	ROW("identity body", POST "Content-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 200),

	/* names and values */
	ROW("empty name", GET ": v\r\n\r\n", 400),
	ROW("empty name, no value", GET ":\r\n\r\n", 400),
	ROW("name with a blank", GET "X A: v\r\n\r\n", 400),
	ROW("name ends blank", GET "X-A : v\r\n\r\n", 400),
	ROW("no colon", GET "X-A\r\n\r\n", 400),
	ROW("NUL in a name", GET "X-\0A: v\r\n\r\n", 400),
	ROW("NUL in a value", GET "X-A: v\0w\r\n\r\n", 400),
	ROW("NUL ends a value", GET "X-A: v\0\r\n\r\n", 400),
	ROW("value empty", GET "X-A:\r\n\r\n", 200),
	ROW("value UTF-8", GET "X-A: \xed\x95\xb4\xec\xb9\x98\r\n\r\n", 200),
	ROW("folded value", GET "X-A: v\r\n w\r\n\r\n", 400),
	ROW("folded by tab", GET "X-A: v\r\n\tw\r\n\r\n", 400),
	ROW("first field folded", "GET /a HTTP/1.1\r\n Host: a\r\n\r\n", 400),
	ROW("blank line only of blanks", GET " \r\n\r\n", 400),
	ROW("name in brackets", GET "(X): v\r\n\r\n", 400),
	ROW("name with @", GET "X@Y: v\r\n\r\n", 400),
	ROW("name beyond ASCII", GET "X-\xc3\xa9: v\r\n\r\n", 400),
	ROW("key twice", GET "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400),
	ROW("use case twice", GET "X-Haechi-Use-Case: a\r\nx-haechi-use-case: b\r\n\r\n", 400),
	ROW("request id twice", GET "X-Request-ID: a\r\nX-Request-ID: b\r\n\r\n", 400),
	ROW("content type twice", POST "Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n\r\n", 400),

	/* line endings */
	ROW("LF only", "GET /a HTTP/1.1\nHost: a\n\n", 400),
	ROW("LF behind the request line", "GET /a HTTP/1.1\nHost: a\r\n\r\n", 400),
	ROW("LF behind a field", GET "X-A: v\nX-B: w\r\n\r\n", 400),
	ROW("LF LF at the end", GET "X-A: v\r\n\n", 400),
	ROW("LF CR", GET "X-A: v\n\r\r\n\r\n", 400),
	ROW("CR only", "GET /a HTTP/1.1\rHost: a\r\r", 400),
	ROW("CR in a value", GET "X-A: v\rw\r\n\r\n", 400),
	ROW("CR CR LF", GET "X-A: v\r\r\n\r\n", 400),
	ROW("CR in a name", GET "X-\rA: v\r\n\r\n", 400),
	ROW("CR at the end", GET "\r\r\n", 400),
	ROW("empty lines first", "\r\n" GET "\r\n", 400),
	ROW("LF first", "\n" GET "\r\n", 400),

	/* the request line */
	ROW("no version", "GET /a\r\nHost: a\r\n\r\n", 400),
	ROW("0.9", "GET /a\r\n\r\n", 400),
	ROW("0.9 without an end", "GET /\r\n", 0),
	ROW("HTTP/1.0", "GET /a HTTP/1.0\r\nHost: a\r\n\r\n", 200),
	ROW("HTTP/1.0 without Host", "GET /a HTTP/1.0\r\n\r\n", 200),
	ROW("HTTP/1.0 with a wrong Host", "GET /a HTTP/1.0\r\nHost: a b\r\n\r\n", 400),
	ROW("HTTP/1.0 keep-alive", "GET /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", 200),
	ROW("HTTP/1.0 post", "POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", 200),
	ROW("HTTP/1.0 with 100-continue", "POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", 200),
	ROW("HTTP/1.0 in chunks", "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400),
	ROW("HTTP/1.2", "GET /a HTTP/1.2\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/2", "GET /a HTTP/2\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/2.0", "GET /a HTTP/2.0\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/01.1", "GET /a HTTP/01.1\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/1.01", "GET /a HTTP/1.01\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/1.10", "GET /a HTTP/1.10\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/1", "GET /a HTTP/1\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/1.", "GET /a HTTP/1.\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/-1.1", "GET /a HTTP/-1.1\r\nHost: a\r\n\r\n", 400),
	ROW("http/1.1", "GET /a http/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("HTTPS/1.1", "GET /a HTTPS/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP /1.1", "GET /a HTTP /1.1\r\nHost: a\r\n\r\n", 400),
	ROW("ICY", "GET /a ICY/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
	ROW("blank behind the version", "GET /a HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
	ROW("two blanks", "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("two blanks later", "GET /a  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("tabs", "GET\t/a\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("blank first", " GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("only a method", "GET\r\nHost: a\r\n\r\n", 400),
	ROW("empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("lower-case method", "get /a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
	ROW("unknown method", "BREW /a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
	ROW("TRACE", "TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
	ROW("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
	ROW("PROPFIND", "PROPFIND /a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
	ROW("GETT", "GETT /a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
	ROW("GE", "GE /a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
	ROW("method with a colon", "GET: /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("method with a slash", "GET/ /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
	ROW("SSH", "SSH-2.0-OpenSSH_9.2\r\n", 0),
	ROW("SMTP", "EHLO example\r\n", 0),
	ROW("FTP", "USER anonymous\r\n", 0),
	ROW("SOCKS", "\x05\x01\x00", 400),
	ROW("proxy protocol", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" GET "\r\n", 400),
	ROW("NULs", "\0\0\0\0", 400),
	ROW("JSON", "{\"model\":\"a\"}\r\n\r\n", 400),

	/* targets */
	ROW("absolute form", "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("absolute form, other host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("authority form", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("no slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("question mark first", "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("backslash first", "GET \\a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%00", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%00 in the query", "GET /a?b=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%0d%0a", "GET /a%0d%0aX:%20b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%0A", "GET /a%0Ab HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%7f", "GET /a%7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("% at the end", "GET /a% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%a at the end", "GET /a%a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%zz", "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%-1", "GET /a%-1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%u0041", "GET /%u0041 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("raw UTF-8", "GET /\xed\x95\xb4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("escaped UTF-8", "GET /%ed%95%b4 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
	ROW("..", "GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW(".. inside", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW(".. at the end", "GET /a/.. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("..?", "GET /a/..?b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW(".", "GET /a/./b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%2e%2e", "GET /%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW(".%2E", "GET /.%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%2f", "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%5c", "GET /a%5cb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	ROW("%2f in the query", "GET /a?b=%2f HTTP/1.1\r\nHost: a\r\n\r\n", 200),
	ROW("three dots", "GET /.../b HTTP/1.1\r\nHost: a\r\n\r\n", 200),
	ROW("a dot in a name", "GET /a.b/.c HTTP/1.1\r\nHost: a\r\n\r\n", 200),
	ROW("query of everything", "GET /a?b=c&d=/?:@!$'()*+,;~ HTTP/1.1\r\nHost: a\r\n\r\n", 200),

	/* Host */
	ROW("no Host", "GET /a HTTP/1.1\r\n\r\n", 400),
	ROW("no Host, other field", "GET /a HTTP/1.1\r\nX-A: b\r\n\r\n", 400),
	ROW("Host twice", GET "Host: a\r\n\r\n", 400),
	ROW("Host twice, other", GET "Host: b\r\n\r\n", 400),
	ROW("Host empty", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", 400),
	ROW("Host of two", "GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
	ROW("Host with a path", "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
	ROW("Host with a user", "GET /a HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
	ROW("Host with a blank", "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
	ROW("Host with a bad port", "GET /a HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
	ROW("Host with no port", "GET /a HTTP/1.1\r\nHost: a:\r\n\r\n", 400),
	ROW("Host with a long port", "GET /a HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400),
	ROW("Host with two ports", "GET /a HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400),
	ROW("Host only a port", "GET /a HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
	ROW("Host half a bracket", "GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
	ROW("Host empty brackets", "GET /a HTTP/1.1\r\nHost: []\r\n\r\n", 400),
	ROW("Host behind brackets", "GET /a HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400),
	ROW("Host name in brackets", "GET /a HTTP/1.1\r\nHost: [host]\r\n\r\n", 400),
	ROW("Host escaped", "GET /a HTTP/1.1\r\nHost: a%2eb\r\n\r\n", 400),
	ROW("Host with a port", "GET /a HTTP/1.1\r\nHost: a.b-c_d:8080\r\n\r\n", 200),
	ROW("Host IPv6", "GET /a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200),
	ROW("Host IPv6 alone", "GET /a HTTP/1.1\r\nHost: [fe80::1]\r\n\r\n", 200),

	/* Expect */
	ROW("Expect other", POST "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", 417),
	ROW("Expect empty", POST "Expect:\r\nContent-Length: 3\r\n\r\nabc", 417),
	ROW("Expect twice", POST "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", 400),
	ROW("Expect of two", POST "Expect: 100-continue, a\r\nContent-Length: 3\r\n\r\nabc", 417),
	ROW("Expect and too large", POST "Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n", 413),

	/* chunks */
	ROW("chunks", CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200),
	ROW("chunks, hex", CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 200),
	ROW("chunks, leading zeros", CHUNKED "00000003\r\nabc\r\n00000000\r\n\r\n", 200),
	ROW("chunk of nine digits", CHUNKED "000000003\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk without a size", CHUNKED "\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk extension", CHUNKED "3;a=b\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk extension empty", CHUNKED "3;\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk extension at the end", CHUNKED "3\r\nabc\r\n0;a\r\n\r\n", 400),
	ROW("chunk extension with LF", CHUNKED "3;\nx\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk blank behind", CHUNKED "3 \r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk blank before", CHUNKED " 3\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk tab", CHUNKED "3\t\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk -3", CHUNKED "-3\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk +3", CHUNKED "+3\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk 0x3", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk 3h", CHUNKED "3h\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk g", CHUNKED "g\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk _", CHUNKED "0_3\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk size LF", CHUNKED "3\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk size CR", CHUNKED "3\rabc\r\n0\r\n\r\n", 400),
	ROW("chunk size CR CR LF", CHUNKED "3\r\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk data LF", CHUNKED "3\r\nabc\n0\r\n\r\n", 400),
	ROW("chunk data without an end", CHUNKED "3\r\nabc0\r\n\r\n", 400),
	ROW("chunk too short", CHUNKED "4\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk too long", CHUNKED "2\r\nabc\r\n0\r\n\r\n", 400),
	ROW("chunk end LF", CHUNKED "3\r\nabc\r\n0\n\r\n", 400),
	ROW("chunk end LF LF", CHUNKED "3\r\nabc\r\n0\r\n\n", 400),
	ROW("chunk end with junk", CHUNKED "3\r\nabc\r\n0\r\nX", 400),
	ROW("chunk NUL", CHUNKED "3\0\r\nabc\r\n0\r\n\r\n", 400),
	ROW("trailer", CHUNKED "3\r\nabc\r\n0\r\nX-A: b\r\n\r\n", 400),
	ROW("trailer of framing", CHUNKED "3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n", 400),
	ROW("chunk ffffffff", CHUNKED "ffffffff\r\nabc", 413),
	ROW("chunk ffffffffffffffff", CHUNKED "ffffffffffffffff\r\nabc", 400),
	ROW("chunk fffffffffffffffffff", CHUNKED "fffffffffffffffffff\r\nabc", 400),
	ROW("chunk one over the limit", CHUNKED "10001\r\n", 413),
	ROW("chunk 7fffffff", CHUNKED "7fffffff\r\n", 413),
};
/* clang-format on */

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check(rows[i].name, rows[i].bytes, rows[i].size, rows[i].status, rows[i].size);
		/* The same in small pieces: what is refused must not hang on how it arrives. */
		check(rows[i].name, rows[i].bytes, rows[i].size, rows[i].status, 1);
	}
	kit_alive(server);
}

static bool
is_token(int c)
{
	return c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

/* Every byte in every place. What may stand there is said here a second time, in other words. */
static void
test_bytes(void **state)
{
	static const struct {
		const char *name, *before, *after;
	} places[] = {
	    {"method",  "GE",	                                                         "T /a HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {"target",  "GET /a",	                                                     "b HTTP/1.1\r\nHost: a\r\n\r\n"   },
	    {"version", "GET /a HTTP/1",	                                              "1\r\nHost: a\r\n\r\n"            },
	    {"name",    "GET /a HTTP/1.1\r\nHost: a\r\nX-",                                   "A: v\r\n\r\n"                    },
	    {"value",   "GET /a HTTP/1.1\r\nHost: a\r\nX-A: v",                               "w\r\n\r\n"                       },
	    {"host",    "GET /a HTTP/1.1\r\nHost: a",                                         "b\r\n\r\n"                       },
	    {"length",  "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3",                   "\r\n\r\n"                        },
	    {"chunk",   "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0", "\r\n\r\n"                        },
	    {"escape",  "GET /a%4",	                                                   " HTTP/1.1\r\nHost: a\r\n\r\n"    },
	};

	(void)state;
	for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
		for (int c = 0; c < 256; c++) {
			struct buffer bytes;
			bool good = false;
			char name[64];

			switch (p) {
			case 1:
				good = c > ' ' && c < 0x7f && strchr("\"#%<>[\\]^`{|}", c) == NULL;
				break;
			case 2:
				good = c == '.';
				break;
			case 3:
				good = is_token(c) || c == ':'; /* "X-:A: v" is the field "X-" */
				break;
			case 4:
				good = c == '\t' || (c >= ' ' && c != 0x7f);
				break;
			case 5:
				good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
				       c == '-' || c == '.' || c == '_';
				break;
			case 6: /* 30 to 39: the body follows */
				good = c >= '0' && c <= '9';
				break;
			case 7:
				good = c == '0';
				break;
			case 8:
				good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
				break;
			default:
				break;
			}
			buffer_init(&bytes, 4096);
			buffer_string(&bytes, places[p].before);
			buffer_byte(&bytes, (uint8_t)c);
			buffer_string(&bytes, places[p].after);
			if (p == 6 && good)
				for (int i = 0; i < 30 + c - '0'; i++)
					buffer_byte(&bytes, 'x');
			/* Blanks around a length are no part of it, and a chunk of 1 to f bytes is one that does not come. */
			if (p == 6 && (c == ' ' || c == '\t')) {
				buffer_string(&bytes, "abc");
				good = true;
			}
			if (p == 7 && !good &&
			    ((c >= '1' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')))
				buffer_string(&bytes, "0123456789abcdefghij");
			snprintf(name, sizeof name, "byte 0x%02x in %s", (unsigned)c, places[p].name);
			check(name, bytes.data, bytes.size, good ? 200 : 0, bytes.size);
			buffer_free(&bytes);
		}
	kit_alive(server);
}

static void
test_sizes(void **state)
{
	struct buffer bytes;

	(void)state;
	buffer_init(&bytes, 1 << 20);
	/* A target of the longest line, and one byte more. "GET " and " HTTP/1.1" are 13 bytes. */
	for (size_t extra = 0; extra <= 1; extra++) {
		buffer_reset(&bytes);
		buffer_string(&bytes, "GET /");
		for (size_t i = 0; i < 8192 - 14 + extra; i++)
			buffer_byte(&bytes, 'a');
		buffer_string(&bytes, " HTTP/1.1\r\nHost: a\r\n\r\n");
		check("longest line", bytes.data, bytes.size, extra == 0 ? 200 : 414, bytes.size);
		check("longest line, in pieces", bytes.data, bytes.size, extra == 0 ? 200 : 414, 1000);
	}
	/* A request line that never ends. */
	buffer_reset(&bytes);
	for (size_t i = 0; i < 100000; i++)
		buffer_byte(&bytes, 'A');
	check("endless line", bytes.data, bytes.size, 414, bytes.size);
	/* A field line of the longest, and one byte more: "X: " is 3. */
	for (size_t extra = 0; extra <= 1; extra++) {
		buffer_reset(&bytes);
		buffer_string(&bytes, GET "X: ");
		for (size_t i = 0; i < 8192 - 3 + extra; i++)
			buffer_byte(&bytes, 'a');
		buffer_string(&bytes, "\r\n\r\n");
		check("longest field", bytes.data, bytes.size, extra == 0 ? 200 : 431, bytes.size);
	}
	/* As many fields as there may be (Host is one), and one more. */
	for (size_t extra = 0; extra <= 1; extra++) {
		buffer_reset(&bytes);
		buffer_string(&bytes, GET);
		for (size_t i = 1; i < LIMITS_FIELDS + extra; i++)
			buffer_printf(&bytes, "X-%zu: v\r\n", i);
		buffer_string(&bytes, "\r\n");
		check("most fields", bytes.data, bytes.size, extra == 0 ? 200 : 431, bytes.size);
	}
	/* Heads that are too large in all, with and without an end. */
	for (size_t end = 0; end <= 1; end++) {
		buffer_reset(&bytes);
		buffer_string(&bytes, GET);
		for (size_t i = 0; i < 20; i++)
			buffer_printf(&bytes, "X-%zu: %01000d\r\n", i, 0);
		if (end)
			buffer_string(&bytes, "\r\n");
		check("large head", bytes.data, bytes.size, 431, bytes.size);
		check("large head, in pieces", bytes.data, bytes.size, 431, 512);
	}
	/* A body of the largest size, by length and by chunks, and one byte more. */
	for (size_t extra = 0; extra <= 1; extra++) {
		buffer_reset(&bytes);
		buffer_printf(&bytes, POST "Content-Length: %zu\r\n\r\n", 65536 + extra);
		for (size_t i = 0; i < 65536 + extra; i++)
			buffer_byte(&bytes, 'b');
		check("largest body", bytes.data, bytes.size, extra == 0 ? 200 : 413, 5000);
		buffer_reset(&bytes);
		buffer_string(&bytes, CHUNKED);
		for (size_t i = 0; i < 65536; i += 256) {
			buffer_string(&bytes, "100\r\n");
			for (size_t b = 0; b < 256; b++)
				buffer_byte(&bytes, 'b');
			buffer_string(&bytes, "\r\n");
		}
		buffer_string(&bytes, extra == 0 ? "0\r\n\r\n" : "1\r\nb\r\n0\r\n\r\n");
		check("largest chunks", bytes.data, bytes.size, extra == 0 ? 200 : 413, 4999);
	}
	/* 60,000 chunks of one byte are a body like any other. */
	buffer_reset(&bytes);
	buffer_string(&bytes, CHUNKED);
	for (size_t i = 0; i < 60000; i++)
		buffer_string(&bytes, "1\r\nb\r\n");
	buffer_string(&bytes, "0\r\n\r\n");
	check("tiny chunks", bytes.data, bytes.size, 200, bytes.size);
	buffer_free(&bytes);
	kit_alive(server);
}

/* Every prefix of a good request, then the client closes its side: 400 and close, or nothing when nothing was said. */
static void
test_cut_short(void **state)
{
	static const char *const whole[] = {
	    POST "Content-Length: 5\r\n\r\nhello",
	    CHUNKED "3\r\nabc\r\n0\r\n\r\n",
	};

	(void)state;
	for (size_t w = 0; w < 2; w++)
		for (size_t size = 0; size <= strlen(whole[w]); size++) {
			struct kit_result result;
			int fd = kit_connect(server);

			cases++;
			kit_send(fd, whole[w], size);
			shutdown(fd, SHUT_WR);
			kit_read(fd, &result, 0, 3000);
			assert_true(result.closed && !result.rest);
			if (size == 0)
				assert_int_equal(result.count, 0);
			else {
				assert_int_equal(result.count, 1);
				assert_int_equal(result.status[0], size == strlen(whole[w]) ? 200 : 400);
			}
			kit_free(&result);
			close(fd);
		}
	kit_alive(server);
}

/* One byte at a time with pauses: the deadline is for the whole head, or body, not for the next byte. */
static void
test_drip(void **state)
{
	static const struct {
		const char *at_once, *slowly;
	} drips[] = {
	    {"",	                         "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
	    {GET,	                        "X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" },
	    {POST "Content-Length: 500\r\n\r\n",
	     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"                                                 },
	    {CHUNKED "fff\r\n",
	     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"                                           },
	};

	(void)state;
	for (size_t d = 0; d < 4; d++) {
		struct kit_result result;
		int fd = kit_connect(server);
		int64_t begin = clock_monotonic_ns(), took;

		cases++;
		kit_say(fd, drips[d].at_once);
		for (const char *p = drips[d].slowly; *p != '\0'; p++) {
			struct pollfd wait = {.fd = fd, .events = POLLIN};

			kit_send(fd, p, 1);
			if (poll(&wait, 1, 25) > 0)
				break;
		}
		took = (clock_monotonic_ns() - begin) / 1000000;
		kit_read(fd, &result, 0, 3000);
		assert_int_equal(result.count, 1);
		assert_int_equal(result.status[0], 408);
		assert_true(kit_is_error(result.body[0]));
		assert_in_range((unsigned long)took, 600, 1600);
		kit_free(&result);
		close(fd);
	}
	kit_alive(server);
}

static void
check_sequence(const char *bytes, unsigned count, const int *statuses, const char *const *bodies, bool closes)
{
	struct kit_result result;
	int fd = kit_connect(server);

	cases++;
	kit_say(fd, bytes);
	kit_read(fd, &result, closes ? 0 : count, 3000);
	if (result.count != count)
		fail_msg("%u answers, wanted %u, to\n%s\n%.*s", result.count, count, bytes,
		         (int)result.bytes.size, (char *)result.bytes.data);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(result.status[i], statuses[i]);
		if (bodies[i] != NULL)
			assert_true(slice_is(result.body[i], bodies[i]));
	}
	assert_int_equal(result.closed, closes);
	assert_false(result.rest);
	kit_free(&result);
	close(fd);
}

/* A second request behind the first is answered behind it, or refused behind it; nothing is mixed or lost. */
static void
test_pipelining(void **state)
{
	struct buffer bytes;
	int statuses[40];
	const char *bodies[40];
	char texts[40][16];

	(void)state;
	check_sequence("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 2,
	               (int[]){200, 200}, (const char *[]){"GET /1", "GET /2"}, false);
	check_sequence(POST "Content-Length: 5\r\n\r\nhello" BEHIND, 2, (int[]){200, 200},
	               (const char *[]){"hello", "GET /smuggled"}, false);
	check_sequence(CHUNKED "5\r\nhello\r\n0\r\n\r\n" BEHIND, 2, (int[]){200, 200},
	               (const char *[]){"hello", "GET /smuggled"}, false);
	check_sequence("GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 2,
	               (int[]){200, 200}, (const char *[]){"GET /later", "GET /2"}, false);
	check_sequence("GET /stream?3 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 2,
	               (int[]){200, 200}, (const char *[]){"data: 3\n\ndata: 2\n\ndata: 1\n\n", "GET /2"},
	               false);
	check_sequence("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", 2, (int[]){200, 400},
	               (const char *[]){"GET /1", NULL}, true);
	check_sequence("GET /later HTTP/1.1\r\nHost: a\r\n\r\njunk\n" BEHIND, 2, (int[]){200, 400},
	               (const char *[]){"GET /later", NULL}, true);
	check_sequence(POST "Content-Length: 3\r\n\r\nabcdef" BEHIND, 2, (int[]){200, 405},
	               (const char *[]){"abc", NULL}, true);
	/* Behind Connection: close nothing is answered. */
	check_sequence("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" BEHIND, 1, (int[]){200},
	               (const char *[]){"GET /1"}, true);
	check_sequence("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n" BEHIND, 1, (int[]){200},
	               (const char *[]){"GET /1"}, true);
	/* Behind a refusal neither. */
	check_sequence("GET /1 HTTP/2.0\r\nHost: a\r\n\r\n" BEHIND, 1, (int[]){400}, (const char *[]){NULL},
	               true);
	/* HTTP/1.0 is one request a connection, whatever it says of keeping it. */
	check_sequence("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" BEHIND, 1, (int[]){200},
	               (const char *[]){"GET /1"}, true);
	check_sequence("POST /a HTTP/1.0\r\n\r\n" BEHIND, 1, (int[]){200}, (const char *[]){""}, true);
	buffer_init(&bytes, 1 << 16);
	for (size_t i = 0; i < 40; i++) {
		snprintf(texts[i], sizeof texts[i], "GET /%zu", i);
		buffer_printf(&bytes, "%s HTTP/1.1\r\nHost: a\r\n\r\n", texts[i]);
		statuses[i] = 200;
		bodies[i] = texts[i];
	}
	check_sequence(buffer_text(&bytes), 40, statuses, bodies, false);
	buffer_free(&bytes);
	kit_alive(server);
}

/* A refused request is named as its client named it, or by us. */
static void
test_request_id(void **state)
{
	static const struct {
		const char *bytes;
		const char *wanted; /* NULL: another one */
	} asked[] = {
	    {GET "X-Request-ID: mine-1\r\nContent-Length: 3\r\n\r\nabc",             "\r\nX-Request-ID: mine-1\r\n"},
	    {POST "Content-Length: 70000\r\nx-request-id: mine-1\r\n\r\n",           "\r\nX-Request-ID: mine-1\r\n"},
	    {POST "Content-Encoding: gzip\r\nX-Request-ID: mine-1\r\n\r\n",          "\r\nX-Request-ID: mine-1\r\n"},
	    {POST "Transfer-Encoding: chunked\r\nX-Request-ID: mine-1\r\n\r\nx\r\n",
	     "\r\nX-Request-ID: mine-1\r\n"	                                                                },
	    {GET "X-Request-ID: mine-1\r\nX-Request-ID: mine-1\r\n\r\n",             "\r\nX-Request-ID: mine-1\r\n"},
	    {GET "X-Request-ID: no id\r\nContent-Length: 3\r\n\r\nabc",              NULL                          },
	    {"junk\r\nX-Request-ID: mine-1\r\n\r\n",                                 NULL                          },
	};
	struct kit_result result;

	(void)state;
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		int fd = kit_connect(server);

		kit_say(fd, asked[i].bytes);
		kit_read(fd, &result, 0, 3000);
		assert_int_equal(result.count, 1);
		assert_in_range(result.status[0], 400, 499);
		assert_true(kit_has(result.head[0],
		                    asked[i].wanted != NULL ? asked[i].wanted : "\r\nX-Request-ID: "));
		if (asked[i].wanted == NULL)
			assert_false(kit_has(result.head[0], "no id") || kit_has(result.head[0], "mine-1"));
		kit_free(&result);
		close(fd);
	}
	kit_alive(server);
}

static void
test_expect(void **state)
{
	struct kit_result result;
	int fd = kit_connect(server);

	(void)state;
	kit_say(fd, POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	kit_read(fd, &result, 1, 200);
	assert_int_equal(result.interim, 1);
	assert_int_equal(result.count, 0);
	kit_free(&result);
	kit_say(fd, "hello");
	kit_read(fd, &result, 1, 3000);
	assert_int_equal(result.count, 1);
	assert_int_equal(result.interim, 0);
	assert_true(slice_is(result.body[0], "hello"));
	kit_free(&result);
	/* With the body on its way already, no interim answer is needed; with none to come neither. */
	kit_say(fd, POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
	kit_read(fd, &result, 1, 3000);
	assert_int_equal(result.interim, 0);
	kit_free(&result);
	kit_say(fd, POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
	kit_read(fd, &result, 1, 3000);
	assert_int_equal(result.interim, 0);
	assert_int_equal(result.count, 1);
	kit_free(&result);
	close(fd);
}

/* Clients that vanish at every moment. */
static void
test_early_close(void **state)
{
	static const char *const said[] = {
	    "",
	    "GET /",
	    GET,
	    GET "\r\n",
	    POST "Content-Length: 9\r\n\r\nabc",
	    "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /later HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /stream?100000 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /large?3000000 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /null HTTP/1.1\r\nHost: a\r\n\r\n",
	    "junk\n",
	};

	(void)state;
	for (size_t round = 0; round < 20; round++)
		for (size_t s = 0; s < sizeof said / sizeof said[0]; s++) {
			struct linger reset = {.l_onoff = 1, .l_linger = 0};
			int fd = kit_connect(server);

			cases++;
			kit_say(fd, said[s]);
			if (round % 4 == 3)
				kit_sleep(1);
			if (round % 2 == 1)
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
			close(fd);
		}
	kit_settled();
	assert_true(kit_left > 0);
	kit_alive(server);
}

static bool
has_answer(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* More connections than one address may have: told so by 429, and welcome again when others have gone. */
static void
test_flood(void **state)
{
	enum { MOST = 400, MANY = MOST + 100 };
	static int fds[MANY];
	struct server_options options = {.loops = 2};
	struct server *patient;
	struct limits limits;
	unsigned refused = 0;

	/* A server of its own, that does not grow tired of silent connections while a busy machine opens them. */
	(void)state;
	limits_of_tests(&limits);
	limits.head_ms = limits.idle_ms = 60000;
	limits.connections_per_address = MOST;
	patient = kit_start(&options, &limits);
	for (size_t i = 0; i < MANY; i++)
		fds[i] = kit_connect(patient);
	for (unsigned round = 0; round < 1000 && refused < MANY - MOST; round++) {
		kit_sleep(10);
		refused = 0;
		for (size_t i = 0; i < MANY; i++)
			refused += has_answer(fds[i]);
	}
	assert_int_equal(refused, MANY - MOST);
	for (size_t i = 0; i < MANY; i++) {
		struct kit_result result;

		if (has_answer(fds[i])) {
			kit_read(fds[i], &result, 1, 3000);
			assert_int_equal(result.count, 1);
			assert_int_equal(result.status[0], 429);
			assert_true(kit_is_error(result.body[0]));
			kit_free(&result);
		}
		close(fds[i]);
	}
	for (unsigned round = 0; round < 1000; round++) {
		int fd = kit_connect(patient);
		bool refusal;

		kit_sleep(10);
		refusal = has_answer(fd);
		close(fd);
		if (!refusal)
			break;
	}
	kit_alive(patient);
	server_stop(patient, 1000);
}

static int
start(void **state)
{
	struct server_options options = {.loops = 2};
	struct limits limits;

	(void)state;
	limits_of_tests(&limits);
	server = kit_start(&options, &limits);
	return 0;
}

static int
stop(void **state)
{
	struct server_numbers numbers;

	(void)state;
	kit_settled();
	server_numbers(server, &numbers);
	print_message("%u cases; %lu connections, %lu requests, %lu refused, %lu left\n", cases,
	              (unsigned long)numbers.connections, (unsigned long)numbers.requests,
	              (unsigned long)numbers.refused, (unsigned long)numbers.left);
	server_stop(server, 1000);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),        cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_sizes),       cmocka_unit_test(test_cut_short),
	    cmocka_unit_test(test_drip),        cmocka_unit_test(test_pipelining),
	    cmocka_unit_test(test_request_id),  cmocka_unit_test(test_expect),
	    cmocka_unit_test(test_early_close), cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
