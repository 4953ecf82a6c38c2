#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/registry.h"
#include "gateway/steps/steps.h"
#include "schema/base/clock.h"

/* What one text showed, into the facts. */
static void
add_detection(struct exchange *x, const struct detection *detection)
{
	for (size_t i = 0; i < detection->finding_count; i++) {
		const struct finding *finding = &detection->findings[i];

		if (finding->confidence < FINDING_CONFIDENT)
			continue;
		x->found[finding->kind]++;
		x->facts.found_kinds |= 1u << finding->kind;
	}
	for (size_t i = 0; i < detection->signal_count; i++)
		x->facts.signal_domains |= 1u << detection->signals[i].domain;
	if (x->registered != NULL) {
		struct drift_evidence evidence = {0};
		const enum drift drift =
		    detection_drift_evidence(detection, &x->registered->usecase, &evidence);

		/* The smaller is the stricter. */
		if (drift < x->facts.drift) {
			x->facts.drift = drift;
			x->drift_evidence = evidence;
		}
	}
}

enum step_result
classify(struct exchange *x)
{
	struct policy_facts *facts = &x->facts;

	facts->subject = &x->subject;
	facts->usecase = x->registered == NULL ? NULL : &x->registered->usecase;
	facts->verdict = x->registered == NULL ? VERDICT_UNDETERMINED : x->registered->assessment.verdict;
	facts->drift = DRIFT_NONE;
	x->declared = x->registered == NULL ? GRADE_C : x->registered->usecase.grade;
	facts->grade = x->declared;
	facts->action = openai_action(x->kind);
	facts->model = "";
	facts->engine_zone = "";
	facts->zone_grade = GRADE_O;
	facts->wall_ms = clock_wall_ms();
	if (x->early_reason != NULL || x->request == NULL)
		return GO_ON;
	facts->streaming = x->request->stream;
	/* Names of models nobody serves are the client's words: they stay out of evidence. */
	if ((x->route = config_route(x->view->config, x->request->model)) != NULL) {
		facts->model = x->route->model;
		facts->engine_zone = x->route->engine->zone;
		facts->zone_grade = x->route->engine->zone_grade;
	}
	if (x->request->text_count == 0)
		return GO_ON;
	x->detections = arena_array(x->arena, x->request->text_count, sizeof *x->detections);
	if (x->detections == NULL) {
		fault_memory(&x->why);
		return REFUSE;
	}
	for (size_t i = 0; i < x->request->text_count; i++) {
		if (detector_scan(x->bench->detector, x->request->texts[i].text, (uint32_t)i, x->arena,
		                  &x->detections[i], &x->why) == -1)
			return REFUSE;
		add_detection(x, &x->detections[i]);
	}
	facts->grade = grade_raise(x->declared, facts->found_kinds);
	return GO_ON;
}
