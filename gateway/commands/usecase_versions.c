#include "gateway/commands/usecase_versions.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)1 << 30)

struct version {
	struct version *next;
	struct usecase usecase;
};

struct usecase_versions {
	struct database *database;
	struct arena *arena;
	struct version *first;
};

int
usecase_versions_open(struct usecase_versions **out, struct database *database, struct fault *why)
{
	struct usecase_versions *versions = calloc(1, sizeof *versions);

	*out = NULL;
	if (versions == NULL || (versions->arena = arena_new(ARENA_LIMIT)) == NULL) {
		free(versions);
		return fault_memory(why);
	}
	versions->database = database;
	*out = versions;
	return 0;
}

void
usecase_versions_close(struct usecase_versions *versions)
{
	if (versions == NULL)
		return;
	for (struct version *at = versions->first; at != NULL; at = at->next)
		usecase_release(&at->usecase);
	arena_free(versions->arena);
	free(versions);
}

/* The row's document, as the registry took it: the columns rule over version and retirement. */
static int
take(struct usecase_versions *versions, const struct database_rows *rows, const char *id, int64_t number,
     const struct usecase **out, struct fault *why)
{
	const struct slice document = database_field(rows, 0, 0);
	struct version *version = arena_alloc(versions->arena, sizeof *version);
	uint8_t hash[crypto_hash_sha256_BYTES];
	char hex[65];

	if (version == NULL)
		return fault_memory(why);
	crypto_hash_sha256(hash, document.data, document.size);
	hex_encode(hex, hash, sizeof hash);
	if (strcmp(hex, database_text(rows, 0, 1)) != 0)
		return fault_set(why, FAULT_TAMPERED, "용도 %s 판 %" PRId64 ": 문서가 등록된 해시와 다릅니다",
		                 "use case %s version %" PRId64 ": the document is not the one registered",
		                 id, number);
	if (usecase_parse(&version->usecase, document, versions->arena, why) == -1)
		return -1;
	version->usecase.version = number;
	version->usecase.retired = version->usecase.retired || database_bool(rows, 0, 2);
	version->next = versions->first;
	versions->first = version;
	*out = &version->usecase;
	return 0;
}

int
usecase_versions_find(struct usecase_versions *versions, const char *agency, const char *id, int64_t number,
                      const struct usecase **out, struct fault *why)
{
	struct database_rows *rows = NULL;
	char text[24];
	const char *const parameters[] = {agency, id, text};
	int result = -1;

	for (const struct version *at = versions->first; at != NULL; at = at->next) {
		if (at->usecase.version == number && strcmp(at->usecase.id, id) == 0 &&
		    strcmp(at->usecase.agency, agency) == 0) {
			*out = &at->usecase;
			return 0;
		}
	}
	snprintf(text, sizeof text, "%" PRId64, number);
	if (database_ask(&rows, versions->database,
	                 "SELECT document, digest, retired FROM haechi.usecase"
	                 " WHERE agency = $1 AND id = $2 AND version = $3::bigint",
	                 3, parameters, why) == -1)
		return -1;
	if (database_count(rows) == 0)
		fault_set(why, FAULT_NOT_FOUND, "용도 %s 판 %" PRId64 "이(가) 없습니다 (기관 %s)",
		          "there is no use case %s version %" PRId64 " (agency %s)", id, number, agency);
	else
		result = take(versions, rows, id, number, out, why);
	database_rows_free(rows);
	return result;
}
