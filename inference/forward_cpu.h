/*
 * forward_cpu -- what the parts of the graph on processors share: the runner's memory, and a step's work as it is shared
 * out among the crew. For forward_cpu.c, forward_latent.c, opening_cpu.c.
 */
#ifndef HAECHI_INFERENCE_FORWARD_CPU_H
#define HAECHI_INFERENCE_FORWARD_CPU_H

#include "inference/crew.h"
#include "inference/kernel.h"

#define TOKENS_CHUNK 4

struct runner {
	struct model *model;
	const struct kernels *kernels;
	struct crew *crew;
	size_t rows; /* most of one step */
	bool half;   /* the cache is in half precision */
	bool narrow; /* see model.h */
	char description[64];

	uint8_t *packed; /* all packed matrices, one mapping */
	size_t packed_size;
	uint8_t *cache;
	size_t cache_size, page_bytes, layer_bytes; /* of one page of keys; of one layer's keys */

	float *memory; /* all scratch below, one block */
	float *x, *normed, *q, *k, *v, *mixed, *branch, *gate, *up;
	float *routed, *gathered,
	    *part;     /* of mixtures: scores, then weights; rows of one expert; what it says */
	float *turns;  /* cosine and sine for each row and pair */
	float *scores; /* for each member */
	size_t scores_size;
	float *benches; /* for each member: latent_scratch() */
	struct activations in;
};

/* What is being shared out: one at a time, so one struct serves all pieces of a step. */
struct piece {
	struct runner *runner;
	const struct step *step;
	const struct layer *layer; /* NULL: after the last */
	size_t index;              /* of the layer */
	size_t count;              /* tokens */
	/* products of the same input */
	const struct matrix *matrices[3];
	float *out[3];
	size_t strides[3];
	size_t matrix_count, chunk;
	const float *values;
	bool quantise;
	size_t columns;
	size_t ffn; /* of the network that is being gated */
};

static inline size_t
matrix_groups(const struct matrix *matrix)
{
	return (matrix->rows + KERNEL_GROUP - 1) / KERNEL_GROUP;
}

/* One step through all layers. */
void cpu_forward(struct runner *runner, const struct step *step);

/* out[i] = matrix[i] values, for up to three matrices of the same columns. */
void piece_multiply(struct piece *piece, const float *values);
void piece_multiply_one(struct piece *piece, const struct matrix *matrix, const float *values, float *out);
/* Turn the leading values of `count` heads, `stride` behind one another, by a row's position. */
void piece_rotate(const struct shape *shape, float *heads, size_t count, size_t stride, const float *turns);

/* The attention of a layer that caches a latent, from runner->normed to runner->mixed; what it needs of each member. */
void latent_attend(struct piece *piece);
size_t latent_scratch(const struct shape *shape); /* floats */

#endif
