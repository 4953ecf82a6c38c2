/*
 * keeper -- the token that wraps the keys of a key folder (audit/custodian.h), in a process of its own.
 *
 * A month of an agency begins, and its keys are forgotten, while haechid runs; by then haechid is confined and may no more open a
 * token's files or sockets. So a child is forked before that, which holds the session and answers three questions over a socket pair.
 * Every wrapping key is made for one secret: when the secret changes, a new one is made and the old one destroyed, so that no copy
 * of the old file opens any more, wherever it lies.
 *
 * Any thread; one question at a time. The child ends with its parent.
 */
#ifndef HAECHI_AUDIT_KEEPER_H
#define HAECHI_AUDIT_KEEPER_H

#include "audit/custodian.h"

#define KEEPER_SECRET 64                   /* bytes of a secret at most */
#define KEEPER_SEALED (KEEPER_SECRET + 64) /* of one that is wrapped */

struct keeper;

/* Before any thread. *out is NULL, and that is no fault, when the folder names no token. */
MUST_CHECK int keeper_start(struct keeper **out, const char *directory, struct fault *why);
void keeper_stop(struct keeper *keeper); /* NULL is fine */

/* Wrap under a fresh key of the token; `label` gets its name, "haechi ABOUT RANDOM". */
MUST_CHECK int keeper_wrap(struct keeper *keeper, const char *about, struct slice secret,
                           char label[CUSTODIAN_LABEL], struct buffer *sealed, struct fault *why);
/* FAULT_NOT_FOUND: the token has no such key (any more); FAULT_TAMPERED: not wrapped under it. */
MUST_CHECK int keeper_unwrap(struct keeper *keeper, const char *label, struct slice sealed, uint8_t *secret,
                             size_t size, struct fault *why);
/* The key is gone for good; also when it was before. */
MUST_CHECK int keeper_destroy(struct keeper *keeper, const char *label, struct fault *why);
void keeper_drop(struct keeper *keeper, const char *label); /* the same, where a failure costs nothing but room */
int keeper_pid(const struct keeper *keeper);

#endif
