/* Answers on their way: begun by a call, fed by generations, ended by their last token or by a client that leaves. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "inference/constraint.h"
#include "inference/engine_inside.h"
#include "inference/engine_request.h"
#include "inference/model.h"
#include "inference/speech.h"
#include "schema/base/clock.h"

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
	if (news.embedding != NULL)
		take_embedding(answer, choice, news.embedding);
	free(news.embedding);
	choice->cached = news.cached_tokens;
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

/* Its client is told that no more comes. */
static void
fail(struct answer *answer)
{
	const bool stopping = engine_http_stopping(answer->api->http);
	struct fault why;
	struct buffer out;

	if (stopping)
		fault_set(&why, FAULT_UNAVAILABLE, "엔진이 멈추는 중이라 답을 끝내지 못했습니다",
		          "the engine is stopping and could not finish the answer");
	else
		fault_set(&why, FAULT_UNAVAILABLE, "엔진이 답을 끝내지 못했습니다",
		          "the engine could not finish the answer");
	if (!answer->stream) {
		engine_answer_fault(answer->api, answer->call, &why, NULL, "", 0);
		return;
	}
	buffer_init(&out, 4096);
	buffer_printf(
	    &out,
	    "data: {\"error\":{\"message\":\"%s | %s\",\"type\":\"server_error\",\"param\":null,\"code\":"
	    "\"unavailable\"}}\n\n",
	    why.ko, why.en);
	engine_http_chunk(answer->call, buffer_view(&out));
	engine_http_finish(answer->call);
	buffer_free(&out);
}

void
engine_answer_cut(void *context, struct http_call *call)
{
	struct answer *answer = call->owner;

	(void)context;
	if (answer == NULL)
		return;
	call->gone = NULL;
	fail(answer);
	answer_free(answer);
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
		fail(answer);
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

void
engine_answer_news(void *context)
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

/* A prompt that does not fit is told with the length that would. */
static void
note_length(const struct engine_api *api, char param[64], char code[32], struct fault *why)
{
	if (why->kind != FAULT_TOO_LARGE ||
	    (strcmp(param, "messages") != 0 && strcmp(param, "prompt") != 0 && strcmp(param, "input") != 0))
		return;
	snprintf(code, 32, "context_length_exceeded");
	fault_set(why, FAULT_TOO_LARGE, "'%s'이(가) 이 모델의 문맥 길이 %zu토큰에 들어가지 않습니다",
	          "'%s' does not fit this model's context of %zu tokens", param, engine_context(api->engine));
}

static struct answer *
answer_new(struct engine_api *api, struct http_call *call, size_t choices, struct fault *why)
{
	struct answer *answer = calloc(1, sizeof *answer + choices * sizeof *answer->choices);

	if (answer == NULL) {
		fault_memory(why);
		return NULL;
	}
	answer->api = api;
	answer->model = engine_model(api->engine);
	answer->call = call;
	return answer;
}

/* What a client who wants the prompt again is told first. */
static void
echo(struct choice *choice, const struct token_list *prompt, const struct tokenizer *tokenizer)
{
	struct speech speech;

	speech_init(&speech, NULL, 0, tokenizer_leading_space(tokenizer));
	for (size_t i = 0; i < prompt->count; i++)
		if (tokenizer_kind(tokenizer, prompt->ids[i]) != TOKEN_CONTROL)
			(void)speech_add(&speech, tokenizer_bytes(tokenizer, prompt->ids[i]), &choice->text);
	speech_end(&speech, false, &choice->text);
	speech_free(&speech);
}

/* The next of an answer's choices, and what its generation has to do with it. */
static struct choice *
next_choice(struct answer *answer, struct generation_request *generation, const struct token_list *prompt)
{
	struct choice *choice = &answer->choices[answer->count++];

	choice->answer = answer;
	buffer_init(&choice->text, ANSWER_LIMIT);
	buffer_init(&choice->logprobs, ANSWER_LIMIT);
	generation->owner = choice;
	generation->prompt = prompt->ids;
	generation->prompt_count = prompt->count;
	return choice;
}

/* One answer to one prompt, on its way. */
static int
begin_choice(struct answer *answer, struct engine_request *request, const struct token_list *prompt,
             size_t *waiting, struct fault *why)
{
	struct generation_request *generation = &request->generation;
	struct choice *choice = next_choice(answer, generation, prompt);

	generation->constraint = request->constraint != NULL ? constraint_hold(request->constraint) : NULL;
	if (request->echo)
		echo(choice, prompt, answer->model->tokenizer);
	if (request->tools != TOOL_STYLE_NONE &&
	    (choice->tools = tool_calls_new(request->tools, request->tool_list, request->whole_call,
	                                    request->forced)) == NULL) {
		constraint_free(generation->constraint);
		return fault_memory(why);
	}
	if (choice->tools != NULL)
		choice->tools->one = request->one_call;
	if (generation_submit(answer->api->engine, generation, &choice->generation, waiting, why) == -1) {
		if (why->kind == FAULT_TOO_LARGE)
			snprintf(request->param, sizeof request->param, "%s",
			         answer->chat ? "messages" : "prompt");
		constraint_free(generation->constraint);
		return -1;
	}
	return 0;
}

/* The events that come before anything is said. */
static void
open_stream(struct answer *answer)
{
	struct buffer out;

	buffer_init(&out, ANSWER_LIMIT);
	engine_http_begin(answer->call, "text/event-stream; charset=utf-8");
	for (unsigned i = 0; i < answer->count; i++) {
		struct choice *choice = &answer->choices[i];

		if (answer->chat)
			answer_write_event(answer, choice, slice_of(NULL, 0), NULL, "assistant", NULL, &out);
		else if (choice->text.size > 0)
			answer_write_event(answer, choice, buffer_view(&choice->text), NULL, NULL, NULL,
			                   &out);
	}
	engine_http_chunk(answer->call, buffer_view(&out));
	buffer_free(&out);
}

void
engine_answer_completion(struct engine_api *api, struct http_call *call, bool chat)
{
	const struct model *model = engine_model(api->engine);
	struct engine_request request;
	struct fault why = {0};
	struct answer *answer = NULL;
	size_t waiting = 0;
	char agency[65];

	snprintf(agency, sizeof agency, "%.*s", SLICE_PRINT(call->agency));
	if (engine_request_read(&request, call->body, chat, model->name, model->tokenizer, api->chat_template,
	                        engine_context(api->engine), &why) == -1 ||
	    (answer = answer_new(api, call, request.choices * request.prompts.count, &why)) == NULL)
		goto fail;
	if (request.constrained && constraint_compile(&request.constraint, request.schema, &why) == -1) {
		snprintf(request.param, sizeof request.param, "response_format");
		goto fail;
	}
	answer->chat = chat;
	answer->stream = request.stream;
	answer->include_usage = request.include_usage;
	answer->with_logprobs = request.generation.logprobs >= 0;
	answer->created = clock_wall_ms() / 1000;
	answer->prompt_tokens = request.prompts.tokens;
	answer->each = request.choices;
	make_id(answer);
	request.generation.agency = agency;
	request.generation.news = have_news;
	for (size_t prompt = 0; prompt < request.prompts.count; prompt++) {
		const uint64_t seed = request.generation.sampling.seed;

		for (unsigned i = 0; i < request.choices; i++, request.generation.sampling.seed++)
			if (begin_choice(answer, &request, &request.prompts.lists[prompt], &waiting, &why) ==
			    -1)
				goto fail;
		request.generation.sampling.seed = seed;
	}
	call->owner = answer;
	call->gone = client_gone;
	if (answer->stream)
		open_stream(answer);
	engine_request_free(&request);
	return;
fail:
	if (answer != NULL)
		answer_free(answer);
	note_length(api, request.param, request.code, &why);
	engine_answer_fault(api, call, &why, request.param, request.code, waiting);
	engine_request_free(&request);
}

void
engine_answer_embedding(struct engine_api *api, struct http_call *call)
{
	const struct model *model = engine_model(api->engine);
	struct embedding_request request;
	struct generation_request generation = {
	    .sampling = {.repetition = 1}, .embed = true, .logprobs = -1, .news = have_news};
	struct fault why = {0};
	struct answer *answer = NULL;
	size_t waiting = 0;
	char agency[65];

	snprintf(agency, sizeof agency, "%.*s", SLICE_PRINT(call->agency));
	generation.agency = agency;
	if (embedding_request_read(&request, call->body, model->name, model->tokenizer,
	                           engine_context(api->engine), model->shape.width, &why) == -1 ||
	    (answer = answer_new(api, call, request.inputs.count, &why)) == NULL)
		goto fail;
	answer->embed = true;
	answer->base64 = request.base64;
	answer->dimensions = request.dimensions != 0 ? request.dimensions : model->shape.width;
	answer->prompt_tokens = request.inputs.tokens;
	answer->each = 1;
	for (unsigned i = 0; i < request.inputs.count; i++) {
		struct choice *choice = next_choice(answer, &generation, &request.inputs.lists[i]);

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
	note_length(api, request.param, request.code, &why);
	engine_answer_fault(api, call, &why, request.param, request.code, waiting);
	embedding_request_free(&request);
}
