/* Trust policies: whatever was taken has a quorum that all its witnesses together meet. */
#include <stdlib.h>

#include "audit/quorum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct quorum quorum;
	static struct keyring keyring;
	bool all[QUORUM_WITNESSES], none[QUORUM_WITNESSES] = {false};
	struct buffer words;
	struct fault why;

	for (size_t i = 0; i < QUORUM_WITNESSES; i++)
		all[i] = true;
	if (quorum_parse(&quorum, slice_of(data, size), &why) == -1)
		return 0;
	if (!quorum_met(&quorum, all) || (!quorum.none && quorum_met(&quorum, none)))
		abort();
	buffer_init(&words, 1 << 16);
	quorum_describe(&words, &quorum);
	keyring.count = 0;
	if (words.size == 0 || quorum_keys(&keyring, &quorum, &why) == -1)
		abort();
	buffer_free(&words);
	return 0;
}
