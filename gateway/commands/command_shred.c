/*
 * haechi audit shred, haechi audit expire: erase sealed content, through the running gateway, which holds its keys (gateway/shred.h).
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

#define EXPIRED_REASON "보존 기간 만료 / the period of retention has ended"

static void
usage(FILE *to, bool expire)
{
	fputs(
	    expire
	        ? "사용법 / usage:\n"
	          "  haechi audit expire [--agency A] [--default-days N] [--reason 이유]  보존 기간이 끝난 "
	          "내용 / content whose retention ended\n"
	          "                      [--dry-run] [--yes] [--socket PATH] [--json]\n\n"
	          "내용의 보존 기간은 그 결정의 의무(retention_days)이고, 고영향이거나 판단이 나지 않은 것은 "
	          "5년(AI34)입니다. 정해진 기간이\n"
	          "없는 내용은 --default-days 를 줄 때만 파기합니다. 기록 자체는 남습니다.\n"
	          "Content is kept as the duties of its decision say (retention_days), and five years (AI34) "
	          "where the verdict is high-impact\n"
	          "or open. Content without a period goes only with --default-days. Entries stay.\n"
	        : "사용법 / usage:\n"
	          "  haechi audit shred --entry ID                        한 항목과 뒤따르는 답변 / an "
	          "entry, and its answer\n"
	          "  haechi audit shred --subject PSEUDONYM               한 사람 / a person\n"
	          "  haechi audit shred --user NAME --agency A            이름으로 (가명은 haechid가 만듦) / "
	          "by name\n"
	          "  haechi audit shred [--from WHEN] --to WHEN [--agency A]   기간 / a period\n"
	          "                     --reason 이유 | --dry-run  [--yes] [--socket PATH] [--json]\n\n"
	          "봉인된 내용의 키를 파기합니다. 되돌릴 수 없습니다. 기록과 증명은 그대로 성립합니다.\n"
	          "기간에 온전히 드는 지난 달(한국 시각)은 기관의 그 달 키를 통째로 파기합니다. 화면에서는 "
	          "무엇이 "
	          "사라지는지 보이고 묻습니다 (--yes: 묻지 않음).\n"
	          "Destroys the keys of sealed content. There is no way back. Entries and proofs still "
	          "hold.\n"
	          "Months of Korea that are over and lie in the period whole go by the key of the agency and "
	          "month. "
	          "On "
	          "a terminal it shows what\n"
	          "would go and asks first (--yes: it does not).\n",
	    to);
}

struct options {
	const char *socket, *reason;
	json_t *request;
	bool json, dry_run, yes, expire;
};

static int
take_time(struct options *options, const char *name, const char *option, const char *text)
{
	int64_t wall_ms;
	struct fault why;

	if (command_parse_time(&wall_ms, option, text, &why) == -1)
		return command_fail(&why);
	json_object_set_new(options->request, name, json_integer(wall_ms));
	return -1;
}

static int
take_days(struct options *options, const char *text)
{
	char *end;
	const long days = strtol(text, &end, 10);
	struct fault why;

	if (*text == '\0' || *end != '\0' || days < 1 || days > 36525) {
		fault_set(&why, FAULT_USAGE, "--default-days는 1부터 36525까지입니다: %s",
		          "--default-days is from 1 to 36525: %s", text);
		return command_fail(&why);
	}
	json_object_set_new(options->request, "default_days", json_integer(days));
	return -1;
}

/* Nobody is chosen by an expiry but an agency. */
static int
expire_option(int option)
{
	return strchr("adrnySjh", option) != NULL ? option : '?';
}

/* -1: go on; else the exit status. */
static int
read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
	    {"entry",        required_argument, NULL, 'e'},
	    {"subject",      required_argument, NULL, 's'},
	    {"user",         required_argument, NULL, 'u'},
	    {"agency",       required_argument, NULL, 'a'},
	    {"from",         required_argument, NULL, 'f'},
	    {"to",           required_argument, NULL, 't'},
	    {"default-days", required_argument, NULL, 'd'},
	    {"reason",       required_argument, NULL, 'r'},
	    {"dry-run",      no_argument,       NULL, 'n'},
	    {"yes",          no_argument,       NULL, 'y'},
	    {"socket",       required_argument, NULL, 'S'},
	    {"json",         no_argument,       NULL, 'j'},
	    {"help",         no_argument,       NULL, 'h'},
	    {NULL,           0,                 NULL, 0  },
	};
	int option, status = -1;

	optind = 1;
	while (status == -1 && (option = command_option(argc, argv, "h", known)) != -1)
		switch (options->expire ? expire_option(option) : option == 'd' ? '?' : option) {
		case 'e':
			json_object_set_new(options->request, "entry", json_string(optarg));
			break;
		case 's':
			json_object_set_new(options->request, "subject", json_string(optarg));
			break;
		case 'u':
			json_object_set_new(options->request, "user", json_string(optarg));
			break;
		case 'a':
			json_object_set_new(options->request, "agency", json_string(optarg));
			break;
		case 'f':
			status = take_time(options, "from_ms", "--from", optarg);
			break;
		case 't':
			status = take_time(options, "to_ms", "--to", optarg);
			break;
		case 'd':
			status = take_days(options, optarg);
			break;
		case 'r':
			options->reason = optarg;
			break;
		case 'y':
			options->yes = true;
			break;
		case 'n':
			options->dry_run = true;
			break;
		case 'S':
			options->socket = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		default:
			usage(option == 'h' ? stdout : stderr, options->expire);
			status = option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	if (status == -1 && options->expire && options->reason == NULL)
		options->reason = EXPIRED_REASON;
	if (status == -1 && (optind < argc || (options->reason == NULL && !options->dry_run))) {
		usage(stderr, options->expire);
		status = EXIT_USAGE;
	}
	return status;
}

static int
print_items(const json_t *items)
{
	static const char *const titles[] = {"항목 entry",    "종류",    "때(한국) UTC+9", "기관",
	                                     "용도 use case", "행 rows", "바이트"};
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	if (json_array_size(items) == 0)
		return EXIT_GOOD;
	table_init(&table, 7, titles);
	table.right[5] = table.right[6] = true;
	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *const item = json_array_get(items, i);
		char rows[24], bytes[24], time[COMMAND_TIME_SIZE];

		snprintf(rows, sizeof rows, "%" PRId64, json_get_integer(item, "rows", 0));
		snprintf(bytes, sizeof bytes, "%" PRId64, json_get_integer(item, "bytes", 0));
		table_row(&table,
		          (const char *const[]){json_get_string(item, "entry"), json_get_string(item, "kind"),
		                                command_time_of(time, json_get_string(item, "time")),
		                                json_get_string(item, "agency"),
		                                json_get_string(item, "usecase"), rows, bytes});
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	return status;
}

static int
print_periods(const json_t *periods)
{
	static const char *const titles[] = {"달 통째로 whole month", "기관 agency", "항목 entries",
	                                     "행 rows", "바이트 bytes"};
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	if (json_array_size(periods) == 0)
		return EXIT_GOOD;
	table_init(&table, 5, titles);
	table.right[2] = table.right[3] = table.right[4] = true;
	for (size_t i = 0; i < json_array_size(periods); i++) {
		const json_t *const period = json_array_get(periods, i);
		const char *const agency = json_get_string(period, "agency");
		char entries[24], rows[24], bytes[24];

		snprintf(entries, sizeof entries, "%" PRId64, json_get_integer(period, "entries", 0));
		snprintf(rows, sizeof rows, "%" PRId64, json_get_integer(period, "rows", 0));
		snprintf(bytes, sizeof bytes, "%" PRId64, json_get_integer(period, "bytes", 0));
		table_row(&table, (const char *const[]){
		                      json_get_string(period, "month"),
		                      strcmp(agency, "*") == 0 ? "모두 every (옛 키 older keys)" : agency,
		                      entries, rows, bytes});
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	return status;
}

static int
print_result(const json_t *result, const struct options *options, bool asking)
{
	const int64_t entries = json_get_integer(result, "entries", 0);
	const int64_t rows = json_get_integer(result, "rows", 0);
	const int64_t unset = json_get_integer(result, "unset", 0);
	const size_t months = json_array_size(json_object_get(result, "periods"));
	int status;

	if (unset > 0)
		printf("보존 기간이 정해지지 않은 내용: 항목 %" PRId64
		       "건 (--default-days 를 주지 않으면 남습니다)\n"
		       "content without a period of retention: %" PRId64
		       " entries (it stays unless --default-days is given)\n",
		       unset, unset);
	if (entries == 0 && months == 0) {
		puts(options->expire
		         ? "보존 기간이 끝난 내용이 없습니다 / there is no content whose retention ended"
		         : "파기할 내용이 없습니다: 모르는 대상이거나, 봉인한 적이 없거나, 이미 "
		           "파기되었습니다\n"
		           "there is nothing to erase: unknown, never sealed, or erased already");
		return EXIT_NO;
	}
	if (options->dry_run || asking) {
		if ((status = print_items(json_object_get(result, "items"))) != EXIT_GOOD ||
		    (status = print_periods(json_object_get(result, "periods"))) != EXIT_GOOD)
			return status;
		printf("파기될 것: 항목 %" PRId64 "건의 내용 (통째로 %zu개 달), 봉인된 행 %" PRId64
		       "개. 아무것도 바꾸지 않았습니다\n"
		       "would go: the content of %" PRId64 " entries (%zu months whole), %" PRId64
		       " sealed rows; nothing was changed\n",
		       entries, months, rows, entries, months, rows);
		return EXIT_GOOD;
	}
	if (!options->expire && ((status = print_items(json_object_get(result, "items"))) != EXIT_GOOD ||
	                         (status = print_periods(json_object_get(result, "periods"))) != EXIT_GOOD))
		return status;
	printf("파기했습니다: 항목 %" PRId64 "건의 키 (통째로 %zu개 달), 봉인된 행 %" PRId64 "개\n"
	       "erased: the keys of %" PRId64 " entries (%zu months whole), %" PRId64 " sealed rows\n"
	       "기록 / entry     %s\n",
	       entries, months, rows, entries, months, rows, json_get_string(result, "shred"));
	return EXIT_GOOD;
}

/* ---- asking the gateway, and the person -------------------------------------------------------------------------- */

static int
ask(const struct options *options, bool dry_run, json_t **result, struct fault *why)
{
	json_t *const request = json_deep_copy(options->request);

	if (request == NULL)
		return fault_memory(why);
	json_object_set_new(request, "dry_run", json_boolean(dry_run));
	return asking_ask(options->socket, request, result, why);
}

/* What would go is shown; then a word is wanted. -1: go on, else the exit status. */
static int
confirm(const struct options *options)
{
	json_t *result = NULL;
	struct fault why;
	char word[32];
	int status;

	if (ask(options, true, &result, &why) == -1)
		return command_fail(&why);
	status = print_result(result, options, true);
	json_decref(result);
	if (status != EXIT_GOOD)
		return status;
	fputs("되돌릴 수 없습니다. 파기하려면 \"파기\" 라고 쓰십시오 / there is no way back: type \"erase\" "
	      "to go "
	      "on: ",
	      stdout);
	fflush(stdout);
	if (fgets(word, sizeof word, stdin) == NULL)
		word[0] = '\0';
	word[strcspn(word, "\r\n")] = '\0';
	if (strcmp(word, "파기") == 0 || strcmp(word, "erase") == 0)
		return -1;
	puts("그만두었습니다. 아무것도 바꾸지 않았습니다 / given up; nothing was changed");
	return EXIT_NO;
}

static int
carry_out(const struct options *options)
{
	bool more = true, any = false;
	int status = EXIT_GOOD;

	/* an expiry may need several orders; each is an entry of its own */
	while (status == EXIT_GOOD && more) {
		json_t *result = NULL;
		struct fault why;

		if (ask(options, options->dry_run, &result, &why) == -1)
			return command_fail(&why);
		more = !options->dry_run && json_get_bool(result, "more", false) &&
		       json_get_integer(result, "entries", 0) > 0;
		if (!options->json) {
			status = print_result(result, options, false);
		} else {
			status = asking_print(result);
			if (status == EXIT_GOOD && json_get_integer(result, "entries", 0) == 0 &&
			    json_array_size(json_object_get(result, "periods")) == 0)
				status = EXIT_NO;
		}
		json_decref(result);
		if (status == EXIT_NO && any)
			status = EXIT_GOOD;
		any = true;
	}
	return status;
}

int
command_shred(int argc, char **argv)
{
	struct options options = {.request = json_pack("{s:s}", "op", "audit.shred"),
	                          .expire = strcmp(argv[0], "expire") == 0};
	int status = read_options(&options, argc, argv);

	if (status == -1) {
		if (options.reason != NULL)
			json_object_set_new(options.request, "reason", json_string(options.reason));
		if (options.expire)
			json_object_set_new(options.request, "expire", json_true());
		if (!options.dry_run && !options.yes && !options.json && isatty(STDIN_FILENO) &&
		    isatty(STDOUT_FILENO))
			status = confirm(&options);
		if (status == -1)
			status = carry_out(&options);
	}
	json_decref(options.request);
	return status;
}
