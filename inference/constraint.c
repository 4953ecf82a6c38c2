#include "inference/constraint.h"

#include <stdlib.h>
#include <string.h>

#define NODES_LIMIT  4096
#define NAMES_LIMIT  64 /* properties of an object, values of an enum: bits of a mask */
#define SPACES_LIMIT 1  /* a model must not wander off into white space */
#define DIGITS_LIMIT 15 /* what every reader of JSON keeps exactly */
#define TEXT_LIMIT   ((size_t)1 << 20)
#define NODE_NONE    UINT32_MAX

/* What a value may begin with, as bits. */
enum {
	BEGIN_OBJECT = 1,
	BEGIN_ARRAY = 2,
	BEGIN_STRING = 4,
	BEGIN_NUMBER = 8,
	BEGIN_TRUE = 16,
	BEGIN_FALSE = 32,
	BEGIN_NULL = 64,
	BEGIN_ALL = 127
};

enum kind {
	KIND_ANY,
	KIND_OBJECT,
	KIND_ARRAY,
	KIND_STRING,
	KIND_NUMBER,
	KIND_INTEGER,
	KIND_LITERAL,
	KIND_UNION
};

struct node {
	enum kind kind;
	unsigned begins;
	uint64_t required;
	uint32_t other; /* of an object: further properties; of an array: the elements; NODE_NONE: none */
	size_t least, most;
	size_t count;
	struct slice texts[NAMES_LIMIT]; /* quoted names, or literals as JSON */
	uint32_t nodes[NAMES_LIMIT];     /* of properties, or alternatives */
};

struct constraint {
	struct node **nodes;
	size_t count;
	uint32_t root;
	const json_t *schema;               /* while compiling */
	const json_t *sources[NODES_LIMIT]; /* which schema a node came from, so that references meet */
	uint8_t **kept;
	size_t kept_count;
};

/* ---- compiling -------------------------------------------------------------------------------------------------- */

static int compile(struct constraint *constraint, const json_t *schema, uint32_t *out, unsigned depth,
                   struct fault *why);

static int
not_supported(const char *name, struct fault *why)
{
	return fault_set(why, FAULT_UNSUPPORTED, "JSON 스키마의 '%s'은(는) 지원하지 않습니다",
	                 "'%s' in a JSON schema is not supported", name);
}

/* A value as JSON text, kept by the constraint. */
static int
keep_text(struct constraint *constraint, const json_t *value, struct slice *out, struct fault *why)
{
	struct buffer buffer;
	uint8_t **grown = realloc(constraint->kept, (constraint->kept_count + 1) * sizeof *grown);

	if (grown == NULL)
		return fault_memory(why);
	constraint->kept = grown;
	buffer_init(&buffer, TEXT_LIMIT);
	if (json_is_string(value))
		json_quote(&buffer, slice_of(json_string_value(value), json_string_length(value)));
	else
		json_write(&buffer, value);
	if (!buffer_ok(&buffer) || buffer.size == 0 || buffer.size > 4096) {
		buffer_free(&buffer);
		return fault_set(why, FAULT_TOO_LARGE, "JSON 스키마의 값이 너무 깁니다",
		                 "a value in the JSON schema is too long");
	}
	constraint->kept[constraint->kept_count++] = buffer.data;
	*out = buffer_view(&buffer);
	return 0;
}

static unsigned
begins_with(uint8_t byte)
{
	switch (byte) {
	case '{':
		return BEGIN_OBJECT;
	case '[':
		return BEGIN_ARRAY;
	case '"':
		return BEGIN_STRING;
	case 't':
		return BEGIN_TRUE;
	case 'f':
		return BEGIN_FALSE;
	case 'n':
		return BEGIN_NULL;
	default:
		return byte == '-' || (byte >= '0' && byte <= '9') ? BEGIN_NUMBER : 0;
	}
}

static int
new_node(struct constraint *constraint, const json_t *source, enum kind kind, unsigned begins, uint32_t *out,
         struct fault *why)
{
	struct node *node = calloc(1, sizeof *node);

	if (node == NULL)
		return fault_memory(why);
	if (constraint->count == NODES_LIMIT) {
		free(node);
		return fault_set(why, FAULT_TOO_LARGE, "JSON 스키마가 너무 큽니다",
		                 "the JSON schema is too large");
	}
	node->kind = kind;
	node->begins = begins;
	node->other = NODE_NONE;
	node->most = SIZE_MAX;
	*out = (uint32_t)constraint->count;
	constraint->sources[constraint->count] = source;
	constraint->nodes[constraint->count++] = node;
	return 0;
}

static int
add_literal(struct constraint *constraint, struct node *node, const json_t *value, struct fault *why)
{
	if (node->count == NAMES_LIMIT)
		return not_supported("enum > 64", why);
	if (keep_text(constraint, value, &node->texts[node->count], why) == -1)
		return -1;
	node->begins |= begins_with(node->texts[node->count++].data[0]);
	return 0;
}

static int
compile_object(struct constraint *constraint, const json_t *schema, uint32_t at, unsigned depth,
               struct fault *why)
{
	struct node *node = constraint->nodes[at];
	json_t *properties = json_object_get(schema, "properties"), *value;
	const json_t *required = json_object_get(schema, "required");
	const json_t *others = json_object_get(schema, "additionalProperties");
	const char *name;

	if (properties != NULL && !json_is_object(properties))
		return not_supported("properties", why);
	json_object_foreach(properties, name, value)
	{
		json_t *text = json_string(name);
		int kept;

		if (node->count == NAMES_LIMIT) {
			json_decref(text);
			return not_supported("properties > 64", why);
		}
		kept = keep_text(constraint, text, &node->texts[node->count], why);
		json_decref(text);
		if (kept == -1 || compile(constraint, value, &node->nodes[node->count], depth + 1, why) == -1)
			return -1;
		for (size_t i = 0; i < json_array_size(required); i++) {
			const char *needed = json_string_value(json_array_get(required, i));

			if (needed != NULL && strcmp(needed, name) == 0)
				node->required |= (uint64_t)1 << node->count;
		}
		node->count++;
	}
	if (properties == NULL && json_array_size(required) > 0)
		return not_supported("required without properties", why);
	if (json_is_object(others))
		return compile(constraint, others, &node->other, depth + 1, why);
	if (json_is_true(others) || (others == NULL && properties == NULL))
		return new_node(constraint, NULL, KIND_ANY, BEGIN_ALL, &node->other, why);
	return 0;
}

static int
compile_array(struct constraint *constraint, const json_t *schema, uint32_t at, unsigned depth,
              struct fault *why)
{
	struct node *node = constraint->nodes[at];
	const json_t *items = json_object_get(schema, "items");
	int64_t least = json_get_integer(schema, "minItems", 0),
	        most = json_get_integer(schema, "maxItems", INT32_MAX);

	if (least < 0 || least > 10000 || most < least)
		return not_supported("minItems/maxItems", why);
	node->least = (size_t)least;
	node->most = (size_t)most;
	if (items == NULL)
		return new_node(constraint, NULL, KIND_ANY, BEGIN_ALL, &node->other, why);
	return compile(constraint, items, &node->other, depth + 1, why);
}

static int
compile_type(struct constraint *constraint, const json_t *schema, const char *type, uint32_t *out,
             unsigned depth, struct fault *why)
{
	static const struct {
		const char *name;
		enum kind kind;
		unsigned begins;
	} types[] = {
	    {"object",  KIND_OBJECT,  BEGIN_OBJECT},
	    {"array",   KIND_ARRAY,   BEGIN_ARRAY },
	    {"string",  KIND_STRING,  BEGIN_STRING},
	    {"number",  KIND_NUMBER,  BEGIN_NUMBER},
	    {"integer", KIND_INTEGER, BEGIN_NUMBER},
	    {"boolean", KIND_LITERAL, 0           },
	    {"null",    KIND_LITERAL, 0           }
        };

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (strcmp(type, types[i].name) != 0)
			continue;
		if (new_node(constraint, schema, types[i].kind, types[i].begins, out, why) == -1)
			return -1;
		if (types[i].kind == KIND_OBJECT)
			return compile_object(constraint, schema, *out, depth, why);
		if (types[i].kind == KIND_ARRAY)
			return compile_array(constraint, schema, *out, depth, why);
		if (strcmp(type, "null") == 0)
			return add_literal(constraint, constraint->nodes[*out], json_null(), why);
		if (types[i].kind == KIND_LITERAL)
			return add_literal(constraint, constraint->nodes[*out], json_true(), why) == -1 ||
			               add_literal(constraint, constraint->nodes[*out], json_false(), why) ==
			                   -1
			           ? -1
			           : 0;
		return 0;
	}
	return not_supported("type", why);
}

/* Alternatives, of which the first byte must choose one. */
static int
add_alternative(struct constraint *constraint, uint32_t at, uint32_t alternative, struct fault *why)
{
	struct node *node = constraint->nodes[at], *added = constraint->nodes[alternative];

	if (node->count == NAMES_LIMIT || (node->begins & added->begins) != 0 || added->begins == 0)
		return not_supported("anyOf with alternatives that begin alike", why);
	node->begins |= added->begins;
	node->nodes[node->count++] = alternative;
	return 0;
}

static const json_t *
resolve(const struct constraint *constraint, const char *reference)
{
	const json_t *at = constraint->schema;

	if (strcmp(reference, "#") == 0)
		return at;
	if (strncmp(reference, "#/", 2) != 0)
		return NULL;
	for (const char *part = reference + 2; at != NULL && part != NULL;) {
		const char *slash = strchr(part, '/');
		char name[256];
		size_t size = slash != NULL ? (size_t)(slash - part) : strlen(part);

		if (size >= sizeof name)
			return NULL;
		snprintf(name, sizeof name, "%.*s", (int)size, part);
		at = json_object_get(at, name);
		part = slash != NULL ? slash + 1 : NULL;
	}
	return at;
}

static int
compile(struct constraint *constraint, const json_t *schema, uint32_t *out, unsigned depth, struct fault *why)
{
	static const char *const refused[] = {"pattern",
	                                      "minLength",
	                                      "maxLength",
	                                      "minimum",
	                                      "maximum",
	                                      "exclusiveMinimum",
	                                      "exclusiveMaximum",
	                                      "multipleOf",
	                                      "allOf",
	                                      "not",
	                                      "if",
	                                      "dependentRequired",
	                                      "dependentSchemas",
	                                      "patternProperties",
	                                      "propertyNames",
	                                      "minProperties",
	                                      "maxProperties",
	                                      "prefixItems",
	                                      "contains",
	                                      "uniqueItems",
	                                      "unevaluatedProperties"};
	const json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum");
	const json_t *constant = json_object_get(schema, "const"), *any = json_object_get(schema, "anyOf");
	const char *reference = json_get_string(schema, "$ref");

	if (depth > 64)
		return fault_set(why, FAULT_TOO_LARGE, "JSON 스키마가 너무 깊습니다",
		                 "the JSON schema is too deep");
	if (json_is_true(schema) || (json_is_object(schema) && json_object_size(schema) == 0))
		return new_node(constraint, NULL, KIND_ANY, BEGIN_ALL, out, why);
	if (!json_is_object(schema))
		return not_supported("false", why);
	for (size_t i = 0; i < constraint->count; i++)
		if (constraint->sources[i] == schema) {
			*out = (uint32_t)i;
			return 0;
		}
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (json_object_get(schema, refused[i]) != NULL)
			return not_supported(refused[i], why);
	if (any == NULL)
		any = json_object_get(schema, "oneOf");
	if (reference != NULL) {
		const json_t *target = resolve(constraint, reference);

		if (target == NULL || target == schema)
			return not_supported("$ref", why);
		return compile(constraint, target, out, depth + 1, why);
	}
	if (constant != NULL || values != NULL) {
		if (new_node(constraint, schema, KIND_LITERAL, 0, out, why) == -1)
			return -1;
		if (constant != NULL)
			return add_literal(constraint, constraint->nodes[*out], constant, why);
		if (json_array_size(values) == 0)
			return not_supported("enum", why);
		for (size_t i = 0; i < json_array_size(values); i++)
			if (add_literal(constraint, constraint->nodes[*out], json_array_get(values, i),
			                why) == -1)
				return -1;
		return 0;
	}
	if (json_is_array(any) || json_is_array(type)) {
		const json_t *list = json_is_array(any) ? any : type;

		if (json_array_size(list) == 0)
			return not_supported("anyOf", why);
		if (new_node(constraint, json_is_array(any) ? schema : NULL, KIND_UNION, 0, out, why) == -1)
			return -1;
		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *one = json_array_get(list, i);
			uint32_t alternative;

			if ((json_is_string(one)
			         ? compile_type(constraint, schema, json_string_value(one), &alternative,
			                        depth, why)
			         : compile(constraint, one, &alternative, depth + 1, why)) == -1 ||
			    add_alternative(constraint, *out, alternative, why) == -1)
				return -1;
		}
		return 0;
	}
	if (json_is_string(type))
		return compile_type(constraint, schema, json_string_value(type), out, depth, why);
	if (json_object_get(schema, "properties") != NULL)
		return compile_type(constraint, schema, "object", out, depth, why);
	return new_node(constraint, schema, KIND_ANY, BEGIN_ALL, out, why);
}

int
constraint_compile(struct constraint **out, const json_t *schema, struct fault *why)
{
	struct constraint *constraint = calloc(1, sizeof *constraint);
	uint32_t root = 0, any = 0;
	int result;

	if (constraint == NULL ||
	    (constraint->nodes = calloc(NODES_LIMIT, sizeof *constraint->nodes)) == NULL) {
		constraint_free(constraint);
		return fault_memory(why);
	}
	constraint->schema = schema;
	if (schema == NULL) {
		result = new_node(constraint, NULL, KIND_OBJECT, BEGIN_OBJECT, &root, why);
		if (result == 0 && (result = new_node(constraint, NULL, KIND_ANY, BEGIN_ALL, &any, why)) == 0)
			constraint->nodes[root]->other = any;
	} else {
		result = compile(constraint, schema, &root, 0, why);
	}
	constraint->root = root;
	constraint->schema = NULL;
	if (result == -1) {
		constraint_free(constraint);
		return -1;
	}
	*out = constraint;
	return 0;
}

void
constraint_free(struct constraint *constraint)
{
	if (constraint == NULL)
		return;
	for (size_t i = 0; constraint->nodes != NULL && i < constraint->count; i++)
		free(constraint->nodes[i]);
	for (size_t i = 0; i < constraint->kept_count; i++)
		free(constraint->kept[i]);
	free(constraint->nodes);
	free(constraint->kept);
	free(constraint);
}

/* ---- following -------------------------------------------------------------------------------------------------- */

enum phase {
	PHASE_BEGIN,   /* the value has not begun */
	PHASE_FIRST,   /* behind '{' or '[' */
	PHASE_NAME,    /* within a property's name */
	PHASE_COLON,   /* a colon is due */
	PHASE_DUE,     /* behind the colon */
	PHASE_VALUE,   /* a value was said: then ',' or the end */
	PHASE_NEXT,    /* behind ',' */
	PHASE_STRING,  /* within a string */
	PHASE_LITERAL, /* within one of the literals */
	PHASE_MINUS,   /* of numbers: behind '-' */
	PHASE_ZERO,    /* behind a leading zero */
	PHASE_DIGITS,  /* digits of the whole */
	PHASE_POINT,   /* behind '.' */
	PHASE_FRACTION,
	PHASE_E,    /* behind 'e' */
	PHASE_SIGN, /* behind its sign */
	PHASE_EXPONENT,
	PHASE_TENS, /* its second digit, the last: 1e99 is a number for every reader, 1e999 for none */
};

/* detail of strings: 0 plain; 1 behind '\'; 2-5 digits of \u due; DETAIL_MORE | n: n more bytes of a character */
#define DETAIL_ESCAPE 1
#define DETAIL_MORE   16
#define DETAIL_LOW    32 /* ... the next below the bound: no surrogates, nothing above U+10FFFF */
#define DETAIL_HIGH   64 /* ... the next from the bound on: nothing longer than need be */

static const struct node *
node_of(const struct constraint_state *state, const struct constraint_frame *frame)
{
	return state->constraint->nodes[frame->node];
}

static bool
push(struct constraint_state *state, uint32_t node)
{
	if (state->depth == CONSTRAINT_DEPTH)
		return false;
	state->frames[state->depth++] = (struct constraint_frame){.node = node};
	return true;
}

void
constraint_begin(struct constraint_state *state, const struct constraint *constraint)
{
	memset(state, 0, sizeof *state);
	state->constraint = constraint;
	push(state, constraint->root);
}

/* One byte within a string, its closing quote too: 1 goes on, 2 closed, 0 not allowed. */
static int
string_byte(uint8_t *detail, uint8_t byte)
{
	if (*detail & DETAIL_MORE) {
		uint8_t left = *detail & 3, bound = left == 3 ? 0x90 : 0xa0;

		if ((byte & 0xc0) != 0x80 || ((*detail & DETAIL_LOW) && byte >= bound) ||
		    ((*detail & DETAIL_HIGH) && byte < bound))
			return 0;
		*detail = left == 1 ? 0 : (uint8_t)(DETAIL_MORE | (left - 1));
		return 1;
	}
	if (*detail == DETAIL_ESCAPE) {
		if (byte == 'u')
			*detail = 5;
		else if (byte != 0 && strchr("\"\\/bfnrt", byte) != NULL)
			*detail = 0;
		else
			return 0;
		return 1;
	}
	if (*detail >= 2) {
		bool digit = (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'f');

		/* No surrogates: their halves need not meet. */
		if (!digit || (*detail == 5 && (byte | 32) == 'd'))
			return 0;
		*detail = *detail == 2 ? 0 : (uint8_t)(*detail - 1);
		return 1;
	}
	if (byte == '"')
		return 2;
	if (byte < 32)
		return 0;
	if (byte == '\\')
		*detail = DETAIL_ESCAPE;
	else if (byte >= 0xc2 && byte <= 0xdf)
		*detail = DETAIL_MORE | 1;
	else if (byte >= 0xe0 && byte <= 0xef)
		*detail = DETAIL_MORE | 2 | (byte == 0xe0 ? DETAIL_HIGH : byte == 0xed ? DETAIL_LOW : 0);
	else if (byte >= 0xf0 && byte <= 0xf4)
		*detail = DETAIL_MORE | 3 | (byte == 0xf0 ? DETAIL_HIGH : byte == 0xf4 ? DETAIL_LOW : 0);
	else if (byte >= 0x80)
		return 0;
	return 1;
}

static bool
number_ends(uint8_t phase)
{
	return phase == PHASE_ZERO || phase == PHASE_DIGITS || phase == PHASE_FRACTION ||
	       phase == PHASE_EXPONENT || phase == PHASE_TENS;
}

/* The next phase of a number, or -1. */
static int
number_byte(uint8_t phase, uint8_t byte, bool whole)
{
	bool digit = byte >= '0' && byte <= '9';

	switch (phase) {
	case PHASE_MINUS:
		return byte == '0' ? PHASE_ZERO : digit ? PHASE_DIGITS : -1;
	case PHASE_DIGITS:
	case PHASE_ZERO:
		if (digit)
			return phase == PHASE_DIGITS ? PHASE_DIGITS : -1;
		if (whole)
			return -1;
		return byte == '.' ? PHASE_POINT : (byte | 32) == 'e' ? PHASE_E : -1;
	case PHASE_POINT:
		return digit ? PHASE_FRACTION : -1;
	case PHASE_FRACTION:
		return digit ? PHASE_FRACTION : (byte | 32) == 'e' ? PHASE_E : -1;
	case PHASE_E:
		return digit ? PHASE_EXPONENT : byte == '+' || byte == '-' ? PHASE_SIGN : -1;
	case PHASE_SIGN:
		return digit ? PHASE_EXPONENT : -1;
	case PHASE_EXPONENT:
		return digit ? PHASE_TENS : -1;
	default:
		return -1;
	}
}

/* Literals that still fit when `byte` comes at `count`. */
static uint64_t
narrow(const struct node *node, uint64_t mask, size_t count, uint8_t byte)
{
	uint64_t left = 0;

	for (size_t i = 0; i < node->count; i++)
		if ((mask >> i & 1) && count < node->texts[i].size && node->texts[i].data[count] == byte)
			left |= (uint64_t)1 << i;
	return left;
}

static bool
literal_ends(const struct node *node, const struct constraint_frame *frame)
{
	for (size_t i = 0; i < node->count; i++)
		if ((frame->mask >> i & 1) && node->texts[i].size == frame->count)
			return true;
	return false;
}

/* The first byte of a value. */
static bool
begin(struct constraint_state *state, struct constraint_frame *frame, uint8_t byte)
{
	static const char *const plain[] = {"true", "false", "null"};
	const struct node *node = node_of(state, frame);
	unsigned begins = begins_with(byte);

	if ((node->begins & begins) == 0)
		return false;
	if (node->kind == KIND_UNION) {
		for (size_t i = 0; i < node->count; i++)
			if (state->constraint->nodes[node->nodes[i]]->begins & begins) {
				frame->node = node->nodes[i];
				return begin(state, frame, byte);
			}
		return false;
	}
	if (node->kind == KIND_LITERAL) {
		frame->phase = PHASE_LITERAL;
		frame->count = 1;
		return (frame->mask =
		            narrow(node, node->count == 64 ? UINT64_MAX : ((uint64_t)1 << node->count) - 1, 0,
		                   byte)) != 0;
	}
	switch (begins) {
	case BEGIN_OBJECT:
	case BEGIN_ARRAY:
		frame->phase = PHASE_FIRST;
		frame->object = byte == '{';
		return true;
	case BEGIN_STRING:
		frame->phase = PHASE_STRING;
		return true;
	case BEGIN_NUMBER:
		frame->phase = byte == '-' ? PHASE_MINUS : byte == '0' ? PHASE_ZERO : PHASE_DIGITS;
		return true;
	default: /* true, false, null as anything: which one is kept in names */
		frame->phase = PHASE_LITERAL;
		frame->count = 1;
		frame->names = begins == BEGIN_TRUE ? 0 : begins == BEGIN_FALSE ? 1 : 2;
		return plain[frame->names][0] == (char)byte;
	}
}

/* A value within a container begins: a frame for it, which gets the byte. */
static bool
enter(struct constraint_state *state, struct constraint_frame *frame, uint32_t node, uint8_t byte)
{
	frame->phase = PHASE_VALUE;
	/* Within anything, anything may come: its node is its own element. */
	if (!push(state, node == NODE_NONE ? frame->node : node))
		return false;
	return begin(state, &state->frames[state->depth - 1], byte);
}

static bool
object_byte(struct constraint_state *state, struct constraint_frame *frame, uint8_t byte)
{
	const struct node *node = node_of(state, frame);
	bool any = node->kind == KIND_ANY, open = any || node->other != NODE_NONE;
	int result;

	switch (frame->phase) {
	case PHASE_FIRST:
	case PHASE_NEXT:
		if (byte == '}' && frame->phase == PHASE_FIRST && (any || node->required == 0)) {
			state->depth--;
			return true;
		}
		if (byte != '"')
			return false;
		frame->names =
		    any ? 0
		        : narrow(node,
		                 (node->count == 64 ? UINT64_MAX : ((uint64_t)1 << node->count) - 1) &
		                     ~frame->mask,
		                 0, '"');
		frame->phase = PHASE_NAME;
		frame->count = 1;
		frame->detail = 0;
		return open || frame->names != 0;
	case PHASE_NAME:
		if (!any)
			frame->names = narrow(node, frame->names, frame->count, byte);
		if (frame->count < UINT16_MAX)
			frame->count++;
		if (!open && frame->names == 0)
			return false;
		if ((result = string_byte(&frame->detail, byte)) == 2) {
			/* A name that is one of the properties by its beginning only is another one. */
			uint64_t exact = 0;

			for (size_t i = 0; i < node->count && !any; i++)
				if ((frame->names >> i & 1) && node->texts[i].size == frame->count)
					exact = (uint64_t)1 << i;
			frame->names = exact;
			if (exact == 0 && !open)
				return false;
			frame->mask |= exact;
			frame->phase = PHASE_COLON;
		}
		return result != 0;
	case PHASE_COLON:
		if (byte != ':')
			return false;
		frame->phase = PHASE_DUE;
		return true;
	case PHASE_VALUE:
		if (byte == ',' && (open || (node->count < 64 ? ((uint64_t)1 << node->count) - 1
		                                              : UINT64_MAX) != frame->mask)) {
			frame->phase = PHASE_NEXT;
			return true;
		}
		if (byte == '}' && (any || (node->required & ~frame->mask) == 0)) {
			state->depth--;
			return true;
		}
		return false;
	default: {
		uint32_t inner = any ? NODE_NONE : node->other;

		for (size_t i = 0; i < node->count && !any; i++)
			if (frame->names >> i & 1)
				inner = node->nodes[i];
		return enter(state, frame, inner, byte);
	}
	}
}

static bool
array_byte(struct constraint_state *state, struct constraint_frame *frame, uint8_t byte)
{
	const struct node *node = node_of(state, frame);
	bool any = node->kind == KIND_ANY;

	if (byte == ']' && (frame->phase == PHASE_FIRST || frame->phase == PHASE_VALUE)) {
		if (!any && frame->count < node->least)
			return false;
		state->depth--;
		return true;
	}
	if (frame->phase == PHASE_VALUE) {
		frame->phase = PHASE_NEXT;
		return byte == ',' && (any || frame->count < node->most);
	}
	if (!any && frame->count >= node->most)
		return false;
	if (frame->count < UINT16_MAX)
		frame->count++;
	return enter(state, frame, any ? NODE_NONE : node->other, byte);
}

static bool
feed_byte(struct constraint_state *state, uint8_t byte)
{
	static const char *const plain[] = {"true", "false", "null"};

	for (;;) {
		struct constraint_frame *frame = state->depth > 0 ? &state->frames[state->depth - 1] : NULL;
		const struct node *node = frame != NULL ? node_of(state, frame) : NULL;
		bool within;

		if (frame != NULL && frame->phase == PHASE_LITERAL) {
			if (node->kind == KIND_LITERAL) {
				uint64_t left = narrow(node, frame->mask, frame->count, byte);

				if (left != 0) {
					frame->mask = left;
					frame->count++;
					return true;
				}
				if (!literal_ends(node, frame))
					return false;
			} else if (plain[frame->names][frame->count] != '\0') {
				return plain[frame->names][frame->count++] == (char)byte;
			}
			state->depth--;
			continue; /* the byte is for who contains it */
		}
		if (frame != NULL && frame->phase >= PHASE_MINUS) {
			int next = number_byte(frame->phase, byte, node->kind == KIND_INTEGER);

			if (next >= 0 && frame->detail < DIGITS_LIMIT) {
				frame->phase = (uint8_t)next;
				frame->detail++;
				return true;
			}
			if (!number_ends(frame->phase))
				return false;
			state->depth--;
			continue;
		}
		within = frame != NULL && (frame->phase == PHASE_STRING || frame->phase == PHASE_NAME);
		if (!within && (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r'))
			return (state->depth != 1 || frame->phase != PHASE_BEGIN) &&
			       ++state->spaces <= SPACES_LIMIT;
		if (!within)
			state->spaces = 0;
		if (frame == NULL)
			return false;
		if (frame->phase == PHASE_STRING) {
			int result = string_byte(&frame->detail, byte);

			if (result == 2)
				state->depth--;
			return result != 0;
		}
		if (frame->phase == PHASE_BEGIN)
			return begin(state, frame, byte);
		return frame->object ? object_byte(state, frame, byte) : array_byte(state, frame, byte);
	}
}

bool
constraint_feed(struct constraint_state *state, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		if (!feed_byte(state, bytes.data[i]))
			return false;
	return true;
}

bool
constraint_complete(const struct constraint_state *state)
{
	static const uint8_t plain[] = {4, 5, 4};
	const struct constraint_frame *frame = &state->frames[0];

	if (state->depth != 1)
		return state->depth == 0;
	/* Numbers and literals have no end of their own. */
	if (frame->phase == PHASE_LITERAL)
		return node_of(state, frame)->kind == KIND_LITERAL
		           ? literal_ends(node_of(state, frame), frame)
		           : frame->count == plain[frame->names];
	return number_ends(frame->phase);
}
