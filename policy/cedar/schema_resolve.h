/*
 * schema_resolve -- what its two files share while the names of one schema get their meaning.
 */
#ifndef HAECHI_POLICY_CEDAR_SCHEMA_RESOLVE_H
#define HAECHI_POLICY_CEDAR_SCHEMA_RESOLVE_H

#include "policy/cedar/schema.h"

struct common {
	struct cedar_string name; /* whole */
	const struct draft_common *draft;
	const struct cedar_type *type;
	enum { COMMON_NEW = 0, COMMON_OPEN, COMMON_DONE } state;
};

struct named {
	struct cedar_string name;
	uint32_t number;
};

/* A sorted list of names, each with its place in another list. */
struct directory {
	struct named *items;
	uint32_t count;
};

struct resolution {
	const struct schema_draft *draft;
	struct arena *arena;
	struct cedar_entity_type *entities; /* as in the draft, then the types of actions */
	uint32_t entity_count;
	struct common *commons;
	struct cedar_action_type *actions;
	struct directory entity_names, common_names;
	unsigned depth;
	bool memory;
};

#define complain(resolution, offset, hint_ko, hint_en, ...)                                                  \
	cedar_complain((resolution)->draft->notes, CEDAR_ERROR, (resolution)->draft->source, offset,         \
	               hint_ko, hint_en, __VA_ARGS__)

/* Zeroed room in the schema's arena; NULL: used up, and remembered. */
void *resolution_take(struct resolution *resolution, size_t count, size_t size);
/* Namespace and name as one. */
struct cedar_string resolution_whole_name(struct resolution *resolution, const struct cedar_string *namespace,
                                          const struct cedar_string *name);
bool resolution_qualified(const struct cedar_string *name);
/* What a name means as seen from a namespace; complained when it means nothing. */
const struct cedar_type *resolution_type(struct resolution *resolution, const struct draft_type *type,
                                         const struct cedar_string *namespace);
struct cedar_entity_type *resolution_entity(struct resolution *resolution, const struct draft_name *name,
                                            const struct cedar_string *namespace);

void resolution_complain_twice(struct resolution *resolution, uint32_t offset,
                               const struct cedar_string *name);
/* Declared in a namespace and outside of all. */
void resolution_complain_shadow(struct resolution *resolution, const struct draft_name *name);

/* schema_actions.c: every action with its uid, sorted; then their groups, types and contexts. false: memory. */
const struct cedar_action_type **resolution_name_actions(struct resolution *resolution);
bool resolution_actions(struct resolution *resolution, const struct cedar_action_type **sorted,
                        struct cedar_schema *schema);

#endif
