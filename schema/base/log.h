/*
 * log -- the operator's log: one line an event, on standard error. The ledger is for auditors, this is not.
 *
 *	2026-03-02T09:00:00.123Z info  gateway event=listening address=127.0.0.1:8080
 *
 * Request content, keys and personal values never come here; a scenario plants a canary and greps for it.
 * Safe from any thread; a line is written by one write(2).
 */
#ifndef HAECHI_SCHEMA_BASE_LOG_H
#define HAECHI_SCHEMA_BASE_LOG_H

#include "schema/base/fault.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_level_set(enum log_level least);
void log_level_named(const char *name); /* "debug" "info" "warn" "error"; another one changes nothing */
/* `format` is key=value pairs; values with spaces are the caller's to quote. Control bytes are written as '?'. */
void log_line(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_fault(enum log_level level, const char *area, const char *event, const struct fault *why);

#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
