/* haechi audit shred: erase sealed content, through the running gateway, which holds its keys (gateway/shred.h). */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

static void
usage(FILE *to)
{
	fputs("사용법 / usage:\n"
	      "  haechi audit shred --entry ID                        한 항목과 뒤따르는 답변 / an entry, "
	      "and its answer\n"
	      "  haechi audit shred --subject PSEUDONYM               한 사람 / a person\n"
	      "  haechi audit shred --user NAME --agency A            이름으로 (가명은 haechid가 만듦) / by "
	      "name\n"
	      "  haechi audit shred [--from WHEN] --to WHEN [--agency A]   기간 / a period\n"
	      "                     --reason 이유 | --dry-run  [--socket PATH] [--json]\n\n"
	      "봉인된 내용의 키를 파기합니다. 되돌릴 수 없습니다. 기록과 증명은 그대로 성립합니다.\n"
	      "Destroys the keys of sealed content. There is no way back. Entries and proofs still hold.\n",
	      to);
}

struct options {
	const char *socket, *reason;
	json_t *request;
	bool json, dry_run;
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

/* -1: go on; else the exit status. */
static int
read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
	    {"entry",   required_argument, NULL, 'e'},
            {"subject", required_argument, NULL, 's'},
	    {"user",    required_argument, NULL, 'u'},
            {"agency",  required_argument, NULL, 'a'},
	    {"from",    required_argument, NULL, 'f'},
            {"to",      required_argument, NULL, 't'},
	    {"reason",  required_argument, NULL, 'r'},
            {"dry-run", no_argument,       NULL, 'n'},
	    {"socket",  required_argument, NULL, 'S'},
            {"json",    no_argument,       NULL, 'j'},
	    {"help",    no_argument,       NULL, 'h'},
            {NULL,      0,                 NULL, 0  },
	};
	int option, status = -1;

	optind = 1;
	while (status == -1 && (option = command_option(argc, argv, "h", known)) != -1)
		switch (option) {
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
		case 'r':
			options->reason = optarg;
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
			usage(option == 'h' ? stdout : stderr);
			status = option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	if (status == -1 && (optind < argc || (options->reason == NULL && !options->dry_run))) {
		usage(stderr);
		status = EXIT_USAGE;
	}
	return status;
}

static int
print_items(const json_t *items)
{
	static const char *const titles[] = {"항목", "종류", "때", "기관", "용도", "행", "바이트"};
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	table_init(&table, 7, titles);
	table.right[5] = table.right[6] = true;
	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *const item = json_array_get(items, i);
		char rows[24], bytes[24];

		snprintf(rows, sizeof rows, "%" PRId64, json_get_integer(item, "rows", 0));
		snprintf(bytes, sizeof bytes, "%" PRId64, json_get_integer(item, "bytes", 0));
		table_row(&table, (const char *const[]){
		                      json_get_string(item, "entry"), json_get_string(item, "kind"),
		                      json_get_string(item, "time"), json_get_string(item, "agency"),
		                      json_get_string(item, "usecase"), rows, bytes});
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	return status;
}

static int
print_result(const json_t *result, bool dry_run)
{
	const int64_t entries = json_get_integer(result, "entries", 0);
	const int64_t rows = json_get_integer(result, "rows", 0);
	int status;

	if (entries == 0) {
		puts("파기할 내용이 없습니다 / there is nothing to erase");
		return EXIT_NO;
	}
	if ((status = print_items(json_object_get(result, "items"))) != EXIT_GOOD)
		return status;
	if (dry_run)
		printf("파기될 것: 항목 %" PRId64 "건, 봉인된 행 %" PRId64 "개. 아무것도 바꾸지 않았습니다\n"
		       "would go: the content of %" PRId64 " entries, %" PRId64
		       " sealed rows; nothing was changed\n",
		       entries, rows, entries, rows);
	else
		printf("파기했습니다: 항목 %" PRId64 "건의 키, 봉인된 행 %" PRId64 "개\n"
		       "erased: the keys of %" PRId64 " entries, %" PRId64 " sealed rows\n"
		       "기록 / entry     %s\n",
		       entries, rows, entries, rows, json_get_string(result, "shred"));
	return EXIT_GOOD;
}

int
command_shred(int argc, char **argv)
{
	struct options options = {.request = json_pack("{s:s}", "op", "audit.shred")};
	json_t *result = NULL;
	struct fault why;
	int status = read_options(&options, argc, argv);

	if (status != -1) {
		json_decref(options.request);
		return status;
	}
	if (options.reason != NULL)
		json_object_set_new(options.request, "reason", json_string(options.reason));
	json_object_set_new(options.request, "dry_run", json_boolean(options.dry_run));
	if (asking_ask(options.socket, options.request, &result, &why) == -1)
		return command_fail(&why);
	if (!options.json) {
		status = print_result(result, options.dry_run);
	} else {
		status = asking_print(result);
		if (status == EXIT_GOOD && json_get_integer(result, "entries", 0) == 0)
			status = EXIT_NO;
	}
	json_decref(result);
	return status;
}
