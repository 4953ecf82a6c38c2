#include "gateway/shadow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/deciding.h"
#include "gateway/exchange.h"
#include "gateway/metrics.h"
#include "gateway/registry.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define ARENA_LIMIT ((size_t)8 << 20)
#define VERDICTS    256
#define RECENT      32
#define LOGGED_NS                                                                                            \
	INT64_C(100000000) /* a line each tenth of a second and loop at most: the counts tell the rest */

struct difference {
	int64_t wall_ms;
	char request_id[EXCHANGE_REQUEST_ID_SIZE];
	enum access from, to;
	bool duties, failed;
	char reason[65]; /* the first of the candidate's */
};

struct shadow {
	atomic_size_t holders;
	struct policy *policy;
	int64_t revision, since_ms;
	char name[65];
	atomic_uint_least64_t decisions, differences, errors, turns[4][4], duties;
	pthread_mutex_t lock; /* guards what follows */
	struct difference recent[RECENT];
	size_t recent_count; /* ever */
};

/* Verdicts by the candidate's rules, of the registrations this loop has seen: they hold for the day and the snapshot. */
struct shadow_bench {
	struct arena *arena;
	const struct policy *policy; /* whose verdicts these are */
	int64_t day;
	int64_t logged_ns;
	struct {
		char text[65]; /* digest of the use case's document */
		int64_t decisions, changed, hasty;
		enum verdict verdict;
	} verdicts[VERDICTS];
};

int
shadow_new(struct shadow **out, struct policy *policy, int64_t revision, const char *name, struct fault *why)
{
	struct shadow *shadow = calloc(1, sizeof *shadow);

	*out = NULL;
	if (shadow == NULL) {
		policy_release(policy);
		return fault_memory(why);
	}
	atomic_init(&shadow->holders, 1);
	pthread_mutex_init(&shadow->lock, NULL);
	shadow->policy = policy;
	shadow->revision = revision;
	shadow->since_ms = clock_wall_ms();
	snprintf(shadow->name, sizeof shadow->name, "%s", name);
	*out = shadow;
	return 0;
}

struct shadow *
shadow_hold(struct shadow *shadow)
{
	atomic_fetch_add_explicit(&shadow->holders, 1, memory_order_relaxed);
	return shadow;
}

void
shadow_release(struct shadow *shadow)
{
	if (shadow == NULL || atomic_fetch_sub_explicit(&shadow->holders, 1, memory_order_acq_rel) != 1)
		return;
	policy_release(shadow->policy);
	pthread_mutex_destroy(&shadow->lock);
	free(shadow);
}

const char *
shadow_bundle(const struct shadow *shadow)
{
	return policy_bundle(shadow->policy);
}

void
shadow_bench_free(struct shadow_bench *bench)
{
	if (bench == NULL)
		return;
	arena_free(bench->arena);
	free(bench);
}

/* ---- deciding beside -------------------------------------------------------------------------------------------------- */

static struct shadow_bench *
bench_for(struct shadow_bench **bench, const struct shadow *shadow)
{
	const int64_t day = registry_today();

	if (*bench == NULL) {
		if ((*bench = calloc(1, sizeof **bench)) == NULL)
			return NULL;
		if (((*bench)->arena = arena_new(ARENA_LIMIT)) == NULL) {
			free(*bench);
			*bench = NULL;
			return NULL;
		}
	}
	if ((*bench)->policy != shadow->policy || (*bench)->day != day) {
		memset((*bench)->verdicts, 0, sizeof(*bench)->verdicts);
		(*bench)->policy = shadow->policy;
		(*bench)->day = day;
	}
	return *bench;
}

/* What the candidate's rules of the Act say of this registration. */
static int
verdict_of(struct shadow_bench *bench, const struct registered *registered, enum verdict *out,
           struct fault *why)
{
	const struct usecase *usecase = &registered->usecase;
	struct assessment assessment;
	size_t at = 0;

	for (const char *c = registered->digest; *c != '\0'; c++)
		at = at * 31 + (unsigned char)*c;
	at %= VERDICTS;
	if (strcmp(bench->verdicts[at].text, registered->digest) == 0 &&
	    bench->verdicts[at].decisions == usecase->reviewer.decisions &&
	    bench->verdicts[at].changed == usecase->reviewer.changed &&
	    bench->verdicts[at].hasty == usecase->reviewer.hasty) {
		*out = bench->verdicts[at].verdict;
		return 0;
	}
	if (policy_assess(bench->policy, usecase, NULL, bench->arena, &assessment, why) == -1)
		return -1;
	snprintf(bench->verdicts[at].text, sizeof bench->verdicts[at].text, "%s", registered->digest);
	bench->verdicts[at].decisions = usecase->reviewer.decisions;
	bench->verdicts[at].changed = usecase->reviewer.changed;
	bench->verdicts[at].hasty = usecase->reviewer.hasty;
	*out = bench->verdicts[at].verdict = assessment.verdict;
	return 0;
}

/* What comes with a decision; of a denial nothing does. */
static bool
same_duties(const struct decision *a, const struct decision *b)
{
	if (a->access == ACCESS_DENY)
		return true;
	return a->duties.label == b->duties.label && a->duties.notify == b->duties.notify &&
	       a->duties.retention_days == b->duties.retention_days &&
	       a->duties.log_full == b->duties.log_full &&
	       a->duties.redact_answer == b->duties.redact_answer &&
	       a->duties.restore_answer == b->duties.restore_answer &&
	       a->duties.redact_kinds == b->duties.redact_kinds;
}

static void
keep_recent(struct shadow *shadow, const struct exchange *x, enum access from,
            const struct entry_shadow *found)
{
	struct difference *at;

	pthread_mutex_lock(&shadow->lock);
	at = &shadow->recent[shadow->recent_count++ % RECENT];
	*at = (struct difference){.wall_ms = x->facts.wall_ms,
	                          .from = from,
	                          .to = found->access,
	                          .duties = found->duties,
	                          .failed = found->failed};
	snprintf(at->request_id, sizeof at->request_id, "%s", x->request_id);
	snprintf(at->reason, sizeof at->reason, "%s", found->reason_count > 0 ? found->reasons[0] : "");
	pthread_mutex_unlock(&shadow->lock);
}

static void
log_difference(struct shadow_bench *bench, const struct shadow *shadow, const struct exchange *x,
               enum access from, const struct entry_shadow *found)
{
	const int64_t now = clock_monotonic_ns();

	if (now - bench->logged_ns < LOGGED_NS)
		return;
	bench->logged_ns = now;
	log_info("shadow",
	         "event=differs request=%s enforced=%s candidate=%s duties=%s policy=%s bundle=%.16s",
	         x->request_id, access_name(from), found->failed ? "error" : access_name(found->access),
	         found->duties ? "differ" : "same", found->reason_count > 0 ? found->reasons[0] : "-",
	         shadow_bundle(shadow));
}

/* For the entry: copies in the exchange's arena, since the candidate's memory ends with this request. */
static struct entry_shadow *
tell(struct exchange *x, const struct shadow *shadow, const struct decision *decision, enum verdict verdict,
     bool duties, bool failed)
{
	struct entry_shadow *found = arena_alloc(x->arena, sizeof *found);

	if (found == NULL || (found->bundle = arena_string(x->arena, shadow_bundle(shadow))) == NULL)
		return NULL;
	found->access = decision->access;
	found->verdict = verdict;
	found->duties = duties;
	found->failed = failed;
	for (size_t i = 0; i < decision->reason_count && found->reason_count < 16; i++) {
		const char *id = arena_string(x->arena, decision->reasons[i].id);

		if (id != NULL)
			found->reasons[found->reason_count++] = id;
	}
	return found;
}

void
shadow_compare(struct shadow *shadow, struct shadow_bench **bench_at, struct exchange *x,
               const struct policy_facts *facts, const struct decision *decision, struct metrics *metrics,
               const struct entry_shadow **out)
{
	struct shadow_bench *bench = bench_for(bench_at, shadow);
	struct policy_facts own = *facts;
	struct decision candidate = {.access = ACCESS_DENY};
	const int64_t begun = clock_monotonic_ns();
	struct entry_shadow *found;
	uint32_t masked;
	struct fault why;
	bool failed, duties;

	*out = NULL;
	if (bench == NULL)
		return;
	arena_reset(bench->arena);
	failed =
	    (x->registered != NULL && verdict_of(bench, x->registered, &own.verdict, &why) == -1) ||
	    deciding_run(shadow->policy, &own, NULL, NULL, &masked, bench->arena, &candidate, &why) == -1 ||
	    candidate.error_count > 0;
	atomic_fetch_add_explicit(&shadow->decisions, 1, memory_order_relaxed);
	metrics_add(&metrics->shadow_decisions, 1);
	metrics_add(&metrics->shadow_ns, (uint64_t)(clock_monotonic_ns() - begun));
	if (failed) {
		atomic_fetch_add_explicit(&shadow->errors, 1, memory_order_relaxed);
		metrics_add(&metrics->shadow_errors, 1);
		candidate.access = ACCESS_DENY; /* as it would be, in force */
	}
	duties = candidate.access == decision->access && !same_duties(&candidate, decision);
	if (candidate.access == decision->access && !duties && !failed)
		return;
	atomic_fetch_add_explicit(&shadow->differences, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&shadow->turns[decision->access][candidate.access], 1,
	                          memory_order_relaxed);
	metrics_add(&metrics->shadow_turns[decision->access][candidate.access], 1);
	if (duties) {
		atomic_fetch_add_explicit(&shadow->duties, 1, memory_order_relaxed);
		metrics_add(&metrics->shadow_duties, 1);
	}
	if ((found = tell(x, shadow, &candidate, own.verdict, duties, failed)) == NULL)
		return;
	keep_recent(shadow, x, decision->access, found);
	log_difference(bench, shadow, x, decision->access, found);
	*out = found;
}

/* ---- telling ----------------------------------------------------------------------------------------------------------- */

static json_t *
describe_recent(struct shadow *shadow)
{
	json_t *list = json_array();

	pthread_mutex_lock(&shadow->lock);
	for (size_t i = 0; i < RECENT && i < shadow->recent_count; i++) {
		const struct difference *one = &shadow->recent[(shadow->recent_count - 1 - i) % RECENT];
		char time[CLOCK_TEXT_SIZE];

		clock_text(time, one->wall_ms);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:s}", "time", time,
		                                      "request_id", one->request_id, "enforced",
		                                      access_name(one->from), "candidate",
		                                      access_name(one->to), "duties_differ", (int)one->duties,
		                                      "failed", (int)one->failed, "policy", one->reason));
	}
	pthread_mutex_unlock(&shadow->lock);
	return list;
}

json_t *
shadow_describe(struct shadow *shadow)
{
	json_t *turns = json_object();
	char since[CLOCK_TEXT_SIZE];

	clock_text(since, shadow->since_ms);
	for (unsigned from = 0; from < 4; from++)
		for (unsigned to = 0; to < 4; to++) {
			const uint64_t count =
			    atomic_load_explicit(&shadow->turns[from][to], memory_order_relaxed);
			char name[32];

			snprintf(name, sizeof name, "%s->%s", access_name((enum access)from),
			         access_name((enum access)to));
			if (count > 0)
				json_object_set_new(turns, name, json_integer((json_int_t)count));
		}
	return json_pack(
	    "{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "bundle", shadow_bundle(shadow), "revision",
	    (json_int_t)shadow->revision, "name", shadow->name, "since", since, "decisions",
	    (json_int_t)atomic_load(&shadow->decisions), "differences",
	    (json_int_t)atomic_load(&shadow->differences), "duties", (json_int_t)atomic_load(&shadow->duties),
	    "errors", (json_int_t)atomic_load(&shadow->errors), "by", turns, "recent",
	    describe_recent(shadow));
}
