/*
 * Numbers within bounds, digit by digit: a digit may come when some number that begins so is within them. Numbers of at
 * most 15 digits are exact as doubles once divided by a power of ten, so bounds are compared as readers will compare.
 */
#include <math.h>
#include <string.h>

#include "inference/constraint_inside.h"

static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static uint64_t
power(unsigned exponent)
{
	return (uint64_t)powers[exponent];
}

/* The number of `digits`, of which `places` stand behind the point, is within the bounds. */
static bool
within(const struct node *node, bool negative, uint64_t digits, unsigned places)
{
	const double value = (negative ? -1.0 : 1.0) * ((double)digits / powers[places]);

	if (node->multiple > 1 && digits % (uint64_t)node->multiple != 0)
		return false;
	/* As validators divide: 8352.3 is to them no multiple of 0.01, and so it is not said. */
	if (node->step > 0 && value / node->step != rint(value / node->step))
		return false;
	return (node->above ? value > node->least_value : value >= node->least_value) &&
	       (node->below ? value < node->most_value : value <= node->most_value);
}

/* Some number of first..last is. */
static bool
some_within(const struct node *node, bool negative, uint64_t first, uint64_t last, unsigned places)
{
	const double bound = negative ? -node->most_value : node->least_value; /* the one nearer to zero */
	const uint64_t step = node->multiple > 1 ? (uint64_t)node->multiple : 1;
	const double scaled = bound * powers[places];
	uint64_t nearest = scaled <= 2 ? 0 : scaled >= 2e15 ? UINT64_MAX / 4 : (uint64_t)scaled - 2;

	if (nearest < first)
		nearest = first;
	nearest = (nearest + step - 1) / step * step;
	/*
	 * Numbers that fit lie side by side: one of the first few beyond the bound does, or none. Of decimal steps some
	 * are left out; what is found here is found again, digit by digit, since it is as near to where those begin.
	 */
	for (unsigned i = 0; i < (node->step > 0 ? 64 : 6) && nearest <= last; i++, nearest += step)
		if (within(node, negative, nearest, places))
			return true;
	return false;
}

/* Some number that begins like this one is within the bounds. */
static bool
reaches(const struct node *node, const struct constraint_frame *frame)
{
	const unsigned count = frame->count, room = DIGITS_LIMIT - count;
	const uint64_t digits = frame->number;
	const unsigned decimals = node->whole ? 0 : node->decimals;

	if (frame->phase == NUMBER_POINT || frame->phase == NUMBER_FRACTION) {
		for (unsigned more = frame->phase == NUMBER_POINT;
		     more <= room && frame->detail + more <= decimals; more++)
			if (some_within(node, frame->negative, digits * power(more),
			                digits * power(more) + power(more) - 1, frame->detail + more))
				return true;
		return false;
	}
	for (unsigned more = 0; more <= (frame->phase == NUMBER_DIGITS ? room : 0); more++)
		for (unsigned places = 0; places <= decimals && more + places <= room; places++)
			if (some_within(node, frame->negative, digits * power(more + places),
			                digits * power(more + places) + power(more + places) - 1, places))
				return true;
	return false;
}

static bool
minus_reaches(const struct node *node)
{
	struct constraint_frame zero = {.phase = NUMBER_ZERO, .negative = true, .count = 1};

	if (reaches(node, &zero))
		return true;
	for (unsigned digit = 1; digit < 10; digit++) {
		struct constraint_frame frame = {
		    .phase = NUMBER_DIGITS, .negative = true, .count = 1, .number = digit};

		if (reaches(node, &frame))
			return true;
	}
	return false;
}

/* The next phase, as JSON has it; -1: none. */
static int
next_phase(uint8_t phase, uint8_t byte, bool whole)
{
	const bool digit = byte >= '0' && byte <= '9';

	switch (phase) {
	case NUMBER_MINUS:
		return byte == '0' ? NUMBER_ZERO : digit ? NUMBER_DIGITS : -1;
	case NUMBER_DIGITS:
	case NUMBER_ZERO:
		if (digit)
			return phase == NUMBER_DIGITS ? NUMBER_DIGITS : -1;
		if (whole)
			return -1;
		return byte == '.' ? NUMBER_POINT : (byte | 32) == 'e' ? NUMBER_E : -1;
	case NUMBER_POINT:
		return digit ? NUMBER_FRACTION : -1;
	case NUMBER_FRACTION:
		return digit ? NUMBER_FRACTION : (byte | 32) == 'e' ? NUMBER_E : -1;
	case NUMBER_E:
		return digit ? NUMBER_EXPONENT : byte == '+' || byte == '-' ? NUMBER_SIGN : -1;
	case NUMBER_SIGN:
		return digit ? NUMBER_EXPONENT : -1;
	case NUMBER_EXPONENT: /* 1e99 is a number for every reader, 1e999 for none */
		return digit ? NUMBER_TENS : -1;
	default:
		return -1;
	}
}

bool
number_byte(const struct node *node, struct constraint_frame *frame, uint8_t byte, bool first)
{
	struct constraint_frame next = *frame;
	int phase;

	if (first) {
		phase = byte == '-' ? NUMBER_MINUS : byte == '0' ? NUMBER_ZERO : NUMBER_DIGITS;
		next.negative = byte == '-';
	} else {
		phase = next_phase(frame->phase, byte, node->whole);
	}
	if (phase == -1)
		return false;
	next.phase = (uint8_t)phase;
	if (byte >= '0' && byte <= '9') {
		if (next.count == DIGITS_LIMIT)
			return false;
		next.count++;
		next.number = next.number * 10 + (byte - '0');
		next.detail = (uint8_t)(next.detail + (phase == NUMBER_FRACTION));
	} else if ((phase == NUMBER_POINT || phase == NUMBER_E) && next.count > DIGITS_LIMIT - 2) {
		return false; /* a digit must still find room */
	}
	if (node->bounded &&
	    (phase >= NUMBER_E || !(phase == NUMBER_MINUS ? minus_reaches(node) : reaches(node, &next))))
		return false;
	*frame = next;
	return true;
}

bool
number_ends(const struct node *node, const struct constraint_frame *frame)
{
	if (frame->phase != NUMBER_ZERO && frame->phase != NUMBER_DIGITS && frame->phase != NUMBER_FRACTION &&
	    frame->phase != NUMBER_EXPONENT && frame->phase != NUMBER_TENS)
		return false;
	return !node->bounded || within(node, frame->negative, frame->number, frame->detail);
}

bool
number_exists(const struct node *node)
{
	struct constraint_frame frame = {.count = 0};

	for (const char *begin = "-0123456789"; *begin != '\0'; begin++) {
		memset(&frame, 0, sizeof frame);
		if (number_byte(node, &frame, (uint8_t)*begin, true))
			return true;
	}
	return false;
}
