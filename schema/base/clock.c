#include "schema/base/clock.h"

#include <stdio.h>
#include <time.h>

#define DAY_MS   ((int64_t)86400000)
#define KOREA_MS ((int64_t)9 * 3600 * 1000)

int64_t
clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Days since 1970-01-01 of a proleptic Gregorian date; the year begins in March so that leap days come last. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = (y >= 0 ? y : y - 399) / 400;
	const int64_t of_era = y - era * 400;
	const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void
clock_text(char out[CLOCK_TEXT_SIZE], int64_t wall_ms)
{
	const int64_t days = (wall_ms >= 0 ? wall_ms : wall_ms - (DAY_MS - 1)) / DAY_MS;
	const int64_t rest = wall_ms - days * DAY_MS;
	const int64_t z = days + 719468;
	const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	const int64_t of_era = z - era * 146097;
	const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int64_t mp = (5 * of_year + 2) / 153;
	const int64_t day = of_year - (153 * mp + 2) / 5 + 1;
	const int64_t month = mp < 10 ? mp + 3 : mp - 9;
	const int64_t year = year_of_era + era * 400 + (month <= 2);

	snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(year % 10000),
	         (unsigned)month % 100, (unsigned)day % 100, (unsigned)(rest / 3600000) % 100,
	         (unsigned)(rest / 60000 % 60), (unsigned)(rest / 1000 % 60), (unsigned)(rest % 1000));
}

static bool
digits(struct slice *text, size_t count, int64_t *value)
{
	if (text->size < count)
		return false;
	*value = 0;
	for (size_t i = 0; i < count; i++) {
		if (text->data[i] < '0' || text->data[i] > '9')
			return false;
		*value = *value * 10 + (text->data[i] - '0');
	}
	text->data += count;
	text->size -= count;
	return true;
}

static bool
letter(struct slice *text, char expected)
{
	if (text->size == 0 || text->data[0] != (uint8_t)expected)
		return false;
	text->data++;
	text->size--;
	return true;
}

/* "Z", "+09:00" or "-09:00" */
static bool
zone(struct slice *text, int64_t *offset_ms)
{
	int64_t hours, minutes, sign = 1;

	*offset_ms = 0;
	if (letter(text, 'Z'))
		return true;
	if (letter(text, '-'))
		sign = -1;
	else if (!letter(text, '+'))
		return false;
	if (!digits(text, 2, &hours) || !letter(text, ':') || !digits(text, 2, &minutes) || hours > 23 ||
	    minutes > 59)
		return false;
	*offset_ms = sign * (hours * 60 + minutes) * 60000;
	return true;
}

bool
clock_parse(int64_t *wall_ms, struct slice text, bool korean_day)
{
	static const int days_in[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t year, month, day, hour = 0, minute = 0, second = 0, thousandth = 0, offset;
	bool leap;

	if (!digits(&text, 4, &year) || !letter(&text, '-') || !digits(&text, 2, &month) ||
	    !letter(&text, '-') || !digits(&text, 2, &day) || month < 1 || month > 12)
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day < 1 || day > days_in[month - 1] + (month == 2 && leap))
		return false;
	if (text.size == 0) {
		*wall_ms = days_of(year, month, day) * DAY_MS - (korean_day ? KOREA_MS : 0);
		return true;
	}
	if (!letter(&text, 'T') || !digits(&text, 2, &hour) || !letter(&text, ':') ||
	    !digits(&text, 2, &minute) || !letter(&text, ':') || !digits(&text, 2, &second) || hour > 23 ||
	    minute > 59 || second > 59)
		return false;
	if (letter(&text, '.') && !digits(&text, 3, &thousandth))
		return false;
	if (!zone(&text, &offset) || text.size != 0)
		return false;
	*wall_ms = days_of(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 +
	           thousandth - offset;
	return true;
}
