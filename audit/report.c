#include "audit/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/report_inside.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

#define DAY_MS   INT64_C(86400000)
#define KOREA_MS INT64_C(32400000) /* UTC+9 */
#define SLOTS    2048              /* a power of two, well above REPORT_NAMED */
#define OTHER    "(그 밖 other)"

const int64_t report_shown_limits[SHOWN_BUCKETS] = {10000, 60000, 300000, 1800000, INT64_MAX};

static const char *const review_actions[REVIEW_ACTIONS] = {"approve", "refuse", "edit", "expire"};
static const char *const shown_names[SHOWN_BUCKETS] = {"under_10s", "under_1m", "under_5m", "under_30m",
                                                       "longer"};

/* ---- named counts -------------------------------------------------------------------------------------------------- */

static bool
tallies_new(struct tallies *tallies)
{
	tallies->items = calloc(REPORT_NAMED + 1, sizeof *tallies->items);
	tallies->slots = calloc(SLOTS, sizeof *tallies->slots);
	return tallies->items != NULL && tallies->slots != NULL;
}

static void
tallies_free(struct tallies *tallies)
{
	free(tallies->items);
	free(tallies->slots);
}

/* The tally of a name, made when new. Slots hold position + 1. */
static struct tally *
tally_of(struct tallies *tallies, struct slice name, struct slice extra)
{
	uint64_t hash = UINT64_C(1469598103934665603);
	struct tally *item;
	size_t slot;

	if (name.size >= REPORT_NAME || extra.size >= REPORT_NAME) {
		name = slice_of(name.data, utf8_cut(name, REPORT_NAME - 1));
		extra = slice_of(extra.data, utf8_cut(extra, REPORT_NAME - 1));
	}
	for (size_t i = 0; i < name.size; i++)
		hash = (hash ^ name.data[i]) * UINT64_C(1099511628211);
	for (size_t i = 0; i < extra.size; i++)
		hash = (hash ^ extra.data[i]) * UINT64_C(1099511628211);
	for (slot = hash % SLOTS; tallies->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
		item = &tallies->items[tallies->slots[slot] - 1];
		if (slice_is(name, item->name) && slice_is(extra, item->extra))
			return item;
	}
	if (tallies->count >= REPORT_NAMED) {
		tallies->count = REPORT_NAMED + 1;
		item = &tallies->items[REPORT_NAMED];
		strcpy(item->name, OTHER);
		return item;
	}
	item = &tallies->items[tallies->count++];
	tallies->slots[slot] = tallies->count;
	memcpy(item->name, name.data == NULL ? (const uint8_t *)"" : name.data, name.size);
	memcpy(item->extra, extra.data == NULL ? (const uint8_t *)"" : extra.data, extra.size);
	return item;
}

static int
tally_compare(const void *a, const void *b)
{
	const struct tally *left = a, *right = b;
	int order;

	if (left->total != right->total)
		return left->total < right->total ? 1 : -1;
	order = strcmp(left->name, right->name);
	return order != 0 ? order : strcmp(left->extra, right->extra);
}

void
tallies_sort(struct tallies *tallies)
{
	qsort(tallies->items, tallies->count, sizeof *tallies->items, tally_compare);
	memset(tallies->slots, 0,
	       SLOTS * sizeof *tallies->slots); /* positions have changed: nothing is added any more */
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

int
report_new(struct report **out, const struct manifest *manifest, struct fault *why)
{
	struct report *report = calloc(1, sizeof *report);

	if (report == NULL || !tallies_new(&report->usecases) || !tallies_new(&report->rules) ||
	    !tallies_new(&report->models) || !tallies_new(&report->zones)) {
		report_free(report);
		return fault_memory(why);
	}
	report->manifest = manifest;
	*out = report;
	return 0;
}

void
report_free(struct report *report)
{
	if (report == NULL)
		return;
	tallies_free(&report->usecases);
	tallies_free(&report->rules);
	tallies_free(&report->models);
	tallies_free(&report->zones);
	free(report);
}

void
report_log(struct report *report, const char *origin, uint64_t size, const struct tree_hash *root)
{
	if (report->log_count == REPORT_LOGS)
		return;
	report->logs[report->log_count].origin = origin;
	report->logs[report->log_count].size = size;
	report->logs[report->log_count].root = *root;
	report->log_count++;
}

void
report_log_end(struct report *report, const struct selection *selection)
{
	if (report->log_count > 0)
		report->logs[report->log_count - 1].selection = *selection;
}

static void
add_identifiers(uint64_t counts[IDENTIFIER_KINDS], const json_t *object)
{
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++) {
		const int64_t count =
		    json_get_integer(object, identifier_name((enum identifier_kind)kind), 0);

		if (count > 0)
			counts[kind] += (uint64_t)count;
	}
}

/* Strictness, least first: what a use case is shown as when its verdict changed within the period. */
static int
strictness(enum verdict verdict)
{
	static const int order[VERDICTS] = {[VERDICT_EXCLUDED] = 0,
	                                    [VERDICT_NOT_HIGH_IMPACT] = 1,
	                                    [VERDICT_UNDETERMINED] = 2,
	                                    [VERDICT_HIGH_IMPACT] = 3};

	return order[verdict];
}

static struct report_day *
day_of(struct report *report, int64_t wall_ms)
{
	const int64_t local = wall_ms + KOREA_MS;
	const int64_t day = local / DAY_MS - (local % DAY_MS < 0);
	size_t at = report->day_count;

	while (at > 0 && report->days[at - 1].day > day)
		at--;
	if (at > 0 && report->days[at - 1].day == day)
		return &report->days[at - 1];
	if (report->day_count == REPORT_DAYS) {
		report->days_overflow = true;
		return NULL;
	}
	memmove(&report->days[at + 1], &report->days[at], (report->day_count - at) * sizeof *report->days);
	report->days[at] = (struct report_day){.day = day};
	report->day_count++;
	return &report->days[at];
}

static void
add_reasons(struct report *report, const json_t *body, enum access access)
{
	const json_t *reasons = json_object_get(body, "reasons");

	if (access == ACCESS_PERMIT)
		return;
	for (size_t i = 0; i < json_array_size(reasons); i++) {
		const json_t *reason = json_array_get(reasons, i);
		struct tally *rule = tally_of(&report->rules, slice_string(json_get_string(reason, "id")),
		                              slice_string(json_get_string(reason, "law")));

		rule->total++;
		rule->access[access]++;
	}
}

static void
add_decision(struct report *report, const struct entry_columns *columns, const json_t *body)
{
	const json_t *facts = json_object_get(body, "facts");
	const json_t *domains = json_object_get(json_object_get(body, "assessment"), "domains");
	const char *name = json_get_string(body, "access");
	enum access access = ACCESS_DENY;
	enum verdict verdict = VERDICT_UNDETERMINED;
	struct tally *usecase;
	struct report_day *day = day_of(report, columns->wall_ms);

	if (name == NULL || !access_parse(&access, name))
		access = ACCESS_DENY;
	name = json_get_string(body, "verdict");
	if (name == NULL || !verdict_parse(&verdict, name))
		verdict = VERDICT_UNDETERMINED;
	report->decisions++;
	report->access[access]++;
	report->verdicts[verdict][access]++;
	if (day != NULL)
		day->access[access]++;
	for (size_t i = 0; i < json_array_size(domains); i++) {
		const char *text = json_string_value(json_array_get(domains, i));
		enum domain domain;

		if (text != NULL && domain_parse(&domain, text))
			report->domains[domain]++;
	}
	usecase = tally_of(&report->usecases, columns->usecase, slice_of(NULL, 0));
	usecase->total++;
	usecase->access[access]++;
	if (!usecase->verdict_known || strictness(verdict) > strictness(usecase->verdict))
		usecase->verdict = verdict;
	usecase->verdict_known = true;
	add_reasons(report, body, access);
	add_identifiers(report->found, json_object_get(facts, "found"));
	name = json_get_string(facts, "drift");
	for (unsigned i = 0; name != NULL && i < 3; i++)
		if (strcmp(name, drift_name((enum drift)i)) == 0)
			report->drift[i]++;
	report->policy_errors += json_array_size(json_object_get(body, "errors")) > 0;
}

static void
add_outcome(struct report *report, const struct entry_columns *columns, const json_t *body)
{
	const char *name = json_get_string(body, "status");
	const int64_t prompt = json_get_integer(body, "prompt_tokens", 0);
	const int64_t completion = json_get_integer(body, "completion_tokens", 0);
	enum outcome_status status = OUTCOME_FAILED;

	for (unsigned i = 0; name != NULL && i < OUTCOMES; i++)
		if (strcmp(name, outcome_status_name((enum outcome_status)i)) == 0)
			status = (enum outcome_status)i;
	report->outcomes[status]++;
	tally_of(&report->usecases, columns->usecase, slice_of(NULL, 0))->outcome[status]++;
	add_identifiers(report->masked, json_object_get(body, "masked"));
	report->prompt_tokens += prompt > 0 ? (uint64_t)prompt : 0;
	report->completion_tokens += completion > 0 ? (uint64_t)completion : 0;
	if (status != OUTCOME_ANSWERED)
		return;
	name = json_get_string(body, "label");
	for (unsigned i = 0; name != NULL && i < LABELS; i++)
		if (strcmp(name, label_name((enum label)i)) == 0)
			report->labels[i]++;
	tally_of(&report->models, columns->model, slice_string(json_get_string(body, "weights")))->total++;
	tally_of(&report->zones, columns->zone, slice_string(json_get_string(body, "engine")))->total++;
}

static void
add_review(struct report *report, const json_t *body)
{
	const char *name = json_get_string(body, "action");
	const int64_t shown = json_get_integer(body, "shown_ms", -1);
	enum review_action action = REVIEW_ACTIONS;
	size_t bucket = 0;

	for (unsigned i = 0; name != NULL && i < REVIEW_ACTIONS; i++)
		if (strcmp(name, review_actions[i]) == 0)
			action = (enum review_action)i;
	report->reviews++;
	if (action == REVIEW_ACTIONS)
		return;
	report->review_actions[action]++;
	if (action == REVIEW_EXPIRE)
		return; /* nobody decided */
	report->changed += json_get_bool(body, "changed", false);
	if (shown < 0)
		return;
	while (shown >= report_shown_limits[bucket] && bucket + 1 < SHOWN_BUCKETS)
		bucket++;
	report->shown[bucket]++;
}

int
report_add(struct report *report, uint64_t index, const struct entry_columns *columns, struct slice bytes,
           struct fault *why)
{
	json_t *entry = json_read(bytes, ENTRY_SIZE_LIMIT, JSON_DEPTH_LIMIT, why);
	const json_t *body = json_object_get(entry, "body");

	if (entry == NULL)
		return fault_prefix(why, "%" PRIu64 "번 항목", "entry %" PRIu64, index);
	report->entries++;
	report->kinds[columns->kind]++;
	if (report->log_count > 0)
		report->logs[report->log_count - 1].entries++;
	if (columns->kind == ENTRY_DECISION)
		add_decision(report, columns, body);
	else if (columns->kind == ENTRY_OUTCOME)
		add_outcome(report, columns, body);
	else if (columns->kind == ENTRY_REVIEW)
		add_review(report, body);
	json_decref(entry);
	return 0;
}

/* ---- telling ------------------------------------------------------------------------------------------------------- */

int64_t
report_changed_thousandths(const struct report *report)
{
	const uint64_t decided = report->review_actions[REVIEW_APPROVE] +
	                         report->review_actions[REVIEW_REFUSE] + report->review_actions[REVIEW_EDIT];

	return decided == 0 ? -1 : (int64_t)(report->changed * 1000 / decided);
}

const char *
report_day_text(char out[16], int64_t day)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, day * DAY_MS);
	memcpy(out, text, 10);
	out[10] = '\0';
	return out;
}

static void
put_time(struct buffer *out, const char *name, int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, wall_ms);
	buffer_printf(out, "\"%s\":\"%s\"", name, text);
}

static void
put_text(struct buffer *out, const char *name, const char *text)
{
	buffer_printf(out, "\"%s\":", name);
	json_quote(out, slice_string(text));
}

static void
put_access(struct buffer *out, const uint64_t access[ACCESSES])
{
	buffer_printf(out,
	              "\"permit\":%" PRIu64 ",\"redact\":%" PRIu64 ",\"hold\":%" PRIu64 ",\"deny\":%" PRIu64,
	              access[ACCESS_PERMIT], access[ACCESS_REDACT], access[ACCESS_HOLD], access[ACCESS_DENY]);
}

static void
put_head(struct buffer *out, const struct report *report)
{
	const struct manifest *manifest = report->manifest;

	buffer_string(out, "{\"format\":\"haechi-report/1\",");
	put_time(out, "made", manifest->made_ms);
	buffer_byte(out, ',');
	put_text(out, "by", manifest->by);
	if (manifest->filter.has_from) {
		buffer_byte(out, ',');
		put_time(out, "from", manifest->filter.from_ms);
	}
	if (manifest->filter.has_to) {
		buffer_byte(out, ',');
		put_time(out, "to", manifest->filter.to_ms);
	}
	buffer_string(out, ",\"filter\":{");
	for (size_t i = 0, any = 0; i < FILTER_VALUES; i++) {
		if (filter_value(&manifest->filter, i) == NULL)
			continue;
		buffer_string(out, any++ > 0 ? "," : "");
		put_text(out, filter_names[i], filter_value(&manifest->filter, i));
	}
	buffer_string(out, "},\"logs\":[");
	for (size_t i = 0; i < report->log_count; i++) {
		char root[65];

		hex_encode(root, report->logs[i].root.bytes, TREE_HASH_SIZE);
		buffer_string(out, i > 0 ? ",{" : "{");
		put_text(out, "origin", report->logs[i].origin);
		buffer_printf(
		    out,
		    ",\"size\":%" PRIu64 ",\"root\":\"%s\",\"entries\":%" PRIu64 ",\"left_out\":%" PRIu64 "}",
		    report->logs[i].size, root, report->logs[i].entries, report->logs[i].selection.left_out);
	}
	buffer_byte(out, ']');
}

static void
put_decisions(struct buffer *out, const struct report *report)
{
	buffer_printf(out, ",\"decisions\":{\"total\":%" PRIu64 ",", report->decisions);
	put_access(out, report->access);
	buffer_string(out, ",\"verdicts\":{");
	for (unsigned i = 0; i < VERDICTS; i++) {
		buffer_printf(out, "%s\"%s\":{", i > 0 ? "," : "", verdict_name((enum verdict)i));
		put_access(out, report->verdicts[i]);
		buffer_byte(out, '}');
	}
	buffer_string(out, "},\"domains\":{");
	for (unsigned i = 1; i < DOMAIN_KINDS; i++)
		buffer_printf(out, "%s\"%s\":%" PRIu64, i > 1 ? "," : "", domain_name((enum domain)i),
		              report->domains[i]);
	buffer_string(out, "},\"drift\":{");
	for (unsigned i = 0; i < 3; i++)
		buffer_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", drift_name((enum drift)i),
		              report->drift[i]);
	buffer_printf(out, "},\"policy_errors\":%" PRIu64 "}", report->policy_errors);
}

static void
put_identifiers(struct buffer *out, const char *name, const uint64_t counts[IDENTIFIER_KINDS])
{
	buffer_printf(out, ",\"%s\":{", name);
	for (unsigned i = 0; i < IDENTIFIER_KINDS; i++)
		buffer_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "",
		              identifier_name((enum identifier_kind)i), counts[i]);
	buffer_byte(out, '}');
}

static void
put_outcomes(struct buffer *out, const struct report *report)
{
	buffer_string(out, ",\"outcomes\":{");
	for (unsigned i = 0; i < OUTCOMES; i++)
		buffer_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "",
		              outcome_status_name((enum outcome_status)i), report->outcomes[i]);
	buffer_string(out, "},\"labels\":{");
	for (unsigned i = 0; i < LABELS; i++)
		buffer_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", label_name((enum label)i),
		              report->labels[i]);
	buffer_printf(out, "},\"tokens\":{\"prompt\":%" PRIu64 ",\"completion\":%" PRIu64 "}",
	              report->prompt_tokens, report->completion_tokens);
	buffer_printf(out, ",\"reviews\":{\"total\":%" PRIu64, report->reviews);
	for (unsigned i = 0; i < REVIEW_ACTIONS; i++)
		buffer_printf(out, ",\"%s\":%" PRIu64, review_actions[i], report->review_actions[i]);
	buffer_printf(out, ",\"changed\":%" PRIu64 ",\"changed_per_thousand\":%" PRId64 ",\"shown\":{",
	              report->changed, report_changed_thousandths(report));
	for (unsigned i = 0; i < SHOWN_BUCKETS; i++)
		buffer_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", shown_names[i], report->shown[i]);
	buffer_string(out, "}}");
}

static void
put_tallies(struct buffer *out, const char *name, const char *extra, const struct tallies *tallies,
            bool access)
{
	buffer_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < tallies->count; i++) {
		const struct tally *item = &tallies->items[i];

		buffer_string(out, i > 0 ? ",{" : "{");
		put_text(out, "name", item->name);
		if (item->extra[0] != '\0') {
			buffer_byte(out, ',');
			put_text(out, extra, item->extra);
		}
		if (item->verdict_known)
			buffer_printf(out, ",\"verdict\":\"%s\"", verdict_name(item->verdict));
		buffer_printf(out, ",\"total\":%" PRIu64, item->total);
		if (access) {
			buffer_byte(out, ',');
			put_access(out, item->access);
		}
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
}

static void
sort_all(struct report *report)
{
	tallies_sort(&report->usecases);
	tallies_sort(&report->rules);
	tallies_sort(&report->models);
	tallies_sort(&report->zones);
}

void
report_json(struct buffer *out, struct report *report)
{
	char day[16];

	sort_all(report);
	put_head(out, report);
	buffer_printf(out, ",\"entries\":{\"total\":%" PRIu64, report->entries);
	for (unsigned i = 0; i < ENTRY_KINDS; i++)
		buffer_printf(out, ",\"%s\":%" PRIu64, entry_kind_name((enum entry_kind)i), report->kinds[i]);
	buffer_byte(out, '}');
	put_decisions(out, report);
	put_outcomes(out, report);
	put_identifiers(out, "found", report->found);
	put_identifiers(out, "masked", report->masked);
	put_tallies(out, "usecases", "", &report->usecases, true);
	put_tallies(out, "rules", "law", &report->rules, true);
	put_tallies(out, "models", "weights", &report->models, false);
	put_tallies(out, "zones", "engine", &report->zones, false);
	buffer_string(out, ",\"days\":[");
	for (size_t i = 0; i < report->day_count; i++) {
		buffer_printf(out, "%s{\"day\":\"%s\",", i > 0 ? "," : "",
		              report_day_text(day, report->days[i].day));
		put_access(out, report->days[i].access);
		buffer_byte(out, '}');
	}
	buffer_string(out, "]}\n");
}

/* ---- entries.csv --------------------------------------------------------------------------------------------------- */

void
report_csv_head(struct buffer *out)
{
	buffer_string(out, "\xef\xbb\xbf"
	                   "기록(log),번호(index),시각 한국(time "
	                   "KST),항목(id),종류(kind),기관(agency),서비스(service),이용자(subject),"
	                   "열쇠(key),요청(request_id),앞 "
	                   "항목(of),용도(usecase),판정(verdict),결정(decision),영역(domain),동작(action),"
	                   "모델(model),망 영역(zone)\r\n");
}

/* RFC 4180, and what a spreadsheet takes for a formula is made text. */
static void
csv_cell(struct buffer *out, struct slice text)
{
	const bool formula = text.size > 0 && strchr("=+-@\t\r", text.data[0]) != NULL;
	bool quoted = formula;

	for (size_t i = 0; i < text.size; i++)
		quoted = quoted || strchr(",\"\r\n", text.data[i]) != NULL;
	if (!quoted) {
		buffer_slice(out, text);
		return;
	}
	buffer_string(out, formula ? "\"'" : "\"");
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '"')
			buffer_byte(out, '"');
		buffer_byte(out, text.data[i]);
	}
	buffer_byte(out, '"');
}

void
report_csv_line(struct buffer *out, uint64_t index, struct slice kind, const struct entry_columns *columns)
{
	const struct slice cells[] = {
	    columns->id,         kind,
	    columns->agency,     columns->service,
	    columns->subject,    columns->key,
	    columns->request_id, columns->of,
	    columns->usecase,    columns->verdict,
	    columns->access,     columns->domain,
	    columns->action,     columns->model,
	    columns->zone,
	};
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, columns->wall_ms + KOREA_MS);
	time[10] = ' ';
	time[23] = '\0'; /* the Z: it is Korea's time, as the head says */
	csv_cell(out, columns->log);
	buffer_printf(out, ",%" PRIu64 ",%s", index, time);
	for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
		buffer_byte(out, ',');
		csv_cell(out, cells[i]);
	}
	buffer_string(out, "\r\n");
}
