/*
 * steps -- the seven verbs of the pipeline. Each is entered once, on the exchange's own thread.
 * A step that answered WAIT is finished by its `resume` sister, which may answer WAIT again.
 */
#ifndef HAECHI_GATEWAY_STEPS_STEPS_H
#define HAECHI_GATEWAY_STEPS_STEPS_H

#include "gateway/exchange.h"

typedef enum step_result step(struct exchange *x);
typedef enum step_result step_resume(struct exchange *x, enum step_result verdict);

/* who asks: API key, client certificate; which registered use; the request is read */
enum step_result identify(struct exchange *x);
/* the use case's verdict; identifiers, domain signals and drift in the texts; the data's grade */
enum step_result classify(struct exchange *x);
/* Cedar: permit, hold, redact or deny; then duties. Texts are masked here when the decision is to redact */
enum step_result decide(struct exchange *x);
/* the decision entry. Waits until it is durable where the Act is strict; elsewhere `forward` waits for it */
enum step_result record(struct exchange *x);
enum step_result record_resume(struct exchange *x, enum step_result verdict);
/* the decision is carried out: refused, parked, or sent to an engine. Ends when the answer may begin */
enum step_result forward(struct exchange *x);
enum step_result forward_resume(struct exchange *x, enum step_result verdict);
/* the answer is made anew, masked and marked; a streamed one passes through here until it has ended */
enum step_result label(struct exchange *x);
enum step_result label_resume(struct exchange *x, enum step_result verdict);
/* the outcome entry; when it is durable the reply begins, or a stream gets its last event */
enum step_result settle(struct exchange *x);
enum step_result settle_resume(struct exchange *x, enum step_result verdict);

/* steps/record.c, for both entries: the head of an entry about this exchange; `of` is NULL for the first. */
void record_head(struct exchange *x, struct entry_head *head, enum entry_kind kind, const char *id,
                 const char *of);
/* Give x->entry and what was sealed with it to the ledger, which wakes the exchange. */
void record_append(struct exchange *x, struct slice prompt, struct slice answer);

/* The ledger answered for the decision entry: decision_state says what, x->why why not. */
void record_arrived(struct exchange *x, enum step_result verdict);

/* steps/forward.c: the engine is told to stop; nothing of it comes back afterwards. */
void forward_cancel(struct exchange *x);

/* steps/label.c: X-Haechi-* headers of the reply, as far as things are known. */
void label_headers(struct exchange *x);
/* Behind a durable outcome: the last event and [DONE] of a stream; nothing for plain answers. */
void label_finish(struct exchange *x);

#endif
