#include "policy/detect/lanes.h"

#include <math.h>
#include <string.h>

#define KEYS_LIMIT      2048
#define FEATURES_LEAST  4   /* two words say nothing */
#define WHOLE_BYTES     500 /* a text up to this size is looked at whole, a longer one by its sentences */
#define PIECE_BYTES     80  /* the least of a piece; at most eight times as much */
#define PIECES_TOGETHER 3   /* looked at as one, besides each alone */
#define PIECES_CAUTION                                                                                       \
	0.6f /* times the logarithm of their number: so much surer must the loudest of many be */

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

/* What a judgement goes by. */
struct judge {
	const struct model_weights *weights;
	const struct lanes *lanes;
};

static void
tally_read(struct tally *tally, const struct judge *judge, struct slice text, size_t start, size_t end)
{
	uint32_t keys[KEYS_LIMIT + MODEL_KEYS_SPARE], buckets[KEYS_LIMIT + LANES_SPARE];
	size_t count = model_keys(slice_of(text.data + start, end - start), keys, KEYS_LIMIT, &tally->all);

	memset(keys + count, 0, MODEL_KEYS_SPARE * sizeof *keys);
	tally->start = start;
	tally->end = end;
	tally->count = judge->lanes->buckets(judge->weights, keys, count, buckets);
	judge->lanes->rows(judge->weights, buckets, tally->count, tally->sum);
}

/* What was said loudest so far, before it is made a share of certainty. */
struct loudest {
	float said[MODEL_OUTPUTS];
	size_t start, end;
};

static void
tally_judge(const struct tally *tally, const struct judge *judge, struct loudest *loudest)
{
	const struct model_weights *weights = judge->weights;
	float by, high;

	if (tally->count < FEATURES_LEAST)
		return;
	by = 1.0f / sqrtf((float)tally->all);
	high = weights->bias[0] + (float)tally->sum[0] * weights->scale[0] * by;
	if (high < loudest->said[0])
		return;
	loudest->said[0] = high;
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++)
		loudest->said[o] = weights->bias[o] + (float)tally->sum[o] * weights->scale[o] * by;
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
	size_t end = at + PIECE_BYTES, most = at + (size_t)8 * PIECE_BYTES;

	while (end < text.size && end < most && text.data[end] != '.' && text.data[end] != '?' &&
	       text.data[end] != '!' && text.data[end] != '\n')
		end++;
	for (end++; end < text.size && (text.data[end] & 0xC0) == 0x80;)
		end++;
	return end < text.size ? end : text.size;
}

/* What `tally` saw, seen too from where `before` began. */
static void
tally_widen(struct tally *tally, const struct tally *before)
{
	tally->start = before->start;
	tally->count += before->count;
	tally->all += before->all;
	for (unsigned k = 0; k < MODEL_WIDTH; k++)
		tally->sum[k] += before->sum[k];
}

void
model_judge_by(const struct model_weights *weights, struct slice text, struct model_opinion *out)
{
	const struct judge judge = {weights, lanes_choose()};
	struct loudest loudest = {.said = {-INFINITY}};
	struct tally pieces[PIECES_TOGETHER], together;
	size_t count = 0;

	if (text.size <= WHOLE_BYTES) {
		tally_read(&together, &judge, text, 0, text.size);
		tally_judge(&together, &judge, &loudest);
		loudest_tell(&loudest, out);
		return;
	}
	/* One decisive sentence in a long text: each piece alone, and with those before it. */
	for (size_t at = 0; at < text.size; at = pieces[count++ % PIECES_TOGETHER].end) {
		struct tally *now = &pieces[count % PIECES_TOGETHER];

		tally_read(now, &judge, text, at, piece_end(text, at));
		together = *now;
		tally_judge(&together, &judge, &loudest);
		for (size_t k = 1; k < PIECES_TOGETHER && k <= count; k++) {
			tally_widen(&together, &pieces[(count - k) % PIECES_TOGETHER]);
			tally_judge(&together, &judge, &loudest);
		}
	}
	loudest.said[0] -= PIECES_CAUTION * logf((float)count);
	loudest_tell(&loudest, out);
}

void
model_judge(struct slice text, struct model_opinion *out)
{
	model_judge_by(&model_weights, text, out);
}
