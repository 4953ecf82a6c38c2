/*
 * weights_shape -- a model's metadata under its architecture's name, and the shape that it describes. For weights.c.
 */
#ifndef HAECHI_INFERENCE_WEIGHTS_SHAPE_H
#define HAECHI_INFERENCE_WEIGHTS_SHAPE_H

#include "inference/weights.h"

struct architecture {
	const char *name;
	bool rope_halves; /* pairs (i, i + n/2) */
	enum { NORM_BEFORE, NORM_AFTER, NORM_BETWEEN, NORM_BOTH } norms;
	enum { HEAD_PLAIN, HEAD_NORM, HEAD_MAYBE } head; /* queries and keys are normalised per head */
	bool bias;                                       /* on q, k and v, required */
	bool scaled; /* embeddings, branches, logits and attention have factors */
	bool experts;
	unsigned
	    hybrid; /* sliding windows: in three of four layers, with rope only there; at 64 layers, or always */
	bool latent; /* keys and values are made of a latent (MLA) */
};

#define HYBRID_64     1
#define HYBRID_ALWAYS 2

struct binding {
	struct model *model;
	struct weights *weights;
	const struct architecture *architecture;
	const struct gguf *gguf; /* of the first part: all metadata is there */
	struct fault *why;
};

/* "architecture.name", or NULL. */
const struct gguf_key *weights_key(const struct binding *binding, const char *name);
/* A whole number between least and most; `fallback` when absent, or a fault where fallback is -1. */
int weights_size(const struct binding *binding, const char *name, int64_t fallback, int64_t least,
                 int64_t most, uint32_t *out);
/* A number; a fault when absent where the fallback is NAN. */
int weights_real(const struct binding *binding, const char *name, double fallback, double least, double most,
                 double *out);
/* All of model->shape but the vocabulary; what would change the graph in ways not known is refused by name. */
int weights_shape(const struct binding *binding);

#endif
