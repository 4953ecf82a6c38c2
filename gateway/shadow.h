/*
 * shadow -- a candidate policy evaluated beside the one in force: what it would have decided otherwise is counted, logged
 * without content, and told in the decision's entry; the answer never knows of it.
 *
 * Costs one comparison with NULL while there is no candidate. The candidate decides in memory of its own, from the same facts; it
 * assesses the use case by its own rules of the Act. Its errors are counted, nothing else.
 */
#ifndef HAECHI_GATEWAY_SHADOW_H
#define HAECHI_GATEWAY_SHADOW_H

#include "policy/policy.h"
#include "schema/base/json.h"
#include "schema/entry.h"

struct exchange;
struct metrics;
struct shadow; /* a candidate with its counts; counted by itself */

/* Takes the policy over, also on failure. */
MUST_CHECK int shadow_new(struct shadow **out, struct policy *policy, int64_t revision, const char *name,
                          struct fault *why);
struct shadow *shadow_hold(struct shadow *shadow);
void shadow_release(struct shadow *shadow); /* NULL is fine */
const char *shadow_bundle(const struct shadow *shadow);

/* What one loop keeps for it. */
struct shadow_bench;
void shadow_bench_free(struct shadow_bench *bench); /* NULL is fine */

/*
 * `facts` are those the decision began with, `decision` is what took effect. *out, from the arena of the exchange, is for the
 * entry: NULL when nothing differs. `bench` is made at the first call.
 */
void shadow_compare(struct shadow *shadow, struct shadow_bench **bench, struct exchange *x,
                    const struct policy_facts *facts, const struct decision *decision,
                    struct metrics *metrics, const struct entry_shadow **out);

/* {"bundle","revision","name","since","decisions","differences","errors","by":{"permit->deny":n},"recent":[...]} */
json_t *shadow_describe(struct shadow *shadow);

#endif
