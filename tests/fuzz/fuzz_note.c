/* Notes, checkpoints, verifier keys: read, and what was read is written again to the same bytes. */
#include <stdlib.h>

#include "audit/checkpoint.h"
#include "tests/vectors/tlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct note_key keys[3];
	static struct note note;
	struct slice input = slice_of(data, size);
	struct checkpoint checkpoint;
	struct note_key key;
	struct buffer again;
	struct fault why;

	if (keys[0].name[0] == '\0' &&
	    (note_key_parse(&keys[0], slice_string(VECTOR_NOTE_KEY), &why) == -1 ||
	     note_key_parse(&keys[1], slice_string(VECTOR_CHECKPOINT_KEY), &why) == -1 ||
	     note_key_parse(&keys[2], slice_string(VECTOR_COSIGNATURE_KEY), &why) == -1))
		abort();
	buffer_init(&again, 1 << 21);
	if (note_parse(&note, input, &why) == 0) {
		if (note.count == 0 || note.text.size == 0 || note.text.data[note.text.size - 1] != '\n')
			abort();
		if (note_verify(&note, keys, 3, NULL, NULL, &why) == 0 && note.count > NOTE_SIGNATURES)
			abort();
		if (checkpoint_parse(&checkpoint, note.text, &why) == 0 && checkpoint.size >= TREE_SIZE_LIMIT)
			abort();
	}
	if (checkpoint_parse(&checkpoint, input, &why) == 0) {
		struct checkpoint second;

		checkpoint_write(&again, &checkpoint);
		if (checkpoint_parse(&second, buffer_view(&again), &why) == -1 ||
		    second.size != checkpoint.size || !tree_hash_equal(&second.root, &checkpoint.root))
			abort();
	}
	buffer_reset(&again);
	if (note_key_parse(&key, input, &why) == 0) {
		struct note_key second;

		note_key_write(&again, &key);
		if (note_key_parse(&second, buffer_view(&again), &why) == -1 || second.id != key.id)
			abort();
	}
	buffer_free(&again);
	return 0;
}
