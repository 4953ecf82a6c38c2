/*
 * model -- a small trained classifier: does a text ask the model to decide or operate in a domain of the Act?
 *
 * Words become hashed features (pairs and triples of syllables, beginnings and endings); each feature speaks
 * for or against twelve things: high impact, and the eleven domains. Weights are eight bits each, trained by
 * tests/tools/train_model.c on policy/detect/corpus, text that the project wrote.
 */
#ifndef HAECHI_POLICY_DETECT_MODEL_H
#define HAECHI_POLICY_DETECT_MODEL_H

#include "schema/finding.h"
#include "schema/base/bytes.h"

#define MODEL_BUCKETS (1u << 16)
#define MODEL_WIDTH   16 /* numbers of a feature: one an output, and four to spare for alignment */
#define MODEL_OUTPUTS 12 /* high impact, then the domains from DOMAIN_ENERGY on */

/* What one stretch of text looks like to the model: thousandths. */
struct model_opinion {
	uint16_t high_impact;
	uint16_t domain[DOMAIN_KINDS]; /* given that it is; DOMAIN_NONE unused */
	size_t start, end;             /* the stretch that spoke loudest, in the normal text */
};

/* The strongest opinion over the whole text and its stretches. Pure; any thread. */
void model_judge(struct slice normal, struct model_opinion *out);

/* ---- shared with the training program ---- */

/* Features of text[start, end), as bucket numbers; at most `most`. Returns how many. */
size_t model_features(struct slice text, uint32_t *features, size_t most);

#endif
