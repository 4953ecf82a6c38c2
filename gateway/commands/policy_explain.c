/* `haechi policy explain`: of one request, why each policy applied or did not, down to the clause that was false. */
#include "gateway/commands/commands.h"
#include "gateway/commands/policy_files.h"

#include <stdlib.h>
#include <string.h>

#include "policy/cedar/cedar_json.h"
#include "policy/cedar/schema.h"
#include "policy/trials.h"
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

static void
put_ids(struct buffer *out, const char *name, const struct policy_reason *items, size_t count)
{
	buffer_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(items[i].id));
	}
	buffer_byte(out, ']');
}

/* What it all came to, as the gateway takes it: an action other than the question for duties. */
static int
tell_outcome(const struct policy_options *options, struct asked *asked, const struct cedar_request *request,
             struct fault *why)
{
	static const char *const titles[] = {[ACCESS_DENY] = "거절 deny",
	                                     [ACCESS_HOLD] = "보류: 사람의 승인 hold",
	                                     [ACCESS_REDACT] = "가리고 허용 redact",
	                                     [ACCESS_PERMIT] = "허용 permit"};
	struct decision decision;
	struct buffer out;

	if (trial_outcome(asked->policies, request, asked->entities, asked->arena, &decision, why) == -1)
		return -1;
	buffer_init(&out, CEDAR_TEXT_LIMIT);
	if (options->json) {
		buffer_printf(&out, "{\"outcome\":\"%s\"", access_name(decision.access));
		put_ids(&out, "reasons", decision.reasons, decision.reason_count);
		put_ids(&out, "permits", decision.permits, decision.permit_count);
		buffer_printf(&out, ",\"errors\":%zu}\n", decision.error_count);
	} else {
		buffer_printf(&out, "결과 (outcome): %s\n", titles[decision.access]);
		for (size_t i = 0; i < decision.reason_count; i++)
			buffer_printf(&out, "  %s  %s%s%s\n", decision.reasons[i].id,
			              decision.reasons[i].title_ko,
			              decision.reasons[i].title_en[0] != '\0' ? " / " : "",
			              decision.reasons[i].title_en);
		for (size_t i = 0; decision.access != ACCESS_PERMIT && i < decision.permit_count; i++)
			buffer_printf(&out, "  만족한 허가 (satisfied permit): %s\n", decision.permits[i].id);
		for (size_t i = 0; i < decision.error_count; i++)
			buffer_printf(&out, "  오류 (error): %s %s\n", decision.errors[i].policy,
			              decision.errors[i].message);
	}
	fwrite(out.data, 1, out.size, stdout);
	buffer_free(&out);
	return 0;
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
	if (status != EXIT_USAGE && number == CEDAR_NO_POLICY &&
	    tell_outcome(options, &asked, &request, &why) == -1)
		status = policy_files_fail(NULL, &why);
out:
	asked_close(&asked);
	return status;
}
