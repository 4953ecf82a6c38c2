/*
 * audit_head -- heads of a log for people: signed, cosigned by k of n, stamped with the time.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_AUDIT_HEAD_H
#define HAECHI_GATEWAY_COMMANDS_AUDIT_HEAD_H

#include "audit/quorum.h"
#include "audit/stored.h"

enum audit_head {
	AUDIT_HEAD_SIGNED = 0, /* the newest */
	AUDIT_HEAD_COSIGNED,
	AUDIT_HEAD_STAMPED,
	AUDIT_HEAD_TIMESTAMP, /* the authority's answer over it: DER */
};

/*
 * What is asked for into *out: the note itself, or JSON with its state. Without JSON the state goes to standard error, for the note
 * is to be kept as it is. `policy` may be NULL: else the head must meet it.
 */
MUST_CHECK int audit_head(struct buffer *out, struct database *database, const struct stored_log *log,
                          enum audit_head which, const struct quorum *policy, bool json, struct fault *why);
/* Does the head of a receipt meet the policy? By the keys the database has of the log. NULL: yes. */
MUST_CHECK int audit_head_insist(struct slice receipt, struct database *database, const struct quorum *policy,
                                 struct fault *why);

#endif
