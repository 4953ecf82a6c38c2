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

/* To the eleven bits of a half, as in kernel_body.h. */
__device__ static inline float
as_half(float value)
{
	unsigned bits = __float_as_uint(value);

	return bits < 0x38800000u ? value : __uint_as_float((bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu);
}

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
		out.scales[block] = as_half(most / 127.0f);
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

#endif
