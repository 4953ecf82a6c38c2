/* Where the engine listens. */
#define _GNU_SOURCE /* SOCK_NONBLOCK */
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "inference/engine_http.h"

static int
listen_unix(int *listener, const char *path, char *kept, struct fault *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	mode_t before;
	int bound;

	if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
		return fault_set(why, FAULT_USAGE, "소켓 경로가 비었거나 너무 깁니다: %s",
		                 "socket path empty or too long: %s", path);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	/* Only a socket that nobody listens on is replaced. */
	if (lstat(path, &status) == 0) {
		int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int alive = probe != -1 && connect(probe, (struct sockaddr *)&address, sizeof address) == 0;

		if (probe != -1)
			close(probe);
		if (!S_ISSOCK(status.st_mode) || alive)
			return fault_set(why, FAULT_CONFLICT, "%s: 이미 사용 중입니다", "%s: already in use",
			                 path);
		unlink(path);
	}
	if ((*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) == -1)
		return fault_errno(why, "소켓", "socket");
	before = umask(0117);
	bound = bind(*listener, (struct sockaddr *)&address, sizeof address);
	umask(before);
	if (bound == -1)
		return fault_errno(why, "소켓 %s", "socket %s", path);
	snprintf(kept, sizeof address.sun_path, "%s", path);
	return 0;
}

static int
listen_tcp(int *listener, const char *text, char *host, size_t size, struct fault *why)
{
	const char *colon = strrchr(text, ':');
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
	                *found = NULL;
	struct sockaddr_storage bound;
	socklen_t bound_size = sizeof bound;
	char name[128], port[16], *end;
	int one = 1, result = -1;

	if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof name)
		return fault_set(why, FAULT_USAGE, "주소는 tcp:HOST:PORT여야 합니다: %s",
		                 "an address is tcp:HOST:PORT: %s", text);
	snprintf(name, sizeof name, "%.*s", (int)(colon - text), text);
	if (name[0] == '[' && name[strlen(name) - 1] == ']') {
		memmove(name, name + 1, strlen(name));
		name[strlen(name) - 1] = '\0';
	}
	if (strcmp(name, "localhost") == 0)
		snprintf(name, sizeof name, "127.0.0.1");
	/* Numbers beyond the ports there are would be taken for others. */
	if (colon[1] < '0' || colon[1] > '9' || strtoul(colon + 1, &end, 10) > 65535 || *end != '\0')
		return fault_set(why, FAULT_USAGE, "포트는 0-65535의 수입니다: %s",
		                 "a port is a number of 0-65535: %s", text);
	hints.ai_flags |= AI_NUMERICHOST;
	if (getaddrinfo(name, colon + 1, &hints, &found) != 0)
		return fault_set(why, FAULT_USAGE, "주소를 알 수 없습니다: %s", "not an address: %s", text);
	*listener = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*listener == -1 || setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == -1 ||
	    bind(*listener, found->ai_addr, found->ai_addrlen) == -1 ||
	    getsockname(*listener, (struct sockaddr *)&bound, &bound_size) == -1) {
		fault_errno(why, "%s", "%s", text);
		goto out;
	}
	if (getnameinfo((struct sockaddr *)&bound, bound_size, name, sizeof name, port, sizeof port,
	                NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(port, sizeof port, "?");
	snprintf(host, size, strchr(name, ':') != NULL ? "tcp:[%s]:%s" : "tcp:%s:%s", name, port);
	result = 0;
out:
	freeaddrinfo(found);
	return result;
}

int
engine_http_listen(int *listener, const char *listen_on, char *path, char address[256], struct fault *why)
{
	snprintf(address, 256, "%s", listen_on);
	if (strncmp(listen_on, "unix:", 5) == 0) {
		if (listen_unix(listener, listen_on + 5, path, why) == -1)
			return -1;
	} else if (strncmp(listen_on, "tcp:", 4) == 0) {
		if (listen_tcp(listener, listen_on + 4, address, 256, why) == -1)
			return -1;
	} else {
		return fault_set(why, FAULT_USAGE, "주소는 unix:PATH 또는 tcp:HOST:PORT여야 합니다: %s",
		                 "an address is unix:PATH or tcp:HOST:PORT: %s", listen_on);
	}
	return listen(*listener, 512) == 0 ? 0 : fault_errno(why, "%s", "%s", listen_on);
}
