/*
 * stampfile -- the time stamp of a log's head, as exports carry it beside their own, later head; pure functions of bytes.
 *
 *	logs/N/stamped      "old " size "\n", the consistency proof from there to the export's head, "\n", the stamped note:
 *	                    the form of the witness protocol's request
 *	logs/N/stamped.tsr  the authority's answer
 */
#ifndef HAECHI_AUDIT_STAMPFILE_H
#define HAECHI_AUDIT_STAMPFILE_H

#include "audit/keyring.h"

struct stampfile {
	uint64_t size;
	int64_t wall_ms;
	char authority[256];
	bool chained; /* held against roots */
};
/*
 * Check one: the note's own signatures, that the head grew from it, that the answer is of this note and, with keyring->roots, whose
 * it is. The policy is not asked for: it is the export's head that must meet it.
 */
MUST_CHECK int stampfile_check(struct stampfile *out, struct slice text, struct slice answer,
                               const struct checkpoint *head, const struct keyring *keyring,
                               struct fault *why);

#endif
