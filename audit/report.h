/*
 * report -- what a period's entries amount to: a pure function of the entries, so that whoever has them can make it again.
 *
 * haechi-verify does exactly that: it believes no figure, it counts anew and compares bytes. report.json is the figures,
 * report.html the same for people (Korean first), entries.csv a line an entry for spreadsheets. Time of day is Korea's.
 */
#ifndef HAECHI_AUDIT_REPORT_H
#define HAECHI_AUDIT_REPORT_H

#include "audit/filter.h"
#include "audit/selection.h"

struct manifest; /* audit/manifest.h: who, when, which filter */
struct report;

/* `manifest` is borrowed until report_free(). Memory is bounded: use cases, rules, models over a limit go to "other". */
MUST_CHECK int report_new(struct report **out, const struct manifest *manifest, struct fault *why);
void report_free(struct report *report); /* NULL is fine */

/* One log's part begins: entries that follow are its. Logs in the manifest's order. */
void report_log(struct report *report, const char *origin, uint64_t size, const struct tree_hash *root);
/* An entry, in the order of the log; `columns` as entry_read() gave them. */
MUST_CHECK int report_add(struct report *report, uint64_t index, const struct entry_columns *columns,
                          struct slice bytes, struct fault *why);
/* What the proof of that log said. */
void report_log_end(struct report *report, const struct selection *selection);

void report_json(struct buffer *out, struct report *report);
void report_html(struct buffer *out, struct report *report);

/* entries.csv: the head (with its UTF-8 byte order mark), and a line an entry. Cells that a spreadsheet would run get a '. */
void report_csv_head(struct buffer *out);
void report_csv_line(struct buffer *out, uint64_t index, struct slice kind, const struct entry_columns *columns);

#endif
