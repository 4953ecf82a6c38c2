/*
 * selection -- many entries of one log proven at once, in constant memory: the proof of an export or a report.
 *
 * The tree of `size` leaves is walked from the left as RFC 6962 defines it. A part without selected leaves is one hash, a selected
 * leaf is the next entry of the export, everything else is computed. So the file is small (a contiguous range costs
 * O(log n) hashes), and a reader sees which indices were selected: leaves between them are visibly left out.
 *
 *	haechi-selection/1
 *	run 5 3            entries 5, 6, 7 are selected; said as soon as the walk must know it
 *	hash BASE64        the next part without selected leaves
 *	run 12 1           follows as soon as leaf 7 was taken
 *	hash ...
 *	end                no more runs; the rest are hashes
 *	hash ...
 *
 * Pure but for the callbacks.
 */
#ifndef HAECHI_AUDIT_SELECTION_H
#define HAECHI_AUDIT_SELECTION_H

#include "audit/tree.h"

#define SELECTION_LINE_LIMIT 128 /* bytes of a line */

struct selection_run {
	uint64_t first, count; /* count >= 1; ascending, not touching */
};

/* `write` gets whole lines. */
MUST_CHECK int selection_write(const struct selection_run *runs, size_t run_count, uint64_t size,
                               const struct tree_reader *reader,
                               int (*write)(void *context, struct slice line, struct fault *why),
                               void *context, struct fault *why);

struct selection_source {
	/* The next line without its newline; -1 with the fault at the end of the file or over the limit. */
	int (*line)(void *context, struct slice *out, struct fault *why);
	/* The leaf hash of the entry that is selected next: `index` is what it must be. */
	int (*leaf)(void *context, uint64_t index, struct tree_hash *out, struct fault *why);
	void *context;
};

struct selection {
	uint64_t entries;     /* selected */
	uint64_t first, last; /* indices; meaningless when entries == 0 */
	uint64_t left_out;    /* leaves between first and last that are not selected */
	char runs[65];        /* digest of which they are: selection_runs_digest() */
};

/* SHA-256 over the lines "run FIRST COUNT" of all runs, hex. */
void selection_runs_digest(char out[65], const struct selection_run *runs, size_t run_count);

/* The root of the tree of `size` leaves as the file and the entries give it. FAULT_INVALID: not such a file. */
MUST_CHECK int selection_root(struct tree_hash *root, struct selection *out, uint64_t size,
                              const struct selection_source *source, struct fault *why);

#endif
