/*
 * sharing -- what several policies of a set ask alike is evaluated once a request.
 *
 * Expressions have no effects: the same one gives the same value throughout a request, so a value found once may be
 * remembered. Failures are not remembered: each policy tells where in its own text it failed.
 */
#ifndef HAECHI_POLICY_CEDAR_SHARING_H
#define HAECHI_POLICY_CEDAR_SHARING_H

#include "policy/cedar/ast.h"

#define CEDAR_SHARED_LIMIT 256 /* values remembered: more would cost each request more than they save */

/* Numbers the parts of its conditions that stand there more than once, those of the most copies. false: memory. */
bool cedar_sharing_make(struct cedar_policies *policies);

#endif
