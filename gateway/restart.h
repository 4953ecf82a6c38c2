/*
 * restart -- what a reload has read and only the next start applies: what was opened or bounded at the start, and places that
 * the confinement does not let out to. A reload that seems to have worked and has not is worse than one that is refused.
 */
#ifndef HAECHI_GATEWAY_RESTART_H
#define HAECHI_GATEWAY_RESTART_H

#include "gateway/confine.h"
#include "schema/base/json.h"

/* Members of haechi.yaml ("limits", "engines.gpu2"), as an array of strings, the caller's; NULL: no memory. `confine` may be NULL. */
json_t *restart_list(const struct config *started, const struct config *now, const struct confine *confine);

#endif
