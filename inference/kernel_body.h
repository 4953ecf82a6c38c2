/*
 * kernel_body -- the kernels once, in vectors of LANES lanes, for every instruction set that includes this file.
 *
 * The includer defines KERNEL(name), TARGET (a function attribute or nothing), LANES (16, or 8), TILE_ROWS and
 * TILE_TOKENS (how many sums fit its registers), load_halves(from, out), store_halves(to, value), round_lanes(value, out) (to the nearest whole
 * number, even ones of two), and for packed weights also widen_bytes, widen_pairs, dot_pairs, dot_u7 and dot_u8:
 * per 32-bit lane, acc + the dot product of four unsigned bytes w (below 128; any) with four signed bytes x.
 * dot_u8 takes bytes offset by 128, and U8_BIAS says whether the sum must begin at minus 128 times the sum of x.
 */
#include <math.h>
#include <string.h>

#include "inference/kernel.h"
#include "inference/quant.h"

#define FLOAT_COLUMNS                                                                                        \
	1024 /* that are summed before the sixteen lanes are: a few tokens' stay in the first cache */
#define FLOAT_STRIP    64 /* rows: their columns stay in the second */
#define FLOAT_PREFETCH 4096

INLINE void
exponential(vf *x)
{
	const float rounder = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
	vf n, r, p;
	vi whole;

	r = *x;
	r = SELECT(r < -87.0f, (vf){0} - 87.0f, r);
	r = SELECT(r > 88.0f, (vf){0} + 88.0f, r);
	n = (r * 1.44269504088896341f + rounder) - rounder;
	r = r - n * 0.693359375f;
	r = r - n * -2.12194440e-4f;
	p = r * 1.9875691500e-4f + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * (r * r) + r + 1.0f;
	whole = (__builtin_convertvector(n, vi) + 127) << 23;
	*x = p * (vf)whole;
}

/* The sum of all lanes: halves are added to one another, down to one. */
INLINE float
sum_lanes(const vf *x)
{
#if LANES == 16
	v8 eight = __builtin_shufflevector(*x, *x, 0, 1, 2, 3, 4, 5, 6, 7) +
	           __builtin_shufflevector(*x, *x, 8, 9, 10, 11, 12, 13, 14, 15);
#else
	v8 eight = *x;
#endif
	v4 four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
	          __builtin_shufflevector(eight, eight, 4, 5, 6, 7);

	four += __builtin_shufflevector(four, four, 2, 3, 2, 3);
	return four[0] + four[1];
}

INLINE int32_t
sum_whole(const vi *x)
{
#if LANES == 16
	v8i eight = __builtin_shufflevector(*x, *x, 0, 1, 2, 3, 4, 5, 6, 7) +
	            __builtin_shufflevector(*x, *x, 8, 9, 10, 11, 12, 13, 14, 15);
#else
	v8i eight = *x;
#endif
	v4i four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
	           __builtin_shufflevector(eight, eight, 4, 5, 6, 7);

	four += __builtin_shufflevector(four, four, 2, 3, 2, 3);
	return four[0] + four[1];
}

/* Of lanes that are not below zero, whose bits are ordered as they are. */
INLINE float
most_of_lanes(const vf *x)
{
	vi bits = (vi)*x;
#if LANES == 16
	v8i low = __builtin_shufflevector(bits, bits, 0, 1, 2, 3, 4, 5, 6, 7);
	v8i high = __builtin_shufflevector(bits, bits, 8, 9, 10, 11, 12, 13, 14, 15);
	v8i eight = ((low > high) & low) | (~(low > high) & high);
#else
	v8i eight = bits;
#endif
	v4i left = __builtin_shufflevector(eight, eight, 0, 1, 2, 3);
	v4i right = __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
	v4i four = ((left > right) & left) | (~(left > right) & right);
	float most;
	int32_t top = four[0];

	for (unsigned i = 1; i < 4; i++)
		top = four[i] > top ? four[i] : top;
	memcpy(&most, &top, sizeof most);
	return most;
}

static TARGET void
KERNEL(rms_norm)(float *out, const float *in, const float *weight, size_t size, float epsilon)
{
	vf sums = {0};
	float sum, factor;
	size_t i;

	for (i = 0; i + LANES <= size; i += LANES) {
		vf x = LOAD(vf, in + i);

		sums += x * x;
	}
	sum = sum_lanes(&sums);
	for (; i < size; i++)
		sum += in[i] * in[i];
	factor = 1.0f / sqrtf(sum / (float)size + epsilon);
	for (i = 0; i < size; i++)
		out[i] = in[i] * factor * weight[i];
}

/*
 * To the eleven bits of a half, nearest even; what is too small or too large for one keeps its own exponent. So files
 * keep the scale of a block of eight-bit values, and so do other engines when they round activations: with the same
 * scale the next layer's values round alike, and engines differ far less than each does from exact arithmetic.
 */
INLINE float
as_half(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	if (bits < 0x38800000u)
		return value;
	bits = (bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* `together` blocks of 32 from block `first` of a token, to one scale. */
INLINE void
quantise_blocks(const struct activations *in, size_t token, size_t first, const size_t together)
{
	const float *values = in->values + token * in->columns + first * 32;
	vf top = {0};
	float most, scale, inverse;

	for (size_t i = 0; i < together * 32; i += LANES) {
		vf x = LOAD(vf, values + i);

		x = SELECT(x < 0, -x, x);
		top = SELECT(top > x, top, x);
	}
	most = most_of_lanes(&top);
	inverse = most > 0 && most < 3.0e38f ? 127.0f / most : 0.0f;
	if (together == 1)
		scale = as_half(most / 127.0f);
	else
		scale = inverse > 0 ? 1.0f / inverse : 0.0f;
	for (size_t b = 0; b < together; b++) {
		const size_t at = activations_at(in, token, first + b);
		int32_t sum[2] = {0, 0};

		for (unsigned i = 0; i < 32; i += LANES) {
			vf x = LOAD(vf, values + b * 32 + i) * inverse;
			vi whole;
			vq bytes;

			round_lanes(&x, &whole);
			bytes = __builtin_convertvector(whole, vq);
			memcpy(in->quants + at * 32 + i, &bytes, sizeof bytes);
			sum[i / 16] += sum_whole(&whole);
		}
		in->scales[at] = scale;
		in->minus32[at] = -(sum[0] + sum[1]);
		in->sums32[at] = (int16_t)(sum[0] + sum[1]);
		in->sums16[at * 2] = (int16_t)sum[0];
		in->sums16[at * 2 + 1] = (int16_t)sum[1];
	}
}

static TARGET void
KERNEL(quantise)(const struct activations *in, size_t token)
{
	const size_t blocks = in->columns / 32;

	for (size_t b = 0; in->wide && b < blocks; b += 8)
		quantise_blocks(in, token, b, 8);
	for (size_t b = 0; !in->wide && b < blocks; b++)
		quantise_blocks(in, token, b, 1);
}

static TARGET void
KERNEL(silu_multiply)(float *gate, const float *up, size_t size)
{
	size_t i;

	for (i = 0; i + LANES <= size; i += LANES) {
		vf g = LOAD(vf, gate + i), e = -g, result;

		exponential(&e);
		result = g / (e + 1.0f) * LOAD(vf, up + i);
		memcpy(gate + i, &result, sizeof result);
	}
	for (; i < size; i++)
		gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static TARGET void
KERNEL(halve)(uint16_t *out, const float *in, size_t size)
{
	size_t i;

	for (i = 0; i + LANES <= size; i += LANES) {
		vf x = LOAD(vf, in + i);

		store_halves(out + i, &x);
	}
	for (; i < size; i++)
		out[i] = float_to_half(in[i]);
}

/* Weights of a float type as numbers. */
INLINE void
load_weights(uint32_t type, const uint8_t *from, vf *out)
{
	if (type == QUANT_F32) {
		memcpy(out, from, sizeof *out);
	} else if (type == QUANT_F16) {
		load_halves(from, out);
	} else {
		vh half = LOAD(vh, from);
		vi wide = __builtin_convertvector(half, vi) << 16;

		*out = (vf)wide;
	}
}

/*
 * R rows by T tokens of a matrix of floats, kept row by row: columns [from, to), added to what is there unless from
 * is 0. LANES partial sums for each row and token, whatever R and T.
 */
INLINE void
float_tile(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t row, size_t token,
           size_t from, size_t to, float *out, size_t stride, const size_t R, const size_t T)
{
	const size_t unit = type == QUANT_F32 ? 4 : 2;
	const size_t columns = matrix->columns, whole = from + (to - from) / LANES * LANES;
	const uint8_t *weights[8];
	const float *x[8];
	vf sums[8][8];

	UNROLL
	for (size_t r = 0; r < R; r++) {
		size_t at = row + r < matrix->rows ? row + r : matrix->rows - 1;

		weights[r] = matrix->data + at * matrix->row_size;
		UNROLL
		for (size_t t = 0; t < T; t++)
			sums[r][t] = (vf){0};
	}
	UNROLL
	for (size_t t = 0; t < T; t++)
		x[t] = in->values + (token + t) * columns;
	for (size_t i = from; i < whole; i += LANES) {
		vf w[8];

		UNROLL
		for (size_t r = 0; r < R; r++)
			load_weights(type, weights[r] + i * unit, &w[r]);
		UNROLL
		for (size_t t = 0; t < T; t++) {
			vf values = LOAD(vf, x[t] + i);

			UNROLL
			for (size_t r = 0; r < R; r++)
				sums[r][t] += w[r] * values;
		}
	}
	UNROLL
	for (size_t r = 0; r < R; r++) {
		if (row + r >= matrix->rows)
			break;
		UNROLL
		for (size_t t = 0; t < T; t++) {
			float *at = out + (token + t) * stride + row + r;
			float sum = sum_lanes(&sums[r][t]);

			for (size_t i = whole; i < to; i++) {
				float w;

				quant_row(type, weights[r] + i * unit, &w, 1);
				sum += w * x[t][i];
			}
			*at = from > 0 ? *at + sum : sum;
		}
	}
}

/* Two neighbouring rows by one token, with the additions of float_tile(); `second` may be the first again. */
INLINE void
float_pair(uint32_t type, const struct matrix *matrix, const float *x, size_t row, size_t second, float *out)
{
	const size_t unit = type == QUANT_F32 ? 4 : 2, columns = matrix->columns;
	const uint8_t *a = matrix->data + row * matrix->row_size;
	const uint8_t *b = matrix->data + second * matrix->row_size;
	float totals[2] = {0, 0};

	for (size_t from = 0; from < columns; from += FLOAT_COLUMNS) {
		const size_t to = from + FLOAT_COLUMNS < columns ? from + FLOAT_COLUMNS : columns;
		vf sums_a = {0}, sums_b = {0}, w, values;
		float sum_a, sum_b, one;
		size_t i = from;

		for (; i + 64 / unit <= to; i += 64 / unit) {
			__builtin_prefetch(a + i * unit + FLOAT_PREFETCH);
			__builtin_prefetch(b + i * unit + FLOAT_PREFETCH);
			UNROLL
			for (size_t j = 0; j < 64 / unit; j += LANES) {
				values = LOAD(vf, x + i + j);
				load_weights(type, a + (i + j) * unit, &w);
				sums_a += w * values;
				load_weights(type, b + (i + j) * unit, &w);
				sums_b += w * values;
			}
		}
		for (; i + LANES <= to; i += LANES) {
			values = LOAD(vf, x + i);
			load_weights(type, a + i * unit, &w);
			sums_a += w * values;
			load_weights(type, b + i * unit, &w);
			sums_b += w * values;
		}
		sum_a = sum_lanes(&sums_a);
		sum_b = sum_lanes(&sums_b);
		for (; i < to; i++) {
			quant_row(type, a + i * unit, &one, 1);
			sum_a += one * x[i];
			quant_row(type, b + i * unit, &one, 1);
			sum_b += one * x[i];
		}
		totals[0] = from > 0 ? totals[0] + sum_a : sum_a;
		totals[1] = from > 0 ? totals[1] + sum_b : sum_b;
	}
	out[row] = totals[0];
	out[second] = totals[1];
}

/* All rows by T tokens: the tokens' columns stay in the first cache while the rows pass by. */
INLINE void
float_rows(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t first,
           size_t last, size_t token, size_t from, size_t to, float *out, size_t stride, const size_t R,
           const size_t T)
{
	for (size_t row = first; row < last; row += R)
		float_tile(type, matrix, in, row, token, from, to, out, stride, R, T);
}

/*
 * Columns in pieces of FLOAT_COLUMNS, whose sums are added up in order; of each piece, rows in strips that the second
 * cache holds. One token alone reads the matrix once, in the order in which it lies.
 */
INLINE void
float_multiply(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t first,
               size_t last, float *out, size_t stride)
{
	const size_t end = last * KERNEL_GROUP < matrix->rows ? last * KERNEL_GROUP : matrix->rows;
	const size_t columns = matrix->columns;

	for (size_t row = first * KERNEL_GROUP; in->count == 1 && row < end; row += 2)
		float_pair(type, matrix, in->values, row, row + 1 < end ? row + 1 : row, out);
	if (in->count == 1)
		return;
	for (size_t row = first * KERNEL_GROUP; row < end; row += FLOAT_STRIP)
		for (size_t from = 0; from < columns; from += FLOAT_COLUMNS) {
			const size_t to = from + FLOAT_COLUMNS < columns ? from + FLOAT_COLUMNS : columns;
			const size_t stop = row + FLOAT_STRIP < end ? row + FLOAT_STRIP : end;
			size_t token = 0;

			for (; TILE_TOKENS >= 6 && token + 6 <= in->count; token += 6)
				float_rows(type, matrix, in, row, stop, token, from, to, out, stride,
				           TILE_ROWS, 6);
			for (; TILE_TOKENS >= 4 && token + 4 <= in->count; token += 4)
				float_rows(type, matrix, in, row, stop, token, from, to, out, stride,
				           TILE_ROWS, 4);
			for (; token + 2 <= in->count; token += 2)
				float_rows(type, matrix, in, row, stop, token, from, to, out, stride,
				           TILE_ROWS, 2);
			for (; token < in->count; token++)
				float_rows(type, matrix, in, row, stop, token, from, to, out, stride,
				           TILE_ROWS, 1);
		}
}

/* ---- attention ------------------------------------------------------------------------------------------------ */

INLINE void
load_cached(bool half, const void *from, size_t index, vf *out)
{
	if (half)
		load_halves((const uint8_t *)from + 2 * index, out);
	else
		memcpy(out, (const float *)from + index, sizeof *out);
}

/* Scores of H heads against the 64 positions of a page: lanes are positions. */
INLINE void
score_page(bool half, const void *keys, uint32_t kv_head, uint32_t size, float scale,
           const float *const *queries, float *scores, size_t scores_size, const size_t H)
{
	for (size_t first = 0; first < CACHE_PAGE; first += 4 * LANES) {
		vf sums[ATTENTION_ROWS][4];

		UNROLL
		for (size_t h = 0; h < H; h++)
			UNROLL
		for (size_t s = 0; s < 4; s++)
			sums[h][s] = (vf){0};
		for (size_t i = 0; i < size; i++) {
			UNROLL
			for (size_t s = 0; s < 4; s++) {
				const uint32_t position = (uint32_t)(first + LANES * s);
				vf k;

				load_cached(half, keys, cache_key_index(kv_head, size, position, (uint32_t)i),
				            &k);
				UNROLL
				for (size_t h = 0; h < H; h++)
					sums[h][s] += k * queries[h][i];
			}
		}
		UNROLL
		for (size_t h = 0; h < H; h++)
			UNROLL
		for (size_t s = 0; s < 4; s++)
			STORE(vf, scores + h * scores_size + first + LANES * s, sums[h][s] * scale);
	}
}

/* Add the weighted values of positions [from, end) to those of H heads: S strips at `at`. Scores begin at `base`. */
INLINE void
gather_values(bool half, const struct attention *a, float *const *outs, size_t at, uint32_t from,
              uint32_t end, uint32_t base, const float *scores, size_t scores_size, const size_t H,
              const size_t S)
{
	vf sums[ATTENTION_ROWS][4];

	if (from >= end)
		return;
	UNROLL
	for (size_t h = 0; h < H; h++)
		UNROLL
	for (size_t s = 0; s < S; s++)
		sums[h][s] = LOAD(vf, outs[h] + at + LANES * s);
	for (uint32_t position = from; position < end; position++) {
		const uint8_t *page =
		    (const uint8_t *)a->values + a->pages[position / CACHE_PAGE] * a->page_bytes;
		size_t index =
		    cache_value_index(a->kv_head, a->head_size, position % CACHE_PAGE, (uint32_t)at);

		UNROLL
		for (size_t s = 0; s < S; s++) {
			vf v;

			load_cached(half, page, index + LANES * s, &v);
			UNROLL
			for (size_t h = 0; h < H; h++)
				sums[h][s] += v * scores[h * scores_size + position - base];
		}
	}
	UNROLL
	for (size_t h = 0; h < H; h++)
		UNROLL
	for (size_t s = 0; s < S; s++)
		STORE(vf, outs[h] + at + LANES * s, sums[h][s]);
}

INLINE float
cached_value(bool half, const void *from, size_t index)
{
	uint16_t bits;
	float value;

	if (half) {
		memcpy(&bits, (const uint8_t *)from + 2 * index, 2);
		return half_to_float(bits);
	}
	memcpy(&value, (const float *)from + index, 4);
	return value;
}

/* One head and eight of its values, which are floats: what is left of small heads. */
INLINE void
gather_eight(const struct attention *a, float *out, size_t at, uint32_t from, uint32_t end, uint32_t base,
             const float *scores)
{
	v8 sums = {0};

	for (uint32_t p = from; p < end; p++) {
		const uint8_t *page = (const uint8_t *)a->values + a->pages[p / CACHE_PAGE] * a->page_bytes;

		sums +=
		    LOAD(v8, (const float *)(const void *)page +
		                 cache_value_index(a->kv_head, a->head_size, p % CACHE_PAGE, (uint32_t)at)) *
		    scores[p - base];
	}
	memcpy(out, &sums, sizeof sums);
}

/* Turn the scores of one head into weights that sum to one; scores of unseen positions become zero. */
INLINE void
soften(float *scores, size_t from, size_t to, size_t whole)
{
	vf sums = {0};
	float most = -INFINITY, sum, inverse;

	for (size_t i = from; i <= to; i++)
		most = scores[i] > most ? scores[i] : most;
	for (size_t i = 0; i < from; i++)
		scores[i] = -INFINITY;
	for (size_t i = to + 1; i < whole; i++)
		scores[i] = -INFINITY;
	for (size_t i = 0; i < whole; i += LANES) {
		vf x = LOAD(vf, scores + i), e = x - most;

		exponential(&e);
		e = SELECT(x == -INFINITY, (vf){0}, e);
		sums += e;
		memcpy(scores + i, &e, sizeof e);
	}
	sum = sum_lanes(&sums);
	inverse = 1.0f / sum;
	for (size_t i = 0; i < whole; i++)
		scores[i] *= inverse;
}

/* What is left of small heads: values from `at`, one by one, of positions [from, end). */
INLINE void
gather_rest(bool half, const struct attention *a, float *out, size_t at, uint32_t from, uint32_t end,
            uint32_t base, const float *scores)
{
	for (; at < a->head_size; at++)
		for (uint32_t p = from; p < end; p++)
			out[at] +=
			    scores[p - base] *
			    cached_value(
			        half, (const uint8_t *)a->values + a->pages[p / CACHE_PAGE] * a->page_bytes,
			        cache_value_index(a->kv_head, a->head_size, p % CACHE_PAGE, (uint32_t)at));
}

/* S strips of H heads: first what only some see, then what all do, and the end again: each in its order. */
INLINE void
gather_strips(bool half, const struct attention *a, float *const *outs, size_t at, const uint32_t *from,
              const uint32_t *end, uint32_t base, const float *scores, size_t scores_size, const size_t H,
              const size_t S)
{
	uint32_t all_from = 0, all_end = UINT32_MAX;

	for (size_t h = 0; h < H; h++) {
		all_from = from[h] > all_from ? from[h] : all_from;
		all_end = end[h] < all_end ? end[h] : all_end;
	}
	if (all_from >= all_end)
		all_from = all_end = UINT32_MAX;
	for (size_t h = 0; h < H; h++)
		gather_values(half, a, outs + h, at, from[h], end[h] < all_from ? end[h] : all_from, base,
		              scores + h * scores_size, scores_size, 1, S);
	gather_values(half, a, outs, at, all_from, all_end, base, scores, scores_size, H, S);
	for (size_t h = 0; h < H; h++)
		gather_values(half, a, outs + h, at, all_end, end[h], base, scores + h * scores_size,
		              scores_size, 1, S);
}

/* H heads, of one token or of several. Each is computed as if it were alone. */
INLINE void
attend_rows(bool half, const struct attention *a, size_t row, const size_t H)
{
	const float *queries[ATTENTION_ROWS];
	float *outs[ATTENTION_ROWS];
	uint32_t from[ATTENTION_ROWS], end[ATTENTION_ROWS], base;
	size_t pages, size, at = 0;

	for (size_t h = 0; h < H; h++) {
		const size_t token = (row + h) / a->group;
		const size_t index = token * a->stride + (row + h) % a->group * a->head_size;

		queries[h] = a->query + index;
		outs[h] = a->out + index;
		end[h] = a->last + (uint32_t)token + 1;
		from[h] = a->window > 0 && end[h] > a->window ? end[h] - a->window : 0;
		memset(outs[h], 0, a->head_size * sizeof *outs[h]);
	}
	/* Tokens ascend, and so do their first and last positions. */
	base = from[0] / CACHE_PAGE * CACHE_PAGE;
	pages = (end[H - 1] - base + CACHE_PAGE - 1) / CACHE_PAGE;
	size = pages * CACHE_PAGE;
	for (size_t page = 0; page < pages; page++)
		score_page(
		    half, (const uint8_t *)a->keys + a->pages[base / CACHE_PAGE + page] * a->page_bytes,
		    a->kv_head, a->head_size, a->scale, queries, a->scores + page * CACHE_PAGE, size, H);
	for (size_t h = 0; h < H; h++)
		soften(a->scores + h * size, from[h] - base, end[h] - 1 - base, size);
	for (; at + 4 * LANES <= a->head_size; at += 4 * LANES)
		gather_strips(half, a, outs, at, from, end, base, a->scores, size, H, 4);
	for (; at + LANES <= a->head_size; at += LANES)
		gather_strips(half, a, outs, at, from, end, base, a->scores, size, H, 1);
	for (size_t h = 0; h < H; h++) {
		size_t rest = at;

		for (; !half && rest + 8 <= a->head_size; rest += 8)
			gather_eight(a, outs[h] + rest, rest, from[h], end[h], base, a->scores + h * size);
		gather_rest(half, a, outs[h], rest, from[h], end[h], base, a->scores + h * size);
	}
}

INLINE void
attend(bool half, const struct attention *a)
{
	const size_t rows = (size_t)a->tokens * a->group;
	size_t row = 0;

	for (; LANES == 16 && row + 6 <= rows; row += 6)
		attend_rows(half, a, row, 6);
	for (; row + 2 <= rows; row += 2)
		attend_rows(half, a, row, 2);
	for (; row < rows; row++)
		attend_rows(half, a, row, 1);
}

static TARGET void
KERNEL(attend16)(const struct attention *attention)
{
	attend(true, attention);
}

static TARGET void
KERNEL(attend32)(const struct attention *attention)
{
	attend(false, attention);
}
