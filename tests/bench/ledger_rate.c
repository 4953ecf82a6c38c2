/*
 * ledger_rate [DIRECTORY] [SECONDS] [WRITERS]: entries a second, durable and signed, from 64 writers that each wait for their own;
 * beside it the disk alone: write and fdatasync of the same bytes, 4 KiB at a time, into a file that has its size already, as the
 * journal has. Five rounds of each, by turns; the median of the rounds' ratios. One JSON line.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define ORIGIN      "haechi.bench/node1"
#define ENTRY_BYTES 1200u
#define TIMES       4000000u

static struct ledger *ledger;
static int64_t end_ns;
static uint32_t *times; /* of acknowledgements, in nanoseconds / 100 */
static _Atomic uint32_t count;

static void *
write_on(void *argument)
{
	char entry[ENTRY_BYTES];

	memset(entry, 'e', sizeof entry);
	memcpy(entry, &argument, sizeof argument);
	while (clock_monotonic_ns() < end_ns) {
		int64_t begin = clock_monotonic_ns();
		uint32_t at;
		struct fault why;

		if (ledger_append_wait(ledger, slice_of(entry, sizeof entry), (struct slice){NULL, 0},
		                       (struct slice){NULL, 0}, NULL, &why) == -1) {
			fault_print(stderr, "ledger_rate", &why);
			exit(2);
		}
		at = atomic_fetch_add(&count, 1);
		if (at < TIMES)
			times[at] = (uint32_t)((clock_monotonic_ns() - begin) / 100);
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

#define ROUNDS     5
#define BARE_BYTES (64u << 20)

/* Entries a second; the median of write and fdatasync in microseconds. */
static double
bare(const char *directory, double seconds, double *median_us)
{
	static uint32_t took[1000000];
	char path[512];
	char *block = aligned_alloc(4096, 4096);
	int64_t begin, until;
	size_t blocks = 0;
	int file;

	snprintf(path, sizeof path, "%s/bare", directory);
	file = open(path, O_RDWR | O_CREAT, 0600);
	if (file == -1 || block == NULL || posix_fallocate(file, 0, BARE_BYTES) != 0)
		exit(2);
	memset(block, 'b', 4096);
	/* What was never written is written with its place: once over the file, as far as it will be needed. */
	for (size_t at = 0; at < BARE_BYTES; at += 4096)
		if (pwrite(file, block, 4096, (off_t)at) != 4096)
			exit(2);
	if (fsync(file) == -1)
		exit(2);
	begin = clock_monotonic_ns();
	until = begin + (int64_t)(seconds * 1e9);
	while (clock_monotonic_ns() < until && blocks < sizeof took / sizeof took[0]) {
		int64_t before = clock_monotonic_ns();

		if (pwrite(file, block, 4096, (off_t)(blocks * 4096 % BARE_BYTES)) != 4096 ||
		    fdatasync(file) == -1)
			exit(2);
		took[blocks++] = (uint32_t)((clock_monotonic_ns() - before) / 100);
	}
	seconds = (double)(clock_monotonic_ns() - begin) / 1e9;
	close(file);
	unlink(path);
	free(block);
	qsort(took, blocks, sizeof took[0], compare);
	*median_us = took[blocks / 2] / 10.0;
	return (double)blocks * 4096 / ENTRY_BYTES / seconds;
}

struct round {
	double rate, bare_rate, p50_us, p99_us, bare_us;
};

static void
round_run(struct round *round, const char *directory, double seconds, unsigned writers, pthread_t *threads)
{
	int64_t begin;
	uint32_t done;

	round->bare_rate = bare(directory, seconds, &round->bare_us);
	atomic_store(&count, 0);
	begin = clock_monotonic_ns();
	end_ns = begin + (int64_t)(seconds * 1e9);
	for (unsigned i = 0; i < writers; i++)
		if (pthread_create(&threads[i], NULL, write_on, (void *)(uintptr_t)(i + 1)) != 0)
			exit(2);
	for (unsigned i = 0; i < writers; i++)
		pthread_join(threads[i], NULL);
	done = atomic_load(&count);
	round->rate = (double)done * 1e9 / (double)(clock_monotonic_ns() - begin);
	done = done < TIMES ? done : TIMES;
	qsort(times, done, sizeof *times, compare);
	round->p50_us = times[done / 2] / 10.0;
	round->p99_us = times[(uint64_t)done * 99 / 100] / 10.0;
}

static int
ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
median_of(const double values[ROUNDS])
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof sorted);
	qsort(sorted, ROUNDS, sizeof *sorted, ascending);
	return sorted[ROUNDS / 2];
}

int
main(int argc, char **argv)
{
	char root[256], keys[300], journal[300], command[300];
	const double seconds = argc > 2 ? strtod(argv[2], NULL) : 10;
	unsigned writers = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 64;
	struct ledger_options options = {.directory = journal, .origin = ORIGIN};
	double rate[ROUNDS], bare_rate[ROUNDS], ratio[ROUNDS], p50[ROUNDS], p99[ROUNDS], bare_us[ROUNDS],
	    p99_ratio[ROUNDS];
	struct ledger_status status;
	struct signer *signer;
	pthread_t *threads = calloc(writers, sizeof *threads);
	struct fault why;

	log_level_set(LOG_LEVEL_WARN);
	snprintf(root, sizeof root, "%s/haechi-rate-XXXXXX", argc > 1 ? argv[1] : "/var/tmp");
	times = calloc(TIMES, sizeof *times);
	if (times == NULL || threads == NULL || mkdtemp(root) == NULL)
		return 2;
	snprintf(keys, sizeof keys, "%s/keys", root);
	snprintf(journal, sizeof journal, "%s/journal", root);
	if (signer_keys_make(keys, ORIGIN, &why) == -1 || signer_start(&signer, keys, ORIGIN, &why) == -1)
		goto bad;
	options.signer = signer;
	if (ledger_open(&ledger, &options, &why) == -1)
		goto bad;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct round round;

		round_run(&round, root, seconds / (2 * ROUNDS), writers, threads);
		rate[i] = round.rate;
		bare_rate[i] = round.bare_rate;
		ratio[i] = round.rate / round.bare_rate;
		p50[i] = round.p50_us;
		p99[i] = round.p99_us;
		bare_us[i] = round.bare_us;
		p99_ratio[i] = round.p99_us / round.bare_us;
	}
	ledger_status(ledger, &status);
	printf("{\"bench\":\"ledger_rate\",\"writers\":%u,\"entry_bytes\":%u,\"entries_per_s\":%.0f,"
	       "\"bare_entries_per_s\":%.0f,\"ratio\":%.2f,\"batch\":%.1f,\"ack_p50_us\":%.0f,\"ack_p99_us\":"
	       "%.0f,"
	       "\"bare_fdatasync_p50_us\":%.0f,\"p99_ratio\":%.1f}\n",
	       writers, ENTRY_BYTES, median_of(rate), median_of(bare_rate), median_of(ratio),
	       (double)status.size / (double)status.batches, median_of(p50), median_of(p99),
	       median_of(bare_us), median_of(p99_ratio));
	ledger_close(ledger, 0);
	signer_stop(signer);
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	free(times);
	free(threads);
	return system(command) == 0 ? 0 : 2;
bad:
	fault_print(stderr, "ledger_rate", &why);
	return 2;
}
