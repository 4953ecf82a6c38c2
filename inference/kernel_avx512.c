/* Kernels for AVX-512 with VNNI (Ice Lake, Zen 4 and later), and with a matrix unit (Sapphire Rapids and later). */
#include "inference/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET        __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c")))
#define KERNEL(name)  name##_avx512
#define LANES         16
#define TILE_ROWS     4
#define TILE_TOKENS   6
#define PACKED_TOKENS 4
#define PREFETCH      4096
#define U8_BIAS       true

#include "inference/kernel_vectors.h"

INLINE void
load_halves(const void *from, vf *out)
{
	*out = (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)from));
}

/* Sixteen bytes as numbers. */
INLINE void
widen_bytes(const void *from, vi *out)
{
	*out = (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)from));
}

/* Sixteen pairs of bytes, signed or not, as pairs of words. */
INLINE void
widen_pairs(const void *from, bool negative, vi *out)
{
	__m256i bytes = _mm256_loadu_si256((const __m256i_u *)from);

	*out = (vi)(negative ? _mm512_cvtepi8_epi16(bytes) : _mm512_cvtepu8_epi16(bytes));
}

INLINE void
dot_pairs(vi *acc, const vi *w, int32_t x)
{
	*acc = (vi)_mm512_dpwssd_epi32((__m512i)*acc, (__m512i)*w, _mm512_set1_epi32(x));
}

INLINE void
dot_u8(vi *acc, const vb *w, int32_t x)
{
	*acc = (vi)_mm512_dpbusd_epi32((__m512i)*acc, (__m512i)*w, _mm512_set1_epi32(x));
}

#define dot_u7 dot_u8

INLINE void
store_halves(void *to, const vf *value)
{
	_mm256_storeu_si256((__m256i_u *)to, _mm512_cvtps_ph((__m512)*value, _MM_FROUND_TO_NEAREST_INT));
}

INLINE void
round_lanes(const vf *value, vi *out)
{
	*out = (vi)_mm512_cvtps_epi32((__m512)*value);
}

#include "inference/kernel_body.h"
#include "inference/kernel_latent.h"
#include "inference/kernel_packed.h"
#include "inference/kernel_tiles.h"

const struct kernels kernels_avx512 = {
    .name = "avx512-vnni",
    .packs = true,
    .rms_norm = rms_norm_avx512,
    .quantise = quantise_avx512,
    .silu_multiply = silu_multiply_avx512,
    .multiply = multiply_avx512,
    .halve = halve_avx512,
    .attend16 = attend16_avx512,
    .attend32 = attend32_avx512,
    .attend_latent16 = attend_latent16_avx512,
    .attend_latent32 = attend_latent32_avx512,
};

const struct kernels kernels_amx = {
    .name = "amx-int8",
    .packs = true,
    .rms_norm = rms_norm_avx512,
    .quantise = quantise_avx512,
    .silu_multiply = silu_multiply_avx512,
    .multiply = multiply_tiles,
    .halve = halve_avx512,
    .attend16 = attend16_avx512,
    .attend32 = attend32_avx512,
    .attend_latent16 = attend_latent16_avx512,
    .attend_latent32 = attend_latent32_avx512,
};
#endif
