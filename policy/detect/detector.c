#include "policy/detect/identifiers.h"
#include "policy/detect/normalise.h"
#include "policy/detect/passages.h"
#include "policy/detect/signals.h"

#include <stdlib.h>
#include <string.h>

struct detector {
	struct words *words;
	struct normal normal;
	struct scene scene;
	struct buffer decoded; /* of the passage at hand */
};

int
detector_open(struct detector **out, struct fault *why)
{
	struct detector *detector = calloc(1, sizeof *detector);

	if (detector == NULL)
		return fault_memory(why);
	if (words_open(&detector->words, why) == -1) {
		free(detector);
		return -1;
	}
	buffer_init(&detector->decoded, PASSAGE_SIZE_LIMIT);
	*out = detector;
	return 0;
}

void
detector_close(struct detector *detector)
{
	if (detector == NULL)
		return;
	words_close(detector->words);
	normal_free(&detector->normal);
	scene_free(&detector->scene);
	buffer_wipe(&detector->decoded);
	free(detector);
}

/* Normal text, words, identifiers; what both kinds of scan begin with. */
static int
scan(struct detector *detector, struct slice text, uint32_t part, struct arena *arena, struct detection *out,
     struct fault *why)
{
	struct scene *scene = &detector->scene;

	*out = (struct detection){0};
	if (normal_make(&detector->normal, text, why) == -1)
		return -1;
	scene->text = slice_of(detector->normal.text, detector->normal.size);
	if (words_find(detector->words, scene->text, &scene->hits, &scene->hit_count, why) == -1 ||
	    identifiers_find(scene, why) == -1)
		return -1;
	if (scene->candidate_count == 0)
		return 0;
	if ((out->findings = arena_array(arena, scene->candidate_count, sizeof *out->findings)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < scene->candidate_count; i++) {
		const struct candidate *candidate = &scene->candidates[i];
		struct finding *finding = &out->findings[out->finding_count++];

		finding->kind = candidate->kind;
		finding->part = part;
		finding->confidence = candidate->confidence;
		normal_locate(&detector->normal, candidate->start, candidate->end, &finding->start,
		              &finding->end);
	}
	return 0;
}

/* Findings and signals of a decoded passage count where it stands in the text. */
static int
passage_merge(struct detection *out, struct detection *inner, size_t start, size_t end, struct arena *arena,
              struct fault *why)
{
	struct finding *findings;
	size_t at = 0;

	for (size_t i = 0; i < inner->signal_count; i++) {
		inner->signals[i].start = start;
		inner->signals[i].end = end;
	}
	/* The louder opinion stands: a decoy around a hidden demand must not hide it, nor the other way. */
	if (inner->signal_count > 0 &&
	    (out->signal_count == 0 || inner->signals[0].score > out->signals[0].score)) {
		out->signals = inner->signals;
		out->signal_count = inner->signal_count;
	}
	out->high_impact |= inner->high_impact;
	if (inner->finding_count == 0)
		return 0;
	findings = arena_array(arena, out->finding_count + inner->finding_count, sizeof *findings);
	if (findings == NULL)
		return fault_memory(why);
	/* What lay across the passage in the outer text was an accident of its letters. */
	while (at < out->finding_count && out->findings[at].end <= start)
		at++;
	if (at > 0)
		memcpy(findings, out->findings, at * sizeof *findings);
	/* One finding for the passage: it can only be masked whole; the most confident gives the kind. */
	findings[at] = inner->findings[0];
	for (size_t i = 1; i < inner->finding_count; i++) {
		if (inner->findings[i].confidence > findings[at].confidence)
			findings[at] = inner->findings[i];
	}
	findings[at].start = start;
	findings[at].end = end;
	inner->finding_count = at + 1;
	for (; at < out->finding_count; at++) {
		if (out->findings[at].start >= end)
			findings[inner->finding_count++] = out->findings[at];
	}
	out->findings = findings;
	out->finding_count = inner->finding_count;
	return 0;
}

static int
passages_scan(struct detector *detector, struct slice text, uint32_t part, struct arena *arena,
              struct detection *out, struct fault *why)
{
	size_t at = 0, start, end;

	for (unsigned count = 0;
	     count < PASSAGES_LIMIT && passage_next(text, &at, &start, &end, &detector->decoded); count++) {
		struct detection inner;

		if (scan(detector, buffer_view(&detector->decoded), part, arena, &inner, why) == -1 ||
		    signals_find(&detector->normal, detector->scene.hits, detector->scene.hit_count, arena,
		                 &inner, why) == -1 ||
		    passage_merge(out, &inner, start, end, arena, why) == -1)
			return -1;
	}
	return 0;
}

int
detector_scan(struct detector *detector, struct slice text, uint32_t part, struct arena *arena,
              struct detection *out, struct fault *why)
{
	if (scan(detector, text, part, arena, out, why) == -1)
		return -1;
	if (signals_find(&detector->normal, detector->scene.hits, detector->scene.hit_count, arena, out,
	                 why) == -1)
		return -1;
	return passages_scan(detector, text, part, arena, out, why);
}

int
detector_identify(struct detector *detector, struct slice text, struct arena *arena, struct detection *out,
                  struct fault *why)
{
	return scan(detector, text, 0, arena, out, why);
}
