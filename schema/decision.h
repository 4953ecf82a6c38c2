/*
 * decision -- what the policy says of one request: access first, then the duties that come with it.
 * The zero is DENY: memory nobody filled refuses.
 */
#ifndef HAECHI_SCHEMA_DECISION_H
#define HAECHI_SCHEMA_DECISION_H

#include "schema/finding.h"

enum access {
	ACCESS_DENY = 0,
	ACCESS_HOLD,   /* a named person must approve first: Art. 34(1)4 */
	ACCESS_REDACT, /* permitted once the named identifiers are masked */
	ACCESS_PERMIT,
};

const char *access_name(enum access access); /* "deny" "hold" "redact" "permit" */
bool        access_parse(enum access *access, const char *name);

/* How the answer is marked, Art. 31 (law 5.1). Merged restrictively: the higher value wins. */
enum label { LABEL_NONE = 0, LABEL_METADATA, LABEL_NOTICE };

const char *label_name(enum label label); /* "none" "metadata" "notice" */

struct policy_reason {
	const char *id;  /* @id of the policy */
	const char *law; /* @law: rows of the law reference; "" when it has none */
	const char *title_ko, *title_en;
	const char *message_ko, *message_en; /* to the caller; may be "" */
};

struct policy_error {
	const char *policy;
	const char *message; /* English, from the evaluator; holds no request content */
};

struct duties {
	enum label  label;
	bool        notify;         /* Art. 31(1): the channel must show the notice before the first answer */
	uint32_t    retention_days; /* 1826 = five years, Decree 27(2); the longest wins */
	bool        log_full;       /* seal prompt and answer; otherwise commitments only */
	bool        redact_answer;  /* identifiers in the answer are masked too */
	bool        restore_answer; /* who asks may see the values behind tokens; redact_answer is stricter and wins */
	uint32_t    redact_kinds;   /* bit per identifier_kind to mask in the prompt */
	const char *approver_role;  /* of a hold; NULL when none */
	uint32_t    hold_seconds;   /* of a hold: the ticket's life */
};

/* Borrowed from the arena of the exchange, and from the policy snapshot the exchange holds. */
struct decision {
	enum access           access;
	struct policy_reason *reasons; /* policies that determined it */
	size_t                reason_count;
	struct policy_reason *permits; /* satisfied permits, reported also on deny */
	size_t                permit_count;
	struct policy_error  *errors; /* any: the decision is DENY and an alarm is raised */
	size_t                error_count;
	struct duties         duties;
	char                  bundle[65]; /* SHA-256 of the policy bundle, hex */
};

#endif
