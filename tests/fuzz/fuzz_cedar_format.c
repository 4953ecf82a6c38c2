/*
 * cedar_format: text that parses is formatted; nothing but white space changes, so no comment is lost; and canonical
 * text is canonical: formatted again it stays as it is.
 * Run with -max_len=512; the corpus is that of cedar_policies as well.
 */
#include <stdlib.h>

#include "policy/cedar/cedar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* White space outside ASCII exists too: nothing outside ASCII is compared. */
static bool
is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte >= 0x80;
}

static bool
same_but_space(struct slice a, struct slice b)
{
	size_t i = 0, j = 0;

	for (;; i++, j++) {
		while (i < a.size && is_space(a.data[i]))
			i++;
		while (j < b.size && is_space(b.data[j]))
			j++;
		if (i == a.size || j == b.size)
			return i == a.size && j == b.size;
		if (a.data[i] != b.data[j])
			return false;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cedar_policies *policies;
	struct cedar_source source = {"fuzz", slice_of(data, size)};
	struct buffer first, second;

	if (size > 16384 || cedar_policies_parse(&policies, &source, 1, 0, NULL, NULL) == -1)
		return 0;
	cedar_policies_free(policies);
	buffer_init(&first, (size_t)16 << 20);
	buffer_init(&second, (size_t)16 << 20);
	if (cedar_format(&first, source, NULL, NULL) == 0 &&
	    (!same_but_space(source.text, buffer_view(&first)) ||
	     cedar_format(&second, (struct cedar_source){"again", buffer_view(&first)}, NULL, NULL) == -1 ||
	     !slice_equal(buffer_view(&first), buffer_view(&second))))
		abort();
	buffer_free(&first);
	buffer_free(&second);
	return 0;
}
