/*
 * Which texts are policies and which are not (each line was tried on the reference), where a complaint points, several
 * complaints in one run, limits, ids, templates and links, and the JSON form there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/cedar/cedar.h"

static struct cedar_policies *
parse(const char *text)
{
	struct cedar_source source = {"test", slice_string(text)};
	struct cedar_policies *policies = NULL;
	struct fault why;

	if (cedar_policies_parse(&policies, &source, 1, 0, NULL, &why) == -1)
		assert_null(policies);
	return policies;
}

static bool
parses(const char *text)
{
	struct cedar_policies *policies = parse(text);

	cedar_policies_free(policies);
	return policies != NULL;
}

static bool
condition_parses(const char *expr)
{
	char text[4096];

	snprintf(text, sizeof text, "permit(principal, action, resource) when { %s };", expr);
	return parses(text);
}

static void
accepts_expressions(void **state)
{
	/* clang-format off */
	static const char *const fine[] = {"principal has \"a\"",
	                                   "principal has principal",
	                                   "principal has a.b.c",
	                                   "context[\"a\"]",
	                                   "{principal:1}=={}",
	                                   "principal is principal",
	                                   "1 < (2 < 3)",
	                                   "principal has a && true",
	                                   "-(-9223372036854775808)==1",
	                                   "- 9223372036854775808==1",
	                                   "--9223372036854775808==1",
	                                   "context.a.isIpv4(1,2)",
	                                   "context.a.isIpv4",
	                                   "ip(\"a\",\"b\")==1",
	                                   "ip()==1",
	                                   "context.permit",
	                                   "{\"__cedar\":1}=={}",
	                                   "context[\"__cedar\"]",
	                                   "[1,2,]==[]",
	                                   "{a:1,}=={}",
	                                   "ip(\"a\",)==1",
	                                   "decimal(\"1\").lessThan(decimal(\"2\"),)",
	                                   "if principal then 1 else 2 == 3",
	                                   "context.a == \"a\\x7f\"",
	                                   "context.a == \"\\u{1_2}\"",
	                                   "context.a == \"\\u{1_}\"",
	                                   "context.a like \"\\*\\x2a\"",
	                                   "principal == User :: \"a\"",
	                                   "principal == User::\n\"a\"",
	                                   "(principal).a",
	                                   "\"a\".b",
	                                   "1.a==1",
	                                   "true.a",
	                                   "context.isEmpty()",
	                                   "permit::\"x\"==principal",
	                                   "context.a.toDate(1)",
	                                   "!(-1==2)",
	                                   "- -1==1",
	                                   "----1==1",
	                                   "! !true",
	                                   "\"a\nb\" == \"\tc\"",
	                                   "true // and\n && false"};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		if (!condition_parses(fine[i]))
			fail_msg("refused: %s", fine[i]);
}

static void
refuses_expressions(void **state)
{
	/* clang-format off */
	static const char *const wrong[] = {"principal has (a)",
	                                    "principal has (\"a\")",
	                                    "principal has a.\"b\"",
	                                    "principal has \"a\".b",
	                                    "principal has a[\"b\"]",
	                                    "context[(\"a\")]",
	                                    "context[a]",
	                                    "{(a):1}=={}",
	                                    "{\"a\":1,a:2}=={}",
	                                    "{1:1}=={}",
	                                    "{true:1}=={}",
	                                    "{User::\"a\":1}=={}",
	                                    "{a::b:1}=={}",
	                                    "\"a\" like (\"b\")",
	                                    "\"a\" like principal",
	                                    "principal is (User)",
	                                    "principal is User::\"a\"",
	                                    "principal is User in x",
	                                    "principal is User in principal in resource",
	                                    "1 == 2 == 3",
	                                    "principal in resource in action",
	                                    "-(9223372036854775808)==1",
	                                    "-9223372036854775808.foo == 1",
	                                    "9223372036854775808 == 1",
	                                    "99999999999999999999 == 1",
	                                    "ip::foo(\"x\")",
	                                    "contains(1)",
	                                    "principal.contains()",
	                                    "principal.ip(\"a\")",
	                                    "isIpv4(\"a\")",
	                                    "context.a[\"isIpv4\"](1)",
	                                    "foo(\"a\")",
	                                    "principal(\"a\")",
	                                    "principal.foo(1)",
	                                    "User::{a:1}",
	                                    "context.like",
	                                    "context.__cedar",
	                                    "context has __cedar",
	                                    "__cedar::User::\"a\"==principal",
	                                    "a::__cedar::b::\"x\"==principal",
	                                    "[,]==[]",
	                                    "ip(,)==1",
	                                    "(ip)(\"a\")",
	                                    "principal.if",
	                                    "principal.true",
	                                    "!if true then true else false",
	                                    "true && if true then true else false",
	                                    "principal /* x */",
	                                    "1/2==1",
	                                    "1%2==1",
	                                    "a==1",
	                                    "?principal==principal",
	                                    "?foo==1",
	                                    "context.a == \"a\\x80\"",
	                                    "context.a == \"\\u{_1}\"",
	                                    "context.a == \"\\u{0000041}\"",
	                                    "context.a == \"\\u{}\"",
	                                    "context.a == \"\\u{d800}\"",
	                                    "context.a.contains(1)(2)",
	                                    "principal.a()",
	                                    "context has a.if",
	                                    "context has if",
	                                    "User::\"\\*\"==principal",
	                                    "context.a==\"x\ry\"",
	                                    "context.a==\"x\\\ny\"",
	                                    "context.isEmpty(1)",
	                                    "context.a.getTag(\"x\",\"y\")",
	                                    "context.a.b::c",
	                                    "context.b ::\"c\"",
	                                    "[ip]==1",
	                                    "permit == 1",
	                                    "!-1",
	                                    "-!true",
	                                    "-----1==1",
	                                    "!!!!!true",
	                                    "context.a=1",
	                                    "context.a===1",
	                                    "",
	                                    "true true",
	                                    "\"open"};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (condition_parses(wrong[i]))
			fail_msg("accepted: %s", wrong[i]);
}

static void
knows_policies(void **state)
{
	/* clang-format off */
	static const char *const fine[] = {
	    "",
	    "// nothing",
	    "permit(principal,action,resource);",
	    "permit(principal,action,resource,);",
	    "@if @b(\"c\") forbid(principal is A::B in ?principal, action in [], resource in C::\"d\");",
	    "permit(principal == ?principal, action in [Action::\"a\", N::Action::\"b\",], resource == ?resource);",
	    "permit(principal,action,resource) when {true} unless {false} when {true};"};
	/* clang-format on */
	/* clang-format off */
	static const char *const wrong[] = {"permit(principal,action,resource)",
	                                    "permit(principal,action);",
	                                    "permit(action,principal,resource);",
	                                    "permit(principal,action is Action,resource);",
	                                    "permit(principal,action == A::\"b\",resource);",
	                                    "permit(principal == ?resource,action,resource);",
	                                    "permit(principal,action == ?action,resource);",
	                                    "permit(principal is A == A::\"b\",action,resource);",
	                                    "permit(principal == [A::\"b\"],action,resource);",
	                                    "@a @a permit(principal,action,resource);",
	                                    "permit(principal,action,resource) when {};",
	                                    "allow(principal,action,resource);",
	                                    "permit(principal,action,resource);;",
	                                    "\xff",
	                                    "permit(principal,action,resource) when {\"\xff\"==\"\"};"};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		if (!parses(fine[i]))
			fail_msg("refused: %s", fine[i]);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (parses(wrong[i]))
			fail_msg("accepted: %s", wrong[i]);
}

static void
tells_all_mistakes_with_their_places(void **state)
{
	/* clang-format off */
	static const char text[] = "permit(principal action, resource);\n"
	                           "permit(principal, action, resource) when { 가 == 1 };\n"
	                           "@a(\"해치\") forbid(principal, action, resource) when { foo(1) || x };\n"
	                           "permit(principal, action, resource);";
	struct cedar_source source = {"a.cedar", slice_string(text)};
	/* clang-format on */
	struct cedar_notes notes = {NULL, NULL, 0, 0, 0, 0};
	struct cedar_policies *policies;
	struct fault why;
	static const unsigned places[][2] = {
	    {1, 18},
            {2, 44},
            {3, 53},
            {3, 63}
        };

	(void)state;
	notes.arena = arena_new(1 << 20);
	assert_int_equal(cedar_policies_parse(&policies, &source, 1, 0, &notes, &why), -1);
	assert_int_equal(notes.count, 4);
	assert_int_equal(notes.errors, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(notes.items[i].line, places[i][0]);
		assert_int_equal(notes.items[i].column, places[i][1]);
		assert_string_equal(notes.items[i].file, "a.cedar");
	}
	assert_non_null(strstr(why.en, "a.cedar:1:18"));
	arena_free(notes.arena);
}

static char *
repeat(const char *before, const char *open, const char *middle, const char *close, size_t count)
{
	size_t size = strlen(before) + (strlen(open) + strlen(close)) * count + strlen(middle) + 64;
	char *text = calloc(1, size), *at = text;

	assert_non_null(text);
	at = stpcpy(at, "permit(principal,action,resource) when { ");
	at = stpcpy(at, before);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, middle);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, close);
	stpcpy(at, " };");
	return text;
}

static void
limits_nesting(void **state)
{
	/* clang-format off */
	static const struct {
		const char *before, *open, *middle, *close;
		bool chain; /* may be as long as it likes */
	} shapes[] = {
	    {"",            "(",	               "true", ")", false},
            {"context == ", "[",                       "1",    "]", false},
	    {"context == ", "{a:",                     "1",    "}", false},
            {"",            "if true then true else ", "true", "",  false},
	    {"context",     ".a",                      "",     "",  false},
            {"1 == 1",      " + 1",                    "",     "",  false},
	    {"",            "!(",                      "true", ")", false},
            {"true",        " && true",                "",     "",  true },
	    {"true",        " || true",                "",     "",  true }
        };
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		for (size_t count = 100; count <= 200000; count = count == 100 ? 1000 : count * 200) {
			char *text = repeat(shapes[i].before, shapes[i].open, shapes[i].middle,
			                    shapes[i].close, count);

			if (parses(text) != (count == 100 || shapes[i].chain))
				fail_msg("shape %zu, %zu deep", i, count);
			free(text);
		}
	}
}

static void
names_policies(void **state)
{
	struct cedar_source sources[2] = {
	    {"one", SLICE_LITERAL("@id(\"first\") permit(principal,action,resource); forbid(principal == "
	                          "?principal,action,resource);")          },
	    {"two", SLICE_LITERAL("\n @title(\"x\") @bare forbid(principal,action,resource);")}
        };
	struct cedar_policies *policies;
	struct slice key, value;
	const char *file;
	unsigned line, column;
	struct fault why;

	(void)state;
	assert_int_equal(cedar_policies_parse(&policies, sources, 2, 0, NULL, &why), 0);
	assert_int_equal(cedar_policies_count(policies), 2);
	assert_int_equal(cedar_templates_count(policies), 1);
	assert_string_equal(cedar_policy_id(policies, 0), "policy0");
	assert_string_equal(cedar_policy_id(policies, 1), "policy2"); /* templates are counted too */
	cedar_policies_free(policies);
	assert_int_equal(cedar_policies_parse(&policies, sources, 2, CEDAR_IDS_FROM_ANNOTATION, NULL, &why),
	                 0);
	assert_int_equal(cedar_policy_find(policies, "first"), 0);
	assert_int_equal(cedar_policy_find(policies, "second"), CEDAR_NO_POLICY);
	assert_int_equal(cedar_policy_effect(policies, 1), CEDAR_FORBID);
	assert_string_equal(cedar_policy_annotation(policies, 1, "title"), "x");
	assert_string_equal(cedar_policy_annotation(policies, 1, "bare"), "");
	assert_null(cedar_policy_annotation(policies, 1, "other"));
	cedar_policy_annotation_at(policies, 1, 0, &key, &value);
	assert_true(slice_is(key, "title") && slice_is(value, "x"));
	cedar_policy_place(policies, 1, &file, &line, &column);
	assert_string_equal(file, "two");
	assert_int_equal(line, 2);
	assert_int_equal(column, 2);
	cedar_policies_free(policies);
	sources[1] = sources[0];
	assert_int_equal(cedar_policies_parse(&policies, sources, 2, CEDAR_IDS_FROM_ANNOTATION, NULL, &why),
	                 -1);
}

static void
links_templates(void **state)
{
	struct arena *arena = arena_new(1 << 16);
	struct cedar_source source = {
	    "t", SLICE_LITERAL("permit(principal == ?principal, action, resource in ?resource);")};
	struct cedar_link link = {"policy0", "l", NULL, NULL};
	struct cedar_policies *policies;
	struct cedar_request request = {
	    NULL, NULL, NULL, {CEDAR_NONE, {false}}
        };
	struct cedar_result result;
	struct fault why;

	(void)state;
	link.principal = request.principal = cedar_uid(arena, SLICE_LITERAL("U"), SLICE_LITERAL("a"));
	assert_int_equal(cedar_policies_parse_linked(&policies, &source, 1, &link, 1, 0, NULL, &why), -1);
	link.resource = request.resource = cedar_uid(arena, SLICE_LITERAL("R"), SLICE_LITERAL("b"));
	request.action = cedar_uid(arena, SLICE_LITERAL("Action"), SLICE_LITERAL("x"));
	assert_int_equal(cedar_policies_parse_linked(&policies, &source, 1, &link, 1, 0, NULL, &why), 0);
	assert_int_equal(cedar_authorize(policies, &request, NULL, arena, &result, &why), 0);
	assert_int_equal(result.decision, CEDAR_ALLOW);
	assert_string_equal(cedar_policy_id(policies, result.determining[0]), "l");
	request.principal = request.resource;
	assert_int_equal(cedar_authorize(policies, &request, NULL, arena, &result, &why), 0);
	assert_int_equal(result.decision, CEDAR_DENY);
	cedar_policies_free(policies);
	link.template_id = "policy1";
	assert_int_equal(cedar_policies_parse_linked(&policies, &source, 1, &link, 1, 0, NULL, &why), -1);
	arena_free(arena);
}

static void
writes_and_reads_json(void **state)
{
	/* clang-format off */
	static const char text[] =
	    "@id(\"a\") @x permit(principal in ?principal, action in [Action::\"a\",Action::\"b\"], resource "
	    "is Foo::Bar in ?resource)"
	    " when { principal.a.b has c.d && !(1 > 2) || context.x like \"a*\\*b**\" }"
	    " unless { ip(\"1.1.1.1\").isIpv4() && -5 - --3 == 1 };"
	    "permit(principal is A in A::\"x\", action == Action::\"a\", resource) when { {a: 1, \"b c\": "
	    "[1,2]} != {} &&"
	    " resource is A in [A::\"1\"] && (if true then principal.getTag(\"x\") else context.isEmpty()) "
	    "};";
	struct cedar_policies *policies = parse(text), *again;
	struct buffer first, second;
	struct fault why;

	(void)state;
	assert_non_null(policies);
	buffer_init(&first, 1 << 20);
	buffer_init(&second, 1 << 20);
	assert_int_equal(cedar_policies_write_json(&first, policies, &why), 0);
	assert_non_null(strstr(
	    buffer_text(&first),
	    "{\"staticPolicies\":{\"policy1\":{\"effect\":\"permit\",\"principal\":"
	    "{\"op\":\"is\",\"entity_type\":\"A\",\"in\":{\"entity\":{\"type\":\"A\",\"id\":\"x\"}}},"));
	assert_non_null(strstr(buffer_text(&first), "\"annotations\":{\"id\":\"a\",\"x\":null}"));
	assert_int_equal(
	    cedar_policies_parse_json(&again, (struct cedar_source){"j", buffer_view(&first)}, NULL, &why),
	    0);
	assert_int_equal(cedar_policies_write_json(&second, again, &why), 0);
	assert_true(slice_equal(buffer_view(&first), buffer_view(&second)));
	cedar_policies_free(again);
	cedar_policies_free(policies);
	buffer_free(&first);
	buffer_free(&second);
}

/* What the JSON form lets pass and what it refuses, as the reference does. */
static void
knows_json_forms(void **state)
{
#define POLICY(principal, body)                                                                              \
	"{\"staticPolicies\":{\"p\":{\"effect\":\"permit\",\"principal\":" principal                               \
	",\"action\":{\"op\":\"All\"},\"resource\":{\"op\":\"All\"},\"conditions\":[{\"kind\":\"when\",\"body\":" body    \
	"}]}}}"
#define ALL    "{\"op\":\"All\"}"
#define TRUTH  "{\"Value\":true}"
#define ENTITY "{\"type\":\"U\",\"id\":\"a\"}"
	static const struct {
		bool fine;
		const char *text;
	} lines[] = {
	    {true, POLICY(ALL, TRUTH)},
	    {true, POLICY("{\"op\":\"all\",\"x\":1}", TRUTH)},
	    {true, POLICY("{\"op\":\"==\",\"entity\":" ENTITY ",\"slot\":\"?principal\",\"x\":1}", TRUTH)},
	    {false, POLICY("{\"op\":\"==\",\"entity\":null,\"slot\":\"?principal\"}", TRUTH)},
	    {false, POLICY("{\"op\":\"==\",\"slot\":\"?principal\"}", TRUTH)},
	    {true, POLICY("{\"op\":\"is\",\"entity_type\":\"U\",\"in\":null}", TRUTH)},
	    {false, POLICY("{\"op\":\"is\",\"entity_type\":\"U\",\"x\":1}", TRUTH)},
	    {true, POLICY(ALL, "{\"has\":{\"left\":{\"Var\":\"context\"},\"attr\":[\"x y\",\"if\"],\"x\":1}}")},
	    {false, POLICY(ALL, "{\"has\":{\"left\":{\"Var\":\"context\"},\"attr\":[]}}")},
	    {false, POLICY(ALL, "{\".\":{\"left\":{\"Var\":\"context\"},\"attr\":\"a\",\"x\":1}}")},
	    {true, POLICY(ALL, "{\"is\":{\"left\":{\"Var\":\"principal\"},\"entity_type\":\"U\",\"in\":null}}")},
	    {true, POLICY(ALL, "{\"like\":{\"left\":{\"Value\":\"a\"},\"pattern\":[{\"Wildcard\":null},\"Wildcard\"]}}")},
	    {true, POLICY(ALL, "{\"Value\":{\"__entity\":{\"type\":\"no name\"}}}")},
	    {false, POLICY(ALL, "{\"Value\":{\"__entity\":{\"type\":\"no name\",\"id\":\"a\"}}}")},
	    {true, POLICY(ALL, "{\"Value\":{\"__entity\":{\"type\":\"no name\",\"id\":\"a\"},\"x\":1}}")},
	    {true, POLICY(ALL, "{\"Value\":{\"__extn\":{\"fn\":\"none\"}}}")},
	    {false, POLICY(ALL, "{\"Value\":{\"__extn\":{\"fn\":\"none\",\"arg\":1}}}")},
	    {false, POLICY(ALL, "{\"Value\":{\"__expr\":\"1\"}}")},
	    {true, POLICY(ALL, "{\"Value\":{\"__expr\":1}}")},
	    {false, "{\"staticPolicies\":{\"p\":\"permit(principal,action,resource);forbid(principal,action,resource);\"}}"},
	    {false, "{\"staticPolicies\":{\"p\":\"\"}}"},
	    {false, "{\"staticPolicies\":{\"p\":null}}"},
	    {true, "{\"templates\":{\"t\":\"permit(principal==?principal,action,resource);\"},\"templateLinks\":[{"
	           "\"templateId\":\"t\",\"newId\":\"l\",\"values\":{\"?principal\":" ENTITY "}}]}"},
	    {false, "{\"templates\":{\"t\":\"permit(principal==?principal,action,resource);\"},\"templateLinks\":[{"
	            "\"templateId\":\"t\",\"newId\":\"l\",\"values\":{\"?principal\":" ENTITY "},\"x\":1}]}"},
	};
#undef ENTITY
#undef TRUTH
#undef ALL
#undef POLICY

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct cedar_policies *policies = NULL;
		struct fault why;
		bool fine = cedar_policies_parse_json(
		                &policies, (struct cedar_source){"j", slice_string(lines[i].text)}, NULL, &why) == 0;

		if (fine != lines[i].fine)
			fail_msg("%s: %s", lines[i].text, fine ? "accepted" : why.en);
		cedar_policies_free(policies);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepts_expressions), cmocka_unit_test(refuses_expressions),
	    cmocka_unit_test(knows_policies),      cmocka_unit_test(tells_all_mistakes_with_their_places),
	    cmocka_unit_test(limits_nesting),      cmocka_unit_test(names_policies),
	    cmocka_unit_test(links_templates),     cmocka_unit_test(writes_and_reads_json),
	    cmocka_unit_test(knows_json_forms)};
	/* clang-format on */

	return cmocka_run_group_tests(tests, NULL, NULL);
}
