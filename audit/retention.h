/*
 * retention -- until when evidence must be kept: the law's periods over the entries themselves. Pure.
 *
 *	entries             five years (AI34: Decree 27(2)), also where only the outcome or the review shows the high impact
 *	of kind access      two years (PIPA 29, standard Art. 8: fifty thousand people, or unique identifiers)
 *	sealed content      what its decision's duties say (retention_days); five years where the verdict is high-impact or open
 *
 * The longest wins: what is kept together goes together. A period counted in years is counted with its leap days.
 */
#ifndef HAECHI_AUDIT_RETENTION_H
#define HAECHI_AUDIT_RETENTION_H

#include "schema/entry.h"

#define RETENTION_EVIDENCE_DAYS 1827
#define RETENTION_ACCESS_DAYS   731

/* Zeroed: nothing to keep. Milliseconds since 1970. */
struct retention {
	int64_t entries_ms, content_ms;
};

/* `bytes`: canonical, as entry_read() read the columns from them. */
void retention_add(struct retention *retention, const struct entry_columns *columns, struct slice bytes);

#endif
