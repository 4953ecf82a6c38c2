/*
 * engine_prompt -- texts or tokens as clients of completions and embeddings give them: one text, one list of tokens,
 * or an array of either.
 */
#include <stdlib.h>
#include <string.h>

#include "inference/engine_request.h"

#define BODY_DEPTH 32
#define TEXT_LIMIT ((size_t)32 << 20)

static int
wrong(char param[64], const char *name, struct fault *why)
{
	snprintf(param, 64, "%s", name);
	return fault_set(why, FAULT_INVALID,
	                 "'%s'은(는) 텍스트, 토큰 번호의 배열, 또는 그런 것의 배열이어야 합니다",
	                 "'%s' must be a text, an array of token ids, or an array of those", name);
}

static int
read_one(const json_t *value, const char *name, const struct tokenizer *tokenizer, struct token_list *list,
         char param[64], struct fault *why)
{
	struct prompt prompt;
	int result;

	if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++) {
			const json_t *token = json_array_get(value, i);

			if (!json_is_integer(token) || json_integer_value(token) < 0 ||
			    json_integer_value(token) >= tokenizer_count(tokenizer))
				return wrong(param, name, why);
			if (token_list_add(list, (uint32_t)json_integer_value(token), why) == -1)
				return -1;
		}
		return list->count > 0 ? 0 : wrong(param, name, why);
	}
	if (!json_is_string(value))
		return wrong(param, name, why);
	prompt_init(&prompt, TEXT_LIMIT);
	prompt_untrusted(&prompt, slice_of(json_string_value(value), json_string_length(value)));
	result = tokenizer_encode_prompt(tokenizer, &prompt, list, why);
	prompt_free(&prompt);
	return result;
}

int
engine_prompts_read(struct engine_prompts *out, const json_t *value, const char *name, size_t most,
                    const struct tokenizer *tokenizer, size_t room, char param[64], struct fault *why)
{
	/* An array of numbers is one prompt; any other array is one prompt each. */
	const bool several = json_is_array(value) && !json_is_integer(json_array_get(value, 0));
	const size_t count = several ? json_array_size(value) : 1;

	snprintf(param, 64, "%s", name);
	if (count == 0 || count > most)
		return fault_set(why, FAULT_INVALID, "'%s'은(는) 1-%zu개여야 합니다",
		                 "'%s' must hold 1 to %zu", name, most);
	if ((out->lists = calloc(count, sizeof *out->lists)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < count; i++) {
		const json_t *one = several ? json_array_get(value, i) : value;

		token_list_init(&out->lists[out->count++], room);
		if (read_one(one, name, tokenizer, &out->lists[i], param, why) == -1)
			return -1;
		out->tokens += out->lists[i].count;
	}
	param[0] = '\0';
	return 0;
}

void
engine_prompts_free(struct engine_prompts *prompts)
{
	for (size_t i = 0; i < prompts->count; i++)
		token_list_free(&prompts->lists[i]);
	free(prompts->lists);
	memset(prompts, 0, sizeof *prompts);
}

int
engine_model_named(const json_t *json, const char *served, char param[64], char code[32], struct fault *why)
{
	const json_t *model = json_object_get(json, "model");

	if (model == NULL || json_is_null(model))
		return 0;
	snprintf(param, 64, "model");
	if (!json_is_string(model))
		return fault_set(why, FAULT_INVALID, "'model'은 문자열이어야 합니다",
		                 "'model' must be a string");
	if (served != NULL && strcmp(json_string_value(model), served) != 0) {
		snprintf(code, 32, "model_not_found");
		return fault_set(why, FAULT_NOT_FOUND, "그런 모델이 없습니다: 이 엔진의 모델은 '%s'입니다",
		                 "no such model: this engine serves '%s'", served);
	}
	param[0] = '\0';
	return 0;
}

int
engine_members_known(json_t *json, const char *const *known, char param[64], char code[32], struct fault *why)
{
	const char *stranger = json_unknown_member(json, known);

	if (stranger == NULL)
		return 0;
	/* A name is the client's own text: only as much of it as a name may be, and whole characters. */
	snprintf(param, 64, "%.*s", (int)utf8_cut(slice_string(stranger), 48), stranger);
	snprintf(code, 32, "unknown_parameter");
	return fault_set(why, FAULT_UNSUPPORTED, "'%s'은(는) 이 엔진이 모르는 항목입니다",
	                 "'%s' is a member this engine does not know", param);
}

/* ---- embeddings ------------------------------------------------------------------------------------------------- */

int
embedding_request_read(struct embedding_request *out, struct slice body, const char *served,
                       const struct tokenizer *tokenizer, size_t context, size_t width, struct fault *why)
{
	static const char *const known[] = {"model", "input", "dimensions", "encoding_format", "user", NULL};
	json_t *json = json_read(body, REQUEST_BODY_LIMIT, BODY_DEPTH, why);
	const json_t *dimensions, *format, *input;
	int result = -1;

	memset(out, 0, sizeof *out);
	if (json == NULL)
		return -1;
	if (!json_is_object(json)) {
		fault_set(why, FAULT_INVALID, "요청 본문은 JSON 객체여야 합니다",
		          "the body must be a JSON object");
		goto out;
	}
	if (engine_model_named(json, served, out->param, out->code, why) == -1 ||
	    engine_members_known(json, known, out->param, out->code, why) == -1)
		goto out;
	input = json_object_get(json, "input");
	dimensions = json_object_get(json, "dimensions");
	format = json_object_get(json, "encoding_format");
	if (dimensions != NULL && !json_is_null(dimensions)) {
		if (!json_is_integer(dimensions) || json_integer_value(dimensions) < 1 ||
		    (uint64_t)json_integer_value(dimensions) > width) {
			snprintf(out->param, sizeof out->param, "dimensions");
			fault_set(why, FAULT_INVALID, "'dimensions'는 1-%zu여야 합니다",
			          "'dimensions' must be 1 to %zu", width);
			goto out;
		}
		out->dimensions = (size_t)json_integer_value(dimensions);
	}
	if (format != NULL && !json_is_null(format)) {
		const char *word = json_is_string(format) ? json_string_value(format) : "";

		out->base64 = strcmp(word, "base64") == 0;
		if (!out->base64 && strcmp(word, "float") != 0) {
			snprintf(out->param, sizeof out->param, "encoding_format");
			fault_set(why, FAULT_INVALID, "'encoding_format'은 float 또는 base64입니다",
			          "'encoding_format' is float or base64");
			goto out;
		}
	}
	for (size_t i = 0, count = json_is_array(input) ? json_array_size(input) : 1; i < count; i++) {
		const json_t *one = json_is_array(input) ? json_array_get(input, i) : input;

		if (json_is_string(one) && json_string_length(one) == 0) {
			snprintf(out->param, sizeof out->param, "input");
			fault_set(why, FAULT_INVALID, "'input'의 텍스트가 비어 있습니다",
			          "a text of 'input' is empty");
			goto out;
		}
	}
	result = engine_prompts_read(&out->inputs, input, "input", EMBEDDING_INPUTS_LIMIT, tokenizer,
	                             context - 1, out->param, why);
out:
	json_decref(json);
	return result;
}

void
embedding_request_free(struct embedding_request *request)
{
	engine_prompts_free(&request->inputs);
	memset(request, 0, sizeof *request);
}
