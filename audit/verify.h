/*
 * verify -- recompute all evidence from its stored bytes and name the first thing that does not hold.
 *
 * Of every log: indices without gaps, every entry canonical and of this log, every column as the bytes say, every stored head's
 * root and signatures, every stored tile, heads kept outside. Months that were detached (audit/archive.h) are walked over by
 * their leaf hashes, when the log itself says that it let them go; archives that are given are looked at byte by byte, and must
 * be of this very history. Of the database: no rows of unknown logs, no sealed content without its entry. One pass, by COPY, in
 * memory that does not grow with the log; everything in one snapshot, so that a running log is no trouble.
 *
 * Going on from an earlier run (audit/verified.h): each log from the head that held then. That head must be signed, and be proven a
 * prefix of the log as it is now; entries, heads, tiles and sealed contents before it are not read again, and the report says so.
 *
 * What it cannot know: what is still in the journal and not yet shipped; without a key file from outside, whether database and
 * keys were replaced together; without a head from outside, whether everything was rolled back to an earlier state; what the
 * entries of an archive say that is not given (that they are the signed ones would show).
 */
#ifndef HAECHI_AUDIT_VERIFY_H
#define HAECHI_AUDIT_VERIFY_H

#include "audit/database.h"
#include "audit/keyring.h"
#include "audit/stored.h"
#include "audit/verified.h"

#define VERIFY_WITNESSES 16
#define VERIFY_ARCHIVES  512

struct verify_options {
	const struct keyring *keyring; /* from outside; NULL: the keys the database has */
	const struct slice *witnesses; /* checkpoint notes kept outside */
	size_t witness_count;          /* at most VERIFY_WITNESSES */
	const char *const *archives;   /* folders */
	size_t archive_count;          /* at most VERIFY_ARCHIVES */
	const struct verified *since;  /* an earlier run to go on from; NULL: everything */
	struct verified
	    *reached; /* NULL, or empty: filled with what held; of use only when nothing is broken */
	/* May be NULL: called now and then, from the same thread. total is an estimate. */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	void *context;
};

struct verify_report {
	uint64_t logs, entries, heads, tiles, contents; /* checked */
	uint64_t confirmed;                             /* heads that were cosigned or stamped */
	uint64_t bytes;                                 /* of entries */
	uint64_t earlier; /* entries that an earlier run read, and this one did not */
	uint64_t detached,
	    unseen;        /* entries by their hashes alone; of these, in archives that were not given */
	uint64_t archives; /* given, and looked at */
	bool outside_keys, outside_heads;
	bool broken;
	struct {                                 /* when broken: the first thing that does not hold */
		char origin[STORED_ORIGIN_SIZE]; /* "" when it is not of one log */
		bool has_index;
		uint64_t index;
		char id[64]; /* "" unknown */
		struct fault what;
	} first;
};

/*
 * Opens two connections of its own. 0: it ran, report->broken is the answer. -1: it could not: FAULT_FORBIDDEN when the login does
 * not see every row, for then a gap would mean nothing.
 */
MUST_CHECK int verify_database(struct verify_report *report, const char *conninfo,
                               const struct verify_options *options, struct fault *why);

#endif
