/*
 * kernel_tiles -- many tokens by packed weights on a matrix unit (AMX); goes with kernel_packed.h.
 *
 * A block of sixteen packed rows by 32 columns is, unpacked, just what a tile wants of its second factor, and the
 * tokens' quants are the first as they lie. Its sums are whole numbers and the scales are applied in the order of
 * packed_tile(), so both give the same bits.
 */
#define TILE_TARGET                                                                                          \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c,amx-tile,amx-int8")))
#define TILE_DEPTH                                                                                           \
	1024          /* columns that are unpacked at once: with their tokens they stay in the first cache */
#define TILE_FEWEST 8 /* tokens: for fewer, vectors are as fast */

struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* Sixteen rows by up to TILE_DEPTH columns, as numbers. */
struct tile_panel {
	_Alignas(64) int8_t weights[TILE_DEPTH * 16];
	v16 scales[TILE_DEPTH / 16]; /* per block, or per half of one */
	v16 minima[TILE_DEPTH / 32];
};

/* The compiler's own intrinsic (gcc 12) tells it of the first eight bytes only. */
static inline __attribute__((always_inline)) TILE_TARGET void
tile_configure(const struct tile_config *config)
{
	__asm__ volatile("ldtilecfg %0" : : "m"(*config));
}

/* Blocks [first, first + count) of a group; count * 32 is at most TILE_DEPTH. */
INLINE void
tile_unpack(uint32_t type, const struct matrix *matrix, size_t group, size_t first, size_t count,
            struct tile_panel *panel)
{
	const size_t blocks = matrix->columns / 32, super = pack_super(type);
	const uint8_t *weights = matrix->packed + group * pack_group_size(type, matrix->columns);
	const uint8_t *scales = weights + blocks * pack_block_size(type);

	for (size_t b = 0; b < count; b++) {
		const uint8_t *block = weights + (first + b) * pack_block_size(type);
		const uint8_t *at = scales + (first + b) / super * pack_scales_size(type);
		const size_t j = (first + b) % super;
		v16 scale;

		UNROLL
		for (size_t k = 0; k < 8; k++) {
			v64u w;

			unpack(type, block, k, &w);
			if (type == QUANT_Q8_0)
				w ^= 128;
			else if (type == QUANT_Q4_0)
				w -= 8;
			else if (type == QUANT_Q6_K)
				w -= 32;
			memcpy(panel->weights + b * 512 + 64 * k, &w, sizeof w);
		}
		load_half16(at, &scale);
		if (type == QUANT_Q6_K) {
			panel->scales[2 * b] = panel->scales[2 * b + 1] = scale;
			multiply_bytes(at + 32 + 16 * (2 * j), true, &panel->scales[2 * b]);
			multiply_bytes(at + 32 + 16 * (2 * j + 1), true, &panel->scales[2 * b + 1]);
			continue;
		}
		if (type == QUANT_Q4_K || type == QUANT_Q5_K) {
			load_half16(at + 32, &panel->minima[b]);
			multiply_bytes(at + 192 + 16 * j, false, &panel->minima[b]);
			multiply_bytes(at + 64 + 16 * j, false, &scale);
		}
		panel->scales[b] = scale;
	}
}

/* The product of part `p` of a panel with T tokens, in tiles of the part's parity. */
#define TILE_PRODUCT(p, sum, tokens, factor)                                                                 \
	do {                                                                                                 \
		_tile_loadd(factor, panel->weights + (p)*part * 16, 64);                                     \
		_tile_loadd(tokens, quants + (p)*part, in->columns);                                         \
		_tile_zero(sum);                                                                             \
		_tile_dpbssd(sum, tokens, factor);                                                           \
		_tile_stored(sum, lanes[(p) % 4], 64);                                                       \
	} while (0)

/* Scale part `p`, which has been multiplied. */
#define TILE_SCALE(p)                                                                                        \
	do {                                                                                                 \
		const size_t b = (p) / halves;                                                               \
		const v16 scale = panel->scales[p], minimum = panel->minima[b];                              \
                                                                                                             \
		UNROLL                                                                                       \
		for (size_t t = 0; t < T; t++) {                                                             \
			v16 step = scale * scales[t * blocks + b];                                           \
                                                                                                             \
			sums[t] += __builtin_convertvector(lanes[(p) % 4][t], v16) * step;                   \
			if (type == QUANT_Q4_K || type == QUANT_Q5_K)                                        \
				sums[t] += minimum * offsets[t * blocks + b];                                \
		}                                                                                            \
	} while (0)

/* A panel by T tokens, added to what is there. Two parts are being multiplied while the one before is scaled. */
static inline __attribute__((always_inline)) TILE_TARGET void
tile_tokens(uint32_t type, const struct tile_panel *panel, size_t first, size_t count,
            const struct activations *in, size_t token, float *out, size_t stride, size_t rows,
            const size_t T)
{
	const size_t part = type == QUANT_Q6_K ? 16 : 32, blocks = in->columns / 32, halves = 32 / part;
	const int8_t *quants = in->quants + token * in->columns + first * 32;
	const float *scales = in->scales + token * blocks + first;
	const float *offsets = in->offsets + token * blocks + first;
	const size_t parts = count * halves;
	v16i lanes[4][16];
	v16 sums[16];

	out += token * stride;
	UNROLL
	for (size_t t = 0; t < T; t++) {
		v16 so_far = {0};

		if (first > 0 && rows == KERNEL_GROUP)
			so_far = LOAD(v16, out + t * stride);
		else if (first > 0)
			memcpy(&so_far, out + t * stride, rows * sizeof *out);
		sums[t] = so_far;
	}
	TILE_PRODUCT(0, 0, 1, 2);
	if (parts > 1)
		TILE_PRODUCT(1, 3, 4, 5);
	for (size_t p = 0; p < parts; p += 2) {
		if (p + 2 < parts)
			TILE_PRODUCT(p + 2, 0, 1, 2);
		TILE_SCALE(p);
		if (p + 3 < parts)
			TILE_PRODUCT(p + 3, 3, 4, 5);
		if (p + 1 < parts)
			TILE_SCALE(p + 1);
	}
	UNROLL
	for (size_t t = 0; t < T; t++) {
		const v16 sum = sums[t];

		if (rows == KERNEL_GROUP)
			STORE(v16, out + t * stride, sum);
		else
			memcpy(out + t * stride, &sum, rows * sizeof *out);
	}
}

static inline __attribute__((always_inline)) TILE_TARGET void
tile_multiply(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t group,
              size_t last, float *out, size_t stride)
{
	const uint16_t part = type == QUANT_Q6_K ? 16 : 32;
	const uint8_t fours = (uint8_t)(part / 4);
	/* Sums, tokens and weights, twice: for sixteen tokens, and for eight. */
	const struct tile_config sixteen = {
	    .palette = 1, .row_bytes = {64, part, 64,    64, part, 64   },
                 .rows = {16, 16,   fours, 16, 16,   fours}
        };
	const struct tile_config eight = {
	    .palette = 1, .row_bytes = {64, part, 64,    64, part, 64   },
                 .rows = {8,  8,    fours, 8,  8,    fours}
        };
	const size_t blocks = matrix->columns / 32, tiled = in->count / 8 * 8, most = TILE_DEPTH / 32;
	struct activations rest = *in;
	struct tile_panel panel;

	for (; group < last; group++) {
		const size_t row = group * KERNEL_GROUP;
		const size_t rows = matrix->rows - row < KERNEL_GROUP ? matrix->rows - row : KERNEL_GROUP;

		for (size_t first = 0; first < blocks; first += most) {
			const size_t count = blocks - first < most ? blocks - first : most;
			size_t token = 0;

			tile_unpack(type, matrix, group, first, count, &panel);
			if (tiled >= 16)
				tile_configure(&sixteen);
			for (; token + 16 <= tiled; token += 16)
				tile_tokens(type, &panel, first, count, in, token, out + row, stride, rows,
				            16);
			if (token == tiled)
				continue;
			tile_configure(&eight);
			tile_tokens(type, &panel, first, count, in, token, out + row, stride, rows, 8);
		}
		if (tiled == in->count)
			continue;
		rest.count = in->count - tiled;
		rest.quants = in->quants + tiled * in->columns;
		rest.scales = in->scales + tiled * blocks;
		rest.offsets = in->offsets + tiled * blocks;
		rest.minus32 = in->minus32 + tiled * blocks;
		rest.minus16 = in->minus16 + tiled * blocks * 2;
		packed_groups(type, matrix, &rest, group, out + tiled * stride, stride, 1);
	}
	_tile_release();
}

static TILE_TARGET void
multiply_tiles(const struct matrix *matrix, const struct activations *in, size_t first, size_t last,
               float *out, size_t stride)
{
	if (in->count < TILE_FEWEST || !kernel_quantised(matrix->type)) {
		KERNEL(multiply)(matrix, in, first, last, out, stride);
		return;
	}
	switch (matrix->type) {
	case QUANT_Q8_0:
	case QUANT_Q5_0:
		tile_multiply(QUANT_Q8_0, matrix, in, first, last, out, stride);
		break;
	case QUANT_Q4_0:
		tile_multiply(QUANT_Q4_0, matrix, in, first, last, out, stride);
		break;
	case QUANT_Q4_K:
		tile_multiply(QUANT_Q4_K, matrix, in, first, last, out, stride);
		break;
	case QUANT_Q5_K:
		tile_multiply(QUANT_Q5_K, matrix, in, first, last, out, stride);
		break;
	default:
		tile_multiply(QUANT_Q6_K, matrix, in, first, last, out, stride);
	}
}
