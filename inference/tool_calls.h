/*
 * tool_calls -- finds the calls of tools in what a model says, as it says it.
 *
 * Text that is or may become a call is held back; what turns out to be none is said after all. Only tools that the
 * client offered are called.
 */
#ifndef HAECHI_INFERENCE_TOOL_CALLS_H
#define HAECHI_INFERENCE_TOOL_CALLS_H

#include "inference/template.h"
#include "schema/base/json.h"

#define TOOL_CALLS_LIMIT 64

struct tool_call {
	char id[32];
	char *name, *arguments; /* arguments: JSON as text */
};

struct tool_calls {
	enum tool_style style;
	json_t *names; /* object: the tools that may be called */
	bool whole;    /* the answer is the JSON of one call and nothing else */
	char *forced;  /* whole: of this tool, the JSON being its arguments; NULL: the JSON names it */
	bool one;      /* calls after the first are dropped */
	struct buffer held;
	bool inside, begun; /* within a call; anything but white space was said */
	size_t lead;        /* white space before the mark of the call that is held */
	struct tool_call calls[TOOL_CALLS_LIMIT];
	size_t count;
};

/* `tools` as the API has them. *out is the caller's, to tool_calls_free(). NULL: no memory. */
struct tool_calls *tool_calls_new(enum tool_style style, const json_t *tools, bool whole, const char *forced);
void tool_calls_free(struct tool_calls *calls); /* NULL is fine */

/* More of the answer; what is not part of a call is appended to `content`. New calls are those behind the old count. */
void tool_calls_feed(struct tool_calls *calls, struct slice text, struct buffer *content);
/* No more comes. */
void tool_calls_end(struct tool_calls *calls, struct buffer *content);

/* A control token that is part of how calls are written, and so is to be seen as text: "<tool_call>". */
bool tool_calls_marker(struct slice name);

#endif
