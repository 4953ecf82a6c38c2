/*
 * implant -- what an attacker inside haechid would do first: call out, run something. Preloaded into the real haechid; on
 * a thread of its door, behind the whole sandbox, it tries what the file named by IMPLANT lists, and writes beside it,
 * with ".did", what each came to: a line "WORD ERRNO".
 *
 *	tcp ADDRESS PORT [TIMES]    connect there
 *	udp, raw, packet            make such a socket
 *	run                         execute /bin/true
 *	bad                         connect to an address outside all memory
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int
call_out(const char *host, unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd == -1)
		return errno;
	inet_pton(AF_INET, host, &address.sin_addr);
	error = connect(fd, (const struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
	close(fd);
	return error;
}

static int
make(int family, int type)
{
	const int fd = socket(family, type | SOCK_CLOEXEC, 0), error = fd == -1 ? errno : 0;

	if (fd != -1)
		close(fd);
	return error;
}

static int
point_astray(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd == -1)
		return errno;
	error = connect(fd, (const struct sockaddr *)8, sizeof(struct sockaddr_in)) == -1 ? errno : 0;
	close(fd);
	return error;
}

static int
try(const char *line)
{
	char host[64], *const nothing[] = {NULL};
	unsigned port, times = 1;
	int error = 0;

	if (sscanf(line, "tcp %63s %u %u", host, &port, &times) >= 2) {
		while (times-- > 0)
			error = call_out(host, port);
		return error;
	}
	if (strncmp(line, "run", 3) == 0)
		return execve("/bin/true", nothing, nothing) == -1 ? errno : 0;
	if (strncmp(line, "bad", 3) == 0)
		return point_astray();
	return strncmp(line, "udp", 3) == 0   ? make(AF_INET, SOCK_DGRAM)
	       : strncmp(line, "raw", 3) == 0 ? make(AF_INET, SOCK_RAW)
	                                      : make(AF_PACKET, SOCK_RAW);
}

int
accept4(int fd, __SOCKADDR_ARG address, socklen_t *size, int flags)
{
	static int (*real)(int, struct sockaddr *, socklen_t *, int);
	const char *const orders = getenv("IMPLANT");
	char line[128], did[4096];
	FILE *in, *out;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "accept4");
	if (orders != NULL && (in = fopen(orders, "re")) != NULL) {
		unlink(orders);
		snprintf(did, sizeof did, "%s.part", orders);
		if ((out = fopen(did, "we")) != NULL) {
			while (fgets(line, sizeof line, in) != NULL)
				fprintf(out, "%.*s %d\n", (int)strcspn(line, " \n"), line, try(line));
			fclose(out);
			snprintf(line, sizeof line, "%s.did", orders);
			rename(did, line);
		}
		fclose(in);
	}
	return real(fd, address.__sockaddr__, size, flags);
}
