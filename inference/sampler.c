#include "inference/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct said {
	uint32_t token, times;
};

struct candidate {
	uint32_t token;
	float weight;
};

struct sampler {
	struct sampling sampling;
	uint64_t state;
	struct said *said;
	size_t said_count, said_capacity;
	struct candidate *candidates; /* kept from token to token */
	size_t candidate_capacity;
};

struct sampler *
sampler_new(const struct sampling *sampling)
{
	struct sampler *sampler = calloc(1, sizeof *sampler);

	if (sampler == NULL)
		return NULL;
	sampler->sampling = *sampling;
	sampler->sampling.bias = NULL;
	if (sampling->bias_count > 0) {
		sampler->sampling.bias = calloc(sampling->bias_count, sizeof *sampling->bias);
		if (sampler->sampling.bias == NULL) {
			free(sampler);
			return NULL;
		}
		memcpy(sampler->sampling.bias, sampling->bias, sampling->bias_count * sizeof *sampling->bias);
	}
	sampler->state = sampling->seed;
	if (!sampling->seeded &&
	    getrandom(&sampler->state, sizeof sampler->state, 0) != sizeof sampler->state)
		sampler->state = (uint64_t)(uintptr_t)sampler;
	return sampler;
}

void
sampler_free(struct sampler *sampler)
{
	if (sampler == NULL)
		return;
	free(sampler->sampling.bias);
	free(sampler->said);
	free(sampler->candidates);
	free(sampler);
}

/* Uniform in [0, 1): splitmix64. */
static double
draw(struct sampler *sampler)
{
	uint64_t z = sampler->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (double)(z >> 11) * 0x1p-53;
}

static void
note(struct sampler *sampler, uint32_t token, uint32_t times)
{
	for (size_t i = 0; i < sampler->said_count; i++)
		if (sampler->said[i].token == token) {
			sampler->said[i].times += times;
			return;
		}
	if (sampler->said_count == sampler->said_capacity) {
		size_t capacity = sampler->said_capacity * 2 + 64;
		struct said *said = realloc(sampler->said, capacity * sizeof *said);

		if (said == NULL) /* a penalty forgotten is no reason to stop */
			return;
		sampler->said = said;
		sampler->said_capacity = capacity;
	}
	sampler->said[sampler->said_count++] = (struct said){token, times};
}

void
sampler_prompt(struct sampler *sampler, uint32_t token)
{
	if (sampler->sampling.repetition != 1)
		note(sampler, token, 0);
}

void
sampler_accept(struct sampler *sampler, uint32_t token)
{
	const struct sampling *sampling = &sampler->sampling;

	if (sampling->presence != 0 || sampling->frequency != 0 || sampling->repetition != 1)
		note(sampler, token, 1);
}

static void
adjust(const struct sampler *sampler, float *logits, size_t count)
{
	const struct sampling *sampling = &sampler->sampling;

	for (size_t i = 0; i < sampler->said_count; i++) {
		float *logit = &logits[sampler->said[i].token];

		*logit = *logit > 0 ? *logit / sampling->repetition : *logit * sampling->repetition;
		if (sampler->said[i].times > 0)
			*logit -= sampling->presence + sampling->frequency * (float)sampler->said[i].times;
	}
	for (size_t i = 0; i < sampling->bias_count; i++)
		if (sampling->bias[i].token < count)
			logits[sampling->bias[i].token] += sampling->bias[i].bias;
}

uint32_t
sampler_greatest(const float *logits, size_t count)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < count; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

bool
sampler_greedy(const struct sampler *sampler)
{
	const struct sampling *sampling = &sampler->sampling;

	return (sampling->temperature < 1e-5f || sampling->top_k == 1) && sampling->presence == 0 &&
	       sampling->frequency == 0 && sampling->repetition == 1 && sampling->bias_count == 0;
}

/* Greater weight first; equal ones by token, so that the order is one. */
static bool
before(const struct candidate *a, const struct candidate *b)
{
	return a->weight != b->weight ? a->weight > b->weight : a->token < b->token;
}

static void
sift(struct candidate *heap, size_t count, size_t at)
{
	struct candidate moved = heap[at];
	size_t child;

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

/* Weights relative to the best, as far as they can matter; how many. */
static size_t
weigh(struct sampler *sampler, const float *logits, size_t count, float best, sampler_allowed *allowed,
      void *context)
{
	const float inverse = 1.0f / sampler->sampling.temperature;
	const float least = sampler->sampling.min_p > 0 ? logf(sampler->sampling.min_p) : -30.0f;
	size_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		float distance = (logits[i] - best) * inverse;

		if (distance >= least && (allowed == NULL || allowed(context, i)))
			sampler->candidates[kept++] = (struct candidate){i, expf(distance)};
	}
	return kept;
}

static uint32_t
best_allowed(const float *logits, size_t count, sampler_allowed *allowed, void *context)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < count; i++)
		if ((best == UINT32_MAX || logits[i] > logits[best]) && allowed(context, i))
			best = i;
	return best;
}

uint32_t
sampler_pick(struct sampler *sampler, float *logits, size_t count, sampler_allowed *allowed, void *context)
{
	const struct sampling *sampling = &sampler->sampling;
	struct candidate *heap;
	uint32_t best;
	size_t kept, left, taken = 0;
	double total = 0, sum = 0, aim;

	adjust(sampler, logits, count);
	best = sampler_greatest(logits, count);
	if (allowed != NULL && !allowed(context, best)) {
		best = best_allowed(logits, count, allowed, context);
		if (best == UINT32_MAX)
			return best;
	}
	if (sampling->temperature < 1e-5f || sampling->top_k == 1 || !isfinite(logits[best]))
		return best;
	if (sampler->candidate_capacity < count) {
		struct candidate *candidates = realloc(sampler->candidates, count * sizeof *candidates);

		if (candidates == NULL)
			return best;
		sampler->candidates = candidates;
		sampler->candidate_capacity = count;
	}
	heap = sampler->candidates;
	left = kept = weigh(sampler, logits, count, logits[best], allowed, context);
	for (size_t i = 0; i < kept; i++)
		total += (double)heap[i].weight;
	if ((sampling->top_k == 0 || sampling->top_k >= kept) && sampling->top_p >= 1.0f) {
		aim = draw(sampler) * total;
		for (size_t i = 0; i < kept; i++)
			if ((sum += (double)heap[i].weight) > aim)
				return heap[i].token;
		return best;
	}
	/* A heap gives the best ones in order for as long as they are wanted; they gather behind it. */
	for (size_t i = kept / 2; i-- > 0;)
		sift(heap, kept, i);
	while (left > 0 && (sampling->top_k == 0 || taken < sampling->top_k) &&
	       (taken == 0 || sum < (double)sampling->top_p * total)) {
		struct candidate first = heap[0];

		heap[0] = heap[--left];
		heap[left] = first;
		if (left > 0)
			sift(heap, left, 0);
		sum += (double)first.weight;
		taken++;
	}
	aim = draw(sampler) * sum;
	sum = 0;
	for (size_t i = kept; i-- > left;)
		if ((sum += (double)heap[i].weight) > aim)
			return heap[i].token;
	return best;
}

float
sampler_logprobs(const float *logits, size_t count, uint32_t token, struct token_probability *best,
                 size_t top)
{
	float most = logits[sampler_greatest(logits, count)];
	double sum = 0;
	float whole;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)expf(logits[i] - most);
	whole = most + (float)log(sum);
	for (uint32_t i = 0; top > 0 && i < count; i++) {
		float logprob = logits[i] - whole;
		size_t at;

		if (kept == top && logprob <= best[kept - 1].logprob)
			continue;
		for (at = kept < top ? kept++ : kept - 1; at > 0 && best[at - 1].logprob < logprob; at--)
			best[at] = best[at - 1];
		best[at] = (struct token_probability){i, logprob};
	}
	return logits[token] - whole;
}
