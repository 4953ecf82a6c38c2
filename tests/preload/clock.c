/*
 * clock -- preloaded into a program for tests: its wall clock is HAECHI_CLOCK_OFFSET seconds off. So a log gets months that are
 * over, and retention periods pass. The monotonic clock stays.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long
offset(void)
{
	const char *const text = getenv("HAECHI_CLOCK_OFFSET");

	return text == NULL ? 0 : strtol(text, NULL, 10);
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	const int result = (int)syscall(SYS_clock_gettime, clock, out);

	if (result == 0 && clock == CLOCK_REALTIME)
		out->tv_sec += offset();
	return result;
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
