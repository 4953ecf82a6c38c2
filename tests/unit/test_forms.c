/* Forms fill in what is registered, leave the rest to be written by hand, and no cell breaks its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/commands/forms.h"

static void
test_confirmation(void **state)
{
	struct rule_hit rule = {"HIR.iv", "2.3 HIR iv", "in", "AI 결과만으로 결정함", "x", "verified"};
	struct usecase usecase = {
	    .id = "h",
	    .version = 2,
	    .agency = "seoul",
	    .title_ko = "채용 | 심사\n둘째 줄",
	    .purpose = "",
	    .actor_role = ROLE_DEPLOYER,
	    .domains = {DOMAIN_HIRING_LENDING},
	    .domain_count = 1,
	    .domain_known = true,
	    .reviewer = { .decisions = 60,         .changed = 3}
        };
	struct assessment assessment = {
	    .verdict = VERDICT_HIGH_IMPACT, .rules = &rule, .rule_count = 1, .ruleset = "2026-01-22"};
	struct buffer out;
	const char *text;

	(void)state;
	buffer_init(&out, 1 << 16);
	form_confirmation(&out, &usecase, &assessment);
	text = buffer_text(&out);
	assert_non_null(text);
	assert_non_null(strstr(text, "[V] 채용·대출 심사 등"));
	assert_non_null(strstr(text, "[ ] 교육"));
	assert_non_null(strstr(text, "[V] 해당 [ ] 비해당 [ ] 판단할 수 없음"));
	assert_non_null(strstr(text, "[ ] 개발사업자 [V] 이용사업자"));
	assert_non_null(strstr(text, "| 인공지능 명칭 | 채용 \\| 심사 둘째 줄 |\n"));
	assert_non_null(strstr(text, "| 용도 | ______________ |"));
	assert_non_null(strstr(text, "HIR.iv"));
	buffer_reset(&out);
	assessment.verdict = VERDICT_UNDETERMINED;
	form_self_review(&out, &usecase, &assessment, "abc", "2026-03-02", NULL);
	text = buffer_text(&out);
	assert_non_null(strstr(text, "| 검토 결과 | 판단할 수 없음 |"));
	assert_non_null(strstr(text, "60건 가운데 3건"));
	assert_non_null(strstr(text, "| 검토일 | 2026-03-02 |"));
	buffer_free(&out);
}

/* The page is the same form; what is written into it is text and nothing else. */
static void
test_html(void **state)
{
	struct usecase usecase = {
	    .id = "h", .title_ko = "<b>굵게</b> & \"따옴\" | 막대", .agency = "서울", .purpose = "안내"};
	struct assessment assessment = {.verdict = VERDICT_NOT_HIGH_IMPACT, .ruleset = "2026-01-22"};
	struct buffer markdown, out;
	const char *text;

	(void)state;
	buffer_init(&markdown, 1 << 16);
	buffer_init(&out, 1 << 16);
	form_publication(&markdown, &usecase, &assessment);
	form_html(&out, buffer_view(&markdown));
	text = buffer_text(&out);
	assert_non_null(text);
	assert_null(strstr(text, "<b>굵게"));
	assert_non_null(strstr(text, "&lt;b&gt;굵게&lt;/b&gt; &amp; &quot;따옴&quot;"));
	assert_non_null(strstr(text, "<tr><td>기관</td><td>서울</td></tr>"));
	assert_non_null(strstr(text, "게시할 의무는 없습니다"));
	assert_non_null(strstr(text, "</table>"));
	assert_null(strstr(text, "http"));
	buffer_reset(&markdown);
	buffer_reset(&out);
	form_confirmation(&markdown, &usecase, &assessment);
	form_html(&out, buffer_view(&markdown));
	assert_non_null(
	    strstr(buffer_text(&out), "&lt;b&gt;굵게&lt;/b&gt; &amp; &quot;따옴&quot; | 막대</td>"));
	buffer_free(&markdown);
	buffer_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_confirmation), cmocka_unit_test(test_html)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
