#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/commands/audit_options.h"
#include "gateway/commands/audit_print.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "schema/base/clock.h"

static void
progress(void *context, uint64_t done, uint64_t total)
{
	const int64_t *began = context;
	const double seconds = (double)(clock_monotonic_ns() - *began) / 1e9;
	const double rate = seconds > 0 ? (double)done / seconds : 0;

	fprintf(stderr, "\r%" PRIu64 "건 확인, 초당 %.0f건", done, rate);
	if (total > done && rate > 0)
		fprintf(stderr, ", 남은 시간 약 %.0f초 ", (double)(total - done) / rate);
}

/* What the file says of earlier runs, unless everything is wanted or there is none yet; and room for what this one finds. */
static int
state_open(struct verified **since, struct verified **reached, const struct audit_options *options,
           struct fault *why)
{
	if (!options->full && verified_read(since, options->state, why) == -1 && why->kind != FAULT_NOT_FOUND)
		return -1;
	return verified_new(reached, why);
}

/* Only after everything has held: a file that is there before stays as it was otherwise. */
static int
state_keep(const struct verified *reached, const char *path, struct fault *why)
{
	struct buffer text;
	int result;

	buffer_init(&text, VERIFIED_LIMIT);
	verified_write(&text, reached);
	result = buffer_ok(&text) ? file_replace(path, buffer_view(&text), 0600, why) : fault_memory(why);
	buffer_free(&text);
	return result;
}

int
audit_verify(const struct audit_options *options, struct fault *why)
{
	const char *const conninfo = command_conninfo(options->database);
	int64_t began = clock_monotonic_ns();
	struct verify_options how = {.keyring = options->keyring,
	                             .witnesses = options->witnesses,
	                             .witness_count = options->witness_count,
	                             .archives = options->archives,
	                             .archive_count = options->archive_count,
	                             .context = &began};
	struct verified *since = NULL, *reached = NULL;
	struct database *database = NULL;
	struct verify_report report;
	int result = -1, noted;

	/* Through the common door first: it says where a database may come from. */
	if (command_open_database(&database, options->database, why) == -1)
		return -1;
	noted = audit_access_note(database, options, "verify", why);
	database_close(database);
	if (noted == -1)
		return -1;
	if (isatty(STDERR_FILENO))
		how.progress = progress;
	if (options->state != NULL && state_open(&since, &reached, options, why) == -1)
		goto out;
	how.since = since;
	how.reached = reached;
	if (verify_database(&report, conninfo, &how, why) == -1)
		goto out;
	if (how.progress != NULL)
		fputs("\r\033[K", stderr);
	if (!report.broken && reached != NULL && state_keep(reached, options->state, why) == -1)
		goto out;
	if (options->json)
		audit_verify_json(stdout, &report, reached, clock_monotonic_ns() - began);
	else
		audit_verify_text(stdout, &report, reached, clock_monotonic_ns() - began);
	result = report.broken ? EXIT_NO : EXIT_GOOD;
out:
	verified_free(since);
	verified_free(reached);
	return result;
}
