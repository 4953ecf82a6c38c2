#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pthread.h>

#include "inference/engine_http.h"
#include "inference/inference.h"
#include "inference/pages.h"
#include "inference/model.h"
#include "tests/gguf_maker.h"

static char path[64];

static struct engine *
open_engine(size_t parallel, size_t queue)
{
	struct engine_options options = {.model = path, .parallel = parallel, .queue = queue};
	struct engine *engine = NULL;
	struct fault why = {0};

	if (engine_open(&engine, &options, &why) == -1)
		fail_msg("%s", why.en);
	return engine;
}

static void
quiet(void *owner)
{
	(void)owner;
}

static struct generation *
ask(struct engine *engine, const uint32_t *prompt, size_t count, uint32_t most, float temperature,
    struct fault *why)
{
	struct generation_request request = {
	    .prompt = prompt,
	    .prompt_count = count,
	    .max_tokens = most,
	    .sampling =
	        {.temperature = temperature, .top_p = 0.9f, .repetition = 1, .seeded = true, .seed = 5},
	    .ignore_end = true,
	    .logprobs = 0,
	    .news = quiet
        };
	struct generation *generation = NULL;

	return generation_submit(engine, &request, &generation, NULL, why) == 0 ? generation : NULL;
}

/* Wait for the end; the tokens said, joined, and how it ended. */
static enum generation_end
hear(struct generation *generation, uint32_t *tokens, size_t *count, size_t *cached)
{
	struct generation_news news;

	*count = 0;
	do {
		usleep(500);
		generation_read(generation, &news);
		for (size_t i = 0; i < news.report_count; i++)
			tokens[(*count)++] = news.reports[i].token;
		assert_true(utf8_valid(buffer_view(&news.text)));
		buffer_free(&news.text);
		free(news.reports);
	} while (news.end == GENERATION_RUNNING);
	if (cached != NULL)
		*cached = news.cached_tokens;
	generation_release(generation);
	return news.end;
}

static void
make_prompt(uint32_t *prompt, size_t count, unsigned salt)
{
	for (size_t i = 0; i < count; i++)
		prompt[i] = (uint32_t)((i * 2654435761u + salt * 40503u) >> 7) % 256;
}

static void
answers_are_the_same_alone_and_in_a_crowd(void **state)
{
	enum { MANY = 12, LENGTH = 60 };
	uint32_t alone[MANY][LENGTH], got[LENGTH], prompt[300];
	struct generation *generations[MANY];
	struct engine *engine = open_engine(1, 64);
	size_t count;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		make_prompt(prompt, 5 + i * 23, i);
		assert_int_equal(hear(ask(engine, prompt, 5 + i * 23, LENGTH, i % 2 == 0 ? 0 : 0.8f, NULL),
		                      alone[i], &count, NULL),
		                 GENERATION_LENGTH);
		assert_int_equal(count, LENGTH);
	}
	engine_close(engine);
	engine = open_engine(8, 64);
	for (unsigned i = 0; i < MANY; i++) {
		make_prompt(prompt, 5 + i * 23, i);
		generations[i] = ask(engine, prompt, 5 + i * 23, LENGTH, i % 2 == 0 ? 0 : 0.8f, NULL);
		assert_non_null(generations[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(hear(generations[i], got, &count, NULL), GENERATION_LENGTH);
		assert_int_equal(count, LENGTH);
		assert_memory_equal(got, alone[i], sizeof got);
	}
	engine_close(engine);
}

static void
a_known_beginning_is_not_computed_again(void **state)
{
	uint32_t prompt[400], first[20], second[20];
	struct engine *engine = open_engine(2, 64);
	size_t count, cached;

	(void)state;
	make_prompt(prompt, 400, 3);
	hear(ask(engine, prompt, 400, 20, 0, NULL), first, &count, &cached);
	assert_int_equal(cached, 0);
	hear(ask(engine, prompt, 400, 20, 0, NULL), second, &count, &cached);
	assert_int_equal(cached, 384); /* six pages; the rest is always computed */
	assert_memory_equal(first, second, sizeof first);
	prompt[100]++; /* differs within the second page */
	hear(ask(engine, prompt, 400, 20, 0, NULL), second, &count, &cached);
	assert_int_equal(cached, 64);
	engine_close(engine);
}

/* Else one agency could learn, from how soon its answer begins, what another has asked. */
static void
what_one_agency_asked_is_not_known_to_another(void **state)
{
	static const char *const names[] = {"seoul", NULL, "seoul"};
	static const size_t known[] = {0, 0, 384};
	uint32_t prompt[400], said[20];
	struct engine *engine = open_engine(2, 64);

	(void)state;
	make_prompt(prompt, 400, 3);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct generation_request request = {.agency = names[i],
		                                     .prompt = prompt,
		                                     .prompt_count = 400,
		                                     .max_tokens = 2,
		                                     .sampling = {.repetition = 1},
		                                     .ignore_end = true,
		                                     .logprobs = 0,
		                                     .news = quiet};
		struct generation *generation = NULL;
		size_t count, cached;

		assert_int_equal(generation_submit(engine, &request, &generation, NULL, NULL), 0);
		hear(generation, said, &count, &cached);
		assert_int_equal(cached, known[i]);
	}
	engine_close(engine);
}

static void
cancelled_answers_end_and_give_back_their_pages(void **state)
{
	uint32_t prompt[100];
	struct engine *engine = open_engine(4, 400);
	struct engine_counters counters;

	(void)state;
	make_prompt(prompt, 100, 9);
	for (unsigned i = 0; i < 300; i++) {
		struct generation *generation = ask(engine, prompt, 1 + i % 100, 300, 0, NULL);

		assert_non_null(generation);
		if (i % 3 == 0)
			usleep(300);
		generation_release(generation);
	}
	do {
		usleep(1000);
		engine_counters(engine, &counters);
	} while (counters.waiting + counters.active > 0);
	usleep(20000);
	engine_counters(engine, &counters);
	assert_int_equal(counters.pages_used, 0);
	engine_close(engine);
}

static void
a_full_queue_says_so(void **state)
{
	uint32_t prompt[10];
	struct engine *engine = open_engine(1, 2);
	struct generation *held[8] = {NULL};
	struct fault why = {0};
	unsigned refused = 0;

	(void)state;
	make_prompt(prompt, 10, 1);
	for (unsigned i = 0; i < 8; i++)
		if ((held[i] = ask(engine, prompt, 10, 400, 0, &why)) == NULL) {
			assert_int_equal(why.kind, FAULT_BUSY);
			refused++;
		}
	assert_true(refused >= 4);
	assert_null(ask(engine, prompt, 0, 4, 0, &why));
	prompt[0] = MAKER_TOKENS;
	assert_null(ask(engine, prompt, 1, 4, 0, &why));
	for (unsigned i = 0; i < 8; i++)
		generation_release(held[i]);
	engine_close(engine);
}

static void
other_devices_are_refused_by_name(void **state)
{
	struct engine_options options = {.model = path, .device = "cuda"};
	struct engine *engine = NULL;
	struct fault why = {0};

	(void)state;
	assert_int_equal(engine_open(&engine, &options, &why), -1);
	assert_int_equal(why.kind, FAULT_UNSUPPORTED);
	assert_non_null(strstr(why.en, "cuda"));
}

static void
embeddings_have_length_one_and_do_not_depend_on_company(void **state)
{
	uint32_t prompt[200];
	struct engine *engine = open_engine(4, 64);
	struct generation *generations[6];
	struct generation_news news;
	struct generation_request request = {
	    .prompt = prompt, .sampling = {.repetition = 1}, .embed = true, .logprobs = -1, .news = quiet};
	float first[64];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 6; i++) {
			make_prompt(prompt, 200, round == 0 ? 0 : i);
			request.prompt_count = i % 2 == 0 ? 200 : 50;
			assert_int_equal(generation_submit(engine, &request, &generations[i], NULL, NULL), 0);
		}
		for (unsigned i = 0; i < 6; i++) {
			double length = 0;

			do {
				usleep(500);
				generation_read(generations[i], &news);
				buffer_free(&news.text);
			} while (news.end == GENERATION_RUNNING);
			assert_int_equal(news.end, GENERATION_STOP);
			assert_int_equal(news.completion_tokens, 0);
			for (unsigned j = 0; j < 64; j++)
				length += (double)news.embedding[j] * (double)news.embedding[j];
			assert_true(fabs(length - 1) < 1e-5);
			if (round == 0 && i == 0)
				memcpy(first, news.embedding, sizeof first);
			else if (i % 2 == 0 && (round == 0 || i == 0))
				assert_memory_equal(first, news.embedding, sizeof first);
			free(news.embedding);
			generation_release(generations[i]);
		}
	}
	engine_close(engine);
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

static void
pages_are_found_by_what_they_hold(void **state)
{
	struct pages *pages = pages_new(3);
	uint32_t tokens[3 * CACHE_PAGE], found[3], a, b, c;
	struct page_name last = {PAGE_NONE, 0};

	(void)state;
	make_prompt(tokens, 3 * CACHE_PAGE, 4);
	a = pages_take(pages);
	b = pages_take(pages);
	pages_publish(pages, a, tokens, &last);
	pages_publish(pages, b, tokens + CACHE_PAGE, &last);
	pages_drop(pages, a);
	pages_drop(pages, b);
	assert_int_equal(pages_available(pages), 3);
	assert_int_equal(pages_match(pages, 0, tokens, 3, found, &last), 2);
	assert_true(found[0] == a && found[1] == b);
	assert_int_equal(pages_available(pages), 1);
	pages_drop(pages, a);
	pages_drop(pages, b);
	/* The unused page goes first, then the oldest known one; its successor is then out of reach. */
	c = pages_take(pages);
	assert_true(c != a && c != b);
	assert_int_equal(pages_take(pages), a);
	assert_int_equal(pages_match(pages, 0, tokens, 3, found, &last), 0);
	assert_int_equal(pages_take(pages), b);
	assert_int_equal(pages_take(pages), PAGE_NONE);
	pages_free(pages);
}

/* ---- heads of requests --------------------------------------------------------------------------------------------- */

static int
head_status(const char *text)
{
	struct http_head head;

	return engine_http_head(slice_string(text), &head);
}

static void
heads_are_read_strictly(void **state)
{
	struct http_head head;

	(void)state;
	assert_int_equal(
	    engine_http_head(SLICE_LITERAL("POST /v1/x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"),
	                     &head),
	    0);
	assert_true(head.keep_alive && head.length == 12 && slice_is(head.target, "/v1/x?y"));
	assert_int_equal(head_status("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
	assert_int_equal(head_status("GET / HTTP/1.1\r\n\r\n"), 400);
	assert_int_equal(head_status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
	assert_int_equal(head_status("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), 411);
	assert_int_equal(head_status("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
	assert_int_equal(
	    head_status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400);
	assert_int_equal(head_status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"), 400);
	assert_int_equal(head_status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"),
	                 413);
	assert_int_equal(head_status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
	                 501);
	assert_int_equal(head_status("GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n"), 400);
	assert_int_equal(head_status("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400);
	assert_int_equal(head_status("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"), 400);
	assert_int_equal(head_status("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), 400);
	assert_int_equal(head_status("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(head_status("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

static int
write_model(struct buffer file)
{
	bool good;
	int out;

	snprintf(path, sizeof path, "/tmp/haechi-test-XXXXXX");
	out = mkstemp(path);
	setenv("HAECHI_CACHE_DIR", "/nonexistent/haechi", 1);
	good = out != -1 && write(out, file.data, file.size) == (ssize_t)file.size;
	close(out);
	buffer_free(&file);
	return good ? 0 : -1;
}

static int
make_model(void **state)
{
	(void)state;
	return write_model(maker_model(QUANT_Q8_0, 11));
}

static int
make_latent(void **state)
{
	(void)state;
	return write_model(maker_latent(QUANT_Q8_0, 11, false));
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
	    cmocka_unit_test(answers_are_the_same_alone_and_in_a_crowd),
	    cmocka_unit_test(a_known_beginning_is_not_computed_again),
	    cmocka_unit_test(what_one_agency_asked_is_not_known_to_another),
	    cmocka_unit_test(cancelled_answers_end_and_give_back_their_pages),
	    cmocka_unit_test(a_full_queue_says_so),
	    cmocka_unit_test(embeddings_have_length_one_and_do_not_depend_on_company),
	    cmocka_unit_test(other_devices_are_refused_by_name),
	    cmocka_unit_test(pages_are_found_by_what_they_hold),
	    cmocka_unit_test(heads_are_read_strictly),
	};

	/* What holds of keys and values must hold of a latent. */
	const struct CMUnitTest latent[] = {
	    cmocka_unit_test(answers_are_the_same_alone_and_in_a_crowd),
	    cmocka_unit_test(a_known_beginning_is_not_computed_again),
	    cmocka_unit_test(cancelled_answers_end_and_give_back_their_pages),
	    cmocka_unit_test(embeddings_have_length_one_and_do_not_depend_on_company),
	};

	return cmocka_run_group_tests(tests, make_model, remove_model) +
	       cmocka_run_group_tests(latent, make_latent, remove_model);
}
