/*
 * Requests of the OpenAI API: what is accepted keeps within the limits, can be written anew, and what was written is
 * accepted again and says the same: the document that was looked into is the document that is forwarded.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
hold(bool what)
{
	if (!what)
		abort();
}

static const struct openai_limits limits = {.body_bytes = 65536,
                                            .messages = 8,
                                            .text_bytes = 4096,
                                            .tools = 4,
                                            .texts = 128,
                                            .depth = 16,
                                            .choices = 4};

static void
try_kind(enum openai_kind kind, struct slice body)
{
	struct arena *arena = arena_new((size_t)8 << 20);
	struct openai_request *request = NULL, *again = NULL;
	struct buffer first, second;
	const char *param;
	struct fault why;

	hold(arena != NULL);
	buffer_init(&first, (size_t)1 << 20);
	buffer_init(&second, (size_t)1 << 20);
	if (openai_read(&request, kind, body, &limits, arena, &param, &why) == -1) {
		hold(request == NULL && why.ko[0] != '\0' && why.en[0] != '\0');
		goto out;
	}
	hold(request->text_count <= limits.texts && request->message_count <= limits.messages);
	hold(request->choices >= 1 && request->choices <= limits.choices);
	for (size_t i = 0; i < request->text_count; i++)
		hold(request->texts[i].text.size > 0 && request->texts[i].text.size <= limits.text_bytes);
	openai_content(&first, request);
	hold(buffer_ok(&first) && utf8_valid(buffer_view(&first)));
	if (first.size <= limits.body_bytes) {
		hold(openai_kind_of(buffer_view(&first)) == kind);
		hold(openai_read(&again, kind, buffer_view(&first), &limits, arena, &param, &why) == 0);
		openai_content(&second, again);
		hold(slice_equal(buffer_view(&first), buffer_view(&second)));
	}
	for (size_t i = 0; i < request->text_count; i++)
		hold(openai_mask(request, i, SLICE_LITERAL("[가림]"), &why) ==
		     (request->texts[i].string == NULL ? -1 : 0));
out:
	openai_free(request);
	openai_free(again);
	buffer_free(&first);
	buffer_free(&second);
	arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_kind(OPENAI_CHAT, slice_of(data, size));
	try_kind(OPENAI_COMPLETION, slice_of(data, size));
	try_kind(OPENAI_EMBEDDING, slice_of(data, size));
	return 0;
}
