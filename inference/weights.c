/*
 * weights -- from files to a model: map, check, bind each tensor to its place, refuse by name what is not understood.
 */
#define _GNU_SOURCE /* MADV_DONTNEED beside POSIX */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "inference/gguf.h"
#include "inference/model.h"
#include "inference/quant.h"
#include "inference/tokenizer.h"
#include "inference/weights.h"
#include "inference/weights_shape.h"

static const struct architecture architectures[] = {
    {"llama",       false, NORM_BEFORE,  HEAD_PLAIN, false, false, false, 0            },
    {"qwen2",       true,  NORM_BEFORE,  HEAD_PLAIN, true,  false, false, 0            },
    {"qwen3",       true,  NORM_BEFORE,  HEAD_NORM,  false, false, false, 0            },
    {"exaone",      true,  NORM_BEFORE,  HEAD_PLAIN, false, false, false, 0            },
    {"exaone4",     true,  NORM_AFTER,   HEAD_NORM,  false, false, false, HYBRID_64    },
    {"exaone-moe",  true,  NORM_BEFORE,  HEAD_NORM,  false, false, true,  HYBRID_ALWAYS},
    {"glm4moe",     true,  NORM_BETWEEN, HEAD_MAYBE, false, false, true,  0            },
    {"granite",     false, NORM_BEFORE,  HEAD_PLAIN, false, true,  false, 0            },
    {"hyperclovax", false, NORM_BOTH,    HEAD_PLAIN, false, true,  false, 0            },
};

/* ---- tensors ---------------------------------------------------------------------------------------------------- */

/* The tensor of that name in any part, marked as used. NULL: none. */
static const struct gguf_tensor *
find_tensor(struct binding *binding, const char *name)
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
check_tensor(struct binding *binding, const struct gguf_tensor *tensor, const char *name, uint64_t columns,
             uint64_t rows)
{
	const struct quant_kind *kind;

	if (tensor == NULL)
		return fault_set(binding->why, FAULT_INVALID, "텐서 '%s'이(가) 파일에 없습니다",
		                 "tensor '%s' is not in the file", name);
	kind = quant_kind(tensor->type);
	if (kind == NULL || !kind->supported)
		return fault_set(binding->why, FAULT_UNSUPPORTED,
		                 "텐서 '%s'의 형식 %s은(는) 지원하지 않습니다 (F32 F16 BF16 Q8_0 Q4_0 Q5_0 "
		                 "Q4_K Q5_K Q6_K만 가능)",
		                 "tensor '%s' has type %s, which is not supported (F32 F16 BF16 Q8_0 Q4_0 "
		                 "Q5_0 Q4_K Q5_K Q6_K are)",
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

static int
bind_matrix(struct binding *binding, struct matrix *out, const char *name, uint64_t columns, uint64_t rows)
{
	const struct gguf_tensor *tensor = find_tensor(binding, name);

	if (check_tensor(binding, tensor, name, columns, rows) == -1)
		return -1;
	out->type = tensor->type;
	out->rows = (uint32_t)rows;
	out->columns = (uint32_t)columns;
	out->row_size = quant_row_size(tensor->type, columns);
	out->data = tensor->data.data;
	return 0;
}

/* A vector of floats, copied: whatever its type in the file. */
static int
bind_vector(struct binding *binding, const float **out, const char *name, uint64_t size, bool required)
{
	struct weights *weights = binding->weights;
	const struct gguf_tensor *tensor = find_tensor(binding, name);
	float **grown, *copy;

	if (tensor == NULL && !required)
		return 0;
	if (check_tensor(binding, tensor, name, size, 1) == -1)
		return -1;
	grown = realloc(weights->copies, (weights->copy_count + 1) * sizeof *grown);
	if (grown == NULL)
		return fault_memory(binding->why);
	weights->copies = grown;
	if ((copy = malloc((size_t)size * sizeof *copy)) == NULL)
		return fault_memory(binding->why);
	weights->copies[weights->copy_count++] = copy;
	quant_row(tensor->type, tensor->data.data, copy, (size_t)size);
	*out = copy;
	return 0;
}

/* The matrices of all experts lie one behind the other in one tensor. */
static int
bind_experts(struct binding *binding, struct matrix **out, const char *name, uint64_t columns, uint64_t rows)
{
	const struct gguf_tensor *tensor = find_tensor(binding, name);
	uint32_t count = binding->model->shape.experts;
	struct gguf_tensor flat;
	struct matrix whole;

	if (tensor == NULL || tensor->shape[2] != count)
		return fault_set(binding->why, FAULT_INVALID,
		                 "텐서 '%s'이(가) 없거나 전문가 %u개의 것이 아닙니다",
		                 "tensor '%s' is absent or not of %u experts", name, count);
	flat = *tensor;
	flat.shape[1] *= count;
	flat.shape[2] = 1;
	if (check_tensor(binding, &flat, name, columns, rows * count) == -1)
		return -1;
	if ((*out = calloc(count, sizeof **out)) == NULL)
		return fault_memory(binding->why);
	whole = (struct matrix){.type = tensor->type,
	                        .rows = (uint32_t)rows,
	                        .columns = (uint32_t)columns,
	                        .row_size = quant_row_size(tensor->type, columns)};
	for (uint32_t i = 0; i < count; i++) {
		(*out)[i] = whole;
		(*out)[i].data = tensor->data.data + i * rows * whole.row_size;
	}
	return 0;
}

#define NAME(rest) (snprintf(name, sizeof name, "blk.%u." rest, number), name)

static int
bind_mixture(struct binding *binding, struct layer *layer, unsigned number)
{
	const struct shape *shape = &binding->model->shape;
	struct mixture *mixture = layer->mixture = calloc(1, sizeof *mixture);
	uint64_t width = shape->width;
	char name[64];

	if (mixture == NULL)
		return fault_memory(binding->why);
	if (bind_matrix(binding, &mixture->router, NAME("ffn_gate_inp.weight"), width, shape->experts) ==
	        -1 ||
	    bind_vector(binding, &mixture->bias, NAME("exp_probs_b.bias"), shape->experts, false) == -1 ||
	    bind_experts(binding, &mixture->gate, NAME("ffn_gate_exps.weight"), width, shape->expert_ffn) ==
	        -1 ||
	    bind_experts(binding, &mixture->up, NAME("ffn_up_exps.weight"), width, shape->expert_ffn) == -1 ||
	    bind_experts(binding, &mixture->down, NAME("ffn_down_exps.weight"), shape->expert_ffn, width) ==
	        -1)
		return -1;
	if (shape->shared_ffn == 0)
		return 0;
	return bind_matrix(binding, &mixture->shared_gate, NAME("ffn_gate_shexp.weight"), width,
	                   shape->shared_ffn) == -1 ||
	               bind_matrix(binding, &mixture->shared_up, NAME("ffn_up_shexp.weight"), width,
	                           shape->shared_ffn) == -1 ||
	               bind_matrix(binding, &mixture->shared_down, NAME("ffn_down_shexp.weight"),
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

	if (kind->head != HEAD_PLAIN &&
	    (bind_vector(binding, &layer->q_norm, NAME("attn_q_norm.weight"), shape->head_size, head) == -1 ||
	     bind_vector(binding, &layer->k_norm, NAME("attn_k_norm.weight"), shape->head_size, head) == -1))
		return -1;
	if ((layer->q_norm == NULL) != (layer->k_norm == NULL))
		return fault_set(binding->why, FAULT_INVALID,
		                 "%u층에 attn_q_norm과 attn_k_norm 중 하나만 있습니다",
		                 "layer %u has only one of attn_q_norm and attn_k_norm", number);
	if (kind->norms == NORM_AFTER || kind->norms == NORM_BOTH) {
		if (bind_vector(binding, &layer->attention_post_norm, NAME("post_attention_norm.weight"),
		                shape->width, after) == -1 ||
		    bind_vector(binding, &layer->ffn_post_norm, NAME("post_ffw_norm.weight"), shape->width,
		                after) == -1)
			return -1;
		if (after)
			return 0;
	}
	if (bind_vector(binding, &layer->attention_norm, NAME("attn_norm.weight"), shape->width, true) == -1)
		return -1;
	/* glm4moe calls the norm before its experts by where it stands. */
	return bind_vector(binding, &layer->ffn_norm,
	                   kind->norms == NORM_BETWEEN ? NAME("post_attention_norm.weight")
	                                               : NAME("ffn_norm.weight"),
	                   shape->width, true);
}

static int
bind_layer(struct binding *binding, struct layer *layer, unsigned number, uint32_t dense)
{
	const struct shape *shape = &binding->model->shape;
	const struct architecture *kind = binding->architecture;
	uint64_t width = shape->width, q = (uint64_t)shape->heads * shape->head_size;
	uint64_t k = (uint64_t)shape->kv_heads * shape->head_size, ffn = shape->ffn;
	char name[64];

	if (bind_matrix(binding, &layer->q, NAME("attn_q.weight"), width, q) == -1 ||
	    bind_matrix(binding, &layer->k, NAME("attn_k.weight"), width, k) == -1 ||
	    bind_matrix(binding, &layer->v, NAME("attn_v.weight"), width, k) == -1 ||
	    bind_matrix(binding, &layer->output, NAME("attn_output.weight"), q, width) == -1 ||
	    bind_vector(binding, &layer->q_bias, NAME("attn_q.bias"), q, kind->bias) == -1 ||
	    bind_vector(binding, &layer->k_bias, NAME("attn_k.bias"), k, kind->bias) == -1 ||
	    bind_vector(binding, &layer->v_bias, NAME("attn_v.bias"), k, kind->bias) == -1 ||
	    bind_norms(binding, layer, number) == -1)
		return -1;
	if (kind->experts && number >= dense)
		return bind_mixture(binding, layer, number);
	return bind_matrix(binding, &layer->gate, NAME("ffn_gate.weight"), width, ffn) == -1 ||
	               bind_matrix(binding, &layer->up, NAME("ffn_up.weight"), width, ffn) == -1 ||
	               bind_matrix(binding, &layer->down, NAME("ffn_down.weight"), ffn, width) == -1
	           ? -1
	           : 0;
}
#undef NAME

/* EXAONE 4's 64-layer model, EXAONE MoE: three layers with a window and rope to one that sees all, without rope. */
static int
choose_windows(struct binding *binding)
{
	struct model *model = binding->model;
	const struct gguf_key *pattern = weights_key(binding, "attention.sliding_window_pattern");
	const unsigned kind = binding->architecture->hybrid;
	const bool hybrid = kind == HYBRID_ALWAYS || (kind == HYBRID_64 && model->shape.layers == 64);
	int64_t every = 4;

	if (hybrid && pattern != NULL && pattern->type != GGUF_ARRAY &&
	    (!gguf_integer(pattern, &every) || every < 1 || every > 1024))
		return fault_set(binding->why, FAULT_INVALID, "sliding_window_pattern이 올바르지 않습니다",
		                 "sliding_window_pattern is malformed");
	for (uint32_t i = 0; i < model->shape.layers; i++) {
		struct layer *layer = &model->layers[i];
		double local = i % every < every - 1;

		if (hybrid && pattern != NULL && pattern->type == GGUF_ARRAY &&
		    !gguf_element(pattern, i, &local))
			return fault_set(
			    binding->why, FAULT_INVALID, "sliding_window_pattern이 %u층보다 짧습니다",
			    "sliding_window_pattern is shorter than %u layers", model->shape.layers);
		layer->local = hybrid && local != 0;
		layer->rope = !hybrid || layer->local;
	}
	if (hybrid && model->shape.window == 0)
		model->shape.window = kind == HYBRID_ALWAYS ? 128 : 4096;
	if (kind == 0 && model->shape.window != 0)
		return fault_set(
		    binding->why, FAULT_UNSUPPORTED, "아키텍처 '%s'의 슬라이딩 윈도우는 지원하지 않습니다",
		    "sliding windows of architecture '%s' are not supported", binding->architecture->name);
	return 0;
}

/* Of YaRN only the paper's own form: no other mixture, no other factor of the attention. */
static int
refuse_yarn(const struct binding *binding)
{
	static const struct {
		const char *name;
		double plain;
	} keys[] = {
	    {"rope.scaling.yarn_ext_factor",     1.0},
	    {"rope.scaling.yarn_attn_factor",    1.0},
	    {"rope.scaling.yarn_log_multiplier", 0.0},
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		double value = keys[i].plain;

		gguf_real(weights_key(binding, keys[i].name), &value);
		if (value != keys[i].plain)
			return fault_set(
			    binding->why, FAULT_UNSUPPORTED, "%s.%s 값 %g은(는) 지원하지 않습니다",
			    "%s.%s of %g is not supported", binding->architecture->name, keys[i].name, value);
	}
	return 0;
}

static int
read_rope(struct binding *binding)
{
	struct model *model = binding->model;
	struct shape *shape = &model->shape;
	size_t pairs = shape->rotated / 2;
	double base, factor, attention, fast, slow, low = 0, high = 0;
	const float *divisors = NULL;
	struct slice type = SLICE_LITERAL("linear"); /* as converters mean a factor without a type */
	uint32_t original;
	bool yarn;

	if (weights_real(binding, "rope.freq_base", 10000.0, 1.0, 1e12, &base) == -1 ||
	    weights_real(binding, "rope.scale_linear", 1.0, 0.001, 1e6, &factor) == -1 || /* its old name */
	    weights_real(binding, "rope.scaling.factor", factor, 0.001, 1e6, &factor) == -1 ||
	    weights_real(binding, "rope.scaling.attn_factor", 1.0, 0.0, 1e6, &attention) == -1 ||
	    weights_real(binding, "rope.scaling.yarn_beta_fast", 32.0, 0.0, 1e6, &fast) == -1 ||
	    weights_real(binding, "rope.scaling.yarn_beta_slow", 1.0, 0.0, 1e6, &slow) == -1 ||
	    weights_size(binding, "rope.scaling.original_context_length", shape->context, 1, 1 << 24,
	                 &original) == -1 ||
	    bind_vector(binding, &divisors, "rope_freqs.weight", pairs, false) == -1)
		return -1;
	gguf_string(weights_key(binding, "rope.scaling.type"), &type);
	yarn = slice_is(type, "yarn");
	if (!yarn && !slice_is(type, "none") && !slice_is(type, "linear"))
		return fault_set(binding->why, FAULT_UNSUPPORTED,
		                 "rope.scaling.type '%.*s'은(는) 지원하지 않습니다",
		                 "rope.scaling.type '%.*s' is not supported", SLICE_PRINT(type));
	if (slice_is(type, "none"))
		factor = 1.0;
	if (yarn && refuse_yarn(binding) == -1)
		return -1;
	if (yarn) { /* Peng et al. 2023: fast pairs keep their angle, slow ones are stretched, a ramp between */
		low = floor(shape->rotated * log(original / (fast * 2 * M_PI)) / (2 * log(base)));
		high = ceil(shape->rotated * log(original / (slow * 2 * M_PI)) / (2 * log(base)));
		low = fmax(0, low);
		high = fmin(shape->rotated - 1.0, high);
		shape->rope_magnitude = (float)(attention * (1.0 + 0.1 * log(fmax(factor, 1.0))));
	}
	if ((model->rope_frequencies = calloc(pairs + 1, sizeof *model->rope_frequencies)) == NULL)
		return fault_memory(binding->why);
	for (size_t i = 0; i < pairs; i++) {
		double angle = pow(base, -2.0 * (double)i / shape->rotated) /
		               (divisors != NULL ? (double)divisors[i] : 1.0);
		double keep =
		    yarn ? 1.0 - fmin(1.0, fmax(0.0, ((double)i - low) / fmax(0.001, high - low))) : 0.0;

		model->rope_frequencies[i] = angle / factor * (1.0 - keep) + angle * keep;
		if (!isfinite(model->rope_frequencies[i]))
			return fault_set(binding->why, FAULT_INVALID,
			                 "rope_freqs.weight 값이 올바르지 않습니다",
			                 "rope_freqs.weight holds an impossible value");
	}
	return 0;
}

/* Of a layer behind the last: it guesses further tokens (nextn_predict_layers). */
static bool
beyond(const struct binding *binding, struct slice name)
{
	char text[64];
	unsigned layer;

	snprintf(text, sizeof text, "%.*s", SLICE_PRINT(name));
	return binding->architecture->experts && sscanf(text, "blk.%u.", &layer) == 1 &&
	       layer >= binding->model->shape.layers;
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
	if (bind_matrix(binding, &model->embedding, "token_embd.weight", model->shape.width,
	                model->shape.vocabulary) == -1 ||
	    bind_vector(binding, &model->output_norm, "output_norm.weight", model->shape.width, true) == -1)
		return -1;
	model->head = model->embedding;
	if (find_tensor(binding, "output.weight") != NULL &&
	    bind_matrix(binding, &model->head, "output.weight", model->shape.width,
	                model->shape.vocabulary) == -1)
		return -1;
	if (weights_size(binding, "leading_dense_block_count", 0, 0, model->shape.layers, &dense) == -1)
		return -1;
	for (uint32_t i = 0; i < model->shape.layers; i++)
		if (bind_layer(binding, &model->layers[i], i, dense) == -1)
			return -1;
	if (choose_windows(binding) == -1 || read_rope(binding) == -1)
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
	          "glm4moe granite hyperclovax만 가능)",
	          "model architecture '%.*s' is not supported (llama qwen2 qwen3 exaone exaone4 exaone-moe "
	          "glm4moe granite hyperclovax are)",
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
		LIST(&layer->k);
		LIST(&layer->v);
		LIST(&layer->output);
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
