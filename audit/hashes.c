#include "audit/hashes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/base/log.h"

#define LEVELS 8u

struct hashes {
	int files[LEVELS];
	struct tree_frontier frontier; /* the writer's */
	_Atomic bool incomplete;
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

int
hashes_nodes(struct hashes *hashes, unsigned level, uint64_t first, unsigned count, struct tree_hash *out,
             struct fault *why)
{
	return read_nodes(hashes, hashes->incomplete ? LEVELS : level, first, count, out, why);
}

static int
node_read(void *context, unsigned height, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct hashes *hashes = context;
	struct tree_frontier frontier = {0};
	struct tree_hash nodes[128];
	unsigned count = 1u << (height % 8);

	if (hashes_nodes(hashes, height / 8, index << (height % 8), count, nodes, why) == -1)
		return -1;
	for (unsigned i = 0; i < count; i++)
		tree_frontier_add(&frontier, &nodes[i], NULL, NULL);
	*out = frontier.stack[0];
	return 0;
}

struct tree_reader
hashes_reader(struct hashes *hashes)
{
	return (struct tree_reader){node_read, hashes};
}

/* Do the files hold the tree in front of the journal? */
static bool
holds(struct hashes *hashes, const struct tree_frontier *base)
{
	const struct tree_reader reader = hashes_reader(hashes);
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
	hashes->frontier = *base;
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
