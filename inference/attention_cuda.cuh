/*
 * attention_cuda -- the cache on a GPU: rows go in, and are looked at one by one, split over pages, or in tiles of 64.
 *
 * A few rows must fill a whole GPU, so each one's past is shared out among blocks and joined again; many rows of one
 * sequence see nearly the same past and share it through tensor cores.
 */
#ifndef HAECHI_INFERENCE_ATTENTION_CUDA_CUH
#define HAECHI_INFERENCE_ATTENTION_CUDA_CUH

#include "inference/kernel_cuda.cuh"

#define GROUP_MOST 8 /* query heads that share a pass over keys and values */

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
