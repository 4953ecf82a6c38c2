/*
 * model -- a small trained classifier: does a text ask the model to decide or operate in a domain of the Act?
 *
 * Words become hashed features (pairs and triples of syllables, beginnings and endings); each feature is a row of
 * MODEL_WIDTH numbers and the rows of a stretch of text are added up. The first MODEL_OUTPUTS numbers of the sum speak for
 * the outputs themselves (high impact, and the eleven domains); a layer of MODEL_HIDDEN units beside them hears what a sum
 * alone cannot: that a demand AND a domain are there. A bucket belongs to one feature. Rows are eight bits a number, trained by tests/tools/train_model.c on policy/detect/corpus, text that the
 * project wrote.
 */
#ifndef HAECHI_POLICY_DETECT_MODEL_H
#define HAECHI_POLICY_DETECT_MODEL_H

#include "schema/finding.h"
#include "schema/base/bytes.h"

#define MODEL_BUCKETS (1u << 17)
#define MODEL_WIDTH   32 /* numbers of a feature */
#define MODEL_HIDDEN  32
#define MODEL_OUTPUTS 12 /* high impact, then the domains from DOMAIN_ENERGY on */

/* As tests/tools/train_model.c writes it, little endian. */
struct model_weights {
	float scale[MODEL_WIDTH]; /* of the table's columns */
	float bias[MODEL_WIDTH];
	/* By what goes in, so that all that comes out is added up side by side. */
	float hidden[MODEL_WIDTH][MODEL_HIDDEN], hidden_bias[MODEL_HIDDEN];
	float output[MODEL_HIDDEN][MODEL_OUTPUTS], output_bias[MODEL_OUTPUTS];
	uint8_t prints[MODEL_BUCKETS]; /* of the feature a bucket belongs to; 0: of none */
	int8_t table[MODEL_BUCKETS][MODEL_WIDTH];
};

/* What one stretch of text looks like to the model: thousandths. */
struct model_opinion {
	uint16_t high_impact;
	uint16_t domain[DOMAIN_KINDS]; /* given that it is; DOMAIN_NONE unused */
	size_t start, end;             /* the stretch that spoke loudest, in the normal text */
};

/* The strongest opinion over the whole text and its stretches. Pure; any thread. */
void model_judge(struct slice normal, struct model_opinion *out);

/* ---- shared with the training program ---- */

/* A feature is 32 bits: its bucket, and what tells it from others of that bucket. */
#define MODEL_BUCKET(feature) ((feature) & (MODEL_BUCKETS - 1))
#define MODEL_PRINT(feature)  ((uint8_t)((feature) >> 24 | 1))

/*
 * The features of a text, at most `most`; returns how many. With `prints`: the buckets of those that were met in
 * training, for what was never met has nothing to say, least of all in somebody else's bucket. NULL: all, whole. *all counts
 * what was never met too: a text full of it is one to be less sure of.
 */
size_t model_features(struct slice text, const uint8_t *prints, uint32_t *features, size_t most, size_t *all);

#endif
