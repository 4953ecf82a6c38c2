/*
 * head -- the strict reading of a request's head (RFC 9112, and stricter): what is not plainly right is refused, and
 * nothing is ever repaired.
 *
 * Only lines that end with CRLF, only HTTP/1.1, only the origin form of the target, exactly one Host, at most one
 * Content-Length of plain digits or one Transfer-Encoding "chunked", never both, no folding, no control character
 * anywhere. HTTP/1.0, which proxies still speak to what is behind them, is for one request a connection, without chunks
 * and 100, and need not name a Host. Pure functions of bytes: no clock, no descriptors.
 */
#ifndef HAECHI_GATEWAY_HEAD_H
#define HAECHI_GATEWAY_HEAD_H

#include "gateway/limits.h"
#include "gateway/refusal.h"
#include "gateway/server.h"

enum head_body { HEAD_BODY_NONE = 0, HEAD_BODY_LENGTH, HEAD_BODY_CHUNKED };

struct head {
	enum method    method;
	struct slice   target;
	size_t         path_size; /* of the target, up to '?' */
	struct field   fields[LIMITS_FIELDS];
	size_t         field_count;
	enum head_body body;
	size_t         length; /* HEAD_BODY_LENGTH; within limits */
	bool           old;    /* HTTP/1.0 */
	bool           close;  /* Connection: close, or old */
	bool           expect; /* Expect: 100-continue */
};

/* How far a head has been looked at, so that no byte is looked at twice. Zeroed memory is the beginning. */
struct head_scan {
	size_t at, line; /* the next byte; where its line begins */
};
/*
 * Is the head complete? `bytes` begins with the request line, and grows from call to call. Returns the head's size
 * with its empty line; 0 when more is needed, or when *refusal was set: as soon as no continuation could be right.
 */
size_t head_scan(struct slice bytes, struct head_scan *scan, const struct limits *limits, enum refusal *refusal);
/*
 * Read a complete head (as sized by head_scan). Slices borrow from `bytes`. On a refusal `head->method` still tells
 * whether the client asked by HEAD.
 */
enum refusal head_read(struct head *head, struct slice bytes, const struct limits *limits);

#define HEAD_REQUEST_ID_SIZE 129 /* X-Request-ID: 1-128 of [A-Za-z0-9._-], and a zero */
/* Copy the id a client gave; false, and nothing is written, when it is none. */
bool head_request_id(char out[HEAD_REQUEST_ID_SIZE], struct slice given);

/* ASCII letters of either case alike. */
bool head_name_is(struct slice name, const char *other);

#endif
