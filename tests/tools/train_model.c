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

#include "policy/detect/model.h"
#include "policy/detect/normalise.h"

#define TEXT_LIMIT     4096
#define RATE           0.3f /* of the first epoch; a tenth of it in the last */
#define DECAY          3e-4f
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
		if (line[0] == '[') {
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

	if (corpus[d][POSITIVE][l].count > 0 && likely(35)) { /* written whole */
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

	if (corpus[d][NEGATIVE][l].count > 0 && likely(35)) {
		put(text, any(d, NEGATIVE, l));
		return;
	}
	switch (chance() % 18) {
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

/* Blanks lost, syllables doubled or dropped, numbers changed: how people type. */
static void
make_untidy(struct text *text)
{
	char from[TEXT_LIMIT];
	size_t size = text->size, out = 0;
	unsigned rate = chance() % 4;

	memcpy(from, text->data, size);
	for (size_t at = 0; at < size && out + 8 < TEXT_LIMIT;) {
		uint32_t code;
		size_t step = utf8_next(slice_of(from + at, size - at), &code);

		if (step == 0)
			break;
		if (code >= '0' && code <= '9') {
			text->data[out++] = (char)('0' + chance() % 10);
		} else if (code == ' ' && chance() % 100 < rate * 3) {
			/* lost */
		} else if (code >= 0xAC00 && chance() % 300 < rate) {
			/* dropped */
		} else {
			memcpy(text->data + out, from + at, step);
			out += step;
		}
		at += step;
	}
	text->size = out;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

struct sample {
	uint16_t count;
	uint8_t high, domain;
	bool topic; /* teaches the domain only; domain 0: all alike */
	uint32_t *features;
};

static float table[MODEL_BUCKETS][MODEL_WIDTH], bias[MODEL_WIDTH];

/* One step; returns the loss. Only a share of the features is seen: nothing may lean on one word. */
static float
learn(const struct sample *sample, float rate, bool *right)
{
	uint32_t seen[FEATURES_LIMIT];
	float out[MODEL_OUTPUTS], delta[MODEL_OUTPUTS], total = 0, most, loss, by;
	size_t count = 0;
	unsigned drop = 10 + chance() % 40;

	for (size_t i = 0; i < sample->count; i++) {
		if (!likely(drop))
			seen[count++] = sample->features[i];
	}
	if (count == 0)
		return 0;
	by = 1.0f / sqrtf((float)count);
	memcpy(out, bias, sizeof out);
	for (size_t i = 0; i < count; i++) {
		for (unsigned o = 0; o < MODEL_OUTPUTS; o++)
			out[o] += table[seen[i]][o] * by;
	}
	/* Labels are softened: what we write is not always what somebody else would say. */
	delta[0] = 1.0f / (1.0f + expf(-out[0])) - (sample->high ? 0.95f : 0.05f);
	loss = sample->high ? log1pf(expf(-out[0])) : log1pf(expf(out[0]));
	*right = (out[0] > 0) == (sample->high != 0);
	most = out[1];
	for (unsigned o = 2; o < MODEL_OUTPUTS; o++)
		most = out[o] > most ? out[o] : most;
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++)
		total += delta[o] = expf(out[o] - most);
	/* Negatives teach the domain too, more quietly: their words are its words. */
	for (unsigned o = 1; o < MODEL_OUTPUTS; o++) {
		float wanted = sample->domain == 0   ? 1.0f / (MODEL_OUTPUTS - 1)
		               : o == sample->domain ? 1.0f
		                                     : 0.0f;

		delta[o] = (sample->topic || sample->high ? 1.0f : 0.4f) * (delta[o] / total - wanted);
	}
	if (sample->topic)
		delta[0] = 0;
	for (unsigned o = 0; o < MODEL_OUTPUTS; o++)
		bias[o] -= rate * 0.02f * delta[o];
	for (size_t i = 0; i < count; i++) {
		float *row = table[seen[i]];

		for (unsigned o = 0; o < MODEL_OUTPUTS; o++)
			row[o] -= rate * (delta[o] * by + DECAY * row[o]);
	}
	return loss;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void
weights_write(const char *path)
{
	FILE *file = fopen(path, "wb");
	float scale[MODEL_WIDTH];

	if (file == NULL) {
		perror(path);
		exit(2);
	}
	for (unsigned k = 0; k < MODEL_WIDTH; k++) {
		float most = 1e-6f;

		for (unsigned i = 0; i < MODEL_BUCKETS; i++)
			most = fabsf(table[i][k]) > most ? fabsf(table[i][k]) : most;
		scale[k] = most / 127.0f;
	}
	fwrite(scale, sizeof scale, 1, file);
	fwrite(bias, sizeof bias, 1, file);
	for (unsigned i = 0; i < MODEL_BUCKETS; i++) {
		int8_t row[MODEL_WIDTH];

		for (unsigned k = 0; k < MODEL_WIDTH; k++)
			row[k] = (int8_t)lrintf(table[i][k] / scale[k]);
		fwrite(row, sizeof row, 1, file);
	}
	if (fclose(file) != 0) {
		perror(path);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	size_t samples = argc > 3 ? (size_t)atol(argv[3]) : 80000;
	unsigned epochs = argc > 4 ? (unsigned)atoi(argv[4]) : 6;
	struct normal normal = {0};
	struct fault why;
	struct sample *list = calloc(samples, sizeof *list);
	uint32_t features[FEATURES_LIMIT];

	if (argc < 3 || list == NULL) {
		fprintf(stderr, "usage: train_model CORPUS WEIGHTS [SAMPLES [EPOCHS [SEED]]]\n");
		return 2;
	}
	chance_state = argc > 5 ? (uint64_t)atoll(argv[5]) : 20260122;
	corpus_read(argv[1], "common", DOMAIN_NONE);
	for (unsigned d = DOMAIN_ENERGY; d < DOMAIN_KINDS; d++)
		corpus_read(argv[1], domain_name((enum domain)d), (enum domain)d);
	for (size_t i = 0; i < samples; i++) {
		struct sample *sample = &list[i];
		struct text text = {.size = 0};
		enum domain domain = any_domain();
		int language = likely(72) ? KO : EN;

		sample->high = likely(40); /* most of what people write is harmless */
		sample->domain = (uint8_t)domain;
		sample->topic = likely(25);
		if (sample->topic && likely(30)) {
			sample->domain = 0;
			make_common(&text, language);
		} else if (sample->topic) {
			make_topic(&text, domain, language);
		} else if (sample->high)
			make_positive(&text, domain, language);
		else
			make_negative(&text, domain, language);
		make_untidy(&text);
		if (normal_make(&normal, slice_of(text.data, text.size), &why) == -1) {
			fault_print(stderr, "train_model", &why);
			return 2;
		}
		sample->count =
		    (uint16_t)model_features(slice_of(normal.text, normal.size), features, FEATURES_LIMIT);
		sample->features = malloc(sample->count * sizeof *features + 1);
		memcpy(sample->features, features, sample->count * sizeof *features);
		if (i < 12 && getenv("SHOW") != NULL)
			printf("%u %s: %.*s\n", sample->high, domain_name(domain), (int)text.size, text.data);
	}
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
	weights_write(argv[2]);
	normal_free(&normal);
	return 0;
}
