/*
 * The server as clients meet it: connections kept behind every kind of answer, slow and vanishing readers, streams
 * with back-pressure, limits of connections, stopping.
 */
#define _GNU_SOURCE /* memmem */
#include "gateway/listen.h"
#include "tests/doorkit.h"

static struct server *
start(unsigned loops, void (*change)(struct limits *limits))
{
	struct server_options options = {.loops = loops};
	struct limits limits;

	limits_default(&limits);
	limits.half_ms = 200;
	limits.linger_ms = 300;
	limits.send_ms = 400;
	limits.idle_ms = 400;
	if (change != NULL)
		change(&limits);
	return kit_start(&options, &limits);
}

static void
ask(int fd, const char *text, int status, struct kit_result *result)
{
	kit_say(fd, text);
	kit_read(fd, result, 1, 5000);
	assert_int_equal(result->count, 1);
	assert_int_equal(result->status[0], status);
	assert_false(result->closed);
}

/* One connection, every kind of answer, each followed by another request. */
static void
test_kept(void **state)
{
	struct server *server = start(1, NULL);
	struct kit_result result;
	int fd = kit_connect(server);

	(void)state;
	for (size_t round = 0; round < 3; round++) {
		ask(fd, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", 200, &result);
		assert_true(slice_is(result.body[0], "GET /1"));
		assert_true(kit_has(result.head[0], "\r\nDate: "));
		assert_false(kit_has(result.head[0], "Connection: close"));
		kit_free(&result);
		ask(fd, "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 200, &result);
		assert_true(slice_is(result.body[0], "hi"));
		kit_free(&result);
		ask(fd, "GET /stream?2 HTTP/1.1\r\nHost: a\r\n\r\n", 200, &result);
		assert_true(kit_has(result.head[0], "\r\nTransfer-Encoding: chunked\r\n"));
		assert_true(slice_is(result.body[0], "data: 2\n\ndata: 1\n\n"));
		kit_free(&result);
		ask(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 200, &result);
		kit_free(&result);
		ask(fd, "GET /null HTTP/1.1\r\nHost: a\r\n\r\n", 503, &result);
		assert_true(kit_is_error(result.body[0]));
		kit_free(&result);
		ask(fd, "GET /stream?0 HTTP/1.1\r\nHost: a\r\n\r\n", 200, &result);
		assert_int_equal(result.body[0].size, 0);
		kit_free(&result);
		kit_say(fd, "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n");
		kit_read(fd, &result, 1, 150);
		assert_true(kit_has(buffer_view(&result.bytes), "HTTP/1.1 200"));
		assert_true(kit_has(buffer_view(&result.bytes), "Content-Length: 7\r\n"));
		assert_memory_equal(result.bytes.data + result.bytes.size - 4, "\r\n\r\n", 4);
		kit_free(&result);
	}
	close(fd);
	kit_settled();
	assert_int_equal(kit_left, 0);
	server_stop(server, 1000);
}

static void
test_headers(void **state)
{
	struct server *server = start(1, NULL);
	struct kit_result result;
	int fd = kit_connect(server);

	(void)state;
	ask(fd, "GET /headers HTTP/1.1\r\nHost: a\r\n\r\n", 200, &result);
	assert_true(kit_has(result.head[0], "\r\nX-Good: yes\r\n"));
	assert_false(kit_has(result.head[0], "Forged"));
	assert_false(kit_has(result.head[0], "X-Bad"));
	assert_false(kit_has(result.head[0], "X Bad"));
	kit_free(&result);
	close(fd);
	server_stop(server, 1000);
}

/* Answers far larger than every buffer on the way, to a client that reads slowly, but reads. */
static void
test_large(void **state)
{
	static const char *const asked[] = {"GET /large?6000000 HTTP/1.1\r\nHost: a\r\n\r\n",
	                                    "GET /stream?300000 HTTP/1.1\r\nHost: a\r\n\r\n"};
	struct server *server = start(1, NULL);

	(void)state;
	for (size_t a = 0; a < 2; a++) {
		struct kit_result result;
		struct buffer first;
		int fd = kit_connect(server);

		buffer_init(&first, 1 << 24);
		kit_say(fd, asked[a]);
		for (size_t i = 0; i < 20; i++) {
			char piece[2000];
			ssize_t n = recv(fd, piece, sizeof piece, 0);

			assert_true(n > 0);
			buffer_append(&first, piece, (size_t)n);
			kit_sleep(10);
		}
		/* A busy machine may pause: it is over when the answer is whole, not when nothing comes. */
		memset(&result, 0, sizeof result);
		for (unsigned pause = 0; pause < 60 && result.count == 0; pause++) {
			struct kit_result more;

			kit_read(fd, &more, 0, 300);
			buffer_slice(&first, buffer_view(&more.bytes));
			kit_free(&more);
			buffer_free(&result.parsed);
			memset(&result, 0, sizeof result);
			buffer_init(&result.parsed, (size_t)64 << 20);
			result.bytes = first;
			kit_parse(&result);
		}
		assert_int_equal(result.count, 1);
		assert_false(result.rest);
		if (a == 0) {
			assert_int_equal(result.body[0].size, 6000000);
			for (size_t i = 0; i < 6000000; i++)
				if (result.body[0].data[i] != 'x')
					fail_msg("byte %zu", i);
		} else {
			unsigned long number = 300000;

			for (struct reader reader = reader_of(result.body[0]); number > 0; number--) {
				struct slice line = reader_line(&reader);

				assert_true(line.size > 6);
				assert_int_equal(strtoul((const char *)line.data + 6, NULL, 10), number);
				reader_line(&reader);
			}
		}
		kit_free(&result);
		close(fd);
	}
	kit_settled();
	server_stop(server, 1000);
}

/* A client that asks and never reads is cut off; the handler is told. */
static void
test_reads_nothing(void **state)
{
	struct server *server = start(1, NULL);
	int fds[6];

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		int small = 4096;

		fds[i] = kit_connect(server);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
		kit_say(fds[i], i % 2 == 0 ? "GET /large?30000000 HTTP/1.1\r\nHost: a\r\n\r\n"
		                           : "GET /stream?30000000 HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	for (int i = 0; i < 300 && kit_done < 6; i++)
		kit_sleep(10);
	assert_int_equal(kit_left, 6);
	assert_int_equal(kit_done, 6);
	kit_alive(server);
	for (size_t i = 0; i < 6; i++)
		close(fds[i]);
	server_stop(server, 1000);
}

/* A reset is noticed at once, a close within half_ms; whoever only closed his sending side gets his answer. */
static void
test_leaving(void **state)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct server *server = start(1, NULL);
	struct kit_result result;
	int fd = kit_connect(server);

	(void)state;
	kit_say(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_sleep(50);
	assert_int_equal(kit_begun, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
	for (int i = 0; i < 10 && kit_done < 1; i++)
		kit_sleep(10);
	assert_int_equal(kit_left, 1);
	assert_int_equal(kit_done, 1);

	fd = kit_connect(server);
	kit_say(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_sleep(50);
	close(fd);
	for (int i = 0; i < 60 && kit_done < 2; i++)
		kit_sleep(10);
	assert_int_equal(kit_left, 2);

	fd = kit_connect(server);
	kit_say(fd, "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_sleep(50);
	close(fd);
	for (int i = 0; i < 60 && kit_done < 3; i++)
		kit_sleep(10);
	assert_int_equal(kit_left, 3);

	fd = kit_connect(server);
	kit_say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	shutdown(fd, SHUT_WR);
	kit_read(fd, &result, 0, 3000);
	assert_int_equal(result.count, 1);
	assert_true(result.closed);
	assert_true(slice_is(result.body[0], "GET /later"));
	kit_free(&result);
	close(fd);
	assert_int_equal(kit_left, 3);
	kit_settled();
	server_stop(server, 1000);
}

/* An aborted stream must not look like a whole one: no last chunk, and the connection is cut. */
static void
test_abort(void **state)
{
	struct server *server = start(1, NULL);
	struct kit_result result;
	int fd = kit_connect(server);

	(void)state;
	kit_say(fd, "GET /abort HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_read(fd, &result, 0, 3000);
	assert_int_equal(result.count, 0);
	assert_true(result.closed || result.reset);
	kit_free(&result);
	close(fd);
	kit_settled();
	kit_alive(server);
	server_stop(server, 1000);
}

static void
test_idle(void **state)
{
	struct server *server = start(1, NULL);
	struct kit_result result;
	int fd = kit_connect(server);

	(void)state;
	ask(fd, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", 200, &result);
	kit_free(&result);
	kit_read(fd, &result, 0, 2000);
	assert_true(result.closed);
	assert_int_equal(result.bytes.size, 0); /* nobody asked for anything: no answer */
	kit_free(&result);
	close(fd);
	server_stop(server, 1000);
}

static void
few_connections(struct limits *limits)
{
	limits->connections = 16;
	limits->requests_per_connection = 3;
}

/* Full of connections that say nothing: the oldest makes room, and who is being served is left alone. */
static void
test_full(void **state)
{
	struct server *server = start(1, few_connections);
	struct kit_result result;
	int fds[60], working = kit_connect(server), fd;
	unsigned begun;

	(void)state;
	kit_say(working, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 500 && kit_begun == 0; i++)
		kit_sleep(10);
	for (size_t i = 0; i < 60; i++)
		fds[i] = kit_connect(server);
	kit_alive(server);
	kit_read(fds[0], &result, 0, 5000);
	assert_true(result.closed || result.reset);
	kit_free(&result);
	kit_read(working, &result, 0, 50);
	assert_false(result.closed || result.reset);
	kit_free(&result);
	for (size_t i = 0; i < 60; i++)
		close(fds[i]);
	close(working);

	/* All busy with requests: a new one waits in the kernel until somebody has been served. */
	kit_settled();
	begun = kit_begun;
	for (size_t i = 0; i < 16; i++) {
		fds[i] = kit_connect(server);
		kit_say(fds[i], "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	for (int i = 0; i < 500 && kit_begun < begun + 16; i++)
		kit_sleep(10);
	assert_int_equal(kit_begun, begun + 16);
	fd = kit_connect(server);
	kit_say(fd, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_read(fd, &result, 1, 100);
	assert_int_equal(result.count, 0);
	kit_free(&result);
	close(fds[7]);
	kit_read(fd, &result, 1, 3000);
	assert_int_equal(result.count, 1);
	kit_free(&result);
	/* requests_per_connection: this was the first; the third says so and closes. */
	ask(fd, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 200, &result);
	kit_free(&result);
	kit_say(fd, "GET /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_read(fd, &result, 0, 3000);
	assert_int_equal(result.count, 1);
	assert_true(result.closed);
	assert_true(kit_has(result.head[0], "\r\nConnection: close\r\n"));
	kit_free(&result);
	close(fd);
	for (size_t i = 0; i < 16; i++)
		if (i != 7)
			close(fds[i]);
	kit_settled();
	server_stop(server, 1000);
}

/* Stopping: who waits gets his answer and Connection: close, nobody new gets in, who never ends is cut in time. */
static void
test_stop(void **state)
{
	struct server *server = start(2, NULL);
	struct kit_result result;
	int later = kit_connect(server), idle = kit_connect(server), wait = kit_connect(server);
	const unsigned begun = kit_begun;
	int64_t begin;

	(void)state;
	kit_say(wait, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_until_begun(begun + 1);
	kit_say(later, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_until_begun(begun + 2);
	begin = clock_monotonic_ns();
	server_stop(server, 500);
	assert_in_range((unsigned long)((clock_monotonic_ns() - begin) / 1000000), 450, 2500);
	kit_read(later, &result, 0, 1000);
	assert_int_equal(result.count, 1);
	assert_true(kit_has(result.head[0], "\r\nConnection: close\r\n"));
	assert_true(result.closed);
	kit_free(&result);
	kit_read(idle, &result, 0, 1000);
	assert_true(result.closed);
	assert_int_equal(result.bytes.size, 0);
	kit_free(&result);
	kit_read(wait, &result, 0, 1000);
	assert_true(result.closed || result.reset);
	kit_free(&result);
	assert_int_equal(kit_done, kit_begun);
	close(later);
	close(idle);
	close(wait);
	/* With nothing under way it is quick. */
	server = start(2, NULL);
	begin = clock_monotonic_ns();
	server_stop(server, 5000);
	assert_in_range((unsigned long)((clock_monotonic_ns() - begin) / 1000000), 0, 1000);
}

static void
test_refuses_to_start(void **state)
{
	static const char *const wrong[] = {"",
	                                    "localhost:80",
	                                    "127.0.0.1",
	                                    "127.0.0.1:",
	                                    "127.0.0.1:99999",
	                                    "[::1:80",
	                                    "127.0.0.1:80x",
	                                    "unix:",
	                                    "unix:/nowhere/at/all/socket"};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct server_options options = {.loops = 1, .listen = {wrong[i]}, .listen_count = 1};
		struct server *server = NULL;
		struct fault why = {0};

		limits_default(&options.limits);
		assert_int_equal(server_start(&server, &options, &why), -1);
		assert_true(why.ko[0] != '\0' && why.en[0] != '\0');
	}
}

/* Two daemons on one address: the second is refused, although each shares it among its own loops. */
static void
test_address_taken(void **state)
{
	const char *address = "127.0.0.1:0";
	struct listeners first = {0}, second = {0}, third = {0};
	struct fault why = {0};

	(void)state;
	if (listeners_open(&first, &address, 1, 2, &why) == -1)
		fail_msg("%s", why.en);
	address = first.row[0].text;
	assert_int_equal(listeners_open(&second, &address, 1, 2, &why), -1);
	assert_non_null(strstr(why.en, address));
	listeners_close(&second);
	listeners_close(&first);
	if (listeners_open(&third, &address, 1, 2, &why) == -1)
		fail_msg("free again: %s", why.en);
	listeners_close(&third);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kept),          cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_large),         cmocka_unit_test(test_reads_nothing),
	    cmocka_unit_test(test_leaving),       cmocka_unit_test(test_abort),
	    cmocka_unit_test(test_idle),          cmocka_unit_test(test_full),
	    cmocka_unit_test(test_stop),          cmocka_unit_test(test_refuses_to_start),
	    cmocka_unit_test(test_address_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
