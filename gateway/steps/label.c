#include "gateway/bench.h"
#include "gateway/metrics.h"
#include "gateway/pipeline.h"
#include "gateway/steps/labelling.h"
#include "gateway/steps/steps.h"
#include "gateway/stream.h"
#include "schema/base/log.h"

void
label_headers(struct exchange *x)
{
	exchange_header(x, "X-Request-ID", x->request_id);
	if (x->decision_id[0] == '\0')
		return;
	exchange_header(x, "X-Haechi-Entry", x->decision_id);
	exchange_header(x, "X-Haechi-Decision", access_name(x->decision.access));
	exchange_header(x, "X-Haechi-Verdict", verdict_name(x->facts.verdict));
	/* Art. 31(2): machine-readable, on every answer of a model. */
	if (x->answer.status == 200)
		exchange_header(x, "X-Haechi-AI-Generated", "true");
}

/* The engine answered, but not with an answer. */
static void
unreadable(struct exchange *x, const struct fault *why)
{
	log_fault(LOG_LEVEL_WARN, "label", "answer-unreadable", why);
	metrics_add(&x->bench->metrics->engine_failures, 1);
	x->outcome.status = OUTCOME_FAILED;
	x->outcome.reason = "engine_answer_unreadable";
	exchange_error(x, 503, "server_error", "engine_answer_unreadable", NULL, why);
}

enum step_result
label(struct exchange *x)
{
	struct slice waiting;
	struct fault why;

	/* Refusals, tickets and failures are ours: they are no machine's words. */
	if (x->answer.status != 0) {
		label_headers(x);
		return GO_ON;
	}
	if (labelling_begin(x, &x->why) == -1)
		return REFUSE;
	if (!x->engine_streams) {
		if (x->request->stream)
			fault_set(&why, FAULT_UNAVAILABLE, "엔진이 흐름으로 답하지 않았습니다",
			          "the engine did not stream");
		if (x->request->stream || labelling_plain(x->labelling, &why) == -1) {
			unreadable(x, &why);
		} else {
			x->outcome.status = OUTCOME_ANSWERED;
		}
		label_headers(x);
		return GO_ON;
	}
	if (labelling_open(x->labelling, &x->why) == -1)
		return REFUSE;
	label_headers(x);
	pipeline_answer(x);
	/* What came while the decision was on its way to the disk. */
	waiting = buffer_view(&x->body);
	if (waiting.size > 0)
		labelling_feed(x->labelling, waiting);
	buffer_wipe(&x->body);
	if (x->engine_done)
		labelling_engine_ended(x->labelling);
	/* Nobody wakes a step that runs: what ended meanwhile is seen here. */
	return labelling_over(x->labelling) ? label_resume(x, GO_ON) : WAIT;
}

enum step_result
label_resume(struct exchange *x, enum step_result verdict)
{
	(void)verdict;
	if (x->client_gone)
		return GO_ON;
	if (labelling_whole(x->labelling, &x->stream_fault) == -1) {
		log_fault(LOG_LEVEL_WARN, "label", "stream-failed", &x->stream_fault);
		metrics_add(&x->bench->metrics->engine_failures, 1);
		x->outcome.status = OUTCOME_FAILED;
		x->outcome.reason = "engine_answer_unreadable";
	} else {
		x->outcome.status = OUTCOME_ANSWERED;
	}
	return GO_ON;
}

void
label_finish(struct exchange *x)
{
	if (x->answer.stream == NULL || x->client_gone)
		return;
	if (x->outcome.status == OUTCOME_ANSWERED)
		labelling_finish(x->labelling);
	else
		labelling_fail(x->labelling, &x->stream_fault);
}
