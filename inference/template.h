/*
 * template -- from a conversation to the text a model was trained on.
 *
 * What a template writes itself is trusted and may hold control tokens; what people wrote never is.
 */
#ifndef HAECHI_INFERENCE_TEMPLATE_H
#define HAECHI_INFERENCE_TEMPLATE_H

#include "inference/tokenizer.h"

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

struct chat_message {
	enum chat_role role;
	struct slice content; /* UTF-8 */
};

struct chat_template; /* template.c */

/*
 * The template for a model: `name` when given ("chatml", "llama3", "exaone", ...), else what its metadata's template
 * is recognised as, else what its control tokens suggest, else ChatML as plain text. *guess says that it was only
 * suggested. -1: no template of that name.
 */
MUST_CHECK int template_choose(const struct chat_template **out, const char *name, struct slice metadata,
                               const struct tokenizer *tokenizer, bool *guess, struct fault *why);
const char *template_name(const struct chat_template *chat_template);
/* What ends a turn, if the model might write it as ordinary text; NULL: only control tokens do. */
const char *template_stop(const struct chat_template *chat_template);

/* Messages into `out`, ending where the assistant is to speak. Failure shows in the prompt's buffer. */
void template_render(const struct chat_template *chat_template, const struct chat_message *messages,
                     size_t count, struct prompt *out);

#endif
