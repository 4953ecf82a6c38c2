#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inference/sampler.h"

static struct sampling
plainly(float temperature)
{
	return (struct sampling){
	    .temperature = temperature, .top_p = 1, .repetition = 1, .seeded = true, .seed = 9};
}

static uint32_t
pick(struct sampler *sampler, const float *logits, size_t count)
{
	float copy[64];

	memcpy(copy, logits, count * sizeof *copy);
	return sampler_pick(sampler, copy, count, NULL, NULL);
}

static const float logits[] = {1.0f, 3.0f, 2.0f, 3.0f, -5.0f};

static void
greedy_takes_the_first_of_the_best(void **state)
{
	struct sampling sampling = plainly(0);
	struct sampler *sampler = sampler_new(&sampling);

	(void)state;
	assert_int_equal(pick(sampler, logits, 5), 1);
	sampler_free(sampler);
}

static void
a_seed_gives_the_same_tokens(void **state)
{
	struct sampling sampling = plainly(1);
	struct sampler *a = sampler_new(&sampling), *b = sampler_new(&sampling);

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(pick(a, logits, 5), pick(b, logits, 5));
	sampler_free(a);
	sampler_free(b);
}

/* Each token comes as often as its probability says, within five deviations. */
static void
draws_follow_the_distribution(void **state)
{
	struct sampling sampling = plainly(0.7f);
	struct sampler *sampler = sampler_new(&sampling);
	unsigned seen[5] = {0}, draws = 20000;
	double weights[5], sum = 0;

	(void)state;
	for (unsigned i = 0; i < draws; i++)
		seen[pick(sampler, logits, 5)]++;
	for (unsigned i = 0; i < 5; i++)
		sum += weights[i] = exp((double)logits[i] / (double)0.7f);
	for (unsigned i = 0; i < 5; i++) {
		double p = weights[i] / sum;

		assert_true(fabs(seen[i] - p * draws) < 5 * sqrt(p * draws) + 5);
	}
	sampler_free(sampler);
}

static void
limits_cut_the_tail(void **state)
{
	for (int kind = 0; kind < 3; kind++) {
		struct sampling sampling = plainly(1);
		struct sampler *sampler;

		(void)state;
		if (kind == 0)
			sampling.top_k = 2;
		else if (kind == 1)
			sampling.top_p = 0.7f; /* 1 and 3 have 0.42 each */
		else
			sampling.min_p = 0.5f;
		sampler = sampler_new(&sampling);
		for (unsigned i = 0; i < 2000; i++) {
			uint32_t token = pick(sampler, logits, 5);

			assert_true(token == 1 || token == 3);
		}
		sampler_free(sampler);
	}
}

static void
penalties_and_bias_change_the_choice(void **state)
{
	struct sampling sampling = plainly(0);
	struct sampler *sampler;

	(void)state;
	sampling.frequency = 0.6f;
	sampling.presence = 0.1f;
	sampler = sampler_new(&sampling);
	sampler_accept(sampler, 1);
	assert_int_equal(pick(sampler, logits, 5), 3);
	sampler_accept(sampler, 3);
	sampler_accept(sampler, 3);
	assert_int_equal(pick(sampler, logits, 5), 1); /* 2.3 against 1.7 and 2.0 */
	sampler_free(sampler);
	sampling = plainly(0);
	sampling.bias = calloc(1, sizeof *sampling.bias);
	sampling.bias[0].token = 4;
	sampling.bias[0].bias = 100;
	sampling.bias_count = 1;
	sampler = sampler_new(&sampling);
	free(sampling.bias);
	assert_int_equal(pick(sampler, logits, 5), 4);
	sampler_free(sampler);
}

static void
log_probabilities_are_of_the_whole(void **state)
{
	struct token_probability best[3];
	double sum = 0;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		sum += exp((double)sampler_logprobs(logits, 5, i, best, 3));
	assert_true(fabs(sum - 1) < 1e-5);
	assert_true(best[0].token == 1 && best[1].token == 3 && best[2].token == 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(greedy_takes_the_first_of_the_best),
	    cmocka_unit_test(a_seed_gives_the_same_tokens),
	    cmocka_unit_test(draws_follow_the_distribution),
	    cmocka_unit_test(limits_cut_the_tail),
	    cmocka_unit_test(penalties_and_bias_change_the_choice),
	    cmocka_unit_test(log_probabilities_are_of_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
