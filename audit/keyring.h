/*
 * keyring -- keys somebody trusts, and a checkpoint held against the keys its log is known to have: stricter than a signed note alone.
 *
 * A haechi log signs every head twice, Ed25519 and ECDSA P-256. Whoever gives keys of both kinds for an origin expects both
 * signatures: a head on which one kind is missing does not hold, nor one that was signed by keys out of their time alone. While keys
 * are rotated a head has four signatures, and the old keys alone or the new ones are enough to check it. Pure functions of bytes.
 */
#ifndef HAECHI_AUDIT_KEYRING_H
#define HAECHI_AUDIT_KEYRING_H

#include "audit/checkpoint.h"

#define KEYRING_KEYS  64
#define KEYRING_LIMIT (64 * 1024) /* bytes of a key file */

struct quorum; /* audit/quorum.h */

/* What somebody trusts: keys of logs, of witnesses (cosignature), of reports; and what he insists on. */
struct keyring {
	size_t count;
	struct note_key keys[KEYRING_KEYS];
	uint64_t from[KEYRING_KEYS];  /* sizes of heads a log's key may sign: from here ... */
	uint64_t until[KEYRING_KEYS]; /* ... up to here; 0: no end */
	const struct quorum
	    *policy;        /* borrowed; not NULL: every head must be as it wants it (quorum_check()) */
	struct slice roots; /* borrowed PEM: to whom time stamps must lead; empty: not checked */
};

/*
 * Lines of vkeys, "#" comments allowed; added to what is there. A key that is there already is not added twice. The comment
 * "# valid FROM [UNTIL]" says of the key behind it which heads it may sign, by their size: a log's keys are rotated, and one that
 * was retired signs nothing larger. Of the same key said twice what both allow counts; nothing left is
 * FAULT_INVALID.
 */
MUST_CHECK int keyring_add(struct keyring *keyring, struct slice text, struct fault *why);
MUST_CHECK int keyring_add_file(struct keyring *keyring, const char *path, struct fault *why);
/* What keyring_add() reads. */
void keyring_write(struct buffer *out, const struct keyring *keyring);
/* Is there a key by which `name` signs (Ed25519 or ECDSA)? */
bool keyring_knows(const struct keyring *keyring, struct slice name);

struct signed_head {
	struct note note; /* borrows from the bytes */
	struct checkpoint checkpoint;
	bool ed25519, ecdsa; /* by the log itself, in the key's time */
	size_t cosigners;    /* known witnesses that signed too */
};

/*
 * `origin` may be NULL: whatever log it says it is of. FAULT_TAMPERED: a signature that fails, or a kind of signature that is
 * missing; FAULT_UNIDENTIFIED: no key of this origin was given; FAULT_INVALID: not a checkpoint.
 */
MUST_CHECK int signed_head_open(struct signed_head *out, struct slice bytes, const char *origin,
                                const struct keyring *keyring, struct fault *why);

#endif
