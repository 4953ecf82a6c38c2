/*
 * The GPU's graph against the processor's, on models of random weights made here: every type, every switch of the
 * architectures, prompts that cross pages, answers in company. Linked twice: with kernels run by tests/cuda/emulation.h,
 * which needs no GPU, and with the real ones.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inference/model.h"
#include "inference/quant.h"
#include "schema/base/fault.h"

extern const struct runner_kind runner_cuda;

#define CONTEXT    320
#define PAGES      64
#define ROWS       100
#define TABLE      (CONTEXT / CACHE_PAGE + 1)
#define SEQUENCES  10
#define VOCABULARY 96

struct recipe {
	const char *name;
	uint32_t type, other; /* of most matrices; of v and down */
	uint32_t width, ffn, heads, kv_heads, head_size, rotated, window;
	bool halves, norms, post, bias, no_pre;
	unsigned cache_bits;
	double close,
	    near; /* most mean error of few and of many rows, in standard deviations of what is right */
	uint32_t experts, used, expert_ffn, shared; /* 0: no mixture, in the second layer; no network for all */
	bool sigmoid, fused;
};

static uint64_t seed;
static bool without_gpu;

static uint32_t
draw(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

static float
uniform(float most)
{
	return ((float)(draw() % 65536) / 32768.0f - 1.0f) * most;
}

static float *
vector(size_t count, float middle, float most)
{
	float *out = malloc(count * sizeof *out);

	assert_non_null(out);
	for (size_t i = 0; i < count; i++)
		out[i] = middle + uniform(most);
	return out;
}

static void
put_half(uint8_t *at, float value)
{
	uint16_t half = float_to_half(value);

	memcpy(at, &half, 2);
}

static struct matrix
random_matrix(uint32_t type, uint32_t rows, uint32_t columns)
{
	const struct quant_kind *kind = quant_kind(type);
	struct matrix out = {.type = type, .rows = rows, .columns = columns};
	float most = 1.7f / sqrtf((float)columns);
	uint8_t *data;

	out.row_size = quant_row_size(type, columns);
	assert_true(out.row_size > 0);
	data = malloc(rows * out.row_size);
	assert_non_null(data);
	for (size_t i = 0; i < rows * out.row_size; i++)
		data[i] = (uint8_t)draw();
	for (size_t i = 0; i < (size_t)rows * columns / kind->block; i++) {
		uint8_t *block = data + i * kind->bytes;
		float value = uniform(most);
		uint32_t bits;

		memcpy(&bits, &value, 4);
		if (type == QUANT_F32)
			memcpy(block, &value, 4);
		else if (type == QUANT_F16)
			put_half(block, value);
		else if (type == QUANT_BF16)
			memcpy(block, (uint8_t *)&bits + 2, 2);
		else if (type == QUANT_Q6_K)
			put_half(block + 208, most / 2000);
		else if (type == QUANT_Q4_K || type == QUANT_Q5_K) {
			put_half(block, most / (type == QUANT_Q4_K ? 240 : 480));
			put_half(block + 2, most / 32);
		} else
			put_half(block, most / (type == QUANT_Q8_0 ? 128 : 12));
	}
	out.data = data;
	return out;
}

/* `count` matrices, one behind the other. */
static struct matrix *
random_experts(uint32_t type, uint32_t count, uint32_t rows, uint32_t columns)
{
	const struct matrix all = random_matrix(type, count * rows, columns);
	struct matrix *out = calloc(count, sizeof *out);

	assert_non_null(out);
	for (uint32_t e = 0; e < count; e++) {
		out[e] = all;
		out[e].rows = rows;
		out[e].data += (size_t)e * rows * all.row_size;
	}
	return out;
}

static struct mixture *
random_mixture(const struct recipe *recipe)
{
	struct mixture *out = calloc(1, sizeof *out);

	assert_non_null(out);
	*out = (struct mixture){
	    .router = random_matrix(QUANT_F32, recipe->experts, recipe->width),
	    .bias = recipe->sigmoid ? vector(recipe->experts, 0, 0.3f) : NULL,
	    .gate = random_experts(recipe->type, recipe->experts, recipe->expert_ffn, recipe->width),
	    .up = random_experts(recipe->type, recipe->experts, recipe->expert_ffn, recipe->width),
	    .down = random_experts(recipe->other, recipe->experts, recipe->width, recipe->expert_ffn),
	};
	/* Gate and up of an expert may lie in one tensor, one behind the other. */
	for (uint32_t e = 0; recipe->fused && e < recipe->experts; e++) {
		const size_t bytes = out->gate[e].rows * out->gate[e].row_size;
		uint8_t *both = (uint8_t *)(uintptr_t)out->gate[0].data;

		if (e == 0) {
			both = realloc(both, 2 * recipe->experts * bytes);
			assert_non_null(both);
			memcpy(both + recipe->experts * bytes, out->up[0].data, recipe->experts * bytes);
			free((void *)(uintptr_t)out->up[0].data);
			out->gate[0].data = both;
		}
		out->gate[e].data = both + 2 * e * bytes;
		out->up[e].data = both + (2 * e + 1) * bytes;
	}
	if (recipe->shared > 0) {
		out->shared_gate = random_matrix(recipe->type, recipe->shared, recipe->width);
		out->shared_up = random_matrix(recipe->type, recipe->shared, recipe->width);
		out->shared_down = random_matrix(recipe->other, recipe->width, recipe->shared);
	}
	return out;
}

static void
free_mixture(struct mixture *mixture)
{
	if (mixture == NULL)
		return;
	free((void *)(uintptr_t)mixture->router.data);
	free((void *)(uintptr_t)mixture->bias);
	free((void *)(uintptr_t)mixture->gate[0].data);
	if (mixture->up[0].data != mixture->gate[0].data + mixture->gate[0].rows * mixture->gate[0].row_size)
		free((void *)(uintptr_t)mixture->up[0].data);
	free((void *)(uintptr_t)mixture->down[0].data);
	free((void *)(uintptr_t)mixture->shared_gate.data);
	free((void *)(uintptr_t)mixture->shared_up.data);
	free((void *)(uintptr_t)mixture->shared_down.data);
	free(mixture->gate);
	free(mixture->up);
	free(mixture->down);
	free(mixture);
}

static void
make_model(const struct recipe *recipe, struct model *out)
{
	const uint32_t q = recipe->heads * recipe->head_size, k = recipe->kv_heads * recipe->head_size;
	const uint32_t width = recipe->width;
	struct shape *shape = &out->shape;

	memset(out, 0, sizeof *out);
	*shape = (struct shape){.width = width,
	                        .ffn = recipe->ffn,
	                        .layers = 2,
	                        .heads = recipe->heads,
	                        .kv_heads = recipe->kv_heads,
	                        .head_size = recipe->head_size,
	                        .value_size = recipe->head_size,
	                        .vocabulary = VOCABULARY,
	                        .context = CONTEXT,
	                        .window = recipe->window,
	                        .rotated = recipe->rotated,
	                        .rope_halves = recipe->halves,
	                        .epsilon = 1e-5f,
	                        .attention_scale = 1.3f / sqrtf((float)recipe->head_size),
	                        .embedding_scale = 1.5f,
	                        .residual_scale = 0.8f,
	                        .logit_scale = 0.7f,
	                        .rope_magnitude = 1.1f,
	                        .experts = recipe->experts,
	                        .experts_used = recipe->used,
	                        .expert_ffn = recipe->expert_ffn,
	                        .shared_ffn = recipe->shared,
	                        .expert_groups = 1,
	                        .expert_groups_used = 1,
	                        .expert_sigmoid = recipe->sigmoid,
	                        .expert_normalised = recipe->sigmoid,
	                        .expert_scale = 1.5f};
	out->head = random_matrix(recipe->type, VOCABULARY, width);
	/* Tied where norms are after: both ways must be gone. */
	out->embedding = recipe->post ? out->head : random_matrix(recipe->other, VOCABULARY, width);
	out->output_norm = vector(width, 1, 0.2f);
	out->layers = calloc(shape->layers, sizeof *out->layers);
	out->rope_frequencies = calloc(recipe->rotated / 2, sizeof *out->rope_frequencies);
	assert_true(out->layers != NULL && out->rope_frequencies != NULL);
	for (uint32_t i = 0; i < recipe->rotated / 2; i++)
		out->rope_frequencies[i] = pow(10000, -2.0 * i / recipe->rotated);
	for (uint32_t i = 0; i < shape->layers; i++)
		out->layers[i] = (struct layer){
		    .attention_norm = recipe->no_pre ? NULL : vector(width, 1, 0.2f),
		    .ffn_norm = recipe->no_pre ? NULL : vector(width, 1, 0.2f),
		    .attention_post_norm = recipe->post ? vector(width, 0.5f, 0.2f) : NULL,
		    .ffn_post_norm = recipe->post ? vector(width, 0.5f, 0.2f) : NULL,
		    .q_norm = recipe->norms ? vector(recipe->head_size, 1, 0.2f) : NULL,
		    .k_norm = recipe->norms ? vector(recipe->head_size, 1, 0.2f) : NULL,
		    .q_bias = recipe->bias ? vector(q, 0, 0.5f) : NULL,
		    .k_bias = recipe->bias ? vector(k, 0, 0.5f) : NULL,
		    .v_bias = recipe->bias ? vector(k, 0, 0.5f) : NULL,
		    .q = random_matrix(recipe->type, q, width),
		    .k = random_matrix(recipe->type, k, width),
		    .v = random_matrix(recipe->other, k, width),
		    .output = random_matrix(recipe->type, width, q),
		    .mixture = recipe->experts > 0 && i == 1 ? random_mixture(recipe) : NULL,
		    .local = recipe->window > 0 && i == 0,
		    .rope = i == 0 || recipe->window == 0,
		};
	for (uint32_t i = 0; i < shape->layers; i++) {
		if (out->layers[i].mixture != NULL)
			continue;
		out->layers[i].gate = random_matrix(recipe->type, recipe->ffn, width);
		out->layers[i].up = random_matrix(recipe->type, recipe->ffn, width);
		out->layers[i].down = random_matrix(recipe->other, width, recipe->ffn);
	}
}

static void
free_model(struct model *model)
{
	for (uint32_t i = 0; i < model->shape.layers; i++) {
		const struct layer *layer = &model->layers[i];
		const void *all[] = {layer->attention_norm, layer->ffn_norm,  layer->attention_post_norm,
		                     layer->ffn_post_norm,  layer->q_norm,    layer->k_norm,
		                     layer->q_bias,         layer->k_bias,    layer->v_bias,
		                     layer->q.data,         layer->k.data,    layer->v.data,
		                     layer->output.data,    layer->gate.data, layer->up.data,
		                     layer->down.data};

		for (size_t j = 0; j < sizeof all / sizeof *all; j++)
			free((void *)(uintptr_t)all[j]);
		free_mixture(layer->mixture);
	}
	if (model->embedding.data != model->head.data)
		free((void *)(uintptr_t)model->embedding.data);
	free((void *)(uintptr_t)model->head.data);
	free((void *)(uintptr_t)model->output_norm);
	free(model->layers);
	free(model->rope_frequencies);
}

static struct {
	uint32_t tables[SEQUENCES][TABLE], length[SEQUENCES];
	struct step_row rows[ROWS];
	size_t count;
	float logits[2][ROWS * VOCABULARY], states[2][ROWS * 512];
	uint32_t best[2][ROWS];
} bench;

static void
add_rows(unsigned sequence, size_t count, bool all_wanted)
{
	for (size_t i = 0; i < count; i++)
		bench.rows[bench.count++] = (struct step_row){
		    .token = draw() % VOCABULARY,
		    .position = bench.length[sequence]++,
		    .pages = bench.tables[sequence],
		    .wanted = all_wanted || i + 1 == count || i % 7 == 3,
		    .state = !all_wanted && i % 5 == 2,
		};
}

static double
error_of(const float *got, const float *right, size_t count)
{
	double wrong = 0, sum = 0, square = 0;

	for (size_t i = 0; i < count; i++) {
		assert_true(isfinite(got[i]));
		wrong += fabs((double)got[i] - right[i]);
		sum += right[i];
		square += (double)right[i] * right[i];
	}
	return wrong / (double)count / sqrt(square / (double)count - pow(sum / (double)count, 2));
}

/* Of rows that asked for no more the best token came, unless others are as good; no logits did. */
static void
compare_best(const struct model *model, double tolerance)
{
	size_t at = 0;

	for (size_t t = 0; t < bench.count; t++) {
		const float *right = bench.logits[0] + at * VOCABULARY;

		if (!bench.rows[t].wanted)
			continue;
		if (bench.rows[t].best) {
			assert_true(bench.best[1][at] < VOCABULARY);
			assert_true(right[bench.best[0][at]] - right[bench.best[1][at]] <=
			            20 * tolerance * model->shape.logit_scale);
			memcpy(bench.logits[1] + at * VOCABULARY, right, VOCABULARY * sizeof *right);
		}
		at++;
	}
}

static void
compare(struct runner *runners[2], const struct model *model, double tolerance, const char *what)
{
	const struct runner_kind *kinds[] = {&runner_cpu, &runner_cuda};
	size_t wanted = 0, states = 0;
	double error;

	for (unsigned i = 0; i < 2; i++)
		kinds[i]->forward(runners[i], &(struct step){.rows = bench.rows,
		                                             .count = bench.count,
		                                             .logits = bench.logits[i],
		                                             .best = bench.best[i],
		                                             .states = bench.states[i]});
	for (size_t t = 0; t < bench.count; t++) {
		wanted += bench.rows[t].wanted;
		states += bench.rows[t].state;
	}
	compare_best(model, tolerance);
	error = error_of(bench.logits[1], bench.logits[0], wanted * VOCABULARY);
	if (error > tolerance)
		print_error("%s: logits differ by %.2g\n", what, error);
	assert_true(error <= tolerance);
	if (states > 0)
		assert_true(error_of(bench.states[1], bench.states[0], states * model->shape.width) <=
		            tolerance);
	print_message("  %-28s %3zu rows, error %.1e\n", what, bench.count, error);
	bench.count = 0;
}

static void
test_recipe(void **state)
{
	const struct recipe *recipe = *state;
	struct runner_options options = {.threads = 1,
	                                 .rows = ROWS,
	                                 .pages = PAGES,
	                                 .context = CONTEXT,
	                                 .cache_bits = recipe->cache_bits,
	                                 .kernels = "plain",
	                                 .narrow = true},
	                      on_gpu;
	struct runner *runners[2] = {NULL, NULL};
	struct model model;
	struct fault why;
	uint32_t page = 0;

	seed = 20261122;
	make_model(recipe, &model);
	memset(&bench, 0, sizeof bench);
	/* Pages of a sequence lie anywhere. */
	for (size_t i = 0; i < (size_t)SEQUENCES * TABLE; i++)
		bench.tables[i / TABLE][i % TABLE] = page = (page + 37) % PAGES;
	on_gpu = options;
	on_gpu.kernels = NULL; /* as answers are computed: recorded, one kernel beginning while the other ends */
	if (runner_cuda.open(&runners[1], &model, &on_gpu, &why) == -1) {
		free_model(&model);
		if (why.kind != FAULT_UNSUPPORTED)
			fail_msg("%s", why.en);
		print_message("%s\n", why.en);
		without_gpu = true;
		skip();
	}
	assert_int_equal(runner_cpu.open(&runners[0], &model, &options, &why), 0);
	assert_int_equal(runner_cuda.page_bytes(&model, &options), runner_cpu.page_bytes(&model, &options));

	print_message("%s\n", recipe->name);
	/* Few rows: both sides do the same arithmetic. */
	add_rows(0, 1, true);
	compare(runners, &model, recipe->close, "the first token");
	add_rows(0, 18, false);
	add_rows(1, 5, false);
	compare(runners, &model, recipe->close, "two short prompts");
	for (unsigned round = 0; round < 3; round++) { /* run, recorded, replayed */
		for (unsigned i = 0; i < SEQUENCES; i++)
			add_rows(i, 1, true);
		for (unsigned i = 0; i < SEQUENCES; i++)
			bench.rows[i].best = i % 3 == round;
		compare(runners, &model, recipe->close, "ten answers");
	}
	/* Many: tensor cores take activations in 16 bits where processors round them to 8. */
	add_rows(2, 1, true);
	add_rows(0, 75, false);
	add_rows(1, 1, true);
	add_rows(3, 5, false);
	compare(runners, &model, recipe->near, "answers and a long prompt");
	add_rows(0, 1, true);
	compare(runners, &model, recipe->near, "its answer");
	runner_cpu.close(runners[0]);
	runner_cuda.close(runners[1]);
	free_model(&model);
}

/*
 * Quantised weights with a whole cache agree to the bit of the rounding, mostly; a value in the middle between two of its
 * 255 steps, or after half precision in between, may round to the next on one side. So may another expert be chosen.
 */
/* clang-format off: it does not survive this table */
static const struct recipe recipes[] = {
    {.name = "F32", .type = QUANT_F32, .other = QUANT_F32, .width = 64, .ffn = 172, .heads = 4, .kv_heads
     = 2, .head_size = 16, .rotated = 16, .close = 1e-5, .near = 1e-5},
    {.name = "F32, window", .type = QUANT_F32, .other = QUANT_F32, .width = 48, .ffn = 96, .heads = 6,
     .kv_heads = 2, .head_size = 8, .rotated = 8, .window = 70, .halves = true, .norms = true, .post =
     true, .no_pre = true, .close = 1e-5, .near = 1e-5},
    {.name = "F32, halves", .type = QUANT_F32, .other = QUANT_F32, .width = 64, .ffn = 64, .heads = 4,
     .kv_heads = 1, .head_size = 16, .rotated = 8, .halves = true, .bias = true, .cache_bits = 16, .close
     = 1e-3, .near = 1e-3},
    {.name = "F16", .type = QUANT_F16, .other = QUANT_F16, .width = 64, .ffn = 96, .heads = 8, .kv_heads
     = 2, .head_size = 16, .rotated = 16, .halves = true, .bias = true, .close = 2e-3, .near = 2e-3},
    {.name = "BF16", .type = QUANT_BF16, .other = QUANT_F32, .width = 64, .ffn = 96, .heads = 18,
     .kv_heads = 1, .head_size = 16, .rotated = 16, .window = 33, .halves = true, .norms = true, .post =
     true, .no_pre = true, .close = 8e-3, .near = 8e-3},
    {.name = "Q8_0", .type = QUANT_Q8_0, .other = QUANT_Q8_0, .width = 64, .ffn = 96, .heads = 4,
     .kv_heads = 4, .head_size = 16, .rotated = 16, .cache_bits = 32, .close = 2e-3, .near = 6e-2},
    {.name = "Q4_0, Q5_0", .type = QUANT_Q4_0, .other = QUANT_Q5_0, .width = 128, .ffn = 96, .heads = 4,
     .kv_heads = 2, .head_size = 32, .rotated = 32, .halves = true, .bias = true, .cache_bits = 32,
     .close = 2e-3, .near = 6e-2},
    {.name = "Q4_K, Q6_K", .type = QUANT_Q4_K, .other = QUANT_Q6_K, .width = 256, .ffn = 256, .heads = 8,
     .kv_heads = 2, .head_size = 32, .rotated = 32, .halves = true, .norms = true, .cache_bits = 32,
     .close = 2e-3, .near = 6e-2},
    {.name = "Q5_K, window", .type = QUANT_Q5_K, .other = QUANT_Q5_K, .width = 256, .ffn = 256, .heads =
     4, .kv_heads = 2, .head_size = 64, .rotated = 64, .window = 40, .halves = true, .norms = true, .post
     = true, .no_pre = true, .close = 3e-2, .near = 3e-2},
    {.name = "Q6_K, Q8_0", .type = QUANT_Q6_K, .other = QUANT_Q8_0, .width = 256, .ffn = 256, .heads = 2,
     .kv_heads = 1, .head_size = 128, .rotated = 64, .halves = true, .bias = true, .close = 3e-2, .near =
     3e-2},
    {.name = "BF16 and F16, wide heads", .type = QUANT_F16, .other = QUANT_BF16, .width = 64, .ffn = 96,
     .heads = 4, .kv_heads = 2, .head_size = 256, .rotated = 64, .halves = true, .norms = true,
     .cache_bits = 16, .close = 4e-3, .near = 4e-3},
    {.name = "experts", .type = QUANT_F32, .other = QUANT_F32, .width = 64, .ffn = 96, .heads = 4,
     .kv_heads = 2, .head_size = 16, .rotated = 16, .halves = true, .norms = true, .close = 1e-5, .near =
     1e-5, .experts = 7, .used = 3, .expert_ffn = 40},
    {.name = "experts, sigmoid", .type = QUANT_F32, .other = QUANT_F32, .width = 64, .ffn = 96, .heads =
     4, .kv_heads = 1, .head_size = 80, .rotated = 16, .window = 40, .halves = true, .cache_bits = 32,
     .close = 1e-5, .near = 1e-5, .experts = 40, .used = 8, .expert_ffn = 32, .shared = 64, .sigmoid =
     true, .fused = true},
    {.name = "experts, BF16", .type = QUANT_BF16, .other = QUANT_F16, .width = 64, .ffn = 96, .heads = 4,
     .kv_heads = 1, .head_size = 80, .rotated = 16, .window = 40, .halves = true, .close = 4e-2, .near =
     4e-2, .experts = 12, .used = 4, .expert_ffn = 32, .shared = 32, .sigmoid = true},
    {.name = "experts, Q8_0", .type = QUANT_Q8_0, .other = QUANT_Q8_0, .width = 64, .ffn = 96, .heads =
     4, .kv_heads = 2, .head_size = 16, .rotated = 16, .halves = true, .norms = true, .cache_bits = 32,
     .close = 2e-3, .near = 6e-2, .experts = 9, .used = 2, .expert_ffn = 64, .shared = 32, .sigmoid =
     true, .fused = true},
    {.name = "experts, Q4_K", .type = QUANT_Q4_K, .other = QUANT_Q6_K, .width = 256, .ffn = 256, .heads =
     8, .kv_heads = 2, .head_size = 32, .rotated = 32, .halves = true, .bias = true, .cache_bits = 32,
     .close = 2e-3, .near = 6e-2, .experts = 5, .used = 2, .expert_ffn = 256, .shared = 256},
};
/* clang-format on */

int
main(void)
{
	enum { COUNT = sizeof recipes / sizeof *recipes };
	struct CMUnitTest tests[COUNT];

	for (size_t i = 0; i < COUNT; i++)
		tests[i] = (struct CMUnitTest){.name = recipes[i].name,
		                               .test_func = test_recipe,
		                               .initial_state = (void *)(uintptr_t)&recipes[i]};
	if (cmocka_run_group_tests(tests, NULL, NULL) != 0)
		return 1;
	if (without_gpu)
		puts("no GPU");
	return without_gpu ? 77 : 0;
}
