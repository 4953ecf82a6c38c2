/*
 * notary_inside -- what the notary's two files share: notary.c its life and the time stamps, notary_round.c one round of witnesses.
 */
#ifndef HAECHI_GATEWAY_NOTARY_INSIDE_H
#define HAECHI_GATEWAY_NOTARY_INSIDE_H

#include "gateway/notary.h"

#define NOTARY_NOTE_LIMIT    (64 * 1024)
#define NOTARY_COSIGNED_FILE "cosigned.checkpoint"

struct notary {
	struct gateway *gateway;
	char directory[3072];
	pthread_t thread;
	bool thread_runs;
	atomic_bool stopping;           /* also under the lock, for the condition */
	int64_t witness_due, stamp_due; /* monotonic ns */
	/* the thread's own */
	struct keyring keys;      /* of this log */
	uint8_t policy[32];       /* digest of the policy that `told` belongs to */
	bool unstored, unstamped; /* not in the database yet */
	bool had_quorum; /* as the log has it */
	unsigned missed; /* rounds in a row without a quorum */

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t wake;
	struct notary_status told;
	struct buffer cosigned, stamped, stamp;
};

/* Ask every witness of the policy. FAULT_TAMPERED: there is proof against this log; FAULT_CONFLICT: a witness claims it. */
MUST_CHECK int notary_round(struct notary *notary, const struct config_witness *config, struct fault *why);
/* Keep beside the journal, as well as can be. */
void notary_file_keep(const struct notary *notary, const char *name, struct slice content);
void notary_buffer_keep(struct buffer *kept, struct slice fresh);

#endif
