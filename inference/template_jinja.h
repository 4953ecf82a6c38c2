/*
 * template_jinja -- the chat template that a model brings along, in the part of Jinja that such templates use.
 *
 * Behaves as Jinja 3 set up the way model makers test theirs: trim_blocks, lstrip_blocks, break and continue, tojson
 * without escaping, raise_exception(), strftime_now(), {% generation %}. Not known, and refused by name with its line
 * when the template is read: include, import, extends, block, call, recursive loops, filters and tests not listed in
 * template_filter.c and template_test.c.
 *
 * A template is a foreign program and what it works on is foreign text: steps, memory, depth and output are bounded.
 * Every string remembers which of its bytes the template (or the vocabulary) wrote and which came from people,
 * through every operation, so that people's words never become control tokens.
 *
 * A compiled template is never changed: any number of threads may render it.
 */
#ifndef HAECHI_INFERENCE_TEMPLATE_JINJA_H
#define HAECHI_INFERENCE_TEMPLATE_JINJA_H

#include "inference/tokenizer.h"
#include "schema/base/json.h"

#define JINJA_SOURCE_LIMIT ((size_t)1 << 20)
#define JINJA_MEMORY_LIMIT ((size_t)512 << 20) /* of one rendering */
#define JINJA_STEPS_LIMIT  2000000u
#define JINJA_DEPTH_LIMIT  160

struct jinja;

/* Read a template. *out is the caller's, to jinja_free(). The fault names line and construct. */
MUST_CHECK int jinja_compile(struct jinja **out, struct slice source, struct fault *why);
void jinja_free(struct jinja *jinja); /* NULL is fine */
/* The template mentions this word somewhere: "tools", "developer". */
bool jinja_mentions(const struct jinja *jinja, const char *word);

/*
 * Render with the members of `ours` and `theirs` (objects) as variables; strings of `theirs` are people's, but for a
 * message's "role", which the caller has checked. FAULT_INVALID: the template refused (raise_exception) or failed,
 * in its own words but never with people's. FAULT_TOO_LARGE: a limit was reached.
 */
MUST_CHECK int jinja_render(const struct jinja *jinja, const json_t *ours, const json_t *theirs,
                            struct prompt *out, struct fault *why);

#endif
