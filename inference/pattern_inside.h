/*
 * pattern_inside -- what reader (pattern.c), automaton (pattern_automaton.c) and states (pattern_states.c) share.
 */
#ifndef HAECHI_INFERENCE_PATTERN_INSIDE_H
#define HAECHI_INFERENCE_PATTERN_INSIDE_H

#include "inference/pattern.h"

#define TREE_LIMIT    4096
#define RANGES_LIMIT  32768
#define REPEATS_LIMIT 1000 /* of {m,n} */

enum tree_kind { TREE_EMPTY, TREE_SET, TREE_BOTH, TREE_EITHER, TREE_REPEAT, TREE_BEGIN, TREE_END };

struct range {
	uint32_t first, last;
};

struct tree {
	enum tree_kind kind;
	uint32_t left, right; /* BOTH, EITHER; REPEAT: left */
	uint32_t least, most; /* REPEAT; UINT32_MAX: no end */
	uint32_t from, count; /* SET: of the ranges; sorted, apart */
};

struct expression {
	struct tree *trees;
	struct range *ranges;
	uint32_t tree_count, range_count, root;
	uint32_t properties; /* \p{…} that the whole of Unicode was looked through for */
};

/* expression_free() also after -1. */
MUST_CHECK int expression_read(struct expression *out, struct slice text, struct fault *why);
void expression_free(struct expression *expression);
/* pattern_ranges.c. A range behind all others; those from `from` on sorted, joined, within the alphabet, or not in it. */
MUST_CHECK int expression_range(struct expression *expression, uint32_t first, uint32_t last,
                                struct fault *why);
MUST_CHECK int expression_settle(struct expression *expression, uint32_t from, bool opposite,
                                 struct fault *why);

struct edge {
	uint32_t first, last, to;
};

struct pattern {
	uint32_t count;
	uint32_t *begins; /* count + 1: where a state's edges begin */
	struct edge *edges;
	bool *accepts;
};

/* pattern_states.c. The edge behind those of `state`, which is the last one so far. */
MUST_CHECK int pattern_new(struct pattern **out, uint32_t states, struct fault *why);
MUST_CHECK int pattern_edge(struct pattern *pattern, size_t *capacity, uint32_t state, struct edge edge,
                            struct fault *why);
/* Only states that are reached and from which an end is reached; state 0 stays 0. */
MUST_CHECK int pattern_prune(struct pattern *pattern, struct fault *why);
/* What fits both, and what has the length, instead of *at. */
MUST_CHECK int pattern_intersect(struct pattern **at, const struct pattern *other, struct fault *why);
MUST_CHECK int pattern_lengthen(struct pattern **at, size_t least, size_t most, struct fault *why);
int pattern_too_large(struct fault *why);

#endif
