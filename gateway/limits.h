/*
 * limits -- every bound that a client meets, in one struct, and the count of connections of each address.
 *
 * Times are absolute: a client that sends one byte a second is cut off when the whole head (or body) is due, however
 * busy the connection looked. Zeroed memory is not a set of limits: begin with limits_default().
 */
#ifndef HAECHI_GATEWAY_LIMITS_H
#define HAECHI_GATEWAY_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "schema/base/fault.h"

struct limits {
	/* what a request may be */
	size_t   line_size;   /* request line, and each field line; bytes without CRLF */
	size_t   head_size;   /* request line and all fields; bytes with every CRLF */
	unsigned field_count; /* at most LIMITS_FIELDS */
	size_t   body_size;   /* bytes, after the chunks are put together */
	unsigned messages;    /* of one chat request; the pipeline's to check */
	unsigned depth;       /* nesting of JSON; the pipeline's to check */
	/* how long it may take; milliseconds from the moment named */
	unsigned tls_ms;    /* accepted -> handshake done */
	unsigned head_ms;   /* accepted, or first byte of a later request -> head complete */
	unsigned body_ms;   /* head complete -> body complete */
	unsigned idle_ms;   /* answer sent -> first byte of the next request */
	unsigned send_ms;   /* bytes of the answer are waiting -> the client took at least one */
	unsigned linger_ms; /* refused -> closed, so that the refusal arrives */
	unsigned half_ms;   /* the client closed its sending side -> counts as gone, if nothing was answered by then */
	/* how many */
	unsigned connections;             /* of one loop; when all are busy, new ones wait in the kernel */
	unsigned connections_per_address; /* over all loops; one more is answered 429 */
	unsigned requests_per_connection; /* then Connection: close */
};

#define LIMITS_FIELDS 100

void limits_default(struct limits *limits);
/* Contradictory or out of range: the fault names the field. */
MUST_CHECK int limits_check(const struct limits *limits, struct fault *why);

/* Connections of each address, over all loops; safe from any thread. IPv6 counts by /64. */
struct address_count;
struct address_count *address_count_new(unsigned most); /* NULL: no memory */
void                  address_count_free(struct address_count *count);
bool address_count_enter(struct address_count *count, const struct sockaddr *address); /* false: one too many */
void address_count_leave(struct address_count *count, const struct sockaddr *address);

#endif
