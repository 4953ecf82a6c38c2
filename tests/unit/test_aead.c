/* The two ciphers against the vectors of their standards, every bit of what they authenticate, and nonces that differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "audit/aead.h"

struct vector {
	enum aead cipher;
	const char *key, *nonce, *bound, *text, *sealed, *tag;
};

static const struct vector vectors[] = {
  /* RFC 8269, appendix A.2.2 */
    {AEAD_ARIA_256_GCM,       "0c5ffd37a11edc42c325287fc0604f2e3e8cd5671a00fe3216aa5eb105783b54",
     "000020e8f5eb00000000315e",                         "8008315ebf2e6fe020e8f5eb",
     "f57af5fd4ae19562976ec57a5a7ad55a5af5c5e5c5fdf5c55ad57a4a7272d57262e9729566ed66e97ac54a4a5a7ad5e1"
     "5ae5fdd5fd5ac5d56ae56ad5c572d54ae54ac55a956afd6aed5a4ac562957a9516991691d572fd14e97ae962ed7a9f4a"
     "955af572e162f57a956666e17ae1f54a95f566d54a66e16e4afd6a9f7ae1c5c55ae5d56afde916c5e94a6ec56695e14a"
     "fde1148416e94ad57ac5146ed59d1cc5",     "6f9e4bcbc8c85fc0128fb1e4a0a20cb9932ff74581f54fc013dd054b19f99371425b352d97d3f337b90b63d1b082adee"
     "ea9d2d7391897d591b985e55fb50cb5350cf7d38dc27dda127c078a149c8eb98083d66363a46e3726af217d3a00275ad"
     "5bf772c7610ea4c23006878f0ee69a8397703169a419303f40b72e4573714d19e2697df61e7c7252e5abc6bade876ac4"
     "961bfac4d5e867afca351a48aed52822",         "e210d6ced2cf430ff841472915e7ef48"},
 /* draft-irtf-cfrg-xchacha-03, appendix A.3.1 */
    {AEAD_XCHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "404142434445464748494a4b4c4d4e4f5051525354555657", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492063"
     "6f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
     "637265656e20776f756c642062652069742e", "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
     "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
     "21f9664c97637da9768812f615c68b13b52e", "c0875924c1c7987947deafd8780acf49"},
};

static size_t
from_hex(uint8_t *out, const char *hex)
{
	const size_t size = strlen(hex) / 2;

	assert_true(hex_decode(out, size, slice_string(hex)));
	return size;
}

static void
known_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *const vector = &vectors[i];
		uint8_t key[32], nonce[24], bound[64], text[256], plain[256], sealed[256];
		size_t bound_size, size;

		assert_int_equal(from_hex(key, vector->key), AEAD_KEY);
		assert_int_equal(from_hex(nonce, vector->nonce), aead_nonce(vector->cipher));
		bound_size = from_hex(bound, vector->bound);
		size = from_hex(text, vector->text);
		memcpy(plain, text, size);
		assert_int_equal(from_hex(sealed, vector->sealed), size);
		assert_int_equal(from_hex(sealed + size, vector->tag), AEAD_TAG);
		assert_true(
		    aead_encrypt(vector->cipher, key, nonce, slice_of(bound, bound_size), text, size));
		assert_memory_equal(text, sealed, size + AEAD_TAG);
		assert_true(
		    aead_decrypt(vector->cipher, key, nonce, slice_of(bound, bound_size), text, size));
		assert_memory_equal(text, plain, size);

		/* every bit of ciphertext, tag, nonce and what is bound counts */
		for (size_t bit = 0; bit < 8 * (size + AEAD_TAG); bit++) {
			memcpy(text, sealed, size + AEAD_TAG);
			text[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(aead_decrypt(vector->cipher, key, nonce, slice_of(bound, bound_size),
			                          text, size));
		}
		for (size_t bit = 0; bit < 8 * aead_nonce(vector->cipher); bit++) {
			memcpy(text, sealed, size + AEAD_TAG);
			nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(aead_decrypt(vector->cipher, key, nonce, slice_of(bound, bound_size),
			                          text, size));
			nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * bound_size; bit++) {
			memcpy(text, sealed, size + AEAD_TAG);
			bound[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(aead_decrypt(vector->cipher, key, nonce, slice_of(bound, bound_size),
			                          text, size));
			bound[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void
names(void **state)
{
	enum aead cipher = AEAD_NONE;

	(void)state;
	assert_true(aead_named(&cipher, "aria-256-gcm") && cipher == AEAD_ARIA_256_GCM);
	assert_true(aead_named(&cipher, "xchacha20-poly1305") && cipher == AEAD_XCHACHA20_POLY1305);
	assert_false(aead_named(&cipher, "aes-256-gcm"));
	assert_null(aead_name(AEAD_NONE));
	assert_int_equal(aead_nonce((enum aead)9), 0);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, AEAD_NONCE_MOST);
}

static void
nonces(void **state)
{
	static uint8_t seen[20000][AEAD_NONCE_MOST];
	const uint8_t key[AEAD_KEY] = {1};

	(void)state;
	for (enum aead cipher = AEAD_ARIA_256_GCM; cipher <= AEAD_XCHACHA20_POLY1305; cipher++) {
		memset(seen, 0, sizeof seen);
		for (size_t i = 0; i < 20000; i++) {
			uint8_t at[AEAD_NONCE_MOST + 1 + AEAD_TAG] = {0};

			assert_true(aead_seal(cipher, key, (struct slice){NULL, 0}, at, 1));
			memcpy(seen[i], at, aead_nonce(cipher));
			assert_true(aead_open(cipher, key, (struct slice){NULL, 0}, at, 1));
			assert_int_equal(at[aead_nonce(cipher)], 0);
		}
		qsort(seen, 20000, AEAD_NONCE_MOST, compare);
		for (size_t i = 1; i < 20000; i++)
			assert_memory_not_equal(seen[i - 1], seen[i], AEAD_NONCE_MOST);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_answers),
	    cmocka_unit_test(names),
	    cmocka_unit_test(nonces),
	};
	struct fault why;

	return aead_ready(&why) == -1 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
