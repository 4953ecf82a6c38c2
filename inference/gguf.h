/*
 * gguf -- the container that models come in (GGUF version 3; version 2 has the same layout).
 *
 * A file is hostile until shown otherwise: gguf_parse() checks every count, length and offset against the bytes that
 * are there, refuses duplicates and overlaps, and copies nothing; keys and tensors borrow from the file's bytes.
 * Nothing here knows what a tensor is for. Layout: see README.md, "The file".
 */
#ifndef HAECHI_INFERENCE_GGUF_H
#define HAECHI_INFERENCE_GGUF_H

#include "schema/base/bytes.h"

#define GGUF_KEYS_LIMIT    65536
#define GGUF_TENSORS_LIMIT 65536
#define GGUF_PARTS_LIMIT   512

enum gguf_type {
	GGUF_U8 = 0,
	GGUF_I8,
	GGUF_U16,
	GGUF_I16,
	GGUF_U32,
	GGUF_I32,
	GGUF_F32,
	GGUF_BOOL,
	GGUF_STRING,
	GGUF_ARRAY,
	GGUF_U64,
	GGUF_I64,
	GGUF_F64,
};

struct gguf_key {
	struct slice name;
	enum gguf_type type;    /* GGUF_ARRAY: of `element` */
	enum gguf_type element; /* the type itself when it is no array */
	uint64_t count;         /* elements; 1 when it is no array */
	struct slice bytes;     /* the value as encoded; a lone string without its length */
};

struct gguf_tensor {
	struct slice name;
	uint32_t dimensions;
	uint64_t shape[4]; /* shape[0] is contiguous; missing ones are 1 */
	uint32_t type;     /* as numbered in quant.h; may be one that we cannot read */
	uint64_t offset;   /* in the data section */
	struct slice data; /* empty when the type is unknown to quant.h */
};

struct gguf {
	uint32_t version;
	uint64_t alignment;
	struct gguf_key *keys;
	size_t key_count;
	struct gguf_tensor *tensors; /* in the order of the file */
	size_t tensor_count;
	uint64_t data_start; /* where the data section begins in the file */
};

/* Read the container in `file`, which must outlive *out. *out is the caller's, to gguf_free(), also after -1. */
MUST_CHECK int gguf_parse(struct gguf *out, struct slice file, struct fault *why);
void gguf_free(struct gguf *gguf);

/* NULL when there is none of that name. */
const struct gguf_key *gguf_key(const struct gguf *gguf, const char *name);
const struct gguf_tensor *gguf_tensor(const struct gguf *gguf, const char *name);

/* Any integer type is accepted for any integer, since converters choose as they like. false: absent or no integer. */
bool gguf_integer(const struct gguf_key *key, int64_t *out);
bool gguf_real(const struct gguf_key *key, double *out);
bool gguf_flag(const struct gguf_key *key, bool *out);
bool gguf_string(const struct gguf_key *key, struct slice *out);
/* Element `index` of an array of numbers or booleans (or the lone value as index 0). */
bool gguf_element(const struct gguf_key *key, uint64_t index, double *out);
/* All strings of an array of strings: `out` holds key->count slices. false: not such an array. */
bool gguf_strings(const struct gguf_key *key, struct slice *out);

#endif
