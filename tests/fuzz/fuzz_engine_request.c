/* A head, and bodies for chat and text completions. */
#include <stdlib.h>

#include "inference/constraint.h"
#include "inference/engine_http.h"
#include "inference/engine_request.h"
#include "tests/gguf_maker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buffer file;
	static struct gguf gguf;
	static struct tokenizer *tokenizer;
	static struct chat_template *chat_template;
	struct engine_request request;
	struct http_head head;
	struct fault why;

	if (tokenizer == NULL) {
		struct gguf_maker maker;

		maker_init(&maker, 1);
		maker_vocabulary(&maker, "llama-bpe");
		file = maker_finish(&maker);
		if (gguf_parse(&gguf, buffer_view(&file), NULL) == -1 ||
		    tokenizer_open(&tokenizer, &gguf, NULL) == -1 ||
		    template_open(
		        &chat_template, NULL,
		        SLICE_LITERAL("{{ tools }}{% for m in messages %}<tool_call>{{ m }}{% endfor %}"),
		        tokenizer, NULL) == -1)
			abort();
	}
	engine_http_head(slice_of(data, size), &head);
	{
		struct constraint *constraint = NULL;
		static struct constraint_state state;

		if (constraint_compile(&constraint, NULL, &why) == 0) {
			constraint_begin(&state, constraint);
			constraint_feed(&state, slice_of(data, size));
		}
		constraint_free(constraint);
	}
	for (int chat = 0; chat < 2; chat++) {
		if (engine_request_read(&request, slice_of(data, size), chat, "m", tokenizer, chat_template,
		                        4096, &why) == 0 &&
		    request.prompts.tokens > 4096 * (size_t)REQUEST_PROMPTS_LIMIT)
			abort();
		if (request.constrained && request.schema != NULL) {
			struct constraint *constraint = NULL;
			static struct constraint_state state;

			if (constraint_compile(&constraint, request.schema, &why) == 0) {
				constraint_begin(&state, constraint);
				constraint_feed(&state, slice_of(data, size));
				constraint_complete(&state);
			}
			constraint_free(constraint);
		}
		engine_request_free(&request);
	}
	{
		struct embedding_request inputs;

		if (embedding_request_read(&inputs, slice_of(data, size), "m", tokenizer, 4096, 64, &why) ==
		        0 &&
		    inputs.inputs.count == 0)
			abort();
		embedding_request_free(&inputs);
	}
	return 0;
}
