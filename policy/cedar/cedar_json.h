/*
 * cedar_json -- JSON as Cedar's files have it: a tree in an arena.
 *
 * schema/base/json.h cannot serve here: names and texts of Cedar may hold U+0000, which jansson refuses in names, and
 * integers must keep 64 bits. Strict otherwise: UTF-8, no lone surrogates, no name twice in an object, one value and
 * nothing behind it.
 */
#ifndef HAECHI_POLICY_CEDAR_CEDAR_JSON_H
#define HAECHI_POLICY_CEDAR_CEDAR_JSON_H

#include "schema/base/arena.h"
#include "schema/base/bytes.h"

#define CEDAR_JSON_DEPTH        128  /* of data; that is the reference's limit too */
#define CEDAR_JSON_DEPTH_POLICY 1024 /* of policies: an operator in an operator takes two levels */
#define CEDAR_JSON_LIMIT        ((size_t)64 << 20)

enum cedar_json_kind {
	CEDAR_JSON_NULL = 0,
	CEDAR_JSON_BOOL,
	CEDAR_JSON_INTEGER,
	CEDAR_JSON_NUMBER, /* with a fraction or an exponent, or beyond 64 bits: no value of Cedar's */
	CEDAR_JSON_STRING,
	CEDAR_JSON_ARRAY,
	CEDAR_JSON_OBJECT,
};

struct cedar_json {
	enum cedar_json_kind kind;
	uint32_t count;    /* of items */
	uint32_t offset;   /* where it begins in the text */
	struct slice name; /* in an object */
	union {
		bool boolean;
		int64_t integer;
		struct slice string;
		struct cedar_json *items;
	} as;
};

/* The tree and its texts lie in the arena; nothing points into `text`. Deeper than `depth` is refused. */
MUST_CHECK int cedar_json_read(const struct cedar_json **out, struct arena *arena, struct slice text,
                               unsigned depth, struct fault *why);
/* A member; NULL when absent or when `object` is none. */
const struct cedar_json *cedar_json_get(const struct cedar_json *object, const char *name);
/* {"type": text, "id": text}, whatever else is in it. */
bool cedar_json_is_uid(const struct cedar_json *json);
/* {"fn": text, "arg": value} or {"fn": text, "args": [values]}, whatever else is in it. */
bool cedar_json_is_call(const struct cedar_json *json);

/*
 * How an object is meant where no type says so: {"__entity": UID} and {"__extn": CALL} stand for a value, {"__expr": text}
 * is refused; with another member beside them, or another thing inside, they are records like any other.
 */
enum cedar_json_escape {
	CEDAR_JSON_PLAIN = 0,
	CEDAR_JSON_ENTITY,
	CEDAR_JSON_EXTENSION,
	CEDAR_JSON_EXPRESSION,
};
enum cedar_json_escape cedar_json_escape_of(const struct cedar_json *object);
/* {"__expr": text}, whatever else is in it: refused wherever an entity or an extension value must come. */
bool cedar_json_is_expression(const struct cedar_json *json);

/* "object", "number" … in JSON's words, for messages. */
const char *cedar_json_kind_name(const struct cedar_json *value);

#endif
