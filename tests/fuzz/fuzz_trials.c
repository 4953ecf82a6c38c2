/* Tests of policies are foreign bytes too: a bundle brings them. Whatever they say, each is counted once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/trials.h"

static size_t told_count;

static void
tell(void *owner, const struct trial_told *told)
{
	(void)owner;
	if (told->passed ? told->got == NULL : told->wanted == NULL && told->why == NULL)
		abort();
	told_count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy *policy;
	struct arena *arena;
	struct trials trials = {.tell = tell};
	struct fault why;

	if (policy == NULL &&
	    policy_load(&policy, "policy/agency", "policy/act", "schema/haechi.cedarschema", &why) == -1)
		abort();
	if (size > 16384 || (arena = arena_new((size_t)64 << 20)) == NULL)
		return 0;
	trials.policy = policy;
	told_count = 0;
	if (size % 512 == 0 && trials_cover(&trials, arena, &why) == -1)
		abort();
	if (trials_run(&trials, "fuzz.jsonl", slice_of(data, size), &why) == 0 &&
	    told_count != trials.passed + trials.failed)
		abort();
	arena_free(arena);
	return 0;
}
