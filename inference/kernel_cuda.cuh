/*
 * kernel_cuda -- the inner loops on a GPU; each is the twin of one in kernel_body.h and is compared with it.
 *
 * A warp computes one row of a product for up to eight tokens, so that weights are read once. Quantised weights meet
 * activations of 8 bits in blocks of 32, as on processors: the same whole numbers, scaled and added in another order.
 *
 * On the device a quantised matrix lies in planes, because blocks of 18, 22, 34 or 210 bytes could only be read byte
 * by byte: `quants` holds what is left of a block when its scale (and high bits, of Q5_0) went into planes of their
 * own. Q4_K and Q5_K blocks are multiples of 16 bytes and stay as in the file.
 */
#ifndef HAECHI_INFERENCE_KERNEL_CUDA_CUH
#define HAECHI_INFERENCE_KERNEL_CUDA_CUH

#include <stdint.h>

#define WARP        32
#define TOKENS_MOST 8 /* that one product kernel takes together */
#define GROUP_MOST  8 /* query heads that share a pass over keys and values */

/* One matrix in device memory. */
struct planes {
	uint32_t type, rows, columns;
	const uint8_t *quants;
	const uint16_t *scales; /* half precision; NULL where they lie in the blocks */
	const uint32_t *high;   /* fifth bits of Q5_0 */
};

/* Activations of some tokens: floats, and the same rounded to 8 bits. */
struct rounded {
	const float *values;
	const int8_t *quants;
	const float *scales;  /* per block of 32 */
	const int32_t *sums;  /* of the quants, per 16 */
};

struct rounded_out {
	int8_t *quants; /* NULL: nobody needs them */
	float *scales;
	int32_t *sums;
};

/* What the device must know of a row of the step. */
struct device_row {
	uint32_t position;
	uint32_t table; /* where its sequence's page numbers begin */
};

/* Consecutive rows of one sequence that look at the cache together. */
struct device_tile {
	uint32_t row, count, position, table;
};

/* The cache of one layer, and which heads look at it. Keys: [page][kv head][size / 8][64][8]; values: [..][64][size]. */
struct device_cache {
	void *keys, *values;
	const uint32_t *pages; /* all tables */
	uint32_t kv_heads, head_size, group;
	uint32_t window; /* 0: everything before is seen */
	bool half;
	float scale;
};

__device__ static inline float
half_at(uint16_t bits)
{
	return __half2float(__ushort_as_half(bits));
}

__device__ static inline float
brain_at(uint16_t bits)
{
	return __uint_as_float((uint32_t)bits << 16);
}

__device__ static inline float
warp_sum(float value)
{
	for (int step = WARP / 2; step > 0; step /= 2)
		value += __shfl_xor_sync(0xffffffffu, value, step);
	return value;
}

__device__ static inline float
warp_most(float value)
{
	for (int step = WARP / 2; step > 0; step /= 2)
		value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
	return value;
}

/* Sum over the block; every thread gets it. `parts` has one float a warp, and may be used again after the call. */
__device__ static inline float
block_sum(float value, float *parts)
{
	float sum = 0;

	value = warp_sum(value);
	if (threadIdx.x % WARP == 0)
		parts[threadIdx.x / WARP] = value;
	__syncthreads();
	for (unsigned i = 0; i < blockDim.x / WARP; i++)
		sum += parts[i];
	__syncthreads();
	return sum;
}

/* ---- rounding --------------------------------------------------------------------------------------------------- */

/* A warp rounds 32 values, one a lane; `block` counts over all tokens. The twin of quantise() in kernel_body.h. */
__device__ static inline void
round_block(float value, struct rounded_out out, size_t block)
{
	unsigned lane = threadIdx.x % WARP;
	float most = warp_most(fabsf(value));
	float inverse = most > 0 && most < 3.0e38f ? 127.0f / most : 0.0f;
	int quant = __float2int_rn(value * inverse);
	int sum = quant;

	for (int step = 8; step > 0; step /= 2)
		sum += __shfl_xor_sync(0xffffffffu, sum, step);
	out.quants[block * 32 + lane] = (int8_t)quant;
	if (lane % 16 == 0)
		out.sums[block * 2 + lane / 16] = sum;
	if (lane == 0)
		out.scales[block] = most / 127.0f;
}

/* Grid: blocks of 32 values, blockDim.x / 32 at a time. */
__global__ static void
round_values(const float *values, size_t blocks, struct rounded_out out)
{
	size_t block = (size_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;

	if (block < blocks)
		round_block(values[block * 32 + threadIdx.x % WARP], out, block);
}

/* gate = silu(gate) * up, and rounded where asked for: then `total` is a multiple of 32. */
__global__ static void
silu_multiply(float *gate, const float *up, size_t total, struct rounded_out out)
{
	size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float value;

	if (at >= total)
		return;
	value = gate[at] / (1.0f + expf(-gate[at])) * up[at];
	gate[at] = value;
	if (out.quants != NULL)
		round_block(value, out, at / 32);
}

/* ---- between products ------------------------------------------------------------------------------------------- */

/*
 * x += scale * branch (normalised by post_norm where given), then normed = x normalised by norm (or as it is), rounded.
 * A block a token; branch NULL: nothing is added.
 */
__global__ static void
add_and_norm(float *x, float *branch, const float *post_norm, const float *norm, float *normed, unsigned width,
             float epsilon, float scale, struct rounded_out out)
{
	__shared__ float parts[WARP];
	size_t at = (size_t)blockIdx.x * width;
	float sum = 0, factor;

	if (branch != NULL) {
		factor = 1.0f;
		if (post_norm != NULL) {
			for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
				sum += branch[at + i] * branch[at + i];
			factor = 1.0f / sqrtf(block_sum(sum, parts) / (float)width + epsilon);
		}
		for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
			x[at + i] += scale * (branch[at + i] * factor * (post_norm != NULL ? post_norm[i] : 1.0f));
	}
	sum = 0;
	factor = 1.0f;
	if (norm != NULL) {
		for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
			sum += x[at + i] * x[at + i];
		factor = 1.0f / sqrtf(block_sum(sum, parts) / (float)width + epsilon);
	}
	/* Where they are rounded, rows are multiples of 32 and warps go by whole blocks. */
	for (unsigned i = threadIdx.x; i < width; i += blockDim.x) {
		float value = x[at + i] * factor * (norm != NULL ? norm[i] : 1.0f);

		normed[at + i] = value;
		if (out.quants != NULL)
			round_block(value, out, (at + i) / 32);
	}
}

/* Rows `chosen[0..]` of x, normalised, one after the other. A block a chosen row. */
__global__ static void
norm_chosen(const float *x, const uint32_t *chosen, const float *norm, float *normed, unsigned width, float epsilon,
            struct rounded_out out)
{
	__shared__ float parts[WARP];
	const float *from = x + (size_t)chosen[blockIdx.x] * width;
	size_t at = (size_t)blockIdx.x * width;
	float sum = 0, factor;

	for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
		sum += from[i] * from[i];
	factor = 1.0f / sqrtf(block_sum(sum, parts) / (float)width + epsilon);
	for (unsigned i = threadIdx.x; i < width; i += blockDim.x) {
		float value = from[i] * factor * norm[i];

		normed[at + i] = value;
		if (out.quants != NULL)
			round_block(value, out, (at + i) / 32);
	}
}

/* ---- products of quantised weights ------------------------------------------------------------------------------ */

__device__ static inline int
dot16(const uint32_t weights[4], const int8_t *quants)
{
	const uint4 x = *(const uint4 *)(const void *)quants;
	int sum = __dp4a((int)weights[0], (int)x.x, 0);

	sum = __dp4a((int)weights[1], (int)x.y, sum);
	sum = __dp4a((int)weights[2], (int)x.z, sum);
	return __dp4a((int)weights[3], (int)x.w, sum);
}

__device__ static inline void
load16(const uint8_t *from, uint32_t out[4])
{
	const uint4 words = *(const uint4 *)(const void *)from;

	out[0] = words.x;
	out[1] = words.y;
	out[2] = words.z;
	out[3] = words.w;
}

/* Four bits, each to bit 4 of its own byte. */
__device__ static inline uint32_t
spread_fifth(uint32_t bits)
{
	return ((bits & 1u) << 4) | ((bits & 2u) << 11) | ((bits & 4u) << 18) | ((bits & 8u) << 25);
}

/* Scale and minimum `index` of a Q4_K or Q5_K block, of the 12 bytes behind its two halves. */
__device__ static inline void
k_scale(const uint8_t *packed, unsigned index, float *scale, float *minimum)
{
	unsigned s, m;

	if (index < 4) {
		s = packed[index] & 63u;
		m = packed[index + 4] & 63u;
	} else {
		s = (packed[index + 4] & 15u) | (unsigned)(packed[index - 4] >> 6) << 4;
		m = (unsigned)(packed[index + 4] >> 4) | (unsigned)(packed[index] >> 6) << 4;
	}
	*scale = (float)s;
	*minimum = (float)m;
}

/* What one lane holds of a row: two runs of sixteen weights as w = step * quant - base, and where they stand. */
struct runs {
	uint32_t quants[2][4];
	float step[2], base[2];
	unsigned column[2];
};

/*
 * Lane item `item` of row `row`. Blocks of 32 have one item each, blocks of 256 eight. Both runs of an item lie in
 * multiples of sixteen columns.
 */
__device__ static inline void
load_runs(const struct planes *matrix, size_t row, unsigned item, struct runs *out)
{
	const unsigned columns = matrix->columns;

	if (matrix->type == QUANT_Q8_0) {
		size_t block = row * (columns / 32) + item;
		float d = half_at(matrix->scales[block]);

		for (unsigned r = 0; r < 2; r++) {
			load16(matrix->quants + block * 32 + r * 16, out->quants[r]);
			out->step[r] = d;
			out->base[r] = 0;
			out->column[r] = item * 32 + r * 16;
		}
	} else if (matrix->type == QUANT_Q4_0 || matrix->type == QUANT_Q5_0) {
		size_t block = row * (columns / 32) + item;
		float d = half_at(matrix->scales[block]);
		uint32_t high = matrix->type == QUANT_Q5_0 ? matrix->high[block] : 0, packed[4];

		load16(matrix->quants + block * 16, packed);
		for (unsigned r = 0; r < 2; r++) {
			for (unsigned i = 0; i < 4; i++)
				out->quants[r][i] = (packed[i] >> (4 * r) & 0x0f0f0f0fu) |
				                    spread_fifth(high >> (16 * r + 4 * i) & 15u);
			out->step[r] = d;
			out->base[r] = d * (matrix->type == QUANT_Q5_0 ? 16.0f : 8.0f);
			out->column[r] = item * 32 + r * 16;
		}
	} else if (matrix->type == QUANT_Q4_K || matrix->type == QUANT_Q5_K) {
		const bool five = matrix->type == QUANT_Q5_K;
		const unsigned pair = item % 8 / 2, side = item % 2;
		const uint8_t *block =
		    matrix->quants + (row * (columns / 256) + item / 8) * (five ? 176 : 144);
		float d = half_at(*(const uint16_t *)(const void *)block);
		float minimum = half_at(*(const uint16_t *)(const void *)(block + 2));
		uint32_t packed[4], fifth[4] = {0, 0, 0, 0};

		load16(block + (five ? 48 : 16) + pair * 32 + side * 16, packed);
		if (five)
			load16(block + 16 + side * 16, fifth);
		for (unsigned r = 0; r < 2; r++) {
			float s, m;

			for (unsigned i = 0; i < 4; i++)
				out->quants[r][i] = (packed[i] >> (4 * r) & 0x0f0f0f0fu) |
				                    (fifth[i] >> (2 * pair + r) & 0x01010101u) << 4;
			k_scale(block + 4, 2 * pair + r, &s, &m);
			out->step[r] = d * s;
			out->base[r] = minimum * m;
			out->column[r] = item / 8 * 256 + (2 * pair + r) * 32 + side * 16;
		}
	} else { /* Q6_K: in a half of 128, low nibbles of 64 bytes, then two high bits of 32 */
		const unsigned half = item % 8 / 4, upper = item % 4 / 2, side = item % 2;
		size_t index = row * (columns / 256) + item / 8;
		const uint8_t *block = matrix->quants + index * 208;
		float d = half_at(matrix->scales[index]);
		uint32_t packed[4], high[4];

		load16(block + 64 * half + 32 * upper + 16 * side, packed);
		load16(block + 128 + 32 * half + 16 * side, high);
		for (unsigned r = 0; r < 2; r++) {
			unsigned quarter = upper + 2 * r, at = 128 * half + 32 * quarter + 16 * side;
			float step = d * (float)(int8_t)block[192 + at / 16];

			for (unsigned i = 0; i < 4; i++)
				out->quants[r][i] = (packed[i] >> (4 * r) & 0x0f0f0f0fu) |
				                    (high[i] >> (2 * quarter) & 0x03030303u) << 4;
			out->step[r] = step;
			out->base[r] = step * 32.0f;
			out->column[r] = item / 8 * 256 + at;
		}
	}
}

/*
 * out[token * stride + row] for `tokens` (at most TOKENS_MOST) tokens. A warp a row: its lanes take items of the row
 * in turn, so that the warp reads 512 or 1024 bytes in one go.
 */
__global__ static void
multiply_quantised(struct planes matrix, struct rounded in, unsigned tokens, float *out, size_t stride)
{
	const size_t row = (size_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
	const unsigned lane = threadIdx.x % WARP, columns = matrix.columns, items = columns / 32;
	float sums[TOKENS_MOST];

	if (row >= matrix.rows)
		return;
#pragma unroll
	for (unsigned t = 0; t < TOKENS_MOST; t++)
		sums[t] = 0;
	for (unsigned item = lane; item < items; item += WARP) {
		struct runs runs;

		load_runs(&matrix, row, item, &runs);
#pragma unroll
		for (unsigned t = 0; t < TOKENS_MOST; t++) {
			if (t >= tokens)
				break;
			for (unsigned r = 0; r < 2; r++) {
				size_t at = (size_t)t * columns + runs.column[r];
				float dot = (float)dot16(runs.quants[r], in.quants + at);

				sums[t] += in.scales[at / 32] *
				           (runs.step[r] * dot - runs.base[r] * (float)in.sums[at / 16]);
			}
		}
	}
#pragma unroll
	for (unsigned t = 0; t < TOKENS_MOST; t++) {
		float sum;

		if (t >= tokens)
			break;
		sum = warp_sum(sums[t]);
		if (lane == 0)
			out[t * stride + row] = sum;
	}
}

/* One weight run as half precision, for products of many tokens by tensor cores. Grid: items of all rows. */
__global__ static void
unpack_halves(struct planes matrix, uint16_t *out)
{
	const size_t items = matrix.columns / 32, index = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	const size_t row = index / items;
	struct runs runs;

	if (row >= matrix.rows)
		return;
	load_runs(&matrix, row, (unsigned)(index % items), &runs);
	for (unsigned r = 0; r < 2; r++)
		for (unsigned i = 0; i < 16; i++) {
			uint32_t byte = runs.quants[r][i / 4] >> (i % 4 * 8) & 255u;
			float quant = matrix.type == QUANT_Q8_0 ? (float)(int8_t)byte : (float)byte;

			out[row * matrix.columns + runs.column[r] + i] =
			    __half_as_ushort(__float2half_rn(runs.step[r] * quant - runs.base[r]));
		}
}

/* ---- products of floats ----------------------------------------------------------------------------------------- */

/* One token. A warp a row; a lane takes eight columns at a time, or one where rows are not whole eights. */
__global__ static void
multiply_floats(struct planes matrix, const float *values, float *out)
{
	const size_t row = (size_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
	const unsigned lane = threadIdx.x % WARP, columns = matrix.columns;
	float sum = 0;

	if (row >= matrix.rows)
		return;
	for (unsigned c = lane; columns % 8 != 0 && c < columns; c += WARP) {
		size_t at = row * columns + c;
		const uint16_t *sixteen = (const uint16_t *)(const void *)matrix.quants + at;

		sum += values[c] * (matrix.type == QUANT_F32   ? ((const float *)(const void *)matrix.quants)[at]
		                    : matrix.type == QUANT_F16 ? half_at(*sixteen)
		                                               : brain_at(*sixteen));
	}
	for (unsigned c = lane * 8; columns % 8 == 0 && c < columns; c += WARP * 8) {
		const float4 x = *(const float4 *)(const void *)(values + c);
		const float4 y = *(const float4 *)(const void *)(values + c + 4);
		const float in[8] = {x.x, x.y, x.z, x.w, y.x, y.y, y.z, y.w};
		size_t at = row * columns + c;

		if (matrix.type == QUANT_F32) {
			const float *weights = (const float *)(const void *)matrix.quants + at;

			for (unsigned i = 0; i < 8; i++)
				sum += weights[i] * in[i];
		} else {
			uint32_t pairs[4];

			load16(matrix.quants + at * 2, pairs);
			for (unsigned i = 0; i < 8; i++) {
				uint16_t bits = (uint16_t)(pairs[i / 2] >> (i % 2 * 16));

				sum += (matrix.type == QUANT_F16 ? half_at(bits) : brain_at(bits)) * in[i];
			}
		}
	}
	sum = warp_sum(sum);
	if (lane == 0)
		out[row] = sum;
}

/*
 * Activations as 16-bit floats for tensor cores. Halves overflow at 65504 where a model's rare huge activations do
 * not: a token whose largest exceeds 16384 is divided by a power of two, undone by scale_rows(). A block a token.
 */
__global__ static void
to_sixteen(const float *values, uint16_t *out, unsigned columns, bool brain, float *factors)
{
	__shared__ float parts[WARP];
	size_t at = (size_t)blockIdx.x * columns;
	float most = 0, factor = 1.0f;

	for (unsigned i = threadIdx.x; i < columns; i += blockDim.x)
		most = fmaxf(most, fabsf(values[at + i]));
	most = warp_most(most);
	if (threadIdx.x % WARP == 0)
		parts[threadIdx.x / WARP] = most;
	__syncthreads();
	for (unsigned i = 0; i < blockDim.x / WARP; i++)
		most = fmaxf(most, parts[i]);
	while (!brain && most * factor > 16384.0f && factor > 1e-30f)
		factor *= 0.5f;
	for (unsigned i = threadIdx.x; i < columns; i += blockDim.x) {
		float value = values[at + i] * factor;
		uint32_t bits = __float_as_uint(value);

		out[at + i] = brain ? (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)
		                    : __half_as_ushort(__float2half_rn(value));
	}
	if (threadIdx.x == 0)
		factors[blockIdx.x] = 1.0f / factor;
}

/* A block a token; where the factor is 1, as nearly always, nothing is read. */
__global__ static void
scale_rows(float *out, unsigned size, size_t stride, const float *factors, float factor)
{
	float by = factors != NULL ? factors[blockIdx.x] : factor;

	if (by == 1.0f)
		return;
	for (unsigned i = threadIdx.x; i < size; i += blockDim.x)
		out[blockIdx.x * stride + i] *= by;
}

/* ---- attention -------------------------------------------------------------------------------------------------- */

__device__ static inline size_t
head_at(const struct device_cache *cache, uint32_t page, uint32_t kv_head)
{
	return ((size_t)page * cache->kv_heads + kv_head) * CACHE_PAGE * cache->head_size;
}

__device__ static inline void
store_value(void *to, size_t at, bool half, float value)
{
	if (half)
		((uint16_t *)to)[at] = __half_as_ushort(__float2half_rn(value));
	else
		((float *)to)[at] = value;
}

__device__ static inline float
load_value(const void *from, size_t at, bool half)
{
	return half ? half_at(((const uint16_t *)from)[at]) : ((const float *)from)[at];
}

/* Eight values that lie together. */
__device__ static inline void
load8(const void *from, size_t at, bool half, float out[8])
{
	if (half) {
		uint32_t pairs[4];

		load16((const uint8_t *)from + at * 2, pairs);
		for (unsigned i = 0; i < 8; i++)
			out[i] = half_at((uint16_t)(pairs[i / 2] >> (i % 2 * 16)));
	} else {
		for (unsigned i = 0; i < 8; i++)
			out[i] = ((const float *)from)[at + i];
	}
}

struct head_step {
	float *q, *k, *v;
	const float *q_bias, *k_bias, *v_bias; /* NULL mostly */
	const float *q_norm, *k_norm;          /* per head; NULL mostly */
	const float *turns;                    /* cosine and sine, `rotated` a row; NULL: no rope */
	const struct device_row *rows;
	uint32_t heads, rotated;
	bool halves; /* pairs are (i, i + rotated / 2) */
	float epsilon;
};

/* Bias, norm and rotation of one head, then into the cache. A warp a head: queries, then keys, then values. */
__global__ static void
before_attention(struct head_step step, struct device_cache cache)
{
	const unsigned lane = threadIdx.x % WARP, size = cache.head_size, row = blockIdx.x;
	const unsigned head = blockIdx.y * (blockDim.x / WARP) + threadIdx.x / WARP;
	const bool query = head < step.heads, key = !query && head < step.heads + cache.kv_heads;
	const unsigned number = query ? head : key ? head - step.heads : head - step.heads - cache.kv_heads;
	const float *bias = query ? step.q_bias : key ? step.k_bias : step.v_bias;
	const float *norm = query ? step.q_norm : key ? step.k_norm : NULL;
	float *all = query ? step.q : key ? step.k : step.v, *values;
	uint32_t position, page;
	size_t base;

	if (head >= step.heads + 2 * cache.kv_heads)
		return;
	values = all + ((size_t)row * (query ? step.heads : cache.kv_heads) + number) * size;
	if (bias != NULL)
		for (unsigned i = lane; i < size; i += WARP)
			values[i] += bias[number * size + i];
	if (norm != NULL) {
		float sum = 0;

		for (unsigned i = lane; i < size; i += WARP)
			sum += values[i] * values[i];
		sum = 1.0f / sqrtf(warp_sum(sum) / (float)size + step.epsilon);
		for (unsigned i = lane; i < size; i += WARP)
			values[i] *= sum * norm[i];
	}
	__syncwarp();
	if (step.turns != NULL && (query || key))
		for (unsigned i = lane; i < step.rotated / 2; i += WARP) {
			const float *turn = step.turns + (size_t)row * step.rotated + 2 * i;
			float *a = values + (step.halves ? i : 2 * i);
			float *b = step.halves ? a + step.rotated / 2 : a + 1;
			float x = *a, y = *b;

			*a = x * turn[0] - y * turn[1];
			*b = x * turn[1] + y * turn[0];
		}
	__syncwarp();
	if (query)
		return;
	position = step.rows[row].position;
	page = cache.pages[step.rows[row].table + position / CACHE_PAGE];
	base = head_at(&cache, page, number);
	for (unsigned i = lane; i < size; i += WARP)
		if (key)
			store_value(cache.keys, base + (i / 8 * CACHE_PAGE + position % CACHE_PAGE) * 8 + i % 8,
			            cache.half, values[i]);
		else
			store_value(cache.values, base + (size_t)(position % CACHE_PAGE) * size + i, cache.half,
			            values[i]);
}

/* What one split found: [row][head][split] of most, sum, and head_size values not yet divided by the sum. */
struct partials {
	float *most, *sum, *values;
	uint32_t splits;
};

#define SPLIT_THREADS 128

/*
 * Some pages of one row's past, for up to GROUP_MOST query heads of one kv head.
 * Grid: (row from first_row, kv head x passes over its group, split); 128 threads: a thread a position and half of the dimensions for
 * the scores, a thread a dimension for the values. Shared: queries, scores.
 */
__global__ static void
attend_split(const float *q, struct device_cache cache, const struct device_row *rows, uint32_t first_row,
             uint32_t heads, struct partials out)
{
	SHARED_MEMORY(float, shared);
	const unsigned size = cache.head_size, passes = (cache.group + GROUP_MOST - 1) / GROUP_MOST;
	const unsigned row = first_row + blockIdx.x, kv_head = blockIdx.y / passes, pass = blockIdx.y % passes;
	const unsigned first_head = kv_head * cache.group + pass * GROUP_MOST;
	const unsigned left = cache.group - pass * GROUP_MOST, group = left < GROUP_MOST ? left : GROUP_MOST;
	const uint32_t last = rows[row].position;
	const uint32_t first = cache.window > 0 && last >= cache.window ? last - cache.window + 1 : 0;
	const uint32_t page0 = first / CACHE_PAGE, pages = last / CACHE_PAGE - page0 + 1;
	const uint32_t each = (pages + out.splits - 1) / out.splits, begin = page0 + blockIdx.z * each;
	const uint32_t most_end = last / CACHE_PAGE + 1, end = begin + each < most_end ? begin + each : most_end;
	float *queries = shared, *scores = shared + GROUP_MOST * size; /* [2][GROUP_MOST][64] */
	float *most = scores + 2 * GROUP_MOST * CACHE_PAGE, *sum = most + GROUP_MOST, *shrink = sum + GROUP_MOST;
	float mixed[2][GROUP_MOST];
	const unsigned place = threadIdx.x % CACHE_PAGE, side = threadIdx.x / CACHE_PAGE;

	for (unsigned i = threadIdx.x; i < group * size; i += blockDim.x)
		queries[i] = q[((size_t)row * heads + first_head) * size + i] * cache.scale;
	for (unsigned g = threadIdx.x; g < GROUP_MOST; g += blockDim.x) {
		most[g] = -INFINITY;
		sum[g] = 0;
	}
#pragma unroll
	for (unsigned g = 0; g < GROUP_MOST; g++)
		mixed[0][g] = mixed[1][g] = 0;
	__syncthreads();
	for (uint32_t page = begin; page < end; page++) {
		size_t base = head_at(&cache, cache.pages[rows[row].table + page], kv_head);
		uint32_t position = page * CACHE_PAGE + place;
		float dots[GROUP_MOST];

#pragma unroll
		for (unsigned g = 0; g < GROUP_MOST; g++)
			dots[g] = 0;
		for (unsigned d = side; d < size / 8; d += 2) {
			float key[8];

			load8(cache.keys, base + (d * CACHE_PAGE + place) * 8, cache.half, key);
#pragma unroll
			for (unsigned g = 0; g < GROUP_MOST; g++)
				for (unsigned i = 0; i < 8 && g < group; i++)
					dots[g] += key[i] * queries[g * size + d * 8 + i];
		}
#pragma unroll
		for (unsigned g = 0; g < GROUP_MOST; g++)
			scores[(side * GROUP_MOST + g) * CACHE_PAGE + place] =
			    position >= first && position <= last ? dots[g] : -INFINITY;
		__syncthreads();
		/* A warp a head in turn: two positions a lane. */
		for (unsigned g = threadIdx.x / WARP; g < group; g += SPLIT_THREADS / WARP) {
			const unsigned lane = threadIdx.x % WARP;
			float *one = scores + g * CACHE_PAGE, *two = one + GROUP_MOST * CACHE_PAGE;
			float a = one[lane] + two[lane], b = one[lane + WARP] + two[lane + WARP];
			float now = fmaxf(most[g], warp_most(fmaxf(a, b)));
			float keep = now == -INFINITY ? 1.0f : expf(most[g] - now);
			float total;

			a = a == -INFINITY ? 0 : expf(a - now);
			b = b == -INFINITY ? 0 : expf(b - now);
			one[lane] = a;
			one[lane + WARP] = b;
			total = warp_sum(a + b);
			__syncwarp();
			if (lane == 0) {
				most[g] = now;
				sum[g] = sum[g] * keep + total;
				shrink[g] = keep;
			}
		}
		__syncthreads();
#pragma unroll
		for (unsigned j = 0; j < 2; j++) {
			unsigned d = threadIdx.x + j * SPLIT_THREADS;

			if (d >= size)
				break;
#pragma unroll
			for (unsigned g = 0; g < GROUP_MOST; g++)
				mixed[j][g] *= g < group ? shrink[g] : 1.0f;
			for (unsigned p = 0; p < CACHE_PAGE; p++) {
				float value;

				/* What was never written may be anything. */
				if (page * CACHE_PAGE + p > last)
					break;
				value = load_value(cache.values, base + (size_t)p * size + d, cache.half);
#pragma unroll
				for (unsigned g = 0; g < GROUP_MOST; g++)
					if (g < group)
						mixed[j][g] += scores[g * CACHE_PAGE + p] * value;
			}
		}
		__syncthreads();
	}
#pragma unroll
	for (unsigned g = 0; g < GROUP_MOST; g++) {
		size_t at = ((size_t)blockIdx.x * heads + first_head + g) * out.splits + blockIdx.z;

		if (g >= group)
			break;
		if (threadIdx.x == 0) {
			out.most[at] = most[g];
			out.sum[at] = sum[g];
		}
#pragma unroll
		for (unsigned j = 0; j < 2; j++)
			if (threadIdx.x + j * SPLIT_THREADS < size)
				out.values[at * size + threadIdx.x + j * SPLIT_THREADS] = mixed[j][g];
	}
}

/* Splits into one. Grid: (row, head); a thread a dimension. */
__global__ static void
attend_join(struct partials in, uint32_t heads, unsigned size, float *out)
{
	const size_t head = (size_t)blockIdx.x * heads + blockIdx.y;
	float most = -INFINITY, sum = 0;

	for (unsigned s = 0; s < in.splits; s++)
		most = fmaxf(most, in.most[head * in.splits + s]);
	for (unsigned s = 0; s < in.splits; s++)
		if (in.most[head * in.splits + s] != -INFINITY)
			sum += in.sum[head * in.splits + s] * expf(in.most[head * in.splits + s] - most);
	for (unsigned d = threadIdx.x; d < size; d += blockDim.x) {
		float value = 0;

		for (unsigned s = 0; s < in.splits; s++)
			if (in.most[head * in.splits + s] != -INFINITY)
				value += in.values[(head * in.splits + s) * size + d] *
				         expf(in.most[head * in.splits + s] - most);
		out[head * size + d] = value / sum;
	}
}

#define TILE         64 /* queries of a tile, and positions of a page */
#define TILE_THREADS 128
#define TILE_EDGE    8 /* values between rows in shared memory, so that columns fall into different banks */

/* Bytes of shared memory that attend_tile() needs. */
__host__ __device__ static inline size_t
tile_bytes(unsigned size)
{
	size_t wide = size + TILE_EDGE, square = TILE + TILE_EDGE;

	return TILE * (3 * wide * 2 + wide * 4 + square * 4 + square * 2 + 2 * 4);
}

/*
 * Many rows of one sequence at once, by tensor cores; the cache in half precision, head_size a multiple of 16.
 * Grid: (tile, head). Four warps, each with sixteen of the 64 queries, go over the pages that the last query sees.
 */
__global__ static void
attend_tile(const float *q, struct device_cache cache, const struct device_tile *tiles, uint32_t heads, float *out)
{
	SHARED_MEMORY(float, shared);
	const unsigned size = cache.head_size, wide = size + TILE_EDGE, square = TILE + TILE_EDGE;
	const unsigned warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, head = blockIdx.y;
	const struct device_tile tile = tiles[blockIdx.x];
	const uint32_t last = tile.position + tile.count - 1;
	const uint32_t lowest = cache.window > 0 && tile.position >= cache.window
	                            ? tile.position - cache.window + 1
	                            : 0;
	float *mixed = shared;                     /* [64][wide], a warp's sixteen rows are its own */
	float *scores = mixed + TILE * wide;       /* [64][square] */
	float *most = scores + TILE * square, *sum = most + TILE;
	__half *queries = (__half *)(void *)(sum + TILE); /* [64][wide] */
	__half *keys = queries + TILE * wide, *values = keys + TILE * wide;
	__half *shares = values + TILE * wide; /* [64][square] */

	for (unsigned i = threadIdx.x; i < TILE * size; i += blockDim.x) {
		unsigned t = i / size, d = i % size;
		float value = t < tile.count ? q[((size_t)(tile.row + t) * heads + head) * size + d] : 0;

		queries[t * wide + d] = __float2half_rn(value);
		mixed[t * wide + d] = 0;
	}
	for (unsigned t = threadIdx.x; t < TILE; t += blockDim.x) {
		most[t] = -INFINITY;
		sum[t] = 0;
	}
	for (uint32_t page = lowest / CACHE_PAGE; page <= last / CACHE_PAGE; page++) {
		size_t base = head_at(&cache, cache.pages[tile.table + page], head / cache.group);

		__syncthreads();
		for (unsigned i = threadIdx.x; i < TILE * size; i += blockDim.x) {
			unsigned p = i / 8 % TILE, d = i / 8 / TILE * 8 + i % 8;
			bool there = page * CACHE_PAGE + p <= last; /* what was never written may be anything */

			keys[p * wide + d] =
			    there ? __ushort_as_half(((const uint16_t *)cache.keys)[base + i]) : __float2half_rn(0);
			p = i / size;
			d = i % size;
			there = page * CACHE_PAGE + p <= last;
			values[p * wide + d] =
			    there ? __ushort_as_half(((const uint16_t *)cache.values)[base + i]) : __float2half_rn(0);
		}
		__syncthreads();
		for (unsigned n = 0; n < TILE; n += 16) {
			wmma::fragment<wmma::accumulator, 16, 16, 16, float> dots;

			wmma::fill_fragment(dots, 0.0f);
			for (unsigned d = 0; d < size; d += 16) {
				wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> a;
				wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::col_major> b;

				wmma::load_matrix_sync(a, queries + warp * 16 * wide + d, wide);
				wmma::load_matrix_sync(b, keys + n * wide + d, wide);
				wmma::mma_sync(dots, a, b, dots);
			}
			wmma::store_matrix_sync(scores + warp * 16 * square + n, dots, square, wmma::mem_row_major);
		}
		__syncwarp();
		for (unsigned t = warp * 16; t < warp * 16 + 16; t++) {
			const uint32_t position = tile.position + t;
			float pair[2], now, keep, total;

			for (unsigned j = 0; j < 2; j++) {
				uint32_t other = page * CACHE_PAGE + lane + j * WARP;
				bool seen = other <= position && t < tile.count &&
				            (cache.window == 0 || other + cache.window > position);

				pair[j] = seen ? scores[t * square + lane + j * WARP] * cache.scale : -INFINITY;
			}
			now = fmaxf(most[t], warp_most(fmaxf(pair[0], pair[1])));
			keep = now == -INFINITY ? 1.0f : expf(most[t] - now);
			for (unsigned j = 0; j < 2; j++) {
				pair[j] = pair[j] == -INFINITY ? 0 : expf(pair[j] - now);
				shares[t * square + lane + j * WARP] = __float2half_rn(pair[j]);
			}
			total = warp_sum(pair[0] + pair[1]);
			__syncwarp();
			if (lane == 0) {
				most[t] = now;
				sum[t] = sum[t] * keep + total;
			}
			if (keep != 1.0f)
				for (unsigned d = lane; d < size; d += WARP)
					mixed[t * wide + d] *= keep;
			__syncwarp();
		}
		for (unsigned d = 0; d < size; d += 16) {
			wmma::fragment<wmma::accumulator, 16, 16, 16, float> all;

			wmma::load_matrix_sync(all, mixed + warp * 16 * wide + d, wide, wmma::mem_row_major);
			for (unsigned n = 0; n < TILE; n += 16) {
				wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> a;
				wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::row_major> b;

				wmma::load_matrix_sync(a, shares + warp * 16 * square + n, square);
				wmma::load_matrix_sync(b, values + n * wide + d, wide);
				wmma::mma_sync(all, a, b, all);
			}
			wmma::store_matrix_sync(mixed + warp * 16 * wide + d, all, wide, wmma::mem_row_major);
		}
		__syncwarp();
	}
	__syncthreads();
	for (unsigned i = threadIdx.x; i < tile.count * size; i += blockDim.x) {
		unsigned t = i / size, d = i % size;

		out[((size_t)(tile.row + t) * heads + head) * size + d] = mixed[t * wide + d] / sum[t];
	}
}

#endif
