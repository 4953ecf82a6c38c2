/*
 * kernel -- the inner loops: plain C, AVX2, AVX-512 with VNNI, AMX; which one is decided once, at run time.
 *
 * Each result depends on its own row and token only, never on how many were computed together: an answer is the
 * same alone and in a crowd. Quantised weights meet activations rounded to 8 bits, in blocks as large as their own.
 */
#ifndef HAECHI_INFERENCE_KERNEL_H
#define HAECHI_INFERENCE_KERNEL_H

#include "inference/model.h"

#define KERNEL_GROUP 16 /* rows that are packed and multiplied together */

#define KERNEL_STRIP 16 /* tokens whose activations lie together */

/*
 * Activations of `count` tokens, `columns` each. Quantised only where a matrix needs it: 64 columns of each token of a
 * strip, then the next 64 of all; or token after token, as if each were a strip.
 */
struct activations {
	size_t count, columns;
	bool wide;   /* one scale for 256 columns, as all weights in blocks of 256 want it; else for 32 */
	bool strips; /* of KERNEL_STRIP tokens */
	const float *values;
	int8_t *quants;
	float *scales;            /* per block of 32 */
	int32_t *minus32;         /* minus the sum of its quants */
	int16_t *sums32, *sums16; /* the sums of 32, and of each 16 */
};

/* Where a block of 32 columns lies: its number among all. */
static inline size_t
activations_at(const struct activations *in, size_t token, size_t block)
{
	const size_t pairs = (in->columns + 63) / 64, strip = in->strips ? KERNEL_STRIP : 1;

	return ((token / strip * pairs + block / 2) * strip + token % strip) * 2 + block % 2;
}

/* Bytes of the quantised form of up to `count` tokens of `columns`; and its parts in such memory, unless that is NULL. */
size_t activations_lay_out(struct activations *in, size_t count, size_t columns, void *memory);

#define ATTENTION_ROWS 6 /* heads of some tokens that are computed together, at most */

struct attention {
	const float
	    *query; /* heads of one kv head: group x head_size; one token's `stride` behind the one before */
	float *out; /* the same shape */
	size_t stride;
	float *scores;             /* scratch: ATTENTION_ROWS x (context rounded up to pages, and one page) */
	const void *keys, *values; /* one layer's pages */
	const uint32_t *pages;
	size_t page_bytes; /* of one page of keys (or values), all kv heads */
	uint32_t kv_head, group, head_size;
	uint32_t tokens; /* of one sequence, position after position */
	uint32_t last;   /* of the first one */
	uint32_t window; /* positions that each sees, its own the last; 0: all before it */
	float scale;
};

#define LATENT_HEADS 4 /* heads that are computed together, at most */

/* Of one token, heads that share what is cached: `size` values a position, the leading `values` of which are gathered. */
struct latent_attention {
	const float *query; /* heads x size */
	float *out;         /* values of each head, one head's `stride` behind the one before */
	size_t stride;
	float *scores;     /* scratch: LATENT_HEADS x (context rounded up to pages, and one page) */
	const void *cache; /* one layer's pages, in strips as keys are */
	const uint32_t *pages;
	size_t page_bytes;
	uint32_t heads, size, values;
	uint32_t last; /* positions seen: 0 ... last */
	float scale;
};

struct kernels {
	const char *name;
	bool packs; /* quantised matrices are multiplied in packed form */

	void (*rms_norm)(float *out, const float *in, const float *weight, size_t size, float epsilon);
	/* One token: columns a multiple of 32. */
	void (*quantise)(const struct activations *in, size_t token);
	void (*silu_multiply)(float *gate, const float *up, size_t size);
	/* out[token * stride + row] for the groups of 16 rows [first, last). */
	void (*multiply)(const struct matrix *matrix, const struct activations *in, size_t first, size_t last,
	                 float *out, size_t stride);
	void (*halve)(uint16_t *out, const float *in, size_t size);
	void (*attend16)(const struct attention *attention); /* cache in half precision */
	void (*attend32)(const struct attention *attention);
	void (*attend_latent16)(const struct latent_attention *attention);
	void (*attend_latent32)(const struct latent_attention *attention);
};

extern const struct kernels kernels_plain;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
extern const struct kernels kernels_amx;
#endif

/*
 * The kernels of that name, or the best (NULL) that this processor has and the kernel (who is asked for the matrix
 * unit) lets us use. NULL with the fault: there are none of that name, or not here.
 */
const struct kernels *kernels_named(const char *name, struct fault *why);

/* Whether a matrix of this type takes quantised activations. */
bool kernel_quantised(uint32_t type);

/* Bytes of the packed form, 0 when the type has none; and packing of the groups [first, last) into out. */
size_t kernel_packed_size(const struct matrix *matrix);
void kernel_pack(const struct matrix *matrix, size_t first, size_t last, uint8_t *out);

/* Where position `position` of a page begins: keys lie in strips of 16 positions, values position by position. */
static inline size_t
cache_key_index(uint32_t kv_head, uint32_t head_size, uint32_t position, uint32_t at)
{
	return ((size_t)kv_head * CACHE_PAGE + position / 16 * 16) * head_size + at * 16 + position % 16;
}

static inline size_t
cache_value_index(uint32_t kv_head, uint32_t head_size, uint32_t position, uint32_t at)
{
	return ((size_t)kv_head * CACHE_PAGE + position) * head_size + at;
}

#endif
