/* A generation's life: submitted, told of, read, cancelled, released; and what it says, token by token. */
#include <stdlib.h>
#include <string.h>

#include "inference/batch.h"
#include "inference/tokenizer.h"
#include "inference/tool_calls.h"
#include "schema/base/clock.h"

#define TEXT_LIMIT  ((size_t)64 << 20)
#define TRIED_LIMIT 4000000 /* steps of a schema for one token: some 0.2 s */

static void
generation_unhold(struct generation *generation)
{
	if (atomic_fetch_sub(&generation->holders, 1) != 1)
		return;
	sampler_free(generation->sampler);
	speech_free(&generation->speech);
	buffer_free(&generation->text);
	pthread_mutex_destroy(&generation->lock);
	free(generation->reports);
	free(generation->tokens);
	free(generation->pages);
	free(generation->stop_bytes);
	free(generation->state);
	constraint_free(generation->constraint);
	free(generation->said);
	free(generation->tried);
	free(generation);
}

static struct generation *
generation_new(struct engine *engine, const struct generation_request *request, size_t most)
{
	struct generation *generation = calloc(1, sizeof *generation);
	struct slice stops[SPEECH_STOPS_LIMIT];
	size_t bytes = 0, count = request->stop_count;

	if (generation == NULL)
		return NULL;
	pthread_mutex_init(&generation->lock, NULL);
	atomic_init(&generation->holders, 1);
	generation->engine = engine;
	generation->prompt_count = generation->count = request->prompt_count;
	generation->most = most;
	generation->page_need = (most + CACHE_PAGE - 1) / CACHE_PAGE;
	generation->tokens = malloc((most + 1) * sizeof *generation->tokens);
	generation->pages = malloc(generation->page_need * sizeof *generation->pages);
	generation->sampler = sampler_new(&request->sampling);
	count = count < SPEECH_STOPS_LIMIT ? count : SPEECH_STOPS_LIMIT;
	for (size_t i = 0; i < count; i++)
		bytes += request->stops[i].size;
	generation->stop_bytes = malloc(bytes + 1);
	if (request->constraint != NULL) {
		generation->said = calloc(1, sizeof *generation->said);
		generation->tried = calloc(1, sizeof *generation->tried);
	}
	if (request->embed)
		generation->state = calloc(engine->model->shape.width, sizeof *generation->state);
	if ((request->constraint != NULL && (generation->said == NULL || generation->tried == NULL)) ||
	    (request->embed && generation->state == NULL) || generation->tokens == NULL ||
	    generation->pages == NULL || generation->sampler == NULL || generation->stop_bytes == NULL) {
		generation_unhold(generation);
		return NULL;
	}
	memcpy(generation->tokens, request->prompt, request->prompt_count * sizeof *generation->tokens);
	bytes = 0;
	for (size_t i = 0; i < count; i++) {
		memcpy(generation->stop_bytes + bytes, request->stops[i].data, request->stops[i].size);
		stops[i] = slice_of(generation->stop_bytes + bytes, request->stops[i].size);
		bytes += request->stops[i].size;
	}
	speech_init(&generation->speech, stops, count, request->trim);
	buffer_init(&generation->text, TEXT_LIMIT);
	generation->ignore_end = request->ignore_end;
	generation->markers = request->markers;
	generation->least = request->min_tokens;
	generation->logprobs = request->logprobs;
	generation->news = request->news;
	generation->owner = request->owner;
	generation->last.page = PAGE_NONE;
	return generation;
}

int
generation_submit(struct engine *engine, const struct generation_request *request, struct generation **out,
                  size_t *position, struct fault *why)
{
	struct generation *generation;
	struct share *share;
	size_t most = request->prompt_count + request->max_tokens, waiting, ahead, free_places;

	if (request->prompt_count == 0)
		return fault_set(why, FAULT_INVALID, "프롬프트가 비어 있습니다", "the prompt is empty");
	if (request->prompt_count >= engine->context)
		return fault_set(why, FAULT_TOO_LARGE, "프롬프트 %zu토큰이 문맥 길이 %zu토큰을 넘습니다",
		                 "the prompt of %zu tokens does not fit the context of %zu",
		                 request->prompt_count, engine->context);
	if (request->embed)
		most = request->prompt_count;
	else if (request->max_tokens == 0 || most > engine->context)
		most = engine->context;
	for (size_t i = 0; i < request->prompt_count; i++)
		if (request->prompt[i] >= engine->model->shape.vocabulary)
			return fault_set(why, FAULT_INVALID, "토큰 %u은(는) 어휘에 없습니다",
			                 "token %u is not in the vocabulary", request->prompt[i]);
	if ((generation = generation_new(engine, request, most)) == NULL)
		return fault_memory(why);
	pthread_mutex_lock(&engine->lock);
	/* Who finds a place at once does not wait. */
	free_places = engine->parallel - engine->counters.active;
	share = shares_find(&engine->shares, request->agency != NULL ? request->agency : "");
	ahead = shares_ahead(&engine->shares, share);
	ahead = ahead > free_places ? ahead - free_places : 0;
	waiting = engine->waiting > free_places ? engine->waiting - free_places : 0;
	if (engine->over || (waiting >= engine->queue_limit &&
	                     !shares_entitled(&engine->shares, share, engine->queue_limit))) {
		engine->counters.refused++;
		pthread_mutex_unlock(&engine->lock);
		generation_unhold(generation);
		if (position != NULL)
			*position = ahead;
		return fault_set(why, FAULT_BUSY, "대기열이 가득 찼습니다: 앞에 %zu개 요청이 기다립니다",
		                 "the queue is full: %zu requests would come first", ahead);
	}
	generation->share = share;
	generation->salt =
	    shares_salt(&engine->shares, share, request->agency != NULL ? request->agency : "");
	shares_come(&engine->shares, share);
	generation->constraint = request->constraint;
	if (generation->constraint != NULL)
		constraint_begin(generation->said, generation->constraint);
	atomic_store(&generation->holders, 2);
	*engine->submitted_end = generation;
	engine->submitted_end = &generation->next;
	engine->waiting++;
	engine->counters.generations++;
	pthread_cond_signal(&engine->wake);
	pthread_mutex_unlock(&engine->lock);
	if (position != NULL)
		*position = ahead;
	*out = generation;
	return 0;
}

void
generation_read(struct generation *generation, struct generation_news *out)
{
	pthread_mutex_lock(&generation->lock);
	out->text = generation->text;
	buffer_init(&generation->text, TEXT_LIMIT);
	out->reports = generation->reports;
	out->report_count = generation->report_count;
	generation->reports = NULL;
	generation->report_count = generation->report_capacity = 0;
	out->prompt_tokens = generation->prompt_count;
	out->cached_tokens = generation->cached;
	out->completion_tokens = generation->completed;
	out->end = generation->end;
	out->embedding = NULL;
	if (out->end == GENERATION_STOP && generation->state != NULL) {
		out->embedding = generation->state;
		generation->state = NULL;
	}
	pthread_mutex_unlock(&generation->lock);
}

void
generation_cancel(struct generation *generation)
{
	atomic_store(&generation->cancelled, true);
}

void
generation_release(struct generation *generation)
{
	if (generation == NULL)
		return;
	generation_cancel(generation);
	pthread_mutex_lock(&generation->lock);
	generation->news = NULL;
	pthread_mutex_unlock(&generation->lock);
	generation_unhold(generation);
}

/* Tell the owner. With the lock held, so that the owner cannot leave meanwhile. */
static void
tell(struct generation *generation)
{
	if (generation->news != NULL)
		generation->news(generation->owner);
}

void
generation_finish(struct generation *generation, enum generation_end end)
{
	struct engine *engine = generation->engine;

	for (size_t i = 0; i < generation->page_count; i++)
		pages_drop(engine->pages, generation->pages[i]);
	engine->promised -= generation->page_need - generation->page_count;
	generation->page_count = generation->page_need = 0;
	pthread_mutex_lock(&generation->lock);
	speech_end(&generation->speech, end == GENERATION_LENGTH, &generation->text);
	generation->end = end;
	tell(generation);
	pthread_mutex_unlock(&generation->lock);
	pthread_mutex_lock(&engine->lock);
	shares_leave(generation->share, generation->running);
	if (end == GENERATION_CANCELLED)
		engine->counters.cancelled++;
	else if (generation->began != 0) /* a moving mean of how long answers hold their place */
		engine->counters.mean_seconds += ((double)(clock_monotonic_ns() - generation->began) * 1e-9 -
		                                  engine->counters.mean_seconds) /
		                                 8;
	pthread_mutex_unlock(&engine->lock);
	generation_unhold(generation);
}

/* ---- what it says ----------------------------------------------------------------------------------------------- */

static void
report(struct generation *generation, uint32_t token, const float *logits, size_t vocabulary)
{
	struct token_report *slot;

	if (generation->report_count == generation->report_capacity) {
		size_t capacity = generation->report_capacity * 2 + 16;
		struct token_report *reports = realloc(generation->reports, capacity * sizeof *reports);

		if (reports == NULL)
			return;
		generation->reports = reports;
		generation->report_capacity = capacity;
	}
	slot = &generation->reports[generation->report_count++];
	slot->token = token;
	slot->best_count = (size_t)generation->logprobs;
	slot->logprob = sampler_logprobs(logits, vocabulary, token, slot->best, slot->best_count);
}

/* Of a token that is whole characters, none a quote, a backslash or a control character: how many. Else 0. */
static uint8_t
plain_characters(struct slice bytes)
{
	unsigned count = 0;

	while (bytes.size > 0) {
		uint32_t code;
		const size_t size = utf8_next(bytes, &code);

		if (size == 0 || code < 32 || code == '"' || code == '\\' || ++count > UINT8_MAX)
			return 0;
		bytes = slice_of(bytes.data + size, bytes.size - size);
	}
	return (uint8_t)count;
}

/* Once before the tokens of a vocabulary are tried: what can be said of many of them at once. */
static void
prepare(struct generation *generation)
{
	struct engine *engine = generation->engine;
	const struct tokenizer *tokenizer = engine->model->tokenizer;
	const size_t vocabulary = engine->model->shape.vocabulary;

	if (engine->plain == NULL && (engine->plain = calloc(vocabulary, 1)) != NULL)
		for (uint32_t token = 0; token < vocabulary; token++)
			engine->plain[token] = plain_characters(tokenizer_bytes(tokenizer, token));
	generation->plain = constraint_plain(generation->said);
	generation->found = false;
	for (unsigned byte = 0; byte < 256; byte++) {
		const uint8_t one = (uint8_t)byte;

		constraint_copy(generation->tried, generation->said);
		generation->begins[byte] = constraint_feed(generation->tried, slice_of(&one, 1));
	}
	generation->tried->work = 0;
}

/* Whether a token may come next in an answer that is kept to a schema, or to a least length. */
static bool
fits(void *context, uint32_t token)
{
	struct generation *generation = context;
	const struct tokenizer *tokenizer = generation->engine->model->tokenizer;
	struct slice bytes = tokenizer_bytes(tokenizer, token);

	if (generation->constraint == NULL)
		return !tokenizer_ends(tokenizer, token) ||
		       generation->count - generation->prompt_count >= generation->least;
	if (tokenizer_ends(tokenizer, token))
		return constraint_complete(generation->said);
	if (tokenizer_kind(tokenizer, token) == TOKEN_CONTROL || bytes.size == 0 ||
	    !generation->begins[bytes.data[0]])
		return false;
	if (generation->engine->plain != NULL && generation->engine->plain[token] != 0 &&
	    generation->engine->plain[token] <= generation->plain)
		return true;
	/* A schema may be made to be slow: then fewer tokens are tried, but one that may come is looked for. */
	if (generation->found && generation->tried->work > TRIED_LIMIT)
		return false;
	constraint_copy(generation->tried, generation->said);
	if (!constraint_feed(generation->tried, bytes))
		return false;
	generation->found = true;
	return true;
}

bool
generation_greedy(const struct generation *generation)
{
	return generation->constraint == NULL && generation->logprobs < 0 && generation->least == 0 &&
	       sampler_greedy(generation->sampler);
}

bool
generation_say(struct generation *generation, float *logits, uint32_t best)
{
	struct engine *engine = generation->engine;
	const size_t vocabulary = engine->model->shape.vocabulary;
	enum generation_end end = GENERATION_RUNNING;
	sampler_allowed *allowed =
	    generation->constraint != NULL || generation->count - generation->prompt_count < generation->least
	        ? fits
	        : NULL;
	uint32_t token;

	if (generation->constraint != NULL)
		prepare(generation);
	if (generation_greedy(generation)) {
		token = best;
	} else if (generation->logprobs >= 0) {
		/* Probabilities are the model's own: before penalties and bias change the logits. */
		float *copy = malloc(vocabulary * sizeof *copy);

		if (copy == NULL) {
			generation_finish(generation, GENERATION_FAILED);
			return true;
		}
		memcpy(copy, logits, vocabulary * sizeof *copy);
		token = sampler_pick(generation->sampler, logits, vocabulary, allowed, generation);
		pthread_mutex_lock(&generation->lock);
		if (token != UINT32_MAX &&
		    (!tokenizer_ends(engine->model->tokenizer, token) || generation->ignore_end))
			report(generation, token, copy, vocabulary);
		pthread_mutex_unlock(&generation->lock);
		free(copy);
	} else {
		token = sampler_pick(generation->sampler, logits, vocabulary, allowed, generation);
	}
	if (token == UINT32_MAX) { /* nothing that the vocabulary holds may come next */
		generation_finish(generation,
		                  generation->constraint != NULL && constraint_complete(generation->said)
		                      ? GENERATION_STOP
		                      : GENERATION_FAILED);
		return true;
	}
	sampler_accept(generation->sampler, token);
	generation->tokens[generation->count++] = token;
	pthread_mutex_lock(&generation->lock);
	generation->completed++;
	if (tokenizer_ends(engine->model->tokenizer, token) && !generation->ignore_end) {
		end = GENERATION_STOP;
	} else {
		struct slice bytes = tokenizer_bytes(engine->model->tokenizer, token);

		if ((tokenizer_kind(engine->model->tokenizer, token) != TOKEN_CONTROL ||
		     (generation->markers && tool_calls_marker(bytes))) &&
		    speech_add(&generation->speech, tokenizer_bytes(engine->model->tokenizer, token),
		               &generation->text))
			end = GENERATION_STOP;
		else if (generation->constraint != NULL && !tokenizer_ends(engine->model->tokenizer, token) &&
		         (!constraint_feed(generation->said,
		                           tokenizer_bytes(engine->model->tokenizer, token)) ||
		          constraint_ended(generation->said)))
			end = GENERATION_STOP; /* the closing brace */
		else if (generation->count >= generation->most)
			end = GENERATION_LENGTH;
		if (end == GENERATION_RUNNING && (generation->text.size > 0 || generation->report_count > 0))
			tell(generation);
	}
	pthread_mutex_unlock(&generation->lock);
	if (end != GENERATION_RUNNING)
		generation_finish(generation, end);
	return end != GENERATION_RUNNING;
}
