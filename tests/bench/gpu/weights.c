/*
 * The inner loops of the generator of random-weight models, for make_model.py: an 8 B model in seconds, not minutes.
 * Element i of a tensor is amp * (2 u - 1) + middle, u of splitmix64(base + (i + 1) * GOLDEN); the bytes equal those of
 * the generator itself, which make_model.py --check proves on small models.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define GOLDEN 0x9e3779b97f4a7c15u

static uint64_t
draw(uint64_t base, uint64_t i)
{
	uint64_t z = base + (i + 1) * GOLDEN;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static float
element(uint64_t base, uint64_t i, double amp, double middle)
{
	double unit = (double)(draw(base, i) >> 40) * 0x1p-23 - 1.0;

	unit *= amp;
	return (float)(unit + middle);
}

static uint16_t
to_half(float value)
{
	uint32_t bits, sign, exponent, mantissa, rest;

	memcpy(&bits, &value, 4);
	sign = bits >> 16 & 0x8000u;
	exponent = bits >> 23 & 255u;
	mantissa = bits & 0x7fffffu;
	if (exponent >= 143)
		return (uint16_t)(sign | 0x7c00u);
	if (exponent < 102)
		return (uint16_t)sign;
	if (exponent < 113) { /* subnormal */
		const uint32_t shift = 126 - exponent, whole = mantissa | 0x800000u;

		rest = whole & ((1u << shift) - 1);
		mantissa = whole >> shift;
		mantissa += rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (mantissa & 1u));
		return (uint16_t)(sign | mantissa);
	}
	rest = mantissa & 0x1fffu;
	mantissa = (exponent - 112) << 10 | mantissa >> 13;
	mantissa += rest > 0x1000u || (rest == 0x1000u && (mantissa & 1u));
	return (uint16_t)(sign | mantissa);
}

/* `count` elements from `first` on: bytes of each 2 (1 brain, 0 half). */
void
weights_sixteen(uint64_t base, uint64_t first, uint64_t count, double amp, double middle, int brain, uint16_t *out)
{
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < (int64_t)count; i++) {
		const float value = element(base, first + (uint64_t)i, amp, middle);
		uint32_t bits;

		memcpy(&bits, &value, 4);
		out[i] = brain ? (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16) : to_half(value);
	}
}

void
weights_q8(uint64_t base, uint64_t first, uint64_t count, double amp, double middle, uint8_t *out)
{
#pragma omp parallel for schedule(static)
	for (int64_t block = 0; block < (int64_t)count / 32; block++) {
		float values[32], most = 0, scale, inverse;
		uint8_t *to = out + block * 34;
		uint16_t half;

		for (unsigned i = 0; i < 32; i++) {
			values[i] = element(base, first + (uint64_t)block * 32 + i, amp, middle);
			most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
		}
		scale = most / 127.0f;
		inverse = scale > 0 ? 1.0f / scale : 0.0f;
		half = to_half(scale);
		memcpy(to, &half, 2);
		for (unsigned i = 0; i < 32; i++) {
			const float x = values[i] * inverse, whole = floorf(fabsf(x) + 0.5f);

			to[2 + i] = (uint8_t)(int8_t)(x < 0 ? -whole : whole);
		}
	}
}

/* `count` blocks of 256 from `first` on, of 144 (four bits) or 210 bytes (six); `head` holds their halves. */
void
weights_k(uint64_t base, uint64_t first, uint64_t count, int six, const uint8_t head[4], uint8_t *out)
{
#pragma omp parallel for schedule(static)
	for (int64_t block = 0; block < (int64_t)count; block++) {
		uint8_t *to = out + block * (six ? 210 : 144), bytes[256];

		for (uint64_t i = 0; i < 32; i++) {
			const uint64_t word = draw(base, (first + (uint64_t)block) * 32 + i);

			memcpy(bytes + 8 * i, &word, 8);
		}
		if (six) {
			memcpy(to, bytes + 16, 192);
			for (unsigned i = 0; i < 16; i++) {
				const int step = 64 + (bytes[i] & 63);

				to[192 + i] = (uint8_t)(int8_t)(bytes[i] & 64 ? step : -step);
			}
			memcpy(to + 208, head, 2);
			continue;
		}
		memcpy(to, head, 4);
		for (unsigned i = 0; i < 4; i++) {
			const unsigned low = 32 + (bytes[i] & 31u), high = 32 + (bytes[4 + i] & 31u);

			to[4 + i] = to[8 + i] = (uint8_t)(low | high >> 4 << 6);
			to[12 + i] = (uint8_t)((high & 15u) * 17);
		}
		memcpy(to + 16, bytes + 8, 128);
	}
}
