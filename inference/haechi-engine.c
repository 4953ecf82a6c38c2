/* haechi-engine -- the inference server and its tools; see haechi-engine.1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/tools.h"
#include "schema/version.h"

static const struct {
	const char *name;
	int (*run)(int count, char **arguments);
	const char *ko, *en;
} commands[] = {
    {"serve",    tool_serve,    "OpenAI API로 모델을 제공",               "serve a model by the OpenAI API"         },
    {"logits",   tool_logits,   "토큰마다 로짓, 이어서 탐욕 생성", "logits at each token, then greedy tokens"},
    {"tokenize", tool_tokenize, "표준 입력의 텍스트를 토큰으로",   "text on standard input to tokens"        },
    {"inspect",  tool_inspect,  "모델 파일의 내용",                      "what a model file holds"                 },
    {"bench",    tool_bench,    "초당 토큰 측정",                         "measure tokens per second"               },
};

static void
usage(FILE *to)
{
	fprintf(to, "사용법 (usage): %s 명령 [옵션]   ('%s 명령 --help')\n\n", PROGRAM, PROGRAM);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(to, "  %-9s %s\n            %s\n", commands[i].name, commands[i].ko, commands[i].en);
}

void
tool_usage(FILE *to, const char *synopsis, const struct tool_option *options)
{
	fprintf(to, "사용법 (usage): %s %s\n\n", PROGRAM, synopsis);
	for (; options->name != NULL; options++)
		fprintf(to, "  %-22s %s\n  %-22s %s\n", options->name, options->ko, "", options->en);
}

int
tool_fail(const struct fault *why)
{
	fault_print(stderr, PROGRAM, why);
	return 2;
}

int
tool_number(const char *option, const char *text, long least, long most, long *out, struct fault *why)
{
	char *end;

	*out = strtol(text, &end, 10);
	if (end == text || *end != '\0' || *out < least || *out > most)
		return fault_set(why, FAULT_USAGE, "%s: '%s'은(는) %ld-%ld의 정수가 아닙니다",
		                 "%s: '%s' is not a whole number within %ld-%ld", option, text, least, most);
	return 0;
}

int
tool_tokens(const char *text, struct token_list *out, struct fault *why)
{
	while (*text != '\0') {
		char *end;
		unsigned long id = strtoul(text, &end, 10);

		if (end == text || *text == '-' || (*end != ',' && *end != '\0') || id >= TOKEN_NONE)
			return fault_set(why, FAULT_USAGE, "토큰 목록은 '1,2,3'처럼 씁니다: '%s'",
			                 "tokens are written like '1,2,3': '%s'", text);
		if (token_list_add(out, (uint32_t)id, why) == -1)
			return -1;
		text = *end == ',' ? end + 1 : end;
	}
	return 0;
}

/* What could not be written was not answered. */
static int
finish(int status)
{
	struct fault why;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fault_errno(&why, "표준 출력", "standard output");
	return tool_fail(&why);
}

int
main(int count, char **arguments)
{
	if (version_asked(count, arguments, PROGRAM))
		return 0;
	if (count >= 2 && (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "help") == 0)) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; count >= 2 && i < sizeof commands / sizeof *commands; i++)
		if (strcmp(arguments[1], commands[i].name) == 0)
			return finish(commands[i].run(count - 1, arguments + 1));
	if (count >= 2) {
		struct fault why;

		fault_set(&why, FAULT_USAGE, "그런 명령이 없습니다: %s", "there is no such command: %s",
		          arguments[1]);
		tool_fail(&why);
	}
	usage(stderr);
	return 2;
}
