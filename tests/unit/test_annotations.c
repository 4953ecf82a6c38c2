/*
 * The closed vocabulary of annotations: each word has its type, its place and its company; every complaint has file, line
 * and column, and says in both languages what was wanted. What the repository ships has none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy/annotations.h"

static char said[8192];

static size_t
mistakes(const char *policies_text)
{
	struct arena *arena = arena_new(1 << 20);
	struct cedar_notes notes = {.arena = arena};
	struct cedar_source source = {"t.cedar", slice_string(policies_text)};
	struct cedar_policies *policies;
	size_t errors;

	assert_int_equal(cedar_policies_parse(&policies, &source, 1, 0, &notes, NULL), 0);
	assert_int_equal(annotations_check(policies, DIALECT_BY_ACTION, &notes, NULL), 0);
	errors = notes.errors;
	said[0] = '\0';
	for (size_t i = 0; i < notes.count; i++) {
		size_t size = strlen(said);

		assert_string_equal(notes.items[i].file, "t.cedar");
		assert_true(notes.items[i].line > 0 && notes.items[i].column > 0 &&
		            notes.items[i].policy_id != NULL);
		assert_true(notes.items[i].ko[0] != '\0');
		snprintf(said + size, sizeof said - size, "%u:%u %s\n", notes.items[i].line,
		         notes.items[i].column, notes.items[i].en);
	}
	cedar_policies_free(policies);
	arena_free(arena);
	return errors;
}

#define HEAD "@id(\"a.b\") @title_ko(\"가\") @title_en(\"a\") "
#define RULE HEAD "@law(\"2.3\") @status(\"verified\") "
#define BODY "(principal, action, resource);"
#define DUTY "(principal, action == Action::\"duty\", resource);"
#define ACT  "(principal, action == Act::Action::\"inside\", resource);"

static const struct {
	const char *text;
	size_t mistakes;
	const char *says; /* the first complaint begins so, or NULL */
} cases[] = {
    {HEAD "permit" BODY,                                                                   0, NULL                          },
    {"permit" BODY,                                                                        3, "1:1 @id is missing"          },
    {"@id(\"\") @title_ko @title_en(\"x\") permit" BODY,                                   2, "1:1 @id has the wrong value"},
    {"\n  " HEAD "@remdy(\"hold\") forbid" BODY,                                           1, "2:44 annotation @remdy"      },
    {HEAD "permit" BODY HEAD "forbid" BODY,                                                1, NULL                          },
    /* remedies */
    {HEAD "@remedy(\"hold\") @hold_ttl(\"PT24H\") @approver(\"reviewer\") forbid" BODY,    0, NULL                          },
    {HEAD "@remedy(\"hold\") @approver(\"reviewer\") permit" BODY,                         1, "1:42 @remedy belongs to a"   },
    {HEAD "@remedy(\"hold\") forbid" BODY,                                                 1, "1:42 @remedy(\"hold\") needs"},
    {HEAD "@remedy(\"pray\") forbid" BODY,                                                 1, NULL                          },
    {HEAD "@remedy(\"redact\") @redact(\"rrn\") @hold_ttl(\"PT24H\") forbid" BODY,         1, NULL                          },
    {HEAD "@remedy(\"hold\") @approver(\"r\") @hold_ttl(\"24h\") forbid" BODY,             1, NULL                          },
    {HEAD "@remedy(\"hold\") @approver(\"r\") @hold_ttl(\"P1M\") forbid" BODY,             1, NULL                          },
    {HEAD "@remedy(\"hold\") @approver(\"r\") @hold_ttl(\"P99999D\") forbid" BODY,         1, NULL                          },
    {HEAD "@remedy(\"redact\") @redact(\"rrn, phone\") forbid" BODY,                       0, NULL                          },
    {HEAD "@remedy(\"redact\") @redact(\"*\") forbid" BODY,                                0, NULL                          },
    {HEAD "@remedy(\"redact\") @redact(\"rrn, fone\") forbid" BODY,                        1, NULL                          },
    {HEAD "@remedy(\"redact\") @redact(\"\") forbid" BODY,                                 1, NULL                          },
    {HEAD "@redact(\"rrn\") forbid" BODY,                                                  1, NULL                          },
    {HEAD "@message_ko(\"가\") permit" BODY,                                               1, NULL                          },
    /* duties */
    {HEAD "@duty(\"label\") @label(\"notice\") permit" DUTY,                               0, NULL                          },
    {HEAD "@duty(\"label\") permit" DUTY,                                                  1, "1:42 @duty(\"label\") needs" },
    {HEAD "@duty(\"label\") @label(\"big\") permit" DUTY,                                  1, NULL                          },
    {HEAD "@duty(\"notify\") @label(\"notice\") permit" DUTY,                              1, NULL                          },
    {HEAD "@duty(\"notify\") permit (principal, action == Action::\"chat\", resource);",  1, "1:42 @duty belongs to"       },
    {HEAD "@duty(\"notify\") forbid" DUTY,                                                 2, NULL                          },
    {HEAD "@duty(\"retain\") @retain(\"PT1H\") permit" DUTY,                               1, NULL                          },
    {HEAD "@duty(\"retain\") @retain(\"P5Y\") permit" DUTY,                                0, NULL                          },
    {HEAD "permit" DUTY,                                                                   1, "1:1 @duty must say"          },
    /* the Act: law and status must be there, words of agencies must not */
    {RULE "permit" ACT,                                                                    0, NULL                          },
    {RULE "@says(\"in\") @duty(\"art31.notice\") @field(\"a, b\") permit" ACT,             0, NULL                          },
    {HEAD "permit" ACT,                                                                    2, "1:1 @law is missing"         },
    {RULE "forbid" ACT,                                                                    1, NULL                          },
    {RULE "@says(\"maybe\") permit" ACT,                                                   1, NULL                          },
    {RULE "@remedy(\"hold\") @approver(\"r\") permit" ACT,                                 2, NULL                          },
    {HEAD "@says(\"in\") permit" BODY,                                                     1, NULL                          },
};

static void
vocabulary(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const size_t got = mistakes(cases[i].text);

		if (got != cases[i].mistakes ||
		    (cases[i].says != NULL && strncmp(said, cases[i].says, strlen(cases[i].says)) != 0))
			fail_msg("%s\n%zu mistakes, %zu wanted\n%s", cases[i].text, got, cases[i].mistakes, said);
	}
}

static void
spans(void **state)
{
	(void)state;
	assert_int_equal(annotation_duration(SLICE_LITERAL("P5Y")), 1826 * 86400);
	assert_int_equal(annotation_duration(SLICE_LITERAL("P90D")), 90 * 86400);
	assert_int_equal(annotation_duration(SLICE_LITERAL("PT24H")), 86400);
	assert_int_equal(annotation_duration(SLICE_LITERAL("PT30M")), 1800);
	assert_int_equal(annotation_duration(SLICE_LITERAL("P101Y")), 0);
	assert_int_equal(annotation_duration(SLICE_LITERAL("P05D")), 0);
	assert_int_equal(annotation_duration(SLICE_LITERAL("P")), 0);
	assert_int_equal(annotation_duration(SLICE_LITERAL("")), 0);
	assert_int_equal(annotation_duration(SLICE_LITERAL("P1D ")), 0);
	assert_int_equal(annotation_duration(SLICE_LITERAL("PD")), 0);
	assert_int_equal(annotation_duration(SLICE_LITERAL("PT5D")), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(vocabulary), cmocka_unit_test(spans)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
