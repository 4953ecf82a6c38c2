#include "gateway/bench.h"

#include <stdlib.h>

#include "gateway/gateway.h"
#include "gateway/shadow.h"

void
bench_release(struct view *view)
{
	if (view == NULL || --view->users > 0)
		return;
	snapshots_release(view->snapshots);
	free(view);
}

/* The newest snapshots. NULL: no memory, or nothing was published yet. */
static struct view *
view_new(struct gateway *gateway)
{
	struct view *view = calloc(1, sizeof *view);

	if (view == NULL)
		return NULL;
	view->users = 1;
	/* The number first: when a publication comes between, the next request looks again. */
	view->generation = atomic_load_explicit(&gateway->generation, memory_order_acquire);
	if ((view->snapshots = gateway_hold(gateway)) == NULL) {
		free(view);
		return NULL;
	}
	view->config = view->snapshots->config;
	view->policy = view->snapshots->policy;
	view->registry = view->snapshots->registry;
	view->shadow = view->snapshots->shadow;
	return view;
}

struct view *
bench_view(struct bench *bench)
{
	if (bench->view->generation !=
	    atomic_load_explicit(&bench->gateway->generation, memory_order_acquire)) {
		struct view *fresh = view_new(bench->gateway);

		/* Without memory the old one serves on. */
		if (fresh != NULL) {
			bench_release(bench->view);
			bench->view = fresh;
		}
	}
	bench->view->users++;
	return bench->view;
}

struct bench *
bench_of(const struct loop *loop)
{
	return loop_part(loop, LOOP_PART_PIPELINE);
}

int
bench_begin(struct loop *loop, void *gateway, struct fault *why)
{
	struct bench *bench = calloc(1, sizeof *bench);

	if (bench == NULL)
		return fault_memory(why);
	bench->gateway = gateway;
	bench->loop = loop;
	loop_part_set(loop, LOOP_PART_PIPELINE, bench);
	if ((bench->metrics = metrics_shard(&bench->gateway->metrics)) == NULL ||
	    (bench->view = view_new(bench->gateway)) == NULL) {
		fault_memory(why);
		goto fail;
	}
	if (detector_open(&bench->detector, why) == -1)
		goto fail;
	return 0;
fail:
	bench_end(loop, gateway);
	return -1;
}

void
bench_end(struct loop *loop, void *gateway)
{
	struct bench *bench = bench_of(loop);

	(void)gateway;
	if (bench == NULL)
		return;
	detector_close(bench->detector);
	shadow_bench_free(bench->shadow);
	bench_release(bench->view);
	loop_part_set(loop, LOOP_PART_PIPELINE, NULL);
	free(bench);
}
