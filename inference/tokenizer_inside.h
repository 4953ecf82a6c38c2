/*
 * tokenizer_inside -- the vocabulary in memory, for the three files of the tokenizer: tokenizer.c reads it,
 * tokenizer_merge.c merges with it, tokenizer_encode.c looks for special tokens and calls that.
 *
 * BPE symbols are strings of raw bytes with a number each: tokens have their id, strings that only occur within
 * merges get numbers behind the vocabulary. One hash finds a string's number, another what two numbers merge to.
 */
#ifndef HAECHI_INFERENCE_TOKENIZER_INSIDE_H
#define HAECHI_INFERENCE_TOKENIZER_INSIDE_H

#include "inference/pretokenizer.h"
#include "inference/tokenizer.h"

struct merge {
	uint32_t left, right; /* left TOKEN_NONE: empty place */
	uint32_t rank, result;
};

struct tokenizer {
	bool sentencepiece;
	const struct pretokenizer_name *pre;
	uint32_t count;      /* of the vocabulary */
	uint32_t symbols;    /* and strings of merges behind it */
	struct slice *texts; /* as in the file, for tokens */
	struct slice *bytes; /* as raw bytes, for all symbols */
	uint8_t *kinds;
	bool *ends;
	float *scores;   /* sentencepiece */
	uint8_t *memory; /* of bytes */
	size_t memory_used;
	uint32_t *table; /* string -> number, open addressing */
	uint32_t table_mask;
	struct merge *merges;
	uint32_t merges_mask;
	uint32_t single[256]; /* number of the symbol of one byte, or TOKEN_NONE */
	uint32_t *special;    /* control and user-defined tokens, longest first */
	uint32_t special_count;
	uint32_t bos, eos, unknown;
	bool add_bos, add_eos, add_space;
	char pre_name[64];
};

/* The number of a string, or TOKEN_NONE. */
uint32_t tokenizer_symbol(const struct tokenizer *tokenizer, struct slice text);
/* What two symbols merge to, or NULL. */
const struct merge *tokenizer_merge(const struct tokenizer *tokenizer, uint32_t left, uint32_t right);

/* The tokens of text without special ones; `prefix`: SentencePiece puts a space before it. */
int tokenizer_bpe(const struct tokenizer *tokenizer, struct slice text, struct token_list *out,
                  struct fault *why);
int tokenizer_sentencepiece(const struct tokenizer *tokenizer, struct slice text, bool prefix,
                            struct token_list *out, struct fault *why);

#endif
