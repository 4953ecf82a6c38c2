#include "gateway/door_inside.h"

#include <string.h>
#include <sys/socket.h>

static ssize_t
connection_read(struct door_connection *c, void *out, size_t size)
{
	return c->tls != NULL ? tls_read(c->tls, out, size) : recv(c->watch.fd, out, size, 0);
}

static void
connection_dispatch(struct door_connection *c)
{
	struct arrival *arrival = c->arrival;
	struct door *door = c->door;

	if (arrival == NULL || buffer_text(&arrival->storage) == NULL || !buffer_ok(&arrival->storage)) {
		connection_end(c);
		return;
	}
	arrival->body = buffer_view(&arrival->storage);
	arrival->complete_ns = loop_now(door->loop);
	c->arrival = NULL;
	c->state = DOOR_WORK;
	c->requests++;
	connection_heads_leave(c);
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
	arrival->old = head->old;
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
	struct buffer *storage;
	struct slice data;

	if (c->arrival == NULL) /* never while a body is read */
		return false;
	storage = &c->arrival->storage;
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
void
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
void
connection_input(struct door_connection *c)
{
	struct door *door = c->door;
	uint8_t *scratch = loop_scratch(door->loop);

	while (c->state == DOOR_HEAD || c->state == DOOR_BODY) {
		ssize_t n = connection_read(c, scratch, LOOP_SCRATCH);

		if (n == -1 && connection_would_block()) {
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
