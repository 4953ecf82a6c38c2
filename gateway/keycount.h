/*
 * keycount -- how many orders to erase there were, remembered beside the journal (erasures: a decimal number): a key folder that
 * was put back from an older copy while the daemon was down has counted fewer. The entries of the erasures say the same (`keys`).
 */
#ifndef HAECHI_GATEWAY_KEYCOUNT_H
#define HAECHI_GATEWAY_KEYCOUNT_H

#include <stdint.h>

#include "schema/base/fault.h"

struct gateway;

/* On disk when it returns 0; what is there never gets smaller. */
MUST_CHECK int keycount_write(struct gateway *gateway, uint64_t count, struct fault *why);
/* FAULT_TAMPERED: the keys are of before some of the orders, so that what those erased may open again. */
MUST_CHECK int keycount_check(struct gateway *gateway, struct fault *why);

#endif
