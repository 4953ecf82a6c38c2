/*
 * json -- the one door to jansson, and a canonical writer that needs no tree.
 *
 * Reading is strict: UTF-8, no duplicate names, no lone surrogates, no U+0000, one value and nothing behind it,
 * bounded size and depth. Writing is RFC 8785 (JCS) restricted to what an entry may hold: strings, integers below
 * 2^53 in magnitude, booleans, arrays, objects, null. jansson's json_t may be used anywhere through this header.
 */
#ifndef HAECHI_SCHEMA_BASE_JSON_H
#define HAECHI_SCHEMA_BASE_JSON_H

#include <jansson.h>

#include "schema/base/bytes.h"

#define JSON_DEPTH_LIMIT 64

/* Parse exactly one value. The caller's, to json_decref(). The fault names line and column, never content. */
MUST_CHECK json_t *json_read(struct slice text, size_t size_limit, unsigned depth_limit, struct fault *why);
/* The same of a file, which may begin with a byte order mark. */
MUST_CHECK json_t *json_read_file(const char *path, size_t size_limit, struct fault *why);

/* RFC 8785 bytes of a tree without reals; false in the buffer (failed) when it holds what JCS-integers cannot. */
void json_write_canonical(struct buffer *out, const json_t *value);
/* Compact, order of insertion kept, UTF-8 unescaped: for answers to people's programs. */
void json_write(struct buffer *out, const json_t *value);

/* Typed look-ups: NULL / fallback when absent or of another type. Borrowed from the tree. */
const char *json_get_string(const json_t *object, const char *name);
int64_t json_get_integer(const json_t *object, const char *name, int64_t fallback);
bool json_get_bool(const json_t *object, const char *name, bool fallback);
/* The first member of `object` that is not in the NULL-terminated list; NULL when all are known. */
const char *json_unknown_member(json_t *object, const char *const *known);

/*
 * The canonical writer: objects must be written with names in ascending order of UTF-16 code units, which it checks;
 * a misuse or an over-large integer fails the buffer. Depth at most JSON_DEPTH_LIMIT.
 */
struct json_writer {
	struct buffer *out;
	unsigned depth;
	struct {
		bool object;
		bool any;       /* a member or element was written */
		size_t name_at; /* last name in this object: its place in out, for the order check */
		size_t name_size;
	} level[JSON_DEPTH_LIMIT];
};

void json_writer_init(struct json_writer *writer, struct buffer *out);
void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_name(struct json_writer *writer, const char *name);  /* ASCII without quotes: names are ours */
void json_text(struct json_writer *writer, struct slice text); /* must be UTF-8, else the buffer fails */
void json_cstring(struct json_writer *writer, const char *text);
void json_number(struct json_writer *writer, int64_t value);
void json_bool(struct json_writer *writer, bool value);
/* A JSON string with quotes and escapes, straight into a buffer; malformed UTF-8 becomes U+FFFD. */
void json_quote(struct buffer *out, struct slice text);

#endif
