/*
 * custodian -- keys that never leave a token (PKCS#11: a hardware security module, or softhsm2 in tests); the one door to it.
 *
 * A key folder that has a file `custodian` (0600) keeps its secrets in the token that file names:
 *	module /usr/lib/softhsm/libsofthsm2.so
 *	token haechi
 *	pin-file /etc/haechi/pin        one line, 0600; or "pin-credential NAME" of systemd ($CREDENTIALS_DIRECTORY/NAME)
 * and instead of a secret file X there is X.pkcs11 with the label of the object in the token. Keys are made there as sensitive and
 * not extractable. The PIN is never logged and never part of a fault.
 *
 * One thread at a time. After fork() the child opens its own.
 */
#ifndef HAECHI_AUDIT_CUSTODIAN_H
#define HAECHI_AUDIT_CUSTODIAN_H

#include "schema/base/bytes.h"

#define CUSTODIAN_FILE   "custodian"
#define CUSTODIAN_SUFFIX ".pkcs11"
#define CUSTODIAN_LABEL  256 /* bytes of a label, with its zero */

struct custodian;

/* *out is NULL, and that is no fault, when the folder names no token. */
MUST_CHECK int custodian_open(struct custodian **out, const char *directory, struct fault *why);
void custodian_close(struct custodian *custodian); /* NULL is fine */
/* Does the folder name a token? 1, 0, or -1: it cannot be told. */
MUST_CHECK int custodian_named(const char *directory, struct fault *why);

enum custodian_kind { CUSTODIAN_P256, CUSTODIAN_ED25519 };

/* A fresh pair under this label. FAULT_UNSUPPORTED: the token cannot make such keys. */
MUST_CHECK int custodian_make(struct custodian *custodian, enum custodian_kind kind, const char *label,
                              struct fault *why);
/* The pair is gone for good. FAULT_NOT_FOUND: there was none. */
MUST_CHECK int custodian_destroy(struct custodian *custodian, const char *label, struct fault *why);
/* P-256: SubjectPublicKeyInfo in DER; Ed25519: 32 bytes. FAULT_NOT_FOUND: no such key in the token. */
MUST_CHECK int custodian_public(struct custodian *custodian, enum custodian_kind kind, const char *label,
                                struct buffer *out, struct fault *why);
/* P-256: ECDSA over SHA-256 in DER; Ed25519: 64 bytes. *size: room in, length out. */
MUST_CHECK int custodian_sign(struct custodian *custodian, enum custodian_kind kind, const char *label,
                              struct slice text, uint8_t *signature, size_t *size, struct fault *why);

/* An AES-256 key under this label, and a secret sealed under it by AES-256-GCM: nonce, ciphertext, tag. */
MUST_CHECK int custodian_make_wrapping(struct custodian *custodian, const char *label, struct fault *why);
MUST_CHECK int custodian_wrap(struct custodian *custodian, const char *label, struct slice secret,
                              struct buffer *out, struct fault *why);
/* The wrapping key is gone for good. FAULT_NOT_FOUND: there was none. */
MUST_CHECK int custodian_destroy_wrapping(struct custodian *custodian, const char *label, struct fault *why);
/* Into `secret`, of exactly `size` bytes. FAULT_TAMPERED: not sealed under this key. */
MUST_CHECK int custodian_unwrap(struct custodian *custodian, const char *label, struct slice sealed,
                                uint8_t *secret, size_t size, struct fault *why);

#endif
