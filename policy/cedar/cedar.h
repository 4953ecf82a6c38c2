/*
 * cedar -- the Cedar policy language, version 4.5: policies are compiled once and asked many times.
 *
 * A snapshot (struct cedar_policies), a schema and a sealed entity store never change after they are made: any
 * number of threads may read them at once. Deciding allocates only from the caller's arena, takes no lock, reads no
 * clock and no file, and touches no JSON. Values are small and passed by value; what they point at lives in the
 * arena they were built in, and bytes handed over as slices are borrowed: they must live as long as the value.
 * Failure to build a value (arena used up) gives CEDAR_NONE, which spreads upwards and is refused by
 * cedar_authorize(): a builder may check once at the end.
 *
 * Source of behaviour: the Cedar specification (docs and Lean model), as the Rust SDK 4.10-4.12 does it.
 */
#ifndef HAECHI_POLICY_CEDAR_CEDAR_H
#define HAECHI_POLICY_CEDAR_CEDAR_H

#include "schema/base/arena.h"
#include "schema/base/bytes.h"
#include "schema/base/fault.h"

/* ---- limits of every parser here; documented, and proven by tests --------------------------------------------- */

#define CEDAR_TEXT_LIMIT   ((size_t)16 << 20) /* bytes of one source */
#define CEDAR_DEPTH_LIMIT  400                /* brackets in brackets, operators in operators */
#define CEDAR_NAMES_LIMIT  4096               /* names of one record, annotations of one policy */
#define CEDAR_NOTES_LIMIT  200                /* complaints kept of one run; the rest is only counted */
#define CEDAR_POLICY_LIMIT 100000             /* policies and links of one set */

/* ---- values --------------------------------------------------------------------------------------------------- */

enum cedar_kind {
	CEDAR_NONE = 0, /* no value: memory was used up */
	CEDAR_BOOL,
	CEDAR_LONG,
	CEDAR_STRING,
	CEDAR_ENTITY,
	CEDAR_SET,
	CEDAR_RECORD,
	CEDAR_DECIMAL, /* number: value * 10^4 */
	CEDAR_IP,
	CEDAR_DATETIME, /* number: milliseconds since 1970, UTC */
	CEDAR_DURATION, /* number: milliseconds */
};

/* Text with its hash. Made once and kept: static names of attributes and types cost nothing at request time. */
struct cedar_string {
	const char *data; /* UTF-8, not terminated */
	uint32_t size;
	uint32_t hash;
};

/* The name of an entity: normalized type ("Haechi::Model") and id. */
struct cedar_uid {
	struct cedar_string type;
	struct cedar_string id;
	uint32_t hash;
};

struct cedar_set;
struct cedar_record;
struct cedar_ip;

struct cedar_value {
	enum cedar_kind kind;
	union {
		bool boolean;
		int64_t number; /* long, decimal, datetime, duration */
		const struct cedar_string *string;
		const struct cedar_uid *entity;
		const struct cedar_set *set;
		const struct cedar_record *record;
		const struct cedar_ip *ip;
	} as;
};

struct cedar_field {
	struct cedar_string name;
	struct cedar_value value;
};

/* `bytes` are borrowed and must be UTF-8 of less than 4 GiB. */
struct cedar_string cedar_string_of(struct slice bytes);
struct cedar_uid cedar_uid_of(struct cedar_string type, struct cedar_string id);
/* The same in the arena; NULL when it is used up. `type` and `id` are borrowed, not copied. */
const struct cedar_uid *cedar_uid(struct arena *arena, struct slice type, struct slice id);

struct cedar_value cedar_bool(bool value);
struct cedar_value cedar_long(int64_t value);
struct cedar_value cedar_datetime(int64_t wall_ms);
struct cedar_value cedar_duration(int64_t ms);
struct cedar_value cedar_decimal(int64_t ten_thousandths);
struct cedar_value cedar_entity(const struct cedar_uid *uid); /* borrowed; NULL gives CEDAR_NONE */
struct cedar_value cedar_string(struct arena *arena, struct slice bytes);
struct cedar_value cedar_text(const struct cedar_string *string); /* borrowed: nothing is allocated */
/* Any order, twins are dropped. The items are copied. */
struct cedar_value cedar_set(struct arena *arena, const struct cedar_value *items, size_t count);
/* Any order; a name given twice gives CEDAR_NONE. The fields are copied. */
struct cedar_value cedar_record(struct arena *arena, const struct cedar_field *fields, size_t count);
/* decimal("…"), ip("…"), datetime("…"), duration("…"); CEDAR_NONE when the text is malformed. */
struct cedar_value cedar_parse_decimal(struct slice text);
struct cedar_value cedar_parse_ip(struct arena *arena, struct slice text);
struct cedar_value cedar_parse_datetime(struct slice text);
struct cedar_value cedar_parse_duration(struct slice text);

bool cedar_equal(struct cedar_value a, struct cedar_value b);
/* Attribute of a record; CEDAR_NONE when it has none such. */
struct cedar_value cedar_record_get(struct cedar_value record, const struct cedar_string *name);
/* As Cedar text ("Model::\"gpt\"", "[1, 2]"), for people. */
void cedar_value_write(struct buffer *out, struct cedar_value value);

/* ---- entities ------------------------------------------------------------------------------------------------- */

/*
 * A store lives in its arena. It may stand on a sealed base store (agencies, roles, models: shared, long-lived) and
 * add what one request needs; an entity found above hides the one below. Entities need not exist to be named.
 */
struct cedar_entities;

struct cedar_entities *cedar_entities_new(struct arena *arena, const struct cedar_entities *base);
/*
 * `attrs` and `tags` are records or CEDAR_NONE for none. Parents need not be in the store. The same uid twice is
 * refused unless both are alike. Everything is borrowed, the list of parents is copied.
 */
MUST_CHECK int cedar_entities_add(struct cedar_entities *entities, const struct cedar_uid *uid,
                                  struct cedar_value attrs, struct cedar_value tags,
                                  const struct cedar_uid *const *parents, size_t parent_count,
                                  struct fault *why);
/* Ancestors are closed, cycles refused. Must be called once after the last add and before the store is asked. */
MUST_CHECK int cedar_entities_seal(struct cedar_entities *entities, struct fault *why);
size_t cedar_entities_count(const struct cedar_entities *entities); /* without the base */

/* ---- complaints ----------------------------------------------------------------------------------------------- */

#define CEDAR_NO_POLICY UINT32_MAX

enum cedar_severity { CEDAR_ERROR = 0, CEDAR_WARNING };

struct cedar_note {
	enum cedar_severity severity;
	const char *file;              /* name of the source; "" when there is none */
	unsigned line;                 /* from 1; 0: no place */
	unsigned column;               /* from 1, in characters */
	uint32_t policy;               /* its number, or CEDAR_NO_POLICY */
	const char *policy_id;         /* or NULL */
	const char *ko, *en;           /* what is wrong */
	const char *hint_ko, *hint_en; /* how to mend it; NULL when there is nothing to say */
};

/* All complaints of one run, in the order found. Zeroed with `arena` set is ready for use. */
struct cedar_notes {
	struct arena *arena;
	struct cedar_note *items;
	size_t count; /* kept, at most CEDAR_NOTES_LIMIT */
	size_t capacity;
	size_t errors; /* all errors, kept or not */
	size_t warnings;
};

/* "file:line:column: error: …" in Korean, then English on its own line, hints behind. */
void cedar_notes_print(FILE *to, const struct cedar_notes *notes);

/* ---- policies ------------------------------------------------------------------------------------------------- */

enum cedar_effect { CEDAR_FORBID = 0, CEDAR_PERMIT };

/* One named text. The name is for messages; both are copied. */
struct cedar_source {
	const char *name;
	struct slice text;
};

/* A template filled in: exactly the slots that the template has must be given. */
struct cedar_link {
	const char *template_id;
	const char *id;                    /* of the new policy */
	const struct cedar_uid *principal; /* for ?principal; or NULL */
	const struct cedar_uid *resource;  /* for ?resource; or NULL */
};

enum cedar_policy_option {
	CEDAR_IDS_FROM_ANNOTATION = 1, /* @id("…") names a policy where it is; two alike are refused */
};

struct cedar_policies;

/*
 * Parse and compile `count` texts as one set. Without an @id that counts, ids are policy0, policy1, … by place in the
 * whole set, templates counted too. Every complaint goes to `notes` (may be NULL); the fault tells the first one.
 */
MUST_CHECK int cedar_policies_parse(struct cedar_policies **out, const struct cedar_source *sources,
                                    size_t count, unsigned options, struct cedar_notes *notes,
                                    struct fault *why);
/* As above with links; `links` are appended behind the static policies, in order. */
MUST_CHECK int cedar_policies_parse_linked(struct cedar_policies **out, const struct cedar_source *sources,
                                           size_t count, const struct cedar_link *links, size_t link_count,
                                           unsigned options, struct cedar_notes *notes, struct fault *why);
/* The JSON form: {"staticPolicies":{…},"templates":{…},"templateLinks":[…]}, or one policy alone. */
MUST_CHECK int cedar_policies_parse_json(struct cedar_policies **out, struct cedar_source source,
                                         struct cedar_notes *notes, struct fault *why);
void cedar_policies_free(struct cedar_policies *policies); /* NULL is fine */

/* Policies that take part in decisions are numbered 0 … count-1; templates come apart from them. */
size_t cedar_policies_count(const struct cedar_policies *policies);
size_t cedar_templates_count(const struct cedar_policies *policies);
const char *cedar_policy_id(const struct cedar_policies *policies, uint32_t policy);
enum cedar_effect cedar_policy_effect(const struct cedar_policies *policies, uint32_t policy);
/* The value of @key; "" for @key without one; NULL when the policy has no such annotation. Values may hold zeros. */
const char *cedar_policy_annotation(const struct cedar_policies *policies, uint32_t policy, const char *key);
size_t cedar_policy_annotation_count(const struct cedar_policies *policies, uint32_t policy);
/* The i-th in order of writing. */
void cedar_policy_annotation_at(const struct cedar_policies *policies, uint32_t policy, size_t i,
                                struct slice *key, struct slice *value);
/* Where it stands; any pointer may be NULL. */
void cedar_policy_place(const struct cedar_policies *policies, uint32_t policy, const char **file,
                        unsigned *line, unsigned *column);
/* Its source text, comments in it included; empty for policies that came as JSON. */
struct slice cedar_policy_text(const struct cedar_policies *policies, uint32_t policy);
/* The number of the policy with this id, or CEDAR_NO_POLICY. */
uint32_t cedar_policy_find(const struct cedar_policies *policies, const char *id);

/* ---- deciding ------------------------------------------------------------------------------------------------- */

struct cedar_request {
	const struct cedar_uid *principal;
	const struct cedar_uid *action;
	const struct cedar_uid *resource;
	struct cedar_value context; /* a record; CEDAR_NONE means an empty one */
};

enum cedar_decision { CEDAR_DENY = 0, CEDAR_ALLOW };

enum cedar_failure {
	CEDAR_FAILURE_MEMORY =
	    0, /* the arena is used up: never kept as a policy's error, the whole decision fails */
	CEDAR_FAILURE_TYPE,
	CEDAR_FAILURE_NO_ENTITY,
	CEDAR_FAILURE_NO_ATTRIBUTE,
	CEDAR_FAILURE_NO_TAG,
	CEDAR_FAILURE_OVERFLOW,
	CEDAR_FAILURE_EXTENSION,
	CEDAR_FAILURE_ARITY,
};

/* A policy that could not be evaluated. It was skipped, as Cedar wants it; a careful caller denies. */
struct cedar_error {
	uint32_t policy;
	enum cedar_failure failure;
	unsigned line,
	    column;          /* of the expression that failed, in the policy's file; 0 when it came as JSON */
	const char *ko, *en; /* names and types only, never values of the request */
};

/* Lists are in ascending order of policy number and live in the arena. */
struct cedar_result {
	enum cedar_decision decision;
	const uint32_t
	    *determining; /* the satisfied forbids when there are any, else the satisfied permits */
	size_t determining_count;
	const uint32_t *permits; /* every satisfied permit, also when a forbid decided */
	size_t permit_count;
	const uint32_t *forbids; /* every satisfied forbid */
	size_t forbid_count;
	const struct cedar_error *errors;
	size_t error_count;
};

/*
 * Decide. -1 only when the arena is used up or the request is malformed (a missing uid, a CEDAR_NONE inside):
 * *result is then a denial without reasons. `entities` may be NULL: none.
 */
MUST_CHECK int cedar_authorize(const struct cedar_policies *policies, const struct cedar_request *request,
                               const struct cedar_entities *entities, struct arena *arena,
                               struct cedar_result *result, struct fault *why);

/* ---- schemas and validation ----------------------------------------------------------------------------------- */

struct cedar_schema;

/* The human syntax, or the JSON one when the first character is '{' followed by a string or '}' (neither is Cedar). */
MUST_CHECK int cedar_schema_parse(struct cedar_schema **out, struct cedar_source source,
                                  struct cedar_notes *notes, struct fault *why);
void cedar_schema_free(struct cedar_schema *schema); /* NULL is fine */

/*
 * Strict validation of every policy and template. 0 when it could be done: the set is valid when notes->errors did
 * not grow. -1: memory.
 */
MUST_CHECK int cedar_validate(const struct cedar_policies *policies, const struct cedar_schema *schema,
                              struct cedar_notes *notes, struct fault *why);
/* The request fits the schema: action declared, types in its appliesTo, enumerated ids listed, context exact. */
MUST_CHECK int cedar_request_check(const struct cedar_schema *schema, const struct cedar_request *request,
                                   struct fault *why);
/* Every entity of the store (base not looked at) fits the schema. */
MUST_CHECK int cedar_entities_check(const struct cedar_schema *schema, const struct cedar_entities *entities,
                                    struct fault *why);
/* The actions of the schema with their groups, into a store that is not sealed yet. */
MUST_CHECK int cedar_entities_add_actions(struct cedar_entities *entities, const struct cedar_schema *schema,
                                          struct fault *why);

/* ---- JSON, for files and commands; not for the request's way -------------------------------------------------- */

/*
 * [{"uid","attrs","parents","tags"?}…]. With a schema: implicit forms are read by type, everything must fit, and
 * the schema's actions are added. The store is sealed. Bytes are copied into the arena.
 */
MUST_CHECK int cedar_entities_read(struct cedar_entities **out, struct arena *arena, struct slice json,
                                   const struct cedar_schema *schema, struct fault *why);
/*
 * {"principal":UID,"action":UID,"resource":UID,"context":{…}}; UID is {"type","id"}, {"__entity":…} or Cedar text
 * (User::"alice"). With a schema the context is read by the action's type; the request is checked when `check`.
 */
MUST_CHECK int cedar_request_read(struct cedar_request *out, struct arena *arena, struct slice json,
                                  const struct cedar_schema *schema, bool check, struct fault *why);

/* ---- texts of policies ---------------------------------------------------------------------------------------- */

/* Canonical text; comments are kept. Text that does not parse is refused with notes. */
MUST_CHECK int cedar_format(struct buffer *out, struct cedar_source source, struct cedar_notes *notes,
                            struct fault *why);
/* The JSON form of the whole set. */
MUST_CHECK int cedar_policies_write_json(struct buffer *out, const struct cedar_policies *policies,
                                         struct fault *why);
/*
 * Why a policy did or did not apply to a request, in both languages: scope line by line, then the condition down to
 * the clause that was false. Names attributes and shows policy text, so it is for people who may see the request.
 */
MUST_CHECK int cedar_explain(struct buffer *ko, struct buffer *en, const struct cedar_policies *policies,
                             uint32_t policy, const struct cedar_request *request,
                             const struct cedar_entities *entities, struct arena *arena, struct fault *why);

#endif
