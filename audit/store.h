/*
 * store -- the entries' way into PostgreSQL (schema/sql/0001_evidence.sql): one connection, one thread, COPY
 * alone.
 *
 *	store_connect()                    what does the database hold?
 *	store_edge()                       is that a prefix of this log?
 *	store_begin() store_entry()...     one transaction
 *	store_commit()
 *
 * After any failure the connection is dropped and what was not committed is forgotten: connect again, and go
 * on from what the database holds then. FAULT_UNAVAILABLE: the database is away, try later. Anything else: it
 * must not be tried.
 */
#ifndef HAECHI_AUDIT_STORE_H
#define HAECHI_AUDIT_STORE_H

#include "audit/segment.h"

struct store;

/* Nothing is connected yet. `conninfo` as libpq takes it; `vkeys` lines as signer_public() gives them. */
MUST_CHECK int store_open(struct store **out, const char *conninfo, const char *origin, struct slice vkeys,
                          struct fault *why);
void store_close(struct store *store); /* NULL is fine */

struct store_head {
	uint64_t size;       /* entries: the largest index and one */
	uint64_t checkpoint; /* size of the newest checkpoint; 0: none */
};
MUST_CHECK int store_connect(struct store *store, struct store_head *out, struct fault *why);
bool store_connected(const struct store *store);
/*
 * Read the right edge of the tree out of the database and compare it with the journal's frontier at the
 * database's size: FAULT_TAMPERED when they differ, for then this database holds another history.
 */
MUST_CHECK int store_edge(struct store *store, const struct tree_frontier *frontier, struct fault *why);

MUST_CHECK int store_begin(struct store *store, struct fault *why);
/*
 * The next entry, with its content. An entry that cannot be read as one is stored all the same, as kind
 * "invalid".
 */
MUST_CHECK int store_entry(struct store *store, const struct segment_item *item, struct fault *why);
/*
 * `note`: a checkpoint of at most the entries given so far, or empty. Returns when PostgreSQL has it on disk.
 */
MUST_CHECK int store_commit(struct store *store, struct slice note, struct fault *why);

#endif
