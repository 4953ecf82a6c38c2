/*
 * aead -- the two ciphers that seal content and keys, under one face: ARIA-256-GCM (KS X 1213-1, RFC 5794, RFC 8269; the one that
 * Korean agencies are asked for) and XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). Pure functions of memory; any thread.
 *
 * A nonce must never be used twice under one key. aead_seal() takes it from the kernel's generator: 96 bits for ARIA, 192 for
 * XChaCha20, and every caller changes the key long before 2^32 uses (most use a key once), as SP 800-38D wants it of random nonces.
 */
#ifndef HAECHI_AUDIT_AEAD_H
#define HAECHI_AUDIT_AEAD_H

#include "schema/base/bytes.h"

#define AEAD_KEY        32u
#define AEAD_TAG        16u
#define AEAD_NONCE_MOST 24u

/* The numbers stand in files. */
enum aead { AEAD_NONE = 0, AEAD_ARIA_256_GCM = 1, AEAD_XCHACHA20_POLY1305 = 2 };

/* FAULT_UNSUPPORTED: this OpenSSL lacks ARIA. Before anything else here. */
MUST_CHECK int aead_ready(struct fault *why);
const char *aead_name(enum aead cipher); /* "aria-256-gcm"; NULL: no such cipher */
MUST_CHECK bool aead_named(enum aead *out, const char *name);
size_t aead_nonce(enum aead cipher); /* bytes; 0: no such cipher */
size_t aead_extra(enum aead cipher); /* nonce and tag together */

/* `text` becomes ciphertext where it lies, and AEAD_TAG bytes behind it the tag. */
MUST_CHECK bool aead_encrypt(enum aead cipher, const uint8_t key[AEAD_KEY], const uint8_t *nonce,
                             struct slice bound, uint8_t *text, size_t size);
/* The other way; false, and `text` is worth nothing, when anything was changed. */
MUST_CHECK bool aead_decrypt(enum aead cipher, const uint8_t key[AEAD_KEY], const uint8_t *nonce,
                             struct slice bound, uint8_t *text, size_t size);

/* The same with a fresh nonce in front: `at` holds nonce, text, tag; the text of `size` bytes stands in its place already. */
MUST_CHECK bool aead_seal(enum aead cipher, const uint8_t key[AEAD_KEY], struct slice bound, uint8_t *at,
                          size_t size);
/* `size`: of the text; it is then at `at` + aead_nonce(). */
MUST_CHECK bool aead_open(enum aead cipher, const uint8_t key[AEAD_KEY], struct slice bound, uint8_t *at,
                          size_t size);

#endif
