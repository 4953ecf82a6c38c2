/*
 * filter -- which entries are meant: what auditors type, what a bundle says it holds, what a reader of it checks. Pure.
 */
#ifndef HAECHI_AUDIT_FILTER_H
#define HAECHI_AUDIT_FILTER_H

#include "schema/entry.h"

struct filter {
	bool has_from, has_to;
	int64_t from_ms, to_ms; /* [from, to) */
	/* exact values; NULL: any */
	const char *agency, *usecase, *verdict, *decision, *domain, *kind, *request_id, *entry, *log;
};

/* The values by name, in one fixed order: FILTER_VALUES of them. */
#define FILTER_VALUES 9
extern const char *const filter_names[FILTER_VALUES]; /* "agency", ... as the options are called */
const char *filter_value(const struct filter *filter, size_t which);
void filter_set(struct filter *filter, size_t which, const char *value);

/* Words of the closed vocabularies (kind, verdict, decision, domain) are checked: FAULT_USAGE names what is allowed. */
MUST_CHECK int filter_check(const struct filter *filter, struct fault *why);
/* In one line, for the access log and for people: "agency=haneul from=2026-03-01T00:00:00.000Z"; "all". */
void filter_describe(struct buffer *out, const struct filter *filter);

bool filter_in_time(const struct filter *filter, int64_t wall_ms);
/* All but the time. */
bool filter_matches(const struct filter *filter, const struct entry_columns *columns);
/* Nothing but a time: what it selects of a log has no holes. */
bool filter_is_time_only(const struct filter *filter);

#endif
