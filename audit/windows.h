/*
 * windows -- time, cut where the months' tables end: what is asked newest first mostly ends within the newest.
 *
 * To plan a query over every month of five years costs more than to answer it: each month's tables and indexes are looked up. So a
 * page is asked of a few months, then of twice as many, until it is full. Where the cuts are decides speed alone, never the answer:
 * together the windows are all of time, once.
 */
#ifndef HAECHI_AUDIT_WINDOWS_H
#define HAECHI_AUDIT_WINDOWS_H

#include "audit/database.h"
#include "audit/filter.h"

#define WINDOWS_CUTS 1200 /* months */

struct windows {
	bool ascending, ended;
	size_t count, at, step;
	int64_t cuts[WINDOWS_CUTS]; /* where months begin, in the order of reading */
	/* [from, to) of the window that windows_next() went to */
	bool has_from, has_to;
	int64_t from_ms, to_ms;
};

/* Over what the filter's time leaves. */
MUST_CHECK int windows_open(struct windows *out, struct database *database, const struct filter *filter,
                            bool ascending, struct fault *why);
/* The next window, the first one included; false: there was none left. */
bool windows_next(struct windows *windows);

#endif
