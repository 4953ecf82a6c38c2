/* From normal text to hashed features. What training sees is what runs: both come here. */
#include "policy/detect/model.h"

enum script { SCRIPT_NONE, SCRIPT_HANGUL, SCRIPT_LATIN, SCRIPT_DIGIT };

#define WORD_LIMIT 24 /* characters of a word; what is longer is several */

struct word_seen {
	uint32_t code[WORD_LIMIT];
	size_t count;
};

static enum script
script_of(uint32_t code)
{
	if (code >= 0xAC00 && code <= 0xD7A3)
		return SCRIPT_HANGUL;
	if ((code | 0x20) >= 'a' && (code | 0x20) <= 'z')
		return SCRIPT_LATIN;
	return code >= '0' && code <= '9' ? SCRIPT_DIGIT : SCRIPT_NONE;
}

static uint32_t
mix(uint32_t hash, uint32_t value)
{
	hash = (hash ^ value) * 0x9E3779B1u;
	return hash ^ hash >> 15;
}

/* Up to four characters need no chain: their products can be made side by side. */
static uint32_t
hash_of(uint32_t seed, const uint32_t *code, size_t count)
{
	static const uint32_t odd[4] = {0x85EBCA6Bu, 0xC2B2AE35u, 0x27D4EB2Fu, 0x165667B1u};
	uint32_t hash = seed * 0x2545F491u;

	if (count > 4) {
		for (size_t i = 0; i < count; i++)
			seed = mix(seed, code[i]);
		return seed;
	}
	for (size_t i = 0; i < count; i++)
		hash += (code[i] + 1) * odd[i];
	return hash ^ hash >> 15;
}

/* Normal text is well-formed but for what decoding let through: the three bytes of Hangul first, the rest by the book. */
static inline size_t
character(const uint8_t *at, const uint8_t *end, uint32_t *code)
{
	if (*at < 0x80) {
		*code = *at;
		return 1;
	}
	if (*at >= 0xEA && *at <= 0xED && end - at >= 3) {
		*code = (uint32_t)(*at & 15) << 12 | (uint32_t)(at[1] & 63) << 6 | (at[2] & 63u);
		return 3;
	}
	return utf8_next(slice_of(at, (size_t)(end - at)), code);
}

struct features {
	const uint8_t *prints;
	uint32_t *list;
	size_t count, most, all;
};

static void
add(struct features *features, uint32_t hash)
{
	uint32_t feature = mix(hash, 0x5bd1e995u);

	features->all++;
	if (features->count == features->most)
		return;
	if (features->prints == NULL)
		features->list[features->count++] = feature;
	else if (features->prints[MODEL_BUCKET(feature)] == MODEL_PRINT(feature))
		features->list[features->count++] = MODEL_BUCKET(feature);
}

enum { SEED_PREFIX = 1, SEED_PAIR, SEED_TRIPLE, SEED_SUFFIX, SEED_WORD, SEED_NUMBER };

static void
word_add(struct features *features, const struct word_seen *word, enum script script)
{
	const uint32_t *code = word->code;
	size_t count = word->count;

	if (script == SCRIPT_DIGIT) { /* how long a number is says enough */
		add(features, mix(SEED_NUMBER, (uint32_t)(count > 4 ? 4 : count)));
		return;
	}
	if (script == SCRIPT_LATIN) {
		add(features, hash_of(SEED_WORD, code, count));
		if (count > 4)
			add(features, hash_of(SEED_PREFIX, code, 4));
		return;
	}
	if (count == 1)
		add(features, hash_of(SEED_PAIR, code, 1));
	for (size_t i = 0; i + 2 <= count; i++)
		add(features, hash_of(SEED_PAIR, code + i, 2));
	for (size_t i = 0; i + 3 <= count; i++)
		add(features, hash_of(SEED_TRIPLE, code + i, 3));
	if (count >= 2) {
		add(features, hash_of(SEED_PREFIX, code, 2));
		add(features, hash_of(SEED_SUFFIX, code + count - 2, 2));
	}
}

/* "결 정 해": letters set apart are one word again; else every rule about words would miss them. */
static void
word_end(struct features *features, struct word_seen *apart, enum script *apart_script,
         const struct word_seen *word, enum script script)
{
	bool single = word->count == 1 && (script == SCRIPT_HANGUL || script == SCRIPT_LATIN);

	if (apart->count > 0 && (!single || *apart_script != script || apart->count == WORD_LIMIT)) {
		word_add(features, apart, *apart_script);
		apart->count = 0;
	}
	if (single) {
		*apart_script = script;
		apart->code[apart->count++] = word->code[0];
	} else if (word->count > 0) {
		word_add(features, word, script);
	}
}

size_t
model_features(struct slice text, const uint8_t *prints, uint32_t *list, size_t most, size_t *all)
{
	struct features features = {.prints = prints, .list = list, .most = most};
	struct word_seen word, apart;
	enum script script = SCRIPT_NONE, apart_script = SCRIPT_NONE;
	size_t at = 0;

	word.count = apart.count = 0;
	while (at <= text.size) {
		uint32_t code = 0;
		size_t size = at < text.size ? character(text.data + at, text.data + text.size, &code) : 1;
		enum script now = at < text.size && size > 0 ? script_of(code) : SCRIPT_NONE;

		/* A sentence without blanks is a row of words as long as can be. */
		if ((now != script || word.count == WORD_LIMIT) && word.count > 0) {
			word_end(&features, &apart, &apart_script, &word, script);
			word.count = 0;
		}
		script = now;
		if (now != SCRIPT_NONE)
			word.code[word.count++] = now == SCRIPT_LATIN ? code | 0x20 : code;
		at += size > 0 ? size : 1;
	}
	word_end(&features, &apart, &apart_script, &word, script);
	*all = features.all;
	return features.count;
}
