/*
 * ast -- what the parsers make of policies, and what validation, evaluation, formatting and explaining read.
 *
 * The tree is as written (`!=`, `>`, `has a.b` stay), apart from round brackets and comments. Everything lies in
 * the arena of its set and never changes once the set is made. A chain of && or || is one node however long it is, so
 * the height of a tree, and with it every recursion over one, is bounded by CEDAR_DEPTH_LIMIT.
 */
#ifndef HAECHI_POLICY_CEDAR_AST_H
#define HAECHI_POLICY_CEDAR_AST_H

#include "policy/cedar/extensions.h"

enum cedar_op {
	CEDAR_LITERAL = 0, /* value */
	CEDAR_VARIABLE,    /* variable */
	CEDAR_AND,         /* list, two or more */
	CEDAR_OR,
	CEDAR_IF,  /* choice */
	CEDAR_NOT, /* pair.left */
	CEDAR_NEGATE,
	CEDAR_EQUAL, /* pair, from here … */
	CEDAR_NOT_EQUAL,
	CEDAR_LESS,
	CEDAR_LESS_EQUAL,
	CEDAR_GREATER,
	CEDAR_GREATER_EQUAL,
	CEDAR_IN,
	CEDAR_ADD,
	CEDAR_SUBTRACT,
	CEDAR_MULTIPLY,
	CEDAR_CONTAINS,
	CEDAR_CONTAINS_ALL,
	CEDAR_CONTAINS_ANY,
	CEDAR_GET_TAG,
	CEDAR_HAS_TAG,   /* … to here */
	CEDAR_IS_EMPTY,  /* pair.left */
	CEDAR_ATTRIBUTE, /* member: one name */
	CEDAR_HAS,       /* member: one name or more */
	CEDAR_LIKE,
	CEDAR_IS,
	CEDAR_SET_OF,    /* list */
	CEDAR_RECORD_OF, /* list with names */
	CEDAR_CALL,      /* list with function */
};

enum cedar_variable { CEDAR_PRINCIPAL, CEDAR_ACTION, CEDAR_RESOURCE, CEDAR_CONTEXT };

/* Pieces of text with a wildcard between each two: count wildcards + 1. */
struct cedar_pattern {
	uint32_t count;
	const struct slice *pieces;
};

struct cedar_expr {
	uint8_t op;     /* enum cedar_op */
	bool constant;  /* value holds what it always gives: literals, and sets, records and calls of such */
	bool bracketed; /* stood in round brackets: only the parser asks */
	uint16_t height;
	uint16_t shared; /* which of the set's shared parts it is (sharing.h); 0: none */
	uint32_t offset; /* in its source; where a reader would point */
	struct cedar_value value;
	union {
		enum cedar_variable variable;
		struct {
			const struct cedar_expr *left, *right;
		} pair;
		struct {
			const struct cedar_expr *guard, *yes, *no;
		} choice;
		struct {
			const struct cedar_expr *const *items;
			const struct cedar_string *names; /* of a record */
			uint32_t count;
			enum cedar_function function; /* of a call */
		} list;
		struct {
			const struct cedar_expr *left;
			const struct cedar_string *names;
			uint32_t count;
		} member;
		struct {
			const struct cedar_expr *left;
			const struct cedar_pattern *pattern;
		} like;
		struct {
			const struct cedar_expr *left;
			struct cedar_string type;
			const struct cedar_expr *in; /* or NULL */
		} is;
	} as;
};

enum cedar_scope_kind {
	CEDAR_SCOPE_ANY = 0,
	CEDAR_SCOPE_EQUAL,
	CEDAR_SCOPE_IN,
	CEDAR_SCOPE_IN_LIST, /* of an action */
	CEDAR_SCOPE_IS,
	CEDAR_SCOPE_IS_IN,
};

struct cedar_scope {
	enum cedar_scope_kind kind;
	bool slot; /* ?principal or ?resource stands where the entity would */
	uint32_t offset;
	struct cedar_string type;       /* of is */
	const struct cedar_uid *entity; /* NULL for an unfilled slot */
	const struct cedar_uid *const *list;
	uint32_t count;
};

struct cedar_condition {
	const struct cedar_expr *body;
	bool unless;
	uint32_t offset;
};

struct cedar_annotation {
	struct cedar_string key;
	struct cedar_string value; /* terminated */
	bool bare;                 /* no value was written */
	uint32_t offset;
};

struct cedar_text_source {
	const char *name; /* "" when there is none */
	struct slice text;
};

struct cedar_policy {
	const char *id;
	const char *template_id; /* of a link; else NULL */
	enum cedar_effect effect;
	struct cedar_scope principal, action, resource;
	const struct cedar_condition *conditions;
	uint32_t condition_count;
	uint32_t annotation_count;
	const struct cedar_annotation *annotations;
	const struct cedar_text_source *source; /* NULL when it came as JSON */
	uint32_t offset;                        /* of its first annotation or its effect … */
	uint32_t effect_offset;
	uint32_t end; /* … to behind its semicolon */
};

struct cedar_index;      /* index.h */
struct cedar_conditions; /* clauses.h */

struct cedar_policies {
	struct arena *arena;
	const struct cedar_policy **policies; /* static ones and links */
	uint32_t count;
	const struct cedar_policy **templates;
	uint32_t template_count;
	const uint32_t *by_id; /* numbers of policies sorted by id */
	const struct cedar_index *index;
	const struct cedar_conditions *conditions; /* of each policy */
	uint32_t shared_count; /* parts that are evaluated once a request (sharing.h), and one */
};

static inline bool
cedar_policy_is_template(const struct cedar_policy *policy)
{
	return (policy->principal.slot && policy->principal.entity == NULL) ||
	       (policy->resource.slot && policy->resource.entity == NULL);
}

/*
 * Nodes for the parsers; NULL: the arena is used up. cedar_expr_finish() reckons the height and folds constants: once
 * per node, children first. It returns false when the tree is now too high.
 */
struct cedar_expr *cedar_expr_new(struct arena *arena, enum cedar_op op, uint32_t offset);
bool cedar_expr_finish(struct cedar_expr *expr, struct arena *arena);
bool cedar_expr_same(const struct cedar_expr *a, const struct cedar_expr *b);
/* In one line, for people; deeper than a few levels it is only hinted at. */
void cedar_expr_show(struct buffer *out, const struct cedar_expr *expr);

/* Undo the escapes of a string literal without its quotes. false: *bad is the escape that is none. */
bool cedar_unescape(struct arena *arena, struct slice raw, struct slice *text, struct slice *bad);
bool cedar_unescape_pattern(struct arena *arena, struct slice raw, const struct cedar_pattern **pattern,
                            struct slice *bad);
bool cedar_pattern_match(const struct cedar_pattern *pattern, struct slice text);

/* Add a complaint; `offset` is looked up in `source` (may be NULL). Formats get the same arguments. */
void cedar_complain(struct cedar_notes *notes, enum cedar_severity severity,
                    const struct cedar_text_source *source, uint32_t offset, const char *hint_ko,
                    const char *hint_en, const char *ko, const char *en, ...)
    __attribute__((format(printf, 7, 9), format(printf, 8, 9)));

/* The first error among the notes becomes the fault; -1. */
int cedar_notes_tell(const struct cedar_notes *notes, struct fault *why);

/* One text; appended to policies and templates. Complaints go to `notes`, never NULL. false: memory. */
struct cedar_draft {
	struct arena *arena;
	struct cedar_policy **items;
	size_t count;
	size_t capacity;
};
bool cedar_parse_text(struct cedar_draft *draft, const struct cedar_text_source *source,
                      struct cedar_notes *notes);
bool cedar_draft_add(struct cedar_draft *draft, struct cedar_policy *policy);
/* What was drafted becomes a set: ids checked, links made, index built. Takes the arena over, also on failure. */
int cedar_policies_assemble(struct cedar_policies **out, struct cedar_draft *draft,
                            const struct cedar_link *links, size_t link_count, struct cedar_notes *notes,
                            struct fault *why);

/* "User::\"alice\"" as one text; the slices point into the arena. false: it is none. */
bool cedar_uid_read(struct arena *arena, struct slice text, const struct cedar_uid **uid);

#endif
