/* Goal of these tests: escapes hide nothing, whatever pieces the text comes in, and what is masked stays JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/jsontext.h"

static const struct {
	const char *from, *to;
} plain[] = {
    {"{\"n\":\"9001\\u0030\\u0031\\u002d1990006\"}",             "{\"n\":\"900101-1990006\"}"              },
    {"{\"\\uAC00\\ub098\":\"\\ud83d\\ude00\"}",                  "{\"가나\":\"😀\"}"                   },
    {"\"a\\/b\\n\\t\\\\u0031\\\"\"",                             "\"a/b\\n\\t\\\\u0031\\\"\""              },
    {"\"\\u0022 \\u005c \\u0000 \\u000a\"",                      "\"\\u0022 \\u005c \\u0000 \\u000a\""     },
    {"\"\\ud83d \\ude00 \\ud83d\\u0041 \\ud83d\\ud83d\\ude00\"", "\"\\ud83d \\ude00 \\ud83dA \\ud83d😀\""},
    {"\"\\ud83d\\n\\u00zz\\u12\"",                               "\"\\ud83d\\n\\u00zz\\u12\""              },
    {"\"\\ud83d\\u0022 x\"",                                     "\"\\ud83d\\u0022 x\""                    },
    {"\\u0041 is no string, and \\",                             "\\u0041 is no string, and \\"            },
    {"\"cut \\u00",                                              "\"cut \\u00"                             },
    {"\"cut \\ud83d\\u",                                         "\"cut \\ud83d\\u"                        },
    {"",                                                         ""                                        },
};

static const struct {
	const char *from, *to;
} quoted[] = {
    {"{\"n\": [주민등록번호], \"m\":[카드번호-a1]}",             "{\"n\": [\"주민등록번호\"], \"m\":[\"카드번호-a1\"]}"},
    {"{\"n\":*************}",                                              "{\"n\":\"*************\"}"                                     },
    {"{\"n\":\"[주민등록번호] \\\" 가\",\"b\":[true,null,-1.5e3]}",
     "{\"n\":\"[주민등록번호] \\\" 가\",\"b\":[true,null,-1.5e3]}"                                                                  },
    {"[전화번호",                                                      "[\"전화번호\""                                             },
};

/* In pieces of `size` bytes. */
static void
compare(const char *from, const char *to, size_t size, bool quoting)
{
	struct jsontext_plain one = {0};
	struct jsontext_quoting two = {0};
	struct buffer out;
	size_t at = 0, length = strlen(from);

	buffer_init(&out, 4096);
	do {
		size_t piece = length - at < size ? length - at : size;

		if (quoting)
			jsontext_quoting(&two, slice_of(from + at, piece), at + piece == length, &out);
		else
			jsontext_plain(&one, slice_of(from + at, piece), at + piece == length, &out);
		at += piece;
	} while (at < length);
	if (out.size != strlen(to) || (out.size > 0 && memcmp(out.data, to, out.size) != 0))
		fail_msg("%zu: %s became %.*s", size, from, (int)out.size, (const char *)out.data);
	buffer_free(&out);
}

static void
escapes_become_letters(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		for (size_t size = 1; size < 40; size++)
			compare(plain[i].from, plain[i].to, size, false);
}

static void
what_was_masked_stays_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++)
		for (size_t size = 1; size < 40; size++)
			compare(quoted[i].from, quoted[i].to, size, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(escapes_become_letters),
	    cmocka_unit_test(what_was_masked_stays_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
