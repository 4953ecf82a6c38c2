/*
 * rules -- where the commands find policies, the rules of the Act and the schema.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_RULES_H
#define HAECHI_GATEWAY_COMMANDS_RULES_H

#include "policy/policy.h"

/*
 * Load the snapshot from `share` (a folder with agency/, act/ and haechi.cedarschema as `make install` lays them), else
 * from the environment's HAECHI_SHARE, else from the source tree the program was built in or stands in, else from
 * /usr/local/share/haechi. *out is the caller's, to policy_release().
 */
MUST_CHECK int command_load_policy(struct policy **out, const char *share, struct fault *why);

#endif
