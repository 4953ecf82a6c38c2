/*
 * verify_inside -- a log being walked (audit/verify.c), and the database around it (audit/verify_database.c). Nobody else's.
 */
#ifndef HAECHI_AUDIT_VERIFY_INSIDE_H
#define HAECHI_AUDIT_VERIFY_INSIDE_H

#include "audit/detached.h"
#include "audit/pager.h"
#include "audit/anchors.h"
#include "audit/verify.h"

/*
 * A head from outside, once the log it is of has been met and its signatures have held. The first of them are the witnesses
 * given, the rest came with archives.
 */
struct kept {
	const struct stored_log *log; /* NULL: not met yet */
	const char *archive;          /* folder; NULL: a witness */
	char origin[NOTE_NAME_SIZE];  /* of an archive's */
	uint64_t size;
	struct tree_hash root;
	bool seen;
};

struct walk {
	const struct verify_options *options;
	struct verify_report *report;
	struct database *stream; /* entries by COPY */
	struct database *side;   /* heads and tiles meanwhile, same snapshot */
	struct keyring *keyring;
	struct arena *arena;
	uint64_t total;
	/* of the log being walked */
	const struct stored_log *log;
	struct tree_frontier frontier;
	struct pager *pager;
	struct anchors *anchors;          /* heads that others confirmed */
	const struct verified_log *since; /* NULL: from the first entry */
	uint64_t covered;                 /* size of the last head that held */
	struct buffer head;               /* that head's note */
	char id[64];                      /* of the entry last read */
	bool doubt;                       /* a computed hash differed from a stored tile since that head */
	unsigned doubt_level;
	uint64_t doubt_index;
	struct kept *kept; /* heads from outside */
	size_t kept_count;
	struct detached *detached;
	bool by_hash;       /* the leaf comes from the stored tile itself */
	struct buffer list; /* scratch */
	int64_t began_ms;
	int64_t earliest_ms; /* of the entries read, the earliest time; INT64_MAX: none was read */
};

/* The answer is "no": remember what, and where. Always 1, "stop walking". What, goes into WHAT() before. */
int verify_broken(struct walk *walk, bool has_index, uint64_t index, const char *id);

#define WHAT(walk) (&(walk)->report->first.what)

/* One log from its first entry to its last: 0 it holds, 1 it does not, -1 it could not be looked at. */
MUST_CHECK int verify_log(struct walk *walk, const struct stored_log *log, struct fault *why);

#endif
