/*
 * Engines by https://, against the gateway's own door with a certificate: answers, streams with back-pressure,
 * cancels, and every reason for which a server must not be believed.
 */
#define _GNU_SOURCE /* memmem */
#include "tests/certificates.h"
#include "tests/doorkit.h"

#include "gateway/engine.h"

static char folder[] = "/tmp/haechi-test-remote-XXXXXX";
static struct pair authority, host, stranger;
static struct server *server;
static struct engine_address address;
static struct loop *loop;

struct caller {
	struct engine_call *call;
	struct buffer data;
	unsigned heads, ends, pauses;
	int status;
	char content_type[64];
	bool ok;
	struct fault why;
	size_t pause_at, cancel_at;
	struct loop_timer timer;
};

static unsigned running;

static void
over(void)
{
	if (--running == 0)
		loop_stop(loop);
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
on_timer(struct loop_timer *timer)
{
	engine_resume(((struct caller *)timer->owner)->call);
}

static void
on_data(void *owner, struct slice bytes)
{
	struct caller *caller = owner;

	buffer_slice(&caller->data, bytes);
	if (caller->cancel_at > 0 && caller->data.size >= caller->cancel_at) {
		engine_cancel(caller->call);
		over();
	} else if (caller->pause_at > 0 && caller->data.size >= caller->pause_at) {
		caller->pause_at = caller->data.size + 400000;
		caller->pauses++;
		engine_pause(caller->call);
		caller->timer.run = on_timer;
		caller->timer.owner = caller;
		loop_timer_start(loop, &caller->timer, 10);
	}
}

static void
on_end(void *owner, bool ok, const struct fault *why)
{
	struct caller *caller = owner;

	caller->ends++;
	caller->ok = ok;
	if (why != NULL)
		caller->why = *why;
	over();
}

static void
call(struct caller *caller, const char *method, const char *path, const char *body)
{
	static const struct engine_callbacks callbacks = {on_head, on_data, on_end};
	struct engine_request request = {
	    .method = method, .path = path, .content_type = "application/json", .body = slice_string(body)};

	buffer_init(&caller->data, (size_t)64 << 20);
	running++;
	caller->call = engine_call(loop, &address, &request, &callbacks, caller, &caller->why);
	assert_non_null(caller->call);
}

static void
begin(void)
{
	char text[128];

	snprintf(text, sizeof text, "https://%s", server_address(server, 0));
	assert_int_equal(engine_address_parse(&address, text, NULL), 0);
	snprintf(address.ca, sizeof address.ca, "%s", authority.certificate_file);
	address.connect_ms = 15000; /* thirty handshakes on a busy machine */
	running = 0;
	assert_int_equal(loop_new(&loop, 0, NULL), 0);
}

static void
run(void)
{
	loop_run(loop);
	loop_free(loop);
}

static void
test_answers(void **state)
{
	struct caller callers[30] = {{0}};

	(void)state;
	begin();
	for (size_t i = 0; i < 30; i++)
		call(&callers[i], "POST", i % 3 == 1 ? "/later" : "/v1/x", "hello");
	run();
	for (size_t i = 0; i < 30; i++) {
		if (!callers[i].ok)
			fault_print(stderr, "test_remote", &callers[i].why);
		assert_true(callers[i].ok);
		assert_int_equal(callers[i].heads, 1);
		assert_int_equal(callers[i].ends, 1);
		assert_int_equal(callers[i].status, 200);
		assert_string_equal(callers[i].content_type, "text/plain");
		assert_true(slice_is(buffer_view(&callers[i].data), "hello"));
		buffer_free(&callers[i].data);
	}
}

static void
test_statuses(void **state)
{
	struct caller caller = {0};

	(void)state;
	begin();
	call(&caller, "POST", "/null", "x");
	run();
	assert_true(caller.ok); /* an answer like any other: what it means is the caller's to say */
	assert_int_equal(caller.status, 503);
	buffer_free(&caller.data);
	memset(&caller, 0, sizeof caller);
	begin();
	call(&caller, "POST", "/abort", "x");
	run();
	assert_false(caller.ok);
	assert_int_equal(caller.ends, 1);
	assert_int_equal(caller.why.kind, FAULT_UNAVAILABLE);
	buffer_free(&caller.data);
}

/* 3 MB through a window of 128 KiB, paused now and then: all of it, in order. */
static void
test_pause(void **state)
{
	struct caller caller = {.pause_at = 1000};
	struct reader reader;

	(void)state;
	begin();
	call(&caller, "POST", "/stream?200000", "x");
	run();
	assert_true(caller.ok);
	assert_true(caller.pauses > 3);
	reader = reader_of(buffer_view(&caller.data));
	for (unsigned long number = 200000; number > 0; number--) {
		struct slice line = reader_line(&reader);

		assert_true(line.size > 6);
		assert_int_equal(strtoul((const char *)line.data + 6, NULL, 10), number);
		reader_line(&reader);
	}
	assert_true(reader_done(&reader));
	buffer_free(&caller.data);
}

static void
test_cancel(void **state)
{
	struct caller callers[20] = {{0}};

	(void)state;
	begin();
	for (size_t i = 0; i < 20; i++) {
		callers[i].cancel_at = i % 2 == 0 ? 10000 : 0;
		call(&callers[i], "POST", i % 2 == 0 ? "/stream?100000" : "/wait", "x");
		if (i % 2 == 1) {
			engine_cancel(callers[i].call);
			over();
		}
	}
	run();
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(callers[i].ends, 0);
		buffer_free(&callers[i].data);
	}
	kit_settled();
}

static void
test_limits(void **state)
{
	struct caller caller = {0};

	(void)state;
	begin();
	address.answer_size = 100000;
	call(&caller, "POST", "/large?100001", "x");
	run();
	assert_false(caller.ok);
	assert_int_equal(caller.why.kind, FAULT_TOO_LARGE);
	buffer_free(&caller.data);
	memset(&caller, 0, sizeof caller);
	begin();
	address.connect_ms = 100;
	address.first_byte_ms = 100;
	call(&caller, "POST", "/wait", "x");
	run();
	assert_false(caller.ok);
	assert_int_equal(caller.why.kind, FAULT_TIMEOUT);
	buffer_free(&caller.data);
}

/* Another authority, another name, another key than the pinned one, no TLS, nobody: never an answer. */
static void
test_not_believed(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct caller caller = {0};

		begin();
		if (i == 0)
			snprintf(address.ca, sizeof address.ca, "%s", stranger.certificate_file);
		else if (i == 1)
			snprintf(address.host, sizeof address.host, "localhost%s",
			         strrchr(address.host, ':'));
		else if (i == 2)
			snprintf(address.pin, sizeof address.pin,
			         "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
		else if (i == 3)
			address.ca[0] = '\0'; /* the system's authorities do not know ours */
		else
			snprintf(address.host, sizeof address.host, "127.0.0.1:1");
		kit_begun = kit_done = 0;
		call(&caller, "POST", "/v1/x", "secret");
		run();
		assert_false(caller.ok);
		assert_int_equal(caller.ends, 1);
		assert_int_equal(caller.heads, 0);
		assert_int_equal(caller.why.kind, FAULT_UNAVAILABLE);
		assert_int_equal(kit_begun, 0); /* and the body never left */
		buffer_free(&caller.data);
	}
}

static int
before(void **state)
{
	struct server_options options = {.loops = 1};
	struct limits limits;

	(void)state;
	assert_non_null(mkdtemp(folder));
	pair_make(&authority, folder, "authority", NULL);
	pair_make(&host, folder, "host", &authority);
	pair_make(&stranger, folder, "stranger", NULL);
	options.tls_certificate = host.certificate_file;
	options.tls_key = host.key_file;
	limits_default(&limits);
	server = kit_start(&options, &limits);
	return 0;
}

static int
after(void **state)
{
	(void)state;
	server_stop(server, 500);
	pair_drop(&authority);
	pair_drop(&host);
	pair_drop(&stranger);
	rmdir(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers), cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_pause),   cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_limits),  cmocka_unit_test(test_not_believed),
	};

	return cmocka_run_group_tests(tests, before, after);
}
