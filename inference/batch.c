/*
 * batch -- the thread that computes, and what it computes next.
 *
 * Every step takes one token of each answer that is being said and, beside them, a piece of the prompts that are
 * still being read. An answer is admitted when a place is free and the pages that it may ever need are there, so
 * none that has begun can starve.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inference/constraint.h"
#include "inference/inference.h"
#include "inference/model.h"
#include "inference/pages.h"
#include "inference/speech.h"
#include "inference/tokenizer.h"
#include "inference/tool_calls.h"
#include "inference/weights.h"
#include "schema/base/clock.h"

#define STEP_ROWS        512 /* most rows of one step */
#define STEP_PROMPT_ROWS 128 /* of prompts, while others are speaking: a step stays short for them */
#define TEXT_LIMIT       ((size_t)64 << 20)

struct generation {
	struct engine *engine;
	struct generation *next;
	_Atomic int holders; /* the owner and the engine */
	_Atomic bool cancelled;

	/* the engine thread's */
	uint32_t *tokens; /* prompt, then answer */
	size_t prompt_count, count, most;
	int64_t began;   /* when it was admitted; 0: it waits */
	size_t computed; /* positions in the cache */
	size_t rows_now; /* in this step */
	bool spoke;      /* this step had its last token alone */
	uint32_t *pages;
	size_t page_count, page_need;
	struct page_name last; /* of the pages made known */
	size_t published;
	struct sampler *sampler;
	struct speech speech;
	uint8_t *stop_bytes;
	bool ignore_end, markers;
	float *state;                  /* of one that is only embedded: the sum so far */
	struct constraint *constraint; /* NULL mostly */
	struct constraint_state *said; /* what of it has been said */
	int logprobs;

	/* both sides, under the lock */
	pthread_mutex_t lock;
	void (*news)(void *owner);
	void *owner;
	struct buffer text;
	struct token_report *reports;
	size_t report_count, report_capacity;
	size_t cached, completed;
	enum generation_end end;
};

struct engine {
	struct model *model;
	const struct runner_kind *kind;
	struct runner *runner;
	char description[128];
	size_t context, parallel, queue_limit, page_total;
	struct pages *pages;
	size_t promised; /* pages that running answers may still take */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct generation *submitted, **submitted_end;
	size_t waiting; /* submitted or not yet admitted */
	bool over;
	struct engine_counters counters;

	/* the thread's own */
	struct generation **running;
	size_t running_count;
	struct generation *queue, **queue_end;
	struct step_row *rows;
	float *logits, *states;
};

/* ---- a generation's life ---------------------------------------------------------------------------------------- */

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
	if (request->constraint != NULL)
		generation->said = calloc(1, sizeof *generation->said);
	if (request->embed)
		generation->state = calloc(engine->model->shape.width, sizeof *generation->state);
	if ((request->constraint != NULL && generation->said == NULL) ||
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
	size_t most = request->prompt_count + request->max_tokens, waiting;

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
	waiting = engine->waiting + engine->counters.active;
	waiting = waiting > engine->parallel ? waiting - engine->parallel : 0;
	if (engine->over || waiting >= engine->queue_limit) {
		engine->counters.refused++;
		pthread_mutex_unlock(&engine->lock);
		generation_unhold(generation);
		if (position != NULL)
			*position = waiting;
		return fault_set(why, FAULT_BUSY, "대기열이 가득 찼습니다: 앞에 %zu개 요청이 기다립니다",
		                 "the queue is full: %zu requests are waiting", waiting);
	}
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
		*position = waiting;
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

static void
finish(struct generation *generation, enum generation_end end)
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
	if (end == GENERATION_CANCELLED)
		engine->counters.cancelled++;
	else if (generation->began != 0) /* a moving mean of how long answers hold their place */
		engine->counters.mean_seconds += ((double)(clock_monotonic_ns() - generation->began) * 1e-9 -
		                                  engine->counters.mean_seconds) /
		                                 8;
	pthread_mutex_unlock(&engine->lock);
	generation_unhold(generation);
}

/* ---- one step --------------------------------------------------------------------------------------------------- */

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

/* Whether a token may come next in an answer that is kept to a schema. */
static bool
fits(void *context, uint32_t token)
{
	const struct generation *generation = context;
	const struct tokenizer *tokenizer = generation->engine->model->tokenizer;
	struct constraint_state copy;
	struct slice bytes = tokenizer_bytes(tokenizer, token);

	if (tokenizer_ends(tokenizer, token))
		return constraint_complete(generation->said);
	if (tokenizer_kind(tokenizer, token) == TOKEN_CONTROL || bytes.size == 0)
		return false;
	copy = *generation->said;
	return constraint_feed(&copy, bytes);
}

/* The next token of an answer from its logits. true: the answer has ended. */
static bool
say(struct generation *generation, float *logits)
{
	struct engine *engine = generation->engine;
	const size_t vocabulary = engine->model->shape.vocabulary;
	enum generation_end end = GENERATION_RUNNING;
	sampler_allowed *allowed = generation->constraint != NULL ? fits : NULL;
	uint32_t token;

	if (generation->logprobs >= 0) {
		/* Probabilities are the model's own: before penalties and bias change the logits. */
		float *copy = malloc(vocabulary * sizeof *copy);

		if (copy == NULL) {
			finish(generation, GENERATION_FAILED);
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
		finish(generation,
		       constraint_complete(generation->said) ? GENERATION_STOP : GENERATION_FAILED);
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
		          generation->said->depth == 0))
			end = GENERATION_STOP; /* the closing brace */
		else if (generation->count >= generation->most)
			end = GENERATION_LENGTH;
		if (end == GENERATION_RUNNING && (generation->text.size > 0 || generation->report_count > 0))
			tell(generation);
	}
	pthread_mutex_unlock(&generation->lock);
	if (end != GENERATION_RUNNING)
		finish(generation, end);
	return end != GENERATION_RUNNING;
}

/* Rows for the next tokens of one generation, at most `room`. Pages are there: they were promised. */
static size_t
add_rows(struct generation *generation, struct step_row *rows, size_t room)
{
	struct engine *engine = generation->engine;
	size_t many = generation->count - generation->computed;

	many = many < room ? many : room;
	for (size_t i = 0; i < many; i++) {
		size_t position = generation->computed + i;

		if (position / CACHE_PAGE >= generation->page_count) {
			generation->pages[generation->page_count++] = pages_take(engine->pages);
			engine->promised--;
		}
		rows[i] = (struct step_row){
		    .token = generation->tokens[position],
		    .position = (uint32_t)position,
		    .pages = generation->pages,
		    .wanted = generation->state == NULL && position + 1 == generation->count,
		    .state = generation->state != NULL &&
		             (!engine->model->shape.pool_last || position + 1 == generation->count),
		};
	}
	return many;
}

static void
publish(struct generation *generation)
{
	for (; (generation->published + 1) * CACHE_PAGE <= generation->computed; generation->published++)
		pages_publish(generation->engine->pages, generation->pages[generation->published],
		              generation->tokens + generation->published * CACHE_PAGE, &generation->last);
}

/* Give rows to whoever is speaking, one each, then to prompts in the order they came. */
static size_t
plan_step(struct engine *engine)
{
	size_t total = 0, limit = STEP_ROWS;

	for (size_t i = 0; i < engine->running_count; i++) {
		struct generation *generation = engine->running[i];

		generation->rows_now = 0;
		if (generation->count - generation->computed == 1)
			total += generation->rows_now = add_rows(generation, engine->rows + total, 1);
	}
	if (total > 0)
		limit = total + STEP_PROMPT_ROWS;
	for (size_t i = 0; i < engine->running_count && total < limit; i++) {
		struct generation *generation = engine->running[i];

		if (generation->rows_now == 0)
			total += generation->rows_now =
			    add_rows(generation, engine->rows + total, limit - total);
	}
	return total;
}

/* What the step made of rows that are only embedded; true: that was the last of them. */
static bool
embed(struct generation *generation, size_t rows, const float **states)
{
	const struct shape *shape = &generation->engine->model->shape;
	bool last = generation->computed == generation->count;
	double length = 0;

	for (size_t row = shape->pool_last ? (last ? rows - 1 : rows) : 0; row < rows;
	     row++, *states += shape->width)
		for (size_t i = 0; i < shape->width; i++)
			generation->state[i] += (*states)[i];
	if (!last)
		return false;
	for (size_t i = 0; i < shape->width; i++)
		length += (double)generation->state[i] * (double)generation->state[i];
	length = length > 0 ? 1 / sqrt(length) : 0;
	for (size_t i = 0; i < shape->width; i++)
		generation->state[i] = (float)((double)generation->state[i] * length);
	finish(generation, GENERATION_STOP);
	return true;
}

/* After the step: what is computed is known, and who is at his last token speaks. */
static void
use_step(struct engine *engine, bool speaking, size_t *at, const float **states)
{
	for (size_t i = 0; i < engine->running_count; i++) {
		struct generation *generation = engine->running[i];
		size_t rows;

		if (generation == NULL || generation->rows_now == 0 || generation->spoke != speaking)
			continue;
		rows = generation->rows_now;
		generation->computed += generation->rows_now;
		generation->rows_now = 0;
		publish(generation);
		if (generation->state != NULL) {
			if (embed(generation, rows, states))
				engine->running[i] = NULL;
		} else if (generation->computed == generation->count &&
		           say(generation, engine->logits + (*at)++ * engine->model->shape.vocabulary))
			engine->running[i] = NULL;
	}
}

static void
run_step(struct engine *engine)
{
	int64_t start = clock_monotonic_ns();
	struct step step = {.rows = engine->rows,
	                    .count = plan_step(engine),
	                    .logits = engine->logits,
	                    .states = engine->states};
	const float *states = engine->states;
	size_t at = 0, kept = 0;

	engine->kind->forward(engine->runner, &step);
	/* In the order in which the rows were planned. */
	for (size_t i = 0; i < engine->running_count; i++)
		engine->running[i]->spoke = engine->running[i]->rows_now > 0 &&
		                            engine->running[i]->count - engine->running[i]->computed == 1;
	use_step(engine, true, &at, &states);
	use_step(engine, false, &at, &states);
	for (size_t i = 0; i < engine->running_count; i++)
		if (engine->running[i] != NULL)
			engine->running[kept++] = engine->running[i];
	engine->running_count = kept;
	pthread_mutex_lock(&engine->lock);
	engine->counters.steps++;
	engine->counters.step_rows += step.count;
	engine->counters.completion_tokens += at;
	engine->counters.busy_seconds += (double)(clock_monotonic_ns() - start) * 1e-9;
	pthread_mutex_unlock(&engine->lock);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

/* Take over what was submitted; wait when there is nothing else to do. false: the engine is to stop. */
static bool
receive(struct engine *engine)
{
	bool over;

	pthread_mutex_lock(&engine->lock);
	while (!engine->over && engine->submitted == NULL && engine->queue == NULL &&
	       engine->running_count == 0)
		pthread_cond_wait(&engine->wake, &engine->lock);
	if (engine->submitted != NULL) {
		*engine->queue_end = engine->submitted;
		engine->queue_end = engine->submitted_end;
		engine->submitted = NULL;
		engine->submitted_end = &engine->submitted;
	}
	over = engine->over;
	pthread_mutex_unlock(&engine->lock);
	return !over;
}

static void
leave_queue(struct engine *engine, struct generation **at)
{
	struct generation *generation = *at;

	*at = generation->next;
	if (engine->queue_end == &generation->next)
		engine->queue_end = at;
	generation->next = NULL;
	pthread_mutex_lock(&engine->lock);
	engine->waiting--;
	pthread_mutex_unlock(&engine->lock);
}

/* Begin an answer if its pages can be promised: those that are known already are held, the rest kept free for it. */
static bool
admit(struct engine *engine, struct generation *generation)
{
	/* The last token of a prompt is always computed, since its logits are wanted. */
	size_t known =
	    pages_match(engine->pages, generation->tokens,
	                generation->state != NULL ? 0 : (generation->prompt_count - 1) / CACHE_PAGE,
	                generation->pages, &generation->last);
	size_t need = generation->page_need - known;

	if (pages_available(engine->pages) < engine->promised + need) {
		for (size_t i = 0; i < known; i++)
			pages_drop(engine->pages, generation->pages[i]);
		return false;
	}
	engine->promised += need;
	generation->began = clock_monotonic_ns();
	generation->page_count = generation->published = known;
	generation->computed = known * CACHE_PAGE;
	for (size_t i = 0; i < generation->prompt_count; i++)
		sampler_prompt(generation->sampler, generation->tokens[i]);
	pthread_mutex_lock(&generation->lock);
	generation->cached = generation->computed;
	pthread_mutex_unlock(&generation->lock);
	pthread_mutex_lock(&engine->lock);
	engine->counters.prompt_tokens += generation->prompt_count;
	engine->counters.cached_tokens += generation->computed;
	pthread_mutex_unlock(&engine->lock);
	engine->running[engine->running_count++] = generation;
	return true;
}

static void
manage(struct engine *engine)
{
	size_t kept = 0;

	for (size_t i = 0; i < engine->running_count; i++) {
		struct generation *generation = engine->running[i];

		if (atomic_load(&generation->cancelled))
			finish(generation, GENERATION_CANCELLED);
		else
			engine->running[kept++] = generation;
	}
	engine->running_count = kept;
	for (struct generation **at = &engine->queue; *at != NULL;) {
		struct generation *generation = *at;

		if (atomic_load(&generation->cancelled)) {
			leave_queue(engine, at);
			generation->page_need = 0;
			finish(generation, GENERATION_CANCELLED);
		} else {
			at = &generation->next;
		}
	}
	while (engine->queue != NULL && engine->running_count < engine->parallel) {
		struct generation *first = engine->queue;

		if (!admit(engine, first))
			break;
		leave_queue(engine, &engine->queue);
	}
}

static void
note_state(struct engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	engine->counters.active = engine->running_count;
	engine->counters.pages_used = engine->page_total - pages_available(engine->pages);
	pthread_mutex_unlock(&engine->lock);
}

static void *
engine_run(void *argument)
{
	struct engine *engine = argument;

	while (receive(engine)) {
		manage(engine);
		note_state(engine);
		if (engine->running_count > 0)
			run_step(engine);
		note_state(engine);
	}
	for (size_t i = 0; i < engine->running_count; i++)
		finish(engine->running[i], GENERATION_CANCELLED);
	engine->running_count = 0;
	while (engine->queue != NULL) {
		struct generation *generation = engine->queue;

		leave_queue(engine, &engine->queue);
		generation->page_need = 0;
		finish(generation, GENERATION_CANCELLED);
	}
	return NULL;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

struct hashing {
	struct model *model;
	struct fault why;
	int result;
};

static void *
hash_run(void *argument)
{
	struct hashing *hashing = argument;

	hashing->result = model_hash(hashing->model, &hashing->why);
	return NULL;
}

/* A quarter of the machine's memory at most, but never less than one whole context. */
static size_t
choose_pages(const struct engine *engine, const struct runner_options *options)
{
	size_t one = (engine->context + CACHE_PAGE - 1) / CACHE_PAGE, wanted = one * engine->parallel;
	size_t bytes = engine->kind->page_bytes(engine->model, options);
	size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 4;

	if (wanted > memory / bytes)
		wanted = memory / bytes;
	return wanted < one ? one : wanted;
}

static int
open_device(struct engine *engine, const struct engine_options *options, struct fault *why)
{
	struct runner_options runner = {.threads = options->threads,
	                                .rows = STEP_ROWS,
	                                .context = engine->context,
	                                .cache_bits = options->cache_bits,
	                                .plain = options->plain};

	if (engine->kind != &runner_cpu && engine->model->shape.experts > 0)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "장치 '%s'은(는) 전문가 혼합 모델을 아직 계산하지 못합니다: cpu를 쓰십시오",
		                 "device '%s' does not compute mixtures of experts yet: use cpu",
		                 engine->kind->name);
	if (runner.rows < engine->parallel + STEP_PROMPT_ROWS)
		runner.rows = engine->parallel + STEP_PROMPT_ROWS;
	runner.pages = engine->page_total = choose_pages(engine, &runner);
	if (engine->kind->open(&engine->runner, engine->model, &runner, why) == -1)
		return -1;
	snprintf(engine->description, sizeof engine->description, "%s: %s", engine->kind->name,
	         engine->kind->describe(engine->runner));
	engine->pages = pages_new(engine->page_total);
	engine->running = calloc(engine->parallel, sizeof *engine->running);
	engine->rows = calloc(runner.rows, sizeof *engine->rows);
	engine->logits = malloc(engine->parallel * engine->model->shape.vocabulary * sizeof *engine->logits);
	engine->states = malloc(runner.rows * engine->model->shape.width * sizeof *engine->states);
	if (engine->states == NULL || engine->pages == NULL || engine->running == NULL ||
	    engine->rows == NULL || engine->logits == NULL)
		return fault_memory(why);
	return 0;
}

int
engine_open(struct engine **out, const struct engine_options *options, struct fault *why)
{
	struct engine *engine = calloc(1, sizeof *engine);
	struct hashing hashing = {.result = -1};
	pthread_t hasher;
	int result = -1, opened;

	if (engine == NULL)
		return fault_memory(why);
	pthread_mutex_init(&engine->lock, NULL);
	pthread_cond_init(&engine->wake, NULL);
	engine->submitted_end = &engine->submitted;
	engine->queue_end = &engine->queue;
	if ((engine->kind = runner_named(options->device, why)) == NULL)
		goto out;
	if (model_open(&engine->model, options->model, why) == -1)
		goto out;
	engine->parallel = options->parallel == 0 ? 8 : options->parallel;
	engine->queue_limit = options->queue == 0 ? 64 : options->queue;
	engine->context = engine->model->shape.context;
	if (options->context != 0 && options->context < engine->context)
		engine->context = options->context;
	else if (options->context == 0 && engine->context > 8192)
		engine->context = 8192;
	hashing.model = engine->model;
	if (pthread_create(&hasher, NULL, hash_run, &hashing) != 0) {
		fault_errno(why, "스레드", "thread");
		goto out;
	}
	opened = open_device(engine, options, why);
	pthread_join(hasher, NULL);
	if (opened == -1)
		goto out;
	if (hashing.result == -1) {
		*why = hashing.why;
		goto out;
	}
	if (pthread_create(&engine->thread, NULL, engine_run, engine) != 0) {
		fault_errno(why, "스레드", "thread");
		goto out;
	}
	engine->started = true;
	*out = engine;
	engine = NULL;
	result = 0;
out:
	engine_close(engine);
	return result;
}

void
engine_close(struct engine *engine)
{
	if (engine == NULL)
		return;
	if (engine->started) {
		pthread_mutex_lock(&engine->lock);
		engine->over = true;
		pthread_cond_signal(&engine->wake);
		pthread_mutex_unlock(&engine->lock);
		pthread_join(engine->thread, NULL);
	}
	if (engine->runner != NULL)
		engine->kind->close(engine->runner);
	pages_free(engine->pages);
	model_close(engine->model);
	free(engine->running);
	free(engine->rows);
	free(engine->logits);
	free(engine->states);
	pthread_cond_destroy(&engine->wake);
	pthread_mutex_destroy(&engine->lock);
	free(engine);
}

const struct model *
engine_model(const struct engine *engine)
{
	return engine->model;
}

size_t
engine_context(const struct engine *engine)
{
	return engine->context;
}

const char *
engine_describe(const struct engine *engine)
{
	return engine->description;
}

void
engine_counters(struct engine *engine, struct engine_counters *out)
{
	pthread_mutex_lock(&engine->lock);
	*out = engine->counters;
	out->waiting = engine->waiting;
	out->pages = engine->page_total;
	out->parallel = engine->parallel;
	pthread_mutex_unlock(&engine->lock);
}
