/* The wide loops of detection and the plain ones give the same bits; what is called plain text is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/detect/lanes.h"
#include "policy/detect/normalise.h"

extern const struct model_weights model_weights;

static uint64_t chance_state = 7;

static uint32_t
chance(void)
{
	chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(chance_state >> 33);
}

static void
test_buckets_and_rows(void **state)
{
	const struct lanes *wide = lanes_choose();
	uint32_t keys[1200 + MODEL_KEYS_SPARE], plain[1200 + LANES_SPARE], other[1200 + LANES_SPARE];
	int32_t sum[MODEL_WIDTH], sum_other[MODEL_WIDTH];
	size_t counts[] = {0, 1, 7, 8, 9, 255, 256, 257, 1200}, most = 0;

	(void)state;
	if (wide == &lanes_plain)
		skip();
	for (size_t round = 0; round < 200; round++) {
		size_t count = counts[round % (sizeof counts / sizeof *counts)], met;

		memset(keys, 0, sizeof keys);
		for (size_t i = 0; i < count; i++) {
			uint32_t bucket, feature;

			do /* most of what is asked for was met in training */
				keys[i] = chance() << 1 ^ chance();
			while (feature = model_feature(keys[i]), bucket = MODEL_BUCKET(feature),
			       i % 4 != 0 && model_weights.prints[bucket] != MODEL_PRINT(feature));
		}
		met = lanes_plain.buckets(&model_weights, keys, count, plain);
		assert_int_equal(wide->buckets(&model_weights, keys, count, other), met);
		assert_memory_equal(plain, other, (met + LANES_SPARE) * sizeof *plain);
		lanes_plain.rows(&model_weights, plain, met, sum);
		wide->rows(&model_weights, other, met, sum_other);
		assert_memory_equal(sum, sum_other, sizeof sum);
		most = met > most ? met : most;
	}
	assert_true(most > 800);
}

/* Plain text is plain up to the last block; with anything else in it, up to there at most. */
static void
test_plain(void **state)
{
	static const char *const plain[] = {"가", "힝", "하", "뀀", "쭝", "a",  "~",
	                                    " ",  "\n", "\t", "\r", "一", "國", "9"};
	static const char *const others[] = {"\xed\x9e\xb0", "\xea\x80\x80", "\x01", "\x80", "é",
	                                     "１",           "\xea\xb0",     "ㄱ",   "𝟙"};
	const struct lanes *wide = lanes_choose();

	(void)state;
	if (wide == &lanes_plain)
		skip();
	for (size_t round = 0; round < 4000; round++) {
		size_t size = 0, other = SIZE_MAX, place = chance() % 300, same;
		char text[600];

		while (size < 500) {
			const char *piece = plain[chance() % (sizeof plain / sizeof *plain)];

			if (round % 2 == 0 && other == SIZE_MAX && size >= place) {
				other = size;
				piece = others[chance() % (sizeof others / sizeof *others)];
			}
			memcpy(text + size, piece, strlen(piece));
			size += strlen(piece);
		}
		text[size] = '\0';
		same = wide->plain((const uint8_t *)text, size);
		assert_true(same <= other);
		assert_true((text[same] & 0xC0) != 0x80 || same == other);
		if (other == SIZE_MAX &&
		    strstr(text, "힝") == NULL) /* too close to the end of the syllables */
			assert_true(size - same < 66);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buckets_and_rows),
	    cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
