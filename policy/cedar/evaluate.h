/*
 * evaluate -- an expression and a request to a value. Allocates from the arena only for sets, records and addresses
 * that a policy makes anew.
 */
#ifndef HAECHI_POLICY_CEDAR_EVALUATE_H
#define HAECHI_POLICY_CEDAR_EVALUATE_H

#include "policy/cedar/ast.h"
#include "policy/cedar/entities.h"

struct evaluation {
	const struct cedar_request *request;
	const struct cedar_entities *entities;
	struct arena *arena;
	struct cedar_value context;
	const struct cedar_row *rows[3]; /* of principal, action, resource; NULL when not in the store */
	struct cedar_value
	    *shared; /* of the set's shared parts; CEDAR_NONE: not known yet. NULL: none is remembered */
	/* Why the last evaluation gave CEDAR_NONE. */
	enum cedar_failure failure;
	const struct cedar_expr *at;
	enum cedar_kind wanted; /* of a type error; CEDAR_NONE when several would do */
	enum cedar_kind got;
	const struct cedar_string *name; /* the attribute, or the type of the missing entity */
};

/* -1: the request is malformed or the arena is used up. */
MUST_CHECK int evaluation_begin(struct evaluation *run, const struct cedar_request *request,
                                const struct cedar_entities *entities, struct arena *arena,
                                struct fault *why);
/* CEDAR_NONE: failed, as told in *run. */
struct cedar_value evaluation_of(struct evaluation *run, const struct cedar_expr *expr);
/* What the failure was, for people; NULL when the arena is used up. */
bool evaluation_tell(const struct evaluation *run, const char **ko, const char **en);

/* The failure of an expression that gave `value` where a bool must come; as it is when there is no value at all. */
void evaluation_need_bool(struct evaluation *run, const struct cedar_expr *expr, struct cedar_value value);

enum outcome { OUTCOME_FALSE = 0, OUTCOME_TRUE, OUTCOME_FAILED };

bool evaluation_scope(struct evaluation *run, const struct cedar_scope *scope, enum cedar_variable variable);
bool evaluation_scopes(struct evaluation *run, const struct cedar_policy *policy);
enum outcome evaluation_conditions(struct evaluation *run, const struct cedar_policy *policy);
enum outcome evaluation_policy(struct evaluation *run, const struct cedar_policy *policy);

#endif
