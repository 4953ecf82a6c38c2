/*
 * keytree -- keys for content that can be forgotten one by one, without a file that grows with every entry.
 *
 * Each month has a random root; the key of an entry is found by walking from the root down 64 levels, left or
 * right as the bits of a hash of the entry's id say, each step a one-way function. To forget one key, the
 * nodes above it are replaced by the siblings beside its path: every other key can still be derived, this one
 * never again, not even with a backup of the database (a puncturable pseudo-random function, after Goldreich,
 * Goldwasser and Micali). One forgotten key costs at most 64 nodes.
 *
 * Pure functions of memory; seal.c keeps the file. All memory of nodes comes from sodium_malloc().
 */
#ifndef HAECHI_AUDIT_KEYTREE_H
#define HAECHI_AUDIT_KEYTREE_H

#include "schema/base/bytes.h"

#define KEYTREE_KEY   32u
#define KEYTREE_DEPTH 64u
#define KEYTREE_LIMIT (64u * 1024 * 1024) /* bytes of an encoded tree: some 20,000 forgotten keys a month */

struct keytree_node {
	uint64_t path;  /* `depth` bits from the top, the rest zero */
	uint32_t month; /* since January 1970 */
	uint32_t depth;
	uint8_t key[KEYTREE_KEY];
};

struct keytree {
	struct keytree_node *nodes; /* by month, then path; sodium_malloc()ed, read-only between changes */
	size_t count, room;
};

void keytree_free(struct keytree *tree); /* zeroed memory is a tree without months */
bool keytree_has_month(const struct keytree *tree, uint32_t month);
/* A fresh root. false: no memory, or the month is there. */
MUST_CHECK bool keytree_add_month(struct keytree *tree, uint32_t month);
/* The nodes of one month, into a tree that has none. */
MUST_CHECK bool keytree_copy_month(struct keytree *out, const struct keytree *tree, uint32_t month);
/* false: this key was forgotten, or the month is not there. */
MUST_CHECK bool keytree_key(const struct keytree *tree, uint32_t month, uint64_t path,
                            uint8_t key[KEYTREE_KEY]);
/* Forget it. true also when it was forgotten already. */
MUST_CHECK bool keytree_forget(struct keytree *tree, uint32_t month, uint64_t path);

size_t keytree_encoded(const struct keytree *tree);
void keytree_write(uint8_t *out, const struct keytree *tree); /* keytree_encoded() bytes */
MUST_CHECK bool keytree_read(struct keytree *out, struct slice bytes);

#endif
