#include <string.h>

#include "gateway/bench.h"
#include "gateway/deciding.h"
#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/review.h"
#include "gateway/shadow.h"
#include "gateway/steps/masking.h"
#include "gateway/steps/steps.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

/* The gateway's own denial, in the policy's form. */
static enum step_result
deny_early(struct exchange *x)
{
	struct policy_reason *reason = arena_alloc(x->arena, sizeof *reason);

	if (reason == NULL) {
		fault_memory(&x->why);
		return REFUSE;
	}
	*reason = (struct policy_reason){
	    .id = x->early_reason,
	    .law = "",
	    .title_ko = "게이트웨이",
	    .title_en = "gateway",
	    .message_ko = x->early.ko,
	    .message_en = x->early.en,
	};
	x->decision = (struct decision){.access = ACCESS_DENY, .reasons = reason, .reason_count = 1};
	snprintf(x->decision.bundle, sizeof x->decision.bundle, "%s", policy_bundle(x->view->policy));
	return GO_ON;
}

/* Replace what was found of these kinds in every text. -1: it could not be, and the request must not go on. */
static int
mask_texts(struct exchange *x, uint32_t kinds)
{
	struct buffer masked;
	int result = masking_open(x, &x->why);

	buffer_init(&masked, 2 * x->view->config->openai.text_bytes + 4096);
	for (size_t i = 0; result == 0 && i < x->request->text_count; i++) {
		const struct detection *detection = &x->detections[i];
		bool any = false;

		for (size_t j = 0; j < detection->finding_count; j++)
			any |= detection->findings[j].confidence >= FINDING_CONFIDENT &&
			       (kinds >> detection->findings[j].kind & 1) != 0;
		if (!any)
			continue;
		buffer_reset(&masked);
		detection_mask(&masked, x->request->texts[i].text, detection->findings,
		               detection->finding_count, kinds, x->redaction);
		if (!buffer_ok(&masked))
			result = fault_set(&x->why, FAULT_TOO_LARGE, "가린 글이 너무 깁니다",
			                   "the masked text is too long");
		else
			result = openai_mask(x->request, i, buffer_view(&masked), &x->why);
	}
	buffer_wipe(&masked);
	return result;
}

/* Offsets moved with the masks: look again before anything more is masked. */
static int
scan_again(struct exchange *x)
{
	for (size_t i = 0; i < x->request->text_count; i++)
		if (detector_scan(x->bench->detector, x->request->texts[i].text, (uint32_t)i, x->arena,
		                  &x->detections[i], &x->why) == -1)
			return -1;
	return 0;
}

/* The content as it came, before anything is masked in it. */
static int
keep_content(struct exchange *x)
{
	struct buffer content;

	buffer_init(&content, 4 * x->view->config->openai.body_bytes + 4096);
	openai_content(&content, x->request);
	x->content = arena_slice(x->arena, buffer_view(&content));
	buffer_wipe(&content);
	return x->content.data == NULL ? fault_memory(&x->why) : 0;
}

/* Mask, and look again: offsets moved. FAULT_UNSUPPORTED only for what cannot be masked. */
static int
mask(void *owner, uint32_t kinds, struct fault *why)
{
	struct exchange *x = owner;
	const int result = mask_texts(x, kinds) == -1 ? -1 : scan_again(x);

	*why = x->why;
	return result;
}

static enum step_result
ask_policy(struct exchange *x)
{
	struct policy_facts begun;
	struct fault why = {0};

	if (keep_content(x) == -1)
		return REFUSE;
	if (x->ticket != NULL)
		review_facts(x->ticket, &x->facts);
	begun = x->facts;
	if (deciding_run(x->view->policy, &x->facts, mask, x, &x->masked_kinds, x->arena, &x->decision,
	                 &why) == -1) {
		x->why = why;
		if (why.kind != FAULT_UNSUPPORTED)
			return REFUSE;
		/* A name or a number that cannot be masked: the caller must take it out himself. */
		x->early = why;
		x->early.kind = FAULT_FORBIDDEN;
		x->early_reason = "gateway.unmaskable";
		return deny_early(x);
	}
	if (x->view->shadow != NULL)
		shadow_compare(x->view->shadow, &x->bench->shadow, x, &begun, &x->decision, x->bench->metrics,
		               &x->shadow);
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		if ((x->masked_kinds >> kind & 1) != 0)
			metrics_add(&x->bench->metrics->masked_prompt[kind], x->found[kind]);
	return GO_ON;
}

enum step_result
decide(struct exchange *x)
{
	const enum step_result result = x->early_reason != NULL ? deny_early(x) : ask_policy(x);

	if (result != GO_ON)
		return result;
	if (x->decision.error_count > 0) {
		metrics_add(&x->bench->metrics->policy_errors, 1);
		log_error("decide", "event=policy-error policy=%s request=%s", x->decision.errors[0].policy,
		          x->request_id);
	}
	metrics_add(&x->bench->metrics->decisions[x->decision.access][x->facts.verdict], 1);
	x->times.decided = clock_monotonic_ns();
	return GO_ON;
}
