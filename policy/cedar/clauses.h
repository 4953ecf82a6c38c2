/*
 * clauses -- the conditions of a whole set as one list of small tests, in the order in which they are evaluated.
 *
 * A policy holds when each of its clauses does: the parts of `when { a && b }`, and the negated parts of
 * `unless { a || b }`. A clause that compares what a request says with a constant, or two such things, is decided from
 * this list alone, without a walk over the tree; every other clause, and every clause that fails, is the tree's. So
 * evaluation_conditions() stays the definition, and this gives the same outcomes and the same failures.
 */
#ifndef HAECHI_POLICY_CEDAR_CLAUSES_H
#define HAECHI_POLICY_CEDAR_CLAUSES_H

#include "policy/cedar/evaluate.h"

struct cedar_clause {
	const struct cedar_expr *expr; /* the whole, without its negations */
	const struct cedar_expr *left; /* what is compared; NULL: only the tree can tell */
	struct cedar_value constant;   /* … with this, or, when it is CEDAR_NONE, with … */
	uint16_t left_shared;  /* the number of left, or else of the whole, among the shared parts; or 0 */
	uint16_t right_shared; /* … this shared part */
	uint8_t test;          /* enum cedar_op; of a call what it comes to for numbers */
	bool negated;
};

/* What deciding touches of a policy, side by side with the next one's. */
struct cedar_conditions {
	const struct cedar_clause *clauses;
	uint32_t count;
	bool scoped; /* the scope says something */
	bool permit;
};

/* In the set's arena, behind cedar_sharing_make(). false: memory. */
bool cedar_clauses_make(struct cedar_policies *policies);
enum outcome cedar_clauses_outcome(struct evaluation *run, const struct cedar_conditions *conditions);

#endif
