#include "gateway/notary_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/anchor.h"
#include "audit/timestamp.h"
#include "gateway/registrar.h"
#include "gateway/remote.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define MISSED_ROUNDS 3 /* without a quorum: it is lost */
#define STAMPED_FILE  "stamped.checkpoint"
#define STAMP_FILE    "stamped.tsr"

const char *
notary_state_name(enum notary_state state)
{
	static const char *const names[] = {"unasked", "cosigned", "unreachable", "refused", "contradicts"};

	return names[state];
}

/* ---- what is kept beside the journal ---------------------------------------------------------------------------------- */

void
notary_file_keep(const struct notary *notary, const char *name, struct slice content)
{
	char path[4096];
	struct fault why;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", notary->directory, name) < sizeof path &&
	    file_replace(path, content, 0600, &why) == -1)
		log_fault(LOG_LEVEL_WARN, "notary", "not-kept", &why);
}

void
notary_buffer_keep(struct buffer *kept, struct slice fresh)
{
	buffer_reset(kept);
	buffer_slice(kept, fresh);
}

static void
file_again(const struct notary *notary, const char *name, struct buffer *out)
{
	struct buffer text = {0};
	char path[4096];

	if ((size_t)snprintf(path, sizeof path, "%s/%s", notary->directory, name) < sizeof path &&
	    file_read(&text, path, NOTARY_NOTE_LIMIT, NULL) == 0)
		buffer_slice(out, buffer_view(&text));
	buffer_free(&text);
}

struct keeping {
	struct notary *notary;
	struct slice note, answer;
	uint64_t size;
	int64_t wall_ms;
};

static int
keep_cosigned(struct database *database, void *owner, struct fault *why)
{
	const struct keeping *keeping = owner;

	return anchor_store_cosigned(database, keeping->notary->gateway->origin, keeping->size, keeping->note,
	                             why);
}

static int
keep_stamp(struct database *database, void *owner, struct fault *why)
{
	const struct keeping *keeping = owner;

	return anchor_store_stamp(database, keeping->notary->gateway->origin, keeping->size, keeping->wall_ms,
	                          keeping->note, keeping->answer, why);
}

/* PostgreSQL away: what is newest goes in when it is there again. */
static void
store(struct notary *notary)
{
	struct registrar *registrar = notary->gateway->registrar;
	struct keeping keeping = {.notary = notary};
	struct fault why;

	if (registrar == NULL)
		return;
	if (notary->unstored) {
		keeping.note = buffer_view(&notary->cosigned);
		keeping.size = notary->told.cosigned_size;
		notary->unstored = registrar_run(registrar, keep_cosigned, &keeping, false, &why) == -1;
		if (notary->unstored)
			log_fault(LOG_LEVEL_WARN, "notary", "cosigned-head-not-stored", &why);
	}
	if (notary->unstamped) {
		keeping.note = buffer_view(&notary->stamped);
		keeping.answer = buffer_view(&notary->stamp);
		keeping.size = notary->told.stamped_size;
		keeping.wall_ms = notary->told.stamped_ms;
		notary->unstamped = registrar_run(registrar, keep_stamp, &keeping, false, &why) == -1;
		if (notary->unstamped)
			log_fault(LOG_LEVEL_WARN, "notary", "stamp-not-stored", &why);
	}
}

/* Whether heads are confirmed as the policy wants is evidence too; told when it changes. */
static void
quorum_record(struct notary *notary, const struct config *config)
{
	struct notary_status *told = &notary->told;
	const bool now = notary->missed == 0 || (notary->had_quorum && notary->missed < MISSED_ROUNDS);
	struct entry_note note = {.action = now ? "quorum-met" : "quorum-lost"};
	char id[ENTRY_ID_SIZE];
	struct fault why;

	if (now == notary->had_quorum)
		return;
	note.facts[note.fact_count].name = "cosigners";
	note.facts[note.fact_count++].number = (int64_t)told->cosigners;
	note.facts[note.fact_count].name = "size";
	note.facts[note.fact_count++].number = (int64_t)told->cosigned_size;
	note.facts[note.fact_count].name = "wants";
	note.facts[note.fact_count++].text = told->wants;
	if (gateway_note(notary->gateway, ENTRY_WITNESS, &note, config->agency, "haechid", id, &why) == -1)
		log_fault(LOG_LEVEL_WARN, "notary", "not-recorded", &why);
	else
		notary->had_quorum = now;
}

/* ---- the time --------------------------------------------------------------------------------------------------------- */

static int
stamp_take(struct notary *notary, const struct config_timestamp *config, struct slice note, uint64_t size,
           const struct timestamp_question *asked, const struct remote_question *question, struct fault *why)
{
	const struct slice answer = buffer_view(&question->answer);
	struct timestamp stamp;
	int64_t apart;

	if (!question->answered) {
		*why = question->why;
		return -1;
	}
	if (question->status != 200)
		return fault_set(why, FAULT_UNAVAILABLE, "시점확인 기관이 %d(으)로 답했습니다",
		                 "the time-stamp authority answered %d", question->status);
	if (timestamp_answer_check(&stamp, answer, asked, buffer_view(config->roots_pem), why) == -1)
		return -1;
	apart = stamp.wall_ms - clock_wall_ms();
	if (apart < 0)
		apart = -apart;
	if (apart > (int64_t)config->skew_seconds * 1000)
		return fault_set(
		    why, FAULT_CONFLICT,
		    "시점확인 기관의 시각이 이 기계의 시각과 %" PRId64 "초 다릅니다: 시계를 맞추십시오",
		    "the authority's time and this machine's differ by %" PRId64 " s: set the clock",
		    apart / 1000);
	pthread_mutex_lock(&notary->lock);
	notary_buffer_keep(&notary->stamped, note);
	notary_buffer_keep(&notary->stamp, answer);
	notary->told.stamped_size = size;
	notary->told.stamped_ms = stamp.wall_ms;
	snprintf(notary->told.authority, sizeof notary->told.authority, "%s", stamp.authority);
	pthread_mutex_unlock(&notary->lock);
	notary->unstamped = true;
	notary_file_keep(notary, STAMPED_FILE, note);
	notary_file_keep(notary, STAMP_FILE, answer);
	log_info("notary", "event=stamped size=%" PRIu64 " authority=\"%s\"", size, stamp.authority);
	return 0;
}

static int
stamp_round(struct notary *notary, const struct config *config, struct fault *why)
{
	const struct config_timestamp *timestamp = config->timestamp;
	struct timestamp_question asked;
	struct checkpoint head;
	struct buffer note, query;
	struct note *parsed = malloc(sizeof *parsed);
	int result = -1;

	buffer_init(&note, NOTARY_NOTE_LIMIT);
	buffer_init(&query, 4096);
	if (config->witness != NULL && notary->told.cosigned_size > 0)
		buffer_slice(&note, buffer_view(&notary->cosigned));
	else if (ledger_checkpoint(notary->gateway->ledger, &note, why) == -1)
		goto out;
	if (parsed == NULL || !buffer_ok(&note)) {
		fault_memory(why);
		goto out;
	}
	if (note_parse(parsed, buffer_view(&note), why) == -1 ||
	    checkpoint_parse(&head, parsed->text, why) == -1)
		goto out;
	/* A log that has not grown has nothing new to be stamped. */
	if (head.size == notary->told.stamped_size) {
		result = 0;
		goto out;
	}
	if (timestamp_ask(&query, &asked, buffer_view(&note), timestamp->policy, why) == -1)
		goto out;
	{
		struct remote_question question = {
		    .url = timestamp->url,
		    .method = "POST",
		    .content_type = TIMESTAMP_TYPE,
		    .body = buffer_view(&query),
		    .ca = timestamp->ca,
		    .answer_limit = TIMESTAMP_LIMIT,
		    .deadline_ms = timestamp->deadline_seconds * 1000,
		};

		remote_ask(&question, 1, &notary->stopping);
		result = stamp_take(notary, timestamp, buffer_view(&note), head.size, &asked, &question, why);
		buffer_free(&question.answer);
	}
out:
	free(parsed);
	buffer_free(&note);
	buffer_free(&query);
	return result;
}

static void
stamp(struct notary *notary, const struct config *config)
{
	struct fault why = {0};
	const bool failed = stamp_round(notary, config, &why) == -1;

	if (atomic_load(&notary->stopping))
		return;
	if (failed && !notary->told.stamp_failed)
		log_fault(LOG_LEVEL_WARN, "notary", "not-stamped", &why);
	pthread_mutex_lock(&notary->lock);
	notary->told.stamping = true;
	notary->told.stamp_failed = failed;
	notary->told.stamp_why = why;
	pthread_mutex_unlock(&notary->lock);
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

static int64_t
seconds_ns(uint32_t seconds)
{
	return (int64_t)seconds * INT64_C(1000000000);
}

static void
due(struct notary *notary)
{
	struct snapshots *snapshots = gateway_hold(notary->gateway);
	const struct config *config;
	int64_t now = clock_monotonic_ns();
	struct fault why;

	if (snapshots == NULL)
		return;
	config = snapshots->config;
	if (config->witness != NULL && now >= notary->witness_due) {
		if (notary_round(notary, config->witness, &why) == -1 && why.kind == FAULT_TAMPERED)
			ledger_refuse(notary->gateway->ledger, &why);
		else if (!atomic_load(&notary->stopping))
			quorum_record(notary, config);
		notary->witness_due = clock_monotonic_ns() + seconds_ns(config->witness->interval_seconds);
	}
	if (config->timestamp != NULL && now >= notary->stamp_due && !atomic_load(&notary->stopping)) {
		stamp(notary, config);
		/* A failure is tried again sooner. */
		notary->stamp_due =
		    clock_monotonic_ns() +
		    seconds_ns(notary->told.stamp_failed && config->timestamp->interval_seconds > 60
		                   ? 60
		                   : config->timestamp->interval_seconds);
	}
	if (!atomic_load(&notary->stopping))
		store(notary);
	snapshots_release(snapshots);
}

static void *
run(void *context)
{
	struct notary *notary = context;

	pthread_mutex_lock(&notary->lock);
	while (!atomic_load(&notary->stopping)) {
		struct timespec until;

		pthread_mutex_unlock(&notary->lock);
		due(notary);
		pthread_mutex_lock(&notary->lock);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 500000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (!atomic_load(&notary->stopping))
			pthread_cond_timedwait(&notary->wake, &notary->lock, &until);
	}
	pthread_mutex_unlock(&notary->lock);
	return NULL;
}

/* What earlier rounds left beside the journal: shown again, and sizes to begin with. It is held against our own keys. */
static void
again(struct notary *notary)
{
	struct signed_head *head = malloc(sizeof *head);
	struct timestamp stamp;

	file_again(notary, NOTARY_COSIGNED_FILE, &notary->cosigned);
	file_again(notary, STAMPED_FILE, &notary->stamped);
	file_again(notary, STAMP_FILE, &notary->stamp);
	if (head == NULL || signed_head_open(head, buffer_view(&notary->cosigned), notary->gateway->origin,
	                                     &notary->keys, NULL) == -1)
		buffer_reset(&notary->cosigned);
	else
		notary->told.cosigned_size = head->checkpoint.size;
	if (head == NULL ||
	    signed_head_open(head, buffer_view(&notary->stamped), notary->gateway->origin, &notary->keys,
	                     NULL) == -1 ||
	    timestamp_check(&stamp, buffer_view(&notary->stamp), buffer_view(&notary->stamped),
	                    slice_of(NULL, 0), NULL) == -1) {
		buffer_reset(&notary->stamped);
		buffer_reset(&notary->stamp);
	} else {
		notary->told.stamped_size = head->checkpoint.size;
		notary->told.stamped_ms = stamp.wall_ms;
		snprintf(notary->told.authority, sizeof notary->told.authority, "%s", stamp.authority);
	}
	free(head);
}

/* Before anything else is written: does anybody outside know another history? */
static int
first_round(struct notary *notary, const struct config_witness *config, struct fault *why)
{
	struct fault said;

	if (notary_round(notary, config, &said) == -1) {
		if (said.kind == FAULT_TAMPERED || said.kind == FAULT_CONFLICT) {
			*why = said;
			why->kind = FAULT_TAMPERED;
			return fault_prefix(why, "시작하지 않습니다", "not starting");
		}
		log_fault(LOG_LEVEL_WARN, "notary", "witnesses-not-asked", &said);
	}
	notary->witness_due = clock_monotonic_ns() + seconds_ns(config->interval_seconds);
	if (config->required && !notary->told.quorum)
		return fault_set(why, FAULT_UNAVAILABLE,
		                 "정족수의 증인(%s)이 답하지 않아 시작하지 않습니다 (witness.required)",
		                 "not starting: no quorum of witnesses (%s) answered (witness.required)",
		                 notary->told.wants);
	return 0;
}

int
notary_open(struct notary **out, struct gateway *gateway, const struct config *config, struct fault *why)
{
	struct notary *notary;

	*out = NULL;
	if (config->witness == NULL && config->timestamp == NULL)
		return 0;
	if ((notary = calloc(1, sizeof *notary)) == NULL)
		return fault_memory(why);
	notary->gateway = gateway;
	notary->told.stamping = config->timestamp != NULL;
	snprintf(notary->directory, sizeof notary->directory, "%s", config->ledger.directory);
	atomic_init(&notary->stopping, false);
	pthread_mutex_init(&notary->lock, NULL);
	pthread_cond_init(&notary->wake, NULL);
	buffer_init(&notary->cosigned, NOTARY_NOTE_LIMIT);
	buffer_init(&notary->stamped, NOTARY_NOTE_LIMIT);
	buffer_init(&notary->stamp, TIMESTAMP_LIMIT);
	if (keyring_add(&notary->keys, slice_string(gateway->vkeys), why) == -1)
		goto fail;
	again(notary);
	if (config->witness != NULL && first_round(notary, config->witness, why) == -1)
		goto fail;
	*out = notary;
	return 0;
fail:
	notary_stop(notary); /* no thread yet */
	return -1;
}

int
notary_run(struct notary *notary, struct fault *why)
{
	if (notary == NULL)
		return 0;
	if (pthread_create(&notary->thread, NULL, run, notary) != 0)
		return fault_set(why, FAULT_SYSTEM, "증인에게 묻는 스레드를 만들 수 없습니다",
		                 "the notary's thread cannot be made");
	notary->thread_runs = true;
	return 0;
}

void
notary_stop(struct notary *notary)
{
	if (notary == NULL)
		return;
	pthread_mutex_lock(&notary->lock);
	atomic_store(&notary->stopping, true);
	pthread_cond_signal(&notary->wake);
	pthread_mutex_unlock(&notary->lock);
	if (notary->thread_runs)
		pthread_join(notary->thread, NULL);
	pthread_cond_destroy(&notary->wake);
	pthread_mutex_destroy(&notary->lock);
	buffer_free(&notary->cosigned);
	buffer_free(&notary->stamped);
	buffer_free(&notary->stamp);
	free(notary);
}

void
notary_status(struct notary *notary, struct notary_status *out)
{
	if (notary == NULL) {
		memset(out, 0, sizeof *out);
		return;
	}
	pthread_mutex_lock(&notary->lock);
	*out = notary->told;
	pthread_mutex_unlock(&notary->lock);
}

static int
give(struct notary *notary, const struct buffer *kept, struct buffer *out, struct fault *why)
{
	int result = 0;

	if (out == NULL)
		return 0;
	pthread_mutex_lock(&notary->lock);
	if (kept->size == 0)
		result = fault_set(why, FAULT_NOT_FOUND, "아직 없습니다", "none yet");
	else
		buffer_slice(out, buffer_view(kept));
	pthread_mutex_unlock(&notary->lock);
	return result == -1 || buffer_ok(out) ? result : fault_memory(why);
}

int
notary_cosigned(struct notary *notary, struct buffer *note, struct fault *why)
{
	if (notary == NULL)
		return fault_set(why, FAULT_NOT_FOUND, "증인을 두지 않은 기록입니다",
		                 "this log has no witnesses");
	return give(notary, &notary->cosigned, note, why);
}

int
notary_stamped(struct notary *notary, struct buffer *note, struct buffer *answer, struct fault *why)
{
	if (notary == NULL)
		return fault_set(why, FAULT_NOT_FOUND, "시점확인을 받지 않는 기록입니다",
		                 "this log is not stamped");
	return give(notary, &notary->stamped, note, why) == -1 ? -1
	                                                       : give(notary, &notary->stamp, answer, why);
}
