/*
 * train_model -- trains policy/detect/model.weights out of policy/detect/corpus.
 *
 *	build/tools/train_model policy/detect/corpus policy/detect/model.weights [SAMPLES [EPOCHS [SEED]]]
 *
 * Fragments of the corpus are put together into texts (situation, demand, consequence; or domain words with a harmless
 * task), written anew with typing mistakes, and a small network learns from them. The same seed gives the same weights
 * on the same machine. Nothing but text written by the project goes in.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/detect/model.h"
#include "policy/detect/normalise.h"

#define TEXT_LIMIT     4096
#define RATE           0.1f /* of the first epoch; a tenth of it in the last */
#define CAUTION        1.0f /* taken off the say for high impact: texts written apart were suspected too often */
#define WHOLE_SHARE    50 /* of a hundred texts, taken as they were written */
#define TOPIC_SHARE    35 /* of a hundred texts only name a domain */
#define FEATURES_LIMIT 1024
#define LINES_LIMIT    1000

/* ---- the corpus -------------------------------------------------------------------------------------------------- */

struct lines {
	char *line[LINES_LIMIT];
	size_t count;
};

enum section {
	SITUATION,
	ASK,
	NEAR,
	CONSEQUENCE,
	HARMLESS,
	FRAME,
	CLAIM,
	CLAIM_NONE,
	CHAT,
	THING,
	ENDING,
	POSITIVE,
	NEGATIVE,
	WORDS,
	SECTIONS
};
static const char *const section_names[SECTIONS] = {
    "situation",  "ask",  "near",  "consequence", "harmless", "frame",    "claim",
    "claim-none", "chat", "thing", "ending",      "positive", "negative", "words"};

enum { KO, EN, LANGUAGES };

static struct lines corpus[DOMAIN_KINDS][SECTIONS][LANGUAGES]; /* DOMAIN_NONE: common */

static void
corpus_read(const char *directory, const char *name, enum domain domain)
{
	char path[1024], line[2048];
	struct lines *lines = NULL;
	FILE *file;

	snprintf(path, sizeof path, "%s/%s.txt", directory, name);
	if ((file = fopen(path, "r")) == NULL) {
		perror(path);
		exit(2);
	}
	while (fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		if (line[0] == '[' && (strstr(line, ".ko]") != NULL || strstr(line, ".en]") != NULL)) {
			char *dot = strrchr(line, '.');

			lines = NULL;
			for (unsigned s = 0; dot != NULL && s < SECTIONS; s++) {
				size_t size = strlen(section_names[s]);

				if ((size_t)(dot - line - 1) == size &&
				    strncmp(line + 1, section_names[s], size) == 0)
					lines = &corpus[domain][s][strncmp(dot, ".en", 3) == 0 ? EN : KO];
			}
			if (lines == NULL) {
				fprintf(stderr, "%s: %s?\n", path, line);
				exit(2);
			}
		} else if (lines != NULL && lines->count < LINES_LIMIT &&
		           (line[0] != '\0' || strstr(path, "common") != NULL)) {
			lines->line[lines->count++] = strdup(line);
		}
	}
	fclose(file);
}

/* ---- chance ------------------------------------------------------------------------------------------------------ */

static uint64_t chance_state = 1;

static uint32_t
chance(void)
{
	uint64_t z = chance_state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return (uint32_t)((z ^ z >> 31) >> 32);
}

static bool
likely(unsigned percent)
{
	return chance() % 100 < percent;
}

static const char *
any(enum domain domain, enum section section, int language)
{
	const struct lines *lines = &corpus[domain][section][language];

	if (lines->count == 0)
		lines = &corpus[domain][section][!language];
	return lines->count == 0 ? "" : lines->line[chance() % lines->count];
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

struct text {
	char data[TEXT_LIMIT];
	size_t size;
};

static void
put(struct text *text, const char *piece)
{
	static const char *const joints[] = {". ", " ", "\n", ", ", ".\n", " / ", "... "};
	static const unsigned weights[] = {45, 20, 12, 13, 5, 2, 3};
	unsigned at = 0, roll = chance() % 100;

	if (piece[0] == '\0')
		return;
	while (at < 6 && roll >= weights[at])
		roll -= weights[at++];
	text->size += (size_t)snprintf(text->data + text->size, TEXT_LIMIT - text->size, "%s%s",
	                               text->size > 0 ? joints[at] : "", piece);
	if (text->size >= TEXT_LIMIT)
		text->size = TEXT_LIMIT - 1;
}

/* A heap of words, with the endings that words have: a domain's nouns, or things that touch nobody. */
static const char *
any_words(enum domain domain, enum section section, int language)
{
	static const char *const endings[] = {"",   "",      "",      "을",  "를",     "이",
	                                      "가", "은",    "는",    "의",  "에",     "로",
	                                      "도", " 상태", " 목록", " 값", " 두 개", " 번호"};
	static char text[512];
	size_t size = 0, count = 1 + chance() % 4;

	for (; count > 0 && size < 300; count--)
		size += (size_t)snprintf(
		    text + size, sizeof text - size, "%s%s%s", size > 0 ? " " : "",
		    any(domain, section, language),
		    language == KO ? endings[chance() % (sizeof endings / sizeof *endings)] : "");
	return text;
}

static const char *
any_situation(enum domain domain, int language)
{
	return likely(45) ? any_words(domain, WORDS, language) : any(domain, SITUATION, language);
}

/* Half of the demands are anybody's. */
static const char *
any_ask(enum domain domain, int language)
{
	return likely(50) ? any(DOMAIN_NONE, ASK, language) : any(domain, ASK, language);
}

/* Two pieces as one clause. */
static void
join(struct text *text, const char *first, const char *second)
{
	char both[1024];

	snprintf(both, sizeof both, "%s %s", first, second);
	put(text, both);
}

static enum domain
any_domain(void)
{
	/* `other` has few fragments: half as often. */
	enum domain domain = (enum domain)(DOMAIN_ENERGY + chance() % 11);

	return domain == DOMAIN_OTHER && likely(50) ? (enum domain)(DOMAIN_ENERGY + chance() % 10) : domain;
}

static void
make_positive(struct text *text, enum domain d, int l)
{
	int m = likely(12) ? !l : l; /* mixed languages */

	if (corpus[d][POSITIVE][l].count > 0 && likely(WHOLE_SHARE)) { /* written whole */
		if (likely(10))
			put(text, any(DOMAIN_NONE, FRAME, l));
		put(text, any(d, POSITIVE, l));
		if (likely(15))
			put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		return;
	}
	switch (chance() % 12) {
	case 0: /* the demand first */
		put(text, any_ask(d, l));
		put(text, any_situation(d, m));
		break;
	case 1:
		put(text, any_situation(d, l));
		put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		put(text, any_ask(d, m));
		break;
	case 2:
		put(text, any(DOMAIN_NONE, FRAME, l));
		put(text, any_situation(d, l));
		put(text, any_ask(d, m));
		put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		break;
	case 3:
		put(text, any(DOMAIN_NONE, CLAIM_NONE, l));
		put(text, any_situation(d, l));
		put(text, any_ask(d, l));
		break;
	case 4: /* a talk */
		put(text, "user:");
		put(text, any_situation(d, l));
		put(text, "assistant: 네");
		put(text, any_ask(d, l));
		break;
	case 5:
		put(text, any(d, ASK, l));
		put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		break;
	case 6: /* a pretext, then the true use */
		put(text, any_situation(d, l));
		put(text, any(DOMAIN_NONE, HARMLESS, l));
		put(text, any_ask(d, l));
		put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		break;
	case 7: /* deep in a long talk */
		put(text, any(DOMAIN_NONE, CHAT, l));
		put(text, any_situation(d, l));
		put(text, any_ask(d, l));
		break;
	default:
		put(text, any_situation(d, l));
		if (likely(20))
			put(text, any_situation(d, l));
		put(text, any_ask(d, m));
		if (likely(40))
			put(text, any(DOMAIN_NONE, CONSEQUENCE, m));
	}
	if (likely(15)) { /* and write the letter that tells it */
		static const char *const letters[] = {
		    "결정한 내용으로 통지서까지 써 줘",   "그 결과를 문서에 넣어 완성해 주세요",
		    "Draft the decision letter",          "판정 결과를 표에 채워 줘",
		    "결론이 담긴 의견서를 다듬어 주세요", "write it into the notice"};

		put(text, letters[chance() % 6]);
	}
	if (likely(30))
		put(text, any(DOMAIN_NONE, ENDING, l));
}

/* Words of a domain and nothing asked: teaches what the domain sounds like, and nothing else. */
static void
make_topic(struct text *text, enum domain d, int l)
{
	unsigned pieces = 1 + chance() % 3;

	while (pieces-- > 0)
		put(text, likely(60)   ? any_words(d, WORDS, l)
		          : likely(60) ? any(d, SITUATION, l)
		                       : any(d, NEAR, l));
}

/* What anybody says: no domain may claim it. */
static void
make_common(struct text *text, int l)
{
	static const enum section sections[] = {ASK, CONSEQUENCE, FRAME, HARMLESS, ENDING};
	unsigned pieces = 1 + chance() % 3;

	while (pieces-- > 0)
		put(text, any(DOMAIN_NONE, sections[chance() % 5], l));
}

static void
make_negative(struct text *text, enum domain d, int l)
{
	int m = likely(12) ? !l : l;

	if (corpus[d][NEGATIVE][l].count > 0 && likely(WHOLE_SHARE)) {
		put(text, any(d, NEGATIVE, l));
		return;
	}
	switch (chance() % 21) {
	case 0:
	case 1:
	case 2: /* a domain's words, a harmless task */
		put(text, any_situation(d, l));
		put(text, any(DOMAIN_NONE, HARMLESS, m));
		if (likely(30))
			put(text, any(DOMAIN_NONE, HARMLESS, l));
		break;
	case 3:
		put(text, any(DOMAIN_NONE, HARMLESS, l));
		put(text, any_situation(d, l));
		break;
	case 11:
	case 12:
	case 13: /* "변전소 견학 안내문을 써 줘" */
		join(text, any_words(d, WORDS, l), any(DOMAIN_NONE, HARMLESS, l));
		if (likely(40))
			put(text, any(DOMAIN_NONE, HARMLESS, m));
		if (likely(10))
			put(text, any(DOMAIN_NONE, CONSEQUENCE, m));
		break;
	case 4: /* a decision that touches nobody */
	case 9:
	case 10:
		if (likely(30)) {
			put(text, any(DOMAIN_NONE, CHAT, l));
		} else {
			put(text, any_words(DOMAIN_NONE, THING, l));
			put(text, any(DOMAIN_NONE, ASK, m));
		}
		if (likely(40))
			put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		break;
	case 18:
	case 19: /* "변전소 벽지 색을 하나로 확정해 줘": a thing, in a domain's place */
		join(text, any(d, WORDS, l), any_words(DOMAIN_NONE, THING, l));
		put(text, any(DOMAIN_NONE, ASK, m));
		if (likely(40))
			put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		break;
	case 5:
		put(text, any(DOMAIN_NONE, CLAIM, l));
		put(text, likely(50) ? any(d, NEAR, l) : any(DOMAIN_NONE, CHAT, l));
		break;
	case 6:
		put(text, any(d, NEAR, l));
		if (likely(30))
			put(text, any(DOMAIN_NONE, CONSEQUENCE, l));
		break;
	case 7:
		put(text, any(DOMAIN_NONE, CHAT, l));
		put(text, any(d, NEAR, l));
		break;
	case 8:
		put(text, any(d, NEAR, l));
		put(text, any(DOMAIN_NONE, HARMLESS, m));
		break;
	default:
		put(text, any(d, NEAR, l));
	}
	if (likely(30))
		put(text, any(DOMAIN_NONE, ENDING, l));
}

/* What stands beside it in a longer text, and decides nothing. */
static void
make_beside(struct text *text, int l)
{
	for (unsigned more = 1 + chance() % 2; more > 0 && likely(14); more--)
		put(text, any(DOMAIN_NONE, likely(50) ? CHAT : NEGATIVE, l));
}

/* Another vowel or another closing consonant: what a finger beside the key writes. */
static uint32_t
mistyped(uint32_t code)
{
	uint32_t syllable = code - 0xAC00, trail = syllable % 28, vowel = syllable / 28 % 21;

	if (likely(50))
		return code - trail + chance() % 28;
	return code - vowel * 28 + chance() % 21 * 28;
}

/* How people type, and how those write who do not want to be read: blanks lost or everywhere, syllables wrong or gone. */
static void
make_untidy(struct text *text)
{
	char from[TEXT_LIMIT];
	size_t size = text->size, out = 0;
	unsigned rate = chance() % 4, lost = rate * 3, wrong = rate, apart = 0;

	if (likely(4))
		lost = 100;
	else if (likely(5))
		apart = likely(50) ? 100 : 40;
	else if (likely(6))
		wrong = 20 + chance() % 40;
	memcpy(from, text->data, size);
	for (size_t at = 0; at < size && out + 12 < TEXT_LIMIT;) {
		uint32_t code;
		size_t step = utf8_next(slice_of(from + at, size - at), &code);
		bool hangul;

		if (step == 0)
			break;
		hangul = code >= 0xAC00 && code <= 0xD7A3;
		if (code >= '0' && code <= '9') {
			text->data[out++] = (char)('0' + chance() % 10);
		} else if (code == ' ' && likely(lost)) {
			/* lost */
		} else if (hangul && chance() % 300 < wrong) {
			if (likely(60))
				out += utf8_put((uint8_t *)text->data + out, mistyped(code));
		} else {
			memcpy(text->data + out, from + at, step);
			out += step;
		}
		if (hangul && likely(apart))
			text->data[out++] = likely(80) ? ' ' : '.';
		at += step;
	}
	text->size = out;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

struct sample {
	uint16_t count, all;
	uint8_t high, domain;
	bool topic; /* teaches the domain only; domain 0: all alike */
	uint32_t *features;
};

/*
 * Each bucket goes to the feature met most often of those that fall into it, if it was met more than once; samples keep the
 * buckets of such features and forget the rest, as the gateway will.
 */
static uint8_t prints[MODEL_BUCKETS];

/* The features of a text; met in training only, when that is known. */
static size_t
features_read(struct slice text, bool known, uint32_t *features, size_t *all)
{
	size_t count = model_keys(text, features, FEATURES_LIMIT, all), kept = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t feature = model_feature(features[i]);

		if (!known)
			features[kept++] = feature;
		else if (prints[MODEL_BUCKET(feature)] == MODEL_PRINT(feature))
			features[kept++] = MODEL_BUCKET(feature);
	}
	return kept;
}

static void
buckets_share(struct sample *list, size_t samples)
{
	uint16_t(*met)[128] = calloc(MODEL_BUCKETS, sizeof *met); /* a print is odd */
	size_t owned = 0;

	if (met == NULL)
		exit(2);
	for (size_t i = 0; i < samples; i++) {
		for (size_t k = 0; k < list[i].count; k++) {
			uint32_t feature = list[i].features[k];
			uint16_t *times = &met[MODEL_BUCKET(feature)][MODEL_PRINT(feature) / 2];

			*times = (uint16_t)(*times + (*times < UINT16_MAX));
		}
	}
	for (unsigned b = 0; b < MODEL_BUCKETS; b++) {
		uint16_t most = 1;

		for (unsigned p = 0; p < 128; p++) {
			if (met[b][p] > most) {
				most = met[b][p];
				prints[b] = (uint8_t)(2 * p + 1);
			}
		}
		owned += prints[b] != 0;
	}
	free(met);
	for (size_t i = 0; i < samples; i++) {
		size_t kept = 0;

		for (size_t k = 0; k < list[i].count; k++) {
			uint32_t feature = list[i].features[k];

			if (prints[MODEL_BUCKET(feature)] == MODEL_PRINT(feature))
				list[i].features[kept++] = MODEL_BUCKET(feature);
		}
		list[i].count = (uint16_t)kept;
	}
	fprintf(stderr, "%zu of %u buckets belong to a feature\n", owned, MODEL_BUCKETS);
}

/* A number that learns, and the squares of its slopes so far: steps shrink where much was learnt (Adagrad). */
struct weight {
	float value, squares;
};

static struct weight table[MODEL_BUCKETS][MODEL_WIDTH], bias[MODEL_WIDTH], hidden[MODEL_HIDDEN][MODEL_WIDTH],
    hidden_bias[MODEL_HIDDEN], output[MODEL_OUTPUTS][MODEL_HIDDEN], output_bias[MODEL_OUTPUTS];

static float
small(float most)
{
	return most * ((float)chance() / 2147483648.0f - 1.0f);
}

static void
network_start(void)
{
	for (unsigned i = 0; i < MODEL_BUCKETS; i++) {
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			table[i][k] = (struct weight){small(0.15f), 1e-3f};
	}
	for (unsigned k = 0; k < MODEL_WIDTH; k++)
		bias[k].squares = 1.0f;
	for (unsigned h = 0; h < MODEL_HIDDEN; h++) {
		hidden_bias[h].squares = 1.0f;
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			hidden[h][k] = (struct weight){small(0.3f), 1.0f};
	}
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++) {
		output_bias[o].squares = 1.0f;
		for (unsigned h = 0; h < MODEL_HIDDEN; h++)
			output[o][h] = (struct weight){small(0.3f), 1.0f};
	}
}

static void
step(struct weight *weight, float slope, float rate)
{
	weight->squares += slope * slope;
	weight->value -= rate * slope / sqrtf(weight->squares);
}

/* What the layers say of some features. */
struct pass {
	float sum[MODEL_WIDTH], row[MODEL_WIDTH], unit[MODEL_HIDDEN], out[MODEL_OUTPUTS], by;
};

static void
pass_make(struct pass *pass, const uint32_t *features, size_t count, float all)
{
	pass->by = 1.0f / sqrtf(all > 1 ? all : 1);
	for (unsigned k = 0; k < MODEL_WIDTH; k++)
		pass->sum[k] = 0;
	for (size_t i = 0; i < count; i++) {
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			pass->sum[k] += table[features[i]][k].value;
	}
	for (unsigned k = 0; k < MODEL_WIDTH; k++) {
		pass->sum[k] = bias[k].value + pass->sum[k] * pass->by;
		pass->row[k] = pass->sum[k] / (1.0f + fabsf(pass->sum[k]));
	}
	for (unsigned h = 0; h < MODEL_HIDDEN; h++) {
		pass->unit[h] = hidden_bias[h].value;
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			pass->unit[h] += hidden[h][k].value * pass->row[k];
		pass->unit[h] = pass->unit[h] > 0 ? pass->unit[h] : 0;
	}
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++) {
		pass->out[o] = output_bias[o].value + pass->sum[o];
		for (unsigned h = 0; h < MODEL_HIDDEN; h++)
			pass->out[o] += output[o][h].value * pass->unit[h];
	}
}

/* One step; returns the loss. Only a share of the features is seen: nothing may lean on one word. */
static float
learn(const struct sample *sample, float rate, bool *right)
{
	uint32_t seen[FEATURES_LIMIT];
	float delta[MODEL_OUTPUTS], unit[MODEL_HIDDEN] = {0}, row[MODEL_WIDTH] = {0}, total = 0, most, loss;
	struct pass pass;
	size_t count = 0;
	unsigned drop = 10 + chance() % 40;

	for (size_t i = 0; i < sample->count; i++) {
		if (!likely(drop))
			seen[count++] = sample->features[i];
	}
	if (count == 0)
		return 0;
	pass_make(&pass, seen, count, (float)count / (float)sample->count * (float)sample->all);
	/* Labels are softened: what we write is not always what somebody else would say. */
	delta[0] = 1.0f / (1.0f + expf(-pass.out[0])) - (sample->high ? 0.96f : 0.04f);
	loss = sample->high ? log1pf(expf(-pass.out[0])) : log1pf(expf(pass.out[0]));
	*right = (pass.out[0] > 0) == (sample->high != 0);
	most = pass.out[1];
	for (unsigned o = 2; o < MODEL_OUTPUTS; o++)
		most = pass.out[o] > most ? pass.out[o] : most;
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++)
		total += delta[o] = expf(pass.out[o] - most);
	/* Negatives teach the domain too, more quietly: their words are its words. */
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++) {
		float wanted = sample->domain == 0   ? 1.0f / (MODEL_OUTPUTS - 1)
		               : o == sample->domain ? 1.0f
		                                     : 0.0f;

		delta[o] = (sample->topic || sample->high ? 1.0f : 0.4f) * (delta[o] / total - wanted);
	}
	if (sample->topic)
		delta[0] = 0;
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++) {
		for (unsigned h = 0; h < MODEL_HIDDEN; h++) {
			unit[h] += delta[o] * output[o][h].value;
			step(&output[o][h], delta[o] * pass.unit[h], rate);
		}
		step(&output_bias[o], delta[o], rate);
	}
	for (unsigned h = 0; h < MODEL_HIDDEN; h++) {
		if (pass.unit[h] <= 0)
			continue;
		for (unsigned k = 0; k < MODEL_WIDTH; k++) {
			row[k] += unit[h] * hidden[h][k].value;
			step(&hidden[h][k], unit[h] * pass.row[k], rate);
		}
		step(&hidden_bias[h], unit[h], rate);
	}
	for (unsigned k = 0; k < MODEL_WIDTH; k++) {
		float bent = 1.0f + fabsf(pass.sum[k]);

		row[k] /= bent * bent;
		if (k < MODEL_OUTPUTS)
			row[k] += delta[k];
		step(&bias[k], row[k], rate);
		row[k] *= pass.by;
	}
	for (size_t i = 0; i < count; i++) {
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			step(&table[seen[i]][k], row[k], rate);
	}
	return loss;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static struct model_weights written;

static void
weights_write(const char *path)
{
	FILE *file = fopen(path, "wb");

	if (file == NULL) {
		perror(path);
		exit(2);
	}
	for (unsigned k = 0; k < MODEL_WIDTH; k++) {
		float most = 1e-6f;

		for (unsigned i = 0; i < MODEL_BUCKETS; i++) {
			if (prints[i] != 0 && fabsf(table[i][k].value) > most)
				most = fabsf(table[i][k].value);
		}
		written.scale[k] = most / 127.0f;
		written.bias[k] = bias[k].value;
		for (unsigned i = 0; i < MODEL_BUCKETS; i++)
			written.table[i][k] =
			    prints[i] != 0 ? (int8_t)lrintf(table[i][k].value / written.scale[k]) : 0;
	}
	memcpy(written.prints, prints, sizeof prints);
	for (unsigned h = 0; h < MODEL_HIDDEN; h++) {
		written.hidden_bias[h] = hidden_bias[h].value;
		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			written.hidden[k][h] = hidden[h][k].value;
	}
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++) {
		written.output_bias[o] = output_bias[o].value - (o == 0 ? CAUTION : 0);
		for (unsigned h = 0; h < MODEL_HIDDEN; h++)
			written.output[h][o] = output[o][h].value;
	}
	if (fwrite(&written, sizeof written, 1, file) != 1 || fclose(file) != 0) {
		perror(path);
		exit(2);
	}
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* Figures over lines "LABEL<tab>TEXT" that training did not see: as the project's scorer counts them. */
struct score {
	unsigned tp, fp, fn, tn, domain[DOMAIN_KINDS][3]; /* hits, false alarms, misses */
};

static void
score_text(struct score *score, struct slice text, enum domain wanted)
{
	static struct normal normal;
	uint32_t features[FEATURES_LIMIT + MODEL_KEYS_SPARE];
	struct pass pass;
	struct fault why;
	unsigned best = 1;
	bool high;
	size_t count, all;

	if (normal_make(&normal, text, &why) == -1)
		return;
	count = features_read(slice_of(normal.text, normal.size), true, features, &all);
	pass_make(&pass, features, count, (float)all);
	high = pass.out[0] > CAUTION;
	for (unsigned o = 2; o < MODEL_OUTPUTS; o++)
		best = pass.out[o] > pass.out[best] ? o : best;
	score->tp += high && wanted != DOMAIN_NONE;
	score->fp += high && wanted == DOMAIN_NONE;
	score->fn += !high && wanted != DOMAIN_NONE;
	score->tn += !high && wanted == DOMAIN_NONE;
	if (wanted != DOMAIN_NONE && high && best == wanted) {
		score->domain[wanted][0]++;
	} else {
		if (wanted != DOMAIN_NONE)
			score->domain[wanted][2]++;
		if (high)
			score->domain[best][1]++;
	}
	if (getenv("SHOW") != NULL && (high != (wanted != DOMAIN_NONE) || (high && best != wanted)))
		printf("%s taken for %s (%.2f): %.*s\n", domain_name(wanted),
		       high ? domain_name((enum domain)best) : "none", (double)pass.out[0], (int)text.size,
		       (const char *)text.data);
}

static void
score_print(const struct score *score, const char *name)
{
	double sum = 0;
	unsigned domains = 0;

	for (unsigned d = 1; d < DOMAIN_KINDS; d++) {
		const unsigned *n = score->domain[d];

		if (n[0] + n[2] > 0) {
			sum += 2.0 * n[0] / (2.0 * n[0] + n[1] + n[2]);
			domains++;
		}
	}
	printf(
	    "%s: high impact F1 %.3f (%u true, %u false, %u missed), negatives right %.3f, domains macro-F1 "
	    "%.3f\n",
	    name, 2.0 * score->tp / (2.0 * score->tp + score->fp + score->fn), score->tp, score->fp,
	    score->fn, (double)score->tn / (score->tn + score->fp), domains > 0 ? sum / domains : 0.0);
}

static void
check_file(const char *path)
{
	struct score score = {.tp = 0};
	FILE *file = fopen(path, "r");
	char line[TEXT_LIMIT];

	if (file == NULL) {
		perror(path);
		exit(2);
	}
	while (fgets(line, sizeof line, file) != NULL) {
		char *tab = strchr(line, '\t');
		enum domain wanted = DOMAIN_NONE;

		if (tab == NULL)
			continue;
		*tab = '\0';
		tab[strcspn(tab + 1, "\n") + 1] = '\0';
		if (strcmp(line, "none") != 0 && !domain_parse(&wanted, line)) {
			fprintf(stderr, "%s: %s?\n", path, line);
			exit(2);
		}
		score_text(&score, slice_string(tab + 1), wanted);
	}
	fclose(file);
	score_print(&score, path);
}

/* Whole lines that a fold leaves out, in blocks of eight: neighbours tell of the same things. */
static struct {
	const char *line;
	enum domain domain;
} left_out[4 * LINES_LIMIT];
static size_t left_out_count;

static void
fold_take(unsigned fold, unsigned folds)
{
	static const enum section sections[] = {POSITIVE, NEGATIVE};

	for (unsigned d = 0; d < DOMAIN_KINDS; d++) {
		for (unsigned i = 0; i < 4; i++) {
			struct lines *lines = &corpus[d][sections[i / 2]][i % 2];
			size_t kept = 0;

			for (size_t k = 0; k < lines->count; k++) {
				if (k / 8 % folds != fold) {
					lines->line[kept++] = lines->line[k];
				} else if (left_out_count < sizeof left_out / sizeof *left_out) {
					left_out[left_out_count].line = lines->line[k];
					left_out[left_out_count++].domain =
					    i / 2 == 0 ? (enum domain)d : DOMAIN_NONE;
				}
			}
			lines->count = kept;
		}
	}
}

static void
usage(void)
{
	fprintf(stderr,
	        "usage: train_model [-n SAMPLES] [-e EPOCHS] [-s SEED] [-c CHECK.tsv]... [-f FOLD/FOLDS] "
	        "CORPUS [WEIGHTS]\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	size_t samples = 120000;
	unsigned epochs = 6, fold = 0, folds = 0, checks = 0;
	const char *check[8];
	struct normal normal = {0};
	struct fault why;
	struct sample *list;
	uint32_t features[FEATURES_LIMIT + MODEL_KEYS_SPARE];
	int option;

	chance_state = 20260122;
	while ((option = getopt(argc, argv, "n:e:s:c:f:")) != -1) {
		if (option == 'n')
			samples = (size_t)atol(optarg);
		else if (option == 'e')
			epochs = (unsigned)atoi(optarg);
		else if (option == 's')
			chance_state = (uint64_t)atoll(optarg);
		else if (option == 'c' && checks < 8)
			check[checks++] = optarg;
		else if (option != 'f' || sscanf(optarg, "%u/%u", &fold, &folds) != 2)
			usage();
	}
	if (optind >= argc || (list = calloc(samples, sizeof *list)) == NULL)
		usage();
	corpus_read(argv[optind], "common", DOMAIN_NONE);
	for (unsigned d = DOMAIN_ENERGY; d < DOMAIN_KINDS; d++)
		corpus_read(argv[optind], domain_name((enum domain)d), (enum domain)d);
	if (folds > 0)
		fold_take(fold, folds);
	network_start();
	for (size_t i = 0; i < samples; i++) {
		struct sample *sample = &list[i];
		struct text text = {.size = 0};
		size_t all = 0;
		enum domain domain = any_domain();
		int language = likely(72) ? KO : EN;

		sample->high = likely(40); /* most of what people write is harmless */
		sample->domain = (uint8_t)domain;
		sample->topic = likely(TOPIC_SHARE);
		if (sample->topic && likely(20)) {
			sample->domain = 0;
			make_common(&text, language);
		} else if (sample->topic) {
			make_topic(&text, domain, language);
		} else {
			make_beside(&text, language);
			if (sample->high)
				make_positive(&text, domain, language);
			else
				make_negative(&text, domain, language);
			make_beside(&text, language);
		}
		make_untidy(&text);
		if (normal_make(&normal, slice_of(text.data, text.size), &why) == -1) {
			fault_print(stderr, "train_model", &why);
			return 2;
		}
		sample->count =
		    (uint16_t)features_read(slice_of(normal.text, normal.size), false, features, &all);
		sample->all = (uint16_t)all;
		sample->features = malloc(sample->count * sizeof *features + 1);
		memcpy(sample->features, features, sample->count * sizeof *features);
	}
	buckets_share(list, samples);
	for (unsigned epoch = 0; epoch < epochs; epoch++) {
		double loss = 0;
		size_t good = 0;

		for (size_t i = 0; i < samples; i++) {
			bool right = false;

			loss += (double)learn(&list[chance() % samples],
			                      RATE * (1.0f - 0.9f * (float)epoch / (float)epochs), &right);
			good += right;
		}
		fprintf(stderr, "epoch %u: loss %.4f, right %.4f\n", epoch, loss / (double)samples,
		        (double)good / (double)samples);
	}
	for (unsigned i = 0; i < checks; i++)
		check_file(check[i]);
	if (folds > 0) {
		struct score score = {.tp = 0};

		for (size_t i = 0; i < left_out_count; i++)
			score_text(&score, slice_string(left_out[i].line), left_out[i].domain);
		score_print(&score, "left out");
	}
	if (optind + 1 < argc)
		weights_write(argv[optind + 1]);
	normal_free(&normal);
	return 0;
}
