/*
 * constraint_inside -- what the files of a constraint share: the nodes; how schemas become nodes (constraint_schema.c
 * as documents, constraint_compile.c, constraint_values.c, constraint_format.c, constraint_check.c); and how what is
 * said is followed (constraint.c, constraint_object.c, constraint_text.c, constraint_number.c).
 */
#ifndef HAECHI_INFERENCE_CONSTRAINT_INSIDE_H
#define HAECHI_INFERENCE_CONSTRAINT_INSIDE_H

#include <stdatomic.h>

#include "inference/constraint.h"
#include "inference/pattern.h"

#define NODES_LIMIT        8192
#define ALTERNATIVES_LIMIT 128                 /* of one union */
#define PATTERN_WORK       ((uint64_t)1 << 26) /* for all patterns of a schema */
#define NODE_NONE          UINT32_MAX
#define DIGITS_LIMIT       15 /* what every reader of JSON keeps exactly */
#define PATH_LIMIT         240

enum node_kind { NODE_OBJECT, NODE_ARRAY, NODE_TEXT, NODE_NUMBER, NODE_LITERAL, NODE_UNION };

struct property {
	struct slice name; /* quoted, as JSON */
	uint32_t node;
	bool required;
};

struct node {
	enum node_kind kind;
	uint32_t height; /* frames that the smallest value needs; UINT32_MAX: there is none */
	size_t count;    /* of the array below that the kind has */
	struct property *properties;
	uint32_t *nodes;     /* UNION: alternatives; ARRAY: of the first elements */
	struct slice *texts; /* LITERAL: JSON, sorted */
	uint32_t other;      /* further properties or elements; NODE_NONE: there may be none */
	bool closed;         /* OBJECT: the schema itself says that there are no others */
	bool apart;          /* UNION: no value may fit two of them */
	bool unique;         /* ARRAY of literals */
	size_t least, most;  /* ARRAY: elements; TEXT: characters */
	struct pattern *pattern;
	/* NUMBER */
	bool whole;        /* no point and no exponent */
	bool bounded;      /* what follows counts */
	unsigned decimals; /* digits behind the point, at most */
	double least_value, most_value;
	bool above, below; /* not the bound itself */
	int64_t multiple;  /* of a whole number; 0: of nothing */
	double step;       /* of a number with decimals; 0: of nothing */
	char *path;        /* where it stands in the schema */
};

struct constraint {
	atomic_int holders;
	struct node **nodes;
	size_t count;
	uint32_t root, any;
};

/* ---- compiling -------------------------------------------------------------------------------------------------- */

struct compiling {
	struct constraint *constraint;
	const json_t *schema;               /* the whole document, for references */
	const json_t *sources[NODES_LIMIT]; /* which schema a node came from, so that references meet */
	json_t *made;                       /* schemas that were merged, kept while compiling */
	char path[PATH_LIMIT + 16];
	size_t work;
	uint64_t pattern_work; /* left */
	struct fault *why;
};

/* Deeper into the schema: "$.properties.a". Returns what constraint_leave() is to be given. */
size_t constraint_enter(struct compiling *compiling, const char *name);
void constraint_leave(struct compiling *compiling, size_t before);
/* Refused by name, with the place. -1. */
int constraint_refuse(struct compiling *compiling, const char *keyword);
int constraint_contradiction(struct compiling *compiling);

/* constraint_values.c: nodes, new and old; a value as JSON, the caller's to free(); a count from a schema. */
struct node *compiling_node(struct compiling *compiling, uint32_t at);
MUST_CHECK int compiling_node_new(struct compiling *compiling, const json_t *source, enum node_kind kind,
                                  uint32_t *out);
MUST_CHECK int compiling_text(struct compiling *compiling, const json_t *value, struct slice *out);
MUST_CHECK int compiling_amount(struct compiling *compiling, const json_t *schema, const char *name,
                                size_t *out);
/* enum and const; true and false, or null, or all of them; what a schema says of texts, and of numbers. */
MUST_CHECK int compiling_literals(struct compiling *compiling, const json_t *schema, uint32_t *out);
MUST_CHECK int compiling_words(struct compiling *compiling, const json_t *source, bool truth, bool nothing,
                               uint32_t *out);
MUST_CHECK int compiling_string(struct compiling *compiling, const json_t *schema, struct node *node);
MUST_CHECK int compiling_number(struct compiling *compiling, const json_t *schema, struct node *node,
                                bool whole);

/* constraint_schema.c: all keywords of `schema` are known to us. */
MUST_CHECK int constraint_check_keywords(struct compiling *compiling, json_t *schema);
/* Whether anything beside `but` restricts what may be said. */
bool constraint_asserts(json_t *schema, const char *but);
/* One schema without $ref and allOf at its top, borrowed from `made`; NULL: refused. */
const json_t *constraint_flatten(struct compiling *compiling, const json_t *schema, unsigned depth);
/* `schema` without its member `but`, and `other`, as one schema, as above. */
const json_t *constraint_join(struct compiling *compiling, const json_t *schema, const char *but,
                              const json_t *other);
const json_t *constraint_resolve(const struct compiling *compiling, const char *reference);

/* constraint_format.c: the pattern of a format; NULL: we do not know it. */
const char *constraint_format(const char *name);

/* constraint_check.c, once all nodes are there: heights; whether alternatives that must be apart are. */
MUST_CHECK int constraint_check(struct compiling *compiling);

/* ---- following -------------------------------------------------------------------------------------------------- */

enum phase {
	PHASE_BEGIN = 0, /* the value has not begun */
	PHASE_FIRST,     /* behind '{' or '[' */
	PHASE_NAME,      /* within a property's name */
	PHASE_COLON,     /* a colon is due */
	PHASE_DUE,       /* behind the colon */
	PHASE_VALUE,     /* a value was said: then ',' or the end */
	PHASE_NEXT,      /* behind ',' */
	PHASE_TEXT,
	PHASE_LITERAL,
	/* NUMBER_MINUS and on: of numbers */
};

#define DETAIL_CHARACTER 128 /* of a text: within a character */

static inline const struct node *
constraint_node(const struct constraint_state *state, const struct constraint_frame *frame)
{
	return state->constraint->nodes[frame->node];
}

/* A value of the node may still be brought to its end in `depth` frames. */
static inline bool
constraint_has_room(const struct constraint_state *state, uint32_t depth, uint32_t node)
{
	const uint32_t height = state->constraint->nodes[node]->height;

	return height <= CONSTRAINT_DEPTH && depth + height <= CONSTRAINT_DEPTH;
}

/* Within a text (constraint_text.c): 1 goes on, 2 closed, 0 not allowed. */
int constraint_text_byte(const struct node *node, struct constraint_frame *frame, uint8_t byte);
/* Within an object, but not within its values (constraint_object.c). */
bool constraint_object_byte(struct constraint_state *state, struct constraint_thread *thread,
                            struct constraint_frame *frame, uint8_t byte);
/* A value within a container begins with `byte`; the value on top has ended (constraint.c). */
bool constraint_enter_value(struct constraint_state *state, struct constraint_thread *thread, uint32_t node,
                            uint8_t byte);
void constraint_leave_value(const struct constraint_state *state, struct constraint_thread *thread);

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

enum number_phase {
	NUMBER_MINUS = 64,
	NUMBER_ZERO,
	NUMBER_DIGITS,
	NUMBER_POINT,
	NUMBER_FRACTION,
	NUMBER_E,
	NUMBER_SIGN,
	NUMBER_EXPONENT,
	NUMBER_TENS
};

/* The next byte of a number, its first too. false: it may not come, and nothing has changed. */
bool number_byte(const struct node *node, struct constraint_frame *frame, uint8_t byte, bool first);
/* The number may end here. */
bool number_ends(const struct node *node, const struct constraint_frame *frame);
/* There is a number at all. */
bool number_exists(const struct node *node);

#endif
