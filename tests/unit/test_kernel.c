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

#include "inference/crew.h"
#include "inference/kernel.h"
#include "inference/quant.h"

#define TOKENS 45 /* for a matrix unit: whole tiles, a half, and some beside */

static uint64_t seed = 42;

static float
uniform(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (float)(int32_t)(seed >> 32) * 0x1p-31f;
}

/* Rows of random bits, but with scales that are numbers. */
static uint8_t *
random_matrix(struct matrix *matrix, uint32_t type, uint32_t rows, uint32_t columns)
{
	const struct quant_kind *kind = quant_kind(type);
	uint8_t *data;

	*matrix = (struct matrix){
	    .type = type, .rows = rows, .columns = columns, .row_size = quant_row_size(type, columns)};
	data = malloc(rows * matrix->row_size);
	for (size_t i = 0; i < rows * matrix->row_size; i++)
		data[i] = (uint8_t)(uniform() * 127.0f);
	for (size_t block = 0; block < rows * matrix->row_size / kind->bytes; block++) {
		uint8_t *at = data + block * kind->bytes;
		uint16_t d = float_to_half(0.01f * uniform()), m = float_to_half(0.01f * uniform());
		float value = uniform();

		if (type == QUANT_F32) {
			memcpy(at, &value, 4);
		} else if (type == QUANT_F16) {
			d = float_to_half(value);
			memcpy(at, &d, 2);
		} else if (type == QUANT_BF16) {
			memcpy(at, (uint8_t *)&value + 2, 2);
		} else {
			memcpy(at + (type == QUANT_Q6_K ? 208 : 0), &d, 2);
			if (type == QUANT_Q4_K || type == QUANT_Q5_K)
				memcpy(at + 2, &m, 2);
		}
	}
	matrix->data = data;
	return data;
}

static float *
random_values(size_t count)
{
	float *values = malloc(count * sizeof *values);

	for (size_t i = 0; i < count; i++)
		values[i] = uniform() * 3;
	return values;
}

/* `count` tokens' values, rounded; in strips where there are as many. The caller frees .quants, the beginning of all. */
static struct activations
round_values(const float *values, size_t count, size_t columns, bool wide, const struct kernels *kernels)
{
	struct activations in = {.count = count,
	                         .columns = columns,
	                         .wide = wide,
	                         .strips = count >= KERNEL_STRIP,
	                         .values = values};

	activations_lay_out(&in, count, columns, malloc(activations_lay_out(NULL, count, columns, NULL)));
	for (size_t t = 0; columns % 32 == 0 && t < count; t++)
		kernels->quantise(&in, t);
	return in;
}

static const struct kernels *
others(size_t i)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (i == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &kernels_avx2;
	if (i == 1 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw"))
		return &kernels_avx512;
	if (i == 2 && kernels_named(NULL, NULL) == &kernels_amx)
		return &kernels_amx;
#endif
	(void)i;
	return NULL;
}

/* Every kernel against plain C, for odd sizes; and each token alone must give the same bits as in company. */
static void
products_agree_and_do_not_depend_on_company(void **state)
{
	static const uint32_t types[] = {QUANT_F32,  QUANT_F16,  QUANT_BF16, QUANT_Q8_0, QUANT_Q4_0,
	                                 QUANT_Q5_0, QUANT_Q4_K, QUANT_Q5_K, QUANT_Q6_K};
	static const uint32_t rows[] = {1, 15, 16, 33, 80};

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types * 5; i++) {
		uint32_t type = types[i / 5], count = rows[i % 5];
		/* Beyond what is summed or unpacked at once, and not a multiple of it. */
		uint32_t columns = quant_kind(type)->block == 256  ? 1280
		                   : quant_kind(type)->block == 32 ? 1056
		                                                   : 1037;
		struct matrix matrix;
		uint8_t *data = random_matrix(&matrix, type, count, columns);
		const bool wide = quant_kind(type)->block == 256;
		float *values = random_values((size_t)TOKENS * columns);
		struct activations in = round_values(values, TOKENS, columns, wide, &kernels_plain);
		float *want = calloc((size_t)TOKENS * count, sizeof *want),
		      *got = calloc((size_t)TOKENS * count, sizeof *got);
		size_t groups = (count + 15) / 16;
		uint8_t *packed = calloc(1, kernel_packed_size(&matrix) + 64);

		kernels_plain.multiply(&matrix, &in, 0, groups, want, count);
		if (kernel_packed_size(&matrix) > 0) {
			kernel_pack(&matrix, 0, groups, packed);
			matrix.packed = packed;
		}
		for (size_t k = 0; k < 3; k++) {
			const struct kernels *kernels = others(k);

			if (kernels == NULL)
				continue;
			kernels->multiply(&matrix, &in, 0, groups, got, count);
			for (size_t j = 0; j < (size_t)TOKENS * count; j++) {
				float size = fabsf(want[j]) + 1;

				if (!(fabsf(want[j] - got[j]) < 2e-4f * size))
					fail_msg("%s type %u row %zu: %g, not %g", kernels->name, type, j,
					         (double)got[j], (double)want[j]);
			}
			for (size_t t = 0; t < TOKENS; t++) {
				struct activations one =
				    round_values(values + t * columns, 1, columns, wide, &kernels_plain);
				float alone[80];

				kernels->multiply(&matrix, &one, 0, groups, alone, count);
				assert_memory_equal(alone, got + t * count, count * sizeof *alone);
				free(one.quants);
			}
		}
		free(packed);
		free(want);
		free(got);
		free(data);
		free(in.quants);
		free(values);
	}
}

/*
 * To the nearest, even ones of two, in every kernel: 0.5 times 127 is such a tie, which values that came from blocks of
 * four bits meet all the time. The scale is a half's, or one for 256.
 */
static void
activations_round_alike_everywhere(void **state)
{
	static const float most[] = {1.0f, 127.0f, 0.003f, 3.1e5f, 0};
	float values[512];

	(void)state;
	for (size_t i = 0; i < 4 * 2 * 5; i++) {
		const struct kernels *kernels = i % 4 < 3 ? others(i % 4) : &kernels_plain;
		const float top = most[i / 8];
		const bool wide = i / 4 % 2 == 1;
		float scale = top / 127.0f;
		struct activations in;

		if (kernels == NULL)
			continue;
		/* Blocks of 32 with the same greatest value; with `wide`, only the first of eight has it. */
		for (size_t j = 0; j < 512; j++)
			values[j] = top * (float)(16 - (int)(j % 32)) / (wide && j % 256 >= 32 ? 64 : 16);
		in = round_values(values, 1, 512, wide, kernels);
		for (unsigned j = 0; j < 512; j++)
			assert_int_equal(in.quants[j], top > 0 ? lrintf(values[j] * (127.0f / top)) : 0);
		if (top > 0)
			assert_int_equal(in.quants[256 + 8], 64); /* 63.5 */
		if (!wide && scale >= 0x1p-14f && scale < 65504)
			scale = half_to_float(float_to_half(scale));
		for (unsigned b = 0; b < 16; b++) {
			assert_true(fabsf(in.scales[b] - scale) <= (wide ? scale * 2e-7f : 0));
			assert_int_equal(in.sums32[b], in.sums16[2 * b] + in.sums16[2 * b + 1]);
			assert_int_equal(in.minus32[b], -in.sums32[b]);
		}
		free(in.quants);
	}
}

/* Attention over pages in any order, without and with windows, against the sum written out; four tokens and each alone. */
static void
attention_agrees_with_its_definition(void **state)
{
	const uint32_t head_sizes[] = {8, 16, 64, 80, 128}, windows[] = {0, 114, 2};

	(void)state;
	for (size_t i = 0; i < 5 * 2 * 3; i++) {
		uint32_t size = head_sizes[i / 6], group = i % 2 == 0 ? 3 : 1;
		const struct kernels *kernels = i / 2 % 3 == 2 ? &kernels_plain : others(i / 2 % 3);
		size_t page = (size_t)2 * CACHE_PAGE * size;
		float *keys = malloc(4 * page * sizeof *keys), *values = malloc(4 * page * sizeof *values);
		uint16_t *keys16 = malloc(4 * page * 2), *values16 = malloc(4 * page * 2);
		float query[4 * 3 * 128], out[4 * 3 * 128], alone[3 * 128], scores[ATTENTION_ROWS * 512];
		uint32_t pages[] = {2, 0, 3};
		struct attention a = {.query = query,
		                      .stride = group * size,
		                      .scores = scores,
		                      .pages = pages,
		                      .kv_head = 1,
		                      .group = group,
		                      .head_size = size,
		                      .scale = 0.2f};

		for (size_t j = 0; j < 4 * page; j++) {
			keys16[j] = float_to_half(uniform());
			values16[j] = float_to_half(uniform());
			keys[j] = half_to_float(keys16[j]);
			values[j] = half_to_float(values16[j]);
		}
		for (size_t j = 0; j < 4 * group * size; j++)
			query[j] = uniform();
		for (int half = 0; kernels != NULL && half < 2 * 3; half++) {
			a.keys = half % 2 ? (void *)keys16 : (void *)keys;
			a.values = half % 2 ? (void *)values16 : (void *)values;
			a.page_bytes = page * (half % 2 ? 2 : 4);
			a.window = windows[half / 2];
			a.query = query;
			a.out = out;
			a.last = 150;
			a.tokens = 4;
			(half % 2 ? kernels->attend16 : kernels->attend32)(&a);
			a.tokens = 1;
			a.out = alone;
			for (unsigned t = 0; t < 4; t++, a.query += a.stride, a.last++) {
				(half % 2 ? kernels->attend16 : kernels->attend32)(&a);
				assert_memory_equal(alone, out + t * a.stride, a.stride * sizeof *alone);
			}
			for (uint32_t h = 0; h < 4 * group; h++)
				for (uint32_t d = 0; d < size; d++) {
					const uint32_t last = 150 + h / group;
					const uint32_t first = a.window > 0 ? last + 1 - a.window : 0;
					double sum = 0, weighted = 0;

					for (uint32_t p = first; p <= last; p++) {
						size_t base = pages[p / CACHE_PAGE] * page;
						double score = 0;

						for (uint32_t e = 0; e < size; e++)
							score +=
							    (double)query[h * size + e] *
							    (double)
							        keys[base + cache_key_index(
							                        1, size, p % CACHE_PAGE, e)];
						score = exp(score * 0.2);
						sum += score;
						weighted +=
						    score *
						    (double)values[base + cache_value_index(
						                              1, size, p % CACHE_PAGE, d)];
					}
					assert_true(fabs(weighted / sum - (double)out[h * size + d]) < 1e-5);
				}
		}
		free(keys);
		free(values);
		free(keys16);
		free(values16);
	}
}

/* Attention in a latent, over pages in any order, whatever lies behind the last position, against the sum written out. */
static void
latent_attention_agrees_with_its_definition(void **state)
{
	const uint32_t sizes[][2] = {
	    {40,  32 },
            {83,  67 },
            {576, 512}
        };

	(void)state;
	for (size_t i = 0; i < 3 * 3 * 2; i++) {
		const uint32_t size = sizes[i / 6][0], values = sizes[i / 6][1], heads = 7;
		const struct kernels *kernels = i % 3 == 2 ? &kernels_plain : others(i % 3);
		const size_t page = (size_t)CACHE_PAGE * size;
		float *cache = malloc(4 * page * sizeof *cache),
		      *query = malloc(heads * size * sizeof *query);
		float *out = malloc(heads * (values + 3) * sizeof *out), scores[LATENT_HEADS * 256];
		uint16_t *cache16 = malloc(4 * page * 2);
		uint32_t pages[] = {2, 0, 3};
		struct latent_attention a = {.query = query,
		                             .out = out,
		                             .stride = values + 3,
		                             .scores = scores,
		                             .pages = pages,
		                             .heads = heads,
		                             .size = size,
		                             .values = values,
		                             .last = i / 3 % 2 == 0 ? 150 : 127,
		                             .scale = 0.2f};

		for (size_t j = 0; j < 4 * page; j++) {
			cache16[j] = float_to_half(uniform());
			cache[j] = half_to_float(cache16[j]);
		}
		for (uint32_t p = a.last + 1; p < 192; p++)
			for (uint32_t e = 0; e < size; e++) {
				size_t at = pages[p / CACHE_PAGE] * page +
				            cache_key_index(0, size, p % CACHE_PAGE, e);

				cache[at] = NAN;
				cache16[at] = 0x7e00;
			}
		for (size_t j = 0; j < heads * size; j++)
			query[j] = uniform();
		for (int half = 0; kernels != NULL && half < 2; half++) {
			a.cache = half ? (void *)cache16 : (void *)cache;
			a.page_bytes = page * (half ? 2 : 4);
			(half ? kernels->attend_latent16 : kernels->attend_latent32)(&a);
			for (uint32_t h = 0; h < heads; h++) {
				double weights[192], sum = 0;

				for (uint32_t p = 0; p <= a.last; p++) {
					weights[p] = 0;
					for (uint32_t e = 0; e < size; e++)
						weights[p] +=
						    (double)query[h * size + e] *
						    (double)
						        cache[pages[p / CACHE_PAGE] * page +
						              cache_key_index(0, size, p % CACHE_PAGE, e)];
					weights[p] = exp(weights[p] * 0.2);
					sum += weights[p];
				}
				for (uint32_t d = 0; d < values; d++) {
					double gathered = 0;

					for (uint32_t p = 0; p <= a.last; p++)
						gathered +=
						    weights[p] *
						    (double)
						        cache[pages[p / CACHE_PAGE] * page +
						              cache_key_index(0, size, p % CACHE_PAGE, d)];
					assert_true(fabs(gathered / sum - (double)out[h * a.stride + d]) <
					            1e-5);
				}
			}
		}
		free(cache);
		free(cache16);
		free(query);
		free(out);
	}
}

static void
halves_round_as_the_processor_does(void **state)
{
	(void)state;
	for (uint32_t half = 0; half < 65536; half++) {
		float value = half_to_float((uint16_t)half);

		if ((half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0)
			assert_true(isnan(value));
		else
			assert_int_equal(float_to_half(value), half);
	}
	assert_int_equal(float_to_half(65519.0f), 0x7bff);
	assert_int_equal(float_to_half(65520.0f), 0x7c00);
	assert_int_equal(float_to_half(0x1p-25f), 0); /* ties to even */
	assert_int_equal(float_to_half(0x1.8p-25f), 1);
}

static void
count_up(void *argument, size_t index, size_t member)
{
	(void)member;
	((uint32_t *)argument)[index]++;
}

static void
a_crew_does_each_chunk_once(void **state)
{
	struct crew *crew;
	uint32_t done[97] = {0};

	(void)state;
	assert_int_equal(crew_start(&crew, 3, NULL), 0);
	for (unsigned round = 1; round <= 5000; round++) {
		crew_share(crew, 97, count_up, done);
		if (round % 1000 == 0)
			usleep(2000); /* let the helpers fall asleep */
		for (size_t i = 0; i < 97; i++)
			assert_int_equal(done[i], round);
	}
	crew_stop(crew);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(products_agree_and_do_not_depend_on_company),
	    cmocka_unit_test(activations_round_alike_everywhere),
	    cmocka_unit_test(attention_agrees_with_its_definition),
	    cmocka_unit_test(latent_attention_agrees_with_its_definition),
	    cmocka_unit_test(halves_round_as_the_processor_does),
	    cmocka_unit_test(a_crew_does_each_chunk_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
