/* A run of verify goes on where the last one stood: less is read, nothing new escapes, and the file is believed for the place alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/verify.h"
#include "tests/evidence.h"

static struct cluster cluster;
static struct database *database;
static struct test_log first, second;
static struct keyring keyring;
static struct buffer early_note; /* of `first`, long before the state */
static struct buffer file;       /* the state, as a file holds it */
static uint64_t state_size;      /* of `first` in it */
static unsigned next_request;

static void
run(const char *sql)
{
	struct fault why;

	if (database_run(database, sql, &why) == -1)
		fail_msg("%s: %s", sql, why.en);
}

static void
requests(struct test_log *log, unsigned count)
{
	run("BEGIN");
	for (unsigned end = next_request + count; next_request < end; next_request++) {
		test_log_request(log, next_request);
		if (next_request % 5 == 0)
			test_log_head(log);
	}
	test_log_head(log);
	run("COMMIT");
}

/* As `haechi audit verify --state` does; *reached may be NULL. */
static int
verify_since(struct verify_report *report, struct slice state, struct slice witness,
             struct verified **reached, struct fault *why)
{
	struct verify_options options = {
	    .keyring = &keyring, .witnesses = &witness, .witness_count = witness.size > 0};
	struct verified *since = NULL;
	int result;

	if (state.size > 0 && verified_parse(&since, state, why) == -1)
		return -1;
	if (reached != NULL && verified_new(reached, why) == -1)
		fail_msg("%s", why->en);
	options.since = since;
	options.reached = reached == NULL ? NULL : *reached;
	result = verify_database(report, cluster.conninfo, &options, why);
	verified_free(since);
	return result;
}

static int
setup(void **state)
{
	struct verified *reached;
	struct verify_report report;
	struct fault why;

	(void)state;
	if (cluster_start(&cluster, &why) == -1 || database_open(&database, cluster.conninfo, &why) == -1) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	buffer_init(&early_note, NOTE_LIMIT);
	buffer_init(&file, VERIFIED_LIMIT);
	test_log_init(&first, database, "haneul", 4000);
	test_log_init(&second, database, "bada", 100);
	requests(&first, 60);
	buffer_slice(&early_note, buffer_view(&first.note));
	requests(&first, 290);
	requests(&second, 10);
	run("INSERT INTO haechi.content SELECT log_id, id, 'prompt', wall, agency, '\\x00' FROM haechi.entry "
	    "WHERE kind = 'decision' AND index < 50; SET session_replication_role = replica");
	if (keyring_add(&keyring, buffer_view(&first.vkeys), &why) == -1 ||
	    keyring_add(&keyring, buffer_view(&second.vkeys), &why) == -1 ||
	    verify_since(&report, slice_of(NULL, 0), slice_of(NULL, 0), &reached, &why) == -1 ||
	    report.broken) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	state_size = first.frontier.size;
	verified_write(&file, reached);
	verified_free(reached);
	return buffer_ok(&file) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	database_close(database);
	test_log_free(&first);
	test_log_free(&second);
	buffer_free(&early_note);
	buffer_free(&file);
	cluster_stop(&cluster);
	return 0;
}

static void
a_state_is_written_and_read(void **state)
{
	struct verified *read;
	struct buffer again;
	struct fault why;

	(void)state;
	buffer_init(&again, VERIFIED_LIMIT);
	assert_int_equal(verified_parse(&read, buffer_view(&file), &why), 0);
	assert_int_equal(verified_count(read), 2);
	assert_int_equal(verified_find(read, first.origin)->size, state_size);
	assert_null(verified_find(read, "haechi.nobody/node1"));
	verified_write(&again, read);
	assert_true(buffer_ok(&again) && slice_equal(buffer_view(&again), buffer_view(&file)));
	verified_free(read);
	for (size_t cut = 0; cut + 1 < file.size; cut += 7) {
		assert_int_equal(verified_parse(&read, slice_of(file.data, cut), &why), -1);
		assert_int_equal(why.kind, FAULT_INVALID);
	}
	buffer_free(&again);
}

static void
a_later_run_reads_what_is_new(void **state)
{
	const uint64_t before = first.frontier.size;
	const struct verified_log *log;
	struct verify_report report;
	struct verified *reached;
	struct buffer later;
	struct fault why;

	(void)state;
	/* Nothing new: nothing is read, and it holds. */
	assert_int_equal(verify_since(&report, buffer_view(&file), slice_of(NULL, 0), &reached, &why), 0);
	assert_false(report.broken);
	assert_int_equal(report.entries, 0);
	assert_int_equal(report.earlier, before + second.frontier.size);
	assert_int_equal(verified_find(reached, first.origin)->part_count, 1);
	verified_free(reached);

	requests(&first, 300); /* over two more tiles */
	assert_int_equal(verify_since(&report, buffer_view(&file), buffer_view(&early_note), &reached, &why),
	                 0);
	if (report.broken)
		fail_msg("a false alarm: %s", report.first.what.en);
	assert_int_equal(report.entries, first.frontier.size - before);
	assert_int_equal(report.earlier, before + second.frontier.size);
	assert_true(report.tiles > 0 && report.heads > 0);
	log = verified_find(reached, first.origin);
	assert_int_equal(log->part_count, 2);
	assert_int_equal(log->parts[0].to, before);
	assert_int_equal(log->parts[1].from, before);
	assert_int_equal(log->parts[1].to, first.frontier.size);
	assert_int_equal(log->size, first.frontier.size);

	/* And on from there, entry by entry, until parts are joined: the time is that of the oldest. */
	buffer_init(&later, VERIFIED_LIMIT);
	for (unsigned i = 0; i < VERIFIED_PARTS + 3; i++) {
		buffer_reset(&later);
		verified_write(&later, reached);
		verified_free(reached);
		requests(&first, 1);
		assert_int_equal(
		    verify_since(&report, buffer_view(&later), slice_of(NULL, 0), &reached, &why), 0);
		if (report.broken)
			fail_msg("a false alarm: %s", report.first.what.en);
		assert_true(report.entries > 0 && report.entries < 5);
	}
	log = verified_find(reached, first.origin);
	assert_int_equal(log->part_count, VERIFIED_PARTS);
	assert_int_equal(log->parts[0].from, 0);
	assert_true(log->parts[0].to > before && log->parts[0].at_ms <= log->parts[1].at_ms);
	verified_free(reached);
	buffer_free(&later);
}

static const struct {
	const char *what, *sql;
	const char *says; /* NULL: behind the place gone on from; only a run over everything sees it */
} tamperings[] = {
    {"a new entry changed",
     "UPDATE haechi.entry SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '\"decide_us\":180', "
     "'\"decide_us\":181'), 'UTF8') WHERE log_id = 1 AND index > 800",                                                    "signed"                   },
    {"a new entry's column",
     "UPDATE haechi.entry SET usecase = 'another' WHERE log_id = 1 AND index = (SELECT min(index) FROM "
     "haechi.entry "
     "WHERE log_id = 1 AND index > 810 AND usecase IS NOT NULL)",                                                         "column usecase"           },
    {"a new entry deleted",                   "DELETE FROM haechi.entry WHERE log_id = 1 AND index = 900",
     "entry 900 is missing"                                                                                                                          },
    {"a hash that the earlier head rests on",
     "UPDATE haechi.tile SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE log_id = 1 AND "
     "level = 0 AND "
     "number = 1",                                                                                                        "no prefix"                },
    {"cut back behind the earlier head",
     "DELETE FROM haechi.checkpoint WHERE log_id = 1 AND size > 300; DELETE FROM haechi.entry WHERE log_id = "
     "1 AND "
     "index >= (SELECT max(size) FROM haechi.checkpoint WHERE log_id = 1); DELETE FROM haechi.tile WHERE "
     "log_id = 1",                                                                                                        "last time everything held"},
    {"the log gone",
     "DELETE FROM haechi.entry WHERE log_id = 2; DELETE FROM haechi.checkpoint WHERE log_id = 2; DELETE FROM "
     "haechi.log WHERE log_id = 2; DELETE FROM haechi.log_key WHERE log_id = 2",                                          "no such log"              },
    {"sealed content of no entry",
     "INSERT INTO haechi.content SELECT log_id, 'x', 'prompt', wall, agency, '\\x00' FROM haechi.entry WHERE "
     "log_id = 1 "
     "ORDER BY index DESC LIMIT 1",                                                                                       "sealed content"           },
    {"an old entry changed",                  "UPDATE haechi.entry SET agency = 'bada' WHERE log_id = 1 AND index = 100",
     NULL                                                                                                                                            },
};

static void
what_is_new_does_not_escape(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof tamperings / sizeof *tamperings; i++) {
		struct verify_report report;
		struct fault why;

		run("CREATE SCHEMA aside; CREATE TABLE aside.e AS TABLE haechi.entry; CREATE TABLE aside.c "
		    "AS "
		    "TABLE haechi.checkpoint; CREATE TABLE aside.t AS TABLE haechi.tile; CREATE TABLE "
		    "aside.k AS "
		    "TABLE haechi.log_key; CREATE TABLE aside.l AS TABLE haechi.log; CREATE TABLE aside.s AS "
		    "TABLE "
		    "haechi.content");
		run(tamperings[i].sql);
		if (verify_since(&report, buffer_view(&file), buffer_view(&early_note), NULL, &why) == -1)
			fail_msg("%s: %s", tamperings[i].what, why.en);
		if (report.broken != (tamperings[i].says != NULL))
			fail_msg("%s: %s", tamperings[i].what,
			         report.broken ? report.first.what.en : "not seen");
		if (report.broken && strstr(report.first.what.en, tamperings[i].says) == NULL)
			fail_msg("%s: said '%s'", tamperings[i].what, report.first.what.en);
		if (verify_since(&report, slice_of(NULL, 0), slice_of(NULL, 0), NULL, &why) == -1)
			fail_msg("%s: %s", tamperings[i].what, why.en);
		/* By everything that was read from the first entry on; a cut is seen with a head from outside. */
		if (!report.broken && strstr(tamperings[i].what, "cut") == NULL)
			fail_msg("%s: not seen by a whole run", tamperings[i].what);
		run("TRUNCATE haechi.entry, haechi.checkpoint, haechi.tile, haechi.log_key, haechi.log, "
		    "haechi.content; INSERT INTO haechi.entry TABLE aside.e; INSERT INTO haechi.checkpoint "
		    "TABLE "
		    "aside.c; INSERT INTO haechi.tile TABLE aside.t; INSERT INTO haechi.log OVERRIDING "
		    "SYSTEM "
		    "VALUE TABLE aside.l; INSERT INTO haechi.log_key TABLE aside.k; INSERT INTO "
		    "haechi.content "
		    "TABLE aside.s; DROP SCHEMA aside CASCADE");
	}
}

/* Heads from outside that are older than the place gone on from: proven, not passed over. */
static void
an_older_head_of_another_history_is_seen(void **state)
{
	struct verify_report report;
	struct test_log other;
	struct fault why;

	(void)state;
	test_log_init(&other, NULL, "haneul", 2000);
	memcpy(other.secret, first.secret, sizeof other.secret);
	other.ed25519 = first.ed25519;
	other.ecdsa = first.ecdsa;
	EVP_PKEY_free(other.p256);
	other.p256 = first.p256;
	EVP_PKEY_up_ref(other.p256);
	for (unsigned n = 0; n < 80; n++)
		test_log_request(&other, n);
	test_log_head(&other);
	assert_true(other.frontier.size < state_size);
	assert_int_equal(verify_since(&report, buffer_view(&file), buffer_view(&other.note), NULL, &why), 0);
	assert_true(report.broken);
	assert_non_null(strstr(report.first.what.en, "kept outside"));
	test_log_free(&other);
}

/* Whoever can write the file cannot make it vouch for another history, nor for more than the log signed. */
static void
a_forged_state_is_refused(void **state)
{
	static const char *const changes[][2] = {
	    {"\"from\":0",    "\"from\":1"   }, /* a gap */
	    {"\"format\":1",  "\"format\":2" },
	    {"haechi.haneul", "haechi.haneuk"},
	    {"\\n",           "\\n\\n"       },
	};
	struct verify_report report;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		const char *at = strstr(buffer_text(&file), changes[i][0]);
		struct buffer forged;

		assert_non_null(at);
		buffer_init(&forged, VERIFIED_LIMIT);
		buffer_append(&forged, file.data, (size_t)(at - (char *)file.data));
		buffer_string(&forged, changes[i][1]);
		buffer_string(&forged, at + strlen(changes[i][0]));
		if (verify_since(&report, buffer_view(&forged), slice_of(NULL, 0), NULL, &why) == 0)
			assert_true(report.broken);
		else
			assert_int_equal(why.kind, FAULT_INVALID);
		buffer_free(&forged);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_state_is_written_and_read),
	    cmocka_unit_test(a_later_run_reads_what_is_new),
	    cmocka_unit_test(what_is_new_does_not_escape),
	    cmocka_unit_test(an_older_head_of_another_history_is_seen),
	    cmocka_unit_test(a_forged_state_is_refused),
	};

	if (cluster_missing())
		return 77;
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
