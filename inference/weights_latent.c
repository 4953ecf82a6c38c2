/*
 * Attention in a latent, as files have it. Newer ones hold two matrices for each head: attn_k_b brings a query into the
 * latent, attn_v_b the latent to a value. Older ones hold attn_kv_b, which makes each head's key and value of the latent:
 * its key part is turned over here, once, so that both are computed alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/quant.h"
#include "inference/weights_tensor.h"

#define NAME(rest) (snprintf(name, sizeof name, "blk.%u." rest, number), name)

/*
 * Rows and columns of `from` changed over, into memory of our own. Floats stay what they are; of blocks, whose rows
 * cannot be turned, the values are kept in half precision, far finer than what made them.
 */
static int
turn_over(struct binding *binding, const struct matrix *from, struct matrix *out)
{
	const bool single = from->type == QUANT_F32, brain = from->type == QUANT_BF16;
	const size_t unit = single ? 4 : 2, rows = from->rows, columns = from->columns;
	uint8_t *data = weights_keep(binding, rows * columns * unit);
	float *row = malloc(columns * sizeof *row);

	if (data == NULL || row == NULL) {
		free(row);
		return fault_memory(binding->why);
	}
	for (size_t i = 0; i < rows; i++) {
		quant_row(from->type, from->data + i * from->row_size, row, columns);
		for (size_t j = 0; j < columns; j++) {
			uint32_t bits;
			uint16_t half;

			memcpy(&bits, &row[j], 4);
			half = brain ? (uint16_t)(bits >> 16) : float_to_half(row[j]);
			memcpy(data + (j * rows + i) * unit, single ? (void *)&bits : (void *)&half, unit);
		}
	}
	free(row);
	*out = (struct matrix){.type = single  ? QUANT_F32
	                               : brain ? QUANT_BF16
	                                       : QUANT_F16,
	                       .rows = from->columns,
	                       .columns = from->rows,
	                       .row_size = rows * unit,
	                       .data = data};
	return 0;
}

/* attn_kv_b: of each head first the rows of its key that do not turn, then those of its value. */
static int
bind_older(struct binding *binding, struct latent *latent, const char *name)
{
	const struct shape *shape = &binding->model->shape;
	const uint32_t still = shape->head_size - shape->rotated, value = shape->value_size;
	struct matrix whole;

	if (weights_matrix(binding, &whole, name, shape->latent, (uint64_t)shape->heads * (still + value)) ==
	    -1)
		return -1;
	latent->enter = calloc(shape->heads, sizeof *latent->enter);
	latent->leave = calloc(shape->heads, sizeof *latent->leave);
	if (latent->enter == NULL || latent->leave == NULL)
		return fault_memory(binding->why);
	for (uint32_t h = 0; h < shape->heads; h++) {
		struct matrix part = whole;

		part.rows = still;
		part.data += (size_t)h * (still + value) * whole.row_size;
		if (turn_over(binding, &part, &latent->enter[h]) == -1)
			return -1;
		part.rows = value;
		part.data += still * whole.row_size;
		latent->leave[h] = part;
	}
	return 0;
}

/* Queries are made of the width at once, or by way of a short vector of their own. */
static int
bind_queries(struct binding *binding, struct layer *layer, struct latent *latent, unsigned number)
{
	const struct shape *shape = &binding->model->shape;
	const uint64_t q = (uint64_t)shape->heads * shape->head_size;
	uint32_t rank;
	char name[64];

	if (weights_find(binding, NAME("attn_q.weight")) != NULL)
		return weights_matrix(binding, &layer->q, name, shape->width, q);
	if (weights_size(binding, "attention.q_lora_rank", -1, 1, 65536, &rank) == -1)
		return -1;
	return weights_matrix(binding, &latent->query, NAME("attn_q_a.weight"), shape->width, rank) == -1 ||
	               weights_vector(binding, &latent->query_norm, NAME("attn_q_a_norm.weight"), rank,
	                              true) == -1 ||
	               weights_matrix(binding, &layer->q, NAME("attn_q_b.weight"), rank, q) == -1
	           ? -1
	           : 0;
}

int
weights_latent(struct binding *binding, struct layer *layer, unsigned number)
{
	const struct shape *shape = &binding->model->shape;
	struct latent *latent = layer->latent = calloc(1, sizeof *latent);
	char name[64];

	if (latent == NULL)
		return fault_memory(binding->why);
	if (bind_queries(binding, layer, latent, number) == -1 ||
	    weights_matrix(binding, &latent->both, NAME("attn_kv_a_mqa.weight"), shape->width,
	                   shape->latent + shape->rotated) == -1 ||
	    weights_vector(binding, &latent->norm, NAME("attn_kv_a_norm.weight"), shape->latent, true) ==
	        -1 ||
	    weights_matrix(binding, &layer->output, NAME("attn_output.weight"),
	                   (uint64_t)shape->heads * shape->value_size, shape->width) == -1)
		return -1;
	if (weights_find(binding, NAME("attn_kv_b.weight")) != NULL)
		return bind_older(binding, latent, name);
	return weights_stack(binding, &latent->enter, NAME("attn_k_b.weight"), shape->heads,
	                     shape->head_size - shape->rotated, shape->latent) == -1 ||
	               weights_stack(binding, &latent->leave, NAME("attn_v_b.weight"), shape->heads,
	                             shape->latent, shape->value_size) == -1
	           ? -1
	           : 0;
}
#undef NAME

void
latent_free(struct latent *latent)
{
	if (latent == NULL)
		return;
	free(latent->enter);
	free(latent->leave);
	free(latent);
}
