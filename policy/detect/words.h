/*
 * words -- every literal that detection listens for, found in one pass of one vectorscan database.
 *
 * The door to hs.h. The database is compiled once for the process, each detector has its own scratch.
 */
#ifndef HAECHI_POLICY_DETECT_WORDS_H
#define HAECHI_POLICY_DETECT_WORDS_H

#include "schema/finding.h"
#include "schema/base/bytes.h"

enum word_class {
	WORD_KIND,   /* names an identifier: `kind` */
	WORD_DECOY,  /* names a number that is none: order, tracking, ISBN, version */
	WORD_REGION, /* a province or metropolitan city: an address may begin here */
	WORD_DOMAIN, /* speaks of `domain` */
};

struct word {
	const char *text; /* as normalised, lower case */
	enum word_class class;
	enum identifier_kind kind;
	enum domain domain;
	uint16_t weight;  /* of signals, in thousandths */
	const char *rule; /* id for evidence; NULL for contexts of identifiers */
};

struct word_hit {
	uint32_t start, end; /* in the normal text */
	const struct word *word;
};

struct words; /* one thread's */

MUST_CHECK int words_open(struct words **out, struct fault *why);
void words_close(struct words *words); /* NULL is fine */
/* All hits by end; *hits is the words' own and holds until the next call. */
MUST_CHECK int words_find(struct words *words, struct slice text, const struct word_hit **hits, size_t *count,
                          struct fault *why);
/* The bare pass of the same database, for measuring; the number of matches. */
size_t words_count(struct words *words, struct slice text);

/* The tables, each ended by a NULL text. */
extern const struct word words_identifiers[];
extern const struct word words_signals[];

#endif
