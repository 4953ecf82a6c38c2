/*
 * typecheck -- the type of an expression in one request environment (an action, a type of principal, a type of
 * resource), as Cedar's strict validation defines it.
 *
 * A type may say true or false alone: so that what can never be reached is not checked. What `has` and hasTag() make
 * certain further on is carried along as capabilities.
 */
#ifndef HAECHI_POLICY_CEDAR_TYPECHECK_H
#define HAECHI_POLICY_CEDAR_TYPECHECK_H

#include "policy/cedar/schema.h"

struct capability {
	const struct capability *next;
	const struct cedar_expr *of;     /* this expression … */
	const struct cedar_string *name; /* … has this attribute, or when NULL … */
	const struct cedar_expr *tag;    /* … the tag that this gives */
};

/* From `head` up to but without `end`: what one expression adds stands before what was known. */
struct capabilities {
	const struct capability *head, *end;
};

struct checking {
	const struct cedar_schema *schema;
	const struct cedar_policy *policy;
	const struct cedar_action_type *action;
	const struct cedar_entity_type *principal, *resource;
	struct arena *arena; /* emptied between environments */
	struct cedar_notes *notes;
	const char *policy_id;
	uint32_t number;   /* of the policy, or CEDAR_NO_POLICY for a template */
	size_t first_note; /* of this policy: the same is said once */
	bool memory;
};

/* NULL: complained, or memory. *adds gets what is certain when the expression is true. */
const struct cedar_type *typecheck_of(struct checking *check, const struct cedar_expr *expr,
                                      const struct capability *known, struct capabilities *adds);
/* All conditions of the policy, in order. NULL as above. */
const struct cedar_type *typecheck_conditions(struct checking *check);

/* ---- between typecheck.c and typecheck_member.c ---- */

/* A type whose additions do not matter. */
const struct cedar_type *typecheck_type_of(struct checking *check, const struct cedar_expr *expr,
                                           const struct capability *known);
const struct cedar_type *typecheck_truth(bool value);
/* One more operand of &&: false ends it. */
const struct cedar_type *typecheck_and(const struct cedar_type *left, const struct cedar_type *right);
/* Complains; NULL. */
const struct cedar_type *typecheck_wrong(struct checking *check, const struct cedar_expr *expr,
                                         const char *wanted, const struct cedar_type *got);
/* A type as text, for people. */
const char *typecheck_show(struct checking *check, const struct cedar_type *type);

const struct cedar_type *typecheck_tag(struct checking *check, const struct cedar_expr *expr,
                                       const struct capability *known, struct capabilities *adds);
const struct cedar_type *typecheck_attribute(struct checking *check, const struct cedar_expr *expr,
                                             const struct capability *known);
const struct cedar_type *typecheck_has(struct checking *check, const struct cedar_expr *expr,
                                       const struct capability *known, struct capabilities *adds);

/* A complaint about this policy, said once for each place and text. */
void typecheck_complain(struct checking *check, enum cedar_severity severity, uint32_t offset,
                        const char *hint_ko, const char *hint_en, const char *ko, const char *en, ...)
    __attribute__((format(printf, 6, 8), format(printf, 7, 8)));

/* Among those from `known` up to `end`. */
bool capability_known(const struct capability *known, const struct capability *end,
                      const struct cedar_expr *of, const struct cedar_string *name,
                      const struct cedar_expr *tag);
const struct capability *capability_add(struct checking *check, const struct capability *known,
                                        const struct cedar_expr *of, const struct cedar_string *name,
                                        const struct cedar_expr *tag);
/* What `adds` holds, put before `known`. */
const struct capability *capability_unite(struct checking *check, const struct capability *known,
                                          struct capabilities adds);
struct capabilities capability_intersect(struct checking *check, struct capabilities a,
                                         struct capabilities b);

#endif
