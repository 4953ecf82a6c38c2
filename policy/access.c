/*
 * Access, then duties: two questions to the agency's policies, built natively out of the facts, without JSON.
 *
 * Never fails open. The zero of a decision is DENY, and every way out before the last line leaves it there.
 */
#include <string.h>

#include "policy/cedar/value.h"
#include "policy/coverage.h"
#include "policy/snapshot.h"
#include "policy/terms.h"

/* Reasons of our own, where no policy spoke. */
static struct policy_reason no_permit = {
    .id = "default-deny",
    .law = "",
    .title_ko = "허가하는 정책이 없음",
    .title_en = "no policy permits it",
    .message_ko = "이 요청을 허가하는 정책이 없습니다.",
    .message_en = "No policy permits this request.",
};
static struct policy_reason no_way = {
    .id = "duty-not-performable",
    .law = "",
    .title_ko = "따라야 할 의무를 이 경로에서 이행할 수 없음",
    .title_en = "a duty cannot be performed on this way",
    .message_ko = "따라야 할 의무를 이행할 수 없어 거절합니다.",
    .message_en = "Refused: a duty that comes with it cannot be performed here.",
};
static struct policy_error no_memory = {"", "the decision ran out of memory"};

const struct policy_reason *
policy_reason_find(const struct policy *policy, const char *id)
{
	const uint32_t number = cedar_policy_find(policy->agency, id);

	if (number != CEDAR_NO_POLICY)
		return &policy->meanings[number].reason;
	return strcmp(id, no_permit.id) == 0 ? &no_permit : strcmp(id, no_way.id) == 0 ? &no_way : NULL;
}

#define FIELD(name, value) ((struct cedar_field){term(name), value})

static struct cedar_value
text_value(struct arena *arena, const char *text)
{
	return cedar_string(arena, slice_string(text != NULL ? text : ""));
}

static bool
model_allowed(const struct usecase *usecase, const char *model)
{
	for (size_t i = 0; i < usecase->model_count; i++) {
		if (model != NULL && strcmp(usecase->models[i], model) == 0)
			return true;
	}
	return usecase->model_count == 0;
}

static struct cedar_value
use_value(const struct policy_facts *facts, struct arena *arena)
{
	const struct usecase *usecase = facts->usecase;
	struct cedar_field fields[] = {
	    FIELD(TERM_ID, text_value(arena, usecase->id)),
	    FIELD(TERM_AGENCY, term_entity(arena, "Agency", usecase->agency)),
	    FIELD(TERM_GRADE, term_grade(usecase->grade)),
	    FIELD(TERM_DOMAINS, term_domain_list(arena, usecase->domains, usecase->domain_count)),
	    FIELD(TERM_EFFECT, term_effect(usecase->decision_effect)),
	    FIELD(TERM_REVIEW, term_review(usecase->human_review)),
	    FIELD(TERM_ACTOR, term_actor(usecase->actor_role)),
	    FIELD(TERM_AUDIENCE, term_audience(usecase->audience)),
	    FIELD(TERM_CHANNEL, term_channel(usecase->channel)),
	    FIELD(TERM_RETIRED, cedar_bool(usecase->retired)),
	    FIELD(TERM_RESIDENT_NUMBERS,
	          cedar_bool(usecase->rrn_legal_basis != NULL && usecase->rrn_legal_basis[0] != '\0')),
	    FIELD(TERM_MODEL_ALLOWED, cedar_bool(model_allowed(usecase, facts->model))),
	};

	return cedar_record(arena, fields, sizeof fields / sizeof *fields);
}

static struct cedar_value
approval_value(const struct policy_facts *facts, struct arena *arena)
{
	struct cedar_field fields[] = {
	    FIELD(TERM_APPROVER, text_value(arena, facts->approver)),
	    FIELD(TERM_ROLE, term_entity(arena, "Role", facts->approver_role)),
	    FIELD(TERM_EXPIRES, cedar_datetime(facts->approval_expires_ms)),
	};

	return cedar_record(arena, fields, sizeof fields / sizeof *fields);
}

static struct cedar_value
context_value(const struct policy_facts *facts, uint32_t redacted, struct arena *arena)
{
	struct cedar_field fields[16] = {
	    FIELD(TERM_VERDICT, term_verdict(facts->verdict)),
	    FIELD(TERM_DRIFT, term_drift(facts->drift)),
	    FIELD(TERM_GRADE, term_grade(facts->grade)),
	    FIELD(TERM_ZONE, term_entity(arena, "Zone", facts->engine_zone)),
	    FIELD(TERM_ZONE_GRADE, term_grade(facts->zone_grade)),
	    FIELD(TERM_FOUND, term_identifiers(arena, facts->found_kinds)),
	    FIELD(TERM_REDACTED, term_identifiers(arena, redacted)),
	    FIELD(TERM_SIGNALS, term_domain_bits(arena, facts->signal_domains)),
	    FIELD(TERM_STREAMING, cedar_bool(facts->streaming)),
	    FIELD(TERM_NOW, cedar_datetime(facts->wall_ms)),
	};
	size_t count = 10;

	if (facts->usecase != NULL)
		fields[count++] = FIELD(TERM_USE, use_value(facts, arena));
	if (facts->approver != NULL)
		fields[count++] = FIELD(TERM_APPROVAL, approval_value(facts, arena));
	return cedar_record(arena, fields, count);
}

/* The service with its agency and roles, above the actions of the schema. */
static struct cedar_entities *
entities_value(const struct policy *policy, const struct policy_facts *facts,
               const struct cedar_uid *principal, struct arena *arena, struct fault *why)
{
	const struct subject *subject = facts->subject;
	struct cedar_entities *entities = cedar_entities_new(arena, policy->actions);
	const struct cedar_uid **parents =
	    arena_array(arena, subject->role_count + 1, sizeof(const struct cedar_uid *));
	struct cedar_value agency = term_entity(arena, "Agency", subject->agency), attrs;
	struct cedar_field fields[] = {FIELD(TERM_AGENCY, agency),
	                               FIELD(TERM_KNOWN, cedar_bool(subject->known))};
	size_t count = 0;

	attrs = cedar_record(arena, fields, 2);
	if (entities == NULL || parents == NULL || agency.kind == CEDAR_NONE || attrs.kind == CEDAR_NONE) {
		fault_memory(why);
		return NULL;
	}
	parents[count++] = agency.as.entity;
	for (size_t i = 0; i < subject->role_count; i++) {
		struct cedar_value role = term_entity(arena, "Role", subject->roles[i]);

		if (role.kind == CEDAR_NONE) {
			fault_memory(why);
			return NULL;
		}
		parents[count++] = role.as.entity;
	}
	if (cedar_entities_add(entities, principal, attrs, (struct cedar_value){.kind = CEDAR_NONE}, parents,
	                       count, why) == -1 ||
	    cedar_entities_seal(entities, why) == -1)
		return NULL;
	return entities;
}

/* "agency/service"; an unknown caller is nobody. */
static const struct cedar_uid *
principal_value(const struct subject *subject, struct arena *arena)
{
	const char *name;

	if (!subject->known)
		return cedar_uid(arena, SLICE_LITERAL("Service"), SLICE_LITERAL("nobody"));
	name = arena_printf(arena, "%s/%s", subject->agency != NULL ? subject->agency : "",
	                    subject->service != NULL ? subject->service : "");
	return name == NULL ? NULL : cedar_uid(arena, SLICE_LITERAL("Service"), slice_string(name));
}

/* ---- what the answers mean --------------------------------------------------------------------------------------- */

struct deciding {
	const struct cedar_policies *policies;
	const struct meaning *meanings;
	const struct policy_facts *facts;  /* context is made of these, or else ... */
	const struct cedar_request *given; /* ... is this one's */
	uint32_t found_kinds, redacted_kinds;
	bool can_mask;                  /* the context says what is masked: whether it helps can be seen */
	const struct cedar_uid *action; /* whose access is asked for */
	struct coverage *coverage;      /* or NULL */
	struct arena *arena;
	struct decision *out;
	struct cedar_request request;
	const struct cedar_entities *entities;
	bool broken; /* an error anywhere: the end is DENY */
};

/* The context of a request in Cedar's words, with these kinds masked as well. */
static struct cedar_value
given_context(const struct deciding *deciding, uint32_t redacted)
{
	const struct cedar_value context = deciding->given->context;
	const struct cedar_string name = term(TERM_REDACTED);
	const struct cedar_value old = cedar_record_get(context, &name);
	const struct cedar_value more = term_identifiers(deciding->arena, redacted);
	struct cedar_value *items;
	struct cedar_field *fields;

	if (redacted == 0 || old.kind != CEDAR_SET || more.kind != CEDAR_SET)
		return context;
	items = arena_array(deciding->arena, old.as.set->count + more.as.set->count, sizeof *items);
	fields = arena_array(deciding->arena, context.as.record->count, sizeof *fields);
	if (items == NULL || fields == NULL)
		return (struct cedar_value){.kind = CEDAR_NONE};
	if (old.as.set->count > 0)
		memcpy(items, old.as.set->items, old.as.set->count * sizeof *items);
	memcpy(items + old.as.set->count, more.as.set->items, more.as.set->count * sizeof *items);
	memcpy(fields, context.as.record->fields, context.as.record->count * sizeof *fields);
	for (uint32_t i = 0; i < context.as.record->count; i++)
		if (cedar_string_equal(&fields[i].name, &name))
			fields[i].value =
			    cedar_set(deciding->arena, items, old.as.set->count + more.as.set->count);
	return cedar_record(deciding->arena, fields, context.as.record->count);
}

static void
error_add(struct deciding *deciding, const struct cedar_result *result, const struct fault *why)
{
	struct decision *out = deciding->out;
	size_t count = result != NULL ? result->error_count : 1;
	struct policy_error *errors = arena_array(deciding->arena, out->error_count + count, sizeof *errors);

	deciding->broken = true;
	if (errors == NULL) {
		out->errors = &no_memory;
		out->error_count = 1;
		return;
	}
	if (out->error_count > 0)
		memcpy(errors, out->errors, out->error_count * sizeof *errors);
	for (size_t i = 0; result != NULL && i < count; i++)
		errors[out->error_count + i] = (struct policy_error){
		    cedar_policy_id(deciding->policies, result->errors[i].policy), result->errors[i].en};
	if (result == NULL) {
		const char *text = arena_string(deciding->arena, why->en);

		errors[out->error_count] = (struct policy_error){"", text != NULL ? text : no_memory.message};
	}
	out->errors = errors;
	out->error_count += count;
}

/* Ask; false when it could not be answered without an error. */
static bool
ask(struct deciding *deciding, const struct cedar_uid *action, uint32_t redacted, struct cedar_result *result)
{
	struct fault why = {0};

	deciding->request.action = action;
	deciding->request.context = deciding->facts != NULL
	                                ? context_value(deciding->facts, redacted, deciding->arena)
	                                : given_context(deciding, redacted);
	if (cedar_authorize(deciding->policies, &deciding->request, deciding->entities, deciding->arena,
	                    result, &why) == -1 ||
	    (deciding->coverage != NULL &&
	     coverage_add(deciding->coverage, deciding->policies, &deciding->request, deciding->entities,
	                  deciding->arena, &why) == -1)) {
		error_add(deciding, NULL, &why);
		return false;
	}
	if (result->error_count > 0) {
		error_add(deciding, result, NULL);
		return false;
	}
	return true;
}

static void
reasons_take(const struct deciding *deciding, const uint32_t *numbers, size_t number_count, int remedy,
             struct policy_reason **reasons, size_t *count)
{
	struct policy_reason *list = arena_array(deciding->arena, *count + number_count + 1, sizeof *list);

	if (list == NULL)
		return;
	if (*count > 0)
		memcpy(list, *reasons, *count * sizeof *list);
	for (size_t i = 0; i < number_count; i++) {
		const struct meaning *meaning = &deciding->meanings[numbers[i]];

		if (remedy < 0 || meaning->remedy == (enum remedy)remedy)
			list[(*count)++] = meaning->reason;
	}
	*reasons = list;
}

/* What the satisfied forbids come to. */
struct forbids {
	bool final, hold, redact;
	struct duties duties;
};

static struct forbids
forbids_read(const struct deciding *deciding, const struct cedar_result *result)
{
	struct forbids forbids = {0};

	for (size_t i = 0; i < result->forbid_count; i++) {
		const struct meaning *meaning = &deciding->meanings[result->forbids[i]];

		if (meaning->remedy == REMEDY_HOLD) {
			/* Several holds: the one that runs out first, and its approver. */
			if (!forbids.hold || meaning->duties.hold_seconds < forbids.duties.hold_seconds) {
				forbids.duties.hold_seconds = meaning->duties.hold_seconds;
				forbids.duties.approver_role = meaning->duties.approver_role;
			}
			forbids.hold = true;
		} else if (meaning->remedy == REMEDY_REDACT) {
			forbids.redact = true;
			forbids.duties.redact_kinds |=
			    meaning->redact_found ? deciding->found_kinds : meaning->duties.redact_kinds;
		} else {
			forbids.final = true;
		}
	}
	return forbids;
}

static void
duties_merge(struct duties *into, const struct duties *from)
{
	into->label = from->label > into->label ? from->label : into->label;
	into->notify |= from->notify;
	into->retention_days =
	    from->retention_days > into->retention_days ? from->retention_days : into->retention_days;
	into->log_full |= from->log_full;
	into->redact_answer |= from->redact_answer;
	into->restore_answer |= from->restore_answer;
}

static uint32_t
duties_named(const struct duties *duties)
{
	return (duties->label != LABEL_NONE ? POLICY_DUTY_LABEL : 0u) |
	       (duties->notify ? POLICY_DUTY_NOTIFY : 0u) |
	       (duties->retention_days > 0 ? POLICY_DUTY_RETAIN : 0u) |
	       (duties->log_full ? POLICY_DUTY_LOG : 0u) |
	       (duties->redact_answer ? POLICY_DUTY_REDACT_ANSWER : 0u);
}

/* Access. Leaves DENY where it is unless everything says otherwise. */
static enum access
access_decide(struct deciding *deciding)
{
	struct decision *out = deciding->out;
	struct cedar_result result;
	struct forbids forbids, after;

	if (!ask(deciding, deciding->action, deciding->redacted_kinds, &result))
		return ACCESS_DENY;
	forbids = forbids_read(deciding, &result);
	reasons_take(deciding, result.permits, result.permit_count, -1, &out->permits, &out->permit_count);
	if (forbids.final) {
		reasons_take(deciding, result.forbids, result.forbid_count, REMEDY_NONE, &out->reasons,
		             &out->reason_count);
		return ACCESS_DENY;
	}
	if (result.permit_count == 0) {
		out->reasons = &no_permit;
		out->reason_count = 1;
		return ACCESS_DENY;
	}
	if (!forbids.hold && !forbids.redact) {
		out->reasons = out->permits;
		out->reason_count = out->permit_count;
		return ACCESS_PERMIT;
	}
	reasons_take(deciding, result.forbids, result.forbid_count, -1, &out->reasons, &out->reason_count);
	if (forbids.redact && deciding->can_mask) {
		struct cedar_result again;

		/* A remedy that would not help is no remedy. */
		if (!ask(deciding, deciding->action, deciding->redacted_kinds | forbids.duties.redact_kinds,
		         &again))
			return ACCESS_DENY;
		after = forbids_read(deciding, &again);
		if (after.final || after.redact || again.permit_count == 0)
			return ACCESS_DENY;
	}
	out->duties.redact_kinds = forbids.duties.redact_kinds;
	if (!forbids.hold)
		return ACCESS_REDACT;
	out->duties.approver_role = forbids.duties.approver_role;
	out->duties.hold_seconds = forbids.duties.hold_seconds;
	return ACCESS_HOLD;
}

/* The two questions, and what they come to. `cannot`: duties that this way cannot perform. */
static void
decide(struct deciding *deciding, uint32_t cannot)
{
	struct decision *out = deciding->out;
	const struct cedar_uid *duty =
	    cedar_uid(deciding->arena, SLICE_LITERAL("Action"), SLICE_LITERAL("duty"));
	enum access access = access_decide(deciding);
	struct cedar_result result;

	if (ask(deciding, duty, deciding->redacted_kinds, &result)) {
		for (size_t i = 0; i < result.permit_count; i++)
			duties_merge(&out->duties, &deciding->meanings[result.permits[i]].duties);
	}
	if (access != ACCESS_DENY && (duties_named(&out->duties) & cannot) != 0) {
		out->reasons = &no_way;
		out->reason_count = 1;
		access = ACCESS_DENY;
	}
	if (deciding->broken || !arena_ok(deciding->arena)) {
		if (out->error_count == 0) {
			out->errors = &no_memory;
			out->error_count = 1;
		}
		return; /* DENY */
	}
	out->access = access;
}

void
policy_decide(const struct policy *policy, const struct policy_facts *facts, struct arena *arena,
              struct decision *out)
{
	decide_covered(policy, facts, NULL, arena, out);
}

void
decide_covered(const struct policy *policy, const struct policy_facts *facts, struct coverage *coverage,
               struct arena *arena, struct decision *out)
{
	struct deciding deciding = {.policies = policy->agency,
	                            .meanings = policy->meanings,
	                            .facts = facts,
	                            .found_kinds = facts->found_kinds,
	                            .redacted_kinds = facts->redacted_kinds,
	                            .can_mask = true,
	                            .coverage = coverage,
	                            .arena = arena,
	                            .out = out};
	struct fault why = {0};

	memset(out, 0, sizeof *out);
	memcpy(out->bundle, policy->bundle, sizeof out->bundle);
	deciding.request.principal = principal_value(facts->subject, arena);
	deciding.request.resource =
	    cedar_uid(arena, SLICE_LITERAL("Model"), slice_string(facts->model != NULL ? facts->model : ""));
	if (facts->action != NULL)
		deciding.action = cedar_uid(arena, SLICE_LITERAL("Action"), slice_string(facts->action));
	if (deciding.request.principal == NULL || deciding.request.resource == NULL ||
	    deciding.action == NULL ||
	    (deciding.entities = entities_value(policy, facts, deciding.request.principal, arena, &why)) ==
	        NULL) {
		if (why.en[0] == '\0')
			fault_memory(&why);
		error_add(&deciding, NULL, &why);
		return;
	}
	decide(&deciding, facts->cannot);
}

static struct cedar_value
set_in(const struct cedar_request *request, enum term name)
{
	const struct cedar_string key = term(name);

	return request->context.kind == CEDAR_RECORD ? cedar_record_get(request->context, &key)
	                                             : (struct cedar_value){.kind = CEDAR_NONE};
}

/* The kinds of identifiers that a set in the context names; 0 where there is no such set. */
static uint32_t
kinds_in(const struct cedar_request *request, enum term name)
{
	const struct cedar_value set = set_in(request, name);
	uint32_t kinds = 0;

	for (uint32_t i = 0; set.kind == CEDAR_SET && i < set.as.set->count; i++) {
		const struct cedar_value item = set.as.set->items[i];

		for (unsigned kind = 0; item.kind == CEDAR_ENTITY && kind < IDENTIFIER_KINDS; kind++)
			if (cedar_uid_equal(item.as.entity,
			                    term_identifier((enum identifier_kind)kind).as.entity))
				kinds |= 1u << kind;
	}
	return kinds;
}

void
decide_asked(const struct asked *asked, struct coverage *coverage, struct arena *arena, struct decision *out)
{
	struct deciding deciding = {.policies = asked->policies,
	                            .meanings = asked->meanings,
	                            .given = asked->request,
	                            .found_kinds = kinds_in(asked->request, TERM_FOUND),
	                            .can_mask = set_in(asked->request, TERM_FOUND).kind == CEDAR_SET &&
	                                        set_in(asked->request, TERM_REDACTED).kind == CEDAR_SET,
	                            .action = asked->request->action,
	                            .request = *asked->request,
	                            .entities = asked->entities,
	                            .coverage = coverage,
	                            .arena = arena,
	                            .out = out};

	memset(out, 0, sizeof *out);
	decide(&deciding, 0);
}
