/*
 * fsync -- what the disk asks for one durable batch: the median of 200 appended blocks of 4 KiB, fdatasync() each.
 *
 *	fsync DIRECTORY		prints "median_us p99_us"
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

int
main(int count, char **arguments)
{
	static char block[4096];
	int64_t took[BLOCKS];
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
	memset(block, 'h', sizeof block);
	for (size_t i = 0; i < BLOCKS; i++) {
		int64_t begin = clock_monotonic_ns();

		if (write(fd, block, sizeof block) != sizeof block || fdatasync(fd) == -1) {
			perror("fdatasync");
			return 2;
		}
		took[i] = clock_monotonic_ns() - begin;
	}
	qsort(took, BLOCKS, sizeof took[0], ascending);
	printf("%.1f %.1f\n", (double)took[BLOCKS / 2] / 1000, (double)took[BLOCKS * 99 / 100] / 1000);
	close(fd);
	return 0;
}
