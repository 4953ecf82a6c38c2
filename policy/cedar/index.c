#include "policy/cedar/index.h"

#include <string.h>

/*
 * What a request is looked up by. From PATHS on: the value of an attribute path, one dimension for each path that
 * policies test.
 */
enum dimension {
	UID_OF_PRINCIPAL,
	UID_OF_ACTION,
	UID_OF_RESOURCE,
	TYPE_OF_PRINCIPAL,
	TYPE_OF_RESOURCE,
	PATHS
};

#define PATH_LIMIT   64 /* paths are read once a request: more would cost more than they save */
#define CHOICE_LIMIT 64 /* of one test: [a, b, …].contains(path) */

struct test {
	unsigned dimension;
	struct cedar_value
	    value; /* an entity, a type's name as a string, or whatever the path is compared with */
};

struct slot {
	struct test test;
	bool used;
	uint32_t hash;
	uint32_t wanted; /* how many policies could be filed here: rarity */
	uint32_t count;
	const uint32_t *policies;
};

struct cedar_index {
	uint32_t words;
	const uint64_t *always;
	struct slot *slots;
	uint32_t mask; /* slots - 1 */
	bool in_use[PATHS + PATH_LIMIT];
	uint32_t path_count;
	const struct cedar_expr *paths[PATH_LIMIT];
	const uint64_t
	    *of_path[PATH_LIMIT]; /* all policies filed under it: evaluated when it cannot be read */
};

/* ---- tests of a policy ---------------------------------------------------------------------------------------- */

/* One way to file a policy: it is false unless one of these holds. */
struct filing {
	struct test tests[CHOICE_LIMIT];
	uint32_t count;
};

static bool
is_path(const struct cedar_expr *expr)
{
	unsigned depth = 0;

	for (; expr->op == CEDAR_ATTRIBUTE && depth < 8; depth++)
		expr = expr->as.member.left;
	return depth > 0 && expr->op == CEDAR_VARIABLE;
}

static bool
same_path(const struct cedar_expr *a, const struct cedar_expr *b)
{
	for (; a->op == CEDAR_ATTRIBUTE && b->op == CEDAR_ATTRIBUTE;
	     a = a->as.member.left, b = b->as.member.left)
		if (!cedar_string_equal(a->as.member.names, b->as.member.names))
			return false;
	return a->op == CEDAR_VARIABLE && b->op == CEDAR_VARIABLE && a->as.variable == b->as.variable;
}

/* The dimension of a path; 0 (never a path's) when there is no room for another. */
static unsigned
path_dimension(struct cedar_index *index, const struct cedar_expr *path)
{
	for (uint32_t i = 0; i < index->path_count; i++)
		if (same_path(index->paths[i], path))
			return PATHS + i;
	if (index->path_count == PATH_LIMIT)
		return 0;
	index->paths[index->path_count] = path;
	return PATHS + index->path_count++;
}

static struct cedar_value
type_value(const struct cedar_string *type)
{
	return cedar_text(type);
}

static void
file(struct filing *filing, unsigned dimension, struct cedar_value value)
{
	filing->tests[filing->count++] = (struct test){dimension, value};
}

static bool
file_scope(struct filing *filing, const struct cedar_scope *scope, unsigned uid_dimension)
{
	filing->count = 0;
	if (scope->entity != NULL) {
		file(filing, uid_dimension, cedar_entity(scope->entity));
		return true;
	}
	if (scope->kind != CEDAR_SCOPE_IN_LIST || scope->count > CHOICE_LIMIT)
		return false;
	for (uint32_t i = 0; i < scope->count; i++)
		file(filing, uid_dimension, cedar_entity(scope->list[i]));
	return true;
}

static bool
file_type(struct filing *filing, const struct cedar_scope *scope, unsigned dimension)
{
	filing->count = 0;
	if (scope->type.size == 0)
		return false;
	file(filing, dimension, type_value(&scope->type));
	return true;
}

/* The test that is evaluated first of all conditions, when it is an equality with a constant. */
static bool
file_condition(struct cedar_index *index, struct filing *filing, const struct cedar_policy *policy)
{
	const struct cedar_expr *first, *path, *constant;
	unsigned dimension;

	filing->count = 0;
	if (policy->condition_count == 0 || policy->conditions[0].unless)
		return false;
	first = policy->conditions[0].body;
	while (first->op == CEDAR_AND)
		first = first->as.list.items[0];
	if (first->op == CEDAR_EQUAL) {
		path = first->as.pair.left->constant ? first->as.pair.right : first->as.pair.left;
		constant = path == first->as.pair.left ? first->as.pair.right : first->as.pair.left;
		if (!constant->constant || !is_path(path) || (dimension = path_dimension(index, path)) == 0)
			return false;
		file(filing, dimension, constant->value);
		return true;
	}
	if (first->op == CEDAR_CONTAINS) {
		const struct cedar_set *set;

		constant = first->as.pair.left;
		path = first->as.pair.right;
		if (!constant->constant || constant->value.kind != CEDAR_SET || !is_path(path))
			return false;
		set = constant->value.as.set;
		if (set->count > CHOICE_LIMIT || (dimension = path_dimension(index, path)) == 0)
			return false;
		for (uint32_t i = 0; i < set->count; i++)
			file(filing, dimension, set->items[i]);
		return true;
	}
	return false;
}

#define FILINGS 6

static bool
file_policy(struct cedar_index *index, struct filing *filing, const struct cedar_policy *policy, unsigned way)
{
	switch (way) {
	case 0:
		return file_scope(filing, &policy->principal, UID_OF_PRINCIPAL);
	case 1:
		return file_scope(filing, &policy->resource, UID_OF_RESOURCE);
	case 2:
		return file_scope(filing, &policy->action, UID_OF_ACTION);
	case 3:
		return file_condition(index, filing, policy);
	case 4:
		return file_type(filing, &policy->principal, TYPE_OF_PRINCIPAL);
	default:
		return file_type(filing, &policy->resource, TYPE_OF_RESOURCE);
	}
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

static struct slot *
look_up(const struct cedar_index *index, unsigned dimension, struct cedar_value value)
{
	uint32_t hash = cedar_hash_mix(cedar_value_hash(value), dimension), at = hash & index->mask;

	for (; index->slots[at].used; at = (at + 1) & index->mask) {
		struct slot *slot = &index->slots[at];

		if (slot->hash == hash && slot->test.dimension == dimension &&
		    cedar_value_order(slot->test.value, value) == 0)
			break;
	}
	return &index->slots[at];
}

static struct slot *
want(struct cedar_index *index, struct test test)
{
	struct slot *slot = look_up(index, test.dimension, test.value);

	if (!slot->used) {
		slot->used = true;
		slot->test = test;
		slot->hash = cedar_hash_mix(cedar_value_hash(test.value), test.dimension);
	}
	return slot;
}

/* The rarest way to file it; FILINGS when there is none. *filing is left with it. */
static unsigned
choose(struct cedar_index *index, struct filing *filing, const struct cedar_policy *policy)
{
	unsigned best = FILINGS;
	uint64_t least = UINT64_MAX;

	for (unsigned way = 0; way < FILINGS; way++) {
		uint64_t cost = 0;

		if (!file_policy(index, filing, policy, way))
			continue;
		for (uint32_t i = 0; i < filing->count; i++)
			cost += want(index, filing->tests[i])->wanted;
		if (cost < least) {
			least = cost;
			best = way;
		}
	}
	if (best < FILINGS)
		file_policy(index, filing, policy, best);
	return best;
}

static uint64_t *
bits_of_path(struct cedar_index *index, struct arena *arena, unsigned dimension)
{
	uint64_t *bits = arena_array(arena, (size_t)index->words + 1, sizeof *bits);

	index->of_path[dimension - PATHS] = bits;
	return bits;
}

static bool
put(struct cedar_index *index, struct arena *arena, struct filing *filing, uint32_t policy)
{
	for (uint32_t i = 0; i < filing->count; i++) {
		struct slot *slot = want(index, filing->tests[i]);
		unsigned dimension = slot->test.dimension;
		uint32_t *list;

		index->in_use[dimension] = true;
		if ((slot->count & (slot->count - 1)) == 0) { /* a power of two, or none: the list is full */
			list =
			    arena_array(arena, slot->count == 0 ? 1 : (size_t)slot->count * 2, sizeof *list);
			if (list == NULL)
				return false;
			if (slot->count > 0)
				memcpy(list, slot->policies, slot->count * sizeof *list);
			slot->policies = list;
		}
		memcpy(&list, &slot->policies, sizeof list); /* ours, only shown as const */
		list[slot->count++] = policy;
		if (dimension >= PATHS) {
			uint64_t *bits;

			memcpy(&bits, &index->of_path[dimension - PATHS], sizeof bits);
			if (bits == NULL && (bits = bits_of_path(index, arena, dimension)) == NULL)
				return false;
			bits[policy / 64] |= UINT64_C(1) << (policy % 64);
		}
	}
	return true;
}

const struct cedar_index *
cedar_index_make(const struct cedar_policies *policies)
{
	struct arena *arena = policies->arena;
	struct cedar_index *index = arena_alloc(arena, sizeof *index);
	struct filing *filing = arena_alloc(arena, sizeof *filing);
	uint64_t *always;
	size_t tests = 0, slots = 8;

	if (index == NULL || filing == NULL)
		return NULL;
	index->words = (policies->count + 63) / 64;
	if ((always = arena_array(arena, (size_t)index->words + 1, sizeof *always)) == NULL)
		return NULL;
	index->always = always;
	for (uint32_t i = 0; i < policies->count; i++)
		for (unsigned way = 0; way < FILINGS; way++)
			if (file_policy(index, filing, policies->policies[i], way))
				tests += filing->count;
	while (slots < 2 * tests + 2)
		slots *= 2;
	if (slots > UINT32_MAX / 2 ||
	    (index->slots = arena_array(arena, slots, sizeof *index->slots)) == NULL)
		return NULL;
	index->mask = (uint32_t)slots - 1;
	for (uint32_t i = 0; i < policies->count; i++)
		for (unsigned way = 0; way < FILINGS; way++)
			if (file_policy(index, filing, policies->policies[i], way))
				for (uint32_t j = 0; j < filing->count; j++)
					want(index, filing->tests[j])->wanted++;
	for (uint32_t i = 0; i < policies->count; i++) {
		if (choose(index, filing, policies->policies[i]) == FILINGS)
			always[i / 64] |= UINT64_C(1) << (i % 64);
		else if (!put(index, arena, filing, i))
			return NULL;
	}
	return index;
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

static void
select_slot(const struct cedar_index *index, unsigned dimension, struct cedar_value value, uint64_t *bits)
{
	const struct slot *slot = look_up(index, dimension, value);

	for (uint32_t i = 0; slot->used && i < slot->count; i++)
		bits[slot->policies[i] / 64] |= UINT64_C(1) << (slot->policies[i] % 64);
}

static void
select_uid(const struct cedar_index *index, unsigned dimension, const struct cedar_uid *uid,
           const struct cedar_row *row, uint64_t *bits)
{
	if (!index->in_use[dimension])
		return;
	select_slot(index, dimension, cedar_entity(uid), bits);
	for (uint32_t i = 0; row != NULL && i < row->ancestor_count; i++)
		select_slot(index, dimension, cedar_entity(row->ancestors[i]), bits);
}

bool
cedar_index_select(const struct cedar_index *index, struct evaluation *run, uint64_t *bits)
{
	const struct cedar_request *request = run->request;

	memcpy(bits, index->always, index->words * sizeof *bits);
	select_uid(index, UID_OF_PRINCIPAL, request->principal, run->rows[CEDAR_PRINCIPAL], bits);
	select_uid(index, UID_OF_ACTION, request->action, run->rows[CEDAR_ACTION], bits);
	select_uid(index, UID_OF_RESOURCE, request->resource, run->rows[CEDAR_RESOURCE], bits);
	if (index->in_use[TYPE_OF_PRINCIPAL])
		select_slot(index, TYPE_OF_PRINCIPAL, type_value(&request->principal->type), bits);
	if (index->in_use[TYPE_OF_RESOURCE])
		select_slot(index, TYPE_OF_RESOURCE, type_value(&request->resource->type), bits);
	for (uint32_t i = 0; i < index->path_count; i++) {
		struct cedar_value value;

		if (!index->in_use[PATHS + i])
			continue;
		value = evaluation_of(run, index->paths[i]);
		if (value.kind != CEDAR_NONE) {
			select_slot(index, PATHS + i, value, bits);
			continue;
		}
		if (run->failure == CEDAR_FAILURE_MEMORY)
			return false;
		for (uint32_t word = 0; word < index->words; word++)
			bits[word] |= index->of_path[i][word];
	}
	return true;
}
