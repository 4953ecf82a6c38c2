/*
 * forward_cpu -- the graph on processors: the definition of right for every other device.
 *
 * A step's rows go through each layer together; work is shared over rows of weights for products, over tokens for
 * everything between them, over (token, head) for attention. The cache lies here in pages of 64 positions.
 */
#include <math.h>
#include <string.h>

#include "inference/crew.h"
#include "inference/forward_cpu.h"
#include "inference/quant.h"
#include "inference/sampler.h"

/* ---- products --------------------------------------------------------------------------------------------------- */

static void
product_chunk(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;

	(void)member;
	for (size_t i = 0; i < piece->matrix_count; i++) {
		size_t groups = matrix_groups(piece->matrices[i]);
		size_t chunks = (groups + piece->chunk - 1) / piece->chunk;

		if (index < chunks) {
			size_t first = index * piece->chunk, last = first + piece->chunk;

			runner->kernels->multiply(piece->matrices[i], &runner->in, first,
			                          last < groups ? last : groups, piece->out[i],
			                          piece->strides[i]);
			return;
		}
		index -= chunks;
	}
}

static void
quantise_chunk(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++)
		runner->kernels->quantise(&runner->in, t);
}

/* Products with matrices that want the activations rounded alike. */
static void
multiply_alike(struct piece *piece, const float *values, bool quantised, bool wide)
{
	struct runner *runner = piece->runner;
	size_t groups = 0, chunks = 0, members = crew_size(runner->crew);

	runner->in.count = piece->count;
	runner->in.columns = piece->matrices[0]->columns;
	runner->in.values = values;
	runner->in.wide = wide;
	runner->in.strips = piece->count >= KERNEL_STRIP;
	if (quantised)
		crew_share(runner->crew, (piece->count + TOKENS_CHUNK - 1) / TOKENS_CHUNK, quantise_chunk,
		           piece);
	for (size_t i = 0; i < piece->matrix_count; i++)
		groups += matrix_groups(piece->matrices[i]);
	/* Several chunks a member, so that one who comes late or is held up takes fewer. */
	piece->chunk = members == 1 ? groups : groups / (members * 6);
	piece->chunk = piece->chunk < 2 ? 2 : piece->chunk / 2 * 2;
	if (piece->chunk > 16 && members > 1)
		piece->chunk = 16;
	for (size_t i = 0; i < piece->matrix_count; i++)
		chunks += (matrix_groups(piece->matrices[i]) + piece->chunk - 1) / piece->chunk;
	crew_share(runner->crew, chunks, product_chunk, piece);
}

/* Blocks of 256 meet activations rounded as other engines do: what differs less from theirs can be compared with them. */
void
piece_multiply(struct piece *piece, const float *values)
{
	for (unsigned wide = 0; wide < 2; wide++) {
		struct piece part = *piece;
		bool quantised = false;

		part.matrix_count = 0;
		for (size_t i = 0; i < piece->matrix_count; i++) {
			const struct matrix *matrix = piece->matrices[i];

			if ((!piece->runner->narrow && quant_kind(matrix->type)->block == 256) != wide)
				continue;
			part.matrices[part.matrix_count] = matrix;
			part.out[part.matrix_count] = piece->out[i];
			part.strides[part.matrix_count++] = piece->strides[i];
			quantised = quantised || kernel_quantised(matrix->type);
		}
		if (part.matrix_count > 0)
			multiply_alike(&part, values, quantised, wide);
	}
}

void
piece_multiply_one(struct piece *piece, const struct matrix *matrix, const float *values, float *out)
{
	piece->matrix_count = 1;
	piece->matrices[0] = matrix;
	piece->out[0] = out;
	piece->strides[0] = matrix->rows;
	piece_multiply(piece, values);
}

/* ---- between products ------------------------------------------------------------------------------------------- */

void
piece_rotate(const struct shape *shape, float *heads, size_t count, size_t stride, const float *turns)
{
	size_t pairs = shape->rotated / 2;

	for (size_t h = 0; h < count; h++, heads += stride)
		for (size_t i = 0; i < pairs; i++) {
			float *a = shape->rope_halves ? heads + i : heads + 2 * i;
			float *b = shape->rope_halves ? heads + pairs + i : a + 1;
			float x = *a, y = *b;

			*a = x * turns[2 * i] - y * turns[2 * i + 1];
			*b = x * turns[2 * i + 1] + y * turns[2 * i];
		}
}

static void
add_bias(float *out, const float *bias, size_t size)
{
	if (bias != NULL)
		for (size_t i = 0; i < size; i++)
			out[i] += bias[i];
}

static void
store_cache(struct runner *runner, size_t layer, const struct step_row *row, const float *k, const float *v)
{
	const struct shape *shape = &runner->model->shape;
	uint8_t *keys = runner->cache + 2 * layer * runner->layer_bytes;
	uint8_t *values = keys + runner->layer_bytes;
	size_t page = row->pages[row->position / CACHE_PAGE] * runner->page_bytes;
	uint32_t position = row->position % CACHE_PAGE, size = shape->head_size;

	for (uint32_t h = 0; h < shape->kv_heads; h++, k += size, v += size) {
		size_t key_at = cache_key_index(h, size, position, 0),
		       value_at = cache_value_index(h, size, position, 0);

		if (runner->half) {
			uint16_t halves[512], *to = (uint16_t *)(void *)(keys + page) + key_at;

			runner->kernels->halve(halves, k, size);
			for (uint32_t i = 0; i < size; i++)
				to[i * 16] = halves[i];
			runner->kernels->halve((uint16_t *)(void *)(values + page) + value_at, v, size);
		} else {
			float *to = (float *)(void *)(keys + page) + key_at;

			for (uint32_t i = 0; i < size; i++)
				to[i * 16] = k[i];
			memcpy((float *)(void *)(values + page) + value_at, v, size * sizeof *v);
		}
	}
}

static void
before_attention(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;
	const struct shape *shape = &runner->model->shape;
	const struct layer *layer = piece->layer;
	size_t q_size = (size_t)shape->heads * shape->head_size;
	size_t k_size = (size_t)shape->kv_heads * shape->head_size;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++) {
		float *q = runner->q + t * q_size, *k = runner->k + t * k_size, *v = runner->v + t * k_size;
		const float *turns = runner->turns + t * shape->rotated;

		add_bias(q, layer->q_bias, q_size);
		add_bias(k, layer->k_bias, k_size);
		add_bias(v, layer->v_bias, k_size);
		for (size_t h = 0; layer->q_norm != NULL && h < shape->heads; h++)
			runner->kernels->rms_norm(q + h * shape->head_size, q + h * shape->head_size,
			                          layer->q_norm, shape->head_size, shape->epsilon);
		for (size_t h = 0; layer->k_norm != NULL && h < shape->kv_heads; h++)
			runner->kernels->rms_norm(k + h * shape->head_size, k + h * shape->head_size,
			                          layer->k_norm, shape->head_size, shape->epsilon);
		if (layer->rope) {
			piece_rotate(shape, q, shape->heads, shape->head_size, turns);
			piece_rotate(shape, k, shape->kv_heads, shape->head_size, turns);
		}
		store_cache(runner, piece->index, &piece->step->rows[t], k, v);
	}
}

/* A few tokens' heads of one kv head: tokens that follow one another in a sequence read its cache together. */
static void
attention_item(struct piece *piece, size_t item, size_t member)
{
	struct runner *runner = piece->runner;
	const struct shape *shape = &runner->model->shape;
	const size_t group = shape->heads / shape->kv_heads, first = item / shape->kv_heads * ATTENTION_ROWS;
	const size_t end = first + ATTENTION_ROWS < piece->count ? first + ATTENTION_ROWS : piece->count;
	const uint32_t kv_head = (uint32_t)(item % shape->kv_heads);
	const uint8_t *keys = runner->cache + 2 * piece->index * runner->layer_bytes;
	size_t together;

	for (size_t t = first; t < end; t += together) {
		const struct step_row *row = &piece->step->rows[t];
		const size_t at = (t * shape->heads + kv_head * group) * shape->head_size;
		struct attention attention = {
		    .query = runner->q + at,
		    .out = runner->mixed + at,
		    .stride = (size_t)shape->heads * shape->head_size,
		    .scores = runner->scores + member * runner->scores_size,
		    .keys = keys,
		    .values = keys + runner->layer_bytes,
		    .pages = row->pages,
		    .page_bytes = runner->page_bytes,
		    .kv_head = kv_head,
		    .group = (uint32_t)group,
		    .head_size = shape->head_size,
		    .last = row->position,
		    .window = piece->layer->local ? shape->window : 0,
		    .scale = shape->attention_scale,
		};

		for (together = 1; t + together < end && row[together].pages == row->pages &&
		                   row[together].position == row->position + together;)
			together++;
		attention.tokens = (uint32_t)together;
		if (runner->half)
			runner->kernels->attend16(&attention);
		else
			runner->kernels->attend32(&attention);
	}
}

static size_t
attention_items(const struct piece *piece)
{
	return (piece->count + ATTENTION_ROWS - 1) / ATTENTION_ROWS * piece->runner->model->shape.kv_heads;
}

static void
attention_chunk(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	const size_t items = attention_items(piece);

	for (size_t i = index * piece->chunk; i < (index + 1) * piece->chunk && i < items; i++)
		attention_item(piece, i, member);
}

static void
attend_all(struct piece *piece)
{
	const struct shape *shape = &piece->runner->model->shape;
	size_t items = attention_items(piece), seen = 0;

	for (size_t t = 0; t < piece->count; t++)
		seen += piece->step->rows[t].position + 1;
	/* A few microseconds of work are not worth waking anybody. */
	if (seen * shape->heads * shape->head_size < 32768)
		piece->chunk = items;
	else
		piece->chunk = items / (crew_size(piece->runner->crew) * 4);
	piece->chunk = piece->chunk < 1 ? 1 : piece->chunk;
	crew_share(piece->runner->crew, (items + piece->chunk - 1) / piece->chunk, attention_chunk, piece);
}

/* Add a branch to the stream, normalised first where the architecture says so. */
static void
add_branch(struct runner *runner, float *x, float *branch, const float *norm)
{
	const struct shape *shape = &runner->model->shape;

	if (norm != NULL)
		runner->kernels->rms_norm(branch, branch, norm, shape->width, shape->epsilon);
	for (size_t i = 0; i < shape->width; i++)
		x[i] += shape->residual_scale * branch[i];
}

static void
after_attention(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;
	const struct shape *shape = &runner->model->shape;
	const struct layer *layer = piece->layer;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++) {
		float *x = runner->x + t * shape->width;

		add_branch(runner, x, runner->branch + t * shape->width, layer->attention_post_norm);
		if (layer->ffn_norm != NULL)
			runner->kernels->rms_norm(runner->normed + t * shape->width, x, layer->ffn_norm,
			                          shape->width, shape->epsilon);
		else
			memcpy(runner->normed + t * shape->width, x, shape->width * sizeof *x);
	}
}

static void
gate_chunk(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;
	size_t ffn = piece->ffn;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++)
		runner->kernels->silu_multiply(runner->gate + t * ffn, runner->up + t * ffn, ffn);
}

/* End of layer index - 1, and the norm before layer `index`. */
static void
between_layers(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct runner *runner = piece->runner;
	const struct shape *shape = &runner->model->shape;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++) {
		float *x = runner->x + t * shape->width;

		if (piece->index > 0)
			add_branch(runner, x, runner->branch + t * shape->width,
			           runner->model->layers[piece->index - 1].ffn_post_norm);
		if (piece->layer == NULL)
			continue;
		if (piece->layer->attention_norm != NULL)
			runner->kernels->rms_norm(runner->normed + t * shape->width, x,
			                          piece->layer->attention_norm, shape->width, shape->epsilon);
		else
			memcpy(runner->normed + t * shape->width, x, shape->width * sizeof *x);
	}
}

/* ---- the graph -------------------------------------------------------------------------------------------------- */

static void
begin_chunk(void *argument, size_t index, size_t member)
{
	struct piece *piece = argument;
	struct model *model = piece->runner->model;

	(void)member;
	for (size_t t = index * TOKENS_CHUNK; t < (index + 1) * TOKENS_CHUNK && t < piece->count; t++)
		model_begin_row(model, &piece->step->rows[t], piece->runner->x + t * model->shape.width,
		                piece->runner->turns + t * model->shape.rotated);
	/* Of tied embeddings the file is a second copy, and each row that is read maps its neighbours: up to all of it. */
	if (model->head.packed != NULL && model->head.data == model->embedding.data)
		model_forget(model, &model->embedding);
}

/* One feed-forward network over piece->count rows of `in`. */
static void
run_network(struct piece *piece, const struct matrix *gate, const struct matrix *up,
            const struct matrix *down, const float *in, float *out)
{
	struct runner *runner = piece->runner;

	piece->matrix_count = 2;
	piece->matrices[0] = gate;
	piece->matrices[1] = up;
	piece->out[0] = runner->gate;
	piece->out[1] = runner->up;
	piece->strides[0] = piece->strides[1] = piece->ffn = gate->rows;
	piece_multiply(piece, in);
	crew_share(runner->crew, (piece->count + TOKENS_CHUNK - 1) / TOKENS_CHUNK, gate_chunk, piece);
	piece_multiply_one(piece, down, runner->gate, out);
}

/* What an expert is chosen by: its score, and what its bias adds to that. */
static float
rank_of(const float *values, const float *bias, uint32_t expert)
{
	return values[expert] + (bias != NULL ? bias[expert] : 0);
}

/* The groups that experts may be chosen of: those whose two best experts promise most. Of equals the first is taken. */
static void
choose_groups(const struct shape *shape, const float *bias, const float *values, bool *open)
{
	const uint32_t size = shape->experts / shape->expert_groups;
	float promise[2048];

	for (uint32_t g = 0; g < shape->expert_groups; g++) {
		float best = -INFINITY, second = -INFINITY;

		for (uint32_t i = g * size; i < (g + 1) * size; i++) {
			const float rank = rank_of(values, bias, i);

			second = rank > best ? best : rank > second ? rank : second;
			best = rank > best ? rank : best;
		}
		promise[g] = best + second;
		open[g] = false;
	}
	for (uint32_t chosen = 0; chosen < shape->expert_groups_used; chosen++) {
		uint32_t most = UINT32_MAX;

		for (uint32_t g = 0; g < shape->expert_groups; g++)
			if (!open[g] && (most == UINT32_MAX || promise[g] > promise[most]))
				most = g;
		open[most] = true;
	}
}

/* Scores of one token's experts become their weights; -1: not chosen. Of equals the first is taken. */
static void
choose_experts(const struct shape *shape, const float *bias, float *scores)
{
	const uint32_t group = shape->experts / shape->expert_groups;
	float values[4096], most = scores[0], sum = 0;
	bool open[2048] = {true};

	for (uint32_t i = 1; i < shape->experts; i++)
		most = scores[i] > most ? scores[i] : most;
	for (uint32_t i = 0; i < shape->experts; i++) {
		values[i] = shape->expert_sigmoid ? 1 / (1 + expf(-scores[i])) : expf(scores[i] - most);
		sum += values[i];
	}
	for (uint32_t i = 0; i < shape->experts; i++) {
		values[i] = shape->expert_sigmoid ? values[i] : values[i] / sum;
		scores[i] = -1;
	}
	if (shape->expert_groups > 1)
		choose_groups(shape, bias, values, open);
	sum = 0;
	for (uint32_t chosen = 0; chosen < shape->experts_used; chosen++) {
		uint32_t best = UINT32_MAX;

		for (uint32_t i = 0; i < shape->experts; i++)
			if (scores[i] < 0 && open[i / group] &&
			    (best == UINT32_MAX || rank_of(values, bias, i) > rank_of(values, bias, best)))
				best = i;
		scores[best] = values[best];
		sum += values[best];
	}
	for (uint32_t i = 0; i < shape->experts; i++)
		if (scores[i] >= 0)
			scores[i] *= shape->expert_scale /
			             (shape->expert_normalised ? fmaxf(sum, 6.103515625e-5f) : 1);
}

/*
 * Expert after expert, each over the rows that chose it, in ascending order: so what a row gets does not depend on
 * its company.
 */
static void
run_mixture(struct piece *piece)
{
	struct runner *runner = piece->runner;
	const struct shape *shape = &runner->model->shape;
	const struct mixture *mixture = piece->layer->mixture;
	size_t count = piece->count, width = shape->width, experts = shape->experts;

	piece_multiply_one(piece, &mixture->router, runner->normed, runner->routed);
	for (size_t t = 0; t < count; t++)
		choose_experts(shape, mixture->bias, runner->routed + t * experts);
	if (mixture->shared_gate.rows > 0)
		run_network(piece, &mixture->shared_gate, &mixture->shared_up, &mixture->shared_down,
		            runner->normed, runner->branch);
	else
		memset(runner->branch, 0, count * width * sizeof *runner->branch);
	for (size_t e = 0; e < experts; e++) {
		size_t many = 0;

		for (size_t t = 0; t < count; t++)
			if (runner->routed[t * experts + e] >= 0)
				memcpy(runner->gathered + many++ * width, runner->normed + t * width,
				       width * sizeof *runner->gathered);
		if (many == 0)
			continue;
		piece->count = many;
		run_network(piece, &mixture->gate[e], &mixture->up[e], &mixture->down[e], runner->gathered,
		            runner->part);
		many = 0;
		for (size_t t = 0; t < count; t++) {
			const float weight = runner->routed[t * experts + e];

			for (size_t i = 0; weight >= 0 && i < width; i++)
				runner->branch[t * width + i] += weight * runner->part[many * width + i];
			many += weight >= 0;
		}
	}
	piece->count = count;
}

static void
attend_heads(struct piece *piece, size_t chunks)
{
	struct runner *runner = piece->runner;
	const struct layer *layer = piece->layer;

	piece->matrix_count = 3;
	piece->matrices[0] = &layer->q;
	piece->matrices[1] = &layer->k;
	piece->matrices[2] = &layer->v;
	piece->out[0] = runner->q;
	piece->out[1] = runner->k;
	piece->out[2] = runner->v;
	for (unsigned i = 0; i < 3; i++)
		piece->strides[i] = piece->matrices[i]->rows;
	piece_multiply(piece, runner->normed);
	crew_share(runner->crew, chunks, before_attention, piece);
	attend_all(piece);
}

static void
run_layer(struct piece *piece, size_t chunks)
{
	struct runner *runner = piece->runner;
	const struct layer *layer = piece->layer;

	if (layer->latent != NULL)
		latent_attend(piece);
	else
		attend_heads(piece, chunks);
	piece_multiply_one(piece, &layer->output, runner->mixed, runner->branch);
	crew_share(runner->crew, chunks, after_attention, piece);
	if (layer->mixture != NULL)
		run_mixture(piece);
	else
		run_network(piece, &layer->gate, &layer->up, &layer->down, runner->normed, runner->branch);
}

static void
finish(struct piece *piece, const struct step *step)
{
	struct runner *runner = piece->runner;
	const struct model *model = runner->model;
	const struct shape *shape = &model->shape;
	size_t wanted = 0, states = 0;

	for (size_t t = 0; step->states != NULL && t < step->count; t++)
		if (step->rows[t].state)
			runner->kernels->rms_norm(step->states + states++ * shape->width,
			                          runner->x + t * shape->width, model->output_norm,
			                          shape->width, shape->epsilon);
	for (size_t t = 0; t < step->count; t++)
		if (step->rows[t].wanted)
			runner->kernels->rms_norm(runner->normed + wanted++ * shape->width,
			                          runner->x + t * shape->width, model->output_norm,
			                          shape->width, shape->epsilon);
	if (wanted == 0)
		return;
	if (step->logits == NULL)
		return;
	piece->count = wanted;
	piece_multiply_one(piece, &model->head, runner->normed, step->logits);
	if (shape->logit_scale != 1.0f)
		for (size_t i = 0; i < wanted * shape->vocabulary; i++)
			step->logits[i] *= shape->logit_scale;
	for (size_t t = 0, at = 0; step->best != NULL && t < step->count; t++) {
		if (step->rows[t].wanted && step->rows[t].best)
			step->best[at] =
			    sampler_greatest(step->logits + at * shape->vocabulary, shape->vocabulary);
		at += step->rows[t].wanted;
	}
}

void
cpu_forward(struct runner *runner, const struct step *step)
{
	struct piece piece = {.runner = runner, .step = step, .count = step->count};
	size_t chunks = (step->count + TOKENS_CHUNK - 1) / TOKENS_CHUNK;

	crew_share(runner->crew, chunks, begin_chunk, &piece);
	for (size_t i = 0; i < runner->model->shape.layers; i++) {
		piece.index = i;
		piece.layer = &runner->model->layers[i];
		crew_share(runner->crew, chunks, between_layers, &piece);
		run_layer(&piece, chunks);
	}
	piece.index = runner->model->shape.layers;
	piece.layer = NULL;
	crew_share(runner->crew, chunks, between_layers, &piece);
	finish(&piece, step);
}
