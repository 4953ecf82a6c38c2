#include "audit/aead.h"

#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

static EVP_CIPHER *aria;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	if (sodium_init() != -1)
		aria = EVP_CIPHER_fetch(NULL, "ARIA-256-GCM", NULL);
}

int
aead_ready(struct fault *why)
{
	(void)pthread_once(&once, fetch);
	return aria != NULL ? 0
	                    : fault_set(why, FAULT_UNSUPPORTED, "이 OpenSSL에는 ARIA-256-GCM이 없습니다",
	                                "this OpenSSL lacks ARIA-256-GCM");
}

const char *
aead_name(enum aead cipher)
{
	return cipher == AEAD_ARIA_256_GCM         ? "aria-256-gcm"
	       : cipher == AEAD_XCHACHA20_POLY1305 ? "xchacha20-poly1305"
	                                           : NULL;
}

bool
aead_named(enum aead *out, const char *name)
{
	for (enum aead cipher = AEAD_ARIA_256_GCM; cipher <= AEAD_XCHACHA20_POLY1305; cipher++)
		if (strcmp(name, aead_name(cipher)) == 0) {
			*out = cipher;
			return true;
		}
	return false;
}

size_t
aead_nonce(enum aead cipher)
{
	return cipher == AEAD_ARIA_256_GCM         ? 12
	       : cipher == AEAD_XCHACHA20_POLY1305 ? crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
	                                           : 0;
}

size_t
aead_extra(enum aead cipher)
{
	return aead_nonce(cipher) + AEAD_TAG;
}

static bool
aria_run(bool sealing, const uint8_t key[AEAD_KEY], const uint8_t *nonce, struct slice bound, uint8_t *text,
         size_t size)
{
	EVP_CIPHER_CTX *const context = EVP_CIPHER_CTX_new();
	int done = 0;
	bool good;

	good =
	    context != NULL && size <= INT_MAX && bound.size <= INT_MAX &&
	    EVP_CipherInit_ex2(context, aria, key, nonce, sealing ? 1 : 0, NULL) == 1 &&
	    (bound.size == 0 || EVP_CipherUpdate(context, NULL, &done, bound.data, (int)bound.size) == 1) &&
	    (size == 0 || EVP_CipherUpdate(context, text, &done, text, (int)size) == 1) &&
	    (sealing || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, text + size) == 1) &&
	    EVP_CipherFinal_ex(context, text + size, &done) == 1 &&
	    (!sealing || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, text + size) == 1);
	EVP_CIPHER_CTX_free(context);
	return good;
}

bool
aead_encrypt(enum aead cipher, const uint8_t key[AEAD_KEY], const uint8_t *nonce, struct slice bound,
             uint8_t *text, size_t size)
{
	if (cipher == AEAD_ARIA_256_GCM)
		return aria_run(true, key, nonce, bound, text, size);
	return cipher == AEAD_XCHACHA20_POLY1305 &&
	       crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
	           text, text + size, NULL, text, size, bound.data, bound.size, NULL, nonce, key) == 0;
}

bool
aead_decrypt(enum aead cipher, const uint8_t key[AEAD_KEY], const uint8_t *nonce, struct slice bound,
             uint8_t *text, size_t size)
{
	if (cipher == AEAD_ARIA_256_GCM)
		return aria_run(false, key, nonce, bound, text, size);
	return cipher == AEAD_XCHACHA20_POLY1305 &&
	       crypto_aead_xchacha20poly1305_ietf_decrypt_detached(text, NULL, text, size, text + size,
	                                                           bound.data, bound.size, nonce, key) == 0;
}

bool
aead_seal(enum aead cipher, const uint8_t key[AEAD_KEY], struct slice bound, uint8_t *at, size_t size)
{
	const size_t nonce = aead_nonce(cipher);

	randombytes_buf(at, nonce);
	return nonce != 0 && aead_encrypt(cipher, key, at, bound, at + nonce, size);
}

bool
aead_open(enum aead cipher, const uint8_t key[AEAD_KEY], struct slice bound, uint8_t *at, size_t size)
{
	const size_t nonce = aead_nonce(cipher);

	return nonce != 0 && aead_decrypt(cipher, key, at, bound, at + nonce, size);
}
