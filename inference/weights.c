/*
 * weights -- from files to a model: map, check, bind each tensor to its place, refuse by name what is not understood.
 */
#define _GNU_SOURCE /* MADV_DONTNEED beside POSIX */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "inference/gguf.h"
#include "inference/model.h"
#include "inference/tokenizer.h"
#include "inference/weights.h"
#include "inference/weights_tensor.h"

static const struct architecture architectures[] = {
    {"llama",       false, NORM_BEFORE,  HEAD_PLAIN, false, false, false, 0,             false},
    {"qwen2",       true,  NORM_BEFORE,  HEAD_PLAIN, true,  false, false, 0,             false},
    {"qwen3",       true,  NORM_BEFORE,  HEAD_NORM,  false, false, false, 0,             false},
    {"exaone",      true,  NORM_BEFORE,  HEAD_PLAIN, false, false, false, 0,             false},
    {"exaone4",     true,  NORM_AFTER,   HEAD_NORM,  false, false, false, HYBRID_64,     false},
    {"exaone-moe",  true,  NORM_BEFORE,  HEAD_NORM,  false, false, true,  HYBRID_ALWAYS, false},
    {"glm4moe",     true,  NORM_BETWEEN, HEAD_MAYBE, false, false, true,  0,             false},
    {"granite",     false, NORM_BEFORE,  HEAD_PLAIN, false, true,  false, 0,             false},
    {"hyperclovax", false, NORM_BOTH,    HEAD_PLAIN, false, true,  false, 0,             false},
    {"deepseek2",   false, NORM_BEFORE,  HEAD_PLAIN, false, false, true,  0,             true },
};

#define NAME(rest) (snprintf(name, sizeof name, "blk.%u." rest, number), name)

/* The upper part of a matrix whose rows are of two or three; the rest stays in *whole. */
static struct matrix
cut_off(struct matrix *whole, uint64_t rows)
{
	struct matrix part = *whole;

	part.rows = (uint32_t)rows;
	whole->rows -= part.rows;
	whole->data += rows * whole->row_size;
	return part;
}

/* Of each expert the matrices of gate and up, or one of both. */
static int
bind_gates(struct binding *binding, struct mixture *mixture, unsigned number)
{
	const struct shape *shape = &binding->model->shape;
	const uint64_t width = shape->width, ffn = shape->expert_ffn;
	const uint32_t experts = shape->experts;
	char name[64];

	if (weights_find(binding, NAME("ffn_gate_up_exps.weight")) == NULL)
		return weights_stack(binding, &mixture->gate, NAME("ffn_gate_exps.weight"), experts, width,
		                     ffn) == -1 ||
		               weights_stack(binding, &mixture->up, NAME("ffn_up_exps.weight"), experts,
		                             width, ffn) == -1
		           ? -1
		           : 0;
	if (weights_stack(binding, &mixture->up, name, experts, width, 2 * ffn) == -1)
		return -1;
	if ((mixture->gate = calloc(experts, sizeof *mixture->gate)) == NULL)
		return fault_memory(binding->why);
	for (uint32_t i = 0; i < experts; i++)
		mixture->gate[i] = cut_off(&mixture->up[i], ffn);
	return 0;
}

static int
bind_mixture(struct binding *binding, struct layer *layer, unsigned number)
{
	const struct shape *shape = &binding->model->shape;
	struct mixture *mixture = layer->mixture = calloc(1, sizeof *mixture);
	uint64_t width = shape->width;
	char name[64];

	if (mixture == NULL)
		return fault_memory(binding->why);
	if (weights_matrix(binding, &mixture->router, NAME("ffn_gate_inp.weight"), width, shape->experts) ==
	        -1 ||
	    weights_vector(binding, &mixture->bias, NAME("exp_probs_b.bias"), shape->experts, false) == -1 ||
	    bind_gates(binding, mixture, number) == -1 ||
	    weights_stack(binding, &mixture->down, NAME("ffn_down_exps.weight"), shape->experts,
	                  shape->expert_ffn, width) == -1)
		return -1;
	if (shape->shared_ffn == 0)
		return 0;
	return weights_matrix(binding, &mixture->shared_gate, NAME("ffn_gate_shexp.weight"), width,
	                      shape->shared_ffn) == -1 ||
	               weights_matrix(binding, &mixture->shared_up, NAME("ffn_up_shexp.weight"), width,
	                              shape->shared_ffn) == -1 ||
	               weights_matrix(binding, &mixture->shared_down, NAME("ffn_down_shexp.weight"),
	                              shape->shared_ffn, width) == -1
	           ? -1
	           : 0;
}

static int
bind_norms(struct binding *binding, struct layer *layer, unsigned number)
{
	const struct shape *shape = &binding->model->shape;
	const struct architecture *kind = binding->architecture;
	const bool head = kind->head == HEAD_NORM, after = kind->norms == NORM_AFTER;
	char name[64];

	if (kind->head != HEAD_PLAIN && (weights_vector(binding, &layer->q_norm, NAME("attn_q_norm.weight"),
	                                                shape->head_size, head) == -1 ||
	                                 weights_vector(binding, &layer->k_norm, NAME("attn_k_norm.weight"),
	                                                shape->head_size, head) == -1))
		return -1;
	if ((layer->q_norm == NULL) != (layer->k_norm == NULL))
		return fault_set(binding->why, FAULT_INVALID,
		                 "%u층에 attn_q_norm과 attn_k_norm 중 하나만 있습니다",
		                 "layer %u has only one of attn_q_norm and attn_k_norm", number);
	if (kind->norms == NORM_AFTER || kind->norms == NORM_BOTH) {
		if (weights_vector(binding, &layer->attention_post_norm, NAME("post_attention_norm.weight"),
		                   shape->width, after) == -1 ||
		    weights_vector(binding, &layer->ffn_post_norm, NAME("post_ffw_norm.weight"), shape->width,
		                   after) == -1)
			return -1;
		if (after)
			return 0;
	}
	if (weights_vector(binding, &layer->attention_norm, NAME("attn_norm.weight"), shape->width, true) ==
	    -1)
		return -1;
	/* A.X K1 is DeepSeek's model with one norm more, after the experts. */
	if (kind->latent && weights_vector(binding, &layer->ffn_post_norm, NAME("post_ffw_norm.weight"),
	                                   shape->width, false) == -1)
		return -1;
	/* glm4moe calls the norm before its experts by where it stands. */
	return weights_vector(binding, &layer->ffn_norm,
	                      kind->norms == NORM_BETWEEN ? NAME("post_attention_norm.weight")
	                                                  : NAME("ffn_norm.weight"),
	                      shape->width, true);
}

/* Queries, keys and values by a matrix each, or by one. */
static int
bind_heads(struct binding *binding, struct layer *layer, unsigned number)
{
	const struct shape *shape = &binding->model->shape;
	const bool bias = binding->architecture->bias;
	uint64_t width = shape->width, q = (uint64_t)shape->heads * shape->head_size;
	uint64_t k = (uint64_t)shape->kv_heads * shape->head_size;
	char name[64];

	if (weights_find(binding, NAME("attn_qkv.weight")) != NULL) {
		if (weights_matrix(binding, &layer->v, name, width, q + 2 * k) == -1 ||
		    weights_vector(binding, &layer->q_bias, NAME("attn_qkv.bias"), q + 2 * k, bias) == -1)
			return -1;
		layer->q = cut_off(&layer->v, q);
		layer->k = cut_off(&layer->v, k);
		layer->k_bias = layer->q_bias != NULL ? layer->q_bias + q : NULL;
		layer->v_bias = layer->q_bias != NULL ? layer->k_bias + k : NULL;
		return weights_matrix(binding, &layer->output, NAME("attn_output.weight"), q, width);
	}
	return weights_matrix(binding, &layer->q, NAME("attn_q.weight"), width, q) == -1 ||
	               weights_matrix(binding, &layer->k, NAME("attn_k.weight"), width, k) == -1 ||
	               weights_matrix(binding, &layer->v, NAME("attn_v.weight"), width, k) == -1 ||
	               weights_matrix(binding, &layer->output, NAME("attn_output.weight"), q, width) == -1 ||
	               weights_vector(binding, &layer->q_bias, NAME("attn_q.bias"), q, bias) == -1 ||
	               weights_vector(binding, &layer->k_bias, NAME("attn_k.bias"), k, bias) == -1 ||
	               weights_vector(binding, &layer->v_bias, NAME("attn_v.bias"), k, bias) == -1
	           ? -1
	           : 0;
}

static int
bind_layer(struct binding *binding, struct layer *layer, unsigned number, uint32_t dense)
{
	const struct shape *shape = &binding->model->shape;
	uint64_t width = shape->width, ffn = shape->ffn;
	char name[64];

	if ((binding->architecture->latent ? weights_latent(binding, layer, number)
	                                   : bind_heads(binding, layer, number)) == -1 ||
	    bind_norms(binding, layer, number) == -1)
		return -1;
	if (shape->experts > 0 && number >= dense)
		return bind_mixture(binding, layer, number);
	return weights_matrix(binding, &layer->gate, NAME("ffn_gate.weight"), width, ffn) == -1 ||
	               weights_matrix(binding, &layer->up, NAME("ffn_up.weight"), width, ffn) == -1 ||
	               weights_matrix(binding, &layer->down, NAME("ffn_down.weight"), ffn, width) == -1
	           ? -1
	           : 0;
}
#undef NAME

/* Of a layer behind the last: it guesses further tokens (nextn_predict_layers). */
static bool
beyond(const struct binding *binding, struct slice name)
{
	const uint32_t layers = binding->model->shape.layers;
	uint32_t blocks = 0;
	char text[64];
	unsigned layer;

	snprintf(text, sizeof text, "%.*s", SLICE_PRINT(name));
	return weights_size(binding, "block_count", -1, 1, 1024, &blocks) == 0 &&
	       sscanf(text, "blk.%u.", &layer) == 1 && layer >= layers && layer < blocks;
}

/* What nothing was bound to would be left out of the computation: better to refuse than to answer wrongly. */
static int
refuse_unbound(const struct binding *binding)
{
	size_t number = 0;

	for (size_t i = 0; i < binding->weights->count; i++) {
		const struct gguf *gguf = &binding->weights->parts[i].gguf;

		for (size_t j = 0; j < gguf->tensor_count; j++, number++)
			if (!binding->weights->bound[number] && !beyond(binding, gguf->tensors[j].name))
				return fault_set(
				    binding->why, FAULT_UNSUPPORTED,
				    "아키텍처 '%s'에서 텐서 '%.*s'을(를) 어떻게 쓰는지 모릅니다",
				    "it is not known what architecture '%s' does with tensor '%.*s'",
				    binding->architecture->name, SLICE_PRINT(gguf->tensors[j].name));
	}
	return 0;
}

static int
bind_all(struct binding *binding)
{
	struct model *model = binding->model;
	size_t tensors = 0;
	uint32_t dense;

	for (size_t i = 0; i < binding->weights->count; i++)
		tensors += binding->weights->parts[i].gguf.tensor_count;
	if ((binding->weights->bound = calloc(tensors + 1, sizeof *binding->weights->bound)) == NULL ||
	    (model->layers = calloc(model->shape.layers, sizeof *model->layers)) == NULL)
		return fault_memory(binding->why);
	model->shape.vocabulary = tokenizer_count(model->tokenizer);
	if (weights_matrix(binding, &model->embedding, "token_embd.weight", model->shape.width,
	                   model->shape.vocabulary) == -1 ||
	    weights_vector(binding, &model->output_norm, "output_norm.weight", model->shape.width, true) ==
	        -1)
		return -1;
	model->head = model->embedding;
	if (weights_find(binding, "output.weight") != NULL &&
	    weights_matrix(binding, &model->head, "output.weight", model->shape.width,
	                   model->shape.vocabulary) == -1)
		return -1;
	if (weights_size(binding, "leading_dense_block_count", 0, 0, model->shape.layers, &dense) == -1)
		return -1;
	for (uint32_t i = 0; i < model->shape.layers; i++)
		if (bind_layer(binding, &model->layers[i], i, dense) == -1)
			return -1;
	if (weights_windows(binding) == -1 || weights_rope(binding) == -1)
		return -1;
	return refuse_unbound(binding);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* An id that fits anywhere: lower case, digits and "-._", everything else one '-'. */
static void
make_name(char *out, size_t size, struct slice from)
{
	size_t length = 0;

	for (size_t i = 0; i < from.size && length + 1 < size; i++) {
		int c = tolower(from.data[i]);

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_')
			out[length++] = (char)c;
		else if (length > 0 && out[length - 1] != '-')
			out[length++] = '-';
	}
	while (length > 0 && out[length - 1] == '-')
		length--;
	out[length] = '\0';
}

static void
read_names(struct model *model, const struct gguf *gguf, const char *path)
{
	struct slice text = {0};
	const char *file = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;

	if (gguf_string(gguf_key(gguf, "general.name"), &text))
		make_name(model->name, sizeof model->name, text);
	if (model->name[0] == '\0') {
		size_t length = strlen(file);

		if (length > 5 && strcmp(file + length - 5, ".gguf") == 0)
			length -= 5;
		make_name(model->name, sizeof model->name, slice_of(file, length));
	}
	if (model->name[0] == '\0')
		snprintf(model->name, sizeof model->name, "model");
	if (gguf_string(gguf_key(gguf, "general.license"), &text) && utf8_valid(text)) {
		size_t length = utf8_cut(text, sizeof model->license - 1);

		for (size_t i = 0; i < length; i++)
			model->license[i] =
			    text.data[i] < 32 || text.data[i] == 127 ? ' ' : (char)text.data[i];
	}
	if (gguf_string(gguf_key(gguf, "tokenizer.chat_template"), &text))
		model->chat_template = text;
}

static const struct architecture *
find_architecture(const struct gguf *gguf, struct fault *why)
{
	struct slice name = {0};

	if (!gguf_string(gguf_key(gguf, "general.architecture"), &name)) {
		fault_set(why, FAULT_INVALID, "메타데이터에 general.architecture가 없습니다",
		          "the metadata has no general.architecture");
		return NULL;
	}
	for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
		if (slice_is(name, architectures[i].name))
			return &architectures[i];
	if (!utf8_valid(name) || name.size > 64)
		name = SLICE_LITERAL("?");
	fault_set(why, FAULT_UNSUPPORTED,
	          "모델 아키텍처 '%.*s'은(는) 지원하지 않습니다 (llama qwen2 qwen3 exaone exaone4 exaone-moe "
	          "glm4moe granite hyperclovax deepseek2만 가능)",
	          "model architecture '%.*s' is not supported (llama qwen2 qwen3 exaone exaone4 exaone-moe "
	          "glm4moe granite hyperclovax deepseek2 are)",
	          SLICE_PRINT(name));
	return NULL;
}

int
model_open(struct model **out, const char *path, struct fault *why)
{
	struct model *model = calloc(1, sizeof *model);
	struct binding binding = {.model = model, .why = why};
	int result = -1;

	if (model == NULL)
		return fault_memory(why);
	if (weights_open(&model->weights, path, why) == -1)
		goto out;
	binding.weights = model->weights;
	binding.gguf = &model->weights->parts[0].gguf;
	if ((binding.architecture = find_architecture(binding.gguf, why)) == NULL)
		goto named;
	snprintf(model->architecture, sizeof model->architecture, "%s", binding.architecture->name);
	read_names(model, binding.gguf, path);
	if (weights_shape(&binding) == -1 || tokenizer_open(&model->tokenizer, binding.gguf, why) == -1 ||
	    bind_all(&binding) == -1)
		goto named;
	*out = model;
	model = NULL;
	result = 0;
	goto out;
named:
	fault_prefix(why, "%s", "%s", path);
out:
	model_close(model);
	return result;
}

void
model_close(struct model *model)
{
	if (model == NULL)
		return;
	tokenizer_close(model->tokenizer);
	weights_close(model->weights);
	for (uint32_t i = 0; model->layers != NULL && i < model->shape.layers; i++) {
		struct mixture *mixture = model->layers[i].mixture;

		latent_free(model->layers[i].latent);
		if (mixture == NULL)
			continue;
		free(mixture->gate);
		free(mixture->up);
		free(mixture->down);
		free(mixture);
	}
	free(model->layers);
	free(model->rope_frequencies);
	free(model);
}

size_t
model_matrices(struct model *model, struct matrix **out)
{
	size_t count = 0;

#define LIST(matrix) (out != NULL ? (void)(out[count] = (matrix)) : (void)0, count++)
	for (size_t i = 0; i < model->shape.layers; i++) {
		struct layer *layer = &model->layers[i];
		struct mixture *mixture = layer->mixture;

		LIST(&layer->q);
		LIST(&layer->output);
		if (layer->latent == NULL) {
			LIST(&layer->k);
			LIST(&layer->v);
		} else {
			if (layer->latent->query.rows > 0)
				LIST(&layer->latent->query);
			LIST(&layer->latent->both);
		}
		for (uint32_t h = 0; layer->latent != NULL && h < model->shape.heads; h++) {
			LIST(&layer->latent->enter[h]);
			LIST(&layer->latent->leave[h]);
		}
		if (mixture == NULL) {
			LIST(&layer->gate);
			LIST(&layer->up);
			LIST(&layer->down);
			continue;
		}
		LIST(&mixture->router);
		for (uint32_t e = 0; e < model->shape.experts; e++) {
			LIST(&mixture->gate[e]);
			LIST(&mixture->up[e]);
			LIST(&mixture->down[e]);
		}
		if (mixture->shared_gate.rows == 0)
			continue;
		LIST(&mixture->shared_gate);
		LIST(&mixture->shared_up);
		LIST(&mixture->shared_down);
	}
	LIST(&model->head);
#undef LIST
	return count;
}

const struct gguf *
model_gguf(const struct model *model)
{
	return &model->weights->parts[0].gguf;
}

void
model_forget(struct model *model, const struct matrix *matrix)
{
	uintptr_t first = ((uintptr_t)matrix->data + 4095) & ~(uintptr_t)4095;
	uintptr_t last = ((uintptr_t)matrix->data + matrix->rows * matrix->row_size) & ~(uintptr_t)4095;

	if (model->progress != NULL)
		model->progress(model->progress_context, 0, matrix->rows * matrix->row_size);
	if (model->weights != NULL && last > first)
		madvise((void *)first, last - first, MADV_DONTNEED);
}
