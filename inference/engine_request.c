#include "inference/engine_request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BODY_DEPTH 32
#define TEXT_LIMIT ((size_t)32 << 20)

int
engine_request_wrong(struct engine_request *request, const char *param, struct fault *why)
{
	snprintf(request->param, sizeof request->param, "%s", param);
	return fault_set(why, FAULT_INVALID, "'%s'의 값이 올바르지 않습니다", "'%s' has an invalid value",
	                 param);
}

int
engine_request_unsupported(struct engine_request *request, const char *param, struct fault *why)
{
	snprintf(request->param, sizeof request->param, "%s", param);
	return fault_set(why, FAULT_UNSUPPORTED, "'%s'은(는) 이 엔진에서 지원하지 않습니다",
	                 "'%s' is not supported by this engine", param);
}

static struct slice
string_of(const json_t *value)
{
	return slice_of(json_string_value(value), json_string_length(value));
}

/* A number within bounds into *out; absent or null leaves it. */
static int
read_number(struct engine_request *request, const char *name, double least, double most, double *out,
            struct fault *why)
{
	const json_t *value = json_object_get(request->json, name);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_number(value) ||
	    !(json_number_value(value) >= least && json_number_value(value) <= most))
		return engine_request_wrong(request, name, why);
	*out = json_number_value(value);
	return 0;
}

static int
read_whole(struct engine_request *request, const char *name, int64_t least, int64_t most, int64_t *out,
           struct fault *why)
{
	const json_t *value = json_object_get(request->json, name);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
		return engine_request_wrong(request, name, why);
	*out = json_integer_value(value);
	return 0;
}

static int
read_flag(struct engine_request *request, const char *name, bool *out, struct fault *why)
{
	const json_t *value = json_object_get(request->json, name);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_boolean(value))
		return engine_request_wrong(request, name, why);
	*out = json_is_true(value);
	return 0;
}

/* Members that would change the answer in ways we do not know; present and not empty means refusal. */
static int
refuse_unknown(struct engine_request *request, struct fault *why)
{
	static const char *const refused[] = {
	    "functions", "function_call", "audio",        "prediction",    "web_search_options", "suffix",
	    "grammar",   "guided_json",   "guided_regex", "guided_choice", "guided_grammar",     "lora"};

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		const json_t *value = json_object_get(request->json, refused[i]);

		if (value != NULL && !json_is_null(value) &&
		    !(json_is_array(value) && json_array_size(value) == 0))
			return engine_request_unsupported(request, refused[i], why);
	}
	return 0;
}

static int
read_bias(struct engine_request *request, uint32_t vocabulary, struct fault *why)
{
	struct sampling *sampling = &request->generation.sampling;
	json_t *bias = json_object_get(request->json, "logit_bias"), *value;
	const char *name;

	if (bias == NULL || json_is_null(bias))
		return 0;
	if (!json_is_object(bias) || json_object_size(bias) > SAMPLER_BIAS_LIMIT)
		return engine_request_wrong(request, "logit_bias", why);
	if (json_object_size(bias) == 0)
		return 0;
	if ((sampling->bias = calloc(json_object_size(bias), sizeof *sampling->bias)) == NULL)
		return fault_memory(why);
	json_object_foreach(bias, name, value)
	{
		char *end;
		unsigned long token = strtoul(name, &end, 10);

		if (end == name || *end != '\0' || name[0] < '0' || name[0] > '9' || token >= vocabulary ||
		    !json_is_number(value) || !(fabs(json_number_value(value)) <= 100))
			return engine_request_wrong(request, "logit_bias", why);
		sampling->bias[sampling->bias_count].token = (uint32_t)token;
		sampling->bias[sampling->bias_count++].bias = (float)json_number_value(value);
	}
	return 0;
}

static int
read_sampling(struct engine_request *request, uint32_t vocabulary, struct fault *why)
{
	struct sampling *sampling = &request->generation.sampling;
	double temperature = 1, top_p = 1, min_p = 0, presence = 0, frequency = 0, repetition = 1;
	int64_t top_k = 0, seed = 0;
	const json_t *seeded = json_object_get(request->json, "seed");

	if (read_number(request, "temperature", 0, 2, &temperature, why) == -1 ||
	    read_number(request, "top_p", 0, 1, &top_p, why) == -1 ||
	    read_number(request, "min_p", 0, 1, &min_p, why) == -1 ||
	    read_number(request, "presence_penalty", -2, 2, &presence, why) == -1 ||
	    read_number(request, "frequency_penalty", -2, 2, &frequency, why) == -1 ||
	    read_number(request, "repetition_penalty", 0.01, 10, &repetition, why) == -1 ||
	    read_whole(request, "top_k", -1, INT32_MAX, &top_k, why) == -1 ||
	    read_whole(request, "seed", INT64_MIN, INT64_MAX, &seed, why) == -1)
		return -1;
	sampling->temperature = (float)temperature;
	sampling->top_p = (float)top_p;
	sampling->min_p = (float)min_p;
	sampling->presence = (float)presence;
	sampling->frequency = (float)frequency;
	sampling->repetition = (float)repetition;
	sampling->top_k = top_k > 0 ? (uint32_t)top_k : 0;
	sampling->seeded = seeded != NULL && !json_is_null(seeded);
	sampling->seed = (uint64_t)seed;
	return read_bias(request, vocabulary, why);
}

static int
read_stops(struct engine_request *request, struct fault *why)
{
	const json_t *stop = json_object_get(request->json, "stop");
	size_t count = json_is_array(stop) ? json_array_size(stop) : 1;

	if (stop == NULL || json_is_null(stop))
		return 0;
	if (count > REQUEST_STOPS_LIMIT)
		return engine_request_wrong(request, "stop", why);
	for (size_t i = 0; i < count; i++) {
		const json_t *one = json_is_array(stop) ? json_array_get(stop, i) : stop;

		if (!json_is_string(one) || json_string_length(one) == 0 || json_string_length(one) > 512)
			return engine_request_wrong(request, "stop", why);
		request->generation.stops[request->generation.stop_count++] = string_of(one);
	}
	return 0;
}

static int
read_logprobs(struct engine_request *request, struct fault *why)
{
	int64_t top = 0;
	bool wanted = false;

	request->generation.logprobs = -1;
	if (!request->chat) {
		top = -1;
		if (read_whole(request, "logprobs", 0, SAMPLER_TOP_LIMIT, &top, why) == -1)
			return -1;
		request->generation.logprobs = (int)top;
		return 0;
	}
	if (read_flag(request, "logprobs", &wanted, why) == -1 ||
	    read_whole(request, "top_logprobs", 0, SAMPLER_TOP_LIMIT, &top, why) == -1)
		return -1;
	if (wanted)
		request->generation.logprobs = (int)top;
	else if (top > 0)
		return engine_request_wrong(request, "top_logprobs", why);
	return 0;
}

static int
read_common(struct engine_request *request, uint32_t vocabulary, struct fault *why)
{
	const json_t *options = json_object_get(request->json, "stream_options");
	const json_t *format = json_object_get(request->json, "response_format");
	int64_t most = 0, choices = 1, best = 1;
	bool echo = false;

	if (refuse_unknown(request, why) == -1 || read_flag(request, "stream", &request->stream, why) == -1 ||
	    read_whole(request, "n", 1, REQUEST_CHOICES_LIMIT, &choices, why) == -1 ||
	    read_whole(request, "max_tokens", 0, INT32_MAX, &most, why) == -1 ||
	    read_flag(request, "ignore_eos", &request->generation.ignore_end, why) == -1 ||
	    read_sampling(request, vocabulary, why) == -1 || read_stops(request, why) == -1 ||
	    read_logprobs(request, why) == -1)
		return -1;
	if (request->chat && read_whole(request, "max_completion_tokens", 0, INT32_MAX, &most, why) == -1)
		return -1;
	if (!request->chat && (read_flag(request, "echo", &echo, why) == -1 ||
	                       read_whole(request, "best_of", 1, REQUEST_CHOICES_LIMIT, &best, why) == -1))
		return -1;
	if (echo)
		return engine_request_unsupported(request, "echo", why);
	if (best > choices)
		return engine_request_unsupported(request, "best_of", why);
	if (!request->chat && most == 0 && json_object_get(request->json, "max_tokens") == NULL)
		most = 16; /* OpenAI's default for completions */
	if (options != NULL && !json_is_null(options)) {
		if (!json_is_object(options) || !request->stream)
			return engine_request_wrong(request, "stream_options", why);
		request->include_usage = json_is_true(json_object_get(options, "include_usage"));
	}
	if (format != NULL && !json_is_null(format)) {
		const char *type = json_get_string(format, "type");

		if (type == NULL)
			return engine_request_wrong(request, "response_format", why);
		if (strcmp(type, "json_object") == 0) {
			request->constrained = true;
		} else if (strcmp(type, "json_schema") == 0) {
			request->constrained = true;
			request->schema = json_object_get(json_object_get(format, "json_schema"), "schema");
			if (request->schema == NULL)
				return engine_request_wrong(request, "response_format", why);
		} else if (strcmp(type, "text") != 0) {
			return engine_request_unsupported(request, "response_format", why);
		}
	}
	request->choices = (unsigned)choices;
	request->generation.max_tokens = (uint32_t)most;
	return 0;
}

/* ---- prompts ---- */

/* A text, one text in an array, or tokens. */
static int
read_prompt(struct engine_request *request, const struct tokenizer *tokenizer, struct fault *why)
{
	const json_t *value = json_object_get(request->json, "prompt");
	struct prompt prompt;
	int result;

	if (json_is_array(value) && json_array_size(value) == 1 && !json_is_integer(json_array_get(value, 0)))
		value = json_array_get(value, 0);
	if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++) {
			const json_t *token = json_array_get(value, i);

			if (json_is_string(token) || json_is_array(token))
				return engine_request_unsupported(request, "prompt", why);
			if (!json_is_integer(token) || json_integer_value(token) < 0 ||
			    json_integer_value(token) >= tokenizer_count(tokenizer))
				return engine_request_wrong(request, "prompt", why);
			if (token_list_add(&request->prompt, (uint32_t)json_integer_value(token), why) == -1)
				return -1;
		}
		return 0;
	}
	if (!json_is_string(value))
		return engine_request_wrong(request, "prompt", why);
	prompt_init(&prompt, TEXT_LIMIT);
	prompt_untrusted(&prompt, string_of(value));
	result = tokenizer_encode_prompt(tokenizer, &prompt, &request->prompt, why);
	prompt_free(&prompt);
	return result;
}

int
engine_request_read(struct engine_request *out, struct slice body, bool chat,
                    const struct tokenizer *tokenizer, const struct chat_template *chat_template,
                    size_t context, struct fault *why)
{
	memset(out, 0, sizeof *out);
	out->chat = chat;
	token_list_init(&out->prompt, context);
	if ((out->json = json_read(body, REQUEST_BODY_LIMIT, BODY_DEPTH, why)) == NULL)
		return -1;
	if (!json_is_object(out->json))
		return fault_set(why, FAULT_INVALID, "요청 본문은 JSON 객체여야 합니다",
		                 "the body must be a JSON object");
	if (read_common(out, tokenizer_count(tokenizer), why) == -1)
		return -1;
	if (chat && template_stop(chat_template) != NULL && out->generation.stop_count < REQUEST_STOPS_LIMIT)
		out->generation.stops[out->generation.stop_count++] =
		    slice_string(template_stop(chat_template));
	if ((chat ? engine_messages_read(out, tokenizer, chat_template, why)
	          : read_prompt(out, tokenizer, why)) == -1) {
		if (why != NULL && why->kind == FAULT_TOO_LARGE)
			snprintf(out->param, sizeof out->param, "%s", chat ? "messages" : "prompt");
		return -1;
	}
	out->generation.prompt = out->prompt.ids;
	out->generation.prompt_count = out->prompt.count;
	out->generation.markers = out->tools != TOOL_STYLE_NONE;
	out->generation.trim = chat && tokenizer_leading_space(tokenizer);
	return 0;
}

void
engine_request_free(struct engine_request *request)
{
	json_decref(request->json);
	token_list_free(&request->prompt);
	json_decref(request->made);
	free(request->generation.sampling.bias);
	memset(request, 0, sizeof *request);
}

/* ---- embeddings ------------------------------------------------------------------------------------------------- */

static int
encode_input(struct embedding_request *request, const json_t *input, const struct tokenizer *tokenizer,
             size_t context, struct fault *why)
{
	struct token_list *list = &request->inputs[request->count++];
	struct prompt prompt;
	int result;

	token_list_init(list, context - 1);
	if (json_is_array(input)) {
		for (size_t i = 0; i < json_array_size(input); i++) {
			const json_t *token = json_array_get(input, i);

			if (!json_is_integer(token) || json_integer_value(token) < 0 ||
			    json_integer_value(token) >= tokenizer_count(tokenizer))
				return fault_set(why, FAULT_INVALID, "'input'의 값이 올바르지 않습니다",
				                 "'input' has an invalid value");
			if (token_list_add(list, (uint32_t)json_integer_value(token), why) == -1)
				return -1;
		}
	} else if (json_is_string(input)) {
		prompt_init(&prompt, TEXT_LIMIT);
		prompt_untrusted(&prompt, string_of(input));
		result = tokenizer_encode_prompt(tokenizer, &prompt, list, why);
		prompt_free(&prompt);
		if (result == -1)
			return -1;
	}
	if (list->count == 0)
		return fault_set(why, FAULT_INVALID, "'input'의 값이 올바르지 않습니다",
		                 "'input' has an invalid value");
	return 0;
}

int
embedding_request_read(struct embedding_request *out, struct slice body, const struct tokenizer *tokenizer,
                       size_t context, size_t width, struct fault *why)
{
	json_t *json = json_read(body, REQUEST_BODY_LIMIT, BODY_DEPTH, why);
	const json_t *input, *dimensions;
	const char *format;
	size_t count;
	int result = -1;

	memset(out, 0, sizeof *out);
	if (json == NULL)
		return -1;
	input = json_object_get(json, "input");
	dimensions = json_object_get(json, "dimensions");
	format = json_get_string(json, "encoding_format");
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
	if (format != NULL && strcmp(format, "float") != 0 && strcmp(format, "base64") != 0) {
		snprintf(out->param, sizeof out->param, "encoding_format");
		fault_set(why, FAULT_INVALID, "'encoding_format'은 float 또는 base64입니다",
		          "'encoding_format' is float or base64");
		goto out;
	}
	out->base64 = format != NULL && strcmp(format, "base64") == 0;
	snprintf(out->param, sizeof out->param, "input");
	/* An array of numbers is one input; any other array is one input each. */
	count =
	    json_is_array(input) && !json_is_integer(json_array_get(input, 0)) ? json_array_size(input) : 1;
	if (count == 0 || count > EMBEDDING_INPUTS_LIMIT) {
		fault_set(why, FAULT_INVALID, "'input'은 1-256개여야 합니다",
		          "'input' must be 1 to 256 texts");
		goto out;
	}
	if ((out->inputs = calloc(count, sizeof *out->inputs)) == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		if (encode_input(out,
		                 count == 1 &&
		                         !(json_is_array(input) && !json_is_integer(json_array_get(input, 0)))
		                     ? input
		                     : json_array_get(input, i),
		                 tokenizer, context, why) == -1)
			goto out;
	out->param[0] = '\0';
	result = 0;
out:
	json_decref(json);
	return result;
}

void
embedding_request_free(struct embedding_request *request)
{
	for (size_t i = 0; i < request->count; i++)
		token_list_free(&request->inputs[i]);
	free(request->inputs);
	memset(request, 0, sizeof *request);
}
