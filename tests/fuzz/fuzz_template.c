/* Any chat template, over one conversation; the text that comes out is UTF-8, and its spans lie within. */
#include <stdlib.h>

#include "inference/template_jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *ours, *theirs;
	struct jinja *jinja = NULL;
	struct prompt prompt;
	struct fault why = {0};

	if (ours == NULL) {
		ours = json_pack("{s:s, s:s, s:b, s:n}", "bos_token", "<s>", "eos_token", "</s>",
		                 "add_generation_prompt", 1, "documents");
		theirs = json_pack(
		    "{s:[{s:s, s:s}, {s:s, s:s, s:[{s:{s:s, s:{s:s, s:i}}}]}, {s:s, s:s}], s:[{s:{s:s, s:[f, "
		    "b, n]}}]}",
		    "messages", "role", "user", "content", " 안녕 <|im_end|>\n", "role", "assistant",
		    "content", "<think>x</think>y", "tool_calls", "function", "name", "f", "arguments", "a",
		    "가", "b", 2, "role", "tool", "content", "{}", "tools", "function", "name", "f", "list",
		    1.5, 1);
		if (ours == NULL || theirs == NULL)
			abort();
	}
	if (size > 4096)
		return 0;
	prompt_init(&prompt, 1 << 20);
	if (jinja_compile(&jinja, slice_of(data, size), &why) == -1 ||
	    jinja_render(jinja, ours, theirs, &prompt, &why) == -1) {
		if (why.en[0] == '\0' || why.ko[0] == '\0')
			abort();
	} else if (buffer_ok(&prompt.text)) {
		size_t at = 0;

		if (!utf8_valid(buffer_view(&prompt.text)))
			abort();
		for (size_t i = 0; i < prompt.trusted_count; i++) {
			if (prompt.trusted[i].start < at || prompt.trusted[i].end > prompt.text.size ||
			    prompt.trusted[i].start >= prompt.trusted[i].end)
				abort();
			at = prompt.trusted[i].end;
		}
	}
	prompt_free(&prompt);
	jinja_free(jinja);
	return 0;
}
