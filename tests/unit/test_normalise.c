/* Texts that look alike become one text, and every byte of it knows the original bytes it came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/detect/normalise.h"

static void
expect(const char *from, const char *to)
{
	struct normal normal = {0};
	struct fault why;

	assert_int_equal(normal_make(&normal, slice_string(from), &why), 0);
	assert_int_equal(normal.size, strlen(to));
	assert_memory_equal(normal.text, to, normal.size);
	normal_free(&normal);
}

static void
test_spellings(void **state)
{
	(void)state;
	expect("", "");
	expect("주민번호 900101-1990006 abc", "주민번호 900101-1990006 abc");
	expect("９００１０１－１９９０００６", "900101-1990006"); /* full-width */
	expect("٩٠٠١٠١-١٩٩٠٠٠٦ ९००", "900101-1990006 900");       /* Arabic, Devanagari */
	expect("𝟗𝟎𝟎①②③⁴", "9001234");                             /* mathematical, circled, raised */
	expect("900101\xe2\x80\x8b-\xe2\x80\x8d"
	       "1990006",
	       "900101-1990006"); /* zero-width */
	expect("90\xe2\x80\xae"
	       "01\xe2\x80\xac",
	       "9001"); /* bidi controls */
	expect("9\xcc\xb6"
	       "0\xcc\xb6"
	       "0",
	       "900");                                          /* struck through */
	expect("900101–1990006 — 1−2", "900101-1990006 - 1-2"); /* dashes */
	expect("a\xc2\xa0"
	       "b\xe3\x80\x80"
	       "c",
	       "a b c"); /* blanks */
	expect("ｈｏｎｇ＠ｅｘ．ｋｒ", "hong@ex.kr");
	expect("раssроrt", "passport"); /* Cyrillic */
	expect("é\xff\xfe"
	       "x",
	       "éx"); /* malformed bytes vanish */
	expect("12\xff"
	       "34",
	       "1234");
	expect("12\x01"
	       "34",
	       "1234");
	expect("\xed\xa0\x80"
	       "5",
	       "5"); /* a surrogate is malformed */
}

static void
test_jamo(void **state)
{
	(void)state;
	expect("ㅈㅓㅇㅅㅜㄱㅣ", "정수기");
	expect("ㅇㅓㄹㄱㅜㄹ", "얼굴");
	expect("ㄱㅏㅂㅅ", "값");
	expect("ㄱㅗㅏㄴㅈㅓ", "관저");
	expect("ㅋㅋㅋ ㅠㅠ ㅎㄷㄷ", "ㅋㅋㅋ ㅠㅠ ㅎㄷㄷ"); /* what is no syllable stays */
	expect("\xe1\x84\x8c\xe1\x85\xae\xe1\x84\x86\xe1\x85\xb5\xe1\x86\xab",
	       "주민"); /* conjoining, as macOS writes */
	expect("ﾡﾢ", "ﾡﾢ");
}

static void
test_places(void **state)
{
	/*                   0  3  6         9  10 13 16 19        */
	const char *text = "가나\xe2\x80\x8b 다１２\xff"
	                   "b";
	struct normal normal = {0};
	struct fault why;
	size_t start, end;

	(void)state;
	assert_int_equal(normal_make(&normal, slice_string(text), &why), 0);
	assert_int_equal(normal.size, strlen("가나 다12b"));
	normal_locate(&normal, 0, 3, &start, &end);
	assert_int_equal(start, 0);
	assert_int_equal(end, 3);
	normal_locate(&normal, 3, 7, &start, &end); /* over what vanished */
	assert_int_equal(start, 3);
	assert_int_equal(end, 10);
	normal_locate(&normal, 10, 12, &start, &end); /* "12" */
	assert_int_equal(start, 13);
	assert_int_equal(end, 19);
	normal_locate(&normal, 12, 13, &start, &end);
	assert_int_equal(start, 20);
	assert_int_equal(end, 21);
	normal_locate(&normal, 5, 99, &start, &end); /* outside: nothing */
	assert_int_equal(end, 0);
	normal_free(&normal);
}

static void
test_limits(void **state)
{
	struct normal normal = {0};
	struct fault why;
	char *large = malloc(NORMAL_SIZE_LIMIT + 1);

	(void)state;
	memset(large, 'x', NORMAL_SIZE_LIMIT + 1);
	assert_int_equal(normal_make(&normal, slice_of(large, NORMAL_SIZE_LIMIT + 1), &why), -1);
	assert_int_equal(why.kind, FAULT_TOO_LARGE);
	assert_int_equal(normal_make(&normal, slice_of(large, NORMAL_SIZE_LIMIT), &why), 0);
	assert_int_equal(normal.run_count, 1);
	free(large);
	normal_free(&normal);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spellings),
	    cmocka_unit_test(test_jamo),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
