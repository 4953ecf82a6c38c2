/*
 * Content sealed so that it can be forgotten. Formats:
 *
 *	kek            32 random bytes; wraps content.keys
 *	kek.pkcs11     instead: the same, sealed under a key in a token (audit/custodian.h)
 *	content.keys   "HAECHIW1" nonce[12] ARIA-256-GCM(pseudonym key[32] || keytree) tag[16]
 *	blob           "HSB1" nonce[12] ARIA-256-GCM(salt[32] || content) tag[16], bound to entry and part
 *
 * The blob's key is derived from the entry's leaf of the month's keytree. Forgetting it rewrites
 * content.keys: an older copy of the database and today's keys open nothing that was forgotten.
 */
#define OPENSSL_API_COMPAT 10101

#include "audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/custodian.h"
#include "audit/keys.h"
#include "audit/keytree.h"

#define KEK_FILE     "kek"
#define KEYS_FILE    "content.keys"
#define LOCK_FILE    "content.lock"
#define KEYS_MAGIC   "HAECHIW1"
#define BLOB_MAGIC   "HSB1"
#define NONCE_SIZE   12u
#define TAG_SIZE     16u
#define SALT_SIZE    32u
#define BLOB_EXTRA   (sizeof BLOB_MAGIC - 1 + NONCE_SIZE + TAG_SIZE)
#define FILE_EXTRA   (sizeof KEYS_MAGIC - 1 + NONCE_SIZE + TAG_SIZE)
#define CONTENT_MOST (16u * 1024 * 1024 - 4096) /* what a journal takes, sealed */

struct sealer {
	char directory[PATH_MAX - 32], path[PATH_MAX];
	uint8_t *kek;          /* sodium_malloc()ed */
	uint8_t *pseudonym;    /* the key of pseudonyms */
	pthread_rwlock_t lock; /* tree, and which file it was read from */
	struct keytree tree;
	ino_t inode;
	struct timespec changed;
	EVP_CIPHER *cipher;
};

/* ---- ARIA-256-GCM -------------------------------------------------------------------------------------- */

struct bound { /* what is authenticated beside the ciphertext */
	struct slice parts[3];
};

static bool
bind(EVP_CIPHER_CTX *context, const struct bound *bound)
{
	static const unsigned char zero;
	int size;

	for (size_t i = 0; i < 3; i++) {
		if (bound->parts[i].size != 0 && EVP_CipherUpdate(context, NULL, &size, bound->parts[i].data,
		                                                  (int)bound->parts[i].size) != 1)
			return false;
		if (EVP_CipherUpdate(context, NULL, &size, &zero, 1) != 1)
			return false;
	}
	return true;
}

/* out: nonce, ciphertext of a and b, tag. */
static bool
encrypt(const struct sealer *sealer, const uint8_t key[32], const struct bound *bound, struct slice a,
        struct slice b, uint8_t *out)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t *at = out + NONCE_SIZE;
	int size = 0;
	bool good = false;

	randombytes_buf(out, NONCE_SIZE);
	if (context == NULL || EVP_CipherInit_ex2(context, sealer->cipher, key, out, 1, NULL) != 1 ||
	    !bind(context, bound))
		goto out;
	if (EVP_CipherUpdate(context, at, &size, a.data, (int)a.size) != 1)
		goto out;
	at += size;
	if (b.size != 0) {
		if (EVP_CipherUpdate(context, at, &size, b.data, (int)b.size) != 1)
			goto out;
		at += size;
	}
	good = EVP_CipherFinal_ex(context, at, &size) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, at) == 1;
out:
	EVP_CIPHER_CTX_free(context);
	return good;
}

/* `in`: nonce, ciphertext, tag; `out` holds in.size - 28 bytes. */
static bool
decrypt(const struct sealer *sealer, const uint8_t key[32], const struct bound *bound, struct slice in,
        uint8_t *out)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t tag[TAG_SIZE];
	size_t text = in.size - NONCE_SIZE - TAG_SIZE;
	int size = 0;
	bool good;

	memcpy(tag, in.data + NONCE_SIZE + text, TAG_SIZE);
	good = context != NULL && EVP_CipherInit_ex2(context, sealer->cipher, key, in.data, 0, NULL) == 1 &&
	       bind(context, bound) &&
	       EVP_CipherUpdate(context, out, &size, in.data + NONCE_SIZE, (int)text) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
	       EVP_CipherFinal_ex(context, out + size, &size) == 1;
	EVP_CIPHER_CTX_free(context);
	return good;
}

/* ---- the file of keys ---------------------------------------------------------------------------------- */

static const struct bound file_bound = {
    {{(const uint8_t *)KEYS_MAGIC, sizeof KEYS_MAGIC - 1}, {NULL, 0}, {NULL, 0}}
};

static int
keys_save(struct sealer *sealer, const struct keytree *tree, struct fault *why)
{
	size_t size = KEYTREE_KEY + keytree_encoded(tree);
	uint8_t *plain = sodium_malloc(size);
	struct buffer file;
	struct stat status;
	int old = -1, result = -1;

	buffer_init(&file, FILE_EXTRA + size + 1);
	if (plain == NULL || size > KEYTREE_LIMIT) {
		fault_memory(why);
		goto out;
	}
	memcpy(plain, sealer->pseudonym, KEYTREE_KEY);
	keytree_write(plain + KEYTREE_KEY, tree);
	buffer_string(&file, KEYS_MAGIC);
	for (size_t i = 0; i < size + NONCE_SIZE + TAG_SIZE; i++)
		buffer_byte(&file, 0);
	if (!buffer_ok(&file)) {
		fault_memory(why);
		goto out;
	}
	if (!encrypt(sealer, sealer->kek, &file_bound, slice_of(plain, size), (struct slice){NULL, 0},
	             file.data + sizeof KEYS_MAGIC - 1)) {
		fault_set(why, FAULT_INTERNAL, "내용 키를 봉인하지 못했습니다",
		          "the content keys cannot be sealed");
		goto out;
	}
	old = open(sealer->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (file_replace(sealer->path, buffer_view(&file), 0600, why) == -1)
		goto out;
	/*
	 * What was forgotten must not stay on the disk under no name; as far as this file system overwrites
	 * in place.
	 */
	if (old != -1 && fstat(old, &status) == 0) {
		memset(file.data, 0, file.size);
		for (off_t at = 0; at < status.st_size; at += (off_t)file.size)
			if (pwrite(old, file.data, file.size, at) == -1)
				break;
		(void)fdatasync(old);
	}
	if (stat(sealer->path, &status) == 0) {
		sealer->inode = status.st_ino;
		sealer->changed = status.st_mtim;
	}
	result = 0;
out:
	if (old != -1)
		close(old);
	sodium_free(plain);
	buffer_free(&file);
	return result;
}

/* With the lock held for writing. */
static int
keys_load_file(struct sealer *sealer, struct fault *why)
{
	uint8_t *file = NULL, *plain = NULL;
	struct keytree tree;
	struct stat status;
	size_t size;
	int result = -1;

	if (stat(sealer->path, &status) == -1)
		return fault_errno(why, "내용 키 %s", "content keys %s", sealer->path);
	if (secret_read(&file, &size, sealer->path, KEYTREE_LIMIT + FILE_EXTRA, why) == -1)
		return -1;
	if (size < FILE_EXTRA + KEYTREE_KEY || memcmp(file, KEYS_MAGIC, sizeof KEYS_MAGIC - 1) != 0)
		goto damaged;
	plain = sodium_malloc(size - FILE_EXTRA);
	if (plain == NULL) {
		fault_memory(why);
		goto out;
	}
	if (!decrypt(sealer, sealer->kek, &file_bound,
	             slice_of(file + sizeof KEYS_MAGIC - 1, size - (sizeof KEYS_MAGIC - 1)), plain) ||
	    !keytree_read(&tree, slice_of(plain + KEYTREE_KEY, size - FILE_EXTRA - KEYTREE_KEY)))
		goto damaged;
	if (sealer->inode == 0) /* it never changes; threads read it without the lock */
		memcpy(sealer->pseudonym, plain, KEYTREE_KEY);
	keytree_free(&sealer->tree);
	sealer->tree = tree;
	sealer->inode = status.st_ino;
	sealer->changed = status.st_mtim;
	result = 0;
	goto out;
damaged:
	fault_set(why, FAULT_TAMPERED, "내용 키 %s이(가) 손상되었거나 다른 kek로 봉인되었습니다",
	          "the content keys %s are damaged, or sealed under another kek", sealer->path);
out:
	sodium_free(plain);
	sodium_free(file);
	return result;
}

/* Another process may have forgotten keys, or begun a month: then its file counts. */
static int
keys_refresh(struct sealer *sealer, struct fault *why)
{
	struct stat status;
	bool same;
	int result;

	if (stat(sealer->path, &status) == -1)
		return fault_errno(why, "내용 키 %s", "content keys %s", sealer->path);
	pthread_rwlock_rdlock(&sealer->lock);
	same = status.st_ino == sealer->inode && status.st_mtim.tv_sec == sealer->changed.tv_sec &&
	       status.st_mtim.tv_nsec == sealer->changed.tv_nsec;
	pthread_rwlock_unlock(&sealer->lock);
	if (same)
		return 0;
	pthread_rwlock_wrlock(&sealer->lock);
	result = keys_load_file(sealer, why);
	pthread_rwlock_unlock(&sealer->lock);
	return result;
}

/* The right to change the file, among processes. -1 or a descriptor to close. */
static int
change_begin(struct sealer *sealer, struct fault *why)
{
	char path[PATH_MAX];
	int lock;

	snprintf(path, sizeof path, "%s/" LOCK_FILE, sealer->directory);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock == -1 || flock(lock, LOCK_EX) == -1) {
		fault_errno(why, "내용 키 잠금 %s", "locking the content keys %s", path);
		if (lock != -1)
			close(lock);
		return -1;
	}
	return lock;
}

static int
month_begin(struct sealer *sealer, uint32_t month, struct fault *why)
{
	int lock = change_begin(sealer, why);
	int result = -1;

	if (lock == -1)
		return -1;
	if (keys_refresh(sealer, why) == -1)
		goto out;
	pthread_rwlock_wrlock(&sealer->lock);
	if (keytree_has_month(&sealer->tree, month))
		result = 0;
	else if (!keytree_add_month(&sealer->tree, month))
		result = fault_memory(why);
	else if (keys_save(sealer, &sealer->tree, why) == 0)
		result = 0;
	else if (keys_load_file(sealer, NULL) == -1) /* never seal under a key that is on no disk */
		keytree_free(&sealer->tree);
	pthread_rwlock_unlock(&sealer->lock);
out:
	close(lock);
	return result;
}

/* ---- the key-encryption key, in a file or under one in a token ----------------------------------------- */

/* kek.pkcs11: the label of the token's key, a newline, and the kek sealed under it in base64. */
static int
kek_unwrap(struct sealer *sealer, struct custodian *custodian, const char *path, struct fault *why)
{
	struct buffer text = {0};
	struct reader reader;
	struct slice label, encoded;
	uint8_t sealed[128];
	char name[CUSTODIAN_LABEL];
	size_t size = 0;
	int result = -1;

	if (custodian == NULL)
		return fault_set(why, FAULT_CONFLICT, "%s: 토큰을 말하는 파일(" CUSTODIAN_FILE ")이 없습니다",
		                 "%s: no file " CUSTODIAN_FILE " names the token", path);
	if (file_read(&text, path, 4096, why) == -1)
		return -1;
	reader = reader_of(buffer_view(&text));
	label = reader_line(&reader);
	encoded = reader_line(&reader);
	if (!reader_done(&reader) || label.size >= sizeof name || encoded.size > sizeof sealed / 3 * 4 ||
	    !base64_decode(sealed, &size, encoded)) {
		fault_set(why, FAULT_INVALID, "%s을(를) 읽을 수 없습니다", "%s cannot be read", path);
		goto out;
	}
	memcpy(name, label.data, label.size);
	name[label.size] = '\0';
	if ((sealer->kek = sodium_malloc(KEYTREE_KEY)) == NULL)
		fault_memory(why);
	else
		result =
		    custodian_unwrap(custodian, name, slice_of(sealed, size), sealer->kek, KEYTREE_KEY, why);
out:
	buffer_free(&text);
	return result;
}

static int
kek_wrap(struct sealer *sealer, struct custodian *custodian, const char *path, struct fault *why)
{
	struct buffer sealed, text;
	char label[CUSTODIAN_LABEL], encoded[BASE64_SIZE(128)];
	int result = -1;

	buffer_init(&sealed, 128);
	buffer_init(&text, 4096);
	snprintf(label, sizeof label, "haechi kek %08x", (unsigned)randombytes_random());
	if (custodian_make_wrapping(custodian, label, why) == -1 ||
	    custodian_wrap(custodian, label, slice_of(sealer->kek, KEYTREE_KEY), &sealed, why) == -1)
		goto out;
	base64_encode(encoded, sealed.data, sealed.size);
	buffer_printf(&text, "%s\n%s\n", label, encoded);
	result = buffer_ok(&text) ? file_replace(path, buffer_view(&text), 0600, why) : fault_memory(why);
out:
	buffer_free(&sealed);
	buffer_free(&text);
	return result;
}

static bool
absent(const char *path)
{
	return access(path, F_OK) == -1 && errno == ENOENT;
}

int
sealer_open(struct sealer **out, const char *directory, struct fault *why)
{
	struct sealer *sealer = calloc(1, sizeof *sealer);
	char kek_path[PATH_MAX], token_path[PATH_MAX];
	struct custodian *custodian = NULL;
	size_t size;
	int lock = -1, result = -1;

	*out = NULL;
	if (sealer == NULL)
		return fault_memory(why);
	pthread_rwlock_init(&sealer->lock, NULL);
	if (sodium_init() == -1 || (sealer->cipher = EVP_CIPHER_fetch(NULL, "ARIA-256-GCM", NULL)) == NULL) {
		fault_set(why, FAULT_UNSUPPORTED, "이 OpenSSL에는 ARIA-256-GCM이 없습니다",
		          "this OpenSSL lacks ARIA-256-GCM");
		goto out;
	}
	if ((size_t)snprintf(sealer->directory, sizeof sealer->directory, "%s", directory) >=
	    sizeof sealer->directory) {
		fault_set(why, FAULT_INVALID, "키 폴더 경로가 너무 깁니다",
		          "the key directory's path is too long");
		goto out;
	}
	snprintf(sealer->path, sizeof sealer->path, "%s/" KEYS_FILE, sealer->directory);
	snprintf(kek_path, sizeof kek_path, "%s/" KEK_FILE, sealer->directory);
	snprintf(token_path, sizeof token_path, "%s/" KEK_FILE CUSTODIAN_SUFFIX, sealer->directory);
	sealer->pseudonym = sodium_malloc(KEYTREE_KEY);
	if (sealer->pseudonym == NULL) {
		fault_memory(why);
		goto out;
	}
	if (mkdir(directory, 0700) == -1 && errno != EEXIST) {
		fault_errno(why, "키 폴더 %s 만들기", "making key directory %s", directory);
		goto out;
	}
	lock = change_begin(sealer, why);
	if (lock == -1)
		goto out;
	if (custodian_open(&custodian, directory, why) == -1)
		goto out;
	if (absent(kek_path) && absent(token_path) && absent(sealer->path)) {
		sealer->kek = sodium_malloc(KEYTREE_KEY);
		if (sealer->kek == NULL) {
			fault_memory(why);
			goto out;
		}
		randombytes_buf(sealer->kek, KEYTREE_KEY);
		randombytes_buf(sealer->pseudonym, KEYTREE_KEY);
		/*
		 * The keys first: with them and no kek nothing was ever sealed, which is seen and said below.
		 */
		if (keys_save(sealer, &sealer->tree, why) == -1)
			goto out;
		if (custodian != NULL
		        ? kek_wrap(sealer, custodian, token_path, why) == -1
		        : file_replace(kek_path, slice_of(sealer->kek, KEYTREE_KEY), 0600, why) == -1)
			goto out;
	} else if (!absent(token_path)) {
		if (kek_unwrap(sealer, custodian, token_path, why) == -1 || keys_load_file(sealer, why) == -1)
			goto out;
	} else {
		if (secret_read(&sealer->kek, &size, kek_path, KEYTREE_KEY, why) == -1)
			goto out;
		if (size != KEYTREE_KEY) {
			fault_set(why, FAULT_INVALID, "%s은(는) 32바이트여야 합니다", "%s must have 32 bytes",
			          kek_path);
			goto out;
		}
		if (keys_load_file(sealer, why) == -1)
			goto out;
	}
	*out = sealer;
	sealer = NULL;
	result = 0;
out:
	custodian_close(custodian); /* the kek is in locked memory now */
	if (lock != -1)
		close(lock);
	sealer_close(sealer);
	return result;
}

void
sealer_close(struct sealer *sealer)
{
	if (sealer == NULL)
		return;
	keytree_free(&sealer->tree);
	sodium_free(sealer->kek);
	sodium_free(sealer->pseudonym);
	EVP_CIPHER_free(sealer->cipher);
	pthread_rwlock_destroy(&sealer->lock);
	free(sealer);
}

/* ---- content ------------------------------------------------------------------------------------------- */

static bool
hex_value(const char *text, size_t digits, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < digits; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* The month of a UUIDv7, since January 1970 in UTC. */
static bool
month_of(const char *id, uint32_t *month)
{
	uint64_t high, low;
	int64_t days, era, year;
	unsigned day_of_era, year_of_era, day_of_year, shifted;

	if (strlen(id) != ENTRY_ID_SIZE - 1 || id[8] != '-' || id[14] != '7' || !hex_value(id, 8, &high) ||
	    !hex_value(id + 9, 4, &low))
		return false;
	/* Days to years and months as in the proleptic Gregorian calendar, years beginning in March. */
	days = (int64_t)((high << 16 | low) / 86400000) + 719468;
	era = days / 146097;
	day_of_era = (unsigned)(days % 146097);
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	shifted = (5 * day_of_year + 2) / 153; /* 0 is March */
	year = era * 400 + (int64_t)year_of_era + (shifted >= 10 ? 1 : 0);
	*month = (uint32_t)((year - 1970) * 12 + (shifted >= 10 ? shifted - 10 : shifted + 2));
	return true;
}

static int
not_id(struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "항목 id가 UUIDv7이 아닙니다", "the entry's id is not a UUIDv7");
}

static uint64_t
path_of(const char *id)
{
	uint8_t digest[32];
	uint64_t path = 0;
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, "haechi content", 15);
	SHA256_Update(&sha, id, strlen(id));
	SHA256_Final(digest, &sha);
	for (unsigned i = 0; i < 8; i++)
		path = path << 8 | digest[i];
	return path;
}

/* The key of one part of one entry. false: forgotten, or never was. */
static bool
content_key(struct sealer *sealer, uint32_t month, const char *id, const char *part, uint8_t key[KEYTREE_KEY])
{
	static const uint8_t side = 2; /* neither left nor right */
	SHA256_CTX sha;
	bool found;

	pthread_rwlock_rdlock(&sealer->lock);
	found = keytree_key(&sealer->tree, month, path_of(id), key);
	pthread_rwlock_unlock(&sealer->lock);
	if (!found)
		return false;
	SHA256_Init(&sha);
	SHA256_Update(&sha, &side, 1);
	SHA256_Update(&sha, key, KEYTREE_KEY);
	SHA256_Update(&sha, part, strlen(part));
	SHA256_Final(key, &sha);
	sodium_memzero(&sha, sizeof sha);
	return true;
}

static struct bound
blob_bound(const char *id, const char *part)
{
	return (struct bound){
	    {SLICE_LITERAL(BLOB_MAGIC), slice_string(id), slice_string(part)}
        };
}

static void
commit(char hex[65], struct slice salt, struct slice content)
{
	uint8_t digest[32];
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, salt.data, salt.size);
	if (content.size != 0)
		SHA256_Update(&sha, content.data, content.size);
	SHA256_Final(digest, &sha);
	hex_encode(hex, digest, sizeof digest);
}

int
sealer_seal(struct sealer *sealer, const char *id, const char *part, struct slice content,
            struct buffer *blob, struct commitment *commitment, struct fault *why)
{
	struct bound bound = blob_bound(id, part);
	uint8_t key[KEYTREE_KEY], salt[SALT_SIZE];
	size_t begin = blob->size, size = NONCE_SIZE + SALT_SIZE + content.size + TAG_SIZE;
	uint32_t month;
	int result = -1;

	memset(commitment, 0, sizeof *commitment);
	if (!month_of(id, &month))
		return not_id(why);
	if (content.size > CONTENT_MOST)
		return fault_set(why, FAULT_TOO_LARGE, "봉인할 내용이 %u바이트를 넘습니다",
		                 "content to seal is over %u bytes", CONTENT_MOST);
	if (keys_refresh(sealer, why) == -1)
		return -1;
	if (!content_key(sealer, month, id, part, key)) {
		if (month_begin(sealer, month, why) == -1)
			return -1;
		if (!content_key(sealer, month, id, part, key))
			return fault_set(why, FAULT_CONFLICT, "이 항목의 키는 이미 파기되었습니다",
			                 "the key of this entry was destroyed");
	}
	randombytes_buf(salt, sizeof salt);
	buffer_string(blob, BLOB_MAGIC);
	buffer_slice(blob, slice_of(salt, sizeof salt)); /* room, overwritten below */
	buffer_slice(blob, content);
	buffer_append(blob, salt, NONCE_SIZE + TAG_SIZE);
	if (!buffer_ok(blob) || blob->size - begin != sizeof BLOB_MAGIC - 1 + size) {
		fault_memory(why);
		goto out;
	}
	if (!encrypt(sealer, key, &bound, slice_of(salt, sizeof salt), content,
	             blob->data + begin + sizeof BLOB_MAGIC - 1)) {
		fault_set(why, FAULT_INTERNAL, "내용을 봉인하지 못했습니다", "the content cannot be sealed");
		goto out;
	}
	commitment->present = true;
	commitment->bytes = (int64_t)content.size;
	commit(commitment->hex, slice_of(salt, sizeof salt), content);
	result = 0;
out:
	sodium_memzero(key, sizeof key);
	sodium_memzero(salt, sizeof salt);
	return result;
}

int
sealer_open_content(struct sealer *sealer, const char *id, const char *part, struct slice blob,
                    const char *expected, struct buffer *content, struct fault *why)
{
	struct bound bound = blob_bound(id, part);
	uint8_t key[KEYTREE_KEY];
	uint8_t *plain = NULL;
	size_t size;
	char hex[65];
	uint32_t month;
	int result = -1;

	if (!month_of(id, &month))
		return not_id(why);
	if (blob.size < BLOB_EXTRA + SALT_SIZE || blob.size > CONTENT_MOST + BLOB_EXTRA + SALT_SIZE ||
	    memcmp(blob.data, BLOB_MAGIC, sizeof BLOB_MAGIC - 1) != 0)
		return fault_set(why, FAULT_INVALID, "봉인된 내용의 형식이 아닙니다",
		                 "this is no sealed content");
	if (keys_refresh(sealer, why) == -1)
		return -1;
	if (!content_key(sealer, month, id, part, key))
		return fault_set(why, FAULT_NOT_FOUND, "이 내용의 키는 파기되었습니다",
		                 "the key of this content was destroyed");
	size = blob.size - BLOB_EXTRA;
	plain = malloc(size);
	if (plain == NULL) {
		fault_memory(why);
		goto out;
	}
	if (!decrypt(sealer, key, &bound,
	             slice_of(blob.data + sizeof BLOB_MAGIC - 1, blob.size - (sizeof BLOB_MAGIC - 1)),
	             plain)) {
		fault_set(why, FAULT_TAMPERED, "봉인된 내용이 바뀌었거나 이 항목의 것이 아닙니다",
		          "the sealed content was changed, or is not of this entry");
		goto out;
	}
	commit(hex, slice_of(plain, SALT_SIZE), slice_of(plain + SALT_SIZE, size - SALT_SIZE));
	if (expected != NULL && strcmp(hex, expected) != 0) {
		fault_set(why, FAULT_TAMPERED, "내용이 항목의 약속값과 다릅니다",
		          "the content does not fit the entry's commitment");
		goto out;
	}
	buffer_append(content, plain + SALT_SIZE, size - SALT_SIZE);
	result = buffer_ok(content) ? 0 : fault_memory(why);
out:
	if (plain != NULL)
		sodium_memzero(plain, size);
	free(plain);
	sodium_memzero(key, sizeof key);
	return result;
}

bool
sealer_remembers(struct sealer *sealer, const char *id)
{
	uint8_t key[KEYTREE_KEY];
	uint32_t month;
	bool there;

	if (!month_of(id, &month) || keys_refresh(sealer, NULL) == -1)
		return false;
	pthread_rwlock_rdlock(&sealer->lock);
	there = keytree_key(&sealer->tree, month, path_of(id), key);
	pthread_rwlock_unlock(&sealer->lock);
	sodium_memzero(key, sizeof key);
	return there;
}

int
sealer_forget(struct sealer *sealer, const char *const *ids, size_t count, struct fault *why)
{
	int lock, result = -1;

	for (size_t i = 0; i < count; i++) {
		uint32_t month;

		if (!month_of(ids[i], &month))
			return not_id(why);
	}
	lock = change_begin(sealer, why);
	if (lock == -1)
		return -1;
	if (keys_refresh(sealer, why) == -1)
		goto out;
	pthread_rwlock_wrlock(&sealer->lock);
	result = 0;
	for (size_t i = 0; i < count && result == 0; i++) {
		uint32_t month = 0;

		(void)month_of(ids[i], &month);
		if (!keytree_forget(&sealer->tree, month, path_of(ids[i])))
			result = fault_memory(why);
	}
	if (result == 0)
		result = keys_save(sealer, &sealer->tree, why);
	/* Not on disk: then nothing is forgotten, and nobody may be told so. */
	if (result == -1 && keys_load_file(sealer, NULL) == -1)
		keytree_free(&sealer->tree);
	pthread_rwlock_unlock(&sealer->lock);
out:
	close(lock);
	return result;
}

void
sealer_pseudonym(struct sealer *sealer, const char *agency, const char *user, char out[33])
{
	crypto_auth_hmacsha256_state state;
	uint8_t digest[crypto_auth_hmacsha256_BYTES];

	crypto_auth_hmacsha256_init(&state, sealer->pseudonym, KEYTREE_KEY);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)agency, strlen(agency) + 1);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)user, strlen(user));
	crypto_auth_hmacsha256_final(&state, digest);
	hex_encode(out, digest, 16);
	sodium_memzero(&state, sizeof state);
}
