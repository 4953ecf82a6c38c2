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

/* Put the unsigned value of column `column` (0-31) of row `row` (0-15) into a block. */
static void
put(uint32_t type, uint8_t *block, unsigned row, unsigned column, unsigned value)
{
	unsigned k = column / 4, at = row * 4 + column % 4;

	if (type == QUANT_Q8_0 || type == QUANT_Q5_0) {
		block[64 * k + at] = (uint8_t)value;
		return;
	}
	block[64 * (k % 4) + at] |= (uint8_t)((value & 15u) << (k / 4 * 4));
	if (type == QUANT_Q5_K)
		block[256 + at] |= (uint8_t)((value >> 4 & 1u) << k);
	else if (type == QUANT_Q6_K)
		block[256 + 64 * (k / 4) + at] |= (uint8_t)((value >> 4 & 3u) << (2 * (k % 4)));
}

/* One row of one block of 32 or 256, as the file has it. */
static void
pack_row(uint32_t type, const uint8_t *in, uint8_t *blocks, uint8_t *scales, unsigned row)
{
	const size_t size = pack_block_size(type);

	switch (type) {
	case QUANT_Q8_0:
		memcpy(scales + 2 * row, in, 2);
		for (unsigned k = 0; k < 8; k++)
			for (unsigned i = 0; i < 4; i++)
				blocks[64 * k + 4 * row + i] = in[2 + 4 * k + i] ^ 0x80;
		break;
	case QUANT_Q5_0: {
		uint32_t high;

		memcpy(scales + 2 * row, in, 2);
		memcpy(&high, in + 2, 4);
		for (unsigned i = 0; i < 16; i++) {
			put(type, blocks, row, i, ((in[6 + i] & 15u) | (high >> i & 1u) << 4) + 112);
			put(type, blocks, row, i + 16,
			    (in[6 + i] >> 4 | (high >> (i + 16) & 1u) << 4) + 112u);
		}
		break;
	}
	case QUANT_Q4_0: /* the nibbles already lie as they should */
		memcpy(scales + 2 * row, in, 2);
		for (unsigned k = 0; k < 4; k++)
			memcpy(blocks + 64 * k + 4 * row, in + 2 + 4 * k, 4);
		break;
	case QUANT_Q4_K:
	case QUANT_Q5_K: {
		const uint8_t *quants = in + (type == QUANT_Q5_K ? 48 : 16);

		memcpy(scales + 2 * row, in, 2);
		memcpy(scales + 32 + 2 * row, in + 2, 2);
		for (unsigned j = 0; j < 8; j++) {
			unsigned scale, minimum;

			quant_k_scale(in + 4, j, &scale, &minimum);
			scales[64 + 16 * j + row] = (uint8_t)scale;
			scales[192 + 16 * j + row] = (uint8_t)minimum;
			for (unsigned i = 0; i < 32; i++) {
				unsigned value = quants[j / 2 * 32 + i] >> (j % 2 * 4) & 15u;

				if (type == QUANT_Q5_K)
					value |= (in[16 + i] >> j & 1u) << 4;
				put(type, blocks + j * size, row, i, value);
			}
		}
		break;
	}
	default: /* Q6_K */
		memcpy(scales + 2 * row, in + 208, 2);
		for (unsigned j = 0; j < 16; j++)
			scales[32 + 16 * j + row] = in[192 + j];
		for (unsigned n = 0; n < 256; n++) {
			unsigned half = n / 128, quarter = n % 128 / 32, i = n % 32;
			unsigned low = in[64 * half + 32 * (quarter & 1) + i] >> (quarter / 2 * 4) & 15u;
			unsigned high = in[128 + 32 * half + i] >> (quarter * 2) & 3u;

			put(type, blocks + n / 32 * size, row, i, low | high << 4);
		}
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
