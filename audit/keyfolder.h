/*
 * keyfolder -- the keys of sealed content on disk: a root for each agency and month, so that a period goes at once.
 *
 *	kek               32 random bytes: the key-encryption key; 0600
 *	kek.pkcs11        instead, where the folder names a token (audit/custodian.h): label, newline, base64 of the wrapped kek
 *	content.keys      "HAECHIW2" cipher nonce AEAD(kek: pseudonym key[32] || count of orders to forget u64)
 *	periods/YYYY-MM.H the keys of one agency and month (audit/periodfile.h); H: 16 hex digits of SHA-256(agency)
 *	content.lock      locked by whoever changes any of them
 *
 * Each period file has a key of its own, made anew with every change and wrapped under the kek, or under a key of the token made for
 * it alone. To forget an entry, its period's tree is punctured (audit/keytree.h) and the file written anew; to destroy a period, a
 * tombstone takes the file's place. A change is: new file, fdatasync, the old one kept under a second name, rename, fsync of the
 * folder; then the old bytes are overwritten where the file system overwrites in place, removed, and the old key in the token is
 * destroyed. A crash leaves the old state or the new one; what was left of the old one is overwritten at the next start.
 *
 * What that cannot promise: a flash disk, a copy-on-write file system, a snapshot or an operator's copy of this folder may keep old
 * bytes. With a token such copies open nothing that was forgotten, since the key that wrapped them is gone; without one, whoever
 * has an old copy of the folder (kek included) and of the sealed content can read it.
 *
 * Any number of threads; other processes may use the same folder. Where a token is named: opened before any thread.
 */
#ifndef HAECHI_AUDIT_KEYFOLDER_H
#define HAECHI_AUDIT_KEYFOLDER_H

#include "audit/aead.h"
#include "audit/keytree.h"
#include "audit/periodfile.h"

struct keyfolder;

/*
 * Made when it is empty; a folder of an earlier version ("HAECHIW1": one tree a month for all agencies) is carried over once, and
 * the log says so. `cipher`: of what is written from now on. FAULT_TAMPERED: damaged, of another kek, or put back to an older state.
 */
MUST_CHECK int keyfolder_open(struct keyfolder **out, const char *directory, enum aead cipher,
                              struct fault *why);
void keyfolder_close(struct keyfolder *folder); /* NULL is fine */
enum aead keyfolder_cipher(const struct keyfolder *folder);
/* 32 bytes that never change. */
const uint8_t *keyfolder_pseudonym(const struct keyfolder *folder);

#define KEYFOLDER_OFFSET_MS INT64_C(32400000) /* a month begins at 00:00 in Korea, which has no summer time */

struct keyfolder_place {
	const char *agency; /* "", or up to 64 bytes; PERIOD_EVERY: keys of an earlier version */
	uint32_t month;       /* since January 1970, in Korea; of PERIOD_EVERY in UTC */
	uint32_t month_every; /* the month in UTC: where keys of an earlier version are */
	uint64_t path;
};

struct keyfolder_leaf {
	uint8_t key[KEYTREE_KEY];
	uint8_t root[PERIOD_ROOT];
};

/*
 * The key of a place. `make`: begin the period when it has not begun. FAULT_NOT_FOUND: it has not; FAULT_CONFLICT: the key, or the
 * whole period, was destroyed; FAULT_TAMPERED: its file vanished, was changed, or is older than what was seen before.
 */
MUST_CHECK int keyfolder_leaf(struct keyfolder *folder, const struct keyfolder_place *place, bool make,
                              struct keyfolder_leaf *leaf, struct fault *why);
/*
 * Forget these, each period in one step; on disk when this returns 0. On a failure part of the periods may be done: do it again. Of
 * places of an agency the keys of PERIOD_EVERY in their month are forgotten as well.
 */
MUST_CHECK int keyfolder_forget(struct keyfolder *folder, const struct keyfolder_place *places, size_t count,
                                struct fault *why);
/* The whole period, for good: nothing is sealed in it any more. 0 also when it was, or never began. */
MUST_CHECK int keyfolder_destroy(struct keyfolder *folder, const char *agency, uint32_t month,
                                 struct fault *why);

struct keyfolder_period {
	char agency[PERIOD_AGENCY];
	uint32_t month;
	bool destroyed;
	uint64_t generation;
};
/* By month, then agency. *periods is the caller's to free(). */
MUST_CHECK int keyfolder_list(struct keyfolder *folder, struct keyfolder_period **periods, size_t *count,
                              struct fault *why);

/* Counted up, on disk, before anything is forgotten: what an entry of the log says about it shows a folder that was put back. */
MUST_CHECK int keyfolder_count(struct keyfolder *folder, uint64_t *count, bool more, struct fault *why);
/* Is every file that was read still as this process, or another one of haechi's, wrote it? The fault names the first that is not. */
MUST_CHECK int keyfolder_look(struct keyfolder *folder, struct fault *why);

#endif
