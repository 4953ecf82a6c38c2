/*
 * template_inside -- what the parts of the template interpreter share: values, the tree, a rendering under way.
 *
 *     source ─ template_lexer ─ template_parse ─ tree      once
 *     tree + variables ─ template_run ─ text               for each request; template_value knows what values are,
 *                                                          template_filter, template_test and template_method what
 *                                                          can be done with them
 */
#ifndef HAECHI_INFERENCE_TEMPLATE_INSIDE_H
#define HAECHI_INFERENCE_TEMPLATE_INSIDE_H

#include "inference/template_jinja.h"
#include "schema/base/arena.h"

/* ---- values ----------------------------------------------------------------------------------------------------- */

enum origin { ORIGIN_OURS, ORIGIN_THEIRS, ORIGIN_MIXED };

/* A string, and for each byte whether people wrote it (marks: only where the origin is mixed). */
struct text {
	const uint8_t *data;
	const uint8_t *marks;
	size_t size;
	enum origin origin;
};

enum value_kind {
	VALUE_UNDEFINED = 0,
	VALUE_NONE,
	VALUE_BOOL,
	VALUE_INTEGER,
	VALUE_REAL,
	VALUE_TEXT,
	VALUE_LIST,
	VALUE_MAP,
	VALUE_LOOP,
	VALUE_MACRO,
	VALUE_BUILTIN,
};

struct value {
	enum value_kind kind;
	union {
		bool flag;
		int64_t integer;
		double real;
		struct text text; /* of an undefined value: its name, for people */
		const struct list *list;
		struct map *map;
		struct loop *loop;
		const struct macro *macro;
		int builtin;
	};
};

struct list {
	struct value *items;
	size_t count;
	bool tuple;
};

struct pair {
	struct value key, value;
};

struct map {
	struct pair *pairs;
	size_t count, capacity;
	bool namespace; /* {% set ns.x = … %} may write to it */
};

struct loop {
	const struct list *items;
	size_t index;      /* from 0 */
	struct value last; /* of loop.changed() */
	bool asked;
};

/* ---- the tree --------------------------------------------------------------------------------------------------- */

enum node_kind {
	NODE_TEXT,     /* literal */
	NODE_PRINT,    /* a */
	NODE_IF,       /* a, body, otherwise */
	NODE_FOR,      /* targets, a (what), b (if) or NULL, body, otherwise */
	NODE_SET,      /* targets, a */
	NODE_CAPTURE,  /* targets, body, a (filters over a hole) or NULL */
	NODE_FILTERED, /* a (filters over a hole), body */
	NODE_WITH,     /* list of NODE_NAMED, body */
	NODE_MACRO,    /* name, list of parameters (NODE_NAMED, a: default or NULL), body */
	NODE_SCOPE,    /* body: as it stands */
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_LITERAL,   /* literal */
	NODE_HOLE,      /* the captured text */
	NODE_NAME,      /* name */
	NODE_ATTRIBUTE, /* a . name */
	NODE_INDEX,     /* a [ b ] */
	NODE_SLICE,     /* a [ b : c : d ], each may be NULL */
	NODE_CALL,      /* a ( list ) */
	NODE_FILTER,    /* a | name ( list ), number */
	NODE_TEST,      /* a is name ( list ), number */
	NODE_NOT,
	NODE_NEGATE,
	NODE_PLUS,
	NODE_AND,
	NODE_OR,
	NODE_BINARY,    /* a number b */
	NODE_COMPARE,   /* a, then list of NODE_NAMED with number and a */
	NODE_CONDITION, /* a if b else c or NULL */
	NODE_LIST,      /* list; number 1: a tuple */
	NODE_MAP,       /* list of NODE_NAMED: a key, b value */
	NODE_NAMED,     /* name = a */
};

enum operation {
	OPERATION_NONE = 0,
	OPERATION_ADD,
	OPERATION_SUBTRACT,
	OPERATION_MULTIPLY,
	OPERATION_DIVIDE,
	OPERATION_FLOOR,
	OPERATION_MODULO,
	OPERATION_POWER,
	OPERATION_JOIN,
	OPERATION_EQUAL,
	OPERATION_DIFFERENT,
	OPERATION_LESS,
	OPERATION_LESS_EQUAL,
	OPERATION_GREATER,
	OPERATION_GREATER_EQUAL,
	OPERATION_IN,
	OPERATION_NOT_IN,
};

struct node {
	enum node_kind kind;
	uint32_t line;
	int number; /* an operator, or the index of a filter or test */
	struct slice name;
	struct value literal;
	struct node *a, *b, *c, *d;
	struct node *targets, *list, *body, *otherwise; /* first of each list */
	struct node *next;
};

struct macro {
	const struct node *node;
	struct scope *scope; /* where it was defined */
};

/* ---- tokens ----------------------------------------------------------------------------------------------------- */

enum lexeme_kind {
	LEXEME_END,
	LEXEME_TEXT,
	LEXEME_PRINT,     /* {{ */
	LEXEME_PRINT_END, /* }} */
	LEXEME_BLOCK,     /* {% */
	LEXEME_BLOCK_END, /* %} */
	LEXEME_NAME,
	LEXEME_STRING,
	LEXEME_INTEGER,
	LEXEME_REAL,
	LEXEME_SIGN, /* text is the operator or bracket */
};

struct lexeme {
	enum lexeme_kind kind;
	uint32_t line;
	struct slice text; /* strings: unescaped */
	int64_t integer;
	double real;
};

/* All tokens of a template, LEXEME_END last; memory is the arena's. */
int template_lex(struct arena *arena, struct slice source, struct lexeme **out, struct fault *why);
/* The tree of a template. */
int template_parse(struct arena *arena, const struct lexeme *lexemes, struct node **out, struct fault *why);

/* ---- a rendering ------------------------------------------------------------------------------------------------ */

struct writer {
	struct buffer bytes, marks;
};

struct variable {
	struct slice name;
	struct value value;
	struct variable *next;
};

struct scope {
	struct scope *parent;
	struct variable *variables;
};

struct run {
	struct arena *arena;
	struct scope *scope;
	struct writer *out;
	struct value hole;
	uint32_t line; /* of the node being evaluated */
	unsigned depth;
	uint64_t steps;
	bool leave, again; /* a break or continue is under way */
	struct fault *why;
};

#define ARGUMENTS_LIMIT 32

struct arguments {
	struct value list[ARGUMENTS_LIMIT];
	struct slice names[ARGUMENTS_LIMIT]; /* of the last `named` of them */
	size_t count, named;                 /* count: all */
};

/* A failure at the current line: FAULT_INVALID, and -1. */
int run_wrong(struct run *run, const char *ko, const char *en, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4)));
/* Count work; -1 when there was too much of it. Bytes that are copied or searched count by the hundred. */
int run_work(struct run *run, size_t bytes);
int run_memory(struct run *run);
/* One level deeper; the caller takes it back from run->depth, but for a failure, which ends all. */
int run_deeper(struct run *run);
int run_set_variable(struct run *run, struct slice name, struct value value); /* in the innermost scope */
int run_open_scope(struct run *run, struct scope *parent);
int run_look_up(struct run *run, struct slice name, struct value *out);
int run_evaluate(struct run *run, const struct node *node, struct value *out);
int run_statements(struct run *run, const struct node *first);
/* The body into a string instead of the output. */
int run_capture(struct run *run, const struct node *body, struct value *out);
/* A macro or builtin with arguments. */
int run_call(struct run *run, const struct value *what, const struct arguments *arguments, struct value *out);

/* The argument of this position or name, or NULL. */
const struct value *argument(const struct arguments *arguments, size_t position, const char *name);

/* ---- what can be done with values ------------------------------------------------------------------------------- */

struct value value_undefined(const char *name);
struct value value_none(void);
struct value value_flag(bool flag);
struct value value_integer(int64_t integer);
struct value value_real(double real);
struct value value_text(struct text text);
struct value value_ours(const char *text);
struct text text_ours(struct slice slice);
struct slice text_slice(struct text text);
struct text text_part(struct text text, size_t start, size_t end);
/* NULL fails: memory, said in the run. */
struct list *list_new(struct run *run, size_t count);
struct map *map_new(struct run *run, size_t capacity);
int map_put(struct run *run, struct map *map, struct value key, struct value value);
const struct value *map_get(const struct map *map, struct slice name);
const struct value *map_find(const struct map *map, const struct value *key);
int value_of_json(struct run *run, const json_t *json, enum origin origin, unsigned depth, struct value *out);

bool value_true(const struct value *value);
bool value_equal(const struct value *a, const struct value *b, unsigned depth);
/* -1, 0 or 1 into *order; -1: these cannot be compared. */
int value_compare(struct run *run, const struct value *a, const struct value *b, int *order);
int value_contains(struct run *run, const struct value *in, const struct value *what, bool *out);
bool value_number(const struct value *value, double *out); /* booleans count */
bool value_whole(const struct value *value, int64_t *out); /* booleans count */
const char *value_kind_name(const struct value *value);    /* as Python calls it */
int value_list(struct run *run, const struct value *value,
               const struct list **out); /* what a loop goes over */
int value_length(struct run *run, const struct value *value, size_t *out);
int value_attribute(struct run *run, const struct value *of, struct slice name, struct value *out);
int value_index(struct run *run, const struct value *of, const struct value *index, struct value *out);
int value_slice(struct run *run, const struct value *of, const struct value *start, const struct value *stop,
                const struct value *step, struct value *out);

void writer_init(struct writer *writer);
void writer_free(struct writer *writer);
void writer_text(struct writer *writer, struct text text);
void writer_ours(struct writer *writer, const char *text);
/* What was written as a string of the arena. */
int writer_value(struct run *run, struct writer *writer, struct value *out);
int write_value(struct run *run, struct writer *writer, const struct value *value); /* str() */
int write_representation(struct run *run, struct writer *writer, const struct value *value, unsigned depth);
int write_json(struct run *run, struct writer *writer, const struct value *value, int indent, bool ascii,
               bool sorted, const struct text *separators, unsigned depth);
int value_as_text(struct run *run, const struct value *value, struct text *out); /* str() */

int value_sort(struct run *run, const struct list *list, bool reverse, bool fold, const struct text *by,
               struct list **out);
/* "function.name": attribute after attribute. */
int value_path(struct run *run, const struct value *of, struct text path, struct value *out);

/* Index of a name, or -1. */
int filter_find(struct slice name);
int filter_apply(struct run *run, int filter, const struct value *value, const struct arguments *arguments,
                 struct value *out);
int test_find(struct slice name);
int test_apply(struct run *run, int test, const struct value *value, const struct arguments *arguments,
               bool *out);
/* value.name(…): *known false when values of this kind have no such method. */
int method_call(struct run *run, const struct value *value, struct slice name,
                const struct arguments *arguments, struct value *out, bool *known);

/* range, namespace, …: index or -1 */
int builtin_find(struct slice name);
int builtin_call(struct run *run, int builtin, const struct arguments *arguments, struct value *out);

/* String work shared by filters and methods. */
enum strip { STRIP_LEFT = 1, STRIP_RIGHT = 2, STRIP_BOTH = 3 };
struct text text_strip(struct text text, enum strip sides, const struct text *characters);
int text_case(struct run *run, struct text text, char how, struct value *out); /* u l t c */
int text_replace(struct run *run, struct text text, struct text old, struct text new, int64_t most,
                 struct value *out);
bool code_is_space(uint32_t code);
size_t text_length(struct text text); /* characters */

#endif
