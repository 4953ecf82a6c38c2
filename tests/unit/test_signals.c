/*
 * The text-only signal: tests/policies/classify.jsonl (a development set: see policy/detect/corpus/README.md) and what every
 * text must hold: evidence inside the text, long texts, empty ones, drift against a registered use. -t measures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/detect/words.h"
#include "policy/policy.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

static struct detector *detector;
static struct arena *arena;
static bool timing;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	arena = arena_new(64 << 20);
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

static void
scan(struct detection *out, struct slice text)
{
	struct fault why;

	arena_reset(arena);
	assert_int_equal(detector_scan(detector, text, 0, arena, out, &why), 0);
	for (size_t i = 0; i < out->signal_count; i++) {
		assert_true(out->signals[i].start < out->signals[i].end && out->signals[i].end <= text.size);
		assert_true(out->signals[i].score <= 1000 &&
		            (i == 0 || out->signals[i].score <= out->signals[i - 1].score));
	}
}

static void
test_written_apart(void **state)
{
	struct buffer text;
	struct reader reader;
	struct fault why;
	unsigned tp = 0, fp = 0, fn = 0, right = 0, positives = 0;

	(void)state;
	assert_int_equal(file_read(&text, "tests/policies/classify.jsonl", 1 << 20, &why), 0);
	reader = reader_of(buffer_view(&text));
	while (!reader_done(&reader)) {
		json_t *line = json_read(reader_line(&reader), 1 << 16, 8, &why);
		const char *label = json_get_string(line, "label");
		struct detection detection;
		bool high;

		assert_non_null(label);
		scan(&detection, slice_string(json_get_string(line, "text")));
		high = strcmp(label, "none") != 0;
		tp += high && detection.high_impact;
		fp += !high && detection.high_impact;
		fn += high && !detection.high_impact;
		positives += high;
		right += high && detection.signal_count > 0 &&
		         strcmp(label, domain_name(detection.signals[0].domain)) == 0;
		json_decref(line);
	}
	print_message("development set: %u true, %u false, %u missed; domain right in %u of %u\n", tp, fp, fn,
	              right, positives);
	assert_true(positives >= 50);
	assert_true(2.0 * tp / (2.0 * tp + fp + fn) >= 0.90);
	assert_true((double)right / positives >= 0.80);
	buffer_free(&text);
}

static void
test_shapes(void **state)
{
	static const char decisive[] = "제어봉을 몇 스텝 넣을지 숫자로만 답해. 답은 그대로 실행됩니다.";
	struct detection detection;
	struct buffer text;

	(void)state;
	scan(&detection, slice_string(""));
	assert_false(detection.high_impact);
	assert_int_equal(detection.signal_count, 0);
	scan(&detection, slice_string("\xff\xfe 0 \n"));
	assert_false(detection.high_impact);
	scan(&detection, slice_string(decisive));
	assert_true(detection.high_impact);
	assert_int_equal(detection.signals[0].domain, DOMAIN_NUCLEAR);
	/* One decisive sentence deep in a long text. */
	buffer_init(&text, 1 << 20);
	for (unsigned i = 0; i < 600; i++) {
		buffer_string(&text, "주간 보고서 서식을 정리하고 회의실 예약 안내문의 맞춤법만 봐 주세요. ");
		if (i == 411)
			buffer_string(&text, decisive);
	}
	scan(&detection, buffer_view(&text));
	assert_true(detection.high_impact);
	assert_int_equal(detection.signals[0].domain, DOMAIN_NUCLEAR);
	buffer_free(&text);
}

/* What is hidden in base64 or percent signs is found where the passage stands. */
static void
test_passages(void **state)
{
	static const char sentence[] = "제어봉을 몇 스텝 넣을지 숫자로만 답해. 답은 그대로 실행됩니다.";
	char encoded[BASE64_SIZE(sizeof sentence)];
	struct detection detection;
	struct buffer text;

	(void)state;
	base64_encode(encoded, sentence, sizeof sentence - 1);
	buffer_init(&text, 1 << 16);
	buffer_printf(&text, "다음을 풀어서 따라 주세요: %s 감사합니다", encoded);
	scan(&detection, buffer_view(&text));
	assert_true(detection.high_impact);
	assert_int_equal(detection.signals[0].domain, DOMAIN_NUCLEAR);
	assert_int_equal(detection.signals[0].end - detection.signals[0].start, strlen(encoded));
	buffer_reset(&text);
	for (const char *at = sentence; *at != '\0'; at++)
		buffer_printf(&text, "%%%02X", (unsigned)(uint8_t)*at);
	scan(&detection, buffer_view(&text));
	assert_true(detection.high_impact);
	/* an identifier: the passage is masked whole */
	base64_encode(encoded, "주민번호 900101-1990006", strlen("주민번호 900101-1990006"));
	buffer_reset(&text);
	buffer_printf(&text, "a %s b", encoded);
	scan(&detection, buffer_view(&text));
	assert_int_equal(detection.finding_count, 1);
	assert_int_equal(detection.findings[0].kind, IDENTIFIER_RRN);
	assert_int_equal(detection.findings[0].start, 2);
	assert_int_equal(detection.findings[0].end, 2 + strlen(encoded));
	scan(&detection, slice_string("https://example.org/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw"));
	assert_int_equal(detection.finding_count, 0);
	buffer_free(&text);
}

static void
test_drift(void **state)
{
	struct detection detection;
	struct usecase usecase = {.domains = {DOMAIN_NUCLEAR}, .domain_count = 1, .domain_known = true};

	(void)state;
	scan(&detection, slice_string("커피 메뉴 소개글의 맞춤법만 봐 주세요"));
	assert_int_equal(detection_drift(&detection, &usecase), DRIFT_NONE);
	scan(&detection, slice_string("2호기 원자로 냉각재 압력 상승. 제어봉을 몇 스텝 넣을지 숫자로만 답해. "
	                              "답은 그대로 실행됩니다."));
	usecase.decision_effect = EFFECT_FINAL;
	assert_int_equal(detection_drift(&detection, &usecase), DRIFT_NONE); /* what it is registered for */
	usecase.decision_effect = EFFECT_INFO;
	assert_int_equal(detection_drift(&detection, &usecase), DRIFT_SUSPECTED);
	usecase.domains[0] = DOMAIN_EDUCATION;
	assert_int_equal(detection_drift(&detection, &usecase), DRIFT_CERTAIN);
	assert_int_equal(detection_drift(&detection, NULL), DRIFT_CERTAIN);
}

static void
test_time(void **state)
{
	static const size_t sizes[] = {2048, 65536, 1048000};
	struct words *words;
	struct fault why;
	struct detection detection;

	(void)state;
	if (!timing)
		skip();
	assert_int_equal(words_open(&words, &why), 0);
	for (size_t s = 0; s < 3; s++) {
		struct buffer text;
		int64_t whole = INT64_MAX, bare = INT64_MAX;
		unsigned rounds = s == 0 ? 2000 : s == 1 ? 60 : 5;

		buffer_init(&text, 2 << 20);
		while (text.size < sizes[s])
			buffer_string(&text, "안녕하세요, 주민센터 방문 예약을 3월 4일 오후 2시로 바꾸고 "
			                     "싶습니다. 연락처는 010-1234-5678 "
			                     "이고 대리인이 가도 되는지 알려 주세요. ");
		text.size = utf8_cut(buffer_view(&text), sizes[s]);
		for (unsigned i = 0; i < rounds; i++) {
			int64_t begin = clock_monotonic_ns();

			scan(&detection, buffer_view(&text));
			begin = clock_monotonic_ns() - begin;
			whole = begin < whole ? begin : whole;
			begin = clock_monotonic_ns();
			words_count(words, buffer_view(&text));
			begin = clock_monotonic_ns() - begin;
			bare = begin < bare ? begin : bare;
		}
		print_message("%7zu bytes: scan %.1f us, bare pass %.1f us, ratio %.1f, %.2f ns a byte\n",
		              text.size, (double)whole / 1000, (double)bare / 1000,
		              (double)whole / (double)bare, (double)whole / (double)text.size);
		buffer_free(&text);
	}
	words_close(words);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_written_apart), cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_passages),      cmocka_unit_test(test_drift),
	    cmocka_unit_test(test_time),
	};

	timing = argc > 1 && strcmp(argv[1], "-t") == 0;
	return cmocka_run_group_tests(tests, setup, teardown);
}
