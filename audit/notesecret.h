/*
 * notesecret -- an Ed25519 key that signs notes, in a file as Go's note signers keep it: one line, mode 0600.
 *
 *	PRIVATE+KEY+name+hex8(id)+base64(type || seed)
 *
 * Type 1 signs a note's text; type 4 cosigns it with a time (cosignature/v1): the same seed under two types has two ids. The
 * secret lives in sodium_malloc() memory.
 */
#ifndef HAECHI_AUDIT_NOTESECRET_H
#define HAECHI_AUDIT_NOTESECRET_H

#include "audit/note.h"

struct note_secret {
	struct note_key public_key;
	uint8_t *secret; /* libsodium's secret key; NULL: none */
};

/*
 * `name` NULL: whatever the file says. FAULT_FORBIDDEN: others may read the file; FAULT_INVALID: no such key, or of another name
 * or type.
 */
MUST_CHECK int note_secret_load(struct note_secret *out, const char *path, const char *name, uint8_t type,
                                struct fault *why);
/* A fresh key into `path`, which is replaced; *public_key may be NULL. */
MUST_CHECK int note_secret_make(const char *path, const char *name, uint8_t type, struct note_key *public_key,
                                struct fault *why);
void note_secret_release(struct note_secret *secret);
/* A signature line over `text`; `time` (POSIX seconds) counts for cosignatures alone. */
MUST_CHECK int note_secret_sign(const struct note_secret *secret, struct slice text, uint64_t time,
                                struct buffer *out, struct fault *why);

#endif
