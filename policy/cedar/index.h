/*
 * index -- which policies can apply to a request at all, without looking at each.
 *
 * Every policy that can be is filed under one test that decides it: an entity or a type in its scope, or an equality
 * that its first condition begins with (`context.grade == Grade::"S"`, also `[…].contains(resource.kind)`). When that
 * test fails the policy is false and cannot err, so leaving it out changes neither the decision nor the reasons nor
 * the errors. Of its possible tests a policy is filed under the rarest. What cannot be filed is looked at always.
 */
#ifndef HAECHI_POLICY_CEDAR_INDEX_H
#define HAECHI_POLICY_CEDAR_INDEX_H

#include "policy/cedar/evaluate.h"

/* In the set's arena; NULL: memory. */
const struct cedar_index *cedar_index_make(const struct cedar_policies *policies);
/* Set the bit of every policy that must be evaluated. `bits` holds (count + 63) / 64 words. false: memory. */
bool cedar_index_select(const struct cedar_index *index, struct evaluation *run, uint64_t *bits);

#endif
