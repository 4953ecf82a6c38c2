#include "policy/cedar/extensions.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)

__extension__ typedef __int128 wide; /* sums are made exactly, then looked at once */

static const struct cedar_value none;

/* clang-format off */
static const struct cedar_signature signatures[CEDAR_FUNCTIONS] = {
	[CEDAR_FUNCTION_DECIMAL]               = {"decimal",            false, 1, {CEDAR_STRING},                   CEDAR_DECIMAL,
	    "소수점 아래 한 자리에서 네 자리: 12.3456", "one to four digits behind the point: 12.3456"},
	[CEDAR_FUNCTION_IP]                    = {"ip",                 false, 1, {CEDAR_STRING},                   CEDAR_IP,
	    "10.1.2.3, 10.0.0.0/8, 2001:db8::/32", "10.1.2.3, 10.0.0.0/8, 2001:db8::/32"},
	[CEDAR_FUNCTION_DATETIME]              = {"datetime",           false, 1, {CEDAR_STRING},                   CEDAR_DATETIME,
	    "2026-01-22, 2026-01-22T09:00:00Z, 2026-01-22T09:00:00.000+0900", "2026-01-22, 2026-01-22T09:00:00Z, 2026-01-22T09:00:00.000+0900"},
	[CEDAR_FUNCTION_DURATION]              = {"duration",           false, 1, {CEDAR_STRING},                   CEDAR_DURATION,
	    "큰 단위부터: 1d2h3m4s5ms", "larger units first: 1d2h3m4s5ms"},
	[CEDAR_FUNCTION_LESS_THAN]             = {"lessThan",           true,  2, {CEDAR_DECIMAL, CEDAR_DECIMAL},   CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_LESS_THAN_OR_EQUAL]    = {"lessThanOrEqual",    true,  2, {CEDAR_DECIMAL, CEDAR_DECIMAL},   CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_GREATER_THAN]          = {"greaterThan",        true,  2, {CEDAR_DECIMAL, CEDAR_DECIMAL},   CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_GREATER_THAN_OR_EQUAL] = {"greaterThanOrEqual", true,  2, {CEDAR_DECIMAL, CEDAR_DECIMAL},   CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_IS_IPV4]               = {"isIpv4",             true,  1, {CEDAR_IP},                       CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_IS_IPV6]               = {"isIpv6",             true,  1, {CEDAR_IP},                       CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_IS_LOOPBACK]           = {"isLoopback",         true,  1, {CEDAR_IP},                       CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_IS_MULTICAST]          = {"isMulticast",        true,  1, {CEDAR_IP},                       CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_IS_IN_RANGE]           = {"isInRange",          true,  2, {CEDAR_IP, CEDAR_IP},             CEDAR_BOOL, NULL, NULL},
	[CEDAR_FUNCTION_OFFSET]                = {"offset",             true,  2, {CEDAR_DATETIME, CEDAR_DURATION}, CEDAR_DATETIME, NULL, NULL},
	[CEDAR_FUNCTION_DURATION_SINCE]        = {"durationSince",      true,  2, {CEDAR_DATETIME, CEDAR_DATETIME}, CEDAR_DURATION, NULL, NULL},
	[CEDAR_FUNCTION_TO_DATE]               = {"toDate",             true,  1, {CEDAR_DATETIME},                 CEDAR_DATETIME, NULL, NULL},
	[CEDAR_FUNCTION_TO_TIME]               = {"toTime",             true,  1, {CEDAR_DATETIME},                 CEDAR_DURATION, NULL, NULL},
	[CEDAR_FUNCTION_TO_MILLISECONDS]       = {"toMilliseconds",     true,  1, {CEDAR_DURATION},                 CEDAR_LONG, NULL, NULL},
	[CEDAR_FUNCTION_TO_SECONDS]            = {"toSeconds",          true,  1, {CEDAR_DURATION},                 CEDAR_LONG, NULL, NULL},
	[CEDAR_FUNCTION_TO_MINUTES]            = {"toMinutes",          true,  1, {CEDAR_DURATION},                 CEDAR_LONG, NULL, NULL},
	[CEDAR_FUNCTION_TO_HOURS]              = {"toHours",            true,  1, {CEDAR_DURATION},                 CEDAR_LONG, NULL, NULL},
	[CEDAR_FUNCTION_TO_DAYS]               = {"toDays",             true,  1, {CEDAR_DURATION},                 CEDAR_LONG, NULL, NULL},
};
/* clang-format on */

const struct cedar_signature *
cedar_signature(enum cedar_function function)
{
	return &signatures[function];
}

enum cedar_function
cedar_function_find(struct slice name)
{
	for (int i = 0; i < CEDAR_FUNCTIONS; i++)
		if (slice_is(name, signatures[i].name))
			return (enum cedar_function)i;
	return CEDAR_FUNCTIONS;
}

/* ---- reading literals ----------------------------------------------------------------------------------------- */

static bool
digit_at(struct slice text, size_t at)
{
	return at < text.size && text.data[at] >= '0' && text.data[at] <= '9';
}

struct cedar_value
cedar_parse_decimal(struct slice text)
{
	size_t at = 0, whole, fraction;
	bool negative = text.size > 0 && text.data[0] == '-';
	wide number = 0;

	at = negative;
	for (whole = at; digit_at(text, at); at++) {
		number = number * 10 + (text.data[at] - '0');
		if (number > INT64_MAX)
			return none;
	}
	if (at == whole || at >= text.size || text.data[at] != '.')
		return none;
	for (fraction = ++at; digit_at(text, at); at++)
		number = at - fraction < 4 ? number * 10 + (text.data[at] - '0') : number;
	if (at == fraction || at - fraction > 4 || at != text.size)
		return none;
	for (size_t i = at - fraction; i < 4; i++)
		number *= 10;
	if (negative)
		number = -number;
	if (number > INT64_MAX || number < INT64_MIN)
		return none;
	return cedar_decimal((int64_t)number);
}

static bool
parse_v4(struct slice text, uint8_t address[16])
{
	size_t at = 0;

	for (int part = 0; part < 4; part++) {
		unsigned value = 0;
		size_t from;

		if (part > 0 && (at >= text.size || text.data[at++] != '.'))
			return false;
		for (from = at; digit_at(text, at) && at - from < 3; at++)
			value = value * 10 + (text.data[at] - '0');
		if (at == from || value > 255 || (text.data[from] == '0' && at - from > 1))
			return false;
		address[part] = (uint8_t)value;
	}
	return at == text.size;
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
parse_v6(struct slice text, uint8_t address[16])
{
	uint16_t groups[8] = {0};
	size_t count = 0, gap = SIZE_MAX, at = 0;

	if (text.size >= 2 && text.data[0] == ':' && text.data[1] == ':') {
		gap = 0;
		at = 2;
	}
	while (at < text.size) {
		unsigned value = 0;
		size_t from = at;

		if (count == 8)
			return false;
		for (; at < text.size && at - from < 4 && hex_value(text.data[at]) >= 0; at++)
			value = value << 4 | (unsigned)hex_value(text.data[at]);
		if (at == from)
			return false;
		groups[count++] = (uint16_t)value;
		if (at == text.size)
			break;
		if (text.data[at++] != ':' || at == text.size)
			return false;
		if (text.data[at] == ':') {
			if (gap != SIZE_MAX)
				return false;
			gap = count;
			at++;
		}
	}
	if (gap == SIZE_MAX ? count != 8 : count > 7)
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t to = gap != SIZE_MAX && i >= gap ? 8 - count + i : i;

		address[2 * to] = (uint8_t)(groups[i] >> 8);
		address[2 * to + 1] = (uint8_t)groups[i];
	}
	return true;
}

static bool
parse_prefix(struct slice text, size_t digits, unsigned most, uint8_t *prefix)
{
	unsigned value = 0;

	if (text.size == 0 || text.size > digits || (text.size > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (!digit_at(text, i))
			return false;
		value = value * 10 + (text.data[i] - '0');
	}
	*prefix = (uint8_t)value;
	return value <= most;
}

static bool
parse_ip(struct slice text, struct cedar_ip *ip)
{
	const uint8_t *bar = text.size > 0 ? memchr(text.data, '/', text.size) : NULL;
	struct slice rest = {NULL, 0};

	memset(ip, 0, sizeof *ip);
	if (bar != NULL) {
		rest = slice_of(bar + 1, text.size - (size_t)(bar + 1 - text.data));
		text.size = (size_t)(bar - text.data);
	}
	if (parse_v4(text, ip->address)) {
		ip->prefix = 32;
		return bar == NULL || parse_prefix(rest, 2, 32, &ip->prefix);
	}
	memset(ip, 0, sizeof *ip);
	ip->v6 = true;
	ip->prefix = 128;
	return parse_v6(text, ip->address) && (bar == NULL || parse_prefix(rest, 3, 128, &ip->prefix));
}

struct cedar_value
cedar_parse_ip(struct arena *arena, struct slice text)
{
	struct cedar_ip ip, *kept;

	if (!parse_ip(text, &ip) || (kept = arena_copy(arena, &ip, sizeof ip)) == NULL)
		return none;
	return (struct cedar_value){CEDAR_IP, {.ip = kept}};
}

/* Exactly `count` digits; moves on. */
static bool
take_digits(struct slice *text, size_t count, int64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < count; i++) {
		if (!digit_at(*text, i))
			return false;
		*value = *value * 10 + (text->data[i] - '0');
	}
	*text = slice_of(text->data + count, text->size - count);
	return true;
}

static bool
take_byte(struct slice *text, uint8_t byte)
{
	if (text->size == 0 || text->data[0] != byte)
		return false;
	*text = slice_of(text->data + 1, text->size - 1);
	return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400 years that begin in March. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t era, of_era, of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	of_era = year - era * 400;
	of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t
days_in(int64_t year, int64_t month)
{
	static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

struct cedar_value
cedar_parse_datetime(struct slice text)
{
	int64_t year, month, day, hour, minute, second, ms = 0, offset_hour, offset_minute, sign, time;

	if (!take_digits(&text, 4, &year) || !take_byte(&text, '-') || !take_digits(&text, 2, &month) ||
	    !take_byte(&text, '-') || !take_digits(&text, 2, &day))
		return none;
	if (month < 1 || month > 12 || day < 1 || day > days_in(year, month))
		return none;
	time = days_of(year, month, day) * DAY_MS;
	if (text.size == 0)
		return cedar_datetime(time);
	if (!take_byte(&text, 'T') || !take_digits(&text, 2, &hour) || !take_byte(&text, ':') ||
	    !take_digits(&text, 2, &minute) || !take_byte(&text, ':') || !take_digits(&text, 2, &second))
		return none;
	if (take_byte(&text, '.') && !take_digits(&text, 3, &ms))
		return none;
	if (hour > 23 || minute > 59 || second > 59)
		return none;
	time += ((hour * 60 + minute) * 60 + second) * 1000 + ms;
	if (take_byte(&text, 'Z'))
		return text.size == 0 ? cedar_datetime(time) : none;
	sign = take_byte(&text, '+') ? 1 : take_byte(&text, '-') ? -1 : 0;
	if (sign == 0 || !take_digits(&text, 2, &offset_hour) || !take_digits(&text, 2, &offset_minute) ||
	    text.size != 0 || offset_hour > 23 || offset_minute > 59)
		return none;
	return cedar_datetime(time - sign * (offset_hour * 60 + offset_minute) * 60000);
}

struct cedar_value
cedar_parse_duration(struct slice text)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
	    {"d",  DAY_MS },
            {"h",  3600000},
            {"m",  60000  },
            {"s",  1000   },
            {"ms", 1      }
        };
	bool negative = take_byte(&text, '-');
	wide sum = 0;
	size_t next = 0;

	if (text.size == 0)
		return none;
	while (text.size > 0) {
		wide number = 0;
		size_t at = 0, size = 0;

		for (; digit_at(text, at); at++) {
			number = number * 10 + (text.data[at] - '0');
			if (number > UINT64_MAX)
				return none;
		}
		if (at == 0)
			return none;
		/* "ms" is looked at first: "5ms" is not five minutes and a stray s. */
		size = at + 1 < text.size && text.data[at] == 'm' && text.data[at + 1] == 's' ? 2 : 1;
		if (at + size > text.size)
			return none;
		for (; next < 5; next++)
			if (slice_is(slice_of(text.data + at, size), units[next].name))
				break;
		if (next == 5)
			return none;
		sum += number * units[next++].ms;
		text = slice_of(text.data + at + size, text.size - at - size);
	}
	if (negative)
		sum = -sum;
	if (sum > INT64_MAX || sum < INT64_MIN)
		return none;
	return cedar_duration((int64_t)sum);
}

/* ---- calling -------------------------------------------------------------------------------------------------- */

static bool
in_range(const struct cedar_ip *inner, const struct cedar_ip *outer)
{
	unsigned bytes = outer->prefix / 8, bits = outer->prefix % 8;

	if (inner->v6 != outer->v6 || inner->prefix < outer->prefix)
		return false;
	if (memcmp(inner->address, outer->address, bytes) != 0)
		return false;
	return bits == 0 || (inner->address[bytes] ^ outer->address[bytes]) >> (8 - bits) == 0;
}

static bool
is_loopback(const struct cedar_ip *ip)
{
	static const uint8_t one[16] = {[15] = 1};

	if (ip->v6)
		return ip->prefix == 128 && memcmp(ip->address, one, sizeof one) == 0;
	return ip->prefix >= 8 && ip->address[0] == 127;
}

static bool
is_multicast(const struct cedar_ip *ip)
{
	if (ip->v6)
		return ip->prefix >= 8 && ip->address[0] == 0xff;
	return ip->prefix >= 4 && ip->address[0] >> 4 == 14;
}

static int64_t
time_of_day(int64_t time)
{
	int64_t rest = time % DAY_MS;

	return rest < 0 ? rest + DAY_MS : rest;
}

/* Sums of times; Cedar calls an overflow inside an extension an extension error. */
static struct cedar_value
time_sum(enum cedar_kind kind, int64_t a, int64_t b, bool subtract, enum cedar_failure *failure)
{
	struct cedar_value sum = {.kind = kind};

	if (subtract ? !__builtin_sub_overflow(a, b, &sum.as.number)
	             : !__builtin_add_overflow(a, b, &sum.as.number))
		return sum;
	*failure = CEDAR_FAILURE_EXTENSION;
	return none;
}

static struct cedar_value
construct(enum cedar_function function, struct slice text, struct arena *arena, enum cedar_failure *failure)
{
	struct cedar_ip ip;
	struct cedar_value value;

	*failure = CEDAR_FAILURE_EXTENSION;
	switch (function) {
	case CEDAR_FUNCTION_DECIMAL:
		return cedar_parse_decimal(text);
	case CEDAR_FUNCTION_DATETIME:
		return cedar_parse_datetime(text);
	case CEDAR_FUNCTION_DURATION:
		return cedar_parse_duration(text);
	default:
		if (!parse_ip(text, &ip))
			return none;
		*failure = CEDAR_FAILURE_MEMORY;
		value = (struct cedar_value){CEDAR_IP, {.ip = arena_copy(arena, &ip, sizeof ip)}};
		return value.as.ip == NULL ? none : value;
	}
}

struct cedar_value
cedar_function_call(enum cedar_function function, const struct cedar_value *arguments, size_t count,
                    struct arena *arena, enum cedar_failure *failure)
{
	const struct cedar_signature *signature = &signatures[function];
	int64_t a, b;

	if (count != signature->arity) {
		*failure = CEDAR_FAILURE_ARITY;
		return none;
	}
	for (size_t i = 0; i < count; i++) {
		if (arguments[i].kind != signature->arguments[i]) {
			*failure = CEDAR_FAILURE_TYPE;
			return none;
		}
	}
	a = arguments[0].as.number; /* meaningless, and unused, where the argument is an address or a text */
	b = count > 1 ? arguments[1].as.number : 0;
	switch (function) {
	case CEDAR_FUNCTION_DECIMAL:
	case CEDAR_FUNCTION_IP:
	case CEDAR_FUNCTION_DATETIME:
	case CEDAR_FUNCTION_DURATION:
		return construct(function, cedar_string_slice(arguments[0].as.string), arena, failure);
	case CEDAR_FUNCTION_LESS_THAN:
		return cedar_bool(a < b);
	case CEDAR_FUNCTION_LESS_THAN_OR_EQUAL:
		return cedar_bool(a <= b);
	case CEDAR_FUNCTION_GREATER_THAN:
		return cedar_bool(a > b);
	case CEDAR_FUNCTION_GREATER_THAN_OR_EQUAL:
		return cedar_bool(a >= b);
	case CEDAR_FUNCTION_IS_IPV4:
		return cedar_bool(!arguments[0].as.ip->v6);
	case CEDAR_FUNCTION_IS_IPV6:
		return cedar_bool(arguments[0].as.ip->v6);
	case CEDAR_FUNCTION_IS_LOOPBACK:
		return cedar_bool(is_loopback(arguments[0].as.ip));
	case CEDAR_FUNCTION_IS_MULTICAST:
		return cedar_bool(is_multicast(arguments[0].as.ip));
	case CEDAR_FUNCTION_IS_IN_RANGE:
		return cedar_bool(in_range(arguments[0].as.ip, arguments[1].as.ip));
	case CEDAR_FUNCTION_OFFSET:
		return time_sum(CEDAR_DATETIME, a, b, false, failure);
	case CEDAR_FUNCTION_DURATION_SINCE:
		return time_sum(CEDAR_DURATION, a, b, true, failure);
	case CEDAR_FUNCTION_TO_DATE:
		return time_sum(CEDAR_DATETIME, a, time_of_day(a), true, failure);
	case CEDAR_FUNCTION_TO_TIME:
		return cedar_duration(time_of_day(a));
	case CEDAR_FUNCTION_TO_MILLISECONDS:
		return cedar_long(a);
	case CEDAR_FUNCTION_TO_SECONDS:
		return cedar_long(a / 1000);
	case CEDAR_FUNCTION_TO_MINUTES:
		return cedar_long(a / 60000);
	case CEDAR_FUNCTION_TO_HOURS:
		return cedar_long(a / 3600000);
	case CEDAR_FUNCTION_TO_DAYS:
		return cedar_long(a / DAY_MS);
	case CEDAR_FUNCTIONS:
		break;
	}
	*failure = CEDAR_FAILURE_ARITY;
	return none;
}
