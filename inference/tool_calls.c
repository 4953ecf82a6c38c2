#define _GNU_SOURCE /* memmem */
#include "inference/tool_calls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HELD_LIMIT ((size_t)4 << 20)

static const struct {
	const char *open, *close;
} marks[] = {
    [TOOL_STYLE_NONE] = {"",               ""            },
    [TOOL_STYLE_TAGGED] = {"<tool_call>",    "</tool_call>"},
    [TOOL_STYLE_FUNCTION] = {"<function=",     "</function>" },
    [TOOL_STYLE_BARE] = {"<|python_tag|>", ""            },
};

struct tool_calls *
tool_calls_new(enum tool_style style, const json_t *tools, bool whole, const char *forced)
{
	struct tool_calls *calls = calloc(1, sizeof *calls);

	if (calls == NULL)
		return NULL;
	calls->style = style;
	calls->whole = whole;
	buffer_init(&calls->held, HELD_LIMIT);
	calls->names = json_object();
	for (size_t i = 0; calls->names != NULL && i < json_array_size(tools); i++) {
		const char *name =
		    json_get_string(json_object_get(json_array_get(tools, i), "function"), "name");

		if (name != NULL)
			json_object_set_new(calls->names, name, json_true());
	}
	if (calls->names == NULL || (forced != NULL && (calls->forced = strdup(forced)) == NULL)) {
		tool_calls_free(calls);
		return NULL;
	}
	return calls;
}

void
tool_calls_free(struct tool_calls *calls)
{
	if (calls == NULL)
		return;
	for (size_t i = 0; i < calls->count; i++) {
		free(calls->calls[i].name);
		free(calls->calls[i].arguments);
	}
	json_decref(calls->names);
	free(calls->forced);
	buffer_free(&calls->held);
	free(calls);
}

bool
tool_calls_marker(struct slice name)
{
	for (size_t i = TOOL_STYLE_TAGGED; i < sizeof marks / sizeof *marks; i++)
		if (slice_is(name, marks[i].open) ||
		    (marks[i].close[0] != '\0' && slice_is(name, marks[i].close)))
			return true;
	return false;
}

static struct slice
bare(struct slice text)
{
	while (text.size > 0 && memchr(" \t\r\n", text.data[0], 4) != NULL)
		text = slice_of(text.data + 1, text.size - 1);
	while (text.size > 0 && memchr(" \t\r\n", text.data[text.size - 1], 4) != NULL)
		text.size--;
	return text;
}

/* ---- one call --------------------------------------------------------------------------------------------------- */

/* false: no such tool, or no room. `arguments` are an object, or a string that holds one, or absent. */
static bool
add_call(struct tool_calls *calls, const char *name, const json_t *arguments)
{
	struct tool_call *call = &calls->calls[calls->count];
	struct buffer text;
	json_t *parsed = NULL;
	uint8_t random[12] = {0};

	if (calls->one && calls->count == 1)
		return true;
	if (calls->count == TOOL_CALLS_LIMIT || name == NULL || json_object_get(calls->names, name) == NULL)
		return false;
	if (json_is_string(arguments))
		arguments = parsed =
		    json_read(slice_of(json_string_value(arguments), json_string_length(arguments)),
		              HELD_LIMIT, 64, NULL);
	if (arguments != NULL && !json_is_object(arguments)) {
		json_decref(parsed);
		return false;
	}
	buffer_init(&text, HELD_LIMIT * 2);
	if (arguments != NULL)
		json_write(&text, arguments);
	else
		buffer_string(&text, "{}");
	json_decref(parsed);
	if (getrandom(random, sizeof random, 0) != sizeof random)
		memcpy(random, &calls->count, sizeof calls->count);
	strcpy(call->id, "call_");
	hex_encode(call->id + 5, random, sizeof random);
	call->arguments = buffer_text(&text) != NULL ? strdup((const char *)text.data) : NULL;
	call->name = strdup(name);
	buffer_free(&text);
	if (call->name == NULL || call->arguments == NULL) {
		free(call->name);
		free(call->arguments);
		return false;
	}
	calls->count++;
	return true;
}

/* {"name": …, "arguments" or "parameters": …} */
static bool
add_json(struct tool_calls *calls, struct slice text)
{
	json_t *json = json_read(bare(text), HELD_LIMIT, 64, NULL);
	const json_t *arguments = json_object_get(json, "arguments");
	bool added;

	if (arguments == NULL)
		arguments = json_object_get(json, "parameters");
	added = add_call(calls, json_get_string(json, "name"), arguments);
	json_decref(json);
	return added;
}

/* name>{…} */
static bool
add_function(struct tool_calls *calls, struct slice text)
{
	const uint8_t *end = text.size > 0 ? memchr(text.data, '>', text.size) : NULL;
	char name[128];
	json_t *arguments;
	bool added;

	if (end == NULL || (size_t)(end - text.data) >= sizeof name)
		return false;
	memcpy(name, text.data, (size_t)(end - text.data));
	name[end - text.data] = '\0';
	arguments = json_read(bare(slice_of(end + 1, text.size - (size_t)(end - text.data) - 1)), HELD_LIMIT,
	                      64, NULL);
	added = arguments != NULL && add_call(calls, name, arguments);
	json_decref(arguments);
	return added;
}

static bool
add_held(struct tool_calls *calls, struct slice text)
{
	if (calls->whole && calls->forced != NULL) {
		json_t *arguments = json_read(bare(text), HELD_LIMIT, 64, NULL);
		bool added = arguments != NULL && add_call(calls, calls->forced, arguments);

		json_decref(arguments);
		return added;
	}
	if (!calls->whole && calls->style == TOOL_STYLE_FUNCTION)
		return add_function(calls, text);
	return add_json(calls, text);
}

/* ---- the stream ------------------------------------------------------------------------------------------------- */

/* How much at the end may be the beginning of `mark`, or is white space before one. */
static size_t
doubtful(struct slice text, const char *mark)
{
	size_t size = strlen(mark), space;

	for (size_t take = size - 1 < text.size ? size - 1 : text.size; take > 0; take--)
		if (memcmp(text.data + text.size - take, mark, take) == 0) {
			size = take;
			goto found;
		}
	size = 0;
found:
	for (space = text.size - size; space > 0 && memchr(" \t\r\n", text.data[space - 1], 4) != NULL;)
		space--;
	return text.size - space;
}

static void
speak(struct tool_calls *calls, size_t size, struct buffer *content)
{
	struct slice said = slice_of(calls->held.data, size);

	/* Between calls and before them white space is nothing that was said. */
	if (!calls->begun && bare(said).size == 0 && size > 0 && calls->count > 0)
		said.size = 0;
	calls->begun = calls->begun || bare(said).size > 0;
	buffer_slice(content, said);
	buffer_consume(&calls->held, size);
}

/* A whole answer may be one call: as long as it looks like JSON it is held. */
static void
feed_bare(struct tool_calls *calls, struct buffer *content)
{
	struct slice text = bare(buffer_view(&calls->held));
	const char *open = marks[TOOL_STYLE_BARE].open;
	size_t size = strlen(open);

	if (calls->whole || text.size == 0 || text.data[0] == '{')
		return;
	if (!calls->begun && memcmp(text.data, open, text.size < size ? text.size : size) == 0)
		return;
	speak(calls, calls->held.size, content);
	calls->begun = true;
}

void
tool_calls_feed(struct tool_calls *calls, struct slice text, struct buffer *content)
{
	const char *open = marks[calls->style].open, *close = marks[calls->style].close;

	if (calls->style == TOOL_STYLE_BARE && calls->begun) {
		buffer_slice(content, text);
		return;
	}
	buffer_slice(&calls->held, text);
	if (calls->whole || calls->style == TOOL_STYLE_BARE) {
		feed_bare(calls, content);
		return;
	}
	for (;;) {
		struct slice held = buffer_view(&calls->held);
		size_t from = calls->inside ? calls->lead + strlen(open) : 0, at, space;
		const char *mark = calls->inside ? close : open;
		const uint8_t *found =
		    held.size > from ? memmem(held.data + from, held.size - from, mark, strlen(mark)) : NULL;

		if (found == NULL)
			break;
		at = space = (size_t)(found - held.data);
		if (!calls->inside) {
			while (space > 0 && memchr(" \t\r\n", held.data[space - 1], 4) != NULL)
				space--;
			speak(calls, space, content);
			calls->lead = at - space;
			calls->inside =
			    true; /* white space and mark stay in front, should this be no call after all */
			continue;
		}
		if (add_held(calls, slice_of(held.data + from, at - from)))
			buffer_consume(&calls->held, at + strlen(close));
		else
			speak(calls, at + strlen(close), content);
		calls->inside = false;
	}
	if (!calls->inside)
		speak(calls, calls->held.size - doubtful(buffer_view(&calls->held), open), content);
}

void
tool_calls_end(struct tool_calls *calls, struct buffer *content)
{
	struct slice held = buffer_view(&calls->held);
	size_t skip = 0;

	if (!calls->whole && calls->inside)
		skip = calls->lead + strlen(marks[calls->style].open);
	else if (!calls->whole && calls->style == TOOL_STYLE_BARE) {
		const char *open = marks[TOOL_STYLE_BARE].open;
		struct slice text = bare(held);

		skip = (size_t)(text.data - held.data);
		if (text.size > strlen(open) && memcmp(text.data, open, strlen(open)) == 0)
			skip += strlen(open);
	}
	/* A model may end its turn instead of closing the call. */
	if (held.size > skip && (calls->whole || calls->inside || calls->style == TOOL_STYLE_BARE) &&
	    !(calls->style == TOOL_STYLE_BARE && calls->begun) &&
	    add_held(calls, slice_of(held.data + skip, held.size - skip)))
		buffer_reset(&calls->held);
	if (calls->count > 0 && bare(buffer_view(&calls->held)).size == 0)
		buffer_reset(&calls->held);
	speak(calls, calls->held.size, content);
	calls->inside = false;
}
