#include "schema/entry.h"

#include <sodium.h>
#include <string.h>

#include "schema/base/clock.h"
#include "schema/base/json.h"
#include "schema/entry_scan.h"

static const char *const kind_names[ENTRY_KINDS] = {
    [ENTRY_DECISION] = "decision", [ENTRY_OUTCOME] = "outcome",     [ENTRY_REVIEW] = "review",
    [ENTRY_USECASE] = "usecase",   [ENTRY_POLICY] = "policy",       [ENTRY_KEY] = "key",
    [ENTRY_ACCESS] = "access",     [ENTRY_EXPORT] = "export",       [ENTRY_SHRED] = "shred",
    [ENTRY_WITNESS] = "witness",   [ENTRY_LIFECYCLE] = "lifecycle",
};

const char *
entry_kind_name(enum entry_kind kind)
{
	return (size_t)kind < ENTRY_KINDS ? kind_names[kind] : "unknown";
}

bool
entry_kind_parse(enum entry_kind *kind, const char *name)
{
	for (size_t i = 0; i < ENTRY_KINDS; i++)
		if (strcmp(kind_names[i], name) == 0) {
			*kind = (enum entry_kind)i;
			return true;
		}
	return false;
}

const char *
outcome_status_name(enum outcome_status status)
{
	static const char *const names[] = {
	    [OUTCOME_FAILED] = "failed", [OUTCOME_ANSWERED] = "answered",   [OUTCOME_REFUSED] = "refused",
	    [OUTCOME_HELD] = "held",     [OUTCOME_CANCELLED] = "cancelled",
	};

	return (size_t)status < sizeof names / sizeof *names ? names[status] : "failed";
}

/* RFC 9562 section 5.7: 48 bits of milliseconds, version 7, variant 10, the rest random. */
void
entry_id_make(char out[ENTRY_ID_SIZE], int64_t wall_ms)
{
	uint8_t bytes[16];
	char hex[33];

	randombytes_buf(bytes, sizeof bytes);
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
	bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0F));
	bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3F));
	hex_encode(hex, bytes, sizeof bytes);
	snprintf(out, ENTRY_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* ---- writing: names ascend, empty strings and absent parts are left out ----------------------------------------- */

static void
member(struct json_writer *writer, const char *name, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	json_name(writer, name);
	json_cstring(writer, text);
}

static void
number(struct json_writer *writer, const char *name, int64_t value)
{
	if (value < 0)
		return;
	json_name(writer, name);
	json_number(writer, value);
}

static void
flag(struct json_writer *writer, const char *name, bool value)
{
	json_name(writer, name);
	json_bool(writer, value);
}

static void
moment(struct json_writer *writer, const char *name, int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, wall_ms);
	member(writer, name, text);
}

static void
commitment(struct json_writer *writer, const char *name, const struct commitment *value)
{
	if (!value->present)
		return;
	json_name(writer, name);
	json_object_begin(writer);
	number(writer, "bytes", value->bytes);
	member(writer, "commitment", value->hex);
	json_object_end(writer);
}

/* {"card":1,"rrn":2}: kinds by name, those that were found. */
static void
counts(struct json_writer *writer, const char *name, const uint32_t counted[IDENTIFIER_KINDS])
{
	/* Ascending by name; identifier_kind is in the order of the law instead. */
	static const enum identifier_kind by_name[IDENTIFIER_KINDS] = {
	    IDENTIFIER_ACCOUNT, IDENTIFIER_ADDRESS,  IDENTIFIER_BUSINESS_REG,
	    IDENTIFIER_CARD,    IDENTIFIER_CORP_REG, IDENTIFIER_DRIVER_LICENSE,
	    IDENTIFIER_EMAIL,   IDENTIFIER_FRN,      IDENTIFIER_HEALTH_INSURANCE,
	    IDENTIFIER_IP,      IDENTIFIER_PASSPORT, IDENTIFIER_PHONE,
	    IDENTIFIER_RRN,     IDENTIFIER_VEHICLE,
	};

	json_name(writer, name);
	json_object_begin(writer);
	for (size_t i = 0; i < IDENTIFIER_KINDS; i++)
		if (counted[by_name[i]] > 0)
			number(writer, identifier_name(by_name[i]), counted[by_name[i]]);
	json_object_end(writer);
}

static void
kinds(struct json_writer *writer, const char *name, uint32_t bits)
{
	json_name(writer, name);
	json_array_begin(writer);
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		if ((bits >> kind & 1) != 0)
			json_cstring(writer, identifier_name((enum identifier_kind)kind));
	json_array_end(writer);
}

static void
domains(struct json_writer *writer, const char *name, uint32_t bits)
{
	json_name(writer, name);
	json_array_begin(writer);
	for (unsigned domain = 1; domain < DOMAIN_KINDS; domain++)
		if ((bits >> domain & 1) != 0)
			json_cstring(writer, domain_name((enum domain)domain));
	json_array_end(writer);
}

static void
put_assessment(struct json_writer *writer, const struct assessment *assessment)
{
	json_name(writer, "assessment");
	json_object_begin(writer);
	json_name(writer, "domains");
	json_array_begin(writer);
	for (size_t i = 0; i < assessment->domain_count; i++)
		json_cstring(writer, domain_name(assessment->domains[i]));
	json_array_end(writer);
	json_name(writer, "duties");
	json_array_begin(writer);
	for (size_t i = 0; i < assessment->duty_count; i++)
		json_cstring(writer, assessment->duties[i]);
	json_array_end(writer);
	json_name(writer, "missing_facts");
	json_array_begin(writer);
	for (size_t i = 0; i < assessment->missing_count; i++)
		json_cstring(writer, assessment->missing[i].field);
	json_array_end(writer);
	json_name(writer, "rules");
	json_array_begin(writer);
	for (size_t i = 0; i < assessment->rule_count; i++) {
		json_object_begin(writer);
		member(writer, "id", assessment->rules[i].id);
		member(writer, "law", assessment->rules[i].law);
		member(writer, "says", assessment->rules[i].says);
		member(writer, "status", assessment->rules[i].status);
		json_object_end(writer);
	}
	json_array_end(writer);
	member(writer, "ruleset", assessment->ruleset);
	flag(writer, "stricter_reading", assessment->stricter_reading);
	member(writer, "verdict", verdict_name(assessment->verdict));
	json_object_end(writer);
}

static void
put_duties(struct json_writer *writer, const struct duties *duties)
{
	json_name(writer, "duties");
	json_object_begin(writer);
	member(writer, "approver_role", duties->approver_role);
	number(writer, "hold_seconds", duties->hold_seconds > 0 ? (int64_t)duties->hold_seconds : -1);
	member(writer, "label", label_name(duties->label));
	flag(writer, "log_full", duties->log_full);
	flag(writer, "notify", duties->notify);
	flag(writer, "redact_answer", duties->redact_answer);
	kinds(writer, "redact_kinds", duties->redact_kinds);
	if (duties->restore_answer)
		flag(writer, "restore_answer", true);
	number(writer, "retention_days", duties->retention_days);
	json_object_end(writer);
}

static void
put_reasons(struct json_writer *writer, const char *name, const struct policy_reason *reasons, size_t count)
{
	json_name(writer, name);
	json_array_begin(writer);
	for (size_t i = 0; i < count; i++) {
		json_object_begin(writer);
		member(writer, "id", reasons[i].id);
		member(writer, "law", reasons[i].law);
		json_object_end(writer);
	}
	json_array_end(writer);
}

static void
put_evidence(struct json_writer *writer, const struct drift_evidence *evidence)
{
	if (evidence->score == 0)
		return;
	json_name(writer, "drift_evidence");
	json_object_begin(writer);
	member(writer, "domain", domain_name(evidence->domain));
	member(writer, "rule", evidence->rule);
	number(writer, "score", evidence->score);
	member(writer, "why", evidence->undeclared ? "undeclared" : "beyond");
	json_object_end(writer);
}

/* Only those that are not the usual ones, and only where something was measured by them. */
static void
put_limits(struct json_writer *writer, const struct oversight_limits *limits)
{
	if (limits == NULL || (limits->decisions == oversight_defaults.decisions &&
	                       limits->least_changed == oversight_defaults.least_changed &&
	                       limits->hasty_ms == oversight_defaults.hasty_ms &&
	                       limits->most_hasty == oversight_defaults.most_hasty))
		return;
	json_name(writer, "review_limits");
	json_object_begin(writer);
	number(writer, "decisions", limits->decisions);
	number(writer, "hasty_ms", limits->hasty_ms);
	number(writer, "least_changed", limits->least_changed);
	number(writer, "most_hasty", limits->most_hasty);
	json_object_end(writer);
}

static void
put_facts(struct json_writer *writer, const struct entry_decision *body)
{
	json_name(writer, "facts");
	json_object_begin(writer);
	member(writer, "action", body->facts.action);
	if (body->facts.approver != NULL && *body->facts.approver != '\0')
		moment(writer, "approval_expires", body->facts.approval_expires_ms);
	member(writer, "approver", body->facts.approver);
	member(writer, "approver_role", body->facts.approver_role);
	member(writer, "drift", drift_name(body->facts.drift));
	put_evidence(writer, &body->facts.drift_evidence);
	counts(writer, "found", body->facts.found);
	member(writer, "grade", grade_name(body->facts.grade));
	member(writer, "grade_declared", grade_name(body->facts.declared));
	kinds(writer, "redacted", body->facts.redacted_kinds);
	number(writer, "review_changed", body->facts.review_changed);
	number(writer, "review_decisions", body->facts.review_decisions);
	number(writer, "review_hasty", body->facts.review_hasty);
	put_limits(writer, body->facts.review_limits);
	json_name(writer, "roles");
	json_array_begin(writer);
	for (size_t i = 0; i < body->facts.role_count; i++)
		json_cstring(writer, body->facts.roles[i]);
	json_array_end(writer);
	domains(writer, "signals", body->facts.signal_domains);
	flag(writer, "streaming", body->facts.streaming);
	member(writer, "zone_grade", grade_name(body->facts.zone_grade));
	json_object_end(writer);
}

/* The head's names surround "body": agency < body < format < ... < usecase_version. */
static void
head_begin(struct json_writer *writer, struct buffer *out, const struct entry_head *head)
{
	json_writer_init(writer, out);
	json_object_begin(writer);
	member(writer, "agency", head->agency);
	json_name(writer, "body");
	json_object_begin(writer);
}

static int
head_end(struct json_writer *writer, const struct entry_head *head, size_t begin, struct fault *why)
{
	json_object_end(writer);
	number(writer, "format", ENTRY_FORMAT);
	member(writer, "id", head->id);
	member(writer, "key", head->key);
	member(writer, "kind", entry_kind_name(head->kind));
	member(writer, "log", head->log);
	number(writer, "monotonic_us", head->monotonic_us);
	member(writer, "of", head->of);
	member(writer, "request_id", head->request_id);
	member(writer, "service", head->service);
	member(writer, "subject", head->subject);
	moment(writer, "time", head->wall_ms);
	member(writer, "usecase", head->usecase);
	if (head->usecase != NULL && *head->usecase != '\0')
		number(writer, "usecase_version", head->usecase_version);
	json_object_end(writer);
	if (!buffer_ok(writer->out))
		return fault_set(
		    why, FAULT_INVALID, "기록을 쓸 수 없습니다: 메모리 한도이거나 UTF-8이 아닌 문자열",
		    "entry cannot be written: over the buffer's limit, or a string that is not UTF-8");
	if (writer->out->size - begin > ENTRY_SIZE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "기록이 너무 큽니다: %zu바이트 (최대 %u)",
		                 "entry too large: %zu bytes (at most %u)", writer->out->size - begin,
		                 ENTRY_SIZE_LIMIT);
	return 0;
}

static void
put_shadow(struct json_writer *writer, const struct entry_shadow *shadow)
{
	json_name(writer, "shadow");
	json_object_begin(writer);
	member(writer, "access", access_name(shadow->access));
	member(writer, "bundle", shadow->bundle);
	flag(writer, "duties_differ", shadow->duties);
	flag(writer, "failed", shadow->failed);
	json_name(writer, "reasons");
	json_array_begin(writer);
	for (size_t i = 0; i < shadow->reason_count; i++)
		json_cstring(writer, shadow->reasons[i]);
	json_array_end(writer);
	member(writer, "verdict", verdict_name(shadow->verdict));
	json_object_end(writer);
}

int
entry_write_decision(struct buffer *out, const struct entry_head *head, const struct entry_decision *body,
                     struct fault *why)
{
	const struct decision *decision = body->decision;
	const size_t begin = out->size;
	struct json_writer writer;

	head_begin(&writer, out, head);
	member(&writer, "access", access_name(decision->access));
	if (body->assessment != NULL)
		put_assessment(&writer, body->assessment);
	member(&writer, "bundle", decision->bundle);
	put_duties(&writer, &decision->duties);
	json_name(&writer, "errors");
	json_array_begin(&writer);
	for (size_t i = 0; i < decision->error_count; i++) {
		json_object_begin(&writer);
		member(&writer, "message", decision->errors[i].message);
		member(&writer, "policy", decision->errors[i].policy);
		json_object_end(&writer);
	}
	json_array_end(&writer);
	put_facts(&writer, body);
	member(&writer, "model", body->facts.model);
	put_reasons(&writer, "permits", decision->permits, decision->permit_count);
	commitment(&writer, "prompt", &body->prompt);
	put_reasons(&writer, "reasons", decision->reasons, decision->reason_count);
	if (body->shadow != NULL)
		put_shadow(&writer, body->shadow);
	member(&writer, "ticket", body->ticket);
	member(&writer, "verdict",
	       verdict_name(body->assessment != NULL ? body->assessment->verdict : VERDICT_UNDETERMINED));
	member(&writer, "zone", body->facts.zone);
	return head_end(&writer, head, begin, why);
}

int
entry_write_outcome(struct buffer *out, const struct entry_head *head, const struct entry_outcome *body,
                    struct fault *why)
{
	const size_t begin = out->size;
	struct json_writer writer;

	head_begin(&writer, out, head);
	member(&writer, "access", access_name(body->access));
	commitment(&writer, "answer", &body->answer);
	number(&writer, "completion_tokens", body->completion_tokens);
	number(&writer, "decide_us", body->decide_us);
	member(&writer, "engine", body->engine);
	member(&writer, "finish", body->finish);
	number(&writer, "first_byte_us", body->first_byte_us);
	if (body->status == OUTCOME_ANSWERED)
		counts(&writer, "found", body->found);
	member(&writer, "grade", grade_name(body->grade));
	number(&writer, "http_status", body->http_status);
	member(&writer, "label", label_name(body->label));
	counts(&writer, "masked", body->masked);
	member(&writer, "model", body->model);
	number(&writer, "prompt_tokens", body->prompt_tokens);
	member(&writer, "reason", body->reason);
	number(&writer, "record_us", body->record_us);
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		if (body->restored[kind] > 0) {
			counts(&writer, "restored", body->restored);
			break;
		}
	member(&writer, "status", outcome_status_name(body->status));
	number(&writer, "total_us", body->total_us);
	member(&writer, "verdict", verdict_name(body->verdict));
	member(&writer, "weights", body->weights);
	member(&writer, "zone", body->zone);
	return head_end(&writer, head, begin, why);
}

int
entry_write_review(struct buffer *out, const struct entry_head *head, const struct entry_review *body,
                   struct fault *why)
{
	const size_t begin = out->size;
	struct json_writer writer;

	head_begin(&writer, out, head);
	member(&writer, "action", body->action);
	flag(&writer, "changed", body->changed);
	if (body->expires_ms > 0)
		moment(&writer, "expires", body->expires_ms);
	commitment(&writer, "prompt", &body->prompt);
	member(&writer, "reason", body->reason);
	member(&writer, "reviewer", body->reviewer);
	member(&writer, "role", body->role);
	number(&writer, "shown_ms", body->shown_ms);
	member(&writer, "ticket", body->ticket);
	if (strcmp(body->action, "expire") != 0)
		flag(&writer, "viewed", body->shown_ms >= 0);
	return head_end(&writer, head, begin, why);
}

int
entry_write_note(struct buffer *out, const struct entry_head *head, const struct entry_note *body,
                 struct fault *why)
{
	const size_t begin = out->size;
	struct json_writer writer;

	head_begin(&writer, out, head);
	member(&writer, "action", body->action);
	json_name(&writer, "facts");
	json_object_begin(&writer);
	for (size_t i = 0; i < body->fact_count; i++) {
		json_name(&writer, body->facts[i].name);
		if (body->facts[i].text != NULL)
			json_cstring(&writer, body->facts[i].text);
		else
			json_number(&writer, body->facts[i].number);
	}
	json_object_end(&writer);
	return head_end(&writer, head, begin, why);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static struct slice
text_of(struct arena *arena, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_string(value))
		return slice_of(NULL, 0);
	return arena_slice(arena, slice_of(json_string_value(value), json_string_length(value)));
}

static void
read_domains(struct entry_columns *out, const json_t *list, struct arena *arena)
{
	const char *also = NULL;

	out->domain = arena_slice(arena, slice_string(json_string_value(json_array_get(list, 0))));
	for (size_t i = 1; i < json_array_size(list); i++) {
		const char *const name = json_string_value(json_array_get(list, i));

		if (name != NULL && name[0] != '\0')
			also = also == NULL ? arena_string(arena, name)
			                    : arena_printf(arena, "%s,%s", also, name);
	}
	out->also = slice_string(also);
}

static int
read_columns(struct entry_columns *out, const json_t *entry, struct arena *arena, struct fault *why)
{
	const json_t *body = json_object_get(entry, "body");
	const char *kind = json_get_string(entry, "kind"), *time = json_get_string(entry, "time");

	if (json_get_integer(entry, "format", 0) != ENTRY_FORMAT || kind == NULL ||
	    !entry_kind_parse(&out->kind, kind) || time == NULL ||
	    !clock_parse(&out->wall_ms, slice_string(time), false) || !json_is_object(body))
		return fault_set(why, FAULT_INVALID, "기록에 format, kind, time, body 가 바르지 않습니다",
		                 "entry lacks a proper format, kind, time or body");
	out->id = text_of(arena, entry, "id");
	out->log = text_of(arena, entry, "log");
	out->agency = text_of(arena, entry, "agency");
	out->service = text_of(arena, entry, "service");
	out->subject = text_of(arena, entry, "subject");
	out->key = text_of(arena, entry, "key");
	out->request_id = text_of(arena, entry, "request_id");
	out->of = text_of(arena, entry, "of");
	out->usecase = text_of(arena, entry, "usecase");
	out->verdict = text_of(arena, body, "verdict");
	out->access = text_of(arena, body, "access");
	out->action = text_of(arena, body, out->kind == ENTRY_OUTCOME ? "status" : "action");
	out->model = text_of(arena, body, "model");
	out->zone = text_of(arena, body, "zone");
	read_domains(out, json_object_get(json_object_get(body, "assessment"), "domains"), arena);
	if (out->id.size == 0 || out->log.size == 0)
		return fault_set(why, FAULT_INVALID, "기록에 id 나 log 가 없습니다", "entry lacks id or log");
	return arena_ok(arena) ? 0 : fault_memory(why);
}

int
entry_read_tree(struct entry_columns *out, struct slice bytes, struct arena *arena, struct fault *why)
{
	struct buffer canonical;
	json_t *entry;
	int result = -1;

	*out = (struct entry_columns){0};
	buffer_init(&canonical, ENTRY_SIZE_LIMIT);
	if ((entry = json_read(bytes, ENTRY_SIZE_LIMIT, JSON_DEPTH_LIMIT, why)) == NULL)
		return -1;
	json_write_canonical(&canonical, entry);
	if (!buffer_ok(&canonical) || !slice_equal(buffer_view(&canonical), bytes)) {
		fault_set(why, FAULT_INVALID, "기록이 정규형(RFC 8785)이 아닙니다",
		          "entry is not canonical (RFC 8785)");
		goto out;
	}
	result = read_columns(out, entry, arena, why);
out:
	buffer_free(&canonical);
	json_decref(entry);
	return result;
}

int
entry_read(struct entry_columns *out, struct slice bytes, struct arena *arena, struct fault *why)
{
	return entry_scan(out, bytes, arena) ? 0 : entry_read_tree(out, bytes, arena, why);
}
