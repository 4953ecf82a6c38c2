/*
 * weights -- the mapped files behind a model; for weights.c and weights_hash.c, and for those who show metadata.
 */
#ifndef HAECHI_INFERENCE_WEIGHTS_H
#define HAECHI_INFERENCE_WEIGHTS_H

#include "inference/gguf.h"
#include "inference/model.h"

struct weights_part {
	struct slice bytes; /* mapped */
	struct gguf gguf;
	char identity[128]; /* device, inode, size and times: changes when the file does */
};

struct weights {
	struct weights_part *parts;
	size_t count;
	void **copies; /* small vectors as floats, and what was turned over */
	size_t copy_count;
	bool *bound; /* for each tensor of all parts: it has its place in the model */
};

/* Map a model: `path`, and the further parts that lie beside it where it was split. *out is the caller's. */
MUST_CHECK int weights_open(struct weights **out, const char *path, struct fault *why);
void weights_close(struct weights *weights); /* NULL is fine */

/* The metadata; the model's. */
const struct gguf *model_gguf(const struct model *model);

/*
 * SHA-256 over the bytes of all parts, into model->sha256. Read from the cache directory (HAECHI_CACHE_DIR, else
 * XDG_CACHE_HOME/haechi, else HOME/.cache/haechi) when the files' identity is known there; written there otherwise.
 * May run beside anything that does not read model->sha256.
 */
MUST_CHECK int model_hash(struct model *model, struct fault *why);

/* Where hashes are cached, made if asked for. false: nowhere. */
bool weights_cache_directory(char *out, size_t size, bool make);

#endif
