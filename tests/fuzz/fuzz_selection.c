/* Selection proofs: the first eight bytes are the log's size, the rest is the file. */
#include <stdint.h>

#include "audit/selection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
give_line(void *context, struct slice *out, struct fault *why)
{
	struct reader *reader = context;

	*out = reader_line(reader);
	if (!reader_ok(reader) || out->size > SELECTION_LINE_LIMIT)
		return fault_set(why, FAULT_INVALID, "끝", "end");
	return 0;
}

static int
give_leaf(void *context, uint64_t index, struct tree_hash *out, struct fault *why)
{
	const uint8_t byte = (uint8_t)index;

	(void)context;
	if (index > 100000) /* entries are lines of another file, which ends too */
		return fault_set(why, FAULT_INVALID, "끝", "end");
	tree_leaf(out, slice_of(&byte, 1));
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_of(slice_of(data, size));
	const uint64_t leaves = reader_u64be(&reader);
	const struct selection_source source = {give_line, give_leaf, &reader};
	struct selection selection;
	struct tree_hash root;
	struct fault why;

	if (!reader_ok(&reader))
		return 0;
	if (selection_root(&root, &selection, leaves, &source, &why) == 0 && selection.entries > 0 &&
	    (selection.last >= leaves || selection.first > selection.last))
		__builtin_trap();
	return 0;
}
