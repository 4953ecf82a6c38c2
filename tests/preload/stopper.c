/*
 * stopper -- preloaded into haechid for tests: it is killed right before the n-th call by which an order to erase content changes
 * anything: in the folder of keys (STOPPER_FOLDER), or in PostgreSQL by the thread that changed that folder last.
 *
 *	STOPPER	a file of three u32, shared: call at which to stop (0: only count), calls counted, 1 to count at all
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct shared {
	_Atomic uint32_t at, counted, armed;
} * shared;
static const char *folder;
static _Thread_local bool ours; /* this thread has changed the folder */

/* Not of the children that hold keys: their filters forbid what is done here. */
static void
forked(void)
{
	shared = NULL;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *const path = getenv("STOPPER");
	int file;
	void *mapped;

	folder = getenv("STOPPER_FOLDER");
	if (path == NULL || folder == NULL || (file = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	mapped = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (mapped != MAP_FAILED && pthread_atfork(NULL, NULL, forked) == 0)
		shared = mapped;
}

static void
count(void)
{
	if (shared != NULL && shared->armed != 0 && atomic_fetch_add(&shared->counted, 1) + 1 == shared->at)
		kill(getpid(), SIGKILL);
}

static void
at_path(const char *path)
{
	if (folder != NULL && strncmp(path, folder, strlen(folder)) == 0) {
		ours = true;
		count();
	}
}

static void
at_file(int file)
{
	char name[64], path[PATH_MAX];
	ssize_t size;

	if (shared == NULL || shared->armed == 0)
		return;
	snprintf(name, sizeof name, "/proc/self/fd/%d", file);
	if ((size = readlink(name, path, sizeof path - 1)) > 0) {
		path[size] = '\0';
		at_path(path);
	}
}

ssize_t
write(int file, const void *bytes, size_t size)
{
	if (file > 2)
		at_file(file);
	return syscall(SYS_write, file, bytes, size);
}

ssize_t
pwrite(int file, const void *bytes, size_t size, off_t at)
{
	at_file(file);
	return syscall(SYS_pwrite64, file, bytes, size, at);
}

int
fdatasync(int file)
{
	at_file(file);
	return (int)syscall(SYS_fdatasync, file);
}

int
fsync(int file)
{
	at_file(file);
	return (int)syscall(SYS_fsync, file);
}

int
rename(const char *from, const char *to)
{
	at_path(to);
	return (int)syscall(SYS_rename, from, to);
}

int
link(const char *from, const char *to)
{
	at_path(to);
	return (int)syscall(SYS_link, from, to);
}

int
unlink(const char *path)
{
	at_path(path);
	return (int)syscall(SYS_unlink, path);
}

/* libpq's. */
ssize_t
send(int socket, const void *bytes, size_t size, int flags)
{
	if (ours)
		count();
	return syscall(SYS_sendto, socket, bytes, size, flags, NULL, 0);
}
