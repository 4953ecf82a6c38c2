#include "inference/weights_shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "inference/gguf.h"
#include "inference/model.h"

const struct gguf_key *
weights_key(const struct binding *binding, const char *name)
{
	char full[128];

	snprintf(full, sizeof full, "%s.%s", binding->architecture->name, name);
	return gguf_key(binding->gguf, full);
}

/* A whole number between least and most; `fallback` when absent, or a fault where fallback is -1. */
int
weights_size(const struct binding *binding, const char *name, int64_t fallback, int64_t least, int64_t most,
             uint32_t *out)
{
	const struct gguf_key *key = weights_key(binding, name);
	int64_t value = fallback;

	if (key == NULL && fallback == -1)
		return fault_set(binding->why, FAULT_INVALID, "메타데이터에 %s.%s이(가) 없습니다",
		                 "the metadata has no %s.%s", binding->architecture->name, name);
	if (key != NULL && key->type == GGUF_ARRAY) { /* one for each layer: only all the same will do */
		double first = 0, other;

		for (uint64_t i = 0; i < key->count; i++) {
			if (!gguf_element(key, i, i == 0 ? &first : &other) || (i > 0 && other != first))
				return fault_set(binding->why, FAULT_UNSUPPORTED,
				                 "%s.%s이(가) 층마다 달라 지원하지 않습니다",
				                 "%s.%s differs between layers, which is not supported",
				                 binding->architecture->name, name);
		}
		value = key->count > 0 && first >= 0 && first <= 1e9 ? (int64_t)first : -1;
	} else if (key != NULL && !gguf_integer(key, &value)) {
		value = -1;
	}
	if (value < least || value > most)
		return fault_set(binding->why, FAULT_INVALID,
		                 "%s.%s 값 %lld이(가) %lld-%lld 범위를 벗어납니다",
		                 "%s.%s is %lld, not within %lld-%lld", binding->architecture->name, name,
		                 (long long)value, (long long)least, (long long)most);
	*out = (uint32_t)value;
	return 0;
}

int
weights_real(const struct binding *binding, const char *name, double fallback, double least, double most,
             double *out)
{
	const struct gguf_key *key = weights_key(binding, name);

	*out = fallback;
	if (key == NULL && !isnan(fallback))
		return 0;
	if (!gguf_real(key, out) || !(*out >= least && *out <= most))
		return fault_set(binding->why, FAULT_INVALID, "%s.%s이(가) 없거나 범위를 벗어납니다",
		                 "%s.%s is absent or out of range", binding->architecture->name, name);
	return 0;
}

/* Metadata that changes the graph, where the architecture is not known to have it. */
static int
refuse_scalars(const struct binding *binding)
{
	static const struct {
		const char *name;
		enum { NEVER, SCALED, EXPERTS } known;
	} names[] = {
	    {"expert_count",                EXPERTS},
            {"logit_scale",                 SCALED },
	    {"residual_scale",              SCALED },
            {"embedding_scale",             SCALED },
	    {"attention.scale",             SCALED },
            {"attention.logit_softcapping", NEVER  },
	    {"final_logit_softcapping",     NEVER  },
            {"attention.max_alibi_bias",    NEVER  },
	    {"attention.clamp_kqv",         NEVER  },
            {"rope.freq_base_swa",          NEVER  },
	    {"attention.causal",            NEVER  },
            {"attention.temperature_scale", NEVER  },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct gguf_key *key = weights_key(binding, names[i].name);
		double value = 0, base = 0;
		bool flag = true;

		if (key == NULL || (gguf_flag(key, &flag) && flag) ||
		    (gguf_real(key, &value) && value == 0.0) ||
		    (names[i].known == SCALED && binding->architecture->scaled) ||
		    (names[i].known == EXPERTS && binding->architecture->experts))
			continue;
		if (strcmp(names[i].name, "rope.freq_base_swa") == 0 &&
		    gguf_real(weights_key(binding, "rope.freq_base"), &base) && base == value)
			continue;
		return fault_set(binding->why, FAULT_UNSUPPORTED,
		                 "아키텍처 '%s'에서 메타데이터 '%s'은(는) 지원하지 않습니다",
		                 "architecture '%s' with metadata '%s' is not supported",
		                 binding->architecture->name, names[i].name);
	}
	return 0;
}

/* Factors of granite and HyperCLOVA X: the logits are divided, everything else is multiplied. */
static int
read_scales(const struct binding *binding)
{
	struct shape *shape = &binding->model->shape;
	double embedding, residual, logits, attention;

	shape->attention_scale = 1.0f / sqrtf((float)shape->head_size);
	shape->embedding_scale = shape->residual_scale = shape->logit_scale = shape->rope_magnitude = 1.0f;
	if (!binding->architecture->scaled)
		return 0;
	if (weights_real(binding, "embedding_scale", 1, 0, 1e6, &embedding) == -1 ||
	    weights_real(binding, "residual_scale", 1, 0, 1e6, &residual) == -1 ||
	    weights_real(binding, "logit_scale", 1, 0, 1e6, &logits) == -1 ||
	    weights_real(binding, "attention.scale", 0, 0, 1e6, &attention) == -1)
		return -1;
	/* 0 is written where there is no factor. */
	if (embedding != 0)
		shape->embedding_scale = (float)embedding;
	if (residual != 0)
		shape->residual_scale = (float)residual;
	if (logits != 0)
		shape->logit_scale = (float)(1 / logits);
	if (attention != 0)
		shape->attention_scale = (float)attention;
	return 0;
}

/* Groups of experts: with more than one, the best of them are chosen first. */
static int
read_groups(const struct binding *binding)
{
	struct shape *shape = &binding->model->shape;
	uint32_t size;

	shape->expert_groups = shape->expert_groups_used = 1;
	if (weights_size(binding, "expert_group_count", 1, 0, shape->experts, &shape->expert_groups) == -1)
		return -1;
	if (shape->expert_groups <= 1) {
		shape->expert_groups = 1;
		return 0;
	}
	if (weights_size(binding, "expert_group_used_count", -1, 1, shape->expert_groups,
	                 &shape->expert_groups_used) == -1)
		return -1;
	size = shape->experts / shape->expert_groups;
	if (shape->experts % shape->expert_groups != 0 || size < 2 ||
	    shape->expert_groups_used * size < shape->experts_used)
		return fault_set(
		    binding->why, FAULT_INVALID, "전문가 %u개를 %u개 묶음 중 %u개에서 %u개 고를 수 없습니다",
		    "of %u experts in %u groups, %u of which are used, %u cannot be chosen", shape->experts,
		    shape->expert_groups, shape->expert_groups_used, shape->experts_used);
	return 0;
}

/* How scores become weights, where the file does not say: each architecture has its own habit. */
static uint32_t
usual_gating(const struct binding *binding)
{
	const uint32_t layers = binding->model->shape.layers;
	const struct gguf_key *tokens = gguf_key(binding->gguf, "tokenizer.ggml.tokens");

	if (!binding->architecture->latent)
		return 2;
	/* DeepSeek V2 had one softmax and no key; of later files without one, GLM 4.7 Flash has sigmoids. */
	return (layers == 47 || layers == 48) && tokens != NULL && tokens->count == 154880 ? 2 : 1;
}

static int
read_experts(const struct binding *binding)
{
	struct shape *shape = &binding->model->shape;
	const struct gguf_key *sections = weights_key(binding, "rope.dimension_sections");
	uint32_t gating, shared, count;
	double scale;

	if (!binding->architecture->experts)
		return 0;
	/* Small models of an architecture with experts may have none. */
	if (weights_size(binding, "expert_count", binding->architecture->latent ? 0 : -1,
	                 binding->architecture->latent ? 0 : 1, 4096, &shape->experts) == -1)
		return -1;
	if (shape->experts == 0)
		return 0;
	if (weights_size(binding, "expert_used_count", -1, 1, shape->experts, &shape->experts_used) == -1 ||
	    weights_size(binding, "expert_feed_forward_length", -1, 1, 1 << 20, &shape->expert_ffn) == -1 ||
	    weights_size(binding, "expert_shared_count", 0, 0, 64, &count) == -1 ||
	    weights_size(binding, "expert_shared_feed_forward_length", 0, 0, 1 << 20, &shared) == -1 ||
	    weights_size(binding, "expert_gating_func", 0, 0, 2, &gating) == -1 ||
	    weights_real(binding, "expert_weights_scale", 1, 0, 1e6, &scale) == -1)
		return -1;
	for (uint64_t i = 0; sections != NULL && sections->type == GGUF_ARRAY && i < sections->count; i++) {
		double section;

		if (gguf_element(sections, i, &section) && section != 0)
			return fault_set(binding->why, FAULT_UNSUPPORTED,
			                 "아키텍처 '%s'의 rope.dimension_sections는 지원하지 않습니다",
			                 "rope.dimension_sections of architecture '%s' are not supported",
			                 binding->architecture->name);
	}
	shape->shared_ffn = shared != 0 ? shared : count * shape->expert_ffn;
	shape->expert_sigmoid = (gating != 0 ? gating : usual_gating(binding)) != 1;
	gguf_flag(weights_key(binding, "expert_weights_norm"), &shape->expert_normalised);
	shape->expert_scale = scale != 0 ? (float)scale : 1.0f;
	return read_groups(binding);
}

/*
 * Heads whose keys and values come from a latent. Older files give the sizes of a head as key_length and value_length;
 * newer ones what is cached there, and the heads' as ..._mla.
 */
static int
read_latent(const struct binding *binding)
{
	struct shape *shape = &binding->model->shape;
	const bool newer = weights_key(binding, "attention.key_length_mla") != NULL;

	if (weights_size(binding, "attention.kv_lora_rank", -1, 1, 8192, &shape->latent) == -1 ||
	    weights_size(binding, newer ? "attention.key_length_mla" : "attention.key_length", -1, 1, 1024,
	                 &shape->head_size) == -1 ||
	    weights_size(binding, newer ? "attention.value_length_mla" : "attention.value_length", -1, 1,
	                 1024, &shape->value_size) == -1 ||
	    weights_size(binding, "rope.dimension_count", -1, 2, 1024, &shape->rotated) == -1)
		return -1;
	shape->kv_heads = 1;
	if (shape->rotated % 2 != 0 || shape->rotated >= shape->head_size)
		return fault_set(
		    binding->why, FAULT_UNSUPPORTED, "헤드 구성을 지원하지 않습니다: 크기 %u 중 회전 %u",
		    "unsupported heads: of %u values %u are rotated", shape->head_size, shape->rotated);
	return 0;
}

static int
read_heads(const struct binding *binding)
{
	struct shape *shape = &binding->model->shape;

	if (binding->architecture->latent)
		return read_latent(binding);
	if (weights_size(binding, "attention.head_count_kv", shape->heads, 1, shape->heads,
	                 &shape->kv_heads) == -1 ||
	    weights_size(binding, "attention.key_length", shape->width / shape->heads, 1, 512,
	                 &shape->head_size) == -1 ||
	    weights_size(binding, "attention.value_length", shape->head_size, 1, 512, &shape->value_size) ==
	        -1 ||
	    weights_size(binding, "rope.dimension_count", shape->head_size, 0, shape->head_size,
	                 &shape->rotated) == -1)
		return -1;
	if (shape->heads % shape->kv_heads != 0 || shape->value_size != shape->head_size ||
	    shape->rotated % 2 != 0)
		return fault_set(binding->why, FAULT_UNSUPPORTED,
		                 "헤드 구성을 지원하지 않습니다: 헤드 %u, KV 헤드 %u, 크기 %u/%u, 회전 %u",
		                 "unsupported heads: %u heads, %u kv heads, sizes %u and %u, %u rotated",
		                 shape->heads, shape->kv_heads, shape->head_size, shape->value_size,
		                 shape->rotated);
	return 0;
}

int
weights_shape(const struct binding *binding)
{
	struct shape *shape = &binding->model->shape;
	double epsilon;
	uint32_t pooling, further;

	if (refuse_scalars(binding) == -1 ||
	    weights_size(binding, "block_count", -1, 1, 1024, &shape->layers) == -1 ||
	    weights_size(binding, "nextn_predict_layers", 0, 0, shape->layers - 1, &further) == -1 ||
	    weights_size(binding, "embedding_length", -1, 1, 65536, &shape->width) == -1 ||
	    weights_size(binding, "feed_forward_length", -1, 1, 1 << 20, &shape->ffn) == -1 ||
	    weights_size(binding, "context_length", -1, 1, 1 << 24, &shape->context) == -1 ||
	    weights_size(binding, "attention.head_count", -1, 1, 1024, &shape->heads) == -1 ||
	    read_heads(binding) == -1 ||
	    weights_size(binding, "attention.sliding_window", 0, 0, 1 << 24, &shape->window) == -1 ||
	    weights_size(binding, "pooling_type", 0, 0, 4, &pooling) == -1 ||
	    weights_real(binding, "attention.layer_norm_rms_epsilon", NAN, 0, 1, &epsilon) == -1)
		return -1;
	shape->layers -= further; /* those behind guess further tokens; they are not part of an answer */
	shape->pool_last = pooling == 3;
	shape->epsilon = (float)epsilon;
	shape->rope_halves = binding->architecture->rope_halves;
	return read_scales(binding) == -1 ? -1 : read_experts(binding);
}
