/*
 * deciding -- a decision from its facts, with the masking it may ask for: the gateway does it with a request's texts in
 * hand, `haechi replay` with nothing but the facts an entry recorded. Both must come to the same.
 */
#ifndef HAECHI_GATEWAY_DECIDING_H
#define HAECHI_GATEWAY_DECIDING_H

#include "policy/policy.h"

/* Mask these kinds in the texts. -1: they cannot be, and the request must not go on. */
typedef int deciding_mask(void *owner, uint32_t kinds, struct fault *why);

/*
 * "redact" means: permitted once these kinds are masked. So they are (`mask`, NULL: nothing to do), and the policy is asked
 * again with that as a fact. *out is the decision that took effect: "redact" when masking was enough, with every masked
 * kind in its duties and facts->redacted_kinds 0; else what came of the last asking, with the masked kinds among the facts.
 * facts->redacted_kinds is 0 to begin with; *masked_kinds tells what was masked. -1: the mask's own fault, or
 * FAULT_INTERNAL when masking does not satisfy the policy.
 */
MUST_CHECK int deciding_run(const struct policy *policy, struct policy_facts *facts, deciding_mask *mask,
                            void *owner, uint32_t *masked_kinds, struct arena *arena, struct decision *out,
                            struct fault *why);

#endif
