#include "gateway/commands/usecase_registry.h"

#include <getopt.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/commands/forms.h"
#include "schema/verdict.h"

#define DOCUMENT_LIMIT ((size_t)1 << 20)

const char usecase_registry_usage[] =
    "  haechi usecase add FILE       [--socket PATH] [--json]    등록 / register; an existing id gets a new "
    "version\n"
    "  haechi usecase edit FILE      [--socket PATH] [--json]    새 판 / a new version of what is "
    "registered\n"
    "  haechi usecase list           [--socket PATH] [--json]    등록부 / the registry\n"
    "  haechi usecase show ID        [--agency A] [--socket PATH] [--json]    판단과 근거 / verdict and "
    "reasons\n"
    "  haechi usecase retire ID      [--agency A] [--socket PATH] [--json]    폐지 / take out of use\n";

struct options {
	const char *socket, *agency;
	bool json;
};

static void
usage(FILE *to)
{
	fprintf(to, "사용법 / usage:\n%s", usecase_registry_usage);
}

/* Options of any word; -1: go on, else the exit status. */
static int
read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
	    {"socket", required_argument, NULL, 's'},
	    {"agency", required_argument, NULL, 'a'},
	    {"json",   no_argument,       NULL, 'j'},
	    {"help",   no_argument,       NULL, 'h'},
	    {NULL,     0,                 NULL, 0  }
        };
	int option;

	optind = 1;
	while ((option = command_option(argc, argv, "h", known)) != -1)
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'a':
			options->agency = optarg;
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
member(const json_t *object, const char *name)
{
	const char *const text = json_get_string(object, name);

	return text == NULL ? "" : text;
}

static const char *
verdict_in_korean(const json_t *usecase)
{
	enum verdict verdict;

	return verdict_parse(&verdict, member(usecase, "verdict")) ? verdict_title(verdict) : "";
}

/* How it is really used: reviews (T12) and drift. */
static void
print_measured(const json_t *usecase)
{
	const json_t *const review = json_object_get(usecase, "review"), *const drift = json_object_get(
	                                                                     usecase, "drift");
	const long long decisions = json_get_integer(review, "decisions", -1),
	                requests = json_get_integer(drift, "decisions", 0);

	if (decisions > 0)
		printf(
		    "  검토 review   측정된 %lld건 중 변경·거부 %lld, 성급한 승인 %lld, 중앙값 %.1f초 (%s)\n"
		    "                of %lld measured, %lld changed or refused, %lld hasty, median %.1f s\n",
		    decisions, (long long)json_get_integer(review, "changed", 0),
		    (long long)json_get_integer(review, "hasty", 0),
		    (double)json_get_integer(review, "median_ms", 0) / 1000, member(review, "standing"),
		    decisions, (long long)json_get_integer(review, "changed", 0),
		    (long long)json_get_integer(review, "hasty", 0),
		    (double)json_get_integer(review, "median_ms", 0) / 1000);
	if (requests > 0)
		printf("  이탈 drift    최근 요청 %lld건 중 확실 %lld, 의심 %lld%s\n"
		       "                of the last %lld requests %lld certain, %lld suspected%s\n",
		       requests, (long long)json_get_integer(drift, "certain", 0),
		       (long long)json_get_integer(drift, "suspected", 0),
		       json_get_bool(drift, "often", false) ? ": 용도를 다시 판단하십시오" : "", requests,
		       (long long)json_get_integer(drift, "certain", 0),
		       (long long)json_get_integer(drift, "suspected", 0),
		       json_get_bool(drift, "often", false) ? ": assess the use anew" : "");
}

/* A use case for people: what it is, what the Act says of it, why, what is missing, what follows. */
static void
print_usecase(const json_t *usecase)
{
	const json_t *const title = json_object_get(usecase, "title");
	const json_t *each;
	size_t i;

	printf("%s  %s (%s)  [%s]\n", member(usecase, "id"), verdict_in_korean(usecase),
	       member(usecase, "verdict"), member(usecase, "ruleset"));
	printf("  %s / %s\n", member(title, "ko"), member(title, "en"));
	printf("  기관 agency   %s, 제%lld판 version\n", member(usecase, "agency"),
	       (long long)json_get_integer(usecase, "version", 0));
	json_array_foreach(json_object_get(usecase, "domains"), i, each)
	    printf("  영역 domain   %s\n", json_string_value(each));
	json_array_foreach(json_object_get(usecase, "rules"), i, each) printf(
	    "  규칙 rule     %s [%s%s] %s\n                %s\n", member(each, "id"), member(each, "law"),
	    form_status(member(each, "status")), member(json_object_get(each, "title"), "ko"),
	    member(json_object_get(each, "title"), "en"));
	json_array_foreach(json_object_get(usecase, "missing_facts"), i, each) printf(
	    "  질문 missing  %s: %s\n                %s\n", member(each, "field"),
	    member(json_object_get(each, "question"), "ko"), member(json_object_get(each, "question"), "en"));
	if (json_get_bool(usecase, "stricter_reading", false))
		puts(
		    "  자료가 엇갈려 엄격한 쪽을 따랐습니다 / sources conflict: the stricter reading stands");
	json_array_foreach(json_object_get(usecase, "duty_rules"), i, each) printf(
	    "  의무 duty     %s [%s] %s\n                %s\n", member(each, "duty"), member(each, "law"),
	    member(json_object_get(each, "title"), "ko"), member(json_object_get(each, "title"), "en"));
	print_measured(usecase);
}

static int
add(const struct options *options, const char *path, bool must_exist)
{
	struct buffer document;
	struct slice text;
	struct fault why;
	json_t *request, *result = NULL;
	int status = EXIT_GOOD;

	if (file_read(&document, path, DOCUMENT_LIMIT, &why) == -1)
		return command_fail(&why);
	text = slice_unmarked(buffer_view(&document));
	request = json_pack("{s:s, s:o, s:b}", "op", "usecase.add", "document",
	                    json_stringn((const char *)text.data, text.size), "must_exist", (int)must_exist);
	buffer_free(&document);
	if (asking_ask(options->socket, request, &result, &why) == -1) {
		fault_prefix(&why, "%s", "%s", path);
		return command_fail(&why);
	}
	if (options->json) {
		status = asking_print(result);
	} else {
		print_usecase(result);
		printf("  기록 entry    %s\n", member(result, "entry"));
	}
	json_decref(result);
	return status;
}

static const char *
attention(const json_t *usecase)
{
	const char *const standing = member(json_object_get(usecase, "review"), "standing");
	const bool failed = strcmp(standing, "rubber-stamped") == 0 || strcmp(standing, "hasty") == 0,
	           often = json_get_bool(json_object_get(usecase, "drift"), "often", false);

	return failed && often ? "검토 부실 T12, 이탈 잦음 drift"
	       : failed        ? "검토 부실 T12"
	       : often         ? "이탈 잦음 drift"
	                       : "";
}

static int
list(const struct options *options)
{
	static const char *const titles[] = {"용도 usecase", "판 version", "판단 verdict", "등급 grade",
	                                     "기관 agency",  "제목 title", "상태 state",   "주의 attention"};
	json_t *result = NULL;
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	if (asking_ask(options->socket, json_pack("{s:s}", "op", "usecase.list"), &result, &why) == -1)
		return command_fail(&why);
	if (options->json) {
		status = asking_print_lines(result);
		json_decref(result);
		return status;
	}
	table_init(&table, 8, titles);
	for (size_t i = 0; i < json_array_size(result); i++) {
		const json_t *const usecase = json_array_get(result, i);
		char version[24];

		snprintf(version, sizeof version, "%lld", (long long)json_get_integer(usecase, "version", 0));
		table_row(&table,
		          (const char *[]){member(usecase, "id"), version, verdict_in_korean(usecase),
		                           member(usecase, "grade"), member(usecase, "agency"),
		                           member(json_object_get(usecase, "title"), "ko"),
		                           json_get_bool(usecase, "retired", false) ? "폐지" : "사용 중",
		                           attention(usecase)});
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	json_decref(result);
	return status;
}

/* The registered use `id`, of the agency asked for or of the only one that has it. The caller's; NULL with the reason. */
static json_t *
find(const struct options *options, const char *id, struct fault *why)
{
	json_t *result = NULL, *found = NULL;

	if (asking_ask(options->socket, json_pack("{s:s}", "op", "usecase.list"), &result, why) == -1)
		return NULL;
	for (size_t i = 0; i < json_array_size(result); i++) {
		json_t *const usecase = json_array_get(result, i);

		if (strcmp(member(usecase, "id"), id) != 0 ||
		    (options->agency != NULL && strcmp(member(usecase, "agency"), options->agency) != 0))
			continue;
		if (found != NULL) {
			fault_set(why, FAULT_USAGE, "여러 기관에 있습니다. --agency 로 고르십시오: %s",
			          "several agencies have it, choose one by --agency: %s", id);
			json_decref(found);
			json_decref(result);
			return NULL;
		}
		found = json_incref(usecase);
	}
	json_decref(result);
	if (found == NULL)
		fault_set(why, FAULT_NOT_FOUND, "등록되지 않은 용도입니다: %s",
		          "no such use case is registered: %s", id);
	return found;
}

static int
show(const struct options *options, const char *id)
{
	struct fault why;
	json_t *const usecase = find(options, id, &why);
	int status = EXIT_GOOD;

	if (usecase == NULL)
		return command_fail(&why);
	if (options->json)
		status = asking_print(usecase);
	else
		print_usecase(usecase);
	json_decref(usecase);
	return status;
}

static int
retire(const struct options *options, const char *id)
{
	struct fault why;
	json_t *const usecase = find(options, id, &why);
	json_t *result = NULL;
	int status = EXIT_GOOD;

	if (usecase == NULL)
		return command_fail(&why);
	if (asking_ask(options->socket,
	               json_pack("{s:s, s:s, s:s}", "op", "usecase.retire", "agency",
	                         member(usecase, "agency"), "id", id),
	               &result, &why) == -1) {
		json_decref(usecase);
		return command_fail(&why);
	}
	json_decref(usecase);
	if (options->json)
		status = asking_print(result);
	else
		printf("폐지했습니다 / retired: %s (%s)\n", id, member(result, "entry"));
	json_decref(result);
	return status;
}

int
usecase_registry(int argc, char **argv)
{
	static const char *const words[] = {"add", "edit", "list", "show", "retire", NULL};
	const char *const *word = words;
	struct options options = {0};
	int status, left;

	while (*word != NULL && strcmp(*word, argv[0]) != 0)
		word++;
	if (*word == NULL)
		return -1;
	if ((status = read_options(&options, argc, argv)) != -1)
		return status;
	left = argc - optind;
	if (left != (strcmp(*word, "list") == 0 ? 0 : 1)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(*word, "list") == 0)
		return list(&options);
	if (strcmp(*word, "show") == 0)
		return show(&options, argv[optind]);
	if (strcmp(*word, "retire") == 0)
		return retire(&options, argv[optind]);
	return add(&options, argv[optind], strcmp(*word, "edit") == 0);
}
