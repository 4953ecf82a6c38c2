#include "inference/engine_answer.h"

#include <stdlib.h>
#include <string.h>

#include "inference/model.h"
#include "inference/tokenizer.h"
#include "schema/base/json.h"

const char *
answer_reason(const struct choice *choice)
{
	return choice->end == GENERATION_LENGTH                    ? "\"length\""
	       : choice->tools != NULL && choice->tools->count > 0 ? "\"tool_calls\""
	                                                           : "\"stop\"";
}

static void
write_head(const struct answer *answer, struct buffer *out)
{
	const struct model *model = answer->model;

	buffer_printf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", answer->id,
	              !answer->chat    ? "text_completion"
	              : answer->stream ? "chat.completion.chunk"
	                               : "chat.completion",
	              (long long)answer->created);
	json_quote(out, slice_string(model->name));
	buffer_printf(out, ",\"system_fingerprint\":\"sha256:%s\"", model->sha256);
}

static void
write_usage(const struct answer *answer, struct buffer *out)
{
	size_t completion = 0, cached = 0;

	for (unsigned i = 0; i < answer->count; i++) {
		completion += answer->choices[i].tokens;
		if (i % answer->each == 0) /* a prompt of several answers counts once */
			cached += answer->choices[i].cached;
	}
	buffer_printf(out,
	              "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
	              "\"prompt_tokens_details\":{\"cached_tokens\":%zu}}",
	              answer->prompt_tokens, completion, answer->prompt_tokens + completion, cached);
}

static void
write_token(struct buffer *out, const struct tokenizer *tokenizer, uint32_t token, float logprob)
{
	struct slice bytes = tokenizer_bytes(tokenizer, token);

	buffer_string(out, "{\"token\":");
	json_quote(out, bytes);
	buffer_printf(out, ",\"logprob\":%.6f,\"bytes\":[", logprob < -9999.0f ? -9999.0 : (double)logprob);
	for (size_t i = 0; i < bytes.size; i++)
		buffer_printf(out, "%s%u", i == 0 ? "" : ",", bytes.data[i]);
	buffer_byte(out, ']');
}

/* Chat: objects of the "content" array. */
void
answer_write_logprobs(struct answer *answer, struct buffer *out, const struct token_report *reports,
                      size_t count)
{
	const struct tokenizer *tokenizer = answer->model->tokenizer;

	for (size_t i = 0; i < count; i++) {
		write_token(out, tokenizer, reports[i].token, reports[i].logprob);
		buffer_string(out, ",\"top_logprobs\":[");
		for (size_t j = 0; j < reports[i].best_count; j++) {
			buffer_string(out, j == 0 ? "" : ",");
			write_token(out, tokenizer, reports[i].best[j].token, reports[i].best[j].logprob);
			buffer_byte(out, '}');
		}
		buffer_string(out, "]},");
	}
}

static size_t
characters(struct slice bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes.size; i++)
		count += (bytes.data[i] & 0xc0) != 0x80;
	return count;
}

/* Completions: four arrays side by side, kept one behind the other and woven at the end. */
static void
write_text_logprobs(struct answer *answer, struct choice *choice, struct buffer *out,
                    const struct token_report *reports, size_t count)
{
	const struct tokenizer *tokenizer = answer->model->tokenizer;
	size_t offset = choice->offset;

	buffer_string(out, "{\"tokens\":[");
	for (size_t i = 0; i < count; i++) {
		buffer_string(out, i == 0 ? "" : ",");
		json_quote(out, tokenizer_bytes(tokenizer, reports[i].token));
	}
	buffer_string(out, "],\"token_logprobs\":[");
	for (size_t i = 0; i < count; i++)
		buffer_printf(out, "%s%.6f", i == 0 ? "" : ",", (double)reports[i].logprob);
	buffer_string(out, "],\"top_logprobs\":[");
	for (size_t i = 0; i < count; i++) {
		buffer_string(out, i == 0 ? "{" : ",{");
		for (size_t j = 0; j < reports[i].best_count; j++) {
			buffer_string(out, j == 0 ? "" : ",");
			json_quote(out, tokenizer_bytes(tokenizer, reports[i].best[j].token));
			buffer_printf(out, ":%.6f", (double)reports[i].best[j].logprob);
		}
		buffer_byte(out, '}');
	}
	buffer_string(out, "],\"text_offset\":[");
	for (size_t i = 0; i < count; i++) {
		buffer_printf(out, "%s%zu", i == 0 ? "" : ",", offset);
		offset += characters(tokenizer_bytes(tokenizer, reports[i].token));
	}
	buffer_string(out, "]}");
	choice->offset = offset;
}

static void
drop_comma(struct buffer *out)
{
	if (out->size > 0 && out->data[out->size - 1] == ',')
		out->size--;
}

/* One event of a stream; `end` NULL while it goes on. */
void
answer_write_event(struct answer *answer, struct choice *choice, struct slice text,
                   const struct generation_news *news, const char *role, const char *end, struct buffer *out)
{
	buffer_string(out, "data: ");
	write_head(answer, out);
	buffer_printf(out, ",\"choices\":[{\"index\":%u,", (unsigned)(choice - answer->choices));
	if (answer->chat) {
		buffer_string(out, "\"delta\":{");
		if (role != NULL)
			buffer_printf(out, "\"role\":\"%s\",\"content\":", role);
		else if (end == NULL)
			buffer_string(out, "\"content\":");
		if (role != NULL || end == NULL)
			json_quote(out, text);
		buffer_byte(out, '}');
	} else {
		buffer_string(out, "\"text\":");
		json_quote(out, text);
	}
	if (answer->with_logprobs && news != NULL && news->report_count > 0 && end == NULL) {
		buffer_string(out, ",\"logprobs\":");
		if (answer->chat) {
			buffer_string(out, "{\"content\":[");
			answer_write_logprobs(answer, out, news->reports, news->report_count);
			drop_comma(out);
			buffer_string(out, "],\"refusal\":null}");
		} else {
			write_text_logprobs(answer, choice, out, news->reports, news->report_count);
		}
	} else {
		buffer_string(out, ",\"logprobs\":null");
	}
	buffer_printf(out, ",\"finish_reason\":%s}]%s}\n\n", end != NULL ? end : "null",
	              answer->include_usage ? ",\"usage\":null" : "");
}

static void
write_embeddings(struct answer *answer, struct buffer *out)
{
	const struct model *model = answer->model;

	buffer_string(out, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; i < answer->count; i++) {
		const struct buffer *bytes =
		    &answer->choices[i].text; /* floats of this machine: little endian */

		buffer_printf(
		    out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":", i == 0 ? "" : ",", i);
		if (answer->base64) {
			char *text = malloc(BASE64_SIZE(bytes->size));

			if (text == NULL)
				out->failed = true;
			else
				buffer_printf(out, "\"%.*s\"",
				              (int)base64_encode(text, bytes->data, bytes->size), text);
			free(text);
		} else {
			for (size_t at = 0; at + 4 <= bytes->size; at += 4) {
				float value;

				memcpy(&value, bytes->data + at, 4);
				buffer_printf(out, "%s%.9g", at == 0 ? "[" : ",", (double)value);
			}
			buffer_byte(out, ']');
		}
		buffer_byte(out, '}');
	}
	buffer_string(out, "],\"model\":");
	json_quote(out, slice_string(model->name));
	buffer_printf(
	    out,
	    ",\"system_fingerprint\":\"sha256:%s\",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}",
	    model->sha256, answer->prompt_tokens, answer->prompt_tokens);
}

static void
write_call(const struct tool_call *call, struct buffer *out)
{
	buffer_printf(out, "{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", call->id);
	json_quote(out, slice_string(call->name));
	buffer_string(out, ",\"arguments\":");
	json_quote(out, slice_string(call->arguments));
	buffer_string(out, "}}");
}

static void
write_message(const struct choice *choice, struct buffer *out)
{
	size_t calls = choice->tools != NULL ? choice->tools->count : 0;

	buffer_string(out, "\"message\":{\"role\":\"assistant\",\"content\":");
	if (calls > 0 && choice->text.size == 0)
		buffer_string(out, "null");
	else
		json_quote(out, buffer_view(&choice->text));
	buffer_string(out, ",\"refusal\":null");
	for (size_t i = 0; i < calls; i++) {
		buffer_string(out, i == 0 ? ",\"tool_calls\":[" : ",");
		write_call(&choice->tools->calls[i], out);
	}
	buffer_string(out, calls > 0 ? "]}" : "}");
}

/* Its name first, then its arguments: as clients gather them. */
void
answer_write_call(struct answer *answer, struct choice *choice, size_t number, struct buffer *out)
{
	const struct tool_call *call = &choice->tools->calls[number];

	for (unsigned part = 0; part < 2; part++) {
		buffer_string(out, "data: ");
		write_head(answer, out);
		buffer_printf(out, ",\"choices\":[{\"index\":%u,\"delta\":{\"tool_calls\":[{\"index\":%zu,",
		              (unsigned)(choice - answer->choices), number);
		if (part == 0) {
			buffer_printf(
			    out, "\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", call->id);
			json_quote(out, slice_string(call->name));
			buffer_string(out, ",\"arguments\":\"\"}}]}");
		} else {
			buffer_string(out, "\"function\":{\"arguments\":");
			json_quote(out, slice_string(call->arguments));
			buffer_string(out, "}}]}");
		}
		buffer_printf(out, ",\"logprobs\":null,\"finish_reason\":null}]%s}\n\n",
		              answer->include_usage ? ",\"usage\":null" : "");
	}
}

void
answer_write_usage(struct answer *answer, struct buffer *out)
{
	buffer_string(out, "data: ");
	write_head(answer, out);
	buffer_string(out, ",\"choices\":[],");
	write_usage(answer, out);
	buffer_string(out, "}\n\n");
}

void
answer_write_whole(struct answer *answer, struct buffer *out)
{
	if (answer->embed) {
		write_embeddings(answer, out);
		return;
	}
	write_head(answer, out);
	buffer_string(out, ",\"choices\":[");
	for (unsigned i = 0; i < answer->count; i++) {
		struct choice *choice = &answer->choices[i];

		buffer_printf(out, "%s{\"index\":%u,", i == 0 ? "" : ",", i);
		if (answer->chat) {
			write_message(choice, out);
		} else {
			buffer_string(out, "\"text\":");
			json_quote(out, buffer_view(&choice->text));
		}
		if (answer->with_logprobs && answer->chat) {
			drop_comma(&choice->logprobs);
			buffer_string(out, ",\"logprobs\":{\"content\":[");
			buffer_slice(out, buffer_view(&choice->logprobs));
			buffer_string(out, "],\"refusal\":null}");
		} else if (answer->with_logprobs) {
			/* The reports were kept whole: their arrays lie side by side. */
			buffer_string(out, ",\"logprobs\":");
			write_text_logprobs(answer, choice, out,
			                    (const struct token_report *)(const void *)choice->logprobs.data,
			                    choice->logprobs.size / sizeof(struct token_report));
		} else {
			buffer_string(out, ",\"logprobs\":null");
		}
		buffer_printf(out, ",\"finish_reason\":%s}", answer_reason(choice));
	}
	buffer_string(out, "],");
	write_usage(answer, out);
	buffer_byte(out, '}');
}
