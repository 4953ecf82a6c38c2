/* sse: events come out the same however the bytes were cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/sse.h"

static struct buffer seen;

static int
take(void *owner, struct slice data, struct fault *why)
{
	(void)owner;
	(void)why;
	buffer_slice(&seen, data);
	buffer_byte(&seen, '|');
	return 0;
}

/* Fed in pieces of `piece` bytes. */
static int
feed(const char *text, size_t piece, size_t limit, bool *clean)
{
	struct slice rest = slice_string(text);
	struct fault why;
	struct sse sse;
	int result = 0;

	buffer_init(&seen, 65536);
	sse_init(&sse, limit);
	while (rest.size > 0 && result == 0) {
		const size_t size = rest.size < piece ? rest.size : piece;

		result = sse_feed(&sse, slice_of(rest.data, size), take, NULL, &why);
		rest = slice_of(rest.data + size, rest.size - size);
	}
	*clean = sse_clean(&sse);
	sse_free(&sse);
	return result;
}

static void
events(void **state)
{
	static const struct {
		const char *text, *seen;
		bool clean;
	} cases[] = {
	    {"data: a\n\n",	                             "a|",     true },
	    {"data:a\r\n\r\ndata: b\r\rdata: c\n\n",            "a|b|c|", true },
	    {"data: a\ndata: b\n\n",                            "a\nb|",  true },
	    {"\xEF\xBB\xBF"
	     "data: a\n\n",	                "a|",     true },
	    {": hello\nevent: x\nid: 7\nretry: 1\ndata: a\n\n", "a|",     true },
	    {"data\n\n",	                                "|",      true },
	    {"\n\n\n",	                                  "",       true },
	    {"data: a\n",	                               "",       false},
	    {"data: a",	                                 "",       false},
	    {"database: a\n\n",	                         "",       true },
	    {"data:  a\n\n",	                            " a|",    true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t piece = 1; piece <= 64; piece = piece < 8 ? piece + 1 : piece * 2) {
			bool clean;

			assert_int_equal(feed(cases[i].text, piece, 4096, &clean), 0);
			assert_string_equal(buffer_text(&seen) == NULL ? "" : buffer_text(&seen),
			                    cases[i].seen);
			assert_int_equal(clean, cases[i].clean);
			buffer_free(&seen);
		}
}

static void
bounded(void **state)
{
	bool clean;

	(void)state;
	assert_int_equal(feed("data: 0123456789abcdef\n\n", 3, 16, &clean), -1);
	buffer_free(&seen);
	assert_int_equal(feed("data: 01234567\ndata: 01234567\n\n", 3, 16, &clean), -1);
	assert_false(clean);
	buffer_free(&seen);
}

static void
zero_refused(void **state)
{
	struct fault why;
	struct sse sse;

	(void)state;
	sse_init(&sse, 64);
	assert_int_equal(sse_feed(&sse, slice_of("data: a\0\n\n", 10), take, NULL, &why), -1);
	assert_int_equal(sse_feed(&sse, SLICE_LITERAL("data: b\n\n"), take, NULL, &why), -1);
	sse_free(&sse);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(zero_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
