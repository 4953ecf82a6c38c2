#define _GNU_SOURCE /* memmem */
/* tokenizer_encode -- prompts to tokens: special tokens first, where they may be, then the text between. */
#include <stdlib.h>
#include <string.h>

#include "inference/tokenizer_inside.h"

#define TEXT_LIMIT ((size_t)1 << 30)

/* A stretch of the text: a special token, or text still to be searched and merged. */
struct stretch {
	size_t start, end;
	uint32_t token; /* TOKEN_NONE: text */
};

static bool
within(const struct span *trusted, size_t count, size_t start, size_t end)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (trusted[middle].end < end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && trusted[low].start <= start && end <= trusted[low].end;
}

struct stretches {
	struct stretch *list;
	size_t count, capacity;
};

static int
add_stretch(struct stretches *stretches, size_t start, size_t end, uint32_t token, struct fault *why)
{
	if (stretches->count == stretches->capacity) {
		size_t capacity = stretches->capacity * 2 + 16;
		struct stretch *list = realloc(stretches->list, capacity * sizeof *list);

		if (list == NULL)
			return fault_memory(why);
		stretches->list = list;
		stretches->capacity = capacity;
	}
	stretches->list[stretches->count++] = (struct stretch){start, end, token};
	return 0;
}

/* Cut every text stretch at each occurrence of one token. */
static int
split_at(const struct tokenizer *tokenizer, struct slice text, const struct span *trusted,
         size_t trusted_count, uint32_t token, const struct stretches *in, struct stretches *out,
         struct fault *why)
{
	struct slice name = tokenizer->texts[token];
	bool anywhere = tokenizer->kinds[token] == TOKEN_USER;

	out->count = 0;
	for (size_t i = 0; i < in->count; i++) {
		size_t start = in->list[i].start, end = in->list[i].end, from = start;

		if (in->list[i].token != TOKEN_NONE) {
			if (add_stretch(out, start, end, in->list[i].token, why) == -1)
				return -1;
			continue;
		}
		while (from < end) {
			const uint8_t *found = memmem(text.data + from, end - from, name.data, name.size);
			size_t at;

			if (found == NULL)
				break;
			at = (size_t)(found - text.data);
			if (!anywhere && !within(trusted, trusted_count, at, at + name.size)) {
				from = at + 1;
				continue;
			}
			if ((at > start && add_stretch(out, start, at, TOKEN_NONE, why) == -1) ||
			    add_stretch(out, at, at + name.size, token, why) == -1)
				return -1;
			start = from = at + name.size;
		}
		if (end > start && add_stretch(out, start, end, TOKEN_NONE, why) == -1)
			return -1;
	}
	return 0;
}

int
tokenizer_encode(const struct tokenizer *tokenizer, struct slice text, const struct span *trusted,
                 size_t trusted_count, struct token_list *out, struct fault *why)
{
	struct stretches now = {0}, next = {0};
	bool fresh = true; /* at the start, or just behind a special token */
	int result = -1;

	if (text.size > TEXT_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "텍스트가 너무 깁니다", "the text is too long");
	if (text.size > 0 && add_stretch(&now, 0, text.size, TOKEN_NONE, why) == -1)
		goto out;
	for (uint32_t i = 0; i < tokenizer->special_count; i++) {
		uint32_t token = tokenizer->special[i];
		struct slice name = tokenizer->texts[token];
		struct stretches other;

		if ((tokenizer->kinds[token] != TOKEN_USER && trusted_count == 0) || name.size > text.size ||
		    memmem(text.data, text.size, name.data, name.size) == NULL)
			continue;
		if (split_at(tokenizer, text, trusted, trusted_count, token, &now, &next, why) == -1)
			goto out;
		other = now;
		now = next;
		next = other;
	}
	for (size_t i = 0; i < now.count; i++) {
		struct stretch stretch = now.list[i];
		struct slice part = slice_of(text.data + stretch.start, stretch.end - stretch.start);

		if (stretch.token != TOKEN_NONE) {
			if (token_list_add(out, stretch.token, why) == -1)
				goto out;
			fresh = true;
			continue;
		}
		if ((tokenizer->sentencepiece
		         ? tokenizer_sentencepiece(tokenizer, part, fresh && tokenizer->add_space, out, why)
		         : tokenizer_bpe(tokenizer, part, out, why)) == -1)
			goto out;
		fresh = false;
	}
	result = 0;
out:
	free(now.list);
	free(next.list);
	return result;
}

/* A template that begins with bos has written it itself. */
static bool
begins_with_bos(const struct tokenizer *tokenizer, const struct prompt *prompt)
{
	struct slice bos = tokenizer_text(tokenizer, tokenizer->bos);

	return prompt->templated && bos.size > 0 && prompt->trusted_count > 0 &&
	       prompt->trusted[0].start == 0 && prompt->trusted[0].end >= bos.size &&
	       prompt->text.size >= bos.size && memcmp(prompt->text.data, bos.data, bos.size) == 0;
}

int
tokenizer_encode_prompt(const struct tokenizer *tokenizer, const struct prompt *prompt,
                        struct token_list *out, struct fault *why)
{
	struct slice text = buffer_view(&prompt->text);

	if (!buffer_ok(&prompt->text))
		return fault_set(why, FAULT_TOO_LARGE, "프롬프트가 너무 깁니다", "the prompt is too long");
	if (tokenizer_adds_bos(tokenizer) && !begins_with_bos(tokenizer, prompt) &&
	    token_list_add(out, tokenizer->bos, why) == -1)
		return -1;
	if (tokenizer_encode(tokenizer, text, prompt->trusted, prompt->trusted_count, out, why) == -1)
		return -1;
	if (tokenizer->add_eos && tokenizer->eos != TOKEN_NONE)
		return token_list_add(out, tokenizer->eos, why);
	return 0;
}

/* ---- lists and prompts ------------------------------------------------------------------------------------------ */

void
token_list_init(struct token_list *list, size_t limit)
{
	*list = (struct token_list){.limit = limit};
}

void
token_list_free(struct token_list *list)
{
	free(list->ids);
	*list = (struct token_list){0};
}

int
token_list_add(struct token_list *list, uint32_t id, struct fault *why)
{
	if (list->count >= list->limit)
		return fault_set(why, FAULT_TOO_LARGE, "토큰이 %zu개를 넘습니다", "more than %zu tokens",
		                 list->limit);
	if (list->count == list->capacity) {
		size_t capacity = list->capacity * 2 + 64;
		uint32_t *ids = realloc(list->ids, capacity * sizeof *ids);

		if (ids == NULL)
			return fault_memory(why);
		list->ids = ids;
		list->capacity = capacity;
	}
	list->ids[list->count++] = id;
	return 0;
}

void
prompt_init(struct prompt *prompt, size_t limit)
{
	*prompt = (struct prompt){0};
	buffer_init(&prompt->text, limit);
}

void
prompt_free(struct prompt *prompt)
{
	buffer_free(&prompt->text);
	free(prompt->trusted);
	*prompt = (struct prompt){0};
}

void
prompt_trusted(struct prompt *prompt, struct slice text)
{
	size_t start = prompt->text.size;

	if (text.size == 0)
		return;
	buffer_slice(&prompt->text, text);
	if (prompt->trusted_count > 0 && prompt->trusted[prompt->trusted_count - 1].end == start) {
		prompt->trusted[prompt->trusted_count - 1].end += text.size;
		return;
	}
	if (prompt->trusted_count == prompt->trusted_capacity) {
		size_t capacity = prompt->trusted_capacity * 2 + 16;
		struct span *spans = realloc(prompt->trusted, capacity * sizeof *spans);

		if (spans == NULL) {
			prompt->text.failed = true;
			return;
		}
		prompt->trusted = spans;
		prompt->trusted_capacity = capacity;
	}
	prompt->trusted[prompt->trusted_count++] = (struct span){start, start + text.size};
}

void
prompt_untrusted(struct prompt *prompt, struct slice text)
{
	buffer_slice(&prompt->text, text);
}
