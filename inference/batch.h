/*
 * batch -- what the three files of an engine share: a generation (generation.c: its life, and what it says), the steps
 * that compute (batch.c) and the engine around them (engine_open.c). Nobody else includes this.
 */
#ifndef HAECHI_INFERENCE_BATCH_H
#define HAECHI_INFERENCE_BATCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "inference/constraint.h"
#include "inference/inference.h"
#include "inference/model.h"
#include "inference/pages.h"
#include "inference/shares.h"
#include "inference/speech.h"

#define SLICE_TOKENS                                                                                         \
	256 /* after so many of an answer, an agency that has nothing running may have its place */

struct generation {
	struct engine *engine;
	struct generation *next;
	struct share *share; /* of its agency */
	uint64_t salt;       /* of its pages */
	_Atomic int holders; /* the owner and the engine */
	_Atomic bool cancelled;

	/* the engine thread's */
	uint32_t *tokens; /* prompt, then answer */
	size_t prompt_count, count, most;
	bool running;
	int64_t began;   /* when it was admitted first; 0: never yet */
	size_t resumed;  /* tokens that were there when it was admitted last */
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
	size_t least; /* tokens of an answer before the model may end it */
	float *state;                  /* of one that is only embedded: the sum so far */
	struct constraint *constraint; /* NULL mostly */
	struct constraint_state *said, *tried; /* what of it has been said; with a token that is tried */
	bool begins[256];                      /* the bytes that may come next */
	size_t plain;                          /* characters that may come next, if they are plain */
	bool found;                            /* some token may come next */
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
	struct shares shares;
	bool over;
	struct engine_counters counters;

	/* the thread's own */
	struct generation **running;
	size_t running_count;
	struct step_row *rows;
	float *logits, *states;
	uint32_t *best;
	uint8_t *plain; /* of each token: its characters, if all are plain; else 0. NULL until it is needed */
};

/* All three on the engine's thread. The answer has ended: pages go back, the owner hears, the engine lets go. */
void generation_finish(struct generation *generation, enum generation_end end);
/* Whether its next token is simply the most likely one: then its logits need not be there. */
bool generation_greedy(const struct generation *generation);
/* The next token of an answer: the best one, or from its logits, which are changed. true: that was its end. */
bool generation_say(struct generation *generation, float *logits, uint32_t best);
/* The thread: admits and computes until engine->over; then everything ends as cancelled. */
void *engine_run(void *engine);

#endif
