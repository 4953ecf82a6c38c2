#define _GNU_SOURCE /* fallocate */

#include "audit/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "schema/base/log.h"

#define NAME_DIGITS 20
#define NAME_SUFFIX ".segment"

struct journal {
	int directory, lock, file;
	char name[64]; /* of `file` */
	char path[PATH_MAX];
	struct buffer origin;
	struct segment_digest chain;
	uint64_t offset, capacity; /* of `file`; capacity 0: no segment yet */
	uint32_t segment_bytes;
	ino_t folder_inode;
	dev_t folder_device;
	bool failed;
};

static void
name_write(char out[64], uint64_t first)
{
	snprintf(out, 64, "%0*" PRIu64 NAME_SUFFIX, NAME_DIGITS, first);
}

static bool
name_read(uint64_t *first, const char *name)
{
	char again[64];

	if (strlen(name) != NAME_DIGITS + sizeof NAME_SUFFIX - 1)
		return false;
	*first = strtoull(name, NULL, 10);
	name_write(again, *first);
	return strcmp(name, again) == 0;
}

static int
compare_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int
journal_list(const char *directory, uint64_t **list, size_t *count, struct fault *why)
{
	DIR *folder = opendir(directory);
	struct dirent *item;
	size_t room = 0;
	int result = -1;

	*list = NULL;
	*count = 0;
	if (folder == NULL)
		return fault_errno(why, "저널 폴더 %s", "journal directory %s", directory);
	while (errno = 0, (item = readdir(folder)) != NULL) {
		uint64_t first;

		if (!name_read(&first, item->d_name))
			continue;
		if (*count == room) {
			uint64_t *more;

			room = room == 0 ? 16 : room * 2;
			more = realloc(*list, room * sizeof **list);
			if (more == NULL) {
				fault_memory(why);
				goto out;
			}
			*list = more;
		}
		(*list)[(*count)++] = first;
	}
	if (errno != 0) {
		fault_errno(why, "저널 폴더 %s 읽기", "reading journal directory %s", directory);
		goto out;
	}
	if (*count != 0)
		qsort(*list, *count, sizeof **list, compare_first);
	result = 0;
out:
	closedir(folder);
	if (result == -1) {
		free(*list);
		*list = NULL;
		*count = 0;
	}
	return result;
}

/* ---- one file, read ------------------------------------------------------------------------------------ */

static bool
read_whole(int file, void *data, size_t size, uint64_t offset)
{
	uint8_t *at = data;

	while (size != 0) {
		ssize_t got = pread(file, at, size, (off_t)offset);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = ENODATA;
		if (got <= 0)
			return false;
		at += got;
		size -= (size_t)got;
		offset += (uint64_t)got;
	}
	return true;
}

/* Into a buffer whose memory is kept for the next batch. */
static bool
buffer_read(struct buffer *buffer, int file, size_t size, uint64_t offset)
{
	static const uint8_t zeros[SEGMENT_BLOCK];

	if (buffer->limit == 0)
		buffer_init(buffer, SEGMENT_BODY_LIMIT + 2 * SEGMENT_BLOCK);
	buffer_reset(buffer);
	while (buffer_ok(buffer) && buffer->size < size)
		buffer_append(buffer, zeros,
		              size - buffer->size < sizeof zeros ? size - buffer->size : sizeof zeros);
	if (!buffer_ok(buffer)) {
		errno = ENOMEM;
		return false;
	}
	return read_whole(file, buffer->data, size, offset);
}

enum found { FOUND_BATCH, FOUND_END, FOUND_BROKEN, FOUND_ERROR };

/* What is at `offset` of a segment of `size` bytes. FOUND_ERROR leaves errno. */
static enum found
batch_at(int file, uint64_t offset, uint64_t size, struct buffer *memory, struct segment_batch *batch)
{
	uint8_t head[SEGMENT_BATCH_HEAD];
	size_t batch_size;

	if (offset == size)
		return FOUND_END;
	if (size - offset < SEGMENT_BLOCK)
		return FOUND_BROKEN;
	if (!read_whole(file, head, sizeof head, offset))
		return FOUND_ERROR;
	switch (segment_peek(slice_of(head, sizeof head), &batch_size)) {
	case SEGMENT_END:
		return FOUND_END;
	case SEGMENT_BROKEN:
		return FOUND_BROKEN;
	case SEGMENT_BATCH:
		break;
	}
	if (batch_size > size - offset)
		return FOUND_BROKEN;
	if (!buffer_read(memory, file, batch_size, offset))
		return FOUND_ERROR;
	return segment_batch_read(batch, buffer_view(memory)) ? FOUND_BATCH : FOUND_BROKEN;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int
lock_take(struct journal *journal, struct fault *why)
{
	char pid[32];
	int size;

	journal->lock = openat(journal->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (journal->lock == -1)
		return fault_errno(why, "저널 잠금 파일 %s/lock", "journal lock file %s/lock", journal->path);
	if (flock(journal->lock, LOCK_EX | LOCK_NB) == -1) {
		ssize_t got = pread(journal->lock, pid, sizeof pid - 1, 0);

		if (errno != EWOULDBLOCK && got == -1)
			return fault_errno(why, "저널 잠금 %s/lock", "locking %s/lock", journal->path);
		pid[got > 0 ? got : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return fault_set(why, FAULT_CONFLICT, "저널 %s은(는) 다른 haechid(pid %s)가 쓰고 있습니다",
		                 "the journal %s is in use by another haechid (pid %s)", journal->path, pid);
	}
	size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(journal->lock, 0) == -1 || pwrite(journal->lock, pid, (size_t)size, 0) != size)
		return fault_errno(why, "저널 잠금 파일 %s/lock 쓰기", "writing %s/lock", journal->path);
	return 0;
}

/* Read everything from `offset` on: is there a whole batch somewhere? Then this was no torn tail. */
static int
anything_whole_behind(int file, uint64_t offset, uint64_t size, struct buffer *memory, bool *whole)
{
	*whole = false;
	for (; offset + SEGMENT_BLOCK <= size; offset += SEGMENT_BLOCK) {
		struct segment_batch batch;

		switch (batch_at(file, offset, size, memory, &batch)) {
		case FOUND_BATCH:
			*whole = true;
			return 0;
		case FOUND_ERROR:
			return -1;
		default:
			break;
		}
	}
	return 0;
}

/* Zeros from `offset` to the end, on disk: what was torn must not be read as something later. */
static int
tail_cut(struct journal *journal, uint64_t offset, struct fault *why)
{
	if (ftruncate(journal->file, (off_t)offset) == -1 ||
	    ftruncate(journal->file, (off_t)journal->capacity) == -1 ||
	    (fallocate(journal->file, 0, 0, (off_t)journal->capacity) == -1 && errno != EOPNOTSUPP) ||
	    fsync(journal->file) == -1)
		return fault_errno(why, "저널 파일 %s/%s 정리", "cutting the tail of %s/%s", journal->path,
		                   journal->name);
	return 0;
}

static bool
zeros_behind(int file, uint64_t offset, uint64_t size, struct buffer *memory, bool *error)
{
	*error = false;
	while (offset < size) {
		size_t part = size - offset < 1024 * 1024 ? (size_t)(size - offset) : 1024 * 1024;

		if (!buffer_read(memory, file, part, offset)) {
			*error = true;
			return false;
		}
		for (size_t i = 0; i < part; i++)
			if (memory->data[i] != 0)
				return false;
		offset += part;
	}
	return true;
}

struct replay {
	const struct journal_visitor *visitor;
	struct tree_frontier *frontier;
	struct buffer memory;
	bool begun;
};

static int
replay_batch(struct journal *journal, struct replay *replay, const struct segment_batch *batch,
             struct fault *why)
{
	struct segment_walk walk = segment_items(batch);
	struct segment_item item;
	struct tree_hash hash;

	if (batch->first != replay->frontier->size ||
	    memcmp(batch->previous.bytes, journal->chain.bytes, sizeof journal->chain.bytes) != 0)
		return fault_set(why, FAULT_TAMPERED,
		                 "저널 %s/%s: %" PRIu64 "번 항목의 묶음이 앞 묶음에 이어지지 않습니다",
		                 "journal %s/%s: the batch of entry %" PRIu64
		                 " does not follow the one before it",
		                 journal->path, journal->name, batch->first);
	while (segment_next(&walk, &item)) {
		tree_leaf(&hash, item.entry);
		tree_frontier_add(replay->frontier, &hash, NULL, NULL);
	}
	tree_frontier_root(&hash, replay->frontier);
	if (!tree_hash_equal(&hash, &batch->root))
		return fault_set(why, FAULT_TAMPERED,
		                 "저널 %s/%s: %" PRIu64 "번 항목의 묶음의 루트가 맞지 않습니다",
		                 "journal %s/%s: the root of the batch of entry %" PRIu64 " does not hold",
		                 journal->path, journal->name, batch->first);
	journal->chain = batch->digest;
	return replay->visitor->batch(replay->visitor->context, batch, replay->frontier, why);
}

static int
replay_head(struct journal *journal, struct replay *replay, uint64_t first, struct fault *why)
{
	uint8_t block[SEGMENT_BLOCK];
	struct segment_head head;
	struct tree_hash here, there;

	if (!read_whole(journal->file, block, sizeof block, 0))
		return fault_errno(why, "저널 파일 %s/%s", "journal file %s/%s", journal->path,
		                   journal->name);
	if (segment_head_read(&head, slice_of(block, sizeof block), why) == -1)
		return fault_prefix(why, "%s/%s", "%s/%s", journal->path, journal->name);
	if (!slice_equal(head.origin, buffer_view(&journal->origin)))
		return fault_set(
		    why, FAULT_CONFLICT, "저널 %s은(는) 다른 기록의 것입니다: %.*s (이 기록: %.*s)",
		    "the journal %s belongs to another log: %.*s (this one: %.*s)", journal->path,
		    SLICE_PRINT(head.origin), SLICE_PRINT(buffer_view(&journal->origin)));
	if (!replay->begun) {
		*replay->frontier = head.frontier;
		journal->chain = head.chain;
		replay->begun = true;
		if (replay->visitor->base(replay->visitor->context, replay->frontier, why) == -1)
			return -1;
	}
	tree_frontier_root(&here, replay->frontier);
	tree_frontier_root(&there, &head.frontier);
	if (first != head.frontier.size || first != replay->frontier->size ||
	    !tree_hash_equal(&here, &there) ||
	    memcmp(head.chain.bytes, journal->chain.bytes, sizeof head.chain.bytes) != 0)
		return fault_set(
		    why, FAULT_TAMPERED,
		    "저널 파일 %s/%s이(가) 앞 파일에 이어지지 않습니다 (앞 파일은 %" PRIu64 "번에서 끝남)",
		    "the journal file %s/%s does not follow the one before it, which ends at %" PRIu64,
		    journal->path, journal->name, replay->frontier->size);
	return 0;
}

static int
replay_segment(struct journal *journal, struct replay *replay, uint64_t first, bool last, struct fault *why)
{
	struct segment_batch batch;
	struct stat status;
	uint64_t offset = SEGMENT_BLOCK;
	bool whole, error;

	if (journal->file != -1)
		close(journal->file);
	name_write(journal->name, first);
	journal->file = openat(journal->directory, journal->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (journal->file == -1 || fstat(journal->file, &status) == -1)
		return fault_errno(why, "저널 파일 %s/%s", "journal file %s/%s", journal->path,
		                   journal->name);
	/*
	 * A crash may have left bytes in the cache that never reached the disk, and after a failed write the
	 * cache may hold what the disk refused: force them down, forget them, and judge what the disk gives
	 * back.
	 */
	if (last && fdatasync(journal->file) == -1)
		return fault_errno(why, "저널 파일 %s/%s 동기화", "syncing journal file %s/%s", journal->path,
		                   journal->name);
	(void)posix_fadvise(journal->file, 0, 0, POSIX_FADV_DONTNEED);
	journal->capacity = (uint64_t)status.st_size;
	if (replay_head(journal, replay, first, why) == -1)
		return -1;
	for (;;) {
		switch (batch_at(journal->file, offset, journal->capacity, &replay->memory, &batch)) {
		case FOUND_BATCH:
			if (replay_batch(journal, replay, &batch, why) == -1)
				return -1;
			offset += batch.size;
			continue;
		case FOUND_ERROR:
			return fault_errno(why, "저널 파일 %s/%s 읽기", "reading journal file %s/%s",
			                   journal->path, journal->name);
		case FOUND_END:
		case FOUND_BROKEN:
			break;
		}
		break;
	}
	journal->offset = offset;
	whole = zeros_behind(journal->file, offset, journal->capacity, &replay->memory, &error);
	if (error)
		return fault_errno(why, "저널 파일 %s/%s 읽기", "reading journal file %s/%s", journal->path,
		                   journal->name);
	if (whole)
		return 0;
	if (anything_whole_behind(journal->file, offset, journal->capacity, &replay->memory, &whole) == -1)
		return fault_errno(why, "저널 파일 %s/%s 읽기", "reading journal file %s/%s", journal->path,
		                   journal->name);
	if (whole || !last)
		return fault_set(why, FAULT_TAMPERED,
		                 "저널 파일 %s/%s의 %" PRIu64 "번째 바이트부터 손상되었습니다 (%" PRIu64
		                 "번 항목부터). 뒤에 온전한 기록이 있으므로 중단된 쓰기가 아닙니다",
		                 "the journal file %s/%s is damaged from byte %" PRIu64 " on (entry %" PRIu64
		                 "); what follows is whole, so this is no interrupted write",
		                 journal->path, journal->name, offset, replay->frontier->size);
	/* Bytes that were acknowledged and are damaged now must stay for whoever repairs them. */
	if (replay->visitor->torn(replay->visitor->context, replay->frontier, why) == -1)
		return -1;
	log_warn("ledger", "event=torn-tail-cut file=%s offset=%" PRIu64 " size=%" PRIu64, journal->name,
	         offset, replay->frontier->size);
	return tail_cut(journal, offset, why);
}

int
journal_open(struct journal **out, const char *directory, const char *origin, uint32_t segment_bytes,
             const struct journal_visitor *visitor, struct tree_frontier *frontier, struct fault *why)
{
	struct journal *journal = calloc(1, sizeof *journal);
	struct replay replay = {.visitor = visitor, .frontier = frontier};
	uint64_t *list = NULL;
	struct stat status;
	size_t count = 0;
	int result = -1;

	*out = NULL;
	memset(frontier, 0, sizeof *frontier);
	if (journal == NULL)
		return fault_memory(why);
	journal->directory = journal->lock = journal->file = -1;
	journal->segment_bytes = segment_bytes;
	buffer_init(&journal->origin, SEGMENT_ORIGIN_LIMIT);
	buffer_string(&journal->origin, origin);
	if (!buffer_ok(&journal->origin) ||
	    (size_t)snprintf(journal->path, sizeof journal->path, "%s", directory) >= sizeof journal->path) {
		fault_set(why, FAULT_INVALID, "기록 이름이나 저널 경로가 너무 깁니다",
		          "the log's name or the journal's path is too long");
		goto out;
	}
	if (mkdir(directory, 0700) == -1 && errno != EEXIST) {
		fault_errno(why, "저널 폴더 %s 만들기", "making journal directory %s", directory);
		goto out;
	}
	journal->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal->directory == -1 || fstat(journal->directory, &status) == -1) {
		fault_errno(why, "저널 폴더 %s", "journal directory %s", directory);
		goto out;
	}
	journal->folder_inode = status.st_ino;
	journal->folder_device = status.st_dev;
	/* A rename that made a segment may not have reached the disk before the crash. */
	if (lock_take(journal, why) == -1 || journal_list(directory, &list, &count, why) == -1)
		goto out;
	if (fsync(journal->directory) == -1) {
		fault_errno(why, "저널 폴더 %s 동기화", "syncing journal directory %s", directory);
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		if (replay_segment(journal, &replay, list[i], i + 1 == count, why) == -1)
			goto out;
	if (count == 0 && visitor->base(visitor->context, frontier, why) == -1)
		goto out;
	*out = journal;
	journal = NULL;
	result = 0;
out:
	buffer_free(&replay.memory);
	free(list);
	journal_close(journal);
	return result;
}

void
journal_close(struct journal *journal)
{
	if (journal == NULL)
		return;
	if (journal->file != -1)
		close(journal->file);
	if (journal->lock != -1)
		close(journal->lock);
	if (journal->directory != -1)
		close(journal->directory);
	buffer_free(&journal->origin);
	free(journal);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

const struct segment_digest *
journal_chain(const struct journal *journal)
{
	return &journal->chain;
}

static bool
write_whole(int file, struct slice bytes, uint64_t offset)
{
	while (bytes.size != 0) {
		ssize_t put = pwrite(file, bytes.data, bytes.size, (off_t)offset);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return false;
		bytes.data += put;
		bytes.size -= (size_t)put;
		offset += (uint64_t)put;
	}
	return true;
}

/* A segment appears under its name only when its head is on disk and its space is allocated. */
static int
segment_make(struct journal *journal, const struct tree_frontier *before, size_t need, struct fault *why)
{
	struct segment_head head = {
	    .origin = buffer_view(&journal->origin), .chain = journal->chain, .frontier = *before};
	uint64_t capacity = journal->segment_bytes;
	struct buffer block;
	int file = -1, result = -1;

	if (capacity < SEGMENT_BLOCK + need)
		capacity = SEGMENT_BLOCK + need;
	capacity = capacity / SEGMENT_BLOCK * SEGMENT_BLOCK;
	buffer_init(&block, SEGMENT_BLOCK);
	segment_head_write(&block, &head);
	if (!buffer_ok(&block)) {
		fault_memory(why);
		goto out;
	}
	name_write(journal->name, before->size);
	(void)unlinkat(journal->directory, "next", 0);
	file = openat(journal->directory, "next", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file == -1 || ftruncate(file, (off_t)capacity) == -1 ||
	    (fallocate(file, 0, 0, (off_t)capacity) == -1 && errno != EOPNOTSUPP) ||
	    !write_whole(file, buffer_view(&block), 0) || fsync(file) == -1 ||
	    renameat(journal->directory, "next", journal->directory, journal->name) == -1 ||
	    fsync(journal->directory) == -1) {
		fault_errno(why, "저널 파일 %s/%s 만들기", "making journal file %s/%s", journal->path,
		            journal->name);
		goto out;
	}
	if (journal->file != -1)
		close(journal->file);
	journal->file = file;
	file = -1;
	journal->offset = SEGMENT_BLOCK;
	journal->capacity = capacity;
	result = 0;
out:
	if (file != -1)
		close(file);
	buffer_free(&block);
	return result;
}

static int
refuse_again(struct fault *why)
{
	return fault_set(why, FAULT_UNAVAILABLE, "저널 쓰기가 실패한 뒤에는 다시 시작해야 합니다",
	                 "after a failed write the journal must be opened anew");
}

int
journal_write(struct journal *journal, struct slice batch, const struct segment_digest *digest,
              const struct tree_frontier *before, struct fault *why)
{
	if (journal->failed)
		return refuse_again(why);
	if (journal->capacity - journal->offset < batch.size &&
	    segment_make(journal, before, batch.size, why) == -1)
		goto failed;
	if (!write_whole(journal->file, batch, journal->offset)) {
		fault_errno(why, "저널 파일 %s/%s 쓰기", "writing journal file %s/%s", journal->path,
		            journal->name);
		goto failed;
	}
	journal->offset += batch.size;
	journal->chain = *digest;
	return 0;
failed:
	journal->failed = true;
	return -1;
}

int
journal_sync(struct journal *journal, struct fault *why)
{
	struct stat held, named, folder;

	if (journal->failed)
		return refuse_again(why);
	if (fdatasync(journal->file) == -1) {
		journal->failed = true;
		return fault_errno(why, "저널 파일 %s/%s 동기화", "syncing journal file %s/%s", journal->path,
		                   journal->name);
	}
	if (fstat(journal->file, &held) == -1 ||
	    fstatat(journal->directory, journal->name, &named, AT_SYMLINK_NOFOLLOW) == -1 ||
	    held.st_ino != named.st_ino || held.st_dev != named.st_dev ||
	    held.st_size != (off_t)journal->capacity) {
		journal->failed = true;
		return fault_set(why, FAULT_TAMPERED, "저널 파일 %s/%s이(가) 지워졌거나 바뀌었습니다",
		                 "the journal file %s/%s was removed, replaced or resized", journal->path,
		                 journal->name);
	}
	/* A folder that was moved away takes its files along: what is written there would be looked for in vain. */
	if (stat(journal->path, &folder) == -1 || folder.st_ino != journal->folder_inode ||
	    folder.st_dev != journal->folder_device) {
		journal->failed = true;
		return fault_set(why, FAULT_TAMPERED, "저널 폴더 %s이(가) 옮겨졌거나 바뀌었습니다",
		                 "the journal directory %s was moved or replaced", journal->path);
	}
	return 0;
}

uint64_t
journal_free(const struct journal *journal)
{
	struct statvfs status;

	if (fstatvfs(journal->directory, &status) == -1)
		return UINT64_MAX;
	return (uint64_t)status.f_bavail * status.f_frsize;
}

/* ---- reading beside the writer ------------------------------------------------------------------------- */

struct journal_reader {
	char path[PATH_MAX];
	struct buffer origin, memory;
	int file;
	uint64_t offset, size, index; /* in `file`; index of the batch at offset */
};

struct journal_reader *
journal_reader_new(const char *directory, const char *origin)
{
	struct journal_reader *reader = calloc(1, sizeof *reader);

	if (reader == NULL)
		return NULL;
	reader->file = -1;
	buffer_init(&reader->origin, SEGMENT_ORIGIN_LIMIT);
	buffer_string(&reader->origin, origin);
	snprintf(reader->path, sizeof reader->path, "%s", directory);
	return reader;
}

void
journal_reader_free(struct journal_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->file != -1)
		close(reader->file);
	buffer_free(&reader->origin);
	buffer_free(&reader->memory);
	free(reader);
}

static int
reader_file(struct journal_reader *reader, uint64_t first, struct tree_frontier *frontier, struct fault *why)
{
	char path[PATH_MAX + 64], name[64];
	uint8_t block[SEGMENT_BLOCK];
	struct segment_head head;
	struct stat status;

	if (reader->file != -1)
		close(reader->file);
	name_write(name, first);
	snprintf(path, sizeof path, "%s/%s", reader->path, name);
	reader->file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (reader->file == -1 || fstat(reader->file, &status) == -1 ||
	    !read_whole(reader->file, block, sizeof block, 0))
		return fault_errno(why, "저널 파일 %s", "journal file %s", path);
	if (segment_head_read(&head, slice_of(block, sizeof block), why) == -1)
		return fault_prefix(why, "%s", "%s", path);
	if (head.frontier.size != first || !slice_equal(head.origin, buffer_view(&reader->origin)))
		return fault_set(why, FAULT_TAMPERED, "저널 파일 %s의 머리가 이름과 다릅니다",
		                 "the head of journal file %s does not fit its name", path);
	reader->offset = SEGMENT_BLOCK;
	reader->size = (uint64_t)status.st_size;
	reader->index = first;
	if (frontier != NULL)
		*frontier = head.frontier;
	return 0;
}

int
journal_reader_next(struct journal_reader *reader, struct segment_batch *out, struct fault *why)
{
	for (int turn = 0; turn < 2; turn++) {
		switch (batch_at(reader->file, reader->offset, reader->size, &reader->memory, out)) {
		case FOUND_BATCH:
			if (out->first != reader->index)
				goto damaged;
			reader->offset += out->size;
			reader->index += out->count;
			return 0;
		case FOUND_ERROR:
			return fault_errno(why, "저널 %s 읽기", "reading journal %s", reader->path);
		case FOUND_BROKEN:
			goto damaged;
		case FOUND_END:
			if (turn == 0 && reader_file(reader, reader->index, NULL, why) == -1)
				return -1;
			break;
		}
	}
damaged:
	return fault_set(why, FAULT_TAMPERED, "저널 %s: %" PRIu64 "번 항목의 묶음을 읽을 수 없습니다",
	                 "journal %s: the batch of entry %" PRIu64 " cannot be read", reader->path,
	                 reader->index);
}

int
journal_reader_seek(struct journal_reader *reader, uint64_t index, uint64_t limit,
                    struct tree_frontier *frontier, uint64_t *oldest, struct fault *why)
{
	uint64_t *list = NULL;
	size_t count, at = 0;
	int result = -1;

	memset(frontier, 0, sizeof *frontier);
	if (journal_list(reader->path, &list, &count, why) == -1)
		return -1;
	*oldest = count == 0 ? 0 : list[0];
	if (count == 0 || index < list[0]) {
		fault_set(why, FAULT_NOT_FOUND,
		          "저널 %s은(는) %" PRIu64 "번부터 있습니다 (찾는 것: %" PRIu64 "번)",
		          "the journal %s begins at entry %" PRIu64 " (wanted: %" PRIu64 ")", reader->path,
		          *oldest, index);
		goto out;
	}
	while (at + 1 < count && list[at + 1] <= index)
		at++;
	if (reader_file(reader, list[at], frontier, why) == -1)
		goto out;
	while (frontier->size < index && frontier->size < limit) {
		struct segment_batch batch;
		struct segment_walk walk;
		struct segment_item item;

		if (journal_reader_next(reader, &batch, why) == -1)
			goto out;
		for (walk = segment_items(&batch); segment_next(&walk, &item);) {
			struct tree_hash leaf;

			tree_leaf(&leaf, item.entry);
			tree_frontier_add(frontier, &leaf, NULL, NULL);
		}
	}
	if (frontier->size != index) {
		fault_set(why, FAULT_TAMPERED, "저널 %s에는 %" PRIu64 "번에서 시작하는 묶음이 없습니다",
		          "no batch of the journal %s begins at entry %" PRIu64, reader->path, index);
		goto out;
	}
	result = 0;
out:
	free(list);
	return result;
}

int
journal_trim(const char *directory, uint64_t index, int (*before)(void *context, struct fault *why),
             void *context, struct fault *why)
{
	uint64_t *list;
	size_t count;
	int result = 0;

	if (journal_list(directory, &list, &count, why) == -1)
		return -1;
	if (count > 1 && list[1] <= index && before != NULL)
		result = before(context, why);
	for (size_t i = 0; i + 1 < count && list[i + 1] <= index && result == 0; i++) {
		char path[PATH_MAX + 64], name[64];

		name_write(name, list[i]);
		snprintf(path, sizeof path, "%s/%s", directory, name);
		if (unlink(path) == -1 && errno != ENOENT)
			result = fault_errno(why, "저널 파일 %s 지우기", "removing journal file %s", path);
	}
	free(list);
	return result;
}
