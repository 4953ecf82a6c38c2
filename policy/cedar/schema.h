/*
 * schema -- entity types, actions and types, resolved; and the draft that both syntaxes are read into.
 *
 * A type is one node in the schema's arena; types without parts are shared, so two pointers alike mean two types
 * alike (the reverse does not hold). Common types disappear in resolution.
 */
#ifndef HAECHI_POLICY_CEDAR_SCHEMA_H
#define HAECHI_POLICY_CEDAR_SCHEMA_H

#include "policy/cedar/ast.h"
#include "policy/cedar/entities.h"

/* ---- resolved ------------------------------------------------------------------------------------------------- */

enum cedar_type_kind {
	CEDAR_TYPE_NEVER = 0, /* none: no value is of it */
	CEDAR_TYPE_BOOL,
	CEDAR_TYPE_TRUE, /* only in validation: known to be true */
	CEDAR_TYPE_FALSE,
	CEDAR_TYPE_LONG,
	CEDAR_TYPE_STRING,
	CEDAR_TYPE_ENTITY,
	CEDAR_TYPE_SET,
	CEDAR_TYPE_RECORD,
	CEDAR_TYPE_DECIMAL,
	CEDAR_TYPE_IP,
	CEDAR_TYPE_DATETIME,
	CEDAR_TYPE_DURATION,
};

struct cedar_type {
	enum cedar_type_kind kind;
	uint32_t count;
	const struct cedar_type *element; /* of a set */
	const struct cedar_entity_type *entity;
	const struct cedar_attribute *attributes; /* of a record, sorted by name */
};

struct cedar_attribute {
	struct cedar_string name;
	const struct cedar_type *type;
	bool required;
};

struct cedar_entity_type {
	struct cedar_string name; /* with its namespace */
	uint32_t number;
	bool action;                    /* NS::Action: no attributes, no tags, never declared as an entity */
	const struct cedar_type *shape; /* a record */
	const struct cedar_type *tags;  /* NULL: none may be there */
	const struct cedar_type *self;  /* the type of its entities */
	const uint64_t *above; /* bits of all types it can be in, without itself unless declared so */
	const struct cedar_string *ids; /* of an enumeration, sorted by hash as in records; NULL: any id */
	uint32_t id_count;
};

struct cedar_action_type {
	const struct cedar_uid *uid;
	const struct cedar_entity_type *type;
	const struct cedar_uid *const *parents;
	uint32_t parent_count;
	const struct cedar_entity_type *const *principals;
	uint32_t principal_count;
	const struct cedar_entity_type *const *resources;
	uint32_t resource_count;
	const struct cedar_type *context; /* a record */
};

struct cedar_schema {
	struct arena *arena;
	const struct cedar_entity_type **entities; /* sorted by name's hash; actions' types among them */
	uint32_t entity_count;
	const struct cedar_action_type **actions; /* sorted by cedar_uid_order() */
	uint32_t action_count;
	const struct cedar_entities *action_store; /* the actions with their groups, sealed */
};

const struct cedar_entity_type *cedar_schema_entity(const struct cedar_schema *schema,
                                                    const struct cedar_string *name);
const struct cedar_action_type *cedar_schema_action(const struct cedar_schema *schema,
                                                    const struct cedar_uid *uid);
/* Entities of `type` can be in entities of `above`, or they are the same type. */
bool cedar_entity_type_under(const struct cedar_entity_type *type, const struct cedar_entity_type *above);
bool cedar_entity_type_allows(const struct cedar_entity_type *type, const struct cedar_string *id);
const struct cedar_attribute *cedar_type_attribute(const struct cedar_type *record,
                                                   const struct cedar_string *name);
const struct cedar_type *cedar_type_simple(enum cedar_type_kind kind);
/* Long, String, Bool, ipaddr …, also behind "__cedar::"; NULL: no such type. */
const struct cedar_type *cedar_type_builtin(const struct cedar_string *name);
/* Cedar's name of a type, for messages. */
void cedar_type_write(struct buffer *out, const struct cedar_type *type);
/* The value is exactly of this type. `path` (may be NULL) gets the attribute of a record that is not. */
bool cedar_type_fits(const struct cedar_schema *schema, const struct cedar_type *type,
                     struct cedar_value value, struct cedar_string *path);

/* A request from JSON that was read already; see cedar_request_read(). */
struct cedar_json;
MUST_CHECK int cedar_request_from(struct cedar_request *out, struct arena *arena,
                                  const struct cedar_json *json, const struct cedar_schema *schema,
                                  bool check, struct fault *why);

/* The same for entities; see cedar_entities_read(). */
MUST_CHECK int cedar_entities_from(struct cedar_entities **out, struct arena *arena,
                                   const struct cedar_json *json, const struct cedar_schema *schema,
                                   struct fault *why);

/* ---- drafts ---------------------------------------------------------------------------------------------------- */

enum draft_type_kind {
	DRAFT_NAME,        /* common type, entity type or built-in, whichever is found first */
	DRAFT_COMMON_NAME, /* JSON {"type":"X"}: no entity type */
	DRAFT_ENTITY_NAME, /* JSON {"type":"Entity"}: nothing else */
	DRAFT_BUILTIN,     /* JSON Long, String, Boolean and Extension */
	DRAFT_SET,
	DRAFT_RECORD,
};

struct draft_type {
	enum draft_type_kind kind;
	uint32_t offset;
	uint32_t count;
	struct cedar_string name;
	const struct cedar_type *builtin;
	const struct draft_type *element;
	const struct draft_attribute *attributes;
};

struct draft_attribute {
	struct cedar_string name;
	const struct draft_type *type;
	bool required;
};

struct draft_name {
	struct cedar_string name;
	uint32_t offset;
};

struct draft_entity {
	struct draft_name name;
	struct cedar_string namespace;
	const struct draft_name *parents;
	uint32_t parent_count;
	bool enumerated;
	const struct cedar_string *ids;
	uint32_t id_count;
	const struct draft_type *shape; /* NULL: empty */
	const struct draft_type *tags;
};

struct draft_reference {
	bool typed;
	struct cedar_string type;
	struct cedar_string id;
	uint32_t offset;
};

struct draft_action {
	struct draft_name id;
	struct cedar_string namespace;
	const struct draft_reference *parents;
	uint32_t parent_count;
	bool applies;
	const struct draft_name *principals;
	uint32_t principal_count;
	const struct draft_name *resources;
	uint32_t resource_count;
	const struct draft_type *context; /* NULL: empty */
};

struct draft_common {
	struct draft_name name;
	struct cedar_string namespace;
	const struct draft_type *type;
};

struct schema_draft {
	struct arena *arena;
	const struct cedar_text_source *source;
	struct cedar_notes *notes;
	struct draft_entity *entities;
	uint32_t entity_count, entity_capacity;
	struct draft_action *actions;
	uint32_t action_count, action_capacity;
	struct draft_common *commons;
	uint32_t common_count, common_capacity;
};

/* false: memory. Complaints go to draft->notes. */
bool schema_read_text(struct schema_draft *draft);
bool schema_read_json(struct schema_draft *draft);
/* false: memory. Of no use when there were complaints. */
bool schema_resolve(const struct schema_draft *draft, struct cedar_schema *schema);
/* Room for one more in a list of the draft. */
bool schema_grow(struct arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t size);

#endif
