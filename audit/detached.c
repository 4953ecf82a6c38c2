#include "audit/detached.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)128 * 1024 * 1024)

struct detached {
	struct arena *arena;
	struct archive *archives;
	bool *seen;
	size_t count;
	/* of the log that was begun: all runs of all its archives, ascending */
	struct selection_run *runs;
	size_t run_count, at;
};

int
detached_open(struct detached **out, const struct archive **wrong, struct database *database,
              const struct keyring *keyring, struct fault *why)
{
	struct detached *detached = calloc(1, sizeof *detached);
	struct arena *scratch = arena_new((size_t)1024 * 1024);
	int result = -1;

	*wrong = NULL;
	if (detached == NULL || scratch == NULL || (detached->arena = arena_new(ARENA_LIMIT)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (archive_list(&detached->archives, &detached->count, database, true, detached->arena, why) == -1) {
		result = why->kind == FAULT_TAMPERED ? 1 : -1;
		goto out;
	}
	if ((detached->seen = calloc(detached->count + 1, sizeof *detached->seen)) == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < detached->count; i++) {
		arena_reset(scratch);
		if (archive_believe(&detached->archives[i], keyring, scratch, why) == 0)
			continue;
		*wrong = &detached->archives[i];
		result = why->kind == FAULT_MEMORY ? -1 : 1;
		goto out;
	}
	result = 0;
out:
	arena_free(scratch);
	if (result == -1) {
		detached_close(detached);
		detached = NULL;
	}
	*out = detached;
	return result;
}

void
detached_close(struct detached *detached)
{
	if (detached == NULL)
		return;
	arena_free(detached->arena);
	free(detached->seen);
	free(detached->runs);
	free(detached);
}

static int
ascending(const void *a, const void *b)
{
	const struct selection_run *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

int
detached_log(struct detached *detached, int64_t log_id, struct fault *why)
{
	size_t room = 0;

	detached->at = detached->run_count = 0;
	for (size_t i = 0; i < detached->count; i++)
		if (detached->archives[i].log_id == log_id)
			room += detached->archives[i].run_count;
	free(detached->runs);
	if ((detached->runs = calloc(room + 1, sizeof *detached->runs)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < detached->count; i++) {
		const struct archive *archive = &detached->archives[i];

		if (archive->log_id != log_id)
			continue;
		memcpy(detached->runs + detached->run_count, archive->runs,
		       archive->run_count * sizeof *archive->runs);
		detached->run_count += archive->run_count;
	}
	qsort(detached->runs, detached->run_count, sizeof *detached->runs, ascending);
	return 0;
}

bool
detached_covers(struct detached *detached, uint64_t index, uint64_t *count)
{
	while (detached->at < detached->run_count &&
	       detached->runs[detached->at].first + detached->runs[detached->at].count <= index)
		detached->at++;
	if (detached->at == detached->run_count || detached->runs[detached->at].first > index)
		return false;
	*count = detached->runs[detached->at].first + detached->runs[detached->at].count - index;
	return true;
}

const struct archive *
detached_otherwise(const struct detached *detached, const char *origin, const char *month,
                   const char *manifest)
{
	const struct archive *other = NULL;

	for (size_t i = 0; i < detached->count; i++) {
		const struct archive *archive = &detached->archives[i];

		if (strcmp(archive->origin, origin) != 0 || strcmp(archive->month, month) != 0)
			continue;
		if (strcmp(archive->manifest, manifest) == 0)
			return NULL;
		other = archive;
	}
	return other;
}

bool
detached_seen(struct detached *detached, const char *manifest)
{
	bool found = false;

	for (size_t i = 0; i < detached->count; i++)
		if (strcmp(detached->archives[i].manifest, manifest) == 0)
			found = detached->seen[i] = true;
	return found;
}

void
detached_count(const struct detached *detached, uint64_t *seen, uint64_t *unseen)
{
	*seen = *unseen = 0;
	for (size_t i = 0; i < detached->count; i++)
		*(detached->seen[i] ? seen : unseen) += detached->archives[i].entries;
}
