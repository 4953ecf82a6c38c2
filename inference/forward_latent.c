/*
 * forward_latent -- attention in a latent (MLA) on processors, in the form that never makes keys and values: a head's
 * query is brought into the latent's space (enter), meets there what is cached, and the sum it gathered becomes the
 * head's value (leave). All of that is one member's work for a few heads of a few tokens, in memory of its own: nobody
 * waits between the steps, and the matrices of a head stay in the second cache.
 */
#include <string.h>

#include "inference/forward_cpu.h"
#include "inference/quant.h"

#define LATENT_TOKENS 16 /* that share a head's matrices */

/* What one member works in. */
struct workbench {
	float *still;  /* of one head, for each token: the part of its query that does not turn */
	float *query;  /* for each token and head, in the latent's space */
	float *latent; /* for each head and token: what was gathered */
	struct activations in;
};

static size_t
still_size(const struct shape *shape)
{
	return shape->head_size - shape->rotated;
}

static size_t
widest(const struct shape *shape)
{
	return shape->latent > still_size(shape) ? shape->latent : still_size(shape);
}

static size_t
round_up(size_t size)
{
	return (size + 15) / 16 * 16;
}

static size_t
lay_out(const struct shape *shape, float *memory, struct workbench *out)
{
	const size_t cached = runner_cache_values(shape);
	const size_t still = round_up(LATENT_TOKENS * still_size(shape));
	const size_t query = round_up(LATENT_TOKENS * LATENT_HEADS * cached);
	const size_t latent = round_up(LATENT_TOKENS * LATENT_HEADS * (size_t)shape->latent);
	const size_t rounded = activations_lay_out(NULL, LATENT_TOKENS, widest(shape), NULL);

	if (memory != NULL) {
		out->still = memory;
		out->query = out->still + still;
		out->latent = out->query + query;
		activations_lay_out(&out->in, LATENT_TOKENS, widest(shape), out->latent + latent);
	}
	return still + query + latent + round_up(rounded / sizeof *out->still);
}

size_t
latent_scratch(const struct shape *shape)
{
	return shape->latent > 0 ? lay_out(shape, NULL, NULL) : 0;
}

/* What is behind normed already for queries by way of a short vector. */
static void
norm_queries(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;
	const struct latent *latent = piece->layer->latent;
	const size_t size = latent->query.rows;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++)
		runner->kernels->rms_norm(runner->v + t * size, runner->v + t * size, latent->query_norm,
		                          size, runner->model->shape.epsilon);
}

/* The latent and the turned part of the key into the cache; the turned parts of the queries where they lie. */
static void
store_latent(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;
	const struct shape *shape = &runner->model->shape;
	const size_t size = runner_cache_values(shape), still = still_size(shape);
	uint8_t *cache = runner->cache + piece->index * runner->layer_bytes;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++) {
		const struct step_row *row = &piece->step->rows[t];
		const float *turns = runner->turns + t * shape->rotated;
		const uint32_t position = row->position % CACHE_PAGE;
		uint8_t *page = cache + row->pages[row->position / CACHE_PAGE] * runner->page_bytes;
		float *key = runner->k + t * size;

		runner->kernels->rms_norm(key, key, piece->layer->latent->norm, shape->latent,
		                          shape->epsilon);
		piece_rotate(shape, key + shape->latent, 1, 0, turns);
		piece_rotate(shape, runner->q + t * shape->heads * shape->head_size + still, shape->heads,
		             shape->head_size, turns);
		for (size_t i = 0; i < size; i += 16) {
			const size_t many = size - i < 16 ? size - i : 16;
			uint16_t halves[16];

			if (runner->half)
				runner->kernels->halve(halves, key + i, many);
			for (size_t j = 0; j < many; j++) {
				size_t at = cache_key_index(0, (uint32_t)size, position, (uint32_t)(i + j));

				if (runner->half)
					memcpy(page + at * 2, &halves[j], 2);
				else
					memcpy(page + at * 4, &key[i + j], 4);
			}
		}
	}
}

/* A head's matrix times a row of `values` for each token; `stride` from one token's result to the next. */
static void
multiply_head(const struct runner *runner, struct workbench *bench, const struct matrix *matrix,
              const float *values, size_t count, float *out, size_t stride)
{
	bench->in.count = count;
	bench->in.columns = matrix->columns;
	bench->in.wide = !runner->narrow && quant_kind(matrix->type)->block == 256;
	bench->in.values = values;
	for (size_t t = 0; kernel_quantised(matrix->type) && t < count; t++)
		runner->kernels->quantise(&bench->in, t);
	runner->kernels->multiply(matrix, &bench->in, 0, matrix_groups(matrix), out, stride);
}

/* Tokens [from, to) of heads [first, last). */
static void
attend_some(struct piece *piece, size_t member, size_t from, size_t to, size_t first, size_t last)
{
	struct runner *runner = piece->runner;
	const struct shape *shape = &runner->model->shape;
	const struct latent *latent = piece->layer->latent;
	const size_t size = runner_cache_values(shape), still = still_size(shape), heads = last - first;
	const size_t count = to - from;
	struct workbench bench = {0};

	lay_out(shape, runner->benches + member * latent_scratch(shape), &bench);
	for (size_t h = first; h < last; h++) {
		float *query = bench.query + (h - first) * size;

		for (size_t t = 0; t < count; t++) {
			const float *q = runner->q + ((from + t) * shape->heads + h) * shape->head_size;

			memcpy(bench.still + t * still, q, still * sizeof *q);
			memcpy(query + t * heads * size + shape->latent, q + still,
			       shape->rotated * sizeof *q);
		}
		multiply_head(runner, &bench, &latent->enter[h], bench.still, count, query, heads * size);
	}
	for (size_t t = 0; t < count; t++) {
		const struct step_row *row = &piece->step->rows[from + t];
		struct latent_attention attention = {
		    .query = bench.query + t * heads * size,
		    .out = bench.latent + t * shape->latent,
		    .stride = count * shape->latent,
		    .scores = runner->scores + member * runner->scores_size,
		    .cache = runner->cache + piece->index * runner->layer_bytes,
		    .pages = row->pages,
		    .page_bytes = runner->page_bytes,
		    .heads = (uint32_t)heads,
		    .size = (uint32_t)size,
		    .values = shape->latent,
		    .last = row->position,
		    .scale = shape->attention_scale,
		};

		if (runner->half)
			runner->kernels->attend_latent16(&attention);
		else
			runner->kernels->attend_latent32(&attention);
	}
	for (size_t h = first; h < last; h++)
		multiply_head(runner, &bench, &latent->leave[h],
		              bench.latent + (h - first) * count * shape->latent, count,
		              runner->mixed + (from * shape->heads + h) * shape->value_size,
		              (size_t)shape->heads * shape->value_size);
}

/* How the work is cut: so many heads of so many tokens at once. */
static size_t
heads_together(const struct piece *piece)
{
	const size_t heads = piece->runner->model->shape.heads;
	const size_t parts = (piece->count + LATENT_TOKENS - 1) / LATENT_TOKENS;
	size_t together = LATENT_HEADS;

	while (together > 1 && parts * (heads / together) < 2 * crew_size(piece->runner->crew))
		together /= 2;
	return together;
}

static void
attend_chunk(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	const size_t heads = piece->runner->model->shape.heads, together = piece->chunk;
	const size_t blocks = (heads + together - 1) / together;
	const size_t from = index / blocks * LATENT_TOKENS, first = index % blocks * together;

	attend_some(piece, member, from,
	            from + LATENT_TOKENS < piece->count ? from + LATENT_TOKENS : piece->count, first,
	            first + together < heads ? first + together : heads);
}

void
latent_attend(struct piece *piece)
{
	struct runner *runner = piece->runner;
	const struct layer *layer = piece->layer;
	const struct latent *latent = layer->latent;
	const size_t chunks = (piece->count + TOKENS_CHUNK - 1) / TOKENS_CHUNK;
	const size_t parts = (piece->count + LATENT_TOKENS - 1) / LATENT_TOKENS;
	const bool shorter = latent->query.rows > 0;

	piece->matrix_count = 2;
	piece->matrices[0] = shorter ? &latent->query : &layer->q;
	piece->matrices[1] = &latent->both;
	piece->out[0] = shorter ? runner->v : runner->q;
	piece->out[1] = runner->k;
	for (unsigned i = 0; i < 2; i++)
		piece->strides[i] = piece->matrices[i]->rows;
	piece_multiply(piece, runner->normed);
	if (shorter) {
		crew_share(runner->crew, chunks, norm_queries, piece);
		piece_multiply_one(piece, &layer->q, runner->v, runner->q);
	}
	crew_share(runner->crew, chunks, store_latent, piece);
	piece->chunk = heads_together(piece);
	crew_share(runner->crew, parts * ((runner->model->shape.heads + piece->chunk - 1) / piece->chunk),
	           attend_chunk, piece);
}
