/*
 * witness -- the other side of a log: sees a head, checks that it grows what it saw last, remembers it, cosigns it (C2SP
 * tlog-witness).
 *
 *	directory/lock                 flock()ed: one process remembers
 *	directory/<hex>.checkpoint     the newest head cosigned of the origin with that SHA-256: signatures of the log, and ours
 *
 * Comparing with what is remembered and replacing it is one step under a lock of that log, and the file rests on the disk before
 * the answer leaves. A memory that does not carry our own signature is refused at the start, never taken for an empty one.
 * Any number of threads.
 */
#ifndef HAECHI_AUDIT_WITNESS_H
#define HAECHI_AUDIT_WITNESS_H

#include "audit/keyring.h"
#include "audit/notesecret.h"

struct witness;

struct witness_options {
	const char *directory;            /* made when absent */
	const struct note_secret *secret; /* type cosignature; borrowed */
	const struct keyring *logs; /* keys of the logs that are served, each named by its origin; copied */
	int64_t (*now)(void);       /* POSIX seconds */
};

MUST_CHECK int witness_open(struct witness **out, const struct witness_options *options, struct fault *why);
void witness_close(struct witness *witness); /* NULL is fine */

struct witness_answer {
	int status; /* of HTTP: 200, 400, 403, 404, 409, 422, or 500 when the memory cannot be written */
	const char *content_type;
	struct buffer body; /* the caller's to buffer_free() */
};

/* POST add-checkpoint. *why, when the status is not 200, says it for the operator's log; the body says it to the caller. */
void witness_add(struct witness *witness, struct slice body, struct witness_answer *answer,
                 struct fault *why);
/* GET /<hash>/checkpoint: 200 or 404. `path` is below the monitoring prefix, with its slash. */
void witness_show(struct witness *witness, struct slice path, struct witness_answer *answer);
/* Logs served, and those of which something is remembered. */
void witness_count(struct witness *witness, size_t *logs, size_t *seen);

#endif
