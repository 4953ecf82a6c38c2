/*
 * model -- a small trained classifier: does a text ask the model to decide or operate in a domain of the Act?
 *
 * Words become hashed features (whole words, pairs and triples of syllables, beginnings and endings); each feature is a row
 * of MODEL_WIDTH numbers, and the rows of a stretch of text are added up and divided by the root of how many features it has.
 * What comes out speaks for high impact and for the eleven domains: twelve logistic regressions side by side. A bucket belongs
 * to one feature. Rows are eight bits a number, trained by tests/tools/train on policy/detect/corpus, text that the project
 * wrote.
 */
#ifndef HAECHI_POLICY_DETECT_MODEL_H
#define HAECHI_POLICY_DETECT_MODEL_H

#include "schema/finding.h"
#include "schema/base/bytes.h"

#define MODEL_BUCKETS (1u << 18)
#define MODEL_WIDTH   16 /* numbers of a feature: one for each output, the rest nought */
#define MODEL_OUTPUTS 12 /* high impact, then the domains from DOMAIN_ENERGY on */

/* As train_model writes it, little endian. */
struct model_weights {
	float scale[MODEL_WIDTH]; /* of the table's columns */
	float bias[MODEL_WIDTH];
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

/* The same with other weights than those built in. */
void model_judge_by(const struct model_weights *weights, struct slice normal, struct model_opinion *out);

/* A text up to so many bytes is looked at whole, a longer one piece by piece, each alone and with those before it. */
#define MODEL_WHOLE    500
#define MODEL_TOGETHER 3 /* pieces looked at as one, at most */

/* Where the piece ends that begins at `at`: behind a full stop, a question or a line. */
size_t model_piece_end(struct slice normal, size_t at);

/* A feature is 32 bits: its bucket, and what tells it from others of that bucket. */
#define MODEL_BUCKET(feature) ((feature) & (MODEL_BUCKETS - 1))
#define MODEL_PRINT(feature)  ((uint8_t)((feature) >> 24 | 1))

/*
 * The keys of a text's features, at most `most`; returns how many. `keys` has room for MODEL_KEYS_SPARE more. *all counts
 * those beyond `most` too: a text full of what was never met is one to be less sure of.
 */
#define MODEL_KEYS_SPARE 16
size_t model_keys(struct slice text, uint32_t *keys, size_t most, size_t *all);

/* A key becomes a feature: neighbours lie far apart. */
static inline uint32_t
model_feature(uint32_t key)
{
	key ^= key >> 15;
	key = (key ^ 0x5bd1e995u) * 0x9E3779B1u;
	return key ^ key >> 15;
}

#endif
