/*
 * hostile -- many connections of spoilt HTTP to a running gateway; what may never happen ends it with status 1.
 *
 *	hostile HOST:PORT COUNT [SEED]
 *
 * Each connection says one to three requests that were good once: bytes flipped, cut out, doubled, lines swapped and
 * repeated, lengths changed, sent in pieces, and sometimes left half way. Never: a status of 500 or more, more
 * answers than requests could have been read out of it, an answer that is not HTTP, a connection that hangs, a daemon
 * that has gone. Prints what came: {"connections":N,"2xx":N,"4xx":N,"silent":N}.
 */
#define _GNU_SOURCE /* memmem */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SAID 65536

static const char *const good[] = {
    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nHost: a:8080\r\nAuthorization: Bearer none\r\nAccept: */*\r\n\r\n",
    "GET /log/checkpoint HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: keep-alive\r\n\r\n",
    "GET /console/ HTTP/1.1\r\nHost: a\r\nAccept-Language: ko,en;q=0.5\r\nUser-Agent: x/1.0 (y; z)\r\n\r\n",
    "GET /haechi/v1/usecases?limit=10&after=%EA%B0%80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-Request-ID: r-1\r\n"
    "Content-Length: 61\r\n\r\n{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer none\r\nTransfer-Encoding: "
    "chunked\r\n\r\n"
    "10\r\n{\"model\":\"m\",\"me\r\n2d\r\nssages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
    "\n\r\n0\r\n\r\n",
    "POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
    "27\r\n\r\n{\"model\":\"m\",\"input\":\"abc\"}",
    "DELETE /haechi/v1/keys/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS /v1/models HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n",
};

static const char *const words[] = {
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    "\0",
    "%00",
    "%2e%2e/",
    "..",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: -1\r\n",
    "0\r\n\r\n",
    "ffffffff\r\n",
    ";a=b",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "GET ",
    "Host: b\r\n",
    "\r\n\r\n",
    " \r\n",
    "\xff",
    "\x7f",
    "{",
    "\"",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "Upgrade: h2c\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    ", chunked",
    "http://a/",
    "\x0b",
};

static unsigned
below(unsigned limit)
{
	return (unsigned)rand() % limit;
}

static size_t
put_in(char *said, size_t size, size_t at, const char *bytes, size_t count)
{
	if (size + count > SAID)
		return size;
	memmove(said + at + count, said + at, size - at);
	memcpy(said + at, bytes, count);
	return size + count;
}

/* Spoil it in one way. */
static size_t
spoil(char *said, size_t size)
{
	size_t at = size == 0 ? 0 : below((unsigned)size), count;
	const char *word = words[below(sizeof words / sizeof words[0])];
	char copy[64];

	switch (below(7)) {
	case 0:
		if (size > 0)
			said[at] = (char)below(256);
		return size;
	case 1: /* cut out */
		count = 1 + below(8);
		if (at + count > size)
			return size;
		memmove(said + at, said + at + count, size - at - count);
		return size - count;
	case 2: /* double */
		count = 1 + below(sizeof copy - 1);
		if (at + count > size)
			return size;
		memcpy(copy, said + at, count);
		return put_in(said, size, at, copy, count);
	case 3:
		return put_in(said, size, at, word, word[0] == '\0' ? 1 : strlen(word));
	case 4: { /* a word at the beginning of a line, where it hurts */
		char *line = memmem(said + at, size - at, "\r\n", 2);

		if (line == NULL)
			return size;
		return put_in(said, size, (size_t)(line + 2 - said), word,
		              word[0] == '\0' ? 1 : strlen(word));
	}
	case 5: /* a digit becomes another */
		for (; at < size; at++)
			if (said[at] >= '0' && said[at] <= '9') {
				said[at] = (char)('0' + below(10));
				break;
			}
		return size;
	default:
		return size > 0 ? at : 0; /* the rest never comes */
	}
}

static int
reach(const char *target)
{
	const char *colon = strrchr(target, ':');
	struct sockaddr_in address = {.sin_family = AF_INET};
	char host[64] = "";
	int fd;

	if (colon == NULL || (size_t)(colon - target) >= sizeof host)
		return -1;
	memcpy(host, target, (size_t)(colon - target));
	address.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
	    (fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Until it is silent for `patience` ms, or closed. */
static size_t
hear(int fd, char *heard, size_t most, int patience, bool *closed)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	size_t size = 0;

	*closed = false;
	while (size < most && poll(&wait, 1, patience) > 0) {
		ssize_t n = recv(fd, heard + size, most - size, 0);

		if (n <= 0) {
			*closed = true;
			break;
		}
		size += (size_t)n;
	}
	return size;
}

static unsigned counts[6]; /* by hundreds of the status */

/* Status lines in what was heard: at the front, and behind each body we can measure. -1: not HTTP. */
static int
answers(const char *heard, size_t size)
{
	int count = 0;
	size_t at = 0;

	while (size - at > 12) {
		const char *head = heard + at, *stop, *length;
		int status;

		if (memcmp(head, "HTTP/1.1 ", 9) != 0)
			return count == 0 ? -1 : count; /* a body without a length ended the counting */
		status = atoi(head + 9);
		if (status < 100 || status > 599)
			return -1;
		if (status >= 500)
			return -2;
		counts[status / 100]++;
		count += status >= 200;
		if ((stop = memmem(head, size - at, "\r\n\r\n", 4)) == NULL)
			break;
		length = memmem(head, (size_t)(stop - head), "\r\nContent-Length: ", 18);
		at = (size_t)(stop - heard) + 4;
		if (status >= 200 && length != NULL && at < size && memcmp(heard + at, "HTTP/1.1 ", 9) != 0)
			at += strtoul(length + 18, NULL, 10);
		if (at > size)
			break;
	}
	return count;
}

/* An upper bound: each request needs one "HTTP/1.1" of its own. */
static int
requests_in(const char *said, size_t size)
{
	int count = 0;

	for (const char *p = said; (p = memmem(p, size - (size_t)(p - said), "HTTP/1.1", 8)) != NULL; p++)
		count++;
	return count + 1; /* and one refusal of what is none */
}

static void
complain(const char *what, unsigned number, const char *said, size_t size, const char *heard,
         size_t heard_size)
{
	fprintf(stderr, "connection %u: %s\n--- said (%zu bytes)\n", number, what, size);
	fwrite(said, 1, size, stderr);
	fprintf(stderr, "\n--- heard (%zu bytes)\n", heard_size);
	fwrite(heard, 1, heard_size > 2000 ? 2000 : heard_size, stderr);
	fputc('\n', stderr);
}

int
main(int argc, char **argv)
{
	static char said[SAID], heard[1 << 20];
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 0, silent = 0;

	if (argc < 3) {
		fputs("usage: hostile HOST:PORT COUNT [SEED]\n", stderr);
		return 2;
	}
	srand(argc > 3 ? (unsigned)atoi(argv[3]) : 1);
	for (unsigned i = 0; i < count; i++) {
		size_t size = 0, heard_size;
		int fd = reach(argv[1]), number;
		bool closed;

		if (fd == -1) {
			fprintf(stderr, "connection %u: cannot connect: %s\n", i, strerror(errno));
			return 1;
		}
		for (unsigned part = 1 + below(3); part > 0; part--) {
			const char *text = good[below(sizeof good / sizeof good[0])];

			memcpy(said + size, text, strlen(text));
			size += strlen(text);
		}
		for (unsigned ways = below(6); ways > 0; ways--)
			size = spoil(said, size);
		for (size_t at = 0; at < size;) {
			size_t piece = below(4) == 0 ? 1 + below(20) : size - at;

			piece = piece < size - at ? piece : size - at;
			if (send(fd, said + at, piece, MSG_NOSIGNAL) == -1)
				break;
			at += piece;
		}
		if (below(20) == 0) { /* leaves at once */
			close(fd);
			continue;
		}
		if (below(3) > 0)
			shutdown(fd, SHUT_WR); /* nothing more comes: whatever waits must end now */
		heard_size = hear(fd, heard, sizeof heard, 60, &closed);
		if (!closed) {
			shutdown(fd, SHUT_WR);
			heard_size += hear(fd, heard + heard_size, sizeof heard - heard_size, 5000, &closed);
		}
		number = answers(heard, heard_size);
		silent += heard_size == 0;
		if (!closed || number == -1 || number == -2 || number > requests_in(said, size)) {
			complain(!closed        ? "it hangs"
			         : number == -1 ? "not HTTP"
			         : number == -2 ? "5xx"
			                        : "more answers than requests",
			         i, said, size, heard, heard_size);
			return 1;
		}
		close(fd);
	}
	printf("{\"connections\":%u,\"2xx\":%u,\"4xx\":%u,\"silent\":%u}\n", count, counts[2], counts[4],
	       silent);
	return 0;
}
