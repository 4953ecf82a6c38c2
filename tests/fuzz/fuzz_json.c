/* json: whatever is read can be written canonically and read again to the same bytes, or is refused. */
#include <stdlib.h>

#include "schema/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer first, second;
	struct fault why;
	json_t *value = json_read(slice_of(data, size), 65536, JSON_DEPTH_LIMIT, &why), *again;

	if (value == NULL)
		return 0;
	buffer_init(&first, 1 << 20);
	buffer_init(&second, 1 << 20);
	json_write_canonical(&first, value);
	if (buffer_ok(&first)) {
		if ((again = json_read(buffer_view(&first), 1 << 20, JSON_DEPTH_LIMIT, &why)) == NULL)
			abort();
		json_write_canonical(&second, again);
		if (!slice_equal(buffer_view(&first), buffer_view(&second)))
			abort();
		json_decref(again);
	}
	buffer_free(&first);
	buffer_free(&second);
	json_decref(value);
	return 0;
}
