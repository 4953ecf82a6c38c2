#include "gateway/recorded.h"

#include <string.h>

#include "schema/base/clock.h"
#include "schema/base/json.h"

#define LIST_LIMIT 4096

/* What every look needs; the first member that is not as it should be is kept. */
struct reading {
	struct arena *arena;
	const char *bad;
};

static void
wrong(struct reading *reading, const char *name)
{
	if (reading->bad == NULL)
		reading->bad = name;
}

/* "" when absent: entries leave empty strings out. */
static const char *
text(struct reading *reading, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (value != NULL && !json_is_string(value))
		wrong(reading, name);
	return json_is_string(value) ? arena_string(reading->arena, json_string_value(value)) : "";
}

static const json_t *
part(struct reading *reading, const json_t *object, const char *name, json_type type)
{
	const json_t *value = json_object_get(object, name);

	if (value == NULL || json_typeof(value) != type ||
	    (type == JSON_ARRAY && json_array_size(value) > LIST_LIMIT)) {
		wrong(reading, name);
		return NULL;
	}
	return value;
}

static bool
flag(struct reading *reading, const json_t *object, const char *name)
{
	if (!json_is_boolean(json_object_get(object, name)))
		wrong(reading, name);
	return json_get_bool(object, name, false);
}

static int64_t
moment(struct reading *reading, const json_t *object, const char *name)
{
	int64_t wall_ms = 0;

	if (!clock_parse(&wall_ms, slice_string(json_get_string(object, name)), false))
		wrong(reading, name);
	return wall_ms;
}

static const char **
texts(struct reading *reading, const json_t *object, const char *name, size_t *count)
{
	const json_t *list = part(reading, object, name, JSON_ARRAY);
	const char **out = arena_array(reading->arena, json_array_size(list) + 1, sizeof *out);

	*count = 0;
	for (size_t i = 0; out != NULL && i < json_array_size(list); i++) {
		const char *const item = json_string_value(json_array_get(list, i));

		if (item == NULL)
			wrong(reading, name);
		else
			out[(*count)++] = arena_string(reading->arena, item);
	}
	return out;
}

static uint32_t
kinds(struct reading *reading, const json_t *object, const char *name)
{
	const json_t *list = part(reading, object, name, JSON_ARRAY);
	uint32_t bits = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *const item = json_string_value(json_array_get(list, i));
		enum identifier_kind kind;

		if (item == NULL || !identifier_parse(&kind, item))
			wrong(reading, name);
		else
			bits |= 1u << kind;
	}
	return bits;
}

static enum domain
domain_of(struct reading *reading, const json_t *value, const char *name)
{
	enum domain domain = DOMAIN_NONE;

	if (!json_is_string(value) || !domain_parse(&domain, json_string_value(value)) ||
	    domain == DOMAIN_NONE)
		wrong(reading, name);
	return domain;
}

static enum verdict
verdict_of(struct reading *reading, const json_t *object)
{
	const char *const name = json_get_string(object, "verdict");
	enum verdict verdict = VERDICT_UNDETERMINED;

	if (name == NULL || !verdict_parse(&verdict, name))
		wrong(reading, "verdict");
	return verdict;
}

static enum grade
grade_of(struct reading *reading, const json_t *object, const char *name)
{
	const char *const value = json_get_string(object, name);
	enum grade grade = GRADE_C;

	if (value == NULL || !grade_parse(&grade, value))
		wrong(reading, name);
	return grade;
}

static enum drift
drift_of(struct reading *reading, const json_t *object)
{
	const char *const value = json_get_string(object, "drift");

	for (int drift = DRIFT_CERTAIN; value != NULL && drift <= DRIFT_NONE; drift++)
		if (strcmp(drift_name((enum drift)drift), value) == 0)
			return (enum drift)drift;
	wrong(reading, "drift");
	return DRIFT_CERTAIN;
}

static void
read_assessment(struct recorded *out, struct reading *reading, const json_t *from)
{
	struct assessment *assessment = &out->assessment;
	const json_t *domains = part(reading, from, "domains", JSON_ARRAY);
	const json_t *rules = part(reading, from, "rules", JSON_ARRAY);
	const char **missing = texts(reading, from, "missing_facts", &assessment->missing_count);

	out->assessed = true;
	assessment->verdict = verdict_of(reading, from);
	assessment->ruleset = text(reading, from, "ruleset");
	assessment->stricter_reading = flag(reading, from, "stricter_reading");
	assessment->duties = texts(reading, from, "duties", &assessment->duty_count);
	for (size_t i = 0; i < json_array_size(domains); i++) {
		if (assessment->domain_count == DOMAIN_KINDS) {
			wrong(reading, "domains");
			break;
		}
		assessment->domains[assessment->domain_count++] =
		    domain_of(reading, json_array_get(domains, i), "domains");
	}
	assessment->missing =
	    arena_array(reading->arena, assessment->missing_count + 1, sizeof *assessment->missing);
	assessment->rules =
	    arena_array(reading->arena, json_array_size(rules) + 1, sizeof *assessment->rules);
	if (!arena_ok(reading->arena))
		return;
	for (size_t i = 0; i < assessment->missing_count; i++)
		assessment->missing[i] = (struct missing_fact){missing[i], "", ""};
	for (size_t i = 0; i < json_array_size(rules); i++) {
		const json_t *rule = json_array_get(rules, i);

		assessment->rules[assessment->rule_count++] = (struct rule_hit){
		    .id = text(reading, rule, "id"),
		    .law = text(reading, rule, "law"),
		    .says = text(reading, rule, "says"),
		    .title_ko = "",
		    .title_en = "",
		    .status = text(reading, rule, "status"),
		};
	}
}

static struct policy_reason *
read_reasons(struct reading *reading, const json_t *body, const char *name, size_t *count)
{
	const json_t *list = part(reading, body, name, JSON_ARRAY);
	struct policy_reason *reasons =
	    arena_array(reading->arena, json_array_size(list) + 1, sizeof *reasons);

	*count = 0;
	for (size_t i = 0; reasons != NULL && i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		reasons[(*count)++] = (struct policy_reason){
		    .id = text(reading, item, "id"),
		    .law = text(reading, item, "law"),
		    .title_ko = "",
		    .title_en = "",
		    .message_ko = "",
		    .message_en = "",
		};
	}
	return reasons;
}

static void
read_duties(struct duties *duties, struct reading *reading, const json_t *from)
{
	const char *const label = json_get_string(from, "label");
	const int64_t days = json_get_integer(from, "retention_days", -1);
	const int64_t seconds = json_get_integer(from, "hold_seconds", 0);

	if (label == NULL)
		wrong(reading, "label");
	for (int i = LABEL_NONE; label != NULL && i <= LABEL_NOTICE; i++)
		if (strcmp(label_name((enum label)i), label) == 0)
			duties->label = (enum label)i;
	if (days < 0 || days > UINT32_MAX || seconds < 0 || seconds > UINT32_MAX)
		wrong(reading, "duties");
	duties->retention_days = (uint32_t)days;
	duties->hold_seconds = (uint32_t)seconds;
	duties->notify = flag(reading, from, "notify");
	duties->log_full = flag(reading, from, "log_full");
	duties->redact_answer = flag(reading, from, "redact_answer");
	duties->restore_answer = json_object_get(from, "restore_answer") != NULL &&
	                         flag(reading, from, "restore_answer");
	duties->redact_kinds = kinds(reading, from, "redact_kinds");
	if (json_object_get(from, "approver_role") != NULL)
		duties->approver_role = text(reading, from, "approver_role");
}

static void
read_decision(struct recorded *out, struct reading *reading, const json_t *body)
{
	struct decision *decision = &out->decision;
	const json_t *errors = part(reading, body, "errors", JSON_ARRAY);
	const char *const access = json_get_string(body, "access");

	if (access == NULL || !access_parse(&decision->access, access))
		wrong(reading, "access");
	snprintf(decision->bundle, sizeof decision->bundle, "%s", text(reading, body, "bundle"));
	decision->reasons = read_reasons(reading, body, "reasons", &decision->reason_count);
	decision->permits = read_reasons(reading, body, "permits", &decision->permit_count);
	decision->errors = arena_array(reading->arena, json_array_size(errors) + 1, sizeof *decision->errors);
	for (size_t i = 0; decision->errors != NULL && i < json_array_size(errors); i++) {
		const json_t *item = json_array_get(errors, i);

		decision->errors[decision->error_count++] =
		    (struct policy_error){text(reading, item, "policy"), text(reading, item, "message")};
	}
	read_duties(&decision->duties, reading, part(reading, body, "duties", JSON_OBJECT));
	out->by_gateway = arena_ok(reading->arena) && decision->reason_count == 1 &&
	                  strncmp(decision->reasons[0].id, "gateway.", 8) == 0;
}

static void
read_found(struct recorded *out, struct reading *reading, const json_t *from)
{
	const json_t *found = part(reading, from, "found", JSON_OBJECT);

	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++) {
		const int64_t count = json_get_integer(found, identifier_name((enum identifier_kind)kind), 0);

		if (count < 0 || count > UINT32_MAX)
			wrong(reading, "found");
		out->found[kind] = (uint32_t)count;
		if (count > 0)
			out->facts.found_kinds |= 1u << kind;
	}
}

static void
read_facts(struct recorded *out, struct reading *reading, const json_t *body)
{
	const json_t *from = part(reading, body, "facts", JSON_OBJECT);
	const json_t *signals = part(reading, from, "signals", JSON_ARRAY);
	const json_t *limits = json_object_get(from, "review_limits");
	const json_t *evidence = json_object_get(from, "drift_evidence");
	struct policy_facts *facts = &out->facts;

	facts->subject = &out->subject;
	facts->verdict = verdict_of(reading, body);
	facts->drift = drift_of(reading, from);
	facts->grade = grade_of(reading, from, "grade");
	out->declared = json_object_get(from, "grade_declared") == NULL
	                    ? facts->grade
	                    : grade_of(reading, from, "grade_declared");
	if (evidence != NULL) {
		const char *const why = text(reading, evidence, "why");

		out->drift_evidence = (struct drift_evidence){
		    .domain = domain_of(reading, json_object_get(evidence, "domain"), "drift_evidence"),
		    .score = (uint16_t)json_get_integer(evidence, "score", 0),
		    .rule = text(reading, evidence, "rule"),
		    .undeclared = why != NULL && strcmp(why, "undeclared") == 0,
		};
	}
	facts->zone_grade = grade_of(reading, from, "zone_grade");
	read_found(out, reading, from);
	facts->redacted_kinds = kinds(reading, from, "redacted");
	for (size_t i = 0; i < json_array_size(signals); i++)
		facts->signal_domains |= 1u << domain_of(reading, json_array_get(signals, i), "signals");
	facts->action = text(reading, from, "action");
	facts->model = text(reading, body, "model");
	facts->engine_zone = text(reading, body, "zone");
	facts->streaming = flag(reading, from, "streaming");
	if (json_object_get(from, "approver") != NULL) {
		facts->approver = text(reading, from, "approver");
		facts->approver_role = text(reading, from, "approver_role");
		facts->approval_expires_ms = moment(reading, from, "approval_expires");
	}
	out->review_decisions = json_get_integer(from, "review_decisions", -1);
	out->review_changed = json_get_integer(from, "review_changed", -1);
	out->review_hasty = json_get_integer(from, "review_hasty", -1);
	out->review_limits = (struct oversight_limits){
	    .decisions = json_get_integer(limits, "decisions", oversight_defaults.decisions),
	    .least_changed = json_get_integer(limits, "least_changed", oversight_defaults.least_changed),
	    .hasty_ms = json_get_integer(limits, "hasty_ms", oversight_defaults.hasty_ms),
	    .most_hasty = json_get_integer(limits, "most_hasty", oversight_defaults.most_hasty),
	};
	out->subject.roles = texts(reading, from, "roles", &out->subject.role_count);
}

int
recorded_read(struct recorded *out, struct slice entry, struct arena *arena, struct fault *why)
{
	struct reading reading = {.arena = arena};
	const char *kind;
	const json_t *body;
	json_t *tree;
	int result = -1;

	*out = (struct recorded){0};
	if ((tree = json_read(entry, ENTRY_SIZE_LIMIT, JSON_DEPTH_LIMIT, why)) == NULL)
		return -1;
	kind = json_get_string(tree, "kind");
	if (kind == NULL || strcmp(kind, entry_kind_name(ENTRY_DECISION)) != 0 ||
	    json_get_integer(tree, "format", 0) != ENTRY_FORMAT)
		wrong(&reading, "kind");
	out->id = text(&reading, tree, "id");
	out->log = text(&reading, tree, "log");
	out->request_id = text(&reading, tree, "request_id");
	out->of = text(&reading, tree, "of");
	out->usecase = text(&reading, tree, "usecase");
	out->usecase_version = json_get_integer(tree, "usecase_version", 0);
	out->subject.agency = text(&reading, tree, "agency");
	out->subject.service = text(&reading, tree, "service");
	out->subject.key_id = text(&reading, tree, "key");
	out->subject.person = text(&reading, tree, "subject");
	body = part(&reading, tree, "body", JSON_OBJECT);
	out->ticket = text(&reading, body, "ticket");
	read_decision(out, &reading, body);
	read_facts(out, &reading, body);
	if (json_object_get(body, "assessment") != NULL)
		read_assessment(out, &reading, part(&reading, body, "assessment", JSON_OBJECT));
	out->facts.wall_ms = moment(&reading, tree, "time");
	if (!arena_ok(arena)) {
		fault_memory(why);
	} else if (reading.bad != NULL) {
		fault_set(why, FAULT_INVALID, "결정 항목의 '%s'이(가) 형식과 다릅니다 (schema/ENTRY.md)",
		          "'%s' of the decision entry is not as schema/ENTRY.md has it", reading.bad);
	} else {
		/* Only whom identify did not know has no key. */
		out->subject.known = out->subject.key_id[0] != '\0';
		result = 0;
	}
	json_decref(tree);
	return result;
}
