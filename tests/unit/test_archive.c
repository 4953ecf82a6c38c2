/* A month goes into an archive and out of the database: everything still proves, and every lie about it is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/archive_query.h"
#include "audit/export.h"
#include "audit/receipt.h"
#include "audit/verify.h"
#include "schema/base/clock.h"
#include "tests/evidence.h"

#define APRIL_MS INT64_C(1775001600000) /* 2026-04-01T00:00:00Z */

static struct cluster cluster;
static struct database *database;
static struct test_log log_one;
static struct keyring keyring;
static struct arena *arena;
static char folder[64], key_file[96], inside[ENTRY_ID_SIZE], outside[ENTRY_ID_SIZE];
static uint64_t march; /* entries of it */
static bool recording = true;

static void
run(const char *sql)
{
	struct fault why;

	if (database_run(database, sql, &why) == -1)
		fail_msg("%s: %s", sql, why.en);
}

static int64_t
number(const char *sql)
{
	struct database_rows *rows = NULL;
	struct fault why;
	int64_t value;

	if (database_ask(&rows, database, sql, 0, NULL, &why) == -1)
		fail_msg("%s: %s", sql, why.en);
	value = database_integer(rows, 0, 0);
	database_rows_free(rows);
	return value;
}

/* What the daemon does: an entry of kind export, a head over it, a receipt. */
static int
note(const struct entry_note *body, struct buffer *receipt, struct fault *why)
{
	char id[ENTRY_ID_SIZE];
	struct entry_head head = {.kind = ENTRY_EXPORT,
	                          .id = id,
	                          .log = log_one.origin,
	                          .wall_ms = log_one.wall_ms,
	                          .agency = log_one.agency};
	struct buffer bytes;
	int result;

	if (!recording)
		return fault_set(why, FAULT_UNAVAILABLE, "없음", "away");
	entry_id_make(id, head.wall_ms);
	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	if (entry_write_note(&bytes, &head, body, why) == -1)
		return -1;
	test_log_append(&log_one, buffer_view(&bytes), id);
	test_log_head(&log_one);
	log_one.wall_ms += 500;
	buffer_free(&bytes);
	buffer_reset(receipt);
	result = stored_receipt(receipt, database, id, why);
	return result;
}

static int
record_archive(void *context, const char *digest, struct buffer *receipt, struct fault *why)
{
	const struct entry_note body = {
	    .action = "archive", .facts = {{"manifest", digest, 0}}, .fact_count = 1};
	struct database *kept = database;
	int result;

	/* The exporter's snapshot would not show it. */
	(void)context;
	if (database_open(&database, cluster.conninfo, why) == -1)
		return -1;
	log_one.database = database;
	result = note(&body, receipt, why);
	database_close(database);
	log_one.database = database = kept;
	return result;
}

static int
record_detach(void *context, const struct archive_facts *facts, struct buffer *receipt, struct fault *why)
{
	const struct entry_note body = {
	    .action = "detach",
	    .facts = {{"entries", NULL, (int64_t)facts->entries},
	              {"first", NULL, (int64_t)facts->first},
	              {"last", NULL, (int64_t)facts->last},
	              {"log", facts->log, 0},
	              {"manifest", facts->manifest, 0},
	              {"month", facts->month, 0},
	              {"runs", facts->runs, 0}},
	    .fact_count = 7
        };

	(void)context;
	return note(&body, receipt, why);
}

static const char *
place(const char *name)
{
	static char path[4][256];
	static unsigned next;

	snprintf(path[next % 4], sizeof path[0], "%s/%s", folder, name);
	return path[next++ % 4];
}

static int
archive(const char *name, const char *month, struct fault *why)
{
	struct export_options options = {.kind = MANIFEST_ARCHIVE,
	                                 .directory = place(name),
	                                 .key_file = key_file,
	                                 .record = record_archive};
	struct export_result made;

	if (archive_month(&options.filter, month, clock_wall_ms(), why) == -1)
		return -1;
	return export_run(&made, database, &options, why);
}

/* The same month under another report key, which the log never recorded; and the head of another log under this one's name. */
static void
resigned(struct fault *why)
{
	char other_key[96];
	struct export_options options = {
	    .kind = MANIFEST_ARCHIVE, .directory = place("resigned"), .key_file = other_key};
	struct export_result made;
	struct test_log other;

	snprintf(other_key, sizeof other_key, "%s/other.key", folder);
	if (archive_month(&options.filter, "2026-03", clock_wall_ms(), why) == -1 ||
	    export_run(&made, database, &options, why) == -1)
		fail_msg("%s", why->en);
	test_log_init(&other, NULL, "bada", 3000);
	for (unsigned n = 0; n < 700; n++)
		test_log_request(&other, n);
	test_log_head(&other);
	if (file_replace(place("other-checkpoint"), buffer_view(&other.note), 0644, why) == -1)
		fail_msg("%s", why->en);
	test_log_free(&other);
}

static int
detach(const char *name, struct archive_result *result, struct fault *why)
{
	const struct archive_options options = {.database = database,
	                                        .directory = place(name),
	                                        .place = place(name),
	                                        .keyring = &keyring,
	                                        .record = record_detach};

	arena_reset(arena);
	return archive_detach(result, &options, arena, why);
}

static struct verify_report
verify(const char *archive_name, bool outside_keys)
{
	const char *const path = archive_name == NULL ? "" : place(archive_name);
	const struct verify_options options = {.keyring = outside_keys ? &keyring : NULL,
	                                       .archives = &path,
	                                       .archive_count = archive_name != NULL};
	struct verify_report report;
	struct fault why;

	if (verify_database(&report, cluster.conninfo, &options, &why) == -1)
		fail_msg("verify: %s", why.en);
	return report;
}

static void
holds(const char *archive_name)
{
	const struct verify_report report = verify(archive_name, true);

	if (report.broken)
		fail_msg("a false alarm: %s", report.first.what.en);
	assert_int_equal(report.entries + report.detached, log_one.frontier.size);
}

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	strcpy(folder, "/tmp/haechi-archive-XXXXXX");
	if (mkdtemp(folder) == NULL || cluster_start(&cluster, &why) == -1 ||
	    database_open(&database, cluster.conninfo, &why) == -1) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	snprintf(key_file, sizeof key_file, "%s/report.key", folder);
	arena = arena_new(1 << 22);
	test_log_init(&log_one, database, "haneul", 4000);
	if (keyring_add(&keyring, buffer_view(&log_one.vkeys), &why) == -1)
		return -1;
	run("SELECT haechi.month_ensure('2026-04-02Z'), haechi.month_ensure('2026-05-02Z'); BEGIN");
	for (unsigned n = 0; log_one.frontier.size < 600; n++) {
		test_log_request(&log_one, n);
		if (n % 50 == 0)
			test_log_head(&log_one);
	}
	/* Requests of one moment come in any order: the end of the month is frayed. */
	for (unsigned n = 0; n < 12; n++) {
		log_one.wall_ms = APRIL_MS + (n % 3 == 0 ? 10 : -5000);
		test_log_request(&log_one, 1000 + n);
	}
	log_one.wall_ms = APRIL_MS + 60000;
	for (unsigned n = 0; log_one.frontier.size < 1500; n++)
		test_log_request(&log_one, 2000 + n);
	test_log_head(&log_one);
	snprintf(inside, sizeof inside, "%s", log_one.ids[100]);
	snprintf(outside, sizeof outside, "%s", log_one.ids[1400]);
	run("INSERT INTO haechi.content SELECT log_id, id, 'prompt', wall, agency, bytes FROM haechi.entry "
	    "WHERE kind = 'decision' AND index % 7 = 0; COMMIT; SET session_replication_role = replica");
	march = (uint64_t)number("SELECT count(*) FROM haechi.entry_202603");
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	database_close(database);
	test_log_free(&log_one);
	arena_free(arena);
	cluster_stop(&cluster);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void
refused(const char *name, enum fault_kind kind, const char *says)
{
	struct archive_result result;
	struct fault why;

	if (detach(name, &result, &why) == 0)
		fail_msg("%s: detached", name);
	if (why.kind != kind || strstr(why.en, says) == NULL)
		fail_msg("%s: %d %s", name, (int)why.kind, why.en);
	assert_int_equal(number("SELECT count(*) FROM haechi.entry WHERE wall < '2026-04-01Z'"), march);
}

static void
change(const char *name, const char *copy, const char *command)
{
	char line[600];

	snprintf(line, sizeof line, "rm -rf '%s/%s' && cp -r '%s/%s' '%s/%s' && cd '%s/%s' && %s", folder,
	         copy, folder, name, folder, copy, folder, copy, command);
	if (system(line) != 0)
		fail_msg("%s", line);
}

static void
what_cannot_go_stays(void **state)
{
	struct fault why;
	struct filter filter;

	(void)state;
	assert_int_equal(archive_month(&filter, "2026-13", clock_wall_ms(), &why), -1);
	assert_int_equal(archive_month(&filter, "2099-01", clock_wall_ms(), &why), -1);
	assert_int_equal(archive_month(&filter, "2026-3", clock_wall_ms(), &why), -1);
	resigned(&why);
	if (archive("march", "2026-03", &why) == -1 || archive("april", "2026-04", &why) == -1)
		fail_msg("%s", why.en);
	holds(NULL);
	holds("march"); /* nothing detached: the archive is of this history */
	refused("april", FAULT_CONFLICT,
	        "another number"); /* the log recorded it: an entry of April itself */
	change("march", "unrecorded", "rm manifest.receipt");
	refused("unrecorded", FAULT_CONFLICT, "did not record");
	change("march", "bent", "sed -i '50s/haneul/haneuI/' logs/1/entries.jsonl");
	refused("bent", FAULT_TAMPERED, "entries.jsonl");
	change("march", "emptied", "rm logs/1/contents");
	refused("emptied", FAULT_CONFLICT, "gone");
	recording = false;
	refused("march", FAULT_UNAVAILABLE, "away");
	recording = true;
	run("CREATE SCHEMA aside; CREATE TABLE aside.t AS TABLE haechi.tile; UPDATE haechi.tile SET hashes = "
	    "overlay(hashes placing '\\x00' from 7) WHERE level = 0 AND number = 1");
	refused("march", FAULT_TAMPERED, "stored leaf hash");
	run("TRUNCATE haechi.tile; INSERT INTO haechi.tile SELECT * FROM aside.t WHERE level <> 0 OR number "
	    "<> 1");
	refused("march", FAULT_CONFLICT, "tiles of this month");
	run("TRUNCATE haechi.tile; INSERT INTO haechi.tile TABLE aside.t; DROP SCHEMA aside CASCADE");
	run("INSERT INTO haechi.content SELECT log_id, id, 'answer', wall, agency, bytes FROM haechi.entry "
	    "WHERE index = 8");
	refused("march", FAULT_CONFLICT, "sealed content that is not in the archive");
	run("DELETE FROM haechi.content WHERE part = 'answer'");
	run("CREATE SCHEMA aside; CREATE TABLE aside.e AS SELECT * FROM haechi.entry WHERE index = 30; "
	    "DELETE FROM "
	    "haechi.entry WHERE index = 30");
	{
		struct archive_result result;

		assert_int_equal(detach("march", &result, &why), -1);
		assert_int_equal(why.kind, FAULT_CONFLICT);
	}
	run("INSERT INTO haechi.entry TABLE aside.e; DROP SCHEMA aside CASCADE");
	holds(NULL);
}

static void
receipt_of(const char *id, const char *const *folders, size_t count)
{
	struct stored_log found;
	struct receipt *receipt = malloc(sizeof *receipt);
	struct buffer bytes, text;
	struct fault why;
	uint64_t index;

	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	buffer_init(&text, RECEIPT_LIMIT);
	if (archive_entry(&bytes, &found, &index, database, id, folders, count, &why) == -1 ||
	    stored_receipt_of(&text, database, &found, index, buffer_view(&bytes), &why) == -1)
		fail_msg("%s", why.en);
	arena_reset(arena);
	if (receipt_check(receipt, buffer_view(&text), &keyring, arena, &why) == -1)
		fail_msg("%s", why.en);
	assert_true(slice_is(receipt->columns.id, id));
	buffer_free(&bytes);
	buffer_free(&text);
	free(receipt);
}

static void
a_month_goes_and_everything_proves(void **state)
{
	const char *folders[1] = {place("march")};
	struct stored_log found;
	struct archive_result result;
	struct verify_report report;
	struct archive *list;
	struct buffer bytes;
	struct fault why;
	uint64_t index;
	size_t count;

	(void)state;
	if (detach("march", &result, &why) == -1)
		fail_msg("%s", why.en);
	assert_string_equal(result.month, "2026-03");
	assert_int_equal(result.entries, march);
	assert_true(result.contents > 20);
	assert_int_equal(number("SELECT count(*) FROM haechi.entry WHERE wall < '2026-04-01Z'"), 0);
	assert_int_equal(number("SELECT count(*) FROM haechi.content WHERE wall < '2026-04-01Z'"), 0);
	assert_true(number("SELECT count(*) FROM haechi.archive_sealed") >= (int64_t)result.contents);
	report = verify(NULL, true);
	assert_false(report.broken);
	assert_int_equal(report.detached, march);
	assert_int_equal(report.unseen, march);
	report = verify("march", true);
	assert_false(report.broken);
	assert_int_equal(report.unseen, 0);
	assert_int_equal(report.archives, 1);
	report = verify("march", false); /* by the database's own keys */
	assert_false(report.broken);
	holds("april");

	receipt_of(inside, NULL, 0);
	receipt_of(inside, folders, 1);
	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	assert_int_equal(archive_entry(&bytes, &found, &index, database,
	                               "019c9b4e-a1c0-7d3f-8a52-3f1e9b0c7d61", folders, 1, &why),
	                 -1);
	assert_int_equal(why.kind, FAULT_NOT_FOUND);
	if (stored_receipt(&bytes, database, outside, &why) == -1)
		fail_msg("%s", why.en);
	buffer_free(&bytes);
	arena_reset(arena);
	assert_int_equal(archive_list(&list, &count, database, true, arena, &why), 0);
	assert_int_equal(count, 1);
	assert_true(list[0].run_count > 3); /* the frayed end */
	assert_string_equal(list[0].month, "2026-03");
	/* Twice the same: there is nothing left to detach. */
	assert_int_equal(detach("march", &result, &why), -1);
	/* The log goes on. */
	for (unsigned n = 0; n < 20; n++)
		test_log_request(&log_one, 5000 + n);
	test_log_head(&log_one);
	holds("march");
}

struct rows {
	struct buffer text;
	size_t count;
};

static bool
write_down(void *context, const struct query_row *row)
{
	struct rows *rows = context;

	buffer_printf(&rows->text, "%s %" PRIu64 " %" PRId64 " %s %s %s %s %s %s %s %s %s %s %s %s %.*s\n",
	              row->origin, row->index, row->wall_ms, row->id, row->kind, row->agency, row->service,
	              row->key_id, row->request_id, row->of, row->usecase, row->verdict, row->access,
	              row->domain, row->also, SLICE_PRINT(row->bytes));
	rows->count++;
	return true;
}

/* What was asked of the database while it had the month, asked of the archive: the same rows in the same order. */
static void
an_archive_answers_as_the_database_did(void **state)
{
	static const struct filter filters[] = {
	    {0	                },
	    {.decision = "deny"       },
	    {.usecase = "minwon-guide", .kind = "outcome"},
	    {.domain = "education"                        },
	    {.request_id = "req-000033"},
	    {.has_from = true,                         .from_ms = 1772450000000, .has_to = true, .to_ms = 1772455000000},
	    {.agency = "nobody"},
	};
	const char *const folders[] = {place("march")}, *const bent[] = {place("bent")};
	struct database *narrow;
	char conninfo[300];
	struct rows stored, filed;
	struct fault why;
	uint64_t count;

	(void)state;
	for (size_t i = 0; i < 4 * sizeof filters / sizeof *filters; i++) {
		const bool ascending = i % 2 == 1;
		const uint64_t limit = i / 2 % 2 == 1 ? 7 : 0;
		struct filter month = filters[i / 4];

		buffer_init(&stored.text, 1 << 24);
		buffer_init(&filed.text, 1 << 24);
		stored.count = filed.count = 0;
		if (!month.has_to || month.to_ms > APRIL_MS)
			month.to_ms = APRIL_MS;
		month.has_to = true;
		if (query_run(database, &month, limit, ascending, write_down, &stored, &count, &why) == -1 ||
		    archive_query(database, folders, 1, i % 3 == 0 ? NULL : &keyring, &filters[i / 4], limit,
		                  ascending, write_down, &filed, &count, &why) == -1)
			fail_msg("%zu: %s", i, why.en);
		assert_int_equal(count, filed.count);
		assert_int_equal(stored.count, filed.count);
		assert_true(buffer_ok(&filed.text) &&
		            slice_equal(buffer_view(&stored.text), buffer_view(&filed.text)));
		assert_true(filed.count > 0 || i / 4 == 6);
		buffer_free(&stored.text);
		buffer_free(&filed.text);
	}
	/* A folder that does not hold answers nothing. */
	buffer_init(&filed.text, 1 << 24);
	filed.count = 0;
	assert_int_equal(
	    archive_query(database, bent, 1, NULL, &filters[0], 0, false, write_down, &filed, &count, &why),
	    -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(filed.count, 0);
	/* Whoever sees another agency in the database sees nothing of this one in a file. */
	run("CREATE ROLE haechi_auditor_login LOGIN IN ROLE haechi_auditor; INSERT INTO haechi.login_scope "
	    "VALUES "
	    "('haechi_auditor_login', 'bada'), ('haechi_auditor_login', 'haneul-west')");
	snprintf(conninfo, sizeof conninfo, "%s user=haechi_auditor_login", cluster.conninfo);
	assert_int_equal(database_open(&narrow, conninfo, &why), 0);
	assert_int_equal(
	    archive_query(narrow, folders, 1, NULL, &filters[0], 0, false, write_down, &filed, &count, &why),
	    0);
	assert_int_equal(filed.count, 0);
	run("INSERT INTO haechi.login_scope VALUES ('haechi_auditor_login', 'haneul')");
	assert_int_equal(
	    archive_query(narrow, folders, 1, NULL, &filters[0], 3, false, write_down, &filed, &count, &why),
	    0);
	assert_int_equal(filed.count, 3);
	database_close(narrow);
	buffer_free(&filed.text);
}

struct lie {
	const char *what, *sql, *says;
};

static void
every_lie_about_it_is_named(void **state)
{
	static const struct lie lies[] = {
	    {"the row removed",	                                 "DELETE FROM haechi.archive",                             "entry 0 is missing"       },
	    {"the row's runs stretched over entries that were deleted",
	     "DELETE FROM haechi.entry WHERE index = 700; UPDATE haechi.archive SET runs = runs || "
	     "'{700,1}', entries = entries + "
	     "1, last = 700",	                                                                                             "not what the log recorded"},
	    {"another manifest",	                                "UPDATE haechi.archive SET manifest = repeat('0', 64)",
	     "not what the log recorded"	                                                                                                             },
	    {"the count",	                                       "UPDATE haechi.archive SET entries = entries - 1",        "not what the log recorded"},
	    {"the month",	                                       "UPDATE haechi.archive SET month = '2026-04-01'",         "not what the log recorded"},
	    {"first",	                                           "UPDATE haechi.archive SET first = 1",                    "not what the log recorded"},
	    {"last",	                                            "UPDATE haechi.archive SET last = last - 1",              "not what the log recorded"},
	    {"a month of which the log recorded nothing",
	     "DELETE FROM haechi.entry WHERE index BETWEEN 900 AND 950; INSERT INTO haechi.archive SELECT "
	     "log_id, repeat('1', 64), "
	     "'2026-04-01', 900, 950, 51, '{900,51}', place, receipt FROM haechi.archive",	                                "not what the log recorded"},
	    {"no receipt",	                                      "UPDATE haechi.archive SET receipt = ''",                 "the receipt"              },
	    {"a byte of the receipt",
	     "UPDATE haechi.archive SET receipt = overlay(receipt placing '\\x41' from 200)",                                     "the receipt"              },
	    {"runs that overlap",	                               "UPDATE haechi.archive SET runs = runs || '{0,5}'",       "not valid"                },
	    {"a leaf hash that stayed",
	     "UPDATE haechi.tile SET hashes = overlay(hashes placing '\\x0000' from 33) WHERE level = 0 AND "
	     "number = 0",	                                                                                                "not"	              },
	    {"the hashes that stayed",                                  "DELETE FROM haechi.tile WHERE level = 0 AND number = 1",
	     "its leaf hash"	                                                                                                                         },
	    {"an entry beside the month deleted",                       "DELETE FROM haechi.entry WHERE index = 800",
	     "entry 800 is missing"	                                                                                                                  },
	    {"a row forged into the month",
	     "SELECT haechi.month_ensure('2026-03-05Z'); INSERT INTO haechi.entry SELECT log_id, 20, "
	     "'2026-03-05Z', id, kind, agency, "
	     "service, subject, key_id, request_id, of, usecase, verdict, access, domain, action, model, "
	     "zone, bytes FROM haechi.entry "
	     "WHERE index = 900",	                                                                                         "column wall"              },
	};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct verify_report report;

		run("CREATE SCHEMA aside; CREATE TABLE aside.e AS TABLE haechi.entry; CREATE TABLE aside.t "
		    "AS TABLE "
		    "haechi.tile; CREATE TABLE aside.a AS TABLE haechi.archive");
		run(lies[i].sql);
		report = verify("march", true);
		run("TRUNCATE haechi.entry, haechi.tile, haechi.archive; INSERT INTO haechi.entry TABLE "
		    "aside.e; INSERT INTO "
		    "haechi.tile TABLE aside.t; INSERT INTO haechi.archive TABLE aside.a; DROP SCHEMA aside "
		    "CASCADE");
		if (!report.broken)
			fail_msg("%s: not seen", lies[i].what);
		if (strstr(report.first.what.en, lies[i].says) == NULL || report.first.what.ko[0] == '\0')
			fail_msg("%s: said '%s'", lies[i].what, report.first.what.en);
	}
	holds("march");
	printf("%zu lies, each named\n", sizeof lies / sizeof *lies);
}

static void
a_changed_archive_is_named(void **state)
{
	static const struct lie changes[] = {
	    {"a digit of an entry",
	     "sed -i '9s/\"monotonic_us\":[0-9]/\"monotonic_us\":9/' logs/1/entries.jsonl",              "entries.jsonl" },
	    {"a line removed",                        "sed -i 9d logs/1/entries.jsonl",                  "entries.jsonl" },
	    {"two entries in the other's place",      "sed -i '9{h;d};10{G}' logs/1/entries.jsonl",
	     "entries.jsonl"	                                                                                     },
	    {"the manifest of another archive",       "cp ../april/manifest .",                          "manifest"      },
	    {"the head of another log",               "cp ../other-checkpoint logs/1/checkpoint",        "checkpoint"    },
	    {"all of it signed again by another key", "rm -rf * && cp -r ../resigned/. .",               "signed again"  },
	    {"the end cut",                           "truncate -s -10 logs/1/entries.jsonl",            "entries.jsonl" },
	    {"sealed content changed",                "sed -i '3s/.\\{8\\}$/AAAAAAAA/' logs/1/contents", "contents"      },
	    {"sealed content removed",                "sed -i 3d logs/1/contents",                       "contents"      },
	    {"the proof",	                     "sed -i '2s/[0-9]$/7/' logs/1/proof",              "proof"         },
	    {"the head",	                      "sed -i '2s/^./9/' logs/1/checkpoint",             "checkpoint"    },
	    {"a file that nobody listed",             "echo x >logs/1/more",                             "does not list" },
	    {"the manifest",                          "sed -i 's/^kind archive/kind export/' manifest",  "manifest"      },
	    {"the month",	                     "sed -i 's/^to 2026-04/to 2026-05/' manifest",     "manifest"      },
	    {"another's receipt",                     "cp ../april/manifest.receipt .",                  "something else"},
	    {"no entries",	                    "rm logs/1/entries.jsonl",                         "missing"       },
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct verify_report report;

		change("march", "changed", changes[i].sql);
		report = verify("changed", true);
		if (!report.broken)
			fail_msg("%s: not seen", changes[i].what);
		if (strstr(report.first.what.en, changes[i].says) == NULL || report.first.what.ko[0] == '\0')
			fail_msg("%s: said '%s'", changes[i].what, report.first.what.en);
	}
	/* What had to be kept no longer may go, and the rest holds. */
	change("march", "changed", "rm logs/1/contents");
	holds("changed");
	printf("%zu changes, each named\n", sizeof changes / sizeof *changes);
}

/* The database of before the detaching, put back beside the archive of now: shown by the archive's own head. */
static void
a_rollback_is_shown_by_an_archive(void **state)
{
	struct verify_report report;

	(void)state;
	run("CREATE SCHEMA aside; CREATE TABLE aside.e AS TABLE haechi.entry; CREATE TABLE aside.t AS TABLE "
	    "haechi.tile; "
	    "CREATE TABLE aside.a AS TABLE haechi.archive; CREATE TABLE aside.c AS TABLE haechi.checkpoint");
	run("DELETE FROM haechi.archive; DELETE FROM haechi.checkpoint WHERE size > 600; DELETE FROM "
	    "haechi.entry; DELETE "
	    "FROM haechi.tile");
	report = verify("march", true);
	assert_true(report.broken);
	run("TRUNCATE haechi.entry, haechi.tile, haechi.archive, haechi.checkpoint; INSERT INTO haechi.entry "
	    "TABLE aside.e; INSERT "
	    "INTO haechi.tile TABLE aside.t; INSERT INTO haechi.archive TABLE aside.a; INSERT INTO "
	    "haechi.checkpoint TABLE aside.c; "
	    "DROP SCHEMA aside CASCADE");
	holds("march");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_cannot_go_stays),
	    cmocka_unit_test(an_archive_answers_as_the_database_did),
	    cmocka_unit_test(a_month_goes_and_everything_proves),
	    cmocka_unit_test(every_lie_about_it_is_named),
	    cmocka_unit_test(a_changed_archive_is_named),
	    cmocka_unit_test(a_rollback_is_shown_by_an_archive),
	};

	if (cluster_missing())
		return 77;
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
