/* haechi status: what the running gateway says of itself; exit 1 when it refuses requests. */
#include <getopt.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

static void
usage(FILE *to)
{
	fputs("사용법 / usage: haechi status [--reload] [--socket PATH] [--json]\n\n"
	      "  --reload   설정과 정책을 다시 읽게 합니다 / have configuration and policies read anew\n",
	      to);
}

static void
line(const char *ko, const char *en, const char *text)
{
	printf("%s (%s): %s\n", ko, en, text == NULL ? "-" : text);
}

static void
print(const json_t *status)
{
	const json_t *policy = json_object_get(status, "policy"), *ledger = json_object_get(status, "ledger");
	const json_t *registry = json_object_get(status, "registry"),
	             *engines = json_object_get(status, "engines");
	char started[COMMAND_TIME_SIZE];
	const bool writable = json_get_bool(ledger, "writable", false);

	line("상태", "state",
	     writable ? "증거를 쓸 수 있음 / evidence can be written"
	              : "요청을 거절함 / requests are refused");
	if (!writable)
		line("까닭", "why", json_get_string(ledger, "refusal"));
	line("로그", "log", json_get_string(status, "origin"));
	line("시작(한국)", "started, UTC+9", command_time_of(started, json_get_string(status, "started_at")));
	line("정책 묶음", "policy bundle", json_get_string(policy, "bundle"));
	printf("정책 (policies): %lld\n", (long long)json_get_integer(policy, "policies", 0));
	printf("기록 (entries): %lld, 데이터베이스에 (shipped): %lld%s\n",
	       (long long)json_get_integer(ledger, "entries", 0),
	       (long long)json_get_integer(ledger, "shipped", 0),
	       json_get_bool(ledger, "database_up", false) ? ""
	                                                   : " - 데이터베이스에 닿지 못함 / database away");
	printf("용도 (use cases): %lld, 키 (keys): %lld\n",
	       (long long)json_get_integer(registry, "usecases", 0),
	       (long long)json_get_integer(registry, "keys", 0));
	for (size_t i = 0; i < json_array_size(engines); i++) {
		const json_t *engine = json_array_get(engines, i);
		const json_t *models = json_object_get(engine, "models");

		printf("엔진 (engine): %s, 망 (zone) %s, 등급 (grade) %s:", json_get_string(engine, "name"),
		       json_get_string(engine, "zone"), json_get_string(engine, "grade"));
		for (size_t j = 0; j < json_array_size(models); j++)
			printf(" %s", json_string_value(json_array_get(models, j)));
		putchar('\n');
	}
	line("가둠", "confinement", json_get_string(status, "confinement"));
	for (size_t i = 0; i < json_array_size(json_object_get(status, "attention")); i++) {
		const json_t *each = json_array_get(json_object_get(status, "attention"), i);

		printf("주의 (attention): %s/%s %s\n  %s\n  %s\n", json_get_string(each, "agency"),
		       json_get_string(each, "usecase"), json_get_string(each, "rule"),
		       json_get_string(each, "ko"), json_get_string(each, "en"));
	}
}

int
command_status(int argc, char **argv)
{
	static const struct option known[] = {
	    {"socket", required_argument, NULL, 'S'},
	    {"reload", no_argument,       NULL, 'r'},
	    {"json",   no_argument,       NULL, 'j'},
	    {"help",   no_argument,       NULL, 'h'},
	    {NULL,     0,                 NULL, 0  }
        };
	const char *socket = NULL, *op = "status";
	bool json = false, good;
	json_t *result = NULL;
	struct fault why;
	int option, status = EXIT_GOOD;

	while ((option = command_option(argc, argv, "h", known)) != -1)
		switch (option) {
		case 'S':
			socket = optarg;
			break;
		case 'r':
			op = "reload";
			break;
		case 'j':
			json = true;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	if (optind != argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (asking_ask(socket, json_pack("{s:s}", "op", op), &result, &why) == -1)
		return command_fail(&why);
	good = json_get_bool(json_object_get(result, "ledger"), "writable", false);
	if (json)
		status = asking_print(result);
	else
		print(result);
	json_decref(result);
	return status == EXIT_GOOD && !good ? EXIT_NO : status;
}
