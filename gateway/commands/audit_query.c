#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "audit/query.h"
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

int
audit_query(struct database *database, const struct audit_options *options, bool tail, struct fault *why)
{
	const uint64_t limit = options->has_limit ? options->limit
	                       : tail             ? TAIL_ENTRIES
	                       : options->json    ? 0
	                                          : 100;
	struct table table;
	struct buffer line;
	uint64_t count;
	int result = -1;

	audit_table_init(&table);
	buffer_init(&line, 512 * 1024);
	if (filter_check(&options->filter, why) == -1 ||
	    audit_access_note(database, options, tail ? "tail" : "query", why) == -1)
		goto out;
	if (options->json)
		result = query_run(database, &options->filter, limit, options->ascending, print_json, &line,
		                   &count, why);
	else if ((result = query_run(database, &options->filter, limit, options->ascending, collect, &table,
	                             &count, why)) == 0)
		result = table_print(&table, stdout, why);
	if (result == -1)
		goto out;
	if (!options->json && !tail && !options->has_limit && count == limit)
		fprintf(stderr,
		        "haechi: 처음 %" PRIu64 "건만 보였습니다 (--limit 0 은 모두)\n"
		        "        only the first %" PRIu64 " are shown (--limit 0 for all)\n",
		        limit, limit);
	if (options->follow) {
		fflush(stdout);
		signal(SIGINT, interrupt);
		signal(SIGTERM, interrupt);
		result = query_follow(database, &options->filter, TAIL_EVERY_MS,
		                      options->json ? print_json_now : print_line_now, &line, stop, why);
	}
out:
	table_free(&table);
	buffer_free(&line);
	return result;
}
