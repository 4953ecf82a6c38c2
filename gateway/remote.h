/*
 * remote -- the one door to libcurl: engines in other places, by https://, on one thread for all loops.
 *
 * engine.c speaks through remote_call() for addresses of kind ENGINE_REMOTE and keeps the deadlines itself; nobody else
 * calls that; remote_ask() at the end is for others. Only https, no redirects, no proxies, no compression; the server's certificate is verified, and pinned when the
 * address has a pin. Callbacks come on the loop's thread.
 */
#ifndef HAECHI_GATEWAY_REMOTE_H
#define HAECHI_GATEWAY_REMOTE_H

#include <stdatomic.h>

#include "gateway/engine.h"

struct remote_call;

/* As engine_call(); the body is copied. */
struct remote_call *remote_call(struct loop *loop, const struct engine_address *address,
    const struct engine_request *request, const struct engine_callbacks *callbacks, void *owner, struct fault *why);
void remote_cancel(struct remote_call *call); /* no callback comes any more; the handle is gone */
void remote_pause(struct remote_call *call);
void remote_resume(struct remote_call *call); /* data comes later, never inside this call */

/*
 * Something small asked of somebody outside who is no engine: a witness, a time-stamp authority. Waits: never on a loop's thread.
 * https with verified certificates, or http to a numeric address: what comes back is believed for its signatures alone.
 */
struct remote_question {
	const char *url; /* remote_url_check()ed */
	const char *method, *content_type; /* content_type NULL: none */
	struct slice body;
	const char *authorization, *if_none_match; /* fields of the request; NULL: none */
	const char *unix_socket; /* reached there, whatever host the URL names; NULL: by TCP */
	const char *pin;      /* "sha256//BASE64=" of the server's public key; NULL: any the authorities vouch for */
	const char *ca;       /* PEM file of the authorities to believe for https; NULL: the system's */
	size_t answer_limit;  /* bytes */
	unsigned deadline_ms; /* for all of it */
	/* filled in */
	bool answered; /* status and answer are there; else why */
	int status;
	char etag[128];       /* as the answer has it; "" when absent or longer */
	struct buffer answer; /* the caller's to buffer_free(), in any case */
	struct fault why;
};
/* All at once; returns when each was answered, or its deadline has passed, or *stop is true. */
void remote_ask(struct remote_question *questions, size_t count, const atomic_bool *stop);
/* Scheme, host and path of a URL that may be asked; *port is the one to be opened, *numeric: nothing has to be resolved. */
MUST_CHECK int remote_url_check(const char *url, uint16_t *port, bool *numeric, struct fault *why);
/* End the thread, at the end of the program, when no call is under way. Fine when there is none. */
void remote_stop(void);

#endif
