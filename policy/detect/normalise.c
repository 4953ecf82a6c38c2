#include "policy/detect/lanes.h"
#include "policy/detect/normalise.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* clang-format off */
/* The zeros of decimal digits that NFKC leaves as they are (Unicode 14, category Nd). */
static const uint32_t zeros[] = {
	0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
	0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
	0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0,
	0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60,
	0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E950,
};

/* Greek and Cyrillic letters drawn like Latin ones (a choice from Unicode's confusables). */
static const struct { uint16_t code; char latin; } lookalikes[] = {
	{ 0x0391, 'A' }, { 0x0392, 'B' }, { 0x0395, 'E' }, { 0x0396, 'Z' }, { 0x0397, 'H' }, { 0x0399, 'I' }, { 0x039A, 'K' },
	{ 0x039C, 'M' }, { 0x039D, 'N' }, { 0x039F, 'O' }, { 0x03A1, 'P' }, { 0x03A4, 'T' }, { 0x03A5, 'Y' }, { 0x03A7, 'X' },
	{ 0x03B1, 'a' }, { 0x03B9, 'i' }, { 0x03BD, 'v' }, { 0x03BF, 'o' }, { 0x03C1, 'p' }, { 0x03C5, 'u' }, { 0x0405, 'S' },
	{ 0x0406, 'I' }, { 0x0408, 'J' }, { 0x0410, 'A' }, { 0x0412, 'B' }, { 0x0415, 'E' }, { 0x041A, 'K' }, { 0x041C, 'M' },
	{ 0x041D, 'H' }, { 0x041E, 'O' }, { 0x0420, 'P' }, { 0x0421, 'C' }, { 0x0422, 'T' }, { 0x0423, 'Y' }, { 0x0425, 'X' },
	{ 0x0430, 'a' }, { 0x0435, 'e' }, { 0x043E, 'o' }, { 0x0440, 'p' }, { 0x0441, 'c' }, { 0x0443, 'y' }, { 0x0445, 'x' },
	{ 0x0455, 's' }, { 0x0456, 'i' }, { 0x0458, 'j' }, { 0x04BB, 'h' }, { 0x0501, 'd' }, { 0x051B, 'q' }, { 0x051D, 'w' },
};

/* Compatibility jamo U+3131-314E: index as a leading and as a trailing consonant, -1 none. */
static const int lead_of[30] = {
	0, 1, -1, 2, -1, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, 6, 7, 8, -1, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
};
static const int trail_of[30] = {
	1, 2, 3, 4, 5, 6, 7, -1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, -1, 18, 19, 20, 21, 22, -1, 23, 24, 25, 26, 27,
};
/* Two vowels, two trailing consonants typed one after the other. */
static const int8_t vowel_pairs[][3] = {
	{ 8, 0, 9 }, { 8, 1, 10 }, { 8, 20, 11 }, { 13, 4, 14 }, { 13, 5, 15 }, { 13, 20, 16 }, { 18, 20, 19 },
};
static const int8_t trail_pairs[][3] = {
	{ 1, 19, 3 }, { 4, 22, 5 }, { 4, 27, 6 }, { 8, 1, 9 }, { 8, 16, 10 }, { 8, 17, 11 }, { 8, 19, 12 }, { 8, 25, 13 },
	{ 8, 26, 14 }, { 8, 27, 15 }, { 17, 19, 18 },
};
/* clang-format on */

/* ---- the text under way ------------------------------------------------------------------------------------------ */

static int
reserve(struct normal *normal, size_t more)
{
	size_t capacity = normal->capacity < 4096 ? 4096 : normal->capacity;
	uint8_t *text;

	if (normal->size + more <= normal->capacity)
		return 0;
	while (capacity < normal->size + more)
		capacity *= 2;
	if ((text = realloc(normal->text, capacity)) == NULL)
		return -1;
	normal->text = text;
	normal->capacity = capacity;
	return 0;
}

static int
run_add(struct normal *normal, size_t original, size_t size)
{
	if (normal->run_count == normal->run_capacity) {
		size_t capacity = normal->run_capacity == 0 ? 64 : normal->run_capacity * 2;
		struct normal_run *runs = realloc(normal->runs, capacity * sizeof *runs);

		if (runs == NULL)
			return -1;
		normal->runs = runs;
		normal->run_capacity = capacity;
	}
	normal->runs[normal->run_count++] =
	    (struct normal_run){(uint32_t)normal->size, (uint32_t)original, (uint32_t)size};
	return 0;
}

/* Bytes that stay as they are: they lengthen the run before, or begin one behind a gap. */
static int
put_same(struct normal *normal, struct slice text, size_t at, size_t size)
{
	const struct normal_run *last = normal->run_count > 0 ? &normal->runs[normal->run_count - 1] : NULL;

	if (size == 0)
		return 0;
	if ((last == NULL || last->size != 0 || last->original + (normal->size - last->normal) != at) &&
	    run_add(normal, at, 0) == -1)
		return -1;
	if (reserve(normal, size) == -1)
		return -1;
	memcpy(normal->text + normal->size, text.data + at, size);
	normal->size += size;
	return 0;
}

/* Something else for the original bytes [at, at + size). */
static int
put_other(struct normal *normal, size_t at, size_t size, const uint8_t *bytes, size_t count)
{
	normal->changed = true;
	if (count == 0)
		return 0;
	if (run_add(normal, at, size) == -1 || reserve(normal, count) == -1)
		return -1;
	memcpy(normal->text + normal->size, bytes, count);
	normal->size += count;
	return 0;
}

/* ---- jamo -------------------------------------------------------------------------------------------------------- */

struct jamo {
	int lead, vowel, trail; /* -1: cannot stand there */
	size_t size;            /* 0: no jamo */
};

static struct jamo
jamo_at(struct slice text, size_t at)
{
	struct jamo jamo = {-1, -1, -1, 0};
	uint32_t code;
	size_t size;

	if (at >= text.size || text.data[at] < 0xE1)
		return jamo;
	size = utf8_next(slice_of(text.data + at, text.size - at), &code);
	if (code >= 0xFFA1 && code <= 0xFFBE) /* half-width consonants lie as the full ones do */
		code = code - 0xFFA1 + 0x3131;
	if (size == 0)
		return jamo;
	if (code >= 0x3131 && code <= 0x314E) {
		jamo.lead = lead_of[code - 0x3131];
		jamo.trail = trail_of[code - 0x3131];
	} else if (code >= 0x314F && code <= 0x3163) {
		jamo.vowel = (int)(code - 0x314F);
	} else if (code >= 0x1100 && code <= 0x1112) {
		jamo.lead = (int)(code - 0x1100);
	} else if (code >= 0x1161 && code <= 0x1175) {
		jamo.vowel = (int)(code - 0x1161);
	} else if (code >= 0x11A8 && code <= 0x11C2) {
		jamo.trail = (int)(code - 0x11A7);
	} else {
		return jamo;
	}
	jamo.size = size;
	return jamo;
}

static int
pair(const int8_t (*pairs)[3], size_t count, int first, int second)
{
	for (size_t i = 0; i < count; i++) {
		if (pairs[i][0] == first && pairs[i][1] == second)
			return pairs[i][2];
	}
	return -1;
}

/* A syllable out of jamo at `at`: its code, and how many bytes it takes. 0: a jamo that stands alone. */
static uint32_t
syllable_at(struct slice text, size_t at, size_t *size)
{
	struct jamo lead = jamo_at(text, at), vowel, next;
	int v, t = 0, both;

	if (lead.lead < 0)
		return 0;
	vowel = jamo_at(text, at + lead.size);
	if (vowel.vowel < 0)
		return 0;
	v = vowel.vowel;
	*size = lead.size + vowel.size;
	next = jamo_at(text, at + *size);
	if (next.vowel >= 0 && (both = pair(vowel_pairs, sizeof vowel_pairs / 3, v, next.vowel)) >= 0) {
		v = both;
		*size += next.size;
		next = jamo_at(text, at + *size);
	}
	/* A consonant closes this syllable unless a vowel behind it makes it the head of the next one. */
	if (next.trail > 0 && (next.lead < 0 || jamo_at(text, at + *size + next.size).vowel < 0)) {
		t = next.trail;
		*size += next.size;
		next = jamo_at(text, at + *size);
		if (next.trail > 0 && (next.lead < 0 || jamo_at(text, at + *size + next.size).vowel < 0) &&
		    (both = pair(trail_pairs, sizeof trail_pairs / 3, t, next.trail)) >= 0) {
			t = both;
			*size += next.size;
		}
	}
	return 0xAC00 + (uint32_t)((lead.lead * 21 + v) * 28 + t);
}

/* ---- characters -------------------------------------------------------------------------------------------------- */

static bool
vanishes(uint32_t code)
{
	return code == 0xAD || code == 0x34F || code == 0x61C || code == 0x115F || code == 0x1160 ||
	       code == 0x3164 || code == 0xFFA0 || code == 0xFEFF || (code >= 0x300 && code <= 0x36F) ||
	       (code >= 0x180B && code <= 0x180F) || (code >= 0x1AB0 && code <= 0x1AFF) ||
	       (code >= 0x1DC0 && code <= 0x1DFF) || (code >= 0x200B && code <= 0x200F) ||
	       (code >= 0x202A && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
	       (code >= 0x20D0 && code <= 0x20FF) || (code >= 0xFE00 && code <= 0xFE0F) ||
	       (code >= 0xFE20 && code <= 0xFE2F) || (code >= 0xFFF9 && code <= 0xFFFC) ||
	       (code >= 0xE0000 && code <= 0xE0FFF);
}

static bool
is_dash(uint32_t code)
{
	return (code >= 0x2010 && code <= 0x2015) || code == 0x2043 || code == 0x2212 || code == 0x2500 ||
	       code == 0x2501 || code == 0x30FC || code == 0xFE58 || code == 0xFE63 || code == 0xFF0D ||
	       code == 0xFF70 || code == 0x1173E || code == 0x2796;
}

/* One character spelt anew; the count of bytes in out, or -1: as it is. */
static int
respell(uint32_t code, uint8_t out[64])
{
	utf8proc_int32_t decomposed[16];
	utf8proc_ssize_t count;
	int boundary = 0;
	size_t size = 0, low = 0, high = sizeof zeros / sizeof *zeros;

	if (vanishes(code))
		return 0;
	if (is_dash(code)) {
		out[0] = '-';
		return 1;
	}
	while (low < high) { /* the last zero at or below */
		size_t middle = (low + high) / 2;

		if (zeros[middle] <= code)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0 && code - zeros[low - 1] < 10) {
		out[0] = (uint8_t)('0' + code - zeros[low - 1]);
		return 1;
	}
	for (size_t i = 0; code >= 0x391 && code <= 0x51D && i < sizeof lookalikes / sizeof *lookalikes;
	     i++) {
		if (lookalikes[i].code == code) {
			out[0] = (uint8_t)lookalikes[i].latin;
			return 1;
		}
	}
	if (code == 0x2028 || code == 0x2029 || code == 0x85) {
		out[0] = '\n';
		return 1;
	}
	/* Only what compatibility changes is spelt anew: a letter with a mark stays one character. */
	if (utf8proc_get_property((utf8proc_int32_t)code)->decomp_type == 0)
		return -1;
	count = utf8proc_decompose_char((utf8proc_int32_t)code, decomposed, 16,
	                                UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
	if (count < 1 || count > 16)
		return -1;
	for (utf8proc_ssize_t i = 0; i < count && size + 4 <= 64; i++) {
		uint32_t one = (uint32_t)decomposed[i];

		if (!vanishes(one))
			size += utf8_put(out + size, is_dash(one) ? '-' : one);
	}
	return (int)size;
}

#define PLAIN_BLOCK 64 /* bytes looked at one by one before many are tried again */

/* Bytes of the one character at p that is plain; 0: it is not. */
static size_t
plain_character(const uint8_t *p, const uint8_t *end)
{
	unsigned code;

	if (*p < 0x80)
		return *p >= 0x20 || *p == '\n' || *p == '\t' || *p == '\r';
	if (*p < 0xE4 || *p > 0xED || end - p < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
		return 0;
	code = (unsigned)(p[0] & 15) << 12 | (unsigned)(p[1] & 63) << 6 | (p[2] & 63u);
	return (code >= 0x4E00 && code < 0xA000) || (code >= 0xAC00 && code <= 0xD7A3) ? 3 : 0;
}

/* Bytes from `at` that are plain: ASCII but controls, Hangul syllables, common Han, and what needs no thought. */
static size_t
plain_bytes(const struct lanes *lanes, struct slice text, size_t at)
{
	const uint8_t *p = text.data + at, *end = text.data + text.size;
	size_t size;

	do {
		const uint8_t *block = p += lanes->plain(p, (size_t)(end - p));

		do
			p += size = p < end ? plain_character(p, end) : 0;
		while (size != 0 && p - block < PLAIN_BLOCK);
	} while (size != 0);
	return (size_t)(p - (text.data + at));
}

int
normal_make(struct normal *normal, struct slice text, struct fault *why)
{
	const struct lanes *lanes = lanes_choose();
	size_t at = 0;

	normal->size = normal->run_count = 0;
	normal->changed = false;
	normal->original_size = text.size;
	if (text.size > NORMAL_SIZE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "한 글은 %zu바이트까지 살핍니다",
		                 "one text may have %zu bytes", NORMAL_SIZE_LIMIT);
	while (at < text.size) {
		uint8_t out[64];
		uint32_t code = 0;
		size_t size = plain_bytes(lanes, text, at);
		int count;

		if (put_same(normal, text, at, size) == -1)
			return fault_memory(why);
		if ((at += size) >= text.size)
			break;
		if ((size = utf8_next(slice_of(text.data + at, text.size - at), &code)) == 0) {
			normal->changed = true; /* malformed: the byte vanishes */
			at++;
			continue;
		}
		if (code < 0x20) { /* a control ends a line of thought, but must not split a number */
			normal->changed = true;
			at += size;
			continue;
		}
		if (jamo_at(text, at).size != 0) {
			size_t taken = 0;
			uint32_t syllable = syllable_at(text, at, &taken);

			if (syllable != 0) {
				count = (int)utf8_put(out, syllable);
				size = taken;
			} else {
				count = -1;
			}
		} else {
			count = respell(code, out);
		}
		if ((count < 0 ? put_same(normal, text, at, size)
		               : put_other(normal, at, size, out, (size_t)count)) == -1)
			return fault_memory(why);
		at += size;
	}
	if (reserve(normal, 1) == -1)
		return fault_memory(why);
	normal->text[normal->size] = '\0'; /* a guard for look-ahead, not counted */
	return 0;
}

void
normal_free(struct normal *normal)
{
	free(normal->text);
	free(normal->runs);
	memset(normal, 0, sizeof *normal);
}

static const struct normal_run *
run_of(const struct normal *normal, size_t at)
{
	size_t low = 0, high = normal->run_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (normal->runs[middle].normal <= at)
			low = middle;
		else
			high = middle;
	}
	return &normal->runs[low];
}

void
normal_locate(const struct normal *normal, size_t start, size_t end, size_t *original_start,
              size_t *original_end)
{
	const struct normal_run *run;

	if (normal->run_count == 0 || start >= end || end > normal->size) {
		*original_start = *original_end = 0;
		return;
	}
	run = run_of(normal, start);
	*original_start = run->size != 0 ? run->original : run->original + (start - run->normal);
	run = run_of(normal, end - 1);
	*original_end =
	    run->size != 0 ? (size_t)run->original + run->size : run->original + (end - run->normal);
}
