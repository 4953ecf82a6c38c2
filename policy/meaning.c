/* What the annotations of a policy mean to the gateway; annotations.c has checked them before. */
#include "policy/annotations.h"
#include "policy/snapshot.h"

#include <string.h>

#define HOLD_SECONDS (24u * 3600) /* of a hold without @hold_ttl */

static const char *
word(const struct cedar_policies *policies, uint32_t number, const char *key)
{
	const char *value = cedar_policy_annotation(policies, number, key);

	return value != NULL ? value : "";
}

static void
remedy_read(struct meaning *out, const struct cedar_policies *policies, uint32_t number)
{
	const char *const remedy = word(policies, number, "remedy"), *const ttl =
	                                                                 word(policies, number, "hold_ttl");

	if (cedar_policy_effect(policies, number) != CEDAR_FORBID)
		return;
	if (strcmp(remedy, "hold") == 0) {
		out->remedy = REMEDY_HOLD;
		out->duties.approver_role = word(policies, number, "approver");
		out->duties.hold_seconds =
		    ttl[0] == '\0' ? HOLD_SECONDS : annotation_duration(slice_string(ttl));
	} else if (strcmp(remedy, "redact") == 0) {
		/* Kinds that nobody knows would mask nothing: then it stays a forbid like any other. */
		if (annotation_kinds(slice_string(word(policies, number, "redact")),
		                     &out->duties.redact_kinds, &out->redact_found))
			out->remedy = REMEDY_REDACT;
	}
}

static void
duty_read(struct meaning *out, const struct cedar_policies *policies, uint32_t number)
{
	const char *const duty = word(policies, number, "duty");

	if (cedar_policy_effect(policies, number) != CEDAR_PERMIT)
		return;
	if (strcmp(duty, "label") == 0)
		out->duties.label =
		    strcmp(word(policies, number, "label"), "notice") == 0 ? LABEL_NOTICE : LABEL_METADATA;
	else if (strcmp(duty, "notify") == 0)
		out->duties.notify = true;
	else if (strcmp(duty, "retain") == 0)
		out->duties.retention_days =
		    annotation_duration(slice_string(word(policies, number, "retain"))) / 86400u;
	else if (strcmp(duty, "log") == 0)
		out->duties.log_full = strcmp(word(policies, number, "log"), "full") == 0;
	else if (strcmp(duty, "redact-answer") == 0)
		out->duties.redact_answer = true;
	else if (strcmp(duty, "restore-answer") == 0)
		out->duties.restore_answer = true;
}

void
meaning_read(struct meaning *out, const struct cedar_policies *policies, uint32_t number)
{
	memset(out, 0, sizeof *out);
	remedy_read(out, policies, number);
	duty_read(out, policies, number);
	out->reason.id = cedar_policy_id(policies, number);
	out->reason.law = word(policies, number, "law");
	out->reason.title_ko = word(policies, number, "title_ko");
	out->reason.title_en = word(policies, number, "title_en");
	out->reason.message_ko = word(policies, number, "message_ko");
	out->reason.message_en = word(policies, number, "message_en");
}
