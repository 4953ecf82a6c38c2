/*
 * opening -- the sealed content of an entry is opened for somebody who may have it, and the log says so first (PIPA 29: who, when,
 * whose data, what for).
 */
#ifndef HAECHI_GATEWAY_OPENING_H
#define HAECHI_GATEWAY_OPENING_H

#include "schema/base/json.h"

struct gateway;

/*
 * {"entry","part","salt" (hex),"content" (base64),"access"}: `access` is the id of the entry that tells of it, durable before this
 * returns. FAULT_NOT_FOUND: no such entry, nothing was sealed for it, or its key was destroyed; FAULT_TAMPERED: what is stored does
 * not fit the entry, or the keys are an old copy, in which what was erased may open again. The operator's thread.
 */
MUST_CHECK int opening_run(struct gateway *gateway, const char *entry, const char *reason, const char *by,
                           json_t **result, struct fault *why);

#endif
