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

/* References within the parameters of a tool mean the parameters, wherever they come to stand. */
static void
move_references(json_t *value, const char *to)
{
	const char *reference = json_get_string(value, "$ref"), *name;
	json_t *inner;
	size_t i;

	if (reference != NULL && reference[0] == '#')
		json_object_set_new(value, "$ref", json_sprintf("%s%s", to, reference + 1));
	json_object_foreach(value, name, inner) move_references(inner, to);
	json_array_foreach(value, i, inner) move_references(inner, to);
}

/* One way to call: {"name": …, "arguments": …}. */
static json_t *
one_call(const json_t *function, const char *key, size_t number, bool loose)
{
	const json_t *parameters = json_object_get(function, "parameters");
	json_t *arguments =
	    parameters != NULL && !loose ? json_deep_copy(parameters) : json_pack("{s:s}", "type", "object");
	char place[64];

	snprintf(place, sizeof place, "#/anyOf/%zu/properties/%s", number, key);
	move_references(arguments, place);
	return json_pack("{s:s, s:{s:{s:O}, s:o}, s:[s, s], s:b}", "type", "object", "properties", "name",
	                 "const", json_object_get(function, "name"), key, arguments, "required", "name", key,
	                 "additionalProperties", 0);
}

/* A schema beyond what we can keep to is an error where the client wants it kept to, else any object will do. */
static int
keepable(struct engine_request *request, const json_t *function, const json_t *schema, size_t number,
         bool *loose, struct fault *why)
{
	struct constraint *trial = NULL;

	*loose = schema != NULL && constraint_compile(&trial, schema, why) == -1;
	constraint_free(trial);
	if (!*loose || !json_is_true(json_object_get(function, "strict")))
		return 0;
	snprintf(request->param, sizeof request->param, "tools[%zu]", number);
	return -1;
}

/* The call is begun for the model, and the rest kept to the schemas of the tools that may be called. */
static int
force(struct engine_request *request, const json_t *function, const json_t *tools, struct fault *why)
{
	const char *key = request->tools == TOOL_STYLE_BARE ? "parameters" : "arguments";
	const bool alone = function != NULL || json_array_size(tools) == 1;
	json_t *ways = json_array();

	request->whole_call = request->constrained = true;
	request->made = json_pack("{s:o}", "anyOf", ways);
	for (size_t i = 0; i < json_array_size(tools) && request->made != NULL; i++) {
		const json_t *one = json_object_get(json_array_get(tools, i), "function");
		const json_t *parameters = json_object_get(one, "parameters");
		bool loose;

		if (function != NULL && one != function)
			continue;
		if (keepable(request, one, parameters, i, &loose, why) == -1)
			return -1;
		if (alone && request->tools == TOOL_STYLE_FUNCTION) { /* the name is said already */
			request->forced = json_get_string(one, "name");
			json_decref(request->made);
			request->made = parameters != NULL && !loose ? json_deep_copy(parameters)
			                                             : json_pack("{s:s}", "type", "object");
			break;
		}
		json_array_append_new(ways, one_call(one, key, json_array_size(ways), loose));
	}
	request->schema = request->made;
	return request->made != NULL ? 0 : fault_memory(why);
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
