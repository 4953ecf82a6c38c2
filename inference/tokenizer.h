/*
 * tokenizer -- text to tokens and back: byte-level BPE with its pre-tokenizers, and SentencePiece BPE.
 *
 * Everything comes from the model file, which is hostile, and meets text, which is hostile too: work grows as
 * n log n whatever the text. Control tokens ("<|im_end|>") are recognised only where the caller trusts the text;
 * what a user wrote is never trusted, so nobody can end a turn from within.
 */
#ifndef HAECHI_INFERENCE_TOKENIZER_H
#define HAECHI_INFERENCE_TOKENIZER_H

#include "inference/gguf.h"

#define TOKEN_NONE UINT32_MAX

enum token_kind {
	TOKEN_UNDEFINED = 0,
	TOKEN_NORMAL,
	TOKEN_UNKNOWN,
	TOKEN_CONTROL,
	TOKEN_USER, /* defined by the model's maker; recognised in any text */
	TOKEN_UNUSED,
	TOKEN_BYTE,
};

struct tokenizer;

struct token_list {
	uint32_t *ids;
	size_t count, capacity, limit;
};

/* Text with the places in it that are trusted: control tokens are recognised there and nowhere else. */
struct prompt {
	struct buffer text;
	struct span {
		size_t start, end;
	} * trusted; /* ascending, not touching */
	size_t trusted_count, trusted_capacity;
	bool templated; /* by a template that may write its own bos */
};

/* Read tokenizer.ggml.*. The metadata must outlive the tokenizer. *out is the caller's, to tokenizer_close(). */
MUST_CHECK int tokenizer_open(struct tokenizer **out, const struct gguf *gguf, struct fault *why);
void tokenizer_close(struct tokenizer *tokenizer); /* NULL is fine */

uint32_t tokenizer_count(const struct tokenizer *tokenizer);
enum token_kind tokenizer_kind(const struct tokenizer *tokenizer, uint32_t id);
/* What the token stands for as bytes; for a control token its name. Borrowed. */
struct slice tokenizer_bytes(const struct tokenizer *tokenizer, uint32_t id);
/* The token with exactly this text as written in the file ("<|im_end|>"), or TOKEN_NONE. */
uint32_t tokenizer_find(const struct tokenizer *tokenizer, struct slice text);
/* As written in the file: what a template calls bos_token. Borrowed. */
struct slice tokenizer_text(const struct tokenizer *tokenizer, uint32_t id);
uint32_t tokenizer_bos(const struct tokenizer *tokenizer); /* TOKEN_NONE: the model has none */
uint32_t tokenizer_eos(const struct tokenizer *tokenizer); /* TOKEN_NONE: the model has none */
bool tokenizer_adds_bos(const struct tokenizer *tokenizer);
bool tokenizer_ends(const struct tokenizer *tokenizer, uint32_t id); /* end of a turn or of text */
/* SentencePiece puts a space before the text, which is dropped again from what it says. */
bool tokenizer_leading_space(const struct tokenizer *tokenizer);
const char *tokenizer_model(const struct tokenizer *tokenizer); /* "gpt2" or "llama" */
const char *tokenizer_pre(const struct tokenizer *tokenizer);   /* name of the pre-tokenizer */

/*
 * Append the tokens of `text`; nothing is added before or after. Control tokens are recognised where `trusted` spans
 * say so. -1: the list's limit (FAULT_TOO_LARGE) or memory.
 */
MUST_CHECK int tokenizer_encode(const struct tokenizer *tokenizer, struct slice text,
                                const struct span *trusted, size_t trusted_count, struct token_list *out,
                                struct fault *why);

/*
 * As a model wants its input: bos and eos added where the metadata says so, but no bos before one that a template has
 * written itself.
 */
MUST_CHECK int tokenizer_encode_prompt(const struct tokenizer *tokenizer, const struct prompt *prompt,
                                       struct token_list *out, struct fault *why);

void token_list_init(struct token_list *list, size_t limit);
void token_list_free(struct token_list *list);
int token_list_add(struct token_list *list, uint32_t id, struct fault *why);

void prompt_init(struct prompt *prompt, size_t limit);
void prompt_free(struct prompt *prompt);
/* Append what we (or the template) wrote, or what a user wrote. Failure shows in the buffer. */
void prompt_trusted(struct prompt *prompt, struct slice text);
void prompt_untrusted(struct prompt *prompt, struct slice text);

#endif
