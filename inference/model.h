/*
 * model -- the whole of a model on one page: its shape, its weights, and the runner that computes with them.
 *
 * One graph with flags serves every architecture. `runner` is the door to a device: forward_cpu.c is the definition
 * of right, a CUDA twin fills the same table. Weights borrow from the mapped file, or from what was repacked of it.
 */
#ifndef HAECHI_INFERENCE_MODEL_H
#define HAECHI_INFERENCE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/base/bytes.h"

struct tokenizer; /* tokenizer.h */
struct weights;   /* weights.c: the mapped files */

#define CACHE_PAGE 64 /* positions in a page of the cache: the unit of allocation and of prefix reuse */

/* `rows` rows of `columns` weights; y = W x. Missing: rows == 0. */
struct matrix {
	uint32_t type; /* enum quant_type */
	uint32_t rows, columns;
	size_t row_size;       /* bytes */
	const uint8_t *data;   /* row by row, as in the file */
	const uint8_t *packed; /* the same in the kernels' order, or NULL */
};

/* Experts in place of one feed-forward network: for each token a router chooses some of them. */
struct mixture {
	struct matrix router;
	const float *bias;                                 /* added for the choice only; NULL mostly */
	struct matrix *gate, *up, *down;                   /* one for each expert */
	struct matrix shared_gate, shared_up, shared_down; /* of all tokens beside; rows 0: none */
};

/*
 * Attention in a latent (MLA): keys and values of all heads are made of one short vector a position, and only that is
 * cached. A query is brought into the latent's space, attends there, and what it gathered is brought back.
 */
struct latent {
	struct matrix
	    query; /* width -> what queries are made of; rows 0: they are made of the width itself */
	const float *query_norm;
	struct matrix both;   /* width -> the latent, then the part of the key that is turned by positions */
	const float *norm;    /* of the latent */
	struct matrix *enter; /* for each head: its query -> the latent */
	struct matrix *leave; /* for each head: the latent -> its value */
};

struct layer {
	const float *attention_norm, *ffn_norm;           /* before; NULL in a post-norm graph */
	const float *attention_post_norm, *ffn_post_norm; /* after, before the residual; NULL mostly */
	const float *q_norm, *k_norm;                     /* per head; NULL mostly */
	const float *q_bias, *k_bias, *v_bias;            /* NULL mostly */
	struct matrix q, k, v, output;
	struct latent *latent; /* instead of k and v; NULL mostly */
	struct matrix gate, up, down;
	struct mixture *mixture; /* instead of these three; NULL mostly */
	bool local;              /* sees only the last shape.window positions */
	bool rope;               /* positions are rotated in */
};

struct shape {
	uint32_t width, ffn, layers, heads, kv_heads, head_size, vocabulary;
	uint32_t latent;     /* values of the latent that is cached; 0: keys and values are */
	uint32_t value_size; /* of a head's value: other than head_size only with a latent */
	uint32_t context;    /* what the model was trained for */
	uint32_t window;     /* of local layers */
	uint32_t rotated;    /* leading values of each head that rope turns; the last ones with a latent */
	bool pool_last;      /* embeddings are the last token's state, not the mean of all */
	bool rope_halves;    /* pairs are (i, i + rotated / 2), else (2i, 2i + 1) */
	uint32_t experts, experts_used, expert_ffn, shared_ffn; /* 0 where there is no mixture */
	uint32_t expert_groups, expert_groups_used; /* experts are chosen of the best groups; 1 of 1 mostly */
	bool expert_sigmoid;                        /* the router's scores are sigmoids, else one softmax */
	bool expert_normalised;                     /* weights of the chosen are divided by their sum */
	float expert_scale;
	float epsilon;
	float attention_scale, embedding_scale, residual_scale, logit_scale;
	float rope_magnitude; /* of yarn; 1 otherwise */
};

struct model {
	struct shape shape;
	char architecture[32];
	char name[128];    /* an id for the API: lower case, digits, '-', '.', '_' */
	char license[128]; /* general.license, empty when the file names none */
	char sha256[65];   /* of the weights file(s), hex */
	uint64_t weight_bytes, parameters;
	struct matrix embedding, head; /* head is the embedding where they are tied */
	const float *output_norm;
	struct layer *layers;
	double *rope_frequencies; /* rotated / 2 radians a position */
	struct tokenizer *tokenizer;
	/* While it is loaded, from any thread: so many further bytes have been hashed, or repacked. NULL: nobody asks. */
	void (*progress)(void *context, uint64_t hashed, uint64_t packed);
	void *progress_context;
	struct slice chat_template; /* tokenizer.chat_template, empty when there is none */
	struct weights *weights;
};

/* One token at one position of one sequence. Rows of the same sequence follow one another in ascending position. */
struct step_row {
	uint32_t token, position;
	const uint32_t *pages; /* of its sequence: page number of positions 0-63, 64-127, ... */
	bool wanted;           /* give logits for this row */
	bool best;             /* of these only the most likely token matters */
	bool state;            /* give its last hidden state */
};

struct step {
	const struct step_row *rows;
	size_t count;
	float *
	    logits; /* out: one vocabulary for each wanted row, in order; or NULL. With `best` it may stay as it was */
	uint32_t *best; /* out: for each wanted row the first token of the greatest logit; or NULL */
	float *states;  /* out: one normalised hidden state for each row with `state`; or NULL */
};

struct runner_options {
	size_t threads;      /* 0: choose by the model's size and the machine */
	size_t rows;         /* most rows of one step */
	size_t pages;        /* of the cache */
	size_t context;      /* most positions of one sequence */
	unsigned cache_bits; /* 16 or 32; 0: 32 for F32 models, else 16 */
	const char *kernels; /* of this name (kernel.h); NULL: the best that run here */
	bool narrow;         /* activations rounded in blocks of 32 for all types, as on the GPU; in plain C */
};

struct runner; /* the device's own: repacked weights, cache, scratch */

struct runner_kind {
	const char *name;   /* "cpu" */
	size_t step_rows;   /* more in one step bring no more tokens a second */
	size_t prompt_rows; /* of prompts, while others are speaking: a step stays short for them */
	int (*open)(struct runner **out, struct model *model, const struct runner_options *options,
	            struct fault *why);
	/* Compute the rows, after which their keys and values are in the cache. One thread at a time. */
	void (*forward)(struct runner *runner, const struct step *step);
	/* "avx512-vnni, 2 threads": for people. */
	const char *(*describe)(const struct runner *runner);
	size_t (*page_bytes)(const struct model *model, const struct runner_options *options);
	/* Bytes that the cache may take beside this model; 0: not even a little. */
	size_t (*cache_room)(const struct model *model);
	void (*close)(struct runner *runner);
};

extern const struct runner_kind runner_cpu;

/* "cpu" (or NULL), "cuda" where the program was built with nvcc. NULL with the fault: no such device here. */
MUST_CHECK const struct runner_kind *runner_named(const char *name, struct fault *why);

/* For devices that compute only heads of keys and values and one network a layer: anything else is refused by name. */
MUST_CHECK int runner_refuse(const char *device, const struct model *model, struct fault *why);
/* What devices share. Values that are cached of one position in one layer; bits of each; bytes of one page in all. */
size_t runner_cache_values(const struct shape *shape);
unsigned runner_cache_bits(const struct model *model, const struct runner_options *options);
size_t runner_page_bytes(const struct model *model, const struct runner_options *options);
/* How a row begins: its token's embedding, width values; cosine and sine of its position, rotated values. */
void model_begin_row(const struct model *model, const struct step_row *row, float *x, float *turns);

/* Map `path` (and its further parts), check everything, read the tokenizer. *out is the caller's, to model_close(). */
MUST_CHECK int model_open(struct model **out, const char *path, struct fault *why);
void model_close(struct model *model); /* NULL is fine */

/* Every matrix that is multiplied with, into `out` unless it is NULL. Returns how many. */
size_t model_matrices(struct model *model, struct matrix **out);

/* The matrix has been repacked: its mapped bytes may leave memory; they come back from the file when read. Nothing
 * happens to a model that is of no file. */
void model_forget(struct model *model, const struct matrix *matrix);

#endif
