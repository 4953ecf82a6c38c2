/*
 * entry_scan -- the quick half of entry_read(): one pass over the bytes, no tree.
 *
 * It says yes only to what is certainly a canonical entry and then gives the same columns as the tree would; to anything else,
 * odd but canonical entries included, it says no and entry_read() looks again by the tree. A fuzz target holds the two together.
 */
#ifndef HAECHI_SCHEMA_ENTRY_SCAN_H
#define HAECHI_SCHEMA_ENTRY_SCAN_H

#include "schema/entry.h"

/* true: *out is filled, its slices borrow from `bytes`, or are in the arena. false: not decided; *out is undefined. */
bool entry_scan(struct entry_columns *out, struct slice bytes, struct arena *arena);
/* What entry_read() does when the scan has not decided. */
MUST_CHECK int entry_read_tree(struct entry_columns *out, struct slice bytes, struct arena *arena,
                               struct fault *why);

#endif
