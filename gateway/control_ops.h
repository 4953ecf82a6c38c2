/*
 * control_ops -- what the operator's socket can do, as a table of functions; see control.h for their arguments.
 */
#ifndef HAECHI_GATEWAY_CONTROL_OPS_H
#define HAECHI_GATEWAY_CONTROL_OPS_H

#include "gateway/review.h"
#include "schema/base/json.h"

struct snapshots;

struct control_caller {
	char user[64]; /* account at the other end */
	bool owner;    /* root, or who runs haechid */
	bool is_reviewer;
	struct reviewer reviewer;
	struct snapshots *snapshots; /* borrowed */
};

MUST_CHECK int control_run(struct gateway *gateway, const struct control_caller *caller, const char *op,
                           const json_t *request, json_t **result, struct fault *why);

#endif
