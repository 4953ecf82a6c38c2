#include "policy/detect/identifiers.h"
#include "policy/detect/normalise.h"
#include "policy/detect/signals.h"

#include <stdlib.h>

struct detector {
	struct words *words;
	struct normal normal;
	struct scene scene;
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

int
detector_scan(struct detector *detector, struct slice text, uint32_t part, struct arena *arena,
              struct detection *out, struct fault *why)
{
	if (scan(detector, text, part, arena, out, why) == -1)
		return -1;
	return signals_find(&detector->normal, detector->scene.hits, detector->scene.hit_count, arena, out,
	                    why);
}

int
detector_identify(struct detector *detector, struct slice text, struct arena *arena, struct detection *out,
                  struct fault *why)
{
	return scan(detector, text, 0, arena, out, why);
}
