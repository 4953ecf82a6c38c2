/*
 * engine_tools -- the tools of a request: checked, shown to the template, and, where the client wants one called, the
 * schema that the answer is kept to.
 */
#include <stdlib.h>
#include <string.h>

#include "inference/constraint.h"
#include "inference/engine_request.h"

#define TOOLS_LIMIT 128

static bool
name_good(const char *name)
{
	size_t size = name != NULL ? strlen(name) : 0;

	return size > 0 && size <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == size;
}

static const json_t *
find_tool(const json_t *tools, const char *name)
{
	for (size_t i = 0; name != NULL && i < json_array_size(tools); i++) {
		const json_t *function = json_object_get(json_array_get(tools, i), "function");

		if (strcmp(json_get_string(function, "name"), name) == 0)
			return function;
	}
	return NULL;
}

static int
check_tools(struct engine_request *request, const json_t *tools, struct fault *why)
{
	if (!json_is_array(tools) || json_array_size(tools) > TOOLS_LIMIT)
		return engine_request_wrong(request, "tools", why);
	for (size_t i = 0; i < json_array_size(tools); i++) {
		const json_t *tool = json_array_get(tools, i), *function = json_object_get(tool, "function"),
		             *parameters = json_object_get(function, "parameters");
		const char *type = json_get_string(tool, "type");
		char param[64];

		snprintf(param, sizeof param, "tools[%zu]", i);
		if (type != NULL && strcmp(type, "function") != 0)
			return engine_request_unsupported(request, param, why);
		if (type == NULL || !name_good(json_get_string(function, "name")) ||
		    (parameters != NULL && !json_is_object(parameters)))
			return engine_request_wrong(request, param, why);
	}
	return 0;
}

/* What the answer is kept to: the arguments of one tool, or {"name", "arguments"}. */
static json_t *
make_schema(struct engine_request *request, const json_t *function, const json_t *tools, bool loose)
{
	const char *key = request->tools == TOOL_STYLE_BARE ? "parameters" : "arguments";
	json_t *arguments = NULL, *names;

	if (function != NULL && !loose)
		arguments = json_incref(json_object_get(function, "parameters"));
	if (arguments == NULL)
		arguments = json_pack("{s:s}", "type", "object");
	if (request->forced != NULL)
		return arguments;
	names = json_array();
	for (size_t i = 0; i < json_array_size(tools); i++) {
		const json_t *one = json_object_get(json_array_get(tools, i), "function");

		if (function == NULL || one == function)
			json_array_append(names, json_object_get(one, "name"));
	}
	return json_pack("{s:s, s:{s:{s:o}, s:o}, s:[s, s], s:b}", "type", "object", "properties", "name",
	                 "enum", names, key, arguments, "required", "name", key, "additionalProperties", 0);
}

/* The call is begun for the model, and the rest kept to the tool's schema. */
static int
force(struct engine_request *request, const json_t *function, const json_t *tools, struct fault *why)
{
	struct constraint *trial = NULL;
	const bool strict = json_is_true(json_object_get(function, "strict"));

	if (function == NULL && json_array_size(tools) == 1)
		function = json_object_get(json_array_get(tools, 0), "function");
	if (request->tools == TOOL_STYLE_FUNCTION && function != NULL)
		request->forced = json_get_string(function, "name");
	request->whole_call = request->constrained = true;
	if ((request->made = make_schema(request, function, tools, false)) == NULL)
		return fault_memory(why);
	if (constraint_compile(&trial, request->made, why) == -1) {
		if (strict) {
			snprintf(request->param, sizeof request->param, "tools");
			return -1;
		}
		/* A schema beyond what we can keep to: then any object, as without "strict". */
		json_decref(request->made);
		if ((request->made = make_schema(request, function, tools, true)) == NULL)
			return fault_memory(why);
	}
	constraint_free(trial);
	request->schema = request->made;
	return 0;
}

int
engine_tools_read(struct engine_request *request, const struct chat_template *chat_template,
                  json_t *conversation, struct fault *why)
{
	json_t *tools = json_object_get(request->json, "tools"),
	       *choice = json_object_get(request->json, "tool_choice");
	const json_t *parallel = json_object_get(request->json, "parallel_tool_calls");
	const char *word = json_is_string(choice) ? json_string_value(choice) : NULL;
	const json_t *function = NULL;

	if (tools == NULL || json_is_null(tools) || (json_is_array(tools) && json_array_size(tools) == 0)) {
		if (choice == NULL || json_is_null(choice) ||
		    (word != NULL && (strcmp(word, "none") == 0 || strcmp(word, "auto") == 0)))
			return 0;
		return engine_request_wrong(request, "tool_choice", why);
	}
	if (check_tools(request, tools, why) == -1)
		return -1;
	if (parallel != NULL && !json_is_null(parallel) && !json_is_boolean(parallel))
		return engine_request_wrong(request, "parallel_tool_calls", why);
	request->one_call = json_is_false(parallel);
	if (word != NULL && strcmp(word, "none") == 0)
		return 0;
	if ((request->tools = template_tools(chat_template)) == TOOL_STYLE_NONE) {
		snprintf(request->param, sizeof request->param, "tools");
		return fault_set(why, FAULT_UNSUPPORTED, "이 모델의 대화 틀은 'tools'를 모릅니다",
		                 "the chat template of this model knows no 'tools'");
	}
	if (json_object_set(conversation, "tools", tools) == -1)
		return fault_memory(why);
	request->tool_list = tools;
	if (json_is_object(choice)) {
		const char *type = json_get_string(choice, "type");

		if (type == NULL || strcmp(type, "function") != 0)
			return engine_request_unsupported(request, "tool_choice", why);
		function = find_tool(tools, json_get_string(json_object_get(choice, "function"), "name"));
		return function == NULL ? engine_request_wrong(request, "tool_choice", why)
		                        : force(request, function, tools, why);
	}
	if (word != NULL && strcmp(word, "required") == 0)
		return force(request, NULL, tools, why);
	if (choice == NULL || json_is_null(choice) || (word != NULL && strcmp(word, "auto") == 0))
		return 0;
	return engine_request_wrong(request, "tool_choice", why);
}

void
engine_tools_prefix(const struct engine_request *request, struct prompt *prompt)
{
	if (!request->whole_call)
		return;
	if (request->tools == TOOL_STYLE_TAGGED)
		prompt_trusted(prompt, SLICE_LITERAL("<tool_call>\n"));
	if (request->forced != NULL) {
		prompt_trusted(prompt, SLICE_LITERAL("<function="));
		prompt_trusted(prompt, slice_string(request->forced));
		prompt_trusted(prompt, SLICE_LITERAL(">"));
	}
}
