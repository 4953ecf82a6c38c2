/*
 * tools -- what haechi-engine can be told to do. Each gets the arguments behind its name, answers on standard
 * output, complains on standard error, and returns the program's exit status: 0 good, 1 the answer is "no", 2 usage
 * or environment.
 */
#ifndef HAECHI_INFERENCE_TOOLS_H
#define HAECHI_INFERENCE_TOOLS_H

#include <stdio.h>

#include "inference/model.h"
#include "inference/tokenizer.h"

#define PROGRAM "haechi-engine"

int tool_serve(int count, char **arguments);
int tool_logits(int count, char **arguments);
int tool_tokenize(int count, char **arguments);
int tool_inspect(int count, char **arguments);
int tool_bench(int count, char **arguments);

/* What --help says of an option, in two languages. */
struct tool_option {
	const char *name, *ko, *en;
};
/* "usage: haechi-engine <synopsis>" and the options, up to one without a name. */
void tool_usage(FILE *to, const char *synopsis, const struct tool_option *options);
/* For the tools: print the fault; always 2. */
int tool_fail(const struct fault *why);
/* "1,2,3" as tokens. */
MUST_CHECK int tool_tokens(const char *text, struct token_list *out, struct fault *why);
/* A whole decimal number between least and most. */
MUST_CHECK int tool_number(const char *option, const char *text, long least, long most, long *out,
                           struct fault *why);

#endif
