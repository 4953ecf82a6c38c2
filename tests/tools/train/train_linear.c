/*
 * Twelve logistic regressions: high impact, and each domain against the others.
 *
 * A document is x[f] = times * idf[f] / root of all its features. Solved in the dual by coordinate descent (Yu, Huang and Lin,
 * "Dual coordinate descent methods for logistic regression and maximum entropy models", 2011), one coordinate a document.
 */
#include "tests/tools/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/detect/normalise.h"

/* How much a mistake costs beside large weights. */
#define COST_HIGH   10.0f
#define COST_DOMAIN 3.0f
/* Beside a request that asks for a decision in a domain, for learning what that domain sounds like. */
#define SHARE_HARMLESS 0.5f
#define SHARE_TOPIC    0.6f
/* Added to what is said, so that what is doubtful falls where it should: chosen on writers left out. */
#define LEAN_HIGH  0.8f
#define LEAN_OTHER 0.4f
#define IDF_UNIT   4.0f
#define ROUNDS     12
/* Of a long text's stretches: how often chosen anew, and how many of a harmless one count. */
#define CHOICES 2
#define LOUD    4

static uint8_t prints[MODEL_BUCKETS];
static float idf[MODEL_BUCKETS], learnt[MODEL_OUTPUTS][MODEL_BUCKETS], bias[MODEL_OUTPUTS];
struct model_weights trained;

/* ---- features ---------------------------------------------------------------------------------------------------- */

struct spot {
	uint32_t bucket;
	float value;
};

struct document {
	uint32_t *features; /* then buckets */
	struct spot *spots;
	size_t count, all, spot_count;
	float size; /* squared, the constant's one included */
	float weight;
	size_t stretch_of; /* 1 + the number of the long text it is a stretch of; 0: a text for itself */
	float said;
	enum domain domain;
	uint16_t also;
	bool high, topic;
};

static struct document *list;
static size_t list_count, list_capacity;

static struct document *
document_new(const struct text *text, struct slice normal)
{
	static uint32_t keys[FEATURES_LIMIT + MODEL_KEYS_SPARE];
	struct document *document;

	if (list_count == list_capacity) {
		list_capacity = list_capacity == 0 ? 4096 : list_capacity * 2;
		if ((list = realloc(list, list_capacity * sizeof *list)) == NULL)
			exit(2);
	}
	document = &list[list_count++];
	*document = (struct document){.weight = text->weight,
	                              .domain = text->domain,
	                              .also = text->also,
	                              .high = text->high,
	                              .topic = text->topic};
	document->count = model_keys(normal, keys, FEATURES_LIMIT, &document->all);
	if ((document->features = malloc((document->count + 1) * sizeof *keys)) == NULL)
		exit(2);
	for (size_t i = 0; i < document->count; i++)
		document->features[i] = model_feature(keys[i]);
	return document;
}

static size_t long_count;

/* The stretches that the gateway looks at; which of them count is chosen while learning. */
static void
stretches_add(const struct text *text, struct slice normal)
{
	size_t starts[MODEL_TOGETHER], count = 0, first = list_count;

	for (size_t at = 0, end; at < normal.size; at = end, count++) {
		starts[count % MODEL_TOGETHER] = at;
		end = model_piece_end(normal, at);
		for (size_t k = 0; k < MODEL_TOGETHER && k <= count; k++) {
			size_t start = starts[(count - k) % MODEL_TOGETHER];

			document_new(text, slice_of(normal.data + start, end - start))->stretch_of =
			    1 + long_count;
		}
	}
	for (size_t i = first; i < list_count; i++) {
		list[i].weight = text->weight / (float)(list_count - first);
		if (!text->high)
			list[i].domain = DOMAIN_NONE;
	}
	long_count++;
}

void
document_add(const struct text *text)
{
	static struct normal normal;
	struct document *whole;
	struct fault why;

	if (normal_make(&normal, slice_of(text->data, text->size), &why) == -1) {
		fault_print(stderr, "train_model", &why);
		exit(2);
	}
	whole = document_new(text, slice_of(normal.text, normal.size));
	if (normal.size > MODEL_WHOLE && !text->topic) {
		whole->topic = true;
		whole->domain = text->mixed ? DOMAIN_NONE : whole->domain;
		stretches_add(text, slice_of(normal.text, normal.size));
	}
}

static int
ascending(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

/* Each bucket goes to the feature that most documents have of those that fall into it; the rest is forgotten. */
static void
buckets_share(void)
{
	uint16_t(*met)[128] = calloc(MODEL_BUCKETS, sizeof *met); /* a print is odd */
	size_t owned = 0;

	if (met == NULL)
		exit(2);
	for (size_t i = 0; i < list_count; i++) {
		qsort(list[i].features, list[i].count, sizeof *list[i].features, ascending);
		for (size_t k = 0; k < list[i].count; k++) {
			uint32_t feature = list[i].features[k];
			uint16_t *times = &met[MODEL_BUCKET(feature)][MODEL_PRINT(feature) / 2];

			if (list[i].stretch_of == 0 && (k == 0 || feature != list[i].features[k - 1]))
				*times = (uint16_t)(*times + (*times < UINT16_MAX) * (list[i].topic ? 2 : 1));
		}
	}
	for (unsigned b = 0; b < MODEL_BUCKETS; b++) {
		unsigned most = 1;

		for (unsigned p = 0; p < 128; p++) {
			if (met[b][p] > most) {
				most = met[b][p];
				prints[b] = (uint8_t)(2 * p + 1);
			}
		}
		owned += prints[b] != 0;
		idf[b] = (logf((1.0f + (float)list_count) / (1.0f + (float)most)) + 1.0f) / IDF_UNIT;
	}
	free(met);
	fprintf(stderr, "%zu of %u buckets belong to a feature\n", owned, MODEL_BUCKETS);
}

static void
spots_make(struct document *document)
{
	float by = 1.0f / sqrtf(document->all > 0 ? (float)document->all : 1.0f);

	if ((document->spots = calloc(document->count + 1, sizeof *document->spots)) == NULL)
		exit(2);
	document->size = 1;
	for (size_t k = 0; k < document->count;) {
		uint32_t feature = document->features[k], bucket = MODEL_BUCKET(feature);
		size_t times = 0;

		for (; k < document->count && document->features[k] == feature; k++)
			times++;
		if (prints[bucket] == MODEL_PRINT(feature)) {
			float value = (float)times * idf[bucket] * by;

			document->spots[document->spot_count++] = (struct spot){bucket, value};
			document->size += value * value;
		}
	}
	free(document->features);
}

/* ---- learning ---------------------------------------------------------------------------------------------------- */

/* Of one output: does the document speak for it, and how much does it count? 0: not at all. */
static float
weight_of(const struct document *document, unsigned output, bool *wanted)
{
	if (output == 0) {
		*wanted = document->high;
		return document->topic ? 0 : COST_HIGH * document->weight;
	}
	*wanted = document->domain == output;
	if (document->domain == DOMAIN_NONE || (document->also >> output & 1))
		return 0;
	return COST_DOMAIN * document->weight *
	       (document->topic  ? SHARE_TOPIC
	        : document->high ? 1.0f
	                         : SHARE_HARMLESS);
}

/* The document's share z of [0, most] that is best while all others stay: Newton's way, kept inside. */
static double
share_of(double a, double b, double most, double before)
{
	double z = most - before < 0.5 * most ? 0.1 * before : before,
	       slope = a * (z - before) + b + log(z / (most - z));

	for (unsigned i = 0; i < 100 && fabs(slope) >= 1e-4; i++) {
		double next = z - slope / (a + most / (most - z) / z);

		z = next <= 0 ? z * 0.1 : next;
		slope = a * (z - before) + b + log(z / (most - z));
	}
	return z;
}

static void
output_train(unsigned output)
{
	float *weight = learnt[output], constant = 0;
	struct {
		double most, share[2];
		const struct document *document;
		float sign;
	} *used = calloc(list_count, sizeof *used);
	size_t use = 0;

	if (used == NULL)
		exit(2);
	for (size_t i = 0; i < list_count; i++) {
		bool wanted;
		float most = weight_of(&list[i], output, &wanted);

		if (most <= 0)
			continue;
		used[use].most = (double)most;
		used[use].document = &list[i];
		used[use].sign = wanted ? 1.0f : -1.0f;
		used[use].share[0] = fmin(0.001 * (double)most, 1e-8);
		used[use].share[1] = (double)most - used[use].share[0];
		for (size_t k = 0; k < list[i].spot_count; k++)
			weight[list[i].spots[k].bucket] +=
			    used[use].sign * (float)used[use].share[0] * list[i].spots[k].value;
		constant += used[use].sign * (float)used[use].share[0];
		use++;
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t n = 0; n < use; n++) {
			size_t i = chance() % use;
			const struct document *document = used[i].document;
			double said = (double)constant, a = (double)document->size, before, now;
			unsigned side;
			float step;

			for (size_t k = 0; k < document->spot_count; k++)
				said +=
				    (double)(weight[document->spots[k].bucket] * document->spots[k].value);
			said *= (double)used[i].sign;
			side = 0.5 * a * (used[i].share[1] - used[i].share[0]) + said < 0;
			before = used[i].share[side];
			now = share_of(a, side ? -said : said, used[i].most, before);
			used[i].share[side] = now;
			used[i].share[!side] = used[i].most - now;
			step = (float)(now - before) * used[i].sign * (side ? -1.0f : 1.0f);
			for (size_t k = 0; k < document->spot_count; k++)
				weight[document->spots[k].bucket] += step * document->spots[k].value;
			constant += step;
		}
	}
	bias[output] = constant;
	free(used);
}

static void
weights_round(void)
{
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++) {
		float most = 1e-6f;

		for (unsigned b = 0; b < MODEL_BUCKETS; b++)
			most = fmaxf(most, fabsf(learnt[o][b] * idf[b]));
		trained.scale[o] = most / 127.0f;
		trained.bias[o] = bias[o];
		for (unsigned b = 0; b < MODEL_BUCKETS; b++)
			trained.table[b][o] = (int8_t)lrintf(learnt[o][b] * idf[b] / trained.scale[o]);
	}
	trained.bias[0] += LEAN_HIGH;
	trained.bias[DOMAIN_OTHER] += LEAN_OTHER;
	memcpy(trained.prints, prints, sizeof prints);
}

static int
louder(const void *a, const void *b)
{
	const struct document *left = *(struct document *const *)a, *right = *(struct document *const *)b;

	return left->said < right->said ? 1 : left->said > right->said ? -1 : 0;
}

/* Of a decisive text the loudest stretch is what decides; of a harmless one the loudest are what must be unlearnt. */
static void
stretches_choose(void)
{
	static struct document *of[4096];

	for (size_t i = 0, count; i < list_count; i += count) {
		size_t number = list[i].stretch_of, loud;
		float weight = 0;

		for (count = 1;
		     number != 0 && i + count < list_count && list[i + count].stretch_of == number;)
			count++;
		if (number == 0)
			continue;
		for (size_t k = 0; k < count; k++) {
			struct document *document = of[k] = &list[i + k];

			document->said = bias[0];
			for (size_t n = 0; n < document->spot_count; n++)
				document->said +=
				    learnt[0][document->spots[n].bucket] * document->spots[n].value;
			weight += document->weight;
			document->weight = 0;
		}
		qsort(of, count, sizeof *of, louder);
		loud = list[i].high ? 1 : count < LOUD ? count : LOUD;
		for (size_t k = 0; k < loud; k++)
			of[k]->weight = weight / (float)loud;
	}
}

void
weights_train(void)
{
	buckets_share();
	for (size_t i = 0; i < list_count; i++)
		spots_make(&list[i]);
	for (unsigned choice = 0; choice < CHOICES; choice++) {
		memset(learnt[0], 0, sizeof learnt[0]);
		output_train(0);
		stretches_choose();
	}
	memset(learnt[0], 0, sizeof learnt[0]);
	for (unsigned output = 0; output < MODEL_OUTPUTS; output++)
		output_train(output);
	weights_round();
}
