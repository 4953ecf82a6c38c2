/* Paths of tiles: one spelling each; trees of keys: what is read is whole. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/keytree.h"
#include "audit/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[TILE_PATH_SIZE];
	struct keytree tree;
	struct tile tile;
	struct fault why;
	uint8_t key[KEYTREE_KEY];

	if (tile_path_parse(&tile, slice_of(data, size), &why) == 0) {
		tile_path_write(path, &tile);
		if (!slice_is(slice_of(data, size), path) || tile.width == 0 || tile.width > TILE_WIDTH ||
		    tile.level > 63)
			abort();
		(void)tile_exists(&tile, UINT64_MAX >> 1);
	}
	if (sodium_init() != -1 && keytree_read(&tree, slice_of(data, size))) {
		for (size_t i = 0; i < tree.count && i < 4; i++) {
			const struct keytree_node node = tree.nodes[i];

			/* every node opens its own leaf; forgotten, it never does again */
			if (!keytree_key(&tree, node.month, node.path, key) ||
			    !keytree_forget(&tree, node.month, node.path) ||
			    keytree_key(&tree, node.month, node.path, key))
				abort();
		}
		keytree_free(&tree);
	}
	return 0;
}
