/*
 * identity -- who asks: an API key `hk_<id>_<secret>` in `Authorization: Bearer`, or a client certificate.
 *
 * Of a key only SHA-256 of its secret is kept. The secret is 256 random bits, so there is nothing to guess and a slow
 * hash (Argon2) would only cost the request; SHA-256 is on the KCMVP list. Both are compared in constant time.
 */
#ifndef HAECHI_GATEWAY_IDENTITY_H
#define HAECHI_GATEWAY_IDENTITY_H

#include "gateway/registry.h"

#define IDENTITY_ID_SIZE     13 /* 12 of [0-9a-f], and a zero */
#define IDENTITY_KEY_SIZE    96 /* a whole key, terminated */
#define IDENTITY_SECRET_SIZE 32 /* random bytes */

/* Make a key: its public id, the whole text (shown once, then wiped by the caller) and the hash that is kept. */
void identity_make(char id[IDENTITY_ID_SIZE], char key[IDENTITY_KEY_SIZE], uint8_t hash[REGISTRY_HASH_SIZE]);

/*
 * Find the caller. `authorization` is the header's value, `certificate` a SHA-256 in hex or "". NULL with
 * FAULT_UNIDENTIFIED: no credentials, malformed, unknown, wrong, revoked or expired; the caller is told no more than
 * that. A key wins over a certificate; when both are given they must be of the same agency.
 */
const struct registered_key *identity_find(const struct registry *registry, struct slice authorization,
                                           const char *certificate, int64_t wall_ms, struct fault *why);

#endif
