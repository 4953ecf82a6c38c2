/*
 * stored -- a log as PostgreSQL keeps it: which logs there are, their newest heads, the nodes of their trees.
 *
 * Nodes come out of full tiles; what no tile holds (the right edge, or a tile that was never shipped) is computed from the
 * tiles below it and, at the bottom, from the entries. So a proof costs the logarithm of the log. Nothing read here is
 * trusted: whoever makes a proof of it checks the proof against a signed head.
 */
#ifndef HAECHI_AUDIT_STORED_H
#define HAECHI_AUDIT_STORED_H

#include "audit/database.h"
#include "audit/keyring.h"
#include "audit/tree.h"

#define STORED_ORIGIN_SIZE NOTE_NAME_SIZE
#define STORED_LOGS        256 /* logs of a database */

struct stored_log {
	int64_t log_id;
	char origin[STORED_ORIGIN_SIZE];
};

/* All logs by number; *count at most STORED_LOGS. */
MUST_CHECK int stored_logs(struct stored_log logs[STORED_LOGS], size_t *count, struct database *database,
                           struct fault *why);
/* The keys the database has of a log, as vkey lines: convenient, not trustworthy. */
MUST_CHECK int stored_keys(struct buffer *out, struct database *database, int64_t log_id, struct fault *why);
/* The newest checkpoint's note and size. FAULT_NOT_FOUND: none yet. */
MUST_CHECK int stored_head(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
                           struct fault *why);
/* Where the entry `id` is. `bytes` gets its exact bytes. FAULT_NOT_FOUND: not in the database, or not the caller's to see. */
MUST_CHECK int stored_entry(struct buffer *bytes, struct stored_log *log, uint64_t *index,
                            struct database *database, const char *id, struct fault *why);

struct stored_tree;

/* The tree of the first `size` leaves. The database is borrowed and may be used in between. */
MUST_CHECK int stored_tree_open(struct stored_tree **out, struct database *database, int64_t log_id,
                                uint64_t size, struct fault *why);
void stored_tree_close(struct stored_tree *tree); /* NULL is fine */
struct tree_reader stored_tree_reader(struct stored_tree *tree);

/*
 * A receipt of the entry `id` under the newest head that witnesses cosigned, or the log's newest where none covers it, checked against itself before it is given out (not against keys).
 * FAULT_BUSY: no head covers the entry yet. FAULT_TAMPERED: the stored tree contradicts the stored head.
 */
MUST_CHECK int stored_receipt(struct buffer *receipt, struct database *database, const char *id,
                              struct fault *why);
/* The same of an entry whose bytes come from elsewhere, an archive: entry `index` of the log, or FAULT_TAMPERED. */
MUST_CHECK int stored_receipt_of(struct buffer *receipt, struct database *database,
                                 const struct stored_log *log, uint64_t index, struct slice entry,
                                 struct fault *why);

#endif
