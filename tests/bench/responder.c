/*
 * responder -- the upstream of the benchmarks: answers every request with the same chat completion, at once.
 *
 *	responder unix:PATH tcp:127.0.0.1:PORT ...
 *
 * One thread, one epoll set. A request whose body holds "stream":true gets server-sent events, TOKENS pieces and
 * [DONE], all in one write. It believes what it reads: it is a tool of the benchmark, on loopback.
 */
#define _GNU_SOURCE /* accept4, memmem */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TOKENS     32
#define CLIENTS    65536
#define INPUT_SIZE 131072

struct client {
	char *in;
	size_t size;
};

static struct client clients[CLIENTS];
static bool listening[CLIENTS];
static char plain[4096], events[16384];
static size_t plain_size, events_size;

static void
make_answers(void)
{
	static const char body[] =
	    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":"
	    "\"bench\","
	    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"안녕하세요. 무엇을 "
	    "도와드릴까요? "
	    "주민등록등본은 정부24에서 발급받을 수 있습니다.\"},\"finish_reason\":\"stop\"}],"
	    "\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":32,\"total_tokens\":53}}";
	char text[8192];
	size_t size = 0;

	plain_size = (size_t)snprintf(
	    plain, sizeof plain,
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    sizeof body - 1, body);
	for (int i = 0; i < TOKENS; i++)
		size += (size_t)snprintf(
		    text + size, sizeof text - size,
		    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
		    "\"created\":1767225600,\"model\":\"haechi-demo\",\"choices\":[{\"index\":0,\"delta\":"
		    "{\"content\":\"말 \"},\"finish_reason\":%s}]}\n\n",
		    i == TOKENS - 1 ? "\"stop\"" : "null");
	size += (size_t)snprintf(text + size, sizeof text - size, "data: [DONE]\n\n");
	events_size = (size_t)snprintf(events, sizeof events,
	                               "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	                               "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
	                               size, text);
}

static void
client_close(int fd)
{
	free(clients[fd].in);
	clients[fd] = (struct client){NULL, 0};
	close(fd);
}

/* The size of the request at the front; 0: not whole. */
static size_t
request_size(const char *in, size_t size, bool *stream)
{
	const char *end = memmem(in, size, "\r\n\r\n", 4);
	size_t head, body = 0;

	if (end == NULL)
		return 0;
	head = (size_t)(end - in) + 4;
	for (const char *p = in; p < end; p++)
		if (*p == '\n' && strncasecmp(p + 1, "content-length:", 15) == 0)
			body = strtoul(p + 16, NULL, 10);
	if (size < head + body)
		return 0;
	*stream = memmem(in + head, body, "\"stream\":true", 13) != NULL;
	return head + body;
}

static void
client_ready(int fd)
{
	struct client *client = &clients[fd];
	ssize_t n;
	size_t size;
	bool stream = false;

	if (client->in == NULL && (client->in = malloc(INPUT_SIZE)) == NULL) {
		client_close(fd);
		return;
	}
	n = recv(fd, client->in + client->size, INPUT_SIZE - client->size, 0);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_close(fd);
		return;
	}
	client->size += (size_t)n;
	while ((size = request_size(client->in, client->size, &stream)) > 0) {
		memmove(client->in, client->in + size, client->size - size);
		client->size -= size;
		if (send(fd, stream ? events : plain, stream ? events_size : plain_size, MSG_NOSIGNAL) ==
		    -1) {
			client_close(fd);
			return;
		}
	}
}

static int
listen_at(const char *text)
{
	int fd, one = 1;

	if (strncmp(text, "unix:", 5) == 0) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};

		snprintf(address.sun_path, sizeof address.sun_path, "%s", text + 5);
		unlink(address.sun_path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fd == -1 || bind(fd, (struct sockaddr *)&address, sizeof address) == -1)
			return -1;
		chmod(address.sun_path, 0666);
	} else {
		struct sockaddr_in address = {.sin_family = AF_INET};
		const char *colon = strrchr(text, ':');

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address.sin_port = htons((uint16_t)atoi(colon + 1));
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		if (fd == -1 || bind(fd, (struct sockaddr *)&address, sizeof address) == -1)
			return -1;
	}
	return listen(fd, 1024) == -1 ? -1 : fd;
}

int
main(int count, char **arguments)
{
	int set = epoll_create1(0);

	make_answers();
	for (int i = 1; i < count; i++) {
		int fd = listen_at(arguments[i]);

		if (fd == -1) {
			perror(arguments[i]);
			return 2;
		}
		listening[fd] = true;
		epoll_ctl(set, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
	}
	for (;;) {
		struct epoll_event ready[128];
		int n = epoll_wait(set, ready, 128, -1);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd, one = 1;

			if (!listening[fd]) {
				client_ready(fd);
				continue;
			}
			while ((fd = accept4(ready[i].data.fd, NULL, NULL, SOCK_NONBLOCK)) != -1) {
				if (fd >= CLIENTS) {
					close(fd);
					continue;
				}
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				epoll_ctl(set, EPOLL_CTL_ADD, fd,
				          &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
			}
		}
	}
}
