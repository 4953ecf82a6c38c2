#include "gateway/identity.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#define SECRET_TEXT 43 /* base64url of 32 bytes, no padding */

void
identity_make(char id[IDENTITY_ID_SIZE], char key[IDENTITY_KEY_SIZE], uint8_t hash[REGISTRY_HASH_SIZE])
{
	uint8_t name[6], secret[IDENTITY_SECRET_SIZE];
	char text[SECRET_TEXT + 1];

	randombytes_buf(name, sizeof name);
	randombytes_buf(secret, sizeof secret);
	hex_encode(id, name, sizeof name);
	sodium_bin2base64(text, sizeof text, secret, sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	snprintf(key, IDENTITY_KEY_SIZE, "hk_%s_%s", id, text);
	crypto_hash_sha256(hash, (const uint8_t *)text, SECRET_TEXT);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(text, sizeof text);
}

static int
unidentified(struct fault *why)
{
	return fault_set(why, FAULT_UNIDENTIFIED, "API 키가 없거나 맞지 않습니다",
	                 "the API key is missing or not valid");
}

/* "Bearer hk_<id>_<secret>" into its two parts. */
static bool
split(struct slice authorization, struct slice *id, struct slice *secret)
{
	const uint8_t *bar;

	if (authorization.size < 8 || strncasecmp((const char *)authorization.data, "Bearer ", 7) != 0)
		return false;
	authorization = slice_of(authorization.data + 7, authorization.size - 7);
	while (authorization.size > 0 && authorization.data[0] == ' ')
		authorization = slice_of(authorization.data + 1, authorization.size - 1);
	if (authorization.size < 4 || authorization.size >= IDENTITY_KEY_SIZE ||
	    memcmp(authorization.data, "hk_", 3) != 0)
		return false;
	authorization = slice_of(authorization.data + 3, authorization.size - 3);
	if ((bar = memchr(authorization.data, '_', authorization.size)) == NULL)
		return false;
	*id = slice_of(authorization.data, (size_t)(bar - authorization.data));
	*secret = slice_of(bar + 1, authorization.size - id->size - 1);
	return id->size > 0 && secret->size > 0;
}

static bool
usable(const struct registered_key *key, int64_t wall_ms)
{
	return key != NULL && !key->revoked && (key->expires_ms == 0 || wall_ms < key->expires_ms);
}

const struct registered_key *
identity_find(const struct registry *registry, struct slice authorization, const char *certificate,
              int64_t wall_ms, struct fault *why)
{
	const struct registered_key *by_certificate = NULL, *by_key;
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct slice id, secret;

	if (certificate != NULL && certificate[0] != '\0') {
		by_certificate = registry_key(registry, slice_string(certificate));
		if (by_certificate != NULL &&
		    (!by_certificate->certificate || !usable(by_certificate, wall_ms)))
			by_certificate = NULL;
	}
	if (authorization.size == 0) {
		if (by_certificate == NULL)
			unidentified(why);
		return by_certificate;
	}
	if (!split(authorization, &id, &secret)) {
		unidentified(why);
		return NULL;
	}
	by_key = registry_key(registry, id);
	crypto_hash_sha256(hash, secret.data, secret.size);
	/* An unknown id costs as much as a wrong secret. */
	if (sodium_memcmp(hash, by_key == NULL ? hash : by_key->hash, sizeof hash) != 0 || by_key == NULL ||
	    by_key->certificate || !usable(by_key, wall_ms) ||
	    (by_certificate != NULL && strcmp(by_certificate->subject.agency, by_key->subject.agency) != 0)) {
		unidentified(why);
		return NULL;
	}
	return by_key;
}
