/*
 * engine_answer -- an answer on its way to a client, and its shapes: a whole completion, events of a stream,
 * embeddings.
 */
#ifndef HAECHI_INFERENCE_ENGINE_ANSWER_H
#define HAECHI_INFERENCE_ENGINE_ANSWER_H

#include "inference/inference.h"
#include "inference/tool_calls.h"

#define ANSWER_LIMIT ((size_t)48 << 20)

struct engine_api;
struct http_call;

struct answer;

struct choice {
	struct answer *answer;
	struct generation *generation; /* NULL once it has ended */
	struct buffer text;            /* of a whole answer */
	struct buffer logprobs;        /* JSON of its tokens, comma behind each */
	size_t tokens, cached;
	size_t offset;            /* characters of the text so far, for completions' logprobs */
	struct tool_calls *tools; /* NULL: text is text */
	size_t called;            /* calls that the stream has told */
	enum generation_end end;
};

/* A call that is being answered by generations. */
struct answer {
	struct engine_api *api;
	const struct model *model;
	struct http_call *call; /* NULL: the client has left */
	struct answer *next;    /* in the list of those with news */
	bool listed;
	bool chat, embed, base64, stream, include_usage, with_logprobs;
	char id[48];
	int64_t created;
	size_t prompt_tokens;
	unsigned each;     /* answers of each prompt */
	size_t dimensions; /* of embeddings */
	unsigned count, ended;
	struct choice choices[];
};

/* A whole answer. */
void answer_write_whole(struct answer *answer, struct buffer *out);
/* One event of a stream: the role at the beginning, or more text (with its reports), or the end (NULL: not yet). */
void answer_write_event(struct answer *answer, struct choice *choice, struct slice text,
                        const struct generation_news *news, const char *role, const char *end,
                        struct buffer *out);
/* The events of one call of a tool. */
void answer_write_call(struct answer *answer, struct choice *choice, size_t number, struct buffer *out);
/* The last event but one, where the client wants it. */
void answer_write_usage(struct answer *answer, struct buffer *out);
/* JSON of the tokens of a chat, a comma behind each. */
void answer_write_logprobs(struct answer *answer, struct buffer *out, const struct token_report *reports,
                           size_t count);
/* As JSON, with its quotes. */
const char *answer_reason(const struct choice *choice);

#endif
