/*
 * `haechi policy explain` and `haechi policy test`: policies on requests.
 *
 * Tests are Cedar's own form: [{"name","request","decision","reason":[ids],"num_errors"?,"entities"?}]. request and
 * entities stand there, or name a file relative to the file of tests.
 */
#include "gateway/commands/commands.h"
#include "gateway/commands/policy_files.h"

#include <stdlib.h>
#include <string.h>

#include "policy/cedar/cedar_json.h"
#include "policy/cedar/schema.h"
#include "schema/base/json.h"

#define ARENA_LIMIT ((size_t)1 << 30)

struct asked {
	struct arena *arena;
	struct cedar_notes notes;
	struct cedar_policies *policies;
	struct cedar_schema *schema;
	struct cedar_entities *entities;
};

/* Ids are those of @id: people name policies by them. */
static int
asked_open(struct asked *asked, const struct policy_options *options, struct fault *why)
{
	memset(asked, 0, sizeof *asked);
	if (options->policy_count == 0)
		return fault_set(why, FAULT_USAGE, "--policies가 있어야 합니다", "--policies is needed");
	if ((asked->arena = arena_new(ARENA_LIMIT)) == NULL)
		return fault_memory(why);
	asked->notes.arena = asked->arena;
	if ((options->schema != NULL &&
	     policy_files_load_schema(&asked->schema, options->schema, &asked->notes, why) == -1) ||
	    policy_files_load(&asked->policies, options->policies, options->policy_count, true, &asked->notes,
	                      why) == -1)
		return -1;
	if (options->entities == NULL)
		return 0;
	return policy_files_entities(&asked->entities, options->entities, asked->schema, asked->arena, why);
}

static void
asked_close(struct asked *asked)
{
	cedar_policies_free(asked->policies);
	cedar_schema_free(asked->schema);
	arena_free(asked->arena);
}

/* ---- explain --------------------------------------------------------------------------------------------------- */

static int
explain_one(const struct policy_options *options, struct asked *asked, uint32_t number,
            const struct cedar_request *request, struct fault *why)
{
	struct buffer ko, en, out;
	int result;

	buffer_init(&ko, CEDAR_TEXT_LIMIT);
	buffer_init(&en, CEDAR_TEXT_LIMIT);
	buffer_init(&out, 4 * CEDAR_TEXT_LIMIT);
	result =
	    cedar_explain(&ko, &en, asked->policies, number, request, asked->entities, asked->arena, why);
	if (result == 0 && options->json) {
		buffer_string(&out, "{\"policy\":");
		json_quote(&out, slice_string(cedar_policy_id(asked->policies, number)));
		buffer_string(&out, ",\"ko\":");
		json_quote(&out, buffer_view(&ko));
		buffer_string(&out, ",\"en\":");
		json_quote(&out, buffer_view(&en));
		buffer_string(&out, "}\n");
	} else if (result == 0) {
		buffer_slice(&out, buffer_view(&ko));
		buffer_slice(&out, buffer_view(&en));
		buffer_byte(&out, '\n');
	}
	if (result == 0 && (!buffer_ok(&out) || fwrite(out.data, 1, out.size, stdout) != out.size))
		result = fault_errno(why, "표준 출력", "standard output");
	buffer_free(&ko);
	buffer_free(&en);
	buffer_free(&out);
	return result;
}

int
policy_explain(const struct policy_options *options)
{
	struct asked asked;
	struct cedar_request request;
	struct cedar_result result;
	struct fault why;
	uint32_t number = CEDAR_NO_POLICY;
	int status = EXIT_USAGE;

	if (asked_open(&asked, options, &why) == -1) {
		policy_files_fail(&asked.notes, &why);
		goto out;
	}
	if (options->request == NULL) {
		fault_set(&why, FAULT_USAGE, "--request가 있어야 합니다", "--request is needed");
		policy_files_fail(NULL, &why);
		goto out;
	}
	if (options->policy != NULL &&
	    (number = cedar_policy_find(asked.policies, options->policy)) == CEDAR_NO_POLICY) {
		fault_set(&why, FAULT_NOT_FOUND, "정책 '%s'이(가) 없습니다", "there is no policy '%s'",
		          options->policy);
		policy_files_fail(NULL, &why);
		goto out;
	}
	if (policy_files_request(&request, options->request, asked.schema, !options->no_request_check,
	                         asked.arena, &why) == -1 ||
	    cedar_authorize(asked.policies, &request, asked.entities, asked.arena, &result, &why) == -1) {
		policy_files_fail(NULL, &why);
		goto out;
	}
	status = result.decision == CEDAR_ALLOW ? EXIT_GOOD : EXIT_NO;
	for (uint32_t i = 0; i < cedar_policies_count(asked.policies); i++) {
		if (number != CEDAR_NO_POLICY && number != i)
			continue;
		if (explain_one(options, &asked, i, &request, &why) == -1) {
			status = policy_files_fail(NULL, &why);
			break;
		}
	}
out:
	asked_close(&asked);
	return status;
}

/* ---- test ------------------------------------------------------------------------------------------------------ */

struct testing {
	const struct policy_options *options;
	struct asked *asked;
	bool *covered; /* a policy was satisfied in some test */
	size_t passed, failed;
};

/* A file beside the file of tests. */
static const char *
beside(const struct testing *testing, struct slice name)
{
	const char *slash = strrchr(testing->options->tests, '/');
	int folder = slash == NULL ? 0 : (int)(slash + 1 - testing->options->tests);

	if (name.size > 0 && name.data[0] == '/')
		folder = 0;
	return arena_printf(testing->asked->arena, "%.*s%.*s", folder, testing->options->tests,
	                    SLICE_PRINT(name));
}

static int
test_request(struct testing *testing, const struct cedar_json *json, struct cedar_request *request,
             struct fault *why)
{
	struct asked *asked = testing->asked;
	const char *path;

	if (json == NULL)
		return fault_set(why, FAULT_INVALID, "request가 없습니다", "request is missing");
	if (json->kind != CEDAR_JSON_STRING)
		return cedar_request_from(request, asked->arena, json, asked->schema,
		                          !testing->options->no_request_check, why);
	if ((path = beside(testing, json->as.string)) == NULL)
		return fault_memory(why);
	return policy_files_request(request, path, asked->schema, !testing->options->no_request_check,
	                            asked->arena, why);
}

static bool
reason_same(const struct testing *testing, const struct cedar_json *wanted, const struct cedar_result *result)
{
	if (wanted == NULL)
		return true;
	if (wanted->kind != CEDAR_JSON_ARRAY || wanted->count != result->determining_count)
		return false;
	for (uint32_t i = 0; i < wanted->count; i++) {
		bool found = false;

		for (size_t j = 0; j < result->determining_count && !found; j++)
			found = wanted->as.items[i].kind == CEDAR_JSON_STRING &&
			        slice_is(wanted->as.items[i].as.string,
			                 cedar_policy_id(testing->asked->policies, result->determining[j]));
		if (!found)
			return false;
	}
	return true;
}

static int
test_one(struct testing *testing, const struct cedar_json *test, struct buffer *got, bool *passed,
         struct fault *why)
{
	struct asked *asked = testing->asked;
	const struct cedar_json *decision = cedar_json_get(test, "decision"),
	                        *errors = cedar_json_get(test, "num_errors");
	const struct cedar_json *entities_json = cedar_json_get(test, "entities");
	struct cedar_entities *entities = asked->entities;
	struct cedar_request request;
	struct cedar_result result;
	const char *path;

	if (entities_json != NULL && entities_json->kind == CEDAR_JSON_STRING) {
		if ((path = beside(testing, entities_json->as.string)) == NULL)
			return fault_memory(why);
		if (policy_files_entities(&entities, path, asked->schema, asked->arena, why) == -1)
			return -1;
	} else if (entities_json != NULL &&
	           cedar_entities_from(&entities, asked->arena, entities_json, asked->schema, why) == -1) {
		return -1;
	}
	if (test_request(testing, cedar_json_get(test, "request"), &request, why) == -1 ||
	    cedar_authorize(asked->policies, &request, entities, asked->arena, &result, why) == -1)
		return -1;
	for (size_t i = 0; i < result.permit_count; i++)
		testing->covered[result.permits[i]] = true;
	for (size_t i = 0; i < result.forbid_count; i++)
		testing->covered[result.forbids[i]] = true;
	policy_write_result(got, asked->policies, &result);
	*passed = decision != NULL && decision->kind == CEDAR_JSON_STRING &&
	          slice_is(decision->as.string, result.decision == CEDAR_ALLOW ? "allow" : "deny") &&
	          reason_same(testing, cedar_json_get(test, "reason"), &result) &&
	          (errors == NULL ||
	           (errors->kind == CEDAR_JSON_INTEGER && errors->as.integer == (int64_t)result.error_count));
	return 0;
}

static void
test_report(struct testing *testing, const struct cedar_json *test, uint32_t number, bool passed,
            const struct buffer *got, const struct fault *why)
{
	const struct cedar_json *name = cedar_json_get(test, "name");
	struct slice text =
	    name != NULL && name->kind == CEDAR_JSON_STRING ? name->as.string : (struct slice){NULL, 0};
	struct buffer out;

	*(passed ? &testing->passed : &testing->failed) += 1;
	buffer_init(&out, CEDAR_TEXT_LIMIT);
	if (testing->options->json) {
		buffer_printf(&out, "{\"test\":%u,\"name\":", number);
		json_quote(&out, text);
		buffer_printf(&out, ",\"passed\":%s,\"got\":", passed ? "true" : "false");
		if (why == NULL)
			buffer_slice(&out, buffer_view(got));
		else
			buffer_string(&out, "null");
		if (why != NULL) {
			buffer_string(&out, ",\"error\":");
			json_quote(&out, slice_string(why->en));
		}
		buffer_string(&out, "}\n");
	} else {
		buffer_printf(&out, "%s  %.*s\n", passed ? "통과/pass" : "실패/FAIL", SLICE_PRINT(text));
		if (!passed && why == NULL)
			buffer_printf(&out, "      %.*s\n", SLICE_PRINT(buffer_view(got)));
		else if (!passed)
			buffer_printf(&out, "      %s\n      %s\n", why->ko, why->en);
	}
	fwrite(out.data, 1, out.size, stdout);
	buffer_free(&out);
}

static void
test_summary(const struct testing *testing)
{
	uint32_t count = (uint32_t)cedar_policies_count(testing->asked->policies), covered = 0;
	struct buffer out;

	buffer_init(&out, CEDAR_TEXT_LIMIT);
	for (uint32_t i = 0; i < count; i++)
		covered += testing->covered[i];
	if (testing->options->json)
		buffer_printf(&out,
		              "{\"passed\":%zu,\"failed\":%zu,\"policies\":%u,\"covered\":%u,\"uncovered\":[",
		              testing->passed, testing->failed, count, covered);
	else
		buffer_printf(&out,
		              "통과 %zu, 실패 %zu; 정책 %u개 가운데 %u개가 한 번은 참 / %zu passed, %zu "
		              "failed; %u policies, %u true once\n",
		              testing->passed, testing->failed, count, covered, testing->passed,
		              testing->failed, count, covered);
	for (uint32_t i = 0, shown = 0; i < count; i++) {
		if (testing->covered[i])
			continue;
		if (testing->options->json) {
			buffer_string(&out, shown++ > 0 ? "," : "");
			json_quote(&out, slice_string(cedar_policy_id(testing->asked->policies, i)));
		} else {
			buffer_printf(&out, "  한 번도 참이 아님 / never true: %s\n",
			              cedar_policy_id(testing->asked->policies, i));
		}
	}
	if (testing->options->json)
		buffer_string(&out, "]}\n");
	fwrite(out.data, 1, out.size, stdout);
	buffer_free(&out);
}

static int
run_tests(struct testing *testing, const struct cedar_json *tests, struct fault *why)
{
	if (tests->kind != CEDAR_JSON_ARRAY)
		return fault_set(why, FAULT_INVALID, "시험의 배열이 아닙니다", "this is no array of tests");
	for (uint32_t i = 0; i < tests->count; i++) {
		struct buffer got;
		bool passed = false;

		buffer_init(&got, CEDAR_TEXT_LIMIT);
		if (test_one(testing, &tests->as.items[i], &got, &passed, why) == -1)
			test_report(testing, &tests->as.items[i], i, false, &got, why);
		else
			test_report(testing, &tests->as.items[i], i, passed, &got, NULL);
		buffer_free(&got);
	}
	return 0;
}

int
policy_test(const struct policy_options *options)
{
	struct asked asked;
	struct testing testing = {.options = options, .asked = &asked};
	const struct cedar_json *tests;
	struct buffer text;
	struct fault why;
	int status = EXIT_USAGE;

	buffer_init(&text, CEDAR_JSON_LIMIT);
	if (asked_open(&asked, options, &why) == -1) {
		policy_files_fail(&asked.notes, &why);
		goto out;
	}
	if (options->tests == NULL) {
		fault_set(&why, FAULT_USAGE, "--tests가 있어야 합니다", "--tests is needed");
		policy_files_fail(NULL, &why);
		goto out;
	}
	testing.covered = arena_alloc(asked.arena, cedar_policies_count(asked.policies) + 1);
	if (testing.covered == NULL) {
		fault_memory(&why);
		policy_files_fail(NULL, &why);
	} else if (file_read(&text, options->tests, CEDAR_JSON_LIMIT, &why) == -1 ||
	           cedar_json_read(&tests, asked.arena, buffer_view(&text), CEDAR_JSON_DEPTH, &why) == -1 ||
	           run_tests(&testing, tests, &why) == -1) {
		policy_files_fail(NULL, &why);
	} else {
		test_summary(&testing);
		status = testing.failed == 0 ? EXIT_GOOD : EXIT_NO;
	}
out:
	buffer_free(&text);
	asked_close(&asked);
	return status;
}
