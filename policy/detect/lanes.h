/*
 * lanes -- the loops of detection that pay for wide registers.
 *
 * Each stands twice: plain C, and AVX2, taken where the processor has it. Both give the same bits.
 */
#ifndef HAECHI_POLICY_DETECT_LANES_H
#define HAECHI_POLICY_DETECT_LANES_H

#include "policy/detect/model.h"

struct lanes {
	/*
	 * How many bytes from `text` on are certainly plain characters, whole ones: printable ASCII, line ends, tabs, Hangul
	 * syllables, common Han. It may be fewer than there are.
	 */
	size_t (*plain)(const uint8_t *text, size_t size);
	/*
	 * Keys of features to the buckets of those that were met in training; returns how many. `buckets` has room for
	 * count + LANES_SPARE, and is filled with zeros behind the last.
	 */
	size_t (*buckets)(const struct model_weights *weights, const uint32_t *keys, size_t count,
	                  uint32_t *buckets);
	/* The rows of buckets added up. LANES_SPARE more of `buckets` may be read. */
	void (*rows)(const struct model_weights *weights, const uint32_t *buckets, size_t count,
	             int32_t sum[MODEL_WIDTH]);
};

#define LANES_SPARE 16

extern const struct lanes lanes_plain;
extern const struct lanes lanes_avx2; /* only where lanes_choose() gives it, or the processor is known */

/* What this processor does best. Cheap: may be asked each time. */
const struct lanes *lanes_choose(void);

#endif
