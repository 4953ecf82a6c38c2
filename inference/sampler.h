/*
 * sampler -- from logits to a token: penalties and bias, temperature, then top-k, top-p and min-p, then the draw.
 *
 * With a seed the same logits give the same tokens. Temperature 0 is greedy: the best logit, the lowest id of equals.
 */
#ifndef HAECHI_INFERENCE_SAMPLER_H
#define HAECHI_INFERENCE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLER_BIAS_LIMIT 1024
#define SAMPLER_TOP_LIMIT  20

struct sampling {
	float temperature;         /* 0: greedy */
	float top_p;               /* 1: all */
	float min_p;               /* 0: all; else at least this share of the best one's probability */
	uint32_t top_k;            /* 0: all */
	float presence, frequency; /* penalties on tokens already said, as OpenAI defines them */
	float repetition;          /* 1: none; divides logits of what was said, in prompt or answer */
	bool seeded;
	uint64_t seed;
	struct {
		uint32_t token;
		float bias;
	} * bias; /* borrowed until the sampler is made */
	size_t bias_count;
};

struct sampler;

struct sampler *sampler_new(const struct sampling *sampling); /* NULL: no memory */
void sampler_free(struct sampler *sampler);                   /* NULL is fine */

/* Choose from logits[count], which are changed. `allowed`, if given, is asked before a token is taken. */
typedef bool sampler_allowed(void *context, uint32_t token);
uint32_t sampler_pick(struct sampler *sampler, float *logits, size_t count, sampler_allowed *allowed,
                      void *context);

/* Whether only the best of the model's own logits matters. */
bool sampler_greedy(const struct sampler *sampler);
/* The first of the greatest. */
uint32_t sampler_greatest(const float *logits, size_t count);

/* The token is in the prompt; said in the answer. */
void sampler_prompt(struct sampler *sampler, uint32_t token);
void sampler_accept(struct sampler *sampler, uint32_t token);

struct token_probability {
	uint32_t token;
	float logprob;
};

/* Log probability of `token` by the model's own distribution, and the `top` best, best first. */
float sampler_logprobs(const float *logits, size_t count, uint32_t token, struct token_probability *best,
                       size_t top);

#endif
