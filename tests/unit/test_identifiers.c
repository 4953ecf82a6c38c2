/*
 * Identifiers of law section 8 with its synthetic vectors, their look-alikes, and masking of texts whole and coming.
 * A case says what must be found (confidence 0.5 and above) and nothing else may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

static struct detector *detector;
static struct arena *arena;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	arena = arena_new(32 << 20);
	return arena == NULL ? -1 : detector_open(&detector, &why);
}

static int
teardown(void **state)
{
	(void)state;
	detector_close(detector);
	arena_free(arena);
	return 0;
}

/* "rrn:900101-1990006 phone:…": kinds and the original bytes found, in order. */
static void
found(const char *text, size_t size, char *out, size_t room)
{
	struct detection detection;
	struct fault why;
	size_t used = 0;

	arena_reset(arena);
	assert_int_equal(detector_scan(detector, slice_of(text, size), 0, arena, &detection, &why), 0);
	out[0] = '\0';
	for (size_t i = 0; i < detection.finding_count; i++) {
		const struct finding *finding = &detection.findings[i];

		assert_true(finding->start < finding->end && finding->end <= size);
		if (finding->confidence < FINDING_CONFIDENT)
			continue;
		used += (size_t)snprintf(out + used, room - used, "%s%s:%.*s", used > 0 ? "|" : "",
		                         identifier_name(finding->kind), (int)(finding->end - finding->start),
		                         text + finding->start);
		assert_true(used < room);
	}
}

static void
expect(const char *text, const char *want)
{
	char got[2000];

	found(text, strlen(text), got, sizeof got);
	if (strcmp(got, want) != 0)
		fail_msg("in '%s'\n  got  %s\n  want %s", text, got, want);
}

static void
test_resident(void **state)
{
	(void)state;
	expect("900101-1990006", "rrn:900101-1990006");
	expect("번호는 851231-2987651 이고 030405-3970010 입니다", "rrn:851231-2987651|rrn:030405-3970010");
	expect("주민등록번호 900101-1990007", "rrn:900101-1990007"); /* checksum fails, but it is named */
	expect("210315-3123456", "rrn:210315-3123456");              /* random since 2020-10 */
	expect("2103153123456", "rrn:2103153123456");
	expect("900101-1990007 번", "");       /* neither checksum nor date nor name */
	expect("주민번호 901301-1990006", ""); /* month 13 */
	expect("주민번호 850230-2987651", ""); /* 30 February */
	expect("주민번호: 9001011990006", "rrn:9001011990006");
	expect("주민번호 900101 - 1990006", "rrn:900101 - 1990006");
	expect("9 0 0 1 0 1 - 1 9 9 0 0 0 6", "rrn:9 0 0 1 0 1 - 1 9 9 0 0 0 6");
	expect("주민등록번호 90.01.01-1990006", "rrn:90.01.01-1990006");
	expect("９００１０１－１９９０００６", "rrn:９００１０１－１９９０００６");
	expect("900101\xe2\x80\x8b-1990006", "rrn:900101\xe2\x80\x8b-1990006");
	expect("900101\xff-1990006", "rrn:900101\xff-1990006");
	expect("900101-1990006(주민번호)", "rrn:900101-1990006");
	expect("주문번호 210315-3123456", ""); /* named something else */
	expect("운송장 2103153123456", "");
	expect("1900101-1990006", "");
	expect("900101-19900061", "");
}

static void
test_alien(void **state)
{
	(void)state;
	expect("850505-5960098", "frn:850505-5960098");
	expect("920228-6980193 / 010101-7981299", "frn:920228-6980193|frn:010101-7981299");
	expect("외국인등록번호 850505-5960099", "frn:850505-5960099");
	expect("외국인등록번호 920230-6980193", "");
	expect("alien registration 870225-6205867", "frn:870225-6205867");
}

static void
test_companies(void **state)
{
	(void)state;
	expect("999-99-00005 000-12-34560 998-81-77772",
	       "business_reg:999-99-00005|business_reg:000-12-34560|business_reg:998-81-77772");
	expect("사업자등록번호 999-99-00006", "");
	expect("사업자등록번호 000-12-34561", "");
	expect("사업자등록번호 998-81-7777", "");
	expect("사업자등록번호 1248100998", "business_reg:1248100998");
	expect("법인등록번호 999911-0000011", "corp_reg:999911-0000011");
	expect("법인 000199-1234568 과 999922-9876543", "corp_reg:000199-1234568|corp_reg:999922-9876543");
	expect("법인등록번호 130111-0006246", "corp_reg:130111-0006246");
	expect("999911-0000012 000199-1234560", "");
	expect("법인등록번호 999922-987654", "");
	expect("법인등록번호 110111-1980013", "corp_reg:110111-1980013"); /* a resident number by its shape */
}

static void
test_cards(void **state)
{
	(void)state;
	expect("4111111111111111", "card:4111111111111111");
	expect("카드 5555-5555-5555-4444", "card:5555-5555-5555-4444");
	expect("9999 1234 5678 9019", "card:9999 1234 5678 9019");
	expect("4111111111111112 5555555555554445 9999123456789018", "");
	expect("주문번호 4111111111111111", "");
	expect("Amex 3782-822463-10005", "card:3782-822463-10005");
}

static void
test_phones(void **state)
{
	(void)state;
	expect("010-1234-5678", "phone:010-1234-5678");
	expect("연락처 01012345678, 02-123-4567", "phone:01012345678|phone:02-123-4567");
	expect("(031) 123-4567", "phone:031) 123-4567");
	expect("+82-10-1234-5678 / +821012345678", "phone:+82-10-1234-5678|phone:+821012345678");
	expect("010 1234 5678", "phone:010 1234 5678");
	expect("공일공 010.1234.5678", "phone:010.1234.5678");
	expect("고객센터 1588-1234", "phone:1588-1234");
	expect("임진왜란 1592-1598", "");
	expect("ISBN 978-89-6848-123-4", "");
	expect("2024-01-15 10:30:00", "");
	expect("버전 10.0.19045.3803", "");
}

static void
test_documents(void **state)
{
	(void)state;
	expect("여권번호 M12345678", "passport:M12345678");
	expect("passport M123A4567, S987B6543", "passport:M123A4567|passport:S987B6543");
	expect("품번 M12345678", "");
	expect("S20240513 로그", "");
	expect("운전면허 11-12-345678-90", "driver_license:11-12-345678-90");
	expect("29-12-345678-90", "");
	expect("면허번호 서울 12-345678-90", "driver_license:12-345678-90");
	expect("건강보험증번호 12345678901", "health_insurance:12345678901");
	expect("수량 12345678901", "");
	expect("12가3456, 123나 4567", "vehicle:12가3456|vehicle:123나 4567");
	expect("서울12가3456", "vehicle:서울12가3456");
	expect("10호 1234, 3주 2024, 12월 2024", "");
	expect("계좌 110-123-456789 신한", "account:110-123-456789");
	expect("입금: 국민은행 123456-01-123456", "account:123456-01-123456");
	expect("회비 계좌 3333-48-5786207", "account:3333-48-5786207");
	expect("문서 110-123-456789", "");
	expect("계좌 579-241518-04-086 로", "account:579-241518-04-086");
}

static void
test_net_and_places(void **state)
{
	(void)state;
	expect("hong.gildong@example.co.kr 로", "email:hong.gildong@example.co.kr");
	expect("a@b", "");
	expect("@mention user@host", "");
	expect("접속 192.168.0.1, 2001:db8::1", "ip:192.168.0.1|ip:2001:db8::1");
	expect("version 1.2.3.4", "");
	expect("256.1.1.1 1.2.3.4.5 12:30:45 std::vector", "");
	expect("서울특별시 강남구 테헤란로 123", "address:서울특별시 강남구 테헤란로 123");
	expect("경기도 성남시 분당구 판교역로 166번길 4, 3층 방문",
	       "address:경기도 성남시 분당구 판교역로 166번길 4, 3층");
	expect("제주특별자치도 제주시 애월읍 고성리 123-4",
	       "address:제주특별자치도 제주시 애월읍 고성리 123-4");
	expect("강남구 역삼동 123-45", "address:강남구 역삼동 123-45");
	expect("서울 경기 결과 3대 2", "");
	expect("서울시 강남구 주민에게 안내", "");
}

/* Wherever an answer is cut into pieces, the same bytes are masked. */
static void
test_streaming(void **state)
{
	static const char *const texts[] = {
	    "주민번호는 900101-1990006이고 연락처는 010-1234-5678입니다. 감사합니다.",
	    "메일 hong.gildong@example.co.kr, 차량 12가 3456, 카드 4111 1111 1111 1111.",
	    "주소는 서울특별시 강남구 테헤란로 123 입니다.\n다음 줄, 여권 M123A4567 그리고 끝",
	    "아무것도 없는 답입니다. Nothing to mask here, 2026-01-22.",
	    "９００１０１－１９９０００６ 900101\xe2\x80\x8b-1990006",
	};
	uint32_t kinds = (1u << IDENTIFIER_KINDS) - 1;

	(void)state;
	for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
		size_t size = strlen(texts[t]);
		struct buffer whole, pieces;
		struct detection detection;
		struct fault why;

		buffer_init(&whole, 1 << 16);
		buffer_init(&pieces, 1 << 16);
		arena_reset(arena);
		assert_int_equal(
		    detector_scan(detector, slice_of(texts[t], size), 0, arena, &detection, &why), 0);
		detection_redact(&whole, slice_of(texts[t], size), detection.findings,
		                 detection.finding_count, kinds);
		for (size_t step = 1; step <= size; step += step < 8 ? 1 : 7) {
			struct redactor *redactor;
			uint32_t masked[IDENTIFIER_KINDS] = {0};
			size_t held = 0;

			buffer_reset(&pieces);
			assert_int_equal(redactor_open(&redactor, detector, kinds, &why), 0);
			for (size_t at = 0; at < size; at += step) {
				size_t now = size - at < step ? size - at : step;

				assert_int_equal(redactor_write(redactor, slice_of(texts[t] + at, now),
				                                at + now == size, &pieces, masked, &why),
				                 0);
				held = at + now > pieces.size ? at + now - pieces.size : 0;
				assert_true(held < 700);
			}
			if (pieces.size != whole.size || memcmp(pieces.data, whole.data, whole.size) != 0)
				fail_msg("step %zu\n got  %.*s\n want %.*s", step,
				         SLICE_PRINT(buffer_view(&pieces)), SLICE_PRINT(buffer_view(&whole)));
			redactor_close(redactor);
		}
		buffer_free(&whole);
		buffer_free(&pieces);
	}
}

/* A long text is looked at window by window: every border falls into an identifier or the words before it somewhere. */
static void
test_windows(void **state)
{
	static const char number[] = "계좌 말고 연락처는 010-1234-5678 ",
	                  resident[] = "주민번호 900101-1990006\n";
	struct detection detection;
	struct buffer text;
	struct fault why;

	(void)state;
	buffer_init(&text, 1 << 20);
	for (size_t shift = 0; shift < 48; shift++) {
		size_t phones = 0, residents = 0, at = 0;

		buffer_reset(&text);
		for (size_t i = 0; i < shift; i++)
			buffer_byte(&text, 'x');
		while (text.size < 80000) {
			buffer_string(&text, number);
			phones++;
			if (text.size / 1000 % 3 == 0) {
				buffer_string(&text, resident);
				residents++;
			}
		}
		arena_reset(arena);
		assert_int_equal(detector_scan(detector, buffer_view(&text), 0, arena, &detection, &why), 0);
		assert_int_equal(detection.finding_count, phones + residents);
		for (size_t i = 0; i < detection.finding_count; i++) {
			const struct finding *finding = &detection.findings[i];
			bool rrn = finding->kind == IDENTIFIER_RRN;

			assert_true(finding->start >= at && finding->confidence >= FINDING_CONFIDENT);
			at = finding->end;
			assert_int_equal(at - finding->start, rrn ? 14 : 13);
			assert_memory_equal(text.data + finding->start,
			                    rrn ? "900101-1990006" : "010-1234-5678", at - finding->start);
		}
	}
	buffer_free(&text);
}

static void
test_redact_kinds(void **state)
{
	const char *text = "주민번호 900101-1990006 전화 010-1234-5678";
	struct detection detection;
	struct buffer out;
	struct fault why;

	(void)state;
	arena_reset(arena);
	buffer_init(&out, 1000);
	assert_int_equal(detector_scan(detector, slice_string(text), 3, arena, &detection, &why), 0);
	assert_int_equal(detection.findings[0].part, 3);
	detection_redact(&out, slice_string(text), detection.findings, detection.finding_count,
	                 1u << IDENTIFIER_RRN);
	assert_string_equal(buffer_text(&out), "주민번호 [주민등록번호] 전화 010-1234-5678");
	buffer_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_resident),       cmocka_unit_test(test_alien),
	    cmocka_unit_test(test_companies),      cmocka_unit_test(test_cards),
	    cmocka_unit_test(test_phones),         cmocka_unit_test(test_documents),
	    cmocka_unit_test(test_net_and_places), cmocka_unit_test(test_streaming),
	    cmocka_unit_test(test_redact_kinds),   cmocka_unit_test(test_windows),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
