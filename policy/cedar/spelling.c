#include "policy/cedar/spelling.h"

#define LONGEST 40 /* bytes of a word worth guessing at */

struct spelling
spelling_of(struct slice word)
{
	unsigned most = word.size < 3 ? 0 : word.size < 6 ? 1 : word.size < 12 ? 2 : 3;

	return (struct spelling){
	    word, {NULL, 0},
             word.size <= LONGEST ? most + 1 : 0
        };
}

/* Letters put in, left out, exchanged, or two side by side swapped. */
static unsigned
distance_of(struct slice a, struct slice b)
{
	unsigned rows[3][LONGEST + 1], *before = rows[0], *last = rows[1], *now = rows[2];

	for (unsigned j = 0; j <= b.size; j++)
		last[j] = j;
	for (unsigned i = 1; i <= a.size; i++) {
		unsigned *spare = before;

		now[0] = i;
		for (unsigned j = 1; j <= b.size; j++) {
			unsigned best = last[j - 1] + (a.data[i - 1] != b.data[j - 1]);

			best = last[j] + 1 < best ? last[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
			    a.data[i - 2] == b.data[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b.size];
}

void
spelling_try(struct spelling *spelling, struct slice known)
{
	size_t longer = known.size > spelling->word.size ? known.size - spelling->word.size
	                                                 : spelling->word.size - known.size;
	unsigned distance;

	if (known.size == 0 || known.size > LONGEST || longer >= spelling->distance)
		return;
	distance = distance_of(spelling->word, known);
	if (distance > 0 && distance < spelling->distance) {
		spelling->distance = distance;
		spelling->best = known;
	}
}

struct spelling_hint
spelling_hint_of(const struct spelling *spelling, struct cedar_notes *notes, struct spelling_hint otherwise)
{
	struct spelling_hint hint;

	if (spelling->best.size == 0)
		return otherwise;
	hint.ko = arena_printf(notes->arena, "혹시 '%.*s'입니까?", SLICE_PRINT(spelling->best));
	hint.en = arena_printf(notes->arena, "did you mean '%.*s'?", SLICE_PRINT(spelling->best));
	return hint;
}
