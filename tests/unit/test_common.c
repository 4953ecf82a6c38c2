/* common: what people read at a terminal is what is written, in Korean time; wrong options are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <getopt.h>
#include <string.h>

#include "gateway/commands/common.h"

static void
nothing_steers(void **state)
{
	static const struct {
		const char *text, *line, *lines;
	} cases[] = {
	    {"",	                                      "",                  ""                 },
	    {"가나다 abc ※",	                     "가나다 abc ※", "가나다 abc ※"},
	    {"a\tb\nc\r",	                             "a?b?c?",            "a\tb\nc?"         },
	    {"\x1b[31m\x7f",	                          "?[31m?",            "?[31m?"           },
	    {"a\xc2\x9b"
	     "31m",	                      "a?31m",             "a?31m"            }, /* CSI in one character */
	    {"승인\xe2\x80\xae"
	     "gnihton",	                  "승인?gnihton",    "승인?gnihton"   },
	    {"\xe2\x81\xa6x\xe2\x81\xa9\xe2\x80\x8f\xd8\x9c", "?x???",             "?x???"            },
	    {"a\xff\xe2\x80",	                         "a???",              "a???"             },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[64];

		strcpy(text, cases[i].text);
		command_plain(text, false);
		assert_string_equal(text, cases[i].line);
		strcpy(text, cases[i].text);
		command_plain(text, true);
		assert_string_equal(text, cases[i].lines);
	}
}

static void
korean_time(void **state)
{
	char out[COMMAND_TIME_SIZE];

	(void)state;
	assert_string_equal(command_time_of(out, "2026-03-02T15:30:00.123Z"), "2026-03-03 00:30:00");
	assert_string_equal(command_time_of(out, "2026-03-02T09:00:00+09:00"), "2026-03-02 09:00:00");
	assert_string_equal(command_time_of(out, ""), "");
	assert_string_equal(command_time_of(out, NULL), "");
	assert_string_equal(command_time_of(out, "어제"), "");
}

static void
options_told(void **state)
{
	static const struct option known[] = {
	    {"from", required_argument, NULL, 'F'},
            {"json", no_argument,       NULL, 'j'},
            {NULL,   0,                 NULL, 0  }
        };
	char *good[] =
	    {
	        "query", "--from", "x", "--json", NULL
        },
	     *bad[][4] = {{"query", "--from", NULL},
	                  {"query", "--nope", NULL},
	                  {"query", "--json=1", NULL},
	                  {"query", "-z", NULL}};

	(void)state;
	optind = 1;
	assert_int_equal(command_option(4, good, "h", known), 'F');
	assert_string_equal(optarg, "x");
	assert_int_equal(command_option(4, good, "h", known), 'j');
	assert_int_equal(command_option(4, good, "h", known), -1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		optind = 0; /* begin anew */
		assert_int_equal(command_option(2, bad[i], "h", known), '?');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_steers),
	    cmocka_unit_test(korean_time),
	    cmocka_unit_test(options_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
