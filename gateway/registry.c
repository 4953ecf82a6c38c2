#include "gateway/registry.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define KOREA_AHEAD_MS (9 * 3600 * 1000)
#define DAY_MS         (24 * 3600 * 1000)

struct registry {
	atomic_size_t holders;
	struct arena *arena;
	struct policy *policy;       /* held: assessments borrow from it */
	struct registered *usecases; /* by agency, then id */
	size_t usecase_count;
	struct registered_key *keys; /* by id */
	size_t key_count;
	int64_t day;
};

int64_t
registry_today(void)
{
	return (clock_wall_ms() + KOREA_AHEAD_MS) / DAY_MS;
}

static int
compare_usecases(const void *a, const void *b)
{
	const struct registered *left = a, *right = b;
	const int agency = strcmp(left->usecase.agency, right->usecase.agency);

	return agency != 0 ? agency : strcmp(left->usecase.id, right->usecase.id);
}

static int
compare_keys(const void *a, const void *b)
{
	const struct registered_key *left = a, *right = b;

	return strcmp(left->subject.key_id, right->subject.key_id);
}

/* Strings of a JSON array, copied. -1: memory, or not an array of strings. */
static int
take_texts(struct registry *registry, const json_t *list, const char ***texts, size_t *count)
{
	const size_t size = json_array_size(list);

	*count = 0;
	if (size == 0) {
		*texts = NULL;
		return 0;
	}
	if ((*texts = arena_array(registry->arena, size, sizeof **texts)) == NULL)
		return -1;
	for (size_t i = 0; i < size; i++) {
		const char *const text = json_string_value(json_array_get(list, i));

		if (text == NULL || ((*texts)[i] = arena_string(registry->arena, text)) == NULL)
			return -1;
		(*count)++;
	}
	return 0;
}

void
registered_measure(struct usecase *usecase, const struct registered *from)
{
	if (from->review.decisions == 0 ||
	    (from->review.decisions < usecase->reviewer.limits.decisions && usecase->reviewer.decisions >= 0))
		return;
	usecase->reviewer.decisions = from->review.decisions;
	usecase->reviewer.changed = from->review.changed;
	usecase->reviewer.hasty = from->review.hasty;
	usecase->reviewer.median_ms = from->review.median_ms;
}

/* T12: what the review queue measured counts, and what was declared only until enough is measured. */
static void
take_measured(struct registered *place, const json_t *row, const struct config *config)
{
	const json_t *review = json_object_get(row, "review"), *drift = json_object_get(row, "drift");

	place->usecase.reviewer.limits = config->oversight;
	place->review.decisions = json_get_integer(review, "decisions", 0);
	place->review.changed = json_get_integer(review, "changed", 0);
	place->review.hasty = json_get_integer(review, "hasty", 0);
	place->review.median_ms = json_get_integer(review, "median_ms", -1);
	registered_measure(&place->usecase, place);
	place->drift.decisions = json_get_integer(drift, "decisions", 0);
	place->drift.suspected = json_get_integer(drift, "suspected", 0);
	place->drift.certain = json_get_integer(drift, "certain", 0);
	place->drift.often = place->drift.decisions >= config->drift.least &&
	                     (place->drift.certain * 1000 > place->drift.decisions * config->drift.certain ||
	                      (place->drift.suspected + place->drift.certain) * 1000 >
	                          place->drift.decisions * config->drift.suspected);
}

/* What the log last told; of a version it has told nothing of since it was registered, what was said then. */
static void
take_told(struct registered *place, const json_t *row)
{
	const json_t *told = json_object_get(row, "told");
	const char *const verdict =
	    json_get_string(json_object_get(told, "verdict") != NULL ? told : row, "verdict");

	if (verdict == NULL || !verdict_parse(&place->told_verdict, verdict))
		place->told_verdict = place->assessment.verdict;
	place->told_drift = json_get_bool(told, "drift", false);
}

/* One row into the next place of registry->usecases. -1: it is left out. */
static int
take_usecase(struct registry *registry, const json_t *row, const struct config *config, struct fault *why)
{
	struct registered *place = &registry->usecases[registry->usecase_count];
	const json_t *document = json_object_get(row, "document");
	const char *const agency = json_get_string(row, "agency");
	const char *const id = json_get_string(row, "id");
	const char *const digest = json_get_string(row, "digest");

	*place = (struct registered){0};
	if (!json_is_string(document) || agency == NULL || id == NULL)
		return fault_set(why, FAULT_INVALID, "빠진 칸이 있습니다", "a column is missing");
	if (usecase_parse(&place->usecase,
	                  slice_of(json_string_value(document), json_string_length(document)),
	                  registry->arena, why) == -1)
		return -1;
	if (strcmp(place->usecase.agency, agency) != 0 || strcmp(place->usecase.id, id) != 0) {
		usecase_release(&place->usecase);
		return fault_set(why, FAULT_TAMPERED, "문서의 기관이나 이름이 칸과 다릅니다",
		                 "agency or id of the document differ from the columns");
	}
	place->usecase.version = json_get_integer(row, "version", place->usecase.version);
	place->usecase.retired = place->usecase.retired || json_get_bool(row, "retired", false);
	take_measured(place, row, config);
	place->digest = arena_string(registry->arena, digest == NULL ? "" : digest);
	if (policy_assess(registry->policy, &place->usecase, NULL, registry->arena, &place->assessment,
	                  why) == -1) {
		usecase_release(&place->usecase);
		return -1;
	}
	take_told(place, row);
	registry->usecase_count++;
	return 0;
}

static int
take_key(struct registry *registry, const json_t *row, struct fault *why)
{
	struct registered_key *place = &registry->keys[registry->key_count];
	const char *const id = json_get_string(row, "key_id");
	const char *const agency = json_get_string(row, "agency");
	const char *const service = json_get_string(row, "service");
	const char *const hash = json_get_string(row, "hash");
	struct subject *subject = &place->subject;

	*place = (struct registered_key){0};
	if (id == NULL || agency == NULL || service == NULL || hash == NULL ||
	    !hex_decode(place->hash, sizeof place->hash, slice_string(hash)))
		return fault_set(why, FAULT_INVALID, "빠지거나 잘못된 칸이 있습니다",
		                 "a column is missing or malformed");
	*subject = (struct subject){
	    .known = true,
	    .agency = arena_string(registry->arena, agency),
	    .service = arena_string(registry->arena, service),
	    .key_id = arena_string(registry->arena, id),
	    .person = "",
	};
	place->certificate = strlen(id) == 64;
	place->expires_ms = json_get_integer(row, "expires_ms", 0);
	place->revoked = json_get_bool(row, "revoked", true);
	if (take_texts(registry, json_object_get(row, "roles"), &subject->roles, &subject->role_count) ==
	        -1 ||
	    take_texts(registry, json_object_get(row, "usecases"), &subject->usecases,
	               &subject->usecase_count) == -1 ||
	    !arena_ok(registry->arena))
		return fault_set(why, FAULT_INVALID, "역할이나 용도 목록을 읽을 수 없습니다",
		                 "the list of roles or use cases cannot be read");
	registry->key_count++;
	return 0;
}

static int
bind_keys(struct registry *registry, struct fault *why)
{
	for (size_t i = 0; i < registry->key_count; i++) {
		struct registered_key *key = &registry->keys[i];

		if (key->subject.usecase_count == 0)
			continue;
		key->bound = arena_array(registry->arena, key->subject.usecase_count, sizeof *key->bound);
		if (key->bound == NULL)
			return fault_memory(why);
		for (size_t j = 0; j < key->subject.usecase_count; j++)
			key->bound[j] = registry_usecase(registry, key->subject.agency,
			                                 slice_string(key->subject.usecases[j]));
	}
	return 0;
}

int
registry_build(struct registry **out, const json_t *source, const struct policy *policy,
               const struct config *config, struct fault *why)
{
	const json_t *usecases = json_object_get(source, "usecases"), *keys = json_object_get(source, "keys");
	struct registry *registry = calloc(1, sizeof *registry);
	struct fault reason;
	struct policy *held;

	*out = NULL;
	if (registry == NULL)
		return fault_memory(why);
	atomic_init(&registry->holders, 1);
	/* The snapshot's own counter is all that changes in it. */
	memcpy(&held, &policy, sizeof held);
	registry->policy = policy_hold(held);
	registry->day = registry_today();
	if ((registry->arena = arena_new(REGISTRY_SIZE_LIMIT)) == NULL) {
		fault_memory(why);
		goto fail;
	}
	registry->usecases = calloc(json_array_size(usecases) + 1, sizeof *registry->usecases);
	registry->keys = calloc(json_array_size(keys) + 1, sizeof *registry->keys);
	if (registry->usecases == NULL || registry->keys == NULL) {
		fault_memory(why);
		goto fail;
	}
	for (size_t i = 0; i < json_array_size(usecases); i++) {
		const json_t *row = json_array_get(usecases, i);

		if (take_usecase(registry, row, config, &reason) == -1) {
			const char *const id = json_get_string(row, "id");

			fault_prefix(&reason, "용도 %s", "use case %s", id == NULL ? "?" : id);
			log_fault(LOG_LEVEL_ERROR, "registry", "usecase-left-out", &reason);
		}
	}
	for (size_t i = 0; i < json_array_size(keys); i++)
		if (take_key(registry, json_array_get(keys, i), &reason) == -1)
			log_fault(LOG_LEVEL_ERROR, "registry", "key-left-out", &reason);
	qsort(registry->usecases, registry->usecase_count, sizeof *registry->usecases, compare_usecases);
	qsort(registry->keys, registry->key_count, sizeof *registry->keys, compare_keys);
	if (bind_keys(registry, why) == -1)
		goto fail;
	*out = registry;
	return 0;
fail:
	registry_release(registry);
	return -1;
}

struct registry *
registry_hold(struct registry *registry)
{
	atomic_fetch_add_explicit(&registry->holders, 1, memory_order_relaxed);
	return registry;
}

void
registry_release(struct registry *registry)
{
	if (registry == NULL || atomic_fetch_sub_explicit(&registry->holders, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < registry->usecase_count; i++)
		usecase_release(&registry->usecases[i].usecase);
	free(registry->usecases);
	free(registry->keys);
	arena_free(registry->arena);
	policy_release(registry->policy);
	free(registry);
}

const struct registered_key *
registry_key(const struct registry *registry, struct slice key_id)
{
	size_t low = 0, high = registry->key_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = slice_compare(slice_string(registry->keys[middle].subject.key_id), key_id);

		if (order == 0)
			return &registry->keys[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct registered *
registry_usecase(const struct registry *registry, const char *agency, struct slice id)
{
	size_t low = 0, high = registry->usecase_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		int order = strcmp(registry->usecases[middle].usecase.agency, agency);

		if (order == 0)
			order = slice_compare(slice_string(registry->usecases[middle].usecase.id), id);
		if (order == 0)
			return &registry->usecases[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct rule_hit *
registered_rule(const struct registered *registered, const char *prefix)
{
	for (size_t i = 0; i < registered->assessment.rule_count; i++)
		if (strncmp(registered->assessment.rules[i].id, prefix, strlen(prefix)) == 0)
			return &registered->assessment.rules[i];
	return NULL;
}

size_t
registry_usecase_count(const struct registry *registry)
{
	return registry->usecase_count;
}

const struct registered *
registry_usecase_at(const struct registry *registry, size_t index)
{
	return &registry->usecases[index];
}

size_t
registry_key_count(const struct registry *registry)
{
	return registry->key_count;
}

int64_t
registry_day(const struct registry *registry)
{
	return registry->day;
}
