#include "audit/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADING    "PRIVATE+KEY+"
#define KEY_LIMIT  1024
#define SEED_BYTES crypto_sign_SEEDBYTES

/* "haechi.HOST-XXXXXXXX.report": tells keys of several people apart, and no log is called so. */
static int
key_make(const char *path, struct fault *why)
{
	unsigned char seed[1 + SEED_BYTES], public_key[crypto_sign_PUBLICKEYBYTES],
	    secret[crypto_sign_SECRETKEYBYTES];
	char name[NOTE_NAME_SIZE], host[64] = "", encoded[BASE64_SIZE(sizeof seed)];
	struct note_key key;
	struct buffer line;
	int result = -1;

	buffer_init(&line, KEY_LIMIT);
	if (gethostname(host, sizeof host - 1) == -1 || host[strcspn(host, " +\t")] != '\0')
		strcpy(host, "host");
	snprintf(name, sizeof name, "haechi.%s-%08" PRIx32 ".report", host, randombytes_random());
	seed[0] = NOTE_ED25519;
	randombytes_buf(seed + 1, SEED_BYTES);
	crypto_sign_seed_keypair(public_key, secret, seed + 1);
	if (note_key_make(&key, name, NOTE_ED25519, slice_of(public_key, sizeof public_key), why) == -1)
		goto out;
	base64_encode(encoded, seed, sizeof seed);
	buffer_printf(&line, HEADING "%s+%08" PRIx32 "+%s\n", key.name, key.id, encoded);
	result = file_replace(path, buffer_view(&line), 0600, why);
out:
	buffer_wipe(&line);
	sodium_memzero(seed, sizeof seed);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(encoded, sizeof encoded);
	return result;
}

static int
key_parse(struct note_key *key, unsigned char secret[crypto_sign_SECRETKEYBYTES], struct slice text,
          struct fault *why)
{
	unsigned char public_key[crypto_sign_PUBLICKEYBYTES], seed[1 + SEED_BYTES + 3];
	char name[NOTE_NAME_SIZE], encoded[64], line[KEY_LIMIT + 1];
	uint32_t id;
	size_t size;
	int result = -1;

	if (text.size > KEY_LIMIT)
		return fault_set(why, FAULT_INVALID, "서명 키 파일이 너무 깁니다",
		                 "the key file is too long");
	memcpy(line, text.data, text.size);
	line[text.size] = '\0';
	if (sscanf(line, HEADING "%255[^+]+%8" SCNx32 "+%63s", name, &id, encoded) != 3 ||
	    strlen(encoded) > (1 + SEED_BYTES + 2) / 3 * 4 ||
	    !base64_decode(seed, &size, slice_string(encoded)) || size != 1 + SEED_BYTES ||
	    seed[0] != NOTE_ED25519) {
		fault_set(why, FAULT_INVALID, "보고서 서명 키가 아닙니다", "not a report signing key");
		goto out;
	}
	crypto_sign_seed_keypair(public_key, secret, seed + 1);
	if (note_key_make(key, name, NOTE_ED25519, slice_of(public_key, sizeof public_key), why) == -1)
		goto out;
	if (key->id != id) {
		fault_set(why, FAULT_INVALID, "서명 키의 id가 키와 다릅니다",
		          "the signing key's id is not that of the key");
		goto out;
	}
	result = 0;
out:
	sodium_memzero(line, sizeof line);
	sodium_memzero(seed, sizeof seed);
	sodium_memzero(encoded, sizeof encoded);
	return result;
}

int
report_key_sign(struct buffer *note, struct note_key *key, const char *path, struct slice text,
                struct fault *why)
{
	unsigned char secret[crypto_sign_SECRETKEYBYTES], signature[crypto_sign_BYTES];
	struct buffer file;
	struct stat status;
	int result = -1;

	buffer_init(&file, KEY_LIMIT);
	if (sodium_init() == -1) {
		fault_set(why, FAULT_INTERNAL, "libsodium 을 시작할 수 없습니다", "libsodium cannot start");
		goto out;
	}
	if (stat(path, &status) == -1) {
		if (errno != ENOENT) {
			fault_errno(why, "%s", "%s", path);
			goto out;
		}
		if (key_make(path, why) == -1)
			goto out;
	} else if ((status.st_mode & 077) != 0) {
		fault_set(why, FAULT_INVALID, "%s: 남이 읽을 수 있는 키는 쓰지 않습니다 (chmod 600)",
		          "%s: a key that others can read is not used (chmod 600)", path);
		goto out;
	}
	if (file_read(&file, path, KEY_LIMIT, why) == -1)
		goto out;
	if (key_parse(key, secret, buffer_view(&file), why) == -1) {
		fault_prefix(why, "%s", "%s", path);
		goto out;
	}
	crypto_sign_detached(signature, NULL, text.data, text.size, secret);
	buffer_slice(note, text);
	buffer_byte(note, '\n');
	note_line_write(note, key, slice_of(signature, sizeof signature));
	result = buffer_ok(note) ? 0 : fault_memory(why);
out:
	sodium_memzero(secret, sizeof secret);
	buffer_wipe(&file);
	return result;
}
