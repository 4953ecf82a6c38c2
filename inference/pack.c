#include "inference/pack.h"

#include <string.h>

#include "inference/kernel.h"

bool
kernel_quantised(uint32_t type)
{
	return type != QUANT_F32 && type != QUANT_F16 && type != QUANT_BF16;
}

size_t
kernel_packed_size(const struct matrix *matrix)
{
	size_t groups = (matrix->rows + KERNEL_GROUP - 1) / KERNEL_GROUP;

	if (!kernel_quantised(matrix->type))
		return 0;
	return groups * pack_group_size(matrix->type, matrix->columns);
}

static uint64_t
eight(const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, 8);
	return word;
}

static uint32_t
four(const uint8_t *from)
{
	uint32_t word;

	memcpy(&word, from, 4);
	return word;
}

static void
put_four(uint8_t *to, uint32_t word)
{
	memcpy(to, &word, 4);
}

/*
 * Nibbles of 32 columns, which lie in 32 bytes at `from` (low ones, or high ones), to their 16 bytes: column i and
 * column i + 16 share one. Eight bytes at a time.
 */
static void
pack_nibbles(const uint8_t *from, unsigned shift, uint8_t *block, unsigned row)
{
	const uint64_t mask = 0x0f0f0f0f0f0f0f0fu;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t both =
		    (eight(from + 8 * i) >> shift & mask) | (eight(from + 16 + 8 * i) >> shift & mask) << 4;

		put_four(block + 64 * (2 * i) + 4 * row, (uint32_t)both);
		put_four(block + 64 * (2 * i + 1) + 4 * row, (uint32_t)(both >> 32));
	}
}

static void
pack_q4_k(uint32_t type, const uint8_t *in, uint8_t *blocks, uint8_t *scales, unsigned row)
{
	const uint8_t *quants = in + (type == QUANT_Q5_K ? 48 : 16);
	const size_t size = pack_block_size(type);

	memcpy(scales + 2 * row, in, 2);
	memcpy(scales + 32 + 2 * row, in + 2, 2);
	for (unsigned j = 0; j < 8; j++) {
		unsigned scale, minimum;
		uint32_t high = 0;

		quant_k_scale(in + 4, j, &scale, &minimum);
		scales[64 + 16 * j + row] = (uint8_t)scale;
		scales[192 + 32 * (j / 2) + 2 * row + j % 2] = (uint8_t)minimum;
		pack_nibbles(quants + j / 2 * 32, j % 2 * 4, blocks + j * size, row);
		if (type != QUANT_Q5_K)
			continue;
		for (unsigned k = 0; k < 8; k++)
			high |= (four(in + 16 + 4 * k) >> j & 0x01010101u) << k;
		put_four(blocks + j * size + 256 + 4 * row, high);
	}
}

static void
pack_q6_k(const uint8_t *in, uint8_t *blocks, uint8_t *scales, unsigned row)
{
	const size_t size = pack_block_size(QUANT_Q6_K);

	memcpy(scales + 2 * row, in + 208, 2);
	for (unsigned j = 0; j < 16; j++)
		scales[32 + 32 * (j / 2) + 2 * row + j % 2] = in[192 + j];
	for (unsigned j = 0; j < 8; j++) {
		unsigned half = j / 4, quarter = j % 4;
		const uint8_t *high = in + 128 + 32 * half;

		pack_nibbles(in + 64 * half + 32 * (quarter & 1), quarter / 2 * 4, blocks + j * size, row);
		for (unsigned i = 0; i < 2; i++) {
			uint32_t bits = 0;

			for (unsigned k = 0; k < 4; k++)
				bits |= (four(high + 16 * i + 4 * k) >> 2 * quarter & 0x03030303u) << 2 * k;
			put_four(blocks + j * size + 256 + 64 * i + 4 * row, bits);
		}
	}
}

/* One row of one block of 32 or 256, as the file has it. */
static void
pack_row(uint32_t type, const uint8_t *in, uint8_t *blocks, uint8_t *scales, unsigned row)
{
	uint32_t high;

	switch (type) {
	case QUANT_Q8_0:
		memcpy(scales + 2 * row, in, 2);
		for (unsigned k = 0; k < 8; k++)
			put_four(blocks + 64 * k + 4 * row, four(in + 2 + 4 * k) ^ 0x80808080u);
		break;
	case QUANT_Q5_0: /* as Q8_0: minus 16, plus 128 */
		memcpy(scales + 2 * row, in, 2);
		high = four(in + 2);
		for (unsigned i = 0; i < 32; i++) {
			unsigned value = (in[6 + i % 16] >> (i / 16 * 4) & 15u) | (high >> i & 1u) << 4;

			blocks[64 * (i / 4) + 4 * row + i % 4] = (uint8_t)(value + 112);
		}
		break;
	case QUANT_Q4_0: /* the nibbles already lie as they should */
		memcpy(scales + 2 * row, in, 2);
		for (unsigned k = 0; k < 4; k++)
			put_four(blocks + 64 * k + 4 * row, four(in + 2 + 4 * k));
		break;
	case QUANT_Q4_K:
	case QUANT_Q5_K:
		pack_q4_k(type, in, blocks, scales, row);
		break;
	default:
		pack_q6_k(in, blocks, scales, row);
	}
}

void
kernel_pack(const struct matrix *matrix, size_t first, size_t last, uint8_t *out)
{
	const uint32_t type = matrix->type;
	const size_t size = pack_group_size(type, matrix->columns), super = pack_super(type);
	const size_t count = matrix->columns / 32 / super, in_size = matrix->row_size / count;

	for (size_t group = first; group < last; group++) {
		uint8_t *blocks = out + group * size;
		uint8_t *scales = blocks + count * super * pack_block_size(type);

		memset(blocks, 0, size);
		/* Block by block, so that what is written stays in the cache while sixteen rows fill it. */
		for (size_t b = 0; b < count; b++)
			for (unsigned row = 0;
			     row < KERNEL_GROUP && group * KERNEL_GROUP + row < matrix->rows; row++)
				pack_row(type,
				         matrix->data + (group * KERNEL_GROUP + row) * matrix->row_size +
				             b * in_size,
				         blocks + b * super * pack_block_size(type),
				         scales + b * pack_scales_size(type), row);
	}
}
