/*
 * The writing path without a database: append, durable, signed, released; reopened; and every way of damage
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/checkpoint.h"
#include "audit/journal.h"
#include "audit/proof.h"
#include "audit/signer.h"
#include "tests/nodes.h"

#define ORIGIN "haechi.test/unit"

struct place {
	char root[64], keys[96], journal[96];
};

static void
place_make(struct place *place)
{
	struct fault why;

	snprintf(place->root, sizeof place->root, "/tmp/haechi-ledger-XXXXXX");
	assert_non_null(mkdtemp(place->root));
	snprintf(place->keys, sizeof place->keys, "%s/keys", place->root);
	snprintf(place->journal, sizeof place->journal, "%s/journal", place->root);
	if (signer_keys_make(place->keys, ORIGIN, &why) == -1)
		fail_msg("%s", why.en);
}

static void
place_remove(const struct place *place)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", place->root);
	assert_int_equal(system(command), 0);
}

struct running {
	struct signer *signer;
	struct ledger *ledger;
};

static int
start_with(struct running *running, const struct place *place, const struct ledger_options *more,
           struct fault *why)
{
	struct ledger_options options = *more;

	memset(running, 0, sizeof *running);
	if (signer_start(&running->signer, place->keys, ORIGIN, why) == -1)
		return -1;
	options.directory = place->journal;
	options.origin = ORIGIN;
	options.signer = running->signer;
	if (ledger_open(&running->ledger, &options, why) == -1) {
		signer_stop(running->signer);
		return -1;
	}
	return 0;
}

static void
start(struct running *running, const struct place *place)
{
	const struct ledger_options options = {.segment_bytes = 64 * 1024};
	struct fault why;

	if (start_with(running, place, &options, &why) == -1)
		fail_msg("%s", why.en);
}

static void
stop(struct running *running)
{
	ledger_close(running->ledger, 0);
	signer_stop(running->signer);
}

static uint64_t
append(struct running *running, const char *text)
{
	uint64_t index;
	struct fault why;

	if (ledger_append_wait(running->ledger, slice_string(text), slice_string("sealed prompt"),
	                       slice_string(""), &index, &why) == -1)
		fail_msg("%s", why.en);
	return index;
}

/* The checkpoint verifies under both published keys; its size. */
static uint64_t
checkpoint_size(struct running *running, const struct place *place, struct tree_hash *root)
{
	struct buffer vkeys, note;
	struct note_key keys[2];
	struct checkpoint checkpoint;
	struct note parsed;
	struct fault why;
	bool verified[2];
	size_t count;

	buffer_init(&vkeys, 4096);
	buffer_init(&note, 4096);
	assert_int_equal(signer_vkeys(&vkeys, place->keys, ORIGIN, &why), 0);
	assert_int_equal(note_keys_parse(keys, 2, &count, buffer_view(&vkeys), &why), 0);
	assert_int_equal(count, 2);
	assert_int_equal(ledger_checkpoint(running->ledger, &note, &why), 0);
	assert_int_equal(
	    checkpoint_open(&checkpoint, &parsed, buffer_view(&note), ORIGIN, keys, 2, verified, &why), 0);
	assert_true(verified[0] && verified[1]);
	if (root != NULL)
		*root = checkpoint.root;
	buffer_free(&vkeys);
	buffer_free(&note);
	return checkpoint.size;
}

static void
append_and_reopen(void **state)
{
	struct place place;
	struct running running;
	struct tree_frontier expected = {0};
	struct tree_hash root, wanted;
	struct ledger_status status;
	char text[64];

	(void)state;
	place_make(&place);
	for (uint64_t i = 0; i < 40; i++) {
		struct tree_hash leaf;

		if (i % 10 == 0)
			start(&running, &place);
		assert_int_equal(checkpoint_size(&running, &place, &root), i);
		tree_frontier_root(&wanted, &expected);
		assert_true(tree_hash_equal(&root, &wanted));
		snprintf(text, sizeof text, "entry %d", (int)i);
		assert_int_equal(append(&running, text), i);
		tree_leaf(&leaf, slice_string(text));
		tree_frontier_add(&expected, &leaf, NULL, NULL);
		ledger_status(running.ledger, &status);
		assert_true(status.writable);
		assert_int_equal(status.size, i + 1);
		if (i % 10 == 9)
			stop(&running);
	}
	place_remove(&place);
}

static void
too_large(void **state)
{
	struct place place;
	struct running running;
	struct fault why;
	char *big = calloc(1, ENTRY_SIZE_LIMIT + 1);
	uint64_t index;

	(void)state;
	place_make(&place);
	start(&running, &place);
	assert_int_equal(ledger_append_wait(running.ledger, slice_of(big, ENTRY_SIZE_LIMIT + 1),
	                                    slice_string(""), slice_string(""), &index, &why),
	                 -1);
	assert_int_equal(why.kind, FAULT_TOO_LARGE);
	/* the largest, larger than a segment with its content */
	assert_int_equal(ledger_append_wait(running.ledger, slice_of(big, ENTRY_SIZE_LIMIT),
	                                    slice_of(big, ENTRY_SIZE_LIMIT), slice_of(big, 10), &index, &why),
	                 0);
	append(&running, "after");
	stop(&running);
	start(&running, &place);
	assert_int_equal(append(&running, "reopened"), 2);
	stop(&running);
	free(big);
	place_remove(&place);
}

static void
locked_out(void **state)
{
	struct place place, other;
	struct signer *signer, *second, *others;
	struct ledger *ledger, *intruder;
	struct ledger_options options = {.directory = place.journal, .origin = ORIGIN};
	struct fault why;

	(void)state;
	place_make(&place);
	place_make(&other);
	assert_int_equal(signer_start(&signer, place.keys, ORIGIN, &why), 0);
	assert_int_equal(signer_start(&others, other.keys, ORIGIN, &why), 0);
	/* the same keys */
	assert_int_equal(signer_start(&second, place.keys, ORIGIN, &why), -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	options.signer = signer;
	assert_int_equal(ledger_open(&ledger, &options, &why), 0);
	/* other keys, the same journal */
	options.signer = others;
	assert_int_equal(ledger_open(&intruder, &options, &why), -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	assert_non_null(strstr(why.en, "in use"));
	ledger_close(ledger, 0);
	signer_stop(signer);
	signer_stop(others);
	place_remove(&place);
	place_remove(&other);
}

static void
signer_dies(void **state)
{
	struct place place;
	struct running running;
	struct ledger_status status;
	struct fault why;

	(void)state;
	place_make(&place);
	start(&running, &place);
	append(&running, "one");
	assert_int_equal(kill(signer_pid(running.signer), SIGKILL), 0);
	assert_int_equal(ledger_append_wait(running.ledger, slice_string("two"), slice_string(""),
	                                    slice_string(""), NULL, &why),
	                 -1);
	assert_int_equal(why.kind, FAULT_UNAVAILABLE);
	assert_int_equal(ledger_append_wait(running.ledger, slice_string("three"), slice_string(""),
	                                    slice_string(""), NULL, &why),
	                 -1);
	ledger_status(running.ledger, &status);
	assert_false(status.writable);
	assert_true(status.refusal[0] != '\0');
	stop(&running);
	/* "two" was durable, unsigned and refused: it is signed at the next start, nothing else */
	start(&running, &place);
	assert_int_equal(checkpoint_size(&running, &place, NULL), 2);
	assert_int_equal(append(&running, "four"), 2);
	stop(&running);
	place_remove(&place);
}

/* The newest segment's path. */
static void
newest_segment(char out[256], const struct place *place)
{
	uint64_t *list;
	size_t count;
	struct fault why;

	assert_int_equal(journal_list(place->journal, &list, &count, &why), 0);
	assert_true(count > 0);
	snprintf(out, 256, "%s/%020llu.segment", place->journal, (unsigned long long)list[count - 1]);
	free(list);
}

static void
refused_as_tampered(const struct place *place)
{
	const struct ledger_options options = {.segment_bytes = 64 * 1024};
	struct running running;
	struct fault why = {0};

	if (start_with(&running, place, &options, &why) == 0) {
		stop(&running);
		fail_msg("opened");
	}
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_true(why.ko[0] != '\0' && why.en[0] != '\0');
}

static void
rolled_back(void **state)
{
	struct place place;
	struct running running;
	char command[512];

	(void)state;
	place_make(&place);
	start(&running, &place);
	append(&running, "one");
	append(&running, "two");
	stop(&running);
	snprintf(command, sizeof command, "cp -a %s %s/old", place.journal, place.root);
	assert_int_equal(system(command), 0);
	start(&running, &place);
	append(&running, "three");
	stop(&running);
	/* yesterday's journal under today's signer */
	snprintf(command, sizeof command, "mv %s %s/new && cp -a %s/old %s", place.journal, place.root,
	         place.root, place.journal);
	assert_int_equal(system(command), 0);
	refused_as_tampered(&place);
	/* no journal at all */
	snprintf(command, sizeof command, "rm -rf %s", place.journal);
	assert_int_equal(system(command), 0);
	refused_as_tampered(&place);
	/* the right one goes on */
	snprintf(command, sizeof command, "mv %s/new %s", place.root, place.journal);
	snprintf(command, sizeof command, "rm -rf %s; mv %s/new %s", place.journal, place.root,
	         place.journal);
	assert_int_equal(system(command), 0);
	start(&running, &place);
	assert_int_equal(append(&running, "four"), 3);
	stop(&running);
	/* the signer's memory gone, or damaged */
	snprintf(command, sizeof command,
	         "dd if=/dev/zero of=%s/last-head bs=4096 count=3 conv=notrunc status=none", place.keys);
	assert_int_equal(system(command), 0);
	refused_as_tampered(&place);
	place_remove(&place);
}

static void
segment_removed(void **state)
{
	const struct ledger_options options = {0};
	struct place place;
	struct running running;
	struct fault why;
	char path[256];

	(void)state;
	place_make(&place);
	start(&running, &place);
	append(&running, "one");
	newest_segment(path, &place);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ledger_append_wait(running.ledger, slice_string("two"), slice_string(""),
	                                    slice_string(""), NULL, &why),
	                 -1);
	assert_non_null(strstr(why.en, "removed"));
	stop(&running);
	assert_int_equal(start_with(&running, &place, &options, &why), -1);
	place_remove(&place);
}

static void
torn_tail(void **state)
{
	struct place place;
	struct running running;
	struct stat status;
	char path[256];
	uint8_t junk[3000];
	int file;

	(void)state;
	place_make(&place);
	start(&running, &place);
	append(&running, "one");
	append(&running, "two");
	stop(&running);
	newest_segment(path, &place);
	/* what a crash leaves: the beginning of a third batch, then nothing */
	file = open(path, O_RDWR);
	assert_true(file != -1 && pread(file, junk, sizeof junk, 2 * 4096) == sizeof junk);
	assert_int_equal(pwrite(file, junk, 150, 3 * 4096), 150);
	/* the second page of something larger, without its first */
	memset(junk, 'x', sizeof junk);
	assert_int_equal(pwrite(file, junk, sizeof junk, 5 * 4096 + 17), sizeof junk);
	close(file);
	start(&running, &place);
	assert_int_equal(checkpoint_size(&running, &place, NULL), 2);
	assert_int_equal(append(&running, "three"), 2);
	stop(&running);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 64 * 1024);
	start(&running, &place);
	assert_int_equal(append(&running, "four"), 3);
	stop(&running);
	place_remove(&place);
}

/* Change every byte that was ever written, one after another: refused, each time. */
static void
every_byte(void **state)
{
	struct place place;
	struct running running;
	struct signer *signer;
	struct fault why;
	char path[256];
	int file;
	size_t refused = 0, torn = 0;

	(void)state;
	place_make(&place);
	start(&running, &place);
	for (int i = 0; i < 4; i++)
		append(&running, "an entry of the journal that is changed");
	stop(&running);
	newest_segment(path, &place);
	file = open(path, O_RDWR);
	assert_int_not_equal(file, -1);
	assert_int_equal(signer_start(&signer, place.keys, ORIGIN, &why), 0);
	for (off_t at = 0; at < 5 * 4096; at++) {
		struct ledger_options options = {.directory = place.journal,
		                                 .origin = ORIGIN,
		                                 .signer = signer,
		                                 .segment_bytes = 64 * 1024};
		struct ledger *ledger;
		uint8_t byte, changed;

		/* all heads and bodies, and some of the padding */
		if (at % 4096 > 700 && at % 97 != 0)
			continue;
		assert_int_equal(pread(file, &byte, 1, at), 1);
		changed = byte ^ (uint8_t)(1 << (at % 8));
		assert_int_equal(pwrite(file, &changed, 1, at), 1);
		if (ledger_open(&ledger, &options, &why) == 0) {
			ledger_close(ledger, 0);
			fail_msg("byte %ld", (long)at);
		}
		if (why.kind != FAULT_TAMPERED && why.kind != FAULT_CONFLICT)
			fail_msg("byte %ld: %s", (long)at, why.en);
		if (strstr(why.en, "signed up to") != NULL)
			torn++;
		refused++;
		assert_int_equal(pwrite(file, &byte, 1, at), 1);
	}
	print_message("           %zu bytes, %zu of them known by the signer's memory alone\n", refused,
	              torn);
	close(file);
	signer_stop(signer);
	place_remove(&place);
}

struct crowd {
	struct running *running;
	uint64_t seen[200];
	unsigned number;
};

static void *
crowd_run(void *argument)
{
	struct crowd *crowd = argument;

	for (unsigned i = 0; i < 200; i++) {
		char text[64];

		snprintf(text, sizeof text, "thread %u entry %u", crowd->number, i);
		crowd->seen[i] = append(crowd->running, text);
	}
	return NULL;
}

static int
nothing_torn(void *context, const struct tree_frontier *whole, struct fault *why)
{
	(void)context;
	(void)whole;
	(void)why;
	return 0;
}

static int
nothing_base(void *context, const struct tree_frontier *base, struct fault *why)
{
	(void)context;
	(void)base;
	(void)why;
	return 0;
}

struct found {
	char text[2000][40];
	size_t count, batches;
};

static int
found_batch(void *context, const struct segment_batch *batch, const struct tree_frontier *after,
            struct fault *why)
{
	struct found *found = context;
	struct segment_walk walk = segment_items(batch);
	struct segment_item item;

	(void)after;
	(void)why;
	found->batches++;
	while (segment_next(&walk, &item))
		snprintf(found->text[found->count++], 40, "%.*s", SLICE_PRINT(item.entry));
	return 0;
}

static void
many_threads(void **state)
{
	struct place place;
	struct running running;
	struct crowd crowd[8];
	pthread_t threads[8];
	struct found *found = calloc(1, sizeof *found);
	const struct journal_visitor visitor = {nothing_base, found_batch, nothing_torn, found};
	struct tree_frontier frontier;
	struct journal *journal;
	struct fault why;

	(void)state;
	place_make(&place);
	start(&running, &place);
	for (unsigned i = 0; i < 8; i++) {
		crowd[i].running = &running;
		crowd[i].number = i;
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowd[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(checkpoint_size(&running, &place, NULL), 1600);
	stop(&running);
	assert_int_equal(journal_open(&journal, place.journal, ORIGIN, 64 * 1024, &visitor, &frontier, &why),
	                 0);
	assert_int_equal(found->count, 1600);
	assert_true(found->batches < 1600);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < 200; j++) {
			char text[64];

			snprintf(text, sizeof text, "thread %u entry %u", i, j);
			assert_string_equal(found->text[crowd[i].seen[j]], text);
		}
	}
	journal_close(journal);
	free(found);
	place_remove(&place);
}

static void
limits(void **state)
{
	const struct ledger_options unshipped = {.segment_bytes = 64 * 1024, .max_unshipped_bytes = 20000};
	const struct ledger_options reserve = {.segment_bytes = 64 * 1024, .reserve_bytes = UINT64_MAX};
	struct place place;
	struct running running;
	struct ledger_status status;
	struct fault why;
	unsigned taken = 0;

	(void)state;
	place_make(&place);
	assert_int_equal(start_with(&running, &place, &unshipped, &why), 0);
	while (taken < 100 && ledger_append_wait(running.ledger, slice_string("x"), slice_string(""),
	                                         slice_string(""), NULL, &why) == 0)
		taken++;
	assert_true(taken >= 4 && taken <= 6);
	assert_int_equal(why.kind, FAULT_UNAVAILABLE);
	ledger_status(running.ledger, &status);
	assert_false(status.writable);
	stop(&running);
	assert_int_equal(start_with(&running, &place, &reserve, &why), 0);
	assert_int_equal(ledger_append_wait(running.ledger, slice_string("x"), slice_string(""),
	                                    slice_string(""), NULL, &why),
	                 -1);
	assert_int_equal(why.kind, FAULT_UNAVAILABLE);
	stop(&running);
	place_remove(&place);
}

/* Flip a byte of hashes.LEVEL; twice is as it was. */
static void
change_byte(const struct place *place, unsigned level, long at)
{
	char path[256];
	FILE *file;
	int byte;

	snprintf(path, sizeof path, "%s/hashes.%u", place->journal, level);
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	byte = fgetc(file);
	assert_true(byte != EOF);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_true(fputc(byte ^ 0x20, file) != EOF);
	assert_int_equal(fclose(file), 0);
}

static bool
file_holds(const struct place *place, unsigned level, const void *bytes, size_t size)
{
	struct buffer found = {0};
	char path[256];
	struct fault why;
	bool same;

	snprintf(path, sizeof path, "%s/hashes.%u", place->journal, level);
	assert_int_equal(file_read(&found, path, 1 << 20, &why), 0);
	same = found.size >= size && memcmp(found.data, bytes, size) == 0;
	buffer_free(&found);
	return same;
}

static void
tiles(void **state)
{
	struct proof proof;
	struct place place;
	struct running running;
	struct nodes nodes = {0};
	struct buffer out;
	struct fault why;
	char path[256];
	bool full;

	(void)state;
	place_make(&place);
	buffer_init(&out, 8192);
	for (unsigned turn = 0; turn < 3; turn++) {
		start(&running, &place);
		for (unsigned i = 0; i < 200; i++) {
			char text[64];

			snprintf(text, sizeof text, "entry %u of turn %u", i, turn);
			append(&running, text);
			nodes_add(&nodes, slice_string(text));
		}
		buffer_reset(&out);
		if (turn < 2) {
			assert_int_equal(
			    ledger_tile(running.ledger, slice_string("tile/0/002"), &out, &full, &why), -1);
			assert_int_equal(why.kind, FAULT_NOT_FOUND);
		}
		assert_int_equal(
		    ledger_tile(running.ledger, slice_string("tile/0/000.p/150"), &out, &full, &why), 0);
		assert_false(full);
		assert_int_equal(out.size, 150 * 32);
		assert_memory_equal(out.data, nodes.level[0], out.size);
		stop(&running);
		/* lost while the journal still has everything: made again */
		if (turn == 1) {
			snprintf(path, sizeof path, "%s/hashes.0", place.journal);
			assert_int_equal(unlink(path), 0);
		}
	}
	start(&running, &place);
	for (unsigned number = 0; number < 2; number++) {
		snprintf(path, sizeof path, "tile/0/%03u", number);
		buffer_reset(&out);
		assert_int_equal(ledger_tile(running.ledger, slice_string(path), &out, &full, &why), 0);
		assert_true(full);
		assert_memory_equal(out.data, nodes.level[0] + number * 256, 8192);
	}
	buffer_reset(&out);
	assert_int_equal(ledger_tile(running.ledger, slice_string("tile/1/000.p/2"), &out, &full, &why), 0);
	assert_memory_equal(out.data, nodes.level[8], 64);
	assert_int_equal(ledger_tile(running.ledger, slice_string("tile/1/000.p/3"), &out, &full, &why), -1);
	assert_int_equal(ledger_tile(running.ledger, slice_string("tile/0/002.p/89"), &out, &full, &why), -1);
	assert_int_equal(ledger_tile(running.ledger, slice_string("tile/entries/000"), &out, &full, &why),
	                 -1);
	/* an inner hash that somebody changes under the ledger is never given out: it is made again, in the file too */
	for (unsigned turn = 0; turn < 2; turn++) {
		change_byte(&place, 1, 40);
		buffer_reset(&out);
		if (turn == 0)
			assert_int_equal(
			    ledger_tile(running.ledger, slice_string("tile/1/000.p/2"), &out, &full, &why),
			    0);
		else
			assert_int_equal(ledger_look(running.ledger, &why), 0);
		assert_true(turn == 1 || memcmp(out.data, nodes.level[8], 64) == 0);
		assert_true(file_holds(&place, 1, nodes.level[8], 64));
	}
	/* a leaf hash cannot be: its tile and what stands on it are refused, other tiles are not, until it is put back */
	change_byte(&place, 0, 300 * 32);
	assert_int_equal(ledger_look(running.ledger, &why), -1);
	assert_int_equal(ledger_look(running.ledger, &why), -1);
	assert_int_equal(why.kind, FAULT_UNAVAILABLE);
	assert_non_null(strstr(why.en, "hashes.0"));
	assert_int_equal(ledger_tile(running.ledger, slice_string("tile/0/001"), &out, &full, &why), -1);
	buffer_reset(&out);
	assert_int_equal(ledger_tile(running.ledger, slice_string("tile/0/000"), &out, &full, &why), 0);
	assert_int_equal(ledger_consistency(running.ledger, 301, 590, &proof, &why), -1);
	append(&running, "goes on");
	change_byte(&place, 0, 300 * 32);
	for (unsigned turn = 0; turn < 4; turn++)
		assert_int_equal(ledger_look(running.ledger, &why), 0);
	buffer_reset(&out);
	assert_int_equal(ledger_tile(running.ledger, slice_string("tile/0/001"), &out, &full, &why), 0);
	assert_int_equal(ledger_consistency(running.ledger, 301, 590, &proof, &why), 0);
	stop(&running);
	nodes_free(&nodes);
	buffer_free(&out);
	place_remove(&place);
}

static void
signs_only_growth(void **state)
{
	struct place place;
	struct signer *signer;
	struct tree_hash leaves[3] = {{{1}}, {{2}}, {{3}}};
	struct buffer note;
	struct fault why;

	(void)state;
	place_make(&place);
	buffer_init(&note, 65536);
	assert_int_equal(signer_start(&signer, place.keys, ORIGIN, &why), 0);
	assert_int_equal(signer_sign(signer, 0, leaves, 3, &note, &why), 0);
	assert_int_equal(signer_head(signer)->size, 3);
	assert_int_equal(signer_sign(signer, 0, leaves, 1, &note, &why), -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	signer_stop(signer);
	/* not even when it was killed and started anew */
	assert_int_equal(signer_start(&signer, place.keys, ORIGIN, &why), 0);
	assert_int_equal(signer_head(signer)->size, 3);
	assert_int_equal(signer_sign(signer, 3, leaves, 1, &note, &why), 0);
	assert_int_equal(kill(signer_pid(signer), SIGKILL), 0);
	signer_stop(signer);
	assert_int_equal(signer_start(&signer, place.keys, ORIGIN, &why), 0);
	assert_int_equal(signer_head(signer)->size, 4);
	assert_int_equal(signer_sign(signer, 3, leaves, 1, &note, &why), -1);
	signer_stop(signer);
	buffer_free(&note);
	place_remove(&place);
}

static void
keys_guarded(void **state)
{
	struct place place;
	struct signer *signer;
	struct buffer before, after;
	struct fault why;
	char path[160];

	(void)state;
	place_make(&place);
	buffer_init(&before, 4096);
	buffer_init(&after, 4096);
	/* made once, never again */
	assert_int_equal(signer_vkeys(&before, place.keys, ORIGIN, &why), 0);
	assert_int_equal(signer_keys_make(place.keys, ORIGIN, &why), 0);
	assert_int_equal(signer_vkeys(&after, place.keys, ORIGIN, &why), 0);
	assert_true(slice_equal(buffer_view(&before), buffer_view(&after)));
	/* another name */
	assert_int_equal(signer_start(&signer, place.keys, "haechi.other/node", &why), -1);
	/* readable by others */
	snprintf(path, sizeof path, "%s/log.p256.pem", place.keys);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(signer_start(&signer, place.keys, ORIGIN, &why), -1);
	assert_int_equal(why.kind, FAULT_FORBIDDEN);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(signer_start(&signer, place.keys, ORIGIN, &why), 0);
	signer_stop(signer);
	/* a missing file is not made anew: that would be another log under the same name */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(signer_keys_make(place.keys, ORIGIN, &why), -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	buffer_free(&before);
	buffer_free(&after);
	place_remove(&place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_guarded),
	    cmocka_unit_test(signs_only_growth),
	    cmocka_unit_test(append_and_reopen),
	    cmocka_unit_test(too_large),
	    cmocka_unit_test(locked_out),
	    cmocka_unit_test(signer_dies),
	    cmocka_unit_test(rolled_back),
	    cmocka_unit_test(segment_removed),
	    cmocka_unit_test(torn_tail),
	    cmocka_unit_test(many_threads),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(tiles),
	    cmocka_unit_test(every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
