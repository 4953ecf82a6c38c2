/*
 * Limits of every parser of Cedar: what is too deep, too long or too many is refused with words, never with a crash and
 * never after quadratic time; what is just within them goes the whole way, formatting and validation included. All of it
 * runs on a thread with a small stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <time.h>

#include "policy/cedar/cedar.h"

#if defined(__SANITIZE_ADDRESS__)
#define STACK_SIZE ((size_t)2 << 20) /* its frames are several times as large */
#else
#define STACK_SIZE ((size_t)512 << 10)
#endif
#define SECONDS 20 /* for one text, on a busy machine under a sanitizer: quadratic time would be minutes */

enum which { POLICIES, JSON_POLICIES, SCHEMA, ENTITIES, REQUEST };

/* before, `count` times open, middle, `count` times close, after */
struct shape {
	enum which reader;
	const char *name;
	const char *before, *open, *middle, *close, *after;
	size_t count;
	bool fine;
};

/* A %zu in `part` is the number of the repetition. */
static void
repeat(struct buffer *out, const char *part, size_t count)
{
	const char *hole = strstr(part, "%zu");

	for (size_t i = 0; i < count; i++) {
		if (hole == NULL) {
			buffer_string(out, part);
			continue;
		}
		buffer_append(out, part, (size_t)(hole - part));
		buffer_printf(out, "%zu", i);
		buffer_string(out, hole + 3);
	}
}

#define POLICY "permit(principal,action,resource) when { "
#define EST_HEAD                                                                                             \
	"{\"effect\":\"permit\",\"principal\":{\"op\":\"All\"},\"action\":{\"op\":\"All\"},\"resource\":{"   \
	"\"op\":\"All\"},"                                                                                   \
	"\"conditions\":[{\"kind\":\"when\",\"body\":"
#define EST_TAIL "}]}"

static const struct shape shapes[] = {
    {POLICIES,      "brackets",              POLICY,                                                                      "(",                                  "true",                ")",                     " };",                                190,                     true },
    {POLICIES,      "brackets",              POLICY,                                                                      "(",                                  "true",                ")",                     " };",                                500,                     false},
    {POLICIES,      "brackets",              POLICY,                                                                      "(",                                  "true",                ")",                     " };",                                1000000,                 false},
    {POLICIES,      "brackets never closed", POLICY,                                                                      "(",                                  "",                    "",                      "",                                   1000000,                 false},
    {POLICIES,      "sets",                  POLICY "1 == ",                                                              "[",                                  "1",                   "]",                     " };",                                190,                     true },
    {POLICIES,      "sets",                  POLICY "1 == ",                                                              "[",                                  "1",                   "]",                     " };",                                1000000,                 false},
    {POLICIES,      "records",               POLICY "1 == ",                                                              "{a:",                                "1",                   "}",                     " };",                                190,                     true },
    {POLICIES,      "records",               POLICY "1 == ",                                                              "{a:",                                "1",                   "}",                     " };",                                300000,                  false},
    {POLICIES,      "ifs",                   POLICY,                                                                      "if true then true else ",            "true",                "",                      " };",                                190,                     true },
    {POLICIES,      "ifs",                   POLICY,                                                                      "if true then true else ",            "true",                "",                      " };",                                100000,                  false},
    {POLICIES,      "ifs in guards",         POLICY,                                                                      "if ",                                "true",                " then true else false", " };",                                100000,                  false},
    {POLICIES,      "negations",             POLICY,                                                                      "!(",                                 "true",                ")",                     " };",                                100000,                  false},
    {POLICIES,      "attributes",            POLICY "context",                                                            ".a",                                 "",                    "",                      " };",                                190,                     true },
    {POLICIES,      "attributes",            POLICY "context",                                                            ".a",                                 "",                    "",                      " };",                                1000000,                 false},
    {POLICIES,      "sums",                  POLICY "1 == 1",                                                             " + 1",                               "",                    "",                      " };",                                1000000,                 false},
    {POLICIES,      "calls",                 POLICY,                                                                      "ip(",                                "\"\"",                ")",                     " };",                                1000000,                 false},
    {POLICIES,      "a long &&",             POLICY "true",                                                               " && true",                           "",                    "",                      " };",                                500000,                  true },
    {POLICIES,      "a long ||",             POLICY "false",                                                              " || context.a",                      "",                    "",                      " };",                                200000,                  true },
    {POLICIES,      "a wide set",            POLICY "[",                                                                  "%zu,",                               "",                    "",                      "].contains(1) };",                   200000,                  true },
    {POLICIES,      "names of a record",     POLICY "{",                                                                  "a%zu:1,",                            "",                    "",                      "} == 1 };",                          4096,                    true },
    {POLICIES,      "names of a record",     POLICY "{",                                                                  "a%zu:1,",                            "",                    "",                      "} == 1 };",                          5000,                    false},
    {POLICIES,      "annotations",           "",                                                                          "@a%zu ",                             "",                    "",                      "permit(principal,action,resource);", 4096,                    true },
    {POLICIES,      "annotations",           "",                                                                          "@a%zu ",                             "",                    "",                      "permit(principal,action,resource);", 5000,                    false},
    {POLICIES,      "a name of many parts",  "permit(principal is A",                                                     "::A",                                "",                    "",                      ",action,resource);",                 100000,
     true                                                                                                                                                                                                                                                                           },
    {POLICIES,      "a name with spaces",    "permit(principal is A",                                                     " :: A",                              "",                    "",                      ",action,resource);",                 100000,
     true                                                                                                                                                                                                                                                                           },
    {POLICIES,      "conditions",            "permit(principal,action,resource)",                                         " when{true}",                        "",                    "",                      ";",                                  100000,                  true },
    {POLICIES,      "policies",              "",                                                                          "permit(principal,action,resource);", "",                    "",                      "",                                   100000,                  true },
    {POLICIES,      "policies",              "",                                                                          "permit(principal,action,resource);", "",                    "",                      "",                                   100001,                  false},
    {POLICIES,      "mistakes",              "",                                                                          "permit(x);\n",                       "",                    "",                      "",                                   100000,                  false},
    {POLICIES,      "bytes",                 "// ",                                                                       "0123456789abcdef",                   "",                    "",                      "",                                   ((size_t)16 << 20) / 16, false},
    {POLICIES,      "stars of a pattern",    POLICY "\"a\" like \"",                                                      "*a",                                 "",                    "",                      "\" };",                              100000,                  true },
    {JSON_POLICIES, "negations",             EST_HEAD,                                                                    "{\"!\":{\"arg\":",                   "{\"Value\":true}",    "}}",                    EST_TAIL,                             190,                     true },
    {JSON_POLICIES, "negations",             EST_HEAD,                                                                    "{\"!\":{\"arg\":",                   "{\"Value\":true}",    "}}",                    EST_TAIL,                             500,
     false                                                                                                                                                                                                                                                                          },
    {JSON_POLICIES, "negations",             EST_HEAD,                                                                    "{\"!\":{\"arg\":",                   "{\"Value\":true}",    "}}",                    EST_TAIL,                             300000,
     false                                                                                                                                                                                                                                                                          },
    {JSON_POLICIES, "arrays",                EST_HEAD,                                                                    "[",                                  "",                    "]",                     EST_TAIL,                             1000000,                 false},
    {JSON_POLICIES, "values",                EST_HEAD "{\"Value\":",                                                      "[",                                  "1",                   "]",                     "}" EST_TAIL,                         190,                     true },
    {JSON_POLICIES, "values",                EST_HEAD "{\"Value\":",                                                      "{\"a\":",                            "1",                   "}",                     "}" EST_TAIL,                         100000,                  false},
    {JSON_POLICIES, "policies",              "{\"staticPolicies\":{\"x\":\"permit(principal,action,resource);\"",
     ",\"p%zu\":\"permit(principal,action,resource);\"",                                                                                                        "",                    "",                      "}}",                                 100001,                  false},
    {SCHEMA,        "records",               "type T = ",                                                                 "{a:",                                "Long",                "}",                     ";",                                  190,                     true },
    {SCHEMA,        "records",               "type T = ",                                                                 "{a:",                                "Long",                "}",                     ";",                                  300000,                  false},
    {SCHEMA,        "sets",                  "type T = ",                                                                 "Set<",                               "Long",                ">",                     ";",                                  300000,                  false},
    {SCHEMA,        "types in types",        "type T = Long; type T0 = T;",                                               "type U%zu = Set<T>;",                "",                    "",                      "",                                   100000,
     true                                                                                                                                                                                                                                                                           },
    {SCHEMA,        "entity types",          "",                                                                          "entity E%zu;",                       "",                    "",                      "",                                   4096,                    true },
    {SCHEMA,        "entity types",          "",                                                                          "entity E%zu;",                       "",                    "",                      "",                                   5000,                    false},
    {SCHEMA,        "actions",               "",                                                                          "action a%zu;",                       "",                    "",                      "",                                   5000,                    false},
    {SCHEMA,        "attributes",            "type T = {",                                                                "a%zu: Long,",                        "",                    "",                      "};",                                 4096,                    true },
    {SCHEMA,        "attributes",            "type T = {",                                                                "a%zu: Long,",                        "",                    "",                      "};",                                 5000,                    false},
    {SCHEMA,        "namespaces",            "",                                                                          "namespace N%zu {}",                  "",                    "",                      "",                                   1001,                    false},
    {SCHEMA,        "annotations",           "",                                                                          "@a%zu ",                             "",                    "",                      "entity E;",                          5000,                    false},
    {SCHEMA,        "an enumeration",        "entity E enum [\"x\"",                                                      ",\"%zu\"",                           "",                    "",                      "];",                                 100000,                  true },
    {SCHEMA,        "JSON types",
     "{\"\":{\"entityTypes\":{\"E\":{\"shape\":{\"type\":\"Record\",\"attributes\":{\"a\":",                              "{\"type\":\"Set\",\"element\":",     "{\"type\":\"Long\"}", "}",                     "}}}},\"actions\":{}}}",              100000,                  false},
    {SCHEMA,        "bytes",                 "// ",                                                                       "0123456789abcdef",                   "",                    "",                      "",                                   ((size_t)16 << 20) / 16, false},
    {ENTITIES,      "values",                "[{\"uid\":{\"type\":\"E\",\"id\":\"e\"},\"parents\":[],\"attrs\":{\"a\":",  "[",                                  "1",
     "]",                                                                                                                                                                                                       "}}]",                                100,                     true },
    {ENTITIES,      "values",                "[{\"uid\":{\"type\":\"E\",\"id\":\"e\"},\"parents\":[],\"attrs\":{\"a\":",  "[",                                  "1",
     "]",                                                                                                                                                                                                       "}}]",                                1000000,                 false},
    {ENTITIES,      "records",               "[{\"uid\":{\"type\":\"E\",\"id\":\"e\"},\"parents\":[],\"attrs\":{\"a\":",
     "{\"a\":",                                                                                                                                                 "1",                   "}",                     "}}]",                                300000,                  false},
    {ENTITIES,      "entities",              "[{\"uid\":{\"type\":\"E\",\"id\":\"\"},\"parents\":[],\"attrs\":{}}",
     ",{\"uid\":{\"type\":\"E\",\"id\":\"%zu\"},\"parents\":[],\"attrs\":{}}",                                                                                  "",                    "",                      "]",                                  50000,                   true },
    {ENTITIES,      "parents",
     "[{\"uid\":{\"type\":\"E\",\"id\":\"\"},\"attrs\":{},\"parents\":[{\"type\":\"E\",\"id\":\"x\"}",                    ",{\"type\":\"E\",\"id\":\"%zu\"}",   "",                    "",                      "]}]",                                50000,                   true },
    {ENTITIES,      "digits",                "[{\"uid\":{\"type\":\"E\",\"id\":\"e\"},\"parents\":[],\"attrs\":{\"a\":1", "0",                                  "",
     "",                                                                                                                                                                                                        "}}]",                                1000000,                 false},
    {ENTITIES,      "bytes",                 "[\"",                                                                       "0123456789abcdef",                   "",                    "",                      "\"]",                                ((size_t)64 << 20) / 16, false},
    {REQUEST,       "context",
     "{\"principal\":\"E::\\\"e\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"E::\\\"e\\\"\","
     "\"context\":",                                                                                                      "{\"a\":",                            "{}",                  "}",                     "}",                                  100,                     true },
    {REQUEST,       "context",
     "{\"principal\":\"E::\\\"e\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"E::\\\"e\\\"\","
     "\"context\":",                                                                                                      "{\"a\":",                            "{}",                  "}",                     "}",                                  300000,                  false},
    {REQUEST,       "a name",                "{\"principal\":\"E",                                                        "::E",
     "::\\\"e\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"E::\\\"e\\\"\"}",                                                                                                  "",                      "",                                   100000,                  true },
};

/* What was accepted goes on: decided, validated, formatted, written. */
static void
go_on(const struct cedar_policies *policies, struct slice text, bool is_text)
{
	static const char schema_text[] =
	    "entity E; action a appliesTo {principal: E, resource: E, context: {a?: Long}};";
	struct arena *arena = arena_new((size_t)256 << 20);
	struct cedar_notes notes = {.arena = arena};
	struct cedar_schema *schema;
	struct cedar_request request;
	struct cedar_result result;
	struct buffer out;

	request =
	    (struct cedar_request){.principal = cedar_uid(arena, SLICE_LITERAL("E"), SLICE_LITERAL("e")),
	                           .action = cedar_uid(arena, SLICE_LITERAL("Action"), SLICE_LITERAL("a")),
	                           .resource = cedar_uid(arena, SLICE_LITERAL("E"), SLICE_LITERAL("r"))};
	assert_int_equal(
	    cedar_schema_parse(&schema, (struct cedar_source){"s", SLICE_LITERAL(schema_text)}, NULL, NULL),
	    0);
	assert_int_equal(cedar_authorize(policies, &request, NULL, arena, &result, NULL), 0);
	assert_int_equal(cedar_validate(policies, schema, &notes, NULL), 0);
	buffer_init(&out, (size_t)256 << 20);
	assert_int_equal(cedar_policies_write_json(&out, policies, NULL), 0);
	buffer_reset(&out);
	if (is_text)
		assert_int_equal(cedar_format(&out, (struct cedar_source){"f", text}, NULL, NULL), 0);
	buffer_free(&out);
	cedar_schema_free(schema);
	arena_free(arena);
}

static int
read_shape(const struct shape *shape, struct slice text, struct fault *why)
{
	struct arena *arena = arena_new((size_t)1 << 30);
	struct cedar_source source = {"limits", text};
	struct cedar_policies *policies = NULL;
	struct cedar_schema *schema = NULL;
	struct cedar_entities *entities;
	struct cedar_request request;
	int result = -1;

	switch (shape->reader) {
	case POLICIES:
		result = cedar_policies_parse(&policies, &source, 1, 0, NULL, why);
		break;
	case JSON_POLICIES:
		result = cedar_policies_parse_json(&policies, source, NULL, why);
		break;
	case SCHEMA:
		result = cedar_schema_parse(&schema, source, NULL, why);
		break;
	case ENTITIES:
		result = cedar_entities_read(&entities, arena, text, NULL, why);
		break;
	case REQUEST:
		result = cedar_request_read(&request, arena, text, NULL, true, why);
		break;
	}
	if (policies != NULL)
		go_on(policies, text, shape->reader == POLICIES);
	cedar_policies_free(policies);
	cedar_schema_free(schema);
	arena_free(arena);
	return result;
}

static void *
read_all(void *context)
{
	(void)context;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		const struct shape *shape = &shapes[i];
		struct fault why = {0};
		struct timespec begin, end;
		struct buffer text;
		bool fine;

		buffer_init(&text, (size_t)128 << 20);
		buffer_string(&text, shape->before);
		repeat(&text, shape->open, shape->count);
		buffer_string(&text, shape->middle);
		repeat(&text, shape->close, shape->count);
		buffer_string(&text, shape->after);
		assert_true(buffer_ok(&text));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
		fine = read_shape(shape, buffer_view(&text), &why) == 0;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		if (fine != shape->fine)
			fail_msg("%s, %zu: %s", shape->name, shape->count, fine ? "accepted" : why.en);
		if (!fine && (why.ko[0] == 0 || why.en[0] == 0 || why.kind == FAULT_MEMORY))
			fail_msg("%s, %zu: refused without words: %s", shape->name, shape->count, why.en);
		if (end.tv_sec - begin.tv_sec > SECONDS)
			fail_msg("%s, %zu: took %ld seconds", shape->name, shape->count,
			         (long)(end.tv_sec - begin.tv_sec));
		if (getenv("SHOW") != NULL)
			printf("%-22s %8zu %7.3f s  %s\n", shape->name, shape->count,
			       (double)(end.tv_sec - begin.tv_sec) +
			           (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
			       fine ? "" : why.en);
		buffer_free(&text);
	}
	return NULL;
}

static void
on_a_small_stack(void *(*work)(void *context))
{
	pthread_attr_t attributes;
	pthread_t thread;

	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_SIZE), 0);
	assert_int_equal(pthread_create(&thread, &attributes, work, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
}

static void
refuses_what_is_too_much(void **state)
{
	(void)state;
	on_a_small_stack(read_all);
}

/* A circle of parents through many entities, and one of groups through many actions. */
static void *
close_circles(void *context)
{
	struct arena *arena = arena_new((size_t)256 << 20);
	struct cedar_entities *entities;
	struct cedar_schema *schema;
	struct fault why;
	struct buffer text;

	(void)context;
	buffer_init(&text, (size_t)64 << 20);
	for (int i = 0; i < 20000; i++)
		buffer_printf(&text,
		              "%s{\"uid\":{\"type\":\"E\",\"id\":\"%d\"},\"attrs\":{},\"parents\":[{\"type\":"
		              "\"E\",\"id\":\"%d\"}]}",
		              i > 0 ? "," : "[", i, (i + 1) % 20000);
	buffer_byte(&text, ']');
	assert_int_equal(cedar_entities_read(&entities, arena, buffer_view(&text), NULL, &why), -1);
	assert_non_null(strstr(why.en, "cycle"));
	buffer_reset(&text);
	for (int i = 0; i < 4000; i++)
		buffer_printf(&text, "action a%d in [a%d];", i, (i + 1) % 4000);
	assert_int_equal(
	    cedar_schema_parse(&schema, (struct cedar_source){"s", buffer_view(&text)}, NULL, &why), -1);
	assert_non_null(strstr(why.en, "cycle"));
	buffer_reset(&text);
	for (int i = 0; i < 4000; i++)
		buffer_printf(&text, "type T%d = Set<T%d>;", i, (i + 1) % 4000);
	assert_int_equal(
	    cedar_schema_parse(&schema, (struct cedar_source){"s", buffer_view(&text)}, NULL, &why), -1);
	buffer_free(&text);
	arena_free(arena);
	return NULL;
}

static void
refuses_circles(void **state)
{
	(void)state;
	on_a_small_stack(close_circles);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(refuses_what_is_too_much),
	                                          cmocka_unit_test(refuses_circles)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
