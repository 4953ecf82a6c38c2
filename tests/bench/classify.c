/*
 * What classification costs beside one bare pass of the same patterns over the same text: processor time of the thread,
 * both in one run and interleaved, so that a busy machine is busy for both. Prints one JSON value.
 *
 *	classify [ROUNDS]
 *
 * ratio          median of a scan (normalising, identifiers, passages, model) by median of a bare pass, 2 KiB of chat
 * p99_by_median  of those scans
 * growth         cost of a byte at 1 MiB by that at 2 KiB: median over rounds of one large scan beside as many bytes in
 *                small ones
 *
 * Reading the clock is a system call of a third of a microsecond or more; what it costs is measured and taken off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/detect/words.h"
#include "policy/policy.h"

#define SMALL        2048
#define BARE_PASSES  8 /* in one measurement: reading the clock must not count */
#define LARGE        ((size_t)1 << 20)
#define LARGE_ROUNDS 21

static const char *const talk[] = {
    "안녕하세요, 주민센터 방문 예약을 3월 4일 오후 2시로 바꾸고 싶습니다.",
    "네, 성함과 연락처를 말씀해 주시겠어요?",
    "김하늘이고요 번호는 010-1234-5678입니다. 대리인이 가도 되는지도 궁금해요.",
    "가능합니다. 위임장과 신분증 사본이 필요하고 수수료는 400원이에요.",
    "혹시 주차장은 몇 시까지 여나요? 아이가 둘이라 유모차를 가져가려고요.",
    "저녁 여덟 시까지 열려 있고 엘리베이터는 후문 쪽에 있습니다.",
    "알겠습니다. 그럼 예약 확인 문자를 한 번 더 보내 주실 수 있나요?",
    "방금 보냈습니다. 도착하지 않으면 다시 말씀해 주세요. 좋은 하루 되세요!",
};

static int64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int
ascending(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

static int
ascending_share(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static void
scan(struct detector *detector, struct arena *arena, struct slice text)
{
	struct detection detection;
	struct fault why;

	arena_reset(arena);
	if (detector_scan(detector, text, 0, arena, &detection, &why) == -1) {
		fault_print(stderr, "classify", &why);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? (size_t)atol(argv[1]) : 4000;
	int64_t *whole = calloc(rounds, sizeof *whole), *bare = calloc(rounds, sizeof *bare), begin, clock;
	double growth[LARGE_ROUNDS], large[LARGE_ROUNDS];
	struct arena *arena = arena_new((size_t)64 << 20);
	struct detector *detector;
	struct words *words;
	struct buffer text;
	struct slice small;
	struct fault why;

	if (rounds < 100 || whole == NULL || bare == NULL || arena == NULL ||
	    detector_open(&detector, &why) == -1 || words_open(&words, &why) == -1)
		return 2;
	buffer_init(&text, 2 * LARGE);
	for (size_t i = 0; text.size < LARGE; i++) {
		buffer_string(&text, talk[i % (sizeof talk / sizeof *talk)]);
		buffer_byte(&text, i % 2 == 0 ? ' ' : '\n');
	}
	text.size = utf8_cut(buffer_view(&text), LARGE);
	small = slice_of(text.data, utf8_cut(buffer_view(&text), SMALL));
	for (size_t i = 0; i < 100; i++) /* buffers grow, caches fill */
		scan(detector, arena, small);
	for (size_t i = 0; i < rounds; i++) {
		begin = now();
		whole[i] = now() - begin;
	}
	qsort(whole, rounds, sizeof *whole, ascending);
	clock = whole[rounds / 2];
	for (size_t i = 0; i < rounds; i++) {
		begin = now();
		scan(detector, arena, small);
		whole[i] = now() - begin - clock;
		begin = now();
		for (size_t k = 0; k < BARE_PASSES; k++)
			words_count(words, small);
		bare[i] = (now() - begin - clock) / BARE_PASSES;
	}
	for (size_t i = 0; i < LARGE_ROUNDS; i++) {
		begin = now();
		for (size_t done = 0; done < text.size; done += small.size)
			scan(detector, arena, small);
		growth[i] = (double)(now() - begin);
		begin = now();
		scan(detector, arena, buffer_view(&text));
		large[i] = (double)(now() - begin) / (double)text.size;
		growth[i] = large[i] * (double)text.size / growth[i];
	}
	qsort(growth, LARGE_ROUNDS, sizeof *growth, ascending_share);
	qsort(large, LARGE_ROUNDS, sizeof *large, ascending_share);
	qsort(whole, rounds, sizeof *whole, ascending);
	qsort(bare, rounds, sizeof *bare, ascending);
	printf("{\"bytes\":%zu,\"scan_us\":%.1f,\"bare_us\":%.2f,\"ratio\":%.1f,\"p99_by_median\":%.2f,"
	       "\"ns_a_byte\":%.2f,\"ns_a_byte_1MiB\":%.2f,\"growth\":%.2f}\n",
	       small.size, (double)whole[rounds / 2] / 1000, (double)bare[rounds / 2] / 1000,
	       (double)whole[rounds / 2] / (double)bare[rounds / 2],
	       (double)whole[rounds * 99 / 100] / (double)whole[rounds / 2],
	       (double)whole[rounds / 2] / (double)small.size, large[LARGE_ROUNDS / 2],
	       growth[LARGE_ROUNDS / 2]);
	words_close(words);
	detector_close(detector);
	arena_free(arena);
	buffer_free(&text);
	free(whole);
	free(bare);
	return 0;
}
