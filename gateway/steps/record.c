#include <sodium.h>
#include <string.h>

#include "gateway/bench.h"
#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/registry.h"
#include "gateway/review.h"
#include "gateway/steps/steps.h"
#include "schema/base/clock.h"

#define SALT_SIZE 32

void
record_head(struct exchange *x, struct entry_head *head, enum entry_kind kind, const char *id, const char *of)
{
	*head = (struct entry_head){
	    .kind = kind,
	    .id = id,
	    .log = x->gateway->origin,
	    .wall_ms = clock_wall_ms(),
	    .monotonic_us = clock_monotonic_ns() / 1000,
	    .agency = x->subject.agency,
	    .service = x->subject.service,
	    .subject = x->subject.person,
	    .key = x->subject.key_id,
	    .request_id = x->request_id,
	    .of = of == NULL ? "" : of,
	    .usecase = x->registered == NULL ? "" : x->registered->usecase.id,
	    .usecase_version = x->registered == NULL ? 0 : x->registered->usecase.version,
	};
}

/* On the ledger's thread, or at once when it refuses: hand over, nothing else. */
static void
done(struct ledger_item *item)
{
	struct exchange *x = item->owner;

	loop_wake(&x->wake, item->durable ? GO_ON : REFUSE);
}

void
record_append(struct exchange *x, struct slice prompt, struct slice answer)
{
	x->item = (struct ledger_item){
	    .entry = buffer_view(&x->entry), .content = {prompt, answer},
                 .done = done, .owner = x
        };
	x->evidence_waits = true;
	ledger_append(x->gateway->ledger, &x->item);
}

/*
 * The commitment alone, when nothing is kept: who has the content and the salt can prove what was asked, nobody else
 * can guess it. The salt goes to the caller with the answer (labelling.c) and is not kept here.
 */
static void
commit(struct exchange *x, struct commitment *commitment, struct slice content)
{
	crypto_hash_sha256_state state;
	uint8_t hash[crypto_hash_sha256_BYTES];

	randombytes_buf(x->salt, sizeof x->salt);
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, x->salt, sizeof x->salt);
	crypto_hash_sha256_update(&state, content.data, content.size);
	crypto_hash_sha256_final(&state, hash);
	commitment->present = true;
	commitment->bytes = (int64_t)content.size;
	hex_encode(commitment->hex, hash, sizeof hash);
}

/* Seal what must be kept: always of a hold, else when a duty says so. */
static int
keep_prompt(struct exchange *x)
{
	if (x->content.data == NULL)
		return 0;
	if (!x->decision.duties.log_full && x->decision.access != ACCESS_HOLD) {
		commit(x, &x->prompt, x->content);
		return 0;
	}
	buffer_init(&x->sealed, x->content.size + 4096);
	return sealer_seal(x->gateway->sealer, x->subject.agency, x->decision_id, "prompt", x->content,
	                   &x->sealed, &x->prompt, &x->why);
}

static int
write_entry(struct exchange *x)
{
	struct entry_decision body = {
	    .assessment = x->registered == NULL ? NULL : &x->registered->assessment,
	    .decision = &x->decision,
	    .prompt = x->prompt,
	    .ticket = x->decision.access == ACCESS_HOLD ? x->held
	              : x->ticket == NULL               ? NULL
	                                                : review_id(x->ticket),
	    .shadow = x->shadow,
	};
	struct entry_head head;

	body.facts.action = x->facts.action;
	body.facts.model = x->facts.model;
	body.facts.zone = x->facts.engine_zone;
	body.facts.approver = x->facts.approver;
	body.facts.approver_role = x->facts.approver_role;
	body.facts.approval_expires_ms = x->facts.approval_expires_ms;
	body.facts.grade = x->facts.grade;
	body.facts.zone_grade = x->facts.zone_grade;
	body.facts.declared = x->declared;
	body.facts.drift = x->facts.drift;
	body.facts.drift_evidence = x->drift_evidence;
	body.facts.redacted_kinds = x->facts.redacted_kinds;
	body.facts.signal_domains = x->facts.signal_domains;
	body.facts.streaming = x->facts.streaming;
	body.facts.review_decisions = x->registered == NULL ? -1 : x->registered->usecase.reviewer.decisions;
	body.facts.review_changed = x->registered == NULL ? -1 : x->registered->usecase.reviewer.changed;
	body.facts.review_hasty = x->registered == NULL ? -1 : x->registered->usecase.reviewer.hasty;
	body.facts.review_limits = x->registered == NULL ? NULL : &x->registered->usecase.reviewer.limits;
	body.facts.roles = x->subject.roles;
	body.facts.role_count = x->subject.role_count;
	memcpy(body.facts.found, x->found, sizeof x->found);
	record_head(x, &head, ENTRY_DECISION, x->decision_id,
	            x->ticket == NULL ? NULL : review_decision(x->ticket));
	head.wall_ms = x->facts.wall_ms;
	if (entry_write_decision(&x->entry, &head, &body, &x->why) == 0)
		return 0;
	if (body.shadow == NULL)
		return -1;
	/* A candidate hurts no request: rather without what it would have said. */
	body.shadow = NULL;
	buffer_reset(&x->entry);
	return entry_write_decision(&x->entry, &head, &body, &x->why);
}

enum step_result
record(struct exchange *x)
{
	const bool strict =
	    x->facts.verdict == VERDICT_HIGH_IMPACT || x->facts.verdict == VERDICT_UNDETERMINED;
	const bool to_engine = x->decision.access == ACCESS_PERMIT || x->decision.access == ACCESS_REDACT;

	x->times.record_begun = clock_monotonic_ns();
	entry_id_make(x->decision_id, x->facts.wall_ms);
	if (x->decision.access == ACCESS_HOLD && (x->held = review_ticket_id(x)) == NULL) {
		fault_memory(&x->why);
		return REFUSE;
	}
	if (keep_prompt(x) == -1 || write_entry(x) == -1)
		return REFUSE;
	x->decision_state = EVIDENCE_PENDING;
	record_append(x, buffer_view(&x->sealed), (struct slice){0});
	/* Where the Act is strict no engine sees the prompt before the entry is durable; elsewhere nothing is answered before. */
	return strict || !to_engine ? WAIT : GO_ON;
}

enum step_result
record_resume(struct exchange *x, enum step_result verdict)
{
	record_arrived(x, verdict);
	return x->decision_state == EVIDENCE_DURABLE ? GO_ON : REFUSE;
}

void
record_arrived(struct exchange *x, enum step_result verdict)
{
	x->evidence_waits = false;
	if (verdict == GO_ON && x->item.durable) {
		x->decision_state = EVIDENCE_DURABLE;
		x->times.recorded = clock_monotonic_ns();
		return;
	}
	x->decision_state = EVIDENCE_REFUSED;
	metrics_add(&x->bench->metrics->evidence_refused, 1);
	x->why = x->item.why;
	x->why.kind = FAULT_UNAVAILABLE;
}
