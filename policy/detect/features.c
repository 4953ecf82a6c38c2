/* From normal text to the keys of its features. What training sees is what runs: both come here. */
#include "policy/detect/model.h"

enum script { SCRIPT_NONE, SCRIPT_HANGUL, SCRIPT_LATIN, SCRIPT_DIGIT };

#define WORD_LIMIT 24 /* characters of a word; what is longer is several */

enum { SEED_PREFIX = 1, SEED_PAIR, SEED_TRIPLE, SEED_SUFFIX, SEED_WORD, SEED_NUMBER };
#define SEED(seed) ((seed)*0x2545F491u)

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

/* A key of up to four characters: their products added up. */
static uint32_t
first(uint32_t code)
{
	return (code + 1) * 0x85EBCA6Bu;
}

static uint32_t
second(uint32_t code)
{
	return (code + 1) * 0xC2B2AE35u;
}

static uint32_t
third(uint32_t code)
{
	return (code + 1) * 0x27D4EB2Fu;
}

/* The key that model_feature() folds into `hash`. */
static uint32_t
unfolded(uint32_t hash)
{
	return hash ^ hash >> 15 ^ hash >> 30;
}

struct keys {
	uint32_t *list;
	size_t count, most, all;
};

/* Room for the keys of a word, or NULL; counted in any case. */
static uint32_t *
room(struct keys *keys, size_t count)
{
	uint32_t *list = keys->list + keys->count;

	keys->all += count;
	if (keys->most - keys->count < count)
		return NULL;
	keys->count += count;
	return list;
}

static void
latin_add(struct keys *keys, const uint32_t *code, size_t count)
{
	uint32_t *out = room(keys, count > 4 ? 2 : 1), hash = SEED_WORD;
	uint32_t start = first(code[0]) + (count > 1 ? second(code[1]) : 0) +
	                 (count > 2 ? third(code[2]) : 0) + (count > 3 ? (code[3] + 1) * 0x165667B1u : 0);

	if (out == NULL)
		return;
	if (count <= 4) {
		out[0] = SEED(SEED_WORD) + start;
		return;
	}
	for (size_t i = 0; i < count; i++)
		hash = mix(hash, code[i]);
	out[0] = unfolded(hash);
	out[1] = SEED(SEED_PREFIX) + start;
}

/* Pairs and triples of syllables, and once more the pairs at both ends. */
static void
hangul_add(struct keys *keys, const uint32_t *code, size_t count)
{
	uint32_t *out = room(keys, count == 1 ? 1 : 2 * count - 1), pair;

	if (out == NULL)
		return;
	if (count == 1) {
		out[0] = SEED(SEED_PAIR) + first(code[0]);
		return;
	}
	pair = first(code[0]) + second(code[1]);
	*out++ = SEED(SEED_PREFIX) + pair;
	for (size_t i = 2; i < count; i++) {
		*out++ = SEED(SEED_PAIR) + pair;
		*out++ = SEED(SEED_TRIPLE) + pair + third(code[i]);
		pair = first(code[i - 1]) + second(code[i]);
	}
	*out++ = SEED(SEED_PAIR) + pair;
	*out++ = SEED(SEED_SUFFIX) + pair;
}

static void
word_add(struct keys *keys, const struct word_seen *word, enum script script)
{
	if (script == SCRIPT_HANGUL) {
		hangul_add(keys, word->code, word->count);
	} else if (script == SCRIPT_LATIN) {
		latin_add(keys, word->code, word->count);
	} else { /* how long a number is says enough */
		uint32_t *out = room(keys, 1);

		if (out != NULL)
			*out = unfolded(mix(SEED_NUMBER, (uint32_t)(word->count > 4 ? 4 : word->count)));
	}
}

/* Normal text is well-formed but for what decoding let through: the three bytes of Hangul first, the rest by the book. */
static inline size_t
character(const uint8_t *at, const uint8_t *end, uint32_t *code)
{
	size_t size;

	if (*at < 0x80) {
		*code = *at;
		return 1;
	}
	if (*at >= 0xEA && *at <= 0xED && end - at >= 3) {
		*code = (uint32_t)(*at & 15) << 12 | (uint32_t)(at[1] & 63) << 6 | (at[2] & 63u);
		return 3;
	}
	size = utf8_next(slice_of(at, (size_t)(end - at)), code);
	if (size == 0)
		*code = 0;
	return size == 0 ? 1 : size;
}

/* A syllable at `at`, or 0. */
static inline uint32_t
syllable(const uint8_t *at, const uint8_t *end)
{
	uint32_t code;

	if (end - at < 3 || (uint8_t)(*at - 0xEA) > 3)
		return 0;
	code = (uint32_t)(*at & 15) << 12 | (uint32_t)(at[1] & 63) << 6 | (at[2] & 63u);
	return code - 0xAC00 <= 0xD7A3 - 0xAC00 ? code : 0;
}

/* The word that begins at `at`, its first character known; where it ends. A sentence without blanks is a row of words. */
static const uint8_t *
word_read(struct word_seen *word, enum script script, uint32_t code, const uint8_t *at, const uint8_t *end)
{
	size_t count = 0;

	if (script == SCRIPT_HANGUL) {
		do {
			word->code[count++] = code;
			at += 3;
		} while (count < WORD_LIMIT && (code = syllable(at, end)) != 0);
	} else {
		do {
			word->code[count++] = script == SCRIPT_LATIN ? code | 0x20 : code;
			at++;
		} while (count < WORD_LIMIT && at < end && script_of(code = *at) == script);
	}
	word->count = count;
	return at;
}

size_t
model_keys(struct slice text, uint32_t *list, size_t most, size_t *all)
{
	const uint8_t *at = text.data, *end = text.data + text.size;
	struct keys keys = {.list = list, .most = most};
	struct word_seen word, apart;
	enum script apart_script = SCRIPT_NONE;

	apart.count = 0;
	while (at < end) {
		uint32_t code = syllable(at, end);
		size_t size = code != 0 ? 3 : character(at, end, &code);
		enum script script = script_of(code);
		bool single;

		if (script == SCRIPT_NONE) {
			at += size;
			continue;
		}
		at = word_read(&word, script, code, at, end);
		/* "결 정 해": letters set apart are one word again; else every rule about words would miss them. */
		single = word.count == 1 && script != SCRIPT_DIGIT;
		if (apart.count > 0 && (!single || apart_script != script || apart.count == WORD_LIMIT)) {
			word_add(&keys, &apart, apart_script);
			apart.count = 0;
		}
		if (single) {
			apart_script = script;
			apart.code[apart.count++] = word.code[0];
		} else {
			word_add(&keys, &word, script);
		}
	}
	if (apart.count > 0)
		word_add(&keys, &apart, apart_script);
	*all = keys.all;
	return keys.count;
}
