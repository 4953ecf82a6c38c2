#include "gateway/openai.h"

#include <stdlib.h>
#include <string.h>

#define MODEL_MOST   128 /* bytes */
#define USER_MOST    256
#define NAME_MOST    64
#define CALLS_MOST   256 /* ids of tool calls in one request */
#define STOP_MOST    16
#define BIAS_MOST    1024
#define DIGITS_LEAST 1000000 /* integers in free data from here on are looked at as texts */

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

/* ---- reading a request --------------------------------------------------------------------------------------------- */

struct reading {
	struct openai_request *request;
	const struct openai_limits *limits;
	struct arena *arena;
	const char **param;
	struct fault *why;
	size_t text_capacity;
	const char *ids[CALLS_MOST]; /* of tool calls, as the client named them */
	size_t id_count;
};

/* Every complaint goes through here: `param` is a name of ours or a copy in the arena, never content. */
static int
complain(struct reading *reading, const char *param, enum fault_kind kind, const char *ko, const char *en)
{
	*reading->param = param;
	fault_set(reading->why, kind, "%s: %s", "%s: %s", param, ko);
	if (reading->why != NULL)
		snprintf(reading->why->en, sizeof reading->why->en, "%s: %s", param, en);
	return -1;
}

static int
wrong_type(struct reading *reading, const char *param)
{
	return complain(reading, param, FAULT_INVALID, "값의 꼴이 맞지 않습니다",
	                "the value has the wrong type");
}

static int
out_of_range(struct reading *reading, const char *param)
{
	return complain(reading, param, FAULT_INVALID, "값이 허용 범위를 벗어났습니다",
	                "the value is out of range");
}

static int
too_many(struct reading *reading, const char *param)
{
	return complain(reading, param, FAULT_TOO_LARGE, "한도를 넘었습니다", "over the limit");
}

static int
unsupported(struct reading *reading, const char *param)
{
	return complain(reading, param, FAULT_UNSUPPORTED, "지원하지 않습니다", "not supported here");
}

static int
no_memory(struct reading *reading)
{
	return fault_memory(reading->why);
}

/* The caller is told the name by `param` alone: it is his word, and the fault's text may reach a log. */
static int
unknown(struct reading *reading, const char *name)
{
	const size_t size = strlen(name);

	fault_set(reading->why, FAULT_UNSUPPORTED,
	          "요청에 OpenAI API에 없거나 여기서 받지 않는 이름이 있습니다 (param)",
	          "the request has a member that the OpenAI API lacks or that is not accepted here (param)");
	if (size <= NAME_MOST &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == size)
		*reading->param = arena_string(reading->arena, name);
	return -1;
}

static struct slice
string_slice(const json_t *string)
{
	return slice_of(json_string_value(string), json_string_length(string));
}

/* One more text for the detector. `string` NULL: it cannot be masked. */
static int
add_text(struct reading *reading, const char *param, struct slice text, json_t *string)
{
	struct openai_request *request = reading->request;

	if (text.size == 0)
		return 0;
	if (text.size > reading->limits->text_bytes || request->text_count >= reading->limits->texts)
		return too_many(reading, param);
	if (request->text_count == reading->text_capacity) {
		const size_t capacity = reading->text_capacity == 0 ? 16 : reading->text_capacity * 2;
		struct openai_text *grown = arena_array(reading->arena, capacity, sizeof *grown);

		if (grown == NULL)
			return no_memory(reading);
		if (request->text_count > 0)
			memcpy(grown, request->texts, request->text_count * sizeof *grown);
		request->texts = grown;
		reading->text_capacity = capacity;
	}
	request->texts[request->text_count++] = (struct openai_text){text, string};
	request->text_bytes += text.size;
	return 0;
}

/* `object`.`name` = value, which is the object's then also on failure. */
static int
put(struct reading *reading, json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == -1 ? no_memory(reading) : 0;
}

static int
put_same(struct reading *reading, json_t *object, const char *name, json_t *value)
{
	return json_object_set(object, name, value) == -1 ? no_memory(reading) : 0;
}

/* A string that the engine gets and the detector sees. */
static int
put_text(struct reading *reading, json_t *object, const char *name, json_t *string)
{
	if (!json_is_string(string))
		return wrong_type(reading, name);
	return put_same(reading, object, name, string) == -1
	           ? -1
	           : add_text(reading, name, string_slice(string), string);
}

/*
 * Free data of the client (schemas of tools): every string is a text; names and long numbers are too, though they
 * cannot be masked. The depth was bounded when the document was read.
 */
static int
free_data(struct reading *reading, const char *param, json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
			if (add_text(reading, param, slice_string(json_object_iter_key(at)), NULL) == -1 ||
			    free_data(reading, param, json_object_iter_value(at)) == -1)
				return -1;
		}
		return 0;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++)
			if (free_data(reading, param, json_array_get(value, i)) == -1)
				return -1;
		return 0;
	case JSON_STRING:
		return add_text(reading, param, string_slice(value), value);
	case JSON_INTEGER:
	case JSON_REAL: {
		const double size = json_number_value(value);
		const char *digits;

		if (size < DIGITS_LEAST && size > -DIGITS_LEAST)
			return 0;
		digits = json_is_integer(value)
		             ? arena_printf(reading->arena, "%lld", (long long)json_integer_value(value))
		             : arena_printf(reading->arena, "%.0f", size);
		return digits == NULL ? no_memory(reading)
		                      : add_text(reading, param, slice_string(digits), NULL);
	}
	default:
		return 0;
	}
}

/* Names of functions: the client must find them again in the answer, so they are never changed. */
static int
put_function_name(struct reading *reading, const char *param, json_t *object, const json_t *from)
{
	json_t *const name = json_object_get(from, "name");
	const char *const text = json_string_value(name);

	if (text == NULL)
		return wrong_type(reading, param);
	if (json_string_length(name) == 0 || json_string_length(name) > NAME_MOST ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
	        json_string_length(name))
		return out_of_range(reading, param);
	return put_same(reading, object, "name", name) == -1
	           ? -1
	           : add_text(reading, param, string_slice(name), NULL);
}

/* Ids of tool calls only tie results to calls: the engine gets our own, so that nothing can hide in them. */
static int
put_call_id(struct reading *reading, const char *param, json_t *object, const char *member, const json_t *id)
{
	const char *const text = json_string_value(id);
	char ours[32];
	size_t i;

	if (text == NULL || json_string_length(id) > 128)
		return wrong_type(reading, param);
	for (i = 0; i < reading->id_count; i++)
		if (strcmp(reading->ids[i], text) == 0)
			break;
	if (i == CALLS_MOST)
		return too_many(reading, param);
	if (i == reading->id_count)
		reading->ids[reading->id_count++] = text;
	snprintf(ours, sizeof ours, "call_%zu", i);
	return put(reading, object, member, json_string(ours));
}

/* ---- messages ------------------------------------------------------------------------------------------------------- */

/*
 * Parts of a message become one text, joined by line ends: what an engine would make of them, and what the detector sees
 * is then what the model sees. Anything but text is refused: nobody here could look into it.
 */
static int
put_parts(struct reading *reading, json_t *message, const json_t *parts)
{
	struct buffer whole;
	json_t *joined = NULL;
	int result = -1;

	buffer_init(&whole, reading->limits->text_bytes);
	for (size_t i = 0; i < json_array_size(parts); i++) {
		const json_t *part = json_array_get(parts, i);
		const char *const type = json_get_string(part, "type");
		const json_t *text = NULL;

		if (type != NULL && (strcmp(type, "text") == 0 || strcmp(type, "input_text") == 0 ||
		                     strcmp(type, "output_text") == 0))
			text = json_object_get(part, "text");
		else if (type != NULL && strcmp(type, "refusal") == 0)
			text = json_object_get(part, "refusal");
		else if (type != NULL) {
			complain(reading, "messages.content", FAULT_UNSUPPORTED,
			         "글(text)이 아닌 내용은 받지 않습니다",
			         "content other than text is not accepted");
			goto out;
		}
		if (!json_is_string(text)) {
			wrong_type(reading, "messages.content");
			goto out;
		}
		if (i > 0)
			buffer_byte(&whole, '\n');
		buffer_slice(&whole, string_slice(text));
	}
	if (!buffer_ok(&whole)) {
		too_many(reading, "messages.content");
		goto out;
	}
	joined = json_stringn_nocheck(whole.size > 0 ? (const char *)whole.data : "", whole.size);
	if (joined == NULL) {
		no_memory(reading);
		goto out;
	}
	result = put_text(reading, message, "content", joined);
out:
	json_decref(joined);
	buffer_free(&whole);
	return result;
}

static int
put_calls(struct reading *reading, json_t *message, const json_t *calls)
{
	json_t *list;

	if (!json_is_array(calls))
		return wrong_type(reading, "messages.tool_calls");
	if (json_array_size(calls) > OPENAI_CALLS)
		return too_many(reading, "messages.tool_calls");
	list = json_array();
	if (put(reading, message, "tool_calls", list) == -1)
		return -1;
	for (size_t i = 0; i < json_array_size(calls); i++) {
		const json_t *from = json_array_get(calls, i);
		const json_t *function = json_object_get(from, "function");
		const char *const type = json_get_string(from, "type");
		json_t *call = json_object();
		json_t *made = json_object();

		/* Both are owned by the tree from here on. */
		if (json_array_append_new(list, call) == -1) {
			json_decref(made);
			return no_memory(reading);
		}
		if (put(reading, call, "function", made) == -1)
			return -1;
		if (!json_is_object(function) || (type != NULL && strcmp(type, "function") != 0))
			return unsupported(reading, "messages.tool_calls.type");
		if (put_call_id(reading, "messages.tool_calls.id", call, "id", json_object_get(from, "id")) ==
		        -1 ||
		    put(reading, call, "type", json_string("function")) == -1 ||
		    put_function_name(reading, "messages.tool_calls.function.name", made, function) == -1 ||
		    put_text(reading, made, "arguments", json_object_get(function, "arguments")) == -1)
			return -1;
	}
	return 0;
}

/* Members of a message that answers carry and clients send back; they say nothing to an engine. */
static const char *const message_known[] = {
    "role",     "content",     "name",          "tool_calls", "tool_call_id",
    "refusal",  "annotations", "audio",         "reasoning",  "reasoning_content",
    "metadata", "id",          "function_call", "haechi",     NULL};

static int
put_message(struct reading *reading, json_t *list, json_t *from)
{
	static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
	const char *const role = json_get_string(from, "role");
	json_t *const content = json_object_get(from, "content");
	json_t *const calls = json_object_get(from, "tool_calls");
	json_t *message;
	const char *stranger;
	size_t which = 0;

	if (!json_is_object(from))
		return wrong_type(reading, "messages");
	if ((stranger = json_unknown_member(from, message_known)) != NULL)
		return unknown(reading, stranger);
	while (which < sizeof roles / sizeof *roles && (role == NULL || strcmp(role, roles[which]) != 0))
		which++;
	if (which == sizeof roles / sizeof *roles)
		return complain(reading, "messages.role", FAULT_INVALID,
		                "system, developer, user, assistant, tool 가운데 하나",
		                "one of system, developer, user, assistant, tool");
	if (json_is_object(json_object_get(from, "audio")))
		return unsupported(reading, "messages.audio");
	if (json_is_object(json_object_get(from, "function_call")))
		return unsupported(reading, "messages.function_call");
	message = json_object();
	if (json_array_append_new(list, message) == -1)
		return no_memory(reading);
	/* Templates of open models know no developer. */
	if (put(reading, message, "role", json_string(which == 1 ? "system" : roles[which])) == -1)
		return -1;
	if (json_is_string(content)) {
		if (put_text(reading, message, "content", content) == -1)
			return -1;
	} else if (json_is_array(content)) {
		if (json_array_size(content) > reading->limits->messages)
			return too_many(reading, "messages.content");
		if (put_parts(reading, message, content) == -1)
			return -1;
	} else if (content != NULL && !json_is_null(content)) {
		return wrong_type(reading, "messages.content");
	} else if (calls == NULL) {
		return complain(reading, "messages.content", FAULT_INVALID, "내용이 없습니다",
		                "there is no content");
	} else if (put(reading, message, "content", json_null()) == -1) {
		return -1;
	}
	if (json_object_get(from, "name") != NULL &&
	    put_text(reading, message, "name", json_object_get(from, "name")) == -1)
		return -1;
	if (calls != NULL && !json_is_null(calls) && put_calls(reading, message, calls) == -1)
		return -1;
	if (which == 4 && put_call_id(reading, "messages.tool_call_id", message, "tool_call_id",
	                              json_object_get(from, "tool_call_id")) == -1)
		return -1;
	return 0;
}

static int
put_messages(struct reading *reading, json_t *from)
{
	json_t *list;

	if (!json_is_array(from) || json_array_size(from) == 0)
		return complain(reading, "messages", FAULT_INVALID, "하나 이상의 메시지 목록이어야 합니다",
		                "a list of at least one message is needed");
	if (json_array_size(from) > reading->limits->messages)
		return too_many(reading, "messages");
	reading->request->message_count = json_array_size(from);
	list = json_array();
	if (put(reading, reading->request->document, "messages", list) == -1)
		return -1;
	for (size_t i = 0; i < json_array_size(from); i++)
		if (put_message(reading, list, json_array_get(from, i)) == -1)
			return -1;
	return 0;
}

/* "prompt" of completions, "input" of embeddings: a text or a list of texts. Token numbers cannot be looked into. */
static int
put_inputs(struct reading *reading, const char *member, json_t *from)
{
	json_t *list;

	reading->request->message_count = 1;
	if (json_is_string(from))
		return put_text(reading, reading->request->document, member, from);
	if (!json_is_array(from) || json_array_size(from) == 0)
		return wrong_type(reading, member);
	if (json_array_size(from) > reading->limits->messages)
		return too_many(reading, member);
	reading->request->message_count = json_array_size(from);
	list = json_array();
	if (put(reading, reading->request->document, member, list) == -1)
		return -1;
	for (size_t i = 0; i < json_array_size(from); i++) {
		json_t *const one = json_array_get(from, i);

		if (!json_is_string(one))
			return complain(reading, member, FAULT_UNSUPPORTED,
			                "토큰 번호는 받지 않습니다: 글로 보내십시오 (LangChain: "
			                "check_embedding_ctx_length=False)",
			                "token numbers are not accepted: send text (LangChain: "
			                "check_embedding_ctx_length=False)");
		if (json_array_append(list, one) == -1)
			return no_memory(reading);
		if (add_text(reading, member, string_slice(one), one) == -1)
			return -1;
	}
	return 0;
}

/* ---- members with a shape of their own ------------------------------------------------------------------------------- */

static int
put_stop(struct reading *reading, json_t *from)
{
	if (json_is_string(from))
		return put_text(reading, reading->request->document, "stop", from);
	if (!json_is_array(from))
		return wrong_type(reading, "stop");
	if (json_array_size(from) > STOP_MOST)
		return too_many(reading, "stop");
	for (size_t i = 0; i < json_array_size(from); i++)
		if (!json_is_string(json_array_get(from, i)))
			return wrong_type(reading, "stop");
	return put_same(reading, reading->request->document, "stop", from) == -1
	           ? -1
	           : free_data(reading, "stop", from);
}

static int
put_tools(struct reading *reading, const json_t *from)
{
	json_t *list;

	if (!json_is_array(from))
		return wrong_type(reading, "tools");
	if (json_array_size(from) > reading->limits->tools)
		return too_many(reading, "tools");
	list = json_array();
	if (put(reading, reading->request->document, "tools", list) == -1)
		return -1;
	for (size_t i = 0; i < json_array_size(from); i++) {
		const json_t *given = json_array_get(from, i);
		const json_t *function = json_object_get(given, "function");
		const char *const type = json_get_string(given, "type");
		json_t *const description = json_object_get(function, "description");
		json_t *const parameters = json_object_get(function, "parameters");
		json_t *const strict = json_object_get(function, "strict");
		json_t *tool = json_object();
		json_t *made = json_object();

		if (json_array_append_new(list, tool) == -1) {
			json_decref(made);
			return no_memory(reading);
		}
		if (put(reading, tool, "type", json_string("function")) == -1 ||
		    put(reading, tool, "function", made) == -1)
			return -1;
		if (type == NULL || strcmp(type, "function") != 0 || !json_is_object(function))
			return unsupported(reading, "tools.type");
		if (put_function_name(reading, "tools.function.name", made, function) == -1)
			return -1;
		if (json_is_string(description) && put_text(reading, made, "description", description) == -1)
			return -1;
		if (parameters != NULL && !json_is_null(parameters)) {
			if (!json_is_object(parameters))
				return wrong_type(reading, "tools.function.parameters");
			if (put_same(reading, made, "parameters", parameters) == -1 ||
			    free_data(reading, "tools.function.parameters", parameters) == -1)
				return -1;
		}
		if (json_is_boolean(strict) && put_same(reading, made, "strict", strict) == -1)
			return -1;
	}
	return 0;
}

/* "none" "auto" "required", or {"type":"function","function":{"name"}}. */
static int
put_tool_choice(struct reading *reading, json_t *from)
{
	const char *const word = json_string_value(from);
	json_t *choice, *function;

	if (word != NULL) {
		if (strcmp(word, "none") != 0 && strcmp(word, "auto") != 0 && strcmp(word, "required") != 0)
			return out_of_range(reading, "tool_choice");
		return put_same(reading, reading->request->document, "tool_choice", from);
	}
	if (!json_is_object(json_object_get(from, "function")))
		return unsupported(reading, "tool_choice");
	choice = json_object();
	if (put(reading, reading->request->document, "tool_choice", choice) == -1)
		return -1;
	function = json_object();
	if (put(reading, choice, "function", function) == -1)
		return -1;
	if (put(reading, choice, "type", json_string("function")) == -1)
		return -1;
	return put_function_name(reading, "tool_choice.function.name", function,
	                         json_object_get(from, "function"));
}

static int
put_response_format(struct reading *reading, json_t *from)
{
	const char *const type = json_get_string(from, "type");
	json_t *const schema = json_object_get(from, "json_schema");
	json_t *format;

	if (type == NULL)
		return wrong_type(reading, "response_format");
	if (strcmp(type, "text") == 0)
		return 0;
	if (strcmp(type, "json_object") != 0 && strcmp(type, "json_schema") != 0)
		return unsupported(reading, "response_format.type");
	reading->request->json_output = true;
	format = json_object();
	if (put(reading, reading->request->document, "response_format", format) == -1)
		return -1;
	if (put(reading, format, "type", json_string(type)) == -1)
		return -1;
	if (strcmp(type, "json_object") == 0)
		return 0;
	if (!json_is_object(schema))
		return wrong_type(reading, "response_format.json_schema");
	return put_same(reading, format, "json_schema", schema) == -1
	           ? -1
	           : free_data(reading, "response_format.json_schema", schema);
}

/* Token numbers and weights: nothing to read in them, but bounded. */
static int
put_logit_bias(struct reading *reading, json_t *from)
{
	if (!json_is_object(from))
		return wrong_type(reading, "logit_bias");
	if (json_object_size(from) > BIAS_MOST)
		return too_many(reading, "logit_bias");
	for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at)) {
		const char *const name = json_object_iter_key(at);

		if (strlen(name) > 7 || strspn(name, "0123456789") != strlen(name) ||
		    !json_is_number(json_object_iter_value(at)))
			return wrong_type(reading, "logit_bias");
	}
	return put_same(reading, reading->request->document, "logit_bias", from);
}

/* {"enable_thinking":false}: switches of a model's template; only yes and no go through. */
static int
put_template_switches(struct reading *reading, json_t *from)
{
	if (!json_is_object(from))
		return wrong_type(reading, "chat_template_kwargs");
	if (json_object_size(from) > 16)
		return too_many(reading, "chat_template_kwargs");
	for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at))
		if (!json_is_boolean(json_object_iter_value(at)))
			return unsupported(reading, "chat_template_kwargs");
	return put_same(reading, reading->request->document, "chat_template_kwargs", from) == -1
	           ? -1
	           : free_data(reading, "chat_template_kwargs", from);
}

static int
take_model(struct reading *reading, const json_t *value)
{
	const char *const text = json_string_value(value);

	if (text == NULL)
		return wrong_type(reading, "model");
	if (json_string_length(value) == 0 || json_string_length(value) > MODEL_MOST)
		return out_of_range(reading, "model");
	for (const char *at = text; *at != '\0'; at++)
		if (*at < '!' || *at > '~')
			return out_of_range(reading, "model");
	reading->request->model = arena_string(reading->arena, text);
	return reading->request->model == NULL ? no_memory(reading) : 0;
}

static int
take_user(struct reading *reading, const json_t *value)
{
	if (!json_is_string(value))
		return wrong_type(reading, "user");
	if (json_string_length(value) > USER_MOST)
		return too_many(reading, "user");
	reading->request->user = arena_string(reading->arena, json_string_value(value));
	return reading->request->user == NULL ? no_memory(reading) : 0;
}

static int
take_stream_options(struct reading *reading, const json_t *value)
{
	if (!json_is_object(value))
		return wrong_type(reading, "stream_options");
	reading->request->include_usage = json_get_bool(value, "include_usage", false);
	return 0;
}

static int
take_modalities(struct reading *reading, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *const one = json_string_value(json_array_get(value, i));

		if (one == NULL || strcmp(one, "text") != 0)
			return unsupported(reading, "modalities");
	}
	return 0;
}

/* ---- the members of a request, in one table ------------------------------------------------------------------------- */

enum rule {
	RULE_NUMBER,  /* forwarded when within least .. most */
	RULE_INTEGER, /* the same */
	RULE_BOOL,    /* forwarded */
	RULE_DROP,    /* says nothing to an engine */
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
	{"best_of",               IN_COMPLETION, RULE_REFUSE,         0, 0},
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
		return wrong_type(reading, name);
	if (tokens < 1 || tokens > 10000000)
		return out_of_range(reading, name);
	if (reading->limits->output_tokens > 0 && tokens > reading->limits->output_tokens)
		tokens = reading->limits->output_tokens;
	return put(reading, reading->request->document, "max_tokens", json_integer(tokens));
}

static int
take_choices(struct reading *reading, const json_t *value)
{
	if (!json_is_integer(value))
		return wrong_type(reading, "n");
	if (json_integer_value(value) < 1 || json_integer_value(value) > reading->limits->choices)
		return out_of_range(reading, "n");
	reading->request->choices = (unsigned)json_integer_value(value);
	return reading->request->choices == 1
	           ? 0
	           : put(reading, reading->request->document, "n", json_integer(json_integer_value(value)));
}

static int
take_logprobs(struct reading *reading, json_t *value)
{
	if (json_is_false(value))
		return 0;
	if (reading->request->kind == OPENAI_CHAT
	        ? !json_is_true(value)
	        : !json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 20)
		return wrong_type(reading, "logprobs");
	reading->request->logprobs = true;
	return put_same(reading, reading->request->document, "logprobs", value);
}

static int
take_encoding(struct reading *reading, const json_t *value)
{
	const char *const word = json_string_value(value);

	if (word == NULL || (strcmp(word, "float") != 0 && strcmp(word, "base64") != 0))
		return out_of_range(reading, "encoding_format");
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
			return wrong_type(reading, member->name);
		if (!(json_number_value(value) >= member->least && json_number_value(value) <= member->most))
			return out_of_range(reading, member->name);
		return put_same(reading, document, member->name, value);
	case RULE_BOOL:
		return json_is_boolean(value) ? put_same(reading, document, member->name, value)
		                              : wrong_type(reading, member->name);
	case RULE_DROP:
		return 0;
	case RULE_REFUSE:
		return unsupported(reading, member->name);
	case RULE_MODEL:
		return take_model(reading, value);
	case RULE_MESSAGES:
		return put_messages(reading, value);
	case RULE_INPUTS:
		return put_inputs(reading, member->name, value);
	case RULE_USER:
		return take_user(reading, value);
	case RULE_STREAM:
		if (!json_is_boolean(value))
			return wrong_type(reading, member->name);
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
		return put_stop(reading, value);
	case RULE_TOOLS:
		return put_tools(reading, value);
	case RULE_TOOL_CHOICE:
		return put_tool_choice(reading, value);
	case RULE_FORMAT:
		return put_response_format(reading, value);
	case RULE_BIAS:
		return put_logit_bias(reading, value);
	case RULE_TEMPLATE:
		return put_template_switches(reading, value);
	case RULE_ENCODING:
		return take_encoding(reading, value);
	case RULE_LOGPROBS:
		return take_logprobs(reading, value);
	case RULE_TEXT:
		return put_text(reading, document, member->name, value);
	}
	return unsupported(reading, member->name);
}

static const struct member *
member_find(const char *name, unsigned in)
{
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if ((members[i].in & in) != 0 && strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

/* Null is what many clients send for "not given". */
static int
take_members(struct reading *reading, json_t *source)
{
	const unsigned in = 1u << reading->request->kind;

	for (void *at = json_object_iter(source); at != NULL; at = json_object_iter_next(source, at)) {
		const struct member *member = member_find(json_object_iter_key(at), in);
		json_t *const value = json_object_iter_value(at);

		if (member == NULL)
			return unknown(reading, json_object_iter_key(at));
		if (!json_is_null(value) && take_member(reading, member, value) == -1)
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
		complain(&reading, "model", FAULT_INVALID, "있어야 합니다", "is needed");
		goto out;
	}
	if (request->message_count == 0) {
		complain(&reading, needed[kind], FAULT_INVALID, "있어야 합니다", "is needed");
		goto out;
	}
	if (limits->output_tokens > 0 && kind != OPENAI_EMBEDDING &&
	    json_object_get(request->document, "max_tokens") == NULL &&
	    put(&reading, request->document, "max_tokens", json_integer(limits->output_tokens)) == -1)
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
	text->text = string_slice(text->string);
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
		json_quote(out, string_slice(value));
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

void
openai_error_write(struct buffer *out, const char *type, const char *code, const char *param,
                   const struct fault *why, struct slice extra)
{
	char message[2 * FAULT_TEXT_SIZE + 4];

	snprintf(message, sizeof message, "%s / %s", why->ko, why->en);
	buffer_string(out, "{\"error\":{\"message\":");
	json_quote(out, slice_string(message));
	buffer_string(out, ",\"type\":");
	json_quote(out, slice_string(type));
	buffer_string(out, ",\"param\":");
	if (param == NULL)
		buffer_string(out, "null");
	else
		json_quote(out, slice_string(param));
	buffer_string(out, ",\"code\":");
	if (code == NULL)
		buffer_string(out, "null");
	else
		json_quote(out, slice_string(code));
	if (extra.size > 0) {
		buffer_byte(out, ',');
		buffer_slice(out, extra);
	}
	buffer_string(out, "}}");
}
