/* Annotations: the closed vocabulary of policies, read once when they are loaded. */
#include "policy/snapshot.h"

#include <stdlib.h>
#include <string.h>

static const char *const agency_words[] = {
    "id",       "law",      "title_ko", "title_en", "message_ko", "message_en", "remedy", "redact",
    "approver", "hold_ttl", "duty",     "label",    "retain",     "log",        "status", NULL};
static const char *const act_words[] = {"id",       "law",   "status",      "title_ko",    "title_en", "says",
                                        "stricter", "field", "question_ko", "question_en", "duty",     NULL};

/* "file:line:column: policy: what", in both languages. */
static int
complain(const struct cedar_policies *policies, uint32_t number, const char *ko, const char *en,
         const char *detail, struct fault *why)
{
	const char *file;
	unsigned line, column;

	cedar_policy_place(policies, number, &file, &line, &column);
	return fault_set(why, FAULT_INVALID, "%s:%u:%u: 정책 '%s': %s%.0s '%s'",
	                 "%s:%u:%u: policy '%s': %.0s%s '%s'", file, line, column,
	                 cedar_policy_id(policies, number), ko, en, detail);
}

static int
words_check(const struct cedar_policies *policies, uint32_t number, const char *const *known,
            struct fault *why)
{
	for (size_t i = 0; i < cedar_policy_annotation_count(policies, number); i++) {
		struct slice key, value;
		char name[64];
		size_t k = 0;

		cedar_policy_annotation_at(policies, number, i, &key, &value);
		while (known[k] != NULL && !slice_is(key, known[k]))
			k++;
		snprintf(name, sizeof name, "%.*s", SLICE_PRINT(key));
		if (known[k] == NULL)
			return complain(policies, number, "모르는 주석", "unknown annotation", name, why);
	}
	return 0;
}

static const char *
word(const struct cedar_policies *policies, uint32_t number, const char *key)
{
	const char *value = cedar_policy_annotation(policies, number, key);

	return value != NULL ? value : "";
}

static int
words_required(const struct cedar_policies *policies, uint32_t number, const char *const *keys,
               struct fault *why)
{
	for (size_t i = 0; keys[i] != NULL; i++) {
		if (word(policies, number, keys[i])[0] == '\0')
			return complain(policies, number, "주석이 있어야 합니다", "needs the annotation",
			                keys[i], why);
	}
	return 0;
}

/* ISO 8601, one unit: "P5Y" (1826 days), "P90D", "PT24H", "PT30M". In seconds; 0: not such. */
static uint32_t
duration_read(const char *text)
{
	char *end;
	long count;
	uint32_t unit = 0;
	bool time = false;

	if (*text++ != 'P')
		return 0;
	if (*text == 'T') {
		time = true;
		text++;
	}
	if (*text < '0' || *text > '9')
		return 0;
	count = strtol(text, &end, 10);
	if (end[0] == '\0' || end[1] != '\0' || count < 1 || count > 10000)
		return 0;
	if (!time && *end == 'D')
		unit = 86400;
	else if (!time && *end == 'Y' && count <= 100)
		return (uint32_t)count * 1461 / 4 * 86400u;
	else if (time && *end == 'H')
		unit = 3600;
	else if (time && *end == 'M')
		unit = 60;
	return (uint32_t)count * unit;
}

/* "rrn, phone" or "*". */
static bool
kinds_read(const char *text, uint32_t *kinds, bool *all)
{
	char name[32];
	size_t size = 0;

	*kinds = 0;
	*all = strcmp(text, "*") == 0;
	if (*all)
		return true;
	for (;; text++) {
		enum identifier_kind kind;

		if (*text != ',' && *text != '\0') {
			if (*text != ' ' && size + 1 < sizeof name)
				name[size++] = *text;
			continue;
		}
		name[size] = '\0';
		if (!identifier_parse(&kind, name))
			return false;
		*kinds |= 1u << kind;
		size = 0;
		if (*text == '\0')
			return true;
	}
}

static int
remedy_read(struct meaning *out, const struct cedar_policies *policies, uint32_t number, struct fault *why)
{
	const char *remedy = cedar_policy_annotation(policies, number, "remedy");
	const char *redact = cedar_policy_annotation(policies, number, "redact");
	const char *ttl = cedar_policy_annotation(policies, number, "hold_ttl");

	if (remedy == NULL)
		return redact != NULL || ttl != NULL
		           ? complain(policies, number, "@remedy 없이 쓸 수 없는 주석",
		                      "annotation needs @remedy", redact != NULL ? "redact" : "hold_ttl", why)
		           : 0;
	if (cedar_policy_effect(policies, number) != CEDAR_FORBID)
		return complain(policies, number, "forbid에만 쓸 수 있는 주석",
		                "annotation belongs to a forbid", "remedy", why);
	if (strcmp(remedy, "hold") == 0) {
		out->remedy = REMEDY_HOLD;
		out->duties.approver_role = word(policies, number, "approver");
		if (out->duties.approver_role[0] == '\0')
			return complain(policies, number, "주석이 있어야 합니다", "needs the annotation",
			                "approver", why);
		out->duties.hold_seconds = duration_read(ttl != NULL ? ttl : "PT24H");
		if (out->duties.hold_seconds == 0)
			return complain(policies, number, "기간이 아닙니다", "is no duration", ttl, why);
	} else if (strcmp(remedy, "redact") == 0) {
		out->remedy = REMEDY_REDACT;
		if (redact == NULL || !kinds_read(redact, &out->duties.redact_kinds, &out->redact_found))
			return complain(policies, number, "@redact에 알 수 없는 종류",
			                "@redact names an unknown kind", redact != NULL ? redact : "", why);
	} else {
		return complain(policies, number, "모르는 조치", "unknown remedy", remedy, why);
	}
	return 0;
}

static int
duty_read(struct meaning *out, const struct cedar_policies *policies, uint32_t number, struct fault *why)
{
	const char *duty = word(policies, number, "duty");
	const char *label = cedar_policy_annotation(policies, number, "label");
	const char *retain = cedar_policy_annotation(policies, number, "retain");
	const char *log = cedar_policy_annotation(policies, number, "log");

	if (duty[0] == '\0')
		return label != NULL || retain != NULL || log != NULL
		           ? complain(policies, number, "@duty 없이 쓸 수 없는 주석",
		                      "annotation needs @duty",
		                      label != NULL    ? "label"
		                      : retain != NULL ? "retain"
		                                       : "log",
		                      why)
		           : 0;
	if (cedar_policy_effect(policies, number) != CEDAR_PERMIT)
		return complain(policies, number, "permit에만 쓸 수 있는 주석",
		                "annotation belongs to a permit", "duty", why);
	if (strcmp(duty, "label") == 0) {
		if (label == NULL || (strcmp(label, "metadata") != 0 && strcmp(label, "notice") != 0))
			return complain(policies, number, "metadata나 notice여야 하는 @label",
			                "@label must be metadata or notice", label != NULL ? label : "", why);
		out->duties.label = strcmp(label, "notice") == 0 ? LABEL_NOTICE : LABEL_METADATA;
	} else if (strcmp(duty, "notify") == 0) {
		out->duties.notify = true;
	} else if (strcmp(duty, "retain") == 0) {
		out->duties.retention_days = retain != NULL ? duration_read(retain) / 86400u : 0;
		if (out->duties.retention_days == 0)
			return complain(policies, number, "하루 이상의 기간이 아닙니다",
			                "is no duration of a day or more", retain != NULL ? retain : "", why);
	} else if (strcmp(duty, "log") == 0) {
		if (log == NULL || (strcmp(log, "full") != 0 && strcmp(log, "summary") != 0))
			return complain(policies, number, "full이나 summary여야 하는 @log",
			                "@log must be full or summary", log != NULL ? log : "", why);
		out->duties.log_full = strcmp(log, "full") == 0;
	} else if (strcmp(duty, "redact-answer") == 0) {
		out->duties.redact_answer = true;
	} else {
		return complain(policies, number, "모르는 의무", "unknown duty", duty, why);
	}
	return 0;
}

int
meaning_read(struct meaning *out, const struct cedar_policies *policies, uint32_t number, struct fault *why)
{
	static const char *const required[] = {"id", "title_ko", "title_en", NULL};

	memset(out, 0, sizeof *out);
	if (words_check(policies, number, agency_words, why) == -1 ||
	    words_required(policies, number, required, why) == -1 ||
	    remedy_read(out, policies, number, why) == -1 || duty_read(out, policies, number, why) == -1)
		return -1;
	out->reason.id = cedar_policy_id(policies, number);
	out->reason.law = word(policies, number, "law");
	out->reason.title_ko = word(policies, number, "title_ko");
	out->reason.title_en = word(policies, number, "title_en");
	out->reason.message_ko = word(policies, number, "message_ko");
	out->reason.message_en = word(policies, number, "message_en");
	return 0;
}

int
rule_check(const struct cedar_policies *policies, uint32_t number, struct fault *why)
{
	static const char *const required[] = {"id", "law", "status", "title_ko", "title_en", NULL};
	static const char *const statuses[] = {"verified", "verified*", "recalled", "own", NULL};
	const char *status, *says;
	size_t i = 0;

	if (words_check(policies, number, act_words, why) == -1 ||
	    words_required(policies, number, required, why) == -1)
		return -1;
	if (cedar_policy_effect(policies, number) != CEDAR_PERMIT)
		return complain(policies, number, "법의 규칙은 permit이어야 합니다",
		                "rules of the Act must be permits", "forbid", why);
	status = word(policies, number, "status");
	while (statuses[i] != NULL && strcmp(statuses[i], status) != 0)
		i++;
	if (statuses[i] == NULL)
		return complain(policies, number, "모르는 확인 상태", "unknown status", status, why);
	says = word(policies, number, "says");
	if (says[0] != '\0' && strcmp(says, "in") != 0 && strcmp(says, "out") != 0)
		return complain(policies, number, "in이나 out이어야 하는 @says", "@says must be in or out",
		                says, why);
	return 0;
}
