/*
 * weights_tensor -- tensors of the files, bound to their places in a model: found by name, of a known type, and just of
 * the shape that the model needs. For weights*.c.
 */
#ifndef HAECHI_INFERENCE_WEIGHTS_TENSOR_H
#define HAECHI_INFERENCE_WEIGHTS_TENSOR_H

#include "inference/weights_shape.h"

/* The tensor of that name in any part, marked as used. NULL: none. */
const struct gguf_tensor *weights_find(struct binding *binding, const char *name);
int weights_matrix(struct binding *binding, struct matrix *out, const char *name, uint64_t columns,
                   uint64_t rows);
/* A vector of floats, copied: whatever its type in the file. Not required: *out stays as it is where there is none. */
int weights_vector(struct binding *binding, const float **out, const char *name, uint64_t size,
                   bool required);
/* `count` matrices that lie one behind the other in one tensor. *out is the caller's, to free(). */
int weights_stack(struct binding *binding, struct matrix **out, const char *name, uint32_t count,
                  uint64_t columns, uint64_t rows);

/* Memory that ends with the model, or NULL with the fault. */
void *weights_keep(struct binding *binding, size_t size);

/* The attention of a layer that caches a latent: into layer->latent, q and output. (weights_latent.c) */
int weights_latent(struct binding *binding, struct layer *layer, unsigned number);
void latent_free(struct latent *latent); /* NULL is fine */

/* Which layers have a window and which turn by positions; and how fast: model->rope_frequencies. (weights_rope.c) */
int weights_windows(struct binding *binding);
int weights_rope(struct binding *binding);

#endif
