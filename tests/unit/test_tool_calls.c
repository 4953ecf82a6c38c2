#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/constraint.h"
#include "inference/engine_request.h"
#include "inference/tool_calls.h"
#include "tests/gguf_maker.h"

static json_t *
tools(void)
{
	json_t *list =
	    json_pack("[{s:s, s:{s:s, s:{s:s, s:{s:{s:s}}, s:[s]}}}, {s:s, s:{s:s}}]", "type", "function",
	              "function", "name", "weather", "parameters", "type", "object", "properties", "city",
	              "type", "string", "required", "city", "type", "function", "function", "name", "now");

	assert_non_null(list);
	return list;
}

/* What is said, "|name:arguments" behind it for each call; in pieces of `step` bytes. */
static void
hear(enum tool_style style, bool whole, const char *forced, const char *said, const char *want)
{
	json_t *list = tools();

	for (size_t step = 1; step <= strlen(said) + 1; step = step * 2 + (step == 1)) {
		struct tool_calls *calls = tool_calls_new(style, list, whole, forced);
		struct buffer out;

		assert_non_null(calls);
		buffer_init(&out, 1 << 16);
		for (size_t at = 0; at < strlen(said); at += step)
			tool_calls_feed(
			    calls, slice_of(said + at, strlen(said) - at < step ? strlen(said) - at : step),
			    &out);
		tool_calls_end(calls, &out);
		for (size_t i = 0; i < calls->count; i++) {
			assert_int_equal(strlen(calls->calls[i].id), 29);
			buffer_printf(&out, "|%s:%s", calls->calls[i].name, calls->calls[i].arguments);
		}
		assert_string_equal(buffer_text(&out), want);
		buffer_free(&out);
		tool_calls_free(calls);
	}
	json_decref(list);
}

static void
calls_are_found_however_they_come(void **state)
{
	(void)state;
	hear(TOOL_STYLE_TAGGED, false, NULL, "안녕하세요 <b> 끝", "안녕하세요 <b> 끝");
	hear(TOOL_STYLE_TAGGED, false, NULL,
	     "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"서울\"}}\n</tool_call>",
	     "|weather:{\"city\":\"서울\"}");
	hear(TOOL_STYLE_TAGGED, false, NULL,
	     "볼게요.\n\n<tool_call>{\"name\":\"now\"}</"
	     "tool_call>\n<tool_call>{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":1}\"}"
	     "</tool_call>\n",
	     "볼게요.|now:{}|weather:{\"city\":1}");
	/* Left open, of a tool nobody offered, malformed. */
	hear(TOOL_STYLE_TAGGED, false, NULL, "<tool_call>{\"name\":\"now\",\"arguments\":{}}", "|now:{}");
	hear(TOOL_STYLE_TAGGED, false, NULL, "<tool_call>{\"name\":\"rm\",\"arguments\":{}}</tool_call>",
	     "<tool_call>{\"name\":\"rm\",\"arguments\":{}}</tool_call>");
	hear(TOOL_STYLE_TAGGED, false, NULL, "a <tool_call>{oops</tool_call> b",
	     "a <tool_call>{oops</tool_call> b");
	hear(TOOL_STYLE_TAGGED, false, NULL, "a <tool_call", "a <tool_call");
	hear(TOOL_STYLE_FUNCTION, false, NULL, "<function=weather>{\"city\": \"부산\"}</function>",
	     "|weather:{\"city\":\"부산\"}");
	hear(TOOL_STYLE_FUNCTION, false, NULL, "<function=nope>{}</function>",
	     "<function=nope>{}</function>");
	hear(TOOL_STYLE_BARE, false, NULL, "{\"name\": \"weather\", \"parameters\": {\"city\": \"a\"}}",
	     "|weather:{\"city\":\"a\"}");
	hear(TOOL_STYLE_BARE, false, NULL, " <|python_tag|>{\"name\": \"now\", \"parameters\": {}}",
	     "|now:{}");
	hear(TOOL_STYLE_BARE, false, NULL, "{\"answer\": 1}", "{\"answer\": 1}");
	hear(TOOL_STYLE_BARE, false, NULL, "그냥 {\"name\": \"now\"}", "그냥 {\"name\": \"now\"}");
	hear(TOOL_STYLE_TAGGED, true, NULL, "{\"name\":\"now\",\"arguments\":{}}", "|now:{}");
	hear(TOOL_STYLE_FUNCTION, true, "weather", "{\"city\":\"x\"}", "|weather:{\"city\":\"x\"}");
	hear(TOOL_STYLE_TAGGED, true, NULL, "{\"name\":\"now\",\"argu", "{\"name\":\"now\",\"argu");
}

struct fixture {
	struct buffer file;
	struct gguf gguf;
	struct tokenizer *tokenizer;
	struct chat_template *chat_template;
};

static void
open_fixture(struct fixture *fixture, const char *source)
{
	struct gguf_maker maker;

	maker_init(&maker, 1);
	maker_vocabulary(&maker, "llama-bpe");
	fixture->file = maker_finish(&maker);
	assert_int_equal(gguf_parse(&fixture->gguf, buffer_view(&fixture->file), NULL), 0);
	assert_int_equal(tokenizer_open(&fixture->tokenizer, &fixture->gguf, NULL), 0);
	assert_int_equal(
	    template_open(&fixture->chat_template, NULL, slice_string(source), fixture->tokenizer, NULL), 0);
}

static void
close_fixture(struct fixture *fixture)
{
	template_close(fixture->chat_template);
	tokenizer_close(fixture->tokenizer);
	gguf_free(&fixture->gguf);
	buffer_free(&fixture->file);
}

#define OFFER                                                                                                \
	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":"     \
	"\"object\",\"properties\":{"                                                                        \
	"\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}}}]"
#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static int
ask(struct fixture *fixture, const char *body, struct engine_request *request, char *prompt,
    struct fault *why)
{
	int result = engine_request_read(request, slice_string(body), true, NULL, fixture->tokenizer,
	                                 fixture->chat_template, 4096, why);

	prompt[0] = '\0';
	for (size_t i = 0; result == 0 && i < request->prompts.lists[0].count; i++) {
		struct slice bytes = tokenizer_bytes(fixture->tokenizer, request->prompts.lists[0].ids[i]);

		strncat(prompt, (const char *)bytes.data, bytes.size);
	}
	return result;
}

static void
tools_reach_the_template_and_choices_are_kept(void **state)
{
	struct fixture fixture;
	struct engine_request request;
	struct fault why;
	char prompt[4096];

	(void)state;
	open_fixture(
	    &fixture,
	    "{% if tools %}T:{% for t in tools %}{{ t.function.name }};{% endfor %}{% endif %}{% for m in "
	    "messages %}{{ m.role }}={{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ "
	    "c.function.arguments|tojson }}</tool_call>{% endfor %},{% endfor %}>");
	assert_int_equal(ask(&fixture, "{" HELLO "," OFFER "}", &request, prompt, &why), 0);
	assert_string_equal(prompt, "T:weather;user=hi,>");
	assert_int_equal(request.tools, TOOL_STYLE_TAGGED);
	assert_false(request.constrained);
	engine_request_free(&request);

	assert_int_equal(
	    ask(&fixture, "{" HELLO "," OFFER ",\"tool_choice\":\"none\"}", &request, prompt, &why), 0);
	assert_string_equal(prompt, "user=hi,>");
	assert_int_equal(request.tools, TOOL_STYLE_NONE);
	engine_request_free(&request);

	assert_int_equal(ask(&fixture,
	                     "{" HELLO "," OFFER
	                     ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"weather\"}}}",
	                     &request, prompt, &why),
	                 0);
	assert_string_equal(prompt, "T:weather;user=hi,><tool_call>\n");
	assert_true(request.constrained && request.whole_call);
	{
		struct constraint *constraint;
		struct constraint_state at;

		assert_int_equal(constraint_compile(&constraint, request.schema, &why), 0);
		constraint_begin(&at, constraint);
		assert_true(constraint_feed(
		    &at, SLICE_LITERAL("{\"name\":\"weather\",\"arguments\":{\"city\":\"a\"}}")));
		assert_true(constraint_complete(&at));
		constraint_begin(&at, constraint);
		assert_false(constraint_feed(&at, SLICE_LITERAL("{\"name\":\"other\"")));
		constraint_free(constraint);
	}
	engine_request_free(&request);

	/* A conversation with a call in it: its arguments are an object to the template, whatever the client sent. */
	assert_int_equal(ask(&fixture,
	                     "{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
	                     "\"id\":\"c\",\"type\":"
	                     "\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":"
	                     "\\\"x\\\"}\"}}]},{"
	                     "\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"21\"}]}",
	                     &request, prompt, &why),
	                 0);
	assert_string_equal(prompt, "assistant=<tool_call>{\"city\": \"x\"}</tool_call>,tool=21,>");
	engine_request_free(&request);

	assert_int_equal(ask(&fixture, "{" HELLO ",\"tool_choice\":\"required\"}", &request, prompt, &why),
	                 -1);
	assert_string_equal(request.param, "tool_choice");
	engine_request_free(&request);
	assert_int_equal(
	    ask(&fixture, "{" HELLO ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]}",
	        &request, prompt, &why),
	    -1);
	assert_string_equal(request.param, "tools[0]");
	engine_request_free(&request);
	close_fixture(&fixture);

	open_fixture(&fixture, "{{ messages[0].content }}");
	assert_int_equal(ask(&fixture, "{" HELLO "," OFFER "}", &request, prompt, &why), -1);
	assert_int_equal(why.kind, FAULT_UNSUPPORTED);
	assert_string_equal(request.param, "tools");
	engine_request_free(&request);
	close_fixture(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calls_are_found_however_they_come),
	    cmocka_unit_test(tools_reach_the_template_and_choices_are_kept),
	};

	return cmocka_run_group_tests_name("tool_calls", tests, NULL, NULL);
}
