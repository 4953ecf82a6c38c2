/*
 * The thread that computes, and what it computes next.
 *
 * Every step takes one token of each answer that is being said and, beside them, a piece of the prompts that are
 * still being read. An answer is admitted when a place is free and the pages that it may ever need are there, so
 * none that has begun can starve.
 */
#include "inference/batch.h"

#include <math.h>

#include "schema/base/clock.h"

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
	generation_finish(generation, GENERATION_STOP);
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
		           generation_say(generation,
		                          engine->logits + (*at)++ * engine->model->shape.vocabulary))
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
			generation_finish(generation, GENERATION_CANCELLED);
		else
			engine->running[kept++] = generation;
	}
	engine->running_count = kept;
	for (struct generation **at = &engine->queue; *at != NULL;) {
		struct generation *generation = *at;

		if (atomic_load(&generation->cancelled)) {
			leave_queue(engine, at);
			generation->page_need = 0;
			generation_finish(generation, GENERATION_CANCELLED);
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

void *
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
		generation_finish(engine->running[i], GENERATION_CANCELLED);
	engine->running_count = 0;
	while (engine->queue != NULL) {
		struct generation *generation = engine->queue;

		leave_queue(engine, &engine->queue);
		generation->page_need = 0;
		generation_finish(generation, GENERATION_CANCELLED);
	}
	return NULL;
}
