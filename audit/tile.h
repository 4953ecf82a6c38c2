/*
 * tile -- the log as C2SP tlog-tiles: paths under /log/, and the bytes behind them.
 *
 * A tile (level L, number N) holds up to 256 hashes, nodes of height 8 L; an entry bundle holds up to 256
 * entries as u16be length || bytes. Full ones never change; partial ones carry their width in the path.
 */
#ifndef HAECHI_AUDIT_TILE_H
#define HAECHI_AUDIT_TILE_H

#include "audit/tree.h"

#define TILE_WIDTH     256
#define TILE_PATH_SIZE 64

struct tile {
	bool entries;   /* a bundle of entries; level is 0 then */
	unsigned level; /* 0-63 */
	uint64_t number;
	unsigned width; /* 1-256 */
};

/* "tile/1/x001/x234/067.p/112", without a slash in front; exactly so, else FAULT_NOT_FOUND. */
MUST_CHECK int tile_path_parse(struct tile *out, struct slice path, struct fault *why);
void tile_path_write(char out[TILE_PATH_SIZE], const struct tile *tile);

/* Hashes at `level` that a tree of `size` has. */
uint64_t tile_hashes(unsigned level, uint64_t size);
/* Is the tile within a tree of `size`? A partial tile of any width is, while its hashes exist. */
bool tile_exists(const struct tile *tile, uint64_t size);
/* The bytes of a hash tile. */
MUST_CHECK int tile_read(struct buffer *out, const struct tile *tile, const struct tree_reader *reader,
                         struct fault *why);
/* One entry into a bundle. */
void tile_entry_write(struct buffer *out, struct slice entry);

#endif
