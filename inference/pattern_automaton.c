/* From the tree of an expression to states: Thompson's, then subsets, then lengths; what leads nowhere is cut away. */
#include <stdlib.h>
#include <string.h>

#include "inference/pattern_inside.h"

#define PLACES_LIMIT  8192
#define CLASSES_LIMIT 4096
#define STATES_LIMIT  4096
#define PATTERN_COST  65536 /* of any, however small */

/* ---- places: where one may be in the expression ------------------------------------------------------------------- */

enum place_kind { PLACE_SET, PLACE_SPLIT, PLACE_BEGIN, PLACE_END, PLACE_MATCH };

struct place {
	enum place_kind kind;
	uint32_t set; /* a tree */
	uint32_t next, other;
};

struct building {
	struct expression expression;
	struct place *places;
	uint32_t place_count;
	uint32_t *cuts; /* where classes of characters begin: all of a class are treated alike */
	uint32_t class_count;
	uint64_t *members; /* bits: tree by class */
	size_t words, class_words;
	uint64_t *states; /* bits of places, a state behind the other */
	uint32_t state_count;
	uint32_t *buckets, *stack;
	uint64_t work, most_work;
	struct fault *why;
};

static int
place_new(struct building *building, enum place_kind kind, uint32_t set, uint32_t next, uint32_t other,
          uint32_t *out)
{
	if (building->place_count == PLACES_LIMIT)
		return pattern_too_large(building->why);
	*out = building->place_count++;
	building->places[*out] = (struct place){kind, set, next, other};
	return 0;
}

/* The place from which `tree` leads to `next`. */
static int
place_tree(struct building *building, uint32_t tree, uint32_t next, uint32_t *out)
{
	const struct tree *at = &building->expression.trees[tree];
	uint32_t inner, end = next, loop = next;

	switch (at->kind) {
	case TREE_SET:
		return place_new(building, PLACE_SET, tree, next, 0, out);
	case TREE_BEGIN:
		return place_new(building, PLACE_BEGIN, 0, next, 0, out);
	case TREE_END:
		return place_new(building, PLACE_END, 0, next, 0, out);
	case TREE_BOTH:
		return place_tree(building, at->right, next, &inner) == -1
		           ? -1
		           : place_tree(building, at->left, inner, out);
	case TREE_EITHER:
		return place_tree(building, at->left, next, &inner) == -1 ||
		               place_tree(building, at->right, next, &end) == -1
		           ? -1
		           : place_new(building, PLACE_SPLIT, 0, inner, end, out);
	case TREE_REPEAT:
		*out = next;
		if (at->most == UINT32_MAX) {
			if (place_new(building, PLACE_SPLIT, 0, next, next, &loop) == -1 ||
			    place_tree(building, at->left, loop, &inner) == -1)
				return -1;
			building->places[loop].next = inner;
			*out = loop;
		} else {
			for (uint32_t i = at->least; i < at->most; i++)
				if (place_tree(building, at->left, *out, &inner) == -1 ||
				    place_new(building, PLACE_SPLIT, 0, inner, next, out) == -1)
					return -1;
		}
		for (uint32_t i = 0; i < at->least; i++)
			if (place_tree(building, at->left, *out, out) == -1)
				return -1;
		return 0;
	default:
		*out = next;
		return 0;
	}
}

/* ---- classes of characters ---------------------------------------------------------------------------------------- */

static int
by_value(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return one < other ? -1 : one > other;
}

static int
make_classes(struct building *building)
{
	const struct expression *expression = &building->expression;
	size_t count = 0, kept = 0;

	building->cuts = calloc((size_t)expression->range_count * 2 + 1, sizeof *building->cuts);
	if (building->cuts == NULL)
		return fault_memory(building->why);
	for (uint32_t i = 0; i < expression->range_count; i++) {
		building->cuts[count++] = expression->ranges[i].first;
		building->cuts[count++] = expression->ranges[i].last + 1;
	}
	qsort(building->cuts, count, sizeof *building->cuts, by_value);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || building->cuts[i] != building->cuts[kept - 1])
			building->cuts[kept++] = building->cuts[i];
	if (kept > CLASSES_LIMIT)
		return pattern_too_large(building->why);
	building->class_count =
	    (uint32_t)kept; /* the last one begins behind all characters and is in no set */
	building->class_words = kept / 64 + 1;
	building->members = calloc(expression->tree_count * building->class_words, sizeof *building->members);
	if (building->members == NULL)
		return fault_memory(building->why);
	for (uint32_t tree = 0; tree < expression->tree_count; tree++) {
		const struct tree *at = &expression->trees[tree];
		uint64_t *bits = building->members + tree * building->class_words;

		for (uint32_t i = 0, class = 0; at->kind == TREE_SET && i < at->count; i++) {
			const struct range *range = &expression->ranges[at->from + i];

			while (building->cuts[class] < range->first)
				class ++;
			for (; building->cuts[class] <= range->last; class ++)
				bits[class / 64] |= (uint64_t)1 << class % 64;
		}
	}
	return 0;
}

/* ---- states: sets of places --------------------------------------------------------------------------------------- */

static bool
has(const uint64_t *bits, uint32_t at)
{
	return bits[at / 64] >> at % 64 & 1;
}

/* Into `bits`: `place` and all that is reached from it without a character. */
static void
reach(struct building *building, uint64_t *bits, uint32_t place, bool begin, bool end)
{
	size_t depth = 0;

	building->stack[depth++] = place;
	while (depth > 0) {
		const uint32_t at = building->stack[--depth];
		const struct place *here = &building->places[at];

		building->work++;
		if (has(bits, at))
			continue;
		bits[at / 64] |= (uint64_t)1 << at % 64;
		if (here->kind == PLACE_SPLIT) {
			building->stack[depth++] = here->next;
			building->stack[depth++] = here->other;
		} else if ((here->kind == PLACE_BEGIN && begin) || (here->kind == PLACE_END && end)) {
			building->stack[depth++] = here->next;
		}
	}
}

/* Whether a text may end in this state. The match is place 0. */
static bool
may_end(struct building *building, const uint64_t *state, bool begin, uint64_t *scratch)
{
	if (has(state, 0))
		return true;
	memset(scratch, 0, building->words * sizeof *scratch);
	for (uint32_t i = 0; i < building->place_count; i++)
		if (has(state, i) && building->places[i].kind == PLACE_END)
			reach(building, scratch, building->places[i].next, begin, true);
	return has(scratch, 0);
}

/* The number of a state, which may be new. */
static int
number_of(struct building *building, uint64_t *bits, uint32_t *out)
{
	const size_t size = building->words * sizeof *bits;
	uint64_t hash = 0;
	uint32_t bucket;

	if (has(bits, 0)) { /* what was found once is found, whatever comes */
		memset(bits, 0, size);
		bits[0] = 1;
	}
	for (size_t i = 0; i < building->words; i++)
		hash = (hash ^ bits[i]) * 0xff51afd7ed558ccdu, hash ^= hash >> 32;
	building->work += building->words;
	for (bucket = hash % (2 * STATES_LIMIT); building->buckets[bucket] != 0;
	     bucket = (bucket + 1) % (2 * STATES_LIMIT)) {
		*out = building->buckets[bucket] - 1;
		if (memcmp(building->states + *out * building->words, bits, size) == 0)
			return 0;
	}
	if (building->state_count == STATES_LIMIT)
		return pattern_too_large(building->why);
	*out = building->state_count++;
	memcpy(building->states + *out * building->words, bits, size);
	building->buckets[bucket] = *out + 1;
	return 0;
}

/* The edges of one state. */
static int
leave(struct building *building, struct pattern *pattern, size_t *capacity, uint32_t state, uint64_t *next)
{
	for (uint32_t class = 0; class + 1 < building->class_count; class ++) {
		const uint64_t *bits = building->states + state * building->words;
		struct edge edge = {building->cuts[class], building->cuts[class + 1] - 1, 0};
		bool any = false;

		memset(next, 0, building->words * sizeof *next);
		for (size_t word = 0; word < building->words; word++)
			for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
				const uint32_t at = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left);
				const struct place *place = &building->places[at];

				if (place->kind == PLACE_SET &&
				    has(building->members + place->set * building->class_words, class)) {
					reach(building, next, place->next, false, false);
					any = true;
				}
			}
		/* The match goes on with any character of the alphabet: that is the first set of all. */
		if (has(bits, 0) && has(building->members, class)) {
			next[0] |= 1;
			any = true;
		}
		building->work += building->words;
		if (building->work > building->most_work)
			return pattern_too_large(building->why);
		if (any && (number_of(building, next, &edge.to) == -1 ||
		            pattern_edge(pattern, capacity, state, edge, building->why) == -1))
			return -1;
	}
	return 0;
}

static int
determine(struct building *building, struct pattern **out)
{
	struct expression *expression = &building->expression;
	uint32_t match = 0, start = 0, any = 0;
	size_t capacity = 0;
	uint64_t *next = NULL;
	struct pattern *pattern = NULL;
	int result = -1;

	*out = NULL;
	building->places = calloc(PLACES_LIMIT, sizeof *building->places);
	building->buckets = calloc((size_t)2 * STATES_LIMIT, sizeof *building->buckets);
	building->stack = calloc((size_t)2 * PLACES_LIMIT + 2, sizeof *building->stack);
	if (building->places == NULL || building->buckets == NULL || building->stack == NULL)
		return fault_memory(building->why);
	/* The match is place 0; the search begins anywhere: tree 0 is the whole alphabet. */
	if (make_classes(building) == -1 || place_new(building, PLACE_MATCH, 0, 0, 0, &match) == -1 ||
	    place_tree(building, expression->root, match, &start) == -1 ||
	    place_new(building, PLACE_SET, 0, 0, 0, &any) == -1 ||
	    place_new(building, PLACE_SPLIT, 0, start, any, &start) == -1)
		return -1;
	building->places[any].next = start;
	building->words = building->place_count / 64 + 1;
	building->states = calloc((size_t)STATES_LIMIT * building->words, sizeof *building->states);
	next = calloc(building->words, sizeof *next);
	if (building->states == NULL || next == NULL) {
		fault_memory(building->why);
		goto out;
	}
	if (pattern_new(&pattern, STATES_LIMIT, building->why) == -1)
		goto out;
	reach(building, next, start, true, false);
	if (number_of(building, next, &start) == -1)
		goto out;
	for (uint32_t state = 0; state < building->state_count; state++) {
		pattern->begins[state + 1] = pattern->begins[state];
		pattern->accepts[state] =
		    may_end(building, building->states + state * building->words, state == 0, next);
		if (leave(building, pattern, &capacity, state, next) == -1)
			goto out;
	}
	pattern->count = building->state_count;
	*out = pattern;
	pattern = NULL;
	result = 0;
out:
	free(next);
	pattern_free(pattern);
	return result;
}

/* ---- from outside ------------------------------------------------------------------------------------------------- */

static int
compile_one(struct pattern **out, struct slice expression, uint64_t *work, struct fault *why)
{
	struct building building = {.why = why, .most_work = *work};
	int result = -1;

	*out = NULL;
	if (expression_read(&building.expression, expression, why) == 0 && determine(&building, out) == 0 &&
	    pattern_prune(*out, why) == 0)
		result = 0;
	building.work += PATTERN_COST + ((uint64_t)building.expression.properties << 20);
	if (result == 0)
		building.work += 16 * (uint64_t)(*out)->begins[(*out)->count];
	if (building.work > *work)
		result = pattern_too_large(why);
	*work -= building.work < *work ? building.work : *work;
	expression_free(&building.expression);
	free(building.places);
	free(building.cuts);
	free(building.members);
	free(building.states);
	free(building.buckets);
	free(building.stack);
	return result;
}

int
pattern_compile(struct pattern **out, const struct slice *expressions, size_t count, size_t least,
                size_t most, uint64_t *work, struct fault *why)
{
	struct pattern *pattern = NULL, *other = NULL;
	int result = -1;

	if (compile_one(&pattern, count > 0 ? expressions[0] : slice_of(NULL, 0), work, why) == -1)
		goto out;
	for (size_t i = 1; i < count; i++) {
		if (compile_one(&other, expressions[i], work, why) == -1 ||
		    pattern_intersect(&pattern, other, why) == -1 || pattern_prune(pattern, why) == -1)
			goto out;
		pattern_free(other);
		other = NULL;
	}
	if (pattern_lengthen(&pattern, least, most, why) == -1 || pattern_prune(pattern, why) == -1)
		goto out;
	{
		const uint64_t edges = 16 * (uint64_t)pattern->begins[pattern->count];

		if (edges > *work) {
			pattern_too_large(why);
			goto out;
		}
		*work -= edges;
	}
	*out = pattern;
	pattern = NULL;
	result = 0;
out:
	pattern_free(pattern);
	pattern_free(other);
	return result;
}
