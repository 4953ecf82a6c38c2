#include "audit/shipper.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/checkpoint.h"
#include "audit/journal.h"
#include "audit/signer.h"
#include "audit/store.h"
#include "schema/base/log.h"

#define SHIP_BYTES  (8u * 1024 * 1024) /* of journal a transaction */
#define PAUSE_MS    100                /* after a failure; doubled up to the limit */
#define PAUSE_LIMIT 5000

struct shipper {
	char *directory;
	struct journal_reader *reader;
	struct store *store;
	void (*refused)(void *context, const struct fault *why);
	int (*before_trim)(void *context, struct fault *why);
	void *context;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t changed;
	struct buffer checkpoint;
	struct buffer covering; /* the shipping thread's own: the checkpoint of what it ships */
	uint64_t size, shipped, unshipped, keep;
	bool database_up, stopping, stopped;
};

static uint64_t
note_size(struct slice bytes)
{
	struct checkpoint checkpoint;
	struct note note;

	if (bytes.size == 0 || note_parse(&note, bytes, NULL) == -1 ||
	    checkpoint_parse(&checkpoint, note.text, NULL) == -1)
		return 0;
	return checkpoint.size;
}

/*
 * Connect, and find where to go on: the database must hold a prefix of this log that the journal continues.
 * `durable` is the signed size. *position: what it holds.
 */
static int
begin_at(struct shipper *shipper, uint64_t durable, uint64_t *position, struct fault *why)
{
	struct tree_frontier frontier = {0};
	struct store_head head;
	uint64_t oldest = 0;

	if (store_connect(shipper->store, &head, why) == -1)
		return -1;
	if (head.checkpoint > head.size)
		return fault_set(why, FAULT_TAMPERED,
		                 "데이터베이스에 크기 %" PRIu64 "의 체크포인트가 있는데 항목은 %" PRIu64
		                 "개뿐입니다. 증거가 지워졌습니다",
		                 "the database has a checkpoint of size %" PRIu64 ", but only %" PRIu64
		                 " entries: evidence was removed",
		                 head.checkpoint, head.size);
	if (head.size > durable)
		return fault_set(
		    why, FAULT_TAMPERED,
		    "데이터베이스(%" PRIu64 "개)가 저널(%" PRIu64
		    "개)보다 앞서 있습니다. 저널이 되돌려졌거나 다른 기록의 것입니다. 갈라진 기록을 만들지 "
		    "않으려고 거부합니다",
		    "the database (%" PRIu64 " entries) is ahead of the journal (%" PRIu64
		    "): the journal was rolled back or is another log's; refused, lest the log fork",
		    head.size, durable);
	if (head.size != 0 || durable != 0) {
		if (journal_reader_seek(shipper->reader, head.size, durable, &frontier, &oldest, why) == -1) {
			if (why->kind != FAULT_NOT_FOUND)
				return -1;
			return fault_set(why, FAULT_TAMPERED,
			                 "데이터베이스에는 항목이 %" PRIu64 "개인데 저널은 %" PRIu64
			                 "번부터 있습니다. 오래된 백업이 복원된 것으로 보입니다. 더 새 "
			                 "백업을 복원하십시오",
			                 "the database holds %" PRIu64
			                 " entries, but the journal begins at %" PRIu64
			                 ": it looks like an old backup was restored; restore a newer one",
			                 head.size, oldest);
		}
		if (store_edge(shipper->store, &frontier, why) == -1)
			return -1;
	}
	*position = head.size;
	return 0;
}

/* One transaction: batches up to `durable`, or as many as are allowed at once. */
static int
ship_some(struct shipper *shipper, uint64_t durable, uint64_t *position, uint64_t *bytes, struct fault *why)
{
	struct buffer note;
	uint64_t noted = 0;
	int result = -1;

	*bytes = 0;
	buffer_init(&note, SEGMENT_NOTE_LIMIT);
	if (store_begin(shipper->store, why) == -1)
		goto out;
	while (*position < durable && *bytes < SHIP_BYTES) {
		struct segment_batch batch;
		struct segment_walk walk;
		struct segment_item item;
		uint64_t size;

		if (journal_reader_next(shipper->reader, &batch, why) == -1)
			goto out;
		for (walk = segment_items(&batch); segment_next(&walk, &item);)
			if (store_entry(shipper->store, &item, why) == -1)
				goto out;
		size = note_size(batch.note);
		if (size > noted) {
			buffer_reset(&note);
			buffer_slice(&note, batch.note);
			noted = size;
		}
		*position += batch.count;
		*bytes += batch.size;
	}
	/* The head of what was durable when this began: what comes meanwhile has its own, with the next transaction. */
	if (*position == durable) {
		buffer_reset(&note);
		buffer_slice(&note, buffer_view(&shipper->covering));
	}
	result = store_commit(shipper->store, buffer_view(&note), why);
out:
	buffer_free(&note);
	return result;
}

static void
arrived(struct shipper *shipper, uint64_t position, uint64_t bytes)
{
	struct fault why;
	uint64_t done;

	pthread_mutex_lock(&shipper->lock);
	shipper->shipped = position;
	done = position < shipper->keep ? position : shipper->keep;
	shipper->unshipped -= bytes < shipper->unshipped ? bytes : shipper->unshipped;
	if (position == shipper->size)
		shipper->unshipped = 0;
	pthread_cond_broadcast(&shipper->changed);
	pthread_mutex_unlock(&shipper->lock);
	if (journal_trim(shipper->directory, done, shipper->before_trim, shipper->context, &why) == -1)
		log_fault(LOG_LEVEL_WARN, "ledger", "trim", &why);
}

/* `why`: NULL when it is up. */
static void
database_seen(struct shipper *shipper, const struct fault *why)
{
	bool changed;

	pthread_mutex_lock(&shipper->lock);
	changed = shipper->database_up != (why == NULL);
	shipper->database_up = why == NULL;
	pthread_mutex_unlock(&shipper->lock);
	if (!changed)
		return;
	if (why == NULL)
		log_info("ledger", "event=database-up");
	else
		log_fault(LOG_LEVEL_WARN, "ledger", "database-away", why);
}

/* Connect when need be, and ship up to `durable` or as much as one transaction takes. */
static int
ship(struct shipper *shipper, uint64_t durable, uint64_t position, struct fault *why)
{
	uint64_t bytes;

	if (!store_connected(shipper->store)) {
		if (begin_at(shipper, durable, &position, why) == -1)
			return -1;
		database_seen(shipper, NULL);
		arrived(shipper, position, 0);
	}
	if (position == durable)
		return 0;
	if (ship_some(shipper, durable, &position, &bytes, why) == -1)
		return -1;
	arrived(shipper, position, bytes);
	return 0;
}

static void
deadline_in(struct timespec *out, int milliseconds)
{
	clock_gettime(CLOCK_MONOTONIC, out);
	out->tv_sec += milliseconds / 1000;
	out->tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (out->tv_nsec >= 1000000000) {
		out->tv_sec++;
		out->tv_nsec -= 1000000000;
	}
}

static void *
shipper_run(void *argument)
{
	struct shipper *shipper = argument;
	int pause_ms = 0;

	pthread_mutex_lock(&shipper->lock);
	for (;;) {
		uint64_t durable, position;
		struct timespec until;
		struct fault why;

		deadline_in(&until, pause_ms);
		while (!shipper->stopping && pause_ms != 0 &&
		       pthread_cond_timedwait(&shipper->changed, &shipper->lock, &until) == 0)
			;
		while (!shipper->stopping && shipper->size == shipper->shipped)
			pthread_cond_wait(&shipper->changed, &shipper->lock);
		if (shipper->stopping)
			break;
		durable = shipper->size;
		position = shipper->shipped;
		buffer_reset(&shipper->covering);
		buffer_slice(&shipper->covering, buffer_view(&shipper->checkpoint));
		pthread_mutex_unlock(&shipper->lock);
		if (ship(shipper, durable, position, &why) == 0) {
			pause_ms = 0;
		} else if (why.kind == FAULT_UNAVAILABLE) {
			database_seen(shipper, &why);
			pause_ms = pause_ms == 0                ? PAUSE_MS
			           : pause_ms * 2 < PAUSE_LIMIT ? pause_ms * 2
			                                        : PAUSE_LIMIT;
		} else {
			shipper->refused(shipper->context, &why);
			pthread_mutex_lock(&shipper->lock);
			break;
		}
		pthread_mutex_lock(&shipper->lock);
	}
	shipper->stopped = true;
	pthread_cond_broadcast(&shipper->changed);
	pthread_mutex_unlock(&shipper->lock);
	return NULL;
}

int
shipper_start(struct shipper **out, const struct shipper_options *options, uint64_t size,
              struct slice checkpoint, uint64_t bytes, struct fault *why)
{
	struct shipper *shipper = calloc(1, sizeof *shipper);
	pthread_condattr_t monotonic;
	uint64_t position;
	int result = -1;

	*out = NULL;
	if (shipper == NULL)
		return fault_memory(why);
	pthread_mutex_init(&shipper->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&shipper->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	shipper->refused = options->refused;
	shipper->before_trim = options->before_trim;
	shipper->context = options->context;
	shipper->size = size;
	shipper->keep = options->keep;
	shipper->unshipped = bytes;
	shipper->directory = strdup(options->directory);
	shipper->reader = journal_reader_new(options->directory, options->origin);
	buffer_init(&shipper->checkpoint, SIGNER_NOTE_LIMIT);
	buffer_init(&shipper->covering, SIGNER_NOTE_LIMIT);
	buffer_slice(&shipper->checkpoint, checkpoint);
	if (shipper->directory == NULL || shipper->reader == NULL || !buffer_ok(&shipper->checkpoint)) {
		fault_memory(why);
		goto out;
	}
	if (store_open(&shipper->store, options->database, options->origin, options->vkeys, why) == -1)
		goto out;
	if (begin_at(shipper, size, &position, why) == 0) {
		shipper->database_up = true;
		arrived(shipper, position, 0);
	} else if (why->kind == FAULT_UNAVAILABLE) {
		log_fault(LOG_LEVEL_WARN, "ledger", "database-away", why);
	} else {
		goto out;
	}
	if (pthread_create(&shipper->thread, NULL, shipper_run, shipper) != 0) {
		fault_set(why, FAULT_SYSTEM, "옮기는 스레드를 만들 수 없습니다",
		          "the shipping thread cannot be made");
		goto out;
	}
	shipper->started = true;
	*out = shipper;
	shipper = NULL;
	result = 0;
out:
	shipper_stop(shipper, 0);
	return result;
}

void
shipper_stop(struct shipper *shipper, int drain_ms)
{
	struct timespec until;

	if (shipper == NULL)
		return;
	deadline_in(&until, drain_ms);
	pthread_mutex_lock(&shipper->lock);
	while (shipper->started && !shipper->stopped && shipper->size != shipper->shipped &&
	       pthread_cond_timedwait(&shipper->changed, &shipper->lock, &until) == 0)
		;
	shipper->stopping = true;
	pthread_cond_broadcast(&shipper->changed);
	pthread_mutex_unlock(&shipper->lock);
	if (shipper->started)
		pthread_join(shipper->thread, NULL);
	store_close(shipper->store);
	journal_reader_free(shipper->reader);
	buffer_free(&shipper->checkpoint);
	buffer_free(&shipper->covering);
	pthread_cond_destroy(&shipper->changed);
	pthread_mutex_destroy(&shipper->lock);
	free(shipper->directory);
	free(shipper);
}

void
shipper_advance(struct shipper *shipper, uint64_t size, struct slice checkpoint, uint64_t bytes,
                uint64_t keep)
{
	pthread_mutex_lock(&shipper->lock);
	shipper->size = size;
	shipper->unshipped += bytes;
	shipper->keep = keep;
	buffer_reset(&shipper->checkpoint);
	buffer_slice(&shipper->checkpoint, checkpoint);
	pthread_cond_signal(&shipper->changed);
	pthread_mutex_unlock(&shipper->lock);
}

struct shipper_status
shipper_status(struct shipper *shipper)
{
	struct shipper_status status;

	pthread_mutex_lock(&shipper->lock);
	status = (struct shipper_status){shipper->shipped, shipper->unshipped, shipper->database_up};
	pthread_mutex_unlock(&shipper->lock);
	return status;
}
