#include "policy/detect/model.h"
#include <string.h>

#include "policy/detect/signals.h"

#define SIGNAL_HIGH  500 /* thousandths from which a text is a sign of high impact */
#define SIGNAL_SHOWN 100

/* The word of the domain that weighs most within [from, to), or NULL. */
static const struct word_hit *
best_word(const struct word_hit *hits, size_t hit_count, enum domain domain, size_t from, size_t to)
{
	const struct word_hit *best = NULL;

	for (size_t i = 0; i < hit_count; i++) {
		const struct word *word = hits[i].word;

		if (word->class == WORD_DOMAIN && word->domain == domain && hits[i].start >= from &&
		    hits[i].end <= to && (best == NULL || word->weight > best->word->weight))
			best = &hits[i];
	}
	return best;
}

static void
signal_add(struct detection *out, enum domain domain, unsigned score, const char *rule,
           const struct normal *normal, size_t before, size_t start, size_t end)
{
	struct signal *signal = &out->signals[out->signal_count++];

	signal->domain = domain;
	signal->score = (uint16_t)score;
	signal->rule = rule;
	normal_locate(normal, start, end, &signal->start, &signal->end);
	signal->start += before;
	signal->end += before;
	for (size_t i = out->signal_count - 1; i > 0 && out->signals[i].score > out->signals[i - 1].score;
	     i--) {
		struct signal other = out->signals[i];

		out->signals[i] = out->signals[i - 1];
		out->signals[i - 1] = other;
	}
}

int
signals_find(const struct normal *normal, size_t from, size_t to, size_t before, const struct word_hit *hits,
             size_t hit_count, struct arena *arena, struct detection *out, struct fault *why)
{
	struct model_opinion opinion;
	unsigned most = 1;

	model_judge(slice_of(normal->text + from, to - from), &opinion);
	opinion.start += from;
	opinion.end += from;
	out->high_impact |= opinion.high_impact >= SIGNAL_HIGH;
	if (opinion.high_impact < SIGNAL_SHOWN ||
	    (out->signal_count > 0 && opinion.high_impact <= out->signals[0].score))
		return 0;
	if (out->signals == NULL &&
	    (out->signals = arena_array(arena, 2 * (size_t)DOMAIN_KINDS, sizeof *out->signals)) == NULL)
		return fault_memory(why);
	out->signal_count = 0;
	for (unsigned d = DOMAIN_NONE + 1; d < DOMAIN_KINDS; d++)
		most = opinion.domain[d] > most ? opinion.domain[d] : most;
	for (unsigned d = DOMAIN_NONE + 1; d < DOMAIN_KINDS; d++) {
		const struct word_hit *word;
		unsigned score = (unsigned)opinion.high_impact * opinion.domain[d] / most;

		if (score < SIGNAL_SHOWN)
			continue;
		signal_add(out, (enum domain)d, score, "model", normal, before, opinion.start, opinion.end);
		word = best_word(hits, hit_count, (enum domain)d, opinion.start, opinion.end);
		if (word != NULL)
			signal_add(out, (enum domain)d, score, word->word->rule, normal, before, word->start,
			           word->end);
	}
	return 0;
}

/* A word that was met tells a person more than that the model thought so. */
static void
evidence_take(struct drift_evidence *evidence, const struct detection *detection, const struct signal *signal,
              bool declared)
{
	if (evidence == NULL)
		return;
	*evidence = (struct drift_evidence){signal->domain, signal->score, signal->rule, !declared};
	for (size_t i = 0; i < detection->signal_count; i++)
		if (detection->signals[i].domain == signal->domain &&
		    strcmp(detection->signals[i].rule, "model") != 0) {
			evidence->rule = detection->signals[i].rule;
			return;
		}
}

enum drift
detection_drift(const struct detection *detection, const struct usecase *usecase)
{
	return detection_drift_evidence(detection, usecase, NULL);
}

enum drift
detection_drift_evidence(const struct detection *detection, const struct usecase *usecase,
                         struct drift_evidence *evidence)
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
		if (signal->score >= 850 && !declared) {
			evidence_take(evidence, detection, signal, declared);
			return DRIFT_CERTAIN;
		}
		if (drift == DRIFT_NONE)
			evidence_take(evidence, detection, signal, declared);
		drift = DRIFT_SUSPECTED;
	}
	return drift;
}
