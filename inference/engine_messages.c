/*
 * engine_messages -- the conversation of a request, as templates want it: texts joined, arguments of tool calls as
 * objects, roles of a closed list; and then the prompt.
 */
#include <string.h>

#include "inference/engine_request.h"

#define TEXT_LIMIT  ((size_t)32 << 20)
#define TOOLS_LIMIT 128

/* A message's words: a string, or an array of text parts, which are joined. */
static json_t *
read_content(struct engine_request *request, const json_t *content, size_t index, struct fault *why)
{
	struct buffer parts;
	char param[64];
	json_t *joined = NULL;

	snprintf(param, sizeof param, "messages[%zu].content", index);
	if (content == NULL || json_is_null(content))
		return json_string("");
	if (json_is_string(content))
		return json_incref((json_t *)(uintptr_t)content);
	buffer_init(&parts, TEXT_LIMIT);
	if (!json_is_array(content)) {
		engine_request_wrong(request, param, why);
		goto out;
	}
	for (size_t i = 0; i < json_array_size(content); i++) {
		const json_t *part = json_array_get(content, i);
		const char *type = json_get_string(part, "type");
		const json_t *text = json_object_get(part, "text");

		if (type != NULL && strcmp(type, "refusal") == 0)
			text = json_object_get(part, "refusal");
		else if (type != NULL && strcmp(type, "text") != 0) {
			engine_request_unsupported(request, param, why);
			goto out;
		}
		if (type == NULL || !json_is_string(text)) {
			engine_request_wrong(request, param, why);
			goto out;
		}
		buffer_append(&parts, json_string_value(text), json_string_length(text));
	}
	joined = buffer_ok(&parts) ? json_stringn((const char *)parts.data, parts.size) : NULL;
	if (joined == NULL)
		fault_memory(why);
out:
	buffer_free(&parts);
	return joined;
}

/* A call that the assistant made: its arguments are an object where they can be read as one. */
static json_t *
read_call(const json_t *call)
{
	const json_t *function = json_object_get(call, "function"), *arguments,
	             *id = json_object_get(call, "id");
	const char *name = json_get_string(function, "name");
	json_t *out, *parsed = NULL;

	arguments = json_object_get(function, "arguments");
	if (name == NULL || (id != NULL && !json_is_string(id)) ||
	    (arguments != NULL && !json_is_string(arguments) && !json_is_object(arguments)))
		return NULL;
	if (json_is_string(arguments))
		parsed = json_read(slice_of(json_string_value(arguments), json_string_length(arguments)),
		                   TEXT_LIMIT, 32, NULL);
	if (json_is_object(parsed))
		arguments = parsed;
	out = json_pack("{s:s, s:{s:s, s:O?}}", "type", "function", "function", "name", name, "arguments",
	                arguments);
	if (out != NULL && id != NULL)
		json_object_set(out, "id", (json_t *)(uintptr_t)id);
	json_decref(parsed);
	return out;
}

static int
read_calls(struct engine_request *request, const json_t *from, size_t index, json_t *message,
           struct fault *why)
{
	const json_t *calls = json_object_get(from, "tool_calls");
	char param[64];
	json_t *list;

	if (calls == NULL || json_is_null(calls) || (json_is_array(calls) && json_array_size(calls) == 0))
		return 0;
	snprintf(param, sizeof param, "messages[%zu].tool_calls", index);
	if (!json_is_array(calls) || json_array_size(calls) > TOOLS_LIMIT)
		return engine_request_wrong(request, param, why);
	if (json_object_set_new(message, "tool_calls", list = json_array()) == -1)
		return fault_memory(why);
	for (size_t i = 0; i < json_array_size(calls); i++) {
		json_t *call = read_call(json_array_get(calls, i));

		if (call == NULL)
			return engine_request_wrong(request, param, why);
		if (json_array_append_new(list, call) == -1)
			return fault_memory(why);
	}
	return 0;
}

/* Members that templates know, when they are strings. */
static const char *const passed[] = {"name", "tool_call_id", "reasoning_content"};

static int
read_message(struct engine_request *request, const json_t *from, size_t index, bool developer, json_t *list,
             struct fault *why)
{
	static const char *const roles[] = {"system", "user", "assistant", "tool", "developer"};
	const char *role = json_get_string(from, "role");
	json_t *message, *content;
	char param[64];
	bool known = false;

	if (!json_is_object(from))
		return engine_request_wrong(request, "messages", why);
	for (size_t i = 0; role != NULL && i < sizeof roles / sizeof *roles; i++)
		known = known || strcmp(role, roles[i]) == 0;
	if (!known) {
		snprintf(param, sizeof param, "messages[%zu].role", index);
		return engine_request_wrong(request, param, why);
	}
	if (strcmp(role, "developer") == 0 && !developer)
		role = "system";
	/* Only an assistant may have said nothing: it called tools. */
	if (strcmp(role, "assistant") != 0 &&
	    (json_object_get(from, "content") == NULL || json_is_null(json_object_get(from, "content")))) {
		snprintf(param, sizeof param, "messages[%zu].content", index);
		return engine_request_wrong(request, param, why);
	}
	if ((content = read_content(request, json_object_get(from, "content"), index, why)) == NULL)
		return -1;
	message = json_pack("{s:s, s:o}", "role", role, "content", content);
	if (message == NULL || json_array_append_new(list, message) == -1)
		return fault_memory(why);
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
		json_t *value = json_object_get(from, passed[i]);

		if (json_is_string(value) && json_object_set(message, passed[i], value) == -1)
			return fault_memory(why);
	}
	return read_calls(request, from, index, message, why);
}

/* What a client may tell the template beside, as other servers take it: {"enable_thinking": false}. */
static int
read_extras(struct engine_request *request, json_t *conversation, struct fault *why)
{
	json_t *extras = json_object_get(request->json, "chat_template_kwargs"), *value;
	const char *name;

	if (extras == NULL || json_is_null(extras))
		return 0;
	if (!json_is_object(extras) || json_object_size(extras) > 32)
		return engine_request_wrong(request, "chat_template_kwargs", why);
	json_object_foreach(extras, name, value)
	{
		if (json_object_get(conversation, name) != NULL)
			return engine_request_wrong(request, "chat_template_kwargs", why);
		if (json_object_set(conversation, name, value) == -1)
			return fault_memory(why);
	}
	return 0;
}

int
engine_messages_read(struct engine_request *request, const struct tokenizer *tokenizer,
                     const struct chat_template *chat_template, struct fault *why)
{
	const json_t *from = json_object_get(request->json, "messages");
	json_t *list = json_array(), *conversation = json_pack("{s:o, s:n}", "messages", list, "tools");
	bool developer = template_knows_developer(chat_template);
	struct prompt prompt;
	int result = -1;

	prompt_init(&prompt, 2 * TEXT_LIMIT);
	if (conversation == NULL) {
		fault_memory(why);
		goto out;
	}
	if (!json_is_array(from) || json_array_size(from) == 0 ||
	    json_array_size(from) > REQUEST_MESSAGES_LIMIT) {
		engine_request_wrong(request, "messages", why);
		goto out;
	}
	for (size_t i = 0; i < json_array_size(from); i++)
		if (read_message(request, json_array_get(from, i), i, developer, list, why) == -1)
			goto out;
	if (read_extras(request, conversation, why) == -1 ||
	    engine_tools_read(request, chat_template, conversation, why) == -1)
		goto out;
	if (template_render(chat_template, conversation, &prompt, why) == -1) {
		if (request->param[0] == '\0')
			snprintf(request->param, sizeof request->param, "messages");
		goto out;
	}
	engine_tools_prefix(request, &prompt);
	result = tokenizer_encode_prompt(tokenizer, &prompt, &request->prompts.lists[0], why);
out:
	json_decref(conversation);
	prompt_free(&prompt);
	return result;
}
