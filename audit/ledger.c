/*
 * The order in which things happen to a batch, and nothing is released out of it (see README.md):
 *
 *	gather -> write -> fdatasync -> remember (signer) -> sign -> done() -> ship
 *
 * The writing thread does the first three, the finishing thread the rest, so that a batch is signed while the
 * next one is written. When nothing waits, the writing thread finishes its batch itself and saves the
 * hand-over.
 */
#include "audit/audit.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/hashes.h"
#include "audit/journal.h"
#include "audit/ledger_inside.h"
#include "audit/note.h"
#include "audit/signer.h"
#include "audit/shipper.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define BATCH_BYTES     (8u * 1024 * 1024) /* a batch is closed when it holds as much */
#define WAITING_ITEMS   65536u
#define WAITING_BYTES   (UINT64_C(256) * 1024 * 1024)
#define SPACE_LOOK_NS   INT64_C(200000000)
#define SEGMENT_DEFAULT (64u * 1024 * 1024)
#define SEGMENT_LEAST   (64u * 1024)

struct batch {
	struct ledger_item *items;
	uint32_t count;
	uint64_t first, bytes; /* bytes: on disk */
	struct tree_hash leaves[SEGMENT_COUNT_LIMIT];
	struct batch *next;
};

struct ledger {
	char directory[PATH_MAX], origin[NOTE_NAME_SIZE];
	struct ledger_options options;
	struct journal *journal;
	struct shipper *shipper; /* NULL: no database */
	struct hashes *hashes;   /* whoever finishes a batch writes */
	pthread_t writer, finisher;
	unsigned threads; /* that were started, in the order above */

	/* the writing thread's own */
	struct tree_frontier frontier; /* of everything written */
	struct buffer staging;
	uint64_t noted; /* size of the newest checkpoint in the journal */
	struct batch batches[3];

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t work, finish, freed;
	struct ledger_item *head, *tail; /* waiting */
	uint32_t waiting;
	uint64_t waiting_bytes;
	struct batch *free_batches, *durable_head, *durable_tail;
	bool finishing; /* somebody is signing */
	bool writer_waits, closing, written_out;
	bool failed, low_space;
	int64_t space_seen_ns;
	struct fault failure;
	uint64_t size; /* signed */
	struct buffer checkpoint;
	uint64_t journal_bytes; /* found at start, and written since */
	uint64_t batch_count;
};

static void
items_refuse(struct ledger_item *item, const struct fault *why)
{
	while (item != NULL) {
		struct ledger_item *next = item->next;

		item->next = NULL;
		item->durable = false;
		item->why = *why;
		item->done(item); /* the item is its owner's again */
		item = next;
	}
}

/* Nothing more is accepted until a restart. The first reason counts; what waits is refused. */
static void
ledger_fail(struct ledger *ledger, const struct fault *why)
{
	struct ledger_item *waiting;
	struct fault told;
	bool first;

	pthread_mutex_lock(&ledger->lock);
	first = !ledger->failed;
	if (first) {
		ledger->failed = true;
		ledger->failure = *why;
		ledger->failure.kind = FAULT_UNAVAILABLE;
	}
	told = ledger->failure;
	waiting = ledger->head;
	ledger->head = ledger->tail = NULL;
	ledger->waiting = 0;
	ledger->waiting_bytes = 0;
	pthread_mutex_unlock(&ledger->lock);
	if (first)
		log_fault(LOG_LEVEL_ERROR, "ledger", "unwritable", why);
	items_refuse(waiting, &told);
}

static uint64_t
item_bytes(const struct ledger_item *item)
{
	return item->entry.size + item->content[0].size + item->content[1].size;
}

/* ---- intake -------------------------------------------------------------------------------------------- */

static uint64_t
unshipped(struct ledger *ledger)
{
	return ledger->shipper == NULL ? ledger->journal_bytes : shipper_status(ledger->shipper).unshipped;
}

/* With the lock held. 0, or -1 with why nothing can be taken now. */
static int
intake_open(struct ledger *ledger, const struct ledger_item *item, struct fault *why)
{
	if (ledger->failed) {
		*why = ledger->failure;
		return -1;
	}
	if (ledger->closing)
		return fault_set(why, FAULT_UNAVAILABLE, "기록 장치를 닫는 중입니다",
		                 "the ledger is closing");
	if (ledger->low_space)
		return fault_set(why, FAULT_UNAVAILABLE, "저널 디스크의 남은 공간이 부족합니다",
		                 "the journal's disk is nearly full");
	if (ledger->options.max_unshipped_bytes != 0 &&
	    unshipped(ledger) + ledger->waiting_bytes > ledger->options.max_unshipped_bytes)
		return fault_set(why, FAULT_UNAVAILABLE,
		                 "데이터베이스로 옮기지 못한 증거가 한도(%" PRIu64 "바이트)에 이르렀습니다",
		                 "evidence not yet in the database has reached its limit (%" PRIu64 " bytes)",
		                 ledger->options.max_unshipped_bytes);
	if (ledger->waiting >= WAITING_ITEMS || ledger->waiting_bytes > WAITING_BYTES)
		return fault_set(why, FAULT_UNAVAILABLE, "기록을 기다리는 증거가 너무 많습니다",
		                 "too much evidence is waiting to be written");
	if (item->entry.size == 0 || item->entry.size > ENTRY_SIZE_LIMIT ||
	    item->content[0].size > SEGMENT_CONTENT_LIMIT || item->content[1].size > SEGMENT_CONTENT_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "항목이나 봉인된 내용이 너무 큽니다",
		                 "the entry or its sealed content is too large");
	return 0;
}

/* With the lock held: is there room on the disk? Asked again at most every 200 ms. */
static void
space_look(struct ledger *ledger)
{
	int64_t now = clock_monotonic_ns();
	bool low;

	if (ledger->options.reserve_bytes == 0 || now - ledger->space_seen_ns < SPACE_LOOK_NS)
		return;
	ledger->space_seen_ns = now;
	low = journal_free(ledger->journal) < ledger->options.reserve_bytes;
	if (low != ledger->low_space)
		log_line(low ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "ledger", "event=%s reserve=%" PRIu64,
		         low ? "disk-reserve-reached" : "disk-space-again", ledger->options.reserve_bytes);
	ledger->low_space = low;
}

void
ledger_append(struct ledger *ledger, struct ledger_item *item)
{
	bool wake = false;
	struct fault why;
	int taken;

	item->next = NULL;
	item->durable = false;
	pthread_mutex_lock(&ledger->lock);
	space_look(ledger);
	taken = intake_open(ledger, item, &why);
	if (taken == 0) {
		if (ledger->tail == NULL)
			ledger->head = item;
		else
			ledger->tail->next = item;
		ledger->tail = item;
		ledger->waiting++;
		ledger->waiting_bytes += item_bytes(item);
		wake = ledger->writer_waits;
		ledger->writer_waits = false;
	}
	pthread_mutex_unlock(&ledger->lock);
	if (wake)
		pthread_cond_signal(&ledger->work);
	if (taken == -1)
		items_refuse(item, &why);
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
};

static void
waiter_done(struct ledger_item *item)
{
	struct waiter *waiter = item->owner;

	pthread_mutex_lock(&waiter->lock);
	waiter->is_done = true;
	pthread_cond_signal(&waiter->done);
	pthread_mutex_unlock(&waiter->lock);
}

int
ledger_append_wait(struct ledger *ledger, struct slice entry, struct slice content0, struct slice content1,
                   uint64_t *index, struct fault *why)
{
	struct waiter waiter = {.is_done = false};
	struct ledger_item item = {
	    .entry = entry, .content = {content0, content1},
                 .done = waiter_done, .owner = &waiter
        };

	pthread_mutex_init(&waiter.lock, NULL);
	pthread_cond_init(&waiter.done, NULL);
	ledger_append(ledger, &item);
	pthread_mutex_lock(&waiter.lock);
	while (!waiter.is_done)
		pthread_cond_wait(&waiter.done, &waiter.lock);
	pthread_mutex_unlock(&waiter.lock);
	pthread_cond_destroy(&waiter.done);
	pthread_mutex_destroy(&waiter.lock);
	if (!item.durable) {
		if (why != NULL)
			*why = item.why;
		return -1;
	}
	if (index != NULL)
		*index = item.index;
	return 0;
}

/* ---- finishing: sign, release -------------------------------------------------------------------------- */

static void
batch_finish(struct ledger *ledger, struct batch *batch)
{
	struct buffer note;
	struct fault why;
	uint64_t size = batch->first + batch->count, index = batch->first;

	buffer_init(&note, SIGNER_NOTE_LIMIT);
	if (signer_sign(ledger->options.signer, batch->first, batch->leaves, batch->count, &note, &why) ==
	    -1) {
		buffer_free(&note);
		ledger_fail(ledger, &why);
		why.kind = FAULT_UNAVAILABLE;
		items_refuse(batch->items, &why);
		return;
	}
	hashes_add(ledger->hashes, batch->leaves, batch->count);
	pthread_mutex_lock(&ledger->lock);
	buffer_free(&ledger->checkpoint);
	ledger->checkpoint = note;
	ledger->size = size;
	ledger->journal_bytes += batch->bytes;
	ledger->batch_count++;
	pthread_mutex_unlock(&ledger->lock);
	if (ledger->shipper != NULL)
		shipper_advance(ledger->shipper, size, buffer_view(&ledger->checkpoint), batch->bytes,
		                signer_durable(ledger->options.signer));
	for (struct ledger_item *item = batch->items, *next; item != NULL; item = next) {
		next = item->next;
		item->next = NULL;
		item->durable = true;
		item->index = index++;
		item->size = size;
		item->done(item); /* the item is its owner's again */
	}
}

static void
batch_free(struct ledger *ledger, struct batch *batch)
{
	batch->items = NULL;
	batch->next = ledger->free_batches;
	ledger->free_batches = batch;
	ledger->finishing = false;
	pthread_cond_signal(&ledger->freed);
}

static void *
finisher_run(void *argument)
{
	struct ledger *ledger = argument;

	pthread_mutex_lock(&ledger->lock);
	for (;;) {
		struct batch *batch;

		while (ledger->durable_head == NULL || ledger->finishing) {
			if (ledger->written_out && ledger->durable_head == NULL && !ledger->finishing) {
				pthread_mutex_unlock(&ledger->lock);
				return NULL;
			}
			pthread_cond_wait(&ledger->finish, &ledger->lock);
		}
		batch = ledger->durable_head;
		ledger->durable_head = batch->next;
		if (ledger->durable_head == NULL)
			ledger->durable_tail = NULL;
		ledger->finishing = true;
		pthread_mutex_unlock(&ledger->lock);
		batch_finish(ledger, batch);
		pthread_mutex_lock(&ledger->lock);
		batch_free(ledger, batch);
	}
}

/* The batch is durable: finish it here when nothing else is to be done, else hand it over. */
static void
batch_durable(struct ledger *ledger, struct batch *batch)
{
	bool here;

	pthread_mutex_lock(&ledger->lock);
	here = ledger->head == NULL && ledger->durable_head == NULL && !ledger->finishing;
	if (here) {
		ledger->finishing = true;
	} else {
		batch->next = NULL;
		if (ledger->durable_tail == NULL)
			ledger->durable_head = batch;
		else
			ledger->durable_tail->next = batch;
		ledger->durable_tail = batch;
	}
	pthread_mutex_unlock(&ledger->lock);
	if (!here) {
		pthread_cond_signal(&ledger->finish);
		return;
	}
	batch_finish(ledger, batch);
	pthread_mutex_lock(&ledger->lock);
	batch_free(ledger, batch);
	pthread_mutex_unlock(&ledger->lock);
	pthread_cond_signal(&ledger->finish);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* With the lock held: move what waits into the batch, in order, as much as one batch may hold. */
static void
batch_gather(struct ledger *ledger, struct batch *batch)
{
	struct ledger_item **end = &batch->items;
	uint64_t bytes = 0;

	batch->count = 0;
	while (ledger->head != NULL && batch->count < SEGMENT_COUNT_LIMIT) {
		struct ledger_item *item = ledger->head;
		uint64_t size = item_bytes(item);

		if (batch->count != 0 && bytes + size > BATCH_BYTES)
			break;
		ledger->head = item->next;
		item->next = NULL;
		*end = item;
		end = &item->next;
		bytes += size;
		batch->count++;
		ledger->waiting--;
		ledger->waiting_bytes -= size;
	}
	if (ledger->head == NULL)
		ledger->tail = NULL;
}

static int
batch_write(struct ledger *ledger, struct batch *batch, struct slice note, struct fault *why)
{
	struct tree_frontier after = ledger->frontier;
	struct segment_writer writer;
	struct segment_digest digest;
	struct segment_item part;
	struct tree_hash root;
	uint32_t i = 0;

	for (const struct ledger_item *item = batch->items; item != NULL; item = item->next) {
		tree_leaf(&batch->leaves[i], item->entry);
		tree_frontier_add(&after, &batch->leaves[i++], NULL, NULL);
	}
	tree_frontier_root(&root, &after);
	buffer_reset(&ledger->staging);
	segment_begin(&writer, &ledger->staging, batch->first, batch->count, note,
	              journal_chain(ledger->journal), &root);
	for (int pass = 0; pass < 2; pass++) {
		for (const struct ledger_item *item = batch->items; item != NULL; item = item->next) {
			part.entry = item->entry;
			part.content[0] = item->content[0];
			part.content[1] = item->content[1];
			(pass == 0 ? segment_sizes : segment_bytes)(&writer, &part);
		}
	}
	segment_end(&writer, &digest);
	if (!buffer_ok(&ledger->staging))
		return fault_memory(why);
	batch->bytes = ledger->staging.size;
	if (journal_write(ledger->journal, buffer_view(&ledger->staging), &digest, &ledger->frontier, why) ==
	        -1 ||
	    journal_sync(ledger->journal, why) == -1)
		return -1;
	ledger->frontier = after;
	return 0;
}

static void *
writer_run(void *argument)
{
	struct ledger *ledger = argument;
	struct buffer note;

	buffer_init(&note, SIGNER_NOTE_LIMIT);
	pthread_mutex_lock(&ledger->lock);
	for (;;) {
		struct batch *batch;
		struct fault why;

		while (ledger->head == NULL && !ledger->closing) {
			ledger->writer_waits = true;
			pthread_cond_wait(&ledger->work, &ledger->lock);
		}
		ledger->writer_waits = false;
		if (ledger->head == NULL)
			break;
		/* While all batches are being signed, the next one gathers. */
		if (ledger->free_batches == NULL) {
			pthread_cond_wait(&ledger->freed, &ledger->lock);
			continue;
		}
		batch = ledger->free_batches;
		ledger->free_batches = batch->next;
		batch_gather(ledger, batch);
		batch->first = ledger->frontier.size;
		buffer_reset(&note);
		if (ledger->size > ledger->noted) {
			buffer_slice(&note, buffer_view(&ledger->checkpoint));
			ledger->noted = ledger->size;
		}
		space_look(ledger);
		pthread_mutex_unlock(&ledger->lock);
		if (batch_write(ledger, batch, buffer_view(&note), &why) == 0) {
			batch_durable(ledger, batch);
			pthread_mutex_lock(&ledger->lock);
			continue;
		}
		why.kind = FAULT_UNAVAILABLE;
		ledger_fail(ledger, &why);
		items_refuse(batch->items, &why);
		pthread_mutex_lock(&ledger->lock);
		batch->items = NULL;
		batch->next = ledger->free_batches;
		ledger->free_batches = batch;
	}
	ledger->written_out = true;
	pthread_mutex_unlock(&ledger->lock);
	pthread_cond_signal(&ledger->finish);
	buffer_free(&note);
	return NULL;
}

/* ---- opening and closing ------------------------------------------------------------------------------- */

struct opening {
	struct ledger *ledger;
	bool met; /* the signer's head was found in the journal */
};

static int
head_compare(struct opening *opening, const struct tree_frontier *here, struct fault *why)
{
	const struct tree_frontier *signed_head = signer_head(opening->ledger->options.signer);
	struct tree_hash ours, signers;

	if (here->size != signed_head->size)
		return 0;
	tree_frontier_root(&ours, here);
	tree_frontier_root(&signers, signed_head);
	if (!tree_hash_equal(&ours, &signers))
		return fault_set(why, FAULT_TAMPERED,
		                 "저널의 크기 %" PRIu64
		                 "에서 루트가 서명된 것과 다릅니다. 저널이 바뀌었습니다",
		                 "the journal's root at size %" PRIu64
		                 " is not the one that was signed: the journal was changed",
		                 here->size);
	opening->met = true;
	return 0;
}

static int
opening_base(void *context, const struct tree_frontier *base, struct fault *why)
{
	struct opening *opening = context;
	uint64_t signed_size = signer_head(opening->ledger->options.signer)->size;

	if (signed_size < base->size)
		return fault_set(why, FAULT_TAMPERED,
		                 "저널은 %" PRIu64 "번부터 있는데 서명자의 기억은 %" PRIu64
		                 "에서 끝납니다. 서명 키 폴더가 오래된 것입니다",
		                 "the journal begins at entry %" PRIu64
		                 ", but the signer's memory ends at %" PRIu64
		                 ": the key directory is an old one",
		                 base->size, signed_size);
	if (hashes_open(&opening->ledger->hashes, opening->ledger->directory, base, why) == -1)
		return -1;
	return head_compare(opening, base, why);
}

static int
opening_batch(void *context, const struct segment_batch *batch, const struct tree_frontier *after,
              struct fault *why)
{
	struct opening *opening = context;
	struct ledger *ledger = opening->ledger;
	struct signer *signer = ledger->options.signer;
	struct segment_walk walk = segment_items(batch);
	struct segment_item item;
	struct tree_hash *leaves = ledger->batches[0].leaves;
	uint32_t count = 0;

	ledger->journal_bytes += batch->size;
	while (segment_next(&walk, &item))
		tree_leaf(&leaves[count++], item.entry);
	hashes_add(ledger->hashes, leaves, count);
	if (!opening->met)
		return head_compare(opening, after, why);
	/* Durable, but the signature was lost in the crash: nobody was told of it. Sign it now. */
	buffer_reset(&ledger->checkpoint);
	return signer_sign(signer, batch->first, leaves, count, &ledger->checkpoint, why);
}

/* No journal holds less than what was signed: signing comes after the disk. */
static int
signed_lost(struct ledger *ledger, uint64_t size, struct fault *why)
{
	return fault_set(why, FAULT_TAMPERED,
	                 "크기 %" PRIu64 "까지 서명했는데 저널은 %" PRIu64
	                 "에서 끝나거나 손상되었습니다. 되돌려졌거나 잃어버린 것입니다. 저널을 되살리십시오",
	                 "signed up to size %" PRIu64 ", but the journal ends or is damaged at %" PRIu64
	                 ": it was rolled back or lost; restore the journal",
	                 signer_head(ledger->options.signer)->size, size);
}

static int
opening_torn(void *context, const struct tree_frontier *whole, struct fault *why)
{
	struct opening *opening = context;

	return opening->met ? 0 : signed_lost(opening->ledger, whole->size, why);
}

static int
journal_replay(struct ledger *ledger, struct fault *why)
{
	struct opening opening = {.ledger = ledger};
	const struct journal_visitor visitor = {opening_base, opening_batch, opening_torn, &opening};

	if (journal_open(&ledger->journal, ledger->directory, ledger->origin, ledger->options.segment_bytes,
	                 &visitor, &ledger->frontier, why) == -1)
		return -1;
	if (!opening.met)
		return signed_lost(ledger, ledger->frontier.size, why);
	if (ledger->checkpoint.size == 0 && signer_sign(ledger->options.signer, ledger->frontier.size, NULL,
	                                                0, &ledger->checkpoint, why) == -1)
		return -1;
	ledger->size = ledger->frontier.size;
	return 0;
}

/* The shipper's thread: what only the journal's oldest segments hold must be on the disk elsewhere. */
static int
before_trim(void *context, struct fault *why)
{
	struct ledger *ledger = context;

	return hashes_sync(ledger->hashes, why);
}

/* The shipper's thread: the database is not this log's. */
static void
database_refused(void *context, const struct fault *why)
{
	ledger_fail(context, why);
}

static int
threads_start(struct ledger *ledger, struct fault *why)
{
	const struct shipper_options options = {.directory = ledger->directory,
	                                        .origin = ledger->origin,
	                                        .database = ledger->options.database,
	                                        .vkeys = signer_public(ledger->options.signer),
	                                        .keep = signer_durable(ledger->options.signer),
	                                        .refused = database_refused,
	                                        .before_trim = before_trim,
	                                        .context = ledger};

	if (options.database != NULL &&
	    shipper_start(&ledger->shipper, &options, ledger->size, buffer_view(&ledger->checkpoint),
	                  ledger->journal_bytes, why) == -1)
		return -1;
	if (pthread_create(&ledger->writer, NULL, writer_run, ledger) == 0)
		ledger->threads = 1;
	if (ledger->threads == 1 && pthread_create(&ledger->finisher, NULL, finisher_run, ledger) == 0)
		ledger->threads = 2;
	if (ledger->threads != 2)
		return fault_set(why, FAULT_SYSTEM, "기록 장치의 스레드를 만들 수 없습니다",
		                 "the ledger's threads cannot be made");
	return 0;
}

int
ledger_open(struct ledger **out, const struct ledger_options *options, struct fault *why)
{
	struct ledger *ledger = calloc(1, sizeof *ledger);
	int result = -1;

	*out = NULL;
	if (ledger == NULL)
		return fault_memory(why);
	ledger->options = *options;
	if (ledger->options.segment_bytes == 0)
		ledger->options.segment_bytes = SEGMENT_DEFAULT;
	if (ledger->options.segment_bytes < SEGMENT_LEAST)
		ledger->options.segment_bytes = SEGMENT_LEAST;
	pthread_mutex_init(&ledger->lock, NULL);
	pthread_cond_init(&ledger->work, NULL);
	pthread_cond_init(&ledger->finish, NULL);
	pthread_cond_init(&ledger->freed, NULL);
	buffer_init(&ledger->checkpoint, SIGNER_NOTE_LIMIT);
	buffer_init(&ledger->staging, SEGMENT_BODY_LIMIT);
	for (size_t i = 0; i < sizeof ledger->batches / sizeof ledger->batches[0]; i++) {
		ledger->batches[i].next = ledger->free_batches;
		ledger->free_batches = &ledger->batches[i];
	}
	if ((size_t)snprintf(ledger->directory, sizeof ledger->directory, "%s", options->directory) >=
	        sizeof ledger->directory ||
	    (size_t)snprintf(ledger->origin, sizeof ledger->origin, "%s", options->origin) >=
	        sizeof ledger->origin) {
		fault_set(why, FAULT_INVALID, "저널 경로나 기록 이름이 너무 깁니다",
		          "the journal's path or the log's name is too long");
		goto out;
	}
	if (journal_replay(ledger, why) == -1)
		goto out;
	if (threads_start(ledger, why) == -1)
		goto out;
	log_info("ledger", "event=opened origin=%s size=%" PRIu64, ledger->origin, ledger->size);
	*out = ledger;
	ledger = NULL;
	result = 0;
out:
	ledger_close(ledger, 0);
	return result;
}

void
ledger_close(struct ledger *ledger, int drain_ms)
{
	if (ledger == NULL)
		return;
	pthread_mutex_lock(&ledger->lock);
	ledger->closing = true;
	pthread_mutex_unlock(&ledger->lock);
	pthread_cond_broadcast(&ledger->work);
	if (ledger->threads >= 1)
		pthread_join(ledger->writer, NULL);
	if (ledger->threads >= 2)
		pthread_join(ledger->finisher, NULL);
	shipper_stop(ledger->shipper, drain_ms);
	journal_close(ledger->journal);
	hashes_close(ledger->hashes);
	buffer_free(&ledger->checkpoint);
	buffer_free(&ledger->staging);
	pthread_cond_destroy(&ledger->work);
	pthread_cond_destroy(&ledger->finish);
	pthread_cond_destroy(&ledger->freed);
	pthread_mutex_destroy(&ledger->lock);
	free(ledger);
}

void
ledger_status(struct ledger *ledger, struct ledger_status *out)
{
	static const struct ledger_item smallest = {
	    .entry = {(const uint8_t *)"", 1}
        };
	struct fault why = {0};

	memset(out, 0, sizeof *out);
	pthread_mutex_lock(&ledger->lock);
	space_look(ledger);
	out->writable = intake_open(ledger, &smallest, &why) == 0;
	out->size = ledger->size;
	out->unshipped_bytes = unshipped(ledger);
	if (ledger->shipper != NULL) {
		struct shipper_status status = shipper_status(ledger->shipper);

		out->shipped = status.shipped;
		out->database_up = status.database_up;
	}
	out->batches = ledger->batch_count;
	if (!out->writable)
		snprintf(out->refusal, sizeof out->refusal, "%.*s",
		         (int)utf8_cut(slice_string(why.en), sizeof out->refusal - 1), why.en);
	pthread_mutex_unlock(&ledger->lock);
}

int
ledger_checkpoint(struct ledger *ledger, struct buffer *out, struct fault *why)
{
	pthread_mutex_lock(&ledger->lock);
	buffer_slice(out, buffer_view(&ledger->checkpoint));
	pthread_mutex_unlock(&ledger->lock);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

uint64_t
ledger_signed(struct ledger *ledger)
{
	uint64_t size;

	pthread_mutex_lock(&ledger->lock);
	size = ledger->size;
	pthread_mutex_unlock(&ledger->lock);
	return size;
}

struct hashes *
ledger_hashes(struct ledger *ledger)
{
	return ledger->hashes;
}

void
ledger_refuse(struct ledger *ledger, const struct fault *why)
{
	ledger_fail(ledger, why);
}
