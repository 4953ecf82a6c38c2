/*
 * Answers of engines, whole and in chunks: what is accepted can be written anew, as JSON that is one line: nothing in
 * it can end an event.
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

static void
check(const struct buffer *made)
{
	json_t *value;

	hold(memchr(made->data, '\n', made->size) == NULL && memchr(made->data, '\r', made->size) == NULL);
	hold((value = json_read(buffer_view(made), (size_t)8 << 20, 32, NULL)) != NULL);
	json_decref(value);
}

static void
try_one(enum openai_kind kind, bool chunk, struct slice text)
{
	static const struct openai_mark mark = {.id = "chatcmpl-1",
	                                        .model = "m",
	                                        .entry = "e",
	                                        .decision = "permit",
	                                        .verdict = "EXCLUDED",
	                                        .label = "none"};
	struct arena *arena = arena_new((size_t)8 << 20);
	struct openai_answer answer;
	struct buffer made;
	struct fault why;

	hold(arena != NULL);
	buffer_init(&made, (size_t)8 << 20);
	if (openai_answer_read(&answer, kind, chunk, text, 65536, arena, &why) == 0) {
		if (chunk) {
			openai_chunk_write(&made, &answer, true, &mark, true);
			hold(buffer_ok(&made));
			check(&made);
		} else if (openai_answer_write(&made, &answer, (text.size & 1) != 0, &mark, &why) == 0) {
			check(&made);
		}
		openai_answer_free(&answer);
	}
	buffer_free(&made);
	arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice text = slice_of(data, size);

	try_one(OPENAI_CHAT, false, text);
	try_one(OPENAI_CHAT, true, text);
	try_one(OPENAI_COMPLETION, false, text);
	try_one(OPENAI_EMBEDDING, false, text);
	return 0;
}
