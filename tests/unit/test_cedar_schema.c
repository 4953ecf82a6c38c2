/*
 * Schemas that are and are not (each tried on the reference), strict validation, requests and entities against a schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy/cedar/cedar.h"

static bool
schema_parses(const char *text)
{
	struct cedar_schema *schema;

	if (cedar_schema_parse(&schema, (struct cedar_source){"t", slice_string(text)}, NULL, NULL) == -1)
		return false;
	cedar_schema_free(schema);
	return true;
}

static void
knows_schemas(void **state)
{
	/* clang-format off */
	static const char *const fine[] = {
	    "", "// c", "type A=Long; entity A;", "entity A; type A=Long; namespace N{ entity B {x:A}; }",
	    "action a; namespace N { action b in Action::\"a\"; }", "namespace N { action a; } action b in N::Action::\"a\";",
	    "entity A in [];", "entity A {x:Action}; action a;", "entity A in B; entity B enum [\"x\"];", "entity A enum [\"x\",\"x\"];",
	    "entity A = {};", "entity Long; entity B {x: Long, y: __cedar::Long};", "type ipaddr = Long; entity A {x: ipaddr};",
	    "entity entity; entity action; entity type;entity namespace;entity Set; entity A {x:Set};", "entity A {x:Long,x:String};",
	    "action a appliesTo {principal:A,resource:A,context:T}; entity A; type T={x:Long};",
	    "action a appliesTo {principal:A,resource:A,}; entity A;", "action a appliesTo {principal:A,resource:A} attributes {}; entity A;",
	    "@x entity A {@x(\"1\") @y \"y\"?: Long,};", "entity A in A;", "entity A {__cedar: Long};", "action __cedar;",
	    "{\"\":{\"entityTypes\":{\"A\":{\"shape\":{\"type\":\"T\"}}},\"actions\":{},\"commonTypes\":{\"T\":{\"type\":\"Record\",\"attributes\":{}}}}}",
	    "{\"\":{\"entityTypes\":{},\"actions\":{\"a\":{\"appliesTo\":null,\"memberOf\":null}}}}",
	    "{\"\":{\"annotations\":{},\"entityTypes\":{},\"actions\":{}}}", "{\"N\":{\"annotations\":{\"a\":\"b\"},\"entityTypes\":{},\"actions\":{}}}"};
	/* clang-format on */
	/* clang-format off */
	static const char *const wrong[] = {
	    "entity A; namespace N { entity A; }", "action a; namespace N { action a; }", "action a in [];", "action a in [b,]; action b;",
	    "entity A in [B,]; entity B;", "entity A enum [\"x\"] tags Long;", "entity A enum [];", "entity A =;", "entity A, A;",
	    "entity A {x: Boolean};", "entity A {in: Long};", "entity in;", "type T = Set<Long,>;",
	    "action a appliesTo {principal:A,resource:A,context:T}; entity A; type T=Long;", "action a appliesTo {principal:A}; entity A;",
	    "action a appliesTo {principal:A,resource:[]}; entity A;", "action a appliesTo {principal:A,resource:A,principal:A}; entity A;",
	    "action a appliesTo {}; entity A;", "action a attributes {} in b;", "namespace A {} namespace A {}", "namespace __cedar {}",
	    "namespace A { namespace B {} }", "@x @x entity A;", "type T = {x: U}; type U = Set<T>;", "action a in b; action b in a;",
	    "action a; action \"a\";", "entity Action;", "type Long = String;", "entity A {x: B};", "entity A",
	    "{\"\":{\"entityTypes\":{}}}", "{\"\":{\"entityTypes\":{\"A\":{\"x\":1}},\"actions\":{}}}", "{\"a b\":{\"entityTypes\":{},\"actions\":{}}}",
	    "{\"\":{\"annotations\":{\"a\":\"b\"},\"entityTypes\":{},\"actions\":{}}}"};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		if (!schema_parses(fine[i]))
			fail_msg("refused: %s", fine[i]);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (schema_parses(wrong[i]))
			fail_msg("accepted: %s", wrong[i]);
}

static const char schema_text[] = "entity User in [Group] {name: String, age?: Long, boss?: User, r: {x?: "
                                  "{y: Long}}} tags Long; entity Group; entity Doc;"
                                  "entity Kind enum [\"a\", \"b\"]; action all; action view in [all] "
                                  "appliesTo {principal: [User, Group], resource: Doc,"
                                  " context: {n: Long, s?: Set<String>, k: Kind, ip: ipaddr}}; action other;";

static struct cedar_schema *
the_schema(void)
{
	struct cedar_schema *schema;
	struct fault why;

	if (cedar_schema_parse(&schema, (struct cedar_source){"s", slice_string(schema_text)}, NULL, &why) ==
	    -1)
		fail_msg("%s", why.en);
	return schema;
}

static void
validates_strictly(void **state)
{
	/* clang-format off */
	static const struct {
		bool        valid;
		const char *condition;
	} lines[] = {
	    {true, "true"}, {true, "5 == \"5\""}, {false, "context.n == \"5\""}, {true, "context.n == 5"}, {false, "1"}, {false, "context.n"},
	    {true, "principal is User && principal.name == \"a\""}, {false, "principal.name == \"a\""}, {false, "principal is User && principal.age == 1"},
	    {true, "principal is User && principal has age && principal.age == 1"}, {false, "principal is User && (principal has age || true) && principal.age == 1"},
	    {true, "principal is User && principal has r.x.y && principal.r.x.y == 1"}, {true, "principal is User && (if principal has age then principal.age == 1 else false)"},
	    {false, "principal is User && !(principal has age) && principal.age == 1"}, {true, "principal is User && principal.hasTag(\"t\") && principal.getTag(\"t\") == 1"},
	    {false, "principal is User && principal.hasTag(\"t\") && principal.getTag(\"u\") == 1"}, {false, "principal.getTag(\"t\") == 1"},
	    {true, "false && principal.nothing"}, {true, "true || principal.nothing"}, {false, "principal == Nobody::\"x\""}, {true, "principal == resource"},
	    {false, "[principal, resource].contains(principal)"}, {false, "[].isEmpty()"}, {false, "[1, \"a\"].isEmpty()"}, {true, "context has s && context.s.contains(\"x\")"},
	    {false, "context has s && context.s.contains(1)"}, {true, "context.k == Kind::\"a\""}, {false, "context.k == Kind::\"z\""},
	    {true, "context.ip.isInRange(ip(\"10.0.0.0/8\"))"}, {false, "context.ip.isInRange(ip(\"10.0.0.0/40\"))"}, {false, "ip(if true then \"::1\" else \"::2\").isIpv4()"},
	    {true, "action in Action::\"all\""}, {false, "action == Action::\"nothing\""}, {true, "principal in Group::\"g\""}, {true, "principal in resource"},
	    {false, "principal in 1"}, {true, "{a: true, b: 1} == {b: 2, a: false}"}, {false, "{a: 1} == {b: 1}"}, {true, "context.n < 3 && context.n + 1 * 2 > -3"},
	    {false, "context.n < \"a\""}, {false, "context.n like \"a\""}, {true, "principal is Group in Group::\"x\""}, {false, "principal is Missing"}};
	/* clang-format on */
	struct cedar_schema *schema = the_schema();

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct cedar_notes notes = {NULL, NULL, 0, 0, 0, 0};
		struct cedar_policies *policies;
		struct cedar_source source = {
		    "t", {NULL, 0}
                };
		char text[1024];

		snprintf(text, sizeof text, "permit(principal, action, resource) when { %s };",
		         lines[i].condition);
		source.text = slice_string(text);
		notes.arena = arena_new(1 << 20);
		assert_int_equal(cedar_policies_parse(&policies, &source, 1, 0, &notes, NULL), 0);
		assert_int_equal(cedar_validate(policies, schema, &notes, NULL), 0);
		if ((notes.errors == 0) != lines[i].valid)
			fail_msg("%s: wanted %s: %s", lines[i].condition,
			         lines[i].valid ? "valid" : "not valid",
			         notes.count > 0 ? notes.items[0].en : "");
		for (size_t j = 0; j < notes.count; j++)
			assert_true(notes.items[j].line == 1 && notes.items[j].column > 0 &&
			            strcmp(notes.items[j].policy_id, "policy0") == 0);
		cedar_policies_free(policies);
		arena_free(notes.arena);
	}
	cedar_schema_free(schema);
}

static void
checks_requests_and_entities(void **state)
{
	/* clang-format off */
	static const char request[] = "{\"principal\":{\"type\":\"%s\",\"id\":\"a\"},\"action\":{\"type\":\"Action\",\"id\":\"%s\"},"
	                              "\"resource\":{\"type\":\"Doc\",\"id\":\"d\"},\"context\":{\"n\":%s,\"k\":{\"type\":\"Kind\",\"id\":\"%s\"},\"ip\":\"%s\"}}";
	static const struct {
		bool        fits;
		const char *principal, *action, *n, *kind, *ip;
	} requests[] = {{true, "User", "view", "1", "a", "::1"},    {false, "Doc", "view", "1", "a", "::1"},
	                {false, "User", "other", "1", "a", "::1"},  {false, "User", "none", "1", "a", "::1"},
	                {false, "User", "view", "\"1\"", "a", "::1"}, {false, "User", "view", "1", "z", "::1"},
	                {false, "User", "view", "1", "a", "x"},     {false, "User", "view", "1.0", "a", "::1"},
	                {false, "User", "view", "1,\"more\":1", "a", "::1"}};
	/* clang-format on */
	/* clang-format off */
	static const struct {
		bool        fits;
		const char *text;
	} entities[] = {
	    {true, "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"name\":\"x\",\"r\":{}},\"parents\":[{\"type\":\"Group\",\"id\":\"g\"}],\"tags\":{\"t\":1}}]"},
	    {false, "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"r\":{}},\"parents\":[]}]"},
	    {false, "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"name\":1,\"r\":{}},\"parents\":[]}]"},
	    {false, "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"name\":\"x\",\"r\":{},\"z\":1},\"parents\":[]}]"},
	    {false, "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"name\":\"x\",\"r\":{}},\"parents\":[{\"type\":\"Doc\",\"id\":\"g\"}]}]"},
	    {false, "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"name\":\"x\",\"r\":{}},\"parents\":[],\"tags\":{\"t\":\"1\"}}]"},
	    {false, "[{\"uid\":{\"type\":\"Kind\",\"id\":\"z\"},\"attrs\":{},\"parents\":[]}]"},
	    {false, "[{\"uid\":{\"type\":\"Nobody\",\"id\":\"z\"},\"attrs\":{},\"parents\":[]}]"},
	    {true, "[{\"uid\":{\"type\":\"Action\",\"id\":\"view\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":\"all\"}]}]"},
	    {false, "[{\"uid\":{\"type\":\"Action\",\"id\":\"view\"},\"attrs\":{},\"parents\":[]}]"},
	    {false, "[{\"uid\":{\"type\":\"Doc\",\"id\":\"d\"},\"attrs\":{},\"attrs\":{},\"parents\":[]}]"},
	    {false, "[{\"uid\":{\"type\":\"Doc\",\"id\":\"d\"},\"attrs\":{}}]"},
	    {false, "[{\"uid\":{\"type\":\"D oc\",\"id\":\"d\"},\"attrs\":{},\"parents\":[]}]"}};
	/* clang-format on */
	struct cedar_schema *schema = the_schema();

	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		struct arena *arena = arena_new(1 << 20);
		struct cedar_request read;
		char text[1024];

		snprintf(text, sizeof text, request, requests[i].principal, requests[i].action, requests[i].n,
		         requests[i].kind, requests[i].ip);
		if ((cedar_request_read(&read, arena, slice_string(text), schema, true, NULL) == 0) !=
		    requests[i].fits)
			fail_msg("request %zu", i);
		arena_free(arena);
	}
	for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
		struct arena *arena = arena_new(1 << 20);
		struct cedar_entities *read;

		if ((cedar_entities_read(&read, arena, slice_string(entities[i].text), schema, NULL) == 0) !=
		    entities[i].fits)
			fail_msg("entities %zu", i);
		arena_free(arena);
	}
	cedar_schema_free(schema);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(knows_schemas),
	                                          cmocka_unit_test(validates_strictly),
	                                          cmocka_unit_test(checks_requests_and_entities)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
