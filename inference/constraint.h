/*
 * constraint -- keeps an answer to JSON, or to a JSON schema, byte by byte as it is said.
 *
 * A schema is compiled once into nodes; what has been said so far is a small state that can be copied, so that a token
 * is tried on a copy. Supported: type (also a list), properties, required, additionalProperties, items, minItems,
 * maxItems, enum, const, anyOf / oneOf whose alternatives begin differently, $ref into $defs or definitions. Anything
 * else that would restrict a value is refused by name. Titles and descriptions are let pass.
 * Where properties are given and additionalProperties is not, only those properties may come.
 */
#ifndef HAECHI_INFERENCE_CONSTRAINT_H
#define HAECHI_INFERENCE_CONSTRAINT_H

#include "schema/base/json.h"

#define CONSTRAINT_DEPTH 32

struct constraint;

struct constraint_state {
	const struct constraint *constraint;
	unsigned depth;  /* frames in use; 0: the value is complete */
	unsigned spaces; /* in a row: one at most, and none at the beginning */
	struct constraint_frame {
		uint32_t node;
		uint8_t phase;
		uint8_t detail; /* of a string: UTF-8 or escape under way; of a number: its digits */
		bool object;    /* of a container */
		uint16_t count; /* elements so far; bytes of a literal */
		uint64_t mask;  /* properties seen; literals still possible */
		uint64_t names; /* properties whose name fits so far */
	} frames[CONSTRAINT_DEPTH];
};

/* Any JSON object when `schema` is NULL. *out is the caller's, to constraint_free(). */
MUST_CHECK int constraint_compile(struct constraint **out, const json_t *schema, struct fault *why);
void constraint_free(struct constraint *constraint); /* NULL is fine */

void constraint_begin(struct constraint_state *state, const struct constraint *constraint);
/* false: these bytes may not come now, and *state is as good as lost. */
bool constraint_feed(struct constraint_state *state, struct slice bytes);
/* Nothing more is needed. */
bool constraint_complete(const struct constraint_state *state);

#endif
