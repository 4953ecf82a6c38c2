#include "gateway/deciding.h"

/* Masking may call for more masking, never for ever: each round must add a kind. */
#define ROUNDS 4

int
deciding_run(const struct policy *policy, struct policy_facts *facts, deciding_mask *mask, void *owner,
             uint32_t *masked_kinds, struct arena *arena, struct decision *out, struct fault *why)
{
	struct decision first;

	*masked_kinds = 0;
	policy_decide(policy, facts, arena, out);
	if (out->access != ACCESS_REDACT)
		return 0;
	first = *out;
	for (unsigned round = 0; out->access == ACCESS_REDACT; round++) {
		const uint32_t wanted = out->duties.redact_kinds & ~*masked_kinds;

		if (wanted == 0 || round == ROUNDS)
			return fault_set(why, FAULT_INTERNAL, "가려도 정책이 만족하지 않습니다",
			                 "masking does not satisfy the policy");
		if (mask != NULL && mask(owner, wanted, why) == -1)
			return -1;
		*masked_kinds |= wanted;
		facts->redacted_kinds = *masked_kinds;
		policy_decide(policy, facts, arena, out);
	}
	if (out->access == ACCESS_PERMIT) {
		facts->redacted_kinds = 0;
		*out = first;
		out->duties.redact_kinds = *masked_kinds;
	}
	return 0;
}
