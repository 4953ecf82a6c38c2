/* audit_open -- the content of an entry, opened by the running gateway: put with its receipt (audit/opened.h), or shown. */
#ifndef HAECHI_GATEWAY_COMMANDS_AUDIT_OPEN_H
#define HAECHI_GATEWAY_COMMANDS_AUDIT_OPEN_H

#include "audit/opened.h"
#include "schema/entry.h"

/* What the gateway opened; the log has the entry `access` of it, which was durable before the content left. */
struct audit_opened {
	char part[16]; /* "prompt", "answer" */
	uint8_t salt[OPENED_SALT];
	char access[ENTRY_ID_SIZE];
	struct buffer content; /* the caller's, to audit_opened_free() */
};

/* FAULT_NOT_FOUND: nothing was sealed for it, or it was erased. Without a reason: FAULT_USAGE. */
MUST_CHECK int audit_open_entry(struct audit_opened *out, const char *socket, const char *entry,
                                const char *reason, struct fault *why);
void audit_opened_free(struct audit_opened *opened);
/* `out` gets the opened receipt. */
MUST_CHECK int audit_open(struct buffer *out, const char *socket, const char *entry, const char *reason,
                          struct slice receipt, struct fault *why);

#endif
