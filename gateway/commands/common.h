/*
 * common -- what the commands share: where the database is, tables for people, faults to the person who typed.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_COMMON_H
#define HAECHI_GATEWAY_COMMANDS_COMMON_H

#include "audit/database.h"

/* -c FILE: the connection that haechi.yaml names, into *out, the caller's to free(). */
MUST_CHECK int command_config_database(char **out, const char *path, struct fault *why);
/*
 * The connection: --database or what -c gave, else the environment's HAECHI_DATABASE, else the line in var/database, which
 * `make run` writes. NULL when there is none. Borrowed; a later call may overwrite it.
 */
const char *command_conninfo(const char *option);
/* The database there; FAULT_USAGE when nothing names one. */
MUST_CHECK int command_open_database(struct database **out, const char *option, struct fault *why);

/* Print the fault for `haechi`, and the exit status that goes with its kind: 1 for evidence that does not hold, else 2. */
int command_fail(const struct fault *why);

/* getopt_long() that says what is wrong in both languages; '?' after that. */
struct option;
int command_option(int argc, char **argv, const char *letters, const struct option *known);
/* The same words for one that is unknown, or stands alone where it needs a value; the exit status is 2. */
int command_unknown(const char *option);

/*
 * In place: what could steer a terminal or turn the reading order around becomes '?' (control characters, also the C1 ones;
 * marks of direction), so that what a person reads is what is written. Line ends and tabs stay when `lines`.
 */
void command_plain(char *text, bool lines);

/* A moment as people in Korea read it: "2026-03-02 18:00:00" (UTC+9). */
#define COMMAND_TIME_SIZE 32
void command_time(char out[COMMAND_TIME_SIZE], int64_t wall_ms);
/* The same of RFC 3339; what is no time is "". */
const char *command_time_of(char out[COMMAND_TIME_SIZE], const char *rfc3339);

/* --from, --to: a date is 00:00 in Korea, else RFC 3339. --limit and its like: a whole number. FAULT_USAGE. */
MUST_CHECK int command_parse_time(int64_t *wall_ms, const char *option, const char *text, struct fault *why);
MUST_CHECK int command_parse_number(uint64_t *out, const char *option, const char *text, struct fault *why);

struct export_options; /* audit/export.h */
/*
 * Make an export or a report, and say where it is. The running haechid at `socket` is asked to record it in the log; with
 * `socket` NULL, the one at the usual places, and when none answers the export goes on and standard error says so. Without
 * options->key_file the report key is $XDG_CONFIG_HOME/haechi/report.key or ~/.config/haechi/report.key, made when absent.
 */
MUST_CHECK int command_export(const struct export_options *options, const char *conninfo, const char *socket,
                              bool json, struct fault *why);

/*
 * A table for a terminal: columns as wide as their widest cell, counted as a terminal counts (한글 takes two places). Cells are
 * copied; control bytes become '?'. A row that is wider than the terminal (or COLUMNS, when there is none) goes on in further, indented
 * lines: nothing is cut off. table_print() writes everything and empties the table.
 */
#define TABLE_COLUMNS 16

struct table {
	size_t columns, rows, capacity;
	const char *const *titles; /* borrowed */
	bool right[TABLE_COLUMNS]; /* align numbers */
	char **cells;
	bool failed;
};

void table_init(struct table *table, size_t columns, const char *const *titles);
void table_row(struct table *table, const char *const *cells); /* NULL and "" are shown as "-" */
MUST_CHECK int table_print(struct table *table, FILE *to, struct fault *why);
void table_free(struct table *table);

#endif
