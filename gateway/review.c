#include "gateway/review_inside.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

struct ticket {
	enum ticket_state state;
	char id[ENTRY_ID_SIZE], decision[ENTRY_ID_SIZE];
	char usecase[65];
	char reviewer[128], role[65], reason[512];
	int64_t expires_ms;
	struct buffer content; /* opened */
};

static const char *const state_names[] = {"waiting", "approved", "refused", "expired", "answered", "failed"};

int
review_start(struct review **out, struct gateway *gateway, struct fault *why)
{
	if ((*out = calloc(1, sizeof **out)) == NULL)
		return fault_memory(why);
	(*out)->gateway = gateway;
	return 0;
}

void
review_stop(struct review *review)
{
	free(review);
}

const char *
review_ticket_id(struct exchange *x)
{
	char *id = arena_alloc(x->arena, ENTRY_ID_SIZE);

	if (id != NULL)
		entry_id_make(id, x->facts.wall_ms);
	return id;
}

uint32_t
review_hold_seconds(const struct exchange *x)
{
	return x->decision.duties.hold_seconds > 0 ? x->decision.duties.hold_seconds
	                                           : x->view->config->review.hold_seconds;
}

char *
ticket_bytea(struct slice bytes)
{
	char *text = malloc(2 * bytes.size + 3);

	if (text == NULL)
		return NULL;
	text[0] = '\\';
	text[1] = 'x';
	hex_encode(text + 2, bytes.data, bytes.size);
	return text;
}

int
ticket_run(struct database *database, const char *sql, size_t count, const char *const *parameters,
           size_t *rows, struct fault *why)
{
	struct database_rows *result = NULL;

	if (database_ask(&result, database, sql, count, parameters, why) == -1)
		return -1;
	if (rows != NULL)
		*rows = database_count(result);
	database_rows_free(result);
	return 0;
}

/* ---- parking ----------------------------------------------------------------------------------------------------------- */

struct parking {
	struct registrar_job job;
	struct exchange *x;
};

static const char park_sql[] =
    "INSERT INTO haechi.ticket (ticket, agency, service, key_id, usecase, entry_id, log_id, request_id, "
    "approver_role,"
    " request_digest, content, expires_at, subject) VALUES ($1, $2, $3, $4, $5, $6,"
    " coalesce((SELECT log_id FROM haechi.log WHERE origin = $7), 0), $8, $9, $10, $11::bytea,"
    " to_timestamp($12::float8 / 1000), nullif($13, ''))";

/* On the registrar's thread. The exchange waits, so what it holds does not change. */
static void
park(struct registrar_job *job, struct database *database, const struct fault *why)
{
	struct exchange *x = ((struct parking *)job->owner)->x;
	char *content = NULL;
	char expires[32];
	const char *parameters[13];

	if (database == NULL) {
		x->why = *why;
		x->why.kind = FAULT_UNAVAILABLE;
		loop_wake(&x->wake, REFUSE);
		return;
	}
	snprintf(expires, sizeof expires, "%lld",
	         (long long)(x->facts.wall_ms + (int64_t)review_hold_seconds(x) * 1000));
	content = ticket_bytea(buffer_view(&x->sealed));
	parameters[0] = x->held;
	parameters[1] = x->subject.agency;
	parameters[2] = x->subject.service;
	parameters[3] = x->subject.key_id;
	parameters[4] = x->facts.usecase == NULL ? "" : x->facts.usecase->id;
	parameters[5] = x->decision_id;
	parameters[6] = x->gateway->origin;
	parameters[7] = x->request_id;
	parameters[8] = x->decision.duties.approver_role;
	parameters[9] = x->prompt.hex;
	parameters[10] = content;
	parameters[11] = expires;
	parameters[12] = x->subject.person;
	if (content == NULL)
		fault_memory(&x->why);
	else if (ticket_run(database, park_sql, 13, parameters, NULL, &x->why) == 0) {
		free(content);
		loop_wake(&x->wake, GO_ON);
		return;
	}
	free(content);
	x->why.kind = FAULT_UNAVAILABLE;
	loop_wake(&x->wake, REFUSE);
}

void
review_park(struct exchange *x)
{
	struct parking *parking = arena_alloc(x->arena, sizeof *parking);

	if (parking != NULL) {
		*parking = (struct parking){
		    .job = {.run = park, .owner = parking},
                      .x = x
                };
		if (registrar_give(x->gateway->registrar, &parking->job))
			return;
	}
	fault_set(&x->why, FAULT_UNAVAILABLE, "요청을 검토 대기열에 넣을 수 없습니다",
	          "the request could not be queued for review");
	loop_wake(&x->wake, REFUSE);
}

/* ---- looking up --------------------------------------------------------------------------------------------------------- */

const char ticket_find_sql[] = "SELECT " TICKET_COLUMNS " FROM haechi.ticket WHERE ticket = $1";

static enum ticket_state
ticket_state_of(const char *name)
{
	for (unsigned i = 0; i < sizeof state_names / sizeof *state_names; i++)
		if (strcmp(name, state_names[i]) == 0)
			return (enum ticket_state)i;
	return TICKET_FAILED;
}

int
ticket_missing(struct fault *why)
{
	return fault_set(why, FAULT_NOT_FOUND, "그런 검토표는 없습니다", "there is no such ticket");
}

int
ticket_open(struct sealer *sealer, const struct database_rows *rows, struct buffer *content,
            struct fault *why)
{
	const bool edited = database_bool(rows, 0, COLUMN_CHANGED) &&
	                    ticket_state_of(database_text(rows, 0, COLUMN_STATE)) != TICKET_WAITING;

	return sealer_open_content(sealer, database_text(rows, 0, COLUMN_AGENCY),
	                           database_text(rows, 0, edited ? COLUMN_REVIEW_ENTRY : COLUMN_ENTRY),
	                           "prompt", database_field(rows, 0, COLUMN_CONTENT),
	                           database_text(rows, 0, COLUMN_DIGEST), content, NULL, why);
}

struct fetching {
	struct registrar_job job;
	struct exchange *x;
	char id[ENTRY_ID_SIZE];
	struct ticket ticket;
};

static const char claim_sql[] =
    "UPDATE haechi.ticket SET state = 'answered' WHERE ticket = $1 AND state = 'approved' RETURNING ticket";

/* Read, and when it is approved take it: whoever changes the row first has it. */
static int
fetch(struct fetching *fetching, struct database *database, struct fault *why)
{
	const char *const parameters[] = {fetching->id};
	struct ticket *ticket = &fetching->ticket;
	struct database_rows *rows = NULL;
	const struct exchange *x = fetching->x;
	size_t claimed = 0;
	int result = -1;

	if (database_ask(&rows, database, ticket_find_sql, 1, parameters, why) == -1)
		return -1;
	if (database_count(rows) != 1 ||
	    strcmp(database_text(rows, 0, COLUMN_AGENCY), x->subject.agency) != 0 ||
	    strcmp(database_text(rows, 0, COLUMN_SERVICE), x->subject.service) != 0) {
		ticket_missing(why);
		goto out;
	}
	ticket->state = ticket_state_of(database_text(rows, 0, COLUMN_STATE));
	ticket->expires_ms = database_integer(rows, 0, COLUMN_EXPIRES);
	snprintf(ticket->id, sizeof ticket->id, "%s", database_text(rows, 0, COLUMN_TICKET));
	snprintf(ticket->decision, sizeof ticket->decision, "%s", database_text(rows, 0, COLUMN_ENTRY));
	snprintf(ticket->usecase, sizeof ticket->usecase, "%s", database_text(rows, 0, COLUMN_USECASE));
	snprintf(ticket->reviewer, sizeof ticket->reviewer, "%s", database_text(rows, 0, COLUMN_REVIEWER));
	snprintf(ticket->role, sizeof ticket->role, "%s", database_text(rows, 0, COLUMN_ROLE));
	snprintf(ticket->reason, sizeof ticket->reason, "%s", database_text(rows, 0, COLUMN_REASON));
	if ((ticket->state == TICKET_WAITING || ticket->state == TICKET_APPROVED) &&
	    clock_wall_ms() >= ticket->expires_ms)
		ticket->state = TICKET_EXPIRED;
	if (ticket->state == TICKET_APPROVED) {
		if (ticket_open(x->gateway->sealer, rows, &ticket->content, why) == -1 ||
		    ticket_run(database, claim_sql, 1, parameters, &claimed, why) == -1)
			goto out;
		if (claimed == 0)
			ticket->state = TICKET_ANSWERED;
	}
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

static void
fetch_job(struct registrar_job *job, struct database *database, const struct fault *why)
{
	struct fetching *fetching = job->owner;
	struct exchange *x = fetching->x;

	if (database == NULL) {
		x->why = *why;
		x->why.kind = FAULT_UNAVAILABLE;
		loop_wake(&x->wake, REFUSE);
	} else if (fetch(fetching, database, &x->why) == -1) {
		loop_wake(&x->wake, REFUSE);
	} else {
		x->ticket = &fetching->ticket;
		loop_wake(&x->wake, GO_ON);
	}
}

void
review_fetch(struct exchange *x, struct slice id)
{
	struct fetching *fetching = arena_alloc(x->arena, sizeof *fetching);

	if (fetching == NULL || id.size != ENTRY_ID_SIZE - 1) {
		ticket_missing(&x->why);
		loop_wake(&x->wake, REFUSE);
		return;
	}
	*fetching = (struct fetching){
	    .job = {.run = fetch_job, .owner = fetching},
              .x = x
        };
	memcpy(fetching->id, id.data, id.size);
	buffer_init(&fetching->ticket.content, TICKET_MOST);
	if (!registrar_give(x->gateway->registrar, &fetching->job)) {
		fault_set(&x->why, FAULT_UNAVAILABLE, "검토 대기열을 읽을 수 없습니다",
		          "the review queue cannot be read");
		loop_wake(&x->wake, REFUSE);
	}
}

struct settling {
	struct registrar_job job;
	bool answered;
	char id[ENTRY_ID_SIZE], outcome[ENTRY_ID_SIZE];
};

static void
settle_job(struct registrar_job *job, struct database *database, const struct fault *why)
{
	struct settling *settling = job->owner;
	const char *const parameters[] = {settling->id, settling->outcome};
	struct fault reason;

	if (database == NULL)
		log_fault(LOG_LEVEL_ERROR, "review", "ticket-not-settled", why);
	else if (ticket_run(
	             database,
	             settling->answered
	                 ? "UPDATE haechi.ticket SET outcome_entry = $2, content = NULL WHERE ticket = $1"
	                 : "UPDATE haechi.ticket SET state = 'approved', outcome_entry = $2 WHERE ticket = $1"
	                   " AND state = 'answered'",
	             2, parameters, NULL, &reason) == -1)
		log_fault(LOG_LEVEL_ERROR, "review", "ticket-not-settled", &reason);
	free(settling);
}

void
review_settled(struct exchange *x)
{
	struct settling *settling = calloc(1, sizeof *settling);

	review_forget(x->ticket);
	if (settling == NULL)
		return;
	settling->job = (struct registrar_job){.run = settle_job, .owner = settling};
	settling->answered = x->outcome_state == EVIDENCE_DURABLE && x->outcome.status == OUTCOME_ANSWERED;
	snprintf(settling->id, sizeof settling->id, "%s", x->ticket->id);
	snprintf(settling->outcome, sizeof settling->outcome, "%s", x->outcome_id);
	/* Not taken: the approval stays used up, which is the safe side. */
	if (!registrar_give(x->gateway->registrar, &settling->job))
		free(settling);
}

void
review_forget(struct ticket *ticket)
{
	if (ticket != NULL)
		buffer_wipe(&ticket->content);
}

enum ticket_state
review_state(const struct ticket *ticket)
{
	return ticket->state;
}

const char *
review_id(const struct ticket *ticket)
{
	return ticket->id;
}

const char *
review_decision(const struct ticket *ticket)
{
	return ticket->decision;
}

const char *
review_usecase(const struct ticket *ticket)
{
	return ticket->usecase;
}

const char *
review_reason(const struct ticket *ticket)
{
	return ticket->reason;
}

int64_t
review_expires(const struct ticket *ticket)
{
	return ticket->expires_ms;
}

struct slice
review_content(const struct ticket *ticket)
{
	return buffer_view(&ticket->content);
}

void
review_facts(const struct ticket *ticket, struct policy_facts *facts)
{
	facts->approver = ticket->reviewer;
	facts->approver_role = ticket->role;
	facts->approval_expires_ms = ticket->expires_ms;
}
