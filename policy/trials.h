/*
 * trials -- tests of policies as data: what `haechi policy test` runs and what a bundle brings along. For all of them nothing is
 * known but the policies and the tests' own bytes: no clock, no network, so that they pass everywhere or nowhere.
 *
 * A file is a JSON array of tests, or a test a line. Unknown members are refused: a misspelt expectation must not pass. Three
 * forms, known by a member each:
 *
 *   request   Cedar's run-tests: {"name","request","entities"?,"decision"?,"reason"?,"num_errors"?} and, beyond Cedar,
 *             "outcome" ("permit" "hold" "redact" "deny") and "duties" (names of @duty, or an object as in a decision entry).
 *             request and entities may name a file beside this one.
 *   facts     what the gateway decides from: {"name","facts":{...},"access","reasons"?,"permits"?,"redact"?,"label"?, ...}
 *   usecase   a registered use and what the Act says of it: {"fixture","usecase":{...},"verdict","rules"?,"as_of"?}
 */
#ifndef HAECHI_POLICY_TRIALS_H
#define HAECHI_POLICY_TRIALS_H

#include "policy/cedar/cedar.h"
#include "policy/coverage.h"
#include "policy/policy.h"

#define TRIALS_FILE_LIMIT ((size_t)16 << 20)

struct trial_told {
	const char *file;
	unsigned number; /* from 1 */
	const char *name;
	bool passed;
	const char *got;         /* what came of it, JSON; NULL when it could not be asked */
	const char *wanted;      /* the first expectation that was not met, by its member; NULL */
	const struct fault *why; /* of what could not be asked; NULL */
};

struct trials {
	/* either a whole snapshot, or policies alone: then only the form `request` can be run */
	const struct policy *policy;
	const struct cedar_policies *policies;
	const struct cedar_schema *schema;     /* or NULL */
	const struct cedar_entities *entities; /* of tests that bring none; or NULL */
	bool no_request_check;
	struct coverage *coverage; /* or NULL */
	/* The bytes of a file beside `file`, into *out; NULL: naming files is refused. */
	int (*read)(void *owner, const char *file, const char *name, struct buffer *out, struct fault *why);
	void (*tell)(void *owner, const struct trial_told *told); /* each test; NULL: nobody listens */
	void *owner;
	size_t passed, failed; /* counted up */
};

/* -1: `text` is no file of tests, or memory; a test that fails or cannot be asked is counted and told. */
MUST_CHECK int trials_run(struct trials *trials, const char *file, struct slice text, struct fault *why);
/*
 * What the gateway would make of a request in Cedar's words: access, reasons, satisfied permits, merged duties. Ids and titles
 * borrow from `policies`, the rest from the arena.
 */
MUST_CHECK int trial_outcome(const struct cedar_policies *policies, const struct cedar_request *request,
                             const struct cedar_entities *entities, struct arena *arena, struct decision *out,
                             struct fault *why);
/* Put the sets of the policies under test under watch. */
MUST_CHECK int trials_cover(struct trials *trials, struct arena *arena, struct fault *why);

#endif
