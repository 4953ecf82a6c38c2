/*
 * pipeline -- the way of a request, in seven named steps; see the table in pipeline.c.
 *
 * Every POST to /v1/chat/completions, /v1/completions and /v1/embeddings, and every answered ticket, goes this way
 * and leaves exactly one decision entry and one outcome entry. A denial is an answer and takes the same way.
 *
 *   - An unknown caller is the subject `nobody`. The body is not looked at; the gateway itself denies (reason
 *     "gateway.unidentified", 401) and both entries are written.
 *   - A known caller whose request is malformed (bad JSON, over a limit, a member we do not know) or names a use case
 *     its key is not bound to is denied by the gateway itself (reasons "gateway.malformed-request", 400, and
 *     "gateway.unbound-usecase", 403) and both entries are written.
 *   - What the server refuses before a request is complete (framing, head, rate) is no request: it leaves a log line
 *     and a count, no entry. A malformed X-Request-ID is a malformed request and gets one of our making.
 *
 * Steps run on the loop's thread only. REFUSE is our own fault (no memory, no evidence): the answer is 5xx without
 * content, and the outcome entry is still written when the ledger lets us.
 */
#ifndef HAECHI_GATEWAY_PIPELINE_H
#define HAECHI_GATEWAY_PIPELINE_H

#include "gateway/exchange.h"

/* For server_options.handler; `owner` is the gateway. */
void *pipeline_request(struct arrival *arrival, void *owner);
void pipeline_left(void *x); /* the client is gone: the engine is cancelled, settle writes what happened */
void pipeline_done(void *x);

/* After WAIT, on the exchange's own thread: by loop_wake() of whoever was asked, or by a callback of the engine. */
void pipeline_resume(struct exchange *x, enum step_result verdict);
/* Begin the seven steps; for governance.c, when a ticket is answered. */
void pipeline_steps(struct exchange *x);
/* Send x->answer; once. */
void pipeline_answer(struct exchange *x);
/* Nothing more will happen here: free the exchange when the server is done too. Last touch. */
void pipeline_end(struct exchange *x);

/* Names of the steps in order, as in logs and metrics; NULL behind the last. */
const char *pipeline_step_name(size_t number);
size_t pipeline_step_count(void);

#endif
