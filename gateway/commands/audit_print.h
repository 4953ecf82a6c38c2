/*
 * audit_print -- how entries and the answer of verify look: to people (Korean first), and as JSON.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_AUDIT_PRINT_H
#define HAECHI_GATEWAY_COMMANDS_AUDIT_PRINT_H

#include "audit/query.h"
#include "audit/verify.h"
#include "gateway/commands/common.h"

/* {"log":…,"index":…,"time":…,"id":…,…,"entry":{the exact bytes}} */
void audit_row_json(struct buffer *out, const struct query_row *row);

/* A line of CSV, as in an export's entries.csv (audit/report.h has its head). */
void audit_row_csv(struct buffer *out, const struct query_row *row);

/* The Korean word for a kind, a decision or an action of an entry; the name itself when there is none. */
const char *audit_korean(const char *name);

void audit_table_init(struct table *table);
void audit_row_table(struct table *table, const struct query_row *row);
/* One line, for following. */
void audit_row_line(FILE *to, const struct query_row *row);

/* `reached`: which entries were read when, by this run and earlier ones; NULL without a state file. */
void audit_verify_json(FILE *to, const struct verify_report *report, const struct verified *reached,
                       int64_t took_ns);
void audit_verify_text(FILE *to, const struct verify_report *report, const struct verified *reached,
                       int64_t took_ns);

#endif
