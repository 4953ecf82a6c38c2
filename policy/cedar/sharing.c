#include "policy/cedar/sharing.h"

#include <string.h>

/* One place of an expression; alike ones find each other by hash. */
struct copy {
	const struct cedar_expr *expr;
	uint32_t hash;
	uint32_t first; /* which copy stands for all that are alike */
	uint32_t alike; /* of the first: how many there are */
	uint16_t number;
};

struct sharing {
	struct arena *arena; /* ends with the search */
	struct copy *copies;
	size_t count;
	size_t capacity;
	bool memory; /* used up */
};

/* ---- every expression with its hash --------------------------------------------------------------------------- */

static void
keep(struct sharing *sharing, const struct cedar_expr *expr, uint32_t hash)
{
	if (sharing->count == sharing->capacity) {
		size_t capacity = sharing->capacity == 0 ? 256 : 2 * sharing->capacity;
		struct copy *copies = arena_array(sharing->arena, capacity, sizeof *copies);

		if (copies == NULL || capacity > UINT32_MAX / 2) {
			sharing->memory = true;
			return;
		}
		if (sharing->count > 0)
			memcpy(copies, sharing->copies, sharing->count * sizeof *copies);
		sharing->copies = copies;
		sharing->capacity = capacity;
	}
	sharing->copies[sharing->count++] = (struct copy){.expr = expr, .hash = hash};
}

static uint32_t
gather(struct sharing *sharing, const struct cedar_expr *expr)
{
	uint32_t hash = expr->op;

	if (expr->constant)
		return cedar_hash_mix(hash, cedar_value_hash(expr->value));
	switch ((enum cedar_op)expr->op) {
	case CEDAR_LITERAL:
	case CEDAR_VARIABLE: /* as cheap as remembering it */
		return cedar_hash_mix(hash, expr->as.variable);
	case CEDAR_IF:
		hash = cedar_hash_mix(hash, gather(sharing, expr->as.choice.guard));
		hash = cedar_hash_mix(hash, gather(sharing, expr->as.choice.yes));
		hash = cedar_hash_mix(hash, gather(sharing, expr->as.choice.no));
		break;
	case CEDAR_ATTRIBUTE:
	case CEDAR_HAS:
		hash = cedar_hash_mix(hash, gather(sharing, expr->as.member.left));
		for (uint32_t i = 0; i < expr->as.member.count; i++)
			hash = cedar_hash_mix(hash, expr->as.member.names[i].hash);
		break;
	case CEDAR_LIKE:
		hash = cedar_hash_mix(hash, gather(sharing, expr->as.like.left));
		for (uint32_t i = 0; i < expr->as.like.pattern->count; i++)
			hash = cedar_hash_mix(hash, cedar_hash(expr->as.like.pattern->pieces[i].data,
			                                       expr->as.like.pattern->pieces[i].size));
		break;
	case CEDAR_IS:
		hash = cedar_hash_mix(hash, gather(sharing, expr->as.is.left));
		hash = cedar_hash_mix(hash, expr->as.is.type.hash);
		if (expr->as.is.in != NULL)
			hash = cedar_hash_mix(hash, gather(sharing, expr->as.is.in));
		break;
	case CEDAR_AND:
	case CEDAR_OR:
	case CEDAR_SET_OF:
	case CEDAR_RECORD_OF:
	case CEDAR_CALL:
		for (uint32_t i = 0; i < expr->as.list.count; i++)
			hash = cedar_hash_mix(hash, gather(sharing, expr->as.list.items[i]));
		break;
	default:
		hash = cedar_hash_mix(hash, gather(sharing, expr->as.pair.left));
		if (expr->as.pair.right != NULL)
			hash = cedar_hash_mix(hash, gather(sharing, expr->as.pair.right));
		break;
	}
	keep(sharing, expr, hash);
	return hash;
}

/* ---- which of them are alike ---------------------------------------------------------------------------------- */

static bool
find_alike(struct sharing *sharing)
{
	size_t slots = 16;
	uint32_t *table; /* number of a first copy, and one; 0: free */

	while (slots < 2 * sharing->count)
		slots *= 2;
	if ((table = arena_array(sharing->arena, slots, sizeof *table)) == NULL)
		return false;
	for (uint32_t i = 0; i < sharing->count; i++) {
		struct copy *copy = &sharing->copies[i];
		size_t at = copy->hash & (slots - 1);

		for (; table[at] != 0; at = (at + 1) & (slots - 1)) {
			const struct copy *other = &sharing->copies[table[at] - 1];

			if (other->hash == copy->hash && cedar_expr_same(other->expr, copy->expr))
				break;
		}
		if (table[at] == 0)
			table[at] = i + 1;
		copy->first = table[at] - 1;
		sharing->copies[copy->first].alike++;
	}
	return true;
}

/* Parts with fewer copies than *least are not remembered, so that there is room for the rest. */
static uint32_t
number_parts(struct sharing *sharing, uint32_t *least)
{
	uint32_t parts;

	for (*least = 2;; *least *= 2) {
		parts = 0;
		for (size_t i = 0; i < sharing->count; i++)
			parts += sharing->copies[i].alike >= *least;
		if (parts < CEDAR_SHARED_LIMIT)
			break;
	}
	parts = 0;
	for (size_t i = 0; i < sharing->count; i++)
		if (sharing->copies[i].alike >= *least)
			sharing->copies[i].number = (uint16_t)++parts;
	return parts;
}

static void
mark(const struct cedar_expr *expr, uint16_t number)
{
	struct cedar_expr *ours;

	memcpy(&ours, &expr, sizeof ours); /* the set's own, only shown as const */
	ours->shared = number;
}

bool
cedar_sharing_make(struct cedar_policies *policies)
{
	struct sharing sharing = {.arena = arena_new((size_t)2 << 30)};
	uint32_t least;
	bool made = false;

	if (sharing.arena == NULL)
		return false;
	for (uint32_t i = 0; i < policies->count; i++)
		for (uint32_t j = 0; j < policies->policies[i]->condition_count; j++)
			gather(&sharing, policies->policies[i]->conditions[j].body);
	if (!sharing.memory && find_alike(&sharing)) {
		policies->shared_count = number_parts(&sharing, &least) + 1;
		for (size_t i = 0; i < sharing.count; i++)
			mark(sharing.copies[i].expr, sharing.copies[sharing.copies[i].first].number);
		made = true;
	}
	arena_free(sharing.arena);
	return made;
}
