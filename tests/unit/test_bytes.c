#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/bytes.h"

static void
a_zeroed_buffer_refuses(void **state)
{
	struct buffer buffer = {0};

	(void)state;
	buffer_byte(&buffer, 'x');
	assert_false(buffer_ok(&buffer));
	assert_int_equal(buffer.size, 0);
	buffer_free(&buffer);
}

static void
the_limit_is_exact_and_sticky(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 100);
	for (int i = 0; i < 100; i++)
		buffer_byte(&buffer, (uint8_t)i);
	assert_true(buffer_ok(&buffer));
	assert_non_null(buffer_text(&buffer));
	buffer_byte(&buffer, 0);
	assert_false(buffer_ok(&buffer));
	buffer_string(&buffer, "");
	assert_false(buffer_ok(&buffer));
	assert_null(buffer_text(&buffer));
	assert_int_equal(buffer.size, 100);
	buffer_reset(&buffer);
	buffer_printf(&buffer, "%0300d", 7);
	assert_false(buffer_ok(&buffer));
	buffer_reset(&buffer);
	buffer_printf(&buffer, "%098d", 7);
	assert_true(buffer_ok(&buffer));
	assert_int_equal(buffer.size, 98);
	buffer_consume(&buffer, 97);
	assert_true(slice_is(buffer_view(&buffer), "7"));
	buffer_free(&buffer);
}

static void
long_texts_are_printed_whole(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 100000);
	buffer_printf(&buffer, "%05000d|", 1);
	buffer_printf(&buffer, "%s", "끝");
	assert_true(buffer_ok(&buffer));
	assert_int_equal(buffer.size, 5001 + 3);
	assert_string_equal(buffer_text(&buffer) + 5001, "끝");
	buffer_free(&buffer);
}

static void
a_short_read_sticks(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct reader reader = reader_of(slice_of(bytes, sizeof bytes));

	(void)state;
	assert_int_equal(reader_u16be(&reader), 0x0102);
	assert_int_equal(reader_u32le(&reader), 0x06050403);
	assert_true(reader_ok(&reader));
	assert_false(reader_done(&reader));
	assert_int_equal(reader_u16be(&reader), 0);
	assert_false(reader_ok(&reader));
	assert_int_equal(reader_u8(&reader), 0);
	assert_false(reader_done(&reader));
}

static void
lines_need_their_end(void **state)
{
	struct reader reader = reader_of(SLICE_LITERAL("one\n\ntwo"));

	(void)state;
	assert_true(slice_is(reader_line(&reader), "one"));
	assert_true(slice_is(reader_line(&reader), ""));
	assert_true(reader_ok(&reader));
	assert_int_equal(reader_line(&reader).size, 0);
	assert_false(reader_ok(&reader));
}

static void
hex_takes_exactly_what_it_says(void **state)
{
	uint8_t bytes[4];
	char text[9];

	(void)state;
	assert_true(hex_decode(bytes, 4, SLICE_LITERAL("00ffA5b6")));
	hex_encode(text, bytes, 4);
	assert_string_equal(text, "00ffa5b6");
	assert_false(hex_decode(bytes, 4, SLICE_LITERAL("00ffA5b")));
	assert_false(hex_decode(bytes, 4, SLICE_LITERAL("00ffA5b6a")));
	assert_false(hex_decode(bytes, 4, SLICE_LITERAL("00ffA5bg")));
}

static void
base64_agrees_with_rfc_4648(void **state)
{
	static const char *const pairs[][2] = {
	    {"",       ""        },
	    {"f",      "Zg=="    },
	    {"fo",     "Zm8="    },
	    {"foo",    "Zm9v"    },
	    {"foob",   "Zm9vYg=="},
	    {"fooba",  "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"}
        };
	static const char *const bad[] = {
	    "Z", "Zg", "Zg=", "=g==", "Z===", "Zg=a", "Zm 8=", "Zm8=\n", "Zm8-", "===="};
	char text[32];
	uint8_t bytes[32];
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		assert_int_equal(base64_encode(text, pairs[i][0], strlen(pairs[i][0])), strlen(pairs[i][1]));
		assert_string_equal(text, pairs[i][1]);
		assert_true(base64_decode(bytes, &size, slice_string(pairs[i][1])));
		assert_true(slice_is(slice_of(bytes, size), pairs[i][0]));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(base64_decode(bytes, &size, slice_string(bad[i])));
	/* Spare bits may be set: signed notes written by others have them (RFC 4648 section 3.5 leaves it open). */
	assert_true(base64_decode(bytes, &size, SLICE_LITERAL("Zh==")));
	assert_true(slice_is(slice_of(bytes, size), "f"));
}

static void
utf8_knows_its_forms(void **state)
{
	static const char *const bad[] = {
	    "\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF",
	    "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80",
	    "\xEA\xB0",     "12345678\xFF"};

	(void)state;
	assert_true(utf8_valid(SLICE_LITERAL("해치 is a beast 🐯 \xF4\x8F\xBF\xBF")));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(utf8_valid(slice_string(bad[i])));
	for (uint32_t code = 0; code < 0x110010; code += 7) {
		uint8_t bytes[4];
		uint32_t again = 0;
		const size_t size = utf8_put(bytes, code);
		const bool scalar = code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);

		assert_int_equal(size > 0, scalar);
		if (scalar) {
			assert_int_equal(utf8_next(slice_of(bytes, size), &again), size);
			assert_int_equal(again, code);
			assert_int_equal(utf8_next(slice_of(bytes, size - 1), &again), 0);
		}
	}
}

static void
a_cut_never_splits(void **state)
{
	const struct slice text = SLICE_LITERAL("a가🐯b");

	(void)state;
	assert_int_equal(utf8_cut(text, 0), 0);
	assert_int_equal(utf8_cut(text, 1), 1);
	assert_int_equal(utf8_cut(text, 2), 1);
	assert_int_equal(utf8_cut(text, 3), 1);
	assert_int_equal(utf8_cut(text, 4), 4);
	assert_int_equal(utf8_cut(text, 7), 4);
	assert_int_equal(utf8_cut(text, 8), 8);
	assert_int_equal(utf8_cut(text, 99), 9);
	assert_int_equal(utf8_cut(slice_of(text.data, 3), 99), 1);
}

static void
files_are_replaced_whole(void **state)
{
	char folder[] = "/tmp/haechi-bytes-XXXXXX", path[64];
	struct buffer content;
	struct fault why;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/file", folder);
	assert_int_equal(file_read(&content, path, 10, &why), -1);
	assert_int_equal(why.kind, FAULT_SYSTEM);
	assert_int_equal(file_replace(path, SLICE_LITERAL("first"), 0600, &why), 0);
	assert_int_equal(file_replace(path, SLICE_LITERAL("second"), 0640, &why), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	assert_int_equal(file_read(&content, path, 6, &why), 0);
	assert_string_equal(buffer_text(&content), "second");
	buffer_free(&content);
	assert_int_equal(file_read(&content, path, 5, &why), -1);
	assert_int_equal(why.kind, FAULT_TOO_LARGE);
	unlink(path);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_zeroed_buffer_refuses),      cmocka_unit_test(the_limit_is_exact_and_sticky),
	    cmocka_unit_test(long_texts_are_printed_whole), cmocka_unit_test(a_short_read_sticks),
	    cmocka_unit_test(lines_need_their_end),         cmocka_unit_test(hex_takes_exactly_what_it_says),
	    cmocka_unit_test(base64_agrees_with_rfc_4648),  cmocka_unit_test(utf8_knows_its_forms),
	    cmocka_unit_test(a_cut_never_splits),           cmocka_unit_test(files_are_replaced_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
