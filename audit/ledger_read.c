#include "audit/ledger_inside.h"

#include <inttypes.h>

#include "audit/audit.h"
#include "audit/hashes.h"
#include "audit/proof.h"
#include "audit/tile.h"

#define LOOK_TILES 8u /* some milliseconds of a thread that has time */

int
ledger_tile(struct ledger *ledger, struct slice path, struct buffer *out, bool *full, struct fault *why)
{
	struct tree_hash nodes[TILE_WIDTH];
	struct tile tile;

	if (tile_path_parse(&tile, path, why) == -1)
		return -1;
	if (tile.entries || !tile_exists(&tile, ledger_signed(ledger)))
		return fault_set(why, FAULT_NOT_FOUND, "그런 타일이 없습니다", "no such tile");
	if (hashes_nodes(ledger_hashes(ledger), tile.level, tile.number * TILE_WIDTH, tile.width, nodes,
	                 why) == -1)
		return -1;
	buffer_append(out, nodes, tile.width * sizeof nodes[0]);
	*full = tile.width == TILE_WIDTH;
	return buffer_ok(out) ? 0 : fault_memory(why);
}

/* Are both sizes signed already? */
static int
within(struct ledger *ledger, uint64_t size, struct fault *why)
{
	const uint64_t signed_size = ledger_signed(ledger);

	if (size <= signed_size)
		return 0;
	return fault_set(why, FAULT_NOT_FOUND,
	                 "기록의 크기는 %" PRIu64 "이고 %" PRIu64 "에 이르지 않았습니다",
	                 "the log has %" PRIu64 " entries and has not reached %" PRIu64, signed_size, size);
}

int
ledger_root(struct ledger *ledger, uint64_t size, struct tree_hash *root, struct fault *why)
{
	const struct tree_reader reader = hashes_reader(ledger_hashes(ledger));
	struct tree_frontier frontier;

	if (within(ledger, size, why) == -1 || tree_frontier_load(&frontier, &reader, size, why) == -1)
		return -1;
	tree_frontier_root(root, &frontier);
	return 0;
}

int
ledger_consistency(struct ledger *ledger, uint64_t older, uint64_t newer, struct proof *proof,
                   struct fault *why)
{
	const struct tree_reader reader = hashes_reader(ledger_hashes(ledger));

	return within(ledger, newer, why) == -1 ? -1 : proof_consistency(proof, &reader, older, newer, why);
}

int
ledger_look(struct ledger *ledger, struct fault *why)
{
	return hashes_look(ledger_hashes(ledger), LOOK_TILES, why);
}
