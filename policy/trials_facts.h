/*
 * trials_facts -- a test's facts as the gateway would have them; what trials.c and it share.
 */
#ifndef HAECHI_POLICY_TRIALS_FACTS_H
#define HAECHI_POLICY_TRIALS_FACTS_H

#include "policy/policy.h"
#include "schema/base/json.h"

#define TRIAL_ROLES 8

struct trial_facts { /* `facts` points to what lies beside it */
	struct policy_facts facts;
	struct subject subject;
	struct usecase usecase;
	const char *models[1], *roles[TRIAL_ROLES];
};

MUST_CHECK int trial_facts_make(struct trial_facts *out, json_t *json, struct fault *why);
/* Names of identifiers as bits; false: not a list of such. */
bool trial_kinds(const json_t *list, uint32_t *kinds);
const char *trial_text(const json_t *object, const char *name, const char *fallback);
/* -1: a member nobody knows must not pass for an expectation. */
int trial_unknown(const char *member, struct fault *why);

#endif
