#include "policy/trials.h"

#include <stdlib.h>
#include <string.h>

#include "policy/snapshot.h"
#include "policy/trials_facts.h"
#include "schema/base/json.h"

#define ARENA_LIMIT ((size_t)64 << 20)
#define TEXT_LIMIT  ((size_t)16 << 20)

struct trial {
	struct trials *trials;
	const char *file;
	unsigned number;
	json_t *json;
	struct arena *arena;
	struct buffer got;
	const char *wanted; /* the first expectation that was not met */
};

/* ---- expectations ------------------------------------------------------------------------------------------------ */

static void
miss(struct trial *trial, const char *member)
{
	if (trial->wanted == NULL)
		trial->wanted = member;
}

static void
want_text(struct trial *trial, const json_t *object, const char *member, const char *got)
{
	const json_t *wanted = json_object_get(object, member);

	if (wanted != NULL && (!json_is_string(wanted) || strcmp(json_string_value(wanted), got) != 0))
		miss(trial, member);
}

static void
want_number(struct trial *trial, const json_t *object, const char *member, int64_t got)
{
	const json_t *wanted = json_object_get(object, member);

	if (wanted != NULL && (!json_is_integer(wanted) || json_integer_value(wanted) != got))
		miss(trial, member);
}

static void
want_bool(struct trial *trial, const json_t *object, const char *member, bool got)
{
	const json_t *wanted = json_object_get(object, member);

	if (wanted != NULL && (!json_is_boolean(wanted) || json_is_true(wanted) != got))
		miss(trial, member);
}

/* A list of names, in any order; `name` gives the i-th that came. */
static void
want_names(struct trial *trial, const json_t *object, const char *member, size_t count,
           const char *(*name)(const void *owner, size_t i), const void *owner)
{
	const json_t *wanted = json_object_get(object, member);
	bool same = json_is_array(wanted) && json_array_size(wanted) == count;

	for (size_t i = 0; same && i < count; i++) {
		const char *text = json_string_value(json_array_get(wanted, i));
		bool found = false;

		for (size_t j = 0; j < count && text != NULL && !found; j++)
			found = strcmp(name(owner, j), text) == 0;
		same = found;
	}
	if (wanted != NULL && !same)
		miss(trial, member);
}

struct reasons {
	const struct policy_reason *items;
};

static const char *
reason_name(const void *owner, size_t i)
{
	return ((const struct reasons *)owner)->items[i].id;
}

static void
want_reasons(struct trial *trial, const char *member, const struct policy_reason *items, size_t count)
{
	const struct reasons reasons = {items};

	want_names(trial, trial->json, member, count, reason_name, &reasons);
}

static void
want_kinds(struct trial *trial, const json_t *object, const char *member, uint32_t got)
{
	const json_t *wanted = json_object_get(object, member);
	uint32_t kinds;

	if (wanted != NULL && (!trial_kinds(wanted, &kinds) || kinds != got))
		miss(trial, member);
}

/* ---- what came of it ----------------------------------------------------------------------------------------------- */

static void
put_kinds(struct buffer *out, uint32_t kinds)
{
	bool any = false;

	buffer_byte(out, '[');
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++) {
		if ((kinds >> kind & 1) == 0)
			continue;
		buffer_printf(out, "%s\"%s\"", any ? "," : "", identifier_name((enum identifier_kind)kind));
		any = true;
	}
	buffer_byte(out, ']');
}

static void
put_reasons(struct buffer *out, const char *name, const struct policy_reason *items, size_t count)
{
	buffer_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(items[i].id));
	}
	buffer_byte(out, ']');
}

static void
put_duties(struct buffer *out, const struct duties *duties)
{
	buffer_printf(out,
	              "{\"label\":\"%s\",\"notify\":%s,\"retention_days\":%u,\"log_full\":%s,"
	              "\"redact_answer\":%s,\"restore_answer\":%s,\"redact_kinds\":",
	              label_name(duties->label), duties->notify ? "true" : "false", duties->retention_days,
	              duties->log_full ? "true" : "false", duties->redact_answer ? "true" : "false",
	              duties->restore_answer ? "true" : "false");
	put_kinds(out, duties->redact_kinds);
	if (duties->approver_role != NULL) {
		buffer_string(out, ",\"approver_role\":");
		json_quote(out, slice_string(duties->approver_role));
		buffer_printf(out, ",\"hold_seconds\":%u", duties->hold_seconds);
	}
	buffer_byte(out, '}');
}

static void
put_decision(struct buffer *out, const char *name, const struct decision *decision)
{
	buffer_printf(out, "\"%s\":\"%s\"", name, access_name(decision->access));
	put_reasons(out, "reasons", decision->reasons, decision->reason_count);
	put_reasons(out, "permits", decision->permits, decision->permit_count);
	buffer_string(out, ",\"errors\":[");
	for (size_t i = 0; i < decision->error_count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(decision->errors[i].policy));
	}
	buffer_byte(out, ']');
}

static int
expects_nothing(struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "시험이 아무것도 기대하지 않습니다", "the test expects nothing");
}

/* ---- the form `request` ------------------------------------------------------------------------------------------- */

/* The JSON at `member`, or the file it names, as text; NULL data: there is none. */
static int
part(struct trial *trial, const char *member, struct buffer *out, struct fault *why)
{
	const json_t *value = json_object_get(trial->json, member);

	buffer_init(out, TEXT_LIMIT);
	if (value == NULL)
		return 0;
	if (!json_is_string(value)) {
		json_write(out, value);
		return buffer_ok(out) ? 0 : fault_memory(why);
	}
	if (trial->trials->read == NULL)
		return fault_set(why, FAULT_UNSUPPORTED, "%s: 여기서는 파일을 가리킬 수 없습니다",
		                 "%s: files cannot be named here", member);
	return trial->trials->read(trial->trials->owner, trial->file, json_string_value(value), out, why) == 0
	           ? 0
	           : fault_prefix(why, "%s", "%s", json_string_value(value));
}

static int
read_request(struct trial *trial, struct cedar_request *request, const struct cedar_entities **entities,
             struct fault *why)
{
	struct trials *trials = trial->trials;
	struct cedar_entities *own = NULL;
	struct buffer text;
	int result = part(trial, "entities", &text, why);

	*entities = trials->entities;
	if (result == 0 && text.size > 0) {
		result = cedar_entities_read(&own, trial->arena, buffer_view(&text), trials->schema, why);
		*entities = own;
	}
	buffer_free(&text);
	if (result == -1)
		return -1;
	result = part(trial, "request", &text, why);
	if (result == 0) {
		json_t *json = json_read(buffer_view(&text), TEXT_LIMIT, JSON_DEPTH_LIMIT, why);
		const bool check = !trials->no_request_check && json_get_bool(json, "validateRequest", true);

		result = json == NULL ? -1
		                      : cedar_request_read(request, trial->arena, buffer_view(&text),
		                                           trials->schema, check, why);
		json_decref(json);
	}
	buffer_free(&text);
	return result;
}

struct numbers {
	const struct cedar_policies *policies;
	const uint32_t *items;
};

static const char *
policy_name(const void *owner, size_t i)
{
	const struct numbers *numbers = owner;

	return cedar_policy_id(numbers->policies, numbers->items[i]);
}

static const char *
duty_name(const void *owner, size_t i)
{
	const struct numbers *numbers = owner;
	const char *duty = cedar_policy_annotation(numbers->policies, numbers->items[i], "duty");

	return duty != NULL ? duty : "";
}

/* The satisfied permits of Action::"duty", each duty once: @duty may be any word here, and the gateway's are merged. */
static size_t
duties_asked(struct trial *trial, const struct asked *asked, uint32_t **numbers, struct fault *why)
{
	struct cedar_request request = *asked->request;
	struct cedar_result result;
	struct numbers names = {asked->policies, NULL};
	size_t count = 0;

	request.action = cedar_uid(trial->arena, SLICE_LITERAL("Action"), SLICE_LITERAL("duty"));
	if (cedar_authorize(asked->policies, &request, asked->entities, trial->arena, &result, why) == -1 ||
	    (*numbers = arena_array(trial->arena, result.permit_count + 1, sizeof **numbers)) == NULL)
		return SIZE_MAX;
	names.items = *numbers;
	for (size_t i = 0; i < result.permit_count; i++) {
		bool twice = false;

		(*numbers)[count] = result.permits[i];
		if (duty_name(&names, count)[0] == '\0')
			continue;
		for (size_t j = 0; j < count && !twice; j++)
			twice = strcmp(duty_name(&names, j), duty_name(&names, count)) == 0;
		count += !twice;
	}
	return count;
}

static void
want_duties(struct trial *trial, const json_t *wanted, const struct duties *got, struct fault *why,
            int *result)
{
	static const char *const known[] = {"label",         "notify",        "retention_days",
	                                    "log_full",      "redact_answer", "redact_kinds",
	                                    "approver_role", "hold_seconds",  NULL};
	json_t *copy = json_copy((json_t *)(uintptr_t)wanted);
	const char *stranger = json_unknown_member(copy, known);

	if (stranger != NULL)
		*result = trial_unknown(stranger, why);
	json_decref(copy);
	want_text(trial, wanted, "label", label_name(got->label));
	want_bool(trial, wanted, "notify", got->notify);
	want_number(trial, wanted, "retention_days", got->retention_days);
	want_bool(trial, wanted, "log_full", got->log_full);
	want_bool(trial, wanted, "redact_answer", got->redact_answer);
	want_bool(trial, wanted, "restore_answer", got->restore_answer);
	want_kinds(trial, wanted, "redact_kinds", got->redact_kinds);
	want_text(trial, wanted, "approver_role", got->approver_role != NULL ? got->approver_role : "");
	want_number(trial, wanted, "hold_seconds", got->hold_seconds);
}

static bool
is_duty(const struct cedar_uid *action)
{
	const struct cedar_uid duty =
	    cedar_uid_of(cedar_string_of(SLICE_LITERAL("Action")), cedar_string_of(SLICE_LITERAL("duty")));

	return cedar_equal(cedar_entity(action), cedar_entity(&duty));
}

static void
put_numbers(struct buffer *out, const char *name, const struct numbers *numbers, size_t count,
            const char *(*text)(const void *, size_t))
{
	buffer_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(text(numbers, i)));
	}
	buffer_byte(out, ']');
}

/* Outcome and duties, of an action that is not the question for duties itself. */
static int
check_outcome(struct trial *trial, struct asked *asked, struct fault *why)
{
	const json_t *duties = json_object_get(trial->json, "duties");
	struct numbers numbers = {.policies = asked->policies};
	struct decision decision;
	uint32_t *items = NULL;
	size_t count;
	int result = 0;

	decide_asked(asked, trial->trials->coverage, trial->arena, &decision);
	if ((count = duties_asked(trial, asked, &items, why)) == SIZE_MAX)
		return -1;
	if (decision.access == ACCESS_DENY) /* duties come with what passes */
		count = 0;
	numbers.items = items;
	buffer_byte(&trial->got, ',');
	put_decision(&trial->got, "outcome", &decision);
	put_numbers(&trial->got, "duties", &numbers, count, duty_name);
	buffer_string(&trial->got, ",\"merged\":");
	put_duties(&trial->got, &decision.duties);
	want_text(trial, trial->json, "outcome", access_name(decision.access));
	if (json_is_object(duties))
		want_duties(trial, duties, &decision.duties, why, &result);
	else
		want_names(trial, trial->json, "duties", count, duty_name, &numbers);
	want_reasons(trial, "permits", decision.permits, decision.permit_count);
	return result;
}

static int
run_request(struct trial *trial, struct fault *why)
{
	static const char *const known[] = {"name",       "request", "entities", "decision", "reason",
	                                    "num_errors", "outcome", "duties",   "permits",  NULL};
	struct trials *trials = trial->trials;
	const char *stranger = json_unknown_member(trial->json, known);
	const struct cedar_entities *entities;
	struct meaning *meanings;
	struct cedar_request request;
	struct cedar_result result;
	struct numbers numbers;
	size_t count;

	if (stranger != NULL)
		return trial_unknown(stranger, why);
	if (json_object_get(trial->json, "decision") == NULL &&
	    json_object_get(trial->json, "outcome") == NULL)
		return expects_nothing(why);
	if (read_request(trial, &request, &entities, why) == -1 ||
	    cedar_authorize(trials->policies, &request, entities, trial->arena, &result, why) == -1)
		return -1;
	numbers = (struct numbers){trials->policies, result.determining};
	buffer_printf(&trial->got, "\"decision\":\"%s\"", result.decision == CEDAR_ALLOW ? "allow" : "deny");
	put_numbers(&trial->got, "reason", &numbers, result.determining_count, policy_name);
	buffer_printf(&trial->got, ",\"num_errors\":%zu", result.error_count);
	want_text(trial, trial->json, "decision", result.decision == CEDAR_ALLOW ? "allow" : "deny");
	want_names(trial, trial->json, "reason", result.determining_count, policy_name, &numbers);
	want_number(trial, trial->json, "num_errors", (int64_t)result.error_count);
	if (is_duty(request.action)) {
		want_text(trial, trial->json, "outcome", "");
		return coverage_add(trials->coverage, trials->policies, &request, entities, trial->arena,
		                    why);
	}
	count = cedar_policies_count(trials->policies);
	if ((meanings = arena_array(trial->arena, count + 1, sizeof *meanings)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < count; i++)
		meaning_read(&meanings[i], trials->policies, (uint32_t)i);
	return check_outcome(trial, &(struct asked){trials->policies, meanings, &request, entities}, why);
}

/* ---- the form `facts` ----------------------------------------------------------------------------------------------- */

static int
run_facts(struct trial *trial, struct fault *why)
{
	static const char *const known[] = {"name",           "facts",     "access",   "reasons",
	                                    "permits",        "errors",    "redact",   "label",
	                                    "notify",         "retention", "log_full", "redact_answer",
	                                    "restore_answer", "hold",      "approver", NULL};
	const char *stranger = json_unknown_member(trial->json, known);
	struct decision decision;
	struct trial_facts made;

	if (stranger != NULL)
		return trial_unknown(stranger, why);
	if (json_object_get(trial->json, "access") == NULL)
		return expects_nothing(why);
	if (trial_facts_make(&made, json_object_get(trial->json, "facts"), why) == -1)
		return -1;
	decide_covered(trial->trials->policy, &made.facts, trial->trials->coverage, trial->arena, &decision);
	put_decision(&trial->got, "access", &decision);
	buffer_string(&trial->got, ",\"duties\":");
	put_duties(&trial->got, &decision.duties);
	want_text(trial, trial->json, "access", access_name(decision.access));
	want_reasons(trial, "reasons", decision.reasons, decision.reason_count);
	want_reasons(trial, "permits", decision.permits, decision.permit_count);
	if (json_object_get(trial->json, "errors") == NULL && decision.error_count > 0)
		miss(trial, "errors");
	want_number(trial, trial->json, "errors", (int64_t)decision.error_count);
	want_kinds(trial, trial->json, "redact", decision.duties.redact_kinds);
	want_text(trial, trial->json, "label", label_name(decision.duties.label));
	want_bool(trial, trial->json, "notify", decision.duties.notify);
	want_number(trial, trial->json, "retention", decision.duties.retention_days);
	want_bool(trial, trial->json, "log_full", decision.duties.log_full);
	want_bool(trial, trial->json, "redact_answer", decision.duties.redact_answer);
	want_bool(trial, trial->json, "restore_answer", decision.duties.restore_answer);
	want_number(trial, trial->json, "hold", decision.duties.hold_seconds);
	want_text(trial, trial->json, "approver",
	          decision.duties.approver_role != NULL ? decision.duties.approver_role : "");
	return 0;
}

/* ---- the form `usecase` ------------------------------------------------------------------------------------------- */

static int
run_usecase(struct trial *trial, struct fault *why)
{
	static const char *const known[] = {"name",    "fixture", "tag",   "usecase",
	                                    "verdict", "rules",   "as_of", NULL};
	const char *stranger = json_unknown_member(trial->json, known);
	const struct policy *policy = trial->trials->policy;
	const json_t *rules = json_object_get(trial->json, "rules");
	struct assessment assessment;
	struct usecase usecase = {0};
	struct buffer text;
	int result = -1;

	if (stranger != NULL)
		return trial_unknown(stranger, why);
	if (json_object_get(trial->json, "verdict") == NULL)
		return expects_nothing(why);
	buffer_init(&text, TEXT_LIMIT);
	json_write(&text, json_object_get(trial->json, "usecase"));
	if (usecase_parse(&usecase, buffer_view(&text), trial->arena, why) == -1)
		goto out;
	/* Without a date: when the newest rules are in force. */
	if (assess_covered(policy, &usecase,
	                   trial_text(trial->json, "as_of", policy->layers[policy->layer_count - 1].date),
	                   trial->trials->coverage, trial->arena, &assessment, why) == -1)
		goto out;
	buffer_printf(&trial->got, "\"verdict\":\"%s\",\"rules\":[", verdict_name(assessment.verdict));
	for (size_t i = 0; i < assessment.rule_count; i++) {
		buffer_string(&trial->got, i > 0 ? "," : "");
		json_quote(&trial->got, slice_string(assessment.rules[i].id));
	}
	buffer_byte(&trial->got, ']');
	want_text(trial, trial->json, "verdict", verdict_name(assessment.verdict));
	for (size_t i = 0; i < json_array_size(rules); i++) { /* these among others */
		const char *rule = json_string_value(json_array_get(rules, i));
		bool spoke = false;

		for (size_t j = 0; j < assessment.rule_count && rule != NULL && !spoke; j++)
			spoke = strcmp(assessment.rules[j].id, rule) == 0;
		if (!spoke)
			miss(trial, "rules");
	}
	result = 0;
out:
	usecase_release(&usecase);
	buffer_free(&text);
	return result;
}

int
trial_outcome(const struct cedar_policies *policies, const struct cedar_request *request,
              const struct cedar_entities *entities, struct arena *arena, struct decision *out,
              struct fault *why)
{
	const size_t count = cedar_policies_count(policies);
	struct meaning *meanings = arena_array(arena, count + 1, sizeof *meanings);

	if (meanings == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < count; i++)
		meaning_read(&meanings[i], policies, (uint32_t)i);
	decide_asked(&(struct asked){policies, meanings, request, entities}, NULL, arena, out);
	return 0;
}

/* ---- a file of them ----------------------------------------------------------------------------------------------- */

static int
run_form(struct trial *trial, struct fault *why)
{
	const bool whole = trial->trials->policy != NULL;

	if (json_object_get(trial->json, "request") != NULL)
		return run_request(trial, why);
	if (whole && json_is_object(json_object_get(trial->json, "facts")))
		return run_facts(trial, why);
	if (whole && json_is_object(json_object_get(trial->json, "usecase")))
		return run_usecase(trial, why);
	return whole ? fault_set(why, FAULT_INVALID,
	                         "시험에는 request, facts, usecase 가운데 하나가 있어야 합니다",
	                         "a test has one of request, facts, usecase")
	             : fault_set(why, FAULT_INVALID,
	                         "시험에는 request가 있어야 합니다 (facts, usecase는 정책 전체를 읽을 때만)",
	                         "a test has a request (facts and usecase need the whole set of policies)");
}

static int
run_one(struct trials *trials, const char *file, unsigned number, json_t *json, struct fault *why)
{
	struct trial trial = {
	    .trials = trials, .file = file, .number = number, .json = json, .arena = arena_new(ARENA_LIMIT)};
	struct trial_told told = {.file = file, .number = number};
	struct fault fault;
	int asked;

	if (trial.arena == NULL)
		return fault_memory(why);
	buffer_init(&trial.got, TEXT_LIMIT);
	buffer_byte(&trial.got, '{');
	asked = json_is_object(json)
	            ? run_form(&trial, &fault)
	            : fault_set(&fault, FAULT_INVALID, "시험이 객체가 아닙니다", "a test is an object");
	buffer_byte(&trial.got, '}');
	told.name = trial_text(json, "name", trial_text(json, "fixture", ""));
	told.passed = asked == 0 && trial.wanted == NULL;
	told.wanted = trial.wanted;
	told.got = asked == 0 ? buffer_text(&trial.got) : NULL;
	told.why = asked == 0 ? NULL : &fault;
	*(told.passed ? &trials->passed : &trials->failed) += 1;
	if (trials->tell != NULL)
		trials->tell(trials->owner, &told);
	buffer_free(&trial.got);
	arena_free(trial.arena);
	return 0;
}

static int
run_lines(struct trials *trials, const char *file, struct slice text, struct fault *why)
{
	unsigned number = 0, line = 0;

	while (text.size > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		const size_t size = end == NULL ? text.size : (size_t)(end - text.data);
		size_t blank = 0;
		json_t *json;
		int result;

		line++;
		while (blank < size &&
		       (text.data[blank] == ' ' || text.data[blank] == '\t' || text.data[blank] == '\r'))
			blank++;
		if (blank < size) {
			if ((json = json_read(slice_of(text.data, size), TRIALS_FILE_LIMIT, JSON_DEPTH_LIMIT,
			                      why)) == NULL)
				return fault_prefix(why, "%s:%u", "%s:%u", file, line);
			result = run_one(trials, file, ++number, json, why);
			json_decref(json);
			if (result == -1)
				return -1;
		}
		text = slice_of(text.data + size, text.size - size);
		if (text.size > 0)
			text = slice_of(text.data + 1, text.size - 1);
	}
	return 0;
}

int
trials_run(struct trials *trials, const char *file, struct slice text, struct fault *why)
{
	size_t first = 0;
	json_t *json;
	int result = 0;

	if (trials->policy != NULL) {
		trials->policies = trials->policy->agency;
		trials->schema = trials->policy->schema;
	}
	while (first < text.size && strchr(" \t\r\n", text.data[first]) != NULL && text.data[first] != '\0')
		first++;
	if (first == text.size || text.data[first] != '[')
		return run_lines(trials, file, text, why);
	if ((json = json_read(text, TRIALS_FILE_LIMIT, JSON_DEPTH_LIMIT, why)) == NULL)
		return fault_prefix(why, "%s", "%s", file);
	for (size_t i = 0; i < json_array_size(json) && result == 0; i++)
		result = run_one(trials, file, (unsigned)i + 1, json_array_get(json, i), why);
	json_decref(json);
	return result;
}

int
trials_cover(struct trials *trials, struct arena *arena, struct fault *why)
{
	if ((trials->coverage = coverage_new(arena)) == NULL)
		return fault_memory(why);
	if (trials->policy == NULL)
		return coverage_watch(trials->coverage, trials->policies, why);
	if (coverage_watch(trials->coverage, trials->policy->agency, why) == -1)
		return -1;
	for (size_t i = 0; i < trials->policy->layer_count; i++)
		if (coverage_watch(trials->coverage, trials->policy->layers[i].policies, why) == -1)
			return -1;
	return 0;
}
