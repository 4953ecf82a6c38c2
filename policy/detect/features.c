/* From normal text to the keys of its features. What training sees is what runs: both come here. */
#include "policy/detect/model.h"

enum script { SCRIPT_NONE, SCRIPT_HANGUL, SCRIPT_LATIN, SCRIPT_DIGIT };

#define WORD_LIMIT 24 /* characters of a word; what is longer is several */

enum { SEED_PREFIX = 1, SEED_PAIR, SEED_TRIPLE, SEED_SUFFIX, SEED_WORD, SEED_NUMBER };
#define SEED(seed) ((seed)*0x2545F491u)

#define HANGUL_KEYS (2 * WORD_LIMIT) /* of one word at most */
#define WHOLE_LEAST 3                /* syllables; longer words are a feature of their own too */

struct word_seen {
	uint32_t code[WORD_LIMIT];
	size_t count;
};

static enum script
script_of(uint32_t code)
{
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

/* One more character of a whole word. */
static uint32_t
hashed(uint32_t hash, uint32_t code)
{
	return (hash ^ code) * 0x9E3779B1u;
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
	                 (count > 2 ? third(code[2]) : 0) +
	                 (count > WHOLE_LEAST ? (code[3] + 1) * 0x165667B1u : 0);

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

/* Pairs and triples of syllables, once more the pairs at both ends, and what is longer whole. */
static void
hangul_add(struct keys *keys, const uint32_t *code, size_t count)
{
	uint32_t *out = room(keys, count == 1 ? 1 : 2 * count - 1 + (count > WHOLE_LEAST)), pair,
	         whole = SEED(SEED_WORD);

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
	if (count > WHOLE_LEAST) {
		for (size_t i = 0; i < count; i++)
			whole = hashed(whole, code[i]);
		*out++ = whole;
	}
}

/* How long a number is says enough. */
static void
digits_add(struct keys *keys, size_t count)
{
	uint32_t *out = room(keys, 1);

	if (out != NULL)
		*out = unfolded(mix(SEED_NUMBER, (uint32_t)(count > 4 ? 4 : count)));
}

/* The three bytes of a syllable at `at` as a number, or 0: in well-formed text their order is that of the syllables. */
static inline uint32_t
syllable(const uint8_t *at, const uint8_t *end)
{
	uint32_t code;

	if (end - at < 3)
		return 0;
	code = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
	return code - 0xEAB080 <= 0xED9EA3 - 0xEAB080 ? code : 0;
}

/* A word of Latin letters or digits that begins at `at`; where it ends. */
static const uint8_t *
word_read(struct word_seen *word, enum script script, const uint8_t *at, const uint8_t *end)
{
	size_t count = 0;

	do
		word->code[count++] = script == SCRIPT_LATIN ? *at++ | 0x20u : *at++;
	while (count < WORD_LIMIT && at < end && script_of(*at) == script);
	word->count = count;
	return at;
}

/*
 * The keys of a Hangul word whose first two syllables are known, as hangul_add() would add them, while it is read; `at` is
 * behind these two. A sentence without blanks is a row of words.
 */
static const uint8_t *
hangul_read(struct keys *keys, uint32_t code, uint32_t next, const uint8_t *at, const uint8_t *end)
{
	uint32_t pair = first(code) + second(next), whole = hashed(hashed(SEED(SEED_WORD), code), next),
	         scratch[HANGUL_KEYS],
	         *list = keys->most - keys->count < HANGUL_KEYS ? scratch : keys->list + keys->count,
	         *out = list;
	size_t count = 2;

	*out++ = SEED(SEED_PREFIX) + pair;
	for (; count < WORD_LIMIT && (code = syllable(at, end)) != 0; count++, at += 3) {
		*out++ = SEED(SEED_PAIR) + pair;
		*out++ = SEED(SEED_TRIPLE) + pair + third(code);
		pair = first(next) + second(code);
		whole = hashed(whole, code);
		next = code;
	}
	*out++ = SEED(SEED_PAIR) + pair;
	*out++ = SEED(SEED_SUFFIX) + pair;
	if (count > WHOLE_LEAST)
		*out++ = whole;
	keys->all += (size_t)(out - list);
	if (list != scratch)
		keys->count += (size_t)(out - list);
	return at;
}

/* Letters that were set apart are one word again; else every rule about words would miss them. */
struct apart {
	struct word_seen word;
	enum script script;
};

static void
apart_end(struct keys *keys, struct apart *apart)
{
	if (apart->word.count == 0)
		return;
	if (apart->script == SCRIPT_HANGUL)
		hangul_add(keys, apart->word.code, apart->word.count);
	else
		latin_add(keys, apart->word.code, apart->word.count);
	apart->word.count = 0;
}

static void
apart_add(struct keys *keys, struct apart *apart, enum script script, uint32_t code)
{
	if (apart->script != script || apart->word.count == WORD_LIMIT)
		apart_end(keys, apart);
	apart->script = script;
	apart->word.code[apart->word.count++] = code;
}

size_t
model_keys(struct slice text, uint32_t *list, size_t most, size_t *all)
{
	const uint8_t *at = text.data, *end = text.data + text.size;
	struct keys keys = {.list = list, .most = most};
	struct word_seen word;
	struct apart apart;

	apart.word.count = 0;
	apart.script = SCRIPT_NONE;
	while (at < end) {
		uint32_t code = syllable(at, end), next;
		enum script script;

		if (code != 0) {
			if ((next = syllable(at += 3, end)) == 0) {
				apart_add(&keys, &apart, SCRIPT_HANGUL, code);
				continue;
			}
			apart_end(&keys, &apart);
			at = hangul_read(&keys, code, next, at + 3, end);
		} else if (
		    *at >=
		    0x80) { /* no letter we know; normal text is well-formed but for what decoding let through */
			size_t size = utf8_next(slice_of(at, (size_t)(end - at)), &code);

			at += size == 0 ? 1 : size;
		} else if ((script = script_of(*at)) == SCRIPT_NONE) {
			at++;
		} else {
			at = word_read(&word, script, at, end);
			if (script == SCRIPT_LATIN && word.count == 1) {
				apart_add(&keys, &apart, script, word.code[0]);
				continue;
			}
			apart_end(&keys, &apart);
			if (script == SCRIPT_LATIN)
				latin_add(&keys, word.code, word.count);
			else
				digits_add(&keys, word.count);
		}
	}
	apart_end(&keys, &apart);
	*all = keys.all;
	return keys.count;
}
