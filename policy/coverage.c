#include "policy/coverage.h"

#include "policy/cedar/evaluate.h"
#include "policy/cedar/lexer.h"

#define SETS_LIMIT 80
#define TEXT_LIMIT ((size_t)16 << 10)

struct set {
	const struct cedar_policies *policies;
	struct coverage_policy *items;
	const struct cedar_expr ***clauses; /* of each policy, in the order of its items' clauses */
};

struct coverage {
	struct arena *arena;
	struct set sets[SETS_LIMIT];
	size_t set_count;
};

struct coverage *
coverage_new(struct arena *arena)
{
	struct coverage *coverage = arena_alloc(arena, sizeof *coverage);

	if (coverage != NULL)
		coverage->arena = arena;
	return coverage;
}

/* How many clauses a condition has, and the i-th of them. */
static uint32_t
clauses_of(const struct cedar_condition *condition)
{
	const struct cedar_expr *body = condition->body;

	return body->op == CEDAR_AND || (condition->unless && body->op == CEDAR_OR) ? body->as.list.count : 1;
}

static const struct cedar_expr *
clause_of(const struct cedar_condition *condition, uint32_t i)
{
	const struct cedar_expr *body = condition->body;

	return body->op == CEDAR_AND || (condition->unless && body->op == CEDAR_OR) ? body->as.list.items[i]
	                                                                            : body;
}

static int
prepare(struct coverage *coverage, struct set *set, uint32_t number, struct fault *why)
{
	const struct cedar_policy *policy = set->policies->policies[number];
	struct coverage_policy *item = &set->items[number];
	size_t count = 0;

	item->id = policy->id;
	item->file = policy->source != NULL ? policy->source->name : "";
	if (policy->source != NULL) {
		unsigned column;

		lexer_place(policy->source->text, policy->offset, &item->line, &column);
	}
	for (uint32_t i = 0; i < policy->condition_count; i++)
		count += clauses_of(&policy->conditions[i]);
	item->clause_count = count;
	item->clauses = arena_array(coverage->arena, count + 1, sizeof *item->clauses);
	set->clauses[number] = arena_array(coverage->arena, count + 1, sizeof **set->clauses);
	if (item->clauses == NULL || set->clauses[number] == NULL)
		return fault_memory(why);
	count = 0;
	for (uint32_t i = 0; i < policy->condition_count; i++)
		for (uint32_t j = 0; j < clauses_of(&policy->conditions[i]); j++, count++) {
			const struct cedar_expr *expr = clause_of(&policy->conditions[i], j);
			struct coverage_clause *clause = &item->clauses[count];
			struct buffer text;

			set->clauses[number][count] = expr;
			clause->unless = policy->conditions[i].unless;
			if (policy->source != NULL)
				lexer_place(policy->source->text, expr->offset, &clause->line,
				            &clause->column);
			buffer_init(&text, TEXT_LIMIT);
			cedar_expr_show(&text, expr);
			clause->text = arena_text(coverage->arena, buffer_view(&text));
			buffer_free(&text);
			if (clause->text == NULL)
				return fault_memory(why);
		}
	return 0;
}

int
coverage_watch(struct coverage *coverage, const struct cedar_policies *policies, struct fault *why)
{
	struct set *set = &coverage->sets[coverage->set_count];

	if (coverage->set_count == SETS_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "정책 모음이 %d개를 넘습니다",
		                 "more than %d sets of policies", SETS_LIMIT);
	set->policies = policies;
	set->items = arena_array(coverage->arena, (size_t)policies->count + 1, sizeof *set->items);
	set->clauses = arena_array(coverage->arena, (size_t)policies->count + 1, sizeof *set->clauses);
	if (set->items == NULL || set->clauses == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < policies->count; i++)
		if (prepare(coverage, set, i, why) == -1)
			return -1;
	coverage->set_count++;
	return 0;
}

/* Clauses from left to right, as far as evaluation goes: what decided ends its condition, an error or a no the policy. */
static void
walk(struct set *set, uint32_t number, struct evaluation *run)
{
	const struct cedar_policy *policy = set->policies->policies[number];
	struct coverage_policy *item = &set->items[number];
	size_t first = 0;

	item->reached++;
	for (uint32_t i = 0; i < policy->condition_count; i++) {
		const struct cedar_condition *condition = &policy->conditions[i];
		const uint32_t count = clauses_of(condition);
		const bool chain_of_or = condition->body->op == CEDAR_OR && condition->unless;
		bool value = !chain_of_or;

		for (uint32_t j = 0; j < count && value != chain_of_or; j++) {
			const struct cedar_value got = evaluation_of(run, set->clauses[number][first + j]);

			if (got.kind != CEDAR_BOOL)
				return;
			value = got.as.boolean;
			item->clauses[first + j].seen_true |= value;
			item->clauses[first + j].seen_false |= !value;
		}
		first += count;
		if (value == condition->unless)
			return;
	}
	item->satisfied++;
}

int
coverage_add(struct coverage *coverage, const struct cedar_policies *policies,
             const struct cedar_request *request, const struct cedar_entities *entities,
             struct arena *scratch, struct fault *why)
{
	struct set *set = NULL;
	struct evaluation run;

	for (size_t i = 0; coverage != NULL && i < coverage->set_count && set == NULL; i++)
		if (coverage->sets[i].policies == policies)
			set = &coverage->sets[i];
	if (set == NULL)
		return 0;
	if (evaluation_begin(&run, request, entities, scratch, why) == -1)
		return -1;
	for (uint32_t i = 0; i < policies->count; i++) {
		const struct cedar_policy *policy = policies->policies[i];

		if (evaluation_scope(&run, &policy->principal, CEDAR_PRINCIPAL) &&
		    evaluation_scope(&run, &policy->action, CEDAR_ACTION) &&
		    evaluation_scope(&run, &policy->resource, CEDAR_RESOURCE))
			walk(set, i, &run);
	}
	return arena_ok(scratch) ? 0 : fault_memory(why);
}

size_t
coverage_count(const struct coverage *coverage)
{
	size_t count = 0;

	for (size_t i = 0; i < coverage->set_count; i++)
		count += coverage->sets[i].policies->count;
	return count;
}

const struct coverage_policy *
coverage_at(const struct coverage *coverage, size_t i)
{
	size_t set = 0;

	while (i >= coverage->sets[set].policies->count)
		i -= coverage->sets[set++].policies->count;
	return &coverage->sets[set].items[i];
}

void
coverage_sum_one(const struct coverage_policy *policy, struct coverage_sums *sums)
{
	sums->policies++;
	sums->satisfied += policy->satisfied > 0;
	for (size_t i = 0; i < policy->clause_count; i++) {
		sums->outcomes += 2;
		sums->seen += policy->clauses[i].seen_true;
		sums->seen += policy->clauses[i].seen_false;
	}
}

void
coverage_sum(const struct coverage *coverage, struct coverage_sums *out)
{
	*out = (struct coverage_sums){0};
	for (size_t i = 0; i < coverage_count(coverage); i++)
		coverage_sum_one(coverage_at(coverage, i), out);
}

unsigned
coverage_percent(const struct coverage_sums *sums)
{
	const size_t all = sums->policies + sums->outcomes;

	return all == 0 ? 100 : (unsigned)(100 * (sums->satisfied + sums->seen) / all);
}
