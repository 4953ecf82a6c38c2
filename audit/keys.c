#include "audit/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/lasthead.h"

#define ED25519_FILE    "log.ed25519"
#define P256_FILE       "log.p256.pem"
#define PRIVATE_PREFIX  "PRIVATE+KEY+"
#define KEY_FILE_LIMIT  4096
#define SIGNATURE_LIMIT 128

static int
path_make(char out[PATH_MAX], const char *directory, const char *name, struct fault *why)
{
	if ((size_t)snprintf(out, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return fault_set(why, FAULT_INVALID, "키 폴더 경로가 너무 깁니다",
		                 "the key directory's path is too long");
	return 0;
}

int
secret_read(uint8_t **out, size_t *size, const char *path, size_t limit, struct fault *why)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	uint8_t *data = NULL;
	size_t got = 0;
	int result = -1;

	*out = NULL;
	*size = 0;
	if (file == -1 || fstat(file, &status) == -1) {
		fault_errno(why, "키 파일 %s", "key file %s", path);
		goto out;
	}
	if (!S_ISREG(status.st_mode) || (status.st_mode & 077) != 0) {
		fault_set(why, FAULT_FORBIDDEN,
		          "키 파일 %s을(를) 다른 사용자가 읽을 수 있습니다 (chmod 600 하십시오)",
		          "the key file %s may be read by others (chmod 600 it)", path);
		goto out;
	}
	if (status.st_size <= 0 || (size_t)status.st_size > limit) {
		fault_set(why, FAULT_INVALID, "키 파일 %s의 크기가 맞지 않습니다",
		          "the key file %s has the wrong size", path);
		goto out;
	}
	data = sodium_malloc((size_t)status.st_size);
	if (data == NULL) {
		fault_memory(why);
		goto out;
	}
	while (got < (size_t)status.st_size) {
		ssize_t part = read(file, data + got, (size_t)status.st_size - got);

		if (part == -1 && errno == EINTR)
			continue;
		if (part <= 0) {
			fault_errno(why, "키 파일 %s 읽기", "reading key file %s", path);
			goto out;
		}
		got += (size_t)part;
	}
	*out = data;
	*size = got;
	data = NULL;
	result = 0;
out:
	sodium_free(data);
	if (file != -1)
		close(file);
	return result;
}

static int
bad_file(struct fault *why, const char *path)
{
	return fault_set(why, FAULT_INVALID,
	                 "키 파일 %s을(를) 읽을 수 없습니다 (이 기록의 키가 아니거나 손상됨)",
	                 "the key file %s cannot be read (damaged, or not a key of this log)", path);
}

static int
public_p256(struct note_key *out, const char *origin, EVP_PKEY *key, struct fault *why)
{
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(key, &der);
	int result;

	if (size <= 0)
		return fault_set(why, FAULT_INTERNAL, "P-256 공개키를 쓸 수 없습니다",
		                 "the P-256 public key cannot be encoded");
	result = note_key_make(out, origin, NOTE_ECDSA, slice_of(der, (size_t)size), why);
	OPENSSL_free(der);
	return result;
}

/* ---- loading ------------------------------------------------------------------------------------------- */

static int
ed25519_load(struct keys *keys, const char *path, const char *origin, struct fault *why)
{
	uint8_t *text = NULL, *bytes = NULL;
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
	struct slice line;
	char prefix[NOTE_NAME_SIZE + 32];
	size_t size, prefix_size, decoded = 0;
	int result = -1;

	if (secret_read(&text, &size, path, KEY_FILE_LIMIT, why) == -1)
		return -1;
	line = slice_of(text, size);
	if (line.size != 0 && line.data[line.size - 1] == '\n')
		line.size--;
	prefix_size = (size_t)snprintf(prefix, sizeof prefix, PRIVATE_PREFIX "%s+", origin);
	bytes = sodium_malloc(64);
	keys->ed25519 = sodium_malloc(crypto_sign_SECRETKEYBYTES);
	if (bytes == NULL || keys->ed25519 == NULL) {
		fault_memory(why);
		goto out;
	}
	/* name, eight hex digits, plus sign, then 44 characters of base64 for type and seed */
	if (line.size != prefix_size + 9 + 44 || memcmp(line.data, prefix, prefix_size) != 0 ||
	    !base64_decode(bytes, &decoded, slice_of(line.data + prefix_size + 9, 44)) ||
	    decoded != 1 + crypto_sign_SEEDBYTES || bytes[0] != NOTE_ED25519 ||
	    crypto_sign_seed_keypair(public_key, keys->ed25519, bytes + 1) != 0) {
		bad_file(why, path);
		goto out;
	}
	result = note_key_make(&keys->public_keys[0], origin, NOTE_ED25519,
	                       slice_of(public_key, sizeof public_key), why);
out:
	sodium_free(bytes);
	sodium_free(text);
	return result;
}

static int
p256_load(struct keys *keys, const char *path, const char *origin, struct fault *why)
{
	uint8_t *text;
	size_t size;
	BIO *bio;

	if (secret_read(&text, &size, path, KEY_FILE_LIMIT, why) == -1)
		return -1;
	bio = BIO_new_mem_buf(text, (int)size);
	keys->p256 = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	sodium_free(text);
	if (keys->p256 == NULL)
		return bad_file(why, path);
	return public_p256(&keys->public_keys[1], origin, keys->p256, why);
}

int
keys_load(struct keys *out, const char *directory, const char *origin, struct fault *why)
{
	struct note_key known[4];
	struct buffer vkeys = {0};
	char path[PATH_MAX];
	size_t count;
	int result = -1;

	memset(out, 0, sizeof *out);
	if (path_make(path, directory, ED25519_FILE, why) == -1 ||
	    ed25519_load(out, path, origin, why) == -1 || path_make(path, directory, P256_FILE, why) == -1 ||
	    p256_load(out, path, origin, why) == -1 ||
	    path_make(path, directory, KEYS_VKEYS_FILE, why) == -1 ||
	    file_read(&vkeys, path, KEY_FILE_LIMIT, why) == -1)
		goto out;
	if (note_keys_parse(known, 4, &count, buffer_view(&vkeys), why) == -1) {
		fault_prefix(why, "%s", "%s", path);
		goto out;
	}
	for (size_t i = 0; i < 2; i++) {
		bool found = false;

		for (size_t k = 0; k < count; k++)
			found =
			    found || (known[k].id == out->public_keys[i].id &&
			              known[k].key_size == out->public_keys[i].key_size &&
			              memcmp(known[k].key, out->public_keys[i].key, known[k].key_size) == 0);
		if (!found) {
			fault_set(why, FAULT_CONFLICT, "%s에 적힌 검증 키가 서명 키와 다릅니다",
			          "the verifier keys in %s are not those of the signing keys", path);
			goto out;
		}
	}
	result = 0;
out:
	buffer_free(&vkeys);
	if (result == -1)
		keys_release(out);
	return result;
}

void
keys_release(struct keys *keys)
{
	sodium_free(keys->ed25519);
	EVP_PKEY_free(keys->p256);
	memset(keys, 0, sizeof *keys);
}

int
keys_sign(const struct keys *keys, struct slice text, struct buffer *out, struct fault *why)
{
	uint8_t signature[SIGNATURE_LIMIT];
	size_t size = sizeof signature;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int result = -1;

	if (context == NULL)
		return fault_memory(why);
	if (crypto_sign_detached(signature, NULL, text.data, text.size, keys->ed25519) != 0)
		goto failed;
	note_line_write(out, &keys->public_keys[0], slice_of(signature, crypto_sign_BYTES));
	if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, keys->p256) != 1 ||
	    EVP_DigestSign(context, signature, &size, text.data, text.size) != 1)
		goto failed;
	note_line_write(out, &keys->public_keys[1], slice_of(signature, size));
	if (!buffer_ok(out)) {
		fault_memory(why);
		goto out;
	}
	result = 0;
	goto out;
failed:
	fault_set(why, FAULT_INTERNAL, "체크포인트에 서명하지 못했습니다",
	          "the checkpoint could not be signed");
out:
	EVP_MD_CTX_free(context);
	return result;
}

/* ---- making -------------------------------------------------------------------------------------------- */

static int
ed25519_make(struct note_key *out, const char *path, const char *origin, struct fault *why)
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	uint8_t bytes[1 + crypto_sign_SEEDBYTES];
	char encoded[BASE64_SIZE(sizeof bytes)];
	struct buffer line;
	int result = -1;

	crypto_sign_keypair(public_key, secret);
	bytes[0] = NOTE_ED25519;
	crypto_sign_ed25519_sk_to_seed(bytes + 1, secret);
	base64_encode(encoded, bytes, sizeof bytes);
	buffer_init(&line, KEY_FILE_LIMIT);
	if (note_key_make(out, origin, NOTE_ED25519, slice_of(public_key, sizeof public_key), why) == 0) {
		buffer_printf(&line, PRIVATE_PREFIX "%s+%08" PRIx32 "+%s\n", origin, out->id, encoded);
		result =
		    buffer_ok(&line) ? file_replace(path, buffer_view(&line), 0600, why) : fault_memory(why);
	}
	buffer_wipe(&line);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(bytes, sizeof bytes);
	sodium_memzero(encoded, sizeof encoded);
	return result;
}

static int
p256_make(struct note_key *out, const char *path, const char *origin, struct fault *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long size = 0;
	int result = -1;

	if (key == NULL || bio == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1 ||
	    (size = BIO_get_mem_data(bio, &text)) <= 0) {
		fault_set(why, FAULT_INTERNAL, "P-256 키를 만들지 못했습니다",
		          "a P-256 key could not be made");
		goto out;
	}
	if (public_p256(out, origin, key, why) == 0)
		result = file_replace(path, slice_of(text, (size_t)size), 0600, why);
	sodium_memzero(text, (size_t)size);
out:
	BIO_free(bio);
	EVP_PKEY_free(key);
	return result;
}

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

int
signer_keys_make(const char *directory, const char *origin, struct fault *why)
{
	static const char *const names[] = {KEYS_HEAD_FILE, P256_FILE, KEYS_VKEYS_FILE, ED25519_FILE};
	char path[4][PATH_MAX];
	struct note_key public_keys[2];
	struct buffer text;
	unsigned found = 0;
	int result = -1;

	if (sodium_init() == -1)
		return fault_set(why, FAULT_INTERNAL, "libsodium을 시작할 수 없습니다",
		                 "libsodium cannot be started");
	for (size_t i = 0; i < 4; i++)
		if (path_make(path[i], directory, names[i], why) == -1)
			return -1;
	if (mkdir(directory, 0700) == -1 && errno != EEXIST)
		return fault_errno(why, "키 폴더 %s 만들기", "making key directory %s", directory);
	for (size_t i = 0; i < 4; i++)
		found += exists(path[i]) ? 1 : 0;
	if (found == 4)
		return 0;
	for (size_t i = 0; i < 4; i++)
		if (found != 0 && exists(path[i]))
			return fault_set(why, FAULT_CONFLICT,
			                 "키 폴더 %s에 %s이(가) 있는데 나머지 키 파일이 모자랍니다. 백업에서 "
			                 "되살리거나, 쓴 적 없는 키라면 지우십시오",
			                 "the key directory %s has %s, but not all key files: restore them "
			                 "from a backup, or "
			                 "remove it if these keys were never used",
			                 directory, names[i]);
	buffer_init(&text, LASTHEAD_FILE_SIZE);
	/* A crash in between leaves an incomplete set, which is refused: never a log without its memory. */
	lasthead_file_write(&text, NULL);
	if (!buffer_ok(&text)) {
		fault_memory(why);
		goto out;
	}
	if (file_replace(path[0], buffer_view(&text), 0600, why) == -1 ||
	    p256_make(&public_keys[1], path[1], origin, why) == -1 ||
	    ed25519_make(&public_keys[0], path[3], origin, why) == -1)
		goto out;
	buffer_reset(&text);
	for (size_t i = 0; i < 2; i++) {
		note_key_write(&text, &public_keys[i]);
		buffer_byte(&text, '\n');
	}
	if (!buffer_ok(&text)) {
		fault_memory(why);
		goto out;
	}
	result = file_replace(path[2], buffer_view(&text), 0644, why);
out:
	buffer_free(&text);
	return result;
}

int
signer_vkeys(struct buffer *out, const char *directory, const char *origin, struct fault *why)
{
	struct note_key known[4];
	struct buffer text = {0};
	char path[PATH_MAX];
	size_t count;
	int result = -1;

	if (path_make(path, directory, KEYS_VKEYS_FILE, why) == -1 ||
	    file_read(&text, path, KEY_FILE_LIMIT, why) == -1)
		return -1;
	if (note_keys_parse(known, 4, &count, buffer_view(&text), why) == -1) {
		fault_prefix(why, "%s", "%s", path);
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(known[i].name, origin) != 0) {
			fault_set(why, FAULT_CONFLICT, "%s의 검증 키는 다른 기록(%s)의 것입니다",
			          "the verifier keys in %s are of another log (%s)", path, known[i].name);
			goto out;
		}
		note_key_write(out, &known[i]);
		buffer_byte(out, '\n');
	}
	result = buffer_ok(out) ? 0 : fault_memory(why);
out:
	buffer_free(&text);
	return result;
}
