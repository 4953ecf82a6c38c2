/*
 * cosignature -- what a log and a witness say to each other (C2SP tlog-witness, add-checkpoint), both ways.
 *
 *	request         "old " size "\n", 0-63 lines of base64 hashes, "\n", the checkpoint's note
 *	answer 200      signature lines of the witness over the checkpoint's text
 *	answer 409      the size the witness cosigned last, "\n" (text/x.tlog.size)
 *
 * Pure functions of bytes, hard limits on each.
 */
#ifndef HAECHI_AUDIT_COSIGNATURE_H
#define HAECHI_AUDIT_COSIGNATURE_H

#include "audit/note.h"
#include "audit/proof.h"

#define COSIGNATURE_HASHES        63
#define COSIGNATURE_REQUEST_LIMIT (256 * 1024)
#define COSIGNATURE_ANSWER_LIMIT  (64 * 1024)
#define COSIGNATURE_PATH          "/add-checkpoint"
#define COSIGNATURE_SIZE_TYPE     "text/x.tlog.size"

struct cosignature_request {
	uint64_t older;          /* size the witness is thought to have cosigned last; 0: never */
	struct proof proof;      /* from there to the checkpoint */
	struct slice checkpoint; /* the note; in reading borrowed from the body */
};

void cosignature_request_write(struct buffer *out, const struct cosignature_request *request);
/* FAULT_INVALID or FAULT_TOO_LARGE: malformed (400). The checkpoint is not looked into. */
MUST_CHECK int cosignature_request_read(struct cosignature_request *out, struct slice body,
                                        struct fault *why);

/*
 * An answer to the checkpoint whose signed text is `text`: the line of `key`, checked, is appended to *lines and its time is
 * told; lines of other keys are passed over. FAULT_UNIDENTIFIED: no line of that key; FAULT_TAMPERED: one that does not hold;
 * FAULT_INVALID: no such answer.
 */
MUST_CHECK int cosignature_answer_read(struct buffer *lines, uint64_t *time, struct slice text,
                                       struct slice answer, const struct note_key *key, struct fault *why);
/* The size of a 409. */
MUST_CHECK int cosignature_size_read(uint64_t *size, struct slice answer, struct fault *why);

/* Where a witness keeps the newest checkpoint of an origin for monitors: "/<hex SHA-256 of the origin>/checkpoint". */
#define COSIGNATURE_MONITOR_SIZE (1 + 64 + sizeof "/checkpoint")
void cosignature_monitor_path(char out[COSIGNATURE_MONITOR_SIZE], struct slice origin);

#endif
