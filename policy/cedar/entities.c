#include "policy/cedar/entities.h"

#include <string.h>

struct cedar_entities *
cedar_entities_new(struct arena *arena, const struct cedar_entities *base)
{
	struct cedar_entities *entities = arena_alloc(arena, sizeof *entities);

	if (entities != NULL) {
		entities->arena = arena;
		entities->base = base;
	}
	return entities;
}

size_t
cedar_entities_count(const struct cedar_entities *entities)
{
	return entities->count;
}

int
cedar_entities_add(struct cedar_entities *entities, const struct cedar_uid *uid, struct cedar_value attrs,
                   struct cedar_value tags, const struct cedar_uid *const *parents, size_t parent_count,
                   struct fault *why)
{
	const struct cedar_uid **kept = arena_array(entities->arena, parent_count + 1, sizeof *kept);
	struct cedar_value empty = cedar_record(entities->arena, NULL, 0);

	if (uid == NULL || empty.kind == CEDAR_NONE || kept == NULL)
		return fault_memory(why);
	if (entities->sealed)
		return fault_set(why, FAULT_INTERNAL, "개체 저장소가 이미 닫혔습니다",
		                 "the entity store is sealed already");
	if (parent_count > UINT32_MAX / 2 || entities->count == UINT32_MAX / 2)
		return fault_set(why, FAULT_TOO_LARGE, "개체가 너무 많습니다", "too many entities");
	if (entities->count == entities->capacity) {
		uint32_t capacity = entities->capacity == 0 ? 16 : 2 * entities->capacity;
		struct cedar_row *rows = arena_array(entities->arena, capacity, sizeof *rows);

		if (rows == NULL)
			return fault_memory(why);
		if (entities->count > 0)
			memcpy(rows, entities->rows, entities->count * sizeof *rows);
		entities->rows = rows;
		entities->capacity = capacity;
	}
	for (size_t i = 0; i < parent_count; i++)
		if ((kept[i] = parents[i]) == NULL)
			return fault_memory(why);
	entities->rows[entities->count++] = (struct cedar_row){
	    .uid = uid,
	    .attrs = attrs.kind == CEDAR_RECORD ? attrs : empty,
	    .tags = tags.kind == CEDAR_RECORD ? tags : empty,
	    .parents = kept,
	    .parent_count = (uint32_t)parent_count,
	};
	return 0;
}

/* ---- sealing -------------------------------------------------------------------------------------------------- */

static void
sift_rows(struct cedar_row *rows, size_t root, size_t count)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && cedar_uid_order(rows[child].uid, rows[child + 1].uid) < 0)
			child++;
		if (cedar_uid_order(rows[root].uid, rows[child].uid) >= 0)
			return;
		struct cedar_row swap = rows[root];
		rows[root] = rows[child];
		rows[child] = swap;
	}
}

static void
sort_rows(struct cedar_row *rows, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_rows(rows, i, count);
	for (size_t end = count; end > 1;) {
		struct cedar_row swap = rows[0];
		rows[0] = rows[--end];
		rows[end] = swap;
		sift_rows(rows, 0, end);
	}
}

static void
sift_uids(const struct cedar_uid **uids, size_t root, size_t count)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && cedar_uid_order(uids[child], uids[child + 1]) < 0)
			child++;
		if (cedar_uid_order(uids[root], uids[child]) >= 0)
			return;
		const struct cedar_uid *swap = uids[root];
		uids[root] = uids[child];
		uids[child] = swap;
	}
}

/* Sorted, and each once; the new count. */
static size_t
sort_uids(const struct cedar_uid **uids, size_t count)
{
	size_t kept = 0;

	for (size_t i = count / 2; i-- > 0;)
		sift_uids(uids, i, count);
	for (size_t end = count; end > 1;) {
		const struct cedar_uid *swap = uids[0];
		uids[0] = uids[--end];
		uids[end] = swap;
		sift_uids(uids, 0, end);
	}
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !cedar_uid_equal(uids[kept - 1], uids[i]))
			uids[kept++] = uids[i];
	return kept;
}

static bool
same_parents(const struct cedar_row *a, const struct cedar_row *b)
{
	for (int turn = 0; turn < 2; turn++) {
		const struct cedar_row *from = turn == 0 ? a : b, *in = turn == 0 ? b : a;

		for (uint32_t i = 0; i < from->parent_count; i++) {
			bool found = false;

			for (uint32_t j = 0; j < in->parent_count && !found; j++)
				found = cedar_uid_equal(from->parents[i], in->parents[j]);
			if (!found)
				return false;
		}
	}
	return true;
}

static int
drop_twins(struct cedar_entities *entities, struct fault *why)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < entities->count; i++) {
		struct cedar_row *row = &entities->rows[i], *last = &entities->rows[kept > 0 ? kept - 1 : 0];

		if (kept == 0 || !cedar_uid_equal(last->uid, row->uid)) {
			entities->rows[kept++] = *row;
			continue;
		}
		if (!cedar_equal(last->attrs, row->attrs) || !cedar_equal(last->tags, row->tags) ||
		    !same_parents(last, row))
			return fault_set(
			    why, FAULT_CONFLICT, "개체 %.*s::\"%.*s\"이(가) 서로 다르게 두 번 있습니다",
			    "entity %.*s::\"%.*s\" is there twice, and they differ", (int)row->uid->type.size,
			    row->uid->type.data, (int)row->uid->id.size, row->uid->id.data);
	}
	entities->count = kept;
	return 0;
}

/* Buckets by the highest bits of the hash: with as many buckets as rows, one look finds the place. */
static bool
make_buckets(struct cedar_entities *entities)
{
	unsigned bits = 4;
	uint32_t *starts;

	while (bits < 24 && ((uint32_t)1 << bits) < entities->count)
		bits++;
	if ((starts = arena_array(entities->arena, ((size_t)1 << bits) + 1, sizeof *starts)) == NULL)
		return false;
	entities->shift = 32 - bits;
	for (uint32_t bucket = 0, row = 0; bucket <= (uint32_t)1 << bits; bucket++) {
		while (row < entities->count && entities->rows[row].uid->hash >> entities->shift < bucket)
			row++;
		starts[bucket] = row;
	}
	entities->starts = starts;
	return true;
}

static const struct cedar_row *
find_here(const struct cedar_entities *entities, const struct cedar_uid *uid)
{
	uint32_t bucket = uid->hash >> entities->shift;
	size_t low = entities->starts[bucket], high = entities->starts[bucket + 1];

	while (low <
	       high) { /* a bucket is usually one row; a binary search keeps chosen collisions harmless */
		size_t middle = low + (high - low) / 2;
		int order = cedar_uid_order(entities->rows[middle].uid, uid);

		if (order == 0)
			return &entities->rows[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct cedar_row *
cedar_entities_find(const struct cedar_entities *entities, const struct cedar_uid *uid)
{
	for (; entities != NULL; entities = entities->base) {
		const struct cedar_row *row = entities->count > 0 ? find_here(entities, uid) : NULL;

		if (row != NULL)
			return row;
	}
	return NULL;
}

bool
cedar_row_under(const struct cedar_row *row, const struct cedar_uid *ancestor)
{
	size_t low = 0, high = row == NULL ? 0 : row->ancestor_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = cedar_uid_order(row->ancestors[middle], ancestor);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* All parents' ancestors are known: the row's own. */
static int
close_row(struct cedar_entities *entities, struct cedar_row *row, struct fault *why)
{
	const struct cedar_uid **all;
	size_t count = 0, total = 0;

	for (uint32_t i = 0; i < row->parent_count; i++) {
		const struct cedar_row *parent = cedar_entities_find(entities, row->parents[i]);

		total += 1 + (parent != NULL ? parent->ancestor_count : 0);
	}
	if (total == 0)
		return 0;
	if ((all = arena_array(entities->arena, total, sizeof *all)) == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < row->parent_count; i++) {
		const struct cedar_row *parent = cedar_entities_find(entities, row->parents[i]);

		all[count++] = row->parents[i];
		if (parent != NULL && parent->ancestor_count > 0) {
			memcpy(all + count, parent->ancestors, parent->ancestor_count * sizeof *all);
			count += parent->ancestor_count;
		}
	}
	row->ancestor_count = (uint32_t)sort_uids(all, count);
	row->ancestors = all;
	if (cedar_row_under(row, row->uid)) /* through an entity of the base */
		return fault_set(why, FAULT_INVALID, "개체의 상위 관계가 돌고 돕니다: %.*s::\"%.*s\"",
		                 "the parents of an entity form a cycle: %.*s::\"%.*s\"",
		                 (int)row->uid->type.size, row->uid->type.data, (int)row->uid->id.size,
		                 row->uid->id.data);
	return 0;
}

struct climb {
	uint32_t row;
	uint32_t parent; /* the next to look at */
};

/* Depth first with a stack of our own: a long chain of parents must not use up the thread's. */
static int
close_all(struct cedar_entities *entities, struct fault *why)
{
	enum { NEW = 0, OPEN, DONE };
	uint8_t *state = arena_alloc(entities->arena, (size_t)entities->count + 1);
	struct climb *stack = arena_array(entities->arena, (size_t)entities->count + 1, sizeof *stack);

	if (state == NULL || stack == NULL)
		return fault_memory(why);
	for (uint32_t first = 0; first < entities->count; first++) {
		size_t height = 0;

		if (state[first] != NEW)
			continue;
		stack[height++] = (struct climb){first, 0};
		state[first] = OPEN;
		while (height > 0) {
			struct climb *top = &stack[height - 1];
			struct cedar_row *row = &entities->rows[top->row];
			const struct cedar_row *parent;
			uint32_t index;

			if (top->parent == row->parent_count) {
				if (close_row(entities, row, why) == -1)
					return -1;
				state[top->row] = DONE;
				height--;
				continue;
			}
			if ((parent = find_here(entities, row->parents[top->parent++])) == NULL)
				continue;
			index = (uint32_t)(parent - entities->rows);
			if (state[index] == OPEN)
				return fault_set(why, FAULT_INVALID,
				                 "개체의 상위 관계가 돌고 돕니다: %.*s::\"%.*s\"",
				                 "the parents of an entity form a cycle: %.*s::\"%.*s\"",
				                 (int)parent->uid->type.size, parent->uid->type.data,
				                 (int)parent->uid->id.size, parent->uid->id.data);
			if (state[index] == NEW) {
				state[index] = OPEN;
				stack[height++] = (struct climb){index, 0};
			}
		}
	}
	return 0;
}

int
cedar_entities_seal(struct cedar_entities *entities, struct fault *why)
{
	sort_rows(entities->rows, entities->count);
	if (drop_twins(entities, why) == -1)
		return -1;
	if (!make_buckets(entities))
		return fault_memory(why);
	if (close_all(entities, why) == -1)
		return -1;
	entities->sealed = true;
	return 0;
}
