#include "policy/detect/lanes.h"

#include <math.h>
#include <string.h>

#define KEYS_LIMIT     2048
#define FEATURES_LEAST 4   /* two words say nothing */
#define WHOLE_BYTES    900 /* a text up to this size is looked at whole, a longer one by its sentences */
#define PIECE_BYTES    120 /* the least of a piece; at most four times as much */

extern const struct model_weights model_weights;

/* model.weights beside this file becomes read-only data of the program. */
__asm__(".section .rodata\n"
        ".balign 64\n"
        ".global model_weights\n"
        ".type model_weights, @object\n"
        "model_weights:\n"
        ".incbin \"policy/detect/model.weights\"\n"
        ".size model_weights, . - model_weights\n"
        ".previous\n");

/* What the features of a stretch add up to. */
struct tally {
	int32_t sum[MODEL_WIDTH];
	size_t count, all, start, end; /* features met in training, and all */
};

static float
squash(float x)
{
	return 1.0f / (1.0f + expf(-x));
}

static void
tally_read(struct tally *tally, const struct lanes *lanes, struct slice text, size_t start, size_t end)
{
	uint32_t keys[KEYS_LIMIT + MODEL_KEYS_SPARE], buckets[KEYS_LIMIT + LANES_SPARE];
	size_t count = model_keys(slice_of(text.data + start, end - start), keys, KEYS_LIMIT, &tally->all);

	memset(keys + count, 0, MODEL_KEYS_SPARE * sizeof *keys);
	tally->start = start;
	tally->end = end;
	tally->count = lanes->buckets(&model_weights, keys, count, buckets);
	lanes->rows(&model_weights, buckets, tally->count, tally->sum);
}

/* What was said loudest so far, before it is made a share of certainty. */
struct loudest {
	float said[MODEL_OUTPUTS];
	size_t start, end;
};

static void
tally_judge(const struct tally *tally, const struct lanes *lanes, struct loudest *loudest)
{
	float sum[MODEL_WIDTH], said[MODEL_OUTPUTS], by;

	if (tally->count < FEATURES_LEAST)
		return;
	by = 1.0f / sqrtf((float)tally->all);
	for (unsigned k = 0; k < MODEL_WIDTH; k++)
		sum[k] = model_weights.bias[k] + (float)tally->sum[k] * model_weights.scale[k] * by;
	lanes->layers(&model_weights, sum, said);
	if (said[0] < loudest->said[0])
		return;
	memcpy(loudest->said, said, sizeof said);
	loudest->start = tally->start;
	loudest->end = tally->end;
}

static void
loudest_tell(const struct loudest *loudest, struct model_opinion *out)
{
	float value[MODEL_OUTPUTS], total = 0, most = loudest->said[1];

	memset(out, 0, sizeof *out);
	if (loudest->end == 0)
		return;
	out->high_impact = (uint16_t)(squash(loudest->said[0]) * 1000.0f);
	out->start = loudest->start;
	out->end = loudest->end;
	for (unsigned o = 2; o < MODEL_OUTPUTS; o++)
		most = loudest->said[o] > most ? loudest->said[o] : most;
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++)
		total += value[o] = expf(loudest->said[o] - most);
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++)
		out->domain[o] = (uint16_t)(value[o] / total * 1000.0f);
}

/* The end of a piece: behind a full stop, a question or a line. */
static size_t
piece_end(struct slice text, size_t at)
{
	size_t end = at + PIECE_BYTES, most = at + (size_t)4 * PIECE_BYTES;

	while (end < text.size && end < most && text.data[end] != '.' && text.data[end] != '?' &&
	       text.data[end] != '!' && text.data[end] != '\n')
		end++;
	for (end++; end < text.size && (text.data[end] & 0xC0) == 0x80;)
		end++;
	return end < text.size ? end : text.size;
}

void
model_judge(struct slice text, struct model_opinion *out)
{
	const struct lanes *lanes = lanes_choose();
	struct loudest loudest = {.said = {-INFINITY}};
	struct tally before = {.count = 0}, now, both;

	if (text.size <= WHOLE_BYTES) {
		tally_read(&now, lanes, text, 0, text.size);
		tally_judge(&now, lanes, &loudest);
		loudest_tell(&loudest, out);
		return;
	}
	/* One decisive sentence in a long text: each piece alone, and with the one before it. */
	for (size_t at = 0; at < text.size; at = now.end) {
		tally_read(&now, lanes, text, at, piece_end(text, at));
		tally_judge(&now, lanes, &loudest);
		if (before.count > 0) {
			both = now;
			both.start = before.start;
			both.count += before.count;
			both.all += before.all;
			for (unsigned k = 0; k < MODEL_WIDTH; k++)
				both.sum[k] += before.sum[k];
			tally_judge(&both, lanes, &loudest);
		}
		before = now;
	}
	loudest_tell(&loudest, out);
}
