/* Keys of policy bundles, and what they sign. */
#include "policy/policy_bundle_inside.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ustar.h"
#include "schema/base/json.h"

#define SIGNED_AS      "haechi policy bundle v1\n"
#define KEY_LINE_LIMIT 256

/* ---- keys --------------------------------------------------------------------------------------------------------- */

static void
key_complete(struct bundle_key *key)
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, key->public, sizeof key->public);
	hex_encode(key->id, hash, 8);
}

static void
key_from_seed(struct bundle_key *key)
{
	uint8_t secret[crypto_sign_SECRETKEYBYTES];

	crypto_sign_seed_keypair(key->public, secret, key->seed);
	sodium_memzero(secret, sizeof secret);
	key->secret = true;
	key_complete(key);
}

int
bundle_key_make(struct bundle_key *out, const char *name, struct fault *why)
{
	memset(out, 0, sizeof *out);
	if (!bundle_name_valid(name))
		return bundle_name_invalid(name, why);
	if (sodium_init() == -1)
		return fault_set(why, FAULT_INTERNAL, "libsodium을 쓸 수 없습니다",
		                 "libsodium cannot be used");
	snprintf(out->name, sizeof out->name, "%s", name);
	randombytes_buf(out->seed, sizeof out->seed);
	key_from_seed(out);
	return 0;
}

int
bundle_key_parse(struct bundle_key *out, struct slice text, struct fault *why)
{
	char line[KEY_LINE_LIMIT], kind[32], type[16], name[BUNDLE_NAME_LIMIT + 1], value[64], more;
	uint8_t bytes[48];
	size_t size = 0;
	int result = -1;

	memset(out, 0, sizeof *out);
	while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
		text.size--;
	if (text.size == 0 || text.size >= sizeof line || memchr(text.data, '\0', text.size) != NULL)
		goto out;
	memcpy(line, text.data, text.size);
	line[text.size] = '\0';
	if (sscanf(line, "%31s %15s %64s %63s %c", kind, type, name, value, &more) != 4 ||
	    strcmp(type, "ed25519") != 0 || !bundle_name_valid(name) || strlen(value) != 44 ||
	    !base64_decode(bytes, &size, slice_string(value)) || size != 32)
		goto out;
	snprintf(out->name, sizeof out->name, "%s", name);
	if (strcmp(kind, "haechi-bundle-key") == 0) {
		memcpy(out->seed, bytes, sizeof out->seed);
		key_from_seed(out);
	} else if (strcmp(kind, "haechi-bundle-pub") == 0) {
		memcpy(out->public, bytes, sizeof out->public);
		key_complete(out);
	} else {
		goto out;
	}
	result = 0;
out:
	sodium_memzero(line, sizeof line);
	sodium_memzero(value, sizeof value);
	sodium_memzero(bytes, sizeof bytes);
	return result == 0 ? 0
	                   : fault_set(why, FAULT_INVALID,
	                               "정책 묶음의 열쇠 파일이 아닙니다 (haechi policy bundle keygen)",
	                               "not a key of policy bundles (haechi policy bundle keygen)");
}

void
bundle_key_write(struct buffer *out, const struct bundle_key *key, bool secret)
{
	char text[BASE64_SIZE(32)];

	base64_encode(text, secret ? key->seed : key->public, 32);
	buffer_printf(out, "haechi-bundle-%s ed25519 %s %s\n", secret ? "key" : "pub", key->name, text);
	sodium_memzero(text, sizeof text);
}

void
bundle_key_wipe(struct bundle_key *key)
{
	sodium_memzero(key, sizeof *key);
}

/* ---- signing ------------------------------------------------------------------------------------------------------ */

static int
signed_bytes(struct buffer *out, const struct bundle *bundle, struct fault *why)
{
	buffer_init(out, BUNDLE_MANIFEST_LIMIT + sizeof SIGNED_AS);
	buffer_string(out, SIGNED_AS);
	buffer_slice(out, bundle->manifest);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

static void
write_signatures(struct buffer *out, const struct bundle_signature *signatures, size_t count)
{
	struct json_writer writer;
	char text[BASE64_SIZE(64)];

	json_writer_init(&writer, out);
	json_object_begin(&writer);
	json_name(&writer, "format");
	json_number(&writer, 1);
	json_name(&writer, "signatures");
	json_array_begin(&writer);
	for (size_t i = 0; i < count; i++) {
		base64_encode(text, signatures[i].bytes, sizeof signatures[i].bytes);
		json_object_begin(&writer);
		json_name(&writer, "id");
		json_cstring(&writer, signatures[i].id);
		json_name(&writer, "name");
		json_cstring(&writer, signatures[i].name);
		json_name(&writer, "signature");
		json_cstring(&writer, text);
		json_object_end(&writer);
	}
	json_array_end(&writer);
	json_object_end(&writer);
}

static int
compare_signatures(const void *a, const void *b)
{
	return strcmp(((const struct bundle_signature *)a)->id, ((const struct bundle_signature *)b)->id);
}

/* The archive anew, with these signatures. */
static int
write_signed(struct buffer *out, const struct bundle *bundle, const struct bundle_signature *signatures,
             size_t count, struct fault *why)
{
	const int64_t seconds = bundle->created_ms / 1000;
	struct buffer text;
	int result;

	buffer_init(&text, BUNDLE_MANIFEST_LIMIT);
	write_signatures(&text, signatures, count);
	ustar_put(out, BUNDLE_MANIFEST, bundle->manifest, seconds);
	ustar_put(out, BUNDLE_SIGNATURES, buffer_view(&text), seconds);
	for (size_t i = 0; i < bundle->file_count; i++)
		ustar_put(out, bundle->files[i].path, bundle->files[i].text, seconds);
	ustar_end(out);
	result =
	    buffer_ok(out) && buffer_ok(&text) && out->size <= BUNDLE_SIZE_LIMIT ? 0 : bundle_too_large(why);
	buffer_free(&text);
	return result;
}

int
bundle_sign(struct buffer *out, const struct bundle *bundle, const struct bundle_key *key, struct fault *why)
{
	struct bundle_signature signatures[BUNDLE_SIGNATURE_LIMIT + 1];
	uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	struct buffer text;
	size_t count = 0;

	if (!key->secret)
		return fault_set(why, FAULT_INVALID, "서명하려면 비밀 열쇠(.key)가 있어야 합니다",
		                 "signing needs the secret key (.key)");
	for (size_t i = 0; i < bundle->signature_count; i++)
		if (strcmp(bundle->signatures[i].id, key->id) != 0)
			signatures[count++] = bundle->signatures[i];
	if (count == BUNDLE_SIGNATURE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "서명은 %d개까지입니다",
		                 "a bundle has %d signatures at most", BUNDLE_SIGNATURE_LIMIT);
	if (signed_bytes(&text, bundle, why) == -1) {
		buffer_free(&text);
		return -1;
	}
	memset(&signatures[count], 0, sizeof signatures[count]);
	snprintf(signatures[count].name, sizeof signatures[count].name, "%s", key->name);
	snprintf(signatures[count].id, sizeof signatures[count].id, "%s", key->id);
	crypto_sign_seed_keypair(public, secret, key->seed);
	crypto_sign_detached(signatures[count++].bytes, NULL, text.data, text.size, secret);
	sodium_memzero(secret, sizeof secret);
	buffer_free(&text);
	qsort(signatures, count, sizeof *signatures, compare_signatures);
	return write_signed(out, bundle, signatures, count, why);
}

int
bundle_verify(const struct bundle *bundle, const struct bundle_key *keys, size_t key_count, unsigned needed,
              struct buffer *signers, struct fault *why)
{
	struct buffer text;
	unsigned held = 0;
	int result = -1;

	if (signed_bytes(&text, bundle, why) == -1)
		goto out;
	for (size_t i = 0; i < key_count; i++) {
		bool twice = false;

		for (size_t k = 0; k < i && !twice; k++)
			twice = memcmp(keys[k].public, keys[i].public, sizeof keys[i].public) == 0;
		for (size_t j = 0; j < bundle->signature_count && !twice; j++) {
			const struct bundle_signature *signature = &bundle->signatures[j];

			if (strcmp(signature->id, keys[i].id) != 0)
				continue;
			if (crypto_sign_verify_detached(signature->bytes, text.data, text.size,
			                                keys[i].public) != 0) {
				fault_set(why, FAULT_TAMPERED, "%s(%s)의 서명이 맞지 않습니다",
				          "the signature of %s (%s) does not hold", keys[i].name, keys[i].id);
				goto out;
			}
			if (signers != NULL)
				buffer_printf(signers, "%s%s", held > 0 ? ", " : "", keys[i].name);
			held++;
		}
	}
	if (held < needed) {
		fault_set(why, FAULT_FORBIDDEN, "믿는 열쇠의 서명이 모자랍니다: %u개 가운데 %u개",
		          "too few signatures of trusted keys: of %u needed there are %u", needed, held);
		goto out;
	}
	result = 0;
out:
	buffer_free(&text);
	return result;
}
