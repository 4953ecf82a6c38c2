/*
 * Power cuts. The programs' writes, syncs, renames and truncations are seen by this test's own definitions of
 * those calls (its definitions come before libc's), in the daemon's process and in the signer's. For a crash
 * after any of them, disks are made as a power cut may leave them: what was forced to the disk is there; of
 * everything else each 512-byte sector is new, old or zero, and each change of a directory has happened or
 * not. On every such disk the ledger must open again, hold every acknowledged entry, and go on.
 *
 * SEED and CUTS in the environment repeat or lengthen a run.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/journal.h"
#include "audit/signer.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define ORIGIN  "haechi.power/node1"
#define SECTOR  512u
#define OPS     20000u
#define BYTES   (96u * 1024 * 1024)
#define FILES   64u
#define ENTRIES 60u

enum kind { OP_WRITE, OP_RESIZE, OP_SYNC, OP_NAME, OP_RENAME, OP_UNLINK, OP_FOLDER_SYNC, OP_ACK };

struct op {
	enum kind kind;
	ino_t inode;
	uint64_t
	    offset; /* of a write; of a sync: the first operation it does not cover; of an acknowledgement: its index */
	uint64_t size; /* of a write; of the file, when resized */
	size_t data;
	char name[48], to[48];
};

static struct recording {
	pthread_mutex_t lock;
	pid_t
	    daemon; /* any other process is the signer: its filter allows no fstat, and it writes one file */
	ino_t head;
	_Atomic bool on;
	uint32_t count;
	size_t bytes;
	struct op ops[OPS];
	uint8_t data[BYTES];
} * tape;

/* ---- what is recorded ---------------------------------------------------------------------------------- */

static ino_t
inode_of(int file, bool *folder)
{
	struct stat status;

	*folder = false;
	if (getpid() != tape->daemon)
		return tape->head;
	if (fstat(file, &status) == -1)
		return 0;
	*folder = S_ISDIR(status.st_mode);
	return status.st_ino;
}

static struct op *
record(enum kind kind)
{
	struct op *op;

	if (tape->count == OPS)
		abort();
	op = &tape->ops[tape->count++];
	memset(op, 0, sizeof *op);
	op->kind = kind;
	return op;
}

ssize_t
pwrite(int file, const void *data, size_t size, off_t offset)
{
	ssize_t put;
	bool folder;

	if (tape == NULL || !tape->on)
		return syscall(SYS_pwrite64, file, data, size, offset);
	pthread_mutex_lock(&tape->lock);
	put = syscall(SYS_pwrite64, file, data, size, offset);
	if (put > 0) {
		struct op *op = record(OP_WRITE);

		op->inode = inode_of(file, &folder);
		op->offset = (uint64_t)offset;
		op->size = (uint64_t)put;
		op->data = tape->bytes;
		if (tape->bytes + (size_t)put > BYTES)
			abort();
		memcpy(tape->data + tape->bytes, data, (size_t)put);
		tape->bytes += (size_t)put;
	}
	pthread_mutex_unlock(&tape->lock);
	return put;
}

static int
sync_recorded(long call, int file)
{
	uint32_t begin;
	bool folder = false;
	int result;

	if (tape == NULL || !tape->on)
		return (int)syscall(call, file);
	pthread_mutex_lock(&tape->lock);
	begin = tape->count;
	pthread_mutex_unlock(&tape->lock);
	result = (int)syscall(call, file);
	pthread_mutex_lock(&tape->lock);
	if (result == 0) {
		ino_t inode = inode_of(file, &folder);
		struct op *op = record(folder ? OP_FOLDER_SYNC : OP_SYNC);

		op->inode = inode;
		op->offset = begin;
	}
	pthread_mutex_unlock(&tape->lock);
	return result;
}

int
fdatasync(int file)
{
	return sync_recorded(SYS_fdatasync, file);
}

int
fsync(int file)
{
	return sync_recorded(SYS_fsync, file);
}

static int
resize_recorded(int result, int file, uint64_t size, bool grow)
{
	struct stat status;

	if (result == 0 && tape != NULL && tape->on && fstat(file, &status) == 0) {
		struct op *op;

		pthread_mutex_lock(&tape->lock);
		op = record(OP_RESIZE);
		op->inode = status.st_ino;
		op->size = grow ? (uint64_t)status.st_size : size;
		pthread_mutex_unlock(&tape->lock);
	}
	return result;
}

int
ftruncate(int file, off_t size)
{
	return resize_recorded((int)syscall(SYS_ftruncate, file, size), file, (uint64_t)size, false);
}

int
fallocate(int file, int mode, off_t offset, off_t size)
{
	return resize_recorded((int)syscall(SYS_fallocate, file, mode, offset, size), file, 0, true);
}

int
openat(int folder, const char *name, int flags, ...)
{
	va_list arguments;
	unsigned mode;
	int file;
	bool is_folder;

	va_start(arguments, flags);
	mode = va_arg(arguments, unsigned);
	va_end(arguments);
	file = (int)syscall(SYS_openat, folder, name, flags, mode);
	if (file != -1 && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0 && tape != NULL && tape->on) {
		struct op *op;

		pthread_mutex_lock(&tape->lock);
		op = record(OP_NAME);
		op->inode = inode_of(file, &is_folder);
		snprintf(op->name, sizeof op->name, "%s", name);
		pthread_mutex_unlock(&tape->lock);
	}
	return file;
}

int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);

	if (result == 0 && tape != NULL && tape->on) {
		struct op *op;

		pthread_mutex_lock(&tape->lock);
		op = record(OP_RENAME);
		snprintf(op->name, sizeof op->name, "%s", from);
		snprintf(op->to, sizeof op->to, "%s", to);
		pthread_mutex_unlock(&tape->lock);
	}
	return result;
}

int
unlinkat(int folder, const char *name, int flags)
{
	int result = (int)syscall(SYS_unlinkat, folder, name, flags);

	if (result == 0 && tape != NULL && tape->on) {
		struct op *op;

		pthread_mutex_lock(&tape->lock);
		op = record(OP_UNLINK);
		snprintf(op->name, sizeof op->name, "%s", name);
		pthread_mutex_unlock(&tape->lock);
	}
	return result;
}

static void
record_ack(uint64_t index)
{
	struct op *op;

	pthread_mutex_lock(&tape->lock);
	op = record(OP_ACK);
	op->offset = index;
	pthread_mutex_unlock(&tape->lock);
}

/* ---- disks that a power cut may leave ------------------------------------------------------------------ */

struct disk_file {
	ino_t inode;
	uint8_t *data; /* on the disk */
	uint64_t size;
};

struct disk_name {
	char name[48];
	ino_t inode;
};

struct disk {
	struct disk_file files[FILES];
	size_t file_count;
	struct disk_name names[FILES]; /* of the journal's folder */
	size_t name_count;
	ino_t head; /* the signer's last-head */
};

static struct disk_file *
disk_find(struct disk *disk, ino_t inode)
{
	for (size_t i = 0; i < disk->file_count; i++)
		if (disk->files[i].inode == inode)
			return &disk->files[i];
	if (disk->file_count == FILES)
		abort();
	disk->files[disk->file_count].inode = inode;
	return &disk->files[disk->file_count++];
}

static void
disk_resize(struct disk_file *file, uint64_t size)
{
	file->data = realloc(file->data, size + 1);
	if (file->data == NULL)
		abort();
	if (size > file->size)
		memset(file->data + file->size, 0, size - file->size);
	file->size = size;
}

static void
disk_write(struct disk_file *file, const struct op *op, unsigned mode, unsigned *seed)
{
	if (op->offset + op->size > file->size)
		disk_resize(file, op->offset + op->size);
	for (uint64_t at = 0; at < op->size; at += SECTOR) {
		uint64_t size = op->size - at < SECTOR ? op->size - at : SECTOR;
		unsigned chance = mode == 0 ? 0 : (unsigned)rand_r(seed) % (mode == 1 ? 2 : 3);

		if (chance == 0)
			memcpy(file->data + op->offset + at, tape->data + op->data + at, size);
		else if (chance == 2)
			memset(file->data + op->offset + at, 0, size);
	}
}

static void
disk_name(struct disk *disk, const struct op *op)
{
	size_t i;

	if (op->kind == OP_NAME) {
		snprintf(disk->names[disk->name_count].name, sizeof disk->names[0].name, "%s", op->name);
		disk->names[disk->name_count++].inode = op->inode;
		return;
	}
	for (i = 0; i < disk->name_count && strcmp(disk->names[i].name, op->name) != 0; i++)
		;
	if (i == disk->name_count)
		return;
	if (op->kind == OP_RENAME)
		snprintf(disk->names[i].name, sizeof disk->names[i].name, "%s", op->to);
	else
		disk->names[i] = disk->names[--disk->name_count];
}

/* Does a later sync, finished before the crash, cover this operation? */
static bool
covered(uint32_t at, uint32_t crash)
{
	const struct op *op = &tape->ops[at];
	bool named = op->kind == OP_NAME || op->kind == OP_RENAME || op->kind == OP_UNLINK;

	for (uint32_t i = at + 1; i < crash; i++) {
		const struct op *sync = &tape->ops[i];

		if (sync->kind == (named ? OP_FOLDER_SYNC : OP_SYNC) && sync->offset > at &&
		    (named || sync->inode == op->inode))
			return true;
	}
	return false;
}

/*
 * The disk after a power cut behind `crash` operations. mode 0: nothing that was not forced; 1: torn; 2: torn
 * and zeroed; 3: everything.
 */
static void
disk_make(struct disk *disk, uint32_t crash, unsigned mode, unsigned *seed)
{
	bool names_lost = false;

	for (uint32_t i = 0; i < crash; i++) {
		const struct op *op = &tape->ops[i];
		bool forced;

		if (op->kind == OP_SYNC || op->kind == OP_FOLDER_SYNC || op->kind == OP_ACK)
			continue;
		forced = mode == 3 || covered(i, crash);
		switch (op->kind) {
		case OP_WRITE:
			if (forced)
				disk_write(disk_find(disk, op->inode), op, 0, seed);
			else if (mode != 0)
				disk_write(disk_find(disk, op->inode), op, mode, seed);
			break;
		case OP_RESIZE:
			if (forced || (mode != 0 && rand_r(seed) % 2 == 0))
				disk_resize(disk_find(disk, op->inode), op->size);
			break;
		default: /* a file system that journals keeps the order of names */
			names_lost = names_lost || !(forced || (mode != 0 && rand_r(seed) % 2 == 0));
			if (forced || !names_lost)
				disk_name(disk, op);
			break;
		}
	}
}

static void
disk_free(struct disk *disk)
{
	for (size_t i = 0; i < disk->file_count; i++)
		free(disk->files[i].data);
	memset(disk, 0, sizeof *disk);
}

/* ---- a place, as files --------------------------------------------------------------------------------- */

static char root[64], keys[96], journal[96], head_path[128];

static void
whole_file(const char *path, const void *data, size_t size)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (file == -1 || write(file, data, size) != (ssize_t)size)
		abort();
	close(file);
}

static void
disk_lay_down(const struct disk *disk)
{
	char command[256], path[200];

	snprintf(command, sizeof command, "rm -rf %s && mkdir -m 700 %s", journal, journal);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < disk->name_count; i++) {
		snprintf(path, sizeof path, "%s/%s", journal, disk->names[i].name);
		for (size_t k = 0; k < disk->file_count; k++)
			if (disk->files[k].inode == disk->names[i].inode)
				whole_file(path, disk->files[k].data, disk->files[k].size);
	}
	for (size_t k = 0; k < disk->file_count; k++)
		if (disk->files[k].inode == disk->head)
			whole_file(head_path, disk->files[k].data, disk->files[k].size);
}

/* What lies there now becomes the disk the next recording begins with. */
static void
disk_take_up(struct disk *disk)
{
	DIR *folder = opendir(journal);
	struct dirent *item;

	for (int turn = 0;; turn++) {
		char path[400];
		struct disk_file *file;
		struct stat status;
		int from;

		if (turn == 0) {
			snprintf(path, sizeof path, "%s", head_path);
		} else {
			item = folder == NULL ? NULL : readdir(folder);
			if (item == NULL)
				break;
			if (strstr(item->d_name, ".segment") == NULL)
				continue;
			snprintf(path, sizeof path, "%s/%s", journal, item->d_name);
		}
		from = open(path, O_RDONLY);
		if (from == -1 || fstat(from, &status) == -1)
			abort();
		file = disk_find(disk, status.st_ino);
		disk_resize(file, (uint64_t)status.st_size);
		if (pread(from, file->data, file->size, 0) != (ssize_t)file->size)
			abort();
		close(from);
		if (turn == 0) {
			disk->head = tape->head = status.st_ino;
		} else {
			snprintf(disk->names[disk->name_count].name, sizeof disk->names[0].name, "%.47s",
			         item->d_name);
			disk->names[disk->name_count++].inode = status.st_ino;
		}
	}
	if (folder != NULL)
		closedir(folder);
}

static struct disk
disk_copy(const struct disk *disk)
{
	struct disk copy = *disk;

	for (size_t i = 0; i < copy.file_count; i++) {
		copy.files[i].data = malloc(copy.files[i].size + 1);
		if (copy.files[i].data == NULL)
			abort();
		memcpy(copy.files[i].data, disk->files[i].data, copy.files[i].size);
	}
	return copy;
}

/* ---- the ledger on such a disk ------------------------------------------------------------------------- */

static void
entry_text(char out[96], uint64_t index)
{
	snprintf(out, 96, "entry %" PRIu64 " of a log that is to outlive the power", index);
}

struct reading {
	uint64_t count;
	bool bad;
};

static int
read_base(void *context, const struct tree_frontier *base, struct fault *why)
{
	struct reading *reading = context;

	(void)why;
	reading->count = base->size;
	return 0;
}

static int
read_batch(void *context, const struct segment_batch *batch, const struct tree_frontier *after,
           struct fault *why)
{
	struct reading *reading = context;
	struct segment_walk walk = segment_items(batch);
	struct segment_item item;
	char text[96];

	(void)after;
	(void)why;
	while (segment_next(&walk, &item)) {
		entry_text(text, reading->count++);
		reading->bad = reading->bad || !slice_is(item.entry, text);
	}
	return 0;
}

static int
read_torn(void *context, const struct tree_frontier *whole, struct fault *why)
{
	(void)context;
	(void)whole;
	(void)why;
	return 0;
}

/* Open, append `more`, close; false with the reason when it does not open or an append is refused. */
static bool
ledger_go_on(unsigned more, uint64_t at_least, struct fault *why)
{
	struct ledger_options options = {.directory = journal, .origin = ORIGIN, .segment_bytes = 64 * 1024};
	const struct journal_visitor visitor = {read_base, read_batch, read_torn, &(struct reading){0}};
	struct reading *reading = visitor.context;
	struct tree_frontier frontier;
	struct journal *opened;
	struct signer *signer;
	struct ledger *ledger;
	struct ledger_status status;
	bool good = false;
	char text[96];

	if (signer_start(&signer, keys, ORIGIN, why) == -1)
		return false;
	options.signer = signer;
	if (ledger_open(&ledger, &options, why) == -1) {
		signer_stop(signer);
		return false;
	}
	ledger_status(ledger, &status);
	if (status.size < at_least) {
		fault_set(why, FAULT_INTERNAL, "확인된 것 %" PRIu64 ", 있는 것 %" PRIu64,
		          "acknowledged up to %" PRIu64 ", there are %" PRIu64, at_least, status.size);
		goto out;
	}
	for (unsigned i = 0; i < more; i++) {
		uint64_t index;

		entry_text(text, status.size + i);
		if (ledger_append_wait(ledger, slice_string(text), slice_string("sealed"), slice_string(""),
		                       &index, why) == -1)
			goto out;
		if (tape->on)
			record_ack(index);
	}
	good = true;
out:
	ledger_close(ledger, 0);
	signer_stop(signer);
	if (!good || tape->on)
		return good;
	if (journal_open(&opened, journal, ORIGIN, 64 * 1024, &visitor, &frontier, why) == -1)
		return false;
	journal_close(opened);
	if (reading->bad || reading->count != status.size + more) {
		fault_set(why, FAULT_INTERNAL, "다름", "entries differ");
		return false;
	}
	return true;
}

static uint64_t
acknowledged(uint32_t crash)
{
	uint64_t size = 0;

	for (uint32_t i = 0; i < crash; i++)
		if (tape->ops[i].kind == OP_ACK && tape->ops[i].offset + 1 > size)
			size = tape->ops[i].offset + 1;
	return size;
}

static void
tape_begin(void)
{
	tape->count = 0;
	tape->bytes = 0;
	tape->on = true;
}

static void
power_cuts(void **state)
{
	const char *seed_text = getenv("SEED"), *cuts_text = getenv("CUTS");
	unsigned seed =
	    seed_text == NULL ? (unsigned)clock_monotonic_ns() : (unsigned)strtoul(seed_text, NULL, 10);
	unsigned cuts = cuts_text == NULL ? 1 : (unsigned)strtoul(cuts_text, NULL, 10);
	unsigned disks = 0, twice = 0;
	struct disk start = {0};
	struct fault why;
	uint32_t ops = 0;

	(void)state;
	print_message("           seed %u\n", seed);
	for (unsigned cut = 0; cut < cuts; cut++) {
		uint64_t base = acknowledged(0);
		struct recording *first;

		/* a fresh log, then its whole life on tape */
		disk_free(&start);
		{
			char command[200];

			snprintf(command, sizeof command, "rm -rf %s %s", journal, keys);
			assert_int_equal(system(command), 0);
			assert_int_equal(signer_keys_make(keys, ORIGIN, &why), 0);
		}
		disk_take_up(&start);
		tape_begin();
		if (!ledger_go_on(ENTRIES, base, &why))
			fail_msg("%s", why.en);
		tape->on = false;
		ops = tape->count;
		first = malloc(sizeof *first);
		assert_non_null(first);
		memcpy(first, tape, sizeof *first);
		for (uint32_t crash = 0; crash <= ops; crash++) {
			unsigned mode = crash % 4;
			uint64_t promised;
			struct disk disk = disk_copy(&start);

			memcpy(tape->ops, first->ops, ops * sizeof first->ops[0]);
			memcpy(tape->data, first->data, first->bytes);
			tape->count = ops;
			promised = acknowledged(crash);
			disk_make(&disk, crash, mode, &seed);
			disk_lay_down(&disk);
			disk_free(&disk);
			disks++;
			if (crash % 8 != 5) {
				if (!ledger_go_on(2, promised, &why))
					fail_msg("cut after operation %u of %u, mode %u: %s", crash, ops,
					         mode, why.en);
				continue;
			}
			/* the power goes again, while it recovers or soon after */
			{
				struct disk middle = {0};
				uint32_t again;

				disk_take_up(&middle);
				tape_begin();
				if (!ledger_go_on(3, promised, &why))
					fail_msg("cut after operation %u of %u, mode %u: %s", crash, ops,
					         mode, why.en);
				tape->on = false;
				again = tape->count == 0 ? 0 : (uint32_t)rand_r(&seed) % (tape->count + 1);
				if (acknowledged(again) > promised)
					promised = acknowledged(again);
				disk_make(&middle, again, (unsigned)rand_r(&seed) % 4, &seed);
				disk_lay_down(&middle);
				disk_free(&middle);
				twice++;
				if (!ledger_go_on(2, promised, &why))
					fail_msg("second cut after operation %u: %s", again, why.en);
			}
		}
		free(first);
	}
	disk_free(&start);
	print_message("           %u disks, %u of them cut twice; %u operations a life\n", disks, twice, ops);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(power_cuts)};
	pthread_mutexattr_t shared;
	char command[128];
	int failed;

	log_level_set(LOG_LEVEL_ERROR);
	tape = mmap(NULL, sizeof *tape, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
	            -1, 0);
	strcpy(root, "/tmp/haechi-power-XXXXXX");
	if (tape == MAP_FAILED || mkdtemp(root) == NULL)
		return 1;
	tape->daemon = getpid();
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&tape->lock, &shared);
	snprintf(keys, sizeof keys, "%s/keys", root);
	snprintf(journal, sizeof journal, "%s/journal", root);
	snprintf(head_path, sizeof head_path, "%s/last-head", keys);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	if (failed == 0 && system(command) != 0)
		return 1;
	return failed;
}
