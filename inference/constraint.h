/*
 * constraint -- keeps an answer to JSON, or to a JSON schema, byte by byte as it is said.
 *
 * A schema is compiled once into nodes; what has been said so far is a state that can be copied, so that a token is
 * tried on a copy. Whatever is let through can be brought to its end: there is no beginning that leads nowhere.
 *
 * Kept to: type (also a list, and nullable), enum, const, properties, required, additionalProperties, items,
 * prefixItems, minItems, maxItems, uniqueItems (of an enum), minLength, maxLength, pattern, format, minimum, maximum,
 * exclusiveMinimum, exclusiveMaximum, multipleOf (of whole numbers, and powers of ten), anyOf, oneOf (where no value
 * fits two alternatives), allOf, $ref within the document. Anything else that would restrict a value is refused, with
 * its name and place. Titles, descriptions and other notes are let pass.
 *
 * Properties come in the order of the schema, as with other makers; where properties are given and
 * additionalProperties is not, only those properties may come.
 */
#ifndef HAECHI_INFERENCE_CONSTRAINT_H
#define HAECHI_INFERENCE_CONSTRAINT_H

#include "schema/base/json.h"

#define CONSTRAINT_DEPTH   40
#define CONSTRAINT_THREADS 128

struct constraint;

/* One value under way. */
struct constraint_frame {
	uint32_t node;
	uint8_t phase;
	uint8_t detail; /* of a text: character or escape under way; of a number: digits behind the point */
	bool negative;  /* number */
	uint32_t count; /* elements; characters; bytes of a literal or name; digits of a number */
	uint32_t
	    low; /* literals still possible: from low ... ; of an object: the property whose name fits so far */
	uint32_t high;   /* ... to before high; of an object: the next property that may come */
	uint32_t state;  /* of the pattern */
	uint64_t number; /* its digits; of an array: elements used; of a text: the character under way */
};

/* One way to read what was said: with alternatives there may be several at a time. */
struct constraint_thread {
	uint32_t depth;  /* frames in use; 0: the value is complete */
	uint32_t spaces; /* in a row: one at most, and none at the beginning */
	struct constraint_frame frames[CONSTRAINT_DEPTH];
};

struct constraint_state {
	const struct constraint *constraint;
	uint32_t count; /* threads in use; 0 once something was said that may not be */
	uint64_t work;  /* how much feeding has cost, for whoever wants to bound it; not copied */
	struct constraint_thread threads[CONSTRAINT_THREADS];
};

/* Any JSON object when `schema` is NULL. *out is the caller's, to constraint_free(). */
MUST_CHECK int constraint_compile(struct constraint **out, const json_t *schema, struct fault *why);
/* One more holder: constraint_free() once more. From any thread. */
struct constraint *constraint_hold(struct constraint *constraint);
void constraint_free(struct constraint *constraint); /* NULL is fine */

void constraint_begin(struct constraint_state *state, const struct constraint *constraint);
/* A state is large, what is used of it is not. */
void constraint_copy(struct constraint_state *to, const struct constraint_state *from);
/* false: these bytes may not come now, and *state is as good as lost. */
bool constraint_feed(struct constraint_state *state, struct slice bytes);
/* How many characters may come next, whichever they are but for quotes, backslashes and control characters. */
size_t constraint_plain(const struct constraint_state *state);
/* Nothing more is needed. */
bool constraint_complete(const struct constraint_state *state);
/* Nothing more may come. */
bool constraint_ended(const struct constraint_state *state);

#endif
