#include "policy/detect/lanes.h"

#include <math.h>
#include <string.h>

#define KEYS_LIMIT     2048
#define FEATURES_LEAST 4    /* two words say nothing */
#define PIECE_BYTES    80   /* the least of a piece; at most eight times as much */
#define PIECES_CAUTION 0.6f /* times the logarithm of their number: the loudest of many must be surer */
#define FRAME_SHARE    0.3f /* of what a piece says together with the text's first and last */

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

/* What a long text begins and ends with: there it says what is to be done with the rest. */
struct frame {
	struct tally first, last;
};

/* How surely the stretch is of high impact, between what it says alone and what it says with the frame around it. */
static float
tally_high(const struct tally *tally, const struct model_weights *weights, const struct frame *frame)
{
	float alone = (float)tally->sum[0] / sqrtf((float)tally->all), framed = alone;

	if (frame != NULL) {
		int32_t sum = tally->sum[0];
		size_t all = tally->all;

		if (tally->start >= frame->first.end) {
			sum += frame->first.sum[0];
			all += frame->first.all;
		}
		if (tally->end <= frame->last.start) {
			sum += frame->last.sum[0];
			all += frame->last.all;
		}
		framed = (float)sum / sqrtf((float)all);
	}
	return weights->bias[0] + weights->scale[0] * (alone + FRAME_SHARE * (framed - alone));
}

static void
tally_judge(const struct tally *tally, const struct judge *judge, const struct frame *frame,
            struct loudest *loudest)
{
	const struct model_weights *weights = judge->weights;
	float by, high;

	if (tally->count < FEATURES_LEAST)
		return;
	high = tally_high(tally, weights, frame);
	if (high < loudest->said[0])
		return;
	by = 1.0f / sqrtf((float)tally->all);
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

size_t
model_piece_end(struct slice text, size_t at)
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
	struct tally pieces[MODEL_TOGETHER], together;
	struct frame frame = {{.count = 0}, {.count = 0}};
	size_t count = 0, last = 0;

	if (text.size <= MODEL_WHOLE) {
		tally_read(&together, &judge, text, 0, text.size);
		tally_judge(&together, &judge, NULL, &loudest);
		loudest_tell(&loudest, out);
		return;
	}
	tally_read(&frame.first, &judge, text, 0, model_piece_end(text, 0));
	for (size_t end = 0; end < text.size; end = model_piece_end(text, end))
		last = end;
	tally_read(&frame.last, &judge, text, last, text.size);
	/* One decisive sentence in a long text: each piece alone, and with those before it. */
	for (size_t at = 0; at < text.size; at = pieces[count++ % MODEL_TOGETHER].end) {
		struct tally *now = &pieces[count % MODEL_TOGETHER];

		if (at == 0)
			*now = frame.first;
		else if (at == last)
			*now = frame.last;
		else
			tally_read(now, &judge, text, at, model_piece_end(text, at));
		together = *now;
		tally_judge(&together, &judge, &frame, &loudest);
		for (size_t k = 1; k < MODEL_TOGETHER && k <= count; k++) {
			tally_widen(&together, &pieces[(count - k) % MODEL_TOGETHER]);
			tally_judge(&together, &judge, &frame, &loudest);
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
