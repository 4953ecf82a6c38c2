/*
 * doorkit -- for tests of door and server: a real server with a small handler, and raw sockets to talk to it.
 *
 * The handler answers: POST: the body; anything else: "METHOD target". Paths with a meaning of their own:
 *	/later     as above, 60 ms later		/wait      never: until the client leaves
 *	/stream    COUNT events, as they fit (?COUNT)	/large     ?SIZE bytes of 'x'
 *	/abort     an event, then the stream is aborted	/silent    a stream that gives nothing until the client leaves
 *	/null      the handler refuses to begin		/headers   an answer with headers that must not be sent
 */
#ifndef HAECHI_TESTS_DOORKIT_H
#define HAECHI_TESTS_DOORKIT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/server.h"
#include "gateway/stream.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

/* ---- the handler ------------------------------------------------------------------------------------------------ */

struct kit_request {
	struct arrival *arrival;
	struct loop_timer timer;
	struct stream *stream;
	unsigned long left_to_write;
	char *large;
	struct answer_header headers[4];
};

static _Atomic unsigned kit_begun, kit_left, kit_done;

static void
kit_answer(struct kit_request *r, struct slice body)
{
	r->headers[0] = (struct answer_header){"Content-Type", "text/plain; charset=utf-8"};
	r->headers[1] = (struct answer_header){"X-Peer", r->arrival->peer};
	server_answer(
	    r->arrival->call,
	    &(struct answer){
	        .status = 200, .headers = r->headers, .header_count = 2, .body = body, .stream = r->stream});
}

static struct slice
kit_text(struct kit_request *r)
{
	if (r->arrival->method == METHOD_POST)
		return r->arrival->body;
	return slice_string(
	    arena_printf(r->arrival->arena, "%s %s", method_name(r->arrival->method), r->arrival->target));
}

static void
kit_later(struct loop_timer *timer)
{
	struct kit_request *r = timer->owner;

	kit_answer(r, kit_text(r));
}

static void
kit_write(void *owner)
{
	struct kit_request *r = owner;
	char event[64];

	while (r->left_to_write > 0) {
		int size = snprintf(event, sizeof event, "data: %lu\n\n", r->left_to_write);

		if (!stream_write(r->stream, slice_of(event, (size_t)size)))
			return;
		r->left_to_write--;
	}
	stream_end(r->stream);
}

static void *
kit_request(struct arrival *arrival, void *owner)
{
	struct kit_request *r;
	unsigned long number = strtoul(arrival->query, NULL, 10);

	(void)owner;
	if (strcmp(arrival->path, "/null") == 0)
		return NULL;
	r = arena_alloc(arrival->arena, sizeof *r);
	r->arrival = arrival;
	kit_begun++;
	r->timer.run = kit_later;
	r->timer.owner = r;
	if (strcmp(arrival->path, "/wait") == 0)
		return r;
	if (strcmp(arrival->path, "/later") == 0) {
		loop_timer_start(arrival->loop, &r->timer, 60);
		return r;
	}
	if (strcmp(arrival->path, "/large") == 0) {
		r->large = malloc(number);
		memset(r->large, 'x', number);
		kit_answer(r, slice_of(r->large, number));
		return r;
	}
	if (strcmp(arrival->path, "/headers") == 0) {
		r->headers[0] = (struct answer_header){"X-Good", "yes"};
		r->headers[1] = (struct answer_header){"X-Bad", "a\r\nX-Forged: 1"};
		r->headers[2] = (struct answer_header){"X Bad", "b"};
		server_answer(arrival->call,
		              &(struct answer){.status = 200, .headers = r->headers, .header_count = 3});
		return r;
	}
	if (strcmp(arrival->path, "/stream") == 0 || strcmp(arrival->path, "/abort") == 0 ||
	    strcmp(arrival->path, "/silent") == 0) {
		r->stream = stream_new(4096);
		stream_on_drain(r->stream, kit_write, r);
		r->left_to_write = number;
		kit_answer(r, (struct slice){NULL, 0});
		if (strcmp(arrival->path, "/stream") == 0)
			kit_write(r);
		else if (strcmp(arrival->path, "/abort") == 0) {
			stream_write(r->stream, slice_string("data: half\n\n"));
			stream_abort(r->stream);
		}
		return r;
	}
	kit_answer(r, kit_text(r));
	return r;
}

static void
kit_gone(void *context)
{
	struct kit_request *r = context;

	kit_left++;
	loop_timer_stop(r->arrival->loop, &r->timer);
}

static void
kit_finished(void *context)
{
	struct kit_request *r = context;

	kit_done++;
	loop_timer_stop(r->arrival->loop, &r->timer);
	stream_free(r->stream);
	free(r->large);
	arrival_free(r->arrival);
}

static __attribute__((unused)) struct server *
kit_start(struct server_options *options, const struct limits *limits)
{
	struct server *server = NULL;
	struct fault why;

	kit_begun = kit_left = kit_done = 0;
	options->listen[0] = "127.0.0.1:0";
	options->listen_count = 1;
	options->limits = *limits;
	options->handler.request = kit_request;
	options->handler.left = kit_gone;
	options->handler.done = kit_finished;
	if (server_start(&server, options, &why) == -1) {
		fault_print(stderr, "doorkit", &why);
		fail();
	}
	return server;
}

/* ---- the client ------------------------------------------------------------------------------------------------- */

static void __attribute__((unused)) kit_sleep(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static int
kit_connect(const struct server *server)
{
	const char *colon = strrchr(server_address(server, 0), ':');
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_not_equal(fd, -1);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* The server may have closed already: that is for kit_read() to see. */
static void
kit_send(int fd, const void *bytes, size_t size)
{
	const char *p = bytes;

	while (size > 0) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		size -= (size_t)n;
	}
}

static void __attribute__((unused)) kit_say(int fd, const char *text)
{
	kit_send(fd, text, strlen(text));
}

#define KIT_ANSWERS 64

/* What came back on one connection. */
struct kit_result {
	struct buffer bytes, parsed; /* as they came; with chunks put together */
	unsigned count;              /* final answers; interim ones are counted apart */
	unsigned interim;
	int status[KIT_ANSWERS];
	struct slice head[KIT_ANSWERS], body[KIT_ANSWERS];
	bool closed; /* the server closed, in order */
	bool reset;
	bool rest; /* bytes that are no whole answer */
};

static bool __attribute__((unused)) kit_has(struct slice head, const char *text)
{
	return memmem(head.data, head.size, text, strlen(text)) != NULL;
}

/* One chunked body put together into its own place. false: not whole. */
static bool
kit_unchunk(uint8_t *bytes, size_t size, size_t *used, size_t *body)
{
	size_t at = 0;

	*body = 0;
	for (;;) {
		char *end;
		size_t chunk;

		if (memmem(bytes + at, size - at, "\r\n", 2) == NULL)
			return false;
		chunk = strtoul((char *)bytes + at, &end, 16);
		at = (size_t)(end - (char *)bytes) + 2;
		if (size - at < chunk + 2)
			return false;
		memmove(bytes + *body, bytes + at, chunk);
		*body += chunk;
		at += chunk + 2;
		if (chunk == 0) {
			*used = at;
			return true;
		}
	}
}

static void
kit_parse(struct kit_result *result)
{
	uint8_t *at, *end;

	buffer_reset(&result->parsed);
	buffer_slice(&result->parsed, buffer_view(&result->bytes));
	at = result->parsed.data;
	end = at + result->parsed.size;
	result->count = result->interim = 0;
	result->rest = false;
	while (at < end) {
		uint8_t *stop = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		const char *length;
		int status;
		size_t used, body;

		result->rest = true;
		if (stop == NULL || result->count == KIT_ANSWERS || memcmp(at, "HTTP/1.1 ", 9) != 0)
			return;
		status = atoi((const char *)at + 9);
		stop += 4;
		if (status < 200) {
			result->interim++;
			at = stop;
			result->rest = false;
			continue;
		}
		if ((length = memmem(at, (size_t)(stop - at), "\r\nContent-Length: ", 18)) != NULL) {
			body = used = strtoul(length + 18, NULL, 10);
			if ((size_t)(end - stop) < used)
				return;
		} else if (memmem(at, (size_t)(stop - at), "\r\nTransfer-Encoding: chunked", 28) != NULL) {
			if (!kit_unchunk(stop, (size_t)(end - stop), &used, &body))
				return;
		} else
			used = body = 0;
		result->status[result->count] = status;
		result->head[result->count] = slice_of(at, (size_t)(stop - at));
		result->body[result->count++] = slice_of(stop, body);
		at = stop + used;
		result->rest = false;
	}
}

/* Read until `answers` final answers are there, the server closes, or `ms` have gone. Frees nothing: kit_free(). */
static void
kit_read(int fd, struct kit_result *result, unsigned answers, int ms)
{
	int64_t until = clock_monotonic_ns() + (int64_t)ms * 1000000;
	char piece[65536];

	memset(result, 0, sizeof *result);
	buffer_init(&result->bytes, (size_t)64 << 20);
	buffer_init(&result->parsed, (size_t)64 << 20);
	while (result->count < answers || answers == 0) {
		int64_t now = clock_monotonic_ns();
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (now >= until || poll(&wait, 1, (int)((until - now) / 1000000 + 1)) <= 0)
			break;
		n = recv(fd, piece, sizeof piece, 0);
		if (n <= 0) {
			result->closed = n == 0;
			result->reset = n == -1;
			break;
		}
		buffer_append(&result->bytes, piece, (size_t)n);
		if (answers != 0)
			kit_parse(result);
	}
	if (result->bytes.size > 0)
		kit_parse(result);
}

static void
kit_free(struct kit_result *result)
{
	buffer_free(&result->bytes);
	buffer_free(&result->parsed);
}

/* An OpenAI error object in two languages. */
static bool __attribute__((unused)) kit_is_error(struct slice body)
{
	json_t *value = json_read(body, 65536, 8, NULL);
	const json_t *error = json_object_get(value, "error");
	const char *message = json_get_string(error, "message");
	bool good = message != NULL && strlen(message) > 8 && json_get_string(error, "type") != NULL &&
	            json_get_string(error, "code") != NULL && json_object_get(error, "param") != NULL;

	json_decref(value);
	return good;
}

/* The server answers a plain request on a fresh connection. */
static void __attribute__((unused)) kit_alive(const struct server *server)
{
	struct kit_result result;
	int fd = kit_connect(server);

	kit_say(fd, "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_read(fd, &result, 1, 5000);
	assert_int_equal(result.count, 1);
	assert_int_equal(result.status[0], 200);
	assert_true(slice_is(result.body[0], "GET /alive"));
	kit_free(&result);
	close(fd);
}

/* The handler has so many requests, counted since the server was started. */
static void __attribute__((unused)) kit_until_begun(unsigned count)
{
	for (int i = 0; i < 500 && kit_begun < count; i++)
		kit_sleep(10);
	assert_int_equal(kit_begun, count);
}

/* Every request that was begun is done; waits for it. */
static void __attribute__((unused)) kit_settled(void)
{
	for (int i = 0; i < 500 && kit_done < kit_begun; i++)
		kit_sleep(10);
	assert_int_equal(kit_done, kit_begun);
}

#endif
