/*
 * engine_http -- HTTP/1.1 for one trusted peer that may still send anything: one thread, one epoll set.
 *
 * Requests are read strictly: a malformed head is answered with 400 and the connection closed, never repaired. A
 * request has a Content-Length or no body. Calls are answered whole or as a stream of chunks; a client that leaves, or
 * says that it will send no more, is noticed at once, also while it waits. All functions are for the server's thread but
 * for engine_http_wake() and engine_http_stop().
 */
#ifndef HAECHI_INFERENCE_ENGINE_HTTP_H
#define HAECHI_INFERENCE_ENGINE_HTTP_H

#include "schema/base/bytes.h"

#define ENGINE_HTTP_HEAD_LIMIT ((size_t)16 << 10)
#define ENGINE_HTTP_BODY_LIMIT ((size_t)32 << 20)

#define ENGINE_HTTP_GRACE      10

struct http_server;

struct http_call {
	struct slice method, path; /* path without the query; valid while the handler runs */
	struct slice body;         /* valid while the handler runs */
	struct slice agency;       /* X-Haechi-Agency: [A-Za-z0-9._-]{1,64}, or empty; valid while the handler runs */
	void *owner;               /* the handler's own */
	/* Set by the handler when it answers later: the client has left, nothing more may be sent. */
	void (*gone)(struct http_call *call);
};

struct http_callbacks {
	void *context;
	void (*request)(void *context,
	                struct http_call *call); /* answer now, or keep the call and answer later */
	void (*woken)(void *context);            /* after engine_http_wake() */
	void (*cut)(void *context, struct http_call *call); /* the server stops: end this answer now, and say so */
};

/*
 * Listen on "unix:PATH" (a stale socket is replaced) or "tcp:HOST:PORT" (numeric or localhost; port 0 picks one).
 * `address`, of 256 bytes, says where in the end. *out is the caller's, to engine_http_close().
 */
MUST_CHECK int engine_http_open(struct http_server **out, const char *listen,
                                const struct http_callbacks *callbacks, char address[256], struct fault *why);
/*
 * Serve until engine_http_stop(): from then on nobody is let in, and answers on their way have ENGINE_HTTP_GRACE
 * seconds, or until it is called again.
 */
void engine_http_run(struct http_server *server);
void engine_http_stop(struct http_server *server); /* safe in a signal handler */
bool engine_http_stopping(const struct http_server *server);
void engine_http_wake(struct http_server *server); /* from any thread */
void engine_http_close(struct http_server *server);
size_t engine_http_connections(const struct http_server *server);

/* A whole answer. `extra` is further head lines, each ending in CRLF, or NULL. The call ends here. */
void engine_http_answer(struct http_call *call, int status, const char *type, struct slice body,
                        const char *extra);
/* A stream: begin, then any number of chunks, then finish, where the call ends. */
void engine_http_begin(struct http_call *call, const char *type);
void engine_http_chunk(struct http_call *call, struct slice data);
void engine_http_finish(struct http_call *call);

/* A listening socket, for "unix:PATH" and "tcp:HOST:PORT" (engine_http_listen.c); `path` of 108 bytes is to be unlinked. */
MUST_CHECK int engine_http_listen(int *listener, const char *listen, char *path, char address[256],
                                  struct fault *why);

/* The strict reader of heads, on its own for tests. */
struct http_head {
	struct slice method, target;
	struct slice agency; /* empty when absent */
	bool keep_alive, expects;
	uint64_t length; /* of the body */
};
/* 0: *out is filled; else the status to refuse with (400, 411, 413, 417, 431, 501, 505). `head` ends behind CRLF CRLF. */
int engine_http_head(struct slice head, struct http_head *out);

#endif
