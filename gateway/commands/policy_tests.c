/*
 * `haechi policy test`: tests of policies as data (policy/trials.h), and what of the policies they have shown.
 *
 * With --policies those alone, as Cedar's run-tests has it; without, the whole set that the gateway decides with, or a bundle and
 * the tests it brings.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/commands/policy_files.h"
#include "gateway/commands/rules.h"
#include "policy/policy_bundle.h"
#include "policy/trials.h"
#include "schema/base/json.h"

#define ARENA_LIMIT ((size_t)1 << 30)
#define NOT_SHOWN   40 /* rows a person reads; --json gives all */

struct testing {
	const struct policy_options *options;
	struct arena *arena;
	struct cedar_notes notes;
	struct bundle *bundle;
	struct policy *policy;
	struct cedar_policies *policies;
	struct cedar_schema *schema;
	struct trials trials;
	size_t files;
};

/* ---- telling ------------------------------------------------------------------------------------------------------- */

static void
tell_json(struct buffer *out, const struct trial_told *told)
{
	buffer_printf(out, "{\"test\":%u,\"file\":", told->number);
	json_quote(out, slice_string(told->file));
	buffer_string(out, ",\"name\":");
	json_quote(out, slice_string(told->name));
	buffer_printf(out, ",\"passed\":%s,\"got\":%s", told->passed ? "true" : "false",
	              told->got != NULL ? told->got : "null");
	if (told->wanted != NULL) {
		buffer_string(out, ",\"unexpected\":");
		json_quote(out, slice_string(told->wanted));
	}
	if (told->why != NULL) {
		buffer_string(out, ",\"error\":{\"ko\":");
		json_quote(out, slice_string(told->why->ko));
		buffer_string(out, ",\"en\":");
		json_quote(out, slice_string(told->why->en));
		buffer_byte(out, '}');
	}
	buffer_string(out, "}\n");
}

static void
tell(void *owner, const struct trial_told *told)
{
	const struct testing *testing = owner;
	struct buffer out;

	buffer_init(&out, 2 * CEDAR_TEXT_LIMIT);
	if (testing->options->json) {
		tell_json(&out, told);
	} else if (!told->passed) {
		buffer_printf(&out, "실패 FAIL  %s #%u  %s\n", told->file, told->number, told->name);
		if (told->why != NULL)
			buffer_printf(&out, "    %s\n    %s\n", told->why->ko, told->why->en);
		else
			buffer_printf(&out, "    기대와 다름 unexpected: %s\n    나온 것 got: %s\n",
			              told->wanted, told->got);
	}
	fwrite(out.data, 1, out.size, stdout);
	buffer_free(&out);
}

static void
coverage_json(struct buffer *out, const struct coverage *coverage)
{
	buffer_byte(out, '[');
	for (size_t i = 0; i < coverage_count(coverage); i++) {
		const struct coverage_policy *policy = coverage_at(coverage, i);

		buffer_string(out, i > 0 ? ",{\"policy\":" : "{\"policy\":");
		json_quote(out, slice_string(policy->id));
		buffer_string(out, ",\"file\":");
		json_quote(out, slice_string(policy->file));
		buffer_printf(out, ",\"line\":%u,\"reached\":%zu,\"satisfied\":%zu,\"clauses\":[",
		              policy->line, policy->reached, policy->satisfied);
		for (size_t j = 0; j < policy->clause_count; j++) {
			const struct coverage_clause *clause = &policy->clauses[j];

			buffer_printf(
			    out, "%s{\"kind\":\"%s\",\"line\":%u,\"column\":%u,\"text\":", j > 0 ? "," : "",
			    clause->unless ? "unless" : "when", clause->line, clause->column);
			json_quote(out, slice_string(clause->text));
			buffer_printf(out, ",\"seen_true\":%s,\"seen_false\":%s}",
			              clause->seen_true ? "true" : "false",
			              clause->seen_false ? "true" : "false");
		}
		buffer_string(out, "]}");
	}
	buffer_byte(out, ']');
}

static void
summary_json(const struct testing *testing, const struct coverage_sums *sums)
{
	const struct coverage *coverage = testing->trials.coverage;
	struct buffer out;
	bool any = false;

	buffer_init(&out, 4 * CEDAR_TEXT_LIMIT);
	buffer_printf(
	    &out,
	    "{\"passed\":%zu,\"failed\":%zu,\"policies\":%zu,\"covered\":%zu,\"clause_outcomes\":%zu,"
	    "\"clause_outcomes_seen\":%zu,\"coverage\":%u,\"min_coverage\":%u,\"uncovered\":[",
	    testing->trials.passed, testing->trials.failed, sums->policies, sums->satisfied, sums->outcomes,
	    sums->seen, coverage_percent(sums), testing->options->min_coverage);
	for (size_t i = 0; i < coverage_count(coverage); i++) {
		const struct coverage_policy *policy = coverage_at(coverage, i);

		if (policy->satisfied > 0)
			continue;
		buffer_string(&out, any ? "," : "");
		json_quote(&out, slice_string(policy->id));
		any = true;
	}
	buffer_string(&out, "],\"by_policy\":");
	coverage_json(&out, coverage);
	buffer_string(&out, "}\n");
	fwrite(out.data, 1, out.size, stdout);
	buffer_free(&out);
}

static const char *
short_name(const char *path)
{
	const char *const slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* What no test has shown: a policy that never applied, a clause that was never true or never false. */
static int
missing_table(const struct coverage *coverage, size_t *left, struct fault *why)
{
	static const char *const titles[] = {"정책 policy", "자리 place", "한 번도 never", "조건절 clause"};
	struct table table;
	size_t rows = 0;
	int result;

	*left = 0;
	table_init(&table, 4, titles);
	for (size_t i = 0; i < coverage_count(coverage); i++) {
		const struct coverage_policy *policy = coverage_at(coverage, i);
		const char *const file = short_name(policy->file);
		char place[300];

		if (policy->satisfied == 0) {
			snprintf(place, sizeof place, "%s:%u", file, policy->line);
			if (rows++ < NOT_SHOWN)
				table_row(&table,
				          (const char *const[]){policy->id, place, "해당 applied", ""});
		}
		for (size_t j = 0; j < policy->clause_count; j++) {
			const struct coverage_clause *clause = &policy->clauses[j];
			const char *never = !clause->seen_true && !clause->seen_false ? "보이지 않음 seen"
			                    : !clause->seen_true                      ? "참 true"
			                                                              : "거짓 false";
			char text[100];

			if (clause->seen_true && clause->seen_false)
				continue;
			snprintf(place, sizeof place, "%s:%u:%u", file, clause->line, clause->column);
			snprintf(text, sizeof text, "%s%.*s", clause->unless ? "unless " : "",
			         (int)utf8_cut(slice_string(clause->text), 72), clause->text);
			if (rows++ < NOT_SHOWN)
				table_row(&table, (const char *const[]){policy->id, place, never, text});
		}
	}
	result = rows == 0 ? 0 : table_print(&table, stdout, why);
	*left = rows > NOT_SHOWN ? rows - NOT_SHOWN : 0;
	table_free(&table);
	return result;
}

/* A line each file of policies. */
static int
file_table(const struct coverage *coverage, struct fault *why)
{
	static const char *const titles[] = {"파일 file",        "정책 policies", "해당함 applied",
	                                     "참·거짓 outcomes", "봄 seen",       "%"};
	struct table table;
	int result;

	table_init(&table, 6, titles);
	for (unsigned i = 1; i < 6; i++)
		table.right[i] = true;
	for (size_t i = 0, begun = 0; i < coverage_count(coverage); i++) {
		const struct coverage_policy *policy = coverage_at(coverage, i);
		struct coverage_sums sums = {0};
		char cells[5][24];

		if (i + 1 < coverage_count(coverage) &&
		    strcmp(coverage_at(coverage, i + 1)->file, policy->file) == 0)
			continue;
		for (; begun <= i; begun++)
			coverage_sum_one(coverage_at(coverage, begun), &sums);
		snprintf(cells[0], sizeof cells[0], "%zu", sums.policies);
		snprintf(cells[1], sizeof cells[1], "%zu", sums.satisfied);
		snprintf(cells[2], sizeof cells[2], "%zu", sums.outcomes);
		snprintf(cells[3], sizeof cells[3], "%zu", sums.seen);
		snprintf(cells[4], sizeof cells[4], "%u", coverage_percent(&sums));
		table_row(&table, (const char *const[]){short_name(policy->file), cells[0], cells[1],
		                                        cells[2], cells[3], cells[4]});
	}
	result = table_print(&table, stdout, why);
	table_free(&table);
	return result;
}

static int
summary_table(const struct testing *testing, const struct coverage_sums *sums, struct fault *why)
{
	size_t left;

	if (missing_table(testing->trials.coverage, &left, why) == -1)
		return -1;
	if (left > 0)
		printf("… %zu줄 더 있습니다 (--json) / %zu more lines (--json)\n", left, left);
	putchar('\n');
	if (file_table(testing->trials.coverage, why) == -1)
		return -1;
	printf("시험: 통과 %zu, 실패 %zu   tests: %zu passed, %zu failed\n", testing->trials.passed,
	       testing->trials.failed, testing->trials.passed, testing->trials.failed);
	printf("시험 범위 %u%%: 정책 %zu개 가운데 %zu개가 해당한 적 있음, 조건절의 참·거짓 %zu가지 가운데 "
	       "%zu가지를 봄\n"
	       "coverage %u%%: of %zu policies %zu applied, of %zu outcomes of clauses %zu were seen\n",
	       coverage_percent(sums), sums->policies, sums->satisfied, sums->outcomes, sums->seen,
	       coverage_percent(sums), sums->policies, sums->satisfied, sums->outcomes, sums->seen);
	if (coverage_percent(sums) < testing->options->min_coverage)
		printf("시험 범위가 %u%%보다 좁습니다 / coverage is below %u%%\n",
		       testing->options->min_coverage, testing->options->min_coverage);
	return 0;
}

/* ---- tests ----------------------------------------------------------------------------------------------------------- */

static int
read_file_beside(void *owner, const char *file, const char *name, struct buffer *out, struct fault *why)
{
	const char *const slash = strrchr(file, '/');
	char path[4096];

	(void)owner;
	if ((size_t)snprintf(path, sizeof path, "%.*s%s",
	                     slash == NULL || name[0] == '/' ? 0 : (int)(slash + 1 - file), file,
	                     name) >= sizeof path)
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다", "the path is too long");
	return file_read(out, path, CEDAR_TEXT_LIMIT, why);
}

static int
run_file(struct testing *testing, const char *path, struct fault *why)
{
	struct buffer text;
	int result = -1;

	buffer_init(&text, TRIALS_FILE_LIMIT);
	if (file_read(&text, path, TRIALS_FILE_LIMIT, why) == 0)
		result = trials_run(&testing->trials, path, slice_unmarked(buffer_view(&text)), why);
	buffer_free(&text);
	testing->files++;
	return result;
}

static int
is_tests(const struct dirent *entry)
{
	const size_t size = strlen(entry->d_name);

	return entry->d_name[0] != '.' && ((size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0) ||
	                                   (size > 6 && strcmp(entry->d_name + size - 6, ".jsonl") == 0));
}

static int
run_path(struct testing *testing, const char *path, struct fault *why)
{
	struct dirent **entries = NULL;
	struct stat about;
	int count, result = 0;

	if (strcmp(path, "-") == 0 || stat(path, &about) == -1 || !S_ISDIR(about.st_mode))
		return run_file(testing, path, why);
	if ((count = scandir(path, &entries, is_tests, alphasort)) == -1)
		return fault_errno(why, "%s", "%s", path);
	for (int i = 0; i < count; i++) {
		char whole[4096];

		if (result == 0 &&
		    (size_t)snprintf(whole, sizeof whole, "%s/%s", path, entries[i]->d_name) < sizeof whole)
			result = run_file(testing, whole, why);
		free(entries[i]);
	}
	free(entries);
	return result;
}

/* What travels in the bundle is read from there. */
static int
read_bundle_beside(void *owner, const char *file, const char *name, struct buffer *out, struct fault *why)
{
	const struct testing *testing = owner;
	const struct policy_file *found =
	    testing->bundle == NULL ? NULL : bundle_file_beside(testing->bundle, file, name);

	if (found == NULL)
		return read_file_beside(owner, file, name, out, why);
	buffer_slice(out, found->text);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

static int
run_all(struct testing *testing, struct fault *why)
{
	const struct policy_options *options = testing->options;

	for (size_t i = 0; i < options->test_count; i++)
		if (run_path(testing, options->tests[i], why) == -1)
			return -1;
	for (size_t i = 0; testing->bundle != NULL && i < testing->bundle->file_count; i++) {
		const struct policy_file *file = &testing->bundle->files[i];

		if (!bundle_is_tests(file->path))
			continue;
		testing->files++;
		if (trials_run(&testing->trials, file->path, file->text, why) == -1)
			return -1;
	}
	if (testing->files == 0)
		return fault_set(why, FAULT_USAGE, "--tests가 있어야 합니다", "--tests is needed");
	return 0;
}

/* ---- what is tested -------------------------------------------------------------------------------------------------- */

static int
open_policies(struct testing *testing, struct fault *why)
{
	const struct policy_options *options = testing->options;
	struct cedar_entities *entities = NULL;
	struct policy_places places = {0};

	testing->notes.arena = testing->arena;
	if (options->bundle != NULL) {
		if (command_open_bundle(&testing->bundle, options->bundle, why) == -1 ||
		    bundle_policy(&testing->policy, testing->bundle, why) == -1)
			return -1;
	} else if (options->policy_count > 0) {
		if ((options->schema != NULL && policy_files_load_schema(&testing->schema, options->schema,
		                                                         &testing->notes, why) == -1) ||
		    policy_files_load(&testing->policies, options->policies, options->policy_count, true,
		                      &testing->notes, why) == -1)
			return -1;
	} else if (command_load_policy_from(&testing->policy, &places, why) == -1) {
		return -1;
	}
	testing->trials = (struct trials){.policy = testing->policy,
	                                  .policies = testing->policies,
	                                  .schema = testing->schema,
	                                  .no_request_check = options->no_request_check,
	                                  .read = read_bundle_beside,
	                                  .tell = tell,
	                                  .owner = testing};
	if (options->entities != NULL &&
	    policy_files_entities(&entities, options->entities, testing->schema, testing->arena, why) == -1)
		return -1;
	testing->trials.entities = entities;
	return trials_cover(&testing->trials, testing->arena, why);
}

int
policy_test(const struct policy_options *options)
{
	struct testing testing = {.options = options, .arena = arena_new(ARENA_LIMIT)};
	struct coverage_sums sums;
	struct fault why;
	int status = EXIT_USAGE;

	if (testing.arena == NULL) {
		fault_memory(&why);
		policy_files_fail(NULL, &why);
	} else if (open_policies(&testing, &why) == -1 || run_all(&testing, &why) == -1) {
		policy_files_fail(&testing.notes, &why);
	} else {
		coverage_sum(testing.trials.coverage, &sums);
		status = testing.trials.failed == 0 && coverage_percent(&sums) >= options->min_coverage
		             ? EXIT_GOOD
		             : EXIT_NO;
		if (options->json)
			summary_json(&testing, &sums);
		else if (summary_table(&testing, &sums, &why) == -1)
			status = policy_files_fail(NULL, &why);
	}
	if (fflush(stdout) != 0)
		status = EXIT_USAGE;
	policy_release(testing.policy);
	bundle_close(testing.bundle);
	cedar_policies_free(testing.policies);
	cedar_schema_free(testing.schema);
	arena_free(testing.arena);
	return status;
}
