#include "audit/archive_query.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MOST (ENTRY_SIZE_LIMIT + 1)

/* Where a line that matches lies. */
struct place {
	int64_t wall_ms;
	uint64_t index, offset;
	uint32_t folder; /* of those given */
	uint32_t log;    /* logs/N in it */
};

struct search {
	const struct filter *filter;
	bool whole;     /* the login sees every agency */
	char *agencies; /* else those it sees: ",a,b," */
	struct arena *arena;
	struct place *places;
	size_t count, capacity;
	uint32_t folder;      /* being read */
	struct filter period; /* of it: its edges show entries of other months */
};

static bool
is_seen(const struct search *search, struct slice agency)
{
	const char *at = search->agencies;

	while (!search->whole && (at = strchr(at, ',')) != NULL && *++at != '\0')
		if (strncmp(at, (const char *)agency.data, agency.size) == 0 && at[agency.size] == ',')
			return agency.size > 0;
	return search->whole;
}

static int
match(void *context, const struct archive_line *line, struct fault *why)
{
	struct search *search = context;
	struct entry_columns columns;

	arena_reset(search->arena);
	if (entry_read(&columns, line->bytes, search->arena, why) == -1)
		return -1;
	if (!filter_in_time(search->filter, columns.wall_ms) ||
	    !filter_in_time(&search->period, columns.wall_ms) || !filter_matches(search->filter, &columns) ||
	    !is_seen(search, columns.agency))
		return 1;
	if (search->count == search->capacity) {
		const size_t capacity = search->capacity == 0 ? 4096 : 2 * search->capacity;
		struct place *grown = capacity > ARCHIVE_QUERY_ROWS
		                          ? NULL
		                          : reallocarray(search->places, capacity, sizeof *grown);

		if (capacity > ARCHIVE_QUERY_ROWS)
			return fault_set(why, FAULT_TOO_LARGE,
			                 "맞는 항목이 너무 많습니다: 조건을 좁혀 주십시오",
			                 "too many entries match: narrow the filters");
		if (grown == NULL)
			return fault_memory(why);
		search->places = grown;
		search->capacity = capacity;
	}
	search->places[search->count++] =
	    (struct place){columns.wall_ms, line->index, line->offset, search->folder, line->folder};
	return 1;
}

static int
later(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->wall_ms != y->wall_ms)
		return (x->wall_ms > y->wall_ms) - (x->wall_ms < y->wall_ms);
	if (x->folder != y->folder)
		return (x->folder > y->folder) - (x->folder < y->folder);
	if (x->log != y->log)
		return (x->log > y->log) - (x->log < y->log);
	return (x->index > y->index) - (x->index < y->index);
}

/* ---- what may be shown ----------------------------------------------------------------------------------------------- */

static int
scope_ask(struct search *search, struct database *database, struct fault *why)
{
	struct database_rows *rows = NULL;

	if (database_ask(
	        &rows, database,
	        "SELECT haechi.sees_everything(), ',' || array_to_string(haechi.my_agencies(), ',') || ','",
	        0, NULL, why) == -1)
		return -1;
	search->whole = database_bool(rows, 0, 0);
	search->agencies = strdup(database_text(rows, 0, 1));
	database_rows_free(rows);
	return search->agencies == NULL ? fault_memory(why) : 0;
}

/* All the keys the database has. */
static int
keys_ask(struct keyring *keyring, struct database *database, struct fault *why)
{
	struct stored_log *logs = calloc(STORED_LOGS, sizeof *logs);
	struct buffer text;
	size_t count;
	int result = -1;

	buffer_init(&text, KEYRING_LIMIT);
	if (logs == NULL) {
		fault_memory(why);
		goto out;
	}
	if (stored_logs(logs, &count, database, why) == -1)
		goto out;
	for (size_t i = 0; i < count; i++) {
		buffer_reset(&text);
		if (stored_keys(&text, database, logs[i].log_id, why) == -1 ||
		    keyring_add(keyring, buffer_view(&text), why) == -1)
			goto out;
	}
	result = 0;
out:
	buffer_free(&text);
	free(logs);
	return result;
}

static int
folder_check(struct filter *period, const char *folder, const struct keyring *keyring, struct fault *why)
{
	struct bundle_report *bundle = malloc(sizeof *bundle);
	struct arena *arena = arena_new((size_t)4 * 1024 * 1024);
	int result = -1;

	if (bundle == NULL || arena == NULL)
		fault_memory(why);
	else if (bundle_check(bundle, folder, keyring, arena, why) == -1)
		fault_prefix(why, "보관함 %s", "archive %s", folder);
	else if (bundle->kind != MANIFEST_ARCHIVE)
		fault_set(why, FAULT_USAGE, "%s: 보관함이 아닙니다", "%s: not an archive", folder);
	else {
		*period = (struct filter){.has_from = bundle->filter.has_from,
		                          .from_ms = bundle->filter.from_ms,
		                          .has_to = bundle->filter.has_to,
		                          .to_ms = bundle->filter.to_ms};
		result = 0;
	}
	arena_free(arena);
	free(bundle);
	return result;
}

/* ---- giving it out --------------------------------------------------------------------------------------------------- */

/* The line at a place, without its end. */
static int
line_read(struct slice *line, uint8_t bytes[LINE_MOST], const char *folder, const struct place *place,
          struct fault *why)
{
	char path[4096];
	ssize_t size;
	uint8_t *end;
	int file;

	snprintf(path, sizeof path, "%s/logs/%" PRIu32 "/entries.jsonl", folder, place->log);
	if ((file = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return fault_errno(why, "%s", "%s", path);
	size = pread(file, bytes, LINE_MOST, (off_t)place->offset);
	close(file);
	if (size == -1)
		return fault_errno(why, "%s", "%s", path);
	if ((end = memchr(bytes, '\n', (size_t)size)) == NULL)
		return fault_set(why, FAULT_TAMPERED, "%s: 읽는 동안 바뀌었습니다",
		                 "%s: changed while it was read", path);
	*line = slice_of(bytes, (size_t)(end - bytes));
	return 0;
}

static bool
row_make(struct query_row *row, const struct place *place, struct slice bytes, struct arena *arena,
         struct fault *why)
{
	struct entry_columns columns;

	arena_reset(arena);
	if (entry_read(&columns, bytes, arena, why) == -1)
		return false;
	*row = (struct query_row){
	    .origin = arena_text(arena, columns.log),
	    .index = place->index,
	    .wall_ms = columns.wall_ms,
	    .id = arena_text(arena, columns.id),
	    .kind = entry_kind_name(columns.kind),
	    .agency = arena_text(arena, columns.agency),
	    .service = arena_text(arena, columns.service),
	    .subject = arena_text(arena, columns.subject),
	    .key_id = arena_text(arena, columns.key),
	    .request_id = arena_text(arena, columns.request_id),
	    .of = arena_text(arena, columns.of),
	    .usecase = arena_text(arena, columns.usecase),
	    .verdict = arena_text(arena, columns.verdict),
	    .access = arena_text(arena, columns.access),
	    .domain = arena_text(arena, columns.domain),
	    .action = arena_text(arena, columns.action),
	    .model = arena_text(arena, columns.model),
	    .zone = arena_text(arena, columns.zone),
	    .also = arena_text(arena, columns.also),
	    .bytes = bytes,
	};
	if (!arena_ok(arena)) {
		fault_memory(why);
		return false;
	}
	return true;
}

static int
give(struct search *search, const char *const *folders, uint64_t limit, bool ascending, query_seen *seen,
     void *context, uint64_t *count, struct fault *why)
{
	uint8_t *bytes = malloc(LINE_MOST);
	struct slice line;
	int result = -1;

	if (bytes == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < search->count && (limit == 0 || *count < limit); i++) {
		const struct place *place = &search->places[ascending ? i : search->count - 1 - i];
		struct query_row row;

		if (line_read(&line, bytes, folders[place->folder], place, why) == -1 ||
		    !row_make(&row, place, line, search->arena, why))
			goto out;
		++*count;
		if (!seen(context, &row))
			break;
	}
	result = 0;
out:
	free(bytes);
	return result;
}

int
archive_query(struct database *database, const char *const *folders, size_t folder_count,
              const struct keyring *keyring, const struct filter *filter, uint64_t limit, bool ascending,
              query_seen *seen, void *context, uint64_t *count, struct fault *why)
{
	struct search search = {.filter = filter};
	struct keyring *own = calloc(1, sizeof *own);
	uint64_t given = 0;
	int result = -1;

	if (own == NULL || (search.arena = arena_new((size_t)1024 * 1024)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (filter_check(filter, why) == -1 || scope_ask(&search, database, why) == -1)
		goto out;
	if (keyring == NULL) {
		if (keys_ask(own, database, why) == -1)
			goto out;
		keyring = own;
	}
	for (size_t i = 0; i < folder_count; i++) {
		search.folder = (uint32_t)i;
		if (folder_check(&search.period, folders[i], keyring, why) == -1 ||
		    archive_read(folders[i], match, &search, why) == -1)
			goto out;
	}
	if (search.count > 1)
		qsort(search.places, search.count, sizeof *search.places, later);
	result = give(&search, folders, limit, ascending, seen, context, &given, why);
out:
	if (count != NULL)
		*count = given;
	arena_free(search.arena);
	free(search.agencies);
	free(search.places);
	free(own);
	return result;
}
