/*
 * experts_cuda -- mixtures of experts on a GPU: who is chosen, for whom, and their networks over just these tokens.
 *
 * Nothing of the choice comes back to the processor, so that a step can be recorded: tokens that chose the same expert
 * are gathered into groups of at most TOKENS_MOST, and every product has a block for each group that there may be.
 * A slot is one choice of one token: token * used + rank.
 */
#ifndef HAECHI_INFERENCE_EXPERTS_CUDA_CUH
#define HAECHI_INFERENCE_EXPERTS_CUDA_CUH

#include "inference/product_cuda.cuh"

#define CHOOSE_THREADS 256
#define GROUP_THREADS  256

/* order[first .. first + count) are slots of `expert`; count 0: nothing to do. */
struct expert_group {
	uint32_t expert, first, count;
};

struct routing {
	uint32_t experts, used;
	bool sigmoid, normalised;
	float scale;
};

/*
 * Of each token's scores the best `used`, the first of equals, in ascending order, with their weights. A block a token;
 * shared memory: two floats an expert. The twin of choose_experts() in forward_cpu.c.
 */
__global__ static void
choose_experts(const float *scores, const float *bias, struct routing routing, uint32_t *chosen, float *weights)
{
	SHARED_MEMORY(float, values); /* [experts], then what they are compared by */
	__shared__ float parts[WARP];
	__shared__ uint32_t places[WARP];
	const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
	float *ranks = values + routing.experts, most = -INFINITY, sum = 0;

	begin();
	scores += (size_t)blockIdx.x * routing.experts;
	chosen += (size_t)blockIdx.x * routing.used;
	weights += (size_t)blockIdx.x * routing.used;
	for (unsigned i = threadIdx.x; i < routing.experts; i += CHOOSE_THREADS)
		most = fmaxf(most, scores[i]);
	most = warp_most(most);
	if (lane == 0)
		parts[warp] = most;
	__syncthreads();
	for (unsigned i = 0; i < CHOOSE_THREADS / WARP; i++)
		most = fmaxf(most, parts[i]);
	__syncthreads();
	for (unsigned i = threadIdx.x; i < routing.experts; i += CHOOSE_THREADS) {
		values[i] = routing.sigmoid ? 1.0f / (1.0f + expf(-scores[i])) : expf(scores[i] - most);
		sum += values[i];
	}
	sum = block_sum(sum, parts);
	for (unsigned i = threadIdx.x; i < routing.experts; i += CHOOSE_THREADS) {
		if (!routing.sigmoid)
			values[i] /= sum;
		ranks[i] = values[i] + (bias != NULL ? bias[i] : 0);
	}
	__syncthreads();
	for (unsigned k = 0; k < routing.used; k++) {
		uint32_t best = UINT32_MAX;

		most = -INFINITY;
		for (unsigned i = threadIdx.x; i < routing.experts; i += CHOOSE_THREADS)
			if (ranks[i] > most) {
				most = ranks[i];
				best = i;
			}
		for (int step = WARP / 2; step > 0; step /= 2) {
			float other = __shfl_xor_sync(0xffffffffu, most, step);
			uint32_t place = __shfl_xor_sync(0xffffffffu, best, step);

			if (other > most || (other == most && place < best)) {
				most = other;
				best = place;
			}
		}
		if (lane == 0) {
			parts[warp] = most;
			places[warp] = best;
		}
		__syncthreads();
		if (threadIdx.x == 0) {
			for (unsigned i = 0; i < CHOOSE_THREADS / WARP; i++)
				if (parts[i] > most || (parts[i] == most && places[i] < best)) {
					most = parts[i];
					best = places[i];
				}
			/* Scores that are no numbers choose nobody; somebody must be. */
			best = best < routing.experts ? best : 0;
			ranks[best] = -INFINITY;
			chosen[k] = best;
		}
		__syncthreads();
	}
	if (threadIdx.x != 0)
		return;
	sum = 0;
	for (unsigned k = 0; k < routing.used; k++)
		sum += values[chosen[k]];
	for (unsigned k = 1; k < routing.used; k++) {
		uint32_t moved = chosen[k];
		unsigned at = k;

		for (; at > 0 && chosen[at - 1] > moved; at--)
			chosen[at] = chosen[at - 1];
		chosen[at] = moved;
	}
	for (unsigned k = 0; k < routing.used; k++)
		weights[k] =
		    values[chosen[k]] * (routing.scale / (routing.normalised ? fmaxf(sum, 6.103515625e-5f) : 1.0f));
}

/* Slots by expert, in groups; `most` groups are told of. One block; shared memory: two numbers an expert. */
__global__ static void
group_slots(const uint32_t *chosen, uint32_t slots, uint32_t experts, uint32_t *order, struct expert_group *groups,
            uint32_t most)
{
	SHARED_MEMORY(uint32_t, starts); /* [experts] of slots, then of groups */
	uint32_t *first_groups = starts + experts;

	begin();
	for (uint32_t e = threadIdx.x; e < experts; e += GROUP_THREADS) {
		uint32_t count = 0;

		for (uint32_t i = 0; i < slots; i++)
			count += chosen[i] == e;
		starts[e] = count;
	}
	for (uint32_t i = threadIdx.x; i < most; i += GROUP_THREADS)
		groups[i].count = 0;
	__syncthreads();
	if (threadIdx.x == 0) {
		uint32_t start = 0, group = 0;

		for (uint32_t e = 0; e < experts; e++) {
			uint32_t count = starts[e];

			starts[e] = start;
			first_groups[e] = group;
			start += count;
			group += (count + TOKENS_MOST - 1) / TOKENS_MOST;
		}
	}
	__syncthreads();
	for (uint32_t e = threadIdx.x; e < experts; e += GROUP_THREADS) {
		uint32_t at = starts[e], group = first_groups[e];

		for (uint32_t i = 0; i < slots; i++) {
			const uint32_t place = at - starts[e];

			if (chosen[i] != e)
				continue;
			if (place % TOKENS_MOST == 0) {
				groups[group].expert = e;
				groups[group].first = at;
			}
			groups[group].count = place % TOKENS_MOST + 1;
			group += place % TOKENS_MOST == TOKENS_MOST - 1;
			order[at++] = i;
		}
	}
}

/* Activations from row `row` of `columns` on. */
__device__ static inline struct forms
forms_at(const struct forms *all, size_t row, size_t columns)
{
	struct forms out = {NULL, NULL, {NULL, NULL, NULL}};

	if (all->values != NULL)
		out.values = all->values + row * columns;
	if (all->rounded.quants != NULL) {
		out.rounded.quants = all->rounded.quants + row * columns;
		out.rounded.scales = all->rounded.scales + row * (columns / 32);
		out.rounded.sums = all->rounded.sums + row * (columns / 16);
	}
	return out;
}

/* A row by the activations in rows at[0 .. count): a lane's share of each. */
__device__ static inline void
multiply_row_few(const struct planes *matrix, size_t row, const struct forms *in, const uint32_t *at, unsigned count,
                 float sums[TOKENS_MOST])
{
	const unsigned lane = threadIdx.x % WARP, columns = matrix->columns;

#pragma unroll
	for (unsigned t = 0; t < TOKENS_MOST; t++)
		sums[t] = 0;
	if (matrix->type == QUANT_F32 || matrix->type == QUANT_F16 || matrix->type == QUANT_BF16) {
		for (unsigned c = lane; c < columns; c += WARP) {
			const size_t place = row * columns + c;
			const uint16_t *sixteens = (const uint16_t *)(const void *)matrix->quants;
			const float weight = matrix->type == QUANT_F32 ? ((const float *)(const void *)matrix->quants)[place]
			                     : matrix->type == QUANT_F16 ? half_at(sixteens[place])
			                                                 : brain_at(sixteens[place]);

#pragma unroll
			for (unsigned t = 0; t < TOKENS_MOST; t++)
				if (t < count)
					sums[t] += weight * in->values[(size_t)at[t] * columns + c];
		}
		return;
	}
	for (unsigned item = lane; item < columns / 32; item += WARP) {
		struct runs runs;

		load_runs(matrix, row, item, &runs);
#pragma unroll
		for (unsigned t = 0; t < TOKENS_MOST; t++)
			for (unsigned r = 0; t < count && r < 2; r++) {
				const size_t place = (size_t)at[t] * columns + runs.column[r];

				sums[t] += in->rounded.scales[place / 32] *
				           (runs.step[r] * (float)dot16(runs.quants[r], in->rounded.quants + place) -
				            runs.base[r] * (float)in->rounded.sums[place / 16]);
			}
	}
}

/* The same, whole: every lane gets all sums. */
__device__ static inline void
multiply_group_row(const struct planes *matrix, size_t row, const struct forms *in, const uint32_t *at, unsigned count,
                   float sums[TOKENS_MOST])
{
	if (count == 1) {
		const struct forms one = forms_at(in, at[0], matrix->columns);

		sums[0] = multiply_row(matrix, row, &one);
		return;
	}
	multiply_row_few(matrix, row, in, at, count, sums);
#pragma unroll
	for (unsigned t = 0; t < TOKENS_MOST; t++)
		if (t < count)
			sums[t] = warp_sum(sums[t]);
}

/*
 * Each group's expert by its tokens: rows 0 .. each of every part of `experts`, which holds the matrices of all of them
 * one behind the other; `in` has one row for `shared` slots. out: by slot, the parts one behind the other.
 * Grid: (PRODUCT_ROWS rows, group, part).
 */
__global__ static void __launch_bounds__(PRODUCT_THREADS, 3)
multiply_experts(const __grid_constant__ struct bundle experts, uint32_t each, uint32_t shared,
                 const struct expert_group *groups, const uint32_t *order, const __grid_constant__ struct forms in,
                 float *out)
{
	const unsigned row = blockIdx.x * PRODUCT_ROWS + threadIdx.x / WARP;
	uint32_t slots[TOKENS_MOST], rows[TOKENS_MOST];
	struct expert_group group;
	float sums[TOKENS_MOST];

	begin();
	group = groups[blockIdx.y];
	if (group.count == 0 || row >= each)
		return;
#pragma unroll
	for (unsigned t = 0; t < TOKENS_MOST; t++) {
		slots[t] = order[group.first + (t < group.count ? t : 0)];
		rows[t] = slots[t] / shared;
	}
	multiply_group_row(&experts.parts[blockIdx.z], (size_t)group.expert * each + row, &in, rows, group.count, sums);
#pragma unroll
	for (unsigned t = 0; t < TOKENS_MOST; t++)
		if (t < group.count && threadIdx.x % WARP == 0)
			out[((size_t)slots[t] * gridDim.z + blockIdx.z) * each + row] = sums[t];
}

/* The chosen experts' words by their weights, added to those of the shared one where there is one. A block a token. */
__global__ static void
join_experts(const float *parts, const float *weights, uint32_t used, unsigned width, bool shared, float *branch)
{
	begin();
	for (unsigned i = threadIdx.x; i < width; i += blockDim.x) {
		const size_t at = (size_t)blockIdx.x * width + i;
		float sum = shared ? branch[at] : 0;

		for (unsigned k = 0; k < used; k++)
			sum += weights[(size_t)blockIdx.x * used + k] * parts[((size_t)blockIdx.x * used + k) * width + i];
		branch[at] = sum;
	}
}

#endif
