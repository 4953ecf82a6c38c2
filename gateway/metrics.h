/*
 * metrics -- counters and latencies for Prometheus; numbers and closed vocabularies only, never content.
 *
 * Each loop counts into its own shard, so that counting costs no shared cache line; a scrape adds them up.
 */
#ifndef HAECHI_GATEWAY_METRICS_H
#define HAECHI_GATEWAY_METRICS_H

#include <pthread.h>
#include <stdatomic.h>

#include "schema/base/bytes.h"
#include "schema/decision.h"
#include "schema/entry.h"
#include "schema/verdict.h"

#define METRICS_STEPS   8 /* the seven, and "total" behind them */
#define METRICS_BUCKETS 22
#define METRICS_TOTAL   (METRICS_STEPS - 1)

struct gateway;

typedef atomic_uint_least64_t metrics_count;

struct metrics {
	metrics_count decisions[4][4]; /* access, verdict */
	metrics_count outcomes[5];
	metrics_count statuses[6]; /* by hundreds */
	metrics_count reloads, policy_errors, evidence_refused, engine_failures, tickets;
	metrics_count shadow_decisions, shadow_errors, shadow_duties, shadow_ns;
	metrics_count shadow_turns[4][4]; /* access in force, access of the candidate */
	metrics_count prompt_tokens, completion_tokens;
	metrics_count masked_prompt[IDENTIFIER_KINDS], masked_answer[IDENTIFIER_KINDS];
	metrics_count buckets[METRICS_STEPS][METRICS_BUCKETS];
	metrics_count sum_ns[METRICS_STEPS];
	struct metrics *next;
};

struct metrics_all {
	pthread_mutex_t lock; /* guards the list */
	struct metrics *first;
};

int metrics_init(struct metrics_all *all);
void metrics_end(struct metrics_all *all);
struct metrics *
metrics_shard(struct metrics_all *all); /* a new one, kept until metrics_end(); NULL: no memory */

static inline void
metrics_add(metrics_count *count, uint64_t more)
{
	/* One writer a shard: no locked instruction is needed. */
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
	                      memory_order_relaxed);
}

/* A step took so long. */
void metrics_step(struct metrics *metrics, size_t step, int64_t ns);
/* Everything, in the text format of Prometheus 0.0.4. */
void metrics_write(struct buffer *out, struct gateway *gateway);

#endif
