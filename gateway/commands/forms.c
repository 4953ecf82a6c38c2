#include "gateway/commands/forms.h"

#include <string.h>

#define BLANK "______________"

/* Text for a cell: bars and line ends would break the table. */
static void
cell(struct buffer *out, const char *text)
{
	if (text == NULL || text[0] == '\0') {
		buffer_string(out, BLANK);
		return;
	}
	for (; *text != '\0'; text++) {
		if (*text == '|')
			buffer_string(out, "\\|");
		else
			buffer_byte(out, (uint8_t)(*text < 0x20 && *text >= 0 ? ' ' : *text));
	}
}

static void
row(struct buffer *out, const char *name, const char *value)
{
	buffer_printf(out, "| %s | ", name);
	cell(out, value);
	buffer_string(out, " |\n");
}

static const char *
either(const char *first, const char *second)
{
	return first[0] != '\0' ? first : second;
}

static void
box(struct buffer *out, bool set, const char *text)
{
	buffer_printf(out, "[%s] %s ", set ? "V" : " ", text);
}

static void
domain_boxes(struct buffer *out, const struct usecase *usecase)
{
	for (unsigned d = DOMAIN_ENERGY; d < DOMAIN_KINDS; d++) {
		bool set = false;

		for (size_t i = 0; i < usecase->domain_count; i++)
			set |= usecase->domains[i] == (enum domain)d;
		box(out, set, domain_title((enum domain)d));
	}
}

const char *
form_status(const char *status)
{
	static const char *const words[][2] = {
	    {"verified",  ""	                                                  },
	    {"verified*", "; 기능은 자료에 있으나 결론은 해석 verified*"},
	    {"own",       "; 자체 해석 own"	                               },
	    {"recalled",  "; 원문 미확인 recalled"                               },
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (status != NULL && strcmp(words[i][0], status) == 0)
			return words[i][1];
	return "; 원문 미확인 unverified";
}

static void
basis(struct buffer *out, const struct assessment *assessment)
{
	for (size_t i = 0; i < assessment->rule_count; i++) {
		const struct rule_hit *rule = &assessment->rules[i];

		buffer_printf(out, "- %s (규칙 %s, 기준 %s%s)\n", rule->title_ko, rule->id, rule->law,
		              form_status(rule->status));
	}
	if (assessment->stricter_reading)
		buffer_string(out, "- 공식 자료의 해석이 엇갈려 엄격한 쪽을 따랐음\n");
	for (size_t i = 0; i < assessment->missing_count; i++)
		buffer_printf(out, "- 확인이 필요한 사실: %s\n", assessment->missing[i].question_ko);
}

static const char *
role_title(enum actor_role role)
{
	static const char *const titles[] = {"", "개발사업자", "이용사업자", "이용자",
	                                     "개발사업자 및 이용사업자"};

	return (unsigned)role < sizeof titles / sizeof *titles ? titles[role] : "";
}

static const char *
review_title(enum human_review review)
{
	static const char *const titles[] = {"", "없음", "형식적 확인", "실질적 개입 (배제·수정·거부 가능)"};

	return (unsigned)review < sizeof titles / sizeof *titles ? titles[review] : "";
}

static const char *
effect_title(enum decision_effect effect)
{
	static const char *const titles[] = {
	    "", "없음", "정보 제공", "추천", "중간단계에서 상당한 영향", "최종 결정", "직접 작동"};

	return (unsigned)effect < sizeof titles / sizeof *titles ? titles[effect] : "";
}

void
form_confirmation(struct buffer *out, const struct usecase *usecase, const struct assessment *assessment)
{
	buffer_string(out, "# 고영향 인공지능 확인[V] 재확인[ ] 요청서\n\n"
	                   "인공지능 발전과 신뢰 기반 조성 등에 관한 기본법 제33조, 같은 법 시행령 제25조 "
	                   "(별지 서식). 수수료 없음.\n\n"
	                   "## 요청인\n\n| 항목 | 내용 |\n|---|---|\n");
	row(out, "상호(기관명)", usecase->agency);
	row(out, "법인등록번호", usecase_filing(usecase, "corporate_number"));
	row(out, "사업자등록번호", usecase_filing(usecase, "business_number"));
	row(out, "대표자", usecase_filing(usecase, "representative"));
	row(out, "주소", usecase_filing(usecase, "address"));
	row(out, "업무담당자 성명", either(usecase_filing(usecase, "officer"), usecase->reviewer.name));
	row(out, "업무담당자 연락처",
	    either(usecase_filing(usecase, "officer_contact"), usecase->reviewer.contact));
	buffer_string(out, "| 요청구분 | ");
	box(out, usecase->actor_role == ROLE_DEVELOPER || usecase->actor_role == ROLE_BOTH, "개발사업자");
	box(out, usecase->actor_role == ROLE_DEPLOYER || usecase->actor_role == ROLE_BOTH, "이용사업자");
	buffer_string(out, "|\n\n## 인공지능\n\n| 항목 | 내용 |\n|---|---|\n");
	row(out, "인공지능 명칭", usecase->title_ko);
	row(out, "개발국가", usecase_filing(usecase, "country"));
	row(out, "기본모델 (명칭+버전, 개발사업자/국가)",
	    either(usecase_filing(usecase, "base_model"),
	           usecase->model_count > 0 ? usecase->models[0] : ""));
	row(out, "파생모델 (명칭+버전, 개발사업자/국가)",
	    either(usecase_filing(usecase, "derived_model"),
	           usecase->model_count > 1 ? usecase->models[1] : ""));
	row(out, "용도", usecase->purpose);
	buffer_string(out, "| 적용영역 | ");
	domain_boxes(out, usecase);
	buffer_string(out, "|\n");
	row(out, "기타", usecase_filing(usecase, "other"));
	buffer_string(out, "| 사전 검토결과 | ");
	box(out, assessment->verdict == VERDICT_HIGH_IMPACT, "해당");
	box(out, assessment->verdict == VERDICT_NOT_HIGH_IMPACT || assessment->verdict == VERDICT_EXCLUDED,
	    "비해당");
	box(out, assessment->verdict == VERDICT_UNDETERMINED, "판단할 수 없음");
	buffer_string(out, "|\n\n## 검토근거\n\n");
	basis(out, assessment);
	buffer_printf(out, "- 규칙 시행일: %s\n", assessment->ruleset);
	buffer_string(out, "\n## 첨부 (자유 서식)\n\n"
	                   "가. 제품·서비스 개요서\n"
	                   "나. 학습용데이터 개요 (종류·출처·규모, 개인정보·영업비밀 포함 여부)\n"
	                   "다. 활용 과정·결과 자료 (입력·처리·출력)\n"
	                   "라. 기타 (외국어 자료는 한국어 번역문 첨부)\n\n"
	                   "작성일: " BLANK "    요청인: " BLANK " (서명 또는 인)\n");
}

/* The title that usecase.schema.json has for a member of "facts", else its name. */
static const char *
title_of(const json_t *schema, const char *name)
{
	const json_t *facts =
	    json_object_get(json_object_get(json_object_get(schema, "properties"), "facts"), "properties");
	const char *title = json_get_string(json_object_get(facts, name), "title");

	return title == NULL ? name : title;
}

/* The closed words of facts, in Korean. */
static const char *
word_title(const char *name, const char *word)
{
	static const char *const words[][2] = {
	    {"reversible",   "되돌릴 수 있음"                 },
	    {"costly",       "비용을 들여 되돌릴 수 있음"},
	    {"irreversible", "되돌릴 수 없음"                 },
	    {"negligible",   "미미함"                            },
	    {"low",          "낮음"	                       },
	    {"medium",       "보통"	                       },
	    {"high",         "높음"	                       },
	    {"very_high",    "매우 높음"                        },
	    {"rare",         "드묾"	                       },
	    {"monthly",      "매달"	                       },
	    {"daily",        "매일"	                       },
	    {"continuous",   "계속"                               },
	    {"text",         "글"	                          },
	    {"image",        "그림"	                       },
	    {"audio",        "소리"	                       },
	    {"video",        "영상"	                       },
	    {"kindergarten", "유치원"                            },
	    {"elementary",   "초등학교"                         },
	    {"middle",       "중학교"                            },
	    {"university",   "대학"                               },
	    {"academy",      "학원"	                       },
	};

	if (strcmp(name, "school_stage") == 0 && strcmp(word, "high") == 0)
		return "고등학교";
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i][0], word) == 0)
			return words[i][1];
	return word;
}

/* The facts the verdict was made from. */
static void
entered(struct buffer *out, const struct usecase *usecase, const json_t *schema)
{
	static const char *const plain[][2] = {
	    {"reversibility", "되돌릴 수 있는가"},
            {"severity",      "영향의 심각도"    },
            {"frequency",     "빈도"                 }
        };
	const char *name;
	json_t *facts, *value;

	buffer_string(out, "\n## 판단에 쓰인 사실\n\n| 사실 | 값 |\n|---|---|\n");
	for (size_t i = 0; i < usecase->sub_function_count; i++) {
		const json_t *titles = json_object_get(
		    json_object_get(json_object_get(json_object_get(schema, "properties"), "sub_function"),
		                    "x-titles"),
		    usecase->sub_functions[i]);
		const char *title = json_get_string(titles, "ko");

		row(out, "세부 기능", title == NULL ? usecase->sub_functions[i] : title);
	}
	if (usecase->affected_count >= 0) {
		char number[32];

		snprintf(number, sizeof number, "%lld명", (long long)usecase->affected_count);
		row(out, "영향받는 사람", number);
	}
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		const char *word = i == 0   ? usecase->reversibility
		                   : i == 1 ? usecase->severity
		                            : usecase->frequency;

		if (word != NULL && word[0] != '\0' && strcmp(word, "unknown") != 0)
			row(out, plain[i][1], word_title(plain[i][0], word));
	}
	memcpy(&facts, &usecase->facts, sizeof facts); /* iterated, not changed */
	json_object_foreach(facts, name, value)
	{
		char number[32];

		if (json_is_boolean(value)) {
			row(out, title_of(schema, name), json_is_true(value) ? "예" : "아니오");
		} else if (json_is_integer(value)) {
			snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
			row(out, title_of(schema, name), number);
		} else if (json_is_string(value)) {
			row(out, title_of(schema, name), word_title(name, json_string_value(value)));
		}
	}
}

void
form_self_review(struct buffer *out, const struct usecase *usecase, const struct assessment *assessment,
                 const char *bundle, const char *day, const json_t *schema)
{
	char number[32];

	buffer_string(out, "# 고영향 인공지능 사전 검토 기록\n\n"
	                   "인공지능 발전과 신뢰 기반 조성 등에 관한 기본법 제33조제1항에 따라 제공 전에 "
	                   "검토한 기록입니다.\n\n"
	                   "| 항목 | 내용 |\n|---|---|\n");
	snprintf(number, sizeof number, "%lld", (long long)usecase->version);
	row(out, "용도", usecase->title_ko);
	row(out, "식별자", usecase->id);
	row(out, "판", number);
	row(out, "기관", usecase->agency);
	row(out, "목적", usecase->purpose);
	row(out, "법상 지위", role_title(usecase->actor_role));
	row(out, "AI 결과의 효과", effect_title(usecase->decision_effect));
	row(out, "사람의 개입", review_title(usecase->human_review));
	row(out, "관리·감독자", usecase->reviewer.name);
	buffer_string(out, "| 영역 | ");
	domain_boxes(out, usecase);
	buffer_string(out, "|\n");
	row(out, "검토 결과", verdict_title(assessment->verdict));
	row(out, "규칙 시행일", assessment->ruleset);
	row(out, "정책 묶음 (SHA-256)", bundle);
	row(out, "검토일", day);
	buffer_string(out, "\n## 근거\n\n");
	basis(out, assessment);
	if (usecase->reviewer.decisions >= 0)
		buffer_printf(out, "- 측정된 개입: %lld건 가운데 %lld건을 바꾸거나 거부함\n",
		              (long long)usecase->reviewer.decisions, (long long)usecase->reviewer.changed);
	buffer_string(out, "\n## 따르는 의무\n\n");
	for (size_t i = 0; i < assessment->duty_count; i++)
		if (assessment->duty_rules == NULL)
			buffer_printf(out, "- %s\n", assessment->duties[i]);
		else
			buffer_printf(out, "- %s (%s, 기준 %s%s)\n", assessment->duty_rules[i].title_ko,
			              assessment->duties[i], assessment->duty_rules[i].law,
			              form_status(assessment->duty_rules[i].status));
	entered(out, usecase, schema);
	if (usecase_filing(usecase, "impact_assessment")[0] != '\0')
		row(out, "영향평가 보고서 (제35조)", usecase_filing(usecase, "impact_assessment"));
	buffer_string(out, "\n검토자: " BLANK " (서명)\n");
}

void
form_publication(struct buffer *out, const struct usecase *usecase, const struct assessment *assessment)
{
	buffer_printf(out, "# 고영향 인공지능 책무 이행 사항: ");
	cell(out, usecase->title_ko);
	buffer_string(out, "\n\n인공지능 발전과 신뢰 기반 조성 등에 관한 기본법 제34조, 같은 법 시행령 "
	                   "제27조제1항에 따라 게시합니다. "
	                   "영업비밀에 해당하는 내용은 제외할 수 있습니다.\n\n"
	                   "| 항목 | 내용 |\n|---|---|\n");
	row(out, "기관", usecase->agency);
	row(out, "용도", usecase->purpose);
	row(out, "판단", verdict_title(assessment->verdict));
	row(out, "위험관리 정책과 조직", usecase_filing(usecase, "risk_policy"));
	row(out, "설명방안", usecase_filing(usecase, "explanation_plan"));
	row(out, "이용자 보호방안", usecase_filing(usecase, "protection_plan"));
	row(out, "사람의 관리·감독", review_title(usecase->human_review));
	row(out, "관리·감독자 성명", usecase->reviewer.name);
	row(out, "관리·감독자 연락처", usecase->reviewer.contact);
	if (assessment->verdict == VERDICT_NOT_HIGH_IMPACT || assessment->verdict == VERDICT_EXCLUDED)
		buffer_string(out, "\n이 용도는 고영향으로 판단되지 않아 게시할 의무는 없습니다.\n");
	else
		buffer_printf(out,
		              "\n사무소나 누리집에 게시하고, 근거 문서를 5년 동안 보관합니다 (시행령 "
		              "제27조). 판단의 규칙 시행일 %s.\n",
		              assessment->ruleset);
}
