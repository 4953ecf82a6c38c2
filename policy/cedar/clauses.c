#include "policy/cedar/clauses.h"

/* ---- making --------------------------------------------------------------------------------------------------- */

/* Where clauses go; NULL while they are only counted. */
struct making {
	struct cedar_clause *out;
	size_t count;
};

/* What a call of two numbers of one kind comes to; CEDAR_CALL: none of these. */
static enum cedar_op
comparison_of(enum cedar_function function)
{
	switch (function) {
	case CEDAR_FUNCTION_LESS_THAN:
		return CEDAR_LESS;
	case CEDAR_FUNCTION_LESS_THAN_OR_EQUAL:
		return CEDAR_LESS_EQUAL;
	case CEDAR_FUNCTION_GREATER_THAN:
		return CEDAR_GREATER;
	case CEDAR_FUNCTION_GREATER_THAN_OR_EQUAL:
		return CEDAR_GREATER_EQUAL;
	default:
		return CEDAR_CALL;
	}
}

static struct cedar_clause
clause_of(const struct cedar_expr *expr, bool negated)
{
	struct cedar_clause clause = {.expr = expr, .test = expr->op, .negated = negated};
	const struct cedar_expr *left, *right;

	if (expr->shared != 0) { /* remembered as a whole */
		clause.left_shared = expr->shared;
		return clause;
	}
	switch ((enum cedar_op)expr->op) {
	case CEDAR_EQUAL:
	case CEDAR_NOT_EQUAL:
	case CEDAR_LESS:
	case CEDAR_LESS_EQUAL:
	case CEDAR_GREATER:
	case CEDAR_GREATER_EQUAL:
	case CEDAR_CONTAINS:
		left = expr->as.pair.left;
		right = expr->as.pair.right;
		break;
	case CEDAR_CALL:
		clause.test = (uint8_t)comparison_of(expr->as.list.function);
		if (clause.test == CEDAR_CALL || expr->as.list.count != 2)
			return clause;
		left = expr->as.list.items[0];
		right = expr->as.list.items[1];
		break;
	default:
		return clause;
	}
	if (!right->constant && right->shared == 0)
		return clause;
	clause.left = left;
	clause.left_shared = left->shared;
	clause.right_shared = right->shared;
	if (right->constant)
		clause.constant = right->value;
	return clause;
}

static void
add(struct making *making, const struct cedar_expr *expr, bool negated)
{
	while (expr->op == CEDAR_NOT && expr->shared == 0) {
		expr = expr->as.pair.left;
		negated = !negated;
	}
	if (expr->op == (negated ? CEDAR_OR : CEDAR_AND) && expr->shared == 0) {
		for (uint32_t i = 0; i < expr->as.list.count; i++)
			add(making, expr->as.list.items[i], negated);
		return;
	}
	if (making->out != NULL)
		making->out[making->count] = clause_of(expr, negated);
	making->count++;
}

static void
add_policy(struct making *making, const struct cedar_policy *policy)
{
	for (uint32_t i = 0; i < policy->condition_count; i++)
		add(making, policy->conditions[i].body, policy->conditions[i].unless);
}

bool
cedar_clauses_make(struct cedar_policies *policies)
{
	struct making making = {NULL, 0};
	struct cedar_conditions *conditions =
	    arena_array(policies->arena, (size_t)policies->count + 1, sizeof *conditions);
	struct cedar_clause *clauses;

	for (uint32_t i = 0; i < policies->count; i++)
		add_policy(&making, policies->policies[i]);
	clauses = arena_array(policies->arena, making.count + 1, sizeof *clauses);
	if (conditions == NULL || clauses == NULL)
		return false;
	making = (struct making){clauses, 0};
	for (uint32_t i = 0; i < policies->count; i++) {
		const struct cedar_policy *policy = policies->policies[i];

		conditions[i].clauses = clauses + making.count;
		add_policy(&making, policy);
		conditions[i].count = (uint32_t)(clauses + making.count - conditions[i].clauses);
		conditions[i].permit = policy->effect == CEDAR_PERMIT;
		conditions[i].scoped = policy->principal.kind != CEDAR_SCOPE_ANY ||
		                       policy->action.kind != CEDAR_SCOPE_ANY ||
		                       policy->resource.kind != CEDAR_SCOPE_ANY;
	}
	policies->conditions = conditions;
	return true;
}

/* ---- deciding ------------------------------------------------------------------------------------------------- */

static inline struct cedar_value
operand(struct evaluation *run, uint16_t shared, const struct cedar_expr *expr)
{
	if (shared != 0 && run->shared[shared].kind != CEDAR_NONE)
		return run->shared[shared];
	return evaluation_of(run, expr);
}

/* Two longs, moments, durations or decimals. What is ordered by < is no decimal, and the reverse: see `plain`. */
static bool
ordered(enum cedar_op test, int64_t a, int64_t b)
{
	switch (test) {
	case CEDAR_LESS:
		return a < b;
	case CEDAR_LESS_EQUAL:
		return a <= b;
	case CEDAR_GREATER:
		return a > b;
	default:
		return a >= b;
	}
}

/* Whether values of this kind are what the expression orders. */
static bool
plain(const struct cedar_clause *clause, enum cedar_kind kind)
{
	if (clause->expr->op == CEDAR_CALL)
		return kind == CEDAR_DECIMAL;
	return kind == CEDAR_LONG || kind == CEDAR_DATETIME || kind == CEDAR_DURATION;
}

/* Most values that differ already differ in what is at hand: their kind, or the hash of a string. */
static inline bool
same(struct cedar_value a, struct cedar_value b)
{
	if (a.kind != b.kind || (a.kind == CEDAR_STRING && a.as.string->hash != b.as.string->hash))
		return false;
	return cedar_value_order(a, b) == 0;
}

/* false: the tree must tell. */
static inline bool
decide_here(struct evaluation *run, const struct cedar_clause *clause, bool *holds)
{
	struct cedar_value left = operand(run, clause->left_shared, clause->left), right = clause->constant;

	if (left.kind == CEDAR_NONE)
		return false;
	if (right.kind == CEDAR_NONE)
		right = run->shared[clause->right_shared];
	if (right.kind == CEDAR_NONE)
		return false; /* not asked yet; the tree asks, and remembers */
	switch ((enum cedar_op)clause->test) {
	case CEDAR_EQUAL:
	case CEDAR_NOT_EQUAL:
		*holds = same(left, right) == (clause->test == CEDAR_EQUAL);
		return true;
	case CEDAR_CONTAINS:
		if (left.kind != CEDAR_SET)
			return false;
		*holds = cedar_set_has(left.as.set, right);
		return true;
	default:
		if (left.kind != right.kind || !plain(clause, left.kind))
			return false;
		*holds = ordered((enum cedar_op)clause->test, left.as.number, right.as.number);
		return true;
	}
}

enum outcome
cedar_clauses_outcome(struct evaluation *run, const struct cedar_conditions *conditions)
{
	for (uint32_t i = 0; i < conditions->count; i++) {
		const struct cedar_clause *clause = &conditions->clauses[i];
		struct cedar_value value;
		bool holds;

		if (clause->left == NULL || !decide_here(run, clause, &holds)) {
			value = operand(run, clause->left == NULL ? clause->left_shared : 0, clause->expr);
			if (value.kind != CEDAR_BOOL) {
				evaluation_need_bool(run, clause->expr, value);
				return OUTCOME_FAILED;
			}
			holds = value.as.boolean;
		}
		if (holds == clause->negated)
			return OUTCOME_FALSE;
	}
	return OUTCOME_TRUE;
}
