/*
 * haechi explain -- why one request was decided as it was: who and which use, what the Act says of it, what the text gave
 * away, which policies spoke, what was owed, and what came of it. All of it from the entries; titles from the policies of
 * the same bundle.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/query.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/commands/explain_print.h"
#include "gateway/commands/rules.h"
#include "gateway/commands/usecase_versions.h"
#include "gateway/replay.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

#define ARENA_LIMIT     ((size_t)8 << 20)
#define FOLLOWERS_LIMIT 64
#define STEPS_LIMIT     4 /* from an outcome back to its decision, and on to what that followed */

struct options {
	struct policy_places places;
	const char *database, *reason, *entry;
	char *configured; /* by -c; owned */
	bool json;
};

struct explaining {
	struct database *database;
	struct policy *policy; /* NULL: not loaded, `away` says why */
	struct fault away;
	struct usecase_versions *versions;
	struct arena *arena;
	struct recorded recorded;
	const struct usecase *usecase; /* NULL: none named, or not to be read here */
	struct remade remade;          /* its assessment has the titles, when `same` */
	bool same;                     /* the loaded policies are those the entry names */
	json_t *out;
};

/* ---- the parts, each an object or a list; NULL anywhere fails the whole (json_object_set_new) ----------------------- */

static json_t *
reasons_json(const struct explaining *explaining, const struct policy_reason *reasons, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct policy_reason *known =
		    explaining->same ? policy_reason_find(explaining->policy, reasons[i].id) : NULL;
		json_t *item = json_pack("{s:s, s:s}", "id", reasons[i].id, "law", reasons[i].law);

		if (known != NULL) {
			json_object_set_new(item, "title_ko", json_string(known->title_ko));
			json_object_set_new(item, "title_en", json_string(known->title_en));
			json_object_set_new(item, "message_ko", json_string(known->message_ko));
			json_object_set_new(item, "message_en", json_string(known->message_en));
		}
		json_array_append_new(list, item);
	}
	return list;
}

/* A duty by its id, with what its rule says where that is known. */
static json_t *
duty_json(const struct assessment *titled, const char *id)
{
	json_t *item = json_pack("{s:s}", "id", id);

	for (size_t k = 0; k < titled->duty_count && titled->duty_rules != NULL; k++)
		if (strcmp(titled->duties[k], id) == 0) {
			json_object_set_new(item, "law", json_string(titled->duty_rules[k].law));
			json_object_set_new(item, "title_ko", json_string(titled->duty_rules[k].title_ko));
			json_object_set_new(item, "title_en", json_string(titled->duty_rules[k].title_en));
		}
	return item;
}

static json_t *
assessment_json(const struct explaining *explaining)
{
	const struct assessment *recorded = &explaining->recorded.assessment;
	const struct assessment *titled = &explaining->remade.assessment;
	json_t *rules = json_array(), *missing = json_array(), *duties = json_array(),
	       *duty_rules = json_array(), *domains = json_array();

	for (size_t i = 0; i < recorded->rule_count; i++) {
		const struct rule_hit *rule = &recorded->rules[i];
		json_t *item = json_pack("{s:s, s:s, s:s, s:s}", "id", rule->id, "law", rule->law, "says",
		                         rule->says, "status", rule->status);

		for (size_t k = 0; k < titled->rule_count; k++) {
			if (strcmp(titled->rules[k].id, rule->id) != 0)
				continue;
			json_object_set_new(item, "title_ko", json_string(titled->rules[k].title_ko));
			json_object_set_new(item, "title_en", json_string(titled->rules[k].title_en));
			break;
		}
		json_array_append_new(rules, item);
	}
	for (size_t i = 0; i < recorded->missing_count; i++) {
		json_t *item = json_pack("{s:s}", "field", recorded->missing[i].field);

		for (size_t k = 0; k < titled->missing_count; k++) {
			if (strcmp(titled->missing[k].field, recorded->missing[i].field) != 0)
				continue;
			json_object_set_new(item, "question_ko", json_string(titled->missing[k].question_ko));
			json_object_set_new(item, "question_en", json_string(titled->missing[k].question_en));
			break;
		}
		json_array_append_new(missing, item);
	}
	for (size_t i = 0; i < recorded->duty_count; i++) {
		json_array_append_new(duties, json_string(recorded->duties[i]));
		json_array_append_new(duty_rules, duty_json(titled, recorded->duties[i]));
	}
	for (size_t i = 0; i < recorded->domain_count; i++)
		json_array_append_new(domains, json_string(domain_name(recorded->domains[i])));
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "verdict",
	                 verdict_name(recorded->verdict), "ruleset", recorded->ruleset, "domains", domains,
	                 "rules", rules, "missing_facts", missing, "duties", duties, "duty_rules", duty_rules,
	                 "stricter_reading", recorded->stricter_reading);
}

static json_t *
kinds_json(uint32_t bits)
{
	json_t *list = json_array();

	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		if ((bits >> kind & 1) != 0)
			json_array_append_new(list, json_string(identifier_name((enum identifier_kind)kind)));
	return list;
}

/* What the text gave away, and what else the policies were told. */
static json_t *
facts_json(const struct recorded *recorded)
{
	const struct policy_facts *facts = &recorded->facts;
	json_t *found = json_object(), *signals = json_array(), *roles = json_array(), *out;

	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		if (recorded->found[kind] > 0)
			json_object_set_new(found, identifier_name((enum identifier_kind)kind),
			                    json_integer(recorded->found[kind]));
	for (unsigned domain = 1; domain < DOMAIN_KINDS; domain++)
		if ((facts->signal_domains >> domain & 1) != 0)
			json_array_append_new(signals, json_string(domain_name((enum domain)domain)));
	for (size_t i = 0; i < recorded->subject.role_count; i++)
		json_array_append_new(roles, json_string(recorded->subject.roles[i]));
	out = json_pack("{s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "found", found, "redacted",
	                kinds_json(facts->redacted_kinds), "signals", signals, "drift",
	                drift_name(facts->drift), "grade", grade_name(facts->grade), "zone",
	                facts->engine_zone, "zone_grade", grade_name(facts->zone_grade), "model",
	                facts->model, "action", facts->action, "streaming", facts->streaming, "roles", roles);
	json_object_set_new(out, "grade_declared", json_string(grade_name(recorded->declared)));
	if (recorded->drift_evidence.score > 0)
		json_object_set_new(out, "drift_evidence",
		                    json_pack("{s:s, s:s, s:i, s:s}", "domain",
		                              domain_name(recorded->drift_evidence.domain), "rule",
		                              recorded->drift_evidence.rule, "score",
		                              (int)recorded->drift_evidence.score, "why",
		                              recorded->drift_evidence.undeclared ? "undeclared" : "beyond"));
	if (facts->approver != NULL) {
		char expires[CLOCK_TEXT_SIZE];

		clock_text(expires, facts->approval_expires_ms);
		json_object_set_new(out, "approval",
		                    json_pack("{s:s, s:s, s:s}", "approver", facts->approver, "role",
		                              facts->approver_role, "expires", expires));
	}
	return out;
}

static json_t *
duties_json(const struct duties *duties)
{
	json_t *out = json_pack(
	    "{s:s, s:b, s:I, s:b, s:b, s:o}", "label", label_name(duties->label), "notify", duties->notify,
	    "retention_days", (json_int_t)duties->retention_days, "log_full", duties->log_full,
	    "redact_answer", duties->redact_answer, "redact_kinds", kinds_json(duties->redact_kinds));

	if (duties->restore_answer)
		json_object_set_new(out, "restore_answer", json_true());
	if (duties->approver_role != NULL) {
		json_object_set_new(out, "approver_role", json_string(duties->approver_role));
		json_object_set_new(out, "hold_seconds", json_integer(duties->hold_seconds));
	}
	return out;
}

static json_t *
usecase_json(const struct explaining *explaining)
{
	json_t *out = json_pack("{s:s, s:I}", "id", explaining->recorded.usecase, "version",
	                        (json_int_t)explaining->recorded.usecase_version);

	if (explaining->usecase != NULL) {
		json_object_set_new(out, "title_ko", json_string(explaining->usecase->title_ko));
		json_object_set_new(out, "title_en", json_string(explaining->usecase->title_en));
		json_object_set_new(out, "purpose", json_string(explaining->usecase->purpose));
	}
	return out;
}

static json_t *
who_json(const struct subject *subject)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:s}", "known", subject->known, "agency", subject->agency,
	                 "service", subject->service, "key", subject->key_id, "subject", subject->person);
}

static json_t *
errors_json(const struct decision *decision)
{
	json_t *list = json_array();

	for (size_t i = 0; i < decision->error_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "policy", decision->errors[i].policy,
		                                      "message", decision->errors[i].message));
	return list;
}

/* ---- what followed -------------------------------------------------------------------------------------------------- */

/* Entries that follow this one, and those that follow a decision made after an approval. */
static int
follow(struct explaining *explaining, const char *of, json_t *list, unsigned depth, struct fault *why)
{
	const char *const parameters[] = {of};
	struct database_rows *rows = NULL;
	int result = -1;

	if (database_ask(
	        &rows, explaining->database,
	        "SELECT e.bytes FROM haechi.entry e WHERE e.of = $1 ORDER BY e.wall, e.log_id, e.index"
	        " LIMIT 64",
	        1, parameters, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows) && json_array_size(list) < FOLLOWERS_LIMIT; i++) {
		json_t *entry =
		    json_read(database_field(rows, i, 0), ENTRY_SIZE_LIMIT, JSON_DEPTH_LIMIT, why);
		const char *id = json_get_string(entry, "id"), *kind = json_get_string(entry, "kind");
		int deeper = 0;

		if (entry == NULL)
			goto out;
		json_array_append(list, entry);
		if (id != NULL && kind != NULL && strcmp(kind, "decision") == 0 && depth < STEPS_LIMIT)
			deeper = follow(explaining, id, list, depth + 1, why);
		json_decref(entry);
		if (deeper == -1)
			goto out;
	}
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

/* The decision that was asked for: an outcome's or a review's entry leads to its own. */
static int
find_decision(struct explaining *explaining, const char *id, struct fault *why)
{
	struct database_rows *rows = NULL;
	int result = -1;

	for (unsigned step = 0; step < STEPS_LIMIT; step++) {
		const char *const parameters[] = {id};

		database_rows_free(rows);
		rows = NULL;
		if (database_ask(&rows, explaining->database,
		                 "SELECT e.bytes, e.kind, e.of FROM haechi.entry e WHERE e.id = $1", 1,
		                 parameters, why) == -1)
			goto out;
		if (database_count(rows) == 0) {
			fault_set(why, FAULT_NOT_FOUND,
			          "항목 %s이(가) 없습니다 (방금 만든 것이면 몇 초 뒤에 옮겨집니다)",
			          "there is no entry %s (a new one is shipped within seconds)", id);
			goto out;
		}
		if (strcmp(database_text(rows, 0, 1), "decision") == 0) {
			result = recorded_read(&explaining->recorded, database_field(rows, 0, 0),
			                       explaining->arena, why);
			goto out;
		}
		if ((id = arena_string(explaining->arena, database_text(rows, 0, 2))) == NULL) {
			fault_memory(why);
			goto out;
		}
		if (id[0] == '\0')
			break;
	}
	fault_set(why, FAULT_NOT_FOUND,
	          "결정도 아니고 결정에 딸린 것도 아닌 항목입니다 (haechi audit query --entry)",
	          "this entry is no decision and follows none (haechi audit query --entry)");
out:
	database_rows_free(rows);
	return result;
}

/* Titles are only told when they are those of the policies that decided. */
static int
find_titles(struct explaining *explaining, struct fault *why)
{
	const struct recorded *recorded = &explaining->recorded;
	struct fault reason;

	explaining->same = explaining->policy != NULL &&
	                   strcmp(recorded->decision.bundle, policy_bundle(explaining->policy)) == 0;
	if (recorded->usecase[0] != '\0' &&
	    usecase_versions_find(explaining->versions, recorded->subject.agency, recorded->usecase,
	                          recorded->usecase_version, &explaining->usecase, &reason) == -1) {
		if (reason.kind == FAULT_UNAVAILABLE) {
			*why = reason;
			return -1;
		}
		explaining->usecase = NULL;
	}
	if (explaining->same && explaining->usecase != NULL &&
	    replay_make(&explaining->remade, explaining->policy, recorded, explaining->usecase, NULL,
	                explaining->arena, why) == -1)
		return -1;
	return 0;
}

static int
explain(struct explaining *explaining, struct fault *why)
{
	const struct recorded *recorded = &explaining->recorded;
	const struct decision *decision = &recorded->decision;
	json_t *out, *followed = json_array();
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, recorded->facts.wall_ms);
	out = explaining->out =
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "entry", recorded->id, "time", time, "log",
	              recorded->log, "request_id", recorded->request_id, "of", recorded->of, "ticket",
	              recorded->ticket, "decision", access_name(decision->access));
	json_object_set_new(out, "who", who_json(&recorded->subject));
	if (recorded->usecase[0] != '\0')
		json_object_set_new(out, "usecase", usecase_json(explaining));
	json_object_set_new(out, "verdict", json_string(verdict_name(recorded->facts.verdict)));
	if (recorded->assessed)
		json_object_set_new(out, "assessment", assessment_json(explaining));
	json_object_set_new(out, "facts", facts_json(recorded));
	json_object_set_new(out, "by_gateway", json_boolean(recorded->by_gateway));
	json_object_set_new(out, "policies",
	                    reasons_json(explaining, decision->reasons, decision->reason_count));
	json_object_set_new(out, "permits",
	                    reasons_json(explaining, decision->permits, decision->permit_count));
	json_object_set_new(out, "errors", errors_json(decision));
	json_object_set_new(out, "duties", duties_json(&decision->duties));
	json_object_set_new(out, "bundle", json_string(decision->bundle));
	json_object_set_new(out, "same_bundle", json_boolean(explaining->same));
	if (follow(explaining, recorded->id, followed, 0, why) == -1) {
		json_decref(followed);
		return -1;
	}
	return json_object_set_new(out, "followed_by", followed) == -1 ? fault_memory(why) : 0;
}

static int
run(const struct options *options, struct fault *why)
{
	struct explaining explaining = {0};
	struct buffer text, about;
	int result = -1;

	buffer_init(&text, (size_t)16 << 20);
	buffer_init(&about, 1024);
	buffer_printf(&about, "entry=%s", options->entry);
	if ((explaining.arena = arena_new(ARENA_LIMIT)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (buffer_text(&about) == NULL) {
		fault_set(why, FAULT_USAGE, "항목 ID가 너무 깁니다", "the entry's id is too long");
		goto out;
	}
	/* Without policies there is still much to tell. */
	if (command_load_policy_from(&explaining.policy, &options->places, &explaining.away) == -1) {
		explaining.policy = NULL;
		fault_print(stderr, "haechi explain", &explaining.away);
	}
	if (command_open_database(&explaining.database, options->database, why) == -1 ||
	    usecase_versions_open(&explaining.versions, explaining.database, why) == -1 ||
	    query_access_note(explaining.database, "explain", buffer_text(&about), options->reason, why) ==
	        -1 ||
	    find_decision(&explaining, options->entry, why) == -1 || find_titles(&explaining, why) == -1 ||
	    explain(&explaining, why) == -1)
		goto out;
	if (options->json) {
		json_write(&text, explaining.out);
		buffer_byte(&text, '\n');
	} else {
		explain_print(&text, explaining.out);
	}
	if (!buffer_ok(&text))
		fault_memory(why);
	else if (fwrite(text.data, 1, text.size, stdout) != text.size || fflush(stdout) != 0)
		fault_errno(why, "표준 출력", "standard output");
	else
		result = EXIT_GOOD;
out:
	json_decref(explaining.out);
	usecase_versions_close(explaining.versions);
	database_close(explaining.database);
	policy_release(explaining.policy);
	arena_free(explaining.arena);
	buffer_free(&text);
	buffer_free(&about);
	return result;
}

/* ---- the command line ----------------------------------------------------------------------------------------------- */

static void
usage(FILE *to)
{
	fputs("사용법: haechi explain 항목ID [--policies 폴더] [--act 폴더] [--schema 파일] [--json]\n"
	      "usage:  haechi explain ENTRY_ID [--policies DIR] [--act DIR] [--schema FILE] [--json]\n\n"
	      "  요청 하나가 왜 그렇게 결정되었는지: 용도와 법적 판정, 글에서 찾은 것, 정책, 의무, 그 뒤의 "
	      "일.\n"
	      "  항목ID는 응답의 X-Haechi-Entry, 또는 결과나 검토 항목의 ID입니다.\n"
	      "  Why one request was decided as it was. ENTRY_ID is X-Haechi-Entry of the answer, or the id "
	      "of an\n"
	      "  outcome or a review.\n\n"
	      "  -c haechi.yaml  그 설정의 정책과 데이터베이스 / policies and database as configured there\n"
	      "  --database CONNINFO (또는/or HAECHI_DATABASE)  --reason 사유  --json\n",
	      to);
}

enum { POLICIES = 256, ACT, SCHEMA, DATABASE, REASON, JSON };

static const struct option known[] = {
    {"policies", required_argument, NULL, POLICIES},
    {"act",      required_argument, NULL, ACT     },
    {"schema",   required_argument, NULL, SCHEMA  },
    {"database", required_argument, NULL, DATABASE},
    {"reason",   required_argument, NULL, REASON  },
    {"json",     no_argument,       NULL, JSON    },
    {"help",     no_argument,       NULL, 'h'     },
    {NULL,       0,                 NULL, 0       },
};

static int
take_option(struct options *options, int option, const char *value, const char **config, struct fault *why)
{
	switch (option) {
	case POLICIES:
		return policy_place(options->places.agency, value, why);
	case ACT:
		return policy_place(options->places.act, value, why);
	case SCHEMA:
		return policy_place(options->places.schema, value, why);
	case DATABASE:
		options->database = value;
		return 0;
	case REASON:
		options->reason = value;
		return 0;
	case 'c':
		*config = value;
		return 0;
	default: /* --json: command_option() gives nothing else */
		options->json = true;
		return 0;
	}
}

int
command_explain(int argc, char **argv)
{
	struct options options = {0};
	struct fault why = {0};
	const char *config = NULL;
	int option, result = EXIT_GOOD;

	while (result == EXIT_GOOD && (option = command_option(argc, argv, "c:h", known)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_GOOD;
		}
		if (option == '?')
			result = EXIT_USAGE;
		else if (take_option(&options, option, optarg, &config, &why) == -1)
			result = command_fail(&why);
	}
	if (result == EXIT_GOOD && argc - optind != 1) {
		usage(stderr);
		result = EXIT_USAGE;
	}
	if (result != EXIT_GOOD)
		return result;
	options.entry = argv[optind];
	if (config != NULL) {
		if (policy_places_configured(&options.places, config, &why) == -1 ||
		    command_config_database(&options.configured, config, &why) == -1) {
			result = command_fail(&why);
			goto out;
		}
		if (options.database == NULL)
			options.database = options.configured;
	}
	if ((result = run(&options, &why)) == -1)
		result = command_fail(&why);
out:
	free(options.configured);
	return result;
}
