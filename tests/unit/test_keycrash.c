/*
 * The process is gone at any call that changes the folder of keys - in making it, beginning a month, forgetting, destroying a
 * month, counting, carrying an earlier version over: what is there then opens, holds the old state or the new one for each entry,
 * has nothing of the old one lying beside it, and the same order again finishes.
 *
 * The calls are this program's own: the library is linked statically and finds them first.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/keyfolder.h"

#define FIRST_MS  INT64_C(1768000000000) /* January 2026 */
#define SECOND_MS INT64_C(1771000000000)
#define FIRST     (56u * 12)

/* ---- the calls ------------------------------------------------------------------------------------------- */

static unsigned long counted, stop_at; /* 0: never */

static void
count(void)
{
	if (++counted == stop_at)
		_exit(9);
}

ssize_t
pwrite(int file, const void *bytes, size_t size, off_t at)
{
	count();
	return syscall(SYS_pwrite64, file, bytes, size, at);
}

ssize_t
write(int file, const void *bytes, size_t size)
{
	/* a crash may leave half of it */
	if (file > 2 && counted + 1 == stop_at && size > 1)
		syscall(SYS_write, file, bytes, size / 2);
	if (file > 2)
		count();
	return syscall(SYS_write, file, bytes, size);
}

int
rename(const char *from, const char *to)
{
	count();
	return (int)syscall(SYS_rename, from, to);
}

int
link(const char *from, const char *to)
{
	count();
	return (int)syscall(SYS_link, from, to);
}

int
unlink(const char *path)
{
	count();
	return (int)syscall(SYS_unlink, path);
}

int
mkdir(const char *path, mode_t mode)
{
	count();
	return (int)syscall(SYS_mkdir, path, mode);
}

int
fsync(int file)
{
	count();
	return (int)syscall(SYS_fsync, file);
}

int
fdatasync(int file)
{
	count();
	return (int)syscall(SYS_fdatasync, file);
}

/* ---- a folder with something in it ------------------------------------------------------------------------ */

#define ENTRIES 6

static char root[64], place[96];
static char ids[ENTRIES][ENTRY_ID_SIZE];
static struct buffer blobs[ENTRIES];

static void
run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof command, format, arguments);
	va_end(arguments);
	assert_int_equal(system(command), 0);
}

static struct sealer *
open_sealer(void)
{
	struct sealer *sealer;
	struct fault why;

	if (sealer_open(&sealer, place, "aria-256-gcm", &why) == -1)
		fail_msg("after call %lu: %s", stop_at, why.en);
	return sealer;
}

static const char *
agency_of(size_t i)
{
	return i % 2 == 0 ? "seoul" : "busan";
}

static int
place_make(void **state)
{
	struct commitment commitment;
	struct sealer *sealer;
	struct fault why;

	(void)state;
	snprintf(root, sizeof root, "/tmp/haechi-keycrash-XXXXXX");
	if (sodium_init() == -1 || mkdtemp(root) == NULL)
		return -1;
	snprintf(place, sizeof place, "%s/kept", root);
	sealer = open_sealer();
	for (size_t i = 0; i < ENTRIES; i++) {
		entry_id_make(ids[i], i < 4 ? FIRST_MS : SECOND_MS);
		buffer_init(&blobs[i], 4096);
		if (sealer_seal(sealer, agency_of(i), ids[i], "prompt", slice_string(ids[i]), &blobs[i],
		                &commitment, &why) == -1)
			return -1;
	}
	sealer_close(sealer);
	return 0;
}

static int
place_remove(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENTRIES; i++)
		buffer_free(&blobs[i]);
	run("rm -rf %s", root);
	return 0;
}

static bool
opens(struct sealer *sealer, size_t i)
{
	struct buffer content;
	struct fault why;
	bool good;

	buffer_init(&content, 4096);
	good = sealer_open_content(sealer, agency_of(i), ids[i], "prompt", buffer_view(&blobs[i]), NULL,
	                           &content, NULL, &why) == 0;
	if (good)
		assert_true(slice_is(buffer_view(&content), ids[i]));
	else if (why.kind != FAULT_NOT_FOUND)
		fail_msg("after call %lu: entry %zu: %s", stop_at, i, why.en);
	buffer_free(&content);
	return good;
}

static void
nothing_beside(const char *folder)
{
	DIR *const directory = opendir(folder);
	const struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		if (strstr(entry->d_name, ".old") != NULL || strstr(entry->d_name, ".new") != NULL)
			fail_msg("after call %lu: %s is left in %s", stop_at, entry->d_name, folder);
	closedir(directory);
}

/* ---- what is interrupted --------------------------------------------------------------------------------- */

static int
order_forget(struct sealer *sealer)
{
	const struct sealed gone[] = {
	    {"seoul", ids[0]},
            {"busan", ids[1]},
            {"seoul", ids[4]}
        };
	struct fault why;

	return sealer_forget(sealer, gone, 3, &why);
}

static int
order_destroy(struct sealer *sealer)
{
	struct fault why;

	return sealer_destroy(sealer, "seoul", FIRST, &why);
}

static int
order_count(struct sealer *sealer)
{
	struct fault why;
	uint64_t orders;

	return sealer_count(sealer, &orders, true, &why);
}

static int
order_begin(struct sealer *sealer)
{
	struct commitment commitment;
	struct buffer blob;
	struct fault why;
	char id[ENTRY_ID_SIZE];
	int result;

	buffer_init(&blob, 4096);
	entry_id_make(id, SECOND_MS);
	result = sealer_seal(sealer, "daegu", id, "prompt", slice_string("new"), &blob, &commitment, &why);
	buffer_free(&blob);
	return result;
}

static const struct {
	const char *name;
	int (*order)(struct sealer *sealer);
	unsigned gone; /* bits of entries */
} orders[] = {
    {"forget",  order_forget,  1u << 0 | 1u << 1 | 1u << 4},
    {"destroy", order_destroy, 1u << 0 | 1u << 2          },
    {"count",   order_count,   0                          },
    {"begin",   order_begin,   0                          },
};

/* A child does it and is gone at call n; true: it came to its end. */
static bool
child_does(int (*order)(struct sealer *sealer), unsigned long n)
{
	int status;
	const pid_t pid = fork();

	assert_true(pid != -1);
	if (pid == 0) {
		struct sealer *sealer;
		struct fault why;

		if (order == NULL)
			stop_at = n;
		counted = 0;
		if (sealer_open(&sealer, place, "aria-256-gcm", &why) == -1)
			_exit(8);
		counted = order == NULL ? counted : 0;
		stop_at = n;
		if (order != NULL && order(sealer) == -1)
			_exit(8);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* 8: a folder that was not made whole says so */
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9 ||
	                                  (order == NULL && WEXITSTATUS(status) == 8)));
	return WEXITSTATUS(status) == 0;
}

static void
every_call(void **state)
{
	char periods[128];

	(void)state;
	for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
		unsigned long n = 1;
		bool ended;

		do {
			struct sealer *sealer;
			unsigned before = 0, after = 0;

			snprintf(place, sizeof place, "%s/kept", root);
			run("rm -rf %s/try && cp -rp %s %s/try", root, place, root);
			snprintf(place, sizeof place, "%s/try", root);
			ended = child_does(orders[o].order, n);
			stop_at = 0;
			sealer = open_sealer();
			stop_at = n; /* of this process, which is past it: for the messages */
			counted = n;
			for (size_t i = 0; i < ENTRIES; i++)
				before |= opens(sealer, i) ? 0 : 1u << i;
			assert_int_equal(before & ~orders[o].gone, 0);
			assert_true(!ended || before == orders[o].gone);
			snprintf(periods, sizeof periods, "%s/periods", place);
			nothing_beside(place);
			nothing_beside(periods);
			if (orders[o].order(sealer) == -1)
				fail_msg("%s: again after call %lu", orders[o].name, n);
			for (size_t i = 0; i < ENTRIES; i++)
				after |= opens(sealer, i) ? 0 : 1u << i;
			assert_int_equal(after, orders[o].gone);
			sealer_close(sealer);
			stop_at = 0;
			n++;
		} while (!ended);
		assert_true(n > 5);
		print_message("%s: %lu calls\n", orders[o].name, n - 2);
	}
}

/* A folder is made, or carried over, or swept after another crash. */
static void
opening(void **state)
{
	(void)state;
	for (int earlier = 0; earlier < 2; earlier++) {
		unsigned long n = 1;
		bool ended;

		do {
			struct sealer *sealer;
			struct fault why;
			struct keyfolder_period *list;
			size_t count_of = 0;

			snprintf(place, sizeof place, "%s/try", root);
			run("rm -rf %s", place);
			if (earlier)
				run("mkdir -m 700 %s && install -m 600 tests/vectors/seal-1/kek "
				    "tests/vectors/seal-1/content.keys %s",
				    place, place);
			ended = child_does(NULL, n);
			stop_at = 0;
			/* twice: what one start left, the next one finds */
			(void)child_does(NULL, n / 2 + 1);
			if (sealer_open(&sealer, place, "aria-256-gcm", &why) == -1) {
				/* keys and no kek: nothing was ever sealed, and it says what is missing */
				if (earlier || strstr(why.en, "/kek") == NULL)
					fail_msg("after call %lu: %s", n, why.en);
			} else {
				assert_int_equal(sealer_periods(sealer, &list, &count_of, &why), 0);
				assert_int_equal(count_of, earlier ? 3 : 0);
				free(list);
				nothing_beside(place);
				sealer_close(sealer);
			}
			n++;
		} while (!ended);
		print_message("%s: %lu calls\n", earlier ? "carry over" : "make", n - 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_call), cmocka_unit_test(opening)};

	return cmocka_run_group_tests(tests, place_make, place_remove);
}
