/*
 * entries -- entry bundles of the log (C2SP tlog-tiles, /log/tile/entries/...), for auditors.
 *
 * Entries hold commitments and facts, no content; but they say which service asked what for whom, by pseudonyms that the agency can
 * undo. So hash tiles are everybody's, bundles are given to keys with the role `auditor` or `regulator` alone, and every bundle that is
 * given out is an access entry first.
 */
#ifndef HAECHI_GATEWAY_ENTRIES_H
#define HAECHI_GATEWAY_ENTRIES_H

#include "audit/tile.h"
#include "gateway/exchange.h"

/*
 * Fills x->body and wakes x: GO_ON, or REFUSE with x->why. FAULT_FORBIDDEN: not for this caller, whose subject x has; FAULT_NOT_FOUND:
 * beyond the newest head, or detached into an archive; FAULT_UNAVAILABLE: not in PostgreSQL yet.
 */
void entries_fetch(struct exchange *x, const struct tile *tile);

#endif
