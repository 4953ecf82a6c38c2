/* Answers of the OpenAI API: read strictly from an engine, written anew for the client. See openai.h. */
#include "gateway/openai.h"

#include <string.h>

#include "schema/finding.h"

#define FINGERPRINT_MOST 128
#define ANSWER_DEPTH     24
#define DIMENSIONS_MOST  65536

static struct slice
string_slice(const json_t *string)
{
	return slice_of(json_string_value(string), json_string_length(string));
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static int
not_openai(struct fault *why, const char *member)
{
	return fault_set(why, FAULT_UNAVAILABLE, "엔진의 답이 OpenAI API의 꼴이 아닙니다: %s",
	                 "the engine's answer does not have the shape of the OpenAI API: %s", member);
}

static int
read_calls(struct openai_choice *choice, const json_t *calls, bool chunk, struct arena *arena,
           struct fault *why)
{
	const size_t count = json_array_size(calls);

	if (calls == NULL || json_is_null(calls) || count == 0)
		return 0;
	if (count > OPENAI_CALLS)
		return not_openai(why, "tool_calls");
	if ((choice->calls = arena_array(arena, count, sizeof *choice->calls)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < count; i++) {
		const json_t *from = json_array_get(calls, i);
		const json_t *function = json_object_get(from, "function");
		const json_t *arguments = json_object_get(function, "arguments");
		struct openai_call *call = &choice->calls[choice->call_count++];
		const char *const id = json_get_string(from, "id");
		const char *const name = json_get_string(function, "name");

		*call = (struct openai_call){.id = id == NULL ? "" : id, .name = name == NULL ? "" : name};
		call->index = json_get_integer(from, "index", chunk ? 0 : (int64_t)i);
		if (json_is_string(arguments))
			call->arguments = string_slice(arguments);
		if (call->index < 0 || call->index >= OPENAI_CALLS || strlen(call->id) > 128 ||
		    strlen(call->name) > 64 || (!chunk && call->name[0] == '\0'))
			return not_openai(why, "tool_calls");
	}
	return 0;
}

static const char *
known_finish(const json_t *reason)
{
	static const char *const words[] = {"stop", "length", "tool_calls", "content_filter",
	                                    "function_call"};
	const char *const word = json_string_value(reason);

	for (size_t i = 0; word != NULL && i < sizeof words / sizeof *words; i++)
		if (strcmp(word, words[i]) == 0)
			return words[i];
	return word == NULL ? NULL : "stop";
}

static int
read_choice(struct openai_answer *answer, const json_t *from, bool chunk, struct arena *arena,
            struct fault *why)
{
	struct openai_choice *choice = &answer->choices[answer->choice_count++];
	const json_t *message = json_object_get(from, chunk ? "delta" : "message");
	const json_t *content, *reasoning;

	*choice = (struct openai_choice){
	    .index = json_get_integer(from, "index", (int64_t)answer->choice_count - 1)};
	if (!json_is_object(from) || choice->index < 0 || choice->index >= OPENAI_CHOICES)
		return not_openai(why, "choices");
	choice->finish_reason = known_finish(json_object_get(from, "finish_reason"));
	if (json_is_object(json_object_get(from, "logprobs")))
		choice->logprobs = json_object_get(from, "logprobs");
	if (answer->kind == OPENAI_COMPLETION) {
		if (!json_is_string(content = json_object_get(from, "text")))
			return not_openai(why, "choices.text");
		choice->has_content = true;
		choice->content = string_slice(content);
		return 0;
	}
	if (!json_is_object(message))
		return chunk && choice->finish_reason != NULL ? 0 : not_openai(why, "choices.message");
	if (json_get_string(message, "role") != NULL)
		choice->role = "assistant";
	content = json_object_get(message, "content");
	if (json_is_string(content)) {
		choice->has_content = true;
		choice->content = string_slice(content);
	} else if (content != NULL && !json_is_null(content)) {
		return not_openai(why, "choices.message.content");
	}
	if ((reasoning = json_object_get(message, "reasoning_content")) == NULL)
		reasoning = json_object_get(message, "reasoning");
	if (json_is_string(reasoning)) {
		choice->has_reasoning = true;
		choice->reasoning = string_slice(reasoning);
	}
	return read_calls(choice, json_object_get(message, "tool_calls"), chunk, arena, why);
}

static int
read_embeddings(struct openai_answer *answer, struct fault *why)
{
	const json_t *data = json_object_get(answer->document, "data");

	if (!json_is_array(data))
		return not_openai(why, "data");
	for (size_t i = 0; i < json_array_size(data); i++) {
		const json_t *vector = json_object_get(json_array_get(data, i), "embedding");

		if (!json_is_array(vector) || json_array_size(vector) == 0 ||
		    json_array_size(vector) > DIMENSIONS_MOST)
			return not_openai(why, "data.embedding");
		for (size_t j = 0; j < json_array_size(vector); j++)
			if (!json_is_number(json_array_get(vector, j)))
				return not_openai(why, "data.embedding");
	}
	answer->embeddings = data;
	return 0;
}

static int64_t
count_of(const json_t *usage, const char *name)
{
	const int64_t count = json_get_integer(usage, name, -1);

	return count < 0 || count > (int64_t)1 << 50 ? -1 : count;
}

int
openai_answer_read(struct openai_answer *out, enum openai_kind kind, bool chunk, struct slice text,
                   size_t limit, struct arena *arena, struct fault *why)
{
	const json_t *choices, *usage;
	const char *fingerprint;
	int result = -1;

	*out = (struct openai_answer){.kind = kind,
	                              .model = "",
	                              .fingerprint = "",
	                              .prompt_tokens = -1,
	                              .completion_tokens = -1,
	                              .cached_tokens = -1};
	if ((out->document = json_read(text, limit, ANSWER_DEPTH, why)) == NULL) {
		if (why != NULL)
			why->kind = FAULT_UNAVAILABLE;
		return fault_prefix(why, "엔진의 답", "the engine's answer");
	}
	if (!json_is_object(out->document) || json_is_object(json_object_get(out->document, "error"))) {
		not_openai(why, "error");
		goto out;
	}
	if (json_get_string(out->document, "model") != NULL)
		out->model = json_get_string(out->document, "model");
	fingerprint = json_get_string(out->document, "system_fingerprint");
	if (fingerprint != NULL && strlen(fingerprint) <= FINGERPRINT_MOST)
		out->fingerprint = fingerprint;
	usage = json_object_get(out->document, "usage");
	if (json_is_object(usage)) {
		out->has_usage = true;
		out->prompt_tokens = count_of(usage, "prompt_tokens");
		out->completion_tokens = kind == OPENAI_EMBEDDING ? 0 : count_of(usage, "completion_tokens");
		out->cached_tokens =
		    count_of(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
	}
	if (kind == OPENAI_EMBEDDING) {
		result = read_embeddings(out, why);
		goto out;
	}
	choices = json_object_get(out->document, "choices");
	if (!json_is_array(choices) || json_array_size(choices) > OPENAI_CHOICES ||
	    (!chunk && json_array_size(choices) == 0)) {
		not_openai(why, "choices");
		goto out;
	}
	if (json_array_size(choices) > 0 &&
	    (out->choices = arena_array(arena, json_array_size(choices), sizeof *out->choices)) == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < json_array_size(choices); i++)
		if (read_choice(out, json_array_get(choices, i), chunk, arena, why) == -1)
			goto out;
	result = 0;
out:
	if (result == -1)
		openai_answer_free(out);
	return result;
}

void
openai_answer_free(struct openai_answer *answer)
{
	if (answer == NULL)
		return;
	json_decref(answer->document);
	answer->document = NULL;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static void
quoted(struct buffer *out, const char *name, const char *text)
{
	buffer_string(out, name);
	json_quote(out, slice_string(text));
}

/* {"ai_generated":true,"label":…}: what Art. 31 and the receipt need, for programs. */
static void
write_mark(struct buffer *out, const struct openai_mark *mark)
{
	bool first = true;

	quoted(out, ",\"haechi\":{\"ai_generated\":true,\"label\":", mark->label);
	if (mark->notice_ko != NULL) {
		quoted(out, ",\"notice\":{\"ko\":", mark->notice_ko);
		quoted(out, ",\"en\":", mark->notice_en);
		buffer_byte(out, '}');
	}
	if (mark->notify)
		buffer_string(out, ",\"notify\":true");
	quoted(out, ",\"entry\":", mark->entry);
	quoted(out, ",\"decision\":", mark->decision);
	quoted(out, ",\"verdict\":", mark->verdict);
	/* Only who is given the salt can show what the entry committed to: SHA-256(salt || request as openai_content()). */
	if (mark->commitment != NULL) {
		quoted(out, ",\"prompt\":{\"commitment\":", mark->commitment);
		quoted(out, ",\"salt\":", mark->salt);
		buffer_byte(out, '}');
	}
	for (unsigned kind = 0; mark->masked != NULL && kind < IDENTIFIER_KINDS; kind++) {
		if (mark->masked[kind] == 0)
			continue;
		buffer_string(out, first ? ",\"masked\":{" : ",");
		first = false;
		quoted(out, "", identifier_name((enum identifier_kind)kind));
		buffer_printf(out, ":%u", mark->masked[kind]);
	}
	buffer_string(out, first ? "}" : "}}");
}

static void
write_usage(struct buffer *out, const struct openai_answer *answer)
{
	const int64_t prompt = answer->prompt_tokens < 0 ? 0 : answer->prompt_tokens;
	const int64_t completion = answer->completion_tokens < 0 ? 0 : answer->completion_tokens;

	buffer_printf(out, ",\"usage\":{\"prompt_tokens\":%lld", (long long)prompt);
	if (answer->kind != OPENAI_EMBEDDING)
		buffer_printf(out, ",\"completion_tokens\":%lld", (long long)completion);
	buffer_printf(out, ",\"total_tokens\":%lld", (long long)(prompt + completion));
	if (answer->cached_tokens >= 0)
		buffer_printf(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%lld}",
		              (long long)answer->cached_tokens);
	buffer_byte(out, '}');
}

static void
write_calls(struct buffer *out, const struct openai_choice *choice, bool chunk)
{
	buffer_string(out, ",\"tool_calls\":[");
	for (size_t i = 0; i < choice->call_count; i++) {
		const struct openai_call *call = &choice->calls[i];

		buffer_byte(out, i == 0 ? '{' : ',');
		if (i > 0)
			buffer_byte(out, '{');
		if (chunk)
			buffer_printf(out, "\"index\":%lld,", (long long)call->index);
		if (!chunk || call->id[0] != '\0') {
			quoted(out, "\"id\":", call->id);
			buffer_string(out, ",\"type\":\"function\",");
		}
		buffer_string(out, "\"function\":{");
		if (!chunk || call->name[0] != '\0') {
			quoted(out, "\"name\":", call->name);
			buffer_byte(out, ',');
		}
		buffer_string(out, "\"arguments\":");
		json_quote(out, call->arguments);
		buffer_string(out, "}}");
	}
	buffer_byte(out, ']');
}

static void
write_finish(struct buffer *out, const struct openai_choice *choice)
{
	buffer_string(out, ",\"logprobs\":");
	if (choice->logprobs == NULL)
		buffer_string(out, "null");
	else
		json_write(out, choice->logprobs);
	if (choice->finish_reason == NULL)
		buffer_string(out, ",\"finish_reason\":null}");
	else
		buffer_printf(out, ",\"finish_reason\":\"%s\"}", choice->finish_reason);
}

static void
write_choice(struct buffer *out, const struct openai_answer *answer, const struct openai_choice *choice,
             bool chunk)
{
	bool any = false;

	buffer_printf(out, "{\"index\":%lld", (long long)choice->index);
	if (answer->kind == OPENAI_COMPLETION) {
		buffer_string(out, ",\"text\":");
		json_quote(out, choice->content);
		write_finish(out, choice);
		return;
	}
	buffer_string(out, chunk ? ",\"delta\":{" : ",\"message\":{");
	if (!chunk || choice->role != NULL) {
		buffer_string(out, "\"role\":\"assistant\"");
		any = true;
	}
	if (choice->has_content) {
		buffer_string(out, any ? ",\"content\":" : "\"content\":");
		json_quote(out, choice->content);
		any = true;
	} else if (!chunk) {
		buffer_string(out, ",\"content\":null");
	}
	if (choice->has_reasoning) {
		buffer_string(out, any ? ",\"reasoning_content\":" : "\"reasoning_content\":");
		json_quote(out, choice->reasoning);
		any = true;
	}
	if (!chunk)
		buffer_string(out, ",\"refusal\":null");
	if (choice->call_count > 0) {
		const size_t at = out->size;

		write_calls(out, choice, chunk);
		/* The list begins with a comma; the first member of a delta has none before it. */
		if (!any && buffer_ok(out)) {
			memmove(out->data + at, out->data + at + 1, out->size - at - 1);
			out->size--;
		}
	}
	buffer_byte(out, '}');
	write_finish(out, choice);
}

static void
write_head(struct buffer *out, const struct openai_answer *answer, const struct openai_mark *mark,
           const char *object)
{
	quoted(out, "{\"id\":", mark->id);
	buffer_printf(out, ",\"object\":\"%s\",\"created\":%lld", object, (long long)mark->created);
	quoted(out, ",\"model\":", mark->model);
	if (answer->fingerprint[0] != '\0')
		quoted(out, ",\"system_fingerprint\":", answer->fingerprint);
}

static void
write_vector_base64(struct buffer *out, const json_t *vector)
{
	/* Twelve bytes, three floats, make sixteen characters: whole groups until the last one. */
	uint8_t bytes[12];
	char text[BASE64_SIZE(sizeof bytes)];
	size_t held = 0;

	buffer_byte(out, '"');
	for (size_t i = 0; i < json_array_size(vector); i++) {
		const float number = (float)json_number_value(json_array_get(vector, i));
		uint32_t bits;

		memcpy(&bits, &number, sizeof bits);
		for (unsigned shift = 0; shift < 32; shift += 8)
			bytes[held++] = (uint8_t)(bits >> shift);
		if (held == sizeof bytes) {
			buffer_append(out, text, base64_encode(text, bytes, held));
			held = 0;
		}
	}
	buffer_append(out, text, base64_encode(text, bytes, held));
	buffer_byte(out, '"');
}

static int
write_embeddings(struct buffer *out, const struct openai_answer *answer, bool base64,
                 const struct openai_mark *mark)
{
	buffer_string(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < json_array_size(answer->embeddings); i++) {
		const json_t *vector = json_object_get(json_array_get(answer->embeddings, i), "embedding");

		if (i > 0)
			buffer_byte(out, ',');
		buffer_printf(out, "{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i);
		if (base64) {
			write_vector_base64(out, vector);
		} else {
			buffer_byte(out, '[');
			for (size_t j = 0; j < json_array_size(vector); j++)
				buffer_printf(out, "%s%.9g", j == 0 ? "" : ",",
				              json_number_value(json_array_get(vector, j)));
			buffer_byte(out, ']');
		}
		buffer_byte(out, '}');
	}
	quoted(out, "],\"model\":", mark->model);
	write_usage(out, answer);
	write_mark(out, mark);
	buffer_byte(out, '}');
	return 0;
}

int
openai_answer_write(struct buffer *out, const struct openai_answer *answer, bool base64,
                    const struct openai_mark *mark, struct fault *why)
{
	if (answer->kind == OPENAI_EMBEDDING) {
		write_embeddings(out, answer, base64, mark);
	} else {
		write_head(out, answer, mark,
		           answer->kind == OPENAI_CHAT ? "chat.completion" : "text_completion");
		buffer_string(out, ",\"choices\":[");
		for (size_t i = 0; i < answer->choice_count; i++) {
			if (i > 0)
				buffer_byte(out, ',');
			write_choice(out, answer, &answer->choices[i], false);
		}
		buffer_byte(out, ']');
		write_usage(out, answer);
		write_mark(out, mark);
		buffer_byte(out, '}');
	}
	return buffer_ok(out) ? 0
	                      : fault_set(why, FAULT_UNAVAILABLE, "답이 한도보다 큽니다",
	                                  "the answer is over the limit");
}

void
openai_chunk_write(struct buffer *out, const struct openai_answer *answer, bool usage,
                   const struct openai_mark *mark, bool last)
{
	write_head(out, answer, mark,
	           answer->kind == OPENAI_CHAT ? "chat.completion.chunk" : "text_completion");
	buffer_string(out, ",\"choices\":[");
	for (size_t i = 0; i < answer->choice_count; i++) {
		if (i > 0)
			buffer_byte(out, ',');
		write_choice(out, answer, &answer->choices[i], true);
	}
	buffer_byte(out, ']');
	if (usage)
		write_usage(out, answer);
	if (last)
		write_mark(out, mark);
	buffer_byte(out, '}');
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
