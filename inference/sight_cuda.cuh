/*
 * sight_cuda -- attention by tensor cores, for heads of SIGHT_MOST values at most; included once for each such size,
 * because what a warp has seen must lie in registers, and those cannot be counted at run time. SIGHT_BLOCKS of them are
 * to fit a processor.
 *
 * A warp looks for sixteen query rows. Lane l is of rows l / 4 and l / 4 + 8, of columns 2 (l % 4) and the next. The
 * order of a sum's terms is free, so dimensions are taken as they lie: of each 32, step s of lane t multiplies 8 t + 4 s
 * to 8 t + 4 s + 3. Keys and values come straight from the cache, sixteen bytes a lane.
 */

struct SIGHT(sight) {
	uint32_t query[(SIGHT_MOST + 31) / 32 * 2][4];
	float mixed[SIGHT_MOST / 8][4];
	float most[2], sum[2];      /* the sum of the lane's own positions only */
	uint32_t first[2], last[2]; /* positions that the two rows see; last < first: none */
};

/* Queries of `size` floats; NULL: no such row. */
__device__ static inline void
SIGHT(begin_sight)(struct SIGHT(sight) *sight, const float *upper, const float *lower, unsigned size)
{
	const unsigned t = threadIdx.x % 4;

#pragma unroll
	for (unsigned k = 0; k < SIGHT_MOST / 16; k++) {
		const unsigned d = k / 2 * 32 + 8 * t + k % 2 * 4;

		sight->query[k][0] = upper != NULL && d < size ? two_halves(upper[d], upper[d + 1]) : 0;
		sight->query[k][1] = lower != NULL && d < size ? two_halves(lower[d], lower[d + 1]) : 0;
		sight->query[k][2] = upper != NULL && d < size ? two_halves(upper[d + 2], upper[d + 3]) : 0;
		sight->query[k][3] = lower != NULL && d < size ? two_halves(lower[d + 2], lower[d + 3]) : 0;
	}
#pragma unroll
	for (unsigned n = 0; n < SIGHT_MOST / 8; n++)
		sight->mixed[n][0] = sight->mixed[n][1] = sight->mixed[n][2] = sight->mixed[n][3] = 0;
#pragma unroll
	for (unsigned r = 0; r < 2; r++) {
		sight->most[r] = -INFINITY;
		sight->sum[r] = 0;
	}
}

/*
 * The 64 positions from `start` on, whose keys and values begin at these; positions behind `written` may be anything.
 * Without `both` there are rows 0-7 only.
 */
__device__ static inline void
SIGHT(look)(struct SIGHT(sight) *sight, const uint16_t *keys, const uint16_t *values, uint32_t start, uint32_t written,
            unsigned size, float scale, bool both)
{
	const unsigned lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
	float dots[8][4];

#pragma unroll
	for (unsigned i = 0; i < 8; i++) {
		dots[i][0] = dots[i][1] = dots[i][2] = dots[i][3] = 0;
#pragma unroll
		for (unsigned j = 0; j < SIGHT_MOST / 32; j++) {
			uint4 key = {0, 0, 0, 0};

			if (32 * j + 8 * t < size)
				key = *(const uint4 *)(const void *)(keys + (((size_t)4 * j + t) * CACHE_PAGE + 8 * i + g) * 8);
			multiply_tile(dots[i], sight->query[2 * j], key.x, key.y, both);
			multiply_tile(dots[i], sight->query[2 * j + 1], key.z, key.w, both);
		}
	}
#pragma unroll
	for (unsigned r = 0; r < 2; r++) {
		float now = sight->most[r], keep, sum = 0;

		if (r == 1 && !both)
			break;
#pragma unroll
		for (unsigned i = 0; i < 8; i++)
#pragma unroll
			for (unsigned e = 0; e < 2; e++) {
				const uint32_t position = start + 32 * (i / 4) + 8 * t + 2 * (i % 4) + e;
				float *dot = &dots[i][2 * r + e];

				*dot = position >= sight->first[r] && position <= sight->last[r] ? *dot * scale
				                                                                 : -INFINITY;
				now = fmaxf(now, *dot);
			}
		now = row_most(now);
		keep = now == -INFINITY ? 1.0f : expf(sight->most[r] - now);
#pragma unroll
		for (unsigned i = 0; i < 8; i++)
#pragma unroll
			for (unsigned e = 0; e < 2; e++) {
				float *dot = &dots[i][2 * r + e];

				*dot = *dot == -INFINITY ? 0 : expf(*dot - now);
				sum += *dot;
			}
		sight->most[r] = now;
		sight->sum[r] = sight->sum[r] * keep + sum;
#pragma unroll
		for (unsigned n = 0; n < SIGHT_MOST / 8; n++) {
			sight->mixed[n][2 * r] *= keep;
			sight->mixed[n][2 * r + 1] *= keep;
		}
	}
#pragma unroll
	for (unsigned j = 0; j < 2; j++) {
		const uint32_t at = start + 8 * (4 * j + t);
		uint32_t shares[2][4];

#pragma unroll
		for (unsigned s = 0; s < 2; s++) {
			const float *one = dots[4 * j + 2 * s], *two = dots[4 * j + 2 * s + 1];

			shares[s][0] = two_halves(one[0], one[1]);
			shares[s][1] = two_halves(one[2], one[3]);
			shares[s][2] = two_halves(two[0], two[1]);
			shares[s][3] = two_halves(two[2], two[3]);
		}
#pragma unroll
		for (unsigned n = 0; n < SIGHT_MOST / 8; n++) {
			uint4 value = {0, 0, 0, 0};

			if (8 * n >= size)
				break;
			value = *(const uint4 *)(const void *)(values + (((size_t)4 * j + t) * size + 8 * n + g) * 8);
			if (start + CACHE_PAGE - 1 > written) {
				value.x = at > written ? 0 : at == written ? value.x & 0xffffu : value.x;
				value.y = at + 2 > written ? 0 : at + 2 == written ? value.y & 0xffffu : value.y;
				value.z = at + 4 > written ? 0 : at + 4 == written ? value.z & 0xffffu : value.z;
				value.w = at + 6 > written ? 0 : at + 6 == written ? value.w & 0xffffu : value.w;
			}
			multiply_tile(sight->mixed[n], shares[0], value.x, value.y, both);
			multiply_tile(sight->mixed[n], shares[1], value.z, value.w, both);
		}
	}
}

/* As attend_split(), by a warp for every fourth page of the share; a woven cache. A lone split goes into `whole`. */
__global__ static void __launch_bounds__(SPLIT_THREADS, SIGHT_BLOCKS)
SIGHT(attend_rows)(const float *qkv, struct device_cache cache, const struct device_row *rows, uint32_t first_row,
                   uint32_t heads, struct partials out, struct forms whole)
{
	__shared__ float mixed[WARPS][GROUP_MOST][SIGHT_MOST], most[WARPS][GROUP_MOST], sum[WARPS][GROUP_MOST];
	const unsigned size = cache.head_size, passes = (cache.group + GROUP_MOST - 1) / GROUP_MOST;
	const unsigned row = first_row + blockIdx.x, kv_head = blockIdx.y / passes, pass = blockIdx.y % passes;
	const unsigned first_head = kv_head * cache.group + pass * GROUP_MOST;
	const unsigned left = cache.group - pass * GROUP_MOST, group = left < GROUP_MOST ? left : GROUP_MOST;
	const unsigned warp = threadIdx.x / WARP, g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
	const float *queries = qkv + ((size_t)row * (heads + 2 * cache.kv_heads) + first_head) * size;
	struct SIGHT(sight) sight;
	struct share share;

	begin();
	share = share_of(&rows[row], &cache, blockIdx.z, out.splits);
	SIGHT(begin_sight)(&sight, g < group ? queries + (size_t)g * size : NULL, NULL, size);
	sight.first[0] = share.first;
	sight.last[0] = share.last;
	sight.first[1] = 1;
	sight.last[1] = 0;
	for (uint32_t page = share.begin + warp; page < share.end; page += WARPS) {
		const size_t base = head_at(&cache, cache.pages[share.table + page], kv_head);

		SIGHT(look)(&sight, (const uint16_t *)cache.keys + base, (const uint16_t *)cache.values + base,
		            page * CACHE_PAGE, share.last, size, cache.scale, false);
	}
	sight.sum[0] = row_sum(sight.sum[0]);
	if (t == 0) {
		most[warp][g] = sight.most[0];
		sum[warp][g] = sight.sum[0];
	}
#pragma unroll
	for (unsigned n = 0; n < SIGHT_MOST / 8; n++)
#pragma unroll
		for (unsigned e = 0; e < 2; e++)
			mixed[warp][g][8 * n + 2 * t + e] = sight.mixed[n][e];
	__syncthreads();
	for (unsigned i = threadIdx.x; i < group * size; i += SPLIT_THREADS) {
		const unsigned h = i / size, d = i % size;
		const size_t at = ((size_t)blockIdx.x * heads + first_head + h) * out.splits + blockIdx.z;
		float best = -INFINITY, total = 0, value = 0;

		for (unsigned w = 0; w < WARPS; w++)
			best = fmaxf(best, most[w][h]);
		for (unsigned w = 0; w < WARPS; w++) {
			const float part = most[w][h] == -INFINITY ? 0 : expf(most[w][h] - best);

			total += sum[w][h] * part;
			value += mixed[w][h][d] * part;
		}
		if (out.splits == 1) {
			store_forms(&whole, ((size_t)row * heads + first_head) * size + i, value / total);
			continue;
		}
		if (d == 0) {
			out.most[at] = best;
			out.sum[at] = total;
		}
		out.values[at * size + d] = value;
	}
}

/*
 * Many rows of one sequence at once; a woven cache. Grid: (tile, head), the last tiles, which see most, first. Each of
 * four warps has sixteen of the 64 queries.
 */
__global__ static void __launch_bounds__(TILE_THREADS, SIGHT_BLOCKS)
SIGHT(attend_tile)(const float *qkv, struct device_cache cache, const struct device_tile *tiles, uint32_t heads,
                   struct forms out)
{
	const unsigned size = cache.head_size, head = blockIdx.y, all = heads + 2 * cache.kv_heads;
	const unsigned warp = threadIdx.x / WARP, g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
	const unsigned first_row = warp * 16;
	const float *queries[2] = {NULL, NULL};
	uint32_t last, lowest;
	struct SIGHT(sight) sight;
	struct device_tile tile;

	begin();
	tile = tiles[gridDim.x - 1 - blockIdx.x];
	if (first_row >= tile.count)
		return;
#pragma unroll
	for (unsigned r = 0; r < 2; r++) {
		const uint32_t row = first_row + g + 8 * r, position = tile.position + row;

		sight.first[r] = 1;
		sight.last[r] = 0;
		if (row >= tile.count)
			continue;
		queries[r] = qkv + ((size_t)(tile.row + row) * all + head) * size;
		sight.first[r] = cache.window > 0 && position >= cache.window ? position - cache.window + 1 : 0;
		sight.last[r] = position;
	}
	SIGHT(begin_sight)(&sight, queries[0], queries[1], size);
	last = tile.position + (first_row + 15 < tile.count ? first_row + 15 : tile.count - 1);
	lowest = tile.position + first_row;
	lowest = cache.window > 0 && lowest >= cache.window ? lowest - cache.window + 1 : 0;
	for (uint32_t page = lowest / CACHE_PAGE; page <= last / CACHE_PAGE; page++) {
		const size_t base = head_at(&cache, cache.pages[tile.table + page], head / cache.group);

		SIGHT(look)(&sight, (const uint16_t *)cache.keys + base, (const uint16_t *)cache.values + base,
		            page * CACHE_PAGE, last, size, cache.scale, true);
	}
#pragma unroll
	for (unsigned r = 0; r < 2; r++) {
		const uint32_t row = first_row + g + 8 * r;
		const float sum = row_sum(sight.sum[r]);
		const size_t at = ((size_t)(tile.row + row) * heads + head) * size;

		if (row >= tile.count)
			continue;
#pragma unroll
		for (unsigned n = 0; n < SIGHT_MOST / 8; n++)
#pragma unroll
			for (unsigned e = 0; e < 2; e++) {
				const unsigned d = 8 * n + 2 * t + e;

				if (d >= size)
					continue;
				if (out.values != NULL)
					out.values[at + d] = sight.mixed[n][2 * r + e] / sum;
				if (out.brain != NULL)
					out.brain[at + d] = to_brain(sight.mixed[n][2 * r + e] / sum);
			}
	}
}

#undef SIGHT
#undef SIGHT_BLOCKS
#undef SIGHT_MOST
