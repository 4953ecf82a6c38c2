/*
 * nodes -- a tree in memory for tests: every stored node, found by height and index.
 */
#ifndef HAECHI_TESTS_NODES_H
#define HAECHI_TESTS_NODES_H

#include <stdlib.h>
#include <string.h>

#include "audit/tree.h"

struct nodes {
	struct tree_frontier frontier;
	struct tree_hash *level[40];
	size_t count[40], room[40];
};

static inline void
nodes_seen(void *context, unsigned height, uint64_t index, const struct tree_hash *hash)
{
	struct nodes *nodes = context;

	if (nodes->count[height] != index)
		abort();
	if (nodes->count[height] == nodes->room[height]) {
		nodes->room[height] = nodes->room[height] == 0 ? 64 : nodes->room[height] * 2;
		nodes->level[height] = realloc(nodes->level[height], nodes->room[height] * sizeof *hash);
		if (nodes->level[height] == NULL)
			abort();
	}
	nodes->level[height][nodes->count[height]++] = *hash;
}

static inline void
nodes_add(struct nodes *nodes, struct slice leaf)
{
	struct tree_hash hash;

	tree_leaf(&hash, leaf);
	tree_frontier_add(&nodes->frontier, &hash, nodes_seen, nodes);
}

static inline int
nodes_read(void *context, unsigned height, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct nodes *nodes = context;

	if (height >= 40 || index >= nodes->count[height])
		return fault_set(why, FAULT_NOT_FOUND, "노드 없음", "no such node");
	*out = nodes->level[height][index];
	return 0;
}

static inline struct tree_reader
nodes_reader(struct nodes *nodes)
{
	return (struct tree_reader){nodes_read, nodes};
}

static inline void
nodes_free(struct nodes *nodes)
{
	for (size_t i = 0; i < 40; i++)
		free(nodes->level[i]);
	memset(nodes, 0, sizeof *nodes);
}

#endif
