/*
 * annotations -- the closed, typed vocabulary of annotations, written down once: the loader refuses what is not in it, and
 * `haechi policy lint` says so with file, line and column. A misspelt @remedy can never be a rule that silently does
 * something else.
 *
 * Two dialects share one table: an agency's policies (access and duties) and the rules of the Act.
 */
#ifndef HAECHI_POLICY_ANNOTATIONS_H
#define HAECHI_POLICY_ANNOTATIONS_H

#include "policy/cedar/cedar.h"

enum annotation_dialect {
	DIALECT_BY_ACTION = 0, /* each policy by its action: those of namespace Act are rules of the Act */
	DIALECT_AGENCY,
	DIALECT_ACT,
};

/*
 * Every policy and template: known words with values of their type, the words that must be there, words that belong to
 * another word beside it, @duty and Action::"duty" together, @id used once. Complaints go to `notes`. -1: memory.
 */
MUST_CHECK int annotations_check(const struct cedar_policies *policies, enum annotation_dialect dialect,
                                 struct cedar_notes *notes, struct fault *why);

/* ISO 8601, one unit: "P5Y" (1826 days), "P90D", "PT24H", "PT30M". In seconds; 0: not such. */
uint32_t annotation_duration(struct slice text);
/* "rrn, phone" as bits of identifier_kind, or "*" (*all). false: something else. */
bool annotation_kinds(struct slice text, uint32_t *kinds, bool *all);

#endif
