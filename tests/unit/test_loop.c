/*
 * The loop: timers never early and in time, notes from many threads in order and none lost, watches that go away
 * while their events are being dealt out; the stream between writer and reader; counts of addresses.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/limits.h"
#include "gateway/loop.h"
#include "gateway/stream.h"
#include "schema/base/clock.h"

static struct loop *loop;

static int
begin(void **state)
{
	(void)state;
	return loop_new(&loop, 3, NULL);
}

static int
end(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

/* ---- timers ------------------------------------------------------------------------------------------------------- */

#define TIMERS 2000

static struct {
	struct loop_timer timer;
	int64_t due;
	unsigned runs;
} timers[TIMERS];
static unsigned ran;

static void
timer_ran(struct loop_timer *timer)
{
	size_t i = (size_t)(uintptr_t)timer->owner;
	int64_t late = clock_monotonic_ns() - timers[i].due;

	assert_true(late >= 0);
	assert_true(late < INT64_C(400000000)); /* the machine may be busy */
	timers[i].runs++;
	/* Each stops one and moves another. */
	loop_timer_stop(loop, &timers[(i * 7 + 1) % TIMERS].timer);
	if (++ran == TIMERS / 4)
		loop_stop(loop);
	if (timers[(i + 1) % TIMERS].timer.slot != 0) {
		timers[(i + 1) % TIMERS].due = loop_now(loop) + 5000000;
		loop_timer_start(loop, &timers[(i + 1) % TIMERS].timer, 5);
	}
}

static void
test_timers(void **state)
{
	(void)state;
	assert_int_equal(loop_index(loop), 3);
	ran = 0;
	memset(timers, 0, sizeof timers);
	srand(7);
	for (size_t i = 0; i < TIMERS; i++) {
		int ms = rand() % 300;

		timers[i].timer.run = timer_ran;
		timers[i].timer.owner = (void *)(uintptr_t)i;
		timers[i].due = loop_now(loop) + ms * INT64_C(1000000);
		loop_timer_start(loop, &timers[i].timer, ms);
		loop_timer_start(loop, &timers[i].timer, ms); /* moving is starting again */
	}
	loop_run(loop);
	assert_true(ran >= TIMERS / 4);
	for (size_t i = 0; i < TIMERS; i++)
		assert_true(timers[i].runs <= 1);
}

static void
timer_stops(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* Beyond one turn of the wheel (16 s) it must not run in the first. */
static void
timer_fails(struct loop_timer *timer)
{
	(void)timer;
	fail();
}

static void
test_far_timer(void **state)
{
	struct loop_timer far = {.run = timer_fails}, near = {.run = timer_stops};

	(void)state;
	loop_timer_start(loop, &far, 16384 + 8); /* its slot comes by in a few ticks */
	loop_timer_start(loop, &near, 60);
	loop_run(loop);
	assert_true(far.slot != 0);
	loop_timer_stop(loop, &far);
	loop_timer_stop(loop, &far);
	assert_int_equal(far.slot, 0);
}

/* ---- notes -------------------------------------------------------------------------------------------------------- */

#define POSTERS 4
#define EACH    5000

struct posted {
	struct loop_note note;
	unsigned poster, number;
};

static struct posted notes[POSTERS][EACH];
static unsigned next_of[POSTERS], received;

static void
note_ran(struct loop_note *note)
{
	struct posted *posted = (struct posted *)(void *)note;

	assert_int_equal(posted->number, next_of[posted->poster]);
	next_of[posted->poster]++;
	if (++received == POSTERS * EACH)
		loop_stop(loop);
}

static void *
post_all(void *owner)
{
	unsigned poster = (unsigned)(uintptr_t)owner;

	for (unsigned i = 0; i < EACH; i++) {
		notes[poster][i] = (struct posted){.note.run = note_ran, .poster = poster, .number = i};
		loop_post(loop, &notes[poster][i].note);
	}
	return NULL;
}

static void
test_notes(void **state)
{
	pthread_t threads[POSTERS];

	(void)state;
	memset(next_of, 0, sizeof next_of);
	received = 0;
	for (size_t i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, (void *)(uintptr_t)i), 0);
	loop_run(loop);
	for (size_t i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(received, POSTERS * EACH);
}

static struct loop_wake wake;
static unsigned wakes;

static void
resumed(void *owner, int verdict)
{
	assert_ptr_equal(owner, &wakes);
	assert_int_equal(verdict, (int)wakes);
	if (++wakes == 1000)
		loop_stop(loop);
	else
		loop_wake(&wake, (int)wakes); /* from its own thread, inside itself */
}

static void *
wake_first(void *unused)
{
	(void)unused;
	loop_wake(&wake, 0);
	return NULL;
}

static void
test_wake(void **state)
{
	pthread_t thread;

	(void)state;
	wakes = 0;
	wake = (struct loop_wake){.loop = loop, .resume = resumed, .owner = &wakes};
	assert_int_equal(pthread_create(&thread, NULL, wake_first, NULL), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_int_equal(wakes, 1000);
}

/* ---- watches ------------------------------------------------------------------------------------------------------ */

static struct loop_watch watches[16];
static unsigned heard;

/* The first to hear closes all the others, whose events are in the same batch. */
static void
watch_ready(struct loop_watch *watch, uint32_t events)
{
	assert_true((events & EPOLLIN) != 0);
	heard++;
	for (size_t i = 0; i < 16; i++)
		if (&watches[i] != watch) {
			loop_unwatch(loop, &watches[i]);
			close(watches[i].fd);
			memset(&watches[i], 0xee, sizeof watches[i]); /* as good as freed */
		}
	loop_unwatch(loop, watch);
	loop_unwatch(loop, watch);
	close(watch->fd);
	loop_stop(loop);
}

static void
test_unwatch(void **state)
{
	int ends[16];

	(void)state;
	heard = 0;
	for (size_t i = 0; i < 16; i++) {
		int pair[2];

		assert_int_equal(pipe(pair), 0);
		watches[i] = (struct loop_watch){.ready = watch_ready, .fd = pair[0]};
		ends[i] = pair[1];
		assert_int_equal(loop_watch(loop, &watches[i], EPOLLIN, NULL), 0);
		assert_int_equal(write(ends[i], "x", 1), 1);
	}
	loop_run(loop);
	assert_int_equal(heard, 1);
	for (size_t i = 0; i < 16; i++)
		close(ends[i]);
}

/* ---- stream ------------------------------------------------------------------------------------------------------- */

static unsigned filled, drained;

static void
on_filled(void *owner)
{
	(void)owner;
	filled++;
}

static void
on_drained(void *owner)
{
	(void)owner;
	drained++;
}

static void
test_stream(void **state)
{
	struct stream *stream = stream_new(100);
	uint8_t bytes[100], out[100];
	unsigned written = 0, read = 0;

	(void)state;
	filled = drained = 0;
	stream_on_fill(stream, on_filled, NULL);
	stream_on_drain(stream, on_drained, NULL);
	srand(11);
	/* Round and round, in uneven pieces: what comes out is what went in. */
	for (unsigned round = 0; round < 5000; round++) {
		size_t size = (size_t)rand() % 60, taken;
		bool fits = size <= stream_room(stream);

		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)((written + i) * 31 % 251);
		assert_int_equal(stream_write(stream, slice_of(bytes, size)), fits);
		if (fits)
			written += (unsigned)size;
		taken = stream_read(stream, out, (size_t)rand() % 60);
		for (size_t i = 0; i < taken; i++)
			assert_int_equal(out[i], (read + i) * 31 % 251);
		read += (unsigned)taken;
		assert_int_equal(stream_room(stream), 100 - (written - read));
	}
	assert_true(filled > 1000 && drained > 10);
	stream_read(stream, out, 100);
	/* Told once after each refusal, and only when half is free. */
	drained = 0;
	assert_true(stream_write(stream, slice_of(bytes, 100)));
	assert_false(stream_write(stream, slice_of(bytes, 1)));
	stream_read(stream, out, 40);
	assert_int_equal(drained, 0);
	stream_read(stream, out, 20);
	assert_int_equal(drained, 1);
	stream_read(stream, out, 20);
	assert_int_equal(drained, 1);
	/* Ended is only what was read to the end. */
	stream_end(stream);
	assert_int_equal(stream_state(stream), STREAM_OPEN);
	assert_false(stream_write(stream, slice_of(bytes, 1)));
	assert_int_equal(stream_read(stream, out, 100), 20);
	assert_int_equal(stream_state(stream), STREAM_ENDED);
	stream_abort(stream);
	assert_int_equal(stream_state(stream), STREAM_ABORTED);
	stream_free(stream);
	stream_free(NULL);
}

/* ---- limits ------------------------------------------------------------------------------------------------------- */

static struct sockaddr_storage
address_of(const char *text)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&storage;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	else
		storage.ss_family = AF_UNIX;
	return storage;
}

static bool
enter(struct address_count *count, const char *text)
{
	struct sockaddr_storage address = address_of(text);

	return address_count_enter(count, (struct sockaddr *)&address);
}

static void
leave(struct address_count *count, const char *text)
{
	struct sockaddr_storage address = address_of(text);

	address_count_leave(count, (struct sockaddr *)&address);
}

static void
test_addresses(void **state)
{
	struct address_count *count = address_count_new(2);
	char text[32];

	(void)state;
	assert_true(enter(count, "10.0.0.1") && enter(count, "10.0.0.1"));
	assert_false(enter(count, "10.0.0.1"));
	assert_true(enter(count, "10.0.0.2"));
	leave(count, "10.0.0.1");
	assert_true(enter(count, "10.0.0.1"));
	/* IPv6: one /64 is one client; a mapped IPv4 address is that address. */
	assert_true(enter(count, "2001:db8::1") && enter(count, "2001:db8::2"));
	assert_false(enter(count, "2001:db8::3"));
	assert_true(enter(count, "2001:db8:0:1::3"));
	assert_false(enter(count, "::ffff:10.0.0.1"));
	/* Unix sockets are not counted. */
	for (size_t i = 0; i < 10; i++)
		assert_true(enter(count, "unix"));
	/* A hundred thousand addresses come and go: the table stays right, and does not grow for those that left. */
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, "11.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_true(enter(count, text));
		if (i % 50 != 0)
			leave(count, text);
	}
	for (unsigned i = 0; i < 100000; i += 50) {
		snprintf(text, sizeof text, "11.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_true(enter(count, text));
		assert_false(enter(count, text));
	}
	assert_false(enter(count, "10.0.0.1"));
	address_count_free(count);
	address_count_free(NULL);
}

static void
test_limits(void **state)
{
	struct limits limits;
	struct fault why = {0};

	(void)state;
	limits_default(&limits);
	assert_int_equal(limits_check(&limits, &why), 0);
	limits.field_count = LIMITS_FIELDS + 1;
	assert_int_equal(limits_check(&limits, &why), -1);
	assert_non_null(strstr(why.en, "field_count"));
	assert_non_null(strstr(why.ko, "field_count"));
	limits_default(&limits);
	limits.line_size = limits.head_size + 1;
	assert_int_equal(limits_check(&limits, &why), -1);
	memset(&limits, 0, sizeof limits);
	assert_int_equal(limits_check(&limits, &why), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_timers, begin, end),
	    cmocka_unit_test_setup_teardown(test_far_timer, begin, end),
	    cmocka_unit_test_setup_teardown(test_notes, begin, end),
	    cmocka_unit_test_setup_teardown(test_wake, begin, end),
	    cmocka_unit_test_setup_teardown(test_unwatch, begin, end),
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
