#include "policy/trials_facts.h"

#include <string.h>

#define WALL_MS INT64_C(1790000000000) /* 2026-09-21: the clock of tests that do not tell the time */

bool
trial_kinds(const json_t *list, uint32_t *kinds)
{
	*kinds = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		enum identifier_kind kind;

		if (name == NULL || !identifier_parse(&kind, name))
			return false;
		*kinds |= 1u << kind;
	}
	return json_is_array(list);
}

int
trial_unknown(const char *member, struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "시험에 모르는 항목이 있습니다: %s",
	                 "the test has a member that is not known: %s", member);
}

const char *
trial_text(const json_t *object, const char *name, const char *fallback)
{
	const char *text = json_get_string(object, name);

	return text != NULL ? text : fallback;
}

static bool
parse_drift(enum drift *out, const char *name)
{
	for (*out = DRIFT_CERTAIN; *out <= DRIFT_NONE; (*out)++)
		if (strcmp(drift_name(*out), name) == 0)
			return true;
	return false;
}

static bool
parse_effect(enum decision_effect *out, const char *name)
{
	for (*out = EFFECT_UNKNOWN; *out <= EFFECT_ACTUATES; (*out)++)
		if (strcmp(decision_effect_name(*out), name) == 0)
			return true;
	return false;
}

static bool
parse_review(enum human_review *out, const char *name)
{
	for (*out = REVIEW_UNKNOWN; *out <= REVIEW_SUBSTANTIVE; (*out)++)
		if (strcmp(human_review_name(*out), name) == 0)
			return true;
	return false;
}

/* Of the calling service; without the member it has one that means nothing. */
static bool
take_roles(struct trial_facts *made, const json_t *list)
{
	if (list == NULL)
		return true;
	made->subject.role_count = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (name == NULL || made->subject.role_count == TRIAL_ROLES)
			return false;
		made->roles[made->subject.role_count++] = name;
	}
	return json_is_array(list);
}

static bool
parse_cannot(const json_t *list, uint32_t *bits)
{
	static const char *const names[] = {"label", "notify", "retain", "log", "redact_answer"};

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		unsigned k = 0;

		while (name != NULL && k < 5 && strcmp(names[k], name) != 0)
			k++;
		if (name == NULL || k == 5)
			return false;
		*bits |= 1u << k;
	}
	return true;
}

int
trial_facts_make(struct trial_facts *made, json_t *json, struct fault *why)
{
	static const char *const known[] = {
	    "known",    "use_agency", "channel",       "rrn_legal_basis", "retired",    "audience", "action",
	    "model",    "usecase",    "verdict",       "grade",           "zone_grade", "drift",    "found",
	    "redacted", "approver",   "approver_role", "expires_in_ms",   "cannot",     "effect",   "review",
	    "roles",    NULL};
	const char *stranger = json_unknown_member(json, known),
	           *audience = trial_text(json, "audience", "public");
	struct policy_facts *facts = &made->facts;
	const json_t *found = json_object_get(json, "found"), *redacted = json_object_get(json, "redacted");

	if (stranger != NULL)
		return trial_unknown(stranger, why);
	*made = (struct trial_facts){.models = {"haechi-demo"}, .roles = {"civil-service"}};
	made->subject = (struct subject){.known = json_get_bool(json, "known", true),
	                                 .agency = "seoul",
	                                 .service = "minwon",
	                                 .key_id = "k1",
	                                 .person = "",
	                                 .roles = made->roles,
	                                 .role_count = 1};
	made->usecase = (struct usecase){.id = "minwon",
	                                 .version = 1,
	                                 .models = made->models,
	                                 .model_count = 1,
	                                 .domain_known = true,
	                                 .agency = trial_text(json, "use_agency", "seoul"),
	                                 .channel = trial_text(json, "channel", "chat"),
	                                 .rrn_legal_basis = trial_text(json, "rrn_legal_basis", ""),
	                                 .retired = json_get_bool(json, "retired", false)};
	made->usecase.audience = strcmp(audience, "public") == 0 ? AUDIENCE_PUBLIC : AUDIENCE_INTERNAL;
	*facts = (struct policy_facts){
	    .subject = &made->subject,
	    .usecase = json_get_bool(json, "usecase", true) ? &made->usecase : NULL,
	    .action = trial_text(json, "action", "chat"),
	    .model = trial_text(json, "model", "haechi-demo"),
	    .engine_zone = "local",
	    .wall_ms = WALL_MS,
	    .approver = json_get_string(json, "approver"),
	    .approver_role = json_get_string(json, "approver_role"),
	    .approval_expires_ms = WALL_MS + json_get_integer(json, "expires_in_ms", 0)};
	if (!verdict_parse(&facts->verdict, trial_text(json, "verdict", "NOT_HIGH_IMPACT")) ||
	    !grade_parse(&facts->grade, trial_text(json, "grade", "O")) ||
	    !grade_parse(&facts->zone_grade, trial_text(json, "zone_grade", "S")) ||
	    !parse_drift(&facts->drift, trial_text(json, "drift", "none")) ||
	    (found != NULL && !trial_kinds(found, &facts->found_kinds)) ||
	    (redacted != NULL && !trial_kinds(redacted, &facts->redacted_kinds)) ||
	    !parse_cannot(json_object_get(json, "cannot"), &facts->cannot) ||
	    !parse_effect(&made->usecase.decision_effect, trial_text(json, "effect", "unknown")) ||
	    !parse_review(&made->usecase.human_review, trial_text(json, "review", "unknown")) ||
	    !take_roles(made, json_object_get(json, "roles")) ||
	    (strcmp(audience, "public") != 0 && strcmp(audience, "internal") != 0))
		return fault_set(
		    why, FAULT_INVALID,
		    "사실 가운데 정해진 낱말이 아닌 것이 있습니다 (verdict, grade, zone_grade, drift, "
		    "found, redacted, cannot, audience, effect, review, roles)",
		    "one of the facts is not a word of its vocabulary (verdict, grade, zone_grade, "
		    "drift, found, redacted, cannot, audience, effect, review, roles)");
	return 0;
}
