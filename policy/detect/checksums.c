/* Law section 8, computed there with its vectors. */
#include "policy/detect/identifiers.h"

static unsigned
weighted(const uint8_t *digit, const uint8_t *weight, size_t count)
{
	unsigned sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (unsigned)digit[i] * weight[i];
	return sum;
}

static const uint8_t resident_weights[12] = {2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5};

bool
checksum_rrn(const uint8_t digit[13])
{
	return (11 - weighted(digit, resident_weights, 12) % 11) % 10 == digit[12];
}

bool
checksum_frn(const uint8_t digit[13])
{
	return (13 - weighted(digit, resident_weights, 12) % 11) % 10 == digit[12];
}

bool
checksum_crn(const uint8_t digit[13])
{
	static const uint8_t weights[12] = {1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2};

	return (10 - weighted(digit, weights, 12) % 10) % 10 == digit[12];
}

bool
checksum_brn(const uint8_t digit[10])
{
	static const uint8_t weights[9] = {1, 3, 7, 1, 3, 7, 1, 3, 5};
	unsigned sum = weighted(digit, weights, 9) + (unsigned)digit[8] * 5 / 10;

	return (10 - sum % 10) % 10 == digit[9];
}

bool
checksum_luhn(const uint8_t *digit, size_t count)
{
	unsigned sum = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned value = digit[count - 1 - i];

		if (i % 2 == 1 && (value *= 2) > 9)
			value -= 9;
		sum += value;
	}
	return sum % 10 == 0;
}
