/*
 * attention_cuda -- the cache on a GPU: rows go in, and are looked at one by one, split over pages, or in tiles of 64.
 *
 * A few rows must fill a whole GPU, so each one's past is shared out among blocks and joined again; many rows of one
 * sequence see nearly the same past and share it. Where the cache is in half precision and heads are multiples of 16,
 * both go through tensor cores and the cache is woven: its halves lie just as a lane of m16n8k16 wants them, sixteen
 * bytes at a time, so that nothing has to be turned around in shared memory.
 */
#ifndef HAECHI_INFERENCE_ATTENTION_CUDA_CUH
#define HAECHI_INFERENCE_ATTENTION_CUDA_CUH

#include "inference/product_cuda.cuh"

#define GROUP_MOST    8 /* query heads that share a pass over keys and values */
#define SPLIT_THREADS 128
#define TILE          64 /* queries of a tile */
#define TILE_THREADS  128
#define WARPS         4 /* of both */

/* Consecutive rows of one sequence that look at the cache together. */
struct device_tile {
	uint32_t row, count, position, table;
};

/*
 * The cache of one layer, and which heads look at it. Keys: [page][kv head][size / 8][64][8], where woven in the order
 * of key_place(); values: [page][kv head][64][size], where woven [page][kv head][64 / 8][size][8].
 */
struct device_cache {
	void *keys, *values;
	const uint32_t *pages; /* all tables */
	uint32_t kv_heads, head_size, group;
	uint32_t window; /* 0: everything before is seen */
	bool half, woven;
	float scale;
};

__device__ static inline size_t
head_at(const struct device_cache *cache, uint32_t page, uint32_t kv_head)
{
	return ((size_t)page * cache->kv_heads + kv_head) * CACHE_PAGE * cache->head_size;
}

/*
 * Scores come out of the tensor cores in tiles of eight positions of which a lane has two; the values' product wants of
 * it eight that follow one another. So tile i of a page is of positions 32 (i / 4) + 8 (n / 2) + 2 (i % 4) + n % 2.
 */
__device__ static inline unsigned
key_place(unsigned position)
{
	return (position / 32 * 4 + position % 8 / 2) * 8 + position % 32 / 8 * 2 + position % 2;
}

__device__ static inline void
store_value(void *to, size_t at, bool half, float value)
{
	/* What is infinite would poison those who only pass by. */
	if (half)
		((uint16_t *)to)[at] = __half_as_ushort(__float2half_rn(fminf(fmaxf(value, -65504.0f), 65504.0f)));
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
		const uint4 words = *(const uint4 *)(const void *)((const uint16_t *)from + at);
		const uint32_t pairs[4] = {words.x, words.y, words.z, words.w};

		for (unsigned i = 0; i < 8; i++)
			out[i] = half_at((uint16_t)(pairs[i / 2] >> (i % 2 * 16)));
	} else {
		for (unsigned i = 0; i < 8; i++)
			out[i] = ((const float *)from)[at + i];
	}
}

/* ---- what becomes of a row's heads ---------------------------------------------------------------------------------- */

struct head_step {
	float *qkv;                            /* a row: all heads of queries, of keys, of values */
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
	const unsigned all = step.heads + 2 * cache.kv_heads;
	const bool query = head < step.heads, key = !query && head < step.heads + cache.kv_heads;
	const unsigned number = query ? head : key ? head - step.heads : head - step.heads - cache.kv_heads;
	const float *bias = query ? step.q_bias : key ? step.k_bias : step.v_bias;
	const float *norm = query ? step.q_norm : key ? step.k_norm : NULL;
	float *values = step.qkv + ((size_t)row * all + head) * size;
	uint32_t place;
	size_t base;

	begin();
	if (head >= all)
		return;
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
	place = step.rows[row].position % CACHE_PAGE;
	base = head_at(&cache, cache.pages[step.rows[row].table + step.rows[row].position / CACHE_PAGE], number);
	for (unsigned i = lane; i < size; i += WARP)
		if (key)
			store_value(cache.keys,
			            base + (i / 8 * CACHE_PAGE + (cache.woven ? key_place(place) : place)) * 8 + i % 8,
			            cache.half, values[i]);
		else
			store_value(cache.values,
			            base + (cache.woven ? ((size_t)place / 8 * size + i) * 8 + place % 8
			                                : (size_t)place * size + i),
			            cache.half, values[i]);
}

/* ---- splits --------------------------------------------------------------------------------------------------------- */

/* What one split found: [row][head][split] of most, sum, and head_size values not yet divided by the sum. */
struct partials {
	float *most, *sum, *values;
	uint32_t splits;
};

/* Which part of a row's past a block looks at: pages begin .. end, positions first .. last. */
struct share {
	uint32_t table, first, last, begin, end;
};

__device__ static inline struct share
share_of(const struct device_row *row, const struct device_cache *cache, uint32_t split, uint32_t splits)
{
	const uint32_t last = row->position;
	const uint32_t first = cache->window > 0 && last >= cache->window ? last - cache->window + 1 : 0;
	const uint32_t page = first / CACHE_PAGE, most_end = last / CACHE_PAGE + 1;
	const uint32_t each = (most_end - page + splits - 1) / splits, begin = page + split * each;

	return {row->table, first, last, begin, begin + each < most_end ? begin + each : most_end};
}

/*
 * Some pages of one row's past, for up to GROUP_MOST query heads of one kv head; any cache that is not woven.
 * Grid: (row from first_row, kv head x passes over its group, split); 128 threads: a thread a position and half of the
 * dimensions for the scores, a thread a dimension for the values. Shared: queries, scores.
 */
__global__ static void
attend_split(const float *qkv, struct device_cache cache, const struct device_row *rows, uint32_t first_row, uint32_t heads,
             struct partials out)
{
	SHARED_MEMORY(float, shared);
	const unsigned size = cache.head_size, passes = (cache.group + GROUP_MOST - 1) / GROUP_MOST;
	const unsigned row = first_row + blockIdx.x, kv_head = blockIdx.y / passes, pass = blockIdx.y % passes;
	const unsigned first_head = kv_head * cache.group + pass * GROUP_MOST;
	const unsigned left = cache.group - pass * GROUP_MOST, group = left < GROUP_MOST ? left : GROUP_MOST;
	float *queries = shared, *scores = shared + GROUP_MOST * size; /* [2][GROUP_MOST][64] */
	float *most = scores + 2 * GROUP_MOST * CACHE_PAGE, *sum = most + GROUP_MOST, *shrink = sum + GROUP_MOST;
	float mixed[2][GROUP_MOST];
	const unsigned place = threadIdx.x % CACHE_PAGE, side = threadIdx.x / CACHE_PAGE;
	struct share share;

	begin();
	share = share_of(&rows[row], &cache, blockIdx.z, out.splits);
	for (unsigned i = threadIdx.x; i < group * size; i += blockDim.x)
		queries[i] =
		    qkv[((size_t)row * (heads + 2 * cache.kv_heads) + first_head) * size + i] * cache.scale;
	for (unsigned g = threadIdx.x; g < GROUP_MOST; g += blockDim.x) {
		most[g] = -INFINITY;
		sum[g] = 0;
	}
#pragma unroll
	for (unsigned g = 0; g < GROUP_MOST; g++)
		mixed[0][g] = mixed[1][g] = 0;
	__syncthreads();
	for (uint32_t page = share.begin; page < share.end; page++) {
		size_t base = head_at(&cache, cache.pages[share.table + page], kv_head);
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
			    position >= share.first && position <= share.last ? dots[g] : -INFINITY;
		__syncthreads();
		/* A warp a head in turn: two positions a lane. */
		for (unsigned g = threadIdx.x / WARP; g < group; g += SPLIT_THREADS / WARP) {
			const unsigned lane = threadIdx.x % WARP;
			float *one = scores + g * CACHE_PAGE, *two = one + GROUP_MOST * CACHE_PAGE;
			float a = one[lane] + two[lane], b = one[lane + WARP] + two[lane + WARP];
			float before = most[g], now = fmaxf(before, warp_most(fmaxf(a, b)));
			float keep = now == -INFINITY ? 1.0f : expf(before - now);
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
				if (page * CACHE_PAGE + p > share.last)
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

/* Splits into one, a thread a value of one row: [heads][size]. Grid: (blocks of values, row). */
__global__ static void
attend_join(struct partials in, uint32_t heads, unsigned size, uint32_t first_row, struct forms out)
{
	const size_t all = (size_t)heads * size, i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	const size_t head = blockIdx.y * (size_t)heads + i / size;
	float most = -INFINITY, sum = 0, value = 0;

	begin();
	if (i >= all)
		return;
	for (unsigned s = 0; s < in.splits; s++)
		most = fmaxf(most, in.most[head * in.splits + s]);
	for (unsigned s = 0; s < in.splits; s++) {
		const float there = in.most[head * in.splits + s];
		const float part = there == -INFINITY ? 0 : expf(there - most);

		if (part > 0) { /* a split without a page has left its values as they were */
			sum += in.sum[head * in.splits + s] * part;
			value += in.values[(head * in.splits + s) * size + i % size] * part;
		}
	}
	store_forms(&out, (first_row + blockIdx.y) * all + i, value / sum);
}

/* ---- tensor cores --------------------------------------------------------------------------------------------------- */

/* sums of 16 x 8 += rows of 16 halves x columns of 16; registers as m16n8k16 has them. Without `both` only rows 0-7. */
__device__ static inline void
multiply_tile(float sums[4], const uint32_t rows[4], uint32_t first, uint32_t second, bool both)
{
	float none[2] = {0, 0}, *lower = both ? sums + 2 : none;
	const uint32_t nothing = 0;

#ifndef CUDA_EMULATED
	asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+f"(sums[0]), "+f"(sums[1]), "+f"(lower[0]), "+f"(lower[1])
	    : "r"(rows[0]), "r"(both ? rows[1] : nothing), "r"(rows[2]), "r"(both ? rows[3] : nothing), "r"(first),
	      "r"(second));
#else
	const uint32_t all[4] = {rows[0], both ? rows[1] : nothing, rows[2], both ? rows[3] : nothing};

	emulated_tile(sums, lower, all, first, second);
#endif
}

__device__ static inline uint32_t
two_halves(float first, float second)
{
	return __half_as_ushort(__float2half_rn(first)) | (uint32_t)__half_as_ushort(__float2half_rn(second)) << 16;
}

/* Over the four lanes that share a row. */
__device__ static inline float
row_most(float value)
{
	value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 1));
	return fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 2));
}

__device__ static inline float
row_sum(float value)
{
	value += __shfl_xor_sync(0xffffffffu, value, 1);
	return value + __shfl_xor_sync(0xffffffffu, value, 2);
}

#define SIGHT_MOST   64
#define SIGHT_BLOCKS 2
#define SIGHT(name)  name##_64
#include "inference/sight_cuda.cuh"
#define SIGHT_MOST   128
#define SIGHT_BLOCKS 2
#define SIGHT(name)  name##_128
#include "inference/sight_cuda.cuh"
#define SIGHT_MOST   256
#define SIGHT_BLOCKS 1
#define SIGHT(name)  name##_256
#include "inference/sight_cuda.cuh"

#endif
