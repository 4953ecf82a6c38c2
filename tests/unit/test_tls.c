/*
 * TLS at the real door: certificates made here, a client by libssl; mutual TLS hands the fingerprint on.
 */
#define _GNU_SOURCE /* memmem */
#include <openssl/ssl.h>

#include "tests/certificates.h"
#include "tests/doorkit.h"

static char folder[] = "/tmp/haechi-test-tls-XXXXXX";
static char seen_certificate[65], seen_subject[256];
static bool seen_tls;

static struct pair authority, host, client, stranger;

static void *
request(struct arrival *arrival, void *owner)
{
	snprintf(seen_certificate, sizeof seen_certificate, "%s", arrival->certificate);
	snprintf(seen_subject, sizeof seen_subject, "%s", arrival->certificate_subject);
	seen_tls = arrival->tls;
	return kit_request(arrival, owner);
}

static struct server *
start(const char *client_ca, bool required)
{
	struct server_options options = {.loops = 1,
	                                 .tls_certificate = host.certificate_file,
	                                 .tls_key = host.key_file,
	                                 .tls_client_ca = client_ca,
	                                 .tls_client_required = required,
	                                 .listen = {"127.0.0.1:0"},
	                                 .listen_count = 1};
	struct server *server;
	struct fault why;

	limits_default(&options.limits);
	options.limits.tls_ms = 300;
	options.limits.linger_ms = 200;
	options.handler = (struct server_handler){.request = request, .left = kit_gone, .done = kit_finished};
	kit_begun = kit_left = kit_done = 0;
	if (server_start(&server, &options, &why) == -1) {
		fault_print(stderr, "test_tls", &why);
		fail();
	}
	return server;
}

/* NULL: the handshake failed. */
static SSL *
hello(const struct server *server, SSL_CTX *context, int *fd)
{
	SSL *ssl = SSL_new(context);
	struct timeval patience = {.tv_sec = 5};

	*fd = kit_connect(server);
	setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	SSL_set_fd(ssl, *fd);
	if (SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static void
say(SSL *ssl, const char *text)
{
	assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Say it, and read until the answer holds `wanted`. */
static bool
ask(SSL *ssl, const char *text, const char *wanted)
{
	char answer[1 << 17];
	size_t size = 0;
	int n;

	if (SSL_write(ssl, text, (int)strlen(text)) <= 0)
		return false;
	while ((n = SSL_read(ssl, answer + size, (int)(sizeof answer - size))) > 0) {
		size += (size_t)n;
		if (memmem(answer, size, wanted, strlen(wanted)) != NULL)
			return true;
	}
	return false;
}

static SSL_CTX *
context_of(const struct pair *own)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	assert_int_equal(SSL_CTX_load_verify_locations(context, authority.certificate_file, NULL), 1);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (own != NULL) {
		SSL_CTX_use_certificate(context, own->certificate);
		SSL_CTX_use_PrivateKey(context, own->key);
	}
	return context;
}

static void
test_versions(void **state)
{
	static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
	struct server *server = start(NULL, false);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		SSL_CTX *context = context_of(NULL);
		SSL *ssl;
		int fd;

		SSL_CTX_set_min_proto_version(context, versions[i]);
		SSL_CTX_set_max_proto_version(context, versions[i]);
		SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
		ssl = hello(server, context, &fd);
		assert_int_equal(ssl != NULL, i >= 2);
		if (ssl != NULL) {
			assert_true(ask(ssl, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /1"));
			assert_true(seen_tls);
			assert_string_equal(seen_certificate, "");
			assert_true(ask(ssl, "GET /stream?3 HTTP/1.1\r\nHost: a\r\n\r\n", "data: 1\n\n"));
			/* two at once, and a body in its own record */
			assert_true(
			    ask(ssl, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
			        "GET /3"));
			say(ssl, "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
			assert_true(ask(ssl, "hello", "\r\n\r\nhello"));
			assert_true(ask(ssl, "junk\n", "invalid_line_ending"));
			SSL_free(ssl);
		}
		close(fd);
		SSL_CTX_free(context);
	}
	kit_settled();
	server_stop(server, 1000);
}

static void
test_large_over_tls(void **state)
{
	struct server *server = start(NULL, false);
	SSL_CTX *context = context_of(NULL);
	int fd, n;
	SSL *ssl = hello(server, context, &fd);
	static char piece[20000];
	size_t size = 0;

	(void)state;
	assert_non_null(ssl);
	say(ssl, "GET /large?3000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	for (unsigned i = 0; (n = SSL_read(ssl, piece, sizeof piece)) > 0; i++) {
		size += (size_t)n;
		if (i < 20)
			kit_sleep(5);
	}
	assert_in_range(size, 3000000, 3001000);
	assert_int_equal(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	close(fd);
	SSL_CTX_free(context);
	kit_settled();
	server_stop(server, 1000);
}

/* With an authority for clients: who has a certificate is known by it, a stranger's is refused. */
static void
test_client_certificates(void **state)
{
	unsigned char digest[32];
	unsigned size = sizeof digest;
	char wanted[65];

	(void)state;
	X509_digest(client.certificate, EVP_sha256(), digest, &size);
	hex_encode(wanted, digest, size);
	for (int required = 0; required <= 1; required++) {
		const struct pair *const who[] = {NULL, &client, &stranger};
		struct server *server = start(authority.certificate_file, required == 1);

		for (size_t i = 0; i < 3; i++) {
			SSL_CTX *context = context_of(who[i]);
			int fd;
			SSL *ssl = hello(server, context, &fd);
			/* In TLS 1.3 the client learns of a refusal only by its first read. */
			bool in = ssl != NULL && ask(ssl, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /1");

			assert_int_equal(in, i == 1 || (i == 0 && required == 0));
			if (in && i == 1) {
				assert_string_equal(seen_certificate, wanted);
				assert_non_null(strstr(seen_subject, "CN=client"));
				assert_non_null(strstr(seen_subject, "서울특별시"));
			} else if (in)
				assert_string_equal(seen_certificate, "");
			SSL_free(ssl);
			close(fd);
			SSL_CTX_free(context);
		}
		kit_settled();
		server_stop(server, 1000);
	}
}

/* Plain HTTP gets a sentence, silence and junk an end; the server stays. */
static void
test_not_tls(void **state)
{
	struct server *server = start(NULL, false);
	struct kit_result result;
	SSL_CTX *context = context_of(NULL);
	SSL *ssl;
	int fd = kit_connect(server);

	(void)state;
	kit_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	kit_read(fd, &result, 0, 2000);
	assert_int_equal(result.count, 1);
	assert_int_equal(result.status[0], 400);
	assert_true(kit_is_error(result.body[0]));
	kit_free(&result);
	close(fd);
	for (size_t i = 0; i < 50; i++) {
		uint8_t junk[300];

		for (size_t b = 0; b < sizeof junk; b++)
			junk[b] = (uint8_t)rand();
		junk[0] = i % 2 == 0 ? 0x16 : junk[0];
		junk[1] = 3;
		fd = kit_connect(server);
		kit_send(fd, junk, sizeof junk);
		if (i % 5 == 0)
			kit_read(fd, &result, 0, 1000), kit_free(&result);
		close(fd);
	}
	fd = kit_connect(server); /* says nothing: out after tls_ms */
	kit_read(fd, &result, 0, 1500);
	assert_true(result.closed || result.reset);
	kit_free(&result);
	close(fd);
	assert_non_null(ssl = hello(server, context, &fd));
	assert_true(ask(ssl, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /1"));
	SSL_free(ssl);
	close(fd);
	SSL_CTX_free(context);
	server_stop(server, 1000);
}

static void
test_wrong_files(void **state)
{
	const struct {
		const char *certificate, *key, *ca;
	} rows[] = {
	    {"/nowhere",            host.key_file,   NULL      },
	    {host.certificate_file, "/nowhere",      NULL      },
	    {host.certificate_file, client.key_file, NULL      },
	    {host.key_file,         host.key_file,   NULL      },
	    {host.certificate_file, host.key_file,   "/nowhere"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct server_options options = {.loops = 1,
		                                 .listen = {"127.0.0.1:0"},
		                                 .listen_count = 1,
		                                 .tls_certificate = rows[i].certificate,
		                                 .tls_key = rows[i].key,
		                                 .tls_client_ca = rows[i].ca};
		struct server *server = NULL;
		struct fault why = {0};

		limits_default(&options.limits);
		assert_int_equal(server_start(&server, &options, &why), -1);
		assert_true(why.ko[0] != '\0' && why.en[0] != '\0');
	}
}

static int
before(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	pair_make(&authority, folder, "authority", NULL);
	pair_make(&host, folder, "host", &authority);
	pair_make(&client, folder, "client", &authority);
	pair_make(&stranger, folder, "stranger", NULL);
	return 0;
}

static int
after(void **state)
{
	(void)state;
	pair_drop(&authority);
	pair_drop(&host);
	pair_drop(&client);
	pair_drop(&stranger);
	rmdir(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_large_over_tls),
	    cmocka_unit_test(test_client_certificates),
	    cmocka_unit_test(test_not_tls),
	    cmocka_unit_test(test_wrong_files),
	};

	return cmocka_run_group_tests(tests, before, after);
}
