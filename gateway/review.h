/*
 * review -- requests that wait for a person: Art. 34(1)4, law T11 and T12.
 *
 * A held request is sealed and put into the queue before its caller is told (202 with a ticket). A reviewer is shown
 * it, then approves, edits or refuses; that is an entry of its own. An approval is bound to the reviewer, his role, an
 * expiry and the SHA-256 of the request as approved, and is used once: the answer is computed when the caller fetches
 * it, through the same pipeline, with the approver among the facts.
 *
 * The queue lives in PostgreSQL, so that it outlives the daemon: while that is away nothing is held (503).
 */
#ifndef HAECHI_GATEWAY_REVIEW_H
#define HAECHI_GATEWAY_REVIEW_H

#include "gateway/exchange.h"
#include "schema/base/json.h"

struct review;
struct ticket;

MUST_CHECK int review_start(struct review **out, struct gateway *gateway, struct fault *why);
void review_stop(struct review *review); /* NULL is fine */

/* Tickets whose time is over: an entry each, then the row. On the registrar's thread, at each look. */
struct database;
MUST_CHECK int review_sweep(struct review *review, struct database *database, struct fault *why);

/* ---- on the loop's thread --------------------------------------------------------------------------------------- */

/* A new id for a ticket, in the exchange's arena; NULL: no memory. */
const char *review_ticket_id(struct exchange *x);
/* How long this hold lasts: as the policy says, else as configured. */
uint32_t review_hold_seconds(const struct exchange *x);
/* Put the request of a held exchange into the queue; wakes it with GO_ON, or REFUSE and x->why. */
void review_park(struct exchange *x);
/*
 * Look a ticket up for its caller; wakes the exchange with GO_ON and x->ticket, or REFUSE and x->why (FAULT_NOT_FOUND also for
 * another service's ticket). An approved one is taken for answering: nobody else gets it until review_settled().
 */
void review_fetch(struct exchange *x, struct slice id);
/* The answer of an approved ticket was settled: used up when it was answered, else free again. */
void review_settled(struct exchange *x);

/* What it holds of the request goes. NULL is fine. */
void review_forget(struct ticket *ticket);

enum ticket_state {
	TICKET_WAITING = 0,
	TICKET_APPROVED,
	TICKET_REFUSED,
	TICKET_EXPIRED,
	TICKET_ANSWERED,
	TICKET_FAILED
};
enum ticket_state review_state(const struct ticket *ticket);
const char *review_id(const struct ticket *ticket);
const char *review_decision(const struct ticket *ticket); /* id of the decision entry that held it */
const char *review_usecase(const struct ticket *ticket);
const char *review_reason(const struct ticket *ticket); /* the reviewer's words; "" */
int64_t review_expires(const struct ticket *ticket);
struct slice
review_content(const struct ticket *ticket); /* of an approved one: the request as approved, opened */
/* Who approved, as what, until when: into the facts. */
void review_facts(const struct ticket *ticket, struct policy_facts *facts);

/* ---- for the operator's socket, on its thread ------------------------------------------------------------------- */

struct reviewer { /* who acts, as configured for the account behind the socket */
	const char *user, *name;
	char *const *roles;
	size_t role_count;
};

/*
 * Rows of the queue, without content: [{"ticket","agency","service","usecase","state","created_at","expires_at",…}]. That it was read,
 * by whom and why, is recorded. `reason` may be NULL.
 */
MUST_CHECK int review_list(struct review *review, bool all, const struct reviewer *reviewer, const char *reason,
                           json_t **out, struct fault *why);
/* One ticket with its content opened; that it was shown, to whom and when, is recorded (T11: what the reviewer saw). */
MUST_CHECK int review_show(struct review *review, const char *id, const struct reviewer *reviewer,
                           const char *reason, json_t **out, struct fault *why);
/*
 * "approve" "refuse" "edit": the entry first, then the queue. `edited` replaces the request (a whole OpenAI request in
 * JSON) for "edit". *entry gets the review entry's id.
 */
MUST_CHECK int review_decide(struct review *review, const char *id, const char *action,
                             const struct reviewer *reviewer, const char *role, const char *reason,
                             struct slice edited, char entry[ENTRY_ID_SIZE], struct fault *why);

#endif
