/* A JSON schema, a zero byte, and an answer: whatever is let through and complete is JSON. */
#include <stdlib.h>
#include <string.h>

#include "inference/constraint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	size_t schema_size = zero != NULL ? (size_t)(zero - data) : size;
	struct constraint *constraint = NULL;
	static struct constraint_state state, copy;
	struct fault why = {0};
	json_t *schema;

	if (size > 4096 || (schema = json_read(slice_of(data, schema_size), 4096, 32, NULL)) == NULL)
		return 0;
	if (constraint_compile(&constraint, schema, &why) == -1) {
		if (why.en[0] == '\0' || why.ko[0] == '\0')
			abort();
	} else {
		size_t at = schema_size + 1, start = at;

		constraint_begin(&state, constraint);
		for (; at < size; at++) { /* byte by byte, as far as it is let */
			constraint_copy(&copy, &state);
			if (!constraint_feed(&copy, slice_of(data + at, 1)))
				break;
			constraint_copy(&state, &copy);
		}
		if (!constraint_ended(&state)) { /* something may come, or what is there is enough */
			bool open = constraint_complete(&state);

			for (unsigned byte = 0; byte < 256 && !open; byte++) {
				const uint8_t one = (uint8_t)byte;

				constraint_copy(&copy, &state);
				open = constraint_feed(&copy, slice_of(&one, 1));
			}
			if (!open)
				abort();
		}
		if (constraint_complete(&state) && at > start) {
			/* A number may end with what was let through so far; everything else has its end. */
			json_t *answer =
			    json_loadb((const char *)data + start, at - start, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

			if (answer == NULL && at - start < 300)
				abort();
			json_decref(answer);
		}
	}
	constraint_free(constraint);
	json_decref(schema);
	return 0;
}
