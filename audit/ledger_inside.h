/* The inside of the ledger: ledger.c writes, ledger_read.c gives out what was signed. */
#ifndef HAECHI_AUDIT_LEDGER_INSIDE_H
#define HAECHI_AUDIT_LEDGER_INSIDE_H

#include <stdint.h>

struct hashes;
struct ledger;

/* Entries under the newest checkpoint. Any thread. */
uint64_t ledger_signed(struct ledger *ledger);
struct hashes *ledger_hashes(struct ledger *ledger);

#endif
