/*
 * journal -- the directory of segments: one writer, locked; appended in whole batches; read back in order.
 *
 *	directory/lock                            flock()ed by the daemon, holds its pid
 *	directory/00000000000000000000.segment    named by the index of its first entry
 *
 * A batch is on disk when journal_sync() has returned 0. The first failed write or sync is final for this
 * struct: the kernel may have dropped what it could not write, so nothing is tried again; open the journal
 * anew, which reads everything back from the disk. Formats are in audit/segment.h.
 */
#ifndef HAECHI_AUDIT_JOURNAL_H
#define HAECHI_AUDIT_JOURNAL_H

#include "audit/segment.h"

/* ---- writing: one thread ------------------------------------------------------------------------------- */

struct journal;

/* Who is shown the journal while it is opened. All return 0, or -1 with the reason to refuse. */
struct journal_visitor {
	int (*base)(void *context, const struct tree_frontier *base,
	            struct fault *why); /* before the oldest batch */
	int (*batch)(void *context, const struct segment_batch *batch, const struct tree_frontier *after,
	             struct fault *why);
	/*
	 * What follows `whole` is broken and would be cut as an interrupted write: is that all that was
	 * promised?
	 */
	int (*torn)(void *context, const struct tree_frontier *whole, struct fault *why);
	void *context;
};

/*
 * Lock the directory (made when absent), force to the disk what the last segment holds, drop it from the
 * cache, read every batch back, check chain and roots, cut a torn tail at the last whole batch.
 * FAULT_CONFLICT: another daemon has the lock. FAULT_TAMPERED: something behind the damage is whole, so it
 * was no torn tail. *frontier: the tree of all batches.
 */
MUST_CHECK int journal_open(struct journal **out, const char *directory, const char *origin,
                            uint32_t segment_bytes, const struct journal_visitor *visitor,
                            struct tree_frontier *frontier, struct fault *why);
void journal_close(struct journal *journal); /* NULL is fine */
/* The digest the next batch carries as `previous`. */
const struct segment_digest *journal_chain(const struct journal *journal);
/*
 * Append a batch written by segment_end(); `before` is the tree in front of it, for the head of a new
 * segment.
 */
MUST_CHECK int journal_write(struct journal *journal, struct slice batch, const struct segment_digest *digest,
                             const struct tree_frontier *before, struct fault *why);
/* One fdatasync, and a look whether segment and directory are still what their names say. */
MUST_CHECK int journal_sync(struct journal *journal, struct fault *why);
/* Bytes free in the file system for an unprivileged writer; UINT64_MAX when that cannot be told. */
uint64_t journal_free(const struct journal *journal);

/* ---- reading what is known to be durable: any thread, beside the writer -------------------------------- */

struct journal_reader;

struct journal_reader *journal_reader_new(const char *directory, const char *origin); /* NULL: no memory */
void journal_reader_free(struct journal_reader *reader);                              /* NULL is fine */
/*
 * Stand before the batch that begins at `index`; *frontier is the tree there. Nothing at or behind `limit` is
 * read. FAULT_NOT_FOUND: older than the oldest segment, whose first index is *oldest. FAULT_TAMPERED: no
 * batch begins there.
 */
MUST_CHECK int journal_reader_seek(struct journal_reader *reader, uint64_t index, uint64_t limit,
                                   struct tree_frontier *frontier, uint64_t *oldest, struct fault *why);
/* The next batch, which the caller knows to be there. It borrows from the reader until the next call. */
MUST_CHECK int journal_reader_next(struct journal_reader *reader, struct segment_batch *out,
                                   struct fault *why);

/*
 * Remove segments that hold nothing at or behind `index`; the newest always stays. `before`, when not NULL,
 * is called ahead of the first removal and may refuse it.
 */
MUST_CHECK int journal_trim(const char *directory, uint64_t index,
                            int (*before)(void *context, struct fault *why), void *context,
                            struct fault *why);
/* First indexes of the segments, ascending; *list is the caller's to free(). */
MUST_CHECK int journal_list(const char *directory, uint64_t **list, size_t *count, struct fault *why);

#endif
