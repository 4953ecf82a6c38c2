#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "audit/keyfolder_inside.h"
#include "audit/keys.h"
#include "schema/base/log.h"

#define KEK_FILE     "kek"
#define TOKEN_FILE   KEK_FILE CUSTODIAN_SUFFIX
#define KEYS_FILE    "content.keys"
#define LOCK_FILE    "content.lock"
#define MAGIC        "HAECHIW2"
#define MAGIC_1      "HAECHIW1" /* ARIA-256-GCM(pseudonym key || one key tree of all months) */
#define MAGIC_SIZE   (sizeof MAGIC - 1)
#define CONTENT_MOST (KEYTREE_LIMIT + 128u)
#define PLAIN        (KEYTREE_KEY + 8u)

/* ---- files --------------------------------------------------------------------------------------------- */

struct file_stamp
file_stamp_of(const struct stat *status)
{
	return (struct file_stamp){
	    .inode = status->st_ino, .size = status->st_size, .changed = status->st_mtim};
}

bool
file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

int
keyfolder_begin(struct keyfolder *folder, struct fault *why)
{
	char path[PATH_MAX];
	int lock;

	snprintf(path, sizeof path, "%s/" LOCK_FILE, folder->directory);
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
folder_sync(const char *path, struct fault *why)
{
	const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (folder == -1 || fsync(folder) == -1)
		result = fault_errno(why, "폴더를 디스크에 반영할 수 없습니다: %s",
		                     "cannot sync the folder %s", path);
	if (folder != -1)
		close(folder);
	return result;
}

/* Overwrite, as far as this file system does that in place, and remove. */
static int
file_wipe(const char *path, struct fault *why)
{
	static const uint8_t zeros[4096];
	const int file = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	int result = -1;

	if (file == -1 && errno == ENOENT)
		return 0;
	if (file == -1 || fstat(file, &status) == -1)
		goto out;
	for (off_t at = 0; at < status.st_size; at += (off_t)sizeof zeros)
		if (pwrite(file, zeros, sizeof zeros, at) != (ssize_t)sizeof zeros)
			goto out;
	if (fdatasync(file) == -1 || unlink(path) == -1)
		goto out;
	result = 0;
out:
	if (result == -1)
		fault_errno(why, "옛 키 %s 지우기", "erasing the old keys %s", path);
	if (file != -1)
		close(file);
	return result;
}

/* The second name of a file that is to be replaced: when the file itself is still there, the name goes alone. */
static int
old_end(const char *path, const char *old, struct fault *why)
{
	struct stat here, there;

	if (lstat(old, &there) == -1)
		return errno == ENOENT ? 0 : fault_errno(why, "옛 키 %s", "old keys %s", old);
	if (lstat(path, &here) == 0 && here.st_ino == there.st_ino)
		return unlink(old) == -1 ? fault_errno(why, "옛 키 %s", "old keys %s", old) : 0;
	return file_wipe(old, why);
}

int
keyfolder_replace(const char *path, struct slice content, struct fault *why)
{
	char old[PATH_MAX];

	if ((size_t)snprintf(old, sizeof old, "%s.old", path) >= sizeof old)
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다: %s", "path too long: %s", path);
	if (old_end(path, old, why) == -1)
		return -1;
	/* Through this name the bytes are reached after a crash right behind the rename. */
	if (link(path, old) == -1 && errno != ENOENT)
		return fault_errno(why, "%s의 두 번째 이름 %s", "a second name of %s, %s", path, old);
	if (file_replace(path, content, 0600, why) == -1) {
		(void)old_end(path, old, NULL);
		return -1;
	}
	return old_end(path, old, why);
}

static bool
ends_with(const char *name, const char *end)
{
	const size_t size = strlen(name), part = strlen(end);

	return size > part && strcmp(name + size - part, end) == 0;
}

int
keyfolder_sweep(const char *directory, struct fault *why)
{
	DIR *const folder = opendir(directory);
	struct dirent *entry;
	int result = 0;

	if (folder == NULL)
		return fault_errno(why, "키 폴더 %s", "the key folder %s", directory);
	while (result == 0 && (entry = readdir(folder)) != NULL) {
		const bool fresh = ends_with(entry->d_name, ".new");
		char path[PATH_MAX], base[PATH_MAX];

		if (!fresh && !ends_with(entry->d_name, ".old"))
			continue;
		if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= sizeof path)
			continue;
		memcpy(base, path, strlen(path) - 4);
		base[strlen(path) - 4] = '\0';
		result = fresh ? file_wipe(path, why) : old_end(base, path, why);
	}
	closedir(folder);
	return result == 0 ? folder_sync(directory, why) : -1;
}

static bool
absent(const char *path)
{
	return access(path, F_OK) == -1 && errno == ENOENT;
}

static void
path_of(const struct keyfolder *folder, char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", folder->directory, name);
}

/* ---- the key-encryption key, in a file or under one in a token ----------------------------------------- */

static int
kek_unwrap(struct keyfolder *folder, const char *path, struct fault *why)
{
	struct buffer text = {0};
	struct reader reader;
	struct slice label, encoded;
	uint8_t sealed[128];
	char name[CUSTODIAN_LABEL];
	size_t size = 0;
	int result = -1;

	if (folder->keeper == NULL)
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
	if ((folder->kek = sodium_malloc(AEAD_KEY)) == NULL)
		fault_memory(why);
	else
		result =
		    keeper_unwrap(folder->keeper, name, slice_of(sealed, size), folder->kek, AEAD_KEY, why);
out:
	buffer_free(&text);
	return result;
}

static int
kek_wrap(struct keyfolder *folder, const char *path, struct fault *why)
{
	struct buffer sealed, text;
	char label[CUSTODIAN_LABEL], encoded[BASE64_SIZE(KEEPER_SEALED)];
	int result = -1;

	buffer_init(&sealed, KEEPER_SEALED);
	buffer_init(&text, 4096);
	if (keeper_wrap(folder->keeper, "kek", slice_of(folder->kek, AEAD_KEY), label, &sealed, why) == -1)
		goto out;
	base64_encode(encoded, sealed.data, sealed.size);
	buffer_printf(&text, "%s\n%s\n", label, encoded);
	result = buffer_ok(&text) ? file_replace(path, buffer_view(&text), 0600, why) : fault_memory(why);
out:
	buffer_free(&sealed);
	buffer_free(&text);
	return result;
}

static int
kek_read(struct keyfolder *folder, const char *path, struct fault *why)
{
	size_t size;

	if (secret_read(&folder->kek, &size, path, AEAD_KEY, why) == -1)
		return -1;
	return size == AEAD_KEY ? 0
	                        : fault_set(why, FAULT_INVALID, "%s은(는) 32바이트여야 합니다",
	                                    "%s must have 32 bytes", path);
}

/* ---- content.keys -------------------------------------------------------------------------------------- */

static int
content_save(struct keyfolder *folder, struct fault *why)
{
	const size_t nonce = aead_nonce(folder->cipher);
	struct buffer file;
	char path[PATH_MAX];
	uint8_t *at;
	int result = -1;

	path_of(folder, path, KEYS_FILE);
	buffer_init(&file, 256);
	buffer_string(&file, MAGIC);
	buffer_byte(&file, (uint8_t)folder->cipher);
	for (size_t i = 0; i < nonce; i++)
		buffer_byte(&file, 0);
	buffer_append(&file, folder->pseudonym, KEYTREE_KEY);
	buffer_u64be(&file, folder->count);
	for (size_t i = 0; i < AEAD_TAG; i++)
		buffer_byte(&file, 0);
	if (!buffer_ok(&file)) {
		fault_memory(why);
		goto out;
	}
	at = file.data + MAGIC_SIZE + 1;
	if (!aead_seal(folder->cipher, folder->kek, slice_of(file.data, MAGIC_SIZE + 1), at, PLAIN)) {
		fault_set(why, FAULT_INTERNAL, "내용 키를 봉인하지 못했습니다",
		          "the content keys cannot be sealed");
		goto out;
	}
	result = keyfolder_replace(path, buffer_view(&file), why);
out:
	buffer_wipe(&file);
	return result;
}

static int
content_damaged(const char *path, struct fault *why)
{
	return fault_set(why, FAULT_TAMPERED, "내용 키 %s이(가) 손상되었거나 다른 kek로 봉인되었습니다",
	                 "the content keys %s are damaged, or sealed under another kek", path);
}

/* The keys of an earlier version, one tree a month: each becomes a period of every agency. Then content.keys is written anew. */
static int
content_carry(struct keyfolder *folder, uint8_t *bytes, size_t size, const char *path, struct fault *why)
{
	static const uint8_t bound[] = MAGIC_1 "\0\0"; /* and the literal's own zero */
	const size_t extra = aead_extra(AEAD_ARIA_256_GCM);
	struct keytree tree = {0};
	uint32_t months = 0;
	size_t text;
	int result = -1;

	if (periods_used(folder))
		return fault_set(
		    why, FAULT_TAMPERED,
		    "내용 키 %s은(는) 옛 판의 것인데 그 뒤의 키가 이미 있습니다: 옛 사본을 되돌려 "
		    "놓지 마십시오",
		    "the content keys %s are of an earlier version, but later keys are there: do not "
		    "put an old copy back",
		    path);
	if (size < MAGIC_SIZE + extra + KEYTREE_KEY)
		return content_damaged(path, why);
	text = size - MAGIC_SIZE - extra;
	if (!aead_open(AEAD_ARIA_256_GCM, folder->kek, slice_of(bound, sizeof bound), bytes + MAGIC_SIZE,
	               text))
		return content_damaged(path, why);
	bytes += MAGIC_SIZE + aead_nonce(AEAD_ARIA_256_GCM);
	if (!keytree_read(&tree, slice_of(bytes + KEYTREE_KEY, text - KEYTREE_KEY)))
		return content_damaged(path, why);
	memcpy(folder->pseudonym, bytes, KEYTREE_KEY);
	for (size_t i = 0; i < tree.count; i++) {
		if (i > 0 && tree.nodes[i].month == tree.nodes[i - 1].month)
			continue;
		if (period_carry(folder, tree.nodes[i].month, &tree, why) == -1)
			goto out;
		months++;
	}
	if (content_save(folder, why) == -1)
		goto out;
	log_info("keys", "event=carried-over from=HAECHIW1 months=%u directory=%s", months,
	         folder->directory);
	result = 0;
out:
	keytree_free(&tree);
	return result;
}

/* content.keys of this version; false: it is not, or of another kek. The bytes are decrypted where they lie. */
static bool
content_read(const struct keyfolder *folder, uint8_t *bytes, size_t size, const uint8_t **pseudonym,
             uint64_t *count)
{
	enum aead cipher;

	if (size <= MAGIC_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
		return false;
	cipher = (enum aead)bytes[MAGIC_SIZE];
	if (aead_nonce(cipher) == 0 || size != MAGIC_SIZE + 1 + aead_extra(cipher) + PLAIN ||
	    !aead_open(cipher, folder->kek, slice_of(bytes, MAGIC_SIZE + 1), bytes + MAGIC_SIZE + 1, PLAIN))
		return false;
	*pseudonym = bytes + MAGIC_SIZE + 1 + aead_nonce(cipher);
	*count = 0;
	for (size_t i = 0; i < 8; i++)
		*count = *count << 8 | (*pseudonym)[KEYTREE_KEY + i];
	return true;
}

static int
content_load(struct keyfolder *folder, struct fault *why)
{
	const uint8_t *pseudonym;
	char path[PATH_MAX];
	uint8_t *bytes;
	size_t size;
	int result = -1;

	path_of(folder, path, KEYS_FILE);
	if (secret_read(&bytes, &size, path, CONTENT_MOST, why) == -1)
		return -1;
	if (size > MAGIC_SIZE && memcmp(bytes, MAGIC_1, MAGIC_SIZE) == 0) {
		result = content_carry(folder, bytes, size, path, why);
	} else if (!content_read(folder, bytes, size, &pseudonym, &folder->count)) {
		content_damaged(path, why);
	} else {
		memcpy(folder->pseudonym, pseudonym, KEYTREE_KEY);
		result = 0;
	}
	sodium_free(bytes);
	return result;
}

/* ---- what is as it was read ---------------------------------------------------------------------------- */

static const char *const watched[KEYFOLDER_WATCHED] = {KEK_FILE, TOKEN_FILE,
                                                       KEYS_FILE}; /* the last one is ours to change */

/* What is there now; the digest is `known`'s as long as the file looks the same. */
static int
watched_read(struct watched_file *out, const struct watched_file *known, const char *path, struct fault *why)
{
	struct stat status;
	uint8_t *bytes;
	size_t size;

	memset(out, 0, sizeof *out);
	if (stat(path, &status) == -1)
		return errno == ENOENT ? 0 : fault_errno(why, "키 파일 %s", "key file %s", path);
	out->there = true;
	out->stamp = file_stamp_of(&status);
	if (known != NULL && known->there && file_stamp_equal(&out->stamp, &known->stamp)) {
		memcpy(out->digest, known->digest, sizeof out->digest);
		return 0;
	}
	if (secret_read(&bytes, &size, path, CONTENT_MOST, why) == -1)
		return -1;
	crypto_hash_sha256(out->digest, bytes, size);
	sodium_free(bytes);
	return 0;
}

static int
watch_begin(struct keyfolder *folder, struct fault *why)
{
	for (size_t i = 0; i < KEYFOLDER_WATCHED; i++) {
		char path[PATH_MAX];

		path_of(folder, path, watched[i]);
		if (watched_read(&folder->seen[i], NULL, path, why) == -1)
			return -1;
	}
	return 0;
}

/* Another process of ours counts, too: then content.keys is newer, under the same kek and with the same pseudonyms. */
static bool
content_newer(struct keyfolder *folder, const char *path)
{
	const uint8_t *pseudonym;
	uint64_t count = 0;
	uint8_t *bytes;
	size_t size;
	bool newer;

	if (secret_read(&bytes, &size, path, CONTENT_MOST, NULL) == -1)
		return false;
	newer = content_read(folder, bytes, size, &pseudonym, &count) && count >= folder->count &&
	        sodium_memcmp(pseudonym, folder->pseudonym, KEYTREE_KEY) == 0;
	sodium_free(bytes);
	if (newer)
		folder->count = count;
	return newer;
}

static bool
same_as_read(struct keyfolder *folder, size_t i, const char *path)
{
	struct watched_file now = {0}, *const seen = &folder->seen[i];

	if (watched_read(&now, seen, path, NULL) == -1 || now.there != seen->there)
		return false;
	if (now.there && memcmp(now.digest, seen->digest, sizeof now.digest) != 0 &&
	    (strcmp(watched[i], KEYS_FILE) != 0 || !content_newer(folder, path)))
		return false;
	*seen = now;
	return true;
}

int
keyfolder_look(struct keyfolder *folder, struct fault *why)
{
	struct keyfolder_period *periods = NULL;
	size_t count = 0;
	int result = 0;

	for (size_t i = 0; i < KEYFOLDER_WATCHED; i++) {
		char path[PATH_MAX];
		bool same;

		path_of(folder, path, watched[i]);
		pthread_rwlock_wrlock(&folder->lock);
		same = same_as_read(folder, i, path);
		pthread_rwlock_unlock(&folder->lock);
		if (!same)
			return fault_set(
			    why, FAULT_TAMPERED,
			    "키 파일 %s이(가) haechid가 읽은 뒤에 바뀌었거나 사라졌습니다: 이대로는 다시 "
			    "시작한 뒤 "
			    "봉인된 내용이 열리지 않습니다",
			    "the key file %s was changed or is gone since haechid read it: as it is, sealed "
			    "content will not open after a restart",
			    path);
	}
	if (keyfolder_list(folder, &periods, &count, why) == -1)
		return -1;
	for (size_t i = 0; i < count && result == 0; i++)
		result = period_look(folder, periods[i].agency, periods[i].month, why);
	free(periods);
	return result;
}

int
keyfolder_count(struct keyfolder *folder, uint64_t *count, bool more, struct fault *why)
{
	char path[PATH_MAX];
	int lock, result = 0;

	if (!more) {
		*count = folder->count;
		return 0;
	}
	if ((lock = keyfolder_begin(folder, why)) == -1)
		return -1;
	pthread_rwlock_wrlock(&folder->lock);
	path_of(folder, path, KEYS_FILE);
	(void)content_newer(folder, path);
	folder->count++;
	if ((result = content_save(folder, why)) == -1)
		folder->count--;
	else
		result = watched_read(&folder->seen[KEYFOLDER_WATCHED - 1], NULL, path, why);
	*count = folder->count;
	pthread_rwlock_unlock(&folder->lock);
	close(lock);
	return result;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int
folder_make(struct keyfolder *folder, struct fault *why)
{
	char path[PATH_MAX];

	path_of(folder, path, KEYFOLDER_FOLDER);
	if (mkdir(folder->directory, 0700) == -1 && errno != EEXIST)
		return fault_errno(why, "키 폴더 %s 만들기", "making key directory %s", folder->directory);
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return fault_errno(why, "키 폴더 %s 만들기", "making key directory %s", path);
	return folder_sync(folder->directory, why);
}

static int
folder_read(struct keyfolder *folder, struct fault *why)
{
	char kek[PATH_MAX], token[PATH_MAX], keys[PATH_MAX], periods[PATH_MAX];

	path_of(folder, kek, KEK_FILE);
	path_of(folder, token, TOKEN_FILE);
	path_of(folder, keys, KEYS_FILE);
	path_of(folder, periods, KEYFOLDER_FOLDER);
	if (keyfolder_sweep(folder->directory, why) == -1 || keyfolder_sweep(periods, why) == -1)
		return -1;
	if (absent(kek) && absent(token) && absent(keys)) {
		if ((folder->kek = sodium_malloc(AEAD_KEY)) == NULL)
			return fault_memory(why);
		randombytes_buf(folder->kek, AEAD_KEY);
		randombytes_buf(folder->pseudonym, KEYTREE_KEY);
		/* The keys first: with them and no kek nothing was ever sealed, which is seen and said below. */
		if (content_save(folder, why) == -1)
			return -1;
		return folder->keeper != NULL ? kek_wrap(folder, token, why)
		                              : file_replace(kek, slice_of(folder->kek, AEAD_KEY), 0600, why);
	}
	if ((!absent(token) ? kek_unwrap(folder, token, why) : kek_read(folder, kek, why)) == -1)
		return -1;
	return periods_open(folder, why) == -1 ? -1 : content_load(folder, why);
}

int
keyfolder_open(struct keyfolder **out, const char *directory, enum aead cipher, struct fault *why)
{
	struct keyfolder *folder = calloc(1, sizeof *folder);
	int lock = -1, result = -1;

	*out = NULL;
	if (folder == NULL)
		return fault_memory(why);
	pthread_rwlock_init(&folder->lock, NULL);
	folder->cipher = cipher;
	if (aead_ready(why) == -1)
		goto out;
	if ((size_t)snprintf(folder->directory, sizeof folder->directory, "%s", directory) >=
	    sizeof folder->directory) {
		fault_set(why, FAULT_INVALID, "키 폴더 경로가 너무 깁니다",
		          "the key directory's path is too long");
		goto out;
	}
	if ((folder->pseudonym = sodium_malloc(KEYTREE_KEY)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (folder_make(folder, why) == -1 || keeper_start(&folder->keeper, directory, why) == -1 ||
	    (lock = keyfolder_begin(folder, why)) == -1 || folder_read(folder, why) == -1 ||
	    watch_begin(folder, why) == -1)
		goto out;
	*out = folder;
	folder = NULL;
	result = 0;
out:
	if (lock != -1)
		close(lock);
	keyfolder_close(folder);
	return result;
}

void
keyfolder_close(struct keyfolder *folder)
{
	if (folder == NULL)
		return;
	periods_free(folder);
	keeper_stop(folder->keeper);
	sodium_free(folder->kek);
	sodium_free(folder->pseudonym);
	pthread_rwlock_destroy(&folder->lock);
	free(folder);
}

enum aead
keyfolder_cipher(const struct keyfolder *folder)
{
	return folder->cipher;
}

const uint8_t *
keyfolder_pseudonym(const struct keyfolder *folder)
{
	return folder->pseudonym;
}
