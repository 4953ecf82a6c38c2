/*
 * kernel_packed -- multiplication with quantised weights in packed form; goes with kernel_body.h.
 *
 * Sixteen rows lie interleaved (pack.c), so that one 64-byte vector holds four columns of each, a 32-bit lane is a
 * row, and no sum ever crosses lanes.
 */
#include "inference/pack.h"

/* Columns 4k ... 4k + 3 of a block of 32, as unsigned bytes. */
INLINE void
unpack(uint32_t type, const uint8_t *block, const size_t k, v64u *out)
{
	v64u v;

	if (type == QUANT_Q8_0) {
		*out = LOAD(v64u, block + 64 * k);
		return;
	}
	v = LOAD(v64u, block + 64 * (k % 4));
	if (k >= 4)
		v = (v64u)((v32u)v >> 4);
	v &= 15;
	if (type == QUANT_Q5_K) {
		v32u high = LOAD(v32u, block + 256);

		high = k <= 4 ? high << (4 - k) : high >> (k - 4);
		v |= (v64u)high & 16;
	} else if (type == QUANT_Q6_K) {
		v32u high = LOAD(v32u, block + 256 + 64 * (k / 4));

		high = k % 4 <= 2 ? high << (4 - 2 * (k % 4)) : high >> 2;
		v |= (v64u)high & 48;
	}
	*out = v;
}

/* G groups of 16 rows by T tokens. */
INLINE void
packed_tile(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t group,
            size_t token, float *out, size_t stride, const size_t G, const size_t T)
{
	const size_t columns = matrix->columns, blocks = columns / 32;
	const size_t block_size = pack_block_size(type), super = pack_super(type);
	const size_t scales_size = pack_scales_size(type), group_size = pack_group_size(type, columns);
	const uint8_t *weights[2], *scales[2];
	const int8_t *x[6];
	v16 sums[2][6];

	UNROLL
	for (size_t g = 0; g < G; g++) {
		weights[g] = matrix->packed + (group + g) * group_size;
		scales[g] = weights[g] + blocks * block_size;
		UNROLL
		for (size_t t = 0; t < T; t++)
			sums[g][t] = (v16){0};
	}
	UNROLL
	for (size_t t = 0; t < T; t++)
		x[t] = in->quants + (token + t) * columns;
	for (size_t b = 0; b < blocks; b++) {
		const size_t j = b % super;
		v16i lanes[2][6];

		UNROLL
		for (size_t k = 0; k < 8; k++) {
			v64u w[2];

			if (k == 0 || (k == 4 && type == QUANT_Q6_K)) {
				UNROLL
				for (size_t t = 0; t < T; t++) {
					v16i start = {0};

					if (type == QUANT_Q8_0 && U8_BIAS)
						start = (start + in->minus32[(token + t) * blocks + b]) << 7;
					else if (type == QUANT_Q4_0)
						start = (start + in->minus32[(token + t) * blocks + b]) << 3;
					else if (type == QUANT_Q6_K)
						start = (start +
						         in->minus16[((token + t) * blocks + b) * 2 + k / 4])
						        << 5;
					UNROLL
					for (size_t g = 0; g < G; g++)
						lanes[g][t] = start;
				}
			}
			UNROLL
			for (size_t g = 0; g < G; g++) {
				unpack(type, weights[g] + b * block_size, k, &w[g]);
				if (T == 1 && k * 64 < block_size)
					__builtin_prefetch(weights[g] + b * block_size + k * 64 + PREFETCH);
			}
			UNROLL
			for (size_t t = 0; t < T; t++) {
				int32_t four = LOAD(int, x[t] + b * 32 + 4 * k);

				UNROLL
				for (size_t g = 0; g < G; g++) {
					if (type == QUANT_Q8_0)
						dot_u8(&lanes[g][t], &w[g], four);
					else
						dot_u7(&lanes[g][t], &w[g], four);
				}
			}
			if (k == 7 || (k == 3 && type == QUANT_Q6_K)) {
				UNROLL
				for (size_t g = 0; g < G; g++) {
					const uint8_t *at = scales[g] + b / super * scales_size;
					v16 scale, minimum = {0};

					load_half16(at, &scale);
					if (type == QUANT_Q4_K || type == QUANT_Q5_K) {
						load_half16(at + 32, &minimum);
						multiply_bytes(at + 192 + 16 * j, false, &minimum);
						multiply_bytes(at + 64 + 16 * j, false, &scale);
					} else if (type == QUANT_Q6_K) {
						multiply_bytes(at + 32 + 16 * (2 * j + k / 4), true, &scale);
					}
					UNROLL
					for (size_t t = 0; t < T; t++) {
						v16 step = scale * in->scales[(token + t) * blocks + b];

						sums[g][t] +=
						    __builtin_convertvector(lanes[g][t], v16) * step;
						if (type == QUANT_Q4_K || type == QUANT_Q5_K)
							sums[g][t] +=
							    minimum * in->offsets[(token + t) * blocks + b];
					}
				}
			}
		}
	}
	UNROLL
	for (size_t g = 0; g < G; g++) {
		const size_t row = (group + g) * KERNEL_GROUP;
		const size_t rows = matrix->rows - row < KERNEL_GROUP ? matrix->rows - row : KERNEL_GROUP;

		UNROLL
		for (size_t t = 0; t < T; t++)
			memcpy(out + (token + t) * stride + row, &sums[g][t], rows * sizeof *out);
	}
}

INLINE void
packed_groups(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t group,
              float *out, size_t stride, const size_t G)
{
	size_t token = 0;

	for (; PACKED_TOKENS >= 6 && token + 6 <= in->count; token += 6)
		packed_tile(type, matrix, in, group, token, out, stride, G, 6);
	for (; PACKED_TOKENS >= 4 && token + 4 <= in->count; token += 4)
		packed_tile(type, matrix, in, group, token, out, stride, G, 4);
	for (; token + 2 <= in->count; token += 2)
		packed_tile(type, matrix, in, group, token, out, stride, G, 2);
	for (; token < in->count; token++)
		packed_tile(type, matrix, in, group, token, out, stride, G, 1);
}

INLINE void
packed_multiply(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t first,
                size_t last, float *out, size_t stride)
{
	size_t group = first;

	for (; PACKED_GROUPS >= 2 && group + 2 <= last; group += 2)
		packed_groups(type, matrix, in, group, out, stride, 2);
	for (; group < last; group++)
		packed_groups(type, matrix, in, group, out, stride, 1);
}

static TARGET void
KERNEL(multiply)(const struct matrix *matrix, const struct activations *in, size_t first, size_t last,
                 float *out, size_t stride)
{
	switch (matrix->type) {
	case QUANT_F32:
		float_multiply(QUANT_F32, matrix, in, first, last, out, stride);
		break;
	case QUANT_F16:
		float_multiply(QUANT_F16, matrix, in, first, last, out, stride);
		break;
	case QUANT_BF16:
		float_multiply(QUANT_BF16, matrix, in, first, last, out, stride);
		break;
	case QUANT_Q8_0:
	case QUANT_Q5_0: /* packed as if it were Q8_0 */
		packed_multiply(QUANT_Q8_0, matrix, in, first, last, out, stride);
		break;
	case QUANT_Q4_0:
		packed_multiply(QUANT_Q4_0, matrix, in, first, last, out, stride);
		break;
	case QUANT_Q4_K:
		packed_multiply(QUANT_Q4_K, matrix, in, first, last, out, stride);
		break;
	case QUANT_Q5_K:
		packed_multiply(QUANT_Q5_K, matrix, in, first, last, out, stride);
		break;
	default:
		packed_multiply(QUANT_Q6_K, matrix, in, first, last, out, stride);
	}
}
