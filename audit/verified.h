/*
 * verified -- what earlier runs of verify looked at: of each log the last signed head that held, and which entries were read when.
 *
 * A file beside the auditor, not beside the database. It is believed for one thing only: where to go on. Its head must be signed by
 * the log, and must be a prefix of the log as it is now; what lies before it is reported with the time it was looked at, never as if
 * it had been looked at today.
 */
#ifndef HAECHI_AUDIT_VERIFIED_H
#define HAECHI_AUDIT_VERIFIED_H

#include "audit/stored.h"

#define VERIFIED_PARTS 32 /* of a log; beyond that the two oldest become one, of the older time */
#define VERIFIED_LIMIT (4 * 1024 * 1024) /* bytes of the file */
#define VERIFIED_NOTE  (16 * 1024)       /* of a head in it */

/* Entries [from, to), read byte by byte by a run that began at this time. */
struct verified_part {
	uint64_t from, to;
	int64_t at_ms;
};

struct verified_log {
	char origin[STORED_ORIGIN_SIZE];
	struct slice note; /* the head as it was signed */
	uint64_t size;     /* as the note says; its signatures are for verify to check */
	struct tree_hash root;
	size_t part_count;
	struct verified_part parts[VERIFIED_PARTS]; /* from 0 to size, without gaps */
};

struct verified;

/* Nothing yet; and what a file says: FAULT_INVALID when it is none, FAULT_NOT_FOUND when there is no file. To verified_free(). */
MUST_CHECK int verified_new(struct verified **out, struct fault *why);
MUST_CHECK int verified_parse(struct verified **out, struct slice text, struct fault *why);
MUST_CHECK int verified_read(struct verified **out, const char *path, struct fault *why);
void verified_free(struct verified *verified); /* NULL is fine */

size_t verified_count(const struct verified *verified);
const struct verified_log *verified_at(const struct verified *verified, size_t index);
/* NULL: nothing of this log. `verified` may be NULL. */
const struct verified_log *verified_find(const struct verified *verified, const char *origin);

/* `before` (may be NULL) was gone on from, up to `size` of `note`, at `at_ms`. The note is copied. */
MUST_CHECK int verified_add(struct verified *verified, const char *origin, const struct verified_log *before,
                            struct slice note, uint64_t size, const struct tree_hash *root, int64_t at_ms,
                            struct fault *why);
/* Canonical JSON, as verified_parse() reads it. */
void verified_write(struct buffer *out, const struct verified *verified);

#endif
