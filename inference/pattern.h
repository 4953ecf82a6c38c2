/*
 * pattern -- a regular expression of a JSON schema as an automaton that follows a text character by character.
 *
 * The dialect is ECMA-262's with Unicode, as far as it is regular: sets, \d \w \s, groups, alternatives, repetitions,
 * ^ and $, \u and \x; \p{L} \p{Script=Hangul} and their like. Look-ahead, \b and back references are refused by name.
 * From every state the end can be reached, within the length asked for: who follows transitions never gets stuck.
 * Characters that JSON writes only as \u00XX, and surrogates, are not in the alphabet.
 */
#ifndef HAECHI_INFERENCE_PATTERN_H
#define HAECHI_INFERENCE_PATTERN_H

#include "schema/base/bytes.h"
#include "schema/base/fault.h"

#define PATTERN_NONE UINT32_MAX

struct pattern; /* pattern_automaton.c */

/*
 * Texts of `least` to `most` characters (SIZE_MAX: any number) in which every one of the expressions is found. *out is the caller's,
 * to pattern_free(). *work is what compiling may cost, and what is left of it; some 2^27 a second. FAULT_UNSUPPORTED names what is not supported, FAULT_INVALID what is malformed, FAULT_TOO_LARGE an
 * automaton beyond our limits; a pattern that no text fits is FAULT_INVALID.
 */
MUST_CHECK int pattern_compile(struct pattern **out, const struct slice *expressions, size_t count,
                               size_t least, size_t most, uint64_t *work, struct fault *why);
void pattern_free(struct pattern *pattern); /* NULL is fine */

/* States: the first is 0. The state behind a character, or PATTERN_NONE. */
uint32_t pattern_step(const struct pattern *pattern, uint32_t state, uint32_t character);
/* Some character of first..last may come. */
bool pattern_open(const struct pattern *pattern, uint32_t state, uint32_t first, uint32_t last);
/* The text may end here. */
bool pattern_accepts(const struct pattern *pattern, uint32_t state);
/* The whole text fits. */
bool pattern_matches(const struct pattern *pattern, struct slice text);

#endif
