#include "audit/migrate.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS_LIMIT 1000
#define FILE_LIMIT  (1024 * 1024)
#define LOCK        "SELECT pg_advisory_xact_lock(hashtextextended('haechi.migrate', 0))"

static int
is_step(const struct dirent *entry)
{
	const char *name = entry->d_name;
	const size_t size = strlen(name);

	return strspn(name, "0123456789") == 4 && name[4] == '_' && size > 9 &&
	       strcmp(name + size - 4, ".sql") == 0;
}

static int
step_read(struct migrate_step *step, struct buffer *sql, const char *directory, const char *name,
          struct fault *why)
{
	char path[PATH_MAX];
	unsigned char digest[crypto_hash_sha256_BYTES];

	if (strlen(name) >= sizeof step->name ||
	    snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
		return fault_set(why, FAULT_INVALID, "파일 이름이 너무 깁니다: %s", "file name too long: %s",
		                 name);
	buffer_free(sql); /* of the file before */
	if (file_read(sql, path, FILE_LIMIT, why) == -1)
		return -1;
	memset(step, 0, sizeof *step);
	step->number = atoi(name);
	strcpy(step->name, name);
	crypto_hash_sha256(digest, sql->data, sql->size);
	hex_encode(step->digest, digest, sizeof digest);
	if (buffer_text(sql) == NULL || strlen((const char *)sql->data) != sql->size)
		return fault_set(why, FAULT_INVALID, "%s: SQL 글이 아닙니다", "%s: not SQL text", name);
	return 0;
}

/* The newest number applied and, when `number` is among them, its digest; both "" and 0 in an empty database. */
static int
recorded(struct database *database, int number, int *newest, char digest[65], struct fault *why)
{
	struct database_rows *rows = NULL;
	char text[16];
	const char *parameters[] = {text};
	bool there;

	*newest = 0;
	digest[0] = '\0';
	if (database_ask(&rows, database, "SELECT to_regclass('haechi.migration') IS NOT NULL", 0, NULL,
	                 why) == -1)
		return -1;
	there = database_bool(rows, 0, 0);
	database_rows_free(rows);
	if (!there)
		return 0;
	snprintf(text, sizeof text, "%d", number);
	if (database_ask(
	        &rows, database,
	        "SELECT max(number), max(digest) FILTER (WHERE number = $1::integer) FROM haechi.migration",
	        1, parameters, why) == -1)
		return -1;
	*newest = (int)database_integer(rows, 0, 0);
	snprintf(digest, 65, "%s", database_text(rows, 0, 1));
	database_rows_free(rows);
	return 0;
}

static int
step_apply(struct database *database, struct migrate_step *step, const char *sql, struct fault *why)
{
	struct database_rows *rows = NULL;
	const char *parameters[3];
	char number[16], digest[65];
	struct fault ignored;
	int newest;

	snprintf(number, sizeof number, "%d", step->number);
	parameters[0] = number;
	parameters[1] = step->name;
	parameters[2] = step->digest;
	if (database_run(database, "BEGIN", why) == -1)
		return -1;
	if (database_run(database, LOCK, why) == -1 ||
	    recorded(database, step->number, &newest, digest, why) == -1)
		goto undo;
	if (digest[0] != '\0' && strcmp(digest, step->digest) != 0) {
		fault_set(why, FAULT_TAMPERED,
		          "%s: 적용된 뒤에 파일이 바뀌었습니다 (적용 %.16s…, 지금 %.16s…)",
		          "%s: the file was changed after it was applied (applied %.16s..., now %.16s...)",
		          step->name, digest, step->digest);
		goto undo;
	}
	if (digest[0] == '\0' && newest >= step->number) {
		fault_set(why, FAULT_CONFLICT, "%s: 더 새로운 %d번이 이미 적용되어 있습니다",
		          "%s: the newer number %d is applied already", step->name, newest);
		goto undo;
	}
	if (digest[0] == '\0') {
		if (database_run(database, sql, why) == -1 ||
		    database_run(database, "SET LOCAL ROLE haechi_owner", why) == -1 ||
		    database_ask(
		        &rows, database,
		        "INSERT INTO haechi.migration (number, name, digest) VALUES ($1::integer, $2, $3)", 3,
		        parameters, why) == -1) {
			fault_prefix(why, "%s", "%s", step->name);
			goto undo;
		}
		database_rows_free(rows);
		step->applied = true;
	}
	return database_run(database, "COMMIT", why);
undo:
	newest = database_run(database, "ROLLBACK",
	                      &ignored); /* failing, the connection is gone and the transaction with it */
	(void)newest;
	return -1;
}

int
migrate(struct database *database, const char *directory,
        void (*seen)(void *context, const struct migrate_step *step), void *context, struct fault *why)
{
	struct dirent **names = NULL;
	struct migrate_step step;
	struct buffer sql;
	char digest[65];
	int count, newest, result = -1;

	buffer_init(&sql, FILE_LIMIT + 1);
	count = scandir(directory, &names, is_step, alphasort);
	if (count == -1) {
		fault_errno(why, "%s", "%s", directory);
		goto out;
	}
	if (count == 0 || count > STEPS_LIMIT) {
		fault_set(why, FAULT_NOT_FOUND, "%s: NNNN_이름.sql 파일이 없습니다",
		          "%s: no files NNNN_name.sql", directory);
		goto out;
	}
	if (recorded(database, 0, &newest, digest, why) == -1)
		goto out;
	if (newest > count) {
		fault_set(why, FAULT_CONFLICT, "데이터베이스(%d번)가 이 프로그램(%d번)보다 새롭습니다",
		          "the database (number %d) is newer than this program (number %d)", newest, count);
		goto out;
	}
	for (int i = 0; i < count; i++) {
		if (step_read(&step, &sql, directory, names[i]->d_name, why) == -1)
			goto out;
		if (step.number != i + 1) {
			fault_set(why, FAULT_CONFLICT, "%s: %d번이 없거나 겹칩니다",
			          "%s: number %d is missing or doubled", step.name, i + 1);
			goto out;
		}
		if (step_apply(database, &step, buffer_text(&sql), why) == -1)
			goto out;
		if (seen != NULL)
			seen(context, &step);
	}
	result = 0;
out:
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	buffer_free(&sql);
	return result;
}

int
migrate_directory(char *out, size_t size, struct fault *why)
{
	/* build/haechi, build/VARIANT/haechi, build/VARIANT/tests/test_x, PREFIX/bin/haechi */
	static const char *const places[] = {"../schema/sql", "../../schema/sql", "../../../schema/sql",
	                                     "../share/haechi/sql"};
	char program[PATH_MAX];
	const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
	struct stat status;
	char *slash;

	if (length == -1)
		return fault_errno(why, "/proc/self/exe", "/proc/self/exe");
	program[length] = '\0';
	slash = strrchr(program, '/');
	*slash = '\0';
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		if (snprintf(out, size, "%s/%s", program, places[i]) < (int)size && stat(out, &status) == 0 &&
		    S_ISDIR(status.st_mode))
			return 0;
	}
	return fault_set(why, FAULT_NOT_FOUND, "SQL 파일을 찾을 수 없습니다: --sql 로 폴더를 알려 주십시오",
	                 "the SQL files cannot be found: name their folder with --sql");
}
