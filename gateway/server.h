/*
 * server -- listening, loops, and the one door to libmicrohttpd.
 *
 * A request reaches libmicrohttpd only after the door has taken it in whole: head and body complete, strictly
 * well-formed, within limits and deadlines. What the pipeline sees is the door's reading (struct arrival), never
 * libmicrohttpd's: there is one parser, so no two can disagree.
 *
 * The life of a request, all on its loop's thread:
 *	exchange_new(arrival)       core's; the arrival lives in its own arena, which outlives the exchange
 *	pipeline_start(x)           may call server_reply_begin(x) at once, or later
 *	server_reply_begin(x)       once: sends x->reply: whole body, or head and then what x->reply.stream holds
 *	pipeline_client_left(x)     at most once, when the client is gone before the answer was sent whole; never called
 *	                            after server_exchange_end()
 *	server_exchange_end(x)      exactly once: the pipeline will not touch x again. May be called right behind
 *	                            server_reply_begin() of a plain answer; before it only when the client has left
 *	exchange_free(x)            core's; called by the server when both sides are done
 * x->reply.body must live as long as x (its arena). x->reply.stream is freed by exchange_free().
 * server.c needs of `struct exchange` (core's exchange.h) only: `struct arrival *arrival; struct reply reply;`.
 */
#ifndef HAECHI_GATEWAY_SERVER_H
#define HAECHI_GATEWAY_SERVER_H

#include "gateway/limits.h"
#include "gateway/loop.h"
#include "schema/base/bytes.h"
#include "schema/base/fault.h"

struct exchange;
struct stream;
struct server;
struct server_call; /* server.c: one request between the door, libmicrohttpd and the pipeline */

#define SERVER_ADDRESSES 8

struct header {
	const char *name;
	const char *value;
};

#define REPLY_HEADERS 24

/* The answer. Zeroed is no answer: status must be set. Names and values without CR, LF, NUL: server.c refuses them. */
struct reply {
	int            status;
	struct header  headers[REPLY_HEADERS]; /* Content-Type too; never Content-Length, Connection, Transfer-Encoding */
	size_t         header_count;
	struct slice   body;
	struct stream *stream; /* not NULL: the body is what it holds, in chunks, until stream_end() */
	bool           close;  /* Connection: close */
};
/* false: no room. `name` and `value` must live as long as the exchange. */
bool reply_header(struct reply *reply, const char *name, const char *value);

enum method { METHOD_NONE = 0, METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE,
              METHOD_OPTIONS };
const char *method_name(enum method method);

/* One field of the head; both parts without white space around them. Values are visible ASCII, space, tab, >= 0x80. */
struct field {
	struct slice name;
	struct slice value;
};

/* A whole request, as the door read it. Everything lives in `arena`. */
struct arrival {
	struct arena       *arena; /* the exchange's memory too */
	struct loop        *loop;
	struct server_call *call;
	enum method         method;
	const char         *target; /* raw, as sent: origin form, begins with '/', only visible ASCII, no %00 */
	const char         *path;   /* the target up to '?', still escaped */
	const char         *query;  /* behind the '?'; "" when there is none */
	const struct field *fields;
	size_t              field_count;
	struct slice        body; /* put together from its chunks; terminated by a zero that is not counted */
	const char         *peer; /* "127.0.0.1:51234", "[::1]:51234", "unix" */
	/* mutual TLS: lower-case hex SHA-256 of the client's certificate (DER), and its subject; "" without one */
	const char *certificate_sha256;
	const char *certificate_subject;
	bool        tls;
	int64_t     accepted_ns; /* monotonic: head complete */
	int64_t     complete_ns; /* monotonic: body complete */
};
/* The value of the only field of this name (ASCII case ignored); {NULL, 0} when absent. Repeated names: the first. */
struct slice arrival_field(const struct arrival *arrival, const char *name);
/* How often the field occurs: more than one X-Request-ID, Authorization... is the pipeline's to refuse. */
size_t arrival_field_count(const struct arrival *arrival, const char *name);

struct server_options {
	/* "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:8080", "unix:/run/haechi/http"; port 0 takes a free one */
	const char   *listen[SERVER_ADDRESSES];
	size_t        listen_count;
	unsigned      loops; /* 0: as many as the process may use cores */
	struct limits limits;
	/* TLS on every TCP address when certificate is not NULL; PEM files */
	const char *tls_certificate; /* chain */
	const char *tls_key;
	const char *tls_client_ca;       /* not NULL: client certificates are asked for and verified against it */
	bool        tls_client_required; /* a connection without one ends in the handshake */
	/* on each loop's thread, before its first and after its last request; either may be NULL */
	int (*loop_begin)(struct loop *loop, void *owner, struct fault *why);
	void (*loop_end)(struct loop *loop, void *owner);
	void *owner;
};

/* Listens and starts the loops. Signals must be blocked by the caller first. *out is the caller's, to server_stop(). */
MUST_CHECK int server_start(struct server **out, const struct server_options *options, struct fault *why);
/* The address in fact bound, as in options.listen: for port 0. Lives as long as the server. */
const char *server_address(const struct server *server, size_t index);
unsigned    server_loop_count(const struct server *server);
struct loop *server_loop(const struct server *server, unsigned index);
/*
 * Stop listening, answer what is under way with Connection: close, cut what is not done after `deadline_ms`; then end
 * the loops and free everything. Waits. NULL is fine.
 */
void server_stop(struct server *server, unsigned deadline_ms);
/* Counters since the start, over all loops. */
struct server_numbers {
	uint64_t connections, connections_now, requests, refused, left;
};
void server_numbers(const struct server *server, struct server_numbers *out);

/* Send x->reply. Once, on the loop's thread. */
void server_reply_begin(struct exchange *exchange);
/* The pipeline is done with the exchange. Once, on the loop's thread. It may be freed inside this call. */
void server_exchange_end(struct exchange *exchange);

#endif
