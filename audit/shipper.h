/*
 * shipper -- a thread that carries durable, signed batches from the journal into PostgreSQL, in order, and
 * may lag.
 *
 * It goes on from what the database holds; so nothing is ever sent twice, and a crash between two systems
 * needs no mending. The database being away is waited for. A database that does not hold a prefix of this log
 * is refused, once and for all.
 */
#ifndef HAECHI_AUDIT_SHIPPER_H
#define HAECHI_AUDIT_SHIPPER_H

#include "schema/base/bytes.h"

struct shipper;

struct shipper_options {
	const char *directory, *origin, *database; /* of the journal; of the log; libpq conninfo */
	struct slice vkeys;                        /* lines */
	uint64_t keep;                             /* as for shipper_advance() */
	/* The database was refused: from the shipper's thread, at most once. */
	void (*refused)(void *context, const struct fault *why);
	/*
	 * Ahead of the removal of journal segments, from the shipper's thread (or shipper_start()); -1: not
	 * now.
	 */
	int (*before_trim)(void *context, struct fault *why);
	void *context;
};

struct shipper_status {
	uint64_t shipped;   /* entries in the database */
	uint64_t unshipped; /* bytes of journal that are not */
	bool database_up;
};

/*
 * `size`, `checkpoint` and `bytes` of journal are there already. The database is tried at once: when it
 * answers and must be refused, this fails; when it is away, it is tried again later.
 */
MUST_CHECK int shipper_start(struct shipper **out, const struct shipper_options *options, uint64_t size,
                             struct slice checkpoint, uint64_t bytes, struct fault *why);
/* Ship what can be shipped within `drain_ms`, then stop. NULL is fine. */
void shipper_stop(struct shipper *shipper, int drain_ms);
/*
 * `bytes` more of journal are durable, and `checkpoint` (of `size` entries) covers them. Segments are kept
 * that hold entries at or behind `keep`. Never blocks long.
 */
void shipper_advance(struct shipper *shipper, uint64_t size, struct slice checkpoint, uint64_t bytes,
                     uint64_t keep);
struct shipper_status shipper_status(struct shipper *shipper);

#endif
