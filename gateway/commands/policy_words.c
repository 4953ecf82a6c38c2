/*
 * `haechi policy fmt` and `haechi policy lint`: the texts of policies.
 */
#include "gateway/commands/commands.h"
#include "gateway/commands/policy_files.h"

#include <string.h>

#include "policy/annotations.h"

#define ARENA_LIMIT ((size_t)256 << 20)

/* 0: as it was; 1: it differs; -1: fault. */
static int
format_one(const struct policy_options *options, const struct cedar_source *source, struct cedar_notes *notes,
           struct fault *why)
{
	struct buffer out;
	int result = -1;

	buffer_init(&out, 2 * CEDAR_TEXT_LIMIT);
	if (cedar_format(&out, *source, notes, why) == 0) {
		result = slice_equal(buffer_view(&out), source->text) ? 0 : 1;
		if (options->write && result == 1 && strcmp(source->name, "-") != 0) {
			if (file_replace(source->name, buffer_view(&out), 0644, why) == -1)
				result = -1;
		} else if (options->check && result == 1) {
			printf("%s\n", source->name);
		} else if (!options->check && !options->write &&
		           fwrite(out.data, 1, out.size, stdout) != out.size) {
			result = fault_errno(why, "표준 출력", "standard output");
		}
	}
	buffer_free(&out);
	return result;
}

int
policy_format(const struct policy_options *options)
{
	static const char *const standard_input[] = {"-"};
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct cedar_notes notes = {.arena = arena};
	struct policy_texts texts;
	struct fault why;
	int status = EXIT_GOOD;

	if (policy_texts_read(&texts, options->policy_count > 0 ? options->policies : standard_input,
	                      options->policy_count > 0 ? options->policy_count : 1, &why) == -1) {
		arena_free(arena);
		return policy_files_fail(NULL, &why);
	}
	for (size_t i = 0; i < texts.count && status != EXIT_USAGE; i++) {
		int result = format_one(options, &texts.items[i], &notes, &why);

		if (result == -1)
			status = policy_files_fail(&notes, &why);
		else if (result == 1 && options->check)
			status = EXIT_NO;
	}
	policy_texts_free(&texts);
	arena_free(arena);
	return status;
}

int
policy_lint(const struct policy_options *options)
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct cedar_notes notes = {.arena = arena};
	struct cedar_policies *policies = NULL;
	struct buffer out;
	struct fault why;
	int status;

	buffer_init(&out, CEDAR_TEXT_LIMIT);
	if (options->policy_count == 0) {
		fault_set(&why, FAULT_USAGE, "정책 파일을 적으십시오", "name a file of policies");
		status = policy_files_fail(NULL, &why);
	} else if ((policy_files_load(&policies, options->policies, options->policy_count, false, &notes,
	                              &why) == -1 ||
	            annotations_check(policies, DIALECT_BY_ACTION, &notes, &why) == -1) &&
	           notes.errors == 0) {
		status = policy_files_fail(&notes, &why);
	} else { /* a text that is no policy is not clean either */
		status = notes.errors == 0 ? EXIT_GOOD : EXIT_NO;
		if (options->json) {
			buffer_printf(&out,
			              "{\"clean\":%s,\"errors\":", status == EXIT_GOOD ? "true" : "false");
			policy_write_notes(&out, &notes, CEDAR_ERROR);
			buffer_string(&out, "}\n");
			if (!buffer_ok(&out) || fwrite(out.data, 1, out.size, stdout) != out.size)
				status = EXIT_USAGE;
		} else {
			const size_t count = policies == NULL ? 0 : cedar_policies_count(policies);

			cedar_notes_print(stdout, &notes);
			printf("%zu개 정책, 잘못 %zu건 / %zu policies, %zu mistakes\n", count, notes.errors,
			       count, notes.errors);
		}
	}
	cedar_policies_free(policies);
	buffer_free(&out);
	arena_free(arena);
	return status;
}
