/*
 * tls -- the one door to OpenSSL's libssl: TLS 1.2 and 1.3 for clients of the gateway, with client certificates when asked for.
 *
 * Descriptors are non-blocking; a session does what it can and says what it waits for. A context serves all loops, a
 * session one. SIGPIPE must be ignored. A context may be renewed while it serves: certificates end.
 */
#ifndef HAECHI_GATEWAY_TLS_H
#define HAECHI_GATEWAY_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "schema/base/arena.h"
#include "schema/base/fault.h"

struct tls;
struct tls_session;

/*
 * Certificate chain and key are PEM files, checked to belong together. With `client_ca` certificates are asked for and
 * must verify against it when given; `client_required` ends a handshake without one.
 */
MUST_CHECK int tls_open(struct tls **out, const char *certificate, const char *key, const char *client_ca,
    bool client_required, struct fault *why);
void tls_close(struct tls *tls); /* NULL is fine */
/* Sessions that begin from now on have `fresh`'s certificate, those there are keep theirs. Takes `fresh` over. Any thread. */
void tls_renew(struct tls *tls, struct tls *fresh);

struct tls_session *tls_session_new(struct tls *tls, int fd); /* NULL: no memory. The descriptor stays the caller's */
void                tls_session_free(struct tls_session *session); /* NULL is fine */
/* 1: done, 0: wait (see tls_wants_write), -1: failed */
int tls_handshake(struct tls_session *session);
/* The handshake failed because the client spoke plain HTTP. */
bool tls_was_plain(const struct tls_session *session);
/* As recv() and send(): -1 with errno EAGAIN when it must wait, another errno when the session is over; 0: closed. */
ssize_t tls_read(struct tls_session *session, void *out, size_t size);
ssize_t tls_write(struct tls_session *session, const void *bytes, size_t size);
bool    tls_wants_write(const struct tls_session *session); /* the last EAGAIN waits for room to send */
bool    tls_pending(const struct tls_session *session);     /* bytes are held that no epoll will tell of */
void    tls_shutdown(struct tls_session *session);          /* says goodbye, does not wait for an answer */
/*
 * The client's verified certificate: SHA-256 of its DER in lower-case hex, and its subject (RFC 2253). Both "" without
 * one. In `arena`; NULL when it is full.
 */
void tls_client(const struct tls_session *session, struct arena *arena, const char **sha256, const char **subject);

#endif
