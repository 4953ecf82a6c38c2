#include "inference/template.h"

#include <stdio.h>
#include <string.h>

struct chat_template {
	const char *name;
	const char *sign; /* occurs in the metadata's template, and is a token where the family is spoken */
	const char *begin[4]; /* before each role's words: system, user, assistant, tool */
	const char *end[4];   /* and behind them */
	const char *answer;   /* where the assistant is to begin */
	const char *stop;
};

/* In the order in which signs are looked for. */
static const struct chat_template templates[] = {
    {"llama3",
     "<|start_header_id|>", {"<|start_header_id|>system<|end_header_id|>\n\n", "<|start_header_id|>user<|end_header_id|>\n\n",
      "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|start_header_id|>ipython<|end_header_id|>\n\n"},
     {"<|eot_id|>", "<|eot_id|>", "<|eot_id|>", "<|eot_id|>"},
     "<|start_header_id|>assistant<|end_header_id|>\n\n", NULL        },
    {"exaone4",
     "[|tool|]",            {"[|system|]\n", "[|user|]\n", "[|assistant|]\n", "[|tool|]\n"},
     {"[|endofturn|]\n", "[|endofturn|]\n", "[|endofturn|]\n", "[|endofturn|]\n"},
     "[|assistant|]\n<think>\n\n</think>\n\n",            NULL        },
    {"exaone",
     "[|endofturn|]",       {"[|system|]", "[|user|]", "[|assistant|]", "[|user|]"},
     {"[|endofturn|]\n", "\n", "[|endofturn|]\n", "\n"},
     "[|assistant|]",                                     NULL        },
    {"gemma",
     "<start_of_turn>",     {"<start_of_turn>user\n", "<start_of_turn>user\n", "<start_of_turn>model\n", "<start_of_turn>user\n"},
     {"<end_of_turn>\n", "<end_of_turn>\n", "<end_of_turn>\n", "<end_of_turn>\n"},
     "<start_of_turn>model\n",                            NULL        },
    {"chatml",
     "<|im_start|>",        {"<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_start|>tool\n"},
     {"<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n"},
     "<|im_start|>assistant\n",                           "<|im_end|>"},
    {"zephyr",
     "<|user|>",            {"<|system|>\n", "<|user|>\n", "<|assistant|>\n", "<|user|>\n"},
     {"</s>\n", "</s>\n", "</s>\n", "</s>\n"},
     "<|assistant|>\n",                                   NULL        },
};

#define TEMPLATES (sizeof templates / sizeof *templates)
#define CHATML    4

int
template_choose(const struct chat_template **out, const char *name, struct slice metadata,
                const struct tokenizer *tokenizer, bool *guess, struct fault *why)
{
	*guess = false;
	for (size_t i = 0; name != NULL && i < TEMPLATES; i++)
		if (strcmp(name, templates[i].name) == 0) {
			*out = &templates[i];
			return 0;
		}
	if (name != NULL)
		return fault_set(
		    why, FAULT_UNSUPPORTED,
		    "대화 틀 '%s'을(를) 모릅니다 (llama3 exaone4 exaone gemma chatml zephyr)",
		    "chat template '%s' is not known (llama3 exaone4 exaone gemma chatml zephyr)", name);
	for (size_t i = 0; metadata.size > 0 && i < TEMPLATES; i++)
		if (metadata.size >= strlen(templates[i].sign) &&
		    tokenizer_find(tokenizer, slice_string(templates[i].sign)) != TOKEN_NONE) {
			const char *sign = templates[i].sign;
			size_t size = strlen(sign);

			for (size_t at = 0; at + size <= metadata.size; at++)
				if (memcmp(metadata.data + at, sign, size) == 0) {
					*out = &templates[i];
					return 0;
				}
		}
	*guess = true;
	for (size_t i = 0; i < TEMPLATES; i++)
		if (tokenizer_find(tokenizer, slice_string(templates[i].sign)) != TOKEN_NONE) {
			*out = &templates[i];
			return 0;
		}
	*out = &templates[CHATML];
	return 0;
}

const char *
template_name(const struct chat_template *chat_template)
{
	return chat_template->name;
}

const char *
template_stop(const struct chat_template *chat_template)
{
	return chat_template->stop;
}

void
template_render(const struct chat_template *chat_template, const struct chat_message *messages, size_t count,
                struct prompt *out)
{
	for (size_t i = 0; i < count; i++) {
		prompt_trusted(out, slice_string(chat_template->begin[messages[i].role]));
		prompt_untrusted(out, messages[i].content);
		prompt_trusted(out, slice_string(chat_template->end[messages[i].role]));
	}
	prompt_trusted(out, slice_string(chat_template->answer));
}
