/*
 * audit -- what happened, in a form that cannot be quietly changed: the wing's one door for the gateway.
 *
 *	request threads -> ledger_append() -> journal (one write, one fdatasync a batch)
 *	                -> signer (one checkpoint a batch) -> item->done()
 *	                -> shipper -> PostgreSQL by COPY, in order, idempotent
 *
 * Nothing here knows of HTTP or of policy. Pure functions of bytes (Merkle tree, signed notes, proofs) are in
 * audit/tree.h and audit/note.h; haechi-verify uses those alone.
 */
#ifndef HAECHI_AUDIT_AUDIT_H
#define HAECHI_AUDIT_AUDIT_H

#include "schema/base/bytes.h"
#include "schema/entry.h"

/* ---- signer: a process of its own that holds the log keys and signs only growth ------------------------ */

struct signer;

/*
 * Fork the signer before any thread exists. Keys are read from `directory` (log.ed25519, log.p256.pem; mode
 * 0600, made by signer_keys_make()); the last signed head is kept in directory/last-head and outlives
 * restarts. The child exits when the parent does. It ignores SIGINT, SIGTERM and SIGHUP: the parent ends it
 * by signer_stop(), after ledger_close().
 */
MUST_CHECK int signer_start(struct signer **out, const char *directory, const char *origin,
                            struct fault *why);
void signer_stop(struct signer *signer); /* NULL is fine */
/* Make both keys in `directory` unless they are there; never overwrites. */
MUST_CHECK int signer_keys_make(const char *directory, const char *origin, struct fault *why);
/*
 * Rotation: make the keys that will take over (from the next start both sign), and let the old ones go (from the next start the new
 * ones sign alone). FAULT_CONFLICT: one is under way already, or the new keys have not signed yet; FAULT_NOT_FOUND: none is.
 */
MUST_CHECK int signer_keys_rotate(const char *directory, const char *origin, struct fault *why);
MUST_CHECK int signer_keys_retire(const char *directory, const char *origin, struct fault *why);
/*
 * What the keys that sign have become since log.vkeys was written; before ledger_open(). Once the log has an entry of it, or nothing
 * changed, signer_keys_settled() writes the file: a crash in between makes the entry twice, never none.
 */
struct signer_rotation {
	char begun[64], ended[64]; /* ids of keys, "" none */
	uint64_t size;             /* of the head at which it happened */
	struct buffer vkeys;       /* the file as it should be; the caller's to buffer_free() */
};
MUST_CHECK int signer_keys_settle(struct signer_rotation *rotation, const struct signer *signer,
                                  const char *directory, const char *origin, struct fault *why);
MUST_CHECK int signer_keys_settled(const struct signer_rotation *rotation, const char *directory,
                                   struct fault *why);
/* The verifier keys of `directory` (audit/keyring.h has the form), for publishing. */
MUST_CHECK int signer_vkeys(struct buffer *out, const char *directory, const char *origin, struct fault *why);
/* pid of the child, for the supervisor's log and for tests. */
int signer_pid(const struct signer *signer);

/* ---- sealing: content under keys of its own; destroying a key erases the content ----------------------- */

struct sealer;
struct keyfolder_period; /* audit/keyfolder.h: how the keys lie on disk, and what that can promise */

#define SEALER_SALT 32u

/*
 * `directory`: made, with its keys, when it is empty. `cipher`: "aria-256-gcm" or "xchacha20-poly1305", for what is sealed from now
 * on; what the other one sealed opens as before. Any number of threads; another process may use the same directory. Where it names a
 * token a child is forked that holds it: then before any thread.
 */
MUST_CHECK int sealer_open(struct sealer **out, const char *directory, const char *cipher, struct fault *why);
void sealer_close(struct sealer *sealer); /* NULL is fine */
/*
 * Seal `content` for the entry `id` (a UUIDv7) of this agency as `part` ("prompt", "answer") under the entry's own key and a fresh
 * salt, appending to *blob. The blob is bound to id and part; the salt is inside the ciphertext; the commitment is filled in.
 * FAULT_CONFLICT: that key, or its whole month, was destroyed. FAULT_TAMPERED, FAULT_UNAVAILABLE: no key that would outlive us.
 */
MUST_CHECK int sealer_seal(struct sealer *sealer, const char *agency, const char *id, const char *part,
                           struct slice content, struct buffer *blob, struct commitment *commitment,
                           struct fault *why);
/*
 * Back again; checks the commitment when `expected` is not NULL. `salt`: SEALER_SALT bytes, or NULL. FAULT_NOT_FOUND when the key
 * was destroyed.
 */
MUST_CHECK int sealer_open_content(struct sealer *sealer, const char *agency, const char *id,
                                   const char *part, struct slice blob, const char *expected,
                                   struct buffer *content, uint8_t *salt, struct fault *why);

struct sealed {
	const char *agency, *id; /* of an entry with content */
};
/*
 * Destroy the keys of these entries' content, on disk when this returns 0: not even an old copy of the database can be opened with
 * what is left. Costs at most 3 KB of key file an entry, and one write of that file an agency and month. After a failure: again.
 */
MUST_CHECK int sealer_forget(struct sealer *sealer, const struct sealed *items, size_t count,
                             struct fault *why);
/* Destroy every key of an agency and month (since January 1970) at once; nothing is sealed in it any more. */
MUST_CHECK int sealer_destroy(struct sealer *sealer, const char *agency, uint32_t month, struct fault *why);
/* Those there are, by month, then agency; the caller's to free(). "*": keys of an earlier version, of every agency. */
MUST_CHECK int sealer_periods(struct sealer *sealer, struct keyfolder_period **periods, size_t *count,
                              struct fault *why);
/* Is the key of this entry's content still there, whether or not anything was sealed under it? */
MUST_CHECK int sealer_remembers(struct sealer *sealer, const char *agency, const char *id, bool *there,
                                struct fault *why);
/* How many orders to forget there were; `more`: one more now, on disk, before it is carried out. */
MUST_CHECK int sealer_count(struct sealer *sealer, uint64_t *count, bool more, struct fault *why);
/* Are the key files still as they were read? FAULT_TAMPERED names the one that is not. */
MUST_CHECK int sealer_look(struct sealer *sealer, struct fault *why);
/* Keyed hash of an end user's name: the pseudonym in entries. 32 hex digits. */
void sealer_pseudonym(struct sealer *sealer, const char *agency, const char *user, char out[33]);

/* ---- ledger -------------------------------------------------------------------------------------------- */

struct ledger;
struct proof;     /* audit/proof.h */
struct tree_hash; /* audit/tree.h */

struct ledger_options {
	const char *directory;        /* journal segments, lock file */
	const char *origin;           /* "haechi.<agency>/<node>" */
	const char *database;         /* libpq conninfo; NULL: no shipping (tests of the journal alone) */
	struct signer *signer;        /* borrowed */
	uint64_t max_unshipped_bytes; /* journal growth before append refuses: ledger.max_unshipped */
	uint64_t reserve_bytes;       /* free disk space below which append refuses */
	uint32_t segment_bytes;
};

/*
 * Evidence on its way. The caller fills the first part and may not touch the item between ledger_append() and
 * done(). done() runs on the ledger's thread: it must only hand over (wake a loop), never block.
 */
struct ledger_item {
	struct slice entry;      /* canonical bytes */
	struct slice content[2]; /* sealed blobs that belong to it, or empty: [0] prompt, [1] answer */
	void (*done)(struct ledger_item *item);
	void *owner;
	/* filled in before done() */
	bool durable;   /* false: refused, see why; nothing may be answered on it */
	uint64_t index; /* in the log */
	uint64_t size;  /* of the checkpoint that covers it */
	struct fault why;
	struct ledger_item *next; /* the ledger's own */
};

/*
 * Lock the directory, replay the journal (a torn tail is cut at the last whole batch), rebuild the tree's
 * frontier, compare with the signer's last head and with PostgreSQL when it is there (a database that is
 * ahead of or contradicts the journal is refused), start the writing and the shipping thread.
 */
MUST_CHECK int ledger_open(struct ledger **out, const struct ledger_options *options, struct fault *why);
/* Ship what can be shipped within `drain_ms`, stop the threads, release the lock. NULL is fine. */
void ledger_close(struct ledger *ledger, int drain_ms);
/* Never blocks. A full or failed ledger calls done() at once, from this very call, with durable == false. */
void ledger_append(struct ledger *ledger, struct ledger_item *item);
/*
 * As ledger_append(), waiting: for the few entries that are not on a request's way (start, reload, review).
 */
MUST_CHECK int ledger_append_wait(struct ledger *ledger, struct slice entry, struct slice content0,
                                  struct slice content1, uint64_t *index, struct fault *why);

struct ledger_status {
	bool writable;    /* false: every append is refused until restart */
	uint64_t size;    /* entries in the log */
	uint64_t shipped; /* of these, in PostgreSQL */
	uint64_t unshipped_bytes;
	uint64_t batches;
	bool database_up;
	char refusal[160]; /* why not writable, English; "" otherwise */
};
void ledger_status(struct ledger *ledger, struct ledger_status *out);
/* The newest signed checkpoint (a C2SP note) as published under /log/checkpoint. */
MUST_CHECK int ledger_checkpoint(struct ledger *ledger, struct buffer *out, struct fault *why);
/*
 * A hash tile of the log, by its path below /log/ ("tile/1/x001/234.p/7"), as C2SP tlog-tiles has it:
 * application/octet-stream, at most 8 KiB, and immutable under that path. It is within the newest checkpoint:
 * else FAULT_NOT_FOUND. *full: no width was named. Any thread; reads one file in the page cache. Entry
 * bundles are not given out here: entries are the auditors' to see. FAULT_UNAVAILABLE: the tile files were
 * lost.
 */
MUST_CHECK int ledger_tile(struct ledger *ledger, struct slice path, struct buffer *out, bool *full,
                           struct fault *why);
/*
 * For whoever compares this log with heads kept elsewhere: the root at `size`, and the proof that the tree of `older` (>= 1)
 * entries is a prefix of that of `newer`, both within the newest checkpoint. Any thread. FAULT_NOT_FOUND: beyond it;
 * FAULT_UNAVAILABLE: the tile files were lost.
 */
MUST_CHECK int ledger_root(struct ledger *ledger, uint64_t size, struct tree_hash *root, struct fault *why);
MUST_CHECK int ledger_consistency(struct ledger *ledger, uint64_t older, uint64_t newer, struct proof *proof,
                                  struct fault *why);
/*
 * A little of the stored hashes is compared with the signed log, round after round. FAULT_UNAVAILABLE: somebody changed them. Inner
 * ones are made good. One thread.
 */
MUST_CHECK int ledger_look(struct ledger *ledger, struct fault *why);
/* Nothing more is appended until a restart: somebody outside has proof against this log. Any thread. */
void ledger_refuse(struct ledger *ledger, const struct fault *why);

#endif
