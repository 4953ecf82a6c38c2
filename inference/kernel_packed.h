/*
 * kernel_packed -- multiplication with quantised weights in packed form; goes with kernel_body.h.
 *
 * Sixteen rows lie interleaved (pack.c), so that one 64-byte vector holds four columns of each, a 32-bit lane is a
 * row, and no sum ever crosses lanes.
 */
#include "inference/pack.h"

#define SLICES (KERNEL_GROUP / LANES) /* of a group */

/* Columns 4k ... 4k + 3 of a block of 32, as unsigned bytes, of LANES rows. */
INLINE void
unpack(uint32_t type, const uint8_t *block, const size_t k, vb *out)
{
	vb v;

	if (type == QUANT_Q8_0) {
		*out = LOAD(vb, block + 64 * k);
		return;
	}
	v = LOAD(vb, block + 64 * (k % 4));
	if (k >= 4)
		v = (vb)((vw)v >> 4);
	v &= 15;
	if (type == QUANT_Q5_K) {
		vw high = LOAD(vw, block + 256);

		high = k <= 4 ? high << (4 - k) : high >> (k - 4);
		v |= (vb)high & 16;
	} else if (type == QUANT_Q6_K) {
		vw high = LOAD(vw, block + 256 + 64 * (k / 4));

		high = k % 4 <= 2 ? high << (4 - 2 * (k % 4)) : high >> 2;
		v |= (vb)high & 48;
	}
	*out = v;
}

/* Weights in blocks of 256, of which 32 (or 16) have a scale that is a whole number. */
INLINE bool
is_k(uint32_t type)
{
	return type == QUANT_Q4_K || type == QUANT_Q5_K || type == QUANT_Q6_K;
}

/* What 256 columns of K-quants have beside the scales of 32 or 16, of LANES rows. */
struct packed_scales {
	vf scale, minimum;
	vi pairs[8]; /* minima of two blocks, or scales of a block's halves, as words */
};

/* Of the rows from `row` of a group. */
INLINE void
packed_scales(uint32_t type, const uint8_t *from, size_t row, struct packed_scales *out)
{
	from += 2 * row;
	load_halves(from, &out->scale);
	if (type == QUANT_Q6_K) {
		UNROLL
		for (size_t i = 0; i < 8; i++)
			widen_pairs(from + 32 + 32 * i, true, &out->pairs[i]);
		return;
	}
	load_halves(from + 32, &out->minimum);
	UNROLL
	for (size_t i = 0; i < 4; i++)
		widen_pairs(from + 192 + 32 * i, false, &out->pairs[i]);
}

/*
 * Add the products of 256 columns of K-quants, which are whole numbers, to the sums of all before: with a token whose
 * blocks begin at `at`, `pair` from two of them to the next two. What Q6_K keeps 32 too large is taken back if `large`.
 */
INLINE void
add_whole(uint32_t type, const struct packed_scales *scales, const struct activations *in, size_t at,
          size_t pair, bool large, vi *products, vf *sums)
{
	const float activation = in->scales[at];
	vi least = {0};

	if (type != QUANT_Q6_K) {
		UNROLL
		for (size_t i = 0; i < 4; i++)
			dot_pairs(&least, &scales->pairs[i], LOAD(int, in->sums32 + at + i * pair));
	} else if (large) {
		UNROLL
		for (size_t i = 0; i < 8; i++)
			dot_pairs(&least, &scales->pairs[i],
			          LOAD(int, in->sums16 + (at + i / 2 * pair + i % 2) * 2));
		*products -= least << 5;
	}
	*sums += __builtin_convertvector(*products, vf) * (scales->scale * activation);
	if (type != QUANT_Q6_K)
		*sums -= __builtin_convertvector(least, vf) * (scales->minimum * activation);
}

/* G slices of LANES rows by T tokens of one strip. All sums within 256 columns are whole numbers for K-quants. */
INLINE void
packed_tile(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t slice,
            size_t token, float *out, size_t stride, const size_t G, const size_t T)
{
	const size_t columns = matrix->columns, blocks = columns / 32;
	const size_t block_size = pack_block_size(type), super = pack_super(type);
	const size_t scales_size = pack_scales_size(type), group_size = pack_group_size(type, columns);
	/* Of blocks: the first one, from two columns of 32 to the next two, from token to token. */
	const size_t start = activations_at(in, token, 0), pair = in->strips ? 2 * KERNEL_STRIP : 2;
	const size_t next = in->strips ? 2 : (columns + 63) / 64 * 2;
	const uint8_t *weights[2], *scales[2];
	size_t row[2]; /* of its group */
	vi whole[2][4];
	vf sums[2][4];

	UNROLL
	for (size_t g = 0; g < G; g++) {
		const uint8_t *group = matrix->packed + (slice + g) / SLICES * group_size;

		row[g] = (slice + g) % SLICES * LANES;
		weights[g] = group + 4 * row[g];
		scales[g] = group + blocks * block_size;
		UNROLL
		for (size_t t = 0; t < T; t++) {
			sums[g][t] = (vf){0};
			whole[g][t] = (vi){0};
		}
	}
	for (size_t b = 0; b < blocks; b++) {
		const size_t j = b % super, at = start + b / 2 * pair + b % 2;
		vi lanes[2][4];

		UNROLL
		for (size_t k = 0; k < 8; k++) {
			vb w[2];

			if (k == 0 || (k == 4 && type == QUANT_Q6_K)) {
				UNROLL
				for (size_t t = 0; t < T; t++) {
					vi begin = {0};

					if (type == QUANT_Q8_0 && U8_BIAS)
						begin = (begin + in->minus32[at + t * next]) << 7;
					else if (type == QUANT_Q4_0)
						begin = (begin + in->minus32[at + t * next]) << 3;
					UNROLL
					for (size_t g = 0; g < G; g++)
						lanes[g][t] = begin;
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
				int32_t four = LOAD(int, in->quants + (at + t * next) * 32 + 4 * k);

				UNROLL
				for (size_t g = 0; g < G; g++) {
					if (type == QUANT_Q8_0)
						dot_u8(&lanes[g][t], &w[g], four);
					else
						dot_u7(&lanes[g][t], &w[g], four);
				}
			}
			if (k != 7 && !(k == 3 && type == QUANT_Q6_K))
				continue;
			UNROLL
			for (size_t g = 0; g < G; g++) {
				const uint8_t *from = scales[g] + b / super * scales_size;
				vi factor;
				vf scale;

				if (type == QUANT_Q6_K) {
					widen_pairs(from + 32 + 32 * j + 2 * row[g], true, &factor);
					factor = k == 3 ? factor << 16 >> 16 : factor >> 16;
				} else if (is_k(type)) {
					widen_bytes(from + 64 + 16 * j + row[g], &factor);
				} else {
					load_halves(from + 2 * row[g], &scale);
				}
				UNROLL
				for (size_t t = 0; t < T; t++)
					if (is_k(type))
						whole[g][t] += lanes[g][t] * factor;
					else
						sums[g][t] += __builtin_convertvector(lanes[g][t], vf) *
						              (scale * in->scales[at + t * next]);
			}
		}
		if (!is_k(type) || j != 7)
			continue;
		UNROLL
		for (size_t g = 0; g < G; g++) {
			struct packed_scales of;

			packed_scales(type, scales[g] + b / super * scales_size, row[g], &of);
			UNROLL
			for (size_t t = 0; t < T; t++) {
				add_whole(type, &of, in, at - 1 - 3 * pair + t * next, pair, true,
				          &whole[g][t], &sums[g][t]);
				whole[g][t] = (vi){0};
			}
		}
	}
	UNROLL
	for (size_t g = 0; g < G; g++) {
		const size_t first = (slice + g) * LANES,
		             left = first < matrix->rows ? matrix->rows - first : 0;
		const size_t rows = left < LANES ? left : LANES;

		UNROLL
		for (size_t t = 0; t < T; t++)
			memcpy(out + (token + t) * stride + first, &sums[g][t], rows * sizeof *out);
	}
}

/* All tokens from `token`, which begins a strip's four, on. */
INLINE void
packed_slices(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t slice,
              size_t token, float *out, size_t stride, const size_t G)
{
	for (; PACKED_TOKENS >= 4 && token + 4 <= in->count; token += 4)
		packed_tile(type, matrix, in, slice, token, out, stride, G, 4);
	for (; token + 2 <= in->count; token += 2)
		packed_tile(type, matrix, in, slice, token, out, stride, G, 2);
	for (; token < in->count; token++)
		packed_tile(type, matrix, in, slice, token, out, stride, G, 1);
}

INLINE void
packed_multiply(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t first,
                size_t last, float *out, size_t stride)
{
	size_t slice = first * SLICES;

	for (; slice + 2 <= last * SLICES; slice += 2)
		packed_slices(type, matrix, in, slice, 0, out, stride, 2);
	for (; slice < last * SLICES; slice++)
		packed_slices(type, matrix, in, slice, 0, out, stride, 1);
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
