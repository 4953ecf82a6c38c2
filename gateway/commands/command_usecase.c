/*
 * haechi usecase -- registered uses of AI: what the Act says of them, and what officials need on paper.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/commands/forms.h"
#include "gateway/commands/rules.h"
#include "schema/base/clock.h"
#include "gateway/commands/usecase_fields.h"
#include "gateway/commands/usecase_registry.h"

#define FILE_LIMIT  ((size_t)16 << 20)
#define ARENA_LIMIT ((size_t)16 << 20)

struct assess_options {
	const char *as_of, *share;
	bool json;
};

/* ---- one assessment, for programs and for people ----------------------------------------------------------------- */

static void
write_member(struct buffer *out, const char *name, const char *value, bool comma)
{
	buffer_printf(out, "\"%s\":", name);
	json_quote(out, slice_string(value));
	if (comma)
		buffer_byte(out, ',');
}

static void
write_json(struct buffer *out, const struct usecase *usecase, const struct assessment *assessment)
{
	buffer_byte(out, '{');
	write_member(out, "id", usecase->id, true);
	write_member(out, "verdict", verdict_name(assessment->verdict), true);
	buffer_string(out, "\"domains\":[");
	for (size_t i = 0; i < assessment->domain_count; i++)
		buffer_printf(out, "%s\"%s\"", i > 0 ? "," : "", domain_name(assessment->domains[i]));
	buffer_string(out, "],\"rules\":[");
	for (size_t i = 0; i < assessment->rule_count; i++) {
		const struct rule_hit *rule = &assessment->rules[i];

		buffer_string(out, i > 0 ? ",{" : "{");
		write_member(out, "id", rule->id, true);
		write_member(out, "law", rule->law, true);
		write_member(out, "says", rule->says, true);
		write_member(out, "status", rule->status, true);
		write_member(out, "title_ko", rule->title_ko, true);
		write_member(out, "title_en", rule->title_en, false);
		buffer_byte(out, '}');
	}
	buffer_string(out, "],");
	write_member(out, "ruleset", assessment->ruleset, true);
	buffer_string(out, "\"missing_facts\":[");
	for (size_t i = 0; i < assessment->missing_count; i++) {
		const struct missing_fact *missing = &assessment->missing[i];

		buffer_string(out, i > 0 ? ",{" : "{");
		write_member(out, "field", missing->field, true);
		write_member(out, "question_ko", missing->question_ko, true);
		write_member(out, "question_en", missing->question_en, false);
		buffer_byte(out, '}');
	}
	buffer_string(out, "],\"duties\":[");
	for (size_t i = 0; i < assessment->duty_count; i++)
		buffer_printf(out, "%s\"%s\"", i > 0 ? "," : "", assessment->duties[i]);
	buffer_string(out, "],\"duty_rules\":[");
	for (size_t i = 0; i < assessment->duty_count; i++) {
		const struct rule_hit *rule = &assessment->duty_rules[i];

		buffer_string(out, i > 0 ? ",{" : "{");
		write_member(out, "duty", assessment->duties[i], true);
		write_member(out, "law", rule->law, true);
		write_member(out, "status", rule->status, true);
		write_member(out, "title_ko", rule->title_ko, true);
		write_member(out, "title_en", rule->title_en, false);
		buffer_byte(out, '}');
	}
	buffer_printf(out, "],\"stricter_reading\":%s}\n", assessment->stricter_reading ? "true" : "false");
}

static void
write_text(struct buffer *out, const struct usecase *usecase, const struct assessment *assessment)
{
	buffer_printf(out, "%s  %s (%s)  [%s]\n", usecase->id, verdict_title(assessment->verdict),
	              verdict_name(assessment->verdict), assessment->ruleset);
	if (usecase->title_ko[0] != '\0')
		buffer_printf(out, "  %s\n", usecase->title_ko);
	for (size_t i = 0; i < assessment->domain_count; i++)
		buffer_printf(out, "  영역 domain   %s (%s)\n", domain_title(assessment->domains[i]),
		              domain_name(assessment->domains[i]));
	for (size_t i = 0; i < assessment->rule_count; i++) {
		const struct rule_hit *rule = &assessment->rules[i];

		buffer_printf(out,
		              "  규칙 rule     %-22s %s\n                %s\n                (%s; %s%s)\n",
		              rule->id, rule->title_ko, rule->title_en, rule->says, rule->law,
		              form_status(rule->status));
	}
	for (size_t i = 0; i < assessment->missing_count; i++) {
		const struct missing_fact *missing = &assessment->missing[i];

		buffer_printf(out, "  질문 missing  %s: %s\n                %s\n", missing->field,
		              missing->question_ko, missing->question_en);
	}
	if (assessment->stricter_reading)
		buffer_string(out, "  자료가 엇갈려 엄격한 쪽을 따랐습니다 / sources conflict: the stricter "
		                   "reading stands\n");
	for (size_t i = 0; i < assessment->duty_count; i++)
		buffer_printf(out, "  의무 duty     %-30s %s\n                %s (%s)\n",
		              assessment->duties[i], assessment->duty_rules[i].title_ko,
		              assessment->duty_rules[i].title_en, assessment->duty_rules[i].law);
	buffer_byte(out, '\n');
}

/* ---- assess ------------------------------------------------------------------------------------------------------ */

static int
assess_one(const struct policy *policy, const struct assess_options *options, json_t *value,
           struct arena *arena, struct buffer *out, struct fault *why)
{
	struct buffer text;
	struct usecase usecase;
	struct assessment assessment;
	int result = -1;

	arena_reset(arena);
	buffer_reset(out);
	buffer_init(&text, FILE_LIMIT);
	json_write(&text, value);
	if (!buffer_ok(&text)) {
		fault_memory(why);
		goto out;
	}
	if (usecase_parse(&usecase, buffer_view(&text), arena, why) == -1)
		goto out;
	if (policy_assess(policy, &usecase, options->as_of, arena, &assessment, why) == 0) {
		if (options->json)
			write_json(out, &usecase, &assessment);
		else
			write_text(out, &usecase, &assessment);
		result = buffer_ok(out) ? 0 : fault_memory(why);
	}
	usecase_release(&usecase);
out:
	buffer_free(&text);
	return result;
}

/* A file holds one use case or a list of them. What cannot be read is told, and costs the others nothing. */
static int
assess_file(const struct policy *policy, const struct assess_options *options, const char *path,
            struct arena *arena)
{
	struct fault why = {0};
	struct buffer out;
	json_t *document = json_read_file(path, FILE_LIMIT, &why);
	size_t count = json_is_array(document) ? json_array_size(document) : 1;
	int status = EXIT_GOOD;

	buffer_init(&out, FILE_LIMIT);
	for (size_t i = 0; i < count; i++) {
		json_t *one = json_is_array(document) ? json_array_get(document, i) : document;

		if (one == NULL || assess_one(policy, options, one, arena, &out, &why) == -1) {
			const char *id = json_get_string(one, "id");

			if (count > 1)
				fault_prefix(&why, "%s[%zu]", "%s[%zu]", path, i);
			else if (one != NULL)
				fault_prefix(&why, "%s", "%s", path);
			fault_print(stderr, "haechi usecase", &why);
			status = EXIT_USAGE;
			buffer_reset(&out);
			if (options->json) {
				buffer_string(&out, "{\"id\":");
				if (id != NULL)
					json_quote(&out, slice_string(id));
				else
					buffer_string(&out, "null");
				buffer_string(&out, ",\"error\":{\"ko\":");
				json_quote(&out, slice_string(why.ko));
				buffer_string(&out, ",\"en\":");
				json_quote(&out, slice_string(why.en));
				buffer_string(&out, "}}\n");
			}
		}
		if (fwrite(out.data, 1, out.size, stdout) != out.size)
			status = EXIT_USAGE;
	}
	buffer_free(&out);
	json_decref(document);
	return status;
}

static void
usage(FILE *to)
{
	fputs(
	    "사용법: haechi usecase assess 파일... [--as-of 날짜] [--share 폴더] [--json]\n"
	    "usage:  haechi usecase assess FILE... [--as-of YYYY-MM-DD] [--share FOLDER] [--json]\n\n"
	    "  파일은 schema/usecase.schema.json에 따른 용도 하나 또는 목록입니다 (\"-\": 표준 입력)\n"
	    "  FILE holds one use case by schema/usecase.schema.json, or a list of them (\"-\": standard "
	    "input)\n"
	    "  --as-of  그날 시행 중인 규칙으로 판단합니다 / by the rules in force on that day\n\n"
	    "  haechi usecase fields [--domain D]  무엇을 적을 수 있는가 / what may be entered, and what it "
	    "means\n"
	    "  haechi usecase form33 ID|FILE       [--html] 고영향 확인 요청서(별지 서식) / request for "
	    "confirmation\n"
	    "  haechi usecase self-review ID|FILE  [--html] 사전 검토 기록 / record of the review "
	    "beforehand\n"
	    "  haechi usecase publication ID|FILE  [--html] 게시문(제34조) / the page to be published\n"
	    "      Markdown, --html, --json; [--as-of YYYY-MM-DD] [--socket PATH] [--agency A] [--share "
	    "FOLDER]\n",
	    to);
	fputs(usecase_registry_usage, to);
}

static int
usecase_assess(int argc, char **argv)
{
	struct assess_options options = {0};
	struct policy *policy = NULL;
	struct arena *arena = NULL;
	struct fault why = {0};
	int status = EXIT_GOOD, files = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			options.json = true;
		} else if (strcmp(argv[i], "--as-of") == 0 && i + 1 < argc) {
			options.as_of = argv[++i];
		} else if (strcmp(argv[i], "--share") == 0 && i + 1 < argc) {
			options.share = argv[++i];
		} else if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			return EXIT_GOOD;
		} else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			return command_unknown(argv[i]);
		} else {
			argv[files++] = argv[i];
		}
	}
	if (files == 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if ((arena = arena_new(ARENA_LIMIT)) == NULL) {
		fault_memory(&why);
		goto failed;
	}
	if (command_load_policy(&policy, options.share, &why) == -1)
		goto failed;
	for (int i = 0; i < files; i++) {
		if (assess_file(policy, &options, argv[i], arena) != EXIT_GOOD)
			status = EXIT_USAGE;
	}
	policy_release(policy);
	arena_free(arena);
	return status;
failed:
	fault_print(stderr, "haechi usecase", &why);
	arena_free(arena);
	return EXIT_USAGE;
}

/* ---- forms ----------------------------------------------------------------------------------------------------------- */

/* The document of a use case: out of a file, or out of the registry of the running gateway. */
static json_t *
document_of(const char *which, const char *socket, const char *agency, struct fault *why)
{
	json_t *list = NULL, *found = NULL;

	if (strchr(which, '/') != NULL || strchr(which, '.') != NULL || strcmp(which, "-") == 0)
		return json_read_file(which, FILE_LIMIT, why);
	if (asking_ask(socket, json_pack("{s:s, s:b}", "op", "usecase.list", "documents", 1), &list, why) ==
	    -1)
		return NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *id = json_get_string(one, "id"), *of = json_get_string(one, "agency");

		if (id != NULL && strcmp(id, which) == 0 &&
		    (agency == NULL || (of != NULL && strcmp(of, agency) == 0)))
			found = json_object_get(one, "document");
	}
	json_incref(found);
	json_decref(list);
	if (found == NULL)
		fault_set(why, FAULT_NOT_FOUND, "등록되지 않은 용도입니다: %s",
		          "no such use case is registered: %s", which);
	return found;
}

struct form_options {
	const char *as_of, *share;
	bool html, json;
};

static void
form_json(struct buffer *out, const char *form, const struct usecase *usecase,
          const struct assessment *assessment, struct slice markdown)
{
	buffer_byte(out, '{');
	write_member(out, "form", form, true);
	write_member(out, "id", usecase->id, true);
	write_member(out, "verdict", verdict_name(assessment->verdict), true);
	write_member(out, "ruleset", assessment->ruleset, true);
	buffer_string(out, "\"markdown\":");
	json_quote(out, markdown);
	buffer_string(out, "}\n");
}

static int
form_print(const char *form, json_t *document, const struct form_options *options, struct fault *why)
{
	const char *const as_of = options->as_of, *const share = options->share;
	struct buffer page;
	struct policy *policy = NULL;
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct buffer text, out;
	struct usecase usecase = {0};
	struct assessment assessment;
	json_t *titles = command_usecase_schema(share);
	char day[CLOCK_TEXT_SIZE];
	int result = -1;

	buffer_init(&text, FILE_LIMIT);
	buffer_init(&out, FILE_LIMIT);
	buffer_init(&page, FILE_LIMIT);
	json_write(&text, document);
	if (arena == NULL || !buffer_ok(&text)) {
		fault_memory(why);
		goto out;
	}
	if (command_load_policy(&policy, share, why) == -1 ||
	    usecase_parse(&usecase, buffer_view(&text), arena, why) == -1 ||
	    policy_assess(policy, &usecase, as_of, arena, &assessment, why) == -1)
		goto out;
	clock_text(day, clock_wall_ms() + INT64_C(9) * 3600 * 1000); /* the day in Korea */
	day[10] = '\0';
	if (strcmp(form, "form33") == 0)
		form_confirmation(&out, &usecase, &assessment);
	else if (strcmp(form, "self-review") == 0)
		form_self_review(&out, &usecase, &assessment, policy_bundle(policy), day, titles);
	else
		form_publication(&out, &usecase, &assessment);
	if (options->html)
		form_html(&page, buffer_view(&out));
	else if (options->json)
		form_json(&page, form, &usecase, &assessment, buffer_view(&out));
	else
		buffer_slice(&page, buffer_view(&out));
	if (!buffer_ok(&out) || !buffer_ok(&page))
		fault_memory(why);
	else if (fwrite(page.data, 1, page.size, stdout) != page.size || fflush(stdout) != 0)
		fault_errno(why, "표준 출력", "standard output");
	else
		result = 0;
out:
	json_decref(titles);
	usecase_release(&usecase);
	policy_release(policy);
	arena_free(arena);
	buffer_free(&text);
	buffer_free(&out);
	buffer_free(&page);
	return result;
}

static int
usecase_form(int argc, char **argv)
{
	const char *which = NULL, *socket = NULL, *agency = NULL;
	struct form_options options = {0};
	struct fault why = {0};
	json_t *document;
	int result;

	for (int i = 1; i < argc; i++) {
		const char **into = strcmp(argv[i], "--socket") == 0   ? &socket
		                    : strcmp(argv[i], "--agency") == 0 ? &agency
		                    : strcmp(argv[i], "--as-of") == 0  ? &options.as_of
		                    : strcmp(argv[i], "--share") == 0  ? &options.share
		                                                       : NULL;

		if (into != NULL && i + 1 < argc) {
			*into = argv[++i];
		} else if (strcmp(argv[i], "--html") == 0) {
			options.html = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			options.json = true;
		} else if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			return EXIT_GOOD;
		} else if (which == NULL && (argv[i][0] != '-' || argv[i][1] == '\0')) {
			which = argv[i];
		} else {
			return command_unknown(argv[i]);
		}
	}
	if (which == NULL) {
		usage(stderr);
		return EXIT_USAGE;
	}
	document = document_of(which, socket, agency, &why);
	result = document == NULL ? -1 : form_print(argv[0], document, &options, &why);
	json_decref(document);
	return result == -1 ? command_fail(&why) : EXIT_GOOD;
}

int
command_usecase(int argc, char **argv)
{
	int status;

	if (argc >= 2 && strcmp(argv[1], "fields") == 0)
		return usecase_fields(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "assess") == 0)
		return usecase_assess(argc - 1, argv + 1);
	if (argc >= 2 && (strcmp(argv[1], "form33") == 0 || strcmp(argv[1], "self-review") == 0 ||
	                  strcmp(argv[1], "publication") == 0))
		return usecase_form(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return EXIT_GOOD;
	}
	if (argc >= 2 && (status = usecase_registry(argc - 1, argv + 1)) != -1)
		return status;
	usage(stderr);
	return EXIT_USAGE;
}
