#include "gateway/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/answer.h"
#include "gateway/remote.h"
#include "schema/base/log.h"

#define ENGINE_REQUEST_HEAD 2048 /* bytes of a request's head at most */
#define ENGINE_IDLE         64   /* connections kept for each engine */

enum connection_state { CONNECTION_CONNECT, CONNECTION_BUSY, CONNECTION_IDLE, CONNECTION_DEAD };

struct engine_connection {
	struct loop_watch watch; /* first: the watch is the connection */
	struct engine_pool *pool;
	struct engine_call *call;
	struct engine_connection *next; /* of the idle, or of the dead */
	enum connection_state state;
	bool used;        /* served a call before: may turn out dead */
	struct buffer in; /* read, but the call is paused, or the head is not whole */
	struct answer_reader reader;
};

/* One engine, as one loop knows it. */
struct engine_pool {
	struct engines *engines;
	struct engine_pool *next;
	struct engine_address address;
	struct engine_connection *idle;
	unsigned idle_count, count;
	struct engine_call *waiting, **waiting_end;
};

struct engine_call {
	struct engine_pool *pool;
	struct engine_connection *connection; /* NULL: waits its turn, or over */
	struct remote_call *remote;           /* not NULL: remote.c carries it, the deadlines stay here */
	struct engine_request request;
	struct engine_callbacks callbacks;
	void *owner;
	struct engine_call *next; /* of the waiting, or of the dead */
	struct loop_timer phase, total;
	struct loop_note note; /* resume, or tell of a failure */
	struct fault *why;
	size_t received, sent;
	bool paused, noted, retried, over, answered, waiting;
	size_t head_size;
	char head[ENGINE_REQUEST_HEAD];
};

struct engines {
	struct loop *loop;
	struct engine_pool *pools;
	struct engine_connection *dead;
	struct engine_call *over;
};

/* How many loops have engines; with the last the thread of remote.c ends. */
static _Atomic unsigned engines_count;

static void connection_ready(struct loop_watch *watch, uint32_t events);
static void connection_input(struct engine_connection *c, struct slice bytes);
static int call_begin(struct engine_call *call, bool fresh, struct fault *why);

/* ---- what a loop keeps ------------------------------------------------------------------------------------------ */

static void
engines_bury(void *owner)
{
	struct engines *engines = owner;
	struct engine_call **at = &engines->over;

	while (engines->dead != NULL) {
		struct engine_connection *c = engines->dead;

		engines->dead = c->next;
		buffer_free(&c->in);
		free(c);
	}
	while (*at != NULL) {
		struct engine_call *call = *at;

		if (call->noted) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		free(call->why);
		free(call);
	}
}

static void
connection_close(struct engine_connection *c)
{
	struct engine_connection **at;

	if (c->state == CONNECTION_IDLE) {
		for (at = &c->pool->idle; *at != c; at = &(*at)->next)
			;
		*at = c->next;
		c->pool->idle_count--;
	}
	c->state = CONNECTION_DEAD;
	loop_unwatch(c->pool->engines->loop, &c->watch);
	close(c->watch.fd);
	c->pool->count--;
	c->call = NULL;
	c->next = c->pool->engines->dead;
	c->pool->engines->dead = c;
}

static void
engines_free(void *owner)
{
	struct engines *engines = owner;
	struct engine_pool *pool;

	while ((pool = engines->pools) != NULL) {
		while (pool->idle != NULL)
			connection_close(pool->idle);
		engines->pools = pool->next;
		free(pool);
	}
	for (struct engine_call *call = engines->over; call != NULL; call = call->next)
		call->noted = false;
	engines_bury(engines);
	free(engines);
	if (atomic_fetch_sub(&engines_count, 1) == 1)
		remote_stop();
}

static bool
address_equal(const struct engine_address *a, const struct engine_address *b)
{
	return a->connect_ms == b->connect_ms && a->first_byte_ms == b->first_byte_ms &&
	       a->idle_ms == b->idle_ms && a->total_ms == b->total_ms && a->connections == b->connections &&
	       a->answer_size == b->answer_size && strcmp(a->text, b->text) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->pin, b->pin) == 0 && strcmp(a->ca, b->ca) == 0;
}

static struct engine_pool *
engine_pool(struct loop *loop, const struct engine_address *address, struct fault *why)
{
	struct engines *engines = loop_part(loop, LOOP_PART_ENGINE);
	struct engine_pool *pool;

	if (engines == NULL) {
		if ((engines = calloc(1, sizeof *engines)) == NULL) {
			fault_memory(why);
			return NULL;
		}
		engines->loop = loop;
		atomic_fetch_add(&engines_count, 1);
		if (loop_each_round(loop, engines_bury, engines, why) == -1 ||
		    loop_at_close(loop, engines_free, engines, why) == -1) {
			atomic_fetch_sub(&engines_count, 1);
			free(engines);
			return NULL;
		}
		loop_part_set(loop, LOOP_PART_ENGINE, engines);
	}
	for (pool = engines->pools; pool != NULL; pool = pool->next)
		if (address_equal(&pool->address, address))
			return pool;
	if ((pool = calloc(1, sizeof *pool)) == NULL) {
		fault_memory(why);
		return NULL;
	}
	pool->engines = engines;
	pool->address = *address;
	pool->waiting_end = &pool->waiting;
	pool->next = engines->pools;
	engines->pools = pool;
	return pool;
}

/* ---- the end of a call ------------------------------------------------------------------------------------------ */

static void
pool_next(struct engine_pool *pool)
{
	struct engine_call *call = pool->waiting;

	if (call == NULL || pool->count - pool->idle_count >= pool->address.connections)
		return;
	if ((pool->waiting = call->next) == NULL)
		pool->waiting_end = &pool->waiting;
	call->waiting = false;
	if (call->why == NULL && (call->why = calloc(1, sizeof *call->why)) == NULL)
		return; /* its deadline will end it */
	if (call_begin(call, false, call->why) == -1 && !call->noted) {
		call->noted = true;
		loop_post(pool->engines->loop, &call->note);
	}
}

/* The call has no connection any more and hears nothing any more. */
static void
call_over(struct engine_call *call)
{
	struct engines *engines = call->pool->engines;

	call->over = true;
	call->connection = NULL;
	call->remote = NULL;
	loop_timer_stop(engines->loop, &call->phase);
	loop_timer_stop(engines->loop, &call->total);
	if (call->waiting) {
		struct engine_call **at = &call->pool->waiting;

		while (*at != call)
			at = &(*at)->next;
		if ((*at = call->next) == NULL)
			call->pool->waiting_end = at;
		call->waiting = false;
	}
	call->next = engines->over;
	engines->over = call;
}

/* Over, with whatever carried it. */
static void
call_drop(struct engine_call *call)
{
	if (call->connection != NULL)
		connection_close(call->connection);
	if (call->remote != NULL)
		remote_cancel(call->remote);
	call_over(call);
}

static void
call_fail(struct engine_call *call, const struct fault *why)
{
	struct engine_pool *pool = call->pool;

	if (call->over)
		return;
	call_drop(call);
	call->callbacks.end(call->owner, false, why);
	pool_next(pool);
}

static void
call_fail_text(struct engine_call *call, enum fault_kind kind, const char *ko, const char *en)
{
	struct fault why;

	fault_set(&why, kind, "엔진 %s: %s%.0s", "engine %s: %.0s%s", call->pool->address.text, ko, en);
	call_fail(call, &why);
}

/* The connection died. Once, and only when it was a kept one and nothing was heard, the call gets a fresh one. */
static void
call_broken(struct engine_call *call)
{
	struct engine_connection *c = call->connection;
	struct fault why;

	if (c->used && !call->answered && !call->retried && c->in.size == 0) {
		call->retried = true;
		call->connection = NULL;
		connection_close(c);
		if (call_begin(call, true, &why) == -1)
			call_fail(call, &why);
		return;
	}
	call_fail_text(call, FAULT_UNAVAILABLE, "연결이 끊어졌습니다", "the connection broke");
}

/* The answer is whole. */
static void
call_whole(struct engine_call *call, bool keep)
{
	struct engine_connection *c = call->connection;
	struct engine_pool *pool = call->pool;

	if (keep && pool->idle_count < ENGINE_IDLE) {
		c->state = CONNECTION_IDLE;
		c->used = true;
		c->call = NULL;
		c->next = pool->idle;
		pool->idle = c;
		pool->idle_count++;
	} else
		connection_close(c);
	call_over(call);
	call->callbacks.end(call->owner, true, NULL);
	pool_next(pool);
}

static void
call_phase(struct loop_timer *timer)
{
	struct engine_call *call = timer->owner;

	if (call->connection == NULL && call->remote == NULL)
		call_fail_text(call, FAULT_BUSY, "차례가 오지 않았습니다", "its turn did not come in time");
	else if (call->connection != NULL && call->connection->state == CONNECTION_CONNECT)
		call_fail_text(call, FAULT_TIMEOUT, "연결되지 않습니다",
		               "it did not accept the connection in time");
	else
		call_fail_text(call, FAULT_TIMEOUT, "제시간에 응답하지 않았습니다",
		               "it did not answer in time");
}

static void
call_total(struct loop_timer *timer)
{
	call_fail_text(timer->owner, FAULT_TIMEOUT, "전체 제한 시간을 넘었습니다",
	               "the whole answer took too long");
}

static void
call_noted(struct loop_note *note)
{
	struct engine_call *call =
	    (struct engine_call *)(void *)((char *)note - offsetof(struct engine_call, note));
	struct engine_connection *c = call->connection;

	call->noted = false;
	if (call->over)
		return;
	if (c == NULL && call->why != NULL) {
		call_fail(call, call->why);
		return;
	}
	if (c == NULL || call->paused)
		return;
	loop_timer_start(call->pool->engines->loop, &call->phase, call->pool->address.idle_ms);
	connection_input(c, (struct slice){NULL, 0});
	if (!call->over && !call->paused)
		loop_rewatch(call->pool->engines->loop, &c->watch, EPOLLIN | EPOLLRDHUP);
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

/* Send what is left of head and body. */
static void
connection_output(struct engine_connection *c)
{
	struct engine_call *call = c->call;
	size_t whole = call->head_size + call->request.body.size;

	while (call->sent < whole) {
		struct iovec parts[2];
		struct msghdr message = {.msg_iov = parts};
		ssize_t n;

		if (call->sent < call->head_size)
			parts[message.msg_iovlen++] =
			    (struct iovec){call->head + call->sent, call->head_size - call->sent};
		if (call->request.body.size > 0) {
			size_t at = call->sent > call->head_size ? call->sent - call->head_size : 0;

			parts[message.msg_iovlen++] = (struct iovec){
			    (void *)(uintptr_t)(call->request.body.data + at), call->request.body.size - at};
		}
		n = sendmsg(c->watch.fd, &message, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			loop_rewatch(c->pool->engines->loop, &c->watch, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
			return;
		}
		if (n == -1) /* an answer may be there all the same; reading will tell */
			break;
		call->sent += (size_t)n;
	}
	loop_rewatch(c->pool->engines->loop, &c->watch, EPOLLIN | EPOLLRDHUP);
}

static struct engine_connection *
connection_open(struct engine_pool *pool, struct fault *why)
{
	struct engine_connection *c = calloc(1, sizeof *c);
	int one = 1;

	if (c == NULL) {
		fault_memory(why);
		return NULL;
	}
	c->pool = pool;
	c->watch.ready = connection_ready;
	buffer_init(&c->in, ANSWER_HEAD_SIZE + LOOP_SCRATCH);
	c->watch.fd = socket(pool->address.socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->watch.fd == -1)
		goto fail;
	if (pool->address.kind == ENGINE_TCP)
		setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->watch.fd, (const struct sockaddr *)&pool->address.socket, pool->address.socket_size) ==
	    0)
		c->state = CONNECTION_BUSY;
	else if (errno == EINPROGRESS)
		c->state = CONNECTION_CONNECT;
	else
		goto fail;
	if (loop_watch(pool->engines->loop, &c->watch,
	               c->state == CONNECTION_CONNECT ? EPOLLOUT : EPOLLIN | EPOLLRDHUP, why) == -1)
		goto close;
	pool->count++;
	return c;
fail:
	fault_errno(why, "엔진 %s 에 연결할 수 없습니다", "cannot connect to engine %s", pool->address.text);
	if (why != NULL)
		why->kind = FAULT_UNAVAILABLE;
close:
	if (c->watch.fd != -1)
		close(c->watch.fd);
	free(c);
	return NULL;
}

/* Take a connection and send. `fresh`: not a kept one. */
static int
call_begin(struct engine_call *call, bool fresh, struct fault *why)
{
	struct engine_pool *pool = call->pool;
	struct engine_connection *c = fresh ? NULL : pool->idle;

	if (c != NULL) {
		pool->idle = c->next;
		pool->idle_count--;
		c->state = CONNECTION_BUSY;
	} else if ((c = connection_open(pool, why)) == NULL)
		return -1;
	c->call = call;
	call->connection = c;
	call->sent = 0;
	call->answered = false;
	answer_reader_begin(&c->reader, strcmp(call->request.method, "HEAD") == 0);
	buffer_reset(&c->in);
	if (c->state == CONNECTION_CONNECT) {
		loop_timer_start(pool->engines->loop, &call->phase, pool->address.connect_ms);
		return 0;
	}
	loop_timer_start(pool->engines->loop, &call->phase, pool->address.first_byte_ms);
	connection_output(c);
	return 0;
}

/* ---- receiving -------------------------------------------------------------------------------------------------- */

/* What was kept in c->in, then `bytes`: as far as the call wants it; the rest is kept. */
static void
connection_input(struct engine_connection *c, struct slice bytes)
{
	struct engine_call *call = c->call;
	struct slice input = bytes, data;
	bool kept = c->in.size > 0;

	if (kept) {
		buffer_slice(&c->in, bytes);
		if (!buffer_ok(&c->in)) {
			call_fail_text(call, FAULT_INVALID, "응답 헤더가 너무 큽니다",
			               "the head of its answer is too large");
			return;
		}
		input = buffer_view(&c->in);
	}
	for (;;) {
		if (call->paused && call->answered)
			break;
		switch (answer_reader_next(&c->reader, &input, &data)) {
		case ANSWER_MORE:
			goto out;
		case ANSWER_HEAD:
			call->answered = true;
			call->callbacks.head(call->owner, c->reader.status, c->reader.content_type);
			break;
		case ANSWER_DATA:
			call->received += data.size;
			if (call->received > c->pool->address.answer_size) {
				call_fail_text(call, FAULT_TOO_LARGE, "응답이 너무 큽니다",
				               "its answer is too large");
				return;
			}
			call->callbacks.data(call->owner, data);
			break;
		case ANSWER_WHOLE:
			/* A byte behind the answer belongs to nothing: that connection is not used again. */
			call_whole(call, !c->reader.close && input.size == 0 &&
			                     call->sent == call->head_size + call->request.body.size);
			return;
		case ANSWER_BROKEN:
			call_fail_text(call, FAULT_INVALID, "응답이 올바른 HTTP/1.1이 아닙니다",
			               "its answer is not well-formed HTTP/1.1");
			return;
		}
		if (call->over) /* cancelled in a callback */
			return;
	}
out:
	if (kept) {
		buffer_consume(&c->in, c->in.size - input.size);
	} else if (input.size > 0) {
		buffer_slice(&c->in, input);
		if (!buffer_ok(&c->in))
			call_fail_text(call, FAULT_INVALID, "응답 헤더가 너무 큽니다",
			               "the head of its answer is too large");
	}
}

static void
connection_read(struct engine_connection *c)
{
	struct loop *loop = c->pool->engines->loop;
	uint8_t *scratch;

	if (c->call->paused && c->call->answered) {
		loop_rewatch(loop, &c->watch, 0);
		return;
	}
	/* Callbacks may use the loop's scratch for something else. */
	scratch = loop_scratch(loop);
	for (unsigned i = 0; i < 4; i++) {
		struct engine_call *call = c->call;
		ssize_t n = recv(c->watch.fd, scratch, LOOP_SCRATCH, 0);

		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n <= 0) {
			call_broken(call);
			return;
		}
		loop_timer_start(loop, &call->phase, c->pool->address.idle_ms);
		connection_input(c, slice_of(scratch, (size_t)n));
		if (c->state != CONNECTION_BUSY || c->call != call || n < LOOP_SCRATCH)
			return;
		if (call->paused) {
			loop_timer_stop(loop, &call->phase);
			loop_rewatch(loop, &c->watch, 0);
			return;
		}
	}
}

static void
connection_ready(struct loop_watch *watch, uint32_t events)
{
	struct engine_connection *c = (struct engine_connection *)(void *)watch;
	int error = 0;
	socklen_t size = sizeof error;

	switch (c->state) {
	case CONNECTION_CONNECT:
		if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 || error != 0) {
			call_fail_text(c->call, FAULT_UNAVAILABLE, "연결을 거부했습니다",
			               "it refused the connection");
			return;
		}
		c->state = CONNECTION_BUSY;
		loop_timer_start(c->pool->engines->loop, &c->call->phase, c->pool->address.first_byte_ms);
		connection_output(c);
		return;
	case CONNECTION_IDLE: /* closed by the engine, or it speaks without being asked */
		connection_close(c);
		return;
	case CONNECTION_BUSY:
		if (events & EPOLLOUT)
			connection_output(c);
		if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			connection_read(c);
		return;
	case CONNECTION_DEAD:
		return;
	}
}

/* ---- calls that remote.c carries ---------------------------------------------------------------------------------- */

static void
remote_head(void *owner, int status, const char *content_type)
{
	struct engine_call *call = owner;

	loop_timer_start(call->pool->engines->loop, &call->phase, call->pool->address.idle_ms);
	call->callbacks.head(call->owner, status, content_type);
}

static void
remote_data(void *owner, struct slice bytes)
{
	struct engine_call *call = owner;

	loop_timer_start(call->pool->engines->loop, &call->phase, call->pool->address.idle_ms);
	call->callbacks.data(call->owner, bytes);
}

static void
remote_end(void *owner, bool ok, const struct fault *why)
{
	struct engine_call *call = owner;

	call_over(call);
	call->callbacks.end(call->owner, ok, why);
}

static int
call_begin_remote(struct engine_call *call, struct fault *why)
{
	static const struct engine_callbacks callbacks = {remote_head, remote_data, remote_end};
	const struct engine_address *address = &call->pool->address;

	call->remote = remote_call(call->pool->engines->loop, address, &call->request, &callbacks, call, why);
	if (call->remote == NULL)
		return -1;
	loop_timer_start(call->pool->engines->loop, &call->phase,
	                 address->connect_ms + address->first_byte_ms);
	return 0;
}

/* ---- the caller's side ------------------------------------------------------------------------------------------ */

static bool
text_valid(const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool
head_put(struct engine_call *call, const char *one, const char *two, const char *three)
{
	const char *const parts[] = {one, two, three};

	for (size_t i = 0; i < 3; i++) {
		size_t size = strlen(parts[i]);

		if (size > sizeof call->head - call->head_size)
			return false;
		memcpy(call->head + call->head_size, parts[i], size);
		call->head_size += size;
	}
	return true;
}

static bool
head_field(struct engine_call *call, const char *name, const char *value)
{
	return value == NULL || head_put(call, name, value, "\r\n");
}

/* Engines elsewhere need not know who asks; and a name that haechi-engine would not read is not sent. NULL: nothing. */
static const char *
agency_told(const struct engine_address *address, const char *agency)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t size = agency == NULL ? 0 : strlen(agency);

	if (address->kind == ENGINE_REMOTE || size == 0 || size > 64 || strspn(agency, allowed) != size)
		return NULL;
	return agency;
}

static int
call_head(struct engine_call *call, struct fault *why)
{
	const struct engine_request *request = &call->request;
	const struct engine_address *address = &call->pool->address;
	char length[24];

	if (request->method == NULL || request->path == NULL || !text_valid(request->path) ||
	    !text_valid(request->content_type) || !text_valid(request->authorization) ||
	    !text_valid(request->request_id))
		return fault_set(why, FAULT_INTERNAL, "엔진 요청이 잘못되었습니다",
		                 "a malformed request to an engine");
	snprintf(length, sizeof length, "%zu", request->body.size);
	call->head_size = 0;
	if (!head_put(call, request->method, " ", address->base) ||
	    !head_put(call, request->path, " HTTP/1.1\r\n", "") ||
	    !head_put(call, "Host: ", address->host, "\r\n") ||
	    !head_put(call, "Content-Length: ", length, "\r\n") ||
	    !head_field(call, "Content-Type: ", request->content_type) ||
	    !head_field(call, "Authorization: ", request->authorization) ||
	    !head_field(call, "X-Request-ID: ", request->request_id) ||
	    !head_field(call, "X-Haechi-Agency: ", agency_told(address, request->agency)) ||
	    !head_put(call, "\r\n", "", ""))
		return fault_set(why, FAULT_INTERNAL, "엔진 요청의 헤더가 너무 깁니다",
		                 "the head for an engine is too long");
	return 0;
}

struct engine_call *
engine_call(struct loop *loop, const struct engine_address *address, const struct engine_request *request,
            const struct engine_callbacks *callbacks, void *owner, struct fault *why)
{
	struct engine_pool *pool = engine_pool(loop, address, why);
	struct engine_call *call;

	if (pool == NULL)
		return NULL;
	if ((call = malloc(sizeof *call)) == NULL) {
		fault_memory(why);
		return NULL;
	}
	memset(call, 0, offsetof(struct engine_call, head));
	call->pool = pool;
	call->request = *request;
	call->callbacks = *callbacks;
	call->owner = owner;
	call->phase.run = call_phase;
	call->phase.owner = call;
	call->total.run = call_total;
	call->total.owner = call;
	call->note.run = call_noted;
	if (call_head(call, why) == -1)
		goto fail;
	if (address->kind == ENGINE_REMOTE) {
		if (call_begin_remote(call, why) == -1)
			goto fail;
	} else if (pool->idle == NULL && pool->count >= address->connections) {
		call->waiting = true;
		*pool->waiting_end = call;
		pool->waiting_end = &call->next;
		loop_timer_start(loop, &call->phase, address->first_byte_ms);
	} else if (call_begin(call, false, why) == -1)
		goto fail;
	loop_timer_start(loop, &call->total, address->total_ms);
	return call;
fail:
	free(call);
	return NULL;
}

void
engine_cancel(struct engine_call *call)
{
	struct engine_pool *pool;

	if (call == NULL || call->over)
		return;
	pool = call->pool;
	call_drop(call);
	pool_next(pool);
}

void
engine_pause(struct engine_call *call)
{
	if (call->over)
		return;
	call->paused = true;
	loop_timer_stop(call->pool->engines->loop, &call->phase);
	if (call->remote != NULL)
		remote_pause(call->remote);
}

void
engine_resume(struct engine_call *call)
{
	if (call->over || !call->paused)
		return;
	call->paused = false;
	if (call->remote != NULL) {
		loop_timer_start(call->pool->engines->loop, &call->phase, call->pool->address.idle_ms);
		remote_resume(call->remote);
	} else if (!call->noted) {
		call->noted = true;
		loop_post(call->pool->engines->loop, &call->note);
	}
}
