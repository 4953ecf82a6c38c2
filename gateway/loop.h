/*
 * loop -- one thread, one epoll set: descriptors, timers, and notes from other threads.
 *
 * There are as many loops as cores, and a request never changes loops. Everything here belongs to the loop's own
 * thread, except loop_post(), loop_wake() and loop_stop(), which any thread may call. A callback may add, change and
 * remove any watch or timer, its own too.
 */
#ifndef HAECHI_GATEWAY_LOOP_H
#define HAECHI_GATEWAY_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "schema/base/arena.h"
#include "schema/base/fault.h"

struct loop;

/* A loop with index `index` (0, 1, ...); its clock is set. *out is the caller's, to loop_free(). */
MUST_CHECK int loop_new(struct loop **out, unsigned index, struct fault *why);
/* After loop_run() has returned. Calls what loop_at_close() was given, last first. NULL is fine. */
void     loop_free(struct loop *loop);
void     loop_run(struct loop *loop);  /* until loop_stop() */
void     loop_stop(struct loop *loop); /* any thread */
unsigned loop_index(const struct loop *loop);
/* CLOCK_MONOTONIC in nanoseconds, read once when the loop woke: cheap, and old by one round of work at most. */
int64_t loop_now(const struct loop *loop);
/* `run(owner)` at the end of every round, after descriptors, timers and notes; where the HTTP library is driven. */
MUST_CHECK int loop_each_round(struct loop *loop, void (*run)(void *owner), void *owner, struct fault *why);
/* `run(owner)` in loop_free(): a part that keeps state per loop frees it there. */
MUST_CHECK int loop_at_close(struct loop *loop, void (*run)(void *owner), void *owner, struct fault *why);

/* State that a part keeps per loop: a pointer, NULL at first. */
enum loop_part { LOOP_PART_SERVER, LOOP_PART_ENGINE, LOOP_PART_PIPELINE, LOOP_PARTS };
void *loop_part(const struct loop *loop, enum loop_part part);
void  loop_part_set(struct loop *loop, enum loop_part part, void *state);

/*
 * A descriptor under watch. The memory is the owner's and must stay until loop_unwatch(); zero it first.
 * `ready` gets the EPOLL* bits. Level-triggered unless EPOLLET is among `events`.
 */
struct loop_watch {
	void (*ready)(struct loop_watch *watch, uint32_t events);
	void    *owner;
	int      fd;
	uint32_t events;  /* as last asked for; loop.c keeps it */
	bool     watched; /* loop.c keeps it */
};
MUST_CHECK int loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events, struct fault *why);
void           loop_rewatch(struct loop *loop, struct loop_watch *watch, uint32_t events); /* no call when unchanged */
void           loop_unwatch(struct loop *loop, struct loop_watch *watch); /* before close(); twice is fine */

/*
 * A timer. The memory is the owner's and must stay until it has run or loop_timer_stop(); zero it first. Never early,
 * late by LOOP_TICK_MS and one round of work at most. Starting and stopping cannot fail and cost the same always.
 */
struct loop_timer {
	void (*run)(struct loop_timer *timer);
	void              *owner;
	int64_t            at;          /* monotonic nanoseconds; loop.c keeps this and what follows */
	struct loop_timer *next, *prev; /* in its slot of the wheel */
	unsigned           slot;        /* from 1; 0: not started */
};
#define LOOP_TICK_MS 4
/* Start, or move to another time. Milliseconds from loop_now(). */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t after_ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer); /* also when not started */

/*
 * A note to a loop, from any thread: `run(note)` on the loop's thread, in the order of posting of each poster.
 * The memory is the poster's; from loop_post() until `run` it is the loop's. A note is in one post at a time.
 */
struct loop_note {
	void (*run)(struct loop_note *note);
	struct loop_note *next; /* loop.c keeps it */
};
void loop_post(struct loop *loop, struct loop_note *note);

/*
 * How whoever was asked (ledger, reviewer, ...) wakes the one who waits: `resume(owner, verdict)` runs on `loop`.
 * The waiter fills loop, resume and owner once; one wait at a time.
 */
struct loop_wake {
	struct loop_note note;
	struct loop     *loop;
	void (*resume)(void *owner, int verdict);
	void *owner;
	int   verdict;
};
void loop_wake(struct loop_wake *wake, int verdict); /* any thread, also the loop's own */

/* An arena of at most LOOP_ARENA bytes from the loop's stock, empty, and back. NULL: no memory. */
#define LOOP_ARENA ((size_t)32 << 20)
struct arena *loop_arena_take(struct loop *loop);
void          loop_arena_give(struct loop *loop, struct arena *arena); /* NULL is fine */
/*
 * LOOP_SCRATCH bytes for whoever reads a descriptor, from recv() until what was read is dealt with. Only for those who
 * call nobody else that reads (door, server, engine); never inside engine callbacks.
 */
#define LOOP_SCRATCH 65536
uint8_t *loop_scratch(struct loop *loop);

#endif
