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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/keyring.h"
#include "audit/lasthead.h"
#include "audit/notesecret.h"
#include "audit/signer.h"

#define ED25519_FILE      "log.ed25519"
#define P256_FILE         "log.p256.pem"
#define NEXT_ED25519_FILE "next.ed25519"
#define NEXT_P256_FILE    "next.p256.pem"
#define KEY_FILE_LIMIT    4096
#define SIGNATURE_LIMIT   128

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
	struct note_secret secret;

	if (note_secret_load(&secret, path, origin, NOTE_ED25519, why) == -1)
		return -1;
	keys->key[keys->count].ed25519 = secret.secret;
	keys->key[keys->count++].public_key = secret.public_key;
	return 0;
}

static int
p256_load(struct keys *keys, const char *path, const char *origin, struct fault *why)
{
	uint8_t *text;
	EVP_PKEY *key;
	size_t size;
	BIO *bio;

	if (secret_read(&text, &size, path, KEY_FILE_LIMIT, why) == -1)
		return -1;
	bio = BIO_new_mem_buf(text, (int)size);
	key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	sodium_free(text);
	if (key == NULL)
		return bad_file(why, path);
	keys->key[keys->count].p256 = key;
	return public_p256(&keys->key[keys->count++].public_key, origin, key, why);
}

/* The token's label is in X.pkcs11; the key stays where it is. */
static int
token_load(struct keys *keys, const char *path, const char *origin, uint8_t type, struct fault *why)
{
	struct buffer label = {0}, public_key;
	const size_t at = keys->count;
	int result = -1;

	buffer_init(&public_key, NOTE_KEY_SIZE);
	if (keys->custodian == NULL) {
		fault_set(why, FAULT_CONFLICT,
		          "%s: 키가 토큰에 있는데 폴더에 토큰을 말하는 파일(" CUSTODIAN_FILE ")이 없습니다",
		          "%s: the key is in a token, but no file " CUSTODIAN_FILE " in the folder names it",
		          path);
		goto out;
	}
	if (file_read(&label, path, CUSTODIAN_LABEL, why) == -1)
		goto out;
	while (label.size > 0 && label.data[label.size - 1] == '\n')
		label.size--;
	if (buffer_text(&label) == NULL || (keys->key[at].label = strdup(buffer_text(&label))) == NULL) {
		fault_memory(why);
		goto out;
	}
	keys->count++;
	if (custodian_public(keys->custodian, type == NOTE_ECDSA ? CUSTODIAN_P256 : CUSTODIAN_ED25519,
	                     keys->key[at].label, &public_key, why) == 0)
		result =
		    note_key_make(&keys->key[at].public_key, origin, type, buffer_view(&public_key), why);
out:
	buffer_free(&label);
	buffer_free(&public_key);
	return result;
}

/* Signing keys that nobody was told of make heads that nobody can check: those that are coming are told at the next start. */
static int
known_check(const struct keys *keys, const struct keyring *known, size_t old, struct fault *why)
{
	for (size_t i = 0; i < old; i++) {
		const struct note_key *key = &keys->key[i].public_key;
		bool found = false;

		for (size_t k = 0; k < known->count; k++)
			found = found ||
			        (known->keys[k].id == key->id && known->keys[k].key_size == key->key_size &&
			         memcmp(known->keys[k].key, key->key, key->key_size) == 0);
		if (!found)
			return fault_set(
			    why, FAULT_CONFLICT, KEYS_VKEYS_FILE "에 적힌 검증 키가 서명 키와 다릅니다",
			    "the verifier keys in " KEYS_VKEYS_FILE " are not those of the signing keys");
	}
	return 0;
}

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

static int
token_path(char out[PATH_MAX], const char *directory, const char *name, struct fault *why)
{
	char token_name[64];

	snprintf(token_name, sizeof token_name, "%s" CUSTODIAN_SUFFIX, name);
	return path_make(out, directory, token_name, why);
}

int
keys_load(struct keys *out, const char *directory, const char *origin, struct fault *why)
{
	static const struct {
		const char *name;
		uint8_t type;
		int (*load)(struct keys *keys, const char *path, const char *origin, struct fault *why);
	} files[KEYS_MOST] = {
	    {ED25519_FILE,      NOTE_ED25519, ed25519_load},
	    {P256_FILE,         NOTE_ECDSA,   p256_load   },
	    {NEXT_ED25519_FILE, NOTE_ED25519, ed25519_load},
	    {NEXT_P256_FILE,    NOTE_ECDSA,   p256_load   },
	};
	struct keyring *known = calloc(1, sizeof *known);
	char path[PATH_MAX];
	int result = -1;

	memset(out, 0, sizeof *out);
	if (known == NULL)
		return fault_memory(why);
	if (custodian_open(&out->custodian, directory, why) == -1)
		goto out;
	for (size_t i = 0; i < KEYS_MOST; i++) {
		char token[PATH_MAX];

		if (path_make(path, directory, files[i].name, why) == -1 ||
		    token_path(token, directory, files[i].name, why) == -1)
			goto out;
		if (exists(token)) {
			if (token_load(out, token, origin, files[i].type, why) == -1)
				goto out;
		} else if (i < 2 || exists(path)) {
			if (files[i].load(out, path, origin, why) == -1)
				goto out;
		}
	}
	if (path_make(path, directory, KEYS_VKEYS_FILE, why) == -1 ||
	    keyring_add_file(known, path, why) == -1)
		goto out;
	result = known_check(out, known, 2, why);
out:
	free(known);
	if (result == -1)
		keys_release(out);
	return result;
}

void
keys_release(struct keys *keys)
{
	for (size_t i = 0; i < KEYS_MOST; i++) {
		sodium_free(keys->key[i].ed25519);
		EVP_PKEY_free(keys->key[i].p256);
		free(keys->key[i].label);
	}
	custodian_close(keys->custodian);
	memset(keys, 0, sizeof *keys);
}

static bool
p256_sign(EVP_PKEY *key, struct slice text, uint8_t *signature, size_t *size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	const bool good = context != NULL &&
	                  EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	                  EVP_DigestSign(context, signature, size, text.data, text.size) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

int
keys_sign(const struct keys *keys, struct slice text, struct buffer *out, struct fault *why)
{
	for (size_t i = 0; i < keys->count; i++) {
		uint8_t signature[SIGNATURE_LIMIT];
		size_t size = sizeof signature;

		if (keys->key[i].label != NULL) {
			if (custodian_sign(keys->custodian,
			                   keys->key[i].public_key.type == NOTE_ECDSA ? CUSTODIAN_P256
			                                                              : CUSTODIAN_ED25519,
			                   keys->key[i].label, text, signature, &size, why) == -1)
				return -1;
		} else if (keys->key[i].ed25519 != NULL) {
			size = crypto_sign_BYTES;
			if (crypto_sign_detached(signature, NULL, text.data, text.size,
			                         keys->key[i].ed25519) != 0)
				size = 0;
		} else if (!p256_sign(keys->key[i].p256, text, signature, &size)) {
			size = 0;
		}
		if (size == 0)
			return fault_set(why, FAULT_INTERNAL, "체크포인트에 서명하지 못했습니다",
			                 "the checkpoint could not be signed");
		note_line_write(out, &keys->key[i].public_key, slice_of(signature, size));
	}
	return buffer_ok(out) ? 0 : fault_memory(why);
}

/* ---- making -------------------------------------------------------------------------------------------- */

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

/* In the token: its label in X.pkcs11. Two keys of one name are never the same object. */
static int
token_make(struct custodian *custodian, struct note_key *out, const char *directory, const char *name,
           const char *origin, uint8_t type, struct fault *why)
{
	const enum custodian_kind kind = type == NOTE_ECDSA ? CUSTODIAN_P256 : CUSTODIAN_ED25519;
	char label[CUSTODIAN_LABEL], path[PATH_MAX];
	struct buffer public_key;
	int result = -1;

	buffer_init(&public_key, NOTE_KEY_SIZE);
	snprintf(label, sizeof label, "%s %s %08" PRIx32, origin, type == NOTE_ECDSA ? "p256" : "ed25519",
	         randombytes_random());
	if (token_path(path, directory, name, why) == -1 ||
	    custodian_make(custodian, kind, label, why) == -1 ||
	    custodian_public(custodian, kind, label, &public_key, why) == -1 ||
	    note_key_make(out, origin, type, buffer_view(&public_key), why) == -1)
		goto out;
	result = file_replace(path, slice_string(label), 0600, why);
out:
	buffer_free(&public_key);
	return result;
}

/* In the token where there is one and it can; else in a file. */
static int
key_make(struct custodian *custodian, struct note_key *out, const char *directory, const char *name,
         const char *origin, uint8_t type, struct fault *why)
{
	char path[PATH_MAX];

	if (custodian != NULL) {
		if (token_make(custodian, out, directory, name, origin, type, why) == 0)
			return 0;
		if (why->kind != FAULT_UNSUPPORTED || type == NOTE_ECDSA)
			return -1;
	}
	if (path_make(path, directory, name, why) == -1)
		return -1;
	return type == NOTE_ECDSA ? p256_make(out, path, origin, why)
	                          : note_secret_make(path, origin, NOTE_ED25519, out, why);
}

int
signer_keys_make(const char *directory, const char *origin, struct fault *why)
{
	static const char *const names[] = {KEYS_HEAD_FILE, P256_FILE, KEYS_VKEYS_FILE, ED25519_FILE};
	char path[4][PATH_MAX];
	struct note_key public_keys[2];
	struct custodian *custodian = NULL;
	struct buffer text;
	unsigned found = 0;
	bool there[4];
	int result = -1;

	if (sodium_init() == -1)
		return fault_set(why, FAULT_INTERNAL, "libsodium을 시작할 수 없습니다",
		                 "libsodium cannot be started");
	for (size_t i = 0; i < 4; i++)
		if (path_make(path[i], directory, names[i], why) == -1)
			return -1;
	if (mkdir(directory, 0700) == -1 && errno != EEXIST)
		return fault_errno(why, "키 폴더 %s 만들기", "making key directory %s", directory);
	for (size_t i = 0; i < 4; i++) {
		char token[PATH_MAX];

		if (token_path(token, directory, names[i], why) == -1)
			return -1;
		there[i] = exists(path[i]) || exists(token);
		found += there[i] ? 1 : 0;
	}
	if (found == 4)
		return 0;
	for (size_t i = 0; i < 4; i++)
		if (found != 0 && there[i])
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
	if (custodian_open(&custodian, directory, why) == -1 ||
	    file_replace(path[0], buffer_view(&text), 0600, why) == -1 ||
	    key_make(custodian, &public_keys[1], directory, P256_FILE, origin, NOTE_ECDSA, why) == -1 ||
	    key_make(custodian, &public_keys[0], directory, ED25519_FILE, origin, NOTE_ED25519, why) == -1)
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
	custodian_close(custodian);
	buffer_free(&text);
	return result;
}

/* log.vkeys of this log. *keyring is the caller's to free(). */
static int
vkeys_load(struct keyring **keyring, const char *directory, const char *origin, struct fault *why)
{
	struct keyring *known = calloc(1, sizeof *known);
	char path[PATH_MAX];
	int result = -1;

	*keyring = NULL;
	if (known == NULL)
		return fault_memory(why);
	if (path_make(path, directory, KEYS_VKEYS_FILE, why) == -1 ||
	    keyring_add_file(known, path, why) == -1)
		goto out;
	for (size_t i = 0; i < known->count; i++)
		if (strcmp(known->keys[i].name, origin) != 0) {
			fault_set(why, FAULT_CONFLICT, "%s의 검증 키는 다른 기록(%s)의 것입니다",
			          "the verifier keys in %s are of another log (%s)", path,
			          known->keys[i].name);
			goto out;
		}
	*keyring = known;
	known = NULL;
	result = 0;
out:
	free(known);
	return result;
}

int
signer_vkeys(struct buffer *out, const char *directory, const char *origin, struct fault *why)
{
	struct keyring *known;

	if (vkeys_load(&known, directory, origin, why) == -1)
		return -1;
	keyring_write(out, known);
	free(known);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

/* ---- rotating ------------------------------------------------------------------------------------------ */

int
signer_keys_rotate(const char *directory, const char *origin, struct fault *why)
{
	static const char *const names[2] = {NEXT_ED25519_FILE, NEXT_P256_FILE};
	struct custodian *custodian = NULL;
	char path[PATH_MAX], token[PATH_MAX];
	struct note_key ignored;
	struct keyring *known;
	unsigned there = 0;
	int result = -1;

	if (sodium_init() == -1)
		return fault_set(why, FAULT_INTERNAL, "libsodium을 시작할 수 없습니다",
		                 "libsodium cannot be started");
	/* A folder without a log's keys is no place for their successors. */
	if (vkeys_load(&known, directory, origin, why) == -1)
		return -1;
	free(known);
	for (size_t i = 0; i < 2; i++) {
		if (path_make(path, directory, names[i], why) == -1 ||
		    token_path(token, directory, names[i], why) == -1)
			return -1;
		there += exists(path) || exists(token);
	}
	if (there == 2)
		return fault_set(
		    why, FAULT_CONFLICT,
		    "새 키가 이미 있습니다: 이미 교체하는 중이며, haechi key rotate --finish 로 끝냅니다",
		    "the new keys are there already: a rotation is under way, haechi key rotate --finish "
		    "ends it");
	/* A crash in between leaves one key that signs alone until the other is made, which is no harm. */
	if (custodian_open(&custodian, directory, why) == 0 &&
	    key_make(custodian, &ignored, directory, NEXT_P256_FILE, origin, NOTE_ECDSA, why) == 0)
		result =
		    key_make(custodian, &ignored, directory, NEXT_ED25519_FILE, origin, NOTE_ED25519, why);
	custodian_close(custodian);
	return result;
}

static bool
announced(const struct keyring *known, const struct note_key *key)
{
	for (size_t i = 0; i < known->count; i++)
		if (known->keys[i].id == key->id && known->keys[i].type == key->type)
			return true;
	return false;
}

/* The old one of a kind goes, wherever it was; the new one takes its name. */
static int
successor_take(struct keys *keys, const char *directory, const char *next, const char *name, bool *any,
               struct fault *why)
{
	char from[2][PATH_MAX], to[2][PATH_MAX];
	struct buffer label = {0};
	size_t kind;
	int result = -1;

	if (path_make(from[0], directory, next, why) == -1 ||
	    token_path(from[1], directory, next, why) == -1 || path_make(to[0], directory, name, why) == -1 ||
	    token_path(to[1], directory, name, why) == -1)
		return -1;
	if (!exists(from[0]) && !exists(from[1]))
		return 0;
	*any = true;
	kind = exists(from[1]) ? 1 : 0;
	if (exists(to[1]) && file_read(&label, to[1], CUSTODIAN_LABEL, why) == -1)
		return -1;
	if (rename(from[kind], to[kind]) == -1 || (unlink(to[1 - kind]) == -1 && errno != ENOENT)) {
		fault_errno(why, "키 파일 %s 바꾸기", "renaming key file %s", from[kind]);
		goto out;
	}
	while (label.size > 0 && label.data[label.size - 1] == '\n')
		label.size--;
	result = label.size == 0 || buffer_text(&label) == NULL
	             ? 0
	             : custodian_destroy(keys->custodian, buffer_text(&label), why);
out:
	buffer_free(&label);
	return result;
}

int
signer_keys_retire(const char *directory, const char *origin, struct fault *why)
{
	static const char *const names[2][2] = {
	    {NEXT_ED25519_FILE, ED25519_FILE},
            {NEXT_P256_FILE,    P256_FILE   }
        };
	struct keyring *known = NULL;
	struct keys keys;
	bool any = false;
	int result = -1;

	if (sodium_init() == -1)
		return fault_set(why, FAULT_INTERNAL, "libsodium을 시작할 수 없습니다",
		                 "libsodium cannot be started");
	if (keys_load(&keys, directory, origin, why) == -1)
		return -1;
	if (vkeys_load(&known, directory, origin, why) == -1)
		goto out;
	for (size_t i = 2; i < keys.count; i++)
		if (!announced(known, &keys.key[i].public_key)) {
			fault_set(why, FAULT_CONFLICT,
			          "새 키가 아직 쓰인 적이 없습니다: haechid를 다시 시작해 두 키가 함께 "
			          "서명하는 기간을 두십시오",
			          "the new keys have not signed yet: restart haechid, so that both sign for "
			          "a while");
			goto out;
		}
	for (size_t i = 0; i < 2; i++)
		if (successor_take(&keys, directory, names[i][0], names[i][1], &any, why) == -1)
			goto out;
	if (!any) {
		fault_set(why, FAULT_NOT_FOUND, "교체하는 중이 아닙니다 (먼저 haechi key rotate)",
		          "no rotation is under way (haechi key rotate begins one)");
		goto out;
	}
	result = 0;
out:
	keys_release(&keys);
	free(known);
	return result;
}

/* Names of keys for an entry: "id id". */
static void
id_append(char out[64], const struct note_key *key)
{
	const size_t size = strlen(out);

	snprintf(out + size, 64 - size, "%s%08" PRIx32, size == 0 ? "" : " ", key->id);
}

int
signer_keys_settle(struct signer_rotation *rotation, const struct signer *signer, const char *directory,
                   const char *origin, struct fault *why)
{
	const uint64_t size = signer_head(signer)->size;
	struct keyring *known = NULL, *signing = calloc(1, sizeof *signing);
	int result = -1;

	memset(rotation, 0, sizeof *rotation);
	buffer_init(&rotation->vkeys, KEYRING_LIMIT);
	if (signing == NULL)
		return fault_memory(why);
	if (vkeys_load(&known, directory, origin, why) == -1 ||
	    keyring_add(signing, signer_public(signer), why) == -1)
		goto out;
	for (size_t i = 0; i < known->count; i++)
		if (known->until[i] == 0 && !announced(signing, &known->keys[i])) {
			/* It signed up to the head that the signer remembers; an empty log has no head that counts. */
			known->until[i] = size == 0 ? 1 : size;
			id_append(rotation->ended, &known->keys[i]);
		}
	for (size_t i = 0; i < signing->count; i++)
		if (!announced(known, &signing->keys[i])) {
			if (known->count == KEYRING_KEYS) {
				fault_set(why, FAULT_TOO_LARGE, "검증 키가 %d개를 넘습니다",
				          "more than %d verifier keys", KEYRING_KEYS);
				goto out;
			}
			known->keys[known->count] = signing->keys[i];
			known->from[known->count++] = size;
			id_append(rotation->begun, &signing->keys[i]);
		}
	rotation->size = size;
	keyring_write(&rotation->vkeys, known);
	result = buffer_ok(&rotation->vkeys) ? 0 : fault_memory(why);
out:
	free(known);
	free(signing);
	return result;
}

int
signer_keys_settled(const struct signer_rotation *rotation, const char *directory, struct fault *why)
{
	char path[PATH_MAX];

	return path_make(path, directory, KEYS_VKEYS_FILE, why) == -1
	           ? -1
	           : file_replace(path, buffer_view(&rotation->vkeys), 0644, why);
}
