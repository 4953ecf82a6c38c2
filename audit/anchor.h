/*
 * anchor -- heads that somebody outside has confirmed, as PostgreSQL keeps them (schema/sql/0008_anchor.sql).
 *
 * Nothing read here is trusted: a note is held against keys (keyring.h, quorum.h), a stamp against roots (timestamp.h).
 */
#ifndef HAECHI_AUDIT_ANCHOR_H
#define HAECHI_AUDIT_ANCHOR_H

#include "audit/database.h"
#include "audit/filter.h"
#include "audit/quorum.h"

/* A cosigned note; the same twice is one row. FAULT_NOT_FOUND: the database does not know the log yet. */
MUST_CHECK int anchor_store_cosigned(struct database *database, const char *origin, uint64_t size,
                                     struct slice note, struct fault *why);
MUST_CHECK int anchor_store_stamp(struct database *database, const char *origin, uint64_t size,
                                  int64_t wall_ms, struct slice note, struct slice answer, struct fault *why);

/* The newest cosigned note of at least `least` entries. FAULT_NOT_FOUND: none, or a database from before there were any. */
MUST_CHECK int anchor_cosigned(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
                               uint64_t least, struct fault *why);
/* The newest stamp of at most `most` entries: what was stamped, and the authority's answer. */
MUST_CHECK int anchor_stamped(struct buffer *note, struct buffer *answer, uint64_t *size,
                              struct database *database, int64_t log_id, uint64_t most, struct fault *why);

/*
 * The head to prove an entry by: the newest cosigned one of at least `least` entries, failing that the newest signed one, as
 * stored_head() gives it.
 */
MUST_CHECK int anchor_head(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
                           uint64_t least, struct fault *why);

/*
 * The head to prove an entry by: the newest cosigned one of at least `least` entries, failing that the newest signed one, as
 * stored_head() gives it.
 */
MUST_CHECK int anchor_head(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
                           uint64_t least, struct fault *why);
/*
 * The head to export by: the newest cosigned one where nothing of the filter's time lies behind it, else the newest signed one.
 * With a policy it is the newest cosigned one, and FAULT_TAMPERED or FAULT_NOT_FOUND when that does not meet it.
 */
MUST_CHECK int anchor_choose(struct buffer *note, uint64_t *size, struct database *database, int64_t log_id,
                             const struct filter *filter, const struct quorum *policy, struct fault *why);
/* For a head of `size`: the newest stamp it has grown from, as audit/stampfile.h has it. FAULT_NOT_FOUND: none. */
MUST_CHECK int anchor_stampfile(struct buffer *text, struct buffer *answer, struct database *database,
                                int64_t log_id, uint64_t size, struct fault *why);

#endif
