/* Receipts: tlog-proof, entry, signed note; under keys that are none of theirs and under the corpus's own. */
#include <stdint.h>
#include <stdlib.h>

#include "audit/receipt.h"

/* Of the log that wrote tests/fuzz/corpus/receipt. */
static const char vkeys[] =
    "haechi.haneul/node1+66c7c8be+AYSxe8YvH+RRymg/6etCHduOyzz58HRVJP1HgpmEVYLY\n"
    "haechi.haneul/"
    "node1+d98350d2+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDgvLEBlTc7wgWSWjeSltc9ZUs2DPLOIniYnwn+A89uqWWhFwB/"
    "Tl0nP1hLuGG1gorJiIeXM4xwZI+FwhORf5YQ=\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyring keyring;
	static struct arena *arena;
	struct receipt receipt;
	struct fault why;

	if (arena == NULL &&
	    ((arena = arena_new(1 << 22)) == NULL || keyring_add(&keyring, SLICE_LITERAL(vkeys), &why) == -1))
		abort();
	arena_reset(arena);
	if (receipt_check(&receipt, slice_of(data, size), &keyring, arena, &why) == 0) {
		struct tree_hash leaf;

		/* What is accepted is consistent in itself. */
		tree_leaf(&leaf, receipt.entry);
		if (!tree_hash_equal(&leaf, &receipt.leaf) || receipt.index >= receipt.head.checkpoint.size)
			abort();
	}
	return 0;
}
