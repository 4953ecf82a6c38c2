/*
 * audit_options -- what was typed behind `haechi audit`, and the parts of that command that have files of their own.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_AUDIT_OPTIONS_H
#define HAECHI_GATEWAY_COMMANDS_AUDIT_OPTIONS_H

#include "audit/filter.h"
#include "audit/verify.h"
#include "gateway/commands/audit_head.h"

struct audit_options {
	struct filter filter;
	uint64_t limit;
	const char *database, *reason, *out, *key, *socket;
	char *configured;        /* by -c; owned */
	struct keyring *keyring; /* NULL: no --vkey */
	struct buffer witness_bytes[VERIFY_WITNESSES];
	struct slice witnesses[VERIFY_WITNESSES];
	size_t witness_count;
	uint64_t older, newer;
	bool open, has_limit, json, csv, ascending, follow, has_older, has_newer;
	const char *argument;  /* ENTRY */
	enum audit_head head;  /* which checkpoint */
	struct quorum *policy; /* NULL: no --policy */
	const char *archives[VERIFY_ARCHIVES];
	size_t archive_count;
	const char *state; /* of verify: the file of earlier runs; NULL: none */
	bool full;         /* of verify: from the first entry, whatever the file says */
};

/* The access entry of what was asked for: before anything is given out. */
MUST_CHECK int audit_access_note(struct database *database, const struct audit_options *options,
                                 const char *action, struct fault *why);

/* Each: -1 with the fault, or an exit status. */
MUST_CHECK int audit_query(struct database *database, const struct audit_options *options, bool tail,
                           struct fault *why);
MUST_CHECK int audit_verify(const struct audit_options *options, struct fault *why);

#endif
