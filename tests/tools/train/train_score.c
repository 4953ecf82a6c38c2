/* What is right of requests that training did not see, counted as an outside scorer would. */
#include "tests/tools/train/train.h"

#include <stdlib.h>

#include "policy/detect/normalise.h"

void
score_request(struct score *score, const struct request *request)
{
	enum domain wanted = request->label;
	static struct normal normal;
	struct model_opinion said;
	struct fault why;
	unsigned best = 1;
	bool high, right;

	if (normal_make(&normal, slice_string(request->text), &why) == -1)
		return;
	model_judge_by(&trained, slice_of(normal.text, normal.size), &said);
	high = said.high_impact >= 500;
	for (unsigned o = 2; o < MODEL_OUTPUTS; o++)
		best = said.domain[o] > said.domain[best] ? o : best;
	right = high == (wanted != DOMAIN_NONE);
	*(wanted != DOMAIN_NONE ? high ? &score->tp : &score->fn : high ? &score->fp : &score->tn) += 1;
	if (request->hard && wanted == DOMAIN_NONE)
		score->hard[!right]++;
	if (request->adversarial && wanted != DOMAIN_NONE)
		score->adversarial[!right]++;
	if (wanted != DOMAIN_NONE && high && (best == wanted || (request->also >> best & 1))) {
		score->domain[wanted][0]++;
	} else {
		if (wanted != DOMAIN_NONE)
			score->domain[wanted][2]++;
		if (high)
			score->domain[best][1]++;
	}
	if (getenv("SHOW") != NULL && (!right || (high && best != wanted)))
		printf("%s taken for %s (%.2f): %s\n", domain_name(wanted),
		       high ? domain_name((enum domain)best) : "none", (double)said.high_impact / 1000,
		       request->text);
}

static double
share(const unsigned right_wrong[2])
{
	return (double)right_wrong[0] /
	       (right_wrong[0] + right_wrong[1] > 0 ? right_wrong[0] + right_wrong[1] : 1);
}

void
score_print(const struct score *score, const char *name)
{
	double sum = 0;
	unsigned domains = 0, negatives[2] = {score->tn, score->fp};

	for (unsigned d = 1; d < DOMAIN_KINDS; d++) {
		const unsigned *n = score->domain[d];

		if (n[0] + n[2] > 0) {
			sum += 2.0 * n[0] / (2.0 * n[0] + n[1] + n[2]);
			domains++;
		}
	}
	printf("%s: F1 %.3f (%u true, %u false, %u missed), domains macro-F1 %.3f, negatives right %.3f, "
	       "hard ones %.3f, "
	       "adversarial recall %.3f\n",
	       name, 2.0 * score->tp / (2.0 * score->tp + score->fp + score->fn), score->tp, score->fp,
	       score->fn, domains > 0 ? sum / domains : 0.0, share(negatives), share(score->hard),
	       share(score->adversarial));
}
