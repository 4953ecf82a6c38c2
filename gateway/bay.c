#define _GNU_SOURCE /* sched_getaffinity */
#include "gateway/bay.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "schema/base/log.h"

#define SERVER_GRACE_MS 3000 /* after everything was cut: for whoever still holds a request */

static int
bay_begin(struct bay *bay)
{
	struct server *server = bay->server;
	struct fault *why = &bay->why;

	if (server_http_start(bay, why) == -1)
		return -1;
	for (size_t i = 0; i < server->listeners.count; i++) {
		const struct listener *listener = &server->listeners.row[i];
		int fd = listener->shared ? listener->fd[0] : listener->fd[loop_index(bay->loop)];

		if (door_listen(bay->door, fd, listener->shared ? NULL : server->tls, listener->shared,
		                why) == -1)
			return -1;
	}
	if (server->options.handler.loop_begin != NULL &&
	    server->options.handler.loop_begin(bay->loop, server->options.handler.owner, why) == -1)
		return -1;
	bay->begun = true;
	return 0;
}

/* Nothing is served any more. */
static void
bay_end(struct bay *bay)
{
	door_cut(bay->door);
	server_http_settle(bay);
	if (bay->begun && bay->server->options.handler.loop_end != NULL)
		bay->server->options.handler.loop_end(bay->loop, bay->server->options.handler.owner);
	server_http_stop(bay);
}

static void *
bay_thread(void *owner)
{
	struct bay *bay = owner;
	struct server *server = bay->server;

	bay->failed = bay_begin(bay) == -1;
	pthread_mutex_lock(&server->lock);
	server->begun_count++;
	pthread_cond_signal(&server->begun);
	pthread_mutex_unlock(&server->lock);
	if (!bay->failed)
		loop_run(bay->loop);
	bay_end(bay);
	return NULL;
}

static void
bay_deadline(struct loop_timer *timer)
{
	struct bay *bay = timer->owner;

	if (bay->cut) { /* somebody holds a request that cannot be waited for */
		log_warn("server", "event=drain_incomplete requests=%zu", bay->arrivals);
		loop_stop(bay->loop);
		return;
	}
	bay->cut = true;
	door_cut(bay->door);
	loop_timer_start(bay->loop, timer, SERVER_GRACE_MS);
}

static void
bay_drain(struct loop_note *note)
{
	struct bay *bay = (struct bay *)(void *)((char *)note - offsetof(struct bay, drain));

	bay->draining = true;
	door_drain(bay->door);
	loop_timer_start(bay->loop, &bay->deadline, bay->deadline_ms);
}

static unsigned
cores(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

	return count < 1 ? 1 : count > SERVER_LOOPS ? SERVER_LOOPS : (unsigned)count;
}

static int
server_begin(struct server *server, struct fault *why)
{
	const struct server_options *options = &server->options;

	if (limits_check(&server->limits, why) == -1)
		return -1;
	if (options->tls_certificate != NULL &&
	    tls_open(&server->tls, options->tls_certificate, options->tls_key == NULL ? "" : options->tls_key,
	             options->tls_client_ca, options->tls_client_required, why) == -1)
		return -1;
	if ((server->addresses = address_count_new(server->limits.connections_per_address)) == NULL)
		return fault_memory(why);
	if (listeners_open(&server->listeners, options->listen, options->listen_count, server->loops, why) ==
	    -1)
		return -1;
	for (unsigned i = 0; i < server->loops; i++) {
		struct bay *bay = &server->bays[i];
		struct door_options door = {
		    .limits = &server->limits,
		    .addresses = server->addresses,
		    .handler = {server_request, server_left, server_room, bay},
		};

		bay->server = server;
		bay->drain.run = bay_drain;
		bay->deadline.run = bay_deadline;
		bay->deadline.owner = bay;
		if (loop_new(&bay->loop, i, why) == -1)
			return -1;
		loop_part_set(bay->loop, LOOP_PART_SERVER, bay);
		door.loop = bay->loop;
		if (door_new(&bay->door, &door, why) == -1)
			return -1;
	}
	for (unsigned i = 0; i < server->loops; i++) {
		int error = pthread_create(&server->bays[i].thread, NULL, bay_thread, &server->bays[i]);

		if (error != 0) {
			errno = error;
			return fault_errno(why, "스레드를 만들 수 없습니다", "cannot make a thread");
		}
		server->bays[i].threaded = true;
	}
	pthread_mutex_lock(&server->lock);
	while (server->begun_count < server->loops)
		pthread_cond_wait(&server->begun, &server->lock);
	pthread_mutex_unlock(&server->lock);
	for (unsigned i = 0; i < server->loops; i++)
		if (server->bays[i].failed) {
			if (why != NULL)
				*why = server->bays[i].why;
			return -1;
		}
	return 0;
}

/* Every client is a descriptor, every answer under way two: as many as the system lets us have. */
static void
more_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		log_warn("server", "event=descriptors errno=%d", errno);
}

int
server_start(struct server **out, const struct server_options *options, struct fault *why)
{
	struct server *server = calloc(1, sizeof *server);

	if (server == NULL)
		return fault_memory(why);
	more_descriptors();
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	server->options = *options;
	server->limits = options->limits;
	server->loops = options->loops == 0             ? cores()
	                : options->loops > SERVER_LOOPS ? SERVER_LOOPS
	                                                : options->loops;
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->begun, NULL);
	if (server_begin(server, why) == -1) {
		server_stop(server, 0);
		return -1;
	}
	*out = server;
	return 0;
}

void
server_stop(struct server *server, unsigned deadline_ms)
{
	if (server == NULL)
		return;
	for (unsigned i = 0; i < server->loops; i++) {
		struct bay *bay = &server->bays[i];

		if (!bay->threaded || bay->failed)
			continue;
		bay->deadline_ms = deadline_ms;
		loop_post(bay->loop, &bay->drain);
	}
	for (unsigned i = 0; i < server->loops; i++)
		if (server->bays[i].threaded)
			pthread_join(server->bays[i].thread, NULL);
	for (unsigned i = 0; i < server->loops; i++) {
		loop_free(server->bays[i].loop);
		door_free(server->bays[i].door);
	}
	listeners_close(&server->listeners);
	address_count_free(server->addresses);
	tls_close(server->tls);
	pthread_cond_destroy(&server->begun);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

void
server_renew(struct server *server, struct tls *fresh)
{
	if (server->tls == NULL)
		tls_close(fresh);
	else
		tls_renew(server->tls, fresh);
}

const char *
server_address(const struct server *server, size_t index)
{
	return index < server->listeners.count ? server->listeners.row[index].text : NULL;
}

unsigned
server_loop_count(const struct server *server)
{
	return server->loops;
}

struct loop *
server_loop(const struct server *server, unsigned index)
{
	return index < server->loops ? server->bays[index].loop : NULL;
}

void
server_numbers(const struct server *server, struct server_numbers *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i < server->loops; i++)
		door_numbers(server->bays[i].door, out);
}
