#include "inference/quant.h"

#include <string.h>

static const struct {
	uint32_t type;
	struct quant_kind kind;
} kinds[] = {
    {QUANT_F32,  {"F32", 1, 4, true}        },
    {QUANT_F16,  {"F16", 1, 2, true}        },
    {QUANT_Q4_0, {"Q4_0", 32, 18, true}     },
    {QUANT_Q4_1, {"Q4_1", 32, 20, true}     },
    {QUANT_Q5_0, {"Q5_0", 32, 22, true}     },
    {QUANT_Q5_1, {"Q5_1", 32, 24, true}     },
    {QUANT_Q8_0, {"Q8_0", 32, 34, true}     },
    {10,         {"Q2_K", 256, 84, false}   },
    {11,         {"Q3_K", 256, 110, false}  },
    {QUANT_Q4_K, {"Q4_K", 256, 144, true}   },
    {QUANT_Q5_K, {"Q5_K", 256, 176, true}   },
    {QUANT_Q6_K, {"Q6_K", 256, 210, true}   },
    {16,         {"IQ2_XXS", 256, 66, false}},
    {17,         {"IQ2_XS", 256, 74, false} },
    {18,         {"IQ3_XXS", 256, 98, false}},
    {19,         {"IQ1_S", 256, 50, false}  },
    {20,         {"IQ4_NL", 32, 18, false}  },
    {21,         {"IQ3_S", 256, 110, false} },
    {22,         {"IQ2_S", 256, 82, false}  },
    {23,         {"IQ4_XS", 256, 136, false}},
    {24,         {"I8", 1, 1, false}        },
    {25,         {"I16", 1, 2, false}       },
    {26,         {"I32", 1, 4, false}       },
    {27,         {"I64", 1, 8, false}       },
    {28,         {"F64", 1, 8, false}       },
    {29,         {"IQ1_M", 256, 56, false}  },
    {QUANT_BF16, {"BF16", 1, 2, true}       },
    {34,         {"TQ1_0", 256, 54, false}  },
    {35,         {"TQ2_0", 256, 66, false}  },
    {39,         {"MXFP4", 32, 17, false}   },
    {40,         {"NVFP4", 64, 36, false}   },
};

const struct quant_kind *
quant_kind(uint32_t type)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].type == type)
			return &kinds[i].kind;
	return NULL;
}

size_t
quant_row_size(uint32_t type, uint64_t columns)
{
	const struct quant_kind *kind = quant_kind(type);

	if (kind == NULL || columns == 0 || columns % kind->block != 0 || columns > SIZE_MAX / 4)
		return 0;
	return (size_t)(columns / kind->block) * kind->bytes;
}

float
half_to_float(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
	uint32_t exponent = half >> 10 & 31u;
	uint32_t fraction = half & 0x3ffu;
	uint32_t bits;
	float value;

	if (exponent == 0) {
		value = (float)fraction * 0x1p-24f;
		memcpy(&bits, &value, 4);
		bits |= sign;
	} else if (exponent == 31) {
		bits = sign | 0x7f800000u | fraction << 13;
	} else {
		bits = sign | (exponent + 112) << 23 | fraction << 13;
	}
	memcpy(&value, &bits, 4);
	return value;
}

uint16_t
float_to_half(float value)
{
	uint32_t bits, sign, rest;

	memcpy(&bits, &value, 4);
	sign = bits >> 16 & 0x8000u;
	bits &= 0x7fffffffu;
	if (bits > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00u);
	if (bits >= 0x477ff000u) /* rounds to 65536 or more */
		return (uint16_t)(sign | 0x7c00u);
	if (bits < 0x38800000u) { /* below the smallest normal half: in units of 2^-24 */
		float magnitude, scaled;

		memcpy(&magnitude, &bits, 4);
		scaled = magnitude * 0x1p24f + 0x1p23f; /* the addition rounds to nearest even */
		memcpy(&rest, &scaled, 4);
		return (uint16_t)(sign | (rest & 0x7ffu));
	}
	bits += 0xfffu + (bits >> 13 & 1u);
	return (uint16_t)(sign | (bits - 0x38000000u) >> 13);
}

static float
half_at(const uint8_t *data)
{
	uint16_t half;

	memcpy(&half, data, 2);
	return half_to_float(half);
}

static void
row_q4_k(const uint8_t *data, float *out, bool five)
{
	const uint8_t *quants = data + (five ? 48 : 16);
	float scale = half_at(data), minimum = half_at(data + 2);

	for (unsigned j = 0; j < 8; j++) {
		unsigned s, m;
		float step, base;

		quant_k_scale(data + 4, j, &s, &m);
		step = scale * (float)s;
		base = minimum * (float)m;
		for (unsigned i = 0; i < 32; i++) {
			unsigned q = quants[j / 2 * 32 + i] >> (j % 2 * 4) & 15u;

			if (five)
				q |= (data[16 + i] >> j & 1u) << 4;
			out[j * 32 + i] = step * (float)q - base;
		}
	}
}

/* 32 values with a least one; four bits each, and those of `high` above them. */
static void
row_q5_1(const uint8_t *data, const uint8_t *quants, uint32_t high, float *out)
{
	const float step = half_at(data), base = half_at(data + 2);

	for (unsigned i = 0; i < 16; i++) {
		out[i] = step * (float)((quants[i] & 15u) | (high >> i & 1u) << 4) + base;
		out[i + 16] =
		    step * (float)((unsigned)(quants[i] >> 4) | (high >> (i + 16) & 1u) << 4) + base;
	}
}

static void
row_q6_k(const uint8_t *data, float *out)
{
	const int8_t *scales = (const int8_t *)data + 192;
	float d = half_at(data + 208);

	for (unsigned n = 0; n < 256; n++) {
		unsigned half = n / 128, quarter = n % 128 / 32, i = n % 32;
		unsigned low = data[64 * half + 32 * (quarter & 1) + i] >> (quarter / 2 * 4) & 15u;
		unsigned high = data[128 + 32 * half + i] >> (quarter * 2) & 3u;

		out[n] = d * (float)scales[n / 16] * (float)((int)(low | high << 4) - 32);
	}
}

void
quant_row(uint32_t type, const void *data, float *out, size_t columns)
{
	const uint8_t *at = data;

	switch (type) {
	case QUANT_F32:
		memcpy(out, data, columns * 4);
		break;
	case QUANT_F16:
		for (size_t i = 0; i < columns; i++)
			out[i] = half_at(at + 2 * i);
		break;
	case QUANT_BF16:
		for (size_t i = 0; i < columns; i++) {
			uint32_t bits = (uint32_t)at[2 * i] << 16 | (uint32_t)at[2 * i + 1] << 24;

			memcpy(&out[i], &bits, 4);
		}
		break;
	case QUANT_Q8_0:
		for (size_t b = 0; b < columns / 32; b++, at += 34, out += 32) {
			float d = half_at(at);

			for (unsigned i = 0; i < 32; i++)
				out[i] = d * (float)(int8_t)at[2 + i];
		}
		break;
	case QUANT_Q4_0:
		for (size_t b = 0; b < columns / 32; b++, at += 18, out += 32) {
			float d = half_at(at);

			for (unsigned i = 0; i < 16; i++) {
				out[i] = d * (float)((at[2 + i] & 15) - 8);
				out[i + 16] = d * (float)((at[2 + i] >> 4) - 8);
			}
		}
		break;
	case QUANT_Q5_0:
		for (size_t b = 0; b < columns / 32; b++, at += 22, out += 32) {
			float d = half_at(at);
			uint32_t high;

			memcpy(&high, at + 2, 4);
			for (unsigned i = 0; i < 16; i++) {
				out[i] = d * (float)((int)((at[6 + i] & 15u) | (high >> i & 1u) << 4) - 16);
				out[i + 16] =
				    d * (float)((int)(at[6 + i] >> 4 | (high >> (i + 16) & 1u) << 4) - 16);
			}
		}
		break;
	case QUANT_Q4_1:
		for (size_t b = 0; b < columns / 32; b++, at += 20, out += 32)
			row_q5_1(at, at + 4, 0, out);
		break;
	case QUANT_Q5_1:
		for (size_t b = 0; b < columns / 32; b++, at += 24, out += 32) {
			uint32_t high;

			memcpy(&high, at + 4, 4);
			row_q5_1(at, at + 8, high, out);
		}
		break;
	case QUANT_Q4_K:
		for (size_t b = 0; b < columns / 256; b++, at += 144, out += 256)
			row_q4_k(at, out, false);
		break;
	case QUANT_Q5_K:
		for (size_t b = 0; b < columns / 256; b++, at += 176, out += 256)
			row_q4_k(at, out, true);
		break;
	case QUANT_Q6_K:
		for (size_t b = 0; b < columns / 256; b++, at += 210, out += 256)
			row_q6_k(at, out);
		break;
	default: /* the loader lets no other type through */
		memset(out, 0, columns * sizeof *out);
	}
}
