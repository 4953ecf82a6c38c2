#include "policy/annotations.h"
#include "policy/snapshot.h"
#include "schema/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_LIMIT   2048
#define DEPTH_LIMIT   8
#define PATH_SIZE     1024
#define ACTIONS_ARENA ((size_t)4 << 20)

/* The texts of one set, read whole. */
struct sources {
	struct cedar_source *items;
	struct buffer *texts;
	size_t count;
};

static void
sources_free(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		free((void *)(uintptr_t)sources->items[i].name);
		buffer_free(&sources->texts[i]);
	}
	free(sources->items);
	free(sources->texts);
	memset(sources, 0, sizeof *sources);
}

static int
sources_add(struct sources *sources, const char *path, struct fault *why)
{
	struct cedar_source *items;
	struct buffer *texts;

	if (sources->count == FILES_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "정책 파일이 %d개를 넘습니다",
		                 "more than %d policy files", FILES_LIMIT);
	if ((items = realloc(sources->items, (sources->count + 1) * sizeof *items)) == NULL)
		return fault_memory(why);
	sources->items = items;
	if ((texts = realloc(sources->texts, (sources->count + 1) * sizeof *texts)) == NULL)
		return fault_memory(why);
	sources->texts = texts;
	memset(&texts[sources->count], 0, sizeof *texts);
	if (file_read(&texts[sources->count], path, CEDAR_TEXT_LIMIT, why) == -1)
		return -1;
	items[sources->count].text = buffer_view(&texts[sources->count]);
	if ((items[sources->count].name = strdup(path)) == NULL) {
		buffer_free(&texts[sources->count]);
		return fault_memory(why);
	}
	sources->count++;
	return 0;
}

static bool
ends_with(const char *text, const char *suffix)
{
	size_t size = strlen(text), tail = strlen(suffix);

	return size > tail && strcmp(text + size - tail, suffix) == 0;
}

static int
seen(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Every *.cedar below `directory`, in the order of their names. */
static int
sources_read(struct sources *sources, const char *directory, unsigned depth, struct fault *why)
{
	struct dirent **names = NULL;
	int count = scandir(directory, &names, seen, alphasort), result = -1;

	if (count == -1)
		return fault_errno(why, "%s", "%s", directory);
	for (int i = 0; i < count; i++) {
		char path[PATH_SIZE];
		struct stat status;
		int size = snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name);

		if (size < 0 || (size_t)size >= sizeof path || depth > DEPTH_LIMIT) {
			fault_set(why, FAULT_TOO_LARGE, "%s: 경로가 너무 깁니다", "%s: the path is too long",
			          directory);
			goto out;
		}
		if (stat(path, &status) == -1) {
			fault_errno(why, "%s", "%s", path);
			goto out;
		}
		if (S_ISDIR(status.st_mode)
		        ? sources_read(sources, path, depth + 1, why) == -1
		        : ends_with(path, ".cedar") && sources_add(sources, path, why) == -1)
			goto out;
	}
	result = 0;
out:
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return result;
}

/* ---- compiling --------------------------------------------------------------------------------------------------- */

static void
digest_add(crypto_hash_sha256_state *digest, const struct sources *sources, size_t prefix)
{
	for (size_t i = 0; i < sources->count; i++) {
		const char *name = sources->items[i].name + prefix;
		uint8_t size[8];

		crypto_hash_sha256_update(digest, (const uint8_t *)name, strlen(name) + 1);
		for (unsigned k = 0; k < 8; k++)
			size[k] = (uint8_t)((uint64_t)sources->items[i].text.size >> (56 - 8 * k));
		crypto_hash_sha256_update(digest, size, sizeof size);
		crypto_hash_sha256_update(digest, sources->items[i].text.data, sources->items[i].text.size);
	}
}

/* The first error among the notes becomes the fault. */
static int
tell(const struct cedar_notes *notes, struct fault *why)
{
	for (size_t i = 0; i < notes->count; i++) {
		const struct cedar_note *note = &notes->items[i];

		if (note->severity == CEDAR_ERROR)
			return fault_set(why, FAULT_INVALID, "%s:%u:%u: %s%s%s%.0s%.0s%.0s",
			                 "%s:%u:%u: %.0s%.0s%.0s%s%s%s", note->file, note->line, note->column,
			                 note->policy_id != NULL ? note->policy_id : "",
			                 note->policy_id != NULL ? ": " : "", note->ko,
			                 note->policy_id != NULL ? note->policy_id : "",
			                 note->policy_id != NULL ? ": " : "", note->en);
	}
	return notes->errors > 0 ? fault_set(why, FAULT_INVALID, "정책이 스키마에 맞지 않습니다",
	                                     "the policies do not fit the schema")
	                         : 0;
}

/* Parse, validate, look at every annotation; the first complaint becomes the fault. */
static int
compile(struct cedar_policies **out, const struct cedar_source *sources, size_t count,
        const struct cedar_schema *schema, enum annotation_dialect dialect, struct fault *why)
{
	struct cedar_notes notes = {.arena = arena_new((size_t)4 << 20)};
	int result = -1;

	if (notes.arena == NULL)
		return fault_memory(why);
	if (cedar_policies_parse(out, sources, count, CEDAR_IDS_FROM_ANNOTATION, &notes, why) == -1 ||
	    annotations_check(*out, dialect, &notes, why) == -1 || tell(&notes, why) == -1 ||
	    cedar_validate(*out, schema, &notes, why) == -1 || tell(&notes, why) == -1)
		goto out;
	result = 0;
out:
	if (result == -1) {
		cedar_policies_free(*out);
		*out = NULL;
	}
	arena_free(notes.arena);
	return result;
}

static int
take_schema(struct policy *policy, struct cedar_source source, struct fault *why)
{
	if (cedar_schema_parse(&policy->schema, source, NULL, why) == -1)
		return -1;
	if ((policy->arena = arena_new(ACTIONS_ARENA)) == NULL ||
	    (policy->actions = cedar_entities_new(policy->arena, NULL)) == NULL)
		return fault_memory(why);
	if (cedar_entities_add_actions(policy->actions, policy->schema, why) == -1 ||
	    cedar_entities_seal(policy->actions, why) == -1)
		return -1;
	return 0;
}

/* `place` is for the message when there is none. */
static int
take_agency(struct policy *policy, const struct cedar_source *sources, size_t source_count, const char *place,
            struct fault *why)
{
	size_t count;

	if (compile(&policy->agency, sources, source_count, policy->schema, DIALECT_AGENCY, why) == -1)
		return -1;
	if ((count = cedar_policies_count(policy->agency)) == 0)
		return fault_set(why, FAULT_INVALID, "%s: 정책이 하나도 없습니다", "%s: holds no policy",
		                 place);
	if ((policy->meanings = calloc(count, sizeof *policy->meanings)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < count; i++)
		meaning_read(&policy->meanings[i], policy->agency, (uint32_t)i);
	return 0;
}

static bool
date_like(const char *name)
{
	int64_t wall_ms;

	return strlen(name) == 10 && clock_parse(&wall_ms, slice_string(name), true);
}

/* Dates come in ascending order. */
static int
take_layer(struct policy *policy, const char *date, const struct cedar_source *sources, size_t count,
           struct fault *why)
{
	struct layer *layer = &policy->layers[policy->layer_count];

	if (policy->layer_count == LAYERS_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "시행일이 %d개를 넘습니다",
		                 "more than %d dates of the Act", LAYERS_LIMIT);
	memcpy(layer->date, date, 10);
	if (compile(&layer->policies, sources, count, policy->schema, DIALECT_ACT, why) == -1)
		return -1;
	policy->layer_count++; /* from here on policy_release() frees it */
	return 0;
}

static struct policy *
policy_new(struct fault *why)
{
	struct policy *policy = calloc(1, sizeof *policy);

	if (policy == NULL)
		fault_memory(why);
	else
		atomic_init(&policy->holds, 1);
	return policy;
}

/* ---- out of folders ------------------------------------------------------------------------------------------------ */

static int
load_schema(struct policy *policy, const char *path, crypto_hash_sha256_state *digest, struct fault *why)
{
	struct sources sources = {0};
	int result = -1;

	if (sources_add(&sources, path, why) == 0 && sources.items != NULL &&
	    take_schema(policy, sources.items[0], why) == 0) {
		crypto_hash_sha256_update(digest, sources.items[0].text.data, sources.items[0].text.size);
		result = 0;
	}
	sources_free(&sources);
	return result;
}

static int
load_agency(struct policy *policy, const char *directory, crypto_hash_sha256_state *digest, struct fault *why)
{
	struct sources sources = {0};
	int result = -1;

	if (sources_read(&sources, directory, 0, why) == 0 &&
	    take_agency(policy, sources.items, sources.count, directory, why) == 0) {
		digest_add(digest, &sources, strlen(directory));
		result = 0;
	}
	sources_free(&sources);
	return result;
}

static int
load_layer(struct policy *policy, const char *directory, const char *date, crypto_hash_sha256_state *digest,
           struct fault *why)
{
	struct sources sources = {0};
	char path[PATH_SIZE];
	int result = -1;

	snprintf(path, sizeof path, "%s/%s", directory, date);
	if (sources_read(&sources, path, 0, why) == 0 &&
	    take_layer(policy, date, sources.items, sources.count, why) == 0) {
		digest_add(digest, &sources, strlen(directory));
		result = 0;
	}
	sources_free(&sources);
	return result;
}

static int
load_act(struct policy *policy, const char *directory, crypto_hash_sha256_state *digest, struct fault *why)
{
	struct dirent **names = NULL;
	int count = scandir(directory, &names, seen, alphasort), result = -1;

	if (count == -1)
		return fault_errno(why, "%s", "%s", directory);
	for (int i = 0; i < count; i++) {
		if (date_like(names[i]->d_name) &&
		    load_layer(policy, directory, names[i]->d_name, digest, why) == -1)
			goto out;
	}
	if (policy->layer_count == 0) {
		fault_set(why, FAULT_INVALID, "%s: 시행일(YYYY-MM-DD) 폴더가 없습니다",
		          "%s: holds no folder of a date (YYYY-MM-DD)", directory);
		goto out;
	}
	result = 0;
out:
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return result;
}

int
policy_load(struct policy **out, const char *agency_directory, const char *act_directory,
            const char *schema_path, struct fault *why)
{
	struct policy *policy = policy_new(why);
	crypto_hash_sha256_state digest;
	uint8_t hash[crypto_hash_sha256_BYTES];

	*out = NULL;
	if (policy == NULL)
		return -1;
	crypto_hash_sha256_init(&digest);
	if (load_schema(policy, schema_path, &digest, why) == -1 ||
	    load_agency(policy, agency_directory, &digest, why) == -1 ||
	    load_act(policy, act_directory, &digest, why) == -1) {
		policy_release(policy);
		return -1;
	}
	crypto_hash_sha256_final(&digest, hash);
	hex_encode(policy->bundle, hash, sizeof hash);
	*out = policy;
	return 0;
}

/* ---- out of memory -------------------------------------------------------------------------------------------------- */

static bool
begins_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The files from *at on whose paths begin with `prefix` and are policies: *at goes behind them. */
static size_t
files_of(struct cedar_source *sources, const struct policy_file *files, size_t count, const char *prefix)
{
	size_t taken = 0;

	for (size_t i = 0; i < count; i++)
		if (begins_with(files[i].path, prefix) && ends_with(files[i].path, ".cedar"))
			sources[taken++] = (struct cedar_source){files[i].path, files[i].text};
	return taken;
}

static int
load_files(struct policy *policy, const struct policy_file *files, size_t count, struct cedar_source *sources,
           struct fault *why)
{
	const struct policy_file *schema = NULL;
	char prefix[32], date[11] = "";
	size_t taken;

	for (size_t i = 0; i < count; i++)
		if (strcmp(files[i].path, POLICY_FILE_SCHEMA) == 0)
			schema = &files[i];
	if (schema == NULL)
		return fault_set(why, FAULT_INVALID, "%s이(가) 없습니다", "there is no %s",
		                 POLICY_FILE_SCHEMA);
	if (take_schema(policy, (struct cedar_source){schema->path, schema->text}, why) == -1)
		return -1;
	taken = files_of(sources, files, count, POLICY_FILE_AGENCY);
	if (take_agency(policy, sources, taken, POLICY_FILE_AGENCY, why) == -1)
		return -1;
	/* Ascending by path, so dates come in order and together. */
	for (size_t i = 0; i < count; i++) {
		const char *const name = files[i].path + strlen(POLICY_FILE_ACT);

		if (!begins_with(files[i].path, POLICY_FILE_ACT) || strlen(name) < 11 || name[10] != '/' ||
		    strncmp(name, date, 10) == 0)
			continue;
		snprintf(date, sizeof date, "%.10s", name);
		snprintf(prefix, sizeof prefix, "%s%s/", POLICY_FILE_ACT, date);
		if (!date_like(date))
			return fault_set(why, FAULT_INVALID, "%s: 시행일(YYYY-MM-DD)이 아닙니다",
			                 "%s: not a date (YYYY-MM-DD)", prefix);
		taken = files_of(sources, files, count, prefix);
		if (take_layer(policy, date, sources, taken, why) == -1)
			return -1;
	}
	return policy->layer_count > 0
	           ? 0
	           : fault_set(why, FAULT_INVALID, "%s: 시행일(YYYY-MM-DD) 폴더가 없습니다",
	                       "%s: holds no folder of a date (YYYY-MM-DD)", POLICY_FILE_ACT);
}

int
policy_load_files(struct policy **out, const struct policy_file *files, size_t count, const char *digest,
                  struct fault *why)
{
	struct policy *policy = policy_new(why);
	struct cedar_source *sources = calloc(count + 1, sizeof *sources);
	int result = -1;

	*out = NULL;
	if (policy == NULL)
		goto out;
	if (sources == NULL) {
		fault_memory(why);
		goto out;
	}
	snprintf(policy->bundle, sizeof policy->bundle, "%s", digest);
	if (load_files(policy, files, count, sources, why) == -1)
		goto out;
	*out = policy;
	policy = NULL;
	result = 0;
out:
	policy_release(policy);
	free(sources);
	return result;
}

struct policy *
policy_hold(struct policy *policy)
{
	atomic_fetch_add_explicit(&policy->holds, 1, memory_order_relaxed);
	return policy;
}

void
policy_release(struct policy *policy)
{
	if (policy == NULL || atomic_fetch_sub_explicit(&policy->holds, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < policy->layer_count; i++)
		cedar_policies_free(policy->layers[i].policies);
	cedar_policies_free(policy->agency);
	cedar_schema_free(policy->schema);
	arena_free(policy->arena);
	free(policy->meanings);
	free(policy);
}

const char *
policy_bundle(const struct policy *policy)
{
	return policy->bundle;
}

size_t
policy_count(const struct policy *policy)
{
	size_t count = cedar_policies_count(policy->agency);

	for (size_t i = 0; i < policy->layer_count; i++)
		count += cedar_policies_count(policy->layers[i].policies);
	return count;
}
