#include "gateway/door_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/entry.h"

#define DOOR_LINGER_MAX ((size_t)4 << 20) /* bytes of a refused request that are read away */

/* ---- life of a connection ------------------------------------------------------------------------------------- */

void
connection_heads_leave(struct door_connection *c)
{
	struct door *door = c->door;

	if (!c->in_heads)
		return;
	c->in_heads = false;
	if (c->next_head != NULL)
		c->next_head->previous_head = c->previous_head;
	else
		door->heads_end = c->previous_head;
	if (c->previous_head != NULL)
		c->previous_head->next_head = c->next_head;
	else
		door->heads = c->next_head;
	c->next_head = c->previous_head = NULL;
}

void
connection_heads_enter(struct door_connection *c)
{
	struct door *door = c->door;

	connection_heads_leave(c);
	c->in_heads = true;
	c->previous_head = door->heads_end;
	if (door->heads_end != NULL)
		door->heads_end->next_head = c;
	else
		door->heads = c;
	door->heads_end = c;
}

void
connection_timer(struct door_connection *c, unsigned after_ms)
{
	loop_timer_start(c->door->loop, &c->timer, after_ms);
}

/* The memory goes at the end of the round: a note or an event may still name it. */
void
connection_end(struct door_connection *c)
{
	struct door *door = c->door;
	bool working = c->state == DOOR_WORK;

	if (c->state == DOOR_DEAD)
		return;
	c->state = DOOR_DEAD;
	loop_timer_stop(door->loop, &c->timer);
	loop_unwatch(door->loop, &c->watch);
	connection_heads_leave(c);
	if (working && c->context != NULL) {
		atomic_fetch_add_explicit(&door->left, 1, memory_order_relaxed);
		door->options.handler.left(c, door->options.handler.owner);
	}
	tls_session_free(c->tls);
	c->tls = NULL;
	close(c->watch.fd);
	c->watch.fd = -1;
	arrival_free(c->arrival);
	c->arrival = NULL;
	buffer_free(&c->in);
	buffer_free(&c->out);
	address_count_leave(door->options.addresses, (struct sockaddr *)&c->address);
	if (c->next != NULL)
		c->next->previous = c->previous;
	if (c->previous != NULL)
		c->previous->next = c->next;
	else
		door->connections = c->next;
	c->previous = NULL;
	c->next = door->dead;
	door->dead = c;
	door->count--;
	atomic_fetch_sub_explicit(&door->open, 1, memory_order_relaxed);
	if (door->full && !door->draining)
		listener_resume(door);
}

static void
door_bury(void *owner)
{
	struct door *door = owner;
	struct door_connection **at = &door->dead;

	while (*at != NULL) {
		struct door_connection *c = *at;

		if (c->noted) { /* its note comes first */
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}

static ssize_t
connection_write(struct door_connection *c, const void *bytes, size_t size)
{
	return c->tls != NULL ? tls_write(c->tls, bytes, size) : send(c->watch.fd, bytes, size, MSG_NOSIGNAL);
}

bool
connection_would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Everything was said. Half-close, then wait a moment: closing at once could destroy what is on its way. */
static void
connection_linger(struct door_connection *c)
{
	if (c->state != DOOR_LINGER) {
		c->state = DOOR_LINGER;
		connection_heads_leave(c);
		c->lingered = 0;
		connection_timer(c, c->out.size > 0 ? c->door->limits->send_ms : c->door->limits->linger_ms);
	}
	if (c->out.size == 0 && !c->shut) {
		c->shut = true;
		if (c->tls != NULL)
			tls_shutdown(c->tls);
		shutdown(c->watch.fd, SHUT_WR);
		connection_timer(c, c->door->limits->linger_ms);
	}
	loop_rewatch(c->door->loop, &c->watch, EPOLLIN | (c->out.size > 0 ? (uint32_t)EPOLLOUT : 0));
}

/* Send what waits. false: the connection has ended. */
bool
connection_flush(struct door_connection *c)
{
	size_t sent = 0;

	while (sent < c->out.size) {
		ssize_t n = connection_write(c, c->out.data + sent, c->out.size - sent);

		if (n > 0) {
			sent += (size_t)n;
			continue;
		}
		if (n == -1 && connection_would_block())
			break;
		connection_end(c);
		return false;
	}
	if (sent == c->out.size)
		buffer_reset(&c->out);
	else
		buffer_consume(&c->out, sent);
	if (sent > 0 && c->out.size > 0)
		connection_timer(c, c->door->limits->send_ms);
	return true;
}

/* The client's own name for the request, where its head was read that far, else one of ours: he may ask about it. */
static void
request_id_of(const struct door_connection *c, char out[HEAD_REQUEST_ID_SIZE])
{
	const struct arrival *const arrival = c->arrival;
	const struct head *const head = &c->door->head; /* just refused, when the arrival has no fields */
	const struct field *fields = arrival == NULL ? NULL : arrival->fields;
	size_t count = arrival == NULL ? 0 : arrival->field_count;

	if (arrival != NULL && fields == NULL) {
		fields = head->fields;
		count = head->field_count;
	}
	for (size_t i = 0; i < count; i++)
		if (head_name_is(fields[i].name, "x-request-id") && head_request_id(out, fields[i].value))
			return;
	entry_id_make(out, clock_wall_ms());
}

void
connection_refuse(struct door_connection *c, enum refusal refusal)
{
	bool head_only = c->door->head.method == METHOD_HEAD && c->state == DOOR_HEAD;
	char request_id[HEAD_REQUEST_ID_SIZE];

	atomic_fetch_add_explicit(&c->door->refused, 1, memory_order_relaxed);
	request_id_of(c, request_id);
	log_debug("door", "event=refused code=%s peer=%s request_id=%s", refusal_code(refusal), c->peer,
	          request_id);
	arrival_free(c->arrival);
	c->arrival = NULL;
	buffer_free(&c->in);
	refusal_write(&c->out, refusal, request_id, head_only);
	if (connection_flush(c))
		connection_linger(c);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

void
door_set(struct door_connection *c, void *context)
{
	c->context = context;
}

void *
door_get(const struct door_connection *c)
{
	return c->context;
}

bool
door_closing(const struct door_connection *c)
{
	return c->closing || c->door->draining || c->requests >= c->door->limits->requests_per_connection;
}

bool
door_room(const struct door_connection *c)
{
	return c->out.size == 0;
}

bool
door_send(struct door_connection *c, struct slice bytes)
{
	ssize_t n;

	while (bytes.size > 0) {
		n = connection_write(c, bytes.data, bytes.size);
		if (n == -1 && connection_would_block())
			break;
		if (n <= 0) {
			connection_end(c);
			return false;
		}
		bytes = slice_of(bytes.data + n, bytes.size - (size_t)n);
	}
	if (bytes.size == 0) {
		if (c->half)
			loop_timer_stop(c->door->loop,
			                &c->timer); /* if he is gone, the next sending will tell */
		return true;
	}
	buffer_append(&c->out, bytes.data, bytes.size);
	if (!buffer_ok(&c->out)) {
		connection_end(c);
		return false;
	}
	connection_timer(c, c->door->limits->send_ms);
	loop_rewatch(c->door->loop, &c->watch, EPOLLOUT | (c->half ? 0 : (uint32_t)EPOLLRDHUP));
	return true;
}

static void
connection_turn(struct door_connection *c)
{
	struct door *door = c->door;

	c->finishing = false;
	c->state = DOOR_HEAD;
	c->scan = (struct head_scan){0};
	if (c->closing) {
		connection_linger(c);
		return;
	}
	connection_heads_enter(c);
	connection_timer(c, c->in.size > 0 ? door->limits->head_ms : door->limits->idle_ms);
	loop_rewatch(door->loop, &c->watch, EPOLLIN | EPOLLRDHUP);
	/* A request may lie behind the last one; not here, where its answer is being ended. */
	if ((c->in.size > 0 || (c->tls != NULL && tls_pending(c->tls))) && !c->noted) {
		c->noted = true;
		loop_post(door->loop, &c->again);
	}
}

void
door_finish(struct door_connection *c, bool close)
{
	if (c->state != DOOR_WORK)
		return;
	c->context = NULL;
	if (close || door_closing(c))
		c->closing = true;
	if (c->out.size > 0) {
		c->finishing = true; /* the rest is sent first */
		return;
	}
	connection_turn(c);
}

void
door_abort(struct door_connection *c)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	c->context = NULL;
	if (c->state == DOOR_DEAD)
		return;
	setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	connection_end(c);
}

static void
connection_again(struct loop_note *note)
{
	struct door_connection *c =
	    (struct door_connection *)(void *)((char *)note - offsetof(struct door_connection, again));

	c->noted = false;
	if (c->state != DOOR_HEAD)
		return;
	connection_process(c);
	if (c->state == DOOR_HEAD || c->state == DOOR_BODY)
		connection_input(c);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static void
connection_working(struct door_connection *c, uint32_t events)
{
	uint32_t watch;

	if (events & (EPOLLERR | EPOLLHUP)) {
		connection_end(c);
		return;
	}
	if ((events & EPOLLOUT) && c->out.size > 0) {
		if (!connection_flush(c))
			return;
		if (c->out.size == 0) {
			loop_timer_stop(c->door->loop, &c->timer);
			if (c->finishing) {
				connection_turn(c);
				return;
			}
			c->door->options.handler.room(c, c->door->options.handler.owner);
			if (c->state != DOOR_WORK)
				return;
		}
	}
	if ((events & EPOLLRDHUP) && !c->half) {
		/*
		 * Closed, or only done with sending: TCP does not tell. He has half_ms to get his answer; once one is being
		 * sent the sending finds out.
		 */
		c->half = true;
		if (c->out.size == 0)
			connection_timer(c, c->door->limits->half_ms);
	}
	watch = c->half ? 0 : (uint32_t)EPOLLRDHUP; /* a pipelined request stays in the kernel */
	loop_rewatch(c->door->loop, &c->watch, watch | (c->out.size > 0 ? (uint32_t)EPOLLOUT : 0));
}

static void
connection_lingering(struct door_connection *c, uint32_t events)
{
	uint8_t *scratch = loop_scratch(c->door->loop);

	if (events & (EPOLLERR | EPOLLHUP)) {
		connection_end(c);
		return;
	}
	if (events & EPOLLOUT) {
		if (!connection_flush(c))
			return;
		connection_linger(c);
	}
	if (events & EPOLLIN) {
		ssize_t n = recv(c->watch.fd, scratch, LOOP_SCRATCH, 0);

		if (n == -1 && connection_would_block())
			return;
		if (n > 0)
			c->lingered += (size_t)n;
		if (n <= 0 || c->lingered > DOOR_LINGER_MAX)
			connection_end(c);
	}
}

static void
connection_handshake(struct door_connection *c)
{
	int result = tls_handshake(c->tls);

	if (result == 1) {
		c->state = DOOR_HEAD;
		connection_timer(c, c->door->limits->head_ms);
		loop_rewatch(c->door->loop, &c->watch, EPOLLIN | EPOLLRDHUP);
		connection_input(c);
	} else if (result == 0)
		loop_rewatch(c->door->loop, &c->watch, tls_wants_write(c->tls) ? EPOLLOUT : EPOLLIN);
	else if (tls_was_plain(c->tls)) {
		tls_session_free(c->tls);
		c->tls = NULL;
		connection_refuse(c, REFUSAL_PLAIN_ON_TLS);
	} else
		connection_end(c);
}

void
connection_ready(struct loop_watch *watch, uint32_t events)
{
	struct door_connection *c = (struct door_connection *)(void *)watch;

	switch (c->state) {
	case DOOR_HANDSHAKE:
		connection_handshake(c);
		return;
	case DOOR_HEAD:
	case DOOR_BODY:
		connection_input(c);
		return;
	case DOOR_WORK:
		connection_working(c, events);
		return;
	case DOOR_LINGER:
		connection_lingering(c, events);
		return;
	case DOOR_DEAD:
		return;
	}
}

static void
connection_timeout(struct loop_timer *timer)
{
	struct door_connection *c = timer->owner;

	switch (c->state) {
	case DOOR_HEAD:
		if (c->in.size > 0) {
			connection_refuse(c, REFUSAL_SLOW);
			return;
		}
		break;
	case DOOR_BODY:
		connection_refuse(c, REFUSAL_SLOW);
		return;
	case DOOR_HANDSHAKE:
	case DOOR_WORK: /* takes nothing, or half-closed and nothing to answer */
	case DOOR_LINGER:
	case DOOR_DEAD:
		break;
	}
	connection_end(c);
}

void
connection_begin(struct door_connection *c)
{
	c->watch.ready = connection_ready;
	c->timer.run = connection_timeout;
	c->timer.owner = c;
	c->again.run = connection_again;
}

/* ---- the door ----------------------------------------------------------------------------------------------------- */

int
door_new(struct door **out, const struct door_options *options, struct fault *why)
{
	struct door *door = calloc(1, sizeof *door);

	if (door == NULL)
		return fault_memory(why);
	door->options = *options;
	door->loop = options->loop;
	door->limits = options->limits;
	if (loop_each_round(door->loop, door_bury, door, why) == -1) {
		free(door);
		return -1;
	}
	*out = door;
	return 0;
}

void
door_drain(struct door *door)
{
	struct door_connection *next;

	door->draining = true;
	for (size_t i = 0; i < door->listener_count; i++) {
		listener_pause(&door->listeners[i]);
		loop_timer_stop(door->loop, &door->listeners[i].retry);
	}
	for (struct door_connection *c = door->connections; c != NULL; c = next) {
		next = c->next;
		if (c->state == DOOR_HANDSHAKE || (c->state == DOOR_HEAD && c->in.size == 0))
			connection_end(c);
	}
}

void
door_cut(struct door *door)
{
	while (door->connections != NULL)
		connection_end(door->connections);
}

void
door_free(struct door *door)
{
	struct door_connection *next;

	if (door == NULL)
		return;
	for (struct door_connection *c = door->dead; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(door);
}

size_t
door_connections(const struct door *door)
{
	return door->count;
}

void
door_numbers(const struct door *door, struct server_numbers *add)
{
	add->connections += atomic_load_explicit(&door->accepted, memory_order_relaxed);
	add->connections_now += atomic_load_explicit(&door->open, memory_order_relaxed);
	add->requests += atomic_load_explicit(&door->requests, memory_order_relaxed);
	add->refused += atomic_load_explicit(&door->refused, memory_order_relaxed);
	add->left += atomic_load_explicit(&door->left, memory_order_relaxed);
}
