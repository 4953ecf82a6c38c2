#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/template.h"
#include "inference/template_jinja.h"
#include "tests/gguf_maker.h"

static int
render(const char *source, const json_t *ours, const json_t *theirs, struct prompt *prompt, struct fault *why)
{
	struct jinja *jinja = NULL;
	int result = -1;

	prompt_init(prompt, 1 << 24);
	if (jinja_compile(&jinja, slice_string(source), why) == 0)
		result = jinja_render(jinja, ours, theirs, prompt, why);
	jinja_free(jinja);
	return result;
}

/* Answers of Jinja 3 itself, made by tests/vectors/templates.py --make. */
static void
answers_are_those_of_jinja(void **state)
{
	FILE *file = fopen("tests/vectors/templates.jsonl", "r");
	char *line = NULL;
	size_t capacity = 0, count = 0;
	ssize_t size;

	(void)state;
	assert_non_null(file);
	while ((size = getline(&line, &capacity, file)) > 0) {
		json_t *vector = json_read(slice_of(line, (size_t)size), 1 << 20, 64, NULL);
		const char *source = json_get_string(vector, "template"),
		           *want = json_get_string(vector, "want");
		struct prompt prompt;
		struct fault why = {0};
		int result;

		assert_non_null(source);
		result = render(source, json_object_get(vector, "ours"), json_object_get(vector, "theirs"),
		                &prompt, &why);
		if ((result == 0) != (want != NULL))
			fail_msg("%s: %s", source, result == 0 ? "should fail" : why.en);
		if (want != NULL && !slice_equal(buffer_view(&prompt.text), slice_string(want)))
			fail_msg("%s\n gives %.*s\n not   %s", source, SLICE_PRINT(buffer_view(&prompt.text)),
			         want);
		if (want == NULL)
			assert_true(why.ko[0] != '\0' && strstr(why.en, "line ") != NULL);
		prompt_free(&prompt);
		json_decref(vector);
		count++;
	}
	assert_true(count > 60);
	free(line);
	fclose(file);
}

/* For each byte of what came out: 't' where trusted. */
static void
origins(const char *source, const char *content, const char *want, const char *want_origins)
{
	json_t *theirs = json_pack("{s:[{s:s, s:s}]}", "messages", "role", "user", "content", content);
	struct prompt prompt;
	struct fault why;
	char found[256] = "";

	assert_int_equal(render(source, NULL, theirs, &prompt, &why), 0);
	assert_int_equal(prompt.text.size, strlen(want));
	assert_memory_equal(prompt.text.data, want, strlen(want));
	memset(found, '.', strlen(want));
	for (size_t i = 0; i < prompt.trusted_count; i++)
		memset(found + prompt.trusted[i].start, 't', prompt.trusted[i].end - prompt.trusted[i].start);
	assert_string_equal(found, want_origins);
	prompt_free(&prompt);
	json_decref(theirs);
}

static void
words_of_people_stay_theirs(void **state)
{
	(void)state;
	origins("<{{ messages[0].content }}>", "ab", "<ab>", "t..t");
	origins("{{ '[|' + messages[0].role + '|]' }}", "", "[|user|]", "tttttttt");
	origins("{{ ('<' ~ messages[0].content ~ '>')|upper|replace('X', 'yy') }}", "axb", "<AyyB>",
	        "t.tt.t");
	origins("{% set c %}-{{ messages[0].content|trim }}-{% endset %}{{ c[1:] }}", " q ", "q-", ".t");
	origins("{{ messages[0].content.split('|')|join('+') }}", "a|b", "a+b", ".t.");
	origins("{{ {'k': messages[0].content}|tojson }}", "a\"b", "{\"k\": \"a\\\"b\"}", "ttttttt....tt");
	origins("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(messages[0].content)|reverse }}", "ab", ">ba<",
	        "t..t");
	origins("{{ messages[0].content * 2 }}{{ '가' }}", "z", "zz가", "..ttt");
	origins("{{ messages|map(attribute='content')|first|title|list|join }}", "ab", "Ab", "..");
	origins("{{ messages[0].content|e }}", "<a", "&lt;a", "tttt.");
}

static void
refusals_name_line_and_construct(void **state)
{
	static const struct {
		const char *source, *says;
	} cases[] = {
	    {"a\n{% include 'x' %}",                             "line 2: tag 'include' is not supported"   },
	    {"\n\n{% for a in b recursive %}{% endfor %}",       "line 3: for 'recursive' is not supported" },
	    {"{{ 1 }}\n{{ 'a'|nosuch }}",                        "line 2: filter 'nosuch' is not supported" },
	    {"{{ 'a'.split(3) }}",                               "line 1: split() was given a bad separator"},
	    {"x\n{{ 'a'.replace(1) }}",                          "line 2: replace() needs two strings"      },
	    {"{% if 1 is weird %}{% endif %}",                   "line 1: test 'weird' is not supported"    },
	    {"{{ nothing.at.all }}",                             "line 1: 'nothing' is undefined"           },
	    {"{{ 'a'.explode() }}",                              "line 1: str has no method 'explode'"      },
	    {"x\n{{ raise_exception('roles ' ~ 'alternate') }}",
	     "line 2: the model's chat template refuses: roles alternate"                                   },
	    {"{% if true %}",	                            "'endif' is missing"                       },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct prompt prompt;
		struct fault why = {0};

		assert_int_equal(render(cases[i].source, NULL, NULL, &prompt, &why), -1);
		if (strstr(why.en, cases[i].says) == NULL)
			fail_msg("%s: says '%s'", cases[i].source, why.en);
		prompt_free(&prompt);
	}
}

/* What people wrote never reaches a fault, and so never a log. */
static void
faults_hold_no_content(void **state)
{
	json_t *theirs = json_pack("{s:[{s:s, s:s}]}", "messages", "role", "user", "content", "canary-7781");
	static const char *const sources[] = {"{{ raise_exception('bad: ' + messages[0].content + '!') }}",
	                                      "{{ messages[0][messages[0].content].x }}",
	                                      "{{ messages[0].content + 1 }}",
	                                      "{{ messages[0].content.x.y }}", "{{ messages[0].content() }}"};

	(void)state;
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		struct prompt prompt;
		struct fault why = {0};

		assert_int_equal(render(sources[i], NULL, theirs, &prompt, &why), -1);
		assert_null(strstr(why.en, "canary"));
		assert_null(strstr(why.ko, "canary"));
		prompt_free(&prompt);
	}
	json_decref(theirs);
}

static void
hostile_templates_come_to_an_end(void **state)
{
	static const char *const sources[] = {
	    "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% "
	    "endfor %}{% "
	    "endfor %}",
	    "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
	    "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s "
	    "%}{% endfor %}",
	    "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	    "{{ 'aaaaaaaa' * 99999 * 99999 }}",
	    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
	    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns|tojson }}",
	    "{{ range(9999999) }}",
	    "{{ 9223372036854775807 + 1 }}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		struct prompt prompt;
		struct fault why = {0};

		if (render(sources[i], NULL, NULL, &prompt, &why) == 0)
			fail_msg("%s: no end", sources[i]);
		prompt_free(&prompt);
	}
	for (unsigned depth = 10; depth <= 100000; depth *= 10) {
		char *deep = calloc(1, 2 * depth + 16);
		struct prompt prompt;
		struct fault why = {0};

		strcpy(deep, "{{");
		memset(deep + 2, '(', depth);
		deep[2 + depth] = '1';
		memset(deep + 3 + depth, ')', depth);
		strcat(deep, "}}");
		assert_int_equal(render(deep, NULL, NULL, &prompt, &why), depth == 10 ? 0 : -1);
		prompt_free(&prompt);
		free(deep);
	}
}

/* A model's own template is used; one that does not hold is said, and a built-in one takes its place. */
static void
broken_templates_are_told(void **state)
{
	struct gguf_maker maker;
	struct buffer file;
	struct gguf gguf;
	struct tokenizer *tokenizer;
	struct chat_template *chat_template;
	const struct fault *why;
	struct fault fault;

	(void)state;
	maker_init(&maker, 1);
	maker_vocabulary(&maker, "llama-bpe");
	file = maker_finish(&maker);
	assert_int_equal(gguf_parse(&gguf, buffer_view(&file), NULL), 0);
	assert_int_equal(tokenizer_open(&tokenizer, &gguf, NULL), 0);

	assert_int_equal(
	    template_open(&chat_template, NULL, SLICE_LITERAL("{{ bos_token }}x"), tokenizer, NULL), 0);
	assert_string_equal(template_name(chat_template), "model");
	assert_false(template_guessed(chat_template, &why));
	assert_int_equal(template_tools(chat_template), TOOL_STYLE_NONE);
	template_close(chat_template);

	assert_int_equal(
	    template_open(&chat_template, NULL, SLICE_LITERAL("a\n{% import 'x' %}"), tokenizer, NULL), 0);
	assert_string_equal(template_name(chat_template), "chatml");
	assert_true(template_guessed(chat_template, &why));
	assert_non_null(why);
	assert_non_null(strstr(why->en, "line 2: tag 'import'"));
	template_close(chat_template);

	assert_int_equal(template_open(&chat_template, NULL, slice_of(NULL, 0), tokenizer, NULL), 0);
	assert_true(template_guessed(chat_template, &why));
	assert_null(why);
	template_close(chat_template);

	assert_int_equal(template_open(&chat_template, "nosuch", slice_of(NULL, 0), tokenizer, &fault), -1);
	assert_int_equal(
	    template_open(&chat_template, "/nonexistent.jinja", slice_of(NULL, 0), tokenizer, &fault), -1);
	assert_int_equal(template_open(&chat_template, "llama3", SLICE_LITERAL("{{ 1 }}"), tokenizer, NULL),
	                 0);
	assert_string_equal(template_name(chat_template), "llama3");
	template_close(chat_template);
	tokenizer_close(tokenizer);
	gguf_free(&gguf);
	buffer_free(&file);
}

/* Who writes <s> itself does not get a second one; text that merely begins with it does. */
static void
a_bos_of_the_template_is_not_doubled(void **state)
{
	struct gguf_maker maker;
	struct buffer file;
	struct gguf gguf;
	struct tokenizer *tokenizer;
	static const char *const sources[] = {"{{ bos_token }}x", "x"};

	(void)state;
	maker_init(&maker, 1);
	maker_vocabulary(&maker, "llama-bpe");
	maker_key_u32(&maker, "tokenizer.ggml.bos_token_id", MAKER_IM_START);
	file = maker_finish(&maker);
	/* The vocabulary of the maker says that no bos is added; this model wants one. */
	for (size_t i = 0; i + 34 < file.size; i++)
		if (memcmp(file.data + i, "tokenizer.ggml.add_bos_token", 28) == 0)
			file.data[i + 28 + 4] = 1;
	assert_int_equal(gguf_parse(&gguf, buffer_view(&file), NULL), 0);
	assert_int_equal(tokenizer_open(&tokenizer, &gguf, NULL), 0);
	assert_true(tokenizer_adds_bos(tokenizer));
	for (size_t i = 0; i < 2; i++) {
		struct chat_template *chat_template;
		struct prompt prompt;
		struct token_list list;
		json_t *none = json_object();

		assert_int_equal(
		    template_open(&chat_template, NULL, slice_string(sources[i]), tokenizer, NULL), 0);
		prompt_init(&prompt, 1000);
		token_list_init(&list, 100);
		assert_int_equal(template_render(chat_template, none, &prompt, NULL), 0);
		assert_int_equal(tokenizer_encode_prompt(tokenizer, &prompt, &list, NULL), 0);
		assert_int_equal(list.count, 2);
		assert_int_equal(list.ids[0], MAKER_IM_START);
		prompt_free(&prompt);
		token_list_free(&list);
		template_close(chat_template);
		json_decref(none);
	}
	{
		struct prompt prompt;
		struct token_list list;

		prompt_init(&prompt, 1000);
		token_list_init(&list, 100);
		prompt_trusted(&prompt, SLICE_LITERAL("<|im_start|>x"));
		assert_int_equal(tokenizer_encode_prompt(tokenizer, &prompt, &list, NULL), 0);
		assert_int_equal(list.count, 3);
		prompt_free(&prompt);
		token_list_free(&list);
	}
	tokenizer_close(tokenizer);
	gguf_free(&gguf);
	buffer_free(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_are_those_of_jinja),
	    cmocka_unit_test(words_of_people_stay_theirs),
	    cmocka_unit_test(refusals_name_line_and_construct),
	    cmocka_unit_test(faults_hold_no_content),
	    cmocka_unit_test(hostile_templates_come_to_an_end),
	    cmocka_unit_test(broken_templates_are_told),
	    cmocka_unit_test(a_bos_of_the_template_is_not_doubled),
	};

	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
