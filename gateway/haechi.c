/*
 * haechi -- the command of operators, auditors and regulators: finds the word, calls its function.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/commands/commands.h"
#include "schema/version.h"

static int command_help(int argc, char **argv);

static const struct {
	const char *word;
	int (*run)(int argc, char **argv);
	const char *ko, *en;
} commands[] = {
    {"audit", command_audit, "증적: 조회, 영수증, 검증", "evidence: query, receipts, verify"},
    {"classify", command_classify, "글의 신호: 영역과 개인식별자", "what a text gives away: domains, identifiers"},
    {"db", command_db, "데이터베이스: 테이블, 로그인", "the database: tables, logins"},
    {"explain", command_explain, "결정 하나의 이유", "why one request was decided as it was"},
    {"replay", command_replay, "기록된 결정을 다시 내려 비교", "make recorded decisions again and compare"},
    {"report", command_report, "규제기관에 낼 보고서", "reports for a regulator"},
    {"help", command_help, "명령 목록", "this list"},
    {"key", command_key, "API 키: 만들기, 목록, 폐지", "API keys: create, list, revoke"},
    {"policy", command_policy, "정책: 판정, 검증", "policies: decide, validate"},
    {"review", command_review, "보류된 요청의 검토", "requests that wait for a person"},
    {"status", command_status, "게이트웨이의 상태", "the state of the gateway"},
    {"usecase", command_usecase, "등록된 용도의 법적 판단", "what the Act says of a registered use"},
};

static void
usage(FILE *to)
{
	fprintf(to, "사용법: haechi 명령 [선택...]    (각 명령: haechi 명령 --help)\n"
	            "usage:  haechi COMMAND [OPTION...]    (each: haechi COMMAND --help)\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(to, "  %-9s %s\n  %-9s %s\n", commands[i].word, commands[i].ko, "", commands[i].en);
}

static int
command_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	usage(stdout);
	return EXIT_GOOD;
}

/* An answer that could not be written, on a full disk say, is no good answer. */
static int
written(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fputs("haechi: 출력을 다 쓰지 못했습니다\n        the output could not be written whole\n", stderr);
	return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	if (version_asked(argc, argv, "haechi"))
		return EXIT_GOOD;
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return command_help(argc, argv);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(argv[1], commands[i].word) == 0)
			return written(commands[i].run(argc - 1, argv + 1));
	fprintf(stderr, "haechi: 모르는 명령입니다: %s\n        unknown command: %s\n", argv[1], argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
