/* What logs and witnesses say to each other: requests, answers, sizes. What was read is written again to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "audit/cosignature.h"
#include "tests/vectors/tlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct note_key key;
	struct slice input = slice_of(data, size);
	struct cosignature_request request, second;
	struct buffer out;
	struct fault why;
	uint64_t number;

	if (key.name[0] == '\0' && note_key_parse(&key, slice_string(VECTOR_COSIGNATURE_KEY), &why) == -1)
		abort();
	buffer_init(&out, 1 << 20);
	if (cosignature_request_read(&request, input, &why) == 0) {
		cosignature_request_write(&out, &request);
		if (!buffer_ok(&out) || cosignature_request_read(&second, buffer_view(&out), &why) == -1 ||
		    second.older != request.older || second.proof.count != request.proof.count ||
		    memcmp(second.proof.hashes, request.proof.hashes,
		           request.proof.count * sizeof request.proof.hashes[0]) != 0 ||
		    !slice_equal(second.checkpoint, request.checkpoint))
			abort();
	}
	buffer_reset(&out);
	if (cosignature_answer_read(
	        &out, &number,
	        SLICE_LITERAL("transparency.dev/armored-witness/firmware_transparency/ci/3\n59\n"
	                      "kOFMkeamIdrYFLx5zbWFhflak6dlEEDOU++fxYEZMBw=\n"),
	        input, &key, &why) == 0 &&
	    (out.size == 0 || number != VECTOR_COSIGNATURE_TIME))
		abort();
	if (cosignature_size_read(&number, input, &why) == 0 && number >= TREE_SIZE_LIMIT)
		abort();
	buffer_free(&out);
	return 0;
}
