#include "policy/detect/model.h"

#include <math.h>
#include <string.h>

#define FEATURES_LIMIT 2048
#define FEATURES_LEAST 4   /* two words say nothing */
#define WHOLE_BYTES    900 /* a text up to this size is looked at whole, a longer one by its sentences */
#define PIECE_BYTES    150 /* the least of a piece; at most four times as much */

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
	size_t count, start, end;
};

static float
squash(float x)
{
	return 1.0f / (1.0f + expf(-x));
}

static void
tally_read(struct tally *tally, struct slice text, size_t start, size_t end)
{
	uint32_t features[FEATURES_LIMIT];

	memset(tally, 0, sizeof *tally);
	tally->start = start;
	tally->end = end;
	tally->count = model_features(slice_of(text.data + start, end - start), features, FEATURES_LIMIT);
	for (size_t i = 0; i < tally->count; i++) {
		const int8_t *row = model_weights.table[features[i]];

		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			tally->sum[k] += row[k];
	}
}

/* Keep the opinion when it is louder than what was heard before. */
static void
tally_judge(const struct tally *tally, struct model_opinion *out)
{
	float row[MODEL_WIDTH], sum[MODEL_WIDTH], unit[MODEL_HIDDEN], value[MODEL_OUTPUTS], total = 0, most,
	                                                                                    by;
	uint16_t thousandths;

	if (tally->count < FEATURES_LEAST)
		return;
	by = 1.0f / sqrtf((float)tally->count);
	for (unsigned k = 0; k < MODEL_WIDTH; k++) {
		sum[k] = model_weights.bias[k] + (float)tally->sum[k] * model_weights.scale[k] * by;
		row[k] = sum[k] / (1.0f + fabsf(sum[k]));
	}
	for (unsigned h = 0; h < MODEL_HIDDEN; h++) {
		float x = model_weights.hidden_bias[h];

		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			x += model_weights.hidden[h][k] * row[k];
		unit[h] = x > 0 ? x : 0;
	}
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++) {
		value[o] = model_weights.output_bias[o] + sum[o];
		for (unsigned h = 0; h < MODEL_HIDDEN; h++)
			value[o] += model_weights.output[o][h] * unit[h];
	}
	thousandths = (uint16_t)(squash(value[0]) * 1000.0f);
	if (thousandths < out->high_impact)
		return;
	out->high_impact = thousandths;
	out->start = tally->start;
	out->end = tally->end;
	most = value[1];
	for (unsigned o = 2; o < MODEL_OUTPUTS; o++)
		most = value[o] > most ? value[o] : most;
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++)
		total += value[o] = expf(value[o] - most);
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
	struct tally before = {.count = 0}, now, both;

	memset(out, 0, sizeof *out);
	if (text.size <= WHOLE_BYTES) {
		tally_read(&now, text, 0, text.size);
		tally_judge(&now, out);
		return;
	}
	/* One decisive sentence in a long text: each piece alone, and with the one before it. */
	for (size_t at = 0; at < text.size; at = now.end) {
		tally_read(&now, text, at, piece_end(text, at));
		tally_judge(&now, out);
		both = now;
		both.start = before.count > 0 ? before.start : now.start;
		both.count += before.count;
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			both.sum[k] += before.sum[k];
		if (before.count > 0)
			tally_judge(&both, out);
		before = now;
	}
}
