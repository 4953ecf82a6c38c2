/* Sets of characters as ranges. */
#include <stdlib.h>
#include <string.h>

#include "inference/pattern_inside.h"

/* What a JSON text can hold without \u00XX. */
static const struct range alphabet[] = {
    {8,      10      },
    {12,     13      },
    {0x20,   0xd7ff  },
    {0xe000, 0x10ffff}
};

static int
by_first(const void *a, const void *b)
{
	const struct range *one = a, *other = b;

	return one->first < other->first ? -1 : one->first > other->first;
}

/* Characters that are being gathered for a set; behind all ranges until it is done. */
int
expression_range(struct expression *expression, uint32_t first, uint32_t last, struct fault *why)
{
	if (expression->range_count + 1 >= RANGES_LIMIT)
		return pattern_too_large(why);
	expression->ranges[expression->range_count++] = (struct range){first, last};
	return 0;
}

/* Ranges from `from` on: sorted, joined, within the alphabet; turned into their opposite if wanted. */
int
expression_settle(struct expression *expression, uint32_t from, bool opposite, struct fault *why)
{
	struct range *ranges = expression->ranges + from;
	const uint32_t count = expression->range_count - from;
	uint32_t kept = 0, next = 0;
	struct range *made;

	qsort(ranges, count, sizeof *ranges, by_first);
	for (uint32_t i = 0; i < count; i++)
		if (kept > 0 && ranges[i].first <= ranges[kept - 1].last + 1) {
			if (ranges[i].last > ranges[kept - 1].last)
				ranges[kept - 1].last = ranges[i].last;
		} else {
			ranges[kept++] = ranges[i];
		}
	if ((made = calloc((size_t)kept + 8, 2 * sizeof *made)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < sizeof alphabet / sizeof *alphabet; i++) {
		uint32_t at = alphabet[i].first;

		for (uint32_t j = 0; j < kept; j++) {
			uint32_t first = ranges[j].first > at ? ranges[j].first : at;
			uint32_t last = ranges[j].last < alphabet[i].last ? ranges[j].last : alphabet[i].last;

			if (first > last)
				continue;
			if (opposite && first > at)
				made[next++] = (struct range){at, first - 1};
			if (!opposite)
				made[next++] = (struct range){first, last};
			at = last + 1;
		}
		if (opposite && at <= alphabet[i].last)
			made[next++] = (struct range){at, alphabet[i].last};
	}
	if (from + next > RANGES_LIMIT) {
		free(made);
		return pattern_too_large(why);
	}
	memcpy(ranges, made, next * sizeof *made);
	free(made);
	expression->range_count = from + next;
	return 0;
}
