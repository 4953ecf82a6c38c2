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
	static struct constraint_state state;

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
	    "{\"verdict\":\"HIGH\",\"tags\":[\"a\"]}", "{\"verdict\":\"HIGHEST\",\"tags\":[\"a\",\"b\"]}",
	    "{\"verdict\":12,\"score\":-5,\"tags\":[\"\"]}",
	    "{\"verdict\":1 ,\"score\":null,\"tags\":[\"x\"]}",
	    "{\"verdict\":null,\"tags\":[\"a\"],\"inner\":{\"next\":{\"next\":null}}}"};
	static const char *const bad[] = {"{\"verdict\":\"LOW",
	                                  "{\"verdict\":1,\"tags\":[]",
	                                  "{\"tags\"",
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
plain_values_are_kept_to_what_is_said_of_them(void **state)
{
	static const struct {
		const char *schema, *good, *bad; /* JSON; a '|' between them */
	} cases[] = {
	    {"{\"type\":\"number\"}",	                                                                             "-0.5|1e99|0",                                 "\"|01|1e999|-."                        },
	    {"{\"type\":\"integer\",\"minimum\":7,\"maximum\":123}",                                                      "7|99|123",                                    "6 |0|124|1000|-"                       },
	    {"{\"type\":\"integer\",\"minimum\":-5,\"exclusiveMaximum\":0}",                                              "-5|-1",                                       "-6|1|-0 "                              },
	    {"{\"type\":\"integer\",\"multipleOf\":1000,\"minimum\":1,\"maximum\":20000}",                                "1000|20000",
	     "0|999 |21"	                                                                                                                                                                                 },
	    {"{\"type\":\"number\",\"minimum\":-0.35,\"maximum\":0.12}",                                                  "-0.35|0.12|0.119|-0.3|0",
	     "0.13|-0.36|1|-1"	                                                                                                                                                                           },
	    {"{\"type\":\"number\",\"multipleOf\":0.01,\"minimum\":0}",                                                   "10.25|3|0.1",                                 "0.001|1e|-1"                           },
	    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",                                                     "\"가나\"|\"가나다\"|\"a\\n\\u00e9\"",
	     "\"가\"|\"가나다라"	                                                                                                                                                                    },
	    {"{\"type\":\"string\",\"pattern\":\"^01[016-9]-\\\\d{3,4}-\\\\d{4}$\"}",
	     "\"010-1234-5678\"|\"016-123-4567\"",	                                                                                                               "\"012|\"010-12345|\"010-1234-567\"|\"x"},
	    {"{\"type\":\"string\",\"pattern\":\"^[가-힣]+$\",\"maxLength\":3}",                                        "\"가나다\"|\"힣\"",
	     "\"a|\"가나다라|\"\"|\"ㄱ|\"\\u"	                                                                                                                                                       },
	    {"{\"type\":\"string\",\"pattern\":\"제\\\\d+조\"}",                                                        "\"제31조\"|\"법 제2조에\"",             "\"제조\""                            },
	    {"{\"type\":\"string\",\"pattern\":\"^(?:a|b$|^c)\"}",                                                        "\"ax\"|\"b\"|\"cz\"",                         "\"bx|\"d"                              },
	    {"{\"type\":\"string\",\"format\":\"date\"}",	                                                         "\"2026-01-22\"|\"2024-02-29\"",
	     "\"2026-13|\"2025-02-29|\"2026-04-31|\"26-"	                                                                                                                                                 },
	    {"{\"type\":\"string\",\"format\":\"date\",\"pattern\":\"^2026-\"}",                                          "\"2026-12-31\"",
	     "\"2025|\"2026-1-"	                                                                                                                                                                          },
	    {"{\"enum\":[\"가\",\"가나\",1,12,[1,{\"a\":2}],true]}",
	     "\"가\"|\"가나\"|1|12|[1,{\"a\":2}]|true",	                                                                                                       "\"나|2|13|[2|f"                       },
	    {"{\"type\":[\"string\",\"null\"],\"maxLength\":1}",                                                          "null|\"a\"",                                  "\"ab|1"                                },
	    {"{\"type\":\"string\",\"enum\":[\"a\",1,\"bb\"],\"maxLength\":9}",                                           "\"a\"|\"bb\"",                                "1"                                     },
	    {"{\"const\":{\"가\":[1]}}",	                                                                         "{\"가\":[1]}",                               "{\"나|{ "                             },
	    {"{\"type\":\"array\",\"items\":{\"enum\":[1,2,12]},\"uniqueItems\":true,\"minItems\":2}",
	     "[1,2]|[12,1,2]",	                                                                                                                                   "[1]|[1,1,|[2,2]"                       },
	    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"boolean\"}],\"items\":"
	     "false}",	                                                                               "[]|[1]|[1,true]",                             "[true|[1,true,"                        },
	    {"{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},{"
	     "\"type\":\"object\","
	     "\"properties\":{\"a\":{\"const\":2},\"b\":{\"type\":\"null\"}},\"required\":[\"a\",\"b\"]}]}", "{\"a\":1}|{\"a\":2,\"b\":null}",              "{\"a\":1,|{\"a\":2}|{\"a\":3"          },
	    {"{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"x\"}},\"required\":[\"k\"]}"
	     ",{\"type\":\"object\","
	     "\"properties\":{\"k\":{\"const\":\"xy\"}},\"required\":[\"k\"]}]}",	                    "{\"k\":\"x\"}|{\"k\":\"xy\"}",                "{\"k\":\"y"                            },
	    {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]},{"
	     "\"properties\":{\"b\":{\"const\":1}},"
	     "\"required\":[\"b\"]}]}",	                                                              "{\"a\":5,\"b\":1}",                           "{\"a\":5}|{\"b"                        },
	    {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2},\"c\":{\"const\":"
	     "3}},\"required\":[\"b\"]}",	                                                            "{\"b\":2}|{\"a\":1,\"b\":2,\"c\":3}",         "{\"c|{\"b\":2,\"a|{}|{\"a\":1}"        },
	    {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"],"
	     "\"additionalProperties\":{\"type\":"
	     "\"boolean\"}}",	                                                                        "{\"a\":1}|{\"a\":1,\"x\":true,\"ab\":false}", "{\"x|{\"a\":1,\"x\":1|{\"a\":1,\"a\":" },
	    {"{\"$ref\":\"#/$defs/n~1m\",\"$defs\":{\"n/"
	     "m\":{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/n~1m\","
	     "\"description\":\"x\"}}}}}",	                                                           "{}|{\"next\":{\"next\":{}}}",                 "{\"next\":1|["                         },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct constraint *constraint = compiled(cases[i].schema);

		for (unsigned bad = 0; bad < 2; bad++) {
			char *texts = strdup(bad ? cases[i].bad : cases[i].good), *rest = texts, *text;

			while ((text = strsep(&rest, "|")) != NULL)
				if (bad ? said(constraint, text) == 2 : said(constraint, text) != 2)
					fail_msg("%s %s: %s", cases[i].schema,
					         bad ? "let through" : "did not let through", text);
			free(texts);
		}
		constraint_free(constraint);
	}
}

/* What a hostile schema costs is bounded: ways that are the same are one, and patterns have a budget. */
static void
hostile_schemas_cost_little(void **state)
{
	static struct constraint_state now;
	struct constraint *constraint =
	    compiled("{\"anyOf\":[{\"$ref\":\"#\"},{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#/anyOf/2\"}]},"
	             "{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}]}");
	struct buffer schema;
	struct fault why;
	json_t *json;

	(void)state;
	constraint_begin(&now, constraint);
	assert_true(constraint_feed(&now, SLICE_LITERAL("[[[[")));
	assert_int_equal(now.count, 1);
	constraint_free(constraint);
	constraint = NULL;
	buffer_init(&schema, 1 << 20);
	buffer_string(&schema, "{\"properties\":{");
	for (unsigned i = 0; i < 2000; i++)
		buffer_printf(&schema, "%s\"%u\":{\"pattern\":\"(a|b)*a(a|b){9}%u\"}", i == 0 ? "" : ",", i,
		              i);
	buffer_string(&schema, "}}");
	json = json_read(buffer_view(&schema), 1 << 20, 8, NULL);
	assert_int_equal(constraint_compile(&constraint, json, &why), -1);
	assert_int_equal(why.kind, FAULT_TOO_LARGE);
	json_decref(json);
	buffer_free(&schema);
}

static void
plain_characters_need_not_be_tried(void **state)
{
	static const struct {
		const char *schema, *said;
		size_t room;
	} cases[] = {
	    {"{\"type\":\"string\"}",                                  "\"가",    SIZE_MAX - 1},
	    {"{\"type\":\"string\"}",                                  "\"\\",     0           },
	    {"{\"type\":\"string\"}",                                  "\"\xea",   0           },
	    {"{\"type\":\"string\"}",                                  "",         0           },
	    {"{\"type\":\"string\",\"maxLength\":5}",                  "\"가나", 3           },
	    {"{\"type\":\"string\",\"pattern\":\"a\"}",                "\"a",      0           },
	    {"{\"anyOf\":[{\"type\":\"string\"},{\"const\":\"ab\"}]}", "\"a",      0           },
	    {"{\"type\":\"object\"}",                                  "{\"a",     0           },
	};
	static struct constraint_state now;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct constraint *constraint = compiled(cases[i].schema);

		constraint_begin(&now, constraint);
		assert_true(constraint_feed(&now, slice_string(cases[i].said)));
		assert_true(constraint_plain(&now) == cases[i].room);
		constraint_free(constraint);
	}
}

static void
what_is_not_supported_is_named_with_its_place(void **state)
{
	static const struct {
		const char *schema, *keyword, *place;
		enum fault_kind kind;
	} cases[] = {
	    {"{\"type\":\"object\",\"properties\":{\"나이\":{\"not\":{}}}}",                     "'not'",               "at $.properties.나이",
	     FAULT_UNSUPPORTED	                                                                                                                               },
	    {"{\"type\":\"array\",\"items\":{\"minContains\":1}}",                                 "'minContains'",       "at $.items",
	     FAULT_UNSUPPORTED	                                                                                                                               },
	    {"{\"anyOf\":[{},{\"if\":{}}]}",	                                               "'if'",                "at $.anyOf[1]",          FAULT_UNSUPPORTED},
	    {"{\"type\":\"string\",\"format\":\"phone\"}",                                         "'format: phone'",     "at $",                   FAULT_UNSUPPORTED},
	    {"{\"type\":\"string\",\"pattern\":\"a(?=b)\"}",                                       "'(?='",               "at $",                   FAULT_UNSUPPORTED},
	    {"{\"type\":\"string\",\"pattern\":\"a(\"}",                                           "malformed",           "at $",                   FAULT_INVALID    },
	    {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}",                         "oneOf",               "at $",
	     FAULT_UNSUPPORTED	                                                                                                                               },
	    {"{\"type\":\"object\",\"patternProperties\":{}}",                                     "'patternProperties'", "at $",
	     FAULT_UNSUPPORTED	                                                                                                                               },
	    {"{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}",          "'uniqueItems'",
	     "at $",	                                                                                                                        FAULT_UNSUPPORTED},
	    {"{\"$ref\":\"#/nowhere\"}",	                                                   "'$ref'",              "at $",                   FAULT_UNSUPPORTED},
	    {"{\"type\":\"date\"}",	                                                        "'type'",              "at $",                   FAULT_UNSUPPORTED},
	    {"{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}",                              "no value",            "at $",                   FAULT_INVALID    },
	    {"{\"type\":\"integer\",\"minimum\":1.2,\"maximum\":1.8}",                             "no value",            "at $",                   FAULT_INVALID    },
	    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", "no value",
	     "at $",	                                                                                                                        FAULT_INVALID    },
	    {"{\"type\":\"string\",\"pattern\":\"(a{1000}){1000}\"}",                              "complex",             "",                       FAULT_TOO_LARGE  },
	    {"false",	                                                                      "'false'",             "at $",                   FAULT_UNSUPPORTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *json = json_loads(cases[i].schema, JSON_DECODE_ANY, NULL);
		struct constraint *constraint = NULL;
		struct fault why = {0};

		if (constraint_compile(&constraint, json, &why) != -1)
			fail_msg("compiled: %s", cases[i].schema);
		if (why.kind != cases[i].kind || strstr(why.en, cases[i].keyword) == NULL ||
		    strstr(why.en, cases[i].place) == NULL || why.ko[0] == '\0')
			fail_msg("%s: %d %s", cases[i].schema, why.kind, why.en);
		json_decref(json);
	}
}

/* A walk of bytes that may come, the end sought after a while: it is always found, and what was said is JSON. */
static void
no_beginning_leads_nowhere(void **state)
{
	static const char *const schemas[] = {
	    "{\"type\":\"object\"}",
	    "{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#\"},\"s\":{\"type\":\"string\","
	    "\"pattern\":\"^[가-힣]{2}\\\\d$\"}},"
	    "\"required\":[\"s\"]}",
	    "{\"type\":\"array\",\"items\":{\"type\":\"number\",\"minimum\":99.5,\"maximum\":100,"
	    "\"multipleOf\":0.1},\"minItems\":2,"
	    "\"maxItems\":3}",
	    "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"format\":\"date-time\"},\"minItems\":1,"
	    "\"maxItems\":1}",
	    "{\"type\":\"array\",\"maxItems\":4,\"items\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":-17,"
	    "\"maximum\":4},{\"type\":\"number\",\"minimum\":3.5},{\"enum\":[\"가\",\"가나\"]}]}}",
	    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"minLength\":4,\"maxLength\":4}"
	    ",\"ab\":{\"const\":1}},"
	    "\"required\":[\"ab\"],\"additionalProperties\":{\"type\":\"null\"}}"};
	static struct constraint_state now, next;
	uint32_t random = 12345;

	(void)state;
	for (size_t i = 0; i < 60 * sizeof schemas / sizeof *schemas; i++) {
		struct constraint *constraint = compiled(schemas[i / 60]);
		char text[4096];
		size_t size = 0;

		constraint_begin(&now, constraint);
		while (!constraint_ended(&now)) {
			bool found = false;

			for (unsigned tries = 0; tries < 600 && !found; tries++) {
				uint8_t byte =
				    tries >= 344 ? (uint8_t)(tries - 344)
				    : size > 400 && tries < 3
				        ? (uint8_t) "\"}]"[tries]
				        : (uint8_t)((random = random * 1664525 + 1013904223) >> 24);

				constraint_copy(&next, &now);
				if ((found = constraint_feed(&next, slice_of(&byte, 1)))) {
					constraint_copy(&now, &next);
					text[size++] = (char)byte;
				}
			}
			if (!found || size > 4000)
				fail_msg("%s: %s after %.*s", schemas[i / 60], found ? "no end" : "stuck",
				         (int)size, text);
		}
		{
			json_t *json = json_loadb(text, size, JSON_DECODE_ANY, NULL);

			if (json == NULL)
				fail_msg("no JSON: %.*s", (int)size, text);
			json_decref(json);
		}
		constraint_free(constraint);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_object_is_json),
	    cmocka_unit_test(schemas_are_kept),
	    cmocka_unit_test(plain_values_are_kept_to_what_is_said_of_them),
	    cmocka_unit_test(hostile_schemas_cost_little),
	    cmocka_unit_test(plain_characters_need_not_be_tried),
	    cmocka_unit_test(what_is_not_supported_is_named_with_its_place),
	    cmocka_unit_test(no_beginning_leads_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
