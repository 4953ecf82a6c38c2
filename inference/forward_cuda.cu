/*
 * forward_cuda -- the graph of forward_cpu.c on one GPU: weights, cache and everything between stay in its memory.
 *
 * Tokens, positions and page tables go up, logits come back, or only the best token where no more is asked. One token
 * meets all weights in kernels of our own that read them near the memory's limit, few tokens quantised weights too; more
 * go through cuBLAS, for which quantised weights are unpacked to halves one bundle at a time. Steps that only continue
 * answers are recorded as CUDA graphs: at one token a layer is ten short kernels, and launching them one by one would
 * cost more than they do.
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

#include "inference/opening_cuda.cuh"

/* ---- attention ------------------------------------------------------------------------------------------------------ */

/* How the rows of a step look at the cache. */
struct looking {
	size_t tiles;
	struct {
		uint32_t first, count;
	} ranges[RANGES_MOST]; /* rows that look one by one */
	size_t range_count;
	uint32_t splits;
};

static void
attend_tiles(struct runner *runner, const struct device_cache *cache, size_t tiles, const struct forms *out)
{
	const uint32_t heads = runner->model->shape.heads;
	const dim3 grid((unsigned)tiles, heads), block(TILE_THREADS);

	if (cache->head_size <= 64)
		LAUNCH(attend_tile_64, grid, block, 0, runner, runner->qkv, *cache, runner->there.tiles, heads, *out);
	else if (cache->head_size <= 128)
		LAUNCH(attend_tile_128, grid, block, 0, runner, runner->qkv, *cache, runner->there.tiles, heads, *out);
	else
		LAUNCH(attend_tile_256, grid, block, 0, runner, runner->qkv, *cache, runner->there.tiles, heads, *out);
}

static void
attend_range(struct runner *runner, const struct device_cache *cache, uint32_t first, uint32_t count, uint32_t splits,
             const struct forms *out)
{
	const uint32_t heads = runner->model->shape.heads, size = cache->head_size;
	const dim3 grid(count, cache->kv_heads * ((cache->group + GROUP_MOST - 1) / GROUP_MOST), splits);
	const dim3 block(SPLIT_THREADS);
	const struct device_row *rows = runner->there.rows;
	struct partials partials = runner->partials;

	partials.splits = splits;
	if (!runner->woven)
		LAUNCH(attend_split, grid, block,
		       (GROUP_MOST * size + 2 * GROUP_MOST * CACHE_PAGE + 3 * GROUP_MOST) * sizeof(float), runner,
		       runner->qkv, *cache, rows, first, heads, partials);
	else if (size <= 64)
		LAUNCH(attend_rows_64, grid, block, 0, runner, runner->qkv, *cache, rows, first, heads, partials, *out);
	else if (size <= 128)
		LAUNCH(attend_rows_128, grid, block, 0, runner, runner->qkv, *cache, rows, first, heads, partials, *out);
	else
		LAUNCH(attend_rows_256, grid, block, 0, runner, runner->qkv, *cache, rows, first, heads, partials, *out);
	if (runner->woven && splits == 1)
		return;
	LAUNCH(attend_join, dim3(blocks_of((size_t)heads * size, 256), count), dim3(256), 0, runner, partials, heads, size,
	       first, *out);
}

/* What the heads found, into runner->normed in the forms that `next` wants. */
static struct forms
attend(struct runner *runner, const struct device_cache *cache, const struct looking *looking, size_t count,
       const struct bundle *next)
{
	const size_t all = (size_t)runner->model->shape.heads * cache->head_size;
	const struct forms out = forms_for(runner, next, count, &runner->normed);
	struct forms now = out;

	/* A tile's lanes hold pairs of a row, not the 32 that are rounded together: that comes behind. So do odd heads. */
	if ((looking->tiles > 0 || (runner->woven && cache->head_size % 32 != 0)) && out.rounded.quants != NULL) {
		now.rounded.quants = NULL;
		now.values = runner->normed.values;
	}
	if (looking->tiles > 0)
		attend_tiles(runner, cache, looking->tiles, &now);
	for (size_t i = 0; i < looking->range_count; i++)
		attend_range(runner, cache, looking->ranges[i].first, looking->ranges[i].count, looking->splits, &now);
	if (now.rounded.quants != out.rounded.quants) {
		const struct forms rounded = {NULL, NULL, out.rounded};

		LAUNCH(make_forms, dim3(blocks_of(count * all, 256)), dim3(256), 0, runner, runner->normed.values,
		       count * all, rounded);
	}
	return out;
}

/* ---- networks ------------------------------------------------------------------------------------------------------- */

/* One feed-forward network over all rows, from `in` into runner->branch. */
static void
run_network(struct runner *runner, const struct bundle *gate_up, const struct bundle *down, const struct forms *in,
            size_t count)
{
	const uint32_t ffn = down->columns;
	struct forms gated;

	multiply(runner, gate_up, in, count, runner->both);
	gated = forms_for(runner, down, count, &runner->gated);
	LAUNCH(gate_values, dim3(blocks_of(count * ffn, 256)), dim3(256), 0, runner, runner->both, ffn, count * ffn, gated);
	multiply(runner, down, &gated, count, runner->branch);
}

/* Of rows first .. first + count of `in`: what the experts whom each chose make of it, added to runner->branch. */
static void
run_experts(struct runner *runner, const struct device_layer *at, const float *bias, const struct forms *in, size_t first,
            size_t count)
{
	const struct shape *shape = &runner->model->shape;
	const uint32_t experts = shape->experts, used = shape->experts_used, slots = (uint32_t)count * used;
	const uint32_t spread = slots / TOKENS_MOST + experts, groups = slots < spread ? slots : spread;
	const struct routing routing = {experts, used, shape->expert_sigmoid, shape->expert_normalised,
	                                shape->expert_scale};
	const size_t width = shape->width, ffn = shape->expert_ffn;
	struct forms some = *in, gated = {NULL, NULL, {NULL, NULL, NULL}};

	if (some.values != NULL)
		some.values += first * width;
	if (some.rounded.quants != NULL) {
		some.rounded.quants += first * width;
		some.rounded.scales += first * (width / 32);
		some.rounded.sums += first * (width / 16);
	}
	if (is_float(at->expert_down.parts[0].type))
		gated.values = runner->expert_gated.values;
	else
		gated.rounded = runner->expert_gated.rounded;
	LAUNCH(choose_experts, dim3((unsigned)count), dim3(CHOOSE_THREADS), 2 * experts * sizeof(float), runner,
	       runner->scores + first * experts, bias, routing, runner->chosen_experts, runner->expert_weights);
	LAUNCH(group_slots, dim3(1), dim3(GROUP_THREADS), 2 * experts * sizeof(uint32_t), runner, runner->chosen_experts,
	       slots, experts, runner->order, runner->groups, groups);
	LAUNCH(multiply_experts, dim3(blocks_of(ffn, PRODUCT_ROWS), groups, 2), dim3(PRODUCT_THREADS), 0, runner,
	       at->expert_gate_up, shape->expert_ffn, used, runner->groups, runner->order, some, runner->expert_both);
	LAUNCH(gate_values, dim3(blocks_of(slots * ffn, 256)), dim3(256), 0, runner, runner->expert_both, shape->expert_ffn,
	       slots * ffn, gated);
	LAUNCH(multiply_experts, dim3(blocks_of(width, PRODUCT_ROWS), groups, 1), dim3(PRODUCT_THREADS), 0, runner,
	       at->expert_down, shape->width, 1u, runner->groups, runner->order, gated, runner->parts);
	LAUNCH(join_experts, dim3((unsigned)count), dim3(256), 0, runner, runner->parts, runner->expert_weights, used,
	       shape->width, at->gate_up.rows > 0, runner->branch + first * width);
}

/* The norm before a feed-forward network, and it, or its mixture. */
static void
run_feed_forward(struct runner *runner, const struct device_layer *at, size_t count)
{
	const struct shape *shape = &runner->model->shape;
	const bool mixture = at->router.rows > 0, shared = mixture && at->gate_up.rows > 0;
	struct forms in = forms_for(runner, mixture ? &at->router : &at->gate_up, count, &runner->normed);

	if (shared)
		want_forms(&at->gate_up, count, &runner->normed, &in);
	for (unsigned i = 0; mixture && i < 2; i++)
		if (is_float(at->expert_gate_up.parts[i].type))
			in.values = runner->normed.values;
		else
			in.rounded = runner->normed.rounded;
	LAUNCH(add_and_norm, dim3((unsigned)count), dim3(threads_for(shape->width)), 0, runner, runner->x, runner->branch,
	       at->attention_post_norm, at->ffn_norm, shape->width, shape->epsilon, shape->residual_scale, in);
	if (!mixture || shared)
		run_network(runner, &at->gate_up, &at->down, &in, count);
	if (!mixture)
		return;
	runner->halves_of = NULL;
	multiply(runner, &at->router, &in, count, runner->scores);
	for (size_t t = 0; t < count; t += runner->mixture_rows)
		run_experts(runner, at, at->router_bias, &in, t,
		            count - t < runner->mixture_rows ? count - t : runner->mixture_rows);
}

/* ---- the graph ------------------------------------------------------------------------------------------------------ */

static void
run_layer(struct runner *runner, size_t index, size_t count, const struct looking *looking)
{
	const struct shape *shape = &runner->model->shape;
	const struct layer *layer = &runner->model->layers[index];
	const struct device_layer *at = &runner->layers[index], *before = index > 0 ? at - 1 : NULL;
	const struct head_step heads = {.qkv = runner->qkv,
	                                .q_bias = at->q_bias,
	                                .k_bias = at->k_bias,
	                                .v_bias = at->v_bias,
	                                .q_norm = at->q_norm,
	                                .k_norm = at->k_norm,
	                                .turns = layer->rope ? runner->turns : NULL,
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
	                                   .woven = runner->woven,
	                                   .scale = shape->attention_scale};
	struct forms in = forms_for(runner, &at->qkv, count, &runner->normed);

	LAUNCH(add_and_norm, dim3((unsigned)count), dim3(threads_for(shape->width)), 0, runner, runner->x,
	       before != NULL ? runner->branch : (float *)NULL, before != NULL ? before->ffn_post_norm : (float *)NULL,
	       at->attention_norm, shape->width, shape->epsilon, shape->residual_scale, in);
	multiply(runner, &at->qkv, &in, count, runner->qkv);
	LAUNCH(before_attention, dim3((unsigned)count, blocks_of(shape->heads + 2 * shape->kv_heads, 4)), dim3(128), 0,
	       runner, heads, cache);
	in = attend(runner, &cache, looking, count, &at->output);
	multiply(runner, &at->output, &in, count, runner->branch);
	run_feed_forward(runner, at, count);
}

/* All layers; afterwards the stream of every row is in runner->x. */
static void
run_layers(struct runner *runner, size_t count, const struct looking *looking)
{
	const struct shape *shape = &runner->model->shape;
	const struct forms nothing = {NULL, NULL, {NULL, NULL, NULL}};

	LAUNCH(begin_rows, dim3((unsigned)count), dim3(256), 0, runner, runner->there.rows, runner->embedding,
	       shape->embedding_scale, runner->x, runner->frequencies, shape->rotated / 2, shape->rope_magnitude,
	       runner->turns);
	for (size_t i = 0; i < shape->layers; i++)
		run_layer(runner, i, count, looking);
	LAUNCH(add_and_norm, dim3((unsigned)count), dim3(threads_for(shape->width)), 0, runner, runner->x, runner->branch,
	       runner->layers[shape->layers - 1].ffn_post_norm, (const float *)NULL, shape->width, shape->epsilon,
	       shape->residual_scale, nothing);
}

/* Of the rows chosen[0 .. count): logits and the best of them, or normalised states. */
static void
run_head(struct runner *runner, const uint32_t *chosen, size_t count, bool logits)
{
	const struct shape *shape = &runner->model->shape;
	struct forms in = forms_for(runner, &runner->head, count, &runner->normed);

	if (!logits)
		in.values = runner->normed.values;
	LAUNCH(norm_chosen, dim3((unsigned)count), dim3(threads_for(shape->width)), 0, runner, runner->x, chosen,
	       runner->output_norm, shape->width, shape->epsilon, in);
	if (!logits)
		return;
	multiply(runner, &runner->head, &in, count, runner->logits);
	if (shape->logit_scale != 1.0f)
		LAUNCH(scale_rows, dim3((unsigned)count), dim3(1024), 0, runner, runner->logits, shape->vocabulary,
		       (size_t)shape->vocabulary, (const float *)NULL, shape->logit_scale);
	LAUNCH(choose_best, dim3((unsigned)count), dim3(BEST_THREADS), 0, runner, runner->logits, shape->vocabulary,
	       runner->best);
}

/* ---- a step's way up and down --------------------------------------------------------------------------------------- */

static void
fetch(struct runner *runner, void *to, const void *from, size_t bytes)
{
	must(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, runner->memory.stream), "download");
}

/* What was asked of rows chosen[first .. first + count), whose logits and best tokens are there. */
static void
fetch_wanted(struct runner *runner, const struct step *step, size_t first, size_t count)
{
	const size_t vocabulary = runner->model->shape.vocabulary;

	if (step->best != NULL)
		fetch(runner, step->best + first, runner->best, count * sizeof *runner->best);
	for (size_t i = 0, end; i < count; i = end + 1) {
		for (end = i; end < count && (step->best == NULL || !step->rows[runner->here.chosen[first + end]].best);
		     end++)
			;
		if (end > i)
			fetch(runner, step->logits + (first + i) * vocabulary, runner->logits + i * vocabulary,
			      (end - i) * vocabulary * sizeof(float));
	}
	must(cudaStreamSynchronize(runner->memory.stream), "step");
}

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
			runner->here.rows[end] = {step->rows[end].token, step->rows[end].position,
			                          (uint32_t)runner->pages_used};
		}
		memcpy(runner->here.pages + runner->pages_used, pages, length * sizeof *pages);
		runner->pages_used += length;
	}
}

static void
choose_looking(struct runner *runner, const struct step *step, struct looking *out)
{
	const struct shape *shape = &runner->model->shape;
	size_t single = 0;
	uint32_t most_pages = 1;

	out->tiles = out->range_count = 0;
	for (size_t t = 0, end; t < step->count; t = end) {
		for (end = t + 1; end < step->count && step->rows[end].pages == step->rows[t].pages &&
		                  step->rows[end].position == step->rows[end - 1].position + 1;
		     end++)
			;
		if (runner->woven && end - t >= TILE_LEAST) {
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
		else
			out->ranges[out->range_count++] = {(uint32_t)t, (uint32_t)(end - t)};
	}
	/* Enough blocks to fill the GPU, none without a page; where each warp has a page of its own, none of its warps. */
	for (out->splits = 1; out->splits < SPLITS_MOST &&
	                      out->splits * 2 * (runner->woven ? WARPS : 1) <= most_pages &&
	                      single * shape->kv_heads * out->splits < (size_t)4 * runner->processors &&
	                      single * out->splits * 2 <= runner->partial_count;)
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

/* Layers and head of a step whose every row is looked at alone and wants logits. */
static void
run_answers(struct runner *runner, size_t count, const struct looking *looking)
{
	struct recording *recording = &runner->recordings[count][logarithm(looking->splits)];
	cudaGraph_t graph;

	/* What libraries load or take at their first call must not happen while it is recorded: so the second is. */
	if (recording->graph == NULL && recording->ran && runner->records) {
		if (cudaStreamBeginCapture(runner->memory.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess) {
			run_layers(runner, count, looking);
			run_head(runner, runner->there.chosen, count, true);
			must(cudaStreamEndCapture(runner->memory.stream, &graph), "capture");
			must(cudaGraphInstantiate(&recording->graph, graph, 0), "graph");
			must(cudaGraphDestroy(graph), "graph");
		} else {
			cudaGetLastError();
			runner->records = false;
		}
	}
	recording->ran = true;
	if (recording->graph != NULL) {
		must(cudaGraphLaunch(recording->graph, runner->memory.stream), "graph");
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

	for (size_t t = 0; step->logits != NULL && t < step->count; t++)
		if (step->rows[t].wanted)
			runner->here.chosen[wanted++] = (uint32_t)t;
	for (size_t t = 0; step->states != NULL && t < step->count; t++)
		if (step->rows[t].state)
			runner->here.chosen[wanted + states++] = (uint32_t)t;
	place_tables(runner, step);
	choose_looking(runner, step, &looking);
	size = (size_t)((uint8_t *)(runner->here.pages + runner->pages_used) - runner->staging);
	must(cudaMemcpyAsync(runner->arrived, runner->staging, size, cudaMemcpyHostToDevice, runner->memory.stream),
	     "upload");
	if (step->count <= GRAPH_ROWS && wanted == step->count && states == 0 && looking.tiles == 0) {
		run_answers(runner, step->count, &looking);
		fetch_wanted(runner, step, 0, wanted);
		return;
	}
	run_layers(runner, step->count, &looking);
	for (size_t at = 0; at < wanted; at += HEAD_ROWS) {
		size_t some = wanted - at < HEAD_ROWS ? wanted - at : HEAD_ROWS;

		run_head(runner, runner->there.chosen + at, some, true);
		fetch_wanted(runner, step, at, some);
	}
	if (states > 0) {
		run_head(runner, runner->there.chosen + wanted, states, false);
		fetch(runner, step->states, runner->normed.values, states * shape->width * sizeof(float));
	}
	/* What went up stays as it is until the step is over; errors of kernels show here. */
	must(cudaStreamSynchronize(runner->memory.stream), "step");
	must(cudaGetLastError(), "step");
}

static const char *
cuda_describe(const struct runner *runner)
{
	return runner->description;
}

extern "C" const struct runner_kind runner_cuda = {
    .name = "cuda",
    .step_rows = 2048,
    .prompt_rows = 512,
    .open = cuda_open,
    .forward = cuda_forward,
    .describe = cuda_describe,
    .page_bytes = runner_page_bytes,
    .cache_room = cuda_cache_room,
    .close = cuda_close,
};
