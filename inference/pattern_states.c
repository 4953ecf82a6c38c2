/* States and their edges: what fits two patterns, lengths, what leads nowhere cut away; and how a text is followed. */
#include <stdlib.h>
#include <string.h>

#include "inference/pattern_inside.h"

#define EDGES_LIMIT ((size_t)1 << 18)

int
pattern_too_large(struct fault *why)
{
	return fault_set(why, FAULT_TOO_LARGE, "정규식이 너무 복잡합니다",
	                 "the regular expression is too complex");
}

int
pattern_edge(struct pattern *pattern, size_t *capacity, uint32_t state, struct edge edge, struct fault *why)
{
	const uint32_t count = pattern->begins[state + 1];

	if (count > pattern->begins[state] && pattern->edges[count - 1].to == edge.to &&
	    pattern->edges[count - 1].last + 1 == edge.first) {
		pattern->edges[count - 1].last = edge.last;
		return 0;
	}
	if (count == *capacity) {
		const size_t more = *capacity * 2 + 64;
		struct edge *edges =
		    more > EDGES_LIMIT ? NULL : realloc(pattern->edges, more * sizeof *edges);

		if (edges == NULL)
			return more > EDGES_LIMIT ? pattern_too_large(why) : fault_memory(why);
		pattern->edges = edges;
		*capacity = more;
	}
	pattern->edges[count] = edge;
	pattern->begins[state + 1]++;
	return 0;
}

int
pattern_new(struct pattern **out, uint32_t states, struct fault *why)
{
	struct pattern *pattern = calloc(1, sizeof *pattern);

	*out = pattern;
	if (pattern == NULL ||
	    (pattern->begins = calloc((size_t)states + 2, sizeof *pattern->begins)) == NULL ||
	    (pattern->accepts = calloc((size_t)states + 1, sizeof *pattern->accepts)) == NULL)
		return fault_memory(why);
	return 0;
}

/* States with the number of characters so far, as far as it matters. */
int
pattern_lengthen(struct pattern **at, size_t least, size_t most, struct fault *why)
{
	const struct pattern *old = *at;
	const size_t lengths = (most != SIZE_MAX ? most : least) + 1;
	struct pattern *pattern = NULL;
	size_t capacity = 0;

	if (lengths == 1 && most == SIZE_MAX)
		return 0;
	if (lengths > EDGES_LIMIT / old->count)
		return pattern_too_large(why);
	if (pattern_new(&pattern, (uint32_t)(old->count * lengths), why) == -1) {
		pattern_free(pattern);
		return -1;
	}
	pattern->count = (uint32_t)(old->count * lengths);
	for (uint32_t state = 0; state < pattern->count; state++) {
		const uint32_t was = state / (uint32_t)lengths;
		const size_t length = state % lengths;

		pattern->begins[state + 1] = pattern->begins[state];
		pattern->accepts[state] = old->accepts[was] && length >= least;
		if (most != SIZE_MAX && length == most)
			continue;
		for (uint32_t i = old->begins[was]; i < old->begins[was + 1]; i++) {
			struct edge edge = old->edges[i];

			edge.to = edge.to * (uint32_t)lengths +
			          (uint32_t)(length + 1 < lengths ? length + 1 : lengths - 1);
			if (pattern_edge(pattern, &capacity, state, edge, why) == -1) {
				pattern_free(pattern);
				return -1;
			}
		}
	}
	pattern_free(*at);
	*at = pattern;
	return 0;
}

/* Only states that are reached and from which an end is reached; state 0 stays 0. */
int
pattern_prune(struct pattern *pattern, struct fault *why)
{
	const uint32_t count = pattern->count, edges = pattern->begins[count];
	uint32_t *into = calloc((size_t)count + 2, sizeof *into),
	         *from = calloc((size_t)edges + 1, sizeof *from);
	uint32_t *stack = calloc((size_t)count + 1, sizeof *stack),
	         *names = calloc((size_t)count + 1, sizeof *names);
	uint32_t depth = 0, kept = 0, at = 0, numbered = 0;
	bool *alive = calloc((size_t)count + 1, sizeof *alive);
	int result = -1;

	if (into == NULL || from == NULL || stack == NULL || names == NULL || alive == NULL) {
		fault_memory(why);
		goto out;
	}
	for (uint32_t i = 0; i < edges; i++)
		into[pattern->edges[i].to + 2]++;
	for (uint32_t i = 0; i < count; i++)
		into[i + 2] += into[i + 1];
	for (uint32_t state = 0; state < count; state++)
		for (uint32_t i = pattern->begins[state]; i < pattern->begins[state + 1]; i++)
			from[into[pattern->edges[i].to + 1]++] = state;
	for (uint32_t state = 0; state < count; state++)
		if (pattern->accepts[state]) {
			alive[state] = true;
			stack[depth++] = state;
		}
	while (depth > 0) {
		const uint32_t state = stack[--depth];

		for (uint32_t i = into[state]; i < into[state + 1]; i++)
			if (!alive[from[i]]) {
				alive[from[i]] = true;
				stack[depth++] = from[i];
			}
	}
	if (!alive[0]) {
		fault_set(why, FAULT_INVALID, "어떤 글도 이 정규식과 길이에 맞을 수 없습니다",
		          "no text fits the regular expression and its length");
		goto out;
	}
	memset(names, 0xff, ((size_t)count + 1) * sizeof *names);
	names[0] = numbered++;
	stack[depth++] = 0;
	/* Reached states, in the order they are found: stack holds them all and is walked. */
	for (uint32_t next = 0; next < numbered; next++)
		for (uint32_t i = pattern->begins[stack[next]]; i < pattern->begins[stack[next] + 1]; i++) {
			const uint32_t to = pattern->edges[i].to;

			if (alive[to] && names[to] == UINT32_MAX) {
				stack[numbered] = to;
				names[to] = numbered++;
			}
		}
	{
		struct edge *made = calloc((size_t)edges + 1, sizeof *made);
		uint32_t *begins = calloc((size_t)numbered + 1, sizeof *begins);
		bool *accepts = calloc(numbered, sizeof *accepts);

		if (made == NULL || begins == NULL || accepts == NULL) {
			free(made);
			free(begins);
			free(accepts);
			fault_memory(why);
			goto out;
		}
		for (; kept < numbered; kept++) {
			begins[kept] = at;
			accepts[kept] = pattern->accepts[stack[kept]];
			for (uint32_t i = pattern->begins[stack[kept]]; i < pattern->begins[stack[kept] + 1];
			     i++)
				if (alive[pattern->edges[i].to]) {
					made[at] = pattern->edges[i];
					made[at++].to = names[pattern->edges[i].to];
				}
		}
		begins[kept] = at;
		free(pattern->edges);
		free(pattern->begins);
		free(pattern->accepts);
		pattern->edges = made;
		pattern->begins = begins;
		pattern->accepts = accepts;
		pattern->count = numbered;
	}
	result = 0;
out:
	free(into);
	free(from);
	free(stack);
	free(names);
	free(alive);
	return result;
}

/* What fits both, instead of *at. */
int
pattern_intersect(struct pattern **at, const struct pattern *other, struct fault *why)
{
	const struct pattern *one = *at;
	const size_t count = (size_t)one->count * other->count;
	struct pattern *pattern = NULL;
	size_t capacity = 0;
	int result = -1;

	if (count > EDGES_LIMIT)
		return pattern_too_large(why);
	if (pattern_new(&pattern, (uint32_t)count, why) == -1)
		goto out;
	pattern->count = (uint32_t)count;
	for (uint32_t state = 0; state < pattern->count; state++) {
		const uint32_t left = state / other->count, right = state % other->count;
		uint32_t i = one->begins[left], j = other->begins[right];

		pattern->begins[state + 1] = pattern->begins[state];
		pattern->accepts[state] = one->accepts[left] && other->accepts[right];
		while (i < one->begins[left + 1] && j < other->begins[right + 1]) {
			const struct edge *a = &one->edges[i], *b = &other->edges[j];
			const struct edge edge = {a->first > b->first ? a->first : b->first,
			                          a->last < b->last ? a->last : b->last,
			                          a->to * other->count + b->to};

			if (edge.first <= edge.last &&
			    pattern_edge(pattern, &capacity, state, edge, why) == -1)
				goto out;
			if (a->last < b->last)
				i++;
			else
				j++;
		}
	}
	pattern_free(*at);
	*at = pattern;
	pattern = NULL;
	result = 0;
out:
	pattern_free(pattern);
	return result;
}

/* ---- from outside ------------------------------------------------------------------------------------------------- */

void
pattern_free(struct pattern *pattern)
{
	if (pattern == NULL)
		return;
	free(pattern->begins);
	free(pattern->edges);
	free(pattern->accepts);
	free(pattern);
}

/* The first edge of a state that ends at or behind a character. */
static uint32_t
edge_of(const struct pattern *pattern, uint32_t state, uint32_t character)
{
	uint32_t low = pattern->begins[state], high = pattern->begins[state + 1];

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (pattern->edges[middle].last < character)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t
pattern_step(const struct pattern *pattern, uint32_t state, uint32_t character)
{
	const uint32_t edge = edge_of(pattern, state, character);

	return edge < pattern->begins[state + 1] && pattern->edges[edge].first <= character
	           ? pattern->edges[edge].to
	           : PATTERN_NONE;
}

bool
pattern_open(const struct pattern *pattern, uint32_t state, uint32_t first, uint32_t last)
{
	const uint32_t edge = edge_of(pattern, state, first);

	return edge < pattern->begins[state + 1] && pattern->edges[edge].first <= last;
}

bool
pattern_accepts(const struct pattern *pattern, uint32_t state)
{
	return pattern->accepts[state];
}

bool
pattern_matches(const struct pattern *pattern, struct slice text)
{
	uint32_t state = 0;

	while (text.size > 0 && state != PATTERN_NONE) {
		uint32_t character;
		const size_t size = utf8_next(text, &character);

		state = size == 0 ? PATTERN_NONE : pattern_step(pattern, state, character);
		text = slice_of(text.data + size, text.size - size);
	}
	return state != PATTERN_NONE && pattern->accepts[state];
}
