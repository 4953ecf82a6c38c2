#include "gateway/commands/common.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/export.h"
#include "audit/stored.h"
#include "audit/tree.h"
#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/config.h"
#include "schema/base/clock.h"

#define RECEIPT_TRIES 200 /* of 50 ms */
#define TABLE_WIDTH   80
#define TABLE_INDENT  4 /* of a row's further lines */

int
command_config_database(char **out, const char *path, struct fault *why)
{
	struct config *config;

	if (config_load(&config, path, NULL, why) == -1)
		return -1;
	free(*out);
	*out = strdup(config->database.conninfo);
	config_release(config);
	return *out == NULL ? fault_memory(why) : 0;
}

const char *
command_conninfo(const char *option)
{
	static char line[4096];
	const char *const named = option != NULL ? option : getenv("HAECHI_DATABASE");
	FILE *file;

	if (option != NULL || (named != NULL && named[0] != '\0'))
		return named[0] == '\0' ? NULL : named;
	if ((file = fopen("var/database", "re")) == NULL)
		return NULL;
	if (fgets(line, sizeof line, file) == NULL)
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return line[0] == '\0' ? NULL : line;
}

int
command_open_database(struct database **out, const char *option, struct fault *why)
{
	const char *const conninfo = command_conninfo(option);

	if (conninfo == NULL)
		return fault_set(why, FAULT_USAGE,
		                 "데이터베이스를 알려 주십시오: --database 'host=… dbname=…', -c haechi.yaml "
		                 "또는 환경 변수 "
		                 "HAECHI_DATABASE",
		                 "name the database: --database 'host=... dbname=...', -c haechi.yaml or "
		                 "HAECHI_DATABASE in "
		                 "the environment");
	return database_open(out, conninfo, why);
}

int
command_fail(const struct fault *why)
{
	fault_print(stderr, "haechi", why);
	return why->kind == FAULT_TAMPERED || why->kind == FAULT_NOT_FOUND ? EXIT_NO : EXIT_USAGE;
}

int
command_unknown(const char *option)
{
	struct fault why;

	fault_set(&why, FAULT_USAGE, "모르는 선택이거나 값이 맞지 않습니다: %s",
	          "an unknown option, or a value where none belongs: %s", option);
	return command_fail(&why);
}

int
command_option(int argc, char **argv, const char *letters, const struct option *known)
{
	const int at = optind == 0 ? 1 : optind;
	bool lacks_value = false;
	struct fault why;
	int option;

	opterr = 0;
	if ((option = getopt_long(argc, argv, letters, known, NULL)) != '?')
		return option;
	for (; known->name != NULL; known++)
		lacks_value |= known->val == optopt && known->has_arg == required_argument;
	if (lacks_value) {
		fault_set(&why, FAULT_USAGE, "선택에 값이 없습니다: %s", "an option lacks its value: %s",
		          argv[optind - 1]);
		(void)command_fail(&why);
	} else {
		(void)command_unknown(argv[optind > at ? optind - 1 : at]);
	}
	return option;
}

static bool
steers(uint32_t code, bool lines)
{
	if (code < 0x20)
		return !lines || (code != '\n' && code != '\t');
	return (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void
command_plain(char *text, bool lines)
{
	struct slice rest = slice_string(text);
	char *to = text;

	while (rest.size > 0) {
		uint32_t code;
		const size_t length = utf8_next(rest, &code);

		if (length == 0 || steers(code, lines)) {
			*to++ = '?';
		} else {
			memmove(to, rest.data, length);
			to += length;
		}
		rest =
		    slice_of(rest.data + (length == 0 ? 1 : length), rest.size - (length == 0 ? 1 : length));
	}
	*to = '\0';
}

void
command_time(char out[COMMAND_TIME_SIZE], int64_t wall_ms)
{
	const int64_t korean = wall_ms + INT64_C(9) * 3600 * 1000;
	const time_t seconds = (time_t)(korean / 1000 - (korean % 1000 < 0));
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL ||
	    strftime(out, COMMAND_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &parts) == 0)
		strcpy(out, "?");
}

const char *
command_time_of(char out[COMMAND_TIME_SIZE], const char *rfc3339)
{
	int64_t wall_ms;

	if (rfc3339 == NULL || !clock_parse(&wall_ms, slice_string(rfc3339), false))
		return "";
	command_time(out, wall_ms);
	return out;
}

int
command_parse_time(int64_t *wall_ms, const char *option, const char *text, struct fault *why)
{
	if (clock_parse(wall_ms, slice_string(text), true))
		return 0;
	return fault_set(why, FAULT_USAGE,
	                 "--%s: '%s'은(는) 때가 아닙니다 (2026-03-02 또는 2026-03-02T09:00:00+09:00)",
	                 "--%s: '%s' is not a time (2026-03-02 or 2026-03-02T09:00:00+09:00)", option, text);
}

int
command_parse_number(uint64_t *out, const char *option, const char *text, struct fault *why)
{
	const size_t size = strlen(text);

	*out = 0;
	if (size == 0 || size > 18 || strspn(text, "0123456789") != size)
		return fault_set(why, FAULT_USAGE, "--%s: '%s'은(는) 0 이상의 정수가 아닙니다",
		                 "--%s: '%s' is not a whole number", option, text);
	for (size_t i = 0; i < size; i++)
		*out = *out * 10 + (uint64_t)(text[i] - '0');
	return 0;
}

/* ---- exports --------------------------------------------------------------------------------------------------- */

static int
report_key_path(char out[PATH_MAX], struct fault *why)
{
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	char folder[PATH_MAX - 32];
	int size = config != NULL && config[0] == '/' ? snprintf(folder, sizeof folder, "%s/haechi", config)
	           : home != NULL && home[0] == '/'
	               ? snprintf(folder, sizeof folder, "%s/.config/haechi", home)
	               : -1;

	if (size < 0 || size >= (int)sizeof folder)
		return fault_set(why, FAULT_USAGE, "보고서 서명 키를 둘 곳이 없습니다: --key 파일",
		                 "there is no place for the report key: --key FILE");
	for (char *at = folder + 1;; at++) {
		const char end = *at;

		if (end != '/' && end != '\0')
			continue;
		*at = '\0';
		if (mkdir(folder, 0700) == -1 && errno != EEXIST)
			return fault_errno(why, "%s", "%s", folder);
		*at = end;
		if (end == '\0')
			break;
	}
	snprintf(out, PATH_MAX, "%s/report.key", folder);
	return 0;
}

struct recording {
	const struct export_options *options;
	const char *conninfo, *socket;
};

/* The entry is durable; its receipt takes as long as the shipper needs. The exporter's own snapshot would never show it. */
static int
receipt_await(struct buffer *receipt, const char *conninfo, const char *entry, struct fault *why)
{
	const struct timespec pause = {0, 50 * 1000000};
	struct database *database = NULL;
	int result = -1;

	if (command_open_database(&database, conninfo, why) == -1)
		return -1;
	for (unsigned i = 0; i < RECEIPT_TRIES; i++) {
		buffer_reset(receipt);
		result = stored_receipt(receipt, database, entry, why);
		if (result == 0 || (why->kind != FAULT_NOT_FOUND && why->kind != FAULT_BUSY))
			break;
		nanosleep(&pause, NULL);
	}
	database_close(database);
	return result;
}

static int
record(void *context, const char *digest, struct buffer *receipt, struct fault *why)
{
	const struct recording *recording = context;
	struct buffer about;
	json_t *answer = NULL;
	const char *entry;
	int result = -1;

	buffer_init(&about, 1024);
	filter_describe(&about, &recording->options->filter);
	if (buffer_text(&about) == NULL)
		fault_set(why, FAULT_TOO_LARGE, "조건이 너무 깁니다", "the filters are too long");
	else if (asking_ask(recording->socket,
	                    json_pack("{s:s, s:s, s:s, s:s}", "op", "export.record", "manifest", digest,
	                              "kind", manifest_kind_name(recording->options->kind), "about",
	                              buffer_text(&about)),
	                    &answer, why) == 0 &&
	         (entry = json_get_string(answer, "entry")) != NULL)
		result = receipt_await(receipt, recording->conninfo, entry, why);
	json_decref(answer);
	buffer_free(&about);
	if (result == 0 || recording->socket != NULL)
		return result;
	fprintf(stderr,
	        "haechi: 이 내보내기는 기록에 남지 않습니다 (haechid 에 닿지 않음): %s\n"
	        "        the log does not record this export (haechid was not reached): %s\n",
	        why->ko, why->en);
	buffer_reset(receipt);
	return 0;
}

int
command_export(const struct export_options *options, const char *conninfo, const char *socket, bool json,
               struct fault *why)
{
	struct recording recording = {options, conninfo, socket};
	struct export_options how = *options;
	struct export_result result;
	struct database *database = NULL;
	char key[PATH_MAX];
	int status;

	how.record = record;
	how.context = &recording;
	if (how.key_file == NULL) {
		if (report_key_path(key, why) == -1)
			return -1;
		how.key_file = key;
	}
	if (command_open_database(&database, conninfo, why) == -1)
		return -1;
	status = export_run(&result, database, &how, why);
	database_close(database);
	if (status == -1)
		return -1;
	if (json)
		printf("{\"entries\":%" PRIu64
		       ",\"logs\":%zu,\"manifest\":\"%s\",\"vkey\":\"%s\",\"recorded\":%s}\n",
		       result.entries, result.logs, result.manifest, result.vkey,
		       result.recorded ? "true" : "false");
	else
		printf("%s: 항목 %" PRIu64 "건, 기록 %zu개. 확인: haechi-verify %s\n"
		       "%s: %" PRIu64 " entries of %zu logs. Check: haechi-verify %s\n"
		       "서명 키 signed by: %s\n%s",
		       how.directory, result.entries, result.logs, how.directory, how.directory,
		       result.entries, result.logs, how.directory, result.vkey,
		       result.recorded ? "기록에도 남았습니다 the log recorded it too: manifest.receipt\n"
		                       : "");
	return 0;
}

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* Places a character takes in a terminal: East Asian wide and full-width blocks take two, combining marks none. */
static size_t
character_width(uint32_t code)
{
	if ((code >= 0x0300 && code <= 0x036f) || (code >= 0x200b && code <= 0x200f) ||
	    (code >= 0xfe00 && code <= 0xfe0f))
		return 0;
	if ((code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
	    (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
	    (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
	    (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1faff) ||
	    (code >= 0x20000 && code <= 0x3fffd))
		return 2;
	return 1;
}

static size_t
text_width(const char *text)
{
	struct slice rest = slice_string(text);
	size_t width = 0;
	uint32_t code;

	while (rest.size > 0) {
		size_t length = utf8_next(rest, &code);

		if (length == 0) {
			length = 1;
			code = '?';
		}
		width += character_width(code);
		rest = slice_of(rest.data + length, rest.size - length);
	}
	return width;
}

void
table_init(struct table *table, size_t columns, const char *const *titles)
{
	memset(table, 0, sizeof *table);
	table->columns = columns < TABLE_COLUMNS ? columns : TABLE_COLUMNS;
	table->titles = titles;
}

void
table_row(struct table *table, const char *const *cells)
{
	if ((table->rows + 1) * table->columns > table->capacity) {
		const size_t capacity = table->capacity == 0 ? 64 * table->columns : table->capacity * 2;
		char **grown = reallocarray(table->cells, capacity, sizeof *grown);

		if (grown == NULL) {
			table->failed = true;
			return;
		}
		table->cells = grown;
		table->capacity = capacity;
	}
	for (size_t i = 0; i < table->columns; i++) {
		char *cell = strdup(cells[i] != NULL && cells[i][0] != '\0' ? cells[i] : "-");

		if (cell == NULL)
			table->failed = true;
		else
			command_plain(cell, false);
		table->cells[table->rows * table->columns + i] = cell;
	}
	table->rows++;
}

/* Places of a line: the terminal's, or what COLUMNS says; into a pipe or a file as many as it takes, a line a row, for grep. */
static size_t
line_width(FILE *to)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t asked;

	if (isatty(fileno(to)))
		return ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
		                                                                    : TABLE_WIDTH;
	if (columns != NULL && tree_number(&asked, slice_string(columns)) && asked > 0 && asked < 100000)
		return (size_t)asked;
	return SIZE_MAX;
}

static void
print_cell(FILE *to, const char *text, size_t width, bool right, bool last)
{
	const size_t own = text_width(text);
	const int blanks = (int)(width > own ? width - own : 0);

	if (right)
		fprintf(to, "%*s%s", blanks, "", text);
	else
		fprintf(to, "%s%*s", text, last ? 0 : blanks, "");
	fputs(last ? "\n" : "  ", to);
}

/* Columns from `from` on that fit a line beside an indent; one at least. */
static size_t
columns_fit(const struct table *table, const size_t *width, size_t from, size_t room)
{
	size_t used = from == 0 ? 0 : TABLE_INDENT, to = from;

	while (to < table->columns) {
		used += width[to] + (to > from ? 2 : 0);
		if (used > room && to > from)
			break;
		to++;
	}
	return to;
}

/* A row, on as many lines as it takes. */
static void
print_row(FILE *to, const struct table *table, const char *const *cells, const size_t *width, size_t room)
{
	for (size_t from = 0, until; from < table->columns; from = until) {
		until = columns_fit(table, width, from, room);
		if (from > 0)
			fprintf(to, "%*s", TABLE_INDENT, "");
		for (size_t i = from; i < until; i++)
			print_cell(to, cells[i], width[i], table->right[i], i + 1 == until);
	}
}

/* Where the English of a title begins, behind its Korean; its end when it has none. */
static size_t
title_english(const char *title)
{
	bool korean = false;

	for (size_t i = 0; title[i] != '\0'; i++) {
		korean = korean || (unsigned char)title[i] >= 0x80;
		if (korean && title[i] == ' ' && title[i + 1] >= 'A' && title[i + 1] <= 'z')
			return i + 1;
	}
	return strlen(title);
}

/* Every column as wide as its widest cell, or as `titles` when those are wider; what the whole row takes. */
static size_t
widths(size_t width[TABLE_COLUMNS], const struct table *table, const char *titles[][TABLE_COLUMNS],
       size_t lines)
{
	size_t total = 0;

	for (size_t i = 0; i < table->columns; i++) {
		width[i] = 0;
		for (size_t line = 0; line < lines; line++)
			width[i] =
			    text_width(titles[line][i]) > width[i] ? text_width(titles[line][i]) : width[i];
		for (size_t row = 0; row < table->rows; row++) {
			const size_t cell = text_width(table->cells[row * table->columns + i]);

			width[i] = cell > width[i] ? cell : width[i];
		}
		total += width[i] + (i > 0 ? 2 : 0);
	}
	return total;
}

int
table_print(struct table *table, FILE *to, struct fault *why)
{
	const char *titles[2][TABLE_COLUMNS] = {0};
	char *korean[TABLE_COLUMNS] = {0};
	const size_t columns = table->columns, room = line_width(to);
	size_t width[TABLE_COLUMNS], lines = 1;
	int result = -1;

	for (size_t i = 0; i < columns; i++) {
		const size_t english = title_english(table->titles[i]);
		const size_t size = english > 0 && table->titles[i][english] != '\0' ? english - 1 : english;

		titles[0][i] = table->titles[i];
		titles[1][i] = table->titles[i] + english;
		if ((korean[i] = strndup(table->titles[i], size)) == NULL)
			table->failed = true;
	}
	if (table->failed) {
		fault_memory(why);
		goto out;
	}
	if (widths(width, table, titles, 1) > room) {
		/* Too wide for a line: the two languages of the titles below each other, rows on as many lines as it takes. */
		for (size_t i = 0; i < columns; i++)
			titles[0][i] = korean[i];
		lines = 2;
		(void)widths(width, table, titles, 2);
	}
	for (size_t line = 0; line < lines; line++)
		print_row(to, table, titles[line], width, room);
	for (size_t row = 0; row < table->rows; row++)
		print_row(to, table, (const char *const *)table->cells + row * columns, width, room);
	result = 0;
out:
	for (size_t i = 0; i < columns; i++)
		free(korean[i]);
	table_free(table);
	return result;
}

void
table_free(struct table *table)
{
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->rows = table->capacity = 0;
	table->failed = false;
}
