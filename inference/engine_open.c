/* An engine's opening and closing: the model, its hash, the device, the cache, the thread. */
#include <stdio.h>
#include <stdlib.h>

#include "inference/batch.h"
#include "inference/weights.h"

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

/* Half of the way is hashing, half is repacking; what is cached, or needs none, is jumped over. */
struct loading {
	const struct engine_options *options;
	uint64_t total;
	_Atomic uint64_t hashed, packed;
	_Atomic unsigned percent; /* told last */
};

static void
load_progress(void *context, uint64_t hashed, uint64_t packed)
{
	struct loading *loading = context;
	uint64_t one = atomic_fetch_add(&loading->hashed, hashed) + hashed;
	uint64_t two = atomic_fetch_add(&loading->packed, packed) + packed, total = loading->total;
	unsigned percent, told = atomic_load(&loading->percent);

	one = one < total ? one : total;
	two = two < total ? two : total;
	percent = (unsigned)((one + two) * 50 / total);
	percent = percent < 99 ? percent : 99;
	while (percent > told)
		if (atomic_compare_exchange_weak(&loading->percent, &told, percent)) {
			loading->options->progress(loading->options->progress_context, percent);
			break;
		}
}

/* As much as the device has room for at most, but never less than one whole context. */
static size_t
choose_pages(const struct engine *engine, const struct runner_options *options)
{
	size_t one = (engine->context + CACHE_PAGE - 1) / CACHE_PAGE, wanted = one * engine->parallel;
	size_t bytes = engine->kind->page_bytes(engine->model, options);
	size_t memory = engine->kind->cache_room(engine->model);

	if (wanted > memory / bytes)
		wanted = memory / bytes;
	return wanted < one ? one : wanted;
}

static int
open_device(struct engine *engine, const struct engine_options *options, struct fault *why)
{
	struct runner_options runner = {.threads = options->threads,
	                                .rows = engine->kind->step_rows,
	                                .context = engine->context,
	                                .cache_bits = options->cache_bits,
	                                .kernels = options->kernels};

	if (runner.rows < engine->parallel + engine->kind->prompt_rows)
		runner.rows = engine->parallel + engine->kind->prompt_rows;
	runner.pages = engine->page_total = choose_pages(engine, &runner);
	if (engine->kind->open(&engine->runner, engine->model, &runner, why) == -1)
		return -1;
	snprintf(engine->description, sizeof engine->description, "%s: %s", engine->kind->name,
	         engine->kind->describe(engine->runner));
	engine->pages = pages_new(engine->page_total);
	engine->running = calloc(engine->parallel, sizeof *engine->running);
	engine->rows = calloc(runner.rows, sizeof *engine->rows);
	engine->logits = malloc(engine->parallel * engine->model->shape.vocabulary * sizeof *engine->logits);
	engine->best = malloc(engine->parallel * sizeof *engine->best);
	engine->states = malloc(runner.rows * engine->model->shape.width * sizeof *engine->states);
	if (engine->states == NULL || engine->pages == NULL || engine->running == NULL ||
	    engine->rows == NULL || engine->logits == NULL || engine->best == NULL)
		return fault_memory(why);
	return 0;
}

int
engine_open(struct engine **out, const struct engine_options *options, struct fault *why)
{
	struct engine *engine = calloc(1, sizeof *engine);
	struct hashing hashing = {.result = -1};
	struct loading loading = {.options = options};
	pthread_t hasher;
	int result = -1, opened;

	if (engine == NULL)
		return fault_memory(why);
	pthread_mutex_init(&engine->lock, NULL);
	pthread_cond_init(&engine->wake, NULL);
	engine->submitted_end = &engine->submitted;
	shares_init(&engine->shares);
	for (size_t i = 0; i < options->weight_count; i++)
		if (!shares_weigh(&engine->shares, options->weights[i].name, options->weights[i].weight)) {
			fault_set(why, FAULT_USAGE, "가중치를 줄 수 있는 기관은 %d개까지입니다",
			          "at most %d agencies can be given weights", SHARES_LIMIT - 1);
			goto out;
		}
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
	if (options->progress != NULL) {
		loading.total = engine->model->weight_bytes + 1;
		engine->model->progress = load_progress;
		engine->model->progress_context = &loading;
	}
	hashing.model = engine->model;
	if (pthread_create(&hasher, NULL, hash_run, &hashing) != 0) {
		fault_errno(why, "스레드", "thread");
		goto out;
	}
	opened = open_device(engine, options, why);
	pthread_join(hasher, NULL);
	engine->model->progress = NULL;
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
	free(engine->best);
	free(engine->states);
	free(engine->plain);
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

size_t
engine_agencies(struct engine *engine, struct agency_counters *out, size_t most)
{
	size_t count = 0;

	pthread_mutex_lock(&engine->lock);
	for (; count < engine->shares.count && count < most; count++) {
		const struct share *share = &engine->shares.list[count];

		out[count] = (struct agency_counters){.weight = share->weight,
		                                      .tokens = share->tokens,
		                                      .active = share->running,
		                                      .waiting = share->waiting};
		snprintf(out[count].name, sizeof out[count].name, "%s", share->name);
	}
	pthread_mutex_unlock(&engine->lock);
	return count;
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
