#include "gateway/oversight.h"

#include <stdio.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "gateway/registry.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define SHOWN_MOST 1000 /* use cases in metrics */

/* ---- drift ------------------------------------------------------------------------------------------------------- */

/*
 * $1 window, $2 since. Entries are canonical, and a quote inside a text is escaped: these words stand nowhere else. What a
 * reviewer let pass is no drift any more, and a new version begins anew.
 */
static const char drift_sql[] =
    "SELECT u.agency, u.id, n.decisions, n.suspected, n.certain FROM haechi.usecase_latest u"
    " CROSS JOIN LATERAL (SELECT count(*) AS decisions,"
    "  count(*) FILTER (WHERE position('\"drift\":\"suspected\"'::bytea IN bytes) > 0) AS suspected,"
    "  count(*) FILTER (WHERE position('\"drift\":\"certain\"'::bytea IN bytes) > 0) AS certain"
    "  FROM (SELECT e.bytes FROM haechi.entry e WHERE e.usecase = u.id AND e.agency = u.agency"
    "   AND e.kind = 'decision' AND e.wall > u.created_at AND position('\"approver\":'::bytea IN e.bytes) = 0"
    "   ORDER BY e.wall DESC LIMIT $1::int) latest) n"
    " WHERE NOT u.retired AND EXISTS (SELECT 1 FROM haechi.entry e WHERE e.usecase = u.id AND"
    "  e.wall > to_timestamp($2::float8 / 1000))";

/* Entries reach PostgreSQL a little after they were made; look a little further back than the last look. */
#define LATE_MS 60000

int
oversight_drift(json_t *seen, struct database *database, uint32_t window, int64_t *since_ms, bool *changed,
                struct fault *why)
{
	const int64_t now = clock_wall_ms();
	struct database_rows *rows = NULL;
	char most[16], since[32], key[160];
	const char *const parameters[] = {most, since};
	int result = -1;

	*changed = false;
	snprintf(most, sizeof most, "%u", window);
	snprintf(since, sizeof since, "%lld", (long long)*since_ms);
	if (database_ask(&rows, database, drift_sql, 2, parameters, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows); i++) {
		json_t *counts =
		    json_pack("{s:I, s:I, s:I}", "decisions", (json_int_t)database_integer(rows, i, 2),
		              "suspected", (json_int_t)database_integer(rows, i, 3), "certain",
		              (json_int_t)database_integer(rows, i, 4));

		snprintf(key, sizeof key, "%s/%s", database_text(rows, i, 0), database_text(rows, i, 1));
		*changed |= !json_equal(counts, json_object_get(seen, key));
		if (json_object_set_new(seen, key, counts) == -1) {
			fault_memory(why);
			goto out;
		}
	}
	*since_ms = now - LATE_MS;
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

/* ---- telling ------------------------------------------------------------------------------------------------------ */

static void
note_text(struct entry_note *note, const char *name, const char *text)
{
	note->facts[note->fact_count].name = name;
	note->facts[note->fact_count++].text = text;
}

static void
note_number(struct entry_note *note, const char *name, int64_t number)
{
	if (number < 0)
		return;
	note->facts[note->fact_count].name = name;
	note->facts[note->fact_count++].number = number;
}

/* Ids of the rules that spoke, as far as they fit. */
static void
rules_text(char *out, size_t size, const struct registered *registered)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < registered->assessment.rule_count; i++) {
		const char *const id = registered->assessment.rules[i].id;
		const size_t more = strlen(id) + (at > 0 ? 2 : 0);

		if (at + more >= size)
			return;
		snprintf(out + at, size - at, "%s%s", at > 0 ? ", " : "", id);
		at += more;
	}
}

static int
keep_told(struct database *database, const struct registered *registered, const char *entry,
          struct fault *why)
{
	const struct usecase *usecase = &registered->usecase;
	struct database_rows *rows = NULL;
	char version[24];
	const char *const parameters[] = {usecase->agency,
	                                  usecase->id,
	                                  version,
	                                  verdict_name(registered->assessment.verdict),
	                                  registered->drift.often ? "true" : "false",
	                                  entry};

	snprintf(version, sizeof version, "%lld", (long long)usecase->version);
	if (database_ask(
	        &rows, database,
	        "INSERT INTO haechi.usecase_told (agency, id, version, verdict, drift, entry_id)"
	        " VALUES ($1, $2, $3::bigint, $4, $5::boolean, $6) ON CONFLICT (agency, id) DO UPDATE"
	        " SET version = excluded.version, verdict = excluded.verdict, drift = excluded.drift,"
	        " entry_id = excluded.entry_id, told_at = clock_timestamp()",
	        6, parameters, why) == -1)
		return -1;
	database_rows_free(rows);
	return 0;
}

static int
tell_verdict(struct gateway *gateway, const struct registered *registered, char entry[ENTRY_ID_SIZE],
             struct fault *why)
{
	const struct usecase *usecase = &registered->usecase;
	struct entry_note note = {.action = "reassess"};
	char rules[1024];

	rules_text(rules, sizeof rules, registered);
	note_text(&note, "agency", usecase->agency);
	note_text(&note, "by", "haechid");
	if (registered->review.decisions > 0) {
		note_number(&note, "changed", registered->review.changed);
		note_number(&note, "decisions", registered->review.decisions);
	}
	note_text(&note, "from", verdict_name(registered->told_verdict));
	if (registered->review.decisions > 0) {
		note_number(&note, "hasty", registered->review.hasty);
		note_number(&note, "hasty_ms", usecase->reviewer.limits.hasty_ms);
		note_number(&note, "least_changed", usecase->reviewer.limits.least_changed);
		note_number(&note, "least_decisions", usecase->reviewer.limits.decisions);
		note_number(&note, "median_ms", registered->review.median_ms);
		note_number(&note, "most_hasty", usecase->reviewer.limits.most_hasty);
	}
	note_text(&note, "rules", rules);
	note_text(&note, "ruleset", registered->assessment.ruleset);
	note_text(&note, "usecase", usecase->id);
	note_text(&note, "verdict", verdict_name(registered->assessment.verdict));
	note_number(&note, "version", usecase->version);
	if (gateway_note_usecase(gateway, &note, usecase, "haechid", entry, why) == -1)
		return -1;
	log_warn("oversight",
	         "event=verdict-changed agency=%s usecase=%s from=%s to=%s rules=\"%s\" entry=%s",
	         usecase->agency, usecase->id, verdict_name(registered->told_verdict),
	         verdict_name(registered->assessment.verdict), rules, entry);
	return 0;
}

static int
tell_drift(struct gateway *gateway, const struct registered *registered, char entry[ENTRY_ID_SIZE],
           struct fault *why)
{
	const struct usecase *usecase = &registered->usecase;
	struct entry_note note = {.action = registered->drift.often ? "drift" : "drift-over"};

	note_text(&note, "agency", usecase->agency);
	note_text(&note, "by", "haechid");
	note_number(&note, "certain", registered->drift.certain);
	note_number(&note, "decisions", registered->drift.decisions);
	note_number(&note, "suspected", registered->drift.suspected);
	note_text(&note, "usecase", usecase->id);
	note_number(&note, "version", usecase->version);
	if (gateway_note_usecase(gateway, &note, usecase, "haechid", entry, why) == -1)
		return -1;
	log_warn("oversight",
	         "event=%s agency=%s usecase=%s decisions=%lld suspected=%lld certain=%lld entry=%s",
	         note.action, usecase->agency, usecase->id, (long long)registered->drift.decisions,
	         (long long)registered->drift.suspected, (long long)registered->drift.certain, entry);
	return 0;
}

int
oversight_tell(struct gateway *gateway, const struct registry *registry, struct database *database,
               size_t *told, struct fault *why)
{
	*told = 0;
	for (size_t i = 0; i < registry_usecase_count(registry); i++) {
		const struct registered *registered = registry_usecase_at(registry, i);
		const bool verdict = registered->told_verdict != registered->assessment.verdict;
		const bool drift = registered->told_drift != registered->drift.often;
		char entry[ENTRY_ID_SIZE];

		if (registered->usecase.retired || (!verdict && !drift))
			continue;
		if ((verdict && tell_verdict(gateway, registered, entry, why) == -1) ||
		    (drift && tell_drift(gateway, registered, entry, why) == -1) ||
		    keep_told(database, registered, entry, why) == -1)
			return -1;
		++*told;
	}
	return 0;
}

/* ---- what the numbers come to ------------------------------------------------------------------------------------- */

static const char *
standing_of(int64_t decisions, int64_t changed, int64_t hasty, const struct oversight_limits *limits)
{
	if (decisions < limits->decisions)
		return "few";
	if (changed * 1000 < decisions * limits->least_changed)
		return "rubber-stamped";
	return hasty * 1000 > decisions * limits->most_hasty ? "hasty" : "substantive";
}

const char *
oversight_standing(const struct registered *registered)
{
	return standing_of(registered->review.decisions, registered->review.changed, registered->review.hasty,
	                   &registered->usecase.reviewer.limits);
}

struct asking {
	const char *usecase;
	uint32_t window;
	const struct oversight_limits *limits;
	const struct registry *registry;
	json_t *list;
};

/* $1 window, $2 hasty ms, $3 use case or NULL. A row a reviewer, and one of the whole before them. */
static const char reviews_sql[] =
    "SELECT agency, usecase, reviewer, count(*), count(*) FILTER (WHERE changed),"
    " count(*) FILTER (WHERE action = 'approve' AND coalesce(shown_ms, 0) < $2::bigint), count(*) FILTER "
    "(WHERE action = "
    "'refuse'),"
    " coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY shown_ms), -1)::bigint,"
    " (extract(epoch FROM max(wall)) * 1000)::bigint"
    " FROM (SELECT d.*, row_number() OVER (PARTITION BY agency, usecase ORDER BY wall DESC, index DESC) AS n"
    "  FROM haechi.review_decision d WHERE $3::text IS NULL OR usecase = $3) latest WHERE n <= $1::int"
    " GROUP BY GROUPING SETS ((agency, usecase), (agency, usecase, reviewer))"
    " ORDER BY agency, usecase, grouping(reviewer) DESC, count(*) DESC";

static json_t *
numbers_json(const struct database_rows *rows, size_t row, const struct oversight_limits *limits)
{
	const int64_t decisions = database_integer(rows, row, 3), changed = database_integer(rows, row, 4),
	              hasty = database_integer(rows, row, 5);
	char last[CLOCK_TEXT_SIZE];

	clock_text(last, database_integer(rows, row, 8));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "decisions", (json_int_t)decisions, "changed",
	                 (json_int_t)changed, "refused", (json_int_t)database_integer(rows, row, 6), "hasty",
	                 (json_int_t)hasty, "median_ms", (json_int_t)database_integer(rows, row, 7),
	                 "standing", standing_of(decisions, changed, hasty, limits), "last_at", last);
}

static json_t *
limits_json(const struct oversight_limits *limits)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "decisions", (json_int_t)limits->decisions, "least_changed",
	                 (json_int_t)limits->least_changed, "hasty_ms", (json_int_t)limits->hasty_ms,
	                 "most_hasty", (json_int_t)limits->most_hasty);
}

static int
read_reviews(struct database *database, void *owner, struct fault *why)
{
	struct asking *asking = owner;
	struct database_rows *rows = NULL;
	char window[16], hasty[24];
	const char *const parameters[] = {window, hasty, asking->usecase};
	json_t *reviewers = NULL;
	int result = -1;

	snprintf(window, sizeof window, "%u", asking->window);
	snprintf(hasty, sizeof hasty, "%lld", (long long)asking->limits->hasty_ms);
	if (database_ask(&rows, database, reviews_sql, 3, parameters, why) == -1)
		return -1;
	if ((asking->list = json_array()) == NULL)
		goto out;
	for (size_t i = 0; i < database_count(rows); i++) {
		const char *const agency = database_text(rows, i, 0), *const id = database_text(rows, i, 1);
		json_t *numbers = numbers_json(rows, i, asking->limits);

		if (database_field(rows, i, 2).data == NULL) { /* the whole of a use case */
			const struct registered *registered =
			    registry_usecase(asking->registry, agency, slice_string(id));
			const struct rule_hit *rule =
			    registered == NULL ? NULL : registered_rule(registered, "T12.");

			json_object_set_new(numbers, "agency", json_string(agency));
			json_object_set_new(numbers, "usecase", json_string(id));
			json_object_set_new(numbers, "window", json_integer(asking->window));
			json_object_set_new(numbers, "limits", limits_json(asking->limits));
			json_object_set_new(numbers, "verdict",
			                    json_string(registered == NULL
			                                    ? ""
			                                    : verdict_name(registered->assessment.verdict)));
			json_object_set_new(numbers, "rule", json_string(rule == NULL ? "" : rule->id));
			json_object_set_new(numbers, "reviewers", reviewers = json_array());
			if (json_array_append_new(asking->list, numbers) == -1)
				goto out;
		} else {
			json_object_set_new(numbers, "reviewer", json_string(database_text(rows, i, 2)));
			if (reviewers == NULL || json_array_append_new(reviewers, numbers) == -1)
				goto out;
		}
	}
	result = 0;
out:
	database_rows_free(rows);
	return result == 0 ? 0 : fault_memory(why);
}

int
oversight_reviews(struct gateway *gateway, const char *usecase, json_t **out, struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	struct asking asking = {.usecase = usecase};
	int result;

	if (snapshots == NULL)
		return fault_set(why, FAULT_INTERNAL, "아직 시작되지 않았습니다", "not started yet");
	asking.window = snapshots->config->review.window;
	asking.limits = &snapshots->config->oversight;
	asking.registry = snapshots->registry;
	result = registrar_run(gateway->registrar, read_reviews, &asking, false, why);
	snapshots_release(snapshots);
	if (result == -1) {
		json_decref(asking.list);
		asking.list = NULL;
	}
	*out = asking.list;
	return result;
}

/* ---- the operator is told ------------------------------------------------------------------------------------------ */

static json_t *
attention(const struct registered *registered, const char *what, const char *rule, const char *ko,
          const char *en)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "agency", registered->usecase.agency,
	                 "usecase", registered->usecase.id, "what", what, "verdict",
	                 verdict_name(registered->assessment.verdict), "rule", rule, "ko", ko, "en", en);
}

json_t *
oversight_attention(const struct registry *registry)
{
	json_t *list = json_array();
	char ko[256], en[256];

	for (size_t i = 0; list != NULL && registry != NULL && i < registry_usecase_count(registry); i++) {
		const struct registered *registered = registry_usecase_at(registry, i);
		const struct usecase *usecase = &registered->usecase;
		const struct rule_hit *rule = registered_rule(registered, "T12.");

		if (usecase->retired)
			continue;
		if (rule != NULL && registered->review.decisions >= usecase->reviewer.limits.decisions) {
			snprintf(ko, sizeof ko,
			         "최근 검토 %lld건 중 변경·거부 %lld건, 성급한 승인 %lld건: 고영향으로 봄",
			         (long long)registered->review.decisions,
			         (long long)registered->review.changed, (long long)registered->review.hasty);
			snprintf(en, sizeof en,
			         "of the last %lld reviews %lld changed or refused, %lld hasty: high-impact",
			         (long long)registered->review.decisions,
			         (long long)registered->review.changed, (long long)registered->review.hasty);
			json_array_append_new(list, attention(registered, "oversight", rule->id, ko, en));
		}
		if (registered->drift.often) {
			snprintf(ko, sizeof ko,
			         "최근 요청 %lld건 중 용도 이탈 확실 %lld건, 의심 %lld건: 다시 판단할 것",
			         (long long)registered->drift.decisions, (long long)registered->drift.certain,
			         (long long)registered->drift.suspected);
			snprintf(
			    en, sizeof en,
			    "of the last %lld requests %lld drifted for certain, %lld perhaps: assess anew",
			    (long long)registered->drift.decisions, (long long)registered->drift.certain,
			    (long long)registered->drift.suspected);
			json_array_append_new(list, attention(registered, "drift", "", ko, en));
		}
	}
	return list;
}

static void
labels(struct buffer *out, const char *name, const struct registered *registered)
{
	buffer_printf(out, "haechi_usecase_%s{agency=\"", name);
	for (const char *at = registered->usecase.agency; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\')
			buffer_byte(out, '\\');
		buffer_byte(out, *at == '\n' ? ' ' : (uint8_t)*at);
	}
	buffer_printf(out, "\",usecase=\"%s\"", registered->usecase.id);
}

void
oversight_metrics(struct buffer *out, const struct registry *registry)
{
	static const struct {
		const char *name, *help;
	} gauges[] = {
	    {"reviews",                "Reviewed decisions measured (law T12), within the window."},
	    {"reviews_changed",        "Of these, changed or refused."                            },
	    {"reviews_hasty",          "Of these, approved within seconds of being shown."        },
	    {"reviews_median_seconds", "Median time between seeing and deciding."                 },
	    {"oversight_failed",       "1: measured review tells against it, high-impact by T12." },
	    {"drift_suspected",        "Requests suspected to leave the use, within the window."  },
	    {"drift_certain",          "Requests that certainly leave the use, within the window."},
	    {"drift_often",            "1: it drifts often and should be assessed anew."          },
	};

	for (size_t g = 0; g < sizeof gauges / sizeof *gauges; g++) {
		buffer_printf(out, "# HELP haechi_usecase_%s %s\n# TYPE haechi_usecase_%s gauge\n",
		              gauges[g].name, gauges[g].help, gauges[g].name);
		for (size_t i = 0, shown = 0; i < registry_usecase_count(registry) && shown < SHOWN_MOST;
		     i++) {
			const struct registered *registered = registry_usecase_at(registry, i);
			const struct usecase *usecase = &registered->usecase;
			const int64_t values[] = {registered->review.decisions,
			                          registered->review.changed,
			                          registered->review.hasty,
			                          registered->review.median_ms,
			                          registered_rule(registered, "T12.") != NULL,
			                          registered->drift.suspected,
			                          registered->drift.certain,
			                          registered->drift.often};

			if (usecase->retired ||
			    (g < 5 ? registered->review.decisions == 0 : registered->drift.decisions == 0))
				continue;
			labels(out, gauges[g].name, registered);
			if (g == 3)
				buffer_printf(out, "} %.3f\n", (double)values[g] / 1000);
			else
				buffer_printf(out, "} %lld\n", (long long)values[g]);
			shown++;
		}
	}
}
