#include "audit/tile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int
not_tile(struct fault *why)
{
	return fault_set(why, FAULT_NOT_FOUND, "그런 타일이 없습니다", "no such tile");
}

static bool
digits_take(struct slice *rest, size_t count, uint64_t *number)
{
	if (rest->size < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (rest->data[i] < '0' || rest->data[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(rest->data[i] - '0');
	}
	rest->data += count;
	rest->size -= count;
	return true;
}

static bool
text_take(struct slice *rest, const char *text)
{
	size_t size = strlen(text);

	if (rest->size < size || memcmp(rest->data, text, size) != 0)
		return false;
	rest->data += size;
	rest->size -= size;
	return true;
}

int
tile_path_parse(struct tile *out, struct slice path, struct fault *why)
{
	char canonical[TILE_PATH_SIZE];
	struct slice rest = path;
	unsigned groups = 1;

	memset(out, 0, sizeof *out);
	out->width = TILE_WIDTH;
	if (path.size >= TILE_PATH_SIZE || !text_take(&rest, "tile/"))
		return not_tile(why);
	if (text_take(&rest, "entries/")) {
		out->entries = true;
	} else {
		uint64_t level = 0;

		while (rest.size != 0 && rest.data[0] != '/' && level < 64)
			if (!digits_take(&rest, 1, &level))
				return not_tile(why);
		if (level > 63 || !text_take(&rest, "/"))
			return not_tile(why);
		out->level = (unsigned)level;
	}
	/* Groups of three digits; six of them hold every number a size below 2^63 can have. */
	for (; text_take(&rest, "x"); groups++)
		if (groups == 6 || !digits_take(&rest, 3, &out->number) || !text_take(&rest, "/"))
			return not_tile(why);
	if (!digits_take(&rest, 3, &out->number))
		return not_tile(why);
	if (text_take(&rest, ".p/")) {
		uint64_t width = 0;

		if (rest.size > 3 || !digits_take(&rest, rest.size, &width) || width == 0 ||
		    width >= TILE_WIDTH)
			return not_tile(why);
		out->width = (unsigned)width;
	}
	/* One spelling only: no leading zeros, no needless groups, nothing behind. */
	tile_path_write(canonical, out);
	return slice_is(path, canonical) ? 0 : not_tile(why);
}

void
tile_path_write(char out[TILE_PATH_SIZE], const struct tile *tile)
{
	unsigned groups[7];
	unsigned count = 0;
	uint64_t number = tile->number;
	size_t at;

	do {
		groups[count++] = (unsigned)(number % 1000);
		number /= 1000;
	} while (number != 0);
	if (tile->entries)
		at = (size_t)snprintf(out, TILE_PATH_SIZE, "tile/entries/");
	else
		at = (size_t)snprintf(out, TILE_PATH_SIZE, "tile/%u/", tile->level);
	for (unsigned i = count; i-- > 0;)
		at += (size_t)snprintf(out + at, TILE_PATH_SIZE - at, i == 0 ? "%03u" : "x%03u/", groups[i]);
	if (tile->width < TILE_WIDTH)
		snprintf(out + at, TILE_PATH_SIZE - at, ".p/%u", tile->width);
}

uint64_t
tile_hashes(unsigned level, uint64_t size)
{
	return level >= 8 ? 0 : size >> (8 * level);
}

bool
tile_exists(const struct tile *tile, uint64_t size)
{
	uint64_t hashes = tile_hashes(tile->level, size);

	return tile->number < TREE_SIZE_LIMIT / TILE_WIDTH &&
	       tile->number * TILE_WIDTH + tile->width <= hashes;
}

int
tile_read(struct buffer *out, const struct tile *tile, const struct tree_reader *reader, struct fault *why)
{
	for (unsigned i = 0; i < tile->width; i++) {
		struct tree_hash hash;

		if (reader->read(reader->context, 8 * tile->level, tile->number * TILE_WIDTH + i, &hash,
		                 why) == -1)
			return -1;
		buffer_append(out, hash.bytes, sizeof hash.bytes);
	}
	return buffer_ok(out) ? 0 : fault_memory(why);
}

void
tile_entry_write(struct buffer *out, struct slice entry)
{
	if (entry.size > UINT16_MAX) {
		out->failed = true;
		return;
	}
	buffer_u16be(out, (uint16_t)entry.size);
	buffer_slice(out, entry);
}
