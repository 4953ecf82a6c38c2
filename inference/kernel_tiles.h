/*
 * kernel_tiles -- many tokens by packed weights on a matrix unit (AMX); goes with kernel_packed.h.
 *
 * A block of sixteen packed rows by 32 columns is, unpacked, just what a tile wants of its second factor, and the
 * tokens' quants are the first as they lie. Its sums are whole numbers and the scales are applied in the order of
 * packed_tile(), so both give the same bits.
 */
#define TILE_TARGET                                                                                          \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c,amx-tile,amx-int8")))
#define TILE_DEPTH  512 /* columns that are unpacked at once: with their tokens they stay in the first cache */
#define TILE_FEWEST 8   /* tokens of a strip: for fewer, vectors are as fast */

struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* Sixteen rows by up to TILE_DEPTH columns, as numbers. */
struct tile_panel {
	_Alignas(64) int8_t weights[TILE_DEPTH * 16]; /* of K-quants, times their scales: modulo 128 */
	_Alignas(64) int8_t high[TILE_DEPTH * 16];    /* and divided by it */
	vf scales[TILE_DEPTH / 32];
	struct packed_scales wide[TILE_DEPTH / 256];
};

/* The compiler's own intrinsic (gcc 12) tells it of the first eight bytes only. */
static inline __attribute__((always_inline)) TILE_TARGET void
tile_configure(const struct tile_config *config)
{
	__asm__ volatile("ldtilecfg %0" : : "m"(*config));
}

/* Blocks [first, first + count) of a group, which have a scale each. */
INLINE void
tile_unpack(uint32_t type, const struct matrix *matrix, size_t group, size_t first, size_t count,
            struct tile_panel *panel)
{
	const size_t blocks = matrix->columns / 32;
	const uint8_t *weights = matrix->packed + group * pack_group_size(type, matrix->columns);
	const uint8_t *scales = weights + blocks * pack_block_size(type);

	for (size_t b = 0; b < count; b++) {
		UNROLL
		for (size_t k = 0; k < 8; k++) {
			vb w;

			unpack(type, weights + (first + b) * pack_block_size(type), k, &w);
			w = type == QUANT_Q8_0 ? w ^ 128 : w - 8;
			memcpy(panel->weights + b * 512 + 64 * k, &w, sizeof w);
		}
		load_halves(scales + (first + b) * pack_scales_size(type), &panel->scales[b]);
	}
}

/*
 * The same of K-quants: weights are multiplied by their scales, which are whole numbers too, so that the products of
 * 256 columns can be added up. They have 14 bits, which is two tiles of 7 and 8.
 */
INLINE void
tile_unpack_k(uint32_t type, const struct matrix *matrix, size_t group, size_t first, size_t count,
              struct tile_panel *panel)
{
	const size_t blocks = matrix->columns / 32;
	const uint8_t *weights = matrix->packed + group * pack_group_size(type, matrix->columns);
	const uint8_t *scales = weights + blocks * pack_block_size(type);

	for (size_t b = 0; b < count; b++) {
		const uint8_t *block = weights + (first + b) * pack_block_size(type);
		const uint8_t *from = scales + (first + b) / 8 * pack_scales_size(type);
		const size_t j = b % 8;
		vi factors, factor;

		if (j == 0)
			packed_scales(type, from, 0, &panel->wide[b / 8]);
		if (type == QUANT_Q6_K) {
			widen_pairs(from + 32 + 32 * j, true, &factors);
		} else {
			widen_bytes(from + 64 + 16 * j, &factor);
			factor |= factor << 16;
		}
		UNROLL
		for (size_t k = 0; k < 8; k++) {
			vs even, odd;
			vb w, low, high;

			if (type == QUANT_Q6_K && k % 4 == 0) {
				factor = k == 0 ? factors << 16 : (vi)((vu)factors >> 16 << 16);
				factor |= (vi)((vu)factor >> 16);
			}
			unpack(type, block, k, &w);
			if (type == QUANT_Q6_K)
				w -= 32;
			even = (vs)((vw)w << 8) >> 8;
			odd = (vs)w >> 8;
			even *= (vs)factor;
			odd *= (vs)factor;
			low = (vb)((even & 127) | (vs)((vw)(odd & 127) << 8));
			high = (vb)((even >> 7 & 255) | (vs)((vw)(odd >> 7) << 8));
			memcpy(panel->weights + b * 512 + 64 * k, &low, sizeof low);
			memcpy(panel->high + b * 512 + 64 * k, &high, sizeof high);
		}
	}
}

/* The product of block `b` of a panel with a strip, in tiles of the block's parity. */
#define TILE_PRODUCT(b, sum, tokens, factor)                                                                 \
	do {                                                                                                 \
		_tile_loadd(factor, panel->weights + (b)*512, 64);                                           \
		_tile_loadd(tokens, quants + (b) / 2 * (64 * KERNEL_STRIP) + (b) % 2 * 32, 64);              \
		_tile_zero(sum);                                                                             \
		_tile_dpbssd(sum, tokens, factor);                                                           \
		_tile_stored(sum, lanes[(b) % 4], 64);                                                       \
	} while (0)

/* Scale block `b`, which has been multiplied. */
#define TILE_SCALE(b)                                                                                        \
	do {                                                                                                 \
		const vf scale = panel->scales[b];                                                           \
		const float *with = scales + (b) / 2 * (2 * KERNEL_STRIP) + (b) % 2;                         \
                                                                                                             \
		UNROLL                                                                                       \
		for (size_t t = 0; t < KERNEL_STRIP; t++)                                                    \
			sums[t] += __builtin_convertvector(lanes[(b) % 4][t], vf) * (scale * with[2 * t]);   \
	} while (0)

/* A panel by a strip, added to what is there. Two blocks are being multiplied while the one before is scaled. */
static inline __attribute__((always_inline)) TILE_TARGET void
tile_strip(const struct tile_panel *panel, const struct activations *in, size_t at, size_t count, vf *total)
{
	const int8_t *quants = in->quants + at * 32;
	const float *scales = in->scales + at;
	vi lanes[4][KERNEL_STRIP];
	vf sums[KERNEL_STRIP];

	UNROLL
	for (size_t t = 0; t < KERNEL_STRIP; t++)
		sums[t] = total[t];
	TILE_PRODUCT(0, 0, 1, 2);
	if (count > 1)
		TILE_PRODUCT(1, 3, 4, 5);
	for (size_t b = 0; b < count; b += 2) {
		if (b + 2 < count)
			TILE_PRODUCT(b + 2, 0, 1, 2);
		TILE_SCALE(b);
		if (b + 3 < count)
			TILE_PRODUCT(b + 3, 3, 4, 5);
		if (b + 1 < count)
			TILE_SCALE(b + 1);
	}
	UNROLL
	for (size_t t = 0; t < KERNEL_STRIP; t++)
		total[t] = sums[t];
}

/* The products of 256 columns from block `b` on with one strip, or two. */
static inline __attribute__((always_inline)) TILE_TARGET void
tile_products_k(const struct tile_panel *panel, const int8_t *quants, size_t b, size_t apart,
                vi lanes[4][KERNEL_STRIP], const size_t S)
{
	_tile_zero(0);
	_tile_zero(1);
	if (S > 1) {
		_tile_zero(2);
		_tile_zero(3);
	}
	UNROLL
	for (size_t i = 0; i < 4; i++) {
		const int8_t *tokens = quants + (b / 2 + i) * (64 * KERNEL_STRIP);

		_tile_loadd(6, panel->weights + b * 512 + i * 1024, 64);
		_tile_loadd(4, tokens, 64);
		_tile_dpbssd(0, 4, 6);
		if (S > 1) {
			_tile_loadd(5, tokens + apart, 64);
			_tile_dpbssd(2, 5, 6);
		}
		_tile_loadd(7, panel->high + b * 512 + i * 1024, 64);
		_tile_dpbssd(1, 4, 7);
		if (S > 1)
			_tile_dpbssd(3, 5, 7);
	}
	_tile_stored(0, lanes[0], 64);
	_tile_stored(1, lanes[1], 64);
	if (S > 1) {
		_tile_stored(2, lanes[2], 64);
		_tile_stored(3, lanes[3], 64);
	}
}

/* The same for K-quants and S strips: 256 columns are multiplied while those before are scaled. */
static inline __attribute__((always_inline)) TILE_TARGET void
tile_strips_k(uint32_t type, const struct tile_panel *panel, const struct activations *in, size_t at,
              size_t count, vf *total, const size_t S)
{
	const size_t apart = (in->columns + 63) / 64 * (2 * KERNEL_STRIP);
	const int8_t *quants = in->quants + at * 32;
	vi lanes[2][4][KERNEL_STRIP];

	tile_products_k(panel, quants, 0, apart * 32, lanes[0], S);
	for (size_t b = 0; b < count; b += 8, at += 4 * (2 * KERNEL_STRIP)) {
		if (b + 8 < count)
			tile_products_k(panel, quants, b + 8, apart * 32, lanes[(b + 8) / 8 % 2], S);
		for (size_t s = 0; s < S; s++) {
			UNROLL
			for (size_t t = 0; t < KERNEL_STRIP; t++) {
				vi products =
				    lanes[b / 8 % 2][2 * s][t] + (lanes[b / 8 % 2][2 * s + 1][t] << 7);

				add_whole(type, &panel->wide[b / 8], in, at + s * apart + 2 * t,
				          2 * KERNEL_STRIP, false, &products, &total[s * KERNEL_STRIP + t]);
			}
		}
	}
}

/* What `count` tokens' sums have come to, from `out` or to it; all sixteen rows but at the end. */
INLINE void
tile_totals(vf *total, float *out, size_t stride, size_t count, size_t rows, bool store)
{
	for (size_t t = 0; t < count; t++)
		if (rows < KERNEL_GROUP)
			memcpy(store ? (void *)(out + t * stride) : &total[t],
			       store ? (void *)&total[t] : out + t * stride, rows * sizeof *out);
		else if (store)
			STORE(vf, out + t * stride, total[t]);
		else
			total[t] = LOAD(vf, out + t * stride);
}

static inline __attribute__((always_inline)) TILE_TARGET void
tile_multiply(uint32_t type, const struct matrix *matrix, const struct activations *in, size_t group,
              size_t last, float *out, size_t stride)
{
	const struct tile_config narrow = {
	    .palette = 1, .row_bytes = {64, 32, 64, 64, 32, 64},
                 .rows = {16, 16, 8,  16, 16, 8 }
        };
	const struct tile_config wide = {
	    .palette = 1,
	    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
	    .rows = {16, 16, 16, 16, 16, 16, 16, 16}
        };
	const size_t blocks = matrix->columns / 32, most = TILE_DEPTH / 32;
	const size_t beside = in->count % KERNEL_STRIP < TILE_FEWEST ? in->count % KERNEL_STRIP : 0;
	struct tile_panel panel;

	tile_configure(is_k(type) ? &wide : &narrow);
	for (; group < last; group++) {
		const size_t row = group * KERNEL_GROUP;
		const size_t rows = matrix->rows - row < KERNEL_GROUP ? matrix->rows - row : KERNEL_GROUP;

		for (size_t first = 0; first < blocks; first += most) {
			const size_t count = blocks - first < most ? blocks - first : most;
			size_t many;

			if (is_k(type))
				tile_unpack_k(type, matrix, group, first, count, &panel);
			else
				tile_unpack(type, matrix, group, first, count, &panel);
			for (size_t token = 0; token + beside < in->count; token += many) {
				const size_t at = activations_at(in, token, first),
				             left = in->count - beside - token;
				float *to = out + token * stride + row;
				vf total[2 * KERNEL_STRIP] = {0};

				many = is_k(type) && left > KERNEL_STRIP ? 2 * KERNEL_STRIP : KERNEL_STRIP;
				many = many < left ? many : left;
				if (first > 0)
					tile_totals(total, to, stride, many, rows, false);
				if (!is_k(type))
					tile_strip(&panel, in, at, count, total);
				else if (many > KERNEL_STRIP)
					tile_strips_k(type, &panel, in, at, count, total, 2);
				else
					tile_strips_k(type, &panel, in, at, count, total, 1);
				tile_totals(total, to, stride, many, rows, true);
			}
		}
		if (beside > 0)
			packed_slices(type, matrix, in, group, in->count - beside, out, stride, 1);
	}
	_tile_release();
}

static TILE_TARGET void
multiply_tiles(const struct matrix *matrix, const struct activations *in, size_t first, size_t last,
               float *out, size_t stride)
{
	if (!in->strips || !kernel_quantised(matrix->type)) {
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
