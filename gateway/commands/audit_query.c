#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "audit/archive_query.h"
#include "audit/report.h"
#include "gateway/commands/audit_options.h"
#include "gateway/commands/audit_print.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

#define TAIL_ENTRIES  20
#define TAIL_EVERY_MS 500

static volatile sig_atomic_t interrupted;

static void
interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static bool
stop(void *context)
{
	(void)context;
	return interrupted != 0;
}

static bool
print_json(void *context, const struct query_row *row)
{
	struct buffer *line = context;

	buffer_reset(line);
	audit_row_json(line, row);
	buffer_byte(line, '\n');
	return buffer_ok(line) && fwrite(line->data, 1, line->size, stdout) == line->size;
}

static bool
print_json_now(void *context, const struct query_row *row)
{
	return print_json(context, row) && fflush(stdout) == 0;
}

static bool
print_csv(void *context, const struct query_row *row)
{
	struct buffer *line = context;

	buffer_reset(line);
	audit_row_csv(line, row);
	return buffer_ok(line) && fwrite(line->data, 1, line->size, stdout) == line->size;
}

static bool
print_csv_now(void *context, const struct query_row *row)
{
	return print_csv(context, row) && fflush(stdout) == 0;
}

static bool
collect(void *context, const struct query_row *row)
{
	struct table *table = context;

	audit_row_table(table, row);
	return !table->failed;
}

/* One line at a time, for following: a table of one row each keeps no widths, so a fixed line. */
static bool
print_line_now(void *context, const struct query_row *row)
{
	(void)context;
	audit_row_line(stdout, row);
	return fflush(stdout) == 0;
}

/* Of the database, or of the archives that were named. */
static int
ask(struct database *database, const struct audit_options *options, uint64_t limit, query_seen *seen,
    void *context, uint64_t *count, struct fault *why)
{
	if (options->archive_count > 0)
		return archive_query(database, options->archives, options->archive_count, options->keyring,
		                     &options->filter, limit, options->ascending, seen, context, count, why);
	return query_run(database, &options->filter, limit, options->ascending, seen, context, count, why);
}

int
audit_query(struct database *database, const struct audit_options *options, bool tail, struct fault *why)
{
	const bool plain = !options->json && !options->csv;
	const uint64_t limit = options->has_limit ? options->limit : tail ? TAIL_ENTRIES : plain ? 100 : 0;
	struct table table;
	struct buffer line;
	uint64_t count;
	int result = -1;

	audit_table_init(&table);
	buffer_init(&line, 512 * 1024);
	if (options->json && options->csv) {
		fault_set(why, FAULT_USAGE, "--json 과 --csv 가운데 하나만", "either --json or --csv");
		goto out;
	}
	if (options->archive_count > 0 && (tail || options->follow)) {
		fault_set(why, FAULT_USAGE, "--archive 는 query 에서만: 보관함에는 새 항목이 오지 않습니다",
		          "--archive is for query: nothing new comes into an archive");
		goto out;
	}
	if (filter_check(&options->filter, why) == -1 ||
	    audit_access_note(database, options, tail ? "tail" : "query", why) == -1)
		goto out;
	if (options->csv) {
		report_csv_head(&line);
		if (!buffer_ok(&line) || fwrite(line.data, 1, line.size, stdout) != line.size) {
			fault_errno(why, "표준 출력", "standard output");
			goto out;
		}
	}
	result = ask(database, options, limit,
	             options->json  ? print_json
	             : options->csv ? print_csv
	                            : collect,
	             plain ? (void *)&table : (void *)&line, &count, why);
	if (result == 0 && plain)
		result = table_print(&table, stdout, why);
	if (result == -1)
		goto out;
	if (plain && !tail && !options->has_limit && count == limit)
		fprintf(stderr,
		        "haechi: 처음 %" PRIu64 "건만 보였습니다 (--limit 0 은 모두)\n"
		        "        only the first %" PRIu64 " are shown (--limit 0 for all)\n",
		        limit, limit);
	if (options->follow) {
		fflush(stdout);
		signal(SIGINT, interrupt);
		signal(SIGTERM, interrupt);
		result = query_follow(database, &options->filter, TAIL_EVERY_MS,
		                      options->json  ? print_json_now
		                      : options->csv ? print_csv_now
		                                     : print_line_now,
		                      &line, stop, why);
	}
out:
	table_free(&table);
	buffer_free(&line);
	return result;
}
