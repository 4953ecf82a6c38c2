/*
 * remote -- the one door to libcurl: engines in other places, by https://, on one thread for all loops.
 *
 * engine.c speaks through this for addresses of kind ENGINE_REMOTE and keeps the deadlines itself; nobody else calls
 * it. Only https, no redirects, no proxies, no compression; the server's certificate is verified, and pinned when the
 * address has a pin. Callbacks come on the loop's thread.
 */
#ifndef HAECHI_GATEWAY_REMOTE_H
#define HAECHI_GATEWAY_REMOTE_H

#include "gateway/engine.h"

struct remote_call;

/* As engine_call(); the body is copied. */
struct remote_call *remote_call(struct loop *loop, const struct engine_address *address,
    const struct engine_request *request, const struct engine_callbacks *callbacks, void *owner, struct fault *why);
void remote_cancel(struct remote_call *call); /* no callback comes any more; the handle is gone */
void remote_pause(struct remote_call *call);
void remote_resume(struct remote_call *call); /* data comes later, never inside this call */
/* End the thread, at the end of the program, when no call is under way. Fine when there is none. */
void remote_stop(void);

#endif
