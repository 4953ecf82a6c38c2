#include "gateway/replay.h"

#include <string.h>

#include "gateway/deciding.h"

static const struct {
	const char *name, *title;
} changes[REPLAY_CHANGES] = {
    {"access",     "결정"          },
    {"reasons",    "근거 정책"   },
    {"permits",    "허가 정책"   },
    {"errors",     "정책 오류"   },
    {"duties",     "의무"          },
    {"redacted",   "가린 종류"   },
    {"verdict",    "판정"          },
    {"assessment", "판정의 근거"},
};

const char *
replay_change_name(unsigned bit)
{
	return changes[bit].name;
}

const char *
replay_change_title(unsigned bit)
{
	return changes[bit].title;
}

int
replay_make(struct remade *out, const struct policy *policy, const struct recorded *recorded,
            const struct usecase *usecase, const char *as_of, struct arena *arena, struct fault *why)
{
	struct policy_facts facts = recorded->facts;
	struct usecase measured;
	uint32_t masked;

	memset(out, 0, sizeof *out);
	facts.redacted_kinds = 0;
	facts.verdict = VERDICT_UNDETERMINED;
	if (usecase != NULL) {
		measured = *usecase;
		/* T12 moves with every review: the numbers of that moment, not of the document. */
		measured.reviewer.decisions = recorded->review_decisions;
		measured.reviewer.changed = recorded->review_changed;
		measured.reviewer.hasty = recorded->review_hasty;
		measured.reviewer.limits = recorded->review_limits;
		if (policy_assess(policy, &measured, as_of != NULL ? as_of : recorded->assessment.ruleset,
		                  arena, &out->assessment, why) == -1)
			return -1;
		facts.verdict = out->assessment.verdict;
		facts.usecase = &measured;
	}
	if (deciding_run(policy, &facts, NULL, NULL, &masked, arena, &out->decision, why) == -1)
		return -1;
	out->redacted_kinds = facts.redacted_kinds;
	return 0;
}

/* ---- comparing ----------------------------------------------------------------------------------------------------- */

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool
same_reasons(const struct policy_reason *a, size_t a_count, const struct policy_reason *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (!same_text(a[i].id, b[i].id) || !same_text(a[i].law, b[i].law))
			return false;
	return true;
}

static bool
same_errors(const struct decision *a, const struct decision *b)
{
	if (a->error_count != b->error_count)
		return false;
	for (size_t i = 0; i < a->error_count; i++)
		if (!same_text(a->errors[i].policy, b->errors[i].policy) ||
		    !same_text(a->errors[i].message, b->errors[i].message))
			return false;
	return true;
}

static bool
same_duties(const struct duties *a, const struct duties *b)
{
	return a->label == b->label && a->notify == b->notify && a->retention_days == b->retention_days &&
	       a->log_full == b->log_full && a->redact_answer == b->redact_answer &&
	       a->restore_answer == b->restore_answer &&
	       a->redact_kinds == b->redact_kinds && a->hold_seconds == b->hold_seconds &&
	       same_text(a->approver_role, b->approver_role);
}

/* All but the verdict, which has a bit of its own. */
static bool
same_assessment(const struct assessment *a, const struct assessment *b)
{
	if (a->domain_count != b->domain_count || a->rule_count != b->rule_count ||
	    a->missing_count != b->missing_count || a->duty_count != b->duty_count ||
	    a->stricter_reading != b->stricter_reading || !same_text(a->ruleset, b->ruleset))
		return false;
	for (size_t i = 0; i < a->domain_count; i++)
		if (a->domains[i] != b->domains[i])
			return false;
	for (size_t i = 0; i < a->rule_count; i++)
		if (!same_text(a->rules[i].id, b->rules[i].id) ||
		    !same_text(a->rules[i].law, b->rules[i].law) ||
		    !same_text(a->rules[i].says, b->rules[i].says) ||
		    !same_text(a->rules[i].status, b->rules[i].status))
			return false;
	for (size_t i = 0; i < a->missing_count; i++)
		if (!same_text(a->missing[i].field, b->missing[i].field))
			return false;
	for (size_t i = 0; i < a->duty_count; i++)
		if (!same_text(a->duties[i], b->duties[i]))
			return false;
	return true;
}

uint32_t
replay_compare(const struct recorded *recorded, const struct remade *remade)
{
	const struct decision *a = &recorded->decision, *b = &remade->decision;

	return (a->access != b->access ? REPLAY_ACCESS : 0u) |
	       (same_reasons(a->reasons, a->reason_count, b->reasons, b->reason_count) ? 0u
	                                                                               : REPLAY_REASONS) |
	       (same_reasons(a->permits, a->permit_count, b->permits, b->permit_count) ? 0u
	                                                                               : REPLAY_PERMITS) |
	       (same_errors(a, b) ? 0u : REPLAY_ERRORS) |
	       (same_duties(&a->duties, &b->duties) ? 0u : REPLAY_DUTIES) |
	       (recorded->facts.redacted_kinds != remade->redacted_kinds ? REPLAY_REDACTED : 0u) |
	       (recorded->facts.verdict != remade->assessment.verdict ? REPLAY_VERDICT : 0u) |
	       (same_assessment(&recorded->assessment, &remade->assessment) ? 0u : REPLAY_ASSESSMENT);
}
