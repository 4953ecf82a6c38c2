/* `haechi policy bundle activate|rollback|shadow|list|import|export|pull`: through the running gateway. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/command_bundle.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "policy/policy_bundle.h"

/* Asked and answered; a "no" of the gateway is an answer, a gateway that is not there is not. */
static int
ask(const struct bundle_options *options, json_t *request, json_t **result)
{
	struct fault why;

	if (asking_ask(options->socket, request, result, &why) == 0)
		return EXIT_GOOD;
	(void)command_fail(&why);
	return why.kind == FAULT_SYSTEM || why.kind == FAULT_UNAVAILABLE || why.kind == FAULT_USAGE ||
	               why.kind == FAULT_MEMORY
	           ? EXIT_USAGE
	           : EXIT_NO;
}

static json_t *
begin(const struct bundle_options *options, const char *op)
{
	json_t *request = json_pack("{s:s}", "op", op);

	if (options->reason != NULL)
		json_object_set_new(request, "reason", json_string(options->reason));
	return request;
}

/* A whole number is the revision of a bundle the gateway keeps, everything else a file. */
static int
put_bundle(json_t *request, const char *word, struct fault *why)
{
	struct buffer bytes;
	char *text, *end;
	const long long revision = strtoll(word, &end, 10);

	if (isdigit((unsigned char)word[0]) && *end == '\0')
		return json_object_set_new(request, "revision", json_integer(revision)) == 0
		           ? 0
		           : fault_memory(why);
	buffer_init(&bytes, BUNDLE_SIZE_LIMIT);
	if (file_read(&bytes, word, BUNDLE_SIZE_LIMIT, why) == -1)
		return -1;
	if ((text = malloc(BASE64_SIZE(bytes.size))) != NULL) {
		base64_encode(text, bytes.data, bytes.size);
		json_object_set_new(request, "bundle", json_string(text));
	}
	free(text);
	buffer_free(&bytes);
	return json_object_get(request, "bundle") != NULL ? 0 : fault_memory(why);
}

static const char *
outcome_title(const char *outcome)
{
	static const char *const titles[][2] = {
	    {"activated",   "시행했습니다 activated"     },
	    {"rolled-back", "되돌렸습니다 rolled back"   },
	    {"imported",    "들여왔습니다 imported"      },
	    {"unchanged",   "그대로입니다 nothing is new"},
	};

	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (outcome != NULL && strcmp(titles[i][0], outcome) == 0)
			return titles[i][1];
	return outcome;
}

static int
tell(const struct bundle_options *options, json_t *result)
{
	int status = EXIT_GOOD;

	if (options->json) {
		status = asking_print(result);
	} else {
		printf("%s", outcome_title(json_get_string(result, "outcome")));
		if (json_get_string(result, "bundle") != NULL)
			printf(": %s 제%lld판 revision\n  묶음 (bundle): %s", json_get_string(result, "name"),
			       (long long)json_get_integer(result, "revision", 0),
			       json_get_string(result, "bundle"));
		if (json_get_string(result, "previous") != NULL)
			printf("\n  앞의 것 (previous): %s\n  서명 (signed by): %s, 정책 (policies): %lld, "
			       "통과한 시험 "
			       "(tests passed): %lld",
			       json_get_string(result, "previous"), json_get_string(result, "signers"),
			       (long long)json_get_integer(result, "policies", 0),
			       (long long)json_get_integer(result, "tests", 0));
		if (json_get_string(result, "entry") != NULL)
			printf("\n  기록 (entry): %s", json_get_string(result, "entry"));
		putchar('\n');
	}
	json_decref(result);
	return fflush(stdout) == 0 ? status : EXIT_USAGE;
}

static int
send_bundle(const struct bundle_options *options, const char *op, bool import_only)
{
	json_t *request = begin(options, op), *result = NULL;
	struct fault why;
	int status;

	if (put_bundle(request, options->words[0], &why) == -1) {
		json_decref(request);
		return command_fail(&why);
	}
	json_object_set_new(request, "allow_rollback", json_boolean(options->allow_rollback));
	json_object_set_new(request, "import_only", json_boolean(import_only));
	status = ask(options, request, &result);
	return status != EXIT_GOOD ? status : tell(options, result);
}

int
bundle_activate(const struct bundle_options *options)
{
	return send_bundle(options, "policy.activate", false);
}

int
bundle_import(const struct bundle_options *options)
{
	return send_bundle(options, "policy.activate", true);
}

int
bundle_roll_back(const struct bundle_options *options)
{
	json_t *request = begin(options, "policy.rollback"), *result = NULL;
	struct fault why;
	uint64_t revision = 0;
	int status;

	if (options->word_count == 1 &&
	    command_parse_number(&revision, "revision", options->words[0], &why) == -1) {
		json_decref(request);
		return command_fail(&why);
	}
	if (revision > 0)
		json_object_set_new(request, "revision", json_integer((json_int_t)revision));
	status = ask(options, request, &result);
	return status != EXIT_GOOD ? status : tell(options, result);
}

int
bundle_pull_ask(const struct bundle_options *options)
{
	json_t *result = NULL;
	const int status = ask(options, begin(options, "policy.pull"), &result);

	return status != EXIT_GOOD ? status : tell(options, result);
}

/* ---- beside ---------------------------------------------------------------------------------------------------------- */

static int
tell_shadow(const struct bundle_options *options, const json_t *shadow)
{
	static const char *const titles[] = {"때(한국) time",  "요청 request", "시행 in force",
	                                     "후보 candidate", "의무 duties",  "정책 policy"};
	const json_t *const recent = json_object_get(shadow, "recent");
	char since[COMMAND_TIME_SIZE];
	struct table table;
	struct fault why;
	const char *name;
	json_t *count;
	int status = EXIT_GOOD;

	if (options->json)
		return asking_print(shadow);
	printf(
	    "나란히 돌림 (in the shadow): %s 제%lld판 revision, %s부터 (since, 한국)\n  묶음 (bundle): %s\n"
	    "  결정 (decisions): %lld, 다름 (differences): %lld, 의무만 다름 (duties only): %lld, 오류 "
	    "(errors): %lld\n",
	    json_get_string(shadow, "name"), (long long)json_get_integer(shadow, "revision", 0),
	    command_time_of(since, json_get_string(shadow, "since")), json_get_string(shadow, "bundle"),
	    (long long)json_get_integer(shadow, "decisions", 0),
	    (long long)json_get_integer(shadow, "differences", 0),
	    (long long)json_get_integer(shadow, "duties", 0),
	    (long long)json_get_integer(shadow, "errors", 0));
	json_object_foreach(json_object_get(shadow, "by"), name, count)
	{
		printf("    %s: %lld\n", name, (long long)json_integer_value(count));
	}
	if (json_array_size(recent) == 0)
		return EXIT_GOOD;
	table_init(&table, 6, titles);
	for (size_t i = 0; i < json_array_size(recent); i++) {
		const json_t *one = json_array_get(recent, i);
		char time[COMMAND_TIME_SIZE];

		table_row(&table, (const char *const[]){
		                      command_time_of(time, json_get_string(one, "time")),
		                      json_get_string(one, "request_id"), json_get_string(one, "enforced"),
		                      json_get_bool(one, "failed", false) ? "오류 error"
		                                                          : json_get_string(one, "candidate"),
		                      json_get_bool(one, "duties_differ", false) ? "다름 differ" : "",
		                      json_get_string(one, "policy")});
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	return status;
}

/* Without a word and without --off: what was found so far. */
int
bundle_beside(const struct bundle_options *options)
{
	const bool look = options->word_count == 0 && !options->off;
	json_t *request = begin(options, look ? "status" : "policy.shadow"), *result = NULL;
	const json_t *shadow;
	struct fault why;
	int status;

	if (options->word_count == 1 && put_bundle(request, options->words[0], &why) == -1) {
		json_decref(request);
		return command_fail(&why);
	}
	if ((status = ask(options, request, &result)) != EXIT_GOOD)
		return status;
	shadow = look ? json_object_get(json_object_get(result, "policy"), "shadow") : result;
	if (shadow == NULL) {
		fault_set(&why, FAULT_NOT_FOUND, "나란히 돌리는 묶음이 없습니다",
		          "no bundle runs in the shadow");
		(void)command_fail(&why);
		status = EXIT_NO;
	} else {
		status = tell_shadow(options, shadow);
	}
	json_decref(result);
	return status;
}

/* ---- kept ------------------------------------------------------------------------------------------------------------ */

static const char *
state_title(const char *state)
{
	static const char *const titles[][2] = {
	    {"active",   "시행 active"     },
	    {"kept",     "보관 kept"       },
	    {"imported", "들여옴 imported"},
	    {"broken",   "깨짐 broken"     }
        };

	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (state != NULL && strcmp(titles[i][0], state) == 0)
			return titles[i][1];
	return state;
}

int
bundle_list(const struct bundle_options *options)
{
	static const char *const titles[] = {
	    "판 revision",          "상태 state",     "이름 name",  "만든 때(한국) created",
	    "시행(한국) activated", "서명 signed by", "묶음 bundle"};
	json_t *result = NULL;
	struct table table;
	struct fault why;
	int status = ask(options, begin(options, "policy.list"), &result);

	if (status != EXIT_GOOD)
		return status;
	if (options->json) {
		status = asking_print_lines(result);
		json_decref(result);
		return status;
	}
	table_init(&table, 7, titles);
	table.right[0] = true;
	for (size_t i = 0; i < json_array_size(result); i++) {
		const json_t *row = json_array_get(result, i);
		char revision[24], created[COMMAND_TIME_SIZE], activated[COMMAND_TIME_SIZE], digest[17];

		snprintf(revision, sizeof revision, "%lld", (long long)json_get_integer(row, "revision", 0));
		snprintf(digest, sizeof digest, "%.16s", json_get_string(row, "bundle"));
		table_row(&table, (const char *const[]){
		                      revision, state_title(json_get_string(row, "state")),
		                      json_get_string(row, "name"),
		                      command_time_of(created, json_get_string(row, "created")),
		                      command_time_of(activated, json_get_string(row, "activated_at")),
		                      json_get_string(row, "signers"), digest});
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	json_decref(result);
	return status;
}

int
bundle_export(const struct bundle_options *options)
{
	json_t *request = begin(options, "policy.export"), *result = NULL;
	const char *text;
	uint8_t *bytes = NULL;
	uint64_t revision = 0;
	size_t size = 0;
	struct fault why;
	int status;

	if (options->out == NULL) {
		fault_set(&why, FAULT_USAGE, "--out 파일이 있어야 합니다", "--out FILE is needed");
		json_decref(request);
		return command_fail(&why);
	}
	if (options->word_count == 1 &&
	    command_parse_number(&revision, "revision", options->words[0], &why) == -1) {
		json_decref(request);
		return command_fail(&why);
	}
	if (revision > 0)
		json_object_set_new(request, "revision", json_integer((json_int_t)revision));
	if ((status = ask(options, request, &result)) != EXIT_GOOD)
		return status;
	text = json_get_string(result, "bundle");
	if (text == NULL || (bytes = malloc(strlen(text) / 4 * 3 + 3)) == NULL ||
	    !base64_decode(bytes, &size, slice_string(text))) {
		fault_set(&why, FAULT_INTERNAL, "haechid의 답을 읽을 수 없습니다",
		          "haechid's answer cannot be read");
		status = command_fail(&why);
	} else if (file_replace(options->out, slice_of(bytes, size), 0644, &why) == -1) {
		status = command_fail(&why);
	}
	free(bytes);
	json_decref(result);
	return status;
}
