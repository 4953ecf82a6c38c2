/*
 * The way into a real PostgreSQL: everything arrives and verifies, outages are caught up with, and a database
 * that is not this log's own prefix is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <time.h>

#include "audit/audit.h"
#include "audit/journal.h"
#include "audit/verify.h"
#include "schema/base/clock.h"
#include "tests/evidence.h"

#define ORIGIN "haechi.haneul/node1"

static struct cluster cluster;
static char conninfo[256];
static struct database *database;
static char root[64], keys[96], journal[96];

struct running {
	struct signer *signer;
	struct ledger *ledger;
};

static int
setup(void **state)
{
	struct fault why;
	char socket[200];

	(void)state;
	if (cluster_start(&cluster, &why) == -1 || database_open(&database, cluster.conninfo, &why) == -1 ||
	    database_run(database,
	                 "CREATE ROLE haechid LOGIN IN ROLE haechi_writer; ALTER ROLE haechid SET role = "
	                 "'haechi_writer'",
	                 &why) == -1) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	snprintf(socket, sizeof socket, "%.*s", (int)strcspn(cluster.conninfo, " "), cluster.conninfo);
	snprintf(conninfo, sizeof conninfo, "%s user=haechid dbname=haechi", socket);
	strcpy(root, "/tmp/haechi-ship-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(keys, sizeof keys, "%s/keys", root);
	snprintf(journal, sizeof journal, "%s/journal", root);
	return signer_keys_make(keys, ORIGIN, &why);
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	database_close(database);
	cluster_stop(&cluster);
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	return system(command);
}

static int
start_in(struct running *running, const char *key_directory, const char *journal_directory, struct fault *why)
{
	struct ledger_options options = {.directory = journal_directory,
	                                 .origin = ORIGIN,
	                                 .database = conninfo,
	                                 .segment_bytes = 256 * 1024};

	memset(running, 0, sizeof *running);
	if (signer_start(&running->signer, key_directory, ORIGIN, why) == -1)
		return -1;
	options.signer = running->signer;
	if (ledger_open(&running->ledger, &options, why) == -1) {
		signer_stop(running->signer);
		return -1;
	}
	return 0;
}

static void
start(struct running *running)
{
	struct fault why;

	if (start_in(running, keys, journal, &why) == -1)
		fail_msg("%s", why.en);
}

static void
stop(struct running *running)
{
	ledger_close(running->ledger, 20000);
	signer_stop(running->signer);
}

static struct ledger_status
wait_shipped(struct running *running)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	struct ledger_status status;

	for (int i = 0; i < 10000; i++) {
		ledger_status(running->ledger, &status);
		if (status.shipped == status.size || status.refusal[0] != '\0')
			break;
		nanosleep(&pause, NULL);
	}
	return status;
}

static int64_t
ask(const char *sql)
{
	struct database_rows *rows;
	struct fault why;
	int64_t value;

	if (database_ask(&rows, database, sql, 0, NULL, &why) == -1)
		fail_msg("%s", why.en);
	value = database_integer(rows, 0, 0);
	database_rows_free(rows);
	return value;
}

static void
run(const char *sql)
{
	struct fault why;

	if (database_run(database, sql, &why) == -1)
		fail_msg("%s: %s", sql, why.en);
}

static void
verify_all(void)
{
	struct verify_options options = {0};
	struct verify_report report;
	struct fault why;

	if (verify_database(&report, cluster.conninfo, &options, &why) == -1)
		fail_msg("%s", why.en);
	if (report.broken)
		fail_msg("%s", report.first.what.en);
	assert_true(report.heads > 0);
}

/* An outcome entry, with an answer sealed or not. */
static uint64_t
append(struct running *running, int64_t wall_ms, size_t answer_size)
{
	char id[ENTRY_ID_SIZE], *answer = calloc(1, answer_size + 1);
	const struct entry_head head = {.kind = ENTRY_OUTCOME,
	                                .id = id,
	                                .log = ORIGIN,
	                                .wall_ms = wall_ms,
	                                .agency = "haneul",
	                                .service = "민원 창구",
	                                .request_id = "req-1",
	                                .usecase = "minwon-guide",
	                                .usecase_version = 1};
	const struct entry_outcome outcome = {.status = OUTCOME_ANSWERED,
	                                      .access = ACCESS_PERMIT,
	                                      .verdict = VERDICT_NOT_HIGH_IMPACT,
	                                      .http_status = 200,
	                                      .engine = "local",
	                                      .zone = "kr-gov",
	                                      .model = "haechi-demo",
	                                      .weights = "",
	                                      .finish = "stop",
	                                      .reason = "",
	                                      .prompt_tokens = 1,
	                                      .completion_tokens = 2};
	struct buffer bytes;
	struct fault why;
	uint64_t index;

	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	entry_id_make(id, wall_ms);
	if (entry_write_outcome(&bytes, &head, &outcome, &why) == -1 ||
	    ledger_append_wait(running->ledger, buffer_view(&bytes), (struct slice){NULL, 0},
	                       slice_of(answer, answer_size), &index, &why) == -1)
		fail_msg("%s", why.en);
	buffer_free(&bytes);
	free(answer);
	return index;
}

static void *
append_many(void *argument)
{
	struct running *running = argument;

	for (int i = 0; i < 150; i++)
		append(running, clock_wall_ms() - (int64_t)(i % 5) * 20 * 86400000, i % 3 == 0 ? 500 : 0);
	return NULL;
}

static void
arrives(void **state)
{
	struct running running;
	struct ledger_status status;
	pthread_t threads[4];
	struct fault why;
	uint64_t *list;
	size_t count;

	(void)state;
	start(&running);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_many, &running), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	status = wait_shipped(&running);
	assert_true(status.database_up);
	assert_int_equal(status.size, 600);
	assert_int_equal(status.shipped, 600);
	assert_int_equal(status.unshipped_bytes, 0);
	assert_int_equal(ask("SELECT count(*) FROM haechi.entry"), 600);
	assert_int_equal(ask("SELECT count(*) FROM haechi.entry_default"), 0);
	assert_int_equal(ask("SELECT count(*) FROM haechi.content WHERE part = 'answer'"), 200);
	assert_int_equal(ask("SELECT count(*) FROM haechi.tile"), 2);
	assert_int_equal(ask("SELECT max(size) FROM haechi.checkpoint"), 600);
	assert_int_equal(
	    ask("SELECT count(*) FROM haechi.entry WHERE service = '민원 창구' AND subject IS NULL"), 600);
	verify_all();
	stop(&running);
	/* and on */
	start(&running);
	assert_int_equal(append(&running, clock_wall_ms(), 0), 600);
	assert_int_equal(wait_shipped(&running).shipped, 601);
	stop(&running);
	/*
	 * segments that were shipped, and that the signer remembers through a power cut, are gone; the newest
	 * stays
	 */
	assert_int_equal(journal_list(journal, &list, &count, &why), 0);
	assert_int_equal(count, 1);
	free(list);
	verify_all();
}

static void
outage(void **state)
{
	struct running running;
	struct ledger_status status;

	(void)state;
	database_close(database);
	database = NULL;
	start(&running);
	append(&running, clock_wall_ms(), 10);
	wait_shipped(&running);
	assert_true(cluster_command("stop", cluster.directory, NULL, 0));
	for (int i = 0; i < 300; i++)
		append(&running, clock_wall_ms(), 100);
	ledger_status(running.ledger, &status);
	assert_true(status.writable);
	assert_int_equal(status.size, 902);
	assert_int_equal(status.shipped, 602);
	/* away at the start, too */
	ledger_close(running.ledger, 100);
	signer_stop(running.signer);
	start(&running);
	append(&running, clock_wall_ms(), 100);
	ledger_status(running.ledger, &status);
	assert_false(status.database_up);
	assert_true(status.unshipped_bytes > 300 * 4096);
	{
		char socket[128];
		struct fault why;

		assert_true(cluster_command("start", cluster.directory, socket, sizeof socket));
		assert_int_equal(database_open(&database, cluster.conninfo, &why), 0);
	}
	status = wait_shipped(&running);
	assert_string_equal(status.refusal, "");
	assert_int_equal(status.shipped, 903);
	assert_int_equal(status.unshipped_bytes, 0);
	stop(&running);
	verify_all();
	assert_int_equal(ask("SELECT count(*) FROM haechi.tile"), 3);
}

/* The server drops every connection while entries go on. */
static void
cut_connections(void **state)
{
	struct running running;

	(void)state;
	start(&running);
	for (int i = 0; i < 200; i++) {
		append(&running, clock_wall_ms(), 2000);
		if (i % 20 == 0)
			run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
			    "'haechi-shipper'");
	}
	assert_int_equal(wait_shipped(&running).shipped, 1103);
	stop(&running);
	assert_int_equal(ask("SELECT count(*) FROM haechi.entry"), 1103);
	verify_all();
}

/* Not an entry, but evidence: it must not stop those behind it. */
static void
invalid_entry(void **state)
{
	struct running running;
	struct fault why;
	uint64_t index;

	(void)state;
	start(&running);
	assert_int_equal(ledger_append_wait(running.ledger, slice_string("no entry at all"), slice_string(""),
	                                    slice_string(""), &index, &why),
	                 0);
	append(&running, clock_wall_ms(), 0);
	assert_int_equal(wait_shipped(&running).shipped, 1105);
	stop(&running);
	assert_int_equal(
	    ask("SELECT count(*) FROM haechi.entry WHERE kind = 'invalid' AND id = 'invalid-1103'"), 1);
}

static void
refused(const char *says)
{
	struct running running;
	struct fault why = {0};

	if (start_in(&running, keys, journal, &why) == 0) {
		stop(&running);
		fail_msg("opened");
	}
	assert_int_equal(why.kind, FAULT_TAMPERED);
	if (strstr(why.en, says) == NULL)
		fail_msg("%s", why.en);
}

static void
other_databases(void **state)
{
	struct running running;
	struct fault why;
	char other_keys[128], other_journal[128];

	(void)state;
	/* an empty journal and new keys under the name of a log that has history */
	snprintf(other_keys, sizeof other_keys, "%s/other-keys", root);
	snprintf(other_journal, sizeof other_journal, "%s/other-journal", root);
	assert_int_equal(signer_keys_make(other_keys, ORIGIN, &why), 0);
	assert_int_equal(start_in(&running, other_keys, other_journal, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_non_null(strstr(why.en, "ahead of the journal"));

	run("SET session_replication_role = replica");
	/* the newest entry was changed */
	run("UPDATE haechi.entry SET bytes = bytes || ' ' WHERE index = 1104");
	refused("differs from the journal");
	run("UPDATE haechi.entry SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE index = 1104");
	/* a tile was changed */
	run("UPDATE haechi.tile SET hashes = set_byte(hashes, 77, get_byte(hashes, 77) # 1) WHERE number = "
	    "1");
	refused("differs from the journal");
	run("UPDATE haechi.tile SET hashes = set_byte(hashes, 77, get_byte(hashes, 77) # 1) WHERE number = "
	    "1");
	/* entries were removed, their checkpoint stayed */
	run("CREATE TEMP TABLE saved AS SELECT * FROM haechi.entry WHERE index >= 1104");
	run("DELETE FROM haechi.entry WHERE index >= 1104");
	refused("evidence was removed");
	/* an older backup, whose continuation the journal has (its last segment begins at 1103): caught up with */
	run("DELETE FROM haechi.checkpoint WHERE size > 1104; DELETE FROM haechi.content WHERE entry_id IN "
	    "(SELECT id FROM saved)");
	start(&running);
	assert_int_equal(wait_shipped(&running).shipped, 1105);
	stop(&running);
	assert_int_equal(ask("SELECT count(*) FROM haechi.entry"), 1105);
	/* an older one still: the journal has let go of what is missing */
	run("DELETE FROM haechi.entry WHERE index >= 300; DELETE FROM haechi.checkpoint WHERE size > 300; "
	    "DELETE FROM haechi.tile WHERE number >= 1");
	refused("an old backup was restored");
	run("SET session_replication_role = origin");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arrives),         cmocka_unit_test(outage),
	    cmocka_unit_test(cut_connections), cmocka_unit_test(invalid_entry),
	    cmocka_unit_test(other_databases),
	};

	if (sodium_init() == -1)
		return 1;
	if (cluster_missing())
		return 77;
	return cmocka_run_group_tests(tests, setup, teardown);
}
