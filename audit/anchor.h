/*
 * anchor -- heads that somebody outside has confirmed, as PostgreSQL keeps them (schema/sql/0008_anchor.sql).
 *
 * Nothing read here is trusted: a note is held against keys (keyring.h, quorum.h), a stamp against roots (timestamp.h).
 */
#ifndef HAECHI_AUDIT_ANCHOR_H
#define HAECHI_AUDIT_ANCHOR_H

#include "audit/database.h"

/* A cosigned note; the same twice is one row. FAULT_NOT_FOUND: the database does not know the log yet. */
MUST_CHECK int anchor_store_cosigned(struct database *database, const char *origin, uint64_t size,
                                     struct slice note, struct fault *why);
MUST_CHECK int anchor_store_stamp(struct database *database, const char *origin, uint64_t size,
                                  int64_t wall_ms, struct slice note, struct slice answer, struct fault *why);

/* The newest cosigned note of at least `least` entries. FAULT_NOT_FOUND: none, or a database from before there were any. */
MUST_CHECK int anchor_cosigned(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
                               uint64_t least, struct fault *why);
/* The newest stamp: what was stamped, and the authority's answer. */
MUST_CHECK int anchor_stamped(struct buffer *note, struct buffer *answer, uint64_t *size,
                              struct database *database, int64_t log_id, struct fault *why);

#endif
