#include "gateway/refusal.h"

#include <string.h>
#include <time.h>

#include "schema/base/json.h"

/* clang-format off */
static const struct {
	int         status;
	const char *reason, *code, *ko, *en;
} refusals[REFUSAL_KINDS] = {
	[REFUSAL_NONE]              = { 400, "Bad Request", "bad_request", "요청이 잘못되었습니다.", "The request is malformed." },
	[REFUSAL_LINE_ENDING]       = { 400, "Bad Request", "invalid_line_ending", "줄은 CRLF로 끝나야 합니다.", "Lines must end with CRLF." },
	[REFUSAL_CONTROL]           = { 400, "Bad Request", "invalid_character", "요청 머리에 허용되지 않는 제어 문자가 있습니다.", "The request head holds a control character." },
	[REFUSAL_REQUEST_LINE]      = { 400, "Bad Request", "invalid_request_line", "요청 줄은 '메서드 경로 HTTP/1.1' 이어야 합니다.", "The request line must be 'METHOD /path HTTP/1.1'." },
	[REFUSAL_METHOD]            = { 405, "Method Not Allowed", "method_not_allowed", "지원하지 않는 메서드입니다.", "This method is not supported." },
	[REFUSAL_TARGET]            = { 400, "Bad Request", "invalid_target", "경로는 '/'로 시작하고 올바르게 이스케이프되어야 합니다.", "The target must begin with '/' and be escaped correctly." },
	[REFUSAL_TARGET_LONG]       = { 414, "URI Too Long", "target_too_long", "요청 줄이 너무 깁니다.", "The request line is too long." },
	[REFUSAL_VERSION]           = { 400, "Bad Request", "unsupported_version", "HTTP/1.1과 HTTP/1.0만 받습니다.", "Only HTTP/1.1 and HTTP/1.0 are spoken here." },
	[REFUSAL_FIELD]             = { 400, "Bad Request", "invalid_header", "헤더 줄은 '이름: 값' 이어야 합니다.", "A header line must be 'Name: value'." },
	[REFUSAL_FIELD_NAME]        = { 400, "Bad Request", "invalid_header_name", "헤더 이름이 잘못되었습니다.", "A header name is malformed." },
	[REFUSAL_FOLD]              = { 400, "Bad Request", "folded_header", "여러 줄로 접은 헤더는 받지 않습니다.", "Folded header lines are not accepted." },
	[REFUSAL_HEAD_LARGE]        = { 431, "Request Header Fields Too Large", "headers_too_large", "요청 헤더가 너무 크거나 너무 많습니다.", "The request headers are too large or too many." },
	[REFUSAL_HOST]              = { 400, "Bad Request", "invalid_host", "올바른 Host 헤더가 정확히 하나 있어야 합니다.", "Exactly one well-formed Host header is required." },
	[REFUSAL_LENGTH]            = { 400, "Bad Request", "invalid_content_length", "Content-Length는 하나의 십진수여야 합니다.", "Content-Length must be one decimal number." },
	[REFUSAL_LENGTH_AND_CHUNKS] = { 400, "Bad Request", "ambiguous_length", "Content-Length와 Transfer-Encoding을 함께 쓸 수 없습니다.", "Content-Length and Transfer-Encoding exclude each other." },
	[REFUSAL_TRANSFER_ENCODING] = { 400, "Bad Request", "invalid_transfer_encoding", "Transfer-Encoding은 하나의 'chunked'만 받습니다.", "Transfer-Encoding must be a single 'chunked'." },
	[REFUSAL_CONTENT_ENCODING]  = { 415, "Unsupported Media Type", "unsupported_content_encoding", "압축된 본문은 받지 않습니다.", "Compressed bodies are not accepted." },
	[REFUSAL_BODY_UNEXPECTED]   = { 400, "Bad Request", "unexpected_body", "이 메서드에는 본문이 있을 수 없습니다.", "This method must not have a body." },
	[REFUSAL_BODY_LARGE]        = { 413, "Content Too Large", "body_too_large", "요청 본문이 너무 큽니다.", "The request body is too large." },
	[REFUSAL_REPEATED]          = { 400, "Bad Request", "repeated_header", "한 번만 쓸 수 있는 헤더가 여러 번 있습니다.", "A header that may occur once occurs more often." },
	[REFUSAL_EXPECT]            = { 417, "Expectation Failed", "unsupported_expectation", "Expect는 '100-continue'만 받습니다.", "The only expectation met here is '100-continue'." },
	[REFUSAL_CHUNK]             = { 400, "Bad Request", "invalid_chunk", "본문의 청크가 잘못되었습니다.", "The chunks of the body are malformed." },
	[REFUSAL_TRAILER]           = { 400, "Bad Request", "unexpected_trailer", "청크 뒤의 트레일러는 받지 않습니다.", "Trailers behind the chunks are not accepted." },
	[REFUSAL_CUT_SHORT]         = { 400, "Bad Request", "incomplete_request", "요청이 끝나기 전에 연결이 닫혔습니다.", "The connection was closed before the request was complete." },
	[REFUSAL_SLOW]              = { 408, "Request Timeout", "request_timeout", "요청이 제시간에 도착하지 않았습니다.", "The request did not arrive in time." },
	[REFUSAL_CONNECTIONS]       = { 429, "Too Many Requests", "too_many_connections", "이 주소에서 연 연결이 너무 많습니다.", "There are too many connections from this address." },
	[REFUSAL_PLAIN_ON_TLS]      = { 400, "Bad Request", "tls_required", "이 포트는 HTTPS만 받습니다.", "Only HTTPS is spoken on this port." },
};
/* clang-format on */

int
refusal_status(enum refusal refusal)
{
	return refusals[refusal].status;
}

const char *
refusal_code(enum refusal refusal)
{
	return refusals[refusal].code;
}

#define DATE_SIZE 48

/* "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale. */
static void
date_write(char out[DATE_SIZE])
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = time(NULL);
	struct tm at;

	gmtime_r(&now, &at);
	snprintf(out, DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
	         days + (ptrdiff_t)(at.tm_wday % 7) * 3, at.tm_mday % 100,
	         months + (ptrdiff_t)(at.tm_mon % 12) * 3, (at.tm_year + 1900) % 10000, at.tm_hour % 100,
	         at.tm_min % 100, at.tm_sec % 100);
}

void
refusal_write(struct buffer *out, enum refusal refusal, const char *request_id, bool head_only)
{
	const char *type = refusals[refusal].status == 429 ? "rate_limit_error" : "invalid_request_error";
	char date[DATE_SIZE];
	/* The texts are ours and hold nothing that JSON would escape. */
	size_t size = sizeof "{\"error\":{\"message\":\" \",\"type\":\"\",\"param\":null,\"code\":\"\"}}" -
	              1 + strlen(refusals[refusal].ko) + strlen(refusals[refusal].en) + strlen(type) +
	              strlen(refusals[refusal].code);

	date_write(date);
	buffer_printf(out,
	              "HTTP/1.1 %d %s\r\n"
	              "Date: %s\r\n"
	              "Content-Type: application/json; charset=utf-8\r\n"
	              "Content-Length: %zu\r\n"
	              "Cache-Control: no-store\r\n"
	              "X-Request-ID: %s\r\n"
	              "%s"
	              "Connection: close\r\n"
	              "\r\n",
	              refusals[refusal].status, refusals[refusal].reason, date, size, request_id,
	              refusal == REFUSAL_METHOD ? "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
	                                        : "");
	if (!head_only)
		buffer_printf(
		    out, "{\"error\":{\"message\":\"%s %s\",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}",
		    refusals[refusal].ko, refusals[refusal].en, type, refusals[refusal].code);
}
