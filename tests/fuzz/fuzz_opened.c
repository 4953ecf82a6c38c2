/* Opened receipts: JSON, base64, a receipt inside, under the keys of the corpus's own log. */
#include <stdint.h>
#include <stdlib.h>

#include "audit/opened.h"

/* Of the log that wrote tests/fuzz/corpus/opened. */
static const char vkeys[] =
    "haechi.haneul/node1+19e03026+AVqJQbCaK+6bH4idn+Vul6oH8XNhO/FZIDzQLPjVRW8d\n"
    "haechi.haneul/node1+90aabef9+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLy6tCI+2HjtH+BQKKdDMys47nZl0CPmgk63L2/"
    "QIcsfvlr5daVmdfpeIZXMNH9yKX83upAXx+oFVhhQi4YP2Qw=\n";
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyring keyring;
	static struct arena *arena;
	struct opened opened;
	struct fault why;

	if (arena == NULL &&
	    ((arena = arena_new(1 << 22)) == NULL || keyring_add(&keyring, SLICE_LITERAL(vkeys), &why) == -1))
		abort();
	arena_reset(arena);
	if (opened_check(&opened, slice_of(data, size), &keyring, arena, &why) == 0) {
		char hex[65];
		const char *part;

		/* What is accepted fits the entry it came with. */
		if (opened_commitment(&part, hex, opened.receipt.entry, &why) == -1 ||
		    part[0] != opened.part[0])
			abort();
	}
	opened_free(&opened);
	return 0;
}
