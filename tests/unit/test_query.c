/* Pages over many months, some without a table, are the rows that plain SQL gives, in its order: each once, whatever the window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/query.h"
#include "audit/windows.h"
#include "schema/base/clock.h"
#include "tests/evidence.h"

#define DAY_MS INT64_C(86400000)

static struct cluster cluster;
static struct database *database;
static struct test_log first, second;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	if (cluster_start(&cluster, &why) == -1 || database_open(&database, cluster.conninfo, &why) == -1) {
		fprintf(stderr, "%s\n", why.en);
		return -1;
	}
	test_log_init(&first, database, "haneul", 3000);
	test_log_init(&second, database, "bada", 1000);
	first.varied = second.varied = true;
	/* May has no table: its entries are in the default partition. Twenty months in all. */
	if (database_run(database,
	                 "SELECT haechi.month_ensure(moment) FROM generate_series(timestamptz '2026-03-01', "
	                 "'2027-10-01', '1 month') moment WHERE moment <> '2026-05-01'; BEGIN",
	                 &why) == -1)
		return -1;
	for (unsigned n = 0; n < 1000; n++) {
		test_log_request(&first, n);
		if (n % 3 == 0) {
			second.wall_ms = first.wall_ms; /* the same moment in two logs */
			test_log_request(&second, n);
		}
		first.wall_ms += DAY_MS / 2;
	}
	return database_run(database, "COMMIT; ANALYZE haechi.entry", &why);
}

static int
teardown(void **state)
{
	(void)state;
	database_close(database);
	test_log_free(&first);
	test_log_free(&second);
	cluster_stop(&cluster);
	return 0;
}

struct seen {
	char (*ids)[ENTRY_ID_SIZE];
	size_t count, stop;
};

static bool
remember(void *context, const struct query_row *row)
{
	struct seen *seen = context;

	assert_true(seen->count < 4000);
	snprintf(seen->ids[seen->count++], ENTRY_ID_SIZE, "%s", row->id);
	return seen->count != seen->stop;
}

static void
same_as_sql(const struct filter *filter, const char *where, uint64_t limit, bool ascending)
{
	struct seen seen = {.ids = calloc(4000, ENTRY_ID_SIZE)};
	const char *order = ascending ? "" : "DESC";
	struct database_rows *rows = NULL;
	struct fault why;
	uint64_t count;
	char sql[1024];

	snprintf(
	    sql, sizeof sql,
	    "SELECT id FROM haechi.entry WHERE %s ORDER BY wall %s, log_id %s, index %s LIMIT %s%" PRIu64,
	    where, order, order, order, limit == 0 ? "NULL -- " : "", limit);
	if (query_run(database, filter, limit, ascending, remember, &seen, &count, &why) == -1 ||
	    database_ask(&rows, database, sql, 0, NULL, &why) == -1)
		fail_msg("%s: %s", where, why.en);
	assert_int_equal(count, seen.count);
	if (database_count(rows) != seen.count)
		fail_msg("%s, limit %" PRIu64 ": %zu rows, by SQL %zu", where, limit, seen.count,
		         database_count(rows));
	for (size_t i = 0; i < seen.count; i++)
		assert_string_equal(seen.ids[i], database_text(rows, i, 0));
	database_rows_free(rows);
	free(seen.ids);
}

static const struct {
	struct filter filter;
	const char *where;
} asked[] = {
    {{0},                                                                                  "true"                                              },
    {{.agency = "agency-3"},                                                               "agency = 'agency-3'"                               },
    {{.decision = "deny"},                                                                 "access = 'deny'"                                   },
    {{.usecase = "minwon-guide"},                                                          "usecase = 'minwon-guide'"                          },
    {{.usecase = "nobody-has-it"},                                                         "false"                                             },
    {{.agency = "agency-1", .usecase = "draft-helper"},                                    "agency = 'agency-1' AND usecase = 'draft-helper'"  },
    {{.domain = "education"},                                                              "(domain = 'education' OR 'education' = ANY (also))"},
    {{.request_id = "req-000333"},                                                         "request_id = 'req-000333'"                         },
    {{.kind = "review"},                                                                   "kind = 'review'"                                   },
    {{.log = "haechi.bada/node1"},                                                         "log_id = 2"                                        },
    {{.has_from = true, .from_ms = 1777593600000, .has_to = true, .to_ms = 1780272000000},
     "wall >= '2026-05-01Z' AND wall < '2026-06-01Z'"                                                                                          },
    {{.has_from = true, .from_ms = 1798761600000},                                         "wall >= '2027-01-01Z'"                             },
    {{.has_to = true, .to_ms = 1798761600123, .decision = "deny"},
     "wall < '2027-01-01 00:00:00.123Z' AND access = 'deny'"                                                                                   },
};

static void
pages_are_what_sql_gives(void **state)
{
	static const uint64_t limits[] = {0, 1, 100, 999, 1000, 1001};

	(void)state;
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
		for (size_t j = 0; j < sizeof limits / sizeof *limits; j++) {
			same_as_sql(&asked[i].filter, asked[i].where, limits[j], false);
			same_as_sql(&asked[i].filter, asked[i].where, limits[j], true);
		}
}

static void
who_has_enough_stops_it(void **state)
{
	struct seen seen = {.ids = calloc(4000, ENTRY_ID_SIZE), .stop = 5};
	const struct filter everything = {0};
	struct fault why;
	uint64_t count;

	(void)state;
	assert_int_equal(query_run(database, &everything, 0, false, remember, &seen, &count, &why), 0);
	assert_int_equal(count, 5);
	free(seen.ids);
}

/* All of time, once: each window begins where the last one ended. */
static void
windows_leave_nothing_out(void **state)
{
	struct windows *windows = malloc(sizeof *windows);
	const struct filter filters[] = {
	    {0	                },
	    {.has_from = true,          .from_ms = 1790000000000},
	    {.has_from = true,                         .from_ms = 1790000000000, .has_to = true, .to_ms = 1790000000001},
	    {.request_id = "x"},
	};
	struct fault why;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof filters / sizeof *filters; i++) {
		const bool ascending = i % 2 == 1;
		bool open = true; /* towards where it began */
		int64_t edge = 0;
		unsigned count = 0;

		assert_int_equal(windows_open(windows, database, &filters[i / 2], ascending, &why), 0);
		while (windows_next(windows)) {
			assert_true(open || count > 0);
			assert_int_equal(ascending ? windows->has_from : windows->has_to, count > 0);
			if (count++ > 0)
				assert_int_equal(ascending ? windows->from_ms : windows->to_ms, edge);
			open = !(ascending ? windows->has_to : windows->has_from);
			edge = ascending ? windows->to_ms : windows->from_ms;
		}
		assert_true(open);
		assert_in_range(count, 1, 5);
		assert_int_equal(count == 1, i / 2 >= 2);
	}
	free(windows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pages_are_what_sql_gives),
	    cmocka_unit_test(who_has_enough_stops_it),
	    cmocka_unit_test(windows_leave_nothing_out),
	};

	if (cluster_missing())
		return 77;
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
