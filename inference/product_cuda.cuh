/*
 * product_cuda -- products of matrices with the activations of few tokens, near the memory's limit.
 *
 * A warp computes one row: its lanes read sixteen bytes at a time, several such reads on their way before the first is
 * used, because a GPU's memory needs some forty kilobytes on their way per processor to be busy. Quantised weights meet
 * activations of 8 bits in blocks of 32, as on processors: the same whole numbers, scaled and added in another order.
 */
#ifndef HAECHI_INFERENCE_PRODUCT_CUDA_CUH
#define HAECHI_INFERENCE_PRODUCT_CUDA_CUH

#include "inference/kernel_cuda.cuh"

#define TOKENS_MOST     8 /* that one kernel takes together */
#define BUNDLE_MOST     3
#define PRODUCT_THREADS 256
#define PRODUCT_ROWS    (PRODUCT_THREADS / WARP) /* of a block */

/* Matrices of the same columns whose products stand behind one another: all are made at once. */
struct bundle {
	struct planes parts[BUNDLE_MOST];
	uint32_t count, rows, columns; /* rows of all together */
	bool joined;                   /* floats of one type that lie behind one another, too */
};

__device__ static inline void
load16(const uint8_t *from, uint32_t out[4])
{
	const uint4 words = load_weights(from);

	out[0] = words.x;
	out[1] = words.y;
	out[2] = words.z;
	out[3] = words.w;
}

__device__ static inline int
dot16(const uint32_t weights[4], const int8_t *quants)
{
	const uint4 x = *(const uint4 *)(const void *)quants;
	int sum = __dp4a((int)weights[0], (int)x.x, 0);

	sum = __dp4a((int)weights[1], (int)x.y, sum);
	sum = __dp4a((int)weights[2], (int)x.z, sum);
	return __dp4a((int)weights[3], (int)x.w, sum);
}

/* Four bits, each to bit 4 of its own byte. */
__device__ static inline uint32_t
spread_fifth(uint32_t bits)
{
	return ((bits & 1u) << 4) | ((bits & 2u) << 11) | ((bits & 4u) << 18) | ((bits & 8u) << 25);
}

/* Scale and minimum `index` of a Q4_K or Q5_K block, of the 12 bytes behind its two halves. */
__device__ static inline void
k_scale(const uint32_t packed[3], unsigned index, float *scale, float *minimum)
{
	const unsigned shift = index % 4 * 8, first = packed[0] >> shift, second = packed[1] >> shift;
	const unsigned third = packed[2] >> shift;

	if (index < 4) {
		*scale = (float)(first & 63u);
		*minimum = (float)(second & 63u);
	} else {
		*scale = (float)((third & 15u) | (first >> 6 & 3u) << 4);
		*minimum = (float)((third >> 4 & 15u) | (second >> 6 & 3u) << 4);
	}
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
		uint32_t head[4], packed[4], fifth[4] = {0, 0, 0, 0};

		load16(block, head);
		load16(block + (five ? 48 : 16) + pair * 32 + side * 16, packed);
		if (five)
			load16(block + 16 + side * 16, fifth);
		for (unsigned r = 0; r < 2; r++) {
			float s, m;

			for (unsigned i = 0; i < 4; i++)
				out->quants[r][i] = (packed[i] >> (4 * r) & 0x0f0f0f0fu) |
				                    (fifth[i] >> (2 * pair + r) & 0x01010101u) << 4;
			k_scale(head + 1, 2 * pair + r, &s, &m);
			out->step[r] = half_at((uint16_t)head[0]) * s;
			out->base[r] = half_at((uint16_t)(head[0] >> 16)) * m;
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

/* Bytes of a row's quants, and where they begin. */
__device__ static inline size_t
row_bytes(const struct planes *matrix)
{
	const size_t columns = matrix->columns;

	switch (matrix->type) {
	case QUANT_F32:
		return columns * 4;
	case QUANT_F16:
	case QUANT_BF16:
		return columns * 2;
	case QUANT_Q8_0:
		return columns;
	case QUANT_Q4_K:
		return columns / 256 * 144;
	case QUANT_Q5_K:
		return columns / 256 * 176;
	case QUANT_Q6_K:
		return columns / 256 * 208;
	default:
		return columns / 2;
	}
}

/* ---- one token: a lane's share of a row ----------------------------------------------------------------------------- */

#define FLOAT_DEPTH 8 /* reads on their way, of each lane */
#define BYTES_DEPTH 4
#define PAIRS_DEPTH 2 /* each of two or three reads */

__device__ static inline float
dot_thirty_twos(const float *weights, const float *values, unsigned columns, unsigned lane)
{
	float sum = 0;

	for (unsigned c = lane * 4; columns % 4 == 0 && c < columns; c += WARP * 4) {
		const float4 w = *(const float4 *)(const void *)(weights + c);
		const float4 x = *(const float4 *)(const void *)(values + c);

		sum += w.x * x.x + w.y * x.y + w.z * x.z + w.w * x.w;
	}
	for (unsigned c = lane; columns % 4 != 0 && c < columns; c += WARP)
		sum += weights[c] * values[c];
	return sum;
}

__device__ static inline float
dot_pair(uint32_t pair, bool brain, float x, float y)
{
	const float first = brain ? __uint_as_float(pair << 16) : half_at((uint16_t)pair);
	const float second = brain ? __uint_as_float(pair & 0xffff0000u) : half_at((uint16_t)(pair >> 16));

	return first * x + second * y;
}

__device__ static inline float
dot_sixteens(const uint16_t *weights, bool brain, const float *values, unsigned columns, unsigned lane)
{
	float sum = 0;

	for (unsigned c = lane; columns % 8 != 0 && c < columns; c += WARP)
		sum += (brain ? brain_at(weights[c]) : half_at(weights[c])) * values[c];
	for (unsigned c = lane * 8; columns % 8 == 0 && c < columns; c += FLOAT_DEPTH * WARP * 8) {
		uint4 words[FLOAT_DEPTH];

#pragma unroll
		for (unsigned i = 0; i < FLOAT_DEPTH; i++)
			if (c + i * WARP * 8 < columns)
				words[i] = load_weights(weights + c + i * WARP * 8);
#pragma unroll
		for (unsigned i = 0; i < FLOAT_DEPTH; i++)
			if (c + i * WARP * 8 < columns) {
				const float *at = values + c + i * WARP * 8;
				const float4 x = *(const float4 *)(const void *)at;
				const float4 y = *(const float4 *)(const void *)(at + 4);

				sum += dot_pair(words[i].x, brain, x.x, x.y) + dot_pair(words[i].y, brain, x.z, x.w) +
				       dot_pair(words[i].z, brain, y.x, y.y) + dot_pair(words[i].w, brain, y.z, y.w);
			}
	}
	return sum;
}

__device__ static inline float
dot_bytes(const struct planes *matrix, size_t row, const struct rounded *in, unsigned lane)
{
	const unsigned items = matrix->columns / 16;
	const uint8_t *quants = matrix->quants + row * matrix->columns;
	const uint16_t *scales = matrix->scales + row * (matrix->columns / 32);
	float sum = 0;

	for (unsigned item = lane; item < items; item += BYTES_DEPTH * WARP) {
		uint32_t words[BYTES_DEPTH][4];
		uint16_t d[BYTES_DEPTH];

#pragma unroll
		for (unsigned i = 0; i < BYTES_DEPTH; i++)
			if (item + i * WARP < items) {
				load16(quants + (size_t)(item + i * WARP) * 16, words[i]);
				d[i] = scales[(item + i * WARP) / 2];
			}
#pragma unroll
		for (unsigned i = 0; i < BYTES_DEPTH; i++)
			if (item + i * WARP < items)
				sum += half_at(d[i]) * in->scales[(item + i * WARP) / 2] *
				       (float)dot16(words[i], in->quants + (size_t)(item + i * WARP) * 16);
	}
	return sum;
}

/* Sums and scale of a block of 32 activations that meet steps and bases of weights. */
__device__ static inline float
join_block(const struct rounded *in, unsigned block, float step, float base, int dot)
{
	return in->scales[block] * (step * (float)dot - base * (float)(in->sums[2 * block] + in->sums[2 * block + 1]));
}

/* Four lanes a block of 256: each has two blocks of 32, low nibbles and high ones of the same bytes. */
__device__ static inline float
dot_four_k(const struct planes *matrix, size_t row, const struct rounded *in, unsigned lane)
{
	const unsigned items = matrix->columns / 64;
	const uint8_t *quants = matrix->quants + row * (matrix->columns / 256) * 144;
	float sum = 0;

	for (unsigned item = lane; item < items; item += PAIRS_DEPTH * WARP) {
		uint32_t head[PAIRS_DEPTH][4], packed[PAIRS_DEPTH][2][4];

#pragma unroll
		for (unsigned i = 0; i < PAIRS_DEPTH; i++)
			if (item + i * WARP < items) {
				const uint8_t *block = quants + (size_t)((item + i * WARP) / 4) * 144;

				load16(block + 16 + item % 4 * 32, packed[i][0]);
				load16(block + 32 + item % 4 * 32, packed[i][1]);
				load16(block, head[i]);
			}
#pragma unroll
		for (unsigned i = 0; i < PAIRS_DEPTH; i++)
			if (item + i * WARP < items)
				for (unsigned r = 0; r < 2; r++) {
					const unsigned block = (item + i * WARP) * 2 + r;
					float scale, minimum;
					int dot = 0;

					for (unsigned side = 0; side < 2; side++) {
						uint32_t words[4];

						for (unsigned j = 0; j < 4; j++)
							words[j] = packed[i][side][j] >> (4 * r) & 0x0f0f0f0fu;
						dot += dot16(words, in->quants + (size_t)block * 32 + side * 16);
					}
					k_scale(head[i] + 1, item % 4 * 2 + r, &scale, &minimum);
					sum += join_block(in, block, half_at((uint16_t)head[i][0]) * scale,
					                  half_at((uint16_t)(head[i][0] >> 16)) * minimum, dot);
				}
	}
	return sum;
}

/* Four lanes a block of 256: each has sixteen columns of every quarter of its half. */
__device__ static inline float
dot_six_k(const struct planes *matrix, size_t row, const struct rounded *in, unsigned lane)
{
	const unsigned items = matrix->columns / 64, half = lane % 4 / 2, side = lane % 2;
	const size_t first = row * (matrix->columns / 256);
	float sum = 0;

	for (unsigned item = lane; item < items; item += PAIRS_DEPTH * WARP) {
		uint32_t low[PAIRS_DEPTH][2][4], high[PAIRS_DEPTH][4], steps[PAIRS_DEPTH][2];
		uint16_t d[PAIRS_DEPTH];

#pragma unroll
		for (unsigned i = 0; i < PAIRS_DEPTH; i++)
			if (item + i * WARP < items) {
				const size_t index = first + (item + i * WARP) / 4;
				const uint8_t *block = matrix->quants + index * 208;

				load16(block + 64 * half + 16 * side, low[i][0]);
				load16(block + 64 * half + 32 + 16 * side, low[i][1]);
				load16(block + 128 + 32 * half + 16 * side, high[i]);
				steps[i][0] = ((const uint32_t *)(const void *)(block + 192 + 8 * half))[0];
				steps[i][1] = ((const uint32_t *)(const void *)(block + 192 + 8 * half))[1];
				d[i] = matrix->scales[index];
			}
#pragma unroll
		for (unsigned i = 0; i < PAIRS_DEPTH; i++)
			if (item + i * WARP < items)
#pragma unroll
				for (unsigned quarter = 0; quarter < 4; quarter++) {
					const unsigned at = (item + i * WARP) / 4 * 256 + 128 * half + 32 * quarter + 16 * side;
					const unsigned place = 2 * quarter + side;
					const float step =
					    half_at(d[i]) * (float)(int8_t)(steps[i][quarter / 2] >> (place % 4 * 8));
					uint32_t words[4];

					for (unsigned j = 0; j < 4; j++)
						words[j] = (low[i][quarter % 2][j] >> (4 * (quarter / 2)) & 0x0f0f0f0fu) |
						           (high[i][j] >> (2 * quarter) & 0x03030303u) << 4;
					sum += in->scales[at / 32] * step *
					       (float)(dot16(words, in->quants + at) - 32 * in->sums[at / 16]);
				}
	}
	return sum;
}

/* Types that are met less often. */
__device__ static inline float
dot_runs(const struct planes *matrix, size_t row, const struct rounded *in, unsigned lane)
{
	float sum = 0;

	for (unsigned item = lane; item < matrix->columns / 32; item += WARP) {
		struct runs runs;

		load_runs(matrix, row, item, &runs);
		for (unsigned r = 0; r < 2; r++) {
			const unsigned at = runs.column[r];

			sum += in->scales[at / 32] * (runs.step[r] * (float)dot16(runs.quants[r], in->quants + at) -
			                              runs.base[r] * (float)in->sums[at / 16]);
		}
	}
	return sum;
}

/* A row by the activations of one token; every lane gets it. */
__device__ static inline float
multiply_row(const struct planes *matrix, size_t row, const struct forms *in)
{
	const unsigned lane = threadIdx.x % WARP, columns = matrix->columns;
	float sum;

	switch (matrix->type) {
	case QUANT_F32:
		sum = dot_thirty_twos((const float *)(const void *)matrix->quants + row * columns, in->values, columns,
		                      lane);
		break;
	case QUANT_F16:
	case QUANT_BF16:
		sum = dot_sixteens((const uint16_t *)(const void *)matrix->quants + row * columns,
		                   matrix->type == QUANT_BF16, in->values, columns, lane);
		break;
	case QUANT_Q8_0:
		sum = dot_bytes(matrix, row, &in->rounded, lane);
		break;
	case QUANT_Q4_K:
		sum = dot_four_k(matrix, row, &in->rounded, lane);
		break;
	case QUANT_Q6_K:
		sum = dot_six_k(matrix, row, &in->rounded, lane);
		break;
	default:
		sum = dot_runs(matrix, row, &in->rounded, lane);
		break;
	}
	return warp_sum(sum);
}

/* One token by all matrices of a bundle. A warp a row. */
__global__ static void __launch_bounds__(PRODUCT_THREADS, 4)
multiply_one(const __grid_constant__ struct bundle bundle, const __grid_constant__ struct forms in, float *out)
{
	const size_t at = (size_t)blockIdx.x * PRODUCT_ROWS + threadIdx.x / WARP;
	size_t row = at;
	unsigned part = 0;
	float value;

	if (at < bundle.rows) {
		while (row >= bundle.parts[part].rows)
			row -= bundle.parts[part++].rows;
		prefetch_weights(bundle.parts[part].quants + row * row_bytes(&bundle.parts[part]),
		                 row_bytes(&bundle.parts[part]));
	}
	begin();
	if (at >= bundle.rows)
		return;
	value = multiply_row(&bundle.parts[part], row, &in);
	if (threadIdx.x % WARP == 0)
		out[at] = value;
}

/* ---- a few tokens --------------------------------------------------------------------------------------------------- */

/* out[token * stride + row] for `tokens` (at most TOKENS_MOST) tokens. A warp a row, which is read once for all. */
__global__ static void
multiply_quantised(struct planes matrix, struct rounded in, unsigned tokens, float *out, size_t stride)
{
	const size_t row = (size_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
	const unsigned lane = threadIdx.x % WARP, columns = matrix.columns, items = columns / 32;
	float sums[TOKENS_MOST];

	begin();
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

/* ---- many ----------------------------------------------------------------------------------------------------------- */

/* Weights as halves, for products of many tokens by tensor cores. Grid: items of all rows. */
__global__ static void
unpack_halves(struct planes matrix, uint16_t *out)
{
	const size_t items = matrix.columns / 32, index = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	const size_t row = index / items;
	struct runs runs;

	begin();
	if (row >= matrix.rows)
		return;
	load_runs(&matrix, row, (unsigned)(index % items), &runs);
	for (unsigned r = 0; r < 2; r++) {
		uint32_t words[8];
		uint4 *to = (uint4 *)(void *)(out + row * matrix.columns + runs.column[r]);

#pragma unroll
		for (unsigned i = 0; i < 16; i += 2) {
			uint32_t halves[2];

			for (unsigned j = 0; j < 2; j++) {
				uint32_t byte = runs.quants[r][i / 4] >> ((i + j) % 4 * 8) & 255u;
				float quant = matrix.type == QUANT_Q8_0 ? (float)(int8_t)byte : (float)byte;

				halves[j] = __half_as_ushort(__float2half_rn(runs.step[r] * quant - runs.base[r]));
			}
			words[i / 2] = halves[0] | halves[1] << 16;
		}
		to[0] = {words[0], words[1], words[2], words[3]};
		to[1] = {words[4], words[5], words[6], words[7]};
	}
}

/* ---- where a step begins -------------------------------------------------------------------------------------------- */

/* What the device must know of a row of the step. */
struct device_row {
	uint32_t token, position;
	uint32_t table; /* where its sequence's page numbers begin */
};

/* The tokens' embeddings, and cosine and sine of their positions. A block a row. */
__global__ static void
begin_rows(const struct device_row *rows, struct planes embedding, float scale, float *x, const double *frequencies,
           unsigned pairs, float magnitude, float *turns)
{
	const unsigned columns = embedding.columns;
	uint32_t token, position;
	float *to;

	begin();
	token = rows[blockIdx.x].token;
	position = rows[blockIdx.x].position;
	to = x + (size_t)blockIdx.x * columns;
	if (embedding.type == QUANT_F32 || embedding.type == QUANT_F16 || embedding.type == QUANT_BF16) {
		for (unsigned i = threadIdx.x; i < columns; i += blockDim.x) {
			size_t at = (size_t)token * columns + i;
			const uint16_t *sixteen = (const uint16_t *)(const void *)embedding.quants;

			to[i] = scale * (embedding.type == QUANT_F32 ? ((const float *)(const void *)embedding.quants)[at]
			                 : embedding.type == QUANT_F16 ? half_at(sixteen[at])
			                                               : brain_at(sixteen[at]));
		}
	} else {
		for (unsigned item = threadIdx.x; item < columns / 32; item += blockDim.x) {
			struct runs runs;

			load_runs(&embedding, token, item, &runs);
			for (unsigned i = 0; i < 32; i++) {
				const unsigned r = i / 16;
				uint32_t byte = runs.quants[r][i % 16 / 4] >> (i % 4 * 8) & 255u;
				float quant = embedding.type == QUANT_Q8_0 ? (float)(int8_t)byte : (float)byte;

				to[runs.column[r] + i % 16] = scale * (runs.step[r] * quant - runs.base[r]);
			}
		}
	}
	for (unsigned i = threadIdx.x; i < pairs; i += blockDim.x) {
		double angle = position * frequencies[i];
		float *turn = turns + ((size_t)blockIdx.x * pairs + i) * 2;

		turn[0] = (float)cos(angle) * magnitude;
		turn[1] = (float)sin(angle) * magnitude;
	}
}

#endif
