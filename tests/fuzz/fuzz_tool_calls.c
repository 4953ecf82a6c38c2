/* What a model says, in pieces, with tools on offer: nothing but calls is lost, and their arguments are JSON. */
#include <stdlib.h>
#include <string.h>

#include "inference/tool_calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *tools;
	struct tool_calls *calls;
	struct buffer content;
	size_t step;

	if (tools == NULL && (tools = json_pack("[{s:{s:s}}, {s:{s:s}}]", "function", "name", "f", "function",
	                                        "name", "weather")) == NULL)
		abort();
	if (size < 3 || size > 4096)
		return 0;
	step = 1 + data[1] % 32;
	if ((calls = tool_calls_new((enum tool_style)(1 + data[0] % 3), tools, data[0] >= 200,
	                            data[0] >= 230 ? "f" : NULL)) == NULL)
		abort();
	buffer_init(&content, 1 << 16);
	for (size_t at = 2; at < size; at += step)
		tool_calls_feed(calls, slice_of(data + at, size - at < step ? size - at : step), &content);
	tool_calls_end(calls, &content);
	if (!buffer_ok(&content) || content.size > size - 2)
		abort();
	if (calls->count == 0 && (content.size != size - 2 || memcmp(content.data, data + 2, size - 2) != 0))
		abort();
	for (size_t i = 0; i < calls->count; i++) {
		json_t *json = json_loads(calls->calls[i].arguments, 0, NULL);

		if (!json_is_object(json))
			abort();
		json_decref(json);
	}
	buffer_free(&content);
	tool_calls_free(calls);
	return 0;
}
