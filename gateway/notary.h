/*
 * notary -- has others confirm this log's heads: witnesses cosign them (C2SP tlog-witness), an authority stamps them with the time
 * (RFC 3161). A thread of its own; no request ever waits for it.
 *
 *	every witness.interval_seconds    the newest head, with the proof that it grows what each witness saw last
 *	every timestamp.interval_seconds  the newest head that was cosigned, or signed where nobody cosigns
 *
 * A witness that has cosigned a larger head of ours, or another one of the same size, has the proof that this log was put back to an
 * earlier state or rewritten: at the start haechid then refuses to start, later it refuses every further entry. That the witness
 * says so is not enough while running: the head must carry our own signature. What was confirmed rests in the ledger's directory
 * and in PostgreSQL (audit/anchor.h).
 */
#ifndef HAECHI_GATEWAY_NOTARY_H
#define HAECHI_GATEWAY_NOTARY_H

#include "audit/quorum.h"
#include "gateway/gateway.h"

struct notary;

enum notary_state {
	NOTARY_UNASKED = 0,
	NOTARY_COSIGNED,
	NOTARY_UNREACHABLE, /* no answer, or none that can be used */
	NOTARY_REFUSED,     /* it said no: unknown log, bad signature */
	NOTARY_CONTRADICTS, /* it knows another history of this log */
};
const char *notary_state_name(enum notary_state state);

struct notary_witness {
	char name[QUORUM_NAME_SIZE];
	enum notary_state state;
	uint64_t size; /* it cosigned last */
	int64_t time;  /* of that cosignature, POSIX seconds */
	struct fault why;
};

struct notary_status {
	bool witnessing, stamping;       /* configured */
	size_t witness_count, cosigners; /* of the newest cosigned head */
	struct notary_witness witnesses[QUORUM_WITNESSES];
	char wants[256];        /* the policy's quorum in words */
	bool quorum;            /* that head meets it */
	uint64_t cosigned_size; /* 0: none yet */
	uint64_t stamped_size;
	int64_t stamped_ms;
	char authority[256];
	bool stamp_failed;
	struct fault stamp_why;
};

/*
 * Behind ledger_open(), before anything is appended. `config` is the one the daemon starts with. Asks every witness once before it returns, within its deadline. FAULT_TAMPERED: a
 * witness knows another history; FAULT_UNAVAILABLE: witness.required, and no quorum answered. *out is NULL, and that is no fault,
 * when nobody is configured.
 */
MUST_CHECK int notary_open(struct notary **out, struct gateway *gateway, const struct config *config,
                           struct fault *why);
/* Start the thread; the registrar runs already. NULL is fine. */
MUST_CHECK int notary_run(struct notary *notary, struct fault *why);
void notary_stop(struct notary *notary); /* NULL is fine */
/* Any thread; NULL gives a status of nothing configured. */
void notary_status(struct notary *notary, struct notary_status *out);
/*
 * The newest cosigned note, or stamped note with its answer (either may be NULL). FAULT_NOT_FOUND: none yet. Any thread.
 */
MUST_CHECK int notary_cosigned(struct notary *notary, struct buffer *note, struct fault *why);
MUST_CHECK int notary_stamped(struct notary *notary, struct buffer *note, struct buffer *answer,
                              struct fault *why);

#endif
