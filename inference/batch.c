/*
 * The thread that computes, and what it computes next.
 *
 * Every step takes one token of each answer that is being said and, beside them, a piece of the prompts that are
 * still being read, shared by the weights of their agencies. An answer is admitted when a place is free and the pages
 * that it may ever need are there, so none that has begun can starve; whose turn it is, shares.h says.
 */
#include "inference/batch.h"

#include <math.h>
#include <string.h>

#include "schema/base/clock.h"

/* The rows of one generation in this step. Pages are there: they were promised. */
static void
add_rows(struct generation *generation, struct step_row *rows)
{
	struct engine *engine = generation->engine;

	for (size_t i = 0; i < generation->rows_now; i++) {
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
		    .best = generation->state == NULL && generation_greedy(generation),
		    .state = generation->state != NULL &&
		             (!engine->model->shape.pool_last || position + 1 == generation->count),
		};
	}
}

static void
publish(struct generation *generation)
{
	for (; (generation->published + 1) * CACHE_PAGE <= generation->computed; generation->published++)
		pages_publish(generation->engine->pages, generation->pages[generation->published],
		              generation->tokens + generation->published * CACHE_PAGE, &generation->last);
}

/* Share rows among those who still read: first by their agencies' weights, what is left in the order they came. */
static void
plan_prompts(struct engine *engine, size_t room)
{
	uint64_t weights = 0;
	size_t left = room;

#define EACH_READER                                                                                          \
	for (size_t i = 0; i < engine->running_count; i++)                                                   \
		for (struct generation *reader = engine->running[i];                                         \
		     reader != NULL && reader->count - reader->computed > 1; reader = NULL)
	EACH_READER
	reader->share->room = 0;
	EACH_READER
	if (reader->share->room == 0) {
		reader->share->room = 1;
		weights += reader->share->weight;
	}
	EACH_READER
	reader->share->room = 1 + (size_t)(room * reader->share->weight / weights);
	for (unsigned round = 0; round < 2; round++)
		EACH_READER
		{
			size_t rows = reader->count - reader->computed - reader->rows_now;

			rows = rows < left ? rows : left;
			if (round == 0 && rows > reader->share->room)
				rows = reader->share->room;
			reader->rows_now += rows;
			reader->share->room -= round == 0 ? rows : 0;
			left -= rows;
		}
#undef EACH_READER
}

/* A row for whoever is speaking, then those of prompts. */
static size_t
plan_step(struct engine *engine)
{
	size_t total = 0, speakers = 0;

	for (size_t i = 0; i < engine->running_count; i++) {
		struct generation *generation = engine->running[i];

		generation->spoke = generation->count - generation->computed == 1;
		generation->rows_now = generation->spoke;
		speakers += generation->spoke;
	}
	plan_prompts(engine, speakers > 0 ? engine->kind->prompt_rows : engine->kind->step_rows);
	for (unsigned speaking = 2; speaking-- > 0;)
		for (size_t i = 0; i < engine->running_count; i++)
			if (engine->running[i]->spoke == (speaking == 1)) {
				add_rows(engine->running[i], engine->rows + total);
				total += engine->running[i]->rows_now;
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
		} else if (generation->computed == generation->count) {
			const size_t row = (*at)++;

			if (generation_say(generation, engine->logits + row * engine->model->shape.vocabulary,
			                   engine->best[row]))
				engine->running[i] = NULL;
		}
	}
}

/* The tokens that are said after this step, to their agencies. */
static void
charge_step(struct engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < engine->running_count; i++) {
		struct generation *generation = engine->running[i];

		if (generation->state == NULL && generation->rows_now > 0 &&
		    generation->computed + generation->rows_now == generation->count)
			shares_charge(generation->share, 1);
	}
	pthread_mutex_unlock(&engine->lock);
}

static void
run_step(struct engine *engine)
{
	int64_t start = clock_monotonic_ns();
	struct step step = {.rows = engine->rows,
	                    .count = plan_step(engine),
	                    .logits = engine->logits,
	                    .best = engine->best,
	                    .states = engine->states};
	const float *states = engine->states;
	size_t at = 0, kept = 0;

	engine->kind->forward(engine->runner, &step);
	charge_step(engine);
	/* In the order in which the rows were planned. */
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
	while (!engine->over && engine->waiting == 0 && engine->running_count == 0)
		pthread_cond_wait(&engine->wake, &engine->lock);
	for (struct generation *one = engine->submitted, *next; one != NULL; one = next) {
		next = one->next;
		one->next = NULL;
		*one->share->queue_end = one;
		one->share->queue_end = &one->next;
	}
	engine->submitted = NULL;
	engine->submitted_end = &engine->submitted;
	over = engine->over;
	pthread_mutex_unlock(&engine->lock);
	return !over;
}

/* Out of its agency's queue, to run or to end. */
static void
leave_queue(struct engine *engine, struct generation **at)
{
	struct generation *generation = *at;
	struct share *share = generation->share;

	*at = generation->next;
	if (share->queue_end == &generation->next)
		share->queue_end = at;
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
	    pages_match(engine->pages, generation->salt, generation->tokens,
	                generation->state != NULL ? 0 : (generation->prompt_count - 1) / CACHE_PAGE,
	                generation->pages, &generation->last);
	size_t need = generation->page_need - known;

	if (pages_available(engine->pages) < engine->promised + need) {
		for (size_t i = 0; i < known; i++)
			pages_drop(engine->pages, generation->pages[i]);
		return false;
	}
	engine->promised += need;
	generation->page_count = generation->published = known;
	generation->computed = known * CACHE_PAGE;
	generation->resumed = generation->count;
	generation->running = true;
	leave_queue(engine, &generation->share->queue);
	engine->running[engine->running_count++] = generation;
	pthread_mutex_lock(&engine->lock);
	shares_begin(&engine->shares, generation->share);
	if (generation->began == 0) { /* what is computed again after an interruption is nobody's fault */
		shares_charge(generation->share, generation->count - generation->computed);
		engine->counters.prompt_tokens += generation->prompt_count;
		engine->counters.cached_tokens += generation->computed;
	}
	pthread_mutex_unlock(&engine->lock);
	if (generation->began != 0)
		return true;
	generation->began = clock_monotonic_ns();
	for (size_t i = 0; i < generation->prompt_count; i++)
		sampler_prompt(generation->sampler, generation->tokens[i]);
	pthread_mutex_lock(&generation->lock);
	generation->cached = generation->computed;
	pthread_mutex_unlock(&generation->lock);
	return true;
}

/* Back to the head of its agency's queue. Full pages stay known, so that little of it is computed again. */
static void
interrupt(struct engine *engine, size_t index)
{
	struct generation *generation = engine->running[index];
	struct share *share = generation->share;

	for (size_t i = 0; i < generation->page_count; i++)
		pages_drop(engine->pages, generation->pages[i]);
	engine->promised -= generation->page_need - generation->page_count;
	generation->page_count = generation->published = generation->computed = 0;
	generation->last = (struct page_name){.page = PAGE_NONE};
	if (generation->state != NULL)
		memset(generation->state, 0, engine->model->shape.width * sizeof *generation->state);
	engine->running_count--;
	memmove(engine->running + index, engine->running + index + 1,
	        (engine->running_count - index) * sizeof *engine->running);
	generation->running = false;
	generation->next = share->queue;
	if (share->queue == NULL)
		share->queue_end = &generation->next;
	share->queue = generation;
	pthread_mutex_lock(&engine->lock);
	shares_return(share);
	engine->waiting++;
	engine->counters.interrupted++;
	pthread_mutex_unlock(&engine->lock);
}

/*
 * An agency of which nothing runs must not wait until the long answers of others end: the newest answer of the agency
 * that was served most gives way, if that was more than this one, and it has another, or has had a slice. false: nobody
 * can.
 */
static bool
make_place(struct engine *engine, const struct share *share)
{
	size_t chosen = engine->running_count;

	for (size_t i = 0; i < engine->running_count; i++) {
		const struct generation *one = engine->running[i];
		const struct generation *other =
		    chosen < engine->running_count ? engine->running[chosen] : NULL;

		if (one->share->served <= share->served ||
		    (one->share->running < 2 && one->count < one->resumed + SLICE_TOKENS))
			continue;
		/* Newest by when it was admitted first: who gave way once is not the newest for ever. */
		if (other == NULL || one->share->served > other->share->served ||
		    (one->share == other->share && one->began > other->began))
			chosen = i;
	}
	if (chosen == engine->running_count)
		return false;
	interrupt(engine, chosen);
	return true;
}

/* Answers whose client has left, or all. */
static void
end_cancelled(struct engine *engine, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < engine->running_count; i++) {
		struct generation *generation = engine->running[i];

		if (all || atomic_load(&generation->cancelled))
			generation_finish(generation, GENERATION_CANCELLED);
		else
			engine->running[kept++] = generation;
	}
	engine->running_count = kept;
	for (size_t i = 0; i < engine->shares.count; i++)
		for (struct generation **at = &engine->shares.list[i].queue; *at != NULL;) {
			struct generation *generation = *at;

			if (all || atomic_load(&generation->cancelled)) {
				leave_queue(engine, at);
				generation->page_need = 0;
				generation_finish(generation, GENERATION_CANCELLED);
			} else {
				at = &generation->next;
			}
		}
}

static struct generation *
next_of_queue(struct engine *engine, bool *alone)
{
	struct generation *next = NULL;
	struct share *share;

	pthread_mutex_lock(&engine->lock);
	/* One that was submitted a moment ago is not in its queue yet: next time. */
	if ((share = shares_next(&engine->shares)) != NULL && (next = share->queue) != NULL)
		*alone = share->running == 0;
	pthread_mutex_unlock(&engine->lock);
	return next;
}

/* Who left leaves; who is next begins while there is a place. */
static void
manage(struct engine *engine)
{
	struct generation *next;
	bool alone = false;

	end_cancelled(engine, false);
	while ((next = next_of_queue(engine, &alone)) != NULL) {
		if (engine->running_count < engine->parallel && admit(engine, next))
			continue;
		if (!alone || !make_place(engine, next->share))
			break;
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
	end_cancelled(engine, true);
	return NULL;
}
