/*
 * pretokenizer -- cuts text into the pieces within which BPE may merge, as the model's regular expressions do.
 *
 * Each rule is a scanner by hand over characters with their Unicode class: linear time, no engine. Rules by name as
 * in GGUF files; an unlisted name is refused, since wrong cuts degrade a model without a sound.
 */
#ifndef HAECHI_INFERENCE_PRETOKENIZER_H
#define HAECHI_INFERENCE_PRETOKENIZER_H

#include "schema/base/bytes.h"

enum pretokenizer {
	PRETOKENIZER_NONE = 0,
	PRETOKENIZER_GPT2,
	PRETOKENIZER_DIGITS_GPT2, /* single digits first, then as gpt-2 (exaone 3, starcoder) */
	PRETOKENIZER_LLAMA3,
	PRETOKENIZER_QWEN2, /* llama3 with single digits */
	PRETOKENIZER_EXAONE_MOE,
	PRETOKENIZER_GPT4O,
	PRETOKENIZER_DEEPSEEK_V3,
	PRETOKENIZER_DEFAULT,
};

struct pretokenizer_name {
	const char *name;
	enum pretokenizer rule;
	bool ignore_merges; /* a piece that is a token is taken whole */
	bool add_bos;
};

/* NULL: not known. */
const struct pretokenizer_name *pretokenizer_find(struct slice name);

/* One character as the scanners see it; a byte that is not UTF-8 is a character of its own. */
struct letter {
	uint32_t code;
	uint32_t offset; /* in the text */
};

/* Characters of `text` into `out`, which holds text.size + 1; one more is put behind with the end's offset. */
size_t pretokenizer_letters(struct slice text, struct letter *out);

/*
 * Ends of pieces, as indices of letters in ascending order, the last being `count`; `ends` holds count.
 * `scratch` holds count + 1. Returns how many pieces.
 */
size_t pretokenizer_cut(enum pretokenizer rule, const struct letter *letters, size_t count, size_t *ends,
                        size_t *scratch);

#endif
