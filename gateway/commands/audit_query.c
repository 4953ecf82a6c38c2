#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "audit/archive_query.h"
#include "audit/report.h"
#include "gateway/commands/audit_open.h"
#include "gateway/commands/audit_options.h"
#include "gateway/commands/audit_print.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "schema/base/json.h"

#define TAIL_ENTRIES   20
#define TAIL_EVERY_MS  500
#define OPENED_ENTRIES 20

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

/* ---- with what was sealed ------------------------------------------------------------------------------------------ */

struct opening {
	const struct audit_options *options;
	struct buffer line;
	struct fault why;
	bool failed;   /* why */
	bool tampered; /* something that is stored does not fit its entry: told in its place */
};

/* Whether the kind of entry may have sealed content at all. */
static bool
may_be_sealed(const struct query_row *row)
{
	return strcmp(row->kind, "decision") == 0 || strcmp(row->kind, "outcome") == 0 ||
	       strcmp(row->kind, "review") == 0;
}

/* The content as a member of the entry's object: null where nothing is sealed, or no longer. */
static void
content_json(struct buffer *out, const struct audit_opened *opened, const struct fault *why)
{
	out->size--; /* the object's '}' */
	if (opened != NULL) {
		buffer_printf(out, ",\"content\":{\"part\":\"%s\",\"access\":\"%s\",\"text\":", opened->part,
		              opened->access);
		json_quote(out, buffer_view(&opened->content));
		buffer_string(out, "}}");
	} else if (why != NULL && why->kind != FAULT_NOT_FOUND) {
		buffer_string(out, ",\"content\":{\"error\":{\"ko\":");
		json_quote(out, slice_string(why->ko));
		buffer_string(out, ",\"en\":");
		json_quote(out, slice_string(why->en));
		buffer_string(out, "}}}");
	} else {
		buffer_string(out, ",\"content\":null}");
	}
}

static void
content_text(struct audit_opened *opened, const struct fault *why)
{
	char *text;

	if (opened == NULL) {
		if (why != NULL)
			printf("      %s\n      %s\n", why->ko, why->en);
		return;
	}
	printf("      %s (%s), 열람 기록 access %s\n", strcmp(opened->part, "answer") == 0 ? "답" : "요청",
	       opened->part, opened->access);
	if ((text = buffer_text(&opened->content)) == NULL)
		return;
	command_plain(text, true);
	for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		printf("      | %s\n", line);
}

static bool
print_opened(void *context, const struct query_row *row)
{
	struct opening *const opening = context;
	const struct audit_options *const options = opening->options;
	struct audit_opened opened;
	struct fault why;
	const bool asked = may_be_sealed(row);
	bool open = false;

	buffer_init(&opened.content, 0);
	if (asked)
		open = audit_open_entry(&opened, options->socket, row->id, options->reason, &why) == 0;
	if (asked && !open && why.kind != FAULT_NOT_FOUND && why.kind != FAULT_TAMPERED) {
		opening->why = why; /* no right, no gateway: it would be so of the next ones, too */
		opening->failed = true;
	} else if (options->json) {
		buffer_reset(&opening->line);
		audit_row_json(&opening->line, row);
		if (buffer_ok(&opening->line))
			content_json(&opening->line, open ? &opened : NULL, asked && !open ? &why : NULL);
		buffer_byte(&opening->line, '\n');
		opening->failed =
		    !buffer_ok(&opening->line) ||
		    fwrite(opening->line.data, 1, opening->line.size, stdout) != opening->line.size;
		if (opening->failed)
			fault_errno(&opening->why, "표준 출력", "standard output");
	} else {
		audit_row_line(stdout, row);
		content_text(open ? &opened : NULL, asked && !open ? &why : NULL);
	}
	opening->tampered |= asked && !open && why.kind == FAULT_TAMPERED;
	audit_opened_free(&opened);
	return !opening->failed;
}

/* Few at a time unless more are asked for: each content that is opened is an entry, and somebody's text on a screen. */
static int
query_opened(struct database *database, const struct audit_options *options, struct fault *why)
{
	const uint64_t limit = options->has_limit ? options->limit : OPENED_ENTRIES;
	struct opening opening = {.options = options};
	uint64_t count = 0;
	int result = -1;

	if (options->csv || options->follow || options->archive_count > 0)
		return fault_set(why, FAULT_USAGE,
		                 "--open 은 --csv, --follow, --archive 와 함께 쓸 수 없습니다",
		                 "--open goes with neither --csv nor --follow nor --archive");
	if (options->reason == NULL)
		return fault_set(why, FAULT_USAGE,
		                 "내용을 열려면 --reason 으로 사유를 적습니다 (기록에 남습니다)",
		                 "opening content needs a --reason (it is recorded)");
	buffer_init(&opening.line, 8 * OPENED_CONTENT);
	if (filter_check(&options->filter, why) == -1 ||
	    audit_access_note(database, options, "query", why) == -1)
		goto out;
	result = query_run(database, &options->filter, limit, options->ascending, print_opened, &opening,
	                   &count, why);
	if (result == 0 && opening.failed) {
		*why = opening.why;
		result = -1;
	}
	if (result == 0 && !options->has_limit && count == limit)
		fprintf(stderr,
		        "haechi: 처음 %" PRIu64 "건만 열었습니다 (--limit)\n"
		        "        only the first %" PRIu64 " were opened (--limit)\n",
		        limit, limit);
	if (result == 0 && opening.tampered)
		result = EXIT_NO;
out:
	buffer_wipe(&opening.line);
	return result;
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

	if (options->open)
		return tail ? fault_set(why, FAULT_USAGE, "--open 은 query 와 receipt 에서만",
		                        "--open is for query and receipt")
		            : query_opened(database, options, why);
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
