/*
 * signer -- the parent's side of the signing process, for ledger.c: one thread at a time.
 *
 * The signer keeps a tree of its own. It signs a tree only when the leaves it is given extend the tree it has
 * signed last, and remembers the new one on disk before the signature leaves: no checkpoint can contradict an
 * earlier one, whatever the gateway becomes.
 */
#ifndef HAECHI_AUDIT_SIGNER_H
#define HAECHI_AUDIT_SIGNER_H

#include "audit/audit.h"
#include "audit/tree.h"

#define SIGNER_NOTE_LIMIT 4096u

/* The last signed head, as the signer told it at start and with every signature since. */
const struct tree_frontier *signer_head(const struct signer *signer);
/*
 * Size of the newest head that even a power cut leaves in the signer's memory: the journal must not let go of
 * more.
 */
uint64_t signer_durable(const struct signer *signer);
/* "name+id+key\n" for every key that signs. */
struct slice signer_public(const struct signer *signer);
/*
 * Sign the tree that `count` more leaves behind entry `first` make; count 0 signs the present one again. The
 * note is appended to *note. Any failure, and any answer later than ten seconds, is final: the signer must be
 * started anew.
 */
MUST_CHECK int signer_sign(struct signer *signer, uint64_t first, const struct tree_hash *leaves,
                           uint32_t count, struct buffer *note, struct fault *why);
/*
 * For a process that holds a token, whose module opens files and sockets of its own: from here on it becomes no other program, looks
 * into no other process and listens nowhere. For good, all threads.
 */
MUST_CHECK int confine_loosely(struct fault *why);

#endif
