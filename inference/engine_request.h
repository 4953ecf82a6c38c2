/*
 * engine_request -- what a client asks for, out of the API's JSON: every size bounded, what we cannot do or do not know
 * refused by name, what OpenAI knows and makes no difference to an answer let pass.
 */
#ifndef HAECHI_INFERENCE_ENGINE_REQUEST_H
#define HAECHI_INFERENCE_ENGINE_REQUEST_H

#include "inference/inference.h"
#include "inference/template.h"
#include "schema/base/json.h"

#define REQUEST_CHOICES_LIMIT  16
#define REQUEST_PROMPTS_LIMIT  128 /* of a completion; answers: so many in all */
#define REQUEST_STOPS_LIMIT    16
#define REQUEST_BODY_LIMIT     ((size_t)32 << 20)
#define REQUEST_MESSAGES_LIMIT 4096

struct chat_template;

/* One prompt or several. */
struct engine_prompts {
	struct token_list *lists;
	size_t count, tokens; /* tokens of all */
};

struct engine_request {
	json_t *json; /* the strings below borrow from it */
	bool chat, stream, include_usage, echo;
	unsigned choices;                     /* of each prompt */
	bool constrained;                     /* to a JSON object, or to `schema` */
	const json_t *schema;                 /* of the json; NULL: any object */
	struct constraint *constraint;        /* made of it by whoever answers; freed with the request */
	struct generation_request generation; /* but for the prompt */
	struct engine_prompts prompts;        /* one, for a chat */
	enum tool_style tools;                /* how calls are written, where the client offers tools */
	const json_t *tool_list;              /* of the json */
	bool one_call;                        /* of several the first only: parallel_tool_calls is false */
	bool whole_call;                      /* the answer is the JSON of one call: the client wants one */
	const char *forced; /* of this tool, the JSON being its arguments; NULL: the JSON names it */
	json_t *made;       /* the schema made for it */
	char param[64];     /* which member was wrong; "" when none in particular */
	char code[32];      /* of the error, where its kind does not say it all; "" */
};

/*
 * Read a body for /v1/chat/completions (`chat`) or /v1/completions. A model of another name than `served` is refused;
 * NULL: any will do. *out is the caller's, to engine_request_free(), also after -1, when out->param may name the
 * culprit.
 */
MUST_CHECK int engine_request_read(struct engine_request *out, struct slice body, bool chat,
                                   const char *served, const struct tokenizer *tokenizer,
                                   const struct chat_template *chat_template, size_t context,
                                   struct fault *why);
void engine_request_free(struct engine_request *request);

/* For the parts of the reader: the member is wrong, or not supported, said with its name. -1. */
int engine_request_wrong(struct engine_request *request, const char *param, struct fault *why);
int engine_request_unsupported(struct engine_request *request, const char *param, struct fault *why);
/* The messages and tools of a chat into request->prompt (engine_messages.c). */
MUST_CHECK int engine_messages_read(struct engine_request *request, const struct tokenizer *tokenizer,
                                    const struct chat_template *chat_template, struct fault *why);
/* The tools, into the conversation that the template will see; and what a wanted call begins with (engine_tools.c). */
MUST_CHECK int engine_tools_read(struct engine_request *request, const struct chat_template *chat_template,
                                 json_t *conversation, struct fault *why);
void engine_tools_prefix(const struct engine_request *request, struct prompt *prompt);

#define EMBEDDING_INPUTS_LIMIT 256

/* A body for /v1/embeddings. */
struct embedding_request {
	struct engine_prompts inputs;
	bool base64;
	size_t dimensions; /* leading ones only, brought to length 1 again; 0: all */
	char param[64], code[32];
};

/* As engine_request_read(). */
MUST_CHECK int embedding_request_read(struct embedding_request *out, struct slice body, const char *served,
                                      const struct tokenizer *tokenizer, size_t context, size_t width,
                                      struct fault *why);
void embedding_request_free(struct embedding_request *request);

/*
 * For both (engine_prompt.c). The member `name` into at most `most` prompts of at most `room` tokens; the model that a
 * request names is the one served; and no member is there that we do not know. `param` and `code` are filled as needed.
 */
MUST_CHECK int engine_prompts_read(struct engine_prompts *out, const json_t *value, const char *name,
                                   size_t most, const struct tokenizer *tokenizer, size_t room,
                                   char param[64], struct fault *why);
void engine_prompts_free(struct engine_prompts *prompts);
MUST_CHECK int engine_model_named(const json_t *json, const char *served, char param[64], char code[32],
                                  struct fault *why);
MUST_CHECK int engine_members_known(json_t *json, const char *const *known, char param[64], char code[32],
                                    struct fault *why);

#endif
