/*
 * lint -- the closed vocabulary of annotations: a word that is not in it is refused, so that a misspelt @remedy can
 * never be a rule that silently does something else.
 */
#ifndef HAECHI_POLICY_CEDAR_LINT_H
#define HAECHI_POLICY_CEDAR_LINT_H

#include "policy/cedar/cedar.h"

/*
 * Every policy and template: known words with values of their type, @id, @title_ko and @title_en present, @id used once,
 * words that belong to another word beside it. Complaints go to `notes`. -1: memory.
 */
MUST_CHECK int cedar_lint(const struct cedar_policies *policies, struct cedar_notes *notes,
                          struct fault *why);

#endif
