/*
 * template -- from a conversation to the text a model was trained on.
 *
 * A model's own template (tokenizer.chat_template) is interpreted (template_jinja.h). Where it has none, or uses what
 * we do not know, a built-in one of the family that its control tokens suggest takes its place, and that is said.
 * What a template writes itself is trusted and may hold control tokens; what people wrote never is.
 */
#ifndef HAECHI_INFERENCE_TEMPLATE_H
#define HAECHI_INFERENCE_TEMPLATE_H

#include "inference/tokenizer.h"
#include "schema/base/json.h"

struct chat_template; /* template.c */

/* How a model writes that it wants a tool called, as far as its template shows. */
enum tool_style {
	TOOL_STYLE_NONE = 0, /* the template knows of no tools */
	TOOL_STYLE_TAGGED, /* <tool_call>{"name": …, "arguments": {…}}</tool_call>: Hermes, Qwen, EXAONE 4, A.X, Mi:dm */
	TOOL_STYLE_FUNCTION, /* <function=name>{…}</function>: Kanana and others */
	TOOL_STYLE_BARE,     /* the whole answer is {"name": …, "parameters": {…}}: Llama 3 */
};

/*
 * The template for a model: `name` when given (a built-in one, "llama3 exaone4 exaone gemma chatml zephyr"), else the
 * model's own, else a built-in one guessed from its control tokens, else ChatML as plain text. -1: no template of that
 * name. *out is the caller's, to template_close().
 */
MUST_CHECK int template_open(struct chat_template **out, const char *name, struct slice metadata,
                             const struct tokenizer *tokenizer, struct fault *why);
/* Somebody's template instead of all that; -1 when it does not hold. */
MUST_CHECK int template_open_source(struct chat_template **out, struct slice source,
                                    const struct tokenizer *tokenizer, struct fault *why);
/* It names a file: it has a '/' or ends in ".jinja". */
bool template_is_path(const char *name);
void template_close(struct chat_template *chat_template); /* NULL is fine */

const char *template_name(const struct chat_template *chat_template); /* "model" for the model's own */
/* A built-in one was only guessed; *why (if any) says what was wrong with the model's own. */
bool template_guessed(const struct chat_template *chat_template, const struct fault **why);
/* What ends a turn, if the model might write it as ordinary text; NULL: only control tokens do. */
const char *template_stop(const struct chat_template *chat_template);
enum tool_style template_tools(const struct chat_template *chat_template);
/* The role "developer" is known to it as such; else it is told "system". */
bool template_knows_developer(const struct chat_template *chat_template);

/*
 * `conversation` is an object with "messages" (each with a "role" that was checked and "content", a string), and maybe
 * "tools" and whatever else a template may be told. Into `out`, ending where the assistant is to speak. -1: the
 * template refuses (FAULT_INVALID), or a limit (FAULT_TOO_LARGE).
 */
MUST_CHECK int template_render(const struct chat_template *chat_template, const json_t *conversation,
                               struct prompt *out, struct fault *why);

#endif
