/*
 * identifiers -- from normal text to identifiers of people: structure, checksum, context, confidence.
 *
 * Law section 8. Structure makes a candidate, a checksum and the words around it make it confident. A failed checksum
 * never by itself rejects a resident or alien number: since 2020-10 they are random.
 */
#ifndef HAECHI_POLICY_DETECT_IDENTIFIERS_H
#define HAECHI_POLICY_DETECT_IDENTIFIERS_H

#include "policy/detect/words.h"

struct candidate {
	enum identifier_kind kind;
	uint32_t start, end; /* in the normal text */
	uint16_t confidence; /* thousandths */
};

/* A stretch of digits, perhaps with the same separator between each ("9 0 0 1 0 1"), and what links it to the one before. */
struct digits {
	uint32_t start, end;
	uint32_t count;
	uint8_t stride; /* bytes from one digit to the next */
	char link;      /* 0: none; '-', ' ', '.', '/', ')', ':' */
};

/* One text under examination. The arrays belong to the detector and are kept for the next text. */
struct scene {
	struct slice text;           /* normal */
	const struct word_hit *hits; /* ascending by end */
	size_t hit_count;
	struct digits *digits;
	size_t digit_count, digit_capacity;
	struct candidate *candidates;
	size_t candidate_count, candidate_capacity;
	bool failed; /* memory */
};

/* Fill scene->candidates: ascending, not overlapping. text, hits and hit_count are given. */
MUST_CHECK int identifiers_find(struct scene *scene, struct fault *why);
void scene_free(struct scene *scene);

/* How the words around [start, end) speak of `kind`. */
enum naming {
	NAMING_NONE = 0,
	NAMING_DECOY, /* the word before it names a number that is none */
	NAMING_OTHER, /* the word before it names another kind */
	NAMING_FAR,   /* named some sentences before */
	NAMING_NEAR,  /* named right before or right behind */
};
enum naming naming_of(const struct scene *scene, enum identifier_kind kind, size_t start, size_t end);

/* The first of scene->hits that ends behind `at`. */
size_t hit_after(const struct scene *scene, size_t at);
/* A province's name that ends at `at` or up to `gap` bytes before; NULL: none. */
const struct word_hit *region_before(const struct scene *scene, size_t at, size_t gap);

/* The parts; each adds candidates. */
void scene_add(struct scene *scene, enum identifier_kind kind, size_t start, size_t end, int confidence);
void numbers_find(
    struct scene
        *scene); /* rrn frn business_reg corp_reg phone account card driver_license health_insurance ip */
void tokens_find(struct scene *scene);    /* passport vehicle email, IPv6 */
void addresses_find(struct scene *scene); /* address */

/* Checksums of law section 8 over digits as numbers 0-9. */
bool checksum_rrn(const uint8_t digit[13]);
bool checksum_frn(const uint8_t digit[13]);
bool checksum_crn(const uint8_t digit[13]);
bool checksum_brn(const uint8_t digit[10]);
bool checksum_luhn(const uint8_t *digit, size_t count);

#endif
