/* Goal of these tests: agencies have the engine in proportion to their weights, and nobody is starved by a flood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inference/inference.h"
#include "inference/model.h"
#include "inference/shares.h"
#include "tests/gguf_maker.h"

static char path[] = "/tmp/haechi-test-XXXXXX";

/* ---- the bookkeeping ---------------------------------------------------------------------------------------------- */

/* `turns` turns of `tokens` among agencies that always wait. */
static void
take_turns(struct shares *shares, size_t turns, size_t tokens)
{
	for (size_t i = 0; i < turns; i++) {
		struct share *share = shares_next(shares);

		shares_begin(shares, share);
		shares_charge(share, tokens);
		shares_come(shares, share);
		shares_leave(share, true);
	}
}

static void
turns_go_by_weight(void **state)
{
	static struct shares shares;
	struct share *seoul, *busan;

	(void)state;
	shares_init(&shares);
	assert_true(shares_weigh(&shares, "seoul", 3));
	seoul = shares_find(&shares, "seoul");
	busan = shares_find(&shares, "busan");
	assert_ptr_not_equal(seoul, busan);
	assert_ptr_equal(shares_find(&shares, ""), &shares.list[0]);
	assert_null(shares_next(&shares));
	shares_come(&shares, seoul);
	shares_come(&shares, busan);
	take_turns(&shares, 4000, 7);
	assert_in_range(seoul->tokens, 3 * busan->tokens - 28, 3 * busan->tokens + 28);
	shares_leave(seoul, false);
	shares_leave(busan, false);
	assert_null(shares_next(&shares));
}

static void
who_was_away_saves_nothing_up_and_owes_nothing(void **state)
{
	static struct shares shares;
	struct share *old, *young;
	uint64_t before;

	(void)state;
	shares_init(&shares);
	old = shares_find(&shares, "old");
	young = shares_find(&shares, "young");
	shares_come(&shares, old);
	take_turns(&shares, 1000, 10);
	shares_come(&shares, young); /* has had nothing, and is next, but not for long */
	take_turns(&shares, 100, 10);
	assert_in_range(young->tokens, 490, 510);
	/* All leave; the one that comes first is served, and the other is not made to wait for having been busy. */
	shares_leave(old, false);
	shares_leave(young, false);
	shares_come(&shares, young);
	take_turns(&shares, 50, 10);
	shares_come(&shares, old);
	before = old->tokens;
	take_turns(&shares, 100, 10);
	assert_in_range(old->tokens - before, 490, 510);
	shares_leave(old, false);
	shares_leave(young, false);
}

static void
who_is_served_at_once_gathers_no_claim(void **state)
{
	static struct shares shares;
	struct share *busy, *light;

	(void)state;
	shares_init(&shares);
	busy = shares_find(&shares, "busy");
	light = shares_find(&shares, "light");
	shares_come(&shares, busy);
	shares_come(&shares, light);
	shares_begin(&shares, light); /* something of it always runs, but it never has to wait */
	for (unsigned i = 0; i < 1000; i++) {
		take_turns(&shares, 10, 10);
		shares_come(&shares, light);
		assert_ptr_equal(shares_next(&shares), light);
		shares_begin(&shares, light);
		shares_charge(light, 10);
		shares_leave(light, true);
	}
	assert_in_range(light->tokens, 9990, 10010);
	light->waiting = 1; /* now it is as busy: halves from here on, whatever the other had before */
	take_turns(&shares, 100, 10);
	assert_in_range(light->tokens, 10480, 10540);
}

static void
a_queue_is_shared_too(void **state)
{
	static struct shares shares;
	struct share *flood, *quiet;

	(void)state;
	shares_init(&shares);
	assert_true(shares_weigh(&shares, "quiet", 3));
	flood = shares_find(&shares, "flood");
	quiet = shares_find(&shares, "quiet");
	for (unsigned i = 0; i < 64; i++)
		shares_come(&shares, flood);
	assert_false(shares_entitled(&shares, flood, 64));
	assert_int_equal(shares_ahead(&shares, flood), 64);
	assert_int_equal(shares_ahead(&shares, quiet),
	                 1); /* equal counters: at worst one of theirs is first */
	for (unsigned i = 0; i < 48; i++) {
		assert_true(shares_entitled(&shares, quiet, 64));
		shares_come(&shares, quiet);
	}
	assert_false(shares_entitled(&shares, quiet, 64));
	assert_int_equal(shares_ahead(&shares, quiet), 48 + 17);
	assert_int_equal(shares_ahead(&shares, flood), 64 + 48);
}

static void
names_are_forgotten_when_there_are_too_many(void **state)
{
	static struct shares shares;
	struct share *kept;
	char name[16];

	(void)state;
	shares_init(&shares);
	kept = shares_find(&shares, "kept");
	shares_come(&shares, kept);
	for (unsigned i = 0; i < 10 * SHARES_LIMIT; i++) {
		snprintf(name, sizeof name, "a%u", i);
		assert_string_equal(shares_find(&shares, name)->name, name);
	}
	assert_ptr_equal(shares_find(&shares, "kept"), kept);
	assert_int_equal(shares.count, SHARES_LIMIT);
	for (unsigned i = 0; i < SHARES_LIMIT;
	     i++) { /* nobody idle is left: who is new shares the nameless place */
		snprintf(name, sizeof name, "b%u", i);
		shares_come(&shares, shares_find(&shares, name));
	}
	assert_ptr_equal(shares_find(&shares, "one too many"), &shares.list[0]);
	assert_false(shares_weigh(&shares, "one too many", 2));
}

/* ---- the engine --------------------------------------------------------------------------------------------------- */

static struct engine *
open_engine(size_t parallel, const struct agency_weight *weights, size_t count)
{
	struct engine_options options = {.model = path,
	                                 .parallel = parallel,
	                                 .queue = 64,
	                                 .context = 512,
	                                 .weights = weights,
	                                 .weight_count = count};
	struct engine *engine = NULL;
	struct fault why = {0};

	if (engine_open(&engine, &options, &why) == -1)
		fail_msg("%s", why.en);
	return engine;
}

/* From the engine's thread: how many steps there had been at the last news of the answer that is watched. */
static struct engine *watched; /* NULL: none is asked for now */
static _Atomic uint64_t steps_heard;

static void
note_steps(void *owner)
{
	struct engine_counters counters;

	if (owner == NULL)
		return;
	engine_counters(owner, &counters);
	steps_heard = counters.steps;
}

/* A prompt of `count` tokens that no other salt shares, and an answer of `most`. */
static struct generation *
ask(struct engine *engine, const char *agency, size_t count, uint32_t most, unsigned salt)
{
	uint32_t prompt[400];
	struct generation_request request = {
	    .agency = agency,
	    .prompt = prompt,
	    .prompt_count = count,
	    .max_tokens = most,
	    .sampling = {.top_p = 1, .repetition = 1},
	    .ignore_end = true,
	    .logprobs = 0,
	    .news = note_steps,
	    .owner = watched
        };
	struct generation *generation = NULL;
	struct fault why = {0};

	for (size_t i = 0; i < count; i++)
		prompt[i] = (uint32_t)((i * 2654435761u + salt * 40503u) >> 7) % 256;
	if (generation_submit(engine, &request, &generation, NULL, &why) == -1)
		fail_msg("%s: %s", agency, why.en);
	return generation;
}

/* What has been said since the last time, added to *said. true: that was all, and it is released. */
static bool
listen_to(struct generation **generation, uint32_t *tokens, size_t *said)
{
	struct generation_news news;

	generation_read(*generation, &news);
	for (size_t i = 0; i < news.report_count; i++, (*said)++)
		if (tokens != NULL)
			tokens[*said] = news.reports[i].token;
	buffer_free(&news.text);
	free(news.reports);
	if (news.end == GENERATION_RUNNING)
		return false;
	assert_int_equal(news.end, GENERATION_LENGTH);
	generation_release(*generation);
	*generation = NULL;
	return true;
}

/* What the engine has computed for each so far; 0 for one it does not know yet. */
static void
tokens_used(struct engine *engine, const char *const names[2], size_t used[2])
{
	struct agency_counters agencies[4];
	const size_t count = engine_agencies(engine, agencies, 4);

	for (unsigned who = 0; who < 2; who++)
		for (size_t i = 0; i < count; i++)
			if (strcmp(agencies[i].name, names[who]) == 0)
				used[who] = agencies[i].tokens;
}

static void
saturated_agencies_have_tokens_by_weight(void **state)
{
	static const struct agency_weight weights[] = {
	    {"seoul", 3}
        };
	static const char *const names[] = {"seoul", "busan"};
	enum { HELD = 24 };
	struct generation *held[2][HELD] = {{NULL}};
	struct engine *engine = open_engine(4, weights, 1);
	size_t said[2] = {0}, used[2] = {0}, before[2] = {0};
	unsigned salt = 0, dry = 0;

	(void)state;
	/* busan floods first; its prompts are longer, and its answers. */
	while (said[0] + said[1] < 6000) {
		bool saturated = true;

		for (unsigned who = 2; who-- > 0;) {
			unsigned over = 0;

			for (unsigned i = 0; i < HELD; i++)
				if (held[who][i] == NULL || listen_to(&held[who][i], NULL, &said[who])) {
					over += held[who][i] == NULL;
					held[who][i] = ask(engine, names[who], who == 0 ? 10 : 30,
					                   who == 0 ? 25 : 60, salt++);
				}
			saturated &= over < HELD / 2;
		}
		tokens_used(engine, names, used);
		/* This thread was away too long and an agency had nothing to ask: shares say nothing, measure anew. */
		if (!saturated) {
			memcpy(before, used, sizeof before);
			memset(said, 0, sizeof said);
			if (++dry == 500)
				skip();
		}
		usleep(300);
	}
	for (unsigned who = 0; who < 2; who++) {
		used[who] -= before[who];
		for (unsigned i = 0; i < HELD; i++)
			generation_release(held[who][i]);
	}
	print_message("3:1 is %.2f:1 in tokens computed (%zu and %zu), %.2f:1 in tokens said\n",
	              (double)used[0] / (double)used[1], used[0], used[1], (double)said[0] / (double)said[1]);
	assert_in_range(used[0] * 100 / used[1], 255, 345);
	engine_close(engine);
}

static void
a_quiet_agency_begins_within_a_few_steps(void **state)
{
	enum { FLOOD = 40, LONG = 400, SHORT = 20 };
	static uint32_t alone[FLOOD][LONG], got[FLOOD][LONG], single[SHORT], again[SHORT];
	size_t said[FLOOD] = {0}, heard = 0, running = FLOOD, prompt = 0;
	struct generation *flood[FLOOD], *one;
	struct engine *engine = open_engine(4, NULL, 0);
	struct engine_counters before, after;

	(void)state;
	one = ask(engine, "quiet", 40, SHORT, 1000);
	while (!listen_to(&one, single, &heard))
		usleep(300);
	for (unsigned i = 0; i < FLOOD; i++) {
		flood[i] = ask(engine, "flood", 1 + i, LONG, i);
		while (!listen_to(&flood[i], alone[i], &said[i]))
			usleep(300);
		said[i] = 0;
	}
	for (unsigned i = 0; i < FLOOD; i++)
		flood[i] = ask(engine, "flood", 1 + i, LONG, i);
	do {
		usleep(300);
		engine_counters(engine, &before);
	} while (before.active < 4);
	for (unsigned round = 0; round < 5; round++) {
		engine_counters(engine, &before);
		heard = 0;
		watched = engine;
		one = ask(engine, "quiet", 40, SHORT, 1000);
		watched = NULL;
		while (!listen_to(&one, again, &heard))
			usleep(300);
		/* A step that runs already, one for the prompt, the answer; and this thread may be slow to ask. */
		prompt += steps_heard - before.steps <= SHORT + 10;
		assert_memory_equal(single, again, sizeof single);
	}
	assert_in_range(prompt, 3, 5);
	engine_counters(engine, &after);
	assert_true(after.interrupted >= 1);
	while (running > 0) {
		running = 0;
		for (unsigned i = 0; i < FLOOD; i++)
			running += flood[i] != NULL && !listen_to(&flood[i], got[i], &said[i]);
		usleep(300);
	}
	for (unsigned i = 0; i < FLOOD; i++) {
		assert_int_equal(said[i], LONG);
		assert_memory_equal(got[i], alone[i], sizeof alone[i]);
	}
	engine_counters(engine, &after);
	print_message("%llu answers gave way and ended as when alone\n",
	              (unsigned long long)after.interrupted);
	while (after.active + after.waiting + after.pages_used > 0) {
		usleep(300);
		engine_counters(engine, &after);
	}
	engine_close(engine);
}

static int
make_model(void **state)
{
	struct buffer file = maker_model(QUANT_Q8_0, 11);
	int out = mkstemp(path);
	bool good;

	(void)state;
	setenv("HAECHI_CACHE_DIR", "/nonexistent/haechi", 1);
	good = out != -1 && write(out, file.data, file.size) == (ssize_t)file.size;
	close(out);
	buffer_free(&file);
	return good ? 0 : -1;
}

static int
remove_model(void **state)
{
	(void)state;
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(turns_go_by_weight),
	    cmocka_unit_test(who_was_away_saves_nothing_up_and_owes_nothing),
	    cmocka_unit_test(who_is_served_at_once_gathers_no_claim),
	    cmocka_unit_test(a_queue_is_shared_too),
	    cmocka_unit_test(names_are_forgotten_when_there_are_too_many),
	    cmocka_unit_test(saturated_agencies_have_tokens_by_weight),
	    cmocka_unit_test(a_quiet_agency_begins_within_a_few_steps),
	};

	return cmocka_run_group_tests(tests, make_model, remove_model);
}
