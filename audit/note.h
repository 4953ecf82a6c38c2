/*
 * note -- signed notes and verifier keys (C2SP signed-note): text, a blank line, signature lines.
 *
 *	vkey = name "+" hex8(id) "+" base64(type || public key)
 *	line = "— " name " " base64(id || signature)
 *
 * Pure functions of bytes; libsodium and libcrypto only. Signing with a secret key is the signer's; here is
 * only what anybody may know. Ed25519 (type 1), ECDSA P-256 with SHA-256 (type 2, the key as
 * SubjectPublicKeyInfo in DER, id = SHA-256(key)[0:4]) and cosignature/v1 (type 4) are checked; keys of other
 * types are FAULT_UNSUPPORTED, signatures by them are passed over like those of any unknown key.
 */
#ifndef HAECHI_AUDIT_NOTE_H
#define HAECHI_AUDIT_NOTE_H

#include "schema/base/bytes.h"

#define NOTE_LIMIT      (1024 * 1024) /* bytes of a note */
#define NOTE_SIGNATURES 100           /* lines of a note */
#define NOTE_NAME_SIZE  256           /* of a key's name, with its zero */
#define NOTE_KEY_SIZE   160           /* of a public key: SPKI of P-256 has 91 */
#define NOTE_VKEY_SIZE  (NOTE_NAME_SIZE + 10 + BASE64_SIZE(1 + NOTE_KEY_SIZE))

enum note_type { NOTE_ED25519 = 0x01, NOTE_ECDSA = 0x02, NOTE_COSIGNATURE = 0x04 };

struct note_key {
	char name[NOTE_NAME_SIZE];
	uint32_t id;
	uint8_t type; /* enum note_type, or another number that is not checked here */
	uint8_t key[NOTE_KEY_SIZE];
	size_t key_size;
};

/* From a raw public key; the id is computed. FAULT_INVALID: name or size not allowed. */
MUST_CHECK int note_key_make(struct note_key *out, const char *name, uint8_t type, struct slice public_key,
                             struct fault *why);
/* From a vkey; the id is recomputed and must agree. White space at the end is allowed. */
MUST_CHECK int note_key_parse(struct note_key *out, struct slice vkey, struct fault *why);
void note_key_write(struct buffer *out, const struct note_key *key); /* the vkey, without a newline */
/* Lines of vkeys ("#" comments and empty lines allowed); *count at most `most`. */
MUST_CHECK int note_keys_parse(struct note_key *keys, size_t most, size_t *count, struct slice text,
                               struct fault *why);

struct note_signature {
	struct slice name;
	struct slice line; /* with its newline */
	uint32_t id;
	struct slice base64; /* of id || signature */
};

/* Slices borrow from the parsed bytes. */
struct note {
	struct slice text; /* what is signed: its last newline included */
	size_t count;
	struct note_signature signatures[NOTE_SIGNATURES];
};

MUST_CHECK int note_parse(struct note *out, struct slice bytes, struct fault *why);

/*
 * 0 when at least one signature of a known key (name and id) holds and none of a known key fails; unknown
 * keys are passed over. verified[i], when not NULL, says whether keys[i] signed; times[i], when not NULL, is
 * the time of a cosignature (else 0). -1: FAULT_TAMPERED for a bad signature of a known key,
 * FAULT_UNIDENTIFIED when no known key signed.
 */
MUST_CHECK int note_verify(const struct note *note, const struct note_key *keys, size_t key_count,
                           bool *verified, uint64_t *times, struct fault *why);
/*
 * One signature by one key over a text: for the signer's own last look, and for cosignatures that travel
 * alone.
 */
bool note_signature_holds(const struct note_key *key, struct slice text, struct slice signature,
                          uint64_t *time);

/* A signature line for `signature` (without the id). */
void note_line_write(struct buffer *out, const struct note_key *key, struct slice signature);
/* What a cosignature/v1 signs. */
void note_cosigned_text(struct buffer *out, uint64_t time, struct slice text);

#endif
