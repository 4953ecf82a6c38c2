#include "schema/decision.h"

#include <string.h>

/* clang-format off */
static const char *const accesses[] = {
	[ACCESS_DENY] = "deny", [ACCESS_HOLD] = "hold", [ACCESS_REDACT] = "redact", [ACCESS_PERMIT] = "permit",
};
static const char *const labels[] = {
	[LABEL_NONE] = "none", [LABEL_METADATA] = "metadata", [LABEL_NOTICE] = "notice",
};
/* clang-format on */

const char *
access_name(enum access access)
{
	return (unsigned)access < sizeof accesses / sizeof *accesses ? accesses[access] : "deny";
}

bool
access_parse(enum access *access, const char *name)
{
	for (unsigned i = 0; name != NULL && i < sizeof accesses / sizeof *accesses; i++) {
		if (strcmp(accesses[i], name) == 0) {
			*access = (enum access)i;
			return true;
		}
	}
	return false;
}

const char *
label_name(enum label label)
{
	return (unsigned)label < sizeof labels / sizeof *labels ? labels[label] : "notice";
}
