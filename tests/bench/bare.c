/*
 * bare -- door, server and engine client with nothing between them: what a request costs before any governance.
 *
 *	bare LISTEN ENGINE [LOOPS]	bare 127.0.0.1:8090 unix:/tmp/responder 2
 *
 * Plain answers are gathered and sent whole, event streams are passed on as they come.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/engine.h"
#include "gateway/server.h"
#include "gateway/stream.h"
#include "schema/base/log.h"

static struct engine_address engine;

struct relay {
	struct arrival *arrival;
	struct engine_call *call;
	struct buffer body;
	struct stream *stream;
	int status;
	bool left, done;
	struct answer_header headers[1];
};

static void
relay_free(struct relay *relay)
{
	buffer_free(&relay->body);
	stream_free(relay->stream);
	arrival_free(relay->arrival); /* the relay lives in its arena */
}

static void
relay_answer(struct relay *relay, int status)
{
	server_answer(relay->arrival->call, &(struct answer){.status = status,
	                                                     .headers = relay->headers,
	                                                     .header_count = 1,
	                                                     .body = buffer_view(&relay->body),
	                                                     .stream = relay->stream});
}

static void
relay_drained(void *owner)
{
	struct relay *relay = owner;

	if (relay->call != NULL)
		engine_resume(relay->call);
}

static void
relay_head(void *owner, int status, const char *content_type)
{
	struct relay *relay = owner;

	relay->status = status;
	relay->headers[0] =
	    (struct answer_header){"Content-Type", arena_string(relay->arrival->arena, content_type)};
	if (strcmp(content_type, "text/event-stream") == 0 &&
	    (relay->stream = stream_new(4 * STREAM_SIZE)) != NULL) {
		stream_on_drain(relay->stream, relay_drained, relay);
		relay_answer(relay, status);
	}
}

static void
relay_data(void *owner, struct slice bytes)
{
	struct relay *relay = owner;

	if (relay->stream == NULL) {
		buffer_slice(&relay->body, bytes);
		return;
	}
	if (!stream_write(relay->stream, bytes)) {
		stream_abort(relay->stream); /* never: it is paused long before */
		return;
	}
	if (stream_room(relay->stream) < 2 * LOOP_SCRATCH) {
		engine_pause(relay->call);
		(void)stream_write(relay->stream,
		                   slice_of(NULL, stream_room(relay->stream) + 1)); /* asks to be told */
	}
}

static void
relay_end(void *owner, bool ok, const struct fault *why)
{
	struct relay *relay = owner;

	relay->call = NULL;
	if (!ok)
		log_fault(LOG_LEVEL_WARN, "bare", "engine", why);
	if (relay->stream != NULL) {
		if (ok)
			stream_end(relay->stream);
		else
			stream_abort(relay->stream);
	} else
		relay_answer(relay, ok ? relay->status : 502);
}

static void *
relay_request(struct arrival *arrival, void *owner)
{
	static const struct engine_callbacks callbacks = {relay_head, relay_data, relay_end};
	struct relay *relay = arena_alloc(arrival->arena, sizeof *relay);
	struct engine_request request = {
	    .method = "POST", .content_type = "application/json", .body = arrival->body};
	struct fault why;

	(void)owner;
	if (relay == NULL)
		return NULL;
	relay->arrival = arrival;
	relay->headers[0] = (struct answer_header){"Content-Type", "text/plain"};
	buffer_init(&relay->body, (size_t)1 << 20);
	request.path = arrival->target;
	if ((relay->call = engine_call(arrival->loop, &engine, &request, &callbacks, relay, &why)) == NULL) {
		log_fault(LOG_LEVEL_WARN, "bare", "engine", &why);
		relay_answer(relay, 502);
	}
	return relay;
}

static void
relay_left(void *context)
{
	struct relay *relay = context;

	engine_cancel(relay->call);
	relay->call = NULL;
}

static void
relay_done(void *context)
{
	struct relay *relay = context;

	engine_cancel(relay->call);
	relay_free(relay);
}

int
main(int count, char **arguments)
{
	struct server_options options = {
	    .handler = {.request = relay_request, .left = relay_left, .done = relay_done}
        };
	struct server *server;
	struct fault why;
	sigset_t set;
	int number;

	if (count < 3 || engine_address_parse(&engine, arguments[2], &why) == -1) {
		fprintf(stderr, "usage: bare LISTEN ENGINE [LOOPS]\n");
		return 2;
	}
	limits_default(&options.limits);
	options.listen[0] = arguments[1];
	options.listen_count = 1;
	options.loops = count > 3 ? (unsigned)atoi(arguments[3]) : 0;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (server_start(&server, &options, &why) == -1) {
		fault_print(stderr, "bare", &why);
		return 2;
	}
	printf("%s\n", server_address(server, 0));
	fflush(stdout);
	sigwait(&set, &number);
	server_stop(server, 2000);
	return 0;
}
