/* What stands in the place of identifiers: consistent in a conversation, telling nothing, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "policy/policy.h"

static const uint8_t one_key[REDACTION_KEY] = {1}, other_key[REDACTION_KEY] = {2};

static struct redaction *
open_all(const uint8_t *key, enum redaction_mode mode)
{
	enum redaction_mode modes[IDENTIFIER_KINDS];
	struct redaction *redaction;
	struct fault why;

	for (unsigned i = 0; i < IDENTIFIER_KINDS; i++)
		modes[i] = mode;
	assert_int_equal(redaction_open(&redaction, key, modes, &why), 0);
	return redaction;
}

static const char *
put(struct redaction *redaction, struct buffer *out, enum identifier_kind kind, const char *value)
{
	buffer_reset(out);
	redaction_put(redaction, out, kind, slice_string(value));
	return buffer_text(out);
}

static void
test_modes(void **state)
{
	struct redaction *token = open_all(one_key, REDACTION_TOKEN),
	                 *again = open_all(one_key, REDACTION_TOKEN),
	                 *elsewhere = open_all(other_key, REDACTION_TOKEN),
	                 *length = open_all(one_key, REDACTION_LENGTH);
	char first[64];
	struct buffer out;

	(void)state;
	buffer_init(&out, 4096);
	assert_string_equal(put(NULL, &out, IDENTIFIER_PHONE, "010-2345-6789"), "[전화번호]");
	snprintf(first, sizeof first, "%s", put(token, &out, IDENTIFIER_PHONE, "010-2345-6789"));
	assert_int_equal(strncmp(first, "[전화번호-", strlen("[전화번호-")), 0);
	assert_null(strpbrk(first, "0123456789"));
	/* However it is written, in another request of the conversation too; another value, kind or conversation differs. */
	assert_string_equal(put(token, &out, IDENTIFIER_PHONE, "010 2345 6789"), first);
	assert_string_equal(put(token, &out, IDENTIFIER_PHONE, "０１０２３４５６７８９"), first);
	assert_string_equal(put(again, &out, IDENTIFIER_PHONE, "01023456789"), first);
	assert_string_not_equal(put(token, &out, IDENTIFIER_PHONE, "010-2345-6780"), first);
	assert_string_not_equal(put(token, &out, IDENTIFIER_ACCOUNT, "01023456789"), first);
	assert_string_not_equal(put(elsewhere, &out, IDENTIFIER_PHONE, "010-2345-6789"), first);
	assert_string_equal(put(length, &out, IDENTIFIER_PHONE, "010-2345-6789"), "***-****-****");
	assert_string_equal(put(length, &out, IDENTIFIER_VEHICLE, "12가 3456"), "**○ ****");
	assert_string_equal(put(length, &out, IDENTIFIER_EMAIL, "a.b@c.kr"), "*.*@*.**");
	assert_false(redaction_restores(length));
	assert_true(redaction_restores(token));
	redaction_close(token);
	redaction_close(again);
	redaction_close(elsewhere);
	redaction_close(length);
	redaction_close(NULL);
	buffer_free(&out);
}

/* Ten thousand values: a token stands for one value only, also where the short ones meet. */
static void
test_one_token_one_value(void **state)
{
	struct redaction *redaction = open_all(one_key, REDACTION_TOKEN);
	struct buffer token, back;
	char value[32];

	(void)state;
	buffer_init(&token, 4096);
	buffer_init(&back, 4096);
	for (unsigned i = 0; i < 4000; i++) {
		uint32_t restored[IDENTIFIER_KINDS] = {0};

		snprintf(value, sizeof value, "010-%04u-%04u", i, 9999 - i);
		put(redaction, &token, IDENTIFIER_PHONE, value);
		buffer_reset(&back);
		redaction_restore(redaction, buffer_view(&token), false, &back, restored);
		assert_string_equal(buffer_text(&back), value);
		assert_int_equal(restored[IDENTIFIER_PHONE], 1);
	}
	redaction_close(redaction);
	buffer_free(&token);
	buffer_free(&back);
}

/* An answer in pieces of every size is restored as when it comes whole; what is no token of ours stays. */
static void
test_restore_across_pieces(void **state)
{
	struct redaction *redaction = open_all(one_key, REDACTION_TOKEN);
	struct buffer text, whole, part, token;
	uint32_t restored[IDENTIFIER_KINDS] = {0};
	struct fault why;

	(void)state;
	buffer_init(&text, 1 << 16);
	buffer_init(&whole, 1 << 16);
	buffer_init(&part, 1 << 16);
	buffer_init(&token, 4096);
	buffer_string(&text, "연락처는 ");
	buffer_string(&text, put(redaction, &token, IDENTIFIER_PHONE, "010-2345-6789"));
	buffer_string(&text, "이고 [참고] 배열 a[0][1], 주민등록번호는 ");
	buffer_string(&text, put(redaction, &token, IDENTIFIER_RRN, "900101-1990006"));
	buffer_string(&text, "입니다. [전화번호-ZZZZZZ] [전화번호] [[");
	buffer_string(&text, put(redaction, &token, IDENTIFIER_PHONE, "010-2345-6789"));
	buffer_string(&text, " [끝나지 않는 괄호");
	redaction_restore(redaction, buffer_view(&text), false, &whole, restored);
	assert_non_null(
	    strstr(buffer_text(&whole),
	           "연락처는 010-2345-6789이고 [참고] 배열 a[0][1], 주민등록번호는 900101-1990006입니다."));
	assert_non_null(strstr(buffer_text(&whole), "[전화번호-ZZZZZZ] [전화번호] [[010-2345-6789"));
	assert_int_equal(restored[IDENTIFIER_PHONE], 2);
	assert_int_equal(restored[IDENTIFIER_RRN], 1);
	for (size_t step = 1; step <= text.size; step++) {
		struct restorer restorer;

		restorer_init(&restorer, redaction, false);
		buffer_reset(&part);
		for (size_t at = 0; at < text.size; at += step) {
			const size_t now = text.size - at < step ? text.size - at : step;

			assert_int_equal(restorer_write(&restorer, slice_of(text.data + at, now),
			                                at + now == text.size, &part, restored, &why),
			                 0);
		}
		restorer_end(&restorer);
		assert_int_equal(part.size, whole.size);
		assert_memory_equal(part.data, whole.data, whole.size);
	}
	redaction_close(redaction);
	buffer_free(&text);
	buffer_free(&whole);
	buffer_free(&part);
	buffer_free(&token);
}

/* Inside a JSON string nothing is restored that would end it. */
static void
test_json(void **state)
{
	struct redaction *redaction = open_all(one_key, REDACTION_TOKEN);
	uint32_t restored[IDENTIFIER_KINDS] = {0};
	struct buffer token, back;

	(void)state;
	buffer_init(&token, 4096);
	buffer_init(&back, 4096);
	put(redaction, &token, IDENTIFIER_ADDRESS, "서울시 \"중구\"");
	redaction_restore(redaction, buffer_view(&token), true, &back, restored);
	assert_int_equal(restored[IDENTIFIER_ADDRESS], 0);
	assert_string_equal(buffer_text(&back), buffer_text(&token));
	redaction_close(redaction);
	buffer_free(&token);
	buffer_free(&back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_modes),
	    cmocka_unit_test(test_one_token_one_value),
	    cmocka_unit_test(test_restore_across_pieces),
	    cmocka_unit_test(test_json),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
