/*
 * verdict -- what the Act says of a registered use of AI. Law T1-T14, section 2.6.
 */
#ifndef HAECHI_SCHEMA_VERDICT_H
#define HAECHI_SCHEMA_VERDICT_H

#include "schema/finding.h"

enum verdict {
	VERDICT_UNDETERMINED = 0, /* treated as strictly as HIGH_IMPACT until a person has decided */
	VERDICT_HIGH_IMPACT,
	VERDICT_NOT_HIGH_IMPACT,
	VERDICT_EXCLUDED,
};

const char *verdict_name(enum verdict verdict);  /* "HIGH_IMPACT" */
const char *verdict_title(enum verdict verdict); /* "고영향" */
bool        verdict_parse(enum verdict *verdict, const char *name);

/*
 * T12: when measured review counts as real. Nobody has published a number (law 10.6): these are the gateway's
 * configuration, and every decision entry tells which it was made by.
 */
struct oversight_limits {
	int64_t decisions;     /* fewer reviewed decisions say nothing */
	int64_t least_changed; /* thousandths changed or refused; fewer: rubber-stamped */
	int64_t hasty_ms;      /* approved unseen, or within this of being shown: hasty */
	int64_t most_hasty;    /* thousandths of hasty decisions; more: nobody can have weighed them */
};
extern const struct oversight_limits oversight_defaults;

/* A rule that spoke, by its annotations. Borrowed strings live as long as what produced them. */
struct rule_hit {
	const char *id;       /* "HIR.iv" */
	const char *law;      /* row of the law reference, "2.3 HIR iv" */
	const char *says;     /* "in" | "out" | "excluded" | "undetermined" | "duty" */
	const char *title_ko;
	const char *title_en;
	const char *status;   /* "verified", "recalled", ... as the law reference has it */
};

/* A fact the rules would have needed, with the question an official is asked. */
struct missing_fact {
	const char *field; /* path in usecase.schema.json */
	const char *question_ko;
	const char *question_en;
};

/* Everything borrowed from the arena the assessment was made in. */
struct assessment {
	enum verdict         verdict;
	enum domain          domains[DOMAIN_KINDS]; /* those that applied */
	size_t               domain_count;
	struct rule_hit     *rules;
	size_t               rule_count;
	const char          *ruleset; /* "2026-01-22" */
	struct missing_fact *missing;
	size_t               missing_count;
	const char         **duties; /* "art31.notice", "art34.human-oversight", ... ids of duty rules */
	size_t               duty_count;
	struct rule_hit     *duty_rules; /* their rules, in the same order; NULL when read back from an entry */
	bool                 stricter_reading; /* official sources conflict: law section 10, item 5 */
};

#endif
