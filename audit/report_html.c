/* report.html: one self-contained page, Korean first, for screen and paper; no script, nothing fetched. */
#include <inttypes.h>
#include <string.h>

#include "audit/report_inside.h"
#include "schema/base/clock.h"

#define KOREA_MS   INT64_C(32400000)
#define SHOWN_ROWS 30 /* of a table of names; the rest are in report.json */

static const char style[] =
    ":root{--ink:#1c2430;--soft:#5b6675;--line:#dde2e8;--paper:#fff;--tint:#f4f6f8;--navy:#17324d;--permit:#"
    "2f7d5b;"
    "--redact:#6b5aa8;--hold:#c98a1b;--deny:#b3372f}"
    "*{box-sizing:border-box}html{font-size:15px}body{margin:0;background:#e9edf1;color:var(--ink);line-"
    "height:1.55;"
    "font-family:\"Pretendard\",\"Noto Sans KR\",\"Noto Sans CJK KR\",\"Apple SD Gothic Neo\",\"Malgun "
    "Gothic\",sans-serif;"
    "word-break:keep-all;overflow-wrap:anywhere}"
    "main{max-width:980px;margin:24px auto;background:var(--paper);padding:44px 52px;box-shadow:0 1px 4px "
    "#0002}"
    "header{border-bottom:3px solid var(--navy);padding-bottom:18px;margin-bottom:22px}"
    "h1{font-size:1.75rem;margin:0;color:var(--navy);letter-spacing:-.02em}h1 "
    "small{display:block;font-size:.95rem;"
    "font-weight:400;color:var(--soft);letter-spacing:0;margin-top:2px}"
    "h2{font-size:1.12rem;color:var(--navy);margin:34px 0 10px;padding-left:10px;border-left:4px solid "
    "var(--navy)}"
    ".en{color:var(--soft);font-size:.86em;font-weight:400}h2 .en{margin-left:6px}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:14px 0 "
    "0}dt{color:var(--soft)}dd{margin:0}"
    ".tiles{display:grid;grid-template-columns:repeat(5,1fr);gap:10px;margin:20px 0 8px}"
    ".tile{background:var(--tint);border-top:3px solid var(--navy);padding:10px 13px}.tile "
    "b{display:block;font-size:1.6rem;"
    "line-height:1.2;font-variant-numeric:tabular-nums}.tile "
    "span{font-size:.86rem}.tile.permit{border-color:var(--permit)}"
    ".tile.redact{border-color:var(--redact)}.tile.hold{border-color:var(--hold)}.tile.deny{border-color:var("
    "--deny)}"
    "table{border-collapse:collapse;width:100%;font-size:.92rem;margin:6px 0}th,td{padding:5px "
    "9px;border-bottom:1px solid "
    "var(--line);text-align:left;vertical-align:top}th{background:var(--tint);font-weight:600;border-bottom:"
    "2px solid #c6ced7}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.z{color:#a9b2bd}"
    "code{font-family:\"D2Coding\",\"Noto Sans Mono CJK KR\",\"DejaVu Sans "
    "Mono\",monospace;font-size:.84em;word-break:break-all}"
    ".mark{display:inline-block;padding:0 "
    "7px;border-radius:9px;font-size:.84em;background:var(--tint);border:1px solid var(--line);"
    "white-space:nowrap}.HIGH_IMPACT{background:#fbeae8;border-color:#e6bcb8;color:#8c2a23}.UNDETERMINED{"
    "background:#fdf3df;"
    "border-color:#ecd6a8;color:#7d560c}.bar{display:flex;height:18px;margin:4px 0 "
    "10px;background:var(--tint)}.bar i{display:block}"
    ".legend{font-size:.84rem;color:var(--soft)}.legend "
    "i{display:inline-block;width:10px;height:10px;margin:0 5px 0 12px}"
    "p.note{color:var(--soft);font-size:.9rem;margin:6px 0}.warn{background:#fdf3df;border-left:4px solid "
    "var(--hold);"
    "padding:8px 13px;margin:10px 0}footer{margin-top:34px;padding-top:14px;border-top:1px solid var(--line);"
    "color:var(--soft);font-size:.86rem}svg{display:block;width:100%;height:auto;margin:6px 0}"
    "@page{size:A4;margin:16mm 14mm}@media "
    "print{body{background:#fff}main{box-shadow:none;margin:0;padding:0;max-width:none}"
    "h2{break-after:avoid}table,svg,.tiles,.proof{break-inside:avoid}*{print-color-adjust:exact;-webkit-"
    "print-color-adjust:exact}}"
    "@media(max-width:720px){main{padding:22px 16px;margin:0}.tiles{grid-template-columns:repeat(2,1fr)}}";

static const struct {
	enum access access;
	const char *ko, *en, *name;
} accesses[ACCESSES] = {
    {ACCESS_PERMIT, "허용", "permit", "permit"},
    {ACCESS_REDACT, "가림", "redact", "redact"},
    {ACCESS_HOLD,   "보류", "hold",   "hold"  },
    {ACCESS_DENY,   "거부", "deny",   "deny"  },
};

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

static void
escape(struct buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '&')
			buffer_string(out, "&amp;");
		else if (*text == '<')
			buffer_string(out, "&lt;");
		else if (*text == '>')
			buffer_string(out, "&gt;");
		else if (*text == '"')
			buffer_string(out, "&quot;");
		else
			buffer_byte(out, (uint8_t)*text);
	}
}

/* 1,234,567 */
static void
number(struct buffer *out, uint64_t value)
{
	char digits[24];
	const size_t size = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value);

	for (size_t i = 0; i < size; i++) {
		if (i > 0 && (size - i) % 3 == 0)
			buffer_byte(out, ',');
		buffer_byte(out, (uint8_t)digits[i]);
	}
}

static void
cell(struct buffer *out, uint64_t value)
{
	buffer_string(out, value == 0 ? "<td class=\"n z\">" : "<td class=\"n\">");
	number(out, value);
	buffer_string(out, "</td>");
}

static void
heading(struct buffer *out, const char *ko, const char *en)
{
	buffer_printf(out, "<h2>%s<span class=\"en\">%s</span></h2>\n", ko, en);
}

static void
korean_time(struct buffer *out, int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, wall_ms + KOREA_MS);
	text[10] = ' ';
	text[16] = '\0';
	buffer_string(out, text);
}

static void
access_heads(struct buffer *out)
{
	for (size_t i = 0; i < ACCESSES; i++)
		buffer_printf(out, "<th class=\"n\">%s <span class=\"en\">%s</span></th>", accesses[i].ko,
		              accesses[i].en);
}

static void
access_cells(struct buffer *out, const uint64_t access[ACCESSES])
{
	for (size_t i = 0; i < ACCESSES; i++)
		cell(out, access[accesses[i].access]);
}

static void
verdict_mark(struct buffer *out, enum verdict verdict)
{
	buffer_printf(out, "<span class=\"mark %s\">%s</span>", verdict_name(verdict),
	              verdict_title(verdict));
}

/* ---- sections ---------------------------------------------------------------------------------------------------- */

static void
section_head(struct buffer *out, const struct report *report)
{
	const struct manifest *manifest = report->manifest;
	const struct filter *filter = &manifest->filter;

	buffer_string(out, "<header><h1>인공지능 이용 증적 보고서<small>Report of evidence on the use of "
	                   "AI</small></h1><dl>");
	buffer_string(out, "<dt>기간 <span class=\"en\">period</span></dt><dd>");
	if (filter->has_from)
		korean_time(out, filter->from_ms);
	else
		buffer_string(out, "처음");
	buffer_string(out, " — ");
	if (filter->has_to)
		korean_time(out, filter->to_ms);
	else
		buffer_string(out, "지금");
	buffer_string(out,
	              " <span class=\"en\">(한국 시각 KST; 끝은 들어가지 않음, end excluded)</span></dd>");
	for (size_t i = 0; i < FILTER_VALUES; i++) {
		if (filter_value(filter, i) == NULL)
			continue;
		buffer_printf(out, "<dt>%s</dt><dd>", filter_names[i]);
		escape(out, filter_value(filter, i));
		buffer_string(out, "</dd>");
	}
	buffer_string(out, "<dt>작성 <span class=\"en\">made</span></dt><dd>");
	korean_time(out, manifest->made_ms);
	buffer_string(out, ", ");
	escape(out, manifest->by);
	buffer_string(out, "</dd></dl></header>\n");
}

static void
section_tiles(struct buffer *out, const struct report *report)
{
	buffer_string(out, "<div class=\"tiles\"><div class=\"tile\"><b>");
	number(out, report->decisions);
	buffer_string(out, "</b><span>결정 <span class=\"en\">decisions</span></span></div>");
	for (size_t i = 0; i < ACCESSES; i++) {
		buffer_printf(out, "<div class=\"tile %s\"><b>", accesses[i].name);
		number(out, report->access[accesses[i].access]);
		buffer_printf(out, "</b><span>%s <span class=\"en\">%s</span></span></div>", accesses[i].ko,
		              accesses[i].en);
	}
	buffer_string(out, "</div>\n");
	if (report->policy_errors > 0) {
		buffer_string(out, "<div class=\"warn\">정책 평가 오류로 거부된 결정이 ");
		number(out, report->policy_errors);
		buffer_string(out, "건 있습니다. <span class=\"en\">Decisions denied because a policy "
		                   "failed.</span></div>\n");
	}
}

static void
legend(struct buffer *out)
{
	buffer_string(out, "<div class=\"legend\">");
	for (size_t i = 0; i < ACCESSES; i++)
		buffer_printf(out, "<i style=\"background:var(--%s)\"></i>%s %s", accesses[i].name,
		              accesses[i].ko, accesses[i].en);
	buffer_string(out, "</div>\n");
}

/* Stacked bars, a bar a day. */
static void
section_days(struct buffer *out, const struct report *report)
{
	const unsigned width = 880, height = 150, base = 130;
	uint64_t most = 1;
	char day[16];

	if (report->day_count == 0)
		return;
	heading(out, "날짜별 결정", "decisions by day");
	for (size_t i = 0; i < report->day_count; i++) {
		uint64_t total = 0;

		for (size_t a = 0; a < ACCESSES; a++)
			total += report->days[i].access[a];
		most = total > most ? total : most;
	}
	buffer_printf(out,
	              "<svg viewBox=\"0 0 %u %u\" role=\"img\" aria-label=\"날짜별 결정\"><line x1=\"0\" "
	              "y1=\"%u\" x2=\"%u\" "
	              "y2=\"%u\" stroke=\"#c6ced7\"/>",
	              width, height, base, width, base);
	/* In tenths, by integers: whoever draws it again gets the same bytes. */
	for (size_t i = 0; i < report->day_count; i++) {
		const unsigned step = width * 10 / (unsigned)report->day_count;
		const unsigned bar = step > 600 ? 420 : step * 7 / 10;
		const unsigned x = (unsigned)i * step + (step - bar) / 2;
		unsigned y = base * 10;

		for (size_t a = 0; a < ACCESSES; a++) {
			const uint64_t count = report->days[i].access[accesses[a].access];
			const unsigned part = (unsigned)(count * (base - 14) * 10 / most);

			y -= part;
			if (part > 0)
				buffer_printf(
				    out,
				    "<rect x=\"%u.%u\" y=\"%u.%u\" width=\"%u.%u\" height=\"%u.%u\" "
				    "fill=\"var(--%s)\"/>",
				    x / 10, x % 10, y / 10, y % 10, bar / 10, bar % 10, part / 10, part % 10,
				    accesses[a].name);
		}
		if (report->day_count <= 12 || i % (report->day_count / 8) == 0)
			buffer_printf(out,
			              "<text x=\"%u\" y=\"145\" font-size=\"11\" text-anchor=\"middle\" "
			              "fill=\"#5b6675\">%s</text>",
			              ((unsigned)i * step + step / 2) / 10,
			              report_day_text(day, report->days[i].day) + 5);
	}
	buffer_string(out, "</svg>\n");
	legend(out);
	if (report->days_overflow)
		buffer_printf(out,
		              "<p class=\"note\">처음 %d일만 그렸습니다. <span class=\"en\">Only the first "
		              "%d days are drawn.</span></p>",
		              REPORT_DAYS, REPORT_DAYS);
}

static void
section_verdicts(struct buffer *out, const struct report *report)
{
	static const enum verdict order[] = {VERDICT_HIGH_IMPACT, VERDICT_UNDETERMINED,
	                                     VERDICT_NOT_HIGH_IMPACT, VERDICT_EXCLUDED};

	heading(out, "용도의 판정과 결정", "verdict of the use case, and the decision");
	buffer_string(out, "<table><tr><th>판정 <span class=\"en\">verdict</span></th>");
	access_heads(out);
	buffer_string(out, "</tr>");
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		buffer_string(out, "<tr><td>");
		verdict_mark(out, order[i]);
		buffer_printf(out, " <span class=\"en\">%s</span></td>", verdict_name(order[i]));
		access_cells(out, report->verdicts[order[i]]);
		buffer_string(out, "</tr>");
	}
	buffer_string(out, "</table><p class=\"note\">판정은 등록된 용도에 대한 것입니다 (인공지능기본법 "
	                   "제2조제4호). ‘판단할 수 없음’은 고영향과 "
	                   "같이 다룹니다. <span class=\"en\">The verdict is on the registered use; "
	                   "undetermined is treated as high-impact."
	                   "</span></p>\n");
}

static void
section_usecases(struct buffer *out, const struct report *report)
{
	if (report->usecases.count == 0)
		return;
	heading(out, "용도별", "by use case");
	buffer_string(out, "<table><tr><th>용도 <span class=\"en\">use case</span></th><th>판정</th><th "
	                   "class=\"n\">결정</th>");
	access_heads(out);
	buffer_string(out, "<th class=\"n\">답함 <span class=\"en\">answered</span></th><th class=\"n\">실패 "
	                   "<span class=\"en\">failed"
	                   "</span></th></tr>");
	for (size_t i = 0; i < report->usecases.count && i < SHOWN_ROWS; i++) {
		const struct tally *item = &report->usecases.items[i];

		buffer_string(out, "<tr><td>");
		escape(out, item->name[0] == '\0' ? "(용도 없음 none)" : item->name);
		buffer_string(out, "</td><td>");
		if (item->verdict_known)
			verdict_mark(out, item->verdict);
		buffer_string(out, "</td>");
		cell(out, item->total);
		access_cells(out, item->access);
		cell(out, item->outcome[OUTCOME_ANSWERED]);
		cell(out, item->outcome[OUTCOME_FAILED]);
		buffer_string(out, "</tr>");
	}
	buffer_string(out, "</table>\n");
	if (report->usecases.count > SHOWN_ROWS)
		buffer_printf(out,
		              "<p class=\"note\">많은 순서로 %d개. 모두는 report.json에 있습니다. <span "
		              "class=\"en\">The %d most used; all "
		              "are in report.json.</span></p>\n",
		              SHOWN_ROWS, SHOWN_ROWS);
}

static void
section_domains(struct buffer *out, const struct report *report)
{
	bool any = false;

	for (unsigned i = 1; i < DOMAIN_KINDS; i++)
		any = any || report->domains[i] > 0;
	if (!any)
		return;
	heading(out, "고영향 영역", "domains of Art. 2(4)");
	buffer_string(out, "<table><tr><th>영역 <span class=\"en\">domain</span></th><th class=\"n\">결정 "
	                   "<span class=\"en\">decisions"
	                   "</span></th></tr>");
	for (unsigned i = 1; i < DOMAIN_KINDS; i++) {
		if (report->domains[i] == 0)
			continue;
		buffer_printf(out, "<tr><td>%s <span class=\"en\">%s</span></td>",
		              domain_title((enum domain)i), domain_name((enum domain)i));
		cell(out, report->domains[i]);
		buffer_string(out, "</tr>");
	}
	buffer_string(out, "</table>\n");
}

static void
section_oversight(struct buffer *out, const struct report *report)
{
	static const char *const actions[REVIEW_ACTIONS][2] = {
	    {"승인", "approved"},
            {"거절", "refused" },
            {"수정", "edited"  },
            {"만료", "expired" }
        };
	static const char *const shown[SHOWN_BUCKETS] = {"10초 미만", "1분 미만", "5분 미만", "30분 미만",
	                                                 "30분 이상"};
	const int64_t changed = report_changed_thousandths(report);

	heading(out, "사람의 관리·감독", "human oversight, Art. 34(1)4");
	if (report->reviews == 0) {
		buffer_string(out, "<p>이 기간에 검토가 없었습니다. <span class=\"en\">No reviews in this "
		                   "period.</span></p>\n");
		return;
	}
	buffer_string(out, "<table><tr>");
	for (unsigned i = 0; i < REVIEW_ACTIONS; i++)
		buffer_printf(out, "<th class=\"n\">%s <span class=\"en\">%s</span></th>", actions[i][0],
		              actions[i][1]);
	buffer_string(out,
	              "<th class=\"n\">사람이 바꾼 비율 <span class=\"en\">changed</span></th></tr><tr>");
	for (unsigned i = 0; i < REVIEW_ACTIONS; i++)
		cell(out, report->review_actions[i]);
	if (changed < 0)
		buffer_string(out, "<td class=\"n z\">—</td>");
	else
		buffer_printf(out, "<td class=\"n\">%" PRId64 ".%" PRId64 "%%</td>", changed / 10,
		              changed % 10);
	buffer_string(out, "</tr></table><table><tr><th>검토자가 본 시간 <span class=\"en\">time before "
	                   "deciding</span></th>");
	for (unsigned i = 0; i < SHOWN_BUCKETS; i++)
		buffer_printf(out, "<th class=\"n\">%s</th>", shown[i]);
	buffer_string(out, "</tr><tr><td>검토 수 <span class=\"en\">reviews</span></td>");
	for (unsigned i = 0; i < SHOWN_BUCKETS; i++)
		cell(out, report->shown[i]);
	buffer_string(out, "</tr></table><p class=\"note\">검토자가 거의 언제나 그대로 승인한다면 실질적 "
	                   "개입이라 보기 어렵습니다. 수치는 검토 "
	                   "대기열에서 잰 것입니다. <span class=\"en\">Reviewers who almost never decide "
	                   "otherwise are no real "
	                   "intervention; these figures were measured by the review queue.</span></p>\n");
}

static void
section_identifiers(struct buffer *out, const struct report *report)
{
	bool any = false;

	heading(out, "개인식별정보", "personal identifiers");
	for (unsigned i = 0; i < IDENTIFIER_KINDS; i++)
		any = any || report->found[i] > 0 || report->masked[i] > 0;
	if (!any) {
		buffer_string(out, "<p>발견되지 않았습니다. <span class=\"en\">None was found.</span></p>\n");
		return;
	}
	buffer_string(out, "<table><tr><th>종류 <span class=\"en\">kind</span></th><th class=\"n\">요청에서 "
	                   "발견 <span class=\"en\">found in "
	                   "requests</span></th><th class=\"n\">답에서 가림 <span class=\"en\">masked in "
	                   "answers</span></th></tr>");
	for (unsigned i = 0; i < IDENTIFIER_KINDS; i++) {
		if (report->found[i] == 0 && report->masked[i] == 0)
			continue;
		buffer_printf(out, "<tr><td>%s <span class=\"en\">%s</span></td>",
		              identifier_title((enum identifier_kind)i),
		              identifier_name((enum identifier_kind)i));
		cell(out, report->found[i]);
		cell(out, report->masked[i]);
		buffer_string(out, "</tr>");
	}
	buffer_string(out, "</table><p class=\"note\">개수만 기록됩니다. 값은 기록에 없습니다. <span "
	                   "class=\"en\">Counts only; no value is in "
	                   "the log.</span></p>\n");
}

static void
section_answers(struct buffer *out, const struct report *report)
{
	static const char *const statuses[OUTCOMES][2] = {
	    {"실패", "failed"   },
	    {"답함", "answered" },
	    {"거절", "refused"  },
	    {"대기", "held"     },
	    {"취소", "cancelled"}
        };
	static const char *const labels[LABELS][2] = {
	    {"표시 없음",   "none"    },
            {"메타데이터", "metadata"},
            {"고지",          "notice"  }
        };

	heading(out, "답과 투명성 표시", "outcomes, and the marks of Art. 31");
	buffer_string(out, "<table><tr>");
	for (unsigned i = 0; i < OUTCOMES; i++)
		buffer_printf(out, "<th class=\"n\">%s <span class=\"en\">%s</span></th>", statuses[i][0],
		              statuses[i][1]);
	for (unsigned i = LABELS; i-- > 0;)
		buffer_printf(out, "<th class=\"n\">%s <span class=\"en\">%s</span></th>", labels[i][0],
		              labels[i][1]);
	buffer_string(out, "</tr><tr>");
	for (unsigned i = 0; i < OUTCOMES; i++)
		cell(out, report->outcomes[i]);
	for (unsigned i = LABELS; i-- > 0;)
		cell(out, report->labels[i]);
	buffer_string(out, "</tr></table><p class=\"note\">토큰 <span class=\"en\">tokens</span>: 요청 ");
	number(out, report->prompt_tokens);
	buffer_string(out, ", 답 ");
	number(out, report->completion_tokens);
	buffer_string(out, "</p>\n");
}

static void
section_names(struct buffer *out, const struct tallies *tallies, const char *ko, const char *en,
              const char *name, const char *extra, bool access)
{
	if (tallies->count == 0)
		return;
	heading(out, ko, en);
	buffer_printf(out, "<table><tr><th>%s</th><th>%s</th>", name, extra);
	if (access)
		buffer_string(out,
		              "<th class=\"n\">가림 <span class=\"en\">redact</span></th><th "
		              "class=\"n\">보류 <span class=\"en\">hold"
		              "</span></th><th class=\"n\">거부 <span class=\"en\">deny</span></th></tr>");
	else
		buffer_string(out, "<th class=\"n\">답 <span class=\"en\">answers</span></th></tr>");
	for (size_t i = 0; i < tallies->count && i < SHOWN_ROWS; i++) {
		const struct tally *item = &tallies->items[i];

		buffer_string(out, "<tr><td>");
		escape(out, item->name[0] == '\0' ? "—" : item->name);
		buffer_string(out, "</td><td><code>");
		escape(out, item->extra[0] == '\0' ? "—" : item->extra);
		buffer_string(out, "</code></td>");
		if (access) {
			cell(out, item->access[ACCESS_REDACT]);
			cell(out, item->access[ACCESS_HOLD]);
			cell(out, item->access[ACCESS_DENY]);
		} else {
			cell(out, item->total);
		}
		buffer_string(out, "</tr>");
	}
	buffer_string(out, "</table>\n");
}

static void
section_kinds(struct buffer *out, const struct report *report)
{
	static const char *const titles[ENTRY_KINDS] = {"결정",      "결과", "검토",   "용도 등록·변경",
	                                                "정책 변경", "열쇠", "열람",   "내보냄",
	                                                "내용 파기", "증인", "시작·끝"};

	heading(out, "기록된 항목", "entries by kind");
	buffer_string(out, "<table><tr><th>종류 <span class=\"en\">kind</span></th><th class=\"n\">항목 "
	                   "<span class=\"en\">entries</span>"
	                   "</th></tr>");
	for (unsigned i = 0; i < ENTRY_KINDS; i++) {
		if (report->kinds[i] == 0)
			continue;
		buffer_printf(out, "<tr><td>%s <span class=\"en\">%s</span></td>", titles[i],
		              entry_kind_name((enum entry_kind)i));
		cell(out, report->kinds[i]);
		buffer_string(out, "</tr>");
	}
	buffer_string(out, "</table>\n");
}

static void
section_proof(struct buffer *out, const struct report *report)
{
	buffer_string(out, "<div class=\"proof\">");
	heading(out, "증명", "proof");
	buffer_string(out, "<table><tr><th>기록 <span class=\"en\">log</span></th><th class=\"n\">항목 <span "
	                   "class=\"en\">entries</span></th>"
	                   "<th class=\"n\">기록의 크기 <span class=\"en\">size</span></th><th>서명된 루트 "
	                   "<span class=\"en\">signed root"
	                   "</span></th></tr>");
	for (size_t i = 0; i < report->log_count; i++) {
		char root[65];

		hex_encode(root, report->logs[i].root.bytes, TREE_HASH_SIZE);
		buffer_string(out, "<tr><td>");
		escape(out, report->logs[i].origin);
		buffer_string(out, "</td>");
		cell(out, report->logs[i].entries);
		cell(out, report->logs[i].size);
		buffer_printf(out, "<td><code>%s</code></td></tr>", root);
	}
	buffer_string(out, "</table><p>이 폴더를 통째로 받아 <code>haechi-verify 폴더 --vkey "
	                   "기록의-키</code> 로 확인하십시오. 항목의 바이트에서 서명된 루트를 다시 "
	                   "계산하고, 이 쪽의 모든 수치를 항목에서 다시 세어 비교합니다. <span "
	                   "class=\"en\">Check the whole folder with "
	                   "<code>haechi-verify DIR --vkey KEYS</code>: it recomputes the signed roots from "
	                   "the entries and counts every figure "
	                   "on this page anew.</span></p><p class=\"note\">이 보고서가 증명하지 않는 것: "
	                   "기록에 남지 않은 일, 다른 사람에게도 같은 기록이 "
	                   "보였는지(증인이 증명합니다), 원문의 내용(기록에는 개수와 봉인값만 있습니다). "
	                   "<span class=\"en\">Not proven: what was never "
	                   "logged; that everybody is shown the same log (witnesses prove that); what texts "
	                   "said (the log has counts and commitments "
	                   "only).</span></p></div>\n");
}

void
report_html(struct buffer *out, struct report *report)
{
	tallies_sort(&report->usecases);
	tallies_sort(&report->rules);
	tallies_sort(&report->models);
	tallies_sort(&report->zones);
	buffer_string(
	    out,
	    "<!DOCTYPE html>\n<html lang=\"ko\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
	    "content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" "
	    "content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>인공지능 이용 증적 "
	    "보고서</title><style>");
	buffer_string(out, style);
	buffer_string(out, "</style></head><body><main>\n");
	section_head(out, report);
	section_tiles(out, report);
	section_days(out, report);
	section_verdicts(out, report);
	section_usecases(out, report);
	section_domains(out, report);
	section_oversight(out, report);
	section_identifiers(out, report);
	section_answers(out, report);
	section_names(out, &report->rules, "허용하지 않은 까닭", "rules that did not simply permit",
	              "규칙 <span class=\"en\">rule</span>", "법령 <span class=\"en\">law</span>", true);
	section_names(out, &report->models, "모델과 가중치", "models and weights",
	              "모델 <span class=\"en\">model</span>",
	              "가중치 SHA-256 <span class=\"en\">weights</span>", false);
	section_names(out, &report->zones, "처리한 곳", "where it ran",
	              "망 영역 <span class=\"en\">zone</span>", "엔진 <span class=\"en\">engine</span>",
	              false);
	section_kinds(out, report);
	section_proof(out, report);
	buffer_string(
	    out, "<footer>해치 haechi — 수치는 report.json, 항목은 entries.csv와 logs/에 있습니다. <span "
	         "class=\"en\">Figures are in "
	         "report.json, entries in entries.csv and logs/.</span></footer>\n</main></body></html>\n");
}
