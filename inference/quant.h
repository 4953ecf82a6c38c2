/*
 * quant -- the types in which weights are stored, and what they mean as numbers.
 *
 * Numbers are those of GGUF files. quant_row() is the definition of each type; the kernels must agree with it.
 */
#ifndef HAECHI_INFERENCE_QUANT_H
#define HAECHI_INFERENCE_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quant_type {
	QUANT_F32 = 0,
	QUANT_F16 = 1,
	QUANT_Q4_0 = 2,
	QUANT_Q4_1 = 3,
	QUANT_Q5_0 = 6,
	QUANT_Q5_1 = 7,
	QUANT_Q8_0 = 8,
	QUANT_Q4_K = 12,
	QUANT_Q5_K = 13,
	QUANT_Q6_K = 14,
	QUANT_BF16 = 30,
};

struct quant_kind {
	const char *name;
	uint16_t block; /* values in a block */
	uint16_t bytes; /* bytes of a block */
	bool supported; /* false: known by name and size, so that refusals can be exact */
};

/* NULL for a number that nobody has assigned. */
const struct quant_kind *quant_kind(uint32_t type);

/* Bytes of a row of `columns` values; 0 when columns is no multiple of the block. */
size_t quant_row_size(uint32_t type, uint64_t columns);

/* Row of `columns` values at `data`, of a supported type, as floats. */
void quant_row(uint32_t type, const void *data, float *out, size_t columns);

float half_to_float(uint16_t half);
uint16_t float_to_half(float value); /* round to nearest even */

/* Scale and minimum `index` (0-7) of the 12 packed bytes of a Q4_K or Q5_K block. */
static inline void
quant_k_scale(const uint8_t packed[12], unsigned index, unsigned *scale, unsigned *minimum)
{
	if (index < 4) {
		*scale = packed[index] & 63u;
		*minimum = packed[index + 4] & 63u;
	} else {
		*scale = (packed[index + 4] & 15u) | (unsigned)(packed[index - 4] >> 6) << 4;
		*minimum = (unsigned)(packed[index + 4] >> 4) | (unsigned)(packed[index] >> 6) << 4;
	}
}

#endif
