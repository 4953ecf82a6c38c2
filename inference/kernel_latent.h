/*
 * kernel_latent -- attention in a latent, for every instruction set that has included kernel_body.h.
 *
 * What is cached of a position serves all heads, as key and, its leading part, as value. It lies in strips of sixteen
 * positions: lanes are positions in the scores as well as in the sums of values, whose lanes are added up at the end.
 */

/* Sums of V values at `at` over all positions, for H heads. */
INLINE void
gather_latent(bool half, const struct latent_attention *a, size_t head, size_t at, size_t whole,
              const size_t H, const size_t V)
{
#if LANES == 16
	const vi lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
	const vi lanes = {0, 1, 2, 3, 4, 5, 6, 7};
#endif
	vf sums[LATENT_HEADS][4];

	UNROLL
	for (size_t h = 0; h < H; h++)
		UNROLL
	for (size_t v = 0; v < V; v++)
		sums[h][v] = (vf){0};
	for (uint32_t position = 0; position <= a->last; position += LANES) {
		const uint8_t *page =
		    (const uint8_t *)a->cache + a->pages[position / CACHE_PAGE] * a->page_bytes;
		const size_t base = cache_key_index(0, a->size, position % CACHE_PAGE, (uint32_t)at);
		vf weights[LATENT_HEADS];

		UNROLL
		for (size_t h = 0; h < H; h++)
			weights[h] = LOAD(vf, a->scores + h * whole + position);
		UNROLL
		for (size_t v = 0; v < V; v++) {
			vf value;

			load_cached(half, page, base + 16 * v, &value);
			/* What another answer left behind the last position may be anything, even no number. */
			if (a->last - position < LANES - 1)
				value = SELECT(lanes <= (int32_t)(a->last - position), value, (vf){0});
			UNROLL
			for (size_t h = 0; h < H; h++)
				sums[h][v] += value * weights[h];
		}
	}
	UNROLL
	for (size_t h = 0; h < H; h++)
		UNROLL
	for (size_t v = 0; v < V; v++)
		a->out[(head + h) * a->stride + at + v] = sum_lanes(&sums[h][v]);
}

INLINE void
attend_heads(bool half, const struct latent_attention *a, size_t head, const size_t H)
{
	const float *queries[LATENT_HEADS];
	const uint32_t last_page = a->last / CACHE_PAGE;
	const size_t whole = (size_t)(last_page + 1) * CACHE_PAGE;
	uint32_t at = 0;

	for (size_t h = 0; h < H; h++)
		queries[h] = a->query + (head + h) * a->size;
	for (uint32_t page = 0; page <= last_page; page++)
		score_page(half, (const uint8_t *)a->cache + a->pages[page] * a->page_bytes, 0, a->size,
		           a->scale, queries, a->scores + (size_t)page * CACHE_PAGE, whole, H);
	for (size_t h = 0; h < H; h++)
		soften(a->scores + h * whole, 0, a->last, whole);
	for (; at + 4 <= a->values; at += 4)
		gather_latent(half, a, head, at, whole, H, 4);
	for (; at < a->values; at++)
		gather_latent(half, a, head, at, whole, H, 1);
}

INLINE void
attend_latent(bool half, const struct latent_attention *a)
{
	size_t head = 0;

	for (; LANES == 16 && head + 4 <= a->heads; head += 4)
		attend_heads(half, a, head, 4);
	for (; head + 2 <= a->heads; head += 2)
		attend_heads(half, a, head, 2);
	for (; head < a->heads; head++)
		attend_heads(half, a, head, 1);
}

static TARGET void
KERNEL(attend_latent16)(const struct latent_attention *attention)
{
	attend_latent(true, attention);
}

static TARGET void
KERNEL(attend_latent32)(const struct latent_attention *attention)
{
	attend_latent(false, attention);
}
