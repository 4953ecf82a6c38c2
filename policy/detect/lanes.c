#include "policy/detect/lanes.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BLOCK 64

/* ---- plain C ----------------------------------------------------------------------------------------------------- */

static size_t
plain_nothing(const uint8_t *text, size_t size)
{
	(void)text;
	(void)size;
	return 0; /* whoever asks looks at each character then */
}

static size_t
buckets_plain(const struct model_weights *weights, const uint32_t *keys, size_t count, uint32_t *buckets)
{
	size_t met = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t feature = model_feature(keys[i]);

		buckets[met] = MODEL_BUCKET(feature);
		met += weights->prints[MODEL_BUCKET(feature)] == MODEL_PRINT(feature);
	}
	memset(buckets + met, 0, LANES_SPARE * sizeof *buckets);
	return met;
}

static void
rows_plain(const struct model_weights *weights, const uint32_t *buckets, size_t count,
           int32_t sum[MODEL_WIDTH])
{
	memset(sum, 0, MODEL_WIDTH * sizeof *sum);
	for (size_t i = 0; i < count; i++) {
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			sum[k] += weights->table[buckets[i]][k];
	}
}

const struct lanes lanes_plain = {plain_nothing, buckets_plain, rows_plain};

/* ---- AVX2 -------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i
load(const void *from)
{
	return _mm256_loadu_si256(from);
}

AVX2 static inline __m256i
bytes_of(int value)
{
	return _mm256_set1_epi8((char)value);
}

/* Thirty-two bytes: a bit for each that is plain ASCII, and for each that begins a plain character of three. */
AVX2 static inline void
plain_bits(const uint8_t *text, uint32_t *ascii, uint32_t *heads)
{
	const __m256i now = load(text), next = load(text + 1), last = load(text + 2),
	              behind = _mm256_and_si256(_mm256_cmpgt_epi8(bytes_of(-64), next),
	                                        _mm256_cmpgt_epi8(bytes_of(-64), last)),
	              high = _mm256_cmpgt_epi8(next, bytes_of(0xAF - 256)),
	              edge_low = _mm256_cmpeq_epi8(now, bytes_of(0xEA)),
	              edge_high = _mm256_cmpeq_epi8(now, bytes_of(0xED)),
	              above = _mm256_sub_epi8(now, bytes_of(0xE5)),
	              inside = _mm256_cmpeq_epi8(_mm256_min_epu8(above, bytes_of(0xEC - 0xE5)), above),
	              tab = _mm256_sub_epi8(now, bytes_of('\t'));
	/* U+A000 to U+ABFF are no syllables, nor is what lies above U+D77F for certain. */
	__m256i head = _mm256_andnot_si256(_mm256_andnot_si256(high, edge_low), inside);

	head =
	    _mm256_or_si256(head, _mm256_and_si256(edge_high, _mm256_cmpgt_epi8(bytes_of(0x9E - 256), next)));
	*heads = (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(head, behind));
	*ascii = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(
	    _mm256_or_si256(_mm256_cmpgt_epi8(now, bytes_of(0x1F)), _mm256_cmpeq_epi8(now, bytes_of('\r'))),
	    _mm256_cmpeq_epi8(_mm256_min_epu8(tab, bytes_of(1)), tab)));
}

AVX2 static size_t
plain_avx2(const uint8_t *text, size_t size)
{
	uint64_t carry = 0; /* bytes of a character that began in the block before */
	size_t at = 0;

	for (; size - at >= BLOCK + 2; at += BLOCK) {
		uint32_t ascii[2], head[2];
		uint64_t heads, rest;

		plain_bits(text + at, &ascii[0], &head[0]);
		plain_bits(text + at + 32, &ascii[1], &head[1]);
		heads = head[0] | (uint64_t)head[1] << 32;
		rest = heads << 1 | heads << 2 | carry;
		if (~(ascii[0] | (uint64_t)ascii[1] << 32 | heads | rest) != 0)
			break;
		carry = heads >> 63 != 0 ? 3 : heads >> 62;
	}
	return at - (carry == 3 ? 1 : carry == 1 ? 2 : 0);
}

/* For each choice of four lanes: those that are chosen, first ones first. */
/* clang-format off */
static const uint8_t packing[16][4] = {
	{ 0 }, { 0 }, { 1 }, { 0, 1 }, { 2 }, { 0, 2 }, { 1, 2 }, { 0, 1, 2 },
	{ 3 }, { 0, 3 }, { 1, 3 }, { 0, 1, 3 }, { 2, 3 }, { 0, 2, 3 }, { 1, 2, 3 }, { 0, 1, 2, 3 },
};
/* clang-format on */

/* The chosen ones of four buckets to `out`; how many. */
AVX2 static inline size_t
packed(__m128i four, unsigned chosen, uint32_t *out)
{
	uint32_t order;

	memcpy(&order, packing[chosen], sizeof order);
	_mm_storeu_ps(
	    (float *)(void *)out,
	    _mm_permutevar_ps(_mm_castsi128_ps(four), _mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)order))));
	return (size_t)__builtin_popcount(chosen);
}

/* model_feature(), eight at once. */
AVX2 static inline __m256i
features_of(__m256i key)
{
	key = _mm256_xor_si256(key, _mm256_srli_epi32(key, 15));
	key = _mm256_mullo_epi32(_mm256_xor_si256(key, _mm256_set1_epi32(0x5bd1e995)),
	                         _mm256_set1_epi32((int)0x9E3779B1u));
	return _mm256_xor_si256(key, _mm256_srli_epi32(key, 15));
}

AVX2 static size_t
buckets_avx2(const struct model_weights *weights, const uint32_t *keys, size_t count, uint32_t *buckets)
{
	const __m256i low = _mm256_set1_epi32(0xFF);
	size_t met = 0;

	for (size_t i = 0; i < count; i += 8) {
		const __m256i feature = features_of(load(keys + i)),
		              bucket = _mm256_and_si256(feature, _mm256_set1_epi32(MODEL_BUCKETS - 1)),
		              print = _mm256_or_si256(_mm256_srli_epi32(feature, 24), _mm256_set1_epi32(1)),
		              owner = _mm256_i32gather_epi32((const int *)(const void *)weights->prints,
		                                             bucket, 1),
		              same = _mm256_cmpeq_epi32(_mm256_and_si256(owner, low), print);
		unsigned chosen = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(same));

		if (count - i < 8)
			chosen &= (1u << (count - i)) - 1;
		met += packed(_mm256_castsi256_si128(bucket), chosen & 15, buckets + met);
		met += packed(_mm256_extracti128_si256(bucket, 1), chosen >> 4, buckets + met);
	}
	memset(buckets + met, 0, LANES_SPARE * sizeof *buckets);
	return met;
}

#define SHORT_ROWS 256 /* rows whose sum fits sixteen bits */
#define AHEAD      12  /* rows asked for before they are needed */
_Static_assert(AHEAD <= LANES_SPARE, "rows asked for are buckets");
_Static_assert(MODEL_WIDTH % 16 == 0, "a row is whole registers");

AVX2 static void
rows_avx2(const struct model_weights *weights, const uint32_t *buckets, size_t count,
          int32_t sum[MODEL_WIDTH])
{
	memset(sum, 0, MODEL_WIDTH * sizeof *sum);
	for (size_t i = 0; i < count;) {
		size_t stop = count - i < SHORT_ROWS ? count : i + SHORT_ROWS;
		__m256i part[MODEL_WIDTH / 16];

		for (unsigned k = 0; k < MODEL_WIDTH / 16; k++)
			part[k] = _mm256_setzero_si256();
		for (; i < stop; i++) {
			const int8_t *row = weights->table[buckets[i]];

			__builtin_prefetch(weights->table[buckets[i + AHEAD]]);
#pragma GCC unroll 8
			for (unsigned k = 0; k < MODEL_WIDTH / 16; k++)
				part[k] = _mm256_add_epi16(
				    part[k], _mm256_cvtepi8_epi16(_mm_loadu_si128(
				                 (const __m128i *)(const void *)(row + 16 * k))));
		}
		for (unsigned k = 0; k < MODEL_WIDTH / 16; k++) {
			__m256i *low = (__m256i *)(void *)(sum + 16 * k), *high = low + 1;

			_mm256_storeu_si256(
			    low, _mm256_add_epi32(load(low),
			                          _mm256_cvtepi16_epi32(_mm256_castsi256_si128(part[k]))));
			_mm256_storeu_si256(
			    high, _mm256_add_epi32(load(high), _mm256_cvtepi16_epi32(
			                                           _mm256_extracti128_si256(part[k], 1))));
		}
	}
}

const struct lanes lanes_avx2 = {plain_avx2, buckets_avx2, rows_avx2};
#else
const struct lanes lanes_avx2 = {plain_nothing, buckets_plain, rows_plain};
#endif

const struct lanes *
lanes_choose(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return &lanes_avx2;
#endif
	return &lanes_plain;
}
