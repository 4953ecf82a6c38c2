/*
 * Every example of the law reference's section 2.5, IN and OUT with its sub-cases, and the algorithm of 2.6, as use
 * cases with the verdict stated there: tests/policies/act.jsonl, one a line. Run with -v for the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "schema/base/clock.h"

static struct policy *policy;
static struct arena *arena;
static bool verbose;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	if ((arena = arena_new(16 << 20)) == NULL ||
	    policy_load(&policy, "policy/agency", "policy/act", "schema/haechi.cedarschema", &why) == -1) {
		fault_print(stderr, "test_assess", &why);
		return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	policy_release(policy);
	arena_free(arena);
	return 0;
}

static void
usecase_of(struct usecase *out, const json_t *json)
{
	struct buffer text;
	struct fault why;

	buffer_init(&text, 1 << 20);
	json_write(&text, json);
	if (usecase_parse(out, buffer_view(&text), arena, &why) == -1)
		fail_msg("%s", why.en);
	buffer_free(&text);
}

static bool
hit(const struct assessment *assessment, const char *id)
{
	for (size_t i = 0; i < assessment->rule_count; i++) {
		if (strcmp(assessment->rules[i].id, id) == 0)
			return true;
	}
	return false;
}

static void
each_fixture(const char *path, size_t least,
             void (*check)(const json_t *fixture, const struct assessment *assessment))
{
	struct buffer text;
	struct reader reader;
	struct fault why;
	size_t count = 0;

	assert_int_equal(file_read(&text, path, 1 << 20, &why), 0);
	reader = reader_of(buffer_view(&text));
	while (!reader_done(&reader)) {
		json_t *fixture = json_read(reader_line(&reader), 1 << 16, 16, &why);
		struct usecase usecase;
		struct assessment assessment;

		assert_non_null(fixture);
		arena_reset(arena);
		usecase_of(&usecase, json_object_get(fixture, "usecase"));
		assert_int_equal(policy_assess(policy, &usecase, "2026-11-21", arena, &assessment, &why), 0);
		check(fixture, &assessment);
		usecase_release(&usecase);
		json_decref(fixture);
		count++;
	}
	assert_true(count >= least);
	buffer_free(&text);
}

static unsigned disagree;

static void
check_fixture(const json_t *fixture, const struct assessment *assessment)
{
	const char *want = json_get_string(fixture, "verdict"), *got = verdict_name(assessment->verdict);
	bool same = strcmp(want, got) == 0;
	json_t *rule;
	size_t i;

	json_array_foreach(json_object_get(fixture, "rules"), i, rule)
	{
		if (!hit(assessment, json_string_value(rule))) {
			print_error("%s: rule %s did not speak\n", json_get_string(fixture, "fixture"),
			            json_string_value(rule));
			same = false;
		}
	}
	if (!same || verbose) {
		print_message("%-18s %-9s want %-15s got %-15s", json_get_string(fixture, "fixture"),
		              json_get_string(fixture, "tag"), want, got);
		for (i = 0; i < assessment->rule_count; i++)
			print_message(" %s", assessment->rules[i].id);
		print_message("\n");
	}
	disagree += !same;
	/* What is not decided must say what is missing. */
	if (assessment->verdict == VERDICT_UNDETERMINED && !hit(assessment, "RGT.no-criteria"))
		assert_true(assessment->missing_count > 0);
	assert_string_equal(assessment->ruleset, "2026-07-21");
	for (i = 0; i < assessment->missing_count; i++)
		assert_true(assessment->missing[i].field[0] != '\0' &&
		            assessment->missing[i].question_ko[0] != '\0');
}

static void
test_fixtures(void **state)
{
	(void)state;
	each_fixture("tests/policies/act.jsonl", 150, check_fixture);
	assert_int_equal(disagree, 0);
}

/* Uses as agencies and companies describe them, entered as facts: the verdict, and what is asked where it is open. */
static void
check_use(const json_t *use, const struct assessment *assessment)
{
	const char *want = json_get_string(use, "verdict"), *got = verdict_name(assessment->verdict);
	bool same = strcmp(want, got) == 0;
	json_t *field;
	size_t i, k;

	json_array_foreach(json_object_get(use, "missing"), i, field)
	{
		for (k = 0; k < assessment->missing_count; k++)
			if (strcmp(assessment->missing[k].field, json_string_value(field)) == 0)
				break;
		if (k == assessment->missing_count) {
			print_error("not asked for: %s\n", json_string_value(field));
			same = false;
		}
	}
	if (!same || verbose) {
		print_message("| %s | %s | %s | %s |", json_get_string(use, "says"),
		              json_get_string(use, "why"), want, strcmp(want, got) == 0 ? "=" : got);
		for (i = 0; i < assessment->rule_count; i++)
			print_message(" %s", assessment->rules[i].id);
		print_message(" |\n");
	}
	disagree += !same;
}

static void
test_uses(void **state)
{
	(void)state;
	disagree = 0;
	each_fixture("tests/policies/uses.jsonl", 60, check_use);
	assert_int_equal(disagree, 0);
}

static void
assess(struct assessment *out, const char *text, const char *as_of)
{
	struct usecase usecase;
	struct fault why;

	assert_int_equal(usecase_parse(&usecase, slice_string(text), arena, &why), 0);
	assert_int_equal(policy_assess(policy, &usecase, as_of, arena, out, &why), 0);
	usecase_release(&usecase);
}

static bool
has_duty(const struct assessment *assessment, const char *duty)
{
	for (size_t i = 0; i < assessment->duty_count; i++) {
		if (strcmp(assessment->duties[i], duty) == 0)
			return true;
	}
	return false;
}

static void
test_duties_and_dates(void **state)
{
	static const char *const text =
	    "{\"id\":\"x\",\"domains\":[\"public_service\"],\"sub_function\":\"award\","
	    "\"decision_effect\":\"final\",\"human_review\":\"none\",\"audience\":\"public\","
	    "\"actor_role\":\"deployer\",\"facts\":{\"generative\":true,\"personal_data\":true}}";
	struct assessment a;
	struct usecase usecase;
	struct fault why;

	(void)state;
	arena_reset(arena);
	assess(&a, text, "2026-03-02");
	assert_string_equal(a.ruleset, "2026-01-22");
	assert_true(has_duty(&a, "art31.notice") && has_duty(&a, "art31.label") &&
	            has_duty(&a, "art34.human-oversight") && has_duty(&a, "art34.retention-5y") &&
	            has_duty(&a, "pipa37-2.automated-decision"));
	assert_false(has_duty(&a, "art35.vulnerable-groups"));
	assert_false(has_duty(&a, "art31.deepfake"));
	assess(&a, text, "2026-07-21");
	assert_string_equal(a.ruleset, "2026-07-21");
	assert_true(has_duty(&a, "art35.vulnerable-groups"));
	/* Internal use is exempt from transparency only (T7); users of a service have no duties of 31 and 34. */
	assess(&a,
	       "{\"id\":\"x\",\"domains\":[\"public_service\"],\"sub_function\":\"award\",\"decision_"
	       "effect\":\"final\","
	       "\"human_review\":\"none\",\"audience\":\"internal\",\"actor_role\":\"both\"}",
	       "2026-11-21");
	assert_true(has_duty(&a, "art34.human-oversight"));
	assert_false(has_duty(&a, "art31.notice"));
	assess(&a, "{\"id\":\"x\",\"domains\":[],\"audience\":\"internal\",\"actor_role\":\"user\"}",
	       "2026-11-21");
	assert_int_equal(a.verdict, VERDICT_NOT_HIGH_IMPACT);
	assert_int_equal(a.duty_count, 0);
	assert_int_equal(usecase_parse(&usecase, SLICE_LITERAL("{\"id\":\"x\"}"), arena, &why), 0);
	assert_int_equal(policy_assess(policy, &usecase, "2026-01-21", arena, &a, &why), -1);
	assert_int_equal(why.kind, FAULT_INVALID);
	assert_int_equal(policy_assess(policy, &usecase, "tomorrow", arena, &a, &why), -1);
	assert_int_equal(why.kind, FAULT_USAGE);
	assert_int_equal(policy_assess(policy, &usecase, NULL, arena, &a, &why), 0);
	assert_int_equal(a.verdict, VERDICT_UNDETERMINED);
	assert_string_equal(a.missing[0].field, "domains");
	usecase_release(&usecase);
}

/* T12: what was measured, by the thresholds that are configured; {decisions, changed, hasty} of a final decision people review. */
static void
test_measured(void **state)
{
	static const struct {
		int64_t decisions, changed, hasty;
		enum verdict verdict;
		const char *rule;
	} cases[] = {
	    {49,  0,  49, VERDICT_HIGH_IMPACT,     "GEN.review-unproven"},
	    {50,  0,  0,  VERDICT_HIGH_IMPACT,     "T12.rubber-stamp"   },
	    {50,  1,  25, VERDICT_NOT_HIGH_IMPACT, "GEN.review-proven"  },
	    {50,  1,  26, VERDICT_HIGH_IMPACT,     "T12.hasty"          },
	    {100, 1,  0,  VERDICT_HIGH_IMPACT,     "T12.rubber-stamp"   },
	    {100, 2,  -1, VERDICT_NOT_HIGH_IMPACT, "GEN.review-proven"  },
	    {100, 90, 60, VERDICT_HIGH_IMPACT,     "T12.hasty"          },
	};
	struct usecase usecase;
	struct assessment a;
	struct fault why;

	(void)state;
	arena_reset(arena);
	assert_int_equal(
	    usecase_parse(&usecase,
	                  SLICE_LITERAL("{\"id\":\"x\",\"domains\":[\"public_service\"],\"sub_function\":"
	                                "\"award\",\"decision_effect\":\"final\",\"human_review\":"
	                                "\"substantive\",\"reviewer\":{\"may_refuse\":true}}"),
	                  arena, &why),
	    0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		usecase.reviewer.decisions = cases[i].decisions;
		usecase.reviewer.changed = cases[i].changed;
		usecase.reviewer.hasty = cases[i].hasty;
		assert_int_equal(policy_assess(policy, &usecase, "2026-11-21", arena, &a, &why), 0);
		assert_int_equal(a.verdict, cases[i].verdict);
		assert_true(hit(&a, cases[i].rule));
	}
	/* Other thresholds, another verdict; and only reviews can say so, not a use that has no effect on a decision. */
	usecase.reviewer.decisions = 50;
	usecase.reviewer.changed = 1;
	usecase.reviewer.hasty = 0;
	usecase.reviewer.limits.least_changed = 21;
	assert_int_equal(policy_assess(policy, &usecase, "2026-11-21", arena, &a, &why), 0);
	assert_true(hit(&a, "T12.rubber-stamp"));
	usecase.reviewer.limits.decisions = 51;
	assert_int_equal(policy_assess(policy, &usecase, "2026-11-21", arena, &a, &why), 0);
	assert_false(hit(&a, "T12.rubber-stamp"));
	usecase.reviewer.limits = oversight_defaults;
	usecase.reviewer.changed = 0;
	usecase.decision_effect = EFFECT_NONE;
	assert_int_equal(policy_assess(policy, &usecase, "2026-11-21", arena, &a, &why), 0);
	assert_int_equal(a.verdict, VERDICT_NOT_HIGH_IMPACT);
	usecase_release(&usecase);
}

static void
test_stricter_reading(void **state)
{
	struct assessment a;

	(void)state;
	arena_reset(arena);
	assess(&a,
	       "{\"id\":\"x\",\"domains\":[\"medical_device\"],\"decision_effect\":\"recommend\",\"human_"
	       "review\":"
	       "\"substantive\",\"reviewer\":{\"may_refuse\":true},\"facts\":{\"device_class\":3}}",
	       NULL);
	assert_int_equal(a.verdict, VERDICT_HIGH_IMPACT);
	assert_true(a.stricter_reading);
	assess(&a, "{\"id\":\"x\",\"domains\":[\"medical_device\"],\"facts\":{\"device_class\":3}}", NULL);
	assert_false(a.stricter_reading);
}

static void
test_little_memory(void **state)
{
	struct usecase usecase;
	struct assessment a;
	struct fault why;

	(void)state;
	arena_reset(arena);
	assert_int_equal(
	    usecase_parse(&usecase, SLICE_LITERAL("{\"id\":\"x\",\"domains\":[\"energy\"]}"), arena, &why),
	    0);
	for (size_t limit = 1024; limit < 64 << 10; limit += 4096) {
		struct arena *small = arena_new(limit);

		assert_non_null(small);
		if (policy_assess(policy, &usecase, NULL, small, &a, &why) == -1)
			assert_int_equal(a.verdict, VERDICT_UNDETERMINED);
		arena_free(small);
	}
	usecase_release(&usecase);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fixtures),         cmocka_unit_test(test_uses),
	    cmocka_unit_test(test_duties_and_dates), cmocka_unit_test(test_measured),
	    cmocka_unit_test(test_stricter_reading), cmocka_unit_test(test_little_memory),
	};

	verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	return cmocka_run_group_tests(tests, setup, teardown);
}
