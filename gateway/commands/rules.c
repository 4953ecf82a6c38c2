#include "gateway/commands/rules.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INSTALLED "/usr/local/share/haechi"

/* A source tree: policy/agency, policy/act, schema/haechi.cedarschema. */
static bool
tree_at(const char *root, char agency[PATH_MAX], char act[PATH_MAX], char schema[PATH_MAX])
{
	return snprintf(agency, PATH_MAX, "%s/policy/agency", root) < PATH_MAX &&
	       snprintf(act, PATH_MAX, "%s/policy/act", root) < PATH_MAX &&
	       snprintf(schema, PATH_MAX, "%s/schema/haechi.cedarschema", root) < PATH_MAX &&
	       access(agency, R_OK) == 0 && access(act, R_OK) == 0 && access(schema, R_OK) == 0;
}

/* The folder above the one the program lies in: build/haechi stands in the tree it was built from. */
static bool
program_root(char root[PATH_MAX])
{
	ssize_t size = readlink("/proc/self/exe", root, PATH_MAX - 1);

	if (size <= 0)
		return false;
	root[size] = '\0';
	for (unsigned level = 0; level < 2; level++) {
		char *slash = strrchr(root, '/');

		if (slash == NULL)
			return false;
		*slash = '\0';
	}
	return true;
}

int
command_load_policy(struct policy **out, const char *share, struct fault *why)
{
	char agency[PATH_MAX], act[PATH_MAX], schema[PATH_MAX], root[PATH_MAX];

	if (share == NULL)
		share = getenv("HAECHI_SHARE");
	if (share == NULL &&
	    (tree_at(".", agency, act, schema) || (program_root(root) && tree_at(root, agency, act, schema))))
		return policy_load(out, agency, act, schema, why);
	if (share == NULL)
		share = INSTALLED;
	if (snprintf(agency, PATH_MAX, "%s/agency", share) >= PATH_MAX ||
	    snprintf(act, PATH_MAX, "%s/act", share) >= PATH_MAX ||
	    snprintf(schema, PATH_MAX, "%s/haechi.cedarschema", share) >= PATH_MAX)
		return fault_set(why, FAULT_USAGE, "%s: 경로가 너무 깁니다", "%s: the path is too long",
		                 share);
	return policy_load(out, agency, act, schema, why);
}
