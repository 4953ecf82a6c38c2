/*
 * openai -- the OpenAI API: a request is read once with every size bounded, and made anew for the engine; answers are
 * made anew for the client. Bytes are never copied through.
 *
 * The document that is classified is the document that is forwarded: openai_read() keeps what the engine will get and
 * nothing else, lists every text in it, and openai_write() writes exactly that. Members that say nothing to an engine
 * (store, metadata, user, ...) are checked and dropped; members we do not know are refused by name, as OpenAI does.
 */
#ifndef HAECHI_GATEWAY_OPENAI_H
#define HAECHI_GATEWAY_OPENAI_H

#include "schema/base/arena.h"
#include "schema/base/json.h"

enum openai_kind { OPENAI_CHAT = 0, OPENAI_COMPLETION, OPENAI_EMBEDDING };

/* "/v1/chat/completions"; what an engine is asked under. */
const char *openai_path(enum openai_kind kind);
/* "chat" or "embed": the policy's word for it. */
const char *openai_action(enum openai_kind kind);

/* Which kind a document made by openai_content() is, by the member that only that kind has. */
enum openai_kind openai_kind_of(struct slice content);

struct openai_limits {
	size_t body_bytes; /* of a request */
	size_t messages;   /* also prompts and inputs */
	size_t text_bytes; /* of one text */
	size_t tools;
	size_t texts;          /* strings of a request in all, names in schemas included */
	unsigned depth;        /* of the JSON */
	unsigned choices;      /* n */
	int64_t output_tokens; /* max_tokens is cut to it; 0: as asked */
};

/* One string that goes to the engine, or a name or number among free data that might be an identifier. */
struct openai_text {
	struct slice text;
	json_t *
	    string; /* where it is replaced when masked; NULL: it cannot be, such a request is denied instead */
};

struct openai_request {
	enum openai_kind kind;
	const char *model; /* as asked */
	const char *user;  /* of the end user; "" */
	bool stream;
	bool include_usage;    /* stream_options: the client wants the usage chunk */
	bool base64_embedding; /* encoding_format */
	bool json_output;      /* response_format other than text: nothing may be added to the answer */
	bool logprobs;
	unsigned choices;
	size_t message_count;
	struct openai_text *texts;
	size_t text_count;
	size_t text_bytes;
	json_t *document; /* what the engine gets; the request's */
};

/*
 * What an engine's error object blames: a member of ours by name ("messages" for messages[3].content), else NULL; and whether it says that the prompt does not
 * fit its context. Its own words may quote the prompt and are not given.
 */
const char *openai_blamed(enum openai_kind kind, struct slice body, bool *too_long);

/* Of a busy engine's error object: how many would come first (-1: not told), and when to try again, 1-600 seconds. */
void openai_busy(struct slice body, int64_t *position, int64_t *seconds);

/*
 * Read one request. *out is in the arena; its document is freed by openai_free(). Faults name the member, never
 * content: FAULT_INVALID, FAULT_UNSUPPORTED, FAULT_TOO_LARGE. `param` gets the member's name for the error object, in
 * the arena, or stays NULL.
 */
MUST_CHECK int openai_read(struct openai_request **out, enum openai_kind kind, struct slice body,
                           const struct openai_limits *limits, struct arena *arena, const char **param,
                           struct fault *why);
void openai_free(struct openai_request *request); /* NULL is fine */
/* Put `masked` in the place of text `number`. -1 FAULT_UNSUPPORTED when that text cannot be changed. */
MUST_CHECK int openai_mask(struct openai_request *request, size_t number, struct slice masked,
                           struct fault *why);
/* The document for an engine that calls the model so; streams are asked to tell their usage. */
void openai_write(struct buffer *out, const struct openai_request *request, const char *model);
/* The document as the client asked for it, without streaming: what commitments, seals and approvals are about. */
void openai_content(struct buffer *out, const struct openai_request *request);

/* ---- answers ---------------------------------------------------------------------------------------------------- */

#define OPENAI_CHOICES 16
#define OPENAI_CALLS   64

/*
 * What an engine's answer says, borrowed from `document`. Texts are masked and labelled by the caller before the
 * answer is written anew: content and the arguments of calls are slices he may point elsewhere.
 */
struct openai_call {
	const char *id, *name; /* "" in later parts of a stream */
	int64_t index;
	struct slice arguments;
};

struct openai_choice {
	int64_t index;
	const char *role; /* NULL when not said (streams) */
	bool has_content, has_reasoning;
	struct slice content, reasoning;
	struct openai_call *calls;
	size_t call_count;
	const char *finish_reason; /* NULL: not yet */
	json_t *logprobs;          /* borrowed; NULL */
};

struct openai_answer {
	enum openai_kind kind;
	const char *model;       /* as the engine names it */
	const char *fingerprint; /* system_fingerprint; "" */
	struct openai_choice *choices;
	size_t choice_count;
	const json_t *embeddings;                                /* the array `data`, checked; borrowed */
	int64_t prompt_tokens, completion_tokens, cached_tokens; /* -1: not said */
	bool has_usage;
	json_t *document;
};

/* A plain answer or (`chunk`) one event of a stream, read strictly. openai_answer_free() afterwards. */
MUST_CHECK int openai_answer_read(struct openai_answer *out, enum openai_kind kind, bool chunk,
                                  struct slice text, size_t limit, struct arena *arena, struct fault *why);
void openai_answer_free(struct openai_answer *answer); /* NULL is fine */

/* The marks of an answer, the `haechi` member. Texts are UTF-8. */
struct openai_mark {
	const char *id;    /* of the answer: "chatcmpl-…" */
	const char *model; /* as the client asked */
	int64_t created;   /* seconds since 1970 */
	const char *entry, *decision, *verdict;
	const char *notice_ko, *notice_en; /* Art. 31; NULL: no notice here */
	const char *label;                 /* "none" "metadata" "notice" */
	bool notify;                       /* Art. 31(1): the channel must have told people beforehand */
	const uint32_t *masked;            /* by identifier kind; NULL: nothing was masked */
	const char *commitment, *salt;     /* to the prompt, hex, when it is not kept: NULL otherwise */
};

/* A plain answer, whole. `mark` may not be NULL. `base64`: embeddings as base64 of little-endian float32. */
MUST_CHECK int openai_answer_write(struct buffer *out, const struct openai_answer *answer, bool base64,
                                   const struct openai_mark *mark, struct fault *why);
/* One event's JSON, without "data: ". `last` adds the haechi member; `usage` writes what the answer's usage says. */
void openai_chunk_write(struct buffer *out, const struct openai_answer *answer, bool usage,
                        const struct openai_mark *mark, bool last);

/* {"error":{…}} with the message in both languages; `extra` is a whole JSON member list ("\"haechi\":{…}") or empty. */
void openai_error_write(struct buffer *out, const char *type, const char *code, const char *param,
                        const struct fault *why, struct slice extra);

#endif
