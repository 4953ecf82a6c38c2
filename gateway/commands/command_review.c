/* haechi review: requests that wait for a person (Art. 34(1)4), through the running gateway. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "schema/verdict.h"

#define REQUEST_MOST ((size_t)64 << 20)

static void
usage(FILE *to)
{
	fputs(
	    "사용법 / usage:\n"
	    "  haechi review list [--all] [--reason 이유] [--socket PATH] [--json]\n"
	    "                                                   목록을 봅니다 (기록됨) / look at the queue "
	    "(recorded)\n"
	    "  haechi review show TICKET [--reason 이유]        내용을 봅니다 (기록됨) / look at it "
	    "(recorded)\n"
	    "  haechi review approve TICKET [--reason 이유] [--role R]\n"
	    "  haechi review refuse TICKET [--reason 이유] [--role R]\n"
	    "  haechi review edit TICKET --request FILE [--reason 이유] [--role R]\n"
	    "  haechi review stats [USECASE]                    검토의 실제 모습: 변경·거부 비율, 걸린 시간 "
	    "(T12)\n"
	    "                                                   how reviews really went: share changed, time "
	    "(T12)\n\n"
	    "보지 않고, 또는 이유 없이 승인하면 그대로 기록됩니다.\n"
	    "An approval without a look, or without a reason, is recorded as such.\n",
	    to);
}

struct options {
	const char *socket, *reason, *role, *request;
	bool json, all;
};

static int
read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
	    {"socket",  required_argument, NULL, 'S'},
            {"reason",  required_argument, NULL, 'r'},
	    {"role",    required_argument, NULL, 'R'},
            {"request", required_argument, NULL, 'q'},
	    {"all",     no_argument,       NULL, 'a'},
            {"json",    no_argument,       NULL, 'j'},
	    {"help",    no_argument,       NULL, 'h'},
            {NULL,      0,                 NULL, 0  }
        };
	int option;

	optind = 1;
	while ((option = command_option(argc, argv, "h", known)) != -1)
		switch (option) {
		case 'S':
			options->socket = optarg;
			break;
		case 'r':
			options->reason = optarg;
			break;
		case 'R':
			options->role = optarg;
			break;
		case 'q':
			options->request = optarg;
			break;
		case 'a':
			options->all = true;
			break;
		case 'j':
			options->json = true;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	return -1;
}

static const char *
state_title(const char *state)
{
	static const char *const titles[][2] = {
	    {"waiting",  "대기"},
            {"approved", "승인"},
            {"refused",  "거절"},
	    {"expired",  "만료"},
            {"answered", "답함"},
            {"failed",   "실패"}
        };

	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (state != NULL && strcmp(titles[i][0], state) == 0)
			return titles[i][1];
	return state;
}

static int
list(const struct options *options)
{
	static const char *const titles[] = {"검토표 ticket",      "상태 state",         "기관 agency",
	                                     "서비스 service",     "용도 usecase",       "역할 role",
	                                     "접수(한국) created", "기한(한국) expires", "검토자 reviewer"};
	static const char *const members[] = {"ticket",     "state",      "agency",
	                                      "service",    "usecase",    "approver_role",
	                                      "created_at", "expires_at", "reviewer"};
	json_t *result = NULL;
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	if (asking_ask(options->socket,
	               json_pack("{s:s, s:b, s:s*}", "op", "review.list", "all", (int)options->all, "reason",
	                         options->reason),
	               &result, &why) == -1)
		return command_fail(&why);
	if (options->json) {
		status = asking_print_lines(result);
		json_decref(result);
		return status;
	}
	table_init(&table, 9, titles);
	for (size_t i = 0; i < json_array_size(result); i++) {
		char created[COMMAND_TIME_SIZE], expires[COMMAND_TIME_SIZE];
		const char *cells[9];

		for (size_t j = 0; j < 9; j++)
			cells[j] = json_get_string(json_array_get(result, i), members[j]);
		cells[1] = state_title(cells[1]);
		cells[6] = command_time_of(created, cells[6]);
		cells[7] = command_time_of(expires, cells[7]);
		table_row(&table, cells);
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	json_decref(result);
	return status;
}

/* No request can steer the reviewer's terminal, or be read otherwise than it stands. */
static void
print_text(const char *text)
{
	char *const plain = strdup(text);

	if (plain == NULL)
		return;
	command_plain(plain, true);
	puts(plain);
	free(plain);
}

static void
print_json(const json_t *value)
{
	struct buffer text;

	buffer_init(&text, REQUEST_MOST);
	json_write(&text, value);
	if (buffer_ok(&text))
		print_text(buffer_text(&text));
	buffer_wipe(&text);
}

static void
print_request(const json_t *request)
{
	const json_t *messages = json_object_get(request, "messages");
	const char *const prompt = json_get_string(request, "prompt");

	for (size_t i = 0; i < json_array_size(messages); i++) {
		const json_t *message = json_array_get(messages, i);
		const char *const content = json_get_string(message, "content");

		printf("--- %s\n", json_get_string(message, "role"));
		/* Calls of tools and the like: the message as it stands. */
		if (content == NULL || json_object_get(message, "tool_calls") != NULL)
			print_json(message);
		else
			print_text(content);
	}
	if (prompt != NULL)
		print_text(prompt);
	if (messages == NULL && prompt == NULL)
		print_json(request);
}

static int
show(const struct options *options, const char *ticket)
{
	static const char *const members[][2] = {
	    {"ticket",        "검토표"     },
	    {"state",         "상태"        },
	    {"agency",        "기관"        },
	    {"service",       "서비스"     },
	    {"usecase",       "용도"        },
	    {"entry",         "기록"        },
	    {"approver_role", "역할"        },
	    {"created_at",    "접수(한국)"},
	    {"expires_at",    "기한(한국)"},
	    {"reviewer",      "검토자"     },
	    {"reason",        "이유"        }
        };
	json_t *result = NULL;
	struct fault why;
	int status = EXIT_GOOD;

	if (asking_ask(options->socket,
	               json_pack("{s:s, s:s, s:s*}", "op", "review.show", "ticket", ticket, "reason",
	                         options->reason),
	               &result, &why) == -1)
		return command_fail(&why);
	if (options->json) {
		status = asking_print(result);
	} else {
		for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
			const char *text = json_get_string(result, members[i][0]);
			char when[COMMAND_TIME_SIZE];

			if (strcmp(members[i][0], "state") == 0)
				text = state_title(text);
			else if (strstr(members[i][0], "_at") != NULL)
				text = command_time_of(when, text);
			if (text != NULL && text[0] != '\0')
				printf("%s (%s): %s\n", members[i][1], members[i][0], text);
		}
		print_request(json_object_get(result, "request"));
	}
	json_decref(result);
	return status;
}

static int
decide(const struct options *options, const char *action, const char *ticket)
{
	json_t *request = NULL, *result = NULL;
	char op[32];
	struct buffer edited;
	struct fault why;
	int status = EXIT_GOOD;

	buffer_init(&edited, REQUEST_MOST);
	if ((strcmp(action, "edit") == 0) != (options->request != NULL)) {
		fault_set(&why, FAULT_USAGE, "고친 요청은 edit 에만, 반드시 있어야 합니다: --request FILE",
		          "edit, and only edit, needs the changed request: --request FILE");
		return command_fail(&why);
	}
	if (options->request != NULL && file_read(&edited, options->request, REQUEST_MOST, &why) == -1)
		return command_fail(&why);
	snprintf(op, sizeof op, "review.%s", action);
	request = json_pack("{s:s, s:s, s:s}", "op", op, "ticket", ticket, "reason",
	                    options->reason == NULL ? "" : options->reason);
	if (request != NULL && options->role != NULL)
		json_object_set_new(request, "role", json_string(options->role));
	if (request != NULL && options->request != NULL)
		json_object_set_new(
		    request, "request",
		    json_stringn(edited.data == NULL ? "" : (const char *)edited.data, edited.size));
	buffer_wipe(&edited);
	if (asking_ask(options->socket, request, &result, &why) == -1) {
		/* The gateway said no: that is an answer. */
		status = command_fail(&why);
		return why.kind == FAULT_FORBIDDEN || why.kind == FAULT_CONFLICT ||
		               why.kind == FAULT_NOT_FOUND
		           ? EXIT_NO
		           : status;
	}
	if (options->json)
		status = asking_print(result);
	else
		printf("%s (%s): %s\n", strcmp(action, "refuse") == 0 ? "거절했습니다" : "승인했습니다",
		       action, json_get_string(result, "entry"));
	json_decref(result);
	return status;
}

/* ---- stats --------------------------------------------------------------------------------------------------------- */

static const char *
standing_title(const char *standing)
{
	static const char *const titles[][2] = {
	    {"few",            "건수 부족 too few"   },
	    {"rubber-stamped", "형식적 rubber-stamped"},
	    {"hasty",          "성급함 hasty"         },
	    {"substantive",    "실질적 substantive"   },
	};

	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (standing != NULL && strcmp(titles[i][0], standing) == 0)
			return titles[i][1];
	return standing;
}

static void
stats_row(struct table *table, const json_t *numbers, const char *usecase, const char *reviewer,
          const char *verdict)
{
	const long long decisions = json_get_integer(numbers, "decisions", 0),
	                changed = json_get_integer(numbers, "changed", 0),
	                hasty = json_get_integer(numbers, "hasty", 0),
	                median = json_get_integer(numbers, "median_ms", -1);
	char count[24], share[48], fast[48], time[32] = "-", last[COMMAND_TIME_SIZE];

	snprintf(count, sizeof count, "%lld", decisions);
	snprintf(share, sizeof share, "%lld (%.1f%%)", changed,
	         decisions > 0 ? 100.0 * (double)changed / (double)decisions : 0.0);
	snprintf(fast, sizeof fast, "%lld (%.1f%%)", hasty,
	         decisions > 0 ? 100.0 * (double)hasty / (double)decisions : 0.0);
	if (median >= 0)
		snprintf(time, sizeof time, "%.1f초 s", (double)median / 1000);
	table_row(table, (const char *[]){usecase, reviewer, count, share, fast, time,
	                                  standing_title(json_get_string(numbers, "standing")), verdict,
	                                  command_time_of(last, json_get_string(numbers, "last_at"))});
}

static void
stats_limits(const json_t *list)
{
	const json_t *first = json_array_get(list, 0), *limits = json_object_get(first, "limits");

	if (limits == NULL)
		return;
	printf("\n최근 %lld건까지 봅니다. %lld건 이상에서 변경·거부가 %.1f%% 미만이거나 %lld초 안의 승인이 "
	       "%.1f%%를 "
	       "넘으면 T12에 따라 고영향입니다.\n이 수치는 어느 기관도 공표하지 않았으며, 설정(review)으로 "
	       "정합니다.\n",
	       (long long)json_get_integer(first, "window", 0),
	       (long long)json_get_integer(limits, "decisions", 0),
	       (double)json_get_integer(limits, "least_changed", 0) / 10,
	       (long long)json_get_integer(limits, "hasty_ms", 0) / 1000,
	       (double)json_get_integer(limits, "most_hasty", 0) / 10);
	printf("The newest %lld are looked at. From %lld on, fewer than %.1f%% changed or more than %.1f%% "
	       "approved "
	       "within %lld s mean high-impact by T12.\nNobody has published such numbers; they are "
	       "configuration "
	       "(review).\n",
	       (long long)json_get_integer(first, "window", 0),
	       (long long)json_get_integer(limits, "decisions", 0),
	       (double)json_get_integer(limits, "least_changed", 0) / 10,
	       (double)json_get_integer(limits, "most_hasty", 0) / 10,
	       (long long)json_get_integer(limits, "hasty_ms", 0) / 1000);
}

static int
stats(const struct options *options, const char *usecase)
{
	static const char *const titles[] = {"용도 usecase",      "검토자 reviewer", "결정 decisions",
	                                     "변경·거부 changed", "성급 hasty",      "중앙값 median",
	                                     "평가 standing",     "판단 verdict",    "마지막(한국) last"};
	json_t *result = NULL, *request = json_pack("{s:s}", "op", "oversight");
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	if (request != NULL && usecase != NULL)
		json_object_set_new(request, "usecase", json_string(usecase));
	if (asking_ask(options->socket, request, &result, &why) == -1)
		return command_fail(&why);
	if (options->json) {
		status = asking_print_lines(result);
		json_decref(result);
		return status;
	}
	table_init(&table, 9, titles);
	for (size_t i = 0; i < json_array_size(result); i++) {
		const json_t *whole = json_array_get(result, i), *each;
		char verdict[96];
		enum verdict judged;
		size_t j;

		snprintf(verdict, sizeof verdict, "%s %s",
		         verdict_parse(&judged, json_get_string(whole, "verdict")) ? verdict_title(judged)
		                                                                   : "",
		         json_get_string(whole, "rule"));
		stats_row(&table, whole, json_get_string(whole, "usecase"), "모두 all", verdict);
		json_array_foreach(json_object_get(whole, "reviewers"), j, each)
		    stats_row(&table, each, "", json_get_string(each, "reviewer"), "");
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	else
		stats_limits(result);
	table_free(&table);
	json_decref(result);
	return status;
}

int
command_review(int argc, char **argv)
{
	const char *const word = argc > 1 ? argv[1] : "";
	struct options options = {0};
	int status, left;

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		usage(stdout);
		return EXIT_GOOD;
	}
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if ((status = read_options(&options, argc - 1, argv + 1)) != -1)
		return status;
	left = argc - 1 - optind;
	if (strcmp(word, "list") == 0 && left == 0)
		return list(&options);
	if (strcmp(word, "stats") == 0 && left <= 1)
		return stats(&options, left == 1 ? argv[1 + optind] : NULL);
	if (strcmp(word, "show") == 0 && left == 1)
		return show(&options, argv[1 + optind]);
	if ((strcmp(word, "approve") == 0 || strcmp(word, "refuse") == 0 || strcmp(word, "edit") == 0) &&
	    left == 1)
		return decide(&options, word, argv[1 + optind]);
	usage(stderr);
	return EXIT_USAGE;
}
