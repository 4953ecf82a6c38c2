#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json.h"

static const char *
complaint_of(struct slice text)
{
	static struct fault why;
	json_t *value;

	memset(&why, 0, sizeof why);
	value = json_read(text, 1000, 4, &why);
	assert_null(value);
	return why.en;
}

static void
reading_is_strict(void **state)
{
	(void)state;
	assert_string_equal(complaint_of(SLICE_LITERAL("{\"a\":1,\n \"a\":2}")),
	                    "JSON line 2 column 4: the same name twice");
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("\"\\ud800\"")), "syntax error"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("\"\\u0000\"")), "U+0000"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("\"\xFF\"")), "not UTF-8"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("1 2")), "behind the value"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("{")), "too early"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("")), "line"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("[[[[[1]]]]]")), "nested too deeply"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("[NaN]")), "syntax error"));
	assert_non_null(strstr(complaint_of(SLICE_LITERAL("[1e999]")), "too large"));
}

static void
complaints_never_quote(void **state)
{
	(void)state;
	assert_null(strstr(complaint_of(SLICE_LITERAL("{\"name\": canary}")), "canary"));
}

static void
brackets_in_strings_are_no_depth(void **state)
{
	struct fault why;
	json_t *value = json_read(SLICE_LITERAL("\"[[[[[[\\\"[[[[\""), 1000, 1, &why);

	(void)state;
	assert_non_null(value);
	json_decref(value);
}

static void
canonical_order_is_by_utf16(void **state)
{
	struct buffer out;
	struct fault why;
	json_t *value = json_read(SLICE_LITERAL("{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,"
	                                        "\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7}"),
	                          1000, 8, &why);

	(void)state;
	assert_non_null(value);
	buffer_init(&out, 1000);
	json_write_canonical(&out, value);
	assert_string_equal(buffer_text(&out),
	                    "{\"\\r\":2,\"1\":4,\"\xC2\x80\":6,\"\xC3\xB6\":7,\"\xE2\x82\xAC\":1,"
	                    "\"\xF0\x9F\x98\x80\":5,\"\xEF\xAC\xB3\":3}");
	json_decref(value);
	buffer_free(&out);
}

static void
canonical_refuses_what_loses_digits(void **state)
{
	static const char *const refused[] = {"[1.5]", "[9007199254740992]", "[-9007199254740992]", "[1e3]"};
	struct buffer out;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		json_t *value = json_read(slice_string(refused[i]), 1000, 8, &why);

		assert_non_null(value);
		buffer_init(&out, 1000);
		json_write_canonical(&out, value);
		assert_false(buffer_ok(&out));
		json_decref(value);
		buffer_free(&out);
	}
}

static void
the_writer_writes_what_the_tree_would(void **state)
{
	struct json_writer writer;
	struct buffer out, again;
	struct fault why;
	json_t *value;

	(void)state;
	buffer_init(&out, 1000);
	buffer_init(&again, 1000);
	json_writer_init(&writer, &out);
	json_object_begin(&writer);
	json_name(&writer, "a");
	json_array_begin(&writer);
	json_number(&writer, 0);
	json_number(&writer, -9007199254740991);
	json_object_begin(&writer);
	json_object_end(&writer);
	json_array_begin(&writer);
	json_array_end(&writer);
	json_bool(&writer, true);
	json_array_end(&writer);
	json_name(&writer, "b");
	json_text(&writer, SLICE_LITERAL("tab\t \"해치\" \\ / \x01 \x7F"));
	json_name(&writer, "ba");
	json_bool(&writer, false);
	json_object_end(&writer);
	assert_string_equal(buffer_text(&out),
	                    "{\"a\":[0,-9007199254740991,{},[],true],\"b\":\"tab\\t \\\"해치\\\" \\\\ / "
	                    "\\u0001 \x7F\",\"ba\":false}");
	value = json_read(buffer_view(&out), 1000, 8, &why);
	assert_non_null(value);
	json_write_canonical(&again, value);
	assert_true(slice_equal(buffer_view(&out), buffer_view(&again)));
	json_decref(value);
	buffer_free(&out);
	buffer_free(&again);
}

static void
the_writer_catches_misuse(void **state)
{
	struct json_writer writer;
	struct buffer out;

	(void)state;
	buffer_init(&out, 1000);
	json_writer_init(&writer, &out);
	json_object_begin(&writer);
	json_name(&writer, "b");
	json_number(&writer, 1);
	json_name(&writer, "a"); /* not ascending */
	assert_false(buffer_ok(&out));

	buffer_reset(&out);
	json_writer_init(&writer, &out);
	json_array_begin(&writer);
	json_object_end(&writer); /* not what was opened */
	assert_false(buffer_ok(&out));

	buffer_reset(&out);
	json_writer_init(&writer, &out);
	json_text(&writer, SLICE_LITERAL("\xC3\x28")); /* not UTF-8 */
	assert_false(buffer_ok(&out));

	buffer_reset(&out);
	json_writer_init(&writer, &out);
	for (int i = 0; i <= JSON_DEPTH_LIMIT; i++)
		json_array_begin(&writer);
	assert_false(buffer_ok(&out));
	buffer_free(&out);
}

static void
quoting_is_lenient(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out, 100);
	json_quote(&out, SLICE_LITERAL("a\xFF\x62\n"));
	assert_string_equal(buffer_text(&out), "\"a\xEF\xBF\xBD"
	                                       "b\\n\"");
	buffer_free(&out);
}

static void
unknown_members_are_named(void **state)
{
	static const char *const known[] = {"a", "b", NULL};
	struct fault why;
	json_t *value = json_read(SLICE_LITERAL("{\"a\":1,\"c\":2}"), 1000, 8, &why);

	(void)state;
	assert_string_equal(json_unknown_member(value, known), "c");
	json_object_del(value, "c");
	assert_null(json_unknown_member(value, known));
	json_decref(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reading_is_strict),
	    cmocka_unit_test(complaints_never_quote),
	    cmocka_unit_test(brackets_in_strings_are_no_depth),
	    cmocka_unit_test(canonical_order_is_by_utf16),
	    cmocka_unit_test(canonical_refuses_what_loses_digits),
	    cmocka_unit_test(the_writer_writes_what_the_tree_would),
	    cmocka_unit_test(the_writer_catches_misuse),
	    cmocka_unit_test(quoting_is_lenient),
	    cmocka_unit_test(unknown_members_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
