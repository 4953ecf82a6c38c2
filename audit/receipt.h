/*
 * receipt -- one entry that proves itself: a tlog-proof file (C2SP) whose `extra` is the exact bytes of the entry.
 *
 * Any tlog-proof reader can check it once it takes the leaf from `extra`; `haechi-verify FILE` does. It proves that the log
 * signed a head that contains these bytes at this index. It does not prove that the log shows everybody the same head
 * (witnesses do), nor what happened outside the log.
 */
#ifndef HAECHI_AUDIT_RECEIPT_H
#define HAECHI_AUDIT_RECEIPT_H

#include "audit/keyring.h"
#include "audit/proof.h"
#include "schema/entry.h"

#define RECEIPT_LIMIT (256 * 1024) /* bytes of a receipt; an entry has at most 64 KiB, base64 makes it 88 */

/* Does the text begin like a receipt? */
bool receipt_looks_like(struct slice text);

void receipt_write(struct buffer *out, struct slice entry, uint64_t index, const struct proof *proof,
                   struct slice checkpoint);

struct receipt {
	struct slice entry; /* exact bytes; in the arena */
	struct entry_columns columns;
	struct tree_hash leaf;
	uint64_t index;
	struct signed_head head; /* borrows from the text */
};

/*
 * Check everything: the form, the entry's canonical bytes, the head's signatures, the inclusion, and that entry and head speak of
 * the same log. FAULT_TAMPERED or FAULT_INVALID say which does not hold.
 */
MUST_CHECK int receipt_check(struct receipt *out, struct slice text, const struct keyring *keyring,
                             struct arena *arena, struct fault *why);

#endif
