#include "inference/engine_request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inference/constraint.h"

#define BODY_DEPTH 64

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

static int
out_of_range(struct engine_request *request, const char *name, bool whole, double least, double most,
             struct fault *why)
{
	snprintf(request->param, sizeof request->param, "%s", name);
	if (whole && most >= INT32_MAX)
		return fault_set(why, FAULT_INVALID, "'%s'은(는) %.0f 이상의 정수여야 합니다",
		                 "'%s' must be an integer of at least %.0f", name, least);
	if (whole)
		return fault_set(why, FAULT_INVALID, "'%s'은(는) %.0f에서 %.0f까지의 정수여야 합니다",
		                 "'%s' must be an integer from %.0f to %.0f", name, least, most);
	return fault_set(why, FAULT_INVALID, "'%s'은(는) %g에서 %g까지의 수여야 합니다",
	                 "'%s' must be a number from %g to %g", name, least, most);
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
		return out_of_range(request, name, false, least, most, why);
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
		return out_of_range(request, name, true, (double)least, (double)most, why);
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

/* Members that would change the answer in ways we cannot; present and not empty means refusal. */
static int
refuse_unknown(struct engine_request *request, struct fault *why)
{
	static const char *const refused[] = {"functions", "function_call", "audio", "web_search_options",
	                                      "suffix"};
	/* What is told apart below, and what only OpenAI's own service makes something of. */
#define COMMON                                                                                               \
	"model", "stream", "stream_options", "n", "max_tokens", "temperature", "top_p", "top_k", "min_p",    \
	    "presence_penalty", "frequency_penalty", "repetition_penalty", "seed", "stop", "logprobs",       \
	    "logit_bias", "min_tokens", "ignore_eos", "user", "response_format", "store", "metadata",        \
	    "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",               \
	    "cache_prompt", "functions", "function_call", "audio", "web_search_options", "suffix"
	static const char *const chat[] = {
	    COMMON,       "messages",    "max_completion_tokens", "top_logprobs",
	    "tools",      "tool_choice", "parallel_tool_calls",   "chat_template_kwargs",
	    "modalities", "prediction",  "reasoning_effort",      "verbosity",
	    NULL};
	static const char *const text[] = {COMMON, "prompt", "echo", "best_of", NULL};
#undef COMMON
	const json_t *modalities = json_object_get(request->json, "modalities");

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		const json_t *value = json_object_get(request->json, refused[i]);

		if (value != NULL && !json_is_null(value) &&
		    !(json_is_array(value) && json_array_size(value) == 0))
			return engine_request_unsupported(request, refused[i], why);
	}
	for (size_t i = 0; i < json_array_size(modalities); i++) {
		const char *word = json_string_value(json_array_get(modalities, i));

		if (word == NULL || strcmp(word, "text") != 0)
			return engine_request_unsupported(request, "modalities", why);
	}
	return engine_members_known(request->json, request->chat ? chat : text, request->param, request->code,
	                            why);
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
read_format(struct engine_request *request, struct fault *why)
{
	const json_t *format = json_object_get(request->json, "response_format");
	const char *type = json_get_string(format, "type");

	if (format == NULL || json_is_null(format))
		return 0;
	if (type == NULL)
		return engine_request_wrong(request, "response_format", why);
	if (strcmp(type, "text") == 0)
		return 0;
	if (strcmp(type, "json_object") != 0 && strcmp(type, "json_schema") != 0)
		return engine_request_unsupported(request, "response_format", why);
	request->constrained = true;
	if (strcmp(type, "json_schema") != 0)
		return 0;
	request->schema = json_object_get(json_object_get(format, "json_schema"), "schema");
	return request->schema != NULL ? 0 : engine_request_wrong(request, "response_format", why);
}

/* How many answers of how many tokens. */
static int
read_amounts(struct engine_request *request, struct fault *why)
{
	int64_t most = 0, least = 0, choices = 1, best = 1;

	if (read_whole(request, "n", 1, REQUEST_CHOICES_LIMIT, &choices, why) == -1 ||
	    read_whole(request, "max_tokens", 1, INT32_MAX, &most, why) == -1 ||
	    read_whole(request, "min_tokens", 0, INT32_MAX, &least, why) == -1)
		return -1;
	if (request->chat && read_whole(request, "max_completion_tokens", 1, INT32_MAX, &most, why) == -1)
		return -1;
	if (!request->chat && (read_flag(request, "echo", &request->echo, why) == -1 ||
	                       read_whole(request, "best_of", 1, REQUEST_CHOICES_LIMIT, &best, why) == -1))
		return -1;
	if (best > choices)
		return engine_request_unsupported(request, "best_of", why);
	if (!request->chat && most == 0)
		most = 16; /* OpenAI's default for completions */
	if (least > most && most > 0)
		return engine_request_wrong(request, "min_tokens", why);
	request->choices = (unsigned)choices;
	request->generation.max_tokens = (uint32_t)most;
	request->generation.min_tokens = (uint32_t)least;
	return 0;
}

static int
read_common(struct engine_request *request, const char *served, uint32_t vocabulary, struct fault *why)
{
	const json_t *options = json_object_get(request->json, "stream_options");

	if (engine_model_named(request->json, served, request->param, request->code, why) == -1 ||
	    refuse_unknown(request, why) == -1 || read_flag(request, "stream", &request->stream, why) == -1 ||
	    read_flag(request, "ignore_eos", &request->generation.ignore_end, why) == -1 ||
	    read_amounts(request, why) == -1 || read_sampling(request, vocabulary, why) == -1 ||
	    read_stops(request, why) == -1 || read_logprobs(request, why) == -1 ||
	    read_format(request, why) == -1)
		return -1;
	/* The probabilities of a prompt's own tokens are not computed. */
	if (request->echo && request->generation.logprobs >= 0)
		return engine_request_unsupported(request, "logprobs", why);
	if (options != NULL && !json_is_null(options)) {
		const json_t *usage = json_object_get(options, "include_usage");

		if (!json_is_object(options) || !request->stream ||
		    (usage != NULL && !json_is_boolean(usage)))
			return engine_request_wrong(request, "stream_options", why);
		request->include_usage = json_is_true(usage);
	}
	return 0;
}

int
engine_request_read(struct engine_request *out, struct slice body, bool chat, const char *served,
                    const struct tokenizer *tokenizer, const struct chat_template *chat_template,
                    size_t context, struct fault *why)
{
	memset(out, 0, sizeof *out);
	out->chat = chat;
	if ((out->json = json_read(body, REQUEST_BODY_LIMIT, BODY_DEPTH, why)) == NULL)
		return -1;
	if (!json_is_object(out->json))
		return fault_set(why, FAULT_INVALID, "요청 본문은 JSON 객체여야 합니다",
		                 "the body must be a JSON object");
	if (read_common(out, served, tokenizer_count(tokenizer), why) == -1)
		return -1;
	if (chat && template_stop(chat_template) != NULL && out->generation.stop_count < REQUEST_STOPS_LIMIT)
		out->generation.stops[out->generation.stop_count++] =
		    slice_string(template_stop(chat_template));
	if (chat) {
		if ((out->prompts.lists = calloc(1, sizeof *out->prompts.lists)) == NULL)
			return fault_memory(why);
		out->prompts.count = 1;
		token_list_init(&out->prompts.lists[0], context);
	}
	if ((chat ? engine_messages_read(out, tokenizer, chat_template, why)
	          : engine_prompts_read(&out->prompts, json_object_get(out->json, "prompt"), "prompt",
	                                REQUEST_PROMPTS_LIMIT / out->choices, tokenizer, context, out->param,
	                                why)) == -1) {
		if (why != NULL && why->kind == FAULT_TOO_LARGE)
			snprintf(out->param, sizeof out->param, "%s", chat ? "messages" : "prompt");
		return -1;
	}
	if (chat)
		out->prompts.tokens = out->prompts.lists[0].count;
	out->generation.markers = out->tools != TOOL_STYLE_NONE;
	out->generation.trim = chat && tokenizer_leading_space(tokenizer);
	return 0;
}

void
engine_request_free(struct engine_request *request)
{
	json_decref(request->json);
	engine_prompts_free(&request->prompts);
	json_decref(request->made);
	constraint_free(request->constraint);
	free(request->generation.sampling.bias);
	memset(request, 0, sizeof *request);
}
