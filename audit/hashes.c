#include "audit/hashes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/tile.h"
#include "schema/base/log.h"

#define LEVELS 8u

struct hashes {
	int files[LEVELS];
	struct tree_frontier frontier; /* the writer's */
	_Atomic bool incomplete;
	pthread_mutex_t lock;
	struct tree_frontier published; /* all of it is in the files */
	uint64_t next;                  /* tile that hashes_look() looks at next */
};

static bool
write_node(int file, uint64_t index, const struct tree_hash *hash)
{
	return pwrite(file, hash->bytes, TREE_HASH_SIZE, (off_t)(index * TREE_HASH_SIZE)) == TREE_HASH_SIZE;
}

static int
read_nodes(struct hashes *hashes, unsigned level, uint64_t first, unsigned count, struct tree_hash *out,
           struct fault *why)
{
	size_t size = count * sizeof *out;

	if (level < LEVELS &&
	    pread(hashes->files[level], out, size, (off_t)(first * TREE_HASH_SIZE)) == (ssize_t)size)
		return 0;
	return fault_set(why, FAULT_UNAVAILABLE, "타일 파일이 온전하지 않습니다",
	                 "the tile files are not complete");
}

/* The root over a power of two of nodes. */
static void
combine(struct tree_hash *out, const struct tree_hash *nodes, unsigned count)
{
	struct tree_frontier frontier = {0};

	for (unsigned i = 0; i < count; i++)
		tree_frontier_add(&frontier, &nodes[i], NULL, NULL);
	*out = frontier.stack[0];
}

/* ---- reading what was not changed ---------------------------------------------------------------------- */

/* How many nodes of this tile there are in the tree at `size`. */
static unsigned
tile_count(uint64_t size, unsigned level, uint64_t number)
{
	const uint64_t present = size >> (8 * level), begin = number * TILE_WIDTH;

	return present <= begin ? 0 : present - begin < TILE_WIDTH ? (unsigned)(present - begin) : TILE_WIDTH;
}

/* A tile that is not full is the last one: its nodes make the frontier's subtrees of these heights. */
static bool
edge_holds(const struct tree_frontier *at, unsigned level, const struct tree_hash *nodes, unsigned count)
{
	unsigned done = 0;

	for (unsigned bit = 8; bit-- > 0;) {
		const unsigned height = 8 * level + bit;
		struct tree_hash root;

		if ((count & 1u << bit) == 0)
			continue;
		combine(&root, &nodes[done], 1u << bit);
		if (!tree_hash_equal(&root, &at->stack[__builtin_popcountll(at->size >> height >> 1)]))
			return false;
		done += 1u << bit;
	}
	return true;
}

static bool
tile_holds(const struct tree_frontier *at, unsigned level, const struct tree_hash *nodes, unsigned count,
           const struct tree_hash *parent)
{
	struct tree_hash root;

	if (count < TILE_WIDTH)
		return edge_holds(at, level, nodes, count);
	combine(&root, nodes, count);
	return tree_hash_equal(&root, parent);
}

/* Inner hashes follow from those below. Into the files what differs. */
static int
tile_mend(struct hashes *hashes, const struct tree_frontier *at, unsigned level, uint64_t number,
          struct tree_hash *nodes, unsigned count, const struct tree_hash *parent, struct fault *why)
{
	struct tree_hash below[TILE_WIDTH], fresh[TILE_WIDTH];
	unsigned changed = 0;

	for (unsigned i = 0; level > 0 && i < count; i++) {
		if (read_nodes(hashes, level - 1, (number * TILE_WIDTH + i) * TILE_WIDTH, TILE_WIDTH, below,
		               why) == -1)
			return -1;
		combine(&fresh[i], below, TILE_WIDTH);
	}
	if (level == 0 || !tile_holds(at, level, fresh, count, parent))
		return fault_set(
		    why, FAULT_UNAVAILABLE,
		    "저널 폴더의 hashes.%u에서 %" PRIu64
		    "번 타일이 서명된 기록과 다릅니다: 누가 바꾸었거나 디스크가 상했습니다. 그 파일을 "
		    "되살리십시오",
		    "hashes.%u in the journal's folder: tile %" PRIu64
		    " is not that of the signed log: somebody changed it, or the disk is damaged. "
		    "Restore that file",
		    level, number);
	for (unsigned i = 0; i < count; i++) {
		if (tree_hash_equal(&fresh[i], &nodes[i]))
			continue;
		nodes[i] = fresh[i];
		changed++;
		if (!write_node(hashes->files[level], number * TILE_WIDTH + i, &nodes[i]))
			hashes->incomplete = true;
	}
	log_error("ledger", "event=tiles-changed level=%u tile=%" PRIu64 " nodes=%u mended=yes", level,
	          number, changed);
	return 0;
}

/* A tile as the tree at `at` has it. *count nodes. */
static int
tile_checked(struct hashes *hashes, const struct tree_frontier *at, unsigned level, uint64_t number,
             struct tree_hash nodes[TILE_WIDTH], unsigned *count, struct fault *why)
{
	struct tree_hash parent[TILE_WIDTH];
	unsigned parent_count;

	*count = tile_count(at->size, level, number);
	if (hashes->incomplete || *count == 0)
		return read_nodes(hashes, LEVELS, 0, 0, nodes, why);
	if (*count == TILE_WIDTH &&
	    tile_checked(hashes, at, level + 1, number / TILE_WIDTH, parent, &parent_count, why) == -1)
		return -1;
	if (read_nodes(hashes, level, number * TILE_WIDTH, *count, nodes, why) == -1)
		return -1;
	return tile_holds(at, level, nodes, *count, &parent[number % TILE_WIDTH])
	           ? 0
	           : tile_mend(hashes, at, level, number, nodes, *count, &parent[number % TILE_WIDTH], why);
}

static void
published(struct hashes *hashes, struct tree_frontier *out)
{
	pthread_mutex_lock(&hashes->lock);
	*out = hashes->published;
	pthread_mutex_unlock(&hashes->lock);
}

int
hashes_nodes(struct hashes *hashes, unsigned level, uint64_t first, unsigned count, struct tree_hash *out,
             struct fault *why)
{
	struct tree_hash nodes[TILE_WIDTH];
	struct tree_frontier at;
	unsigned present;

	if (level >= LEVELS)
		return read_nodes(hashes, LEVELS, 0, 0, out, why);
	published(hashes, &at);
	if (tile_checked(hashes, &at, level, first / TILE_WIDTH, nodes, &present, why) == -1)
		return -1;
	if (first % TILE_WIDTH + count > present)
		return read_nodes(hashes, LEVELS, 0, 0, out, why);
	memcpy(out, &nodes[first % TILE_WIDTH], count * sizeof *out);
	return 0;
}

static int
node_read(void *context, unsigned height, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct tree_hash nodes[TILE_WIDTH / 2];

	if (hashes_nodes(context, height / 8, index << (height % 8), 1u << (height % 8), nodes, why) == -1)
		return -1;
	combine(out, nodes, 1u << (height % 8));
	return 0;
}

struct tree_reader
hashes_reader(struct hashes *hashes)
{
	return (struct tree_reader){node_read, hashes};
}

int
hashes_look(struct hashes *hashes, unsigned tiles, struct fault *why)
{
	struct tree_hash nodes[TILE_WIDTH];
	struct tree_frontier at;
	unsigned count;

	published(hashes, &at);
	for (unsigned i = 0; i < tiles && at.size > 0 && !hashes->incomplete; i++) {
		if (hashes->next * TILE_WIDTH >= at.size)
			hashes->next = 0;
		if (tile_checked(hashes, &at, 0, hashes->next, nodes, &count, why) == -1)
			return hashes->incomplete ? 0 : -1;
		hashes->next++;
	}
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* As they lie there; what they are compared with comes after. */
static int
node_read_unchecked(void *context, unsigned height, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct tree_hash nodes[TILE_WIDTH / 2];

	if (read_nodes(context, height / 8, index << (height % 8), 1u << (height % 8), nodes, why) == -1)
		return -1;
	combine(out, nodes, 1u << (height % 8));
	return 0;
}

/* Do the files hold the tree in front of the journal? */
static bool
holds(struct hashes *hashes, const struct tree_frontier *base)
{
	const struct tree_reader reader = {node_read_unchecked, hashes};
	struct tree_frontier here;
	struct tree_hash ours, theirs;

	if (tree_frontier_load(&here, &reader, base->size, NULL) == -1)
		return false;
	tree_frontier_root(&ours, base);
	tree_frontier_root(&theirs, &here);
	return tree_hash_equal(&ours, &theirs);
}

int
hashes_open(struct hashes **out, const char *directory, const struct tree_frontier *base, struct fault *why)
{
	struct hashes *hashes = calloc(1, sizeof *hashes);

	*out = NULL;
	if (hashes == NULL)
		return fault_memory(why);
	pthread_mutex_init(&hashes->lock, NULL);
	for (unsigned level = 0; level < LEVELS; level++)
		hashes->files[level] = -1;
	for (unsigned level = 0; level < LEVELS; level++) {
		char path[PATH_MAX];

		snprintf(path, sizeof path, "%s/hashes.%u", directory, level);
		hashes->files[level] = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (hashes->files[level] == -1) {
			fault_errno(why, "타일 파일 %s", "tile file %s", path);
			hashes_close(hashes);
			return -1;
		}
	}
	hashes->frontier = hashes->published = *base;
	hashes->incomplete = !holds(hashes, base);
	if (hashes->incomplete)
		log_warn("ledger", "event=tiles-incomplete directory=%s", directory);
	*out = hashes;
	return 0;
}

void
hashes_close(struct hashes *hashes)
{
	if (hashes == NULL)
		return;
	for (unsigned level = 0; level < LEVELS; level++)
		if (hashes->files[level] != -1)
			close(hashes->files[level]);
	pthread_mutex_destroy(&hashes->lock);
	free(hashes);
}

static void
node_write(void *context, unsigned height, uint64_t index, const struct tree_hash *hash)
{
	struct hashes *hashes = context;

	/* Level 0 is written by the batch, in one call. */
	if (height == 0 || height % 8 != 0 || height / 8 >= LEVELS)
		return;
	if (!write_node(hashes->files[height / 8], index, hash))
		hashes->incomplete = true;
}

void
hashes_add(struct hashes *hashes, const struct tree_hash *leaves, uint32_t count)
{
	ssize_t size = (ssize_t)(count * sizeof *leaves);
	bool before = hashes->incomplete;

	if (pwrite(hashes->files[0], leaves, (size_t)size, (off_t)(hashes->frontier.size * TREE_HASH_SIZE)) !=
	    size)
		hashes->incomplete = true;
	for (uint32_t i = 0; i < count; i++)
		tree_frontier_add(&hashes->frontier, &leaves[i], node_write, hashes);
	pthread_mutex_lock(&hashes->lock);
	hashes->published = hashes->frontier;
	pthread_mutex_unlock(&hashes->lock);
	if (hashes->incomplete && !before)
		log_warn("ledger", "event=tiles-incomplete reason=write");
}

int
hashes_sync(struct hashes *hashes, struct fault *why)
{
	for (unsigned level = 0; level < LEVELS; level++)
		if (fdatasync(hashes->files[level]) == -1) {
			hashes->incomplete = true;
			return fault_errno(why, "타일 파일 동기화", "syncing the tile files");
		}
	return 0;
}
