/*
 * timestamp -- RFC 3161: an outside authority says when a checkpoint existed.
 *
 * What is stamped is the SHA-256 of a checkpoint's whole note, signatures and cosignatures included. What is kept is the
 * authority's answer as it came (DER, a .tsr file): `openssl ts -verify -in x.tsr -data checkpoint -CAfile roots.pem` checks it too.
 * A token proves that the head existed not later than its time; it proves neither one history nor completeness.
 *
 * Checked: version, status, imprint, nonce, the policy that was asked for, one signature with the signing certificate named in it,
 * its chain to the given roots with the critical purpose timeStamping alone, at the time of the token. Not checked: revocation.
 * libcrypto only; no files but roots, no clock.
 */
#ifndef HAECHI_AUDIT_TIMESTAMP_H
#define HAECHI_AUDIT_TIMESTAMP_H

#include "schema/base/bytes.h"

#define TIMESTAMP_LIMIT       (64 * 1024)  /* bytes of an answer */
#define TIMESTAMP_ROOTS_LIMIT (256 * 1024) /* bytes of a PEM file, at most TIMESTAMP_ROOTS certificates */
#define TIMESTAMP_ROOTS       64
#define TIMESTAMP_TYPE        "application/timestamp-query"
#define TIMESTAMP_REPLY_TYPE  "application/timestamp-reply"

/* What was asked, to compare the answer with. */
struct timestamp_question {
	uint8_t digest[32];
	uint8_t nonce[8];
	char policy[64]; /* OID in digits; "" any */
};

/* A fresh nonce; *der is the query to send. `policy` may be NULL. */
MUST_CHECK int timestamp_ask(struct buffer *der, struct timestamp_question *question, struct slice document,
                             const char *policy, struct fault *why);

struct timestamp {
	int64_t wall_ms;     /* genTime */
	char authority[256]; /* subject of the signing certificate */
	char policy[64];     /* under which it was made */
	char serial[48];     /* hex */
};

/*
 * The answer to a question just asked. `roots`: PEM. FAULT_TAMPERED: it does not hold; FAULT_INVALID: no such answer;
 * FAULT_UNAVAILABLE: the authority refused, with its own words.
 */
MUST_CHECK int timestamp_answer_check(struct timestamp *out, struct slice answer,
                                      const struct timestamp_question *question, struct slice roots,
                                      struct fault *why);
/* The same answer years later, with the document that was stamped; `roots` empty: signature and chain are not checked. */
MUST_CHECK int timestamp_check(struct timestamp *out, struct slice answer, struct slice document,
                               struct slice roots, struct fault *why);

#endif
