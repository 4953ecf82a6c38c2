/*
 * listen -- listening sockets: TCP ones of each loop (SO_REUSEPORT), Unix ones shared by all.
 */
#ifndef HAECHI_GATEWAY_LISTEN_H
#define HAECHI_GATEWAY_LISTEN_H

#include "gateway/server.h"

#define LISTENER_TEXT 128
#define ADDRESS_TEXT  64

struct listener {
	int  *fd;     /* one for each loop, or one when shared */
	bool  shared; /* a Unix socket */
	char  text[LISTENER_TEXT]; /* as bound */
	char *path;   /* of a Unix socket, to be removed; NULL else */
};

struct listeners {
	struct listener row[SERVER_ADDRESSES];
	size_t          count;
	unsigned        loops;
};

/* Zero *out first. A Unix path that nobody listens on any more is replaced; its mode is 0660. */
MUST_CHECK int listeners_open(struct listeners *out, const char *const *addresses, size_t count, unsigned loops,
    struct fault *why);
void listeners_close(struct listeners *listeners); /* also what was opened in part */
/* "127.0.0.1:8080", "[::1]:8080": numbers only. false: not such an address. */
bool address_parse(struct sockaddr_storage *out, socklen_t *size, const char *text);
/* The same text of an address; "unix" for one that is neither IPv4 nor IPv6. */
void address_write(char out[ADDRESS_TEXT], const struct sockaddr_storage *address);
uint16_t address_port(const struct sockaddr_storage *address); /* of IPv4 or IPv6 */

#endif
