/*
 * inference -- the wing's one door: an engine holds a model and answers many at once.
 *
 * An engine owns the model, its cache and one thread that computes. A generation is one answer on its way: it is
 * submitted, tells its owner by a callback that there is news, is read, and is released. It may be cancelled from any
 * thread at any moment and then ends at the next token. Nothing here knows of HTTP.
 */
#ifndef HAECHI_INFERENCE_INFERENCE_H
#define HAECHI_INFERENCE_INFERENCE_H

#include "inference/sampler.h"
#include "schema/base/bytes.h"

struct constraint; /* constraint.h */
struct engine;     /* batch.h */
struct generation; /* batch.h */
struct model;      /* model.h */

/* When all are busy, an agency has tokens computed in proportion to its weight. */
struct agency_weight {
	char name[65]; /* "": of requests that name no agency */
	uint32_t weight;
};

struct engine_options {
	const char *model;   /* path of a GGUF file */
	const char *device;  /* "cpu" or "cuda"; NULL is cpu */
	size_t threads;      /* 0: as many as are good for this model on this machine */
	size_t parallel;     /* answers computed together; 0: 8 */
	size_t context;      /* tokens of one answer with its prompt; 0: the model's, at most 8192 */
	unsigned cache_bits; /* 16 or 32; 0: as model.h says */
	size_t queue;        /* answers that may wait; 0: 64 */
	const struct agency_weight *weights; /* of agencies that do not weigh 1 */
	size_t weight_count;
	const char *kernels; /* "amx-int8", "avx512-vnni", "avx2" or "plain"; NULL: the best that run here */
	/* While the model is loaded, from any thread, each time that it is more: how far, 0-99. NULL: nobody asks. */
	void (*progress)(void *context, unsigned percent);
	void *progress_context;
};

enum generation_end {
	GENERATION_RUNNING = 0,
	GENERATION_STOP,   /* the model ended its turn, or a stop string came */
	GENERATION_LENGTH, /* max_tokens or the context was reached */
	GENERATION_CANCELLED,
	GENERATION_FAILED,
};

struct generation_request {
	const char *agency;     /* whose request it is, of at most 64 bytes; NULL or "": not said */
	const uint32_t *prompt; /* copied */
	size_t prompt_count;
	uint32_t max_tokens; /* 0: as many as the context holds */
	uint32_t min_tokens; /* the model may not end its turn before */
	struct sampling sampling;
	struct slice stops[16]; /* copied */
	size_t stop_count;
	bool ignore_end;               /* go on past the end of the turn: for measuring */
	bool markers;                  /* control tokens that mark calls of tools are seen as text */
	bool trim;                     /* drop one space at the very beginning of the answer */
	bool embed;                    /* no answer: only what the model makes of the prompt */
	struct constraint *constraint; /* of the answer, or NULL; the generation\'s once submitted */
	int logprobs;                  /* -1: none; else how many of the best beside the chosen one, 0-20 */
	/* From the engine's thread, quickly: there is news. The owner must stay until generation_release(). */
	void (*news)(void *owner);
	void *owner;
};

struct token_report {
	uint32_t token;
	float logprob;
	size_t best_count;
	struct token_probability best[SAMPLER_TOP_LIMIT];
};

struct generation_news {
	struct buffer text;           /* whole UTF-8 since the last time; the caller's, to buffer_free() */
	struct token_report *reports; /* since the last time, when asked for; the caller's, to free() */
	size_t report_count;
	size_t prompt_tokens, cached_tokens, completion_tokens; /* so far */
	float *embedding; /* at the end of one with `embed`: model width, length 1; the caller's, to free() */
	enum generation_end end;
};

struct engine_counters {
	uint64_t prompt_tokens, cached_tokens, completion_tokens, generations, cancelled, refused, steps,
	    step_rows;
	uint64_t interrupted; /* answers that gave their place to another agency and went on later */
	size_t active, waiting, pages, pages_used, parallel;
	double busy_seconds;
	double mean_seconds; /* that an answer holds its place, of late */
};

/* Load the model, hash its weights, start the thread. *out is the caller's, to engine_close(). */
MUST_CHECK int engine_open(struct engine **out, const struct engine_options *options, struct fault *why);
/* Every generation ends as cancelled; all must be released before. NULL is fine. */
void engine_close(struct engine *engine);

const struct model *engine_model(const struct engine *engine);
size_t engine_context(const struct engine *engine);
struct agency_counters {
	char name[65];
	uint32_t weight;
	uint64_t tokens; /* that were computed, of prompts and answers */
	size_t active, waiting;
};

const char *engine_describe(const struct engine *engine); /* "cpu: avx512-vnni, 2 threads" */
void engine_counters(struct engine *engine, struct engine_counters *out);
/* Agencies of late into out[], at most `most`. Returns how many. */
size_t engine_agencies(struct engine *engine, struct agency_counters *out, size_t most);

/*
 * Queue an answer. FAULT_TOO_LARGE: prompt and answer do not fit the context. FAULT_BUSY: the queue is full, and
 * *position (if given) says how many would have their turn before. A full queue still has room for an agency that has
 * less of it than its weight gives it.
 */
MUST_CHECK int generation_submit(struct engine *engine, const struct generation_request *request,
                                 struct generation **out, size_t *position, struct fault *why);
void generation_read(struct generation *generation, struct generation_news *out);
void generation_cancel(struct generation *generation);
/* No callback comes after this; the answer is cancelled if it still runs. NULL is fine. */
void generation_release(struct generation *generation);

#endif
