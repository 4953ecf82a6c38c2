/* openai: requests read once with every size bounded and made anew; answers made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/openai.h"

static const struct openai_limits limits = {.body_bytes = 65536,
                                            .messages = 4,
                                            .text_bytes = 1024,
                                            .tools = 2,
                                            .texts = 64,
                                            .depth = 16,
                                            .choices = 2};

struct made {
	struct arena *arena;
	struct openai_request *request;
	const char *param;
	struct fault why;
};

static int
read_as(struct made *made, enum openai_kind kind, const char *body)
{
	memset(made, 0, sizeof *made);
	made->arena = arena_new(1 << 20);
	return openai_read(&made->request, kind, slice_string(body), &limits, made->arena, &made->param,
	                   &made->why);
}

static void
drop(struct made *made)
{
	openai_free(made->request);
	arena_free(made->arena);
}

static void
expect_upstream(enum openai_kind kind, const char *body, const char *upstream)
{
	struct made made;
	struct buffer out;

	if (read_as(&made, kind, body) == -1)
		fail_msg("%s: %s", body, made.why.en);
	buffer_init(&out, 65536);
	openai_write(&out, made.request, "m-up");
	assert_string_equal(buffer_text(&out), upstream);
	buffer_free(&out);
	drop(&made);
}

static void
expect_refused(enum openai_kind kind, const char *body, const char *param, enum fault_kind reason)
{
	struct made made;

	if (read_as(&made, kind, body) == 0)
		fail_msg("accepted: %s", body);
	assert_null(made.request);
	assert_int_equal(made.why.kind, reason);
	if (param != NULL)
		assert_string_equal(made.param, param);
	drop(&made);
}

static void
made_anew(void **state)
{
	(void)state;
	expect_upstream(
	    OPENAI_CHAT,
	    "{\"messages\":[{\"role\":\"user\",\"content\":\"안녕\"}],\"model\":\"m\",\"temperature\":0.7}",
	    "{\"model\":\"m-up\",\"messages\":[{\"role\":\"user\",\"content\":\"안녕\"}],\"temperature\":0."
	    "7}");
	/* What an account at OpenAI knows is dropped; parts become one text; developer is system here. */
	expect_upstream(
	    OPENAI_CHAT,
	    "{\"model\":\"m\",\"store\":true,\"metadata\":{\"a\":\"b\"},\"user\":\"kim\",\"n\":1,\"stop\":"
	    "null,"
	    "\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
	    "\"text\",\"text\":\"b\"}]}],"
	    "\"stream\":true,\"max_completion_tokens\":5}",
	    "{\"model\":\"m-up\",\"messages\":[{\"role\":\"system\",\"content\":\"a\\nb\"}],\"max_tokens\":5,"
	    "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
	/* Ids of calls are ours: nothing can be hidden in them, and results still find their calls. */
	expect_upstream(OPENAI_CHAT,
	                "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_"
	                "calls\":[{\"id\":\"x9\",\"type\":\"function\","
	                "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_"
	                "call_id\":\"x9\",\"content\":\"1\"}]}",
	                "{\"model\":\"m-up\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_"
	                "calls\":[{\"function\":{\"name\":\"f\","
	                "\"arguments\":\"{}\"},\"id\":\"call_0\",\"type\":\"function\"}]},{\"role\":\"tool\","
	                "\"content\":\"1\","
	                "\"tool_call_id\":\"call_0\"}]}");
	expect_upstream(OPENAI_EMBEDDING,
	                "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\"}",
	                "{\"model\":\"m-up\",\"input\":[\"a\",\"b\"]}");
	expect_upstream(OPENAI_COMPLETION,
	                "{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":3,\"echo\":false}",
	                "{\"model\":\"m-up\",\"prompt\":\"a\",\"max_tokens\":3,\"echo\":false}");
}

static void
refused_by_name(void **state)
{
	(void)state;
	expect_refused(OPENAI_CHAT, "", NULL, FAULT_INVALID);
	expect_refused(OPENAI_CHAT, "[]", NULL, FAULT_INVALID);
	expect_refused(OPENAI_CHAT, "{\"model\":\"m\"", NULL, FAULT_INVALID);
	expect_refused(OPENAI_CHAT, "{\"model\":\"m\",\"model\":\"m\",\"messages\":[]}", NULL, FAULT_INVALID);
	expect_refused(OPENAI_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "model",
	               FAULT_INVALID);
	expect_refused(OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[]}", "messages", FAULT_INVALID);
	expect_refused(OPENAI_CHAT, "{\"model\":\"m\"}", "messages", FAULT_INVALID);
	expect_refused(OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"king\",\"content\":\"a\"}]}",
	               "messages.role", FAULT_INVALID);
	expect_refused(
	    OPENAI_CHAT,
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"temperature\":\"hot\"}",
	    "temperature", FAULT_INVALID);
	expect_refused(
	    OPENAI_CHAT,
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"temperature\":3}",
	    "temperature", FAULT_INVALID);
	expect_refused(OPENAI_CHAT,
	               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"n\":3}", "n",
	               FAULT_INVALID);
	expect_refused(OPENAI_CHAT,
	               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"mystery\":1}",
	               "mystery", FAULT_UNSUPPORTED);
	expect_refused(OPENAI_CHAT,
	               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"mystery\":1}]}",
	               "mystery", FAULT_UNSUPPORTED);
	expect_refused(OPENAI_CHAT,
	               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_"
	               "url\",\"image_url\":{\"url\":\"x\"}}]}]}",
	               "messages.content", FAULT_UNSUPPORTED);
	expect_refused(OPENAI_CHAT,
	               "{\"model\":\"a b\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "model",
	               FAULT_INVALID);
	expect_refused(OPENAI_EMBEDDING, "{\"model\":\"m\",\"input\":[1,2,3]}", "input", FAULT_UNSUPPORTED);
	expect_refused(OPENAI_COMPLETION,
	               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "messages",
	               FAULT_UNSUPPORTED);
}

static void
bounded(void **state)
{
	char body[4096], text[1100];

	(void)state;
	memset(text, 'a', sizeof text);
	text[1025] = '\0';
	snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
	         text);
	expect_refused(OPENAI_CHAT, body, "content", FAULT_TOO_LARGE);
	expect_refused(OPENAI_CHAT,
	               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
	               "\"user\",\"content\":\"a\"},"
	               "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"a\"},{"
	               "\"role\":\"user\",\"content\":\"a\"}]}",
	               "messages", FAULT_TOO_LARGE);
	expect_refused(OPENAI_CHAT, "{\"model\":\"m\",\"stop\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}", NULL,
	               FAULT_INVALID);
}

/* Every string that goes to an engine is seen by the detector; names and long numbers too, though they cannot change. */
static void
all_texts_seen(void **state)
{
	struct made made;
	size_t fixed = 0;

	(void)state;
	assert_int_equal(read_as(&made, OPENAI_CHAT,
	                         "{\"model\":\"m\",\"stop\":[\"S\"],\"messages\":[{\"role\":\"user\","
	                         "\"content\":\"C\",\"name\":\"N\"}],\"tools\":[{\"type\":"
	                         "\"function\",\"function\":{\"name\":\"F\",\"description\":\"D\","
	                         "\"parameters\":{\"K\":{\"enum\":[\"E\",9001011990006]}}}}]}"),
	                 0);
	for (size_t i = 0; i < made.request->text_count; i++)
		fixed += made.request->texts[i].string == NULL;
	assert_int_equal(made.request->text_count, 9); /* S C N F D K enum E 9001011990006 */
	assert_int_equal(fixed, 4);                    /* F K enum 9001011990006 */
	drop(&made);
}

static void
masked_in_place(void **state)
{
	struct made made;
	struct buffer out;

	(void)state;
	assert_int_equal(
	    read_as(&made, OPENAI_CHAT,
	            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"900101-1990006\"}]}"),
	    0);
	assert_int_equal(openai_mask(made.request, 0, SLICE_LITERAL("[주민등록번호]"), &made.why), 0);
	buffer_init(&out, 4096);
	openai_write(&out, made.request, "m");
	assert_string_equal(
	    buffer_text(&out),
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"[주민등록번호]\"}]}");
	buffer_free(&out);
	drop(&made);
}

/* ---- answers ---- */

static const struct openai_mark mark = {.id = "chatcmpl-1",
                                        .model = "asked",
                                        .created = 7,
                                        .entry = "e",
                                        .decision = "permit",
                                        .verdict = "NOT_HIGH_IMPACT",
                                        .label = "notice",
                                        .notice_ko = "가",
                                        .notice_en = "b"};

static void
answer_made_anew(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct openai_answer answer;
	struct buffer out;
	struct fault why;

	(void)state;
	buffer_init(&out, 65536);
	assert_int_equal(
	    openai_answer_read(
	        &answer, OPENAI_CHAT, false,
	        SLICE_LITERAL(
	            "{\"id\":\"secret\",\"evil\":1,\"choices\":[{\"index\":0,\"message\":{\"role\":\"x\","
	            "\"content\":\"a\\r\\nb\"},\"finish_reason\":\"odd\"}],\"usage\":{\"prompt_tokens\":3,"
	            "\"completion_tokens\":2}}"),
	        65536, arena, &why),
	    0);
	assert_int_equal(openai_answer_write(&out, &answer, false, &mark, &why), 0);
	assert_string_equal(buffer_text(&out),
	                    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":7,\"model\":"
	                    "\"asked\",\"choices\":[{\"index\":0,\"message\":{"
	                    "\"role\":\"assistant\",\"content\":\"a\\r\\nb\",\"refusal\":null},\"logprobs\":"
	                    "null,\"finish_reason\":\"stop\"}],\"usage\":{"
	                    "\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5},\"haechi\":{"
	                    "\"ai_generated\":true,\"label\":\"notice\",\"notice\":"
	                    "{\"ko\":\"가\",\"en\":\"b\"},\"entry\":\"e\",\"decision\":\"permit\","
	                    "\"verdict\":\"NOT_HIGH_IMPACT\"}}");
	openai_answer_free(&answer);
	buffer_free(&out);
	arena_free(arena);
}

static void
chunk_made_anew(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct openai_answer answer;
	struct buffer out;
	struct fault why;

	(void)state;
	buffer_init(&out, 65536);
	assert_int_equal(
	    openai_answer_read(
	        &answer, OPENAI_CHAT, true,
	        SLICE_LITERAL(
	            "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\","
	            "\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]},\"finish_reason\":null}]}"),
	        65536, arena, &why),
	    0);
	openai_chunk_write(&out, &answer, false, &mark, false);
	assert_string_equal(buffer_text(&out),
	                    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,"
	                    "\"model\":\"asked\",\"choices\":[{"
	                    "\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":"
	                    "\"function\",\"function\":{\"name\":\"f\","
	                    "\"arguments\":\"{\"}}]},\"logprobs\":null,\"finish_reason\":null}]}");
	openai_answer_free(&answer);
	buffer_free(&out);
	arena_free(arena);
}

static void
embeddings_as_base64(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct openai_answer answer;
	struct buffer out;
	struct fault why;

	(void)state;
	buffer_init(&out, 65536);
	assert_int_equal(
	    openai_answer_read(
	        &answer, OPENAI_EMBEDDING, false,
	        SLICE_LITERAL("{\"data\":[{\"embedding\":[1,-2.5,0,0.5]}],\"usage\":{\"prompt_tokens\":1}}"),
	        65536, arena, &why),
	    0);
	assert_int_equal(openai_answer_write(&out, &answer, true, &mark, &why), 0);
	/* 00 00 80 3f  00 00 20 c0  00 00 00 00  00 00 00 3f */
	assert_non_null(strstr(buffer_text(&out), "\"embedding\":\"AACAPwAAIMAAAAAAAAAAPw==\""));
	openai_answer_free(&answer);
	buffer_free(&out);
	arena_free(arena);
}

static void
answers_refused(void **state)
{
	static const char *const bad[] = {"",
	                                  "{}",
	                                  "{\"error\":{\"message\":\"the prompt was: x\"}}",
	                                  "{\"choices\":[]}",
	                                  "{\"choices\":[{\"index\":99,\"message\":{\"content\":\"a\"}}]}",
	                                  "{\"choices\":[{\"message\":{\"content\":7}}]}",
	                                  "{\"choices\":[{\"index\":0}]}",
	                                  "data: {}"};
	struct arena *arena = arena_new(1 << 20);
	struct openai_answer answer;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(
		    openai_answer_read(&answer, OPENAI_CHAT, false, slice_string(bad[i]), 65536, arena, &why),
		    -1);
		assert_int_equal(why.kind, FAULT_UNAVAILABLE);
		assert_null(strstr(why.en, "prompt was"));
	}
	arena_free(arena);
}

static void
not_given(void **state)
{
	(void)state;
	expect_upstream(
	    OPENAI_CHAT,
	    "{\"model\":\"m\",\"guided_json\":null,\"stop\":null,\"messages\":[{\"role\":\"user\","
	    "\"content\":\"a\"}]}",
	    "{\"model\":\"m-up\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
	expect_upstream(OPENAI_COMPLETION, "{\"model\":\"m\",\"best_of\":1,\"prompt\":\"a\"}",
	                "{\"model\":\"m-up\",\"prompt\":\"a\"}");
	expect_refused(OPENAI_COMPLETION, "{\"model\":\"m\",\"best_of\":2,\"prompt\":\"a\"}", "best_of",
	               FAULT_UNSUPPORTED);
}

/* Of an engine's error object, our own names alone come through. */
static void
engine_blames(void **state)
{
	static const struct {
		const char *body, *param;
		bool too_long;
	} cases[] = {
	    {"{\"error\":{\"param\":\"tools\",\"code\":\"unsupported\"}}",                "tools",    false                                                    },
	    {"{\"error\":{\"param\":\"messages[3].content\"}}",                           "messages", false                                                    },
	    {"{\"error\":{\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}", "messages", true                                                     },
	    {"{\"error\":{\"code\":400,\"type\":\"exceed_context_size_error\"}}",         NULL,       true                                                     },
	    {"{\"object\":\"error\",\"code\":400,\"message\":\"This model's maximum context length is 64 "
	     "tokens.\"}",	                                                                    NULL,	                                                                    true	                                             },
	    {"{\"error\":{\"param\":\"900101-1990006\",\"code\":\"900101\"}}",                                                                           NULL,                      false},
	    {"{\"error\":{\"param\":\"\"}}",	                                                                   NULL,	                                                false	                                                                               },
	    {"{\"error\":{\"param\":5,\"code\":[]}}",	                                                                   NULL,                                               false},
	    {"{\"error\":\"tools\"}",	                                                                   NULL,	                                                       false	                                                                                               },
	    {"[]",	                                                                   NULL,	                                                                          false},
	    {"<html>",	                                                                   NULL,	                                                                      false	                                                                                           },
	    {"",	                                                                   NULL,	                                                                            false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool too_long;
		const char *const param = openai_blamed(OPENAI_CHAT, slice_string(cases[i].body), &too_long);

		assert_int_equal(too_long, cases[i].too_long);
		if (cases[i].param == NULL)
			assert_null(param);
		else
			assert_string_equal(param, cases[i].param);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(made_anew),       cmocka_unit_test(refused_by_name),
	    cmocka_unit_test(bounded),         cmocka_unit_test(all_texts_seen),
	    cmocka_unit_test(masked_in_place), cmocka_unit_test(answer_made_anew),
	    cmocka_unit_test(chunk_made_anew), cmocka_unit_test(embeddings_as_base64),
	    cmocka_unit_test(answers_refused), cmocka_unit_test(not_given),
	    cmocka_unit_test(engine_blames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
