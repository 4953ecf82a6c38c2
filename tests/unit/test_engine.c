/*
 * The engine client against engines that behave, and engines that do not: each call ends exactly once, and a
 * connection is used again only when nothing was left on it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/engine.h"
#include "schema/base/clock.h"

/* ---- an engine that plays a part: for each connection in turn, what it says to each request ---------------------- */

struct part {
	const char *says; /* to one request; NULL: nothing, closes at once */
	bool close;       /* closes behind it */
	int wait_ms;
	size_t step; /* bytes in one write; 0: all */
};

static struct {
	char path[108];
	int fd;
	const struct part *parts;
	size_t count;
	_Atomic unsigned accepted, requests;
	char last[4096];
	pthread_t thread;
	atomic_bool stop;
} play;

static void
pause_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* false: the client closed. */
static bool
hear(int fd)
{
	size_t size = 0, body = 0;

	for (;;) {
		ssize_t n = recv(fd, play.last + size, sizeof play.last - 1 - size, 0);
		const char *end, *length;

		if (n <= 0)
			return false;
		size += (size_t)n;
		play.last[size] = '\0';
		if ((end = strstr(play.last, "\r\n\r\n")) == NULL)
			continue;
		if ((length = strstr(play.last, "Content-Length: ")) != NULL)
			body = strtoul(length + 16, NULL, 10);
		if (size >= (size_t)(end + 4 - play.last) + body)
			break;
	}
	play.requests++;
	return true;
}

static void *
perform(void *unused)
{
	size_t at = 0;
	int fd;

	(void)unused;
	while (at < play.count && (fd = accept(play.fd, NULL, NULL)) != -1) {
		bool open = true;

		play.accepted++;
		while (open && at < play.count && hear(fd)) {
			const struct part *part = &play.parts[at++];

			pause_ms(part->wait_ms);
			for (size_t sent = 0; part->says != NULL && sent < strlen(part->says);) {
				size_t rest = strlen(part->says) - sent,
				       step = part->step > 0 ? part->step : rest;

				if (send(fd, part->says + sent, step < rest ? step : rest, MSG_NOSIGNAL) ==
				    -1)
					break;
				sent += step < rest ? step : rest;
				if (part->step > 0)
					pause_ms(1);
			}
			open = !part->close && part->says != NULL;
		}
		if (open && at >= play.count) /* silence, until the client has had enough */
			hear(fd);
		close(fd);
	}
	return NULL;
}

static void
begin(const struct part *parts, size_t count)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(play.path, sizeof play.path, "/tmp/haechi-test-engine-%ld", (long)getpid());
	unlink(play.path);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", play.path);
	play.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(play.fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(play.fd, 16), 0);
	play.parts = parts;
	play.count = count;
	play.accepted = play.requests = 0;
	assert_int_equal(pthread_create(&play.thread, NULL, perform, NULL), 0);
}

static void
end(void)
{
	shutdown(play.fd, SHUT_RDWR);
	pthread_join(play.thread, NULL);
	close(play.fd);
	unlink(play.path);
}

/* ---- one caller -------------------------------------------------------------------------------------------------- */

struct caller {
	struct loop *loop;
	struct engine_call *call;
	unsigned heads, ends;
	int status;
	char content_type[128];
	struct buffer data;
	bool ok;
	struct fault why;
	size_t cancel_at, pause_at; /* bytes; 0: never */
	unsigned paused;
	struct loop_timer resume;
	unsigned *running; /* the last one stops the loop */
};

static void
caller_over(struct caller *caller)
{
	if (--*caller->running == 0)
		loop_stop(caller->loop);
}

static void
on_head(void *owner, int status, const char *content_type)
{
	struct caller *caller = owner;

	caller->heads++;
	caller->status = status;
	snprintf(caller->content_type, sizeof caller->content_type, "%s", content_type);
}

static void
on_resume(struct loop_timer *timer)
{
	struct caller *caller = timer->owner;

	engine_resume(caller->call);
}

static void
on_data(void *owner, struct slice bytes)
{
	struct caller *caller = owner;

	buffer_slice(&caller->data, bytes);
	if (caller->cancel_at > 0 && caller->data.size >= caller->cancel_at) {
		engine_cancel(caller->call);
		caller_over(caller);
	} else if (caller->pause_at > 0 && caller->data.size >= caller->pause_at) {
		caller->pause_at += caller->pause_at;
		caller->paused++;
		engine_pause(caller->call);
		caller->resume.run = on_resume;
		caller->resume.owner = caller;
		loop_timer_start(caller->loop, &caller->resume, 20);
	}
}

static void
on_end(void *owner, bool ok, const struct fault *why)
{
	struct caller *caller = owner;

	caller->ends++;
	caller->ok = ok;
	if (!ok)
		caller->why = *why;
	caller_over(caller);
}

static const struct engine_callbacks callbacks = {on_head, on_data, on_end};
static struct engine_address address;
static struct loop *loop;
static unsigned running;

static void
call(struct caller *caller)
{
	struct engine_request request = {.method = "POST",
	                                 .path = "/v1/chat/completions",
	                                 .content_type = "application/json",
	                                 .authorization = "Bearer engine",
	                                 .request_id = "r-1",
	                                 .body = slice_string("{\"model\":\"m\"}")};

	caller->loop = loop;
	caller->running = &running;
	buffer_init(&caller->data, 1 << 20);
	running++;
	caller->call = engine_call(loop, &address, &request, &callbacks, caller, &caller->why);
	if (caller->call == NULL) {
		running--;
		caller->ends++;
	}
}

static void
setup_loop(const struct part *parts, size_t count)
{
	char text[160];

	begin(parts, count);
	snprintf(text, sizeof text, "unix:%s", play.path);
	assert_int_equal(engine_address_parse(&address, text, NULL), 0);
	address.connect_ms = 300;
	address.first_byte_ms = 300;
	address.idle_ms = 300;
	address.total_ms = 1500;
	running = 0;
	assert_int_equal(loop_new(&loop, 0, NULL), 0);
}

static void
finish(void)
{
	loop_free(loop);
	end();
}

/* loop_stop() is for good: a new loop for each run would lose the kept connections, so calls follow one another. */
static void
run_one(struct caller *caller)
{
	memset(caller, 0, sizeof *caller);
	call(caller);
	if (running > 0)
		loop_run(loop);
}

#define HEAD_OK   "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
#define PLAIN     HEAD_OK "Content-Length: 5\r\n\r\nhello"
#define CHUNKS    HEAD_OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
#define NO_ANSWER NULL

static void
test_plain(void **state)
{
	static const struct part parts[] = {
	    {.says = PLAIN, .close = true}
        };
	struct caller caller;

	(void)state;
	setup_loop(parts, 1);
	run_one(&caller);
	assert_true(caller.ok);
	assert_int_equal(caller.status, 200);
	assert_string_equal(caller.content_type, "application/json");
	assert_true(slice_is(buffer_view(&caller.data), "hello"));
	finish();
	assert_non_null(strstr(play.last, "POST /v1/chat/completions HTTP/1.1\r\n"));
	assert_non_null(strstr(play.last, "\r\nAuthorization: Bearer engine\r\n"));
	assert_non_null(strstr(play.last, "\r\nX-Request-ID: r-1\r\n"));
	assert_non_null(strstr(play.last, "\r\n\r\n{\"model\":\"m\"}"));
	buffer_free(&caller.data);
}

/* What arrives in single bytes is what arrives at once. */
static void
test_pieces(void **state)
{
	static const struct part parts[] = {
	    {.says = CHUNKS, .step = 1, .close = true}
        };
	struct caller caller;

	(void)state;
	setup_loop(parts, 1);
	run_one(&caller);
	assert_true(caller.ok);
	assert_int_equal(caller.heads, 1);
	assert_true(slice_is(buffer_view(&caller.data), "hello world"));
	finish();
	buffer_free(&caller.data);
}

/* Calls begun together over one connection at once: each waits its turn, the connection is kept and used again. */
static void
test_turns(void **state)
{
	static const struct part parts[] = {
	    {.says = PLAIN}, {.says = CHUNKS}, {.says = PLAIN}, {.says = PLAIN}};
	struct caller callers[4] = {{0}};

	(void)state;
	setup_loop(parts, 4);
	address.connections = 1;
	for (size_t i = 0; i < 4; i++)
		call(&callers[i]);
	loop_run(loop);
	for (size_t i = 0; i < 4; i++) {
		assert_true(callers[i].ok);
		assert_true(slice_is(buffer_view(&callers[i].data), i == 1 ? "hello world" : "hello"));
		buffer_free(&callers[i].data);
	}
	assert_int_equal(play.accepted, 1);
	assert_int_equal(play.requests, 4);
	finish();
}

/* A byte behind an answer, or Connection: close: the next call gets a connection of its own. */
static void
test_not_kept(void **state)
{
	static const struct part parts[] = {
	    {.says = PLAIN "X",	                                             .close = true},
	    {.says = HEAD_OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello", .close = true},
	    {.says = CHUNKS "HTTP/1.1 200 OK\r\n",                                  .close = true},
	    {.says = PLAIN,	                                                 .close = true}
        };
	struct caller callers[4] = {{0}};

	(void)state;
	setup_loop(parts, 4);
	address.connections = 1;
	for (size_t i = 0; i < 4; i++)
		call(&callers[i]);
	loop_run(loop);
	for (size_t i = 0; i < 4; i++) {
		assert_true(callers[i].ok);
		buffer_free(&callers[i].data);
	}
	assert_int_equal(play.accepted, 4);
	finish();
}

/* A kept connection that the engine closes instead of answering is replaced once, and nobody notices. */
static void
test_stale(void **state)
{
	static const struct part parts[] = {
	    {.says = PLAIN},
            {             .says = NO_ANSWER            },
            { .says = PLAIN,             .close = true}
        };
	struct caller callers[2] = {{0}};

	(void)state;
	setup_loop(parts, 3);
	address.connections = 1;
	call(&callers[0]);
	call(&callers[1]);
	loop_run(loop);
	assert_true(callers[0].ok);
	assert_true(callers[1].ok);
	assert_int_equal(play.accepted, 2);
	assert_int_equal(play.requests, 3);
	buffer_free(&callers[0].data);
	buffer_free(&callers[1].data);
	finish();
}

static void
test_broken(void **state)
{
	static const struct {
		const char *says;
		enum fault_kind kind;
	} rows[] = {
	    {NO_ANSWER,	                                                          FAULT_UNAVAILABLE},
	    {"HTTP/1.1 200 OK\r\nContent-Le",                                            FAULT_UNAVAILABLE},
	    {HEAD_OK "Content-Length: 9\r\n\r\nhello",                                   FAULT_UNAVAILABLE},
	    {HEAD_OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",                 FAULT_UNAVAILABLE},
	    {HEAD_OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",            FAULT_UNAVAILABLE},
	    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",                           FAULT_INVALID    },
	    {"HTTP/2 200\r\nContent-Length: 2\r\n\r\n{}",                                FAULT_INVALID    },
	    {"HTTP/1.1 100 Continue\r\n\r\n" PLAIN,                                      FAULT_INVALID    },
	    {"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}",                            FAULT_INVALID    },
	    {"HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\n{}",                           FAULT_INVALID    },
	    {HEAD_OK "\r\n{}",	                                                   FAULT_INVALID    },
	    {HEAD_OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",                 FAULT_INVALID    },
	    {HEAD_OK "Content-Length: +2\r\n\r\n{}",                                     FAULT_INVALID    },
	    {HEAD_OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", FAULT_INVALID    },
	    {HEAD_OK "Transfer-Encoding: gzip\r\n\r\n{}",                                FAULT_INVALID    },
	    {HEAD_OK "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",            FAULT_INVALID    },
	    {HEAD_OK "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n",       FAULT_INVALID    },
	    {HEAD_OK "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",              FAULT_INVALID    },
	    {HEAD_OK " folded\r\nContent-Length: 2\r\n\r\n{}",                           FAULT_INVALID    },
	    {HEAD_OK "no colon\r\nContent-Length: 2\r\n\r\n{}",                          FAULT_INVALID    },
	    {"HTTP/1.1 200 OK\nContent-Length: 2\n\r\n\r\n{}",                           FAULT_INVALID    },
	    {"<html>\r\n\r\n",	                                                   FAULT_INVALID    },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct part part = {.says = rows[i].says, .close = true};
		struct caller caller;

		setup_loop(&part, 1);
		run_one(&caller);
		if (caller.ok || caller.ends != 1 || caller.why.kind != rows[i].kind ||
		    caller.why.ko[0] == '\0')
			fail_msg("row %zu: ok %d, ends %u, kind %s", i, caller.ok, caller.ends,
			         fault_kind_name(caller.why.kind));
		buffer_free(&caller.data);
		finish();
	}
}

/* Silence before the answer, in the middle of it, and an answer that drips for ever: each has its deadline. */
static void
test_deadlines(void **state)
{
	static const struct part parts[] = {
	    {.says = PLAIN,	                                      .wait_ms = 600, .close = true},
	    {.says = HEAD_OK "Content-Length: 9\r\n\r\nhello"                                                         },
	    {.says = HEAD_OK "Content-Length: 5000\r\n\r\n"
	                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	                     "aaaaaaaaaaaaaaaaaaaaaaaaaaa"
	                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	                     "aaaaaaaaaaaaaaaaaaaaaaaaaaa", .step = 1	                }
        };
	static const unsigned least[] = {250, 250, 140};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct caller caller;
		int64_t from = clock_monotonic_ns();
		unsigned long took;

		setup_loop(&parts[i], 1);
		if (i == 2)
			address.total_ms = 150;
		run_one(&caller);
		took = (unsigned long)((clock_monotonic_ns() - from) / 1000000);
		assert_false(caller.ok);
		assert_int_equal(caller.ends, 1);
		assert_int_equal(caller.why.kind, FAULT_TIMEOUT);
		assert_in_range(took, least[i], 1200);
		buffer_free(&caller.data);
		finish();
	}
}

static void
test_too_large(void **state)
{
	static const struct part parts[] = {
	    {.says = CHUNKS, .close = true}
        };
	struct caller caller;

	(void)state;
	setup_loop(parts, 1);
	address.answer_size = 10;
	run_one(&caller);
	assert_false(caller.ok);
	assert_int_equal(caller.why.kind, FAULT_TOO_LARGE);
	buffer_free(&caller.data);
	finish();
}

/* Nothing comes after a cancel, wherever it was made. */
static void
test_cancel(void **state)
{
	static const struct part parts[] = {
	    {.says = CHUNKS, .step = 1, .close = true}
        };
	struct caller caller = {0};

	(void)state;
	setup_loop(parts, 1);
	caller.cancel_at = 7;
	call(&caller);
	loop_run(loop);
	assert_int_equal(caller.ends, 0);
	assert_int_equal(caller.data.size, 7);
	buffer_free(&caller.data);
	finish();
	/* At once, before anything was heard; and with nothing to cancel. */
	setup_loop(parts, 1);
	memset(&caller, 0, sizeof caller);
	call(&caller);
	engine_cancel(caller.call);
	engine_cancel(NULL);
	assert_int_equal(caller.ends, 0);
	buffer_free(&caller.data);
	finish();
}

/* Paused again and again, in the middle of chunks: every byte comes, in order, and no deadline strikes. */
static void
test_pause(void **state)
{
	static char says[40000];
	struct part part = {.says = says, .close = true};
	struct caller caller = {0};
	size_t size;

	(void)state;
	size = (size_t)snprintf(says, sizeof says, "%s", HEAD_OK "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i < 3000; i++)
		size += (size_t)snprintf(says + size, sizeof says - size, "5\r\n%05zu\r\n", i);
	snprintf(says + size, sizeof says - size, "0\r\n\r\n");
	setup_loop(&part, 1);
	caller.pause_at = 10;
	call(&caller);
	loop_run(loop);
	assert_true(caller.ok);
	assert_in_range(caller.paused, 9, 14);
	assert_int_equal(caller.data.size, 15000);
	for (size_t i = 0; i < 3000; i++) {
		char number[8];

		snprintf(number, sizeof number, "%05zu", i);
		assert_memory_equal(caller.data.data + i * 5, number, 5);
	}
	buffer_free(&caller.data);
	finish();
}

static void
test_nobody_there(void **state)
{
	struct caller caller = {0};

	(void)state;
	setup_loop(NULL, 0);
	assert_int_equal(engine_address_parse(&address, "unix:/tmp/haechi-nobody-listens-here", NULL), 0);
	call(&caller);
	assert_null(caller.call);
	assert_int_equal(caller.why.kind, FAULT_UNAVAILABLE);
	buffer_free(&caller.data);
	/* A TCP port that refuses: told by the callback. */
	assert_int_equal(engine_address_parse(&address, "http://127.0.0.1:1", NULL), 0);
	memset(&caller, 0, sizeof caller);
	call(&caller);
	if (caller.call != NULL)
		loop_run(loop);
	assert_int_equal(caller.ends, 1);
	assert_false(caller.ok);
	assert_int_equal(caller.why.kind, FAULT_UNAVAILABLE);
	buffer_free(&caller.data);
	finish();
}

static void
test_addresses(void **state)
{
	static const char *const good[] = {"unix:/run/haechi/engine.sock", "http://127.0.0.1:8000",
	                                   "http://[::1]:8000/base/", "https://engine.example.go.kr",
	                                   "https://engine.example.go.kr:8443/v"};
	static const char *const wrong[] = {
	    "",          "unix:",        "unix:relative", "http://localhost:80", "http://127.0.0.1",
	    "ftp://a/",  "https://",     "https://a b/",  "https://user@host/",  "http://127.0.0.1:0x50",
	    "127.0.0.1", "https://a/?q", "https://a/#f",  "https://a\\b/"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(engine_address_parse(&address, good[i], NULL), 0);
	assert_string_equal(address.base, "/v");
	assert_string_equal(address.host, "engine.example.go.kr:8443");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct fault why = {0};

		if (engine_address_parse(&address, wrong[i], &why) != -1)
			fail_msg("taken: %s", wrong[i]);
		assert_true(why.ko[0] != '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),        cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_turns),        cmocka_unit_test(test_not_kept),
	    cmocka_unit_test(test_stale),        cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_deadlines),    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_cancel),       cmocka_unit_test(test_pause),
	    cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
