#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "inference/constraint.h"

static struct constraint *
compiled(const char *schema)
{
	struct constraint *constraint = NULL;
	json_t *json = schema != NULL ? json_read(slice_string(schema), 1 << 20, 32, NULL) : NULL;
	struct fault why = {0};

	if (constraint_compile(&constraint, json, &why) == -1)
		fail_msg("%s", why.en);
	json_decref(json);
	return constraint;
}

/* 2: accepted and complete; 1: a beginning; 0: refused. */
static int
said(const struct constraint *constraint, const char *text)
{
	struct constraint_state state;

	constraint_begin(&state, constraint);
	if (!constraint_feed(&state, slice_string(text)))
		return 0;
	return constraint_complete(&state) ? 2 : 1;
}

static void
any_object_is_json(void **state)
{
	static const char *const good[] = {
	    "{}",
	    "{ \"a\" : 1 }",
	    "{\"a\":[1,-2.5e+3,{\"b\":null}],\"한글\":\"가\\n\\u00e9\",\"c\":true}",
	    "{\"a\":[]}",
	    "{\"a\":\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
	    "{\"a\":{}}",
	    "{\n\"a\": false\n}"};
	static const char *const bad[] = {"[",
	                                  "1",
	                                  "{,",
	                                  "{\"a\":01",
	                                  "{\"a\":1,}",
	                                  "{\"a\" 1",
	                                  "{\"a\":tru ",
	                                  "{\"a\":[1,]",
	                                  "{\"a\":\"\x01",
	                                  "{\"a\":\"\xff",
	                                  "{\"a\":\"\xed\xb8", /* a surrogate */
	                                  "{\"a\":\"\xe0\x80", /* longer than need be */
	                                  "{\"a\":\"\xf0\x8f", /* likewise */
	                                  "{\"a\":\"\xf4\x90", /* above U+10FFFF */
	                                  "{\"a\":\"\\x",
	                                  "{} {",
	                                  "{\"a\":1]",
	                                  "{\"a\":.5",
	                                  "{\"a\":\"\\ud8"};
	struct constraint *constraint = compiled(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(said(constraint, good[i]), 2);
		for (size_t cut = 0; cut < strlen(good[i]); cut++) {
			char beginning[128];

			snprintf(beginning, sizeof beginning, "%.*s", (int)cut, good[i]);
			assert_int_equal(said(constraint, beginning), 1);
		}
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (said(constraint, bad[i]) != 0)
			fail_msg("accepted: %s", bad[i]);
	constraint_free(constraint);
}

static void
schemas_are_kept(void **state)
{
	struct constraint *constraint = compiled(
	    "{\"type\":\"object\",\"properties\":{\"verdict\":{\"enum\":[\"HIGH\",\"HIGHEST\",1,12,null]},"
	    "\"score\":{\"type\":[\"integer\",\"null\"]},\"tags\":{\"type\":\"array\",\"items\":{\"type\":"
	    "\"string\"},\"minItems\":1,"
	    "\"maxItems\":2},\"inner\":{\"$ref\":\"#/$defs/inner\"}},\"required\":[\"verdict\",\"tags\"],"
	    "\"additionalProperties\":false,\"$defs\":{\"inner\":{\"type\":\"object\",\"properties\":{"
	    "\"next\":"
	    "{\"anyOf\":[{\"$ref\":\"#/$defs/"
	    "inner\"},{\"type\":\"null\"}]}},\"required\":[\"next\"],\"additionalProperties\":false}}}");
	static const char *const good[] = {
	    "{\"verdict\":\"HIGH\",\"tags\":[\"a\"]}", "{\"tags\":[\"a\",\"b\"],\"verdict\":\"HIGHEST\"}",
	    "{\"verdict\":12,\"tags\":[\"\"],\"score\":-5}",
	    "{\"verdict\":1 ,\"score\":null,\"tags\":[\"x\"]}",
	    "{\"verdict\":null,\"tags\":[\"a\"],\"inner\":{\"next\":{\"next\":null}}}"};
	static const char *const bad[] = {"{\"verdict\":\"LOW",
	                                  "{\"tags\":[]",
	                                  "{\"tags\":[\"a\",\"b\",",
	                                  "{\"other\"",
	                                  "{\"verdict\":1,\"verdict\"",
	                                  "{\"verdict\":1}",
	                                  "{\"verdict\":1,\"tags\":[\"a\"],\"score\":1.",
	                                  "{\"verdict\":13",
	                                  "{}",
	                                  "{\"tags\":[1",
	                                  "{\"inner\":{}",
	                                  "{\"inner\":{\"next\":1",
	                                  "{\"verdic\":"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (said(constraint, good[i]) != 2)
			fail_msg("not accepted: %s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (said(constraint, bad[i]) != 0)
			fail_msg("accepted: %s", bad[i]);
	constraint_free(constraint);
}

static void
scalars_and_what_is_not_supported(void **state)
{
	static const char *const refused[] = {"{\"type\":\"string\",\"pattern\":\"a\"}",
	                                      "{\"type\":\"number\",\"minimum\":1}",
	                                      "{\"anyOf\":[{\"type\":\"string\"},{\"const\":\"a\"}]}",
	                                      "{\"$ref\":\"#/nowhere\"}",
	                                      "false",
	                                      "{\"type\":\"date\"}"};
	struct constraint *constraint = compiled("{\"type\":\"number\"}");
	struct fault why;

	(void)state;
	assert_int_equal(said(constraint, "-0.5"), 2);
	assert_int_equal(said(constraint, "-0."), 1);
	assert_int_equal(said(constraint, "\"a\""), 0);
	constraint_free(constraint);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		json_t *json = json_loads(refused[i], JSON_DECODE_ANY, NULL);

		assert_int_equal(constraint_compile(&constraint, json, &why), -1);
		assert_int_equal(why.kind, FAULT_UNSUPPORTED);
		json_decref(json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_object_is_json),
	    cmocka_unit_test(schemas_are_kept),
	    cmocka_unit_test(scalars_and_what_is_not_supported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
