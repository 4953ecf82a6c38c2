/*
 * faulty -- a disk, a signer's socket and a database's socket that fail when they are told to. Preloaded into
 * the real haechid, whose signer inherits it; tests/scenarios/_faults.py tells it what to do and reads what it saw.
 *
 * Every call of the write path is counted: opens, reads, writes, resizes, syncs, renames and unlinks of journal,
 * tile files and the signer's memory; sends and receives on the signer's socket; connects, sends and receives on
 * PostgreSQL's. The n-th of a chosen kind ends the process, fails, is cut short or torn. Beside that a tape holds
 * what every change replaced and which changes a finished sync covers: from it the power cut is made, by taking
 * away what was not covered, after the processes are gone.
 *
 *	FAULTY        file of `struct shared`, made beforehand and filled with zeros (the plan excepted)
 *	FAULTY_STATE  only files below this folder count
 *
 * All memory it writes is shared and mapped at start, because the signer's filter allows no call that would be needed later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define OPS       65536u
#define DATA_SIZE (UINT64_C(256) * 1024 * 1024)
#define FILES     4096
#define HEAD_SIZE 65536u

/* The numbers are known to _faults.py. */
enum kind { NOTHING, JOURNAL, HEAD, TILES, SIGNER, DATABASE, KINDS };
enum call { OPEN, READ, WRITE, RESIZE, SYNC, NAME, UNLINK, CONNECT, SEND, RECEIVE, CALLS };
enum mode { COUNT, CRASH, FAIL, SHORT, TORN, DROP, FAIL_ON, DELAY };
enum change { CHANGED_BYTES = 1, CHANGED_SIZE, SYNCED, CREATED, RENAMED, REMOVED, FOLDER_SYNCED };

struct op {
	uint32_t change, begin; /* begin: of a sync, the first change it does not cover */
	uint64_t inode, offset, size, old_size, data, old_bytes;
	char name[64], to[64];
};

static struct shared {
	/* the plan */
	uint32_t only, at, mode, error; /* only: bit sets, of kinds below, of calls from bit 16 on */
	/* what was seen */
	_Atomic uint32_t counted, fired, fired_kind, fired_call, after, cut, lock, op_count;
	_Atomic uint64_t data_used;
	_Atomic int64_t clock_shift; /* seconds the wall clock is wrong by; set at any time */
	_Atomic uint32_t calls[KINDS][CALLS];
	uint8_t head[HEAD_SIZE]; /* the signer's memory as it is now: the signer itself may not read */
	uint64_t head_inode;
	struct op ops[OPS];
	uint8_t data[DATA_SIZE];
} * shared;
_Static_assert(offsetof(struct shared, calls) == 64 && offsetof(struct shared, ops) == 65848 &&
                   sizeof(struct op) == 184,
               "as _faults.py has it");

static const char *state;
static size_t state_size;
static struct file {
	uint8_t kind;
	bool folder;
	uint64_t inode;
} files[FILES];
static bool signer_paired;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAULTY");
	int file;

	state = getenv("FAULTY_STATE");
	if (path == NULL || state == NULL)
		return;
	state_size = strlen(state);
	file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (file == -1)
		return;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
	if (shared == MAP_FAILED)
		shared = NULL;
	(void)syscall(SYS_close, file);
}

/* As SIGKILL would: no handler runs, nothing is flushed. The signer's filter allows it. */
static void
end(void)
{
	shared->cut = 1;
	for (;;)
		(void)syscall(SYS_exit_group, 137);
}

static void
lock(void)
{
	uint32_t free_ = 0;

	while (!atomic_compare_exchange_weak(&shared->lock, &free_, 1)) {
		free_ = 0;
		if (shared->cut != 0)
			end();
		(void)syscall(SYS_sched_yield);
	}
	if (shared->cut != 0)
		end();
}

static void
unlock(void)
{
	atomic_store(&shared->lock, 0);
}

static struct file *
file_of(int file)
{
	static struct file none;

	return file >= 0 && file < FILES ? &files[file] : &none;
}

static enum kind
kind_of(int file)
{
	if (shared == NULL)
		return NOTHING;
	if (shared->cut != 0)
		end();
	return file_of(file)->kind;
}

/* Count the call, and say what is to happen to it: COUNT when nothing. */
static enum mode
judge(enum kind kind, enum call call)
{
	uint32_t number;

	if (kind == NOTHING)
		return COUNT;
	shared->calls[kind][call]++;
	/* What was refused once may not be tried again by who was refused. */
	if (shared->fired != 0 && shared->fired_kind == JOURNAL && kind == JOURNAL &&
	    (shared->mode == FAIL || shared->mode == DROP || shared->mode == FAIL_ON) &&
	    (call == WRITE || call == SYNC || call == RESIZE || call == NAME))
		shared->after++;
	if ((shared->only >> kind & 1) == 0 || (shared->only >> (16 + call) & 1) == 0)
		return COUNT;
	number = ++shared->counted;
	if (number != shared->at) {
		if (shared->mode == FAIL_ON && shared->fired != 0 && kind == shared->fired_kind &&
		    call == shared->fired_call) {
			errno = (int)shared->error;
			return FAIL;
		}
		return COUNT;
	}
	shared->fired_kind = kind;
	shared->fired_call = call;
	shared->fired = number;
	switch (shared->mode) {
	case CRASH:
		end();
		break;
	case FAIL:
	case FAIL_ON:
		errno = (int)shared->error;
		return FAIL;
	case DELAY: {
		const struct timespec pause = {.tv_sec = (time_t)shared->error};

		(void)syscall(SYS_nanosleep, &pause, NULL);
		return COUNT;
	}
	default:
		break;
	}
	return (enum mode)shared->mode;
}

/* ---- the tape ------------------------------------------------------------------------------------------ */

/* With the lock held. */
static struct op *
record(enum change change, uint64_t inode)
{
	struct op *op;

	if (shared->op_count >= OPS)
		end();
	op = &shared->ops[shared->op_count];
	memset(op, 0, sizeof *op);
	op->change = change;
	op->inode = inode;
	return op;
}

static void
recorded(void)
{
	shared->op_count++;
}

/* What lies at offset .. offset + size now, onto the tape. */
static void
keep_old(struct op *op, int file, uint64_t offset, uint64_t size)
{
	const struct file *known = file_of(file);
	struct stat status;

	op->offset = offset;
	op->size = size;
	op->data = shared->data_used;
	if (op->data + size > DATA_SIZE)
		end();
	if (known->kind == HEAD) {
		op->old_bytes = offset + size <= HEAD_SIZE ? size : 0;
		op->old_size = HEAD_SIZE;
		memcpy(shared->data + op->data, shared->head + offset, op->old_bytes);
	} else {
		long got = syscall(SYS_pread64, file, shared->data + op->data, size, offset);

		op->old_bytes = got > 0 ? (uint64_t)got : 0;
		if (fstat(file, &status) == 0)
			op->old_size = (uint64_t)status.st_size;
	}
	shared->data_used += size;
}

static bool
taped(enum kind kind)
{
	return kind == JOURNAL || kind == HEAD || kind == TILES;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static bool
ends_with(const char *text, const char *end_)
{
	size_t size = strlen(text), end_size = strlen(end_);

	return size >= end_size && strcmp(text + size - end_size, end_) == 0;
}

static enum kind
kind_of_path(int folder, const char *path)
{
	const char *name = strrchr(path, '/');

	if (shared == NULL)
		return NOTHING;
	if (path[0] != '/') {
		if (folder < 0 || file_of(folder)->kind == NOTHING)
			return NOTHING;
		name = path;
	} else if (strncmp(path, state, state_size) != 0) {
		return NOTHING;
	} else {
		name++;
	}
	if (strcmp(name, "last-head") == 0)
		return HEAD;
	if (strncmp(name, "hashes.", 7) == 0)
		return TILES;
	if (ends_with(name, ".segment") || strcmp(name, "next") == 0 || strcmp(name, "lock") == 0 ||
	    ends_with(path, "/ledger"))
		return JOURNAL;
	return NOTHING;
}

static int
opened(int folder, const char *path, int flags, unsigned mode)
{
	enum kind kind = kind_of_path(folder, path);
	struct file *known;
	struct stat status;
	int file;

	if (kind == NOTHING)
		return (int)syscall(SYS_openat, folder, path, flags, mode);
	switch (judge(kind, OPEN)) {
	case FAIL:
		return -1;
	default:
		break;
	}
	lock();
	file = (int)syscall(SYS_openat, folder, path, flags, mode);
	known = file_of(file);
	if (file != -1 && file < FILES && fstat(file, &status) == 0) {
		known->kind = (uint8_t)kind;
		known->folder = S_ISDIR(status.st_mode);
		known->inode = status.st_ino;
		if (kind == HEAD) {
			(void)!syscall(SYS_pread64, file, shared->head, sizeof shared->head, 0);
			shared->head_inode = status.st_ino;
		}
		if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
			struct op *op = record(CREATED, status.st_ino);

			snprintf(op->name, sizeof op->name, "%s", path);
			recorded();
		}
	}
	unlock();
	return file;
}

int
open(const char *path, int flags, ...)
{
	va_list arguments;
	unsigned mode;

	va_start(arguments, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, unsigned) : 0;
	va_end(arguments);
	return opened(AT_FDCWD, path, flags, mode);
}

int
openat(int folder, const char *path, int flags, ...)
{
	va_list arguments;
	unsigned mode;

	va_start(arguments, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, unsigned) : 0;
	va_end(arguments);
	return opened(folder, path, flags, mode);
}

int __open_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);

int
__open_2(const char *path, int flags)
{
	return opened(AT_FDCWD, path, flags, 0);
}

int
__openat_2(int folder, const char *path, int flags)
{
	return opened(folder, path, flags, 0);
}

int
close(int file)
{
	if (file >= 0 && file < FILES)
		memset(&files[file], 0, sizeof files[file]);
	return (int)syscall(SYS_close, file);
}

int
close_range(unsigned first, unsigned last, int flags)
{
	for (unsigned i = first; i <= last && i < FILES; i++)
		memset(&files[i], 0, sizeof files[i]);
	return (int)syscall(SYS_close_range, first, last, flags);
}

int
dup2(int from, int to)
{
	int file = (int)syscall(SYS_dup3, from, to, 0);

	if (file != -1 && to < FILES && from < FILES)
		files[to] = files[from];
	return file;
}

int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	enum kind kind = kind_of_path(to_folder, to);
	int result;

	if (kind == NOTHING)
		return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
	if (judge(kind, NAME) == FAIL)
		return -1;
	lock();
	result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
	if (result == 0) {
		struct op *op = record(RENAMED, 0);

		snprintf(op->name, sizeof op->name, "%s", from);
		snprintf(op->to, sizeof op->to, "%s", to);
		recorded();
	}
	unlock();
	return result;
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

/* The bytes stay under another name: after a power cut the old name may be there again. */
static int
removed(int folder, const char *path)
{
	enum kind kind = kind_of_path(folder, path);
	char kept[4096];
	struct stat status;
	int result;

	if (kind != JOURNAL)
		return (int)syscall(SYS_unlinkat, folder, path, 0);
	if (judge(kind, UNLINK) == FAIL)
		return -1;
	lock();
	if (fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0) {
		snprintf(kept, sizeof kept, "%s.kept%llu", path, (unsigned long long)status.st_ino);
		(void)!syscall(SYS_linkat, folder, path, folder, kept, 0);
	}
	result = (int)syscall(SYS_unlinkat, folder, path, 0);
	if (result == 0) {
		struct op *op = record(REMOVED, status.st_ino);
		const char *name = strrchr(path, '/');

		snprintf(op->name, sizeof op->name, "%s", name == NULL ? path : name + 1);
		recorded();
	}
	unlock();
	return result;
}

int
unlinkat(int folder, const char *path, int flags)
{
	if (flags != 0)
		return (int)syscall(SYS_unlinkat, folder, path, flags);
	return removed(folder, path);
}

int
unlink(const char *path)
{
	return removed(AT_FDCWD, path);
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

static ssize_t
write_taped(int file, const void *data, size_t size, off_t offset)
{
	const struct file *known = file_of(file);
	struct op *op;
	ssize_t put;

	lock();
	op = record(CHANGED_BYTES, known->inode);
	keep_old(op, file, (uint64_t)offset, size);
	put = syscall(SYS_pwrite64, file, data, size, offset);
	if (put > 0) {
		op->size = (uint64_t)put;
		if (known->kind == HEAD && (size_t)offset + (size_t)put <= HEAD_SIZE)
			memcpy(shared->head + offset, data, (size_t)put);
		recorded();
	}
	unlock();
	return put;
}

ssize_t
pwrite(int file, const void *data, size_t size, off_t offset)
{
	enum kind kind = kind_of(file);

	if (!taped(kind))
		return syscall(SYS_pwrite64, file, data, size, offset);
	switch (judge(kind, WRITE)) {
	case FAIL:
		return -1;
	case SHORT:
		return write_taped(file, data, size > 1 ? size / 2 : size, offset);
	case TORN:
		(void)write_taped(file, data, size / 2, offset);
		end();
		break;
	default:
		break;
	}
	return write_taped(file, data, size, offset);
}

static ssize_t
read_judged(int file, void *data, size_t size, off_t offset)
{
	enum kind kind = kind_of(file);

	if (!taped(kind))
		return syscall(SYS_pread64, file, data, size, offset);
	switch (judge(kind, READ)) {
	case FAIL:
		return -1;
	case SHORT:
		return syscall(SYS_pread64, file, data, size > 1 ? size / 2 : size, offset);
	default:
		return syscall(SYS_pread64, file, data, size, offset);
	}
}

ssize_t
pread(int file, void *data, size_t size, off_t offset)
{
	return read_judged(file, data, size, offset);
}

ssize_t __pread_chk(int file, void *data, size_t size, off_t offset, size_t room);

ssize_t
__pread_chk(int file, void *data, size_t size, off_t offset, size_t room)
{
	if (size > room)
		abort();
	return read_judged(file, data, size, offset);
}

/* The kernel may forget what it could not write, and say so once: what no sync covered is taken away. */
static void
forget_unsynced(int file)
{
	uint64_t inode = file_of(file)->inode;

	for (uint32_t i = shared->op_count; i-- > 0;) {
		const struct op *op = &shared->ops[i];

		if (op->inode != inode)
			continue;
		if (op->change == SYNCED)
			return;
		if (op->change != CHANGED_BYTES)
			continue;
		(void)!syscall(SYS_pwrite64, file, shared->data + op->data, op->old_bytes, op->offset);
		if (file_of(file)->kind == HEAD)
			memcpy(shared->head + op->offset, shared->data + op->data, op->old_bytes);
	}
}

static int
synced(long call, int file)
{
	enum kind kind = kind_of(file);
	const struct file *known = file_of(file);
	uint32_t begin_;
	int result;

	if (!taped(kind))
		return (int)syscall(call, file);
	switch (judge(kind, SYNC)) {
	case FAIL:
		return -1;
	case DROP:
		lock();
		forget_unsynced(file);
		unlock();
		errno = EIO;
		return -1;
	default:
		break;
	}
	begin_ = shared->op_count;
	result = (int)syscall(call, file);
	lock();
	if (result == 0) {
		struct op *op = record(known->folder ? FOLDER_SYNCED : SYNCED, known->inode);

		op->begin = begin_;
		recorded();
	}
	unlock();
	return result;
}

int
fdatasync(int file)
{
	return synced(SYS_fdatasync, file);
}

int
fsync(int file)
{
	return synced(SYS_fsync, file);
}

static int
resized(int file, uint64_t size, long call, long a, long b, long c)
{
	const struct file *known = file_of(file);
	struct stat status;
	int result;

	if (judge(known->kind, RESIZE) == FAIL)
		return -1;
	lock();
	if (fstat(file, &status) == 0) {
		struct op *op = record(CHANGED_SIZE, known->inode);
		uint64_t old = (uint64_t)status.st_size;

		if (size < old)
			keep_old(op, file, size, old - size);
		op->offset = size < old ? size : old;
		op->size = size;
		op->old_size = old;
		result = (int)syscall(call, file, a, b, c);
		if (result == 0 && size != old)
			recorded();
	} else {
		result = -1;
	}
	unlock();
	return result;
}

int
ftruncate(int file, off_t size)
{
	if (!taped(kind_of(file)))
		return (int)syscall(SYS_ftruncate, file, size);
	return resized(file, (uint64_t)size, SYS_ftruncate, size, 0, 0);
}

int
fallocate(int file, int mode, off_t offset, off_t size)
{
	struct stat status;

	if (!taped(kind_of(file)))
		return (int)syscall(SYS_fallocate, file, mode, offset, size);
	if (fstat(file, &status) == -1)
		return -1;
	return resized(file, (uint64_t)(offset + size > status.st_size ? offset + size : status.st_size),
	               SYS_fallocate, mode, offset, size);
}

/* ---- the clock ----------------------------------------------------------------------------------------- */

int
clock_gettime(clockid_t which, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, which, now);

	if (shared != NULL && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
		now->tv_sec += shared->clock_shift;
	return result;
}

/* ---- sockets ------------------------------------------------------------------------------------------- */

int
socketpair(int domain, int type, int protocol, int pair[2])
{
	int result = (int)syscall(SYS_socketpair, domain, type, protocol, pair);

	/* The first pair is the signer's. */
	if (result == 0 && shared != NULL && !signer_paired) {
		signer_paired = true;
		file_of(pair[0])->kind = file_of(pair[1])->kind = SIGNER;
	}
	return result;
}

int
connect(int file, __CONST_SOCKADDR_ARG given, socklen_t size)
{
	const struct sockaddr *address = given.__sockaddr__;
	const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)address;

	if (shared == NULL || address->sa_family != AF_UNIX || strstr(local->sun_path, ".s.PGSQL") == NULL)
		return (int)syscall(SYS_connect, file, address, size);
	if (judge(DATABASE, CONNECT) == FAIL)
		return -1;
	file_of(file)->kind = DATABASE;
	return (int)syscall(SYS_connect, file, address, size);
}

/* What failed for good is gone for the other end, too. */
static ssize_t
socket_lost(int file)
{
	int error = errno;

	if (error != EINTR && file_of(file)->kind == DATABASE)
		(void)syscall(SYS_shutdown, file, SHUT_RDWR);
	errno = error;
	return -1;
}

static bool
is_socket(enum kind kind)
{
	return kind == SIGNER || kind == DATABASE;
}

ssize_t
send(int file, const void *data, size_t size, int flags)
{
	enum kind kind = kind_of(file);

	if (!is_socket(kind))
		return syscall(SYS_sendto, file, data, size, flags, NULL, 0);
	switch (judge(kind, SEND)) {
	case FAIL:
		return socket_lost(file);
	case SHORT:
		size = size > 1 ? size / 2 : size;
		break;
	case TORN:
		(void)!syscall(SYS_sendto, file, data, size / 2, flags, NULL, 0);
		end();
		break;
	default:
		break;
	}
	return syscall(SYS_sendto, file, data, size, flags, NULL, 0);
}

static ssize_t
receive_judged(int file, void *data, size_t size, int flags)
{
	enum kind kind = kind_of(file);

	if (!is_socket(kind))
		return syscall(SYS_recvfrom, file, data, size, flags, NULL, NULL);
	switch (judge(kind, RECEIVE)) {
	case FAIL:
		return socket_lost(file);
	case SHORT:
		size = size > 1 ? size / 2 : size;
		break;
	default:
		break;
	}
	return syscall(SYS_recvfrom, file, data, size, flags, NULL, NULL);
}

ssize_t
recv(int file, void *data, size_t size, int flags)
{
	return receive_judged(file, data, size, flags);
}

ssize_t __recv_chk(int file, void *data, size_t size, size_t room, int flags);

ssize_t
__recv_chk(int file, void *data, size_t size, size_t room, int flags)
{
	if (size > room)
		abort();
	return receive_judged(file, data, size, flags);
}
