#define _GNU_SOURCE /* accept4 */
#include "gateway/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/chunk.h"
#include "gateway/head.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define DOOR_LISTENERS  (SERVER_ADDRESSES)
#define DOOR_ACCEPTS    64                /* in one round, so that those inside are served too */
#define DOOR_RETRY_MS   100               /* after accept() ran out of descriptors */
#define DOOR_LINGER_MAX ((size_t)4 << 20) /* bytes of a refused request that are read away */
#define DOOR_PEER_SIZE  64

enum door_state {
	DOOR_HANDSHAKE,
	DOOR_HEAD,   /* idle, or part of a head is there */
	DOOR_BODY,   /* the head was good */
	DOOR_WORK,   /* a request was handed on, its answer is made or sent */
	DOOR_LINGER, /* everything was said: send the rest, then read until the client has closed too */
	DOOR_DEAD,
};

struct door_connection {
	struct loop_watch watch; /* first: the watch is the connection */
	struct loop_timer timer; /* of the state */
	struct loop_note again;  /* go on with what was read already */
	struct door *door;
	struct door_connection *next, *previous;           /* all of the door */
	struct door_connection *next_head, *previous_head; /* those whose turn it is to speak; oldest first */
	enum door_state state;
	bool in_heads, noted, half, shut, closing, finishing;
	unsigned requests;
	size_t lingered;
	struct tls_session *tls;
	struct buffer in;  /* read, not yet understood */
	struct buffer out; /* to be sent */
	struct head_scan scan;
	struct arrival *arrival; /* while its body is read */
	enum head_body body;
	size_t body_left;
	struct chunk chunk;
	void *context; /* of the handler, while DOOR_WORK */
	struct sockaddr_storage address;
	char peer[DOOR_PEER_SIZE];
};

struct door_listener {
	struct loop_watch watch;
	struct loop_timer retry;
	struct door *door;
	struct tls *tls;
	uint32_t events;
};

struct door {
	struct door_options options;
	struct loop *loop;
	const struct limits *limits;
	struct door_listener listeners[DOOR_LISTENERS];
	size_t listener_count;
	struct door_connection *connections, *dead;
	struct door_connection *heads, *heads_end;
	size_t count;
	bool draining, full;
	struct head head; /* the one being read */
	_Atomic(uint64_t) accepted, open, requests, refused, left;
};

static void connection_ready(struct loop_watch *watch, uint32_t events);
static void connection_timeout(struct loop_timer *timer);
static void connection_again(struct loop_note *note);
static void listener_resume(struct door *door);

/* ---- life of a connection ------------------------------------------------------------------------------------- */

static void
heads_leave(struct door_connection *c)
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

static void
heads_enter(struct door_connection *c)
{
	struct door *door = c->door;

	heads_leave(c);
	c->in_heads = true;
	c->previous_head = door->heads_end;
	if (door->heads_end != NULL)
		door->heads_end->next_head = c;
	else
		door->heads = c;
	door->heads_end = c;
}

static void
connection_timer(struct door_connection *c, unsigned after_ms)
{
	loop_timer_start(c->door->loop, &c->timer, after_ms);
}

/* The memory goes at the end of the round: a note or an event may still name it. */
static void
connection_end(struct door_connection *c)
{
	struct door *door = c->door;
	bool working = c->state == DOOR_WORK;

	if (c->state == DOOR_DEAD)
		return;
	c->state = DOOR_DEAD;
	loop_timer_stop(door->loop, &c->timer);
	loop_unwatch(door->loop, &c->watch);
	heads_leave(c);
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
connection_read(struct door_connection *c, void *out, size_t size)
{
	return c->tls != NULL ? tls_read(c->tls, out, size) : recv(c->watch.fd, out, size, 0);
}

static ssize_t
connection_write(struct door_connection *c, const void *bytes, size_t size)
{
	return c->tls != NULL ? tls_write(c->tls, bytes, size) : send(c->watch.fd, bytes, size, MSG_NOSIGNAL);
}

static bool
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Everything was said. Half-close, then wait a moment: closing at once could destroy what is on its way. */
static void
connection_linger(struct door_connection *c)
{
	if (c->state != DOOR_LINGER) {
		c->state = DOOR_LINGER;
		heads_leave(c);
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
static bool
connection_flush(struct door_connection *c)
{
	size_t sent = 0;

	while (sent < c->out.size) {
		ssize_t n = connection_write(c, c->out.data + sent, c->out.size - sent);

		if (n > 0) {
			sent += (size_t)n;
			continue;
		}
		if (n == -1 && would_block())
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

static void
connection_refuse(struct door_connection *c, enum refusal refusal)
{
	bool head_only = c->door->head.method == METHOD_HEAD && c->state == DOOR_HEAD;

	atomic_fetch_add_explicit(&c->door->refused, 1, memory_order_relaxed);
	log_debug("door", "event=refused code=%s peer=%s", refusal_code(refusal), c->peer);
	arrival_free(c->arrival);
	c->arrival = NULL;
	buffer_free(&c->in);
	refusal_write(&c->out, refusal, head_only);
	if (connection_flush(c))
		connection_linger(c);
}

/* ---- from bytes to a request ------------------------------------------------------------------------------------ */

static void
connection_dispatch(struct door_connection *c)
{
	struct arrival *arrival = c->arrival;
	struct door *door = c->door;

	buffer_text(&arrival->storage); /* its zero */
	if (!buffer_ok(&arrival->storage)) {
		connection_end(c);
		return;
	}
	arrival->body = buffer_view(&arrival->storage);
	arrival->complete_ns = loop_now(door->loop);
	c->arrival = NULL;
	c->state = DOOR_WORK;
	c->requests++;
	heads_leave(c);
	loop_timer_stop(door->loop, &c->timer);
	atomic_fetch_add_explicit(&door->requests, 1, memory_order_relaxed);
	door->options.handler.request(c, arrival, door->options.handler.owner);
}

/* The head in c->in is complete and `size` bytes long. false: the connection is no longer in need of a body. */
static bool
connection_head(struct door_connection *c, size_t size)
{
	struct door *door = c->door;
	struct head *head = &door->head;
	struct arena *arena = loop_arena_take(door->loop);
	struct arrival *arrival;
	struct field *fields;
	const uint8_t *text;
	enum refusal refusal;

	if (arena == NULL || (arrival = arena_alloc(arena, sizeof *arrival)) == NULL ||
	    (text = arena_copy(arena, c->in.data, size)) == NULL) {
		loop_arena_give(door->loop, arena);
		connection_end(c);
		return false;
	}
	arrival->arena = arena;
	arrival->loop = door->loop;
	c->arrival = arrival;
	buffer_consume(&c->in, size);
	c->scan = (struct head_scan){0};
	if ((refusal = head_read(head, slice_of(text, size), door->limits)) != REFUSAL_NONE) {
		connection_refuse(c, refusal);
		return false;
	}
	if ((fields = arena_array(arena, head->field_count, sizeof *fields)) != NULL)
		memcpy(fields, head->fields, head->field_count * sizeof *fields);
	arrival->method = head->method;
	arrival->target = arena_text(arena, head->target);
	arrival->path = arena_text(arena, slice_of(head->target.data, head->path_size));
	arrival->query = arrival->target == NULL ? NULL : arrival->target + head->path_size;
	if (arrival->query != NULL && *arrival->query == '?')
		arrival->query++;
	arrival->fields = fields;
	arrival->field_count = head->field_count;
	arrival->peer = arena_string(arena, c->peer);
	arrival->certificate = arrival->certificate_subject = "";
	if (c->tls != NULL) {
		arrival->tls = true;
		tls_client(c->tls, arena, &arrival->certificate, &arrival->certificate_subject);
	}
	arrival->head_ns = loop_now(door->loop);
	buffer_init(&arrival->storage, door->limits->body_size + 1);
	if (!arena_ok(arena) || arrival->certificate == NULL || arrival->certificate_subject == NULL) {
		connection_end(c);
		return false;
	}
	c->body = head->body;
	c->body_left = head->length;
	c->chunk = (struct chunk){0};
	if (head->close)
		c->closing = true;
	c->state = DOOR_BODY;
	if (head->expect && c->in.size == 0 && (c->body == HEAD_BODY_CHUNKED || c->body_left > 0)) {
		buffer_string(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
		if (!connection_flush(c))
			return false;
	}
	return true;
}

/* Bytes of the body, from the front of *input. true: the body is whole. May refuse: look at the state. */
static bool
connection_body(struct door_connection *c, struct slice *input)
{
	struct buffer *storage = &c->arrival->storage;
	struct slice data;

	if (c->body != HEAD_BODY_CHUNKED) {
		size_t size = input->size < c->body_left ? input->size : c->body_left;

		if (size > 0)
			buffer_append(storage, input->data, size);
		*input = slice_of(input->data + size, input->size - size);
		c->body_left -= size;
		return c->body_left == 0;
	}
	while (input->size > 0 && c->chunk.state != CHUNK_DONE) {
		chunk_next(&c->chunk, input, &data);
		if (c->chunk.state == CHUNK_BROKEN || c->chunk.state == CHUNK_TRAILER) {
			connection_refuse(c,
			                  c->chunk.state == CHUNK_BROKEN ? REFUSAL_CHUNK : REFUSAL_TRAILER);
			return false;
		}
		/* What is announced counts, not only what is there. */
		if (storage->size + data.size + (c->chunk.state == CHUNK_DATA ? c->chunk.left : 0) >
		    c->door->limits->body_size) {
			connection_refuse(c, REFUSAL_BODY_LARGE);
			return false;
		}
		if (data.size > 0)
			buffer_append(storage, data.data, data.size);
	}
	return c->chunk.state == CHUNK_DONE;
}

/* What came along with the head; the rest goes by connection_input(). */
static void
connection_begin_body(struct door_connection *c)
{
	struct slice input = buffer_view(&c->in);
	size_t before = input.size;
	bool whole = connection_body(c, &input);

	if (c->state != DOOR_BODY)
		return;
	buffer_consume(&c->in, before - input.size);
	if (whole)
		connection_dispatch(c);
	else
		connection_timer(c, c->door->limits->body_ms);
}

/* Understand what is in c->in, as far as it goes. */
static void
connection_process(struct door_connection *c)
{
	if (c->state == DOOR_HEAD) {
		enum refusal refusal;
		size_t size;

		if (c->in.size == 0)
			return;
		c->door->head.method = METHOD_NONE;
		size = head_scan(buffer_view(&c->in), &c->scan, c->door->limits, &refusal);
		if (refusal != REFUSAL_NONE) {
			connection_refuse(c, refusal);
			return;
		}
		if (size == 0)
			return;
		if (connection_head(c, size))
			connection_begin_body(c);
	}
}

/* Read as long as a request may come. */
static void
connection_input(struct door_connection *c)
{
	struct door *door = c->door;
	uint8_t *scratch = loop_scratch(door->loop);

	while (c->state == DOOR_HEAD || c->state == DOOR_BODY) {
		ssize_t n = connection_read(c, scratch, LOOP_SCRATCH);

		if (n == -1 && would_block()) {
			uint32_t out = c->tls != NULL && tls_wants_write(c->tls) ? (uint32_t)EPOLLOUT : 0;

			loop_rewatch(door->loop, &c->watch, EPOLLIN | EPOLLRDHUP | out);
			return;
		}
		if (n == -1 || (n == 0 && c->state == DOOR_HEAD && c->in.size == 0)) {
			connection_end(c);
			return;
		}
		if (n == 0) {
			connection_refuse(c, REFUSAL_CUT_SHORT);
			return;
		}
		if (c->state == DOOR_BODY) {
			/* The common way of a body: straight to where it stays. */
			struct slice input = slice_of(scratch, (size_t)n);
			bool whole = connection_body(c, &input);

			if (c->state != DOOR_BODY)
				return;
			if (input.size > 0)
				buffer_append(&c->in, input.data, input.size);
			if (whole)
				connection_dispatch(c);
		} else {
			bool first = c->state == DOOR_HEAD && c->in.size == 0;

			buffer_append(&c->in, scratch, (size_t)n);
			connection_process(c);
			if (first && c->state == DOOR_HEAD && c->in.size > 0 && c->requests > 0)
				connection_timer(c, door->limits->head_ms);
		}
		if (c->state != DOOR_DEAD &&
		    (!buffer_ok(&c->in) || (c->arrival != NULL && !buffer_ok(&c->arrival->storage)))) {
			connection_end(c); /* no memory: limits were looked at before */
			return;
		}
		/* A short read has emptied the socket; epoll tells when there is more. TLS may hold some of its own. */
		if (c->tls == NULL && n < LOOP_SCRATCH)
			return;
	}
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
		if (n == -1 && would_block())
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
	heads_enter(c);
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

		if (n == -1 && would_block())
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

static void
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

/* ---- accepting -------------------------------------------------------------------------------------------------- */

static void
peer_write(char out[DOOR_PEER_SIZE], const struct sockaddr_storage *address)
{
	char text[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
		snprintf(out, DOOR_PEER_SIZE, "%s:%u", text, (unsigned)ntohs(in->sin_port));
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
		snprintf(out, DOOR_PEER_SIZE, "[%s]:%u", text, (unsigned)ntohs(in6->sin6_port));
	} else
		snprintf(out, DOOR_PEER_SIZE, "unix");
}

/* A new connection; the descriptor is ours whatever happens. */
static void
door_enter(struct door_listener *listener, int fd, const struct sockaddr_storage *address)
{
	struct door *door = listener->door;
	struct door_connection *c = calloc(1, sizeof *c);
	int one = 1;
	bool counted;

	if (c == NULL || (listener->tls != NULL && (c->tls = tls_session_new(listener->tls, fd)) == NULL)) {
		free(c);
		close(fd);
		return;
	}
	if (address->ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->door = door;
	c->address = *address;
	peer_write(c->peer, address);
	c->watch.fd = fd;
	c->watch.ready = connection_ready;
	c->timer.run = connection_timeout;
	c->timer.owner = c;
	c->again.run = connection_again;
	c->state = c->tls != NULL ? DOOR_HANDSHAKE : DOOR_HEAD;
	buffer_init(&c->in, door->limits->head_size + LOOP_SCRATCH);
	buffer_init(&c->out, LOOP_SCRATCH * 2);
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
	heads_enter(c);
	connection_timer(c, c->tls != NULL ? door->limits->tls_ms : door->limits->head_ms);
	/* Most clients speak at once: look before waiting. */
	connection_ready(&c->watch, 0);
}

static void
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

static void
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
