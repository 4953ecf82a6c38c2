/*
 * spelling -- which of the known words was perhaps meant, for hints in complaints.
 */
#ifndef HAECHI_POLICY_CEDAR_SPELLING_H
#define HAECHI_POLICY_CEDAR_SPELLING_H

#include "policy/cedar/ast.h"

struct spelling {
	struct slice word;
	struct slice best; /* the nearest of those tried; empty: none is near */
	unsigned distance;
};

struct spelling spelling_of(struct slice word);
void spelling_try(struct spelling *spelling, struct slice known);

/* Both languages of a hint; NULL when there is nothing to say. */
struct spelling_hint {
	const char *ko, *en;
};

/* "did you mean …?" in the arena of the notes, or `otherwise` when nothing is near. */
struct spelling_hint spelling_hint_of(const struct spelling *spelling, struct cedar_notes *notes,
                                      struct spelling_hint otherwise);

#endif
