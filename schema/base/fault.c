#include "schema/base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "schema/base/bytes.h"

/* Cut at a character: half a syllable at the end of a message helps nobody. */
static void
trim(char *text)
{
	const size_t size = strlen(text);

	if (size == FAULT_TEXT_SIZE - 1)
		text[utf8_cut(slice_of(text, size), size)] = '\0';
}

/* Both formats are checked against the arguments at every call (fault.h), not here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void
format_both(struct fault *why, const char *ko, const char *en, va_list arguments)
{
	va_list again;

	va_copy(again, arguments);
	vsnprintf(why->ko, sizeof why->ko, ko, arguments);
	vsnprintf(why->en, sizeof why->en, en, again);
	va_end(again);
	trim(why->ko);
	trim(why->en);
}
#pragma GCC diagnostic pop

int
fault_set(struct fault *why, enum fault_kind kind, const char *ko, const char *en, ...)
{
	va_list arguments;

	if (why == NULL)
		return -1;
	why->kind = kind;
	va_start(arguments, en);
	format_both(why, ko, en, arguments);
	va_end(arguments);
	return -1;
}

static void
append(char *text, const char *more)
{
	const size_t size = strlen(text);

	snprintf(text + size, FAULT_TEXT_SIZE - size, ": %s", more);
	trim(text);
}

int
fault_errno(struct fault *why, const char *ko, const char *en, ...)
{
	const int number = errno;
	char reason[128];
	va_list arguments;

	if (why == NULL)
		return -1;
	why->kind = number == ENOMEM ? FAULT_MEMORY : FAULT_SYSTEM;
	va_start(arguments, en);
	format_both(why, ko, en, arguments);
	va_end(arguments);
	if (strerror_r(number, reason, sizeof reason) != 0)
		snprintf(reason, sizeof reason, "errno %d", number);
	append(why->ko, reason);
	append(why->en, reason);
	errno = number;
	return -1;
}

int
fault_memory(struct fault *why)
{
	return fault_set(why, FAULT_MEMORY, "메모리가 부족합니다", "out of memory");
}

int
fault_prefix(struct fault *why, const char *ko, const char *en, ...)
{
	struct fault old;
	va_list arguments;

	if (why == NULL)
		return -1;
	old = *why;
	va_start(arguments, en);
	format_both(why, ko, en, arguments);
	va_end(arguments);
	append(why->ko, old.ko);
	append(why->en, old.en);
	return -1;
}

void
fault_print(FILE *to, const char *program, const struct fault *why)
{
	fprintf(to, "%s: %s\n%*s  %s\n", program, why->ko, (int)strlen(program), "", why->en);
}

const char *
fault_kind_name(enum fault_kind kind)
{
	static const char *const names[] = {
	    [FAULT_INTERNAL] = "internal",       [FAULT_USAGE] = "usage",
	    [FAULT_INVALID] = "invalid",         [FAULT_UNIDENTIFIED] = "unidentified",
	    [FAULT_FORBIDDEN] = "forbidden",     [FAULT_NOT_FOUND] = "not_found",
	    [FAULT_CONFLICT] = "conflict",       [FAULT_TOO_LARGE] = "too_large",
	    [FAULT_TIMEOUT] = "timeout",         [FAULT_BUSY] = "busy",
	    [FAULT_UNSUPPORTED] = "unsupported", [FAULT_UNAVAILABLE] = "unavailable",
	    [FAULT_SYSTEM] = "system",           [FAULT_MEMORY] = "memory",
	    [FAULT_TAMPERED] = "tampered",
	};

	if ((size_t)kind >= sizeof names / sizeof *names)
		return "internal";
	return names[kind];
}
