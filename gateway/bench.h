/*
 * bench -- what one loop keeps for its requests: the snapshots in force, a detector, counters.
 *
 * A view is one thread's hold on the snapshots (configuration, policy, registry). Requests keep the view they began
 * with, counted without atomics since they never change threads; when the gateway publishes new snapshots the bench
 * takes a new view for the next request, and the old one ends with its last request.
 */
#ifndef HAECHI_GATEWAY_BENCH_H
#define HAECHI_GATEWAY_BENCH_H

#include "gateway/loop.h"
#include "gateway/metrics.h"
#include "policy/policy.h"

struct config;
struct gateway;
struct registry;
struct shadow;
struct shadow_bench; /* gateway/shadow.h */
struct snapshots; /* gateway/gateway.h */

struct view {
	struct snapshots *snapshots; /* held once */
	const struct config *config; /* these borrow from it */
	const struct policy *policy;
	const struct registry *registry;
	struct shadow *shadow; /* NULL: no candidate */
	uint64_t generation;
	size_t users; /* requests, and the bench while it is the current one */
};

struct bench {
	struct gateway *gateway;
	struct loop *loop;
	struct detector *detector;
	struct metrics *metrics; /* this loop's own counters */
	struct view *view;       /* the current one */
	struct shadow_bench *shadow; /* NULL until a candidate policy ran here */
};

/* On the loop's thread, before its first and after its last request: server_options.loop_begin and loop_end. */
MUST_CHECK int bench_begin(struct loop *loop, void *gateway, struct fault *why);
void bench_end(struct loop *loop, void *gateway);
struct bench *bench_of(const struct loop *loop);

/* The current view, counted for the caller. Never NULL once bench_begin() succeeded. */
struct view *bench_view(struct bench *bench);
void bench_release(struct view *view); /* NULL is fine */

#endif
