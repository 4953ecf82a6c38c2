#include "gateway/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 1024

bool
address_parse(struct sockaddr_storage *out, socklen_t *size, const char *text)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN], *end;
	unsigned long port;
	size_t length;

	memset(out, 0, sizeof *out);
	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return false;
	length = (size_t)(colon - text);
	if (text[0] == '[') {
		if (length < 3 || text[length - 1] != ']' || length - 2 >= sizeof host)
			return false;
		memcpy(host, text + 1, length - 2);
		host[length - 2] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*size = sizeof *in6;
		return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
	}
	if (length >= sizeof host)
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	*size = sizeof *in;
	return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

uint16_t
address_port(const struct sockaddr_storage *address)
{
	return ntohs(address->ss_family == AF_INET6
	                 ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_port
	                 : ((const struct sockaddr_in *)(const void *)address)->sin_port);
}

void
address_write(char out[ADDRESS_TEXT], const struct sockaddr_storage *address)
{
	char host[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, host,
		          sizeof host);
		snprintf(out, ADDRESS_TEXT, "%s:%u", host, (unsigned)address_port(address));
	} else if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, host,
		          sizeof host);
		snprintf(out, ADDRESS_TEXT, "[%s]:%u", host, (unsigned)address_port(address));
	} else {
		snprintf(out, ADDRESS_TEXT, "unix");
	}
}

static int
listener_fault(struct fault *why, const char *text)
{
	return fault_errno(why, "%s 에서 들을 수 없습니다", "cannot listen on %s", text);
}

/* A socket file left behind by a process that died is removed; one that answers is somebody's. */
static bool
path_free(const struct sockaddr_un *address)
{
	struct stat about;
	int fd;
	bool taken;

	if (lstat(address->sun_path, &about) == -1)
		return errno == ENOENT;
	if (!S_ISSOCK(about.st_mode)) {
		errno = EEXIST;
		return false;
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return false;
	taken = connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) == 0;
	close(fd);
	if (taken) {
		errno = EADDRINUSE;
		return false;
	}
	return unlink(address->sun_path) == 0;
}

static int
listener_unix(struct listener *listener, const char *path, struct fault *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) == 0 || strlen(path) >= sizeof address.sun_path)
		return fault_set(why, FAULT_INVALID, "unix: 경로가 비었거나 너무 깁니다: %s",
		                 "unix: the path is empty or too long: %s", path);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	listener->shared = true;
	if ((listener->fd = malloc(sizeof *listener->fd)) == NULL)
		return fault_memory(why);
	listener->fd[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd[0] == -1 || !path_free(&address) ||
	    bind(listener->fd[0], (struct sockaddr *)&address, sizeof address) == -1)
		return listener_fault(why, listener->text);
	if ((listener->path = strdup(path)) == NULL)
		return fault_memory(why);
	if (chmod(path, 0660) == -1 || listen(listener->fd[0], LISTEN_BACKLOG) == -1)
		return listener_fault(why, listener->text);
	return 0;
}

/*
 * With SO_REUSEPORT a second daemon of the same user would quietly take half of the first one's connections: without it the
 * kernel says that the address is taken.
 */
static bool
address_taken(const struct sockaddr_storage *address, socklen_t size)
{
	const int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, error = 0;

	if (fd == -1)
		return false;
	/* What lingers of connections long closed is in nobody's way. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    (address->ss_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0) &&
	    bind(fd, (const struct sockaddr *)address, size) == -1)
		error = errno;
	close(fd);
	errno = error;
	return error == EADDRINUSE;
}

static int
listener_tcp(struct listener *listener, unsigned loops, struct fault *why)
{
	struct sockaddr_storage address;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address; /* the port is at the same place */
	socklen_t size;
	int one = 1;
	char *colon;

	if (!address_parse(&address, &size, listener->text))
		return fault_set(why, FAULT_INVALID,
		                 "주소는 '127.0.0.1:8080', '[::1]:8080', 'unix:경로' 꼴이어야 합니다: %s",
		                 "an address is '127.0.0.1:8080', '[::1]:8080' or 'unix:PATH': %s",
		                 listener->text);
	if ((listener->fd = malloc(loops * sizeof *listener->fd)) == NULL)
		return fault_memory(why);
	for (unsigned i = 0; i < loops; i++)
		listener->fd[i] = -1;
	if (address_taken(&address, size))
		return listener_fault(why, listener->text);
	for (unsigned i = 0; i < loops; i++) {
		int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		listener->fd[i] = fd;
		if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == -1 ||
		    (loops > 1 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == -1) ||
		    (address.ss_family == AF_INET6 &&
		     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == -1) ||
		    bind(fd, (struct sockaddr *)&address, size) == -1 || listen(fd, LISTEN_BACKLOG) == -1)
			return listener_fault(why, listener->text);
		if (getsockname(fd, (struct sockaddr *)&address, &size) == -1) /* port 0 became one */
			return listener_fault(why, listener->text);
	}
	if ((colon = strrchr(listener->text, ':')) != NULL)
		snprintf(colon, sizeof listener->text - (size_t)(colon - listener->text), ":%u",
		         (unsigned)ntohs(in->sin_port));
	return 0;
}

int
listeners_open(struct listeners *out, const char *const *addresses, size_t count, unsigned loops,
               struct fault *why)
{
	if (count == 0 || count > SERVER_ADDRESSES)
		return fault_set(why, FAULT_INVALID, "들을 주소는 1개에서 %d개까지입니다",
		                 "listen on 1 to %d addresses", SERVER_ADDRESSES);
	out->loops = loops;
	for (size_t i = 0; i < count; i++) {
		struct listener *listener = &out->row[out->count++];

		if (snprintf(listener->text, sizeof listener->text, "%s", addresses[i]) >= LISTENER_TEXT - 6)
			return fault_set(why, FAULT_INVALID, "주소가 너무 깁니다", "an address is too long");
		if ((strncmp(addresses[i], "unix:", 5) == 0 ? listener_unix(listener, addresses[i] + 5, why)
		                                            : listener_tcp(listener, loops, why)) == -1)
			return -1;
	}
	return 0;
}

void
listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++) {
		struct listener *listener = &listeners->row[i];

		for (unsigned l = 0; listener->fd != NULL && l < (listener->shared ? 1 : listeners->loops);
		     l++)
			if (listener->fd[l] != -1)
				close(listener->fd[l]);
		free(listener->fd);
		if (listener->path != NULL)
			unlink(listener->path);
		free(listener->path);
	}
	listeners->count = 0;
}
