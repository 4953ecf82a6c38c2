/* arena, clock, fault, queue: the small ones of the ground together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "schema/base/arena.h"
#include "schema/base/clock.h"
#include "schema/base/queue.h"

static void
an_arena_is_zeroed_aligned_and_limited(void **state)
{
	struct arena *arena = arena_new(100000);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 300; size++) {
			uint8_t *memory = arena_alloc(arena, size);

			assert_non_null(memory);
			assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(memory[i], 0);
			memset(memory, 0xAA, size);
		}
		assert_non_null(arena_alloc(arena, 40000));
		assert_true(arena_ok(arena));
		assert_null(arena_alloc(arena, 60000));
		assert_false(arena_ok(arena));
		assert_null(arena_alloc(arena, 1));
		arena_reset(arena);
		assert_int_equal(arena_used(arena), 0);
	}
	assert_null(arena_array(arena, SIZE_MAX / 2, 3));
	arena_reset(arena);
	assert_null(arena_alloc(arena, SIZE_MAX - 3));
	arena_reset(arena);
	assert_string_equal(arena_printf(arena, "%s %d", "해치", 7), "해치 7");
	assert_string_equal(arena_text(arena, SLICE_LITERAL("ab")), "ab");
	arena_free(arena);
	arena_free(NULL);
}

static void
times_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		bool korean_day;
		const char *again; /* NULL: refused */
	} cases[] = {
	    {"1970-01-01T00:00:00Z",      false, "1970-01-01T00:00:00.000Z"},
	    {"2026-03-02T09:00:00.123Z",  false, "2026-03-02T09:00:00.123Z"},
	    {"2026-03-02T09:00:00+09:00", false, "2026-03-02T00:00:00.000Z"},
	    {"2026-03-02",                false, "2026-03-02T00:00:00.000Z"},
	    {"2026-03-02",                true,  "2026-03-01T15:00:00.000Z"},
	    {"2000-02-29",                false, "2000-02-29T00:00:00.000Z"},
	    {"1969-12-31T23:59:59.999Z",  false, "1969-12-31T23:59:59.999Z"},
	    {"0001-01-01",                false, "0001-01-01T00:00:00.000Z"},
	    {"9999-12-31T23:59:59.999Z",  false, "9999-12-31T23:59:59.999Z"},
	    {"2100-02-29",                false, NULL                      },
	    {"2026-13-01",                false, NULL                      },
	    {"2026-00-01",                false, NULL                      },
	    {"2026-04-31",                false, NULL                      },
	    {"2026-03-02T24:00:00Z",      false, NULL                      },
	    {"2026-03-02T09:00:60Z",      false, NULL                      },
	    {"2026-03-02T09:00:00",       false, NULL                      },
	    {"2026-03-02T09:00:00Zx",     false, NULL                      },
	    {"2026-03-02 09:00:00Z",      false, NULL                      },
	    {"2026-3-2",                  false, NULL                      },
	    {"",	                  false, NULL                      },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[CLOCK_TEXT_SIZE];
		int64_t wall_ms;
		bool read = clock_parse(&wall_ms, slice_string(cases[i].text), cases[i].korean_day);

		assert_int_equal(read, cases[i].again != NULL);
		if (!read)
			continue;
		clock_text(text, wall_ms);
		assert_string_equal(text, cases[i].again);
	}
}

static void
a_fault_speaks_both_languages(void **state)
{
	struct fault why = {0};
	char long_text[2000];

	(void)state;
	assert_int_equal(fault_set(&why, FAULT_INVALID, "%d행: %s", "line %d: %s", 3, "x"), -1);
	assert_string_equal(why.ko, "3행: x");
	assert_string_equal(why.en, "line 3: x");
	assert_int_equal(fault_prefix(&why, "파일 %s", "file %s", "p.cedar"), -1);
	assert_string_equal(why.ko, "파일 p.cedar: 3행: x");
	assert_string_equal(why.en, "file p.cedar: line 3: x");
	assert_int_equal(why.kind, FAULT_INVALID);
	errno = ENOENT;
	assert_int_equal(fault_errno(&why, "없음", "missing"), -1);
	assert_int_equal(why.kind, FAULT_SYSTEM);
	assert_string_equal(why.en, "missing: No such file or directory");
	assert_int_equal(fault_set(NULL, FAULT_INVALID, "%s", "%s", "x"), -1);
	/* Cut at a character, whatever the phase. */
	for (int phase = 0; phase < 3; phase++) {
		memset(long_text, 'a', sizeof long_text);
		for (size_t i = (size_t)phase; i + 3 < sizeof long_text; i += 3)
			memcpy(long_text + i, "\xEA\xB0\x80", 3);
		long_text[sizeof long_text - 1] = '\0';
		fault_set(&why, FAULT_INVALID, "%s", "%s", long_text);
		assert_true(utf8_valid(slice_string(why.ko)));
		assert_true(strlen(why.ko) > FAULT_TEXT_SIZE - 5);
	}
}

static void *
give_a_thousand(void *argument)
{
	static int item;

	for (int i = 0; i < 1000;)
		i += queue_give(argument, &item);
	return NULL;
}

static void
a_queue_loses_nothing(void **state)
{
	struct queue *queue = queue_new(8);
	pthread_t givers[4];
	size_t taken = 0;
	void *items[8];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&givers[i], NULL, give_a_thousand, queue), 0);
	while (taken < 4000)
		taken += queue_take_all(queue, items, 8);
	for (int i = 0; i < 4; i++)
		pthread_join(givers[i], NULL);
	assert_int_equal(taken, 4000);
	assert_int_equal(queue_length(queue), 0);
	for (int i = 0; i < 8; i++)
		assert_true(queue_give(queue, items));
	assert_false(queue_give(queue, items));
	queue_close(queue);
	assert_int_equal(queue_take_all(queue, items, 8), 8);
	assert_null(queue_take(queue));
	assert_false(queue_give(queue, items));
	queue_free(queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_arena_is_zeroed_aligned_and_limited),
	    cmocka_unit_test(times_are_read_and_written),
	    cmocka_unit_test(a_fault_speaks_both_languages),
	    cmocka_unit_test(a_queue_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
