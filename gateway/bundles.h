/*
 * bundles -- which signed policy bundle is in force, and how another one comes into force.
 *
 * The way is always the same, whoever brings a bundle (operator's command, pull): read, signatures of trusted keys, a revision
 * above every one before, parse, validate, lint, its own tests; then the registry is assessed anew by its rules, the entry in
 * the log, the files on disk, and last the snapshot is exchanged. What fails on the way changes nothing and leaves an entry too.
 *
 *	DIRECTORY/0000000000000007-0123456789abcdef.bundle   was in force once, by revision and digest; the newest ones are kept
 *	DIRECTORY/...import                                  brought in, not activated yet
 *	DIRECTORY/state.json                                 which is active, the highest revision that ever was, those before
 *
 * At the start the active one is verified and compiled again; when that fails the one before it serves on, with an alarm (log,
 * metric, entry), and with none left haechid does not start. While no bundle was ever activated the folders of the configuration
 * are the policy.
 */
#ifndef HAECHI_GATEWAY_BUNDLES_H
#define HAECHI_GATEWAY_BUNDLES_H

#include "policy/policy_bundle.h"
#include "schema/base/json.h"

struct bundles;
struct config;
struct gateway;

/* Make the directory, read the state. */
MUST_CHECK int bundles_open(struct bundles **out, const struct config *config, struct fault *why);
void bundles_close(struct bundles *bundles); /* NULL is fine */

/*
 * The policy of the active bundle: *out is the caller's; NULL when no bundle is active. At the start an unusable one is passed over
 * for the one before (`fall_back`); else its fault is the answer.
 */
MUST_CHECK int bundles_load(struct bundles *bundles, const struct config *config, bool fall_back,
                            struct policy **out, struct fault *why);
/* What bundles_load() had to pass over becomes an entry, once the ledger is open. */
MUST_CHECK int bundles_report(struct gateway *gateway, struct fault *why);

struct bundle_order {
	struct slice archive; /* the bundle, or ... */
	int64_t revision;     /* ... one that is kept; 0: none */
	const char *source;   /* "command", "pull" */
	const char *by;       /* who */
	const char *reason;   /* of a rollback; "" */
	bool allow_rollback;  /* a revision that is not above the highest, by an operator's word */
	bool only_import;     /* bring in, do not activate */
};

/*
 * FAULT_CONFLICT: not above the highest revision, or already active. *result: {"bundle","revision","name","previous",
 * "signers","policies","tests","entry"}. Any thread but a loop's.
 */
MUST_CHECK int bundles_activate(struct gateway *gateway, const struct bundle_order *order, json_t **result,
                                struct fault *why);
/* Is this the bundle in force? What is no bundle is not. */
bool bundles_is_active(struct bundles *bundles, struct slice archive);
/* Back to the one that was in force before, or to `revision` of those kept; needs a reason. */
MUST_CHECK int bundles_rollback(struct gateway *gateway, int64_t revision, const char *by, const char *reason,
                                json_t **result, struct fault *why);
/* Compile it and evaluate it beside the policy in force: gateway/shadow.h. Neither archive nor revision: end it. */
MUST_CHECK int bundles_shadow(struct gateway *gateway, const struct bundle_order *order, json_t **result,
                              struct fault *why);

/* At the start: go on with the candidate that was there before, its counts from nought. What cannot go on is logged. */
void bundles_shadow_resume(struct gateway *gateway);

/* [{"revision","bundle","name","created","state":"active"|"kept"|"imported"|"broken", ...}], newest first. */
MUST_CHECK int bundles_list(struct bundles *bundles, json_t **out, struct fault *why);
/* The bytes of one that is kept or imported; revision 0: the active one. */
MUST_CHECK int bundles_read(struct bundles *bundles, int64_t revision, struct buffer *out, struct fault *why);
/* {"source":"bundle"|"folders","revision","name","created","activated_at","signers","highest","refused"?}; NULL: no memory. */
json_t *bundles_describe(struct bundles *bundles);
/* Revision, highest, activations, refusals, rollbacks, fall-backs, in the text format of Prometheus. */
void bundles_metrics(struct bundles *bundles, struct buffer *out);
/* The path of the active bundle, for commands that replay with it; false: none. No lock: for other processes. */
bool bundles_active_path(const struct config *config, char *path, size_t size);

#endif
