/*
 * What answers of policies mean: access first, then duties. A marked forbid is a precondition, an unmarked one is final, satisfied
 * permits are told also of a denial, an error denies whatever else was said, duties are merged the strict way, and a duty that
 * cannot be performed denies. Each on policies made for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

static struct arena *arena;
static struct buffer schema;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	arena = arena_new(4 << 20);
	buffer_init(&schema, 1 << 20);
	return arena != NULL && file_read(&schema, "schema/haechi.cedarschema", 1 << 20, &why) == 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	buffer_free(&schema);
	arena_free(arena);
	return 0;
}

#define HEAD(id) "@id(\"" id "\") @title_ko(\"가\") @title_en(\"a\") "
#define ASK      "(principal, action in Action::\"ask\", resource)"
#define DUTY     "(principal, action == Action::\"duty\", resource)"
#define PERMIT   HEAD("permit") "permit " ASK ";\n"
#define OVERFLOW "when { context.now.toTime().toMilliseconds() + 9223372036854775807 > 0 };\n"

static const char rules[] =
    "@id(\"ACT.1\") @law(\"2.3\") @status(\"own\") @title_ko(\"가\") @title_en(\"a\")\n"
    "permit (principal, action == Act::Action::\"inside\", resource);\n";

static struct policy *policy;

static struct policy_facts
plain_facts(void)
{
	static const char *const models[] = {"m"};
	static struct subject subject;
	static struct usecase usecase;

	subject = (struct subject){
	    .known = true, .agency = "seoul", .service = "minwon", .key_id = "k", .person = ""};
	usecase = (struct usecase){.id = "u",
	                           .version = 1,
	                           .agency = "seoul",
	                           .channel = "chat",
	                           .rrn_legal_basis = "",
	                           .models = (const char **)(uintptr_t)models,
	                           .model_count = 1};
	return (struct policy_facts){.subject = &subject,
	                             .usecase = &usecase,
	                             .verdict = VERDICT_NOT_HIGH_IMPACT,
	                             .drift = DRIFT_NONE,
	                             .grade = GRADE_O,
	                             .zone_grade = GRADE_O,
	                             .action = "chat",
	                             .model = "m",
	                             .engine_zone = "z",
	                             .found_kinds = 1u << IDENTIFIER_RRN | 1u << IDENTIFIER_PHONE,
	                             .wall_ms = INT64_C(1790000000000)};
}

static struct decision
decide(const char *text, const struct policy_facts *facts)
{
	const struct policy_file files[] = {
	    {"act/2026-01-22/a.cedar", slice_string(rules) },
	    {"agency/a.cedar",         slice_string(text)  },
	    {POLICY_FILE_SCHEMA,       buffer_view(&schema)}
        };
	struct decision decision;
	struct fault why;

	policy_release(policy);
	policy = NULL;
	if (policy_load_files(&policy, files, 3, "", &why) == -1)
		fail_msg("%s", why.en);
	arena_reset(arena);
	policy_decide(policy, facts, arena, &decision);
	return decision;
}

static struct decision
plainly(const char *text)
{
	const struct policy_facts facts = plain_facts();

	return decide(text, &facts);
}

static bool
names(const struct policy_reason *reasons, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(reasons[i].id, id) == 0)
			return true;
	return false;
}

#define HOLD_A                                                                                               \
	HEAD("hold.a") "@remedy(\"hold\") @approver(\"reviewer\") @hold_ttl(\"PT24H\") forbid " ASK ";\n"
#define HOLD_B                                                                                               \
	HEAD("hold.b")                                                                                       \
	"@remedy(\"hold\") @approver(\"privacy-officer\") @hold_ttl(\"PT4H\") forbid " ASK ";\n"
#define MASK_RRN                                                                                             \
	HEAD("mask.rrn")                                                                                     \
	"@remedy(\"redact\") @redact(\"rrn\") forbid " ASK                                                   \
	" unless { context.redacted.contains(Identifier::\"rrn\") };\n"
#define MASK_ALL                                                                                             \
	HEAD("mask.all")                                                                                     \
	"@remedy(\"redact\") @redact(\"*\") forbid " ASK                                                     \
	" unless { context.redacted.containsAll(context.found) };\n"
#define FINAL HEAD("final") "forbid " ASK ";\n"

static void
marked_forbids_are_preconditions(void **state)
{
	struct decision got;

	(void)state;
	assert_int_equal(plainly(PERMIT).access, ACCESS_PERMIT);
	got = plainly(PERMIT HOLD_A);
	assert_int_equal(got.access, ACCESS_HOLD);
	assert_string_equal(got.duties.approver_role, "reviewer");
	assert_int_equal(got.duties.hold_seconds, 86400);
	got = plainly(PERMIT MASK_RRN);
	assert_int_equal(got.access, ACCESS_REDACT);
	assert_int_equal(got.duties.redact_kinds, 1u << IDENTIFIER_RRN);
	/* Both at once: a person first; what will be masked is known already. */
	got = plainly(PERMIT MASK_RRN HOLD_A);
	assert_int_equal(got.access, ACCESS_HOLD);
	assert_int_equal(got.duties.redact_kinds, 1u << IDENTIFIER_RRN);
	/* Where nothing permits there is nothing to remedy. */
	got = plainly(HOLD_A MASK_RRN);
	assert_int_equal(got.access, ACCESS_DENY);
	assert_string_equal(got.reasons[0].id, "default-deny");
	/* A remedy that does not help is none. */
	assert_int_equal(
	    plainly(PERMIT HEAD("x") "@remedy(\"redact\") @redact(\"email\") forbid " ASK ";\n").access,
	    ACCESS_DENY);
}

static void
unmarked_forbids_are_final(void **state)
{
	struct decision got = plainly(PERMIT FINAL HOLD_A MASK_RRN);

	(void)state;
	assert_int_equal(got.access, ACCESS_DENY);
	assert_int_equal(got.reason_count, 1); /* what can be met is not the reason */
	assert_string_equal(got.reasons[0].id, "final");
	assert_null(got.duties.approver_role);
	/* An approval does not open it. */
	{
		struct policy_facts facts = plain_facts();

		facts.approver = "kim";
		facts.approver_role = "reviewer";
		facts.approval_expires_ms = facts.wall_ms + 1000;
		assert_int_equal(decide(PERMIT FINAL, &facts).access, ACCESS_DENY);
	}
}

static void
permits_are_told_of_denials(void **state)
{
	struct decision got = plainly(PERMIT HEAD("other") "permit " ASK ";\n" HEAD(
	    "not") "permit " ASK " when { context.streaming };\n" FINAL);

	(void)state;
	assert_int_equal(got.access, ACCESS_DENY);
	assert_int_equal(got.permit_count, 2);
	assert_true(names(got.permits, 2, "permit") && names(got.permits, 2, "other"));
	got = plainly(PERMIT HOLD_A);
	assert_int_equal(got.permit_count, 1);
}

static void
errors_deny(void **state)
{
	static const char *const texts[] = {
	    PERMIT HEAD("broken") "permit " ASK OVERFLOW, /* though another permits */
	    PERMIT HEAD("broken") "forbid " ASK OVERFLOW, /* that Cedar would skip */
	    PERMIT HOLD_A HEAD("broken") "forbid " ASK OVERFLOW,
	    PERMIT MASK_RRN HEAD("broken") "forbid " ASK OVERFLOW,
	    PERMIT HEAD("broken") "@duty(\"notify\") permit " DUTY OVERFLOW,
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const struct decision got = plainly(texts[i]);

		assert_int_equal(got.access, ACCESS_DENY);
		assert_true(got.error_count >= 1);
		assert_string_equal(got.errors[0].policy, "broken");
		assert_true(got.errors[0].message[0] != '\0');
	}
	/* One that only the second asking, after masking, comes upon. */
	assert_int_equal(plainly(PERMIT MASK_RRN HEAD(
	                             "broken") "forbid " ASK
	                                       " when { context.redacted.contains(Identifier::\"rrn\") && "
	                                       "context.now.toTime().toMilliseconds() + "
	                                       "9223372036854775807 > 0 };\n")
	                     .access,
	                 ACCESS_DENY);
}

static void
duties_merge_strictly(void **state)
{
	struct decision got;

	(void)state;
	got = plainly(PERMIT HEAD("d1") "@duty(\"label\") @label(\"notice\") permit " DUTY ";\n" HEAD(
	    "d2") "@duty(\"label\") @label(\"metadata\") permit " DUTY
	          ";\n" HEAD("d3") "@duty(\"retain\") @retain(\"P5Y\") permit " DUTY ";\n" HEAD(
	              "d4") "@duty(\"retain\") @retain(\"P90D\") permit " DUTY
	                    ";\n" HEAD("d5") "@duty(\"log\") @log(\"full\") permit " DUTY ";\n" HEAD(
	                        "d6") "@duty(\"log\") @log(\"summary\") permit " DUTY
	                              ";\n" HEAD("d7") "@duty(\"notify\") permit " DUTY ";\n" HEAD(
	                                  "d8") "@duty(\"redact-answer\") permit " DUTY ";\n");
	assert_int_equal(got.access, ACCESS_PERMIT);
	assert_int_equal(got.duties.label, LABEL_NOTICE);
	assert_int_equal(got.duties.retention_days, 1826);
	assert_true(got.duties.log_full);
	assert_true(got.duties.notify);
	assert_true(got.duties.redact_answer);
	/* Masks add up; of holds the one that ends first, with its approver. */
	got = plainly(PERMIT MASK_RRN MASK_ALL);
	assert_int_equal(got.duties.redact_kinds, 1u << IDENTIFIER_RRN | 1u << IDENTIFIER_PHONE);
	for (unsigned turn = 0; turn < 2; turn++) {
		got = plainly(turn == 0 ? PERMIT HOLD_A HOLD_B : PERMIT HOLD_B HOLD_A);
		assert_int_equal(got.duties.hold_seconds, 4 * 3600);
		assert_string_equal(got.duties.approver_role, "privacy-officer");
	}
	/* Asked apart from access: what permits says nothing of duties, and the other way round. */
	assert_int_equal(plainly(HEAD("d") "@duty(\"notify\") permit " DUTY ";\n").access, ACCESS_DENY);
	assert_false(plainly(PERMIT).duties.notify);
}

static void
duties_that_cannot_be_performed_deny(void **state)
{
	static const struct {
		const char *duty;
		uint32_t bit;
	} cases[] = {
	    {"@duty(\"label\") @label(\"metadata\")", POLICY_DUTY_LABEL        },
	    {"@duty(\"notify\")",                     POLICY_DUTY_NOTIFY       },
	    {"@duty(\"retain\") @retain(\"P1D\")",    POLICY_DUTY_RETAIN       },
	    {"@duty(\"log\") @log(\"full\")",         POLICY_DUTY_LOG          },
	    {"@duty(\"redact-answer\")",              POLICY_DUTY_REDACT_ANSWER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (unsigned hold = 0; hold < 2; hold++) {
			struct policy_facts facts = plain_facts();
			struct decision got;
			char text[1024];

			snprintf(text, sizeof text, PERMIT "%s" HEAD("d") "%s permit " DUTY ";\n",
			         hold ? HOLD_A : "", cases[i].duty);
			facts.cannot = ~cases[i].bit;
			assert_int_equal(decide(text, &facts).access, hold ? ACCESS_HOLD : ACCESS_PERMIT);
			facts.cannot = cases[i].bit;
			got = decide(text, &facts);
			assert_int_equal(got.access, ACCESS_DENY);
			assert_string_equal(got.reasons[0].id, "duty-not-performable");
			assert_true(names(got.permits, got.permit_count, "permit"));
		}
}

static void
approvals_hold_as_the_policy_says(void **state)
{
	static const char text[] = PERMIT HEAD(
	    "hold") "@remedy(\"hold\") @approver(\"reviewer\") forbid " ASK
	            " unless { context has approval && context.approval.role == Role::\"reviewer\" && "
	            "context.approval.approver != \"park\" && context.now < context.approval.expires };\n";
	static const struct {
		const char *approver, *role;
		int64_t left_ms;
		enum access access;
	} cases[] = {
	    {NULL,   NULL,       0,    ACCESS_HOLD  },
            {"kim",  "reviewer", 1,    ACCESS_PERMIT},
	    {"kim",  "reviewer", 0,    ACCESS_HOLD  },
            {"kim",  "reviewer", -1,   ACCESS_HOLD  },
	    {"kim",  "janitor",  1000, ACCESS_HOLD  },
            {"park", "reviewer", 1000, ACCESS_HOLD  },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct policy_facts facts = plain_facts();

		facts.approver = cases[i].approver;
		facts.approver_role = cases[i].role;
		facts.approval_expires_ms = facts.wall_ms + cases[i].left_ms;
		assert_int_equal(decide(text, &facts).access, cases[i].access);
	}
}

int
main(void)
{
	static const struct CMUnitTest all[] = {
	    cmocka_unit_test(marked_forbids_are_preconditions),
	    cmocka_unit_test(unmarked_forbids_are_final),
	    cmocka_unit_test(permits_are_told_of_denials),
	    cmocka_unit_test(errors_deny),
	    cmocka_unit_test(duties_merge_strictly),
	    cmocka_unit_test(duties_that_cannot_be_performed_deny),
	    cmocka_unit_test(approvals_hold_as_the_policy_says),
	};
	const int failed = cmocka_run_group_tests(all, setup, teardown);

	policy_release(policy);
	return failed;
}
