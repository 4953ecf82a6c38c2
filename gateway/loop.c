#include "gateway/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"

#define LOOP_EVENTS  128
#define LOOP_SLOTS   4096 /* of LOOP_TICK_MS each: 16 s; a later timer stays in its slot for another turn */
#define LOOP_WORDS   (LOOP_SLOTS / 64)
#define LOOP_TICK_NS ((int64_t)LOOP_TICK_MS * 1000000)
#define LOOP_ARENAS  64
#define LOOP_CALLS   8

struct loop_call {
	void (*run)(void *owner);
	void *owner;
};

struct loop {
	int epoll;
	unsigned index;
	int64_t now;
	atomic_bool stopping;
	struct loop_watch wakeup;            /* an eventfd, for notes from other threads */
	_Atomic(struct loop_note *) foreign; /* last posted first */
	struct loop_note *own, **own_end;    /* posted on the loop's own thread, in order */
	struct epoll_event events[LOOP_EVENTS];
	int event_at, event_count; /* the batch being dealt out */
	int64_t tick;              /* every slot up to this one has been visited */
	struct loop_timer *slots[LOOP_SLOTS];
	uint64_t filled[LOOP_WORDS]; /* which slots hold a timer */
	struct loop_call each[LOOP_CALLS], close[LOOP_CALLS];
	size_t each_count, close_count;
	void *parts[LOOP_PARTS];
	struct arena *arenas[LOOP_ARENAS];
	size_t arena_count;
	uint8_t scratch[LOOP_SCRATCH];
};

/* The loop that runs on this thread: its own notes need no system call. */
static _Thread_local struct loop *loop_here;

static void
loop_woken(struct loop_watch *watch, uint32_t events)
{
	uint64_t count;

	(void)events;
	/* Only resets the counter: the notes themselves are taken at the end of every round. */
	if (read(watch->fd, &count, sizeof count) == -1)
		return;
}

int
loop_new(struct loop **out, unsigned index, struct fault *why)
{
	struct loop *loop;

	if ((loop = calloc(1, sizeof *loop)) == NULL)
		return fault_memory(why);
	loop->index = index;
	loop->own_end = &loop->own;
	loop->wakeup.fd = -1;
	loop->now = clock_monotonic_ns();
	loop->tick = loop->now / LOOP_TICK_NS;
	if ((loop->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1) {
		fault_errno(why, "epoll을 만들 수 없습니다", "cannot make an epoll set");
		goto out;
	}
	if ((loop->wakeup.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1) {
		fault_errno(why, "eventfd를 만들 수 없습니다", "cannot make an eventfd");
		goto out;
	}
	loop->wakeup.ready = loop_woken;
	if (loop_watch(loop, &loop->wakeup, EPOLLIN, why) == -1)
		goto out;
	*out = loop;
	return 0;
out:
	loop_free(loop);
	return -1;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	while (loop->close_count > 0) {
		loop->close_count--;
		loop->close[loop->close_count].run(loop->close[loop->close_count].owner);
	}
	while (loop->arena_count > 0)
		arena_free(loop->arenas[--loop->arena_count]);
	if (loop->wakeup.fd != -1)
		close(loop->wakeup.fd);
	if (loop->epoll != -1)
		close(loop->epoll);
	free(loop);
}

unsigned
loop_index(const struct loop *loop)
{
	return loop->index;
}

int64_t
loop_now(const struct loop *loop)
{
	return loop->now;
}

uint8_t *
loop_scratch(struct loop *loop)
{
	return loop->scratch;
}

void *
loop_part(const struct loop *loop, enum loop_part part)
{
	return loop->parts[part];
}

void
loop_part_set(struct loop *loop, enum loop_part part, void *state)
{
	loop->parts[part] = state;
}

int
loop_each_round(struct loop *loop, void (*run)(void *owner), void *owner, struct fault *why)
{
	if (loop->each_count == LOOP_CALLS)
		return fault_set(why, FAULT_INTERNAL, "루프에 자리가 없습니다", "the loop has no room");
	loop->each[loop->each_count++] = (struct loop_call){run, owner};
	return 0;
}

int
loop_at_close(struct loop *loop, void (*run)(void *owner), void *owner, struct fault *why)
{
	if (loop->close_count == LOOP_CALLS)
		return fault_set(why, FAULT_INTERNAL, "루프에 자리가 없습니다", "the loop has no room");
	loop->close[loop->close_count++] = (struct loop_call){run, owner};
	return 0;
}

int
loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events, struct fault *why)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &event) == -1)
		return fault_errno(why, "epoll에 넣을 수 없습니다", "cannot watch a descriptor");
	watch->events = events;
	watch->watched = true;
	return 0;
}

void
loop_rewatch(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (!watch->watched || watch->events == events)
		return;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) == -1)
		log_error("loop", "event=rewatch errno=%d", errno);
	watch->events = events;
}

void
loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	if (!watch->watched)
		return;
	watch->watched = false;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	/* An event of this batch may still be on its way to it. */
	for (int i = loop->event_at; i < loop->event_count; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

void
loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	unsigned slot;

	if (timer->slot == 0)
		return;
	slot = timer->slot - 1;
	if (timer->next != NULL)
		timer->next->prev = timer->prev;
	if (timer->prev != NULL)
		timer->prev->next = timer->next;
	else if ((loop->slots[slot] = timer->next) == NULL)
		loop->filled[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	timer->next = timer->prev = NULL;
	timer->slot = 0;
}

void
loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t after_ms)
{
	int64_t tick;
	unsigned slot;

	loop_timer_stop(loop, timer);
	timer->at = loop->now + (after_ms > 0 ? after_ms : 0) * 1000000;
	tick = timer->at / LOOP_TICK_NS + 1; /* the first tick at which its time is past */
	if (tick <= loop->tick)
		tick = loop->tick + 1;
	slot = (unsigned)(tick % LOOP_SLOTS);
	timer->next = loop->slots[slot];
	if (timer->next != NULL)
		timer->next->prev = timer;
	loop->slots[slot] = timer;
	loop->filled[slot / 64] |= UINT64_C(1) << (slot % 64);
	timer->slot = slot + 1;
}

/* Ticks from `loop->tick` to the next filled slot, 1 to LOOP_SLOTS; 0 when there is none. */
static int
loop_next_slot(const struct loop *loop)
{
	unsigned first = (unsigned)((loop->tick + 1) % LOOP_SLOTS);

	for (unsigned i = 0; i <= LOOP_WORDS; i++) {
		unsigned word = (first / 64 + i) % LOOP_WORDS;
		uint64_t bits = loop->filled[word];

		if (i == 0)
			bits &= ~UINT64_C(0) << (first % 64);
		if (bits != 0) {
			unsigned slot = word * 64 + (unsigned)__builtin_ctzll(bits);

			return (int)((slot + LOOP_SLOTS - first) % LOOP_SLOTS) + 1;
		}
	}
	return 0;
}

static void
loop_timers(struct loop *loop)
{
	int64_t last = loop->now / LOOP_TICK_NS;

	while (loop->tick < last) {
		int ahead = loop_next_slot(loop);
		struct loop_timer *timer, *next;

		if (ahead == 0 || loop->tick + ahead > last) {
			loop->tick = last;
			break;
		}
		loop->tick += ahead;
		/*
		 * A timer's callback may start and stop any other, so the list is walked anew after each one. New
		 * timers go to later slots, thus this ends.
		 */
		do {
			for (timer = loop->slots[loop->tick % LOOP_SLOTS]; timer != NULL; timer = next) {
				next = timer->next;
				if (timer->at <= loop->now)
					break;
			}
			if (timer != NULL) {
				loop_timer_stop(loop, timer);
				timer->run(timer);
			}
		} while (timer != NULL);
	}
}

void
loop_post(struct loop *loop, struct loop_note *note)
{
	struct loop_note *head;
	uint64_t one = 1;

	if (loop == loop_here) {
		note->next = NULL;
		*loop->own_end = note;
		loop->own_end = &note->next;
		return;
	}
	head = atomic_load_explicit(&loop->foreign, memory_order_relaxed);
	do
		note->next = head;
	while (!atomic_compare_exchange_weak_explicit(&loop->foreign, &head, note, memory_order_release,
	                                              memory_order_relaxed));
	/* Whoever found the list empty wakes the loop for all who come behind him. */
	if (head == NULL && write(loop->wakeup.fd, &one, sizeof one) == -1)
		log_error("loop", "event=wakeup errno=%d", errno);
}

static void
loop_notes(struct loop *loop)
{
	struct loop_note *note, *next, *ordered = NULL;

	for (note = atomic_exchange_explicit(&loop->foreign, NULL, memory_order_acquire); note != NULL;
	     note = next) {
		next = note->next;
		note->next = ordered;
		ordered = note;
	}
	for (note = ordered; note != NULL; note = next) {
		next = note->next;
		note->run(note);
	}
	note = loop->own;
	loop->own = NULL;
	loop->own_end = &loop->own;
	for (; note != NULL; note = next) {
		next = note->next;
		note->run(note);
	}
}

static void
loop_wake_run(struct loop_note *note)
{
	struct loop_wake *wake = (struct loop_wake *)(void *)note; /* its first member */

	wake->resume(wake->owner, wake->verdict);
}

void
loop_wake(struct loop_wake *wake, int verdict)
{
	wake->verdict = verdict;
	wake->note.run = loop_wake_run;
	loop_post(wake->loop, &wake->note);
}

void
loop_run(struct loop *loop)
{
	loop_here = loop;
	while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
		int ahead, timeout = -1, count;

		if (loop->own != NULL)
			timeout = 0;
		else if ((ahead = loop_next_slot(loop)) != 0) {
			int64_t until = (loop->tick + ahead) * LOOP_TICK_NS - clock_monotonic_ns();

			timeout = until <= 0 ? 0 : (int)((until + 999999) / 1000000);
		}
		count = epoll_wait(loop->epoll, loop->events, LOOP_EVENTS, timeout);
		loop->now = clock_monotonic_ns();
		if (count == -1) {
			if (errno != EINTR)
				log_error("loop", "event=epoll errno=%d", errno);
			count = 0;
		}
		loop->event_count = count;
		for (loop->event_at = 0; loop->event_at < count;) {
			struct epoll_event *event = &loop->events[loop->event_at++];
			struct loop_watch *watch = event->data.ptr;

			if (watch != NULL)
				watch->ready(watch, event->events);
		}
		loop->event_count = 0;
		loop_timers(loop);
		loop_notes(loop);
		for (size_t i = 0; i < loop->each_count; i++)
			loop->each[i].run(loop->each[i].owner);
	}
	loop_here = NULL;
}

void
loop_stop(struct loop *loop)
{
	uint64_t one = 1;

	atomic_store(&loop->stopping, true);
	if (write(loop->wakeup.fd, &one, sizeof one) == -1)
		log_error("loop", "event=stop errno=%d", errno);
}

struct arena *
loop_arena_take(struct loop *loop)
{
	if (loop->arena_count > 0)
		return loop->arenas[--loop->arena_count];
	return arena_new(LOOP_ARENA);
}

void
loop_arena_give(struct loop *loop, struct arena *arena)
{
	if (arena == NULL)
		return;
	if (loop->arena_count == LOOP_ARENAS) {
		arena_free(arena);
		return;
	}
	arena_reset(arena);
	loop->arenas[loop->arena_count++] = arena;
}
