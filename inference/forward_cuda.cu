/*
 * forward_cuda -- the graph of forward_cpu.c on one GPU: weights, cache and everything between stay in its memory.
 *
 * A step goes up as one block (embedded rows, rotations, page tables), comes back as logits. Up to PRODUCT_TOKENS
 * tokens meet quantised weights in kernels of our own, which read each weight once per eight tokens; more go through
 * cuBLAS, for which weights are unpacked to halves one matrix at a time. Steps that only continue answers are recorded
 * as CUDA graphs: at one token a layer is ten short kernels, and launching them one by one would cost more than they do.
 *
 * Unlike the reference, sums over many tokens may be made in another order than over one: an answer computed in a
 * crowd can differ in its last bits from the same one alone.
 *
 * cuBLAS is looked for at run time, so that one program serves machines with and without a GPU. If the GPU fails in the
 * middle of a step, nothing true can be said any more: the process says why and ends, and the gateway answers 503.
 */
#ifndef CUDA_EMULATED /* then a processor plays the GPU, and the compiler was told to include what it needs */
#include <cublas_v2.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <mma.h>
using namespace nvcuda;
#define LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
	kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)
#define SHARED_MEMORY(type, name) extern __shared__ type name[]
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include "inference/model.h"
#include "inference/quant.h"
#include "schema/base/fault.h"
}

#include "inference/attention_cuda.cuh"
#include "inference/kernel_cuda.cuh"
#include "inference/memory_cuda.cuh"

#define PRODUCT_TOKENS 32 /* most that our own product kernels take; more go to tensor cores */
#define HEAD_ROWS      64 /* logits made and fetched at a time */
#define GRAPH_ROWS     64 /* steps of at most so many rows are recorded */
#define TILE_LEAST     16 /* rows of one sequence for which a tile pays */
#define SPLITS_MOST    32
#define BLAS_WORKSPACE ((size_t)32 << 20)

struct blas {
	cublasHandle_t handle;
	cublasStatus_t (*multiply)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *,
	                           const void *, cudaDataType, int, const void *, cudaDataType, int, const void *,
	                           void *, cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);
#ifndef CUDA_EMULATED
	cublasStatus_t (*destroy)(cublasHandle_t);
#endif
};

struct device_layer {
	struct planes q, k, v, output, gate, up, down;
	float *attention_norm, *ffn_norm, *attention_post_norm, *ffn_post_norm;
	float *q_norm, *k_norm, *q_bias, *k_bias, *v_bias;
};

/* What goes up with a step, the same layout here and there. */
struct inputs {
	float *x, *turns;
	struct device_row *rows;
	struct device_tile *tiles;
	uint32_t *chosen, *pages;
};

struct runner {
	struct model *model;
	size_t rows; /* most of one step */
	size_t table_length;
	bool half;
	unsigned processors;
	char description[320];

	struct blas blas;
	cudaGraphExec_t graphs[GRAPH_ROWS + 1][6]; /* by rows, and by the logarithm of splits */
	struct device_layer *layers;
	struct planes head;
	float *output_norm;
	uint8_t *cache;
	size_t layer_bytes; /* of one layer's keys */

	uint8_t *staging, *arrived; /* pinned here; there */
	size_t staging_size;
	struct inputs here, there;
	size_t pages_used;

	float *normed, *q, *k, *v, *mixed, *branch, *gate, *up, *logits, *factors;
	struct rounded_out rounded;
	struct partials partials;
	uint16_t *sixteen, *unpacked; /* activations; one matrix of weights */
	uint32_t sixteen_type;        /* of the activations now in there; QUANT_F32: none */
	void *blas_workspace;
	struct device_memory memory;
};

/* ---- the GPU's word --------------------------------------------------------------------------------------------- */

static void
must(cudaError_t error, const char *what)
{
	if (error == cudaSuccess)
		return;
	fprintf(stderr, "haechi-engine: GPU 오류로 멈춥니다: %s: %s\nhaechi-engine: the GPU failed: %s: %s\n", what,
	        cudaGetErrorString(error), what, cudaGetErrorString(error));
	abort();
}

/* ---- products --------------------------------------------------------------------------------------------------- */

static void
multiply_blas(struct runner *runner, const struct planes *matrix, const void *in, uint32_t type, size_t count,
              const void *weights, float *out, size_t stride)
{
	const float one = 1, zero = 0;
	const cudaDataType kind = type == QUANT_F32 ? CUDA_R_32F : type == QUANT_F16 ? CUDA_R_16F : CUDA_R_16BF;
	cublasStatus_t status = runner->blas.multiply(
	    runner->blas.handle, CUBLAS_OP_T, CUBLAS_OP_N, (int)matrix->rows, (int)count, (int)matrix->columns, &one,
	    weights, kind, (int)matrix->columns, in, kind, (int)matrix->columns, &zero, out, CUDA_R_32F, (int)stride,
	    CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);

	if (status != CUBLAS_STATUS_SUCCESS) {
		fprintf(stderr, "haechi-engine: cuBLAS 오류 %d\nhaechi-engine: cuBLAS failed with %d\n", (int)status,
		        (int)status);
		abort();
	}
}

/* out[t * stride + row] of `count` tokens whose values, and their rounded twins, are in memory. */
static void
multiply(struct runner *runner, const struct planes *matrix, const float *values, size_t count, float *out,
         size_t stride)
{
	const unsigned blocks = (matrix->rows + 7) / 8;
	const size_t columns = matrix->columns;
	const void *weights = matrix->quants;
	uint32_t type = matrix->type;

	if (is_float(type) && count == 1) {
		LAUNCH(multiply_floats, dim3(blocks), dim3(256), 0, runner->memory.stream, *matrix, values, out);
		return;
	}
	if (!is_float(type) && (count <= PRODUCT_TOKENS || matrix == &runner->head)) {
		for (size_t t = 0; t < count; t += TOKENS_MOST) {
			const struct rounded in = {values + t * columns, runner->rounded.quants + t * columns,
			                           runner->rounded.scales + t * (columns / 32),
			                           runner->rounded.sums + t * (columns / 16)};
			const unsigned tokens = (unsigned)(count - t < TOKENS_MOST ? count - t : TOKENS_MOST);

			LAUNCH(multiply_quantised, dim3(blocks), dim3(256), 0, runner->memory.stream, *matrix, in, tokens,
			       out + t * stride, stride);
		}
		return;
	}
	if (!is_float(type)) {
		const size_t items = (size_t)matrix->rows * (columns / 32);

		LAUNCH(unpack_halves, dim3((unsigned)((items + 255) / 256)), dim3(256), 0, runner->memory.stream, *matrix,
		       runner->unpacked);
		weights = runner->unpacked;
		type = QUANT_F16;
	}
	if (type == QUANT_F32) {
		multiply_blas(runner, matrix, values, type, count, weights, out, stride);
		return;
	}
	if (runner->sixteen_type != type) {
		LAUNCH(to_sixteen, dim3((unsigned)count), dim3(256), 0, runner->memory.stream, values, runner->sixteen,
		       (unsigned)columns, type == QUANT_BF16, runner->factors);
		runner->sixteen_type = type;
	}
	multiply_blas(runner, matrix, runner->sixteen, type, count, weights, out, stride);
	if (type == QUANT_F16)
		LAUNCH(scale_rows, dim3((unsigned)count), dim3(256), 0, runner->memory.stream, out, matrix->rows, stride,
		       runner->factors, 1.0f);
}

/* The rounded twins of what comes next, if a matrix that takes them is among these. */
static struct rounded_out
rounded_for(struct runner *runner, const struct planes *first, const struct planes *second,
            const struct planes *third)
{
	const struct rounded_out nothing = {NULL, NULL, NULL};
	const bool wanted = !is_float(first->type) || (second != NULL && !is_float(second->type)) ||
	                    (third != NULL && !is_float(third->type));

	/* New activations: the old ones' halves are of no use. */
	runner->sixteen_type = QUANT_F32;
	return wanted ? runner->rounded : nothing;
}

/* ---- the graph -------------------------------------------------------------------------------------------------- */

/* How the rows of a step look at the cache. */
struct looking {
	size_t tiles;
	struct {
		uint32_t first, count;
	} ranges[GRAPH_ROWS * 2]; /* rows that look one by one */
	size_t range_count;
	uint32_t splits;
};

static void
attend(struct runner *runner, const struct device_cache *cache, const struct looking *looking)
{
	const struct shape *shape = &runner->model->shape;
	const unsigned passes = (cache->group + GROUP_MOST - 1) / GROUP_MOST;
	const size_t bytes =
	    (GROUP_MOST * shape->head_size + 2 * GROUP_MOST * CACHE_PAGE + 3 * GROUP_MOST) * sizeof(float);

	if (looking->tiles > 0)
		LAUNCH(attend_tile, dim3((unsigned)looking->tiles, shape->heads), dim3(TILE_THREADS),
		       tile_bytes(shape->head_size), runner->memory.stream, runner->q, *cache, runner->there.tiles,
		       shape->heads, runner->mixed);
	for (size_t i = 0; i < looking->range_count; i++) {
		const uint32_t first = looking->ranges[i].first, count = looking->ranges[i].count;
		struct partials partials = runner->partials;

		partials.splits = looking->splits;
		LAUNCH(attend_split, dim3(count, cache->kv_heads * passes, looking->splits), dim3(SPLIT_THREADS),
		       bytes, runner->memory.stream, runner->q, *cache, runner->there.rows, first, shape->heads, partials);
		LAUNCH(attend_join, dim3(count, shape->heads), dim3(SPLIT_THREADS), 0, runner->memory.stream, partials,
		       shape->heads, shape->head_size,
		       runner->mixed + (size_t)first * shape->heads * shape->head_size);
	}
}

static void
run_layer(struct runner *runner, size_t index, size_t count, const struct looking *looking)
{
	const struct shape *shape = &runner->model->shape;
	const struct layer *layer = &runner->model->layers[index];
	const struct device_layer *at = &runner->layers[index], *before = index > 0 ? at - 1 : NULL;
	const size_t q_size = (size_t)shape->heads * shape->head_size;
	const size_t k_size = (size_t)shape->kv_heads * shape->head_size;
	const struct head_step heads = {.q = runner->q,
	                                .k = runner->k,
	                                .v = runner->v,
	                                .q_bias = at->q_bias,
	                                .k_bias = at->k_bias,
	                                .v_bias = at->v_bias,
	                                .q_norm = at->q_norm,
	                                .k_norm = at->k_norm,
	                                .turns = layer->rope ? runner->there.turns : NULL,
	                                .rows = runner->there.rows,
	                                .heads = shape->heads,
	                                .rotated = shape->rotated,
	                                .halves = shape->rope_halves,
	                                .epsilon = shape->epsilon};
	const struct device_cache cache = {.keys = runner->cache + 2 * index * runner->layer_bytes,
	                                   .values = runner->cache + (2 * index + 1) * runner->layer_bytes,
	                                   .pages = runner->there.pages,
	                                   .kv_heads = shape->kv_heads,
	                                   .head_size = shape->head_size,
	                                   .group = shape->heads / shape->kv_heads,
	                                   .window = layer->local ? shape->window : 0,
	                                   .half = runner->half,
	                                   .scale = shape->attention_scale};
	const unsigned all_heads = shape->heads + 2 * shape->kv_heads;
	const size_t gated = count * shape->ffn;
	struct rounded_out rounded;

	rounded = rounded_for(runner, &at->q, &at->k, &at->v);
	LAUNCH(add_and_norm, dim3((unsigned)count), dim3(256), 0, runner->memory.stream, runner->there.x,
	       before != NULL ? runner->branch : NULL, before != NULL ? before->ffn_post_norm : NULL,
	       at->attention_norm, runner->normed, shape->width, shape->epsilon, shape->residual_scale, rounded);
	multiply(runner, &at->q, runner->normed, count, runner->q, q_size);
	multiply(runner, &at->k, runner->normed, count, runner->k, k_size);
	multiply(runner, &at->v, runner->normed, count, runner->v, k_size);
	LAUNCH(before_attention, dim3((unsigned)count, (all_heads + 3) / 4), dim3(128), 0, runner->memory.stream, heads,
	       cache);
	attend(runner, &cache, looking);
	rounded = rounded_for(runner, &at->output, NULL, NULL);
	if (rounded.quants != NULL)
		LAUNCH(round_values, dim3((unsigned)((count * q_size / 32 + 7) / 8)), dim3(256), 0, runner->memory.stream,
		       runner->mixed, count * q_size / 32, rounded);
	multiply(runner, &at->output, runner->mixed, count, runner->branch, shape->width);
	rounded = rounded_for(runner, &at->gate, &at->up, NULL);
	LAUNCH(add_and_norm, dim3((unsigned)count), dim3(256), 0, runner->memory.stream, runner->there.x, runner->branch,
	       at->attention_post_norm, at->ffn_norm, runner->normed, shape->width, shape->epsilon,
	       shape->residual_scale, rounded);
	multiply(runner, &at->gate, runner->normed, count, runner->gate, shape->ffn);
	multiply(runner, &at->up, runner->normed, count, runner->up, shape->ffn);
	rounded = rounded_for(runner, &at->down, NULL, NULL);
	LAUNCH(silu_multiply, dim3((unsigned)((gated + 255) / 256)), dim3(256), 0, runner->memory.stream, runner->gate,
	       runner->up, gated, rounded);
	multiply(runner, &at->down, runner->gate, count, runner->branch, shape->width);
}

/* All layers; afterwards the stream of every row is in there.x. */
static void
run_layers(struct runner *runner, size_t count, const struct looking *looking)
{
	const struct shape *shape = &runner->model->shape;
	const struct rounded_out nothing = {NULL, NULL, NULL};

	for (size_t i = 0; i < shape->layers; i++)
		run_layer(runner, i, count, looking);
	LAUNCH(add_and_norm, dim3((unsigned)count), dim3(256), 0, runner->memory.stream, runner->there.x, runner->branch,
	       runner->layers[shape->layers - 1].ffn_post_norm, (const float *)NULL, runner->normed, shape->width,
	       shape->epsilon, shape->residual_scale, nothing);
}

/* Normalised states of the rows chosen[0 .. count), and their logits where asked for. */
static void
run_head(struct runner *runner, const uint32_t *chosen, size_t count, bool logits)
{
	const struct shape *shape = &runner->model->shape;
	struct rounded_out rounded = rounded_for(runner, &runner->head, NULL, NULL);

	LAUNCH(norm_chosen, dim3((unsigned)count), dim3(256), 0, runner->memory.stream, runner->there.x, chosen,
	       runner->output_norm, runner->normed, shape->width, shape->epsilon, rounded);
	if (!logits)
		return;
	multiply(runner, &runner->head, runner->normed, count, runner->logits, shape->vocabulary);
	LAUNCH(scale_rows, dim3((unsigned)count), dim3(256), 0, runner->memory.stream, runner->logits, shape->vocabulary,
	       (size_t)shape->vocabulary, (const float *)NULL, shape->logit_scale);
}

static void
fetch(struct runner *runner, float *to, const float *from, size_t count)
{
	must(cudaMemcpyAsync(to, from, count * sizeof *to, cudaMemcpyDeviceToHost, runner->memory.stream), "download");
	must(cudaStreamSynchronize(runner->memory.stream), "step");
}

/* ---- a step's way up -------------------------------------------------------------------------------------------- */

/* Rows of one sequence share its page table; the longest of them decides how much of it goes up. */
static void
place_tables(struct runner *runner, const struct step *step)
{
	runner->pages_used = 0;
	for (size_t t = 0, end; t < step->count; t = end) {
		const uint32_t *pages = step->rows[t].pages;
		uint32_t length = 0;

		for (end = t; end < step->count && step->rows[end].pages == pages; end++) {
			uint32_t needed = step->rows[end].position / CACHE_PAGE + 1;

			length = needed > length ? needed : length;
			runner->here.rows[end].position = step->rows[end].position;
			runner->here.rows[end].table = (uint32_t)runner->pages_used;
		}
		memcpy(runner->here.pages + runner->pages_used, pages, length * sizeof *pages);
		runner->pages_used += length;
	}
}

static void
choose_looking(struct runner *runner, const struct step *step, struct looking *out)
{
	const struct shape *shape = &runner->model->shape;
	const bool tiles = runner->half && shape->head_size % 16 == 0;
	size_t single = 0;
	uint32_t most_pages = 1;

	memset(out, 0, sizeof *out);
	for (size_t t = 0, end; t < step->count; t = end) {
		for (end = t + 1; end < step->count && step->rows[end].pages == step->rows[t].pages &&
		                  step->rows[end].position == step->rows[end - 1].position + 1;
		     end++)
			;
		if (tiles && end - t >= TILE_LEAST) {
			for (size_t at = t; at < end; at += TILE)
				runner->here.tiles[out->tiles++] = {(uint32_t)at,
				                                    (uint32_t)(end - at < TILE ? end - at : TILE),
				                                    step->rows[at].position, runner->here.rows[at].table};
			continue;
		}
		for (size_t at = t; at < end; at++)
			if (step->rows[at].position / CACHE_PAGE + 1 > most_pages)
				most_pages = step->rows[at].position / CACHE_PAGE + 1;
		single += end - t;
		if (out->range_count > 0 &&
		    out->ranges[out->range_count - 1].first + out->ranges[out->range_count - 1].count == t)
			out->ranges[out->range_count - 1].count += (uint32_t)(end - t);
		else if (out->range_count < sizeof out->ranges / sizeof *out->ranges)
			out->ranges[out->range_count++] = {(uint32_t)t, (uint32_t)(end - t)};
	}
	/* Enough blocks to fill the GPU, none without a page. */
	for (out->splits = 1; out->splits < SPLITS_MOST && out->splits * 2 <= most_pages &&
	                      single * shape->kv_heads * out->splits < (size_t)4 * runner->processors;)
		out->splits *= 2;
}

static size_t
logarithm(uint32_t splits)
{
	size_t log = 0;

	while (splits >>= 1)
		log++;
	return log;
}

/* Layers and head of a step whose every row is looked at alone and wants logits: recorded once, then replayed. */
static void
run_recorded(struct runner *runner, size_t count, const struct looking *looking)
{
	cudaGraphExec_t *recorded = &runner->graphs[count][logarithm(looking->splits)];
	cudaGraph_t graph;

	if (*recorded == NULL &&
	    cudaStreamBeginCapture(runner->memory.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess) {
		run_layers(runner, count, looking);
		run_head(runner, runner->there.chosen, count, true);
		must(cudaStreamEndCapture(runner->memory.stream, &graph), "capture");
		must(cudaGraphInstantiate(recorded, graph, 0), "graph");
		cudaGraphDestroy(graph);
	}
	if (*recorded != NULL) {
		must(cudaGraphLaunch(*recorded, runner->memory.stream), "graph");
	} else {
		run_layers(runner, count, looking);
		run_head(runner, runner->there.chosen, count, true);
	}
}

static void
cuda_forward(struct runner *runner, const struct step *step)
{
	const struct shape *shape = &runner->model->shape;
	size_t wanted = 0, states = 0, size;
	struct looking looking;

	for (size_t t = 0; t < step->count; t++) {
		model_begin_row(runner->model, &step->rows[t], runner->here.x + t * shape->width,
		                runner->here.turns + t * shape->rotated);
		if (step->logits != NULL && step->rows[t].wanted)
			runner->here.chosen[wanted++] = (uint32_t)t;
	}
	for (size_t t = 0; step->states != NULL && t < step->count; t++)
		if (step->rows[t].state)
			runner->here.chosen[wanted + states++] = (uint32_t)t;
	place_tables(runner, step);
	choose_looking(runner, step, &looking);
	size = (size_t)((uint8_t *)(runner->here.pages + runner->pages_used) - runner->staging);
	must(cudaMemcpyAsync(runner->arrived, runner->staging, size, cudaMemcpyHostToDevice, runner->memory.stream), "upload");
	if (step->count <= GRAPH_ROWS && wanted == step->count && states == 0 && looking.tiles == 0) {
		run_recorded(runner, step->count, &looking);
		fetch(runner, step->logits, runner->logits, wanted * shape->vocabulary);
		return;
	}
	run_layers(runner, step->count, &looking);
	for (size_t at = 0; at < wanted; at += HEAD_ROWS) {
		size_t some = wanted - at < HEAD_ROWS ? wanted - at : HEAD_ROWS;

		run_head(runner, runner->there.chosen + at, some, true);
		fetch(runner, step->logits + at * shape->vocabulary, runner->logits, some * shape->vocabulary);
	}
	if (states > 0) {
		run_head(runner, runner->there.chosen + wanted, states, false);
		fetch(runner, step->states, runner->normed, states * shape->width);
	}
	must(cudaStreamSynchronize(runner->memory.stream), "step");
	must(cudaGetLastError(), "step");
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int
send_layer(struct runner *runner, const struct layer *layer, struct device_layer *out, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;
	const size_t q_size = (size_t)shape->heads * shape->head_size;
	const size_t k_size = (size_t)shape->kv_heads * shape->head_size;
	const struct {
		const struct matrix *from;
		struct planes *to;
	} matrices[] = {{&layer->q, &out->q},       {&layer->k, &out->k},   {&layer->v, &out->v},
	                {&layer->output, &out->output}, {&layer->gate, &out->gate}, {&layer->up, &out->up},
	                {&layer->down, &out->down}};
	const struct {
		const float *from;
		float **to;
		size_t count;
	} vectors[] = {{layer->attention_norm, &out->attention_norm, shape->width},
	               {layer->ffn_norm, &out->ffn_norm, shape->width},
	               {layer->attention_post_norm, &out->attention_post_norm, shape->width},
	               {layer->ffn_post_norm, &out->ffn_post_norm, shape->width},
	               {layer->q_norm, &out->q_norm, shape->head_size},
	               {layer->k_norm, &out->k_norm, shape->head_size},
	               {layer->q_bias, &out->q_bias, q_size},
	               {layer->k_bias, &out->k_bias, k_size},
	               {layer->v_bias, &out->v_bias, k_size}};

	for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
		if (send_matrix(&runner->memory, runner->model, matrices[i].from, matrices[i].to, why) == -1)
			return -1;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
		if (send_floats(&runner->memory, vectors[i].from, vectors[i].count, vectors[i].to, why) == -1)
			return -1;
	return 0;
}

/* Where the parts of a step's input lie in the block at `base`; returns its size. */
static size_t
lay_out(const struct runner *runner, uint8_t *base, struct inputs *out)
{
	const struct shape *shape = &runner->model->shape;
	const size_t rows = runner->rows;
	uint8_t *at = base;

	/* The page tables come last: only as much of them as a step uses goes up. */
	out->x = (float *)(void *)at;
	at += rows * shape->width * sizeof *out->x;
	out->turns = (float *)(void *)at;
	at += rows * shape->rotated * sizeof *out->turns;
	out->rows = (struct device_row *)(void *)at;
	at += rows * sizeof *out->rows;
	out->tiles = (struct device_tile *)(void *)at;
	at += rows * sizeof *out->tiles;
	out->chosen = (uint32_t *)(void *)at;
	at += 2 * rows * sizeof *out->chosen;
	out->pages = (uint32_t *)(void *)at;
	at += rows * runner->table_length * sizeof *out->pages;
	return (size_t)(at - base);
}

static int
take_scratch(struct runner *runner, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;
	const size_t rows = runner->rows, width = shape->width, ffn = shape->ffn;
	const size_t q = (size_t)shape->heads * shape->head_size, k = (size_t)shape->kv_heads * shape->head_size;
	const size_t singles = rows < 2 * GRAPH_ROWS * TILE_LEAST ? rows : 2 * GRAPH_ROWS * TILE_LEAST;
	size_t widest = width > q ? width : q, largest = 1;
	struct inputs none;
	struct {
		void *out;
		size_t size;
	} parts[] = {{&runner->normed, rows * width * 4},
	             {&runner->q, rows * q * 4},
	             {&runner->k, rows * k * 4},
	             {&runner->v, rows * k * 4},
	             {&runner->mixed, rows * q * 4},
	             {&runner->branch, rows * width * 4},
	             {&runner->gate, rows * ffn * 4},
	             {&runner->up, rows * ffn * 4},
	             {&runner->factors, rows * 4},
	             {&runner->logits, (size_t)HEAD_ROWS * shape->vocabulary * 4},
	             {&runner->partials.most, singles * shape->heads * SPLITS_MOST * 4},
	             {&runner->partials.sum, singles * shape->heads * SPLITS_MOST * 4},
	             {&runner->partials.values, singles * q * SPLITS_MOST * 4},
	             {&runner->rounded.quants, 0},
	             {&runner->rounded.scales, 0},
	             {&runner->rounded.sums, 0},
	             {&runner->sixteen, 0},
	             {&runner->unpacked, 0},
	             {&runner->arrived, 0}};
	const size_t count = sizeof parts / sizeof *parts;

	widest = widest > ffn ? widest : ffn;
	for (size_t i = 0; i < shape->layers; i++) {
		const struct device_layer *layer = &runner->layers[i];
		const struct planes *all[] = {&layer->q,    &layer->k,  &layer->v,   &layer->output,
		                              &layer->gate, &layer->up, &layer->down};

		for (size_t j = 0; j < sizeof all / sizeof *all; j++)
			if (!is_float(all[j]->type) && (size_t)all[j]->rows * all[j]->columns > largest)
				largest = (size_t)all[j]->rows * all[j]->columns;
	}
	runner->staging_size = lay_out(runner, NULL, &none);
	parts[count - 6].size = rows * widest;
	parts[count - 5].size = rows * (widest / 32 + 1) * 4;
	parts[count - 4].size = rows * (widest / 16 + 1) * 4;
	parts[count - 3].size = rows * widest * 2;
	parts[count - 2].size = largest * 2;
	parts[count - 1].size = runner->staging_size;
	for (size_t i = 0; i < count; i++)
		if (take(&runner->memory, parts[i].out, parts[i].size, why) == -1)
			return -1;
	if (cudaMallocHost(&runner->staging, runner->staging_size) != cudaSuccess) {
		runner->staging = NULL;
		return fault_memory(why);
	}
	lay_out(runner, runner->staging, &runner->here);
	lay_out(runner, runner->arrived, &runner->there);
	return 0;
}

static int
open_blas(struct runner *runner, struct fault *why)
{
#ifdef CUDA_EMULATED
	(void)why;
	runner->blas.multiply = emulated_gemm;
	return 0;
#else
	static const char *const names[] = {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"};
	cublasStatus_t (*create)(cublasHandle_t *);
	cublasStatus_t (*set_stream)(cublasHandle_t, cudaStream_t);
	cublasStatus_t (*set_workspace)(cublasHandle_t, void *, size_t);
	void *library = NULL;

	for (size_t i = 0; library == NULL && i < sizeof names / sizeof *names; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "cuBLAS(%s)를 찾을 수 없습니다: CUDA 런타임 라이브러리를 설치하십시오",
		                 "cuBLAS (%s) was not found: install the CUDA run-time libraries", names[0]);
	*(void **)&create = dlsym(library, "cublasCreate_v2");
	*(void **)&set_stream = dlsym(library, "cublasSetStream_v2");
	*(void **)&set_workspace = dlsym(library, "cublasSetWorkspace_v2");
	*(void **)&runner->blas.multiply = dlsym(library, "cublasGemmEx");
	*(void **)&runner->blas.destroy = dlsym(library, "cublasDestroy_v2");
	if (create == NULL || set_stream == NULL || set_workspace == NULL || runner->blas.multiply == NULL ||
	    runner->blas.destroy == NULL)
		return fault_set(why, FAULT_UNSUPPORTED, "cuBLAS에 필요한 함수가 없습니다",
		                 "this cuBLAS lacks a function that is needed");
	/* A workspace of our own: recorded graphs must not allocate. */
	if (take(&runner->memory, &runner->blas_workspace, BLAS_WORKSPACE, why) == -1)
		return -1;
	if (create(&runner->blas.handle) != CUBLAS_STATUS_SUCCESS ||
	    set_stream(runner->blas.handle, runner->memory.stream) != CUBLAS_STATUS_SUCCESS ||
	    set_workspace(runner->blas.handle, runner->blas_workspace, BLAS_WORKSPACE) != CUBLAS_STATUS_SUCCESS)
		return fault_set(why, FAULT_SYSTEM, "cuBLAS를 시작할 수 없습니다", "cuBLAS cannot be started");
	return 0;
#endif
}

static int
open_gpu(struct runner *runner, struct fault *why)
{
	cudaDeviceProp about;
	cudaError_t error;
	int count = 0;

	error = cudaGetDeviceCount(&count);
	if (error != cudaSuccess || count == 0)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "장치 'cuda'를 쓸 수 없습니다: GPU가 없거나 드라이버가 없습니다(%s). --device cpu를 쓰십시오",
		                 "device 'cuda' is not available: no GPU, or no driver (%s); use --device cpu",
		                 cudaGetErrorString(error));
	if ((error = cudaSetDevice(0)) != cudaSuccess || (error = cudaGetDeviceProperties(&about, 0)) != cudaSuccess ||
	    (error = cudaStreamCreateWithFlags(&runner->memory.stream, cudaStreamNonBlocking)) != cudaSuccess)
		return device_fault(why, error, "device 0");
	if (about.major < 7)
		return fault_set(why, FAULT_UNSUPPORTED, "GPU %s의 연산 능력 %d.%d은(는) 지원하지 않습니다(7.0 이상)",
		                 "GPU %s has compute capability %d.%d; 7.0 or newer is needed", about.name,
		                 about.major, about.minor);
	runner->processors = (unsigned)about.multiProcessorCount;
	snprintf(runner->description, sizeof runner->description, "%s, %u processors", about.name,
	         runner->processors);
	if (runner->half && runner->model->shape.head_size % 16 == 0 &&
	    tile_bytes(runner->model->shape.head_size) > about.sharedMemPerBlockOptin)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "어텐션 헤드 크기 %u은(는) GPU %s의 공유 메모리에 들어가지 않습니다",
		                 "attention heads of %u values do not fit the shared memory of GPU %s",
		                 runner->model->shape.head_size, about.name);
	error = cudaFuncSetAttribute(attend_tile, cudaFuncAttributeMaxDynamicSharedMemorySize,
	                             (int)tile_bytes(runner->model->shape.head_size));
	return error == cudaSuccess ? 0 : device_fault(why, error, "shared memory");
}

static int
check_shape(const struct model *model, struct fault *why)
{
	const struct shape *shape = &model->shape;

	if (runner_refuse("cuda", model, why) == -1)
		return -1;
	if (shape->head_size > 2 * SPLIT_THREADS || shape->head_size % 8 != 0)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "어텐션 헤드 크기 %u은(는) GPU에서 지원하지 않습니다(8의 배수, 최대 %d)",
		                 "attention heads of %u values are not supported on a GPU (multiples of 8, at most %d)",
		                 shape->head_size, 2 * SPLIT_THREADS);
	return 0;
}

static void
cuda_close(struct runner *runner)
{
	if (runner == NULL)
		return;
	for (size_t i = 0; i <= GRAPH_ROWS; i++)
		for (size_t j = 0; j < sizeof runner->graphs[0] / sizeof runner->graphs[0][0]; j++)
			if (runner->graphs[i][j] != NULL)
				cudaGraphExecDestroy(runner->graphs[i][j]);
#ifndef CUDA_EMULATED
	if (runner->blas.handle != NULL)
		runner->blas.destroy(runner->blas.handle);
#endif
	give_back(&runner->memory);
	if (runner->staging != NULL)
		cudaFreeHost(runner->staging);
	if (runner->memory.stream != NULL)
		cudaStreamDestroy(runner->memory.stream);
	free(runner->layers);
	free(runner);
}

static int
cuda_open(struct runner **out, struct model *model, const struct runner_options *options, struct fault *why)
{
	const struct shape *shape = &model->shape;
	struct runner *runner;
	int result = -1;

	if (check_shape(model, why) == -1)
		return -1;
	if ((runner = (struct runner *)calloc(1, sizeof *runner)) == NULL)
		return fault_memory(why);
	runner->model = model;
	runner->rows = options->rows;
	runner->half = runner_cache_bits(model, options) == 16;
	runner->table_length = options->context / CACHE_PAGE + 2;
	runner->layer_bytes = (size_t)shape->kv_heads * shape->head_size * CACHE_PAGE * (runner->half ? 2 : 4) *
	                      options->pages;
	runner->layers = (struct device_layer *)calloc(shape->layers, sizeof *runner->layers);
	if (runner->layers == NULL) {
		fault_memory(why);
		goto out;
	}
	if (open_gpu(runner, why) == -1 || open_blas(runner, why) == -1)
		goto out;
	for (size_t i = 0; i < shape->layers; i++)
		if (send_layer(runner, &model->layers[i], &runner->layers[i], why) == -1)
			goto out;
	if (send_matrix(&runner->memory, runner->model, &model->head, &runner->head, why) == -1 ||
	    send_floats(&runner->memory, model->output_norm, shape->width, &runner->output_norm, why) == -1 ||
	    take(&runner->memory, &runner->cache, runner->layer_bytes * 2 * shape->layers, why) == -1 ||
	    take_scratch(runner, why) == -1)
		goto out;
	*out = runner;
	runner = NULL;
	result = 0;
out:
	cuda_close(runner);
	return result;
}

static const char *
cuda_describe(const struct runner *runner)
{
	return runner->description;
}

extern "C" const struct runner_kind runner_cuda = {
    .name = "cuda",
    .open = cuda_open,
    .forward = cuda_forward,
    .describe = cuda_describe,
    .page_bytes = runner_page_bytes,
    .close = cuda_close,
};
