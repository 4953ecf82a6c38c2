/*
 * haechi audit archive, detach, archives -- old months into files that verify alone, and out of the database (audit/archive.h).
 */
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/archive.h"
#include "audit/export.h"
#include "audit/query.h"
#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "schema/base/clock.h"

#define RECEIPT_TRIES 200 /* of 50 ms: as long as the shipper needs */

struct options {
	const char *month, *out, *database, *reason, *key, *socket, *folder;
	char *configured;
	struct keyring *keyring;
	bool json;
};

static void
usage(FILE *to)
{
	fputs(
	    "사용법: haechi audit archive --month 2026-03 --out 폴더    한 달을 보관함으로 (지우는 것 없음)\n"
	    "        haechi audit detach 폴더 --vkey 파일…            확인한 보관함의 달을 데이터베이스에서 "
	    "뗌\n"
	    "        haechi audit archives                             무엇이 어디로 갔는가\n"
	    "usage:  haechi audit archive --month 2026-03 --out DIR    a month into an archive (nothing is "
	    "removed)\n"
	    "        haechi audit detach DIR --vkey FILE...            take the month of a checked archive "
	    "out of the "
	    "database\n"
	    "        haechi audit archives                             what went where\n\n"
	    "  detach 는 테이블의 주인으로 접속하며 (haechi db migrate 처럼) 도는 haechid 가 있어야 합니다. "
	    "해시는 남고\n"
	    "  모든 증명은 그대로 성립합니다. 중간에 끊기면 같은 명령을 다시 하십시오: 잃는 것은 없습니다.\n"
	    "  detach connects as the owner of the tables (as haechi db migrate does) and needs the running "
	    "haechid. Hashes\n"
	    "  stay and every proof holds. If it is interrupted, give the same command again: nothing is "
	    "lost.\n\n"
	    "그 밖 others: --database CONNINFO | -c haechi.yaml (또는/or HAECHI_DATABASE)  --socket "
	    "경로/PATH\n"
	    "              --key 서명키/FILE  --reason 사유/TEXT  --json\n",
	    to);
}

/* ---- archive -------------------------------------------------------------------------------------------------------- */

static int
run_archive(const struct options *options, struct fault *why)
{
	struct export_options how = {.kind = MANIFEST_ARCHIVE,
	                             .directory = options->out,
	                             .key_file = options->key,
	                             .reason = options->reason};

	if (options->month == NULL || options->out == NULL || options->folder != NULL)
		return fault_set(why, FAULT_USAGE, "--month 달과 --out 폴더가 있어야 합니다",
		                 "--month and --out are needed");
	if (archive_month(&how.filter, options->month, clock_wall_ms(), why) == -1)
		return -1;
	return command_export(&how, options->database, options->socket, options->json, why);
}

/* ---- detach ----------------------------------------------------------------------------------------------------------- */

struct recording {
	struct database *database;
	const char *socket;
};

static int
record(void *context, const struct archive_facts *facts, struct buffer *receipt, struct fault *why)
{
	const struct timespec pause = {0, 50 * 1000000};
	const struct recording *recording = context;
	json_t *answer = NULL;
	char about[64];
	int result = -1;

	snprintf(about, sizeof about, "month=%s", facts->month);
	if (asking_ask(recording->socket,
	               json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "op", "export.record",
	                         "kind", "detach", "about", about, "manifest", facts->manifest, "log",
	                         facts->log, "month", facts->month, "runs", facts->runs, "first",
	                         (json_int_t)facts->first, "last", (json_int_t)facts->last, "entries",
	                         (json_int_t)facts->entries),
	               &answer, why) == -1)
		return -1;
	for (unsigned i = 0; i < RECEIPT_TRIES; i++) {
		buffer_reset(receipt);
		result = stored_receipt(receipt, recording->database, json_get_string(answer, "entry"), why);
		if (result == 0 || (why->kind != FAULT_NOT_FOUND && why->kind != FAULT_BUSY))
			break;
		nanosleep(&pause, NULL);
	}
	json_decref(answer);
	return result;
}

static int
run_detach(const struct options *options, struct fault *why)
{
	struct archive_options how = {
	    .directory = options->folder, .keyring = options->keyring, .record = record};
	struct recording recording = {.socket = options->socket};
	struct arena *arena = arena_new((size_t)4 * 1024 * 1024);
	struct archive_result result;
	char *place = NULL;
	int status = -1;

	if (options->folder == NULL || options->keyring == NULL) {
		fault_set(why, FAULT_USAGE,
		          "보관함 폴더와, 데이터베이스 밖에서 온 키(--vkey 파일)가 있어야 합니다",
		          "the archive's folder and keys from outside the database (--vkey FILE) are needed");
		goto out;
	}
	if (arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if ((place = realpath(options->folder, NULL)) == NULL) {
		fault_errno(why, "%s", "%s", options->folder);
		goto out;
	}
	if (command_open_database(&recording.database, options->database, why) == -1)
		goto out;
	if (database_run(recording.database, "SET ROLE haechi_owner", why) == -1) {
		fault_prefix(why, "detach 는 테이블의 주인으로 접속해야 합니다",
		             "detach must connect as the owner of the tables");
		goto out;
	}
	how.database = recording.database;
	how.place = place;
	how.context = &recording;
	if (archive_detach(&result, &how, arena, why) == -1)
		goto out;
	if (options->json)
		printf("{\"month\":\"%s\",\"entries\":%" PRIu64 ",\"contents\":%" PRIu64 ",\"logs\":%zu}\n",
		       result.month, result.entries, result.contents, result.logs);
	else
		printf("%s 을(를) 뗐습니다: 항목 %" PRIu64 "건, 봉인된 내용 %" PRIu64
		       "개는 이제 %s 에만 있습니다. 안전한 곳에 한 벌 더 두십시오.\n"
		       "%s is detached: %" PRIu64 " entries and %" PRIu64
		       " sealed contents are in %s alone now. Keep a second copy in a safe place.\n",
		       result.month, result.entries, result.contents, place, result.month, result.entries,
		       result.contents, place);
	status = 0;
out:
	database_close(recording.database);
	arena_free(arena);
	free(place);
	return status;
}

/* ---- archives --------------------------------------------------------------------------------------------------------- */

static void
print_json(const struct archive *archive)
{
	json_t *line;
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, archive->detached_ms);
	line =
	    json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "month", archive->month, "log",
	              archive->origin, "first", (json_int_t)archive->first, "last", (json_int_t)archive->last,
	              "entries", (json_int_t)archive->entries, "manifest", archive->manifest, "place",
	              archive->place, "detached_at", time, "detached_by", archive->detached_by);
	(void)asking_print(line);
	json_decref(line);
}

static int
run_archives(const struct options *options, struct fault *why)
{
	static const char *const titles[] = {"달 month", "기록 log",       "번호 index",
	                                     "항목 수",  "뗀 때 detached", "폴더 folder"};
	struct arena *arena = arena_new((size_t)64 * 1024 * 1024);
	struct database *database = NULL;
	struct archive *list;
	struct table table;
	int result = -1;
	size_t count;

	table_init(&table, sizeof titles / sizeof *titles, titles);
	table.right[3] = true;
	if (arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (command_open_database(&database, options->database, why) == -1 ||
	    query_access_note(database, "archives", "all", options->reason, why) == -1 ||
	    archive_list(&list, &count, database, false, arena, why) == -1)
		goto out;
	for (size_t i = 0; i < count; i++) {
		char range[48], entries[24], time[COMMAND_TIME_SIZE];

		if (options->json) {
			print_json(&list[i]);
			continue;
		}
		snprintf(range, sizeof range, "%" PRIu64 "–%" PRIu64, list[i].first, list[i].last);
		snprintf(entries, sizeof entries, "%" PRIu64, list[i].entries);
		command_time(time, list[i].detached_ms);
		table_row(&table, (const char *const[]){list[i].month, list[i].origin, range, entries, time,
		                                        list[i].place});
	}
	result = options->json ? 0 : table_print(&table, stdout, why);
	if (result == 0 && !options->json && count == 0)
		puts("뗀 달이 없습니다 / nothing was detached");
out:
	table_free(&table);
	database_close(database);
	arena_free(arena);
	return result;
}

/* ---- the command line --------------------------------------------------------------------------------------------------- */

static int
take_key(struct options *options, const char *path, struct fault *why)
{
	if (options->keyring == NULL && (options->keyring = calloc(1, sizeof *options->keyring)) == NULL)
		return fault_memory(why);
	return keyring_add_file(options->keyring, path, why);
}

/* -1: go on; else the exit status. */
static int
read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
	    {"month",    required_argument, NULL, 'm'},
            {"out",      required_argument, NULL, 'o'},
	    {"vkey",     required_argument, NULL, 'v'},
            {"key",      required_argument, NULL, 'k'},
	    {"database", required_argument, NULL, 'd'},
            {"socket",   required_argument, NULL, 's'},
	    {"reason",   required_argument, NULL, 'r'},
            {"json",     no_argument,       NULL, 'j'},
	    {"help",     no_argument,       NULL, 'h'},
            {NULL,       0,                 NULL, 0  },
	};
	struct fault why;
	int option;

	optind = 1;
	while ((option = command_option(argc, argv, "c:h", known)) != -1) {
		if (option == 'v' && take_key(options, optarg, &why) == -1)
			return command_fail(&why);
		if (option == 'c' && command_config_database(&options->configured, optarg, &why) == -1)
			return command_fail(&why);
		if (option == 'h' || option == '?') {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
		if (option == 'j')
			options->json = true;
		else if (option != 'v' && option != 'c')
			*(option == 'm'   ? &options->month
			  : option == 'o' ? &options->out
			  : option == 'k' ? &options->key
			  : option == 'd' ? &options->database
			  : option == 's' ? &options->socket
			                  : &options->reason) = optarg;
	}
	if (options->database == NULL)
		options->database = options->configured;
	if (argc - optind > 1) {
		usage(stderr);
		return EXIT_USAGE;
	}
	options->folder = argc > optind ? argv[optind] : NULL;
	return -1;
}

int
command_archive(int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(const struct options *options, struct fault *why);
	} words[] = {
	    {"archive",  run_archive },
	    {"detach",   run_detach  },
	    {"archives", run_archives},
	};
	struct options options = {0};
	struct fault why;
	int status = read_options(&options, argc, argv);

	for (size_t i = 0; i < sizeof words / sizeof *words && status == -1; i++)
		if (strcmp(argv[0], words[i].word) == 0 && (status = words[i].run(&options, &why)) == -1)
			status = command_fail(&why);
	free(options.keyring);
	free(options.configured);
	return status;
}
