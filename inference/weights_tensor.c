#include "inference/weights_tensor.h"

#include <stdlib.h>

#include "inference/quant.h"

const struct gguf_tensor *
weights_find(struct binding *binding, const char *name)
{
	size_t number = 0;

	for (size_t i = 0; i < binding->weights->count; i++) {
		const struct gguf *gguf = &binding->weights->parts[i].gguf;

		for (size_t j = 0; j < gguf->tensor_count; j++, number++)
			if (slice_is(gguf->tensors[j].name, name)) {
				binding->weights->bound[number] = true;
				return &gguf->tensors[j];
			}
	}
	return NULL;
}

static int
weights_check(struct binding *binding, const struct gguf_tensor *tensor, const char *name, uint64_t columns,
              uint64_t rows)
{
	const struct quant_kind *kind;

	if (tensor == NULL)
		return fault_set(binding->why, FAULT_INVALID, "텐서 '%s'이(가) 파일에 없습니다",
		                 "tensor '%s' is not in the file", name);
	kind = quant_kind(tensor->type);
	if (kind == NULL || !kind->supported)
		return fault_set(binding->why, FAULT_UNSUPPORTED,
		                 "텐서 '%s'의 형식 %s은(는) 지원하지 않습니다 (F32 F16 BF16 Q8_0 Q4_0 Q4_1 "
		                 "Q5_0 Q5_1 Q4_K Q5_K Q6_K만 가능)",
		                 "tensor '%s' has type %s, which is not supported (F32 F16 BF16 Q8_0 Q4_0 "
		                 "Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K are)",
		                 name, kind != NULL ? kind->name : "?");
	if (tensor->shape[0] != columns || tensor->shape[1] != rows || tensor->shape[2] != 1 ||
	    tensor->shape[3] != 1)
		return fault_set(
		    binding->why, FAULT_INVALID,
		    "텐서 '%s'의 크기 %llu x %llu이(가) 모델이 요구하는 %llu x %llu와(과) 다릅니다",
		    "tensor '%s' is %llu x %llu where the model needs %llu x %llu", name,
		    (unsigned long long)tensor->shape[0], (unsigned long long)tensor->shape[1],
		    (unsigned long long)columns, (unsigned long long)rows);
	binding->model->parameters += columns * rows;
	binding->model->weight_bytes += tensor->data.size;
	return 0;
}

/*
 * Types that no kernel multiplies with, since files hold them only where rows are no whole blocks of a better one (of
 * Q5_K_M the part attn_k_b, say), are kept as halves: far finer than what made them.
 */
static int
widen(struct binding *binding, struct matrix *matrix)
{
	const struct matrix old = *matrix;
	uint16_t *halves;
	float *row;

	if (old.type != QUANT_Q4_1 && old.type != QUANT_Q5_1)
		return 0;
	halves = weights_keep(binding, (size_t)old.rows * old.columns * sizeof *halves);
	if (halves == NULL)
		return -1;
	if ((row = malloc(old.columns * sizeof *row)) == NULL)
		return fault_memory(binding->why);
	matrix->type = QUANT_F16;
	matrix->row_size = old.columns * sizeof *halves;
	matrix->data = (const uint8_t *)halves;
	for (uint32_t i = 0; i < old.rows; i++) {
		quant_row(old.type, old.data + i * old.row_size, row, old.columns);
		for (uint32_t j = 0; j < old.columns; j++)
			*halves++ = float_to_half(row[j]);
	}
	free(row);
	model_forget(binding->model, &old);
	return 0;
}

int
weights_matrix(struct binding *binding, struct matrix *out, const char *name, uint64_t columns, uint64_t rows)
{
	const struct gguf_tensor *tensor = weights_find(binding, name);

	if (weights_check(binding, tensor, name, columns, rows) == -1)
		return -1;
	out->type = tensor->type;
	out->rows = (uint32_t)rows;
	out->columns = (uint32_t)columns;
	out->row_size = quant_row_size(tensor->type, columns);
	out->data = tensor->data.data;
	return widen(binding, out);
}

void *
weights_keep(struct binding *binding, size_t size)
{
	struct weights *weights = binding->weights;
	void **grown = realloc(weights->copies, (weights->copy_count + 1) * sizeof *grown), *copy;

	if (grown == NULL) {
		fault_memory(binding->why);
		return NULL;
	}
	weights->copies = grown;
	if ((copy = malloc(size)) == NULL) {
		fault_memory(binding->why);
		return NULL;
	}
	weights->copies[weights->copy_count++] = copy;
	return copy;
}

int
weights_vector(struct binding *binding, const float **out, const char *name, uint64_t size, bool required)
{
	const struct gguf_tensor *tensor = weights_find(binding, name);
	float *copy;

	if (tensor == NULL && !required)
		return 0;
	if (weights_check(binding, tensor, name, size, 1) == -1)
		return -1;
	if ((copy = weights_keep(binding, (size_t)size * sizeof *copy)) == NULL)
		return -1;
	quant_row(tensor->type, tensor->data.data, copy, (size_t)size);
	*out = copy;
	return 0;
}

int
weights_stack(struct binding *binding, struct matrix **out, const char *name, uint32_t count,
              uint64_t columns, uint64_t rows)
{
	const struct gguf_tensor *tensor = weights_find(binding, name);
	struct gguf_tensor flat;
	struct matrix whole;

	if (tensor == NULL || tensor->shape[2] != count || rows * count > UINT32_MAX)
		return fault_set(binding->why, FAULT_INVALID,
		                 "텐서 '%s'이(가) 없거나 행렬 %u개로 되어 있지 않습니다",
		                 "tensor '%s' is absent or not of %u matrices", name, count);
	flat = *tensor;
	flat.shape[1] *= count;
	flat.shape[2] = 1;
	if (weights_check(binding, &flat, name, columns, rows * count) == -1)
		return -1;
	whole = (struct matrix){.type = tensor->type,
	                        .rows = (uint32_t)(rows * count),
	                        .columns = (uint32_t)columns,
	                        .row_size = quant_row_size(tensor->type, columns),
	                        .data = tensor->data.data};
	if (widen(binding, &whole) == -1)
		return -1;
	if ((*out = calloc(count, sizeof **out)) == NULL)
		return fault_memory(binding->why);
	for (uint32_t i = 0; i < count; i++) {
		(*out)[i] = whole;
		(*out)[i].rows = (uint32_t)rows;
		(*out)[i].data += i * rows * whole.row_size;
	}
	return 0;
}
