/* Any text through every pre-tokenizer, and back: the bytes must be the same. */
#include <stdlib.h>
#include <string.h>

#include "inference/speech.h"
#include "inference/tokenizer.h"
#include "tests/gguf_maker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES 8

static struct tokenizer *tokenizers[RULES];

static void
open_tokenizers(void)
{
	static const char *const pre[RULES] = {"gpt-2",      "exaone",  "llama-bpe",   "qwen2",
	                                       "exaone-moe", "kanana2", "deepseek-v3", "default"};
	static struct buffer files[RULES];
	static struct gguf ggufs[RULES];

	for (size_t i = 0; i < RULES; i++) {
		struct gguf_maker maker;

		maker_init(&maker, 1);
		maker_vocabulary(&maker, pre[i]);
		files[i] = maker_finish(&maker);
		if (gguf_parse(&ggufs[i], buffer_view(&files[i]), NULL) == -1 ||
		    tokenizer_open(&tokenizers[i], &ggufs[i], NULL) == -1)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tokenizer *tokenizer;
	struct token_list list;
	struct buffer back, said;
	struct speech speech;
	struct span trusted = {size / 3, size / 2};
	const struct slice stop = {data, size < 3 ? size : 3};

	if (tokenizers[0] == NULL)
		open_tokenizers();
	/* Longer texts show nothing new here and cost the most: test_tokenizer.c times long ones. */
	if (size < 1 || size > 1024)
		return 0;
	tokenizer = tokenizers[data[0] % RULES];
	token_list_init(&list, size + 1);
	if (tokenizer_encode(tokenizer, slice_of(data, size), &trusted, 1, &list, NULL) == -1)
		abort();
	buffer_init(&back, size + 1);
	buffer_init(&said, 4 * size + 16);
	/* Stop strings come out of JSON: they are UTF-8, and so never begin within a character. */
	speech_init(&speech, &stop, utf8_valid(stop) ? 1 : 0, false);
	for (size_t i = 0; i < list.count; i++) {
		buffer_slice(&back, tokenizer_bytes(tokenizer, list.ids[i]));
		speech_add(&speech, tokenizer_bytes(tokenizer, list.ids[i]), &said);
	}
	speech_end(&speech, size % 2 == 0, &said);
	if (back.size != size || memcmp(back.data, data, size) != 0 || !utf8_valid(buffer_view(&said)))
		abort();
	speech_free(&speech);
	buffer_free(&said);
	buffer_free(&back);
	token_list_free(&list);
	return 0;
}
