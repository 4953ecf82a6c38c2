/* config: what is wrong is refused with its line, what is absent gets its default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/config.h"

#define GOOD                                                                                                 \
	"agency: seoul\nnode: node1\nstate: /tmp/s\nlisten:\n  - 127.0.0.1:8080\ndatabase:\n  socket: pg\n"  \
	"policy:\n  agency: a\n  act: b\n  schema: c\nengines:\n  - name: one\n    address: "                \
	"unix:engine.sock\n"                                                                                 \
	"    zone: kr-gov\n    grade: S\n    models:\n      - name: m\n        aliases: [mm]\n"              \
	"  - name: two\n    address: unix:/run/two.sock\n    zone: kr-gov\n    grade: S\n    models:\n     " \
	" - name: m\n"                                                                                       \
	"  - name: three\n    address: unix:/run/three.sock\n    zone: kr-lab\n    grade: O\n    models:\n " \
	"     - name: m\n"

static struct config *
parse(const char *text, struct fault *why)
{
	struct config *config = NULL;

	return config_parse(&config, slice_string(text), "haechi.yaml", NULL, why) == 0 ? config : NULL;
}

static void
understood(void **state)
{
	struct fault why;
	struct config *config = parse(GOOD, &why);
	const struct config_route *route;

	(void)state;
	if (config == NULL)
		fail_msg("%s", why.en);
	assert_string_equal(config->origin, "haechi.seoul/node1");
	assert_string_equal(config->ledger.directory, "/tmp/s/ledger");
	assert_string_equal(config->control, "/tmp/s/control.sock");
	assert_string_equal(config->engines[0].address, "unix:/tmp/s/engine.sock");
	assert_string_equal(config->engines[0].models[0].upstream, "m");
	assert_int_equal(config->limits.body, 1024 * 1024);
	assert_int_equal(config->engines[0].zone_grade, GRADE_S);
	assert_non_null(strstr(config->database.conninfo, "user='haechi'"));
	route = config_route(config, "mm");
	assert_string_equal(route->engine->name, "one");
	route = config_route(config, "m");
	assert_string_equal(route->engine->name, "one");
	/* Another engine may take over only within the zone and grade that were decided upon. */
	route = config_route_next(config, route);
	assert_string_equal(route->engine->name, "two");
	assert_null(config_route_next(config, route));
	assert_null(config_route(config, "none"));
	config_release(config);
}

static void
refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
	    {"",	                             "empty"        },
	    {GOOD "surprise: 1\n",                   ":32:"         },
	    {"agency: seoul\n",                      "haechi.yaml:" },
	    {GOOD "loops: many\n",                   ":32:"         },
	    {GOOD "loops: -1\n",                     ":32:"         },
	    {GOOD "limits:\n  body: 999999999999\n", "at most body" },
	    {GOOD "label:\n  chat: shout\n",         "label.chat"   },
	    {GOOD "log:\n  level: loud\n",           "log.level"    },
	    {"a: &x [*x]\n",                         "haechi.yaml:1"},
	    {"\xff\xfe",	                     "UTF-8"        },
	};
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config *config = parse(cases[i].text, &why);

		if (config != NULL)
			fail_msg("accepted case %zu", i);
		if (strstr(why.en, cases[i].says) == NULL)
			fail_msg("case %zu says: %s", i, why.en);
		assert_true(why.ko[0] != '\0');
	}
}

static void
refused_engines(void **state)
{
	static const char *const bad[][2] = {
	    {"grade: S",                    "grade: X"                             },
	    {"name: two",                   "name: one"                            },
	    {"address: unix:/run/two.sock", "address: https://example.kr"          }, /* no pin */
	    {"agency: seoul",               "agency: Seoul/1"                      },
	    {"127.0.0.1:8080",              "127.0.0.1:99999"                      },
	    {"127.0.0.1:8080",              "localhost"                            },
	    {"127.0.0.1:8080",              "[::1:8080]"                           },
	    {"listen:",                     "ledger:\n  max_unshipped: -5\nlisten:"},
	    {"listen:",                     "limits:\n  head: -5\nlisten:"         },
	    {"address: unix:/run/two.sock", "address: ftp://x"                     },
	};
	char text[4096];
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *const at = strstr(GOOD, bad[i][0]);
		struct config *config;

		assert_non_null(at);
		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - GOOD), GOOD, bad[i][1],
		         at + strlen(bad[i][0]));
		if ((config = parse(text, &why)) != NULL)
			fail_msg("accepted: %s", bad[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(understood),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(refused_engines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
