/*
 * pack -- quantised matrices in the order in which the vector kernels want them.
 *
 * Sixteen rows form a group (the last one is filled up with zeros): first all their blocks of 32 columns, then all
 * their scales. In a block, vector k of 64 bytes holds columns 4k ... 4k + 3 of the sixteen rows, four bytes a row:
 *
 *	Q8_0        8 vectors, each value plus 128
 *	4 bits      4 vectors; vector k keeps columns of vector k + 4 in its high nibbles
 *	Q5_K        and one vector more: bit k holds the fifth bit of vector k
 *	Q6_K        and two more, for vectors 0-3 and 4-7: two bits each, from the low end
 *
 * Scales of sixteen rows: Q8_0, Q4_0 a half each; Q4_K, Q5_K d and dmin as halves, then 8 scales of a byte, and 8
 * minima, two of a row beside one another; Q6_K d, then 16 signed scales, also by two. Q5_0 is packed as Q8_0.
 */
#ifndef HAECHI_INFERENCE_PACK_H
#define HAECHI_INFERENCE_PACK_H

#include "inference/quant.h"

static inline size_t
pack_block_size(uint32_t type)
{
	return type == QUANT_Q8_0 || type == QUANT_Q5_0 ? 512
	       : type == QUANT_Q5_K                     ? 320
	       : type == QUANT_Q6_K                     ? 384
	                                                : 256;
}

/* Blocks of 32 that share a set of scales. */
static inline size_t
pack_super(uint32_t type)
{
	return type == QUANT_Q4_K || type == QUANT_Q5_K || type == QUANT_Q6_K ? 8 : 1;
}

static inline size_t
pack_scales_size(uint32_t type)
{
	return type == QUANT_Q4_K || type == QUANT_Q5_K ? 320 : type == QUANT_Q6_K ? 288 : 32;
}

static inline size_t
pack_group_size(uint32_t type, size_t columns)
{
	size_t blocks = columns / 32;
	size_t size = blocks * pack_block_size(type) + blocks / pack_super(type) * pack_scales_size(type);

	return (size + 63) / 64 * 64;
}

#endif
