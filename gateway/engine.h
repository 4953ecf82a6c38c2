/*
 * engine -- asking an inference engine over HTTP/1.1, in the loop's own epoll set, with connections kept.
 *
 * What comes back is read strictly and never trusted: any surprise in the framing ends the call and the connection,
 * and a connection with a byte left unread is closed, never used again. A kept connection that turns out dead
 * before the first byte of the answer is replaced once by a fresh one.
 * Everything on the loop's thread. unix: and http:// (loopback) are spoken here; https:// goes by remote.c.
 */
#ifndef HAECHI_GATEWAY_ENGINE_H
#define HAECHI_GATEWAY_ENGINE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "gateway/loop.h"
#include "schema/base/bytes.h"
#include "schema/base/fault.h"

#define ENGINE_TEXT 512

enum engine_kind { ENGINE_NONE = 0, ENGINE_UNIX, ENGINE_TCP, ENGINE_REMOTE };

/* Where an engine is. Filled by engine_address_parse(); immutable; must outlive the calls made to it. */
struct engine_address {
	enum engine_kind        kind;
	char                    text[ENGINE_TEXT]; /* as configured */
	char                    host[256];         /* for the Host field */
	char                    base[256];         /* path before "/v1/..."; "" mostly */
	struct sockaddr_storage socket;
	socklen_t               socket_size;
	char                    pin[64]; /* https: "sha256//BASE64=" of the public key, or "" */
	char                    ca[256]; /* https: PEM file of the authorities to believe; "" for the system's */
	/* milliseconds */
	unsigned connect_ms, first_byte_ms, idle_ms, total_ms;
	unsigned connections; /* of one loop at once; more calls wait their turn */
	size_t   answer_size; /* bytes of an answer at most */
};

/*
 * "unix:/path", "http://127.0.0.1:8000", "http://[::1]:8000/base", "https://host[:port][/base]". Names in http:// are
 * refused: only numbers, so that nothing is resolved. Times and sizes get their defaults.
 */
MUST_CHECK int engine_address_parse(struct engine_address *out, const char *text, struct fault *why);

struct engine_request {
	const char  *method;        /* "POST", "GET" */
	const char  *path;          /* "/v1/chat/completions" */
	const char  *content_type;  /* NULL: none */
	const char  *authorization; /* the engine's own key, "Bearer ..."; NULL: none. Never the client's */
	const char  *request_id;    /* X-Request-ID; NULL: none */
	const char  *agency;        /* X-Haechi-Agency, by which a local engine shares itself out; NULL or "": none */
	struct slice body;          /* borrowed until `end`; not copied */
};

struct engine_callbacks {
	/* Once: status and Content-Type (terminated, lower case, without parameters; "" when absent). */
	void (*head)(void *owner, int status, const char *content_type);
	/* As the body comes; borrowed for the call. Not called while paused. */
	void (*data)(void *owner, struct slice bytes);
	/* Exactly once, last, unless cancelled: ok, or why not (FAULT_UNAVAILABLE, FAULT_TIMEOUT, FAULT_INVALID). */
	void (*end)(void *owner, bool ok, const struct fault *why);
};

struct engine_call;

/*
 * NULL with *why when it cannot even begin; then no callback comes. Otherwise callbacks come later, never inside this
 * call. The handle is valid until `end` or engine_cancel().
 */
struct engine_call *engine_call(struct loop *loop, const struct engine_address *address,
    const struct engine_request *request, const struct engine_callbacks *callbacks, void *owner, struct fault *why);
void engine_cancel(struct engine_call *call); /* no callback comes any more; allowed inside head and data. NULL is fine */
void engine_pause(struct engine_call *call);  /* stops reading; allowed inside data. What was read already is kept */
void engine_resume(struct engine_call *call); /* data comes later, never inside this call */

#endif
