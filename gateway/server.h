/*
 * server -- listening, loops, and the one door to libmicrohttpd.
 *
 * A request is handed on only when the door has taken it in whole: head and body complete, strictly well-formed,
 * within limits and deadlines. What is handed on is the door's reading (struct arrival): there is one parser, so no
 * two can disagree. libmicrohttpd sees a request line made by us and turns the answer into HTTP: it never holds a
 * request that waits, and no byte that a client sent.
 *
 * The server knows nothing of exchanges or of the pipeline: they come as callbacks (struct server_handler). The life
 * of a request, all on its loop's thread:
 *	request(arrival)        the arrival is the callee's, to arrival_free(). Returns its context. May call
 *	                        server_answer(arrival->call) before it returns, or any time later
 *	server_answer(call)     once; sends the whole body, or the head and then what answer.stream holds as it comes
 *	left(context)           the client is gone before the answer was sent whole: at most once. No server_answer()
 *	                        after it (one is ignored)
 *	done(context)           the server holds nothing of this request any more: the answer was sent whole, or the
 *	                        client left. Exactly once, last, never inside request() or server_answer(). The call and
 *	                        what the answer pointed at may end now
 */
#ifndef HAECHI_GATEWAY_SERVER_H
#define HAECHI_GATEWAY_SERVER_H

#include "gateway/limits.h"
#include "gateway/loop.h"
#include "schema/base/bytes.h"
#include "schema/base/fault.h"

struct server;
struct server_call; /* server.c: one request, as the server holds it */
struct stream;
struct tls;         /* gateway/tls.h */

#define SERVER_ADDRESSES 8

enum method {
	METHOD_NONE = 0,
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
};
const char *method_name(enum method method);

/* One field of the head; both parts without white space around them. Values are visible ASCII, space, tab, >= 0x80. */
struct field {
	struct slice name;
	struct slice value;
};

/*
 * A whole request, as the door read it. Everything lives in `arena`, which the callee may use for what it learns;
 * the body has memory of its own. Authorization, Content-Type, X-Request-ID, X-Haechi-Use-Case occur once at most
 * (the door refuses repetitions), as do Host and the fields of framing.
 */
struct arrival {
	struct arena       *arena; /* LOOP_ARENA bytes at most */
	struct loop        *loop;
	struct server_call *call;
	enum method         method;
	const char         *target; /* raw, as sent: begins with '/', visible ASCII, no control characters escaped */
	const char         *path;   /* the target up to '?', still escaped; no segment "." or "..", no %2F, no %5C */
	const char         *query;  /* behind the '?'; "" when there is none */
	const struct field *fields;
	size_t              field_count;
	struct slice        body; /* put together from its chunks; terminated by a zero that is not counted */
	const char         *peer; /* "127.0.0.1:51234", "[::1]:51234", "unix" */
	/* mutual TLS: lower-case hex SHA-256 of the client's certificate (DER), and its subject; "" without one */
	const char   *certificate;
	const char   *certificate_subject;
	bool          tls;
	bool          old;         /* HTTP/1.0: no chunks, and closed behind the answer */
	int64_t       head_ns;     /* monotonic: head complete */
	int64_t       complete_ns; /* monotonic: body complete */
	struct buffer storage;     /* of the body */
};
/* The value of the first field of this name (ASCII case ignored); {NULL, 0} when absent. */
struct slice arrival_field(const struct arrival *arrival, const char *name);
/* On its loop's thread. Ends the arena too. NULL is fine. */
void arrival_free(struct arrival *arrival);

struct answer_header {
	const char *name;
	const char *value;
};

/*
 * The answer. Borrowed: everything it points at must live until done(). Never Content-Length, Connection, Date or
 * Transfer-Encoding among the headers; a header with CR, LF or another control character is dropped and logged.
 */
struct answer {
	int                         status;
	const struct answer_header *headers;
	size_t                      header_count;
	struct slice                body;
	struct stream              *stream; /* not NULL: the body is what it holds, in chunks, until stream_end() */
	bool                        close;  /* Connection: close */
};

/* Once for each call, on the loop's thread. */
void server_answer(struct server_call *call, const struct answer *answer);

struct server_handler {
	/* NULL: could not be begun, nothing is held; the server answers 503. */
	void *(*request)(struct arrival *arrival, void *owner);
	void (*left)(void *context);
	void (*done)(void *context);
	/* On each loop's thread, before its first and after its last request. Either may be NULL. */
	int (*loop_begin)(struct loop *loop, void *owner, struct fault *why);
	void (*loop_end)(struct loop *loop, void *owner);
	void *owner;
};

struct server_options {
	/* "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:8080", "unix:/run/haechi/http"; port 0 takes a free one */
	const char   *listen[SERVER_ADDRESSES];
	size_t        listen_count;
	unsigned      loops; /* 0: as many as the process may use cores */
	struct limits limits;
	/* TLS on every TCP address when tls_certificate is not NULL; PEM files */
	const char           *tls_certificate; /* chain */
	const char           *tls_key;
	const char           *tls_client_ca;       /* not NULL: client certificates are asked for, verified against it */
	bool                  tls_client_required; /* a connection without one ends in the handshake */
	struct server_handler handler;
};

/* Listens and starts the loops. Signals must be blocked by the caller first. *out is the caller's, to server_stop(). */
MUST_CHECK int server_start(struct server **out, const struct server_options *options, struct fault *why);
/* TLS only: connections from now on have this certificate. Takes `fresh` (gateway/tls.h) over. Any thread. */
void server_renew(struct server *server, struct tls *fresh);
/* The address in fact bound, as in options.listen: for port 0. Lives as long as the server. */
const char  *server_address(const struct server *server, size_t index);
unsigned     server_loop_count(const struct server *server);
struct loop *server_loop(const struct server *server, unsigned index);
/*
 * Stop listening, answer what is under way with Connection: close, cut what is not done after `deadline_ms`; then end
 * the loops and free everything. Waits. NULL is fine.
 */
void server_stop(struct server *server, unsigned deadline_ms);

/* Counters since the start, over all loops. */
struct server_numbers {
	uint64_t connections; /* accepted */
	uint64_t connections_now;
	uint64_t requests; /* handed on */
	uint64_t refused;  /* by the door itself */
	uint64_t left;     /* clients gone before their answer */
};
void server_numbers(const struct server *server, struct server_numbers *out);

#endif
