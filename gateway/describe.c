#include "gateway/describe.h"

#include <stdlib.h>

#include "gateway/bundle_pull.h"
#include "gateway/bundles.h"
#include "gateway/gateway.h"
#include "gateway/notary.h"
#include "gateway/oversight.h"
#include "gateway/registrar.h"
#include "gateway/registry.h"
#include "gateway/restart.h"
#include "gateway/shadow.h"
#include "gateway/server.h"
#include "gateway/watch.h"
#include "schema/base/clock.h"
#include "schema/version.h"


static const char *
text(const char *value)
{
	return value == NULL ? "" : value;
}

static json_t *
describe_engines(const struct config *config)
{
	json_t *list = json_array();

	for (uint32_t i = 0; list != NULL && i < config->engines_count; i++) {
		const struct config_engine *engine = &config->engines[i];
		json_t *models = json_array();

		for (uint32_t j = 0; j < engine->models_count; j++)
			json_array_append_new(models, json_string(engine->models[j].name));
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", engine->name, "zone",
		                                      engine->zone, "grade", grade_name(engine->zone_grade),
		                                      "models", models));
	}
	return list;
}

static json_t *
describe_witnesses(const struct notary_status *told)
{
	json_t *list = json_array();
	size_t asked = 0;
	char time[CLOCK_TEXT_SIZE];

	for (size_t i = 0; list != NULL && i < told->witness_count; i++) {
		const struct notary_witness *witness = &told->witnesses[i];

		clock_text(time, witness->time * 1000);
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:I, s:s, s:{s:s, s:s}}", "name", witness->name, "state",
		                    notary_state_name(witness->state), "size", (json_int_t)witness->size,
		                    "cosigned_at", witness->time == 0 ? "" : time, "why", "ko",
		                    witness->why.ko, "en", witness->why.en));
		asked++;
	}
	return json_pack("{s:I, s:I, s:I, s:b, s:s, s:o}", "size", (json_int_t)told->cosigned_size,
	                 "cosigners", (json_int_t)told->cosigners, "of", (json_int_t)asked, "quorum",
	                 (int)told->quorum, "wants", told->wants, "witnesses", list);
}

/* What others confirm of this log: null where nobody was named. */
static int
describe_confirmed(json_t *result, struct notary *notary)
{
	struct notary_status *told = malloc(sizeof *told);
	char time[CLOCK_TEXT_SIZE];
	int failed;

	if (told == NULL)
		return -1;
	notary_status(notary, told);
	clock_text(time, told->stamped_ms);
	failed =
	    json_object_set_new(result, "witness", told->witnessing ? describe_witnesses(told) : json_null());
	failed |= json_object_set_new(
	    result, "timestamp",
	    told->stamping
	        ? json_pack("{s:I, s:s, s:s, s:b, s:{s:s, s:s}}", "size", (json_int_t)told->stamped_size,
	                    "at", told->stamped_size == 0 ? "" : time, "authority", told->authority, "failed",
	                    (int)told->stamp_failed, "why", "ko", told->stamp_why.ko, "en",
	                    told->stamp_why.en)
	        : json_null());
	free(told);
	return failed == 0 ? 0 : -1;
}

/* Where the policy in force is from, what runs beside it, where newer ones come from. */
static void
describe_bundles(struct gateway *gateway, const struct snapshots *snapshots, json_t *policy)
{
	json_t *const bundles = gateway->bundles == NULL ? NULL : bundles_describe(gateway->bundles);
	json_t *const pull = gateway->pull == NULL ? NULL : bundle_pull_describe(gateway->pull);
	json_t *const shadow = snapshots->shadow == NULL ? NULL : shadow_describe(snapshots->shadow);

	if (bundles != NULL)
		json_object_update_missing(policy, bundles);
	json_decref(bundles);
	if (pull != NULL)
		json_object_set_new(policy, "pull", pull);
	if (shadow != NULL)
		json_object_set_new(policy, "shadow", shadow);
}

json_t *
describe_gateway(struct gateway *gateway)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	struct ledger_status ledger = {0};
	char started[CLOCK_TEXT_SIZE];
	json_t *result = NULL;

	if (snapshots == NULL)
		return NULL;
	clock_text(started, gateway->started_ms);
	if (gateway->ledger != NULL)
		ledger_status(gateway->ledger, &ledger);
	result = json_pack(
	    "{s:s, s:s, s:s, s:s, s:I, s:b, s:{s:s, s:I, s:s}, s:{s:I, s:I, s:b}, s:{s:b, s:I, s:I, s:I, "
	    "s:b, s:s}, s:o, "
	    "s:s, s:o}",
	    "version", HAECHI_VERSION, "agency", snapshots->config->agency, "origin", gateway->origin, "started_at",
	    started, "uptime_seconds", (json_int_t)((clock_wall_ms() - gateway->started_ms) / 1000),
	    "draining", (int)atomic_load(&gateway->draining), "policy", "bundle",
	    policy_bundle(snapshots->policy), "policies", (json_int_t)policy_count(snapshots->policy),
	    "config", snapshots->config->digest, "registry", "usecases",
	    (json_int_t)(snapshots->registry == NULL ? 0 : registry_usecase_count(snapshots->registry)),
	    "keys", (json_int_t)(snapshots->registry == NULL ? 0 : registry_key_count(snapshots->registry)),
	    "database_up", (int)(gateway->registrar != NULL && registrar_up(gateway->registrar)), "ledger",
	    "writable", (int)ledger.writable, "entries", (json_int_t)ledger.size, "shipped",
	    (json_int_t)ledger.shipped, "unshipped_bytes", (json_int_t)ledger.unshipped_bytes, "database_up",
	    (int)ledger.database_up, "refusal", ledger.refusal, "engines",
	    describe_engines(snapshots->config), "confinement", gateway->confinement, "attention",
	    oversight_attention(snapshots->registry));
	describe_bundles(gateway, snapshots, json_object_get(result, "policy"));
	if (result != NULL && gateway->begun != NULL)
		json_object_set_new(result, "restart_needed",
		                    restart_list(gateway->begun, snapshots->config, gateway->confine));
	snapshots_release(snapshots);
	if (result != NULL && gateway->watch != NULL)
		json_object_set_new(result, "changed_files", watch_describe(gateway->watch));
	if (result != NULL && describe_confirmed(result, gateway->notary) == -1) {
		json_decref(result);
		return NULL;
	}
	return result;
}

json_t *
describe_usecase(const struct registered *registered)
{
	const struct usecase *usecase = &registered->usecase;
	const struct assessment *assessment = &registered->assessment;
	json_t *domains = json_array(), *rules = json_array(), *missing = json_array(),
	       *duties = json_array(), *duty_rules = json_array();

	for (size_t i = 0; i < assessment->domain_count; i++)
		json_array_append_new(domains, json_string(domain_name(assessment->domains[i])));
	for (size_t i = 0; i < assessment->rule_count; i++) {
		const struct rule_hit *rule = &assessment->rules[i];

		json_array_append_new(
		    rules, json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}}", "id", text(rule->id), "law",
		                     text(rule->law), "says", text(rule->says), "status", text(rule->status),
		                     "title", "ko", text(rule->title_ko), "en", text(rule->title_en)));
	}
	for (size_t i = 0; i < assessment->missing_count; i++) {
		const struct missing_fact *fact = &assessment->missing[i];

		json_array_append_new(missing, json_pack("{s:s, s:{s:s, s:s}}", "field", text(fact->field),
		                                         "question", "ko", text(fact->question_ko), "en",
		                                         text(fact->question_en)));
	}
	for (size_t i = 0; i < assessment->duty_count; i++) {
		const struct rule_hit *rule = &assessment->duty_rules[i];

		json_array_append_new(duties, json_string(assessment->duties[i]));
		json_array_append_new(duty_rules,
		                      json_pack("{s:s, s:s, s:{s:s, s:s}}", "duty", assessment->duties[i],
		                                "law", text(rule->law), "title", "ko", text(rule->title_ko),
		                                "en", text(rule->title_en)));
	}
	return json_pack(
	    "{s:s, s:s, s:I, s:b, s:{s:s, s:s}, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:{s:s, "
	    "s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:b}}",
	    "id", usecase->id, "agency", usecase->agency, "version", (json_int_t)usecase->version, "retired",
	    (int)usecase->retired, "title", "ko", text(usecase->title_ko), "en", text(usecase->title_en),
	    "channel", text(usecase->channel), "grade", grade_name(usecase->grade), "verdict",
	    verdict_name(assessment->verdict), "domains", domains, "rules", rules, "ruleset",
	    text(assessment->ruleset), "missing_facts", missing, "duties", duties, "duty_rules", duty_rules,
	    "stricter_reading", (int)assessment->stricter_reading, "review", "standing",
	    oversight_standing(registered), "decisions", (json_int_t)registered->review.decisions, "changed",
	    (json_int_t)registered->review.changed, "hasty", (json_int_t)registered->review.hasty,
	    "median_ms", (json_int_t)registered->review.median_ms, "drift", "decisions",
	    (json_int_t)registered->drift.decisions, "suspected", (json_int_t)registered->drift.suspected,
	    "certain", (json_int_t)registered->drift.certain, "often", (int)registered->drift.often);
}
