#include "gateway/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/bay.h"
#include "gateway/head.h"
#include "gateway/stream.h"
#include "schema/base/log.h"

#define SERVER_POOL        ((size_t)12288) /* libmicrohttpd's, for one answer's head or chunk; zeroed each time */
#define SERVER_BLOCK       16384           /* bytes of a stream in one chunk, at most */
#define SERVER_LANES       256             /* kept for the next answers */
#define SERVER_LAST_ROUNDS 1000            /* at the end, until libmicrohttpd has closed everything */

/*
 * A lane is a socket pair into libmicrohttpd: one answer at a time goes through it. We write a request line of our own
 * when an answer is ready, it writes the answer; lanes are kept and used again, by whatever connection is next.
 */
struct lane {
	struct bay *bay;
	int fd;                            /* our end; -1 when closed */
	struct MHD_Connection *connection; /* its end; NULL when closed */
	struct server_call *call;          /* NULL: the client has left, or no answer is under way */
	struct lane *next, *previous;
	bool busy;      /* in the bay's list of answers under way */
	bool suspended; /* the stream had nothing to give */
	bool completed, good;
};

/* One request, from the door until the answer is sent. In the arrival's arena. */
struct server_call {
	struct bay *bay;
	struct door_connection *connection; /* NULL: the client has left */
	struct arrival *arrival;
	void *context;
	struct answer answer;
	struct lane *lane;
	struct server_call *next; /* of those that are over, until done() is called */
	bool answered, over, unheld;
};

/* ---- calls ------------------------------------------------------------------------------------------------------ */

struct slice
arrival_field(const struct arrival *arrival, const char *name)
{
	for (size_t i = 0; i < arrival->field_count; i++)
		if (head_name_is(arrival->fields[i].name, name))
			return arrival->fields[i].value;
	return (struct slice){NULL, 0};
}

void
arrival_free(struct arrival *arrival)
{
	struct bay *bay;

	if (arrival == NULL)
		return;
	bay = loop_part(arrival->loop, LOOP_PART_SERVER);
	if (arrival->call != NULL)
		bay->arrivals--;
	buffer_free(&arrival->storage);
	loop_arena_give(arrival->loop, arrival->arena);
}

/* Nobody needs the call any more; done() follows at the end of the round. */
static void
call_over(struct server_call *call)
{
	if (call->over)
		return;
	call->over = true;
	call->next = call->bay->over;
	call->bay->over = call;
}

static void
calls_done(struct bay *bay)
{
	while (bay->over != NULL) {
		struct server_call *call = bay->over;

		bay->over = call->next;
		if (call->unheld)
			arrival_free(call->arrival);
		else
			bay->server->options.handler.done(call->context); /* the call may be gone now */
	}
}

/* ---- lanes ------------------------------------------------------------------------------------------------------ */

static void
lane_list_remove(struct lane *lane)
{
	if (!lane->busy)
		return;
	lane->busy = false;
	if (lane->next != NULL)
		lane->next->previous = lane->previous;
	if (lane->previous != NULL)
		lane->previous->next = lane->next;
	else
		lane->bay->busy = lane->next;
	lane->next = lane->previous = NULL;
}

static void
lane_resume(struct lane *lane)
{
	lane->bay->dirty = true;
	if (!lane->suspended)
		return;
	lane->suspended = false;
	MHD_resume_connection(lane->connection);
}

/* Our end closes; the lane goes when libmicrohttpd has closed the other. */
static void
lane_close(struct lane *lane)
{
	if (lane->fd != -1) {
		close(lane->fd);
		lane->fd = -1;
	}
	if (lane->connection != NULL) {
		lane_resume(lane);
		return;
	}
	lane_list_remove(lane);
	free(lane);
}

static struct lane *
lane_new(struct bay *bay)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	struct lane *lane = calloc(1, sizeof *lane);
	int pair[2];

	if (lane == NULL)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == -1) {
		log_error("server", "event=socketpair errno=%d", errno);
		free(lane);
		return NULL;
	}
	lane->bay = bay;
	lane->fd = pair[0];
	bay->starting = lane;
	/* The descriptor is libmicrohttpd's whatever it says. server_connection() fills lane->connection. */
	if (MHD_add_connection(bay->daemon, pair[1], (struct sockaddr *)&address, sizeof(sa_family_t)) !=
	        MHD_YES ||
	    lane->connection == NULL) {
		log_error("server", "event=add_connection errno=%d", errno);
		bay->starting = NULL;
		close(lane->fd);
		if (lane->connection == NULL)
			free(lane);
		return NULL;
	}
	return lane;
}

/* The answer is through, or will never be. */
static void
lane_finish(struct lane *lane)
{
	struct bay *bay = lane->bay;
	struct server_call *call = lane->call;
	bool keep = lane->completed && lane->good && lane->connection != NULL && lane->fd != -1;

	if (call->answer.stream != NULL)
		stream_on_fill(call->answer.stream, NULL, NULL);
	lane->call = NULL;
	lane_list_remove(lane);
	if (keep && bay->idle_count < SERVER_LANES) {
		lane->next = bay->idle;
		bay->idle = lane;
		bay->idle_count++;
	} else
		lane_close(lane);
	call->lane = NULL;
	call_over(call);
}

/* Bring what libmicrohttpd has written to the client, as far as he takes it. */
static void
lane_pump(struct lane *lane)
{
	struct bay *bay = lane->bay;
	struct server_call *call = lane->call;
	struct door_connection *connection = call->connection;
	uint8_t *scratch = loop_scratch(bay->loop);

	if (connection == NULL) { /* the client has left; what is still written goes nowhere */
		if (lane->completed || lane->connection == NULL)
			lane_finish(lane);
		return;
	}
	while (door_room(connection)) {
		ssize_t n = recv(lane->fd, scratch, LOOP_SCRATCH, MSG_DONTWAIT);

		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			n = 0;
		else if (n <= 0) { /* closed, as it should be behind Connection: close */
			bool good = lane->completed && lane->good;

			call->connection = NULL;
			if (good)
				door_finish(connection, true);
			else
				door_abort(connection);
			lane_finish(lane);
			return;
		}
		if (n > 0 && !door_send(connection, slice_of(scratch, (size_t)n)))
			return; /* server_left() has seen to it */
		if (n == LOOP_SCRATCH) {
			bay->dirty = true; /* there is room again for the next piece */
			continue;
		}
		if (lane->completed) {
			bool good = lane->good;

			call->connection = NULL;
			if (good)
				door_finish(connection, call->answer.close);
			else
				door_abort(connection);
			lane_finish(lane);
		}
		return;
	}
}

/* ---- libmicrohttpd ---------------------------------------------------------------------------------------------- */

static ssize_t
server_read_stream(void *owner, uint64_t position, char *out, size_t size)
{
	struct lane *lane = owner;
	struct stream *stream;
	size_t n;

	(void)position;
	if (lane->call == NULL || lane->call->connection == NULL)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	stream = lane->call->answer.stream;
	if (stream_state(stream) != STREAM_ABORTED && (n = stream_read(stream, out, size)) > 0)
		return (ssize_t)n;
	switch (stream_state(stream)) {
	case STREAM_ENDED:
		return MHD_CONTENT_READER_END_OF_STREAM;
	case STREAM_ABORTED:
		return MHD_CONTENT_READER_END_WITH_ERROR;
	case STREAM_OPEN:
		break;
	}
	lane->suspended = true;
	MHD_suspend_connection(lane->connection);
	return 0;
}

static void
server_stream_filled(void *owner)
{
	struct server_call *call = owner;

	if (call->lane != NULL)
		lane_resume(call->lane);
}

static bool
header_valid(const struct answer_header *header)
{
	for (const char *p = header->name; *p != '\0'; p++)
		if (*p <= ' ' || *p == ':' || *p == 0x7f)
			return false;
	for (const char *p = header->value; *p != '\0'; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	return header->name[0] != '\0';
}

static struct MHD_Response *
server_response(struct lane *lane)
{
	struct server_call *call = lane->call;
	struct answer *answer = &call->answer;
	struct MHD_Response *response;

	if (answer->stream != NULL)
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SERVER_BLOCK,
		                                             server_read_stream, lane, NULL);
	else
		/* PERSISTENT: it only reads, and done() comes after it has read. */
		response = MHD_create_response_from_buffer(
		    answer->body.size, (void *)(uintptr_t)answer->body.data, MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return NULL;
	for (size_t i = 0; i < answer->header_count; i++)
		if (!header_valid(&answer->headers[i]) ||
		    MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value) !=
		        MHD_YES)
			log_error("server", "event=header_dropped index=%zu", i);
	if (answer->close && MHD_add_response_header(response, "Connection", "close") != MHD_YES)
		log_error("server", "event=header_dropped name=connection");
	return response;
}

/* First called for the head of our own request, then when it is complete: only then may an answer be queued. */
static enum MHD_Result
server_access(void *owner, struct MHD_Connection *connection, const char *url, const char *method,
              const char *version, const char *upload, size_t *upload_size, void **context)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct lane *lane = info == NULL ? NULL : info->socket_context;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)owner;
	(void)url;
	(void)method;
	(void)version;
	(void)upload;
	(void)upload_size;
	if (*context == NULL) {
		*context = lane;
		return lane == NULL ? MHD_NO : MHD_YES;
	}
	lane = *context;
	if (lane->call == NULL || lane->call->connection == NULL ||
	    (response = server_response(lane)) == NULL)
		return MHD_NO;
	result = MHD_queue_response(connection, (unsigned)lane->call->answer.status, response);
	MHD_destroy_response(response);
	return result;
}

static void
server_completed(void *owner, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode code)
{
	struct lane *lane = *context;

	(void)owner;
	(void)connection;
	*context = NULL;
	if (lane == NULL)
		return;
	lane->completed = true;
	lane->good = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
}

static void
server_connection(void *owner, struct MHD_Connection *connection, void **context,
                  enum MHD_ConnectionNotificationCode code)
{
	struct bay *bay = owner;
	struct lane *lane;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		lane = bay->starting;
		bay->starting = NULL;
		lane->connection = connection;
		*context = lane;
		return;
	}
	lane = *context;
	*context = NULL;
	if (lane == NULL)
		return;
	lane->connection = NULL;
	lane->suspended = false;
	if (lane->fd == -1 && !lane->busy)
		free(lane);
}

/* Drive libmicrohttpd until it has nothing to do, and bring its answers to the clients. */
static void
server_round(void *owner)
{
	struct bay *bay = owner;
	struct lane *next;
	MHD_UNSIGNED_LONG_LONG timeout;

	while (bay->dirty) {
		bay->dirty = false;
		MHD_run(bay->daemon);
		if (MHD_get_timeout(bay->daemon, &timeout) == MHD_YES && timeout == 0)
			bay->dirty = true;
		for (struct lane *lane = bay->busy; lane != NULL; lane = next) {
			next = lane->next;
			lane_pump(lane);
		}
		calls_done(bay);
	}
	calls_done(bay);
	if (bay->draining && door_connections(bay->door) == 0 && bay->arrivals == 0 && bay->busy == NULL)
		loop_stop(bay->loop);
}

/* ---- between door and handler ----------------------------------------------------------------------------------- */

static const char overloaded[] =
    "{\"error\":{\"message\":\"지금은 요청을 처리할 수 없습니다. The request cannot be served now.\","
    "\"type\":\"server_error\",\"param\":null,\"code\":\"unavailable\"}}";

void
server_request(struct door_connection *connection, struct arrival *arrival, void *owner)
{
	static const struct answer_header json[] = {
	    {"Content-Type", "application/json; charset=utf-8"}
        };
	struct bay *bay = owner;
	struct server_call *call = arena_alloc(arrival->arena, sizeof *call);
	void *context;

	if (call == NULL) {
		door_abort(connection);
		arrival_free(arrival);
		return;
	}
	call->bay = bay;
	call->arrival = arrival;
	call->connection = connection;
	arrival->call = call;
	bay->arrivals++;
	door_set(connection, call);
	if ((context = bay->server->options.handler.request(arrival, bay->server->options.handler.owner)) !=
	    NULL) {
		call->context = context;
		return;
	}
	call->unheld = true;
	server_answer(call, &(struct answer){
	                        .status = 503,
	                        .headers = json,
	                        .header_count = 1,
	                        .body = slice_of(overloaded, sizeof overloaded - 1),
	                    });
}

void
server_left(struct door_connection *connection, void *owner)
{
	struct bay *bay = owner;
	struct server_call *call = door_get(connection);
	struct lane *lane = call->lane;

	call->connection = NULL;
	if (call->answered && call->answer.stream != NULL)
		stream_on_fill(call->answer.stream, NULL, NULL);
	if (!call->unheld)
		bay->server->options.handler.left(call->context);
	if (lane == NULL)
		call_over(call);
	else { /* libmicrohttpd may still read from the answer: it is told, and says when it is done */
		close(lane->fd);
		lane->fd = -1;
		lane_resume(lane);
	}
}

void
server_room(struct door_connection *connection, void *owner)
{
	struct server_call *call = door_get(connection);
	struct bay *bay = owner;

	if (call != NULL && call->lane != NULL) {
		bay->dirty = true;
		lane_pump(call->lane);
	}
}

void
server_answer(struct server_call *call, const struct answer *answer)
{
	/* As old as the client is: libmicrohttpd then knows what he understands. */
	static const char *const requests[2][2] = {
	    {"GET / HTTP/1.1\r\nHost: haechi\r\n\r\n",  "GET / HTTP/1.0\r\nHost: haechi\r\n\r\n" },
	    {"HEAD / HTTP/1.1\r\nHost: haechi\r\n\r\n", "HEAD / HTTP/1.0\r\nHost: haechi\r\n\r\n"},
	};
	struct bay *bay = call->bay;
	struct lane *lane;
	const struct slice request =
	    slice_string(requests[call->arrival->method == METHOD_HEAD][call->arrival->old]);

	if (call->connection == NULL || call->answered)
		return;
	call->answered = true;
	call->answer = *answer;
	if (door_closing(call->connection))
		call->answer.close = true;
	if ((lane = bay->idle) != NULL) {
		bay->idle = lane->next;
		bay->idle_count--;
	} else
		lane = lane_new(bay);
	if (lane == NULL ||
	    send(lane->fd, request.data, request.size, MSG_NOSIGNAL) != (ssize_t)request.size) {
		struct door_connection *connection = call->connection;

		if (lane != NULL)
			lane_close(lane);
		call->connection = NULL;
		door_abort(connection);
		call_over(call);
		return;
	}
	lane->completed = lane->good = false;
	lane->call = call;
	call->lane = lane;
	lane->busy = true;
	lane->previous = NULL;
	lane->next = bay->busy;
	if (lane->next != NULL)
		lane->next->previous = lane;
	bay->busy = lane;
	bay->dirty = true;
	if (answer->stream != NULL)
		stream_on_fill(answer->stream, server_stream_filled, call);
}

/* ---- libmicrohttpd's life -------------------------------------------------------------------------------------- */

int
server_http_start(struct bay *bay, struct fault *why)
{
	/*
	 * No timeouts: every answer is made by us, and the door watches the clients. No error log: it complains in
	 * words about each answer, since a pair of Unix sockets knows no TCP options.
	 */
	bay->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, server_access,
	    bay, MHD_OPTION_NOTIFY_COMPLETED, server_completed, bay, MHD_OPTION_NOTIFY_CONNECTION,
	    server_connection, bay, MHD_OPTION_CONNECTION_MEMORY_LIMIT, SERVER_POOL,
	    MHD_OPTION_CONNECTION_LIMIT, 1u << 20, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_END);
	if (bay->daemon == NULL)
		return fault_set(why, FAULT_SYSTEM, "libmicrohttpd를 시작할 수 없습니다",
		                 "cannot start libmicrohttpd");
	return loop_each_round(bay->loop, server_round, bay, why);
}

/* The clients are gone: end every answer. All lanes are resumed: libmicrohttpd panics over a suspended one. */
void
server_http_settle(struct bay *bay)
{
	for (unsigned i = 0; i < SERVER_LAST_ROUNDS && (i == 0 || bay->busy != NULL); i++) {
		bay->dirty = bay->daemon != NULL;
		server_round(bay);
	}
}

void
server_http_stop(struct bay *bay)
{
	struct lane *next;

	for (struct lane *lane = bay->idle; lane != NULL; lane = next) {
		next = lane->next;
		lane_close(lane);
	}
	if (bay->daemon != NULL)
		MHD_stop_daemon(bay->daemon);
}
