#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/keyfolder_inside.h"
#include "audit/keys.h"
#include "schema/base/log.h"

#define FILE_MOST (KEYTREE_LIMIT + 4096u)

/* ---- names and places ---------------------------------------------------------------------------------- */

static int
period_compare(const char *agency, uint32_t month, const struct period *period)
{
	if (month != period->file.month)
		return month < period->file.month ? -1 : 1;
	return strcmp(agency, period->file.agency);
}

/* Index of the first period that is not before this one. */
static size_t
period_place(const struct keyfolder *folder, const char *agency, uint32_t month)
{
	size_t low = 0, high = folder->period_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (period_compare(agency, month, folder->periods[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct period *
period_find(const struct keyfolder *folder, const char *agency, uint32_t month)
{
	const size_t at = period_place(folder, agency, month);

	return at < folder->period_count && period_compare(agency, month, folder->periods[at]) == 0
	           ? folder->periods[at]
	           : NULL;
}

/* An empty one in its place, with the path of its file. With the lock held for writing. */
static struct period *
period_new(struct keyfolder *folder, const char *agency, uint32_t month)
{
	const size_t at = period_place(folder, agency, month);
	uint8_t digest[crypto_hash_sha256_BYTES];
	struct period *period, **more;
	char hex[17];

	if (folder->period_count == folder->period_room) {
		const size_t room = folder->period_room == 0 ? 32 : 2 * folder->period_room;

		if ((more = realloc(folder->periods, room * sizeof(struct period *))) == NULL)
			return NULL;
		folder->periods = more;
		folder->period_room = room;
	}
	if ((period = calloc(1, sizeof *period)) == NULL)
		return NULL;
	snprintf(period->file.agency, sizeof period->file.agency, "%s", agency);
	period->file.month = month;
	crypto_hash_sha256(digest, (const uint8_t *)agency, strlen(agency));
	hex_encode(hex, digest, 8);
	snprintf(period->path, sizeof period->path, "%s/" KEYFOLDER_FOLDER "/%04u-%02u.%s", folder->directory,
	         1970 + month / 12, month % 12 + 1, hex);
	memmove(&folder->periods[at + 1], &folder->periods[at],
	        (folder->period_count - at) * sizeof(struct period *));
	folder->periods[at] = period;
	folder->period_count++;
	return period;
}

static void
period_free(struct period *period)
{
	keytree_free(&period->tree);
	free(period);
}

static void
period_remove(struct keyfolder *folder, struct period *period)
{
	const size_t at = period_place(folder, period->file.agency, period->file.month);

	folder->period_count--;
	memmove(&folder->periods[at], &folder->periods[at + 1],
	        (folder->period_count - at) * sizeof(struct period *));
	period_free(period);
}

void
periods_free(struct keyfolder *folder)
{
	for (size_t i = 0; i < folder->period_count; i++)
		period_free(folder->periods[i]);
	free(folder->periods);
	folder->periods = NULL;
	folder->period_count = folder->period_room = 0;
}

bool
periods_used(const struct keyfolder *folder)
{
	for (size_t i = 0; i < folder->period_count; i++)
		if (folder->periods[i]->file.generation > 1 ||
		    strcmp(folder->periods[i]->file.agency, PERIOD_EVERY) != 0)
			return true;
	return false;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int
damaged(const struct period *period, struct fault *why)
{
	return fault_set(why, FAULT_TAMPERED, "키 파일 %s이(가) 손상되었거나 다른 kek로 봉인되었습니다",
	                 "the key file %s is damaged, or sealed under another kek", period->path);
}

static int
unwrap_in_token(struct keyfolder *folder, const struct period *period, const struct periodfile *file,
                struct slice wrapped, uint8_t key[AEAD_KEY], struct fault *why)
{
	struct fault told = {0};

	if (folder->keeper == NULL)
		return fault_set(why, FAULT_CONFLICT, "%s: 토큰을 말하는 파일(" CUSTODIAN_FILE ")이 없습니다",
		                 "%s: no file " CUSTODIAN_FILE " names the token", period->path);
	if (keeper_unwrap(folder->keeper, file->label, wrapped, key, AEAD_KEY, &told) == 0)
		return 0;
	if (told.kind == FAULT_NOT_FOUND)
		return fault_set(why, FAULT_TAMPERED,
		                 "키 파일 %s을(를) 감싼 키 \"%s\"이(가) 토큰에 없습니다: 파기하기 전의 "
		                 "사본입니다. 새 파일을 "
		                 "되돌려 놓거나, 그 내용을 포기한다면 이 파일을 치우십시오",
		                 "the key file %s was wrapped under \"%s\", which the token has no more: it "
		                 "is a copy from "
		                 "before something was destroyed. Restore the newer file, or, to give up "
		                 "what was sealed under "
		                 "it, move this one away",
		                 period->path, file->label);
	if (why != NULL)
		*why = told;
	return fault_prefix(why, "키 파일 %s", "the key file %s", period->path);
}

static int
unwrap(struct keyfolder *folder, const struct period *period, const struct periodfile *file,
       const struct periodfile_parts *parts, uint8_t key[AEAD_KEY], struct fault *why)
{
	uint8_t wrapped[AEAD_KEY + AEAD_NONCE_MOST + AEAD_TAG];
	int result = 0;

	if (file->state == PERIOD_DESTROYED) {
		memcpy(key, folder->kek, AEAD_KEY);
		return 0;
	}
	if (file->state == PERIOD_IN_TOKEN)
		return unwrap_in_token(folder, period, file, parts->wrapped, key, why);
	if (parts->wrapped.size != AEAD_KEY + aead_extra(file->cipher))
		return damaged(period, why);
	memcpy(wrapped, parts->wrapped.data, parts->wrapped.size);
	if (aead_open(file->cipher, folder->kek, parts->head, wrapped, AEAD_KEY))
		memcpy(key, wrapped + aead_nonce(file->cipher), AEAD_KEY);
	else
		result = damaged(period, why);
	sodium_memzero(wrapped, sizeof wrapped);
	return result;
}

/* What the file holds now, in the place of what is in memory. With the lock held for writing. */
static int
period_load(struct keyfolder *folder, struct period *period, struct fault *why)
{
	struct periodfile_parts parts;
	struct periodfile file;
	struct keytree tree = {0};
	struct stat status;
	uint8_t *bytes = NULL, key[AEAD_KEY];
	size_t size, text;
	int result = -1;

	if (stat(period->path, &status) == -1)
		return fault_errno(why, "키 파일 %s", "the key file %s", period->path);
	if (secret_read(&bytes, &size, period->path, FILE_MOST, why) == -1)
		return -1;
	if (!periodfile_read(&file, &parts, slice_of(bytes, size)) || file.month != period->file.month ||
	    strcmp(file.agency, period->file.agency) != 0) {
		damaged(period, why);
		goto out;
	}
	if (file.generation < period->file.generation) {
		fault_set(why, FAULT_TAMPERED,
		          "키 파일 %s이(가) 옛 상태로 되돌려졌습니다: 파기한 키가 되살아났을 수 있습니다. 새 "
		          "파일을 되돌려 놓으십시오",
		          "the key file %s was put back to an older state: keys that were destroyed may be "
		          "there again. Restore the newer one",
		          period->path);
		goto out;
	}
	if (unwrap(folder, period, &file, &parts, key, why) == -1)
		goto out;
	text = parts.body.size - aead_extra(file.cipher);
	{
		uint8_t *const body = bytes + parts.bound.size; /* decrypted where it lies */

		if (!aead_open(file.cipher, key, parts.bound, body, text) ||
		    !keytree_read(&tree, slice_of(body + aead_nonce(file.cipher), text)) ||
		    (file.state == PERIOD_DESTROYED && tree.count != 0)) {
			keytree_free(&tree);
			damaged(period, why);
			goto out;
		}
	}
	keytree_free(&period->tree);
	period->tree = tree;
	period->file = file;
	period->settled = false;
	period->stamp = file_stamp_of(&status);
	result = 0;
out:
	sodium_memzero(key, sizeof key);
	sodium_free(bytes);
	return result;
}

/*
 * Make what is in memory what is on disk. 1: the period has no file. Without any lock held. A file that is gone or worse is no
 * reason to begin a new one: what was sealed under it could not be told from what was destroyed.
 */
static int
period_refresh(struct keyfolder *folder, const char *agency, uint32_t month, struct fault *why)
{
	struct period *period;
	struct file_stamp stamp = {0};
	char path[PATH_MAX];
	struct stat status;
	bool tell = false;
	int result;

	pthread_rwlock_rdlock(&folder->lock);
	if ((period = period_find(folder, agency, month)) != NULL) {
		stamp = period->stamp;
		memcpy(path, period->path, strlen(period->path) + 1);
	}
	pthread_rwlock_unlock(&folder->lock);
	if (period != NULL && stat(path, &status) == 0) {
		const struct file_stamp now = file_stamp_of(&status);

		if (file_stamp_equal(&stamp, &now))
			return 0;
	}
	pthread_rwlock_wrlock(&folder->lock);
	period = period_find(folder, agency, month);
	if (period == NULL && (period = period_new(folder, agency, month)) == NULL) {
		result = fault_memory(why);
	} else if (stat(period->path, &status) == 0) {
		result = period_load(folder, period, why);
	} else if (errno != ENOENT) {
		result = fault_errno(why, "키 파일 %s", "the key file %s", period->path);
	} else if (period->file.generation != 0) {
		result = fault_set(why, FAULT_TAMPERED,
		                   "키 파일 %s이(가) 사라졌습니다. 백업에서 되살리거나 haechid를 멈추십시오",
		                   "the key file %s is gone. Restore it, or stop haechid", period->path);
	} else {
		result = 1;
	}
	if (result != 0 && period != NULL && period->file.generation == 0) {
		period_remove(folder, period);
	} else if (period != NULL) {
		/* once, not with every request */
		tell = result == -1 && !period->told;
		period->told = result == -1;
	}
	pthread_rwlock_unlock(&folder->lock);
	if (tell && why != NULL)
		log_fault(LOG_LEVEL_ERROR, "keys", "changed-on-disk", why);
	return result;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* The file's key, wrapped. */
static int
wrap(struct keyfolder *folder, struct periodfile *file, const uint8_t key[AEAD_KEY], struct buffer *out,
     struct buffer *wrapped, struct fault *why)
{
	uint8_t at[AEAD_KEY + AEAD_NONCE_MOST + AEAD_TAG];
	char about[32];
	int result = -1;

	if (file->state == PERIOD_IN_TOKEN) {
		snprintf(about, sizeof about, "%u-%02u", 1970 + file->month / 12, file->month % 12 + 1);
		if (keeper_wrap(folder->keeper, about, slice_of(key, AEAD_KEY), file->label, wrapped, why) ==
		    -1)
			return -1;
	}
	if (!periodfile_head(out, file))
		return fault_memory(why);
	if (file->state != PERIOD_IN_FILE)
		return 0;
	memcpy(at + aead_nonce(file->cipher), key, AEAD_KEY);
	if (!aead_seal(file->cipher, folder->kek, buffer_view(out), at, AEAD_KEY))
		fault_set(why, FAULT_INTERNAL, "키를 봉인하지 못했습니다", "the key cannot be sealed");
	else {
		buffer_append(wrapped, at, AEAD_KEY + aead_extra(file->cipher));
		result = 0;
	}
	sodium_memzero(at, sizeof at);
	return result;
}

/*
 * The key that wrapped the file before goes from the token. What a crash or an absent token left is made good by the next call, as
 * the file says which it was.
 */
static int
period_settle(struct keyfolder *folder, struct period *period, struct fault *why)
{
	if (period->file.old[0] == '\0' || period->settled)
		return 0;
	if (folder->keeper == NULL || keeper_destroy(folder->keeper, period->file.old, why) == -1)
		return folder->keeper == NULL
		           ? fault_set(why, FAULT_CONFLICT,
		                       "%s: 토큰을 말하는 파일(" CUSTODIAN_FILE ")이 없습니다",
		                       "%s: no file " CUSTODIAN_FILE " names the token", period->path)
		           : -1;
	period->settled = true;
	return 0;
}

/* What is in memory goes to disk, as the next generation under a fresh key. With both locks held. */
static int
period_save(struct keyfolder *folder, struct period *period, struct fault *why)
{
	struct periodfile file = period->file;
	const size_t text = keytree_encoded(&period->tree);
	struct buffer out, wrapped;
	uint8_t *key = sodium_malloc(AEAD_KEY), *body;
	struct slice bound;
	struct stat status;
	bool written = false;
	int result = -1;

	buffer_init(&out, FILE_MOST);
	buffer_init(&wrapped, KEEPER_SEALED);
	if (key == NULL) {
		fault_memory(why);
		goto out;
	}
	if (text > KEYTREE_LIMIT) {
		fault_set(
		    why, FAULT_TOO_LARGE,
		    "이 기관의 이 달에 파기한 항목이 너무 많습니다 (%u바이트까지): 달 전체를 파기하십시오",
		    "too many entries of this agency and month were destroyed one by one (%u bytes at "
		    "most): destroy the whole month",
		    KEYTREE_LIMIT);
		goto out;
	}
	file.cipher = folder->cipher;
	file.generation++;
	memcpy(file.old, file.label, sizeof file.old);
	file.label[0] = '\0';
	if (file.state != PERIOD_DESTROYED) {
		file.state = folder->keeper != NULL ? PERIOD_IN_TOKEN : PERIOD_IN_FILE;
		randombytes_buf(key, AEAD_KEY);
	} else {
		memcpy(key, folder->kek, AEAD_KEY);
	}
	if (wrap(folder, &file, key, &out, &wrapped, why) == -1)
		goto out;
	if (!periodfile_body(&out, &file, buffer_view(&wrapped), text, &bound, &body)) {
		fault_memory(why);
		goto out;
	}
	keytree_write(body + aead_nonce(file.cipher), &period->tree);
	if (!aead_seal(file.cipher, key, bound, body, text)) {
		fault_set(why, FAULT_INTERNAL, "내용 키를 봉인하지 못했습니다",
		          "the content keys cannot be sealed");
		goto out;
	}
	written = true; /* or perhaps: then the key in the token must stay */
	if (keyfolder_replace(period->path, buffer_view(&out), why) == -1)
		goto out;
	period->file = file;
	period->settled = false;
	if (stat(period->path, &status) == 0)
		period->stamp = file_stamp_of(&status);
	result = period_settle(folder, period, why);
out:
	if (!written && file.label[0] != '\0')
		keeper_drop(folder->keeper, file.label);
	sodium_free(key);
	buffer_wipe(&out);
	buffer_free(&wrapped);
	return result;
}

/* Nobody may seal under, or be told of, what is on no disk. */
static void
period_recover(struct keyfolder *folder, struct period *period)
{
	if (period_load(folder, period, NULL) == -1)
		period_remove(folder, period);
}

int
period_carry(struct keyfolder *folder, uint32_t month, const struct keytree *tree, struct fault *why)
{
	struct period *period = period_find(folder, PERIOD_EVERY, month);

	if (period == NULL && (period = period_new(folder, PERIOD_EVERY, month)) == NULL)
		return fault_memory(why);
	period->file.generation = 0;
	period->file.state = PERIOD_IN_FILE;
	keytree_free(&period->tree);
	if (!keytree_copy_month(&period->tree, tree, month))
		return fault_memory(why);
	return period_save(folder, period, why);
}

static int
period_begin(struct keyfolder *folder, const char *agency, uint32_t month, struct fault *why)
{
	const int lock = keyfolder_begin(folder, why);
	struct period *period;
	int result;

	if (lock == -1)
		return -1;
	/* another process may have been first */
	if ((result = period_refresh(folder, agency, month, why)) != 1)
		goto out;
	pthread_rwlock_wrlock(&folder->lock);
	if ((period = period_find(folder, agency, month)) != NULL) {
		result = 0;
	} else if ((period = period_new(folder, agency, month)) == NULL) {
		result = fault_memory(why);
	} else {
		randombytes_buf(period->file.root, sizeof period->file.root);
		period->file.state = PERIOD_IN_FILE;
		result = keytree_add_month(&period->tree, month) ? period_save(folder, period, why)
		                                                 : fault_memory(why);
		if (result == -1)
			period_recover(folder, period);
	}
	pthread_rwlock_unlock(&folder->lock);
out:
	close(lock);
	return result;
}

/* ---- what others ask ------------------------------------------------------------------------------------ */

static int
check_agency(const char *agency, struct fault *why)
{
	return strlen(agency) < PERIOD_AGENCY
	           ? 0
	           : fault_set(why, FAULT_INVALID, "기관 이름이 너무 깁니다 (%u바이트까지)",
	                       "the agency's name is too long (%u bytes at most)", PERIOD_AGENCY - 1);
}

static int
no_period(struct fault *why)
{
	return fault_set(why, FAULT_NOT_FOUND, "이 기관의 이 달에는 봉인된 내용의 키가 없습니다",
	                 "there are no keys of sealed content of this agency and month");
}

int
keyfolder_leaf(struct keyfolder *folder, const struct keyfolder_place *place, bool make,
               struct keyfolder_leaf *leaf, struct fault *why)
{
	const struct period *period;
	int result;

	if (check_agency(place->agency, why) == -1)
		return -1;
	result = period_refresh(folder, place->agency, place->month, why);
	if (result == 1 && make)
		result = period_begin(folder, place->agency, place->month, why);
	if (result != 0)
		return result == 1 ? no_period(why) : -1;
	pthread_rwlock_rdlock(&folder->lock);
	if ((period = period_find(folder, place->agency, place->month)) == NULL) {
		result = no_period(why);
	} else if (period->file.state == PERIOD_DESTROYED ||
	           !keytree_key(&period->tree, place->month, place->path, leaf->key)) {
		result = fault_set(why, FAULT_CONFLICT, "이 항목의 키는 이미 파기되었습니다",
		                   "the key of this entry was destroyed");
	} else {
		memcpy(leaf->root, period->file.root, sizeof leaf->root);
	}
	pthread_rwlock_unlock(&folder->lock);
	return result;
}

/* Every place of one period at once. With the lock among processes held. */
static int
forget_in(struct keyfolder *folder, const char *agency, uint32_t month, const struct keyfolder_place *places,
          size_t count, struct fault *why)
{
	const bool every = strcmp(agency, PERIOD_EVERY) == 0;
	struct period *period;
	bool changed = false;
	int result = period_refresh(folder, agency, month, why);

	if (result != 0)
		return result == 1 ? 0 : -1;
	pthread_rwlock_wrlock(&folder->lock);
	period = period_find(folder, agency, month);
	for (size_t i = 0; period != NULL && i < count && result == 0; i++) {
		uint8_t key[KEYTREE_KEY];

		if ((every ? places[i].month_every : places[i].month) != month ||
		    (!every && strcmp(places[i].agency, agency) != 0) ||
		    !keytree_key(&period->tree, month, places[i].path, key))
			continue;
		sodium_memzero(key, sizeof key);
		changed = true;
		if (!keytree_forget(&period->tree, month, places[i].path))
			result = fault_memory(why);
	}
	if (result == 0 && period != NULL)
		result = changed ? period_save(folder, period, why) : period_settle(folder, period, why);
	if (result == -1 && period != NULL)
		period_recover(folder, period);
	pthread_rwlock_unlock(&folder->lock);
	return result;
}

int
keyfolder_forget(struct keyfolder *folder, const struct keyfolder_place *places, size_t count,
                 struct fault *why)
{
	int lock, result = 0;

	for (size_t i = 0; i < count; i++)
		if (check_agency(places[i].agency, why) == -1)
			return -1;
	if ((lock = keyfolder_begin(folder, why)) == -1)
		return -1;
	for (size_t i = 0; i < count && result == 0; i++) {
		bool first = true, first_of_month = true;

		for (size_t k = 0; k < i; k++) {
			first_of_month = first_of_month && places[k].month_every != places[i].month_every;
			first = first && (places[k].month != places[i].month ||
			                  strcmp(places[k].agency, places[i].agency) != 0);
		}
		if (first)
			result = forget_in(folder, places[i].agency, places[i].month, places, count, why);
		if (first_of_month && result == 0)
			result = forget_in(folder, PERIOD_EVERY, places[i].month_every, places, count, why);
	}
	close(lock);
	return result;
}

int
keyfolder_destroy(struct keyfolder *folder, const char *agency, uint32_t month, struct fault *why)
{
	struct period *period;
	int lock, result;

	if (check_agency(agency, why) == -1 || (lock = keyfolder_begin(folder, why)) == -1)
		return -1;
	result = period_refresh(folder, agency, month, why);
	if (result == 0) {
		pthread_rwlock_wrlock(&folder->lock);
		period = period_find(folder, agency, month);
		if (period != NULL && period->file.state == PERIOD_DESTROYED) {
			result = period_settle(folder, period, why);
		} else if (period != NULL) {
			keytree_free(&period->tree);
			period->file.state = PERIOD_DESTROYED;
			if ((result = period_save(folder, period, why)) == -1)
				period_recover(folder, period);
		}
		pthread_rwlock_unlock(&folder->lock);
	}
	close(lock);
	return result == 1 ? 0 : result;
}

/* ---- all of them ---------------------------------------------------------------------------------------- */

/* What period is in this file, the file says. */
static int
period_open(struct keyfolder *folder, const char *name, struct fault *why)
{
	struct periodfile_parts parts;
	struct periodfile file;
	char path[PATH_MAX];
	struct period *period;
	uint8_t *bytes;
	size_t size;
	bool good;

	if ((size_t)snprintf(path, sizeof path, "%s/" KEYFOLDER_FOLDER "/%s", folder->directory, name) >=
	    sizeof path)
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다", "the path is too long");
	if (secret_read(&bytes, &size, path, FILE_MOST, why) == -1)
		return -1;
	good = periodfile_read(&file, &parts, slice_of(bytes, size));
	sodium_free(bytes);
	if (!good)
		return fault_set(why, FAULT_TAMPERED, "키 파일 %s이(가) 손상되었습니다",
		                 "the key file %s is damaged", path);
	if (period_find(folder, file.agency, file.month) != NULL ||
	    (period = period_new(folder, file.agency, file.month)) == NULL)
		return fault_set(why, FAULT_TAMPERED, "키 파일 %s은(는) 다른 이름으로 이미 있습니다",
		                 "the key file %s is there already under another name", path);
	if (strcmp(period->path, path) != 0)
		return fault_set(why, FAULT_TAMPERED, "키 파일 %s은(는) 그 이름의 기관과 달의 것이 아닙니다",
		                 "the key file %s is not of the agency and month of its name", path);
	return period_load(folder, period, why) == -1 ? -1 : period_settle(folder, period, why);
}

int
periods_open(struct keyfolder *folder, struct fault *why)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *directory;
	int result = 0;

	snprintf(path, sizeof path, "%s/" KEYFOLDER_FOLDER, folder->directory);
	if ((directory = opendir(path)) == NULL)
		return fault_errno(why, "키 폴더 %s", "the key folder %s", path);
	while (result == 0 && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			result = period_open(folder, entry->d_name, why);
	closedir(directory);
	return result;
}

int
period_look(struct keyfolder *folder, const char *agency, uint32_t month, struct fault *why)
{
	return period_refresh(folder, agency, month, why) == -1 ? -1 : 0;
}

int
keyfolder_list(struct keyfolder *folder, struct keyfolder_period **periods, size_t *count, struct fault *why)
{
	int result = 0;

	*periods = NULL;
	*count = 0;
	pthread_rwlock_rdlock(&folder->lock);
	if ((*periods = calloc(folder->period_count + 1, sizeof **periods)) == NULL)
		result = fault_memory(why);
	for (size_t i = 0; result == 0 && i < folder->period_count; i++) {
		const struct periodfile *const file = &folder->periods[i]->file;
		struct keyfolder_period *const period = &(*periods)[(*count)++];

		memcpy(period->agency, file->agency, sizeof period->agency);
		period->month = file->month;
		period->destroyed = file->state == PERIOD_DESTROYED;
		period->generation = file->generation;
	}
	pthread_rwlock_unlock(&folder->lock);
	return result;
}
