/* What only the whole of the nodes shows: how small a value can be, and that alternatives of "oneOf" lie apart. */
#include <stdlib.h>
#include <string.h>

#include "inference/constraint_inside.h"

#define DEPTH_LIMIT 8

/* ---- heights ---------------------------------------------------------------------------------------------------- */

static uint32_t
above(uint32_t height)
{
	return height == UINT32_MAX ? height : height + 1;
}

static uint32_t
height_of(const struct constraint *constraint, const struct node *node)
{
	uint32_t height = 0;

	switch (node->kind) {
	case NODE_OBJECT:
		for (size_t i = 0; i < node->count; i++)
			if (node->properties[i].required &&
			    constraint->nodes[node->properties[i].node]->height > height)
				height = constraint->nodes[node->properties[i].node]->height;
		return above(height);
	case NODE_ARRAY:
		for (size_t i = 0; i < node->least; i++) {
			const struct node *inner =
			    constraint->nodes[i < node->count ? node->nodes[i] : node->other];

			if (inner->height > height)
				height = inner->height;
			if (i >= node->count)
				break;
		}
		return above(height);
	case NODE_UNION:
		height = UINT32_MAX;
		for (size_t i = 0; i < node->count; i++)
			if (constraint->nodes[node->nodes[i]]->height < height)
				height = constraint->nodes[node->nodes[i]]->height;
		return height;
	default:
		return 1;
	}
}

/* ---- apart ------------------------------------------------------------------------------------------------------ */

/* The kinds of JSON a value may be, as bits; 1 << 6 and on: words. */
static unsigned
kinds_of(const struct constraint *constraint, const struct node *node, unsigned depth)
{
	unsigned kinds = 0;

	if (node->kind == NODE_LITERAL) {
		for (size_t i = 0; i < node->count; i++)
			switch (node->texts[i].data[0]) {
			case '{':
				kinds |= 1u << NODE_OBJECT;
				break;
			case '[':
				kinds |= 1u << NODE_ARRAY;
				break;
			case '"':
				kinds |= 1u << NODE_TEXT;
				break;
			case 't':
			case 'f':
				kinds |= 64;
				break;
			case 'n':
				kinds |= 128;
				break;
			default:
				kinds |= 1u << NODE_NUMBER;
			}
		return kinds;
	}
	if (node->kind != NODE_UNION)
		return 1u << node->kind;
	if (depth > DEPTH_LIMIT)
		return UINT32_MAX;
	for (size_t i = 0; i < node->count; i++)
		kinds |= kinds_of(constraint, constraint->nodes[node->nodes[i]], depth + 1);
	return kinds;
}

static bool excludes(const struct constraint *constraint, uint32_t said, uint32_t schema, unsigned depth);

static const struct property *
property_of(const struct node *node, struct slice name)
{
	for (size_t i = 0; i < node->count; i++)
		if (slice_equal(node->properties[i].name, name))
			return &node->properties[i];
	return NULL;
}

/* No object that one node lets through is right for the other. */
static bool
objects_exclude(const struct constraint *constraint, const struct node *said, const struct node *schema,
                unsigned depth)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct property *theirs = &schema->properties[i],
		                      *ours = property_of(said, theirs->name);

		if (ours == NULL && said->other == NODE_NONE && theirs->required)
			return true;
		if (ours != NULL && ours->required &&
		    excludes(constraint, ours->node, theirs->node, depth + 1))
			return true;
	}
	for (size_t i = 0; i < said->count && schema->closed; i++)
		if (said->properties[i].required && property_of(schema, said->properties[i].name) == NULL)
			return true;
	return false;
}

static bool
literals_exclude(const struct node *one, const struct node *other)
{
	for (size_t i = 0; i < one->count; i++)
		for (size_t j = 0; j < other->count; j++)
			if (slice_equal(one->texts[i], other->texts[j]))
				return false;
	return true;
}

static bool
excludes(const struct constraint *constraint, uint32_t said, uint32_t schema, unsigned depth)
{
	const struct node *one = constraint->nodes[said], *other = constraint->nodes[schema];

	if ((kinds_of(constraint, one, 0) & kinds_of(constraint, other, 0)) == 0)
		return true;
	if (depth > DEPTH_LIMIT || said == schema)
		return false;
	if (one->kind == NODE_UNION || other->kind == NODE_UNION) {
		const struct node *several = one->kind == NODE_UNION ? one : other;

		for (size_t i = 0; i < several->count; i++)
			if (one->kind == NODE_UNION
			        ? !excludes(constraint, several->nodes[i], schema, depth + 1)
			        : !excludes(constraint, said, several->nodes[i], depth + 1))
				return false;
		return true;
	}
	if (one->kind == NODE_LITERAL && other->kind == NODE_LITERAL)
		return literals_exclude(one, other);
	if (one->kind == NODE_OBJECT && other->kind == NODE_OBJECT)
		return objects_exclude(constraint, one, other, depth);
	if (one->kind == NODE_NUMBER && other->kind == NODE_NUMBER)
		return one->most_value < other->least_value || one->least_value > other->most_value;
	return false;
}

/* ---- unions ------------------------------------------------------------------------------------------------------ */

/* The alternatives of `at` that are no unions themselves, each once, behind the `count` of out[]. */
static int
gather(const struct constraint *constraint, uint32_t at, bool *seen, uint32_t *out, size_t *count)
{
	const struct node *node = constraint->nodes[at];

	if (seen[at])
		return 0;
	seen[at] = true;
	if (node->kind != NODE_UNION) {
		if (*count == ALTERNATIVES_LIMIT)
			return -1;
		out[(*count)++] = at;
		return 0;
	}
	for (size_t i = 0; i < node->count; i++)
		if (gather(constraint, node->nodes[i], seen, out, count) == -1)
			return -1;
	return 0;
}

/* Alternatives within alternatives are alternatives; one that is the union itself adds nothing. */
static int
flatten_unions(struct compiling *compiling)
{
	const struct constraint *constraint = compiling->constraint;
	bool *seen = calloc(constraint->count, sizeof *seen);
	uint32_t(*flat)[ALTERNATIVES_LIMIT] = calloc(constraint->count, sizeof *flat);
	size_t *counts = calloc(constraint->count, sizeof *counts);
	int result = -1;

	if (seen == NULL || flat == NULL || counts == NULL) {
		fault_memory(compiling->why);
		goto out;
	}
	for (uint32_t i = 0; i < constraint->count; i++) {
		if (constraint->nodes[i]->kind != NODE_UNION)
			continue;
		memset(seen, 0, constraint->count * sizeof *seen);
		if (gather(constraint, i, seen, flat[i], &counts[i]) == -1) {
			snprintf(compiling->path, sizeof compiling->path, "%s", constraint->nodes[i]->path);
			constraint_refuse(compiling, "anyOf > 128");
			goto out;
		}
	}
	for (uint32_t i = 0; i < constraint->count; i++) {
		struct node *node = constraint->nodes[i];

		if (node->kind != NODE_UNION || counts[i] == 0)
			continue;
		free(node->nodes);
		if ((node->nodes = malloc(counts[i] * sizeof *node->nodes)) == NULL) {
			node->count = 0;
			fault_memory(compiling->why);
			goto out;
		}
		memcpy(node->nodes, flat[i], counts[i] * sizeof *node->nodes);
		node->count = counts[i];
	}
	result = 0;
out:
	free(seen);
	free(flat);
	free(counts);
	return result;
}

int
constraint_check(struct compiling *compiling)
{
	const struct constraint *constraint = compiling->constraint;

	for (size_t i = 0; i < constraint->count; i++)
		constraint->nodes[i]->height = UINT32_MAX;
	for (bool changed = true; changed;) {
		changed = false;
		for (size_t i = constraint->count; i-- > 0;) {
			struct node *node = constraint->nodes[i];
			const uint32_t height = height_of(constraint, node);

			changed = changed || height != node->height;
			node->height = height;
		}
	}
	if (constraint->nodes[constraint->root]->height > CONSTRAINT_DEPTH)
		return constraint->nodes[constraint->root]->height == UINT32_MAX
		           ? constraint_contradiction(compiling)
		           : fault_set(compiling->why, FAULT_TOO_LARGE, "JSON 스키마가 너무 깊습니다",
		                       "the JSON schema is too deep");
	for (size_t i = 0; i < constraint->count; i++) {
		const struct node *node = constraint->nodes[i];

		for (size_t j = 0; j < node->count && node->kind == NODE_UNION && node->apart; j++)
			for (size_t k = 0; k < node->count; k++)
				if (j != k && !excludes(constraint, node->nodes[j], node->nodes[k], 0)) {
					snprintf(compiling->path, sizeof compiling->path, "%s", node->path);
					return constraint_refuse(
					    compiling, "oneOf with alternatives that may hold at once");
				}
	}
	return flatten_unions(compiling);
}
