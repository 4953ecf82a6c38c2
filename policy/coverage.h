/*
 * coverage -- what tests of policies have shown: which policies were satisfied at least once, and of each clause of their
 * conditions whether it was seen true and seen false.
 *
 * A clause is what && joins in a when or unless (and what || joins in an unless, which is the same seen from behind); an
 * undivided condition is one clause. A clause is seen only where evaluation comes to it: the scope holds and the clauses
 * before it let it pass. Not for the request's way.
 */
#ifndef HAECHI_POLICY_COVERAGE_H
#define HAECHI_POLICY_COVERAGE_H

#include "policy/cedar/cedar.h"

struct coverage;

struct coverage_clause {
	bool unless;
	unsigned line, column; /* 0: it came as JSON */
	const char *text;      /* the clause in one line, as `explain` writes it */
	bool seen_true, seen_false;
};

struct coverage_policy {
	const char *id, *file;
	unsigned line;
	size_t reached;   /* its scope held */
	size_t satisfied; /* it applied */
	struct coverage_clause *clauses;
	size_t clause_count;
};

/* Everything lives in `arena`, which the caller keeps as long. NULL: no memory. */
struct coverage *coverage_new(struct arena *arena);
/* From now on questions to this set count. */
MUST_CHECK int coverage_watch(struct coverage *coverage, const struct cedar_policies *policies,
                              struct fault *why);
/* A question was put to `policies`; sets that are not watched, and NULL, are passed over. */
MUST_CHECK int coverage_add(struct coverage *coverage, const struct cedar_policies *policies,
                            const struct cedar_request *request, const struct cedar_entities *entities,
                            struct arena *scratch, struct fault *why);

size_t coverage_count(const struct coverage *coverage); /* policies, of all sets */
const struct coverage_policy *coverage_at(const struct coverage *coverage, size_t i);

struct coverage_sums {
	size_t policies, satisfied;
	size_t outcomes, seen; /* two outcomes a clause */
};
/* Added to what is there. */
void coverage_sum_one(const struct coverage_policy *policy, struct coverage_sums *sums);
void coverage_sum(const struct coverage *coverage, struct coverage_sums *out);
/* Both kinds together, in whole percent, rounded down; 100 where there is nothing to cover. */
unsigned coverage_percent(const struct coverage_sums *sums);

#endif
