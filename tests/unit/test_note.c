/*
 * Signed notes and checkpoints: public values, and every way in which a note must not be believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "audit/checkpoint.h"
#include "tests/vectors/tlog.h"

#define DASH "\xe2\x80\x94 "

static struct note_key
key_of(const char *vkey)
{
	struct note_key key;
	struct fault why;

	assert_int_equal(note_key_parse(&key, slice_string(vkey), &why), 0);
	return key;
}

static int
verify(const char *bytes, const char *vkey, enum fault_kind *kind)
{
	struct note_key key = key_of(vkey);
	struct note note;
	struct fault why = {0};
	bool verified;
	int result = note_parse(&note, slice_string(bytes), &why);

	if (result == 0)
		result = note_verify(&note, &key, 1, &verified, NULL, &why);
	*kind = why.kind;
	return result;
}

static void
public_values(void **state)
{
	struct note_key key = key_of(VECTOR_COSIGNATURE_KEY), other = key_of(VECTOR_CHECKPOINT_KEY);
	struct checkpoint checkpoint;
	struct buffer out;
	struct note note;
	enum fault_kind kind;
	struct fault why;
	uint64_t time;

	(void)state;
	assert_int_equal(verify(VECTOR_NOTE, VECTOR_NOTE_KEY, &kind), 0);
	assert_int_equal(verify(VECTOR_NOTE, VECTOR_CHECKPOINT_KEY, &kind), -1);
	assert_int_equal(kind, FAULT_UNIDENTIFIED);
	assert_int_equal(checkpoint_open(&checkpoint, &note, slice_string(VECTOR_CHECKPOINT),
	                                 "go.sum database tree", &other, 1, NULL, &why),
	                 0);
	assert_int_equal(checkpoint.size, 35225469);
	assert_int_equal(checkpoint_open(&checkpoint, &note, slice_string(VECTOR_CHECKPOINT), "another",
	                                 &other, 1, NULL, &why),
	                 -1);
	assert_int_equal(note_parse(&note, slice_string(VECTOR_COSIGNATURE), &why), 0);
	assert_int_equal(note_verify(&note, &key, 1, NULL, &time, &why), 0);
	assert_int_equal(time, VECTOR_COSIGNATURE_TIME);
	/* written again, byte for byte */
	buffer_init(&out, 4096);
	note_key_write(&out, &key);
	assert_string_equal(buffer_text(&out), VECTOR_COSIGNATURE_KEY);
	assert_int_equal(note_parse(&note, slice_string(VECTOR_CHECKPOINT), &why), 0);
	assert_int_equal(checkpoint_parse(&checkpoint, note.text, &why), 0);
	buffer_reset(&out);
	checkpoint_write(&out, &checkpoint);
	assert_true(slice_equal(buffer_view(&out), note.text));
	buffer_free(&out);
}

static void
every_bit(void **state)
{
	char bytes[sizeof VECTOR_CHECKPOINT];
	enum fault_kind kind;
	size_t still_good = 0;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof bytes; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(bytes, VECTOR_CHECKPOINT, sizeof bytes);
			bytes[i] = (char)(bytes[i] ^ (1 << bit));
			if (bytes[i] == '\0')
				continue;
			if (verify(bytes, VECTOR_CHECKPOINT_KEY, &kind) == 0)
				still_good++;
		}
	}
	/* The last base64 character holds two spare bits, read as Go reads them: nothing else may pass. */
	assert_true(still_good <= 3);
}

static void
malformed(void **state)
{
	static const char *const bad[] = {
	    "",
	    "\n",
	    "text\n",
	    "text\n\n",
	    "text\n\n" DASH "name\n",
	    "text\n\n" DASH "name AAAA\n", /* no room for a signature behind the id */
	    "text\n\n" DASH "na+me AAAAAAAA\n",
	    "text\n\n" DASH " AAAAAAAA\n",
	    "text\n\n" DASH "name AAAAAAA\n",
	    "text\n\n" DASH "name AAAAAAAA",
	    "text\n\n" DASH "name  AAAAAAAA\n",
	    "text\n\n- name AAAAAAAA\n",
	    "te\txt\n\n" DASH "name AAAAAAAA\n",
	    "te\rxt\n\n" DASH "name AAAAAAAA\n",
	    "te\xffxt\n\n" DASH "name AAAAAAAA\n",
	    "text\n\n" DASH "na\xc2\xa0me AAAAAAAA\n",
	};
	struct note note;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(note_parse(&note, slice_string(bad[i]), &why), -1);
		assert_int_equal(why.kind, FAULT_INVALID);
	}
	assert_int_equal(note_parse(&note, slice_string("a\n\nb\n\n" DASH "name AAAAAAAA\n"), &why), 0);
	assert_true(slice_is(note.text, "a\n\nb\n"));
}

static void
many_signatures(void **state)
{
	struct buffer bytes;
	struct note note;
	struct fault why;

	(void)state;
	buffer_init(&bytes, 1 << 20);
	buffer_string(&bytes, "text\n\n");
	for (int i = 0; i < NOTE_SIGNATURES; i++)
		buffer_printf(&bytes, DASH "name%d AAAAAAAA\n", i);
	assert_int_equal(note_parse(&note, buffer_view(&bytes), &why), 0);
	assert_int_equal(note.count, NOTE_SIGNATURES);
	buffer_string(&bytes, DASH "more AAAAAAAA\n");
	assert_int_equal(note_parse(&note, buffer_view(&bytes), &why), -1);
	assert_int_equal(why.kind, FAULT_TOO_LARGE);
	buffer_free(&bytes);
}

static void
bad_checkpoints(void **state)
{
	static const char root[] = "vt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=";
	static const char *const bad[] = {
	    "",
	    "o\n",
	    "o\n1\n",
	    "\n1\n%s\n",
	    "o\n01\n%s\n",
	    "o\n-1\n%s\n",
	    "o\n1\n%s",
	    "o\n1 \n%s\n",
	    "o\n1\n%sA\n",
	    "o\n1\nAAAA\n",
	    "o\n1\n%s\n\n",
	    "o\n1\n%s\next\n\n",
	    "o\n1\n%s\next",
	    "o\n9223372036854775808\n%s\n",
	};
	struct checkpoint checkpoint;
	struct buffer text;
	struct fault why;

	(void)state;
	buffer_init(&text, 4096);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *at = strstr(bad[i], "%s");

		buffer_reset(&text);
		buffer_append(&text, bad[i], at == NULL ? strlen(bad[i]) : (size_t)(at - bad[i]));
		if (at != NULL) {
			buffer_string(&text, root);
			buffer_string(&text, at + 2);
		}
		assert_int_equal(checkpoint_parse(&checkpoint, buffer_view(&text), &why), -1);
		assert_int_equal(why.kind, FAULT_INVALID);
	}
	buffer_reset(&text);
	buffer_printf(&text, "o\n0\n%s\n", root);
	assert_int_equal(checkpoint_parse(&checkpoint, buffer_view(&text), &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	buffer_reset(&text);
	buffer_printf(&text, "o\n1\n%s\nextension\n", root);
	assert_int_equal(checkpoint_parse(&checkpoint, buffer_view(&text), &why), 0);
	assert_true(slice_is(checkpoint.extensions, "extension\n"));
	buffer_free(&text);
}

/* Both kinds of signature over one text, the same name: what our own checkpoints carry. */
static void
two_algorithms(void **state)
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
	uint8_t signature[128], *der = NULL;
	EVP_PKEY *p256 = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384");
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct slice text =
	    SLICE_LITERAL("haechi.seoul/node1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
	struct checkpoint checkpoint;
	struct note_key keys[2], again;
	struct buffer bytes, vkeys;
	struct note note;
	struct fault why;
	size_t size = sizeof signature, count;
	bool verified[2];
	int der_size;

	(void)state;
	crypto_sign_keypair(public_key, secret_key);
	assert_int_equal(note_key_make(&keys[0], "haechi.seoul/node1", NOTE_ED25519,
	                               slice_of(public_key, sizeof public_key), &why),
	                 0);
	der_size = i2d_PUBKEY(p256, &der);
	assert_int_equal(
	    note_key_make(&keys[1], "haechi.seoul/node1", NOTE_ECDSA, slice_of(der, (size_t)der_size), &why),
	    0);
	OPENSSL_free(der);
	der = NULL;
	der_size = i2d_PUBKEY(p384, &der);
	assert_int_equal(note_key_make(&again, "x", NOTE_ECDSA, slice_of(der, (size_t)der_size), &why), -1);
	OPENSSL_free(der);

	buffer_init(&bytes, 4096);
	buffer_slice(&bytes, text);
	buffer_byte(&bytes, '\n');
	crypto_sign_detached(signature, NULL, text.data, text.size, secret_key);
	note_line_write(&bytes, &keys[0], slice_of(signature, crypto_sign_BYTES));
	assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, p256), 1);
	assert_int_equal(EVP_DigestSign(context, signature, &size, text.data, text.size), 1);
	note_line_write(&bytes, &keys[1], slice_of(signature, size));
	assert_int_equal(checkpoint_open(&checkpoint, &note, buffer_view(&bytes), "haechi.seoul/node1", keys,
	                                 2, verified, &why),
	                 0);
	assert_true(verified[0] && verified[1]);
	/* a good one beside a bad one is refused */
	bytes.data[bytes.size - 20] = bytes.data[bytes.size - 20] == 'A' ? 'B' : 'A';
	assert_int_equal(
	    checkpoint_open(&checkpoint, &note, buffer_view(&bytes), NULL, keys, 2, verified, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(
	    checkpoint_open(&checkpoint, &note, buffer_view(&bytes), NULL, keys, 1, verified, &why), 0);

	buffer_init(&vkeys, 4096);
	buffer_string(&vkeys, "# keys of a log\n\n");
	for (size_t i = 0; i < 2; i++) {
		note_key_write(&vkeys, &keys[i]);
		buffer_byte(&vkeys, '\n');
	}
	{
		struct note_key read[2];

		assert_int_equal(note_keys_parse(read, 2, &count, buffer_view(&vkeys), &why), 0);
		assert_int_equal(count, 2);
		assert_int_equal(read[0].id, keys[0].id);
		assert_int_equal(read[1].id, keys[1].id);
		assert_int_equal(note_keys_parse(read, 1, &count, buffer_view(&vkeys), &why), -1);
	}
	buffer_free(&bytes);
	buffer_free(&vkeys);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(public_values),   cmocka_unit_test(every_bit),
	    cmocka_unit_test(malformed),       cmocka_unit_test(many_signatures),
	    cmocka_unit_test(bad_checkpoints), cmocka_unit_test(two_algorithms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
