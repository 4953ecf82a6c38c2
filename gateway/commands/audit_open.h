/* audit_open -- the content of an entry, opened by the running gateway and put with its receipt (audit/opened.h). */
#ifndef HAECHI_GATEWAY_COMMANDS_AUDIT_OPEN_H
#define HAECHI_GATEWAY_COMMANDS_AUDIT_OPEN_H

#include "schema/base/bytes.h"

/* `out` gets the opened receipt. The log has an entry of it before the content leaves the gateway. */
MUST_CHECK int audit_open(struct buffer *out, const char *socket, const char *entry, const char *reason,
                          struct slice receipt, struct fault *why);

#endif
