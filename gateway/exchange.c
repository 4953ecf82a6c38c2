#include "gateway/exchange.h"

#include <string.h>

#include "gateway/bench.h"
#include "gateway/pipeline.h"
#include "gateway/review.h"
#include "gateway/steps/labelling.h"
#include "gateway/stream.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/entry.h"

static void
resume(void *owner, int verdict)
{
	pipeline_resume(owner, (enum step_result)verdict);
}

struct exchange *
exchange_new(struct arrival *arrival)
{
	struct bench *bench = bench_of(arrival->loop);
	struct exchange *x = arena_alloc(arrival->arena, sizeof *x);

	if (x == NULL)
		return NULL;
	x->arrival = arrival;
	x->arena = arrival->arena;
	x->bench = bench;
	x->gateway = bench->gateway;
	x->view = bench_view(bench);
	x->answer.headers = x->headers;
	x->wake = (struct loop_wake){.loop = arrival->loop, .resume = resume, .owner = x};
	x->times.begun = arrival->complete_ns;
	buffer_init(&x->entry, ENTRY_SIZE_LIMIT);
	x->outcome.prompt_tokens = x->outcome.completion_tokens = -1;
	x->outcome.decide_us = x->outcome.record_us = x->outcome.first_byte_us = x->outcome.total_us = -1;
	return x;
}

void
exchange_free(struct exchange *x)
{
	if (x == NULL)
		return;
	labelling_free(x->labelling);
	redaction_close(x->redaction);
	review_forget(x->ticket);
	stream_free(x->answer.stream);
	openai_free(x->request);
	buffer_free(&x->entry);
	buffer_wipe(&x->sealed);
	buffer_wipe(&x->upstream);
	buffer_wipe(&x->body);
	bench_release(x->view);
	arrival_free(x->arrival);
}

void
exchange_request_id(struct exchange *x)
{
	const struct slice given = arrival_field(x->arrival, "X-Request-ID");
	const bool good = head_request_id(x->request_id, given);

	if (!good)
		entry_id_make(x->request_id, clock_wall_ms());
	x->request_id_malformed = !good && given.data != NULL;
}

void
exchange_request_id_fault(struct fault *why)
{
	fault_set(why, FAULT_INVALID, "X-Request-ID는 1-128자의 [A-Za-z0-9._-]입니다",
	          "X-Request-ID is 1-128 of [A-Za-z0-9._-]");
}

void
exchange_header(struct exchange *x, const char *name, const char *value)
{
	for (size_t i = 0; i < x->answer.header_count; i++)
		if (strcmp(x->headers[i].name, name) == 0) {
			x->headers[i].value = value;
			return;
		}
	if (x->answer.header_count == ANSWER_HEADERS) {
		log_error("exchange", "event=header-dropped name=%s", name);
		return;
	}
	x->headers[x->answer.header_count++] = (struct answer_header){name, value};
}

void
exchange_body(struct exchange *x, int status, const char *content_type, struct slice body)
{
	x->answer.status = status;
	x->answer.body = arena_slice(x->arena, body);
	if (body.size > 0 && x->answer.body.data == NULL) {
		/* Not even room for the body: the status alone must do. */
		x->answer.status = 503;
		return;
	}
	if (content_type != NULL)
		exchange_header(x, "Content-Type", content_type);
}

void
exchange_error_with(struct exchange *x, int status, const char *type, const char *code, const char *param,
                    const struct fault *why, struct slice members)
{
	struct buffer body;

	buffer_init(&body, 64 * 1024);
	openai_error_write(&body, type, code, param, why, members);
	exchange_body(x, status, "application/json", buffer_view(&body));
	buffer_free(&body);
}

void
exchange_error(struct exchange *x, int status, const char *type, const char *code, const char *param,
               const struct fault *why)
{
	exchange_error_with(x, status, type, code, param, why, (struct slice){0});
}

void
exchange_own_fault(struct exchange *x, int status, const char *area, const struct fault *why)
{
	struct fault told = *why, words;

	fault_prefix(&told, "request_id=%s", "request_id=%s", x->request_id);
	log_fault(LOG_LEVEL_ERROR, area, "refused", &told);
	fault_set(&words, why->kind,
	          "지금은 이 요청을 처리할 수 없습니다. 계속되면 운영자에게 요청 번호(X-Request-ID)를 알려 "
	          "주십시오",
	          "this request cannot be served now. If that goes on, tell the operator its X-Request-ID");
	exchange_error(x, status, exchange_error_type(status), fault_kind_name(why->kind), NULL, &words);
}

void
exchange_fault(struct exchange *x, const struct fault *why)
{
	const int status = exchange_status(why->kind);

	if (status >= 500)
		exchange_own_fault(x, status, "governance", why);
	else
		exchange_error(x, status, exchange_error_type(status), fault_kind_name(why->kind), NULL, why);
}

int
exchange_status(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_USAGE:
	case FAULT_INVALID:
	case FAULT_UNSUPPORTED:
		return 400;
	case FAULT_UNIDENTIFIED:
		return 401;
	case FAULT_FORBIDDEN:
		return 403;
	case FAULT_NOT_FOUND:
		return 404;
	case FAULT_CONFLICT:
		return 409;
	case FAULT_TOO_LARGE:
		return 413;
	case FAULT_BUSY:
		return 429;
	case FAULT_TIMEOUT:
		return 504;
	case FAULT_UNAVAILABLE:
	case FAULT_SYSTEM:
	case FAULT_MEMORY:
	case FAULT_TAMPERED:
		return 503;
	case FAULT_INTERNAL:
		return 500;
	}
	return 500;
}

const char *
exchange_error_type(int status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 403:
		return "permission_error";
	case 429:
		return "rate_limit_error";
	case 500:
	case 502:
	case 503:
	case 504:
		return "server_error";
	default:
		return "invalid_request_error";
	}
}

int64_t
exchange_us(int64_t from_ns, int64_t to_ns)
{
	return from_ns == 0 || to_ns == 0 || to_ns < from_ns ? -1 : (to_ns - from_ns) / 1000;
}
