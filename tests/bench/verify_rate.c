/*
 * verify_rate CONNINFO VKEY_FILE [ROUNDS]: haechi audit verify of a whole database, beside the least it could do: read the same
 * entries by COPY, in the same order, and take their SHA-256; one after the other, ROUNDS (5) times, the median of the rounds'
 * ratios. `evidence_fill` makes a database. One JSON line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "audit/verify.h"
#include "schema/base/clock.h"

#define KEPT   ((size_t)32 * 1024 * 1024)
#define ROUNDS 25

static void
die(const struct fault *why)
{
	fault_print(stderr, "verify_rate", why);
	exit(2);
}

/* Reading the bytes by COPY; then their SHA-256, as often as they are, over the last of them that fit: one after the other. */
static double
bare(const char *conninfo, uint64_t *entries, uint64_t *bytes, double *copy_s)
{
	static uint8_t kept[KEPT];
	static uint32_t sizes[KEPT / 256];
	const int64_t begin = clock_monotonic_ns();
	struct database *database;
	struct tree_hash leaf;
	struct slice fields[1];
	struct fault why;
	size_t at = 0, count = 0;
	int64_t copied;
	int row;

	*entries = *bytes = 0;
	if (database_open(&database, conninfo, &why) == -1 ||
	    database_run(database, "SET enable_sort = off", &why) == -1 || /* as verify reads: by the index */
	    database_copy(database, "SELECT bytes FROM haechi.entry ORDER BY log_id, index", &why) == -1)
		die(&why);
	while ((row = database_copy_next(database, 1, fields, &why)) == 1) {
		if (at + fields[0].size <= sizeof kept && count < sizeof sizes / sizeof *sizes) {
			memcpy(kept + at, fields[0].data, fields[0].size);
			at += sizes[count++] = (uint32_t)fields[0].size;
		}
		*bytes += fields[0].size;
		++*entries;
	}
	if (row == -1)
		die(&why);
	database_close(database);
	copied = clock_monotonic_ns();
	*copy_s += (double)(copied - begin) / 1e9;
	for (uint64_t i = 0, offset = 0; i < *entries && count > 0; i++) {
		if (i % count == 0)
			offset = 0;
		tree_leaf(&leaf, slice_of(kept + offset, sizes[i % count]));
		offset += sizes[i % count];
	}
	return (double)(clock_monotonic_ns() - begin) / 1e9;
}

static int
ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
main(int argc, char **argv)
{
	const unsigned long asked = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
	const unsigned rounds = asked < 1 ? 1 : asked > ROUNDS ? ROUNDS : (unsigned)asked;
	struct keyring *keyring = calloc(1, sizeof *keyring);
	const struct verify_options options = {.keyring = keyring};
	double ratio[ROUNDS], to_copy[ROUNDS], best_bare = 1e9, best_verify = 1e9;
	uint64_t entries = 0, bytes = 0;
	struct verify_report report;
	struct rusage usage;
	struct fault why;

	if (argc < 3 || keyring == NULL) {
		fputs("usage: verify_rate CONNINFO VKEY_FILE [ROUNDS]\n", stderr);
		return 2;
	}
	if (keyring_add_file(keyring, argv[2], &why) == -1)
		die(&why);
	for (unsigned i = 0; i < rounds; i++) {
		double bare_s, copy_s = 0, verify_s;
		int64_t begin;

		bare_s = bare(argv[1], &entries, &bytes, &copy_s);
		begin = clock_monotonic_ns();
		if (verify_database(&report, argv[1], &options, &why) == -1)
			die(&why);
		verify_s = (double)(clock_monotonic_ns() - begin) / 1e9;
		if (report.broken || report.entries != entries) {
			fprintf(stderr, "verify_rate: %s\n", report.first.what.en);
			return 2;
		}
		ratio[i] = bare_s / verify_s;
		to_copy[i] = copy_s / verify_s;
		best_bare = bare_s < best_bare ? bare_s : best_bare;
		best_verify = verify_s < best_verify ? verify_s : best_verify;
	}
	qsort(ratio, rounds, sizeof *ratio, ascending);
	qsort(to_copy, rounds, sizeof *to_copy, ascending);
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"bench\":\"verify_rate\",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"rounds\":%u,\"entries_per_s\":%.0f,\"bare_entries_per_s\":%.0f,\"ratio\":%.2f,\"ratio_"
	       "least\":%.2f,"
	       "\"ratio_most\":%.2f,\"ratio_to_copy_alone\":%.2f,\"peak_mib\":%.1f}\n",
	       entries, bytes, rounds, (double)entries / best_verify, (double)entries / best_bare,
	       ratio[rounds / 2], ratio[0], ratio[rounds - 1], to_copy[rounds / 2],
	       (double)usage.ru_maxrss / 1024);
	free(keyring);
	return 0;
}
