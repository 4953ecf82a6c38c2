/* Untouched evidence raises no alarm; every kind of tampering a superuser can do is named: what, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "audit/migrate.h"
#include "audit/verify.h"
#include "tests/evidence.h"

static struct cluster cluster;
static struct database *database;
static struct test_log first, second;
static struct keyring keyring;
static struct buffer old_note; /* of `first`, before its last entries */

static void
run(const char *sql)
{
	struct fault why;

	if (database_run(database, sql, &why) == -1)
		fail_msg("%s: %s", sql, why.en);
}

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	if (cluster_start(&cluster, &why) == -1 || database_open(&database, cluster.conninfo, &why) == -1) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	buffer_init(&old_note, NOTE_LIMIT);
	test_log_init(&first, database, "haneul", 2000);
	test_log_init(&second, database, "bada", 100);
	run("BEGIN");
	for (unsigned n = 0; first.frontier.size < 700; n++) {
		test_log_request(&first, n);
		if (n % 3 == 0)
			test_log_head(&first);
		if (n == 150) {
			test_log_head(&first);
			buffer_slice(&old_note, buffer_view(&first.note));
		}
	}
	test_log_head(&first);
	for (unsigned n = 0; n < 10; n++)
		test_log_request(&second, n);
	test_log_head(&second);
	run("INSERT INTO haechi.content SELECT log_id, id, 'prompt', wall, agency, '\\x00' FROM haechi.entry "
	    "WHERE kind = "
	    "'decision' AND index < 50");
	/* A superuser passes the guard rails by. */
	run("COMMIT; SET session_replication_role = replica; ALTER TABLE haechi.entry DROP CONSTRAINT "
	    "entry_index_check; "
	    "ALTER TABLE haechi.checkpoint DROP CONSTRAINT checkpoint_size_check; "
	    "ALTER TABLE haechi.tile DROP CONSTRAINT tile_hashes_check");
	if (keyring_add(&keyring, buffer_view(&first.vkeys), &why) == -1 ||
	    keyring_add(&keyring, buffer_view(&second.vkeys), &why) == -1)
		return -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	database_close(database);
	test_log_free(&first);
	test_log_free(&second);
	buffer_free(&old_note);
	cluster_stop(&cluster);
	return 0;
}

static struct verify_report
verify_with(const struct keyring *keys, struct slice witness)
{
	const struct verify_options options = {
	    .keyring = keys, .witnesses = &witness, .witness_count = witness.size > 0};
	struct verify_report report;
	struct fault why;

	if (verify_database(&report, cluster.conninfo, &options, &why) == -1)
		fail_msg("verify: %s", why.en);
	return report;
}

static void
holds(const struct keyring *keys, struct slice witness)
{
	const struct verify_report report = verify_with(keys, witness);

	if (report.broken)
		fail_msg("a false alarm: %s", report.first.what.en);
	assert_int_equal(report.entries, first.frontier.size + second.frontier.size);
	assert_int_equal(report.logs, 2);
	assert_int_equal(report.tiles, 2);
}

static void
untouched_evidence_holds(void **state)
{
	(void)state;
	holds(&keyring, slice_of(NULL, 0));
	holds(NULL, slice_of(NULL, 0)); /* by the database's own keys */
	holds(&keyring, buffer_view(&old_note));
	holds(&keyring, buffer_view(&first.note));
}

/* Tables as an older Haechi left them, brought to the newest: what is filled in from the bytes is what verify expects. */
static void
an_upgrade_raises_no_alarm(void **state)
{
	static const char *const tables[][2] = {
	    {"entry",
	     "log_id, index, wall, id, kind, agency, service, subject, key_id, request_id, of, usecase, verdict, "
	     "access, domain, action, model, zone, bytes"                          },
	    {"content",    "log_id, entry_id, part, wall, agency, blob"},
	    {"tile",       "log_id, level, number, hashes"             },
	    {"checkpoint", "log_id, size, root, wall, note"            },
	    {"log_key",    "log_id, vkey"                              },
	    {"log",        "log_id, origin"                            },
	};
	const struct verify_options options = {.keyring = &keyring};
	char directory[512], old[] = "/tmp/haechi-old-XXXXXX", command[1200], conninfo[300], sql[2000];
	struct database *older;
	struct verify_report report;
	struct fault why;

	(void)state;
	assert_non_null(mkdtemp(old));
	assert_int_equal(migrate_directory(directory, sizeof directory, &why), 0);
	snprintf(command, sizeof command, "cp '%s'/000[1-8]_*.sql '%s' && install -d -o postgres -m 777 '%s/rows'",
	         directory, old, old);
	assert_int_equal(system(command), 0);
	assert_int_equal(chmod(old, 0755), 0);
	run("CREATE DATABASE older");
	snprintf(conninfo, sizeof conninfo, "%s dbname=older", cluster.conninfo);
	if (database_open(&older, conninfo, &why) == -1 || migrate(older, old, NULL, NULL, &why) == -1 ||
	    database_run(older,
	                 "SET session_replication_role = replica; SELECT haechi.month_ensure(moment) FROM "
	                 "generate_series(timestamptz '2026-01-01', '2026-12-31', '1 month') moment",
	                 &why) == -1)
		fail_msg("%s", why.en);
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		snprintf(sql, sizeof sql, "COPY (SELECT %s FROM haechi.%s) TO '%s/rows/%s'", tables[i][1],
		         tables[i][0], old, tables[i][0]);
		run(sql);
		snprintf(sql, sizeof sql, "COPY haechi.%s (%s) FROM '%s/rows/%s'", tables[i][0], tables[i][1], old,
		         tables[i][0]);
		if (database_run(older, sql, &why) == -1)
			fail_msg("%s: %s", tables[i][0], why.en);
	}
	if (migrate(older, directory, NULL, NULL, &why) == -1 ||
	    verify_database(&report, conninfo, &options, &why) == -1)
		fail_msg("%s", why.en);
	if (report.broken)
		fail_msg("a false alarm: %s", report.first.what.en);
	assert_int_equal(report.entries, first.frontier.size + second.frontier.size);
	database_close(older);
	run("DROP DATABASE older");
	snprintf(command, sizeof command, "rm -rf '%s'", old);
	assert_int_equal(system(command), 0);
}

/* `index` -1: not of one entry. `says` is part of the English sentence. */
struct tampering {
	const char *what, *sql;
	int64_t index;
	const char *says;
};

static const struct tampering tamperings[] = {
    {"a byte of an entry, its JSON broken",
     "UPDATE haechi.entry SET bytes = set_byte(bytes, 0, 1) WHERE log_id = 1 AND index = 5",                                                             5,
     "the bytes of entry 5"                                                                                                                                                                   },
    {"a digit in an entry, still canonical, in a full tile",
     "UPDATE haechi.entry SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), "
     "'\"retention_days\":1826', "
     "'\"retention_days\":1827'), 'UTF8') WHERE log_id = 1 AND index = 300",                                                                             300, "the bytes of entry 300"        },
    {"a digit in an entry, still canonical, at the right edge",
     "UPDATE haechi.entry SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '\"decide_us\":180', "
     "'\"decide_us\":181'), 'UTF8') WHERE log_id = 1 AND index = (SELECT max(index) FROM haechi.entry WHERE "
     "log_id = 1)",                                                                                                                                      -2,  "is not the one that was signed"},
    {"white space added",                                       "UPDATE haechi.entry SET bytes = bytes || '\\x20' WHERE log_id = 1 AND index = 17",
     17,                                                                                                                                                      "not canonical"                 },
    {"an entry emptied",                                        "UPDATE haechi.entry SET bytes = '' WHERE log_id = 1 AND index = 18",                    18,
     "the bytes of entry 18"                                                                                                                                                                  },
    {"an entry deleted",                                        "DELETE FROM haechi.entry WHERE log_id = 1 AND index = 100",                             100,
     "entry 100 is missing"                                                                                                                                                                   },
    {"the first entry deleted",                                 "DELETE FROM haechi.entry WHERE log_id = 1 AND index = 0",                               0,
     "entry 0 is missing"                                                                                                                                                                     },
    {"the end cut off",                                         "DELETE FROM haechi.entry WHERE log_id = 1 AND index >= 600",                            600, "the log is cut"                },
    {"the end cut off with its heads",
     "DELETE FROM haechi.entry WHERE log_id = 1 AND index >= 600; DELETE FROM haechi.checkpoint WHERE log_id "
     "= 1 AND size > 590",                                                                                                                               -2,  "no signed checkpoint covers"   },
    {"all entries of a log deleted",                            "DELETE FROM haechi.entry WHERE log_id = 2",                                             0,   "the log is cut"                },
    {"two entries swapped",
     "UPDATE haechi.entry SET index = 39 - index WHERE log_id = 1 AND index IN (19, 20)",                                                                19,
     "the bytes of entry 19"                                                                                                                                                                  },
    {"an entry moved to another log",
     "UPDATE haechi.entry SET log_id = 2, index = 1000 WHERE log_id = 1 AND index = 699",                                                                -2,
     "the log is cut"                                                                                                                                                                         },
    {"an entry given twice",
     "INSERT INTO haechi.entry SELECT log_id, index, wall + interval '1 s', id, kind, agency, service, "
     "subject, "
     "key_id, request_id, of, usecase, verdict, access, domain, action, model, zone, bytes FROM haechi.entry "
     "WHERE log_id = 1 AND index = 30",                                                                                                                  30,  "there twice"                   },
    {"a row forged at the end",
     "INSERT INTO haechi.entry SELECT log_id, (SELECT max(index) + 1 FROM haechi.entry WHERE log_id = 1), "
     "wall, id, "
     "kind, agency, service, subject, key_id, request_id, of, usecase, verdict, access, domain, action, "
     "model, zone, bytes FROM "
     "haechi.entry WHERE log_id = 1 AND index = 30",                                                                                                     -2,  "no signed checkpoint covers"   },
    {"a negative index",                                        "UPDATE haechi.entry SET index = -1 WHERE log_id = 1 AND index = 40",                    -2,
     "forged in"                                                                                                                                                                              },
    {"a row of an unknown log",
     "INSERT INTO haechi.entry SELECT 77, 0, wall, id, kind, agency, service, subject, key_id, request_id, "
     "of, "
     "usecase, verdict, access, domain, action, model, zone, bytes FROM haechi.entry WHERE log_id = 1 AND "
     "index = 30",                                                                                                                                       -1,  "not registered"                },
    {"column wall",                                             "UPDATE haechi.entry SET wall = wall + interval '1 ms' WHERE log_id = 1 AND index = 50",
     50,                                                                                                                                                      "column wall"                   },
    {"column wall by a microsecond",
     "UPDATE haechi.entry SET wall = wall + interval '1 us' WHERE log_id = 1 AND index = 50",                                                            50,
     "column wall"                                                                                                                                                                            },
    {"column id",                                               "UPDATE haechi.entry SET id = 'x' WHERE log_id = 1 AND index = 50",                      50,  "column id"                     },
    {"column kind",                                             "UPDATE haechi.entry SET kind = 'key' WHERE log_id = 1 AND index = 50",                  50,
     "column kind"                                                                                                                                                                            },
    {"column agency",                                           "UPDATE haechi.entry SET agency = 'bada' WHERE log_id = 1 AND index = 50",               50,
     "column agency"                                                                                                                                                                          },
    {"column agency emptied",                                   "UPDATE haechi.entry SET agency = NULL WHERE log_id = 1 AND index = 50",                 50,
     "column agency"                                                                                                                                                                          },
    {"column service",                                          "UPDATE haechi.entry SET service = 'x' WHERE log_id = 1 AND index = 50",                 50,
     "column service"                                                                                                                                                                         },
    {"column subject filled",                                   "UPDATE haechi.entry SET subject = 'x' WHERE log_id = 1 AND index = 50",                 50,
     "column subject"                                                                                                                                                                         },
    {"column subject blank",                                    "UPDATE haechi.entry SET subject = '' WHERE log_id = 1 AND index = 50",                  50,
     "column subject"                                                                                                                                                                         },
    {"column key_id",                                           "UPDATE haechi.entry SET key_id = 'x' WHERE log_id = 1 AND index = 50",                  50,
     "column key_id"                                                                                                                                                                          },
    {"column request_id",                                       "UPDATE haechi.entry SET request_id = 'x' WHERE log_id = 1 AND index = 50",              50,
     "column request_id"                                                                                                                                                                      },
    {"column of",                                               "UPDATE haechi.entry SET of = 'x' WHERE log_id = 1 AND index = 51",                      51,  "column of"                     },
    {"column usecase",                                          "UPDATE haechi.entry SET usecase = 'x' WHERE log_id = 1 AND index = 50",                 50,
     "column usecase"                                                                                                                                                                         },
    {"column verdict",                                          "UPDATE haechi.entry SET verdict = 'EXCLUDED' WHERE log_id = 1 AND index = 50",          50,
     "column verdict"                                                                                                                                                                         },
    {"column access",                                           "UPDATE haechi.entry SET access = 'x' WHERE log_id = 1 AND index = 50",                  50,
     "column access"                                                                                                                                                                          },
    {"column domain",                                           "UPDATE haechi.entry SET domain = 'water' WHERE log_id = 1 AND index = 50",              50,
     "column domain"                                                                                                                                                                          },
    {"column also filled",                                      "UPDATE haechi.entry SET also = '{water}' WHERE log_id = 1 AND index = 50",              50,
     "column also"                                                                                                                                                                            },
    {"column also emptied",
     "UPDATE haechi.entry SET also = NULL WHERE log_id = 1 AND index = (SELECT max(index) FROM haechi.entry "
     "WHERE log_id = 1 AND "
     "also IS NOT NULL)",                                                                                                                                -2,  "column also"                   },
    {"column also, another list",
     "UPDATE haechi.entry SET also = also || '{energy}' WHERE log_id = 1 AND index = (SELECT min(index) FROM "
     "haechi.entry WHERE "
     "log_id = 1 AND also IS NOT NULL)",                                                                                                                 -2,  "column also"                   },
    {"column action",                                           "UPDATE haechi.entry SET action = 'x' WHERE log_id = 1 AND index = 51",                  51,
     "column action"                                                                                                                                                                          },
    {"column model",                                            "UPDATE haechi.entry SET model = 'x' WHERE log_id = 1 AND index = 50",                   50,
     "column model"                                                                                                                                                                           },
    {"column zone",                                             "UPDATE haechi.entry SET zone = 'x' WHERE log_id = 1 AND index = 50",                    50,  "column zone"                   },
    {"a head's text",
     "UPDATE haechi.checkpoint SET note = replace(note, E'\\n7', E'\\n8') WHERE log_id = 1 AND size = "
     "(SELECT max(size) FROM "
     "haechi.checkpoint WHERE log_id = 1)",                                                                                                              -1,  "checkpoint of size"            },
    {"a head's root column",
     "UPDATE haechi.checkpoint SET root = set_byte(root, 3, get_byte(root, 3) # 1) WHERE log_id = 1 AND size "
     "= (SELECT min(size) "
     "FROM haechi.checkpoint WHERE log_id = 1)",                                                                                                         -1,  "columns size and root"         },
    {"a head's size column",
     "UPDATE haechi.checkpoint SET size = size - 1 WHERE log_id = 1 AND size = (SELECT max(size) FROM "
     "haechi.checkpoint WHERE log_id = 1)",                                                                                                              -1,  "columns size and root"         },
    {"a head of negative size",                                 "UPDATE haechi.checkpoint SET size = -size WHERE log_id = 2",                            -1,  NULL                            },
    {"a head's signature",
     "UPDATE haechi.checkpoint SET note = regexp_replace(note, '(— [^ ]+ ........)....', '\\1AAAA') WHERE "
     "log_id = 2",                                                                                                                                       -1,  "signature"                     },
    {"a head without its second signature",
     "UPDATE haechi.checkpoint SET note = regexp_replace(note, '[^\\n]*\\n$', '') WHERE log_id = 2",                                                     -1,
     "ECDSA"                                                                                                                                                                                  },
    {"a head of another log",
     "UPDATE haechi.checkpoint SET note = (SELECT note FROM haechi.checkpoint WHERE log_id = 1 ORDER BY size "
     "LIMIT 1) "
     "WHERE log_id = 2",                                                                                                                                 -1,  "another log"                   },
    {"a tile, one hash",
     "UPDATE haechi.tile SET hashes = set_byte(hashes, 70, get_byte(hashes, 70) # 1) WHERE log_id = 1 AND "
     "number = 1",                                                                                                                                       -1,  "stored tile"                   },
    {"a tile cut short",
     "UPDATE haechi.tile SET hashes = '\\x00' "
     "WHERE log_id = 1 AND number = 0",                                                                                                                  -1,  "stored tile"                   },
    {"a tile deleted between others",                           "DELETE FROM haechi.tile WHERE log_id = 1 AND number = 0",                               -1,
     "tile (level 0, number 0)"                                                                                                                                                               },
    {"a tile beyond the tree",
     "INSERT INTO haechi.tile SELECT log_id, level, 2, hashes FROM haechi.tile WHERE log_id = 1 AND number = "
     "1",                                                                                                                                                -1,  "tile (level 0, number 2)"      },
    {"the announced key",
     "UPDATE haechi.log_key SET vkey = (SELECT vkey FROM haechi.log_key WHERE log_id = 2 ORDER BY vkey LIMIT "
     "1) || '' "
     "WHERE log_id = 1 AND vkey = (SELECT vkey FROM haechi.log_key WHERE log_id = 1 ORDER BY vkey LIMIT 1); "
     "UPDATE haechi.log_key SET vkey = "
     "overlay(vkey placing 'AAAA' from 40) WHERE log_id = 1",                                                                                            -1,  NULL                            },
    {"a log renamed",                                           "UPDATE haechi.log SET origin = 'haechi.haneul/node2' WHERE log_id = 1",                 -1,
     "verifier key"                                                                                                                                                                           },
    {"a log deleted whole",
     "DELETE FROM haechi.entry WHERE log_id = 2; DELETE FROM haechi.checkpoint WHERE log_id = 2; DELETE FROM "
     "haechi.log_key WHERE log_id = 2; DELETE FROM haechi.log WHERE log_id = 2; DELETE FROM haechi.content "
     "WHERE log_id = 2",                                                                                                                                 -1,  "no such log"                   },
    {"sealed content without its entry",                        "UPDATE haechi.content SET entry_id = 'x' WHERE log_id = 1",                             -1,
     "sealed content"                                                                                                                                                                         },
    {"sealed content given to another agency",                  "UPDATE haechi.content SET agency = 'bada' WHERE log_id = 1",
     -1,                                                                                                                                                      "sealed content"                },
};

static void
every_tampering_is_named(void **state)
{
	const size_t count = sizeof tamperings / sizeof *tamperings;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct tampering *tampering = &tamperings[i];
		struct verify_report report;

		/* Everything is put aside, changed, looked at, and put back. */
		run("CREATE SCHEMA aside; CREATE TABLE aside.e AS TABLE haechi.entry; CREATE TABLE aside.c "
		    "AS TABLE haechi.checkpoint; "
		    "CREATE TABLE aside.t AS TABLE haechi.tile; CREATE TABLE aside.k AS TABLE "
		    "haechi.log_key; CREATE TABLE aside.l AS "
		    "TABLE haechi.log; CREATE TABLE aside.s AS TABLE haechi.content");
		run(tampering->sql);
		report = verify_with(&keyring, slice_of(NULL, 0));
		run("TRUNCATE haechi.entry, haechi.checkpoint, haechi.tile, haechi.log_key, haechi.log, "
		    "haechi.content; "
		    "INSERT INTO haechi.entry TABLE aside.e; INSERT INTO haechi.checkpoint TABLE aside.c; "
		    "INSERT INTO haechi.tile TABLE aside.t; INSERT INTO haechi.log OVERRIDING SYSTEM VALUE "
		    "TABLE aside.l; "
		    "INSERT INTO haechi.log_key TABLE aside.k; INSERT INTO haechi.content TABLE aside.s; "
		    "DROP SCHEMA aside CASCADE");
		if (!report.broken)
			fail_msg("%s: not seen", tampering->what);
		if (tampering->says != NULL && strstr(report.first.what.en, tampering->says) == NULL)
			fail_msg("%s: said '%s'", tampering->what, report.first.what.en);
		if (report.first.what.ko[0] == '\0')
			fail_msg("%s: nothing in Korean", tampering->what);
		if (tampering->index == -1
		        ? report.first.has_index
		        : !report.first.has_index ||
		              (tampering->index >= 0 && report.first.index != (uint64_t)tampering->index))
			fail_msg("%s: index %d %" PRIu64, tampering->what, report.first.has_index,
			         report.first.index);
	}
	holds(&keyring, slice_of(NULL, 0));
	printf("%zu kinds of tampering, each named\n", count);
}

/* Everything back to an earlier state, consistent in itself: only a head kept outside can tell. */
static void
a_rollback_is_seen_from_outside(void **state)
{
	struct verify_report report;

	(void)state;
	run("CREATE SCHEMA aside; CREATE TABLE aside.e AS TABLE haechi.entry; CREATE TABLE aside.c AS TABLE "
	    "haechi.checkpoint; "
	    "CREATE TABLE aside.t AS TABLE haechi.tile");
	run("DELETE FROM haechi.checkpoint c WHERE log_id = 1 AND size > 100; DELETE FROM haechi.entry WHERE "
	    "log_id = 1 AND index >= "
	    "(SELECT max(size) FROM haechi.checkpoint WHERE log_id = 1); DELETE FROM haechi.tile WHERE "
	    "log_id = 1");
	report = verify_with(&keyring, slice_of(NULL, 0));
	assert_false(report.broken);
	report = verify_with(&keyring, buffer_view(&old_note));
	assert_true(report.broken);
	assert_non_null(strstr(report.first.what.en, "rolled back"));
	run("TRUNCATE haechi.entry, haechi.checkpoint, haechi.tile; INSERT INTO haechi.entry TABLE aside.e; "
	    "INSERT INTO "
	    "haechi.checkpoint TABLE aside.c; INSERT INTO haechi.tile TABLE aside.t; DROP SCHEMA aside "
	    "CASCADE");
	holds(&keyring, buffer_view(&old_note));
}

/* Another history under the same keys: the signed heads of both hold, but not together. */
static void
a_second_history_is_seen_from_outside(void **state)
{
	struct test_log other;
	struct verify_report report;

	(void)state;
	test_log_init(&other, NULL, "haneul", 2000);
	memcpy(other.secret, first.secret, sizeof other.secret);
	other.ed25519 = first.ed25519;
	other.ecdsa = first.ecdsa;
	EVP_PKEY_free(other.p256);
	other.p256 = first.p256;
	EVP_PKEY_up_ref(other.p256);
	for (unsigned n = 0; other.frontier.size < 300; n++)
		test_log_request(&other, n);
	test_log_head(&other);
	report = verify_with(&keyring, buffer_view(&other.note));
	assert_true(report.broken);
	assert_non_null(strstr(report.first.what.en, "kept outside"));
	test_log_free(&other);
}

static void
a_login_that_sees_a_part_is_refused(void **state)
{
	const struct verify_options options = {.keyring = &keyring};
	struct verify_report report;
	char conninfo[300];
	struct fault why;

	(void)state;
	run("CREATE ROLE haechi_auditor_login LOGIN IN ROLE haechi_auditor; INSERT INTO haechi.login_scope "
	    "VALUES "
	    "('haechi_auditor_login', 'haneul')");
	snprintf(conninfo, sizeof conninfo, "%s user=haechi_auditor_login", cluster.conninfo);
	assert_int_equal(verify_database(&report, conninfo, &options, &why), -1);
	assert_int_equal(why.kind, FAULT_FORBIDDEN);
	run("INSERT INTO haechi.login_scope VALUES ('haechi_auditor_login', '*')");
	assert_int_equal(verify_database(&report, conninfo, &options, &why), 0);
	assert_false(report.broken);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(untouched_evidence_holds),
	    cmocka_unit_test(an_upgrade_raises_no_alarm),
	    cmocka_unit_test(every_tampering_is_named),
	    cmocka_unit_test(a_rollback_is_seen_from_outside),
	    cmocka_unit_test(a_second_history_is_seen_from_outside),
	    cmocka_unit_test(a_login_that_sees_a_part_is_refused),
	};

	if (cluster_missing())
		return 77;
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
