/* Positions: how far a layer sees, and how fast each pair turns. */
#include <math.h>
#include <stdlib.h>

#include "inference/weights_tensor.h"

/* EXAONE 4's 64-layer model, EXAONE MoE: three layers with a window and rope to one that sees all, without rope. */
int
weights_windows(struct binding *binding)
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
	    {"rope.scaling.yarn_log_multiplier", 0.0}, /* last: what a latent has */
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys - binding->architecture->latent; i++) {
		double value = keys[i].plain;

		gguf_real(weights_key(binding, keys[i].name), &value);
		if (value != keys[i].plain)
			return fault_set(
			    binding->why, FAULT_UNSUPPORTED, "%s.%s 값 %g은(는) 지원하지 않습니다",
			    "%s.%s of %g is not supported", binding->architecture->name, keys[i].name, value);
	}
	return 0;
}

/*
 * Of DeepSeek's models YaRN stretches what all of a head's values say to each other, not only those that turn: cosine
 * and sine stay as they are, and the scores are multiplied by (1 + 0.1 m ln factor) squared, where m is ten times the
 * key's value (mscale_all_dim of the paper's authors). Without that key, and with other scalings, engines differ.
 */
static int
scale_latent(struct binding *binding, bool yarn, double factor, double attention)
{
	struct shape *shape = &binding->model->shape;
	double multiplier, grown;

	if (weights_real(binding, "rope.scaling.yarn_log_multiplier", 0.0, 0.0, 100.0, &multiplier) == -1)
		return -1;
	if (factor == 1.0 && attention == 1.0)
		return 0;
	if (!yarn || factor < 1.0 || attention != 1.0 || multiplier == 0.0)
		return fault_set(binding->why, FAULT_UNSUPPORTED,
		                 "아키텍처 '%s'의 rope.scaling은 yarn_log_multiplier가 있는 yarn만 "
		                 "지원합니다(attn_factor 없이)",
		                 "of rope.scaling with architecture '%s', only yarn with its "
		                 "yarn_log_multiplier is supported "
		                 "(without attn_factor)",
		                 binding->architecture->name);
	grown = 1.0 + multiplier * log(factor);
	shape->rope_magnitude = 1.0f;
	shape->attention_scale = (float)(grown * grown / sqrt((double)shape->head_size));
	return 0;
}

int
weights_rope(struct binding *binding)
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
	    weights_vector(binding, &divisors, "rope_freqs.weight", pairs, false) == -1)
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
	if (shape->latent > 0 && scale_latent(binding, yarn, factor, attention) == -1)
		return -1;
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
