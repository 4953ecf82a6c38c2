#include "gateway/openai_reading.h"

#include <stdlib.h>
#include <string.h>

#define MODEL_MOST 128 /* bytes */
#define USER_MOST  256

const char *
openai_path(enum openai_kind kind)
{
	static const char *const paths[] = {"/v1/chat/completions", "/v1/completions", "/v1/embeddings"};

	return paths[kind];
}

const char *
openai_action(enum openai_kind kind)
{
	return kind == OPENAI_EMBEDDING ? "embed" : "chat";
}

enum openai_kind
openai_kind_of(struct slice content)
{
	json_t *document = json_read(content, content.size, JSON_DEPTH_LIMIT, NULL);
	const enum openai_kind kind = json_object_get(document, "input") != NULL    ? OPENAI_EMBEDDING
	                              : json_object_get(document, "prompt") != NULL ? OPENAI_COMPLETION
	                                                                            : OPENAI_CHAT;

	json_decref(document);
	return kind;
}

static int
take_model(struct reading *reading, const json_t *value)
{
	const char *const text = json_string_value(value);

	if (text == NULL)
		return reading_wrong_type(reading, "model");
	if (json_string_length(value) == 0 || json_string_length(value) > MODEL_MOST)
		return reading_out_of_range(reading, "model");
	for (const char *at = text; *at != '\0'; at++)
		if (*at < '!' || *at > '~')
			return reading_out_of_range(reading, "model");
	reading->request->model = arena_string(reading->arena, text);
	return reading->request->model == NULL ? reading_no_memory(reading) : 0;
}

static int
take_user(struct reading *reading, const json_t *value)
{
	if (!json_is_string(value))
		return reading_wrong_type(reading, "user");
	if (json_string_length(value) > USER_MOST)
		return reading_too_many(reading, "user");
	reading->request->user = arena_string(reading->arena, json_string_value(value));
	return reading->request->user == NULL ? reading_no_memory(reading) : 0;
}

static int
take_stream_options(struct reading *reading, const json_t *value)
{
	if (!json_is_object(value))
		return reading_wrong_type(reading, "stream_options");
	reading->request->include_usage = json_get_bool(value, "include_usage", false);
	return 0;
}

static int
take_modalities(struct reading *reading, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *const one = json_string_value(json_array_get(value, i));

		if (one == NULL || strcmp(one, "text") != 0)
			return reading_unsupported(reading, "modalities");
	}
	return 0;
}

/* ---- the members of a request, in one table ------------------------------------------------------------------------- */

enum rule {
	RULE_NUMBER,  /* forwarded when within least .. most */
	RULE_INTEGER, /* the same */
	RULE_BOOL,    /* forwarded */
	RULE_DROP,    /* says nothing to an engine */
	RULE_ONE,     /* 1 says nothing either; more is refused */
	RULE_REFUSE,  /* by name: it would need what we cannot look into, or leave the country */
	RULE_MODEL,
	RULE_MESSAGES,
	RULE_INPUTS,
	RULE_USER,
	RULE_STREAM,
	RULE_STREAM_OPTIONS,
	RULE_MODALITIES,
	RULE_CHOICES,
	RULE_TOKENS,
	RULE_STOP,
	RULE_TOOLS,
	RULE_TOOL_CHOICE,
	RULE_FORMAT,
	RULE_BIAS,
	RULE_TEMPLATE,
	RULE_ENCODING,
	RULE_LOGPROBS,
	RULE_TEXT,
};

#define IN_CHAT       1u
#define IN_COMPLETION 2u
#define IN_EMBEDDING  4u
#define IN_BOTH       (IN_CHAT | IN_COMPLETION)
#define IN_ALL        7u

/* clang-format off */
static const struct member {
	const char *name;
	unsigned    in;
	enum rule   rule;
	double      least, most;
} members[] = {
	{"model",                 IN_ALL,        RULE_MODEL,          0, 0},
	{"messages",              IN_CHAT,       RULE_MESSAGES,       0, 0},
	{"prompt",                IN_COMPLETION, RULE_INPUTS,         0, 0},
	{"input",                 IN_EMBEDDING,  RULE_INPUTS,         0, 0},
	{"user",                  IN_ALL,        RULE_USER,           0, 0},
	{"stream",                IN_BOTH,       RULE_STREAM,         0, 0},
	{"stream_options",        IN_BOTH,       RULE_STREAM_OPTIONS, 0, 0},
	{"n",                     IN_BOTH,       RULE_CHOICES,        0, 0},
	{"max_tokens",            IN_BOTH,       RULE_TOKENS,         0, 0},
	{"max_completion_tokens", IN_CHAT,       RULE_TOKENS,         0, 0},
	{"temperature",           IN_BOTH,       RULE_NUMBER,         0, 2},
	{"top_p",                 IN_BOTH,       RULE_NUMBER,         0, 1},
	{"frequency_penalty",     IN_BOTH,       RULE_NUMBER,         -2, 2},
	{"presence_penalty",      IN_BOTH,       RULE_NUMBER,         -2, 2},
	{"seed",                  IN_BOTH,       RULE_INTEGER,        -9007199254740991, 9007199254740991},
	{"stop",                  IN_BOTH,       RULE_STOP,           0, 0},
	{"logprobs",              IN_BOTH,       RULE_LOGPROBS,       0, 0},
	{"top_logprobs",          IN_CHAT,       RULE_INTEGER,        0, 20},
	{"logit_bias",            IN_BOTH,       RULE_BIAS,           0, 0},
	{"response_format",       IN_CHAT,       RULE_FORMAT,         0, 0},
	{"tools",                 IN_CHAT,       RULE_TOOLS,          0, 0},
	{"tool_choice",           IN_CHAT,       RULE_TOOL_CHOICE,    0, 0},
	{"parallel_tool_calls",   IN_CHAT,       RULE_BOOL,           0, 0},
	{"suffix",                IN_COMPLETION, RULE_TEXT,           0, 0},
	{"echo",                  IN_COMPLETION, RULE_BOOL,           0, 0},
	{"dimensions",            IN_EMBEDDING,  RULE_INTEGER,        1, 65536},
	{"encoding_format",       IN_EMBEDDING,  RULE_ENCODING,       0, 0},
	/* what engines of open models know beyond OpenAI, numbers alone */
	{"top_k",                 IN_BOTH,       RULE_INTEGER,        -1, 1000000},
	{"min_p",                 IN_BOTH,       RULE_NUMBER,         0, 1},
	{"repetition_penalty",    IN_BOTH,       RULE_NUMBER,         0, 10},
	{"min_tokens",            IN_BOTH,       RULE_INTEGER,        0, 1000000},
	{"ignore_eos",            IN_BOTH,       RULE_BOOL,           0, 0},
	{"chat_template_kwargs",  IN_CHAT,       RULE_TEMPLATE,       0, 0},
	{"reasoning_effort",      IN_CHAT,       RULE_DROP,           0, 0},
	/* accounts, caches and hints of OpenAI's own service */
	{"store",                 IN_ALL,        RULE_DROP,           0, 0},
	{"metadata",              IN_ALL,        RULE_DROP,           0, 0},
	{"service_tier",          IN_ALL,        RULE_DROP,           0, 0},
	{"safety_identifier",     IN_ALL,        RULE_DROP,           0, 0},
	{"prompt_cache_key",      IN_ALL,        RULE_DROP,           0, 0},
	{"prompt_cache_retention", IN_ALL,       RULE_DROP,           0, 0},
	{"verbosity",             IN_CHAT,       RULE_DROP,           0, 0},
	{"prediction",            IN_CHAT,       RULE_DROP,           0, 0},
	{"cache_prompt",          IN_BOTH,       RULE_DROP,           0, 0},
	{"modalities",            IN_CHAT,       RULE_MODALITIES,     0, 0},
	{"best_of",               IN_COMPLETION, RULE_ONE,            0, 0},
	{"audio",                 IN_CHAT,       RULE_REFUSE,         0, 0},
	{"web_search_options",    IN_CHAT,       RULE_REFUSE,         0, 0},
	{"functions",             IN_CHAT,       RULE_REFUSE,         0, 0},
	{"function_call",         IN_CHAT,       RULE_REFUSE,         0, 0},
};
/* clang-format on */

static int
take_tokens(struct reading *reading, const char *name, const json_t *value)
{
	int64_t tokens = json_integer_value(value);

	if (!json_is_integer(value))
		return reading_wrong_type(reading, name);
	if (tokens < 1 || tokens > 10000000)
		return reading_out_of_range(reading, name);
	if (reading->limits->output_tokens > 0 && tokens > reading->limits->output_tokens)
		tokens = reading->limits->output_tokens;
	return reading_put(reading, reading->request->document, "max_tokens", json_integer(tokens));
}

static int
take_choices(struct reading *reading, const json_t *value)
{
	if (!json_is_integer(value))
		return reading_wrong_type(reading, "n");
	if (json_integer_value(value) < 1 || json_integer_value(value) > reading->limits->choices)
		return reading_out_of_range(reading, "n");
	reading->request->choices = (unsigned)json_integer_value(value);
	return reading->request->choices == 1 ? 0
	                                      : reading_put(reading, reading->request->document, "n",
	                                                    json_integer(json_integer_value(value)));
}

static int
take_logprobs(struct reading *reading, json_t *value)
{
	if (json_is_false(value))
		return 0;
	if (reading->request->kind == OPENAI_CHAT
	        ? !json_is_true(value)
	        : !json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 20)
		return reading_wrong_type(reading, "logprobs");
	reading->request->logprobs = true;
	return reading_put_same(reading, reading->request->document, "logprobs", value);
}

static int
take_encoding(struct reading *reading, const json_t *value)
{
	const char *const word = json_string_value(value);

	if (word == NULL || (strcmp(word, "float") != 0 && strcmp(word, "base64") != 0))
		return reading_out_of_range(reading, "encoding_format");
	reading->request->base64_embedding = strcmp(word, "base64") == 0;
	return 0;
}

static int
take_member(struct reading *reading, const struct member *member, json_t *value)
{
	json_t *const document = reading->request->document;

	switch (member->rule) {
	case RULE_NUMBER:
	case RULE_INTEGER:
		if (!json_is_number(value) || (member->rule == RULE_INTEGER && !json_is_integer(value)))
			return reading_wrong_type(reading, member->name);
		if (!(json_number_value(value) >= member->least && json_number_value(value) <= member->most))
			return reading_out_of_range(reading, member->name);
		return reading_put_same(reading, document, member->name, value);
	case RULE_BOOL:
		return json_is_boolean(value) ? reading_put_same(reading, document, member->name, value)
		                              : reading_wrong_type(reading, member->name);
	case RULE_DROP:
		return 0;
	case RULE_ONE:
		return json_is_integer(value) && json_integer_value(value) == 1
		           ? 0
		           : reading_unsupported(reading, member->name);
	case RULE_REFUSE:
		return reading_unsupported(reading, member->name);
	case RULE_MODEL:
		return take_model(reading, value);
	case RULE_MESSAGES:
		return reading_put_messages(reading, value);
	case RULE_INPUTS:
		return reading_put_inputs(reading, member->name, value);
	case RULE_USER:
		return take_user(reading, value);
	case RULE_STREAM:
		if (!json_is_boolean(value))
			return reading_wrong_type(reading, member->name);
		reading->request->stream = json_is_true(value);
		return 0;
	case RULE_STREAM_OPTIONS:
		return take_stream_options(reading, value);
	case RULE_MODALITIES:
		return take_modalities(reading, value);
	case RULE_CHOICES:
		return take_choices(reading, value);
	case RULE_TOKENS:
		return take_tokens(reading, member->name, value);
	case RULE_STOP:
		return reading_put_stop(reading, value);
	case RULE_TOOLS:
		return reading_put_tools(reading, value);
	case RULE_TOOL_CHOICE:
		return reading_put_tool_choice(reading, value);
	case RULE_FORMAT:
		return reading_put_response_format(reading, value);
	case RULE_BIAS:
		return reading_put_logit_bias(reading, value);
	case RULE_TEMPLATE:
		return reading_put_template_switches(reading, value);
	case RULE_ENCODING:
		return take_encoding(reading, value);
	case RULE_LOGPROBS:
		return take_logprobs(reading, value);
	case RULE_TEXT:
		return reading_put_text(reading, document, member->name, value);
	}
	return reading_unsupported(reading, member->name);
}

static const struct member *
member_find(const char *name, unsigned in)
{
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if ((members[i].in & in) != 0 && strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

/* OpenAI has a code for it, llama.cpp a type, vLLM and SGLang only say it. */
static bool
says_too_long(const json_t *error)
{
	const char *const code = json_get_string(error, "code"), *const type = json_get_string(error, "type"),
	           *const message = json_get_string(error, "message");

	return (code != NULL && strcmp(code, "context_length_exceeded") == 0) ||
	       (type != NULL && strcmp(type, "exceed_context_size_error") == 0) ||
	       (message != NULL && (strstr(message, "maximum context length") != NULL ||
	                            strstr(message, "longer than the model's context length") != NULL));
}

const char *
openai_blamed(enum openai_kind kind, struct slice body, bool *too_long)
{
	struct fault why;
	json_t *document = json_read(body, 65536, 8, &why);
	const json_t *const inner = json_object_get(document, "error"),
	                    *const error = json_is_object(inner) ? inner : document; /* older vLLM has none inside */
	const char *const param = json_string_value(json_object_get(error, "param"));
	const size_t size = param == NULL ? 0 : strcspn(param, ".[");
	const char *found = NULL;

	*too_long = says_too_long(error);
	for (size_t i = 0; param != NULL && found == NULL && i < sizeof members / sizeof *members; i++)
		if ((members[i].in & 1u << kind) != 0 && strlen(members[i].name) == size &&
		    memcmp(members[i].name, param, size) == 0)
			found = members[i].name;
	json_decref(document);
	return found;
}

void
openai_busy(struct slice body, int64_t *position, int64_t *seconds)
{
	struct fault why;
	json_t *document = json_read(body, 65536, 8, &why), *error = json_object_get(document, "error");
	const json_t *const queue = json_object_get(error, "queue_position");
	const json_t *const retry = json_object_get(error, "retry_after");

	*position =
	    json_is_integer(queue) && json_integer_value(queue) >= 0 && json_integer_value(queue) < 1000000
	        ? json_integer_value(queue)
	        : -1;
	*seconds = json_is_integer(retry) ? json_integer_value(retry) : 1;
	*seconds = *seconds < 1 ? 1 : *seconds > 600 ? 600 : *seconds;
	json_decref(document);
}

/* Null is what many clients send for "not given", whatever the name. */
static int
take_members(struct reading *reading, json_t *source)
{
	const unsigned in = 1u << reading->request->kind;

	for (void *at = json_object_iter(source); at != NULL; at = json_object_iter_next(source, at)) {
		const struct member *member = member_find(json_object_iter_key(at), in);
		json_t *const value = json_object_iter_value(at);

		if (json_is_null(value))
			continue;
		if (member == NULL)
			return reading_unknown(reading, json_object_iter_key(at));
		if (take_member(reading, member, value) == -1)
			return -1;
	}
	return 0;
}

int
openai_read(struct openai_request **out, enum openai_kind kind, struct slice body,
            const struct openai_limits *limits, struct arena *arena, const char **param, struct fault *why)
{
	static const char *const needed[] = {"messages", "prompt", "input"};
	struct openai_request *request = arena_alloc(arena, sizeof *request);
	struct reading reading = {
	    .request = request, .limits = limits, .arena = arena, .param = param, .why = why};
	json_t *source = NULL;
	int result = -1;

	*out = NULL;
	*param = NULL;
	if (request == NULL)
		return fault_memory(why);
	*request = (struct openai_request){.kind = kind, .user = "", .choices = 1};
	if (body.size == 0)
		return fault_set(why, FAULT_INVALID, "본문이 비었습니다", "the body is empty");
	if ((source = json_read(body, limits->body_bytes, limits->depth, why)) == NULL)
		goto out;
	if (!json_is_object(source)) {
		fault_set(why, FAULT_INVALID, "본문은 JSON 객체여야 합니다",
		          "the body must be a JSON object");
		goto out;
	}
	if ((request->document = json_object()) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (take_members(&reading, source) == -1)
		goto out;
	if (request->model == NULL) {
		reading_complain(&reading, "model", FAULT_INVALID, "있어야 합니다", "is needed");
		goto out;
	}
	if (request->message_count == 0) {
		reading_complain(&reading, needed[kind], FAULT_INVALID, "있어야 합니다", "is needed");
		goto out;
	}
	if (limits->output_tokens > 0 && kind != OPENAI_EMBEDDING &&
	    json_object_get(request->document, "max_tokens") == NULL &&
	    reading_put(&reading, request->document, "max_tokens", json_integer(limits->output_tokens)) == -1)
		goto out;
	*out = request;
	result = 0;
out:
	json_decref(source);
	if (result == -1)
		openai_free(request);
	return result;
}

void
openai_free(struct openai_request *request)
{
	if (request == NULL)
		return;
	json_decref(request->document);
	request->document = NULL;
}

int
openai_mask(struct openai_request *request, size_t number, struct slice masked, struct fault *why)
{
	struct openai_text *text = &request->texts[number];

	if (text->string == NULL)
		return fault_set(why, FAULT_UNSUPPORTED, "이름이나 수에 든 식별자는 가릴 수 없습니다",
		                 "an identifier inside a name or number cannot be masked");
	if (json_string_setn(text->string, (const char *)masked.data, masked.size) == -1)
		return fault_set(why, FAULT_INTERNAL, "가린 글을 넣을 수 없습니다",
		                 "the masked text cannot be put in place");
	text->text = reading_string_slice(text->string);
	return 0;
}

/* ---- writing it anew ------------------------------------------------------------------------------------------------ */

static void
write_value(struct buffer *out, json_t *value)
{
	bool first = true;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		buffer_byte(out, '{');
		for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
			if (!first)
				buffer_byte(out, ',');
			first = false;
			json_quote(out, slice_string(json_object_iter_key(at)));
			buffer_byte(out, ':');
			write_value(out, json_object_iter_value(at));
		}
		buffer_byte(out, '}');
		return;
	case JSON_ARRAY:
		buffer_byte(out, '[');
		for (size_t i = 0; i < json_array_size(value); i++) {
			if (i > 0)
				buffer_byte(out, ',');
			write_value(out, json_array_get(value, i));
		}
		buffer_byte(out, ']');
		return;
	case JSON_STRING:
		json_quote(out, reading_string_slice(value));
		return;
	case JSON_INTEGER:
		buffer_printf(out, "%lld", (long long)json_integer_value(value));
		return;
	case JSON_REAL: {
		char text[32];

		/* The shortest of both that reads back as the same number. */
		snprintf(text, sizeof text, "%.15g", json_real_value(value));
		if (strtod(text, NULL) < json_real_value(value) ||
		    strtod(text, NULL) > json_real_value(value))
			snprintf(text, sizeof text, "%.17g", json_real_value(value));
		buffer_string(out, text);
		if (strpbrk(text, ".e") == NULL)
			buffer_string(out, ".0");
		return;
	}
	case JSON_TRUE:
		buffer_string(out, "true");
		return;
	case JSON_FALSE:
		buffer_string(out, "false");
		return;
	case JSON_NULL:
		buffer_string(out, "null");
		return;
	}
	out->failed = true;
}

static void
write_document(struct buffer *out, const struct openai_request *request, const char *model, bool stream)
{
	buffer_string(out, "{\"model\":");
	json_quote(out, slice_string(model));
	for (void *at = json_object_iter(request->document); at != NULL;
	     at = json_object_iter_next(request->document, at)) {
		buffer_string(out, ",");
		json_quote(out, slice_string(json_object_iter_key(at)));
		buffer_byte(out, ':');
		write_value(out, json_object_iter_value(at));
	}
	if (stream)
		buffer_string(out, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
	buffer_byte(out, '}');
}

void
openai_write(struct buffer *out, const struct openai_request *request, const char *model)
{
	write_document(out, request, model, request->stream);
}

void
openai_content(struct buffer *out, const struct openai_request *request)
{
	write_document(out, request, request->model, false);
}
