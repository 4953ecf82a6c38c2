#define _GNU_SOURCE /* accept4 */
#include "gateway/door_inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/base/log.h"

#define DOOR_ACCEPTS  64  /* in one round, so that those inside are served too */
#define DOOR_RETRY_MS 100 /* after accept() ran out of descriptors */

/* A new connection; the descriptor is ours whatever happens. */
static void
door_enter(struct door_listener *listener, int fd, const struct sockaddr_storage *address)
{
	struct door *door = listener->door;
	struct door_connection *c = calloc(1, sizeof *c);
	int one = 1, idle = 30, interval = 10, probes = 3; /* seconds; gone after a minute */
	bool counted;

	if (c == NULL || (listener->tls != NULL && (c->tls = tls_session_new(listener->tls, fd)) == NULL)) {
		free(c);
		close(fd);
		return;
	}
	if (address->ss_family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		/* A client whose machine has vanished sends no FIN: while an answer is made, only this finds out. */
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	}
	c->door = door;
	c->address = *address;
	address_write(c->peer, address);
	c->watch.fd = fd;
	connection_begin(c);
	c->state = c->tls != NULL ? DOOR_HANDSHAKE : DOOR_HEAD;
	buffer_init(&c->in, door->limits->head_size + LOOP_SCRATCH);
	buffer_init(&c->out, (size_t)LOOP_SCRATCH * 2);
	c->next = door->connections;
	if (c->next != NULL)
		c->next->previous = c;
	door->connections = c;
	door->count++;
	atomic_fetch_add_explicit(&door->accepted, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&door->open, 1, memory_order_relaxed);
	counted = address_count_enter(door->options.addresses, (const struct sockaddr *)address);
	if (!counted)
		c->address.ss_family = AF_UNSPEC; /* nothing to leave */
	if (loop_watch(door->loop, &c->watch, EPOLLIN | EPOLLRDHUP, NULL) == -1) {
		connection_end(c);
		return;
	}
	if (!counted) {
		door->head.method = METHOD_NONE;
		if (c->tls != NULL)
			connection_end(c);
		else
			connection_refuse(c, REFUSAL_CONNECTIONS);
		return;
	}
	connection_heads_enter(c);
	connection_timer(c, c->tls != NULL ? door->limits->tls_ms : door->limits->head_ms);
	/* Most clients speak at once: look before waiting. */
	connection_ready(&c->watch, 0);
}

void
listener_pause(struct door_listener *listener)
{
	loop_unwatch(listener->door->loop, &listener->watch);
}

static void
listener_retry(struct loop_timer *timer)
{
	struct door_listener *listener = timer->owner;

	if (!listener->door->draining && !listener->door->full && !listener->watch.watched &&
	    loop_watch(listener->door->loop, &listener->watch, listener->events, NULL) == -1)
		loop_timer_start(listener->door->loop, &listener->retry, DOOR_RETRY_MS);
}

void
listener_resume(struct door *door)
{
	door->full = false;
	for (size_t i = 0; i < door->listener_count; i++)
		listener_retry(&door->listeners[i].retry);
}

static void
listener_ready(struct loop_watch *watch, uint32_t events)
{
	struct door_listener *listener = (struct door_listener *)(void *)watch;
	struct door *door = listener->door;

	(void)events;
	for (unsigned i = 0; i < DOOR_ACCEPTS; i++) {
		struct sockaddr_storage address = {.ss_family = AF_UNIX};
		socklen_t size = sizeof address;
		int fd;

		if (door->count >= door->limits->connections) {
			/* Who has kept us waiting longest makes room; when all are being served, new ones wait in the kernel. */
			if (door->heads == NULL) {
				door->full = true;
				for (size_t l = 0; l < door->listener_count; l++)
					listener_pause(&door->listeners[l]);
				return;
			}
			connection_end(door->heads);
		}
		fd = accept4(watch->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
				log_warn("door", "event=accept errno=%d", errno);
				listener_pause(listener);
				loop_timer_start(door->loop, &listener->retry, DOOR_RETRY_MS);
				return;
			}
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				return;
			continue; /* that one was gone already */
		}
		if (size < sizeof address.ss_family)
			address.ss_family = AF_UNIX;
		door_enter(listener, fd, &address);
	}
}

int
door_listen(struct door *door, int fd, struct tls *tls, bool shared, struct fault *why)
{
	struct door_listener *listener;

	if (door->listener_count == DOOR_LISTENERS)
		return fault_set(why, FAULT_INVALID, "주소는 %d개까지입니다", "at most %d addresses",
		                 DOOR_LISTENERS);
	listener = &door->listeners[door->listener_count];
	listener->door = door;
	listener->tls = tls;
	listener->watch.fd = fd;
	listener->watch.ready = listener_ready;
	listener->retry.run = listener_retry;
	listener->retry.owner = listener;
	listener->events = EPOLLIN | (shared ? (uint32_t)EPOLLEXCLUSIVE : 0);
	if (loop_watch(door->loop, &listener->watch, listener->events, why) == -1)
		return -1;
	door->listener_count++;
	return 0;
}
