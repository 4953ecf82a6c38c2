#include "policy/cedar/clauses.h"
#include "policy/cedar/index.h"
#include "policy/cedar/lexer.h"

#include <string.h>

#define STACK_WORDS 64 /* bits of 4,096 policies: beyond that the arena lends */

struct list {
	uint32_t *items;
	size_t count;
	size_t capacity;
};

static bool
append(struct arena *arena, struct list *list, uint32_t policy)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity == 0 ? 8 : 2 * list->capacity;
		uint32_t *items = arena_array(arena, capacity, sizeof *items);

		if (items == NULL)
			return false;
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = policy;
	return true;
}

struct errors {
	struct cedar_error *items;
	size_t count;
	size_t capacity;
};

static bool
append_error(struct evaluation *run, struct errors *errors, const struct cedar_policy *policy,
             uint32_t number)
{
	struct cedar_error *error;

	if (errors->count == errors->capacity) {
		size_t capacity = errors->capacity == 0 ? 4 : 2 * errors->capacity;
		struct cedar_error *items = arena_array(run->arena, capacity, sizeof *items);

		if (items == NULL)
			return false;
		if (errors->count > 0)
			memcpy(items, errors->items, errors->count * sizeof *items);
		errors->items = items;
		errors->capacity = capacity;
	}
	error = &errors->items[errors->count++];
	*error = (struct cedar_error){.policy = number, .failure = run->failure};
	if (policy->source != NULL)
		lexer_place(policy->source->text, run->at->offset, &error->line, &error->column);
	return evaluation_tell(run, &error->ko, &error->en);
}

int
cedar_authorize(const struct cedar_policies *policies, const struct cedar_request *request,
                const struct cedar_entities *entities, struct arena *arena, struct cedar_result *result,
                struct fault *why)
{
	struct evaluation run;
	struct list permits = {NULL, 0, 0}, forbids = {NULL, 0, 0};
	struct errors errors = {NULL, 0, 0};
	uint64_t few[STACK_WORDS], *bits = few;
	uint32_t words = (policies->count + 63) / 64;

	memset(result, 0, sizeof *result);
	if (evaluation_begin(&run, request, entities, arena, why) == -1)
		return -1;
	if ((run.shared = arena_array(arena, policies->shared_count, sizeof *run.shared)) == NULL)
		return fault_memory(why);
	if (words > STACK_WORDS && (bits = arena_array(arena, words, sizeof *bits)) == NULL)
		return fault_memory(why);
	if (!cedar_index_select(policies->index, &run, bits))
		return fault_memory(why);
	for (uint32_t word = 0; word < words; word++) {
		for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
			uint32_t number = word * 64 + (uint32_t)__builtin_ctzll(left);
			const struct cedar_conditions *conditions = &policies->conditions[number];
			bool kept = true;

			if (conditions->scoped && !evaluation_scopes(&run, policies->policies[number]))
				continue;
			switch (cedar_clauses_outcome(&run, conditions)) {
			case OUTCOME_FALSE:
				break;
			case OUTCOME_TRUE:
				kept = append(arena, conditions->permit ? &permits : &forbids, number);
				break;
			case OUTCOME_FAILED:
				kept = run.failure != CEDAR_FAILURE_MEMORY &&
				       append_error(&run, &errors, policies->policies[number], number);
				break;
			}
			if (!kept)
				return fault_memory(why);
		}
	}
	if (!arena_ok(arena))
		return fault_memory(why);
	result->permits = permits.items;
	result->permit_count = permits.count;
	result->forbids = forbids.items;
	result->forbid_count = forbids.count;
	result->errors = errors.items;
	result->error_count = errors.count;
	result->decision = forbids.count == 0 && permits.count > 0 ? CEDAR_ALLOW : CEDAR_DENY;
	result->determining = forbids.count > 0 ? forbids.items : permits.items;
	result->determining_count = forbids.count > 0 ? forbids.count : permits.count;
	return 0;
}
