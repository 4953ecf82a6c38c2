#include "schema/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "schema/base/bytes.h"
#include "schema/base/clock.h"

static _Atomic int least_level = LOG_LEVEL_INFO;

void
log_level_set(enum log_level least)
{
	atomic_store_explicit(&least_level, (int)least, memory_order_relaxed);
}

void
log_level_named(const char *name)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			log_level_set((enum log_level)i);
}

/* A line must stay a line, and a terminal must not be told to do anything. */
static void
disarm(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			*text = '?';
}

void
log_line(enum log_level level, const char *area, const char *format, ...)
{
	static const char *const names[] = {"debug", "info ", "warn ", "error"};
	char line[1400], when[CLOCK_TEXT_SIZE];
	va_list arguments;
	size_t size;
	int begin;

	if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
		return;
	clock_text(when, clock_wall_ms());
	begin = snprintf(line, sizeof line, "%s %s %s ", when, names[level], area);
	va_start(arguments, format);
	vsnprintf(line + begin, sizeof line - (size_t)begin - 1, format, arguments);
	va_end(arguments);
	size = strlen(line);
	if (size == sizeof line - 2)
		line[size = utf8_cut(slice_of(line, size), size)] = '\0';
	disarm(line);
	line[size++] = '\n';
	/* Where the log cannot be written there is nobody to tell. */
	if (write(STDERR_FILENO, line, size) == -1)
		return;
}

void
log_fault(enum log_level level, const char *area, const char *event, const struct fault *why)
{
	log_line(level, area, "event=%s kind=%s ko=\"%s\" en=\"%s\"", event, fault_kind_name(why->kind),
	         why->ko, why->en);
}
