#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/review.h"
#include "gateway/steps/labelling.h"
#include "gateway/steps/steps.h"
#include "schema/base/clock.h"

/* Commit to what was answered; seal it when a duty says so. */
static int
keep_answer(struct exchange *x)
{
	struct slice content;

	buffer_reset(&x->sealed);
	if (x->answer.stream != NULL)
		labelling_engine_ended(x->labelling); /* also of a client who left: what he got so far */
	if (x->labelling == NULL || !labelling_content(x->labelling, &content) ||
	    !x->decision.duties.log_full)
		return 0;
	buffer_free(&x->sealed);
	buffer_init(&x->sealed, content.size + 4096);
	return sealer_seal(x->gateway->sealer, x->subject.agency, x->outcome_id, "answer", content,
	                   &x->sealed, &x->outcome.answer, &x->why);
}

static int
write_entry(struct exchange *x)
{
	struct entry_outcome *outcome = &x->outcome;
	const int64_t now = clock_monotonic_ns();
	struct entry_head head;

	if (x->client_gone && outcome->status != OUTCOME_ANSWERED && outcome->status != OUTCOME_HELD) {
		outcome->status = OUTCOME_CANCELLED;
		outcome->reason = "client_left";
	}
	outcome->access = x->decision.access;
	outcome->verdict = x->facts.verdict;
	outcome->grade = x->facts.grade;
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		if (outcome->found[kind] > 0)
			outcome->grade = grade_raise(outcome->grade, 1u << kind);
	outcome->http_status = x->answer.status;
	outcome->label = outcome->status == OUTCOME_ANSWERED ? x->decision.duties.label : LABEL_NONE;
	if (x->last_route != NULL) {
		outcome->engine = x->last_route->engine->name;
		outcome->zone = x->last_route->engine->zone;
		outcome->model = x->last_route->served->name;
	}
	outcome->decide_us = exchange_us(x->times.begun, x->times.decided);
	outcome->record_us = exchange_us(x->times.record_begun, x->times.recorded);
	outcome->first_byte_us = exchange_us(x->times.begun, x->times.first_byte);
	outcome->total_us = exchange_us(x->times.begun, now);
	record_head(x, &head, ENTRY_OUTCOME, x->outcome_id, x->decision_id);
	buffer_reset(&x->entry);
	return entry_write_outcome(&x->entry, &head, outcome, &x->why);
}

static enum step_result
append(struct exchange *x)
{
	entry_id_make(x->outcome_id, clock_wall_ms());
	if (keep_answer(x) == -1 || write_entry(x) == -1)
		return REFUSE;
	x->outcome_state = EVIDENCE_PENDING;
	record_append(x, (struct slice){0}, buffer_view(&x->sealed));
	return WAIT;
}

/* Nothing may be answered any more: the evidence could not be written. */
static enum step_result
no_evidence(struct exchange *x)
{
	if (x->ticket != NULL)
		review_settled(x);
	return REFUSE;
}

enum step_result
settle(struct exchange *x)
{
	switch (x->decision_state) {
	case EVIDENCE_PENDING:
		return WAIT; /* the decision first: an outcome follows a decision */
	case EVIDENCE_DURABLE:
		return append(x);
	default:
		/* Without a decision there is no outcome; what went wrong is in the answer already. */
		return GO_ON;
	}
}

enum step_result
settle_resume(struct exchange *x, enum step_result verdict)
{
	struct metrics *metrics = x->bench->metrics;

	if (x->decision_state == EVIDENCE_PENDING) {
		record_arrived(x, verdict);
		return x->decision_state == EVIDENCE_DURABLE ? append(x) : no_evidence(x);
	}
	x->evidence_waits = false;
	if (verdict != GO_ON || !x->item.durable) {
		x->outcome_state = EVIDENCE_REFUSED;
		metrics_add(&metrics->evidence_refused, 1);
		x->why = x->item.why;
		x->why.kind = FAULT_UNAVAILABLE;
		return no_evidence(x);
	}
	x->outcome_state = EVIDENCE_DURABLE;
	metrics_add(&metrics->outcomes[x->outcome.status], 1);
	if (x->outcome.prompt_tokens > 0)
		metrics_add(&metrics->prompt_tokens, (uint64_t)x->outcome.prompt_tokens);
	if (x->outcome.completion_tokens > 0)
		metrics_add(&metrics->completion_tokens, (uint64_t)x->outcome.completion_tokens);
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		if (x->outcome.masked[kind] > 0)
			metrics_add(&metrics->masked_answer[kind], x->outcome.masked[kind]);
	if (x->ticket != NULL)
		review_settled(x);
	label_finish(x);
	return GO_ON;
}
