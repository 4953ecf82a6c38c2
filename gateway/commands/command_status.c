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

/* Signed by itself, cosigned by k of n, stamped: what others say of this log. */
static void
print_confirmed(const json_t *witness, const json_t *stamp)
{
	static const struct {
		const char *state, *words;
	} states[] = {
	    {"unasked",     "아직 묻지 않음 / not asked yet"          },
	    {"cosigned",    "함께 서명함 / cosigned"                   },
	    {"unreachable", "닿지 못함 / unreachable"                   },
	    {"refused",     "거절함 / refused"                           },
	    {"contradicts", "다른 역사를 앎! / knows another history!"},
	};
	const json_t *witnesses = json_object_get(witness, "witnesses"), *one;
	char time[COMMAND_TIME_SIZE];
	size_t i;

	if (json_is_object(witness)) {
		printf("증인 (witnesses): 크기 (size) %lld에 %lld/%lld 함께 서명 (cosigned), 정족수 (quorum) "
		       "%s: %s\n",
		       (long long)json_get_integer(witness, "size", 0),
		       (long long)json_get_integer(witness, "cosigners", 0),
		       (long long)json_get_integer(witness, "of", 0), json_get_string(witness, "wants"),
		       json_get_bool(witness, "quorum", false) ? "채움 / met" : "모자람 / not met");
		json_array_foreach(witnesses, i, one)
		{
			const char *const state = json_get_string(one, "state");
			const char *words = state;

			for (size_t s = 0; s < sizeof states / sizeof *states; s++)
				if (strcmp(state, states[s].state) == 0)
					words = states[s].words;
			printf("  %s: %s, 크기 (size) %lld%s%s\n", json_get_string(one, "name"), words,
			       (long long)json_get_integer(one, "size", 0),
			       json_get_string(one, "cosigned_at")[0] == '\0' ? "" : ", ",
			       json_get_string(one, "cosigned_at")[0] == '\0'
			           ? ""
			           : command_time_of(time, json_get_string(one, "cosigned_at")));
			if (json_get_string(json_object_get(one, "why"), "ko")[0] != '\0')
				printf("    %s\n    %s\n", json_get_string(json_object_get(one, "why"), "ko"),
				       json_get_string(json_object_get(one, "why"), "en"));
		}
	}
	if (json_is_object(stamp)) {
		printf("시점확인 (time stamp): %s",
		       json_get_integer(stamp, "size", 0) == 0 ? "아직 없음 / none yet\n" : "");
		if (json_get_integer(stamp, "size", 0) > 0)
			printf("크기 (size) %lld, %s, %s\n", (long long)json_get_integer(stamp, "size", 0),
			       command_time_of(time, json_get_string(stamp, "at")),
			       json_get_string(stamp, "authority"));
		if (json_get_bool(stamp, "failed", false))
			printf("  %s\n  %s\n", json_get_string(json_object_get(stamp, "why"), "ko"),
			       json_get_string(json_object_get(stamp, "why"), "en"));
	}
}

static const char *
pull_title(const char *outcome)
{
	static const char *const titles[][2] = {
	    {"unchanged", "그대로 unchanged"},
            {"activated", "시행함 activated"},
            {"failed",    "실패 failed"      }
        };

	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (outcome != NULL && strcmp(titles[i][0], outcome) == 0)
			return titles[i][1];
	return outcome == NULL || outcome[0] == '\0' ? "-" : outcome;
}

/* Which policies are in force, since when, by whose word; what was refused last; what runs beside and where newer come from. */
static void
print_policy(const json_t *policy)
{
	const json_t *const refused = json_object_get(policy, "refused"), *const pull =
	                                                                      json_object_get(policy, "pull");
	const json_t *const shadow = json_object_get(policy, "shadow"), *const error =
	                                                                    json_object_get(pull, "error");
	char time[COMMAND_TIME_SIZE];

	line("정책 묶음", "policy bundle", json_get_string(policy, "bundle"));
	if (json_get_integer(policy, "revision", 0) > 0)
		printf("  %s 제%lld판 revision, 시행 (activated, 한국): %s, 서명 (signed by): %s\n",
		       json_get_string(policy, "name"), (long long)json_get_integer(policy, "revision", 0),
		       command_time_of(time, json_get_string(policy, "activated_at")),
		       json_get_string(policy, "signers"));
	else
		puts("  설정의 폴더에서 / from the folders of the configuration");
	if (json_get_bool(policy, "fell_back", false))
		puts("  주의: 시행 중이던 묶음을 쓸 수 없어 앞의 것으로 시작했습니다\n"
		     "  mind: the bundle in force could not be used, the one before serves on");
	if (refused != NULL)
		printf("  거절함 (refused, 한국): %s %s\n      %s\n",
		       command_time_of(time, json_get_string(refused, "time")),
		       json_get_string(refused, "ko"), json_get_string(refused, "en"));
	if (pull != NULL)
		printf("  가져오기 (pull): %s %s, %s (한국)\n", pull_title(json_get_string(pull, "outcome")),
		       json_get_string(pull, "from"),
		       command_time_of(time, json_get_string(pull, "looked_at")));
	if (error != NULL)
		printf("      %s\n      %s\n", json_get_string(error, "ko"), json_get_string(error, "en"));
	if (shadow != NULL)
		printf("  나란히 돌림 (in the shadow): %s 제%lld판 revision, 결정 (decisions) %lld, 다름 "
		       "(differences) "
		       "%lld, 오류 "
		       "(errors) %lld\n",
		       json_get_string(shadow, "name"), (long long)json_get_integer(shadow, "revision", 0),
		       (long long)json_get_integer(shadow, "decisions", 0),
		       (long long)json_get_integer(shadow, "differences", 0),
		       (long long)json_get_integer(shadow, "errors", 0));
}

/* Files that somebody else changed under the daemon. */
static void
print_changed(const json_t *changed)
{
	static const char *const names[] = {"keys", "hashes"};

	for (size_t i = 0; i < 2; i++) {
		const json_t *const each = json_object_get(changed, names[i]);

		if (json_is_object(each))
			printf("주의 (attention): 바뀐 파일 (changed files)\n  %s\n  %s\n",
			       json_get_string(each, "ko"), json_get_string(each, "en"));
	}
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
	print_policy(policy);
	printf("정책 (policies): %lld\n", (long long)json_get_integer(policy, "policies", 0));
	printf("기록 (entries): %lld, 데이터베이스에 (shipped): %lld%s\n",
	       (long long)json_get_integer(ledger, "entries", 0),
	       (long long)json_get_integer(ledger, "shipped", 0),
	       json_get_bool(ledger, "database_up", false) ? ""
	                                                   : " - 데이터베이스에 닿지 못함 / database away");
	print_confirmed(json_object_get(status, "witness"), json_object_get(status, "timestamp"));
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
	print_changed(json_object_get(status, "changed_files"));
	for (size_t i = 0; i < json_array_size(json_object_get(status, "restart_needed")); i++)
		printf("주의 (attention): 다시 시작해야 적용됨 (applied by a restart only): %s\n",
		       json_string_value(json_array_get(json_object_get(status, "restart_needed"), i)));
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
