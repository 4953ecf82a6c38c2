/* From lines and fragments to texts as people would send them. */
#include "tests/tools/train/train.h"

#include <stdlib.h>
#include <string.h>

#define COPIES       3    /* spoilt ones of each line that was written whole */
#define TIDY_WEIGHT  0.4f /* of the line as it was written; the copies share the rest */
#define BESIDE       14   /* of a hundred copies: something harmless before them, and as many behind */
#define MADE         6000 /* texts put together out of fragments */
#define MADE_WEIGHT  0.15f
#define MIXTURES     2000 /* texts of several requests */
#define NOISE        1000 /* texts of numbers and of letters without sense */
#define NOISE_WEIGHT 0.3f

uint64_t chance_state = 1;

uint32_t
chance(void)
{
	uint64_t z = chance_state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return (uint32_t)((z ^ z >> 31) >> 32);
}

bool
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

static void
make_negative(struct text *text, enum domain d, int l)
{
	int m = likely(12) ? !l : l;

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

	if (likely(25)) {
		lost = 100;
	} else if (likely(25)) {
		apart = likely(50) ? 100 : 40;
		lost = likely(50) ? 100 : lost;
	} else if (likely(6)) {
		wrong = 20 + chance() % 40;
	}
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

/* A line as it was written, and copies spoilt as typing does: together they count `weight`. */
static void
whole_add(struct text *text, const char *line, float weight)
{
	text->weight = weight * TIDY_WEIGHT;
	text->size = (size_t)snprintf(text->data, sizeof text->data, "%s", line);
	document_add(text);
	text->weight = weight * (1.0f - TIDY_WEIGHT) / COPIES;
	for (unsigned i = 0; i < COPIES; i++) {
		text->size = 0;
		if (likely(BESIDE))
			make_beside(text, likely(75) ? KO : EN);
		put(text, line);
		if (likely(BESIDE))
			make_beside(text, likely(75) ? KO : EN);
		make_untidy(text);
		document_add(text);
	}
}

static void
section_add(enum domain domain, enum section section, bool high, float weight)
{
	static struct text text;

	for (unsigned language = 0; language < LANGUAGES; language++) {
		const struct lines *lines = &corpus[domain][section][language];

		for (size_t i = 0; i < lines->count; i++) {
			text.high = high;
			text.domain = domain;
			if (lines->line[i][0] != '\0')
				whole_add(&text, lines->line[i], weight);
		}
	}
}

/* What a domain sounds like, word by word. */
static void
topics_add(enum domain domain, enum section section)
{
	static struct text text = {.topic = true, .weight = 1};

	for (unsigned language = 0; language < LANGUAGES; language++) {
		const struct lines *lines = &corpus[domain][section][language];

		for (size_t i = 0; i < lines->count; i++) {
			text.domain = domain;
			text.size = (size_t)snprintf(text.data, sizeof text.data, "%s", lines->line[i]);
			document_add(&text);
		}
	}
}

static void
made_add(void)
{
	static struct text text = {.weight = MADE_WEIGHT};
	int language = likely(72) ? KO : EN;

	text.size = 0;
	text.high = likely(45);
	text.domain = any_domain();
	if (text.high)
		make_positive(&text, text.domain, language);
	else
		make_negative(&text, text.domain, language);
	make_untidy(&text);
	document_add(&text);
}

/* Tables of numbers, encoded bytes, identifiers of machines: what is no language asks for nothing. */
static void
noise_add(void)
{
	static const char *const alphabets[] = {
	    "0123456789",
	    "0123456789.-",
	    "0123456789abcdef",
	    "ABCDEF0123456789",
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	    "abcdefghijklmnopqrstuvwxyz"};
	static const char *const marks[] = {"", " ", ", ", "\n", "-", "%", ".", ": ", "\t"};
	static struct text text = {.weight = NOISE_WEIGHT};
	const char *alphabet = alphabets[chance() % 6], *mark = marks[chance() % 9],
	           *other = marks[chance() % 9];
	size_t letters = strlen(alphabet), wanted = 10 + chance() % 700,
	       group = 1 + chance() % (likely(50) ? 3 : 12);

	text.size = 0;
	while (text.size < wanted) {
		for (size_t i = chance() % 2; i < group; i++)
			text.data[text.size++] = alphabet[chance() % letters];
		text.size += (size_t)snprintf(text.data + text.size, 8, "%s", likely(70) ? mark : other);
	}
	document_add(&text);
}

/* Requests of all kinds one behind the other, one of them decisive, or none. */
static void
mixture_add(void)
{
	static struct text text = {.weight = 1, .mixed = true};
	unsigned wanted = 3 + chance() % 6, decisive = likely(50) ? chance() % wanted : wanted;

	text.size = 0;
	text.high = decisive < wanted;
	text.domain = DOMAIN_NONE;
	text.also = 0;
	for (unsigned n = 0; n < wanted;) {
		const struct requests *writer = &writers[chance() % writer_count];
		const struct request *request = &writer->list[chance() % writer->count];
		bool high = request->label != DOMAIN_NONE;

		if (high != (n == decisive) || strlen(request->text) > MODEL_WHOLE)
			continue;
		if (high) {
			text.domain = request->near;
			text.also = request->also;
		}
		text.size += (size_t)snprintf(text.data + text.size, TEXT_LIMIT - text.size, "%s%s",
		                              n > 0 ? "\n" : "", request->text);
		n++;
	}
	document_add(&text);
}

void
texts_add(void)
{
	static struct text text;

	for (unsigned d = 0; d < DOMAIN_KINDS; d++) {
		enum domain domain = (enum domain)d;

		section_add(domain, POSITIVE, true, 1);
		section_add(domain, NEGATIVE, false, 1);
		section_add(domain, NEAR, false, 1);
		section_add(domain, CHAT, false, 1);
		section_add(domain, HARMLESS, false, 0.5f);
		if (domain != DOMAIN_NONE) {
			topics_add(domain, WORDS);
			topics_add(domain, SITUATION);
			topics_add(domain, ASK);
		}
	}
	for (size_t w = 0; w < writer_count; w++) {
		for (size_t i = 0; i < writers[w].count; i++) {
			const struct request *request = &writers[w].list[i];

			text.high = request->label != DOMAIN_NONE;
			text.domain = request->near;
			text.also = request->also;
			whole_add(&text, request->text, 1);
		}
	}
	for (unsigned i = 0; i < MADE; i++)
		made_add();
	for (unsigned i = 0; i < MIXTURES && writer_count > 0; i++)
		mixture_add();
	for (unsigned i = 0; i < NOISE; i++)
		noise_add();
}
