/*
 * ledger_crash ROUNDS [SEED] [CONNINFO]: a daemon's writing path under load, killed again and again at random
 * moments -- the whole daemon or its signer alone -- and held to its word: every entry that was acknowledged
 * is in the journal, at its index, with its bytes; what was there before is still there; the log goes on.
 * With CONNINFO it ships, too, and the server's connections are cut at random.
 *
 * Exit 0: nothing was lost. 1: something was. The seed is printed, so that a failure can be had again.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/journal.h"
#include "audit/signer.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define ORIGIN  "haechi.crash/node1"
#define WRITERS 8
#define ACKS    200000

struct acknowledged {
	uint64_t index;
	uint32_t round, writer, number;
	_Atomic uint32_t whole; /* set last: a kill may fall between any two stores */
};

static struct shared {
	_Atomic uint32_t count; /* of acks */
	_Atomic int signer;
	_Atomic bool opened, refused;
	char why[FAULT_TEXT_SIZE];
	struct acknowledged acks[ACKS];
} * shared;

static char root[64], keys[96], journal[96];
static const char *database;
static struct ledger *ledger;
static uint32_t round_number;

static void
text_write(char out[600], uint32_t round, uint32_t writer, uint32_t number)
{
	int size = snprintf(out, 600, "round %u writer %u entry %u ", round, writer, number);

	for (uint32_t i = 0; i < (number * 37 + writer) % 400; i++)
		out[size++] = (char)('a' + (i + number) % 26);
	out[size] = '\0';
}

static void *
write_on(void *argument)
{
	uint32_t writer = (uint32_t)(uintptr_t)argument;
	char text[600];

	for (uint32_t number = 0;; number++) {
		struct fault why;
		uint64_t index;
		uint32_t at;

		text_write(text, round_number, writer, number);
		if (ledger_append_wait(ledger, slice_string(text), slice_string(text), slice_string(""),
		                       &index, &why) == -1) {
			shared->refused = true;
			return NULL;
		}
		at = atomic_load(&shared->count);
		for (;;) {
			if (at >= ACKS)
				return NULL;
			if (atomic_compare_exchange_weak(&shared->count, &at, at + 1))
				break;
		}
		shared->acks[at].index = index;
		shared->acks[at].round = round_number;
		shared->acks[at].writer = writer;
		shared->acks[at].number = number;
		atomic_store(&shared->acks[at].whole, 1);
	}
}

static void
daemon_run(void)
{
	struct ledger_options options = {
	    .directory = journal, .origin = ORIGIN, .database = database, .segment_bytes = 512 * 1024};
	struct signer *signer;
	pthread_t threads[WRITERS];
	struct fault why;

	if (signer_start(&signer, keys, ORIGIN, &why) == -1)
		goto refused;
	shared->signer = signer_pid(signer);
	options.signer = signer;
	if (ledger_open(&ledger, &options, &why) == -1)
		goto refused;
	shared->opened = true;
	for (uintptr_t i = 0; i < WRITERS; i++)
		if (pthread_create(&threads[i], NULL, write_on, (void *)i) != 0)
			abort();
	for (;;)
		pause();
refused:
	snprintf(shared->why, sizeof shared->why, "%s", why.en);
	_exit(3);
}

/* ---- what the journal holds now ------------------------------------------------------------------------ */

struct kept {
	struct tree_hash *leaves;
	uint64_t base, count, room;
};

static struct kept before, now;

static int
look_base(void *context, const struct tree_frontier *base, struct fault *why)
{
	struct kept *kept = context;

	(void)why;
	kept->base = kept->count = base->size;
	return 0;
}

static int
look_batch(void *context, const struct segment_batch *batch, const struct tree_frontier *after,
           struct fault *why)
{
	struct kept *kept = context;
	struct segment_walk walk = segment_items(batch);
	struct segment_item item;

	(void)after;
	(void)why;
	while (segment_next(&walk, &item)) {
		if (kept->count >= kept->room) {
			kept->room = kept->room == 0 ? 65536 : kept->room * 2;
			kept->leaves = realloc(kept->leaves, kept->room * sizeof *kept->leaves);
			if (kept->leaves == NULL)
				abort();
		}
		tree_leaf(&kept->leaves[kept->count++], item.entry);
	}
	return 0;
}

static int
look_torn(void *context, const struct tree_frontier *whole, struct fault *why)
{
	(void)context;
	(void)whole;
	(void)why;
	return 0;
}

static int
fail(const char *what, uint64_t index, uint32_t round)
{
	printf("FAILED in round %u: %s (entry %" PRIu64 "); %s stays\n", round, what, index, root);
	return -1;
}

static int
check(uint32_t round, uint32_t *checked)
{
	const struct journal_visitor visitor = {look_base, look_batch, look_torn, &now};
	struct tree_frontier frontier;
	struct journal *opened;
	struct fault why;
	uint32_t acks = atomic_load(&shared->count);
	uint64_t end;

	if (journal_open(&opened, journal, ORIGIN, 512 * 1024, &visitor, &frontier, &why) == -1)
		return fail(why.en, 0, round);
	journal_close(opened);
	end = now.count;
	if (end < before.count)
		return fail("the log became shorter", end, round);
	for (uint64_t i = now.base > before.base ? now.base : before.base; i < before.count; i++)
		if (!tree_hash_equal(&before.leaves[i], &now.leaves[i]))
			return fail("an entry changed", i, round);
	for (; *checked < acks; (*checked)++) {
		const struct acknowledged *ack = &shared->acks[*checked];
		struct tree_hash leaf;
		char text[600];

		if (atomic_load(&ack->whole) == 0)
			continue;
		if (ack->index >= end)
			return fail("an acknowledged entry is lost", ack->index, round);
		if (ack->index < now.base)
			continue; /* shipped and trimmed; the database's count is looked at in the end */
		text_write(text, ack->round, ack->writer, ack->number);
		tree_leaf(&leaf, slice_string(text));
		if (!tree_hash_equal(&leaf, &now.leaves[ack->index]))
			return fail("an acknowledged entry has other bytes", ack->index, round);
	}
	/* `now` becomes `before`; the old memory is used again */
	{
		struct kept old = before;

		before = now;
		now = old;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	uint32_t rounds = argc < 2 ? 0 : (uint32_t)strtoul(argv[1], NULL, 10), checked = 0, signers = 0;
	unsigned seed = argc < 3 ? (unsigned)clock_monotonic_ns() : (unsigned)strtoul(argv[2], NULL, 10);
	struct fault why;
	char command[128];

	if (rounds == 0) {
		fputs("usage: ledger_crash ROUNDS [SEED] [CONNINFO]\n", stderr);
		return 2;
	}
	database = argc < 4 ? NULL : argv[3];
	log_level_set(LOG_LEVEL_ERROR);
	strcpy(root, "/tmp/haechi-crash-XXXXXX");
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || mkdtemp(root) == NULL)
		return 2;
	snprintf(keys, sizeof keys, "%s/keys", root);
	snprintf(journal, sizeof journal, "%s/journal", root);
	if (signer_keys_make(keys, ORIGIN, &why) == -1) {
		fault_print(stderr, "ledger_crash", &why);
		return 2;
	}
	printf("ledger_crash: %u rounds, seed %u\n", rounds, seed);
	fflush(stdout);
	for (round_number = 0; round_number < rounds; round_number++) {
		struct timespec moment = {.tv_nsec = 1000 * (long)(rand_r(&seed) % 60000)};
		bool only_signer = rand_r(&seed) % 4 == 0;
		int status;
		pid_t pid;

		shared->opened = shared->refused = false;
		shared->why[0] = '\0';
		pid = fork();
		if (pid == 0)
			daemon_run();
		/* one in eight is killed while it opens */
		if (rand_r(&seed) % 8 != 0)
			while (!shared->opened && shared->why[0] == '\0' &&
			       waitpid(pid, &status, WNOHANG) == 0)
				usleep(200);
		nanosleep(&moment, NULL);
		if (only_signer && shared->opened) {
			kill(shared->signer, SIGKILL);
			signers++;
			for (int i = 0; i < 5000 && !shared->refused; i++)
				usleep(200);
			if (!shared->refused)
				return fail("the signer is dead and entries are still accepted", 0,
				            round_number) == 0;
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (shared->why[0] != '\0') {
			printf("FAILED in round %u: %s\n", round_number, shared->why);
			return 1;
		}
		if (check(round_number, &checked) == -1)
			return 1;
	}
	printf("ledger_crash: nothing lost: %u kills (%u of the signer alone), %u acknowledged, %" PRIu64
	       " entries\n",
	       rounds, signers, checked, before.count);
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	return system(command) == 0 ? 0 : 2;
}
