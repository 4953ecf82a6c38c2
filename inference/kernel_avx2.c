/* Kernels for AVX2 with FMA and half-precision loads (Haswell, Zen and later): vectors of sixteen lanes in two halves. */
#include "inference/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET        __attribute__((target("avx2,fma,f16c")))
#define KERNEL(name)  name##_avx2
#define TILE_ROWS     2
#define TILE_TOKENS   2
#define PACKED_GROUPS 1
#define PACKED_TOKENS 2
#define PREFETCH      2048
#define U8_BIAS       false

#include "inference/kernel_vectors.h"

union halves {
	v16 f;
	v16i i;
	v64u u;
	__m256 single[2];
	__m256i integer[2];
};

INLINE void
load_half16(const void *from, v16 *out)
{
	union halves both;

	both.single[0] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)from));
	both.single[1] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)from + 1));
	*out = both.f;
}

/* Sixteen bytes as numbers. */
INLINE void
widen_bytes(const void *from, v16i *out)
{
	union halves both;

	UNROLL
	for (int half = 0; half < 2; half++)
		both.integer[half] = _mm256_cvtepu8_epi32(
		    _mm_loadl_epi64((const __m128i_u *)(const void *)((const uint8_t *)from + 8 * half)));
	*out = both.i;
}

/* Sixteen pairs of bytes, signed or not, as pairs of words. */
INLINE void
widen_pairs(const void *from, bool negative, v16i *out)
{
	union halves both;

	UNROLL
	for (int half = 0; half < 2; half++) {
		__m128i bytes = _mm_loadu_si128((const __m128i_u *)from + half);

		both.integer[half] = negative ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes);
	}
	*out = both.i;
}

INLINE void
dot_pairs(v16i *acc, const v16i *w, int32_t x)
{
	union halves sum = {.i = *acc}, weights = {.i = *w};

	UNROLL
	for (int half = 0; half < 2; half++)
		sum.integer[half] = _mm256_add_epi32(
		    sum.integer[half], _mm256_madd_epi16(weights.integer[half], _mm256_set1_epi32(x)));
	*acc = sum.i;
}

INLINE void
dot_u7(v16i *acc, const v64u *w, int32_t x)
{
	union halves sum = {.i = *acc}, weights = {.u = *w};
	__m256i four = _mm256_set1_epi32(x), ones = _mm256_set1_epi16(1);

	UNROLL
	for (int half = 0; half < 2; half++)
		sum.integer[half] = _mm256_add_epi32(
		    sum.integer[half],
		    _mm256_madd_epi16(_mm256_maddubs_epi16(weights.integer[half], four), ones));
	*acc = sum.i;
}

/* maddubs saturates at 16 bits: the weight's sign moves over to x, so that products stay within 128 * 127. */
INLINE void
dot_u8(v16i *acc, const v64u *w, int32_t x)
{
	union halves sum = {.i = *acc}, weights = {.u = *w ^ 0x80};
	__m256i four = _mm256_set1_epi32(x), ones = _mm256_set1_epi16(1);

	UNROLL
	for (int half = 0; half < 2; half++) {
		__m256i size = _mm256_abs_epi8(weights.integer[half]);

		sum.integer[half] = _mm256_add_epi32(
		    sum.integer[half],
		    _mm256_madd_epi16(
		        _mm256_maddubs_epi16(size, _mm256_sign_epi8(four, weights.integer[half])), ones));
	}
	*acc = sum.i;
}

INLINE void
store_half16(void *to, const v16 *value)
{
	union halves both = {.f = *value};

	_mm_storeu_si128((__m128i_u *)to, _mm256_cvtps_ph(both.single[0], _MM_FROUND_TO_NEAREST_INT));
	_mm_storeu_si128((__m128i_u *)to + 1, _mm256_cvtps_ph(both.single[1], _MM_FROUND_TO_NEAREST_INT));
}

INLINE void
round16(const v16 *value, v16i *out)
{
	union halves both = {.f = *value};

	both.integer[0] = _mm256_cvtps_epi32(both.single[0]);
	both.integer[1] = _mm256_cvtps_epi32(both.single[1]);
	*out = both.i;
}

#include "inference/kernel_body.h"
#include "inference/kernel_latent.h"
#include "inference/kernel_packed.h"

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .packs = true,
    .rms_norm = rms_norm_avx2,
    .quantise = quantise_avx2,
    .silu_multiply = silu_multiply_avx2,
    .multiply = multiply_avx2,
    .halve = halve_avx2,
    .attend16 = attend16_avx2,
    .attend32 = attend32_avx2,
    .attend_latent16 = attend_latent16_avx2,
    .attend_latent32 = attend_latent32_avx2,
};
#endif
