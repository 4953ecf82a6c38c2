/* Migrations are applied once and in order or not at all; logins see what they may, whatever they set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/evidence.h"

static struct cluster cluster;
static struct database *database;
static char sql[512], copy[64];

static int
setup(void **state)
{
	struct fault why;
	char command[700];

	(void)state;
	strcpy(copy, "/tmp/haechi-sql-XXXXXX");
	if (mkdtemp(copy) == NULL || cluster_start(&cluster, &why) == -1 ||
	    database_open(&database, cluster.conninfo, &why) == -1 ||
	    migrate_directory(sql, sizeof sql, &why) == -1) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	snprintf(command, sizeof command, "cp '%s'/*.sql '%s'", sql, copy);
	return system(command);
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	database_close(database);
	cluster_stop(&cluster);
	snprintf(command, sizeof command, "rm -rf '%s'", copy);
	return system(command);
}

static void
count(void *context, const struct migrate_step *step)
{
	unsigned *counts = context;

	counts[step->applied]++;
	assert_int_equal(strlen(step->digest), 64);
}

static void
shell(const char *format)
{
	char command[700];

	snprintf(command, sizeof command, "cd '%s' && %s", copy, format);
	assert_int_equal(system(command), 0);
}

static void
again_is_nothing(void **state)
{
	unsigned counts[2] = {0};
	struct fault why;

	(void)state;
	assert_int_equal(migrate(database, sql, count, counts, &why), 0);
	assert_int_equal(counts[true], 0);
	assert_true(counts[false] >= 2);
}

static void
what_was_applied_may_not_change(void **state)
{
	struct fault why;

	(void)state;
	shell("cp 0002_registry.sql keep && echo '-- more' >>0002_registry.sql");
	assert_int_equal(migrate(database, copy, NULL, NULL, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_non_null(strstr(why.en, "0002_registry.sql"));
	shell("mv keep 0002_registry.sql");
	assert_int_equal(migrate(database, copy, NULL, NULL, &why), 0);
}

static void
gaps_and_newer_databases_are_refused(void **state)
{
	struct fault why;

	(void)state;
	shell("mkdir aside && mv 0002_registry.sql aside");
	assert_int_equal(migrate(database, copy, NULL, NULL, &why), -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	shell("mv 000[3-9]_*.sql aside");
	assert_int_equal(migrate(database, copy, NULL, NULL, &why), -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	assert_non_null(strstr(why.en, "newer"));
	shell("mv aside/* . && rmdir aside");
}

static void
a_failure_leaves_nothing(void **state)
{
	struct database_rows *rows = NULL;
	struct fault why;

	(void)state;
	shell("n=$(printf %04d $(($(ls *.sql | wc -l) + 1))); echo 'CREATE TABLE haechi.half (x int); SELECT "
	      "1 / 0;' >${n}_bad.sql");
	assert_int_equal(migrate(database, copy, NULL, NULL, &why), -1);
	assert_non_null(strstr(why.en, "_bad.sql"));
	assert_int_equal(
	    database_ask(&rows, database, "SELECT to_regclass('haechi.half') IS NULL", 0, NULL, &why), 0);
	assert_true(database_bool(rows, 0, 0));
	database_rows_free(rows);
	shell("rm *_bad.sql");
	assert_int_equal(migrate(database, copy, NULL, NULL, &why), 0);
}

/* ---- who sees what ------------------------------------------------------------------------------------------------- */

static struct database *
login(const char *name)
{
	struct database *own = NULL;
	char conninfo[300];
	struct fault why;

	snprintf(conninfo, sizeof conninfo, "%s user=%s", cluster.conninfo, name);
	if (database_open(&own, conninfo, &why) == -1)
		fail_msg("%s: %s", name, why.en);
	return own;
}

static int64_t
seen_by(struct database *own, const char *query)
{
	struct database_rows *rows = NULL;
	struct fault why;
	int64_t value;

	if (database_ask(&rows, own, query, 0, NULL, &why) == -1)
		return -1;
	value = database_integer(rows, 0, 0);
	database_rows_free(rows);
	return value;
}

#define ENTRIES  "SELECT count(*) FROM haechi.entry"
#define CONTENTS "SELECT count(*) FROM haechi.content"

static void
logins_see_what_they_may(void **state)
{
	struct database *agency, *auditor, *regulator, *writer;
	struct test_log ours, theirs;
	struct fault why;

	(void)state;
	assert_int_equal(database_run(database,
	                              "CREATE ROLE haechi_operator LOGIN IN ROLE haechi_agency; CREATE ROLE "
	                              "haechi_auditor_login LOGIN IN ROLE "
	                              "haechi_auditor; CREATE ROLE haechi_regulator_login LOGIN IN ROLE "
	                              "haechi_regulator; CREATE ROLE haechid LOGIN "
	                              "IN ROLE haechi_writer; ALTER ROLE haechid SET role TO haechi_writer; "
	                              "INSERT INTO haechi.login_scope VALUES "
	                              "('haechi_operator', 'haneul'), ('haechi_auditor_login', 'bada')",
	                              &why),
	                 0);
	/* The daemon's login writes; the logs are written through it. */
	writer = login("haechid");
	test_log_init(&ours, writer, "haneul", 50);
	test_log_init(&theirs, writer, "bada", 50);
	for (unsigned n = 0; n < 5; n++) {
		test_log_request(&ours, n);
		test_log_request(&theirs, n);
	}
	test_log_request(&theirs, 0);
	test_log_head(&ours);
	test_log_head(&theirs);
	assert_int_equal(database_run(writer,
	                              "INSERT INTO haechi.content SELECT log_id, id, 'prompt', wall, agency, "
	                              "'\\x00' FROM haechi.entry "
	                              "WHERE kind = 'decision'",
	                              &why),
	                 0);
	agency = login("haechi_operator");
	auditor = login("haechi_auditor_login");
	regulator = login("haechi_regulator_login");
	assert_int_equal(seen_by(agency, ENTRIES), (int64_t)ours.frontier.size);
	assert_int_equal(seen_by(auditor, ENTRIES), (int64_t)theirs.frontier.size);
	assert_int_equal(seen_by(regulator, ENTRIES), (int64_t)(ours.frontier.size + theirs.frontier.size));
	assert_int_equal(seen_by(auditor, CONTENTS), 6);
	assert_int_equal(seen_by(agency, CONTENTS), -1);
	assert_int_equal(seen_by(regulator, CONTENTS), -1);
	/* Nothing a client can set widens it. */
	assert_int_equal(database_run(agency, "SET row_security = off", &why), 0);
	assert_int_equal(seen_by(agency, ENTRIES), -1); /* PostgreSQL refuses rather than show all */
	assert_int_equal(database_run(agency, "RESET row_security; SET haechi.agency = 'bada'", &why), 0);
	assert_int_equal(seen_by(agency, ENTRIES), (int64_t)ours.frontier.size);
	assert_int_equal(database_run(agency, "SET ROLE haechi_writer", &why), -1);
	assert_int_equal(database_run(agency, "SET SESSION AUTHORIZATION haechi_regulator_login", &why), -1);
	assert_int_equal(
	    database_run(agency, "INSERT INTO haechi.login_scope VALUES ('haechi_operator', 'bada')", &why),
	    -1);
	assert_int_equal(database_run(agency, "SELECT * FROM haechi.entry_202603", &why),
	                 -1); /* partitions are no side door */
	assert_int_equal(seen_by(agency, "SELECT count(*) FROM haechi.api_key"), -1);
	/* Nobody but the writer writes, and the writer does not take back. */
	assert_int_equal(database_run(agency, "DELETE FROM haechi.entry", &why), -1);
	assert_int_equal(
	    database_run(regulator, "INSERT INTO haechi.checkpoint TABLE haechi.checkpoint", &why), -1);
	assert_int_equal(database_run(writer, "DELETE FROM haechi.entry", &why), -1);
	assert_int_equal(database_run(writer, "UPDATE haechi.entry SET agency = 'x'", &why), -1);
	assert_int_equal(database_run(writer, "TRUNCATE haechi.checkpoint", &why), -1);
	assert_int_equal(database_run(writer, "DROP TABLE haechi.entry", &why), -1);
	/* The owner meets the guard rail. */
	assert_int_equal(database_run(database, "DELETE FROM haechi.entry", &why), -1);
	assert_non_null(strstr(why.en, "is evidence"));
	assert_int_equal(database_run(database, "TRUNCATE haechi.entry_202603", &why), -1);
	assert_int_equal(database_run(database, "UPDATE haechi.tile SET level = 1", &why), -1);
	database_close(agency);
	database_close(auditor);
	database_close(regulator);
	test_log_free(&ours);
	test_log_free(&theirs);
	database_close(writer);
}

/* A month nobody prepared is kept in the default partition; making it later neither fails nor loses anything. */
static void
months_come_in_any_order(void **state)
{
	struct fault why;

	(void)state;
	assert_int_equal(seen_by(database, "SELECT haechi.month_ensure('2031-05-31T23:59:59.999Z')::int"), 1);
	assert_int_equal(seen_by(database, "SELECT haechi.month_ensure('2031-05-01Z')::int"), 0);
	assert_int_equal(
	    seen_by(database,
	            "SELECT count(*) FROM pg_class WHERE relname IN ('entry_203105', 'content_203105')"),
	    2);
	assert_int_equal(
	    database_run(database,
	                 "INSERT INTO haechi.entry (log_id, index, wall, id, kind, bytes) VALUES (99, 0, "
	                 "'2031-07-15Z', 'x', 'key', '')",
	                 &why),
	    0);
	assert_int_equal(seen_by(database, "SELECT haechi.month_ensure('2031-07-01Z')::int"), 0);
	assert_int_equal(seen_by(database, "SELECT count(*) FROM haechi.entry WHERE log_id = 99"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(again_is_nothing),
	    cmocka_unit_test(what_was_applied_may_not_change),
	    cmocka_unit_test(gaps_and_newer_databases_are_refused),
	    cmocka_unit_test(a_failure_leaves_nothing),
	    cmocka_unit_test(logins_see_what_they_may),
	    cmocka_unit_test(months_come_in_any_order),
	};

	if (cluster_missing())
		return 77;
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
