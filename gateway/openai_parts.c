/* Members of a request that have a shape of their own: messages, tools, formats. See openai_reading.h. */
#include "gateway/openai_reading.h"
#include "gateway/jsontext.h"

#include <stdlib.h>
#include <string.h>

#define STOP_MOST    16
#define BIAS_MOST    1024
#define DIGITS_LEAST 1000000 /* integers in free data from here on are looked at as texts */

/* ---- what every member needs ---------------------------------------------------------------------------------------- */

/* Every complaint goes through here: `param` is a name of ours or a copy in the arena, never content. */
int
reading_complain(struct reading *reading, const char *param, enum fault_kind kind, const char *ko,
                 const char *en)
{
	*reading->param = param;
	fault_set(reading->why, kind, "%s: %s", "%s: %s", param, ko);
	if (reading->why != NULL)
		snprintf(reading->why->en, sizeof reading->why->en, "%s: %s", param, en);
	return -1;
}

int
reading_wrong_type(struct reading *reading, const char *param)
{
	return reading_complain(reading, param, FAULT_INVALID, "값의 꼴이 맞지 않습니다",
	                        "the value has the wrong type");
}

int
reading_out_of_range(struct reading *reading, const char *param)
{
	return reading_complain(reading, param, FAULT_INVALID, "값이 허용 범위를 벗어났습니다",
	                        "the value is out of range");
}

int
reading_too_many(struct reading *reading, const char *param)
{
	return reading_complain(reading, param, FAULT_TOO_LARGE, "한도를 넘었습니다", "over the limit");
}

int
reading_unsupported(struct reading *reading, const char *param)
{
	return reading_complain(reading, param, FAULT_UNSUPPORTED, "지원하지 않습니다", "not supported here");
}

int
reading_no_memory(struct reading *reading)
{
	return fault_memory(reading->why);
}

/* The caller is told the name by `param` alone: it is his word, and the fault's text may reach a log. */
int
reading_unknown(struct reading *reading, const char *name)
{
	const size_t size = strlen(name);

	fault_set(reading->why, FAULT_UNSUPPORTED,
	          "요청에 OpenAI API에 없거나 여기서 받지 않는 이름이 있습니다 (param)",
	          "the request has a member that the OpenAI API lacks or that is not accepted here (param)");
	if (size <= READING_NAME_MOST &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == size)
		*reading->param = arena_string(reading->arena, name);
	return -1;
}

struct slice
reading_string_slice(const json_t *string)
{
	return slice_of(json_string_value(string), json_string_length(string));
}

/* One more text for the detector. `string` NULL: it cannot be masked. */
int
reading_add_text(struct reading *reading, const char *param, struct slice text, json_t *string)
{
	struct openai_request *request = reading->request;

	if (text.size == 0)
		return 0;
	if (text.size > reading->limits->text_bytes || request->text_count >= reading->limits->texts)
		return reading_too_many(reading, param);
	if (request->text_count == reading->text_capacity) {
		const size_t capacity = reading->text_capacity == 0 ? 16 : reading->text_capacity * 2;
		struct openai_text *grown = arena_array(reading->arena, capacity, sizeof *grown);

		if (grown == NULL)
			return reading_no_memory(reading);
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
int
reading_put(struct reading *reading, json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == -1 ? reading_no_memory(reading) : 0;
}

int
reading_put_same(struct reading *reading, json_t *object, const char *name, json_t *value)
{
	return json_object_set(object, name, value) == -1 ? reading_no_memory(reading) : 0;
}

/* A string that the engine gets and the detector sees. */
int
reading_put_text(struct reading *reading, json_t *object, const char *name, json_t *string)
{
	if (!json_is_string(string))
		return reading_wrong_type(reading, name);
	return reading_put_same(reading, object, name, string) == -1
	           ? -1
	           : reading_add_text(reading, name, reading_string_slice(string), string);
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
			if (reading_add_text(reading, param, slice_string(json_object_iter_key(at)), NULL) ==
			        -1 ||
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
		return reading_add_text(reading, param, reading_string_slice(value), value);
	case JSON_INTEGER:
	case JSON_REAL: {
		const double size = json_number_value(value);
		const char *digits;

		if (size < DIGITS_LEAST && size > -DIGITS_LEAST)
			return 0;
		digits = json_is_integer(value)
		             ? arena_printf(reading->arena, "%lld", (long long)json_integer_value(value))
		             : arena_printf(reading->arena, "%.0f", size);
		return digits == NULL ? reading_no_memory(reading)
		                      : reading_add_text(reading, param, slice_string(digits), NULL);
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
		return reading_wrong_type(reading, param);
	if (json_string_length(name) == 0 || json_string_length(name) > READING_NAME_MOST ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
	        json_string_length(name))
		return reading_out_of_range(reading, param);
	return reading_put_same(reading, object, "name", name) == -1
	           ? -1
	           : reading_add_text(reading, param, reading_string_slice(name), NULL);
}

/* Ids of tool calls only tie results to calls: the engine gets our own, so that nothing can hide in them. */
static int
put_call_id(struct reading *reading, const char *param, json_t *object, const char *member, const json_t *id)
{
	const char *const text = json_string_value(id);
	char ours[32];
	size_t i;

	if (text == NULL || json_string_length(id) > 128)
		return reading_wrong_type(reading, param);
	for (i = 0; i < reading->id_count; i++)
		if (strcmp(reading->ids[i], text) == 0)
			break;
	if (i == READING_CALLS_MOST)
		return reading_too_many(reading, param);
	if (i == reading->id_count)
		reading->ids[reading->id_count++] = text;
	snprintf(ours, sizeof ours, "call_%zu", i);
	return reading_put(reading, object, member, json_string(ours));
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
			reading_complain(reading, "messages.content", FAULT_UNSUPPORTED,
			                 "글(text)이 아닌 내용은 받지 않습니다",
			                 "content other than text is not accepted");
			goto out;
		}
		if (!json_is_string(text)) {
			reading_wrong_type(reading, "messages.content");
			goto out;
		}
		if (i > 0)
			buffer_byte(&whole, '\n');
		buffer_slice(&whole, reading_string_slice(text));
	}
	if (!buffer_ok(&whole)) {
		reading_too_many(reading, "messages.content");
		goto out;
	}
	joined = json_stringn_nocheck(whole.size > 0 ? (const char *)whole.data : "", whole.size);
	if (joined == NULL) {
		reading_no_memory(reading);
		goto out;
	}
	result = reading_put_text(reading, message, "content", joined);
out:
	json_decref(joined);
	buffer_free(&whole);
	return result;
}

/* The arguments of a call are JSON as text: escapes must not hide anything from who classifies. */
static int
put_arguments(struct reading *reading, json_t *made, const json_t *from)
{
	struct jsontext_plain plain = {0};
	struct buffer out;
	json_t *text;
	int result;

	if (!json_is_string(from))
		return reading_wrong_type(reading, "arguments");
	buffer_init(&out, json_string_length(from) + 64);
	jsontext_plain(&plain, reading_string_slice(from), true, &out);
	text = !buffer_ok(&out) ? NULL : json_stringn(out.size == 0 ? "" : (const char *)out.data, out.size);
	result =
	    text == NULL ? reading_no_memory(reading) : reading_put_text(reading, made, "arguments", text);
	json_decref(text);
	buffer_wipe(&out);
	return result;
}

static int
put_calls(struct reading *reading, json_t *message, const json_t *calls)
{
	json_t *list;

	if (!json_is_array(calls))
		return reading_wrong_type(reading, "messages.tool_calls");
	if (json_array_size(calls) > OPENAI_CALLS)
		return reading_too_many(reading, "messages.tool_calls");
	list = json_array();
	if (reading_put(reading, message, "tool_calls", list) == -1)
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
			return reading_no_memory(reading);
		}
		if (reading_put(reading, call, "function", made) == -1)
			return -1;
		if (!json_is_object(function) || (type != NULL && strcmp(type, "function") != 0))
			return reading_unsupported(reading, "messages.tool_calls.type");
		if (put_call_id(reading, "messages.tool_calls.id", call, "id", json_object_get(from, "id")) ==
		        -1 ||
		    reading_put(reading, call, "type", json_string("function")) == -1 ||
		    put_function_name(reading, "messages.tool_calls.function.name", made, function) == -1 ||
		    put_arguments(reading, made, json_object_get(function, "arguments")) == -1)
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
		return reading_wrong_type(reading, "messages");
	if ((stranger = json_unknown_member(from, message_known)) != NULL)
		return reading_unknown(reading, stranger);
	while (which < sizeof roles / sizeof *roles && (role == NULL || strcmp(role, roles[which]) != 0))
		which++;
	if (which == sizeof roles / sizeof *roles)
		return reading_complain(reading, "messages.role", FAULT_INVALID,
		                        "system, developer, user, assistant, tool 가운데 하나",
		                        "one of system, developer, user, assistant, tool");
	if (json_is_object(json_object_get(from, "audio")))
		return reading_unsupported(reading, "messages.audio");
	if (json_is_object(json_object_get(from, "function_call")))
		return reading_unsupported(reading, "messages.function_call");
	message = json_object();
	if (json_array_append_new(list, message) == -1)
		return reading_no_memory(reading);
	/* Templates of open models know no developer. */
	if (reading_put(reading, message, "role", json_string(which == 1 ? "system" : roles[which])) == -1)
		return -1;
	if (json_is_string(content)) {
		if (reading_put_text(reading, message, "content", content) == -1)
			return -1;
	} else if (json_is_array(content)) {
		if (json_array_size(content) > reading->limits->messages)
			return reading_too_many(reading, "messages.content");
		if (put_parts(reading, message, content) == -1)
			return -1;
	} else if (content != NULL && !json_is_null(content)) {
		return reading_wrong_type(reading, "messages.content");
	} else if (calls == NULL) {
		return reading_complain(reading, "messages.content", FAULT_INVALID, "내용이 없습니다",
		                        "there is no content");
	} else if (reading_put(reading, message, "content", json_null()) == -1) {
		return -1;
	}
	if (json_object_get(from, "name") != NULL &&
	    reading_put_text(reading, message, "name", json_object_get(from, "name")) == -1)
		return -1;
	if (calls != NULL && !json_is_null(calls) && put_calls(reading, message, calls) == -1)
		return -1;
	if (which == 4 && put_call_id(reading, "messages.tool_call_id", message, "tool_call_id",
	                              json_object_get(from, "tool_call_id")) == -1)
		return -1;
	return 0;
}

int
reading_put_messages(struct reading *reading, json_t *from)
{
	json_t *list;

	if (!json_is_array(from) || json_array_size(from) == 0)
		return reading_complain(reading, "messages", FAULT_INVALID,
		                        "하나 이상의 메시지 목록이어야 합니다",
		                        "a list of at least one message is needed");
	if (json_array_size(from) > reading->limits->messages)
		return reading_too_many(reading, "messages");
	reading->request->message_count = json_array_size(from);
	list = json_array();
	if (reading_put(reading, reading->request->document, "messages", list) == -1)
		return -1;
	for (size_t i = 0; i < json_array_size(from); i++)
		if (put_message(reading, list, json_array_get(from, i)) == -1)
			return -1;
	return 0;
}

/* "prompt" of completions, "input" of embeddings: a text or a list of texts. Token numbers cannot be looked into. */
int
reading_put_inputs(struct reading *reading, const char *member, json_t *from)
{
	json_t *list;

	reading->request->message_count = 1;
	if (json_is_string(from))
		return reading_put_text(reading, reading->request->document, member, from);
	if (!json_is_array(from) || json_array_size(from) == 0)
		return reading_wrong_type(reading, member);
	if (json_array_size(from) > reading->limits->messages)
		return reading_too_many(reading, member);
	reading->request->message_count = json_array_size(from);
	list = json_array();
	if (reading_put(reading, reading->request->document, member, list) == -1)
		return -1;
	for (size_t i = 0; i < json_array_size(from); i++) {
		json_t *const one = json_array_get(from, i);

		if (!json_is_string(one))
			return reading_complain(reading, member, FAULT_UNSUPPORTED,
			                        "토큰 번호는 받지 않습니다: 글로 보내십시오 (LangChain: "
			                        "check_embedding_ctx_length=False)",
			                        "token numbers are not accepted: send text (LangChain: "
			                        "check_embedding_ctx_length=False)");
		if (json_array_append(list, one) == -1)
			return reading_no_memory(reading);
		if (reading_add_text(reading, member, reading_string_slice(one), one) == -1)
			return -1;
	}
	return 0;
}

/* ---- members with a shape of their own ------------------------------------------------------------------------------- */

int
reading_put_stop(struct reading *reading, json_t *from)
{
	if (json_is_string(from))
		return reading_put_text(reading, reading->request->document, "stop", from);
	if (!json_is_array(from))
		return reading_wrong_type(reading, "stop");
	if (json_array_size(from) > STOP_MOST)
		return reading_too_many(reading, "stop");
	for (size_t i = 0; i < json_array_size(from); i++)
		if (!json_is_string(json_array_get(from, i)))
			return reading_wrong_type(reading, "stop");
	return reading_put_same(reading, reading->request->document, "stop", from) == -1
	           ? -1
	           : free_data(reading, "stop", from);
}

int
reading_put_tools(struct reading *reading, const json_t *from)
{
	json_t *list;

	if (!json_is_array(from))
		return reading_wrong_type(reading, "tools");
	if (json_array_size(from) > reading->limits->tools)
		return reading_too_many(reading, "tools");
	list = json_array();
	if (reading_put(reading, reading->request->document, "tools", list) == -1)
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
			return reading_no_memory(reading);
		}
		if (reading_put(reading, tool, "type", json_string("function")) == -1 ||
		    reading_put(reading, tool, "function", made) == -1)
			return -1;
		if (type == NULL || strcmp(type, "function") != 0 || !json_is_object(function))
			return reading_unsupported(reading, "tools.type");
		if (put_function_name(reading, "tools.function.name", made, function) == -1)
			return -1;
		if (json_is_string(description) &&
		    reading_put_text(reading, made, "description", description) == -1)
			return -1;
		if (parameters != NULL && !json_is_null(parameters)) {
			if (!json_is_object(parameters))
				return reading_wrong_type(reading, "tools.function.parameters");
			if (reading_put_same(reading, made, "parameters", parameters) == -1 ||
			    free_data(reading, "tools.function.parameters", parameters) == -1)
				return -1;
		}
		if (json_is_boolean(strict) && reading_put_same(reading, made, "strict", strict) == -1)
			return -1;
	}
	return 0;
}

/* "none" "auto" "required", or {"type":"function","function":{"name"}}. */
int
reading_put_tool_choice(struct reading *reading, json_t *from)
{
	const char *const word = json_string_value(from);
	json_t *choice, *function;

	if (word != NULL) {
		if (strcmp(word, "none") != 0 && strcmp(word, "auto") != 0 && strcmp(word, "required") != 0)
			return reading_out_of_range(reading, "tool_choice");
		return reading_put_same(reading, reading->request->document, "tool_choice", from);
	}
	if (!json_is_object(json_object_get(from, "function")))
		return reading_unsupported(reading, "tool_choice");
	choice = json_object();
	if (reading_put(reading, reading->request->document, "tool_choice", choice) == -1)
		return -1;
	function = json_object();
	if (reading_put(reading, choice, "function", function) == -1)
		return -1;
	if (reading_put(reading, choice, "type", json_string("function")) == -1)
		return -1;
	return put_function_name(reading, "tool_choice.function.name", function,
	                         json_object_get(from, "function"));
}

int
reading_put_response_format(struct reading *reading, json_t *from)
{
	const char *const type = json_get_string(from, "type");
	json_t *const schema = json_object_get(from, "json_schema");
	json_t *format;

	if (type == NULL)
		return reading_wrong_type(reading, "response_format");
	if (strcmp(type, "text") == 0)
		return 0;
	if (strcmp(type, "json_object") != 0 && strcmp(type, "json_schema") != 0)
		return reading_unsupported(reading, "response_format.type");
	reading->request->json_output = true;
	format = json_object();
	if (reading_put(reading, reading->request->document, "response_format", format) == -1)
		return -1;
	if (reading_put(reading, format, "type", json_string(type)) == -1)
		return -1;
	if (strcmp(type, "json_object") == 0)
		return 0;
	if (!json_is_object(schema))
		return reading_wrong_type(reading, "response_format.json_schema");
	return reading_put_same(reading, format, "json_schema", schema) == -1
	           ? -1
	           : free_data(reading, "response_format.json_schema", schema);
}

/* Token numbers and weights: nothing to read in them, but bounded. */
int
reading_put_logit_bias(struct reading *reading, json_t *from)
{
	if (!json_is_object(from))
		return reading_wrong_type(reading, "logit_bias");
	if (json_object_size(from) > BIAS_MOST)
		return reading_too_many(reading, "logit_bias");
	for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at)) {
		const char *const name = json_object_iter_key(at);

		if (strlen(name) > 7 || strspn(name, "0123456789") != strlen(name) ||
		    !json_is_number(json_object_iter_value(at)))
			return reading_wrong_type(reading, "logit_bias");
	}
	return reading_put_same(reading, reading->request->document, "logit_bias", from);
}

/* {"enable_thinking":false}: switches of a model's template; only yes and no go through. */
int
reading_put_template_switches(struct reading *reading, json_t *from)
{
	if (!json_is_object(from))
		return reading_wrong_type(reading, "chat_template_kwargs");
	if (json_object_size(from) > 16)
		return reading_too_many(reading, "chat_template_kwargs");
	for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at))
		if (!json_is_boolean(json_object_iter_value(at)))
			return reading_unsupported(reading, "chat_template_kwargs");
	return reading_put_same(reading, reading->request->document, "chat_template_kwargs", from) == -1
	           ? -1
	           : free_data(reading, "chat_template_kwargs", from);
}
