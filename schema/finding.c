#include "schema/finding.h"

#include <string.h>

/* clang-format off */
static const struct {
	const char *name, *title;
} identifiers[IDENTIFIER_KINDS] = {
	[IDENTIFIER_RRN]              = { "rrn",              "주민등록번호" },
	[IDENTIFIER_FRN]              = { "frn",              "외국인등록번호" },
	[IDENTIFIER_PASSPORT]         = { "passport",         "여권번호" },
	[IDENTIFIER_DRIVER_LICENSE]   = { "driver_license",   "운전면허번호" },
	[IDENTIFIER_BUSINESS_REG]     = { "business_reg",     "사업자등록번호" },
	[IDENTIFIER_CORP_REG]         = { "corp_reg",         "법인등록번호" },
	[IDENTIFIER_HEALTH_INSURANCE] = { "health_insurance", "건강보험증번호" },
	[IDENTIFIER_PHONE]            = { "phone",            "전화번호" },
	[IDENTIFIER_ACCOUNT]          = { "account",          "계좌번호" },
	[IDENTIFIER_CARD]             = { "card",             "카드번호" },
	[IDENTIFIER_VEHICLE]          = { "vehicle",          "차량번호" },
	[IDENTIFIER_EMAIL]            = { "email",            "전자우편" },
	[IDENTIFIER_IP]               = { "ip",               "IP주소" },
	[IDENTIFIER_ADDRESS]          = { "address",          "주소" },
};

static const struct {
	const char *name, *title;
} domains[DOMAIN_KINDS] = {
	[DOMAIN_NONE]           = { "none",           "해당 없음" },
	[DOMAIN_ENERGY]         = { "energy",         "에너지" },
	[DOMAIN_WATER]          = { "water",          "먹는물" },
	[DOMAIN_HEALTHCARE]     = { "healthcare",     "보건의료" },
	[DOMAIN_MEDICAL_DEVICE] = { "medical_device", "의료기기" },
	[DOMAIN_NUCLEAR]        = { "nuclear",        "원자력" },
	[DOMAIN_BIOMETRIC]      = { "biometric",      "범죄 수사·체포" },
	[DOMAIN_HIRING_LENDING] = { "hiring_lending", "채용·대출 심사 등" },
	[DOMAIN_TRANSPORT]      = { "transport",      "교통" },
	[DOMAIN_PUBLIC_SERVICE] = { "public_service", "공공서비스" },
	[DOMAIN_EDUCATION]      = { "education",      "교육" },
	[DOMAIN_OTHER]          = { "other",          "기타" },
};

static const char *const grades[] = { [GRADE_C] = "C", [GRADE_S] = "S", [GRADE_O] = "O" };
static const char *const drifts[] = {
	[DRIFT_CERTAIN] = "certain", [DRIFT_SUSPECTED] = "suspected", [DRIFT_NONE] = "none",
};
/* clang-format on */

const char *
identifier_name(enum identifier_kind kind)
{
	return (unsigned)kind < IDENTIFIER_KINDS ? identifiers[kind].name : "unknown";
}

const char *
identifier_title(enum identifier_kind kind)
{
	return (unsigned)kind < IDENTIFIER_KINDS ? identifiers[kind].title : "식별번호";
}

bool
identifier_parse(enum identifier_kind *kind, const char *name)
{
	for (unsigned i = 0; name != NULL && i < IDENTIFIER_KINDS; i++) {
		if (strcmp(identifiers[i].name, name) == 0) {
			*kind = (enum identifier_kind)i;
			return true;
		}
	}
	return false;
}

const char *
domain_name(enum domain domain)
{
	return (unsigned)domain < DOMAIN_KINDS ? domains[domain].name : "none";
}

const char *
domain_title(enum domain domain)
{
	return (unsigned)domain < DOMAIN_KINDS ? domains[domain].title : "해당 없음";
}

bool
domain_parse(enum domain *domain, const char *name)
{
	for (unsigned i = 0; name != NULL && i < DOMAIN_KINDS; i++) {
		if (strcmp(domains[i].name, name) == 0) {
			*domain = (enum domain)i;
			return true;
		}
	}
	return false;
}

/* A grade or a drift outside the table can only be broken memory: it reads as the strictest. */
const char *
grade_name(enum grade grade)
{
	return (unsigned)grade < sizeof grades / sizeof *grades ? grades[grade] : "C";
}

bool
grade_parse(enum grade *grade, const char *name)
{
	for (unsigned i = 0; name != NULL && i < sizeof grades / sizeof *grades; i++) {
		if (strcmp(grades[i], name) == 0) {
			*grade = (enum grade)i;
			return true;
		}
	}
	return false;
}

const char *
drift_name(enum drift drift)
{
	return (unsigned)drift < sizeof drifts / sizeof *drifts ? drifts[drift] : "certain";
}

#define NOT_PERSONAL (1u << IDENTIFIER_BUSINESS_REG | 1u << IDENTIFIER_CORP_REG | 1u << IDENTIFIER_IP)

enum grade
grade_raise(enum grade declared, uint32_t found_kinds)
{
	/* The smaller is the stricter. */
	return (found_kinds & ~(uint32_t)NOT_PERSONAL) != 0 && declared > GRADE_S ? GRADE_S : declared;
}
