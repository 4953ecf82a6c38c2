#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/engine.h"
#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/pipeline.h"
#include "gateway/registry.h"
#include "gateway/review.h"
#include "gateway/steps/labelling.h"
#include "gateway/steps/steps.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

/* ---- what is not forwarded -------------------------------------------------------------------------------------------- */

static void
quoted(struct buffer *out, const char *name, const char *text)
{
	buffer_string(out, name);
	json_quote(out, slice_string(text == NULL ? "" : text));
}

/* "haechi":{…}: which entry, which policies, which rows of the law. */
static void
write_reasons(struct buffer *out, const struct exchange *x)
{
	quoted(out, "\"haechi\":{\"entry\":", x->decision_id);
	quoted(out, ",\"decision\":", access_name(x->decision.access));
	quoted(out, ",\"verdict\":", verdict_name(x->facts.verdict));
	buffer_string(out, ",\"policies\":[");
	for (size_t i = 0; i < x->decision.reason_count; i++) {
		const struct policy_reason *reason = &x->decision.reasons[i];

		quoted(out, i == 0 ? "{\"id\":" : ",{\"id\":", reason->id);
		quoted(out, ",\"law\":", reason->law);
		quoted(out, ",\"title\":{\"ko\":", reason->title_ko);
		quoted(out, ",\"en\":", reason->title_en);
		quoted(out, "},\"message\":{\"ko\":", reason->message_ko);
		quoted(out, ",\"en\":", reason->message_en);
		buffer_string(out, "}}");
	}
	buffer_byte(out, ']');
	if (x->decision.error_count > 0)
		buffer_printf(out, ",\"errors\":%zu", x->decision.error_count);
	buffer_byte(out, '}');
}

/* The first reason that has words for the caller, else its title, else that nothing permits it. */
static void
denial_words(const struct exchange *x, struct fault *words)
{
	for (size_t i = 0; i < x->decision.reason_count; i++) {
		const struct policy_reason *reason = &x->decision.reasons[i];
		const bool message = reason->message_ko != NULL && reason->message_ko[0] != '\0';
		const char *const ko = message ? reason->message_ko : reason->title_ko;
		const char *const en = message ? reason->message_en : reason->title_en;

		if (ko == NULL || ko[0] == '\0')
			continue;
		fault_set(words, FAULT_FORBIDDEN, "%s", "%s", ko);
		snprintf(words->en, sizeof words->en, "%s", en == NULL ? "" : en);
		return;
	}
	if (x->decision.error_count > 0)
		fault_set(words, FAULT_FORBIDDEN, "정책을 평가할 수 없어 거절합니다",
		          "denied because a policy could not be evaluated");
	else
		fault_set(words, FAULT_FORBIDDEN, "이 요청을 허용하는 정책이 없습니다",
		          "no policy permits this request");
}

static enum step_result
deny(struct exchange *x)
{
	struct buffer reasons;
	struct fault words;
	int status = 403;
	const char *code = "policy_denied";

	if (x->early_reason != NULL) {
		words = x->early;
		status = exchange_status(x->early.kind);
		code = strchr(x->early_reason, '.') + 1;
	} else {
		denial_words(x, &words);
	}
	buffer_init(&reasons, 48 * 1024);
	write_reasons(&reasons, x);
	exchange_error_with(x, status, exchange_error_type(status), code, x->early_param, &words,
	                    buffer_view(&reasons));
	buffer_free(&reasons);
	if (status == 401)
		exchange_header(x, "WWW-Authenticate", "Bearer realm=\"haechi\"");
	x->outcome.status = OUTCOME_REFUSED;
	x->outcome.reason = x->early_reason != NULL ? x->early_reason : "policy";
	return GO_ON;
}

/* 202: where to ask again. */
static void
tell_ticket(struct exchange *x)
{
	char until[CLOCK_TEXT_SIZE];
	struct buffer body;
	struct fault words;

	denial_words(x, &words);
	clock_text(until, x->facts.wall_ms + (int64_t)review_hold_seconds(x) * 1000);
	buffer_init(&body, 64 * 1024);
	quoted(&body, "{\"object\":\"haechi.ticket\",\"id\":", x->held);
	quoted(&body,
	       ",\"status\":\"waiting\",\"url\":", arena_printf(x->arena, "/haechi/v1/tickets/%s", x->held));
	quoted(&body, ",\"expires_at\":", until);
	quoted(&body, ",\"approver_role\":", x->decision.duties.approver_role);
	quoted(&body, ",\"message\":{\"ko\":", words.ko);
	quoted(&body, ",\"en\":", words.en);
	buffer_string(&body, "},");
	write_reasons(&body, x);
	buffer_byte(&body, '}');
	exchange_body(x, 202, "application/json", buffer_view(&body));
	buffer_free(&body);
	exchange_header(x, "Location", arena_printf(x->arena, "/haechi/v1/tickets/%s", x->held));
	exchange_header(x, "Retry-After", "5");
	x->outcome.status = OUTCOME_HELD;
	x->outcome.reason = "hold";
	metrics_add(&x->bench->metrics->tickets, 1);
}

/* ---- the engine -------------------------------------------------------------------------------------------------------- */

void
forward_cancel(struct exchange *x)
{
	engine_cancel(x->call);
	x->call = NULL;
}

/* The answer may begin: it is here (plain: whole), and the decision is durable. */
static void
go_on_if_ready(struct exchange *x)
{
	if (x->evidence_waits || x->labelling != NULL)
		return;
	if (x->engine_done || (x->engine_streams && x->decision_state == EVIDENCE_DURABLE))
		pipeline_resume(x, GO_ON);
}

static void
on_head(void *owner, int status, const char *content_type)
{
	struct exchange *x = owner;

	x->engine_status = status;
	x->times.first_byte = clock_monotonic_ns();
	x->engine_streams =
	    status == 200 && x->request->stream && strcmp(content_type, "text/event-stream") == 0;
	go_on_if_ready(x);
}

static void
on_data(void *owner, struct slice bytes)
{
	struct exchange *x = owner;

	/* A stream that may not begin yet, or a plain answer, is gathered; it is bounded either way. */
	if (x->labelling != NULL && x->answer.stream != NULL)
		labelling_feed(x->labelling, bytes);
	else
		buffer_slice(&x->body, bytes);
}

static void
on_end(void *owner, bool ok, const struct fault *why)
{
	struct exchange *x = owner;

	x->call = NULL;
	x->engine_done = true;
	x->engine_ok = ok && buffer_ok(&x->body);
	if (!ok)
		x->engine_fault = *why;
	else if (!x->engine_ok)
		fault_set(&x->engine_fault, FAULT_UNAVAILABLE, "엔진의 답이 한도보다 큽니다",
		          "the engine's answer is over the limit");
	if (x->answer.stream != NULL)
		labelling_engine_ended(x->labelling);
	else
		go_on_if_ready(x);
}

static const struct engine_callbacks callbacks = {.head = on_head, .data = on_data, .end = on_end};

/* Ask the engine of x->route; when it cannot even be begun, the next one of the same zone. */
static enum step_result
ask(struct exchange *x)
{
	for (; x->route != NULL; x->route = config_route_next(x->view->config, x->route)) {
		const struct config_engine *engine = x->route->engine;

		buffer_reset(&x->upstream);
		buffer_reset(&x->body);
		openai_write(&x->upstream, x->request, x->route->served->upstream);
		if (!buffer_ok(&x->upstream)) {
			fault_memory(&x->why);
			return REFUSE;
		}
		*x->engine_request = (struct engine_request){
		    .method = "POST",
		    .path = openai_path(x->kind),
		    .content_type = "application/json",
		    .authorization = engine->authorization,
		    .request_id = x->request_id,
		    .agency = x->subject.agency,
		    .body = buffer_view(&x->upstream),
		};
		x->last_route = x->route;
		x->engine_done = x->engine_ok = x->engine_streams = false;
		x->engine_status = 0;
		x->call = engine_call(x->arrival->loop, engine->target, x->engine_request, &callbacks, x,
		                      &x->engine_fault);
		if (x->call != NULL)
			return WAIT;
		log_fault(LOG_LEVEL_WARN, "forward", "engine-not-called", &x->engine_fault);
	}
	return GO_ON;
}

/* A full queue is passed on as what it is, with how long it is and when to come again, if the engine says so. */
static void
busy_words(struct exchange *x, struct fault *words)
{
	int64_t position, seconds;

	openai_busy(buffer_view(&x->body), &position, &seconds);
	exchange_header(x, "Retry-After", arena_printf(x->arena, "%lld", (long long)seconds));
	if (position >= 0)
		fault_set(words, FAULT_BUSY,
		          "엔진이 바쁩니다: 앞에 %lld개 요청이 기다립니다. %lld초 뒤에 다시 하십시오",
		          "the engine is busy: %lld requests would come first. Try again in %lld seconds",
		          (long long)position, (long long)seconds);
	else
		fault_set(words, FAULT_BUSY, "엔진이 바쁩니다. %lld초 뒤에 다시 하십시오",
		          "the engine is busy. Try again in %lld seconds", (long long)seconds);
}

/* What the caller is told when no engine answered. Nothing of an engine's own words goes out: they may quote the prompt. */
static enum step_result
engine_failed(struct exchange *x)
{
	struct fault words;
	int status = 503;
	const char *code = "engine_unavailable", *param = NULL;
	bool too_long;

	metrics_add(&x->bench->metrics->engine_failures, 1);
	x->outcome.status = OUTCOME_FAILED;
	if (x->engine_done && x->engine_ok &&
	    ((x->engine_status >= 400 && x->engine_status < 500 && x->engine_status != 408 &&
	      x->engine_status != 429) ||
	     x->engine_status == 501)) { /* 501: an engine without embeddings; asking again will not help */
		status = x->engine_status == 404 ? 404 : x->engine_status == 413 ? 413 : 400;
		code = "engine_rejected";
		param = openai_blamed(x->kind, buffer_view(&x->body), &too_long);
		if (too_long) {
			code = "context_length_exceeded";
			fault_set(&words, FAULT_INVALID,
			          "모델의 문맥 길이를 넘습니다: 글이나 max_tokens를 줄이십시오",
			          "longer than the model's context: shorten the text, or max_tokens");
		} else if (param != NULL) {
			fault_set(&words, FAULT_INVALID, "%s: 엔진이 받지 않았습니다 (%d)",
			          "%s: the engine did not accept it (%d)", param, x->engine_status);
		} else {
			fault_set(
			    &words, FAULT_INVALID,
			    "엔진이 이 요청을 받지 않았습니다 (%d): 길이나 매개변수를 확인하십시오",
			    "the engine did not accept the request (%d): check its length and parameters",
			    x->engine_status);
		}
	} else if (x->engine_done && x->engine_ok && x->engine_status == 429) {
		status = 429;
		code = "engine_busy";
		busy_words(x, &words);
	} else if (x->engine_done && x->engine_ok) {
		fault_set(&words, FAULT_UNAVAILABLE, "엔진이 답하지 못했습니다 (%d)",
		          "the engine could not answer (%d)", x->engine_status);
	} else {
		/* Where an engine is, and what the system said of it, is for the operator. */
		const char *const name = x->last_route == NULL ? "-" : x->last_route->engine->name;

		log_fault(LOG_LEVEL_WARN, "forward", "engine-failed", &x->engine_fault);
		if (x->engine_fault.kind == FAULT_TIMEOUT) {
			status = 504;
			code = "engine_timeout";
			fault_set(&words, FAULT_TIMEOUT, "엔진이 제때 답하지 않았습니다: %s",
			          "the engine did not answer in time: %s", name);
		} else {
			fault_set(
			    &words, FAULT_UNAVAILABLE, "엔진에 닿지 못했거나 답이 올바르지 않습니다: %s",
			    "the engine cannot be reached, or its answer was not a right one: %s", name);
		}
	}
	x->outcome.reason = code;
	exchange_error(x, status, exchange_error_type(status), code, param, &words);
	return GO_ON;
}

enum step_result
forward(struct exchange *x)
{
	if (x->decision.access == ACCESS_DENY)
		return deny(x);
	if (x->decision.access == ACCESS_HOLD) {
		x->asked = true;
		review_park(x);
		return WAIT;
	}
	if (x->route == NULL) {
		struct fault words;

		fault_set(&words, FAULT_NOT_FOUND, "그런 모델은 없습니다", "there is no such model");
		exchange_error(x, 404, "invalid_request_error", "model_not_found", "model", &words);
		x->outcome.status = OUTCOME_FAILED;
		x->outcome.reason = "model_not_found";
		return GO_ON;
	}
	if ((x->engine_request = arena_alloc(x->arena, sizeof *x->engine_request)) == NULL) {
		fault_memory(&x->why);
		return REFUSE;
	}
	buffer_init(&x->upstream, 4 * x->view->config->openai.body_bytes + 4096);
	buffer_init(&x->body, (size_t)x->view->config->limits.answer);
	return ask(x) == WAIT ? WAIT : x->why.ko[0] != '\0' ? REFUSE : engine_failed(x);
}

enum step_result
forward_resume(struct exchange *x, enum step_result verdict)
{
	if (x->asked) {
		x->asked = false;
		if (verdict != GO_ON)
			return REFUSE;
		tell_ticket(x);
		return GO_ON;
	}
	if (x->evidence_waits) {
		record_arrived(x, verdict);
		if (x->decision_state != EVIDENCE_DURABLE) {
			forward_cancel(x);
			return REFUSE;
		}
		if (x->client_gone)
			return GO_ON;
	}
	if (x->engine_streams && !x->engine_done)
		return GO_ON;
	if (!x->engine_done)
		return WAIT;
	if (x->engine_ok && x->engine_status == 200)
		return GO_ON;
	/* Nothing came, or nothing but that it is busy: another engine of the same zone may serve. */
	if (((!x->engine_ok && x->engine_status == 0) || (x->engine_ok && x->engine_status == 429)) &&
	    (x->route = config_route_next(x->view->config, x->last_route)) != NULL && ask(x) == WAIT)
		return WAIT;
	return engine_failed(x);
}
