/*
 * recorded -- a decision entry read back: what was decided, and the facts it was decided from (schema/ENTRY.md).
 */
#ifndef HAECHI_GATEWAY_RECORDED_H
#define HAECHI_GATEWAY_RECORDED_H

#include "policy/policy.h"
#include "schema/entry.h"

struct recorded {
	const char *id, *log, *request_id, *of, *ticket; /* "" when absent */
	const char *usecase;                             /* "" when none was registered for the request */
	int64_t usecase_version;
	int64_t review_decisions, review_changed, review_hasty; /* T12 of the assessment; -1 unknown */
	struct oversight_limits review_limits;
	struct subject subject;
	struct policy_facts
	    facts; /* of it: subject; no usecase, verdict as recorded, redacted_kinds as recorded */
	uint32_t found[IDENTIFIER_KINDS];
	enum grade declared;
	struct drift_evidence drift_evidence; /* score 0: none */
	struct decision decision; /* ids and rows of the law, no titles */
	bool assessed;
	struct assessment assessment; /* the same */
	bool by_gateway;              /* denied before any policy was asked: the reason is "gateway.…" */
};

/*
 * The entry's bytes as they are in the log. Everything is copied into the arena; *out must stay where it is, its facts point
 * into it. FAULT_INVALID names the member that is not as ENTRY.md has it.
 */
MUST_CHECK int recorded_read(struct recorded *out, struct slice entry, struct arena *arena,
                             struct fault *why);

#endif
