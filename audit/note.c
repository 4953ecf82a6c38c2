#include "audit/note.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#define DASH              "\xe2\x80\x94 " /* U+2014 and a space begin a signature line */
#define SIGNATURE_ENCODED 16384 /* base64 characters of one signature: post-quantum ones have 4 to 11 KB */
#define SIGNATURE_SIZE    160   /* the largest that is checked here, with id and time */

static int
malformed(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "서명된 노트가 아닙니다: %s%.0s", "not a signed note: %.0s%s",
	                 ko, en);
}

static int
bad_key(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "검증 키(vkey)가 잘못되었습니다: %s%.0s",
	                 "the verifier key (vkey) is not valid: %.0s%s", ko, en);
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static bool
is_space(uint32_t code)
{
	return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
	       code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
	       code == 0x202f || code == 0x205f || code == 0x3000;
}

/* Not empty, no Unicode space, no plus sign, no control character. */
static bool
name_allowed(struct slice name)
{
	if (name.size == 0 || name.size >= NOTE_NAME_SIZE)
		return false;
	while (name.size != 0) {
		uint32_t code;
		size_t size = utf8_next(name, &code);

		if (size == 0 || code < 0x20 || code == '+' || is_space(code))
			return false;
		name.data += size;
		name.size -= size;
	}
	return true;
}

static EVP_PKEY *
p256_load(struct slice der)
{
	const unsigned char *at = der.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.size);
	char group[32];

	if (key != NULL && at == der.data + der.size && EVP_PKEY_is_a(key, "EC") == 1 &&
	    EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 && strcmp(group, "prime256v1") == 0)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static uint32_t
key_id(const struct note_key *key)
{
	static const uint8_t newline = '\n';
	uint8_t digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state sha;

	crypto_hash_sha256_init(&sha);
	if (key->type != NOTE_ECDSA) {
		crypto_hash_sha256_update(&sha, (const uint8_t *)key->name, strlen(key->name));
		crypto_hash_sha256_update(&sha, &newline, 1);
		crypto_hash_sha256_update(&sha, &key->type, 1);
	}
	crypto_hash_sha256_update(&sha, key->key, key->key_size);
	crypto_hash_sha256_final(&sha, digest);
	return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 | digest[3];
}

static int
key_fill(struct note_key *out, struct slice name, uint8_t type, struct slice public_key, struct fault *why)
{
	memset(out, 0, sizeof *out);
	if (!name_allowed(name))
		return bad_key(why, "이름", "name");
	if (type == NOTE_ED25519 || type == NOTE_COSIGNATURE) {
		if (public_key.size != crypto_sign_PUBLICKEYBYTES)
			return bad_key(why, "키 길이", "key size");
	} else if (type == NOTE_ECDSA) {
		EVP_PKEY *key = public_key.size <= NOTE_KEY_SIZE ? p256_load(public_key) : NULL;

		if (key == NULL)
			return bad_key(why, "P-256 공개키가 아님", "not a P-256 public key");
		EVP_PKEY_free(key);
	} else {
		return fault_set(why, FAULT_UNSUPPORTED, "모르는 서명 방식입니다 (0x%02x)",
		                 "unknown kind of key (0x%02x)", type);
	}
	memcpy(out->name, name.data, name.size);
	memcpy(out->key, public_key.data, public_key.size);
	out->key_size = public_key.size;
	out->type = type;
	out->id = key_id(out);
	return 0;
}

int
note_key_make(struct note_key *out, const char *name, uint8_t type, struct slice public_key,
              struct fault *why)
{
	return key_fill(out, slice_string(name), type, public_key, why);
}

static struct slice
cut_at(struct slice *rest, char separator)
{
	const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);
	struct slice part = {NULL, 0};

	if (at == NULL)
		return part;
	part = slice_of(rest->data, (size_t)(at - rest->data));
	*rest = slice_of(at + 1, rest->size - part.size - 1);
	return part;
}

int
note_key_parse(struct note_key *out, struct slice vkey, struct fault *why)
{
	uint8_t id[4], key[1 + NOTE_KEY_SIZE + 2];
	struct slice name, id_text;
	size_t size;

	while (vkey.size != 0 && strchr(" \t\r\n", vkey.data[vkey.size - 1]) != NULL)
		vkey.size--;
	name = cut_at(&vkey, '+');
	id_text = cut_at(&vkey, '+');
	if (name.size == 0 || !hex_decode(id, sizeof id, id_text))
		return bad_key(why, "이름+id+키 꼴이 아님", "not of the form name+id+key");
	if (vkey.size > (1 + NOTE_KEY_SIZE + 2) / 3 * 4 || !base64_decode(key, &size, vkey) || size < 2)
		return bad_key(why, "base64", "base64");
	if (key_fill(out, name, key[0], slice_of(key + 1, size - 1), why) == -1)
		return -1;
	if (out->id != ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]))
		return bad_key(why, "id가 키와 다름", "the id is not that of the key");
	return 0;
}

void
note_key_write(struct buffer *out, const struct note_key *key)
{
	uint8_t bytes[1 + NOTE_KEY_SIZE];
	char text[BASE64_SIZE(sizeof bytes)];

	bytes[0] = key->type;
	memcpy(bytes + 1, key->key, key->key_size);
	base64_encode(text, bytes, 1 + key->key_size);
	buffer_printf(out, "%s+%08" PRIx32 "+%s", key->name, key->id, text);
}

int
note_keys_parse(struct note_key *keys, size_t most, size_t *count, struct slice text, struct fault *why)
{
	size_t line_number = 0;

	*count = 0;
	while (text.size != 0) {
		struct slice line;

		if (memchr(text.data, '\n', text.size) != NULL) {
			line = cut_at(&text, '\n');
		} else {
			line = text;
			text.size = 0;
		}
		line_number++;
		if (line.size == 0 || line.data[0] == '#')
			continue;
		if (*count == most)
			return fault_set(why, FAULT_TOO_LARGE, "검증 키가 %zu개를 넘습니다",
			                 "more than %zu verifier keys", most);
		if (note_key_parse(&keys[*count], line, why) == -1)
			return fault_prefix(why, "%zu번째 줄", "line %zu", line_number);
		(*count)++;
	}
	return 0;
}

/* ---- notes --------------------------------------------------------------------------------------------- */

static int
line_parse(struct note_signature *out, struct slice line, struct fault *why)
{
	uint8_t bytes[SIGNATURE_ENCODED / 4 * 3];
	size_t size;

	out->line = slice_of(line.data, line.size + 1); /* its newline follows: the note ends with one */
	if (line.size < 4 || memcmp(line.data, DASH, 4) != 0)
		return malformed(why, "서명 줄", "signature line");
	line = slice_of(line.data + 4, line.size - 4);
	out->name = cut_at(&line, ' ');
	if (!name_allowed(out->name))
		return malformed(why, "서명자 이름", "name of a signer");
	out->base64 = line;
	if (line.size > SIGNATURE_ENCODED || !base64_decode(bytes, &size, line) || size < 5)
		return malformed(why, "서명의 base64", "base64 of a signature");
	out->id = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
	return 0;
}

int
note_parse(struct note *out, struct slice bytes, struct fault *why)
{
	struct reader reader;
	size_t at;

	out->count = 0;
	out->text = (struct slice){NULL, 0};
	if (bytes.size > NOTE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "서명된 노트가 %d바이트를 넘습니다",
		                 "the signed note is over %d bytes", NOTE_LIMIT);
	if (bytes.size == 0 || bytes.data[bytes.size - 1] != '\n')
		return malformed(why, "줄바꿈으로 끝나지 않음", "no newline at the end");
	if (!utf8_valid(bytes))
		return malformed(why, "UTF-8", "UTF-8");
	for (size_t i = 0; i < bytes.size; i++)
		if (bytes.data[i] < 0x20 && bytes.data[i] != '\n')
			return malformed(why, "제어 문자", "control character");
	/* The last blank line separates; the newline before it is signed. */
	for (at = bytes.size - 1; at > 0; at--)
		if (bytes.data[at] == '\n' && bytes.data[at - 1] == '\n')
			break;
	if (at == 0)
		return malformed(why, "빈 줄이 없음", "no blank line");
	out->text = slice_of(bytes.data, at);
	reader = reader_of(slice_of(bytes.data + at + 1, bytes.size - at - 1));
	while (reader.rest.size != 0) {
		struct slice line = reader_line(&reader);

		if (out->count == NOTE_SIGNATURES)
			return fault_set(why, FAULT_TOO_LARGE, "서명이 %d개를 넘습니다",
			                 "more than %d signatures", NOTE_SIGNATURES);
		if (line_parse(&out->signatures[out->count], line, why) == -1)
			return -1;
		out->count++;
	}
	return out->count == 0 ? malformed(why, "서명이 없음", "no signature") : 0;
}

void
note_cosigned_text(struct buffer *out, uint64_t time, struct slice text)
{
	buffer_printf(out, "cosignature/v1\ntime %" PRIu64 "\n", time);
	buffer_slice(out, text);
}

static bool
ed25519_holds(const struct note_key *key, struct slice text, struct slice signature)
{
	return signature.size == crypto_sign_BYTES &&
	       crypto_sign_verify_detached(signature.data, text.data, text.size, key->key) == 0;
}

static bool
ecdsa_holds(const struct note_key *key, struct slice text, struct slice signature)
{
	EVP_PKEY *public_key = p256_load(slice_of(key->key, key->key_size));
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool holds = public_key != NULL && context != NULL &&
	             EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public_key) == 1 &&
	             EVP_DigestVerify(context, signature.data, signature.size, text.data, text.size) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public_key);
	return holds;
}

static bool
cosignature_holds(const struct note_key *key, struct slice text, struct slice signature, uint64_t *time)
{
	struct reader reader = reader_of(signature);
	struct buffer message;
	uint64_t when = reader_u64be(&reader);
	bool holds;

	if (!reader_ok(&reader) || when >= UINT64_C(1) << 63)
		return false;
	buffer_init(&message, text.size + 64);
	note_cosigned_text(&message, when, text);
	holds = buffer_ok(&message) && ed25519_holds(key, buffer_view(&message), reader.rest);
	buffer_free(&message);
	*time = holds ? when : 0;
	return holds;
}

bool
note_signature_holds(const struct note_key *key, struct slice text, struct slice signature, uint64_t *time)
{
	uint64_t ignored;

	if (time == NULL)
		time = &ignored;
	*time = 0;
	switch (key->type) {
	case NOTE_ED25519:
		return ed25519_holds(key, text, signature);
	case NOTE_ECDSA:
		return ecdsa_holds(key, text, signature);
	case NOTE_COSIGNATURE:
		return cosignature_holds(key, text, signature, time);
	default:
		return false;
	}
}

int
note_verify(const struct note *note, const struct note_key *keys, size_t key_count, bool *verified,
            uint64_t *times, struct fault *why)
{
	size_t good = 0;

	for (size_t i = 0; i < key_count; i++) {
		if (verified != NULL)
			verified[i] = false;
		if (times != NULL)
			times[i] = 0;
	}
	for (size_t i = 0; i < note->count; i++) {
		const struct note_signature *signature = &note->signatures[i];

		for (size_t k = 0; k < key_count; k++) {
			uint8_t bytes[SIGNATURE_SIZE / 4 * 3 + 3];
			uint64_t time = 0;
			size_t size;

			if (keys[k].id != signature->id || !slice_is(signature->name, keys[k].name))
				continue;
			if (signature->base64.size > SIGNATURE_SIZE ||
			    !base64_decode(bytes, &size, signature->base64) ||
			    !note_signature_holds(&keys[k], note->text, slice_of(bytes + 4, size - 4), &time))
				return fault_set(why, FAULT_TAMPERED,
				                 "%s+%08" PRIx32 "의 서명이 맞지 않습니다",
				                 "the signature of %s+%08" PRIx32 " does not hold",
				                 keys[k].name, keys[k].id);
			good++;
			if (verified != NULL)
				verified[k] = true;
			if (times != NULL && time > times[k])
				times[k] = time;
		}
	}
	if (good == 0)
		return fault_set(why, FAULT_UNIDENTIFIED, "아는 키로 된 서명이 없습니다",
		                 "no signature by a known key");
	return 0;
}

void
note_line_write(struct buffer *out, const struct note_key *key, struct slice signature)
{
	uint8_t bytes[SIGNATURE_SIZE];
	char text[BASE64_SIZE(sizeof bytes)];

	if (signature.size > sizeof bytes - 4) {
		out->failed = true;
		return;
	}
	bytes[0] = (uint8_t)(key->id >> 24);
	bytes[1] = (uint8_t)(key->id >> 16);
	bytes[2] = (uint8_t)(key->id >> 8);
	bytes[3] = (uint8_t)key->id;
	memcpy(bytes + 4, signature.data, signature.size);
	base64_encode(text, bytes, 4 + signature.size);
	buffer_printf(out, DASH "%s %s\n", key->name, text);
}
