/* Kernels for AVX2 with FMA and half-precision loads (Haswell, Zen and later). */
#include "inference/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET        __attribute__((target("avx2,fma,f16c")))
#define KERNEL(name)  name##_avx2
#define LANES         8
#define TILE_ROWS     2
#define TILE_TOKENS   6
#define PACKED_TOKENS 2
#define PREFETCH      2048
#define U8_BIAS       false

#include "inference/kernel_vectors.h"

INLINE void
load_halves(const void *from, vf *out)
{
	*out = (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)from));
}

/* Eight bytes as numbers. */
INLINE void
widen_bytes(const void *from, vi *out)
{
	*out = (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)from));
}

/* Eight pairs of bytes, signed or not, as pairs of words. */
INLINE void
widen_pairs(const void *from, bool negative, vi *out)
{
	__m128i bytes = _mm_loadu_si128((const __m128i_u *)from);

	*out = (vi)(negative ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes));
}

INLINE void
dot_pairs(vi *acc, const vi *w, int32_t x)
{
	*acc += (vi)_mm256_madd_epi16((__m256i)*w, _mm256_set1_epi32(x));
}

INLINE void
dot_u7(vi *acc, const vb *w, int32_t x)
{
	__m256i words = _mm256_maddubs_epi16((__m256i)*w, _mm256_set1_epi32(x));

	*acc += (vi)_mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

/* maddubs saturates at 16 bits: the weight's sign moves over to x, so that products stay within 128 * 127. */
INLINE void
dot_u8(vi *acc, const vb *w, int32_t x)
{
	__m256i weights = (__m256i)(*w ^ 0x80), four = _mm256_sign_epi8(_mm256_set1_epi32(x), weights);
	__m256i words = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), four);

	*acc += (vi)_mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

INLINE void
store_halves(void *to, const vf *value)
{
	_mm_storeu_si128((__m128i_u *)to, _mm256_cvtps_ph((__m256)*value, _MM_FROUND_TO_NEAREST_INT));
}

INLINE void
round_lanes(const vf *value, vi *out)
{
	*out = (vi)_mm256_cvtps_epi32((__m256)*value);
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
