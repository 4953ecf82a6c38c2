#include "policy/detect/identifiers.h"

#include <stdlib.h>
#include <string.h>

#define NEAR_BYTES   72  /* before an identifier: some twenty syllables */
#define BEHIND_BYTES 28  /* behind it: "(주민등록번호)" */
#define FAR_BYTES    320 /* some sentences before */

void
scene_add(struct scene *scene, enum identifier_kind kind, size_t start, size_t end, int confidence)
{
	if (confidence < 100)
		return; /* nothing anybody would want to see */
	if (scene->candidate_count == scene->candidate_capacity) {
		size_t capacity = scene->candidate_capacity == 0 ? 64 : scene->candidate_capacity * 2;
		struct candidate *candidates = realloc(scene->candidates, capacity * sizeof *candidates);

		if (candidates == NULL) {
			scene->failed = true;
			return;
		}
		scene->candidates = candidates;
		scene->candidate_capacity = capacity;
	}
	scene->candidates[scene->candidate_count++] = (struct candidate){
	    kind, (uint32_t)start, (uint32_t)end, (uint16_t)(confidence > 1000 ? 1000 : confidence)};
}

static bool
line_between(const struct scene *scene, size_t from, size_t to)
{
	return from < to && memchr(scene->text.data + from, '\n', to - from) != NULL;
}

size_t
hit_after(const struct scene *scene, size_t at)
{
	size_t low = 0, high = scene->hit_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (scene->hits[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct word_hit *
region_before(const struct scene *scene, size_t at, size_t gap)
{
	for (size_t i = hit_after(scene, at); i-- > 0 && scene->hits[i].end + gap >= at;) {
		if (scene->hits[i].word->class == WORD_REGION)
			return &scene->hits[i];
	}
	return NULL;
}

enum naming
naming_of(const struct scene *scene, enum identifier_kind kind, size_t start, size_t end)
{
	size_t behind = hit_after(scene, start);
	const struct word_hit *nearest = NULL;
	enum naming naming = NAMING_NONE;

	/* "900101-1990006 (주민번호)" */
	for (size_t i = hit_after(scene, end);
	     i < scene->hit_count && scene->hits[i].start < end + BEHIND_BYTES; i++) {
		const struct word_hit *hit = &scene->hits[i];

		if (hit->word->class == WORD_KIND && hit->word->kind == kind && hit->start >= end &&
		    hit->start < end + 3 && end < scene->text.size &&
		    (scene->text.data[end] == '(' || scene->text.data[end] == ' '))
			return NAMING_NEAR;
	}
	for (size_t i = behind; i-- > 0 && scene->hits[i].end + FAR_BYTES > start;) {
		const struct word_hit *hit = &scene->hits[i];

		if (hit->word->class != WORD_KIND && hit->word->class != WORD_DECOY)
			continue;
		/* Of words that overlap the longest speaks: "법인카드" is a card, not a corporation. */
		if (nearest == NULL ||
		    (hit->end > nearest->start && hit->end - hit->start > nearest->end - nearest->start))
			nearest = hit;
		else if (hit->word->class == WORD_KIND && hit->word->kind == kind &&
		         hit->end <= nearest->start)
			naming = NAMING_FAR;
	}
	if (nearest == NULL)
		return NAMING_NONE;
	if (nearest->word->class == WORD_KIND && nearest->word->kind == kind)
		return nearest->end + NEAR_BYTES > start ? NAMING_NEAR : NAMING_FAR;
	if (nearest->end + NEAR_BYTES > start && !line_between(scene, nearest->end, start))
		return nearest->word->class == WORD_DECOY ? NAMING_DECOY
		       : naming == NAMING_FAR             ? NAMING_FAR
		                                          : NAMING_OTHER;
	return naming;
}

static int
by_start(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->confidence > right->confidence ? -1 : left->confidence < right->confidence;
}

/* Of candidates that overlap, the more confident stands; of equals the longer. */
static bool
stronger(const struct candidate *a, const struct candidate *b)
{
	if (a->confidence != b->confidence)
		return a->confidence > b->confidence;
	return a->end - a->start > b->end - b->start;
}

int
identifiers_find(struct scene *scene, struct fault *why)
{
	size_t kept = 0;

	scene->candidate_count = 0;
	scene->failed = false;
	numbers_find(scene);
	tokens_find(scene);
	addresses_find(scene);
	if (scene->failed)
		return fault_memory(why);
	if (scene->candidate_count > 1)
		qsort(scene->candidates, scene->candidate_count, sizeof *scene->candidates, by_start);
	for (size_t i = 0; i < scene->candidate_count; i++) {
		struct candidate *candidate = &scene->candidates[i];

		if (kept > 0 && candidate->start < scene->candidates[kept - 1].end) {
			/* One that is longer and stronger may push out several behind each other. */
			if (!stronger(candidate, &scene->candidates[kept - 1]))
				continue;
			while (kept > 0 && candidate->start < scene->candidates[kept - 1].end &&
			       stronger(candidate, &scene->candidates[kept - 1]))
				kept--;
			if (kept > 0 && candidate->start < scene->candidates[kept - 1].end)
				continue;
		}
		scene->candidates[kept++] = *candidate;
	}
	scene->candidate_count = kept;
	return 0;
}

void
scene_free(struct scene *scene)
{
	free(scene->digits);
	free(scene->candidates);
	scene->digits = NULL;
	scene->candidates = NULL;
	scene->digit_capacity = scene->candidate_capacity = 0;
}
