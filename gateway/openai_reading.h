/*
 * openai_reading -- the inside of openai_read(): one request in the reading, shared by openai.c (the table of members) and
 * openai_parts.c (members with a shape of their own). Not for others.
 */
#ifndef HAECHI_GATEWAY_OPENAI_READING_H
#define HAECHI_GATEWAY_OPENAI_READING_H

#include "gateway/openai.h"

#define READING_NAME_MOST  64
#define READING_CALLS_MOST 256 /* ids of tool calls in one request */

struct reading {
	struct openai_request *request;
	const struct openai_limits *limits;
	struct arena *arena;
	const char **param;
	struct fault *why;
	size_t text_capacity;
	const char *ids[READING_CALLS_MOST]; /* of tool calls, as the client named them */
	size_t id_count;
};

/* Every complaint goes through these: `param` is a name of ours, never content. Always -1. */
int reading_complain(struct reading *reading, const char *param, enum fault_kind kind, const char *ko,
                     const char *en);
int reading_wrong_type(struct reading *reading, const char *param);
int reading_out_of_range(struct reading *reading, const char *param);
int reading_too_many(struct reading *reading, const char *param);
int reading_unsupported(struct reading *reading, const char *param);
int reading_no_memory(struct reading *reading);
/* A member nobody knows: the caller is told its name by `param` alone. */
int reading_unknown(struct reading *reading, const char *name);

struct slice reading_string_slice(const json_t *string);
/* One more text for the detector. `string` NULL: it cannot be masked. */
int reading_add_text(struct reading *reading, const char *param, struct slice text, json_t *string);
/* `object`.`name` = value, which is the object's then also on failure; _same keeps the giver's hold. */
int reading_put(struct reading *reading, json_t *object, const char *name, json_t *value);
int reading_put_same(struct reading *reading, json_t *object, const char *name, json_t *value);
/* A string that the engine gets and the detector sees. */
int reading_put_text(struct reading *reading, json_t *object, const char *name, json_t *string);

/* Members with a shape of their own, into the document. */
int reading_put_messages(struct reading *reading, json_t *from);
int reading_put_inputs(struct reading *reading, const char *member, json_t *from);
int reading_put_stop(struct reading *reading, json_t *from);
int reading_put_tools(struct reading *reading, const json_t *from);
int reading_put_tool_choice(struct reading *reading, json_t *from);
int reading_put_response_format(struct reading *reading, json_t *from);
int reading_put_logit_bias(struct reading *reading, json_t *from);
int reading_put_template_switches(struct reading *reading, json_t *from);

#endif
