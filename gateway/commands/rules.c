#include "gateway/commands/rules.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/bundles.h"
#include "gateway/config.h"
#include "policy/policy_bundle.h"

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

static int
places_find(struct policy_places *places, const char *share, struct fault *why)
{
	char root[PATH_MAX];

	if (share == NULL)
		share = getenv("HAECHI_SHARE");
	if (share == NULL &&
	    (tree_at(".", places->agency, places->act, places->schema) ||
	     (program_root(root) && tree_at(root, places->agency, places->act, places->schema))))
		return 0;
	if (share == NULL)
		share = INSTALLED;
	if (snprintf(places->agency, PATH_MAX, "%s/agency", share) >= PATH_MAX ||
	    snprintf(places->act, PATH_MAX, "%s/act", share) >= PATH_MAX ||
	    snprintf(places->schema, PATH_MAX, "%s/haechi.cedarschema", share) >= PATH_MAX)
		return fault_set(why, FAULT_USAGE, "%s: 경로가 너무 깁니다", "%s: the path is too long",
		                 share);
	return 0;
}

int
command_load_policy(struct policy **out, const char *share, struct fault *why)
{
	struct policy_places places;

	return places_find(&places, share, why) == -1
	           ? -1
	           : policy_load(out, places.agency, places.act, places.schema, why);
}

json_t *
command_usecase_schema(const char *share)
{
	struct policy_places places;
	struct fault why;
	char path[PATH_MAX + 32];
	char *slash;

	if (places_find(&places, share, &why) == -1 || (slash = strrchr(places.schema, '/')) == NULL)
		return NULL;
	*slash = '\0';
	snprintf(path, sizeof path, "%s/usecase.schema.json", places.schema);
	return json_read_file(path, (size_t)1 << 20, &why);
}

int
policy_place(char place[PATH_MAX], const char *path, struct fault *why)
{
	if (snprintf(place, PATH_MAX, "%s", path) >= PATH_MAX)
		return fault_set(why, FAULT_USAGE, "%s: 경로가 너무 깁니다", "%s: the path is too long",
		                 path);
	return 0;
}

int
policy_places_configured(struct policy_places *places, const char *path, struct fault *why)
{
	struct config *config;
	int result = 0;

	if (config_load(&config, path, NULL, why) == -1)
		return -1;
	/* The bundle in force, unless folders were told. */
	if (places->agency[0] == '\0' && places->act[0] == '\0' && places->schema[0] == '\0' &&
	    places->bundle[0] == '\0' && !bundles_active_path(config, places->bundle, sizeof places->bundle))
		places->bundle[0] = '\0';
	if (places->agency[0] == '\0' && config->policy.agency != NULL)
		result = policy_place(places->agency, config->policy.agency, why);
	if (result == 0 && places->act[0] == '\0' && config->policy.act != NULL)
		result = policy_place(places->act, config->policy.act, why);
	if (result == 0 && places->schema[0] == '\0' && config->policy.schema != NULL)
		result = policy_place(places->schema, config->policy.schema, why);
	config_release(config);
	return result;
}

int
command_open_bundle(struct bundle **out, const char *path, struct fault *why)
{
	struct buffer bytes;
	int result = -1;

	*out = NULL;
	buffer_init(&bytes, BUNDLE_SIZE_LIMIT);
	if (file_read(&bytes, path, BUNDLE_SIZE_LIMIT, why) == 0 &&
	    (result = bundle_open(out, buffer_view(&bytes), why)) == -1)
		fault_prefix(why, "%s", "%s", path);
	buffer_free(&bytes);
	return result;
}

int
policy_places_complete(struct policy_places *places, struct fault *why)
{
	struct policy_places found;

	if (places_find(&found, NULL, why) == -1)
		return -1;
	if (places->agency[0] == '\0')
		memcpy(places->agency, found.agency, sizeof places->agency);
	if (places->act[0] == '\0')
		memcpy(places->act, found.act, sizeof places->act);
	if (places->schema[0] == '\0')
		memcpy(places->schema, found.schema, sizeof places->schema);
	return 0;
}

int
command_load_policy_from(struct policy **out, const struct policy_places *places, struct fault *why)
{
	struct policy_places whole;

	if (places->bundle[0] != '\0') {
		struct bundle *bundle;
		int result;

		if (command_open_bundle(&bundle, places->bundle, why) == -1)
			return -1;
		result = bundle_policy(out, bundle, why);
		bundle_close(bundle);
		return result;
	}
	whole = *places;
	if (policy_places_complete(&whole, why) == -1)
		return -1;
	return policy_load(out, whole.agency, whole.act, whole.schema, why);
}
