/*
 * archive -- a month leaves the database: into a folder that verifies alone (audit/bundle.h, kind archive), and is found again.
 *
 *	export_run(kind archive)    writes the folder, checks it as haechi-verify does, has the log record it
 *	archive_detach()            looks at every byte of the folder again, compares it with what the database holds, has the log
 *	                            record that it goes, and only then drops the month's partitions, in one transaction
 *	archive_list(), archive_entry()    what went where; an entry out of an archive
 *
 * At no moment are an entry's bytes in fewer places than one: the folder is on the disk, checked and recorded before the first
 * row goes. After a crash between any two steps the same command is given again. Hashes stay in the database (its tiles), so
 * that proofs are made as before; `verify` walks over a detached stretch by its leaf hashes, and believes it detached only by
 * the log's own signed word (haechi.archive.receipt).
 */
#ifndef HAECHI_AUDIT_ARCHIVE_H
#define HAECHI_AUDIT_ARCHIVE_H

#include "audit/bundle.h"
#include "audit/stored.h"

#define ARCHIVE_MONTH      8               /* "2026-03" and its zero */
#define ARCHIVE_RUNS_LIMIT (1024 * 1024)   /* stretches of one log in one archive */
#define ARCHIVE_ROWS_LIMIT (256 * 12 * 30) /* of a database */

/* The month (UTC) as a filter; FAULT_USAGE when it is not "2026-03" or not over. */
MUST_CHECK int archive_month(struct filter *out, const char *month, int64_t now_ms, struct fault *why);

/* ---- taking a month out ------------------------------------------------------------------------------------------------ */

/* What the log is told of one log's part; facts of an entry of kind export, action "detach". */
struct archive_facts {
	const char *manifest, *log, *month, *runs; /* runs: selection_runs_digest() */
	uint64_t first, last, entries;
};

struct archive_options {
	struct database *database; /* as the owner of the tables: `haechi db migrate` asks for the same */
	const char *directory;
	const char *place;             /* the folder's name for later; absolute */
	const struct keyring *keyring; /* keys from outside; needed */
	/* Have the log record it, and give the entry's receipt. A failure ends everything before anything went. */
	int (*record)(void *context, const struct archive_facts *facts, struct buffer *receipt,
	              struct fault *why);
	void *context;
};

struct archive_result {
	char month[ARCHIVE_MONTH];
	uint64_t entries, contents;
	size_t logs;
};

/*
 * FAULT_TAMPERED, FAULT_INVALID: the archive does not hold. FAULT_CONFLICT: it is not what the database holds of the month, or the
 * month cannot go yet (the newest tile of a log reaches into it, or its tiles are not all stored).
 */
MUST_CHECK int archive_detach(struct archive_result *out, const struct archive_options *options,
                              struct arena *arena, struct fault *why);

/* ---- what went where ------------------------------------------------------------------------------------------------------ */

struct archive {
	int64_t log_id;
	const char *origin, *month, *manifest, *place, *detached_by;
	int64_t detached_ms;
	uint64_t first, last, entries;
	const struct selection_run *runs;
	size_t run_count;
	struct slice receipt;
};

/* By log, then by first index. Everything is in the arena. *runs false: without the runs and receipts, for people. */
MUST_CHECK int archive_list(struct archive **out, size_t *count, struct database *database, bool runs,
                            struct arena *arena, struct fault *why);
/*
 * Does the log itself say that this stretch was detached? Receipt, its entry's facts, and the row must be one.
 * FAULT_TAMPERED says what is not.
 */
MUST_CHECK int archive_believe(const struct archive *archive, const struct keyring *keyring,
                               struct arena *arena, struct fault *why);
/*
 * The entry `id` out of an archive: of `folders`, or else of the places that the database knows. Its bytes are not proven here:
 * stored_receipt_of() does that against the tree. FAULT_NOT_FOUND, and where it should be when that is known.
 */
MUST_CHECK int archive_entry(struct buffer *bytes, struct stored_log *log, uint64_t *index,
                             struct database *database, const char *id, const char *const *folders,
                             size_t folder_count, struct fault *why);

/* ---- reading a folder ------------------------------------------------------------------------------------------------------ */

/*
 * Its entries in the order of each log, as they lie there: check the folder first (bundle_check()). `seen` returns 1 to go
 * on, 0 to stop, -1 with a fault. `offset` is where the line begins in the log's entries.jsonl.
 */
struct archive_line {
	const char *origin;
	unsigned folder; /* logs/N */
	uint64_t index, offset;
	struct slice bytes;
};
MUST_CHECK int archive_read(const char *directory,
                            int (*seen)(void *context, const struct archive_line *line, struct fault *why),
                            void *context, struct fault *why);

#endif
