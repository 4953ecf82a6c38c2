#include "inference/engine_api.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "inference/constraint.h"
#include "inference/engine_answer.h"
#include "inference/engine_http.h"
#include "inference/engine_request.h"
#include "inference/model.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define AGENCIES_SHOWN 256

struct engine_api {
	struct engine *engine; /* this and the next once `ready` */
	const struct chat_template *chat_template;
	_Atomic bool ready;
	_Atomic unsigned percent; /* loaded */
	struct http_server *http;
	char address[256];
	int64_t started;
	pthread_mutex_t lock; /* of the list */
	struct answer *news;
};

/* ---- small answers ---------------------------------------------------------------------------------------------- */

static int
status_of(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_INVALID:
	case FAULT_UNSUPPORTED:
	case FAULT_USAGE:
	case FAULT_TOO_LARGE:
		return 400;
	case FAULT_NOT_FOUND:
		return 404;
	case FAULT_BUSY:
		return 429;
	case FAULT_UNAVAILABLE:
	case FAULT_MEMORY:
		return 503;
	default:
		return 500;
	}
}

static void
answer_fault(struct engine_api *api, struct http_call *call, const struct fault *why, const char *param,
             size_t waiting)
{
	int status = status_of(why->kind);
	const char *code =
	    why->kind == FAULT_TOO_LARGE ? "context_length_exceeded" : fault_kind_name(why->kind);
	char retry[48];
	double seconds = 1;
	struct buffer out;

	if (status ==
	    429) { /* when those who wait will have had their turn, by how long answers take of late */
		struct engine_counters counters;

		engine_counters(api->engine, &counters);
		seconds = ceil(counters.mean_seconds * (double)(waiting + 1) / (double)counters.parallel);
		seconds = fmin(fmax(seconds, 1), 600);
		snprintf(retry, sizeof retry, "Retry-After: %.0f\r\n", seconds);
	}
	buffer_init(&out, 8192);
	buffer_string(&out, "{\"error\":{\"message\":");
	{
		char text[2 * FAULT_TEXT_SIZE + 4];

		snprintf(text, sizeof text, "%s | %s", why->ko, why->en);
		json_quote(&out, slice_string(text));
	}
	buffer_printf(&out, ",\"type\":\"%s\",\"param\":",
	              status == 429   ? "rate_limit_error"
	              : status >= 500 ? "server_error"
	                              : "invalid_request_error");
	if (param != NULL && param[0] != '\0')
		json_quote(&out, slice_string(param));
	else
		buffer_string(&out, "null");
	buffer_printf(&out, ",\"code\":\"%s\"", code);
	if (status == 429)
		buffer_printf(&out, ",\"queue_position\":%zu,\"retry_after\":%.0f", waiting, seconds);
	buffer_string(&out, "}}");
	engine_http_answer(call, status, "application/json", buffer_view(&out), status == 429 ? retry : NULL);
	buffer_free(&out);
}

/* The model is not there yet. */
static void
answer_loading(struct engine_api *api, struct http_call *call)
{
	const unsigned percent = atomic_load(&api->percent);
	struct buffer out;

	buffer_init(&out, 1024);
	if (slice_is(call->path, "/healthz"))
		buffer_printf(&out, "{\"status\":\"loading\",\"percent\":%u}", percent);
	else
		buffer_printf(&out,
		              "{\"error\":{\"message\":\"모델을 읽는 중입니다 (%u%%) | the model is being "
		              "loaded (%u%%)\","
		              "\"type\":\"server_error\",\"param\":null,\"code\":\"loading\"}}",
		              percent, percent);
	engine_http_answer(call, 503, "application/json", buffer_view(&out), "Retry-After: 1\r\n");
	buffer_free(&out);
}

static void
answer_models(struct engine_api *api, struct http_call *call, bool one)
{
	const struct model *model = engine_model(api->engine);
	const struct fault *problem;
	struct buffer out;

	buffer_init(&out, 16384);
	buffer_string(&out, one ? "" : "{\"object\":\"list\",\"data\":[");
	buffer_string(&out, "{\"id\":");
	json_quote(&out, slice_string(model->name));
	buffer_printf(&out,
	              ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"haechi\",\"architecture\":",
	              (long long)(api->started / 1000));
	json_quote(&out, slice_string(model->architecture));
	buffer_string(&out, ",\"license\":");
	if (model->license[0] != '\0')
		json_quote(&out, slice_string(model->license));
	else
		buffer_string(&out, "null");
	buffer_printf(&out,
	              ",\"weights_sha256\":\"%s\",\"context_length\":%zu,\"parameters\":%llu,\"chat_"
	              "template\":\"%s%s\",\"device\":",
	              model->sha256, engine_context(api->engine), (unsigned long long)model->parameters,
	              template_name(api->chat_template),
	              template_guessed(api->chat_template, &problem) ? " (guessed)" : "");
	json_quote(&out, slice_string(engine_describe(api->engine)));
	buffer_string(&out, one ? "}" : "}]}");
	engine_http_answer(call, 200, "application/json", buffer_view(&out), NULL);
	buffer_free(&out);
}

static void
metric(struct buffer *out, const char *name, const char *type, const char *help, double value)
{
	buffer_printf(out, "# HELP haechi_engine_%s %s\n# TYPE haechi_engine_%s %s\nhaechi_engine_%s %.17g\n",
	              name, help, name, type, name, value);
}

/* One line for each agency that has asked. */
static void
agency_metrics(struct engine *engine, struct buffer *out)
{
	static const char *const heads[] = {
	    "# HELP haechi_engine_agency_tokens_total Tokens computed for an agency.\n"
	    "# TYPE haechi_engine_agency_tokens_total counter\n",
	    "# HELP haechi_engine_agency_weight Its weight.\n# TYPE haechi_engine_agency_weight gauge\n",
	    "# HELP haechi_engine_agency_active Its answers being computed.\n"
	    "# TYPE haechi_engine_agency_active gauge\n",
	    "# HELP haechi_engine_agency_waiting Its answers waiting.\n"
	    "# TYPE haechi_engine_agency_waiting gauge\n"};
	static const char *const names[] = {"tokens_total", "weight", "active", "waiting"};
	struct agency_counters *agencies = calloc(AGENCIES_SHOWN, sizeof *agencies);
	size_t count = agencies == NULL ? 0 : engine_agencies(engine, agencies, AGENCIES_SHOWN);

	for (unsigned what = 0; what < 4; what++) {
		buffer_string(out, heads[what]);
		for (size_t i = 0; i < count; i++) {
			const struct agency_counters *agency = &agencies[i];
			const unsigned long long values[] = {agency->tokens, agency->weight, agency->active,
			                                     agency->waiting};

			buffer_printf(out, "haechi_engine_agency_%s{agency=\"%s\"} %llu\n", names[what],
			              agency->name, values[what]);
		}
	}
	free(agencies);
}

static void
answer_metrics(struct engine_api *api, struct http_call *call)
{
	struct engine_counters counters;
	struct buffer out;

	engine_counters(api->engine, &counters);
	buffer_init(&out, 32768 + AGENCIES_SHOWN * 4 * 128);
	metric(&out, "prompt_tokens_total", "counter", "Tokens of prompts.", (double)counters.prompt_tokens);
	metric(&out, "cached_tokens_total", "counter", "Tokens of prompts found in the cache.",
	       (double)counters.cached_tokens);
	metric(&out, "completion_tokens_total", "counter", "Tokens of answers.",
	       (double)counters.completion_tokens);
	metric(&out, "generations_total", "counter", "Answers begun or queued.",
	       (double)counters.generations);
	metric(&out, "cancelled_total", "counter", "Answers whose client left.", (double)counters.cancelled);
	metric(&out, "refused_total", "counter", "Requests refused with 429.", (double)counters.refused);
	metric(&out, "steps_total", "counter", "Passes through the model.", (double)counters.steps);
	metric(&out, "step_rows_total", "counter", "Tokens computed in all passes.",
	       (double)counters.step_rows);
	metric(&out, "busy_seconds_total", "counter", "Time spent computing.", counters.busy_seconds);
	metric(&out, "active", "gauge", "Answers being computed.", (double)counters.active);
	metric(&out, "parallel", "gauge", "Most answers computed together.", (double)counters.parallel);
	metric(&out, "waiting", "gauge", "Answers waiting.", (double)counters.waiting);
	metric(&out, "cache_pages", "gauge", "Pages of the cache.", (double)counters.pages);
	metric(&out, "cache_pages_used", "gauge", "Pages held by answers.", (double)counters.pages_used);
	metric(&out, "interrupted_total", "counter",
	       "Answers that gave their place to another agency for a while.", (double)counters.interrupted);
	agency_metrics(api->engine, &out);
	metric(&out, "connections", "gauge", "Open connections.", (double)engine_http_connections(api->http));
	engine_http_answer(call, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_view(&out), NULL);
	buffer_free(&out);
}

/* ---- an answer's life ------------------------------------------------------------------------------------------- */

static void
answer_free(struct answer *answer)
{
	struct engine_api *api = answer->api;

	/* After the release no callback comes; then nobody can list it again. */
	for (unsigned i = 0; i < answer->count; i++) {
		generation_release(answer->choices[i].generation);
		buffer_free(&answer->choices[i].text);
		buffer_free(&answer->choices[i].logprobs);
		tool_calls_free(answer->choices[i].tools);
	}
	pthread_mutex_lock(&api->lock);
	for (struct answer **at = &api->news; *at != NULL; at = &(*at)->next)
		if (*at == answer) {
			*at = answer->next;
			break;
		}
	pthread_mutex_unlock(&api->lock);
	free(answer);
}

static void
client_gone(struct http_call *call)
{
	answer_free(call->owner);
}

/* From the engine's thread. */
static void
have_news(void *owner)
{
	struct choice *choice = owner;
	struct answer *answer = choice->answer;
	struct engine_api *api = answer->api;
	bool wake = false;

	pthread_mutex_lock(&api->lock);
	if (!answer->listed) {
		answer->listed = true;
		answer->next = api->news;
		wake = api->news == NULL;
		api->news = answer;
	}
	pthread_mutex_unlock(&api->lock);
	if (wake)
		engine_http_wake(api->http);
}

/* Where tools are offered: calls leave the text. */
static void
hear_tools(struct choice *choice, struct generation_news *news)
{
	struct buffer content;

	if (choice->tools == NULL)
		return;
	buffer_init(&content, ANSWER_LIMIT);
	tool_calls_feed(choice->tools, buffer_view(&news->text), &content);
	if (news->end != GENERATION_RUNNING)
		tool_calls_end(choice->tools, &content);
	buffer_free(&news->text);
	news->text = content;
}

/* The leading dimensions, brought to length 1 again. */
static void
take_embedding(const struct answer *answer, struct choice *choice, float *values)
{
	double length = 0;

	for (size_t i = 0; i < answer->dimensions; i++)
		length += (double)values[i] * (double)values[i];
	length = length > 0 ? 1 / sqrt(length) : 0;
	for (size_t i = 0; i < answer->dimensions && answer->dimensions < answer->model->shape.width; i++)
		values[i] = (float)((double)values[i] * length);
	buffer_append(&choice->text, values, answer->dimensions * sizeof *values);
}

static void
take_news(struct answer *answer, struct choice *choice, struct buffer *out)
{
	struct generation_news news;

	if (choice->generation == NULL)
		return;
	generation_read(choice->generation, &news);
	choice->tokens = news.completion_tokens;
	if (!answer->embed)
		answer->prompt_tokens = news.prompt_tokens;
	if (news.embedding != NULL)
		take_embedding(answer, choice, news.embedding);
	free(news.embedding);
	answer->cached_tokens = news.cached_tokens;
	hear_tools(choice, &news);
	if (answer->stream) {
		if (news.text.size > 0 || news.report_count > 0)
			answer_write_event(answer, choice, buffer_view(&news.text), &news, NULL, NULL, out);
		for (; choice->tools != NULL && choice->called < choice->tools->count; choice->called++)
			answer_write_call(answer, choice, choice->called, out);
		choice->end = news.end;
		if (news.end != GENERATION_RUNNING)
			answer_write_event(answer, choice, slice_of(NULL, 0), NULL, NULL,
			                   answer_reason(choice), out);
	} else {
		buffer_slice(&choice->text, buffer_view(&news.text));
		if (answer->chat && news.report_count > 0)
			answer_write_logprobs(answer, &choice->logprobs, news.reports, news.report_count);
		else if (news.report_count > 0)
			buffer_append(&choice->logprobs, news.reports,
			              news.report_count * sizeof *news.reports);
	}
	buffer_free(&news.text);
	free(news.reports);
	if (news.end != GENERATION_RUNNING) {
		choice->end = news.end;
		generation_release(choice->generation);
		choice->generation = NULL;
		answer->ended++;
	}
}

static bool
failed(const struct answer *answer)
{
	for (unsigned i = 0; i < answer->count; i++)
		if (answer->choices[i].end == GENERATION_FAILED ||
		    answer->choices[i].end == GENERATION_CANCELLED)
			return true;
	return false;
}

/* Pass on what there is; the answer may end here. */
static void
proceed(struct answer *answer)
{
	struct http_call *call = answer->call;
	struct buffer out;

	buffer_init(&out, ANSWER_LIMIT);
	for (unsigned i = 0; i < answer->count; i++)
		take_news(answer, &answer->choices[i], &out);
	if (answer->ended < answer->count) {
		/* May drop the connection, and with it the answer. */
		if (answer->stream)
			engine_http_chunk(call, buffer_view(&out));
		buffer_free(&out);
		return;
	}
	call->gone = NULL;
	if (failed(answer)) {
		struct fault why;

		fault_set(&why, FAULT_UNAVAILABLE, "엔진이 답을 끝내지 못했습니다",
		          "the engine could not finish the answer");
		buffer_reset(&out);
		if (!answer->stream) {
			answer_fault(answer->api, call, &why, NULL, 0);
		} else {
			buffer_string(&out, "data: {\"error\":{\"message\":\"엔진이 답을 끝내지 못했습니다 | "
			                    "the engine could not finish "
			                    "the "
			                    "answer\",\"type\":\"server_error\",\"param\":null,\"code\":"
			                    "\"unavailable\"}}\n\n");
			engine_http_chunk(call, buffer_view(&out));
			engine_http_finish(call);
		}
	} else if (answer->stream) {
		if (answer->include_usage)
			answer_write_usage(answer, &out);
		buffer_string(&out, "data: [DONE]\n\n");
		engine_http_chunk(call, buffer_view(&out));
		engine_http_finish(call);
	} else {
		answer_write_whole(answer, &out);
		engine_http_answer(call, 200, "application/json", buffer_view(&out), NULL);
	}
	buffer_free(&out);
	answer_free(answer);
}

static void
woken(void *context)
{
	struct engine_api *api = context;

	for (;;) {
		struct answer *answer;

		pthread_mutex_lock(&api->lock);
		if ((answer = api->news) != NULL) {
			api->news = answer->next;
			answer->next = NULL;
			answer->listed = false;
		}
		pthread_mutex_unlock(&api->lock);
		if (answer == NULL)
			break;
		proceed(answer);
	}
}

static void
make_id(struct answer *answer)
{
	uint8_t random[12];
	char hex[25];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		memcpy(random, &answer->created, sizeof answer->created);
	hex_encode(hex, random, sizeof random);
	snprintf(answer->id, sizeof answer->id, "%s-%s", answer->chat ? "chatcmpl" : "cmpl", hex);
}

static void
complete(struct engine_api *api, struct http_call *call, bool chat)
{
	const struct model *model = engine_model(api->engine);
	struct engine_request request;
	struct fault why = {0};
	struct answer *answer = NULL;
	struct buffer out;
	size_t waiting = 0;
	char agency[65];

	snprintf(agency, sizeof agency, "%.*s", SLICE_PRINT(call->agency));
	if (engine_request_read(&request, call->body, chat, model->tokenizer, api->chat_template,
	                        engine_context(api->engine), &why) == -1)
		goto fail;
	if ((answer = calloc(1, sizeof *answer + request.choices * sizeof *answer->choices)) == NULL) {
		fault_memory(&why);
		goto fail;
	}
	answer->api = api;
	answer->model = engine_model(api->engine);
	answer->call = call;
	answer->chat = chat;
	answer->stream = request.stream;
	answer->include_usage = request.include_usage;
	answer->with_logprobs = request.generation.logprobs >= 0;
	answer->created = clock_wall_ms() / 1000;
	answer->prompt_tokens = request.prompt.count;
	make_id(answer);
	request.generation.agency = agency;
	request.generation.news = have_news;
	for (unsigned i = 0; i < request.choices; i++) {
		struct choice *choice = &answer->choices[i];

		choice->answer = answer;
		buffer_init(&choice->text, ANSWER_LIMIT);
		buffer_init(&choice->logprobs, ANSWER_LIMIT);
		request.generation.owner = choice;
		if (i > 0)
			request.generation.sampling.seed++;
		request.generation.constraint = NULL;
		if (request.constrained &&
		    constraint_compile(&request.generation.constraint, request.schema, &why) == -1) {
			snprintf(request.param, sizeof request.param, "response_format");
			goto fail;
		}
		answer->count = i + 1;
		if (request.tools != TOOL_STYLE_NONE &&
		    (choice->tools = tool_calls_new(request.tools, request.tool_list, request.whole_call,
		                                    request.forced)) == NULL) {
			fault_memory(&why);
			constraint_free(request.generation.constraint);
			goto fail;
		}
		if (generation_submit(api->engine, &request.generation, &choice->generation, &waiting,
		                      &why) == -1) {
			constraint_free(request.generation.constraint);
			goto fail;
		}
	}
	call->owner = answer;
	call->gone = client_gone;
	if (answer->stream) {
		buffer_init(&out, ANSWER_LIMIT);
		engine_http_begin(call, "text/event-stream; charset=utf-8");
		for (unsigned i = 0; chat && i < answer->count; i++)
			answer_write_event(answer, &answer->choices[i], slice_of(NULL, 0), NULL, "assistant",
			                   NULL, &out);
		engine_http_chunk(call, buffer_view(&out));
		buffer_free(&out);
	}
	engine_request_free(&request);
	return;
fail:
	if (answer != NULL)
		answer_free(answer);
	answer_fault(api, call, &why, request.param, waiting);
	engine_request_free(&request);
}

static void
embed(struct engine_api *api, struct http_call *call)
{
	struct embedding_request request;
	struct generation_request generation = {
	    .sampling = {.repetition = 1}, .embed = true, .logprobs = -1, .news = have_news};
	struct fault why = {0};
	struct answer *answer = NULL;
	size_t waiting = 0;
	char agency[65];

	snprintf(agency, sizeof agency, "%.*s", SLICE_PRINT(call->agency));
	generation.agency = agency;
	if (embedding_request_read(&request, call->body, engine_model(api->engine)->tokenizer,
	                           engine_context(api->engine), engine_model(api->engine)->shape.width,
	                           &why) == -1)
		goto fail;
	if ((answer = calloc(1, sizeof *answer + request.count * sizeof *answer->choices)) == NULL) {
		fault_memory(&why);
		goto fail;
	}
	answer->api = api;
	answer->model = engine_model(api->engine);
	answer->call = call;
	answer->embed = true;
	answer->base64 = request.base64;
	answer->dimensions = request.dimensions != 0 ? request.dimensions : answer->model->shape.width;
	for (unsigned i = 0; i < request.count; i++) {
		struct choice *choice = &answer->choices[i];

		choice->answer = answer;
		buffer_init(&choice->text, ANSWER_LIMIT);
		buffer_init(&choice->logprobs, ANSWER_LIMIT);
		answer->count = i + 1;
		answer->prompt_tokens += request.inputs[i].count;
		generation.owner = choice;
		generation.prompt = request.inputs[i].ids;
		generation.prompt_count = request.inputs[i].count;
		if (generation_submit(api->engine, &generation, &choice->generation, &waiting, &why) == -1)
			goto fail;
	}
	call->owner = answer;
	call->gone = client_gone;
	embedding_request_free(&request);
	return;
fail:
	if (answer != NULL)
		answer_free(answer);
	answer_fault(api, call, &why, request.param, waiting);
	embedding_request_free(&request);
}

static void
handle(void *context, struct http_call *call)
{
	struct engine_api *api = context;
	bool get = slice_is(call->method, "GET") || slice_is(call->method, "HEAD");
	bool post = slice_is(call->method, "POST");
	char one[160];
	struct fault why;

	if (!atomic_load(&api->ready)) {
		answer_loading(api, call);
		return;
	}
	snprintf(one, sizeof one, "/v1/models/%s", engine_model(api->engine)->name);
	if (slice_is(call->path, "/v1/chat/completions") && post) {
		complete(api, call, true);
	} else if (slice_is(call->path, "/v1/completions") && post) {
		complete(api, call, false);
	} else if (slice_is(call->path, "/v1/embeddings") && post) {
		embed(api, call);
	} else if (slice_is(call->path, "/v1/models") && get) {
		answer_models(api, call, false);
	} else if (slice_is(call->path, one) && get) {
		answer_models(api, call, true);
	} else if (slice_is(call->path, "/healthz") && get) {
		engine_http_answer(call, 200, "application/json", slice_string("{\"status\":\"ok\"}"), NULL);
	} else if (slice_is(call->path, "/metrics") && get) {
		answer_metrics(api, call);
	} else {
		fault_set(&why, FAULT_NOT_FOUND, "그런 경로가 없습니다", "there is no such path");
		answer_fault(api, call, &why, NULL, 0);
	}
}

int
engine_api_open(struct engine_api **out, const char *listen, struct fault *why)
{
	struct engine_api *api = calloc(1, sizeof *api);
	struct http_callbacks callbacks = {.context = api, .request = handle, .woken = woken};

	if (api == NULL)
		return fault_memory(why);
	api->started = clock_wall_ms();
	pthread_mutex_init(&api->lock, NULL);
	if (engine_http_open(&api->http, listen, &callbacks, api->address, why) == -1) {
		pthread_mutex_destroy(&api->lock);
		free(api);
		return -1;
	}
	*out = api;
	return 0;
}

const char *
engine_api_address(const struct engine_api *api)
{
	return api->address;
}

void
engine_api_loading(struct engine_api *api, unsigned percent)
{
	atomic_store(&api->percent, percent);
}

void
engine_api_begin(struct engine_api *api, struct engine *engine, const struct chat_template *chat_template)
{
	api->engine = engine;
	api->chat_template = chat_template;
	atomic_store(&api->ready, true);
}

void
engine_api_run(struct engine_api *api)
{
	engine_http_run(api->http);
}

void
engine_api_stop(struct engine_api *api)
{
	engine_http_stop(api->http);
}

void
engine_api_close(struct engine_api *api)
{
	if (api == NULL)
		return;
	engine_http_close(api->http);
	pthread_mutex_destroy(&api->lock);
	free(api);
}
