/*
 * The two-stage test of the Act over the facts of a registered use, in the order of law 2.6.
 *
 * The rules are data (policy/act): each step is a question put to the rule set in force, and every satisfied permit is
 * a rule that spoke. What C knows is only the order of the steps, and which derived facts the rules may rely on.
 */
#include <string.h>

#include "policy/coverage.h"
#include "policy/snapshot.h"
#include "policy/terms.h"
#include "schema/base/clock.h"

#define HITS_LIMIT  256
#define ASKED_LIMIT 96
#define FACTS_LIMIT 128

struct assessing {
	const struct policy *policy;
	const struct usecase *usecase;
	size_t layers; /* in force */
	struct arena *arena;
	struct coverage *coverage; /* or NULL */
	struct assessment *out;
	const struct cedar_uid *principal;
	struct cedar_field fields[FACTS_LIMIT]; /* all but the last three, which differ by question */
	size_t field_count;
	struct fault *why;
};

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static void
fact_add(struct assessing *assessing, const char *name, struct cedar_value value)
{
	assessing->fields[assessing->field_count++] =
	    (struct cedar_field){cedar_string_of(slice_string(name)), value};
}

static struct cedar_value
text_value(struct arena *arena, const char *text)
{
	return cedar_string(arena, slice_string(text != NULL ? text : ""));
}

static bool
any_power(const struct usecase *usecase, enum fact fact)
{
	return usecase->reviewer.may_exclude == fact || usecase->reviewer.may_modify == fact ||
	       usecase->reviewer.may_refuse == fact;
}

/* "국방부 장관" is the same office as "국방부장관". */
static const char *
unspaced(struct arena *arena, const char *text)
{
	char *out = text == NULL ? NULL : arena_alloc(arena, strlen(text) + 1);
	size_t size = 0;

	if (out == NULL)
		return "";
	for (; *text != '\0'; text++)
		if (*text != ' ')
			out[size++] = *text;
	out[size] = '\0';
	return out;
}

static void
facts_exclusion(struct assessing *assessing)
{
	const struct usecase *usecase = assessing->usecase;
	struct arena *arena = assessing->arena;
	struct cedar_field fields[4] = {
	    {cedar_string_of(SLICE_LITERAL("designator")),
	     text_value(arena,	                                                unspaced(arena, usecase->exclusion.designator))},
	    {cedar_string_of(SLICE_LITERAL("document")),             text_value(arena,                                      usecase->exclusion.document)},
	    {cedar_string_of(SLICE_LITERAL("task")),                text_value(arena,usecase->exclusion.task)},
	    {cedar_string_of(SLICE_LITERAL("sole_use")),       cedar_bool(usecase->exclusion.sole_use == FACT_YES)},
	};

	if (usecase->exclusion.designator != NULL && usecase->exclusion.designator[0] != '\0')
		fact_add(assessing, "exclusion",
		         cedar_record(arena, fields, usecase->exclusion.sole_use == FACT_UNKNOWN ? 3 : 4));
}

static void
fact_word(struct assessing *assessing, const char *name, const char *word)
{
	if (word != NULL && word[0] != '\0' && strcmp(word, "unknown") != 0)
		fact_add(assessing, name, term_entity(assessing->arena, "Act::Word", word));
}

/* What an official entered below "facts"; usecase_parse() has checked every type. */
static void
facts_entered(struct assessing *assessing)
{
	const struct usecase_fact *fact;

	for (size_t i = 0; (fact = usecase_fact_at(i)) != NULL; i++) {
		const json_t *value = json_object_get(assessing->usecase->facts, fact->name);

		if (value == NULL || json_is_null(value))
			continue;
		if (fact->type == USECASE_FACT_BOOL)
			fact_add(assessing, fact->name, cedar_bool(json_is_true(value)));
		else if (fact->type == USECASE_FACT_NUMBER)
			fact_add(assessing, fact->name, cedar_long(json_integer_value(value)));
		else
			fact_word(assessing, fact->name, json_string_value(value));
	}
}

static void
facts_gather(struct assessing *assessing)
{
	const struct usecase *usecase = assessing->usecase;
	bool acts = usecase->decision_effect >= EFFECT_MIDSTAGE;
	const bool override = any_power(usecase, FACT_YES);
	/* To call it substantive says that somebody may refuse; that nobody may must be said. */
	const bool powerless = !override && any_power(usecase, FACT_NO);

	fact_add(assessing, "actor", term_actor(usecase->actor_role));
	fact_add(assessing, "audience", term_audience(usecase->audience));
	fact_add(assessing, "channel", term_channel(usecase->channel));
	fact_add(assessing, "effect", term_effect(usecase->decision_effect));
	fact_add(assessing, "review", term_review(usecase->human_review));
	fact_add(assessing, "domain_known", cedar_bool(usecase->domain_known));
	fact_add(assessing, "domains",
	         term_domain_list(assessing->arena, usecase->domains, usecase->domain_count));
	fact_add(assessing, "reviewer_named",
	         cedar_bool(usecase->reviewer.name != NULL && usecase->reviewer.name[0] != '\0'));
	facts_exclusion(assessing);
	if (override || powerless)
		fact_add(assessing, "may_override", cedar_bool(override));
	if (usecase->reviewer.decisions >= 0)
		fact_add(assessing, "decisions", cedar_long(usecase->reviewer.decisions));
	if (usecase->reviewer.changed >= 0)
		fact_add(assessing, "changed", cedar_long(usecase->reviewer.changed));
	if (usecase->reviewer.hasty >= 0)
		fact_add(assessing, "hasty", cedar_long(usecase->reviewer.hasty));
	fact_add(assessing, "least_decisions", cedar_long(usecase->reviewer.limits.decisions));
	fact_add(assessing, "least_changed", cedar_long(usecase->reviewer.limits.least_changed));
	fact_add(assessing, "most_hasty", cedar_long(usecase->reviewer.limits.most_hasty));
	if (usecase->affected_count >= 0)
		fact_add(assessing, "affected", cedar_long(usecase->affected_count));
	fact_word(assessing, "reversibility", usecase->reversibility);
	fact_word(assessing, "severity", usecase->severity);
	fact_word(assessing, "frequency", usecase->frequency);
	fact_add(assessing, "acts", cedar_bool(acts));
	fact_add(assessing, "staff_decide",
	         cedar_bool(!acts && usecase->decision_effect != EFFECT_UNKNOWN &&
	                    usecase->human_review == REVIEW_SUBSTANTIVE && !powerless));
	facts_entered(assessing);
}

/* The sub-functions of one domain; of all for DOMAIN_NONE. */
static struct cedar_value
sub_functions(const struct assessing *assessing, enum domain domain)
{
	const struct usecase *usecase = assessing->usecase;
	struct cedar_value *items =
	    arena_array(assessing->arena, usecase->sub_function_count + 1, sizeof *items);
	size_t count = 0;

	for (size_t i = 0; items != NULL && i < usecase->sub_function_count; i++) {
		const char *name;
		enum domain of = DOMAIN_NONE;

		for (size_t k = 0; (name = usecase_sub_function_at(k, &of)) != NULL; k++) {
			if (strcmp(name, usecase->sub_functions[i]) == 0)
				break;
		}
		if (domain == DOMAIN_NONE || of == domain)
			items[count++] =
			    term_entity(assessing->arena, "Act::SubFunction", usecase->sub_functions[i]);
	}
	return items == NULL ? (struct cedar_value){.kind = CEDAR_NONE}
	                     : cedar_set(assessing->arena, items, count);
}

/* ---- asking the rules -------------------------------------------------------------------------------------------- */

typedef int on_rule(struct assessing *assessing, const struct cedar_policies *policies, uint32_t rule,
                    void *context);

/* Put one question to every layer in force; a rule that a later layer replaces is silent. -1: cannot be answered. */
static int
ask(struct assessing *assessing, const char *action, enum domain domain, enum verdict verdict, on_rule *each,
    void *context)
{
	struct cedar_field *fields = assessing->fields;
	struct cedar_request request = {.principal = assessing->principal,
	                                .resource = term_domain_uid(domain)};
	size_t count = assessing->field_count;

	request.action = cedar_uid(assessing->arena, SLICE_LITERAL("Act::Action"), slice_string(action));
	fields[count++] =
	    (struct cedar_field){cedar_string_of(SLICE_LITERAL("subs")), sub_functions(assessing, domain)};
	fields[count++] =
	    (struct cedar_field){cedar_string_of(SLICE_LITERAL("verdict")), term_verdict(verdict)};
	request.context = cedar_record(assessing->arena, fields, count);
	for (size_t l = 0; l < assessing->layers; l++) {
		const struct cedar_policies *policies = assessing->policy->layers[l].policies;
		struct cedar_result result;

		if (cedar_authorize(policies, &request, assessing->policy->actions, assessing->arena, &result,
		                    assessing->why) == -1 ||
		    coverage_add(assessing->coverage, policies, &request, assessing->policy->actions,
		                 assessing->arena, assessing->why) == -1)
			return -1;
		if (result.error_count > 0)
			return fault_set(assessing->why, FAULT_INTERNAL,
			                 "법 규칙 '%s'을(를) 평가하지 못했습니다: %s%.0s",
			                 "rule '%s' of the Act could not be evaluated: %.0s%s",
			                 cedar_policy_id(policies, result.errors[0].policy),
			                 result.errors[0].ko, result.errors[0].en);
		for (size_t i = 0; i < result.permit_count; i++) {
			const char *id = cedar_policy_id(policies, result.permits[i]);
			bool replaced = false;

			for (size_t k = l + 1; k < assessing->layers && !replaced; k++)
				replaced = cedar_policy_find(assessing->policy->layers[k].policies, id) !=
				           CEDAR_NO_POLICY;
			if (!replaced && each(assessing, policies, result.permits[i], context) == -1)
				return -1;
		}
	}
	return 0;
}

static const char *
note(const struct cedar_policies *policies, uint32_t rule, const char *key)
{
	const char *value = cedar_policy_annotation(policies, rule, key);

	return value != NULL ? value : "";
}

static int
rule_add(struct assessing *assessing, struct rule_hit hit)
{
	struct assessment *out = assessing->out;

	for (size_t i = 0; i < out->rule_count; i++) {
		if (strcmp(out->rules[i].id, hit.id) == 0 && strcmp(out->rules[i].says, hit.says) == 0)
			return 0;
	}
	if (out->rule_count == HITS_LIMIT)
		return fault_set(assessing->why, FAULT_INTERNAL, "너무 많은 규칙이 해당합니다",
		                 "too many rules apply");
	out->rules[out->rule_count++] = hit;
	return 0;
}

/* What a step found: `says` of its rules, and whether any spoke for "in" where rules may differ. */
struct step {
	const char *says;
	bool any, in;
};

static int
on_hit(struct assessing *assessing, const struct cedar_policies *policies, uint32_t rule, void *context)
{
	struct step *step = context;
	const char *says = note(policies, rule, "says");

	step->any = true;
	step->in |= strcmp(says, "in") == 0;
	if (note(policies, rule, "stricter")[0] != '\0')
		assessing->out->stricter_reading = true;
	return rule_add(assessing, (struct rule_hit){.id = cedar_policy_id(policies, rule),
	                                             .law = note(policies, rule, "law"),
	                                             .says = says[0] != '\0' ? says : step->says,
	                                             .title_ko = note(policies, rule, "title_ko"),
	                                             .title_en = note(policies, rule, "title_en"),
	                                             .status = note(policies, rule, "status")});
}

static int
on_question(struct assessing *assessing, const struct cedar_policies *policies, uint32_t rule, void *context)
{
	struct assessment *out = assessing->out;
	const char *field = note(policies, rule, "field");

	(void)context;
	for (size_t i = 0; i < out->missing_count; i++) {
		if (strcmp(out->missing[i].field, field) == 0)
			return 0;
	}
	if (out->missing_count < ASKED_LIMIT)
		out->missing[out->missing_count++] = (struct missing_fact){
		    field, note(policies, rule, "title_ko"), note(policies, rule, "title_en")};
	return 0;
}

static int
on_duty(struct assessing *assessing, const struct cedar_policies *policies, uint32_t rule, void *context)
{
	struct assessment *out = assessing->out;

	(void)context;
	if (note(policies, rule, "stricter")[0] != '\0')
		out->stricter_reading = true;
	if (out->duty_count < HITS_LIMIT) {
		out->duty_rules[out->duty_count] =
		    (struct rule_hit){.id = cedar_policy_id(policies, rule),
		                      .law = note(policies, rule, "law"),
		                      .says = "duty",
		                      .title_ko = note(policies, rule, "title_ko"),
		                      .title_en = note(policies, rule, "title_en"),
		                      .status = note(policies, rule, "status")};
		out->duties[out->duty_count++] = note(policies, rule, "duty");
	}
	return 0;
}

/* ---- the steps of law 2.6 ---------------------------------------------------------------------------------------- */

/* Steps 2 to 6 in one domain. */
static int
domain_assess(struct assessing *assessing, enum domain domain, enum verdict *out)
{
	static const struct {
		const char *action, *says;
		enum verdict verdict;
	} steps[] = {
	    {"inside",       "in",           VERDICT_HIGH_IMPACT    },
	    {"outside",      "out",          VERDICT_NOT_HIGH_IMPACT},
	    {"effect",       "in",           VERDICT_HIGH_IMPACT    },
	    {"undetermined", "undetermined", VERDICT_UNDETERMINED   },
	};
	struct step review = {.says = "in"};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct step step = {.says = steps[i].says};

		if (ask(assessing, steps[i].action, domain, VERDICT_UNDETERMINED, on_hit, &step) == -1)
			return -1;
		if (!step.any)
			continue;
		*out = steps[i].verdict;
		return *out == VERDICT_UNDETERMINED
		           ? ask(assessing, "question", domain, *out, on_question, NULL)
		           : 0;
	}
	if (ask(assessing, "review", domain, VERDICT_UNDETERMINED, on_hit, &review) == -1)
		return -1;
	if (review.any) {
		*out = review.in ? VERDICT_HIGH_IMPACT : VERDICT_NOT_HIGH_IMPACT;
		/* The evidence that would change it; questions of no domain in particular. */
		return review.in ? ask(assessing, "question", DOMAIN_NONE, *out, on_question, NULL) : 0;
	}
	*out = VERDICT_UNDETERMINED;
	if (rule_add(assessing, (struct rule_hit){.id = "GEN.undetermined",
	                                          .law = "2.6 step 6",
	                                          .says = "undetermined",
	                                          .title_ko = "알려진 사실만으로는 판단할 수 없음",
	                                          .title_en = "the facts known do not decide it",
	                                          .status = "own"}) == -1)
		return -1;
	return ask(assessing, "question", domain, *out, on_question, NULL);
}

/* HIGH_IMPACT before UNDETERMINED before NOT_HIGH_IMPACT: several domains meet the stricter (T14). */
static enum verdict
stricter(enum verdict a, enum verdict b)
{
	if (a == VERDICT_HIGH_IMPACT || b == VERDICT_HIGH_IMPACT)
		return VERDICT_HIGH_IMPACT;
	return a == VERDICT_UNDETERMINED || b == VERDICT_UNDETERMINED ? VERDICT_UNDETERMINED
	                                                              : VERDICT_NOT_HIGH_IMPACT;
}

static int
steps_run(struct assessing *assessing)
{
	const struct usecase *usecase = assessing->usecase;
	struct assessment *out = assessing->out;
	struct step excluded = {.says = "excluded"}, outside = {.says = "out"};

	if (ask(assessing, "excluded", DOMAIN_NONE, VERDICT_UNDETERMINED, on_hit, &excluded) == -1)
		return -1;
	if (excluded.any) {
		out->verdict = VERDICT_EXCLUDED;
		return 0;
	}
	if (out->domain_count > 0) {
		out->verdict = VERDICT_NOT_HIGH_IMPACT;
		for (size_t i = 0; i < out->domain_count; i++) {
			enum verdict verdict;

			if (domain_assess(assessing, out->domains[i], &verdict) == -1)
				return -1;
			out->verdict = stricter(out->verdict, verdict);
		}
		/* An exclusion was claimed and not granted: what it lacks. */
		return usecase->exclusion.designator != NULL && usecase->exclusion.designator[0] != '\0'
		           ? ask(assessing, "question", DOMAIN_NONE, out->verdict, on_question, NULL)
		           : 0;
	}
	if (ask(assessing, "outside", DOMAIN_NONE, VERDICT_UNDETERMINED, on_hit, &outside) == -1)
		return -1;
	out->verdict = outside.any && usecase->domain_known ? VERDICT_NOT_HIGH_IMPACT : VERDICT_UNDETERMINED;
	return out->verdict == VERDICT_UNDETERMINED
	           ? ask(assessing, "question", DOMAIN_NONE, out->verdict, on_question, NULL)
	           : 0;
}

/* How many layers are in force on the day; as_of NULL: today in Korea. */
static int
layers_in_force(const struct policy *policy, const char *as_of, size_t *layers, struct fault *why)
{
	char today[CLOCK_TEXT_SIZE];
	int64_t wall_ms;

	if (as_of == NULL) {
		clock_text(today, clock_wall_ms() + INT64_C(9) * 3600 * 1000);
		today[10] = '\0';
		as_of = today;
	}
	if (strlen(as_of) != 10 || !clock_parse(&wall_ms, slice_string(as_of), true))
		return fault_set(why, FAULT_USAGE, "'%s'은(는) 날짜(YYYY-MM-DD)가 아닙니다",
		                 "'%s' is no date (YYYY-MM-DD)", as_of);
	*layers = 0;
	while (*layers < policy->layer_count && strcmp(policy->layers[*layers].date, as_of) <= 0)
		++*layers;
	if (*layers == 0)
		return fault_set(why, FAULT_INVALID, "%s에는 시행 중인 법 규칙이 없습니다 (첫 시행일 %s)",
		                 "no rules of the Act are in force on %s (the first are of %s)", as_of,
		                 policy->layers[0].date);
	return 0;
}

int
policy_assess(const struct policy *policy, const struct usecase *usecase, const char *as_of,
              struct arena *arena, struct assessment *out, struct fault *why)
{
	return assess_covered(policy, usecase, as_of, NULL, arena, out, why);
}

int
assess_covered(const struct policy *policy, const struct usecase *usecase, const char *as_of,
               struct coverage *coverage, struct arena *arena, struct assessment *out, struct fault *why)
{
	struct assessing assessing = {.policy = policy,
	                              .usecase = usecase,
	                              .coverage = coverage,
	                              .arena = arena,
	                              .out = out,
	                              .why = why};

	memset(out, 0, sizeof *out); /* UNDETERMINED until all has held */
	if (layers_in_force(policy, as_of, &assessing.layers, why) == -1)
		return -1;
	out->ruleset = policy->layers[assessing.layers - 1].date;
	memcpy(out->domains, usecase->domains, sizeof out->domains);
	out->domain_count = usecase->domain_count;
	out->rules = arena_array(arena, HITS_LIMIT, sizeof *out->rules);
	out->missing = arena_array(arena, ASKED_LIMIT, sizeof *out->missing);
	out->duties = arena_array(arena, HITS_LIMIT, sizeof *out->duties);
	out->duty_rules = arena_array(arena, HITS_LIMIT, sizeof *out->duty_rules);
	assessing.principal = cedar_uid(arena, SLICE_LITERAL("Act::Usecase"), slice_string(usecase->id));
	facts_gather(&assessing);
	if (!arena_ok(arena))
		return fault_memory(why);
	if (steps_run(&assessing) == -1 ||
	    ask(&assessing, "obligation", DOMAIN_NONE, out->verdict, on_duty, NULL) == -1) {
		out->verdict = VERDICT_UNDETERMINED;
		return -1;
	}
	return 0;
}
