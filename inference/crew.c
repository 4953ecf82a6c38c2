#define _GNU_SOURCE /* sched_getaffinity, syscall */
#include "inference/crew.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* About ten microseconds, thirty where pausing takes long: longer than between two matrices, shorter than anybody notices. */
#define SPINS 2000

struct crew {
	size_t size;
	/*
	 * ticket: the number of the piece of work (high half) and the next chunk of it (low half) in one word, so that
	 * a chunk can only be taken from the piece that the taker looked at.
	 */
	_Alignas(64) _Atomic uint64_t ticket;
	_Atomic(crew_work *) work;
	_Atomic(void *) argument;
	_Atomic uint32_t count;
	_Alignas(64) _Atomic uint32_t done; /* chunks finished; the caller sleeps on it */
	_Atomic uint32_t waiting;           /* the caller sleeps */
	_Alignas(64) _Atomic uint32_t call; /* changes with each piece; helpers sleep on it */
	_Atomic uint32_t sleepers;
	_Atomic bool over;
	struct helper {
		struct crew *crew;
		pthread_t thread;
		size_t member;
	} helpers[];
};

static void
futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void
futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static inline void
relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* Take chunks of the piece that is on until none is left. */
static void
work_along(struct crew *crew, size_t member)
{
	uint64_t ticket = atomic_load(&crew->ticket);

	for (;;) {
		uint32_t next = (uint32_t)ticket;
		crew_work *work = atomic_load_explicit(&crew->work, memory_order_relaxed);
		void *argument = atomic_load_explicit(&crew->argument, memory_order_relaxed);
		uint32_t count = atomic_load_explicit(&crew->count, memory_order_relaxed);

		if (next >= count)
			return;
		/* Success shows that the piece has not changed since its fields were read. */
		if (!atomic_compare_exchange_weak(&crew->ticket, &ticket, ticket + 1))
			continue;
		work(argument, next, member);
		if (atomic_fetch_add(&crew->done, 1) + 1 == count && atomic_load(&crew->waiting) != 0)
			futex_wake(&crew->done);
		ticket = atomic_load(&crew->ticket);
	}
}

static void *
helper_run(void *argument)
{
	struct helper *helper = argument;
	struct crew *crew = helper->crew;
	uint32_t seen = 0;

	while (!atomic_load(&crew->over)) {
		uint32_t call = atomic_load(&crew->call);

		for (unsigned i = 0; i < SPINS && call == seen; i++) {
			relax();
			call = atomic_load_explicit(&crew->call, memory_order_relaxed);
		}
		if (call == seen) {
			atomic_fetch_add(&crew->sleepers, 1);
			futex_wait(&crew->call, seen);
			atomic_fetch_sub(&crew->sleepers, 1);
			continue;
		}
		seen = call;
		work_along(crew, helper->member);
	}
	return NULL;
}

int
crew_start(struct crew **out, size_t size, struct fault *why)
{
	struct crew *crew;
	size_t bytes;

	if (size < 1)
		size = 1;
	if (size > 1024)
		size = 1024;
	bytes = (sizeof *crew + (size - 1) * sizeof *crew->helpers + 63) & ~(size_t)63;
	if ((crew = aligned_alloc(64, bytes)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < bytes; i++)
		((char *)crew)[i] = 0;
	crew->size = 1;
	for (size_t i = 1; i < size; i++) {
		struct helper *helper = &crew->helpers[i - 1];

		helper->crew = crew;
		helper->member = i;
		if (pthread_create(&helper->thread, NULL, helper_run, helper) != 0) {
			crew_stop(crew);
			return fault_errno(why, "계산 스레드", "worker thread");
		}
		crew->size++;
	}
	*out = crew;
	return 0;
}

void
crew_stop(struct crew *crew)
{
	if (crew == NULL)
		return;
	atomic_store(&crew->over, true);
	atomic_fetch_add(&crew->call, 1);
	futex_wake(&crew->call);
	for (size_t i = 1; i < crew->size; i++)
		pthread_join(crew->helpers[i - 1].thread, NULL);
	free(crew);
}

size_t
crew_size(const struct crew *crew)
{
	return crew->size;
}

void
crew_share(struct crew *crew, size_t count, crew_work *work, void *argument)
{
	uint64_t piece;
	uint32_t done;

	if (crew->size == 1 || count < 2) {
		for (size_t i = 0; i < count; i++)
			work(argument, i, 0);
		return;
	}
	piece = (atomic_load(&crew->ticket) >> 32) + 1;
	/* Nobody can take while the old piece's next chunk is past any count. */
	atomic_store(&crew->ticket, piece << 32 | UINT32_MAX);
	atomic_store(&crew->done, 0);
	atomic_store_explicit(&crew->work, work, memory_order_relaxed);
	atomic_store_explicit(&crew->argument, argument, memory_order_relaxed);
	atomic_store_explicit(&crew->count, (uint32_t)count, memory_order_relaxed);
	atomic_store(&crew->ticket, (piece + 1) << 32);
	atomic_fetch_add(&crew->call, 1);
	if (atomic_load(&crew->sleepers) != 0)
		futex_wake(&crew->call);
	work_along(crew, 0);
	for (unsigned i = 0; i < SPINS; i++) {
		if (atomic_load(&crew->done) == count)
			return;
		relax();
	}
	atomic_store(&crew->waiting, 1);
	while ((done = atomic_load(&crew->done)) != count)
		futex_wait(&crew->done, done);
	atomic_store(&crew->waiting, 0);
}

size_t
crew_processors(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) == -1 || CPU_COUNT(&set) < 1)
		return 1;
	return (size_t)CPU_COUNT(&set);
}
