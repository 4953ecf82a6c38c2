/*
 * blocks -- sixty-four bytes of text looked at together: one bit for each byte of a kind.
 *
 * Every amd64 processor has these instructions; elsewhere plain C gives the same bits.
 */
#ifndef HAECHI_POLICY_DETECT_BLOCKS_H
#define HAECHI_POLICY_DETECT_BLOCKS_H

#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK 64

/* Bit i: byte i of the block lies between `low` and `high`, both counted in. */
static inline uint64_t
block_between(const uint8_t *block, uint8_t low, uint8_t high)
{
	uint64_t bits = 0;

#if defined(__SSE2__)
#pragma GCC unroll 4
	for (unsigned i = 0; i < BLOCK / 16; i++) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + (size_t)16 * i)),
		        above = _mm_sub_epi8(bytes, _mm_set1_epi8((char)low)),
		        in = _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(high - low))), above);

		bits |= (uint64_t)(unsigned)_mm_movemask_epi8(in) << 16 * i;
	}
#else
	for (unsigned i = 0; i < BLOCK; i++)
		bits |= (uint64_t)(block[i] >= low && block[i] <= high) << i;
#endif
	return bits;
}

static inline uint64_t
block_equal(const uint8_t *block, uint8_t byte)
{
#if defined(__SSE2__)
	uint64_t bits = 0;

#pragma GCC unroll 4
	for (unsigned i = 0; i < BLOCK / 16; i++) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + (size_t)16 * i));

		bits |=
		    (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)byte)))
		    << 16 * i;
	}
	return bits;
#else
	return block_between(block, byte, byte);
#endif
}

#endif
