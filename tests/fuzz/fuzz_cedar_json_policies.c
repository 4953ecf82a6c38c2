/*
 * cedar_json_policies: the JSON form; what is accepted is written and read again to the same bytes.
 * Run with -max_len=1024.
 */
#include <stdlib.h>

#include "policy/cedar/cedar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cedar_policies *policies, *again;
	struct buffer first, second;

	if (size > 16384 ||
	    cedar_policies_parse_json(&policies, (struct cedar_source){"fuzz", slice_of(data, size)}, NULL,
	                              NULL) == -1)
		return 0;
	buffer_init(&first, (size_t)64 << 20);
	buffer_init(&second, (size_t)64 << 20);
	if (cedar_policies_write_json(&first, policies, NULL) == -1)
		abort();
	if (cedar_policies_parse_json(&again, (struct cedar_source){"json", buffer_view(&first)}, NULL,
	                              NULL) == 0) {
		if (cedar_policies_write_json(&second, again, NULL) == -1 ||
		    !slice_equal(buffer_view(&first), buffer_view(&second)))
			abort();
		cedar_policies_free(again);
	}
	buffer_free(&first);
	buffer_free(&second);
	cedar_policies_free(policies);
	return 0;
}
