#define _GNU_SOURCE /* accept4, memmem */
#include "inference/engine_http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/base/clock.h"

#define CONNECTIONS_LIMIT 1024
#define OUTPUT_LIMIT      ((size_t)64 << 20) /* a whole answer must fit; a stream nobody reads ends there */
#define STREAM_LIMIT      ((size_t)4 << 20)
#define HEAD_SECONDS      10 /* from the first byte of a head to its last */
#define BODY_SECONDS      60
#define IDLE_SECONDS      300                  /* between requests, and for output that nobody takes */
#define STOP_PATIENCE     ((int64_t)200000000) /* ns that what was sent before a stop may take to be read */
#define LINGER_SECONDS    2 /* that a refused client may go on sending: else it would lose the answer */

enum state { READING_HEAD, READING_BODY, ANSWERING, LINGERING };

struct connection {
	struct http_call call; /* first: a call is its connection */
	struct http_server *server;
	struct connection *next, *before;
	int socket;
	enum state state;
	bool keep_alive, streaming, handling, closing, refused, dead;
	uint32_t events; /* what epoll was told */
	struct buffer in, out;
	size_t head_size, searched, body_size;
	int64_t deadline; /* monotonic ns; 0: none */
};

struct http_server {
	struct http_callbacks callbacks;
	int listener, epoll, wake;
	char path[108];         /* of a Unix socket, to unlink */
	_Atomic unsigned stops; /* times that engine_http_stop() was called */
	bool accepting;
	struct connection *connections, *dying;
	size_t count;
};

/* ---- connections ------------------------------------------------------------------------------------------------ */

static void
watch(struct connection *connection, uint32_t events)
{
	struct epoll_event event = {.events = events | EPOLLRDHUP, .data.ptr = connection};

	if (connection->events == events)
		return;
	connection->events = events;
	epoll_ctl(connection->server->epoll, EPOLL_CTL_MOD, connection->socket, &event);
}

static void
accept_more(struct http_server *server, bool more)
{
	struct epoll_event event = {.data.ptr = &server->listener};

	more = more && !engine_http_stopping(server);
	event.events = more ? EPOLLIN : 0;
	if (server->accepting != more)
		epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->listener, &event);
	server->accepting = more;
}

/* Out of the lists; freed at the end of the round, since events for it may still be in hand. */
static void
drop(struct connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->dead)
		return;
	connection->dead = true;
	if (connection->state == ANSWERING && connection->call.gone != NULL)
		connection->call.gone(&connection->call);
	connection->call.gone = NULL;
	epoll_ctl(server->epoll, EPOLL_CTL_DEL, connection->socket, NULL);
	close(connection->socket);
	if (connection->before != NULL)
		connection->before->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next != NULL)
		connection->next->before = connection->before;
	connection->next = server->dying;
	server->dying = connection;
	server->count--;
	accept_more(server, true);
}

static void
bury(struct http_server *server)
{
	while (server->dying != NULL) {
		struct connection *connection = server->dying;

		server->dying = connection->next;
		buffer_free(&connection->in);
		buffer_free(&connection->out);
		free(connection);
	}
}

static void
set_deadline(struct connection *connection, int seconds)
{
	connection->deadline = seconds == 0 ? 0 : clock_monotonic_ns() + seconds * (int64_t)1000000000;
}

/* Send what there is. */
static void
flush(struct connection *connection)
{
	while (connection->out.size > 0) {
		ssize_t sent =
		    send(connection->socket, connection->out.data, connection->out.size, MSG_NOSIGNAL);

		if (sent == -1 && errno == EINTR)
			continue;
		if (sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (sent == -1) {
			drop(connection);
			return;
		}
		buffer_consume(&connection->out, (size_t)sent);
		if (connection->deadline != 0)
			set_deadline(connection, IDLE_SECONDS);
	}
	if (connection->out.size == 0 && connection->closing && connection->state < ANSWERING) {
		if (!connection->refused || shutdown(connection->socket, SHUT_WR) == -1) {
			drop(connection);
			return;
		}
		connection->state = LINGERING;
		set_deadline(connection, LINGER_SECONDS);
	}
	/* While an answer is made nothing more is read than the kernel holds: only leaving is watched for. */
	watch(connection, (connection->out.size > 0 ? (uint32_t)EPOLLOUT : 0) |
	                      (connection->state == ANSWERING ? 0 : (uint32_t)EPOLLIN));
}

/* ---- answering -------------------------------------------------------------------------------------------------- */

static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
	    {200, "OK"	                     },
	    {400, "Bad Request"                    },
	    {404, "Not Found"                      },
	    {405, "Method Not Allowed"             },
	    {408, "Request Timeout"                },
	    {411, "Length Required"                },
	    {413, "Content Too Large"              },
	    {417, "Expectation Failed"             },
	    {429, "Too Many Requests"              },
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"          },
	    {501, "Not Implemented"                },
	    {503, "Service Unavailable"            },
	    {505, "HTTP Version Not Supported"     }
        };

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

/* What is wrong with a request that cannot be read. */
static const char *
complaint(int status)
{
	switch (status) {
	case 408:
		return "요청이 제때 다 오지 않았습니다 | the request did not come in time";
	case 411:
		return "Content-Length가 없습니다 | there is no Content-Length";
	case 413:
		return "요청 본문이 32 MiB를 넘습니다 | the body is larger than 32 MiB";
	case 431:
		return "요청 머리가 16 KiB를 넘습니다 | the head of the request is larger than 16 KiB";
	case 501:
		return "Transfer-Encoding 대신 Content-Length를 쓰십시오 | use Content-Length, not "
		       "Transfer-Encoding";
	default:
		return "HTTP 요청이 올바르지 않습니다 | malformed HTTP request";
	}
}

static void try_request(struct connection *connection);

/* The answer is complete: on to the next request, which may have arrived already. */
static void
end_call(struct connection *connection)
{
	connection->call.gone = NULL;
	connection->call.owner = NULL;
	connection->streaming = false;
	connection->state = READING_HEAD;
	connection->head_size = connection->searched = connection->body_size = 0;
	if (!connection->keep_alive)
		connection->closing = true;
	set_deadline(connection, IDLE_SECONDS);
	flush(connection);
	/* Not from within the handler: try_request() goes on itself. */
	if (!connection->handling && !connection->dead)
		try_request(connection);
}

void
engine_http_answer(struct http_call *call, int status, const char *type, struct slice body, const char *extra)
{
	struct connection *connection = (struct connection *)(void *)call;
	bool head_only = slice_is(call->method, "HEAD");

	buffer_printf(&connection->out,
	              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n", status,
	              reason(status), type, body.size, connection->keep_alive ? "" : "Connection: close\r\n",
	              extra != NULL ? extra : "");
	if (!head_only)
		buffer_slice(&connection->out, body);
	if (!buffer_ok(&connection->out)) {
		drop(connection);
		return;
	}
	end_call(connection);
}

void
engine_http_begin(struct http_call *call, const char *type)
{
	struct connection *connection = (struct connection *)(void *)call;

	connection->streaming = true;
	buffer_printf(&connection->out,
	              "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-cache\r\nTransfer-Encoding: "
	              "chunked\r\n%s\r\n",
	              type, connection->keep_alive ? "" : "Connection: close\r\n");
	set_deadline(connection, IDLE_SECONDS);
}

void
engine_http_chunk(struct http_call *call, struct slice data)
{
	struct connection *connection = (struct connection *)(void *)call;

	if (data.size == 0 || connection->dead)
		return;
	buffer_printf(&connection->out, "%zx\r\n", data.size);
	buffer_slice(&connection->out, data);
	buffer_string(&connection->out, "\r\n");
	if (!buffer_ok(&connection->out) || connection->out.size > STREAM_LIMIT) {
		drop(connection);
		return;
	}
	flush(connection);
}

void
engine_http_finish(struct http_call *call)
{
	struct connection *connection = (struct connection *)(void *)call;

	if (connection->dead)
		return;
	buffer_string(&connection->out, "0\r\n\r\n");
	end_call(connection);
}

/* Refuse what cannot be read, and close: where the next request would begin is not known. */
static void
refuse(struct connection *connection, int status)
{
	char text[512];
	struct slice body;

	connection->keep_alive = false;
	connection->refused = true;
	connection->state = ANSWERING;
	connection->call.method = SLICE_LITERAL("GET");
	snprintf(text, sizeof text,
	         "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":"
	         "\"http_%d\"}}",
	         complaint(status), status);
	body = slice_string(text);
	buffer_reset(&connection->in);
	connection->handling = true;
	engine_http_answer(&connection->call, status, "application/json", body, NULL);
	connection->handling = false;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* A line that ends without CR: no end of a head would ever come. */
static bool
bare_line(const struct connection *connection, size_t from)
{
	for (size_t i = from; i < connection->in.size; i++)
		if (connection->in.data[i] == '\n' && (i == 0 || connection->in.data[i - 1] != '\r'))
			return true;
	return false;
}

/* Hand requests to the handler for as long as whole ones are there. */
static void
try_request(struct connection *connection)
{
	struct http_server *server = connection->server;

	while (!connection->dead && !connection->closing && connection->state < ANSWERING) {
		struct http_head head;
		int status;

		if (connection->state == READING_HEAD) {
			size_t from = connection->searched > 3 ? connection->searched - 3 : 0;
			const uint8_t *end = connection->in.size <= from
			                         ? NULL
			                         : memmem(connection->in.data + from,
			                                  connection->in.size - from, "\r\n\r\n", 4);

			if (end == NULL) {
				if (connection->in.size > ENGINE_HTTP_HEAD_LIMIT)
					refuse(connection, 431);
				else if (bare_line(connection, connection->searched))
					refuse(connection, 400);
				connection->searched = connection->in.size;
				return;
			}
			connection->head_size = (size_t)(end - connection->in.data) + 4;
		}
		if (connection->head_size > ENGINE_HTTP_HEAD_LIMIT) {
			refuse(connection, 431);
			return;
		}
		/* The buffer may have moved since: the head is cheap to read again. */
		if ((status = engine_http_head(slice_of(connection->in.data, connection->head_size),
		                               &head)) != 0) {
			refuse(connection, status);
			return;
		}
		connection->body_size = (size_t)head.length;
		if (connection->in.size - connection->head_size < connection->body_size) {
			if (connection->state == READING_HEAD) {
				connection->state = READING_BODY;
				set_deadline(connection, BODY_SECONDS);
				if (head.expects)
					buffer_string(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n");
				flush(connection);
			}
			return;
		}
		connection->state = ANSWERING;
		connection->keep_alive = head.keep_alive && !engine_http_stopping(server);
		connection->deadline = 0;
		connection->call.method = head.method;
		connection->call.path = head.target;
		connection->call.agency = head.agency;
		for (size_t i = 0; i < head.target.size; i++)
			if (head.target.data[i] == '?')
				connection->call.path.size = i;
		connection->call.body =
		    slice_of(connection->in.data + connection->head_size, connection->body_size);
		connection->handling = true;
		{
			size_t used = connection->head_size + connection->body_size;

			server->callbacks.request(server->callbacks.context, &connection->call);
			if (connection->dead)
				return;
			buffer_consume(&connection->in, used);
		}
		connection->handling = false;
		connection->call.body = connection->call.path = connection->call.agency = slice_of(NULL, 0);
		if (connection->in.size == 0 && connection->in.capacity > 65536) {
			buffer_free(&connection->in);
			buffer_init(&connection->in, ENGINE_HTTP_HEAD_LIMIT + ENGINE_HTTP_BODY_LIMIT + 65536);
		}
		if (connection->state == ANSWERING)
			flush(connection);
	}
}

static void
receive(struct connection *connection)
{
	uint8_t block[65536];
	ssize_t got = recv(connection->socket, block, sizeof block, 0);

	if (got == -1 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (got <= 0) {
		drop(connection);
		return;
	}
	if (connection->closing) /* what comes behind a refused request is for nobody */
		return;
	if (connection->in.size == 0 && connection->state == READING_HEAD)
		set_deadline(connection, HEAD_SECONDS);
	buffer_append(&connection->in, block, (size_t)got);
	if (!buffer_ok(&connection->in)) {
		drop(connection);
		return;
	}
	try_request(connection);
}

/* Whoever has asked nothing for longest makes room; false: all are busy. */
static bool
drop_idle(struct http_server *server)
{
	struct connection *idle = NULL;

	for (struct connection *at = server->connections; at != NULL; at = at->next)
		if (((at->state == READING_HEAD && at->in.size == 0 && at->out.size == 0) ||
		     at->state == LINGERING) &&
		    (idle == NULL || at->deadline < idle->deadline))
			idle = at;
	if (idle != NULL)
		drop(idle);
	return idle != NULL;
}

static void
welcome(struct http_server *server)
{
	for (unsigned i = 0; i < 64; i++) {
		struct connection *connection;
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
		int one = 1, client = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client == -1) {
			/* No files or memory left: once a second, or when somebody leaves, it is tried again. */
			if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR &&
			    errno != ECONNABORTED)
				accept_more(server, false);
			return;
		}
		if ((connection = calloc(1, sizeof *connection)) == NULL) {
			close(client);
			return;
		}
		/* No effect on a Unix socket. */
		(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		connection->server = server;
		connection->socket = client;
		connection->events = EPOLLIN;
		buffer_init(&connection->in, ENGINE_HTTP_HEAD_LIMIT + ENGINE_HTTP_BODY_LIMIT + 65536);
		buffer_init(&connection->out, OUTPUT_LIMIT);
		set_deadline(connection, IDLE_SECONDS);
		event.data.ptr = connection;
		if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, client, &event) == -1) {
			close(client);
			free(connection);
			return;
		}
		connection->next = server->connections;
		if (connection->next != NULL)
			connection->next->before = connection;
		server->connections = connection;
		if (++server->count >= CONNECTIONS_LIMIT && !drop_idle(server)) {
			accept_more(server, false);
			return;
		}
	}
}

static void
check_deadlines(struct http_server *server)
{
	int64_t now = clock_monotonic_ns();

	if (server->count < CONNECTIONS_LIMIT)
		accept_more(server, true);
	for (struct connection *at = server->connections, *next; at != NULL; at = next) {
		next = at->next;
		if (at->deadline == 0 || at->deadline > now || (at->state == ANSWERING && at->out.size == 0))
			continue;
		if (at->state == READING_BODY ||
		    (at->state == READING_HEAD && at->in.size > 0 && !at->closing))
			refuse(at, 408);
		else
			drop(at);
	}
}

/* Who only waits is let go. How many are left. */
static size_t
wind_up(struct http_server *server, bool patient, bool cut)
{
	size_t busy = 0;

	for (struct connection *at = server->connections, *next; at != NULL; at = next) {
		next = at->next;
		if (at->state == ANSWERING && !at->closing && cut)
			server->callbacks.cut(server->callbacks.context, &at->call);
		if (at->dead)
			continue;
		if (at->state != ANSWERING && at->out.size == 0 && !patient)
			drop(at);
		else
			busy++;
	}
	return busy;
}

static void
take_event(struct http_server *server, const struct epoll_event *event)
{
	struct connection *connection = event->data.ptr;
	uint64_t value;

	if (event->data.ptr == &server->listener) {
		welcome(server);
	} else if (event->data.ptr == &server->wake) {
		if (read(server->wake, &value, sizeof value) == sizeof value)
			server->callbacks.woken(server->callbacks.context);
	} else if (!connection->dead) {
		if (event->events & (EPOLLERR | EPOLLHUP))
			drop(connection);
		else if ((event->events & EPOLLRDHUP) && connection->state == ANSWERING)
			drop(connection);
		if (!connection->dead && (event->events & EPOLLOUT))
			flush(connection);
		if (!connection->dead && (event->events & (EPOLLIN | EPOLLRDHUP)) &&
		    connection->state != ANSWERING)
			receive(connection);
	}
}

void
engine_http_run(struct http_server *server)
{
	int64_t checked = clock_monotonic_ns(), last = INT64_MAX;

	for (;;) {
		struct epoll_event events[64];
		int count = epoll_wait(server->epoll, events, 64, last != INT64_MAX ? 50 : 1000);

		for (int i = 0; i < count; i++)
			take_event(server, &events[i]);
		if (clock_monotonic_ns() - checked > 1000000000) {
			check_deadlines(server);
			checked = clock_monotonic_ns();
		}
		if (engine_http_stopping(server)) {
			const int64_t now = clock_monotonic_ns();
			const bool cut = now > last || atomic_load(&server->stops) > 1;

			if (last == INT64_MAX) { /* who has asked before is still heard */
				last = now + (int64_t)ENGINE_HTTP_GRACE * 1000000000;
				welcome(server);
				accept_more(server, false);
			}
			if (wind_up(server,
			            last - now > (int64_t)ENGINE_HTTP_GRACE * 1000000000 - STOP_PATIENCE,
			            cut) == 0 ||
			    cut)
				break;
		}
		bury(server);
	}
	while (server->connections != NULL)
		drop(server->connections);
	bury(server);
}

bool
engine_http_stopping(const struct http_server *server)
{
	return atomic_load(&server->stops) > 0;
}

void
engine_http_wake(struct http_server *server)
{
	uint64_t one = 1;

	if (write(server->wake, &one, sizeof one) != sizeof one)
		return; /* full: it is awake already */
}

void
engine_http_stop(struct http_server *server)
{
	atomic_fetch_add(&server->stops, 1);
	engine_http_wake(server);
}

size_t
engine_http_connections(const struct http_server *server)
{
	return server->count;
}

/* ---- life -------------------------------------------------------------------------------------------------- */

int
engine_http_open(struct http_server **out, const char *listen_on, const struct http_callbacks *callbacks,
                 char address[256], struct fault *why)
{
	struct http_server *server = calloc(1, sizeof *server);
	struct epoll_event event = {.events = EPOLLIN};
	int result = -1;

	if (server == NULL)
		return fault_memory(why);
	server->callbacks = *callbacks;
	server->listener = server->epoll = server->wake = -1;
	if (engine_http_listen(&server->listener, listen_on, server->path, address, why) == -1)
		goto out;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.ptr = &server->listener;
	if (server->epoll == -1 || server->wake == -1 ||
	    epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event) == -1) {
		fault_errno(why, "epoll", "epoll");
		goto out;
	}
	server->accepting = true;
	event.data.ptr = &server->wake;
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->wake, &event) == -1) {
		fault_errno(why, "epoll", "epoll");
		goto out;
	}
	*out = server;
	server = NULL;
	result = 0;
out:
	engine_http_close(server);
	return result;
}

void
engine_http_close(struct http_server *server)
{
	if (server == NULL)
		return;
	while (server->connections != NULL)
		drop(server->connections);
	bury(server);
	if (server->listener != -1)
		close(server->listener);
	if (server->path[0] != '\0')
		unlink(server->path);
	if (server->epoll != -1)
		close(server->epoll);
	if (server->wake != -1)
		close(server->wake);
	free(server);
}
