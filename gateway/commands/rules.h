/*
 * rules -- where the commands find policies, the rules of the Act and the schema.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_RULES_H
#define HAECHI_GATEWAY_COMMANDS_RULES_H

#include <limits.h>

#include "policy/policy.h"

/*
 * Load the snapshot from `share` (a folder with agency/, act/ and haechi.cedarschema as `make install` lays them), else
 * from the environment's HAECHI_SHARE, else from the source tree the program was built in or stands in, else from
 * /usr/local/share/haechi. *out is the caller's, to policy_release().
 */
MUST_CHECK int command_load_policy(struct policy **out, const char *share, struct fault *why);

/* usecase.schema.json from the same places, for its titles; NULL: not there. The caller's. */
json_t *command_usecase_schema(const char *share);

/* Where each part lies, as told on the command line or by haechi.yaml; "": not told. */
struct policy_places {
	char agency[PATH_MAX], act[PATH_MAX], schema[PATH_MAX];
	char bundle[PATH_MAX]; /* a file that stands for all three */
};

/* FAULT_USAGE when the path is too long. */
MUST_CHECK int policy_place(char place[PATH_MAX], const char *path, struct fault *why);
/* -c FILE: what haechi.yaml says, for the places not told yet; the active bundle of its state when none was told. */
MUST_CHECK int policy_places_configured(struct policy_places *places, const char *path, struct fault *why);
/* The usual places for those not told. */
MUST_CHECK int policy_places_complete(struct policy_places *places, struct fault *why);
/* As command_load_policy() with share NULL, for the places not told. */
MUST_CHECK int command_load_policy_from(struct policy **out, const struct policy_places *places,
                                        struct fault *why);

/* A bundle out of a file ("-": standard input), not verified. *out is the caller's, to bundle_close(). */
struct bundle;
MUST_CHECK int command_open_bundle(struct bundle **out, const char *path, struct fault *why);

#endif
