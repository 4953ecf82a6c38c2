/* common: what people read at a terminal is what is written, in Korean time; wrong options are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <getopt.h>
#include <stdlib.h>
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

/* Rows of Korean, which takes two places a syllable: within the line that there is, and nothing cut off. */
static void
tables_stay_within_a_line(void **state)
{
	static const char *const titles[] = {"번호 index",   "시각(한국) time", "기관 agency",
	                                     "판정 verdict", "항목 entry",      "영역"};
	static const char *const rows[][6] = {
	    {"1",      "2026-03-02 18:00:00", "가나다라마바사아자차카타파하", "고영향",
	     "019c9b4e-a1c0-7d3f-8a52-3f1e9b0c7d61",	                                                                                     "의료"},
	    {"123456", "2026-03-02 18:00:01", "haneul",                                     "",          "019c9b4e-a1c0-7d3f-8a52-3f1e9b0c7d62", "-"     },
	};
	static const struct {
		const char *columns;
		size_t most, lines;
	} cases[] = {
	    {NULL,  400, 3 }, /* a file: a line a row */
	    {"40",  40,  20},
	    {"200", 200, 3 },
	    {"80",  80,  8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[4096] = {0}, line[512];
		FILE *file = tmpfile();
		struct table table;
		struct fault why;
		size_t lines = 0;

		if (cases[i].columns == NULL)
			unsetenv("COLUMNS");
		else
			setenv("COLUMNS", cases[i].columns, 1);
		table_init(&table, 6, titles);
		table.right[0] = true;
		for (size_t row = 0; row < 2; row++)
			table_row(&table, rows[row]);
		assert_int_equal(table_print(&table, file, &why), 0);
		rewind(file);
		while (fgets(line, sizeof line, file) != NULL) {
			size_t places = 0;

			for (const char *at = line; *at != '\0' && *at != '\n';
			     at++) /* of Hangul in UTF-8: three bytes */
				places += (unsigned char)*at < 0x80             ? 1
				          : ((unsigned char)*at & 0xc0) == 0xc0 ? 2
				                                                : 0;
			if (places > cases[i].most)
				fail_msg("%zu places of %zu: %s", places, cases[i].most, line);
			strncat(text, line, sizeof text - strlen(text) - 1);
			lines++;
		}
		if (lines != cases[i].lines)
			fail_msg("%zu lines, not %zu:\n%s", lines, cases[i].lines, text);
		for (size_t row = 0; row < 2; row++)
			for (size_t cell = 0; cell < 6; cell++)
				assert_non_null(strstr(text, rows[row][cell]));
		fclose(file);
	}
	unsetenv("COLUMNS");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_steers),
	    cmocka_unit_test(korean_time),
	    cmocka_unit_test(options_told),
	    cmocka_unit_test(tables_stay_within_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
