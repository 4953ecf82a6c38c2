/*
 * haechi replay -- the same facts give the same decision: every decision of the log is made again from the facts its entry
 * recorded, and compared. With the bundle an entry names any difference is a defect (exit 1); with another one it is what
 * would flip.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/query.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/commands/rules.h"
#include "gateway/commands/usecase_versions.h"
#include "gateway/replay.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

#define ARENA_LIMIT ((size_t)8 << 20)
#define TABLE_ROWS  100 /* a person reads no more; --json gives all */

struct options {
	struct filter filter;
	struct policy_places places;
	uint64_t limit;
	const char *database, *reason, *as_of;
	char *configured; /* by -c; owned */
	bool json;
};

enum finding_kind { DEFECT, FLIP, UNREPLAYABLE };

struct replaying {
	const struct options *options;
	struct policy *policy;
	struct usecase_versions *versions;
	struct arena *arena;
	struct buffer line;
	struct table table;
	uint64_t entries, same_bundle, other_bundle, by_gateway, defects, flips, unreplayable, left_out;
	uint64_t changes[REPLAY_CHANGES];                     /* among flips */
	uint64_t turns[ACCESS_PERMIT + 1][ACCESS_PERMIT + 1]; /* old access, new access */
	struct fault fault;
	bool failed;
};

/* ---- telling ------------------------------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
    [DEFECT] = "defect", [FLIP] = "flip", [UNREPLAYABLE] = "unreplayable"};
static const char *const kind_titles[] = {
    [DEFECT] = "결함 defect", [FLIP] = "바뀜 flip", [UNREPLAYABLE] = "다시 못 함 unreplayable"};

static void
put_side(struct buffer *out, const char *name, const struct decision *decision, enum verdict verdict)
{
	buffer_printf(out, ",\"%s\":{\"decision\":\"%s\",\"verdict\":\"%s\",\"policies\":[", name,
	              access_name(decision->access), verdict_name(verdict));
	for (size_t i = 0; i < decision->reason_count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(decision->reasons[i].id));
	}
	buffer_string(out, "],\"errors\":[");
	for (size_t i = 0; i < decision->error_count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(decision->errors[i].policy));
	}
	buffer_string(out, "]}");
}

static void
put_ids(struct buffer *out, const struct decision *decision)
{
	for (size_t i = 0; i < decision->reason_count; i++)
		buffer_printf(out, "%s%s", i > 0 ? ", " : "", decision->reasons[i].id);
}

/* `remade` is NULL for what could not be made again; `why` says why not. */
static void
tell_json(struct replaying *replaying, enum finding_kind kind, const struct query_row *row,
          const struct recorded *recorded, const struct remade *remade, uint32_t changed,
          const struct fault *why)
{
	struct buffer *line = &replaying->line;
	char time[CLOCK_TEXT_SIZE];
	bool any = false;

	clock_text(time, row->wall_ms);
	buffer_printf(line, "{\"kind\":\"%s\",\"entry\":", kind_names[kind]);
	json_quote(line, slice_string(row->id));
	buffer_printf(line, ",\"time\":\"%s\",\"agency\":", time);
	json_quote(line, slice_string(row->agency));
	buffer_string(line, ",\"usecase\":");
	json_quote(line, slice_string(row->usecase));
	if (remade != NULL) {
		buffer_string(line, ",\"bundle\":");
		json_quote(line, slice_string(recorded->decision.bundle));
		buffer_string(line, ",\"changed\":[");
		for (unsigned bit = 0; bit < REPLAY_CHANGES; bit++) {
			if ((changed >> bit & 1) == 0)
				continue;
			buffer_printf(line, "%s\"%s\"", any ? "," : "", replay_change_name(bit));
			any = true;
		}
		buffer_byte(line, ']');
		put_side(line, "old", &recorded->decision, recorded->facts.verdict);
		put_side(line, "new", &remade->decision, remade->assessment.verdict);
	} else {
		buffer_string(line, ",\"ko\":");
		json_quote(line, slice_string(why->ko));
		buffer_string(line, ",\"en\":");
		json_quote(line, slice_string(why->en));
	}
	buffer_string(line, "}\n");
}

static void
tell_table(struct replaying *replaying, enum finding_kind kind, const struct query_row *row,
           const struct recorded *recorded, const struct remade *remade, uint32_t changed,
           const struct fault *why)
{
	struct buffer *line = &replaying->line;
	char time[COMMAND_TIME_SIZE], turn[40] = "";
	const char *cells[] = {kind_titles[kind], time, row->usecase, turn, "", "", row->id};
	char *what;

	if (replaying->table.rows == TABLE_ROWS) {
		replaying->left_out++;
		return;
	}
	command_time(time, row->wall_ms);
	if (remade != NULL) {
		snprintf(turn, sizeof turn, "%s → %s", access_name(recorded->decision.access),
		         access_name(remade->decision.access));
		for (unsigned bit = 0; bit < REPLAY_CHANGES; bit++)
			if ((changed >> bit & 1) != 0)
				buffer_printf(line, "%s%s", line->size > 0 ? ", " : "",
				              replay_change_title(bit));
		cells[4] = what = buffer_text(line);
		if (what != NULL)
			cells[4] = arena_string(replaying->arena, what);
		buffer_reset(line);
		put_ids(line, &recorded->decision);
		buffer_string(line, " → ");
		put_ids(line, &remade->decision);
		cells[5] = buffer_text(line);
	} else {
		cells[4] = why->ko;
	}
	table_row(&replaying->table, cells);
	buffer_reset(line);
}

static void
tell(struct replaying *replaying, enum finding_kind kind, const struct query_row *row,
     const struct recorded *recorded, const struct remade *remade, uint32_t changed, const struct fault *why)
{
	buffer_reset(&replaying->line);
	if (replaying->options->json)
		tell_json(replaying, kind, row, recorded, remade, changed, why);
	else
		tell_table(replaying, kind, row, recorded, remade, changed, why);
	if (!buffer_ok(&replaying->line)) {
		fault_memory(&replaying->fault);
		replaying->failed = true;
	} else if (fwrite(replaying->line.data, 1, replaying->line.size, stdout) != replaying->line.size) {
		fault_errno(&replaying->fault, "표준 출력", "standard output");
		replaying->failed = true;
	}
}

static void
count_flip(struct replaying *replaying, const struct recorded *recorded, const struct remade *remade,
           uint32_t changed)
{
	replaying->flips++;
	for (unsigned bit = 0; bit < REPLAY_CHANGES; bit++)
		replaying->changes[bit] += changed >> bit & 1;
	if ((changed & REPLAY_ACCESS) != 0)
		replaying->turns[recorded->decision.access][remade->decision.access]++;
}

/* ---- one entry ------------------------------------------------------------------------------------------------------ */

static int
make_again(struct replaying *replaying, const struct recorded *recorded, struct remade *remade,
           struct fault *why)
{
	const struct usecase *usecase = NULL;

	if (recorded->usecase[0] != '\0' &&
	    usecase_versions_find(replaying->versions, recorded->subject.agency, recorded->usecase,
	                          recorded->usecase_version, &usecase, why) == -1)
		return -1;
	return replay_make(remade, replaying->policy, recorded, usecase, replaying->options->as_of,
	                   replaying->arena, why);
}

static bool
seen(void *context, const struct query_row *row)
{
	struct replaying *replaying = context;
	struct recorded recorded;
	struct remade remade;
	struct fault why = {0};
	uint32_t changed;
	bool same;

	arena_reset(replaying->arena);
	replaying->entries++;
	if (recorded_read(&recorded, row->bytes, replaying->arena, &why) == -1) {
		replaying->unreplayable++;
		tell(replaying, UNREPLAYABLE, row, NULL, NULL, 0, &why);
		return !replaying->failed;
	}
	if (recorded.by_gateway) {
		replaying->by_gateway++;
		return true;
	}
	/* Other rules by --as-of are another question, whatever the bundle. */
	same = replaying->options->as_of == NULL &&
	       strcmp(recorded.decision.bundle, policy_bundle(replaying->policy)) == 0;
	*(same ? &replaying->same_bundle : &replaying->other_bundle) += 1;
	if (make_again(replaying, &recorded, &remade, &why) == -1) {
		if (why.kind == FAULT_UNAVAILABLE) {
			replaying->fault = why;
			replaying->failed = true;
			return false;
		}
		replaying->unreplayable++;
		tell(replaying, UNREPLAYABLE, row, NULL, NULL, 0, &why);
		return !replaying->failed;
	}
	changed = replay_compare(&recorded, &remade);
	if (changed == 0)
		return true;
	if (same)
		replaying->defects++;
	else
		count_flip(replaying, &recorded, &remade, changed);
	tell(replaying, same ? DEFECT : FLIP, row, &recorded, &remade, changed, NULL);
	return !replaying->failed;
}

/* ---- the end -------------------------------------------------------------------------------------------------------- */

static void
put_turns(struct buffer *out, const struct replaying *replaying, bool json)
{
	bool any = false;

	for (unsigned from = 0; from <= ACCESS_PERMIT; from++)
		for (unsigned to = 0; to <= ACCESS_PERMIT; to++) {
			const uint64_t count = replaying->turns[from][to];

			if (count == 0)
				continue;
			if (json)
				buffer_printf(out, "%s\"%s->%s\":%" PRIu64, any ? "," : "",
				              access_name((enum access)from), access_name((enum access)to),
				              count);
			else
				buffer_printf(out, "  %6" PRIu64 "  %s → %s\n", count,
				              access_name((enum access)from), access_name((enum access)to));
			any = true;
		}
}

static void
put_changes(struct buffer *out, const struct replaying *replaying, bool json)
{
	bool any = false;

	for (unsigned bit = 0; bit < REPLAY_CHANGES; bit++) {
		if (replaying->changes[bit] == 0)
			continue;
		if (json)
			buffer_printf(out, "%s\"%s\":%" PRIu64, any ? "," : "", replay_change_name(bit),
			              replaying->changes[bit]);
		else
			buffer_printf(out, "  %6" PRIu64 "  %s %s\n", replaying->changes[bit],
			              replay_change_title(bit), replay_change_name(bit));
		any = true;
	}
}

static void
summary_json(struct buffer *out, const struct replaying *replaying)
{
	buffer_printf(
	    out,
	    "{\"kind\":\"summary\",\"holds\":%s,\"bundle\":\"%s\",\"entries\":%" PRIu64
	    ",\"same_bundle\":%" PRIu64 ",\"differences\":%" PRIu64 ",\"other_bundle\":%" PRIu64
	    ",\"flips\":%" PRIu64 ",\"gateway\":%" PRIu64 ",\"unreplayable\":%" PRIu64 ",\"decisions\":{",
	    replaying->defects + replaying->unreplayable == 0 ? "true" : "false",
	    policy_bundle(replaying->policy), replaying->entries, replaying->same_bundle, replaying->defects,
	    replaying->other_bundle, replaying->flips, replaying->by_gateway, replaying->unreplayable);
	put_turns(out, replaying, true);
	buffer_string(out, "},\"changed\":{");
	put_changes(out, replaying, true);
	buffer_string(out, "}}\n");
}

static void
summary_text(struct buffer *out, const struct replaying *replaying)
{
	if (replaying->left_out > 0)
		buffer_printf(out, "… 그 밖에 %" PRIu64 "건 (--json 은 모두) / and %" PRIu64 " more\n",
		              replaying->left_out, replaying->left_out);
	if (replaying->table.rows > 0 || replaying->defects + replaying->flips + replaying->unreplayable > 0)
		buffer_byte(out, '\n');
	buffer_printf(out,
	              "결정 %" PRIu64 "건을 다시 내렸습니다: 같은 정책 %" PRIu64 "건 중 다른 것 %" PRIu64
	              "건.\n%" PRIu64 " decisions made again: %" PRIu64 " under the same policies, %" PRIu64
	              " differ.\n",
	              replaying->same_bundle + replaying->other_bundle, replaying->same_bundle,
	              replaying->defects, replaying->same_bundle + replaying->other_bundle,
	              replaying->same_bundle, replaying->defects);
	if (replaying->other_bundle > 0)
		buffer_printf(out,
		              "다른 정책으로 내려졌던 %" PRIu64 "건 중 바뀔 것 %" PRIu64 "건.\n%" PRIu64
		              " were made under other policies; %" PRIu64 " would change:\n",
		              replaying->other_bundle, replaying->flips, replaying->other_bundle,
		              replaying->flips);
	put_turns(out, replaying, false);
	put_changes(out, replaying, false);
	if (replaying->by_gateway > 0)
		buffer_printf(out,
		              "정책에 묻기 전에 게이트웨이가 거절한 것 %" PRIu64 "건.\n%" PRIu64
		              " were denied by the gateway before any policy was asked.\n",
		              replaying->by_gateway, replaying->by_gateway);
	if (replaying->unreplayable > 0)
		buffer_printf(out,
		              "다시 내릴 수 없는 것 %" PRIu64 "건.\n%" PRIu64 " could not be made again.\n",
		              replaying->unreplayable, replaying->unreplayable);
	buffer_printf(out, "정책 bundle %s\n", policy_bundle(replaying->policy));
}

static int
finish(struct replaying *replaying, struct fault *why)
{
	struct buffer *out = &replaying->line;

	if (!replaying->options->json && replaying->table.rows > 0 &&
	    table_print(&replaying->table, stdout, why) == -1)
		return -1;
	buffer_reset(out);
	if (replaying->options->json)
		summary_json(out, replaying);
	else
		summary_text(out, replaying);
	if (!buffer_ok(out))
		return fault_memory(why);
	if (fwrite(out->data, 1, out->size, stdout) != out->size || fflush(stdout) != 0)
		return fault_errno(why, "표준 출력", "standard output");
	return replaying->defects + replaying->unreplayable == 0 ? EXIT_GOOD : EXIT_NO;
}

static int
run(struct options *options, struct fault *why)
{
	static const char *const titles[] = {"종류 kind",     "시각(한국) time", "용도 usecase",
	                                     "결정 decision", "다른 것 changed", "정책 policies",
	                                     "항목 entry"};
	struct replaying replaying = {.options = options};
	struct database *database = NULL;
	struct buffer about;
	uint64_t count;
	int result = -1;

	buffer_init(&about, 64 * 1024);
	buffer_init(&replaying.line, (size_t)1 << 20);
	table_init(&replaying.table, sizeof titles / sizeof *titles, titles);
	options->filter.kind = "decision";
	if ((replaying.arena = arena_new(ARENA_LIMIT)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (filter_check(&options->filter, why) == -1 ||
	    command_load_policy_from(&replaying.policy, &options->places, why) == -1 ||
	    command_open_database(&database, options->database, why) == -1 ||
	    usecase_versions_open(&replaying.versions, database, why) == -1)
		goto out;
	filter_describe(&about, &options->filter);
	if (buffer_text(&about) == NULL) {
		fault_set(why, FAULT_USAGE, "조건이 너무 깁니다", "the filters are too long");
		goto out;
	}
	/* With a limit the newest are meant, so newest first; else in the order they happened. */
	if (query_access_note(database, "replay", buffer_text(&about), options->reason, why) == -1 ||
	    query_run(database, &options->filter, options->limit, options->limit == 0, seen, &replaying,
	              &count, why) == -1)
		goto out;
	if (replaying.failed) {
		*why = replaying.fault;
		goto out;
	}
	result = finish(&replaying, why);
out:
	table_free(&replaying.table);
	usecase_versions_close(replaying.versions);
	database_close(database);
	policy_release(replaying.policy);
	arena_free(replaying.arena);
	buffer_free(&replaying.line);
	buffer_free(&about);
	return result;
}

/* ---- the command line ----------------------------------------------------------------------------------------------- */

static void
usage(FILE *to)
{
	fputs(
	    "사용법: haechi replay [조건…] [묶음 | --policies 폴더 --act 폴더 --schema 파일] [--json]\n"
	    "usage:  haechi replay [FILTER...] [BUNDLE | --policies DIR --act DIR --schema FILE] [--json]\n\n"
	    "  기록된 사실로 결정을 다시 내려 기록과 비교합니다. 같은 정책이면 하나라도 다를 때 1로 끝나고,\n"
	    "  다른 정책이면 무엇이 바뀔지 보입니다.\n"
	    "  Decisions are made again from the facts their entries recorded. Under the same policies any\n"
	    "  difference ends with 1; under others what would flip is listed.\n\n"
	    "  조건 filters  --from 때 --to 때 --agency --usecase --limit N (가장 새로운 N건 / the newest "
	    "N)\n"
	    "  --as-of 날짜  그날 시행 중인 법 규칙으로 / by the rules of the Act in force on that day\n"
	    "  -c haechi.yaml  그 설정의 정책과 데이터베이스 / policies and database as configured there\n"
	    "  --database CONNINFO (또는/or HAECHI_DATABASE)  --reason 사유  --json\n",
	    to);
}

enum { FROM = 256, TO, AGENCY, USECASE, LIMIT, POLICIES, ACT, SCHEMA, BUNDLE, AS_OF, DATABASE, REASON, JSON };

static const struct option known[] = {
    {"from",     required_argument, NULL, FROM    },
    {"to",       required_argument, NULL, TO      },
    {"agency",   required_argument, NULL, AGENCY  },
    {"usecase",  required_argument, NULL, USECASE },
    {"limit",    required_argument, NULL, LIMIT   },
    {"policies", required_argument, NULL, POLICIES},
    {"act",      required_argument, NULL, ACT     },
    {"schema",   required_argument, NULL, SCHEMA  },
    {"bundle",   required_argument, NULL, BUNDLE  },
    {"as-of",    required_argument, NULL, AS_OF   },
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
	case FROM:
		options->filter.has_from = true;
		return command_parse_time(&options->filter.from_ms, "from", value, why);
	case TO:
		options->filter.has_to = true;
		return command_parse_time(&options->filter.to_ms, "to", value, why);
	case AGENCY:
		options->filter.agency = value;
		return 0;
	case USECASE:
		options->filter.usecase = value;
		return 0;
	case LIMIT:
		return command_parse_number(&options->limit, "limit", value, why);
	case POLICIES:
		return policy_place(options->places.agency, value, why);
	case ACT:
		return policy_place(options->places.act, value, why);
	case SCHEMA:
		return policy_place(options->places.schema, value, why);
	case BUNDLE:
		return policy_place(options->places.bundle, value, why);
	case AS_OF:
		options->as_of = value;
		return 0;
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
command_replay(int argc, char **argv)
{
	struct options options = {0};
	struct fault why = {0};
	const char *config = NULL;
	int option, result = EXIT_GOOD;

	optind = 1;
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
	/* One bare word is a bundle. */
	if (result == EXIT_GOOD && optind == argc - 1 && options.places.bundle[0] == '\0' &&
	    policy_place(options.places.bundle, argv[optind++], &why) == -1)
		result = command_fail(&why);
	if (result == EXIT_GOOD && optind < argc) {
		usage(stderr);
		result = EXIT_USAGE;
	}
	if (result != EXIT_GOOD)
		return result;
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
