/* A use case is read whole or refused by name; what is not said is unknown; C and usecase.schema.json offer the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "schema/usecase.h"

static int
parse(struct usecase *out, const char *text, struct arena *arena, struct fault *why)
{
	return usecase_parse(out, slice_string(text), arena, why);
}

static void
test_whole(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct usecase usecase;
	struct fault why = {0};

	(void)state;
	assert_int_equal(
	    parse(&usecase,
	          "{\"id\":\"welfare-1\",\"version\":3,\"agency\":\"seoul\",\"title\":{\"ko\":\"기초생활\","
	          "\"en\":\"basic\"},"
	          "\"purpose\":\"급여 결정\",\"grade\":\"S\",\"channel\":\"chat\",\"models\":[\"m1\",\"m2\"],"
	          "\"actor_role\":\"deployer\",\"audience\":\"public\",\"domains\":[\"public_service\","
	          "\"healthcare\"],"
	          "\"sub_function\":[\"eligibility\",\"diagnosis\"],\"decision_effect\":\"final\",\"human_"
	          "review\":\"substantive\","
	          "\"reviewer\":{\"name\":\"김\",\"may_exclude\":true,\"may_modify\":false,\"decisions\":120,"
	          "\"changed\":9},"
	          "\"exclusion\":{\"designator\":\"국방부장관\",\"sole_use\":false},\"affected_count\":12000,"
	          "\"severity\":\"high\",\"facts\":{\"discretion\":true,\"water_stage\":3,\"media\":\"text\","
	          "\"aadt\":null}}",
	          arena, &why),
	    0);
	assert_string_equal(usecase.id, "welfare-1");
	assert_int_equal(usecase.version, 3);
	assert_int_equal(usecase.grade, GRADE_S);
	assert_int_equal(usecase.model_count, 2);
	assert_int_equal(usecase.domain_count, 2);
	assert_true(usecase.domain_known);
	assert_int_equal(usecase.sub_function_count, 2);
	assert_int_equal(usecase.decision_effect, EFFECT_FINAL);
	assert_int_equal(usecase.human_review, REVIEW_SUBSTANTIVE);
	assert_int_equal(usecase.reviewer.may_exclude, FACT_YES);
	assert_int_equal(usecase.reviewer.may_modify, FACT_NO);
	assert_int_equal(usecase.reviewer.may_refuse, FACT_UNKNOWN);
	assert_int_equal(usecase.reviewer.changed, 9);
	assert_int_equal(usecase.affected_count, 12000);
	assert_string_equal(usecase.severity, "high");
	assert_string_equal(usecase.reversibility, "unknown");
	usecase_release(&usecase);
	arena_free(arena);
}

static void
test_unknown_is_a_value(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct usecase usecase;
	struct fault why = {0};

	(void)state;
	assert_int_equal(
	    parse(&usecase, "{\"id\":\"x\",\"domains\":\"unknown\",\"audience\":null}", arena, &why), 0);
	assert_false(usecase.domain_known);
	assert_int_equal(usecase.grade, GRADE_C); /* undeclared data is the strictest */
	assert_int_equal(usecase.reviewer.decisions, -1);
	assert_int_equal(usecase.affected_count, -1);
	usecase_release(&usecase);
	assert_int_equal(parse(&usecase, "{\"id\":\"x\",\"domains\":[]}", arena, &why), 0);
	assert_true(usecase.domain_known);
	assert_int_equal(usecase.domain_count, 0);
	usecase_release(&usecase);
	/* What it does says where it belongs, unless somebody said that this is unknown, or that it belongs nowhere. */
	assert_int_equal(
	    parse(&usecase, "{\"id\":\"x\",\"sub_function\":[\"award\",\"charge\",\"triage\"]}", arena, &why),
	    0);
	assert_true(usecase.domain_known);
	assert_int_equal(usecase.domain_count, 2);
	assert_int_equal(usecase.domains[0], DOMAIN_PUBLIC_SERVICE);
	assert_int_equal(usecase.domains[1], DOMAIN_HEALTHCARE);
	usecase_release(&usecase);
	assert_int_equal(
	    parse(&usecase, "{\"id\":\"x\",\"domains\":\"unknown\",\"sub_function\":\"award\"}", arena, &why),
	    0);
	assert_false(usecase.domain_known);
	usecase_release(&usecase);
	assert_int_equal(
	    parse(&usecase, "{\"id\":\"x\",\"domains\":[],\"sub_function\":\"award\"}", arena, &why), 0);
	assert_int_equal(usecase.domain_count, 0);
	usecase_release(&usecase);
	arena_free(arena);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
	    {"[]",	                                                  "object"             },
	    {"{}",	                                                  "'id'"               },
	    {"{\"id\":\"Upper\"}",	                                  "'id'"               },
	    {"{\"id\":\"-x\"}",	                                     "'id'"               },
	    {"{\"id\":\"x\",\"colour\":1}",                                 "'colour'"           },
	    {"{\"id\":\"x\",\"facts\":{\"colour\":1}}",                     "'facts.colour'"     },
	    {"{\"id\":\"x\",\"facts\":{\"water_stage\":5}}",                "'facts.water_stage'"},
	    {"{\"id\":\"x\",\"facts\":{\"discretion\":\"yes\"}}",           "'facts.discretion'" },
	    {"{\"id\":\"x\",\"facts\":{\"media\":\"tex\"}}",                "'facts.media'"      },
	    {"{\"id\":\"x\",\"facts\":{\"media\":\"\"}}",                   "'facts.media'"      },
	    {"{\"id\":\"x\",\"facts\":[]}",                                 "'facts'"            },
	    {"{\"id\":\"x\",\"domains\":[\"none\"]}",                       "'domains'"          },
	    {"{\"id\":\"x\",\"domains\":[\"water\",\"water\"]}",            "'domains'"          },
	    {"{\"id\":\"x\",\"domains\":\"water\"}",                        "'domains'"          },
	    {"{\"id\":\"x\",\"sub_function\":\"flying\"}",                  "'sub_function'"     },
	    {"{\"id\":\"x\",\"sub_function\":[1]}",                         "'sub_function'"     },
	    {"{\"id\":\"x\",\"reviewer\":{\"decisions\":3,\"changed\":4}}", "'reviewer.changed'" },
	    {"{\"id\":\"x\",\"reviewer\":{\"power\":true}}",                "'reviewer.power'"   },
	    {"{\"id\":\"x\",\"reviewer\":7}",                               "'reviewer'"         },
	    {"{\"id\":\"x\",\"grade\":\"A\"}",                              "'grade'"            },
	    {"{\"id\":\"x\",\"version\":0}",                                "'version'"          },
	    {"{\"id\":\"x\",\"decision_effect\":\"maybe\"}",                "'decision_effect'"  },
	    {"{\"id\":\"x\",\"id\":\"y\"}",                                 ""                   },
	};
	struct arena *arena = arena_new(1 << 20);
	struct usecase usecase;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fault why = {0};

		assert_int_equal(parse(&usecase, cases[i].text, arena, &why), -1);
		assert_int_equal(why.kind, FAULT_INVALID);
		assert_non_null(strstr(why.en, cases[i].named));
		assert_true(why.ko[0] != '\0');
		assert_null(usecase.document);
	}
	arena_free(arena);
}

/* What an official may write by the schema is exactly what the program reads. */
static void
test_schema_agrees(void **state)
{
	struct fault why = {0};
	json_t *schema = json_read_file("schema/usecase.schema.json", 1 << 20, &why);
	json_t *properties, *facts, *subs;
	const struct usecase_fact *fact;
	const char *name;
	enum domain domain;
	size_t count = 0;

	(void)state;
	assert_non_null(schema);
	properties = json_object_get(schema, "properties");
	facts = json_object_get(json_object_get(properties, "facts"), "properties");
	for (; (fact = usecase_fact_at(count)) != NULL; count++) {
		json_t *said = json_object_get(facts, fact->name);
		json_t *word;
		size_t i, words = 0;

		assert_non_null(said);
		assert_true(json_get_string(said, "title") != NULL &&
		            json_get_string(said, "description") != NULL);
		if (fact->domain != DOMAIN_NONE)
			assert_string_equal(json_get_string(said, "x-domain"), domain_name(fact->domain));
		switch (fact->type) {
		case USECASE_FACT_BOOL:
			assert_string_equal(
			    json_string_value(json_array_get(json_object_get(said, "type"), 0)), "boolean");
			break;
		case USECASE_FACT_NUMBER:
			assert_int_equal(json_get_integer(said, "minimum", -7), fact->least);
			assert_int_equal(json_get_integer(said, "maximum", -7), fact->most);
			break;
		case USECASE_FACT_WORD:
			json_array_foreach(json_object_get(said, "enum"), i, word)
			{
				if (json_is_string(word)) {
					assert_non_null(strstr(fact->words, json_string_value(word)));
					words++;
				}
			}
			for (const char *at = fact->words; at != NULL; at = strchr(at + 1, ' '))
				words--;
			assert_int_equal(words, 0);
			break;
		}
	}
	assert_int_equal(count, json_object_size(facts));
	subs = json_object_get(json_object_get(properties, "sub_function"), "x-by-domain");
	count = 0;
	for (size_t i = 0; (name = usecase_sub_function_at(i, &domain)) != NULL; i++) {
		json_t *list = json_object_get(subs, domain_name(domain)), *item;
		size_t k, found = 0;

		json_array_foreach(list, k, item) found += strcmp(json_string_value(item), name) == 0;
		assert_int_equal(found, 1);
		count++;
	}
	for (void *at = json_object_iter(subs); at != NULL; at = json_object_iter_next(subs, at))
		count -= json_array_size(json_object_iter_value(at));
	assert_int_equal(count, 0);
	json_decref(schema);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_unknown_is_a_value),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_schema_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
