/*
 * opened -- a receipt with the content of its entry, opened for somebody who may have it: a citizen, an auditor, a court.
 *
 *	{"content":"<base64>","format":"haechi-opened-receipt@1","part":"prompt","receipt":"<tlog-proof>","salt":"<64 hex digits>"}
 *
 * In canonical form, a line end behind it. The entry holds SHA-256(salt || content) as the commitment of its part: prompt of a
 * decision or a review, answer of an outcome. It proves that the log committed to exactly this content when it signed; not that the
 * content is true, nor that there was no other. Whoever has the file can read it: it is no longer the log's to erase.
 */
#ifndef HAECHI_AUDIT_OPENED_H
#define HAECHI_AUDIT_OPENED_H

#include "audit/receipt.h"

#define OPENED_SALT    32u
#define OPENED_CONTENT (16u * 1024 * 1024)
#define OPENED_LIMIT   (OPENED_CONTENT / 3 * 4 + 2 * RECEIPT_LIMIT + 4096) /* bytes of such a file */

/* Does the text begin like one? */
bool opened_looks_like(struct slice text);

/* Which part an entry commits to, and to what: `hex` gets its commitment. FAULT_NOT_FOUND: the entry commits to nothing. */
MUST_CHECK int opened_commitment(const char **part, char hex[65], struct slice entry, struct fault *why);

/* salt: OPENED_SALT bytes. */
void opened_write(struct buffer *out, struct slice receipt, const char *part, const uint8_t *salt,
                  struct slice content);

struct opened {
	struct receipt receipt; /* borrows from `text` below */
	const char *part;
	struct buffer text;    /* of the receipt */
	struct buffer content; /* as it was sealed */
};

/*
 * The receipt as receipt_check() has it, then the content against the entry's commitment. FAULT_TAMPERED: it does not fit. *out is
 * the caller's to opened_free(), also after a failure.
 */
MUST_CHECK int opened_check(struct opened *out, struct slice bytes, const struct keyring *keyring,
                            struct arena *arena, struct fault *why);
void opened_free(struct opened *opened);

#endif
