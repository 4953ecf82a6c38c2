/*
 * finding -- what a text contains: identifiers of people, and signs of a domain of the Act.
 * Vocabulary: DESIGN.md section 7. Law: PIPA 24, 24-2; identifiers as in law section 8; domains as in Art. 2(4).
 */
#ifndef HAECHI_SCHEMA_FINDING_H
#define HAECHI_SCHEMA_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum identifier_kind {
	IDENTIFIER_RRN,
	IDENTIFIER_FRN,
	IDENTIFIER_PASSPORT,
	IDENTIFIER_DRIVER_LICENSE,
	IDENTIFIER_BUSINESS_REG,
	IDENTIFIER_CORP_REG,
	IDENTIFIER_HEALTH_INSURANCE,
	IDENTIFIER_PHONE,
	IDENTIFIER_ACCOUNT,
	IDENTIFIER_CARD,
	IDENTIFIER_VEHICLE,
	IDENTIFIER_EMAIL,
	IDENTIFIER_IP,
	IDENTIFIER_ADDRESS,
	IDENTIFIER_KINDS /* how many there are */
};

const char *identifier_name(enum identifier_kind kind);  /* "rrn" */
const char *identifier_title(enum identifier_kind kind); /* "주민등록번호" */
bool        identifier_parse(enum identifier_kind *kind, const char *name);

enum domain {
	DOMAIN_NONE = 0,
	DOMAIN_ENERGY,         /* 가 */
	DOMAIN_WATER,          /* 나 */
	DOMAIN_HEALTHCARE,     /* 다 */
	DOMAIN_MEDICAL_DEVICE, /* 라 */
	DOMAIN_NUCLEAR,        /* 마 */
	DOMAIN_BIOMETRIC,      /* 바 */
	DOMAIN_HIRING_LENDING, /* 사 */
	DOMAIN_TRANSPORT,      /* 아 */
	DOMAIN_PUBLIC_SERVICE, /* 자 */
	DOMAIN_EDUCATION,      /* 차 */
	DOMAIN_OTHER,          /* 카 */
	DOMAIN_KINDS
};

const char *domain_name(enum domain domain);  /* "hiring_lending"; "none" */
const char *domain_title(enum domain domain); /* "채용·대출 심사 등" */
bool        domain_parse(enum domain *domain, const char *name);

/* One identifier in a text. Offsets in bytes of the original text; [start, end). */
struct finding {
	enum identifier_kind kind;
	uint32_t             part;       /* which text of the request: message number */
	size_t               start, end;
	uint16_t             confidence; /* thousandths; counts as found from FINDING_CONFIDENT on */
};

#define FINDING_CONFIDENT 500

/* The data grade of N2SF (law section 7): O open, S sensitive, C classified. The zero is the strictest. */
enum grade { GRADE_C = 0, GRADE_S, GRADE_O };

const char *grade_name(enum grade grade); /* "C" "S" "O" */
bool        grade_parse(enum grade *grade, const char *name);

/*
 * The grade of data declared so, in which these kinds of identifiers were found (bits): personal information is S (law
 * section 7, N2SF: 정보공개법 9(1)6). Never lowered. Numbers of companies and of machines are not personal.
 */
enum grade grade_raise(enum grade declared, uint32_t found_kinds);

/* Does the text stay within the registered use? Law 2.6: text reveals drift, it proves nothing else. */
enum drift { DRIFT_CERTAIN = 0, DRIFT_SUSPECTED, DRIFT_NONE };

const char *drift_name(enum drift drift);

/* What showed that a text drifts: a pattern or the model, never the text. */
struct drift_evidence {
	enum domain domain;
	uint16_t    score;      /* thousandths; 0: no evidence */
	const char *rule;       /* id of the pattern, "model" */
	bool        undeclared; /* the domain is not the use's; else: it is, but the use decides nothing in it */
};

#endif
