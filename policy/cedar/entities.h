/*
 * entities -- the store as evaluation sees it: rows found by uid, each with all its ancestors.
 */
#ifndef HAECHI_POLICY_CEDAR_ENTITIES_H
#define HAECHI_POLICY_CEDAR_ENTITIES_H

#include "policy/cedar/value.h"

struct cedar_row {
	const struct cedar_uid *uid;
	struct cedar_value attrs; /* records, never CEDAR_NONE */
	struct cedar_value tags;
	const struct cedar_uid *const *parents;
	uint32_t parent_count;
	uint32_t ancestor_count;
	const struct cedar_uid *const *ancestors; /* sorted by cedar_uid_order(), without itself */
};

struct cedar_entities {
	struct arena *arena;
	const struct cedar_entities *base;
	struct cedar_row *rows; /* sorted by cedar_uid_order() once sealed */
	uint32_t count;
	uint32_t capacity;
	const uint32_t *starts; /* first row of each bucket of hashes; one more than there are buckets */
	unsigned shift;         /* hash >> shift is the bucket */
	bool sealed;
};

/* NULL: not there. */
const struct cedar_row *cedar_entities_find(const struct cedar_entities *entities,
                                            const struct cedar_uid *uid);
/* `ancestor` is among the row's ancestors; a row is not its own. NULL has none. */
bool cedar_row_under(const struct cedar_row *row, const struct cedar_uid *ancestor);

#endif
