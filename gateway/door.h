/*
 * door -- where bytes from outside come in: accepting, TLS, deadlines, strict framing; one per loop.
 *
 * A connection is read only when a request may come, a request is handed on only when it is whole, and the next one
 * waits (unread, in the kernel) until the answer to the one before has been taken: answers cannot change order or
 * mix. What is not plainly right is answered with an error object and the connection is closed.
 * Everything on the loop's thread.
 */
#ifndef HAECHI_GATEWAY_DOOR_H
#define HAECHI_GATEWAY_DOOR_H

#include "gateway/limits.h"
#include "gateway/server.h"
#include "gateway/tls.h"

struct door;
struct door_connection;

struct door_handler {
	/* A whole request; the arrival is the callee's. `call` is empty. Answer by door_send() and door_finish(). */
	void (*request)(struct door_connection *connection, struct arrival *arrival, void *owner);
	/* The client is gone after request() and before door_finish(); the connection ends behind this call. */
	void (*left)(struct door_connection *connection, void *owner);
	/* door_send() would take bytes again. */
	void (*room)(struct door_connection *connection, void *owner);
	void *owner;
};

struct door_options {
	struct loop          *loop;
	const struct limits  *limits;
	struct address_count *addresses;
	struct door_handler   handler;
};

MUST_CHECK int door_new(struct door **out, const struct door_options *options, struct fault *why);
void           door_free(struct door *door); /* no connection may be left: door_cut() before. NULL is fine */
/* Accept from a listening non-blocking socket, which stays the caller's; `tls` NULL: plain. `shared`: other loops too. */
MUST_CHECK int door_listen(struct door *door, int fd, struct tls *tls, bool shared, struct fault *why);
/* No more accepting; idle connections end; answers under way say Connection: close. */
void   door_drain(struct door *door);
void   door_cut(struct door *door); /* every connection ends now; left() for those that wait for an answer */
size_t door_connections(const struct door *door);
void   door_numbers(const struct door *door, struct server_numbers *add); /* adds; from any thread */

void  door_set(struct door_connection *connection, void *context); /* of the handler */
void *door_get(const struct door_connection *connection);
bool  door_closing(const struct door_connection *connection); /* the answer must say Connection: close */
/* false: what was sent last is still waiting for the client; room() will come. */
bool door_room(const struct door_connection *connection);
/* Send, or keep what the client does not take yet. Only with room. false: the client is gone, left() was called. */
bool door_send(struct door_connection *connection, struct slice bytes);
/* The answer is whole. `close`: nothing more on this connection. */
void door_finish(struct door_connection *connection, bool close);
/* The answer cannot be made whole: cut, so that nobody takes it for one. left() is not called. */
void door_abort(struct door_connection *connection);

#endif
