/*
 * describe -- the gateway's state and its registered uses in JSON, for the operator's socket and for HTTP.
 */
#ifndef HAECHI_GATEWAY_DESCRIBE_H
#define HAECHI_GATEWAY_DESCRIBE_H

#include "schema/base/json.h"

struct gateway;
struct registered;

/* Version, uptime, origin, policy bundle, registry, ledger, engines. The caller's; NULL: no memory. */
json_t *describe_gateway(struct gateway *gateway);
/* {"id","agency","version","title","verdict","domains","rules","ruleset","missing_facts","duties",...}. */
json_t *describe_usecase(const struct registered *registered);

#endif
