/*
 * fsync -- what the disk asks for one durable batch: 200 blocks of 4 KiB, each written and fdatasync()ed, first
 * appended, then over a file that has its size already, as the journal has it.
 *
 *	fsync DIRECTORY		prints "append_median append_p99 in_place_median in_place_p99", in microseconds
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/base/clock.h"

#define BLOCKS 200

static int
ascending(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int
measure(int fd, const char *separator)
{
	static char block[4096];
	int64_t took[BLOCKS];

	memset(block, 'h', sizeof block);
	if (lseek(fd, 0, SEEK_SET) == -1)
		return -1;
	for (size_t i = 0; i < BLOCKS; i++) {
		int64_t begin = clock_monotonic_ns();

		if (write(fd, block, sizeof block) != sizeof block || fdatasync(fd) == -1)
			return -1;
		took[i] = clock_monotonic_ns() - begin;
	}
	qsort(took, BLOCKS, sizeof took[0], ascending);
	printf("%.1f %.1f%s", (double)took[BLOCKS / 2] / 1000, (double)took[BLOCKS * 99 / 100] / 1000,
	       separator);
	return 0;
}

int
main(int count, char **arguments)
{
	char path[4096];
	int fd;

	if (count != 2)
		return 2;
	snprintf(path, sizeof path, "%s/fsync.XXXXXX", arguments[1]);
	if ((fd = mkstemp(path)) == -1) {
		perror(path);
		return 2;
	}
	unlink(path);
	if (measure(fd, " ") == -1 || measure(fd, "\n") == -1) {
		perror("fdatasync");
		return 2;
	}
	close(fd);
	return 0;
}
