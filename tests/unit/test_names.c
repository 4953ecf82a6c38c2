/* Every name of a table reads back as itself, nothing else does, and what is outside a table is the strictest value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "schema/decision.h"
#include "schema/verdict.h"

static void
test_round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < IDENTIFIER_KINDS; i++) {
		enum identifier_kind kind = IDENTIFIER_KINDS;

		assert_true(identifier_parse(&kind, identifier_name((enum identifier_kind)i)));
		assert_int_equal(kind, i);
		assert_string_not_equal(identifier_title(kind), "식별번호");
	}
	for (unsigned i = 0; i < DOMAIN_KINDS; i++) {
		enum domain domain = DOMAIN_KINDS;

		assert_true(domain_parse(&domain, domain_name((enum domain)i)));
		assert_int_equal(domain, i);
	}
	for (unsigned i = VERDICT_UNDETERMINED; i <= VERDICT_EXCLUDED; i++) {
		enum verdict verdict = VERDICT_UNDETERMINED;

		assert_true(verdict_parse(&verdict, verdict_name((enum verdict)i)));
		assert_int_equal(verdict, i);
	}
	for (unsigned i = ACCESS_DENY; i <= ACCESS_PERMIT; i++) {
		enum access access = ACCESS_DENY;

		assert_true(access_parse(&access, access_name((enum access)i)));
		assert_int_equal(access, i);
	}
	for (unsigned i = GRADE_C; i <= GRADE_O; i++) {
		enum grade grade = GRADE_C;

		assert_true(grade_parse(&grade, grade_name((enum grade)i)));
		assert_int_equal(grade, i);
	}
}

static void
test_unknown_is_strict(void **state)
{
	enum verdict verdict = VERDICT_EXCLUDED;
	enum access access = ACCESS_HOLD;

	(void)state;
	assert_false(verdict_parse(&verdict, "high_impact"));
	assert_false(verdict_parse(&verdict, NULL));
	assert_int_equal(verdict, VERDICT_EXCLUDED); /* untouched */
	assert_false(access_parse(&access, ""));
	assert_string_equal(access_name((enum access)77), "deny");
	assert_string_equal(verdict_name((enum verdict)77), "UNDETERMINED");
	assert_string_equal(grade_name((enum grade)77), "C");
	assert_string_equal(drift_name((enum drift)77), "certain");
	assert_string_equal(label_name((enum label)77), "notice");
	assert_string_equal(domain_name((enum domain)77), "none");
}

/* Law section 7, N2SF: every declared grade with every set of kinds found. Raised to S by personal ones, never lowered. */
static void
test_grade_is_raised(void **state)
{
	(void)state;
	for (uint32_t kinds = 0; kinds < 1u << IDENTIFIER_KINDS; kinds++) {
		bool personal = false;

		for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
			personal |= (kinds >> kind & 1) != 0 && kind != IDENTIFIER_BUSINESS_REG &&
			            kind != IDENTIFIER_CORP_REG && kind != IDENTIFIER_IP;
		assert_int_equal(grade_raise(GRADE_C, kinds), GRADE_C);
		assert_int_equal(grade_raise(GRADE_S, kinds), GRADE_S);
		assert_int_equal(grade_raise(GRADE_O, kinds), personal ? GRADE_S : GRADE_O);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_unknown_is_strict),
	    cmocka_unit_test(test_grade_is_raised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
