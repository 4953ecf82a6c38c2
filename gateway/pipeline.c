#include "gateway/pipeline.h"

#include "gateway/bench.h"
#include "gateway/gateway.h"
#include "gateway/governance.h"
#include "gateway/metrics.h"
#include "gateway/steps/steps.h"
#include "gateway/stream.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

/* clang-format off */
static const struct {
	const char  *name; /* as seen in logs, metrics and `haechi explain` */
	step        *run;
	step_resume *resume; /* after WAIT */
} steps[] = {
	{"identify", identify, NULL},           /* who asks, and for which use              */
	{"classify", classify, NULL},           /* what the Act says; what the request holds */
	{"decide",   decide,   NULL},           /* what the policy says about that           */
	{"record",   record,   record_resume},  /* the decision, on disk                     */
	{"forward",  forward,  forward_resume}, /* ... and only then carried out             */
	{"label",    label,    label_resume},   /* the answer, marked as made by a machine   */
	{"settle",   settle,   settle_resume},  /* the outcome, on disk                      */
};
/* clang-format on */

#define STEPS  (sizeof steps / sizeof *steps)
#define SETTLE (STEPS - 1)

static void advance(struct exchange *x, enum step_result result);

const char *
pipeline_step_name(size_t number)
{
	return number < STEPS ? steps[number].name : NULL;
}

size_t
pipeline_step_count(void)
{
	return STEPS;
}

/* Enter a step, or go on with the one that waited. */
static enum step_result
enter(struct exchange *x, size_t number)
{
	x->step = number;
	x->step_begun = clock_monotonic_ns();
	return steps[number].run(x);
}

void
pipeline_answer(struct exchange *x)
{
	if (x->answer_begun || x->client_gone)
		return;
	x->answer_begun = true;
	metrics_add(&x->bench->metrics->statuses[x->answer.status / 100 % 6], 1);
	server_answer(x->arrival->call, &x->answer);
}

void
pipeline_end(struct exchange *x)
{
	x->ended = true;
	if (x->server_done)
		exchange_free(x);
}

/* The last step is behind us: what has not been sent goes now. */
static void
finish(struct exchange *x)
{
	metrics_step(x->bench->metrics, METRICS_TOTAL, clock_monotonic_ns() - x->times.begun);
	pipeline_answer(x);
	pipeline_end(x);
}

/* Our own fault. The answer says so without content; what was decided still gets its outcome. */
static enum step_result
refuse(struct exchange *x)
{
	const int status = exchange_status(x->why.kind);

	forward_cancel(x);
	x->outcome.status = OUTCOME_FAILED;
	if (x->outcome.reason == NULL)
		x->outcome.reason = fault_kind_name(x->why.kind);
	if (!x->answer_begun) {
		x->answer.header_count = 0;
		exchange_own_fault(x, status < 500 ? 503 : status, steps[x->step].name, &x->why);
		label_headers(x);
	} else {
		log_fault(LOG_LEVEL_ERROR, steps[x->step].name, "refused", &x->why);
		if (x->answer.stream != NULL)
			stream_abort(x->answer.stream);
	}
	return x->step < SETTLE && x->decision_state != EVIDENCE_NONE ? enter(x, SETTLE) : GO_ON;
}

static void
advance(struct exchange *x, enum step_result result)
{
	for (;;) {
		if (result == WAIT) {
			x->waiting = true;
			return;
		}
		metrics_step(x->bench->metrics, x->step, clock_monotonic_ns() - x->step_begun);
		if (result == REFUSE) {
			const size_t failed = x->step;

			result = refuse(x);
			if (result == GO_ON && x->step == failed)
				break;
			continue;
		}
		if (x->step == SETTLE)
			break;
		/* Who has left gets nothing any more, but what happened is written down. */
		result =
		    enter(x, x->client_gone && x->decision_state != EVIDENCE_NONE ? SETTLE : x->step + 1);
	}
	finish(x);
}

void
pipeline_resume(struct exchange *x, enum step_result verdict)
{
	if (x->governance != NULL) {
		governance_resume(x, verdict);
		return;
	}
	if (!x->waiting)
		return;
	x->waiting = false;
	advance(x, steps[x->step].resume(x, verdict));
}

void
pipeline_steps(struct exchange *x)
{
	advance(x, enter(x, 0));
}

void *
pipeline_request(struct arrival *arrival, void *owner)
{
	struct exchange *x = exchange_new(arrival);

	(void)owner;
	if (x == NULL) {
		arrival_free(arrival);
		return NULL;
	}
	governance_route(x);
	return x;
}

void
pipeline_left(void *context)
{
	struct exchange *x = context;

	x->client_gone = true;
	if (x->governance != NULL || x->ended)
		return;
	forward_cancel(x);
	/* Whoever holds the exchange (ledger, review) brings it back; else nobody would. */
	if (x->waiting && !x->evidence_waits && !x->asked) {
		x->waiting = false;
		advance(x, GO_ON);
	}
}

void
pipeline_done(void *context)
{
	struct exchange *x = context;

	x->server_done = true;
	if (x->ended)
		exchange_free(x);
}
