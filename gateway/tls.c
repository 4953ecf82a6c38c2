#include "gateway/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/bytes.h"

struct tls {
	pthread_mutex_t lock; /* guards which context it is; sessions count it */
	SSL_CTX *context;
};

struct tls_session {
	SSL *ssl;
	bool wants_write;
	bool plain;
};

/* OpenSSL's own words behind ours, for both languages. */
static int
tls_fault(struct fault *why, const char *ko, const char *en, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
	ERR_clear_error();
	fault_set(why, FAULT_INVALID, "%s: %s", "%s: %s", file, text);
	if (why != NULL) {
		struct fault own = *why;

		snprintf(why->ko, sizeof why->ko, "%s: %.320s", ko, own.ko);
		snprintf(why->en, sizeof why->en, "%s: %.320s", en, own.en);
	}
	return -1;
}

/* HTTP/1.1 is all we speak; a client that offers only other protocols is told so in the handshake. */
static int
tls_select(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
           unsigned in_size, void *owner)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)owner;
	if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

int
tls_open(struct tls **out, const char *certificate, const char *key, const char *client_ca,
         bool client_required, struct fault *why)
{
	static const unsigned char session_id[] = "haechi";
	struct tls *tls = calloc(1, sizeof *tls);
	int result = -1;

	if (tls == NULL)
		return fault_memory(why);
	pthread_mutex_init(&tls->lock, NULL);
	if ((tls->context = SSL_CTX_new(TLS_server_method())) == NULL) {
		fault_memory(why);
		goto out;
	}
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                      SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                                   SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_cipher_list(tls->context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
		tls_fault(why, "TLS 암호 목록", "TLS ciphers", "");
		goto out;
	}
	SSL_CTX_set_alpn_select_cb(tls->context, tls_select, NULL);
	if (SSL_CTX_use_certificate_chain_file(tls->context, certificate) != 1) {
		tls_fault(why, "TLS 인증서를 읽을 수 없습니다", "cannot read the TLS certificate",
		          certificate);
		goto out;
	}
	if (SSL_CTX_use_PrivateKey_file(tls->context, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(tls->context) != 1) {
		tls_fault(why, "TLS 개인키가 없거나 인증서와 맞지 않습니다",
		          "the TLS key is missing or does not belong to the certificate", key);
		goto out;
	}
	if (client_ca != NULL) {
		STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);

		if (names == NULL || SSL_CTX_load_verify_locations(tls->context, client_ca, NULL) != 1) {
			sk_X509_NAME_pop_free(names, X509_NAME_free);
			tls_fault(why, "클라이언트 인증기관을 읽을 수 없습니다",
			          "cannot read the authority of client certificates", client_ca);
			goto out;
		}
		SSL_CTX_set_client_CA_list(tls->context, names);
		SSL_CTX_set_verify(tls->context,
		                   SSL_VERIFY_PEER | (client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
		                   NULL);
		SSL_CTX_set_session_id_context(tls->context, session_id, sizeof session_id - 1);
	}
	*out = tls;
	tls = NULL;
	result = 0;
out:
	tls_close(tls);
	return result;
}

void
tls_close(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

void
tls_renew(struct tls *tls, struct tls *fresh)
{
	SSL_CTX *const old = tls->context;

	pthread_mutex_lock(&tls->lock);
	tls->context = fresh->context;
	pthread_mutex_unlock(&tls->lock);
	fresh->context = old;
	tls_close(fresh);
}

struct tls_session *
tls_session_new(struct tls *tls, int fd)
{
	struct tls_session *session = calloc(1, sizeof *session);

	if (session == NULL)
		return NULL;
	pthread_mutex_lock(&tls->lock);
	session->ssl = SSL_new(tls->context);
	pthread_mutex_unlock(&tls->lock);
	if (session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1) {
		ERR_clear_error();
		tls_session_free(session);
		return NULL;
	}
	SSL_set_accept_state(session->ssl);
	return session;
}

void
tls_session_free(struct tls_session *session)
{
	if (session == NULL)
		return;
	SSL_free(session->ssl);
	free(session);
}

/* What a result that is not a success means, in the language of recv(). */
static ssize_t
tls_result(struct tls_session *session, int result)
{
	int error = SSL_get_error(session->ssl, result);

	session->wants_write = error == SSL_ERROR_WANT_WRITE;
	if (error == SSL_ERROR_SSL)
		session->plain = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
	ERR_clear_error();
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

int
tls_handshake(struct tls_session *session)
{
	int result;

	ERR_clear_error();
	if ((result = SSL_do_handshake(session->ssl)) == 1)
		return 1;
	return tls_result(session, result) == -1 && errno == EAGAIN ? 0 : -1;
}

bool
tls_was_plain(const struct tls_session *session)
{
	return session->plain;
}

ssize_t
tls_read(struct tls_session *session, void *out, size_t size)
{
	int result;

	ERR_clear_error();
	if ((result = SSL_read(session->ssl, out, (int)size)) > 0)
		return result;
	return tls_result(session, result);
}

ssize_t
tls_write(struct tls_session *session, const void *bytes, size_t size)
{
	int result;

	ERR_clear_error();
	if ((result = SSL_write(session->ssl, bytes, (int)size)) > 0)
		return result;
	return tls_result(session, result);
}

bool
tls_wants_write(const struct tls_session *session)
{
	return session->wants_write;
}

bool
tls_pending(const struct tls_session *session)
{
	return SSL_has_pending(session->ssl) == 1;
}

void
tls_shutdown(struct tls_session *session)
{
	if (SSL_is_init_finished(session->ssl))
		SSL_shutdown(session->ssl);
	ERR_clear_error();
}

void
tls_client(const struct tls_session *session, struct arena *arena, const char **sha256, const char **subject)
{
	X509 *certificate = SSL_get0_peer_certificate(session->ssl);
	unsigned char digest[32];
	unsigned size = sizeof digest;
	BIO *out;
	char *text;
	long length;

	*sha256 = *subject = "";
	if (certificate == NULL || SSL_get_verify_result(session->ssl) != X509_V_OK)
		return;
	*sha256 = *subject = NULL;
	if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1 ||
	    (text = arena_alloc(arena, 65)) == NULL)
		return;
	hex_encode(text, digest, size);
	*sha256 = text;
	if ((out = BIO_new(BIO_s_mem())) == NULL)
		return;
	X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0,
	                   XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	length = BIO_get_mem_data(out, &text);
	*subject = arena_text(arena, slice_of(text, length > 0 ? (size_t)length : 0));
	BIO_free(out);
}
