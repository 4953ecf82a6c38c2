/* Exports and reports from a real PostgreSQL prove themselves from the folder alone, and refuse every change and every lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <sys/stat.h>

#include "audit/bundle.h"
#include "audit/export.h"
#include "audit/proof.h"
#include "audit/query.h"
#include "audit/receipt.h"
#include "audit/stored.h"
#include "schema/base/json.h"
#include "tests/evidence.h"

static struct cluster cluster;
static struct database *database;
static struct test_log first, second;
static struct keyring keyring;
static struct arena *arena;
static char folder[64], key_file[80];

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	strcpy(folder, "/tmp/haechi-export-XXXXXX");
	if (mkdtemp(folder) == NULL || cluster_start(&cluster, &why) == -1 ||
	    database_open(&database, cluster.conninfo, &why) == -1) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	snprintf(key_file, sizeof key_file, "%s/report.key", folder);
	arena = arena_new(1 << 22);
	test_log_init(&first, database, "haneul", 2000);
	test_log_init(&second, database, "bada", 400);
	if (database_run(database, "BEGIN", &why) == -1)
		return -1;
	for (unsigned n = 0; first.frontier.size < 700; n++)
		test_log_request(&first, n);
	test_log_head(&first);
	second.tiles = false; /* a log whose tiles were never shipped is proven all the same */
	for (unsigned n = 0; second.frontier.size < 300; n++)
		test_log_request(&second, n);
	test_log_head(&second);
	if (database_run(database, "COMMIT", &why) == -1 ||
	    keyring_add(&keyring, buffer_view(&first.vkeys), &why) == -1 ||
	    keyring_add(&keyring, buffer_view(&second.vkeys), &why) == -1)
		return -1;
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	database_close(database);
	test_log_free(&first);
	test_log_free(&second);
	arena_free(arena);
	cluster_stop(&cluster);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static const char *
place(const char *name)
{
	static char path[4][256];
	static unsigned next;

	snprintf(path[next % 4], sizeof path[0], "%s/%s", folder, name);
	return path[next++ % 4];
}

static void
make(const char *name, enum manifest_kind kind, const struct filter *filter, struct export_result *result)
{
	struct export_options options = {
	    .kind = kind, .filter = *filter, .directory = place(name), .key_file = key_file};
	struct fault why;

	if (export_run(result, database, &options, &why) == -1)
		fail_msg("%s: %s", name, why.en);
}

static struct bundle_report *
check(const char *name, const struct keyring *keys, struct fault *why)
{
	static struct bundle_report report;

	arena_reset(arena);
	return bundle_check(&report, place(name), keys, arena, why) == 0 ? &report : NULL;
}

static const struct filter middle = {
    .has_from = true, .has_to = true, .from_ms = 1772442000000 + 1800000, .to_ms = 1772442000000 + 7200000};

static void
a_report_proves_itself(void **state)
{
	struct bundle_report *report;
	struct export_result made;
	struct fault why;
	json_t *figures;

	(void)state;
	make("report", MANIFEST_REPORT, &middle, &made);
	assert_true(made.entries > 100 && made.entries < 900);
	assert_int_equal(made.logs, 2);
	if ((report = check("report", &keyring, &why)) == NULL)
		fail_msg("%s", why.en);
	assert_int_equal(report->entries, made.entries);
	assert_true(report->rendered && report->outside_keys && !report->signer_known && !report->recorded);
	for (size_t i = 0; i < 2; i++) {
		assert_true(report->logs[i].left_edge && report->logs[i].right_edge);
		assert_int_equal(report->logs[i].selection.left_out, 0);
	}
	/* The figures, counted by the database. */
	figures = json_read_file(place("report/report.json"), 1 << 20, &why);
	assert_non_null(figures);
	{
		struct database_rows *rows = NULL;
		const json_t *decisions = json_object_get(figures, "decisions");

		assert_int_equal(
		    database_ask(
		        &rows, database,
		        "SELECT count(*) FILTER (WHERE kind = 'decision'), count(*) FILTER (WHERE kind = "
		        "'decision' AND access = 'deny'), count(*) FILTER (WHERE kind = 'review'), count(*) "
		        "FROM "
		        "haechi.entry WHERE wall >= to_timestamp(1772443800) AND wall < "
		        "to_timestamp(1772449200)",
		        0, NULL, &why),
		    0);
		assert_int_equal(json_get_integer(decisions, "total", -1), database_integer(rows, 0, 0));
		assert_int_equal(json_get_integer(decisions, "deny", -1), database_integer(rows, 0, 1));
		assert_int_equal(json_get_integer(json_object_get(figures, "reviews"), "total", -1),
		                 database_integer(rows, 0, 2));
		assert_int_equal(json_get_integer(json_object_get(figures, "entries"), "total", -1),
		                 database_integer(rows, 0, 3));
		database_rows_free(rows);
	}
	json_decref(figures);
}

/* By its own keys it holds too, and by a stranger's not. */
static void
keys_matter(void **state)
{
	struct bundle_report *report;
	struct keyring strange = {0};
	struct test_log stranger;
	struct fault why;

	(void)state;
	assert_non_null(report = check("report", NULL, &why));
	assert_false(report->outside_keys);
	test_log_init(&stranger, NULL, "haneul", 1);
	assert_int_equal(keyring_add(&strange, buffer_view(&stranger.vkeys), &why), 0);
	assert_null(check("report", &strange, &why));
	test_log_free(&stranger);
}

static void
change_and_check(const char *file, unsigned how)
{
	struct fault why;
	struct buffer bytes;
	char path[300], command[700];
	size_t at;

	snprintf(command, sizeof command, "rm -rf '%s' && cp -R '%s' '%s'", place("changed"), place("report"),
	         place("changed"));
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof path, "%s/changed/%s", folder, file);
	assert_int_equal(file_read(&bytes, path, 1 << 24, &why), 0);
	at = bytes.size * (1 + how) / 8;
	switch (how) {
	default: /* a bit, somewhere */
		bytes.data[at] ^= 1;
		break;
	case 5: /* cut short */
		bytes.size -= bytes.size / 3;
		break;
	case 6: /* a line twice, or longer */
		for (size_t i = bytes.size / 2, end = bytes.size; i < end * 3 / 4; i++)
			buffer_byte(&bytes, bytes.data[i]);
		break;
	case 7:
		bytes.size = 0;
		break;
	case 8:
		assert_int_equal(unlink(path), 0);
		break;
	}
	if (how != 8)
		assert_int_equal(file_replace(path, buffer_view(&bytes), 0644, &why), 0);
	if (check("changed", &keyring, &why) != NULL)
		fail_msg("%s changed in way %u: not seen", file, how);
	if (why.ko[0] == '\0' || why.en[0] == '\0')
		fail_msg("%s changed in way %u: said nothing", file, how);
	buffer_free(&bytes);
}

static void
every_change_of_every_file_is_named(void **state)
{
	static const char *const files[] = {"manifest",
	                                    "keys",
	                                    "entries.csv",
	                                    "report.json",
	                                    "report.html",
	                                    "logs/1/entries.jsonl",
	                                    "logs/1/proof",
	                                    "logs/1/checkpoint",
	                                    "logs/2/entries.jsonl",
	                                    "logs/2/proof",
	                                    "logs/2/checkpoint"};
	struct fault why;
	char command[700];

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		for (unsigned how = 0; how < 9; how++)
			change_and_check(files[i], how);
	/* A file nobody listed, a link instead of a file. */
	snprintf(command, sizeof command, "rm -rf '%s'; cp -R '%s' '%s'; echo x >'%s'", place("changed"),
	         place("report"), place("changed"), place("changed/notes.txt"));
	assert_int_equal(system(command), 0);
	assert_null(check("changed", &keyring, &why));
	snprintf(command, sizeof command, "rm -rf '%s'; cp -R '%s' '%s'; ln -sf '%s' '%s'", place("changed"),
	         place("report"), place("changed"), place("report/report.html"),
	         place("changed/report.html"));
	assert_int_equal(system(command), 0);
	assert_null(check("changed", &keyring, &why));
}

/* Whoever holds a report key can sign what he likes; what the logs did not sign he cannot make. */
static void
lies_under_a_good_manifest_are_seen(void **state)
{
	static const struct {
		const char *what, *python;
	} lies[] = {
	    {"a longer time",                  "t = t.replace('to 2026-03-02T11', 'to 2026-03-02T12')"                   },
	    {"a shorter time",                 "t = t.replace('to 2026-03-02T11', 'to 2026-03-02T10')"                   },
	    {"another agency",                 "t = t.replace('origin 1', 'agency haneul\\norigin 1')"                   },
	    {"a figure",                       "edit('report.json', b'\"deny\":', b'\"deny\":1')"                        },
	    {"a sentence of the page",         "edit('report.html', '증적'.encode(), '증거'.encode())"               },
	    {"a cell",	                 "edit('entries.csv', b'permit', b'redact')"                               },
	    {"an entry",                       "edit('logs/1/entries.jsonl', b'\"decide_us\":180', b'\"decide_us\":181')"},
	    {"an entry left out",              "drop('logs/1/entries.jsonl', 5)"                                         },
	    {"an entry left out, and said so", "drop('logs/1/entries.jsonl', 5); split_run()"                            },
	    {"the other log left out",         "t = '\\n'.join(l for l in t.split('\\n') if 'logs/2' not in l and "
	                               "'origin 2' not in l); rmtree('logs/2')"    },
	    {"an older head",                  "edit('logs/1/checkpoint', b'\\n700\\n', b'\\n600\\n')"                   },
	};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct buffer text, note;
		struct note_key key;
		struct fault why;
		FILE *script;
		char command[1400];

		snprintf(command, sizeof command, "rm -rf '%s'; cp -R '%s' '%s'", place("changed"),
		         place("report"), place("changed"));
		assert_int_equal(system(command), 0);
		snprintf(command, sizeof command, "python3 - '%s'", place("changed"));
		script = popen(command, "w");
		fprintf(script,
		        "import sys, re, hashlib, shutil\n"
		        "d = sys.argv[1]\n"
		        "t = open(d + '/manifest').read().rsplit('\\n\\n', 1)[0] + '\\n'\n"
		        "def put(name, b):\n"
		        "    open(d + '/' + name, 'wb').write(b)\n"
		        "def edit(name, a, b):\n"
		        "    old = open(d + '/' + name, 'rb').read(); new = old.replace(a, b, 1); assert old "
		        "!= new; put(name, new)\n"
		        "def drop(name, n):\n"
		        "    lines = open(d + '/' + name, 'rb').read().split(b'\\n'); del lines[n]; "
		        "put(name, b'\\n'.join(lines))\n"
		        "def split_run():\n"
		        "    p = open(d + '/logs/1/proof').read(); m = re.search(r'run (\\d+) (\\d+)', p)\n"
		        "    a, n = int(m[1]), int(m[2])\n"
		        "    put('logs/1/proof', p.replace(m[0], 'run %%d 5' %% a).replace('end', 'run %%d "
		        "%%d\\nend' %% (a + 6, n - 6)).encode())\n"
		        "def rmtree(name):\n"
		        "    shutil.rmtree(d + '/' + name)\n"
		        "%s\n"
		        "def relist(m):\n"
		        "    b = open(d + '/' + m[3], 'rb').read(); return 'file %%s %%d %%s' %% "
		        "(hashlib.sha256(b).hexdigest(), len(b), m[3])\n"
		        "t = re.sub(r'file (\\S+) (\\S+) (\\S+)', relist, t)\n"
		        "open(d + '/text', 'w').write(t)\n",
		        lies[i].python);
		assert_int_equal(pclose(script), 0);
		assert_int_equal(file_read(&text, place("changed/text"), 1 << 20, &why), 0);
		assert_int_equal(unlink(place("changed/text")), 0);
		buffer_init(&note, MANIFEST_LIMIT);
		assert_int_equal(report_key_sign(&note, &key, key_file, buffer_view(&text), &why), 0);
		assert_int_equal(file_replace(place("changed/manifest"), buffer_view(&note), 0644, &why), 0);
		if (strcmp(lies[i].what, "the other log left out") == 0 ||
		    strcmp(lies[i].what, "a longer time") == 0) {
			/* Figures and page are made from what is there; so they give it away. */
			assert_null(check("changed", &keyring, &why));
			assert_non_null(strstr(why.en, "differs from what the entries give"));
		} else if (check("changed", &keyring, &why) != NULL) {
			fail_msg("%s: believed", lies[i].what);
		}
		buffer_free(&text);
		buffer_free(&note);
	}
}

static void
selections_by_filter_hold(void **state)
{
	static const struct filter filters[] = {
	    {.decision = "deny"           },
	    {.agency = "haneul"           },
	    {.agency = "nobody"           },
	    {.kind = "review",              .log = "haechi.bada/node1"},
	    {.usecase = "minwon-guide",                             .verdict = "NOT_HIGH_IMPACT"},
	    {.domain = "education"},
	    {.has_to = true,         .to_ms = 0},
	    {.has_from = true,                .from_ms = 4000000000000},
	    {.request_id = "req-000003"                            },
	    {0},
	};
	char name[32];

	(void)state;
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
		struct bundle_report *report;
		struct export_result made;
		struct fault why;

		snprintf(name, sizeof name, "selection-%zu", i);
		make(name, MANIFEST_EXPORT, &filters[i], &made);
		if ((report = check(name, &keyring, &why)) == NULL)
			fail_msg("filter %zu: %s", i, why.en);
		assert_int_equal(report->entries, made.entries);
		assert_int_equal(made.entries > 0, i != 2 && i != 6 && i != 7);
		if (i >= 6 && i != 8)
			for (size_t log = 0; log < report->log_count; log++)
				assert_true(report->logs[log].left_edge && report->logs[log].right_edge);
	}
}

/* ---- the log itself records the export ------------------------------------------------------------------------------- */

static int
record(void *context, const char *digest, struct buffer *receipt, struct fault *why)
{
	struct test_log *log = context;
	const struct entry_note body = {
	    .action = "report", .facts = {{"manifest", digest, 0}}, .fact_count = 1};
	char id[ENTRY_ID_SIZE];
	const struct entry_head head = {
	    .kind = ENTRY_EXPORT, .id = id, .log = log->origin, .wall_ms = log->wall_ms};
	struct database *other = NULL, *own = log->database;
	struct buffer bytes;
	int result;

	/* As the daemon does: on a connection of its own, while the exporter's snapshot stays as it is. */
	if (database_open(&other, cluster.conninfo, why) == -1)
		return -1;
	log->database = other;
	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	entry_id_make(id, log->wall_ms);
	if (entry_write_note(&bytes, &head, &body, why) == -1)
		return -1;
	test_log_append(log, buffer_view(&bytes), id);
	test_log_head(log);
	result = stored_receipt(receipt, other, id, why);
	buffer_free(&bytes);
	log->database = own;
	database_close(other);
	return result;
}

static void
a_recorded_export_says_so(void **state)
{
	const struct export_options options = {.kind = MANIFEST_REPORT,
	                                       .filter = middle,
	                                       .directory = place("recorded"),
	                                       .key_file = key_file,
	                                       .record = record,
	                                       .context = &first};
	struct bundle_report *report;
	struct export_result made;
	struct fault why;
	char command[700];

	(void)state;
	if (export_run(&made, database, &options, &why) == -1)
		fail_msg("%s", why.en);
	assert_true(made.recorded);
	if ((report = check("recorded", &keyring, &why)) == NULL)
		fail_msg("%s", why.en);
	assert_true(report->recorded);
	/* The record of one export does not vouch for another. */
	snprintf(command, sizeof command, "cp '%s' '%s'", place("recorded/manifest.receipt"),
	         place("report/manifest.receipt"));
	assert_int_equal(system(command), 0);
	assert_null(check("report", &keyring, &why));
	assert_non_null(strstr(why.en, "something else"));
	assert_int_equal(unlink(place("report/manifest.receipt")), 0);
}

/* ---- receipts and queries from the same database ---------------------------------------------------------------------- */

static void
receipts_of_any_entry_hold(void **state)
{
	static const uint64_t indices[] = {0, 1, 255, 256, 257, 511, 512, 640, 699};
	struct receipt receipt;
	struct buffer text;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
		for (unsigned which = 0; which < 2; which++) {
			const struct test_log *log = which == 0 ? &first : &second;
			const uint64_t index = indices[i] % log->frontier.size;

			arena_reset(arena);
			buffer_init(&text, RECEIPT_LIMIT);
			if (stored_receipt(&text, database, log->ids[index], &why) == -1 ||
			    receipt_check(&receipt, buffer_view(&text), &keyring, arena, &why) == -1)
				fail_msg("%s %d: %s", log->origin, (int)index, why.en);
			assert_int_equal(receipt.index, index);
			buffer_free(&text);
		}
	}
	buffer_init(&text, RECEIPT_LIMIT);
	assert_int_equal(stored_receipt(&text, database, "no such entry", &why), -1);
	assert_int_equal(why.kind, FAULT_NOT_FOUND);
	buffer_free(&text);
}

static void
consistency_from_stored_tiles_holds(void **state)
{
	struct stored_tree *tree;
	struct tree_reader reader;
	struct tree_hash newer, older;
	struct proof proof;
	struct fault why;

	(void)state;
	assert_int_equal(stored_tree_open(&tree, database, first.log_id, 700, &why), 0);
	reader = stored_tree_reader(tree);
	for (uint64_t size = 1; size <= 700; size += 37) {
		struct tree_frontier frontier = {0};

		for (uint64_t i = 0; i < 700; i++) {
			tree_frontier_add(&frontier, &first.leaves[i], NULL, NULL);
			if (i + 1 == size)
				tree_frontier_root(&older, &frontier);
		}
		tree_frontier_root(&newer, &frontier);
		assert_int_equal(proof_consistency(&proof, &reader, size, 700, &why), 0);
		assert_int_equal(proof_check_consistency(&proof, size, &older, 700, &newer, &why), 0);
	}
	stored_tree_close(tree);
}

struct seen {
	uint64_t count, stop_at;
	int64_t last_ms;
	uint64_t last_index;
	int64_t last_log;
	bool disorder;
};

static bool
look(void *context, const struct query_row *row)
{
	struct seen *seen = context;

	if (seen->count++ > 0 && (row->wall_ms > seen->last_ms ||
	                          (row->wall_ms == seen->last_ms && row->log_id == seen->last_log &&
	                           row->index >= seen->last_index)))
		seen->disorder = true;
	seen->last_ms = row->wall_ms;
	seen->last_index = row->index;
	seen->last_log = row->log_id;
	return seen->count != seen->stop_at;
}

static void
pages_neither_skip_nor_repeat(void **state)
{
	struct filter filter = {.log = "haechi.haneul/node1"};
	struct seen seen = {0};
	uint64_t count;
	struct fault why;

	(void)state;
	/* More entries of one millisecond than a page has rows: the place in the page must not hang on the time alone. */
	assert_int_equal(
	    database_run(database,
	                 "BEGIN; INSERT INTO haechi.entry SELECT log_id, 10000 + n, '2026-03-20Z', 'x' || n, "
	                 "kind, agency, "
	                 "service, subject, key_id, request_id, of, usecase, verdict, access, domain, "
	                 "action, model, zone, "
	                 "bytes FROM haechi.entry, generate_series(1, 2500) n WHERE log_id = 1 AND index = 0",
	                 &why),
	    0);
	if (query_run(database, &filter, 0, false, look, &seen, &count, &why) == -1)
		fail_msg("%s", why.en);
	assert_int_equal(count, first.frontier.size + 2500);
	assert_false(seen.disorder);
	seen = (struct seen){.stop_at = 1700};
	assert_int_equal(query_run(database, &filter, 0, false, look, &seen, &count, &why), 0);
	assert_int_equal(count, 1700);
	assert_int_equal(query_run(database, &filter, 17, true, look, &seen, &count, &why), 0);
	assert_int_equal(count, 17);
	filter.verdict = "MAYBE";
	assert_int_equal(query_run(database, &filter, 1, false, look, &seen, &count, &why), -1);
	assert_int_equal(why.kind, FAULT_USAGE);
	filter = (struct filter){.agency = "x' OR true --"};
	assert_int_equal(query_run(database, &filter, 0, false, look, &seen, &count, &why), 0);
	assert_int_equal(count, 0);
	assert_int_equal(database_run(database, "ROLLBACK", &why), 0);
}

/* An entry of two domains is found by each, once, and in its place among the others. */
static void
every_domain_finds_its_entries(void **state)
{
	const struct {
		const char *domain, *sql;
	} domains[] = {
	    {"education", "SELECT count(*) FROM haechi.entry WHERE bytes::text LIKE '%' || "
             "encode('\"education\"]', 'hex') || '%'"},
	    {"public_service", "SELECT count(*) FROM haechi.entry WHERE domain = 'public_service'"},
	    {"energy",         "SELECT 0::bigint"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
		const struct filter filter = {.domain = domains[i].domain};
		struct database_rows *rows = NULL;
		struct seen seen = {0};
		uint64_t count, few;
		struct fault why;

		if (query_run(database, &filter, 0, false, look, &seen, &count, &why) == -1 ||
		    database_ask(&rows, database, domains[i].sql, 0, NULL, &why) == -1)
			fail_msg("%s", why.en);
		assert_int_equal(count, database_integer(rows, 0, 0));
		assert_int_equal(count > 0, i < 2);
		assert_false(seen.disorder);
		assert_int_equal(query_run(database, &filter, 3, true, look, &seen, &few, &why), 0);
		assert_int_equal(few, count < 3 ? count : 3);
		database_rows_free(rows);
	}
}

static void
every_read_leaves_a_trace(void **state)
{
	struct database_rows *rows = NULL;
	struct fault why;

	(void)state;
	assert_int_equal(
	    database_ask(&rows, database,
	                 "SELECT count(*) FILTER (WHERE action = 'report' AND about LIKE 'from=%'), "
	                 "count(*) FILTER (WHERE action = 'export') FROM haechi.access WHERE login = "
	                 "'haechi_admin' AND place = 'local'",
	                 0, NULL, &why),
	    0);
	assert_true(database_integer(rows, 0, 0) >= 2);
	assert_true(database_integer(rows, 0, 1) >= 10);
	database_rows_free(rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_report_proves_itself),
	    cmocka_unit_test(keys_matter),
	    cmocka_unit_test(every_change_of_every_file_is_named),
	    cmocka_unit_test(lies_under_a_good_manifest_are_seen),
	    cmocka_unit_test(selections_by_filter_hold),
	    cmocka_unit_test(a_recorded_export_says_so),
	    cmocka_unit_test(receipts_of_any_entry_hold),
	    cmocka_unit_test(consistency_from_stored_tiles_holds),
	    cmocka_unit_test(pages_neither_skip_nor_repeat),
	    cmocka_unit_test(every_domain_finds_its_entries),
	    cmocka_unit_test(every_read_leaves_a_trace),
	};

	if (cluster_missing())
		return 77;
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
