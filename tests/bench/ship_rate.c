/*
 * ship_rate CONNINFO [ENTRIES] [ROUNDS]: the ledger's own way of entries from its journal into PostgreSQL, beside a bare COPY of the
 * same rows, all in one stream and one transaction, into the same indexed tables. Each round appends ENTRIES (20000) to the journal
 * while it has no database, opens it again with one and waits until all is there; then the very same rows go in once more by the
 * bare COPY, as rows of another log and of a later time. Median of ROUNDS (5). CONNINFO: a superuser, migrated. One JSON line.
 */
#include <postgresql/libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "audit/audit.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "tests/evidence.h"

#define ROUNDS 25
#define ROW_SQL                                                                                              \
	"COPY (SELECT %d, index, wall + interval '%d seconds', id, kind, agency, service, subject, key_id, " \
	"request_id, of, usecase, verdict, access, domain, also, action, model, zone, bytes FROM "           \
	"haechi.entry WHERE log_id = %" PRId64 " AND index >= %" PRIu64                                      \
	" ORDER BY index) TO STDOUT (FORMAT binary)"

static char root[64], keys[96], journal[96];
static _Atomic uint64_t waiting;

static void
die(const char *what, const char *text)
{
	fprintf(stderr, "ship_rate: %s: %s\n", what, text);
	exit(2);
}

static void
arrived(struct ledger_item *item)
{
	if (!item->durable)
		die("append", item->why.en);
	atomic_fetch_sub(&waiting, 1);
}

/* Entries as the gateway writes them, durable and signed, in a journal without a database. */
static void
journal_fill(struct ledger_options *options, struct test_log *made, uint64_t entries, unsigned *request)
{
	struct ledger_item *items = calloc(entries, sizeof *items);
	struct ledger *ledger;
	struct fault why;

	if (items == NULL || ledger_open(&ledger, options, &why) == -1)
		die("ledger", items == NULL ? "memory" : why.en);
	made->keep = entries;
	made->kept = calloc(entries, sizeof *made->kept);
	made->kept_count = 0;
	while (made->kept_count < entries)
		test_log_request(made, (*request)++);
	atomic_store(&waiting, entries);
	for (uint64_t i = 0; i < entries; i++) {
		items[i] = (struct ledger_item){.entry = buffer_view(&made->kept[i]), .done = arrived};
		ledger_append(ledger, &items[i]);
	}
	while (atomic_load(&waiting) > 0)
		usleep(1000);
	ledger_close(ledger, 0);
	for (uint64_t i = 0; i < entries; i++)
		buffer_free(&made->kept[i]);
	free(made->kept);
	free(items);
}

/* Until all of it is in PostgreSQL. */
static double
ship(struct ledger_options *options, const char *conninfo)
{
	struct ledger_status status;
	struct ledger *ledger;
	int64_t begin;
	double seconds;
	struct fault why;

	options->database = conninfo;
	if (ledger_open(&ledger, options, &why) == -1)
		die("ledger", why.en);
	begin = clock_monotonic_ns(); /* the journal was replayed; its shipping has begun this instant */
	for (;;) {
		ledger_status(ledger, &status);
		if (!status.writable)
			die("shipping", status.refusal);
		if (status.shipped == status.size)
			break;
		usleep(500);
	}
	seconds = (double)(clock_monotonic_ns() - begin) / 1e9;
	ledger_close(ledger, 0);
	options->database = NULL;
	return seconds;
}

static void
settle(PGconn *connection, const char *sql, ExecStatusType wanted)
{
	PGresult *result = PQexec(connection, sql);

	if (PQresultStatus(result) != wanted)
		die(sql, PQerrorMessage(connection));
	PQclear(result);
}

/* The rows shipped last, of another log and a later time, in the form COPY takes. */
static void
rows_take(struct buffer *rows, PGconn *connection, int64_t log_id, uint64_t from, int later_s)
{
	char sql[1024], *copied;
	int size;

	buffer_reset(rows);
	snprintf(sql, sizeof sql, ROW_SQL, 1000, later_s, log_id, from);
	settle(connection, sql, PGRES_COPY_OUT);
	while ((size = PQgetCopyData(connection, &copied, 0)) > 0) {
		buffer_append(rows, copied, (size_t)size);
		PQfreemem(copied);
	}
	while (PQgetResult(connection) != NULL)
		;
	if (size == -2 || !buffer_ok(rows))
		die("rows", PQerrorMessage(connection));
}

static double
bare(PGconn *connection, const struct buffer *rows)
{
	const int64_t begin = clock_monotonic_ns();

	settle(connection, "BEGIN", PGRES_COMMAND_OK);
	settle(
	    connection,
	    "COPY haechi.entry (log_id, index, wall, id, kind, agency, service, subject, key_id, request_id, "
	    "of, "
	    "usecase, verdict, access, domain, also, action, model, zone, bytes) FROM STDIN (FORMAT binary)",
	    PGRES_COPY_IN);
	for (size_t at = 0; at < rows->size; at += 65536) {
		const size_t size = rows->size - at < 65536 ? rows->size - at : 65536;

		if (PQputCopyData(connection, (const char *)rows->data + at, (int)size) != 1)
			die("COPY", PQerrorMessage(connection));
	}
	if (PQputCopyEnd(connection, NULL) != 1)
		die("COPY", PQerrorMessage(connection));
	for (PGresult *result; (result = PQgetResult(connection)) != NULL; PQclear(result))
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			die("COPY", PQerrorMessage(connection));
	settle(connection, "COMMIT", PGRES_COMMAND_OK);
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
	const uint64_t entries = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;
	const unsigned long asked = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
	const unsigned rounds = asked < 1 ? 1 : asked > ROUNDS ? ROUNDS : (unsigned)asked;
	struct ledger_options options = {.directory = journal, .origin = "haechi.shipping/node1"};
	double ratio[ROUNDS], best = 1e9, best_bare = 1e9;
	struct test_log made;
	struct buffer rows;
	PGconn *connection;
	unsigned request = 0;
	char command[128];
	struct fault why;

	if (argc < 2 || sodium_init() == -1) {
		fputs("usage: ship_rate CONNINFO [ENTRIES] [ROUNDS]\n", stderr);
		return 2;
	}
	log_level_set(LOG_LEVEL_WARN);
	strcpy(root, "/var/tmp/haechi-ship-XXXXXX");
	if (mkdtemp(root) == NULL)
		die("folder", root);
	snprintf(keys, sizeof keys, "%s/keys", root);
	snprintf(journal, sizeof journal, "%s/journal", root);
	if (signer_keys_make(keys, options.origin, &why) == -1 ||
	    signer_start(&options.signer, keys, options.origin, &why) == -1)
		die("signer", why.en);
	test_log_init(&made, NULL, "shipping", 1);
	made.varied = true;
	made.pace = 100;
	buffer_init(&rows, (size_t)1 << 30);
	connection = PQconnectdb(argv[1]);
	settle(connection, "SET session_replication_role = replica", PGRES_COMMAND_OK);
	for (unsigned i = 0; i < rounds; i++) {
		double ours, theirs;
		PGresult *result;
		int64_t log_id;

		journal_fill(&options, &made, entries, &request);
		ours = ship(&options, argv[1]);
		result = PQexec(connection,
		                "SELECT log_id FROM haechi.log WHERE origin = 'haechi.shipping/node1'");
		log_id = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
		PQclear(result);
		made.wall_ms += 2000;
		rows_take(&rows, connection, log_id, i * entries, 86400 * 40);
		theirs = bare(connection, &rows);
		ratio[i] = theirs / ours;
		best = ours < best ? ours : best;
		best_bare = theirs < best_bare ? theirs : best_bare;
	}
	qsort(ratio, rounds, sizeof *ratio, ascending);
	printf("{\"bench\":\"ship_rate\",\"entries\":%" PRIu64
	       ",\"rounds\":%u,\"entries_per_s\":%.0f,\"bare_entries_per_s\":%.0f,\"ratio\":%.2f,\"ratio_"
	       "least\":%.2f,"
	       "\"ratio_most\":%.2f}\n",
	       entries, rounds, (double)entries / best, (double)entries / best_bare, ratio[rounds / 2],
	       ratio[0], ratio[rounds - 1]);
	PQfinish(connection);
	buffer_free(&rows);
	test_log_free(&made);
	signer_stop(options.signer);
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	return system(command) == 0 ? 0 : 2;
}
