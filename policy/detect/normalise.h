/*
 * normalise -- one spelling for texts that look alike, with the way back to the original bytes.
 *
 * Full-width, mathematical, circled and foreign digits become ASCII digits; letters that only look Latin become
 * Latin; dashes and spaces become one dash and one space; jamo, conjoining or split, become syllables; invisible
 * characters, bidi controls, combining strokes and malformed bytes vanish. Everything else is NFKC. Plain Korean and
 * English pass unchanged and cost little more than a copy.
 */
#ifndef HAECHI_POLICY_DETECT_NORMALISE_H
#define HAECHI_POLICY_DETECT_NORMALISE_H

#include "schema/base/bytes.h"

#define NORMAL_SIZE_LIMIT ((size_t)1 << 20) /* bytes of one original text */

/* Where a stretch of the normal text comes from; it ends where the next one begins. */
struct normal_run {
	uint32_t normal;   /* first byte in the normal text */
	uint32_t original; /* first byte in the original */
	uint32_t size;     /* of the original; 0: byte by byte the same */
};

/* Zeroed is ready for use; kept for the next text, freed by normal_free(). */
struct normal {
	uint8_t *text;
	size_t size, capacity;
	struct normal_run *runs;
	size_t run_count, run_capacity;
	size_t original_size;
	bool changed; /* anything but a plain copy */
};

MUST_CHECK int normal_make(struct normal *normal, struct slice text, struct fault *why);
void normal_free(struct normal *normal);
/* The original bytes that the normal bytes [start, end) came from: [*original_start, *original_end). */
void normal_locate(const struct normal *normal, size_t start, size_t end, size_t *original_start,
                   size_t *original_end);

#endif
