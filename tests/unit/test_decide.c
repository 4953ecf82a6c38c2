/*
 * Access and duties of the sample agency policies: tests/policies/agency.jsonl, one case a line; and what must never
 * open: errors, little memory, remedies that do not help, annotations outside the vocabulary. -t measures a decision.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "policy/trials.h"
#include "schema/base/clock.h"

static struct policy *policy;
static struct arena *arena;
static bool timing;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	if ((arena = arena_new(4 << 20)) == NULL ||
	    policy_load(&policy, "policy/agency", "policy/act", "schema/haechi.cedarschema", &why) == -1) {
		fault_print(stderr, "test_decide", &why);
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

/* ---- facts out of a case ----------------------------------------------------------------------------------------- */

struct request {
	struct subject subject;
	struct usecase usecase;
	struct policy_facts facts;
};

static uint32_t
kinds_of(const json_t *list)
{
	uint32_t kinds = 0;
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		enum identifier_kind kind;

		assert_true(identifier_parse(&kind, json_string_value(item)));
		kinds |= 1u << kind;
	}
	return kinds;
}

static const char *
text_of(const json_t *object, const char *name, const char *fallback)
{
	const char *text = json_get_string(object, name);

	return text != NULL ? text : fallback;
}

static void
request_of(struct request *out, const json_t *facts)
{
	static const char *models[] = {"haechi-demo"};
	static const char *roles[] = {"civil-service"};
	json_t *item;
	size_t i;
	int64_t expires = json_get_integer(facts, "expires_in_ms", 0);

	memset(out, 0, sizeof *out);
	out->subject = (struct subject){.known = json_get_bool(facts, "known", true),
	                                .agency = "seoul",
	                                .service = "minwon",
	                                .key_id = "k1",
	                                .person = "",
	                                .roles = roles,
	                                .role_count = 1};
	out->usecase = (struct usecase){
	    .id = "minwon", .version = 1, .models = models, .model_count = 1, .domain_known = true};
	out->usecase.agency = text_of(facts, "use_agency", "seoul");
	out->usecase.channel = text_of(facts, "channel", "chat");
	out->usecase.rrn_legal_basis = text_of(facts, "rrn_legal_basis", "");
	out->usecase.retired = json_get_bool(facts, "retired", false);
	out->usecase.audience =
	    strcmp(text_of(facts, "audience", "public"), "public") == 0 ? AUDIENCE_PUBLIC : AUDIENCE_INTERNAL;
	out->facts = (struct policy_facts){.subject = &out->subject,
	                                   .usecase = &out->usecase,
	                                   .model = "haechi-demo",
	                                   .engine_zone = "local",
	                                   .wall_ms = INT64_C(1790000000000)};
	out->facts.action = text_of(facts, "action", "chat");
	out->facts.model = text_of(facts, "model", "haechi-demo");
	if (!json_get_bool(facts, "usecase", true))
		out->facts.usecase = NULL;
	assert_true(verdict_parse(&out->facts.verdict, text_of(facts, "verdict", "NOT_HIGH_IMPACT")));
	assert_true(grade_parse(&out->facts.grade, text_of(facts, "grade", "O")));
	assert_true(grade_parse(&out->facts.zone_grade, text_of(facts, "zone_grade", "S")));
	for (out->facts.drift = DRIFT_CERTAIN; out->facts.drift < DRIFT_NONE; out->facts.drift++) {
		if (strcmp(drift_name(out->facts.drift), text_of(facts, "drift", "none")) == 0)
			break;
	}
	out->facts.found_kinds = kinds_of(json_object_get(facts, "found"));
	out->facts.redacted_kinds = kinds_of(json_object_get(facts, "redacted"));
	out->facts.approver = json_get_string(facts, "approver");
	out->facts.approver_role = json_get_string(facts, "approver_role");
	out->facts.approval_expires_ms = out->facts.wall_ms + expires;
	json_array_foreach(json_object_get(facts, "cannot"), i, item)
	{
		static const char *const names[] = {"label", "notify", "retain", "log", "redact_answer"};

		for (unsigned k = 0; k < 5; k++)
			out->facts.cannot |= strcmp(names[k], json_string_value(item)) == 0 ? 1u << k : 0;
	}
}

static size_t failed;

static void
told(void *owner, const struct trial_told *told)
{
	(void)owner;
	if (told->passed)
		return;
	print_error("#%u %s: %s %s\n", told->number, told->name,
	            told->wanted != NULL ? told->wanted : told->why->en, told->got != NULL ? told->got : "");
	failed++;
}

/* The cases `haechi policy test` runs, and that they leave nothing of the agency's policies unseen. */
static void
test_cases(void **state)
{
	struct arena *lasting = arena_new(64 << 20);
	struct trials trials = {.policy = policy, .tell = told};
	struct buffer text;
	struct fault why;

	(void)state;
	assert_int_equal(file_read(&text, "tests/policies/agency.jsonl", 1 << 20, &why), 0);
	assert_int_equal(trials_cover(&trials, lasting, &why), 0);
	assert_int_equal(trials_run(&trials, "agency.jsonl", buffer_view(&text), &why), 0);
	assert_int_equal(failed, 0);
	assert_true(trials.passed >= 37);
	for (size_t i = 0; i < coverage_count(trials.coverage); i++) {
		const struct coverage_policy *one = coverage_at(trials.coverage, i);

		if (strncmp(one->file, "policy/agency/", 14) != 0)
			continue;
		if (one->satisfied == 0)
			fail_msg("%s never applied", one->id);
		for (size_t j = 0; j < one->clause_count; j++)
			if (!one->clauses[j].seen_true || !one->clauses[j].seen_false)
				fail_msg("%s: %s was never %s", one->id, one->clauses[j].text,
				         one->clauses[j].seen_true ? "false" : "true");
	}
	arena_free(lasting);
	buffer_free(&text);
}

/* ---- what must never open ---------------------------------------------------------------------------------------- */

/* A policy set of one text, in a folder of its own. */
static int
load_text(struct policy **out, const char *text, struct fault *why)
{
	char directory[] = "/tmp/haechi-policy-XXXXXX", path[64];
	int result;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/a.cedar", directory);
	assert_int_equal(file_replace(path, slice_string(text), 0600, why), 0);
	result = policy_load(out, directory, "policy/act", "schema/haechi.cedarschema", why);
	unlink(path);
	rmdir(directory);
	return result;
}

#define HEAD(id)   "@id(\"" id "\") @title_ko(\"가\") @title_en(\"a\") "
#define PERMIT_ALL HEAD("all") "permit (principal, action, resource);\n"

/* The decision borrows from the policy: the caller releases it. */
static struct policy *
decide_with(const char *text, struct decision *out, struct arena *where)
{
	struct request request;
	struct policy *own;
	struct fault why;

	if (load_text(&own, text, &why) == -1)
		fail_msg("%s", why.en);
	request_of(&request, NULL);
	request.facts.found_kinds = 1u << IDENTIFIER_RRN;
	policy_decide(own, &request.facts, where, out);
	return own;
}

static void
test_errors_deny(void **state)
{
	struct decision decision;
	struct policy *own;

	(void)state;
	arena_reset(arena);
	/* i64 overflow: the validator cannot see it, the evaluator must. */
	own = decide_with(
	    PERMIT_ALL HEAD("broken") "permit (principal, action in Action::\"ask\", resource) when "
	                              "{ context.now.toTime().toMilliseconds() + "
	                              "9223372036854775807 > 0 };",
	    &decision, arena);
	assert_int_equal(decision.access, ACCESS_DENY);
	assert_int_equal(decision.error_count, 1);
	assert_string_equal(decision.errors[0].policy, "broken");
	policy_release(own);
	own = decide_with(
	    PERMIT_ALL HEAD(
	        "duty-broken") "@duty(\"notify\") permit (principal, action == Action::\"duty\", "
	                       "resource) when { "
	                       "context.now.toTime().toMilliseconds() + 9223372036854775807 > 0 };",
	    &decision, arena);
	assert_int_equal(decision.access, ACCESS_DENY);
	assert_int_equal(decision.error_count, 1);
	policy_release(own);
}

static void
test_useless_remedy_denies(void **state)
{
	struct decision decision;
	struct policy *own;

	(void)state;
	arena_reset(arena);
	own = decide_with(
	    PERMIT_ALL HEAD("useless") "@remedy(\"redact\") @redact(\"rrn\") forbid (principal, action in "
	                               "Action::\"ask\", resource) when { context.found.contains("
	                               "Identifier::\"rrn\") };",
	    &decision, arena);
	assert_int_equal(decision.access, ACCESS_DENY);
	assert_string_equal(decision.reasons[0].id, "useless");
	policy_release(own);
}

static void
test_little_memory_denies(void **state)
{
	bool permitted = false;

	(void)state;
	for (size_t limit = 64; limit <= 64 << 10; limit = limit * 5 / 4 + 32) {
		struct arena *small = arena_new(limit);
		struct request request;
		struct decision decision;

		assert_non_null(small);
		request_of(&request, NULL);
		policy_decide(policy, &request.facts, small, &decision);
		permitted = decision.access == ACCESS_PERMIT;
		assert_true(permitted || (decision.access == ACCESS_DENY && decision.error_count > 0));
		arena_free(small);
	}
	assert_true(permitted); /* 64 KiB are enough, as policy.h says */
}

static void
test_vocabulary(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
	    {"permit (principal, action, resource);",	                                              "id"      },
	    {"@id(\"a\") permit (principal, action, resource);",                                           "title_ko"},
	    {HEAD("a") "@colour(\"x\") permit (principal, action, resource);",                             "colour"  },
	    {HEAD("a") "@remedy(\"hold\") @approver(\"r\") permit (principal, action, resource);",         "remedy"  },
	    {HEAD("a") "@remedy(\"pray\") forbid (principal, action, resource);",                          "pray"    },
	    {HEAD("a") "@remedy(\"hold\") forbid (principal, action, resource);",                          "approver"},
	    {HEAD("a") "@remedy(\"hold\") @approver(\"r\") @hold_ttl(\"soon\") forbid (principal, action, "
	               "resource);",	                                                  "soon"    },
	    {HEAD("a") "@remedy(\"redact\") @redact(\"rrn, soul\") forbid (principal, action, resource);",
	     "soul"	                                                                                          },
	    {HEAD("a") "@redact(\"rrn\") forbid (principal, action, resource);",                           "redact"  },
	    {HEAD("a") "@duty(\"dance\") permit (principal, action, resource);",                           "dance"   },
	    {HEAD("a") "@duty(\"label\") @label(\"big\") permit (principal, action, resource);",           "big"     },
	    {HEAD("a") "@duty(\"retain\") @retain(\"PT1H\") permit (principal, action, resource);",        "PT1H"    },
	    {HEAD("a") "@duty(\"notify\") forbid (principal, action, resource);",                          "duty"    },
	    {HEAD("a") "permit (principal, action, resource) when { context.grade == Grade::\"X\" };",     "X"       },
	    {HEAD("a") "permit (principal, action, resource) when { context.colour };",                    "colour"  },
	    {PERMIT_ALL PERMIT_ALL,	                                                                "all"     },
	    {"",	                                                                                   "policy"  },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct policy *own = NULL;
		struct fault why = {0};

		if (load_text(&own, cases[i].text, &why) == 0)
			fail_msg("loaded: %s", cases[i].text);
		if (strstr(why.en, cases[i].says) == NULL)
			fail_msg("'%s' does not say %s", why.en, cases[i].says);
		assert_null(own);
	}
}

static void
test_time(void **state)
{
	struct request request;
	struct decision decision;
	int64_t best = INT64_MAX, begin;

	(void)state;
	if (!timing)
		skip();
	request_of(&request, NULL);
	request.facts.found_kinds = 1u << IDENTIFIER_PHONE;
	for (unsigned round = 0; round < 20; round++) {
		begin = clock_monotonic_ns();
		for (unsigned i = 0; i < 2000; i++) {
			arena_reset(arena);
			policy_decide(policy, &request.facts, arena, &decision);
		}
		begin = clock_monotonic_ns() - begin;
		best = begin < best ? begin : best;
	}
	print_message("a decision: %.2f us, %zu bytes of arena\n", (double)best / 2000 / 1000,
	              arena_used(arena));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_errors_deny),
	    cmocka_unit_test(test_useless_remedy_denies),
	    cmocka_unit_test(test_little_memory_denies),
	    cmocka_unit_test(test_vocabulary),
	    cmocka_unit_test(test_time),
	};

	timing = argc > 1 && strcmp(argv[1], "-t") == 0;
	return cmocka_run_group_tests(tests, setup, teardown);
}
