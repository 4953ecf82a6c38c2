/*
 * keys -- the files a log's keys live in. For the signer alone, and for the command that makes and rotates them.
 *
 *	log.ed25519    the Go note signer's line: PRIVATE+KEY+name+id+base64(type || seed)         0600
 *	log.p256.pem   PKCS#8, unencrypted                                                         0600
 *	next.ed25519, next.p256.pem   those that will take over: while they are there, both sign   0600
 *	log.vkeys      every verifier key that ever signed, with the heads it may sign (keyring.h) 0644
 *	last-head      the last signed head, see signer.c                                          0600
 *
 * Where the folder names a token (custodian.h) the four secrets are in it, and X.pkcs11 beside them says under which label.
 */
#ifndef HAECHI_AUDIT_KEYS_H
#define HAECHI_AUDIT_KEYS_H

#include <openssl/evp.h>

#include "audit/custodian.h"
#include "audit/note.h"

#define KEYS_HEAD_FILE  "last-head"
#define KEYS_VKEYS_FILE "log.vkeys"

#define KEYS_MOST 4 /* two of each kind, while they are rotated */

struct keys {
	size_t count;
	struct {
		uint8_t *ed25519; /* libsodium's secret key, in sodium_malloc() memory; or: */
		EVP_PKEY *p256;
		char *label; /* or: in the token */
		struct note_key public_key;
	} key[KEYS_MOST];
	struct custodian *custodian; /* NULL: no token */
};

/*
 * Refuses key files that others may read, keys of another name, and verifier keys that are not of these keys.
 */
MUST_CHECK int keys_load(struct keys *out, const char *directory, const char *origin, struct fault *why);
void keys_release(struct keys *keys);
/* A signature line of every key over `text`. */
MUST_CHECK int keys_sign(const struct keys *keys, struct slice text, struct buffer *out, struct fault *why);

/* A whole secret file of at most `limit` bytes into sodium_malloc() memory, the caller's to sodium_free(). */
MUST_CHECK int secret_read(uint8_t **out, size_t *size, const char *path, size_t limit, struct fault *why);

#endif
