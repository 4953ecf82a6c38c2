/*
 * snapshot -- what a loaded policy set is made of; for the policy wing only (policy.h is the door).
 */
#ifndef HAECHI_POLICY_SNAPSHOT_H
#define HAECHI_POLICY_SNAPSHOT_H

#include <stdatomic.h>

#include "policy/cedar/cedar.h"
#include "policy/policy.h"

enum remedy { REMEDY_NONE = 0, REMEDY_HOLD, REMEDY_REDACT };

/* A policy's annotations, read once when it is loaded. Strings are the set's. */
struct meaning {
	struct policy_reason reason;
	enum remedy remedy;
	bool redact_found;    /* @redact("*"): whatever was found */
	struct duties duties; /* of a duty: what it asks; of a forbid: redact_kinds, approver, hold */
};

/* The rules that came into force on one day; an id of an earlier day is replaced. */
struct layer {
	char date[11]; /* "2026-01-22" */
	struct cedar_policies *policies;
};

#define LAYERS_LIMIT 64

struct policy {
	atomic_uint holds;
	struct cedar_schema *schema;
	struct cedar_policies *agency;
	struct meaning *meanings;          /* by policy number of `agency` */
	struct layer layers[LAYERS_LIMIT]; /* ascending by date */
	size_t layer_count;
	struct arena *arena; /* of `actions` */
	struct cedar_entities *actions;
	char bundle[65];
};

/* What the annotations of one policy mean; words that annotations_check() would refuse mean nothing. */
void meaning_read(struct meaning *out, const struct cedar_policies *policies, uint32_t number);

struct coverage; /* coverage.h; NULL: not wanted */

/* policy_assess() and policy_decide(), with every question counted. */
MUST_CHECK int assess_covered(const struct policy *policy, const struct usecase *usecase, const char *as_of,
                              struct coverage *coverage, struct arena *arena, struct assessment *out,
                              struct fault *why);
void decide_covered(const struct policy *policy, const struct policy_facts *facts, struct coverage *coverage,
                    struct arena *arena, struct decision *out);
/*
 * The same decision of a request that is in Cedar's own words: access of its action, then the duties of Action::"duty". Masking
 * adds to context.redacted where there is such a set of identifiers; where there is none a redaction is taken to help.
 */
struct asked {
	const struct cedar_policies *policies;
	const struct meaning *meanings; /* by policy number */
	const struct cedar_request *request;
	const struct cedar_entities *entities;
};
void decide_asked(const struct asked *asked, struct coverage *coverage, struct arena *arena,
                  struct decision *out);

#endif
