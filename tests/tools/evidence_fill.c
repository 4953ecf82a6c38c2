/* evidence_fill CONNINFO ENTRIES VKEY_FILE: made-up requests of one log, signed, into a migrated database; for benches. */
#include "tests/evidence.h"

int
main(int argc, char **argv)
{
	struct database *database = NULL;
	struct test_log log;
	struct fault why;
	uint64_t entries;

	if (argc != 4 || sodium_init() == -1) {
		fputs("usage: evidence_fill CONNINFO ENTRIES VKEY_FILE\n", stderr);
		return 2;
	}
	entries = strtoull(argv[2], NULL, 10);
	if (database_open(&database, argv[1], &why) == -1)
		test_die("database", &why);
	test_log_init(&log, database, "haneul", entries + 4);
	if (database_run(database,
	                 "BEGIN; SET synchronous_commit = off; SELECT haechi.month_ensure(m) FROM "
	                 "generate_series('2026-03-01Z'::timestamptz, '2028-03-01Z', '1 month') m",
	                 &why) == -1)
		test_die("months", &why);
	for (unsigned n = 0; log.frontier.size < entries; n++) {
		test_log_request(&log, n);
		if (n % 64 == 63)
			test_log_head(&log);
	}
	test_log_head(&log);
	if (database_run(database, "COMMIT; ANALYZE haechi.entry", &why) == -1 ||
	    file_replace(argv[3], buffer_view(&log.vkeys), 0644, &why) == -1)
		test_die("end", &why);
	test_log_free(&log);
	database_close(database);
	return 0;
}
