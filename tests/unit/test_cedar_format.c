/*
 * Formatting keeps every token and every comment wherever it stands, and is done once it is done; explain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy/cedar/cedar.h"
#include "policy/cedar/lexer.h"

static const char text[] = "@id(\"a\")@bare permit(principal is A::B in C::\"d\",action "
                           "in[Action::\"x\",Action::\"y\"],resource==R::\"r\",)"
                           "when{if context.a has b.c then-1- -2*(3+4)<5&&!principal.tags.contains(\"x\") "
                           "else [1,2,{a:1,\"b c\":ip(\"::1\")}].isEmpty()||!!true}"
                           "unless{context[\"x\"]like\"a\\**\"&&principal.getTag(\"k\")in[R::\"1\",R::\"2\"]&"
                           "&resource is R in R::\"9\"||context.n!=9223372036854775807};"
                           "forbid(principal,action,resource);";

/* Format twice; the second must change nothing. */
static void
format(struct buffer *out, struct slice source)
{
	struct buffer again;
	struct fault why;

	buffer_init(out, 1 << 20);
	buffer_init(&again, 1 << 20);
	if (cedar_format(out, (struct cedar_source){"t", source}, NULL, &why) == -1)
		fail_msg("%s", why.en);
	if (cedar_format(&again, (struct cedar_source){"t", buffer_view(out)}, NULL, &why) == -1)
		fail_msg("%s", why.en);
	if (!slice_equal(buffer_view(out), buffer_view(&again)))
		fail_msg("not settled:\n%s\n----\n%s", buffer_text(out), buffer_text(&again));
	buffer_free(&again);
}

static size_t
count(struct buffer *in, const char *what)
{
	size_t found = 0;

	for (const char *at = buffer_text(in); (at = strstr(at, what)) != NULL; at += strlen(what))
		found++;
	return found;
}

static void
formats(void **state)
{
	struct buffer out;

	(void)state;
	format(&out, slice_string("permit(principal,action,resource)when{context.a&&context.b};"));
	assert_string_equal(buffer_text(&out),
	                    "permit (principal, action, resource)\nwhen { context.a && context.b };\n");
	buffer_free(&out);
	format(&out, slice_string(""));
	assert_int_equal(out.size, 0);
	buffer_free(&out);
	format(&out, slice_string(text));
	buffer_free(&out);
}

static void
keeps_comments(void **state)
{
	struct lexer lexer = lexer_of(slice_string(text));
	struct buffer all, out;
	size_t tokens = 0;

	(void)state;
	buffer_init(&all, 1 << 20);
	for (;;) {
		struct token token = lexer_next(&lexer);
		struct buffer one;

		if (token.kind == TOKEN_END)
			break;
		/* one comment before this token alone, on its own line and behind the token before */
		for (int fresh = 0; fresh < 2; fresh++) {
			buffer_init(&one, 1 << 20);
			buffer_append(&one, text, token.offset);
			buffer_string(&one, fresh ? "\n// only  \n" : " // only\n");
			buffer_string(&one, text + token.offset);
			format(&out, buffer_view(&one));
			assert_int_equal(count(&out, "// only\n"), 1);
			buffer_free(&out);
			buffer_free(&one);
		}
		buffer_printf(&all, "// c%zu\n", tokens++);
		buffer_slice(&all, token.text);
		buffer_byte(&all, '\n');
	}
	buffer_string(&all, "// last");
	format(&out, buffer_view(&all));
	assert_int_equal(count(&out, "// c"), tokens);
	assert_int_equal(count(&out, "// last\n"), 1);
	buffer_free(&out);
	buffer_free(&all);
}

static void
explains(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct cedar_source source = {"t",
	                              SLICE_LITERAL("permit(principal == U::\"a\", action, resource) when { "
	                                            "context has k && (context.k == 1 || context.k > 5) };")};
	struct cedar_field k = {cedar_string_of(SLICE_LITERAL("k")), cedar_long(3)};
	struct cedar_request request = {cedar_uid(arena, SLICE_LITERAL("U"), SLICE_LITERAL("a")),
	                                cedar_uid(arena, SLICE_LITERAL("Action"), SLICE_LITERAL("x")),
	                                cedar_uid(arena, SLICE_LITERAL("R"), SLICE_LITERAL("r")),
	                                cedar_record(arena, &k, 1)};
	struct cedar_policies *policies;
	struct buffer ko, en;

	(void)state;
	buffer_init(&ko, 1 << 16);
	buffer_init(&en, 1 << 16);
	assert_int_equal(cedar_policies_parse(&policies, &source, 1, 0, NULL, NULL), 0);
	assert_int_equal(cedar_explain(&ko, &en, policies, 0, &request, NULL, arena, NULL), 0);
	assert_non_null(strstr(buffer_text(&en), "policy0 (permit): does not apply"));
	assert_non_null(strstr(buffer_text(&en), "false: context.k == 1"));
	assert_non_null(strstr(buffer_text(&en), "false: context.k > 5"));
	assert_non_null(strstr(buffer_text(&en), "context.k = 3"));
	assert_null(strstr(buffer_text(&en), "true: context has k"));
	assert_non_null(strstr(buffer_text(&ko), "해당하지 않음"));
	assert_int_equal(cedar_explain(&ko, &en, policies, 1, &request, NULL, arena, NULL), -1);
	buffer_free(&ko);
	buffer_free(&en);
	cedar_policies_free(policies);
	arena_free(arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(formats), cmocka_unit_test(keeps_comments),
	                                          cmocka_unit_test(explains)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
