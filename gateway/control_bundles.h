/*
 * control_bundles -- what the operator's socket can do with policy bundles; a part of control_ops.c's table.
 *
 *	policy.activate  bundle (base64) | revision, reason?, allow_rollback?, import_only?   see bundles_activate()
 *	policy.rollback  revision?, reason
 *	policy.shadow    bundle | revision | neither: end it
 *	policy.list      [{"revision","bundle","state",...}]
 *	policy.export    revision?     {"revision","bundle"(base64)}
 *	policy.pull                    {"outcome":"unchanged"|"activated",...}
 */
#ifndef HAECHI_GATEWAY_CONTROL_BUNDLES_H
#define HAECHI_GATEWAY_CONTROL_BUNDLES_H

#include "gateway/control_ops.h"

/* The operation by the request's op. */
int control_bundles(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
                    json_t **result, struct fault *why);

#endif
