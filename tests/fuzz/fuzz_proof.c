/* tlog-proof files, and proofs of any shape against any sizes: nothing is believed by accident. */
#include <stdlib.h>
#include <string.h>

#include "audit/proof.h"
#include "schema/base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_of(slice_of(data, size));
	struct arena *arena = arena_new(1 << 20);
	struct proof_file file;
	struct proof proof = {0};
	struct tree_hash one = {{1}}, two = {{2}};
	struct buffer again;
	struct fault why;
	uint64_t a, b, c;

	if (arena == NULL)
		return 0;
	buffer_init(&again, 1 << 21);
	if (proof_file_read(&file, slice_of(data, size), arena, &why) == 0) {
		struct proof_file second;

		proof_file_write(&again, &file);
		if (!buffer_ok(&again) || proof_file_read(&second, buffer_view(&again), arena, &why) == -1 ||
		    second.index != file.index || second.proof.count != file.proof.count ||
		    !slice_equal(second.checkpoint, file.checkpoint))
			abort();
	}
	a = reader_u64be(&reader);
	b = reader_u64be(&reader);
	c = reader_u64be(&reader);
	while (reader.rest.size >= TREE_HASH_SIZE && proof.count < PROOF_HASHES) {
		struct slice hash = reader_take(&reader, TREE_HASH_SIZE);

		memcpy(proof.hashes[proof.count++].bytes, hash.data, TREE_HASH_SIZE);
	}
	/* Roots nobody has a preimage of: whatever the proof, it must not hold. */
	if (proof_check_inclusion(&proof, &one, a, b, &two, &why) == 0 ||
	    proof_check_consistency(&proof, a, &one, b, &two, &why) == 0)
		abort();
	if (proof_check_subtree(&proof, a, c, &one, b, &two, &why) == 0)
		abort();
	buffer_free(&again);
	arena_free(arena);
	return 0;
}
