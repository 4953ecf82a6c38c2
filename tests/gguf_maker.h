/*
 * gguf_maker -- GGUF files for tests, made in memory: any keys and tensors, and a small whole model with random weights
 * over a vocabulary of our own (256 bytes, some Korean and English merges, ChatML's control tokens).
 */
#ifndef HAECHI_TESTS_GGUF_MAKER_H
#define HAECHI_TESTS_GGUF_MAKER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/quant.h"
#include "schema/base/bytes.h"

struct gguf_maker {
	struct buffer keys, tensors, data;
	uint64_t key_count, tensor_count, state;
};

static inline void
maker_u32(struct buffer *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		buffer_byte(out, (uint8_t)(value >> 8 * i));
}

static inline void
maker_u64(struct buffer *out, uint64_t value)
{
	maker_u32(out, (uint32_t)value);
	maker_u32(out, (uint32_t)(value >> 32));
}

static inline void
maker_string(struct buffer *out, const char *text)
{
	maker_u64(out, strlen(text));
	buffer_string(out, text);
}

static inline void
maker_key(struct gguf_maker *maker, const char *name, uint32_t type)
{
	maker->key_count++;
	maker_string(&maker->keys, name);
	maker_u32(&maker->keys, type);
}

static inline void
maker_key_string(struct gguf_maker *maker, const char *name, const char *value)
{
	maker_key(maker, name, 8);
	maker_string(&maker->keys, value);
}

static inline void
maker_key_u32(struct gguf_maker *maker, const char *name, uint32_t value)
{
	maker_key(maker, name, 4);
	maker_u32(&maker->keys, value);
}

static inline void
maker_key_f32(struct gguf_maker *maker, const char *name, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, 4);
	maker_key(maker, name, 6);
	maker_u32(&maker->keys, bits);
}

static inline void
maker_key_bool(struct gguf_maker *maker, const char *name, bool value)
{
	maker_key(maker, name, 7);
	buffer_byte(&maker->keys, value);
}

static inline float
maker_random(struct gguf_maker *maker) /* in [-1, 1) */
{
	maker->state = maker->state * 6364136223846793005u + 1442695040888963407u;
	return (float)(int32_t)(maker->state >> 32) * 0x1p-31f;
}

static inline void
maker_align(struct buffer *out)
{
	while (out->size % 32 != 0)
		buffer_byte(out, 0);
}

/* `count` matrices, or one (0), or a vector (rows 0): values around `middle`, plus or minus `amplitude`; F32 or Q8_0. */
static inline void
maker_stack(struct gguf_maker *maker, const char *name, uint32_t type, uint64_t columns, uint64_t rows,
            uint64_t count, float middle, float amplitude)
{
	maker->tensor_count++;
	maker_string(&maker->tensors, name);
	maker_u32(&maker->tensors, count != 0 ? 3 : rows != 0 ? 2 : 1);
	maker_u64(&maker->tensors, columns);
	if (rows != 0)
		maker_u64(&maker->tensors, rows);
	if (count != 0)
		maker_u64(&maker->tensors, count);
	maker_u32(&maker->tensors, type);
	maker_align(&maker->data);
	maker_u64(&maker->tensors, maker->data.size);
	for (uint64_t i = 0; i < columns * (rows == 0 ? 1 : rows) * (count == 0 ? 1 : count); i++) {
		if (type == QUANT_F32) {
			float value = middle + amplitude * maker_random(maker);
			uint32_t bits;

			memcpy(&bits, &value, 4);
			maker_u32(&maker->data, bits);
		} else {
			if (i % 32 == 0) {
				uint16_t scale = float_to_half(amplitude / 127.0f);

				buffer_byte(&maker->data, (uint8_t)scale);
				buffer_byte(&maker->data, (uint8_t)(scale >> 8));
			}
			buffer_byte(&maker->data, (uint8_t)(int8_t)(maker_random(maker) * 127.0f));
		}
	}
}

static inline void
maker_tensor(struct gguf_maker *maker, const char *name, uint32_t type, uint64_t columns, uint64_t rows,
             float middle, float amplitude)
{
	maker_stack(maker, name, type, columns, rows, 0, middle, amplitude);
}

static inline void
maker_init(struct gguf_maker *maker, uint64_t seed)
{
	memset(maker, 0, sizeof *maker);
	buffer_init(&maker->keys, 1 << 24);
	buffer_init(&maker->tensors, 1 << 24);
	buffer_init(&maker->data, 1 << 28);
	maker->state = seed;
}

/* The file's bytes; the caller's. The maker is emptied. */
static inline struct buffer
maker_finish(struct gguf_maker *maker)
{
	struct buffer out;

	buffer_init(&out, 1 << 29);
	buffer_string(&out, "GGUF");
	maker_u32(&out, 3);
	maker_u64(&out, maker->tensor_count);
	maker_u64(&out, maker->key_count);
	buffer_slice(&out, buffer_view(&maker->keys));
	buffer_slice(&out, buffer_view(&maker->tensors));
	maker_align(&out);
	buffer_slice(&out, buffer_view(&maker->data));
	buffer_free(&maker->keys);
	buffer_free(&maker->tensors);
	buffer_free(&maker->data);
	return out;
}

/* One raw byte in the alphabet of byte-level BPE, terminated; returns its size. */
static inline size_t
maker_letter(uint8_t byte, char out[4])
{
	uint32_t code = byte;
	size_t size;

	if (byte <= 32)
		code = 256u + byte;
	else if (byte >= 127 && byte <= 160)
		code = 256u + 33 + byte - 127;
	else if (byte == 173)
		code = 256 + 67;
	size = utf8_put((uint8_t *)out, code);
	out[size] = '\0';
	return size;
}

static inline void
maker_letters(const char *raw, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++)
		out += maker_letter((uint8_t)raw[i], out);
}

#define MAKER_WORDS    6
#define MAKER_TOKENS   (256 + 2 * MAKER_WORDS + 5)
#define MAKER_USER     (MAKER_TOKENS - 2)
#define MAKER_IM_START (MAKER_TOKENS - 4)
#define MAKER_IM_END   (MAKER_TOKENS - 3)

/*
 * The vocabulary: 256 bytes; then six merges of two bytes, and six of that with a third; then <unk>, <|im_start|>,
 * <|im_end|>, a user-defined "<tool>" and a control token "<|x|>".
 */
static inline void
maker_vocabulary(struct gguf_maker *maker, const char *pre)
{
	static const char *const words[MAKER_WORDS] = {"the",          "ing",          " an",
	                                               "\xea\xb0\x80", "\xeb\x82\x98", "123"};
	static const char *const special[] = {"<unk>", "<|im_start|>", "<|im_end|>", "<tool>", "<|x|>"};
	char text[64], left[64], right[8];

	maker_key_string(maker, "tokenizer.ggml.model", "gpt2");
	maker_key_string(maker, "tokenizer.ggml.pre", pre);
	maker_key(maker, "tokenizer.ggml.tokens", 9);
	maker_u32(&maker->keys, 8);
	maker_u64(&maker->keys, MAKER_TOKENS);
	for (unsigned i = 0; i < 256; i++) {
		maker_letter((uint8_t)i, text);
		maker_string(&maker->keys, text);
	}
	for (unsigned size = 2; size <= 3; size++)
		for (unsigned i = 0; i < MAKER_WORDS; i++) {
			maker_letters(words[i], size, text);
			maker_string(&maker->keys, text);
		}
	for (unsigned i = 0; i < 5; i++)
		maker_string(&maker->keys, special[i]);
	maker_key(maker, "tokenizer.ggml.token_type", 9);
	maker_u32(&maker->keys, 5);
	maker_u64(&maker->keys, MAKER_TOKENS);
	for (unsigned i = 0; i < MAKER_TOKENS; i++)
		maker_u32(&maker->keys, i < MAKER_TOKENS - 5    ? 1
		                        : i == MAKER_TOKENS - 5 ? 2
		                        : i == MAKER_USER       ? 4
		                                                : 3);
	maker_key(maker, "tokenizer.ggml.merges", 9);
	maker_u32(&maker->keys, 8);
	maker_u64(&maker->keys, 2 * MAKER_WORDS);
	for (unsigned size = 2; size <= 3; size++)
		for (unsigned i = 0; i < MAKER_WORDS; i++) {
			maker_letters(words[i], size - 1, left);
			maker_letters(words[i] + size - 1, 1, right);
			strcat(strcat(strcpy(text, left), " "), right);
			maker_string(&maker->keys, text);
		}
	maker_key_u32(maker, "tokenizer.ggml.eos_token_id", MAKER_IM_END);
	maker_key_bool(maker, "tokenizer.ggml.add_bos_token", false);
}

/* A whole llama: two layers of width 64, four heads of 16 over two, context 512. */
static inline struct buffer
maker_model(uint32_t type, uint64_t seed)
{
	struct gguf_maker maker;
	char name[64];

	maker_init(&maker, seed);
	maker_key_string(&maker, "general.architecture", "llama");
	maker_key_string(&maker, "general.name", "Test Llama");
	maker_key_string(&maker, "general.license", "apache-2.0");
	maker_key_u32(&maker, "llama.block_count", 2);
	maker_key_u32(&maker, "llama.context_length", 512);
	maker_key_u32(&maker, "llama.embedding_length", 64);
	maker_key_u32(&maker, "llama.feed_forward_length", 96);
	maker_key_u32(&maker, "llama.attention.head_count", 4);
	maker_key_u32(&maker, "llama.attention.head_count_kv", 2);
	maker_key_f32(&maker, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
	maker_vocabulary(&maker, "llama-bpe");
	maker_tensor(&maker, "token_embd.weight", type, 64, MAKER_TOKENS, 0, 1);
	maker_tensor(&maker, "output_norm.weight", QUANT_F32, 64, 0, 0, 1);
	for (unsigned i = 0; i < 2; i++) {
#define MAKER_NAME(rest) (snprintf(name, sizeof name, "blk.%u." rest ".weight", i), name)
		maker_tensor(&maker, MAKER_NAME("attn_norm"), QUANT_F32, 64, 0, 1, 0.2f);
		maker_tensor(&maker, MAKER_NAME("attn_q"), type, 64, 64, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("attn_k"), type, 64, 32, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("attn_v"), type, 64, 32, 0, 0.2f);
		maker_tensor(&maker, MAKER_NAME("attn_output"), type, 64, 64, 0, 0.2f);
		maker_tensor(&maker, MAKER_NAME("ffn_norm"), QUANT_F32, 64, 0, 1, 0.2f);
		maker_tensor(&maker, MAKER_NAME("ffn_gate"), type, 64, 96, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("ffn_up"), type, 64, 96, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("ffn_down"), type, 96, 64, 0, 0.2f);
#undef MAKER_NAME
	}
	return maker_finish(&maker);
}

/*
 * A whole model of DeepSeek's architecture, as A.X K1 is one: queries by way of a short vector, a latent of 64 values, a
 * layer with one network and one with eight experts in four groups. The older layout has attn_kv_b.
 */
static inline struct buffer
maker_latent(uint32_t type, uint64_t seed, bool older)
{
	static const struct {
		const char *name;
		uint32_t value;
	} keys[] = {
	    {"block_count",                2  },
	    {"context_length",             512},
	    {"embedding_length",           64 },
	    {"feed_forward_length",        96 },
	    {"attention.head_count",       4  },
	    {"attention.q_lora_rank",      32 },
	    {"attention.kv_lora_rank",     64 },
	    {"rope.dimension_count",       16 },
	    {"leading_dense_block_count",  1  },
	    {"expert_count",               8  },
	    {"expert_used_count",          2  },
	    {"expert_group_count",         4  },
	    {"expert_group_used_count",    2  },
	    {"expert_feed_forward_length", 32 },
	    {"expert_shared_count",        1  },
	    {"expert_gating_func",         2  },
	};
	struct gguf_maker maker;
	char name[64];

	maker_init(&maker, seed);
	maker_key_string(&maker, "general.architecture", "deepseek2");
	maker_key_string(&maker, "general.name", "Test Latent");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		snprintf(name, sizeof name, "deepseek2.%s", keys[i].name);
		maker_key_u32(&maker, name, keys[i].value);
	}
	maker_key_u32(&maker, "deepseek2.attention.key_length", older ? 48 : 80);
	maker_key_u32(&maker, "deepseek2.attention.value_length", older ? 32 : 64);
	if (!older) {
		maker_key_u32(&maker, "deepseek2.attention.key_length_mla", 48);
		maker_key_u32(&maker, "deepseek2.attention.value_length_mla", 32);
	}
	maker_key_f32(&maker, "deepseek2.attention.layer_norm_rms_epsilon", 1e-6f);
	maker_key_bool(&maker, "deepseek2.expert_weights_norm", true);
	maker_vocabulary(&maker, "deepseek-v3");
	maker_tensor(&maker, "token_embd.weight", type, 64, MAKER_TOKENS, 0, 1);
	maker_tensor(&maker, "output_norm.weight", QUANT_F32, 64, 0, 0, 1);
	for (unsigned i = 0; i < 2; i++) {
#define MAKER_NAME(rest) (snprintf(name, sizeof name, "blk.%u." rest ".weight", i), name)
		maker_tensor(&maker, MAKER_NAME("attn_norm"), QUANT_F32, 64, 0, 1, 0.2f);
		maker_tensor(&maker, MAKER_NAME("attn_q_a"), type, 64, 32, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("attn_q_a_norm"), QUANT_F32, 32, 0, 1, 0.2f);
		maker_tensor(&maker, MAKER_NAME("attn_q_b"), type, 32, 192, 0, 0.4f);
		maker_tensor(&maker, MAKER_NAME("attn_kv_a_mqa"), type, 64, 80, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("attn_kv_a_norm"), QUANT_F32, 64, 0, 1, 0.2f);
		if (older) {
			maker_tensor(&maker, MAKER_NAME("attn_kv_b"), type, 64, 256, 0, 0.3f);
		} else {
			maker_stack(&maker, MAKER_NAME("attn_k_b"), type, 32, 64, 4, 0, 0.3f);
			maker_stack(&maker, MAKER_NAME("attn_v_b"), type, 64, 32, 4, 0, 0.3f);
		}
		maker_tensor(&maker, MAKER_NAME("attn_output"), type, 128, 64, 0, 0.2f);
		maker_tensor(&maker, MAKER_NAME("ffn_norm"), QUANT_F32, 64, 0, 1, 0.2f);
		if (i == 0) {
			maker_tensor(&maker, MAKER_NAME("ffn_gate"), type, 64, 96, 0, 0.3f);
			maker_tensor(&maker, MAKER_NAME("ffn_up"), type, 64, 96, 0, 0.3f);
			maker_tensor(&maker, MAKER_NAME("ffn_down"), type, 96, 64, 0, 0.2f);
			continue;
		}
		maker_tensor(&maker, MAKER_NAME("ffn_gate_inp"), QUANT_F32, 64, 8, 0, 0.5f);
		maker_tensor(&maker, "blk.1.exp_probs_b.bias", QUANT_F32, 8, 0, 0, 0.3f);
		maker_stack(&maker, MAKER_NAME("ffn_gate_exps"), type, 64, 32, 8, 0, 0.3f);
		maker_stack(&maker, MAKER_NAME("ffn_up_exps"), type, 64, 32, 8, 0, 0.3f);
		maker_stack(&maker, MAKER_NAME("ffn_down_exps"), type, 32, 64, 8, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("ffn_gate_shexp"), type, 64, 32, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("ffn_up_shexp"), type, 64, 32, 0, 0.3f);
		maker_tensor(&maker, MAKER_NAME("ffn_down_shexp"), type, 32, 64, 0, 0.3f);
#undef MAKER_NAME
	}
	return maker_finish(&maker);
}

#endif
