/* Files of keys and the trees in them: what is read is written back to the same bytes, and forgets what it is told to. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/keytree.h"
#include "audit/periodfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_tree(struct slice bytes)
{
	struct keytree tree;
	uint8_t key[KEYTREE_KEY], *again;

	if (!keytree_read(&tree, bytes))
		return;
	if (keytree_encoded(&tree) != bytes.size || (again = malloc(bytes.size + 1)) == NULL)
		abort();
	keytree_write(again, &tree);
	if (bytes.size != 0 && memcmp(again, bytes.data, bytes.size) != 0)
		abort();
	if (tree.count > 0) {
		const uint64_t path = tree.nodes[tree.count / 2].path;
		const uint32_t month = tree.nodes[tree.count / 2].month;

		if (!keytree_key(&tree, month, path, key) || !keytree_forget(&tree, month, path) ||
		    keytree_key(&tree, month, path, key))
			abort();
	}
	free(again);
	keytree_free(&tree);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct periodfile_parts parts;
	struct periodfile file;
	struct buffer out;
	struct slice bound;
	uint8_t *body;

	if (sodium_init() == -1)
		abort();
	if (size > 0 && data[0] == 0) {
		check_tree(slice_of(data + 1, size - 1));
		return 0;
	}
	if (!periodfile_read(&file, &parts, slice_of(data, size)))
		return 0;
	buffer_init(&out, size + 1);
	if (!periodfile_head(&out, &file) || !slice_equal(buffer_view(&out), parts.head) ||
	    !periodfile_body(&out, &file, parts.wrapped, parts.body.size - aead_extra(file.cipher), &bound,
	                     &body) ||
	    !slice_equal(bound, parts.bound) || out.size != size)
		abort();
	buffer_free(&out);
	return 0;
}
