/* A model file, from the container to the tokenizer. */
#include "inference/gguf.h"
#include "inference/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gguf gguf;
	struct tokenizer *tokenizer = NULL;
	struct token_list list;

	if (gguf_parse(&gguf, slice_of(data, size), NULL) == 0 &&
	    tokenizer_open(&tokenizer, &gguf, NULL) == 0) {
		token_list_init(&list, 4096);
		if (tokenizer_encode(tokenizer, SLICE_LITERAL("Hello, 세계! 123 <|im_end|>"), NULL, 0, &list,
		                     NULL) == 0)
			for (size_t i = 0; i < list.count; i++)
				tokenizer_bytes(tokenizer, list.ids[i]);
		token_list_free(&list);
	}
	tokenizer_close(tokenizer);
	gguf_free(&gguf);
	return 0;
}
