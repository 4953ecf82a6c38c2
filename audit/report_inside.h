/*
 * report_inside -- the figures, as audit/report.c counts them and audit/report_html.c draws them. Nobody else's.
 */
#ifndef HAECHI_AUDIT_REPORT_INSIDE_H
#define HAECHI_AUDIT_REPORT_INSIDE_H

#include "audit/manifest.h"
#include "audit/report.h"

#define REPORT_NAMED 512 /* names of one kind; the rest are counted as "other" */
#define REPORT_NAME  96
#define REPORT_DAYS  400
#define REPORT_LOGS  MANIFEST_LOGS

enum { ACCESSES = ACCESS_PERMIT + 1, VERDICTS = VERDICT_EXCLUDED + 1, OUTCOMES = OUTCOME_CANCELLED + 1 };
enum { LABELS = LABEL_NOTICE + 1 };

/* Something with a name and counts: a use case, a rule, a model. */
struct tally {
	char name[REPORT_NAME], extra[REPORT_NAME];
	uint64_t total, access[ACCESSES], outcome[OUTCOMES];
	bool verdict_known;
	enum verdict verdict; /* the strictest that was seen */
};

struct tallies {
	size_t count;
	struct tally *items; /* REPORT_NAMED + 1, sorted before they are shown */
	size_t *slots;       /* hash of names */
};

struct report_day {
	int64_t day; /* days since 1970 in Korea */
	uint64_t access[ACCESSES];
};

enum review_action { REVIEW_APPROVE, REVIEW_REFUSE, REVIEW_EDIT, REVIEW_EXPIRE, REVIEW_ACTIONS };
enum { SHOWN_BUCKETS = 5 };
extern const int64_t report_shown_limits[SHOWN_BUCKETS]; /* milliseconds, the last is open */

struct report {
	const struct manifest *manifest;
	uint64_t entries, kinds[ENTRY_KINDS];
	uint64_t decisions, access[ACCESSES], verdicts[VERDICTS][ACCESSES], domains[DOMAIN_KINDS];
	uint64_t found[IDENTIFIER_KINDS], masked[IDENTIFIER_KINDS], drift[3], policy_errors;
	uint64_t outcomes[OUTCOMES], labels[LABELS], prompt_tokens, completion_tokens;
	uint64_t reviews, review_actions[REVIEW_ACTIONS], changed, shown[SHOWN_BUCKETS];
	struct tallies usecases, rules, models, zones;
	size_t day_count;
	struct report_day days[REPORT_DAYS];
	bool days_overflow;
	size_t log_count;
	struct {
		const char *origin;
		uint64_t size, entries;
		struct tree_hash root;
		struct selection selection;
	} logs[REPORT_LOGS];
};

/* Most first, then by name. */
void tallies_sort(struct tallies *tallies);
const char *report_day_text(char out[16], int64_t day); /* "2026-03-02" */
/* The figures of oversight that matter: changed of a thousand decided by a person; -1 nobody decided. */
int64_t report_changed_thousandths(const struct report *report);

#endif
