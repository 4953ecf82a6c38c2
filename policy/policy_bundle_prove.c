/* What must hold before a bundle becomes a policy: it parses, validates, lints, and passes the tests it brings. */
#include "policy/policy_bundle.h"

#include <string.h>

#include "policy/trials.h"

int
bundle_policy(struct policy **out, const struct bundle *bundle, struct fault *why)
{
	return policy_load_files(out, bundle->files, bundle->file_count, bundle->digest, why);
}

struct proving {
	const struct bundle *bundle;
	struct fault first; /* the first test that did not pass */
	bool failed;
};

const struct policy_file *
bundle_file_beside(const struct bundle *bundle, const char *file, const char *name)
{
	const char *const slash = strrchr(file, '/');
	const size_t folder = slash == NULL ? 0 : (size_t)(slash + 1 - file);

	for (size_t i = 0; i < bundle->file_count; i++) {
		const char *path = bundle->files[i].path;

		if (strlen(path) > folder && strncmp(path, file, folder) == 0 &&
		    strcmp(path + folder, name) == 0)
			return &bundle->files[i];
	}
	return NULL;
}

static int
read_beside(void *owner, const char *file, const char *name, struct buffer *out, struct fault *why)
{
	const struct policy_file *found = bundle_file_beside(((struct proving *)owner)->bundle, file, name);

	if (found == NULL)
		return fault_set(why, FAULT_NOT_FOUND, "묶음에 없습니다", "not in the bundle");
	buffer_slice(out, found->text);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

static void
tell(void *owner, const struct trial_told *told)
{
	struct proving *proving = owner;

	if (told->passed || proving->failed)
		return;
	proving->failed = true;
	if (told->why != NULL) {
		proving->first = *told->why;
		fault_prefix(&proving->first, "%s #%u %s", "%s #%u %s", told->file, told->number, told->name);
	} else {
		fault_set(&proving->first, FAULT_INVALID, "%s #%u %s: %s이(가) 기대와 다릅니다",
		          "%s #%u %s: %s is not as expected", told->file, told->number, told->name,
		          told->wanted);
	}
}

bool
bundle_is_tests(const char *path)
{
	return strncmp(path, POLICY_FILE_TESTS, strlen(POLICY_FILE_TESTS)) == 0 &&
	       strchr(path + strlen(POLICY_FILE_TESTS), '/') == NULL;
}

static int
run_tests(const struct bundle *bundle, const struct policy *policy, struct bundle_proof *proof,
          struct fault *why)
{
	struct arena *arena = arena_new((size_t)64 << 20);
	struct proving proving = {.bundle = bundle};
	struct trials trials = {.policy = policy, .read = read_beside, .tell = tell, .owner = &proving};
	struct coverage_sums sums = {0};
	int result = -1;

	if (arena == NULL)
		return fault_memory(why);
	if (proof != NULL && trials_cover(&trials, arena, why) == -1)
		goto out;
	for (size_t i = 0; i < bundle->file_count; i++)
		if (bundle_is_tests(bundle->files[i].path) &&
		    trials_run(&trials, bundle->files[i].path, bundle->files[i].text, why) == -1)
			goto out;
	if (trials.failed > 0) {
		*why = proving.first;
		fault_prefix(why, "시험 %zu개 가운데 %zu개가 통과하지 못했습니다",
		             "of %zu tests %zu did not pass", trials.passed + trials.failed, trials.failed);
		why->kind = FAULT_INVALID;
		goto out;
	}
	if (trials.passed == 0) {
		fault_set(why, FAULT_INVALID, "묶음에 시험이 하나도 없습니다 (tests/)",
		          "the bundle has not one test (tests/)");
		goto out;
	}
	if (proof != NULL) {
		coverage_sum(trials.coverage, &sums);
		*proof = (struct bundle_proof){.policies = policy_count(policy),
		                               .tests = trials.passed,
		                               .coverage = coverage_percent(&sums)};
	}
	result = 0;
out:
	arena_free(arena);
	return result;
}

int
bundle_prove(struct policy **out, const struct bundle *bundle, struct bundle_proof *proof, struct fault *why)
{
	if (bundle_policy(out, bundle, why) == -1)
		return -1;
	if (run_tests(bundle, *out, proof, why) == -1) {
		policy_release(*out);
		*out = NULL;
		return -1;
	}
	return 0;
}
