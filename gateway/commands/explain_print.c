#include "gateway/commands/explain_print.h"
#include "gateway/commands/forms.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/commands/audit_print.h"
#include "schema/base/clock.h"
#include "schema/decision.h"
#include "schema/verdict.h"

#define LABEL_WIDTH 17
#define LINE_WIDTH  100

struct word {
	const char *name, *ko, *en;
};

static const struct word drifts[] = {
    {"certain",   "등록된 용도를 벗어남",        "outside the registered use"        },
    {"suspected", "등록된 용도를 벗어난 듯함", "perhaps outside the registered use"},
    {"none",      "등록된 용도 안",                 "within the registered use"         },
};

static const struct word grades[] = {
    {"C", "기밀", "classified"},
    {"S", "민감", "sensitive" },
    {"O", "공개", "open"      }
};

static const struct word says[] = {
    {"in",           "고영향에 해당",  ""},
    {"out",          "해당하지 않음",  ""},
    {"excluded",     "적용 제외",        ""},
    {"undetermined", "판단할 수 없음", ""},
    {"duty",         "의무",               ""},
};

static const struct word labels[] = {
    {"none",     "표시 없음",                                   "no label"                         },
    {"metadata", "기계가 읽는 AI 생성 표시 (제31조)",    "a label machines read (Art. 31)"  },
    {"notice",   "사람이 알아볼 AI 생성 표시 (제31조)", "a label people perceive (Art. 31)"},
};

/* Why the gateway itself refused: no policy has a title for these. */
static const struct word refusals[] = {
    {"gateway.unidentified",         "API 키나 인증서를 알 수 없음",                "the API key or certificate is not known"},
    {"gateway.malformed-request",    "요청의 형식이 바르지 않음",                  "the request is malformed"               },
    {"gateway.unbound-usecase",      "이 키에 묶이지 않은 용도",                    "the key is not bound to that use"       },
    {"gateway.unregistered-usecase", "등록되지 않았거나 폐지된 용도",
     "the use is not registered, or retired"                                                                                           },
    {"gateway.unregistered-model",   "용도에 등록되지 않은 모델",                  "the model is not registered for the use"},
    {"gateway.unmaskable",           "가릴 수 없는 자리에 개인식별자가 있음",
     "an identifier stands where it cannot be masked"                                                                                  },
};

static const struct word *
word_of(const struct word *words, size_t count, const char *name)
{
	static const struct word none = {"", "", ""};

	for (size_t i = 0; i < count && name != NULL; i++)
		if (strcmp(words[i].name, name) == 0)
			return &words[i];
	return &none;
}

#define WORD(words, name) word_of(words, sizeof(words) / sizeof *(words), name)

static const char *
text(const json_t *object, const char *name)
{
	const char *value = json_get_string(object, name);

	return value != NULL ? value : "";
}

/* Control bytes of foreign texts never reach the terminal. */
static void
put(struct buffer *out, const char *value)
{
	for (; *value != '\0'; value++)
		buffer_byte(out, (unsigned char)*value < 0x20 || *value == 0x7F ? '?' : (uint8_t)*value);
}

static void
heading(struct buffer *out, const char *ko, const char *en)
{
	buffer_printf(out, "\n%s  %s\n", ko, en);
}

/* "  label  " ahead of a value; nothing when there is no value. */
static void
line(struct buffer *out, const char *label, const char *value)
{
	if (value[0] == '\0')
		return;
	buffer_printf(out, "  %s  ", label);
	put(out, value);
	buffer_byte(out, '\n');
}

static const char *
kind_title(const char *name)
{
	enum identifier_kind kind;

	return identifier_parse(&kind, name) ? identifier_title(kind) : name;
}

static const char *
domain_korean(const char *name)
{
	enum domain domain;

	return domain_parse(&domain, name) ? domain_title(domain) : name;
}

/* Names one after another, in lines of about LINE_WIDTH places below each other. */
static void
list(struct buffer *out, const char *label, const json_t *names, const char *(*title)(const char *name))
{
	const json_t *item;
	size_t i, width = LABEL_WIDTH;

	if (json_array_size(names) == 0)
		return;
	buffer_printf(out, "  %s  ", label);
	json_array_foreach(names, i, item)
	{
		const char *name = title != NULL ? title(json_string_value(item)) : json_string_value(item);
		/* Titles in 한글 have three bytes for two places. */
		const size_t own = title != NULL ? strlen(name) * 2 / 3 : strlen(name);

		if (i > 0) {
			const bool full = width + own + 2 > LINE_WIDTH;

			buffer_string(out, full ? ",\n" : ", ");
			if (full)
				buffer_printf(out, "%*s", LABEL_WIDTH, "");
			width = full ? LABEL_WIDTH : width + 2;
		}
		put(out, name);
		width += own;
	}
	buffer_byte(out, '\n');
}

static void
korean_time(struct buffer *out, const char *rfc3339)
{
	char korean[COMMAND_TIME_SIZE];
	int64_t wall_ms;

	if (!clock_parse(&wall_ms, slice_string(rfc3339), false))
		return;
	command_time(korean, wall_ms);
	buffer_string(out, korean);
}

/* ---- the parts ------------------------------------------------------------------------------------------------------ */

static void
put_head(struct buffer *out, const json_t *explanation)
{
	const char *const decision = text(explanation, "decision");

	buffer_printf(out, "%s %s   ", audit_korean(decision), decision);
	korean_time(out, text(explanation, "time"));
	buffer_printf(out, " (한국 시각)\n  항목 entry     %s\n", text(explanation, "entry"));
	line(out, "요청 request ", text(explanation, "request_id"));
	line(out, "앞선 of      ", text(explanation, "of"));
	line(out, "대기표 ticket", text(explanation, "ticket"));
}

static void
put_who(struct buffer *out, const json_t *explanation)
{
	const json_t *who = json_object_get(explanation, "who");
	const json_t *usecase = json_object_get(explanation, "usecase");

	heading(out, "누가, 무엇에", "who, and for what");
	if (!json_get_bool(who, "known", false))
		buffer_string(out, "  알 수 없는 호출자 / an unknown caller\n");
	line(out, "기관 agency  ", text(who, "agency"));
	line(out, "업무 service ", text(who, "service"));
	line(out, "키 key       ", text(who, "key"));
	line(out, "이용자 person", text(who, "subject"));
	if (usecase == NULL) {
		buffer_string(out, "  용도 use       없음 / none\n");
		return;
	}
	buffer_printf(out, "  용도 use       %s (제%" PRId64 "판)  ", text(usecase, "id"),
	              json_get_integer(usecase, "version", 0));
	put(out, text(usecase, "title_ko"));
	buffer_byte(out, '\n');
	line(out, "             ", text(usecase, "title_en"));
}

static void
put_rule(struct buffer *out, const json_t *rule)
{
	buffer_printf(out, "  · %s  [%s]  %s%s\n", text(rule, "id"), text(rule, "law"),
	              WORD(says, text(rule, "says"))->ko, form_status(text(rule, "status")));
	line(out, "   ", text(rule, "title_ko"));
	line(out, "   ", text(rule, "title_en"));
}

static void
put_assessment(struct buffer *out, const json_t *explanation)
{
	const json_t *assessment = json_object_get(explanation, "assessment");
	const char *const name = text(explanation, "verdict");
	enum verdict verdict = VERDICT_UNDETERMINED;
	const json_t *item;
	size_t i;

	(void)verdict_parse(&verdict, name);
	heading(out, "인공지능기본법의 판정", "verdict under the AI Basic Act");
	if (assessment == NULL) {
		buffer_printf(out,
		              "  %s (%s): 등록된 용도가 없어 판단하지 않음 / no registered use to judge\n",
		              verdict_title(verdict), name);
		return;
	}
	buffer_printf(out, "  %s (%s)  규칙 rules %s\n", verdict_title(verdict), name,
	              text(assessment, "ruleset"));
	list(out, "영역 domains ", json_object_get(assessment, "domains"), domain_korean);
	json_array_foreach(json_object_get(assessment, "rules"), i, item) put_rule(out, item);
	json_array_foreach(json_object_get(assessment, "missing_facts"), i, item)
	{
		buffer_printf(out, "  ? 모르는 사실 missing: %s\n", text(item, "field"));
		line(out, "   ", text(item, "question_ko"));
		line(out, "   ", text(item, "question_en"));
	}
	if (json_get_bool(assessment, "stricter_reading", false))
		buffer_string(
		    out, "  자료가 엇갈려 엄격한 쪽을 따랐음 / sources conflict: the stricter reading\n");
	json_array_foreach(json_object_get(assessment, "duty_rules"), i, item)
	{
		if (i == 0)
			buffer_string(out, "  법적 의무 duties of the Act\n");
		buffer_printf(out, "  · %s  [%s]\n", text(item, "id"), text(item, "law"));
		line(out, "   ", text(item, "title_ko"));
		line(out, "   ", text(item, "title_en"));
	}
}

static void
put_counts(struct buffer *out, const char *label, json_t *counts)
{
	const char *name;
	const json_t *count;
	bool any = false;

	buffer_printf(out, "  %s  ", label);
	json_object_foreach(counts, name, count)
	{
		buffer_printf(out, "%s%s %" PRId64 "건", any ? ", " : "", kind_title(name),
		              (int64_t)json_integer_value(count));
		any = true;
	}
	buffer_string(out, any ? "\n" : "없음 none\n");
}

/* Why it drifts: by what, in which domain, and against what was registered. */
static void
put_evidence(struct buffer *out, const json_t *evidence)
{
	const bool undeclared = strcmp(text(evidence, "why"), "undeclared") == 0;
	const int64_t score = json_get_integer(evidence, "score", 0);

	if (evidence == NULL)
		return;
	buffer_printf(out,
	              "    까닭 why     %s 영역의 판단을 요구함 (근거 %s, %" PRId64 ".%" PRId64 "%%): %s\n",
	              domain_korean(text(evidence, "domain")), text(evidence, "rule"), score / 10, score % 10,
	              undeclared ? "이 용도에 등록되지 않은 영역" : "이 용도는 그 영역에서 결정하지 않음");
	buffer_printf(out, "                 it asks to decide in %s: %s\n", text(evidence, "domain"),
	              undeclared ? "not a domain of this use" : "this use decides nothing there");
}

static void
put_facts(struct buffer *out, const json_t *explanation)
{
	const json_t *facts = json_object_get(explanation, "facts");
	const json_t *approval = json_object_get(facts, "approval");
	const struct word *drift = WORD(drifts, text(facts, "drift"));
	const struct word *grade = WORD(grades, text(facts, "grade"));
	const struct word *declared = WORD(grades, text(facts, "grade_declared"));
	const struct word *zone = WORD(grades, text(facts, "zone_grade"));

	heading(out, "글에서 찾은 것", "what the text gave away");
	put_counts(out, "식별자 found ", json_object_get(facts, "found"));
	list(out, "가린 masked  ", json_object_get(facts, "redacted"), kind_title);
	list(out, "영역 신호    ", json_object_get(facts, "signals"), domain_korean);
	buffer_printf(out, "  이탈 drift     %s / %s\n", drift->ko, drift->en);
	put_evidence(out, json_object_get(facts, "drift_evidence"));
	buffer_printf(out, "  등급 grade     %s(%s)", grade->name, grade->ko);
	if (strcmp(declared->name, grade->name) != 0)
		buffer_printf(out, ", 등록은 %s(%s): 찾은 것 때문에 올림 raised", declared->name,
		              declared->ko);
	if (text(facts, "zone")[0] != '\0')
		buffer_printf(out, " → 구역 zone %s, %s(%s)까지", text(facts, "zone"), zone->name, zone->ko);
	buffer_byte(out, '\n');
	line(out, "모델 model   ", text(facts, "model"));
	if (approval != NULL) {
		buffer_string(out, "  승인 approved  ");
		put(out, text(approval, "approver"));
		buffer_printf(out, " (%s), 유효 until ", text(approval, "role"));
		korean_time(out, text(approval, "expires"));
		buffer_byte(out, '\n');
	}
}

static void
put_policy(struct buffer *out, const json_t *policy)
{
	const struct word *refusal = WORD(refusals, text(policy, "id"));
	const char *const law = text(policy, "law");

	buffer_printf(out, law[0] != '\0' ? "  · %s  [%s]\n" : "  · %s\n", text(policy, "id"), law);
	line(out, "   ", refusal->ko);
	line(out, "   ", refusal->en);
	line(out, "   ", text(policy, "title_ko"));
	line(out, "   ", text(policy, "title_en"));
	line(out, "    →", text(policy, "message_ko"));
	line(out, "    →", text(policy, "message_en"));
}

static void
put_policies(struct buffer *out, const json_t *explanation)
{
	const json_t *policies = json_object_get(explanation, "policies");
	const json_t *permits = json_object_get(explanation, "permits");
	const json_t *item;
	size_t i;

	heading(out, "결정한 정책", "policies that decided");
	json_array_foreach(policies, i, item) put_policy(out, item);
	json_array_foreach(json_object_get(explanation, "errors"), i, item)
	{
		buffer_printf(out, "  ! %s: ", text(item, "policy"));
		put(out, text(item, "message"));
		buffer_byte(out, '\n');
	}
	if (json_array_size(permits) > 0 && !json_equal(permits, policies)) {
		buffer_string(out, "  그 밖에 허가한 정책 / satisfied permits:");
		json_array_foreach(permits, i, item) buffer_printf(out, " %s", text(item, "id"));
		buffer_byte(out, '\n');
	}
	if (json_get_bool(explanation, "by_gateway", false))
		buffer_string(
		    out,
		    "  정책에 묻기 전에 게이트웨이가 거절함 / the gateway refused before asking a policy\n");
	else if (!json_get_bool(explanation, "same_bundle", false))
		buffer_printf(
		    out,
		    "  (제목은 보이지 않습니다: 그때의 정책 묶음 %.12s…이(가) 여기 없음. --policies, --act)\n"
		    "  (no titles: the bundle of that time, %.12s..., is not the one loaded here)\n",
		    text(explanation, "bundle"), text(explanation, "bundle"));
}

static void
put_duties(struct buffer *out, const json_t *explanation)
{
	const json_t *duties = json_object_get(explanation, "duties");
	const struct word *label = WORD(labels, text(duties, "label"));
	const int64_t days = json_get_integer(duties, "retention_days", 0);

	if (json_get_bool(explanation, "by_gateway", false))
		return;
	heading(out, "따라온 의무", "duties that came with it");
	buffer_printf(out, "  · %s / %s\n", label->ko, label->en);
	if (json_get_bool(duties, "notify", false))
		buffer_string(
		    out, "  · 인공지능 이용을 미리 알림 (제31조) / tell people beforehand that AI is used\n");
	if (days > 0)
		buffer_printf(out, "  · 기록 %" PRId64 "일 보관 / kept for %" PRId64 " days\n", days, days);
	if (json_get_bool(duties, "log_full", false))
		buffer_string(out,
		              "  · 입력과 출력을 봉인하여 보관 / input and output are sealed and kept\n");
	if (json_get_bool(duties, "redact_answer", false))
		buffer_string(out, "  · 답의 개인식별자를 가림 / identifiers in the answer are masked\n");
	if (json_get_bool(duties, "restore_answer", false))
		buffer_string(
		    out, "  · 답의 가린 표시를 이 업무에는 원래 값으로 되돌림 / tokens in the answer are "
		         "restored for this service\n");
	list(out, "· 요청에서 가림 / masked in the request:", json_object_get(duties, "redact_kinds"),
	     kind_title);
	if (text(duties, "approver_role")[0] != '\0')
		buffer_printf(
		    out, "  · %s의 승인, %" PRId64 "분 안에 / approval by a %s within %" PRId64 " minutes\n",
		    text(duties, "approver_role"), json_get_integer(duties, "hold_seconds", 0) / 60,
		    text(duties, "approver_role"), json_get_integer(duties, "hold_seconds", 0) / 60);
}

static void
put_outcome(struct buffer *out, const json_t *body)
{
	const char *const weights = text(body, "weights");
	json_t *masked = json_object_get(body, "masked"), *found = json_object_get(body, "found");
	const int64_t tokens = json_get_integer(body, "completion_tokens", -1);
	const int64_t total = json_get_integer(body, "total_us", -1);

	buffer_printf(out, "결과 %s %s (HTTP %" PRId64 ")", audit_korean(text(body, "status")),
	              text(body, "status"), json_get_integer(body, "http_status", 0));
	if (text(body, "reason")[0] != '\0') {
		buffer_string(out, ", 까닭 reason ");
		put(out, text(body, "reason"));
	}
	buffer_byte(out, '\n');
	if (text(body, "engine")[0] != '\0')
		buffer_printf(out, "      엔진 engine %s, 구역 zone %s, 모델 model %s\n",
		              text(body, "engine"), text(body, "zone"), text(body, "model"));
	if (weights[0] != '\0')
		buffer_printf(out, "      가중치 weights %.16s…\n", weights);
	if (json_object_size(masked) > 0)
		put_counts(out, "    답에서 가림 masked", masked);
	if (json_object_size(found) > 0) {
		put_counts(out, "    답에서 찾음 found ", found);
		buffer_printf(out, "      등급 grade %s\n", text(body, "grade"));
	}
	if (tokens >= 0 || total >= 0) {
		buffer_string(out, "      ");
		if (tokens >= 0)
			buffer_printf(out, "토큰 tokens %" PRId64 "  ", tokens);
		if (total >= 0)
			buffer_printf(out, "모두 %" PRId64 ".%03" PRId64 " s", total / 1000000,
			              total / 1000 % 1000);
		buffer_byte(out, '\n');
	}
}

static void
put_review(struct buffer *out, const json_t *body)
{
	const int64_t shown = json_get_integer(body, "shown_ms", -1);

	buffer_printf(out, "검토 %s %s", audit_korean(text(body, "action")), text(body, "action"));
	if (text(body, "reviewer")[0] != '\0') {
		buffer_string(out, ": ");
		put(out, text(body, "reviewer"));
		buffer_printf(out, " (%s)", text(body, "role"));
	}
	if (shown > 0)
		buffer_printf(out, ", 본 시간 looked %" PRId64 ".%" PRId64 " s", shown / 1000,
		              shown / 100 % 10);
	else if (!json_get_bool(body, "viewed", true))
		buffer_string(out, ", 보지 않고 결정 without a look");
	buffer_byte(out, '\n');
	if (text(body, "reason")[0] != '\0') {
		buffer_string(out, "      \"");
		put(out, text(body, "reason"));
		buffer_string(out, "\"\n");
	}
}

static void
put_other(struct buffer *out, const char *kind, const char *word)
{
	buffer_printf(out, "%s %s %s\n", audit_korean(kind), audit_korean(word), word);
}

static void
put_followers(struct buffer *out, const json_t *explanation)
{
	const json_t *followed = json_object_get(explanation, "followed_by"), *entry;
	size_t i;

	heading(out, "그 뒤의 일", "what happened then");
	if (json_array_size(followed) == 0)
		buffer_string(out, "  아직 없음 / nothing yet\n");
	json_array_foreach(followed, i, entry)
	{
		const json_t *body = json_object_get(entry, "body");
		const char *const kind = text(entry, "kind");

		buffer_string(out, "  ");
		korean_time(out, text(entry, "time"));
		buffer_string(out, "  ");
		if (strcmp(kind, "outcome") == 0)
			put_outcome(out, body);
		else if (strcmp(kind, "review") == 0)
			put_review(out, body);
		else
			put_other(out, kind, text(body, strcmp(kind, "decision") == 0 ? "access" : "action"));
		buffer_printf(out, "      %s\n", text(entry, "id"));
	}
}

void
explain_print(struct buffer *out, const json_t *explanation)
{
	put_head(out, explanation);
	put_who(out, explanation);
	put_assessment(out, explanation);
	put_facts(out, explanation);
	put_policies(out, explanation);
	put_duties(out, explanation);
	put_followers(out, explanation);
}
