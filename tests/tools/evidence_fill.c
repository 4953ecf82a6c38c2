/*
 * evidence_fill CONNINFO ENTRIES VKEY_FILE [PACE]: made-up requests of one log, signed, into a migrated database as the shipper
 * writes them; for benches. With PACE, so many times as many a day, of several agencies and all domains.
 */
#include "tests/evidence.h"

#define EACH 16384 /* requests a transaction */

int
main(int argc, char **argv)
{
	struct test_log log;
	struct store_head head;
	struct fault why;
	uint64_t entries;

	if ((argc != 4 && argc != 5) || sodium_init() == -1) {
		fputs("usage: evidence_fill CONNINFO ENTRIES VKEY_FILE [PACE]\n", stderr);
		return 2;
	}
	entries = strtoull(argv[2], NULL, 10);
	test_log_init(&log, NULL, "haneul", 1);
	if (argc == 5) {
		log.pace = (unsigned)strtoul(argv[4], NULL, 10);
		log.varied = true;
	}
	if (store_open(&log.store, argv[1], log.origin, buffer_view(&log.vkeys), &why) == -1 ||
	    store_connect(log.store, &head, &why) == -1)
		test_die("database", &why);
	if (head.size != 0) {
		fputs("evidence_fill: this database holds entries of the log already\n", stderr);
		return 2;
	}
	for (unsigned n = 0; log.frontier.size < entries;) {
		if (store_begin(log.store, &why) == -1)
			test_die("begin", &why);
		for (unsigned end = n + EACH; n < end && log.frontier.size < entries; n++)
			test_log_request(&log, n);
		test_log_head(&log);
		if (store_commit(log.store, buffer_view(&log.note), &why) == -1)
			test_die("commit", &why);
	}
	if (file_replace(argv[3], buffer_view(&log.vkeys), 0644, &why) == -1)
		test_die("keys", &why);
	store_close(log.store);
	test_log_free(&log);
	return 0;
}
