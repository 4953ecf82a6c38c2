/*
 * What expressions give: true, false, or the kind of failure; every operator and extension function, short circuits,
 * entities found, missing and stacked on a base; and decisions from native values alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy/cedar/cedar.h"

static const char entities_text[] =
    "[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"age\":7,\"boss\":{\"__entity\":{\"type\":"
    "\"User\",\"id\":\"b\"}},"
    "\"r\":{\"x\":{\"y\":1}}},\"parents\":[{\"type\":\"Group\",\"id\":\"g\"}],\"tags\":{\"t\":\"v\"}},"
    "{\"uid\":{\"type\":\"User\",\"id\":\"b\"},\"attrs\":{\"age\":9},\"parents\":[]},"
    "{\"uid\":{\"type\":\"Group\",\"id\":\"g\"},\"attrs\":{},\"parents\":[{\"type\":\"Group\",\"id\":\"all\"}"
    "]}]";
static const char request_text[] =
    "{\"principal\":{\"type\":\"User\",\"id\":\"a\"},\"action\":{\"type\":\"Action\",\"id\":\"view\"},"
    "\"resource\":{\"type\":\"Doc\",\"id\":\"d\"},\"context\":{\"n\":5,\"s\":\"해치\",\"b\":true,\"set\":[1,"
    "2,[3]],"
    "\"ip\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.1.2.3\"}}}}";

/*
 * 'T', 'F', or of the failure: type 't', entity 'e', attribute 'a', tag 'g', overflow 'o', extension 'x', arity 'n'.
 * With `alike` the same condition stands in the set three times, the third time negated, so that it is shared and cut
 * into clauses: every copy must say the same, and tell its own line.
 */
static char
evaluate(const char *expr, bool alike)
{
	static const char letters[] = {'m', 't', 'e', 'a', 'g', 'o', 'x', 'n'};
	struct arena *arena = arena_new(1 << 20);
	struct cedar_policies *policies;
	struct cedar_entities *entities;
	struct cedar_request request;
	struct cedar_result result;
	struct cedar_source source = {
	    "t", {NULL, 0}
        };
	struct fault why;
	char text[4096], outcome;

	snprintf(text, sizeof text,
	         alike ? "permit(principal, action, resource) when { %s };\n"
	                 "permit(principal, action, resource) when { true } when { %s };\n"
	                 "permit(principal, action, resource) unless { %s };"
	               : "permit(principal, action, resource) when { %s };",
	         expr, expr, expr);
	source.text = slice_string(text);
	if (cedar_policies_parse(&policies, &source, 1, 0, NULL, &why) == -1)
		fail_msg("%s: %s", expr, why.en);
	assert_int_equal(cedar_entities_read(&entities, arena, slice_string(entities_text), NULL, &why), 0);
	assert_int_equal(cedar_request_read(&request, arena, slice_string(request_text), NULL, false, &why),
	                 0);
	assert_int_equal(cedar_authorize(policies, &request, entities, arena, &result, &why), 0);
	outcome = result.error_count > 0                              ? letters[result.errors[0].failure]
	          : result.permit_count > 0 && result.permits[0] == 0 ? 'T'
	                                                              : 'F';
	if (result.error_count + result.permit_count != (!alike           ? outcome != 'F'
	                                                 : outcome == 'T' ? 2
	                                                 : outcome == 'F' ? 1
	                                                                  : 3))
		fail_msg("%s: the copies differ", expr);
	for (size_t i = 0; i < result.error_count; i++)
		assert_true(result.errors[i].ko[0] != 0 && result.errors[i].en[0] != 0 &&
		            result.errors[i].line == i + 1 &&
		            result.errors[i].failure == result.errors[0].failure);
	cedar_policies_free(policies);
	arena_free(arena);
	return outcome;
}

static void
gives_what_the_language_says(void **state)
{
	/* clang-format off */
	static const struct {
		char outcome;
		const char *expr;
	} lines[] = {
	    {'T', "true"	                                                                    },
	    {'t', "1"	                                                                       },
	    {'t', "true && 1"	                                                               },
	    {'F', "false && 1"	                                                              },
	    {'T', "true || 1"	                                                               },
	    {'t', "1 || true"	                                                               },
	    {'T', "if 1 == 1 then true else 1 + \"a\" == 2"                                         },
	    {'t', "if 1 then true else true"	                                                },
	    {'F', "1 == \"1\""	                                                              },
	    {'T', "[1,2,2] == [2,1]"	                                                        },
	    {'T', "[[1],[2]].contains([2])"	                                                 },
	    {'T', "{a:1,b:2} == {b:2,a:1}"	                                                  },
	    {'T', "-9223372036854775808 < 0"	                                                },
	    {'o', "-(-9223372036854775808) == 1"	                                            },
	    {'o', "9223372036854775807 + 1 == 1"	                                            },
	    {'o', "-9223372036854775808 - 1 == 1"	                                           },
	    {'o', "9223372036854775807 * 2 == 1"	                                            },
	    {'t', "1 + \"a\" == 1"	                                                          },
	    {'t', "\"a\" < \"b\""	                                                           },
	    {'t', "decimal(\"1.0\") < decimal(\"2.0\")"                                             },
	    {'t', "1 < duration(\"1s\")"	                                                    },
	    {'T', "principal in principal"	                                                  },
	    {'T', "Nobody::\"x\" in Nobody::\"x\""	                                          },
	    {'T', "principal in Group::\"all\""	                                             },
	    {'F', "principal in Group::\"none\""	                                            },
	    {'F', "principal in []"	                                                         },
	    {'T', "principal in [Group::\"x\", Group::\"g\"]"                                       },
	    {'t', "principal in [Group::\"g\", 1]"	                                          },
	    {'t', "1 in principal"	                                                          },
	    {'t', "principal in 1"	                                                          },
	    {'T', "principal is User"	                                                       },
	    {'F', "principal is Group"	                                                      },
	    {'T', "principal is User in Group::\"g\""                                               },
	    {'t', "1 is User"	                                                               },
	    {'T', "principal.boss.age == 9"	                                                 },
	    {'a', "principal.boss.boss == 1"	                                                },
	    {'e', "resource.x == 1"	                                                         },
	    {'a', "context.x == 1"	                                                          },
	    {'F', "resource has x"	                                                          },
	    {'T', "principal has r.x.y"	                                                     },
	    {'F', "principal has r.z.y"	                                                     },
	    {'t', "principal has age.x"	                                                     },
	    {'t', "1 has x"	                                                                 },
	    {'T', "principal.hasTag(\"t\") && principal.getTag(\"t\") == \"v\""                     },
	    {'F', "principal.hasTag(\"u\")"	                                                 },
	    {'g', "principal.getTag(\"u\") == 1"	                                            },
	    {'e', "resource.getTag(\"t\") == 1"	                                             },
	    {'F', "resource.hasTag(\"t\")"	                                                  },
	    {'t', "principal.hasTag(1)"	                                                     },
	    {'t', "context.hasTag(\"x\")"	                                                   },
	    {'T', "context.set.contains([3])"	                                               },
	    {'T', "context.set.containsAll([2,1])"	                                          },
	    {'F', "context.set.containsAny([5])"	                                            },
	    {'F', "context.set.isEmpty()"	                                                   },
	    {'T', "[].isEmpty()"	                                                            },
	    {'t', "context.set.containsAll(1)"	                                              },
	    {'t', "context.n.contains(1)"	                                                   },
	    {'T', "context.s like \"해*\""	                                                 },
	    {'T', "\"a*c\" like \"a\\*c\""	                                                  },
	    {'F', "\"abc\" like \"a\\*c\""	                                                  },
	    {'T', "\"\" like \"*\""	                                                         },
	    {'T', "\"abcabc\" like \"*bc\""	                                                 },
	    {'F', "\"ab\" like \"ab*b\""	                                                    },
	    {'T', "\"aXbXb\" like \"a*b\""	                                                  },
	    {'t', "1 like \"a\""	                                                            },
	    {'T', "decimal(\"1.0\") == decimal(\"1.0000\")"                                         },
	    {'x', "decimal(\"1\") == 1"	                                                     },
	    {'t', "decimal(1) == 1"	                                                         },
	    {'n', "decimal() == 1"	                                                          },
	    {'T', "decimal(\"1.23\").lessThan(decimal(\"1.24\"))"                                   },
	    {'T', "decimal(\"-922337203685477.5808\").lessThanOrEqual(decimal(\"0.0\"))"            },
	    {'x', "decimal(\"922337203685477.5808\") == 1"                                          },
	    {'T', "ip(\"1.2.3.4\") == ip(\"1.2.3.4/32\")"                                           },
	    {'F', "ip(\"1.2.3.4/24\") == ip(\"1.2.3.0/24\")"                                        },
	    {'T', "context.ip.isInRange(ip(\"10.0.0.0/8\"))"                                        },
	    {'F', "context.ip.isInRange(ip(\"::/0\"))"                                              },
	    {'F', "ip(\"127.0.0.1/7\").isLoopback()"                                                },
	    {'T', "ip(\"ff00::/8\").isMulticast()"	                                          },
	    {'x', "ip(\"::ffff:1.2.3.4\").isIpv6()"                                                 },
	    {'T', "ip(\"1:2:3:4:5:6:7::\").isIpv6()"                                                },
	    {'x', "ip(\"01.2.3.4\").isIpv4()"	                                               },
	    {'T', "datetime(\"2026-01-22T09:00:00+0900\") == datetime(\"2026-01-22\")"              },
	    {'x', "datetime(\"2026-02-29\") == 1"	                                           },
	    {'x', "datetime(\"2026-01-22T09:00:00+09:00\") == 1"                                    },
	    {'T', "datetime(\"1969-12-31T23:00:00Z\").toDate() == datetime(\"1969-12-31\")"         },
	    {'T', "datetime(\"1969-12-31T23:00:00Z\").toTime() == duration(\"23h\")"                },
	    {'T', "datetime(\"2026-01-23\").durationSince(datetime(\"2026-01-22\")).toHours() == 24"},
	    {'T', "duration(\"-1500ms\").toSeconds() == -1"                                         },
	    {'x', "duration(\"1h1d\") == 1"	                                                 },
	    {'T', "duration(\"-9223372036854775808ms\").toDays() == -106751991167"                  },
	    {'x', "datetime(\"2026-01-22\").offset(duration(\"9223372036854775807ms\")) == 1"       }
        };
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		for (int alike = 0; alike < 2; alike++) {
			char got = evaluate(lines[i].expr, alike == 1);

			if (got != lines[i].outcome)
				fail_msg("%s: wanted %c, got %c", lines[i].expr, lines[i].outcome, got);
		}
}

static struct cedar_policies *
parse(const char *text)
{
	struct cedar_source source = {"t", slice_string(text)};
	struct cedar_policies *policies;
	struct fault why;

	if (cedar_policies_parse(&policies, &source, 1, 0, NULL, &why) == -1)
		fail_msg("%s", why.en);
	return policies;
}

static void
tells_every_satisfied_policy(void **state)
{
	struct cedar_policies *policies = parse(
	    "permit(principal,action,resource); forbid(principal,action,resource) when {context.x};"
	    "permit(principal,action,resource) when {false}; forbid(principal,action,resource);"
	    "permit(principal == U::\"a\",action,resource); permit(principal == U::\"b\",action,resource);");
	struct arena *arena = arena_new(1 << 16);
	struct cedar_request request = {
	    cedar_uid(arena, SLICE_LITERAL("U"), SLICE_LITERAL("a")),
	    cedar_uid(arena, SLICE_LITERAL("Action"), SLICE_LITERAL("x")),
	    cedar_uid(arena, SLICE_LITERAL("R"), SLICE_LITERAL("r")),
	    {CEDAR_NONE, {false}}
        };
	struct cedar_result result;
	struct fault why;

	(void)state;
	assert_int_equal(cedar_authorize(policies, &request, NULL, arena, &result, &why), 0);
	assert_int_equal(result.decision, CEDAR_DENY);
	assert_int_equal(result.determining_count, 1);
	assert_int_equal(result.determining[0], 3);
	assert_int_equal(result.permit_count, 2);
	assert_int_equal(result.permits[0], 0);
	assert_int_equal(result.permits[1], 4);
	assert_int_equal(result.error_count, 1);
	assert_int_equal(result.errors[0].policy, 1);
	assert_int_equal(result.errors[0].failure, CEDAR_FAILURE_NO_ATTRIBUTE);
	request.resource = NULL;
	assert_int_equal(cedar_authorize(policies, &request, NULL, arena, &result, &why), -1);
	assert_int_equal(result.decision, CEDAR_DENY);
	cedar_policies_free(policies);
	arena_free(arena);
}

static void
denies_when_memory_ends(void **state)
{
	struct cedar_policies *policies = parse(
	    "permit(principal,action,resource) when { [principal, resource, action].contains(principal) };");
	struct arena *values = arena_new(1 << 16), *small = arena_new(16);
	struct cedar_request request = {
	    cedar_uid(values, SLICE_LITERAL("U"), SLICE_LITERAL("a")),
	    cedar_uid(values, SLICE_LITERAL("Action"), SLICE_LITERAL("x")),
	    cedar_uid(values, SLICE_LITERAL("R"), SLICE_LITERAL("r")),
	    {CEDAR_NONE, {false}}
        };
	struct cedar_result result;
	struct fault why;

	(void)state;
	assert_int_equal(cedar_authorize(policies, &request, NULL, small, &result, &why), -1);
	assert_int_equal(why.kind, FAULT_MEMORY);
	assert_int_equal(result.decision, CEDAR_DENY);
	assert_int_equal(result.determining_count, 0);
	cedar_policies_free(policies);
	arena_free(small);
	arena_free(values);
}

static void
stacks_stores(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct cedar_entities *base = cedar_entities_new(arena, NULL), *top;
	const struct cedar_uid *group = cedar_uid(arena, SLICE_LITERAL("Group"), SLICE_LITERAL("g")),
	                       *all = cedar_uid(arena, SLICE_LITERAL("Group"), SLICE_LITERAL("all")),
	                       *user = cedar_uid(arena, SLICE_LITERAL("User"), SLICE_LITERAL("u"));
	struct cedar_value none = {CEDAR_NONE, {false}};
	struct cedar_field age = {cedar_string_of(SLICE_LITERAL("age")), cedar_long(7)};
	struct cedar_policies *policies =
	    parse("permit(principal in Group::\"all\",action,resource) when {principal.age == 7};");
	struct cedar_request request = {user, cedar_uid(arena, SLICE_LITERAL("Action"), SLICE_LITERAL("x")),
	                                group, none};
	struct cedar_result result;
	struct fault why;

	(void)state;
	assert_int_equal(cedar_entities_add(base, group, none, none, &all, 1, &why), 0);
	assert_int_equal(cedar_entities_seal(base, &why), 0);
	top = cedar_entities_new(arena, base);
	assert_int_equal(cedar_entities_add(top, user, cedar_record(arena, &age, 1), none, &group, 1, &why),
	                 0);
	assert_int_equal(cedar_entities_seal(top, &why), 0);
	assert_int_equal(cedar_authorize(policies, &request, top, arena, &result, &why), 0);
	assert_int_equal(result.decision, CEDAR_ALLOW);
	assert_int_equal(cedar_authorize(policies, &request, base, arena, &result, &why), 0);
	assert_int_equal(result.decision, CEDAR_DENY);
	/* a cycle through the base, one alone, and twins that differ */
	top = cedar_entities_new(arena, base);
	assert_int_equal(cedar_entities_add(top, all, none, none, &group, 1, &why), 0);
	assert_int_equal(cedar_entities_seal(top, &why), -1);
	top = cedar_entities_new(arena, NULL);
	assert_int_equal(cedar_entities_add(top, user, none, none, &user, 1, &why), 0);
	assert_int_equal(cedar_entities_seal(top, &why), -1);
	top = cedar_entities_new(arena, NULL);
	assert_int_equal(cedar_entities_add(top, user, none, none, NULL, 0, &why), 0);
	assert_int_equal(cedar_entities_add(top, user, cedar_record(arena, &age, 1), none, NULL, 0, &why), 0);
	assert_int_equal(cedar_entities_seal(top, &why), -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	cedar_policies_free(policies);
	arena_free(arena);
}

/* A long line of parents, and many entities with many parents: no recursion, no quadratic time. */
static void
closes_long_chains(void **state)
{
	enum { LENGTH = 2000 };
	struct arena *arena = arena_new((size_t)256 << 20);
	struct cedar_entities *store = cedar_entities_new(arena, NULL);
	const struct cedar_uid *uids[LENGTH];
	struct cedar_value none = {CEDAR_NONE, {false}};
	struct cedar_policies *policies = parse("permit(principal in N::\"1999\",action,resource);");
	struct cedar_request request;
	struct cedar_result result;
	struct fault why;

	(void)state;
	for (int i = 0; i < LENGTH; i++)
		uids[i] = cedar_uid(arena, SLICE_LITERAL("N"), slice_string(arena_printf(arena, "%d", i)));
	for (int i = 0; i + 1 < LENGTH; i++)
		assert_int_equal(cedar_entities_add(store, uids[i], none, none, &uids[i + 1], 1, &why), 0);
	assert_int_equal(cedar_entities_seal(store, &why), 0);
	request = (struct cedar_request){uids[0], uids[1], uids[2], none};
	assert_int_equal(cedar_authorize(policies, &request, store, arena, &result, &why), 0);
	assert_int_equal(result.decision, CEDAR_ALLOW);
	cedar_policies_free(policies);
	arena_free(arena);
}

/* The index may leave policies out, never change an answer: each policy alone must say the same. */
static void
index_changes_nothing(void **state)
{
	/* clang-format off */
	static const char *const each[] = {
	    "permit(principal == U::\"a\",action,resource);",
	    "permit(principal == U::\"b\",action,resource);",
	    "permit(principal,action == Action::\"x\",resource);",
	    "permit(principal,action in [Action::\"y\",Action::\"x\"],resource);",
	    "permit(principal is U,action,resource);",
	    "permit(principal is V,action,resource);",
	    "permit(principal,action,resource) when {context.k == 1};",
	    "permit(principal,action,resource) when {2 == context.k};",
	    "permit(principal,action,resource) when {context.missing == 1};",
	    "permit(principal is V,action,resource) when {context.missing == 1};",
	    "permit(principal,action,resource) when {[1,2].contains(context.k) && context.k == 1};",
	    "permit(principal,action,resource) when {[3].contains(context.k)};",
	    "permit(principal,action,resource) unless {context.k == 2};",
	    "permit(principal,action,resource) when {context.k == 1 && context.missing};",
	    "permit(principal,action,resource) when {context.k == 2 && context.missing};"};
	/* clang-format on */
	struct arena *arena = arena_new(1 << 20);
	struct cedar_field k = {cedar_string_of(SLICE_LITERAL("k")), cedar_long(1)};
	struct cedar_request request = {cedar_uid(arena, SLICE_LITERAL("U"), SLICE_LITERAL("a")),
	                                cedar_uid(arena, SLICE_LITERAL("Action"), SLICE_LITERAL("x")),
	                                cedar_uid(arena, SLICE_LITERAL("R"), SLICE_LITERAL("r")),
	                                cedar_record(arena, &k, 1)};
	static const char wanted[] = "TFTTTFTFaFTFTaF";
	char all[8192] = "";
	struct cedar_policies *policies;
	struct cedar_result result;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof each / sizeof *each; i++)
		strcat(all, each[i]);
	policies = parse(all);
	assert_int_equal(cedar_authorize(policies, &request, NULL, arena, &result, &why), 0);
	for (uint32_t i = 0, permit = 0, error = 0; i < sizeof each / sizeof *each; i++) {
		char got = 'F';

		if (permit < result.permit_count && result.permits[permit] == i) {
			got = 'T';
			permit++;
		} else if (error < result.error_count && result.errors[error].policy == i) {
			got = 'a';
			error++;
		}
		if (got != wanted[i])
			fail_msg("%s: wanted %c, got %c", each[i], wanted[i], got);
	}
	cedar_policies_free(policies);
	arena_free(arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_what_the_language_says), cmocka_unit_test(tells_every_satisfied_policy),
	    cmocka_unit_test(denies_when_memory_ends),      cmocka_unit_test(stacks_stores),
	    cmocka_unit_test(closes_long_chains),           cmocka_unit_test(index_changes_nothing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
