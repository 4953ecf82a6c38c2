#include "gateway/metrics.h"

#include <stdlib.h>

#include "gateway/bundle_pull.h"
#include "gateway/bundles.h"
#include "gateway/gateway.h"
#include "gateway/notary.h"
#include "gateway/oversight.h"
#include "gateway/pipeline.h"
#include "gateway/server.h"
#include "schema/base/clock.h"

/* Upper ends of the buckets in microseconds; the last bucket is everything above. */
static const int64_t ends_us[METRICS_BUCKETS - 1] = {
    10,    25,     50,     100,    250,     500,     1000,    2500,     5000,     10000,    25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
};

int
metrics_init(struct metrics_all *all)
{
	all->first = NULL;
	return pthread_mutex_init(&all->lock, NULL) == 0 ? 0 : -1;
}

void
metrics_end(struct metrics_all *all)
{
	while (all->first != NULL) {
		struct metrics *gone = all->first;

		all->first = gone->next;
		free(gone);
	}
	pthread_mutex_destroy(&all->lock);
}

struct metrics *
metrics_shard(struct metrics_all *all)
{
	struct metrics *shard = calloc(1, sizeof *shard);

	if (shard == NULL)
		return NULL;
	pthread_mutex_lock(&all->lock);
	shard->next = all->first;
	all->first = shard;
	pthread_mutex_unlock(&all->lock);
	return shard;
}

void
metrics_step(struct metrics *metrics, size_t step, int64_t ns)
{
	size_t bucket = 0;

	if (ns < 0)
		return;
	while (bucket < METRICS_BUCKETS - 1 && ns > ends_us[bucket] * 1000)
		bucket++;
	metrics_add(&metrics->buckets[step][bucket], 1);
	metrics_add(&metrics->sum_ns[step], (uint64_t)ns);
}

static uint64_t
read_count(const metrics_count *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

#define SUM(member) sum_of(all, offsetof(struct metrics, member))

/* The same counter of every shard. */
static uint64_t
sum_of(const struct metrics_all *all, size_t offset)
{
	uint64_t sum = 0;

	for (const struct metrics *shard = all->first; shard != NULL; shard = shard->next)
		sum += read_count((const metrics_count *)((const char *)shard + offset));
	return sum;
}

static void
head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP haechi_%s %s\n# TYPE haechi_%s %s\n", name, help, name, type);
}

static void
one(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	buffer_printf(out, "haechi_%s %llu\n", name, (unsigned long long)value);
}

static void
write_decisions(struct buffer *out, const struct metrics_all *all)
{
	head(out, "decisions_total", "counter", "Decisions by access and verdict.");
	for (unsigned access = 0; access < 4; access++)
		for (unsigned verdict = 0; verdict < 4; verdict++)
			buffer_printf(out, "haechi_decisions_total{access=\"%s\",verdict=\"%s\"} %llu\n",
			              access_name((enum access)access), verdict_name((enum verdict)verdict),
			              (unsigned long long)SUM(decisions[access][verdict]));
	head(out, "outcomes_total", "counter", "What became of requests.");
	for (unsigned status = 0; status < 5; status++)
		buffer_printf(out, "haechi_outcomes_total{status=\"%s\"} %llu\n",
		              outcome_status_name((enum outcome_status)status),
		              (unsigned long long)SUM(outcomes[status]));
	head(out, "answers_total", "counter", "HTTP answers by hundreds.");
	for (unsigned hundred = 1; hundred < 6; hundred++)
		buffer_printf(out, "haechi_answers_total{status=\"%uxx\"} %llu\n", hundred,
		              (unsigned long long)SUM(statuses[hundred]));
	head(out, "masked_total", "counter", "Identifiers masked, by kind and place.");
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		buffer_printf(out,
		              "haechi_masked_total{kind=\"%s\",place=\"prompt\"} %llu\n"
		              "haechi_masked_total{kind=\"%s\",place=\"answer\"} %llu\n",
		              identifier_name((enum identifier_kind)kind),
		              (unsigned long long)SUM(masked_prompt[kind]),
		              identifier_name((enum identifier_kind)kind),
		              (unsigned long long)SUM(masked_answer[kind]));
}

static void
write_steps(struct buffer *out, const struct metrics_all *all)
{
	head(out, "step_seconds", "histogram", "Time a request spent in a step, waiting included.");
	for (size_t step = 0; step < METRICS_STEPS; step++) {
		const char *const name = step == METRICS_TOTAL ? "total" : pipeline_step_name(step);
		uint64_t so_far = 0;

		for (size_t bucket = 0; bucket < METRICS_BUCKETS; bucket++) {
			so_far += SUM(buckets[step][bucket]);
			if (bucket < METRICS_BUCKETS - 1)
				buffer_printf(out, "haechi_step_seconds_bucket{step=\"%s\",le=\"%g\"} %llu\n",
				              name, (double)ends_us[bucket] / 1e6,
				              (unsigned long long)so_far);
		}
		buffer_printf(out,
		              "haechi_step_seconds_bucket{step=\"%s\",le=\"+Inf\"} %llu\n"
		              "haechi_step_seconds_sum{step=\"%s\"} "
		              "%.9f\nhaechi_step_seconds_count{step=\"%s\"} %llu\n",
		              name, (unsigned long long)so_far, name, (double)SUM(sum_ns[step]) / 1e9, name,
		              (unsigned long long)so_far);
	}
}

static void
write_ledger(struct buffer *out, struct gateway *gateway)
{
	struct ledger_status status = {0};

	if (gateway->ledger == NULL)
		return;
	ledger_status(gateway->ledger, &status);
	one(out, "ledger_writable", "gauge", "1: entries can be written; 0: every request is refused.",
	    status.writable);
	one(out, "ledger_entries", "gauge", "Entries in the log.", status.size);
	one(out, "ledger_shipped", "gauge", "Entries that PostgreSQL has.", status.shipped);
	one(out, "ledger_unshipped_bytes", "gauge", "Journal bytes that PostgreSQL lacks.",
	    status.unshipped_bytes);
	one(out, "ledger_batches_total", "counter", "Batches written, each one sync and one checkpoint.",
	    status.batches);
	one(out, "database_up", "gauge", "1: the shipper reaches PostgreSQL.", status.database_up);
}

static void
write_confirmed(struct buffer *out, struct gateway *gateway)
{
	struct notary_status *told;

	if (gateway->notary == NULL || (told = malloc(sizeof *told)) == NULL)
		return;
	notary_status(gateway->notary, told);
	if (told->witnessing) {
		one(out, "cosigned_entries", "gauge",
		    "Entries under the newest head that witnesses cosigned.", told->cosigned_size);
		one(out, "cosigners", "gauge", "Witnesses that cosigned that head.", told->cosigners);
		one(out, "quorum", "gauge", "1: they are as many as the policy wants.", told->quorum);
		head(out, "witness_up", "gauge", "1: the witness cosigned when it was asked last.");
		for (size_t i = 0; i < told->witness_count; i++)
			buffer_printf(out, "haechi_witness_up{witness=\"%s\"} %d\n", told->witnesses[i].name,
			              told->witnesses[i].state == NOTARY_COSIGNED);
	}
	if (told->stamping) {
		one(out, "stamped_entries", "gauge", "Entries under the newest head that was stamped.",
		    told->stamped_size);
		one(out, "stamp_failed", "gauge", "1: the last attempt at a time stamp failed.",
		    told->stamp_failed);
	}
	free(told);
}

/* What a candidate policy beside the one in force would have done otherwise. */
static void
write_shadow(struct buffer *out, const struct metrics_all *all)
{
	one(out, "shadow_decisions_total", "counter",
	    "Decisions a candidate policy made beside the one in force.", SUM(shadow_decisions));
	one(out, "shadow_errors_total", "counter", "Of these, those it could not make.", SUM(shadow_errors));
	one(out, "shadow_duties_differ_total", "counter", "Same access, other duties.", SUM(shadow_duties));
	head(out, "shadow_differences_total", "counter", "Decisions that would have been others, by access.");
	for (unsigned from = 0; from < 4; from++)
		for (unsigned to = 0; to < 4; to++)
			if (from != to || SUM(shadow_turns[from][to]) > 0)
				buffer_printf(out,
				              "haechi_shadow_differences_total{enforced=\"%s\",candidate=\"%"
				              "s\"} %llu\n",
				              access_name((enum access)from), access_name((enum access)to),
				              (unsigned long long)SUM(shadow_turns[from][to]));
	head(out, "shadow_seconds_total", "counter", "Time spent on the candidate's decisions.");
	buffer_printf(out, "haechi_shadow_seconds_total %.9f\n", (double)SUM(shadow_ns) / 1e9);
}

static void
write_pull(struct buffer *out, struct gateway *gateway)
{
	struct pull_counts counts;

	if (gateway->pull == NULL)
		return;
	bundle_pull_counts(gateway->pull, &counts);
	one(out, "bundle_pulls_total", "counter", "Looks for a newer policy bundle.", counts.looks);
	one(out, "bundle_pulls_unchanged_total", "counter", "Looks that found nothing new.",
	    counts.unchanged);
	one(out, "bundle_pulls_failed_total", "counter", "Looks that failed, or found what was refused.",
	    counts.failed);
}

void
metrics_write(struct buffer *out, struct gateway *gateway)
{
	struct metrics_all *all = &gateway->metrics;
	struct snapshots *snapshots = gateway_hold(gateway);

	pthread_mutex_lock(&all->lock);
	write_decisions(out, all);
	write_steps(out, all);
	one(out, "prompt_tokens_total", "counter", "Tokens of prompts, as engines count.",
	    SUM(prompt_tokens));
	one(out, "completion_tokens_total", "counter", "Tokens of answers.", SUM(completion_tokens));
	one(out, "policy_errors_total", "counter",
	    "Decisions in which a policy could not be evaluated: denied.", SUM(policy_errors));
	one(out, "evidence_refused_total", "counter",
	    "Requests refused because no evidence could be written.", SUM(evidence_refused));
	one(out, "engine_failures_total", "counter", "Engine calls that gave no answer.",
	    SUM(engine_failures));
	one(out, "tickets_total", "counter", "Requests held for a reviewer.", SUM(tickets));
	write_shadow(out, all);
	pthread_mutex_unlock(&all->lock);
	if (gateway->bundles != NULL)
		bundles_metrics(gateway->bundles, out);
	write_pull(out, gateway);
	write_ledger(out, gateway);
	write_confirmed(out, gateway);
	if (snapshots != NULL && snapshots->registry != NULL)
		oversight_metrics(out, snapshots->registry);
	snapshots_release(snapshots);
	if (gateway->server != NULL) {
		struct server_numbers numbers = {0};

		server_numbers(gateway->server, &numbers);
		one(out, "connections_total", "counter", "Connections accepted.", numbers.connections);
		one(out, "connections", "gauge", "Connections open.", numbers.connections_now);
		one(out, "requests_total", "counter", "Requests handed on by the door.", numbers.requests);
		one(out, "door_refused_total", "counter", "Requests the door refused.", numbers.refused);
		one(out, "clients_left_total", "counter", "Clients gone before their answer.", numbers.left);
	}
	one(out, "uptime_seconds", "gauge", "Seconds since start.",
	    (uint64_t)(clock_wall_ms() - gateway->started_ms) / 1000);
	one(out, "snapshot_generation", "gauge", "Configuration, policy and registry publications.",
	    atomic_load_explicit(&gateway->generation, memory_order_relaxed));
}
