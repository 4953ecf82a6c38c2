#include "inference/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/template_jinja.h"

struct family {
	const char *name;
	const char *sign; /* occurs in the metadata's template, and is a token where the family is spoken */
	const char *begin[4]; /* before each role's words: system, user, assistant, tool */
	const char *end[4];   /* and behind them */
	const char *answer;   /* where the assistant is to begin */
	const char *stop;
};

struct chat_template {
	const struct family *family; /* of the built-in ones, or NULL */
	struct jinja *jinja;
	json_t *ours; /* variables of the vocabulary's making */
	char name[64];
	bool guessed, broken;
	enum tool_style tools;
	struct fault why; /* what was wrong with the model's own */
};

/* In the order in which signs are looked for. */
static const struct family families[] = {
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

#define FAMILIES (sizeof families / sizeof *families)
#define CHATML   4

static bool
holds(struct slice text, const char *part)
{
	size_t size = strlen(part);

	for (size_t at = 0; at + size <= text.size; at++)
		if (memcmp(text.data + at, part, size) == 0)
			return true;
	return false;
}

/* The family whose sign is a token, and stands in the template as well where there is one. */
static const struct family *
guess_family(struct slice metadata, const struct tokenizer *tokenizer)
{
	for (size_t i = 0; metadata.size > 0 && i < FAMILIES; i++)
		if (holds(metadata, families[i].sign) &&
		    tokenizer_find(tokenizer, slice_string(families[i].sign)) != TOKEN_NONE)
			return &families[i];
	for (size_t i = 0; i < FAMILIES; i++)
		if (tokenizer_find(tokenizer, slice_string(families[i].sign)) != TOKEN_NONE)
			return &families[i];
	return &families[CHATML];
}

static int
set_token(json_t *ours, const char *name, const struct tokenizer *tokenizer, uint32_t token)
{
	struct slice text = token != TOKEN_NONE ? tokenizer_text(tokenizer, token) : slice_of("", 0);

	return json_object_set_new(ours, name, json_stringn((const char *)text.data, text.size));
}

static enum tool_style
style_of(struct slice source)
{
	if (!holds(source, "tools"))
		return TOOL_STYLE_NONE;
	if (holds(source, "<tool_call>") && !holds(source, "<function="))
		return TOOL_STYLE_TAGGED;
	return holds(source, "<function=") ? TOOL_STYLE_FUNCTION : TOOL_STYLE_BARE;
}

/* Interpret `source`. */
static int
use_source(struct chat_template *chat_template, struct slice source, const struct tokenizer *tokenizer,
           const char *name, struct fault *why)
{
	if (jinja_compile(&chat_template->jinja, source, why) == -1)
		return -1;
	if ((chat_template->ours = json_object()) == NULL ||
	    set_token(chat_template->ours, "bos_token", tokenizer, tokenizer_bos(tokenizer)) == -1 ||
	    set_token(chat_template->ours, "eos_token", tokenizer, tokenizer_eos(tokenizer)) == -1 ||
	    json_object_set_new(chat_template->ours, "add_generation_prompt", json_true()) == -1 ||
	    json_object_set_new(chat_template->ours, "documents", json_null()) == -1)
		return fault_memory(why);
	snprintf(chat_template->name, sizeof chat_template->name, "%s", name);
	chat_template->tools = style_of(source);
	return 0;
}

bool
template_is_path(const char *name)
{
	size_t size = strlen(name);

	return strchr(name, '/') != NULL || (size > 6 && strcmp(name + size - 6, ".jinja") == 0);
}

static int
use_name(struct chat_template *chat_template, const char *name, struct fault *why)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (strcmp(name, families[i].name) == 0) {
			chat_template->family = &families[i];
			return 0;
		}
	return fault_set(
	    why, FAULT_UNSUPPORTED,
	    "대화 틀 '%s'을(를) 모릅니다 (llama3 exaone4 exaone gemma chatml zephyr, 또는 파일 경로)",
	    "chat template '%s' is not known (llama3 exaone4 exaone gemma chatml zephyr, or the path of "
	    "a file)",
	    name);
}

int
template_open_source(struct chat_template **out, struct slice source, const struct tokenizer *tokenizer,
                     struct fault *why)
{
	struct chat_template *chat_template = calloc(1, sizeof *chat_template);

	if (chat_template == NULL)
		return fault_memory(why);
	if (use_source(chat_template, source, tokenizer, "file", why) == -1) {
		template_close(chat_template);
		return -1;
	}
	*out = chat_template;
	return 0;
}

int
template_open(struct chat_template **out, const char *name, struct slice metadata,
              const struct tokenizer *tokenizer, struct fault *why)
{
	struct chat_template *chat_template = calloc(1, sizeof *chat_template);

	if (chat_template == NULL)
		return fault_memory(why);
	if (name != NULL && use_name(chat_template, name, why) == -1) {
		template_close(chat_template);
		return -1;
	}
	if (name == NULL && (metadata.size == 0 || use_source(chat_template, metadata, tokenizer, "model",
	                                                      &chat_template->why) == -1)) {
		jinja_free(chat_template->jinja);
		chat_template->jinja = NULL;
		chat_template->broken = metadata.size > 0;
		chat_template->family = guess_family(metadata, tokenizer);
		chat_template->guessed = true;
	}
	*out = chat_template;
	return 0;
}

void
template_close(struct chat_template *chat_template)
{
	if (chat_template == NULL)
		return;
	jinja_free(chat_template->jinja);
	json_decref(chat_template->ours);
	free(chat_template);
}

const char *
template_name(const struct chat_template *chat_template)
{
	return chat_template->family != NULL ? chat_template->family->name : chat_template->name;
}

bool
template_guessed(const struct chat_template *chat_template, const struct fault **why)
{
	*why = chat_template->broken ? &chat_template->why : NULL;
	return chat_template->guessed;
}

const char *
template_stop(const struct chat_template *chat_template)
{
	return chat_template->family != NULL ? chat_template->family->stop : NULL;
}

enum tool_style
template_tools(const struct chat_template *chat_template)
{
	return chat_template->tools;
}

bool
template_knows_developer(const struct chat_template *chat_template)
{
	return chat_template->jinja != NULL && jinja_mentions(chat_template->jinja, "developer");
}

static void
render_family(const struct family *family, const json_t *messages, struct prompt *out)
{
	static const char *const roles[] = {"system", "user", "assistant", "tool"};

	for (size_t i = 0; i < json_array_size(messages); i++) {
		const json_t *message = json_array_get(messages, i),
		             *content = json_object_get(message, "content");
		const char *role = json_get_string(message, "role");

		for (size_t j = 0; role != NULL && j < sizeof roles / sizeof *roles; j++) {
			if (strcmp(role, roles[j]) != 0)
				continue;
			prompt_trusted(out, slice_string(family->begin[j]));
			prompt_untrusted(out,
			                 slice_of(json_string_value(content), json_string_length(content)));
			prompt_trusted(out, slice_string(family->end[j]));
		}
	}
	prompt_trusted(out, slice_string(family->answer));
}

int
template_render(const struct chat_template *chat_template, const json_t *conversation, struct prompt *out,
                struct fault *why)
{
	out->templated = chat_template->jinja != NULL;
	if (chat_template->jinja != NULL)
		return jinja_render(chat_template->jinja, chat_template->ours, conversation, out, why);
	render_family(chat_template->family, json_object_get(conversation, "messages"), out);
	return 0;
}
