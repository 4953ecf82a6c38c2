#include "policy/detect/signals.h"

#include <string.h>

#define SIGNAL_WINDOW 480 /* bytes around a word of a domain in which the asking must stand */
#define SIGNAL_HIGH   450 /* thousandths: two words of a domain and one that asks to decide */

struct tally {
	unsigned terms; /* weight of distinct words */
	const struct word_hit *best;
};

/* What the words from first to last within a window add up to. */
struct asking {
	unsigned decide, produce, harmless;
	const struct word_hit *hit;
};

static void
ask_around(const struct word_hit *hits, size_t count, size_t at, struct asking *out)
{
	size_t from = at, to = at;

	memset(out, 0, sizeof *out);
	while (from > 0 && hits[from - 1].end + SIGNAL_WINDOW > hits[at].start)
		from--;
	while (to < count && hits[to].start < hits[at].end + SIGNAL_WINDOW)
		to++;
	for (size_t i = from; i < to; i++) {
		const struct word *word = hits[i].word;

		if (word->class == WORD_DECIDE) {
			out->decide = out->decide < word->weight ? word->weight : out->decide;
			out->hit = &hits[i];
		} else if (word->class == WORD_PRODUCE) {
			out->produce = word->weight;
		} else if (word->class == WORD_HARMLESS) {
			out->harmless += word->weight;
		}
	}
}

int
signals_find(const struct normal *normal, const struct word_hit *hits, size_t hit_count, struct arena *arena,
             struct detection *out, struct fault *why)
{
	struct tally tally[DOMAIN_KINDS] = {
	    {0, NULL}
        };
	size_t count = 0;

	for (size_t i = 0; i < hit_count; i++) {
		const struct word *word = hits[i].word;

		if (word->class != WORD_DOMAIN)
			continue;
		tally[word->domain].terms += word->weight;
		if (tally[word->domain].best == NULL || word->weight > tally[word->domain].best->word->weight)
			tally[word->domain].best = &hits[i];
	}
	for (unsigned d = DOMAIN_NONE + 1; d < DOMAIN_KINDS; d++)
		count += tally[d].best != NULL;
	if (count == 0)
		return 0;
	if ((out->signals = arena_array(arena, count, sizeof *out->signals)) == NULL)
		return fault_memory(why);
	for (unsigned d = DOMAIN_NONE + 1; d < DOMAIN_KINDS; d++) {
		struct asking asking;
		struct signal *signal;
		unsigned terms = tally[d].terms > 600 ? 600 : tally[d].terms;
		int score;

		if (tally[d].best == NULL)
			continue;
		ask_around(hits, hit_count, (size_t)(tally[d].best - hits), &asking);
		score =
		    (int)(terms / 2 + asking.decide / 2 + asking.produce / 2) - (int)(asking.harmless / 2);
		if (asking.decide == 0)
			score /= 2;
		if (score <= 100)
			continue;
		signal = &out->signals[out->signal_count++];
		signal->domain = (enum domain)d;
		signal->score = (uint16_t)(score > 1000 ? 1000 : score);
		signal->rule = tally[d].best->word->rule;
		normal_locate(normal, tally[d].best->start, tally[d].best->end, &signal->start, &signal->end);
		for (size_t i = out->signal_count - 1;
		     i > 0 && out->signals[i].score > out->signals[i - 1].score; i--) {
			struct signal other = out->signals[i];

			out->signals[i] = out->signals[i - 1];
			out->signals[i - 1] = other;
		}
	}
	out->high_impact = out->signal_count > 0 && out->signals[0].score >= SIGNAL_HIGH;
	return 0;
}

enum drift
detection_drift(const struct detection *detection, const struct usecase *usecase)
{
	enum drift drift = DRIFT_NONE;

	if (usecase == NULL)
		return detection->high_impact ? DRIFT_CERTAIN : DRIFT_NONE;
	if (!detection->high_impact)
		return DRIFT_NONE;
	for (size_t i = 0; i < detection->signal_count; i++) {
		const struct signal *signal = &detection->signals[i];
		bool declared = false;

		if (signal->score < SIGNAL_HIGH)
			break;
		for (size_t k = 0; k < usecase->domain_count; k++)
			declared |= usecase->domains[k] == signal->domain;
		/* The registered use decides in this domain: nothing is outside it. */
		if (declared && usecase->decision_effect >= EFFECT_MIDSTAGE)
			continue;
		if (signal->score >= 850 && !declared)
			return DRIFT_CERTAIN;
		drift = DRIFT_SUSPECTED;
	}
	return drift;
}
