/*
 * assess -- what judging a use of AI against the whole Act costs beside deciding one request: processor time of policy_assess() over
 * every fixture of tests/policies, and of policy_decide() with the sample policies, in turns, as one JSON line. The promise
 * is that an assessment costs no more than 20 decisions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/policy.h"

#define USES_MOST 512
#define ROUNDS    12
#define DECISIONS 2000

static void
must(int result, const struct fault *why)
{
	if (result == 0)
		return;
	fault_print(stderr, "bench", why);
	exit(2);
}

/* The processor's time, not the wall's: one thread that never waits, on machines that are shared. */
static int64_t
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static size_t
read_uses(struct usecase *uses, size_t count, const char *path, struct arena *arena)
{
	struct buffer text;
	struct reader reader;
	struct fault why;

	must(file_read(&text, path, 1 << 20, &why), &why);
	reader = reader_of(buffer_view(&text));
	while (!reader_done(&reader) && count < USES_MOST) {
		json_t *line = json_read(reader_line(&reader), 1 << 16, 16, &why);
		struct buffer one;

		buffer_init(&one, 1 << 16);
		json_write(&one, json_object_get(line, "usecase"));
		must(usecase_parse(&uses[count++], arena_slice(arena, buffer_view(&one)), arena, &why), &why);
		buffer_free(&one);
		json_decref(line);
	}
	buffer_free(&text);
	return count;
}

static int
compare(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

int
main(void)
{
	static const char *const roles[] = {"service"};
	static struct usecase uses[USES_MOST];
	struct arena *arena = arena_new((size_t)64 << 20), *scratch = arena_new((size_t)16 << 20);
	struct subject subject = {.known = true,
	                          .agency = "haneul",
	                          .service = "desk",
	                          .key_id = "k",
	                          .person = "",
	                          .roles = (const char **)(uintptr_t)roles,
	                          .role_count = 1};
	struct policy_facts facts = {.subject = &subject,
	                             .verdict = VERDICT_NOT_HIGH_IMPACT,
	                             .drift = DRIFT_NONE,
	                             .grade = GRADE_S,
	                             .found_kinds = 1u << IDENTIFIER_PHONE,
	                             .action = "chat",
	                             .model = "m",
	                             .engine_zone = "kr-gov",
	                             .zone_grade = GRADE_S,
	                             .wall_ms = INT64_C(1795300000000)};
	double assess[ROUNDS], decide[ROUNDS];
	struct policy *policy;
	struct fault why;
	size_t count;

	must(policy_load(&policy, "policy/agency", "policy/act", "schema/haechi.cedarschema", &why), &why);
	count = read_uses(uses, 0, "tests/policies/act.jsonl", arena);
	count = read_uses(uses, count, "tests/policies/uses.jsonl", arena);
	uses[0].agency = subject.agency;
	facts.usecase = &uses[0];
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct assessment assessment;
		struct decision decision;
		int64_t begun = cpu_ns();

		for (size_t i = 0; i < count; i++) {
			arena_reset(scratch);
			must(policy_assess(policy, &uses[i], "2026-11-21", scratch, &assessment, &why), &why);
		}
		assess[round] = (double)(cpu_ns() - begun) / 1000 / (double)count;
		begun = cpu_ns();
		for (unsigned i = 0; i < DECISIONS; i++) {
			arena_reset(scratch);
			policy_decide(policy, &facts, scratch, &decision);
		}
		decide[round] = (double)(cpu_ns() - begun) / 1000 / DECISIONS;
	}
	qsort(assess, ROUNDS, sizeof *assess, compare);
	qsort(decide, ROUNDS, sizeof *decide, compare);
	printf("{\"what\":\"assess\",\"uses\":%zu,\"assess_us\":%.1f,\"decide_us\":%.1f,\"decisions_per_"
	       "assessment\":%.2f,"
	       "\"at_most\":20}\n",
	       count, assess[ROUNDS / 2], decide[ROUNDS / 2], assess[ROUNDS / 2] / decide[ROUNDS / 2]);
	for (size_t i = 0; i < count; i++)
		usecase_release(&uses[i]);
	policy_release(policy);
	arena_free(arena);
	arena_free(scratch);
	return 0;
}
