/*
 * refusal -- every way in which the door says no: HTTP status, code for programs, sentence for people.
 *
 * One table; a refusal is answered with an OpenAI error object and the connection is closed. Hostile input is always
 * the client's fault: no status here is 5xx.
 */
#ifndef HAECHI_GATEWAY_REFUSAL_H
#define HAECHI_GATEWAY_REFUSAL_H

#include "schema/base/bytes.h"

enum refusal {
	REFUSAL_NONE = 0,
	REFUSAL_LINE_ENDING,
	REFUSAL_CONTROL,
	REFUSAL_REQUEST_LINE,
	REFUSAL_METHOD,
	REFUSAL_TARGET,
	REFUSAL_TARGET_LONG,
	REFUSAL_VERSION,
	REFUSAL_FIELD,
	REFUSAL_FIELD_NAME,
	REFUSAL_FOLD,
	REFUSAL_HEAD_LARGE,
	REFUSAL_HOST,
	REFUSAL_LENGTH,
	REFUSAL_LENGTH_AND_CHUNKS,
	REFUSAL_TRANSFER_ENCODING,
	REFUSAL_CONTENT_ENCODING,
	REFUSAL_BODY_UNEXPECTED,
	REFUSAL_BODY_LARGE,
	REFUSAL_REPEATED,
	REFUSAL_EXPECT,
	REFUSAL_CHUNK,
	REFUSAL_TRAILER,
	REFUSAL_CUT_SHORT,
	REFUSAL_SLOW,
	REFUSAL_CONNECTIONS,
	REFUSAL_PLAIN_ON_TLS,
	REFUSAL_KINDS
};

int         refusal_status(enum refusal refusal);
const char *refusal_code(enum refusal refusal); /* "invalid_line_ending", ... */
/* The whole HTTP/1.1 answer, head and body, Connection: close; the body is left out when `head_only`. */
void refusal_write(struct buffer *out, enum refusal refusal, const char *request_id, bool head_only);

#endif
