#include "policy/detect/model.h"

#include <math.h>
#include <string.h>

#define FEATURES_LIMIT 2048
#define AHEAD          12  /* rows asked for before they are needed */
#define SHORT_ROWS     256 /* rows whose sum fits sixteen bits */
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

/* Small vectors that every processor has; the compiler keeps sums of them in registers. */
#define LANES 8
typedef int8_t bytes __attribute__((vector_size(LANES)));
typedef int16_t shorts __attribute__((vector_size(2 * LANES)));
typedef float floats __attribute__((vector_size(16)));
#define FLOATS 4

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
tally_read(struct tally *tally, struct slice text, size_t start, size_t end)
{
	uint32_t features[FEATURES_LIMIT + AHEAD];

	memset(tally, 0, sizeof *tally);
	tally->start = start;
	tally->end = end;
	tally->count = model_features(slice_of(text.data + start, end - start), model_weights.prints,
	                              features, FEATURES_LIMIT, &tally->all);
	memset(features + tally->count, 0, AHEAD * sizeof *features);
	for (size_t i = 0; i < tally->count;) {
		size_t stop = tally->count - i < SHORT_ROWS ? tally->count : i + SHORT_ROWS;
		shorts sum[MODEL_WIDTH / LANES] = {0};

		for (; i < stop; i++) {
			const bytes *row = (const bytes *)model_weights.table[features[i]];

			__builtin_prefetch(model_weights.table[features[i + AHEAD]]);
			for (unsigned k = 0; k < MODEL_WIDTH / LANES; k++)
				sum[k] += __builtin_convertvector(row[k], shorts);
		}
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			tally->sum[k] += sum[k / LANES][k % LANES];
	}
}

/* Keep the opinion when it is louder than what was heard before. */
static void
tally_judge(const struct tally *tally, float *loudest, struct model_opinion *out)
{
	const floats *hidden_bias = (const floats *)model_weights.hidden_bias;
	float sum[MODEL_WIDTH], value[MODEL_OUTPUTS];
	floats unit[MODEL_HIDDEN / FLOATS], out_sum[MODEL_OUTPUTS / FLOATS];
	float total = 0, most, by;

	if (tally->count < FEATURES_LEAST)
		return;
	by = 1.0f / sqrtf((float)tally->all);
	for (unsigned k = 0; k < MODEL_WIDTH; k++)
		sum[k] = model_weights.bias[k] + (float)tally->sum[k] * model_weights.scale[k] * by;
	for (unsigned h = 0; h < MODEL_HIDDEN / FLOATS; h++)
		unit[h] = hidden_bias[h];
	for (unsigned k = 0; k < MODEL_WIDTH; k++) {
		const floats *hidden = (const floats *)model_weights.hidden[k];
		float row = sum[k] / (1.0f + fabsf(sum[k]));

		for (unsigned h = 0; h < MODEL_HIDDEN / FLOATS; h++)
			unit[h] += hidden[h] * row;
	}
	for (unsigned o = 0; o < MODEL_OUTPUTS / FLOATS; o++)
		out_sum[o] = ((const floats *)model_weights.output_bias)[o];
	for (unsigned h = 0; h < MODEL_HIDDEN; h++) {
		const floats *output = (const floats *)model_weights.output[h];
		float on = unit[h / FLOATS][h % FLOATS];

		if (on <= 0)
			continue;
		for (unsigned o = 0; o < MODEL_OUTPUTS / FLOATS; o++)
			out_sum[o] += output[o] * on;
	}
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++)
		value[o] = out_sum[o / FLOATS][o % FLOATS] + sum[o];
	if (value[0] < *loudest)
		return;
	*loudest = value[0];
	out->high_impact = (uint16_t)(squash(value[0]) * 1000.0f);
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
	float loudest = -INFINITY;

	memset(out, 0, sizeof *out);
	if (text.size <= WHOLE_BYTES) {
		tally_read(&now, text, 0, text.size);
		tally_judge(&now, &loudest, out);
		return;
	}
	/* One decisive sentence in a long text: each piece alone, and with the one before it. */
	for (size_t at = 0; at < text.size; at = now.end) {
		tally_read(&now, text, at, piece_end(text, at));
		tally_judge(&now, &loudest, out);
		both = now;
		both.start = before.count > 0 ? before.start : now.start;
		both.count += before.count;
		both.all += before.all;
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			both.sum[k] += before.sum[k];
		if (before.count > 0)
			tally_judge(&both, &loudest, out);
		before = now;
	}
}
